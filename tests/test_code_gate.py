"""Locks of code and of traces: what changed at its line, what becomes of checkpoints (torch's own word for it), and
that a name in a lock runs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn, ones, zeros
from torch.nn import functional as F

from archcalc import testing
from archcalc.analysis.counts import analyse
from archcalc.gate.lock import entry_of
from archcalc.models import capture
from tests.test_commands import Run, command, mend

__all__ = ["command"]  # a fixture

NET = """
import torch
from torch import nn

print("it runs")


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.blocks = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(2)])
        self.pos = nn.Parameter(torch.zeros(8, 1, 1))
        self.aux = nn.Linear(8, 4)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        x = torch.relu(self.stem(x)) + self.pos
        for block in self.blocks:
            x = x + block(x)
        return self.fc(x.mean((2, 3)))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 8)
        self.head = nn.Linear(8, 100, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids, mask):
        return self.head(self.embed(ids) * mask[..., None])
"""
INPUT = ("--input", "3x8x8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> Path:
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    # An edit of the same length within a second would be taken for what was compiled before.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert command("lock", "net.py:Net", *INPUT).code == 0
    return tmp_path


class Held(nn.Module):
    """Two layers, a norm, a free bias and two buffers, of which `work` makes something."""

    def __init__(self, work: Any) -> None:
        super().__init__()
        self.a, self.b, self.bn, self.bias = nn.Linear(6, 6), nn.Linear(6, 6), nn.BatchNorm2d(4), nn.Parameter(zeros(6))
        self.register_buffer("one", ones(6))
        self.register_buffer("two", zeros(6))
        self.work = work

    def forward(self, x: Tensor) -> Any:
        return self.work(self, self.b(self.a(x)))


# Two things that are done on 4×6×6 that give other numbers, or work with other names of a `state_dict`.
OTHERWISE: dict[str, tuple[Any, Any]] = {
    "a parameter less": (lambda m, x: x - m.bias, lambda m, x: m.bias - x),
    "by a parameter": (lambda m, x: x / m.bias, lambda m, x: m.bias / x),
    "from the left": (lambda m, x: x @ m.a.weight, lambda m, x: m.a.weight @ x),
    "a buffer less": (lambda m, x: x - m.one, lambda m, x: m.one - x),
    "another buffer": (lambda m, x: x * m.one, lambda m, x: x * m.two),
    "another's weight": (lambda m, x: F.linear(x, m.a.weight, m.bias), lambda m, x: F.linear(x, m.b.weight, m.bias)),
    "crossed": (lambda m, x: F.linear(x, m.a.weight, m.b.bias), lambda m, x: F.linear(x, m.b.weight, m.a.bias)),
    "another axis": (lambda m, x: x[:, :, m.two.long()], lambda m, x: x[:, :, :, m.two.long()]),
    "the batch's statistics": (
        lambda m, x: m.bn(x),
        lambda m, x: F.batch_norm(x, m.bn.running_mean, m.bn.running_var, m.bn.weight, m.bn.bias, True),
    ),
    "by a factor": (lambda _, x: F.interpolate(x, size=8), lambda _, x: F.interpolate(x, scale_factor=1.4)),
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_what_is_otherwise_is_another_lock(case: str) -> None:
    graphs = [capture(Held(work).eval(), ones(1, 4, 6, 6)).graph for work in OTHERWISE[case]]
    one, other = [entry_of("m", analyse(graph)).text() for graph in graphs]
    assert one != other


def _module(text: str) -> nn.Module:
    names: dict[str, Any] = {}
    exec(text, names)
    made: nn.Module = names["Net"]()
    return made


EDITS = {
    "padding": ("3, 8, 3, padding=1", "3, 8, 3, padding=0", "conv: pad=1 → pad=0"),
    "an activation": ("torch.relu(self.stem(x))", "torch.sigmoid(self.stem(x))", "sigmoid is new"),
    "no skip": ("x = x + block(x)", "x = block(x)", "add is gone"),
    "classes": ("classes=10", "classes=12", "linear: out=10 → out=12"),
    "no norm": (", nn.BatchNorm2d(8)", "", "bn is gone, 16 params"),
    "a part unused": ("self.aux = nn.Linear(8, 4)", "self.aux = nn.Linear(8, 5)", "output 4×8 → 5×8"),
    "a part gone": ("        self.aux = nn.Linear(8, 4)\n", "", "unused"),
    "another name": ("self.fc", "self.head", "old checkpoints no longer load"),
    "a bias": ("bias=False), nn.Batch", "bias=True), nn.Batch", "conv: bias=False → bias=True"),
    "a position": ("torch.zeros(8, 1, 1)", "torch.zeros(8, 8, 8)", "=pos 8×8×8"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_named_and_torch_says_the_same_of_checkpoints(folder: Path, command: Run, edit: str) -> None:
    old, new, said = EDITS[edit]
    assert command("check", "net.py:Net").code == 0
    mend(folder / "net.py", old, new)
    found = command("check", "net.py:Net", "archcalc.lock")
    assert found.code == 1
    assert said in found.out
    assert edit in ("a part gone", "another name") or "net.py:" in found.out
    document = json.loads(command("check", "net.py:Net", "--format", "json").out)
    checkpoint = document["models"][0]["checkpoint"]
    mended = (folder / "net.py").read_text()
    before = _module(NET).state_dict()
    now = _module(mended).state_dict()
    shapes = {key: tuple(value.shape) for key, value in before.items() if not key.endswith("num_batches_tracked")}
    there = {key: tuple(value.shape) for key, value in now.items() if not key.endswith("num_batches_tracked")}
    moved = {entry["name"]: entry["now"] for entry in checkpoint["renamed"]}
    assert {*checkpoint["gone"], *moved} == shapes.keys() - there.keys()
    assert {*checkpoint["missing"], *moved.values()} == there.keys() - shapes.keys()
    reshaped = {entry["name"] for entry in checkpoint["reshaped"]}
    assert reshaped == {key for key in shapes.keys() & there.keys() if shapes[key] != there[key]}
    assert checkpoint["kept"] == len(shapes.keys() & there.keys()) - len(reshaped)


def test_a_lock_runs_no_code_and_says_so(folder: Path, command: Run) -> None:
    found = command("check")
    assert found.code == 3
    assert "nothing was held" in found.out
    assert "`archcalc check archcalc.lock net.py:Net`" in " ".join(found.out.split())
    assert "it runs" not in found.err
    assert "<skipped" in command("check", "--format", "junit").out
    with pytest.raises(testing.NotMeasured, match="is code"):
        testing.assert_locked()
    assert command("lock", "lenet5").code == 0
    found = command("check")
    assert found.code == 0
    assert "the model is as locked" in found.out
    assert "is code" in found.out
    assert "it runs" not in found.err
    (folder / "net.py").unlink()
    assert command("check").code == 0


def test_a_trace_is_held_without_torch(folder: Path, command: Run) -> None:
    (folder / "below").mkdir()
    command("trace", "net.py:Net", *INPUT, "-o", "below/net.json")
    assert command("lock", "below/net.json").code == 0
    whole = (folder / "archcalc.lock").read_text().split("\nmodel ")
    assert whole[2].partition("\n")[2].strip() == whole[1].partition("\n")[2].strip() + "\n\nend"
    (folder / "net.py").unlink()
    code = (
        "import sys; from archcalc import cli; sys.modules['torch'] = None\n"
        "try: cli.main(['check'])\nexcept SystemExit as left: raise SystemExit(left.code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "the model is as locked" in done.stdout) == (0, True), (done.stdout, done.stderr)
    assert command("check", "below/net.json").code == 0
    mend(folder / "below" / "net.json", '"padding": [1, 1]', '"padding": [2, 2]')
    found = command("check", "archcalc.lock")
    assert found.code == 1
    assert "padding=2×2" in found.out


def test_inputs_stand_in_the_lock(folder: Path, command: Run) -> None:
    named = ("--input", "ids=7:int64", "--input", "mask=7")
    assert command("lock", "net.py:Words", *named).code == 0
    text = (folder / "archcalc.lock").read_text()
    assert "input ids 7:int64, mask 7\n" in text
    assert "head | linear(out=100, bias=False) | 7×100 | 0 | 5,600 | 2,800 | as embed\n" in text
    assert command("check", "net.py:Words").code == 0
    assert command("check", "net.py:Words", "net.py:Net").code == 0
    found = command("check", "net.py:Net@3x16x16")
    assert found.code == 1
    assert "input 3×8×8 → 3×16×16" in found.out
    assert command("check", "net.py:Net", "--kwargs", '{"classes": 3}').code == 1
    assert command("check", "net.py:Net", "--kwargs", '{"classes": 3}', "--update").code == 0
    assert command("check", "net.py:Net", "--kwargs", '{"classes": 3}').code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "net.py:Words"), 2, "no lock here has `net.py:Words`"),
        (("check", "archcalc.lock", *INPUT), 2, "`--input` is for code here"),
        (("check", "archcalc.lock", "--kwargs", "{}"), 2, "`--kwargs` is for code here"),
        (("check", "net.py:Net", "--watch"), 2, "runs no code"),
        (("lock", "net.py:Net"), 2, "nothing says what `net.py:Net` takes"),
        (("lock", "net.py:Nett", *INPUT), 2, "has no `Nett`"),
        (("lock", "lenet5", *INPUT), 2, "`--input` is for code here"),
        (("lock", "none.json"), 2, "there is no file `none.json`"),
        (("check", "gone.py:Net"), 2, "no lock here has `gone.py:Net`"),
        (("check", "out.lock"), 2, "may not be named here"),
        (("check", "other.lock"), 2, "is no trace that can be read"),
    ],
)
def test_what_is_wrong_is_said_once(folder: Path, command: Run, words: tuple[str, ...], code: int, said: str) -> None:
    (folder / "out.lock").write_text("archcalc lock 1\nmodel ../secret.json\nend\n")
    (folder / "other.lock").write_text("archcalc lock 1\nmodel secret.json\nend\n")
    for place in (folder, folder.parent):
        (place / "secret.json").write_text('{"password": "hunter2"}')
    found = command(*words)
    assert found.code == code
    assert said in found.err + found.out
    assert "hunter2" not in found.err + found.out
    assert "Traceback" not in found.err


def test_code_that_fails_is_told_at_its_line(folder: Path, command: Run) -> None:
    mend(folder / "net.py", "x.mean((2, 3))", "x.mean((2, 3)).nothing")
    found = command("check", "net.py:Net")
    assert found.code == 2
    assert "net.py:21" in found.out + found.err


def test_a_name_that_would_break_a_line_is_refused(folder: Path, command: Run) -> None:
    parts = 'nn.ModuleDict({"a | b": nn.Conv2d(8, 8, 3, padding=1)})'
    mend(folder / "net.py", "nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(2)])", parts)
    mend(folder / "net.py", "in self.blocks:", "in self.blocks.values():")
    found = command("lock", "net.py:Net", *INPUT)
    assert found.code == 2
    assert "a lock cannot hold a" in found.err


def test_what_is_held_against_another_lends_it_its_input(folder: Path, command: Run) -> None:
    assert command("check", "net.py:Net", *INPUT, "--against", "net.py:Net").code == 0
    ids = "--input", "ids=4:int64", "--input", "mask=4"
    found = command("check", "net.py:Words", *ids, "--against", "net.py:Words")
    assert (found.code, "are equal" in found.out) == (0, True)
