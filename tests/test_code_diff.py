"""Code held against specs, node by node: what torch code is made of is what the spec language calls by one word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from archcalc.alignment.align import align  # noqa: E402
from archcalc.alignment.weights import checkpoint, states  # noqa: E402
from archcalc.errors import UsageError  # noqa: E402
from archcalc.models import capture, load  # noqa: E402
from tests.test_commands import Run, command  # noqa: E402
from tests.test_diff import built, said  # noqa: E402
from tests.twins import randomised  # noqa: E402

__all__ = ["command"]  # the fixture
ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"


class Forward(nn.Module):
    """Layers by name, and what is done with them."""

    def __init__(self, work: Any, **layers: Any) -> None:
        super().__init__()
        self.work = work
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.work(self, x)


def heads(x: Tensor, count: int) -> Tensor:
    return torch.unflatten(x, -1, (count, -1)).transpose(1, 2)  # type: ignore[no-any-return]


def joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def of_one_layer(m: Any, x: Tensor) -> Tensor:
    x = x.flatten(2).transpose(1, 2)
    q, k, v = m.qkv(x).reshape(x.shape[0], -1, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    return m.out(joined(F.scaled_dot_product_attention(q, k, v)))  # type: ignore[no-any-return]


def of_three_layers(m: Any, x: Tensor) -> Tensor:
    x = x.flatten(2).transpose(1, 2)
    q, k, v = (heads(layer(x), 2) for layer in (m.q, m.k, m.v))
    return m.out(joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))  # type: ignore[no-any-return]


def of_two_layers(m: Any, x: Tensor) -> Tensor:
    memory = F.max_pool2d(x, 2).flatten(2).transpose(1, 2)
    k, v = m.kv(memory).reshape(x.shape[0], -1, 2, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    q = heads(m.q(x.flatten(2).transpose(1, 2)), 2)
    return m.out(joined(F.scaled_dot_product_attention(q, k, v)))  # type: ignore[no-any-return]


def quick(x: Tensor) -> Tensor:
    return torch.mul(x, torch.sigmoid(1.702 * x))  # type: ignore[no-any-return,unused-ignore]


def gated(m: Any, x: Tensor) -> Tensor:
    x = m.a(x)
    return m.b(quick(x * x.sigmoid()))  # type: ignore[no-any-return]


def partly(m: Any, x: Tensor) -> Tensor:
    x = m.conv(x)
    a, rest = torch.split(x, [2, 6], 1)
    return torch.cat([m.a(a), rest], 1)  # type: ignore[no-any-return,unused-ignore]


def embedded(m: Any, x: Tensor) -> Tensor:
    x = m.conv(x).flatten(2).transpose(1, 2)
    x = torch.cat([m.token.expand(x.shape[0], -1, -1), x], 1) + m.places
    return m.head(m.norm(x)[:, 0])  # type: ignore[no-any-return]


def shuffled(m: Any, x: Tensor) -> Tensor:
    a, b = m.conv(x).chunk(2, 1)
    x = torch.cat([a, m.right(b)], 1)
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def standardised(m: Any, x: Tensor, rows: int = 1) -> Tensor:
    used = F.batch_norm(m.weight.reshape(rows, 6, -1), None, None, training=True, eps=1e-10).reshape(m.weight.shape)
    return F.conv2d(x, used, m.bias, stride=2, padding=1)


CONV: dict[str, Any] = {"kernel_size": 3, "padding": 1}
# A module on 3×8×8, and the layers of a spec that are it.
EQUAL: dict[str, tuple[Any, str]] = {
    "convolutions": (
        lambda: nn.Sequential(
            nn.ZeroPad2d(1), nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout()
        ),
        "  - conv(8, 3) bn relu\n",
    ),
    "a clamped ReLU": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, **CONV), nn.Hardtanh(0, 6), nn.AdaptiveAvgPool2d(8)),
        "  - conv(8, 3) relu6\n",
    ),
    "a mean by hand": (
        lambda: Forward(lambda m, x: m.fc(m.conv(x).mean([2, 3])), conv=nn.Conv2d(3, 8, **CONV), fc=nn.Linear(8, 2)),
        "  - conv(8, 3) gap linear(2)\n",
    ),
    "gates": (
        lambda: Forward(lambda m, x: x * m.conv(x.mean((2, 3), keepdim=True)).sigmoid(), conv=nn.Conv2d(3, 3, 1)),
        "  - mul:\n      - identity\n      - gap conv(3, 1) sigmoid\n",
    ),
    "a layer scale": (
        lambda: Forward(
            lambda m, x: x + m.gamma * m.conv(x), conv=nn.Conv2d(3, 3, **CONV), gamma=nn.Parameter(torch.ones(3, 1, 1))
        ),
        "  - add:\n      - identity\n      - conv(3, 3) affine(bias=False)\n",
    ),
    "attention with one layer": (
        lambda: Forward(of_one_layer, qkv=nn.Linear(3, 24), out=nn.Linear(8, 3)),
        "  - tokens attention(2, key=8, value=8)\n",
    ),
    "attention with three layers": (
        lambda: Forward(of_three_layers, **{name: nn.Linear(3, 8, bias=False) for name in "qkv"}, out=nn.Linear(8, 3)),
        "  - tokens attention(2, key=8, value=8, bias=False, out_bias=True, causal=True)\n",
    ),
    "attention to another sequence, keys and values of one layer": (
        lambda: Forward(of_two_layers, q=nn.Linear(3, 8), kv=nn.Linear(3, 16), out=nn.Linear(8, 3)),
        "  - x: identity\n  - memory: maxpool(2) tokens\n  - x tokens attention(2, memory, key=8, value=8)\n",
    ),
    "a product with a parameter": (
        lambda: Forward(
            lambda m, x: m.conv(x).mean([2, 3]) @ m.proj,
            conv=nn.Conv2d(3, 8, **CONV),
            proj=nn.Parameter(torch.randn(8, 5)),
        ),
        "  - conv(8, 3) gap linear(5, bias=False)\n",
    ),
    "gates of the value itself": (
        lambda: Forward(gated, a=nn.Conv2d(3, 4, **CONV), b=nn.Conv2d(4, 2, **CONV)),
        "  - conv(4, 3) swish quickgelu conv(2, 3)\n",
    ),
    "parts that stay side by side": (
        lambda: Forward(partly, conv=nn.Conv2d(3, 8, 1), a=nn.Conv2d(2, 2, **CONV)),
        "  - conv(8, 1)\n  - a, b, c, d: split(4)\n  - concat: [a conv(2, 3), b, c, d]\n",
    ),
    "a class token and positions": (
        lambda: Forward(
            embedded,
            conv=nn.Conv2d(3, 8, 4, 4),
            token=nn.Parameter(torch.zeros(1, 1, 8)),
            places=nn.Parameter(torch.zeros(1, 5, 8)),
            norm=nn.LayerNorm(8, eps=1e-6),
            head=nn.Linear(8, 2),
        ),
        "  - conv(8, 4, 4) tokens class_token position layernorm take(0) linear(2)\n",
    ),
    "a scaled tanh, and edges of a map": (
        lambda: nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(3, 4, 3),
            Forward(lambda _, x: 1.7159 * torch.tanh(2 / 3 * x)),
            nn.ConstantPad2d((0, 1, 2, 0), -1.0),
            nn.Conv2d(4, 4, **CONV, padding_mode="circular"),
        ),
        "  - pad(1, mode=reflect) conv(4, 3, pad=0) tanh(1.7159, 2 / 3)\n"
        "  - pad(2×0, end=0×1, value=-1) pad(1, mode=circular) conv(4, 3, pad=0)\n",
    ),
    "standardised weights": (
        lambda: nn.Sequential(
            Forward(standardised, weight=nn.Parameter(torch.randn(6, 3, 3, 3)), bias=nn.Parameter(torch.randn(6))),
            nn.GroupNorm(3, 6),
        ),
        "  - stdconv(6, 3, 2) groupnorm(3)\n",
    ),
    "channels dealt out": (
        lambda: Forward(shuffled, conv=nn.Conv2d(3, 8, 1), right=nn.Conv2d(4, 4, **CONV)),
        "  - conv(8, 1)\n  - a, b: split(2)\n  - concat: [a, b conv(4, 3)]\n  - shuffle(2)\n",
    ),
}


@pytest.mark.parametrize("case", EQUAL)
def test_code_is_what_a_spec_says(case: str, tmp_path: Path) -> None:
    module, text = EQUAL[case]
    graph = capture(module().eval(), torch.empty(1, 3, 8, 8)).graph
    assert said(align(graph, built(tmp_path, text))) == []


def test_weights_that_are_normalised_otherwise_are_not_standardised(tmp_path: Path) -> None:
    """Of each row of the weights, of whatever channels it is made, and not of each channel."""
    own = {"weight": nn.Parameter(torch.randn(6, 3, 3, 3)), "bias": nn.Parameter(torch.randn(6))}
    other = Forward(lambda m, x: standardised(m, x, 3), **own)
    graph = capture(other, torch.empty(1, 3, 8, 8)).graph
    assert said(align(graph, built(tmp_path, "  - stdconv(6, 3, 2)\n"))) != []


@pytest.mark.parametrize("case", EQUAL)
def test_weights_go_across_and_outputs_agree(case: str, tmp_path: Path) -> None:
    module, text = EQUAL[case]
    torch.manual_seed(0)
    made = randomised(module().eval())
    built(tmp_path, text)
    model = load(tmp_path / "one.yaml")
    twin = model.torch().eval()
    twin.load_state_dict(model.take(made.state_dict(), capture(made, torch.empty(1, 3, 8, 8))))
    x = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        wanted = made(x)
        assert torch.allclose(twin(x).reshape(wanted.shape), wanted, atol=1e-5)


def test_weights_of_another_network_do_not_go_across(tmp_path: Path) -> None:
    built(tmp_path, "  - conv(8, 3) relu\n")
    model = load(tmp_path / "one.yaml")
    other = capture(nn.Conv2d(3, 8, 3), torch.empty(1, 3, 8, 8))
    with pytest.raises(UsageError, match="`Conv2d` and `one` differ at 2 places"):
        model.take({}, other)
    same = nn.Sequential(nn.Conv2d(3, 8, **CONV), nn.ReLU())
    with pytest.raises(UsageError, match=r"the state has no `0\.weight`"):
        model.take({}, capture(same, torch.empty(1, 3, 8, 8)))


def test_what_code_does_otherwise_is_named_at_its_line(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8, eps=1e-3), nn.Flatten(), nn.Linear(512, 2))
    graph = capture(module.eval(), torch.empty(1, 3, 8, 8)).graph
    found = align(graph, built(tmp_path, "  - conv(8, 3) bn relu linear(2)\n"))
    assert said(found) == [
        (1, "changed", "bn: eps=0.001 → eps=1e-05", "1"),
        (1, "only in the second", "relu", "relu"),
    ]
    assert [graph.nodes[found.differences[1].after or 0].path] == ["1"]


def test_what_loads_into_another_layers_place_does_not_load_as_before() -> None:
    """Two layers alike that are used in each other's place: the networks are equal, their checkpoints are not."""
    layers = {name: nn.Linear(8, 8) for name in ("a", "b")}
    forwards = [lambda m, x: m.b(m.a(x).relu()), lambda m, x: m.a(m.b(x).relu())]
    one, other = (capture(Forward(work, **layers), torch.zeros(1, 8)).graph for work in forwards)
    found = align(one, other)
    assert found.verdict == "equal"
    held = checkpoint(states(one), states(other), dict(found.nodes))
    assert dict(held.renamed) == {
        "a.weight": "b.weight",
        "a.bias": "b.bias",
        "b.weight": "a.weight",
        "b.bias": "a.bias",
    }
    assert (held.kept, held.gone, held.missing) == (0, (), ())


def test_a_buffer_under_another_name_is_lost_from_checkpoints(command: Run, tmp_path: Path) -> None:
    text = """from torch import arange, nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.spare = nn.Linear(4, 4), nn.Linear(4, 2)
        self.register_buffer("NAME", arange(4))
        self.register_buffer("passing", arange(4), persistent=False)
    def forward(self, x):
        return self.fc(x) + self.NAME + self.passing
"""
    for name in ("old", "new"):
        (tmp_path / f"{name}.py").write_text(text.replace("NAME", f"{name}_table"), encoding="utf-8")
    names = (f"{tmp_path / name}.py:Net@4" for name in ("old", "new"))
    code, out, _ = command("compare", *names, "--diff", "--format", "json")
    found = json.loads(out)["checkpoint"]
    assert (code, found["gone"], found["missing"], found["kept"]) == (0, 1, 1, 4)


def test_probabilities_are_over_an_axis() -> None:
    over = [Forward(lambda _, x, axis=axis: 2 * x.softmax(axis)) for axis in (-1, 1)]
    graphs = [capture(module, torch.zeros(1, 8, 16)).graph for module in over]
    assert align(*graphs).verdict == "different"
    assert align(graphs[0], graphs[0]).verdict == "equal"


NET = """
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x):
        q, k, v = self.qkv(x.flatten(2).mT).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2).flatten(2))
"""


def test_a_place_has_all_that_an_attention_is_made_of(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    spec = "name: one\ninput: 8 × 4 × 4\nlayers:\n  - tokens attention(2, bias={})\n"
    said = []
    for bias in (True, False):
        (tmp_path / "one.yaml").write_text(spec.format(bias), encoding="utf-8")
        found = command("compare", "net.py:Net", "./one.yaml", "--diff", "--format", "json")
        (one,) = json.loads(found.out)["differences"]
        said.append(("scale=1.0" in one["what"], "bias=True" in one["what"], one["params"], one["macs"]))
    assert said == [(True, False, 0, 0), (True, True, -32, 0)]


def test_readme_shows_what_is_printed(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two commands of the first screen: code without an input is held at the one of the spec."""
    monkeypatch.chdir(DATA)
    monkeypatch.setenv("COLUMNS", "100")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    differs = command("compare", "my_resnet.py:Net", "resnet50", "--diff")
    assert differs.code == 0
    assert differs.out.rstrip() in page
    equal = command("check", "my_resnet.py:Net", "--against", "resnet50-v1.5")
    assert equal.code == 0
    assert equal.out.split("\n", 1)[0] in page


LAID_OUT = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k, v = ({heads} for y in (q, k, v))
        return self.out(F.scaled_dot_product_attention(q, k, v).{joined})
"""
RIGHT = ("y.unflatten(-1, (2, 4)).transpose(1, 2)", "transpose(1, 2).flatten(2)")


@pytest.mark.parametrize(
    ("heads", "joined", "same"),
    [(*RIGHT, True), ("y.reshape(y.shape[0], 2, -1, 4)", RIGHT[1], False), (RIGHT[0], "reshape(x.shape)", False)],
    ids=["right", "heads-without-a-transpose", "joined-without-a-transpose"],
)
def test_how_values_are_laid_out_is_run(
    heads: str, joined: str, same: bool, command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nodes do not show: with the same weights the numbers are other ones, and the gate is closed."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(LAID_OUT.format(heads=heads, joined=joined), encoding="utf-8")
    Path("net.yaml").write_text("name: net\ninput: 8 × 2 × 3\nlayers:\n  - tokens attention(2)\n", encoding="utf-8")
    code, out, err = command("check", "net.py:Net@8x2x3", "--against", "./net.yaml")
    assert (code, err) == (0 if same else 1, "")
    assert ("both give the same numbers" if same else "differ at") in " ".join(out.split())
    code, out, _ = command("compare", "./net.yaml", "net.py:Net@8x2x3", "--diff", "--format", "json")
    assert json.loads(out)["same_numbers"] is (same or None)


CONSTANTS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(32, 32)
        {keeps}

    def forward(self, x):
        return self.layer(x) * {reads}
"""
KEEPS = {
    "an attribute": ("self.by = {}", "self.by"), "a list": ("self.by = [{}]", "self.by[0]"),
    "a buffer": ("self.register_buffer('by', {}, persistent=False)", "self.by"),
}  # fmt: skip


@pytest.mark.parametrize("kept", KEEPS)
def test_traces_of_other_constants_differ(
    kept: str, command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = "torch.linspace(0, 1, 32)"
    values = [f"{line} ** 2", f"{line} * {line}", f"{line} ** 3", f"{line} ** 2 + 1e-5 * torch.eye(32)[3]"]
    for number, value in enumerate([*values, "torch.randn(32)"]):
        keeps, reads = KEEPS[kept]
        Path(f"m{number}.py").write_text(CONSTANTS.format(keeps=keeps.format(value), reads=reads), encoding="utf-8")
        assert command("trace", f"m{number}.py:Net", "--input", "32", "-o", f"{number}.json").code == 0
    found = [command("compare", "0.json", f"{number}.json", "--diff").out for number in range(1, len(values))]
    assert ["are equal" in out for out in found] == [True, False, False]
    assert "a constant of 32 has other values" in found[2]
    told = [command(*words).out for words in (("lock", "0.json"), ("explain", "0.json", "mul"))]
    assert not any("exactly" in text for text in (*told, Path("archcalc.lock").read_text(encoding="utf-8")))
    drawn = command("compare", "4.json", "4.json", "--diff").out
    assert "values are drawn or read" in drawn
    assert "values are drawn or read" not in found[0]
