"""`--like`: each tool's own number, from the tool itself where it is installed, and the figures that are published."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archcalc.analysis.conventions import CONVENTIONS, convention, recount
from archcalc.analysis.counts import analyse
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.models import Model, load
from archcalc.ops import Tokens
from archcalc.runtime import modules
from tests.graphs import KINDS, Build, call, chain

# GFLOPS and parameters as torchvision's documentation prints them beside its weights.
TORCHVISION = [
    ("resnet50-v1.5", "4.089", 25557032),
    ("vgg16", "15.47", 138357544),
    ("densenet121", "2.834", 7978856),
    ("vit-b-16", "17.564", 86567656),
    ("googlenet-torchvision", "1.498", 6624904),
    ("mobilenetv2", "0.301", 3504872),
    ("efficientnet-b0", "0.386", 5288548),
]


@pytest.mark.parametrize(("model", "gflops", "params"), TORCHVISION)
def test_torchvision(model: str, gflops: str, params: int) -> None:
    found = recount(load(model).report(), convention("torchvision")).totals
    places = len(gflops.partition(".")[2])
    assert f"{found.macs / 1e9:.{places}f}" == gflops
    assert found.params == params


# What users of the tools get for torchvision's networks, as printed in their threads and read-mes.
PUBLISHED = [
    ("fvcore", "vit-b-16", "macs", 1e9, "16.87"),
    ("thop", "resnet50-v1.5", "macs", 1e9, "4.134"),
    ("thop", "vit-b-16", "macs", 1e9, "11.29"),
    ("thop", "vit-b-16", "params", 1e6, "58.1"),
    ("torchinfo", "vgg16", "macs", 1e9, "15.48"),
    ("torchinfo", "vit-b-16", "macs", 1e9, "0.173"),
]


@pytest.mark.parametrize(("tool", "model", "figure", "unit", "printed"), PUBLISHED)
def test_published(tool: str, model: str, figure: str, unit: float, printed: str) -> None:
    totals = recount(load(model).report(), convention(tool)).totals
    places = len(printed.partition(".")[2])
    assert f"{getattr(totals, figure) / unit:.{places}f}" == printed


# --- against the tools ------------------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "swish": nn.SiLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "dropout": nn.Dropout,
}


class Plain(nn.Module):
    """A graph of torch's own modules, as its users write networks; sums and products by operators."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        made: list[nn.Module] = []
        for node in graph.nodes:
            word = node.op.word
            shapes = [graph.shape(value) for value in node.inputs]
            if word in ACTIVATIONS:
                made.append(ACTIVATIONS[word]())
            elif word == "linear" and not isinstance(shapes[0], Tokens):
                flat = nn.Linear(torch.Size(shapes[0]).numel(), node.shape[0], bool(node.op.params(shapes[0])[1:]))
                made.append(nn.Sequential(nn.Flatten(), flat))
            elif word in ("add", "mul", "concat"):
                made.append(nn.Identity())
            else:
                made.append(node.op.torch(modules, *shapes))
        self.made = nn.ModuleList(made)

    def forward(self, x: Tensor) -> Tensor:
        values: list[Any] = []
        for node, module in zip(self.graph.nodes, self.made, strict=True):
            read = [values[value] if value >= 0 else x for value in node.inputs]
            word = node.op.word
            if word in ("add", "mul"):
                total = read[0]
                for other in read[1:]:
                    total = total + other if word == "add" else total * other
                values.append(total)
            elif word == "concat":
                values.append(torch.cat(read, 1))
            else:
                values.append(module(read[0]))
        result: Tensor = values[self.graph.outputs[0]]
        return result


def fvcore(plain: nn.Module, x: Tensor) -> int:
    counter = pytest.importorskip("fvcore.nn")
    analysis = counter.FlopCountAnalysis(plain, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(analysis.total())


def torchinfo(plain: nn.Module, x: Tensor) -> int:
    return int(pytest.importorskip("torchinfo").summary(plain, input_data=[x], verbose=0).total_mult_adds)


def thop(plain: nn.Module, x: Tensor) -> int:
    macs, _ = pytest.importorskip("thop").profile(plain, inputs=(x,), verbose=False)
    return int(macs)


def ptflops(plain: nn.Module, x: Tensor) -> int:
    tool = pytest.importorskip("ptflops")
    macs, _ = tool.get_model_complexity_info(
        plain,
        tuple(x.shape[1:]),
        as_strings=False,
        print_per_layer_stat=False,
        backend="pytorch",
        input_constructor=lambda _shape: x,
    )
    return int(macs)


def main_path_of_googlenet() -> Graph:
    return load("googlenet-torchvision").graph.without_heads()


def conv_net() -> Graph:
    b = Build((3, 24, 24))
    x = b("relu", b("bn", b("conv", -1, out=8, kernel=3, stride=2, bias=False)))
    x = b("maxpool", x, kernel=3, stride=2)
    y = b("relu6", b("bn", b("dwconv", b("conv", x, out=8, kernel=1), kernel=3)))
    x = b("add", x, y)
    gate = b("sigmoid", b("conv", b("gap", x), out=8, kernel=1))
    x = b("swish", b("mul", x, gate))
    x = b("avgpool", x, kernel=2)
    x = b("deconv", x, out=4, kernel=2, stride=2)
    x = b("linear", b("gap", x), out=10)
    return b.finish(x)


NETWORKS: dict[str, Any] = {
    "conv-net": conv_net,
    "norms": lambda: chain(
        (8, 6, 6), call("bn"), call("instancenorm", affine=True), call("gelu"), call("upsample", factor=2)
    ),
    "alexnet": lambda: load("alexnet-single", input=(3, 127, 127)).graph,
    "resnet18": lambda: load("resnet18", input=(3, 64, 64)).graph,
    "densenet121": lambda: load("densenet121", input=(3, 64, 64)).graph,
    "mobilenetv2": lambda: load("mobilenetv2", input=(3, 64, 64)).graph,
    "googlenet-torchvision": main_path_of_googlenet,
}
TOOLS = {"fvcore": fvcore, "torchinfo": torchinfo, "thop": thop, "ptflops": ptflops}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_tool_itself(tool: str, name: str) -> None:
    graph = NETWORKS[name]()
    plain = Plain(graph).eval()
    expected = TOOLS[tool](plain, torch.zeros(1, *graph.inputs[0][1]))
    assert recount(analyse(graph), convention(tool)).totals.macs == expected


class Attention(nn.Module):
    """Attention as others write it."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.attention(x, x, x, need_weights=False)[0]


class Recurrent(nn.Module):
    """A recurrent layer as others write it."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 3, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.lstm(x)[0]


def twice() -> nn.Module:
    conv = nn.Conv2d(4, 4, 3, padding=1)
    return nn.Sequential(conv, nn.ReLU(), conv)


# The networks of `KINDS` in torch's own modules, with their inputs.
WRITTEN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dwconv": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1, groups=4),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(4, 4, 1, groups=4),
            nn.Flatten(),
            nn.Linear(4, 3),
        ),
        (4, 6, 6),
    ),
    "deconv": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(4, 2, 2, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.ConvTranspose2d(2, 2, 1, bias=False),
            nn.Flatten(),
            nn.Linear(2, 3),
        ),
        (4, 6, 6),
    ),
    "shared": (twice, (4, 6, 6)),
    "attention": (Attention, (5, 8)),
    "recurrent": (Recurrent, (5, 8)),
    "embedding": (lambda: nn.Sequential(nn.Embedding(11, 8), nn.Linear(8, 4)), (5,)),
}
# What the tools print for these: parameters and MACs, of torchinfo 1.8.0, fvcore 0.1.5.post20221221, ptflops 0.7.5 and
# thop 0.1.1.post2209072238 with torch 2.13.0.
PRINTED: dict[tuple[str, str], tuple[int, int]] = {
    ("dwconv", "torchinfo"): (63, 1463),
    ("dwconv", "fvcore"): (63, 1456),
    ("dwconv", "ptflops"): (63, 1751),
    ("dwconv", "thop"): (63, 1460),
    ("deconv", "torchinfo"): (47, 4909),
    ("deconv", "fvcore"): (47, 1450),
    ("deconv", "ptflops"): (47, 2029),
    ("deconv", "thop"): (47, 4908),
    ("shared", "torchinfo"): (148, 10656),
    ("shared", "fvcore"): (148, 10368),
    ("shared", "ptflops"): (148, 10944),
    ("shared", "thop"): (148, 10368),
    ("attention", "torchinfo"): (288, 0),
    ("attention", "fvcore"): (288, 1280),
    ("attention", "ptflops"): (288, 1930),
    ("attention", "thop"): (0, 0),
    ("recurrent", "torchinfo"): (156, 780),
    ("recurrent", "fvcore"): (156, 0),
    ("recurrent", "ptflops"): (156, 930),
    ("recurrent", "thop"): (156, 900),
    ("embedding", "torchinfo"): (124, 124),
    ("embedding", "fvcore"): (124, 160),
    ("embedding", "ptflops"): (124, 180),
    ("embedding", "thop"): (36, 160),
}
# Where `--like` is known not to print what the tool prints, and why.
WRONG = {
    ("shared", "torchinfo"): "shared weights are counted once here, and at each use by torchinfo",
    ("recurrent", "ptflops"): "ptflops adds biases and what joins the gates; no term of the convention says so",
    ("recurrent", "thop"): "thop adds biases and what joins the gates; no term of the convention says so",
}


@pytest.mark.parametrize(
    ("kind", "tool"),
    [
        pytest.param(*key, marks=pytest.mark.xfail(strict=True, reason=WRONG[key])) if key in WRONG else key
        for key in PRINTED
    ],
)
def test_a_convention_forgets_no_kind_of_op(kind: str, tool: str) -> None:
    totals = recount(analyse(KINDS[kind]()), convention(tool)).totals
    assert (totals.params, totals.macs) == PRINTED[kind, tool]


@pytest.mark.parametrize(("kind", "tool"), PRINTED)
def test_the_tool_prints_so(kind: str, tool: str) -> None:
    make, shape = WRITTEN[kind]
    x = torch.zeros(1, *shape, dtype=torch.long if kind == "embedding" else torch.float32)
    plain = make().eval()
    assert TOOLS[tool](plain, x) == PRINTED[kind, tool][1]


def test_every_convention_has_a_row_for_every_kind() -> None:
    assert set(PRINTED) == {(kind, tool) for kind in KINDS for tool in CONVENTIONS if tool != "torchvision"}


@pytest.mark.parametrize("kind", KINDS)
def test_torchvision_counts_as_here(kind: str) -> None:
    report = analyse(KINDS[kind]())
    assert recount(report, convention("torchvision")).totals == report.totals


def test_a_batch_multiplies_and_rows_add_up() -> None:
    for tool in CONVENTIONS:
        one, eight = (recount(load("resnet50").report(batch), convention(tool)) for batch in (1, 8))
        assert eight.totals.macs == 8 * one.totals.macs
        assert eight.totals.params == one.totals.params
        rows = [one.subtotal(span) for span in one.graph.rows]
        assert sum(row.macs for row in rows) == one.totals.macs
        assert sum(row.params for row in rows) == one.totals.params


def test_unknown_tool() -> None:
    with pytest.raises(UsageError, match="no tool whose counting is known"):
        convention("fvcor")


# --- folded -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["resnet50", "densenet121", "mobilenetv2", "vgg16"])
def test_folding_batch_norms(model: str) -> None:
    """Each folded batch norm leaves a bias for each channel: torch's `fuse_conv_bn_eval` says the same."""
    whole: Model = load(model)
    folded = whole.fold_bn()
    before, after = whole.graph.nodes, folded.graph.nodes
    gone = [n for n in before if n.op.word == "bn"]
    left = [n for n in after if n.op.word == "bn"]
    assert folded.totals.macs == whole.totals.macs
    assert (len(left) == 0) == (model in ("resnet50", "mobilenetv2", "vgg16"))  # a norm before its layer stays
    assert len(before) == len(after) + len(gone) - len(left)
    lost = sum(2 * n.shape[0] for n in gone) - sum(2 * n.shape[0] for n in left)
    assert folded.totals.params == whole.totals.params - lost // 2  # scale and shift go, a bias comes
    rows = [folded.report().subtotal(span) for span in folded.graph.rows]
    assert sum(row.params for row in rows) == folded.totals.params


def test_a_folded_layer_is_torchs_fused_layer() -> None:
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    from archcalc.analysis.fold import fold

    graph = fold(chain((3, 8, 8), call("conv", out=6, kernel=3, bias=False), call("bn"), call("relu")))
    fused = fuse_conv_bn_eval(nn.Conv2d(3, 6, 3, bias=False).eval(), nn.BatchNorm2d(6).eval())
    assert analyse(graph).totals.params == sum(p.numel() for p in fused.parameters())
    assert [node.op.word for node in graph.nodes] == ["conv", "relu"]


def test_static_counting_like_a_tool_loads_none() -> None:
    import subprocess

    program = (
        "import sys; from archcalc.models import load; load('vgg16').summary(like='fvcore');"
        "assert not {'torch', 'fvcore', 'thop', 'numpy'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_norms_beside_shared_weights_are_not_folded() -> None:
    """Their weights would differ then; the owner is found where nodes before it are gone."""
    from archcalc.analysis.fold import fold

    b = Build((3, 8, 8))
    y = b("bn", b("conv", -1, out=4, kernel=3))
    for _ in range(2):
        y = b("bn", b("conv", y, out=4, kernel=3))
    b.builder.share(4, 2)
    graph = fold(b.finish(y))
    assert [node.op.word for node in graph.nodes] == ["conv", "conv", "bn", "conv", "bn"]
    assert [node.shares for node in graph.nodes] == [None, None, None, 1, None]
