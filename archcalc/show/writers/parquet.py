"""The writer of Parquet: the table that csv has, each column of one type."""

from __future__ import annotations

from ...errors import installed
from ..page import Page
from . import csv


def write(page: Page) -> bytes:
    """The page's table. Raises UsageError where it has none, Unavailable without pyarrow."""
    with installed():
        from pyarrow import BufferOutputStream, BufferReader, parquet
        from pyarrow.csv import read_csv
    made = BufferOutputStream()
    parquet.write_table(read_csv(BufferReader(csv.write(page).encode())), made)
    found: bytes = made.getvalue().to_pybytes()
    return found
