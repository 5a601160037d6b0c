"""Where the columns of the text table stand at a given width.

Nothing is cut: a name that is too long for its place gets a line of its own above its numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..tasks.summary import Line
from .columns import SHARE, SPREAD, Column

LEAST_BAR, MOST_BAR = 8, 40
PERCENT = 5  # the width of a percentage
# Where characters of no width or of two columns are; none of those that archcalc itself prints.
UNUSUAL = re.compile("[\u0300-\u10ff\u1100-\u1fff\u2e80-\uffff\U00010000-\U0010ffff]")
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def width_of(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if not UNUSUAL.search(text):
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def left(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def right(text: str, width: int) -> str:
    return " " * (width - width_of(text)) + text


def wrap(text: str, width: int) -> list[str]:
    """Text in lines of at most `width`, broken between words, and inside words that are longer."""
    found: list[str] = []
    line = ""
    for word in text.split(" "):
        if line and width_of(line) + 1 + width_of(word) > width:
            found.append(line)
            line = ""
        line += f" {word}" if line else word
        while width_of(line) > width:
            end = next(n for n in range(len(line), 0, -1) if width_of(line[:n]) <= width or n == 1)
            found.append(line[:end])
            line = line[end:]
    return [*found, line] if line or not found else found


def bar(share: float, most: float, width: int) -> str:
    """A bar as long as `share` is of `most`, in eighths of a column; anything above nothing is seen."""
    eighths = min(8 * width, round(8 * width * share / most)) if most else 0
    eighths = max(eighths, 1) if share > 0 else 0
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8]


class Numbers(NamedTuple):
    """A column as it is printed, `width` wide; all lines' numbers are in one unit."""

    heading: str
    unit: str
    texts: list[str]
    width: int


class Names(NamedTuple):
    """What stands in front of the numbers, a text for every line: `fronts` (the label, or the tree), the lines' own
    names, and for a number line without its name `bars` (the tree again); `titles` are labels on lines of their own."""

    titles: list[str]
    fronts: list[str]
    texts: list[str]
    bars: list[str]

    def widths(self, behind: Numbers) -> list[int]:
        """What each needs: it may reach into the column behind it, where a short number leaves room."""
        room = behind.width
        parts = zip(self.fronts, self.texts, behind.texts, strict=True)
        return [width_of(front + text) - (room - width_of(number) if number else 0) for front, text, number in parts]


def names(lines: Sequence[Line], stacked: bool) -> Names:
    """The names with their labels beside them, or (`stacked`) above them."""
    labels = max((width_of(line.label) for line in lines if line.label and line.label != line.name), default=0)
    beside = 0 if stacked or not labels else labels + 2
    found = Names([], [], [], [])
    group, row = "", ""  # the label's group that rows stand in, and what stands in front of the row
    for line in lines:
        title = front = ""
        if not line.depth:
            own = bool(line.label) and line.label != line.name
            group = line.group if own else group
            front = left(line.label if own else "", beside) if line.kind != "total" and line.label != line.name else ""
            if stacked and own:
                title = line.label
            if stacked and line.kind != "total" and line.group == group:
                front = "  "
            row = " " * width_of(front)
        found.titles.append(title)
        found.fronts.append(front + tree(line) if not line.depth else row + tree(line))
        found.texts.append(line.name)
        found.bars.append(row + below(line))
    return found


def tree(line: Line) -> str:
    """`│  ├─ `, in front of a part."""
    if not line.lasts:
        return ""
    return _guides(line.lasts[:-1]) + ("└─ " if line.lasts[-1] else "├─ ")


def below(line: Line) -> str:
    """The tree beside a further line of the same part."""
    return _guides(line.lasts) + ("│" if line.opened else "")


def _guides(lasts: Sequence[bool]) -> str:
    return "".join("   " if last else "│  " for last in lasts)


class Layout(NamedTuple):
    """A table that knows its widths. `share` are percentages, in front of a bar of `bar` columns."""

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
        """With the bar as long as there is room."""
        spare = LEAST_BAR if width is None else width - self.width
        return self._replace(bar=min(MOST_BAR, self.bar + spare)) if self.bar else self


# What can be missed, most easily first: the gap's third blank, the IQR, long headings, percentages, the bar.
PLANS = (
    (3, True, False, True, True),
    (2, True, False, True, True),
    (2, False, False, True, True),
    (2, False, True, True, True),
    (2, False, True, False, True),
    (2, False, True, False, False),
)


def choose(columns: Sequence[Column], lines: Sequence[Line], share: bool, width: int | None) -> Layout:
    """The first layout that fits; where none does, overlong names stand on lines of their own."""
    shown = {short: [_numbers(column, lines, short) for column in columns] for short in (False, True)}
    shares = SHARE.show([SHARE.value(line) for line in lines]).texts if SHARE.show else []
    labelled = any(line.label and line.label != line.name for line in lines)
    layouts = []
    for stacked in (False, True) if labelled else (False,):
        named = names(lines, stacked)
        for gap, iqr, short, percent, bars in PLANS:
            chosen = [n for n, column in zip(shown[short], columns, strict=True) if iqr or column is not SPREAD]
            widest = max(named.widths(chosen[0]))
            percents, bar_width = shares if percent and share else None, LEAST_BAR if bars and share else 0
            layout = Layout(named, widest, chosen, gap, percents, bar_width)
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


def _numbers(column: Column, lines: Sequence[Line], short: bool) -> Numbers:
    assert column.show is not None
    unit, texts = column.show([column.value(line) for line in lines])
    heading = column.short if short else column.heading
    return Numbers(heading, unit, texts, max(map(width_of, (heading, unit, *texts))))
