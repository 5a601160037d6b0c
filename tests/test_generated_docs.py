"""The pages that are made from the code: not stale, and about everything that there is."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from archcalc.graph import shape_of
from archcalc.language.lines import MERGES
from archcalc.language.zoo import model_names, spec_files
from archcalc.ops import ARGUMENTS, OPS, Op, OpError, Shape
from archcalc.tasks.check import build_spec, judge_spec
from docs import generate

ROOT = Path(__file__).resolve().parent.parent
made = cache(generate.pages)


@pytest.mark.parametrize("name", ["ops.md", "models.md", "cli.md", "gallery.md"])
def test_a_page_is_not_stale(name: str) -> None:
    path = ROOT / "docs" / name
    assert path.read_text(encoding="utf-8") == made()[path], f"docs/{name} is stale: run `make docs`"


def test_the_pages_are_made_without_torch_and_always_alike() -> None:
    """In another process, with another order of sets."""
    program = (
        "import sys, hashlib\n"
        "sys.modules['torch'] = None\n"
        "from docs import generate\n"
        "print(hashlib.sha256(''.join(generate.pages().values()).encode()).hexdigest())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == hashlib.sha256("".join(made().values()).encode()).hexdigest()


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next."""
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#|\Z)", made()[ROOT / "docs" / page], re.M | re.S)
    assert found, f"docs/{page} has no `{heading}`"
    return found.group(1)


@pytest.mark.parametrize("word", OPS)
def test_an_op_is_described(word: str) -> None:
    text = section("ops.md", f"### `{word}`")
    doc = " ".join((OPS[word].__doc__ or "").split())
    assert doc
    assert doc in " ".join(text.split())
    for argument in ARGUMENTS[word]:
        assert f"\n- `{argument.name}`: " in text
    assert "\nExample: `" in text
    assert "\n- MACs: " in text
    assert "none by definition, \n" not in text
    if OPS[word].free:
        assert f", {OPS[word].free}\n" in text


@pytest.mark.parametrize("word", ["identity", *MERGES])
def test_a_word_that_is_no_op_is_described(word: str) -> None:
    assert len(section("ops.md", f"### `{word}`").strip()) > 50


def test_the_arithmetic_is_written_out() -> None:
    conv = section("ops.md", "### `conv`")
    assert "8·4·3·3 = 288" in conv
    assert "- shape: 8 × (⌊(8 + 1 + 1 − 3)/2⌋ + 1) × (⌊(8 + 1 + 1 − 3)/2⌋ + 1)" in conv
    assert "- MACs: 8·4·4·4·3·3 = 4,608" in conv
    assert "- norm_stats: `running_mean` 4 · `running_var` 4" in section("ops.md", "### `bn`")


def test_a_new_op_appears_by_itself_or_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    relu = OPS["relu"]
    twist: type[Op] = type("Twist", (relu,), {"word": "twist", "__doc__": "Twists.", "__module__": relu.__module__})
    monkeypatch.setitem(OPS, "twist", twist)
    monkeypatch.setitem(ARGUMENTS, "twist", ())
    assert "### `twist`" in generate.ops_page()

    def shape(self: Op, *x: Shape) -> Shape:
        raise OpError("nothing fits")

    monkeypatch.setattr(twist, "shape", shape)
    shape_of.cache_clear()
    with pytest.raises(LookupError, match="`twist` does not take its example: nothing fits"):
        generate.ops_page()


def test_every_model_is_listed_with_its_numbers() -> None:
    listed = set()
    for path in spec_files():
        built = build_spec(path)
        found = judge_spec(built)
        text = section("models.md", f"## {built.family.name}")
        for selection, report in built.models:
            totals = report.totals
            row = next(line for line in text.split("\n") if line.startswith(f"| `{selection.name}` |"))
            assert f" | {totals.params:,} | {totals.macs:,} | {totals.weight_layers} | " in row
            holding = sum(j.holds for j in found.judged[selection.name])
            assert (f" {holding} of {len(found.judged[selection.name])} hold" in row) == bool(
                found.judged[selection.name]
            )
            listed.add(selection.name)
        for sentence in built.family.namesakes.values():
            assert " ".join(sentence.value.split()) in text
    assert set(model_names()) <= listed


@pytest.mark.parametrize("name", ["ops.md", "models.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    text = made()[ROOT / "docs" / name]
    anchors = {generate._anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target[1:] in anchors if target.startswith("#") else (ROOT / "docs" / target).is_file(), target


def test_the_gallery_has_its_pictures() -> None:
    from docs import gallery

    files = {shown.file for shown in gallery.GALLERY}
    assert {path.name for path in gallery.PICTURES.iterdir()} == files, "run `make pictures`"
    assert all((gallery.PICTURES / name).read_bytes().startswith(b"\x89PNG") for name in files)
