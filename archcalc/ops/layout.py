"""Ops that move, cut, widen or spread values, and sizes that they leave behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

from .base import (
    FIXED,
    OPS,
    POINT,
    WHOLE,
    Buffer,
    Free,
    Needs,
    Op,
    Param,
    ReceptiveWindow,
    ReceptiveWindows,
    Saves,
    Weightless,
    on,
    op,
)
from .shapes import (
    INDEX_BYTES,
    Count,
    Like,
    OpError,
    Pad,
    Shape,
    Sides,
    Size,
    Tokens,
    Value,
    Word,
    channels,
    dims,
    numel,
    single,
    sized,
    spatial,
    spread,
)


class _LaidOut(Free):
    lays_out = True
    storage = "view"
    gradient = "view"
    free = "a view"

    def normal(self, x: Shape) -> Op | None:
        return None

    def deals_out(self, x: Shape) -> bool:
        return True

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        """Where the positions of a map become elements of a vector, what follows tells them apart no more."""
        return (POINT if not isinstance(x, Tokens) and numel(x[1:]) == 1 else WHOLE,)


@op("flatten")
class Flatten(_LaidOut):
    """A map as one vector: C×H×W to [C·H·W]."""

    torch_module = "Flatten"
    settles = True

    def normal(self, x: Shape) -> Op | None:
        """Of tokens the elements come in another order than those of their map."""
        return self if isinstance(x, Tokens) and min(x) > 1 else None

    def shape(self, x: Shape) -> Shape:
        return (numel(x),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.nn.Flatten()


@op("reshape")
class Reshape(_LaidOut):
    """The same elements in another shape, channels first: `reshape(1024×4×4)`; an axis of −1 is what is left."""

    size: Sides

    example = on((16,), size=(4, 2, 2))

    def shape(self, x: Shape) -> Shape:
        if isinstance(x, Tokens):
            raise OpError(
                f"`reshape` does not say what becomes of the tokens of {dims(x)}: "
                "`map(14×14)` gives them places, `rearrange(t (g c) -> (t g) c, g=2)` deals them out anew"
            )
        size = (self.size,) if isinstance(self.size, int) else self.size
        if -1 in size:
            rest = -numel(size)
            if numel(x) % rest:
                raise OpError(f"{dims(x)} has {numel(x)} elements, which {rest} does not divide", "size")
            size = tuple(numel(x) // rest if side == -1 else side for side in size)
        if numel(size) != numel(x):
            raise OpError(f"{dims(x)} has {numel(x)} elements, {dims(size)} has {numel(size)}", "size")
        return size

    def normal(self, x: Shape) -> Op | None:
        """Of a vector, or to one, it changes no element's place among its channels; maps it deals out anew."""
        size = self.shape(x)
        return None if size == x or 1 in (len(x), len(size)) else Reshape(size)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        (reach,) = super().receptive_window(x)
        return (reach if reach is WHOLE or numel(self.shape(x)[1:]) == 1 else (FIXED,),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Reshape(self.shape(x))


# Where each way to go on reads place i of n, from below 0 to behind the last.
BEYOND: dict[str, Callable[[int, int], int]] = {
    "reflect": lambda i, n: n - 1 - abs(n - 1 - abs(i)),
    "replicate": lambda i, n: min(max(i, 0), n - 1),
    "circular": lambda i, n: i % n,
}


@op(
    "pad",
    size="elements before every axis",
    end="elements behind every axis",
    mode="where they are those of the map: `reflect` mirrors it at the edge, `replicate` repeats that, `circular` goes"
    " on at the other side",
    value="what they are otherwise",
)
class Padding(Free):
    """A map made larger: by `size` before each axis, and behind it unless `end` is given; zeros, or another `value`, or
    elements of the map, `pad(3, mode=reflect)`.
    """

    size: Pad
    end: Pad | None = None
    mode: Word | None = None
    value: float = 0.0

    torch_module = "ZeroPad"
    example = on((4, 8, 8), size=2)
    free = "a copy"

    def _sides(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
        axes = len(spatial(x, "`pad`"))
        before = spread(self.size, axes, "size")
        return before, before if self.end is None else spread(self.end, axes, "end")

    def padding(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], float] | None:
        return None if self.mode else (*self._sides(x), self.value)

    def normal(self, x: Shape) -> Op | None:
        before, behind = self._sides(x)
        end = None if before == behind else single(behind)
        return self.but(size=single(before), end=end) if any((*before, *behind)) else None

    def shape(self, x: Shape) -> Shape:
        before, behind = self._sides(x)
        if self.mode not in (None, *BEYOND):
            raise OpError(f"`mode` is one of {', '.join(BEYOND)}; here it is {self.mode}", "mode")
        if self.mode and self.value:
            raise OpError(f"with `mode={self.mode}` the map itself goes on: `value` cannot be given beside it", "value")
        most = {"reflect": -1, "circular": 0}.get(self.mode or "")
        for n, sides in zip(x[1:], zip(before, behind, strict=True), strict=True):
            if most is not None and max(sides) > n + most:
                raise OpError(f"`{self.mode}` has {n + most} elements to go on with on a side of {n}", "size")
        return (x[0], *(a + n + b for a, n, b in zip(before, x[1:], behind, strict=True)))

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "inputs" if self.mode in ("reflect", "replicate") else "nothing"  # torch keeps them for their size

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        """A ring is written side by side: of each the gradient of all, a copy of the side, and zeros for it."""
        if self.mode != "circular":
            return 0
        widest = max(
            numel(y) // n * max(sides) for n, sides in zip(y[1:], zip(*self._sides(x), strict=True), strict=True)
        )
        return batch * itemsize * (numel(y) + max(0, 2 * widest - numel(x)))

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        axes = zip(self._sides(x)[0], x[1:], self.shape(x)[1:], strict=True)
        return (tuple([self._reads(*axis) for axis in axes]),)

    def _reads(self, before: int, n: int, o: int) -> ReceptiveWindow:
        """What each of o elements reads of n along an axis."""
        if not self.mode or n == o:
            return ReceptiveWindow(1, -before, -before)
        at = BEYOND[self.mode]
        real = [range(place, place + 1) for place in (at(i - before, n) for i in range(o))]
        return ReceptiveWindow(1, -before, -before, 1, o, real.__getitem__, self.mode)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Padding(*self._sides(x), self.mode or "constant", self.value)


@op("shift")
class Shift(Free):
    """A map moved by one towards the start of each axis, zeros behind: the second path of NASNet's reductions.

    Source: slim/nets/nasnet/nasnet_utils.py, factorized_reduction (Zoph et al., arXiv:1707.07012).
    """

    free = "a copy"

    def shape(self, x: Shape) -> Shape:
        spatial(x, "`shift`")
        return x

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (tuple(ReceptiveWindow(1, 1, 1) for _ in x[1:]),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Shift()


@op("crop", like="the size that the map is cut to")
class Crop(Free):
    """The middle of a map: of a size, or of the height and width of another value (`crop(wide)`).

    Where the margin is odd, the smaller half is cut in front (Ronneberger et al., arXiv:1505.04597, section 2).
    """

    like: Like

    example = on((4, 8, 8), (4, 8, 8), like=True)
    inputs = (1, 2)
    read = 1
    storage = "view"
    free = "a view"

    def shape(self, x: Shape, like: Shape | None = None) -> Shape:
        size = sized(self.like, like, len(spatial(x, "`crop`")), "`crop`")
        if any(small > large for small, large in zip(size, x[1:], strict=True)):
            raise OpError(f"{dims(x)} cannot be cropped to {dims(tuple(size))}", "like")
        return (x[0], *size)

    def receptive_window(self, x: Shape, like: Shape | None = None) -> tuple[ReceptiveWindows, ...]:
        cut = [(n - o) // 2 for n, o in zip(x[1:], self.shape(x, like)[1:], strict=True)]
        return (tuple(ReceptiveWindow(1, margin, margin) for margin in cut),)

    def torch(self, rt: Any, x: Shape, like: Shape | None = None) -> Any:
        return rt.Crop(x[1:], self.shape(x, like)[1:])


@lru_cache(maxsize=256)
def _shares(n: int, o: int) -> ReceptiveWindow:
    """Window i of n inputs in o parts: ⌊i·n/o⌋ … ⌈(i + 1)·n/o⌉ − 1."""
    parts = o // math.gcd(n, o)
    off, step = 1 - Fraction(1, parts), Fraction(n, o)
    if parts == 1:
        return ReceptiveWindow(n // o, 0, n // o - 1)
    return ReceptiveWindow(step, -off, step - 1 + off, 1, parts, lambda i: range(i * n // o, -(-(i + 1) * n // o)))


@op("shuffle")
class ChannelShuffle(Free):
    """The channels of `groups` groups dealt out in turn (Zhang et al., arXiv:1707.01083, section 3.1)."""

    groups: Count

    torch_module = "ChannelShuffle"
    example = on((4, 8, 8), groups=2)
    free = "a copy"

    def shape(self, x: Shape) -> Shape:
        spatial(x, "`shuffle`")
        if x[0] % self.groups:
            raise OpError(f"{x[0]} channels cannot be cut into {self.groups} groups", "groups")
        return x

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.ChannelShuffle(self.groups)


@op("adaptive_avgpool")
class AdaptiveAvgPool(Weightless):
    """Means over windows that bring every axis to `size`: window i is ⌊i·n/o⌋ … ⌈(i + 1)·n/o⌉ (torch's rule)."""

    size: Size

    family = "pool"
    torch_module: ClassVar[str] = "AdaptiveAvgPool"
    example = on((4, 8, 8), size=2)
    saves = "inputs"

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "nothing" if numel(y[1:]) == 1 else "inputs"  # torch takes a plain mean then

    of_all: ClassVar[str] = "gap"

    def normal(self, x: Shape) -> Op | None:
        size = spread(self.size, len(x) - 1, "size")
        if size == x[1:]:
            return None
        return self.but(size=single(size)) if numel(size) > 1 else OPS[self.of_all]()

    def shape(self, x: Shape) -> Shape:
        return (x[0], *spread(self.size, len(spatial(x, f"`{type(self).word}`")), "size"))

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        windows = [
            sum(-(-(i + 1) * n // o) - i * n // o for i in range(o)) if o < 10_000 else n + o
            for n, o in zip(x[1:], y[1:], strict=True)
        ]
        return {"pool": x[0] * math.prod(windows)}

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        """All where an axis is brought to 1."""
        each = [*zip(x[1:], self.shape(x)[1:], strict=True)]
        return (WHOLE if any(o == 1 < n for n, o in each) else tuple(_shares(n, o) for n, o in each),)

    def torch(self, rt: Any, x: Shape) -> Any:
        pool = (rt.nn.AdaptiveAvgPool1d, rt.nn.AdaptiveAvgPool2d, rt.nn.AdaptiveAvgPool3d)[len(x) - 2]
        return pool(self.shape(x)[1:] if len(x) > 2 else self.shape(x)[1])


@op("adaptive_maxpool")
class AdaptiveMaxPool(AdaptiveAvgPool):
    """Largest values over the windows of `adaptive_avgpool`."""

    torch_module = "AdaptiveMaxPool"
    of_all = "gmp"

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "inputs"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("the indices", numel(y), INDEX_BYTES),)

    def torch(self, rt: Any, x: Shape) -> Any:
        pool = (rt.nn.AdaptiveMaxPool1d, rt.nn.AdaptiveMaxPool2d, rt.nn.AdaptiveMaxPool3d)[len(x) - 2]
        return pool(self.shape(x)[1:] if len(x) > 2 else self.shape(x)[1])


@op("embed", words="how many ids there are")
class Embedding(Free):
    """A learned vector for each of `words` ids: [tokens] to [tokens, width]. Weights: words × width."""

    words: Count
    width: Count

    family = "embedding"
    torch_module = "Embedding"
    example = on((16,), words=100, width=5)
    free = "a look-up"
    saves = "inputs"

    def shape(self, x: Shape) -> Shape:
        if isinstance(x, Tokens) or len(x) != 1:
            raise OpError(f"`embed` reads ids, an input such as `50`; this value is {dims(x)}")
        return Tokens((x[0], self.width))

    @property
    def ids(self) -> int:
        return self.words

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("weight", (self.words, self.width), "weight"),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.nn.Embedding(self.words, self.width)


@op("matmul", transpose="whether the second value is transposed first")
class MatMul(Weightless):
    """The matrix product of two sequences: [n, k] · [k, m], with `transpose` [n, k] · [m, k]ᵀ. MACs: n · k · m."""

    other: Value
    transpose: bool = False

    family = "product"
    example = on(Tokens((6, 8)), Tokens((6, 8)), other=True, transpose=True)
    inputs = (2, 2)
    free = "its cost is in its MACs"
    saves = "factors"

    def shape(self, x: Shape, other: Shape) -> Shape:
        if len(x) != 2 or len(other) != 2:
            raise OpError(f"`matmul` works on two sequences; these values are {dims(x)} and {dims(other)}")
        inner, outer = (other[1], other[0]) if self.transpose else (other[0], other[1])
        if x[1] != inner:
            raise OpError(f"the sides of `matmul` do not fit: {dims(x)} and {dims(other)}", "other")
        return Tokens((x[0], outer))

    def macs(self, x: Shape, other: Shape, y: Shape) -> int:
        return numel(y) * channels(Tokens(x))

    def backward_macs(self, needs: Needs, x: Shape, other: Shape, y: Shape) -> int:
        return self.macs(x, other, y) * sum(needs)

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {}

    def receptive_window(self, x: Shape, other: Shape) -> tuple[ReceptiveWindows, ...]:
        return POINT if isinstance(x, Tokens) else WHOLE, WHOLE

    def torch(self, rt: Any, x: Shape, other: Shape) -> Any:
        return rt.MatMul(self.transpose)
