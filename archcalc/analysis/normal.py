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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..graph import Graph
from ..ops import Op, Shape

MOST = 1000  # branches that a merge may have, as in a spec


class Held(NamedTuple):
    """A parameter or statistic: of which node which one in order, and which part of it of how many, `turned` where
    it is transposed."""

    node: int
    number: int
    part: int = 0
    parts: int = 1
    turned: bool = False


class Step(NamedTuple):
    """A node of a normal form: the `node` of the graph, its op in normal form, the shapes of its parameters and
    statistics, the steps that it reads (−1, −2, … are the network's inputs), the step whose parameters it has,
    which its own are, in the order of their shapes, and the shape of what it gives, if that is not its node's."""

    node: int
    op: Op
    weights: tuple[Shape, ...]
    reads: tuple[int, ...]
    owner: int | None
    held: tuple[Held, ...] = ()
    shape: Shape | None = None


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
        if value < 0:
            return self.graph.shape(value)
        step = self.steps[value]
        return self.graph.shape(step.node) if step.shape is None else step.shape

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


def normal(graph: Graph, layouts: bool = True) -> Normal:
    """The normal form of a graph's main path; without `layouts`, as code is compared, also without what only deals
    elements out to other axes."""
    graph = graph.without_heads()
    found: dict[tuple[Op, tuple[Shape, ...]], tuple[Op | None, tuple[Shape, ...]]] = {}
    at = {value: value for value in range(-len(graph.inputs), 0)}
    steps: list[Step] = []
    for index, node in enumerate(graph.nodes):
        shapes = tuple([graph.shape(value) for value in node.inputs])
        key = (node.op, shapes)
        if key not in found:
            found[key] = node.op.meaning(*shapes, node.shape)
            if not layouts and node.op.deals_out(*shapes):
                found[key] = None, ()
        op, weights = found[key]
        if op is None:
            at[index] = at[node.inputs[0]]
            continue
        at[index] = len(steps)
        owner = None if node.shares is None else at[node.shares]
        if owner is not None and not weights:  # a call of code has those alone that it is the first to read
            weights = steps[owner].weights
        held = tuple(
            [Held(index, number, turned=node.op.transposed) for number in range(len(weights) if owner is None else 0)]
        )
        steps.append(Step(index, op, weights, tuple([at[value] for value in node.read]), owner, held))
    return _joined(graph, steps, [at[value] for value in graph.outputs])


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
        reads = _side_by_side(graph, steps, reads, readers, taken) if step.op.nests and not step.op.commutes else reads
        if reads != list(step.reads):
            steps[at] = step = step._replace(reads=tuple(reads))
        learned = [value for value in reads if value >= 0 and steps[value].weights and not steps[value].reads]
        if len(reads) == 2 and len(learned) == 1 and readers[learned[0]] == 1 and not step.weights:
            has = step.op.taking(reads.index(learned[0]))
            if has is not None:
                reads = [value for value in reads if value != learned[0]]
                taken.add(learned[0])
                own = steps[learned[0]]
                steps[at] = step = step._replace(op=has, reads=tuple(reads), weights=own.weights, held=own.held)
        gated = _of_itself(steps, step, readers) if len(reads) == 2 and step.op.commutes else None
        if gated is not None:
            inside, value, op = gated
            taken.update(inside)
            reads = [value]
            steps[at] = step = step._replace(op=op, reads=(value,))
        front = steps[reads[0]] if len(reads) == 1 and reads[0] >= 0 and steps[reads[0]].reads else None
        around = front.op.padding(_before(graph, front)) if front is not None else None
        if front is not None:
            both = step.op.padded(*around) if around is not None else None
            if both is None and readers[reads[0]] == 1 and not step.weights:
                both = step.op.behind(front.op)
            if both is not None:
                taken.add(reads[0])
                steps[at] = step._replace(op=both, reads=front.reads)
    _attend(graph, steps)
    needed = set(outputs)
    if graph.code is not None:  # what is written into memory that something else reads
        needed |= {
            n for n, step in enumerate(steps) if n not in taken and graph.nodes[step.node].op.storage == "inplace"
        }
    for at in range(len(steps) - 1, -1, -1):
        if at in needed or (steps[at].weights and at not in taken):  # what is learned is a part of the network
            needed.update((at, *steps[at].reads))
    return _compact(graph, steps, outputs, set(range(len(steps))) - needed)


def _side_by_side(
    graph: Graph, steps: list[Step], reads: list[int], readers: Counter[int], taken: set[int]
) -> list[int]:
    """What a merge reads, parts of one value that follow each other as one."""
    found: list[int] = []
    for value in reads:
        last = found[-1] if found else -1
        one = steps[last] if last >= 0 and readers[last] == 1 else None
        other = steps[value] if value >= 0 and readers[value] == 1 else None
        joined = one.op.joined(other.op) if one and other and one.reads == other.reads else None
        if joined is None or one is None:
            found.append(value)
        else:
            steps[last] = one._replace(op=joined, shape=joined.shape(_before(graph, one)))
            taken.add(value)
    return found


def _of_itself(steps: Sequence[Step], step: Step, readers: Counter[int]) -> tuple[list[int], int, Op] | None:
    """Where a merge of two values reads one and what is made of it: what lies between, the value, and what it is."""
    for value, at in (step.reads, step.reads[::-1]):
        inside: list[int] = []
        while at >= 0 and at != value and readers[at] == 1 and len(steps[at].reads) == 1 and not steps[at].weights:
            inside.append(at)
            at = steps[at].reads[0]
        op = step.op.of_itself([steps[one].op for one in reversed(inside)]) if at == value and inside else None
        if op is not None:
            return inside, value, op
    return None


def _attend(graph: Graph, steps: list[Step]) -> None:
    """Make one attention of the mixing of values, the layers that make queries, keys and values, and that behind it."""
    readers: dict[int, list[int]] = {}
    for at, step in enumerate(steps):
        for value in step.reads:
            readers.setdefault(value, []).append(at)
    for at, step in enumerate(steps):
        mixing = steps[step.reads[0]] if len(step.reads) == 1 and step.reads[0] >= 0 else None
        if mixing is None or step.op.family != "linear" or len(mixing.reads) != 3:
            continue
        inside = {step.reads[0]}
        found = [_made(steps, value, inside) for value in mixing.reads]
        layers = [layer for layer, _ in found]
        if min(layers) < 0 or any(len(steps[layer].reads) != 1 for layer in layers):
            continue
        counts = [layers.count(layer) for layer in layers]
        parts = [_part(steps, layer, taken, count) for (layer, taken), count in zip(found, counts, strict=True)]
        if parts not in ([0, 1, 2], [0, 0, 1], [0, 0, 0]) or parts != [layers[:n].count(layers[n]) for n in range(3)]:
            continue
        if any(reader not in inside and reader != at for value in inside for reader in readers.get(value, ())):
            continue
        made = [steps[layer].op for layer in layers]
        op = mixing.op.attention(graph.nodes[mixing.node].shape, made, counts, step.op)
        own, memory, values = (steps[layer].reads[0] for layer in layers)
        if op is None:
            continue
        sources = (own,) if own == memory == values else (own, memory) if memory == values else (own, memory, values)
        op = op.but(memory=len(sources) > 1, values=len(sources) > 2)
        own_parts = [*zip((steps[layer] for layer in layers), parts, counts, strict=True)]
        weights = [(n // count, *rest) for layer, _, count in own_parts for n, *rest in layer.weights]
        held = [one._replace(part=part, parts=count) for layer, part, count in own_parts for one in layer.held]
        steps[at] = Step(step.node, op, (*weights, *step.weights), sources, None, (*held, *step.held))
        for value in inside:  # what nothing reads any more
            steps[value] = steps[value]._replace(weights=())


def _made(steps: Sequence[Step], value: int, inside: set[int]) -> tuple[int, list[Op]]:
    """The layer that made a value, −1 for none, and what was taken of it; `inside` gets what lies between."""
    taken: list[Op] = []
    while value >= 0 and steps[value].op.family == "layout" and len(steps[value].reads) == 1:
        inside.add(value)
        taken.append(steps[value].op)
        value = steps[value].reads[0]
    if value < 0 or steps[value].op.family != "linear":
        return -1, []
    inside.add(value)
    return value, taken


def _part(steps: Sequence[Step], layer: int, taken: Sequence[Op], count: int) -> int:
    """Which part of what a layer made is taken, 0 where it is all of it; −1 for another share."""
    if count == 1:
        return 0 if all(op.part(steps[layer].weights[0][0], 1) is None for op in taken) else -1
    parts = [part for op in taken if (part := op.part(steps[layer].weights[0][0], count)) is not None]
    return parts[0] if parts else -1


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
