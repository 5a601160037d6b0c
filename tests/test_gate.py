"""The gate: realistic mistakes stop it, at the layer and the line; budgets, robustness, and the lock of our zoo."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from archcalc import files
from archcalc.errors import ArchcalcError, Source, SpecError, Text, Unavailable
from archcalc.gate import budgets
from archcalc.gate.build import CheckedModel, check_locks, find_locks
from archcalc.gate.drift import Change, compare, places
from archcalc.gate.lock import entry_of, read_lock
from archcalc.graph import state_key
from archcalc.language import zoo
from archcalc.language.zoo import Selection
from archcalc.measurement.conditions import Conditions
from archcalc.models import load
from archcalc.show import drift as gated
from archcalc.testing import NotMeasured, assert_claims, assert_locked, assert_within
from tests.mistakes import MISTAKES, Mistake
from tests.test_commands import Run, command

__all__ = ["command"]  # a fixture
ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "tests" / "zoo.lock"
NET = """\
input: 3 × 16 × 16
variants: [small, wide]
models: {net-small: small, net-wide: wide}
given: {classes: 10}
layers:
  table: |
    small  | wide
    conv 8 | conv 16
    conv 8 | conv 16
    head
notation:
  conv {c}: conv(c, 3, bias=False) bn relu
  head:     gap linear(classes)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a spec of two networks."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    budgets.forget_projects()
    (tmp_path / "net.yaml").write_text(NET, encoding="utf-8")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- realistic mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.title for mistake in MISTAKES])
def test_a_mistake_is_stopped_at_its_layer_and_line(mistake: Mistake, here: Path, command: Run) -> None:
    mistake.lay_out(here)
    assert command("lock", mistake.locked).code == 0
    before = load(mistake.locked).totals.params
    assert command("check").code == 0
    mistake.make(here)
    done = command("check", "--format", "json=out.json")
    assert done.code == 1
    (model,) = json.loads((here / "out.json").read_text(encoding="utf-8"))["models"]
    causes = [change for change in model["changes"] if change["cause"]]
    assert any((change["path"] or "").startswith(mistake.path) for change in causes), causes[:3]
    lines = (here / mistake.file).read_text(encoding="utf-8").splitlines()
    named = {int(place.split(":")[1]) for change in causes for place in (change["where"], *change["within"])}
    assert any(mistake.line in lines[number - 1] for number in named), [lines[number - 1] for number in named]
    assert mistake.path in done.out
    now = load(mistake.locked).totals.params
    assert (now == before) == mistake.missed
    assert model["totals"]["params"] == {"locked": before, "now": now}


def test_the_table_is_as_large_as_it_should_be_and_the_page_tells_it() -> None:
    assert len(MISTAKES) >= 12
    page = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*?) \| `(.*?)` \| (.*?) \|$", page, re.MULTILINE)
    assert rows == [(m.title, m.model.partition(":")[2], "misses it" if m.missed else "sees it") for m in MISTAKES]


def test_consequences_are_quiet(here: Path, command: Run) -> None:
    """One repeat dropped of a deep network is one cause, not hundreds."""
    mistake = next(m for m in MISTAKES if m.title == "a repeat dropped")
    mistake.lay_out(here)
    command("lock", mistake.locked)
    mistake.make(here)
    out = command("check").out
    assert out.count("✗ ") == 3  # the model, the cause, the sum
    assert "10 nodes are gone" in out
    assert "at conv2_x/bottleneck.3" in out
    assert len(out.splitlines()) < 25


def test_a_total_that_no_node_explains_is_explained(here: Path, command: Run) -> None:
    """Recurrent layers were no weight layers in locks of before."""
    (here / "r.yaml").write_text("input: 5\nlayers: [embed(9, 4), lstm(3), linear(2)]\n", encoding="utf-8")
    command("lock", "r.yaml")
    edit(here / "archcalc.lock", "weight_layers 2", "weight_layers 1")
    done = command("check")
    assert done.code == 1
    assert "✗ no node is another one: archcalc counts otherwise than when this was locked" in " ".join(done.out.split())
    assert "so weight_layers 1 → 2" in done.out
    assert command("check", "--update").code == 0
    assert command("check").code == 0


@pytest.mark.parametrize("name", ["net.yaml@16", "lenet5@64"])
def test_a_lock_at_another_input_is_refused_with_the_way_out(name: str, here: Path, command: Run) -> None:
    done = command("lock", name)
    assert (done.code, f"Lock `{name.partition('@')[0]}`" in done.err, "input: …" in done.err) == (2, True, True)
    assert not (here / "archcalc.lock").exists()


def test_renamed_nodes_are_no_causes(here: Path, command: Run) -> None:
    """Of two repeats one goes: what is left loses its number, and old checkpoints their names."""
    (here / "r.yaml").write_text(
        "input: 4 × 8 × 8\ngiven: {n: 2}\nlayers:\n  - unit x(n)\n  - gap linear(2)\nblocks:\n"
        "  unit: conv(4, 3, bias=False) bn relu\n",
        encoding="utf-8",
    )
    command("lock", "r.yaml")
    edit(here / "r.yaml", "n: 2", "n: 1")
    done = command("check", "--format", "json")
    (model,) = json.loads(done.out)["models"]
    causes = [change for change in model["changes"] if change["cause"]]
    assert [(change["field"], change["now"]) for change in causes] == [("node", None)] * 3
    assert {change["field"] for change in model["changes"] if not change["cause"]} == {"path"}
    renamed = {pair["name"]: pair["now"] for pair in model["checkpoint"]["renamed"]}
    assert any(
        name.endswith("unit_1.conv.weight") and now.endswith("unit.conv.weight") for name, now in renamed.items()
    )
    assert any(name.endswith("unit_2.conv.weight") for name in model["checkpoint"]["gone"])


def test_what_old_checkpoints_miss_is_what_torch_says(here: Path, command: Run) -> None:
    """torch's own `load_state_dict` is the oracle."""
    torch = pytest.importorskip("torch")
    command("lock", "net.yaml:small")
    old = load("net.yaml:small").torch(device="meta").state_dict()
    edit(here / "net.yaml", "conv 8 | conv 16\n    conv 8", "conv 8 | conv 16\n    conv 4")
    edit(here / "net.yaml", "bias=False", "bias=True")
    command("check", "--format", "json=out.json")
    (model,) = json.loads((here / "out.json").read_text(encoding="utf-8"))["models"]
    network = load("net.yaml:small").torch(device="meta")
    now = network.state_dict()
    extra = {"num_batches_tracked"}  # a counter of steps, no parameter and no statistic

    def named(names: Any) -> set[str]:
        return {name for name in names if name.rpartition(".")[2] not in extra}

    found = model["checkpoint"]
    assert set(found["missing"]) | {pair["now"] for pair in found["renamed"]} == named(now.keys() - old.keys())
    assert set(found["gone"]) | {pair["name"] for pair in found["renamed"]} == named(old.keys() - now.keys())
    both = old.keys() & now.keys()
    reshaped = {name for name in both if old[name].shape != now[name].shape}
    assert {pair["name"] for pair in found["reshaped"]} == reshaped
    assert found["kept"] == len(named(both)) - len(reshaped)
    assert {p["name"]: tuple(p["now"]) for p in found["reshaped"]} == {n: tuple(now[n].shape) for n in reshaped}
    with pytest.raises(RuntimeError, match="size mismatch"):
        network.load_state_dict({name: torch.empty(t.shape) for name, t in old.items()}, strict=False)


def test_a_lock_holds_the_names_and_shapes_of_the_state_dict() -> None:
    pytest.importorskip("torch")
    for name in ("resnet18", "googlenet", "vit-b-16", "shufflenetv2-0.5", "resnet18-cbam"):
        model = load(name)
        entry = entry_of(name, model.report())
        locked = {f"{state_key(line.path)}.{key}": shape for line in entry.lines for key, shape in line.state}
        state = model.torch(device="meta", heads=True).state_dict()
        there = {
            key: "×".join(map(str, t.shape)) for key, t in state.items() if not key.endswith("num_batches_tracked")
        }
        assert locked == there


def test_counted_otherwise_is_a_cause() -> None:
    """Where no node says anything else, what it costs is told as it is."""
    model = load("lenet5")
    new = entry_of("lenet5", model.report())
    first = new.lines[0]
    old = type(new)(new.model, new.inputs, new.outputs, new.totals, (first._replace(macs=1), *new.lines[1:]))
    drift = compare(old, new, places(model.graph), "x:1:1")
    assert drift.causes == [Change(first.path, "macs", 1, first.macs, drift.causes[0].place, True)]
    assert gated.causes(drift)[0].what == f"macs 1 → {first.macs:,}"


def test_other_wiring_is_a_cause(here: Path, command: Run) -> None:
    spec = "input: 4 × 8 × 8\nlayers:\n  - a: conv(4, 3)\n  - b: conv(4, 3)\n  - concat: [a, b]\n  - gap linear(2)\n"
    (here / "w.yaml").write_text(spec, encoding="utf-8")
    command("lock", "w.yaml")
    edit(here / "w.yaml", "[a, b]", "[b, a]")
    done = command("check", "--format", "json")
    assert done.code == 1
    (change,) = json.loads(done.out)["models"][0]["changes"]
    assert (change["field"], change["cause"], change["where"].split(":")[1]) == ("reads", True, "5")
    assert change["now"] == change["locked"][::-1]


# --- the command --------------------------------------------------------------------------------------------------


def test_lock_check_update(here: Path, command: Run) -> None:
    assert command("check").code == 2
    done = command("lock", "net.yaml", "lenet5")
    assert done.code == 0
    assert done.out.count("locked ") == 3
    first = (here / "archcalc.lock").read_bytes()
    assert command("lock", "net.yaml", "lenet5").out.count("as it was ") == 3
    assert (here / "archcalc.lock").read_bytes() == first
    assert "all 3 models are as locked" in command("check").out
    edit(here / "net.yaml", "    conv 8 | conv 16\n    head", "    conv 9 | conv 16\n    head")
    assert command("check", "archcalc.lock").code == 1
    assert (here / "archcalc.lock").read_bytes() == first
    done = command("check", "--update")
    assert done.code == 0
    assert "conv: out=8 → out=9" in done.out
    assert command("check").code == 0
    changed = set((here / "archcalc.lock").read_text(encoding="utf-8").splitlines()) - set(first.decode().splitlines())
    assert not any("wide" in line for line in changed)


def test_a_lock_takes_more_models_and_keeps_the_rest(here: Path, command: Run) -> None:
    command("lock", "net.yaml:wide")
    command("lock", "net.yaml:net-small", "vgg:D")
    assert list(read_lock(here / "archcalc.lock").sections) == ["net.yaml:net-small", "net.yaml:wide", "vgg16"]
    assert command("check").code == 0


def test_paths_are_from_the_lock(here: Path, command: Run) -> None:
    folder = here / "ein Ordner" / "日本"
    folder.mkdir(parents=True)
    (here / ".git").mkdir()  # a lock names what is below its folder or its repository
    (here / "net.yaml").rename(here / "ein Ordner" / "né.yaml")
    lock = folder / "a b.lock"
    assert command("lock", "ein Ordner/né.yaml", "-o", str(lock)).code == 0
    assert list(read_lock(lock).sections) == ["../né.yaml:net-small", "../né.yaml:net-wide"]
    edit(here / "ein Ordner" / "né.yaml", "conv 8 | conv 16\n    head", "conv 9 | conv 16\n    head")
    done = command("check")
    assert done.code == 1
    assert "ein Ordner/né.yaml:12:" in done.out  # the notation, and the row in line 9
    assert "9:5" in done.out


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("archcalc lock 2\nend\n", 2, "of version 2: a newer archcalc wrote it"),
        ("archcalc lock 1\n", 2, "cut off"),
        ("", 2, "a lock begins with `archcalc lock 1`"),
        ("archcalc lock 1\nmodel a\n<<<<<<< ours\nend\n", 2, "a merge conflict"),
        ("archcalc lock 1\nmodel net.yaml:small\n  input 1\nend\n", 2, "has no line `output`"),
        ("archcalc lock 1\nmodel nonet\nend\n", 2, "no model is called `nonet`"),
        ("archcalc lock 1\nbudget parms <= 1\nend\n", 2, "Did you mean `params`?"),
        ("archcalc lock 1\nmodel a\nmodel a\nend\n", 2, "locked twice"),
        ("archcalc lock 1\nmdel a\nend\n", 2, "Did you mean `model`?"),
        ("archcalc lock 1\n    a | b | 1 | 1 | 1 | 1 | -\nmodel lenet5\nend\n", 2, "in front of the first model"),
        ("archcalc lock 1\nend\nmore\n", 2, "nothing stands behind the `end`"),
    ],
)
def test_a_bad_lock_is_named_with_its_line(text: str, code: int, told: str, here: Path, command: Run) -> None:
    (here / "archcalc.lock").write_text(text, encoding="utf-8")
    done = command("check")
    assert done.code == code
    assert told in done.out + done.err
    assert "archcalc.lock:" in done.out + done.err


def test_a_damaged_line_is_named(here: Path, command: Run) -> None:
    """Every line of a lock that is cut at any place is an error at that line, or a drift, never a pass or a crash."""
    command("lock", "net.yaml:small")
    path = here / "archcalc.lock"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for index, line in enumerate(lines):
        if not line.startswith("  "):
            continue
        for keep in (1, len(line) // 2, len(line) - 3):
            broken = [*lines[:index], line[:keep].rstrip() + "\n", *lines[index + 1 :]]
            path.write_text("".join(broken), encoding="utf-8")
            assert command("check").code in (1, 2), line[:keep]
    path.write_text("".join([*lines[:8], lines[8].replace(" ", " x", 3), *lines[9:]]), encoding="utf-8")
    assert "archcalc.lock:9:" in command("check").out


def test_other_tools_locks_are_passed_over(here: Path, command: Run) -> None:
    (here / "poetry.lock").write_text("# made by poetry\n", encoding="utf-8")
    for folder in (".hidden", "env", "node_modules"):
        (here / folder).mkdir()
        (here / folder / "archcalc.lock").write_text("", encoding="utf-8")
    (here / "env" / "pyvenv.cfg").touch()
    command("lock", "net.yaml", "-o", "mine.lock")
    assert list(find_locks(here)) == [here / "mine.lock"]
    assert command("check", "poetry.lock").code == 2


def test_claims_are_judged_beside_the_locks(here: Path, command: Run) -> None:
    edit(
        here / "net.yaml",
        "notation:",
        "reported:\n  - from: Table 2\n    table: |\n      figure | small\n      params | 700\nnotation:",
    )
    assert command("lock", "net.yaml", "lenet5").code == 0
    assert command("check").code == 0
    done = command("check", "--claims")
    assert done.code == 1
    assert "`params` of `small`" in done.out
    assert "specs/lenet5.yaml" in done.out or "lenet5.yaml" in done.out
    edit(here / "net.yaml", "| 700", "| 930")
    total = load("net.yaml:small").totals.params
    edit(here / "net.yaml", "| 930", f"| {total}")
    assert command("check", "--claims").code == 0


def test_rows_alone(here: Path, command: Run) -> None:
    """A lock by rows says in which row something changed, in a line each."""
    assert command("lock", "net.yaml", "--rows").code == 0
    text = (here / "archcalc.lock").read_text(encoding="utf-8")
    assert text.count(" nodes ") == 2 + 6
    assert command("check").code == 0
    edit(here / "net.yaml", "    conv 8 | conv 16\n    head", "    conv 8 | conv 32\n    head")
    done = command("check", "--format", "json")
    small, wide = json.loads(done.out)["models"]
    assert (done.code, small["ok"], wide["ok"], wide["checkpoint"]) == (1, True, False, None)
    causes = {(change["path"], change["where"]) for change in wide["changes"] if change["cause"]}
    assert {where.split(":")[1] for _, where in causes} == {"8", "9"}  # the first is `conv 16` now, not `conv 16.1`
    assert command("check", "--update").code == 0
    assert "rows 3" in (here / "archcalc.lock").read_text(encoding="utf-8")


# --- budgets ------------------------------------------------------------------------------------------------------

PARAMS = 3 * 8 * 9 + 16 + 8 * 8 * 9 + 16 + 8 * 10 + 10  # of net.yaml:small, by hand
MACS = 16 * 16 * (3 * 8 * 9 + 8 * 8 * 9) + 80


@pytest.mark.parametrize(
    ("budget", "holds"),
    [
        (f"params <= {PARAMS}", True),
        (f"params < {PARAMS:,}", False),
        ("params <= 1K", True),
        ("params ≤ 0.9K", False),
        ("macs < 4.1G", True),
        (f"macs >= {MACS}", True),
        (f"macs > {MACS}", False),
        (f"flops <= {2 * MACS}", True),
        ("norm_params <= 31", False),
        ("param_bytes <= 4KiB", True),
        (f"param_bytes < {4 * PARAMS} B", False),
        ("activation_bytes <= 32.5 KiB", True),
        ("peak_memory_bytes <= 16MiB", True),
        ("weight_layers <= 3", True),
        ("weight_layers < 3", False),
        ("params with heads <= 1K", True),
        ("receptive_field <= 5", True),  # two 3×3 at stride 1
        ("receptive_field < 5", False),
        ("params < 1, advisory", True),
        ("params < 1, required", False),
        ("params in 900..1K and weight_layers <= 3", True),
        ("params in 1..900", False),
        ("params < 1 and macs < 1, advisory", True),
    ],
)
def test_a_budget(budget: str, holds: bool, here: Path, command: Run) -> None:
    """In the lock for all, in the lock for one, in pyproject.toml for all, and in Python."""
    assert load("net.yaml:small").totals.params == PARAMS
    assert load("net.yaml:small").totals.macs == MACS
    command("lock", "net.yaml:small")
    path = here / "archcalc.lock"
    text = path.read_text(encoding="utf-8")
    places = {path: [("\nmodel net", f"budget {budget}\n\nmodel net"), ("  input", f"  budget {budget}\n  input")]}
    for file, edits in places.items():
        for old, new in edits:
            file.write_text(text.replace(old, new, 1), encoding="utf-8")
            assert command("check").code == int(not holds)
            assert command("check", "--update").code == int(not holds)
            assert budget in file.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    (here / "pyproject.toml").write_text(f'[tool.archcalc]\nbudgets = ["{budget}"]\n', encoding="utf-8")
    budgets.forget_projects()
    assert command("check").code == int(not holds)
    if "advisory" in budget:
        assert "! budget" in command("check").out
    elif holds:
        assert_within("net.yaml:small", budget)
    else:
        with pytest.raises(AssertionError, match=re.escape(budget)):
            assert_within("net.yaml:small", budget)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[tool.archcalc]\nbudget = ["params < 1K"]\n', "pyproject.toml:2:1"),
        ('[tool.archcalc]\nbudgets = ["parmas < 1K"]\n', "Did you mean `params`?"),
        ('[tool.archcalc]\nbudgets = ["params < many"]\n', "`many` is no number"),
        ('[tool.archcalc]\nbudgets = ["param_bytes < 1 furlong"]\n', "no number of bytes"),
        ('[tool.archcalc]\nbudgets = ["params"]\n', "`params` is not a budget"),
        ('[tool.archcalc]\nbudgets = ["params < 1K, advisry"]\n', "Did you mean `advisory`?"),
        ('[tool.archcalc]\nbudgets = ["macs < 1G and parmas < 1K"]\n', "Did you mean `params`?"),
        ('[tool.archcalc]\nbudgets = ["macs in 2G..1G"]\n', "the range ends below its start"),
        ('[tool.archcalc]\nbudgets = ["param < 1K"]\n', "nothing that a budget bounds"),
        ('[tool.archcalc]\nbudgets = ["latency < 3 ms"]\n', "bounded by what another model takes"),
        ('[tool.archcalc]\nbudgets = ["training_memory_bytes < 4GiB"]\n', "fit MODEL --memory 4GiB --train` asks"),
        ("[tool.archcalc]\nbudgets = [3]\n", "budgets are a list of texts"),
        ("[tool.archcalc\n", "is not TOML"),
        ('[tool.archcalc.budgets]\n"net.yaml:net-smal" = ["params < 1K"]\n', "Did you mean `net.yaml:net-small`?"),
    ],
)
def test_a_bad_budget_is_named(toml: str, told: str, here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    (here / "pyproject.toml").write_text(toml, encoding="utf-8")
    budgets.forget_projects()
    done = command("check")
    assert done.code == 2
    assert told in done.out + done.err
    assert "pyproject.toml" in done.out + done.err


def test_budgets_for_some_models(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    table = '[tool.archcalc.budgets]\n"*-wide" = ["params < 1K"]\nnet-small = ["params < 1K"]\n'
    (here / "pyproject.toml").write_text(table, encoding="utf-8")
    budgets.forget_projects()
    done = command("check", "--format", "json")
    small, wide = json.loads(done.out)["models"]
    assert [verdict["holds"] for verdict in small["budgets"]] == [True]
    assert [verdict["holds"] for verdict in wide["budgets"]] == [False]
    assert command("check", "net.yaml").code == 1  # a spec without a lock has its budgets, too


def test_the_receptive_field_is_that_of_the_last_map_that_does_not_see_all() -> None:
    """VGG-16 behind its last pooling, and what global pooling makes of a network (Araujo et al., Distill 2019)."""
    assert_within("vgg16", "receptive_field <= 212", "receptive_field >= 212")


def test_latency_is_judged_against_a_baseline_of_the_same_run(
    here: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    short = lambda **given: Conditions(**given | {"time_limit": 0.2})  # noqa: E731 - whether it is judged, not how well
    monkeypatch.setattr("archcalc.measurement.conditions.Conditions", short)
    command("lock", "net.yaml:small")
    for bound, force, code in (("1000", ", required", 0), ("0.0001", "", 0), ("0.0001", ", required", 1)):
        text = re.sub(r"budget .*\n", "", (here / "archcalc.lock").read_text(encoding="utf-8"))
        budget = f"budget latency <= {bound} × net.yaml:wide{force}\n"
        (here / "archcalc.lock").write_text(text.replace("\nmodel", f"{budget}\nmodel", 1), encoding="utf-8")
        done = command("check")
        assert (done.code, "– budget latency" in done.out) == (3 if force else 0, True)
        done = command("check", "--measure")
        assert (done.code, f"{'✓' if bound == '1000' else '✗' if force else '!'} budget" in done.out) == (code, True)


def require(lock: Path) -> None:
    """Put a budget for latency into a lock."""
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text.replace("\nmodel", "budget latency <= 2 × lenet5, required\n\nmodel", 1), encoding="utf-8")


def test_a_required_budget_that_was_not_measured_passes_nothing(here: Path, command: Run) -> None:
    command("lock", "net.yaml:small")
    require(here / "archcalc.lock")
    done = command("check")
    assert done.code == 3
    assert "– budget latency <= 2 × lenet5, required: not measured; `--measure` does" in done.out
    assert "1 required budget was not measured" in done.out
    assert "✓" not in done.out
    found = json.loads(command("check", "--format", "json").out)
    assert (found["ok"], found["models"][0]["ok"], found["models"][0]["budgets"][0]["holds"]) == (False, False, None)
    junit = ElementTree.fromstring(command("check", "--format", "junit").out)
    assert [case.get("message") for case in junit.iter("skipped")] == [
        "latency <= 2 × lenet5, required: not measured; `--measure` does"
    ]
    assert [suite.get("skipped") for suite in junit.iter("testsuite")] == ["1", "0"]
    assert command("check", "--format", "github").out.startswith("::warning file=archcalc.lock,line=")
    (result,) = [
        one
        for one in json.loads(command("check", "--format", "sarif").out)["runs"][0]["results"]
        if "budget" in str(one)
    ]
    assert (result["kind"], result["level"]) == ("open", "none")
    with pytest.raises(NotMeasured, match="was not measured"):
        assert_locked()
    edit(here / "net.yaml", "conv 8 | conv 16\n    head", "conv 9 | conv 16\n    head")
    assert command("check").code == 1, "what does not hold comes first"


def test_a_budget_of_a_spec_is_measured_too(here: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def latencies(model: Selection, baseline: Selection) -> tuple[float, float]:
        asked.append((model.name, baseline.name))
        return 3.0, 2.0

    monkeypatch.setattr("archcalc.tasks.check._latencies", latencies)
    (here / "pyproject.toml").write_text('[tool.archcalc]\nbudgets = ["latency <= 2 × lenet5, required"]\n')
    budgets.forget_projects()
    assert command("check", "net.yaml").code == 3
    assert command("check", "net.yaml", "--measure").code == 0
    assert asked == [("net-small", "lenet5"), ("net-wide", "lenet5")]


def test_what_cannot_be_measured_stays_open_and_all_else_is_said(
    here: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Selection) -> None:
        raise Unavailable("this needs torch, which is not installed")

    monkeypatch.setattr("archcalc.tasks.check._latencies", none)
    command("lock", "net.yaml")
    require(here / "archcalc.lock")
    done = command("check", "--measure")
    assert done.code == 3
    assert "not measured, as this needs torch, which is not installed" in " ".join(done.out.split())
    edit(here / "net.yaml", "conv 8 | conv 16\n    head", "conv 9 | conv 16\n    head")
    done = command("check", "--measure")
    assert (done.code, "out=8 → out=9" in done.out) == (1, True)


def test_ctrl_c_while_budgets_are_measured_keeps_what_was_found(
    here: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(model: Selection, _: Selection) -> tuple[float, float]:
        if "wide" in model.name:
            raise KeyboardInterrupt
        return 1.0, 1.0

    monkeypatch.setattr("archcalc.tasks.check._latencies", stop)
    command("lock", "net.yaml")
    require(here / "archcalc.lock")
    lock = (here / "archcalc.lock").read_bytes()
    edit(here / "net.yaml", "conv 8 | conv 16\n    head", "conv 9 | conv 16\n    head")
    done = command("check", "--measure", "--update")
    assert done.code == 130
    assert "✓ budget latency <= 2 × lenet5, required: 1 ms, at most 2 ms" in done.out
    assert "– budget latency" in done.out
    assert "out=8 → out=9" in done.out
    assert (here / "archcalc.lock").read_bytes() == lock, "nothing is accepted that was not seen"


# --- what is not held, and what is not locked -----------------------------------------------------------------------


def test_a_named_spec_says_which_lock_it_was_not_held_against(here: Path, command: Run) -> None:
    (here / "models").mkdir()
    (here / "net.yaml").rename(here / "models" / "net.yaml")
    command("lock", "models/net.yaml:net-small")
    edit(here / "models" / "net.yaml", "classes: 10", "classes: 100")
    done = command("check", "models/net.yaml")
    assert done.code == 0
    said = " ".join(done.out.split())
    assert (
        "not held against `archcalc.lock`, which locks 1 model of `models/net.yaml`, not `models/net.yaml:net-wide`"
        in said
    )
    assert "`archcalc check archcalc.lock` does" in said
    (lacking,) = json.loads(command("check", "models/net.yaml", "--format", "json").out)["not_held"]
    assert lacking["what"] == "archcalc.lock"
    assert "::warning file=archcalc.lock" in command("check", "models/net.yaml", "--format", "github").out
    assert "<skipped" in command("check", "models/net.yaml", "--format", "junit").out
    both = command("check", "models/net.yaml", "archcalc.lock")
    assert (both.code, "not held" in both.out) == (1, False)
    held = command("check", "models/net.yaml", "--strict")
    assert (held.code, "not held" in held.out, "classes" in held.out or "out=10 → out=100" in held.out) == (
        1,
        False,
        True,
    )
    (here / "archcalc.lock").write_text("archcalc lock 9\n", encoding="utf-8")
    assert "cannot be read, and may lock models" in " ".join(command("check", "models/net.yaml").out.split())


def test_a_lock_above_the_repository_or_of_other_specs_is_no_matter(here: Path, command: Run) -> None:
    inner = here / "inner"
    inner.mkdir()
    (here / "net.yaml").rename(inner / "net.yaml")
    command("lock", "lenet5")
    assert "not held" not in command("check", "inner/net.yaml").out
    command("lock", "inner/net.yaml")
    assert "not held" in command("check", "inner/net.yaml").out
    (inner / ".git").mkdir()
    assert "not held" not in command("check", "inner/net.yaml").out


def test_a_model_that_is_new_in_a_locked_spec_is_named(here: Path, command: Run) -> None:
    command("lock", "net.yaml:net-small", "vgg16")
    for arguments in ([], ["archcalc.lock"]):
        done = command("check", *arguments)
        assert done.code == 0
        assert "`net.yaml:net-wide` is not locked; `archcalc lock` does" in done.out
        assert "vgg19" not in done.out, "of a shipped spec nobody locks all"
        strict = command("check", *arguments, "--strict")
        assert (strict.code, "✗ 1 model is not locked" in strict.out) == (1, True)
    found = json.loads(command("check", "--strict", "--format", "json").out)
    assert found["not_locked"] == [{"name": "net.yaml:net-wide", "where": "net.yaml:3:28"}]
    assert (found["ok"], found["strict"]) == (False, True)
    assert "::error file=net.yaml,line=3,col=28" in command("check", "--strict", "--format", "github").out
    assert "::warning file=net.yaml,line=3,col=28" in command("check", "--format", "github").out
    assert command("check", "net.yaml", "--strict").code == 1
    command("lock", "net.yaml:wide", "-o", "other.lock")
    done = command("check", "--strict")
    assert (done.code, "not locked" in done.out) == (0, False), "another lock has it, under the name of its variant"
    assert command("check", "net.yaml", "--strict").code == 0


def test_strict_wants_every_model_of_the_named_specs(here: Path, command: Run) -> None:
    (here / "one.yaml").write_text("input: 4\nlayers:\n  - linear(2)\n", encoding="utf-8")
    done = command("check", "one.yaml", "--strict")
    assert (done.code, "`one.yaml:one` is not locked" in done.out) == (1, True)
    command("lock", "one.yaml")
    assert command("check", "one.yaml", "--strict").code == 0
    done = command("check", "one.yaml", "net.yaml", "--strict")
    assert (done.code, "✗ 2 models are not locked" in done.out) == (1, True)


# --- the JSON says what the lock has --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["net.yaml:net-small", "googlenet"])
def test_locked_totals_are_those_of_the_lock(model: str, here: Path, command: Run) -> None:
    """Of what follows from the locked sums too; by the report of the network as it was."""
    before = load(model).report()
    command("lock", model)
    was = budgets.quantities(before)
    ((now,),) = [json.loads(command("check", "--format", "json").out)["models"]]
    heads = before.totals_with_heads is not None
    unknown = {f"{name} with heads" for name in before.totals.counts()} if heads else set()
    unknown -= {f"{name} with heads" for name in ("params", "macs", "flops", "param_bytes")}
    assert {name: both["locked"] for name, both in now["totals"].items()} == {
        name: None if name in unknown else value for name, value in was.items()
    }
    lock = (here / "archcalc.lock").read_text(encoding="utf-8")
    (here / "archcalc.lock").write_text(
        re.sub(r"  macs ([\d,]+)\n", lambda found: f"  macs {int(found[1].replace(',', '')) + 7:,}\n", lock),
        encoding="utf-8",
    )
    ((now,),) = [json.loads(command("check", "--format", "json").out)["models"]]
    assert now["totals"]["macs"] == {"locked": was["macs"] + 7, "now": was["macs"]}
    assert now["totals"]["flops"] == {"locked": 2 * was["macs"] + 14, "now": 2 * was["macs"]}
    assert now["totals"]["flops with heads"]["now"] == was["flops with heads"]


def test_a_model_without_a_lock_has_no_locked_totals(here: Path, command: Run) -> None:
    (here / "pyproject.toml").write_text('[tool.archcalc]\nbudgets = ["params < 1M"]\n')
    budgets.forget_projects()
    for model in json.loads(command("check", "net.yaml", "--format", "json").out)["models"]:
        assert model["lock"] is None
        assert {both["locked"] for both in model["totals"].values()} == {None}


def test_places_of_budgets_are_relative(here: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    command("lock", "net.yaml")
    (here / "pyproject.toml").write_text('[tool.archcalc]\nbudgets = ["params < 1K", "macs < 9T"]\n')
    (here / "sub").mkdir()
    (here / "sub" / "net.yaml").write_text(NET, encoding="utf-8")
    command("lock", "sub/net.yaml", "-o", "sub/archcalc.lock")
    for folder, path in ((here, "pyproject.toml"), (here / "sub", "../pyproject.toml")):
        monkeypatch.chdir(folder)
        found = json.loads(command("check", "archcalc.lock", "--format", "json").out)
        places = [verdict["where"] for model in found["models"] for verdict in model["budgets"]]
        assert places == [f"{path}:2:13", f"{path}:2:28"] * 2


# --- locks that are found -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["a.lock", "z.lock"])
def test_a_lock_beside_a_link_to_it_is_read_by_its_own_name(link: str, here: Path, command: Run) -> None:
    (here / "real").mkdir()
    (here / "net.yaml").rename(here / "real" / "net.yaml")
    command("lock", "real/net.yaml", "-o", "real/m.lock")
    for folder, target in ((here, "real/m.lock"), (here / "real", "m.lock")):
        (folder / link).symlink_to(target)
    for arguments in ([], [link, "real"]):
        done = command("check", *arguments)
        assert (done.code, "all 2 models are as locked" in done.out) == (0, True), done.out


def test_a_folder_that_cannot_be_entered_is_a_warning(
    here: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: str | Path) -> Any:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    scan = os.scandir
    command("lock", "net.yaml")
    (here / "secret").mkdir()
    monkeypatch.setattr(os, "scandir", refusing)
    done = command("check")
    assert done.code == 0
    assert "all 2 models are as locked" in done.out
    assert "secret` cannot be entered: Permission denied" in done.out
    assert json.loads(command("check", "--format", "json").out)["not_held"][0]["what"].endswith("secret")
    (here / "archcalc.lock").unlink()
    done = command("check")
    assert (done.code, "secret` cannot be entered" in done.err) == (2, True)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root enters every folder")
def test_a_folder_that_really_cannot_be_entered_is_a_warning(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    (here / "secret").mkdir(mode=0)
    done = command("check")
    assert (done.code, "cannot be entered" in done.out) == (0, True)


# --- Python -------------------------------------------------------------------------------------------------------


def test_assertions(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    assert_locked()
    assert_locked("archcalc.lock", "net.yaml:net-small")
    assert_claims("net.yaml")
    edit(here / "net.yaml", "conv 8 | conv 16\n    head", "conv 9 | conv 16\n    head")
    with pytest.raises(AssertionError, match="out=8 → out=9"):
        assert_locked()
    assert_locked("archcalc.lock", "net.yaml:net-wide")
    with pytest.raises(ArchcalcError, match="`x` is not in"):
        assert_locked("archcalc.lock", "x")


# --- robust -------------------------------------------------------------------------------------------------------


# Ctrl-C is heard also where a shell's background job runs the tests: these ignore it, and what they start.
START = """\
import signal, sys
from archcalc.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[1:])
"""


def call(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", START, *arguments]
    return subprocess.Popen(command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_killed_at_any_moment_an_update_loses_nothing(here: Path, command: Run) -> None:
    command("lock", "net.yaml", "resnet18")
    path = here / "archcalc.lock"
    before = path.read_bytes()
    edit(here / "net.yaml", "conv 8 | conv 16\n    head", "conv 9 | conv 16\n    head")
    start = time.perf_counter()
    process = call("check", "--update", cwd=here)
    process.communicate(timeout=60)
    whole = time.perf_counter() - start
    after = path.read_bytes()
    assert before != after
    seen = set()
    for step in range(24):
        path.write_bytes(before)
        process = call("check", "--update", cwd=here)
        time.sleep(whole * (0.3 + 0.8 * step / 24))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        found = path.read_bytes()
        assert found in (before, after)
        seen.add(found)
    path.write_bytes(before)
    (here / ".archcalc-0123456789abcdef.tmp").touch()  # as a run that was killed leaves it
    process = call("check", "--update", cwd=here)
    assert process.wait(timeout=60) == 0
    assert path.read_bytes() == after
    assert not list(here.glob(".*.tmp"))


def test_killed_at_every_step_of_writing(here: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever call writing makes, dying in it leaves the old lock or the new one."""
    command("lock", "net.yaml")
    path = here / "archcalc.lock"
    before = path.read_bytes()
    edit(here / "net.yaml", "conv 8 | conv 16\n    head", "conv 9 | conv 16\n    head")

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    steps = [(os, name) for name in ("open", "urandom", "fdopen", "fsync")]
    for where, name in (*steps, (Path, "chmod"), (Path, "replace")):
        with monkeypatch.context() as patched:
            patched.setattr(where, name, die)
            with pytest.raises(Killed):
                command("check", "--update")
        assert path.read_bytes() == before
    assert command("check", "--update").code == 0


@pytest.mark.slow
def test_parallel_runs_do_not_collide(here: Path) -> None:
    names = ("lenet5", "alexnet", "vgg11", "nin", "net.yaml:small", "net.yaml:wide")
    running = [call("lock", name, cwd=here) for name in names]
    for process in running:
        assert process.wait(timeout=120) == 0, process.communicate()[1]
    assert set(read_lock(here / "archcalc.lock").sections) == set(names)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_said(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    here.chmod(0o555)
    try:
        assert command("check").code == 0
        assert command("lock", "lenet5").code == 3
    finally:
        here.chmod(0o755)


def test_a_folder_that_takes_nothing_is_said(here: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    command("lock", "net.yaml")
    monkeypatch.setattr(files, "_new", refuse)
    assert command("check").code == 0
    done = command("lock", "lenet5")
    assert (done.code, "Permission denied" in done.err) == (3, True)


def test_all_cores_give_what_one_gives(here: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (here / f"n{number}.yaml").write_text(NET.replace("conv 8", f"conv {number + 1}"), encoding="utf-8")
    command("lock", *(f"n{number}.yaml" for number in range(30)))
    for number in (3, 17):
        edit(here / f"n{number}.yaml", "bias=False", "bias=True")
    (here / "n5.yaml").write_text("layers: [", encoding="utf-8")
    ticks: list[tuple[int, int]] = []
    path = here / "archcalc.lock"
    together = check_locks([(path, "archcalc.lock")], lambda *found: ticks.append(found))
    monkeypatch.setattr("archcalc.gate.build.FEW", 1000)
    alone = check_locks([(path, "archcalc.lock")])

    def plain(model: CheckedModel) -> tuple[Any, ...]:
        error = model.error
        return model.name, model.drift, model.totals, error and error.message, model.ok

    assert [plain(m) for m in together[0].models] == [plain(m) for m in alone[0].models]
    assert ticks[-1] == (60, 60)
    assert sum(not model.ok for model in together[0].models) == 6
    assert isinstance(next(m.error for m in together[0].models if m.error), SpecError)


def test_a_gate_loads_no_torch(here: Path) -> None:
    assert call("lock", "net.yaml", "resnet18", cwd=here).wait(timeout=60) == 0
    program = (
        "import sys\nfrom archcalc.cli import _run\n"
        "assert _run(['check', '--claims', '--format', 'json=a.json', '--format', 'junit=b.xml']) == 0\n"
        "print([name for name in ('torch', 'pandas', 'matplotlib', 'numpy') if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.endswith("[]\n")


@pytest.mark.slow
def test_watching_shows_a_saved_file(here: Path) -> None:
    assert call("lock", "net.yaml", cwd=here).wait(timeout=60) == 0
    process = call("check", "--watch", cwd=here)
    try:
        assert process.stdout is not None
        shown = ""
        while "watching" not in shown:
            shown += process.stdout.readline()
        assert "all 2 models are as locked" in shown
        edit(here / "net.yaml", "conv 8 | conv 16\n    head", "conv 9 | conv 16\n    head")
        shown = ""
        while "watching" not in shown:
            shown += process.stdout.readline()
        assert "out=8 → out=9" in shown
        assert f"{load(str(here / 'net.yaml:small')).totals.params:,} params" in shown
        (here / "net.yaml").write_text("input: 8\nlayers: [", encoding="utf-8")
        shown = ""
        while "watching" not in shown:
            shown += process.stdout.readline()
        assert "net.yaml:2" in shown
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130


# --- the page -----------------------------------------------------------------------------------------------------


def test_the_page_shows_what_is_printed(here: Path, command: Run) -> None:
    page = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    shown = re.search(r"```\n\$ archcalc check\n(.*?)```", page, re.DOTALL)
    assert shown
    (here / "net.yaml").unlink()
    command("new", "net")
    command("lock", "net.yaml:net-small")
    edit(here / "net.yaml", "conv(c, 3, s) bn relu conv(c, 3) bn", "conv(c, 3) bn relu conv(c, 3, s) bn")
    assert command("check").out == shown[1]


# --- our own zoo --------------------------------------------------------------------------------------------------


def test_every_model_of_the_zoo_is_locked() -> None:
    locked = set(read_lock(LOCK).sections)
    wanted = set()
    for path in zoo.spec_files():
        _, found = zoo.selections(path)
        names = [selection.entry.name.value if selection.entry else selection.variant.name.value for selection in found]
        shown = f"../specs/{path.name}"
        wanted |= {f"{shown}:{name}" for name in names} if len(names) > 1 else {shown}
    assert locked == wanted, "tests/zoo.lock is stale: run `make lock`"


def test_the_places_of_a_lock_are_texts_with_a_line() -> None:
    first = next(iter(read_lock(LOCK).sections.values())).model
    assert isinstance(first, Text)
    assert isinstance(first.source, Source)
    assert first.source.lines[first.line - 1] == f"model {first}"
