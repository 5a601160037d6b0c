"""Slips that once built another network in silence: each with the number of then beside the right one, by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
from archcalc.errors import SpecError
from archcalc.graph import lost
from archcalc.models import Model
from archcalc.ops.shapes import numel
from archcalc.show import check as shown
from archcalc.show import doctor, summary
from archcalc.show import list as listed
from archcalc.show.drift import causes
from archcalc.show.pictures.names import heading
from archcalc.show.writers import write
from archcalc.tasks.check import check
from archcalc.tasks.doctor import DoctorResult, PeerCounts
from archcalc.tasks.list import list_models
from tests.graphs import Build
from tests.test_commands import Run, command
from tests.test_doctor import QUIET

__all__ = ["command"]  # a fixture


def model(tmp_path: Path, *lines: str, input: str = "3 × 32 × 32", rest: str = "") -> Model:
    """The model of a spec with these lines."""
    path = tmp_path / "net.yaml"
    path.write_text("\n".join([f"input: {input}", "layers:", *(f"  - {line}" for line in lines), rest]), "utf-8")
    return archcalc.load(path)


def refused(tmp_path: Path, *lines: str, input: str = "3 × 32 × 32", rest: str = "") -> SpecError:
    with pytest.raises(SpecError) as caught:
        model(tmp_path, *lines, input=input, rest=rest)
    return caught.value


# --- what reaches no output ---------------------------------------------------------------------------------------

STEM, SIDE, HEAD = 64 * (27 + 1), 512 * (64 * 9 + 1), 10 * (64 + 1)


def test_a_branch_that_is_never_read_is_refused(tmp_path: Path) -> None:
    """`side` was counted with the rest, though nothing reads it."""
    error = refused(tmp_path, "stem: conv(64, 3)", "side: conv(512, 3) relu", "stem gap linear(10)")
    assert error.where.endswith("net.yaml:4:5")
    assert f"nothing reads what `side` gives: it reaches neither an output nor a head, and its {SIDE:,}" in str(error)
    right = model(tmp_path, "stem: conv(64, 3)", "stem gap linear(10)").totals.params
    assert (right, right + SIDE) == (STEM + HEAD, STEM + SIDE + HEAD) == (2_442, 297_866)


def test_a_name_is_free(tmp_path: Path) -> None:
    """Names for the reader alone, in a list, a block, a table and behind steps."""
    block = "blocks:\n  unit:\n    - wide: conv(8, 3)\n    - thin: bn\n    - relu"
    assert model(tmp_path, "one: unit", "two: unit", rest=block).totals.params == 8 * 28 + 8 * 73 + 4 * 8
    rows = "table: |\n      call | keep\n      relu | r\n      tanh | t\n    row: {keep: call}"
    assert model(tmp_path, rows, rest="notation: {relu: relu, tanh: tanh}").totals.params == 0


def test_of_a_call_with_several_results_one_is_enough(tmp_path: Path) -> None:
    left = model(tmp_path, "a, b, c: split(3)", "b conv(4, 3)")
    assert left.totals.params == 4 * (9 + 1)
    head = ("t: embed(50, 8)", "s: zeros(4)", "t")
    steps = "steps:\n      - i: identity\n      - q: {concat: [i, s]}\n      - s: q linear(4)"
    cell = 4 * (8 + 4 + 1)
    assert model(tmp_path, *head, steps, input="6").totals.params == 50 * 8 + cell
    assert model(tmp_path, *head, steps, "s linear(2)", input="6").totals.params == 50 * 8 + cell + 10
    again = f"blocks:\n  cell:\n    - t: embed(50, 8)\n    - s: zeros(4)\n    - t\n    - {steps}\n    - s linear(2)"
    lines = ("ids: identity", "one: ids cell", "two: ids cell", "concat: [one, two]")
    twice = model(tmp_path, *lines, input="6", rest=again)
    assert twice.totals.params == 2 * (50 * 8 + cell + 10)


LINES = ("conv(8, 3)", "relu", "bn", "conv(8, 1) relu", "twice")


@settings(max_examples=30, deadline=None)
@given(
    before=st.lists(st.sampled_from(LINES), min_size=1, max_size=4),
    branch=st.lists(st.sampled_from(LINES), min_size=1, max_size=4),
    behind=st.lists(st.sampled_from(LINES), min_size=1, max_size=4),
    read=st.booleans(),
)
def test_a_branch_counts_only_where_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], branch: list[str], behind: list[str], read: bool
) -> None:
    lines = [*before[:-1], f"stem: {before[-1]}", *branch[:-1], f"side: {branch[-1]}", f"end: stem {' '.join(behind)}"]
    folder = tmp_path_factory.mktemp("s")
    rest = "blocks:\n  twice: conv(8, 3) x2" if "twice" in " ".join(lines) else ""
    if not read:
        assert refused(folder, *lines, rest=rest).where.endswith(f":{len(before) + 3}:5")
        return
    made = model(folder, *lines, "concat: [end, side]", "gap linear(2)", rest=rest)
    assert not lost(made.graph)


def test_in_a_graph_dead_nodes_are_known_by_name() -> None:
    """For modules in code, of which nothing is refused."""
    b = Build((3, 8, 8))
    stem = b("conv", -1, out=4, kernel=3)
    dead = b("relu", b("conv", stem, out=9, kernel=3))
    parts = [b("split", stem, parts=2, _index=n) for n in range(2)]
    unread = [b("split", dead, parts=3, _index=n) for n in range(3)]
    graph = b.finish(b("bn", parts[1]))
    assert lost(graph) == [dead - 1, dead, *unread]


# --- padding ------------------------------------------------------------------------------------------------------


def test_even_pools_and_patches_stay_within_the_data(tmp_path: Path) -> None:
    """NeMo#16224: 90 frames through a pool of 4 are 22, as in torch, Keras and Caffe; with (4 − 1) // 2 = 1 before and
    behind they were 23."""
    assert model(tmp_path, "maxpool(4)", input="1 × 90").graph.nodes[0].shape == (1, 22)
    assert model(tmp_path, "maxpool(4, pad=1)", input="1 × 90").graph.nodes[0].shape == (1, 23)
    assert model(tmp_path, "conv(96, 4, 4)", input="3 × 30 × 30").graph.nodes[0].shape == (96, 7, 7)
    assert model(tmp_path, "conv(96, 4, 4, pad=1)", input="3 × 30 × 30").graph.nodes[0].shape == (96, 8, 8)


def test_a_lock_and_a_spec_of_before_are_told_of_the_padding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the argument that keeps the old meaning, also where the shapes are the same; said once, it is quiet."""
    monkeypatch.chdir(tmp_path)
    conv = "`conv(out=8, kernel=4, stride=4)` has pad=0 now, and had pad=1 in archcalc 0.1.0: `pad=1` keeps that"
    assert model(tmp_path, "conv(8, 4, 4)", input="1 × 28").graph.nodes[0].shape == (8, 7)
    archcalc.lock("net.yaml", path="n.lock")
    written = Path("n.lock").read_text("utf-8")
    assert ", pad=0) | 8×7 |" in written
    Path("n.lock").write_text(written.replace(", pad=0) |", ") |"), "utf-8")  # as 0.1.0 wrote it
    found = check("n.lock", "net.yaml")
    drift = found.locks[0].models[0].drift
    assert drift is not None
    assert [cause.what for cause in causes(drift)] == [f"conv: pad not set → pad=0 ({conv})"]
    assert f"net.yaml:3:5: {conv}" in " ".join(write(shown.page(found), "text").split())
    archcalc.lock("net.yaml", path="n.lock", by_rows=True)
    rows = Path("n.lock").read_text("utf-8")
    Path("n.lock").write_text(re.sub(r"1 node \w+", "1 node 0123456789ab", rows), "utf-8")
    drift = check("n.lock").locks[0].models[0].drift
    assert drift is not None
    (cause,) = causes(drift)
    assert cause.what.endswith(f" ({conv})")
    assert model(tmp_path, "conv(8, 4, 4, pad=0)", "maxpool(4, 2, same=True)", input="1 × 28").graph.nodes[0].shape == (
        8,
        7,
    )
    assert "0.1.0" not in write(shown.page(check("net.yaml")), "text")
    Path("n.lock").write_text(written, "utf-8")
    (tmp_path / "net.yaml").write_text("input: 1 × 28\nlayers:\n  - conv(8, 4, 4, pad=0)\n", "utf-8")
    assert check("n.lock").ok


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("maxpool(4)", "pad=1"),
        ("maxpool(2)", ""),
        ("avgpool(8, 2)", "pad=3"),
        ("maxpool(5)", ""),
        ("maxpool(3×6)", "pad=1×2"),
        ("conv(4, 2, 2)", ""),
        ("conv(4, 3, 3)", "pad=1"),
        ("conv(4, 4, 2)", ""),
        ("conv(4, 3, 3, dilation=2)", ""),
        ("conv(4, 4, 4, same=True)", ""),
        ("dwconv(4, 1×4)", "pad=1"),
        ("dwconv(6, 6)", "pad=2"),
    ],
)
def test_what_the_padding_was_is_said_where_it_is_another(call: str, said: str, tmp_path: Path) -> None:
    op = model(tmp_path, call).graph.nodes[0].op
    assert (op.restated[1] if op.restated else "") == said
    if op.restated is not None:
        assert op.restated[0].shape((3, 32, 32)) == op.shape((3, 32, 32))


@pytest.mark.parametrize(
    ("lines", "dead"),
    [
        (("conv(64, 3) relu", "learned(10)"), 64 * (27 + 1)),
        (("conv(64, 3)", "zeros(10)", "linear(3)"), 64 * (27 + 1)),
        (("x: identity", "wide: conv(512, 3, 2)", "x maxpool(2) upsample(like=wide)"), 512 * (27 + 1)),
        (("x: identity", "wide: conv(512, 3, 2)", "x crop(wide)"), 512 * (27 + 1)),
    ],
)
def test_what_only_lends_its_size_is_not_read(lines: tuple[str, ...], dead: int, tmp_path: Path) -> None:
    """Their parameters were counted, though no output depends on them."""
    error = refused(tmp_path, *lines)
    assert f"its {dead:,} parameters do nothing" in str(error)
    assert "takes no more than its size" in error.hint


@pytest.mark.parametrize(
    "lines", ["add: [conv(3, 3)]", "mul:\n      - gap conv(3, 1) sigmoid", "concat: [[conv(3, 3), relu]]"]
)
def test_a_merge_of_one_branch_is_refused(lines: str, tmp_path: Path) -> None:
    """The other branch, mostly `identity`, was forgotten, and the branch alone was built."""
    error = refused(tmp_path, lines)
    assert "merges branches, and here is one" in str(error)
    assert "identity" in error.hint
    assert model(tmp_path, "add: [conv(3, 3) if cin == 3, conv(3, 1) if cin == 4]").totals.params == 3 * (27 + 1)


@pytest.mark.parametrize("word", ["sub", "many"])
def test_a_merge_that_came_later_takes_no_name(word: str, tmp_path: Path) -> None:
    """They were words of the language alone: files that had named values so were refused."""
    named = 8 * (27 + 1) + 8 * (3 + 1)
    assert model(tmp_path, f"{word}: conv(8, 3)", "w: conv(8, 1)", f"add: [{word} , w]").totals.params == 8 * 28 + 8 * 9
    assert model(tmp_path, f"{word}, w: conv(8, 3) split(2)", f"mul: [{word}, w]").totals.params == 8 * 28
    rest = "blocks:\n  unit(x):\n    add: [identity, x]"
    chain = model(tmp_path, "conv(3, 3)", f"{word}: [relu, conv(3, 1)]", f"unit({word})", rest=rest)
    assert chain.totals.params == 3 * 28 + 3 * 4
    both = model(tmp_path, f"{word}: [conv(8, 3), conv(8, 1)]", "linear(2)")
    assert both.graph.nodes[2].op.word == word
    assert named == sum(numel(param.shape) for node in both.graph.nodes[:2] for param in node.op.params((3, 32, 32)))
    assert "wants a list of branches" in str(refused(tmp_path, f"{word}: conv(8, 3)", "gap"))


@pytest.mark.parametrize(
    ("word", "meant"),
    [("sum", "add"), ("plus", "add"), ("multiply", "mul"), ("Concatenate", "concat"), ("stack", "many"), ("max", "")],
)
def test_a_list_under_what_others_call_a_merge_is_no_chain(word: str, meant: str, tmp_path: Path) -> None:
    """The word was a name, and its list one line behind the other."""
    error = refused(tmp_path, f"{word}: [conv(3, 3), conv(3, 5)]")
    assert f"`{word}` is not a merge" in str(error)
    assert error.hint == (f"Did you mean `{meant}:`?" if meant else "")
    assert model(tmp_path, "sum: conv(3, 3)", "sum").totals.params == 3 * (27 + 1)


def test_experts_without_their_number_are_no_name(tmp_path: Path) -> None:
    """One fully connected layer was built under the name `experts`."""
    error = refused(tmp_path, "embed(100, 16)", "experts: linear(16)", input="12")
    assert "`experts` wants how many experts there are" in str(error)


@pytest.mark.parametrize("said", ["distance=64", "rotary_width=2", "interleaved=True", "causal=True, distance=64"])
def test_an_argument_of_attention_that_says_nothing_is_refused(said: str, tmp_path: Path) -> None:
    """`distance` without `buckets` was read, and did nothing."""
    assert re.search(
        "there are none|nothing is turned", str(refused(tmp_path, "embed(9, 8)", f"attention(2, {said})", input="6"))
    )


# --- the order of elements ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ("tokens reshape(48×4×4)",),
        ("tokens flatten reshape(48×4×4)",),
        ("tokens flatten relu dropout(0.1) reshape(48×-1×1)",),
        ("tokens layernorm", "v: flatten", "v reshape(768) affine reshape(48×4×4)"),
        ("flatten linear(768) laid", "conv(48, 1) tokens flatten laid"),
    ],
)
def test_a_sequence_that_is_read_as_a_map_is_refused(lines: tuple[str, ...], tmp_path: Path) -> None:
    """Element c of place t went to where the (t·48 + c)-th element of a map stands: the counts are those of `map`."""
    first, *more = lines
    lines = (f"conv(48, 8, 8) {first}", *more)
    rest = "blocks:\n  laid: reshape(48×4×4)" if "laid" in str(lines) else ""
    error = refused(tmp_path, *lines, rest=rest)
    assert "`reshape` does not say what becomes of the tokens of 16 tokens × 48" in str(error)
    assert "`map(14×14)`" in str(error)


@pytest.mark.parametrize(
    "line",
    [
        *("flatten reshape(48×4×4)", "tokens map(4×4) flatten reshape(12×8×8)", "tokens flatten reshape(768)"),
        *(
            "tokens flatten linear(768) reshape(48×4×4)",
            "tokens take(0) reshape(3×4×4)",
            "flatten maxout(2) reshape(24×4×4)",
        ),
    ],
)
def test_elements_in_the_order_of_a_map_are_laid_out_anew(line: str, tmp_path: Path) -> None:
    model(tmp_path, f"conv(48, 8, 8) {line}")


# --- repeats ------------------------------------------------------------------------------------------------------


def test_a_repeat_of_the_last_call_alone_is_refused(tmp_path: Path) -> None:
    """One convolution and four ReLUs were built, with 336 parameters; as a block it is four convolutions."""
    error = refused(tmp_path, "conv(12, 3) relu x4")
    assert error.where.endswith("net.yaml:3:23")
    assert "`conv(12, 3) relu` under `blocks:` as `unit`, and here `unit x4`" in error.hint
    assert model(tmp_path, "conv(12, 3) relu").totals.params == 12 * (27 + 1) == 336
    right = model(tmp_path, "unit x4", rest="blocks:\n  unit: conv(12, 3) relu").totals.params
    assert right == 336 + 3 * 12 * (12 * 9 + 1) == 4_260


@pytest.mark.parametrize(
    "call",
    [
        *("relu x2", "gelu x(cin)", "dropout(0.1) x3", "gap x2", "conv(2, 1) softmax x2", "identity x2", "l2norm x2"),
        *("layernorm(scale=False, shift=False) x2", "rmsnorm(scale=False) x2", "instancenorm x2"),
    ],
)
def test_what_does_nothing_more_is_not_repeated(call: str, tmp_path: Path) -> None:
    assert "a second one is of no use" in str(refused(tmp_path, call))


@pytest.mark.parametrize(
    "call",
    [
        *("maxpool(3, 1) x3", "prelu x2", "bn x2", "square x2", "relu x(1)", "relu x0 bn", "scale(2) x2", "pad(1) x2"),
        *("l2norm(scale=True) x2", "instancenorm(affine=True) x2", "lrn x2", "grn(scale=False, shift=False) x2"),
    ],
)
def test_what_does_something_more_is_repeated(call: str, tmp_path: Path) -> None:
    model(tmp_path, call)


# --- inputs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("1x3x224x224", "3x224x224"),
        ("224x224x3", "3x224x224"),
        ("224x224", "3x224x224"),
        ("1x224x256x3", "3x224x256"),
        ("256x320", "3x256x320"),
    ],
)
@pytest.mark.parametrize("asked", ["summary {} --static", "fit {} --memory 4GiB", "explain {}", "scale {}"])
def test_an_input_spelled_otherwise_is_refused_with_the_right_spelling(
    asked: str, typed: str, right: str, command: Run
) -> None:
    """`224x224x3` built a network of 224 channels; nothing was said."""
    found = command(*asked.format("vgg16").split(), "--input", typed)
    assert (found.code, f"Write `{right}`." in found.err) == (2, True)


def test_an_input_means_the_same_in_every_command(command: Run) -> None:
    """One number is every side, by `--input` and behind `@`; an input said twice is refused."""
    for asked in ("resnet50 --input 256", "resnet50@256", "resnet50@3x256x256"):
        for word in ("summary --static", "explain", "fit --memory 1GiB"):
            found = command(*word.split(), *asked.split())
            assert (found.code, "3×256×256" in found.out) == (0, True), found.err
    assert archcalc.load("resnet50@256").input == archcalc.load("resnet50", input=(256,)).input == (3, 256, 256)
    assert command("summary", "resnet50@256", "--input", "224").code == 2


NOTE = "another network than at the printed 3×224×224 (138,357,544 parameters): 337,586,984 at 3×384×384"


@pytest.mark.parametrize(
    "asked",
    [
        "summary vgg16 --static --input 384",
        "compare vgg16 vgg16@384",
        "scale vgg16 --input 224,384",
        "fit vgg16@384 --memory 8GiB",
        "explain vgg16@384",
        "explain vgg16@384 conv3-64.1",
    ],
)
@pytest.mark.parametrize("form", ["text", "markdown"])
def test_another_network_at_another_input_is_said(asked: str, form: str, command: Run) -> None:
    """VGG-16 at 384² has a first fully connected layer of 512·12·12 inputs, and 337.6M parameters."""
    assert 337_586_984 == 138_357_544 + 4096 * 512 * (12 * 12 - 7 * 7)
    if form == "markdown" and asked.startswith("explain"):
        return
    found = command(*asked.split(), "--format", form)
    assert (found.code, NOTE in " ".join(found.out.split())) == (0, True)
    same = command(*asked.replace("vgg16", "resnet50").replace("conv3-64.1", "conv1").split(), "--format", form)
    assert "another network" not in same.out


@pytest.mark.parametrize(
    "asked",
    [
        *("summary vgg16@384 --static", "compare vgg16 vgg16@384", "compare vgg16 vgg16@384 --diff"),
        *("scale vgg16 --input 224,384", "fit vgg16@384 --memory 8GiB", "explain vgg16@384", "explain vgg16@384 conv1"),
    ],
)
def test_it_is_said_to_programs_too(asked: str, command: Run, tmp_path: Path) -> None:
    """In JSON as `notes`; csv has no room, so it stands beside it."""
    asked = asked.replace(" conv1", " conv3-64.1")
    found = json.loads(command(*asked.split(), "--format", "json").out)
    every = [found, *(model for model in found.get("models", ()) if isinstance(model, dict))]
    assert [note.removeprefix("vgg16@384: ") for said in every for note in said.get("notes", ())] == [NOTE]
    csv = command(*asked.split(), "--format", "csv")
    assert (csv.err.count(NOTE), csv.out.count("another network")) == (1, 0)
    same = command(*asked.replace("vgg16", "resnet50").replace("conv3-64.1", "conv1").split(), "--format", "csv")
    assert same.err == ""


def test_pictures_and_tables_of_tools_say_it_too(command: Run, tmp_path: Path) -> None:
    model = archcalc.load("vgg16@384")
    assert NOTE in " ".join(heading(model.summary()).split())
    picture = command("plot", "scaling", "vgg16", "vgg16@384", "--output", str(tmp_path / "two.svg"))
    assert f"note: vgg16@384: {NOTE}" in picture.err
    beside = PeerCounts(model.name, 1, 1, (), model.graph, model.notes)
    page = doctor.page(DoctorResult(QUIET, beside))
    assert NOTE in " ".join(write(page, "text").split())
    assert json.loads(write(page, "json"))["notes"] == [NOTE]


def test_a_report_says_it_too() -> None:
    assert archcalc.load("vgg16@384").notes == (NOTE,)
    assert archcalc.load("vgg16@384").fold_bn().notes == (NOTE,)
    assert archcalc.load("vgg16@448", settings={"classes": 10}).notes[0].startswith("another network than at the prin")
    assert archcalc.load("resnet50@384", settings={"classes": 10}).notes == ()
    assert archcalc.load("vgg16").notes == ()


# --- what stands in for something ---------------------------------------------------------------------------------


def test_a_function_that_is_not_the_papers_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rest = "stands_in: rotary embedding\nvariants: [a, b]\nmodels: {one: a, two: {variant: b, stands_in: a window}}"
    path = tmp_path / "net.yaml"
    path.write_text(f"input: 3 × 8 × 8\nlayers:\n  - conv(4, 3) gap linear(2)\n{rest}\n", "utf-8")
    one, two = archcalc.load(f"{path}:one"), archcalc.load(f"{path}:two")
    said = "something stands in for {}: counted as in the paper, but not its function"
    assert (one.notes, two.notes) == ((said.format("rotary embedding"),), (said.format("a window"),))
    assert said.format("a window") in " ".join(write(summary.page(two.summary()), "text").split())
    monkeypatch.setattr("archcalc.tasks.list.spec_files", lambda: [path])
    assert "two: something stands in for a window" in write(listed.page(list_models()), "text")
    assert '"stands_in": "rotary embedding"' in write(listed.page(list_models()), "json")


# --- states ------------------------------------------------------------------------------------------------------


STEPS = ("x: embed(100, 8)", "h: zeros(16)", "c: zeros(16)", "x")
CELLS = {
    "lstm": "steps:\n      - h, c: lstm(16, hidden=h, cell=c, states=True)\n      - h",
    "gru": "steps:\n      - h: gru(16, hidden=h)",
    "rnn": "steps:\n      - h: rnn(16, hidden=h)",
}


@pytest.mark.parametrize("call", ["stack lstm(16) take(0)", "stack gru(16) take(0)", "cell"])
def test_a_layer_that_begins_from_zero_at_every_step_is_refused(call: str, tmp_path: Path) -> None:
    """It had no memory: ten networks of one token, with the parameters of one that reads ten."""
    rest = "blocks:\n  cell: stack rnn(16) take(0)" if call == "cell" else ""
    before = ("cell",) if call == "cell" else ()  # built before, where it is none of a step
    lines = (*before, "embed(100, 8)") if not before else ("embed(100, 8)", "take(0)", "cell", "stack")
    error = refused(tmp_path, *lines, f"steps: [{call}]", input="10", rest=rest)
    assert "begins from zero at every step here" in str(error)
    assert "hidden=h" in error.hint


@pytest.mark.parametrize(
    "step",
    [
        "steps:\n      - lstm(16, hidden=h, cell=c)",
        "steps:\n      - y: lstm(16, hidden=h, cell=c)\n      - y",
        "steps:\n      - x: identity\n      - z: zeros(16)\n      - x gru(16, hidden=z)",
        "steps:\n      - x: identity\n      - z: learned(16)\n      - x rnn(16, hidden=z)",
    ],
)
def test_a_step_that_begins_from_the_same_state_every_time_is_refused(step: str, tmp_path: Path) -> None:
    """Nobody handed the state on: the layer had no memory, and the parameters and MACs of one that has."""
    lines = STEPS if "cell=c" in step else (STEPS[0],)
    error = refused(tmp_path, *lines, step, input="10")
    assert "begins from the same `hidden` at every step here" in str(error)
    assert "hidden=h" in error.hint


def test_more_steps_than_there_are_nodes_for_are_refused_at_once(tmp_path: Path) -> None:
    """Before 200,000 nodes were built; and a split into a million parts before any."""
    lines = ("x: embed(100, 8)", "h: zeros(8)", "x", "steps:\n      - h: {add: [identity, h]}\n      - h tanh")
    error = refused(tmp_path, *lines, input="80000")
    assert "80,000 steps of 3 nodes are more than 200,000" in str(error)
    assert "scan(gates)" in error.hint
    assert "more than 1,000 parts are refused" in str(refused(tmp_path, "split(100000)", input="100000 × 1 × 1"))


@pytest.mark.parametrize("word", CELLS)
def test_steps_of_a_cell_are_the_layer(word: str, tmp_path: Path) -> None:
    """With the same weights the same states; parameters and MACs too: 10·gates·16·(8 + 16)."""
    import torch

    lines = STEPS if word == "lstm" else STEPS[:2] + STEPS[3:]
    cell = model(tmp_path, *lines, CELLS[word], input="10")
    layer = model(tmp_path, f"embed(100, 8) {word}(16)", input="10")
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[word]
    assert cell.totals.params == layer.totals.params == 800 + gates * 16 * (8 + 16 + 1)
    assert cell.totals.macs == layer.totals.macs == 10 * gates * 16 * (8 + 16)
    one, two = cell.torch(), layer.torch()
    two.load_state_dict(dict(zip(two.state_dict(), one.state_dict().values(), strict=True)))
    ids = torch.randint(0, 100, (3, 10), generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(one(ids), two(ids))


def test_a_layer_goes_on_from_the_states_of_another(tmp_path: Path) -> None:
    """Of torch's own LSTM: its states after six tokens, and what it makes of four more from there."""
    import torch

    lines = (
        "ids embed(100, 8, weights=E)",
        "all, h, c: lstm(16, states=True, biases=2)",
        "more embed(100, 8, weights=E)",
    )
    made = model(
        tmp_path, *lines, "on: lstm(16, hidden=h, cell=c)", "parts: [all, h, c, on]", input="{ids: 6, more: 4}"
    )
    net = made.torch()
    ids = torch.randint(0, 100, (3, 10), generator=torch.Generator().manual_seed(3))
    states, h, c, on = net(ids[:, :6], ids[:, 6:])
    own = {key: value for key, value in net.state_dict().items() if key.startswith("lstm")}
    assert made.totals.params == 800 + 4 * 16 * (8 + 16 + 2) + 4 * 16 * (8 + 16 + 1)
    first, second = (torch.nn.LSTM(8, 16, batch_first=True) for _ in range(2))
    for name, other in (("lstm_1.", first), ("lstm_2.", second)):
        held = {key.removeprefix(name): value for key, value in own.items() if key.startswith(name)}
        other.load_state_dict({"bias_hh_l0": torch.zeros(64), **held})
    words = torch.nn.functional.embedding(ids, net.state_dict()["embed_1.weight"])
    right, last = first(words[:, :6])
    torch.testing.assert_close((states, h, c), (right, last[0][0], last[1][0]))
    torch.testing.assert_close(on, second(words[:, 6:], last)[0])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("take(0) lstm(16)", "on a vector `lstm` makes one step and wants its state"),
        ("lstm(16, hidden=h)", "`lstm` begins from both of its states"),
        ("gru(8, hidden=h)", "`hidden` is a vector of 8, as the state is; this is 16"),
        ("gru(16, hidden=h, bidirectional=True)", "takes and gives no state"),
        ("rnn(16, states=True, bidirectional=True)", "takes and gives no state"),
        ("gru(16, cell=h)", "`gru` has no argument `cell`"),
    ],
)
def test_states_that_do_not_fit_are_refused(call: str, said: str, tmp_path: Path) -> None:
    assert said in str(refused(tmp_path, "x: embed(100, 8)", "h: zeros(16)", f"x {call}", input="10"))
