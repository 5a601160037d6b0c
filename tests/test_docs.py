"""Every example of the documentation is run, and the line below it must be what archcalc computes."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archcalc import cli
from archcalc.analysis.counts import Report
from archcalc.analysis.roofline import DEVICES
from archcalc.measurement.conditions import Conditions
from archcalc.measurement.latency import Measurement
from archcalc.models import Model, load
from archcalc.ops import dims
from tests.test_render import run_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path(__file__).parent.parent / "docs" / "spec-language.md"
PYTHON = PAGE.with_name("python.md")
EXAMPLE = re.compile(r"^```yaml\n(.*?)^```\n> (\S+): (.*?)$", re.MULTILINE | re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))


def test_every_yaml_block_of_the_page_is_an_example() -> None:
    assert len(EXAMPLES) == PAGE.read_text(encoding="utf-8").count("```yaml") >= 8


@pytest.mark.parametrize(("spec", "name", "facts"), EXAMPLES, ids=[name for _, name, _ in EXAMPLES])
def test_an_example_gives_what_the_page_says(spec: str, name: str, facts: str, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(spec, encoding="utf-8")
    file, _, variant = name.partition(":")
    wanted = variant or ("" if file == "example" else file)
    model = load(f"{path}:{wanted}" if wanted else str(path))
    for fact in facts.split(" · "):
        what, _, said = fact.partition(" ")
        assert shown(model, what) == said, fact
    assert all(judgement.holds or judgement.erratum for judgement in model.claims)


def shown(model: Model, what: str) -> str:
    if what == "rows":
        return ", ".join(row.name for row in model.graph.rows)
    if what == "nodes":
        return str(len(model.graph.nodes))
    if what == "output":
        return dims(model.graph.shape(model.graph.outputs[0]))
    return f"{model.totals.counts()[what]:,}"


def test_the_page_of_python_is_what_python_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = re.sub("^```.*$", "", PYTHON.read_text(encoding="utf-8"), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(page, {}, PYTHON.name, str(PYTHON), 0)
    complaints: list[str] = []
    assert doctest.DocTestRunner().run(test, out=complaints.append).failed == 0, "".join(complaints)
    assert len(test.examples) > 20


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
def test_what_a_page_does_in_python_can_be_done(page: str) -> None:
    """And is what its remarks say."""
    (found,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    known: dict[str, Any] = {}
    exec(found, known)
    for line, said in re.findall(r"^(\S+)  # (\d+)$", found, re.MULTILINE):
        assert str(eval(line, known)) == said


# --- the commands -----------------------------------------------------------------------------------------------------

PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
BLOCK = re.compile(r"^```(?:sh|console)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(
    r"^cat > (\S+) <<'END'\n((?:(?!END$).*\n)*)END$|^(?:\$ )?archcalc ([^\n]+?)(?:[ ]+#[^\n]*)?$", re.MULTILINE
)
INLINE = re.compile(r"`archcalc ([a-z]+ (?!-)[^`…<|]*[^`…<| ])`")
# What cannot run in a test: other libraries' models, which are not installed, and a GPU.
APART = ("transformers:", "torchvision:", "--gpu")
OWN = {  # the files that pages speak of as the reader's own
    "my.yaml": "name: my\ninput: 3 × 32 × 32\nvariants: [wide, narrow]\nlayers:\n  table: |\n    wide | narrow\n"
    "    conv 8 | conv 4\nnotation: {'conv {c}': 'conv(c, 3) relu'}\n",
    "my_net.py": "from torch import nn\n\n\ndef Net():\n    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten())\n",
    "package/__init__.py": "",
    "package/module.py": "from torch import nn\n\n\ndef make(classes):\n    return nn.Conv2d(3, classes, 3)\n",
}
OWN |= {"my.py": OWN["my_net.py"], "net.yaml": OWN["my.yaml"].replace("my", "net"), "config.json": "{}"}


def commands(page: str) -> Iterator[tuple[str, str]]:
    """What a page has one type, and what one writes into files first: a name of a file and its text, or a command
    line and nothing."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        for name, own, line in LINE.findall(block.replace("\\\n", " ")):
            yield (name, own) if name else (line, "")


COMMANDS = {page: [line for line, own in commands(page) if not own] for page in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_as_a_command_is_one(page: str) -> None:
    """With options and arguments as typer takes them; nothing is run."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = [line for line in INLINE.findall(text) if page not in ("docs/cli.md",) and not re.search("[A-Z]{4,}", line)]
    for line in [*COMMANDS[page], *named]:
        assert callable(cli._asked(shlex.split(line.partition(" | ")[0]))), line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder, on a machine where what is measured follows from what is counted."""
    from archcalc import models
    from archcalc.runtime import measure

    def measured(reports: Sequence[Report], conditions: Conditions, tick: Any = None) -> tuple[Measurement, ...]:
        mode = "training" if conditions.training else "inference"
        return tuple(
            replace(run_of(SimpleNamespace(report=r), 20), batch=conditions.batch, mode=mode, dtype=conditions.dtype)  # type: ignore[arg-type]
            for r in reports
        )

    monkeypatch.setattr(measure, "measure_in_turn", measured)
    monkeypatch.setattr(models, "ceilings", lambda *_: next(iter(DEVICES.values())))
    monkeypatch.chdir(tmp_path)
    for name, text in OWN.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "tests" / "data" / "my_resnet.py", tmp_path)
    assert cli._run(["lock", "net.yaml"]) == 0
    assert all(cli._run(["measure", "./my.yaml:wide", "--save", name]) == 0 for name in ("old.json", "new.json"))
    return tmp_path


APART_PAGES = ("docs/sweeps.md", "docs/teachings.md")  # whose commands `test_sweep` and `test_teachings` run
LONG = ("README.md", "docs/guide.md", "docs/gallery.md", "docs/measuring.md")  # what they run takes some ten seconds


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=[pytest.mark.exhaustive] if p in LONG else [])
        for p in PAGES
        if COMMANDS[p] and p not in APART_PAGES
    ],
)
def test_every_command_of_every_page_runs(page: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the page, as later ones read what earlier ones wrote."""
    for line, own in commands(page):
        if own:
            (here / line).write_text(own, encoding="utf-8")
        elif not any(word in line for word in APART):
            code = cli._run(shlex.split(line))
            out, err = capsys.readouterr()
            assert code in (0, 1), f"{line}\n{out}\n{err}"
            written = re.findall(r"(?:-o|--save) (\S+)", line)
            assert all((here / name).is_file() for name in written), line
