"""The rows of a `layers:` table that stand in one variant: their names, their columns, and what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import SpecError, Text, did_you_mean
from ..table import TableRow, same, squeeze
from .family import Family, Role, Variant
from .lines import Body
from .notation import Pattern, cell_value


@dataclass(frozen=True, slots=True)
class Row:
    """A row in one variant.

    Rows whose label is empty go on with the label above, up to a row of dashes: they are one `group`, the part of the
    paths that they share. `name` is the group's, with the number of the row where the group has several.
    """

    name: str
    group: str
    label: str
    cell: Text
    columns: dict[str, Any]
    claims: tuple[tuple[Text, Role, Text], ...]  # heading, role, printed
    body: Body

    def is_called(self, name: str) -> bool:
        return same(name, self.name) or same(name, self.group)


def rows_of(family: Family, variant: Variant) -> tuple[Row, ...]:
    """The rows of the family's table that `variant` has. Raises SpecError at a cell that nothing reads."""
    key = "rows", variant.name.value
    if key not in family.memo:
        family.memo[key] = _rows_of(family, variant)
    return family.memo[key]  # type: ignore[no-any-return]


def _rows_of(family: Family, variant: Variant) -> tuple[Row, ...]:
    assert family.layers is not None and family.layers.quoted is not None
    table = family.layers.quoted.table
    roles = [family.role(heading.value) for heading in table.headings]
    own = next((n for n, heading in enumerate(table.headings) if same(heading.value, variant.name.value)), None)
    count = family.columns.get("variants")
    layer = next((n for n, role in enumerate(roles) if role is not None and role.kind == "layer"), None)
    build = layer if count is not None or own is None else own
    if build is None:
        raise table.headings[0].error(
            f"no column says what `{variant.name}` builds",
            "Give the variant a column of its own, or a column the role `layer` under `columns:`.",
        )
    label_at = next((n for n, role in enumerate(roles) if role is not None and role.kind == "label"), None)
    found: list[tuple[str, str, Text, TableRow, Body, dict[str, Text]]] = []
    base, begun = "", False  # the label above that goes on, and whether this variant has a row of it
    groups: list[int] = []
    for row in table.rows:
        cell = row.cells[build]
        label = row.cells[label_at].value if label_at is not None else ""
        if label or row.ruled:
            base, begun = label, False
        if not cell.value:
            continue
        read = family.read_cell(cell)
        if read is None:
            raise cell.error(f"no notation reads `{cell}`", _suggest(family, cell))
        if not (base and begun):
            groups.append(len(found))
        begun = True
        found.append((base or cell.value, label, cell, row, read[2], read[1]))
    if not found:
        raise variant.name.error(f"the variant `{variant.name}` has no row in the table of layers")
    return tuple(_named(table.headings, roles, found, groups, own if count else None, count))


def _named(
    headings: tuple[Text, ...],
    roles: list[Role | None],
    found: list[tuple[str, str, Text, TableRow, Body, dict[str, Text]]],
    groups: list[int],
    own: int | None,
    count: tuple[Text, Role] | None,
) -> Iterable[Row]:
    bases = [found[start][0] for start in groups]
    alike = Counter(squeeze(base) for base in bases)
    ends = [*groups[1:], len(found)]
    seen: dict[str, int] = {}
    names: set[str] = set()
    for base, start, end in zip(bases, groups, ends, strict=True):
        seen[squeeze(base)] = number = seen.get(squeeze(base), 0) + 1
        group = base if alike[squeeze(base)] == 1 else f"{base}.{number}"
        for n in range(start, end):
            _, label, cell, row, body, holes = found[n]
            columns, claims = _columns(headings, roles, row)
            if own is not None and count is not None:
                columns[count[1].name] = cell_value(row.cells[own])
            columns.update((name, cell_value(text)) for name, text in holes.items())
            name = group if end - start == 1 else f"{group}.{n - start + 1}"
            if squeeze(name) in names:
                raise cell.error(f"two rows are called `{name}`", "Rows alike are numbered: call one otherwise.")
            names.add(squeeze(name))
            yield Row(name, group, label, cell, columns, tuple(claims), body)


def _columns(
    headings: tuple[Text, ...], roles: list[Role | None], row: TableRow
) -> tuple[dict[str, Any], list[tuple[Text, Role, Text]]]:
    """The names that a row gives, and its claims. A heading's name is meant before a part of a claim."""
    named: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    claims = []
    for n, (heading, role, cell) in enumerate(zip(headings, roles, row.cells, strict=True)):
        if role is None:
            continue
        if role.kind == "name":
            named[role.name] = cell_value(cell)
        elif role.kind == "parts" and role.pattern is not None:
            named.update(_parts(role.pattern, cell))
        elif role.kind == "claim" and cell.value and n <= row.spans:
            claims.append((heading, role, cell))
            if role.pattern is not None:
                found = role.pattern.match(cell)
                parts.update((name, cell_value(text)) for name, text in (found or {}).items())
    return {**parts, **named}, claims


def _parts(pattern: Pattern, cell: Text) -> dict[str, Any]:
    if not cell.value:
        return dict.fromkeys(pattern.holes, 0)
    found = pattern.match(cell)
    if found is None:
        raise cell.error(f"`{cell}` does not have the form `{pattern.text}`")
    return {name: cell_value(text) for name, text in found.items()}


def _suggest(family: Family, cell: Text) -> str:
    for pattern, _ in family.notation:
        guess = pattern.guess(cell.value)
        if guess is not None:
            return f"Did you mean `{guess}`?"
    assert family.layers is not None and family.layers.quoted is not None
    cells = {text.value for row in family.layers.quoted.table.rows for text in row.cells if text.value}
    known = [text for text in sorted(cells) if text != cell.value and _reads(family, text, cell)]
    hint = did_you_mean(cell.value, known)
    return hint if hint.startswith("Did") else "Each cell is read by a line of `notation:`."


def _reads(family: Family, text: str, like: Text) -> bool:
    return family.read_cell(Text(text, like.source, like.line, like.col, exact=False)) is not None


def check_notation(family: Family) -> None:
    """Read the cells of all variants. Raises SpecError at a line of the notation that no cell uses."""
    if family.layers is None or family.layers.quoted is None:
        read_by = []
    else:
        cells = {squeeze(row.cell.value): row.cell for v in family.variants for row in rows_of(family, v)}
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
    found = [row for row in rows if row.is_called(name.value)]
    if not found:
        raise no_row(name, [row.name for row in rows])
    return found


def no_row(name: Text, rows: list[str]) -> SpecError:
    """The error where none of `rows` is called `name`."""
    numbered = [row for row in rows if same(row.rpartition(".")[0], name.value)]
    hint = f"There are several: {', '.join(numbered[:6])}." if numbered else did_you_mean(name.value, rows)
    return name.error(f"no row is called `{name}`", hint)


__all__ = ["Row", "check_notation", "no_row", "row_called", "rows_of"]
