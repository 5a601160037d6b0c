"""Many of a thing: what a value that is many costs, what its parts see, and what the ops that make and undo it do."""

from __future__ import annotations

import pickle
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
from archcalc.ops import OPS, OpError, Shape, Tokens, dims
from archcalc.ops.shapes import Cut, Many, ManyTokens, cuts_of, elements, many
from archcalc.runtime import modules
from archcalc.runtime.verify import run, verify
from tests.graphs import Build, call, single
from tests.test_ops import STRATEGIES

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
