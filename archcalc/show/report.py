"""`archcalc report`: all about some networks on one page, pictures inline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from ..errors import UsageError, printable
from ..parallel import Tick
from ..tasks.compare import Compared, Comparison
from ..tasks.plot import bubble
from ..tasks.report import ReportResult
from . import compare as compared
from . import summary
from .page import Block, Heading, Page, Picture
from .pictures import image, picture
from .summary_data import data

PICTURES = (
    ("layers", "Where the operations, the parameters and the memory are, by the rows of the paper's table."),
    ("memory", "What is alive in memory while each node runs, at inference."),
    ("shapes", "How the sizes shrink."),
    ("graph", "The rows of the network."),
    ("roofline", "What limits each row, by a device's data sheet."),
)


def page(result: ReportResult, tick: Tick | None = None) -> Page:
    """The page: a comparison of several models, then each of them; `tick(done, total)` reports pictures drawn."""
    models = result.models
    title = ", ".join(printable(model.name) for model in models)
    return Page(
        title, lambda: _blocks(models, result.comparison, tick), lambda: [data(model.summary) for model in models]
    )


def _blocks(models: Sequence[Compared], found: Comparison | None, tick: Tick | None) -> Iterator[Block]:
    yield Heading(", ".join(printable(model.name) for model in models))
    if found is not None:
        yield Heading("Side by side", level=2)
        yield from compared.blocks(found)
        for metric in (m for m in found.metrics if m.key == "accuracy" or m.reported is not None):
            what = "Printed accuracy" if metric.reported is None else printable(f"{metric.key}, as reported,")
            yield from _drawn("bubble", f"{what} over operations.", models, metric.key)
        if len({model.summary.family for model in models}) < len(models):
            yield from _drawn("scaling", "Size over operations.", models)
    for number, model in enumerate(models):
        yield from summary.blocks(replace(model.summary, reported=model.reported), level=2)
        for kind, caption in PICTURES:
            yield from _drawn(kind, caption, [model])
        if tick is not None:
            tick(number + 1, len(models))


def _drawn(kind: str, caption: str, models: Sequence[Compared], y: str = "") -> Iterator[Picture]:
    with suppress(UsageError):  # nothing to draw, or fewer than two with a printed accuracy
        axes = bubble(models, y=y, pareto=True)[1] if kind == "bubble" else None
        yield Picture(image(picture(kind, models, axes=axes), "svg").decode(), caption)
