"""`archcalc explain MODEL [LAYER]` and `archcalc explain OP`."""

import sys
from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from . import options
from .options import Format, InputSize, Output, OutputFile, Settings, in_color, pairs, size


@options.coded
def explain(
    name: Annotated[
        str,
        Argument(
            metavar="MODEL|OP",
            help="A model as for `summary`; or an op of the spec language, as conv.",
            autocompletion=complete.models_and_ops,
        ),
    ],
    layer: Annotated[
        str,
        Argument(
            metavar="[LAYER]",
            help="A row, block or op by its name, or a part of the name that only it has.",
            autocompletion=complete.parts,
        ),
    ] = "",
    source: Annotated[bool, Option("--source", help="Print the code of an op's rules.")] = False,
    input_size: InputSize = None,
    settings: Settings = None,
    output_format: Format = "",
    output: OutputFile = "",
    *,
    beside: options.Beside,
) -> None:
    """Write out the arithmetic: why an op gives this shape and costs what it does, of what a row is the sum, where
    the memory peaks. At batch 1 in float32.

    With the name of an op: what it does, and its rules with an example. A model of the same name goes first."""
    from ..errors import UsageError, sentence
    from ..show.explain import page, source_page
    from ..tasks.explain import OpFacts
    from ..tasks.explain import explain as task
    from ..tasks.explain import source as code

    write = Output(output_format, output)
    found = task(beside.spelled(name), layer, input=size(input_size), settings=pairs(settings))
    if found.note:
        print(sentence(found.note), file=sys.stderr)
    if source and not isinstance(found.facts, OpFacts):
        raise UsageError("`--source` prints an op's rules", "For example `archcalc explain conv --source`.")
    write(source_page(name, code(name), in_color()) if source else page(found))
