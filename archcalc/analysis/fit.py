"""The largest batch that fits into a given memory, by the computed peak."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import SpecError, UsageError
from ..graph import Graph
from ..units import ITEMSIZE
from .counts import Report, analyse
from .training import Training, train

LARGEST = 10**9  # no larger batch is looked for


@dataclass(frozen=True, slots=True)
class Need:
    """The bytes that a batch takes: all together, and where the most are held."""

    batch: int
    bytes: int
    report: Report = field(repr=False)
    training: Training | None = field(repr=False)

    @property
    def parts(self) -> dict[str, int]:
        """What they are made of. In training not all of it is there at once: saved activations go as gradients come."""
        totals, training = self.report.totals, self.training
        if training is None:
            found = {
                "parameters": totals.param_bytes,
                "running statistics": totals.norm_stats * ITEMSIZE[self.report.dtype],
                "activations at the peak": totals.peak_memory_bytes,
            }
        else:
            found = training.parts
        return {name: size for name, size in found.items() if size}


@dataclass(frozen=True, slots=True)
class Fit:
    """What fits into `memory` bytes: the largest batch (None where not even one sample does), and the next one.

    `beyond` is the smallest batch that does not fit; None where the search ended first.
    """

    memory: int
    optimizer: str
    fits: Need | None
    beyond: Need | None

    @property
    def batch(self) -> int:
        """The largest batch that fits, 0 where none does."""
        return self.fits.batch if self.fits else 0


def need(graph: Graph, batch: int, optimizer: str = "", dtype: str = "float32") -> Need:
    """What an inference of the main path takes, or with an `optimizer` a training step; parameters are in it."""
    report = analyse(graph, batch, dtype)
    if optimizer:
        training = train(report, optimizer)
        return Need(batch, training.peak_bytes, report, training)
    totals = report.totals
    held = totals.param_bytes + totals.norm_stats * ITEMSIZE[dtype]
    return Need(batch, held + totals.peak_memory_bytes, report, None)


def fit(graph: Graph, memory: int, optimizer: str = "", dtype: str = "float32") -> Fit:
    """Find the largest batch that fits into `memory` bytes; what a batch takes never falls as it grows.

    Raises UsageError for arguments that make no sense.
    """
    if memory < 1:
        raise UsageError("there is at least one byte of memory")
    graph = graph.without_heads()
    fits, beyond = None, need(graph, 1, optimizer, dtype)
    if beyond.bytes > memory:
        return Fit(memory, optimizer, None, beyond)
    low, high = 1, 2
    fits = beyond
    found: Need | None = None
    while high <= LARGEST:
        tried = _tried(graph, high, optimizer, dtype)
        if tried is None or tried.bytes > memory:
            found = tried
            break
        low, fits, high = high, tried, 2 * high
    high = min(high, LARGEST + 1)
    while high - low > 1:
        middle = (low + high) // 2
        tried = _tried(graph, middle, optimizer, dtype)
        if tried is not None and tried.bytes <= memory:
            low, fits = middle, tried
        else:
            high, found = middle, tried
    return Fit(memory, optimizer, fits, found)


def _tried(graph: Graph, batch: int, optimizer: str, dtype: str) -> Need | None:
    """What a batch takes; None where that cannot be counted any more."""
    try:
        return need(graph, batch, optimizer, dtype)
    except SpecError:
        return None
