"""Sequences: patches to tokens, class token, positions."""

from __future__ import annotations

from typing import Any

from .base import (
    OPS,
    WHOLE,
    Buffer,
    Elementwise,
    Free,
    Needs,
    Op,
    Param,
    ReceptiveWindow,
    ReceptiveWindows,
    Saves,
    on,
    op,
)
from .shapes import Count, Like, OpError, Shape, Tokens, Value, dims, numel, sized, spatial


def sequence(x: Shape, what: str) -> Tokens:
    """`x` as [tokens, width]. Raises OpError where it is none."""
    if not isinstance(x, Tokens):
        raise OpError(f"`{what}` works on [tokens, width]; this value is {dims(x)}: `tokens` makes a sequence of a map")
    return x


@op("tokens")
class MapToTokens(Free):
    """The positions of a map as a sequence: C×H×W to [H·W, C]."""

    storage = "view"
    gradient = "view"
    free = "a view"

    def normal(self, x: Shape) -> Op | None:
        return None

    def shape(self, x: Shape) -> Shape:
        return Tokens((numel(spatial(x, "`tokens`")), x[0]))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.MapToTokens()


@op("map", like="the size of the map")
class TokensToMap(Free):
    """The tokens of a sequence as the positions of a map, row by row, as `tokens` reads them: [H·W, C] to C×H×W.

    `map(14×14)` says the size, `map(wide)` takes the height and width of another value.
    """

    like: Like

    example = on(Tokens((6, 8)), like=(2, 3))
    inputs = (1, 2)
    read = 1
    storage = "view"
    gradient = "view"
    free = "a view"

    def normal(self, *x: Shape) -> Op | None:
        return None

    def shape(self, x: Shape, like: Shape | None = None) -> Shape:
        tokens, width = sequence(x, "map")
        axes = 1 if isinstance(self.like, (int, bool)) else len(self.like)
        size = sized(self.like, like, axes if like is None else len(like) - 1, "`map`")
        if numel(size) != tokens:
            raise OpError(f"{tokens} tokens do not fill {dims(size)}, which has {numel(size)} places", "like")
        return (width, *size)

    def torch(self, rt: Any, x: Shape, like: Shape | None = None) -> Any:
        return rt.TokensToMap(self.shape(x, like)[1:])


@op("class_token")
class ClassToken(Free):
    """A learned token before the others (Dosovitskiy et al., arXiv:2010.11929, eq. 1). Weights: its width."""

    family = "embedding"
    example = on(Tokens((6, 8)))
    gradient = "view"
    free = "a copy"

    def shape(self, x: Shape) -> Shape:
        tokens, width = sequence(x, "class_token")
        return Tokens((tokens + 1, width))

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return ((ReceptiveWindow(1, -1, -1),),)

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("token", (1, x[1]), "weight"),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.ClassToken(x[1])


class _Positions(Elementwise):
    operation = "add"
    family = "embedding"
    example = on(Tokens((6, 8)))
    gradient = "passed"

    def shape(self, x: Shape) -> Shape:
        return sequence(x, self.word)


@op("position", length="how many positions are learned, of which the first are added; as many as tokens unless given")
class Position(_Positions):
    """Adds a learned position to each token (arXiv:2010.11929, eq. 1). Weights: tokens × width, or length × width."""

    length: Count | None = None

    keeps_order = True

    def shape(self, x: Shape) -> Shape:
        tokens, _ = sequence(x, "position")
        if self.length is not None and self.length < tokens:
            raise OpError(f"{tokens} tokens need as many positions; there are {self.length}", "length")
        return x

    def normal(self, x: Shape) -> Op:
        return self.but(length=None) if self.length == x[0] else self

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("positions", (self.length or x[0], x[1]), "weight"),)

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return numel(x) * itemsize if (self.length or 0) > x[0] else 0  # their gradient, before that of all is made

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Position(self.length or x[0], *x)


@op("sinusoid", relative="whether tokens stand for differences, from (tokens − 1) / 2 down to its negative")
class Sinusoid(_Positions):
    """Adds fixed sines and cosines of each token's position (Vaswani et al., arXiv:1706.03762, section 3.5), or of the
    difference that it stands for, as `positions` of `attention` do (Dai et al., arXiv:1901.02860, section 3.3)."""

    relative: bool = False

    def shape(self, x: Shape) -> Shape:
        tokens, _ = sequence(x, "sinusoid")
        if self.relative and tokens % 2 == 0:
            raise OpError(f"differences are an odd number, as many before as behind; there are {tokens}", "relative")
        return x

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Sinusoid(*x, first=x[0] // 2 if self.relative else 0, step=-1 if self.relative else 1)


@op("reverse")
class Reverse(Free):
    """The tokens in the opposite order."""

    example = on(Tokens((6, 8)))
    free = "a copy"

    def shape(self, x: Shape) -> Shape:
        return sequence(x, "reverse")

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return ((ReceptiveWindow(-1, x[0] - 1, x[0] - 1),),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Reverse()


@op("take", index="which token is taken, counted from 0")
class Take(Free):
    """One token of a sequence, counted from 0: [tokens, width] to [width]."""

    index: int = 0

    example = on(Tokens((6, 8)))
    storage = "view"
    free = "a view"

    def normal(self, x: Shape) -> Op | None:
        return OPS["slice"](self.index, self.index + 1, axis=0).normal(x)

    def shape(self, x: Shape) -> Shape:
        tokens, width = sequence(x, "take")
        if self.index >= tokens:
            raise OpError(f"there is no token {self.index}: the sequence has {tokens}, counted from 0", "index")
        return (width,)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return ((ReceptiveWindow(0, self.index, self.index),),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Take(self.index)


@op("weighted", by="the weight of each token")
class Weighted(Op):
    """The sum of the tokens, each times its weight: [T, D] with weights [T, 1] to [D], T·D MACs.

    Source: the context vector of Bahdanau et al., arXiv:1409.0473, eq. 5.
    """

    by: Value

    family = "product"
    example = on(Tokens((6, 1)), Tokens((6, 1)), by=True)
    inputs = (2, 2)
    saves = "factors"
    free = "its cost is in its MACs"

    def shape(self, x: Shape, by: Shape) -> Shape:
        tokens, width = sequence(x, "weighted")
        if not isinstance(by, Tokens) or tuple(by) != (tokens, 1):
            raise OpError(f"`weighted` wants {tokens} tokens × 1 as weights; these are {dims(by)}", "by")
        return (width,)

    def macs(self, x: Shape, by: Shape, y: Shape) -> int:
        return numel(x)

    def backward_macs(self, needs: Needs, x: Shape, by: Shape, y: Shape) -> int:
        return sum(needs) * numel(x)

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {}

    def receptive_window(self, x: Shape, by: Shape) -> tuple[ReceptiveWindows, ...]:
        return WHOLE, WHOLE

    def torch(self, rt: Any, x: Shape, by: Shape) -> Any:
        return rt.Weighted()


@op("similarity")
class Similarity(Op):
    """The cosine of two vectors, times a learned temperature: D MACs, one weight.

    Source: Radford et al., arXiv:2103.00020, figure 3; one pair, as counts are for one sample.
    """

    other: Value

    family = "product"
    example = on((16,), (16,), other=True)
    inputs = (2, 2)
    saves = "inputs"

    def shape(self, x: Shape, other: Shape) -> Shape:
        if len(x) != 1 or other != x:
            raise OpError(f"`similarity` works on two vectors of one width: {dims(x)} and {dims(other)}")
        return (1,)

    def params(self, x: Shape, other: Shape) -> tuple[Param, ...]:
        return (Param("temperature", (1,), "weight"),)

    def macs(self, x: Shape, other: Shape, y: Shape) -> int:
        return numel(x)

    def backward_macs(self, needs: Needs, x: Shape, other: Shape, y: Shape) -> int:
        return sum(needs) * numel(x)

    def saved(self, needs: Needs, x: Shape, other: Shape, y: Shape) -> Saves:
        return "inputs" if any(needs) else "nothing"

    def saved_buffers(self, needs: Needs, x: Shape, other: Shape, y: Shape) -> tuple[Buffer, ...]:
        found = [Buffer("the cosine", 1), Buffer("the temperature's power", 1, once=True)]
        if any(needs):
            found += [Buffer("vectors of length 1", 2 * numel(x)), Buffer("lengths", 4)]
        return tuple(found)

    def elementwise(self, x: Shape, other: Shape, y: Shape) -> dict[str, int]:
        return {"norm": 2 * numel(x), "multiply": 1}

    def torch(self, rt: Any, x: Shape, other: Shape) -> Any:
        return rt.Similarity()
