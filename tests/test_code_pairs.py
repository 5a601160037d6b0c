"""Modules of the same parameters that differ in what they compute, and others that are one function written twice:
what attention, windows, functions and layouts written by hand are taken for. The oracle is torch: with the same weights
the outputs differ, or agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from archcalc.alignment.align import align  # noqa: E402
from archcalc.alignment.weights import carried  # noqa: E402
from archcalc.gate.lock import entry_of  # noqa: E402
from archcalc.models import capture  # noqa: E402
from archcalc.runtime.same import same_numbers  # noqa: E402
from archcalc.tasks.diff import Diff  # noqa: E402
from tests.test_code_diff import Forward  # noqa: E402
from tests.test_code_forms import written  # noqa: E402

T, D, HEADS = 4, 16, 2
HIDDEN = torch.full((T, T), -math.inf).triu(1)
Work = Callable[..., Any]


class Net(nn.Module):
    """Layers by name, of which `work` makes something."""

    def __init__(self, work: Work, layers: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self.work = work
        for name, layer in layers().items():
            if type(layer) is Tensor:
                self.register_buffer(name, layer, persistent=False)
            else:
                setattr(self, name, layer)

    def forward(self, *x: Tensor) -> Any:
        return self.work(self, *x)


def waves(base: float = 1e4, count: int = T) -> tuple[Tensor, Tensor]:
    """The cosines and sines of a rotary embedding of 8 elements."""
    angles = torch.arange(count)[:, None] / base ** (torch.arange(0, 8, 2) / 8)
    return angles.repeat(1, 2).cos(), angles.repeat(1, 2).sin()


def attend(m: Any, x: Tensor, by_hand: bool = False, causal: Any = None, rope: Any = None, on: str = "qk",
           names: str = "qkvo", bias: Any = None, order: Any = None) -> Tensor:  # fmt: skip
    """Attention of two heads, with one thing or another otherwise."""
    if order is not None:
        z = m.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = (z[at] for at in order)
    else:
        q, k, v = (getattr(m, name)(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for name in names[:3])
    for name in on if rope is not None else "":
        y = q if name == "q" else k
        y = y * rope[0] + torch.cat([-y[..., 4:], y[..., :4]], -1) * rope[1]
        q, k = (y, k) if name == "q" else (q, y)
    if by_hand:
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        scores = scores if causal is None else causal(scores)
        scores = scores if bias is None else scores + bias(m)
        y = scores.softmax(-1) @ v
    else:
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=causal)
    return getattr(m, names[3])(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def twice(names: str, **given: Any) -> Work:
    return lambda m, x: attend(m, attend(m, x), names=names, **given)


def layers(names: str, tables: str = "") -> Callable[[], dict[str, Any]]:
    return lambda: {name: nn.Linear(D, D) for name in names} | {t: nn.Parameter(torch.ones(9, HEADS)) for t in tables}


def turned(base: float) -> Callable[[], dict[str, Any]]:
    return lambda: layers("qkvo")() | dict(zip(("cos", "sin"), waves(base), strict=True))


def relative(flipped: bool = False, table: str = "t") -> Callable[[Any], Tensor]:
    """Biases of pairs in a window of 2×2."""
    place = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")).flatten(1)
    apart = (place[:, :, None] - place[:, None, :]) * (-1 if flipped else 1) + 1
    rows = (apart[0] * 3 + apart[1]).flatten()
    return lambda m: getattr(m, table)[rows].view(T, T, HEADS).permute(2, 0, 1)


def swin(m: Any, x: Tensor, back: int = 1, cut: tuple[int, ...] = (0, 1, 3, 2, 4, 5), over: str = "windows") -> Tensor:
    """Attention of four heads in the four 2×2 windows of a map of 4×4 that is turned round by one."""
    x = x.permute(0, 2, 3, 1)
    y = x.roll((-1, -1), (1, 2)).view(-1, 2, 2, 2, 2, 8).permute(cut).reshape(-1, 4, 8)
    q, k, v = m.qkv(y).unflatten(-1, (3, 4, 2)).permute(2, 0, 3, 1, 4).unbind(0)
    part = torch.tensor([0, 0, 1, 2])
    part = (3 * part[:, None] + part).view(2, 2, 2, 2).transpose(1, 2).reshape(4, 4)
    mask = ((part[:, None] - part[:, :, None]) != 0) * -100.0
    scores = (q @ k.transpose(-1, -2) * 2**-0.5).view(-1, 4, 4, 4, 4)
    scores = (scores + (mask[:, None] if over == "windows" else mask)).view(-1, 4, 4, 4)
    y = m.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
    y = y.view(-1, 2, 2, 2, 2, 8).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 4, 8)
    return (y.roll((back, back), (1, 2)) if back else y).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


def cosine(m: Any, x: Tensor, most: float = math.log(100), size: tuple[int, ...] = (-1, 1, 1), over: str = "qk",
           axis: int = -1, late: bool = False, bias: Any = None, packed: Any = None, on: str = "",
           fused: bool = False) -> Tensor:  # fmt: skip
    """Attention of two heads by cosines, each head at a temperature of its own, with one thing or another otherwise."""
    made = (m.q(x), m.k(x), m.v(x)) if packed is None else F.linear(x, m.w, packed(m)).chunk(3, -1)
    q, k, v = (layer.unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer in made)
    q, k = (F.normalize(y, dim=axis) if name in over else y for name, y in zip("qk", (q, k), strict=True))
    warmth = m.tau.clamp(max=most).exp().view(size)
    q, k, v = (y * warmth if name in on else y for name, y in zip("qkv", (q, k, v), strict=True))
    if fused:
        y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return m.o(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
    scores = q @ k.mT
    scores = scores if late or on else scores * warmth
    scores = scores if bias is None else scores + bias(m)
    scores = scores * warmth if late else scores
    return m.o((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def warm(count: int = HEADS, tables: str = "") -> Callable[[], dict[str, Any]]:
    return lambda: layers("qkvo", tables)() | {"tau": nn.Parameter(torch.ones(count, 1, 1))}


def worked_on(late: Callable[[Tensor], Tensor], early: Callable[[Tensor], Tensor] = lambda t: t) -> Work:
    """Cosine attention with biases of which a function is taken before they are looked up, and one behind that."""
    return lambda m, x: cosine(m, x, bias=lambda m: late(relative()(SimpleNamespace(t=early(m.t)))))


def with_bias(made: Callable[[Any], Tensor]) -> Work:
    """Cosine attention of one layer whose bias is made."""
    return lambda m, x: cosine(m, x, packed=made)


def overwritten(m: Any, part: int = 1, by: float = 0.0, again: bool = False) -> Tensor:
    """A bias of which a part is overwritten."""
    bias: Tensor = m.b.clone()
    bias[part * D : (part + 1) * D].fill_(by)
    if again:
        bias[:D].fill_(1.0)
    return bias


def biased() -> dict[str, Any]:
    made = {"w": nn.Parameter(torch.ones(3 * D, D)), "b": nn.Parameter(torch.ones(3 * D)), "o": nn.Linear(D, D)}
    made |= {"tau": nn.Parameter(torch.ones(HEADS, 1, 1))}
    return made | {"c": nn.Parameter(torch.ones(D)), "d": nn.Parameter(torch.ones(D)), "zeros": torch.zeros(D)}


def decomposed(m: Any, x: Tensor, flip: bool = False, of: str = "q", scaled: bool = False,
               spread: tuple[int, int] = (4, 3), products: bool = False) -> Tensor:  # fmt: skip
    """Attention of two heads in a square of 2×2, whose queries meet vectors of the differences along each axis."""
    q, k, v = (getattr(m, name)(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for name in "qkv")
    apart = (torch.arange(2)[:, None] - torch.arange(2)[None]) * (-1 if flip else 1) + 1
    met = ({"q": q, "k": k}[of] * (8**-0.5 if scaled else 1)).reshape(-1, 2, 2, 8)
    if products:
        rows = (met.transpose(0, 1).flatten(1, 2) @ m.r[apart].mT).unflatten(1, (-1, 2)).transpose(0, 1)
        columns = (met.permute(2, 0, 1, 3).flatten(1, 2) @ m.c[apart].mT).unflatten(1, (-1, 2)).permute(1, 2, 0, 3)
    else:
        rows, columns = (torch.einsum(f"bhwc,{n}kc->bhwk", met, t[apart]) for n, t in (("h", m.r), ("w", m.c)))
    added = (rows.unsqueeze(spread[0]) + columns.unsqueeze(spread[1])).reshape(-1, HEADS, T, T)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=added)
    return m.o(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def vectors() -> dict[str, Any]:
    return layers("qkvo")() | {name: nn.Parameter(torch.ones(3, 8)) for name in "rc"}


def picked(out: str = "nijxy", flip: bool = True, last: bool = False) -> Callable[[Any], Tensor]:
    """Biases of pairs in a square of 2×2 that products with ones and zeros pick from a table."""
    apart = (torch.arange(2)[None] - torch.arange(2)[:, None]) * (1 if flip else -1) + 1
    ones = F.one_hot(apart, 3).float()
    table = "hwn" if last else "nhw"
    return lambda m: torch.einsum(f"nixw,jyw->{out}", torch.einsum(f"{table},ixh->nixw", m.p, ones), ones).reshape(
        HEADS, T, T
    )


def picking(last: bool = False) -> Callable[[], dict[str, Any]]:
    return lambda: layers("qkvo")() | {"p": nn.Parameter(torch.ones((3, 3, HEADS) if last else (HEADS, 3, 3)))}


def placed(log: float = 8, flip: bool = False, kept: bool = False) -> tuple[Work, Callable[[], dict[str, Any]]]:
    """Cosine attention whose biases a small network makes of places, which are constants."""
    line = torch.linspace(-1, 1, 3)
    places = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)
    places = (places.flip(-1) if flip else places)[None]
    places = places.sign() * (8 * places.abs() + 1).log() / math.log(log)

    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("places", places, persistent=kept)
            self.one, self.two = nn.Linear(2, 8), nn.Linear(8, HEADS, bias=False)

        def forward(self) -> Tensor:
            return self.two(self.one(self.places).relu()).view(-1, HEADS)  # type: ignore[no-any-return]

    def work(m: Any, x: Tensor) -> Tensor:
        return cosine(m, x, bias=lambda m: 16 * relative()(SimpleNamespace(t=m.made())).sigmoid())

    return work, lambda: warm()() | {"made": Made()}


def edges(work: Callable[[Tensor], Tensor], last: bool = False) -> Work:
    """What is done to the edges of a map, whose channels stand in front, or behind."""

    def done(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        return m.out(work(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) if last else work(y))  # type: ignore[no-any-return]

    return done


def convs() -> dict[str, Any]:
    return {"conv": nn.Conv2d(8, 8, 3, padding=1), "out": nn.Conv2d(8, 8, 1)}


def unit(m: Any, x: Tensor, axis: int = 1) -> Tensor:
    y = m.conv(x)
    return m.out(y * torch.rsqrt(y.pow(2).mean(axis, keepdim=True) + 1e-6))  # type: ignore[no-any-return]


def in_windows() -> dict[str, Any]:
    return {"qkv": nn.Linear(8, 24), "out": nn.Linear(8, 8)}


def rms(m: Any, x: Tensor) -> Tensor:
    return m.a(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * m.w)  # type: ignore[no-any-return]


def grouped(m: Any, x: Tensor, cut: tuple[int, ...] = (2, -1), over: Any = -1, eps: float = 1e-5) -> Tensor:
    """A group norm by hand, behind a layer."""
    y: Tensor = m.a(x)
    z = y.view(len(y), cut[0], -1, *y.shape[2:]) if len(cut) > 2 else y.reshape(len(y), *cut)
    z = (z - z.mean(over, keepdim=True)) / (z.var(over, unbiased=False, keepdim=True) + eps).sqrt()
    return z.view_as(y) * m.w[:, None, None] + m.b[:, None, None]  # type: ignore[no-any-return]


def groups(count: int = 2) -> Callable[[], dict[str, Any]]:
    return lambda: {"a": nn.Conv2d(8, 8, 1), "n": nn.GroupNorm(count, 8)}


def weights(*size: int, **more: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"w": nn.Parameter(torch.ones(size)), "b": nn.Parameter(torch.ones(6))} | more


def letters(equation: str) -> Work:
    return lambda m, x: torch.einsum(equation, x, m.w)


def by_head(m: Any, x: Tensor, heads: int = 2) -> Tensor:
    y = x.view(*x.shape[:2], heads, -1)
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).flatten(2) * m.w  # type: ignore[no-any-return]


def each(make: Callable[[Any], Work], one: Any, other: Any) -> tuple[Work, Work]:
    """A work made with one thing, and with another."""
    return make(one), make(other)


def sloping(*slopes: float) -> Work:
    """Causal attention whose scores fall with the distance, each head's by a slope of its own."""
    apart = (torch.arange(T)[None] - torch.arange(T)[:, None]) * torch.tensor(slopes)[:, None, None]
    return lambda m, x: attend(m, x, causal=apart + HIDDEN)


def same(work: Work) -> tuple[Work, Work]:
    return work, work


def of_one(work: Callable[[Tensor], Tensor]) -> Work:
    return lambda m, x: work(m.a(x))


def two_masks() -> tuple[Tensor, Tensor]:
    hidden = -200 * torch.ones(8, 8).triu(1)
    return hidden, hidden[:, None]


PACKED: Callable[[], dict[str, Any]] = lambda: {"qkv": nn.Linear(D, 3 * D), "o": nn.Linear(D, D)}  # noqa: E731
LINEAR: Callable[[], dict[str, Any]] = lambda: {"a": nn.Linear(8, 8)}  # noqa: E731
SCALED: Callable[[], dict[str, Any]] = lambda: {"a": nn.Linear(8, 8), "w": nn.Parameter(torch.ones(8))}  # noqa: E731
LENGTHWISE: Callable[[], dict[str, Any]] = lambda: LINEAR() | {"w": nn.Parameter(torch.ones(8, 1))}  # noqa: E731
MAPPED: Callable[[], dict[str, Any]] = lambda: {"a": nn.Conv2d(8, 8, 1), "w": nn.Parameter(torch.ones(8))}  # noqa: E731
PLACES: Callable[[], dict[str, Any]] = lambda: {"p": nn.Parameter(torch.zeros(1, 9, 8))}  # noqa: E731
TOKENS, MAP, SQUARE, CUBE = (T, D), (8, 4, 4), (8, 8), (8, 8, 8)
HIDES = torch.ones(T, T).triu(1).bool()


class Pair(NamedTuple):
    """Two modules: what each makes of its layers, the layers (of the second, where they are others), the input."""

    first: Work
    second: Work
    layers: Callable[[], dict[str, Any]]
    shape: tuple[int, ...] = TOKENS
    others: Callable[[], dict[str, Any]] | None = None


OTHERWISE: dict[str, Pair] = {
    "a block twice, or two": Pair(twice("qkvo"), twice("efgh"), layers("qkvo"), others=layers("qkvoefgh")),
    "queries that are values": Pair(
        lambda m, x: attend(m, x, names="qkqo") + m.v(x), lambda m, x: attend(m, x) + m.v(x), layers("qkvo")
    ),
    "queries as a layer, too": Pair(
        lambda m, x: m.q(attend(m, x)), lambda m, x: m.o(attend(m, x)), layers("qkvo")
    ),
    "a layer of two attentions": Pair(
        lambda m, x: attend(m, x) + attend(m, x, names="efgo"), lambda m, x: attend(m, x) + attend(m, x, names="efgh"),
        layers("qkvoefgh"),
    ),
    "keys that are values, of one layer": Pair(
        lambda m, x: attend(m, x, order=(0, 1, 2)), lambda m, x: attend(m, x, order=(0, 1, 1)), PACKED
    ),
    "keys before queries": Pair(
        lambda m, x: attend(m, x, order=(0, 1, 2)), lambda m, x: attend(m, x, order=(1, 0, 2)), PACKED
    ),
    "values before keys": Pair(
        lambda m, x: attend(m, x, order=(0, 1, 2)), lambda m, x: attend(m, x, order=(0, 2, 1)), PACKED
    ),
    "a mask the other way": Pair(
        lambda m, x: attend(m, x, causal=~HIDES), lambda m, x: attend(m, x, causal=~HIDES.T), layers("qkvo")
    ),
    "a mask that hides itself": Pair(
        lambda m, x: attend(m, x, causal=~HIDES), lambda m, x: attend(m, x, causal=torch.ones(T, T).tril(1).bool()),
        layers("qkvo"),
    ),
    "a mask filled in with −1": Pair(
        *each(lambda by: lambda m, x: attend(m, x, True, lambda y: y.masked_fill(HIDES, by)), -math.inf, -1.0),
        layers("qkvo"),
    ),
    "a mask filled in with −100": Pair(
        *each(lambda by: lambda m, x: attend(m, x, True, lambda y: (300 * y).masked_fill(HIDES, by)), -1e9, -100.0),
        layers("qkvo"),
    ),
    "a mask filled in the other way": Pair(
        *each(lambda at: lambda m, x: attend(m, x, True, lambda y: y.masked_fill(at, -math.inf)), HIDES, HIDES.T),
        layers("qkvo"),
    ),
    "slopes beside what is hidden": Pair(sloping(0.5, 0.25), sloping(0.25, 0.5), layers("qkvo")),
    "rotary by heads": Pair(
        lambda m, x: attend(m, x, rope=waves()),
        lambda m, x: attend(m, x, rope=[y[:, None] for y in waves(count=HEADS)]), layers("qkvo"),
    ),
    "rotary of keys alone": Pair(
        lambda m, x: attend(m, x, rope=waves()), lambda m, x: attend(m, x, rope=waves(), on="k"), layers("qkvo")
    ),
    "rotary of another base, of buffers": Pair(
        *same(lambda m, x: attend(m, x, rope=(m.cos, m.sin))), turned(1e4), others=turned(5e5)
    ),
    "a table of two attentions": Pair(
        lambda m, x: attend(m, attend(m, x, True, bias=relative()), True, names="efgh", bias=relative()),
        lambda m, x: attend(m, attend(m, x, True, bias=relative()), True, names="efgh", bias=relative(table="s")),
        layers("qkvoefgh", "ts"),
    ),
    "a table the other way": Pair(
        lambda m, x: attend(m, x, True, bias=relative()), lambda m, x: attend(m, x, True, bias=relative(True)),
        layers("qkvo", "t"),
    ),
    "a temperature below another": Pair(
        *each(lambda most: lambda m, x: cosine(m, x, most), math.log(100), 0.1), warm()
    ),
    "a temperature of all heads": Pair(*same(cosine), warm(), others=warm(1)),
    "a temperature of values": Pair(cosine, lambda m, x: cosine(m, x, on="v"), warm()),
    "a temperature twice": Pair(cosine, lambda m, x: cosine(m, x, on="qk"), warm()),
    "a temperature of queries, for each token": Pair(
        *each(lambda size: lambda m, x: cosine(m, x, size=size, on="q"), (-1, 1, 1), (1, -1, 1)), warm(), (HEADS, D)
    ),
    "a temperature of tokens": Pair(
        *each(lambda size: lambda m, x: cosine(m, x, size=size), (-1, 1, 1), (1, -1, 1)), warm(), (HEADS, D)
    ),
    "cosines of queries alone": Pair(*each(lambda over: lambda m, x: cosine(m, x, over=over), "qk", "q"), warm()),
    "lengths over tokens": Pair(*each(lambda axis: lambda m, x: cosine(m, x, axis=axis), -1, -2), warm(), (8, D)),
    "biases at a temperature": Pair(
        *each(lambda late: lambda m, x: cosine(m, x, late=late, bias=relative()), False, True), warm(tables="t")
    ),
    "biases of another size": Pair(
        *each(worked_on, lambda y: 16 * y.sigmoid(), lambda y: 8 * y.sigmoid()), warm(tables="t")
    ),
    "a function of larger biases": Pair(
        *each(worked_on, lambda y: 16 * y.sigmoid(), lambda y: (16 * y).sigmoid()), warm(tables="t")
    ),
    "shares of biases looked up, or before": Pair(
        worked_on(lambda y: y.softmax(-1)), worked_on(lambda y: y, lambda t: t.softmax(0)), warm(tables="t")
    ),
    "logarithms to another base": Pair(placed()[0], placed(9)[0], placed()[1], others=placed(9)[1]),
    "columns before rows": Pair(placed()[0], placed(flip=True)[0], placed()[1], others=placed(flip=True)[1]),
    "zeros for values": Pair(
        with_bias(lambda m: torch.cat((m.c, m.zeros, m.d))), with_bias(lambda m: torch.cat((m.c, m.d, m.zeros))), biased
    ),
    "the bias of values overwritten": Pair(with_bias(overwritten), with_bias(lambda m: overwritten(m, 2)), biased),
    "the bias of keys not overwritten": Pair(with_bias(overwritten), with_bias(lambda m: m.b), biased),
    "a bias overwritten with ones": Pair(with_bias(overwritten), with_bias(lambda m: overwritten(m, by=1.0)), biased),
    "a bias overwritten again": Pair(with_bias(overwritten), with_bias(lambda m: overwritten(m, again=True)), biased),
    "vectors of keys": Pair(*each(lambda of: lambda m, x: decomposed(m, x, of=of), "q", "k"), vectors),
    "vectors the other way": Pair(*each(lambda flip: lambda m, x: decomposed(m, x, flip), False, True), vectors),
    "vectors of scaled queries": Pair(
        *each(lambda scaled: lambda m, x: decomposed(m, x, scaled=scaled), False, True), vectors
    ),
    "vectors along the other axis": Pair(
        *each(lambda spread: lambda m, x: decomposed(m, x, spread=spread), (4, 3), (3, 4)), vectors
    ),
    "picks the other way": Pair(
        *each(lambda flip: lambda m, x: attend(m, x, True, bias=picked(flip=flip)), True, False), picking()
    ),
    "picks of columns for rows": Pair(
        *each(lambda out: lambda m, x: attend(m, x, True, bias=picked(out)), "nijxy", "njixy"), picking()
    ),
    "zeros behind rows, or columns": Pair(
        *each(lambda pad: edges(lambda y: F.pad(y, pad), True), (0, 0, 0, 2, 0, 0), (0, 0, 0, 0, 0, 2)), convs, MAP
    ),
    "zeros in front": Pair(
        edges(lambda y: F.pad(y, (0, 1, 0, 1))), edges(lambda y: F.pad(y, (0, 0, 1, 0, 1, 0)), True), convs, MAP
    ),
    "columns cut off for rows": Pair(edges(lambda y: y[:, :, :3]), edges(lambda y: y[:, :, :3], True), convs, MAP),
    "rows cut off in front": Pair(edges(lambda y: y[:, :, :3]), edges(lambda y: y[:, 1:], True), convs, MAP),
    "lengths of columns": Pair(
        *each(lambda axis: lambda m, x: unit(m, x, axis), 1, 3), convs, (8, 4, 8)
    ),
    "windows that are not turned back": Pair(swin, lambda m, x: swin(m, x, back=0), in_windows, MAP),
    "windows turned on": Pair(swin, lambda m, x: swin(m, x, back=-1), in_windows, MAP),
    "windows without a transpose": Pair(swin, lambda m, x: swin(m, x, cut=(0, 1, 2, 3, 4, 5)), in_windows, MAP),
    "a grid for windows": Pair(swin, lambda m, x: swin(m, x, cut=(0, 2, 4, 1, 3, 5)), in_windows, MAP),
    "a mask of windows over heads": Pair(swin, lambda m, x: swin(m, x, over="heads"), in_windows, MAP),
    "places of another part": Pair(lambda m, x: x + m.p[:, :-1], lambda m, x: x + m.p[:, 1:], PLACES, SQUARE),
    "a scale of tokens": Pair(rms, rms, SCALED, SQUARE, LENGTHWISE),
    "a range along another axis": Pair(
        *each(lambda by: of_one(lambda x: x + by), torch.arange(8), torch.arange(8)[:, None]), LINEAR, SQUARE
    ),
    "a mask along another axis": Pair(
        *each(lambda by: of_one(lambda x: x + by), *two_masks()),
        LINEAR, CUBE,
    ),
    "dropout that is active": Pair(
        *each(lambda on: of_one(lambda x: F.dropout(x, 0.5, on)), False, True), LINEAR, SQUARE
    ),
    "random numbers twice, or others": Pair(
        of_one(lambda x: (r := torch.rand_like(x)) + r), of_one(lambda x: torch.rand_like(x) + torch.rand_like(x)),
        LINEAR, SQUARE,
    ),
    "means of rows, of columns": Pair(of_one(lambda x: x.mean(1)), of_one(lambda x: x.mean(2)), LINEAR, SQUARE),
    "a parameter in front, or behind": Pair(
        lambda m, x: torch.cat((m.w, x)), lambda m, x: torch.cat((x, m.w)), weights(1, 8, 8), SQUARE
    ),
    "a parameter beside it, or not": Pair(
        lambda m, x: torch.cat((m.w, x)).mean(0), lambda m, x: (x + 0 * m.w).mean(0), weights(1, 8, 8), SQUARE
    ),
    "the other factor": Pair(
        *each(lambda at: lambda m, x: torch.einsum("bi,oi->bo", *(m.w, x[0])[::at]), 1, -1), weights(8, 8), SQUARE
    ),
    "a scale along another axis": Pair(
        lambda m, x: m.a(x) * m.w, lambda m, x: m.a(x) * m.w[:, None], SCALED, SQUARE
    ),
    "a scale of rows": Pair(
        *each(lambda axes: lambda m, x: m.a(x) * m.w.view(axes), (-1, 1, 1), (-1, 1)), MAPPED, CUBE
    ),
    "a bias of columns": Pair(
        *each(lambda axes: lambda m, x: m.a(x).relu() + m.w.view(axes), (-1, 1, 1), (-1,)), MAPPED, CUBE
    ),
    "a layer of places": Pair(
        lambda m, x: torch.einsum("bchw,oc->bohw", m.a(x), m.w),
        lambda m, x: torch.einsum("bchw,ow->bcho", m.a(x), m.w),
        lambda: weights(8, 8)() | {"a": nn.Conv2d(8, 8, 1)}, CUBE,
    ),
    "channels for tokens": Pair(
        lambda m, x: m.w @ m.a(x), lambda m, x: m.a(x) @ m.w.T, lambda: weights(8, 8)() | {"a": nn.Conv1d(8, 8, 1)},
        SQUARE,
    ),
    "a bias of tokens": Pair(
        lambda m, x: x @ m.w + m.b, lambda m, x: x @ m.w + m.b[:, None], weights(6, 6), (6, 6)
    ),
    "a bias twice": Pair(lambda m, x: x @ m.w + m.b, lambda m, x: x @ m.w + m.b + m.b, weights(8, 6), SQUARE),
    "a number for a bias": Pair(
        *same(lambda m, x: x @ m.w + m.c), lambda: weights(8, 6)() | {"c": nn.Parameter(torch.ones(6))}, SQUARE,
        lambda: weights(8, 6)() | {"c": nn.Parameter(torch.ones(1))},
    ),
    "a layer read before its bias": Pair(
        lambda m, x: (y := x @ m.w) + m.b + y.relu(), lambda m, x: (y := x @ m.w + m.b) + y.relu(), weights(8, 6),
        SQUARE,
    ),
    "groups of other size": Pair(grouped, lambda m, x: grouped(m, x, (4, -1)), lambda: weights(8)() | groups()() |
                                 {"b": nn.Parameter(torch.ones(8))}, MAP),
    "groups of places alone": Pair(
        *each(lambda over: lambda m, x: grouped(m, x, (2, -1, 0), over), (2, 3, 4), (3, 4)),
        lambda: weights(8)() | groups()() | {"b": nn.Parameter(torch.ones(8))}, MAP,
    ),
    "a norm of each head": Pair(
        *each(lambda heads: lambda m, x: by_head(m, x, heads), 1, 2), lambda: {"w": nn.Parameter(torch.ones(8))}, SQUARE
    ),
    "responses of rows": Pair(
        *each(lambda order: lambda m, x: F.local_response_norm(m.a(x).permute(order), 3, 1.0).permute(
            [order.index(axis) for axis in range(4)]), (0, 1, 2, 3), (0, 2, 1, 3)),
        lambda: {"a": nn.Conv2d(4, 4, 1)}, (4, 4, 4),
    ),
}  # fmt: skip

# What works along the channels, or along the places as they stand: behind a layer, and behind its axes in this order.
TURNED: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "conv1d": ("021", lambda: nn.Conv1d(4, 4, 3, padding=1)), "bn of a signal": ("021", lambda: nn.BatchNorm1d(4)),
    "instances, 1": ("021", lambda: nn.InstanceNorm1d(4)), "pool of a signal": ("021", lambda: nn.MaxPool1d(2)),
    "signal to a size": ("021", lambda: nn.AdaptiveAvgPool1d(2)), "conv of rows": ("0132", lambda: nn.Conv2d(4, 4, 3)),
    "a longer signal": ("021", lambda: nn.Upsample(scale_factor=2)), "conv3d": ("01324", lambda: nn.Conv3d(4, 4, 3)),
    "pool of rows": ("01324", lambda: nn.AvgPool3d((1, 2, 2))), "bn of frames": ("02134", lambda: nn.BatchNorm3d(4)),
    "instances": ("0213", lambda: nn.InstanceNorm2d(4)), "to a size": ("0231", lambda: nn.AdaptiveAvgPool2d(2)),
    "frames to a size": ("02134", lambda: nn.AdaptiveMaxPool3d(2)), "0": ("0231", lambda: nn.ZeroPad2d((1, 0, 1, 0))),
    "larger": ("0231", lambda: nn.Upsample(scale_factor=2, mode="bilinear")),
    "larger in one": ("0132", lambda: nn.Upsample(scale_factor=(2.0, 1.0))),
    "means": ("0231", lambda: Forward(lambda _, x: x.mean((2, 3)))),
    "sums": ("0321", lambda: Forward(lambda _, x: x.sum((2, 3)))),
}  # fmt: skip


def behind(name: str) -> Pair:
    order, layer = TURNED[name]
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(order) - 3]
    return Pair(
        *each(lambda order: lambda m, x: m.b(m.a(x).relu().permute([*map(int, order)])), sorted(order), order),
        lambda: {"a": conv(4, 4, 1), "b": layer()}, (4,) * (len(order) - 1),
    )  # fmt: skip


OTHERWISE |= {f"{name}, turned": behind(name) for name in TURNED}

# One layer, of whose value it gives more, or less, or under another name.
GIVEN: dict[str, tuple[Work, Work]] = {
    "an output twice": (lambda m, x: m.a(x), lambda m, x: (y := m.a(x), y)),
    "a list of one": (lambda m, x: m.a(x), lambda m, x: [m.a(x)]),
    "another order": (lambda m, x: (x, m.a(x)), lambda m, x: (m.a(x), x)),
    "other names": (lambda m, x: {"a": m.a(x)}, lambda m, x: {"b": m.a(x)}),
    "names in another order": (
        lambda m, x: {"a": (y := m.a(x)), "b": y.relu()}, lambda m, x: {"b": (y := m.a(x)), "a": y.relu()}
    ),
    "a weight, too": (lambda m, x: m.a(x), lambda m, x: (m.a(x), m.w)),
    "another weight": (lambda m, x: (m.a(x), m.w), lambda m, x: (m.a(x), m.a.bias)),
}  # fmt: skip

# What no difference of calls shows: it is run.
LAID_OTHERWISE: dict[str, Pair] = {
    "rows for columns": Pair(of_one(lambda x: x.transpose(1, 2)), of_one(lambda x: 1 * x), LINEAR, CUBE),
    "a product turned": Pair(of_one(lambda x: x @ x.mT), of_one(lambda x: x.mT @ x), LINEAR, SQUARE),
    "not turned": Pair(of_one(lambda x: x @ x.mT), of_one(lambda x: x @ x), LINEAR, SQUARE),
    "a layer of tokens": Pair(lambda m, x: m.a(x), lambda m, x: m.a(x.mT).mT, LINEAR, SQUARE),
    "sums spread otherwise": Pair(
        of_one(lambda x: x + x.sum(2)[:, :, None, :]), of_one(lambda x: x + x.sum(2)[:, :, :, None]), LINEAR, CUBE
    ),
    "a vector of a map, turned": Pair(
        lambda m, x: m.a(x.flatten(1)), lambda m, x: m.a(x.permute(0, 2, 3, 1).flatten(1)),
        lambda: {"a": nn.Linear(128, 3)}, MAP,
    ),
    "a batch for tokens": Pair(
        *same(lambda m, x: m.a(x, x, x, need_weights=False)[0]),
        lambda: {"a": nn.MultiheadAttention(D, HEADS, batch_first=True)}, TOKENS,
        lambda: {"a": nn.MultiheadAttention(D, HEADS)},
    ),
}  # fmt: skip

ALIKE: dict[str, Pair] = {
    "attention by hand": Pair(attend, lambda m, x: attend(m, x, True), layers("qkvo")),
    "a mask filled in": Pair(
        lambda m, x: attend(m, x, causal=~HIDES),
        lambda m, x: attend(m, x, True, lambda y: y.masked_fill(HIDES, -1e9)), layers("qkvo"),
    ),
    "a mask added": Pair(
        lambda m, x: attend(m, x, causal=HIDDEN), lambda m, x: attend(m, x, True, lambda y: y + HIDDEN), layers("qkvo")
    ),
    "rotary of buffers": Pair(
        lambda m, x: attend(m, x, rope=(m.cos, m.sin)), lambda m, x: attend(m, x, True, rope=(m.cos, m.sin)),
        turned(1e4),
    ),
    "a block twice": Pair(twice("qkvo"), twice("qkvo", by_hand=True), layers("qkvo")),
    "layers in another's place": Pair(attend, lambda m, x: attend(m, x, names="kqvo"), layers("qkvo")),
    "products of one layer": Pair(
        lambda m, x: attend(m, x, order=(0, 1, 2)), attend, PACKED, others=layers("qkvo")
    ),
    "cosines": Pair(*same(cosine), warm()),
    "a temperature of queries": Pair(cosine, lambda m, x: cosine(m, x, on="q"), warm()),
    "a temperature of keys": Pair(cosine, lambda m, x: cosine(m, x, on="k"), warm()),
    "a temperature before one call": Pair(cosine, lambda m, x: cosine(m, x, on="q", fused=True), warm()),
    "a function of biases before they are looked up": Pair(
        worked_on(lambda y: 16 * y.sigmoid()), worked_on(lambda y: y, lambda t: 16 * t.view(9, HEADS).sigmoid()),
        warm(tables="t"),
    ),
    "places that a checkpoint holds": Pair(
        placed()[0], placed(kept=True)[0], placed()[1], others=placed(kept=True)[1]
    ),
    "zeros for the bias of keys": Pair(
        with_bias(lambda m: torch.cat((m.c, m.zeros, m.d))), with_bias(lambda m: torch.cat((m.c, m.zeros, m.d))), biased
    ),
    "the bias of keys overwritten": Pair(*same(with_bias(overwritten)), biased),
    "vectors by other products": Pair(
        *each(lambda products: lambda m, x: decomposed(m, x, products=products), False, True), vectors
    ),
    "picks": Pair(*same(lambda m, x: attend(m, x, True, bias=picked())), picking()),
    "picks for a table": Pair(
        lambda m, x: attend(m, x, True, bias=picked(flip=False, last=True)),
        lambda m, x: attend(m, x, True, bias=relative()), picking(True), others=layers("qkvo", "t"),
    ),
    "edges of channels behind": Pair(
        edges(lambda y: F.pad(y, (0, 1, 2, 0))[:, :, :-1, 1:]),
        edges(lambda y: F.pad(y, (0, 0, 0, 1, 2, 0))[:, :-1, 1:], True), convs, MAP,
    ),
    **{
        f"{equation} of a weight": Pair(letters(equation), lambda m, x: m.a(x), weights(*size), shape, layer)
        for equation, size, shape, layer in (
            ("bti,oi->bto", (6, 8), SQUARE, lambda: {"a": nn.Linear(8, 6, bias=False)}),
            ("...i,io->...o", (8, 6), SQUARE, lambda: {"a": nn.Linear(8, 6, bias=False)}),
            ("bihw,oi->bohw", (6, 8), MAP, lambda: {"a": nn.Conv2d(8, 6, 1, bias=False)}),
            ("bit,io->bot", (8, 6), SQUARE, lambda: {"a": nn.Conv1d(8, 6, 1, bias=False)}),
        )
    },
    "a product and a bias": Pair(
        lambda m, x: x @ m.w + m.b, lambda m, x: m.a(x), weights(8, 6), SQUARE, lambda: {"a": nn.Linear(8, 6)}
    ),
    "a turned weight and a bias in front": Pair(
        lambda m, x: m.b + x @ m.w.T, lambda m, x: m.a(x), weights(6, 8), SQUARE, lambda: {"a": nn.Linear(8, 6)}
    ),
    "a bias of a map": Pair(
        lambda m, x: F.conv2d(x, m.w) + m.b[:, None, None], lambda m, x: m.a(x), weights(6, 8, 3, 3), MAP,
        lambda: {"a": nn.Conv2d(8, 6, 3)},
    ),
    "products for attention": Pair(
        lambda m, x: attend(
            SimpleNamespace(**{n: partial(torch.matmul, other=getattr(m, f"w{n}")) for n in "qkvo"}), x
        ),
        attend, lambda: {f"w{name}": nn.Parameter(torch.ones(D, D)) for name in "qkvo"}, TOKENS,
        lambda: {name: nn.Linear(D, D, bias=False) for name in "qkvo"},
    ),
    "groups by hand": Pair(
        grouped, lambda m, x: m.n(m.a(x)), lambda: {
            "a": nn.Conv2d(8, 8, 1), "w": nn.Parameter(torch.ones(8)), "b": nn.Parameter(torch.ones(8))}, MAP, groups()
    ),
    "groups of parts": Pair(
        lambda m, x: grouped(m, x, (4, -1, 0), (2, 3, 4)), lambda m, x: m.n(m.a(x)), lambda: {
            "a": nn.Conv2d(8, 8, 1), "w": nn.Parameter(torch.ones(8)), "b": nn.Parameter(torch.ones(8))}, MAP, groups(4)
    ),
    "windows that are a network's end": Pair(
        *same(lambda m, x: swin(m, x, back=0)), in_windows, MAP
    ),
}  # fmt: skip


def both(pair: Pair) -> tuple[Net, Net, Tensor]:
    torch.manual_seed(0)
    one, other = Net(pair.first, pair.layers).eval(), Net(pair.second, pair.others or pair.layers).eval()
    for parameter in (*one.parameters(), *other.parameters()):
        nn.init.normal_(parameter, std=0.5)
    return one, other, torch.randn(2, *pair.shape)


@pytest.mark.parametrize("case", GIVEN)
def test_what_gives_something_else_differs(case: str, tmp_path: Path) -> None:
    modules = [Net(work, MAPPED).eval() for work in GIVEN[case]]
    models = [capture(module, torch.ones(1, *MAP)) for module in modules]
    said = [place.what for place in align(models[0].graph, models[1].graph).differences]
    assert len(said) == 1
    assert said[0].startswith("outputs: ") or said == ["the output is something else"]
    locked = [entry_of("net", model.report()) for model in models]
    assert locked[0].outputs != locked[1].outputs
    layer = written("input: 8 × 4 × 4\nlayers:\n  - conv(8, 1)\n", tmp_path).graph
    spec = [align(model.graph, layer).verdict for model in models]
    assert ("equal" in spec) == (case in ("an output twice", "a list of one", "other names", "a weight, too"))


def apart(one: Net, other: Net, x: Tensor) -> bool:
    with torch.inference_mode():
        y, z = one(x), other(x)
    return y.numel() != z.numel() or not torch.allclose(y.flatten(), z.flatten(), atol=1e-4)


@pytest.mark.parametrize("case", [*OTHERWISE, *LAID_OTHERWISE])
def test_what_computes_otherwise_differs(case: str) -> None:
    one, other, x = both((OTHERWISE | LAID_OTHERWISE)[case])
    state, own = one.state_dict(), other.state_dict()
    alike = state.keys() == own.keys() and all(state[key].numel() == own[key].numel() for key in own)
    if alike:
        other.load_state_dict({key: state[key].view(own[key].shape) for key in own})
        assert apart(one, other, x)
    models = [capture(module, x[:1]) for module in (one, other)]
    found = align(models[0].graph, models[1].graph)
    if case in OTHERWISE:
        assert found.verdict == "different"
    else:
        assert found.verdict == "equal"
        assert same_numbers(found, "one", models[0].report().totals) is False
    locked = [entry_of("net", model.report()).text() for model in models]
    assert locked[0] != locked[1]


def test_a_weight_that_is_turned_loads_no_more() -> None:
    works: list[Work] = [lambda m, x: x @ m.w, lambda m, x: F.linear(x, m.w)]
    one, other = (capture(Net(work, weights(8, 8)).eval(), torch.ones(1, *SQUARE)).graph for work in works)
    compared: Any = None  # what they are called and cost
    held = [Diff(compared, compared, align(one, two)).checkpoint for two in (one, other)]
    assert [(found.kept, found.reshaped) for found in held] == [(2, ()), (1, (("w", "8×8", "8×8 transposed"),))]


def test_what_lies_otherwise_in_a_layer_is_said() -> None:
    one, other, x = both(OTHERWISE["values before keys"])
    found = align(*(capture(module, x[:1]).graph for module in (one, other)))
    said = "attention: queries, keys and values stand in another order in their layer"
    assert [(place.kind, place.what) for place in found.differences] == [("changed", said)]


@pytest.mark.parametrize("case", ALIKE)
def test_what_computes_alike_is_equal(case: str) -> None:
    one, other, x = both(ALIKE[case])
    models = [capture(module, x[:1]) for module in (one, other)]
    found = align(models[0].graph, models[1].graph)
    assert found.verdict == "equal"
    assert same_numbers(found, "one", models[0].report().totals)
    other.load_state_dict(carried(found, one.state_dict(), "one"), strict=False)
    assert not apart(one, other, x)


# What a network may end in that makes probabilities of 8 scores, and its words.
ENDS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[str, ...]]] = {
    "softmax": (lambda y: y.softmax(-1), ("softmax",)), "sigmoid": (torch.sigmoid, ("sigmoid",)),
    "log_softmax": (lambda y: F.log_softmax(y, -1), ("softmax", "log")),
    "a logarithm": (lambda y: y.softmax(-1).log(), ("softmax", "log")),
    "log_sigmoid": (F.logsigmoid, ("sigmoid", "log")),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_code_that_alone_ends_in_probabilities_is_run(end: str, first: bool, turned: bool) -> None:
    work, words = ENDS[end]
    works: list[Work] = [
        lambda m, x: work(30 * m.a(x)), lambda m, x: 30 * (m.a(x.mT) if turned else m.a(x))
    ][:: 1 if first else -1]  # fmt: skip
    models = [capture(Net(work, LINEAR).eval(), torch.ones(1, *SQUARE)) for work in works]
    found = align(models[0].graph, models[1].graph)
    assert found.verdict == "equal"
    assert found.left_out == words
    assert same_numbers(found, "one", models[0].report().totals) is not turned


def test_probabilities_that_something_reads_are_compared() -> None:
    works: list[Work] = [lambda m, x: ((y := m.a(x).softmax(-1)), y.exp()), lambda m, x: ((y := m.a(x)), y.exp())]
    one, other = (capture(Net(work, LINEAR).eval(), torch.ones(1, *SQUARE)).graph for work in works)
    found = align(one, other)
    assert (found.verdict, found.left_out) == ("different", ())


def test_a_run_that_hardly_depends_on_its_inputs_says_nothing() -> None:
    def layers() -> dict[str, Any]:
        return {"deep": nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(12)))}

    works: list[Work] = [lambda m, x: m.deep(x.flatten(1)), lambda m, x: m.deep(x.mT.flatten(1))]
    models = [capture(Net(work, layers).eval(), torch.ones(1, *SQUARE)) for work in works]
    found = align(models[0].graph, models[1].graph)
    assert (found.verdict, same_numbers(found, "one", models[0].report().totals)) == ("equal", None)
