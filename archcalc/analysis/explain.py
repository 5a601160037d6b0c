"""The arithmetic of a network's nodes, written out, the sums over its parts, and what is held when memory peaks.

Nothing is counted here a second time: the arithmetic is written out by the rules that count (`arithmetic`), and what
`analyse` settled about storage and lifetimes is put in words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..graph import Node, Span
from ..ops import Shape
from ..ops.base import WHOLE, ReceptiveWindow
from ..ops.shapes import many, numel, positions
from ..records import NamedTuple
from ..units import ITEMSIZE
from .arithmetic import Arithmetic, Count, arithmetic, axes_of, fan_in, terms
from .counts import Layer, Report, Totals
from .memory import Storages, input_bytes, last_use, live_until, peak_memory, storages
from .paths import read
from .receptive import Field, TokenFields

FEW = 8  # addends that are worth a line each

# --- a node -------------------------------------------------------------------------------------------------------


class Value(NamedTuple):
    """A value that a node reads: what made it, and its shape."""

    name: str
    shape: Shape


class FieldFacts(NamedTuple):
    """The receptive field of a node along an axis, with the arithmetic of its widest path: size, stride and offset,
    each what it is and how it comes about. `because` says what makes it unbounded."""

    axis: str
    field: Field
    size: str
    stride: str
    offset: str
    because: str


class Weighing(NamedTuple):
    """The weights of a convolution or fully connected layer: how many products each output sums, He's standard
    deviation √(2 / fan-in) (He et al., arXiv:1502.01852, eq. 10), and as which matrix the layer multiplies its input
    laid out as a vector: rows, columns, and how many of its elements are weights, the others being zero."""

    fan_in: Count
    deviation: float
    matrix: tuple[int, int]
    nonzero: int


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node in its network: `because` says why its output is new memory, a view or in place, `until` who reads what
    stands there last. `shares` is the node whose parameters it works with, where they are counted there; `users` are
    those that work with this one's."""

    node: Node
    index: int
    of: int
    row: Span | None
    inputs: tuple[Value, ...]
    counts: Arithmetic = field(repr=False)
    activation: Count
    storage: str
    because: str
    until: str
    shares: str
    users: tuple[str, ...]
    fields: tuple[FieldFacts, ...] = ()
    weighing: Weighing | None = None


class Explained:
    """A report with what is needed to explain it, worked out once."""

    def __init__(self, report: Report) -> None:
        self.report, self.graph = report, report.graph
        self.last = last_use(self.graph)
        self.storage = storages(self.graph)
        main = self.graph.without_heads()
        if main is not self.graph:  # what hangs on the main path changes nothing of its counts
            end, own = main.main, storages(main)
            held = [len(self.last) if last == end else last for last in last_use(main)]
            self.last = held + self.last[end:]
            self.storage = Storages(
                own.alias_root + self.storage.alias_root[end:], own.in_place + self.storage.in_place[end:]
            )
        self.rows = self.graph.rows
        self.fields = self.report.receptive_fields
        self.until = live_until(self.storage.alias_root, self.last)

    def called(self, value: int) -> str:
        """The name of a value: the path of its node, or the network's input."""
        if value >= 0:
            return self.graph.nodes[value].path if value < len(self.graph.nodes) else "the end"
        name = self.graph.inputs[-1 - value][0]
        return "the input" if len(self.graph.inputs) == 1 else f"the input `{name}`"

    def node(self, index: int) -> NodeFacts:
        """Explain a node."""
        node = self.graph.nodes[index]
        row = next((span for span in self.rows if span.start <= index < span.stop), None)
        inputs = tuple(Value(self.called(value), self.graph.shape(value)) for value in node.inputs)
        storage = (*self._storage(index), self._until(index))
        shares = self.called(node.shares) if node.shares is not None else ""
        users = tuple(user.path for user in self.graph.nodes if user.shares == index)
        counts, fields, of = self.counts(index), tuple(self._fields(index)), len(self.graph.nodes)
        return NodeFacts(
            node, index, of, row, inputs, counts, self.activation(index), *storage, shares, users, fields,
            self._weighing(node),
        )  # fmt: skip

    def _weighing(self, node: Node) -> Weighing | None:
        """The weights of a convolution or fully connected layer; of an item, where there are many."""
        if len(node.inputs) != 1:
            return None
        x, y = many(self.graph.shape(node.inputs[0]), ()), many(node.shape, ())
        summed = fan_in(node.op, (x,))
        if not summed.value:
            return None
        nonzero = numel(y) * summed.value
        for window, size, places in zip(node.op.receptive_window(x)[0] or (), positions(x), positions(y), strict=False):
            taps = len(window.taps) * places
            nonzero = nonzero * sum(len(read(window, place, size)) for place in range(places)) // taps
        return Weighing(summed, (2 / summed.value) ** 0.5, (numel(y), numel(x)), nonzero)

    def counts(self, index: int) -> Arithmetic:
        """The arithmetic of a node; parameters that it shares are counted at another."""
        node = self.graph.nodes[index]
        counts = arithmetic(node.op, tuple(map(self.graph.shape, node.inputs)), node.shape)
        return counts if node.shares is None else replace(counts, params=(), total=Count("params", 0))

    def _fields(self, index: int) -> Iterator[FieldFacts]:
        """The arithmetic of a node's receptive field, an axis each."""
        node, fields = self.graph.nodes[index], self.fields[index]
        reaches = node.op.receptive_window(*[self.graph.shape(value) for value in node.inputs])
        read = list(zip(node.inputs, reaches, strict=False))
        axes = axes_of(self.graph.inputs[0][1])
        for at, (axis, seen) in enumerate(zip(axes[:1] if "T" in axes else axes[1:], fields, strict=False)):
            if seen.most is None:
                yield FieldFacts(axis, seen, "", "", "", self._unbounded(index, at))
                continue
            each = [(self.fields[value], reach) for value, reach in read if reach]
            if not read or any(isinstance(found, TokenFields) or len(found) != len(reach) for found, reach in each):
                yield FieldFacts(axis, seen, "", "", "", "")  # of places, not of windows: a token that is taken
                continue
            behind = [
                (self.fields[value][at], (reach or (ReceptiveWindow(),) * 9)[at])
                for value, reach in read
                if self.fields[value]
            ]
            widest, (step, first, last, *_) = max(behind, key=lambda pair: pair[0].most or 0)
            whole = all(isinstance(n, int) for n in (*widest[:4], step, first, last))
            if (
                not whole
                or seen.phases
                or widest.phases
                or widest.first is None
                or widest.most is None
                or len(behind) > 1
            ):
                yield FieldFacts(axis, seen, "", "", "", "")
                continue
            size = f"{widest.most} + ({last - first + 1} − 1)·{widest.stride}" if last != first else ""
            moved = f" {'−' if first < 0 else '+'} {abs(first)}·{widest.stride}"
            offset = f"{widest.first}{moved}".replace("-", "−") if first else ""
            yield FieldFacts(axis, seen, size, f"{widest.stride}·{step}" if step != 1 else "", offset, "")

    def _unbounded(self, index: int, axis: int) -> str:
        """The op that first reads all of a map, on the way back from a node."""
        while True:
            node = self.graph.nodes[index]
            before = [value for value in node.inputs if value >= 0 and self.fields[value]]
            before = [value for value in before if self.fields[value][axis].most is None]
            if not before:
                whole = WHOLE in node.op.receptive_window(*[self.graph.shape(value) for value in node.inputs])
                return f"{node.path} {'reads the whole map' if whole else 'joins paths of different strides'}"
            index = before[0]

    def activation(self, index: int) -> Count:
        """The bytes that a node newly allocates, and how many elements of which size they are."""
        layer = self.report.layers[index]
        if not layer.activation_bytes:
            return Count("activation", 0)
        many, unit = terms((layer.node.items, ITEMSIZE[self.report.dtype]))
        size: Any = many * numel(terms(layer.node.shape)) * unit
        size = size * terms((self.report.times,))[0]
        return Count("activation", int(size), size.text)

    def _storage(self, index: int) -> tuple[str, str]:
        """The storage of the output, and why it is so."""
        node, root = self.graph.nodes[index], self.storage.alias_root
        if node.op.storage == "new":
            return "new", "new memory"
        if node.op.storage == "own":
            return "own", "what the op itself has, once for all samples"
        source = self.called(node.inputs[0])
        if node.op.storage == "view":
            return "view", f"a view of {source}: nothing is copied"
        if self.storage.in_place[index]:
            return "inplace", f"in place: overwrites {source}, which nothing reads later"
        behind = root[node.inputs[0]] if node.inputs[0] >= 0 else node.inputs[0]
        if behind < 0:
            return "new", "new memory: the network's input is never overwritten"
        sharing = [at for at in range(index) if root[at] == behind]
        reader = max(self.last[at] for at in sharing)
        if reader >= len(self.graph.nodes):
            return "new", f"new memory: {source} is an output of the network"
        return "new", f"new memory: {self.called(reader)} reads {source} later"

    def _until(self, index: int) -> str:
        root = self.storage.alias_root[index]
        if root < 0:
            inputs = len(self.graph.inputs)
            return "the network's input is held to the end" if root >= -inputs else "held with the network"
        until = self.until[root]
        if until >= len(self.graph.nodes):
            return "held to the end: an output of the network"
        return f"held until {self.called(until)} has run" if until > root else "read by nothing"

    # --- sums -----------------------------------------------------------------------------------------------------

    def parts(self, start: int, stop: int, depth: int, prefix: str) -> list[Part]:
        """The blocks and nodes from `start` to `stop` that stand directly inside what is `depth` deep."""
        spans = [span for span in self.graph.spans if span.depth == depth and start <= span.start < span.stop <= stop]
        if len(spans) == 1 and (spans[0].start, spans[0].stop) == (start, stop):
            return self.parts(start, stop, depth + 1, spans[0].path)  # a block that is all of it is no level of its own
        found: list[Part] = []
        at = start
        for span in spans:
            found += [self._single(index, prefix) for index in range(at, span.start)]
            found.append(Part(_tail(span.path, prefix), span.start, span.stop, self.report.subtotal(span)))
            at = span.stop
        return found + [self._single(index, prefix) for index in range(at, stop)]

    def _single(self, index: int, prefix: str) -> Part:
        layer = self.report.layers[index]
        return Part(_tail(layer.path, prefix), index, index + 1, layer)

    def sums(self, parts: Sequence[Part]) -> tuple[Sum, ...]:
        """Parameters, MACs and activation bytes of the parts, each as a sum."""
        found = []
        for name, key in (("params", "params"), ("MACs", "macs"), ("activation", "activation_bytes")):
            each = []
            for part in parts:
                by = [at for at in range(part.start, part.stop) if getattr(self.report.layers[at], key)]
                if by:
                    value = getattr(part.counts, key)
                    each.append(Addend(part.name, 1, value, by[0] if len(by) == 1 else None))
            added = _together(each, blocks=True)
            added = added if len(added) <= FEW else _together(each)
            found.append(Sum(name, sum(addend.value for addend in each), tuple(added)))
        return tuple(found)

    def spelled(self, found: Sum, addend: Addend) -> str:
        """The arithmetic of an addend that comes from one node; nothing where that says no more."""
        if addend.node is None or addend.times > 1:
            return ""
        if found.name == "activation":
            return self.activation(addend.node).text
        counts = self.counts(addend.node)
        return (counts.total if found.name == "params" else counts.macs).text


class Part(NamedTuple):
    """A block or node of a row: what it is called there, which nodes it is, and what these cost."""

    name: str
    start: int
    stop: int
    counts: Totals | Layer


class Addend(NamedTuple):
    """A number of a sum: of one part, or of several alike in a row; `node`: the one that it comes from, if one."""

    name: str
    times: int
    each: int
    node: int | None = None
    last: str = ""  # of several: the name of the last

    @property
    def value(self) -> int:
        return self.times * self.each

    @property
    def called(self) -> str:
        """`bottleneck.2–6`."""
        return self.name if self.times == 1 else f"{self.name}–{self.last.rpartition('.')[2]}"

    @property
    def text(self) -> str:
        """`5·1,117,184`."""
        return f"{self.each:,}" if self.times == 1 else f"{self.times}·{self.each:,}"


class Sum(NamedTuple):
    name: str
    value: int
    added: tuple[Addend, ...]

    @property
    def text(self) -> str:
        """`4,096 + 128 + 5·70,400`."""
        return " + ".join(addend.text for addend in self.added)


def _together(each: Iterable[Addend], blocks: bool = False) -> list[Addend]:
    """Count those together that are alike and numbered one after the other; `blocks`: single nodes stay apart."""
    found: list[Addend] = []
    for new in each:
        base, _, number = new.name.rpartition(".")
        if found and number.isdecimal() and len(number) < 10 and not (blocks and new.node is not None):
            last = found[-1]
            before, _, at = (last.last or last.name).rpartition(".")
            if (
                before == base
                and last.each == new.each
                and at.isdecimal()
                and len(at) < 10
                and int(at) + 1 == int(number)
            ):
                found[-1] = Addend(last.name, last.times + 1, last.each, None, new.name)
                continue
        found.append(new)
    return found


def _tail(path: str, prefix: str) -> str:
    return path[len(prefix) + 1 :] if prefix and path.startswith(f"{prefix}/") else path


# --- a network ----------------------------------------------------------------------------------------------------


class Alive(NamedTuple):
    """A tensor that is held: whose it is, its shape, and its bytes."""

    name: str
    shape: Shape
    bytes: int


def depth_by_row(report: Report) -> list[Addend]:
    """The weight layers of each row on the longest path from input to output."""
    graph = report.graph
    depths = [layer.cost.depth for layer in report.layers[: len(graph.nodes)]]
    longest: list[int] = []
    via: list[int] = []
    for node, depth in zip(graph.nodes, depths, strict=True):
        source = max(node.inputs, key=lambda value: longest[value] if value >= 0 else 0, default=-1)
        via.append(source)
        longest.append((longest[source] if source >= 0 else 0) + depth)
    at = max(range(len(longest)), key=longest.__getitem__, default=-1)
    counts: dict[int, int] = {}
    rows = [span for span in graph.rows if span.start < span.stop]
    stops = [span.stop for span in rows]
    while at >= 0:
        layers = depths[at]
        if layers:
            row = bisect_right(stops, at)
            counts[row] = counts.get(row, 0) + layers
        at = via[at]
    return _together(Addend(rows[number].name, 1, counts[number]) for number in sorted(counts))


def peak(network: Explained) -> tuple[int, list[Alive]]:
    """The node at which most bytes are held (−1: before any runs), and the tensors that are held then."""
    report, graph = network.report, network.graph
    given = input_bytes(graph, report.batch, report.dtype)
    inputs = [
        Alive(network.called(-1 - n), shape, size)
        for n, ((_, shape), size) in enumerate(zip(graph.inputs, given, strict=True))
    ]
    sizes = [layer.activation_bytes for layer in report.layers[: len(graph.nodes)]]
    _, at = peak_memory(graph, given + sizes, network.storage.alias_root)
    if graph.code is not None:  # what the code holds, read or not
        held = [memory for memory in graph.code.memory if memory.born <= at <= memory.held]
        return at, inputs + [Alive(graph.nodes[x.born].path, graph.nodes[x.born].shape, x.bytes) for x in held]
    return at, inputs + [
        Alive(node.path, node.shape, size)
        for root, (node, size) in enumerate(zip(graph.nodes, sizes, strict=True))
        if size and root <= at <= network.until[root]
    ]
