"""The rows of a `layers:` table that stand in one variant: their names, their columns, and what they mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import SpecError, Text, UsageError, did_you_mean
from ..units import same, squeeze
from .columns import Role, columns_of
from .family import Family, Variant
from .lines import Body, Named, as_body, cells_of, inner, steps_of
from .notation import cell_value
from .table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row in one variant. Rows whose label is empty go on with the label above, up to a row of dashes: they are one
    `group`, the part of the paths that they share. `name` is the group's, with the number of the row where the group
    has several. `names` are given to the row's value by `row:`."""

    name: str
    group: str
    label: str
    cell: Text
    columns: dict[str, Any]
    claims: tuple[tuple[Text, Role, Text], ...]  # heading, role, printed
    body: Body
    names: tuple[Text, ...] = ()


_ROWS: WeakKeyDictionary[Family, dict[str, tuple[Row, ...]]] = WeakKeyDictionary()


def rows_of(family: Family, variant: Variant) -> tuple[Row, ...]:
    """The rows of the family's table that `variant` has, read once. Raises SpecError at a cell that nothing reads."""
    known, name = _ROWS.setdefault(family, {}), variant.name.value
    if name not in known:
        known[name] = _rows_of(family, variant)
    return known[name]


def _rows_of(family: Family, variant: Variant) -> tuple[Row, ...]:
    assert family.layers is not None and family.layers.quoted is not None
    table = family.layers.quoted.table
    read = _meant(family.layers.body) if family.layers.body else _read(family, table, variant)
    roles = [family.role(heading.value) for heading in table.headings]
    label_at = next((n for n, role in enumerate(roles) if role is not None and role.kind == "label"), None)
    found: list[Row] = []  # under the names of their groups
    base, begun = "", False  # the label above that goes on, and whether this variant has a row of it
    groups: list[int] = []
    for row in table.rows:
        label = row.cells[label_at].value if label_at is not None else ""
        if label or row.ruled:
            base, begun = label, False
        if id(row) not in read:
            continue
        cell, own, body, names = read[id(row)]
        columns, claims = columns_of(table.headings, roles, row)
        if not (base and begun):
            groups.append(len(found))
        begun = True
        group = base or cell.value
        found.append(Row(group, group, label, cell, {**columns, **own}, tuple(claims), body, names))
    if not found:
        raise variant.name.error(f"the variant `{variant.name}` has no row in the table of layers")
    return tuple(_numbered(found, groups))


_Read = tuple[Text, dict[str, Any], Body, tuple[Text, ...]]  # the cell, what it says beside columns, body and names


def _meant(steps: Body) -> dict[int, _Read]:
    """The rows that `row:` reads."""
    found: dict[int, _Read] = {}
    for step in steps_of(steps):
        names = step.item.names if isinstance(step.item, Named) else ()
        found[id(step.row)] = step.cell, {}, as_body(inner(step), step.cell), names
    return found


def _read(family: Family, table: Table, variant: Variant) -> dict[int, _Read]:
    """The rows that the notation reads: the variant's own cells, or those of the `layer` column."""
    build, own = family.headings.builds(table, variant.name.value)
    found: dict[int, _Read] = {}
    for row in table.rows:
        cell = row.cells[build]
        if not cell.value:
            continue
        read = family.read_cell(cell)
        if read is None:
            raise unread(family, cell)
        count = {} if own is None else {family.headings.count: cell_value(row.cells[own])}
        found[id(row)] = cell, count | {name: cell_value(text) for name, text in read[1].items()}, read[2], ()
    return found


def _numbered(found: list[Row], groups: list[int]) -> Iterator[Row]:
    """The rows, with those numbered that are called alike."""
    alike = Counter(squeeze(found[start].group) for start in groups)
    seen: dict[str, int] = {}
    names: set[str] = set()
    for start, end in zip(groups, [*groups[1:], len(found)], strict=True):
        base = found[start].group
        seen[squeeze(base)] = number = seen.get(squeeze(base), 0) + 1
        group = base if alike[squeeze(base)] == 1 else f"{base}.{number}"
        for n, row in enumerate(found[start:end], 1):
            name = group if end - start == 1 else f"{group}.{n}"
            if squeeze(name) in names:
                raise row.cell.error(f"two rows are called `{name}`", "Rows alike are numbered: call one otherwise.")
            names.add(squeeze(name))
            yield replace(row, name=name, group=group)


def place_of(family: Family, variant: Variant, text: str) -> tuple[str, str] | None:
    """What `layers[stage 3]` or `layers[3]` means: the name of a row, or which of them it is from 1, and in it the name
    of a column or of what its cell holds; None where the text names no place. Raises UsageError."""
    match = re.fullmatch(r"(\w+)\[([^\[\]]+)\]", text)
    if match is None:
        return None
    name, wanted = match[1], match[2].strip()
    if family.layers is None or family.layers.quoted is None:
        raise UsageError(f"`{text}`: the layers of `{family.name}` are no table", "Only a table has places.")
    rows = rows_of(family, variant)
    found = [row for row in rows if same(row.name, wanted)]
    if not found and wanted.isascii() and wanted.isdigit() and 0 < int(wanted[:5]) <= len(rows):
        found = [rows[int(wanted) - 1]]
    if not found:
        names = [row.name for row in rows]
        hint = did_you_mean(wanted, names)
        raise UsageError(f"`{text}`: there is no row `{wanted}`", hint or f"There are {', '.join(names[:20])}.")
    if name not in found[0].columns:
        known = ", ".join(found[0].columns) or "nothing that has a name"
        raise UsageError(f"`{text}`: the row `{found[0].name}` has no `{name}`", f"It has {known}.")
    return found[0].name, name


def unread(family: Family, cell: Text, names: Collection[str] = ()) -> SpecError:
    """The error at a cell that no line of the notation reads; `names` are values that it could have been."""
    if cell.value in family.value_names:
        return unknown_value(cell)
    near = did_you_mean(cell.value, names)
    hint = near if near.startswith("Did") else _suggest(family, cell)
    return cell.error(f"no notation reads `{cell}`{', and no value is called so' if names else ''}", hint)


def unknown_value(name: Text) -> SpecError:
    """The error at the name of a value that is given elsewhere."""
    hint = "A name is known from where it is given to the end of its body, not inside blocks."
    return name.error(f"the value `{name}` is not known here", hint)


def _suggest(family: Family, cell: Text) -> str:
    for pattern, _ in family.notation:
        guess = pattern.guess(cell.value)
        if guess is not None:
            return f"Did you mean `{guess}`?"
    tables = [table for table, what in family.tables if what in ("layers", "steps")]
    cells = {text.value: text for table in tables for row in table.rows for text in row.cells if text.value}
    known = [word for word, text in sorted(cells.items()) if word != cell.value and family.read_cell(text)]
    hint = did_you_mean(cell.value, known)
    return hint if hint.startswith("Did") else "Each cell is read by a line of `notation:`."


def check_notation(family: Family) -> None:
    """Read the cells of all variants and tables. Raises SpecError at a line of the notation that no cell uses."""
    cells: dict[str, Text] = {}
    if family.layers is not None and family.layers.quoted is not None:
        for variant in family.variants:
            cells.update((squeeze(row.cell.value), row.cell) for row in rows_of(family, variant))
    names = family.value_names
    for call in (call for body in family.bodies for call in cells_of(body) if call.word.value not in names):
        if family.read_cell(call.word) is None:
            raise unread(family, call.word, names)
        cells[squeeze(call.word.value)] = call.word
    read_by = [(cell, family.read_cell(cell)) for cell in cells.values()]
    used = {id(read[0]) for _, read in read_by if read}
    for pattern, _ in family.notation:
        if id(pattern) not in used:
            fits = [(cell, read[0]) for cell, read in read_by if read and pattern.match(cell) is not None]
            hint = f"`{fits[0][0]}` is read by `{fits[0][1].text}` above it: the first that fits wins." if fits else ""
            raise pattern.text.error(f"no cell is read by the notation `{pattern.text}`", hint)


def row_called(rows: Iterable[Row], name: Text) -> list[Row]:
    """The rows that `name` names. Raises SpecError where there is none."""
    rows = tuple(rows)
    found = [row for row in rows if same(name.value, row.name) or same(name.value, row.group)]
    if not found:
        raise no_row(name, [row.name for row in rows])
    return found


def no_row(name: Text, rows: list[str]) -> SpecError:
    """The error where none of `rows` is called `name`."""
    numbered = [row for row in rows if same(row.rpartition(".")[0], name.value)]
    hint = f"There are several: {', '.join(numbered[:6])}." if numbered else did_you_mean(name.value, rows)
    return name.error(f"no row is called `{name}`", hint)
