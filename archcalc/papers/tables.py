"""Layout of the files of documents: lists of tables, whose rows have an id and a cell for each column."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Text, did_you_mean
from ..language.reader import List, Map, Tree, where_of
from ..language.table import Table, read_table, split


def items(tree: Map, key: str) -> tuple[Tree, ...]:
    """Items of the list under `key`; empty if it is missing. Raises SpecError for anything but a list."""
    value = tree.get(key)
    if value is not None and not isinstance(value, List):
        raise tree.key(key).error(f"`{key}:` is a list")
    return value.items if value is not None else ()


def maps(tree: Map, key: str, what: str) -> Iterator[Map]:
    """The mappings of the list under `key`. Raises SpecError for anything else: `what` each of them is."""
    for item in items(tree, key):
        if not isinstance(item, Map):
            raise where_of(item).error(what)
        yield item


def table_under(tree: Map, key: str, columns: tuple[str, ...]) -> Table:
    """The table under `key`. Raises SpecError if it is missing, and at a heading that is not in `columns`."""
    block = tree.get(key)
    if not isinstance(block, Text):
        raise tree.where.error(f"`{key}: |` with a table is missing")
    table = read_table(block)
    for heading in table.headings:
        if heading.value not in columns:
            raise heading.error(f"`{heading}` is not a column here", did_you_mean(heading.value, columns))
    return table


def rows(tree: Map, key: str, columns: tuple[str, ...]) -> Iterator[tuple[Text, ...]]:
    """The rows of a table whose headings are exactly `columns`."""
    table = table_under(tree, key, columns)
    if tuple(heading.value for heading in table.headings) != columns:
        raise table.headings[0].error(f"the headings of `{key}:` are {', '.join(columns)}")
    for row in table.rows:
        yield row.cells


def figures(tree: Map, columns: tuple[str, ...]) -> Iterator[dict[str, Text]]:
    """The rows of `table:` by heading, empty cells left out. The first column is the id; what stands beside the table
    under the name of a column holds for every row that has no cell of its own."""
    tree.only(("from", "table", *columns[1:]), "a table of figures")
    table = table_under(tree, "table", columns)
    if table.headings[0].value != columns[0]:
        raise table.headings[0].error(f"the first heading of a table of figures is `{columns[0]}`")
    beside = {key.value: value for key, value in tree.items() if key.value in columns and isinstance(value, Text)}
    for row in table.rows:
        if not row.cells[0].value:
            raise row.cells[0].error(f"a figure needs an `{columns[0]}`")
        cells = zip(table.headings, row.cells, strict=True)
        yield {**beside, **{heading.value: cell for heading, cell in cells if cell.value}}


def parts(text: Text | None, separator: str) -> tuple[Text, ...]:
    """The parts of a cell, each with its place; of an empty one none."""
    if text is None or not text.value:
        return ()
    return tuple(split(text, separator))
