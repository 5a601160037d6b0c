"""How fast this machine is: tests bound work, in units of a network that is expanded in the same run."""

from __future__ import annotations

import functools
import time

from archcalc.language.checks import read_family
from archcalc.language.expand import expand
from archcalc.language.reader import read_text

BLOCKS = "input: 4 × 8 × 8\nlayers:\n  - unit x20000\nblocks:\n  unit: conv(4, 3) relu\n"


@functools.cache
def unit() -> float:
    """Seconds of the processor for 20,000 blocks of two nodes: about 0.25 on a fast machine, 0.6 on a slow one."""
    family = read_family(read_text(BLOCKS, "blocks.yaml"), "blocks")
    taken = []
    for _ in range(3):
        start = time.process_time()
        expand(family, family.variants[0])
        taken.append(time.process_time() - start)
    return min(taken)
