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

import pytest

from archcalc import files
from archcalc.errors import ArchcalcError, Source, SpecError, Text
from archcalc.gate import budgets
from archcalc.gate.build import CheckedModel, check_locks, find_locks
from archcalc.gate.drift import Change, compare, places
from archcalc.gate.lock import entry_of, read_lock
from archcalc.language import zoo
from archcalc.models import load
from archcalc.show import drift as gated
from archcalc.testing import assert_claims, assert_locked, assert_within
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
    budgets.project.cache_clear()
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
        name.endswith("unit.1/conv.weight") and now.endswith("unit/conv.weight") for name, now in renamed.items()
    )
    assert any(name.endswith("unit.2/conv.weight") for name in model["checkpoint"]["gone"])


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
        locked = {f"{line.path}.{key}": shape for line in entry.lines for key, shape in line.state}
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
    budgets.project.cache_clear()
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
        ('[tool.archcalc]\nbudgets = ["latency < 3 ms"]\n', "bounded by what another model takes"),
        ("[tool.archcalc]\nbudgets = [3]\n", "budgets are a list of texts"),
        ("[tool.archcalc\n", "is not TOML"),
        ('[tool.archcalc.budgets]\n"net.yaml:net-smal" = ["params < 1K"]\n', "Did you mean `net.yaml:net-small`?"),
    ],
)
def test_a_bad_budget_is_named(toml: str, told: str, here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    (here / "pyproject.toml").write_text(toml, encoding="utf-8")
    budgets.project.cache_clear()
    done = command("check")
    assert done.code == 2
    assert told in done.out + done.err
    assert "pyproject.toml" in done.out + done.err


def test_budgets_for_some_models(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    table = '[tool.archcalc.budgets]\n"*-wide" = ["params < 1K"]\nnet-small = ["params < 1K"]\n'
    (here / "pyproject.toml").write_text(table, encoding="utf-8")
    budgets.project.cache_clear()
    done = command("check", "--format", "json")
    small, wide = json.loads(done.out)["models"]
    assert [verdict["holds"] for verdict in small["budgets"]] == [True]
    assert [verdict["holds"] for verdict in wide["budgets"]] == [False]
    assert command("check", "net.yaml").code == 1  # a spec without a lock has its budgets, too


def test_the_receptive_field_is_that_of_the_last_map_that_does_not_see_all() -> None:
    """VGG-16 behind its last pooling, and what global pooling makes of a network (Araujo et al., Distill 2019)."""
    assert_within("vgg16", "receptive_field <= 212", "receptive_field >= 212")


def test_latency_is_judged_against_a_baseline_of_the_same_run(here: Path, command: Run) -> None:
    pytest.importorskip("torch")
    command("lock", "net.yaml:small")
    for bound, force, code in (("1000", ", required", 0), ("0.0001", "", 0), ("0.0001", ", required", 1)):
        text = re.sub(r"budget .*\n", "", (here / "archcalc.lock").read_text(encoding="utf-8"))
        budget = f"budget latency <= {bound} × net.yaml:wide{force}\n"
        (here / "archcalc.lock").write_text(text.replace("\nmodel", f"{budget}\nmodel", 1), encoding="utf-8")
        done = command("check")
        assert (done.code, "not measured" in done.out) == (0, True)
        assert command("check", "--measure").code == code


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
        (here / "net.yaml").write_text("layers: [", encoding="utf-8")
        shown = ""
        while "watching" not in shown:
            shown += process.stdout.readline()
        assert "net.yaml:1" in shown
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
