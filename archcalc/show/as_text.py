"""A summary as text for a terminal, a pipe, or a slide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import printable
from ..models import Summary
from ..tasks import summary as rows
from ..tasks.summary import Line
from . import columns, sentences
from .layout import PERCENT, Layout, bar, choose, left, right, width_of, wrap
from .pieces import ACCENT, BOLD, DIM, LOUD, PLAIN, PROSE, Piece, Pieces, hanging, page, prose, rule


def render(
    summary: Summary,
    depth: int = 0,
    width: int | None = None,
    color: bool = False,
    pick: rows.Pick | None = None,
) -> str:
    """The whole report. Lines are at most `width` wide, as wide as they need be where that is None."""
    table, share = rows.table(summary, depth, pick), rows.share_of(summary)
    layout = choose(columns.columns(summary, pick), table, bool(share), width)
    room = max(PROSE, layout.width) if width is None else width
    notes = sentences.Notes()
    found = [
        *heading(summary, room),
        [],
        *headings(layout, share),
        *table_of(table, layout, notes, room),
        [],
        *_facts(summary, sentences.shown(summary, depth, pick), notes, room),
        [],
        *_conventions(summary, room),
    ]
    return page(found, color)


def heading(summary: Summary, width: int) -> Iterator[Pieces]:
    """The model's name, title and source, and where another network goes by this name which one this is."""
    title, *rest = sentences.heading(summary)
    one_line = width_of(summary.model) + 2 + width_of(title) <= width
    yield [(printable(summary.model), LOUD), *([("  ", PLAIN), (title, BOLD)] if one_line else [])]
    for text in rest if one_line else (title, *rest):
        yield from prose(text, width)
    if summary.namesake:
        yield from prose(sentences.clean(summary.namesake), width, ACCENT)


# --- the table ----------------------------------------------------------------------------------------------------


def headings(layout: Layout, share: str) -> Iterator[Pieces]:
    """The columns' names and units."""
    gap = " " * layout.gap
    heads: Pieces = [(" " * layout.name_width, PLAIN)]
    units: Pieces = [(" " * layout.name_width, PLAIN)]
    for column in layout.numbers:
        heads.append((gap + right(column.heading, column.width), BOLD))
        units.append((gap + right(column.unit, column.width), DIM))
    if layout.bar:
        heads.append((gap + (f"% of {share}" if layout.share is not None else "share"), BOLD))
    yield heads
    if any(column.unit for column in layout.numbers):
        yield units
    yield rule(layout.width)


def table_of(lines: Sequence[Line], layout: Layout, notes: sentences.Notes, width: int) -> Iterator[Pieces]:
    """The lines, with a rule above the sums, and below each what is printed and does not hold."""
    shares = [line.share or 0.0 for line in lines if line.kind != "total" and not line.depth]
    most = max(shares, default=0.0)
    heads = ruled = False
    for index, line in enumerate(lines):
        if line.kind == "total" and not ruled:
            ruled = True
            yield rule(layout.width)
        if line.head and not heads:
            heads = True
            yield [("heads, counted apart", DIM)]
        yield from _line(index, line, layout, most, width)
        for failure in notes.failures(line.judgements):
            yield from _failure(failure, layout.names.bars[index] or "  ", width)


def _line(index: int, line: Line, layout: Layout, most: float, width: int) -> Iterator[Pieces]:
    """A line of the table; an overlong name stands above its numbers."""
    names = layout.names
    front, name = names.fronts[index], names.texts[index]
    if names.titles[index]:
        yield [(names.titles[index], PLAIN)]
    style = BOLD if line.kind == "total" else PLAIN
    front_style = DIM if line.depth else PLAIN
    first = layout.numbers[0]
    field = layout.name_width + layout.gap + first.width
    behind = first.texts[index]
    room = field - width_of(front + name + behind)
    if room < layout.gap:
        bars = names.bars[index]
        for number, part in enumerate(wrap(name, max(8, width - width_of(front) - 2))):
            yield [(left(bars, width_of(front)) + "  " if number else front, front_style), (part, style)]
        bars = bars if width_of(bars) < field - width_of(behind) else ""
        start: Pieces = [(bars, DIM), (" " * (field - width_of(bars + behind)), PLAIN)]
    else:
        start = [(front, front_style), (name, style), (" " * room, PLAIN)]
    yield [*start, (behind, PLAIN), *_numbers(index, line, layout, most)]


def _numbers(index: int, line: Line, layout: Layout, most: float) -> Iterator[Piece]:
    gap = " " * layout.gap
    style = BOLD if line.kind == "total" else PLAIN
    for column in layout.numbers[1:]:
        text = gap + right(column.texts[index], column.width)
        yield text, DIM if text.strip() == "0" else style
    if layout.bar:
        percent = "" if layout.share is None else right(layout.share[index], PERCENT) + " "
        yield gap + percent, style
        if line.kind != "total" and line.share:
            yield bar(line.share, most, layout.bar), DIM if line.depth else ACCENT


def _failure(failure: sentences.Failure, front: str, width: int) -> Iterator[Pieces]:
    """A printed figure that does not hold, below its row."""
    front = front + "  " if front.endswith("│") else front
    sign, figure = "✗ ", f"{failure.figure}: "
    first = width_of(front + sign)
    text = failure.arithmetic + failure.mark
    for number, part in enumerate(wrap(figure + text, width - first)):
        if number:
            yield [(" " * first + part, PLAIN)]
        else:
            yield [(front, DIM), (sign + part[: len(figure)], LOUD), (part[len(figure) :], PLAIN)]


# --- below the table ----------------------------------------------------------------------------------------------


def _facts(summary: Summary, shown: str, notes: sentences.Notes, width: int) -> Iterator[Pieces]:
    found = [*([("shown", shown)] if shown else []), *sentences.facts(summary)]
    room = max(width_of(label) for label, _ in [*found, ("claims", "")]) + 2
    for label, text in found:
        yield from hanging(label, text, room, width)
    yield from hanging("claims", sentences.verdict(summary), room, width)
    for failure in notes.failures(j for j in summary.judgements if not j.claim.row):
        yield from _failure(failure, " " * room, width)
    for mark, note in notes.numbered():
        yield from hanging(f"{mark}", note, room, width, DIM)


def _conventions(summary: Summary, width: int) -> Iterator[Pieces]:
    for label, text in sentences.conventions(summary):
        yield from hanging(label, text, 12, width, DIM)
