"""Activations, dropout, softmax."""

from __future__ import annotations

from math import isclose
from typing import Any, ClassVar

from .axes import over
from .base import (
    OPS,
    Buffer,
    Elementwise,
    Free,
    Needs,
    Op,
    Param,
    ReceptiveWindows,
    Saves,
    Storage,
    Weightless,
    on,
    op,
)
from .shapes import Count, Like, OpError, Shape, Size, Tokens, axis_of, channels, numel, plain_axis, sized


class _Activation(Elementwise):
    """One function of each element; in place where nobody needs the input any more."""

    operation = "activation"
    family = "activation"
    settles = True
    storage: ClassVar[Storage] = "inplace"
    saves: ClassVar[Saves] = "inputs"
    inside: ClassVar[int] = 0  # tensors of its size that the backward pass makes beside the gradient

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return self.inside * batch * numel(y) * itemsize

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Activation(self.word, *(getattr(self, field.name) for field in self.fields))


@op("relu")
class Relu(_Activation):
    """max(x, 0)."""

    torch_module = "ReLU"
    saves = "output"


@op("relu6")
class Relu6(_Activation):
    """min(max(x, 0), 6) (Howard et al., arXiv:1704.04861)."""

    torch_module = "ReLU6"


@op("swish")
class Swish(_Activation):
    """x · sigmoid(x), also called SiLU (Ramachandran et al., arXiv:1710.05941)."""

    torch_module = "SiLU"


@op("gelu", tanh="whether Φ is taken by tanh, ½ · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))")
class Gelu(_Activation):
    """x · Φ(x), the exact form or, `gelu(tanh=True)` as in GPT-2, by tanh (Hendrycks & Gimpel, arXiv:1606.08415)."""

    tanh: bool = False

    torch_module = "GELU"


@op("sigmoid")
class Sigmoid(_Activation):
    """1 / (1 + e^−x)."""

    torch_module = "Sigmoid"
    saves = "output"
    probabilities = True


@op("leaky_relu", slope="the factor below zero")
class LeakyRelu(_Activation):
    """max(x, slope · x) (Maas et al., ICML 2013)."""

    slope: float = 0.01

    torch_module = "LeakyReLU"
    saves = "either"


@op("elu", alpha="the value that the function goes to far below zero, with the other sign")
class Elu(_Activation):
    """x, below zero α · (e^x − 1) (Clevert et al., arXiv:1511.07289)."""

    alpha: float = 1.0

    torch_module = "ELU"
    saves = "either"


@op("selu")
class Selu(_Activation):
    """The self-normalising ELU (Klambauer et al., arXiv:1706.02515)."""

    torch_module = "SELU"
    saves = "either"


@op("hardswish")
class HardSwish(_Activation):
    """x · relu6(x + 3) / 6 (Howard et al., arXiv:1905.02244, section 5.2)."""

    torch_module = "Hardswish"


@op("hardsigmoid")
class HardSigmoid(_Activation):
    """relu6(x + 3) / 6 (Howard et al., arXiv:1905.02244, section 5.2)."""

    torch_module = "Hardsigmoid"


@op("quickgelu")
class QuickGelu(_Activation):
    """x · sigmoid(1.702 x) (Hendrycks & Gimpel, arXiv:1606.08415, section 2)."""

    inside = 1  # the gate's gradient beside that of the other factor

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("the gate", numel(x)),)


@op("mish")
class Mish(_Activation):
    """x · tanh(softplus(x)) (Misra, arXiv:1908.08681)."""

    torch_module = "Mish"


@op("tanh", a="what the function goes to far above zero", s="the factor of the input")
class Tanh(_Activation):
    """The hyperbolic tangent, a · tanh(s · x): `tanh(1.7159, 2 / 3)` is LeNet-5's (LeCun et al., 1998, equation 6)."""

    a: float = 1.0
    s: float = 1.0

    torch_module = "Tanh"
    saves = "output"

    @property
    def copies_in_training(self) -> bool:  # type: ignore[override]
        """With factors the backward pass needs what stands between them."""
        return not self.a == self.s == 1

    def saved(self, needs: Needs, x: Shape, y: Shape) -> Saves:
        return "nothing" if self.copies_in_training else "output"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("the tangent", numel(x)),) if self.copies_in_training else ()

    def behind(self, front: Op, count: int, x: Shape) -> Op | None:
        return self.but(s=self.s * front.factor) if isinstance(front, Scale) else None


@op("softplus")
class Softplus(_Activation):
    """log(1 + e^x)."""

    torch_module = "Softplus"


@op("exp")
class Exp(_Activation):
    """e^x."""

    settles = False
    saves = "output"


@op("log")
class Log(_Activation):
    """The natural logarithm."""

    settles = False
    logarithm = True


@op("abs")
class Abs(_Activation):
    """|x|."""

    inside = 1


@op("sqrt")
class Sqrt(_Activation):
    """√x."""

    settles = False
    saves = "output"
    inside = 1


@op("square")
class Square(_Activation):
    """x²."""

    settles = False
    inside = 2


@op("reciprocal")
class Reciprocal(_Activation):
    """1 / x."""

    settles = False
    saves = "output"
    inside = 2


@op("prelu", shared="whether one slope is learned for all channels")
class PRelu(_Activation):
    """max(x, 0) + a · min(x, 0), a learned for each channel or once for all (He et al., arXiv:1502.01852)."""

    shared: bool = False

    torch_module = "PReLU"
    settles = False
    storage = "new"

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("weight", (1 if self.shared else channels(x),), "weight"),)

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return batch * numel(y) * itemsize  # the weights' gradient before it is summed

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.PRelu(1 if self.shared else channels(x), -1 if isinstance(x, Tokens) else 1)


@op("scale", factor="the constant")
class Scale(Elementwise):
    """Every element times a constant (Szegedy et al., arXiv:1602.07261, section 3.3)."""

    factor: float

    operation = "multiply"
    example = on((4, 8, 8), factor=2)

    def normal(self, x: Shape) -> Op | None:
        return None if self.factor == 1 else self

    def behind(self, front: Op, count: int, x: Shape) -> Op | None:
        if front == OPS["add"]() and isclose(self.factor * count, 1):
            return OPS["mean"]()
        return front.but(a=self.factor * front.a) if isinstance(front, Tanh) else None

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Scale(self.factor)


@op("complement")
class Complement(Elementwise):
    """1 − x, element by element: the other side of a gate."""

    operation = "add"

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Complement()


class _Fixed(Free):
    """A value that does not depend on the one before it."""

    read = 0
    storage = "own"
    free = "a view"


@op("zeros")
class Zeros(_Fixed):
    """A vector of `width` zeros, whatever the value is: the state before the first step of `steps:`."""

    width: Count

    example = on((4, 8, 8), width=5)

    def shape(self, x: Shape) -> Shape:
        return (self.width,)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Constant(rt.torch.zeros(self.width))


def _sized(size: Size) -> Shape:
    """The shape that a size names: channels first, and of two axes [tokens, width]."""
    axes = (size,) if isinstance(size, int) else size
    return Tokens(axes) if len(axes) == 2 else axes


@op("constant", value="each of its elements")
class Constant(_Fixed):
    """A value of the size `size` that is the same everywhere, whatever the value before it is. Of two axes it is a
    sequence, tokens × width."""

    value: float
    size: Size

    example = on((4, 8, 8), value=1, size=(3, 5))

    def shape(self, x: Shape) -> Shape:
        return _sized(self.size)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Constant(rt.torch.full(tuple(self.shape(x)), self.value))


@op("triangle", tokens="how many tokens there are", below="what stands where a token meets itself or one before it",
    above="what stands where a token meets a later one")  # fmt: skip
class Triangle(_Fixed):
    """A mask for pairs of tokens, tokens × tokens, whatever the value before it is: times it a token passes over later
    ones, as it does in a softmax behind `add` with 0 `below` and −10⁹ `above`."""

    tokens: Count
    below: float = 1.0
    above: float = 0.0

    example = on((4, 8, 8), tokens=5)

    def shape(self, x: Shape) -> Shape:
        return Tokens((self.tokens, self.tokens))

    def torch(self, rt: Any, x: Shape) -> Any:
        ones = rt.torch.ones(self.tokens, self.tokens)
        return rt.Constant(self.below * ones.tril() + self.above * ones.triu(1))


@op("coordinates", log="by which factor they are stretched before their logarithm is taken; straight ones unless given")
class Coordinates(_Fixed):
    """The places of a grid of the size `size`, whatever the value before it is: a token for each, row by row, of one
    element an axis, evenly from −1 to 1. With `log` x becomes sign(x)·log(1 + log·|x|) / log(log).

    Source: Liu et al., arXiv:2111.09883, section 3.3, where `log` is 8.
    """

    size: Size
    log: float | None = None

    example = on((4, 8, 8), size=(3, 5))

    def shape(self, x: Shape) -> Shape:
        axes = (self.size,) if isinstance(self.size, int) else self.size
        if self.log is not None and self.log <= 1:
            raise OpError(f"`log` is above 1, here it is {self.log:g}", "log")
        return Tokens((numel(axes), len(axes)))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Constant(rt.coordinates((self.size,) if isinstance(self.size, int) else self.size, self.log))


@op(
    "sines",
    out="the channels, of each axis as many, one behind the other",
    like="the size of the map",
    span="the angle of the slowest at the last place, where places are counted from 1; from 0 in radians unless given",
    interleaved="whether sines and cosines take turns, and not all sines stand first",
    backwards="whether the last axis stands first",
)
class Sines(_Fixed):
    """Fixed sines and cosines of the places of a map, whatever the value before it is, at the frequencies
    10000^(−2i / channels of an axis): positions to add, as in DiT (Peebles & Xie, arXiv:2212.09748, `backwards=True`)
    or, `span=2 * 3.141592653589793, interleaved=True`, in DETR (Carion et al., arXiv:2005.12872, section A.4).
    """

    out: Count
    like: Like
    span: float | None = None
    interleaved: bool = False
    backwards: bool = False

    example = on((4, 8, 8), out=8, like=(3, 5))
    inputs = (1, 2)

    def shape(self, x: Shape, like: Shape | None = None) -> Shape:
        axes = len(like) - 1 if like else 2 if isinstance(self.like, int) else len(self.like)
        size = sized(self.like, like, axes, "`sines`")
        if self.out % (2 * axes):
            raise OpError(f"{self.out} channels are no sine and cosine for each of {axes} axes", "out")
        return (self.out, *size)

    def normal(self, x: Shape, like: Shape | None = None) -> Op:
        """The size is that of what it gives."""
        return self.but(like=True)

    def torch(self, rt: Any, x: Shape, like: Shape | None = None) -> Any:
        size = self.shape(x, like)[1:]
        return rt.Constant(rt.sines(self.out, size, self.span, self.interleaved, self.backwards))


@op("learned")
class Learned(_Fixed):
    """A weight of the size `size` as a value, whatever the value before it is: queries, prompts, the table of biases
    that several attentions share. Of two axes it is a sequence, tokens × width."""

    size: Size

    family = "embedding"
    example = on((4, 8, 8), size=(3, 5))

    def shape(self, x: Shape) -> Shape:
        return _sized(self.size)

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("weight", tuple(self.shape(x)), "weight"),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Learned(tuple(self.shape(x)))


@op("affine")
class Affine(Weightless):
    """Every channel times a learned factor, plus a learned bias: a weight and a bias for each channel.

    LeNet-5's subsampling (LeCun et al., 1998, section II.B), and, with `bias=False`, the layer scale of transformers
    (Touvron et al., arXiv:2103.17239).
    """

    bias: bool = True

    family = "elementwise"
    saves = "inputs"

    def shape(self, x: Shape) -> Shape:
        return x

    def params(self, x: Shape) -> tuple[Param, ...]:
        weight = Param("weight", (channels(x),), "weight")
        return (weight, Param("bias", (channels(x),), "bias")) if self.bias else (weight,)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"multiply": numel(y), **({"bias": numel(y)} if self.bias else {})}

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return batch * numel(y) * itemsize  # the weights' gradient before it is summed

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Affine(channels(x), self.bias, len(x), isinstance(x, Tokens))


@op("unit_bias")
class UnitBias(Elementwise):
    """A learned bias for each element of a map, not shared over positions (LeCun et al., Neural Computation 1989)."""

    operation = "bias"
    gradient = "passed"

    def params(self, x: Shape) -> tuple[Param, ...]:
        return (Param("bias", tuple(x), "bias"),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.UnitBias(tuple(x))


@op("rbf")
class RadialBasis(Weightless):
    """Squared distances of a vector to `out` fixed codes of ±1 (LeCun et al., Proc. IEEE 1998, section II.B, eq. 7)."""

    out: Count

    family = "linear"
    example = on((16,), out=8)
    saves = "nothing"

    def shape(self, x: Shape) -> Shape:
        if isinstance(x, Tokens) or len(x) != 1:
            raise OpError("`rbf` works on a vector")
        return (self.out,)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"add": 2 * self.out * x[0], "multiply": self.out * x[0]}

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("the differences", self.out * x[0]),)

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return 2 * batch * self.out * x[0] * itemsize  # twice the differences, and these times the gradient

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.RadialBasis(x[0], self.out)


@op("squash")
class Squash(Elementwise):
    """A vector's length made |v|² / (1 + |v|²), its direction kept: of each token's width, or of each position's
    channels (Sabour et al., arXiv:1710.09829, eq. 1).
    """

    operation = "norm"
    family = "activation"
    saves = "inputs"

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("lengths, divisors and factors", 3 * (numel(x) // channels(x))),) if any(needs) else ()

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return batch * (numel(x) + numel(x) // channels(x)) * itemsize

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Squash(-1 if isinstance(x, Tokens) else 1)


@op("dropout", p="the share of elements that is zeroed in training")
class Dropout(Weightless):
    """Zeroes a share `p` of the elements in training; does nothing in an evaluation."""

    p: float = 0.5

    family = "elementwise"
    torch_module: ClassVar[str] = "Dropout"
    copies_in_training = True
    storage = "inplace"
    saves = "nothing"
    free = "does nothing in an evaluation"
    settles = True

    def normal(self, x: Shape) -> Op | None:
        return None

    def shape(self, x: Shape) -> Shape:
        if not 0 <= self.p <= 1:
            raise OpError(f"`p` is a share between 0 and 1, here it is {self.p:g}", "p")
        return x

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {}

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("the mask", numel(x)),) if 0 < self.p < 1 else ()

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Dropout(self.p)


@op("droppath", p="the share of samples of which the branch is zeroed in training")
class DropPath(Dropout):
    """Zeroes all of a value, for a share `p` of the samples, in training; does nothing in an evaluation. The branch
    that it ends need not run for these: stochastic depth (Huang et al., arXiv:1603.09382).
    """

    p: float = 0.5

    torch_module = ""

    @property
    def survives(self) -> float:  # type: ignore[override]
        return 1 - self.p

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("which samples", 1),) if 0 < self.p < 1 else ()

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Dropout(self.p, len(x))


@op("softmax")
class Softmax(Elementwise):
    """e^x over its sum: over an axis, or else the width of tokens (where that is 1, the tokens), or the channels."""

    axis: int | None = None

    operation = "softmax"
    family = "activation"
    torch_module = "Softmax"
    settles = True
    saves = "output"
    probabilities = True
    each = False

    def _axis(self, x: Shape) -> int:
        alone = self.axis is None and isinstance(x, Tokens) and x[1] == 1
        return axis_of(x, 0 if alone else self.axis)

    def normal(self, x: Shape) -> Op:
        return self.but(axis=plain_axis(x, self._axis(x)))

    def shape(self, x: Shape) -> Shape:
        axis_of(x, self.axis)
        return x

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (over(x, self._axis(x)),)

    def torch(self, rt: Any, x: Shape) -> Any:
        axis = self._axis(x)
        return rt.nn.Softmax(-1 if isinstance(x, Tokens) and axis else 1 + axis)


@op("log_softmax")
class LogSoftmax(Softmax):
    """The logarithm of a softmax, which a loss such as `nll_loss` wants: x − log(sum of e^x)."""

    torch_module = "LogSoftmax"

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.nn.LogSoftmax(super().torch(rt, x).dim)
