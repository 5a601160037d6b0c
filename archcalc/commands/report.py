"""`archcalc report MODEL … -o report.html`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from . import options
from .options import MODELS, BatchOfRun, DtypeOfRun, FoldBn, Like, Output, Results, Settings, pairs, progress


@options.coded
def report(
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="The page: html.")],
    models: Annotated[
        list[str] | None,
        Argument(
            metavar="[MODEL|FAMILY|PATTERN ...]",
            help=f"{MODELS} Saved runs, as run.json.",
            autocompletion=complete.models_and_families,
        ),
    ] = None,
    zoo: Annotated[
        bool,
        Option("--zoo", help="All models that ship, or those named, to explore, with all that is printed."),
    ] = False,
    results: Results = "",
    like: Like = "",
    fold_bn: FoldBn = False,
    batch: BatchOfRun = None,
    dtype: DtypeOfRun = "",
    settings: Settings = None,
    input_size: options.InputSize = None,
    cpu: Annotated[bool, Option("--cpu", help="Measure what this machine reaches, for the rooflines of runs.")] = False,
    *,
    beside: options.Beside,
) -> None:
    """Write all about some networks on one page: side by side, and each with its table, its claims and pictures.

    The page is one file that needs no network; a click sorts, opens and finds."""
    from ..errors import UsageError
    from ..show import report as show
    from ..tasks import report as tasks

    asked = beside.spelled_all(models or (), input_size)
    write = Output("", output, ("text", "html"))
    if write.format != "html":
        raise UsageError(f"`--output {output}` is no html", "A report is a page: `-o report.html`.")
    if zoo:
        if results or like or fold_bn or batch or dtype or settings or cpu:
            raise UsageError("`--zoo` shows what ships as it is: with `-o` and models, nothing else")
        with progress("counting", "papers") as tick:
            write(show.zoo(tasks.zoo(*(models or ()), tick=tick)))
        return
    if not asked:
        raise UsageError("which networks?", "Name models, or take all of them: `--zoo`.")
    found = tasks.report(
        *asked, batch=batch, dtype=dtype, like=like, fold_bn=fold_bn, settings=pairs(settings), results=results,
        cpu=cpu,
    )  # fmt: skip
    with progress("drawing", "networks") as tick:
        write(show.page(found, tick))
