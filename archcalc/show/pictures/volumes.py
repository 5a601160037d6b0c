"""The shrinking volumes by which VGG and AlexNet are known: a cuboid for each size that a network's values have."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from math import log2, sqrt

from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from ...errors import UsageError, printable
from ...graph import Graph
from ...models import Summary
from ...ops import Shape, Tokens
from ...ops.shapes import numel
from .names import bars_of, heading, without
from .style import BLUE, GREEN, LETTER, ORANGE, PAGE, asked, canvas, theme, tint, titled

SLANT, MOST = 0.35, 120


def volumes(summary: Summary) -> list[Shape]:
    """The sizes of the inputs and of the rows' outputs, one after the other, alike ones once."""
    graph: Graph = summary.report.graph
    found: list[Shape] = [shape for _, shape in graph.inputs]
    for shape in (shape for line in bars_of(summary) for shape in line.shapes):
        shape = (numel(shape),) if not isinstance(shape, Tokens) and numel(shape[1:]) == 1 else shape
        if shape != found[-1]:
            found.append(shape)
    return found


def shapes(summary: Summary) -> Figure:
    """Heights and widths by the square root of the sides, lengths by the logarithm of the channels; sizes below."""
    found = volumes(summary)
    if len(found) < 2:
        raise UsageError(f"`{summary.model}` keeps one size throughout: there is nothing to draw")
    if len(found) > MOST:
        raise UsageError(f"{len(found)} sizes one after the other are no picture")
    inputs = summary.report.graph.inputs
    names = [printable(name) for name, _ in inputs] if len(inputs) > 1 else []
    title = titled(heading(summary))
    above = 0.05 + (0.14 * (2 + title.count("\n")) if title else 0)
    notes = ["channels × height × width, tokens × width, or the length of a vector; not to scale"]
    notes += [without(summary)] if without(summary) else []
    least = max(3.4, 0.1 + LETTER * max(map(len, title.split("\n"))), 0.1 + 0.049 * max(map(len, notes)))

    def size(rows: list[Row]) -> tuple[float, float]:
        return max(least, *(x + 0.15 for _, x in rows)), above + sum(map(_high, rows)) + 0.12 * len(notes) + 0.05

    rows = _fitting(found, names, size)
    heights = [*map(_high, rows)]
    made, ax, scale = canvas(*size(rows))
    y = 0.05 + 0.12 * len(notes) + sum(heights)
    for (parts, _), height in zip(rows, heights, strict=True):
        y -= height
        high = max(side for _, side, *_ in parts)
        for shape, side, deep, at, text in parts:
            _cuboid(ax, 0.1 + at, y + 0.5 + (high - side) / 2, side, deep, shape)
            middle = 0.1 + at + (deep + _slant(shape, side)) / 2
            ax.text(middle, y + 0.4, text, ha="center", va="top", fontsize=6 * scale, linespacing=1.25)
    ax.text(0.05, above + sum(heights) + 0.12 * len(notes), title, ha="left", va="top", fontsize=8.5 * scale)
    ax.text(0.05, 0.04, "\n".join(notes), ha="left", va="bottom", fontsize=6 * scale, color=theme().dim)
    return made


Part = tuple[Shape, float, float, float, str]
Row = tuple[list[Part], float]  # how wide it is


def _fitting(found: list[Shape], names: list[str], size: Callable[[list[Row]], tuple[float, float]]) -> list[Row]:
    """The volumes in one row that a page is wide for, or in several; where a size is asked for, as letters are the
    largest then."""
    if wanted := asked():
        tried = [
            _rows(found, names, n, factor)
            for factor in (1.0, 0.8, 0.6, 0.4, 0.3)
            for n in range(1, min(len(found), 6) + 1)
        ]
        return max(tried, key=lambda rows: min(w / own for w, own in zip(wanted, size(rows), strict=True)))
    one = (_rows(found, names, 1, 0.94**n) for n in range(12))  # down to half
    several = (_rows(found, names, n, 0.6) for n in range(2, len(found) + 1))
    return next(
        rows for rows in chain(one, several) if all(x <= PAGE - 0.15 for _, x in rows) or len(rows) == len(found)
    )


def _rows(found: list[Shape], names: list[str], count: int, factor: float) -> list[Row]:
    """The volumes in so many rows, alike in number."""
    each = -(-len(found) // count)
    return [_placed(found[at : at + each], factor, names[at : at + each]) for at in range(0, len(found), each)]


def _high(row: Row) -> float:
    return max(side * (1 + SLANT) for _, side, *_ in row[0]) + 0.5


def _placed(found: list[Shape], factor: float, names: list[str]) -> Row:
    """Each volume with its side, its length, its place and its label, and where the next would stand."""
    x, parts = 0.0, []
    for n, shape in enumerate(found):
        side, deep = (length * factor for length in _drawn(shape))
        text = "\n".join([*names[n : n + 1], _label(shape)])
        words = max(len(line) for line in text.split("\n")) * 0.053
        room = _slant(shape, side) + deep
        wide = max(room, words)
        parts.append((shape, side, deep, x + (wide - room) / 2, text))
        x += wide + 0.07
    return parts, x


def _slant(shape: Shape, side: float) -> float:
    """The offset of the back to the right."""
    return 0.06 if len(shape) == 1 or isinstance(shape, Tokens) else side * SLANT


def _drawn(shape: Shape) -> tuple[float, float]:
    """The side of the front, and how long it is, in inches."""
    if isinstance(shape, Tokens):
        return 0.09 * sqrt(shape[0]), 0.05 * log2(1 + shape[1])
    if len(shape) == 1:
        return 0.09 * log2(1 + shape[0]), 0.08
    side = max(shape[1:])
    return 0.115 * sqrt(side), 0.05 * log2(1 + shape[0])


def _label(shape: Shape) -> str:
    if isinstance(shape, Tokens):
        return f"{shape[0]} × {shape[1]}"
    if len(shape) == 1:
        return f"{shape[0]}"
    return f"{shape[0]}×\n" + "×".join(map(str, shape[1:]))


def _cuboid(ax: object, x: float, y: float, side: float, deep: float, shape: Shape) -> None:
    """A cuboid whose front is its length (channels), seen from the left above."""
    color = ORANGE if len(shape) == 1 else GREEN if isinstance(shape, Tokens) else BLUE
    front, top, end = (tint(color, share) for share in (0.4, 0.22, 0.6))
    s = _slant(shape, side)
    faces = (
        ([(x, y), (x + deep, y), (x + deep, y + side), (x, y + side)], front),
        ([(x, y + side), (x + deep, y + side), (x + deep + s, y + side + s), (x + s, y + side + s)], top),
        ([(x + deep, y), (x + deep + s, y + s), (x + deep + s, y + side + s), (x + deep, y + side)], end),
    )
    for corners, fill in faces:
        ax.add_patch(  # type: ignore[attr-defined]
            Polygon(corners, closed=True, facecolor=fill, edgecolor=theme().ink, linewidth=0.5, joinstyle="round")
        )
