"""What ops compute: the torch twin of each against its formula in plain torch, on the same parameters."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from archcalc.errors import SpecError
from archcalc.models import load
from archcalc.ops import Shape, Tokens
from archcalc.runtime import modules
from tests.graphs import call


class Function(NamedTuple):
    """A call, the shapes of its values, and what it computes of them and of its parameters, by name."""

    word: str
    arguments: dict[str, Any]
    inputs: list[Shape]
    formula: Callable[..., Tensor]


MAP, SEQUENCE = (6, 5, 4), Tokens((6, 8))


def patches(x: Tensor) -> Tensor:
    """2×4 patches, row by row, each with its elements row by row and their channels last."""
    rows = [x[:, :, 2 * i : 2 * i + 2, 4 * j : 4 * j + 4] for i in range(4) for j in range(2)]
    return torch.stack([row.permute(0, 2, 3, 1).flatten(1) for row in rows], 1)


def beyond(x: Tensor, rows: tuple[int, ...], columns: tuple[int, ...] = (), fill: float | None = None) -> Tensor:
    """The places of a signal, or of a map, in this order; those behind the last are `fill`."""
    if fill is not None:
        x = F.pad(x, (0, 1) * (x.dim() - 2), value=fill)
    x = x[:, :, list(rows)]
    return x[..., list(columns)] if columns else x


FUNCTIONS = [
    Function("map", {"like": (2, 3)}, [SEQUENCE], lambda x: x.view(-1, 2, 3, 8).permute(0, 3, 1, 2)),
    Function("map", {"like": True}, [SEQUENCE, (1, 3, 2)], lambda x, _: x.view(-1, 3, 2, 8).permute(0, 3, 1, 2)),
    Function("rearrange", {"pattern": "t c -> c t"}, [SEQUENCE], lambda x: x.transpose(1, 2)),
    Function("rearrange", {"pattern": "c h w -> (h w) c"}, [MAP], lambda x: x.flatten(2).transpose(1, 2)),
    Function(
        "rearrange", {"pattern": "c (h p) (w q) -> (h w) (p q c)", "sizes": "p=2, q=4"}, [(3, 8, 8)], patches
    ),
    Function("pixel_shuffle", {"factor": 2}, [(8, 5, 4)], lambda x: F.pixel_shuffle(x, 2)),
    Function("pixel_unshuffle", {"factor": 2}, [(3, 6, 4)], lambda x: F.pixel_unshuffle(x, 2)),
    Function("pixel_shuffle", {"factor": 2}, [(6, 5)], lambda x: torch.stack((x[:, ::2], x[:, 1::2]), 3).flatten(2)),
]  # fmt: skip


def printed_norm(x: Tensor, n: int = 5, k: float = 2, alpha: float = 1e-4, beta: float = 0.75) -> Tensor:
    """b_i = a_i / (k + α · Σ a_j²)^β, j from i − n/2 to i + n/2, channel by channel (Krizhevsky et al., 2012)."""
    made = []
    for i in range(x.shape[1]):
        low, high = max(0, i - n // 2), min(x.shape[1] - 1, i + n // 2)
        total = sum(x[:, j] ** 2 for j in range(low, high + 1))
        made.append(x[:, i] / (k + alpha * total) ** beta)
    return torch.stack(made, 1)


def bilinear(x: Tensor, size: tuple[int, int], align: bool) -> Tensor:
    """Each output of the four inputs around it, one after the other."""
    made = x.new_zeros(*x.shape[:2], *size)
    for i in range(size[0]):
        for j in range(size[1]):
            weights = []
            for o, n, at in ((size[0], x.shape[2], i), (size[1], x.shape[3], j)):
                place = at * (n - 1) / (o - 1) if align else max(0, (at + 0.5) * n / o - 0.5)
                low = int(place)
                weights.append([(low, 1 - place + low), (min(low + 1, n - 1), place - low)])
            made[:, :, i, j] = sum(a * b * x[:, :, y, z] for y, a in weights[0] for z, b in weights[1])
    return made


def there_and_back(x: Tensor, **p: Tensor) -> Tensor:
    """Elman's layer over the tokens, and another from the last token on."""
    made = []
    for way, tokens in (("", range(6)), ("_reverse", reversed(range(6)))):
        h, states = x.new_zeros(x.shape[0], 3), {}
        for t in tokens:
            w, u, b = (p[f"{name}_l0{way}"] for name in ("weight_ih", "weight_hh", "bias_ih"))
            states[t] = h = torch.tanh(x[:, t] @ w.T + h @ u.T + b)
        made.append(torch.stack([states[t] for t in range(6)], 1))
    return torch.cat(made, 2)


def moved_windows(x: Tensor, offsets: Tensor, mask: Tensor | None, weight: Tensor, stride: int) -> Tensor:
    """A deformable convolution with 3×3 windows, each element by itself (Dai et al., eq. 2 to 4)."""
    height, width = x.shape[2:]
    rows, columns = (-(-n // stride) for n in (height, width))

    def at(n: int, y: float, z: float) -> Tensor:
        found = x.new_zeros(x.shape[1])
        for q in range(height):
            for p in range(width):
                found = found + max(0.0, 1 - abs(q - y)) * max(0.0, 1 - abs(p - z)) * x[n, :, q, p]
        return found

    made = x.new_zeros(x.shape[0], weight.shape[0], rows, columns)
    for n, i, j in product(range(x.shape[0]), range(rows), range(columns)):
        for tap, (a, b) in enumerate(product(range(3), range(3))):
            down, right = offsets[n, 2 * tap : 2 * tap + 2, i, j].tolist()
            read = at(n, i * stride + a - 1 + down, j * stride + b - 1 + right)
            made[n, :, i, j] += weight[:, :, a, b] @ read * (1 if mask is None else mask[n, tap, i, j])
    return made


def sampled(x: Tensor, at: Tensor) -> Tensor:
    """Each output of the four elements around its place, the first of whose numbers says how far right it is; −1 and 1
    are the map's edges, outside are zeros."""
    made = x.new_zeros(*x.shape[:2], *at.shape[2:])
    for n, i, j in product(range(x.shape[0]), range(at.shape[2]), range(at.shape[3])):
        right, down = at[n, :, i, j].tolist()
        z, y = ((right + 1) * x.shape[3] - 1) / 2, ((down + 1) * x.shape[2] - 1) / 2
        for q, p in product(range(x.shape[2]), range(x.shape[3])):
            made[n, :, i, j] += max(0.0, 1 - abs(q - y)) * max(0.0, 1 - abs(p - z)) * x[n, :, q, p]
    return made


def unshared(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    made = [
        [
            torch.einsum("nckl,ockl->no", x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3], weight[2 * i + j])
            for j in (0, 1)
        ]
        for i in (0, 1)
    ]
    return torch.stack([torch.stack(row, -1) for row in made], -2) + bias


def step_by_step(axis: int) -> Callable[..., Tensor]:
    """The linear recurrence along an axis, one step after the other."""

    def formula(x: Tensor, by: Tensor) -> Tensor:
        factors = by.expand(x.shape).unbind(axis)
        made = [torch.zeros_like(factors[0])]
        for step, factor in zip(x.unbind(axis), factors, strict=True):
            made.append(factor * made[-1] + step)
        return torch.stack(made[1:], axis)

    return formula


FUNCTIONS += [
    Function("localconv", {"out": 4, "kernel": 3, "stride": 2, "pad": 0}, [(3, 5, 6)], unshared),
    Function(
        "dynconv", {"by": True, "out": 4, "kernel": 3}, [(3, 5, 4), (108,)],
        lambda x, w: torch.cat([F.conv2d(x[n : n + 1], w[n].view(4, 3, 3, 3), padding=1) for n in range(3)]),
    ),
    Function(
        "deformconv", {"offsets": True, "out": 2, "kernel": 3, "bias": False}, [(3, 4, 3), (18, 4, 3)],
        lambda x, offsets, weight: moved_windows(x, offsets, None, weight, 1),
    ),
    Function(
        "deformconv", {"offsets": True, "mask": True, "out": 2, "kernel": 3, "stride": 2, "bias": False},
        [(3, 5, 4), (18, 3, 2), (9, 3, 2)],
        lambda x, offsets, mask, weight: moved_windows(x, offsets, mask, weight, 2),
    ),
    Function(
        "grid_sample", {"at": True}, [(3, 8, 8), (2, 6, 5)],
        sampled,
    ),
    Function(
        "squash", {}, [SEQUENCE],
        lambda x: (x**2).sum(2, True) / (1 + (x**2).sum(2, True)) * x / (x**2).sum(2, True).sqrt(),
    ),
    Function("topk", {"count": 2}, [SEQUENCE], lambda x: x.sort(2, descending=True).values[:, :, :2]),
    Function(
        "topk", {"count": 2, "axis": 0, "_index": 1}, [SEQUENCE],
        lambda x: x.argsort(1, descending=True)[:, :2].double(),
    ),
    Function("scan", {"by": True}, [SEQUENCE, SEQUENCE], step_by_step(1)),
    Function("scan", {"by": True}, [(2, 300), (2, 300)], step_by_step(2)),
    Function("scan", {"by": True, "axis": 1}, [(3, 7, 4), (3, 1, 4)], step_by_step(2)),
    Function("rnn", {"width": 3, "bidirectional": True}, [SEQUENCE], there_and_back),
    Function("sub", {}, [MAP, (6, 1, 1)], lambda x, y: x - y),
    Function("add", {}, [(1, 5, 1), MAP], lambda x, y: x + y),
    Function("mean", {}, [MAP, (6, 1, 1), (4,)], lambda x, y, z: (x + y + z.view(-1, 1, 1, 4)) / 3),
    Function("mean", {"axis": 0}, [SEQUENCE], lambda x: sum(x[:, t] for t in range(6)) / 6),
    Function("sum", {"axis": 1}, [MAP], lambda x: sum(x[:, :, i : i + 1] for i in range(5))),
    Function("max", {"axis": 0}, [MAP], lambda x: x.sort(1).values[:, -1:]),
    Function("softmax", {"axis": 0}, [SEQUENCE], lambda x: x.exp() / x.exp().sum(1, keepdim=True)),
    Function("log_softmax", {}, [MAP], lambda x: x - x.exp().sum(1, keepdim=True).log()),
    Function("split", {"parts": (1, 2, 3), "_index": 1}, [MAP], lambda x: x[:, 1:3]),
    Function("split", {"parts": 3, "axis": 0, "_index": 2}, [SEQUENCE], lambda x: x[:, 4:]),
    Function("slice", {"start": 1, "stop": 5, "step": 2, "axis": 1}, [MAP], lambda x: x[:, :, 1:5:2]),
    Function("slice", {"step": 3, "axis": 1}, [SEQUENCE], lambda x: x[:, :, ::3]),
    Function("concat", {"axis": 0}, [SEQUENCE, Tokens((2, 8))], lambda x, y: torch.cat((x, y), 1)),
    Function("concat", {"axis": 2}, [MAP, (6, 5, 1)], lambda x, y: torch.cat((x, y), 3)),
    Function("upsample", {"like": (7, 3), "smooth": True}, [MAP], lambda x: bilinear(x, (7, 3), False)),
    Function(
        "upsample", {"like": True, "smooth": True, "align_corners": True}, [MAP, (1, 9, 8)],
        lambda x, _: bilinear(x, (9, 8), True),
    ),
    Function("upsample", {"like": (5, 6)}, [MAP], lambda x: x[..., [0, 0, 1, 2, 2, 3]]),
    Function(
        "gelu", {"tanh": True}, [MAP],
        lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
    ),
    Function(
        "tanh", {"a": 1.7159, "s": 2 / 3}, [MAP],
        lambda x: 1.7159 * ((4 * x / 3).exp() - 1) / ((4 * x / 3).exp() + 1),
    ),
    Function(
        "stdconv", {"out": 5, "kernel": 3, "stride": 2}, [MAP],
        lambda x, weight, bias: F.conv2d(
            x,
            (weight - weight.mean((1, 2, 3), True)) / weight.std((1, 2, 3), keepdim=True, correction=0),
            bias, 2, 1,
        ),
    ),
    Function(
        "pad", {"size": 1, "end": (0, 2), "value": -1.0}, [(2, 2, 2)],
        lambda x: beyond(x, (2, 0, 1), (2, 0, 1, 2, 2), -1),
    ),
    Function("pad", {"size": 2, "mode": "reflect"}, [(2, 3)], lambda x: beyond(x, (2, 1, 0, 1, 2, 1, 0))),
    Function("pad", {"size": 2, "mode": "replicate"}, [(2, 3)], lambda x: beyond(x, (0, 0, 0, 1, 2, 2, 2))),
    Function("pad", {"size": 2, "mode": "circular"}, [(2, 3)], lambda x: beyond(x, (1, 2, 0, 1, 2, 0, 1))),
    Function("gelu", {}, [MAP], lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5))),
    Function("exp", {}, [MAP], lambda x: torch.e**x),
    Function("square", {}, [MAP], lambda x: x * x),
    Function("abs", {}, [MAP], lambda x: torch.maximum(x, -x)),
    Function("reciprocal", {}, [MAP], lambda x: 1 / x),
    Function("lrn", {}, [(9, 3, 3)], printed_norm),
    Function(
        "lrn", {"size": 3, "alpha": 0.1, "k": 1.0, "within": True}, [(2, 4, 5)],
        lambda x: x / (1 + 0.1 * F.pad(x, (1, 1, 1, 1)).square().unfold(2, 3, 1).unfold(3, 3, 1).sum((4, 5))) ** 0.75,
    ),
    Function("lrn", {"size": 3, "alpha": 5e-5, "k": 1.0}, [(9, 4)], lambda x: printed_norm(x, 3, 1, 5e-5)),
]  # fmt: skip


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: f"{row.word}-{row.arguments}-{row.inputs}")
def test_function(row: Function) -> None:
    torch.manual_seed(0)
    module = call(row.word, **row.arguments).torch(modules, *row.inputs).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    x = [torch.randn(3, *shape, dtype=torch.float64) for shape in row.inputs]
    wanted = row.formula(*[value.clone() for value in x], **dict(module.named_parameters()))
    torch.testing.assert_close(module(*x), wanted)


def test_the_printed_normalisation() -> None:
    """A window of five channels of 10.0: 10 / (2 + 10⁻⁴ · 500)^0.75 = 5.837; torch's defaults give 9.926."""
    norm = call("lrn").torch(modules, (5, 1, 1))
    assert norm(torch.full((1, 5, 1, 1), 10.0))[0, 2].item() == pytest.approx(5.837, abs=5e-4)


def test_powers_of_what_is_positive() -> None:
    for word, wanted in (("log", 2.0), ("sqrt", torch.e), ("reciprocal", torch.e**-2)):
        found = call(word).torch(modules, (1,))(torch.full((1, 1), torch.e**2))
        assert found.item() == pytest.approx(wanted)


# --- in specs -----------------------------------------------------------------------------------------------------


def opened(tmp_path: Path, lines: str) -> Any:
    path = tmp_path / "spec.yaml"
    path.write_text(lines, encoding="utf-8")
    return load(path)


def test_tokens_become_the_map_that_they_were(tmp_path: Path) -> None:
    """`reshape` once read [tokens, width] as if it were [width, tokens]: another network of the same counts."""
    text = "input: 6 × 5 × 4\nlayers:\n  - wide: conv(6, 1)\n  - tokens {}\n"
    for back in ("map(5×4)", "map(wide)", "rearrange((h w) c -> c h w, h=5)"):
        network = opened(tmp_path, text.format(back)).torch().eval()
        x = torch.randn(2, 6, 5, 4)
        convolved = next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d))(x)
        torch.testing.assert_close(network(x), convolved)
        assert not torch.allclose(convolved.flatten(2).transpose(1, 2).reshape(2, 6, 5, 4), convolved)
    refusal = r"`reshape` does not say .* of 20 tokens × 6: `map\(14×14\)` .*`rearrange"
    with pytest.raises(SpecError, match=refusal) as caught:
        opened(tmp_path, text.format("reshape(6×5×4)")).graph  # noqa: B018
    assert caught.value.where.endswith("spec.yaml:4:12")


def test_counts_sizes_and_axes_as_arguments(tmp_path: Path) -> None:
    """Several counts are one argument, sizes stand under names of one's own, a merge has arguments."""
    text = """
        input: 3 × 16 × 16
        given: {n: 10, patch: 4}
        layers:
          - c: conv(16, 3)
          - few, rest: split(16 - n, n)
          - t: rest rearrange(c (h p) (w q) -> (h w) (p q c), p=patch, q=patch)
          - concat(axis=n - 10): [t, t slice(0, 4, axis=0)]
          - slice(4, axis=0) map(4×4) pixel_shuffle(patch)
          - fine: upsample(like=few) conv(6, 1)
          - sub: [few, fine mean(axis=0)]
    """
    graph = opened(tmp_path, textwrap.dedent(text)).graph
    shapes = {node.path.rpartition("/")[2]: tuple(node.shape) for node in graph.nodes}
    assert (shapes["split.1"], shapes["split.2"]) == ((6, 16, 16), (10, 16, 16))
    assert (shapes["rearrange"], shapes["concat"], shapes["map"]) == ((16, 160), (20, 160), (160, 4, 4))
    assert shapes["pixel_shuffle"] == (10, 16, 16)
    assert graph.shape(graph.outputs[0]) == (6, 16, 16)


@pytest.mark.parametrize(
    ("line", "message", "place"),
    [
        ("c split(64, 128)", "the parts have 192 channels together; the value has 3", ":3:13"),
        ("c split(1, c)", "a count is wanted here; `c` is none", ":3:16"),
        ("c split(1, 2, parts=3)", "`split` has no argument `parts`", ":3:19"),
        ("c rearrange(c h w -> (h w) c, p=2)", "`p` is no axis of the pattern", ":3:7"),
        ("c rearrange(c h w -> (h w) c, h=0)", "`h` is at least 1, here it is 0", ":3:37"),
        ("c rearrange(3)", "`pattern` is a pattern such as", ":3:17"),
        ("c conv(c h -> h c, 1)", "`out` is no pattern; here it is c h -> h c", ":3:12"),
        ("c map(2×2)", "`map` works on [tokens, width]; this value is 3×8×8", ":3:7"),
        ("c mean", "`mean` of one value wants an axis: `mean(axis=0)`", ":3:7"),
        ("concat(axis=1): [c, c gap]", "the branches of `concat` differ in more than axis 1", ":3:5"),
        ("concat(axis=3): [c, c]", "there is no axis 3: 3×8×8 has 3, counted from 0", ":3:17"),
        ("concat(axis=1) c: [c, c]", "nothing may stand behind the arguments of `concat`", ":3:19"),
        ("parts(axis=1): [c, c]", "`parts:` takes no arguments", ":3:5"),
    ],
)
def test_what_is_refused_and_where(tmp_path: Path, line: str, message: str, place: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)) as caught:
        opened(tmp_path, f"input: {{c: 3 × 8 × 8, d: 2}}\nlayers:\n  - {line}\n")
    assert caught.value.where.endswith(place)
