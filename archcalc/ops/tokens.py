"""Sequences: patches to tokens, class token, positions, attention."""

from __future__ import annotations

from typing import Any

from .base import Count, Free, Op, OpError, Param, Shape, Tokens, Weightless, dims, numel, op, spatial


def sequence(x: Shape, what: str) -> Tokens:
    """`x` as [tokens, width]. Raises OpError where it is none."""
    if not isinstance(x, Tokens):
        raise OpError(f"`{what}` works on [tokens, width]; this value is {dims(x)}: `tokens` makes a sequence of a map")
    return x


@op("tokens")
class MapToTokens(Free):
    """The positions of a map as a sequence: C×H×W to [H·W, C]."""

    storage = "view"
    free = "a view"

    def shape(self, x: Shape) -> Shape:
        return Tokens((numel(spatial(x, "`tokens`")), x[0]))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.MapToTokens()


@op("class_token")
class ClassToken(Free):
    """A learned token before the others (Dosovitskiy et al., arXiv:2010.11929, eq. 1). Weights: its width."""

    free = "a copy"

    def shape(self, x: Shape) -> Shape:
        tokens, width = sequence(x, "class_token")
        return Tokens((tokens + 1, width))

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("token", (1, x[1]), "weight"),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.ClassToken(x[1])


@op("position")
class Position(Weightless):
    """Adds a learned position to each token (arXiv:2010.11929, eq. 1). Weights: tokens × width."""

    def shape(self, x: Shape) -> Shape:
        return sequence(x, "position")

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("positions", tuple(x), "weight"),)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"add": numel(y)}

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Position(*x)


@op("take")
class Take(Free):
    """One token of a sequence, counted from 0: [tokens, width] to [width]."""

    index: int = 0

    storage = "view"
    free = "a view"

    def shape(self, x: Shape) -> Shape:
        tokens, width = sequence(x, "take")
        if self.index >= tokens:
            raise OpError(f"there is no token {self.index}: the sequence has {tokens}, counted from 0", "index")
        return (width,)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Take(self.index)


@op("attention")
class Attention(Op):
    """Multi-head self-attention: queries, keys and values, softmax(QKᵀ/√d)·V for each head, and a projection.

    Source: Vaswani et al., arXiv:1706.03762, section 3.2. Weights: 4 · width². MACs for T tokens of width D:
    4·T·D² in the projections, T²·D in QKᵀ and T²·D in AV.
    """

    heads: Count
    bias: bool = True

    weight_layers = 2

    def shape(self, x: Shape) -> Shape:
        _, width = sequence(x, "attention")
        if width % self.heads:
            raise OpError(f"a width of {width} cannot be cut into {self.heads} heads", "heads")
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        width = x[1]
        qkv, out = Param("qkv.weight", (3 * width, width), "weight"), Param("out.weight", (width, width), "weight")
        if not self.bias:
            return qkv, out
        return qkv, Param("qkv.bias", (3 * width,), "bias"), out, Param("out.bias", (width,), "bias")

    def macs(self, x: Shape, y: Shape) -> int:
        tokens, width = x
        return 4 * tokens * width * width + 2 * tokens * tokens * width

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        tokens, width = x
        scores = self.heads * tokens * tokens
        bias = {"bias": 4 * tokens * width} if self.bias else {}
        return {"softmax": scores, "multiply": scores, **bias}

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Attention(x[1], self.heads, self.bias)
