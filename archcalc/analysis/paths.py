"""How far signals travel: which places an op reads, and over how many products one place reaches another (Vaswani et
al., arXiv:1706.03762, Table 1). What the quantities mean is said in `docs/counting.md`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, prod
from operator import attrgetter

from ..graph import Node
from ..ops import Op, Shape, Tokens
from ..ops.base import ReceptiveWindow, ReceptiveWindows
from ..ops.shapes import Many, positions
from ..records import NamedTuple
from .counts import Report, longest_path

MOST_WORK = 100_000_000  # distances that are compared: some seconds

Row = list[float]  # how far each place that is asked about is from one place
Rows = list[Row]


def read(window: ReceptiveWindow, place: int, size: int) -> range:
    """The places of an axis of `size` that an output at a place reads along it; those of the padding left out."""
    turn, phase = divmod(place, window.phases)
    if window.reads is not None:
        taps, moved = window.reads(phase), int(window.step * window.phases) * turn
    else:
        taps, moved = window.taps, int(window.step * place)
    first, step = taps.start + moved, taps.step
    if first < 0:
        first += -(first // step) * step
    return range(first, min(taps.stop + moved, size), step)


def sequential(report: Report, start: int, stop: int) -> int:
    """The largest number of products, of matrices or of values element by element, on a path through the nodes from
    `start` to `stop`."""
    return longest_path(report.layers[start:stop], start, attrgetter("cost.chain"))


def connections(report: Report, start: int, stop: int) -> int:
    """How many earlier values the weight layers from `start` to `stop` read, each: what a concatenation lays side by
    side counts one by one."""
    layers, sources = report.layers[start:stop], list[frozenset[int]]()
    found = 0
    for index, layer in enumerate(layers, start):
        node = layer.node
        behind = [sources[value - start] if value >= start else frozenset({value}) for value in node.read]
        seen = frozenset[int]().union(*behind)
        if layer.cost.depth:
            found += len(seen)
        own = layer.cost.macs or (node.op.family == "merge" and not node.op.free and len(seen) > 1)
        sources.append(frozenset({index}) if own else seen)
    return found


def path_length(report: Report, start: int, stop: int, outputs: Iterable[int]) -> int | None:
    """Over how many products, of matrices or of values element by element, a place that `outputs` see reaches them on
    the shortest path, of all pairs of which the one reaches the other the most; along the first axis. None where places
    cannot be told: of many items, or where a value is laid out anew; and where there are too many."""
    walk = _Walk(report, start, stop)
    try:
        far = [distance for output in outputs for row in walk.of(output) for distance in row if distance < inf]
    except LookupError:
        return None
    return int(max(far, default=0))


class Expected(NamedTuple):
    """What runs in training on average where branches are left out: how many of how many, weight layers on the longest
    path, and MACs of the forward pass for the whole batch."""

    branches: float
    of: int
    weight_layers: float
    macs: float


def expected(report: Report) -> Expected | None:
    """The mean over which branches are left out, each by itself; None of a network that leaves out none."""
    graph = report.graph.without_heads()
    shares = [node.op.survives for node in graph.nodes]
    ends = [share for share in shares if share < 1]
    if not ends:
        return None
    there = [0.0] * len(shares)  # of how many samples each node runs
    for value in graph.outputs:
        there[value] = 1.0
    for index in range(len(shares) - 1, -1, -1):
        runs = there[index] * shares[index]
        for value in graph.nodes[index].inputs:
            if value >= 0 and there[value] < runs:
                there[value] = runs
    longest: list[float] = []
    found: list[tuple[float, float]] = []  # the branches that may be left out: their lengths and shares
    for node, layer in zip(graph.nodes, report.layers, strict=False):
        sure = 0.0
        for value in node.inputs:
            if value >= 0 and shares[value] < 1:
                found.append((longest[value], shares[value]))
            elif value >= 0 and longest[value] > sure:
                sure = longest[value]
        if found:
            for length, share in sorted(found):
                sure = share * max(length, sure) + (1 - share) * sure
            found.clear()
        longest.append(sure + layer.cost.depth)
    macs = sum(share * layer.macs for share, layer in zip(there, report.layers, strict=False))
    return Expected(sum(ends), len(ends), max(longest), macs)


class _Walk:
    """The distances of all places of all values from the places of what comes from before `start`."""

    def __init__(self, report: Report, start: int, stop: int) -> None:
        self.graph, self.start, self.left = report.graph, start, MOST_WORK
        self.given: dict[
            int, tuple[int, int]
        ] = {}  # by value from before `start`: where its places begin, and how many
        self.places = 0
        for layer in report.layers[start:stop]:
            for value in layer.node.read:
                if value < start and value not in self.given:
                    shape = self.graph.shape(value)
                    count = shape[0] if layer.node.op.ids else _places(shape)  # ids are places, elements are none
                    self.given[value] = self.places, count
                    self.places += count
        self.found: list[Rows | None] = []
        for layer in report.layers[start:stop]:
            self.found.append(self._node(layer.node, layer.cost.chain))

    def of(self, value: int) -> Rows:
        """The distances to each place of a value. Raises LookupError where they cannot be told."""
        if value >= self.start:
            rows = self.found[value - self.start]
            if rows is None:
                raise LookupError
            return rows
        at, count = self.given[value]
        nowhere = [inf] * self.places
        return [[*nowhere[: at + n], 0, *nowhere[at + n + 1 :]] for n in range(count)]

    def _node(self, node: Node, chain: int) -> Rows | None:
        if not node.read:
            return [[inf] * self.places] * _places(node.shape)
        shapes = [self.graph.shape(value) for value in node.inputs]
        if node.op.regroups or isinstance(node.shape, Many):
            return None
        try:
            before = [self.of(value) for value in node.read]
            if node.op.family == "recurrent":
                return self._recurrent(node.op.equals or node.op, before, _places(node.shape))
            reached = node.op.receptive_window(*shapes)
            seen = []
            for n, (rows, x, reach) in enumerate(zip(before, shapes, reached, strict=False)):
                values = node.op.family == "attention" and (n > 0 or len(before) == 1)  # past the product of scores
                seen.append(self._through(rows, x, reach, node.shape, chain - values))
            if _stacked(node, shapes):
                return [rows[0] for rows in seen]
            return [self._nearest(rows) for rows in zip(*seen, strict=True)]
        except LookupError:
            return None

    def _through(self, rows: Rows, x: Shape, reach: ReceptiveWindows, y: Shape, chain: int) -> Rows:
        """The distances behind an op that reads a value of these. Raises LookupError."""
        count = _places(y)
        if reach is None:
            found = [self._nearest(rows)] * count
        elif not reach:
            found = self._point(rows, x, y)
        else:
            window = reach[0]
            if window == ReceptiveWindow() and len(rows) == count:
                found = rows
            else:
                found = [self._nearest([rows[at] for at in read(window, place, len(rows))]) for place in range(count)]
        return self._further(found, chain)

    def _point(self, rows: Rows, x: Shape, y: Shape) -> Rows:
        """Where each place reads its own, or all one; a map laid out as tokens row by row, and the reverse."""
        count, of, to = _places(y), positions(x), positions(y)
        if isinstance(x, Tokens) != isinstance(y, Tokens) and of and to and prod(of) == prod(to):
            if isinstance(y, Tokens):
                return [row for row in rows for _ in range(count // len(rows))]
            each = len(rows) // count
            return [self._nearest(rows[at * each : (at + 1) * each]) for at in range(count)]
        if len(rows) == count:
            return rows
        if len(rows) == 1:
            return rows * count
        raise LookupError

    def _recurrent(self, op: Op, before: Sequence[Rows], count: int) -> Rows:
        """The outputs of a recurrent layer; behind those of the tokens stands the state, where it is handed on."""
        enters, leaves = getattr(op, "enters", 1), getattr(op, "leaves", 0)
        rows, *states = before
        if getattr(op, "bidirectional", False):
            back = self._scanned(rows[::-1], enters, leaves)[0][::-1]
            return [self._nearest(pair) for pair in zip(self._scanned(rows, enters, leaves)[0], back, strict=True)]
        begun = [self._further(state, leaves * (n == 0))[0] for n, state in enumerate(states)]
        found, state = self._scanned(rows, enters, leaves, begun)
        return found + [state] * (count - len(found))

    def _scanned(self, rows: Rows, enters: int, leaves: int, states: Rows = ()) -> tuple[Rows, Row]:  # type: ignore[assignment]
        """The outputs and the last state: the input enters each, and each is carried on to the next."""
        found: Rows = []
        for row in rows:
            own = self._further([row], enters)[0]
            states = [self._nearest([own, *self._further(list(states), 1)])]
            found.append(self._nearest([own, *self._further(states, leaves)]) if leaves else states[0])
        return found, states[0]

    def _nearest(self, rows: Sequence[Row]) -> Row:
        if len(rows) == 1:
            return rows[0]
        self.left -= self.places * len(rows)
        if self.left < 0:
            raise LookupError
        return [*map(min, *rows)] if rows else [inf] * self.places

    def _further(self, rows: Rows, chain: int) -> Rows:
        if not chain:
            return rows
        moved: dict[int, Row] = {}  # places that are as far from all are one and the same row
        for row in rows:
            if id(row) not in moved:
                self.left -= self.places
                moved[id(row)] = [distance + chain for distance in row]
        return [moved[id(row)] for row in rows]


def _stacked(node: Node, shapes: Sequence[Shape]) -> bool:
    """Whether vectors become tokens, one each."""
    return isinstance(node.shape, Tokens) and 1 < len(shapes) == node.shape[0] and not any(map(positions, shapes))


def _places(shape: Shape) -> int:
    """How many places a value has along its first axis; a vector is one."""
    return (positions(shape) or (1,))[0]
