"""Measurements as data: what follows from samples, what is saved and read again, what two runs say of each other."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
from array import array
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import archcalc
from archcalc import cli
from archcalc.errors import Unavailable, UsageError
from archcalc.measurement import regression
from archcalc.measurement.conditions import Conditions
from archcalc.measurement.latency import (
    Interrupted,
    Latency,
    Machine,
    Measurement,
    confidence,
    median_gap,
    median_interval,
)
from archcalc.measurement.regression import compare, decides, rank_tests, runs_needed
from archcalc.measurement.runs import Run, document, parse, read
from archcalc.schemas import generate as schema
from archcalc.show import wording
from archcalc.show.measure import page
from archcalc.show.writers import FORMATS, write
from archcalc.tasks.measure import MeasureResult

RUN = Draft202012Validator(schema.SCHEMAS["run"]())


def measured(rows: Sequence[Sequence[float]], whole: Sequence[float] | None = None, **changes: Any) -> Measurement:
    """A measurement with these samples of its nodes; the whole is their sum, unless given."""
    samples = tuple(array("d", row) for row in rows)
    total = array("d", whole if whole is not None else [sum(run) for run in zip(*rows, strict=True)])
    return Measurement("cpu", "A processor", "2.13.0", 2, "float32", 1, total, samples, **changes)


def steady(count: int, level: float, seed: int = 0) -> list[float]:
    """Samples with a little noise."""
    noise = random.Random(seed)
    return [level * (1 + noise.uniform(-0.01, 0.01)) for _ in range(count)]


# --- what follows from samples ------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_figures_are_those_of_numpy(samples: list[float]) -> None:
    found = Latency.of(samples)
    low, middle, high, p90, p99 = np.percentile(samples, [25, 50, 75, 90, 99])
    assert (found.median, found.p90, found.p99) == pytest.approx((middle, p90, p99))
    assert found.iqr == pytest.approx(high - low, abs=1e-6)
    assert (found.min, found.max, found.runs) == (min(samples), max(samples), len(samples))


# The ranks of the 95 % interval of a median for n samples, as tables of order statistics print them
# (Dixon & Massey, Introduction to Statistical Analysis; NIST handbook).
RANKS = {6: (1, 6), 8: (1, 8), 9: (2, 8), 10: (2, 9), 15: (4, 12), 20: (6, 15), 25: (8, 18), 30: (10, 21), 50: (18, 33)}


@pytest.mark.parametrize(("n", "ranks"), RANKS.items())
def test_the_interval_of_a_median_is_the_tables(n: int, ranks: tuple[int, int]) -> None:
    samples = list(range(1, n + 1))
    random.Random(n).shuffle(samples)
    assert median_interval(samples) == ranks


@pytest.mark.parametrize("n", range(6))
def test_too_few_samples_have_no_interval(n: int) -> None:
    assert median_interval([1.0] * n) is None


def test_an_interval_of_many_samples() -> None:
    """n/2 ± 1.96·√n/2 ranks, by the normal approximation: 956 to 1,044 of 2,000."""
    low, high = median_interval([float(n) for n in range(1, 2001)]) or (0.0, 0.0)
    assert low == pytest.approx(956, abs=2)
    assert high == pytest.approx(1044, abs=2)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    noise = random.Random(1)
    held = 0
    for _ in range(2000):
        low, high = median_interval([noise.expovariate(1.0) for _ in range(25)]) or (0.0, 0.0)
        held += low <= 0.6931471805599453 <= high
    assert 0.94 <= held / 2000 <= 0.98, "95 % or a little more, as ranks are whole"


def test_confidence() -> None:
    found = confidence([*range(90, 111)], 0.1)  # 21 samples, median 100, ranks 6 and 16
    assert (found.low, found.high, found.within, found.reached) == (95, 105, 0.05, True)
    assert not confidence([*range(90, 111)], 0.04).reached
    assert not confidence([1.0] * 5, 0.1).reached
    assert confidence([0.0] * 9, 0.1).within == 0.0


def test_parts_and_whole() -> None:
    run = measured([[1, 2, 1], [3, 3, 3]], whole=[4, 5, 4])
    assert run.layers_sum == 4
    assert run.reconciliation == 1
    assert run.sums == [4, 5, 4]
    assert run.throughput == 250
    assert measured([], whole=[1.0]).reconciliation is None
    assert measured([[0.0]]).throughput is None


def test_halves_are_every_other_run() -> None:
    assert median_gap([1.0, 1.2] * 6) == pytest.approx(0.2)
    assert median_gap([1.0] * 6 + [2.0] * 6) == 0, "drift hits both alike"


def test_a_span_is_summed_within_each_run() -> None:
    run = measured([[1, 5], [5, 1], [1, 1]], backward=tuple(array("d", row) for row in ([1, 1], [2, 2], [0, 0])))
    assert run.span(0, 2).iqr == 0
    assert run.span(1, 1).median == 0
    assert run.backward_span(0, 2) == Latency.of([3.0, 3.0])


FEW = measured([[1.0] * 3])
STABLE = measured([steady(20, 1.0), steady(20, 2.0, 1)])
DOUBTS = {
    "nothing": (STABLE, []),
    "few runs": (FEW, ["3 runs are too few to tell"]),
    "one run": (measured([[1.0]]), ["1 run is too few to tell"]),
    "parts": (measured([[1.0] * 9], whole=[1.1] * 9), ["the layers add up to 91 % of the run"]),
    "pauses": (
        measured([[9.0 if run % 3 == at else 1.0 for run in range(9)] for at in range(3)]),
        ["the layers add up to 27 % of the run: pauses hit now one, now another"],
    ),
    "the clock": (
        measured([[1.1] * 9], whole=[1.0] * 9, overhead_ms=0.08),
        ["the layers add up to 110 % of the run, and 8 % is what the clock costs"],
    ),
    "halves": (measured([[1.0, 1.1] * 5]), ["every other run was 10 % slower than the rest"]),
    "not warm": (measured([[1.0] * 9], warmed_up=False), ["runs were still getting faster after warming up"]),
}


@pytest.mark.parametrize(("run", "reasons"), DOUBTS.values(), ids=DOUBTS)
def test_doubts(run: Measurement, reasons: list[str]) -> None:
    assert [doubt.reason for doubt in run.doubts] == reasons
    assert all(doubt.advice.endswith(".") for doubt in run.doubts)
    assert run.stable is not bool(reasons)


def test_five_percent_is_still_stable() -> None:
    assert measured([[1.0] * 9], whole=[1.05] * 9).stable
    assert not measured([[1.0] * 9], whole=[1.06] * 9).stable


# --- as JSON ------------------------------------------------------------------------------------------------------


@cache
def lenet() -> archcalc.models.Model:
    return archcalc.load("lenet5")


def run_of(*measurements: Measurement) -> Run:
    model = lenet()
    return Run.of(model.graph, measurements, model.name, model.spec, {"classes": "10"})


def like_lenet(seed: int = 0, factor: float = 1.0, slow: Sequence[int] = (), **changes: Any) -> Measurement:
    """A measurement of lenet5 as it could be; the nodes `slow` take twice as long."""
    rows = [
        [round(sample, 6) for sample in steady(20, factor * (2 if at in slow else 1) * (1 + at / 10), seed * 100 + at)]
        for at in range(lenet().graph.main)
    ]
    whole = [round(sum(run), 6) for run in zip(*rows, strict=True)]
    return measured(rows, whole, **changes)


TRAINED = replace(
    like_lenet(),
    mode="training",
    backward=tuple(array("d", [0.5] * 20) for _ in range(lenet().graph.main)),
    compiled_samples=array("d", [1.0] * 20),
    batch=8,
    launch_bound=(0, 3),
    stopped="interrupted",
    machine=Machine("Linux", "3.12", "glibc 2.40", 8, "performance", 0.5, "580", "13.0", "off", "1980 MHz"),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    run = run_of(like_lenet(), TRAINED)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document(run)), encoding="utf-8")
    assert read(path) == run
    assert not run.complete


@pytest.mark.parametrize("run", [run_of(like_lenet()), run_of(TRAINED), run_of(FEW)], ids=["whole", "trained", "few"])
def test_a_run_is_valid(run: Run) -> None:
    if len(run.measurements[0].samples) == 1:
        run = replace(run, paths=("a",), ops=("relu",))
    found = json.loads(json.dumps(document(run), allow_nan=False))
    assert [error.message for error in RUN.iter_errors(found)] == []


def test_the_schema_describes_every_key() -> None:
    made = schema.SCHEMAS["run"]()
    found = document(run_of(TRAINED))
    assert set(found) | {"comparison", "inputs"} == set(made["properties"])
    (entry,) = found["measurements"]
    described = made["$defs"]["SampledDocument"]["properties"]
    assert set(entry) == set(described)
    for key in ("samples_ms", "machine", "confidence", "latency_ms"):
        part = made["$defs"][described[key]["$ref"].rpartition("/")[2]]
        assert set(entry[key]) == set(part["properties"])


def bent(change: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(document(run_of(like_lenet()))))
    change(found, found["measurements"][0])
    return found


BENT = {
    "`title` is missing": lambda run, one: run.pop("title"),
    "its `title` is not": lambda run, one: run.update(title="x"),
    "a newer one does": lambda run, one: run.update(schema=2),
    "`layers` is not a list": lambda run, one: run.update(layers={}),
    "`path` is missing": lambda run, one: run["layers"][0].pop("path"),
    "`threads` is not a whole number": lambda run, one: one.update(threads="2"),
    "`cold` is not true or false": lambda run, one: one.update(cold=1),
    "`batch` is not a whole number": lambda run, one: one.update(batch=True),
    "`mode` is `guess`, not one of inference, training": lambda run, one: one.update(mode="guess"),
    "`layers` has 18 rows for": lambda run, one: one["samples_ms"]["layers"].append([]) or run["layers"].pop(),
    "not as many as the runs": lambda run, one: one["samples_ms"]["layers"][0].pop(),
    "a sample is no number": lambda run, one: one["samples_ms"]["whole"].append("x"),
    "a sample is no time": lambda run, one: one["samples_ms"]["whole"].__setitem__(0, -1.0),
    "`wanted` is missing": lambda run, one: one.update(confidence={}),
    "`machine` is not a mapping": lambda run, one: one.update(machine=[]),
}


def test_a_run_of_before_there_was_a_probe_is_read() -> None:
    def older(_run: dict[str, Any], one: dict[str, Any]) -> None:
        del one["disturbed"], one["probe_ms"]

    (found,) = parse(bent(older)).measurements
    assert (found.noisy_rounds, found.probe_ms) == (0, 0.0)


@pytest.mark.parametrize(("message", "change"), BENT.items(), ids=BENT)
def test_a_bent_run_is_refused_with_a_reason(message: str, change: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(bent(change)), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read(path)
    assert message.replace("18", str(lenet().graph.main + 1)) in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "no JSON"),
        (b"[]", "`title` is missing"),
        (b"\xff", "not UTF-8 text .byte 1, line 1."),
        (b"[NaN]", "no number"),
        (b"[" * 10**5, "no"),
    ],
)
def test_what_is_no_run(text: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(text)
    with pytest.raises(UsageError, match=message):
        read(path)
    with pytest.raises(UsageError, match="no file"):
        read(tmp_path / "none.json")


def test_what_later_versions_add_is_passed_over() -> None:
    def add(run: dict[str, Any], one: dict[str, Any]) -> None:
        run["new"] = one["new"] = one["machine"]["new"] = one["samples_ms"]["new"] = 1

    assert parse(bent(add)) == run_of(like_lenet())


# --- one run beside another ---------------------------------------------------------------------------------------


def test_rank_tests_are_manns_and_whitneys() -> None:
    """The exact chance of ranks {1, 2, 3, 4, 5} against {6, …, 10}: 2 of 252 orders are as far apart (their table
    ends there); Benjamini and Hochberg's corrected values by hand: the i-th smallest of m times m / i."""
    low, high, mixed = [1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [1, 3, 5, 7, 9]
    alone = rank_tests([(low, high)])
    assert alone == pytest.approx([2 / 252])
    corrected = rank_tests([(low, high), (mixed, [2, 4, 6, 8, 10]), (mixed, mixed)])
    assert corrected[0] == pytest.approx(3 * 2 / 252)
    assert corrected[1] > 0.5
    assert rank_tests([([1, 1], [1, 1])]) == [1.0]
    assert rank_tests([]) == []


def test_two_runs_of_the_same_network_are_the_same() -> None:
    (found,) = compare(run_of(like_lenet()), run_of(like_lenet(seed=7)))
    assert {change.verdict for change in (found.whole, *found.layers)} == {"same"}
    assert found.slower == ()
    assert found.drift == pytest.approx(1, abs=0.01)
    assert found.notes == ()


def test_the_layers_that_got_slower_are_named() -> None:
    (found,) = compare(run_of(like_lenet()), run_of(like_lenet(seed=7, slow=[2, 5])))
    paths = [node.path for node in lenet().graph.nodes]
    assert [change.path for change in found.slower if change is not found.whole] == [paths[2], paths[5]]
    assert found.layers[2].ratio == pytest.approx(2, rel=0.03)
    (back,) = compare(run_of(like_lenet(slow=[2])), run_of(like_lenet(seed=7)))
    assert [change.path for change in back.layers if change.verdict == "faster"] == [paths[2]]


def test_a_small_difference_is_no_regression_however_sure() -> None:
    (found,) = compare(run_of(like_lenet()), run_of(like_lenet(seed=7, factor=1.06)))
    assert found.layers[0].p is not None
    assert found.layers[0].p < 0.01
    assert found.slower == ()
    (strict,) = compare(run_of(like_lenet()), run_of(like_lenet(seed=7, factor=1.06)), tolerance=0.03)
    assert len(strict.slower) == 1 + len(strict.layers)


@pytest.mark.parametrize(("before", "now"), [(1, 5), (2, 4), (3, 3), (4, 4), (5, 5), (4, 6)])
def test_the_least_chance_is_counted_out(before: int, now: int) -> None:
    """Of all ways to deal the ranks to two sides, those that are as far apart as can be: by going through them."""
    ranks = range(before + now)
    sums = [sum(dealt) for dealt in combinations(ranks, before)]
    furthest = (sums.count(min(sums)) + sums.count(max(sums))) / len(sums)
    assert rank_tests([([*ranks[:before]], [*ranks[before:]])]) == pytest.approx([furthest])
    for tests in (1, 3, 50):
        assert decides(before, now, tests) == (tests * furthest < regression.LEVEL)


@pytest.mark.parametrize("tests", [1, 6, 55, 600])
@pytest.mark.parametrize("before", [3, 5, 10, 24, 26, 200])
def test_as_many_runs_as_are_needed_decide_and_fewer_do_not(before: int, tests: int) -> None:
    """By the test itself: one layer whose runs are all slower, beside others of which nothing can be told."""
    needed = runs_needed(before, tests, 10_000)
    assert needed is not None
    same = ([1.0], [1.0])
    for now, decided in ((needed, True), (needed - 1, False)):
        apart = ([*map(float, range(before))], [*map(float, range(before, before + now))])
        if now and min(before, now) <= regression.EXACT:
            assert (rank_tests([apart, *[same] * (tests - 1)])[0] < regression.LEVEL) == decided
    assert runs_needed(before, tests, needed - 1) is None


@pytest.mark.parametrize(("runs", "verdict"), [(3, "too few runs"), (5, "too few runs"), (10, "slower")])
def test_a_layer_that_is_four_times_slower_is_never_the_same(runs: int, verdict: str) -> None:
    was, now = few(like_lenet(), runs), few(like_lenet(seed=7), runs)
    slower = tuple(array("d", [4 * time for time in row]) if at == 4 else row for at, row in enumerate(now.samples))
    (found,) = compare(run_of(was), run_of(replace(now, samples=slower)))
    assert found.layers[4].ratio == pytest.approx(4, rel=0.1)
    assert found.layers[4].verdict == verdict
    assert regression.exit_code([found]) == (1 if verdict == "slower" else 3)
    if runs < 10:
        assert {change.verdict for change in (found.whole, *found.layers)} == {"too few runs"}
        text = " ".join(write(page(shown(now, before=run_of(was))), "text").split())
        assert (
            f"too few runs to tell: {runs} before and {runs} now, and {found.runs_needed} beside {runs} decide" in text
        )


def test_all_layers_slower_is_told_with_fewer_runs() -> None:
    """Benjamini and Hochberg's correction leaves p as it is where all layers have the same: 2 of 252 are below 1 %."""
    (found,) = compare(run_of(few(like_lenet(), 5)), run_of(few(like_lenet(seed=7, factor=4.0), 5)))
    assert {change.verdict for change in (found.whole, *found.layers)} == {"slower"}
    assert regression.exit_code([found]) == 1


def few(run: Measurement, runs: int) -> Measurement:
    """The same with its first runs only."""
    samples = tuple(row[:runs] for row in run.samples)
    return replace(run, whole_samples=run.whole_samples[:runs], samples=samples)


def test_noise_makes_few_false_alarms() -> None:
    """Of networks where nothing changed, an alarm in about one in a hundred; of 60 with 50 layers each, few."""
    noise = random.Random(3)
    alarms = 0
    for _ in range(60):
        pairs = [
            ([noise.gauss(1, 0.2) for _ in range(15)], [noise.gauss(1, 0.2) for _ in range(15)]) for _ in range(50)
        ]
        alarms += min(rank_tests(pairs)) < regression.LEVEL
    assert alarms <= 4


def test_layers_of_one_run_only() -> None:
    was, now = run_of(like_lenet()), run_of(like_lenet(seed=7))
    was = replace(was, paths=(*was.paths[:-1], "old"))
    (found,) = compare(was, now)
    verdicts = {change.path: change.verdict for change in found.layers}
    assert verdicts["old"] == "gone"
    assert verdicts[now.paths[-1]] == "new"
    assert len(found.layers) == len(now.paths) + 1


UNLIKE = {
    "threads was 2, now it is 1": {"threads": 1},
    "dtype was float32, now it is float16": {"dtype": "float16"},
    "memory format was contiguous, now it is channels_last": {"memory_format": "channels_last"},
    "cold was False, now it is True": {"cold": True},
    "no batch in common: 1 before, 4 now": {"batch": 4},
}


@pytest.mark.parametrize(("message", "changes"), UNLIKE.items(), ids=UNLIKE)
def test_what_cannot_be_compared(message: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=message):
        compare(run_of(like_lenet()), run_of(replace(like_lenet(), **changes)))


def test_other_networks_cannot_be_compared() -> None:
    was, now = run_of(like_lenet()), run_of(like_lenet())
    with pytest.raises(UsageError, match="the input was 1×28×28, now it is 1×32×32"):
        compare(replace(was, inputs=(("input", (1, 28, 28)),)), now)
    with pytest.raises(UsageError, match="no layer in common"):
        compare(replace(was, paths=tuple(map(str, range(len(was.paths))))), now)


def test_what_makes_a_comparison_doubtful_is_said() -> None:
    other = replace(like_lenet(seed=7), torch="2.14.0", warmed_up=False, stopped="interrupted", probe_ms=0.06)
    (found,) = compare(run_of(replace(like_lenet(), probe_ms=0.05)), run_of(other))
    assert found.notes == (
        "the run now is unstable: runs were still getting faster after warming up",
        "the run now was interrupted",
        "the processor was not as fast: the same piece of work took 0.05 ms before, and takes 0.06 ms now",
        "torch was 2.13.0, now it is 2.14.0",
    )


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(Unavailable, match="needs scipy") as caught:
        rank_tests([([1.0], [2.0])])
    assert caught.value.exit_code == 3


def test_without_scipy_nothing_is_measured_in_vain(
    fake: list[Conditions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "run.json")
    assert command("--save", path) == 0
    fake.clear()
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert command("--against", path) == 3
    assert not fake


# --- shown --------------------------------------------------------------------------------------------------------


def shown(*measurements: Measurement, before: Run | None = None) -> MeasureResult:
    run = run_of(*measurements)
    summaries = [replace(lenet().summary(m.batch, "float32", m), judgements=()) for m in measurements]
    return MeasureResult(run, summaries, "before.json", compare(before, run) if before is not None else ())


SHOWN = {
    "one": shown(like_lenet()),
    "trained": shown(TRAINED),
    "batches": shown(like_lenet(), replace(like_lenet(1), batch=8)),
    "against": shown(like_lenet(slow=[1]), before=run_of(like_lenet(3))),
}


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("found", SHOWN.values(), ids=SHOWN)
def test_every_form_of_everything(found: MeasureResult, output_format: str) -> None:
    for depth in (0, 10):
        for color in (False, True):
            text = write(page(found, depth), output_format, 80, color)
            assert text.endswith("\n")
            assert ("\033" in text) is (color and output_format == "text")
    text = write(page(found, 10), output_format)
    if output_format == "json":
        document = json.loads(text)
        assert [error.message for error in RUN.iter_errors(document)] == []
        assert ("comparison" in document) is bool(found.comparisons)
    elif output_format == "csv":
        lines = list(csv.DictReader(io.StringIO(text)))
        assert {line["batch"] for line in lines} == {str(m.batch) for m in found.run.measurements}
        ops = [line for line in lines if line["kind"] == "op"]
        assert float(ops[0]["latency_ms_median"]) > 0
        assert {line["verdict"] for line in ops} == ({"same", "slower"} if found.comparisons else {""})
        assert all(bool(line["backward_ms_median"]) is bool(found.run.measurements[0].backward) for line in lines)
    else:
        assert f"{wording.ms(found.run.measurements[0].whole.median).removesuffix(' ms')}"[:4] in text


@pytest.mark.parametrize("width", [80, 120])
def test_text_is_not_wider_than_the_terminal(width: int) -> None:
    for found in SHOWN.values():
        for depth in (0, 10):
            assert max(map(len, write(page(found, depth), "text", width).split("\n"))) <= width


def test_the_report_says_what_was_measured() -> None:
    facts = dict(fact for fact in wording.measured(TRAINED) if fact[0])
    assert facts["layers"].startswith(f"{wording.ms(TRAINED.layers_sum)} together, 1.0")
    assert "the GPU waits for launches in 2 of" in facts["layers"]
    assert facts["run"].startswith("training: forward and backward pass, no step, float32; batch 8")
    assert "glibc" not in facts["run"], "it is known to be pinned or not, and which libc it is is no matter"
    assert "driver 580, CUDA 13.0, TF32 off, clocks 1980 MHz" in facts["device"]
    assert "20.0 × as fast" not in facts["compiled"]
    assert " × as fast as the program whose layers are shown" in facts["compiled"]


@pytest.mark.parametrize(
    ("pinned", "libc", "says"),
    [
        (True, "glibc 2.36", "malloc pinned"),
        (False, "glibc 2.36", "malloc not pinned: freed memory may go back to the system"),
        (False, "musl", "malloc not pinned: only glibc's can be, here it is musl"),
        (False, "", "malloc not pinned: only glibc's can be"),
    ],
)
def test_malloc_is_on_the_report(pinned: bool, libc: str, says: str) -> None:
    run = replace(like_lenet(), malloc_pinned=pinned, machine=Machine(libc=libc))
    assert any(says in text for _, text in wording.measured(run))


def test_an_unstable_run_is_marked_with_what_to_do() -> None:
    unstable = replace(like_lenet(), warmed_up=False)
    for output_format in ("text", "markdown"):
        text = " ".join(write(page(shown(unstable)), output_format).split())
        assert "unstable" in text
        assert "Give it a longer `--time-limit`." in text
        assert "unstable" not in write(page(shown(like_lenet())), output_format)


def test_normal_noise_narrows_as_it_should() -> None:
    """For normal noise the interval of the median has 1.253 times the width of the mean's: ±1.96 · 1.253 · σ / √n."""
    noise, n = random.Random(5), 400
    found = confidence([noise.gauss(100, 10) for _ in range(n)], 0.02)
    expected = NormalDist().inv_cdf(0.975) * 1.2533 * 10 / n**0.5 / 100
    assert found.within == pytest.approx(expected, rel=0.35)


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Conditions]:
    """`Model.measure` without torch: notes its conditions."""
    seen: list[Conditions] = []

    def measure(self: archcalc.models.Model, conditions: Conditions, tick: object) -> Measurement:
        assert tick is None
        seen.append(conditions)
        found = replace(like_lenet(len(seen)), batch=conditions.batch, mode=conditions.mode)
        return replace(found, backward=TRAINED.backward) if conditions.training else found

    monkeypatch.setattr(archcalc.Model, "measure", measure)
    return seen


def command(*arguments: str) -> int:
    return cli._run(["measure", "lenet5", *arguments])


def test_every_option_gets_through(fake: list[Conditions], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    options = ["--train", "--compile", "--channels-last", "--dtype", "bfloat16", "--threads", "3", "--cold"]
    options += ["--device", "cuda:1", "--no-pin-malloc", "--precision", "1", "--runs", "7", "--time-limit", "3"]
    assert command(*options, "--batch", "1,8") == 0
    expected = Conditions(
        dtype="bfloat16",
        device="cuda:1",
        training=True,
        channels_last=True,
        compile=True,
        cold=True,
        threads=3,
        pin_malloc=False,
        precision=0.01,
        runs=7,
        time_limit=3.0,
    )
    assert fake == [expected, replace(expected, batch=8)]


def test_a_run_is_saved_and_compared(
    fake: list[Conditions], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "run.json")
    assert command("--save", path) == 0
    saved = read(Path(path))
    assert saved.measurements == (like_lenet(1),)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"], "nothing is left beside it"
    assert command("--against", path, "--fail-on-regression") == 0
    assert "none of" in capsys.readouterr().out
    monkeypatch.setattr(archcalc.Model, "measure", lambda self, conditions, tick: like_lenet(9, slow=[4]))
    assert command("--against", path) == 0
    assert command("--against", path, "--fail-on-regression") == 1
    assert "1 of" in capsys.readouterr().out
    assert command("--against", path, "--fail-on-regression", "--tolerance", "150") == 0


def saved(path: Path, *measurements: Measurement) -> str:
    path.write_text(json.dumps(document(run_of(*measurements))))
    return str(path)


def test_a_gate_takes_as_many_runs_as_it_needs_or_says_so(
    fake: list[Conditions], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = lenet().graph.main
    one = saved(tmp_path / "few.json", few(like_lenet(), 3), replace(few(like_lenet(), 9), batch=8))
    assert command("--against", one, "--batch", "1,8", "--time-limit", "0") == 0
    assert [conditions.least for conditions in fake] == [runs_needed(before, 1 + nodes, 500) for before in (3, 9)]
    fake.clear()
    for arguments in (["--runs", "3"], ["--runs", "20"]):
        capsys.readouterr()
        assert command("--against", one, *arguments, "--fail-on-regression") == 3
        assert "too few runs to tell: the earlier run has 3 of batch 1" in capsys.readouterr().err
    assert command("--against", one, "--batch", "1,2", "--fail-on-regression") == 2
    assert "have not measured the same batches: 1, 8 before, 1, 2 now" in capsys.readouterr().err
    assert not fake, "known before anything is measured"
    assert command("--against", one, "--runs", "3") == 0
    assert fake[0].least == 3
    assert command("--against", one, "--batch", "1,2") == 0


def test_a_gate_that_still_knows_nothing_leaves_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archcalc.Model, "measure", lambda self, conditions, tick: few(like_lenet(9, slow=[4]), 5))
    path = saved(tmp_path / "run.json", like_lenet())
    short = saved(tmp_path / "short.json", few(like_lenet(), 5))
    assert command("--against", path, "--fail-on-regression") == 1, "50 beside 5 decide"
    assert command("--against", short) == 0
    capsys.readouterr()
    assert command("--against", short, "--fail-on-regression", "--format", "json") == 3
    (comparison,) = json.loads(capsys.readouterr().out)["comparison"]
    assert comparison["layers"][4]["verdict"] == "too few runs"


@pytest.mark.parametrize("option", ["--save", "--output"])
def test_a_read_only_target_is_noticed_before_anything_is_measured(
    option: str,
    fake: list[Conditions],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may = os.access
    (tmp_path / "old.json").write_text("as before")
    for locked, said in ((tmp_path, "in a folder that is read-only"), (tmp_path / "old.json", "is read-only")):
        monkeypatch.setattr(os, "access", lambda path, mode, no=locked: Path(path) != no and may(path, mode))
        assert command(option, str(tmp_path / "old.json")) == 3
        assert f"error: `{option} {tmp_path / 'old.json'}` is {said}".replace("is is", "is") in capsys.readouterr().err
    assert not fake
    assert command("-o", "/dev/null") == 0


@pytest.mark.parametrize("output_format", ["text", "json"])
def test_what_cannot_be_written_is_printed(
    output_format: str,
    fake: list[Conditions],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: Path, *_: object) -> None:
        raise OSError(28, "No space left on device", str(self))

    path = tmp_path / "run.out"
    monkeypatch.setattr(Path, "replace", full)
    assert command("-o", str(path), "--format", output_format) == 3
    there = capsys.readouterr()
    assert there.err.startswith(f"error: `{path}`: No space left on device\n")
    assert "lenet5" in there.out
    assert command("--save", str(path)) == 3
    there = capsys.readouterr()
    assert f"`{path}`: No space left on device" in there.err
    assert ".tmp" not in there.err
    assert "latency" in there.out, "the page, and behind the run itself"
    kept = json.JSONDecoder().raw_decode(there.out)[0]
    assert parse(kept).measurements == (like_lenet(2),)
    assert not [*tmp_path.iterdir()]


def test_runs_that_turn_out_to_differ_are_shown_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "run.json", replace(like_lenet(), threads=1))
    monkeypatch.setattr(archcalc.Model, "measure", lambda self, conditions, tick: like_lenet())
    assert command("--against", path) == 2
    there = capsys.readouterr()
    assert "threads was 1, now it is 2" in there.err
    assert "latency" in there.out


def test_a_second_ctrl_c_waits_until_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(self: archcalc.models.Model, conditions: Conditions, tick: object) -> Measurement:
        raise Interrupted(replace(like_lenet(), stopped="interrupted"))

    def compared(*_: object) -> tuple[regression.Regression, ...]:
        os.kill(os.getpid(), signal.SIGINT)
        return ()

    path = saved(tmp_path / "run.json", like_lenet())
    monkeypatch.setattr(archcalc.Model, "measure", measure)
    monkeypatch.setattr("archcalc.tasks.measure.compare", compared)
    assert command("--against", path, "--save", str(tmp_path / "new.json")) == 130
    assert "latency" in capsys.readouterr().out
    assert len(read(tmp_path / "new.json").measurements) == 1


def test_ctrl_c_leaves_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(self: archcalc.models.Model, conditions: Conditions, tick: object) -> Measurement:
        found = replace(like_lenet(), batch=conditions.batch)
        if conditions.batch == 4:
            raise Interrupted(replace(found, stopped="interrupted"))
        return found

    monkeypatch.setattr(archcalc.Model, "measure", measure)
    path = tmp_path / "run.json"
    assert command("--save", str(path), "--batch", "1,4,8", "--format", "json") == 130
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(path.read_text())
    assert [(one["batch"], one["complete"]) for one in document["measurements"]] == [(1, True), (4, False)]
    assert document["complete"] is False
    assert cli._run(["summary", "lenet5", "--batch", "4"]) == 130
    assert "interrupted: this is what was measured so far" in capsys.readouterr().out


def test_ctrl_c_before_the_first_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(self: archcalc.models.Model, conditions: Conditions, tick: object) -> Measurement:
        raise KeyboardInterrupt

    monkeypatch.setattr(archcalc.Model, "measure", measure)
    path = tmp_path / "run.json"
    path.write_text("as before")
    assert command("--save", str(path)) == 130
    assert path.read_text() == "as before"


def test_memory_that_runs_out_at_one_batch_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(self: archcalc.models.Model, conditions: Conditions, tick: object) -> Measurement:
        if conditions.batch == 64:
            raise Unavailable("memory ran out at `conv` at batch 64", "The largest batch that fits is 33.")
        return like_lenet()

    monkeypatch.setattr(archcalc.Model, "measure", measure)
    assert command("--save", str(tmp_path / "run.json"), "--batch", "1,64") == 3
    said = capsys.readouterr()
    assert "The largest batch that fits is 33." in said.err
    assert "lenet5" in said.out
    assert len(read(tmp_path / "run.json").measurements) == 1


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_from_outside(tmp_path: Path) -> None:
    """A real signal, in the midst of a real run."""
    pytest.importorskip("torch")
    path = tmp_path / "run.json"
    script = (
        "import os, signal, sys, archcalc.models as api\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell's background jobs ignore
        "from archcalc.cli import main\n"
        "measure, seen = api.Model.measure, []\n"
        "def slowly(self, conditions, tick):\n"
        "    def tick(done, planned):\n"
        "        if done == 3: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return measure(self, conditions, tick)\n"
        "api.Model.measure = slowly\n"
        "main(sys.argv[1:])\n"
    )
    arguments = [
        "measure",
        "lenet5",
        "--threads",
        "1",
        "--time-limit",
        "60",
        "--save",
        str(path),
        "--precision",
        "0.01",
    ]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    (found,) = read(path).measurements
    assert (found.runs, found.stopped) == (3, "interrupted")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch", "0"], "no batch"),
        (["--batch", "1,,2"], "no batch"),
        (["--gpu", "--device", "cpu"], "one of the two"),
        (["--fail-on-regression"], "needs an earlier run"),
        (["--against", "none.json"], "there is no file `none.json`"),
        (["--save", "/nowhere/run.json"], "a folder that does not exist"),
        (["--tolerance", "-1"], "less than nothing"),
    ],
)
def test_wrong_use(
    arguments: list[str], message: str, fake: list[Conditions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not fake, "known before anything is measured"


def test_what_cannot_be_compared_is_known_before_it_is_measured(
    fake: list[Conditions], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "run.json")
    assert command("--save", path) == 0
    fake.clear()
    assert command("--against", path, "--train") == 2
    assert "mode was inference, now it is training" in capsys.readouterr().err
    assert not fake
