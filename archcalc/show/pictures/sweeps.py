"""Pictures of a sweep: its points by what decides, with the front, and how what varies goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...tasks.scale import ScaleResult, Swept
from ..wording import clean
from .style import ORANGE, PAGE, figure, plain_log, short, theme, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORDS = {
    "params": "parameters (number)",
    "macs": "MACs",
    "flops": "FLOPs (number)",
    "weight_layers": "weight layers (number)",
    "receptive_field": "receptive field (pixels)",
    "latency_ms": "latency (ms)",
}
WIDE = 30  # times the least, from which on an axis is logarithmic
KEPT = {"color": ORANGE, "linewidth": 0.9, "zorder": 3}
OTHER = {"linewidth": 0.3, "alpha": 0.35, "zorder": 1}
TEXT: Any = {"fontsize": 6, "annotation_clip": False}
Values = Mapping[str, float | str]


def swept(found: ScaleResult, about: Swept) -> Figure:
    """The points over two figures, those that are kept in front of some of all others; below, every one is a line
    through what varies and these figures. Raises UsageError for fewer than two points."""
    kept = [
        {**point.settings, "input": str(point.input[-1]), "batch": str(point.batch)}
        | {name: point.figure(name) or 0.0 for name in about.drawn}
        for point in found.points
    ]
    if len({*(tuple(map(str, each.values())) for each in [*kept, *about.others])}) < 2:
        raise UsageError("a picture needs at least two points")
    made = figure(PAGE, 5.2)
    above, below = made.subplots(2, 1, height_ratios=(3, 2))
    x, y = about.drawn
    numbers = [[float(each[name]) for each in (*about.others, *kept)] for name in (x, y)]
    above.scatter(
        [float(each[x]) for each in about.others], [float(each[y]) for each in about.others],
        s=5, color=theme().dim, alpha=0.35, linewidth=0, label=_others(about),
    )  # fmt: skip
    points = sorted((float(each[x]), float(each[y])) for each in kept)
    front = about.objectives[:2] == about.drawn and len(about.objectives) == 2 and len(points) > 1
    if front:
        above.plot(*zip(*points, strict=True), color=theme().ink, linewidth=0.9, drawstyle="steps-post", zorder=2)
    which = f"the front, {len(kept):,}" if about.objectives else f"the {len(kept):,} that are kept"
    which += f" of {len(kept) + about.more:,}" if about.more else ""
    above.scatter(
        *zip(*points, strict=True), s=16, color=ORANGE, edgecolor=theme().ink, linewidth=0.5, zorder=3, label=which
    )  # fmt: skip
    above.set_xlabel(_word(x))
    above.set_ylabel(_word(y))
    scales = ((numbers[0], above.set_xscale, above.xaxis), (numbers[1], above.set_yscale, above.yaxis))
    for values, scale, axis in scales:
        if min(values) > 0 and max(values) / min(values) > WIDE:
            scale("log")
            plain_log(axis)
        else:
            axis.set_major_formatter(lambda value, _: short(value))
    above.legend(loc="best")
    _parallel(below, kept, about)
    made.suptitle(titled(f"{clean(found.model)}: {about.counted:,} points, each counted"), fontsize=8.5)
    return made


def _others(about: Swept) -> str:
    return f"{len(about.others):,} of {about.left:,} that keep all bounds"


def _word(name: str) -> str:
    unit = "bytes" if name.endswith("_bytes") else "number"
    return WORDS.get(name, f"{clean(name.removesuffix('_bytes').replace('_', ' '))} ({unit})")


def _parallel(axes: Any, kept: Sequence[Values], about: Swept) -> None:
    """Every point as a line through its places on axes that go from the least to the most."""
    every = [*about.others, *kept]
    names = [name for name in kept[0] if all(name in point for point in every)]
    names = [name for name in names if len({str(point[name]) for point in every}) > 1]
    places = {name: _places([point[name] for point in every]) for name in names}
    for at, _ in enumerate(every):
        own = at >= len(about.others)
        look: Any = KEPT if own else OTHER | {"color": theme().dim}
        axes.plot(range(len(names)), [places[name][0][at] for name in names], **look)
    for at, name in enumerate(names):
        axes.plot([at, at], [0, 1], color=theme().dim, linewidth=0.6)
        low, high = places[name][1:]
        for text, end, way, side in ((high, 1, 3, "bottom"), (f"{low}\n{clean(name)}", 0, -3, "top")):
            axes.annotate(text, (at, end), xytext=(0, way), textcoords="offset points", ha="center", va=side, **TEXT)
    axes.set_ylim(-0.02, 1.1)
    axes.set_axis_off()


def _places(values: Sequence[float | str]) -> tuple[list[float], str, str]:
    """Where values stand between the least and the most, and what these are; words stand in the order in which they
    come."""
    try:
        numbers = [float(value) for value in values]
        low, high = short(min(numbers)), short(max(numbers))
    except ValueError:
        order = list(dict.fromkeys(map(str, values)))
        numbers, low, high = [float(order.index(str(value))) for value in values], clean(order[0]), clean(order[-1])
    least, most = min(numbers), max(numbers)
    return [(number - least) / (most - least) for number in numbers], low, high
