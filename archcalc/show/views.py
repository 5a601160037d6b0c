"""Views of results in Python: a pandas DataFrame, and HTML without scripts for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..models import Model, Summary
from ..tasks import summary as rows
from ..tasks.compare import RunComparison
from ..tasks.plot import PlotResult
from . import summary, wording
from .columns import Column
from .measure import judged
from .page import Page
from .writers.html import parts, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


def frame(result: Any, depth: int = 0) -> DataFrame:
    """The table of a result, with exact numbers, as in csv; columns that hold nothing are left out."""
    from pandas import DataFrame

    columns, records = _table(result, depth)
    found = {column.name: [column.value(record) for record in records] for column in columns}
    return DataFrame({name: values for name, values in found.items() if any(v is not None for v in values)})


def html(result: Any) -> str:
    """The HTML of a result in a notebook."""
    if isinstance(result, (Model, Summary)):
        return _network(result if isinstance(result, Summary) else result.summary())
    if isinstance(result, PlotResult):
        from .pictures import image

        drawn = image(figure(result), "svg").decode()
        return drawn[drawn.index("<svg") :]
    return "\n".join(part for part in parts(_page(result).of("html")) if part)


def figure(result: PlotResult) -> Figure:
    """The picture, by matplotlib."""
    from .pictures import picture

    return picture(result.kind, result.models, result.ceilings, result.only)


def _table(result: Any, depth: int) -> tuple[Sequence[Column], Sequence[Any]]:
    if isinstance(result, Summary):
        return summary.COLUMNS, rows.lines(result, depth)
    table = _page(result).table
    assert table is not None, "a result that is no table has no `frame`"
    return table().columns, table().records


def _page(result: Any) -> Page:
    """The page of a result: `tasks/fit.py` makes what `show/fit.py` shows."""
    if isinstance(result, RunComparison):
        return judged(result)
    word = type(result).__module__.rpartition(".")[2]
    found: Page = import_module(f".{word}", __package__).page(result)
    return found


def _network(found: Summary) -> str:
    """The heading and the table."""
    block = summary.table(found, summary.columns(found))
    title, *rest = wording.heading(found)
    about = "<br>".join(escape(line) for line in rest)
    shown = table(block.shown, block.records, block.rules)
    return f"<p><b>{escape(wording.clean(found.model))}</b> {escape(title)}<br>{about}</p>\n{shown}"
