"""The shrinking volumes by which VGG and AlexNet are known: a cuboid for each size that a network's values have."""

from __future__ import annotations

from math import log2

from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from ...errors import UsageError
from ...graph import Graph
from ...ops import Shape, Tokens
from ...ops.base import numel
from ...summary import Summary
from .charts import bars_of, heading
from .style import INK, figure

FRONT, TOP, SIDE = "#9cc6e0", "#c9e1ef", "#6fa8cc"
VECTOR = ("#f3c677", "#f9e3b8", "#e0a63f")
TOKENS = ("#a9d8c6", "#d3ece3", "#78bda2")
SLANT = 0.35


def volumes(summary: Summary) -> list[Shape]:
    """The sizes of the input and of the rows' outputs, one after the other, alike ones once."""
    graph: Graph = summary.report.graph
    found: list[Shape] = [graph.inputs[0][1]]
    for line in bars_of(summary):
        shape = line.shape
        if shape is not None:
            shape = (numel(shape),) if not isinstance(shape, Tokens) and numel(shape[1:]) == 1 else shape
            if shape != found[-1]:
                found.append(shape)
    return found


def shapes(summary: Summary) -> Figure:
    """Heights and widths by the logarithm of the sides, lengths by that of the channels; each with its size below."""
    found = [shape for shape in volumes(summary)]
    if len(found) < 2:
        raise UsageError(f"`{summary.model}` keeps one size throughout: there is nothing to draw")
    x, parts = 0.0, []
    for n, shape in enumerate(found):
        side, deep = _drawn(shape)
        text = _label(shape)
        room = side * SLANT + deep
        parts.append((shape, side, deep, x, text))
        words = max(len(line) for line in text.split("\n")) * 0.062
        following = max(room + 0.12, words + 0.06)
        x += following
    high = max(side for _, side, *_ in parts)
    made = figure(max(3.4, x + 0.15), high * (1 + SLANT) + 0.95)
    made.set_layout_engine("none")
    ax = made.add_axes((0, 0, 1, 1))
    ax.set_xlim(-0.1, max(3.3, x + 0.05))
    ax.set_ylim(-0.62, high * (1 + SLANT) + 0.33)
    ax.axis("off")
    for shape, side, deep, at, text in parts:
        _cuboid(ax, at, (high - side) / 2, side, deep, shape)
        ax.text(at + (deep + side * SLANT) / 2, -0.1, text, ha="center", va="top", fontsize=6.5, linespacing=1.25)
    ax.text(-0.05, high * (1 + SLANT) + 0.28, heading(summary), ha="left", va="top", fontsize=8.5)
    ax.text(-0.05, -0.58, "sizes drawn by their logarithms; channels × height × width, tokens × width, or a vector's length",
            ha="left", va="bottom", fontsize=6, color=INK)  # fmt: skip
    return made


def _drawn(shape: Shape) -> tuple[float, float]:
    """The side of the front, and how long it is, in inches."""
    if isinstance(shape, Tokens):
        return 0.2 * log2(1 + shape[0]), 0.06 * log2(1 + shape[1])
    if len(shape) == 1:
        return 0.13 * log2(1 + shape[0]), 0.09
    side = max(shape[1:])
    return 0.27 * log2(1 + side), 0.055 * log2(1 + shape[0])


def _label(shape: Shape) -> str:
    if isinstance(shape, Tokens):
        return f"{shape[0]} × {shape[1]}"
    if len(shape) == 1:
        return f"{shape[0]}"
    return f"{shape[0]}×\n" + "×".join(map(str, shape[1:]))


def _cuboid(ax: object, x: float, y: float, side: float, deep: float, shape: Shape) -> None:
    """A cuboid whose front is its length (channels), seen from the left above."""
    front, top, end = VECTOR if len(shape) == 1 else TOKENS if isinstance(shape, Tokens) else (FRONT, TOP, SIDE)
    flat = 0.06 if len(shape) == 1 or isinstance(shape, Tokens) else side * SLANT
    s = flat
    faces = (
        ([(x, y), (x + deep, y), (x + deep, y + side), (x, y + side)], front),
        ([(x, y + side), (x + deep, y + side), (x + deep + s, y + side + s), (x + s, y + side + s)], top),
        ([(x + deep, y), (x + deep + s, y + s), (x + deep + s, y + side + s), (x + deep, y + side)], end),
    )
    for corners, color in faces:
        ax.add_patch(  # type: ignore[attr-defined]
            Polygon(corners, closed=True, facecolor=color, edgecolor=INK, linewidth=0.5, joinstyle="round")
        )
