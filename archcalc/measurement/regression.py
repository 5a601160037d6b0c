"""Two runs of a network, one after a change: which layers got slower beyond the noise.

A rank test per layer (Mann & Whitney 1947), corrected for testing many layers (Benjamini & Hochberg 1995), and a
least difference beside it: two runs on one machine differ by more than the spread within each of them. With few
runs a side the ranks cannot be so far apart that the test decides anything: then the verdict is that, and not `same`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import comb
from typing import Any, Literal

from ..errors import UsageError, installed
from ..ops import Shape, dims
from ..records import NamedTuple
from .latency import NOISY, Latency, Measurement, median
from .runs import Run

LEVEL = 0.01  # of false alarms, where nothing changed
TOLERANCE = 0.10  # by how much a layer must be slower at least

EXACT = 25  # runs of the shorter side up to which the distribution of ranks is counted out, not approximated

LatencyVerdict = Literal["slower", "faster", "same", "too few runs", "new", "gone"]

# What must be alike, or times are not of the same work; and what should be.
SAME = ("device", "dtype", "threads", "mode", "memory_format", "cold")
ALIKE = ("device_name", "torch", "malloc_pinned")


class TimeChange(NamedTuple):
    """A layer in both runs. `ratio` is now ÷ before, `p` the chance of ranks so far apart where nothing changed,
    corrected; both are None, as one of the latencies is, where the layer is in one of the runs only."""

    path: str
    before: Latency | None
    now: Latency | None
    ratio: float | None
    p: float | None
    verdict: LatencyVerdict


class Regression(NamedTuple):
    """Two measurements at one batch: the whole, every layer, by how much the layers moved together (the median of
    their ratios), and what to know about the two runs."""

    batch: int
    whole: TimeChange
    layers: tuple[TimeChange, ...]
    drift: float | None
    notes: tuple[str, ...]

    @property
    def slower(self) -> tuple[TimeChange, ...]:
        return self._judged("slower")

    @property
    def undecided(self) -> tuple[TimeChange, ...]:
        """What there are too few runs of: nobody knows whether it got slower."""
        return self._judged("too few runs")

    @property
    def runs_needed(self) -> int | None:
        """How many runs beside those of before can show that one layer alone got slower; None where 10,000 cannot."""
        tests = 1 + sum(change.p is not None for change in self.layers)
        return None if self.whole.before is None else runs_needed(self.whole.before.runs, tests, 10_000)

    def _judged(self, verdict: LatencyVerdict) -> tuple[TimeChange, ...]:
        return tuple(change for change in (self.whole, *self.layers) if change.verdict == verdict)


def exit_code(comparisons: Sequence[Regression]) -> int:
    """1 where anything got slower, 3 where there are too few runs to tell, else 0."""
    return 1 if any(one.slower for one in comparisons) else 3 if any(one.undecided for one in comparisons) else 0


def decides(before: int, now: int, tests: int, level: float = LEVEL) -> bool:
    """Whether so many runs a side can show that one of `tests` layers alone is slower: where all of its runs are, the
    chance of these ranks is 2 ÷ C(before + now, now), times `tests` after correction."""
    return 2 * tests < level * comb(before + now, now)


def runs_needed(before: int, tests: int, most: int, level: float = LEVEL) -> int | None:
    """The fewest runs that decide beside `before` earlier ones; None where `most` do not."""
    return next((now for now in range(1, most + 1) if decides(before, now, tests, level)), None)


def compare(before: Run, now: Run, tolerance: float = TOLERANCE, level: float = LEVEL) -> tuple[Regression, ...]:
    """Compare what both runs measured, batch by batch. Raises UsageError where they did not measure the same thing,
    Unavailable where scipy is missing."""
    of_one_work(before, now.model, now.inputs, now.paths, [measured.batch for measured in now.measurements])
    there = {measured.batch: measured for measured in before.measurements}
    pairs = [(there[measured.batch], measured) for measured in now.measurements if measured.batch in there]
    for one, other in pairs:
        same_conditions(one, {name: getattr(other, name) for name in SAME})
    return tuple(_compared(before, now, one, other, tolerance, level) for one, other in pairs)


def of_one_work(
    before: Run,
    model: str,
    inputs: Sequence[tuple[str, Shape]],
    paths: Sequence[str],
    batches: Sequence[int],
    every: bool = False,
) -> None:
    """Raise UsageError where a run cannot be held against an earlier one: another input, no layer or no batch in
    common, or, where `every` batch is to be held, not the same ones."""
    if not before.at(inputs):
        was, is_now = (", ".join(dims(shape) for _, shape in each) for each in (before.inputs, inputs))
        raise UsageError(f"the runs cannot be compared: the input was {was}, now it is {is_now}")
    if before.paths and not set(before.paths) & set(paths):
        raise UsageError(f"the runs have no layer in common: `{before.model}` before, `{model}` now")
    there = [measured.batch for measured in before.measurements]
    if not {*there} & {*batches} or (every and {*batches} - {*there}):
        was, are = (", ".join(map(str, some)) or "none" for some in (there, batches))
        what = "have not measured the same batches" if {*there} & {*batches} else "have no batch in common"
        raise UsageError(f"the runs {what}: {was} before, {are} now")


def same_conditions(before: Measurement, now: Mapping[str, object]) -> None:
    """Raise UsageError where conditions that are known of now were others before."""
    for name, condition in now.items():
        there = getattr(before, name)
        if there != condition and not (name == "threads" and before.device != "cpu"):
            what = name.replace("_", " ")
            raise UsageError(f"the runs cannot be compared: {what} was {there}, now it is {condition}")


def _compared(
    before: Run, now: Run, one: Measurement, other: Measurement, tolerance: float, level: float
) -> Regression:
    rows = dict(zip(before.paths, zip(one.samples, one.layers, strict=True), strict=True))
    new = dict(zip(now.paths, zip(other.samples, other.layers, strict=True), strict=True))
    shared = [path for path in new if path in rows]
    tests = [(one.whole_samples, other.whole_samples), *((rows[path][0], new[path][0]) for path in shared)]
    found = iter(rank_tests(tests))
    enough = decides(one.runs, other.runs, len(tests), level)

    def change(path: str, was: Latency, is_now: Latency) -> TimeChange:
        return _change(path, was, is_now, next(found), tolerance, level, enough)

    whole = change("whole", one.whole, other.whole)
    changes = {path: change(path, rows[path][1], new[path][1]) for path in shared}
    layers = [changes.get(path) or TimeChange(path, None, times, None, None, "new") for path, (_, times) in new.items()]
    gone = {path: was for path, (_, was) in rows.items() if path not in changes}
    layers += [TimeChange(path, was, None, None, None, "gone") for path, was in gone.items()]
    ratios = [change.ratio for change in changes.values() if change.ratio]
    return Regression(other.batch, whole, tuple(layers), median(ratios) if ratios else None, tuple(_notes(one, other)))


def _change(
    path: str, before: Latency, now: Latency, p: float, tolerance: float, level: float, enough: bool
) -> TimeChange:
    """One layer; `enough`: the runs are as many as the test needs where no other layer has changed."""
    ratio = now.median / before.median if before.median else 1.0 if not now.median else float("inf")
    verdict: LatencyVerdict = "slower" if ratio > 1 + tolerance else "faster" if ratio < 1 / (1 + tolerance) else "same"
    return TimeChange(path, before, now, ratio, p, verdict if p < level else "same" if enough else "too few runs")


def _notes(before: Measurement, now: Measurement) -> list[str]:
    found = []
    for what, run in (("before", before), ("now", now)):
        if not run.stable:
            found.append(f"the run {what} is unstable: {'; '.join(doubt.reason for doubt in run.doubts)}")
        if run.stopped == "interrupted":
            found.append(f"the run {what} was interrupted")
    if before.probe_ms and now.probe_ms and abs(now.probe_ms / before.probe_ms - 1) > NOISY:
        was, is_now = (f"{run.probe_ms:.3g} ms" for run in (before, now))
        found.append(f"the processor was not as fast: the same piece of work took {was} before, and takes {is_now} now")
    for name in ALIKE:
        one, other = getattr(before, name), getattr(now, name)
        if one != other:
            found.append(f"{name.replace('_', ' ')} was {one}, now it is {other}")
    return found


def rank_tests(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[float]:
    """The two-sided p values of Mann and Whitney's test on each pair of samples, after Benjamini and Hochberg. Samples
    that are all alike differ by nothing: 1. Raises Unavailable where scipy is missing.

    Where the distribution is counted out, it is that of times which all differ."""
    if not pairs:
        return []
    mannwhitneyu, corrected = library()
    alike = [len({*one, *other}) == 1 for one, other in pairs]
    methods = ["exact" if min(len(one), len(other)) <= EXACT else "asymptotic" for one, other in pairs]
    found = [
        1.0 if same else float(mannwhitneyu(one, other, alternative="two-sided", method=method).pvalue)
        for (one, other), same, method in zip(pairs, alike, methods, strict=True)
    ]
    return [float(p) for p in corrected(found, method="bh")]


def library() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The rank test, and the correction. Raises Unavailable where scipy is missing."""
    with installed():
        from scipy.stats import false_discovery_control, mannwhitneyu
    return mannwhitneyu, false_discovery_control
