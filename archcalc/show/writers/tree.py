"""Trees in a terminal: names in front of the numbers, bars behind them, and what gives way where it is narrow.

Nothing is cut: a name that is too long for its place gets a line of its own above its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any

from ...records import NamedTuple
from ..columns import Column, percent
from ..layout import bar, left, rails, right, width_of, wrap
from ..layout import branch as guide
from ..page import Branch, Note, Table, Tree
from ..styles import ACCENT, BOLD, DIM, PLAIN, Piece, Pieces, rule

LEAST_BAR, MOST_BAR = 8, 40
PERCENT = 5  # the width of a percentage


class Numbers(NamedTuple):
    """A column as it is printed, `width` wide; all records' numbers are in one unit."""

    heading: str
    unit: str
    texts: list[str]
    width: int


class Names(NamedTuple):
    """The texts in front of the numbers, one for every record: `fronts` (the label, or the tree), the own names,
    and for a number line without its name `bars` (the tree again); `titles` are labels on lines of their own."""

    titles: list[str]
    fronts: list[str]
    texts: list[str]
    bars: list[str]

    def widths(self, behind: Numbers) -> list[int]:
        """The width of each: it may reach into the column behind it if a short number leaves room."""
        room = behind.width
        parts = zip(self.fronts, self.texts, behind.texts, strict=True)
        return [width_of(front + text) - (room - width_of(number) if number else 0) for front, text, number in parts]


class Layout(NamedTuple):
    """A table that knows its widths. `share` are percentages, in front of a bar of `bar` columns."""

    branches: Sequence[Branch]
    names: Names
    name_width: int
    numbers: list[Numbers]
    gap: int
    share: list[str] | None
    bar: int

    @property
    def width(self) -> int:
        width = self.name_width + sum(self.gap + column.width for column in self.numbers)
        return width + (self.gap + self.bar if self.bar else 0) + (PERCENT + 1 if self.share is not None else 0)

    def filled(self, width: int | None) -> Layout:
        """The layout with its bar as long as there is room."""
        spare = LEAST_BAR if width is None else width - self.width
        return self._replace(bar=min(MOST_BAR, self.bar + spare)) if self.bar else self


class Plan(NamedTuple):
    """The parts of a table that a narrow terminal can do without."""

    gap: int
    spare: bool  # columns
    short: bool  # headings
    percent: bool
    bars: bool


# Most easily first: the gap's third blank, spare columns, long headings, percentages, the bar.
PLANS = (
    Plan(3, True, False, True, True),
    Plan(2, True, False, True, True),
    Plan(2, False, False, True, True),
    Plan(2, False, True, True, True),
    Plan(2, False, True, False, True),
    Plan(2, False, True, False, False),
)


def lay_out(table: Table, tree: Tree, width: int | None) -> Layout:
    """The first layout that fits; where none does, overlong names stand on lines of their own."""
    columns = [column for column in table.columns if column.show]
    numbers = {short: [_numbers(column, table.records, short) for column in columns] for short in (False, True)}
    branches = [tree.branch(record) for record in table.records]
    shares = percent([tree.share(record) for record in table.records]).texts if tree.of else []
    layouts = []
    for stacked in (False, True) if any(branch.own for branch in branches) else (False,):
        names = _names(branches, stacked)
        for plan in PLANS:
            kept = [n for n, column in zip(numbers[plan.short], columns, strict=True) if plan.spare or not column.spare]
            percents = shares if plan.percent and tree.of else None
            bars = LEAST_BAR if plan.bars and tree.of else 0
            layout = Layout(branches, names, max(names.widths(kept[0])), kept, plan.gap, percents, bars)
            if width is None or layout.width <= width:
                return layout.filled(width)
            layouts.append(layout)
    assert width is not None
    return _overlong(layouts[-1], layouts[len(layouts) - len(PLANS) :], width)


def _overlong(barest: Layout, layouts: Sequence[Layout], width: int) -> Layout:
    """A layout where some names are too long: as few as can be, and then with all that there is room for."""
    rest = barest.width - barest.name_width
    name_width = max((n for n in barest.names.widths(barest.numbers[0]) if n <= width - rest), default=0)
    found = [layout._replace(name_width=name_width) for layout in layouts]
    return next((layout for layout in found if layout.width <= width), found[-1]).filled(width)


def _numbers(column: Column, records: Sequence[Any], short: bool) -> Numbers:
    unit, texts = column.shown(records)
    heading = column.short if short else column.heading
    return Numbers(heading, unit, texts, max(map(width_of, (heading, unit, *texts))))


def _names(branches: Sequence[Branch], stacked: bool) -> Names:
    """The names with their labels beside them, or (`stacked`) above them."""
    labels = max((width_of(branch.own) for branch in branches), default=0)
    beside = 0 if stacked or not labels else labels + 2
    found = Names([], [], [], [])
    group, row = "", ""  # the label's group that rows stand in, and what stands in front of the row
    for branch in branches:
        title = front = ""
        if not branch.lasts:
            group = branch.group if branch.own else group
            front = left(branch.own, beside) if not branch.total and branch.label != branch.name else ""
            if stacked:
                title = branch.own
                front = "  " if not branch.total and branch.group == group else front
            row = " " * width_of(front)
        found.titles.append(title)
        found.fronts.append(row + guide(branch.lasts) if branch.lasts else front)
        found.texts.append(branch.name)
        found.bars.append(row + rails(branch.lasts) + ("│" if branch.opened else ""))
    return found


def lines(
    table: Table, tree: Tree, layout: Layout, width: int, above: Callable[[Any], Iterable[Pieces]]
) -> Iterator[Pieces]:
    """The headings and the records, with a rule above the sums, and below each record what is said about it."""
    if table.headings:
        yield from _headings(layout, tree.of)
    top = (not branch.total and not branch.lasts for branch in layout.branches)
    most = max((tree.share(record) or 0.0 for record in compress(table.records, top)), default=0.0)
    for index, record in enumerate(table.records):
        if index in table.rules[:1]:
            yield rule(layout.width)
        yield from above(record)
        yield from _record(index, tree.share(record), layout, most, width)
        for note in table.notes(record):
            front = layout.names.bars[index] or "  "
            yield from noted(note, front + "  " if front.endswith("│") else front, width)


def _headings(layout: Layout, share: str) -> Iterator[Pieces]:
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


def _record(index: int, share: float | None, layout: Layout, most: float, width: int) -> Iterator[Pieces]:
    """A record's line; an overlong name stands above its numbers."""
    branch, names = layout.branches[index], layout.names
    front, name = names.fronts[index], names.texts[index]
    if names.titles[index]:
        yield [(names.titles[index], PLAIN)]
    style = BOLD if branch.total else PLAIN
    front_style = DIM if branch.lasts else PLAIN
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
    yield [*start, (behind, PLAIN), *_cells(index, share, layout, most)]


def _cells(index: int, share: float | None, layout: Layout, most: float) -> Iterator[Piece]:
    gap, branch = " " * layout.gap, layout.branches[index]
    style = BOLD if branch.total else PLAIN
    for column in layout.numbers[1:]:
        text = gap + right(column.texts[index], column.width)
        yield text, DIM if text.strip() == "0" else style
    if layout.bar:
        percent = "" if layout.share is None else right(layout.share[index], PERCENT) + " "
        yield gap + percent, style
        if not branch.total and share:
            yield bar(share, most, layout.bar), DIM if branch.lasts else ACCENT


def noted(note: Note, front: str, width: int) -> Iterator[Pieces]:
    """A note behind its mark; it goes on below its first words."""
    first = width_of(front + note.mark)
    for number, part in enumerate(wrap(note.lead + note.text, max(8, width - first))):
        if number:
            yield [(" " * first, PLAIN), (part, note.style)]
        else:
            lead = len(note.lead)
            yield [
                (front, DIM),
                (note.mark + part[:lead], note.mark_style or note.style or BOLD),
                (part[lead:], note.style),
            ]
