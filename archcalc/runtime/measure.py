"""Latency of a Graph on a device: the whole network and each layer, from one flat program.

Per layer the clock is chained: it is read once at each node boundary, after the node's dead inputs are freed, so the
layers of a run add up to the run. Whole runs, which read the clock at both ends only, alternate with such runs.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from operator import length_hint
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ..analyse import ITEMSIZE, analyse
from ..errors import Unavailable, UsageError
from ..graph import Graph
from ..measured import Latency, Measurement
from ..units import binary
from .network import Network, Step, build, example_inputs, execute, torch_dtype, usable

RUNS = 30
WARM_UPS = 3
SEED = 0  # of the parameters and of the input


def measure(
    graph: Graph,
    *,
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    time_limit: float = 10.0,
    threads: int | None = None,
    runs: int = RUNS,
    pin_malloc: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Time an inference of the main path of `graph`, in rounds of one whole run and one run per layer.

    At most `runs` rounds, and no new one after `time_limit` seconds of warming up and running; at least one.
    `device` is `cpu`, `cuda` or `cuda:1`; `threads` are those of torch on the CPU (as they are, unless given).
    `progress` is called with the rounds done and planned, outside of what is timed. The input is random, with a fixed
    seed; torch's random state, threads and modes are as before afterwards.

    Raises UsageError for arguments that make no sense; Unavailable where there is no such GPU, where parameters and
    activations do not fit the memory that is free, or where memory runs out all the same.
    """
    _check(batch, time_limit, threads, runs)
    number = torch_dtype(dtype)
    where = _device(device)
    graph = graph.without_heads()
    _require_memory(graph, batch, dtype, where)
    with ExitStack() as stack:
        pinned = stack.enter_context(pinned_malloc()) if pin_malloc and where.type == "cpu" else False
        stack.enter_context(_threads(threads))
        if where.type == "cuda":
            stack.enter_context(torch.cuda.device(where))
        network, inputs = _prepare(graph, batch, number, dtype, where)
        stack.enter_context(torch.inference_mode())
        stack.enter_context(_no_garbage_collection())
        bench = _Bench(network, inputs, CudaClock() if where.type == "cuda" else CpuClock())
        whole, samples, complete = _rounds(bench, runs, time_limit, progress)
        return Measurement(
            device=str(where),
            device_name=_device_name(where),
            torch=torch.__version__,
            threads=torch.get_num_threads(),
            dtype=dtype,
            batch=batch,
            runs=len(whole),
            complete=complete,
            malloc_pinned=pinned,
            whole=Latency.of(whole),
            layers=tuple(Latency.of(row) for row in samples),
            samples=samples,
        )


def _check(batch: int, time_limit: float, threads: int | None, runs: int) -> None:
    if batch < 1:
        raise UsageError(f"a batch has at least one sample, here it is {batch}")
    if not time_limit >= 0:  # also not a number
        raise UsageError(f"the time limit is at least 0 seconds, here it is {time_limit}")
    if threads is not None and threads < 1:
        raise UsageError(f"there is at least one thread, here it is {threads}")
    if runs < 1:
        raise UsageError(f"there is at least one run, here it is {runs}")


def _rounds(
    bench: _Bench, runs: int, time_limit: float, progress: Callable[[int, int], None] | None
) -> tuple[list[float], tuple[array[float], ...], bool]:
    """The times of the whole runs, those of each node, and whether all were done within the time limit."""
    until = time.monotonic() + time_limit
    warm_ups = 0
    while warm_ups < WARM_UPS:
        bench.layers()
        warm_ups += 1
        if time.monotonic() >= until:
            break
    whole: list[float] = []
    samples = tuple(array("d") for _ in bench.network.program)
    while len(whole) < runs:
        whole.append(bench.whole())
        for row, sample in zip(samples, bench.layers(), strict=True):
            row.append(sample)
        if progress is not None:
            progress(len(whole), runs)
        if time.monotonic() >= until:
            break
    return whole, samples, warm_ups == WARM_UPS and len(whole) == runs


class Clock(Protocol):
    """Marks moments, and says afterwards how far apart they were."""

    def mark(self) -> Any: ...

    def between(self, marks: list[Any]) -> list[float]:
        """Milliseconds from each mark to the next."""


class CpuClock:
    """The clock of this process, in nanoseconds."""

    mark = staticmethod(time.perf_counter_ns)

    def between(self, marks: list[int]) -> list[float]:
        return [(stop - start) / 1e6 for start, stop in pairwise(marks)]


class CudaClock:
    """Events queued on the GPU's current stream; nothing waits for the GPU until the last of them."""

    def mark(self) -> torch.cuda.Event:
        event: torch.cuda.Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def between(self, marks: list[torch.cuda.Event]) -> list[float]:
        torch.cuda.synchronize()
        return [start.elapsed_time(stop) for start, stop in pairwise(marks)]


class _Bench:
    """A network, its input and a clock."""

    def __init__(self, network: Network, inputs: list[Tensor], clock: Clock) -> None:
        self.network, self.inputs, self.clock = network, inputs, clock

    def whole(self) -> float:
        """The time of one run."""
        return self._run(self._timed_as_one)[0]

    def layers(self) -> list[float]:
        """The times of the nodes in one run."""
        return self._run(self._timed_by_node)

    def _run(self, timed: Callable[[Iterator[Step], list[Any]], list[Any]]) -> list[float]:
        steps = iter(self.network.program)
        try:
            return self.clock.between(timed(steps, self.network.values(self.inputs)))
        except (RuntimeError, MemoryError) as error:
            at = len(self.network.program) - length_hint(steps) - 1
            path = self.network.graph.nodes[at].path
            if out_of_memory(error):
                raise Unavailable(f"memory ran out at `{path}`", "A smaller batch needs less.") from error
            if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
                raise Unavailable(f"torch cannot run `{path}` so on this device: {_first_line(error)}") from error
            raise

    def _timed_as_one(self, steps: Iterator[Step], values: list[Any]) -> list[Any]:
        marks = [self.clock.mark()]
        execute(steps, values)
        marks.append(self.clock.mark())
        return marks

    def _timed_by_node(self, steps: Iterator[Step], values: list[Any]) -> list[Any]:
        mark = self.clock.mark
        marks = [mark()]
        for call, inputs, output, free in steps:  # as `execute` does
            values[output] = call(*[values[slot] for slot in inputs])
            for slot in free:
                values[slot] = None
            marks.append(mark())
        return marks


def _prepare(
    graph: Graph, batch: int, number: torch.dtype, dtype: str, where: torch.device
) -> tuple[Network, list[Tensor]]:
    """The network and its inputs on the device, from fixed seeds; torch's own random state stays as it is."""
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(SEED)
            network = build(graph, "cpu", dtype).to(where).eval()
        return network, [x.to(where) for x in example_inputs(graph, batch, number, SEED)]
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise Unavailable("memory ran out while the parameters and the input were made") from error
        raise


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch says that there was no memory left; on the CPU only its text does."""
    text = str(error).lower()
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or any(
        words in text for words in ("can't allocate memory", "out of memory", "not enough memory")
    )


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]


def _device(name: str) -> torch.device:
    """torch's device of this name. Raises UsageError, and Unavailable where it is a GPU that cannot be used."""
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise UsageError(f"`{name}` is not a device archcalc measures on: `cpu`, `cuda` or `cuda:1`")
    if kind == "cpu":
        return torch.device("cpu")
    return usable(torch.device(name))


def _device_name(where: torch.device) -> str:
    if where.type == "cuda":
        return torch.cuda.get_device_name(where)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _require_memory(graph: Graph, batch: int, dtype: str, where: torch.device) -> None:
    """Raises Unavailable where parameters and live activations are more than the memory that is free."""
    totals = analyse(graph, batch, dtype).totals
    parameters = totals.param_bytes + totals.norm_stats * ITEMSIZE[dtype]
    needed = parameters + totals.peak_memory_bytes
    there = available_memory(where)
    if there is not None and needed > there:
        raise Unavailable(
            f"this needs {_bytes(needed)} of memory ({_bytes(parameters)} of parameters, "
            f"{_bytes(totals.peak_memory_bytes)} of activations at batch {batch}), free are {_bytes(there)}",
            "A smaller batch needs less." if batch > 1 else "",
        )


def available_memory(where: torch.device) -> int | None:
    """Bytes that can be allocated on a device without swapping; None where this system does not say."""
    if where.type == "cuda":
        return torch.cuda.mem_get_info(where)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _bytes(count: int) -> str:
    return " ".join(binary(count))


# Of glibc's malloc.h, and what they are unless set.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4
_MMAP_MAX_DEFAULT = 65536
_MMAP_THRESHOLD_MOST = 32 * 2**20  # what it grows to by itself once large blocks are freed


@contextmanager
def pinned_malloc() -> Iterator[bool]:
    """Keep glibc from returning memory to the kernel, so that no layer pays for pages that another gave back.

    Gives whether that worked: False on other C libraries. Afterwards glibc behaves as it does once large blocks
    were freed (its thresholds do not move by themselves any more, so they are set), and free memory is returned.
    """
    libc = _glibc()
    if libc is None:
        yield False
        return
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 64 * 2**20))
    try:
        yield sum(libc.mallopt(option, value) for option, value in settings) == len(settings)
    finally:
        libc.mallopt(_M_MMAP_MAX, _MMAP_MAX_DEFAULT)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_MOST)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * _MMAP_THRESHOLD_MOST)
        libc.mallopt(_M_TOP_PAD, 0)
        libc.malloc_trim(0)


def _glibc() -> Any:
    """The C library of this process where it is glibc, else None."""
    if os.name != "posix":
        return None
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version, libc.mallopt, libc.malloc_trim  # noqa: B018 - looking them up is the question
    except (OSError, AttributeError):
        return None
    return libc


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A collection in the middle of a layer would count as that layer's time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
