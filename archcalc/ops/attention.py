"""Attention: one op with what the field does to queries, keys and scores as arguments."""

from __future__ import annotations

import math
from typing import Any

from ..records import NamedTuple
from .base import POINT, WHOLE, Buffer, Needs, Op, Param, ReceptiveWindow, ReceptiveWindows, Saves, on, op
from .many import shifted
from .shapes import SUM_BYTES, Count, OpError, Shape, Size, Tokens, Value, Word, cuts_of, dims, items, numel, show
from .tokens import sequence

QK_NORMS = {"rmsnorm": "root", "layernorm": "layer", "l2norm": "length"}  # what each divides by, in the twin


class _Sizes(NamedTuple):
    """What an attention works on: T tokens of width D read M tokens, keys made of width E and values of width F; the
    widths of all heads of queries and of what they mix, and of the keys and values before heads share them."""

    t: int
    d: int
    m: int
    e: int
    f: int
    key: int
    value: int
    keys: int
    values: int
    out: int


@op(
    "attention",
    heads="how many heads share the widths of queries and values",
    memory="the sequence that keys and values come from",
    values="the sequence that the values come from, where it is another than that of the keys",
    kv_heads="how many heads of keys and values there are, each read by as many of the queries' heads",
    key="the width of the queries of all heads together; a key is as wide as its query",
    value="the width of what all heads together mix",
    out="the width of the output",
    bias="whether queries, keys and values have a bias",
    key_bias="whether keys have a bias, where that is another answer",
    out_bias="whether the output has a bias, where that is another answer",
    causal="whether a token reads only itself and those before it",
    window="how many tokens are read: with `causal` the last so many, else half of them on either side and itself",
    rotary="the base of the rotary embedding that turns queries and keys, such as 10000",
    rotary_width="how many elements of each head are turned, where that is not all",
    interleaved="whether neighbouring elements are turned together, not those of the two halves",
    relative="the axes of the tokens, of which each difference has a learned bias, as 7×7",
    decomposed="whether queries are multiplied with learned vectors of the differences along each axis of `relative`",
    buckets="how many classes of distances have a learned bias, as T5 has 32",
    distance="from which distance on all are one class of `buckets`",
    table="the learned biases as a value that several attentions share: classes × heads",
    positions="vectors of all differences, from the furthest token before to the furthest behind, that queries meet",
    mask="a value that is added to the scores, T × M or heads × T × M",
    alibi="whether scores fall with the distance, each head's at its own rate",
    qk_norm="how queries and keys are normalised, head by head: rmsnorm, layernorm, or l2norm with a temperature",
    scale="the factor of the scores, one over the root of a head's width unless given",
    dropout="the share of the weights that is zeroed in training",
)
class Attention(Op):
    """Multi-head attention: softmax(QKᵀ/√d)·V for each head, and a projection; the queries come from the sequence, keys
    and values from it too or, given `memory`, from that.

    Source: Vaswani et al., arXiv:1706.03762, section 3.2. `key` and `value` are the widths of all heads together (the
    sequence's unless given). MACs for T tokens of width D reading M of width E: T·D·key + M·E·(key + value) + T·value·D
    in the projections, T·M·key in QKᵀ and T·M·value in AV; masks and windows save none of them. With `kv_heads` keys
    and values are kv_heads/heads as wide before each is read by several heads (Ainslie et al., arXiv:2305.13245).

    Rotary embedding: Su et al., arXiv:2104.09864. `relative`: (2h − 1)·(2w − 1) biases a head (Liu et al.,
    arXiv:2103.14030, section 3.2); `buckets`: Raffel et al., arXiv:1910.10683, section 2.1, over both directions unless
    `causal`. ALiBi: Press et al., arXiv:2108.12409, its distance taken without sign where nothing is `causal`.
    `decomposed`: for each axis of n 2n − 1 vectors as wide as a head, for all heads; what the queries give with them is
    added to the scores as it is, T·n·key MACs an axis (Li et al., arXiv:2112.01526, section 4.1, and its code).
    `positions` are T + M − 1 vectors for all heads: queries meet them, T·(T + M − 1)·key MACs, with a learned bias v,
    and keys with another, u (Dai et al., arXiv:1901.02860, section 3.3).
    Tokens of windows that `windows` cut with a `shift` do not read those that came from elsewhere (section 3.2 there).
    `l2norm` is the scaled cosine of Liu et al., arXiv:2111.09883, section 3.2.
    """

    heads: Count
    memory: Value = False
    values: Value = False
    kv_heads: Count | None = None
    key: Count | None = None
    value: Count | None = None
    out: Count | None = None
    bias: bool = True
    key_bias: bool | None = None
    out_bias: bool | None = None
    causal: bool = False
    window: Count | None = None
    rotary: float | None = None
    rotary_width: Count | None = None
    interleaved: bool = False
    relative: Size | None = None
    decomposed: bool = False
    buckets: Count | None = None
    distance: Count = 128
    table: Value = False
    positions: Value = False
    mask: Value = False
    alibi: bool = False
    qk_norm: Word | None = None
    scale: float | None = None
    dropout: float = 0.0

    family = "attention"
    torch_module = "MultiheadAttention"
    example = on(Tokens((6, 8)), heads=2)
    inputs = (1, 6)
    weight_layers = 2
    saves = "inputs"
    frees_grad_early = True

    @property
    def _given(self) -> list[str]:
        """The arguments that are values of the network, in the order of the inputs behind the first."""
        return [name for name in ("memory", "values", "positions", "table", "mask") if getattr(self, name)]

    def _of(self, name: str, x: tuple[Any, ...]) -> Any:
        """What `x` has for the argument `name`; None where it is not given."""
        return x[1 + self._given.index(name)] if getattr(self, name) else None

    def _sizes(self, x: tuple[Shape, ...]) -> _Sizes:
        own = x[0]
        source = self._of("memory", x) or own
        mixed = self._of("values", x) or source
        key, value, shared = self.key or own[1], self.value or own[1], self.kv_heads
        keys, values = (key // self.heads * shared, value // self.heads * shared) if shared else (key, value)
        return _Sizes(own[0], own[1], source[0], source[1], mixed[1], key, value, keys, values, self.out or own[1])

    def _axes(self, tokens: int) -> tuple[int, ...]:
        """The axes that `relative` names, one number on each of them: 7 of 49 tokens is 7×7."""
        size = self.relative
        if not isinstance(size, int):
            return size or ()
        return next(((size,) * axes for axes in (1, 2, 3) if size**axes == tokens), (size,))

    def _classes(self, tokens: int) -> int:
        """How many biases each head has for pairs of tokens."""
        if self.relative is None:
            return self.buckets or 0
        if self.decomposed:
            return 0
        return math.prod(2 * n - 1 for n in self._axes(tokens))

    def shape(self, *x: Shape) -> Shape:
        for shape in (x[0], self._of("memory", x), self._of("values", x)):
            if shape is not None:
                sequence(shape, "attention")
        n = self._sizes(x)
        for width, name in ((n.key, "key"), (n.value, "value")):
            if width % self.heads:
                raise OpError(f"a {name} width of {width} cannot be cut into {self.heads} heads", "heads")
        if self.kv_heads and self.heads % self.kv_heads:
            raise OpError(f"{self.heads} heads cannot share {self.kv_heads} heads of keys and values", "kv_heads")
        mixed = self._of("values", x)
        if mixed is not None and mixed[0] != n.m:
            raise OpError(f"each key has a value: {n.m} keys, and values of {mixed[0]} tokens", "values")
        self._check_positions(n)
        self._check_added(n, self._of("table", x), self._of("mask", x))
        self._check_met(n, self._of("positions", x))
        if self.qk_norm not in (None, *QK_NORMS):
            known = ", ".join(QK_NORMS)
            raise OpError(f"`qk_norm` is one of {known}; here it is {self.qk_norm}", "qk_norm")
        if not 0 <= self.dropout < 1:
            raise OpError(f"`dropout` is a share from 0 to below 1, here it is {self.dropout:g}", "dropout")
        return Tokens((n.t, n.out))

    def _check_positions(self, n: _Sizes) -> None:
        """Raise OpError where a rotary embedding cannot turn the heads, or nothing is turned."""
        turned = self._turned(n)
        if self.rotary is None and (self.rotary_width or self.interleaved):
            raise OpError("nothing is turned without `rotary`", "rotary_width" if self.rotary_width else "interleaved")
        if self.rotary is not None and self.rotary <= 0:
            raise OpError(f"the base of `rotary` is above 0, here it is {self.rotary:g}", "rotary")
        if turned % 2 or turned > n.key // self.heads:
            raise OpError(
                f"a rotary embedding turns pairs: {turned} of a head's {n.key // self.heads} elements cannot be turned",
                "rotary_width" if self.rotary_width else "rotary",
            )

    def _check_added(self, n: _Sizes, table: Shape | None, mask: Shape | None) -> None:
        """Raise OpError where what is added to the scores does not fit them."""
        if self.relative is not None and self.buckets is not None:
            raise OpError("`relative` and `buckets` are two tables of biases: give one", "buckets")
        axes = self._axes(n.t)
        if self.relative is not None and not math.prod(axes) == n.t == n.m:
            raise OpError(f"`relative` is {show(axes)}; there are {n.t} tokens that read {n.m}", "relative")
        if self.buckets is not None and self.buckets // (1 if self.causal else 2) < 2:
            raise OpError(f"`buckets` of {self.buckets} are too few for near and far", "buckets")
        if self.buckets is None and self.distance != 128:
            raise OpError("`distance` is that of the last of `buckets`, and there are none", "distance")
        if self.buckets is not None and self.distance <= self.buckets // (2 if self.causal else 4):
            raise OpError(f"a `distance` of {self.distance} is within the classes of one distance each", "distance")
        wanted = (self._classes(n.t), self.heads)
        if table is not None and not wanted[0]:
            raise OpError("`relative` or `buckets` says which pair of tokens has which bias of the table", "table")
        if table is not None and not (isinstance(table, Tokens) and tuple(table) == wanted):
            raise OpError(f"the table is {dims(Tokens(wanted))} here; this value is {dims(table)}", "table")
        if mask is not None and tuple(mask) not in ((n.t, n.m), (1, n.t, n.m), (self.heads, n.t, n.m)):
            raise OpError(f"the scores are {self.heads}×{n.t}×{n.m}; this value is {dims(mask)}", "mask")

    def _check_met(self, n: _Sizes, positions: Shape | None) -> None:
        """Raise OpError where what queries are multiplied with does not fit them."""
        if self.decomposed and self.relative is None:
            raise OpError("`relative` names the axes that are `decomposed`", "decomposed")
        wanted = Tokens((n.t + n.m - 1, n.key))
        if positions is not None and not (isinstance(positions, Tokens) and tuple(positions) == tuple(wanted)):
            raise OpError(f"the differences are {dims(wanted)} here; this value is {dims(positions)}", "positions")

    def normal(self, *x: Shape) -> Op:
        n = self._sizes(x)
        scale = None if self.scale is None else float(f"{self.scale:.9g}")
        usual = scale is not None and math.isclose(scale, (n.key // self.heads) ** -0.5, rel_tol=1e-8)
        return self.but(
            kv_heads=None if self.kv_heads == self.heads else self.kv_heads, key=n.key, value=n.value, out=n.out,
            key_bias=self.bias if self.key_bias is None else self.key_bias, out_bias=self._out_bias,
            window=self._hides(n), rotary_width=self._turned(n) or None, scale=None if usual else scale,
            relative=self._axes(n.t) or None, dropout=0.0,
        )  # fmt: skip

    def _met(self, n: _Sizes) -> int:
        """How many vectors of differences each query is multiplied with."""
        return (sum(self._axes(n.t)) if self.decomposed else 0) + (n.t + n.m - 1 if self.positions else 0)

    def _turned(self, n: _Sizes) -> int:
        """How many elements of a head the rotary embedding turns."""
        return 0 if self.rotary is None else self.rotary_width or n.key // self.heads

    def params(self, *x: Shape) -> tuple[Param, ...]:
        n = self._sizes(x)
        key_bias = self.bias if self.key_bias is None else self.key_bias
        found = []
        for name, out, into, bias in (
            ("q", n.key, n.d, self.bias),
            ("k", n.keys, n.e, key_bias),
            ("v", n.values, n.f, self.bias),
            ("out", n.out, n.value, self._out_bias),
        ):
            found.append(Param(f"{name}.weight", (out, into), "weight"))
            if bias:
                found.append(Param(f"{name}.bias", (out,), "bias"))
        if self.qk_norm == "l2norm":
            found.append(Param("temperature", (self.heads,), "weight"))
        elif self.qk_norm:
            tensors = ("weight",) if self.qk_norm == "rmsnorm" else ("weight", "bias")
            width = (n.key // self.heads,)
            found += [Param(f"{name}_norm.{tensor}", width, "norm") for name in "qk" for tensor in tensors]
        if self._classes(n.t) and not self.table:
            found.append(Param("table", (self._classes(n.t), self.heads), "weight"))
        if self.decomposed:
            each = n.key // self.heads
            found += [Param(f"axis_{at}", (2 * size - 1, each), "weight") for at, size in enumerate(self._axes(n.t))]
        if self.positions:
            found += [Param(f"bias_{name}", (self.heads, n.key // self.heads), "bias") for name in "uv"]
        return tuple(found)

    @property
    def _out_bias(self) -> bool:
        return self.bias if self.out_bias is None else self.out_bias

    def _source_macs(self, n: _Sizes) -> tuple[int, int]:
        """The MACs that make keys, and values."""
        return n.m * n.e * n.keys, n.m * n.f * n.values

    def macs(self, *xy: Shape) -> int:
        n = self._sizes(xy[:-1])
        made = sum(self._source_macs(n)) if self.values else n.m * n.e * (n.keys + n.values)
        found = n.t * n.d * n.key + made + n.t * n.value * n.out + n.t * n.m * (n.key + n.value)
        return found + n.t * n.key * self._met(n) if self.decomposed or self.positions else found

    def backward_macs(self, needs: Needs, *xy: Shape) -> int:
        n = self._sizes(xy[:-1])
        keys, values = self._source_macs(n)
        # what is not given is the sequence, or the keys' source
        into_keys = needs[0] if not self.memory else self._of("memory", needs)
        into_values = into_keys if not self.values else self._of("values", needs)
        unneeded = (0 if needs[0] else n.t * n.d * n.key) + (0 if into_keys else keys) + (0 if into_values else values)
        if self.positions and not self._of("positions", needs):
            unneeded += n.t * (n.t + n.m - 1) * n.key
        return 2 * self.macs(*xy) - unneeded

    def chain(self, *x: Shape) -> int:
        return 4  # queries or keys, scores, what they mix, and the output

    def weight_macs(self, *xy: Shape) -> int:
        n = self._sizes(xy[:-1])
        between = n.m * (n.key + n.value) + (n.key * self._met(n) if self.positions else 0)
        return self.macs(*xy) - n.t * between

    @property
    def common(self) -> tuple[int, ...]:
        return tuple(1 + self._given.index(name) for name in ("table", "mask") if getattr(self, name))

    def _apart(self, x: tuple[Shape, ...]) -> bool:
        """Whether the items of a sample are looked at together: they hide other tokens, or have biases in common."""
        common = any(cuts_of(x[at]) != cuts_of(x[0]) for at in self.common)
        return common or shifted(x[0]) is not None

    def _fused(self, needs: Needs, n: _Sizes, x: tuple[Shape, ...]) -> bool:
        """Whether torch has a kernel that keeps no weights: not with biases that are learned, or other dropouts."""
        table = self._of("table", needs) if self.table else self._classes(n.t) > 0
        return n.key == n.value and not (
            table or self._met(n) or self._of("mask", needs) or self.dropout or self._apart(x)
        )

    def saved(self, needs: Needs, *xy: Shape) -> Saves:
        """The sources, and a mask that goes into the fused kernel as it is."""
        sources = 1 + bool(self.memory) + bool(self.values)
        n = self._sizes(xy[:-1])
        alone = self.mask and not (self.causal or self._hides(n) or self.alibi or self.table)
        return (
            (*range(sources), len(self._given)) if alone and self._fused(needs, n, xy[:-1]) else tuple(range(sources))
        )

    def copied(self, *x: Shape) -> tuple[int, ...]:
        """One for each projection that reads it."""
        found = [1] + [0] * (bool(self.memory) + bool(self.values))
        found[bool(self.memory)] += 1
        found[-1 if self.values else bool(self.memory)] += 1
        return tuple(found)

    def _hides(self, n: _Sizes) -> Count | None:
        """The window, where it hides a token."""
        reach = self.window if self.window is None or self.causal else self.window // 2 + 1
        return self.window if reach is not None and reach < max(n.t, n.m) else None

    def _added(self, needs: Needs, n: _Sizes, xy: tuple[Shape, ...]) -> int:
        """The elements that are made for each sample to be added to the scores, and kept: values with more to them."""
        mask = self._of("mask", xy)
        if not self._fused(needs, n, xy[:-1]) or not (
            self.table or (mask and len(self.saved(needs, *xy)) < len(xy) - 1)
        ):
            return 0
        whole = self.table or self.alibi or (mask and numel(mask) > n.t * n.m)
        return (self.heads if whole else 1) * n.t * n.m

    def saved_buffers(self, needs: Needs, *xy: Shape) -> tuple[Buffer, ...]:
        n = self._sizes(xy[:-1])
        fused = self._fused(needs, n, xy[:-1])
        least = 0 if fused else SUM_BYTES  # where torch has no fused kernel, it works with floats
        pairs = self.heads * n.t * n.m
        found = [
            Buffer("queries, keys and values", n.t * n.key + n.m * (n.key + n.value), least),
            Buffer("the mixed values", n.t * n.value),
        ]
        if not fused:  # torch keeps the weights of all pairs
            found.append(Buffer("the attention weights", pairs, least))
            found += [Buffer("the mask of the dropout, and what it leaves", 2 * pairs, least)] if self.dropout else []
        else:
            found.append(Buffer("the logarithms of the sums", self.heads * n.t, SUM_BYTES))
            added = self._added(needs, n, xy)
            found += [Buffer("what is added to the scores", added)] if added else []
        if self.decomposed:
            axes, width = self._axes(n.t), n.key // self.heads
            found.append(Buffer("the queries along each axis", len(axes) * n.t * n.key))
            found.append(Buffer("the vectors of pairs", sum(size**2 for size in axes) * width, once=True))
        if self.positions:
            if self._of("positions", needs):
                found.append(Buffer("the queries that meet positions", n.t * n.key))
            found.append(Buffer("the positions of each head", (n.t + n.m - 1) * n.key))
        return (*found, *self._norm_buffers(n))

    def _norm_buffers(self, n: _Sizes) -> tuple[Buffer, ...]:
        """What the norms of queries and keys keep."""
        if not self.qk_norm:
            return ()
        vectors = n.t * self.heads + n.m * (self.kv_heads or self.heads)
        queries, keys = n.t * n.key, n.m * n.keys
        found = [Buffer("queries and keys before their norms", queries + keys)]
        if self.qk_norm == "rmsnorm":
            return *found, Buffer("their lengths", vectors), Buffer("what is scaled", queries + keys)
        found.append(Buffer("their means and deviations, or lengths", 2 * vectors))
        if self.qk_norm == "l2norm":
            found += [Buffer("queries of length 1", queries), Buffer("the temperatures", self.heads, once=True)]
        return tuple(found)

    def backward_scratch(self, batch: int, itemsize: int, *xy: Shape) -> int:
        n = self._sizes(xy[:-1])
        needs = (True,) * (len(xy) - 1)
        own = sum(numel(param.shape) for param in self.params(*xy[:-1]))
        kept = sum(buffer.numel for buffer in self.saved_buffers(needs, *xy))
        projected = n.t * n.key + n.m * (n.key + n.value)
        scores = 0 if self._fused(needs, n, xy[:-1]) else 2 * self.heads * n.t * n.m
        # At the mixing the gradients of the input and of three projections are not there yet; at the first of these
        # projections what the mixing kept is gone, at the last one all but the queries' gradient too.
        mixing = batch * (projected + n.t * n.value + scores - n.t * n.d) + n.out * n.value - own
        first = batch * (projected - kept) + (n.out + n.f) * n.value - own
        last = batch * (n.t * n.key + n.t * n.d - kept)
        return max(mixing, first, last) * itemsize

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        n = self._sizes(xy[:-1])
        scores = self.heads * n.t * n.m
        biased = {param.name for param in self.params(*xy[:-1]) if param.kind == "bias"}
        bias: Any = 0
        if "q.bias" in biased:
            bias += n.t * n.key
            bias += n.m * (n.keys + n.values) if "k.bias" in biased else n.m * n.values
        elif "k.bias" in biased:
            bias += n.m * n.keys
        bias += n.t * n.out if self._out_bias else 0
        turned: Any = self._turned(n) and (n.t * self.heads + n.m * (self.kv_heads or self.heads)) * self._turned(n)
        added = scores * ((self._classes(n.t) > 0) + bool(self.mask) + self.alibi + bool(self.positions))
        added += scores * len(self._axes(n.t)) if self.decomposed else 0
        bias += 2 * n.t * n.key if self.positions else 0
        normed = n.t * n.key + n.m * n.keys if self.qk_norm else 0
        found = {
            "softmax": scores, "multiply": scores + 2 * turned, "bias": bias, "add": turned + added, "norm": normed,
        }  # fmt: skip
        return {kind: count for kind, count in found.items() if count}

    def receptive_window(self, *x: Shape) -> tuple[ReceptiveWindows, ...]:
        """Of each sequence that is mixed all, or the window; queries read themselves alone."""
        reach: ReceptiveWindows = WHOLE
        if self.window and self._hides(self._sizes(x)):
            back, ahead = (self.window - 1, 0) if self.causal else (self.window // 2, self.window // 2)
            reach = (ReceptiveWindow(1, -back, ahead),)
        others = {"memory": reach, "values": reach, "positions": WHOLE, "table": WHOLE, "mask": WHOLE}
        own = POINT if self.memory else reach
        return (own, *(others[name] for name in self._given))

    def torch(self, rt: Any, *x: Shape) -> Any:
        n, cut = self._sizes(x), shifted(x[0])
        added = {
            "items": items(x[0]) if self._apart(x) else 0, "windows": (cut.of, cut.each, cut.shift) if cut else (),
            "common": tuple(self._given[at - 1] for at in self.common if cuts_of(x[at]) != cuts_of(x[0])),
            "causal": self.causal, "window": self._hides(n), "relative": self._axes(n.t), "decomposed": self.decomposed,
            "buckets": self.buckets or 0,
            "distance": self.distance, "alibi": self.alibi, "classes": 0 if self.table else self._classes(n.t),
        }  # fmt: skip
        return rt.Attention(
            widths=n._asdict(),
            heads=(self.heads, self.kv_heads or self.heads),
            biases=tuple(
                f"{name}.bias" in {param.name for param in self.params(*x)} for name in ("q", "k", "v", "out")
            ),
            given=tuple(self._given),
            rotary=(self.rotary or 0.0, self._turned(n), self.interleaved),
            qk_norm=QK_NORMS.get(self.qk_norm or "", ""),
            scale=self.scale,
            dropout=self.dropout,
            added=added,
        )
