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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from ..errors import UsageError
from ..graph import Graph, Node
from ..ops import OPS, Op, OpError, Shape, Tokens
from ..ops.laid import SPREAD, merged, whole
from ..ops.shapes import Cut, dims, elements, many, numel, single
from ..records import NamedTuple
from .attend import Finder, Projected, attention, looking_up
from .cuts import beside, regrouped, rolled, shuffled, sides
from .idioms import Idioms
from .layers import Layers, with_bias
from .moves import Moves, variable
from .pooled import Biases, Made, asked, mean_of_places, taken, with_mean
from .scores import SEEN, faint
from .steps import Held, Step
from .windows import moved

SHIFTED = "windows"  # what a map that is turned round is cut into
MOST = 1000  # branches that a merge may have, as in a spec
AXES = ("c", "h", "w", "z")  # of a map, as patterns call them
FEW = 3  # axes beside the batch that may change places: how these are run is compared, not how they are called


class End(NamedTuple):
    """What makes probabilities, or their logarithms, of the scores of an output: at which place this stands, the steps
    and their ops, the value that has the scores, and its shape."""

    place: int
    steps: tuple[int, ...]
    ops: tuple[Op, ...]
    scores: int
    shape: Shape


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

    @property
    def ends(self) -> tuple[End, ...]:
        """What outputs end in that makes probabilities, or their logarithms, and that nothing else reads."""
        found = [end for place, value in enumerate(self.outputs) if (end := self._end(place, value)) is not None]
        while True:
            gone = {at for end in found for at in end.steps}
            read = {value for at, step in enumerate(self.steps) if at not in gone for value in step.reads}
            if read.isdisjoint(gone):
                return tuple(found)
            found = [end for end in found if read.isdisjoint(end.steps)]

    def _end(self, place: int, value: int) -> End | None:
        at, steps = value, []
        if at >= 0 and self.steps[at].op.logarithm:
            steps, at = [at], self.steps[at].reads[0]
        if at < 0 or not self.steps[at].op.probabilities:
            return None
        steps.insert(0, at)
        scores = self.steps[at].reads[0]
        return End(place, tuple(steps), tuple([self.steps[at].op for at in steps]), scores, self.shape(scores))

    def without(self, ends: Sequence[End]) -> Normal:
        """Without what outputs end in, as losses such as `cross_entropy` want them."""
        outputs = [*self.outputs]
        for end in ends:
            outputs[end.place] = end.scores
        if not ends:
            return self
        return _compact(self.graph, self.steps, outputs, {at for end in ends for at in end.steps})


def normal(graph: Graph, layouts: bool = True) -> Normal:
    """The normal form of a graph's main path; without `layouts`, as code is compared, also without what only deals
    elements out to other axes. Raises UsageError for a trace whose calls have other arguments than torch's."""
    code = graph.code
    try:
        return _normal(graph.without_heads(), layouts)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, OpError):
        if code is None or code.again is not None:
            raise
        raise UsageError("calls of this trace have arguments that torch gives them nowhere") from None


def _normal(graph: Graph, layouts: bool) -> Normal:
    found: dict[tuple[Op, tuple[Shape, ...]], tuple[Op | None, tuple[Shape, ...]]] = {}
    at = {value: value for value in range(-len(graph.inputs), 0)}
    steps: list[Step] = []
    cuts = _Cuts(graph) if graph.code is not None else None
    for index, node in enumerate(graph.nodes):
        if cuts is not None and (
            cuts.step(index, at, steps)
            or cuts.written(index, at, steps)
            or cuts.pooled(index, at, steps)
            or cuts.edged(index, at, steps)
            or cuts.layered(index, at, steps)
            or cuts.placed(index, at, steps)
            or cuts.in_two(index, at, steps)
        ):
            continue
        inputs = [value for place, value in enumerate(node.inputs) if place not in node.op.fixed]
        turned = cuts.turned(node) if cuts is not None else None
        shapes = tuple([graph.shape(value) for value in inputs])
        key = (node.op, shapes)
        if key not in found:
            found[key] = node.op.meaning(*shapes, node.shape)
            if not layouts and node.op.deals_out(*shapes):
                found[key] = None, ()
        op, weights = found[key]
        if op is None:
            at[index] = at[inputs[0]]
            continue
        at[index] = len(steps)
        weights = tuple(map(_rows, weights)) if op.family == "embedding" and op.storage != "own" else weights
        owner = None if node.shares is None else at[node.shares]
        if owner is not None and not weights:  # a call of code has those alone that it is the first to read
            weights = steps[owner].weights
        held = tuple(
            [
                Held(index, number, turned=node.op.transposed and number == 0)
                for number in range(len(weights) if owner is None else 0)
            ]
        )
        elsewhere = cuts.layers.elsewhere(index) if cuts is not None else None
        if elsewhere is not None and elsewhere[0] == index:
            held = tuple([one._replace(note=elsewhere[1]) for one in held])
        elif elsewhere is not None:
            of = at[elsewhere[0]]
            steps[of] = steps[of]._replace(held=tuple([one._replace(note=elsewhere[1]) for one in steps[of].held]))
        reads = [at[value] for value in inputs[: node.op.read]]
        if turned is not None and cuts is not None:  # it works along another axis, which no layer says
            steps.append(Step(cuts.move(inputs[0]), turned, (), (reads[0],), None, (), graph.shape(inputs[0])))
            cuts.follow(steps[-1])
            reads[0] = at[index]
            at[index] = len(steps)
        steps.append(Step(index, op, weights, tuple(reads), owner, held))
        if cuts is not None:
            cuts.follow(steps[-1])
    if cuts is not None:
        cuts.turn(steps, [at[value] for value in graph.outputs])
        _attend(graph, steps, at, cuts)
    outputs = [at[value] for value in graph.outputs]
    asked(graph, steps, outputs)
    if cuts is not None or not layouts:
        steps, outputs = moved(graph, steps, outputs)
    return _joined(graph, steps, outputs, layouts)


class _Cuts:
    """The windows and grids of a graph of code: of each step the cut whose items it gives."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.moves = graph, Moves(graph, maps=True)
        self.plain = Moves(graph)
        self.idioms, self.biases = Idioms(graph, self.plain), Biases(graph, self.plain)
        self.layers = Layers(graph, self.plain, self.moves)
        self.holders: dict[int, int] = {}  # by the node of a parameter: the function that has it
        self.means: dict[int, int] = {}  # by the mean of the places of a map: the map
        self.made: list[int] = []  # by step: the step that cut, -1 for none
        self.cut: dict[int, Cut] = {}  # by the step that cut
        self._known: dict[tuple[int, Op], int] = {}
        self._axes: dict[int, tuple[int, ...]] = {}  # of what is cut, along which it is
        self._sides: dict[int, tuple[int, ...]] = {}  # of what was put together, the axes of the map
        self._whole: dict[int, list[int]] = {}  # by the step that cut: what puts the items together

    def step(self, index: int, at: dict[int, int], steps: list[Step]) -> bool:
        """Whether a node is the end of moves that cut a map, or put it together: it becomes that step."""
        source, laid = self.moves.of(index)
        node = self.graph.nodes[index]
        if node.op.role == "joined":
            parts = [self.moves.of(value) for value in variable(node)]
            source = parts[0][0] if len({own for own, _ in parts}) == 1 < len(parts) else index
            found = beside([laid for _, laid in parts], node.op.said.get("dim", 0)) if source != index else None
        elif source != index:
            atoms = merged(laid.groups)
            few = len(atoms) <= FEW and SPREAD not in {atom.axis for atom in atoms}
            few = few and not any(laid.start) and prod(laid.size) == prod(laid.source)  # all of it, elsewhere
            found = shuffled(laid) if (self.moves.axes(source) or (0, 1))[0] < 2 else None
            if (found is None and few) or (atoms == merged(whole(laid.source).groups) and not any(laid.start)):
                at[index] = at[source]
                return True
            found = found or regrouped(laid, self.cut.get(self._made(at[source])))
        else:
            found = None
        if found is None:
            return False
        before = at[source]
        made = self._made(before)
        known = self._known.get((before, found.op))
        if known is None:
            known = self._known[before, found.op] = len(steps)
            steps.append(Step(index, found.op, (), (before,), None, (), found.shape))
            self.made.append(known if found.cut else -1)
            if found.cut:
                self.cut[known], self._axes[known] = found.cut, found.axes
            elif made >= 0:
                self._whole.setdefault(made, []).append(known)
        at[index] = known
        if found.op.gathers and len(node.op.gives) == len(found.shape) + 1:
            self._sides[known] = sides(laid)
            self.moves.begin(index, sides(laid))  # it is a map again
        return True

    def written(self, index: int, at: dict[int, int], steps: list[Step]) -> bool:
        """Whether a node is the last of the calls that a function is written out in: it becomes a step of that."""
        found = self.idioms.at(index)
        if found is None:
            return False
        at[index] = len(steps)
        steps.append(Step(index, found.op, found.weights, (at[found.of],), None, found.held))
        self.follow(steps[-1])
        for node in {one.node for one in found.held} - {index}:  # no value of their own any more
            for step in {at.get(node, -1), self.holders.get(node, -1)} - {-1}:
                steps[step] = steps[step]._replace(weights=())
            self.holders[node] = at[index]
        return True

    def move(self, value: int) -> int:
        """The call that gives a value another order of its axes, through what works on each element."""
        while value >= 0 and self.moves.of(value)[0] == value and self.graph.nodes[value].op.along == "each":
            value = variable(self.graph.nodes[value])[0]
        return max(value, 0)

    def turned(self, node: Node) -> Op | None:
        """How a map stands before a layer that reads one whose channels, or places, other axes have."""
        last, front = node.op.along == "last", node.op.along == "front"
        told = node.op.equals is not None or node.op.role == "product"
        read = variable(node)[:1] if front or (last and told) else []
        if not read or read[0] < 0:
            return None
        count = len(self.moves.of(read[0])[1].size)
        found = self.moves.axes(read[0], last) if count > 3 or front else None
        if found is None:
            return None
        place = count - 1 if last else 1
        names = AXES[: len(found)]
        where = dict(zip(names, found, strict=True))
        ahead = [name for name in names if where[name] == place]
        places = [name for name in names if where[name] != place]
        wide = [name for name in places if where[name]]
        if not last and not _even(node.op) and wide != sorted(wide, key=where.__getitem__):
            places = sorted(places, key=lambda name: where[name] or len(names))
        order = " ".join((*ahead, *places))
        size = self.moves.of(read[0])[1].source[1:]
        return None if order == " ".join(names) else OPS["rearrange"](f"{' '.join(names)} -> {order}").normal(size)

    def pooled(self, index: int, at: dict[int, int], steps: list[Step]) -> bool:
        """Whether a node is a part of attention that pools a map."""
        node = self.graph.nodes[index]
        read = [self.moves.of(value) for value in variable(node)]
        source, laid = self.moves.of(index)
        bias = self.biases.of(index)
        if len(read) == 1 and mean_of_places(node, read[0][1]) and (self.moves.axes(read[0][0]) or (0,))[0] == 1:
            self.means[index] = read[0][0]
            made = Step(index, OPS["gap"](), (), (at[read[0][0]],), None, (), node.op.gives[-1:])
        elif (map_ := with_mean(node, read, self.means)) is not None:
            width = node.op.gives[-1]
            steps.append(Step(index, OPS["stack"](), (), (at[read[0][0]],), None, (), Tokens((1, width))))
            self.follow(steps[-1])
            shape = Tokens((node.op.gives[0], width))
            made = Step(index, OPS["concat"](axis=0), (), (len(steps) - 1, at[map_]), None, (), shape)
        elif bias is not None:
            (weight,) = node.op.params()
            steps[at[bias.node]] = steps[at[bias.node]]._replace(weights=(), held=())
            op = OPS["linear"](out=weight.shape[0], bias=True)
            made = Step(
                index, op, (weight.shape, weight.shape[:1]), (at[node.inputs[0]],), None, (Held(index, 0), bias)
            )
        elif (
            source >= 0
            and at.get(source, -1) >= 0
            and (steps[at[source]].op.family, bool(node.op.role)) in (("linear", False), ("merge", True))
            and (node.op.word == "select" or (node.op.role == "edge" and len(node.op.gives) == 3))
            and (take := taken(laid))
        ):
            width = node.op.gives[-1]
            made = Step(index, take, (), (at[source],), None, (), Tokens((1, width)) if node.op.role else (width,))
        else:
            return False
        at[index] = len(steps)
        steps.append(made)
        self.follow(made)
        return True

    def layered(self, index: int, at: dict[int, int], steps: list[Step]) -> bool:
        """Whether a node is the product, or the sum, that a layer is written out in."""
        product, bias = self.layers.product(index), self.layers.bias(index)
        layer = at[bias.layer] if bias is not None and bias.layer >= 0 else -1
        if product is not None:
            at[index] = len(steps)
            held = (Held(product.holder, 0, turned=product.turned),)
            op = OPS["linear"](out=product.size[0], bias=False)
            steps.append(Step(index, op, (product.size,), (at[product.value],), None, held))
            self.follow(steps[-1])
            holder = product.holder
        elif bias is not None and layer >= 0 and (biased := with_bias(steps[layer], bias)) is not None:
            steps[layer], at[index], holder = biased, layer, bias.holder
        else:
            return False
        if holder in at and holder != index:
            steps[at[holder]] = steps[at[holder]]._replace(weights=(), held=())
        return True

    def placed(self, index: int, at: dict[int, int], steps: list[Step]) -> bool:
        """Whether a node is a layer of a constant that has a word, or adds it: that is a step, and the layer."""
        node = self.graph.nodes[index]
        made, op = (node.op.of_constant or (None, None)) if node.shares is None else (None, None)
        if made is None or op is None:
            return False
        steps.append(Step(index, made.normal(()) or made, (), (), None, (), made.shape(())))
        self.follow(steps[-1])
        at[index] = len(steps)
        weights = tuple(param.shape for param in node.op.params())
        held = tuple(Held(index, number) for number in range(len(weights)))
        reads = (*(at[value] for value in variable(node)), len(steps) - 1)
        steps.append(Step(index, op, weights, reads, None, held))
        self.follow(steps[-1])
        return True

    def in_two(self, index: int, at: dict[int, int], steps: list[Step]) -> bool:
        """Whether a node is two steps, one after the other."""
        node = self.graph.nodes[index]
        ops, read, params = node.op.in_two, variable(node), node.op.params()
        if ops is None or len(read) + len(params) != 1 or node.shares is not None:
            return False
        reads = tuple(at[value] for value in read)
        weights, held = (
            tuple(tuple(n for n in param.shape if n > 1) for param in params),
            (Held(index, 0),) * len(params),
        )
        for op in ops:
            steps.append(Step(index, op, weights, reads, None, held, node.shape))
            self.follow(steps[-1])
            weights, held, reads = (), (), (len(steps) - 1,)
        at[index] = len(steps) - 1
        return True

    def edged(self, index: int, at: dict[int, int], steps: list[Step]) -> bool:
        """Whether a node pads or cuts the edges of a map, wherever its channels stand: it becomes that step."""
        node = self.graph.nodes[index]
        read = variable(node) if node.op.role == "edge" and len(node.op.gives) == 4 else []
        axes = self.moves.axes(read[0]) if len(read) == 1 else None
        if axes is None or not (found := node.op.on_map(axes)):
            return False
        (op,) = found
        at[index] = at[read[0]] if op is None else len(steps)
        if op is not None:
            steps.append(Step(index, op, (), (at[read[0]],), None))
            self.follow(steps[-1])
        return True

    def turn(self, steps: list[Step], outputs: Sequence[int]) -> None:
        """Make what turns a map round before it is cut, and back, a part of the cut."""
        readers: dict[int, list[int]] = {value: [-1] for value in outputs}
        for number, step in enumerate(steps):
            for value in step.reads:
                readers.setdefault(value, []).append(number)
        for number, cut in self.cut.items():
            before = steps[number].reads[0]
            back = [one for end in self._whole.get(number, ()) for one in readers.get(end, ())]
            front = steps[before] if before >= 0 and cut.word == SHIFTED else None
            if front is None or front.op.role != "roll" or not back or min(back) < 0:
                continue
            by = rolled(self.graph, front.node, self._axes[number])
            shift = tuple(-n for n in by or (0,))
            turned = [self._back(steps[one]) if one >= 0 else None for one in back]
            if min(shift) < 0 or not any(shift) or any(one != shift for one in turned):
                continue
            if any(n >= window for n, window in zip(shift, cut.each, strict=True)):
                continue
            self.cut[number] = cut._replace(shift=shift)
            shape = steps[number].shape or ()
            steps[number] = steps[number]._replace(
                op=steps[number].op.but(shift=single(shift)), reads=front.reads, shape=many(shape, (self.cut[number],))
            )
            for one in back:
                steps[one] = steps[steps[one].reads[0]]

    def _back(self, step: Step) -> tuple[int, ...] | None:
        """By how much a step turns a map round that was put together."""
        if step.op.role != "roll":
            return None
        return rolled(self.graph, step.node, self._sides.get(step.reads[0], ()))

    def follow(self, step: Step) -> None:
        """A step works on the items of what it reads first."""
        self.made.append(next((made for value in step.reads if (made := self._made(value)) >= 0), -1))

    def _made(self, value: int) -> int:
        """The step that cut what a value is an item of, −1 for none."""
        return self.made[value] if value >= 0 else -1


def _even(op: Op) -> bool:
    """Whether a call does the same along all places."""
    if op.family == "convolution":
        return False
    sizes = [value for _, value in (op.equals or op).arguments if isinstance(value, tuple)]
    return (op.family == "pool" and op.equals is None) or all(len({*each}) == 1 for each in sizes if each)


def _joined(graph: Graph, steps: list[Step], outputs: list[int], layouts: bool) -> Normal:
    """With zeros around a map, and merges among the branches of their like, in what reads them; without `layouts`
    tokens are normed where they are taken."""
    live = _live(graph, steps, outputs, set())
    readers = Counter(value for at, step in enumerate(steps) if at in live for value in step.reads)
    readers.update(outputs)
    taken: set[int] = set()
    known: dict[tuple[Op, tuple[int, ...], Shape], int] = {}  # what is made of which values, without a weight
    same: dict[int, int] = {}  # by what takes a branch out of a merge again: the branch
    for at, step in enumerate(steps):
        reads: list[int] = []
        for value in [same.get(value, value) for value in step.reads]:
            inner = steps[value] if value >= 0 and step.op.nests else None
            if inner is not None and inner.op == step.op and (step.op.free or readers[value] == 1):
                room = len(reads) + len(inner.reads) + len(step.reads) <= MOST
                taken.update([value] if room else [])
                reads += inner.reads if room else [value]
            elif not layouts and readers[value] == 1 and _holds(step, steps[value] if value >= 0 else None):
                own = steps[value]
                size = tuple(graph.shape(own.node))
                steps[value] = own._replace(op=OPS["learned"](size=size), reads=(), shape=size)
                reads += [*own.reads, value]
            else:
                reads.append(value)
        reads = _side_by_side(graph, steps, reads, readers, taken) if step.op.nests and not step.op.commutes else reads
        if reads != list(step.reads):
            steps[at] = step = step._replace(reads=tuple(reads))
        weighed = _weighed(graph, steps, step, reads, readers)
        if weighed is not None:
            taken.update(reads[1:])
            taken.update(steps[reads[1]].reads)
            reads, steps[at] = reads[:1], weighed
            step = weighed
        if step.op.taking(0) and not step.op.commutes and len(reads) > 2:
            reads = _one_by_one(graph, steps, step, reads, readers)
            steps[at] = step = step._replace(reads=tuple(reads))
        learned = [value for value in reads if value >= 0 and _alone(steps[value])]
        if len(reads) == 2 and len(learned) == 1 and readers[learned[0]] == 1 and not step.weights:
            own = steps[learned[0]]
            has = step.op.taking(reads.index(learned[0]), own.weights[0], own.op)
            if has is not None:
                reads = [value for value in reads if value != learned[0]]
                taken.add(learned[0])
                weights = (_rows(own.weights[0]),) if has.family == "embedding" else own.weights
                steps[at] = step = step._replace(op=has, reads=tuple(reads), weights=weights, held=own.held)
        rest = _unchanged(graph, steps, step, reads)
        if rest is not None:
            same[at] = rest
            readers[rest] += readers[at]
            continue
        gated = _of_itself(steps, step, readers) if len(reads) == 2 and step.op.commutes else None
        if gated is not None:
            inside, value, op = gated
            taken.update(inside)
            reads = [value]
            steps[at] = step = step._replace(op=op, reads=(value,))
        own_op = graph.nodes[step.node].op
        again = graph.code is None or (own_op.storage != "inplace" and not own_op.draws)
        alone = not step.weights and step.owner is None and again
        if not layouts and alone and (reads or not step.op.read):
            first = known.setdefault((step.op, tuple(reads), step.shape or graph.shape(step.node)), at)
            if first != at:  # worked out again
                same[at] = first
                readers[first] += readers[at]
                continue
        front = steps[reads[0]] if len(reads) == 1 and reads[0] >= 0 and steps[reads[0]].reads else None
        if front is not None and front.op.nests:
            shapes = _shapes(graph, steps, front.reads)
            parts = [front.reads[part] for part in step.op.among(front.op, _before(graph, step), shapes)]
            if len(parts) == 1:
                same[at] = parts[0]
                readers[parts[0]] += readers[at]
                continue
            if parts:
                readers.update(parts)
                steps[at] = step._replace(op=front.op, reads=tuple(parts))
                continue
        if (
            front is not None
            and not layouts
            and step.op.picks
            and front.op.family == "norm"
            and front.op.each
            and readers[reads[0]] == 1
        ):
            shape = step.shape or graph.shape(step.node)
            steps[reads[0]] = step._replace(reads=front.reads, shape=shape)
            steps[at] = front._replace(reads=(reads[0],), shape=shape)
            continue
        before = _before(graph, front) if front is not None else ()
        around = front.op.padding(before) if front is not None and before else None
        if front is not None:
            both = step.op.padded(*around) if around is not None else None
            if both is None and readers[reads[0]] == 1 and not step.weights:
                both = step.op.behind(front.op, len(front.reads), before)
            if both is not None:
                taken.add(reads[0])
                steps[at] = step._replace(op=both, reads=front.reads)
    outputs = [same.get(value, value) for value in outputs]
    return _compact(graph, steps, outputs, set(range(len(steps))) - _live(graph, steps, outputs, taken))


def _shapes(graph: Graph, steps: Sequence[Step], values: Sequence[int]) -> list[Shape]:
    """The shapes of values."""
    own = [steps[value].shape if value >= 0 else None for value in values]
    return [
        graph.shape(steps[value].node if value >= 0 else value) if shape is None else shape
        for value, shape in zip(values, own, strict=True)
    ]


def _live(graph: Graph, steps: Sequence[Step], outputs: Sequence[int], taken: set[int]) -> set[int]:
    """The steps that outputs come from, or that something is learned in."""
    needed = set(outputs)
    if graph.code is not None:  # what is written into memory that something else reads
        needed |= {
            n
            for n, step in enumerate(steps)
            if n not in taken and (op := graph.nodes[step.node].op).storage == "inplace" and not op.constant
        }
    for at in range(len(steps) - 1, -1, -1):
        if at in needed or (steps[at].weights and at not in taken):  # what is learned is a part of the network
            needed.update((at, *steps[at].reads))
    return needed


def _weighed(
    graph: Graph, steps: Sequence[Step], step: Step, reads: Sequence[int], readers: Counter[int]
) -> Step | None:
    """A convolution whose weights are made of a parameter, which nothing else reads, as one step with that."""
    made = steps[reads[1]] if len(reads) == 2 and reads[1] >= 0 and step.op.family == "convolution" else None
    own = steps[made.reads[0]] if made is not None and len(made.reads) == 1 and made.reads[0] >= 0 else None
    if made is None or own is None or not own.weights or own.op.storage != "own" or made.weights:
        return None
    size = graph.shape(graph.nodes[step.node].inputs[1])
    op = step.op.weighing(size, made.op, graph.nodes[own.node].op)
    if op is None or {readers[reads[1]], readers[made.reads[0]]} != {1}:
        return None
    weights, held = (*own.weights, *step.weights), (*own.held, *step.held)
    return step._replace(op=op.normal(_before(graph, step)) or op, reads=(reads[0],), weights=weights, held=held)


def _unchanged(graph: Graph, steps: Sequence[Step], step: Step, reads: Sequence[int]) -> int | None:
    """The value that a merge of two gives as it is, where the other changes nothing of it."""
    for value, rest in (reads, reads[::-1]) if len(reads) == 2 else ():
        made = steps[value].op if value >= 0 else None
        whole, alone = _shapes(graph, steps, [rest])[0], step.shape or graph.shape(step.node)
        if made is not None and not step.weights and step.op.keeps(made) and elements(whole) == elements(alone):
            return rest
    return None


def _holds(step: Step, inner: Step | None) -> bool:
    """Whether what one step merges with a weight of its own another merges with more."""
    if inner is None or not step.op.commutes or len(inner.weights) != 1 or len(inner.reads) != 1:
        return False
    return step.op.nests and step.op.taking(1, inner.weights[0], inner.op) == inner.op


def _one_by_one(graph: Graph, steps: list[Step], step: Step, reads: list[int], readers: Counter[int]) -> list[int]:
    """What a concat reads, where learned tokens stand in front: the first, and the rest as another's result."""
    front = 0
    while front < len(reads) and reads[front] >= 0 and _alone(steps[reads[front]]) and readers[reads[front]] == 1:
        front += 1
    if front < len(reads) - 1:
        return reads
    last = reads[-1]
    for value in reversed(reads[1:front]):
        own = steps[value]
        op, width = step.op.taking(0, own.weights[0], own.op) or step.op, own.weights[0][-1]
        before = graph.shape(last) if last < 0 else steps[last].shape or graph.shape(steps[last].node)
        shape = Tokens((elements(before) // width + 1, width))
        steps[value], last = own._replace(op=op, reads=(last,), shape=shape), value
    return [reads[0], last]


def _alone(step: Step) -> bool:
    """Whether a step is a weight itself."""
    return bool(step.weights) and step.op.storage == "own"


def _rows(shape: Shape) -> Shape:
    """The size of a learned vector for each place, whatever axes the places have."""
    return (numel(shape[:-1]), shape[-1]) if len(shape) > 2 else shape


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


def _attend(graph: Graph, steps: list[Step], at: Mapping[int, int], cuts: _Cuts) -> None:
    """Make one attention of the mixing of values, the layers that make queries, keys and values, and that behind it."""
    finder = Finder(graph, cuts.plain)
    outputs = [at[value] for value in graph.outputs]
    readers: dict[int, set[int]] = {value: {-1} for value in outputs}
    for number in _live(graph, steps, outputs, set()):
        for value in steps[number].reads if number >= 0 else ():
            readers.setdefault(value, set()).add(number)
    made = [
        one
        for number, step in enumerate(steps)
        if step.op.family == "linear" and len(step.reads) == 1
        and (one := _attention(graph, steps, at, cuts, finder, readers, number)) is not None
    ]  # fmt: skip
    for one in _with_owners(steps, made):
        for table in one.tables:
            size = steps[table].weights[0]
            steps[table] = steps[table]._replace(op=OPS["learned"](size=size), shape=size)
        steps[one.number] = one.step
        for value in one.inside:  # what nothing reads any more, also where it is written into memory
            own = steps[value].node
            gone = one.step.node if graph.nodes[own].op.storage == "inplace" else own
            steps[value] = steps[value]._replace(weights=(), node=gone)
        for value, reads, shape in one.functions:
            steps[value] = steps[value]._replace(reads=(reads,), shape=shape)


class _Attention(NamedTuple):
    """The attention that a layer is the last part of: its step, the steps inside it, those whose weights it has with
    the part that it has of each, tables that are values, and what works on these: what it reads, and its shape."""

    number: int
    step: Step
    inside: set[int]
    learned: tuple[tuple[int, int], ...]
    tables: set[int]
    functions: list[tuple[int, int, Shape]]


def _attention(
    graph: Graph, steps: list[Step], at: Mapping[int, int], cuts: _Cuts, finder: Finder,
    readers: Mapping[int, set[int]], number: int,
) -> _Attention | None:  # fmt: skip
    step = steps[number]
    found = finder.at(step.node)
    if found is None:
        return None
    parts = found.query, found.key, found.value
    known = {*(one.layer for one in parts), *(one.node for one in found.added.tables + found.added.along)}
    if not known <= at.keys() or any(
        not steps[at[one.node]].weights + steps[at[one.node]].reads for one in found.added.tables
    ):
        return None
    layers = [at[part.layer] for part in parts]
    made = [cuts.biases.made(part.layer) for part in parts]
    for one, bias, part in zip(layers, made, parts, strict=True):
        if steps[one].op.family != "linear" or len(steps[one].reads) - len(bias.nodes if bias else ()) != 1:
            return None
        if bias is not None and (len(bias.parts) != part.parts or part.by_head):
            return None
    if not _once(layers, parts):
        return None
    cut = cuts.cut.get(cuts.made[layers[0]])
    masks = [*found.added.masks]
    if cut is not None and any(cut.shift):  # tokens that come from elsewhere are hidden
        hidden = f"{SEEN}windows {dims(cut.of)} {dims(cut.each)} {dims(cut.shift)} "
        if [mask.startswith(hidden) and _of_windows(mask, found.query.heads) for mask in masks] != [True]:
            return None
        masks = []
    own, memory, values = (steps[layer].reads[0] for layer in layers)
    sources = [own] if own == memory == values else [own, memory] if memory == values else [own, memory, values]
    weights, held, biases = _projections(steps, layers, parts, made)
    op = attention(found, biases, step.op, masks)
    said = ", ".join(filter(None, map(faint, masks)))
    held = [one._replace(note=said) if said and at == 0 else one for at, one in enumerate(held)]
    weights, held = [*weights, *step.weights], [*held, *step.held]
    learned = [*zip(layers, [part.part for part in parts], strict=True), (number, 0)]
    learned += [(at[bias.nodes[0]], 0) for bias in dict.fromkeys(made) if bias]
    tables = {at[table.node] for table in found.added.tables}
    along = [at[one.node] for one in sorted(found.added.along)]
    warm = [at[found.warmth]] if found.warmth >= 0 else []
    ends = {*layers, *tables, *along, *warm, *(at[bias.nodes[0]] for bias in made if bias)}
    inside = _inside(steps, [*step.reads, *(value for layer in layers for value in steps[layer].reads[1:])], ends)
    if op is None or inside is None or len(tables) > 1:
        return None
    op = op.but(memory=len(sources) > 1, values=len(sources) > 2)
    for one in warm:
        weights, held = [*weights, *steps[one].weights], [*held, *steps[one].held]
        learned.append((one, 0))
    shared: set[int] = set()
    functions: list[tuple[int, int, Shape]] = []
    for looked in found.added.tables:
        op, table = op and looking_up(op, looked.words), at[looked.node]
        alone, reads = readers.get(table, set()) <= {*inside, number}, steps[table].reads
        if alone and not looked.functions and not reads:
            size = steps[table].weights[0]
            each = numel(size) // found.query.heads, found.query.heads
            weights.append(each if len(size) > len(each) else size)
            note = f"biases of differences {looked.order}" if looked.order else ""
            held += [one._replace(note=note) for one in steps[table].held]
            learned.append((table, 0))
        elif op is not None and not looked.order and (alone or not (looked.functions or reads)):
            op = op.but(table=True)  # several attentions share it, or it is made
            if reads and not _as_table(graph, cuts.plain, looked.node):
                return None
            value = reads[0] if reads else table
            size = cuts.plain.of(variable(graph.nodes[looked.node])[0])[1].size if reads else steps[table].weights[0]
            shared.update(() if reads else (table,))
            for one in looked.functions:
                functions.append((at[one], value, Tokens((numel(size) // found.query.heads, found.query.heads))))
                value = at[one]
            sources.append(value)
        else:
            return None
    for one in along:
        weights, held = [*weights, *steps[one].weights], [*held, *steps[one].held]
        learned.append((one, 0))
    if op is None or any(not readers.get(one, set()) <= {*inside, number} for one in inside - tables):
        return None
    gone = inside.difference(sources, shared, (one for one, *_ in functions))
    nodes = tuple(sorted({steps[one].node for one in gone}))
    mixed = Step(step.node, op, tuple(weights), tuple(sources), None, tuple(held), None, nodes)
    return _Attention(number, mixed, gone, tuple(learned), shared, functions)


def _projections(
    steps: Sequence[Step], layers: Sequence[int], parts: Sequence[Projected], made: Sequence[Made | None]
) -> tuple[list[Shape], list[Held], list[bool]]:
    """The weights of queries, keys and values, in whichever layers, and which of these have a bias."""
    weights: list[Shape] = []
    held: list[Held] = []
    biases: list[bool] = []
    for layer, part, bias in zip(layers, parts, made, strict=True):
        step = steps[layer]
        weights += [(*(n // part.parts for n in shape[:1]), *shape[1:]) for shape in step.weights]
        heads = part.made if part.by_head else 1
        held += [one._replace(part=part.part, parts=part.parts, heads=heads) for one in step.held]
        biases.append(len(step.weights) > 1)
        if bias is not None:
            own = bias.parts[part.part]
            biases[-1] = own is not None and part.part != bias.zeroed
            weights += [] if own is None else [(*(n // part.parts for n in step.weights[0][:1]),)]
            note = "" if part.part != bias.zeroed else "has biases that it overwrites with zeros"
            held += [] if own is None else [own._replace(note=note)]
    return weights, held, biases


def _as_table(graph: Graph, moves: Moves, lookup: int) -> bool:
    """Whether the rows of a value that a call looks vectors up in are in the order of what makes it."""
    laid = moves.of(variable(graph.nodes[lookup])[0])[1]
    own = whole(laid.source).groups
    alike = len(laid.groups) == 2 and not any(laid.start) and laid.groups[1] == own[-1]
    return alike and merged(laid.groups[:1]) == merged(own[:-1])


def _of_windows(mask: str, heads: int) -> bool:
    """Whether a mask of windows lies along these, not along the heads."""
    return heads == 1 or mask.endswith(" at -4 -2 -1")


def _with_owners(steps: Sequence[Step], made: Sequence[_Attention]) -> list[_Attention]:
    """Of attentions those whose weights are read by nothing else, or all again by others like it, which are its."""
    users: dict[int, set[int]] = {}
    for at, step in enumerate(steps):
        if step.weights:
            users.setdefault(at if step.owner is None else step.owner, set()).add(at)
    groups: dict[tuple[tuple[int, int], ...], list[_Attention]] = {}
    for one in made:
        of = [(steps[at].owner, at, part) for at, part in one.learned]
        groups.setdefault(tuple((at if owner is None else owner, part) for owner, at, part in of), []).append(one)
    found: list[_Attention] = []
    for key, group in groups.items():
        owners = {at for at, _ in key}
        used = {at for one in group for at, _ in one.learned}
        distinct = all(len({at for at, _ in one.learned}) == len(owners) for one in group)
        if group[0].learned != key or not distinct or used != set().union(*(users.get(at, set()) for at in owners)):
            continue
        first, *rest = group
        found += [first, *(one._replace(step=one.step._replace(owner=first.number, held=())) for one in rest)]
    return sorted(found)


def _once(layers: Sequence[int], parts: Sequence[Projected]) -> bool:
    """Whether queries, keys and values are all that their layers give, each another part."""
    taken = [*zip(layers, (part.part for part in parts), strict=True)]
    counts = {layer: part.parts for layer, part in zip(layers, parts, strict=True)}
    return len({*taken}) == len(taken) == sum(counts.values())


def _inside(steps: Sequence[Step], waiting: list[int], ends: set[int]) -> set[int] | None:
    """The steps between what a layer reads and these others, which all of it comes from; None where something else is
    learned on the way."""
    found: set[int] = set()
    while waiting:
        at = waiting.pop()
        if at < 0 or (at not in ends and steps[at].weights):
            return None
        if at not in found:
            found.add(at)
            waiting += [] if at in ends else steps[at].reads
    return found


def _before(graph: Graph, step: Step) -> Shape:
    """The shape of what a step reads first, as its own node reads it."""
    node = graph.nodes[step.node]
    first = next((value for place, value in enumerate(node.inputs) if place not in node.op.fixed), None)
    return () if first is None else graph.shape(first)


def _compact(graph: Graph, steps: Sequence[Step], outputs: Sequence[int], gone: set[int]) -> Normal:
    """Without these steps, which nothing that is left reads; each behind what it reads."""
    new = {value: value for value in range(-len(graph.inputs), 0)}
    kept: list[Step] = []
    for first in range(len(steps)):
        waiting = [first] if first not in gone else []
        while waiting:
            at = waiting[-1]
            step = steps[at]
            before = [value for value in step.reads if value not in new]
            if before:
                waiting += before
                continue
            waiting.pop()
            if at not in new:
                new[at] = len(kept)
                owner = None if step.owner is None else new[step.owner]
                kept.append(step._replace(reads=tuple([new[value] for value in step.reads]), owner=owner))
    return Normal(graph, tuple(kept), tuple([new[value] for value in outputs]))
