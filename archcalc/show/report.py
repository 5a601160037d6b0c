"""`archcalc report`: all about some networks on one page, pictures inline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from ..errors import UsageError, printable
from ..tasks.compare import Compared, Comparison
from . import as_html, sentences
from . import compare as compared
from .pictures import image, picture

PICTURES = (
    ("layers", "Where the operations, the parameters and the memory are, by the rows of the paper's table."),
    ("memory", "What is alive in memory while each node runs, at inference."),
    ("shapes", "How the sizes shrink."),
    ("graph", "The rows of the network."),
    ("roofline", "What limits each row, by a device's data sheet."),
)


def render(models: Sequence[Compared], found: Comparison | None, tick: Callable[[int, int], None] | None) -> str:
    """The page: the comparison where there are several models, then each of them."""
    title = ", ".join(printable(model.name) for model in models)
    return as_html.page(title, _parts(models, found, tick))


def _parts(
    models: Sequence[Compared], found: Comparison | None, tick: Callable[[int, int], None] | None
) -> Iterator[str]:  # fmt: skip
    if found is not None:
        yield as_html.heading("Side by side")
        columns, metrics = compared.turned(found)
        yield as_html.table(columns, metrics)
        yield as_html.paragraphs(compared.notes(found))
        named = [model.summary.family for model in models]
        together = len(set(named)) < len(named)
        for kind, caption in (("bubble", "Printed accuracy over operations."), ("scaling", "Size over operations.")):
            if kind == "scaling" and not together:
                continue
            try:
                yield as_html.figure(image(picture(kind, models), "svg").decode(), caption)
            except UsageError:  # fewer than two with a printed accuracy
                continue
    for number, model in enumerate(models):
        summary = model.summary
        yield as_html.heading(sentences.clean(summary.model))
        yield "".join(f'<p class="dim">{escape(line)}</p>\n' for line in sentences.heading(summary))
        yield from as_html.summary_parts(summary)
        for kind, caption in PICTURES:
            try:
                yield as_html.figure(image(picture(kind, [model]), "svg").decode(), caption)
            except UsageError:  # nothing to draw
                continue
        if tick is not None:
            tick(number + 1, len(models))
