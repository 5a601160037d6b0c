"""The largest batch that fits into a given memory, by the computed peak."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import SpecError, UsageError
from ..units import ITEMSIZE
from .counts import Report
from .training import Training, train

LARGEST = 10**9  # no larger batch is looked for
STRAIGHT = 10  # so many times a line through two batches is followed; then what is left is halved


@dataclass(frozen=True, slots=True)
class Need:
    """The bytes that a batch takes: all together, and where the most are held."""

    batch: int
    bytes: int
    report: Report = field(repr=False)
    training: Training | None = field(repr=False)

    @property
    def parts(self) -> dict[str, int]:
        """The parts of the bytes. In training not all are there at once: saved activations go as gradients come."""
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
    """The batches at the limit of `memory` bytes: the largest that fits (None if not one sample does), and the next.
    `beyond` is the smallest batch that does not fit; None where the search ended first."""

    memory: int
    optimizer: str
    fits: Need | None
    beyond: Need | None

    @property
    def batch(self) -> int:
        """The largest batch that fits, 0 where none does."""
        return self.fits.batch if self.fits else 0


def need(report: Report, optimizer: str = "") -> Need:
    """The memory of the main path with its parameters: of an inference, or with an `optimizer` of a training step."""
    if optimizer:
        training = train(report, optimizer)
        return Need(report.batch, training.peak_bytes, report, training)
    totals = report.totals
    held = totals.param_bytes + totals.norm_stats * ITEMSIZE[report.dtype]
    return Need(report.batch, held + totals.peak_memory_bytes, report, None)


def fit(report: Report, memory: int, optimizer: str = "") -> Fit:
    """Find the largest batch that fits into `memory` bytes, given the counts at batch 1. What a batch takes is the
    largest of straight lines in the batch, one for each moment, so that a line through two batches tells where to look;
    that one batch fits and the next does not is looked at. Raises UsageError for arguments that make no sense."""
    if memory < 1:
        raise UsageError("there is at least one byte of memory")
    fits, beyond, end = need(report, optimizer), None, LARGEST + 1  # nothing from `end` on fits
    if fits.bytes > memory:
        return Fit(memory, optimizer, None, fits)
    at, tries = 2, 0
    while end - fits.batch > 1:
        at = max(fits.batch + 1, min(at, end - 1))
        tried = _tried(report, at, optimizer)
        before = fits
        if tried is not None and tried.bytes <= memory:
            fits = tried
        else:
            beyond, end = tried, at
        other, tries = beyond or before, tries + 1
        rise = abs(other.bytes - fits.bytes)
        if tries > STRAIGHT or (beyond is None and end <= LARGEST):
            at = (fits.batch + end) // 2
        else:
            at = fits.batch + (memory - fits.bytes) * abs(other.batch - fits.batch) // rise if rise else end
    return Fit(memory, optimizer, fits, beyond)


def _tried(report: Report, batch: int, optimizer: str) -> Need | None:
    """The need of a batch; None if it cannot be counted any more."""
    try:
        return need(report.at_batch(batch), optimizer)
    except SpecError:
        return None
