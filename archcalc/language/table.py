"""Tables of pipe-separated cells, as papers print them, with a place for every cell."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Text
from ..records import NamedTuple
from ..units import squeeze
from .reader import Map

MAX_COLUMNS = 100
MAX_CELLS = 10_000


class TableRow(NamedTuple):
    """A row: a cell for every heading (the last one given spans the rest). `ruled`: a row of dashes stands above."""

    cells: tuple[Text, ...]
    ruled: bool
    spans: int  # the column from which the last cell spans


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A `|` block read as a table: its first row is the heading, rows of dashes are skipped."""

    headings: tuple[Text, ...]
    rows: tuple[TableRow, ...]


class Quoted(NamedTuple):
    """A table as a document prints it: what it quotes (`from:`), and its cells."""

    source: str
    table: Table


def read_quoted(tree: Map, what: str, *more: str) -> Quoted:
    """The mapping of `from:`, `table:` and the keys `more`. Raises SpecError."""
    tree.only(("from", "table", *more), what)
    table = tree.get("table")
    if not isinstance(table, Text):
        raise tree.where.error(f"{what} wants `table: |` with rows of pipe-separated cells")
    return Quoted(tree.line("from"), read_table(table))


def read_table(block: Text) -> Table:
    """Read `block`. Raises SpecError at the row or the cell that breaks a rule."""
    if not block.block:
        raise block.error("a table is wanted here", "A table is a `|` block: a row a line, cells separated by pipes.")
    headings: tuple[Text, ...] = ()
    rows: list[TableRow] = []
    ruled = False
    for line in block.rows():
        if not line.value.strip():
            continue
        if set(line.value) <= set("-|+: ") and "-" in line.value:
            ruled = True
            continue
        if line.value.count("|") >= MAX_COLUMNS:
            raise line.error(f"a table of more than {MAX_COLUMNS} columns is refused")
        cells = split(line, "|")
        if not headings:
            headings = tuple(cells)
            _check_headings(headings)
            ruled = False
            continue
        if len(cells) > len(headings):
            extra = cells[len(headings)]
            if not extra.value:
                pipe = sum(len(piece) + 1 for piece in line.value.split("|")[: len(headings)]) - 1
                extra = line.part(pipe, pipe + 1)
            hint = "A pipe at the end of a row opens an empty cell." if extra.value == "|" else ""
            raise extra.error(f"this row has {len(cells)} cells, the heading has {len(headings)}", hint)
        if (len(rows) + 1) * len(headings) > MAX_CELLS:
            raise line.error(f"a table of more than {MAX_CELLS:,} cells is refused")
        full = tuple(cells) + (cells[-1],) * (len(headings) - len(cells))
        rows.append(TableRow(full, ruled and bool(rows), len(cells) - 1))
        ruled = False
    if not headings:
        raise block.error("this table is empty: a heading and at least one row are wanted")
    if not rows:
        raise block.error("this table has a heading and no rows")
    return Table(headings, tuple(rows))


def split(text: Text, separator: str) -> list[Text]:
    """The pieces of a text, each stripped and with its place."""
    pieces, start = [], 0
    for whole in text.value.split(separator):
        piece = whole.strip()
        first = start + len(whole) - len(whole.lstrip())
        pieces.append(text.part(first, first + len(piece)))
        start += len(whole) + len(separator)
    return pieces


def _check_headings(headings: tuple[Text, ...]) -> None:
    seen: set[str] = set()
    for heading in headings:
        if not heading.value:
            raise heading.error("a heading is empty")
        if squeeze(heading.value) in seen:
            raise heading.error(f"the heading `{heading}` stands here twice")
        seen.add(squeeze(heading.value))
