"""Views of results in Python: a pandas DataFrame, and HTML without scripts for a notebook."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import installed
from ..models import Model, Summary
from ..tasks.compare import RunComparison
from ..tasks.plot import PlotResult
from ..tasks.scale import ScaleResult
from . import summary
from .measure import judged
from .page import Page
from .writers import write
from .writers.html import parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


def frame(result: Any, depth: int = 0) -> DataFrame:
    """The table of a result, with exact numbers, as in csv; columns that hold nothing are left out. Raises Unavailable
    where pandas is missing."""
    with installed():
        from pandas import DataFrame

    made = _page(result, depth).table
    assert made is not None, "a result that is no table has no `frame`"
    table = made()
    found = {column.name: [column.value(record) for record in table.records] for column in table.columns}
    return DataFrame({name: values for name, values in found.items() if any(v is not None for v in values)})


def text(result: Any) -> str:
    """The text of a result, as the command prints it; of a picture what it is of."""
    return repr(result) if isinstance(result, PlotResult) else write(_page(result), "text").rstrip("\n")


def html(result: Any) -> str:
    """The HTML of a result in a notebook."""
    if isinstance(result, PlotResult):
        from .pictures import image

        drawn = image(figure(result), "svg").decode()
        return drawn[drawn.index("<svg") :]
    return "\n".join(filter(None, parts(_page(result).of("html"))))


def figure(result: PlotResult | ScaleResult, **look: Any) -> Figure:
    """The picture, by matplotlib, as a `Look` says. Raises UsageError, and Unavailable where matplotlib is missing."""
    from .pictures import Look, picture, sweep

    with installed():
        if isinstance(result, ScaleResult):
            return sweep(result, Look(**look))
        return picture(result.kind, result.models, result.ceilings, result.only, result.bubble, Look(**look))


def _page(result: Any, depth: int = 0) -> Page:
    """The page of a result: `tasks/fit.py` makes what `show/fit.py` shows."""
    if isinstance(result, (Model, Summary)):
        return summary.page(result if isinstance(result, Summary) else result.summary(), depth)
    if isinstance(result, RunComparison):
        return judged(result)
    word = type(result).__module__.rpartition(".")[2]
    found: Page = import_module(f".{word}", __package__).page(result)
    return found
