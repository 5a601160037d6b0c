"""A network as what it computes, however it is written: its normal form, which two spellings of one network share.

Left out is what gives every element back as it is: dropout in an evaluation, identities, a map as a vector or as
tokens, a pool or a crop to the size that is there. A call is what it means on the values that it reads, by `Op.normal`:
its defaults as arguments, a 1×1 convolution as a fully connected layer of each position, an average over the whole map
as `gap`. Zeros around a map are the padding of the convolution behind them, and a concat within a concat gives that one
its branches; what nothing reads, and is not learned, is no part of it. No size of a map is said, so that a network is
itself at another input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..graph import Graph
from ..ops import Op, Shape
from ..ops.shapes import numel

MOST = 1000  # branches that a merge may have, as in a spec


class Step(NamedTuple):
    """A node of a normal form: the `node` of the graph, its op in normal form, the shapes of its parameters and
    statistics, the steps that it reads (−1, −2, … are the network's inputs), and the step whose parameters it has."""

    node: int
    op: Op
    weights: tuple[Shape, ...]
    reads: tuple[int, ...]
    owner: int | None


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal form of the main path of a graph; `outputs` are steps, as in `Step.reads`."""

    graph: Graph
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    @property
    def inputs(self) -> list[Shape]:
        """The shapes of the network's inputs."""
        return [shape for _, shape in self.graph.inputs]

    def shape(self, value: int) -> Shape:
        """The shape of what a step gives, or of an input."""
        return self.graph.shape(value if value < 0 else self.steps[value].node)

    def without_probabilities(self) -> Normal:
        """Without the softmax or sigmoid that outputs end in, as losses such as `cross_entropy` want them."""
        ends = {value for value in self.outputs if value >= 0 and self.steps[value].op.probabilities}
        ends -= {value for step in self.steps for value in step.reads}
        outputs = [self.steps[value].reads[0] if value in ends else value for value in self.outputs]
        return _compact(self.graph, self.steps, outputs, ends)

    @property
    def probabilities(self) -> list[str]:
        """The words of what outputs end in that makes probabilities."""
        ends = [self.steps[value].op for value in self.outputs if value >= 0]
        return [op.word for op in ends if op.probabilities]


def normal(graph: Graph) -> Normal:
    """The normal form of a graph's main path."""
    graph = graph.without_heads()
    found: dict[tuple[Op, tuple[Shape, ...]], tuple[Op | None, tuple[Shape, ...]]] = {}
    at = {value: value for value in range(-len(graph.inputs), 0)}
    steps: list[Step] = []
    for index, node in enumerate(graph.nodes):
        shapes = tuple([graph.shape(value) for value in node.inputs])
        key = (node.op, shapes)
        if key not in found:
            found[key] = _meant(node.op, shapes, node.shape)
        op, weights = found[key]
        if op is None:
            at[index] = at[node.inputs[0]]
            continue
        at[index] = len(steps)
        owner = None if node.shares is None else at[node.shares]
        steps.append(Step(index, op, weights, tuple([at[value] for value in node.read]), owner))
    return _joined(graph, steps, [at[value] for value in graph.outputs])


def _meant(op: Op, x: tuple[Shape, ...], y: Shape) -> tuple[Op | None, tuple[Shape, ...]]:
    """An op in normal form, None where it does nothing, and the shapes of its parameters."""
    if op.storage == "view" and y == x[0]:
        return None, ()
    plain = op.normal(*x)
    shapes: Iterable[Shape] = (tuple(param.shape) for param in op.params(*x))
    if plain is not None and plain.family == "linear":  # a convolution's kernel is a part of what it reads
        shapes = ((shape[0], numel(shape[1:])) if len(shape) > 1 else shape for shape in shapes)
    return plain, tuple(shapes)


def _joined(graph: Graph, steps: list[Step], outputs: list[int]) -> Normal:
    """With zeros around a map, and merges among the branches of their like, in what reads them."""
    readers = Counter(value for step in steps for value in step.reads)
    readers.update(outputs)
    taken: set[int] = set()
    for at, step in enumerate(steps):
        reads: list[int] = []
        for value in step.reads:
            inner = steps[value] if value >= 0 and step.op.nests else None
            if inner is not None and inner.op == step.op and (step.op.free or readers[value] == 1):
                room = len(reads) + len(inner.reads) + len(step.reads) <= MOST
                taken.update([value] if room else [])
                reads += inner.reads if room else [value]
            else:
                reads.append(value)
        if reads != list(step.reads):
            steps[at] = step = step._replace(reads=tuple(reads))
        front = steps[reads[0]] if len(reads) == 1 and reads[0] >= 0 else None
        around = front.op.padding(_before(graph, front)) if front is not None else None
        if front is not None and around is not None:
            padded = step.op.padded(*around)
            if padded is not None:
                taken.add(reads[0])
                steps[at] = step._replace(op=padded, reads=front.reads)
    needed = set(outputs)
    for at in range(len(steps) - 1, -1, -1):
        if at in needed or (steps[at].weights and at not in taken):  # what is learned is a part of the network
            needed.update((at, *steps[at].reads))
    return _compact(graph, steps, outputs, set(range(len(steps))) - needed)


def _before(graph: Graph, step: Step) -> Shape:
    """The shape of what a step reads first, as its own node reads it."""
    return graph.shape(graph.nodes[step.node].inputs[0])


def _compact(graph: Graph, steps: Sequence[Step], outputs: Sequence[int], gone: set[int]) -> Normal:
    """Without these steps, which nothing that is left reads."""
    new = {value: value for value in range(-len(graph.inputs), 0)}
    kept: list[Step] = []
    for at, step in enumerate(steps):
        if at not in gone:
            new[at] = len(kept)
            owner = None if step.owner is None else new[step.owner]
            kept.append(step._replace(reads=tuple([new[value] for value in step.reads]), owner=owner))
    return Normal(graph, tuple(kept), tuple([new[value] for value in outputs]))
