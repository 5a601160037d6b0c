"""`archcalc report MODEL … -o report.html`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import Batch, Dtype, FoldBn, Like, Output, Settings, pairs, spelled


def report(
    models: Annotated[
        list[str],
        Argument(
            metavar="MODEL|FAMILY ...",
            help="Models as for `compare`; a family stands for all of its models.",
            autocompletion=complete.models_and_families,
        ),
    ],
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="The page: html.")],
    like: Like = "",
    fold_bn: FoldBn = False,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    settings: Settings = None,
) -> None:
    """Write all about some networks on one page: side by side, and each with its table, its claims and pictures.

    The page is one file that needs no network; its tables are sorted by a click."""
    from ..errors import UsageError
    from ..show.progress import progress
    from ..show.report import page
    from ..tasks.report import report as gathered

    write = Output("", output, ("text", "html"))
    if write.format != "html":
        raise UsageError(f"`--output {output}` is no html", "A report is a page: `-o report.html`.")
    asked = list(map(spelled, models))
    found = gathered(*asked, batch=batch, dtype=dtype, like=like, fold_bn=fold_bn, settings=pairs(settings))
    with progress("drawing", "networks") as tick:
        write(page(found, tick))
