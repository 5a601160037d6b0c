"""What a measurement is: plain numbers, so that what shows it does not need torch."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds over `runs` runs: median, inter-quartile range, minimum and maximum."""

    median: float
    iqr: float
    min: float
    max: float
    runs: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Latency:
        """Summarise samples in ms; at least one."""
        from statistics import median, quantiles  # here, as only a measurement needs it: 5 ms

        low, _, high = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else (samples[0],) * 3
        return cls(median(samples), high - low, min(samples), max(samples), len(samples))


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured run of the main path: the whole, and each node by a clock read at every node's end.

    `samples[i]` are the milliseconds of node i in each run; `complete` is False where the time limit came first.
    """

    device: str
    device_name: str
    torch: str
    threads: int
    dtype: str
    batch: int
    runs: int
    complete: bool
    malloc_pinned: bool
    whole: Latency
    layers: tuple[Latency, ...] = field(repr=False)
    samples: tuple[array[float], ...] = field(repr=False, compare=False)

    def span(self, start: int, stop: int) -> Latency:
        """The nodes from `start` to `stop` together: summed within each run, then summarised."""
        if start >= stop:
            return Latency(0.0, 0.0, 0.0, 0.0, self.runs)
        return Latency.of([sum(run) for run in zip(*self.samples[start:stop], strict=True)])
