"""What code is made of, and what the spec language calls by one word: windows, heads, biases, masks, rotary embeddings,
functions that are written out, constants. Each with the slips that people make, which make it another function."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, pi, sqrt
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from archcalc.alignment.align import align  # noqa: E402
from archcalc.alignment.weights import carried  # noqa: E402
from archcalc.errors import UsageError  # noqa: E402
from archcalc.models import Model, capture, load  # noqa: E402
from archcalc.runtime.constants import described  # noqa: E402
from archcalc.runtime.modules import differences, sines, window_mask  # noqa: E402
from archcalc.runtime.same import same_numbers  # noqa: E402
from archcalc.tasks.diff import Diff, diff  # noqa: E402
from archcalc.tracing import code, traced  # noqa: E402
from tests.test_code_diff import Forward  # noqa: E402
from tests.twins import randomised  # noqa: E402

Variant = dict[str, Any]
SIDE, EACH, WIDTH, HEADS = 8, 4, 8, 2


class Windows(nn.Module):
    """A block of Swin on 8×8×8, and ways to write it wrongly."""

    index: Tensor

    def __init__(self, **said: Any) -> None:
        super().__init__()
        self.said = said
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.table = nn.Parameter(torch.randn((2 * EACH - 1) ** 2, HEADS))
        index = differences((EACH, EACH))
        index = {"turned": index.T, "flipped": differences((EACH, EACH)).flip(0)}.get(said.get("index", ""), index)
        self.register_buffer("index", index.contiguous())

    def forward(self, x: Tensor) -> Tensor:
        said, n = self.said, x.shape[0]
        shift, hidden = said.get("shift", 2), said.get("hidden", 2)
        x = x.permute(0, 2, 3, 1)
        x = torch.roll(x, (-shift, -shift), (1, 2)) if shift else x
        cut = x.view(n, 2, EACH, 2, EACH, WIDTH)
        cut = cut.permute(0, 2, 4, 1, 3, 5) if said.get("grid") else cut.permute(0, 1, 3, 2, 4, 5)
        y = cut.reshape(-1, EACH * EACH, WIDTH)
        y = self.qkv(y).reshape(4 * n, EACH * EACH, 3, HEADS, -1)
        q, k, v = y.permute(2, 0, 3, 1, 4) if not said.get("heads") else y.reshape(3, 4 * n, HEADS, EACH * EACH, -1)
        scores = (q * said.get("scale", 4**-0.5)) @ k.transpose(-2, -1)
        bias = self.table[self.index.view(-1)].view(EACH * EACH, EACH * EACH, -1)
        scores = scores + (bias.permute(2, 1, 0) if said.get("bias") else bias.permute(2, 0, 1)).unsqueeze(0)
        if hidden:
            seen = window_mask((SIDE, SIDE), (EACH, EACH), (hidden, hidden))
            mask = torch.zeros(seen.shape).masked_fill(~seen, said.get("fill", -100.0))
            scores = scores.view(n, 4, HEADS, EACH * EACH, EACH * EACH) + mask[None, :, None]
            scores = scores.view(-1, HEADS, EACH * EACH, EACH * EACH)
        y = scores.softmax(said.get("over", -1)) @ v
        y = self.out(y.transpose(1, 2).reshape(4 * n, EACH * EACH, WIDTH))
        y = y.view(n, 2, 2, EACH, EACH, WIDTH).permute(0, 1, 3, 2, 4, 5).reshape(n, SIDE, SIDE, WIDTH)
        back = said.get("back", shift)
        y = torch.roll(y, (back, back), (1, 2)) if back else y
        return y.permute(0, 3, 1, 2)  # type: ignore[no-any-return,unused-ignore]


class Decoder(nn.Module):
    """Attention as LLaMA has it, four heads that share two of keys and values, and ways to write it wrongly."""

    angles: Tensor

    def __init__(self, **said: Any) -> None:
        super().__init__()
        self.said = said
        self.q, self.out = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.k, self.v = nn.Linear(16, 8, bias=False), nn.Linear(16, 8, bias=False)
        angles = 1.0 / said.get("base", 10000.0) ** (torch.arange(0, 4, 2) / 4)
        self.register_buffer("angles", angles, persistent=False)

    def turned(self, x: Tensor) -> Tensor:
        at = torch.arange(x.shape[2], device=x.device) + self.said.get("first", 0)
        angles = torch.outer(at.float(), self.angles)
        angles = angles.repeat_interleave(2, 1) if self.said.get("pairs") else torch.cat((angles, angles), -1)
        cos, sin = angles.cos(), angles.sin()
        cos, sin = (sin, cos) if self.said.get("swapped") else (cos, sin)
        halves = x[..., :2], x[..., 2:]
        other = torch.cat((halves[1], -halves[0]) if self.said.get("sign") else (-halves[1], halves[0]), -1)
        return x * cos + other * sin  # type: ignore[no-any-return,unused-ignore]

    def forward(self, x: Tensor) -> Tensor:
        n, said = x.shape[0], self.said
        x = x.flatten(2).transpose(1, 2)
        q, k, v = (f(x).view(n, x.shape[1], -1, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        q = self.turned(q)
        k = k if said.get("keys") else self.turned(k)
        if said.get("groups"):
            k, v = k.repeat(1, 2, 1, 1), v.repeat(1, 2, 1, 1)
        else:
            k, v = (y[:, :, None].expand(n, 2, 2, x.shape[1], 4).reshape(n, 4, x.shape[1], 4) for y in (k, v))
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril(said.get("diagonal", 0))
        mask = mask if said.get("causal", True) else None
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=said.get("scale"))
        return self.out(y.transpose(1, 2).reshape(n, -1, 16))  # type: ignore[no-any-return]


SWIN = "input: 8 × 8 × 8\nlayers:\n  - windows(4, 2) tokens attention(2, relative=4) together\n"
LLAMA = ("input: 16 × 2 × 3\nlayers:\n"
         "  - tokens attention(4, kv_heads=2, rotary=10000, causal=True, bias=False)\n")  # fmt: skip


# Of a module, its spec and the size of its input: ways to write it rightly, and wrongly.
class Pool(nn.Module):
    """The attention that pools the maps of CLIP's ResNets, and ways to write it wrongly."""

    def __init__(self, **said: Any) -> None:
        super().__init__()
        self.said = said
        self.position = nn.Parameter(torch.randn(said.get("places", 6) + 1, 8))
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        said = self.said
        x = x.transpose(2, 3) if said.get("columns") else x
        x = F.layer_norm(x.permute(0, 2, 3, 1), (8,), eps=1e-6) if said.get("behind") else x
        x = x.reshape(x.shape[0], x.shape[1], -1).permute(2, 0, 1)
        of = x[:5] if said.get("few") else x.relu() if said.get("of") else x
        mean = of.amax(0, True) if said.get("most") else of.sum(0, True) if said.get("sum") else of.mean(0, True)
        x = torch.cat([x, mean] if said.get("last") else [mean, mean, x[1:]] if said.get("twice") else [mean, x], 0)
        table = self.position.flip(0) if said.get("flipped") else self.position
        x = x if said.get("bare") else x + table[:, None, :]
        order = said.get("biases", "qkv")
        y, _ = F.multi_head_attention_forward(
            x[: said.get("asks", 7)], x, x, 8, said.get("heads", 2), None,
            torch.cat([getattr(self, name).bias for name in order]), None, None, False, 0.0,
            self.out.weight, self.out.bias, training=False, need_weights=said.get("weights", False),
            use_separate_proj_weight=True, q_proj_weight=self.q.weight, k_proj_weight=self.k.weight,
            v_proj_weight=self.v.weight, is_causal=said.get("causal", False),
            attn_mask=torch.ones(7, 7).triu(1).bool() if said.get("causal") else None,
        )  # fmt: skip
        return y.mean(0) if said.get("token") is None and "token" in said else y[said.get("token", 0)]


POOL = """
input: 8 × 2 × 3
layers:
  - places: tokens
  - all: {concat(axis=0): [places mean(axis=0) stack, places]}
  - x: all position
  - slice(0, 1, axis=0) attention(2, x) take(0)
"""
BLOCKS: dict[str, tuple[Callable[..., nn.Module], str, tuple[int, ...], dict[str, Variant], dict[str, Variant]]] = {
    "windows": (
        Windows, SWIN, (8, 8, 8),
        {"as they are": {}, "nothing is left of what is hidden": {"fill": -inf}},
        {
            "another shift": {"shift": 1, "hidden": 1}, "no shift": {"shift": 0, "hidden": 0}, "no mask": {"hidden": 0},
            "the mask of another shift": {"hidden": 1}, "not turned back": {"back": 0}, "turned on": {"back": -2},
            "pairs the other way round": {"index": "turned"}, "rows upside down": {"index": "flipped"},
            "a grid": {"grid": True}, "heads without a transpose": {"heads": True}, "biases turned": {"bias": True},
            "a faint mask": {"fill": -1.0}, "shares over queries": {"over": -2}, "another scale": {"scale": 0.25},
        },
    ),
    "a decoder": (
        Decoder, LLAMA, (16, 2, 3),
        {"as it is": {}, "its scale said": {"scale": 0.5}},
        {
            "another base": {"base": 12000.0}, "neighbours turned": {"pairs": True},
            "sines for cosines": {"swapped": True},
            "turned the other way": {"sign": True}, "queries turned alone": {"keys": True},
            "places from 1": {"first": 1}, "groups in another order": {"groups": True}, "no mask": {"causal": False},
            "the next token seen": {"diagonal": 1}, "another scale": {"scale": 1.0},
        },
    ),
    "a pool": (
        Pool, POOL, (8, 2, 3),
        {"as it is": {}, "the first token asks": {"asks": 1}},
        {
            "two tokens ask": {"asks": 2, "token": 1},
            "another token": {"token": 1}, "the last token": {"token": -1}, "the mean of all": {"token": None},
            "columns first": {"columns": True}, "the mean of few": {"few": True}, "of something else": {"of": True},
            "the most": {"most": True}, "the sum": {"sum": True}, "the mean behind": {"last": True},
            "the mean for a place": {"twice": True}, "positions upside down": {"flipped": True},
            "no positions": {"bare": True}, "more heads": {"heads": 4}, "only those before": {"causal": True},
            "biases of another layer": {"biases": "kqv"}, "a bias twice": {"biases": "qqv"},
        },
    ),
}  # fmt: skip
CASES = [(name, case) for name, block in BLOCKS.items() for case in (*block[3], *block[4])]


def written(text: str, folder: Path) -> Model:
    (folder / "one.yaml").write_text(f"name: one\n{text}", encoding="utf-8")
    return load(folder / "one.yaml")


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{case}" for name, case in CASES])
def test_a_block_is_what_its_spec_says_or_differs_in_the_attention(name: str, case: str, tmp_path: Path) -> None:
    make, text, size, right, wrong = BLOCKS[name]
    torch.manual_seed(0)
    module = randomised(make(**{**right, **wrong}[case]).eval())
    spec = written(text, tmp_path)
    found = align(capture(module, torch.empty(1, *size)).graph, spec.graph)
    assert (found.verdict == "equal") is (case in right)
    if case in right:
        twin = spec.torch().eval()
        twin.load_state_dict(carried(found, module.state_dict(), name))
        x = torch.randn(2, *size)
        with torch.inference_mode():
            assert torch.allclose(twin(x), module(x), atol=1e-5)


def test_a_pool_of_rows_is_none_of_channels(tmp_path: Path) -> None:
    spec = POOL.replace("8 × 2 × 3", "8 × 8 × 8").replace("places:", "layernorm(scale=False, shift=False)\n  - places:")
    module = Pool(places=64, behind=True).eval()
    found = align(capture(module, torch.empty(1, 8, 8, 8)).graph, written(spec, tmp_path).graph)
    assert found.verdict == "different"


LAYERS: dict[str, nn.Module] = {
    "bn": nn.BatchNorm2d(4), "conv(4, 3)": nn.Conv2d(4, 4, 3, padding=1), "avgpool(2)": nn.AvgPool2d(2),
    "groupnorm(2)": nn.GroupNorm(2, 4), "conv(4, 1)": nn.Linear(4, 4), "layernorm": nn.LayerNorm(4, eps=1e-6),
}  # fmt: skip


@pytest.mark.parametrize("line", [*LAYERS])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (0, 2, 1, 3), (0, 1, 3, 2)])
def test_a_layer_of_maps_works_along_the_channels(line: str, order: tuple[int, ...], tmp_path: Path) -> None:
    back = [order.index(axis) for axis in range(4)]
    module = Forward(lambda m, x: m.layer(x.relu().permute(order)).permute(back), layer=LAYERS[line])
    at = 3 if line in ("conv(4, 1)", "layernorm") else 1
    upright = line != "conv(4, 3)" or order == (0, 1, 2, 3)  # all else does the same along rows and columns
    spec = written(f"input: 4 × 4 × 4\nlayers:\n  - relu {line}\n", tmp_path)
    found = align(capture(module.eval(), torch.empty(1, 4, 4, 4)).graph, spec.graph)
    assert (found.verdict == "equal") is (order[at] == 1 and upright)


ONES = torch.ones(8, 8)
SHUFFLED = ONES.tril()[torch.randperm(8, generator=torch.Generator().manual_seed(0))]
# A buffer that a checkpoint holds, how scores of 6 tokens are hidden by it, and whether later tokens are.
KEPT: list[tuple[Tensor, Callable[[Tensor, Tensor], Tensor], bool]] = [
    (ONES.tril()[None, None], lambda s, m: s.masked_fill(m[:, :, :6, :6] == 0, -inf), True),
    (ONES.tril(), lambda s, m: torch.where(m[:6, :6].bool(), s, -inf), True),
    (ONES.triu(1), lambda s, m: s.masked_fill(m[:6, :6] == 1, -inf), True),
    (ONES.triu(1).masked_fill(ONES.triu(1) == 1, -inf), lambda s, m: s + m[:6, :6], True),
    (ONES.tril(1), lambda s, m: s.masked_fill(m[:6, :6] == 0, -inf), False),
    (SHUFFLED, lambda s, m: s.masked_fill(m[:6, :6] == 0, -inf), False),
    (ONES.tril(), lambda s, m: s.masked_fill(m[:6, :6] == 1, -inf), False),
]


@pytest.mark.parametrize("case", range(len(KEPT)))
def test_masks_that_checkpoints_hold(case: int, tmp_path: Path) -> None:
    """As nanoGPT keeps one: it follows from the code, where it says no more than which token is later."""
    mask, hide, causal = KEPT[case]

    def forward(m: Any, x: Tensor) -> Tensor:
        q, k, v = m.qkv(x.flatten(2).transpose(1, 2)).split(8, 2)
        q, k, v = (y.view(len(x), 6, 2, 4).transpose(1, 2) for y in (q, k, v))
        y = hide(q @ k.transpose(-2, -1) / 2, m.mask).softmax(-1) @ v
        return m.out(y.transpose(1, 2).reshape(len(x), 6, 8))  # type: ignore[no-any-return,unused-ignore]

    module = Forward(forward, qkv=nn.Linear(8, 24), out=nn.Linear(8, 8))
    module.register_buffer("mask", mask)
    spec = written("input: 8 × 2 × 3\nlayers:\n  - tokens attention(2, causal=True)\n", tmp_path)
    found = align(capture(module.eval(), torch.empty(1, 8, 2, 3)).graph, spec.graph)
    assert (found.verdict == "equal") is causal


def _all(y: Tensor, h: Any) -> Tensor:
    return y


def _last(y: Tensor, h: Any) -> Tensor:
    return (h[0] if isinstance(h, tuple) else h)[-1]  # type: ignore[no-any-return,unused-ignore]


KINDS: dict[str, type[nn.Module]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
# How a layer is made, what is taken of what it gives, the line of a spec, and whether they are one.
LAYER: list[tuple[dict[str, Any], Callable[[Tensor, Any], Tensor], str, bool]] = [
    ({}, _all, "{}(8, biases=2)", True),
    ({}, _last, "{}(8, biases=2) take(5)", True),
    ({}, lambda y, h: y[:, -1], "{}(8, biases=2) take(5)", True),
    ({"bias": False}, _last, "{}(8, bias=False) take(5)", True),
    ({"bidirectional": True}, _all, "{}(8, biases=2, bidirectional=True)", True),
    ({}, lambda y, h: y[:, 0], "{}(8, biases=2) take(5)", False),
    ({}, _all, "{}(8)", False),
    ({"bidirectional": True}, _last, "{}(8, biases=2) take(5)", False),
    ({"num_layers": 2}, _all, "{}(8, biases=2)", False),
    ({"batch_first": False}, _all, "{}(8, biases=2)", False),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", range(len(LAYER)))
def test_recurrent_layers_of_code(kind: str, case: int, tmp_path: Path) -> None:
    """One layer that begins from zeros is that of a spec, and gives its numbers with the same weights."""
    how, take, line, same = LAYER[case]
    torch.manual_seed(0)
    layer = KINDS[kind](8, 8, **{"batch_first": True, **how})
    module = Forward(lambda m, x: take(*m.layer(x.flatten(2).transpose(1, 2))), layer=layer).eval()
    found = capture(module, x := torch.rand(1, 8, 2, 3))
    spec = written(f"input: 8 × 2 × 3\nlayers:\n  - tokens {line.format(kind)}\n", tmp_path)
    assert (align(found.graph, spec.graph).verdict == "equal") is same
    if same:
        twin = spec.torch().eval()
        twin.load_state_dict(spec.take(module.state_dict(), found))
        assert torch.allclose(twin(x), module(x), atol=1e-6)


def test_what_begins_from_another_state_is_another_layer(tmp_path: Path) -> None:
    module = Forward(
        lambda m, x: m.layer(x.flatten(2).mT, torch.ones(1, 1, 8))[0], layer=nn.GRU(8, 8, batch_first=True)
    )
    spec = written("input: 8 × 2 × 3\nlayers:\n  - tokens gru(8, biases=2)\n", tmp_path)
    assert align(capture(module.eval(), torch.rand(1, 8, 2, 3)).graph, spec.graph).verdict == "different"


def unit(x: Tensor, over: Any = -1, eps: float = 1e-6) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(over, keepdim=True) + eps)  # type: ignore[no-any-return,unused-ignore]


def tanhed(x: Tensor, cubed: float = 0.044715) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(sqrt(2 / pi) * (x + cubed * torch.pow(x, 3.0))))  # type: ignore[no-any-return,unused-ignore]


def responses(m: Any, x: Tensor, p: int = 2) -> Tensor:
    y = x.permute(0, 2, 3, 1)
    lengths = y.norm(p=p, dim=(1, 2), keepdim=True)
    y = y + torch.addcmul(m.b.view(1, 1, 1, -1), m.w.view(1, 1, 1, -1), y * (lengths / (lengths.mean(-1, True) + 1e-6)))
    return y.permute(0, 3, 1, 2)  # type: ignore[no-any-return,unused-ignore]


W, B = {"w": nn.Parameter(torch.ones(3))}, {"b": nn.Parameter(torch.zeros(3))}


def last(work: Any) -> Any:
    """A function of a map as tokens."""
    return lambda m, x: work(m, x.flatten(2).transpose(1, 2))


# A module on 3×4×4, the layers of a spec, and whether they are one function.
FUNCTIONS: dict[str, tuple[Callable[[], nn.Module], str, bool]] = {
    "a clamp": (lambda: Forward(lambda m, x: x.clamp(min=0)), "relu", True),
    "a clamp from 1": (lambda: Forward(lambda m, x: x.clamp(min=1)), "relu", False),
    "a clamp between": (lambda: Forward(lambda m, x: x.clamp(0, 6)), "relu6", True),
    "the larger of 0": (lambda: Forward(lambda m, x: torch.maximum(x, torch.tensor(0.0))), "relu", True),
    "a factor": (lambda: Forward(lambda m, x: x * 0.5), "scale(0.5)", True),
    "a factor as a tensor": (lambda: Forward(lambda m, x: torch.tensor(0.5) * x), "scale(0.5)", True),
    "another factor as a tensor": (lambda: Forward(lambda m, x: x * torch.tensor(0.25)), "scale(0.5)", False),
    "a quotient": (lambda: Forward(lambda m, x: x / 2), "scale(0.5)", True),
    "a cast to less and back": (lambda: Forward(lambda m, x: x.half().exp().float()), "exp", False),
    "a cast to whole numbers": (lambda: Forward(lambda m, x: x.long().float().exp()), "exp", False),
    "a cast to more": (lambda: Forward(lambda m, x: x.double().exp().float()), "exp", True),
    "a mean of one": (lambda: Forward(lambda m, x: x.mean((2, 3), keepdim=True).mean((2, 3))), "gap", True),
    "a mean of all": (lambda: Forward(lambda m, x: x.flatten(1).mean()), "flatten", False),
    "a mean of two": (lambda: Forward(lambda m, x: (x.relu() + x) / 2), "{mean: [relu, identity]}", True),
    "a norm with torch's eps": (lambda: nn.BatchNorm2d(3), "bn", True),
    "a root mean square": (
        lambda: Forward(last(lambda m, x: m.w * unit(x)), **W), "tokens rmsnorm", True
    ),
    "of another eps": (lambda: Forward(last(lambda m, x: m.w * unit(x, eps=1e-5)), **W), "tokens rmsnorm", False),
    "over tokens": (lambda: Forward(last(lambda m, x: m.w * unit(x, 1)), **W), "tokens rmsnorm", False),
    "a layer norm with torch's eps": (
        lambda: Forward(last(lambda m, x: F.layer_norm(x, (3,), m.w, m.b)), **W, **B), "tokens layernorm", False
    ),
    "a GELU by hand": (lambda: Forward(lambda m, x: tanhed(x)), "gelu(tanh=True)", True),
    "a slip in it": (lambda: Forward(lambda m, x: tanhed(x, 0.44715)), "gelu(tanh=True)", False),
    "a GRN by hand": (lambda: Forward(responses, **W, **B), "grn", True),
    "of another length": (lambda: Forward(lambda m, x: responses(m, x, 1), **W, **B), "grn", False),
}  # fmt: skip


def standardised(x: Tensor, over: Any, how: str = "pow", eps: float = 1e-6, kept: bool = False) -> Tensor:
    """A value without its mean, over its deviation."""
    mean, deviation = x.mean(over, keepdim=True), x.std(over, keepdim=True)
    square = (x - mean).pow(2).mean(over, keepdim=True) if how == "pow" else x.var(over, unbiased=kept, keepdim=True)
    if how == "both":
        square, mean = torch.var_mean(x, over, unbiased=kept, keepdim=True)
    return (x - mean) / (deviation + eps if how == "std" else torch.sqrt(square + eps))  # type: ignore[no-any-return,unused-ignore]


def normed(over: Any, **said: Any) -> Callable[[], nn.Module]:
    """A layer norm by hand, of tokens or of a map."""
    if over == -1:
        return lambda: Forward(last(lambda m, x: m.w * standardised(x, over, **said) + m.b), **W, **B)
    return lambda: Forward(
        lambda m, x: m.w[:, None, None] * standardised(x, over, **said) + m.b[:, None, None], **W, **B
    )


def of(work: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    """A function without layers."""
    return lambda: Forward(lambda _, x: work(x))


def dealt(*order: int) -> Any:
    """Four channels in two groups, in an order of the axes."""
    return lambda m, x: m.a(x).view(len(x), 2, 2, 4, 4).permute(order).reshape(len(x), 4, 4, 4)


def squares(*order: int) -> Any:
    """Eight channels dealt out to the places of 2×2 squares, in an order of rows, columns and places in these."""
    return lambda m, x: m.a(x).view(len(x), 2, 2, 2, 4, 4).permute(0, 1, *order).reshape(len(x), 2, 8, 8)


ERF, ROOT2 = torch.erf, sqrt(2)
FUNCTIONS |= {
    **{f"a layer norm by {how}": (normed(-1, how=how), "tokens layernorm", True) for how in ("pow", "var", "both")},
    "a layer norm of a map": (normed(1), "layernorm", True),
    "a layer norm of rows": (normed(2), "layernorm", False),
    "a layer norm of tokens": (normed(1), "layernorm(eps=0.00001)", False),
    "a layer norm by deviations": (normed(-1, how="std"), "tokens layernorm", False),
    "a layer norm of one less": (normed(-1, how="var", kept=True), "tokens layernorm", False),
    "instances by hand": (of(lambda x: standardised(x, (2, 3), eps=1e-5)), "instancenorm", True),
    "by lengths": (of(F.normalize), "l2norm", True),
    "by lengths by hand": (of(lambda x: x / x.pow(2).sum(1, keepdim=True).sqrt()), "l2norm(eps=0)", True),
    "by lengths of rows": (of(lambda x: F.normalize(x, dim=2)), "l2norm", False),
    "mish by hand": (of(lambda x: x * torch.tanh(F.softplus(x))), "mish", True),
    "mish by logarithms": (of(lambda x: x * torch.tanh(torch.log1p(torch.exp(x)))), "mish", True),
    "a sharper mish": (of(lambda x: x * torch.tanh(F.softplus(x, beta=2))), "mish", False),
    "hard swish by hand": (of(lambda x: x * F.relu6(x + 3) / 6), "hardswish", True),
    "hard swish of a gate": (of(lambda x: x * (x / 6 + 0.5).clamp(0, 1)), "hardswish", True),
    "another hard swish": (of(lambda x: x * F.relu6(x + 2) / 6), "hardswish", False),
    "a hard sigmoid by hand": (of(lambda x: F.hardtanh(x + 3, 0, 6) / 6), "hardsigmoid", True),
    "Keras's hard sigmoid": (of(lambda x: (0.2 * x + 0.5).clamp(0, 1)), "hardsigmoid", False),
    "what is above 0": (of(lambda x: torch.where(x > 0, x, 0)), "relu", True),
    "what is not below": (of(lambda x: torch.where(x < 0, torch.zeros_like(x), x)), "relu", True),
    "times whether": (of(lambda x: x * (x > 0)), "relu", True),
    "the most of zeros": (of(lambda x: torch.max(x, torch.zeros_like(x))), "relu", True),
    "what is above 1": (of(lambda x: torch.where(x > 1, x, 0)), "relu", False),
    "what is above 0, or 1": (of(lambda x: torch.where(x > 0, x, 1)), "relu", False),
    "what is below 0": (of(lambda x: torch.where(x > 0, 0, x)), "relu", False),
    "a slope": (of(lambda x: torch.where(x > 0, x, 0.1 * x)), "leaky_relu(slope=0.1)", True),
    "another slope": (of(lambda x: torch.where(x > 0, x, 0.2 * x)), "leaky_relu(slope=0.1)", False),
    "GELU by halves": (of(lambda x: x * (1 + ERF(x / ROOT2)) / 2), "gelu", True),
    "GELU by another root": (of(lambda x: x * (1 + ERF(x / 2)) / 2), "gelu", False),
    "GELU of products": (
        of(lambda x: 0.5 * x * (1 + torch.tanh(0.79788456 * x * (1 + 0.044715 * x * x)))), "gelu(tanh=True)", True
    ),
    "GELU of a cube": (
        of(lambda x: 0.5 * x * (1 + torch.tanh(0.79788456 * (x + 0.044715 * x * x * x)))), "gelu(tanh=True)", True
    ),
    "swish by exponents": (of(lambda x: x / (1 + torch.exp(-x))), "swish", True),
    "swish of the other sign": (of(lambda x: x / (1 + torch.exp(x))), "swish", False),
    "a sigmoid by hand": (of(lambda x: 1 / (1 + torch.exp(-x))), "sigmoid", True),
    "a value by itself": (of(lambda x: x * x), "square", True),
    "a mean, and of that": (of(lambda x: x.mean(3).mean(2)), "gap", True),
    "a mean of channels, and of that": (of(lambda x: x.mean(1).mean(1)), "gap", False),
    "a mean of a vector": (of(lambda x: x.flatten(2).mean(-1)), "gap", True),
    "the most of all places": (of(lambda x: x.amax((2, 3))), "gmp", True),
    "the most, and of that": (of(lambda x: x.max(3)[0].max(2)[0]), "gmp", True),
    "where the most is": (of(lambda x: x.flatten(2).max(2)[1].float()), "gmp", False),
    "nothing around the most": (
        of(lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-inf), 3)), "maxpool(3, 3, pad=1)", True
    ),
    "0 around the most": (of(lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3)), "maxpool(3, 3, pad=1)", False),
    "0 around a mean": (of(lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3)), "avgpool(3, 3, pad=1)", True),
    "0 that do not count": (
        of(lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3)), "avgpool(3, 3, pad=1, count_pad=False)", False
    ),
    "one place on": (of(lambda x: F.pad(x, (-1, 1, -1, 1))), "shift", True),
    "one place back": (of(lambda x: F.pad(x, (1, -1, 1, -1))), "shift", False),
    "a branch again": (of(lambda x: torch.cat((x.relu(), x.exp()), 1)[:, 3:]), "exp", True),
    "the other branch": (of(lambda x: torch.cat((x.relu(), x.exp()), 1)[:, :3]), "exp", False),
    "half of each": (of(lambda x: torch.cat((x.exp(), x.exp()), 1)[:, 1:4]), "exp", False),
    "branches again": (
        of(lambda x: torch.cat((x.relu(), x.exp(), x), 1)[:, 3:]), "{concat: [exp, identity]}", True
    ),
    "twice worked out": (of(lambda x: x.exp() + x.exp().sigmoid()), "exp\n  - {add: [identity, sigmoid]}", True),
    "without 0": (of(torch.relu), "{add: [relu, constant(0, 3×4×4)]}", True),
    "without 1": (of(torch.relu), "{add: [relu, constant(1, 3×4×4)]}", False),
    "a layer of zeros": (
        lambda: Forward(last(lambda m, x: x + m.v(torch.zeros(1, 16, 3))), v=nn.Linear(3, 3)),
        "tokens\n  - {add: [identity, constant(0, 16×3) linear(3)]}", True,
    ),
    "a layer of ones": (
        lambda: Forward(last(lambda m, x: x + m.v(torch.ones(1, 16, 3))), v=nn.Linear(3, 3)),
        "tokens\n  - {add: [identity, constant(0, 16×3) linear(3)]}", False,
    ),
    "channels dealt out": (lambda: Forward(dealt(0, 2, 1, 3, 4), a=nn.Conv2d(3, 4, 1)), "conv(4, 1) shuffle(2)", True),
    "channels kept": (lambda: Forward(dealt(0, 1, 2, 3, 4), a=nn.Conv2d(3, 4, 1)), "conv(4, 1) shuffle(2)", False),
    "rows dealt out": (lambda: Forward(dealt(0, 1, 2, 4, 3), a=nn.Conv2d(3, 4, 1)), "conv(4, 1) shuffle(2)", False),
    "pixels dealt": (lambda: Forward(squares(4, 2, 5, 3), a=nn.Conv2d(3, 8, 1)), "conv(8, 1) pixel_shuffle(2)", True),
    "pixels turned": (lambda: Forward(squares(4, 3, 5, 2), a=nn.Conv2d(3, 8, 1)), "conv(8, 1) pixel_shuffle(2)", False),
    "squares first": (lambda: Forward(squares(2, 4, 3, 5), a=nn.Conv2d(3, 8, 1)), "conv(8, 1) pixel_shuffle(2)", False),
    "a value and its size": (of(lambda x: (x + x.abs()) / 2), "relu", True),
    "0 where it is below": (of(lambda x: x.masked_fill(x < 0, 0)), "relu", True),
    "0 where it is above": (of(lambda x: x.masked_fill(x > 0, 0)), "relu", False),
    "the larger of it and a part": (of(lambda x: torch.maximum(0.2 * x, x)), "leaky_relu(slope=0.2)", True),
    "the larger of it and more": (of(lambda x: torch.max(x, 2 * x)), "leaky_relu(slope=2)", False),
    "the smaller of it and a part": (of(lambda x: torch.min(x, 0.1 * x)), "leaky_relu(slope=0.1)", False),
    "parts above and below": (of(lambda x: x.clamp(min=0) + 0.1 * x.clamp(max=0)), "leaky_relu(slope=0.1)", True),
    "parts above and near": (of(lambda x: x.clamp(min=0) + 0.1 * x.clamp(-1, 0)), "leaky_relu(slope=0.1)", False),
    "parts, turned": (of(lambda x: F.relu(x) - 0.1 * F.relu(-x)), "leaky_relu(slope=0.1)", True),
    "parts of one sign": (of(lambda x: F.relu(x) + 0.1 * F.relu(-x)), "leaky_relu(slope=0.1)", False),
    "times 1 or a part": (of(lambda x: x * torch.where(x > 0, 1.0, 0.1)), "leaky_relu(slope=0.1)", True),
    "the larger of both signs": (of(lambda x: torch.max(x, -x)), "abs", True),
    "a root of a square": (of(lambda x: (x**2).sqrt()), "abs", True),
    "by its sign": (of(lambda x: x * x.sign()), "abs", True),
    "the other sign": (of(lambda x: torch.where(x > 0, -x, x)), "abs", False),
    "6 at most": (of(lambda x: torch.relu(x).clamp(max=6)), "relu6", True),
    "1 to 6": (of(lambda x: torch.relu(x).clamp(1, 6)), "relu6", False),
    "a clamp of a gate": (of(lambda x: (x + 3).clamp(0, 6) / 6), "hardsigmoid", True),
    "a sigmoid by tanh": (of(lambda x: 0.5 * (1 + torch.tanh(x / 2))), "sigmoid", True),
    "a tanh of all": (of(lambda x: 0.5 * (1 + torch.tanh(x))), "sigmoid", False),
    "a sigmoid by parts": (of(lambda x: x.exp() / (1 + x.exp())), "sigmoid", True),
    "whole parts": (of(lambda x: torch.div(x.exp(), 1 + x.exp(), rounding_mode="floor")), "sigmoid", False),
    "tanh by a sigmoid": (of(lambda x: 2 * torch.sigmoid(2 * x) - 1), "tanh", True),
    "ELU by hand": (of(lambda x: torch.where(x > 0, x, 0.5 * (x.exp() - 1))), "elu(alpha=0.5)", True),
    "a slip in ELU": (of(lambda x: torch.where(x > 0, x, 0.5 * x.exp() - 1)), "elu(alpha=0.5)", False),
    "SELU of ELU": (of(lambda x: 1.0507009873554805 * F.elu(x, 1.6732632423543772)), "selu", True),
    "SELU of another": (of(lambda x: 1.0507009873554805 * F.elu(x, 1.6)), "selu", False),
    "GELU of a sigmoid": (
        of(lambda x: x * torch.sigmoid(2 * sqrt(2 / pi) * (x + 0.044715 * x**3))), "gelu(tanh=True)", True
    ),
    "softplus of two": (of(lambda x: torch.logaddexp(x, torch.zeros_like(x))), "softplus", True),
    "1 and the other sign": (of(lambda x: -x + 1), "complement", True),
    "a root below 1": (of(torch.rsqrt), "sqrt reciprocal", True),
    "lengths of 1 at most": (of(lambda x: x / x.norm(dim=1, keepdim=True).clamp(1e-12, 1)), "l2norm", False),
    "lengths of some": (of(lambda x: x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)), "l2norm", True),
    "instances of all": (
        of(lambda x: (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()),
        "instancenorm", True,
    ),
    "shares by hand": (of(lambda x: x.exp() / x.exp().sum(1, keepdim=True)), "softmax", True),
    "shares below the most": (
        of(lambda x: (y := (x - x.amax(2, keepdim=True)).exp()) / y.sum(2, keepdim=True)), "softmax(axis=1)", True
    ),
    "shares of another axis": (of(lambda x: x.exp() / x.exp().sum(2, keepdim=True)), "softmax", False),
    "shares of samples": (of(lambda x: x.exp() / x.exp().sum(0, keepdim=True)), "softmax", False),
    "shares below the least": (
        of(lambda x: (y := (x - x.amin(1, keepdim=True)).exp()) / y.sum(1, keepdim=True)), "softmax", False
    ),
    "a sum by itself": (of(lambda x: x + x.sum() * x.sum()), "square", False),
    "log shares": (of(lambda x: F.log_softmax(x, 1)), "softmax log", True),
    "log shares of rows": (of(lambda x: F.log_softmax(x, 2)), "softmax log", False),
    "log sigmoids": (of(F.logsigmoid), "sigmoid log", True),
    "a function of weights": (
        lambda: Forward(lambda m, x: x * m.w.sigmoid(), w=nn.Parameter(torch.ones(1, 3, 1, 1))),
        "{mul: [identity, learned(3×1×1) sigmoid]}", True,
    ),
    "a function of a weight of rows": (
        lambda: Forward(lambda m, x: x * m.w.sigmoid(), w=nn.Parameter(torch.ones(1, 1, 4, 1))),
        "{mul: [identity, learned(1×1×4) sigmoid]}", False,
    ),
    "the nearest, exactly": (of(lambda x: F.interpolate(x, scale_factor=2, mode="nearest-exact")), "upsample(2)", True),
}  # fmt: skip


class Frozen(nn.Module):
    """Batch norm by hand, of statistics that stay, and ways to write it wrongly."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    var: Tensor

    def __init__(self, slip: str = "", channels: int = 3) -> None:
        super().__init__()
        self.slip = slip
        for name in ("weight", "bias", "mean", "var"):
            self.register_buffer(name, torch.rand(channels) + 0.5, persistent=slip != "not kept")

    def forward(self, x: Tensor) -> Tensor:
        slip, form = self.slip, (1, 1, -1, 1) if self.slip == "rows" else (1, -1, 1, 1)
        weight, bias, mean, var = (one.reshape(form) for one in (self.weight, self.bias, self.mean, self.var))
        if slip == "mean twice":
            var = mean
        if slip == "rows behind":
            x = x.permute(0, 2, 3, 1)
        if slip == "in place":
            self.weight.mul_(2)
        root = {"sqrt": torch.sqrt, "var": torch.clone}.get(slip, torch.rsqrt)
        scale = weight * root(var if slip == "no eps" else var + (1e-3 if slip == "eps" else 1e-5))
        by = {"unscaled mean": weight, "no scale": torch.ones(())}.get(slip, scale)
        shift = {"added": bias + mean * by, "no mean": bias, "from": mean * by - bias}.get(slip, bias - mean * by)
        y = x + scale * shift if slip == "turned" else x * (1 if slip == "only shift" else scale) + shift
        return y.permute(0, 3, 1, 2) if slip == "rows behind" else y  # type: ignore[no-any-return,unused-ignore]


SLIPS = ("sqrt", "var", "eps", "no eps", "mean twice", "unscaled mean", "no scale", "added", "no mean", "from", "rows",
         "turned", "only shift", "spread", "twice", "rows behind", "not kept", "in place")  # fmt: skip


@pytest.mark.parametrize("slip", ["", *SLIPS])
def test_a_frozen_norm_is_a_batch_norm(slip: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    one = Frozen(slip, 1 if slip == "spread" else 3)
    module = nn.Sequential(one, nn.ReLU(), one if slip == "twice" else Frozen()).eval()
    size = (3, 3, 4) if slip in ("rows", "rows behind") else (3, 4, 4)
    spec = written(f"input: {' × '.join(map(str, size))}\nlayers:\n  - bn relu bn\n", tmp_path)
    model = capture(module, torch.empty(1, *size))
    found = align(model.graph, spec.graph)
    assert (found.verdict == "equal") is (not slip)
    if not slip:
        compared: Any = None  # what they are called and cost
        for held in (Diff(compared, compared, each).checkpoint for each in (found, align(spec.graph, model.graph))):
            assert (held.kept, held.gone, held.missing, len(held.renamed)) == (0, (), (), 8)
        twin = spec.torch().eval()
        twin.load_state_dict({**twin.state_dict(), **carried(found, module.state_dict(), "frozen")})
        x = torch.randn(2, *size)
        with torch.inference_mode():
            assert torch.allclose(twin(x), module(x), atol=1e-5)


@pytest.mark.parametrize("which", ["qkv", "qqv", "qkk", "shared"])
def test_queries_keys_and_values_are_of_weights_of_their_own(which: str, tmp_path: Path) -> None:
    def work(m: Any, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        heads = {name: m.layers[name](x).unflatten(-1, (2, 4)).transpose(1, 2) for name in "qkv"}
        q, k, v = (heads[name] for name in (which if which != "shared" else "qkv"))
        return m.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    layers = nn.ModuleDict({name: nn.Linear(8, 8) for name in "qkv"})
    if which == "shared":
        layers["k"] = layers["q"]
    module = Forward(work, layers=layers, out=nn.Linear(8, 8))
    spec = written("input: 8 × 2 × 3\nlayers:\n  - tokens attention(2)\n", tmp_path)
    found = align(capture(module.eval(), torch.empty(1, 8, 2, 3)).graph, spec.graph)
    assert (found.verdict == "equal") is (which == "qkv")


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_function_that_is_written_out_is_the_op(case: str, tmp_path: Path) -> None:
    make, layers, equal = FUNCTIONS[case]
    line = layers if layers.startswith("{") else f"identity {layers}"
    spec = written(f"input: 3 × 4 × 4\nlayers:\n  - {line}\n", tmp_path)
    model = capture(make().eval(), torch.empty(1, 3, 4, 4))
    found = align(model.graph, spec.graph)
    assert (found.verdict == "equal") is equal
    assert not equal or same_numbers(found, case, model.report().totals)


def test_heads_that_no_layer_makes_are_compared() -> None:
    def graph(heads: int) -> Any:
        def work(_: Any, x: Tensor) -> Tensor:
            y = torch.unflatten(x.flatten(2).transpose(1, 2), -1, (heads, -1)).transpose(1, 2)
            return F.scaled_dot_product_attention(y, y, y).transpose(1, 2).flatten(2)

        return capture(Forward(work).eval(), torch.empty(1, 8, 2, 3)).graph

    assert align(graph(2), graph(2)).verdict == "equal"
    assert [one.what for one in align(graph(2), graph(4)).differences] == [
        "scaled_dot_product_attention: heads=2, width=4 → heads=4, width=2"
    ]


def test_a_constant_is_a_part_of_what_is_compared_and_of_a_trace() -> None:
    def graph(value: list[float]) -> Any:
        module = Forward(lambda m, x: x * torch.tensor(value))
        return capture(module.eval(), torch.empty(1, 3, 4, 2)).graph

    one, other = graph([0.5, 1.0]), graph([0.5, 2.0])
    assert align(one, graph([0.5, 1.0])).verdict == "equal"
    assert [difference.what for difference in align(one, other).differences] == [
        "mul: other=constant float32 2 0.5 1 → other=constant float32 2 0.5 2"
    ]
    seen, _ = one.code.again.trace()
    again = traced.parse(json.loads(traced.text(seen)))
    assert align(one, code.graph(again)).verdict == "equal"


def test_a_trace_with_other_arguments_than_torchs_is_refused() -> None:
    again: Any = capture(of(F.normalize)().eval(), torch.empty(1, 3, 4, 4)).graph.code
    seen, _ = again.again.trace()
    document = json.loads(traced.text(seen))
    for call in document["calls"]:
        call["args"].update({"dim": [[1]]} if "dim" in call["args"] else {})
    graph = code.graph(traced.parse(document))
    with pytest.raises(UsageError, match="torch gives them nowhere"):
        align(graph, graph)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.full((3, 4), 0.5), "full 0.5"),
        (torch.arange(3, 8), "range 3 5"),
        (torch.ones(5, 5).tril().bool(), "mask causal"),
        (torch.full((1, 5, 5), -inf).triu(1), "mask causal -inf"),
        (differences((2, 3)), "relative 2×3"),
        (differences((3, 2)), "relative 3×2"),
        (window_mask((6, 6), (3, 3), (1, 1)), "mask windows 6×6 3×3 1×1"),
        (torch.outer(torch.arange(9.0), 1e4 ** -(torch.arange(0, 8, 2) / 8)).repeat(1, 2).cos(), "cos 10000 8 halves"),
        (sines(8, (2, 3), None, False, True).flatten(1).T, "sines 2×3 8 0 backwards"),
        (sines(8, (2, 3), 2 * pi, True, False).flatten(1).T, "sines 2×3 8 6.283185307179586 interleaved"),
        (torch.empty(0, 4), "empty float32"),
        (torch.tensor([1, 0, 2]), "int64 3 1 0 2"),
    ],
)
def test_a_constant_in_words(value: Tensor, words: str) -> None:
    assert described(value) == words
    assert described(value.flip(-1)) != words or words.startswith(("full", "empty"))


@pytest.mark.parametrize("name", ["resnet56-cifar", "resnet18", "mobilenetv2"])
def test_what_comes_in_is_seen_behind_a_deep_network(name: str) -> None:
    """Though both end in a softmax: its own torch network gives the numbers of a spec, and another one others."""
    model = load(name)
    x, module = torch.rand(1, *(model.input or ())), model.torch().eval()
    assert diff(capture(module, x), model).same is True
    assert not diff(capture(nn.Sequential(Turned(), module), x), model).equal


class Turned(nn.Module):
    """What a comparison of nodes leaves out: a map whose rows are its columns."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(2, 3)


class Shortened(nn.Module):
    """A block whose shortcut leaves out every other place and goes on with channels of zeros, as option A of ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.again = nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        long: Tensor = self.again(F.relu(self.conv(x)))
        return long + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4))


OPTION_A = """
name: option-a
input: 4 × 8 × 8
layers:
  - add:
      - conv(8, 3, 2) relu conv(8, 3)
      - maxpool(1, 2) pad_channels(8)
defaults: {conv: {bias: True}}
"""


def test_a_shortcut_of_every_other_place(tmp_path: Path) -> None:
    path = tmp_path / "option-a.yaml"
    path.write_text(OPTION_A, encoding="utf-8")
    model = capture(Shortened().eval(), torch.rand(1, 4, 8, 8))
    found = diff(model, load(path))
    assert (found.equal, found.same, *found.receptive_fields) == (True, True, 7, 7)
    path.write_text(
        OPTION_A.replace("maxpool(1, 2)", "slice(1, step=2, axis=1) slice(0, step=2, axis=2)"), encoding="utf-8"
    )
    assert not diff(model, load(path)).equal
