"""Merges of branches, and channels added to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, ClassVar

from .axes import keeps, over, reduced
from .base import (
    OPS,
    POINT,
    WHOLE,
    Buffer,
    Free,
    Needs,
    Op,
    OpFamily,
    ReceptiveWindow,
    ReceptiveWindows,
    Saves,
    Weightless,
    on,
    op,
)
from .shapes import (
    Count,
    Counts,
    OpError,
    Shape,
    Tokens,
    axis_of,
    dims,
    numel,
    plain_axis,
    positions,
    spatial,
    with_size,
)

MANY = (2, 1000)


def _listed(x: tuple[Shape, ...]) -> str:
    return " and ".join(dims(shape) for shape in x[:4]) + (" and …" if len(x) > 4 else "")


def _broadcast(word: str, x: tuple[Shape, ...]) -> Shape:
    """The shape that branches have together: missing leading axes, and axes of size 1, are spread."""
    wide = max(x, key=lambda shape: (len(shape), numel(shape)))
    if any(isinstance(shape, Tokens) != isinstance(wide, Tokens) for shape in x if len(shape) > 1):
        raise OpError(f"the branches of `{word}` do not fit, tokens and maps: {_listed(x)}")
    out = list(wide)
    for shape in x:
        offset = len(wide) - len(shape)
        for axis, size in enumerate(shape, offset):
            if size in (out[axis], 1):
                continue
            if out[axis] == 1:
                out[axis] = size
                continue
            raise OpError(f"the branches of `{word}` do not fit: {_listed(x)}")
    return Tokens(out) if isinstance(wide, Tokens) else tuple(out)


class _Merge(Weightless):
    family: ClassVar[OpFamily] = "merge"
    example = on((4, 8, 8), (4, 8, 8))
    inputs = MANY
    branches = True

    def receptive_window(self, *x: Shape) -> tuple[ReceptiveWindows, ...]:
        """A branch that is spread over positions is read by outputs however far from where it was made."""
        places = positions(self.shape(*x))
        return tuple([POINT if positions(shape) == places else WHOLE for shape in x])


@op("add")
class Add(_Merge):
    """The sum of the branches, element by element; missing axes, and axes of size 1, are spread."""

    commutes = True
    nests = True
    reserved = True
    keeps_order = True

    def keeps(self, made: Op) -> bool:
        return made.word == "constant" and getattr(made, "value", None) == 0

    def taking(self, place: int, weight: Shape = (), held: Op | None = None) -> Op | None:
        own, given = (getattr(held, name, None) for name in ("length", "size"))
        few = isinstance(given, tuple) and len(given) == len(weight) == 2 and given[0] < weight[0]
        return OPS["position"](length=weight[0] if few else own)

    saves = "nothing"
    gradient = "passed"

    def shape(self, *x: Shape) -> Shape:
        return _broadcast("add", x)

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {"add": (len(xy) - 2) * numel(xy[-1])}

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Add()


@op("sub")
class Subtract(_Merge):
    """The first branch less the second, element by element; missing axes, and axes of size 1, are spread."""

    keeps_order = True
    inputs = (2, 2)
    saves = "nothing"

    def shape(self, *x: Shape) -> Shape:
        return _broadcast("sub", x)

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {"add": numel(xy[-1])}

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Subtract()


@op("concat")
class Concat(_Merge, Free):
    """The branches side by side, along the channels or, `concat(axis=0):` of sequences, another axis."""

    axis: int | None = None

    nests = True
    reserved = True
    gradient = "view"
    free = "a copy"

    def normal(self, *x: Shape) -> Op | None:
        return self.but(axis=plain_axis(x[0], self.axis)) if len(x) > 1 else None

    def taking(self, place: int, weight: Shape = (), held: Op | None = None) -> Op | None:
        return OPS["class_token"]() if self.axis == 0 and place == 0 else None

    def shape(self, *x: Shape) -> Shape:
        first = x[0]
        axis = axis_of(first, self.axis)
        for shape in x[1:]:
            alike = isinstance(shape, Tokens) == isinstance(first, Tokens) and len(shape) == len(first)
            if not alike or with_size(shape, axis, 1) != with_size(first, axis, 1):
                what = "channels" if self.axis is None else f"axis {axis}"
                raise OpError(f"the branches of `concat` differ in more than {what}: {_listed(x)}")
        joined = first[axis]
        for shape in x[1:]:
            joined = joined + shape[axis]
        return with_size(first, axis, joined)

    def receptive_window(self, *x: Shape) -> tuple[ReceptiveWindows, ...]:
        axis = axis_of(x[0], self.axis)
        if axis == axis_of(x[0], None):
            return super().receptive_window(*x)
        found, before = [], 0
        for shape in x:
            moved = ReceptiveWindow(1, -before, -before, beyond="" if isinstance(shape, Tokens) else "others")
            places = range(1) if isinstance(shape, Tokens) else range(1, len(shape))
            found.append(tuple(moved if at == axis else ReceptiveWindow() for at in places))
            before += shape[axis]
        return tuple(found)

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Concat(1 + axis_of(x[0], self.axis))


@op("mul")
class Multiply(_Merge):
    """The product of the branches, element by element; axes of size 1 are spread."""

    commutes = True
    nests = True
    reserved = True

    def taking(self, place: int, weight: Shape = (), held: Op | None = None) -> Op | None:
        return OPS["affine"](bias=False)

    def of_itself(self, ops: Sequence[Op]) -> Op | None:
        gates = ([OPS["sigmoid"]()], "swish"), ([OPS["scale"](factor=1.702), OPS["sigmoid"]()], "quickgelu")
        return next((OPS[word]() for gate, word in gates if gate == [*ops]), None)

    keeps_order = True
    gated = True
    saves = "factors"

    def shape(self, *x: Shape) -> Shape:
        return _broadcast("mul", x)

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {"multiply": (len(xy) - 2) * numel(xy[-1])}

    def saved(self, needs: Needs, *xy: Shape) -> Saves:
        """The first value for the gradient of the second one, each other one for those before it."""
        return tuple(at for at in range(len(xy) - 1) if any(needs[:at] if at else needs[1:2]))

    def saved_buffers(self, needs: Needs, *xy: Shape) -> tuple[Buffer, ...]:
        x = xy[:-1]  # joined one after the other: what the earlier ones made is a factor of the next
        return tuple(
            Buffer(f"the product of {count}", numel(_broadcast("mul", x[:count])))
            for count in range(2, len(x))
            if needs[count]  # which asks for it
        )

    def backward_scratch(self, batch: int, itemsize: int, *xy: Shape) -> int:
        spread = sum(numel(x) < numel(xy[-1]) for x in xy[:-1])  # made in the output's size, then summed
        return batch * spread * numel(xy[-1]) * itemsize

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Multiply()


@op("mean")
class Mean(_Merge):
    """The mean of the branches, element by element, as `add` spreads them (Larsson et al., arXiv:1605.07648, section
    2); or, `mean(axis=0)` in a line, of one value over an axis, as `sum` takes it.
    """

    axis: int | None = None

    commutes = True
    reserved = True
    keeps_order = True
    inputs = (1, 1000)
    saves = "nothing"
    gradient = "shared"

    def shape(self, *x: Shape) -> Shape:
        if len(x) > 1:
            if self.axis is not None:
                raise OpError("the mean of several values is of their elements: an axis is for one value", "axis")
            return _broadcast("mean", x)
        if self.axis is None:
            raise OpError("`mean` of one value wants an axis: `mean(axis=0)`")
        return reduced(x[0], self.axis)

    @property
    def each(self) -> bool:
        return self.axis is None

    def normal(self, *x: Shape) -> Op | None:
        """The mean of all tokens is that of a whole map."""
        over_tokens = len(x) == 1 and isinstance(x[0], Tokens) and self.axis == 0
        return OPS["gap"]().normal(x[0][::-1]) if over_tokens else self

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        if len(xy) == 2:
            return {"pool": numel(xy[0])}
        return {"add": (len(xy) - 2) * numel(xy[-1]), "multiply": numel(xy[-1])}

    def receptive_window(self, *x: Shape) -> tuple[ReceptiveWindows, ...]:
        return super().receptive_window(*x) if self.axis is None else (over(x[0], self.axis),)

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Mean() if self.axis is None else rt.Over("mean", 1 + self.axis, keeps(x[0], self.axis))


@op("stack")
class Stack(Free):
    """Vectors as the tokens of a sequence, one after the other: what `steps:` gives. One vector is one token."""

    family = "merge"
    example = on((16,))
    inputs = (1, 200_000)
    gradient = "view"
    free = "a copy"

    def shape(self, *x: Shape) -> Shape:
        for shape in x:
            if len(shape) != 1 or shape != x[0]:
                raise OpError(f"`stack` works on vectors of one width: {_listed(x)}")
        return Tokens((len(x), x[0][0]))

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Stack()


@op("pad_channels")
class PadChannels(Free):
    """Channels of zeros behind the others, up to `out` (He et al., arXiv:1512.03385, section 3.3, option A)."""

    out: Count

    example = on((4, 8, 8), out=8)
    free = "a copy"

    def shape(self, x: Shape) -> Shape:
        spatial(x, "`pad_channels`")
        if self.out < x[0]:
            raise OpError(f"{x[0]} channels cannot be padded to {self.out}", "out")
        return (self.out, *x[1:])

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.PadChannels(self.out - x[0])


@op("split", parts="how many parts there are, or how long each is")
class Split(Free):
    """The channels, or another axis, cut into parts side by side, each a node of its own: into `split(2)` equal ones
    (Ma et al., arXiv:1807.11164), or `split(64, 128)` of these sizes.
    """

    parts: Counts
    axis: int | None = None
    _index: int = 0

    example = on((4, 8, 8), parts=2)
    storage = "view"
    free = "a view"

    @property
    def pieces(self) -> Iterator[Split]:
        count = self.parts if isinstance(self.parts, int) else len(self.parts)
        return (Split(self.parts, self.axis, index) for index in range(count))

    def _cut(self, x: Shape) -> tuple[int, int, int]:
        """The axis, and where this part begins and how long it is."""
        axis = axis_of(x, self.axis)
        n, what = x[axis], "channels" if self.axis is None else f"elements of axis {axis}"
        if isinstance(self.parts, int) and self.parts > MANY[1]:
            raise OpError(f"more than {MANY[1]:,} parts are refused", "parts")
        if isinstance(self.parts, int):
            if n % self.parts:
                raise OpError(f"{n} {what} cannot be cut into {self.parts} parts", "parts")
            return axis, self._index * (n // self.parts), n // self.parts
        if sum(self.parts) != n:
            raise OpError(f"the parts have {sum(self.parts)} {what} together; the value has {n}", "parts")
        return axis, sum(self.parts[: self._index]), self.parts[self._index]

    def shape(self, x: Shape) -> Shape:
        axis, _, length = self._cut(x)
        return with_size(x, axis, length)

    def normal(self, x: Shape) -> Op | None:
        axis, start, length = self._cut(x)
        return Slice(start, start + length, axis=axis).normal(x)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        axis, start, _ = self._cut(x)
        return (taken(x, axis, start),)

    def torch(self, rt: Any, x: Shape) -> Any:
        axis, start, length = self._cut(x)
        return rt.Slice(1 + axis, start, length)


@op("slice", start="the first element, counted from 0", stop="the element behind the last", step="every which one")
class Slice(Free):
    """The elements from `start` to before `stop` along the channels or another axis, every `step`-th:
    `slice(1, axis=0)` leaves out a class token.
    """

    start: int = 0
    stop: int | None = None
    step: Count = 1
    axis: int | None = None

    example = on((4, 8, 8), start=1, axis=1)
    storage = "view"
    free = "a view"

    def shape(self, x: Shape) -> Shape:
        axis = axis_of(x, self.axis)
        stop = x[axis] if self.stop is None else self.stop
        if not self.start < stop <= x[axis]:
            raise OpError(f"there are no elements from {self.start} to before {stop}: here are {x[axis]}", "start")
        return with_size(x, axis, (stop - self.start - 1) // self.step + 1)

    @property
    def picks(self) -> bool:
        return self.axis == 0

    def among(self, front: Op, x: Shape, shapes: Sequence[Shape]) -> Sequence[int]:
        axis = axis_of(x, self.axis)
        if not isinstance(front, Concat) or front.axis != self.axis or self.step != 1:
            return ()
        if any(len(shape) != len(x) or with_size(shape, axis, x[axis]) != x for shape in shapes):
            return ()
        ends = [0, *accumulate(shape[axis] for shape in shapes)]
        stop = ends[-1] if self.stop is None else self.stop
        return range(ends.index(self.start), ends.index(stop)) if {self.start, stop} <= {*ends} else ()

    def behind(self, front: Op, count: int, x: Shape) -> Op | None:
        """Every so manieth element along both axes of a map is the only one of each window of a pool."""
        both = (front, self) if isinstance(front, Slice) and len(x) == 3 and not isinstance(x, Tokens) else ()
        steps = {one.axis: one.step for one in both if not one.start and one.stop is None}
        return OPS["maxpool"](1, (steps[1], steps[2])).normal(x) if {*steps} == {1, 2} else None

    def joined(self, other: Op) -> Op | None:
        if not isinstance(other, Slice) or (self.axis, self.step, other.step) != (other.axis, 1, 1):
            return None
        return self.but(stop=other.stop) if self.stop == other.start else None

    def normal(self, x: Shape) -> Op | None:
        stop = None if self.stop == x[axis_of(x, self.axis)] else self.stop
        found = self.but(stop=stop, axis=plain_axis(x, self.axis))
        return None if (found.start, found.stop, found.step) == (0, None, 1) else found

    def spellings(self, x: Shape) -> Iterable[Op]:
        if isinstance(x, Tokens) and self.axis == 0 and (self.stop or x[0]) - self.start == 1:
            yield OPS["take"](self.start)
        yield self

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (taken(x, axis_of(x, self.axis), self.start, self.step),)

    def torch(self, rt: Any, x: Shape) -> Any:
        axis = axis_of(x, self.axis)
        return rt.Slice(1 + axis, self.start, self.shape(x)[axis], self.step)


def taken(x: Shape, axis: int, start: int, step: int = 1) -> ReceptiveWindows:
    """What is read where elements of an axis are taken from `start` on, every `step`-th."""
    if axis == axis_of(x, None):
        return POINT
    if isinstance(x, Tokens):
        return (ReceptiveWindow(1, start, start),) if step == 1 else WHOLE
    each = range(1, len(x))
    return tuple([ReceptiveWindow(step, start, start) if at == axis else ReceptiveWindow() for at in each])
