"""Convolutions and fully connected layers: what MACs are counted of."""

from __future__ import annotations

import math
from typing import Any

from .base import (
    Count,
    Op,
    OpError,
    Pad,
    Param,
    Shape,
    Size,
    Tokens,
    dims,
    numel,
    op,
    spatial,
    spread,
)


def window(
    x: Shape, kernel: Size, stride: Size, pad: Pad | None, dilation: Size = 1, ceil: bool = False, what: str = "conv"
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride, pad and output size on every axis: ⌊(n + 2p − d·(k − 1) − 1) / s⌋ + 1.

    The pad is d·(k − 1) // 2 unless given. With `ceil` the division is rounded up, where the last window still
    begins inside the input or its left pad (Dumoulin & Visin, arXiv:1603.07285, section 2; torch.nn.MaxPool2d).
    """
    size = spatial(x, f"`{what}`")
    axes = len(size)
    k, s, d = spread(kernel, axes, "kernel"), spread(stride, axes, "stride"), spread(dilation, axes, "dilation")
    p = tuple(e * (n - 1) // 2 for e, n in zip(d, k, strict=True)) if pad is None else spread(pad, axes, "pad")
    out = []
    for n, ki, si, pi, di in zip(size, k, s, p, d, strict=True):
        reach = di * (ki - 1) + 1
        room = n + 2 * pi - reach
        o = -(-room // si) + 1 if ceil else room // si + 1
        if o < 1:  # with `ceil` a window may reach over the end
            raise OpError(f"a window of {reach} does not fit a side of {n} with {pi} of padding", "kernel")
        out.append(o - 1 if ceil and (o - 1) * si >= n + pi else o)
    return k, s, p, tuple(out)


@op("conv")
class Conv(Op):
    """Convolution over as many axes as the value has; pads d·(k − 1) // 2 unless `pad` is given.

    Weights: out × (in / groups) × kernel. MACs: one weight row for every output position.
    """

    out: Count
    kernel: Size
    stride: Size = 1
    pad: Pad | None = None
    groups: Count = 1
    dilation: Size = 1
    bias: bool = True

    weight_layers = 1

    def _window(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        return window(x, self.kernel, self.stride, self.pad, self.dilation)

    def shape(self, x: Shape) -> Shape:
        size = self._window(x)[3]
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

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"bias": numel(y)} if self.bias else {}

    def torch(self, rt: Any, x: Shape) -> Any:
        kernel, stride, pad, _ = self._window(x)
        conv = (rt.nn.Conv1d, rt.nn.Conv2d, rt.nn.Conv3d)[len(kernel) - 1]
        dilation = spread(self.dilation, len(kernel), "dilation")
        return conv(x[0], self.out, kernel, stride, pad, dilation, self.groups, self.bias)


@op("dwconv")
class DepthwiseConv(Op):
    """Depth-wise convolution: each channel has `multiplier` kernels of its own; pads like `conv`.

    Weights: in · multiplier × 1 × kernel (Howard et al., arXiv:1704.04861, section 3.1).
    """

    kernel: Size
    stride: Size = 1
    pad: Pad | None = None
    dilation: Size = 1
    multiplier: Count = 1
    bias: bool = True

    weight_layers = 1

    def _conv(self, x: Shape) -> Conv:
        spatial(x, "`dwconv`")
        return Conv(x[0] * self.multiplier, self.kernel, self.stride, self.pad, x[0], self.dilation, self.bias)

    def shape(self, x: Shape) -> Shape:
        return self._conv(x).shape(x)

    def params(self, x: Shape) -> tuple[Param, ...]:
        return self._conv(x).params(x)

    def macs(self, x: Shape, y: Shape) -> int:
        return self._conv(x).macs(x, y)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return self._conv(x).elementwise(x, y)

    def torch(self, rt: Any, x: Shape) -> Any:
        return self._conv(x).torch(rt, x)


@op("linear")
class Linear(Op):
    """Fully connected layer: flattens C×H×W, works on the width of [tokens, width].

    Weights: out × in. MACs: out · in, for every token.
    """

    out: Count
    bias: bool = True

    weight_layers = 1

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

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"bias": numel(y)} if self.bias else {}

    def torch(self, rt: Any, x: Shape) -> Any:
        linear = rt.nn.Linear if isinstance(x, Tokens) or len(x) == 1 else rt.FlatLinear
        return linear(self._width(x), self.out, self.bias)
