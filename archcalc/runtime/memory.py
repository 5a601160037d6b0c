"""Memory of a network on a device, measured: the values that its interpreter holds, and what the allocator gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..analysis.memory import last_use
from ..measurement.latency import Memory
from .network import Network, Step
from .replay import Replay


def measure_memory(network: Network | Replay, inputs: Sequence[Tensor]) -> Memory:
    """Run inferences and watch what they hold; on `meta` nothing is computed. The caller turns gradients off."""
    device = inputs[0].device.type
    peak = at = eager = taken = requested = None

    def run() -> None:
        nonlocal peak, at
        peak, at = held_peak(network, inputs)

    if device == "cuda":
        taken = requested = requested_peak(run)
    elif device == "cpu":
        taken = allocated_peak(run)
    else:
        run()
    assert peak is not None and at is not None
    eager, _ = held_peak(network, inputs, held_by_callers(network))
    given = sum(x.untyped_storage().nbytes() for x in inputs)
    return Memory(peak, at, eager, None if taken is None else max(0, taken + given - peak), requested)


class _Held:
    """The bytes of the storages that values stand in, each once."""

    def __init__(self, network: Network | Replay) -> None:
        there = [*network.parameters(), *network.buffers()]  # what stands in these takes no more
        self.users: dict[int, int] = {tensor.untyped_storage()._cdata: 1 for tensor in there}
        self.bytes = 0

    def take(self, value: Tensor | Sequence[Tensor]) -> None:
        for tensor in (value,) if isinstance(value, Tensor) else value:
            storage = tensor.untyped_storage()
            users = self.users.get(storage._cdata, 0)
            if not users:
                self.bytes += storage.nbytes()
            self.users[storage._cdata] = users + 1

    def drop(self, value: Tensor | Sequence[Tensor]) -> None:
        for tensor in (value,) if isinstance(value, Tensor) else value:
            storage = tensor.untyped_storage()
            self.users[storage._cdata] -= 1
            if not self.users[storage._cdata]:
                del self.users[storage._cdata]
                self.bytes -= storage.nbytes()


def held_peak(
    network: Network | Replay, inputs: Sequence[Tensor], program: Sequence[Step] | None = None
) -> tuple[int, str]:
    """The most bytes that the interpreter holds when a node has run, and that node: of values of the network, inputs
    among them, not of what is inside an op. `program` is the network's own unless given."""
    held = _Held(network)
    for x in inputs:
        held.take(x)
    values = network.values(inputs)
    peak, at = held.bytes, ""
    for node, step in zip(network.counted.nodes, network.program if program is None else program, strict=True):
        values[step.output] = step.call(*[values[slot] for slot in step.inputs])
        held.take(values[step.output])
        if held.bytes > peak:
            peak, at = held.bytes, node.path
        for slot in step.free:
            held.drop(values[slot])
            values[slot] = None
    return peak, at


def held_by_callers(network: Network | Replay) -> tuple[Step, ...]:
    """The program of nested modules: the input of a row or block is freed only when that is left; of code as it was
    seen."""
    graph = network.counted
    last = last_use(graph)
    if graph.code is not None:
        until: dict[int, int] = {}
        for held in graph.code.memory:
            until[held.born] = max(held.held, until.get(held.born, 0))
        last = [max(end, until.get(root, 0)) for end, root in zip(last, graph.code.roots, strict=True)]
    else:
        for span in graph.spans:
            if span.input >= 0 and span.start < span.stop:
                last[span.input] = max(last[span.input], span.stop - 1)
    return tuple(step._replace(free=free) for step, free in zip(network.program, network.freed(last), strict=False))


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
