"""Sequences: patches to tokens, class token, positions, attention."""

from __future__ import annotations

from typing import Any

from .base import WHOLE, Buffer, Elementwise, Free, Needs, Op, Param, ReceptiveWindow, ReceptiveWindows, Saves, on, op
from .shapes import SUM_BYTES, Count, Like, OpError, Shape, Tokens, Value, dims, numel, sized, spatial


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


@op("position")
class Position(_Positions):
    """Adds a learned position to each token (arXiv:2010.11929, eq. 1). Weights: tokens × width."""

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("positions", tuple(x), "weight"),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Position(*x)


@op("sinusoid")
class Sinusoid(_Positions):
    """Adds fixed sines and cosines of each token's position (Vaswani et al., arXiv:1706.03762, section 3.5)."""

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Sinusoid(*x)


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


@op(
    "attention",
    heads="how many heads share the widths of keys and values",
    memory="the sequence that keys and values come from",
    key="the width of the keys of all heads together",
    value="the width of the values of all heads together",
    causal="whether a token reads only itself and those before it",
)
class Attention(Op):
    """Multi-head attention: softmax(QKᵀ/√d)·V for each head, and a projection; the queries come from the sequence, keys
    and values from it too or, given `memory`, from that.

    Source: Vaswani et al., arXiv:1706.03762, section 3.2. `key` and `value` are the widths of all heads together (the
    sequence's unless given). MACs for T tokens of width D reading M of width E: T·D·key + M·E·(key + value) + T·value·D
    in the projections, T·M·key in QKᵀ and T·M·value in AV; `causal` masks scores and saves none of them.
    """

    heads: Count
    memory: Value = False
    key: Count | None = None
    value: Count | None = None
    bias: bool = True
    causal: bool = False

    family = "attention"
    torch_module = "MultiheadAttention"
    example = on(Tokens((6, 8)), heads=2)
    inputs = (1, 2)
    weight_layers = 2
    saves = "inputs"
    frees_grad_early = True

    def _sizes(self, x: Shape, memory: Shape | None) -> tuple[int, int, int, int, int, int]:
        source = x if memory is None else memory
        return x[0], x[1], source[0], source[1], self.key or x[1], self.value or x[1]

    def shape(self, x: Shape, memory: Shape | None = None) -> Shape:
        sequence(x, "attention")
        if memory is not None:
            sequence(memory, "attention")
        *_, key, value = self._sizes(x, memory)
        for width, name in ((key, "key"), (value, "value")):
            if width % self.heads:
                raise OpError(f"a {name} width of {width} cannot be cut into {self.heads} heads", "heads")
        return x

    def params(self, x: Shape, memory: Shape | None = None) -> tuple[Param, ...]:
        _, width, _, other, key, value = self._sizes(x, memory)
        found = []
        for name, out, into in (("q", key, width), ("k", key, other), ("v", value, other), ("out", width, value)):
            found.append(Param(f"{name}.weight", (out, into), "weight"))
            if self.bias:
                found.append(Param(f"{name}.bias", (out,), "bias"))
        return tuple(found)

    def macs(self, *xy: Shape) -> int:
        t, d, m, e, key, value = self._sizes(xy[0], xy[1] if len(xy) > 2 else None)
        return t * d * key + m * e * (key + value) + t * value * d + t * m * (key + value)

    def backward_macs(self, needs: Needs, *xy: Shape) -> int:
        t, d, m, e, key, value = self._sizes(xy[0], xy[1] if len(xy) > 2 else None)
        into_x, into_memory = needs[0], needs[-1]  # without a memory both are the sequence
        macs = 2 * self.macs(*xy)
        return macs - (0 if into_x else t * d * key) - (0 if into_memory else m * e * (key + value))

    def saved_buffers(self, needs: Needs, *xy: Shape) -> tuple[Buffer, ...]:
        t, _, m, _, key, value = self._sizes(xy[0], xy[1] if len(xy) > 2 else None)
        projected = Buffer("queries, keys and values", t * key + m * (key + value))
        mixed = Buffer("the mixed values", t * value)
        if key != value:  # torch has no fused kernel for it, and keeps the weights of all pairs
            return projected, mixed, Buffer("the attention weights", self.heads * t * m)
        return projected, mixed, Buffer("the logarithms of the sums", self.heads * t, SUM_BYTES)

    def backward_scratch(self, batch: int, itemsize: int, *xy: Shape) -> int:
        t, d, m, e, key, value = self._sizes(xy[0], xy[1] if len(xy) > 2 else None)
        own = sum(numel(param.shape) for param in self.params(*xy[:-1]))
        kept = sum(buffer.numel for buffer in self.saved_buffers((True,) * len(xy), *xy))
        projected = t * key + m * (key + value)
        scores = 0 if key == value else 2 * self.heads * t * m
        # At the mixing the gradients of the input and of three projections are not there yet; at the first of these
        # projections what the mixing kept is gone, at the last one all but the queries' gradient too.
        mixing = batch * (projected + t * value + scores - t * d) + d * value - own
        first = batch * (projected - kept) + (d + e) * value - own
        last = batch * (t * key + t * d - kept)
        return max(mixing, first, last) * itemsize

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        t, d, m, _, key, value = self._sizes(xy[0], xy[1] if len(xy) > 2 else None)
        scores = self.heads * t * m
        bias = {"bias": t * key + m * (key + value) + t * d} if self.bias else {}
        return {"softmax": scores, "multiply": scores, **bias}

    def receptive_window(self, *x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,) * len(x)

    def torch(self, rt: Any, x: Shape, memory: Shape | None = None) -> Any:
        _, width, _, other, key, value = self._sizes(x, memory)
        return rt.Attention(width, other, key, value, self.heads, self.bias, self.causal)
