"""`archcalc list [WORD …]`."""

import sys
from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import Columns, First, Format, Output, OutputFile, Results, SortBy, Units, Where, names


def list_models(
    words: Annotated[
        list[str] | None,
        Argument(
            metavar="[WORD|PATTERN|FILE ...]",
            help="Only models whose name, family, title or citation holds one of these texts, as mobile or 2019, whose "
            "name is like a pattern, as 'resnet*', or those of a spec file.",
            autocompletion=complete.families,
        ),
    ] = None,
    where: Where = "",
    sort: SortBy = "",
    top: First = None,
    results: Results = "",
    every: Annotated[
        bool, Option("--all", help="Also what documents name and no spec builds, with what they print about it.")
    ] = False,
    columns: Columns = "",
    units: Units = "auto",
    output_format: Format = "",
    output: OutputFile = "",
) -> None:
    """List the models that there are: name, paper, year, parameters, MACs and input, all computed afresh."""
    from ..errors import sentence
    from ..show.columns import known_units
    from ..show.list import page
    from ..tasks.list import list_models as task

    write, raw = Output(output_format, output), known_units(units) == "raw"
    found = task(*(words or ()), every=every, where=where, sort=sort, top=top, results=results)
    write(page(found, names(columns), raw))
    if not found.models and not found.systems:  # an answer too, and none that a program should trip over
        what = f"no model holds {' or '.join(f'`{word}`' for word in words or ())}" if words else "no model is left"
        print(
            sentence(f"{what}{', within these bounds' * bool(words and where)}. {found.hint}".rstrip()), file=sys.stderr
        )
