"""Two runs of a network, one after a change: which layers got slower beyond the noise.

A rank test per layer (Mann & Whitney 1947), corrected for testing many layers (Benjamini & Hochberg 1995), and a
least difference beside it: two runs on one machine differ by more than the spread within each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..errors import Unavailable, UsageError
from .latency import NOISY, Latency, Measurement, median
from .runs import Run

LEVEL = 0.01  # of false alarms, where nothing changed
TOLERANCE = 0.10  # by how much a layer must be slower at least

LatencyVerdict = Literal["slower", "faster", "same", "new", "gone"]

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
        return tuple(change for change in (self.whole, *self.layers) if change.verdict == "slower")


def compare(before: Run, now: Run, tolerance: float = TOLERANCE, level: float = LEVEL) -> tuple[Regression, ...]:
    """Compare what both runs measured, batch by batch. Raises UsageError where they did not measure the same thing,
    Unavailable where scipy is missing."""
    if before.input != now.input:
        was, is_now = ("×".join(map(str, run.input)) for run in (before, now))
        raise UsageError(f"the runs cannot be compared: the input was {was}, now it is {is_now}")
    if before.paths and not set(before.paths) & set(now.paths):
        raise UsageError(f"the runs have no layer in common: `{before.model}` before, `{now.model}` now")
    there = {measured.batch: measured for measured in before.measurements}
    pairs = [(there[measured.batch], measured) for measured in now.measurements if measured.batch in there]
    if not pairs:
        was, are = (", ".join(str(m.batch) for m in run.measurements) or "none" for run in (before, now))
        raise UsageError(f"the runs have no batch in common: {was} before, {are} now")
    for one, other in pairs:
        same_conditions(one, {name: getattr(other, name) for name in SAME})
    return tuple(_compared(before, now, one, other, tolerance, level) for one, other in pairs)


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
    whole = _change("whole", one.whole, other.whole, next(found), tolerance, level)
    changes = {path: _change(path, rows[path][1], new[path][1], next(found), tolerance, level) for path in shared}
    layers = [changes.get(path) or TimeChange(path, None, times, None, None, "new") for path, (_, times) in new.items()]
    gone = {path: was for path, (_, was) in rows.items() if path not in changes}
    layers += [TimeChange(path, was, None, None, None, "gone") for path, was in gone.items()]
    ratios = [change.ratio for change in changes.values() if change.ratio]
    return Regression(other.batch, whole, tuple(layers), median(ratios) if ratios else None, tuple(_notes(one, other)))


def _change(path: str, before: Latency, now: Latency, p: float, tolerance: float, level: float) -> TimeChange:
    ratio = now.median / before.median if before.median else 1.0 if not now.median else float("inf")
    verdict: LatencyVerdict = "slower" if ratio > 1 + tolerance else "faster" if ratio < 1 / (1 + tolerance) else "same"
    return TimeChange(path, before, now, ratio, p, verdict if p < level else "same")


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
    that are all alike differ by nothing: 1. Raises Unavailable where scipy is missing."""
    if not pairs:
        return []
    mannwhitneyu, corrected = library()
    alike = [len({*one, *other}) == 1 for one, other in pairs]
    found = [
        1.0 if same else float(mannwhitneyu(one, other, alternative="two-sided").pvalue)
        for (one, other), same in zip(pairs, alike, strict=True)
    ]
    return [float(p) for p in corrected(found, method="bh")]


def library() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The rank test, and the correction. Raises Unavailable where scipy is missing."""
    try:
        from scipy.stats import false_discovery_control, mannwhitneyu
    except ImportError:
        hint = "Install it with `pip install scipy`."
        raise Unavailable("comparing runs needs scipy, which is not installed", hint) from None
    return mannwhitneyu, false_discovery_control
