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
from archcalc.analysis.counts import Totals
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


def closed_forms() -> list[str]:
    """How many of the RegNets pycls counts a second, whose counts must be ours; nothing where it is not installed
    (`pip install --no-deps pycls yacs simplejson`)."""
    try:
        from pycls.models.anynet import AnyNet
    except ImportError:
        return []
    drawn = [*islice(regnet(Random(1)), DRAWN)]
    start, found = time.process_time(), []
    for chosen in drawn:
        depths, widths = ([chosen[f"{what}{n}"] for n in range(1, 5)] for what in "dw")
        groups = [min(chosen["g"], width) for width in widths]
        begun = {"h": 224, "w": 224, "flops": 0, "params": 0, "acts": 0}
        stem, block, strides = ("simple_stem_in", 32), "res_bottleneck_block", [2] * 4
        found.append(AnyNet._complexity(begun, *stem, block, depths, widths, strides, [1.0] * 4, groups, None, 1000))
    rate, of = DRAWN / (time.process_time() - start), Candidates("regnetx-400mf")
    for theirs, chosen in zip(found, drawn, strict=True):
        ours = of.totals(chosen)
        assert isinstance(ours, Totals)
        assert (theirs["params"], theirs["flops"] - 1000) == (ours.params, ours.macs)
    return [
        "",
        f"pycls' closed forms, written by hand for this family, count {rate:,.0f} of these RegNets a second, without",
        "memory: the same parameters in all, and the same MACs but for 1,000 biases of the classifier, which they add.",
    ]


if __name__ == "__main__":
    print("\n".join((*rates(), *closed_forms())))
