"""Tables as csv: one heading, then a line for each record, with exact numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from ..models import Summary
from ..tasks import summary as rows
from .columns import COLUMNS, Column, Value, chosen


def render(summary: Summary, depth: int = 0, pick: rows.Pick | None = None) -> str:
    """A summary's lines, opened `depth` levels; an opened line comes before its parts and is their sum."""
    columns: Sequence[Column] = COLUMNS
    if pick is not None and pick.columns:
        columns = chosen(("row", "name", *pick.columns))
    return table(columns, rows.lines(summary, depth, pick))


def table(columns: Sequence[Column], records: Iterable[Any]) -> str:
    """A line for each record, under the columns' names."""
    names = [column.name for column in columns]
    return lines(names, ([_exact(column.value(record)) for column in columns] for record in records))


def lines(head: Sequence[str], cells: Iterable[Sequence[Any]]) -> str:
    """A heading, and a line for each row of cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(cells)
    return out.getvalue()


def _exact(value: Value) -> Value:
    return round(value, 6) if isinstance(value, float) else value
