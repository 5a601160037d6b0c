"""Latency of a Graph on a device: the whole network and each layer, from one flat program.

Whole runs, which read the clock at both ends only, take turns with runs that read it at every node's end.
"""

from __future__ import annotations

import gc
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..analyse import ITEMSIZE, Totals, analyse
from ..errors import Unavailable, UsageError
from ..graph import Graph
from ..measured import Interrupted, Measurement, Stopped, confidence
from ..units import binary
from .bench import Bench, ByNode, CpuClock, CudaClock, OutOfMemory, clock_cost, empty_rows, first_line, out_of_memory
from .machine import available_memory, cache_size, device_name, device_of, machine, pinned_malloc, threads
from .network import Network, build, example_inputs, torch_dtype

RUNS = 500  # rounds at most
LEAST_RUNS = 10  # before the confidence may end them
WARM_UPS = 3  # at least
SETTLED = 0.05  # warm are runs of which the last two are not faster by more than this than all before
WANTED = 0.02  # of the median, to either side
SEED = 0  # of the parameters and of the input

Progress = Callable[[int, int], None]


def measure(
    graph: Graph,
    *,
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    training: bool = False,
    channels_last: bool = False,
    compile: bool = False,
    cold: bool = False,
    threads: int | None = None,
    pin_malloc: bool = True,
    precision: float = WANTED,
    runs: int = RUNS,
    time_limit: float = 10.0,
    progress: Progress | None = None,
) -> Measurement:
    """Time the main path of `graph`, in rounds of one whole run and one run by nodes.

    Rounds end once the 95 % confidence intervals of the medians, the whole's and the nodes' sum's, are within
    `precision` of them, after `runs` rounds, or, warming up included, after `time_limit` seconds; there is at least
    one. `training` adds the backward pass; `compile` adds runs of what torch.compile makes of the network to each
    round; `cold` drives everything out of the caches before each run. `device` is `cpu`, `cuda` or `cuda:1`;
    `threads` are those of torch on the CPU (as they are, unless given). `progress` is called with the rounds done and
    expected, outside of what is timed. The input is random, with a fixed seed; torch's random state, threads and
    modes are as before afterwards.

    Raises UsageError for arguments that make no sense; Unavailable where there is no such GPU, where torch cannot do
    what is asked, where parameters and activations do not fit the memory that is free, or where memory runs out all
    the same; Interrupted, with what was measured, for Ctrl-C after the first round.
    """
    _check(batch, time_limit, threads, runs, precision)
    number = torch_dtype(dtype)
    where = device_of(device)
    graph = graph.without_heads()
    layout = _layout(graph, channels_last)
    _require_memory(graph, batch, dtype, where)
    with ExitStack() as stack:
        pinned = stack.enter_context(pinned_malloc()) if pin_malloc and where.type == "cpu" else False
        stack.enter_context(_threads(threads))
        if where.type == "cuda":
            stack.enter_context(torch.cuda.device(where))
        if training:
            stack.enter_context(torch.random.fork_rng(devices=[where] if where.type == "cuda" else []))
        stack.enter_context(torch.enable_grad() if training else torch.inference_mode())
        clock = CudaClock() if where.type == "cuda" else CpuClock()
        about = machine(where)  # before the runs, which are themselves load
        failed = ""
        try:
            network, inputs = _prepare(graph, batch, number, dtype, where, layout)
            bench = Bench(
                network.train(training),
                inputs,
                clock,
                training=training,
                compiled=_compiled(network, inputs) if compile else None,
                flush=_flusher(where) if cold else None,
            )
            with _no_garbage_collection():
                done = rounds(bench, runs, time_limit, precision, progress)
        except OutOfMemory as error:
            failed = f"{error.message} at batch {batch}"  # the error holds the tensors: let it go first
        if failed:
            bench = network = inputs = None  # type: ignore[assignment]
            raise OutOfMemory(failed, _largest_batch(graph, batch, number, dtype, where, layout, training))
        found = Measurement(
            device=str(where),
            device_name=device_name(where),
            torch=torch.__version__,
            threads=torch.get_num_threads(),
            dtype=dtype,
            batch=batch,
            whole_samples=done.whole,
            samples=done.total,
            backward=done.backward if training else (),
            compiled_samples=done.compiled,
            mode="training" if training else "inference",
            memory_format=_FORMAT_NAMES[layout],
            cold=cold,
            malloc_pinned=pinned,
            wanted=precision,
            stopped=done.stopped,
            warm_ups=done.warm_ups,
            settled=done.settled,
            overhead_ms=len(graph.nodes) * clock_cost(clock),
            launch_bound=done.launch_bound,
            machine=about,
        )
    if done.stopped == "interrupted":
        raise Interrupted(found)
    return found


_threads = threads  # `measure` has an argument of that name


def _check(batch: int, time_limit: float, threads: int | None, runs: int, precision: float) -> None:
    if batch < 1:
        raise UsageError(f"a batch has at least one sample, here it is {batch}")
    if not time_limit >= 0:  # also not a number
        raise UsageError(f"the time limit is at least 0 seconds, here it is {time_limit}")
    if threads is not None and threads < 1:
        raise UsageError(f"there is at least one thread, here it is {threads}")
    if runs < 1:
        raise UsageError(f"there is at least one run, here it is {runs}")
    if not 0 < precision < 1:
        raise UsageError(f"the precision is between 0 and 100 %, here it is {100 * precision:g}")


# --- the rounds ---------------------------------------------------------------------------------------------------


class Runner(Protocol):
    """What `rounds` runs: a Bench, or what stands for one in a test."""

    training: bool
    compiled_network: Callable[..., Any] | None

    def whole(self) -> float: ...

    def layers(self) -> ByNode: ...

    def compiled(self) -> float: ...


class Rounds(NamedTuple):
    """The samples of all rounds in ms, and how they came about."""

    whole: array[float]
    total: tuple[array[float], ...]
    backward: tuple[array[float], ...]
    compiled: array[float]
    launch_bound: tuple[int, ...]
    warm_ups: int
    settled: bool
    stopped: Stopped


def rounds(bench: Runner, runs: int, time_limit: float, wanted: float, progress: Progress | None = None) -> Rounds:
    """Warm up until the runs get no faster, then run rounds until they are enough or time is up.

    Ctrl-C ends them too, once a round is done; before that it gets through.
    """
    start = time.monotonic()
    until = start + time_limit
    warm_ups, settled, nodes = _warm_up(bench, until)
    whole, compiled, sums = array("d"), array("d"), array("d")
    total, backward = empty_rows(nodes), empty_rows(nodes)
    waited = [0] * nodes
    stopped: Stopped = "runs"
    begun = time.monotonic()
    try:
        while len(sums) < runs:
            one = bench.whole()
            by_node = bench.layers()
            fused = bench.compiled() if bench.compiled_network is not None else None
            whole.append(one)
            for row, sample in zip(total, by_node.total, strict=True):
                row.append(sample)
            if bench.training:
                for row, sample in zip(backward, by_node.backward, strict=True):
                    row.append(sample)
            if fused is not None:
                compiled.append(fused)
            for at, did in enumerate(by_node.waited):
                waited[at] += did
            sums.append(sum(by_node.total))
            now = time.monotonic()
            enough = _rounds_enough((whole, sums), wanted)
            if progress is not None:
                a_round = (now - begun) / len(sums)
                in_time = len(sums) + int(max(0.0, until - now) / a_round) if a_round else runs
                progress(len(sums), max(len(sums), min(runs, enough, in_time)))
            if len(sums) >= enough:
                stopped = "confidence"
                break
            if time.monotonic() >= until and len(sums) < runs:
                stopped = "time limit"
                break
    except KeyboardInterrupt:
        kept = len(sums)
        if not kept:
            raise
        for row in (whole, compiled, *total, *backward):
            del row[kept:]
        stopped = "interrupted"
    bound = tuple(at for at, count in enumerate(waited) if 2 * count > len(sums))
    return Rounds(whole, total, backward, compiled, bound, warm_ups, settled, stopped)


def _warm_up(bench: Runner, until: float) -> tuple[int, bool, int]:
    """How many runs it took, whole ones and runs by nodes in turn; whether they had settled when they ended; and how
    many nodes there are."""
    times: list[float] = []
    nodes: int | None = None
    while True:
        if len(times) % 2:
            by_node = bench.layers()
            nodes = len(by_node.total)
            times.append(sum(by_node.total))
        else:
            times.append(bench.whole())
            if bench.compiled_network is not None:
                bench.compiled()
        settled = has_settled(times)
        if nodes is not None and (settled or time.monotonic() >= until):
            return len(times), settled, nodes


def has_settled(times: list[float]) -> bool:
    """Whether runs have stopped getting faster: the last two gained less than a twentieth on all before."""
    return len(times) >= WARM_UPS and min(times[-2:]) >= (1 - SETTLED) * min(times[:-2])


def _rounds_enough(series: tuple[array[float], ...], wanted: float) -> int:
    """How many rounds the intervals of all series are expected to need to be as narrow as wanted; those there are
    where they are. An interval narrows with the root of the number of rounds."""
    done = len(series[0])
    if done < LEAST_RUNS:
        return max(LEAST_RUNS, done + 1)
    if done > 60 and done % 10:  # each look sorts all samples
        return done + 1
    within = [found.within for found in (confidence(samples, wanted) for samples in series)]
    worst = max(1.0 if share is None else share for share in within)
    return done if worst <= wanted else max(done + 1, int(done * (worst / wanted) ** 2))


# --- the network --------------------------------------------------------------------------------------------------

_FORMAT_NAMES: dict[torch.memory_format | None, str] = {
    None: "contiguous",
    torch.channels_last: "channels_last",
    torch.channels_last_3d: "channels_last_3d",
}


def _layout(graph: Graph, channels_last: bool) -> torch.memory_format | None:
    """The memory format of maps. Raises UsageError where channels cannot be last as there are no maps."""
    if not channels_last:
        return None
    axes = max(len(shape) for _, shape in graph.inputs)
    if axes not in (3, 4):
        raise UsageError("channels can only be last in maps, and this network's input is none")
    return torch.channels_last if axes == 3 else torch.channels_last_3d


def _prepare(
    graph: Graph, batch: int, number: torch.dtype, dtype: str, where: torch.device, layout: torch.memory_format | None
) -> tuple[Network, list[Tensor]]:
    """The network and its inputs on the device, from fixed seeds; torch's own random state stays as it is."""
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(SEED)
            network = build(graph, "cpu", dtype).to(where).eval()
        inputs = [x.to(where) for x in example_inputs(graph, batch, number, SEED)]
        if layout is not None:
            axes = 4 if layout is torch.channels_last else 5
            network.to(memory_format=layout)  # type: ignore[call-overload]
            inputs = [x.contiguous(memory_format=layout) if x.ndim == axes else x for x in inputs]
        return network, inputs
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise OutOfMemory("memory ran out while the parameters and the input were made") from error
        raise


def _compiled(network: Network, inputs: list[Tensor]) -> Callable[..., Any]:
    """What torch.compile makes of the whole network, compiled already. Raises Unavailable where it cannot."""
    compiled: Callable[..., Any] = torch.compile(network, fullgraph=True)
    try:
        compiled(*inputs)
    except Exception as error:  # no compiler, a graph it cannot take: it raises whatever it likes
        if out_of_memory(error):
            raise OutOfMemory("memory ran out while the network was compiled") from error
        raise Unavailable(f"torch.compile does not work here: {first_line(error)}") from error
    return compiled


def _flusher(where: torch.device) -> Callable[[], object]:
    """Writes as much as no cache holds; on a GPU that is queued in front of what is timed."""
    return partial(Tensor.zero_, torch.empty(cache_size(where), dtype=torch.uint8, device=where))


# --- memory -------------------------------------------------------------------------------------------------------


def _require_memory(graph: Graph, batch: int, dtype: str, where: torch.device) -> None:
    """Raises Unavailable where parameters and live activations are more than the memory that is free."""
    totals = analyse(graph, batch, dtype).totals
    parameters = _parameter_bytes(totals, dtype)
    needed = parameters + totals.peak_memory_bytes
    there = available_memory(where)
    if there is not None and needed > there:
        fits = (there - parameters) * batch // totals.peak_memory_bytes if totals.peak_memory_bytes else 0
        raise Unavailable(
            f"this needs {_bytes(needed)} of memory ({_bytes(parameters)} of parameters, "
            f"{_bytes(totals.peak_memory_bytes)} of activations at batch {batch}), free are {_bytes(there)}",
            _fits(fits) if batch > 1 else "",
        )


def _parameter_bytes(totals: Totals, dtype: str) -> int:
    return totals.param_bytes + totals.norm_stats * ITEMSIZE[dtype]


def _fits(batch: int) -> str:
    return f"The largest batch that fits is {batch:,}." if batch > 0 else "Not even one sample fits."


def _largest_batch(
    graph: Graph,
    batch: int,
    number: torch.dtype,
    dtype: str,
    where: torch.device,
    layout: torch.memory_format | None,
    training: bool,
) -> str:
    """Try smaller batches, one run each, and say which is the largest that fits."""

    def fits(count: int) -> bool:
        if where.type == "cuda":
            torch.cuda.empty_cache()
        try:
            network, inputs = _prepare(graph, count, number, dtype, where, layout)
            Bench(network.train(training), inputs, CpuClock(), training=training).whole()
            if where.type == "cuda":
                torch.cuda.synchronize()
        except OutOfMemory:
            return False
        return True

    return _fits(largest(batch, fits))


def largest(above: int, fits: Callable[[int], bool]) -> int:
    """The largest number below `above` that fits, where all smaller ones do too; 0 where none does."""
    low, high = 0, above  # `low` fits, `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _bytes(count: int) -> str:
    return " ".join(binary(count))


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
