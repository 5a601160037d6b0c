"""`archcalc report MODEL … -o report.html`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import FoldBn, Like, Output, Settings, pairs


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
    batch: Annotated[int, Option("--batch", metavar="N", help="Samples in the batch.")] = 1,
    dtype: Annotated[
        str, Option("--dtype", metavar="NAME", help="Type of all numbers.", autocompletion=complete.dtypes)
    ] = "float32",
    settings: Settings = None,
) -> None:
    """Write all about some networks on one page: side by side, and each with its table, its claims and pictures.

    The page is one file that needs no network; its tables are sorted by a click."""
    from ..errors import UsageError
    from ..show.progress import progress
    from ..show.report import page
    from ..tasks.compare import compare
    from .compare import side
    from .plot import members

    write = Output("", output, ("text", "html"))
    if write.format != "html":
        raise UsageError(f"`--output {output}` is no html", "A report is a page: `-o report.html`.")
    found = side(members(models), batch, dtype, pairs(settings), like, fold_bn)
    together = compare(found) if len(found) > 1 else None
    with progress("drawing", "networks") as tick:
        write(page(found, together, tick))
