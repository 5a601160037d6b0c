"""Latency of a Graph on a device: the whole network and each layer, from one flat program."""

from __future__ import annotations

import gc
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..analysis.counts import Report, analyse
from ..errors import Unavailable, UsageError
from ..graph import Graph
from ..measurement.conditions import USUAL, Conditions
from ..measurement.latency import Interrupted, Measurement, Memory
from .bench import Bench, CpuClock, CudaClock, clock_cost, first_line
from .capture import Captured
from .machine import cache_size, device_name, device_of, machine, pinned_malloc, threads
from .memory import measure_memory
from .network import Network, build, example_inputs, torch_dtype
from .replay import Own, Replay
from .room import OutOfMemory, can_keep, fits, out_of_memory, require
from .rounds import Progress, rounds_in_turn

SEED = 0  # of the parameters and of the input


def measure(network: Graph | Report, conditions: Conditions = USUAL, progress: Progress | None = None) -> Measurement:
    """Time the main path of a network, in rounds of one whole run and one run by nodes; its Report, where there is one
    at batch 1, spares counting it again.

    Rounds in which others used the processor are left out. `progress` is called with the rounds done and expected,
    outside of what is timed. The input is random, with a fixed seed; torch's random state, threads and modes are as
    before afterwards.

    Raises UsageError for conditions that make no sense for this network; Unavailable where there is no such GPU, where
    torch cannot do what is asked, where parameters and activations do not fit the memory that is free, or where memory
    runs out all the same; Interrupted, with what was measured, for Ctrl-C after the first round.
    """
    return measure_in_turn([network], conditions, progress)[0]


def measure_in_turn(
    networks: Sequence[Graph | Report], conditions: Conditions = USUAL, progress: Progress | None = None
) -> tuple[Measurement, ...]:
    """Time several networks in turn, A B A B …, so that what drifts drifts for all alike; otherwise as `measure` does.

    All are as long in the rounds as the one that needs most, and the time limit is for each of them. They all stand in
    memory together, parameters and inputs. Interrupted has the measurements of all.
    """
    batch, dtype, training = conditions.batch, conditions.dtype, conditions.training
    torch_dtype(dtype)  # an unknown one is told first
    where = device_of(conditions.device)
    reports = [_counted(one, conditions) for one in networks]
    graphs = [report.graph.without_heads() for report in reports]
    layouts = [_layout(graph, conditions.channels_last) for graph in graphs]
    for report in reports:
        require(report, batch, where, "sgd" if training else "")  # nothing is updated, so no state is held
    with ExitStack() as stack:
        stack.enter_context(threads(conditions.threads))
        if where.type == "cuda":
            stack.enter_context(torch.cuda.device(where))
        if training or any(graph.code is not None for graph in graphs):  # code may draw numbers in an evaluation, too
            stack.enter_context(torch.random.fork_rng(devices=[where] if where.type == "cuda" else []))
        stack.enter_context(torch.enable_grad() if training else torch.inference_mode())
        clock = CudaClock() if where.type == "cuda" else CpuClock()
        about = machine(where)  # before the runs, which are themselves load
        failed, pinned = "", False
        benches: list[Bench] = []
        memories: list[Memory | None] = []
        try:
            for report, graph, layout in zip(reports, graphs, layouts, strict=True):
                if benches:
                    require(report, batch, where, "sgd" if training else "")  # beside those that stand there already
                network, inputs = _prepare(graph, conditions, where, layout)
                memories.append(None if training else _watched(network, inputs))
                network.train(training)
                compiled = _compiled(network, inputs) if conditions.compile else None
                flush = _flusher(where) if conditions.cold else None
                benches.append(Bench(network, inputs, clock, training=training, compiled=compiled, flush=flush))
            if conditions.pin_malloc and where.type == "cpu" and can_keep(reports, batch, "sgd" if training else ""):
                pinned = stack.enter_context(pinned_malloc())
            with _no_garbage_collection():
                limit = conditions.time_limit * len(graphs)
                done = rounds_in_turn(benches, conditions.runs, limit, conditions.precision, progress, conditions.least)
        except OutOfMemory as error:
            failed = f"{error.message} at batch {batch}"  # the error holds the tensors: let it go first
        if failed:
            network = inputs = compiled = flush = None  # type: ignore[assignment]
            benches.clear()
            hint = "A smaller batch, or fewer networks at once, need less."
            if len(graphs) == 1:
                hint = _largest_batch(graphs[0], conditions, where, layouts[0])
            raise OutOfMemory(failed, hint)
        found = tuple(
            Measurement(
                device=str(where),
                device_name=device_name(where),
                torch=torch.__version__,
                threads=torch.get_num_threads(),
                dtype=dtype,
                batch=batch,
                whole_samples=one.whole,
                samples=one.total,
                backward=one.backward if training else (),
                compiled_samples=one.compiled,
                mode=conditions.mode,
                memory_format=_FORMAT_NAMES[layout],
                cold=conditions.cold,
                malloc_pinned=pinned,
                wanted=conditions.precision,
                stopped=one.stopped,
                warm_ups=one.warm_ups,
                warmed_up=one.warmed_up,
                overhead_ms=len(graph.nodes) * clock_cost(clock),
                noisy_rounds=one.noisy_rounds,
                probe_ms=one.probe_ms,
                launch_bound=one.launch_bound,
                machine=about,
                memory=memory,
            )
            for graph, layout, memory, one in zip(graphs, layouts, memories, done, strict=True)
        )
    if any(one.stopped == "interrupted" for one in done):
        raise Interrupted(*found)
    return found


def _counted(network: Graph | Report, conditions: Conditions) -> Report:
    """The counts at batch 1 in a dtype, of code at the batch at which it runs."""
    graph = network if isinstance(network, Graph) else network.graph
    if graph.code is not None:
        return analyse(own_run(graph, conditions), conditions.batch, conditions.dtype)
    there = isinstance(network, Report) and network.dtype == conditions.dtype and network.batch == 1
    return network if isinstance(network, Report) and there else analyse(graph, 1, conditions.dtype)


def own_run(graph: Graph, conditions: Conditions) -> Graph:
    """Code as it runs on the device itself, which is what is timed. Raises UsageError for a trace, SpecError at a line
    of the code, Unavailable."""
    again = graph.code.again if graph.code is not None else None
    if again is None:
        raise UsageError("a trace holds no weights, so that nothing of it can run", "Measure the code itself.")
    where = device_of(conditions.device)
    captured = again.captured if isinstance(again, Own) else again
    assert isinstance(captured, Captured)
    layout = _layout(graph, conditions.channels_last)
    own = Own(captured, conditions.batch, conditions.dtype, str(where), layout, conditions.training)
    if own == again:
        return graph
    require(analyse(graph, conditions.batch, conditions.dtype), conditions.batch, where)
    with threads(conditions.threads):
        return own.graph()


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
    graph: Graph, conditions: Conditions, where: torch.device, layout: torch.memory_format | None
) -> tuple[Network | Replay, list[Tensor]]:
    """The network and its inputs on the device, from fixed seeds; torch's own random state stays as it is."""
    if graph.code is not None:
        assert isinstance(graph.code.again, Own)
        replay = replace(graph.code.again, batch=conditions.batch).replay(graph)
        if where.type == "cpu" and replay.differs():  # a GPU may add in another order each time
            what, hint = "numbers", ""
            if conditions.training:
                what, hint = "gradients", "It may work without gradients, or with its own, in parts; `--static` counts."
            message = f"its calls, one after the other, give other {what} than the module: nothing is timed"
            raise Unavailable(message, hint)
        return replay, [*replay.given.values()]
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(SEED)
            network = build(graph, "cpu", conditions.dtype).to(where).eval()
        inputs = [x.to(where) for x in example_inputs(graph, conditions.batch, torch_dtype(conditions.dtype), SEED)]
        if layout is not None:
            axes = 4 if layout is torch.channels_last else 5
            network.to(memory_format=layout)  # type: ignore[call-overload]
            inputs = [x.contiguous(memory_format=layout) if x.ndim == axes else x for x in inputs]
        return network, inputs
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise OutOfMemory("memory ran out while the parameters and the input were made") from error
        raise


def _compiled(network: Network | Replay, inputs: list[Tensor]) -> Callable[..., Any]:
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


def _watched(network: Network | Replay, inputs: list[Tensor]) -> Memory | None:
    """What inferences hold; None where they do not end: the timed run says at which node, and why."""
    try:
        return measure_memory(network, inputs)
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error) or "not implemented for" in str(error):
            return None
        raise


def _largest_batch(
    graph: Graph, conditions: Conditions, where: torch.device, layout: torch.memory_format | None
) -> str:
    """Try smaller batches, one run each, and say which is the largest that fits."""

    def small_enough(count: int) -> bool:
        if where.type == "cuda":
            torch.cuda.empty_cache()
        try:
            network, inputs = _prepare(graph, replace(conditions, batch=count), where, layout)
            training = conditions.training
            Bench(network.train(training), inputs, CpuClock(), training=training).whole()
            if where.type == "cuda":
                torch.cuda.synchronize()
        except OutOfMemory:
            return False
        return True

    return fits(largest(conditions.batch, small_enough))


def largest(above: int, fits: Callable[[int], bool]) -> int:
    """The largest number below `above` that fits, where all smaller ones do too; 0 where none does."""
    return bisect_left(range(1, above), True, key=lambda count: not fits(count))


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
