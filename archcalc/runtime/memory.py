"""Memory of a Graph on a device, measured: live tensors by watching torch's operators, and what its allocator gave."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..analyse import last_uses
from ..errors import Unavailable
from ..graph import Graph
from ..memory import Memory
from .network import Network, Step, build, example_inputs, execute, torch_dtype, usable

SEED = 0  # of the parameters and of the input


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The bytes of all storages that torch's operators made and that are alive, and the most there were at once.

    `known` are tensors that are there already and not counted. `at` is whatever `place` was when the most were live.
    """

    def __init__(self, *known: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes = {tensor.untyped_storage()._cdata: 0 for tensor in known}
        self.live = self.peak = 0
        self.place = self.at = ""

    def note(self, tensor: Tensor) -> None:
        """Count a tensor, unless its storage is known."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.sizes:
            self.sizes[storage._cdata] = storage.nbytes()
            self.live += storage.nbytes()
            if self.live > self.peak:
                self.peak, self.at = self.live, self.place
            weakref.finalize(storage, self._drop, storage._cdata)

    def _drop(self, key: int) -> None:
        self.live -= self.sizes.pop(key)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        # On `meta` batch norm gives statistics also in an evaluation, where args[5] is False; elsewhere there are none.
        evaluated = func is torch.ops.aten.native_batch_norm.default and not args[5]
        for tensor in tree_leaves(made[0] if evaluated else made):
            if isinstance(tensor, Tensor):
                self.note(tensor)
        return made


def measure_memory(graph: Graph, *, batch: int = 1, dtype: str = "float32", device: str = "cpu") -> Memory:
    """Run inferences of the main path of `graph` and watch what they hold; on `meta` nothing is computed.

    Parameters and input are random, with a fixed seed. Raises UsageError for an unknown dtype, Unavailable where there
    is no such GPU, or memory runs out.
    """
    number = torch_dtype(dtype)
    where = usable(torch.device(device))
    graph = graph.without_heads()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(SEED)
            network = build(graph, where, dtype).eval()
        inputs = [x.to(where) for x in example_inputs(graph, batch, number, SEED)]
        with torch.no_grad():  # in inference mode the watcher would not see what is inside torch's own compositions
            peak, at = live_peak(network, inputs)  # first: what is allocated once and for all is no part of the rest
            eager, _ = live_peak(network, inputs, held_by_callers(network))
            given = sum(x.untyped_storage().nbytes() for x in inputs)
            requested = requested_peak(lambda: _run(network, inputs)) if where.type == "cuda" else None
            taken = allocated_peak(lambda: _run(network, inputs)) if where.type == "cpu" else requested
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise Unavailable("memory ran out", "A smaller batch needs less.") from error
    workspace = None if taken is None else max(0, taken + given - peak)
    return Memory(str(where), dtype, batch, peak, at, eager, workspace, requested)


def live_peak(network: Network, inputs: Sequence[Tensor], program: Sequence[Step] | None = None) -> tuple[int, str]:
    """The most bytes of live tensors while `program` runs (the network's own unless given), inputs among them, and the
    node at which they were; parameters and running statistics are not counted."""
    tracker = LiveTensors(*network.parameters(), *network.buffers())
    for x in inputs:
        tracker.note(x)
    values = network.values(inputs)
    with tracker:
        for node, step in zip(network.graph.nodes, network.program if program is None else program, strict=True):
            tracker.place = node.path
            execute((step,), values)
    return tracker.peak, tracker.at


def held_by_callers(network: Network) -> tuple[Step, ...]:
    """The program of nested modules: the input of a row or block is freed only when that is left."""
    graph = network.graph
    last = last_uses(graph)
    for span in graph.spans:
        if span.input >= 0 and span.start < span.stop:
            last[span.input] = max(last[span.input], span.stop - 1)
    free: list[list[int]] = [[] for _ in range(len(graph.nodes) + 1)]
    for index, end in enumerate(last):
        free[end].append(network.slot(index))
    return tuple(step._replace(free=tuple(slots)) for step, slots in zip(network.program, free, strict=False))


def _run(network: Network, inputs: Sequence[Tensor]) -> None:
    execute(network.program, network.values(inputs))


def requested_peak(run: Callable[[], None], cuda: Any = torch.cuda) -> int:
    """The bytes that a run asks the GPU's allocator for at most, beyond what was there; not rounded up to blocks."""
    cuda.synchronize()
    cuda.reset_peak_memory_stats()
    before: int = cuda.memory_stats()["requested_bytes.all.current"]
    run()
    cuda.synchronize()
    most: int = cuda.memory_stats()["requested_bytes.all.peak"]
    return most - before


def allocated_peak(run: Callable[[], None]) -> int | None:
    """The bytes that torch's allocator on the CPU gives a run at most, scratch of kernels included; None where this
    torch does not say."""
    with _allocations() as changes:
        run()
    if changes is None:
        return None
    live = peak = 0
    for change in changes:
        live += change
        peak = max(peak, live)
    return peak


@contextmanager
def _allocations() -> Iterator[list[int] | None]:
    """Gives a list that, afterwards, holds the bytes of each allocation in order, less than 0 where memory is freed.

    By torch's old profiler, which is told of every call of the allocator and prints nothing.
    """
    try:
        from torch._C._autograd import _disable_profiler_legacy, _enable_profiler_legacy
        from torch._C._profiler import ProfilerConfig, ProfilerState, _ExperimentalConfig
    except ImportError:
        yield None
        return
    config = ProfilerConfig(ProfilerState.CPU, False, True, False, False, False, _ExperimentalConfig())
    changes: list[int] = []
    _enable_profiler_legacy(config)
    try:
        yield changes
    finally:
        threads: Any = _disable_profiler_legacy()
        for thread in threads:
            changes += [event.cpu_memory_usage() for event in thread if event.kind() == "memory_alloc"]
