"""Two networks node by node: spellings of one network are equal, and what differs is named at its place, alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from archcalc import cli
from archcalc.alignment import lineup
from archcalc.alignment.align import Alignment, align
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.models import load, models
from archcalc.schemas import generate as schema
from archcalc.show.diff import page
from archcalc.show.writers import write
from archcalc.tasks.diff import Diff, diff
from archcalc.testing import Assertions
from tests.graphs import Build, call
from tests.planted import PLANTED, Planted

MAP = "input: 3 × 8 × 8\nlayers:\n"


def built(folder: Path, text: str, name: str = "one") -> Graph:
    """The graph of a spec: its layers, below a map of 3×8×8 unless it says its input."""
    path = folder / f"{name}.yaml"
    path.write_text(text if "input:" in text else MAP + text, encoding="utf-8")
    return load(str(path)).graph


def said(alignment: Alignment) -> list[tuple[int, str, str, str]]:
    """The groups: how many, which kind, what, and where the first is."""
    graphs = alignment.first.graph, alignment.second.graph
    found: list[tuple[int, str, str, str]] = []
    for group in alignment.groups:
        sides = zip(graphs, (group[0].first, group[0].second), strict=True)
        paths = [graph.nodes[nodes[0]].path for graph, nodes in sides if nodes]
        found.append((len(group), group[0].kind, group[0].what, paths[0] if paths else ""))
    return found


# --- spellings of one network -----------------------------------------------------------------------------------------

# Two lists of layers that compute the same, at 3×8×8.
EQUAL = {
    "a padding that is the default": ("  - conv(8, 3)\n", "  - conv(8, 3, pad=1)\n"),
    "both sides of a kernel": ("  - conv(8, 3×3, 2)\n", "  - conv(8, 3, 2×2, pad=1×1)\n"),
    "padding as TensorFlow's": ("  - conv(8, 3, same=True)\n", "  - conv(8, 3)\n"),
    "zeros before a convolution": ("  - pad(1) conv(8, 3, 2, pad=0)\n", "  - conv(8, 3, 2)\n"),
    "zeros on one side": ("  - pad(0, 1) conv(8, 3, 2, pad=0)\n", "  - conv(8, 3, 2, same=True)\n"),
    "a 1×1 convolution on tokens": ("  - tokens linear(8) relu map(8×8)\n", "  - conv(8, 1) relu\n"),
    "a convolution of the whole map": ("  - conv(8, 8, pad=0) relu\n", "  - flatten linear(8) relu\n"),
    "a dilation of one element": ("  - conv(8, 1, 2, dilation=2)\n", "  - conv(8, 1, 2)\n"),
    "a depth-wise convolution": ("  - dwconv(3, multiplier=2)\n", "  - conv(6, 3, groups=3)\n"),
    "what does nothing in an evaluation": ("  - conv(8, 3) dropout(0.5) relu\n", "  - conv(8, 3) identity relu\n"),
    "a mean of all": ("  - gap linear(2)\n", "  - adaptive_avgpool(1) linear(2)\n"),
    "a window as large as the map": ("  - avgpool(8) linear(2)\n", "  - gap flatten linear(2)\n"),
    "a mean of tokens": ("  - gap linear(2)\n", "  - tokens mean(axis=0) linear(2)\n"),
    "the largest of all": ("  - maxpool(8) linear(2)\n", "  - adaptive_maxpool(1) linear(2)\n"),
    "a pool to the size that is there": ("  - adaptive_avgpool(8) conv(2, 3)\n", "  - conv(2, 3)\n"),
    "rounding up where all comes out even": ("  - maxpool(2, ceil=True)\n", "  - maxpool(2)\n"),
    "zeros that no window has": ("  - avgpool(2, count_pad=False)\n", "  - avgpool(2)\n"),
    "a concat in a concat": (
        "  - x: conv(4, 3)\n  - y: conv(4, 1)\n  - concat:\n      - concat: [x, y]\n      - x\n",
        "  - x: conv(4, 3)\n  - y: conv(4, 1)\n  - concat: [x, y, x]\n",
    ),
    "a sum of a sum": (
        "  - x: conv(4, 3)\n  - y: relu\n  - z: tanh\n  - add: [x, y, z]\n",
        "  - x: conv(4, 3)\n  - y: relu\n  - z: tanh\n  - add:\n      - x\n      - add: [z, y]\n",
    ),
    "the order of a sum": (
        "  - x: conv(4, 3)\n  - y: relu\n  - add: [x, y]\n",
        "  - x: conv(4, 3)\n  - y: relu\n  - add: [y, x]\n",
    ),
    "the order of what is computed": (
        "  - i: conv(4, 1)\n  - x: i conv(4, 3)\n  - y: i conv(4, 5)\n  - add: [x, y]\n",
        "  - i: conv(4, 1)\n  - y: i conv(4, 5)\n  - x: i conv(4, 3)\n  - add: [x, y]\n",
    ),
    "a split as a slice": (
        "  - conv(4, 3)\n  - a, b: split(2)\n  - concat: [a, a]\n",
        "  - conv(4, 3)\n  - x: slice(0, 2)\n  - concat: [x, x]\n",
    ),
    "a factor as a size": ("  - maxpool(2) upsample(2)\n", "  - maxpool(2) upsample(like=8×8)\n"),
    "a crop of all": ("  - conv(4, 3) crop(8)\n", "  - conv(4, 3)\n"),
    "a channel's axis by its number": ("  - conv(4, 3) softmax(axis=0) tanh\n", "  - conv(4, 3) softmax tanh\n"),
    "defaults of attention": (
        "  - tokens linear(8) attention(2)\n",
        "  - tokens linear(8) attention(2, kv_heads=2, key=8, out=8, out_bias=True, scale=0.5, dropout=0.1)\n",
    ),
    "names of axes": (
        "  - rearrange(c (h p) (w q) -> (h w) (p q c), p=2, q=2)\n",
        "  - rearrange(c (a x) (b y) -> (a b) (x y c), y=2, x=2)\n",
    ),
    "pixels dealt out": ("  - conv(4, 1) pixel_shuffle(2)\n",
        "  - conv(4, 1) rearrange((c f g) a b -> c (a f) (b g), f=2, g=2)\n"),
    "a factor of one": ("  - conv(4, 3) scale(1)\n", "  - conv(4, 3)\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", EQUAL)
def test_spellings_of_one_network_are_equal(case: str, tmp_path: Path) -> None:
    one, other = (built(tmp_path, text, name) for name, text in zip(("one", "other"), EQUAL[case], strict=True))
    assert said(align(one, other)) == []
    assert said(align(other, one)) == []


# Two lists of layers that look alike and are not, and what must be said of them.
UNEQUAL = {
    "another branch is added": (
        "  - x: conv(4, 3)\n  - y: relu\n  - z: tanh\n  - add: [z, x]\n",
        "  - x: conv(4, 3)\n  - y: relu\n  - z: tanh\n  - add: [z, y]\n",
        [(1, "rewired", "add: reads something else", "add")],
    ),
    "a padding that is not the default": (
        "  - conv(8, 3)\n",
        "  - conv(8, 3, pad=0)\n",
        [(1, "changed", "conv: pad=1 → pad=0", "conv")],
    ),
    "rounding up where it counts": (
        "  - maxpool(3, 2, pad=0)\n",
        "  - maxpool(3, 2, pad=0, ceil=True)\n",
        [(1, "changed", "maxpool: ceil=False → ceil=True", "maxpool")],
    ),
    "a map dealt out otherwise": (
        "  - flatten linear(64) reshape(4×4×4) conv(2, 1)\n",
        "  - flatten linear(64) reshape(4×8×2) conv(2, 1)\n",
        [(1, "changed", "conv: output 2×4×4 → 2×8×2", "conv")],
    ),
    "the order of a difference": (
        "  - x: conv(4, 3)\n  - y: relu\n  - sub: [x, y]\n",
        "  - x: conv(4, 3)\n  - y: relu\n  - sub: [y, x]\n",
        [(1, "rewired", "sub: reads something else", "sub")],
    ),
    "weights that are shared": (
        "  - conv(3, 3) relu conv(3, 3)\n",
        "  - conv(3, 3, weights=W) relu conv(3, 3, weights=W)\n",
        [(1, "changed", "conv: weights its own → those of conv.1", "conv.2")],
    ),
    "zeros before a pool of the largest": (
        "  - pad(1) maxpool(3, 2, pad=0)\n",
        "  - maxpool(3, 2)\n",
        [(1, "only in the first", "pad(size=1)", "pad"), (1, "changed", "maxpool: pad=0 → pad=1", "maxpool")],
    ),
    "an input": (
        "input: 3 × 8 × 8\nlayers:\n  - conv(8, 3)\n",
        "input: 1 × 8 × 8\nlayers:\n  - conv(8, 3)\n",
        [(1, "changed", "input 1: 3×8×8 → 1×8×8", "")],
    ),
    "tokens one after the other": (
        "  - conv(4, 3) flatten linear(2)\n",
        "  - conv(4, 3) tokens flatten linear(2)\n",
        [(1, "only in the second", "flatten", "flatten")],
    ),
    "an output": (
        "  - x: conv(4, 3)\n  - relu\n",
        "  - x: conv(4, 3)\n  - tanh relu\n",
        [(1, "only in the second", "tanh", "tanh")],
    ),
}


@pytest.mark.parametrize("case", UNEQUAL)
def test_what_is_not_the_same_is_said(case: str, tmp_path: Path) -> None:
    one, other, found = UNEQUAL[case]
    assert said(align(built(tmp_path, one), built(tmp_path, other, "other"))) == found


# --- planted mistakes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planted", PLANTED, ids=[planted.title for planted in PLANTED])
def test_a_planted_mistake_is_named_and_nothing_else(planted: Planted, tmp_path: Path) -> None:
    planted.mistake.lay_out(tmp_path)
    before = load(f"{tmp_path}/{planted.mistake.locked}")
    planted.mistake.make(tmp_path)
    now = load(f"{tmp_path}/{planted.mistake.locked}")
    assert said(align(before.graph, now.graph)) == [tuple(found) for found in planted.found]
    assert (before.totals.params == now.totals.params) is planted.missed


def test_the_table_of_planted_mistakes_is_as_large_as_it_should_be() -> None:
    assert len(PLANTED) >= 60
    assert sum(planted.missed for planted in PLANTED) >= 30
    assert len({planted.title for planted in PLANTED}) == len(PLANTED)


# --- properties -------------------------------------------------------------------------------------------------------

WORDS = ("conv", "dwconv", "bn", "relu", "tanh", "add", "concat", "maxpool")


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    """A network of up to twenty ops on maps of 4×8×8, all of which reach the output."""
    b = Build((4, 8, 8))
    values, unread = [-1], {-1}
    for word in draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=20)):
        reads = draw(st.lists(st.sampled_from(values), min_size=2, max_size=3)) if call_of(word).branches else []
        reads = reads or [draw(st.sampled_from(values))]
        unread.difference_update(reads)
        made = b(word, *reads, **ARGUMENTS.get(word, {}))
        if word == "concat":
            unread.discard(made)
            made = b("conv", made, out=4, kernel=1)
        values.append(made)
        unread.add(made)
    ends = sorted(unread - {-1})
    return b.finish(b("concat", *ends) if len(ends) > 1 else ends[0])


ARGUMENTS: dict[str, dict[str, Any]] = {
    "conv": {"out": 4, "kernel": 3},
    "dwconv": {"kernel": 3},
    "maxpool": {"kernel": 3, "stride": 1},
}


def call_of(word: str) -> Any:
    return call(word, **ARGUMENTS.get(word, {}))


def reordered(graph: Graph, choose: Callable[[int], int]) -> Graph:
    """The same network with its nodes computed in another order and called by other names."""
    waiting, order = list(range(len(graph.nodes))), list[int]()
    while waiting:
        ready = [n for n in waiting if all(value < 0 or value in order for value in graph.nodes[n].inputs)]
        order.append(ready[choose(len(ready))])
        waiting.remove(order[-1])
    new = {n: at for at, n in enumerate(order)} | {-1: -1}
    nodes = [graph.nodes[n] for n in order]
    moved = [
        node._replace(inputs=tuple(new[value] for value in node.inputs), path=f"other/{at}")
        for at, node in enumerate(nodes)
    ]
    return replace(graph, nodes=tuple(moved), outputs=tuple(new[value] for value in graph.outputs))


@given(networks(), st.data())
@settings(deadline=None, max_examples=150)
def test_a_network_is_itself_in_any_order_and_under_any_names(graph: Graph, data: st.DataObject) -> None:
    assert said(align(graph, graph)) == []
    other = reordered(graph, lambda size: data.draw(st.integers(0, size - 1)))
    found = align(graph, other)
    assert said(found) == []
    assert len(found.pairs) == len(found.first.steps) == len(found.second.steps)


def inserted(graph: Graph, at: int, place: int) -> Graph:
    """With a sigmoid between a node and one of the values that it reads."""
    nodes = [
        node._replace(inputs=tuple(value + (value >= at) for value in node.inputs)) if n >= at else node
        for n, node in enumerate(graph.nodes)
    ]
    value = graph.nodes[at].inputs[place]
    reads = [*nodes[at].inputs]
    reads[place] = at
    nodes[at] = nodes[at]._replace(inputs=tuple(reads))
    between = nodes[at]._replace(op=call("sigmoid"), inputs=(value,), shape=graph.shape(value), path="new")
    outputs = tuple(value + (value >= at) for value in graph.outputs)
    return replace(graph, nodes=(*nodes[:at], between, *nodes[at:]), outputs=outputs, main=graph.main + 1)


def without_bias(graph: Graph, at: int) -> Graph:
    changed = graph.nodes[at]._replace(op=graph.nodes[at].op.but(bias=False))
    return replace(graph, nodes=(*graph.nodes[:at], changed, *graph.nodes[at + 1 :]))


@given(networks(), st.data())
@settings(deadline=None, max_examples=150)
def test_one_planted_change_is_one_group(graph: Graph, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(graph.nodes) - 1))
    node = graph.nodes[at]
    if node.op.family == "convolution":
        changed = without_bias(graph, at)
        found = align(graph, changed)
        assert [(count, kind) for count, kind, *_ in said(found)] == [(1, "changed")]
        (which,) = found.differences[0].first
        assert said(align(without_bias(graph, which), changed)) == []  # of two alike in a sum it may be the other
    place = data.draw(st.integers(0, len(node.inputs) - 1))
    other = inserted(graph, at, place)
    there, back = said(align(graph, other)), said(align(other, graph))
    read = node.inputs[place]
    if read >= 0 and node.op.word == graph.nodes[read].op.word == "add":  # a sum of a sum is one sum: now it is two
        assert all(any("sigmoid" in group[2] for group in groups) and len(groups) <= 2 for groups in (there, back))
        return
    assert [group[:3] for group in there] == [(1, "only in the second", "sigmoid")]
    assert [group[:3] for group in back] == [(1, "only in the first", "sigmoid")]


# --- what is said -----------------------------------------------------------------------------------------------------


def test_all_shipped_models_are_themselves() -> None:
    for name in models()[::7]:
        graph = load(name).graph
        assert said(align(graph, graph)) == [], name


def test_a_softmax_at_the_end_is_left_out_and_said(tmp_path: Path) -> None:
    one, other = (built(tmp_path, f"  - gap linear(10){end}\n", f"n{len(end)}") for end in (" softmax", ""))
    found = align(one, other)
    assert found.verdict == "equal"
    assert found.left_out == ("softmax",)


VALIDATOR = Draft202012Validator(schema.SCHEMAS["compare"]())


def test_the_document_and_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    found = diff("resnet50", "resnet50-v1.5")
    document = json.loads(write(page(found), "json"))
    VALIDATOR.validate(document)
    assert document["verdict"] == "different"
    assert document["places"] == 6
    first = document["differences"][0]
    assert (first["what"], len(first["places"]), first["params"], first["macs"]) == (
        "conv: stride=2 → stride=1", 3, 0, 231_211_008,
    )  # fmt: skip
    assert first["places"][0]["first"][0]["path"] == "conv3_x/bottleneck.1/conv.1"
    assert first["places"][0]["first"][0]["where"] == "specs/resnet.yaml:65:11"
    assert document["checkpoint"]["kept"] == 267
    assert [model["receptive_field"] for model in document["models"]] == [483, 427]
    for form in ("text", "markdown", "latex", "html", "csv"):
        assert "stride=2" in write(page(found), form)
    bends: list[dict[str, Any]] = [{"verdict": "alike"}, {"places": -1}, {"models": []}]
    for bent in bends:
        assert not VALIDATOR.is_valid({**document, **bent})


def test_what_differences_do_is_of_their_own_nodes() -> None:
    found: Diff = diff("vgg16", "vgg19")
    (group,) = found.alignment.groups
    does = found.impact(group)
    totals = found.first.totals, found.second.totals
    assert does.params == totals[1].params - totals[0].params
    assert does.macs == totals[1].macs - totals[0].macs
    assert (does.gone, does.missing, does.reshaped) == (0, 6, 0)
    wide = diff("vgg16", "vgg16@64")
    assert not wide.equal  # its first fully connected layer reads another number of elements
    assert [group[2] for group in said(wide.alignment)] == ["linear: weights 4096×25088; 4096 → 4096×2048; 4096"]


def test_the_guide_shows_what_is_printed() -> None:
    guide = (Path(__file__).parent.parent / "docs" / "guide.md").read_text(encoding="utf-8")
    printed = write(page(diff("resnet50", "resnet50-v1.5")), "text", width=97)
    assert f"```\n{printed.rstrip()}\n```" in guide


# --- as a gate --------------------------------------------------------------------------------------------------------

FORMS = ("text", "json", "csv", "markdown", "latex", "html", "github", "junit", "sarif", "gitlab")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network, one that is it, one that has lost a ReLU, and one that has another order of branches."""
    monkeypatch.chdir(tmp_path)
    built(tmp_path, "  - conv(8, 3) relu conv(8, 3) relu\n  - concat: [conv(2, 1), conv(3, 1)]\n", "net")
    built(tmp_path, "  - conv(8, 3, pad=1) relu conv(8, 3) relu\n  - concat: [conv(2, 1), conv(3, 1)]\n", "same")
    built(tmp_path, "  - conv(8, 3) conv(8, 3) relu\n  - concat: [conv(2, 1), conv(3, 1)]\n", "lost")
    built(tmp_path, "  - conv(8, 3) relu conv(8, 3) relu\n  - concat: [conv(3, 1), conv(2, 1)]\n", "order")
    return tmp_path


@pytest.mark.parametrize(("model", "code"), [("same", 0), ("lost", 1), ("order", 1), ("net", 0)])
def test_a_model_is_held_against_another(model: str, code: int, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["check", f"{model}.yaml", "--against", "net.yaml"]) == code
    out = capsys.readouterr().out
    assert ("up to the order of a concat" in out) is (model == "order")
    assert ("relu, only in net.yaml" in out) is (model == "lost")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_what_differs(form: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["check", "lost.yaml", "--against", "net.yaml", "--format", form]) == 1
    out = capsys.readouterr().out
    assert "relu" in out
    if form == "json":
        document = json.loads(out)
        Draft202012Validator(schema.SCHEMAS["check"]()).validate(document)
        assert document["ok"] is False
        assert document["against"][0]["differences"][0]["what"] == "relu"
    if form == "github":  # the ReLU would stand behind the first convolution
        assert "file=lost.yaml,line=3,col=5" in out


def test_against_is_asked_for_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["--against", "net.yaml"], "which models against `net.yaml`?"),
        (
            ["net.yaml", "--against", "net.yaml", "--strict"],
            "`--against` holds models against another, and nothing else",
        ),
    ):
        assert cli._run(["check", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert cli._run(["check", "net.yaml", "--against", "resnte50"]) == 2
    assert "resnet50" in capsys.readouterr().err


def test_an_assertion_says_what_differs(here: Path) -> None:
    assertions = Assertions(here)
    assertions.assert_same("same.yaml", "net.yaml")
    with pytest.raises(AssertionError, match=r"relu, only in .*net\.yaml"):
        assertions.assert_same("lost.yaml", "net.yaml")


# --- weights go across ------------------------------------------------------------------------------------------------

SPELLINGS = (
    """\
input: 3 × 16 × 16
layers:
  - conv(8, 3, bias=False) bn relu
  - a: conv(4, 1) relu
  - b: a dwconv(3, 2) bn
  - c: a conv(4, 3, 2) bn
  - add: [b, c]
  - conv(6, 8, pad=0) relu dropout(0.3) linear(5) softmax
""",
    """\
input: 3 × 16 × 16
layers:
  - pad(1) conv(8, 3, pad=0, bias=False) bn relu
  - i: tokens linear(4) map(16×16) relu
  - z: i conv(4, 3, 2, pad=1) bn
  - y: i conv(4, 3, 2, groups=4) bn
  - add: [z, y]
  - flatten linear(6) relu linear(5)
""",
)


def test_weights_go_across_from_one_spelling_to_the_other(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for name, text in zip(("one", "other"), SPELLINGS, strict=True):
        built(tmp_path, text, name)
    found = diff(f"{tmp_path}/one.yaml", f"{tmp_path}/other.yaml")
    assert found.alignment.left_out == ("softmax",)
    one, other = (load(f"{tmp_path}/{name}.yaml").torch().eval() for name in ("one", "other"))
    for tensor in one.state_dict().values():  # statistics too, so that nothing is as it was at first
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.1)
    x = torch.randn(2, 3, 16, 16)
    state = found.carry(one.state_dict())
    missing = other.load_state_dict(state, strict=False)
    assert all("num_batches_tracked" in key for key in missing.missing_keys)
    assert not missing.unexpected_keys
    with torch.no_grad():
        assert torch.allclose(one(x), torch.softmax(other(x), 1), atol=1e-5)
    with pytest.raises(UsageError, match="the state has no `"):
        found.carry({})
    with pytest.raises(UsageError, match="are not equal"):
        diff("vgg16", "vgg19").carry({})


# --- what two sequences have in common --------------------------------------------------------------------------------

WRITTEN = st.lists(st.integers(0, 3), max_size=30)


def longest(a: list[int], b: list[int]) -> int:
    """The length of the longest common subsequence, by its recurrence."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(row[j], before[j + 1]))
    return row[-1]


@given(WRITTEN, WRITTEN)
def test_what_is_in_common_is_as_long_as_it_can_be(a: list[int], b: list[int]) -> None:
    pairs = list(lineup.common(a, b))
    assert len(pairs) == longest(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < n for (i, j), (k, n) in pairwise(pairs))


@given(st.lists(st.integers(0, 3), max_size=200), st.lists(st.integers(0, 3), max_size=200))
def test_beyond_its_steps_it_is_right_though_not_the_longest(a: list[int], b: list[int]) -> None:
    with mock.patch.object(lineup, "MOST", 1):
        pairs = list(lineup.common(a, b))
        assert len(list(lineup.common(a, a))) == len(a)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < n for (i, j), (k, n) in pairwise(pairs))
