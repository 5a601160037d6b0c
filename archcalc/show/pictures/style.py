"""The style of pictures: sizes of a paper's column, small fonts, and colours that differ in grey too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # mermaid needs no matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.4, 7.0  # inches: one column of a paper, and its whole width
# Okabe & Ito's colours (jfly.uni-koeln.de/color), in an order in which neighbours also differ as greys.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
)  # fmt: skip
INK, DIM, LINE = "#222222", "#666666", "#cccccc"
CYCLE = (BLUE, ORANGE, GREEN, SKY, RED, PURPLE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), DIM),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.4,
    **dict.fromkeys(("figure.facecolor", "savefig.facecolor"), "white"),
    "svg.fonttype": "path",
    "svg.hashsalt": "archcalc",
    "pdf.fonttype": 42,
    "axes.unicode_minus": True,
    "text.parse_math": False,  # names of others are no formulas, `$x^$` too
}


def styled() -> AbstractContextManager[None]:
    import matplotlib

    return matplotlib.rc_context(STYLE)


def figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, that no window knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def short(value: float, digits: int = 3) -> str:
    """`15.5 G`."""
    for unit, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if abs(value) >= factor:
            return f"{value / factor:.{digits}g} {unit}"
    return f"{value:.{digits}g}"


def plain_log(axis: Any) -> None:
    """Ticks of a logarithmic axis as numbers with a decimal unit, a few of them however short the axis is."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    decades = (high / low) if low > 0 else 10
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 200 else (1.0, 2.0, 5.0), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_formatter(NullFormatter())


def labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Iterable[str],
    radii: Sequence[float],
    lines: Sequence[Sequence[tuple[float, float]]] = (),
    keep: Sequence[Any] = (),
    others: Sequence[tuple[tuple[float, float], float]] = (),
) -> None:
    """Names beside points, where they neither stand on each other nor on a point (`radii` in points), nor outside, nor
    on one of `lines`, nor on the texts of `keep`, nor on the `others`: points without a name, with their radii."""
    drawn: Any = axes.get_figure()
    drawn.draw_without_rendering()
    renderer = drawn.canvas.get_renderer()
    scale = drawn.dpi / 72
    spots = [axes.transData.transform(point) for point in points]
    taken: list[Rect] = []
    for other in keep:
        box = other.get_window_extent(renderer)
        taken.append((box.x0 - 3, box.y0 - 3, box.x1 + 3, box.y1 + 3))
    for line in lines:
        corners = [axes.transData.transform(point) for point in line]
        for (x0, y0), (x1, y1) in pairwise(corners):
            steps = max(1, int(max(abs(x1 - x0), abs(y1 - y0)) / 4))
            for n in range(steps + 1):
                px, py = x0 + (x1 - x0) * n / steps, y0 + (y1 - y0) * n / steps
                taken.append((px - 3, py - 3, px + 3, py + 3))
    discs = [(x, y, radius * scale) for (x, y), radius in zip(spots, radii, strict=True)]
    discs += [(*axes.transData.transform(point), radius * scale) for point, radius in others]
    frame = axes.get_window_extent(renderer)
    order = sorted(range(len(spots)), key=lambda at: -radii[at])
    words = list(texts)
    for at in order:
        (x, y), radius = spots[at], radii[at] * scale
        best, cost = None, float("inf")
        probe = axes.text(0, 0, words[at], fontsize=6.5)
        box = probe.get_window_extent(renderer)
        probe.remove()
        w, h, gap = box.width, box.height, 2.5 * scale
        for far in (0.0, 6.0, 12.0, 20.0, 30.0, 42.0):
            r = radius + gap + far * scale
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7)):
                cx, cy = x + dx * (r + w / 2 * (abs(dx) > 0.1)), y + dy * (r + h / 2)
                rect = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
                own = sum(_overlap(rect, other) for other in taken)
                own += sum(_covers(rect, disc) for n, disc in enumerate(discs) if n != at or far == 0)
                outside = max(0, frame.x0 - rect[0]) + max(0, rect[2] - frame.x1)
                outside += max(0, frame.y0 - rect[1]) + max(0, rect[3] - frame.y1)
                total = own + outside * h + far * scale * 0.6
                if total < cost - 1e-9:
                    best, cost = (rect, far), total
        assert best is not None
        rect, far = best
        taken.append(rect)
        middle = axes.transData.inverted().transform(((rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2))
        arrow = {"arrowstyle": "-", "color": DIM, "lw": 0.4, "shrinkA": 0, "shrinkB": 1} if far else None
        axes.annotate(
            words[at], points[at], xytext=tuple(middle), fontsize=6.5, ha="center", va="center", arrowprops=arrow
        )


Rect = tuple[float, float, float, float]


def _overlap(a: Rect, b: Rect) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _covers(rect: Rect, disc: tuple[float, float, float]) -> float:
    """The overlap of a label and a disc, about."""
    x, y, r = disc
    return _overlap(rect, (x - 0.8 * r, y - 0.8 * r, x + 0.8 * r, y + 0.8 * r))
