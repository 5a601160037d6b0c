"""Pooling: windows, and whole maps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from .base import OPS, WHOLE, Buffer, Needs, Op, ReceptiveWindows, Saves, Weightless, on, op
from .conv import Window, around, restated, window
from .shapes import (
    INDEX_BYTES,
    Count,
    OpError,
    Pad,
    Shape,
    Size,
    Tokens,
    channels,
    dims,
    numel,
    single,
    spatial,
    with_channels,
)


def _within(k: int, _stride: int, _dilation: int) -> int:
    """The padding of a pool: (k − 1) // 2 where k is odd; an even one stays within the data, as in torch and Caffe."""
    return (k - 1) // 2 if k % 2 else 0


class _Pool(Weightless):
    """A window that slides like a convolution's, on each channel by itself."""

    kernel: Size
    stride: Size | None
    pad: Pad | None
    ceil: bool
    pad_end: Pad | None
    same: bool

    of_all: ClassVar[str]  # the op that takes the whole map
    beyond: ClassVar[float]  # what stands in the padding, as far as it goes
    family = "pool"
    example = on((4, 8, 8), kernel=3, stride=2)
    saves = "inputs"

    def _window(self, x: Shape) -> Window:
        word = type(self).word
        found = window(x, self.kernel, self._stride, self.pad, self.pad_end, self.same, 1, self.ceil, word, _within)
        if any(2 * max(p, q) > k for k, p, q in zip(found.kernel, found.before, found.behind, strict=True)):
            raise OpError("`pad` is at most half of the kernel: some windows would hold nothing but padding", "pad")
        if self.ceil and not found.even:
            raise OpError("`ceil` wants the same padding before and behind: it is not defined for another", "ceil")
        return found

    @property
    def _stride(self) -> Size:
        return self.kernel if self.stride is None else self.stride

    @property
    def restated(self) -> tuple[Op, str] | None:
        return restated(self, _within, self._stride, 1)

    def normal(self, x: Shape) -> Op | None:
        """A window as large as its map is the pool of all of it; rounding up counts where there is another window."""
        w = self._window(x)
        bare = not any((*w.before, *w.behind))
        if bare and {*w.kernel, *w.stride} == {1}:
            return None
        if bare and w.kernel == x[1:]:
            return OPS[self.of_all]().normal(x)
        pad, ceil = single(w.before), self.ceil and self.but(ceil=False).shape(x) != self.shape(x)
        return self.but(kernel=single(w.kernel), stride=single(w.stride), pad=pad, pad_end=w.end, same=False, ceil=ceil)

    def padded(self, before: tuple[int, ...], behind: tuple[int, ...], value: float) -> Op | None:
        found = self.but(**around(self, before, behind))
        return None if self.ceil or value != self.beyond else found

    def shape(self, x: Shape) -> Shape:
        return (x[0], *self._window(x).out)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"pool": numel(y) * math.prod(self._window(x).kernel)}

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "inputs" if self._window(x).even else "nothing"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return self._window(x).padded(x)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (self._window(x).receptive_window(),)


@op("maxpool")
class MaxPool(_Pool):
    """Largest value of each window; the stride is the kernel unless given, the pad (k − 1) // 2, or 0 of an even k."""

    kernel: Size
    stride: Size | None = None
    pad: Pad | None = None
    ceil: bool = False
    pad_end: Pad | None = None
    same: bool = False

    of_all = "gmp"
    beyond = -math.inf
    torch_module = "MaxPool"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (*super().saved_buffers(needs, x, y), Buffer("the indices", numel(y), INDEX_BYTES))

    def torch(self, rt: Any, x: Shape) -> Any:
        w = self._window(x)
        pool = (rt.nn.MaxPool1d, rt.nn.MaxPool2d, rt.nn.MaxPool3d)[len(w.kernel) - 1]
        if w.even:
            return pool(_single(w.kernel), _single(w.stride), _single(w.before), ceil_mode=self.ceil)
        return rt.padded(pool(_single(w.kernel), _single(w.stride), 0), w.before, w.behind, float("-inf"))


@op("avgpool", count_pad="whether the zeros of the padding count in the mean")
class AvgPool(_Pool):
    """Mean of each window; stride and pad as for `maxpool`. `count_pad`: the zeros of the padding are counted in."""

    kernel: Size
    stride: Size | None = None
    pad: Pad | None = None
    ceil: bool = False
    count_pad: bool = True
    pad_end: Pad | None = None
    same: bool = False

    of_all = "gap"
    beyond = 0.0
    torch_module = "AvgPool"

    def padded(self, before: tuple[int, ...], behind: tuple[int, ...], value: float) -> Op | None:
        return super().padded(before, behind, value) if self.count_pad else None  # some zeros would count, some not

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        padded = super().saved_buffers(needs, x, y)
        counts = (Buffer("how many are data", numel(y[1:]), once=True),) if padded and not self.count_pad else ()
        return (*padded, *counts)

    def normal(self, x: Shape) -> Op | None:
        found = super().normal(x)
        bare = isinstance(found, AvgPool) and not found.pad and found.pad_end is None
        return found.but(count_pad=True) if found and bare else found  # there are no zeros to count

    def shape(self, x: Shape) -> Shape:
        w = self._window(x)
        if len(w.kernel) == 3 and w.even and any(n < k for n, k in zip(x[1:], w.kernel, strict=True)):
            raise OpError(f"on three axes torch averages no window that is larger than the map {dims(x)}", "kernel")
        return (x[0], *w.out)

    def torch(self, rt: Any, x: Shape) -> Any:
        w = self._window(x)
        pool = (rt.nn.AvgPool1d, rt.nn.AvgPool2d, rt.nn.AvgPool3d)[len(w.kernel) - 1]
        kernel, stride = _single(w.kernel), _single(w.stride)
        if w.even:
            return pool(kernel, stride, _single(w.before), ceil_mode=self.ceil, count_include_pad=self.count_pad)
        if self.count_pad:
            return rt.padded(pool(kernel, stride, 0), w.before, w.behind)
        return rt.PaddedMean(pool(kernel, stride, 0), w.before, w.behind)


def _single(size: tuple[int, ...]) -> int | tuple[int, ...]:
    return size[0] if len(size) == 1 else size


@op("gap")
class GlobalAvgPool(Weightless):
    """Mean of each channel over the whole map: C×H×W to C×1×1 (Lin et al., arXiv:1312.4400, section 3.2)."""

    family = "pool"
    torch_module: ClassVar[str] = "AdaptiveAvgPool"
    settles: ClassVar[bool] = True
    saves: ClassVar[Saves] = "nothing"

    def normal(self, x: Shape) -> Op | None:
        return None if numel(x[1:]) == 1 else self

    def spellings(self, x: Shape) -> Iterable[Op]:
        yield OPS["mean"](axis=0) if isinstance(x, Tokens) and self.word == "gap" else self

    def shape(self, x: Shape) -> Shape:
        return (x[0], *(1 for _ in spatial(x, f"`{type(self).word}`")))

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"pool": numel(x)}

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,)

    def torch(self, rt: Any, x: Shape) -> Any:
        return (rt.nn.AdaptiveAvgPool1d, rt.nn.AdaptiveAvgPool2d, rt.nn.AdaptiveAvgPool3d)[len(x) - 2](1)


@op("maxout", of="how many neighbours the largest is taken of")
class Maxout(Weightless):
    """The largest of every `of` neighbouring channels, or elements of the width (Goodfellow et al., ICML 2013)."""

    of: Count

    family = "pool"
    example = on((4, 8, 8), of=2)
    saves = "both"

    def shape(self, x: Shape) -> Shape:
        if channels(x) % self.of:
            raise OpError(f"{channels(x)} channels cannot be cut into groups of {self.of}", "of")
        return with_channels(x, channels(x) // self.of)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"pool": numel(x)}

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        """Which elements are the largest, how many there are, and the gradient of each."""
        return batch * (numel(x) + numel(y) * (INDEX_BYTES + itemsize))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Maxout(self.of, -1 if isinstance(x, Tokens) else 1)


@op("gmp")
class GlobalMaxPool(GlobalAvgPool):
    """Largest value of each channel over the whole map: C×H×W to C×1×1."""

    torch_module = "AdaptiveMaxPool"
    saves = "inputs"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("the indices", numel(y), INDEX_BYTES),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return (rt.nn.AdaptiveMaxPool1d, rt.nn.AdaptiveMaxPool2d, rt.nn.AdaptiveMaxPool3d)[len(x) - 2](1)
