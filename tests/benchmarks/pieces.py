"""Candidates of a sweep in one process: `python -m tests.benchmarks.pieces`. Rates are of CPU time on one core, and
as multiples of building each network afresh in the same run."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from math import log
from random import Random

from archcalc import load
from archcalc.candidates import Candidates

Settings = dict[str, int | Fraction]
FRESH, DRAWN = 60, 2000


def efficientnet(draw: Random) -> Iterator[Settings]:
    """Widths in twentieths, depths in tenths, resolutions in eights: 44,640 candidates."""
    while True:
        width, depth = Fraction(draw.randrange(10, 41), 20), Fraction(draw.randrange(8, 32), 10)
        yield {"width": width, "depth": depth, "resolution": 8 * draw.randrange(16, 76)}


def regnet(draw: Random) -> Iterator[Settings]:
    """Networks of four stages from the space of RegNetX, drawn by w₀, wₐ, w_m and d as section 3.3 has it."""
    while True:
        start, slope = 8 * draw.randrange(3, 33), draw.uniform(8, 64)
        times, depth, group = draw.uniform(2, 3), draw.randrange(12, 29), 8 * draw.randrange(1, 9)
        steps = [round(log((start + slope * n) / start) / log(times)) for n in range(depth)]
        widths = [max(1, round(start * times**step / group)) * group for step in steps]
        stages = {width: widths.count(width) for width in widths}
        if len(stages) == 4:
            found: Settings = {"g": group}
            found.update((f"w{n}", width) for n, width in enumerate(stages, 1))
            found.update((f"d{n}", count) for n, count in enumerate(stages.values(), 1))
            yield found


FAMILIES: dict[str, Callable[[Random], Iterator[Settings]]] = {
    "efficientnet-b0": efficientnet,
    "regnetx-400mf": regnet,
}


def rates() -> list[str]:
    """A table: how many a second are built afresh, drawn from the whole space, and counted that were counted before."""
    lines = ["| family | afresh | drawn | again |", "|---|---|---|---|"]
    gc.disable()  # as the command does
    for name, space in FAMILIES.items():
        drawn = [*islice(space(Random(1)), DRAWN)]
        start = time.process_time()
        fresh = [load(name, settings=settings).totals for settings in drawn[:FRESH]]
        afresh = FRESH / (time.process_time() - start)
        of, cells = Candidates(name), [f"{afresh:.0f}/s"]
        for _ in range(2):
            start = time.process_time()
            found = [of.totals(settings) for settings in drawn]
            rate = DRAWN / (time.process_time() - start)
            cells.append(f"{rate:,.0f}/s, {rate / afresh:.1f} ×")
            assert found[:FRESH] == fresh
        lines.append(f"| {name} | {' | '.join(cells)} |")
    gc.enable()
    return lines


if __name__ == "__main__":
    print("\n".join(rates()))
