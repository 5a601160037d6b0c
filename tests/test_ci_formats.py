"""What CI systems are given, read by readers that are not ours: JUnit by junitparser, SARIF by sarif-pydantic, GitLab's
report by the schema of its parser, GitHub's commands by the rules of its runner."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from archcalc.gate.drift import FIELDS
from archcalc.schemas import generate as schema
from archcalc.show import ci
from tests.test_commands import Run, command
from tests.test_gate import edit, here

__all__ = ["command", "here"]  # fixtures

# What GitLab's parser of code quality reports asks of every entry: app/validators/json_schemas/codeclimate.json of
# gitlab-org/gitlab (MIT), and the severities and the relative path that its documentation names.
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string"},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32,}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\./|/)"},
                    "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
                },
            },
        },
    },
}


@pytest.fixture
def drifted(here: Path, command: Run) -> Path:
    """A repository in whose folder `nets` are: a model that has drifted, one that is fine, one that cannot be built, a
    shipped one that is over a budget, an advisory one, and a lock that cannot be read."""
    (here / ".git").mkdir()
    folder = here / "nets, and: more"
    folder.mkdir()
    (here / "net.yaml").rename(folder / "net.yaml")
    (folder / "bad.yaml").write_text((folder / "net.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    lock = folder / "archcalc.lock"
    assert (
        command("lock", str(folder / "net.yaml"), str(folder / "bad.yaml:small"), "lenet5", "-o", str(lock)).code == 0
    )
    edit(folder / "net.yaml", "    conv 8 | conv 16\n    head", "    conv 9 | conv 16\n    head")
    edit(folder / "bad.yaml", "gap linear", "gap liner")
    edit(lock, "model lenet5\n", "model lenet5\n  budget params < 1K\n  budget macs < 1K, advisory\n")
    (here / "other.lock").write_text("archcalc lock 9\nend\n", encoding="utf-8")
    return here


def written(command: Run, name: str, code: int = 2) -> str:
    done = command("check", "--format", f"{name}=out")
    assert done.code == code
    return Path("out").read_text(encoding="utf-8")


def test_junit(drifted: Path, command: Run) -> None:
    junitparser = pytest.importorskip("junitparser")
    written(command, "junit")
    suites = {suite.name: suite for suite in junitparser.JUnitXml.fromfile("out")}
    nets = suites["nets, and: more/archcalc.lock"]
    assert (nets.tests, nets.failures, nets.errors) == (4, 2, 1)
    cases = {case.name: case for case in nets}
    assert list(cases) == ["bad.yaml:small", "lenet5", "net.yaml:net-small", "net.yaml:net-wide"]
    assert [type(found).__name__ for found in cases["bad.yaml:small"].result] == ["Error"]
    (failure,) = cases["net.yaml:net-small"].result
    assert failure.type == "drift"
    assert "out=8 → out=9" in failure.message
    assert "nets, and: more/net.yaml:12:" in failure.text
    assert cases["net.yaml:net-wide"].result == []
    assert "budget params < 1K" in cases["lenet5"].result[0].text
    assert suites["other.lock"].errors == 1
    whole = junitparser.JUnitXml.fromfile("out")
    assert (whole.tests, whole.failures, whole.errors) == (5, 2, 2)


def test_sarif(drifted: Path, command: Run) -> None:
    sarif_pydantic = pytest.importorskip("sarif_pydantic")
    log = sarif_pydantic.Sarif.model_validate_json(written(command, "sarif"))
    (run,) = log.runs
    assert log.version == "2.1.0"
    rules = [rule.id for rule in run.tool.driver.rules]
    found = {
        (r.rule_id, str(r.level.value), r.locations[0].physical_location.artifact_location.uri) for r in run.results
    }
    lock = "nets%2C%20and%3A%20more/archcalc.lock"
    assert found == {
        ("drift", "error", "nets%2C%20and%3A%20more/net.yaml"),
        ("unread", "error", "nets%2C%20and%3A%20more/bad.yaml"),
        ("unread", "error", "other.lock"),
        ("budget", "error", lock),
        ("budget", "warning", lock),
    }
    assert all(rules[result.rule_index] == result.rule_id for result in run.results)
    regions = [result.locations[0].physical_location.region for result in run.results]
    assert all(region.start_line >= 1 and region.start_column >= 1 for region in regions)


def test_gitlab(drifted: Path, command: Run) -> None:
    import jsonschema

    found = json.loads(written(command, "gitlab"))
    jsonschema.validate(found, GITLAB)
    assert len({entry["fingerprint"] for entry in found}) == len(found) == 5
    places = {(entry["location"]["path"], entry["severity"]) for entry in found}
    assert ("nets, and: more/net.yaml", "major") in places
    assert ("nets, and: more/archcalc.lock", "info") in places


def test_a_fingerprint_stays_while_lines_move(drifted: Path, command: Run) -> None:
    before = {entry["fingerprint"] for entry in json.loads(written(command, "gitlab"))}
    path = drifted / "nets, and: more" / "net.yaml"
    path.write_text("# a comment\n\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    after = json.loads(written(command, "gitlab"))
    assert {entry["fingerprint"] for entry in after} == before


def test_github(drifted: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runner splits a command at `::`, its properties at `,` and `=`, and undoes %XX (actions/runner)."""
    monkeypatch.chdir(drifted / "nets, and: more")
    done = command("check", "--format", "github")
    assert done.code == 2
    lines = done.out.splitlines()
    assert len(lines) == 4
    seen = set()
    for line in lines:
        match = re.fullmatch(r"::(error|warning) (.*?)::(.*)", line)
        assert match
        pairs = dict(part.split("=", 1) for part in match[2].split(","))
        assert set(pairs) == {"file", "line", "col", "title"}
        file = re.sub("%(3A|2C|25|0A|0D)", lambda m: chr(int(m[1], 16)), pairs["file"])
        assert (drifted / file).is_file()
        text = (drifted / file).read_text(encoding="utf-8").splitlines()[int(pairs["line"]) - 1]
        seen.add((match[1], Path(file).name, text.strip()))
    assert ("error", "net.yaml", "conv {c}: conv(c, 3, bias=False) bn relu") in seen
    assert ("warning", "archcalc.lock", "budget macs < 1K, advisory") in seen
    assert ("error", "bad.yaml", "head:     gap liner(classes)") in seen


def test_a_shipped_spec_is_annotated_in_the_lock(here: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".git").mkdir()
    command("lock", "lenet5")
    edit(here / "archcalc.lock", "kernel=5", "kernel=7")
    done = command("check", "--format", "github")
    (line, *_) = done.out.splitlines()
    number = (here / "archcalc.lock").read_text(encoding="utf-8").splitlines().index("model lenet5") + 1
    assert line.startswith(f"::error file=archcalc.lock,line={number},")


def test_json_and_csv_and_markdown(drifted: Path, command: Run) -> None:
    found = json.loads(written(command, "json"))
    assert (found["schema"], found["ok"]) == (1, False)
    models = {model["name"]: model for model in found["models"]}
    assert {"name", "ok", "changes", "totals"} <= models["net.yaml:net-small"].keys()
    change = next(change for change in models["net.yaml:net-small"]["changes"] if change["field"] == "op")
    assert {key: change[key] for key in ("locked", "now", "cause")} == {
        "locked": "conv(out=8, kernel=3, bias=False)",
        "now": "conv(out=9, kernel=3, bias=False)",
        "cause": True,
    }
    assert models["net.yaml:net-wide"]["changes"] == []
    assert models["bad.yaml:small"]["error"]["where"].endswith("bad.yaml:13:17")
    rows = list(csv.DictReader(io.StringIO(written(command, "csv"))))
    assert len(rows) == sum(len(model["changes"]) for model in found["models"])
    assert {row["cause"] for row in rows} == {"yes", "no"}
    page = written(command, "markdown")
    assert "| total | locked | now |" in page
    assert "**conv: out=8 → out=9**" in page


def test_the_json_is_as_its_schema_says(drifted: Path, command: Run) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema.SCHEMAS["check"]())
    for arguments in ((), ("--claims",), ("nets, and: more/net.yaml",), ("--update",)):
        done = command("check", *arguments, "--format", "json")
        found = json.loads(done.out)
        assert not list(validator.iter_errors(found))
    assert {change["field"] for model in found["models"] for change in model["changes"]} <= set(FIELDS)
    for key in found["models"][0]:
        broken = {**found, "models": [{name: value for name, value in found["models"][0].items() if name != key}]}
        assert not validator.is_valid(broken)


def test_several_forms_at_once(drifted: Path, command: Run) -> None:
    forms = [
        part for name in ("junit", "sarif", "gitlab", "json", "markdown") for part in ("--format", f"{name}={name}.x")
    ]
    done = command("check", *forms)
    assert "✗" in done.out
    assert all((drifted / f"{name}.x").stat().st_size for name in ("junit", "sarif", "gitlab", "json", "markdown"))
    done = command("check", "--format", "text", "--format", "github")
    assert "::error" in done.out
    assert "old checkpoints" in done.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "junt=x"], "Did you mean `junit`?"),
        (["--format", "json", "--format", "junit"], "cannot go to one place"),
        (["--format", "junit="], "names no file"),
        (["--format", "json=nowhere/x"], "in a folder that does not exist"),
        (["--watch", "--update"], "`--watch`"),
    ],
)
def test_wrong_use(arguments: list[str], told: str, drifted: Path, command: Run) -> None:
    done = command("check", *arguments)
    assert (done.code, told in done.err) == (2, True)


def test_all_is_well(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    for name in ci.FORMATS:
        text = written(command, name, 0)
        assert ("net.yaml" in text) == (name == "junit")
    assert json.loads(written(command, "gitlab", 0)) == []


def test_what_a_terminal_would_obey_is_not_written(here: Path, command: Run) -> None:
    """A lock is a file from anywhere."""
    command("lock", "net.yaml:small")
    edit(here / "archcalc.lock", "conv 8.1/conv", "conv\x1b[31m/<b>&")
    for name in ("text", *ci.FORMATS, "markdown"):
        assert "\x1b" not in written(command, name, 1), name
    pytest.importorskip("junitparser").JUnitXml.fromstring(written(command, "junit", 1))
