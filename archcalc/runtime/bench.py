"""One run of a network under a clock: as a whole, or node by node.

Per node the clock is chained: it is read once at each node boundary, after the node's dead inputs are freed, so the
nodes of a run add up to the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from operator import length_hint
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import Unavailable, UsageError
from ..measurement.latency import median
from ..records import NamedTuple
from .network import Network, Step, execute
from .replay import Replay
from .room import OutOfMemory, out_of_memory
from .shadow import tensors_of

CLOCK_READINGS = 1000  # to learn what one costs
PROBE = 192  # rows and columns of the matrices of a probe: a tenth of a millisecond, from a cache of the processor


class Clock(Protocol):
    """Marks moments, and says afterwards how far apart they were."""

    def mark(self) -> Any: ...

    def between(self, marks: list[Any]) -> list[float]:
        """Milliseconds from each mark to the next."""

    def waited(self, marks: list[Any]) -> list[bool]:
        """Of each interval, whether the device waited there for the program that tells it what to do."""


class CpuClock:
    """The clock of this process, in nanoseconds."""

    mark = staticmethod(time.perf_counter_ns)

    def between(self, marks: list[int]) -> list[float]:
        return [(stop - start) / 1e6 for start, stop in pairwise(marks)]

    def waited(self, marks: list[int]) -> list[bool]:
        return [False] * (len(marks) - 1)


class CudaClock:
    """Events queued on the GPU's current stream; nothing waits for the GPU until the last of them.

    Beside each event the processor's clock is read: a GPU that reaches an event as soon as it is queued has nothing
    left to do.
    """

    def mark(self) -> tuple[torch.cuda.Event, int]:
        event: torch.cuda.Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event, time.perf_counter_ns()

    def between(self, marks: list[tuple[torch.cuda.Event, int]]) -> list[float]:
        torch.cuda.synchronize()
        return [start.elapsed_time(stop) for (start, _), (stop, _) in pairwise(marks)]

    def waited(self, marks: list[tuple[torch.cuda.Event, int]]) -> list[bool]:
        """Where the GPU's backlog at the end is less than half of what queueing the interval took."""
        found, backlog = [], 0.0
        for ((_, queued), (_, now)), took in zip(pairwise(marks), self.between(marks), strict=True):
            queueing = (now - queued) / 1e6
            backlog = max(0.0, backlog + took - queueing)
            found.append(backlog < queueing / 2)
        return found


class Probe:
    """A piece of work that is always the same, and takes longer while others use the processor too."""

    def __init__(self) -> None:
        self._matrices = [torch.full((PROBE, PROBE), 1 / PROBE) for _ in range(3)]

    def __call__(self) -> float:
        """The milliseconds of a product of two small matrices, the faster of two: the first fetches them."""
        a, b, c = self._matrices
        marks = [time.perf_counter_ns()]
        for _ in range(2):
            torch.mm(a, b, out=c)
            marks.append(time.perf_counter_ns())
        return min(stop - start for start, stop in pairwise(marks)) / 1e6


def clock_cost(clock: Clock) -> float:
    """Milliseconds that one reading of the clock takes, kept as a run by nodes keeps it."""
    mark = clock.mark
    marks = [mark()]
    for _ in range(CLOCK_READINGS):
        marks.append(mark())
    return median(clock.between(marks))


class ByNode(NamedTuple):
    """A run by nodes, in ms: each node's forward and backward pass together, the latter alone (empty in inference),
    and for which nodes a GPU waited."""

    total: list[float]
    backward: list[float]
    waited: list[bool]


class Bench:
    """A network, its inputs and a clock.

    In training a run is the forward pass and the backward pass from gradients of 1; there is no loss and no step of
    an optimiser. `compiled` is the network as torch.compile made it; `flush` drives everything out of the caches.
    """

    def __init__(
        self,
        network: Network | Replay,
        inputs: list[Tensor],
        clock: Clock,
        *,
        training: bool = False,
        compiled: Callable[..., Any] | None = None,
        flush: Callable[[], object] | None = None,
    ) -> None:
        self.network, self.inputs, self.clock = network, inputs, clock
        self.training, self.compiled_network, self.flush = training, compiled, flush
        self._probe = Probe() if all(x.device.type == "cpu" for x in inputs) else None
        self.steps: Iterator[Step] = iter(())
        self.backward_from: list[int] = []  # the nodes whose backward pass has begun, in that order

    def probe(self) -> float:
        """How fast the processor is now; 0 on a GPU, which does not share its cores."""
        return 0.0 if self._probe is None else self._probe()

    def whole(self) -> float:
        """The milliseconds of one run."""
        return self.clock.between(self._run(self._as_one))[0]

    def compiled(self) -> float:
        """The milliseconds of one run of the compiled network."""
        return self.clock.between(self._run(self._as_compiled))[0]

    def layers(self) -> ByNode:
        """The milliseconds of the nodes in one run."""
        marks = self._run(self._forward_and_backward if self.training else self._forward)
        intervals, waited = self.clock.between(marks), self.clock.waited(marks)
        count = len(self.network.program)
        total, late, backward = intervals[:count], waited[:count], [0.0] * count
        for interval, at in zip(intervals[count:], self._owners(len(intervals) - count), strict=True):
            total[at] += interval
            backward[at] += interval
        return ByNode(total, backward if self.training else [], late)

    def _owners(self, intervals: int) -> list[int]:
        """Whose each interval of the backward pass is: the first, in which autograd starts, is the last node's."""
        if not intervals:
            return []
        first = self.backward_from[0] if self.backward_from else len(self.network.program) - 1
        return [first, *self.backward_from]

    def _run(self, timed: Callable[[], list[Any]]) -> list[Any]:
        """The marks of one run. What torch raises becomes an error with the node's path."""
        self.network.zero_grad(set_to_none=True)
        self.steps, self.backward_from = iter(self.network.program), []
        if self.flush is not None:
            self.flush()
        try:
            return timed()
        except (RuntimeError, MemoryError, ValueError) as error:
            at = self.backward_from[-1] if self.backward_from else self._forward_at()
            path = self.network.counted.nodes[at].path
            if out_of_memory(error):
                raise OutOfMemory(f"memory ran out at `{path}`", "A smaller batch needs less.") from error
            if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
                raise Unavailable(f"torch cannot run `{path}` so on this device: {first_line(error)}") from error
            if "more than 1 value per channel" in str(error):
                raise UsageError(
                    f"`{path}` cannot be trained on one value per channel", "A batch of 2 gives it more."
                ) from error
            raise

    def _forward_at(self) -> int:
        return max(0, len(self.network.program) - length_hint(self.steps) - 1)

    def _as_one(self) -> list[Any]:
        values = self.network.values(self.inputs)
        marks = [self.clock.mark()]
        execute(self.steps, values)
        if self.training:
            self._backward(values)
        marks.append(self.clock.mark())
        return marks

    def _as_compiled(self) -> list[Any]:
        assert self.compiled_network is not None
        marks = [self.clock.mark()]
        found = self.compiled_network(*self.inputs)
        if self.training:
            outputs = [y for y in (found if isinstance(found, tuple) else (found,)) if y.requires_grad]
            torch.autograd.backward(outputs, [torch.ones_like(y) for y in outputs])
        marks.append(self.clock.mark())
        return marks

    def _forward(self) -> list[Any]:
        values, mark = self.network.values(self.inputs), self.clock.mark
        marks = [mark()]
        for call, inputs, output, free in self.steps:  # as `execute` does
            values[output] = call(*[values[slot] for slot in inputs])
            for slot in free:
                values[slot] = None
            marks.append(mark())
        return marks

    def _forward_and_backward(self) -> list[Any]:
        """A hook in front of each node's own step of the backward pass reads the clock: autograd takes the steps in
        the opposite order of the forward pass, so what lies between two hooks is the work of the node of the first."""
        values, mark, started = self.network.values(self.inputs), self.clock.mark, self.backward_from
        marks = [mark()]

        def start(at: int, _gradients: Any) -> None:
            started.append(at)
            marks.append(mark())

        for at, (call, inputs, output, free) in enumerate(self.steps):
            values[output] = y = call(*[values[slot] for slot in inputs])
            made = next((part.grad_fn for part in tensors_of(y) if part.grad_fn is not None), None)
            if made is not None:
                made.register_prehook(partial(start, at))
            for slot in free:
                values[slot] = None
            marks.append(mark())
        del y, made
        self._backward(values)
        marks.append(mark())
        return marks

    def _backward(self, values: list[Any]) -> None:
        """From the outputs to the parameters, the values gone as in a program that only keeps its outputs.

        Raises UsageError where nothing is to be trained."""
        slots = {self.network.slot(value) for value in self.network.counted.outputs}
        outputs = [values[slot] for slot in slots if isinstance(values[slot], Tensor) and values[slot].requires_grad]
        if not outputs:
            raise UsageError("this network has no parameters to train")
        torch.autograd.backward(outputs, [torch.ones_like(y) for y in outputs])


def first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
