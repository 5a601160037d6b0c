"""A summary as csv: one heading, then a line for each row, block or op, with exact numbers."""

from __future__ import annotations

import csv
import io

from ..summary import Summary
from . import rows


def render(summary: Summary, depth: int = 0) -> str:
    """The lines of the table opened `depth` levels; an opened line comes before its parts and is their sum."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in rows.COLUMNS])
    for line in rows.lines(summary, depth):
        writer.writerow([_exact(column.value(line)) for column in rows.COLUMNS])
    return out.getvalue()


def _exact(value: rows.Value) -> rows.Value:
    return round(value, 6) if isinstance(value, float) else value
