"""The writer of text, for terminals and pipes: a number is never cut; texts go on below themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

from ..columns import Column, Shown, words
from ..layout import left, right, width_of, wrap
from ..page import Block, Fact, Facts, Heading, Note, Only, Page, Prose, Table, Verbatim
from ..styles import BOLD, DIM, PLAIN, PROSE, Pieces, hanging, prose, rule
from ..styles import page as painted
from .tree import Layout, lay_out, noted
from .tree import lines as tree

GAP = 2
LEAST = 10  # columns for a text that is broken
LABELS, BESIDE = 12, 30  # columns where texts stand below long labels, and what they want beside one


def write(page: Page, width: int | None, color: bool) -> str:
    """The page for a terminal of `width` columns, in ANSI colours if `color`."""
    return painted(laid_out(page.of("text"), width), color)


def laid_out(blocks: Sequence[Block], width: int | None) -> Iterator[Pieces]:
    """Blocks as lines of styled text; without a terminal prose is as wide as the widest tree."""
    layouts = {n: lay_out(b, b.tree, width) for n, b in enumerate(blocks) if isinstance(b, Table) and b.tree}
    room = max([PROSE, *(layout.width for layout in layouts.values())]) if width is None else width
    for number, block in enumerate(blocks):
        yield from lines(block, width, room, layouts.get(number))


def lines(block: Block, width: int | None, room: int, layout: Layout | None = None) -> Iterator[Pieces]:
    """A block as lines of styled text; prose is as wide as `room`, a tree as its layout."""
    if isinstance(block, Heading):
        yield from _heading(block, room if block.fill else width)
    elif isinstance(block, Prose):
        yield from hanging("", block.text, block.indent, room, block.style)
    elif isinstance(block, Facts):
        labels = block.room or max((width_of(label) for label, _ in block.pairs), default=0) + block.indent + 2
        for fact in block.facts:
            if isinstance(fact, Note):
                yield from noted(fact, " " * labels, room)
            else:
                yield from _fact(fact, labels, block.indent, room)
    elif isinstance(block, Table) and block.tree and layout:
        yield from tree(block, block.tree, layout, room, partial(_above, block, width, room))
    elif isinstance(block, Table):
        yield from table(block, room if block.fill else width)
    elif isinstance(block, Verbatim):
        yield from block.lines(room)
    elif isinstance(block, Only):
        yield from (line for part in block.blocks if "text" in block.forms for line in lines(part, width, room))
    else:
        yield []


def _heading(heading: Heading, width: int | None) -> Iterator[Pieces]:
    room = PROSE if width is None else width
    beside, *below = heading.about or ("",)
    if not beside:
        yield from prose(heading.text, room, heading.style)
    elif width is None or width_of("  ".join(filter(None, (heading.text, beside, heading.aside)))) <= width:
        aside: Pieces = [("  ", PLAIN), (heading.aside, DIM)]
        yield [(heading.text, heading.style), ("  ", PLAIN), (beside, heading.about_style), *aside]
    else:
        yield [(heading.text, heading.style)]
        yield from prose(beside, room, heading.about_style if heading.below_style is None else heading.below_style)
        yield from prose(heading.aside, room, DIM) if heading.aside else ()
    for text in below:
        yield from prose(text, room)


def _fact(fact: Fact, labels: int, indent: int, room: int) -> Iterator[Pieces]:
    """A fact; its formula has a line of its own where not all of it goes on one."""
    wide = indent + width_of(fact.label)
    labels = wide + GAP if wide >= labels else labels  # no label runs into its text
    label = left(" " * indent + fact.label, labels)
    if fact.formula and labels + width_of(fact.whole) <= room:
        yield [(label, fact.label_style), (f"{fact.formula} = ", DIM), (fact.text, fact.style)]
    elif fact.formula:
        yield [(label, fact.label_style), (fact.formula, DIM)]
        yield from hanging("", f"= {fact.text}", labels, room, fact.style)
    elif indent and labels > max(LABELS, room - BESIDE):
        yield from hanging(" " * indent, fact.label.rstrip(), indent, room)
        yield from hanging("", fact.text, LABELS, room, fact.style)
    else:
        yield from hanging(label, fact.text, labels, room, fact.style, fact.label_style)


def table(block: Table, width: int | None) -> Iterator[Pieces]:
    """A table, each record between the lines that stand above it and the notes about it."""
    columns = [column for column in block.terminal or block.columns if column.show is not None]
    found = [column.shown(block.records) for column in columns]
    widths = _fitted(block, columns, found, width)
    if width is not None and _wide(block, widths) > width:
        found = [own for column, own in zip(columns, found, strict=True) if not column.spare]
        columns = [column for column in columns if not column.spare]
        widths = _fitted(block, columns, found, width)
    heads = [column.heading if block.headings else "" for column in columns]
    start: Pieces = [(" " * block.indent, PLAIN)] if block.indent else []
    if block.headings:
        yield start + _cells(columns, heads, widths, lambda _: BOLD)
        if any(own.unit for own in found):
            yield start + _cells(columns, [own.unit for own in found], widths, lambda _: DIM)
        yield rule(_wide(block, widths))
    room = PROSE if width is None else width
    for index, record in enumerate(block.records):
        yield from _above(block, width, room, record)
        cells = [
            wrap(own.texts[index], most) if column.show is words else [own.texts[index]]
            for column, own, most in zip(columns, found, widths, strict=True)
        ]
        for line in zip_longest(*cells, fillvalue=""):
            yield start + _cells(columns, line, widths, partial(block.style, record))
        for note in block.notes(record):
            yield from noted(note, "", room)
        for part in block.below(record):
            yield from lines(part, width, room)


def _fitted(block: Table, columns: Sequence[Column], found: Sequence[Shown], width: int | None) -> list[int]:
    """How wide columns are that show what was `found`, texts no wider than there is room."""
    heads = [(column.heading, own.unit) if block.headings else () for column, own in zip(columns, found, strict=True)]
    widths = [max(map(width_of, (*head, *own.texts)), default=0) for head, own in zip(heads, found, strict=True)]
    if width is not None:
        _shrink(widths, [column.show is words for column in columns], width - _wide(block, [0] * len(columns)))
    return widths


def _wide(block: Table, widths: Sequence[int]) -> int:
    return block.indent + sum(widths) + GAP * (len(widths) - 1)


def _above(block: Table, width: int | None, room: int, record: Any) -> Iterator[Pieces]:
    for part in block.above(record):
        yield from lines(part, width, room)


def _shrink(widths: list[int], soft: Sequence[bool], room: int) -> None:
    """Take from the widest texts what is too much."""
    while sum(widths) > room:
        widest = max((at for at, text in enumerate(soft) if text), key=lambda at: widths[at], default=None)
        if widest is None or widths[widest] <= LEAST:
            return
        widths[widest] -= 1


def _cells(
    columns: Sequence[Column], texts: Sequence[str], widths: Sequence[int], style: Callable[[Column], str]
) -> Pieces:
    found: Pieces = []
    for column, cell, width in zip(columns, texts, widths, strict=True):
        side = left if column.show is words else right
        found += [(" " * GAP, PLAIN)] if found else []
        found.append((side(cell, width), style(column)))
    return found
