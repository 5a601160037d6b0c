"""Latency: what a measurement says and leaves behind; how fast this machine is says no test."""

from __future__ import annotations

import gc
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count, cycle, pairwise, repeat
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from archcalc.errors import Unavailable, UsageError
from archcalc.graph import Graph
from archcalc.measurement.conditions import Conditions
from archcalc.measurement.latency import Interrupted, Latency, confidence
from archcalc.runtime import ceilings, machine, modules, room
from archcalc.runtime import measure as subject
from archcalc.runtime import rounds as rounds_of
from archcalc.runtime.bench import Bench, ByNode, CpuClock, CudaClock, clock_cost
from archcalc.runtime.machine import pinned_malloc
from archcalc.runtime.measure import largest, measure, measure_in_turn
from archcalc.runtime.network import build, example_inputs
from archcalc.runtime.rounds import Rounds, Runner, has_warmed_up, quiet_rounds, rounds_in_turn
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
    found = measure(small(), Conditions(batch=2, runs=4, time_limit=60))
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
    found = measure(small(), Conditions(runs=5, time_limit=60))
    sums = [math.fsum(row[run] for row in found.samples[1:4]) for run in range(5)]
    assert found.span(1, 4).median == pytest.approx(median(sums))
    assert found.span(1, 4).runs == 5
    assert found.span(2, 3) == found.layers[2]
    assert found.span(2, 2).median == 0


def test_the_time_limit_is_honoured() -> None:
    found = measure(small(), Conditions(runs=1000, time_limit=0))
    assert found.runs == len(found.samples[0]) == 1
    assert not found.complete
    assert found.whole.iqr == 0
    assert not measure(small(), Conditions(runs=1, time_limit=0)).complete, "not warmed up"


def test_no_round_begins_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def later(done: int, planned: int) -> None:
        nonlocal now
        now += 1.0

    monkeypatch.setattr(time, "monotonic", lambda: now)
    found = measure(small(), Conditions(runs=30, time_limit=5), progress=later)
    assert found.runs == 5
    assert not found.complete


def test_progress() -> None:
    seen: list[tuple[int, int]] = []
    measure(small(), Conditions(runs=3, time_limit=60), progress=lambda done, planned: seen.append((done, planned)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_dtypes(dtype: str) -> None:
    assert measure(small(), Conditions(dtype=dtype, runs=1, time_limit=60)).dtype == dtype


def test_a_network_of_nothing() -> None:
    found = measure(Build((3, 8, 8)).finish(-1), Conditions(runs=2))
    assert found.layers == ()
    assert found.whole.runs == 2


def test_parts_and_several_inputs() -> None:
    b = Build((4, 6, 6), (4, 6, 6))
    joined = b("add", -1, -2)
    graph = b.finish(b("split", joined, parts=2), b("split", joined, parts=2, _index=1))
    assert len(measure(graph, Conditions(runs=1)).layers) == 3


def test_ids_are_drawn_below_the_number_of_words() -> None:
    b = Build((50,), (8,))
    words = b("embed", -1, words=3, width=8)
    graph = b.finish(b("add", b("lstm", words, width=8), -2))
    ids, other = example_inputs(graph, 4)
    assert ids.dtype == torch.long
    assert set(ids.flatten().tolist()) == {0, 1, 2}
    assert other.dtype == torch.float32
    assert len(measure(graph, Conditions(runs=1)).layers) == 3


# --- ceilings -----------------------------------------------------------------------------------------------------


class Intervals:
    """A clock whose intervals are known, in ms."""

    def __init__(self, times: Iterable[float]) -> None:
        self.times = iter(times)

    def mark(self) -> None: ...

    def between(self, marks: list[Any]) -> list[float]:
        return [next(self.times)]

    def waited(self, marks: list[Any]) -> list[bool]:
        return [False]


def test_a_ceiling_is_the_fastest_run_of_the_fastest_work() -> None:
    works = [ceilings.Work("slow", 100, lambda: None), ceilings.Work("fast", 300, lambda: None)]
    found = ceilings.best(works, Intervals([0.1, 5, 4, 0.1, 10, 6]), 0)
    assert found == (300 / 0.006, "fast"), "the first run of each warms up, and is not counted"


def test_ceilings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "PRODUCTS", {"cpu": (64,)})
    monkeypatch.setattr(ceilings, "MAPS", {"cpu": ((1, 8, 8),)})
    monkeypatch.setattr(ceilings, "cache_size", lambda where: 2**20)
    found = ceilings.ceilings("cpu", "float32", 1, 0)
    assert found.peak("float32") > 1e6
    assert found.bandwidth > 1e6
    assert found.source.startswith("measured: ")
    assert found.source.endswith("; a copy of 2 MiB")
    assert found.name.endswith(", 1 thread")
    with pytest.raises(UsageError, match="no figure for float64"):
        found.peak("float64")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unavailable, match="no GPU"):
        ceilings.ceilings("cuda")


def test_products_and_copies_by_hand() -> None:
    """2·n³ FLOPs of a product of n×n matrices; 2·b·c²·9·s² of a 3×3 convolution; a copy reads and writes."""
    works = list(ceilings._products(CPU, torch.float32))
    assert works[0].amount == 2 * 512**3
    assert works[3].amount == 2 * 4 * 128 * 128 * 9 * 56 * 56
    assert next(ceilings._copies(CPU)).amount % 2 == 0


# The rounds, on a bench whose times are known.


class Bed:
    """Stands for a bench: the whole takes what `times` says, run by run, its two nodes half of that each."""

    compiled_network: Callable[..., Any] | None = None

    def __init__(self, times: Iterable[float], training: bool = False, waits: int = 0) -> None:
        self.times, self.training, self.waits = iter(times), training, waits
        self.now = 0.0
        self.rounds = 0

    def probe(self) -> float:
        return 1.0

    def whole(self) -> float:
        self.now = next(self.times)
        return self.now

    def layers(self) -> ByNode:
        self.rounds += 1
        half = self.now / 2
        return ByNode([half, half], [half / 2] * 2 if self.training else [], [self.rounds <= self.waits, False])

    def compiled(self) -> float:
        return self.now / 4


def rounds(bed: Runner, runs: int, time_limit: float, wanted: float) -> Rounds:
    (found,) = rounds_in_turn([bed], runs, time_limit, wanted)
    return found


def test_rounds_end_once_the_median_is_known_well_enough() -> None:
    steady = rounds(Bed(repeat(2.0)), 100, 60, 0.02)
    assert (len(steady.whole), steady.stopped, steady.warmed_up) == (10, "confidence", True)
    assert steady.warm_ups == 3
    assert [sum(run) for run in zip(*steady.total, strict=True)] == list(steady.whole)
    noise = cycle([1.0, 1.3, 0.8, 1.1, 0.9, 1.2])
    assert rounds(Bed(noise), 40, 60, 0.02).stopped == "runs"
    found = rounds(Bed(noise), 10_000, 60, 0.15)
    assert found.stopped == "confidence"
    known = confidence(found.whole, 0.15)
    assert known.within is not None
    assert known.within <= 0.15


@pytest.mark.parametrize("least", [1, 9, 12, 30])
def test_as_many_rounds_as_a_comparison_needs_count(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the median is known, time is up, or others use the processor for all but four rounds."""
    monkeypatch.setattr(rounds_of, "BETWEEN", 0.0)
    (steady,) = rounds_in_turn([Bed(repeat(2.0))], 100, 60, 0.02, None, least)
    assert len(steady.whole) == max(10, least)
    (late,) = rounds_in_turn([Bed(repeat(2.0))], 100, 0, 0.02, None, least)
    assert (len(late.whole), late.stopped) == (least, "confidence" if least > 9 else "time limit")
    shared = Bed(repeat(2.0))
    speeds = iter([1.0] * 9 + [2.0] * 200)
    monkeypatch.setattr(shared, "probe", lambda: next(speeds))
    (disturbed,) = rounds_in_turn([shared], 40, 60, 0.02, None, least)
    assert len(disturbed.whole) >= least
    (one,) = rounds_in_turn([Bed(repeat(2.0))], 5, 60, 0.02, None, least)
    assert (len(one.whole), one.stopped) == (5, "runs"), "never more than `runs`"


def test_rounds_that_others_disturb_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """For six rounds of twelve somebody else uses the processor, and slows the network as the probe beside it."""
    monkeypatch.setattr(rounds_of, "BETWEEN", 0.0)

    class Shared(Bed):
        def probe(self) -> float:
            return 1.5 if self.rounds // 6 % 2 else 1.0

        def whole(self) -> float:
            self.now = 20 * self.probe()
            return self.now

    found = rounds(Shared([]), 120, 60, 0.02)
    assert set(found.whole) == {20.0}
    assert [set(row) for row in found.total] == [{10.0}, {10.0}]
    assert (len(found.whole), found.stopped) == (10, "confidence"), "as many as without the others"
    assert found.noisy_rounds >= 7, "six, and that in which they begin or end"
    assert found.probe_ms == 1.0


def test_a_probe_is_taken_every_twenty_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each round the probes count that stand before, within and after it, however long ago the first was."""
    now, speeds = [0.0], iter([1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    watch = rounds_of._Watch(lambda: next(speeds))
    for within, end in ((0.005, 0.01), (0.015, 0.025), (0.05, 0.055)):
        watch.begin()
        now[0] = within
        watch.look()
        now[0] = end
        watch.end()
    assert watch.times == [1, 2, 3], "at 0, at 25 and at 50 ms"
    assert watch.slowest() == [2, 2, 3]
    watch.take()
    assert watch.slowest() == [2, 2, 4], "the last round ends at 55 ms, and is followed by the last probe"


def test_confidence_is_of_the_rounds_that_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the probe behind the last round says that this one, and some before it, do not."""
    now = count(0, 0.002)
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    reached = []
    for seed in range(60):
        noise = random.Random(seed)
        bed = Bed(noise.gauss(1.0, 0.05) for _ in repeat(0))
        monkeypatch.setattr(bed, "probe", lambda noise=noise: 1.5 if noise.random() < 0.3 else 1.0)
        found = rounds(bed, 2000, 60, 0.03)
        assert found.stopped == "confidence"
        reached.append(confidence(found.whole, 0.03).reached)
    assert all(reached)


def test_which_rounds_count() -> None:
    assert quiet_rounds([1, 9, 9]) == [True] * 3, "of few rounds all do"
    assert quiet_rounds([1] * 12) == [True] * 12
    assert quiet_rounds([1, 1.04, 1.06, 2] * 8) == [True, True, False, False] * 8
    assert sum(quiet_rounds([1, 1, 1, 1, *[2] * 8])) == 12, "ten are left at least"
    assert sum(quiet_rounds([1, *[2] * 19])) == 20, "one fast round is no calm"
    assert quiet_rounds([0.0] * 12) == [True] * 12, "a GPU, of which nothing is known"


def test_a_probe_is_of_the_processor() -> None:
    network = build(small(), "cpu")
    assert Bench(network, [torch.zeros(2)], CpuClock()).probe() > 0
    assert Bench(network, [torch.zeros(2, device="meta")], CpuClock()).probe() == 0


def test_warm_up_goes_on_until_runs_get_no_faster() -> None:
    falling = [50.0, 20.0, 12.0, 11.0, 10.0, *repeat(10.0, 100)]
    found = rounds(Bed(falling), 10, 60, 0.02)
    assert found.warmed_up
    assert max(found.whole) == 10.0, "nothing of the fall is in the samples"
    assert not has_warmed_up([50, 20])
    assert not has_warmed_up([50, 20, 12])
    assert has_warmed_up([10, 11, 10])
    assert has_warmed_up([10, 9.6, 30]), "a run that is disturbed does not count against it"


def test_a_fall_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    now = count()
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    found = rounds(Bed(0.9**n for n in range(1000)), 10, 5, 0.02)
    assert not found.warmed_up
    assert len(found.whole) == 1


def test_what_a_round_holds() -> None:
    bed = Bed(repeat(8.0), training=True, waits=10)
    bed.compiled_network = lambda x: x
    found = rounds(bed, 12, 60, 0.02)
    assert set(found.compiled) == {2.0}
    assert [set(row) for row in found.backward] == [{2.0}, {2.0}]
    assert found.launch_bound == (0,), "in 9 of 10 rounds, one being warm-up"


def test_several_run_in_turn() -> None:
    """A B A B …: whole runs, then runs by nodes; what is warm already waits for the other."""
    order: list[str] = []

    class Told(Bed):
        def __init__(self, name: str, times: Iterable[float]) -> None:
            super().__init__(times)
            self.name = name

        def whole(self) -> float:
            order.append(self.name)
            return super().whole()

        def layers(self) -> ByNode:
            order.append(self.name.lower())
            return super().layers()

    a, b = Told("A", repeat(2.0)), Told("B", [9.0, 6.0, 4.0, *repeat(3.0, 100)])
    first, second = rounds_in_turn([a, b], 12, 60, 0.02)
    assert "".join(order).startswith("ABabAB" + "bBb"), "A has settled after three"
    assert "".join(order).endswith("ABab" * 10)
    assert (first.warm_ups, first.warmed_up) == (3, True)
    assert second.warm_ups > 3
    assert (set(first.whole), set(second.whole)) == ({2.0}, {3.0})
    assert len(first.whole) == len(second.whole) == 10
    assert [set(row) for row in second.total] == [{1.5}, {1.5}]


def test_drift_hits_all_that_run_in_turn_alike() -> None:
    """A machine that gets slower by half a percent with every run: one after the other, B would seem far slower."""
    speed = (1.005**n for n in count())

    class Drifting(Bed):
        def whole(self) -> float:
            self.now = next(speed)
            return self.now

    first, second = rounds_in_turn([Drifting([]), Drifting([])], 100, 60, 1e-9)
    assert median(second.whole) / median(first.whole) == pytest.approx(1.005, rel=1e-6)


def test_the_one_that_needs_most_decides() -> None:
    noise = cycle([1.0, 1.3, 0.8, 1.1, 0.9, 1.2])
    first, second = rounds_in_turn([Bed(repeat(1.0)), Bed(noise)], 10_000, 60, 0.15)
    assert len(first.whole) == len(second.whole) > 10


def test_an_interrupt_in_turn_keeps_whole_rounds_of_all() -> None:
    def times() -> Iterator[float]:
        yield from repeat(1.0, 2 + 4)  # two of warming up
        raise KeyboardInterrupt

    found = rounds_in_turn([Bed(repeat(1.0)), Bed(times())], 100, 60, 0.02)
    assert [(len(one.whole), one.stopped) for one in found] == [(4, "interrupted")] * 2
    assert {len(row) for one in found for row in one.total} == {4}


def test_two_networks_in_turn() -> None:
    graphs = [small(), chain((3, 8, 8), call("conv", out=4, kernel=3))]
    found = measure_in_turn(graphs, Conditions(batch=2, runs=6, time_limit=60))
    assert [len(run.layers) for run in found] == [5, 1]
    assert [run.runs for run in found] == [6, 6]
    assert all(run.memory is not None and run.memory.peak_memory_bytes > 0 for run in found)
    assert {run.mode for run in measure_in_turn(graphs, Conditions(batch=2, runs=1, training=True))} == {"training"}

    def stop(done: int, planned: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        measure_in_turn(graphs, Conditions(runs=20, time_limit=60), progress=stop)
    assert [run.runs for run in stopped.value.measurements] == [2, 2]


def test_an_interrupt_keeps_whole_rounds() -> None:
    def times() -> Iterator[float]:
        yield from repeat(1.0, 2 + 4)  # two of warming up
        raise KeyboardInterrupt

    found = rounds(Bed(times()), 100, 60, 0.02)
    assert (len(found.whole), found.stopped) == (4, "interrupted")
    assert {len(row) for row in found.total} == {4}
    with pytest.raises(KeyboardInterrupt):
        rounds(Bed(_interrupted()), 1, 60, 0.02)


def _interrupted() -> Iterator[float]:
    yield 1.0
    raise KeyboardInterrupt


@pytest.mark.parametrize("fits", range(12))
def test_the_largest_that_fits(fits: int) -> None:
    tried: list[int] = []

    def run(count: int) -> bool:
        tried.append(count)
        return count <= fits

    assert largest(12, run) == fits
    assert 0 not in tried
    assert len(tried) <= 4


# Training.


def test_training_runs_backward_node_by_node() -> None:
    """The readings 1, 4, 9, … in order: five nodes forward, autograd's start and the five backward, the last first."""
    clock = Ticks()
    found = bench(clock, training=True).layers()
    # linear, gap, relu, bn, conv: from their hooks at readings 7 … 11 to the next, and to the end at reading 12.
    assert found.backward == [144 - 121, 121 - 100, 100 - 81, 81 - 64, (49 - 36) + (64 - 49)]
    forward = [3, 5, 7, 9, 11]
    assert found.total == [there + back for there, back in zip(forward, found.backward, strict=True)]
    assert sum(found.total) == 144 - 1, "the parts add up to the run"


def test_gradients_are_those_of_one_run() -> None:
    ready = bench(Ticks(), training=True)
    ready.layers()
    by_node = {name: p.grad.clone() for name, p in ready.network.named_parameters() if p.grad is not None}
    ready.whole()
    whole = {name: p.grad for name, p in ready.network.named_parameters()}
    torch.testing.assert_close(by_node, whole)
    assert by_node.keys() == whole.keys()


def test_branches_and_shared_values_in_training() -> None:
    b = Build((3, 8, 8))
    x = b("conv", -1, out=4, kernel=3)
    y = b("relu", b("bn", x))
    joined = b("concat", b("add", x, y), x)
    graph = b.finish(b("linear", b("gap", joined), out=2))
    clock = Ticks()
    found = bench(clock, graph, training=True).layers()
    assert sum(found.total) == clock.now**2 - 1
    assert all(time > 0 for time in found.backward)


def test_training_is_measured() -> None:
    before = state()
    found = measure(small(), Conditions(training=True, batch=2, runs=3, time_limit=60))
    assert state() == before
    assert found.mode == "training"
    assert all(
        0 < back < total
        for rows in zip(found.backward, found.samples, strict=True)
        for back, total in zip(*rows, strict=True)
    )
    assert found.backward_span(0, 5) is not None


def test_dropout_in_training_leaves_the_random_state() -> None:
    before = torch.get_rng_state().tolist()
    measure(chain((8,), call("linear", out=8), call("dropout")), Conditions(training=True, runs=1, time_limit=0))
    assert torch.get_rng_state().tolist() == before


def test_nothing_to_train() -> None:
    with pytest.raises(UsageError, match="no parameters to train"):
        measure(chain((3, 8, 8), call("relu")), Conditions(training=True, runs=1))


def test_one_value_per_channel_cannot_be_trained() -> None:
    graph = chain((3, 8, 8), call("conv", out=4, kernel=3), call("gap"), call("bn"))
    with pytest.raises(UsageError, match="`bn` cannot be trained on one value per channel"):
        measure(graph, Conditions(training=True, runs=1))


# Formats, caches, compiled networks.


def test_channels_last() -> None:
    found = measure(small(), Conditions(channels_last=True, runs=1))
    assert found.memory_format == "channels_last"
    network, (x,) = subject._prepare(small().without_heads(), Conditions(batch=2), CPU, torch.channels_last)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert not x.is_contiguous()
    assert network.state_dict()["conv.weight"].is_contiguous(memory_format=torch.channels_last)
    video = chain((3, 4, 8, 8), call("conv", out=4, kernel=3))
    assert measure(video, Conditions(channels_last=True, runs=1)).memory_format == "channels_last_3d"
    with pytest.raises(UsageError, match="input is none"):
        measure(chain((8,), call("linear", out=8)), Conditions(channels_last=True))


def test_cold_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "cache_size", lambda where: 4096)
    log: list[str] = []
    ready = bench(Ticks(), flush=lambda: log.append("flush"))
    with torch.inference_mode():
        ready.whole()
        ready.layers()
    assert log == ["flush"] * 2
    assert measure(small(), Conditions(cold=True, runs=1)).cold


def test_compiled_networks_run_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def compile(network: Any, fullgraph: bool) -> Any:
        assert fullgraph, "no silent fall-back to the program that is not compiled"

        def compiled(*x: Any) -> Any:
            calls.append(x)
            return network(*x)

        return compiled

    monkeypatch.setattr(torch, "compile", compile)
    found = measure(small(), Conditions(compile=True, runs=2, time_limit=60))
    assert found.compiled is not None
    assert found.compiled.runs == 2
    assert len(calls) == 1 + (found.warm_ups + 1) // 2 + 2, (
        "compiled, with each whole run of warming up, and two rounds"
    )
    assert measure(small(), Conditions(compile=True, training=True, batch=2, runs=1)).compiled is not None


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*x: Any) -> Any:
        raise OSError("no compiler\nat line 3")

    monkeypatch.setattr(torch, "compile", lambda network, fullgraph: fail)
    with pytest.raises(Unavailable, match=r"torch\.compile does not work here: no compiler$"):
        measure(small(), Conditions(compile=True))


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
    assert measure(small(), Conditions(runs=1, threads=1)).threads == 1
    assert state() == before


def test_an_interrupt_gets_through_with_what_was_measured_and_leaves_no_trace() -> None:
    def interrupt(done: int, planned: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    before = state()
    with pytest.raises(KeyboardInterrupt) as caught:
        measure(small(), Conditions(runs=3, threads=1), progress=interrupt)
    assert state() == before
    assert isinstance(caught.value, Interrupted)
    found = caught.value.measurement
    assert (found.runs, found.stopped, found.complete) == (2, "interrupted", False)
    assert {len(row) for row in found.samples} == {2}


def test_the_parameters_and_the_input_are_the_same_each_time() -> None:
    torch.manual_seed(1)
    one, x = subject._prepare(small().without_heads(), Conditions(batch=2), CPU, None)
    torch.manual_seed(2)
    two, y = subject._prepare(small().without_heads(), Conditions(batch=2), CPU, None)
    torch.testing.assert_close((one.state_dict(), x), (two.state_dict(), y), rtol=0, atol=0)


@pytest.mark.skipif(not sys.platform.startswith("linux") or machine.glibc() is None, reason="no glibc here")
def test_malloc_is_pinned_on_glibc() -> None:
    assert measure(small(), Conditions(runs=1)).malloc_pinned


def test_malloc_is_pinned_on_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not measure(small(), Conditions(runs=1, pin_malloc=False)).malloc_pinned
    monkeypatch.setattr(machine, "glibc", lambda: None)
    assert not measure(small(), Conditions(runs=1)).malloc_pinned


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
        patch.setattr(machine, "glibc", Libc)
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

    def waited(self, marks: list[int]) -> list[bool]:
        return [False] * (len(marks) - 1)


def bench(clock: Any, graph: Graph | None = None, batch: int = 2, **options: Any) -> Bench:
    graph = (graph or small()).without_heads()
    network, inputs = subject._prepare(graph, Conditions(batch=batch), CPU, None)
    return Bench(network.train(options.get("training", False)), inputs, clock, **options)


def test_the_clock_is_read_once_at_each_boundary() -> None:
    clock = Ticks()
    ready = bench(clock)
    with torch.inference_mode():
        assert ready.layers().total == [3, 5, 7, 9, 11], "between readings 1, 4, 9, 16, 25 and 36"
    assert ready.whole() == 64 - 49
    assert clock.runs == [6, 2]


def test_what_the_clock_costs() -> None:
    assert clock_cost(Ticks()) == pytest.approx(1001, abs=1), "the median of 3, 5, …, 2001"
    found = measure(small(), Conditions(runs=1, time_limit=0))
    assert 0 < found.overhead_ms < 0.1


def test_milliseconds() -> None:
    assert CpuClock().between([0, 1_500_000, 1_750_000]) == [1.5, 0.25]


# The GPU, as far as it goes without one.


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unavailable, match="no GPU") as caught:
        measure(small(), Conditions(device="cuda"))
    assert caught.value.exit_code == 3


def test_no_such_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(Unavailable, match="no GPU number 7: there is 1"):
        measure(small(), Conditions(device="cuda:7"))


def test_the_memory_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 10**12))
    with pytest.raises(Unavailable, match="free are 100 B"):
        measure(small(), Conditions(device="cuda"))


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
    with torch.inference_mode():
        assert bench(CudaClock()).layers().total == [1.0] * 5
    assert log[:6] == ["record"] * 6, "nothing waits before the last node is queued"
    assert set(log[6:]) == {"wait", "read"}


class Gpu:
    """A GPU that takes `kernel` ms for each node, behind a processor that takes `queue` ms to tell it so."""

    def __init__(self, kernel: list[float], queue: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = self.busy_until = 0.0
        times = zip([0.0, *queue], [0.0, *kernel], strict=True)
        gpu = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                queueing, took = next(times)
                gpu.host += queueing
                gpu.busy_until = self.at = max(gpu.host, gpu.busy_until + took)

            def record(self) -> None: ...

            def elapsed_time(self, other: Event) -> float:
                return other.at - self.at

        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
        monkeypatch.setattr(time, "perf_counter_ns", lambda: int(gpu.host * 1e6))


@pytest.mark.parametrize(
    ("kernel", "queue", "waits"),
    [
        ([1.0] * 5, [0.01] * 5, []),  # long kernels: the processor is far ahead
        ([0.001] * 5, [0.01] * 5, [0, 1, 2, 3, 4]),  # short ones: the GPU is done before the next is queued
        ([1.0, 0.001, 0.001, 0.001, 0.001], [0.01] * 5, []),  # short ones behind a long one: nothing is waited for
        ([0.001, 0.001, 1.0, 0.001, 0.001], [0.01] * 5, [0, 1]),
    ],
)
def test_layers_for_which_the_gpu_waits(
    kernel: list[float], queue: list[float], waits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Gpu(kernel, queue, monkeypatch)
    with torch.inference_mode():
        found = bench(CudaClock()).layers()
    assert [at for at, did in enumerate(found.waited) if did] == waits
    assert sum(found.total) == pytest.approx(gpu.busy_until)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_gpu() -> None:
    found = measure(small(), Conditions(device="cuda", batch=2, runs=4, time_limit=60))
    assert found.device.startswith("cuda:")
    assert not found.malloc_pinned
    assert all(latency.min >= 0 for latency in found.layers)


# Memory.


def test_more_memory_than_there_is() -> None:
    """Refused before anything is allocated."""
    with pytest.raises(Unavailable, match=r"needs [\d.,]+ TiB of memory .* at batch 100000000000") as caught:
        measure(small(), Conditions(batch=10**11))
    assert caught.value.exit_code == 3
    assert caught.value.hint
    wide = chain((10**7,), call("linear", out=10**7))
    with pytest.raises(Unavailable, match="of parameters"):
        measure(wide)


def test_what_is_needed_and_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters, statistics and peak: (112 + 8 + 25) + 8 floats, and 192 + 256 + 256 floats for each of 2 samples; a
    sixteenth more, and 32 MiB."""
    needed = 4 * (3 * 4 * 9 + 4 + 8 + 4 * 5 + 5 + 8) + 2 * 4 * (192 + 256 + 256)
    needed += needed // 16 + 2**25
    monkeypatch.setattr(room, "available_memory", lambda where: needed)
    kept = measure(small(), Conditions(batch=2, runs=1)).malloc_pinned
    assert not kept  # what malloc kept of mamba-130m was 7.7 GB: there has to be room for several times the activations
    monkeypatch.setattr(room, "available_memory", lambda where: needed - 1)
    with pytest.raises(Unavailable) as caught:
        measure(small(), Conditions(batch=2, runs=1))
    assert caught.value.hint == "The largest batch that fits is 1."
    monkeypatch.setattr(room, "available_memory", lambda where: None)
    measure(small(), Conditions(runs=1))


def test_available_memory_is_what_the_system_says() -> None:
    there = machine.available_memory(CPU)
    assert there is None or there > 2**20


def test_containers_and_limits_leave_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, text in (("max", "5000\n"), ("current", "3000\n"), ("stat", "anon 9\ninactive_file 100\n")):
        (tmp_path / f"memory.{name}").write_text(text, encoding="utf-8")
    assert machine._free_of_container(str(tmp_path)) == 2100
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert machine._free_of_container(str(tmp_path)) is None
    assert machine._free_of_container("/nowhere") is None
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2**50, 2**50))
    there = machine._free_of_limit()
    assert there is None or 0 < there < 2**50
    monkeypatch.setattr(machine, "_free_of_limit", lambda: 700)
    assert machine.available_memory(CPU) == 700


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
        measure(small(), Conditions(runs=1))


def test_the_largest_batch_is_found_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def relu(x: Any) -> Any:
        if len(x) > 5:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return torch.relu(x)

    monkeypatch.setitem(modules.ACTIVATIONS, "relu", (relu, relu))
    with pytest.raises(Unavailable, match="memory ran out at `relu` at batch 32") as caught:
        measure(small(), Conditions(batch=32))
    assert caught.value.hint == "The largest batch that fits is 5."
    assert caught.value.exit_code == 3


def test_memory_that_runs_out_in_the_backward_pass() -> None:
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(_ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(_ctx: Any, _gradient: Any) -> Any:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(modules.ACTIVATIONS, "relu", (Fails.apply, Fails.apply))
        ready = bench(Ticks(), training=True)
        with pytest.raises(Unavailable, match="memory ran out at `relu`"):
            ready.layers()


def test_memory_that_runs_out_before_the_first_node(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr(torch, "randn", fail)
    with pytest.raises(Unavailable, match="while the parameters and the input were made"):
        measure(small(), Conditions(runs=1))


def test_what_torch_cannot_do_in_a_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("\"relu_cpu\" not implemented for 'Half'\nat line 3")
    monkeypatch.setitem(modules.ACTIVATIONS, "relu", failing(error))
    with pytest.raises(Unavailable, match=r"cannot run `relu` so on this device: .* 'Half'$"):
        measure(small(), Conditions(runs=1))


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(modules.ACTIVATIONS, "relu", failing(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        measure(small(), Conditions(runs=1))
    assert not room.out_of_memory(RuntimeError("a bug"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, "at least one sample"),
        ({"runs": 0}, "at least one run"),
        ({"precision": 0.0}, "between 0 and 100 %"),
        ({"device": "cuda:"}, "`cuda:` is not a device"),
        ({"threads": 0}, "at least one thread"),
        ({"threads": (os.cpu_count() or 1) + 1}, "too many: this machine has"),
        ({"threads": 10**9}, "1,000,000,000 threads are too many"),
        ({"time_limit": -1.0}, "at least 0 seconds"),
        ({"time_limit": math.nan}, "at least 0 seconds"),
        ({"dtype": "int8"}, "`int8` is not a dtype"),
        ({"device": "gpu"}, "`gpu` is not a device"),
        ({"device": "cuda:x"}, "`cuda:x` is not a device"),
    ],
)
def test_arguments_that_make_no_sense(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        measure(small(), Conditions(**wrong))
