"""Receptive fields: which positions of the input an element of a value sees, with its stride and offset.

Every op says how far it reaches (`Op.receptive_window`); along a path these add up: a window of k at stride s on a
value of field r and stride j has the field r + (k − 1)·j and the stride j·s (Araujo et al., Computing Receptive Fields
of Convolutional Neural Networks, Distill 2019). Transposed convolutions and upsampling divide the stride; what an
element sees then depends on its place, and is worked out for each place of a period.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import floor, gcd, inf, lcm, prod
from operator import le, sub

from ..graph import Graph
from ..ops import Shape, Tokens
from ..ops.base import POINT as POINTWISE
from ..ops.base import ReceptiveWindow, ReceptiveWindows
from ..ops.shapes import Many, positions
from ..records import NamedTuple
from .lies import Lies

Number = int | Fraction
Ends = tuple[tuple[int, ...], tuple[int, ...]]  # the first input that each place sees, and the last
FAR = 10**18
NOTHING = 10**40  # the first input of what sees none; its last is less
MOST_PHASES = 4_096
MOST_WORK = 1_000_000  # places that are looked up in a walk through a network
MOST_PATHS = 16


class Phases(NamedTuple):
    """What elements see where it depends on the place: elements 0 to P − 1 each the inputs between its `ends`, P
    elements on all is moved by P · stride. `ends` are None where a path is unbounded, `paths` are the ends along each
    path that may be the shortest, and `here` is how many of the P elements there are."""

    ends: Ends | None
    paths: tuple[Ends, ...]
    here: int

    @property
    def period(self) -> int:
        return len(self.paths[0][0])


class Field(NamedTuple):
    """The inputs that an element sees along one axis, over all paths together.

    Element i reads none but the inputs from stride · i + first to stride · i + last: exactly these where there are no
    `phases`. On its shortest path it reads `shortest` + 1 of them. `first` and `last` are None where a path is
    unbounded (attention, a global pooling, squeeze-and-excitation), `shortest` and `stride` where all are. Where paths
    of different strides meet, nothing bounds what an element sees."""

    shortest: Number | None
    first: Number | None
    last: Number | None
    stride: Number | None
    phases: Phases | None = None

    @property
    def least(self) -> int | None:
        """The number of inputs that an element sees at most on its shortest path."""
        return None if self.shortest is None else floor(self.shortest) + 1

    @property
    def most(self) -> int | None:
        """The number of inputs that an element sees at most, on all paths together: the receptive field."""
        if self.phases is None or self.phases.ends is None:
            return self.union
        return _width(self.phases.ends, self.phases.here) + 1

    @property
    def union(self) -> int | None:
        """The number of inputs that elements see all together, each element's moved by its place times the stride."""
        if self.first is None or self.last is None or self.stride is None:
            return None
        if self.phases is None or self.phases.ends is None:
            return floor(self.last - self.first) + 1
        first, last = _envelope(self.phases.ends, self.stride, self.phases.here)
        return floor(last - first) + 1

    @property
    def offset(self) -> Number | None:
        """The first input that element 0 sees; below zero it is padding."""
        if self.phases is None or self.phases.ends is None:
            return self.first
        first, last = (side[0] for side in self.phases.ends)
        return first if first <= last else None


SELF = Field(0, 0, 0, 1)
UNBOUNDED = Field(None, None, None, None)
Fields = tuple[Field, ...]  # one an axis of the input that is looked at
UNKNOWN: Fields = ()  # of an item, and of what is put together of items: what it sees depends on which one it is
FAR_OFF = ("circular", "others")  # beyond the ends of a map: what no window holds, but of a ring


class TokenFields(Fields):
    """The fields of a sequence: behind `skip` tokens that see nothing it is the places of a map of the size `grid`, row
    by row, or one after the other where that has one axis."""

    grid: tuple[int, ...]
    skip: int

    def __new__(cls, fields: Iterable[Field], grid: tuple[int, ...], skip: int = 0) -> TokenFields:
        found = super().__new__(cls, fields)
        found.grid, found.skip = grid, skip
        return found

    def sizes(self) -> tuple[int, ...]:
        """The number of places along each axis."""
        return self.grid if len(self.grid) == len(self) else self.grid * len(self)


class ReceptiveFields:
    """The fields of all values of a graph on its inputs (on those with as many axes as the first), worked out when they
    are first asked for. A value has a field for each axis of the input behind the channels; of tokens that is one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._lies = Lies(graph)

    @cached_property
    def _found(self) -> list[Fields | None]:
        seeds = {-1 - n: _seed(shape) for n, (_, shape) in enumerate(self.graph.inputs)}
        axes = len(seeds[-1])
        same = {value: seed for value, seed in seeds.items() if len(seed) == axes}
        return _walk(self.graph, same, len(self.graph.nodes), self._lies)

    def __getitem__(self, value: int) -> Fields:
        """The fields of a node, by its index, or of an input; none where the input has no axis, or is not read."""
        return (self._found[value] if value >= 0 else _seed(self.graph.shape(value))) or ()

    def unknown(self, value: int) -> bool:
        """Whether there is no field because the value is, or is made of, one of many items."""
        return value >= 0 and self._found[value] == UNKNOWN and _seed(self.graph.inputs[0][1]) != ()

    @cached_property
    def last_map(self) -> int:
        """The last value of the main path that has more than one position: the last feature map, or sequence; −1:
        none."""
        assert self._found is not None  # which says how values lie
        for index in range(self.graph.main - 1, -1, -1):
            if prod(positions(self._lies.size(index))) > 1:
                return index
        return -1

    def least(self, value: int) -> float | None:
        """The smallest field over paths and axes; infinite where all are unbounded, None where there is no axis."""
        return min((inf if (least := axis.least) is None else least for axis in self[value]), default=None)

    def most(self, value: int) -> float | None:
        """The largest field over axes; infinite where one is unbounded, None where there is no axis."""
        return max((inf if (most := axis.most) is None else most for axis in self[value]), default=None)

    def union(self, value: int) -> float | None:
        """The largest union over axes, as `most`."""
        return max((inf if (union := axis.union) is None else union for axis in self[value]), default=None)

    def union_apart(self, value: int) -> int | None:
        """The largest union over axes where it is another number than the field; else None."""
        if all(axis.phases is None for axis in self[value]):
            return None
        union = self.union(value)
        return None if union is None or union in (inf, self.most(value)) else int(union)

    def pair(self, value: int) -> tuple[int, int] | None:
        """The smallest field and the largest; None where it is unbounded or there is no axis."""
        fields = self[value]
        most = [axis.most for axis in fields]
        if not most or None in most:
            return None
        return min(axis.least for axis in fields), max(most)  # type: ignore[type-var, return-value]

    def at(self, output: int, input: int, union: bool = False) -> tuple[int, ...] | None:
        """The field of the value `output` on the value `input` (−1, … are the network's inputs), an axis each, or the
        `union`. None where it is unbounded; 0 where nothing of it is seen."""
        fields = self.on(output, input)
        if fields is None:
            return (0,) * len(_seed(self.graph.shape(input)))
        sizes = [axis.union if union else axis.most for axis in fields]
        return None if None in sizes else tuple(size for size in sizes if size is not None)

    def on(self, output: int, input: int) -> Fields | None:
        """The fields of the value `output` on the axes of the value `input`; None where nothing of it is seen."""
        seeds = {input: _seed(self.graph.shape(input))}
        return _walk(self.graph, seeds, output + 1, Lies(self.graph))[output] if output >= 0 else seeds.get(output)


def _seed(shape: Shape) -> Fields:
    """A value that is looked at sees itself; a vector has no axis."""
    places = positions(shape)
    return TokenFields((SELF,), places) if isinstance(shape, Tokens) else (SELF,) * len(places)


def _walk(graph: Graph, seeds: dict[int, Fields], stop: int, lies: Lies) -> list[Fields | None]:
    """The fields of the nodes before `stop` on the values of `seeds`; None for what sees none of them."""
    found: list[Fields | None] = []
    memo: dict[tuple[int, tuple[Shape, ...]], tuple[ReceptiveWindows, ...]] = {}
    work = _Work({positions(graph.shape(value)) for value in seeds})
    for index, node in enumerate(graph.nodes[:stop]):
        if index in seeds:
            found.append(seeds[index])
            continue
        if not node.inputs:  # a constant
            found.append(None)
            continue
        key = id(node.op), tuple([graph.shape(value) for value in node.inputs])
        reaches = memo.get(key)
        if reaches is None:
            reaches = memo[key] = node.op.receptive_window(*key[1])
        y = node.shape
        before = [seeds.get(value) if value < 0 else found[value] for value in node.inputs]
        if UNKNOWN in before:
            found.append(UNKNOWN)
            continue
        seeing = [value for value, fields in zip(node.inputs, before, strict=True) if fields is not None]
        kept = lies.keeps(index, node, seeing) if graph.code is not None and seeing else None
        if kept:  # its own places, wherever they stand
            same = [fields for fields in before if fields is not None]
            found.append(same[0] if len(same) == 1 else work.merged(same, lies.size(index)))
            continue
        if kept is False or ((node.op.regroups or isinstance(y, Many)) and any(before)):
            found.append(UNKNOWN)
            continue
        read: list[Fields | None] = []
        for fields, reach, x in zip(before, reaches, key[1], strict=False):
            read.append(work.through(fields, reach, x, y) if fields and reach != () else fields)
        if UNKNOWN in read:
            found.append(UNKNOWN)
            continue
        if isinstance(y, Tokens) and not isinstance(key[1][0], Tokens) and reaches[:1] == (POINTWISE,):
            found.append(_sequence(read, positions(key[1][0]), y[0]))
            continue
        if isinstance(key[1][0], Tokens) and not isinstance(y, Tokens) and positions(y) and reaches[:1] == (POINTWISE,):
            found.append(_placed_tokens(read[0], positions(y)))
            continue
        seen = [fields for fields in read if fields is not None]
        found.append(seen[0] if len(seen) == 1 else work.merged(seen, y) if seen else None)
    return found


class _Work:
    """The arithmetic of a walk on values of these sizes; where too many places were to be looked up, bounds for all
    places stand for them."""

    def __init__(self, sizes: set[tuple[int, ...]]) -> None:
        self.left, self.sizes = MOST_WORK, sizes

    def through(self, fields: Fields, reach: ReceptiveWindows, x: Shape, y: Shape) -> Fields | None:
        """The fields behind an op that makes `y` of `x`, a value of these fields; None where nothing is seen."""
        if reach is None:
            return (UNBOUNDED,) * len(fields)
        if isinstance(fields, TokenFields):
            return _along(fields, reach[0])
        if len(reach) == 1:
            reach *= len(fields)
        if len(reach) != len(fields):
            return fields if all(axis.stride == 0 for axis in fields) else (UNBOUNDED,) * len(fields)
        found: list[Field] = []
        for n, axis in enumerate(fields):
            if n and axis == fields[0] and reach[n] == reach[0] and (axis.phases is None or y[1] == y[n + 1]):
                found.append(found[0])  # of a square
                continue
            if axis.shortest is None or axis.stride is None:
                found.append(UNBOUNDED)
                continue
            window = reach[n]
            if window.beyond:
                if window.beyond in FAR_OFF and not (window.reads and self._closed(axis, x[n + 1], n)):
                    return UNKNOWN
                window = ReceptiveWindow(1, window.first, window.last)
            step, first, last, _, phases, *_ = window
            if phases != 1 or axis.phases is not None:
                placed = self._placed(axis, window, y[n + 1] if len(y) > n + 1 else 1)
                if placed is None:
                    return None
                found.append(placed)
                continue
            begin = end = None
            if axis.first is not None and axis.last is not None:
                begin, end = axis.first + first * axis.stride, axis.last + last * axis.stride
            found.append(Field(axis.shortest + (last - first) * axis.stride, begin, end, axis.stride * step))
        return tuple(found)

    def _closed(self, axis: Field, ring: int, n: int) -> bool:
        """Whether behind the last of so many places the first goes on seeing what it sees, were axis n of the inputs
        a ring, too."""
        period = axis.phases.period if axis.phases else 1
        return ring % period == 0 and {size[n] for size in self.sizes} == {(axis.stride or 0) * ring}

    def _placed(self, axis: Field, window: ReceptiveWindow, size: int) -> Field | None:
        """The field along an axis of `size` places, each by itself; None where they see nothing."""
        if axis.stride is None or not _exact(axis):
            return _bound(axis, window)
        ends, paths = _ends(axis)
        own, jump = len(paths[0][0]), int(window.step * window.phases)
        period = own // gcd(own, jump) * window.phases
        cost = period * (1 + len(paths)) * min(own, floor(window.last - window.first) + 1)
        if period > MOST_PHASES or cost > self.left:
            return _bound(axis, window)
        self.left -= cost
        taps = [window.taps]
        if window.reads is not None:
            taps = [window.reads(place) for place in range(window.phases)]
        every = [(jump * turn, tap) for turn in range(period // window.phases) for tap in taps]
        advance = int(axis.stride * own)
        moved = {path: _read(path, advance, every) for path in {*paths, *([ends] if ends else [])}}
        return _settled(axis.stride * window.step, ends and moved[ends], [moved[path] for path in paths], size)

    def merged(self, read: Sequence[Fields], y: Shape) -> Fields:
        """The fields of what reads several values and gives `y`: all that any of them sees."""
        if len({len(fields) for fields in read}) > 1:
            return (UNBOUNDED,) * len(read[0])
        sequences = [fields for fields in read if isinstance(fields, TokenFields)]
        if len({(fields.grid, fields.skip) for fields in sequences}) > 1:
            return (UNBOUNDED,) * len(read[0])
        sizes = sequences[0].sizes() if sequences else (*positions(y), 1, 1, 1)
        found: list[Field] = []
        for axes, size in zip(zip(*read, strict=True), sizes, strict=False):
            found.append(self._merged(axes, size))
        return TokenFields(found, sequences[0].grid, sequences[0].skip) if sequences else tuple(found)

    def _merged(self, axes: Sequence[Field], size: int) -> Field:
        strides = {axis.stride for axis in axes if axis.stride is not None}
        if len(strides) > 1 and size == 1:
            axes = [at for axis in axes if (at := _at(axis, 0)) is not None]
            strides = {0}
        if len(strides) != 1 or not axes:
            return UNBOUNDED
        stride = strides.pop()
        bounded = all(axis.first is not None for axis in axes)
        if any(axis.phases is not None for axis in axes):
            period = lcm(*[axis.phases.period for axis in axes if axis.phases is not None])
            cost = len(axes) ** 2 * MOST_PATHS * period
            if period <= MOST_PHASES and cost < self.left and all(map(_exact, axes)):
                self.left -= cost
                return _joined([_ends(axis) for axis in axes if axis.stride is not None], stride, period, bounded, size)
            axes = [_bound(axis, ReceptiveWindow()) for axis in axes]
        shortest = [axis.shortest for axis in axes if axis.shortest is not None]
        first = [axis.first for axis in axes if axis.first is not None]
        last = [axis.last for axis in axes if axis.last is not None]
        return Field(min(shortest), min(first) if bounded else None, max(last) if bounded else None, stride)


# --- tokens -------------------------------------------------------------------------------------------------------


def _sequence(read: Sequence[Fields | None], places: tuple[int, ...], tokens: int) -> Fields | None:
    """The fields of tokens that are made of a map of these places, or, where there are none, of vectors, one each."""
    axes = max((len(fields) for fields in read if fields is not None), default=0)
    if not axes:
        return read[0]
    if places:
        return TokenFields(read[0] or (), places)
    each = [[_at(fields[axis], 0) if fields else None for fields in read] for axis in range(axes)]
    return TokenFields([_side_by_side(found, tokens) for found in each], (tokens,))


def _placed_tokens(fields: Fields | None, places: tuple[int, ...]) -> Fields | None:
    """The fields of the positions of a map that are tokens of these fields."""
    if not isinstance(fields, TokenFields):
        return fields
    return tuple(fields) if fields.grid == places and not fields.skip else (UNBOUNDED,) * len(fields)


def _side_by_side(found: Sequence[Field | None], tokens: int) -> Field:
    """The field of tokens each of which sees something of its own."""
    first: list[Number] = []
    last: list[Number] = []
    shortest: list[Number] = []
    for field in found:
        each: tuple[Number | None, ...] = (NOTHING, -NOTHING, -NOTHING) if field is None else field[1:3] + field[:1]
        low, high, width = each
        if low is None or high is None or width is None:
            return UNBOUNDED
        first.append(low)
        last.append(high)
        shortest.append(low + width if field is not None else width)
    sides = first, last, shortest
    steps = {after - before for side in sides for before, after in pairwise(side)}
    if len(steps) == 1 and NOTHING not in first:  # as far from one to the next
        return Field(shortest[0] - first[0], first[0], last[0], steps.pop())
    seen = [field for field in found if field is not None]
    if tokens > MOST_PHASES or not all(map(_exact, seen)):
        return Field(Fraction(max(map(sub, shortest, first))), Fraction(min(first)), Fraction(max(last)), 0)
    lows = tuple(map(int, first))
    ends, path = (lows, tuple(map(int, last))), (lows, tuple(map(int, shortest)))
    return _settled(0, ends, [path], tokens) or UNBOUNDED


def _along(fields: TokenFields, window: ReceptiveWindow) -> Fields | None:
    """The fields of one token, or of all, moved by some or in the opposite order."""
    count, first = prod(fields.grid), int(window.first)
    if window.step == 1:
        return TokenFields(fields, fields.grid, fields.skip - first)
    sizes = fields.sizes()
    if window.step == -1:
        turned = [_reversed(axis, size) for axis, size in zip(fields, sizes, strict=True)]
        return TokenFields(turned, fields.grid, first + 1 - count - fields.skip)
    token = first - fields.skip
    if not 0 <= token < count:  # it sees what attention lets it see
        return None if all(axis.first is not None for axis in fields) else (UNBOUNDED,) * len(fields)
    places = [token] * len(fields)
    if len(fields.grid) > 1:
        for axis in range(len(fields.grid) - 1, -1, -1):
            token, places[axis] = divmod(token, fields.grid[axis])
    found = [_at(axis, place) for axis, place in zip(fields, places, strict=True)]
    return tuple([field for field in found if field is not None]) if None not in found else None


# --- one axis -----------------------------------------------------------------------------------------------------


def _ends(axis: Field) -> tuple[Ends | None, tuple[Ends, ...]]:
    """The ends of what is seen and of each path that may be the shortest, for the places of a period; of the paths
    alone only how far apart they are matters."""
    if axis.phases is not None:
        return axis.phases.ends, axis.phases.paths
    assert axis.shortest is not None
    ends = None if axis.first is None or axis.last is None else ((int(axis.first),), (int(axis.last),))
    return ends, (((0,), (int(axis.shortest),)),)


def _exact(axis: Field) -> bool:
    """Whether the numbers of a field are those of every place, and no bounds; and such as may be reckoned with."""
    far = axis.stride is not None and not -FAR < axis.stride < FAR
    return not far and (axis.phases is not None or not any(isinstance(number, Fraction) for number in axis[:4]))


def _bound(axis: Field, window: ReceptiveWindow) -> Field:
    """Bounds for the fields of all places behind a window: they hold, but no place need fill them."""
    if axis.shortest is None or axis.stride is None:
        return UNBOUNDED
    shortest = Fraction(axis.shortest + (window.last - window.first) * axis.stride)
    if axis.first is None or axis.last is None:
        return Field(shortest, None, None, axis.stride * window.step)
    first, last = axis.first + window.first * axis.stride, axis.last + window.last * axis.stride
    return Field(shortest, Fraction(first), Fraction(last), axis.stride * window.step)


def _joined(
    read: Sequence[tuple[Ends | None, tuple[Ends, ...]]], stride: Number, period: int, bounded: bool, size: int
) -> Field:
    """The field of what reads several values of one stride, by their ends and paths."""
    ends = None
    if bounded:
        sides = [_over(found, stride, period) for found, _ in read if found is not None]
        low, high = [low for low, _ in sides], [high for _, high in sides]
        ends = tuple(map(min, zip(*low, strict=True))), tuple(map(max, zip(*high, strict=True)))
    paths = _shortest(_over(path, stride, period) for _, of in read for path in of)
    return _settled(stride, ends, paths, size) or UNBOUNDED


def _over(ends: Ends, stride: Number, period: int) -> Ends:
    """The ends for the places of a longer period."""
    own = len(ends[0])
    if own == period:
        return ends
    moves = [stride * own * turn for turn in range(period // own)]
    low, high = ([int(move) + end for move in moves for end in side] for side in ends)
    return tuple(low), tuple(high)


def _read(ends: Ends, advance: int, every: Sequence[tuple[int, range]]) -> Ends:
    """The ends of windows, each of which reads a range of places moved by some; after a period of `ends` all of these
    are moved by `advance`, and so the first of a window lies among its first places, the last among its last."""
    period, sides = len(ends[0]), []
    for side, near, least, nothing in ((ends[0], 0, min, NOTHING), (ends[1], -1, max, -NOTHING)):
        rising = all(map(le, side, side[1:])) and side[-1] <= side[0] + advance
        few = 1 if rising else period
        found = []
        for by, taps in every:
            places = taps[:few] if near == 0 else taps[-few:]
            seen = [side[(by + tap) % period] + advance * ((by + tap) // period) for tap in places]
            found.append(least(seen) if seen else nothing)
        sides.append(tuple(found))
    return sides[0], sides[1]


def _settled(stride: Number, ends: Ends | None, paths: Sequence[Ends], size: int) -> Field | None:
    """A field by the ends for the places of a period, on an axis of `size` of them; None where none sees anything."""
    if isinstance(stride, Fraction) and stride.denominator == 1:
        stride = stride.numerator
    period = len(paths[0][0])
    here = min(period, size)
    widths = {path: width for path in paths if (width := _width(path, here)) >= 0}
    if not widths:
        return UNBOUNDED if ends is None else None
    shortest = min(widths.values())
    if ends is None:
        phases = None if period == 1 else Phases(None, tuple(widths), here)
        return Field(shortest, None, None, stride, phases)
    if period == 1:
        return Field(shortest, int(ends[0][0]), int(ends[1][0]), stride)
    return Field(shortest, *_envelope(ends, stride, period), stride, Phases(ends, tuple(widths), here))


def _width(ends: Ends, here: int) -> int:
    """How far the ends of what a place sees are apart at most; negative where none sees anything."""
    return max(last - first for first, last, _ in zip(*ends, range(here), strict=False))


def _envelope(ends: Ends, stride: Number, here: int) -> tuple[Fraction, Fraction]:
    """The first and the last input that places see, each moved back by its place times the stride."""
    period = len(ends[0])
    advance = int(stride * period)
    first = min(end * period - advance * place for place, end in enumerate(ends[0][:here]))
    last = max(end * period - advance * place for place, end in enumerate(ends[1][:here]))
    return Fraction(first, period), Fraction(last, period)


def _shortest(paths: Iterable[Ends]) -> list[Ends]:
    """The paths that may be the shortest behind whatever follows: none of the others is nowhere longer."""
    kept: list[Ends] = []
    for path in dict.fromkeys(paths):
        if not any(_shorter(other, path) for other in kept):
            kept = [other for other in kept if not _shorter(path, other)] + [path]
    return sorted(kept, key=lambda path: _width(path, len(path[0])))[:MOST_PATHS]


def _shorter(one: Ends, other: Ends) -> bool:
    """Whether what one path sees, moved by some number, lies within what the other sees, at every place."""
    apart = [(a - c, b - d) for a, b, c, d in zip(*one, *other, strict=True) if a <= b]
    return max((b for _, b in apart), default=0) <= min((a for a, _ in apart), default=0)


def _at(axis: Field, place: int) -> Field | None:
    """The field of one element, wherever it is taken to; None where it sees nothing."""
    if axis.stride is None:
        return UNBOUNDED
    if axis.phases is None:
        move, first, last = axis.stride * place, axis.first, axis.last
        if first is None or last is None:
            return Field(axis.shortest, None, None, 0)
        return Field(axis.shortest, first + move, last + move, 0)
    ends, paths, _ = axis.phases
    turn, at = divmod(place, axis.phases.period)
    widths = [high[at] - low[at] for low, high in paths if low[at] <= high[at]]
    if not widths:
        return UNBOUNDED if ends is None else None
    if ends is None:
        return Field(min(widths), None, None, 0)
    move = int(axis.stride * axis.phases.period) * turn
    return Field(min(widths), ends[0][at] + move, ends[1][at] + move, 0)


def _reversed(axis: Field, size: int) -> Field:
    """The field of `size` elements in the opposite order."""
    if axis.stride is None:
        return UNBOUNDED
    if axis.phases is None:
        first, last = axis.first, axis.last
        move = axis.stride * (size - 1)
        if first is None or last is None:
            return axis._replace(stride=-axis.stride)
        return Field(axis.shortest, first + move, last + move, -axis.stride)
    period, advance = axis.phases.period, int(axis.stride * axis.phases.period)
    backwards = [(0, range(size - 1 - place, size - place)) for place in range(period)]
    ends, paths = _ends(axis)
    turned = [_read(path, advance, backwards) for path in paths]
    return _settled(-axis.stride, ends and _read(ends, advance, backwards), turned, size) or UNBOUNDED
