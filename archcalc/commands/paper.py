"""`archcalc paper [MODEL|DOCUMENT|ID …]`."""

import sys
from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import Columns, Format, Output, OutputFile, Results, Units, progress
from .options import names as chosen


def paper(
    names: Annotated[
        list[str] | None,
        Argument(
            metavar="[MODEL|DOCUMENT|ID ...]",
            help="A model (vgg16), a document (raissi), or the id of a figure (googlenet-conv1-params) or a result.",
            autocompletion=complete.figures,
        ),
    ] = None,
    every: Annotated[bool, Option("--all", help="All figures of all documents.")] = False,
    verdict: Annotated[
        str,
        Option(
            "--verdict",
            metavar="VERDICT",
            help="Only figures with this verdict, as contradicts.",
            autocompletion=complete.verdicts,
        ),
    ] = "",
    results: Results = "",
    columns: Columns = "",
    units: Units = "auto",
    output_format: Format = "",
    output: OutputFile = "",
) -> int:
    """Hold the figures that documents print against what is computed, each with its verdict and the reason; and show
    the accuracies, errors and times that they print of the same networks.

    Exits with 1 where a figure contradicts and no erratum says so, or an erratum no longer applies."""
    from ..errors import sentence
    from ..show.columns import known_units
    from ..show.paper import page
    from ..tasks.paper import paper as task

    write = Output(output_format, output)
    wanted, raw = chosen(columns), known_units(units) == "raw"
    with progress("judging figures", "figures") as tick:
        found = task(*(names or ()), every=every, verdict=verdict, results=results, tick=tick)
    write(page(found, wanted, raw))
    for name in found.silent:  # an answer too, and none that a program should trip over
        print(sentence(f"no document prints a figure or a result of `{name}`"), file=sys.stderr)
    for error in found.stale:
        print(error.render(), file=sys.stderr)
    return int(not found.ok)
