"""Many of a thing: what a value that is many costs, what its parts see, and what the ops that make and undo it do."""

from __future__ import annotations

import json
import math
import pickle
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import archcalc
from archcalc.analysis.counts import analyse
from archcalc.analysis.training import train
from archcalc.errors import SpecError
from archcalc.gate.lock import entry_of
from archcalc.ops import OPS, OpError, Shape, Tokens, dims
from archcalc.ops.shapes import Cut, Many, ManyTokens, cuts_of, elements, many
from archcalc.runtime import modules
from archcalc.runtime.verify import run, verify
from tests.graphs import Build, call, single
from tests.test_ops import STRATEGIES
from tests.test_render import written

SPECS = Path(__file__).resolve().parent.parent / "specs"
THREE = (Cut("copies", 3),)
EACH = sorted(word for word in STRATEGIES if not OPS[word].regroups)


def test_a_shape_of_many_is_no_single_one() -> None:
    one, other = Many((5, 8), THREE), ManyTokens((5, 8), THREE)
    assert len({one, other, (5, 8), Tokens((5, 8)), Many((5, 8), (Cut("copies", 2),))}) == 5
    assert one != (5, 8)
    assert Tokens((5, 8)) != other
    assert elements(other) == 120
    assert [dims(shape) for shape in (one, other)] == ["3 × 5×8", "3 × 5 tokens × 8"]
    assert [pickle.loads(pickle.dumps(shape)) for shape in (one, other)] == [one, other]


@pytest.mark.parametrize("word", EACH)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_three_items_cost_as_much_as_a_batch_of_three(word: str, data: st.DataObject) -> None:
    """In every count, forward and backward, and torch agrees; parameters count once."""
    op, inputs = data.draw(STRATEGIES[word])
    try:
        op.shape(*inputs)
    except OpError:
        return
    graph, three = single(op, *inputs), single(op, *(many(shape, THREE) for shape in inputs))
    assert three.nodes[0].items == 3
    assert tuple(three.nodes[0].shape) == tuple(graph.nodes[0].shape)
    assert analyse(three).totals == analyse(graph, batch=3).totals
    assert train(analyse(three)).parts == train(analyse(graph, batch=3)).parts
    assert train(analyse(three)).peak_bytes == train(analyse(graph, batch=3)).peak_bytes
    assert train(analyse(three)).backward_macs == train(analyse(graph, batch=3)).backward_macs
    assert verify(three) == []


def test_values_that_meet_are_as_many_alike() -> None:
    b = Build((4, 8, 8))
    windows, grid = b("windows", -1, kernel=4), b("grid", -1, kernel=4)
    with pytest.raises(OpError, match=r"these values are not as many alike: 4 × 4×4×4 and 4 × 4×4×4"):
        b("add", windows, grid)
    with pytest.raises(OpError, match="4 × 4×4×4 and 4×8×8"):
        b("mul", windows, -1)
    assert b("add", windows, b("windows", b("relu", -1), kernel=4))


def made(word: str, x: Tensor, *inputs: Shape, **arguments: Any) -> Tensor:
    found: Tensor = call(word, **arguments).torch(modules, *inputs)(x)
    return found


def test_windows_and_grids_are_what_their_papers_print() -> None:
    """Swin's `window_partition` behind a roll by (−s, −s), and MaxViT's block and grid, as einsum-like reshapes."""
    x = torch.randn(2, 3, 8, 12)
    turned = torch.roll(x, (-1, -2), (2, 3)).permute(0, 2, 3, 1)
    partition = turned.reshape(2, 2, 4, 2, 6, 3).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 6, 3)
    found = made("windows", x, (3, 8, 12), kernel=(4, 6), shift=(1, 2))
    assert torch.equal(found, partition.permute(0, 3, 1, 2))
    strided = [x[:, :, row::2, column::2] for row in range(2) for column in range(2)]
    assert torch.equal(made("grid", x, (3, 8, 12), kernel=(4, 6)), torch.stack(strided, 1).flatten(0, 1))


@pytest.mark.parametrize(
    ("word", "arguments", "x"),
    [
        ("windows", {"kernel": (4, 6), "shift": (1, 2)}, (3, 8, 12)),
        ("windows", {"kernel": 2, "shift": 1}, (3, 8)),
        ("windows", {"kernel": (2, 4, 3)}, (3, 4, 4, 6)),
        ("grid", {"kernel": (4, 6)}, (3, 8, 12)),
        ("frames", {}, (3, 5, 8, 12)),
    ],
)
def test_together_undoes_the_last_cut(word: str, arguments: dict[str, Any], x: tuple[int, ...]) -> None:
    data = torch.randn(2, *x)
    shape = call(word, **arguments).shape(x)
    assert torch.equal(made("together", made(word, data, x, **arguments), shape), data)
    if word != "frames":  # tokens of a window go to the same places
        tokens = ManyTokens((elements(tuple(shape)[1:]), 3), cuts_of(shape))
        cut = made(word, data, x, **arguments).flatten(2).transpose(1, 2)
        assert torch.equal(made("together", cut, tokens), data)


def test_overlapping_patches_give_what_the_convolution_gives() -> None:
    x, weight = torch.randn(2, 3, 9, 7), torch.randn(5, 3, 4, 4)
    cut = made("patches", x, (3, 9, 7), kernel=4, stride=2)
    shape = call("patches", kernel=4, stride=2).shape((3, 9, 7))
    vectors = Many((5,), cuts_of(shape))
    map_ = made("together", cut.flatten(1) @ weight.flatten(1).T, vectors)
    torch.testing.assert_close(map_, torch.nn.functional.conv2d(x, weight, stride=2))


def test_ten_crops_are_the_corners_the_middle_and_their_mirror_images() -> None:
    x = torch.randn(2, 3, 8, 9)
    crops = made("crops", x, (3, 8, 9), count=10, size=(4, 5)).reshape(2, 10, 3, 4, 5)
    places = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    for number, (row, column) in enumerate(places):
        plain = x[:, :, row : row + 4, column : column + 5]
        assert torch.equal(crops[:, 2 * number], plain)
        assert torch.equal(crops[:, 2 * number + 1], plain.flip(-1))


def test_items_of_a_sample_follow_each_other() -> None:
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    pair = call("many").torch(modules, (3,), (3,))(x, y)
    assert torch.equal(pair, torch.stack([x[0], y[0], x[1], y[1]]))
    assert torch.equal(made("together", pair, Many((3,), (Cut("many", 2),))), torch.stack([x, y], 1))
    assert torch.equal(made("copies", x, (3,), count=2), torch.stack([x[0], x[0], x[1], x[1]]))


def spec(tmp_path: Path, text: str) -> archcalc.Model:
    path = tmp_path / "it.yaml"
    path.write_text(text, encoding="utf-8")
    return archcalc.load(str(path))


def test_a_video_through_a_network_of_images(tmp_path: Path) -> None:
    """Sixteen frames through ResNet-18's first layer and a recurrent one: parameters once, MACs sixteen times."""
    model = spec(
        tmp_path,
        "input: 3 × 16 × 32 × 32\nlayers:\n  - frames conv(64, 7, 2, bias=False)\n"
        "  - gap flatten together lstm(8) take(15)\n",
    )
    graph = model.graph
    conv = graph.nodes[1]
    assert (tuple(conv.shape), conv.items) == ((64, 16, 16), 16)
    assert model.report().totals.macs == 16 * 64 * 16 * 16 * 3 * 49 + 16 * 4 * 8 * (64 + 8)
    assert model.report().totals.params == 64 * 3 * 49 + 4 * 8 * (64 + 8) + 4 * 8
    assert verify(graph) + run(graph) == []
    net, x = model.torch().eval(), torch.randn(2, 3, 16, 32, 32)
    with torch.no_grad():
        y = net(x)
        half = x.clone()
        half[0] = 0
        assert torch.allclose(net(half)[1], y[1], atol=1e-6)  # samples do not mix
    assert y.shape == (2, 8)


def test_what_an_item_sees_is_not_guessed(tmp_path: Path) -> None:
    """Before the cut fields are as ever; inside and behind it they are `?`, as they depend on the place."""
    model = spec(
        tmp_path,
        "input: 3 × 16 × 16\nlayers:\n  - conv(4, 3)\n  - windows(4) conv(4, 3) together\n  - conv(4, 3)\n",
    )
    fields = model.report().receptive_fields
    assert fields.most(0) == 3
    assert [fields.most(index) for index in (1, 2, 3, 4)] == [None] * 4
    assert [fields.unknown(index) for index in range(5)] == [False, True, True, True, True]


def test_many_that_do_not_fit_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"3×16×18 cannot be cut into pieces of 4×4") as caught:
        _ = spec(tmp_path, "input: 3 × 16 × 18\nlayers:\n  - windows(4) together\n").graph
    assert caught.value.where.endswith("it.yaml:3:13")


def plain_attention(x: Tensor, weights: dict[str, Tensor], heads: int, mask: Tensor | None) -> Tensor:
    """softmax(QKᵀ/√d + bias + mask)·V written out; `x` is windows × tokens × width, the bias from a table by the
    difference of the places of two tokens, as both papers have it."""
    tokens = x.shape[1]
    side = int(tokens**0.5)
    q, k, v = (
        (x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]).reshape(len(x), tokens, heads, -1).transpose(1, 2)
        for name in "qkv"
    )
    bias = torch.empty(heads, tokens, tokens)
    for one in range(tokens):
        for other in range(tokens):
            rows, columns = one // side - other // side, one % side - other % side
            bias[:, one, other] = weights["table"][(rows + side - 1) * (2 * side - 1) + columns + side - 1]
    scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5 + bias
    if mask is not None:
        scores = scores + mask.unsqueeze(1).repeat(len(x) // len(mask), 1, 1, 1)
    mixed: Tensor = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    return mixed @ weights["out.weight"].T + weights["out.bias"]


def weights_of(net: torch.nn.Module) -> dict[str, Tensor]:
    return {name.partition("attention.")[2]: weight for name, weight in net.named_parameters()}


def test_shifted_windows_are_swins(tmp_path: Path) -> None:
    """Swin's formulas: a roll by (−2, −2), windows of 4×4, −∞ between tokens that lay in different windows, rolled
    back. The mask as its section 3.2 draws it: nine regions of the turned map."""
    net = spec(
        tmp_path, "input: 8 × 8 × 12\nlayers:\n  - windows(4, shift=2) tokens attention(2, relative=4) together\n"
    ).torch()
    x = torch.randn(2, 8, 8, 12)
    regions = torch.zeros(8, 12)
    for n, (rows, columns) in enumerate(
        (rows, columns)
        for rows in (slice(0, 4), slice(4, 6), slice(6, 8))
        for columns in (slice(0, 8), slice(8, 10), slice(10, 12))
    ):
        regions[rows, columns] = n
    cut = regions.reshape(2, 4, 3, 4).transpose(1, 2).reshape(6, 16)
    mask = torch.zeros(6, 16, 16).masked_fill(cut.unsqueeze(1) != cut.unsqueeze(2), float("-inf"))
    turned = torch.roll(x, (-2, -2), (2, 3)).permute(0, 2, 3, 1)
    windows = turned.reshape(2, 2, 4, 3, 4, 8).transpose(2, 3).reshape(12, 16, 8)
    made_ = plain_attention(windows, weights_of(net), 2, mask).reshape(2, 2, 3, 4, 4, 8)
    wanted = torch.roll(made_.transpose(2, 3).reshape(2, 8, 12, 8), (2, 2), (1, 2)).permute(0, 3, 1, 2)
    torch.testing.assert_close(net(x), wanted)


def test_grids_are_maxvits(tmp_path: Path) -> None:
    """Each token reads those that lie a whole number of strides away, and no other."""
    net = spec(tmp_path, "input: 8 × 8 × 12\nlayers:\n  - grid(4) tokens attention(2, relative=4) together\n").torch()
    x = torch.randn(2, 8, 8, 12)
    wanted = torch.empty(2, 8, 8, 12)
    for row in range(2):
        for column in range(3):
            tokens = x[:, :, row::2, column::3].flatten(2).transpose(1, 2)
            out = plain_attention(tokens, weights_of(net), 2, None)
            wanted[:, :, row::2, column::3] = out.transpose(1, 2).reshape(2, 8, 4, 4)
    torch.testing.assert_close(net(x), wanted)


@pytest.mark.parametrize(
    ("model", "params", "macs"),
    [
        # torchvision 0.28's `num_params`; MACs by its own FlopCounterMode count of these modules
        ("swin-t", 28_288_354, "4.49"),
        ("swin-s", 49_606_258, "8.74"),
        ("swin-b", 87_768_224, "15.43"),
        ("maxvit-t", 30_919_624, "5.56"),
    ],
)
def test_transformers_of_windows(model: str, params: int, macs: str) -> None:
    loaded = archcalc.load(model)
    totals = loaded.report().totals
    assert totals.params == params
    assert round(totals.macs / 1e9, 2) == float(macs)
    assert len((SPECS / loaded.summary().spec).read_text(encoding="utf-8").splitlines()) < 45


@pytest.mark.parametrize(("name", "regions"), [("faster-rcnn-vgg16", 300), ("fast-rcnn-vgg16", 2000)])
def test_detectors_at_all_of_their_regions(name: str, regions: int) -> None:
    """The costs that the documents compare: the layers of an image once, those of a region 300 or 2,000 times, which
    are 25,088·4,096 + 4,096² + 4,096·(21 + 84) MACs; parameters as for one region."""
    every, one = archcalc.load(name), archcalc.load(name, settings={"regions": 1})
    head = 25_088 * 4_096 + 4_096**2 + 4_096 * 105
    assert every.report().totals.params == one.report().totals.params
    assert every.report().totals.macs - one.report().totals.macs == (regions - 1) * head
    assert [every.graph.shape(value) for value in every.graph.outputs] == [Tokens((regions, 21)), Tokens((regions, 84))]


@pytest.mark.parametrize(("beam", "macs"), [(1, 3_600_000_000), (2, 6_400_000_000), (12, 34_400_000_000)])
def test_a_search_decodes_each_of_its_sentences(beam: int, macs: int) -> None:
    """25 words through 4 layers of 4·1000·2000 MACs on either side, and 80,000·1000 for each word and sentence: five of
    these LSTMs at a beam of 2 cost 32.0 G MACs, less than one at 12 (Sutskever et al., Table 1)."""
    layers, words = 4 * 4 * 1000 * 2000, 25
    assert macs == words * (layers + beam * (layers + 80_000_000))
    model = archcalc.load("seq2seq-lstm", settings={"beam": beam})
    assert (model.report().totals.params, model.report().totals.macs) == (384_112_000, macs)


def test_an_ensemble_has_all_parameters_and_crops_have_one_network(tmp_path: Path) -> None:
    one = archcalc.load("googlenet").report().totals
    net = "from googlenet: {net: [softmax]}\nlayers:\n"
    seven = spec(tmp_path, f"input: 3 × 224 × 224\n{net}  - mean: net x7\n").report().totals
    assert (seven.params, seven.macs) == (7 * one.params, 7 * one.macs)
    crops = spec(tmp_path, f"input: 3 × 256 × 256\n{net}  - crops(144, 224) net together\n  - mean(axis=0)\n")
    assert (crops.report().totals.params, crops.report().totals.macs) == (one.params, 144 * one.macs)


def test_a_pair_and_ten_crops(tmp_path: Path) -> None:
    """Siamese pairs and a ten-crop test: the network's parameters once, its MACs two and ten times."""
    tower = "conv(4, 3, 2) relu gap flatten"
    single_ = spec(tmp_path, f"input: 1 × 8 × 8\nlayers:\n  - {tower} linear(3)\n").report().totals
    pair = spec(
        tmp_path,
        "input: {left: 1 × 8 × 8, right: 1 × 8 × 8}\nlayers:\n  - many: [left, right]\n"
        f"  - {tower} linear(3)\n  - both: together\n  - x: both take(0)\n  - y: both take(1)\n  - add: [x, y]\n",
    )
    crops = spec(tmp_path, f"input: 1 × 9 × 10\nlayers:\n  - crops(10, 8) {tower} linear(3)\n  - softmax together\n")
    for model, times in ((pair, 2), (crops, 10)):
        totals = model.report().totals
        assert (totals.params, totals.macs) == (single_.params, times * single_.macs)
        assert verify(model.graph) == []


def point_of(level: torch.Tensor, y: float, x: float) -> torch.Tensor:
    """A map at a place between its elements; nothing more than a place outside (He et al., section 3)."""
    high, wide = level.shape[1:]
    if not (-1 <= y <= high and -1 <= x <= wide):
        return torch.zeros(len(level))
    y, x = min(max(y, 0), high - 1), min(max(x, 0), wide - 1)
    top, left = int(y), int(x)
    below, right = min(top + 1, high - 1), min(left + 1, wide - 1)
    above = (1 - x + left) * level[:, top, left] + (x - left) * level[:, top, right]
    under = (1 - x + left) * level[:, below, left] + (x - left) * level[:, below, right]
    return (1 - y + top) * above + (y - top) * under


@pytest.mark.parametrize("levels", [1, 3])
def test_regions_are_read_where_their_boxes_lie(levels: int) -> None:
    """RoIAlign by loops, in the level that equation 1 of FPN says."""
    torch.manual_seed(3)
    maps = [torch.randn(2, 3, 16 // 2**n, 20 // 2**n) for n in range(levels)]
    middle, sides = torch.rand(2, 9, 2) * torch.tensor([160, 128]), torch.rand(2, 9, 2) * torch.tensor([900, 700])
    boxes = torch.cat([middle - sides / 2, middle + sides / 2], -1)
    boxes[0, :2] = torch.tensor([[-80.0, -90, 20, 30], [5, 5, 4, 9]])
    made = modules.RoiAlign((3, 2), 8, 2)(*maps, boxes)
    seen = set()
    for n, (x1, y1, x2, y2) in enumerate(boxes.flatten(0, 1).tolist()):
        root = math.sqrt(max(x2 - x1, 0) * max(y2 - y1, 0))
        level = min(max(math.floor(4 + math.log2(root / 224)) - 3, 0), levels - 1) if root else 0
        seen.add(level)
        stride, one = 8 * 2**level, maps[level][n // 9]
        high, wide = max((y2 - y1) / stride, 1), max((x2 - x1) / stride, 1)
        for row, column in product(range(3), range(2)):
            points = [
                point_of(one, y1 / stride + (row + a) * high / 3, x1 / stride + (column + b) * wide / 2)
                for a, b in product((0.25, 0.75), repeat=2)
            ]
            torch.testing.assert_close(made[n, :, row, column], sum(points) / 4, atol=1e-5, rtol=1e-4)
    assert seen == {*range(levels)}


def test_regions_of_a_pyramid(tmp_path: Path) -> None:
    """A merge with a value among its arguments; of one map alone a call in a line."""
    lines = """input: {image: 3 × 64 × 64, boxes: 4 × 5}
layers:
  - p2: image conv(8, 3, 4)
  - p3: p2 maxpool(2)
  - b: boxes tokens
  - several: {"roialign(b, 7, 4)": [p2, p3 if cin == 4]}
  - one: p2 roialign(b, 7, stride=4)
  - add: [several, one]
  - flatten linear(2) together
"""
    net = spec(tmp_path, lines)
    assert net.graph.nodes[-1].shape == Tokens((5, 2))
    assert net.totals.macs == 8 * 27 * 16 * 16 + 5 * 2 * 8 * 49
    assert verify(net.graph) == []
    alone = spec(tmp_path, lines.replace("p3 if cin == 4", "p2 if cin == 5").replace("  - p3: p2 maxpool(2)\n", ""))
    assert [node.op.word for node in alone.graph.nodes].count("roialign") == 2


# --- experts ------------------------------------------------------------------------------------------------------

MOE = """input: 12
layers:
  - embed(100, 16)
  - experts(8, 2):
      - mul:
          - linear(32, bias=False) swish
          - linear(32, bias=False)
      - linear(16, bias=False)
"""


def test_parameters_that_do_not_run_for_every_token(tmp_path: Path) -> None:
    """A router of 8·16, and 8 experts of 3·16·32, of which 2 run: in all, active, and the MACs of 2 for each token."""
    model = spec(tmp_path, MOE)
    totals = model.report().totals
    assert totals.params == 1600 + 128 + 8 * 3 * 512
    assert totals.active_params == 1600 + 128 + 2 * 3 * 512
    assert totals.macs == 12 * (128 + 2 * 3 * 512)
    assert verify(model.graph) + run(model.graph) == []
    document = json.loads(written(model.summary(), form="json"))
    assert document["totals"]["active_params"] == totals.active_params
    assert [layer.get("active_params") for layer in document["layers"] if layer["op"] == "expert_linear"] == [1024] * 3
    assert "14,016 = 14,016 weights; 4,800 active for each token" in written(model.summary())
    assert entry_of("moe", model.report()).totals["active_params"] == totals.active_params


def test_active_parameters_are_claimed(tmp_path: Path) -> None:
    claims = """reported:
  - from: Table 1
    table: |
      figure        | it
      params        | 14,016
      active_params | {active}
"""
    for active, verdict in (("4,800", "exact"), ("4.8K", "rounds"), ("4,801", "contradicts")):
        found = spec(tmp_path, f"{MOE}{claims.format(active=active)}").summary().judgements
        assert [judgement.verdict for judgement in found] == ["exact", verdict]


def test_experts_are_a_plain_mixture(tmp_path: Path) -> None:
    """Mixtral's block in plain torch, every expert on every token, with the same weights: outputs and gradients."""
    model = spec(
        tmp_path,
        MOE.replace("  - embed(100, 16)\n", "")
        .replace("input: 12", "input: 12 × 16")
        .replace("layers:", "layers:\n  - reshape(16×12×1) tokens"),
    )
    net = model.torch()
    weights = {name.rpartition("experts.")[2]: weight for name, weight in net.named_parameters()}
    router, gate, up, down = weights.values()
    x = torch.randn(3, 12, 16)
    seen = x.reshape(3, 16, 12).transpose(1, 2)
    scores = torch.softmax(seen @ router.T, -1)
    largest, which = scores.topk(2, -1)
    largest = largest / largest.sum(-1, keepdim=True)
    every = torch.stack([
        torch.nn.functional.linear(
            torch.nn.functional.silu(seen @ gate[e].T) * (seen @ up[e].T), down[e]
        ) for e in range(8)
    ], 2)  # fmt: skip
    chosen = every.gather(2, which.unsqueeze(-1).expand(-1, -1, -1, 16))
    wanted = (chosen * largest.unsqueeze(-1)).sum(2)
    found = net(x)
    torch.testing.assert_close(found, wanted)
    parameters = list(net.parameters())
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), parameters, retain_graph=True),
        torch.autograd.grad(wanted.square().sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("lines", "params"),
    [
        (["conv(18, 1)", "x deformconv(moved, 8, 3)"], 18 * 5 + 8 * (4 * 9 + 1)),
        (["gap flatten linear(5)", "x gap flatten gru(5, hidden=moved)"], 5 * 5 + 3 * 5 * (4 + 5 + 1)),
        (["gap flatten linear(5)", "x gap flatten lstm(5, hidden=moved, cell=moved)"], 5 * 5 + 4 * 5 * (4 + 5 + 1)),
        (["gap flatten linear(4)", "x gap flatten similarity(moved)"], 4 * 5 + 1),
    ],
)
def test_second_values_of_many_items_fit_as_those_of_one(tmp_path: Path, lines: list[str], params: int) -> None:
    """The shape of one of many was held against a plain one, and `deformconv` and states refused frames."""
    moved, last = lines
    one = spec(tmp_path, f"input: 4 × 8 × 8\nlayers:\n  - x: relu\n  - moved: {moved}\n  - {last}\n")
    three = spec(tmp_path, f"input: 4 × 3 × 8 × 8\nlayers:\n  - x: frames relu\n  - moved: {moved}\n  - {last}\n")
    assert one.totals.params == three.totals.params == params
    assert three.totals.macs == 3 * one.totals.macs
    assert verify(three.graph) == []


MIXING = {  # an expert read tokens that went to others: counted, and built, as if all were there
    "softmax": "linear(16) softmax(axis=0)",
    "mean": "{mul: [identity, mean(axis=0)]}",
    "avgpool": "map(3×4) avgpool(3, 1) tokens",
    "instancenorm": "map(3×4) instancenorm tokens",
    "reverse": "reverse linear(16)",
    "scan": "[g: sigmoid, g scan(g)]",
    "slice": "{concat(axis=0): [slice(4, axis=0), slice(0, 4, axis=0)]}",
    "rearrange": "rearrange(t c -> (t c)) reshape(16×3×4) tokens",
}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("experts(8): linear(16)", "`experts` wants how many experts there are"),
        ("experts(2, 3): linear(16)", "a token runs through at most all 2 experts, not 3"),
        ("experts(4, 2): conv(16, 1)", "`conv` has weights: in `experts` only `linear`"),
        ("experts(4, 2): layernorm linear(16)", "`layernorm` has weights: in `experts` only `linear`"),
        *[(f"experts(4, 2): {body}", f"`{word}` reads several tokens") for word, body in MIXING.items()],
        ("experts(4, 2): {steps: [tanh]}", "`steps:` goes from token to token"),
        ("experts(4, 2) x2: linear(16)", "stands alone in front of what each expert does"),
        ("experts(4, 2): {parts: [linear(4), linear(4)]}", "an expert ends with one value, not with 2 parts"),
    ],
)
def test_experts_that_cannot_be_name_the_line(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)):
        _ = spec(tmp_path, f"input: 12\nlayers:\n  - embed(100, 16)\n  - {body}\n").graph


def test_mixtral() -> None:
    """The released weights, tensor by tensor: 46,702,792,704 in all, and of each of 32 layers' 8 experts of 3 · 4096 ·
    14336 two for a token; MACs of a token's two experts and its router."""
    totals = archcalc.load("mixtral-8x7b").report().totals
    expert = 3 * 4096 * 14336
    assert totals.params == 46_702_792_704
    assert totals.active_params == totals.params - 32 * 6 * expert == 12_879_925_248
    attention = 2048 * (2 * 4096**2 + 2 * 4096 * 1024) + 2 * 2048**2 * 4096
    assert totals.macs == 32 * (attention + 2048 * (2 * expert + 4096 * 8)) + 2048 * 4096 * 32000
