"""Shapes of values, the kinds of arguments, and the error of an op that does not fit them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

Shape = tuple[int, ...]
Count = int  # at least 1
Size = int | tuple[int, ...]  # at least 1 on every axis; one number means every axis
Pad = int | tuple[int, ...]  # at least 0 on every axis
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
    """`64×112×112`, or `197 tokens × 768`."""
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


def numel(shape: Shape) -> int:
    return math.prod(shape)
