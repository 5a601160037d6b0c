"""The torch modules that the ops name in their builders as `rt.…`; `rt.nn` is `torch.nn`.

Each does what one op says, with parameters named and shaped as its `params` says. Values have the batch in front of
the op's shape: N×C×H×W, N×tokens×width.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import get_annotations
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

Sizes = tuple[int, ...]


class _Fixed(nn.Module):
    """A module without parameters: its annotations are its arguments, in this order."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__()
        vars(self).update(zip(get_annotations(type(self)), arguments, strict=True))

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in get_annotations(type(self)))


class FlatLinear(nn.Linear):
    """A fully connected layer that flattens C×H×W first."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position of N×C×H×W (any number of axes)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def is_written(x: Any) -> bool:
    """Whether code is being written for every mode, by torch.fx, where `x` would stand."""
    return isinstance(x, fx.Proxy)


# Activations that torch.nn.functional does not have, or not in place.


def _quickgelu(x: Tensor) -> Tensor:
    gate = (1.702 * x).sigmoid_()
    if torch.is_grad_enabled() or is_written(x):
        return x * gate  # the backward pass needs the gate
    return gate.mul_(x)


def _quickgelu_(x: Tensor) -> Tensor:
    return x.mul_((1.702 * x).sigmoid_())


def _softplus_(x: Tensor) -> Tensor:
    if torch.is_grad_enabled():  # the backward pass needs the input
        return x.copy_(F.softplus(x.clone()))
    overwritten: Tensor = torch.ops.aten.softplus.out(x, out=x)
    return overwritten


def _gelu(x: Tensor, tanh: bool = False) -> Tensor:
    return F.gelu(x, approximate="tanh" if tanh else "none")


def _gelu_(x: Tensor, tanh: bool = False) -> Tensor:
    written: Tensor = torch.ops.aten.gelu_(x, approximate="tanh" if tanh else "none")
    return written


def _tanh(x: Tensor, a: float = 1.0, s: float = 1.0) -> Tensor:
    if a == s == 1:
        return torch.tanh(x)
    y: Tensor = (s * x).tanh_()
    return a * y if torch.is_grad_enabled() or is_written(x) else y.mul_(a)


def _tanh_(x: Tensor, a: float = 1.0, s: float = 1.0) -> Tensor:
    return torch.tanh_(x) if a == s == 1 else x.mul_(s).tanh_().mul_(a)


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return partial(function, inplace=True)


# What computes an activation: into new memory, and in its input's place; further arguments are the op's.
ACTIVATIONS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "relu": (torch.relu, torch.relu_),
    "relu6": (F.relu6, partial(F.hardtanh_, min_val=0.0, max_val=6.0)),
    "swish": (F.silu, _in_place(F.silu)),
    "gelu": (_gelu, _gelu_),
    "sigmoid": (torch.sigmoid, torch.sigmoid_),
    "leaky_relu": (F.leaky_relu, _in_place(F.leaky_relu)),
    "elu": (F.elu, _in_place(F.elu)),
    "selu": (F.selu, _in_place(F.selu)),
    "hardswish": (F.hardswish, _in_place(F.hardswish)),
    "hardsigmoid": (F.hardsigmoid, _in_place(F.hardsigmoid)),
    "quickgelu": (_quickgelu, _quickgelu_),
    "mish": (F.mish, _in_place(F.mish)),
    "tanh": (_tanh, _tanh_),
    "softplus": (F.softplus, _softplus_),
    "exp": (torch.exp, torch.exp_),
    "log": (torch.log, torch.log_),
    "abs": (torch.abs, torch.abs_),
    "sqrt": (torch.sqrt, torch.sqrt_),
    "square": (torch.square, torch.square_),
    "reciprocal": (torch.reciprocal, torch.reciprocal_),
}


class InPlace(nn.Module):
    """A module that may overwrite its input; whether it does is settled for each node by who builds the network.

    `in_place` holds in an inference; `in_place_training` in a training step, and wherever else autograd may record.
    """

    def __init__(self) -> None:
        super().__init__()
        self.in_place = False
        self.in_place_training = False

    def overwrites(self, x: Tensor) -> bool:
        """Whether to work in place on `x` in the present mode; never in code that is written for every mode."""
        if is_written(x):
            return False
        return self.in_place_training if self.training or torch.is_grad_enabled() else self.in_place


class Activation(InPlace):
    """The activation `word` of `ACTIVATIONS`, with the op's arguments."""

    def __init__(self, word: str, *arguments: float) -> None:
        super().__init__()
        self.word, self.arguments = word, arguments

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.word][self.overwrites(x)](x, *self.arguments)

    def extra_repr(self) -> str:
        return ", ".join(map(str, (self.word, *self.arguments)))


class Dropout(InPlace):
    """Dropout with share `p`, of elements or, where each has `axes`, of samples. Its output is new memory unless it
    works in place: in an evaluation then a copy."""

    def __init__(self, p: float, axes: int = 0) -> None:
        super().__init__()
        self.drop, self.axes = nn.Dropout(p), axes

    def forward(self, x: Tensor) -> Tensor:
        written = is_written(x)
        if written or (self.training and self.drop.p > 0):  # at p = 0 torch would return the input itself
            y: Tensor = x * self.drop(x.new_ones((x.shape[0], *[1] * self.axes))) if self.axes else self.drop(x)
            return y.clone() if written else y
        return x if self.overwrites(x) else x.clone()


class MapToTokens(nn.Module):
    """N×C×H×W seen as N×(H·W)×C."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class Resize(nn.Upsample):
    """torch's upsampling; a second value is not read."""

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        return super().forward(x)


class TokensToMap(_Fixed):
    """N×(H·W)×C seen as N×C×H×W; a second value is not read."""

    size: Sizes

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        return torch.unflatten(x.transpose(1, 2), 2, self.size)


class ClassToken(nn.Module):
    """A learned token in front of the others; it begins at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.token.expand(x.shape[0], 1, -1), x), 1)


class Position(nn.Module):
    """A learned position for each token; they begin normal with a deviation of 0.02."""

    def __init__(self, length: int, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens, self.length = tokens, length
        self.positions = nn.Parameter(torch.empty(length, width))
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.positions.narrow(0, 0, self.tokens) if self.tokens < self.length else self.positions)


class Take(_Fixed):
    """The token number `index`, counted from 0."""

    index: int

    def forward(self, x: Tensor) -> Tensor:
        return x.select(1, self.index)


class Sinusoid(nn.Module):
    """Adds sines of the positions to the even elements of tokens, and cosines to the odd ones; positions go in steps of
    `step` from `first`."""

    positions: Tensor

    def __init__(self, tokens: int, width: int, first: int = 0, step: int = 1) -> None:
        super().__init__()
        element = torch.arange(width)
        angles = (first + step * torch.arange(tokens)).unsqueeze(1) / 10_000.0 ** (2 * (element // 2) / width)
        self.register_buffer("positions", torch.where(element % 2 == 0, angles.sin(), angles.cos()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.positions


class Reverse(nn.Module):
    """The tokens in the opposite order."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(1)


class Weighted(nn.Module):
    """The sum of the tokens, each times its weight."""

    def forward(self, x: Tensor, by: Tensor) -> Tensor:
        return torch.bmm(by.transpose(1, 2), x).squeeze(1)


class Similarity(nn.Module):
    """The cosine of two vectors, times e to a learned temperature, which begins at log(1 / 0.07)."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.full((1,), math.log(1 / 0.07)))

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        cosine = torch.bmm(F.normalize(x).unsqueeze(1), F.normalize(other).unsqueeze(2)).squeeze(2)
        return cosine * self.temperature.exp()


@fx.wrap
def _for_each(x: Tensor, value: Tensor) -> Tensor:
    """The value for each sample of x: a view, which where nothing is recorded wants no gradient either."""
    value = value if torch.is_grad_enabled() else value.detach()
    return value.unsqueeze(0).expand([x.shape[0]] + [-1] * value.dim())


class Constant(nn.Module):
    """A fixed value for each sample."""

    constant: Tensor  # of the network's type and on its device, which those of the value before it may not be

    def __init__(self, constant: Tensor) -> None:
        super().__init__()
        self.register_buffer("constant", constant, persistent=False)

    def forward(self, x: Tensor, *sizes: Tensor) -> Tensor:
        return _for_each(x, self.constant)


def coordinates(size: Sizes, log: float | None) -> Tensor:
    """The places of a grid, row by row, from −1 to 1 on each axis, an axis of one at 0; or their logarithms."""
    axes = [torch.linspace(-1, 1, n) if n > 1 else torch.zeros(1) for n in size]
    places = torch.cartesian_prod(*axes).reshape(-1, len(axes))
    return places if log is None else places.sign() * (log * places.abs()).log1p() / math.log(log)


def sines(out: int, size: Sizes, span: float | None, interleaved: bool, backwards: bool) -> Tensor:
    """Sines and cosines of the places of a map, axis by axis: out × the size."""
    share, made = out // len(size), list[Tensor]()
    rates = 10_000.0 ** (-2 * torch.arange(share // 2) / share)
    for axis, n in enumerate(size):
        places = torch.arange(n) if span is None else torch.arange(1, n + 1) * (span / n)
        angles = rates.unsqueeze(1) * places
        both = torch.stack((angles.sin(), angles.cos()), 1 if interleaved else 0).flatten(0, 1)
        made.append(both.reshape(share, *[n if at == axis else 1 for at in range(len(size))]).expand(share, *size))
    return torch.cat(made[::-1] if backwards else made)


class Learned(nn.Module):
    """A learned value for each sample; it begins normal with a deviation of 0.02."""

    def __init__(self, size: Sizes) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return _for_each(x, self.weight)


class Complement(nn.Module):
    """1 − x."""

    def forward(self, x: Tensor) -> Tensor:
        return 1 - x


class UnitNorm(nn.Module):
    """Division by the length, or the root of the mean square, over the axis `dim` of a value of so many `axes` behind
    the samples, in the value's own dtype; with a scale and a shift for each channel."""

    def __init__(
        self,
        length: bool,
        width: int,
        eps: float,
        scale: bool = True,
        shift: bool = False,
        dim: int = -1,
        axes: int = 1,
    ) -> None:
        super().__init__()
        self.length, self.eps, self.dim = length, eps, dim
        self.size = (width, *[1] * (axes - 1)) if dim == 1 else (width,)
        self.weight = nn.Parameter(torch.ones(width)) if scale else None
        self.bias = nn.Parameter(torch.zeros(width)) if shift else None

    def forward(self, x: Tensor) -> Tensor:
        if self.length:
            y = F.normalize(x, dim=self.dim, eps=self.eps)
        else:
            y = x * (x.square().mean(self.dim, keepdim=True) + self.eps).rsqrt()
        y = y if self.weight is None else y * self.weight.view(self.size)
        return y if self.bias is None else y + self.bias.view(self.size)

    def extra_repr(self) -> str:
        return f"{'length' if self.length else 'root mean square'}, eps={self.eps}"


class GlobalResponseNorm(nn.Module):
    """x + γ · x · N(x) + β; scale and shift begin at zero, where it passes on what it gets."""

    def __init__(self, channels: int, eps: float, scale: bool, shift: bool, axes: int) -> None:
        super().__init__()
        self.eps, self.size, self.axes = eps, (channels, *[1] * axes), list(range(2, 2 + axes))
        self.weight = nn.Parameter(torch.zeros(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels)) if shift else None

    def forward(self, x: Tensor) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(x, dim=self.axes, keepdim=True)
        y = x * (lengths / (lengths.mean(1, keepdim=True) + self.eps))
        y = y if self.weight is None else y * self.weight.view(self.size)
        return x + (y if self.bias is None else y + self.bias.view(self.size))


class GroupNorm(nn.GroupNorm):
    """torch's group norm, whose own has no backward pass with a shift and no scale."""

    def forward(self, x: Tensor) -> Tensor:
        scale, shift = self._parameters["weight"], self._parameters["bias"]
        if scale is not None or shift is None:
            return super().forward(x)
        y: Tensor = F.group_norm(x, self.num_groups, eps=self.eps) + shift.view([-1] + [1] * (x.dim() - 2))
        return y


def without(norm: nn.Module, scale: bool, shift: bool) -> nn.Module:
    """torch's norm without its scale or its shift, where one is not wanted."""
    for name, wanted in (("weight", scale), ("bias", shift)):
        if not wanted:
            norm.register_parameter(name, None)
    return norm


def differences(axes: Sizes) -> Tensor:
    """For each pair of tokens on a grid the number of their difference: an axis of n has 2n − 1, the last counts up."""
    found = torch.zeros(1, 1, dtype=torch.long)
    places = torch.cartesian_prod(*(torch.arange(n) for n in axes)).reshape(-1, len(axes))
    for at, n in enumerate(axes):
        apart = places[:, None, at] - places[None, :, at]
        found = found * (2 * n - 1) + apart + n - 1
    return found


def distance_classes(apart: Tensor, buckets: int, distance: int, both: bool) -> Tensor:
    """The class of each distance, those behind the token apart where `both`: half of the classes are of one distance
    each, the others grow by a factor up to `distance` (Raffel et al., arXiv:1910.10683, section 2.1)."""
    count = buckets // 2 if both else buckets
    far = apart.abs() if both else -apart.clamp(max=0)
    near = count // 2
    grown = (far.clamp(min=1) / near).log() / math.log(distance / near) * (count - near)
    found = torch.where(far < near, far, (near + grown.long()).clamp(max=count - 1))
    return found + count * (apart > 0) if both else found


def _slopes(heads: int) -> Tensor:
    """How fast the scores of each head fall: powers of 2^(−8/n) for n heads, between those of the next power of two
    for what goes beyond one (Press et al., arXiv:2108.12409, section 3)."""
    whole = 2 ** math.floor(math.log2(heads))
    exponents = [8 / whole * (n + 1) for n in range(whole)] + [4 / whole * (2 * n + 1) for n in range(heads - whole)]
    return torch.tensor([2.0**-exponent for exponent in exponents])


class Attention(nn.Module):
    """Multi-head attention with the sizes and settings of the op: q, k, v and out are its projections.

    Behind the sequence `forward` takes the values that are `given`, in this order. `cos` and `sin` turn positions,
    `pairs` is the row of the table of biases for each pair of tokens, `fixed` is what is always added to the scores,
    `hidden` what is in each of the windows of a map.
    """

    cos: Tensor
    sin: Tensor
    pairs: Tensor | None
    fixed: Tensor | None
    hidden: Tensor | None

    def __init__(
        self,
        widths: dict[str, int],
        heads: tuple[int, int],
        biases: tuple[bool, ...],
        given: tuple[str, ...],
        rotary: tuple[float, int, bool],
        qk_norm: str,
        scale: float | None,
        dropout: float,
        added: dict[str, Any],
    ) -> None:
        super().__init__()
        self.widths, (self.heads, self.shared), self.given = widths, heads, given
        self.rotary, self.qk_norm, self.scale, self.dropout, self.added = rotary, qk_norm, scale, dropout, added
        self.q = nn.Linear(widths["d"], widths["key"], biases[0])
        self.k = nn.Linear(widths["e"], widths["keys"], biases[1])
        self.v = nn.Linear(widths["f"], widths["values"], biases[2])
        self.out = nn.Linear(widths["value"], widths["out"], biases[3])
        width = widths["key"] // self.heads
        if qk_norm == "length":
            self.temperature = nn.Parameter(torch.full((self.heads,), math.log(10)))
        elif qk_norm:
            norm = nn.LayerNorm if qk_norm == "layer" else partial(UnitNorm, False)
            self.q_norm, self.k_norm = norm(width, eps=1e-6), norm(width, eps=1e-6)
        if added["decomposed"]:
            for at, size in enumerate(added["relative"]):
                self.register_parameter(f"axis_{at}", nn.Parameter(torch.zeros(2 * size - 1, width)))
                self._fix(f"along_{at}", differences((size,)).flatten())
        if "positions" in given:
            self.bias_u = nn.Parameter(torch.zeros(self.heads, width))
            self.bias_v = nn.Parameter(torch.zeros(self.heads, width))
        if added["classes"]:
            self.table = nn.Parameter(torch.empty(added["classes"], self.heads))
            nn.init.trunc_normal_(self.table, std=0.02)
        t, m = widths["t"], widths["m"]
        apart = torch.arange(m)[None, :] - torch.arange(t)[:, None]
        self._fix("pairs", self._pairs(apart))
        self._fix("fixed", self._always(apart))
        self._fix("hidden", None)
        if added["windows"]:
            together = window_mask(*added["windows"]).unsqueeze(1)
            hidden = torch.zeros(together.shape).masked_fill(~together, -math.inf)
            self._fix("hidden", hidden.repeat(added["items"] // len(hidden), 1, 1, 1))
        base, turned, interleaved = rotary
        if turned:
            angles = torch.arange(max(t, m)).unsqueeze(1) / base ** (torch.arange(0, turned, 2) / turned)
            angles = angles.repeat_interleave(2, 1) if interleaved else angles.repeat(1, 2)
            self._fix("cos", angles.cos().unsqueeze(1))
            self._fix("sin", angles.sin().unsqueeze(1))

    def _fix(self, name: str, tensor: Tensor | None) -> None:
        self.register_buffer(name, tensor, persistent=False)

    def _pairs(self, apart: Tensor) -> Tensor | None:
        """The row of the table for each pair of tokens, in one line."""
        if self.added["relative"] and not self.added["decomposed"]:
            return differences(self.added["relative"]).flatten()
        if not self.added["buckets"]:
            return None
        return distance_classes(
            apart, self.added["buckets"], self.added["distance"], not self.added["causal"]
        ).flatten()

    @property
    def _by_flag(self) -> bool:
        """Whether later tokens are hidden by torch's own flag, as nothing else is added to the scores."""
        more = (
            self.added["alibi"]
            or self.added["window"]
            or self.added["windows"]
            or self.pairs is not None
            or self.added["decomposed"]
            or "positions" in self.given
            or "mask" in self.given
        )
        return self.added["causal"] and not more

    def _always(self, apart: Tensor) -> Tensor | None:
        """What is added to all scores: what hides tokens, and what falls with the distance."""
        causal, window, alibi = (self.added[name] for name in ("causal", "window", "alibi"))
        if self._by_flag or not (alibi or causal or window):
            return None
        hidden = apart > 0 if causal else torch.zeros_like(apart, dtype=torch.bool)
        if window:
            hidden = hidden | (-apart >= window if causal else apart.abs() > window // 2)
        falling = -_slopes(self.heads)[None, :, None, None] * apart.abs() if alibi else torch.zeros(1, 1, *apart.shape)
        return falling.masked_fill(hidden, -math.inf)

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        given = dict(zip(self.given, more, strict=False))
        source = given.get("memory", x)
        projected: Tensor = self.out(self._mixed(x, source, given.get("values", source), given))
        return projected

    def _mixed(self, x: Tensor, source: Tensor, values: Tensor, given: dict[str, Tensor]) -> Tensor:
        """The values mixed; in a function of its own, so that queries, keys and values are gone when it is left."""
        q = torch.unflatten(self.q(x), 2, (self.heads, -1))  # samples × T × heads × elements
        k = torch.unflatten(self.k(source), 2, (self.shared, -1))
        v = torch.unflatten(self.v(values), 2, (self.shared, -1))
        scale = self.scale
        if self.qk_norm == "length":
            warmth = self.temperature.clamp(max=math.log(100)).exp().unsqueeze(1)
            q, k, scale = F.normalize(q, dim=-1) * warmth, F.normalize(k, dim=-1), scale or 1.0
        elif self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        if self.rotary[1]:
            q, k = self._turned(q, self.widths["t"]), self._turned(k, self.widths["m"])
        if self.shared < self.heads:
            k, v = (y.repeat_interleave(self.heads // self.shared, 2) for y in (k, v))
        met = []
        if "positions" in given:
            met.append(self._differing(q + self.bias_v, given["positions"]))
            q = q + self.bias_u
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        met += [self._along_axes(q)] if self.added["decomposed"] else []
        mask, causal, share = self._bias(given, met), self._by_flag, self.dropout if self.training else 0.0
        if self.added["items"]:  # samples × items × heads × tokens × elements
            q, k, v = (torch.unflatten(y, 0, (-1, self.added["items"])) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=share, is_causal=causal, scale=scale)
        y = y.flatten(0, 1) if self.added["items"] else y
        return y.transpose(1, 2).flatten(2)

    def _differing(self, q: Tensor, positions: Tensor) -> Tensor:
        """What queries give with the vectors of their differences from all tokens, on the scale of the scores."""
        t, m = self.widths["t"], self.widths["m"]
        scale = self.scale or 1 / math.sqrt(self.widths["key"] / self.heads)
        r = torch.unflatten(positions, 2, (self.heads, -1)).permute(0, 2, 3, 1)
        found = torch.matmul((q * scale).transpose(1, 2), r)
        if t == 1:
            return found
        # row i begins t − 1 − i further on: the same rows, each an element shorter, from element t − 1 on
        rows = found.flatten(2).narrow(2, t - 1, t * (t + m - 2))
        return torch.unflatten(rows, 2, (t, t + m - 2)).narrow(3, 0, m)

    def _along_axes(self, q: Tensor) -> Tensor:
        """What queries give with the vectors of their differences along each axis, added up, for each pair."""
        found, sizes = [], self.added["relative"]
        q = torch.unflatten(q, 2, sizes)
        for at, size in enumerate(sizes):
            vectors = self.get_parameter(f"axis_{at}").index_select(0, self.get_buffer(f"along_{at}"))
            lines = q.movedim(2 + at, 0).clone(memory_format=torch.contiguous_format)  # places × samples × heads × …
            products = torch.bmm(lines.flatten(1, -2), torch.unflatten(vectors, 0, (size, size)).transpose(1, 2))
            rest = [n for other, n in enumerate(sizes) if other != at]
            products = torch.unflatten(products, 1, (-1, self.heads, *rest)).movedim(0, 2 + at)
            spread = [size if other == at else 1 for other in range(len(sizes))]
            found.append(torch.unflatten(products.flatten(2, -2), 3, spread))
        return sum(found[1:], found[0]).flatten(3)

    def _bias(self, given: dict[str, Tensor], met: list[Tensor]) -> Tensor | None:
        """What is added to the scores: samples × heads × T × M, or what spreads to it; samples × items × …, where the
        items of a sample are looked at together."""
        found = self.fixed
        size = (self.heads, self.widths["t"], self.widths["m"])
        added = []
        if self.pairs is not None:
            table = given["table"] if "table" in given else self.table.unsqueeze(0)
            bias = torch.unflatten(table.index_select(1, self.pairs).transpose(1, 2), 2, size[1:])
            added.append(self._by_item(bias, "table"))
        if "mask" in given:
            added.append(self._by_item(torch.unflatten(given["mask"].flatten(1), 1, (-1, *size[1:])), "mask"))
        if self.hidden is not None:
            added.append(self.hidden)
        for y in (*added, *(self._by_item(y, "") for y in met)):
            found = y if found is None else y + found
        return found

    def _by_item(self, bias: Tensor, name: str) -> Tensor:
        count = self.added["items"]
        if not count:
            return bias
        once = name in self.added["common"] or (name == "table" and name not in self.given)
        return torch.unflatten(bias, 0, (-1, 1 if once else count))

    def _turned(self, x: Tensor, tokens: int) -> Tensor:
        """Queries or keys turned by their places."""
        _, width, interleaved = self.rotary
        part = x.narrow(-1, 0, width)
        if interleaved:
            pairs = torch.unflatten(part, -1, (-1, 2))
            other = torch.stack((-pairs.select(-1, 1), pairs.select(-1, 0)), -1).flatten(-2)
        else:
            half = width // 2
            other = torch.cat((-part.narrow(-1, half, half), part.narrow(-1, 0, half)), -1)
        turned = part * self.cos.narrow(0, 0, tokens) + other * self.sin.narrow(0, 0, tokens)  # the same for all heads
        rest = self.widths["key"] // self.heads - width
        return torch.cat((turned, x.narrow(-1, width, rest)), -1) if rest else turned

    def extra_repr(self) -> str:
        return f"heads={self.heads}" + (", causal" if self.added["causal"] else "")


class MatMul(_Fixed):
    """The matrix product of two sequences; with `transpose` of the first and the other's transpose."""

    transpose: bool

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return torch.bmm(x, other.transpose(1, 2) if self.transpose else other)


def alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules do the same work, given the same parameters."""

    def known(module: nn.Module) -> list[tuple[type, Any]]:
        found = []
        for part in module.modules():
            settings = {name: value for name, value in vars(part).items() if not name.startswith("_")}
            found.append((type(part), (settings, [*part._forward_pre_hooks.values()])))
        return found

    return known(one) == known(other)


class Tied(nn.Module):
    """`module` at work with the parameters and statistics of another module that have the same names.

    These stand beside what torch registers of `module`, so that they are the owner's alone. They are looked up at every
    call, as moving or loading the owner may give it new ones.
    """

    def __init__(self, module: nn.Module, owner: nn.Module) -> None:
        super().__init__()
        self.module = module
        names = [*owner.state_dict()]  # what else it holds follows from the sizes of its values
        self.ties = tuple(  # tuples: the owner is no child
            (module.get_submodule(path), owner.get_submodule(path), tensor)
            for path, _, tensor in (name.rpartition(".") for name in names)
        )
        self.owner = (owner,)
        for own, _, name in self.ties:
            delattr(own, name)
        self.tie()

    def tensors(self) -> dict[str, Tensor]:
        """What the module works with, by its name there."""
        own = {part: path for path, part in self.module.named_modules(remove_duplicate=False)}
        return {".".join(filter(None, (own[part], name))): vars(part)[name] for part, _, name in self.ties}

    def whole(self) -> nn.Module:
        """A module that does the same in which all this is registered, for what counts parameters."""
        tensors = self.tensors()
        twin = copy.deepcopy(self.module, {id(tensor): tensor for tensor in tensors.values()})
        for name, tensor in tensors.items():
            path, _, own = name.rpartition(".")
            part = twin.get_submodule(path)
            del vars(part)[own]
            if isinstance(tensor, nn.Parameter):
                part.register_parameter(own, tensor)
            else:
                part.register_buffer(own, tensor)
        return twin

    def tie(self) -> None:
        for module, owner, name in self.ties:
            tensor = owner._parameters[name] if name in owner._parameters else owner._buffers[name]
            if vars(module).get(name) is not tensor:
                vars(module)[name] = tensor

    def forward(self, *x: Tensor) -> Tensor:
        self.tie()
        y: Tensor = self.module(*x)
        return y

    def extra_repr(self) -> str:
        return f"{', '.join(name for *_, name in self.ties)} of another module"


SUM, PRODUCT, DIFFERENCE = 0, 1, 2


@fx.wrap
def merged(branches: list[Tensor], how: int) -> Tensor:
    """The sum of branches, their product (how = 1) or the first less the second (2), element by element. Axes that
    one lacks are those right behind the batch."""
    axes = 0
    for x in branches:
        axes = max(axes, x.dim())
    aligned: list[Tensor] = []
    for x in branches:
        missing = axes - x.dim()
        aligned.append(x.reshape([x.shape[0]] + [1] * missing + list(x.shape[1:])) if missing > 0 else x)
    shape = list(aligned[0].shape)
    for x in aligned:
        shape = [max(shape[axis], x.shape[axis]) for axis in range(axes)]
    if how == 2:
        return aligned[0] - aligned[1]
    result = aligned[0] * aligned[1] if how == 1 else aligned[0] + aligned[1]
    for x in aligned[2:]:  # into what the first two made, where it has room: no second buffer
        if list(result.shape) == shape:
            result = result.mul_(x) if how == 1 else result.add_(x)
        else:
            result = result * x if how == 1 else result + x
    return result


class Add(nn.Module):
    """The sum of the branches."""

    def forward(self, *x: Tensor) -> Tensor:
        return merged(list(x), SUM)


class Subtract(nn.Module):
    """The first branch less the second."""

    def forward(self, *x: Tensor) -> Tensor:
        return merged(list(x), DIFFERENCE)


class Mean(nn.Module):
    """The mean of the branches."""

    def forward(self, *x: Tensor) -> Tensor:
        return merged(list(x), SUM).div_(len(x))


class Multiply(nn.Module):
    """The product of the branches."""

    def forward(self, *x: Tensor) -> Tensor:
        return merged(list(x), PRODUCT)


class Concat(_Fixed):
    """The branches side by side along the axis `dim`."""

    dim: int

    def forward(self, *x: Tensor) -> Tensor:
        return torch.cat(x, self.dim)


class Stack(nn.Module):
    """Vectors as tokens, one after the other."""

    def forward(self, *x: Tensor) -> Tensor:
        return torch.stack(x, 1)


@fx.wrap
def _more_channels(x: Tensor, extra: int) -> Tensor:
    return F.pad(x, [0, 0] * (x.dim() - 2) + [0, extra])


class PadChannels(_Fixed):
    """`extra` channels of zeros behind the others."""

    extra: int

    def forward(self, x: Tensor) -> Tensor:
        return _more_channels(x, self.extra)


class Slice(nn.Module):
    """Every `step`-th of the axis `dim` from `start` on, `length` elements, as a view."""

    def __init__(self, dim: int, start: int, length: int, step: int = 1) -> None:
        super().__init__()
        self.dim, self.start, self.length, self.step = dim, start, length, step

    def forward(self, x: Tensor) -> Tensor:
        cut = x.narrow(self.dim, self.start, (self.length - 1) * self.step + 1)
        return cut if self.step == 1 else cut.unfold(self.dim, 1, self.step).squeeze(-1)

    def extra_repr(self) -> str:
        return f"{self.dim}, {self.start}, {self.length}, {self.step}"


class Reshape(_Fixed):
    """Each sample in the shape `size`."""

    size: Sizes

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.size)


class Rearrange(_Fixed):
    """Each sample's axes cut into those of the sizes `parts`, these in the order `order` in new memory, as `size`."""

    parts: Sizes
    order: Sizes
    size: Sizes

    def forward(self, x: Tensor) -> Tensor:
        dealt = x.reshape(x.shape[0], *self.parts).permute(0, *[1 + axis for axis in self.order])
        return dealt.clone(memory_format=torch.contiguous_format).reshape(x.shape[0], *self.size)


class Crop(nn.Module):
    """The middle of a map of size `full`, of size `size`; a second value is not read."""

    def __init__(self, full: Sizes, size: Sizes) -> None:
        super().__init__()
        self.margins = tuple((n - small) // 2 for n, small in zip(full, size, strict=True))
        self.size = size

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        for axis, (start, length) in enumerate(zip(self.margins, self.size, strict=True), 2):
            x = x.narrow(axis, start, length)
        return x

    def extra_repr(self) -> str:
        return "×".join(map(str, self.size))


class Over(_Fixed):
    """The sum, the mean or the largest value (`amax`) over the axis `dim`, which stays where `keep` says so."""

    word: str
    dim: int
    keep: bool

    def forward(self, x: Tensor) -> Tensor:
        over: Tensor = getattr(x, self.word)(self.dim, keepdim=self.keep)
        return over


class Maxout(_Fixed):
    """The largest of every `of` neighbours along the axis `dim`."""

    of: int
    dim: int

    def forward(self, x: Tensor) -> Tensor:
        return torch.unflatten(x.movedim(self.dim, -1), -1, (-1, self.of)).amax(-1).movedim(-1, self.dim)


class ChannelShuffle(_Fixed):
    """The channels of `groups` groups dealt out in turn, into new memory also where that changes nothing."""

    groups: int

    def forward(self, x: Tensor) -> Tensor:
        dealt = torch.unflatten(x, 1, (self.groups, -1)).transpose(1, 2)
        return dealt.clone(memory_format=torch.contiguous_format).flatten(1, 2)


def _pads(before: Sizes, behind: Sizes) -> Sizes:
    """The padding as `F.pad` takes it: the last axis first."""
    return tuple(n for pair in zip(reversed(before), reversed(behind), strict=True) for n in pair)


class _Standardized:
    """A convolution of torch whose weights are standardised wherever they are used, each output channel's together."""

    eps: float

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        used = F.layer_norm(weight, weight.shape[1:], eps=self.eps)
        made: Tensor = super()._conv_forward(x, used, bias)  # type: ignore[misc]
        return made


class StandardizedConv1d(_Standardized, nn.Conv1d):
    pass


class StandardizedConv2d(_Standardized, nn.Conv2d):
    pass


class StandardizedConv3d(_Standardized, nn.Conv3d):
    pass


class Padding(nn.Module):
    """Elements before and behind each axis of a map: a number, or, by `mode`, what torch takes of the map."""

    def __init__(self, before: Sizes, behind: Sizes, mode: str, value: float) -> None:
        super().__init__()
        self.pads, self.mode, self.value = _pads(before, behind), mode, value

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.pads, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.pads}, {self.mode}, {self.value}"


@fx.wrap
def _shifted(x: Tensor) -> Tensor:
    for axis in range(2, x.dim()):
        x = x.narrow(axis, 1, x.shape[axis] - 1)
    return F.pad(x, [0, 1] * (x.dim() - 2))


class Shift(nn.Module):
    """A map moved by one towards the start of each axis, zeros behind."""

    def forward(self, x: Tensor) -> Tensor:
        return _shifted(x)


@dataclass(frozen=True)
class PadFirst:
    """A hook that pads the input of a module. A class, as a function within another could not be pickled."""

    pads: Sizes
    value: float

    def __call__(self, module: nn.Module, x: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (F.pad(x[0], self.pads, value=self.value),)


def padded(module: nn.Module, before: Sizes, behind: Sizes, value: float = 0.0) -> nn.Module:
    """`module`, with its names, its input padded by `value` first: torch's windows pad both sides alike."""
    module.register_forward_pre_hook(PadFirst(_pads(before, behind), value))
    return module


class PaddedMean(nn.Module):
    """The means of the windows of `pool` on a padded map, of what is data in them."""

    def __init__(self, pool: nn.Module, before: Sizes, behind: Sizes) -> None:
        super().__init__()
        self.pool, self.pads = pool, _pads(before, behind)

    def forward(self, x: Tensor) -> Tensor:
        means: Tensor = self.pool(F.pad(x, self.pads))
        return means.div_(self.pool(F.pad(torch.ones_like(x.narrow(0, 0, 1).narrow(1, 0, 1)), self.pads)))


class PRelu(nn.Module):
    """The identity above zero, a learned slope below: `count` slopes along the axis `dim`."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.weight = nn.Parameter(torch.full((count,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x.movedim(self.dim, 1), self.weight).movedim(1, self.dim)


class Scale(_Fixed):
    """Every element times `factor`."""

    factor: float

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Affine(nn.Module):
    """Every channel times a learned factor, plus a learned bias; of values with `axes` axes behind the batch."""

    bias: Tensor | None

    def __init__(self, channels: int, bias: bool, axes: int, tokens: bool) -> None:
        super().__init__()
        self.form = (-1,) if tokens else (-1, *(1,) * (axes - 1))
        self.weight = nn.Parameter(torch.ones(channels))
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        scaled = x * self.weight.view(self.form)
        return scaled if self.bias is None else scaled.add_(self.bias.view(self.form))


class UnitBias(nn.Module):
    """A learned bias for each element."""

    def __init__(self, shape: Sizes) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class RadialBasis(nn.Module):
    """Squared distances to `out` fixed codes of ±1, drawn with a fixed seed. They are not in the `state_dict`."""

    codes: Tensor

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        generator = torch.Generator("cpu").manual_seed(0)
        bits = torch.randint(2, (out, width), generator=generator, device="cpu")
        self.register_buffer("codes", 2.0 * bits.to(torch.get_default_device()) - 1.0, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(1) - self.codes).square().sum(2)


class GridSample(_Fixed):
    """A map read at places between −1 and 1, N×2×H×W of them: x, then y."""

    align_corners: bool

    def forward(self, x: Tensor, at: Tensor) -> Tensor:
        return F.grid_sample(x, at.movedim(1, -1), align_corners=self.align_corners)


class WithinNorm(_Fixed):
    """Elements over a power of k plus α times the sum of the squares around them, of their channel alone."""

    size: int
    alpha: float
    beta: float
    k: float

    def forward(self, x: Tensor) -> Tensor:
        return x / _norms_around(x, self.size, self.alpha, self.k).pow(self.beta)


@fx.wrap
def _norms_around(x: Tensor, size: int, alpha: float, k: float) -> Tensor:
    axes = x.dim() - 2
    if axes == 1:
        means = F.avg_pool1d(x.square(), size, 1, size // 2)
    elif axes == 2:
        means = F.avg_pool2d(x.square(), size, 1, size // 2)
    else:
        means = F.avg_pool3d(x.square(), size, 1, size // 2)
    around: Tensor = means * (alpha * size**axes) + k
    return around


class Squash(_Fixed):
    """Vectors along the axis `dim` brought to the length |v|² / (1 + |v|²)."""

    dim: int

    def forward(self, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=self.dim, keepdim=True)
        squashed: Tensor = x * (length / (1 + length.square()))
        return squashed


class TopK(_Fixed):
    """The largest elements along an axis, or where they stood, in the type of the elements."""

    count: int
    dim: int
    index: int

    def forward(self, x: Tensor) -> Tensor:
        found = torch.topk(x, self.count, self.dim)
        return found[1].to(x.dtype) if self.index else found[0]


class LocalConv(nn.Module):
    """A convolution with weights and biases of their own for each output position."""

    bias: Tensor | None

    def __init__(
        self, channels: int, out: int, kernel: Sizes, stride: Sizes, pad: Sizes, size: Sizes, bias: bool
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads, self.size = kernel, stride, _pads(pad, pad), size
        self.weight = nn.Parameter(torch.empty(math.prod(size), out, channels, *kernel))
        bound = 1 / math.sqrt(channels * math.prod(kernel))
        nn.init.uniform_(self.weight, -bound, bound)
        self.register_parameter("bias", nn.Parameter(torch.zeros(out, *size)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.pads)
        for axis, (k, s) in enumerate(zip(self.kernel, self.stride, strict=True), 2):
            x = x.unfold(axis, k, s)
        axes = len(self.kernel)  # N×C×H×W×k×k to positions × C·k·k × N
        windows = x.permute(*range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes), 0).reshape(
            self.weight.shape[0], -1, x.shape[0]
        )
        made = torch.bmm(self.weight.flatten(2), windows)  # positions × out × N
        y = made.permute(2, 1, 0).reshape(x.shape[0], -1, *self.size)
        return y if self.bias is None else y.add(self.bias).contiguous()


class DynamicConv(nn.Module):
    """The convolution `conv` of each sample with weights of its own, of the shape `shape`."""

    def __init__(self, conv: Any, shape: Sizes) -> None:
        super().__init__()
        self.shape = shape
        self.axes = len(shape) - 2
        self.settings: Any = conv.stride, conv.padding, conv.dilation
        self.groups: int = conv.groups

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        n = x.shape[0]
        convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[self.axes - 1]
        kernels = weights.reshape(n * self.shape[0], *self.shape[1:])
        together = x.reshape(1, n * x.shape[1], *x.shape[2:])
        y: Tensor = convolve(together, kernels, None, *self.settings, n * self.groups)
        return y.reshape(n, -1, *y.shape[2:])


class DeformConv(nn.Module):
    """A convolution each element of whose windows is read at a moved place, and times a factor where there are any."""

    places: Tensor

    def __init__(
        self, x: Sizes, out: int, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, size: Sizes, bias: bool
    ) -> None:
        super().__init__()
        self.full, self.size = x[1:], size
        conv = nn.Conv2d(x[0], out, kernel, bias=bias)  # type: ignore[arg-type]
        self.weight, self.bias = conv.weight, conv.bias
        places = []
        for axis in (0, 1):
            at = torch.arange(size[axis]) * stride[axis] - pad[axis]
            inside = torch.arange(kernel[axis]) * dilation[axis]
            shape = [1, 1, 1, 1]
            shape[axis], shape[2 + axis] = kernel[axis], size[axis]
            view = inside.reshape([-1 if n == axis else 1 for n in range(4)])
            view = view + at.reshape([-1 if n == 2 + axis else 1 for n in range(4)])
            places.append(view.expand(*kernel, *size).reshape(-1, *size))
        self.register_buffer("places", torch.stack(places, 1).float(), persistent=False)  # k·k × 2 × H × W

    def forward(self, x: Tensor, offsets: Tensor, mask: Tensor | None = None) -> Tensor:
        at = self.places + torch.unflatten(offsets, 1, (-1, 2))
        h, w = self.full
        y, z = (2 * at[:, :, 0] + 1) / h - 1, (2 * at[:, :, 1] + 1) / w - 1
        grid = torch.stack((z, y), -1).flatten(2, 3)  # N × k·k × H·W × 2
        read = F.grid_sample(x, grid, align_corners=False)  # N × C × k·k × H·W
        if mask is not None:
            read = read * mask.flatten(2).unsqueeze(1)
        made: Tensor = torch.unflatten(torch.matmul(self.weight.flatten(1), read.flatten(1, 2)), 2, self.size)
        return made if self.bias is None else made + self.bias.view(-1, 1, 1)


def _states(_layer: nn.Module, _x: tuple[Tensor, ...], y: tuple[Tensor, Any]) -> Tensor:
    """A hook: of what a recurrent layer returns the states at all tokens, without the last one apart."""
    return y[0]


def recurrent(name: str, width: int, out: int, bias: bool, biases: int, both: bool = False) -> nn.Module:
    """The recurrent layer `nn.RNN`, `nn.LSTM` or `nn.GRU`, by its name, from tokens of `width` to tokens of `out`.

    `both`: with a second one that reads backwards. torch adds two biases; where there is to be one, the second is held
    at zero, out of the parameters.
    """
    layer: nn.RNNBase = getattr(nn, name)(width, out, bias=bias, batch_first=True, bidirectional=both)
    for way in ("", "_reverse")[: 1 + both] if bias and biases == 1 else ():
        delattr(layer, f"bias_hh_l0{way}")
        zeros = torch.zeros_like(layer.get_parameter(f"bias_ih_l0{way}"))
        layer.register_buffer(f"bias_hh_l0{way}", zeros, persistent=False)
        layer._init_flat_weights()
    layer.register_forward_hook(_states)
    return layer


class Begin:
    """A hook before a recurrent layer: its states as torch takes them, and of a `vector` the one token."""

    def __init__(self, vector: bool) -> None:
        self.vector = vector

    def __call__(self, _layer: nn.Module, x: tuple[Tensor, ...]) -> tuple[Any, ...]:
        tokens = x[0].unsqueeze(1) if self.vector else x[0]
        states = tuple([state.unsqueeze(0).contiguous() for state in x[1:]])  # cuDNN takes no others
        return (tokens, states[0] if len(states) == 1 else states) if states else (tokens,)


class Pack:
    """A hook behind one: the outputs, with `cell` the last state of the cell behind them, along the tokens or, of a
    `vector`, the width."""

    def __init__(self, vector: bool, cell: bool) -> None:
        self.vector, self.cell = vector, cell

    def __call__(self, _layer: nn.Module, _x: tuple[Tensor, ...], y: tuple[Tensor, Any]) -> Tensor:
        if not self.cell:
            return y[0].squeeze(1) if self.vector else y[0]
        both = torch.cat((y[0], y[1][1].transpose(0, 1)), 1)
        return both.flatten(1) if self.vector else both


def stateful(layer: nn.Module, vector: bool, cell: bool) -> nn.Module:
    """A layer of `recurrent` that takes the states to begin from behind its input: a `vector` is one token, and with
    `cell` the last state of the cell stands behind the outputs."""
    layer._forward_hooks.clear()
    layer.register_forward_pre_hook(Begin(vector))
    layer.register_forward_hook(Pack(vector, cell))
    return layer


def _sweep(y: Tensor, factors: Tensor) -> None:
    """y(t) + factors(t) · y(t − 1) + factors(t) · factors(t − 1) · y(t − 2) + … along the first axis, in y's place,
    by 2 · log₂ T passes, which join neighbours, then neighbouring pairs, and so on (Brent & Kung, 1982). The factors
    are overwritten. Nothing is divided, so that no product is too small."""
    n, apart = len(y), 1
    while 2 * apart <= n:
        here = slice(2 * apart - 1, None, 2 * apart)
        count = n // (2 * apart)
        y[here].addcmul_(factors[here], y[apart - 1 :: 2 * apart][:count])
        factors[here].mul_(factors[apart - 1 :: 2 * apart][:count])
        apart *= 2
    while apart >= 1:
        here = slice(3 * apart - 1, None, 2 * apart)
        count = len(y[here])
        y[here].addcmul_(factors[here], y[2 * apart - 1 :: 2 * apart][:count])
        apart //= 2


class _Scan(torch.autograd.Function):
    """The scan along an axis. The gradient of x is the same recurrence from the end on, each step by the factor of the
    next; that of the factors its product with the step before. Kept are the factors, and for these the output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, by: Tensor, axis: int) -> Tensor:
        y = x.clone()
        _sweep(y.movedim(axis, 0), by.expand(x.shape).clone().movedim(axis, 0))
        ctx.axis, wanted = axis, ctx.needs_input_grad
        ctx.save_for_backward(by if any(wanted) else None, y if wanted[1] else None)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (by, y), axis = ctx.saved_tensors, ctx.axis
        next_ones = by.expand(gradient.shape).flip(axis).roll(1, axis)
        backwards = gradient.flip(axis)
        _sweep(backwards.movedim(axis, 0), next_ones.movedim(axis, 0))
        del next_ones
        into_x = backwards.flip(axis)
        del backwards
        if not ctx.needs_input_grad[1]:
            return into_x, None, None
        into_by = y.roll(1, axis)
        into_by.select(axis, 0).zero_()
        return into_x, into_by.mul_(into_x).sum_to_size(by.shape), None


@fx.wrap
def _scanned(x: Tensor, by: Tensor, axis: int) -> Tensor:
    if torch.jit.is_scripting():  # type: ignore[attr-defined]  # which knows no gradients but torch's own
        steps = [x.select(axis, 0)]
        factors = by.expand(x.shape)
        for t in range(1, x.shape[axis]):
            steps.append(torch.addcmul(x.select(axis, t), factors.select(axis, t), steps[-1]))
        return torch.stack(steps, axis)
    y: Tensor = _Scan.apply(x, by, axis)  # type: ignore[no-untyped-call]
    return y


class Scan(_Fixed):
    """y(t) = by(t) · y(t − 1) + x(t) along an axis, which begins at zero."""

    axis: int

    def forward(self, x: Tensor, by: Tensor) -> Tensor:
        return _scanned(x, by, self.axis)


# Many of a thing: the items stand in the batch, those of a sample behind each other.


class Windows(_Fixed):
    """N×C×H×W as windows of the size `each`, row by row, or `strided`, each of elements that lie as far apart as there
    are windows; before that the map is turned round by `shift`."""

    each: Sizes
    counts: Sizes
    shift: Sizes
    strided: bool

    def forward(self, x: Tensor) -> Tensor:
        axes = len(self.each)
        if any(self.shift):
            x = torch.roll(x, [-n for n in self.shift], list(range(2, 2 + axes)))
        for axis in range(axes, 0, -1):
            pair = (self.counts[axis - 1], self.each[axis - 1])
            x = torch.unflatten(x, axis + 1, pair[::-1] if self.strided else pair)
        which = [2 + 2 * axis + self.strided for axis in range(axes)]
        inside = [2 + 2 * axis + 1 - self.strided for axis in range(axes)]
        return x.permute(0, *which, 1, *inside).clone(memory_format=torch.contiguous_format).flatten(0, axes)


class Unwindowed(_Fixed):
    """The reverse of Windows, for items of any size: maps, tokens that are the places of a window, or vectors."""

    each: Sizes
    counts: Sizes
    shift: Sizes
    strided: bool
    tokens: bool

    def forward(self, x: Tensor) -> Tensor:
        axes = len(self.each)
        if self.tokens:
            x = torch.unflatten(x.transpose(1, 2), 2, self.each)
        elif len(x.shape) == 2:
            x = x.reshape(*x.shape, *[1] * axes)
        x = torch.unflatten(x, 0, (-1, *self.counts))
        order = [axes + 1]
        for axis in range(1, axes + 1):
            pair = [axis, axes + 1 + axis]
            order += pair[::-1] if self.strided else pair
        x = x.permute(0, *order).clone(memory_format=torch.contiguous_format)
        for axis in range(2, 2 + axes):
            x = x.flatten(axis, axis + 1)
        return torch.roll(x, self.shift, list(range(2, 2 + axes))) if any(self.shift) else x


def window_mask(of: Sizes, each: Sizes, shift: Sizes) -> Tensor:
    """Which tokens of each window, [windows, T, T], lay together in the map before it was turned round by `shift`."""
    regions = torch.zeros(1, 1, *of)
    for axis, (size, window, moved) in enumerate(zip(of, each, shift, strict=True)):
        place = torch.arange(size, dtype=torch.float32).reshape([-1 if n == axis else 1 for n in range(len(of))])
        regions = regions * 3 + (place >= size - window) + (place >= size - moved) * (moved > 0)
    counts = tuple(size // window for size, window in zip(of, each, strict=True))
    cut: Tensor = Windows(each, counts, (0,) * len(of), False)(regions).flatten(1)
    return cut.unsqueeze(1) == cut.unsqueeze(2)


class Frames(nn.Module):
    """N×C×T×… as N·T×C×…"""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).clone(memory_format=torch.contiguous_format).flatten(0, 1)


class Patches(_Fixed):
    """N×C×H×W as windows of the size `kernel` at every `stride`, row by row, which may overlap."""

    kernel: Sizes
    stride: Sizes

    def forward(self, x: Tensor) -> Tensor:
        axes = len(self.kernel)
        for axis in range(axes):
            x = x.unfold(axis + 2, self.kernel[axis], self.stride[axis])
        order = (0, *range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes))
        return x.permute(order).clone(memory_format=torch.contiguous_format).flatten(0, axes)


class Crops(_Fixed):
    """N×C×… cut out at each of `places`, of which those that are `mirrored` along the last axis."""

    size: Sizes
    places: tuple[Sizes, ...]
    mirrored: tuple[bool, ...]

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for place, mirrored in zip(self.places, self.mirrored, strict=True):
            crop = x
            for axis, (start, size) in enumerate(zip(place, self.size, strict=True), 2):
                crop = crop.narrow(axis, start, size)
            found.append(crop.flip(-1) if mirrored else crop)
        return torch.stack(found, 1).flatten(0, 1)


@fx.wrap
def _along(start: Tensor, length: Tensor, bins: int, samples: int, side: Tensor) -> tuple[Tensor, Tensor]:
    """Of each bin of N regions along an axis the 2 · samples elements that are read, and how much each counts:
    N × bins × 2 · samples. A point beyond the map by more than a place counts as 0."""
    at = (torch.arange(bins * samples, dtype=start.dtype, device=start.device) + 0.5) / (samples * bins)
    places = start.unsqueeze(1) + at * length.unsqueeze(1)
    inside = (places >= -1) & (places <= side.unsqueeze(1))
    last = (side - 1).unsqueeze(1)
    places = torch.minimum(places.clamp(min=0), last)
    low = places.floor()
    part = places - low
    read = torch.stack((low, torch.minimum(low + 1, last)), -1).long()
    share = torch.stack((1 - part, part), -1) * inside.unsqueeze(-1) / samples
    return read.view(-1, bins, 2 * samples), share.view(-1, bins, 2 * samples)


@fx.wrap
def _aligned(maps: list[Tensor], boxes: Tensor, size: tuple[int, int], stride: int, samples: int) -> Tensor:
    table = torch.cat([one.flatten(2) for one in maps], 2).transpose(1, 2).flatten(0, 1)  # a row for each place
    box = boxes.detach().flatten(0, 1)
    box = box if box.dtype == torch.float64 else box.float()
    sides = torch.tensor([[one.shape[2], one.shape[3]] for one in maps], dtype=box.dtype, device=box.device)
    across = (box[:, 2:] - box[:, :2]).clamp(min=0)
    level = 4 - math.log2(stride) + torch.log2(across.prod(1).sqrt() / 224) + 1e-6  # as torchvision, above the line
    level = level.floor().clamp(0, len(maps) - 1)
    places = [one.shape[2] * one.shape[3] for one in maps]
    begin = torch.tensor([sum(places[:n]) for n in range(len(maps))], device=box.device)
    sample = torch.arange(boxes.shape[0], device=box.device).repeat_interleave(boxes.shape[1])
    first = (begin[level.long()] + sample * sum(places)).view(-1, 1, 1)
    side = sides[level.long()]
    scaled = box / (stride * 2**level).unsqueeze(1)
    extent = (scaled[:, 2:] - scaled[:, :2]).clamp(min=1)
    rows, of_rows = _along(scaled[:, 1], extent[:, 1], size[0], samples, side[:, 0])
    columns, of_columns = _along(scaled[:, 0], extent[:, 0], size[1], samples, side[:, 1])
    wide = side[:, 1].long().view(-1, 1, 1)
    parts: list[Tensor] = []
    for a in range(2 * samples):
        for b in range(2 * samples):
            at = first + rows[:, :, a].unsqueeze(2) * wide + columns[:, :, b].unsqueeze(1)
            share = (of_rows[:, :, a].unsqueeze(2) * of_columns[:, :, b].unsqueeze(1)).to(table.dtype)
            part = table.index_select(0, at.flatten()) * share.flatten().unsqueeze(1)
            parts = [parts[0] + part] if len(parts) > 0 else [part]
    found = parts[0].view(-1, size[0], size[1], table.shape[1]).permute(0, 3, 1, 2)
    return found.contiguous()


class RoiAlign(_Fixed):
    """Regions of maps, each from that of its size: bins of the means of points, N×n×4 boxes in places of the input."""

    size: tuple[int, int]
    stride: int
    samples: int

    def forward(self, *x: Tensor) -> Tensor:
        *maps, boxes = x
        return _aligned(maps, boxes, self.size, self.stride, self.samples)


class Copies(_Fixed):
    """Each sample `count` times."""

    count: int

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(self.count, 0)


class Alongside(nn.Module):
    """Several values of one shape as the items of one."""

    def forward(self, *x: Tensor) -> Tensor:
        return torch.stack(x, 1).flatten(0, 1)


class Together(_Fixed):
    """Every `count` items one behind the other: vectors as tokens, sequences as one, maps along a new axis."""

    count: int
    tokens: bool

    def forward(self, x: Tensor) -> Tensor:
        y = torch.unflatten(x, 0, (-1, self.count))
        y = y if len(x.shape) == 2 or self.tokens else y.transpose(1, 2)
        y = y.clone(memory_format=torch.contiguous_format)
        return y.flatten(1, 2) if self.tokens else y


class Gates(_Fixed):
    """The softmax over the last axis with all but the `chosen` largest zeroed; `normalize`: they add up to 1 again."""

    chosen: int
    normalize: bool

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.softmax(x, -1)
        largest, which = scores.topk(self.chosen, -1)
        if self.normalize:
            largest = largest / largest.sum(-1, keepdim=True)
        return torch.zeros_like(scores).scatter(-1, which, largest)


def _by_copy(x: Tensor) -> Tensor:
    """N×T×k as N·k×T: the j-th choice of each token is the j-th copy's."""
    return x.transpose(1, 2).flatten(0, 1)


class ExpertLinear(nn.Module):
    """A fully connected layer of each of `experts`: only those run that a token has chosen, each on all of its rows at
    once. On `meta`, where nobody knows what is chosen, each has as many rows as the others."""

    def __init__(self, experts: int, chosen: int, width: int, out: int, bias: bool) -> None:
        super().__init__()
        self.chosen = chosen
        self.weight = nn.Parameter(torch.empty(experts, out, width))
        self.bias = nn.Parameter(torch.empty(experts, out)) if bias else None
        for parameter in self.parameters():  # as torch's Linear
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        experts = len(self.weight)
        with torch.no_grad():
            choice = _by_copy(gates.topk(self.chosen, -1).indices).flatten()
            order = choice.argsort(stable=True)
            if x.is_meta:
                sizes = [(len(choice) + at) // experts for at in range(experts)]
            else:
                sizes = torch.bincount(choice, minlength=experts).tolist()
            back = order.argsort()
        rows = x.flatten(0, 1).index_select(0, order)
        biases = [None] * experts if self.bias is None else self.bias.unbind()
        each = zip(torch.split(rows, sizes), self.weight.unbind(), biases, strict=True)
        made = torch.cat([F.linear(part, weight, bias) for part, weight, bias in each if len(part)])
        return torch.unflatten(made.index_select(0, back), 0, x.shape[:2])

    def extra_repr(self) -> str:
        return f"experts={len(self.weight)}, chosen={self.chosen}"


class Combine(_Fixed):
    """The `count` copies of each token, each times its gate, added up."""

    count: int

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        y = x * _by_copy(gates.topk(self.count, -1).values).unsqueeze(-1)
        return torch.unflatten(y, 0, (-1, self.count)).sum(1)
