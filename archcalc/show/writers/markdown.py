"""The writer of Markdown, as GitHub shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..columns import words
from ..layout import branch as guide
from ..page import Block, Branch, Facts, Heading, Page, Prose, Table, Verbatim
from ..styles import PROSE
from ..styles import page as painted


def write(page: Page) -> str:
    """The page; notes about records stand as a list below their table."""
    parts = ("\n".join(_lines(block)) for block in page.titled("markdown"))
    return "\n\n".join(filter(None, parts)) + "\n"


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        first, *rest = map(escape, (block.text, *block.said))
        title, *below = [f"{first}: {rest[0]}", *rest[1:]] if rest else [first]
        yield f"{'#' * (block.level + 2)} {title}"
        if below:
            yield ""
            yield "  \n".join(below)
    elif isinstance(block, Prose):
        yield escape(block.text)
    elif isinstance(block, Facts):
        star = "*" if block.dim else "**"
        for label, text in block.pairs:
            start = f"- {star}{escape(label.rstrip())}{star}:" if label else " "
            yield f"{'  ' * bool(block.indent)}{start} {escape(text)}"
    elif isinstance(block, Table):
        yield from table(block)
    elif isinstance(block, Verbatim):
        yield f"```{block.language}\n{painted(block.lines(PROSE), False)}```"


def table(block: Table) -> Iterator[str]:
    """A table, and below it what is said about its records."""
    columns, texts, heads = block.shown, [], []
    for column in columns:
        assert column.show is not None
        unit, found = column.show([column.value(record) for record in block.records])
        heads.append(escape(f"{column.heading} ({unit})" if unit else column.heading))
        texts.append([escape(cell.strip()) for cell in found])
        if block.tree and column.name == "tree":
            texts[-1] = [_name(block.tree.branch(record)) for record in block.records]
    yield from pipes(heads, [column.show is not words for column in columns], zip(*texts, strict=True))
    notes = block.said
    yield from ([""] if notes else [])
    yield from (f"- {escape(note)}" for note in notes)


def _name(branch: Branch) -> str:
    name = escape(branch.name)
    front = guide(branch.lasts).strip().replace(" ", "\u00a0")
    return f"**{name}**" if branch.total else f"{front} {name}".lstrip()


def pipes(heads: Sequence[str], to_the_right: Sequence[bool], cells: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table: its headings, on which side each column stands, and its rows. The cells are escaped already."""
    yield _row(heads)
    yield _row(["---:" if right else ":---" for right in to_the_right])
    yield from map(_row, cells)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escape(text: str) -> str:
    """`text` with what Markdown would read as its own."""
    return re.sub(r"([\\|*<>~]|(?<!\w)_|_(?!\w)|\[(?=[^\]]*\]\())", r"\\\1", text)
