"""The writer of Markdown, as GitHub shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...errors import printable
from ..columns import words
from ..page import Block, Facts, Heading, Page, Prose, Table, Verbatim
from ..styles import PROSE
from ..styles import page as painted

# What Markdown reads as its own: anywhere, in addresses that GitHub makes links of, and where a text begins a line.
OWN = re.compile(
    r"[\\|*<>~\[]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)"
    r"|(?<=[a-z]):(?=//)|(?<=\bwww)\.(?=\w)"
    r"|^(?=```|=+\s*$|-{2,}\s*$)|^[#+-](?=#*(?:\s|$))",
    re.IGNORECASE,
)


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
        heading, found = column.written(block.records)
        heads.append(escape(heading))
        texts.append([escape(cell.strip()) for cell in found])
    yield _row(heads)
    yield _row([":---" if column.show is words else "---:" for column in columns])
    yield from map(_row, zip(*texts, strict=True))
    notes = block.said
    yield from ([""] if notes else [])
    yield from (f"- {escape(note)}" for note in notes)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escape(text: str) -> str:
    """`text` with what Markdown would read as its own, also where it begins a line, and what GitHub makes links of."""
    return OWN.sub(r"\\\g<0>", printable(text))
