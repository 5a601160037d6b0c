"""Windows moved inwards: what works on each place alone is done on the map, and only attention on its windows."""

from __future__ import annotations

from math import prod

from ..graph import Graph
from ..ops import OPS, Op, Shape, channels
from ..ops.shapes import Cut, cuts_of, elements, many
from ..records import NamedTuple
from .steps import Step


class _Pending(NamedTuple):
    """A cut that a value is still to be made: by the op, of which node, to which cut."""

    op: Op
    node: int
    cut: Cut


class _Moved:
    def __init__(self, graph: Graph, steps: list[Step]) -> None:
        self.graph, self.old = graph, steps
        self.steps: list[Step] = []
        self.at = {value: value for value in range(-len(graph.inputs), 0)}  # where what a step gives is made
        self.pending: dict[int, _Pending] = {}
        self.emitted: dict[int, int] = {}
        self.cuts: dict[tuple[int, _Pending], int] = {}
        self.ends: dict[_Pending, list[int]] = {}

    def emit(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    def cut(self, value: int) -> int:
        """A value with the cut that is pending made."""
        pending, base = self.pending.get(value), self.at[value]
        if pending is None:
            return base
        if (base, pending) not in self.cuts:
            before = self.graph.shape(base) if base < 0 else self.shape(self.steps[base])
            items = many((_width(before, pending.cut), *pending.cut.each), (*cuts_of(before), pending.cut))
            self.cuts[base, pending] = self.emit(Step(pending.node, pending.op, (), (base,), None, (), items))
        return self.cuts[base, pending]

    def shape(self, step: Step) -> Shape:
        return self.graph.shape(step.node) if step.shape is None else step.shape

    def _of_places(self, step: Step, cut: Cut) -> bool:
        """Whether a layer reads the channels of each place, not all places of a window."""
        base = self.at[step.reads[0]]
        before = self.graph.shape(base) if base < 0 else self.shape(self.steps[base])
        if step.op.family != "linear":
            return True
        return bool(step.weights) and step.weights[0][1:] == (_width(before, cut),)

    def step(self, number: int, step: Step) -> None:
        waits = {self.pending.get(value) for value in step.reads}
        (only,) = waits if len(waits) == 1 else (None,)
        if step.op.cuts and only is None and cuts_of(self.shape(step)):
            self.at[number] = self.at[step.reads[0]]
            self.pending[number] = _Pending(step.op, step.node, cuts_of(self.shape(step))[-1])
            return
        if step.op.gathers and only is not None:
            self.at[number] = self.at[step.reads[0]]
            for end in self.ends.pop(only, ()):
                self.steps[end] = self.steps[end]._replace(node=step.node)
            return
        owner = None if step.owner is None else self.emitted[step.owner]
        if only is not None and step.op.each and self._of_places(step, only.cut):
            shape = None if self.graph.code else _whole(self.shape(step), only.cut)
            reads = tuple(self.at[value] for value in step.reads)
            self.at[number] = self.emitted[number] = self.emit(
                step._replace(reads=reads, owner=owner, shape=shape or step.shape)
            )
            self.pending[number] = only
            return
        reads = tuple(self.cut(value) for value in step.reads)
        made = self.at[number] = self.emitted[number] = self.emit(step._replace(reads=reads, owner=owner))
        first = self.pending.get(step.reads[0]) if step.reads else None
        if first is not None and step.op.family == "attention":
            width = step.op.said["out"] or _width(self.shape(self.steps[reads[0]]), first.cut)
            outer = cuts_of(self.shape(step))[:-1]
            whole = many((width, *first.cut.of), outer)
            self.at[number] = self.emit(Step(step.node, OPS["together"](), (), (made,), None, (), whole))
            self.ends.setdefault(first, []).append(self.at[number])
            self.pending[number] = first


def _width(shape: Shape, cut: Cut) -> int:
    """The channels of a value, wherever these stand in code."""
    return max(1, elements(shape) // prod(cut.of))


def _whole(shape: Shape, cut: Cut) -> Shape:
    return many((channels(shape), *cut.of), cuts_of(shape)[:-1])


def moved(graph: Graph, steps: list[Step], outputs: list[int]) -> tuple[list[Step], list[int]]:
    """The steps with windows as far inwards as they go, and the outputs."""
    if not any(step.op.cuts for step in steps):
        return steps, outputs
    found = _Moved(graph, steps)
    for number, step in enumerate(steps):
        found.step(number, step)
    return found.steps, [found.cut(value) for value in outputs]
