"""`archcalc report MODEL … -o report.html`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import MODELS, Batch, Dtype, FoldBn, Like, Output, Results, Settings, pairs, progress, spelled


def report(
    models: Annotated[
        list[str],
        Argument(
            metavar="MODEL|FAMILY|PATTERN ...",
            help=MODELS,
            autocompletion=complete.models_and_families,
        ),
    ],
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="The page: html.")],
    results: Results = "",
    like: Like = "",
    fold_bn: FoldBn = False,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    settings: Settings = None,
) -> None:
    """Write all about some networks on one page: side by side, and each with its table, its claims and pictures.

    The page is one file that needs no network; its tables are sorted by a click."""
    from ..errors import UsageError
    from ..show.report import page
    from ..tasks.report import report as gathered

    write = Output("", output, ("text", "html"))
    if write.format != "html":
        raise UsageError(f"`--output {output}` is no html", "A report is a page: `-o report.html`.")
    asked = list(map(spelled, models))
    found = gathered(
        *asked, batch=batch, dtype=dtype, like=like, fold_bn=fold_bn, settings=pairs(settings), results=results
    )  # fmt: skip
    with progress("drawing", "networks") as tick:
        write(page(found, tick))
