"""`archcalc verify MODEL …`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from . import options
from .options import MODELS, Format, Output, OutputFile, running


@options.coded
def verify(
    models: Annotated[
        list[str] | None,
        Argument(metavar="[MODEL|FAMILY|PATTERN ...]", help=MODELS, autocompletion=complete.models_and_families),
    ] = None,
    every: Annotated[bool, Option("--all", help="Verify all models that archcalc ships.")] = False,
    input_size: options.InputSize = None,
    output_format: Format = "",
    output: OutputFile = "",
    *,
    beside: options.Beside,
) -> int:
    """Hold models against their torch networks: parameters, shapes, MACs by two counters, and whether they run; code
    against its own run on the CPU: parameters, MACs, peak memory, and that its calls alone give what it gives.

    Exits with 1 where anything differs, and names the node; with 3 where there was too little memory to run a model."""
    from ..show.verify import page
    from ..tasks.verify import verify as held

    write = Output(output_format, output)
    asked = beside.spelled_all(models or (), input_size)
    with running("verifying models", "models") as tick:
        found = held(*asked, every=every, tick=tick)
    write(page(found))
    return (0 if found.ran else 3) if found.ok else 1
