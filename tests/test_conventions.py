"""`--like`: each tool's own number, from the tool itself where it is installed, and the figures that are published."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archcalc.analysis.conventions import CONVENTIONS, convention, recount
from archcalc.analysis.counts import analyse
from archcalc.errors import UsageError
from archcalc.graph import Graph, Node
from archcalc.models import Model, load
from archcalc.ops import Op, OpError, Tokens
from archcalc.runtime import modules
from archcalc.show.wording import facts
from tests.graphs import KINDS, TEXT, Build, call, chain

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
    """A graph of torch's own modules, as its users write networks: sums and products by operators, one module where the
    same call works with the same weights, and the same parameter where another call does."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        made: list[nn.Module] = []
        known: dict[tuple[int, Op], nn.Module] = {}
        for index, node in enumerate(graph.nodes):
            shapes = [graph.shape(value) for value in node.inputs]
            owner = index if node.shares is None else node.shares
            module = known.setdefault((owner, node.op), self.module(node, shapes))
            if node.shares is not None and module is not made[owner]:
                for name, parameter in made[owner].named_parameters():
                    setattr(module, name, parameter)
            made.append(module)
        self.made = nn.ModuleList(made)

    @staticmethod
    def module(node: Node, shapes: list[Any]) -> nn.Module:
        word = node.op.word
        if word in ACTIVATIONS:
            return ACTIVATIONS[word]()
        if word == "linear":
            into = shapes[0][1] if isinstance(shapes[0], Tokens) else torch.Size(shapes[0]).numel()
            return nn.Linear(into, node.shape[-1], bool(node.op.params(shapes[0])[1:]))
        if word in ("add", "mul", "concat"):
            return nn.Identity()
        if word == "attention":
            return Attention(shapes[0][1], getattr(node.op, "heads", 1))
        made: nn.Module = node.op.torch(modules, *shapes)
        return made

    def forward(self, *x: Tensor) -> Any:
        values: list[Any] = []
        for node, module in zip(self.graph.nodes, self.made, strict=True):
            read = [values[value] if value >= 0 else x[-1 - value] for value in node.inputs]
            word = node.op.word
            if word in ("add", "mul"):
                total = read[0]
                for other in read[1:]:
                    total = total + other if word == "add" else total * other
                values.append(total)
            elif word == "concat":
                values.append(torch.cat(read, 1))
            elif word == "linear" and not isinstance(node.shape, Tokens):
                values.append(module(read[0].flatten(1)))
            else:
                values.append(module(*read))
        results = tuple(values[value] for value in self.graph.outputs)
        return results if len(results) > 1 else results[0]


def fvcore(plain: nn.Module, *x: Tensor) -> tuple[int, int]:
    counter = pytest.importorskip("fvcore.nn")
    analysis = counter.FlopCountAnalysis(plain, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return counter.parameter_count(plain)[""], int(analysis.total())


def torchinfo(plain: nn.Module, *x: Tensor) -> tuple[int, int]:
    found = pytest.importorskip("torchinfo").summary(plain, input_data=list(x), verbose=0)
    return found.total_params, int(found.total_mult_adds)


def thop(plain: nn.Module, *x: Tensor) -> tuple[int, int]:
    macs, params = pytest.importorskip("thop").profile(plain, inputs=x, verbose=False)
    return int(params), int(macs)


def ptflops(plain: nn.Module, *x: Tensor) -> tuple[int, int]:
    tool = pytest.importorskip("ptflops")
    (one,) = x
    macs, params = tool.get_model_complexity_info(
        plain,
        tuple(one.shape[1:]),
        as_strings=False,
        print_per_layer_stat=False,
        backend="pytorch",
        input_constructor=lambda _shape: one,
    )
    return params, int(macs)


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
    assert like(tool, graph) == TOOLS[tool](plain, torch.zeros(1, *graph.inputs[0][1]))


def like(tool: str, graph: Graph) -> tuple[int, int]:
    """Parameters and MACs by a convention."""
    totals = recount(analyse(graph), convention(tool)).totals
    return totals.params, totals.macs


class Attention(nn.Module):
    """Attention as others write it."""

    def __init__(self, width: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

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


@pytest.mark.parametrize(("kind", "tool"), PRINTED)
def test_a_convention_forgets_no_kind_of_op(kind: str, tool: str) -> None:
    assert like(tool, KINDS[kind]()) == PRINTED[kind, tool]


@pytest.mark.parametrize(("kind", "tool"), PRINTED)
def test_the_tool_prints_so(kind: str, tool: str) -> None:
    make, shape = WRITTEN[kind]
    x = torch.zeros(1, *shape, dtype=torch.long if kind == "embedding" else torch.float32)
    plain = make().eval()
    assert TOOLS[tool](plain, x) == PRINTED[kind, tool]


# Layers that keep 4 channels, and those that keep 4 tokens' width, so that any may stand behind any; the second list
# also takes what a look-up gives, with which a fully connected layer may share its table.
ON_MAPS = (
    *(call("conv", out=4, kernel=3), call("conv", out=4, kernel=3, stride=2), call("dwconv", kernel=3, bias=False)),
    *(call("deconv", out=4, kernel=2, stride=2), call("bn"), call("groupnorm", groups=2), call("relu")),
    *(call("instancenorm", affine=True), call("maxpool", kernel=2, ceil=True), call("upsample", factor=2)),
)
ON_TOKENS = (
    *(call("linear", out=4), call("linear", out=4, bias=False), call("layernorm"), call("attention", heads=2)),
    *(call("lstm", width=4, biases=2), call("gru", width=4, bias=False), call("rnn", width=4, biases=2), call("gelu")),
)


@st.composite
def sharing(draw: st.DrawFn) -> Graph:
    """A network in which any layer may work with the weights of one before it that has the same tensors."""
    tokens = draw(st.booleans())
    b = Build((3,) if tokens else (4, 5, 7))
    value = b("embed", -1, words=4, width=4) if tokens else -1
    for op in draw(st.lists(st.sampled_from(ON_TOKENS if tokens else ON_MAPS), min_size=1, max_size=6)):
        try:
            value = b.builder.append(op, (value,), TEXT)
        except OpError:  # no norm of a single element
            continue
        wanted = b.builder.params(value)
        owners = [index for index in range(value) if wanted and b.builder.params(index) == wanted]
        b.builder.share(value, draw(st.sampled_from([*owners, *owners, value])))  # with itself: its own
    if not tokens and draw(st.booleans()):
        value = b("linear", b("gap", value), out=3)
    return b.finish(value)


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=40, deadline=None)
@given(graph=sharing())
def test_weights_that_are_shared(tool: str, graph: Graph) -> None:
    pytest.importorskip(tool)
    inputs = torch.zeros(1, *graph.inputs[0][1], dtype=torch.long if len(graph.inputs[0][1]) == 1 else torch.float32)
    plain = Plain(graph).eval()
    assert analyse(graph).totals.params == sum(parameter.numel() for parameter in plain.parameters())
    assert like(tool, graph) == TOOLS[tool](plain, inputs)


def again(times: int, shape: tuple[int, ...], *ops: Op) -> Graph:
    """The same layers with the same weights again and again."""
    b = Build(shape)
    value = -1
    for index in range(times * len(ops)):
        value = b.builder.append(ops[index % len(ops)], (value,), TEXT)
        if index >= len(ops):
            b.builder.share(value, index % len(ops))
    return b.finish(value)


# What the tools print for shared layers, by hand beside them: of 10 tokens of 8 a norm of 16 parameters and 80 elements
# and an attention of 288 parameters, 4·64·10 = 2,560 MACs in projections; on 4×6×6 a transposed convolution of 68
# parameters and 4·4·4·36 = 2,304 MACs, then one on 12×12, each with a norm of 8 parameters.
SHARED: dict[tuple[str, str], int] = {
    ("norm and attention", "fvcore"): 3 * (5 * 80 + 2560),
    ("norm and attention", "torchinfo"): 3 * 16,
    ("norm and attention", "thop"): 3 * 4 * 80,
    ("deconvolution and norm", "fvcore"): 2304 + 9216 + 2 * (4 * 144 + 4 * 576),
    ("deconvolution and norm", "ptflops"): 20_160,
    ("deconvolution and norm", "torchinfo"): 68 * 144 + 8 + 68 * 576 + 8,
    ("deconvolution and norm", "thop"): 4 * (2304 + 9216) + 4 * (4 * 144 + 4 * 576),
}


@pytest.mark.parametrize(("name", "tool"), SHARED)
def test_shared_layers_work_each_time(name: str, tool: str) -> None:
    graph = {
        "norm and attention": lambda: again(3, Tokens((10, 8)), call("layernorm"), call("attention", heads=2)),
        "deconvolution and norm": lambda: again(2, (4, 6, 6), call("deconv", out=4, kernel=2, stride=2), call("bn")),
    }[name]()
    assert like(tool, graph)[1] == SHARED[name, tool]
    assert SHARED[name, tool] == TOOLS[tool](Plain(graph).eval(), torch.zeros(1, *graph.inputs[0][1]))[1]


def test_a_tied_table_counts_in_each_module_for_tools_that_go_by_these() -> None:
    """50·8 weights of a table that a fully connected layer has too; thop knows no look-ups."""
    b = Build((5,))
    value = b("linear", b("linear", b("embed", -1, words=50, width=8), out=50, bias=False), out=8)
    b.builder.share(1, 0)
    graph = b.finish(value)
    found = {tool: like(tool, graph)[0] for tool in TOOLS}
    assert found == {"fvcore": 808, "ptflops": 808, "torchinfo": 1208, "thop": 808}
    for tool, count in TOOLS.items():
        if find_spec(tool) is not None:
            assert count(Plain(graph).eval(), torch.zeros(1, 5, dtype=torch.long))[0] == found[tool]


@pytest.mark.parametrize("tool", TOOLS)
def test_products_of_two_values(tool: str) -> None:
    """Of 5 tokens of 8: each with each, 200 MACs, and a sum of all by weights that a layer makes, 40 and 40. Tools that
    go by modules see no product."""
    b = Build(Tokens((5, 8)))
    weights = b("linear", -1, out=1)
    graph = b.finish(b("matmul", -1, -1, other=True, transpose=True), b("weighted", -1, weights, by=True))
    expected = {"fvcore": 280, "ptflops": 285, "thop": 40, "torchinfo": 9}[tool]
    assert like(tool, graph) == (9, expected)
    if find_spec(tool) is not None:
        assert TOOLS[tool](Plain(graph).eval(), torch.zeros(1, 5, 8)) == (9, expected)


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


def test_parts_are_the_parts_of_what_they_add_up_to(tmp_path: Path) -> None:
    """thop knows the norm, 16 parameters, and not the attention, 4·64 weights and 4·8 biases."""
    path = tmp_path / "net.yaml"
    path.write_text("input: 8 × 10\nlayers:\n  - tokens layernorm attention(2)\n", encoding="utf-8")
    model = load(str(path))
    assert dict(facts(model.summary()))["params"] == "304 = 256 weights + 32 biases + 16 norm"
    own = "16; by archcalc's own counting 304 = 256 weights + 32 biases + 16 norm"
    assert dict(facts(model.summary(like="thop")))["params"] == own


def test_both_say_that_doctor_may_differ() -> None:
    for tool, like in CONVENTIONS.items():
        assert (f"`doctor --vs {tool}` says how" in str(like)) == (tool != "torchvision")


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
