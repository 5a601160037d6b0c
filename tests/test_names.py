"""Names are shown: of rows, of all inputs and of all outputs, in tables, JSON, explanations and pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archcalc import cli
from archcalc.errors import UsageError
from archcalc.gate.lock import entry_of
from archcalc.measurement.runs import Run, document, parse
from archcalc.models import load
from archcalc.networks import input_at, inputs_of
from archcalc.show.columns import sizes
from archcalc.show.pictures import volumes
from archcalc.show.pictures.blocks import blocks
from archcalc.show.pictures.names import heading
from archcalc.show.writers.json import text as as_json
from archcalc.tasks.scale import scale

PYRAMID = """\
name: pyramid
input: 3 × 64 × 64
layers:
  - c3: conv(64, 3, 2) relu
  - c4: conv(128, 3, 2) relu
  - c5: conv(256, 3, 2) relu
  - i5: conv(32, 1)
  - i4:
      add:
        - c4 conv(32, 1)
        - i5 upsample(2)
  - i3:
      add:
        - c3 conv(32, 1)
        - i4 upsample(2)
  - parts:
      - i3 conv(8, 1)
      - i4 conv(8, 1)
      - i5 conv(8, 1)
"""
TWO = """\
name: two
input:
  latent: 4 × 8 × 8
  text: 77
layers:
  - c: text embed(100, 16)
  - a: latent conv(16, 3)
  - concat: [a gap flatten, c take(0)]
  - linear(3)
"""
HEADS = ("aux (4a)", "aux (4d)")  # of GoogLeNet
SHAPES = [[8, 32, 32], [8, 16, 16], [8, 8, 8]]


@pytest.fixture
def pyramid(tmp_path: Path) -> str:
    return write(tmp_path, "pyramid", PYRAMID)


@pytest.fixture
def two(tmp_path: Path) -> str:
    return write(tmp_path, "two", TWO)


def write(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert cli._run(list(arguments)) == code
    printed = capsys.readouterr()
    return printed.out + printed.err


# --- several outputs (R8, W3) -------------------------------------------------------------------------------------


def test_a_table_shows_all_outputs(pyramid: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "summary", pyramid, "--static")
    assert "input 3×64×64 · outputs 8×32×32, 8×16×16, 8×8×8 · batch 1" in text
    row = next(line for line in text.splitlines() if line.lstrip().startswith("parts"))
    assert "8×32×32, 8×16×16, 8×8×8" in row  # 8×32×32 alone before


def test_many_sizes_stand_below_their_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(f"      - conv({8 * n}, 3, {n})\n" for n in range(1, 5))
    spec = write(tmp_path, "many", f"name: many\ninput: 3 × 100 × 100\nlayers:\n  - parts:\n{lines}")
    text = said(capsys, "summary", spec, "--static")
    assert " 4 sizes " in text
    assert "→ 8×100×100, 16×50×50, 24×33×33, 32×25×25\n" in text
    markdown = said(capsys, "summary", spec, "--static", "--format", "markdown")
    assert "8×100×100, 16×50×50, 24×33×33, 32×25×25" in markdown
    assert '"8×100×100, 16×50×50, 24×33×33, 32×25×25"' in said(capsys, "summary", spec, "--static", "--format", "csv")


def test_json_has_all_outputs(pyramid: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "summary", pyramid, "--static", "--format", "json"))
    assert [tuple(out.values()) for out in found["outputs"]] == [
        *zip(("conv.7", "conv.8", "conv.9"), SHAPES, strict=True)
    ]
    *others, last = found["rows"]
    assert last["output_shapes"] == SHAPES
    assert not any("output_shapes" in row for row in others)


def test_json_has_the_outputs_of_heads(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "summary", "googlenet", "--static", "--format", "json"))["outputs"]
    assert [(out.get("head"), out["shape"]) for out in found] == [(name, [1000]) for name in (None, *HEADS)]


def test_an_explanation_shows_all_outputs(pyramid: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "explain", pyramid, "parts")
    assert "gives       8×32×32, 8×16×16, 8×8×8\n" in text  # 8×32×32 before
    found = json.loads(said(capsys, "explain", pyramid, "parts", "--format", "json"))
    assert (found["output_shape"], found["output_shapes"]) == (SHAPES[0], SHAPES)
    assert len(found["inputs"]) == 3  # what it reads: i3, i4 and i5, not the row above alone
    whole = json.loads(said(capsys, "explain", pyramid, "--format", "json"))
    assert [out["shape"] for out in whole["outputs"]] == SHAPES


def test_pictures_show_all_outputs(pyramid: str) -> None:
    summary = load(pyramid).summary()
    assert "outputs 8×32×32, 8×16×16, 8×8×8" in heading(summary)
    last = blocks(summary).blocks[-1]
    assert (last.texts, last.size) == (("1×1 conv, 8 ×3",), "8×32×32, 8×16×16, 8×8×8")
    assert [list(shape) for shape in volumes.volumes(summary)[-3:]] == SHAPES


def test_a_value_of_the_network_goes_by_its_part_in_the_op(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.yaml"
    lines = ["x: tokens", "y: x attention(2, x, window=2)", "w: x linear(1)", "parts: [x matmul(y), x weighted(w)]"]
    path.write_text("input: 4 × 4\nlayers:\n" + "".join(f"  - {line}\n" for line in lines), encoding="utf-8")
    assert cli._run(["summary", str(path), "--static", "--full"]) == 0
    out = capsys.readouterr().out
    assert [call in out for call in ("attention(2, memory, window=2)", "matmul(other)", "weighted(by)")] == [True] * 3


def test_sizes_alike_stand_together() -> None:
    assert sizes([(8, 4, 4), (2, 2), (2, 2), (2, 2)]) == "8×4×4, 3 of 2×2"
    assert sizes([(2,), (2,), (9,)]) == "2 vectors of 2, 9"


def test_a_lock_by_rows_has_all_outputs(pyramid: str) -> None:
    last = entry_of("pyramid", load(pyramid).report(), by_rows=True).lines[-1]
    assert last.output == "8×32×32, 8×16×16, 8×8×8"  # 8×32×32 alone before


# --- several inputs (W4) ------------------------------------------------------------------------------------------


def test_every_input_is_shown(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "input latent 4×8×8, text 77 ·" in said(capsys, "summary", two, "--static")
    assert "input latent 4×8×8, text 77 ·" in said(capsys, "fit", two, "--memory", "1GiB")  # 4×8×8 alone before
    found = json.loads(said(capsys, "fit", two, "--memory", "1GiB", "--format", "json"))
    assert found["inputs"] == [{"name": "latent", "shape": [4, 8, 8]}, {"name": "text", "shape": [77]}]
    summary = load(two).summary()
    assert heading(summary).startswith("two  ·  input latent 4×8×8, text 77, batch 1")
    made = blocks(summary).blocks
    assert [(box.texts, box.size) for box in made[:2]] == [(("latent",), "4×8×8"), (("text",), "77")]
    assert volumes.volumes(summary)[:2] == [(4, 8, 8), (77,)]


def test_a_comparison_knows_every_input(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first alone before; and none of the others could be set behind `@`."""
    found = json.loads(said(capsys, "compare", two, f"{two}@latent=4x16x16,text=40", "--format", "json"))["models"]
    sizes = [[shown["shape"] for shown in model["inputs"]] for model in found]
    assert sizes == [[[4, 8, 8], [77]], [[4, 16, 16], [40]]]
    assert dict(load(f"{two}@text=40").graph.inputs) == {"latent": (4, 8, 8), "text": (40,)}


@pytest.mark.parametrize("command", [["summary", "--static"], ["explain"], ["fit", "--memory", "1GiB"]])
def test_each_input_is_set_by_its_name(command: list[str], two: str, capsys: pytest.CaptureFixture[str]) -> None:
    word, *options = command
    one = said(capsys, word, two, *options, "--input", "latent=4x16x16")
    assert "latent 4×16×16, text 77" in one
    both = said(capsys, word, two, *options, "--input", "text=40", "--input", "latent=4×16×16")
    assert "latent 4×16×16, text 40" in both


WRONG = [
    (["4x16x16"], "`two` has 2 inputs (latent, text): which of them is it?\nName it: `latent=4x16x16`."),
    (["latnt=4x16x16"], "`two` has no input `latnt`\nDid you mean `latent`?"),
    (["latent=4x4x4", "latent=4x4x4"], "`--input` gives `latent` twice"),
    (["latent=4x4x4", "77"], "`--input` gives the input twice"),
    (["=4x4x4"], "`--input =4x4x4` names no input"),
    (["latent=4xa"], "`--input 4xa` is not a size"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=[" ".join(given) for given, _ in WRONG])
def test_inputs_that_cannot_be(given: list[str], message: str, two: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [part for text in given for part in ("--input", text)]
    assert message in said(capsys, "summary", two, "--static", *options, code=2)


def test_the_library_takes_inputs_by_name(two: str) -> None:
    assert inputs_of(two) == {"latent": (4, 8, 8), "text": (77,)}
    assert input_at(two, {"latent": (16,)}) == {"latent": (4, 16, 16)}
    assert load(two, input={"text": (5,)}).graph.inputs == (("latent", (4, 8, 8)), ("text", (5,)))
    assert load("lenet5", input={"input": (1, 64, 64)}).input == (1, 64, 64)
    with pytest.raises(UsageError, match="no input `texts`"):
        load(two, input={"texts": (5,)})


def test_a_sweep_over_one_of_several_inputs(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = scale(two, inputs={"latent": [8, (4, 16, 16)], "text": [(10,), (20,)]}).points
    assert [point.inputs for point in found] == [
        (("latent", (4, side, side)), ("text", (words,))) for side in (8, 16) for words in (10, 20)
    ]
    assert len({point.report.totals.macs for point in found}) == 2  # by the side alone
    text = said(capsys, "scale", two, "--input", "latent=8,16")
    assert "latent 4×16×16, text 77" in text
    points = json.loads(said(capsys, "scale", two, "--input", "latent=8,16", "--format", "json"))["points"]
    assert [point["inputs"][0]["shape"] for point in points] == [[4, 8, 8], [4, 16, 16]]


def test_runs_know_all_inputs(two: str) -> None:
    """Two runs at other second inputs were of one network at one input before."""
    graph = load(two).graph
    run = Run.of(graph, (), "two", two, {})
    read = parse(json.loads(as_json(document(run))))
    assert read.inputs == run.inputs == graph.inputs
    assert not run.at((("latent", (4, 8, 8)), ("text", (5,))))
    old: dict[str, Any] = {**document(run)}
    del old["inputs"]  # as 0.1.0 wrote it
    assert parse(json.loads(as_json(old))).at(run.inputs)
    assert not replace(run, inputs=(("input", (4, 9, 9)),)).at(run.inputs)


# --- names of rows (W5), and what an overlay says -----------------------------------------------------------------


def test_rows_are_called_by_their_names(pyramid: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "summary", pyramid, "--static").splitlines()
    assert sum(line.startswith("i4  add ") for line in lines) == 1  # two rows called `add` before
    assert any(line.startswith("i5  conv(32, 1) ") for line in lines)
    made = blocks(load(pyramid).summary()).blocks
    assert [box.texts[0] for box in made[4:7]] == ["i5", "i4", "i3"]


def test_values_of_a_table_are_called_by_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split("  ")[0] for line in said(capsys, "summary", "unet", "--static").splitlines()]
    assert [row for row in rows if row in ("c1", "c2", "c3", "c4")] == ["c1", "c2", "c3", "c4"]


OVERLAY = """\
name: mine
models:
  mine:
    variant: "vgg:D"
    rows:
      FC-1000:
        - linear(21)
        - softmax
"""


def test_a_row_that_is_replaced_is_called_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "summary", write(tmp_path, "mine", OVERLAY), "--static")
    assert "FC-1000" not in text  # its cell stood there before
    assert any(line.lstrip().startswith("linear(21), softmax") for line in text.splitlines())
    found = json.loads(said(capsys, "summary", str(tmp_path / "mine.yaml"), "--static", "--format", "json"))["rows"]
    assert [(row["name"], row["text"]) for row in found if row["name"] == "FC-1000"] == [
        ("FC-1000", "linear(21), softmax")
    ]


LINES = {
    "conv(64, 3, 2) relu": "conv(64, 3, 2) relu",  # as written
    "conv(2*c, 3)": "conv(16, 3)",  # in numbers
    "conv(c, 3) relu if c == 8": "conv(8, 3) relu",
    "conv(c, 3) if c == 9": "conv(c, 3) if c == 9",  # not there
    "b(first) x(n)": "b x3",
    "conv(c, 3, bias=False) bn relu conv(2*c, 3) bn": "conv bn relu conv bn",
    "pad(1, mode=reflect)": "pad(1, mode=reflect)",
    "pad(m, mode=circular) conv(c, 3, pad=0, bias=False)": "pad(1, mode=circular) conv(8, 3)",
    "relu sigmoid " * 5: "relu sigmoid relu sigmoid relu sigmoid…",
}


@pytest.mark.parametrize(("line", "label"), LINES.items())
def test_labels_of_plain_lists_are_short(line: str, label: str, tmp_path: Path) -> None:
    blocks = 'blocks:\n  b(f): ["conv(8, 3)", relu if f]\ngiven: {c: 8, n: 3, m: 1}\n'
    spec = f"name: s\ninput: 8 × 8 × 8\n{blocks}layers:\n  - conv(c, m) b(m == n)\n  - {line}\n"
    assert load(write(tmp_path, "s", spec)).graph.rows[1].text == label


def test_a_long_number_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "summary", "transformer-base", "--static", "--full")
    assert "scale(22.6274)" in text  # 22.627416997969522 before
