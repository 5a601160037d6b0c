"""Shapes of values, the kinds of arguments, and the error of an op that does not fit them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Self

from ..records import NamedTuple

Shape = tuple[int, ...]
Count = int  # at least 1
Size = int | tuple[int, ...]  # at least 1 on every axis; one number means every axis
Pad = int | tuple[int, ...]  # at least 0 on every axis
Sides = int | tuple[int, ...]  # a size of which one axis may be −1: what is left
Word = str  # one of a few that the op lists
Value = bool  # a value of the network as an argument: True where it is given, and then a further input
Like = int | tuple[int, ...] | bool  # a size, or a value of the network that has it
Counts = int | tuple[int, ...]  # one count or several, one argument each
Pattern = str  # how axes go over into others: `c h w -> (h w) c`
Axes = str  # sizes of axes under names of the call's own: `p=4, q=4`

SUM_BYTES = 4  # at least, of a sum that torch keeps beside half-precision values
INDEX_BYTES = 8  # of an index that torch keeps: int64, whatever the dtype


class Tokens(tuple[int, ...]):
    """The shape [tokens, width] of a sequence; never equal to [channels, length] of a signal."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokens) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(("tokens", tuple(self)))


class Cut(NamedTuple):
    """How a value became many alike, by the op `word`: a `number` of items; those of a map of the size `of` are of the
    size `each`, cut after the map was turned round by `shift`."""

    word: str
    number: int
    of: tuple[int, ...] = ()
    each: tuple[int, ...] = ()
    shift: tuple[int, ...] = ()

    @property
    def counts(self) -> tuple[int, ...]:
        """How many items lie along each axis of the map."""
        return tuple(size // window for size, window in zip(self.of, self.each, strict=True))


Cuts = tuple[Cut, ...]


class Many(tuple[int, ...]):
    """The shape of one of many items that are alike, and the `cuts` that made them, the first outermost: each op works
    on each of them. In torch the items stand in the batch, those of one sample behind each other."""

    cuts: Cuts

    def __new__(cls, shape: Iterable[int], cuts: Cuts) -> Self:
        found = super().__new__(cls, shape)
        found.cuts = cuts
        return found

    def __getnewargs__(self) -> tuple[tuple[int, ...], Cuts]:
        return tuple(self), self.cuts

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and tuple.__eq__(self, other) and self.cuts == other.cuts

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self), tuple(self), self.cuts))


class ManyTokens(Many, Tokens):
    """The shape of one of many sequences."""


def many(shape: Shape, cuts: Cuts) -> Shape:
    """`shape` as that of each item that these cuts make; of a single value where there are none."""
    if isinstance(shape, Tokens):
        return ManyTokens(shape, cuts) if cuts else Tokens(shape)
    return Many(shape, cuts) if cuts else tuple(shape)


def cuts_of(shape: Shape) -> Cuts:
    """The cuts that made a value many; none of a single value."""
    return shape.cuts if isinstance(shape, Many) else ()


def items(shape: Shape) -> int:
    """How many items a value has: 1 where it is single."""
    return math.prod(cut.number for cut in shape.cuts) if isinstance(shape, Many) else 1


def batched(shape: Shape, batch: int) -> tuple[int, ...]:
    """The size of the tensor in torch: the samples, and in each the items, are the first axis."""
    return (batch * items(shape), *shape)


class OpError(Exception):
    """An op cannot be built so, or does not fit its input; `field` names the argument at fault, where it is one."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message, self.field = message, field


def show(value: Any) -> str:
    """A value as a person would write it."""
    if isinstance(value, tuple):
        return "×".join(show(v) for v in value)
    if isinstance(value, Fraction):
        short = f"{float(value):.6g}"
        return short if Fraction(short) == value else f"{value} ≈ {short}"
    return str(value)


def dims(shape: Shape) -> str:
    """`64×112×112`, or `197 tokens × 768`; of many `49 × 96×7×7`."""
    if isinstance(shape, Many):
        return f"{items(shape)} × {dims(many(shape, ()))}"
    if isinstance(shape, Tokens):
        return f"{shape[0]} tokens × {shape[1]}"
    return "×".join(map(str, shape)) if shape else "a single number"


def spread(size: Size, axes: int, name: str) -> tuple[int, ...]:
    """`size` on every one of `axes` axes. Raises OpError where it is given for another number of them."""
    if isinstance(size, int):
        return (size,) * axes
    if len(size) != axes:
        raise OpError(f"`{name}` is {show(size)}, for {len(size)} axes; the value has {axes}", name)
    return size


def single(size: tuple[int, ...]) -> int | tuple[int, ...]:
    """A size that is the same on every axis, or has one, as one number."""
    return size[0] if len(set(size)) == 1 else size


def spatial(x: Shape, what: str) -> tuple[int, ...]:
    """The axes behind the channels. Raises OpError for tokens and vectors."""
    if isinstance(x, Tokens) or len(x) < 2:
        kind = "a sequence" if isinstance(x, Tokens) else f"a vector of {dims(x)}"
        shown = f"{kind} ({dims(x)})" if isinstance(x, Tokens) else kind
        raise OpError(f"{what} works on channels × height × width; this value is {shown}")
    if len(x) > 4:
        raise OpError(f"{what} works on one to three axes; this value is {dims(x)}")
    return x[1:]


def sized(like: Like, other: Shape | None, axes: int, what: str) -> tuple[int, ...]:
    """The size on `axes` axes that `like` means: its own, or that of the value `other`. Raises OpError."""
    if other is not None:
        return spread(spatial(other, what), axes, "like")
    if isinstance(like, bool):
        raise OpError(f"{what} wants a size, or the value that has it", "like")
    return spread(like, axes, "like")


def channels(x: Shape) -> int:
    """The channels of a value: the width of tokens, else the first axis."""
    return x[-1] if isinstance(x, Tokens) else x[0]


def positions(x: Shape) -> tuple[int, ...]:
    """The axes beside the channels: height and width, or the number of tokens; none of a vector."""
    return x[:-1] if isinstance(x, Tokens) else x[1:]


def with_channels(x: Shape, count: int) -> Shape:
    """`x` with another number of channels."""
    return Tokens((*x[:-1], count)) if isinstance(x, Tokens) else (count, *x[1:])


def axis_of(x: Shape, axis: int | None) -> int:
    """The axis that is meant, counted from 0 as sizes show them; the channels where none is given. Raises OpError."""
    if axis is None:
        return len(x) - 1 if isinstance(x, Tokens) else 0
    if axis >= len(x):
        raise OpError(f"there is no axis {axis}: {dims(x)} has {len(x)}, counted from 0", "axis")
    return axis


def plain_axis(x: Shape, axis: int | None) -> int | None:
    """The same axis, None for that of the channels wherever these stand."""
    return None if axis_of(x, axis) == axis_of(x, None) else axis


def with_size(x: Shape, axis: int, size: int) -> Shape:
    """`x` with another size along an axis."""
    found = (*x[:axis], size, *x[axis + 1 :])
    return Tokens(found) if isinstance(x, Tokens) else found


def numel(shape: Shape) -> int:
    """The elements of a value; of many those of one item."""
    return math.prod(shape)


def elements(shape: Shape) -> int:
    """The elements of a value, of all its items together."""
    return numel(shape) * items(shape)
