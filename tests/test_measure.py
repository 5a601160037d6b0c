"""Latency: what a measurement says and leaves behind; how fast this machine is says no test."""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
import torch

from archcalc.errors import Unavailable, UsageError
from archcalc.graph import Graph
from archcalc.measured import Latency
from archcalc.runtime import measure as subject
from archcalc.runtime import modules
from archcalc.runtime.measure import CpuClock, CudaClock, measure, out_of_memory, pinned_malloc
from archcalc.runtime.network import example_inputs
from tests.graphs import Build, call, chain

CPU = torch.device("cpu")


def small() -> Graph:
    """Five nodes, and two of a head."""
    b = Build((3, 8, 8))
    middle = b("relu", b("bn", b("conv", -1, out=4, kernel=3)))
    end = b("linear", b("gap", middle), out=5)
    main = len(b.builder)
    b.builder.head = "aux"
    aux = b("linear", b("avgpool", middle, kernel=2), out=5)
    return b.finish(end, main=main, heads=(("aux", aux),))


def test_structure() -> None:
    found = measure(small(), batch=2, runs=4, time_limit=60)
    assert (found.device, found.dtype, found.batch, found.torch) == ("cpu", "float32", 2, torch.__version__)
    assert found.device_name
    assert found.threads == torch.get_num_threads()
    assert found.runs == found.whole.runs == 4
    assert found.complete
    assert len(found.layers) == len(found.samples) == 5, "the head is not measured"
    for latency, samples in zip(found.layers, found.samples, strict=True):
        assert latency == Latency.of(samples)
        assert latency.runs == len(samples) == 4
        assert 0 < latency.min <= latency.median <= latency.max
        assert 0 <= latency.iqr <= latency.max - latency.min
    assert "samples" not in repr(found)


def test_a_span_is_summed_within_each_run() -> None:
    found = measure(small(), runs=5, time_limit=60)
    sums = [math.fsum(row[run] for row in found.samples[1:4]) for run in range(5)]
    assert found.span(1, 4).median == pytest.approx(median(sums))
    assert found.span(1, 4).runs == 5
    assert found.span(2, 3) == found.layers[2]
    assert found.span(2, 2).median == 0


def test_the_time_limit_is_honoured() -> None:
    found = measure(small(), runs=1000, time_limit=0)
    assert found.runs == len(found.samples[0]) == 1
    assert not found.complete
    assert found.whole.iqr == 0
    assert not measure(small(), runs=1, time_limit=0).complete, "not warmed up"


def test_no_round_begins_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def later(done: int, planned: int) -> None:
        nonlocal now
        now += 1.0

    monkeypatch.setattr(time, "monotonic", lambda: now)
    found = measure(small(), runs=30, time_limit=5, progress=later)
    assert found.runs == 5
    assert not found.complete


def test_progress() -> None:
    seen: list[tuple[int, int]] = []
    measure(small(), runs=3, time_limit=60, progress=lambda done, planned: seen.append((done, planned)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_dtypes(dtype: str) -> None:
    assert measure(small(), dtype=dtype, runs=1, time_limit=60).dtype == dtype


def test_a_network_of_nothing() -> None:
    found = measure(Build((3, 8, 8)).finish(-1), runs=2)
    assert found.layers == ()
    assert found.whole.runs == 2


def test_parts_and_several_inputs() -> None:
    b = Build((4, 6, 6), (4, 6, 6))
    joined = b("add", -1, -2)
    graph = b.finish(b("split", joined, parts=2), b("split", joined, parts=2, _index=1))
    assert len(measure(graph, runs=1).layers) == 3


def test_ids_are_drawn_below_the_number_of_words() -> None:
    b = Build((50,), (8,))
    words = b("embed", -1, words=3, width=8)
    graph = b.finish(b("add", b("lstm", words, width=8), -2))
    ids, other = example_inputs(graph, 4)
    assert ids.dtype == torch.long
    assert set(ids.flatten().tolist()) == {0, 1, 2}
    assert other.dtype == torch.float32
    assert len(measure(graph, runs=1).layers) == 3


# The state of the process is as before.


def state() -> tuple[Any, ...]:
    return (
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        gc.isenabled(),
        torch.get_rng_state().tolist(),
    )


def test_the_process_is_as_before() -> None:
    before = state()
    assert measure(small(), runs=1, threads=1).threads == 1
    assert state() == before


def test_an_interrupt_gets_through_and_leaves_no_trace() -> None:
    def interrupt(done: int, planned: int) -> None:
        raise KeyboardInterrupt

    before = state()
    with pytest.raises(KeyboardInterrupt):
        measure(small(), runs=3, threads=1, progress=interrupt)
    assert state() == before


def test_the_parameters_and_the_input_are_the_same_each_time() -> None:
    torch.manual_seed(1)
    one, x = subject._prepare(small().without_heads(), 2, torch.float32, "float32", CPU)
    torch.manual_seed(2)
    two, y = subject._prepare(small().without_heads(), 2, torch.float32, "float32", CPU)
    torch.testing.assert_close((one.state_dict(), x), (two.state_dict(), y), rtol=0, atol=0)


@pytest.mark.skipif(not sys.platform.startswith("linux") or subject._glibc() is None, reason="no glibc here")
def test_malloc_is_pinned_on_glibc() -> None:
    assert measure(small(), runs=1).malloc_pinned


def test_malloc_is_pinned_on_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not measure(small(), runs=1, pin_malloc=False).malloc_pinned
    monkeypatch.setattr(subject, "_glibc", lambda: None)
    assert not measure(small(), runs=1).malloc_pinned


def test_malloc_is_let_go() -> None:
    calls: list[tuple[int, int]] = []

    class Libc:
        def mallopt(self, option: int, value: int) -> int:
            calls.append((option, value))
            return 1

        def malloc_trim(self, pad: int) -> int:
            calls.append((0, pad))
            return 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "_glibc", Libc)
        with pinned_malloc() as pinned:
            assert pinned
            assert calls == [(-4, 0), (-1, -1), (-2, 64 * 2**20)]
    assert (-4, 65536) in calls
    assert calls[-1] == (0, 0)


# The chained clock.


class Ticks:
    """A clock that ticks once at each reading, and notes how many readings a run made."""

    def __init__(self) -> None:
        self.now = 0
        self.runs: list[int] = []

    def mark(self) -> int:
        self.now += 1
        return self.now**2

    def between(self, marks: list[int]) -> list[float]:
        self.runs.append(len(marks))
        return [float(stop - start) for start, stop in pairwise(marks)]


def bench(clock: Any) -> subject._Bench:
    return subject._Bench(*subject._prepare(small().without_heads(), 1, torch.float32, "float32", CPU), clock)


def test_the_clock_is_read_once_at_each_boundary() -> None:
    clock = Ticks()
    ready = bench(clock)
    assert ready.layers() == [3, 5, 7, 9, 11], "between readings 1, 4, 9, 16, 25 and 36"
    assert ready.whole() == 64 - 49
    assert clock.runs == [6, 2]


def test_milliseconds() -> None:
    assert CpuClock().between([0, 1_500_000, 1_750_000]) == [1.5, 0.25]


# The GPU, as far as it goes without one.


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unavailable, match="no GPU") as caught:
        measure(small(), device="cuda")
    assert caught.value.exit_code == 3


def test_no_such_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(Unavailable, match="no GPU number 7: there is 1"):
        measure(small(), device="cuda:7")


def test_the_memory_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 10**12))
    with pytest.raises(Unavailable, match="free are 100 B"):
        measure(small(), device="cuda")


def test_events_are_queued_and_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            log.append("record")
            self.at = len(log)

        def elapsed_time(self, other: Event) -> float:
            log.append("read")
            return float(other.at - self.at)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("wait"))
    assert bench(CudaClock()).layers() == [1.0] * 5
    assert log == ["record"] * 6 + ["wait"] + ["read"] * 5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_gpu() -> None:
    found = measure(small(), device="cuda", batch=2, runs=4, time_limit=60)
    assert found.device.startswith("cuda:")
    assert not found.malloc_pinned
    assert all(latency.min >= 0 for latency in found.layers)


# Memory.


def test_more_memory_than_there_is() -> None:
    """Refused before anything is allocated."""
    with pytest.raises(Unavailable, match=r"needs [\d.,]+ TiB of memory .* at batch 100000000000") as caught:
        measure(small(), batch=10**11)
    assert caught.value.exit_code == 3
    assert caught.value.hint
    wide = chain((10**7,), call("linear", out=10**7))
    with pytest.raises(Unavailable, match="of parameters"):
        measure(wide)


def test_what_is_needed_and_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters, statistics and peak: (112 + 8 + 25) + 8 floats, and 192 + 256 + 256 floats for each of 2 samples."""
    needed = 4 * (3 * 4 * 9 + 4 + 8 + 4 * 5 + 5 + 8) + 2 * 4 * (192 + 256 + 256)
    monkeypatch.setattr(subject, "available_memory", lambda where: needed)
    measure(small(), batch=2, runs=1)
    monkeypatch.setattr(subject, "available_memory", lambda where: needed - 1)
    with pytest.raises(Unavailable):
        measure(small(), batch=2, runs=1)
    monkeypatch.setattr(subject, "available_memory", lambda where: None)
    measure(small(), runs=1)


def test_available_memory_is_what_the_system_says() -> None:
    there = subject.available_memory(CPU)
    assert there is None or there > 2**20


def failing(error: BaseException) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def fail(x: Any) -> Any:
        raise error

    return fail, fail


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried …"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
    ],
)
def test_memory_that_runs_out_at_a_node(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    monkeypatch.setitem(modules.ACTIVATIONS, "relu", failing(error))
    with pytest.raises(Unavailable, match="memory ran out at `relu`"):
        measure(small(), runs=1)


def test_memory_that_runs_out_before_the_first_node(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr(torch, "randn", fail)
    with pytest.raises(Unavailable, match="while the parameters and the input were made"):
        measure(small(), runs=1)


def test_what_torch_cannot_do_in_a_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("\"relu_cpu\" not implemented for 'Half'\nat line 3")
    monkeypatch.setitem(modules.ACTIVATIONS, "relu", failing(error))
    with pytest.raises(Unavailable, match=r"cannot run `relu` so on this device: .* 'Half'$"):
        measure(small(), runs=1)


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(modules.ACTIVATIONS, "relu", failing(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        measure(small(), runs=1)
    assert not out_of_memory(RuntimeError("a bug"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, "at least one sample"),
        ({"runs": 0}, "at least one run"),
        ({"threads": 0}, "at least one thread"),
        ({"time_limit": -1.0}, "at least 0 seconds"),
        ({"time_limit": math.nan}, "at least 0 seconds"),
        ({"dtype": "int8"}, "`int8` is not a dtype"),
        ({"device": "gpu"}, "`gpu` is not a device"),
        ({"device": "cuda:x"}, "`cuda:x` is not a device"),
    ],
)
def test_arguments_that_make_no_sense(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        measure(small(), **wrong)
