"""Counts of a Graph: a fold over its nodes. What each quantity means is said in `docs/counting.md`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

from ..errors import UsageError, did_you_mean
from ..graph import Graph, Node, Span
from ..ops import Op, OpError, Param, Shape
from ..ops.base import LIMIT, numel
from ..ops.layout import Embedding
from ..ops.pointwise import Dropout
from ..units import ITEMSIZE
from .receptive import ReceptiveFields, receptive_fields

ID_BYTES = 8  # ids for a look-up are 64-bit integers, whatever the dtype


class Facts(NamedTuple):
    """What a node costs for one sample. Of a node that works with another's parameters these are not its own."""

    params: tuple[Param, ...]
    weights: int
    biases: int
    norm_params: int
    norm_stats: int
    macs: int
    elementwise: dict[str, int]
    numel: int
    read: int  # elements of its inputs


NO_PARAMS: dict[str, Any] = {"params": (), "weights": 0, "biases": 0, "norm_params": 0, "norm_stats": 0}


class Layer(NamedTuple):
    """A node and its counts: parameters for the network, the rest for the whole batch.

    A node that works with another's parameters (`node.shares`) has none: they are counted there.
    """

    node: Node
    facts: Facts
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
    def weights(self) -> int:
        return self.facts.weights

    @property
    def biases(self) -> int:
        return self.facts.biases

    @property
    def norm_params(self) -> int:
        return self.facts.norm_params

    @property
    def norm_stats(self) -> int:
        return self.facts.norm_stats

    @property
    def flops(self) -> int:
        return 2 * self.macs


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over nodes; `flops` = 2 × `macs`. Bytes, MACs and FLOPs are for the whole batch."""

    params: int
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
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "elementwise"}


@dataclass(frozen=True)
class Report:
    """The counts of a Graph at one batch size and dtype. `totals` are the main path's."""

    graph: Graph = field(repr=False)
    batch: int
    dtype: str
    layers: tuple[Layer, ...] = field(repr=False)
    totals: Totals
    totals_with_heads: Totals | None = None

    def subtotal(self, span: Span) -> Totals:
        """The counts of a row or block; its peak memory is not a sum and stays 0."""
        return _totals(self.layers[span.start : span.stop], self.batch, self.dtype, span.start, 0)

    @cached_property
    def receptive_fields(self) -> ReceptiveFields:
        """The receptive fields of the graph, worked out once."""
        return receptive_fields(self.graph)

    def at_batch(self, batch: int) -> Report:
        """The same network at a multiple of the report's batch: all but parameters and depth is that many times as
        much. Raises UsageError, and SpecError where a count passes 10¹⁸."""
        if batch < 1:
            raise UsageError(f"a batch has at least one sample, here it is {batch}")
        times = batch // self.batch
        if times * self.batch != batch:
            raise ValueError(f"{batch} is no multiple of {self.batch}")
        if times == 1:
            return self
        totals = _checked(_times(self.totals, times), self.graph)
        with_heads = self.totals_with_heads and _checked(_times(self.totals_with_heads, times), self.graph)
        layers = tuple(
            [Layer(node, facts, params, macs * times, size * times) for node, facts, params, macs, size in self.layers]
        )
        return Report(self.graph, batch, self.dtype, layers, totals, with_heads)


class Storages(NamedTuple):
    """Where outputs stand. `root[i]` is the node that allocated what node i's output stands in (−1, … an input);
    `in_place[i]`: node i overwrites its input."""

    root: list[int]
    in_place: list[bool]


def last_uses(graph: Graph) -> list[int]:
    """For every node the last node that reads its output; `len(nodes)` where it is an output of the network."""
    last = list(range(len(graph.nodes)))
    for index, node in enumerate(graph.nodes):
        for value in node.inputs:
            if value >= 0:
                last[value] = index
    for value in (*graph.outputs, *(value for _, value in graph.head_outputs)):
        if value >= 0:
            last[value] = len(graph.nodes)
    return last


def storages(graph: Graph, training: bool = False) -> Storages:
    """Settle which outputs are views of their input, which overwrite it, and which are new memory.

    An activation or an evaluation-time dropout works in place exactly when no later node reads its input or anything
    that shares its storage; never on the network's input; in training neither where it keeps its input for the backward
    pass itself, nor where the producer keeps its output, nor where an earlier reader may have kept it as its input.
    """
    last = last_uses(graph)
    root: list[int] = []
    in_place: list[bool] = []
    needed = list(last)  # by root: the last node that reads anything standing in it, so far
    kept: set[int] = set()  # roots that a node has read, other than to view or to overwrite them
    keeping: list[bool] = []  # whether the producer keeps the output, itself or through views
    for index, node in enumerate(graph.nodes):
        own, overwrites = index, False
        storage = node.op.storage
        if storage != "new":
            source = node.inputs[0]
            behind = root[source] if source >= 0 else source
            if storage == "view":
                own = behind
            elif (behind >= 0 and needed[behind] <= index) and not (
                training and (_keeps_input(node.op) or behind in kept or keeping[source])
            ):
                own, overwrites = behind, True
            if own >= 0 and own != index:
                needed[own] = max(needed[own], last[index])
        root.append(own)
        in_place.append(overwrites)
        if not training:
            continue
        keeps = node.op.keeps
        viewed = storage == "view" and node.inputs[0] >= 0 and keeping[node.inputs[0]]
        keeping.append(viewed or keeps in ("output", "both") or (keeps == "either" and overwrites))
        if not overwrites and storage != "view":
            kept.update(root[value] for value in node.inputs if value >= 0)
    return Storages(root, in_place)


def held_until(root: Sequence[int], last: Sequence[int]) -> dict[int, int]:
    """By what allocated it, node or input, the last node that reads anything standing in a storage."""
    until: dict[int, int] = {}
    for own, end in zip(root, last, strict=True):
        if end > until.get(own, -1):
            until[own] = end
    return until


def _keeps_input(op: Op) -> bool:
    """Whether an op that could work in place must not, for the sake of its own backward pass: torch would copy."""
    return op.keeps in ("inputs", "both") or isinstance(op, Dropout)


def peak_memory(graph: Graph, sizes: list[int], root: list[int]) -> tuple[int, int]:
    """The largest sum of live tensors and the node at which it is reached (−1: nothing runs)."""
    start, *live = live_bytes(graph, sizes, root)
    peak = max([start, *live])
    return peak, live.index(peak) if peak > start else -1


def live_bytes(graph: Graph, sizes: list[int], root: list[int]) -> list[int]:
    """The sum of live tensors before anything runs, and while each node runs.

    `sizes` are the bytes of each node's own storage (0 where it allocates none), inputs in front. Every tensor is
    freed after its last use; the network's inputs are held to the end.
    """
    offset = len(graph.inputs)
    freed = [0] * (len(graph.nodes) + 1)
    for own, end in held_until(root, last_uses(graph)).items():
        if own >= 0:
            freed[end] += sizes[offset + own]
    live = sum(sizes[:offset])
    found = [live]
    for size, gone in zip(sizes[offset:], freed, strict=False):
        live += size
        found.append(live)
        live -= gone
    return found


def live_of(report: Report) -> list[int]:
    """The bytes that are alive before the main path runs, and while each of its nodes does."""
    main = report.graph.without_heads()
    sizes = [layer.activation_bytes for layer in report.layers[: main.main]]
    return live_bytes(main, input_bytes(main, report.batch, report.dtype) + sizes, storages(main).root)


def looked_up(graph: Graph) -> dict[int, int]:
    """The inputs (−1, −2, …) that are ids for a look-up, and below which number the ids are."""
    words: dict[int, int] = {}
    for node in graph.nodes:
        if isinstance(node.op, Embedding) and node.inputs[0] < 0:
            words[node.inputs[0]] = min(node.op.words, words.get(node.inputs[0], node.op.words))
    return words


def input_bytes(graph: Graph, batch: int, dtype: str) -> list[int]:
    """The bytes of each input of the network."""
    ids = looked_up(graph)
    sizes = (ID_BYTES if -1 - n in ids else ITEMSIZE[dtype] for n in range(len(graph.inputs)))
    return [numel(shape) * batch * size for (_, shape), size in zip(graph.inputs, sizes, strict=True)]


def analyse(graph: Graph, batch: int = 1, dtype: str = "float32") -> Report:
    """Count `graph` at a batch size and dtype. Raises UsageError, and SpecError where a count passes 10¹⁸."""
    if batch < 1:
        raise UsageError(f"a batch has at least one sample, here it is {batch}")
    if dtype not in ITEMSIZE:
        raise UsageError(f"`{dtype}` is not a dtype archcalc counts in", did_you_mean(dtype, ITEMSIZE))
    facts = _facts(graph)
    main = graph.without_heads()
    layers, totals = _count(main, facts[: main.main], batch, dtype)
    if main is graph:
        return Report(graph, batch, dtype, layers, totals)
    every, with_heads = _count(graph, facts, batch, dtype)
    return Report(graph, batch, dtype, layers + every[main.main :], totals, with_heads)


def _facts(graph: Graph) -> list[Facts]:
    memo: dict[tuple[int, tuple[Shape, ...]], Facts] = {}
    found = []
    nodes, inputs = graph.nodes, graph.inputs
    for node in nodes:
        shapes = tuple([nodes[value].shape if value >= 0 else inputs[-1 - value][1] for value in node.inputs])
        key = id(node.op), shapes  # alike ops are mostly one and the same, and to hash one takes longer
        facts = memo.get(key)
        if facts is None:
            try:
                facts = memo[key] = facts_of(node.op, shapes, node.shape)
            except OpError as error:
                raise node.where.error(error.message) from None
        found.append(facts if node.shares is None else facts._replace(**NO_PARAMS))
    return found


def facts_of(op: Op, x: tuple[Shape, ...], y: Shape) -> Facts:
    """What `op` costs from input shapes `x` to output shape `y`. Raises OpError above 10¹⁸."""
    params = op.params(*x)
    kinds = {"weight": 0, "bias": 0, "norm": 0, "stat": 0}
    for param in params:
        kinds[param.kind] += numel(param.shape)
    macs = op.macs(*x, y)
    if max(macs, *kinds.values()) > LIMIT:
        raise OpError(f"`{op.word}` has more than 10¹⁸ parameters or MACs here")
    counts = (kinds["weight"], kinds["bias"], kinds["norm"], kinds["stat"])
    return Facts(params, *counts, macs, op.elementwise(*x, y), numel(y), sum(map(numel, x)))


def _count(graph: Graph, facts: list[Facts], batch: int, dtype: str) -> tuple[tuple[Layer, ...], Totals]:
    unit = batch * ITEMSIZE[dtype]
    root = storages(graph).root
    sizes = [f.numel * unit if root[i] == i else 0 for i, f in enumerate(facts)]
    layers = tuple(
        Layer(node, f, f.weights + f.biases + f.norm_params, f.macs * batch, size)
        for node, f, size in zip(graph.nodes, facts, sizes, strict=True)
    )
    peak, _ = peak_memory(graph, input_bytes(graph, batch, dtype) + sizes, root)
    return layers, _checked(_totals(layers, batch, dtype, 0, peak), graph)


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
    params = weights = biases = norm_params = norm_stats = macs = activation_bytes = 0
    elementwise: dict[str, int] = {}
    for layer in layers:
        facts = layer.facts
        params += layer.params
        weights += facts.weights
        biases += facts.biases
        norm_params += facts.norm_params
        norm_stats += facts.norm_stats
        macs += layer.macs
        activation_bytes += layer.activation_bytes
        for kind, count in facts.elementwise.items():
            elementwise[kind] = elementwise.get(kind, 0) + count * batch
    return Totals(
        params,
        weights,
        biases,
        norm_params,
        norm_stats,
        macs,
        2 * macs,
        params * ITEMSIZE[dtype],
        activation_bytes,
        peak,
        weight_layers([layer.node for layer in layers], start),
        elementwise,
    )


def weight_layers(nodes: Sequence[Node], start: int = 0) -> int:
    """The largest number of convolutions and fully connected layers on any path through `nodes`, a slice of a graph
    from node `start` on; what comes from before it is an input."""
    return longest_path(nodes, start, lambda op: op.weight_layers)


def longest_path(nodes: Sequence[Node], start: int, length: Callable[[Op], int]) -> int:
    """The largest sum of `length` on any path through `nodes`, a slice of a graph from node `start` on."""
    longest: list[int] = []
    for node in nodes:
        before = 0
        for value in node.inputs:
            if value >= start and longest[value - start] > before:
                before = longest[value - start]
        longest.append(before + length(node.op))
    return max(longest, default=0)
