"""Activations, dropout, softmax."""

from __future__ import annotations

from typing import Any

from .base import OpError, Shape, Tokens, Weightless, numel, op


class _Activation(Weightless):
    """One function of each element; in place where nobody needs the input any more."""

    __slots__ = ()
    storage = "inplace"

    def shape(self, x: Shape) -> Shape:
        return x

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"activation": numel(y)}

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Activation(type(self).word)


@op("relu")
class Relu(_Activation):
    """max(x, 0)."""

    keeps_output = True


@op("relu6")
class Relu6(_Activation):
    """min(max(x, 0), 6) (Howard et al., arXiv:1704.04861)."""


@op("swish")
class Swish(_Activation):
    """x · sigmoid(x), also called SiLU (Ramachandran et al., arXiv:1710.05941)."""


@op("gelu")
class Gelu(_Activation):
    """x · Φ(x), the exact form (Hendrycks & Gimpel, arXiv:1606.08415)."""


@op("sigmoid")
class Sigmoid(_Activation):
    """1 / (1 + e^−x)."""

    keeps_output = True


@op("dropout")
class Dropout(Weightless):
    """Zeroes a share `p` of the elements in training; does nothing in an evaluation."""

    p: float = 0.5

    storage = "inplace"
    free = "does nothing in an evaluation"

    def shape(self, x: Shape) -> Shape:
        if not 0 <= self.p <= 1:
            raise OpError(f"`p` is a share between 0 and 1, here it is {self.p:g}", "p")
        return x

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {}

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Dropout(self.p)


@op("softmax")
class Softmax(Weightless):
    """e^x over its sum: over the width of tokens, else over the channels."""

    keeps_output = True

    def shape(self, x: Shape) -> Shape:
        return x

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"softmax": numel(y)}

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.nn.Softmax(-1 if isinstance(x, Tokens) else 1)
