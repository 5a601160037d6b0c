"""Pooling: windows, and whole maps."""

from __future__ import annotations

import math
from typing import Any

from .base import OpError, Pad, Shape, Size, Weightless, dims, numel, op, spatial
from .conv import window


class _Pool(Weightless):
    """A window that slides like a convolution's, on each channel by itself."""

    __slots__ = ()
    kernel: Size
    stride: Size | None
    pad: Pad | None
    ceil: bool

    def _window(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        stride = self.kernel if self.stride is None else self.stride
        found = window(x, self.kernel, stride, self.pad, 1, self.ceil, type(self).word)
        if any(2 * pad > kernel for kernel, pad in zip(found[0], found[2], strict=True)):
            raise OpError("`pad` is at most half of the kernel: some windows would hold nothing but padding", "pad")
        return found

    def shape(self, x: Shape) -> Shape:
        return (x[0], *self._window(x)[3])

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"pool": numel(y) * math.prod(self._window(x)[0])}


@op("maxpool")
class MaxPool(_Pool):
    """Largest value of each window; the stride is the kernel and the pad (k − 1) // 2 unless given."""

    kernel: Size
    stride: Size | None = None
    pad: Pad | None = None
    ceil: bool = False

    def torch(self, rt: Any, x: Shape) -> Any:
        kernel, stride, pad, _ = self._window(x)
        pool = (rt.nn.MaxPool1d, rt.nn.MaxPool2d, rt.nn.MaxPool3d)[len(kernel) - 1]
        return pool(*(_single(v) for v in (kernel, stride, pad)), ceil_mode=self.ceil)


@op("avgpool")
class AvgPool(_Pool):
    """Mean of each window, zeros of the padding included; stride and pad as for `maxpool`."""

    kernel: Size
    stride: Size | None = None
    pad: Pad | None = None
    ceil: bool = False

    def shape(self, x: Shape) -> Shape:
        kernel = self._window(x)[0]
        if len(kernel) == 3 and any(n < k for n, k in zip(x[1:], kernel, strict=True)):
            raise OpError(f"on three axes torch averages no window that is larger than the map {dims(x)}", "kernel")
        return _Pool.shape(self, x)  # without arguments `super` looks in the class that `slots` replaces

    def torch(self, rt: Any, x: Shape) -> Any:
        kernel, stride, pad, _ = self._window(x)
        pool = (rt.nn.AvgPool1d, rt.nn.AvgPool2d, rt.nn.AvgPool3d)[len(kernel) - 1]
        return pool(*(_single(v) for v in (kernel, stride, pad)), ceil_mode=self.ceil)


def _single(size: tuple[int, ...]) -> int | tuple[int, ...]:
    return size[0] if len(size) == 1 else size


@op("gap")
class GlobalAvgPool(Weightless):
    """Mean of each channel over the whole map: C×H×W to C×1×1 (Lin et al., arXiv:1312.4400, section 3.2)."""

    def shape(self, x: Shape) -> Shape:
        return (x[0], *(1 for _ in spatial(x, "`gap`")))

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"pool": numel(x)}

    def torch(self, rt: Any, x: Shape) -> Any:
        return (rt.nn.AdaptiveAvgPool1d, rt.nn.AdaptiveAvgPool2d, rt.nn.AdaptiveAvgPool3d)[len(x) - 2](1)
