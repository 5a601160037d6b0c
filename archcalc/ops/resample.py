"""Upsampling and sampling."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

from .base import FIXED, POINT, WHOLE, Op, ReceptiveWindow, ReceptiveWindows, Weightless, on, op
from .shapes import Like, OpError, Shape, Size, Tokens, Value, dims, numel, single, sized, spatial, spread


@lru_cache(maxsize=256)
def _spread_out(n: int, o: int, smooth: bool, align: bool) -> ReceptiveWindow:
    """Of n inputs output i of o reads the nearest, ⌊i·n/o⌋; or the neighbours of (i + ½)·n/o − ½ or, with the corners
    on each other, of i·(n − 1)/(o − 1): one where it lies on it."""
    if n == o:
        return ReceptiveWindow()
    if align and o == 1:
        return FIXED
    if smooth and n > 1:  # at (i·p + q) / r
        p, q, r = (n - 1, 0, o - 1) if align else (2 * n, n - o, 2 * o)
        step, parts = Fraction(p, r), r // math.gcd(p, r)
        off = 1 - Fraction(1, r // math.gcd(p, q, r))
        at = Fraction(q, r)
        return ReceptiveWindow(
            step, at - off, at + off, 1, parts, lambda i: range((i * p + q) // r, -((-i * p - q) // r) + 1)
        )
    step, parts = Fraction(n, o), o // math.gcd(n, o)
    return ReceptiveWindow(step, Fraction(1, parts) - 1, 0, 1, parts, lambda i: range(i * n // o, i * n // o + 1))


@op(
    "upsample",
    factor="how many times as long every axis becomes",
    smooth="whether to interpolate linearly",
    like="the size that the map gets",
    align_corners="whether the corner elements of both maps lie on each other",
)
class Upsample(Weightless):
    """A map `factor` times as long on every axis, or of a size, or of that of another value, `upsample(like=wide)`: by
    repeating the nearest element or, with `smooth`, by linear interpolation.
    """

    factor: Size | None = None
    smooth: bool = False
    like: Like | None = None
    align_corners: bool = False

    family = "resampling"
    torch_module = "Upsample"
    example = on((4, 8, 8), factor=2)
    inputs = (1, 2)
    read = 1
    saves = "nothing"

    def shape(self, x: Shape, like: Shape | None = None) -> Shape:
        sides = spatial(x, "`upsample`")
        if (self.factor is None) == (self.like is None):
            raise OpError("`upsample` wants a factor, or a size as `like`: one of the two")
        if self.align_corners and not self.smooth:
            raise OpError("corners are aligned in linear interpolation, with `smooth=True`", "align_corners")
        if self.factor is None:
            return (x[0], *sized(self.like or 1, like, len(sides), "`upsample`"))
        return (x[0], *(n * f for n, f in zip(sides, spread(self.factor, len(sides), "factor"), strict=True)))

    def normal(self, *x: Shape) -> Op | None:
        """A size that is a multiple is a factor."""
        sizes = [*zip(x[0][1:], self.shape(*x)[1:], strict=True)]
        if any(o % n for n, o in sizes):
            return self
        factor = tuple(o // n for n, o in sizes)
        return self.but(factor=single(factor), like=None) if numel(factor) > 1 else None

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {"interpolation": numel(xy[-1])}

    def receptive_window(self, x: Shape, like: Shape | None = None) -> tuple[ReceptiveWindows, ...]:
        each = zip(x[1:], self.shape(x, like)[1:], strict=True)
        return (tuple(_spread_out(n, o, self.smooth, self.align_corners) for n, o in each),)

    def torch(self, rt: Any, x: Shape, like: Shape | None = None) -> Any:
        mode = ("linear", "bilinear", "trilinear")[len(x) - 2] if self.smooth else "nearest"
        corners = self.align_corners if self.smooth else None
        if self.factor is None:
            return rt.Resize(size=self.shape(x, like)[1:], mode=mode, align_corners=corners)
        factors = tuple(float(f) for f in spread(self.factor, len(x) - 1, "factor"))
        return rt.Resize(scale_factor=factors, mode=mode, align_corners=corners)


@op(
    "grid_sample",
    at="the places to read: how far right and down, from −1 to 1, a map each",
    align_corners="whether −1 and 1 are the middles of the corner elements, not their outer edges",
)
class GridSample(Weightless):
    """A map read at places that are a value, by linear interpolation, zeros outside: C×H×W at 2×H′×W′ gives C×H′×W′
    (Jaderberg et al., arXiv:1506.02025, section 3.3).
    """

    at: Value
    align_corners: bool = False

    family = "resampling"
    example = on((4, 8, 8), (2, 6, 5), at=True)
    inputs = (2, 2)
    saves = "inputs"

    def shape(self, x: Shape, at: Shape) -> Shape:
        axes = len(spatial(x, "`grid_sample`"))
        if axes == 1 or isinstance(at, Tokens) or len(at) != len(x) or at[0] != axes:
            raise OpError(f"`grid_sample` of {dims(x)} wants {axes} maps of places; this is {dims(at)}", "at")
        return (x[0], *at[1:])

    def elementwise(self, x: Shape, at: Shape, y: Shape) -> dict[str, int]:
        return {"interpolation": numel(y)}

    def receptive_window(self, x: Shape, at: Shape) -> tuple[ReceptiveWindows, ...]:
        return WHOLE, POINT

    def torch(self, rt: Any, x: Shape, at: Shape) -> Any:
        return rt.GridSample(self.align_corners)
