"""The style of pictures: sizes of a paper's column, small fonts, and colours that differ in grey too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ...errors import UsageError, did_you_mean, printable
from ...records import NamedTuple

if TYPE_CHECKING:  # mermaid needs no matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.4, 7.0  # inches: one column of a paper, and its whole width
# Okabe & Ito's colours (jfly.uni-koeln.de/color), in an order in which neighbours also differ as greys.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
)  # fmt: skip
CYCLE = (BLUE, ORANGE, GREEN, SKY, RED, PURPLE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))


class Theme(NamedTuple):
    """The colours of what is no data: text, what is beside the point, grids, and what it is drawn on."""

    ink: str
    dim: str
    line: str
    paper: str


THEMES = {
    "paper": Theme("#222222", "#666666", "#cccccc", "white"),
    "dark": Theme("#eeeeee", "#aaaaaa", "#4a4a4a", "#1c1c1c"),
}
LETTER = 0.0685  # inches: how wide one of a title is, about
SIDES, DOTS = (0.5, 40.0), (30, 1200)  # inches and dots per inch that a picture may have


@dataclass(frozen=True, slots=True)
class Look:
    """How pictures look: their size in inches, unless each has its own, dots per inch, and what is in them; `editable`
    leaves the text of an svg text. Raises UsageError."""

    size: tuple[float, float] | None = None
    dpi: int = 200
    title: bool = True
    theme: str = "paper"
    font: str = ""
    editable: bool = False

    def __post_init__(self) -> None:
        if self.theme not in THEMES:
            hint = did_you_mean(self.theme, THEMES) or f"{', '.join(THEMES)}."
            raise UsageError(f"there is no theme `{printable(self.theme)}`", hint)
        if self.size is not None and not all(SIDES[0] <= side <= SIDES[1] for side in self.size):
            raise UsageError(f"a picture has sides of {SIDES[0]:g} to {SIDES[1]:g} inches")
        if not DOTS[0] <= self.dpi <= DOTS[1]:
            raise UsageError(f"a picture has {DOTS[0]} to {DOTS[1]} dots per inch, not {self.dpi}")


def inches(text: str) -> tuple[float, float] | None:
    """`6x4`, width and height; nothing of an empty text. Raises UsageError."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?) ?[x×] ?(\d{1,3}(?:\.\d{1,3})?)", text, re.ASCII)
    if found is None:
        raise UsageError(f"`{printable(text)}` is no size in inches", "Width and height, as 6x4 or 3.4x2.5.")
    return float(found[1]), float(found[2])


PLAIN = Look()
_LOOK: ContextVar[Look] = ContextVar("look", default=PLAIN)


def theme() -> Theme:
    """The colours of the picture that is drawn."""
    return THEMES[_LOOK.get().theme]


def tint(color: str, share: float = 0.22) -> tuple[float, ...]:
    """A colour mixed with what it is drawn on."""
    from matplotlib.colors import to_rgb

    pairs = zip(to_rgb(color), to_rgb(theme().paper), strict=True)
    return tuple(share * own + (1 - share) * under for own, under in pairs)


def _rc(look: Look) -> Any:
    ink, dim, line, paper = THEMES[look.theme]
    return {
        "font.family": look.font or "DejaVu Sans",
        "font.size": 7.5,
        "axes.titlesize": 8.5,
        "axes.labelsize": 8,
        **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7),
        **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), dim),
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), ink),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
        "axes.linewidth": 0.7,
        "lines.linewidth": 1.3,
        "lines.markersize": 4.5,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": line,
        "grid.linewidth": 0.4,
        **dict.fromkeys(("figure.facecolor", "savefig.facecolor", "axes.facecolor"), paper),
        "hatch.linewidth": 0.6,
        "svg.fonttype": "none" if look.editable else "path",
        "svg.hashsalt": "archcalc",
        "pdf.fonttype": 42,
        "axes.unicode_minus": True,
        "text.parse_math": False,  # names of others are no formulas, `$x^$` too
    }


@contextmanager
def styled(look: Look | None = None) -> Iterator[Look]:
    """While something is drawn: what makes it look so; without a `look` as before. Raises UsageError for a font that
    nobody has here."""
    import matplotlib

    look = look or _LOOK.get()
    if look.font:
        from matplotlib.font_manager import findfont, get_font_names

        try:
            findfont(look.font, fallback_to_default=False)
        except ValueError:
            hint = did_you_mean(look.font, get_font_names()) or "serif, sans-serif and monospace are everywhere."
            raise UsageError(f"there is no font `{printable(look.font)}` here", hint) from None
    token = _LOOK.set(look)
    try:
        with matplotlib.rc_context(_rc(look)):
            yield look
    finally:
        _LOOK.reset(token)


def figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, unless another one is asked for; no window knows of it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=_LOOK.get().size or (width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def canvas(width: float, height: float) -> tuple[Figure, Axes, float]:
    """A figure to draw on in inches, from the left below, and how much larger all is where a size is asked for."""
    made = figure(width, height)
    made.set_layout_engine("none")
    across, up = made.get_size_inches()
    scale = min(across / width, up / height)
    axes = made.add_axes((0, 0, 1, 1))
    beside, below = (across / scale - width) / 2, (up / scale - height) / 2
    axes.set_xlim(-beside, width + beside)
    axes.set_ylim(-below, height + below)
    axes.axis("off")
    return made, axes, float(scale)


def asked() -> tuple[float, float] | None:
    """The size in inches that is asked for, if one is."""
    return _LOOK.get().size


def titled(text: str, beside: float | None = None) -> str:
    """The title, if one is asked for; above a chart on lines that are no wider than a size that is asked for, less the
    inches that stand `beside` it."""
    look = _LOOK.get()
    if beside is None or look.size is None or not look.title:
        return text if look.title else ""
    room = max(12, int((look.size[0] - beside) / 0.064))
    return "\n".join(piece for line in text.split("\n") for piece in wrap(line, room))


def label_size(text: str, room: float) -> float:
    """How large the label of an axis that has so many inches is written."""
    return min(8.0, 8 * room / (0.066 * max(len(line) for line in text.split("\n"))))


def footed(made: Figure, notes: Iterable[str], least: int = 0) -> int:
    """Write notes below all, in room for so many lines at least; how many there are."""
    lines = [line for note in notes for line in wrap(note, int(made.get_size_inches()[0] * 18.5))]
    if lines:
        blank = "\n " * (least - len(lines))
        made.supxlabel("\n".join(lines) + blank, fontsize=6.5, color=theme().dim, x=0.01, ha="left")
    return len(lines)


class Placed(NamedTuple):
    """Names for which there was no room, and what was drawn of others."""

    nameless: list[str]
    drawn: list[Any]


def lettered(made: Figure, notes: Sequence[str], *places: Callable[[], Placed]) -> None:
    """Place names in the parts of a picture, and note below which have no room; again where the notes take some."""
    lines, drawn = footed(made, notes), list[Any]()
    fitted(made)
    for _ in range(4):
        for old in drawn:
            old.remove()
        made.draw_without_rendering()
        placed = [place() for place in places]
        drawn = [each for one in placed for each in one.drawn]
        said = _nameless(made, list(dict.fromkeys(name for one in placed for name in one.nameless)))
        found = footed(made, [*notes, said], lines)
        if found <= lines or not said:
            return
        lines = found


def _nameless(made: Figure, names: Sequence[str]) -> str:
    """The note on names for which there is no room: as many of them as stand on two lines."""
    start, kept = "without a name for want of room: ", list(names)
    room = 2 * int(made.get_size_inches()[0] * 18.5) - len(start) - 12
    while len(kept) > 1 and len("; ".join(kept)) > room:
        kept.pop()
    more = f" and {len(names) - len(kept):,} more" if len(kept) < len(names) else ""
    return f"{start}{'; '.join(kept)}{more}" if names else ""


def fitted(made: Figure) -> Figure:
    """A chart of a size that is asked for: what is written along an axis, no longer than the picture."""
    if asked() is not None:
        made.draw_without_rendering()
        for label in (label for axes in made.axes for label in (axes.xaxis.label, axes.yaxis.label)):
            box, whole = label.get_window_extent(), made.bbox
            x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            over = max(box.width / min(x, whole.x1 - x), box.height / min(y, whole.y1 - y)) / 2
            label.set_fontsize(float(label.get_fontsize()) / max(1.0, over * 1.02))
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
) -> Placed:
    """Names beside points, where they neither stand on each other nor on a point (`radii` in points), nor outside, nor
    on one of `lines`, nor on the texts of `keep`, nor on the `others`: points without a name, with their radii. Return
    the names for which there is no room. What is there is drawn before."""
    made: Any = axes.get_figure()
    renderer = made.canvas.get_renderer()
    scale, letters = made.dpi / 72, 6.5 if made.get_size_inches()[0] >= 5 else 6.0
    spots = [axes.transData.transform(point) for point in points]
    taken: list[Rect] = []
    for other in keep:
        box = other.get_window_extent(renderer)
        taken.append((box.x0 - 3, box.y0 - 3, box.x1 + 3, box.y1 + 3))
    names, found = taken[:], Placed([], [])  # texts, which no way to a name crosses
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
    there = set[int]()
    for at, ways in [*((at, FAR[:1]) for at in order), *((at, FAR) for at in order)]:  # first what stands right beside
        if at in there:
            continue
        (x, y), radius = spots[at], radii[at] * scale
        best, cost = None, float("inf")
        probe = axes.text(0, 0, words[at], fontsize=letters)
        box = probe.get_window_extent(renderer)
        probe.remove()
        w, h, gap = box.width, box.height, 2.5 * scale
        for far in ways:
            if cost < far * scale * 0.6:
                break
            r = radius + gap + far * scale
            for dx, dy in WAYS if far < 20 else WAYS[2:]:  # not far along a level line
                cx, cy = x + dx * (r + w / 2 * (abs(dx) > 0.1)), y + dy * (r + h / 2)
                rect = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
                own = sum(_overlap(rect, other) for other in taken)
                own += sum(_covers(rect, disc) for n, disc in enumerate(discs) if n != at or far == 0)
                outside = max(0, frame.x0 - rect[0]) + max(0, rect[2] - frame.x1)
                outside += max(0, frame.y0 - rect[1]) + max(0, rect[3] - frame.y1)
                if far:  # the line to it
                    pieces = _steps(x, y, cx, cy, radius)
                    own += sum(_overlap(step, other) for step in pieces for other in names)
                    own += sum(_covers(step, disc) for step in pieces for n, disc in enumerate(discs) if n != at)
                total = 20 * (own + outside * h) + far * scale * 0.6
                if total < cost - 1e-9:
                    best, cost = (rect, far, own + outside), total
        if best is None or best[2] > 0.5:
            found.nameless.extend([words[at].replace("\n", " ")] if ways == FAR else [])
            continue
        there.add(at)
        rect, far, _ = best
        taken.append((rect[0] - gap, rect[1], rect[2] + gap, rect[3]))
        names.append(rect)
        taken += _steps(x, y, (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2, radius) if far else []
        middle = axes.transData.inverted().transform(((rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2))
        arrow = {"arrowstyle": "-", "color": theme().dim, "lw": 0.4, "shrinkA": 0, "shrinkB": 1} if far else None
        name = axes.annotate(
            words[at], points[at], xytext=tuple(middle), fontsize=letters, ha="center", va="center", arrowprops=arrow
        )
        found.drawn.append(name)
    return found


FAR = (0.0, 6.0, 12.0, 20.0, 30.0, 42.0, 56.0, 72.0, 90.0)  # points that a name stands apart
WAYS = (  # from a point to its name
    (1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7), (0.35, 1), (-0.35, 1),
    (0.35, -1), (-0.35, -1),
)  # fmt: skip
Rect = tuple[float, float, float, float]


def _steps(x: float, y: float, to_x: float, to_y: float, radius: float) -> list[Rect]:
    """A line from the edge of a point as small pieces."""
    long = max(abs(to_x - x), abs(to_y - y), 1.0)
    shares = [n * 5 / long for n in range(int(radius / 5) + 1, int(long / 5))]
    spots = [(x + (to_x - x) * share, y + (to_y - y) * share) for share in shares]
    return [(px - 1, py - 1, px + 1, py + 1) for px, py in spots]


def _overlap(a: Rect, b: Rect) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _covers(rect: Rect, disc: tuple[float, float, float]) -> float:
    """The overlap of a label and a disc, about."""
    x, y, r = disc
    return _overlap(rect, (x - 0.8 * r, y - 0.8 * r, x + 0.8 * r, y + 0.8 * r))
