"""The torch modules that the ops name in their builders as `rt.…`; `rt.nn` is `torch.nn`.

Each does what one op says, with parameters named and shaped as its `params` says. Values have the batch in front of
the op's shape: N×C×H×W, N×tokens×width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Add",
    "Attention",
    "ChannelLayerNorm",
    "ClassToken",
    "Concat",
    "Dropout",
    "FlatLinear",
    "InPlace",
    "MapToTokens",
    "Mean",
    "Multiply",
    "PadChannels",
    "Part",
    "Position",
    "Take",
    "nn",
]


class FlatLinear(nn.Linear):
    """A fully connected layer that flattens C×H×W first."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position of N×C×H×W (any number of axes)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def _relu6_(x: Tensor) -> Tensor:
    return F.hardtanh_(x, 0.0, 6.0)


def _silu_(x: Tensor) -> Tensor:
    return F.silu(x, inplace=True)


def _gelu_(x: Tensor) -> Tensor:
    overwritten: Tensor = torch.ops.aten.gelu_(x)  # torch.nn.functional has no name for it
    return overwritten


# What computes an activation: into new memory, and in its input's place.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "relu": (torch.relu, torch.relu_),
    "relu6": (F.relu6, _relu6_),
    "swish": (F.silu, _silu_),
    "gelu": (F.gelu, _gelu_),
    "sigmoid": (torch.sigmoid, torch.sigmoid_),
}


class InPlace(nn.Module):
    """A module that may overwrite its input; whether it does is settled for each node by who builds the network.

    `in_place` holds in an inference; `in_place_training` in a training step, and wherever else autograd may record.
    """

    def __init__(self) -> None:
        super().__init__()
        self.in_place = False
        self.in_place_training = False

    def overwrites(self) -> bool:
        """Whether to work in place in the present mode."""
        return self.in_place_training if self.training or torch.is_grad_enabled() else self.in_place


class Activation(InPlace):
    """The activation `word` of `ACTIVATIONS`."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.word][self.overwrites()](x)

    def extra_repr(self) -> str:
        return self.word


class Dropout(InPlace):
    """Dropout with share `p`. Its output is new memory unless it works in place: in an evaluation then a copy."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.p > 0:  # at p = 0 torch would return the input itself
            return F.dropout(x, self.p, training=True)
        return x if self.overwrites() else x.clone()

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


class MapToTokens(nn.Module):
    """N×C×H×W seen as N×(H·W)×C."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class ClassToken(nn.Module):
    """A learned token in front of the others; it begins at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.token.expand(x.shape[0], 1, -1), x), 1)


class Position(nn.Module):
    """A learned position for each token; they begin normal with a deviation of 0.02."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(tokens, width))
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.positions


class Take(nn.Module):
    """The token number `index`, counted from 0."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.index]

    def extra_repr(self) -> str:
        return str(self.index)


class Attention(nn.Module):
    """Multi-head self-attention; `qkv` holds the rows of all queries, then keys, then values."""

    def __init__(self, width: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias)
        self.out = nn.Linear(width, width, bias)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        qkv = self.qkv(x).view(n, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v)
        projected: Tensor = self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        return projected

    def extra_repr(self) -> str:
        return f"heads={self.heads}"


class _Merge(nn.Module):
    """Branches joined element by element. Axes that a branch lacks are those right behind the batch."""

    def forward(self, *x: Tensor) -> Tensor:
        axes = max(branch.ndim for branch in x)
        first, second, *others = (_with_axes(branch, axes) for branch in x)
        shape = tuple(map(max, zip(*(branch.shape for branch in (first, second, *others)), strict=True)))
        result = self.join(first, second)
        for branch in others:  # into what the first two made, where it has room: no second buffer
            result = self.join_in_place(result, branch) if result.shape == shape else self.join(result, branch)
        return result

    def join(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def join_in_place(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError


def _with_axes(x: Tensor, axes: int) -> Tensor:
    missing = axes - x.ndim
    return x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:]) if missing else x


class Add(_Merge):
    """The sum of the branches."""

    def join(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def join_in_place(self, x: Tensor, y: Tensor) -> Tensor:
        return x.add_(y)


class Mean(Add):
    """The mean of the branches."""

    def forward(self, *x: Tensor) -> Tensor:
        return super().forward(*x).div_(len(x))


class Multiply(_Merge):
    """The product of the branches."""

    def join(self, x: Tensor, y: Tensor) -> Tensor:
        return x * y

    def join_in_place(self, x: Tensor, y: Tensor) -> Tensor:
        return x.mul_(y)


class Concat(nn.Module):
    """The branches side by side along the axis `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *x: Tensor) -> Tensor:
        return torch.cat(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class PadChannels(nn.Module):
    """`extra` channels of zeros behind the others."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0) * (x.ndim - 2) + (0, self.extra))

    def extra_repr(self) -> str:
        return str(self.extra)


class Part(nn.Module):
    """The part number `index`, counted from 0, of the axis `dim` cut into `parts`, as a view."""

    def __init__(self, parts: int, index: int, dim: int) -> None:
        super().__init__()
        self.parts, self.index, self.dim = parts, index, dim

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[self.dim] // self.parts
        return x.narrow(self.dim, self.index * length, length)

    def extra_repr(self) -> str:
        return f"{self.index} of {self.parts}, dim={self.dim}"
