"""Charts: by layer, over the run, on a roofline, and of many networks."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import atan2, cos, degrees, log10, sin, sqrt
from typing import TYPE_CHECKING, Any

from ...analysis.roofline import Device, memory_traffic
from ...errors import UsageError, printable
from ...models import Summary
from ...ops import Tokens
from ...records import NamedTuple
from ...tasks.compare import Compared, figures
from ...tasks.plot import Bubble
from ...tasks.scale import Point
from ...tasks.summary import Line, lines
from .. import wording
from ..wording import clean
from .names import bars_of, heading, largest, named, without
from .style import (
    BLUE,
    COLUMN,
    CYCLE,
    DASHES,
    GREEN,
    MARKERS,
    ORANGE,
    PAGE,
    PURPLE,
    RED,
    SKY,
    Placed,
    asked,
    figure,
    fitted,
    footed,
    label_size,
    labels,
    lettered,
    plain_log,
    short,
    theme,
    tint,
    titled,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MIB = 1024.0**2


def layers(summary: Summary) -> Figure:
    """Bars by row: MACs, parameters, memory, and latency where it was measured; those of heads pale below."""
    found, cut = largest(
        [line for line in bars_of(summary) if (line.kind == "row" and line.start < line.stop) or _costs(line)]
    )
    found += [line for line in lines(summary) if line.head]
    panels: list[tuple[str, list[float], str, str]] = [
        ("MACs", [line.counts.macs for line in found], BLUE, ""),
        ("parameters", [line.counts.params for line in found], ORANGE, "///"),
        ("activations (MiB)", [line.counts.activation_bytes / MIB for line in found], GREEN, "---"),
    ]
    if summary.measured is not None:
        times = [line.latency.median if line.latency else 0.0 for line in found]
        panels.append(("latency (ms)", times, PURPLE, "xxx"))
    title = titled(heading(summary), 0.1)
    beside = max((_row_names(summary, found, letters, title) for letters in (34, 26, 20)), key=lambda names: names.size)
    rows = beside.rows
    places = [sum(rows[:at]) + rows[at] / 2 for at in range(len(rows))]
    made = figure(PAGE, max(1.6, 0.165 * sum(rows) + 0.75))
    panel = (made.get_size_inches()[0] - beside.width) / len(panels)
    axes: Any = made.subplots(1, len(panels), sharey=True)
    for ax, (what, values, color, hatch) in zip(axes, panels, strict=True):
        colors = [tint(color, 0.35) if line.head else color for line in found]
        _panel(ax, places, what, values, colors, hatch, panel)
    axes[0].set_yticks(places, beside.texts, fontsize=beside.size)
    axes[0].set_ylim(sum(rows) + 0.1, -0.1)
    made.suptitle(title, fontsize=8.5)
    footed(made, [*cut, *unstable(summary)])
    return made


class _Names(NamedTuple):
    """The names of rows: on how many lines of bars each, how large, and how wide all are, in inches."""

    texts: list[str]
    rows: list[float]
    size: float

    @property
    def width(self) -> float:
        return max(len(line) for text in self.texts for line in text.split("\n")) * self.size * 0.6 / 72


def _row_names(summary: Summary, found: Sequence[Line], letters: int, title: str) -> _Names:
    """Names on lines of so many letters, as large as there is room for."""
    names = named(summary, found, letters)
    texts = [name + " (head)" * bool(line.head) for name, line in zip(names, found, strict=True)]
    lines = [1 + text.count("\n") for text in texts]
    rows = [max(1.0, 0.75 * count) for count in lines]
    made = _Names(texts, rows, 7.0)
    if (size := asked()) is None:
        return made
    pitch = 72 * (size[1] - 0.75 - 0.13 * title.count("\n")) / sum(rows)  # points that a row has
    high = min(row * pitch / (1.35 * count) for row, count in zip(rows, lines, strict=True))
    return made._replace(size=max(2.5, min(7.0, high, 7.0 * 0.42 * size[0] / made.width)))


COSTS = (  # of networks side by side: the figure, what it is divided by, colour and hatch
    ("params", "parameters", 1.0, ORANGE, "///"),
    ("macs", "MACs", 1.0, BLUE, ""),
    ("activation_bytes", "activations (MiB)", MIB, GREEN, "---"),
    ("peak_memory_bytes", "peak memory (MiB)", MIB, SKY, "\\\\\\"),
    ("latency_ms", "latency (ms)", 1.0, PURPLE, "xxx"),
)


def bars(models: Sequence[Compared]) -> Figure:
    """What networks cost, side by side: a panel for each figure that all of them have."""
    of = {metric.key: metric.of for metric in figures(models)}
    panels: list[tuple[str, list[float], str, str]] = []
    for key, what, factor, color, hatch in COSTS:
        values = [value / factor for model in models if (value := of[key](model)) is not None]
        panels += [(what, values, color, hatch)] if len(values) == len(models) else []
    made = figure(PAGE, max(1.4, 0.22 * len(models) + 0.75))
    axes: Any = made.subplots(1, len(panels), sharey=True)
    names = ["\n".join(textwrap.wrap(printable(model.called), 30)) for model in models]
    beside = _Names(names, [], 7.0).width
    for ax, (what, values, color, hatch) in zip(axes, panels, strict=True):
        _panel(ax, range(len(models)), what, values, [color], hatch, (made.get_size_inches()[0] - beside) / len(panels))
    axes[0].set_yticks(range(len(models)), names)
    axes[0].set_ylim(len(models) - 0.4, -0.6)
    return made


def smaller(made: Figure) -> float:
    """How much smaller points are in a small picture."""
    return min(1.0, 0.3 + 0.12 * float(made.get_size_inches()[0]))


def _panel(
    ax: Axes,
    places: Sequence[float],
    what: str,
    values: Sequence[float],
    colors: Sequence[Any],
    hatch: str,
    room: float,
) -> None:
    """Bars beside each other's names, with what they are below, in a panel that is so wide, in inches."""
    unit, factor = _scale(what, values)
    before = " " if room > 1.4 else "\n"
    widths = [value / factor for value in values]
    ax.barh(places, widths, 0.72, color=colors, hatch=hatch, edgecolor=theme().paper, linewidth=0.3)
    text = f"{what}{before}({unit})" if unit else what.replace(" (", f"{before}(")
    ax.set_xlabel(text, fontsize=label_size(text, room))
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.04)
    ax.set_xlim(left=0)


def _costs(line: Line) -> bool:
    """Whether there is anything to see of a line."""
    counts, latency = line.counts, line.latency
    return bool(counts.macs or counts.params or counts.activation_bytes or (latency is not None and latency.median))


def unstable(summary: Summary) -> list[str]:
    """Why the times of a picture are not to be trusted, if they are not."""
    doubts = summary.measured.doubts if summary.measured is not None else ()
    return [f"an unstable run: {'; '.join(doubt.reason for doubt in doubts)}"] if doubts else []


def _scale(what: str, values: Sequence[float]) -> tuple[str, float]:
    if what not in ("MACs", "parameters"):
        return "", 1.0
    most = max(values, default=0)
    found = next(((unit, f) for unit, f in (("G", 1e9), ("M", 1e6), ("K", 1e3)) if most >= f), ("", 1.0))
    return {"G": "billions", "M": "millions", "K": "thousands"}.get(found[0], "number"), found[1]


def memory(summary: Summary) -> Figure:
    """Live bytes while each node runs, with the peak marked and the paper's rows below."""
    report = summary.report
    start, *live = report.live_bytes()
    sizes = [size / MIB for size in live]
    made = figure(PAGE, 2.7)
    ax = made.subplots()
    steps = list(range(len(sizes)))
    ax.fill_between([*steps, len(sizes)], [*sizes, sizes[-1]], step="post", color=SKY, alpha=0.55, linewidth=0)
    ax.step([*steps, len(sizes)], [*sizes, sizes[-1]], where="post", color=BLUE, linewidth=0.9)
    peak = max(sizes, default=0.0)
    at = sizes.index(peak)
    ax.axhline(start / MIB, color=theme().ink, linewidth=0.8, linestyle=":", label="the input, held to the end")
    path = printable(report.graph.nodes[at].path)
    word = "\n".join(textwrap.wrap(f"peak {peak:.3g} MiB, while {path} runs", 44, break_long_words=True))
    left = at < len(sizes) / 2
    ax.plot([at + 0.5], [peak], marker="v", color=RED, markersize=6, clip_on=False, zorder=5)
    ax.annotate(
        word, (at + 0.5, peak), xytext=(10 if left else -10, 2), textcoords="offset points",
        ha="left" if left else "right", va="bottom", fontsize=7, annotation_clip=False, zorder=6,
        bbox={"facecolor": theme().paper, "edgecolor": "none", "alpha": 0.85, "pad": 0.8},
    )  # fmt: skip
    ax.set_xlim(0, len(sizes))
    ax.set_ylabel("live tensors (MiB)")
    about = " of the network" if made.get_size_inches()[0] >= 4 else ""
    ax.set_xlabel(f"node{about}, in order of execution (number)")
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper right", borderaxespad=0.2, frameon=True, facecolor=theme().paper, edgecolor="none")
    above = _stages(ax, summary)
    ax.set_title(titled(heading(summary), 0.6), loc="left", pad=6 + 8 * above)
    footed(made, [without(summary)])
    made.draw_without_rendering()
    said = 8.6 * (1 + word.count("\n")) + 22  # points: the peak, what is said of it, and the legend above
    ax.set_ylim(0, peak / max(0.3, min(1 / 1.42, 1 - said * made.dpi / 72 / ax.bbox.height)))
    return fitted(made)


def _stages(ax: Axes, summary: Summary) -> int:
    """Draw a line where the resolution changes, and its size above, of narrow stages further above; return how many
    lines of sizes there are."""
    graph = summary.report.graph
    spans: list[list[Any]] = []
    for index in range(graph.main):
        shape = graph.nodes[index].shape
        tokens = isinstance(shape, Tokens)
        positions = "tokens" if tokens else "×".join(map(str, shape[1:])) if len(shape) > 2 else ""
        if positions and positions != "1×1" and (not spans or spans[-1][0] != positions):
            spans.append([positions, index, index])
        elif spans:
            spans[-1][2] = index
    merged: dict[str, tuple[int, int]] = {}
    for text, low, high in spans:
        first = merged.get(text, (low, high))[0]
        merged[text] = (first, high)
    ordered = sorted(merged.items(), key=lambda item: item[1][0])
    drawn: Any = ax.get_figure()
    across = drawn.get_size_inches()[0] * 0.88 * 72  # points
    ends: list[float] = []  # of each line of sizes, where its last one ends
    for n, (text, (low, high)) in enumerate(ordered):
        if n:
            ax.axvline(low, color=theme().dim, linewidth=0.4, linestyle="--")
        end = ordered[n + 1][1][0] if n + 1 < len(ordered) else high
        half = 3.9 * (len(text) + 1) / 2 / across * graph.main
        middle = min(max((low + end) / 2, half), graph.main - half)
        line = next((at for at, last in enumerate(ends) if last <= middle - half), len(ends))
        ends[line : line + 1] = [middle + half]
        ax.annotate(text, (middle, 1), xytext=(0, 3 + 8 * line), xycoords=("data", "axes fraction"),
                    textcoords="offset points", ha="center", va="bottom", fontsize=6, color=theme().dim,
                    annotation_clip=False, zorder=8 + len(ends) - line,
                    bbox={"facecolor": theme().paper, "edgecolor": "none", "pad": 0.6})  # fmt: skip
        if line:
            ax.annotate("", (middle, 1), xytext=(0, 3 + 8 * line), xycoords=("data", "axes fraction"),
                        textcoords="offset points", annotation_clip=False,
                        arrowprops={"arrowstyle": "-", "color": theme().dim, "lw": 0.4})  # fmt: skip
    return len(ends)


def roofline(summary: Summary, device: Device) -> Figure:
    """FLOPs per second that each row can reach, over its FLOPs per byte; measured rows where there are some."""
    report = summary.report
    peak = device.peak(report.dtype)
    moved = memory_traffic(report)
    found, cut = largest([line for line in bars_of(summary) if line.counts.flops])
    points = []
    for line in found:
        start, stop, _ = line.part
        size = sum(moved[start:stop])
        if size:
            x = line.counts.flops / size
            seconds = line.latency.median / 1e3 if line.latency is not None else None
            points.append((x, line.counts.flops / seconds if seconds else min(peak, x * device.bandwidth), line))
    if not points:
        raise UsageError(f"`{summary.model}` has no MACs to put on a roofline")
    made = figure(PAGE, 3.3)
    ax = made.subplots()
    ridge = peak / device.bandwidth
    low = min(*(p[0] for p in points), ridge) / 3
    high = max(*(p[0] for p in points), ridge) * 4
    ax.plot([low, ridge, high], [low * device.bandwidth, peak, peak], color=theme().ink, linewidth=1.4, zorder=2)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    bottom = min(*(p[1] for p in points), low * device.bandwidth)
    top = max(*(p[1] for p in points), peak)  # what a cache holds can be faster than memory
    ax.set_ylim(bottom / 1.5, top * 5)
    ax.plot([ridge, ridge], [bottom / 1.5, peak], color=theme().dim, linewidth=0.7, linestyle=":")
    roof = ax.text(high, peak * 2.0, f"{short(peak)}FLOP/s in {report.dtype}", ha="right", va="bottom", fontsize=7)
    share = report.totals.macs
    radii = [smaller(made) * (2.0 + 9 * sqrt(p[2].counts.macs / share)) for p in points]
    measured, doubts = summary.measured is not None, unstable(summary)
    for bound, color, marker, text in (
        (True, ORANGE, "o", "limited by memory"),
        (False, BLUE, "s", "limited by arithmetic"),
    ):
        own = [(p, r) for p, r in zip(points, radii, strict=True) if (p[0] < ridge) == bound]
        if own:
            ax.scatter([p[0] for p, _ in own], [p[1] for p, _ in own], s=[(2 * r) ** 2 for _, r in own],
                       color=tint(color, 0.25) if doubts else color, marker=marker, alpha=0.75, zorder=3,
                       edgecolor=RED if doubts else theme().ink, linewidth=0.5, label=text)  # fmt: skip
    narrow = made.get_size_inches()[0] < 5
    chosen, texts = _called(named(summary, [p[2] for p in points], 16 if narrow else 26), points, radii)
    ax.set_xlabel("arithmetic intensity (FLOPs per byte moved)")
    ax.set_ylabel("measured (FLOP/s)" if measured else "attainable (FLOP/s)")
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    letters, mark, spacing = (6.0, 20.0, 0.25) if narrow else (7.0, 40.0, 0.5)
    legend = ax.legend(loc="lower right", title="area: share of MACs", title_fontsize=letters, fontsize=letters,
                       labelspacing=spacing, borderpad=spacing, handletextpad=0.8)  # fmt: skip
    for handle in legend.legend_handles:
        handle.set_sizes([mark])  # type: ignore[union-attr]
    about = [f"ceilings: {device.name}, {device.by}"]
    if summary.measured is not None:
        about.append(f"rows: measured on {wording.device(summary.measured)}")
    room = int(min(105, 19 * (made.get_size_inches()[0] - 0.6)))
    under = "\n".join(line for text in [*about, *doubts] for line in textwrap.wrap(text, room))
    ax.set_title(titled(heading(summary), 0.6), loc="left", pad=6 + 9 * (1 + under.count("\n")))
    ax.annotate(under, (0, 1), xytext=(0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=6.5,
                color=RED if doubts else theme().dim, va="bottom", annotation_clip=False)  # fmt: skip
    ceiling = [(low, low * device.bandwidth), (ridge, peak), (high, peak)]
    foot = [(ridge, bottom / 1.5), (ridge, peak)]
    others = [(points[n][:2], radii[n]) for n in range(len(points)) if n not in chosen]

    def place() -> Placed:
        a, b = ax.transData.transform([(low, low * device.bandwidth), (ridge, peak)])
        angle = atan2(b[1] - a[1], b[0] - a[0])
        slope = ax.annotate(
            f"{short(device.bandwidth)}B/s", (sqrt(low * ridge), sqrt(low * ridge) * device.bandwidth), fontsize=7,
            xytext=(-4 * sin(angle), 4 * cos(angle)), textcoords="offset points", rotation=degrees(angle),
            rotation_mode="anchor", ha="center", va="bottom",
        )  # fmt: skip
        found = labels(ax, [points[n][:2] for n in chosen], texts, [radii[n] for n in chosen],
                       [ceiling, foot], [roof, slope, legend], others)  # fmt: skip
        return found._replace(drawn=[slope, *found.drawn])

    lettered(made, [*cut, without(summary)], place)
    return made


def _called(names: Sequence[str], points: Sequence[Any], radii: Sequence[float]) -> tuple[list[int], list[str]]:
    """The points that get a name, the largest first, and the names; those that stand at one place have one together."""
    groups: list[list[int]] = []
    for at in sorted(range(len(points)), key=lambda n: -radii[n]):
        x, y = log10(points[at][0]), log10(points[at][1])
        near = [g for g in groups if abs(x - log10(points[g[0]][0])) + abs(y - log10(points[g[0]][1])) < 0.03]
        near[0].append(at) if near else groups.append([at])
    said = []
    for group in groups:
        shown = [names[at] for at in sorted(group)]
        said.append("\n".join(shown if len(shown) < 4 else [*shown[:2], f"and {len(shown) - 2} more"]))
    return [group[0] for group in groups], said


def families(models: Sequence[Compared]) -> dict[str, list[Compared]]:
    """The models of each family by their MACs, the families in the order of their first models."""
    found: dict[str, list[Compared]] = {model.summary.family: [] for model in models}
    for model in sorted(models, key=lambda model: model.totals.macs):
        found[model.summary.family].append(model)
    return found


AXES = {  # of a bubble plot: the words of its cost, and what they are counted in
    "macs": ("MACs for one image", 1.0),
    "params": ("parameters", 1.0),
    "latency_ms": ("latency (ms)", 1.0),
    "peak_memory_bytes": ("peak memory (MiB)", MIB),
    "activation_bytes": ("activations (MiB)", MIB),
}


def bubble(models: Sequence[Compared], axes: Bubble) -> Figure:
    """What is printed or reported over a cost, the area of a bubble the parameters. A family's line joins those of its
    models along which both grow; who has no place is named below."""
    known = [model for model in models if axes.known(model)]
    what = axes.y.key if axes.y.reported else "printed accuracy of one setting"
    if len(known) < 2:
        hint = "" if axes.y.reported else "`archcalc plot bubble efficientnet resnet50-v1.5 resnet152` has."
        raise UsageError(f"fewer than two of these models have a {what}", hint)
    along, factor = AXES[axes.x.key]

    def place(model: Compared) -> tuple[float, float]:
        return (axes.x.of(model) or 0) / factor, float(axes.y.of(model) or 0)

    made = figure(PAGE * 0.85, 3.5)
    ax = made.subplots()
    most, unit = max(model.totals.params for model in known), 16 * smaller(made)
    by_family = {family: sorted(members, key=place) for family, members in families(known).items()}
    several = [family for family, members in by_family.items() if len(members) > 1]
    points, radii, ways, names = list[tuple[float, float]](), list[float](), [], list[str]()
    for family, members in by_family.items():
        n = several.index(family) if family in several else -1
        color = CYCLE[n % 6] if n >= 0 else theme().dim  # a color says that some belong together
        own = [place(model) for model in members]
        way = [own[at] for at in growing([y * (axes.y.better or 1) for _, y in own])]
        sizes = [unit * sqrt(model.totals.params / most) for model in members]
        ax.plot(*zip(*way, strict=True), color=color, linestyle=DASHES[n % 6], linewidth=0.8, zorder=1)
        areas = [(2 * r) ** 2 for r in sizes]
        ax.scatter([x for x, _ in own], [y for _, y in own], s=areas, color=color, alpha=0.6 if n >= 0 else 0.35,
                   edgecolor=theme().ink, linewidth=0.6, zorder=3, label=printable(family))  # fmt: skip
        points += own
        ways.append(way)
        radii += sizes
        names += [printable(model.called) for model in members]
    front = _front(points, axes.y.better) if axes.pareto else []
    if front:
        ways.append([corner for one, other in pairwise(front) for corner in (one, (other[0], one[1]), other)])
        ax.plot(*zip(*front, strict=True), color=theme().ink, linestyle=(0, (1, 1)), linewidth=1.1,
                drawstyle="steps-post", zorder=2, label="Pareto front")  # fmt: skip
    ax.set_xscale("log")
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    ax.set_xlim(low / 1.8, high * 1.9)
    bottom, top = min(y for _, y in points), max(y for _, y in points)
    room = 0.18 * (top - bottom) + (0.4 if axes.y.unit == "percent" else 0.02 * max(abs(bottom), abs(top), 1e-9))
    ax.set_ylim(bottom - room, top + 1.4 * room)
    plain_log(ax.xaxis)
    ax.set_xlabel(f"{along[:-1]}, log scale)" if along.endswith(")") else f"{along} (log scale)")
    ax.set_ylabel(_measured_by(known, axes))
    largest = next(n * 10.0**power for power in range(12, 0, -1) for n in (5, 2, 1) if n * 10.0**power <= most)
    shown = [largest, largest / 5, largest / 20]
    handles = [ax.scatter([], [], s=1, color=theme().paper, edgecolor=theme().ink, linewidth=0.6) for _ in shown]
    space = unit / 16 if unit > 14 else 0.3
    legend = ax.legend(handles, [short(s) for s in shown], title="parameters", loc="center left",
                       bbox_to_anchor=(1.02, 0.5), labelspacing=3.2 * space, handletextpad=2.2 * space,
                       title_fontsize=7, borderpad=1.2 * space)  # fmt: skip
    for handle, s in zip(legend.legend_handles, shown, strict=True):
        handle.set_sizes([(2 * unit * sqrt(s / most)) ** 2])  # type: ignore[union-attr]
    ax.set_title(titled(_where_from(known, axes), 0.6), loc="left", fontsize=7.5)
    missing = [printable(model.called) for model in models if not axes.known(model)]
    notes = ["dotted: the Pareto front"] if front else []
    notes += [f"without a place, as it is not known of them: {', '.join(missing)}"] if missing else []
    lettered(made, notes, lambda: labels(ax, points, names, radii, ways))
    return made


def _front(points: Sequence[tuple[float, float]], better: int) -> list[tuple[float, float]]:
    """The points that no other one beats: as little cost, and as good a figure; none where none is better."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -better * point[1])) if better else ():
        if not found or better * y > better * found[-1][1]:
            found.append((x, y))
    return found


def _measured_by(known: Sequence[Compared], axes: Bubble) -> str:
    if axes.y.reported:
        unit = f" ({axes.y.reported.unit})" if axes.y.reported.unit else ""
        return printable(f"{axes.y.key} as reported{unit}")
    result = next(model.result for model in known if model.result is not None)
    return f"{result.figure.split()[0]} accuracy as printed (%)"


def _where_from(known: Sequence[Compared], axes: Bubble) -> str:
    """How it was tested, in plain words, and where that is printed; of what is reported where it is from."""
    if axes.y.reported:
        found = [r.source for model in known for r in model.reported if r.metric == axes.y.reported]
        lines = [f"as reported: {'; '.join(dict.fromkeys(map(printable, found)))}"]
    else:
        results = [model.result for model in known if model.result is not None]
        lines = ["; ".join(dict.fromkeys(result.tested for result in results))]
        lines += dict.fromkeys(result.source for result in results)
    return "\n".join(piece for line in lines for piece in textwrap.wrap(line, 100))


def scaling(models: Sequence[Compared]) -> Figure:
    """A family along its variants: parameters, and printed accuracy where there is one, over MACs."""
    if len(models) < 2:
        raise UsageError("a scaling picture needs a family, or at least two models")
    accuracies = [model for model in models if model.result is not None]
    panels = 1 + (len(accuracies) > 1)
    made = figure(COLUMN * 1.05 if panels == 1 else PAGE, 2.9)
    axes: Any = made.subplots(1, panels, squeeze=False)[0]
    placing: list[Callable[[], Placed]] = []
    for ax, which in zip(axes, (models, accuracies), strict=False):
        points, names, drawn = [], [], []
        for n, (family, members) in enumerate(families(which).items()):
            xs = [model.totals.macs for model in members]
            ys = [
                float(model.totals.params) if ax is axes[0] else model.result.accuracy if model.result else 0.0
                for model in members
            ]
            grown = growing(ys)
            color, marker = CYCLE[n % 6], MARKERS[n % 8]
            way = [(xs[at], ys[at]) for at in grown]
            ax.plot(
                *zip(*way, strict=True), marker=marker, color=color, linestyle=DASHES[n % 6], label=printable(family)
            )
            aside = [at for at in range(len(xs)) if at not in grown]
            ax.plot([xs[at] for at in aside], [ys[at] for at in aside], marker=marker, color=color, linestyle="none",
                    markerfacecolor=theme().paper)  # fmt: skip
            points += list(zip(xs, ys, strict=True))
            drawn.append(way)
            names += [printable(model.called) for model in members]
        ax.set_xscale("log")
        low, high = min(x for x, _ in points), max(x for x, _ in points)
        ax.set_xlim(low / 1.6, high * 1.8)
        ax.set_xlabel("MACs (log scale)")
        if ax is axes[0]:
            ax.set_yscale("log")
            few, many = min(y for _, y in points), max(y for _, y in points)
            ax.set_ylim(few / 1.5, many * 1.6)
            ax.set_ylabel("parameters (log scale)")
            plain_log(ax.yaxis)
        else:
            bottom, top = min(y for _, y in points), max(y for _, y in points)
            ax.set_ylim(bottom - 0.12 * (top - bottom) - 0.2, top + 0.22 * (top - bottom) + 0.2)
            result = accuracies[0].result
            assert result is not None
            ax.set_ylabel(f"{result.figure.split()[0]} accuracy as printed (%)")
            across = made.get_size_inches()[0]
            source = textwrap.fill(result.source, 52)
            ax.set_title(titled(source, 0.5 + across / 2), loc="left", fontsize=7)
        plain_log(ax.xaxis)
        legend = [ax.legend(loc="upper left")] if ax is axes[0] and len(families(models)) > 1 else []
        placing.append(partial(labels, ax, points, names, [2.5] * len(points), drawn, legend))
    lettered(made, [], *placing)
    return made


def growing(values: Sequence[float]) -> list[int]:
    """The places of the longest run of growing values, others left out: a family along which both axes grow."""
    ends: list[list[int]] = []  # of each place, the longest run that ends there
    for at, value in enumerate(values):
        before = [run for run in ends if values[run[-1]] <= value]
        ends.append([*max(before, key=len, default=[]), at])
    return max(ends, key=len, default=[])


def sweep(model: str, points: Sequence[Point]) -> Figure:
    """MACs, parameters and peak memory over what was varied most."""
    counts = {
        "input": len({point.inputs for point in points}),
        "batch": len({point.batch for point in points}),
        **{name: len({point.settings[name] for point in points}) for name in points[0].settings},
    }
    along = max(counts, key=lambda name: counts[name])
    if counts[along] < 2:
        raise UsageError("a picture needs at least two sizes")

    sides = [{shapes[n][1][-1] for shapes in (point.inputs for point in points)} for n in range(len(points[0].inputs))]
    moving = max(range(len(sides)), key=lambda n: len(sides[n]))  # of several inputs the one that is varied most

    def place(point: Point) -> float:
        if along == "input":
            return point.inputs[moving][1][-1]
        return point.batch if along == "batch" else float(point.settings[along])

    def rest(point: Point) -> str:
        about = {"input": wording.entering(point.inputs), "batch": str(point.batch), **point.settings}
        return ", ".join(f"{name} {value}" for name, value in about.items() if name != along and counts[name] > 1)

    by_rest: dict[str, list[Point]] = {}
    for point in points:
        by_rest.setdefault(rest(point), []).append(point)
    made = figure(PAGE, 2.5 + 0.13 * (len(by_rest) > 1) * ((len(by_rest) + 3) // 4))
    axes: Any = made.subplots(1, 3)
    panels: tuple[tuple[str, Callable[[Point], float]], ...] = (
        ("MACs (billions)", lambda p: p.report.totals.macs / 1e9),
        ("parameters (millions)", lambda p: p.report.totals.params / 1e6),
        ("peak memory (MiB)", lambda p: p.report.totals.peak_memory_bytes / MIB),
    )
    for ax, (what, value) in zip(axes, panels, strict=True):
        for n, (name, own) in enumerate(by_rest.items()):
            ordered = sorted(own, key=place)
            ax.plot([place(p) for p in ordered], [value(p) for p in ordered], marker=MARKERS[n % 8],
                    color=CYCLE[n % 6], linestyle=DASHES[n % 6], label=name)  # fmt: skip
        said = {"input": "side of the input (pixels)", "batch": "batch (samples)"}.get(along, along)
        across = made.get_size_inches()[0] / len(axes) - 0.35
        said = said if across > 1.6 else said.replace(" (", "\n(")
        ax.set_xlabel(said, fontsize=label_size(said, across))
        ax.set_ylabel(what)
        ax.set_ylim(bottom=0)
    if len(by_rest) > 1:
        made.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    made.suptitle(titled(f"{clean(model)}, {points[0].report.dtype}: every point counted"), fontsize=8.5)
    return made
