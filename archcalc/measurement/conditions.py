"""How a network is measured: the one description of it, for commands, for Python and for the runtime."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import UsageError
from .latency import Mode


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a network is measured. Raises UsageError for what makes no sense."""

    batch: int = 1
    """Samples in the batch."""
    dtype: str = "float32"
    """Type of all numbers: float32, float64, float16 or bfloat16."""
    device: str = "cpu"
    """Where it runs: `cpu`, `cuda` or `cuda:1`."""
    training: bool = False
    """Also run the backward pass."""
    channels_last: bool = False
    """Keep maps with the channels last."""
    compile: bool = False
    """Add runs of what torch.compile makes of the network to each round."""
    cold: bool = False
    """Drive everything out of the caches before each run."""
    threads: int | None = None
    """Threads of torch on the CPU; None: as they are."""
    pin_malloc: bool = True
    """Keep freed memory for the next layer (on the CPU, with glibc)."""
    precision: float = 0.02
    """Rounds end once the 95 % confidence intervals of the medians are within this share of them, to either side."""
    runs: int = 500
    """Make at most so many rounds; there is at least one."""
    time_limit: float = 10.0
    """Start no new round after this many seconds, warming up included."""
    least: int = 1
    """Make at least so many rounds, whatever the time limit: as many as a comparison needs."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UsageError(f"a batch has at least one sample, here it is {self.batch}")
        if not self.time_limit >= 0:  # also not a number
            raise UsageError(f"the time limit is at least 0 seconds, here it is {self.time_limit}")
        check_threads(self.threads)
        if self.runs < 1:
            raise UsageError(f"there is at least one run, here it is {self.runs}")
        if not 0 < self.precision < 1:
            raise UsageError(f"the precision is between 0 and 100 %, here it is {100 * self.precision:g}")

    @property
    def mode(self) -> Mode:
        """As a saved run calls it."""
        return "training" if self.training else "inference"


def check_threads(threads: int | None) -> None:
    """Raise UsageError for none, and for more than there are processors: OpenMP ends the process for a large number."""
    if threads is not None and threads < 1:
        raise UsageError(f"there is at least one thread, here it is {threads}")
    processors = os.cpu_count() or 1
    if threads is not None and threads > processors:
        raise UsageError(f"{threads:,} threads are too many: this machine has {processors:,} processors")


USUAL = Conditions()
