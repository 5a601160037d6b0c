"""Every example of the documentation is run, and the line below it must be what archcalc computes."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from archcalc.models import Model, load
from archcalc.ops import dims

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
