"""Receptive fields: published ones, and what torch's own arithmetic lets an input reach."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, inf
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archcalc
from archcalc import cli
from archcalc.analysis import receptive
from archcalc.analysis.counts import analyse
from archcalc.analysis.explain import Explained
from archcalc.analysis.receptive import ReceptiveFields
from archcalc.errors import SpecError
from archcalc.graph import Graph
from archcalc.models import load
from archcalc.ops import OPS, Op, Shape, Tokens
from archcalc.ops.shapes import Many, positions
from archcalc.runtime.network import build
from tests.graphs import Build, call, chain, single
from tests.test_explain import value_of
from tests.test_ops import ROWS, Row

# Size, effective stride and effective padding as published with Araujo et al., Distill 2019 (its library's table); the
# padding is None where slim pads otherwise than the paper does. alexnet_v2 has the paper's kernels.
PUBLISHED = [
    ("vgg16", "maxpool.5", 212, 32, 90),
    ("alexnet", "MAX POOL3", 195, 32, 64),
    ("resnet50", "conv5_x", 483, 32, None),
    ("resnet101", "conv5_x", 1027, 32, None),
    ("resnet152", "conv5_x", 1507, 32, None),
    ("mobilenetv1", "1×1×1024×1024", 315, 32, None),
]


@pytest.mark.parametrize(("model", "row", "size", "stride", "padding"), PUBLISHED)
def test_published_fields(model: str, row: str, size: int, stride: int, padding: int | None) -> None:
    graph = load(model).graph
    output = next(span.output for span in graph.rows if span.name == row)
    for axis in ReceptiveFields(graph)[output]:
        assert (axis.most, axis.stride) == (size, stride)
        assert padding is None or axis.offset == -padding


def test_three_3x3_are_a_7x7() -> None:
    convs = chain((3, 32, 32), *[call("conv", out=4, kernel=3)] * 3)
    assert ReceptiveFields(convs).pair(2) == (7, 7)
    assert ReceptiveFields(convs).at(2, 0) == (5, 5)


def test_a_row_on_its_own_input() -> None:
    graph = load("googlenet").graph
    fields = ReceptiveFields(graph)
    found = {span.name: fields.at(span.output, span.input) for span in graph.rows if span.start < span.stop}
    assert found["inception (3a)"] == (5, 5)  # its largest branch is a 5×5
    assert found["max pool.1"] == (3, 3)
    assert found["avg pool"] == (7, 7)
    assert found["dropout (40%)"] == (1, 1)
    assert fields.at(-1, -1) == (1, 1)
    assert fields.at(0, graph.rows[1].output) == (0, 0)  # nothing of what comes later
    vgg = load("vgg16").graph
    fully = next(span for span in vgg.rows if span.name == "FC-4096.1")
    assert ReceptiveFields(vgg).at(fully.output, fully.input) is None


def test_unbounded_behind_a_gate_an_attention_a_global_pooling_and_a_linear_layer() -> None:
    for model, row in (
        ("efficientnet-b0", "MBConv1, k3×3"),
        ("resnet50", "average pool, 1000-d fc, softmax"),
        ("vgg16", "FC-4096.1"),
    ):
        graph = load(model).graph
        assert ReceptiveFields(graph).pair(next(s.output for s in graph.rows if s.name == row)) is None
    graph = load("efficientnet-b0").graph
    row_output = next(s.output for s in graph.rows if s.name == "MBConv1, k3×3")
    assert ReceptiveFields(graph).least(row_output) == 7  # past the gate: 3×3/2, 3×3
    vit = load("vit-b-16").graph
    fields = ReceptiveFields(vit)
    first = next(i for i, node in enumerate(vit.nodes) if node.op.word == "attention")
    assert fields.pair(first - 1) == (16, 16)
    assert fields.pair(first) is None
    because = Explained(load("vit-b-16").report()).node(first).fields[0].because
    assert because == f"{vit.nodes[first].path} reads the whole map"


# --- against torch ------------------------------------------------------------------------------------------------


def reached(graph: Graph, value: int, axis: int) -> list[tuple[int, int]]:
    """For every output position along an axis, the first and the last input position that reaches it: one input
    position after the other is changed, and what changes behind it is looked for."""
    torch.manual_seed(0)
    network = build(graph, "cpu", "float64").eval()
    for parameter in network.parameters():
        if not parameter.any():  # a scale that begins at zero lets nothing through
            torch.nn.init.normal_(parameter)
    size = graph.shape(-1)[axis + 1]
    inputs = [torch.rand(1, *shape, dtype=torch.float64) for _, shape in graph.inputs]
    found: dict[int, tuple[int, int]] = {}
    with torch.inference_mode():
        before = network(*inputs)
        for at in range(size):
            changed = inputs[0].clone()
            changed.select(axis + 2, at).add_(10 * torch.rand_like(changed.select(axis + 2, at)) + 1)
            moved = (network(changed, *inputs[1:]) - before).abs() > 1e-9
            others = [n for n in range(moved.dim()) if n != axis + 2]
            for position in moved.any(dim=others).nonzero().flatten().tolist():
                found[position] = (min(found.get(position, (at, at))[0], at), at)
    return [found.get(position, (1, 0)) for position in range(graph.shape(value)[axis + 1])]


def hold(graph: Graph, value: int, tight: bool = True) -> None:
    """What reaches an output lies in its field, and somewhere fills it."""
    fields = ReceptiveFields(graph).on(value, -1)
    assert fields is not None
    assert len(fields) == len(graph.shape(value)) - 1
    for axis, field in enumerate(fields):
        seen = reached(graph, value, axis)
        size = graph.shape(-1)[axis + 1]
        if field.first is None or field.last is None or field.stride is None:
            assert all((first, last) == (0, size - 1) for first, last in seen) or not tight
            continue
        assert field.most is not None
        for position, (first, last) in enumerate(seen):
            low, high = field.stride * position + field.first, field.stride * position + field.last
            assert last < first or (low <= first and last <= high)
        sizes = [last - first + 1 for first, last in seen]
        inside = [p for p in range(len(seen)) if field.stride * p + field.first >= 0]
        inside = [p for p in inside if field.stride * p + field.last <= size - 1]
        assert max(sizes) <= field.most
        if inside and tight:
            assert max(sizes) == field.most


LAID_OUT = {"flatten", "reshape", "linear"}  # their outputs have no positions of the input's


def of_items(row: Row) -> bool:
    """Whether a row takes or gives many of a thing, so that what an element sees depends on which one it is."""
    return OPS[row.word].regroups or any(isinstance(shape, Many) for shape in (*row.inputs, row.shape))


def windowed(row: Row) -> bool:
    """Whether a row of the table of ops is a map to a map of the same axes, small enough to try every position."""
    x = row.inputs[0]
    plain = not isinstance(x, Tokens) and not isinstance(row.shape, Tokens)
    return (
        plain
        and not of_items(row)
        and row.word not in LAID_OUT
        and "mode" not in row.arguments  # what stands for padding is tried of code, and in tests/test_receptive_zoo.py
        and not (row.word == "concat" and row.arguments)  # of which the element's place says what it sees
        and len(x) > 1
        and len(x) == len(row.shape)
        and max(x[1:]) <= 30
    )


@pytest.mark.parametrize(
    "row", [row for row in ROWS if windowed(row)], ids=lambda row: f"{row.word}-{row.arguments}-{row.inputs}"
)
def test_op(row: Row) -> None:
    """Every op on maps says how far it reaches; the default, a point, is held against torch like any other."""
    small: list[Shape] = [(min(x[0], 8), *x[1:]) for x in row.inputs] if row.word in ("gap", "maxpool") else row.inputs
    gaps = row.word == "deconv" and "dilation" in row.arguments
    anywhere = row.word in ("deformconv", "grid_sample")  # where it reads is a value
    hold(single(call(row.word, **row.arguments), *small), 0, tight=not gaps and not anywhere)


ASIDE = [row for row in ROWS if of_items(row) or (row.word == "concat" and row.arguments.get("axis"))]


@pytest.mark.parametrize("row", ASIDE, ids=lambda row: f"{row.word}-{row.arguments}-{row.inputs}")
def test_what_an_item_sees_is_unknown(row: Row) -> None:
    graph = single(call(row.word, **row.arguments), *row.inputs)
    fields = ReceptiveFields(graph)
    assert fields[0] == ()
    assert fields.unknown(0) == (len(positions(row.inputs[0])) > 0)  # in a vector there are no places to be seen
    assert fields.pair(0) is None


@pytest.mark.parametrize(
    ("word", "arguments"),
    [
        ("windows", {"kernel": 4}),
        ("grid", {"kernel": 4}),
        ("patches", {"kernel": 3}),
        ("crops", {"count": 2, "size": 4}),
    ],
)
def test_no_field_fits_all_items(word: str, arguments: dict[str, Any]) -> None:
    """Element 0 of different items reads different places of the map, as torch moves them: a field would be wrong."""
    graph = single(call(word, **arguments), (1, 8, 8))
    x = torch.arange(64.0).reshape(1, 1, 8, 8)
    assert len(build(graph)(x)[:, 0, 0, 0].unique()) > 1


def test_every_op_that_reaches_is_tried() -> None:
    maps = {row.word for row in ROWS if len(row.inputs[0]) > 1 and not isinstance(row.inputs[0], Tokens)}
    reaching = {word for word, op in OPS.items() if op.receptive_window is not Op.receptive_window}
    assert reaching & maps <= {row.word for row in ROWS if windowed(row)} | LAID_OUT


def test_tokens_that_get_their_places_back_see_what_they_saw() -> None:
    b = Build((2, 8, 8))
    conv = b("conv", -1, out=4, kernel=3, stride=2)
    tokens = b("slice", b("class_token", b("tokens", conv)), start=1, axis=0)
    back = b("map", tokens, like=(4, 4))
    wrong = b("map", tokens, like=(2, 8))  # other places
    fields = ReceptiveFields(b.finish(wrong))
    assert fields[back] == fields[conv] != ()
    assert fields.pair(wrong) is None


def residual() -> tuple[Graph, int]:
    b = Build((3, 33, 29))
    x = b("conv", -1, out=4, kernel=7, stride=2)
    x = b("maxpool", x, kernel=3, stride=2)
    y = b("conv", b("conv", x, out=4, kernel=1, stride=2), out=4, kernel=3)
    x = b("add", b("conv", x, out=4, kernel=1, stride=2), y)
    return b.finish(x), x


def inception() -> tuple[Graph, int]:
    b = Build((3, 24, 24))
    x = b("conv", -1, out=4, kernel=3, stride=2)
    branches = [b("conv", x, out=2, kernel=1), b("conv", x, out=2, kernel=3), b("conv", x, out=2, kernel=5)]
    x = b("concat", *branches, b("maxpool", x, kernel=3, stride=1))
    return b.finish(x), x


def askew() -> tuple[Graph, int]:
    """Branches whose windows do not stand on the same middle: together they see more than either."""
    b = Build((2, 20, 20))
    left = b("conv", -1, out=2, kernel=3, pad=2, pad_end=0)
    right = b("conv", -1, out=2, kernel=3, pad=0, pad_end=2)
    x = b("add", left, right)
    return b.finish(x), x


def dilated() -> tuple[Graph, int]:
    b = Build((2, 40, 21))
    x = b("conv", -1, out=2, kernel=(3, 1), dilation=2)
    x = b("conv", b("avgpool", x, kernel=2), out=2, kernel=(1, 3), dilation=(1, 3))
    return b.finish(x), x


def hourglass() -> tuple[Graph, int]:
    b = Build((2, 32, 32))
    x = b("conv", -1, out=2, kernel=3)
    y = b("conv", b("maxpool", x, kernel=2), out=2, kernel=3)
    y = b("deconv", y, out=2, kernel=2, stride=2)
    x = b("conv", b("concat", x, y), out=2, kernel=3)
    return b.finish(x), x


@pytest.mark.parametrize("make", [residual, inception, askew, dilated, hourglass])
def test_network(make: object) -> None:
    assert callable(make)
    graph, value = make()
    hold(graph, value, tight=make is not hourglass)  # what is seen behind an upsampling depends on the place


def test_the_shortest_path_is_the_smallest_branch() -> None:
    graph, value = inception()
    assert ReceptiveFields(graph).pair(value) == (3, 3 + 4 * 2)
    graph, value = residual()
    assert ReceptiveFields(graph).pair(value) == (11, 11 + 2 * 8)
    graph, value = askew()
    assert ReceptiveFields(graph).pair(value) == (3, 5)


def test_two_strides_that_meet_bound_nothing() -> None:
    b = Build((2, 9, 9))
    x = b("conv", -1, out=2, kernel=5, pad=0)
    y = b("maxpool", -1, kernel=2, stride=2, pad=0)
    y = b("conv", y, out=2, kernel=1, pad=1)
    x = b("add", b("crop", x, like=4), b("crop", y, like=4))
    assert ReceptiveFields(b.finish(x)).pair(x) is None


def tokens_of(b: Build) -> int:
    return b("tokens", b("conv", -1, out=4, kernel=3))


def taken() -> tuple[Graph, int]:
    b = Build((2, 8))
    x = b("take", tokens_of(b), index=7)
    return b.finish(x), x


def both_ends() -> tuple[Graph, int]:
    b = Build((2, 8))
    x = tokens_of(b)
    x = b("add", b("take", x, index=0), b("take", x, index=7))
    return b.finish(x), x


def turned() -> tuple[Graph, int]:
    b = Build((2, 8))
    x = b("reverse", tokens_of(b))
    return b.finish(x), x


def turned_and_taken() -> tuple[Graph, int]:
    b = Build((2, 8))
    x = b("take", b("reverse", tokens_of(b)), index=6)
    return b.finish(x), x


def both_ways() -> tuple[Graph, int]:
    """Token t sees t and 7 − t: the more, the longer the sequence."""
    b = Build((2, 8))
    x = tokens_of(b)
    x = b("add", x, b("reverse", x))
    return b.finish(x), x


def stacked() -> tuple[Graph, int]:
    b = Build((2, 8))
    x = tokens_of(b)
    x = b("stack", b("take", x, index=2), b("add", b("take", x, index=0), b("take", x, index=7)))
    return b.finish(x), x


def weighed() -> tuple[Graph, int]:
    b = Build((1, 8))
    x = b("tokens", -1)
    x = b("weighted", x, b("softmax", x), by=True)
    return b.finish(x), x


def spread() -> tuple[Graph, int]:
    b = Build((2, 8))
    x = b("upsample", b("avgpool", -1, kernel=2), factor=2)
    return b.finish(x), x


def spread_and_pooled() -> tuple[Graph, int]:
    b = Build((2, 8))
    x = b("maxpool", b("upsample", -1, factor=2), kernel=2)
    return b.finish(x), x


def laid_out_anew() -> tuple[Graph, int]:
    """Every position of the new map sees what the vector saw."""
    b = Build((2, 8))
    x = b("conv", b("reshape", b("take", tokens_of(b), index=4), size=(1, 4)), out=1, kernel=3)
    return b.finish(x), x


# By hand: on the shortest path, at most, all places together, where element 0 begins, the stride.
BY_HAND = [
    (taken, (3, 3, 3, 6, 0)),
    (both_ends, (3, 10, 10, -1, 0)),
    (turned, (3, 3, 3, 6, -1)),
    (turned_and_taken, (3, 3, 3, 0, 0)),
    (both_ways, (None,) * 5),
    (stacked, (3, 10, 10, 1, 0)),
    (weighed, (None,) * 5),
    (spread, (2, 2, 3, 0, 1)),
    (spread_and_pooled, (1, 1, 1, 0, 1)),
    (laid_out_anew, (3, 3, 3, 3, 0)),
]


@pytest.mark.parametrize(("make", "found"), BY_HAND, ids=lambda case: getattr(case, "__name__", ""))
def test_by_hand(make: Callable[[], tuple[Graph, int]], found: tuple[int | None, ...]) -> None:
    graph, value = make()
    (field,) = ReceptiveFields(graph)[value]
    assert (field.least, field.most, field.union, field.offset, field.stride) == found


def test_a_class_token_sees_nothing_and_the_others_their_patch() -> None:
    b = Build((2, 4, 6))
    x = b("class_token", b("tokens", b("conv", -1, out=4, kernel=3)))
    none, ninth = b("take", x, index=0), b("take", x, index=9)
    fields = ReceptiveFields(b.finish(none, ninth))
    assert fields[none] == ()
    x = b("take", b("add", x, b("attention", x, heads=1)), index=0)
    assert [axis.most for axis in ReceptiveFields(b.finish(x))[x]] == [None, None]
    assert ReceptiveFields(b.finish(x)).least(x) == inf  # past its own place there is nothing to be seen
    assert [axis.offset for axis in fields[ninth]] == [0, 1]  # token 8 of the map: row 1, column 2


@pytest.mark.parametrize("axes", [(8,), (4, 6)])
def test_what_is_explained_of_tokens_is_what_is_found(axes: tuple[int, ...]) -> None:
    b = Build((2, *axes))
    x = b("reverse", b("class_token", b("tokens", b("conv", -1, out=4, kernel=3))))
    x = b("conv", b("reshape", b("take", x, index=3), size=(1, 2, 2)), out=1, kernel=(3, 1))
    report = analyse(b.finish(x))
    network = Explained(report)
    for index in range(len(report.graph.nodes)):
        for found in network.node(index).fields:
            assert found.field in report.receptive_fields[index]
            for text, number in ((found.size, found.field.most), (found.offset, found.field.offset)):
                assert not text or value_of(text) == number


def test_u_net(capsys: pytest.CaptureFixture[str]) -> None:
    fields = ReceptiveFields(load("unet").graph)
    last = len(load("unet").graph.nodes) - 1
    assert (fields.pair(last), fields.union(last), fields.union_apart(last)) == ((9, 204), 215, 215)
    assert fields.union_apart(0) is None
    columns = "receptive_field_max,receptive_field_union"
    assert (
        cli._run(["summary", "unet", "--static", "--columns", columns, "--only", "conv 1×1, 2", "--format", "csv"]) == 0
    )
    assert capsys.readouterr().out.splitlines() == [f"row,name,{columns}", '"conv 1×1, 2","conv 1×1, 2",204,215']


V_NET = """
name: v-net
input: 1 × 32 × 32 × 32
columns: {layer: layer, receptive field: =receptive_field_union}
layers:
  from: Milletari et al., arXiv:1606.04797, table 1
  table: |
    layer | receptive field
    L1 | 5×5×5
    L2 | 22×22×22
    L3 | 72×72×72
    L4 | 172×172×172
    L5 | 372×372×372
    R4 | 476×476×476
    R3 | 528×528×528
    R2 | 546×546×546
    R1 | 551×551×551
notation:
  L1:   l(1, 1)
  L5:   l(3, 2)
  L{i}: l(min(i, 3), 2)
  R{i}: deconv(1, 2, 2) conv(1, 5) x(min(i, 3))
blocks:
  l(n, s):
    - conv(1, s, s) if s > 1
    - conv(1, 5) x(n)
reported:
  - from: the same
    table: |
      figure                | v-net
      receptive_field_union | 551
      receptive_field       | 548
"""


def test_claims_on_receptive_fields(tmp_path: Path) -> None:
    """V-Net's table counts all places together; its skips see less than the way down and up."""
    spec = tmp_path / "v-net.yaml"
    spec.write_text(V_NET, encoding="utf-8")
    judged = load(spec).claims
    assert len(judged) == 11
    assert {judgement.verdict for judgement in judged} == {"exact"}
    spec.write_text(V_NET.replace("field       | 548", "field       | 551"), encoding="utf-8")
    wrong = [judgement.arithmetic for judgement in load(spec).claims if not judgement.holds]
    assert wrong == ["computed 548, printed 551: 0.54 % below"]


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("=receptive_field with heads", "is a size"),
        ("=receptive_field K", "neither a unit"),
        ("=receptive_field", "unbounded"),
        ("=receptive_feld", "is neither a figure"),
    ],
)
def test_claims_on_receptive_fields_that_are_none(role: str, message: str, tmp_path: Path) -> None:
    spec = tmp_path / "m.yaml"
    spec.write_text(
        f"""
input: 1 × 8 × 8
columns: {{layer: layer, field: {role}}}
layers:
  table: |
    layer | field
    gap   | 8
notation:
  gap: gap
""",
        encoding="utf-8",
    )
    with pytest.raises(SpecError, match=message):
        assert load(spec).claims


def test_a_vector_has_no_field() -> None:
    graph = chain((12,), call("linear", out=4))
    assert ReceptiveFields(graph)[0] == ()
    assert ReceptiveFields(graph).pair(0) is None


# --- explained ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["vgg16", "googlenet", "resnet50", "densenet121", "alexnet"])
def test_the_arithmetic_comes_to_the_field(model: str) -> None:
    report = load(model).report()
    network = Explained(report)
    for index in range(len(report.graph.nodes)):
        for found in network.node(index).fields:
            for text, value in (
                (found.size, found.field.most),
                (found.stride, found.field.stride),
                (found.offset, found.field.offset),
            ):
                assert not text or value_of(text) == value
            assert bool(found.because) == (found.field.most is None)


def test_upsampling_by_hand() -> None:
    """Linear by 2: output o lies at (o + ½)/2 − ½, between two neighbours; its field is 2, its stride ½."""
    graph = chain((2, 8), call("upsample", factor=2, smooth=True))
    (field,) = ReceptiveFields(graph)[0]
    assert (field.most, field.stride) == (2, Fraction(1, 2))
    assert field.first is not None and field.last is not None and field.stride is not None  # noqa: PT018
    assert [(ceil(field.first + o * field.stride), floor(field.last + o * field.stride)) for o in (2, 3)] == [
        (0, 1),
        (1, 2),
    ]


# --- code ---------------------------------------------------------------------------------------------------------


def conv(kernel: Any = 3, **more: Any) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, **more)


SEEN: dict[str, Callable[[], nn.Module]] = {
    "a transposed convolution": lambda: nn.Sequential(conv(stride=2), nn.ConvTranspose2d(4, 4, 3, 2), conv(1)),
    "nearest": lambda: nn.Sequential(conv(stride=2), nn.Upsample(scale_factor=2), conv(padding=1)),
    "bilinear": lambda: nn.Sequential(conv(stride=3), nn.Upsample(scale_factor=3, mode="bilinear"), conv()),
    "to a size": lambda: nn.Sequential(conv(), nn.Upsample((30, 31), mode="nearest"), conv()),
    "corners": lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    "adaptive": lambda: nn.Sequential(conv(), nn.AdaptiveAvgPool2d((5, 6)), conv()),
    "zeros": lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 3, 0)), conv((4, 5)), nn.ConstantPad2d((0, 1, 0, 1), 2.0)),
    "reflected": lambda: nn.Sequential(conv(5, padding=2, padding_mode="reflect"), conv(), conv(5, padding=2)),
    "replicated": lambda: nn.Sequential(nn.ReplicationPad2d(3), conv(7), conv(dilation=2)),
    "round": lambda: nn.Sequential(*(conv(padding=1, padding_mode="circular", stride=n) for n in (1, 2, 1))),
    "same": lambda: nn.Sequential(conv(padding="same", dilation=2), conv(padding="valid", stride=2)),
    "parts": lambda: Of(lambda a, x: a(x[:, :, 2:-1, ::2]) + a(x[:, :, 1:18, ::2].narrow(3, 0, 10)), conv()),
    "channels": lambda: Of(lambda a, x: torch.cat([x[:, :2], a(x).narrow(1, 1, 2)], 1), conv(padding=1)),
    "channels last": lambda: Of(
        lambda a, norm, linear, x: a(
            x[:, :, 1:-1, 1:-1] + linear(norm(a(x).permute(0, 2, 3, 1))).relu().permute(0, 3, 1, 2)
        ),
        conv(),
        nn.LayerNorm(4),
        nn.Linear(4, 4),
    ),
    "dealt out": lambda: Of(lambda a, x: a(a(x).view(1, 2, 2, 18, 18).transpose(1, 2).reshape(1, 4, 18, 18)), conv()),
    "as tokens": lambda: Of(
        lambda a, linear, x: a(linear(a(x).flatten(2).mT).transpose(1, 2).view(1, 6, 18, 18)[:, 1:5]),
        conv(),
        nn.Linear(4, 6),
    ),
    "turned and back": lambda: Of(lambda a, x: a(a(x).transpose(2, 3).tanh().transpose(3, 2)), conv((1, 7))),
    "shuffled": lambda: nn.Sequential(conv(stride=2, padding=1), nn.PixelShuffle(2)),
}
NOTHING_KNOWN: dict[str, Callable[[], nn.Module]] = {
    "turned once": lambda: Of(lambda a, x: a(a(x).transpose(2, 3)), conv((1, 7), padding=(0, 3))),
    "turned": lambda: Of(lambda a, x: a(a(x) + a(x).transpose(2, 3)), conv()),
    "squares": lambda: Of(
        lambda a, x: a(x.view(1, 4, 10, 2, 10, 2).permute(0, 3, 5, 1, 2, 4).reshape(1, 16, 10, 10)[:, :4]), conv()
    ),
    "over places": lambda: Of(lambda linear, x: linear(x.flatten(2)), nn.Linear(400, 400)),
    "over rows": lambda: Of(lambda norm, x: norm(x.permute(0, 2, 1, 3)).permute(0, 2, 1, 3), nn.LayerNorm(20)),
    "over columns": lambda: Of(lambda x: x.permute(0, 2, 3, 1).softmax(1).permute(0, 3, 1, 2)),
    "round a part": lambda: nn.Sequential(conv(), conv(padding=1, padding_mode="circular")),
    "side by side": lambda: Of(lambda a, x: torch.cat([a(x), x[:, :, :9, 1:-1]], 2), conv()),
    "by the batch": lambda: nn.Sequential(conv(), nn.BatchNorm2d(4, track_running_stats=False)),
    "a root mean square": lambda: Of(lambda a, x: a(x), nn.RMSNorm((20, 20))),
    "probabilities": lambda: Of(lambda x: torch.softmax(x, 2)),
    "padded rows of all maps": lambda: Of(lambda x: nn.functional.pad(x.flatten(0, 2), (0, 2))),
}


class Of(nn.Module):
    """A function of modules and an input."""

    def __init__(self, function: Callable[..., torch.Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.function, self.of = function, nn.ModuleList(modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(*self.of, x)


PADDED = ("reflected", "replicated", "round")  # whose padding is elements of the map, which lie elsewhere


@pytest.mark.parametrize("name", SEEN)
def test_what_an_element_sees_in_code(name: str) -> None:
    """Each element's gradients lie in its field, and some fill it."""
    torch.manual_seed(0)
    module = SEEN[name]().double().eval()
    x = torch.rand(1, 4, 20, 20, dtype=torch.float64, requires_grad=True)
    graph = archcalc.capture(module, x.detach()).graph
    fields, y = ReceptiveFields(graph)[graph.outputs[0]], module(x)
    assert len(fields) == 2
    for axis, field in enumerate(fields):
        seen = []
        for place in range(y.shape[2 + axis]):
            at = receptive._at(field, place)
            (gradient,) = torch.autograd.grad(y.select(2 + axis, place).sum(), x, retain_graph=True)
            reached = {*gradient[0].abs().amax((0, 2 - axis)).nonzero().flatten().tolist()}
            assert at is not None and at.first is not None and at.last is not None  # noqa: PT018
            ends = int(at.first), int(at.last)
            if name == "round":
                assert reached <= {place % 20 for place in range(ends[0], ends[1] + 1)}
                seen.append(len(reached))
            elif reached:
                assert name in PADDED or ends[0] <= min(reached) <= max(reached) <= ends[1]
                seen.append(max(reached) - min(reached) + 1)
        assert max(seen) == field.most


@pytest.mark.parametrize("make", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)
def test_what_has_no_window_in_code_is_unknown(make: Callable[[], nn.Module]) -> None:
    fields = archcalc.capture(make().eval(), torch.rand(1, 4, 20, 20)).report().receptive_fields
    assert fields.unknown(len(fields.graph.nodes) - 1)
