"""Tables for notebooks: pandas, and HTML without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..models import Summary
from ..tasks.summary import lines
from . import sentences
from .summary import COLUMNS, columns, table
from .writers import html

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(summary: Summary, depth: int = 0) -> DataFrame:
    """The lines of the table with exact numbers, as in csv; columns that hold nothing are left out."""
    from pandas import DataFrame

    shown = lines(summary, depth)
    found = {column.name: [column.value(line) for line in shown] for column in COLUMNS}
    return DataFrame({name: values for name, values in found.items() if any(v is not None for v in values)})


def notebook(summary: Summary) -> str:
    """The heading and the table, as a notebook shows a model."""
    block = table(summary, columns(summary))
    title, *rest = sentences.heading(summary)
    about = "<br>".join(escape(line) for line in rest)
    rows = html.table(block.shown, block.records, block.rules)
    return f"<p><b>{escape(sentences.clean(summary.model))}</b> {escape(title)}<br>{about}</p>\n{rows}"
