"""`--like`: each tool's own number, from the tool itself where it is installed, and the figures that are published."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archcalc.analysis.conventions import CONVENTIONS, convention, recount
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.models import Model, load
from archcalc.ops import Tokens
from archcalc.runtime import modules
from tests.graphs import Build, call, chain

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
    return int(pytest.importorskip("torchinfo").summary(plain, tuple(x.shape), verbose=0).total_mult_adds)


def thop(plain: nn.Module, x: Tensor) -> int:
    macs, _ = pytest.importorskip("thop").profile(plain, inputs=(x,), verbose=False)
    return int(macs)


def ptflops(plain: nn.Module, x: Tensor) -> int:
    tool = pytest.importorskip("ptflops")
    macs, _ = tool.get_model_complexity_info(
        plain, tuple(x.shape[1:]), as_strings=False, print_per_layer_stat=False, backend="pytorch"
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
    from archcalc.analysis.counts import analyse

    graph = NETWORKS[name]()
    plain = Plain(graph).eval()
    expected = TOOLS[tool](plain, torch.zeros(1, *graph.inputs[0][1]))
    assert recount(analyse(graph), convention(tool)).totals.macs == expected


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

    from archcalc.analysis.counts import analyse
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
