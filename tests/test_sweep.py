"""Sweeps: every point is the network itself, what is kept is what brute force keeps, and no kill loses a point."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from archcalc import cli
from archcalc.analysis.counts import Totals
from archcalc.candidates import Candidates, Exceeded
from archcalc.errors import ArchcalcError, Unavailable, UsageError
from archcalc.language.zoo import select
from archcalc.measurement.latency import Measurement
from archcalc.models import load
from archcalc.parallel import streamed
from archcalc.schemas import generate as schema
from archcalc.tasks import engines, sweep
from archcalc.tasks.choose import NoneLeft
from archcalc.tasks.scale import ScaleResult, scale
from archcalc.tasks.space import Space
from archcalc.tasks.store import Store
from archcalc.tasks.sweep import Chunk, Plan, count_chunk, front
from tests.test_render import run_of

TINY = """\
input: 3 × 8 × 8
given: {c: 4, k: 3, n: 1}
layers:
  - unit x(n)
  - gap linear(c)
blocks:
  unit:
    - conv(c, k, pad=0) bn relu
"""
AXES = {"c": "1..12", "k": "1,3,9", "n": "1..3"}  # no kernel of 9 fits


def space(axes: dict[str, str], derived: dict[str, str] | None = None, known: str = "a b c") -> Space:
    return Space(axes.items(), (derived or {}).items(), known.split().__contains__)


def needs(package: str) -> pytest.MarkDecorator:
    there = importlib.util.find_spec(package) is not None
    return pytest.mark.skipif(not there, reason=f"{package} is not installed: `pip install archcalc[sweep]`")


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return f"{tmp_path}/tiny.yaml"


# --- what varies ------------------------------------------------------------------------------------------------------


def test_the_points_of_a_space_are_its_product_in_order() -> None:
    found = space({"batch": "1", "a": "1..3", "b": "1,0.5"})
    assert found.size == 6
    assert [found.at(n).settings for n in range(6)] == [
        {"a": a, "b": b} for a, b in product((1, 2, 3), (1, Fraction(1, 2)))
    ]


def test_expressions_follow_from_one_another_and_from_names_that_are_no_constants() -> None:
    found = space({"phi": "0..7"}, {"c": "b + 1", "a": "1.2**phi", "b": "round(224*1.15**phi)"})
    point = found.at(2)
    assert point.settings == {"c": 297, "a": Fraction(36, 25), "b": 296}  # 224 · 1.3225 = 296.24
    assert point.shown == {"phi": "2", "a": "1.44", "b": "296", "c": "297"}


@pytest.mark.parametrize(
    ("axes", "derived", "message"),
    [
        ({"d": "1,2"}, {}, ""),  # whoever builds it says so
        ({"phi": "1,2"}, {"a": "1.2**psi"}, "`psi` is nothing that varies"),
        ({"phi": "1,2"}, {"a": "b", "b": "a"}, "need one another: a, b"),
        ({"a": "1,2"}, {"a": "phi"}, "`phi` is nothing that varies"),
        ({"dtype": "float31"}, {}, "`float31` is no dtype"),
        ({"a b": "1"}, {}, "`a b` is no name"),
        ({"a": "1"}, {"b": "__import__('os')"}, "is not a function"),
        ({"a": "1"}, {"b": "a.real"}, "not part of the expression language"),
    ],
)
def test_what_cannot_vary(axes: dict[str, str], derived: dict[str, str], message: str) -> None:
    if not message:
        assert space(axes, derived).settings == ["d"]
        return
    with pytest.raises(ArchcalcError, match=message.replace(".", "\\.").replace("(", "\\(")):
        space(axes, derived)


@pytest.mark.parametrize(
    "words",
    [
        *("--set c=1..x", "--vary c=1..x", "--vary batch=1..x", "--set batch=1..x", "--batch 1..x", "--input 1..x"),
        *("--vary input=1..x", "--vary c=1..9*1", "--vary c=1..9999"),
    ],
)
def test_numbers_that_are_none_are_told_of_the_option_that_gives_them(
    words: str, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["scale", tiny, *words.split(" ")]) == 2
    assert f"`{words}` is " in capsys.readouterr().err


@pytest.mark.parametrize("latin", [False, True])
def test_a_sample_is_of_different_points_and_always_the_same(latin: bool) -> None:
    found = space({"a": "1..50", "b": "1..40", "c": "1..30"})
    drawn = found.sample(200, 1, latin)
    assert list(drawn) == sorted(set(drawn)) == list(found.sample(200, 1, latin)) != list(found.sample(200, 2, latin))
    assert 195 <= len(drawn) <= 200
    assert 0 <= drawn[0] <= drawn[-1] < found.size
    if latin:  # each of 50 values of `a` in its fiftieth of 200 points
        times = [[found.at(n).settings["a"] for n in drawn].count(a) for a in range(1, 51)]
        assert 3 <= min(times) <= max(times) <= 5


def test_a_place_in_a_table_is_set_by_its_row() -> None:
    """One more MBConv6 3×3 of 24 channels in stage 3 of B0, written out."""
    inverted = (24 * 144 + 2 * 144) + (9 * 144 + 2 * 144) + (144 * 6 + 6 + 6 * 144 + 144) + (144 * 24 + 2 * 24)
    for place in ("layers[3]", "layers[MBConv6, k3×3.1]"):
        first, second = scale("efficientnet-b0", vary={place: "2,3"}).points
        assert first.report.totals == load("efficientnet-b0").totals
        assert second.report.totals.params - first.report.totals.params == inverted
    for wrong, message in (("layers[99]", "no row `99`"), ("nothing[3]", "has no `nothing`")):
        with pytest.raises(UsageError, match=message):
            scale("efficientnet-b0", vary={wrong: "1,2"})


# --- what is kept -----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=30), st.integers(1, 3))
def test_a_front_is_what_brute_force_finds(values: list[tuple[int, int, int]], count: int) -> None:
    def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    points = [(each, number) for number, each in enumerate(values)]
    cut = [each[:count] for each in values]
    wanted = [n for n, one in enumerate(cut) if not any(beats(o, one) for o in cut) and one not in cut[:n]]
    assert sorted(number for _, number in front(points, count)) == wanted
    parts = [front(points[at::3], count) for at in range(3)]  # of fronts of parts, in any order
    assert sorted(number for _, number in front([p for part in parts[::-1] for p in part], count)) == wanted


def every(tiny: str, **more: Any) -> ScaleResult:
    return scale(tiny, vary=AXES, **more)


def test_a_sweep_keeps_what_is_kept_of_all_points(tiny: str) -> None:
    plain = every(tiny).points
    assert len(plain) == 72  # 12 · 2 · 3: kernels of 9 do not fit
    within = [point for point in plain if point.report.totals.params <= 500]
    swept = every(tiny, where="params <= 500")
    assert [point.settings for point in swept.points] == [point.settings for point in within]
    assert [point.report.totals for point in swept.points] == [point.report.totals for point in within]
    assert swept.swept is not None
    assert (swept.swept.size, swept.swept.counted, swept.swept.left) == (108, 108, len(within))
    assert swept.swept.dropped == {"params <= 500": 72 - len(within)}
    assert [(each.many, each.number) for each in swept.swept.refused] == [(36, 6)]
    best = every(tiny, best=5, by="macs").points
    assert [p.report.totals.macs for p in best] == sorted(p.report.totals.macs for p in plain)[:5]
    most = every(tiny, best=5, by="macs", maximize=["macs"]).points
    assert [p.report.totals.macs for p in most] == sorted((p.report.totals.macs for p in plain), reverse=True)[:5]
    field = every(tiny, pareto=["params"], maximize=["receptive_field"]).points
    costs = [(point.report.totals.params, point.figure("receptive_field")) for point in field]
    assert len(costs) > 1
    assert costs == sorted(costs)
    step = every(tiny, best=1, by="training_memory_bytes", optimizer="adam").points[0]
    alone = load(tiny, settings=step.settings).training(optimizer="adam")
    assert step.figure("training_memory_bytes") == alone.peak_bytes


def test_a_bound_on_what_varies_is_decided_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    totals = Candidates.totals

    def counted(self: Candidates, *given: Any) -> Totals | Exceeded:
        built.append(given)
        return totals(self, *given)

    monkeypatch.setattr(Candidates, "totals", counted)
    grid = dict.fromkeys(("alpha", "beta", "gamma"), "1..1.5/0.05")
    derived = {"depth": "alpha", "width": "beta", "resolution": "round(224*gamma)"}
    cost = {"cost": "alpha * beta**2 * gamma**2"}
    found = scale("efficientnet-b0", vary=grid, settings=derived | cost, where="cost in 1.995..2.005")
    steps = [Fraction(n, 20) for n in range(20, 31)]
    near = [abs(a * b**2 * g**2 - 2) <= Fraction(5, 1000) for a, b, g in product(steps, repeat=3)]
    assert len(built) == sum(near) == len(found.points) > 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"best": 1, "by": "parms"}, "`parms` is nothing that is known"),
        ({"best": 1}, "go together"),
        ({"best": 1, "by": "training"}, "is of a training step"),
        ({"where": "params > 1G"}, "no point of 108 keeps all bounds"),
        ({"resume": True, "best": 1, "by": "macs"}, "needs the file"),
        ({"jobs": 2}, "are for a sweep"),
        ({"points": "x.txt"}, "no csv, jsonl or parquet"),
        ({"best": 1, "by": "macs", "engine": "ray"}, "none that archcalc has"),
        ({"best": 1, "by": "macs", "engine": "dask"}, "go together"),
        ({"best": 1, "by": "macs", "settings": {"d": "2*c"}}, "not a value that"),
        ({"pareto": ["latency_ms"]}, "too many to measure"),
    ],
)
def test_what_makes_no_sense(
    tiny: str, more: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UsageError, NoneLeft, ArchcalcError), match=message):
        every(tiny, **more)


def test_latency_decides_beyond_its_noise(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With less parameters within the noise of what has more, which is beaten then; not where it is quicker by far."""
    times = {"1": 1.0, "2": 0.99, "3": 0.5}

    def measured(models: Sequence[Any], conditions: Any, tick: Any) -> tuple[Measurement, ...]:
        assert (conditions.batch, conditions.dtype) == (2, "float32")
        made = []
        for model in models:
            jitter = [times[str(model.settings["n"])] * (1 + at % 7 / 50) for at in range(50)]
            run = run_of(model.summary(), 50)
            made.append(dataclasses.replace(run, batch=2, whole_samples=array("d", jitter)))
        return tuple(made)

    monkeypatch.setattr("archcalc.tasks.scale.measure_in_turn", measured)
    given: dict[str, Any] = {"vary": {"n": "1..3"}, "batches": [2], "settings": {"c": "4"}}
    front = scale(tiny, **given, pareto=["params", "latency_ms"]).points
    assert [point.settings["n"] for point in front] == ["1", "3"]
    assert [point.latency_between for point in front] == [
        pytest.approx((1.06 * t, 1.06 * t), rel=0.05) for t in (1.0, 0.5)
    ]
    best = scale(tiny, **given, where="params > 1 and latency_ms <= 1.2ms", best=2, by="latency_ms").points
    assert [point.settings["n"] for point in best] == ["3", "2"]
    with pytest.raises(NoneLeft, match="quick as it should"):
        scale(tiny, **given, where="latency_ms <= 0.1")
    with pytest.raises(UsageError, match="one batch and one dtype"):
        scale(tiny, **given | {"batches": [1, 2]}, pareto=["latency_ms"])


def test_the_page_of_a_sweep(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["scale", tiny, *(f"--vary={name}={text}" for name, text in AXES.items()), "--pareto", "params,macs"]
    assert cli._run([*line, "--maximize", "n", "--where", "c >= 3"]) == 0
    text = capsys.readouterr().out
    for said in ("of 108 points", "c >= 3: 18", "30 points, first 24", "less params, less macs, more n"):
        assert said in text
    assert cli._run([*line, "--train", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema.SCHEMAS["scale"]()).validate(document)
    assert document["swept"]["size"] == 108
    assert all(point["training_memory_bytes"] for point in document["points"])
    assert cli._run([*line, "--where", "params > 1G"]) == 1


# --- files, and kills -------------------------------------------------------------------------------------------------


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_number(path: Path) -> list[dict[str, str]]:
    return sorted(rows(path), key=lambda row: int(row["point"]))


def test_a_file_has_all_points_once(tiny: str, tmp_path: Path) -> None:
    plain = every(tiny).points
    for jobs, name in ((1, "a.csv"), (2, "b.jsonl")):
        every(tiny, points=f"{tmp_path}/{name}", jobs=jobs)
    found = rows(tmp_path / "a.csv")
    assert [(row["c"], row["k"], row["n"]) for row in found] == [
        (p.settings["c"], p.settings["k"], p.settings["n"]) for p in plain
    ]
    assert [int(row["macs"]) for row in found] == [p.report.totals.macs for p in plain]
    lines = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert sorted((line["point"], line["macs"]) for line in lines) == [
        (int(row["point"]), int(row["macs"])) for row in found
    ]


def test_whatever_a_kill_leaves_is_gone_on_with(tiny: str, tmp_path: Path) -> None:
    """The file may be longer than the journal says, and the journal's last line torn: at every byte of both."""
    path = tmp_path / "a.csv"
    journal = path.with_name("a.csv.journal")
    whole = every(tiny, points=str(path))
    data, log = path.read_bytes(), journal.read_bytes()
    kept = log[: log.rindex(b'{"done"')]
    draw = random.Random(1)
    for _ in range(8):
        cut = draw.randrange(kept.index(b"\n") + 1, len(kept) + 1)
        ends = [json.loads(line)["end"] for line in kept[:cut].splitlines(keepends=True) if line.endswith(b"\n")]
        path.write_bytes(data[: draw.randrange(ends[-1], len(data) + 1)])
        journal.write_bytes(kept[:cut])
        with pytest.raises(UsageError, match="that was stopped"):
            every(tiny, points=str(path))
        again = every(tiny, points=str(path), resume=True)
        assert again == whole
        assert path.read_bytes() == data
    with pytest.raises(UsageError, match="holds another sweep: `where`"):
        every(tiny, points=str(path), resume=True, where="params < 9M")
    Path(tiny).write_text(TINY.replace("relu", "swish"), encoding="utf-8")
    with pytest.raises(UsageError, match="the spec was another"):
        every(tiny, points=str(path), resume=True)
    Path(tiny).write_text(TINY, encoding="utf-8")
    head = kept[: kept.index(b"\n") + 1]
    lines = (
        b'{"chunk": 7, "end": 3, "sum": 0}',
        b'{"chunk": {}, "end": 3, "sum": 0}',
        b'{"end": "x", "sum": 0}',
        b'{"end": 3}',
    )
    for wrong in (b"%s\n" % line for line in lines):
        journal.write_bytes(head + wrong)
        with pytest.raises(UsageError, match="no journal of a sweep"):
            every(tiny, points=str(path), resume=True)
    journal.write_bytes(log)
    digit = data.replace(b",9,", b",8,", 1)
    for other in (data[:-9], digit):
        assert other != data
        path.write_bytes(other)
        with pytest.raises(UsageError, match="not what the sweep wrote"):
            every(tiny, points=str(path), resume=True)
        assert path.read_bytes() == other
    path.write_bytes(data[:-9])
    journal.write_bytes(b"")
    with pytest.raises(UsageError, match="no journal beside it"):
        every(tiny, points=str(path), resume=True)
    assert path.read_bytes() == data[:-9]
    path.write_bytes(data[: data.index(b"\n") + 1])  # killed before the journal's first line
    assert every(tiny, points=str(path), resume=True) == whole


def test_results_that_were_read_are_no_file_of_points(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"model,metric,value,source\n{tiny},top-1,71,us\n"
    Path("r.csv").write_text(text, encoding="utf-8")
    line = ["scale", tiny, "--vary", "c=1..3", "--best", "1", "--by", "params", "--results", "r.csv", "--points"]
    assert cli._run([*line, "r.csv"]) == 2
    assert "`--points r.csv` was read: nothing takes its place" in capsys.readouterr().err
    assert Path("r.csv").read_text(encoding="utf-8") == text
    assert cli._run([*line, "p.csv"]) == 0


def test_ctrl_c_says_how_to_go_on(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("archcalc.tasks.store.Store.add", interrupt)
    line = ["scale", tiny, "--vary=c=1..3", "--pareto", "params", "--points", str(tmp_path / "a.csv")]
    assert cli._run(line) == 130
    assert "`--resume` goes on there" in capsys.readouterr().err


def test_kill_9_loses_nothing_and_writes_nothing_twice(tiny: str, tmp_path: Path) -> None:
    vary = ["--vary", "c=1..60", "--vary", "n=1..20", "--vary", "k=1,3"]
    line = [sys.executable, "-m", "archcalc", "scale", tiny, *vary, "--pareto", "params,macs", "--jobs", "2", "-q"]
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    said = subprocess.run([*line, "--points", str(whole)], env=env, capture_output=True, text=True, check=True).stdout
    command = [*line, "--points", str(cut)]
    for wanted in (2, 20):
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while process.poll() is None and wrote(cut) < wanted:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        command = [*line, "--points", str(cut), "--resume"]
    assert wrote(cut) < 64
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == said
    numbers = [int(row["point"]) for row in rows(cut)]
    assert len(numbers) == len(set(numbers))
    assert by_number(cut) == by_number(whole)


def wrote(path: Path) -> int:
    """Chunks that the journal says are there."""
    journal = path.with_name(f"{path.name}.journal")
    return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0


def fatal(job: tuple[str, int]) -> int:
    """Kills its worker the first time that it is asked for 3."""
    folder, number = job
    mark = Path(folder) / "killed"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_worker_that_is_killed_is_told_of(tmp_path: Path) -> None:
    got: list[int] = []
    with pytest.raises(BrokenExecutor):
        got.extend(streamed(fatal, ((str(tmp_path), n) for n in range(20)), 2))
    assert sorted(streamed(fatal, ((str(tmp_path), n) for n in range(20)), 2)) == list(range(20))


def deadly(job: tuple[Plan, int]) -> Chunk:
    fatal((str(Path(job[0].model).parent), job[1]))
    return count_chunk(job)


@pytest.mark.parametrize("engine", ["processes", pytest.param("joblib", marks=needs("joblib"))])
def test_a_chunk_whose_worker_was_killed_is_done_again(
    engine: str, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = every(tiny, points=f"{tmp_path}/a.csv")
    monkeypatch.setattr(engines, "count_chunk", deadly)
    again = every(tiny, points=f"{tmp_path}/b.csv", engine=engine, jobs=2)
    assert (tmp_path / "killed").exists()
    assert again.points == whole.points
    assert by_number(tmp_path / "a.csv") == by_number(tmp_path / "b.csv")


# --- the page ---------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).parent.parent / "docs" / "sweeps.md"
END = "~~~ end of a command"


def consoles(text: str) -> list[tuple[str, str]]:
    """The commands of a page, each as it stands there with `$ `, and what is printed below it."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            ends = ("  }\n",) if lines[0].endswith("{\n") else ()  # of a function, or of what goes on behind a \\
            last = (n for n, line in enumerate(lines, 1) if (line in ends if ends else not line.endswith("\\\n")))
            count = next(last)
            found.append(("".join(lines[:count]).rstrip("\n"), "".join(lines[count:])))
    return found


def ran(commands: Sequence[tuple[str, str]], folder: Path) -> list[tuple[str, str]]:
    """The commands, each with what a shell prints for it, one after the other in a folder."""
    archcalc = f'archcalc() {{ "{sys.executable}" -m archcalc "$@"; }}'
    script = "\n".join([archcalc, *(f"{command[2:]}\necho '{END}'" for command, _ in commands)])
    env = {**os.environ, "PYTHONPATH": str(PAGE.parent.parent), "COLUMNS": ""}
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=True)
    assert "error" not in done.stderr
    pairs = zip(commands, done.stdout.split(f"{END}\n"), strict=False)
    return [(command, printed) for (command, _), printed in pairs]


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    commands = consoles(PAGE.read_text(encoding="utf-8"))
    assert len(commands) > 6
    assert ran(commands, tmp_path) == commands


def test_the_other_commands_of_the_page_have_options_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    said = (PAGE.parent / "cli.md").read_text(encoding="utf-8")
    known = {*re.findall(r"(?<![-|])--[a-z][a-z-]+", said[said.index("## scale") :].partition("\n## ")[0])}
    assert {*re.findall(r"(?<![-|])--[a-z][a-z-]+", page)} <= known


def test_the_coefficients_of_the_page_are_the_printed_ones_beside_the_rule() -> None:
    table = re.findall(r"^\| (B\d) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    variants = select("efficientnet-b0").family.variants
    printed = {
        v.name.value: [float(v.cells[name].value) for name in ("depth", "width", "resolution")] for v in variants
    }
    assert [name for name, _ in table] == [*printed]

    def rule(phi: float) -> tuple[float, ...]:
        return 1.2**phi, 1.1**phi, 224 * 1.15**phi

    for name, cells in table:
        phi, *rest = cells.split(" | ")
        own, ruled = [float(cell.strip("*")) for cell in rest[::2]], rule(float(phi))
        assert own == printed[name]
        assert rest[1::2] == [f"{ruled[0]:.2f}", f"{ruled[1]:.2f}", f"{ruled[2]:.1f}"]
        off = [abs(a / b - 1) for a, b in zip(own, ruled, strict=True)]
        assert [cell.startswith("**") for cell in rest[::2]] == [each > 0.05 for each in off]
        for other in range(15):
            assert max(abs(a / b - 1) for a, b in zip(own, rule(other / 2), strict=True)) >= max(off)


# The configurations of the authors' code (pycls, configs/dds_baselines/regnetx): w_0, w_a, w_m, d and g.
REGNETX = {
    "200mf": (24, 36.44, 2.49, 13, 8),
    "400mf": (24, 24.48, 2.54, 22, 16),
    "600mf": (48, 36.97, 2.24, 16, 24),
    "800mf": (56, 35.73, 2.28, 16, 16),
    "1.6gf": (80, 34.01, 2.25, 18, 24),
    "3.2gf": (88, 26.31, 2.25, 25, 48),
    "4.0gf": (96, 38.65, 2.43, 23, 40),
    "6.4gf": (184, 60.83, 2.07, 17, 56),
    "8.0gf": (80, 49.56, 2.88, 23, 120),
    "12gf": (168, 73.36, 2.37, 19, 112),
    "16gf": (216, 55.59, 2.1, 22, 128),
    "32gf": (320, 69.86, 2.0, 23, 168),
}


@pytest.mark.parametrize("name", REGNETX)
def test_the_expressions_of_the_page_give_the_tables_of_regnet(name: str) -> None:
    """Depths and widths of the paper's figures, from four numbers of the authors' configurations."""
    page = PAGE.read_text(encoding="utf-8")
    derived = dict(re.findall(r"--set '([dweq]\d)=(.*?)'", page))
    axes = {key: str(value) for key, value in zip(("w0", "wa", "wm", "d", "g"), REGNETX[name], strict=True)}
    found = Space(axes.items(), derived.items(), lambda name: False, derived).at(0).values
    cells = select(f"regnetx-{name}").variant.cells
    for column in ("d1", "d2", "d3", "d4", "w1", "w2", "w3", "w4", "g"):
        assert found[column] == int(cells[column].value), column


# --- engines ----------------------------------------------------------------------------------------------------------


@needs("joblib")
def test_joblib_counts_the_same(tiny: str, tmp_path: Path) -> None:
    whole = every(tiny, points=f"{tmp_path}/a.csv", pareto=["params", "macs"])
    assert (
        every(tiny, points=f"{tmp_path}/b.csv", pareto=["params", "macs"], engine="joblib", jobs=2).points
        == whole.points
    )
    assert by_number(tmp_path / "a.csv") == by_number(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--format parquet", 2, "Such as `-o best.parquet`"),
        pytest.param("-o best.parquet", 0, "wrote best.parquet", marks=needs("pyarrow")),
    ],
)
def test_what_is_kept_as_parquet_is_what_csv_says(
    words: str, code: int, said: str, tiny: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    line = ["scale", tiny, "--vary", "c=1..9", "--vary", "k=1,0.5,3", "--best", "4", "--by", "macs"]
    assert cli._run([*line, *words.split()]) == code
    assert said in capsys.readouterr().err
    if not code:
        from pyarrow import parquet

        assert cli._run([*line, "-o", "best.csv"]) == 0
        found = parquet.read_table("best.parquet").to_pylist()
        assert [{name: str(value) for name, value in row.items()} for row in found] == rows(tmp_path / "best.csv")


@pytest.mark.parametrize("form", ["text", "json", "csv", "markdown", "latex", "html"])
def test_a_front_that_is_not_all_shown_says_so(
    form: str, tiny: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("sweep", "scale"):
        monkeypatch.setattr(f"archcalc.tasks.{module}.MOST_KEPT", 3)
    for asked in ("--where params>1", "--best 8 --by macs", "--pareto params --maximize macs"):
        assert cli._run(["scale", tiny, "--vary", "c=1..9", *asked.split(), "--format", form]) == 0
        printed = "".join(capsys.readouterr())
        assert f"of {8 if 'best' in asked else 9} points that are kept the first 3 are shown" in " ".join(
            printed.split()
        )


@needs("pyarrow")
def test_parts_of_parquet_are_gone_on_with(tiny: str, tmp_path: Path) -> None:
    from pyarrow import parquet

    folder, journal = tmp_path / "a.parquet", tmp_path / "a.parquet.journal"
    whole = every(tiny, points=str(folder))
    every(tiny, points=f"{tmp_path}/a.csv")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:9]) + lines[9][:20])
    (folder / "part-00000050.parquet").unlink()
    (folder / ".archcalc-0123456789abcdef.tmp").touch()
    assert every(tiny, points=str(folder), resume=True) == whole
    found = parquet.read_table(folder).to_pylist()
    wanted = [{name: float(value) for name, value in row.items()} for row in rows(tmp_path / "a.csv")]
    assert sorted(found, key=lambda row: row["point"]) == wanted
    (folder / "mine.txt").touch()
    with pytest.raises(UsageError, match="has other files"):
        every(tiny, points=str(folder))


@pytest.mark.slow
@needs("distributed")
def test_a_cluster_survives_kills_of_client_and_worker(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    vary = ["--vary", "width=1..2/0.02", "--vary", "depth=1..2/0.04", "--pareto", "params,macs", "-q"]
    line = [sys.executable, "-m", "archcalc", "scale", "efficientnet-b0", *vary]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    said = subprocess.run([*line, "--points", str(whole)], env=env, capture_output=True, text=True, check=True).stdout
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        command = [*line, "--points", str(cut), "--engine", "dask", "--scheduler", cluster.scheduler_address]
        for wanted, victim in ((4, "client"), (16, "worker")):
            with subprocess.Popen(
                command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                while process.poll() is None and wrote(cut) < wanted:
                    time.sleep(0.005)
                if victim == "client":
                    process.kill()
                else:
                    with Client(cluster.scheduler_address) as client:
                        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
                out, err = process.communicate(timeout=120)
            command = [*command, "--resume"]
    assert (process.returncode, err, out) == (0, "", said)
    assert by_number(cut) == by_number(whole)
    assert len(rows(cut)) == 51 * 26


@needs("distributed")
def test_no_scheduler_is_told(tiny: str) -> None:
    with pytest.raises(Unavailable, match="no dask scheduler answers"):
        every(tiny, best=1, by="macs", engine="dask", scheduler="nowhere")


@needs("optuna")
def test_a_guided_search_is_reproducible_and_goes_on_where_it_was(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"search": 40, "seed": 1, "pareto": ["params"], "maximize": ["receptive_field"]}
    found = [every(tiny, **asked, points=f"{tmp_path}/{name}.csv").points for name in "ab"]
    assert found[0] == found[1] != every(tiny, **asked | {"seed": 2}).points
    assert by_number(tmp_path / "a.csv") == by_number(tmp_path / "b.csv")
    add, limit = Store.add, 15

    def interrupted(self: Store, chunk: Chunk) -> None:
        add(self, chunk)
        if chunk.number == limit:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        every(tiny, **asked, points=f"{tmp_path}/c.csv")
    monkeypatch.undo()
    with (tmp_path / "c.csv.optuna").open("a") as file:
        file.write('{"op_code": 5, "wor')  # a kill
    again = every(tiny, **asked, points=f"{tmp_path}/c.csv", resume=True).swept
    lines = [int(row["point"]) for row in rows(tmp_path / "c.csv")]
    assert again is not None
    assert len(lines) == len(set(lines)) == again.left
    assert lines[: limit // 2] == [int(row["point"]) for row in rows(tmp_path / "a.csv")][: limit // 2]
    numbers = [json.loads(line) for line in (tmp_path / "c.csv.journal").read_text().splitlines()[1:-1]]
    assert sorted(line["chunk"]["number"] for line in numbers) == list(range(40))
    with pytest.raises(UsageError, match="is for a front or the best"):
        every(tiny, search=3)


def test_a_worker_of_another_version_is_refused(tiny: str) -> None:
    plan = Plan(tiny, TINY, (("c", "1,2"),), (), specs=sweep.shipped_digest())
    assert count_chunk((plan, 0)).left == 1
    for other, message in (
        (dataclasses.replace(plan, version="0.0.1"), "the sweep is of 0.0.1"),
        (dataclasses.replace(plan, specs="x"), "specs"),
    ):
        with pytest.raises(Unavailable, match=message):
            count_chunk((other, 0))


@pytest.mark.parametrize("engine", ["joblib", "dask", ""])
def test_an_engine_that_is_missing_is_told(engine: str, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("joblib", "distributed", "optuna"):
        monkeypatch.setitem(sys.modules, package, None)
    more = {"engine": engine, "scheduler": "tcp://x:1" if engine == "dask" else ""} if engine else {"search": 3}
    with pytest.raises(Unavailable, match="is not installed") as error:
        every(tiny, best=1, by="macs", **more)
    assert "pip install archcalc[sweep]" in error.value.hint
