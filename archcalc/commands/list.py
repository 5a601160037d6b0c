"""`archcalc list [WORD]`."""

import sys
from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import Columns, Format, Output, OutputFile, Units, names


def list_models(
    word: Annotated[
        str,
        Argument(
            metavar="[WORD]",
            help="Only models whose name, family, title or citation holds this text, as mobile or 2019.",
            autocompletion=complete.families,
        ),
    ] = "",
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
    found = task(word, every=every)
    write(page(found, names(columns), raw))
    if not found.models and not found.systems:  # an answer too, and none that a program should trip over
        print(sentence(f"no model holds `{word}`. {found.hint}".rstrip()), file=sys.stderr)
