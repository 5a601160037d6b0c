"""Tables for notebooks: pandas, and HTML without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..models import Summary
from ..tasks import summary as rows
from . import as_html, sentences
from .columns import COLUMNS, titled

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(summary: Summary, depth: int = 0) -> DataFrame:
    """The lines of the table with exact numbers, as in csv; columns that hold nothing are left out."""
    from pandas import DataFrame

    lines = rows.lines(summary, depth)
    found = {column.name: [column.value(line) for line in lines] for column in COLUMNS}
    return DataFrame({name: values for name, values in found.items() if any(v is not None for v in values)})


def notebook(summary: Summary) -> str:
    """The heading and the table, as a notebook shows a model."""
    columns, found = titled(summary)
    title, *rest = sentences.heading(summary)
    about = "<br>".join(escape(line) for line in rest)
    table = as_html.table(columns, found, {n for n, line in enumerate(found) if line.kind == "total"})
    return f"<p><b>{escape(sentences.clean(summary.model))}</b> {escape(title)}<br>{about}</p>\n{table}"
