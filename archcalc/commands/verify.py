"""`archcalc verify MODEL …`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import Format, Output, OutputFile


def verify(
    models: Annotated[
        list[str] | None,
        Argument(metavar="[MODEL ...]", help="Models, as `summary` takes them.", autocompletion=complete.models),
    ] = None,
    every: Annotated[bool, Option("--all", help="Verify all models that archcalc ships.")] = False,
    output_format: Format = "",
    output: OutputFile = "",
) -> int:
    """Hold models against their torch networks: parameters, shapes, MACs by two counters, and whether they run.

    Exits with 1 where anything differs, and names the node.
    """
    import gc

    from .. import models as api
    from ..errors import UsageError
    from ..show.progress import progress
    from ..show.verify import page

    names = list(dict.fromkeys([*(models or ()), *(api.models() if every else ())]))
    if not names:
        raise UsageError("verify what?", "Name models, `archcalc verify resnet50`, or all that ship: `--all`.")
    write = Output(output_format, output)
    gc.enable()
    with progress("verifying models", "models") as tick:
        found = api.verify(names, tick)
    write(page(found))
    return 0 if all(verified.ok for verified in found) else 1
