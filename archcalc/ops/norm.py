"""Normalisation."""

from __future__ import annotations

from typing import Any

from .base import POINT, WHOLE, Buffer, Elementwise, Needs, Param, ReceptiveWindow, ReceptiveWindows, on, op
from .shapes import Count, OpError, Shape, Tokens, channels, dims, numel, spatial


class _Norm(Elementwise):
    operation = "norm"
    family = "norm"
    saves = "inputs"


@op("bn")
class BatchNorm(_Norm):
    """Batch normalisation: scale and shift for each channel, and its running mean and variance.

    Source: Ioffe & Szegedy, arXiv:1502.03167. Parameters 2C; statistics 2C, counted apart.
    """

    torch_module = "BatchNorm"
    folds = True

    def shape(self, x: Shape) -> Shape:
        if isinstance(x, Tokens) or not 1 <= len(x) <= 4:
            raise OpError("`bn` works on channels first; for [tokens, width] there is `layernorm`")
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        c = (x[0],)
        return (
            Param("weight", c, "norm"),
            Param("bias", c, "norm"),
            Param("running_mean", c, "stat"),
            Param("running_var", c, "stat"),
        )

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("mean and deviation", 2 * x[0], once=True),)

    def torch(self, rt: Any, x: Shape) -> Any:
        norms = (rt.nn.BatchNorm1d, rt.nn.BatchNorm1d, rt.nn.BatchNorm2d, rt.nn.BatchNorm3d)
        return norms[len(x) - 1](x[0])


@op("layernorm")
class LayerNorm(_Norm):
    """Layer normalisation over the width of tokens or of a vector; on C×H×W over the channels of each position.

    Source: Ba et al., arXiv:1607.06450. Parameters: 2 × width.
    """

    torch_module = "LayerNorm"

    def params(self, x: Shape) -> tuple[Param, ...]:
        c = (channels(x),)
        return Param("weight", c, "norm"), Param("bias", c, "norm")

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("mean and deviation", 2 * (numel(x) // channels(x))),)

    def torch(self, rt: Any, x: Shape) -> Any:
        norm = rt.nn.LayerNorm if isinstance(x, Tokens) or len(x) == 1 else rt.ChannelLayerNorm
        return norm(channels(x), eps=1e-6)


@op("groupnorm")
class GroupNorm(_Norm):
    """Normalisation over groups of channels (Wu & He, arXiv:1803.08494). Parameters: 2C."""

    groups: Count = 32

    torch_module = "GroupNorm"
    example = on((32, 8, 8))

    def shape(self, x: Shape) -> Shape:
        spatial(x, "`groupnorm`")
        if x[0] % self.groups:
            raise OpError(f"{x[0]} channels cannot be cut into {self.groups} groups", "groups")
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        return Param("weight", (x[0],), "norm"), Param("bias", (x[0],), "norm")

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("mean and deviation", 2 * self.groups),)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.nn.GroupNorm(self.groups, x[0])


@op("instancenorm", affine="whether a scale and a shift are learned for each channel")
class InstanceNorm(_Norm):
    """Normalisation of each map by itself (Ulyanov et al., arXiv:1607.08022). Parameters: 2C with `affine`."""

    affine: bool = False

    torch_module = "InstanceNorm"

    def shape(self, x: Shape) -> Shape:
        if numel(spatial(x, "`instancenorm`")) == 1:
            raise OpError(f"`instancenorm` of a single element is nothing: the value is {dims(x)}")
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("weight", (x[0],), "norm"), Param("bias", (x[0],), "norm")) if self.affine else ()

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        repeated = (Buffer("the scale of each map", x[0]),) if self.affine else ()
        return (Buffer("mean and deviation", 2 * x[0]), *repeated)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,)

    def torch(self, rt: Any, x: Shape) -> Any:
        norm = (rt.nn.InstanceNorm1d, rt.nn.InstanceNorm2d, rt.nn.InstanceNorm3d)[len(x) - 2]
        return norm(x[0], affine=self.affine)


@op(
    "lrn",
    size="how many neighbouring channels are read, n",
    alpha="the factor of the sum of the squares, α",
    beta="the power of the divisor, β",
    k="what is added to the sum",
    within="whether the n × n positions around, of the channel alone, are read instead",
)
class LocalResponseNorm(_Norm):
    """Local response normalisation over n = `size` neighbouring channels: x / (k + α · Σ x²)^β. It has no parameters.

    Source: Krizhevsky et al., NIPS 2012, section 3.3, with its k = 2, n = 5, α = 10⁻⁴, β = 0.75. Caffe and torch take
    the mean of the squares for the sum: their α is n times this one, or as many times as a window has places, their k
    is 1 unless given.
    """

    size: Count = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0
    within: bool = False

    torch_module = "LocalResponseNorm"

    def shape(self, x: Shape) -> Shape:
        spatial(x, "`lrn`")
        if self.within and self.size % 2 == 0:
            raise OpError(f"a window around a position has an odd size; here it is {self.size}", "size")
        if self.within and len(x) == 4 and min(x[1:]) < self.size:
            raise OpError(f"on three axes torch averages no window that is larger than the map {dims(x)}", "size")
        return x

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        around = self.size // 2
        return (tuple(ReceptiveWindow(1, -around, around) for _ in x[1:]) if self.within else POINT,)

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        if self.within:
            return (Buffer("squares, sums and divisors", 3 * numel(x)),) if any(needs) else ()
        padded = Buffer("the padded squares", numel(x) // x[0] * (x[0] + self.size - 1))
        return padded, Buffer("the means of the squares", numel(x)), Buffer("the divisors", numel(x))

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return batch * 3 * numel(x) * itemsize  # on the way to the divisors' gradient

    def torch(self, rt: Any, x: Shape) -> Any:
        if self.within:
            return rt.WithinNorm(self.size, self.alpha, self.beta, self.k)
        return rt.nn.LocalResponseNorm(self.size, self.alpha * self.size, self.beta, self.k)  # it takes the mean
