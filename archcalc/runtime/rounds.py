"""The rounds of a measurement: how many there are, and which count.

Whole runs, which read the clock at both ends only, take turns with runs that read it at every node's end. Between
them a probe, a piece of work that is always the same, says how fast the processor is: rounds in which others used it
do not count.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Protocol

from ..measurement.latency import NOISY, Stopped, confidence, median
from ..parallel import obey_interrupt
from ..records import NamedTuple
from .bench import ByNode

LEAST_RUNS = 10  # before the confidence may end them
WARM_UPS = 3  # at least
WARM = 0.05  # warm are runs of which the last two are not faster by more than this than all before
BETWEEN = 0.02  # seconds from one probe to the next at least: it leaves the caches other than it finds them
CALM = 0.25  # the share of the rounds that the machine was quiet in, at least

Progress = Callable[[int, int], None]


class Runner(Protocol):
    """What the rounds run: a Bench, or what stands for one in a test."""

    training: bool
    compiled_network: Callable[..., Any] | None

    def probe(self) -> float: ...

    def whole(self) -> float: ...

    def layers(self) -> ByNode: ...

    def compiled(self) -> float: ...


class Rounds(NamedTuple):
    """The samples of the rounds that count, in ms, and how they came about."""

    whole: array[float]
    total: tuple[array[float], ...]
    backward: tuple[array[float], ...]
    compiled: array[float]
    launch_bound: tuple[int, ...]
    warm_ups: int
    warmed_up: bool
    stopped: Stopped
    noisy_rounds: int
    probe_ms: float


def rounds_in_turn(
    benches: Sequence[Runner],
    runs: int,
    time_limit: float,
    wanted: float,
    progress: Progress | None = None,
    least: int = 1,
) -> tuple[Rounds, ...]:
    """Warm up until the runs get no faster, then run rounds until they are enough or time is up; `least` of them in any
    case, and as many count.

    In each round there are the whole runs of all benches in turn, A B …, and then the runs by nodes. Ctrl-C ends them
    too, once a round is done; before that it gets through.
    """
    until = time.monotonic() + time_limit
    warm = _warm_up(benches, until)
    kept = [_Samples(nodes) for _, _, nodes in warm]
    stopped: Stopped = "runs"
    begun = time.monotonic()
    count, expected, watch = 0, runs, _Watch(benches[0].probe)

    def look() -> tuple[int, int]:
        """How many rounds count so far, and how many should."""
        calm = quiet_rounds(watch.slowest(), least)
        every = [series for samples in kept for series in (samples.whole, samples.sums)]
        return sum(calm), max(least, _rounds_enough([array("d", compress(series, calm)) for series in every], wanted))

    try:
        while count < runs:
            obey_interrupt()
            watch.begin()
            wholes = [bench.whole() for bench in benches]
            watch.look()
            layers = [bench.layers() for bench in benches]
            fused = [bench.compiled() if bench.compiled_network is not None else None for bench in benches]
            for samples, whole, by_node, one in zip(kept, wholes, layers, fused, strict=True):
                samples.add(whole, by_node, one)
            watch.end()
            count += 1
            there, enough = 0, 1
            if count <= 60 or count % 10 == 0:  # each look sorts all samples
                there, enough = look()
                if there >= enough:
                    watch.take()  # the last round may have been disturbed
                    there, enough = look()
                expected = enough * count // there
            now = time.monotonic()
            if progress is not None:
                a_round = (now - begun) / count
                in_time = count + int(max(0.0, until - now) / a_round) if a_round else runs
                progress(count, max(count, min(runs, expected, in_time)))
            if there >= enough:
                stopped = "confidence"
                break
            if time.monotonic() >= until and least <= count < runs:
                stopped = "time limit"
                break
    except KeyboardInterrupt:
        if not count:
            raise
        stopped = "interrupted"
    watch.take()
    probes = watch.slowest()[:count]
    calm = quiet_rounds(probes, least)
    speed = median(list(compress(probes, calm)))
    return tuple(
        samples.rounds(calm, warm_ups, warmed_up, stopped, speed)
        for samples, (warm_ups, warmed_up, _) in zip(kept, warm, strict=True)
    )


class _Watch:
    """Takes a probe between runs wherever there was none for a while."""

    def __init__(self, probe: Callable[[], float]) -> None:
        self.probe = probe
        self.times: list[float] = []
        self.spans: list[tuple[int, int]] = []  # of each round the last probe before it, and the first one after it
        self.take()

    def take(self) -> None:
        self.times.append(self.probe())
        self.due = time.perf_counter() + BETWEEN

    def look(self) -> bool:
        """Take one if it is due; whether it was."""
        due = time.perf_counter() >= self.due
        if due:
            self.take()
        return due

    def begin(self) -> None:
        self.first = len(self.times) - 1

    def end(self) -> None:
        taken = self.look()
        self.spans.append((self.first, len(self.times) - taken))

    def slowest(self) -> list[float]:
        """Of each round the slowest of the probes before, within and after it, of those that there are yet."""
        return [max(self.times[first : last + 1]) for first, last in self.spans]


def quiet_rounds(probes: Sequence[float], least: int = 1) -> list[bool]:
    """Which rounds count, by the slowest probe beside or within each: those in which it is at most 5 % slower than in
    the calmest quarter of them, and at least ten, or `least`.

    What else runs on the processor, or on the same core of a shared machine, slows a probe as it slows a layer.
    """
    inorder = sorted(probes)
    least = max(LEAST_RUNS, least)
    if len(inorder) <= least:
        return [True] * len(inorder)
    limit = max((1 + NOISY) * inorder[int(CALM * (len(inorder) - 1))], inorder[least - 1])
    return [probe <= limit for probe in probes]


class _Samples:
    """What the rounds of one bench gave so far."""

    def __init__(self, nodes: int) -> None:
        self.whole, self.compiled, self.sums = array("d"), array("d"), array("d")
        self.total, self.backward = (tuple(array("d") for _ in range(nodes)) for _ in range(2))
        self.waited: list[list[bool]] = []

    def add(self, whole: float, by_node: ByNode, fused: float | None) -> None:
        self.whole.append(whole)
        for row, sample in zip(self.total, by_node.total, strict=True):
            row.append(sample)
        if by_node.backward:
            for row, sample in zip(self.backward, by_node.backward, strict=True):
                row.append(sample)
        if fused is not None:
            self.compiled.append(fused)
        self.waited.append(by_node.waited)
        self.sums.append(sum(by_node.total))

    def rounds(self, calm: Sequence[bool], warm_ups: int, warmed_up: bool, stopped: Stopped, probe_ms: float) -> Rounds:
        """The rounds that are `calm`; Ctrl-C may have come in the midst of one more, of which nothing is said."""

        def those(row: array[float]) -> array[float]:
            return array("d", compress(row, calm))

        count = sum(calm)
        late = map(sum, zip(*compress(self.waited, calm), strict=True))
        bound = tuple(at for at, times in enumerate(late) if 2 * times > count)
        total, backward = (tuple(map(those, rows)) for rows in (self.total, self.backward))
        return Rounds(
            whole=those(self.whole),
            total=total,
            backward=backward,
            compiled=those(self.compiled),
            launch_bound=bound,
            warm_ups=warm_ups,
            warmed_up=warmed_up,
            stopped=stopped,
            noisy_rounds=len(calm) - count,
            probe_ms=probe_ms,
        )


def _warm_up(benches: Sequence[Runner], until: float) -> list[tuple[int, bool, int]]:
    """Run all in turn until each has warmed up; of each, how many runs that took, whole ones and runs by nodes in turn;
    whether they had warmed up when they ended; and how many nodes there are."""
    times: list[list[float]] = [[] for _ in benches]
    nodes = [0] * len(benches)
    waiting = list(range(len(benches)))
    while waiting:
        for at in waiting:
            bench = benches[at]
            if len(times[at]) % 2:
                by_node = bench.layers()
                nodes[at] = len(by_node.total)
                times[at].append(sum(by_node.total))
            else:
                times[at].append(bench.whole())
                if bench.compiled_network is not None:
                    bench.compiled()
        waiting = [
            at for at in waiting if len(times[at]) < 2 or not (has_warmed_up(times[at]) or time.monotonic() >= until)
        ]
    return [(len(own), has_warmed_up(own), count) for own, count in zip(times, nodes, strict=True)]


def has_warmed_up(times: list[float]) -> bool:
    """Whether runs have stopped getting faster: the last two gained less than a twentieth on all before."""
    return len(times) >= WARM_UPS and min(times[-2:]) >= (1 - WARM) * min(times[:-2])


def _rounds_enough(series: Sequence[array[float]], wanted: float) -> int:
    """How many rounds the intervals of all series are expected to need to be as narrow as wanted; those there are
    where they are. An interval narrows with the root of the number of rounds."""
    done = len(series[0])
    if done < LEAST_RUNS:
        return max(LEAST_RUNS, done + 1)
    within = [found.within for found in (confidence(samples, wanted) for samples in series)]
    worst = max(1.0 if share is None else share for share in within)
    return done if worst <= wanted else max(done + 1, int(done * (worst / wanted) ** 2))
