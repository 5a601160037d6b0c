"""Normalisation."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import (
    POINT,
    WHOLE,
    Buffer,
    Elementwise,
    Needs,
    Param,
    ReceptiveWindow,
    ReceptiveWindows,
    Saves,
    on,
    op,
)
from .shapes import Count, OpError, Shape, Tokens, channels, dims, numel, spatial


class _Norm(Elementwise):
    operation = "norm"
    family = "norm"
    saves = "inputs"
    settles = True

    scale: bool = True
    shift: bool = True
    eps: float

    def settled(self) -> bool:
        return self.settles and not (self.scale or self.shift)

    def learned(self, width: int) -> tuple[Param, ...]:
        """The scale and the shift of `width` channels, as far as they are learned."""
        given = ((self.scale, "weight"), (self.shift, "bias"))
        return tuple([Param(name, (width,), "norm") for wanted, name in given if wanted])


@op("bn")
class BatchNorm(_Norm):
    """Batch normalisation: scale and shift for each channel, and its running mean and variance.

    Source: Ioffe & Szegedy, arXiv:1502.03167. Parameters 2C; statistics 2C, counted apart.
    """

    scale: bool = True
    shift: bool = True
    eps: float = 1e-5

    torch_module = "BatchNorm"
    folds = True

    def shape(self, x: Shape) -> Shape:
        if isinstance(x, Tokens) or not 1 <= len(x) <= 4:
            raise OpError("`bn` works on channels first; for [tokens, width] there is `layernorm`")
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        c = (x[0],)
        return (*self.learned(x[0]), Param("running_mean", c, "stat"), Param("running_var", c, "stat"))

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("mean and deviation", 2 * x[0], once=True),)

    def torch(self, rt: Any, x: Shape) -> Any:
        norms = (rt.nn.BatchNorm1d, rt.nn.BatchNorm1d, rt.nn.BatchNorm2d, rt.nn.BatchNorm3d)
        return rt.without(norms[len(x) - 1](x[0], eps=self.eps), self.scale, self.shift)


@op("layernorm")
class LayerNorm(_Norm):
    """Layer normalisation over the width of tokens or of a vector; on C×H×W over the channels of each position.

    Source: Ba et al., arXiv:1607.06450. Parameters: 2 × width.
    """

    scale: bool = True
    shift: bool = True
    eps: float = 1e-6

    torch_module = "LayerNorm"
    channels_last = True

    @property
    def each(self) -> bool:
        return True

    def params(self, x: Shape) -> tuple[Param, ...]:
        return self.learned(channels(x))

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("mean and deviation", 2 * (numel(x) // channels(x))),)

    def torch(self, rt: Any, x: Shape) -> Any:
        norm = rt.nn.LayerNorm if isinstance(x, Tokens) or len(x) == 1 else rt.ChannelLayerNorm
        return rt.without(norm(channels(x), eps=self.eps), self.scale, self.shift)


@op("groupnorm")
class GroupNorm(_Norm):
    """Normalisation over groups of channels (Wu & He, arXiv:1803.08494). Parameters: 2C."""

    groups: Count = 32
    scale: bool = True
    shift: bool = True
    eps: float = 1e-5

    torch_module = "GroupNorm"
    example = on((32, 8, 8))

    def shape(self, x: Shape) -> Shape:
        spatial(x, "`groupnorm`")
        if x[0] % self.groups:
            raise OpError(f"{x[0]} channels cannot be cut into {self.groups} groups", "groups")
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        return self.learned(x[0])

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("mean and deviation", 2 * self.groups),) if self.scale or any(needs) else ()

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "inputs" if self.scale or any(needs) else "nothing"  # a shift alone is added behind it

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.without(rt.GroupNorm(self.groups, x[0], eps=self.eps), self.scale, self.shift)


@op("instancenorm", affine="whether a scale and a shift are learned for each channel, but for what is turned off")
class InstanceNorm(_Norm):
    """Normalisation of each map by itself (Ulyanov et al., arXiv:1607.08022). Parameters: 2C with `affine`."""

    affine: bool = False
    scale: bool = True
    shift: bool = True
    eps: float = 1e-5

    torch_module = "InstanceNorm"

    def settled(self) -> bool:
        return not self.affine or super().settled()

    def shape(self, x: Shape) -> Shape:
        if numel(spatial(x, "`instancenorm`")) == 1:
            raise OpError(f"`instancenorm` of a single element is nothing: the value is {dims(x)}")
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        return self.learned(x[0]) if self.affine else ()

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        repeated = (Buffer("the scale of each map", x[0]),) if self.affine and self.scale else ()
        return (Buffer("mean and deviation", 2 * x[0]), *repeated)

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,)

    def torch(self, rt: Any, x: Shape) -> Any:
        norm = (rt.nn.InstanceNorm1d, rt.nn.InstanceNorm2d, rt.nn.InstanceNorm3d)[len(x) - 2]
        return rt.without(norm(x[0], affine=self.affine, eps=self.eps), self.scale, self.shift)


class _Unit(_Norm):
    """A norm whose scale is multiplied behind it: what is scaled is kept, beside `kept` numbers of each vector."""

    kept: ClassVar[int]
    length: ClassVar[bool] = False  # it divides by the length, not by the root of the mean square

    def params(self, x: Shape) -> tuple[Param, ...]:
        return self.learned(channels(x))

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "inputs" if any(needs) else "nothing"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        found = [Buffer("lengths", self.kept * (numel(x) // channels(x)))] if any(needs) else []
        return (*found, Buffer("what is scaled", numel(x))) if self.scale else tuple(found)

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        # The gradients by way of the squares, twice as large as what is squared and of them; what was scaled is gone.
        elements = (3 - self.scale) * numel(y) - (0 if self.length else numel(y) // channels(x))
        return batch * elements * itemsize

    def torch(self, rt: Any, x: Shape) -> Any:
        dim = -1 if isinstance(x, Tokens) or len(x) == 1 else 1
        return rt.UnitNorm(self.length, channels(x), self.eps, self.scale, self.shift, dim, len(x))


@op("rmsnorm")
class RootMeanSquareNorm(_Unit):
    """Division by the root of the mean square over the width of tokens or of a vector; on C×H×W over the channels of
    each position.

    Source: Zhang & Sennrich, arXiv:1910.07467. Parameters: the width; with `shift`, twice.
    """

    scale: bool = True
    shift: bool = False
    eps: float = 1e-6

    torch_module = "RMSNorm"
    kept = 1

    @property
    def each(self) -> bool:
        return True


@op("l2norm")
class LengthNorm(_Unit):
    """Division by the length, over the width of tokens or of a vector; on C×H×W over the channels of each position.

    With `scale` a factor is learned for each channel (Liu et al., arXiv:1506.04579, section 3.3; SSD's `conv4_3`).
    """

    scale: bool = False
    shift: bool = False
    eps: float = 1e-12

    kept = 2
    length = True


@op("grn")
class GlobalResponseNorm(_Norm):
    """x + γ · x · N(x) + β, N(x) the length of each channel's map over the mean of these lengths.

    Source: Woo et al., arXiv:2301.00808, section 3.2. Parameters: 2C.
    """

    scale: bool = True
    shift: bool = True
    eps: float = 1e-6

    settles = False

    def shape(self, x: Shape) -> Shape:
        spatial(x, "`grn`")
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        return self.learned(x[0])

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "inputs" if any(needs) else "nothing"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        found = [Buffer("lengths, and over their mean", 2 * x[0] + 1)] if any(needs) else []
        return (*found, Buffer("what is scaled", numel(x))) if self.scale else tuple(found)

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return batch * (numel(y) + x[0]) * itemsize  # the gradients by way of the lengths, and of them

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"norm": numel(y), "add": numel(y)}

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.GlobalResponseNorm(x[0], self.eps, self.scale, self.shift, len(x) - 1)


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
    settles = False

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
