"""What a measurement is: plain numbers, and what follows from them. What shows it does not need torch."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import isnan, sqrt
from typing import Literal

from ..records import NamedTuple

LEVEL = 0.95  # of the confidence intervals
TOLERANCE = 0.05  # how far apart every other run and the rest, or the parts and the whole, of a stable run may be
LARGE = 20_000  # runs whose binomial distribution is summed up term by term
NOISY = 0.05  # how much slower the processor is when others use it too, at least
LEAST_RUNS = 6  # with fewer there is no interval at LEVEL, and every other run says nothing

Mode = Literal["inference", "training"]
Stopped = Literal["confidence", "runs", "time limit", "interrupted"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds over `runs` runs: median, inter-quartile range, minimum, maximum, 90th and 99th percentile."""

    median: float
    iqr: float
    min: float
    max: float
    p90: float
    p99: float
    runs: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Latency:
        """Summarise samples in ms; at least one. Percentiles are interpolated between samples."""
        inorder = sorted(samples)
        low, middle, high, p90, p99 = (_quantile(inorder, share) for share in (0.25, 0.5, 0.75, 0.9, 0.99))
        return cls(middle, high - low, inorder[0], inorder[-1], p90, p99, len(inorder))


def _quantile(inorder: Sequence[float], share: float) -> float:
    """Linear between the two samples beside it (definition 7 of Hyndman & Fan 1996, numpy's own)."""
    place = share * (len(inorder) - 1)
    at = int(place)
    if at + 1 >= len(inorder):
        return inorder[at]
    return inorder[at] + (place - at) * (inorder[at + 1] - inorder[at])


def median(samples: Sequence[float]) -> float:
    return _quantile(sorted(samples), 0.5)


def median_interval(samples: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """A confidence interval of the median, whatever the distribution; None where there are too few samples. The order
    statistics X(k) and X(n+1−k) hold the median between them with probability 1 − 2·P(B < k), B binomial (n, ½): k is
    the largest with which that is at least `level` (Conover 1999, section 3.2)."""
    n = len(samples)
    if n <= LARGE:
        tail, term, k = 0, 1, 0  # `term` is n over k
        outside = Fraction(1 - level).limit_denominator(10**6) * 2**n  # as a float it could not be held
        while 2 * (tail + term) <= outside:
            tail += term
            term = term * (n - k) // (k + 1)
            k += 1
    else:  # B is normal, as near as makes no difference
        from statistics import NormalDist

        k = int((n - NormalDist().inv_cdf((1 + level) / 2) * sqrt(n)) / 2)
    if not k:
        return None
    inorder = sorted(samples)
    return inorder[k - 1], inorder[n - k]


class Confidence(NamedTuple):
    """Between which two figures the median lies at `level`, as a share of it to either side, and what was wanted. All
    but `level` and `wanted` are None where the runs are too few."""

    level: float
    low: float | None
    high: float | None
    within: float | None
    wanted: float

    @property
    def reached(self) -> bool:
        return self.within is not None and self.within <= self.wanted


def confidence(samples: Sequence[float], wanted: float) -> Confidence:
    """How well the median of `samples` is known; `wanted` is a share of it."""
    found = median_interval(samples) if len(samples) >= LEAST_RUNS else None
    if found is None:
        return Confidence(LEVEL, None, None, None, wanted)
    low, high = found
    middle = median(samples)
    return Confidence(LEVEL, low, high, max(high - middle, middle - low) / middle if middle else 0.0, wanted)


class Doubt(NamedTuple):
    """A reason not to trust a run, and what can be done about it."""

    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What ran it. What is not known is empty or None; `driver`, `cuda`, `tf32` and `clocks` are the GPU's."""

    system: str = ""
    python: str = ""
    libc: str = ""
    processors: int | None = None  # that this process may use
    governor: str = ""
    load: float | None = None  # over the minute before
    driver: str = ""
    cuda: str = ""
    tf32: str = ""
    clocks: str = ""


class Memory(NamedTuple):
    """Bytes that an inference of the main path held, its inputs among them, its parameters not.

    `peak_memory_bytes`: values of the flat interpreter, which frees each at its last use, at most, and at which node.
    `eager_memory_bytes`: the same of nested modules, where whoever calls a row or block holds its input until it ends.
    `workspace_bytes`: what the allocator gave at most beside such values: tensors inside ops, scratch of kernels.
    `requested_bytes`: what the GPU's allocator was asked for at most. None where the device or this torch does not say.
    """

    peak_memory_bytes: int
    peak_memory_at: str
    eager_memory_bytes: int
    workspace_bytes: int | None
    requested_bytes: int | None


@dataclass(frozen=True)
class Measurement:
    """A measured run of the main path: whole runs, and in turn with them runs with a clock read at every node's end.

    `samples[i]` are the milliseconds of node i in each run; in training those of its forward and backward pass, and
    `backward[i]` of the latter alone. `whole_samples` read the clock at both ends only; `compiled_samples` are those
    of what torch.compile made of the network. `wanted` is the share of the median that its interval is to be within;
    `stopped` says what ended the rounds, `warm_ups` how many runs came before, `warmed_up` whether they had stopped
    getting faster, `noisy_rounds` how many rounds do not count, as others used the processor. `probe_ms` is what a
    product of two small matrices took beside those that do: how fast the processor was (0 on a GPU). `overhead_ms` is
    what the clock cost in a run by nodes. `launch_bound` are the nodes for which the GPU waited. `memory` is of an
    inference, None in training.
    """

    device: str
    device_name: str
    torch: str
    threads: int
    dtype: str
    batch: int
    whole_samples: array[float] = field(repr=False)
    samples: tuple[array[float], ...] = field(repr=False)
    backward: tuple[array[float], ...] = field(default=(), repr=False)
    compiled_samples: array[float] = field(default_factory=lambda: array("d"), repr=False)
    mode: Mode = "inference"
    memory_format: str = "contiguous"
    cold: bool = False
    malloc_pinned: bool = False
    wanted: float = 0.02
    stopped: Stopped = "runs"
    warm_ups: int = 0
    warmed_up: bool = True
    noisy_rounds: int = 0
    probe_ms: float = 0.0
    overhead_ms: float = 0.0
    launch_bound: tuple[int, ...] = ()
    machine: Machine = field(default_factory=Machine, repr=False)
    memory: Memory | None = None

    @property
    def runs(self) -> int:
        return len(self.whole_samples)

    @property
    def complete(self) -> bool:
        """Whether the rounds ended because they were enough, not because time was up or somebody stopped them."""
        return self.stopped in ("confidence", "runs") and self.warmed_up

    @cached_property
    def whole(self) -> Latency:
        return Latency.of(self.whole_samples)

    @cached_property
    def layers(self) -> tuple[Latency, ...]:
        return tuple(map(Latency.of, self.samples))

    @cached_property
    def compiled(self) -> Latency | None:
        return Latency.of(self.compiled_samples) if self.compiled_samples else None

    @cached_property
    def sums(self) -> list[float]:
        """The nodes of each run together."""
        return _sums(self.samples, self.runs)

    @cached_property
    def confidence(self) -> Confidence:
        """Of the whole run's median."""
        return confidence(self.whole_samples, self.wanted)

    @property
    def throughput(self) -> float | None:
        """Samples a second."""
        return 1000 * self.batch / self.whole.median if self.whole.median else None

    @cached_property
    def layers_sum(self) -> float:
        """The medians of all nodes together, in ms."""
        return sum(latency.median for latency in self.layers)

    @property
    def reconciliation(self) -> float | None:
        """Σ layers ÷ whole: 1 where the parts add up to the run that no clock was read in."""
        return self.layers_sum / self.whole.median if self.layers and self.whole.median else None

    @cached_property
    def even_odd_gap(self) -> float | None:
        """By which share the medians of the even and the odd runs differ: the whole's, or the nodes' where that is
        more. None where the runs are too few."""
        if self.runs < LEAST_RUNS:
            return None
        return max(median_gap(self.whole_samples), median_gap(self.sums) if self.samples else 0.0)

    @cached_property
    def doubts(self) -> tuple[Doubt, ...]:
        """Why the run is unstable, and what to do about it; empty where it is stable."""
        found: list[Doubt] = []
        ratio, gap = self.reconciliation, self.even_odd_gap
        if not self.warmed_up:
            found.append(Doubt("runs were still getting faster after warming up", "Give it a longer `--time-limit`."))
        if ratio is not None and (isnan(ratio) or abs(ratio - 1) > TOLERANCE):
            away = f"the layers add up to {100 * ratio:.0f} % of the run"
            if self.overhead_ms > TOLERANCE * self.whole.median:
                away += f", and {100 * self.overhead_ms / self.whole.median:.0f} % is what the clock costs"
                found.append(
                    Doubt(away, "The layers are too short for the clock: a larger `--batch` makes them longer.")
                )
            elif self.launch_bound:
                found.append(Doubt(away, "The GPU waits for launches: a larger `--batch` gives it more to do."))
            else:
                paused = abs(median(self.sums) / self.whole.median - 1) <= TOLERANCE  # each run by nodes is as long
                found.append(Doubt(away + ": pauses hit now one, now another" * paused, QUIET))
        if gap is None:
            few = f"{self.runs} run{' is' if self.runs == 1 else 's are'} too few to tell"
            found.append(Doubt(few, f"At least {LEAST_RUNS} are needed: a longer `--time-limit`."))
        elif gap > TOLERANCE:
            found.append(Doubt(f"every other run was {100 * gap:.0f} % slower than the rest", QUIET))
        return tuple(found)

    @property
    def stable(self) -> bool:
        return not self.doubts

    def span(self, start: int, stop: int) -> Latency:
        """The nodes from `start` to `stop` together: summed within each run, then summarised."""
        return Latency.of(_sums(self.samples[start:stop], self.runs))

    def backward_span(self, start: int, stop: int) -> Latency | None:
        """The same of their backward pass; None where it was not run."""
        return Latency.of(_sums(self.backward[start:stop], self.runs)) if self.backward else None


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what was measured until then: of one network, or of several in turn."""

    def __init__(self, *measurements: Measurement) -> None:
        super().__init__()
        self.measurements = measurements

    @property
    def measurement(self) -> Measurement:
        return self.measurements[0]


def _sums(rows: Sequence[Sequence[float]], runs: int) -> list[float]:
    return [sum(run) for run in zip(*rows, strict=True)] if rows else [0.0] * runs


def median_gap(samples: Sequence[float]) -> float:
    """By which share of the smaller one the medians of every other sample and of the rest differ."""
    one, other = sorted((median(samples[::2]), median(samples[1::2])))
    return (other - one) / one if one else 0.0


QUIET = "Stop what else runs, or give it fewer threads (`--threads`); `archcalc doctor` says what this machine does."
