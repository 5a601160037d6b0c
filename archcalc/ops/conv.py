"""Convolutions and fully connected layers: what MACs are counted of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import Any, ClassVar

from ..records import NamedTuple
from .base import OPS, POINT, WHOLE, Buffer, Needs, Op, Param, ReceptiveWindow, ReceptiveWindows, Saves, on, op
from .shapes import (
    Count,
    OpError,
    Pad,
    Shape,
    Size,
    Tokens,
    Value,
    dims,
    numel,
    show,
    single,
    spatial,
    spread,
    with_channels,
)


class Window(NamedTuple):
    """A window that slides over every axis: its size, its step, the padding before and behind, the output size, and
    its size with the gaps of a dilation."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    behind: tuple[int, ...]
    out: tuple[int, ...]
    extent: tuple[int, ...]

    def receptive_window(self) -> ReceptiveWindows:
        return tuple(
            ReceptiveWindow(s, -p, r - 1 - p, (r - 1) // (k - 1) if k > 1 else 1)
            for s, p, r, k in zip(self.stride, self.before, self.extent, self.kernel, strict=True)
        )

    @property
    def even(self) -> bool:
        """Whether the padding is the same on both sides, as torch's own ops take it."""
        return self.before == self.behind

    @property
    def end(self) -> Pad | None:
        """The padding behind where it is another than that before, as `pad_end` says it."""
        return None if self.even else single(self.behind)

    def padded(self, x: Shape) -> tuple[Buffer, ...]:
        """The padded copy of `x` that is kept in its stead where torch's own op cannot pad so."""
        if self.even:
            return ()
        sides = (p + n + q for p, n, q in zip(self.before, x[1:], self.behind, strict=True))
        return (Buffer("the padded input", x[0] * math.prod(sides)),)


def _beside(k: int, s: int, d: int) -> int:
    """The padding of a convolution: d·(k − 1) // 2, but none of patches, whose stride is their kernel."""
    return 0 if k == s and d == 1 else d * (k - 1) // 2


def around(op: Any, before: tuple[int, ...], behind: tuple[int, ...]) -> dict[str, Pad | None]:
    """The padding of an op in normal form with more of it."""
    own = spread(op.pad or 0, len(before), "pad")
    end = own if op.pad_end is None else spread(op.pad_end, len(behind), "pad_end")
    before, behind = (tuple(a + b for a, b in zip(*sides, strict=True)) for sides in ((own, before), (end, behind)))
    return {"pad": single(before), "pad_end": None if before == behind else single(behind)}


def restated(op: Any, usual: Callable[[int, int, int], int], stride: Size, dilation: Size) -> tuple[Op, str] | None:
    """`Op.restated` of an op with a padding, which was d·(k − 1) // 2 for every window."""
    if op.pad is not None or op.same:
        return None
    axes = max(len(size) if isinstance(size, tuple) else 1 for size in (op.kernel, stride, dilation))
    sizes = [*zip(*(spread(size, axes, "kernel") for size in (op.kernel, stride, dilation)), strict=True)]
    now, before = tuple(usual(*axis) for axis in sizes), tuple(d * (k - 1) // 2 for k, _, d in sizes)
    return None if now == before else (op.but(pad=single(now)), f"pad={show(single(before))}")


def window(
    x: Shape,
    kernel: Size,
    stride: Size,
    pad: Pad | None,
    pad_end: Pad | None = None,
    same: bool = False,
    dilation: Size = 1,
    ceil: bool = False,
    what: str = "conv",
    usual: Callable[[int, int, int], int] = _beside,
) -> Window:
    """Place a window: ⌊(n + p + q − d·(k − 1) − 1) / s⌋ + 1 outputs on every axis.

    The padding p before the data is `usual` unless given, q behind it is p unless given. `same` pads as TensorFlow
    does, so that there are ⌈n / s⌉ outputs, the odd zero behind. With `ceil` the division is rounded up, where the last
    window still begins inside the input or the padding before it.

    Source: Dumoulin & Visin, arXiv:1603.07285, section 2; torch.nn.MaxPool2d.
    """
    size = spatial(x, f"`{what}`")
    place = _kept if type(size[0]) is int else _placed  # a number that remembers how it came about is not another
    return place(size, kernel, stride, pad, pad_end, same, dilation, ceil, usual)


def _placed(
    size: tuple[int, ...],
    kernel: Size,
    stride: Size,
    pad: Pad | None,
    pad_end: Pad | None,
    same: bool,
    dilation: Size,
    ceil: bool,
    usual: Callable[[int, int, int], int],
) -> Window:
    axes = len(size)
    k, s, d = spread(kernel, axes, "kernel"), spread(stride, axes, "stride"), spread(dilation, axes, "dilation")
    extent = tuple([di * (ki - 1) + 1 for ki, di in zip(k, d, strict=True)])
    if same:
        if pad is not None or pad_end is not None:
            raise OpError("`same` settles the padding: `pad` cannot be given beside it", "same")
        total = tuple(max((-(-n // si) - 1) * si + r - n, 0) for n, si, r in zip(size, s, extent, strict=True))
        p, q = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    else:
        sizes = zip(k, s, d, strict=True)
        p = tuple([usual(*axis) for axis in sizes]) if pad is None else spread(pad, axes, "pad")
        q = p if pad_end is None else spread(pad_end, axes, "pad_end")
    out = []
    for n, r, si, pi, qi in zip(size, extent, s, p, q, strict=True):
        if same:
            out.append(-(-n // si))
            continue
        room = n + pi + qi - r
        o = -(-room // si) + 1 if ceil else room // si + 1
        if o < 1:  # with `ceil` a window may reach over the end
            padding = f"{pi} of padding" if pi == qi else f"{pi} + {qi} of padding"
            raise OpError(f"a window of {r} does not fit a side of {n} with {padding}", "kernel")
        out.append(o - 1 if ceil and (o - 1) * si >= n + pi else o)
    return Window(k, s, p, q, tuple(out), extent)


_kept = lru_cache(maxsize=8192)(_placed)  # most maps have one of few sizes


class _Layer(Op):
    """A product of weights with every window, token or vector, and its bias."""

    bias: bool

    weight_layers = 1
    saves: ClassVar[Saves] = "inputs"

    def backward_macs(self, needs: Needs, x: Shape, y: Shape) -> int:
        return self.macs(x, y) * (1 + sum(needs))

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"bias": numel(y)} if self.bias else {}

    def folded(self) -> Op | None:
        return self if self.bias else self.but(bias=True)

    def fan_in(self, x: Shape) -> int:
        return numel(self.params(x)[0].shape[1:])


class _Convolution(_Layer):
    family = "convolution"
    scratch_inwards = True


@op("conv")
class Conv(_Convolution):
    """Convolution over as many axes as the value has; pads d·(k − 1) // 2, or 0 of patches, unless `pad` is given.

    Patches have a stride that is their kernel (Dosovitskiy et al., arXiv:2010.11929, section 3.1).
    Weights: out × (in / groups) × kernel. MACs: one weight row for every output position.
    """

    out: Count
    kernel: Size
    stride: Size = 1
    pad: Pad | None = None
    groups: Count = 1
    dilation: Size = 1
    bias: bool = True
    pad_end: Pad | None = None
    same: bool = False

    torch_module = "Conv"
    example = on((4, 8, 8), out=8, kernel=3, stride=2)

    def _window(self, x: Shape) -> Window:
        return window(x, self.kernel, self.stride, self.pad, self.pad_end, self.same, self.dilation)

    @property
    def restated(self) -> tuple[Op, str] | None:
        return restated(self, _beside, self.stride, self.dilation)

    def shape(self, x: Shape) -> Shape:
        size = self._window(x).out
        for count, what in ((x[0], "input"), (self.out, "output")):
            if count % self.groups:
                raise OpError(f"{count} {what} channels cannot be cut into {self.groups} groups", "groups")
        return (self.out, *size)

    def params(self, x: Shape) -> tuple[Param, ...]:
        kernel = spread(self.kernel, len(x) - 1, "kernel")
        weight = Param("weight", (self.out, x[0] // self.groups, *kernel), "weight")
        return (weight, Param("bias", (self.out,), "bias")) if self.bias else (weight,)

    def macs(self, x: Shape, y: Shape) -> int:
        return numel(y) * (x[0] // self.groups) * math.prod(spread(self.kernel, len(x) - 1, "kernel"))

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "inputs" if self._window(x).even else "nothing"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return self._window(x).padded(x)

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        """By how much the gradient of the padded input is larger than that of the input."""
        return sum(batch * (buffer.numel - numel(x)) * itemsize for buffer in self._window(x).padded(x))

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (self._window(x).receptive_window(),)

    def normal(self, x: Shape) -> Op:
        """A convolution with 1×1, or as large as its map, is a fully connected layer, of each position or of all."""
        w = self._window(x)
        each = {*w.kernel, *w.stride} == {1}
        if self.groups == 1 and not any((*w.before, *w.behind)) and (each or w.kernel == x[1:]):
            return OPS["linear"](self.out, self.bias)
        gaps = spread(self.dilation, len(w.kernel), "dilation")
        dilation = single(tuple(1 if k == 1 else d for k, d in zip(w.kernel, gaps, strict=True)))
        return Conv(
            self.out, single(w.kernel), single(w.stride), single(w.before), self.groups, dilation, self.bias, w.end
        )

    def spellings(self, x: Shape) -> Iterable[Op]:
        if 1 < x[0] == self.groups and not self.out % x[0]:
            same = ("kernel", "stride", "pad", "dilation", "bias", "pad_end")
            yield DepthwiseConv(multiplier=self.out // x[0], **{name: getattr(self, name) for name in same})
        yield self

    def padded(self, before: tuple[int, ...], behind: tuple[int, ...], value: float) -> Op | None:
        return None if value else self.but(**around(self, before, behind))

    def _modules(self, rt: Any) -> tuple[Any, ...]:
        """The torch modules for one axis, two and three."""
        return rt.nn.Conv1d, rt.nn.Conv2d, rt.nn.Conv3d

    def torch(self, rt: Any, x: Shape) -> Any:
        w = self._window(x)
        conv = self._modules(rt)[len(w.kernel) - 1]
        dilation = spread(self.dilation, len(w.kernel), "dilation")
        pad = w.before if w.even else 0
        made = conv(x[0], self.out, w.kernel, w.stride, pad, dilation, self.groups, self.bias)
        return made if w.even else rt.padded(made, w.before, w.behind)


@op("dwconv", multiplier="how many kernels each channel has")
class DepthwiseConv(_Convolution):
    """Depth-wise convolution: each channel has `multiplier` kernels of its own; pads like `conv`.

    Weights: in · multiplier × 1 × kernel (Howard et al., arXiv:1704.04861, section 3.1).
    """

    kernel: Size
    stride: Size = 1
    pad: Pad | None = None
    dilation: Size = 1
    multiplier: Count = 1
    bias: bool = True
    pad_end: Pad | None = None
    same: bool = False

    torch_module = "Conv"
    example = on((4, 8, 8), kernel=3, stride=2)
    takes_defaults_of = "conv"

    @property
    def restated(self) -> tuple[Op, str] | None:
        return restated(self, _beside, self.stride, self.dilation)

    def _conv(self, x: Shape) -> Conv:
        spatial(x, "`dwconv`")
        out = x[0] * self.multiplier
        return Conv(out, self.kernel, self.stride, self.pad, x[0], self.dilation, self.bias, self.pad_end, self.same)

    def normal(self, x: Shape) -> Op:
        return self._conv(x).normal(x)

    def shape(self, x: Shape) -> Shape:
        return self._conv(x).shape(x)

    def params(self, x: Shape) -> tuple[Param, ...]:
        return self._conv(x).params(x)

    def macs(self, x: Shape, y: Shape) -> int:
        return self._conv(x).macs(x, y)

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return self._conv(x).saved(needs, x, y)

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return self._conv(x).saved_buffers(needs, x, y)

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return self._conv(x).backward_scratch(batch, itemsize, x, y)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return self._conv(x).receptive_window(x)

    def torch(self, rt: Any, x: Shape) -> Any:
        return self._conv(x).torch(rt, x)


@lru_cache(maxsize=256)
def _transposed(k: int, s: int, p: int, d: int) -> ReceptiveWindow:
    """Output o of a transposed convolution reads the inputs i with o = s·i − p + d·t for some t below k."""
    common = gcd(s, d)
    every = d // common

    def reads(o: int) -> range:
        if (o + p) % common:
            return range(0)
        t = (o + p) // common * pow(every, -1, s // common) % (s // common)  # the least t; then every s / common
        last, more = (o + p - d * t) // s, (k - 1 - t) // (s // common)
        return range(last - more * every, last + 1, every)

    if s == 1:
        return ReceptiveWindow(1, p - d * (k - 1), p, d)
    return ReceptiveWindow(Fraction(1, s), Fraction(p - d * (k - 1), s), Fraction(p, s), 1, s, reads)


@op(
    "deconv",
    pad="how much is cut off both ends of every axis of the output",
    out_pad="what is added behind every axis of the output",
)
class TransposedConv(_Convolution):
    """Transposed convolution: (n − 1)·s − 2p + d·(k − 1) + out_pad + 1 outputs on every axis; no padding unless given.

    Weights: in × (out / groups) × kernel. MACs: every input element meets every weight of its channel once.
    Source: Dumoulin & Visin, arXiv:1603.07285, section 4.
    """

    out: Count
    kernel: Size
    stride: Size = 1
    pad: Pad = 0
    out_pad: Pad = 0
    groups: Count = 1
    dilation: Size = 1
    bias: bool = True

    torch_module = "ConvTranspose"
    example = on((4, 8, 8), out=8, kernel=3, stride=2)

    def normal(self, x: Shape) -> Op:
        sizes = ("kernel", "stride", "pad", "out_pad", "dilation")
        return self.but(**{name: single(spread(getattr(self, name), len(x) - 1, name)) for name in sizes})

    def fan_in(self, x: Shape) -> int:
        return 0  # other outputs sum another number of products

    def shape(self, x: Shape) -> Shape:
        axes = len(spatial(x, "`deconv`"))
        for count, what in ((x[0], "input"), (self.out, "output")):
            if count % self.groups:
                raise OpError(f"{count} {what} channels cannot be cut into {self.groups} groups", "groups")
        fields = (self.kernel, self.stride, self.pad, self.out_pad, self.dilation)
        names = ("kernel", "stride", "pad", "out_pad", "dilation")
        size = []
        each = zip(x[1:], *(spread(f, axes, name) for f, name in zip(fields, names, strict=True)), strict=True)
        for n, k, s, p, extra, d in each:
            if extra >= max(s, d):
                raise OpError(f"`out_pad` is smaller than the stride or the dilation; here it is {extra}", "out_pad")
            side = (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
            if side < 1:
                raise OpError(f"a padding of {p} leaves nothing of a side of {n}", "pad")
            size.append(side)
        return (self.out, *size)

    def params(self, x: Shape) -> tuple[Param, ...]:
        kernel = spread(self.kernel, len(x) - 1, "kernel")
        weight = Param("weight", (x[0], self.out // self.groups, *kernel), "weight")
        return (weight, Param("bias", (self.out,), "bias")) if self.bias else (weight,)

    def macs(self, x: Shape, y: Shape) -> int:
        return numel(x) * (self.out // self.groups) * math.prod(spread(self.kernel, len(x) - 1, "kernel"))

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        fields = ((self.kernel, "kernel"), (self.stride, "stride"), (self.pad, "pad"), (self.dilation, "dilation"))
        each = zip(*(spread(size, len(x) - 1, name) for size, name in fields), strict=True)
        return (tuple(_transposed(*axis) for axis in each),)

    def torch(self, rt: Any, x: Shape) -> Any:
        axes = len(x) - 1
        conv = (rt.nn.ConvTranspose1d, rt.nn.ConvTranspose2d, rt.nn.ConvTranspose3d)[axes - 1]
        kernel, stride = spread(self.kernel, axes, "kernel"), spread(self.stride, axes, "stride")
        pad, out_pad = spread(self.pad, axes, "pad"), spread(self.out_pad, axes, "out_pad")
        dilation = spread(self.dilation, axes, "dilation")
        return conv(x[0], self.out, kernel, stride, pad, out_pad, self.groups, self.bias, dilation)


@op("linear")
class Linear(_Layer):
    """Fully connected layer: flattens C×H×W, works on the width of [tokens, width].

    Weights: out × in. MACs: out · in, for every token.
    """

    out: Count
    bias: bool = True

    family = "linear"
    torch_module = "Linear"
    example = on((4, 8, 8), out=8)
    param_grads_are_views = True

    def of_each_expert(self) -> Op:
        twin: Op = OPS["expert_linear"](out=self.out, gates=True, bias=self.bias)
        return twin

    def spellings(self, x: Shape) -> Iterable[Op]:
        """Of each position of a map it is a convolution."""
        yield self
        if not isinstance(x, Tokens):
            yield Conv(self.out, 1, bias=self.bias)

    @staticmethod
    def _width(x: Shape) -> int:
        return x[-1] if isinstance(x, Tokens) else numel(x)

    def shape(self, x: Shape) -> Shape:
        if not x:
            raise OpError(f"`linear` wants a vector, a map or tokens; this value is {dims(x)}")
        return Tokens((*x[:-1], self.out)) if isinstance(x, Tokens) else (self.out,)

    def params(self, x: Shape) -> tuple[Param, ...]:
        weight = Param("weight", (self.out, self._width(x)), "weight")
        return (weight, Param("bias", (self.out,), "bias")) if self.bias else (weight,)

    def macs(self, x: Shape, y: Shape) -> int:
        return numel(y) * self._width(x)

    def copied(self, x: Shape) -> tuple[int, ...]:
        return (1,) if isinstance(x, Tokens) else ()

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (POINT if isinstance(x, Tokens) or numel(x[1:]) == 1 else WHOLE,)

    def torch(self, rt: Any, x: Shape) -> Any:
        linear = rt.nn.Linear if isinstance(x, Tokens) or len(x) == 1 else rt.FlatLinear
        return linear(self._width(x), self.out, self.bias)


@op("bilinear")
class Bilinear(Op):
    """y = aᵀ W b + c of two vectors (or of two sequences, token by token).

    Weights: out × in₁ × in₂. MACs: out · in₁ · in₂ for W b, and out · in₁ for the product with a (torch.nn.Bilinear).
    """

    other: Value
    out: Count
    bias: bool = True

    family = "linear"
    torch_module = "Bilinear"
    example = on(Tokens((6, 8)), Tokens((6, 8)), other=True, out=8)
    inputs = (2, 2)
    weight_layers = 1
    saves = "inputs"

    def shape(self, x: Shape, other: Shape) -> Shape:
        alike = isinstance(x, Tokens) == isinstance(other, Tokens) and x[:-1] == other[:-1]
        if not alike or (len(x) > 1 and not isinstance(x, Tokens)):
            raise OpError(f"`bilinear` works on two vectors or two sequences alike: {dims(x)} and {dims(other)}")
        return with_channels(x, self.out)

    def params(self, x: Shape, other: Shape) -> tuple[Param, ...]:
        weight = Param("weight", (self.out, x[-1], other[-1]), "weight")
        return (weight, Param("bias", (self.out,), "bias")) if self.bias else (weight,)

    def macs(self, x: Shape, other: Shape, y: Shape) -> int:
        return numel(y) * (x[-1] * other[-1] + x[-1])

    def backward_macs(self, needs: Needs, x: Shape, other: Shape, y: Shape) -> int:
        into_x, into_other = needs  # (W b) g, (aᵀ W) g and, for W, g a bᵀ: the first product, and the second
        both = x[-1] * other[-1]
        return numel(y) * ((both + x[-1]) * (1 + into_x) + (both + other[-1]) * into_other)

    def elementwise(self, x: Shape, other: Shape, y: Shape) -> dict[str, int]:
        return {"bias": numel(y)} if self.bias else {}

    def torch(self, rt: Any, x: Shape, other: Shape) -> Any:
        return rt.nn.Bilinear(x[-1], other[-1], self.out, self.bias)
