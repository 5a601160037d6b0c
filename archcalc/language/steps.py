"""Tables of steps (rule 13): `row:` says what a row means, and a heading in it stands for the row's cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import Text
from .columns import Headings, columns_of
from .lines import (
    Body,
    Call,
    Item,
    Line,
    Merge,
    Named,
    Plain,
    Step,
    Steps,
    Unrolled,
    check_names,
    read_item,
    split_commas,
    words_in_row,
)
from .notation import cell_value
from .reader import List, Map, Tree
from .table import Table, TableRow

Cells = Mapping[str, Text]  # of a row, by the names of their columns


def read_steps(table: Table, row: Tree | None, headings: Headings) -> tuple[Step, ...]:
    """The rows of a table as steps; those with nothing but empty cells are none. Raises SpecError."""
    if isinstance(row, List):
        raise row.where.error("`row:` is the line or the merge that a row means, not a list")
    means = None if row is None else read_item(row, "`row:`", _no_table)
    steps = Steps(table, means)
    return tuple(_read(steps, headings) if means is None else _meant(steps, means, headings))


def _no_table(tree: Map, _: str) -> tuple[Step, ...]:
    raise tree.where.error("`row:` says what a row means, and holds no table of its own")


def _meant(steps: Steps, means: Plain | Named, headings: Headings) -> Iterator[Step]:
    """The steps by `row:`."""
    roles = [headings.role(heading.value) for heading in steps.table.headings]
    words = words_in_row(steps)
    called = [n for n, role in enumerate(roles) if role is not None and role.kind == "name" and role.name in words]
    layer = next((n for n, role in enumerate(roles) if role is not None and role.kind == "layer"), None)
    if layer is None and len(called) == 1:
        layer = called[0]
    for row in steps.table.rows:
        cells = {
            role.name: cell
            for role, cell in zip(roles, row.cells, strict=True)
            if role is not None and role.kind == "name"
        }
        item = _filled(means, cells)
        if item is not None:
            columns, _ = columns_of(steps.table.headings, roles, row)
            yield Step(steps, row, _first(row) if layer is None else row.cells[layer], item, columns)


def _first(row: TableRow) -> Text:
    return next(cell for cell in row.cells if cell.value)


def _filled(item: Item, cells: Cells) -> Plain | Named | None:
    """`item` with the cells in the place of their headings; None where nothing is left of it."""
    if isinstance(item, Unrolled):
        raise item.word.error(f"`row:` is the line or the merge that a row means, not `{item.word}:`")
    if isinstance(item, Line):
        calls = tuple(call for part in item.calls for call in _called(part, cells))
        return Line(item.text, calls, item.condition) if calls else None
    if isinstance(item, Merge):
        branches = [_branch(branch, cells) for branch in item.branches]
        kept = tuple(branch for branch in branches if branch.items)
        return Merge(item.word, kept) if kept else None
    assert isinstance(item, Named)
    names = tuple(name for given in item.names for name in _names(given, cells))
    filled = _filled(item.item, cells)
    return filled if filled is None or not names else Named(names, filled)  # type: ignore[arg-type]


def _branch(branch: Body, cells: Cells) -> Body:
    items = [_filled(item, cells) for item in branch.items]
    return Body(branch.where, tuple(item for item in items if item is not None))


def _called(call: Call, cells: Cells) -> Iterator[Call]:
    cell = cells.get(call.word.value)
    if cell is None:
        yield call
    elif call.args or call.named:
        raise call.word.error(f"the heading `{call.word}` stands for its cell and takes no arguments")
    elif cell.value:
        yield Call(cell, times=call.times, cell=True)


def _names(name: Text, cells: Cells) -> Iterator[Text]:
    """What `name` gives: itself, or the names in its cell."""
    cell = cells.get(name.value)
    if cell is None:
        yield name
    elif cell.value:
        names = tuple(split_commas(cell))
        check_names(names)
        yield from names


def _read(steps: Steps, headings: Headings) -> Iterator[Step]:
    """The steps of a table without `row:`: what a variant's own cell, or the `layer` column, says."""
    table = steps.table
    roles = [headings.role(heading.value) for heading in table.headings]
    builds = {variant: headings.builds(table, variant) for variant in headings.variants.values()}
    if len(set(builds.values())) == 1:
        builds = {"": next(iter(builds.values()))}  # the same for every variant
    for row in table.rows:
        columns, _ = columns_of(table.headings, roles, row)
        for variant, (at, own) in builds.items():
            cell = row.cells[at]
            if cell.value:
                count = {} if own is None else {headings.count: cell_value(row.cells[own])}
                yield Step(steps, row, cell, Line(cell, (Call(cell, cell=True),)), columns | count, variant)
