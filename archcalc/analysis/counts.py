"""Counts of a Graph: a fold over its nodes. What each quantity means is said in `docs/counting.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from operator import attrgetter

from ..errors import UsageError, did_you_mean
from ..graph import Code, Graph, Node, Span
from ..ops import Op, OpError, Param, Shape
from ..ops.base import LIMIT
from ..ops.shapes import elements, numel
from ..records import NamedTuple
from ..units import ITEMSIZE
from .memory import input_bytes, live_bytes, peak_memory, storages
from .receptive import ReceptiveFields


class NodeCost(NamedTuple):
    """What a node works with and does for one sample, with all its items, whether its parameters are its own or
    another's."""

    params: tuple[Param, ...]
    weights: int
    biases: int
    norm_params: int
    norm_stats: int
    macs: int
    elementwise: dict[str, int]
    numel: int
    read: int  # elements of its inputs
    idle: int  # of the parameters, those of experts that a token does not run through
    depth: int  # weight layers that stand behind each other in it, or stood there in the first of several steps
    chain: int  # products, of matrices or of values, of which each has to wait for the one before


class Layer(NamedTuple):
    """A node and its counts: parameters for the network, the rest for the whole batch. A node that works with another's
    parameters (`node.shares`) has none: they are counted there; `cost` is what it works with all the same."""

    node: Node
    cost: NodeCost
    params: int
    macs: int
    activation_bytes: int

    @property
    def path(self) -> str:
        return self.node.path

    @property
    def op(self) -> str:
        return self.node.op.word

    @property
    def output_shape(self) -> Shape:
        return self.node.shape

    @property
    def active_params(self) -> int:
        return self.params - self.cost.idle if self.params else 0

    @property
    def weights(self) -> int:
        return self.cost.weights if self.node.shares is None else 0

    @property
    def biases(self) -> int:
        return self.cost.biases if self.node.shares is None else 0

    @property
    def norm_params(self) -> int:
        return self.cost.norm_params if self.node.shares is None else 0

    @property
    def norm_stats(self) -> int:
        return self.cost.norm_stats if self.node.shares is None else 0

    @property
    def flops(self) -> int:
        return 2 * self.macs


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over nodes; `flops` = 2 × `macs`. Bytes, MACs and FLOPs are for the whole batch. `active_params` are those
    that a token works with: all but those of experts that it does not run through."""

    params: int
    active_params: int
    weights: int
    biases: int
    norm_params: int
    norm_stats: int
    macs: int
    flops: int
    param_bytes: int
    activation_bytes: int
    peak_memory_bytes: int
    weight_layers: int
    elementwise: dict[str, int] = field(repr=False)

    def counts(self) -> dict[str, int]:
        """The numbers by name, without the element-wise kinds."""
        return dict(zip(COUNTED, _counted(self), strict=True))


COUNTED = tuple(each.name for each in fields(Totals) if each.name != "elementwise")
_counted = attrgetter(*COUNTED)


@dataclass(frozen=True)
class Report:
    """The counts of a Graph at one batch size and dtype. `totals` are the main path's."""

    graph: Graph = field(repr=False)
    batch: int
    dtype: str
    layers: tuple[Layer, ...] = field(repr=False)
    totals: Totals
    totals_with_heads: Totals | None = None

    @property
    def times(self) -> int:
        """By what the facts of a node are multiplied for the whole batch: those of code are for all of it."""
        return self.batch if self.graph.code is None else 1

    def subtotal(self, span: Span) -> Totals:
        """The counts of a row or block; its peak memory is not a sum and stays 0."""
        return _totals(self.layers[span.start : span.stop], self.times, self.dtype, span.start, 0)

    def live_bytes(self) -> list[int]:
        """The bytes that are alive before the main path runs, and while each of its nodes does."""
        main = self.graph.without_heads()
        sizes = [layer.activation_bytes for layer in self.layers[: main.main]]
        return live_bytes(main, input_bytes(main, self.batch, self.dtype) + sizes, storages(main).alias_root)

    @cached_property
    def receptive_fields(self) -> ReceptiveFields:
        """The receptive fields of the graph, worked out once."""
        return ReceptiveFields(self.graph)

    def at_batch(self, batch: int) -> Report:
        """The same network at a multiple of the report's batch: all but parameters and depth is that many times as
        much. Raises UsageError, and SpecError where a count passes 10¹⁸."""
        if batch < 1:
            raise UsageError(f"a batch has at least one sample, here it is {batch}")
        if self.graph.code is not None:
            return self if batch == self.batch else analyse(self.graph, batch, self.dtype)
        times = batch // self.batch
        if times * self.batch != batch:
            raise ValueError(f"{batch} is no multiple of {self.batch}")
        if times == 1:
            return self
        totals = _checked(_times(self.totals, times), self.graph)
        with_heads = self.totals_with_heads and _checked(_times(self.totals_with_heads, times), self.graph)
        layers = tuple(
            [Layer(node, cost, params, macs * times, size * times) for node, cost, params, macs, size in self.layers]
        )
        return Report(self.graph, batch, self.dtype, layers, totals, with_heads)


def analyse(graph: Graph, batch: int = 1, dtype: str = "float32") -> Report:
    """Count `graph` at a batch size and dtype. Raises UsageError, and SpecError where a count passes 10¹⁸."""
    if batch < 1:
        raise UsageError(f"a batch has at least one sample, here it is {batch}")
    if dtype not in ITEMSIZE:
        raise UsageError(f"`{dtype}` is not a dtype archcalc counts in", did_you_mean(dtype, ITEMSIZE))
    graph = graph.at(batch, dtype)
    costs = _costs(graph)
    main = graph.without_heads()
    layers, totals = _count(main, costs[: main.main], batch, dtype)
    if main is graph:
        return Report(graph, batch, dtype, layers, totals)
    every, with_heads = _count(graph, costs, batch, dtype)
    return Report(graph, batch, dtype, layers + every[main.main :], totals, with_heads)


def _costs(graph: Graph) -> list[NodeCost]:
    memo: dict[tuple[int, tuple[Shape, ...]], NodeCost] = {}
    found = []
    nodes, inputs = graph.nodes, graph.inputs
    for node in nodes:
        shapes = tuple([nodes[value][2] if value >= 0 else inputs[-1 - value][1] for value in node[1]])
        key = id(node[0]), shapes  # alike ops are mostly one and the same, and to hash one takes longer
        cost = memo.get(key)
        if cost is None:
            try:
                cost = memo[key] = cost_of(node.op, shapes, node.shape)
            except OpError as error:
                raise node.where.error(error.message) from None
        found.append(cost)
    later: dict[int, NodeCost] = {}
    for index in _later_steps(graph):
        cost = found[index]
        if id(cost) not in later:
            later[id(cost)] = cost._replace(depth=0)
        found[index] = later[id(cost)]
    if graph.code is not None:  # a whole batch, whose axis shapes do not show
        made = graph.code.elements
        read = [sum(made[value] if value >= 0 else elements(graph.shape(value)) for value in x.inputs) for x in nodes]
        found = [cost._replace(numel=n, read=m) for cost, n, m in zip(found, made, read, strict=True)]
    return found


def _later_steps(graph: Graph) -> Iterator[int]:
    """The nodes of `steps:` behind the first: layers that work once more."""
    first: dict[tuple[int, str], int] = {}
    for number, span in enumerate(graph.spans):
        if span.text == "step" and span.where.value == "steps":
            one = id(span.where), span.path.rpartition("/")[0]
            if first.setdefault(one, number) != number:
                yield from range(span.start, span.stop)


def node_cost(op: Op, x: tuple[Shape, ...], y: Shape) -> NodeCost:
    """The costs of `op` from input shapes `x` to output shape `y`, of many for all items: what is counted or timed of
    a node rests on this. Raises OpError above 10¹⁸."""
    params = op.params(*x)
    own = {"weight": 0, "bias": 0, "norm": 0, "stat": 0}
    for param in params:
        own[param.kind] += numel(param.shape)
    turns = op.turns(*x)
    macs = op.macs(*x, y) * turns
    if max(macs, *own.values()) > LIMIT:
        raise OpError(f"`{op.word}` has more than 10¹⁸ parameters or MACs here")
    counts = (own["weight"], own["bias"], own["norm"], own["stat"])
    kinds = op.elementwise(*x, y)
    if turns > 1:
        kinds = {kind: count * turns for kind, count in kinds.items()}
    idle = op.idle(sum(counts[:3]), *x)
    depth = op.weight_layers
    chain = op.chain(*x) or depth or int(macs > 0 or op.gated)
    return NodeCost(params, *counts, macs, kinds, elements(y), sum(map(elements, x)), idle, depth, chain)


cost_of = lru_cache(maxsize=8192)(node_cost)  # the networks of a family have most of their layers in common


def _count(graph: Graph, costs: list[NodeCost], batch: int, dtype: str) -> tuple[tuple[Layer, ...], Totals]:
    code = graph.code
    unit = batch * ITEMSIZE[dtype]
    root = storages(graph).alias_root
    if code is None:
        sizes = [cost.numel * unit if root[i] == i else 0 for i, cost in enumerate(costs)]
    else:
        batch, sizes = 1, [*code.allocated]  # its facts are for the whole batch
    new = tuple.__new__  # as Layer does, in half the time
    own = [c[1] + c[2] + c[3] if node[6] is None else 0 for node, c in zip(graph.nodes, costs, strict=True)]
    each = zip(graph.nodes, costs, own, sizes, strict=True)  # of a cost: weights, biases and norms; MACs
    layers = tuple([new(Layer, (node, c, params, c[5] * batch, size)) for node, c, params, size in each])
    peak, _ = peak_memory(graph, input_bytes(graph, batch, dtype) + sizes, root)
    totals = _totals(layers, batch, dtype, 0, peak)
    return layers, _checked(totals if code is None else _with_unused(totals, code), graph)


def _with_unused(totals: Totals, code: Code) -> Totals:
    """The sums with the parameters that nothing reads, and the bytes of all, each in its own dtype."""
    more = {"weight": 0, "bias": 0, "norm": 0}
    for param in code.unused:
        more[param.kind] += numel(param.shape)
    return replace(
        totals,
        params=totals.params + sum(more.values()),
        active_params=totals.active_params + sum(more.values()),
        weights=totals.weights + more["weight"],
        biases=totals.biases + more["bias"],
        norm_params=totals.norm_params + more["norm"],
        param_bytes=code.param_bytes,
    )


def _checked(totals: Totals, graph: Graph) -> Totals:
    for name, value in totals.counts().items():
        if value > LIMIT:
            raise graph.nodes[0].where.error(f"`{name}` of this network is above 10¹⁸")
    return totals


def _times(totals: Totals, times: int) -> Totals:
    """The totals of so many times as large a batch."""
    return replace(
        totals,
        macs=totals.macs * times,
        flops=totals.flops * times,
        activation_bytes=totals.activation_bytes * times,
        peak_memory_bytes=totals.peak_memory_bytes * times,
        elementwise={kind: count * times for kind, count in totals.elementwise.items()},
    )


def _totals(layers: tuple[Layer, ...], batch: int, dtype: str, start: int, peak: int) -> Totals:
    idle = weights = biases = norm_params = norm_stats = 0
    elementwise: dict[str, int] = {}
    every = [layer.cost for layer in layers]
    alike = {id(cost): cost for cost in every}  # mostly few
    shared = Counter([id(layer.cost) for layer in layers if layer.node.shares is not None])
    for one, times in Counter(map(id, every)).items():
        _, weight, bias, norm, stats, _, kinds, _, _, unused, _, _ = alike[one]
        for kind, count in kinds.items():
            elementwise[kind] = elementwise.get(kind, 0) + count * batch * times
        times -= shared.get(one, 0)  # their parameters are counted once, where they belong
        weights += weight * times
        biases += bias * times
        norm_params += norm * times
        norm_stats += stats * times
        idle += unused * times
    params = weights + biases + norm_params
    macs, activation_bytes = sum([layer.macs for layer in layers]), sum([layer.activation_bytes for layer in layers])
    depth = weight_layers(layers, start)
    counts = (params, params - idle, weights, biases, norm_params, norm_stats, macs, 2 * macs, params * ITEMSIZE[dtype])
    return Totals(*counts, activation_bytes, peak, depth, elementwise)


def weight_layers(layers: Sequence[Layer], start: int = 0) -> int:
    """The largest number of convolutions and fully connected layers on any path through `layers`, a slice of a graph
    from node `start` on; what comes from before it is an input."""
    return longest_path(layers, start, attrgetter("cost.depth"))


def longest_path(layers: Sequence[Layer], start: int, length: Callable[[Layer], int]) -> int:
    """The largest sum of `length` on any path through `layers`, a slice of a graph from node `start` on."""
    longest: list[int] = []
    for layer in layers:
        before = 0
        for value in layer[0][1]:  # the inputs of its node
            if value >= start and longest[value - start] > before:
                before = longest[value - start]
        longest.append(before + length(layer))
    return max(longest, default=0)
