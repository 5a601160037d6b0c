"""The writer of csv: one heading, then a line for each record, with exact numbers.

Texts are what they are: a name such as `=1+1` is a formula to a spreadsheet that is not told to import it as text.
"""

from __future__ import annotations

import csv
import io

from ...errors import UsageError, printable
from ..columns import Value
from ..page import Page


def write(page: Page) -> str:
    """The page's table. Raises UsageError where it has none."""
    if page.table is None:
        raise UsageError("this is no table: csv cannot hold it", "Text, json, markdown, latex and html can.")
    table = page.table()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([[_exact(column.value(record)) for column in table.columns] for record in table.records])
    return out.getvalue()


def _exact(value: Value) -> Value:
    if isinstance(value, str):
        return printable(value)
    return round(value, 6) if type(value) is float else value  # a float that is more is as it is written
