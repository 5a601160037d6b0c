"""Other convolutions: with standardised weights, weights for each position or that are a value, at places that are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from .base import POINT, WHOLE, Buffer, Needs, Op, Param, ReceptiveWindows, Saves, on, op
from .conv import Conv, Window, window
from .shapes import Count, OpError, Pad, Shape, Size, Value, dims, numel, single, spread


class _Other(Op):
    kernel: Size
    stride: Size
    pad: Pad | None

    family = "convolution"
    weight_layers = 1
    saves: ClassVar[Saves] = "inputs"

    def normal(self, *x: Shape) -> Op:
        w = window(x[0], self.kernel, self.stride, self.pad, dilation=getattr(self, "dilation", 1))
        return self.but(kernel=single(w.kernel), stride=single(w.stride), pad=single(w.before))


@op("stdconv")
class StandardizedConv(Conv):
    """A convolution whose weights are standardised wherever they are used: those of each output channel have a mean of
    0 and a deviation of 1. It learns, pads and counts as `conv`; what is done to the weights is not counted.

    Source: Qiao et al., arXiv:1903.10520, section 3.1; Kolesnikov et al., arXiv:1912.11370, section 3.3.
    """

    eps: float = 1e-10

    torch_module = ""  # it is in timm
    takes_defaults_of = "conv"
    restated = None

    def normal(self, x: Shape) -> Op:
        w = self._window(x)
        sizes = {"kernel": single(w.kernel), "stride": single(w.stride), "pad": single(w.before), "pad_end": w.end}
        return self.but(dilation=single(spread(self.dilation, len(w.kernel), "dilation")), same=False, **sizes)

    def spellings(self, x: Shape) -> Iterable[Op]:
        yield self

    def folded(self) -> Op | None:
        return None

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        weights = Buffer("the standardised weights", numel(self.params(x)[0].shape), once=True)
        return (*super().saved_buffers(needs, x, y), weights, Buffer("means and deviations", 2 * self.out, once=True))

    def torch(self, rt: Any, x: Shape) -> Any:
        made = super().torch(rt, x)
        made.eps = self.eps
        return made

    def _modules(self, rt: Any) -> tuple[Any, ...]:
        return rt.StandardizedConv1d, rt.StandardizedConv2d, rt.StandardizedConv3d


@op("localconv")
class LocalConv(_Other):
    """Unshared convolution, locally connected: `conv` with weights, and a bias, of their own for each position.

    Weights: positions × out × in × kernel (LeCun, 1989; Taigman et al., CVPR 2014, section 3). Pads like `conv`.
    """

    out: Count
    kernel: Size
    stride: Size = 1
    pad: Pad | None = None
    bias: bool = True

    example = on((4, 8, 8), out=8, kernel=3, stride=2)

    def _window(self, x: Shape) -> Window:
        return window(x, self.kernel, self.stride, self.pad, what="localconv")

    def shape(self, x: Shape) -> Shape:
        return (self.out, *self._window(x).out)

    def params(self, x: Shape) -> tuple[Param, ...]:
        size = self._window(x).out
        places = math.prod(size)
        weight = Param("weight", (places, self.out, x[0], *spread(self.kernel, len(x) - 1, "kernel")), "weight")
        return (weight, Param("bias", (self.out, *size), "bias")) if self.bias else (weight,)

    def fan_in(self, x: Shape) -> int:
        return x[0] * math.prod(spread(self.kernel, len(x) - 1, "kernel"))

    def macs(self, x: Shape, y: Shape) -> int:
        return numel(y) * self.fan_in(x)

    def backward_macs(self, needs: Needs, x: Shape, y: Shape) -> int:
        return self.macs(x, y) * (1 + sum(needs))

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"bias": numel(y)} if self.bias else {}

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "nothing"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        inside = x[0] * math.prod(spread(self.kernel, len(x) - 1, "kernel"))
        return (Buffer("the windows", numel(y[1:]) * inside),)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (self._window(x).receptive_window(),)

    def torch(self, rt: Any, x: Shape) -> Any:
        w = self._window(x)
        return rt.LocalConv(x[0], self.out, w.kernel, w.stride, w.before, w.out, self.bias)


@op("dynconv", by="the value whose elements are the weights, out × in / groups × kernel of them")
class DynamicConv(_Other):
    """A convolution whose weights are a value, other ones for each sample (Jia et al., NIPS 2016)."""

    by: Value
    out: Count
    kernel: Size
    stride: Size = 1
    pad: Pad | None = None
    groups: Count = 1
    dilation: Size = 1

    example = on((4, 8, 8), (288,), by=True, out=8, kernel=3)
    inputs = (2, 2)

    def _conv(self) -> Conv:
        return Conv(self.out, self.kernel, self.stride, self.pad, self.groups, self.dilation, False)

    def shape(self, x: Shape, weights: Shape) -> Shape:
        y = self._conv().shape(x)
        wanted = self._conv().params(x)[0].shape
        if numel(weights) != numel(wanted):
            raise OpError(f"{dims(weights)} has {numel(weights)} elements; {numel(wanted)} weights are wanted", "by")
        return y

    def params(self, x: Shape, weights: Shape) -> tuple[Param, ...]:
        return ()

    def macs(self, x: Shape, weights: Shape, y: Shape) -> int:
        return self._conv().macs(x, y)

    def backward_macs(self, needs: Needs, x: Shape, weights: Shape, y: Shape) -> int:
        return sum(needs) * self._conv().macs(x, y)

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {}

    def receptive_window(self, x: Shape, weights: Shape) -> tuple[ReceptiveWindows, ...]:
        return (*self._conv().receptive_window(x), WHOLE)

    def torch(self, rt: Any, x: Shape, weights: Shape) -> Any:
        shape = self._conv().params(x)[0].shape
        return rt.DynamicConv(self._conv().torch(rt, x), shape)


@op(
    "deformconv",
    offsets="how far each element of each window is moved, down and right, two maps an element",
    mask="a factor of each of these elements, a map each",
)
class DeformableConv(_Other):
    """Deformable convolution: each element of a window is read at a place moved by `offsets`, 2·k·k maps of the
    output's size, by linear interpolation (Dai et al., arXiv:1703.06211); given `mask`, k·k maps, times its factor (Zhu
    et al., arXiv:1811.11168). On two axes; weights, padding and MACs are those of `conv`.
    """

    offsets: Value
    out: Count
    kernel: Size
    mask: Value = False
    stride: Size = 1
    pad: Pad | None = None
    dilation: Size = 1
    bias: bool = True

    example = on((4, 8, 8), (18, 8, 8), offsets=True, out=8, kernel=3)
    inputs = (2, 3)

    def _conv(self) -> Conv:
        return Conv(self.out, self.kernel, self.stride, self.pad, 1, self.dilation, self.bias)

    def shape(self, x: Shape, *others: Shape) -> Shape:
        if len(x) != 3:
            raise OpError(f"`deformconv` works on channels × height × width; this value is {dims(x)}")
        y = self._conv().shape(x)
        each = numel(spread(self.kernel, 2, "kernel"))
        for name, other, count in zip(("offsets", "mask"), others, (2 * each, each), strict=False):
            if tuple(other) != (count, *y[1:]):  # of one item, where there are many
                raise OpError(f"`{name}` of {dims((count, *y[1:]))} are wanted; these are {dims(other)}", name)
        return y

    def params(self, x: Shape, *others: Shape) -> tuple[Param, ...]:
        return self._conv().params(x)

    def macs(self, *xy: Shape) -> int:
        return self._conv().macs(xy[0], xy[-1])

    def backward_macs(self, needs: Needs, *xy: Shape) -> int:
        return self.macs(*xy) * (1 + any(needs))

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        read = xy[0][0] * numel(spread(self.kernel, 2, "kernel")) * numel(xy[-1][1:])
        found = {"interpolation": read} | ({"multiply": read} if len(xy) == 4 else {})
        return found | ({"bias": numel(xy[-1])} if self.bias else {})

    def saved(self, needs: Needs, *xy: Shape) -> Saves:
        return "inputs" if any(needs) else "nothing"  # in place of the offsets the places, which are as many

    def saved_buffers(self, needs: Needs, *xy: Shape) -> tuple[Buffer, ...]:
        read = xy[0][0] * numel(spread(self.kernel, 2, "kernel")) * numel(xy[-1][1:])
        found = Buffer("what is read", read)
        return (found, Buffer("what is read, without its factors", read)) if needs[2:] == (True,) else (found,)

    def receptive_window(self, *x: Shape) -> tuple[ReceptiveWindows, ...]:
        """An element may be read anywhere."""
        return (WHOLE, *(POINT for _ in x[1:]))

    def torch(self, rt: Any, *x: Shape) -> Any:
        w = window(x[0], self.kernel, self.stride, self.pad, dilation=self.dilation)
        dilation = spread(self.dilation, 2, "dilation")
        return rt.DeformConv(x[0], self.out, w.kernel, w.stride, w.before, dilation, w.out, self.bias)
