"""Regrouping: axes cut, dealt out anew and joined."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any

from ..records import NamedTuple
from .base import POINT, WHOLE, Free, Op, ReceptiveWindow, ReceptiveWindows, on, op
from .shapes import Axes, OpError, Pattern, Shape, Size, Tokens, dims, numel, spatial, spread

Group = tuple[str, ...]  # the names of an axis' parts, outer before inner
_SIDE = re.compile(r"\s*(?:\(([^()]*)\)|([^\s()]+))")
_NAME = re.compile(r"[A-Za-z_]\w*|1")


def _groups(side: str) -> tuple[Group, ...]:
    """One side of a pattern, an axis each. Raises OpError."""
    found, at = [], 0
    side = side.rstrip()
    while at < len(side):
        match = _SIDE.match(side, at)
        names = ((match[1] if match[1] is not None else match[2]).split()) if match else ["?"]
        if match is None or not all(_NAME.fullmatch(name) for name in names):
            raise OpError(f"`{side.strip()}` is no list of axes: names, `1`, and names in brackets", "pattern")
        found.append(tuple(name for name in names if name != "1"))
        at = match.end()
    return tuple(found)


@lru_cache(maxsize=256)
def _sides(pattern: str) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """The two sides of a pattern. Raises OpError."""
    sides = pattern.split("->")
    if len(sides) != 2:
        raise OpError("`pattern` has two sides, `c h w -> (h w) c`", "pattern")
    left, right = map(_groups, sides)
    names = [[name for group in side for name in group] for side in (left, right)]
    for side in names:
        twice = next((name for name in side if side.count(name) > 1), None)
        if twice is not None:
            raise OpError(f"the axis `{twice}` stands twice on one side", "pattern")
    alone = set(names[0]) ^ set(names[1])
    if alone:
        raise OpError(f"the axis `{min(alone)}` stands on one side alone", "pattern")
    if not 1 <= len(right) <= 4:
        raise OpError(f"a value has one to four axes; here the result has {len(right)}", "pattern")
    return left, right


class Regrouping(NamedTuple):
    """How a value is regrouped: the sizes of the parts of its axes, their order in the result, and its shape."""

    parts: tuple[int, ...]
    order: tuple[int, ...]
    shape: Shape


@op(
    "rearrange", pattern="the axes of the value and what they become", sizes="what is not known of an axis, by its name"
)
class Rearrange(Free):
    """The elements of a value in other axes, in einops' notation without the batch: `rearrange(c (h p) (w q) -> (h w)
    (p q c), p=4, q=4)` makes tokens of patches (Rogozhnikov, ICLR 2022).

    The left side names the axes as sizes show them, `c h w` of a map, `t c` of a sequence. `c` is the channels: first
    of a map, last of a sequence; a result of two axes is a sequence where `c` is in the last, a signal where in the
    first.
    """

    pattern: Pattern
    sizes: Axes = ""

    example = on((4, 8, 8), pattern="c (h p) (w q) -> (h w) (p q c)", sizes="p=2, q=4")
    free = "a copy"

    def _known(self) -> dict[str, int]:
        pairs = (pair.partition("=") for pair in self.sizes.split(", ") if pair)
        return {name: int(size) for name, _, size in pairs}

    def _regrouped(self, x: Shape) -> Regrouping:
        left, right = _sides(self.pattern)
        known: dict[str, int] = self._known()
        if len(left) != len(x):
            raise OpError(f"the value has {len(x)} axes, {dims(x)}; the left side names {len(left)}", "pattern")
        for name in known:
            if not any(name in group for group in left):
                raise OpError(f"`{name}` is no axis of the pattern", "sizes")
        for axis, (n, group) in enumerate(zip(x, left, strict=True)):
            if "c" in group and len(x) > 1 and axis != (1 if isinstance(x, Tokens) else 0):
                where = "last of a sequence" if isinstance(x, Tokens) else "first of a map"
                raise OpError(f"`c` is the channels, {where}; the value is {dims(x)}", "pattern")
            open_ = [name for name in group if name not in known]
            product = prod([known.get(name, 1) for name in group])
            if len(open_) > 1:
                raise OpError(f"of {' and '.join(f'`{name}`' for name in open_)} all but one want a size", "pattern")
            if n % product or (not open_ and product != n):
                raise OpError(f"an axis of {n} cannot be cut into `({' '.join(group)})`, {product} apiece", "sizes")
            if open_:
                known[open_[0]] = n // product
        names = [name for group in left for name in group]
        size = tuple([prod([known[name] for name in group]) for group in right])
        shape = Tokens(size) if self._sequence(right) else size
        order = [names.index(name) for group in right for name in group]
        return Regrouping(tuple([known[name] for name in names]), tuple(order), shape)

    @staticmethod
    def _sequence(right: tuple[Group, ...]) -> bool:
        """Whether the result is a sequence. Raises OpError where its channels stand elsewhere than they should."""
        at = next((axis for axis, group in enumerate(right) if "c" in group), None)
        if len(right) == 2 and at is None:
            raise OpError(
                "a sequence or a signal? One of the two axes of the result holds the channels, `c`", "pattern"
            )
        if len(right) > 2 and at:
            raise OpError("`c` is the channels, the first axis of a map; call another axis otherwise", "pattern")
        return len(right) == 2 and at == 1

    def deals_out(self, x: Shape) -> bool:
        return sum(size > 1 for size in self._regrouped(x).parts) <= 3

    def normal(self, x: Shape) -> Op:
        """The axes called by numbers, whatever they are called."""
        left, right = _sides(self.pattern)
        called = {name: f"n{n}" for n, name in enumerate(name for group in left for name in group)}
        sides = (" ".join(f"({' '.join(called[name] for name in group)})" for group in side) for side in (left, right))
        known = sorted((called[name], size) for name, size in self._known().items())
        return Rearrange(" -> ".join(sides), ", ".join(f"{name}={size}" for name, size in known))

    def shape(self, x: Shape) -> Shape:
        return self._regrouped(x).shape

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        left, right = _sides(self.pattern)
        y, sizes = self.shape(x), dict(zip([n for g in left for n in g], self._regrouped(x).parts, strict=True))
        if isinstance(x, Tokens) or isinstance(y, Tokens):
            places = [side[:1] if isinstance(of, Tokens) else side[1:] for side, of in ((left, x), (right, y))]
            flat = [[name for group in side for name in group if sizes[name] > 1] for side in places]
            return (POINT if flat[0] == flat[1] else WHOLE,)
        if len(left) != len(right) or len(x) < 2:
            return (POINT if numel(x[1:]) == 1 else WHOLE,)
        found = []
        for before, behind in zip(left[1:], right[1:], strict=True):
            old, new = (tuple(name for name in group if sizes[name] > 1) for group in (before, behind))
            if new == old[: len(new)]:
                step = prod([sizes[name] for name in old[len(new) :]])
                found.append(ReceptiveWindow(step, 0, step - 1))
            elif old == new[: len(old)]:
                f = prod([sizes[name] for name in new[len(old) :]])
                found.append(ReceptiveWindow(Fraction(1, f), Fraction(1 - f, f), 0, 1, f, lambda o: range(1)))
            else:
                return (WHOLE,)
        return (tuple(found),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Rearrange(*map(tuple, self._regrouped(x)))


class _Pixels(Free):
    """`rearrange` with the places of a square in the channels, on every axis."""

    factor: Size

    free = "a copy"

    def _factors(self, x: Shape) -> tuple[int, ...]:
        """The factor on every axis. Raises OpError where the value cannot be cut so."""
        return spread(self.factor, len(spatial(x, f"`{type(self).word}`")), "factor")

    def _pattern(self, x: Shape) -> Rearrange:
        """From channels that hold the places of each square to these places side by side."""
        parts = [(f"a{n}", f"f{n}", int(f)) for n, f in enumerate(self._factors(x))]
        held = f"(c {' '.join(f for _, f, _ in parts)}) {' '.join(a for a, _, _ in parts)}"
        dealt = f"c {' '.join(f'({a} {f})' for a, f, _ in parts)}"
        return Rearrange(self._turned(held, dealt), ", ".join(f"{f}={size}" for _, f, size in parts))

    def _turned(self, held: str, dealt: str) -> str:
        return f"{held} -> {dealt}"

    def normal(self, x: Shape) -> Op:
        return self._pattern(x).normal(x)

    def shape(self, x: Shape) -> Shape:
        return self._pattern(x).shape(x)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return self._pattern(x).receptive_window(x)

    def torch(self, rt: Any, x: Shape) -> Any:
        return self._pattern(x).torch(rt, x)


@op("pixel_shuffle", factor="how many times as long every axis becomes")
class PixelShuffle(_Pixels):
    """Channels dealt out over positions: C·r²×H×W to C×rH×rW (Shi et al., arXiv:1609.05158, eq. 4)."""

    factor: Size

    torch_module = "PixelShuffle"
    example = on((8, 4, 4), factor=2)

    def _factors(self, x: Shape) -> tuple[int, ...]:
        factors = super()._factors(x)
        if x[0] % numel(factors):
            raise OpError(f"{x[0]} channels cannot be dealt out over {dims(factors)} positions", "factor")
        return factors


@op("pixel_unshuffle", factor="how many times as short every axis becomes")
class PixelUnshuffle(_Pixels):
    """Positions gathered in channels, space to depth: C×rH×rW to C·r²×H×W, the inverse of `pixel_shuffle`."""

    factor: Size

    torch_module = "PixelUnshuffle"
    example = on((4, 8, 8), factor=2)

    def _factors(self, x: Shape) -> tuple[int, ...]:
        factors = super()._factors(x)
        for n, f in zip(x[1:], factors, strict=True):
            if n % f:
                raise OpError(f"a side of {n} cannot be cut into steps of {f}", "factor")
        return factors

    def _turned(self, held: str, dealt: str) -> str:
        return f"{dealt} -> {held}"
