"""Tables as csv: one heading, then a line for each record, with exact numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from .columns import Column, Value


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
