"""Tables for notebooks: pandas, and HTML without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..summary import Summary
from . import as_html, rows, sentences

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(summary: Summary, depth: int = 0) -> DataFrame:
    """The lines of the table with exact numbers, as in csv; columns that hold nothing are left out."""
    from pandas import DataFrame

    lines = rows.lines(summary, depth)
    found = {column.name: [column.value(line) for line in lines] for column in rows.COLUMNS}
    return DataFrame({name: values for name, values in found.items() if any(v is not None for v in values)})


def notebook(summary: Summary) -> str:
    """The heading and the table, as a notebook shows a model."""
    columns, found = rows.titled(summary)
    title, *rest = sentences.heading(summary)
    about = "<br>".join(escape(line) for line in rest)
    table = as_html.table(columns, found, {n for n, line in enumerate(found) if line.kind == "total"})
    return f"<p><b>{escape(sentences.clean(summary.model))}</b> {escape(title)}<br>{about}</p>\n{table}"
