"""`archcalc doctor [MODEL]`."""

from contextlib import nullcontext
from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from . import options


@options.coded
def doctor(
    model: Annotated[
        str,
        Argument(
            metavar="[MODEL]",
            help="A network to give to other tools, as for `summary`.",
            autocompletion=complete.models,
        ),
    ] = "",
    versus: Annotated[
        str,
        Option(
            "--vs",
            metavar="TOOL[,TOOL…]",
            help="Which tools: torchinfo, fvcore, ptflops, thop; all of them.",
            autocompletion=complete.peers,
        ),
    ] = "",
    gpu: options.Gpu = False,
    device: options.Device = "",
    input_size: options.InputSize = None,
    settings: options.Settings = None,
    output_format: options.Format = "",
    output: options.OutputFile = "",
    *,
    beside: options.Beside,
) -> None:
    """Say what this machine has (torch, device, threads, governor, load, malloc), and what that means for what is
    measured on it.

    With MODEL: what other tools count of it, those that are installed, and why that is not what archcalc counts."""
    from ..show.doctor import page
    from ..tasks.doctor import doctor as examine

    write = options.Output(output_format, output)
    where, tools = options.chosen_device(gpu, device), versus.split(",") if versus.strip() else ()
    asked = beside.spelled(model) if model else ""
    shape, given = options.size(input_size), options.pairs(settings)
    with options.running(f"counting {model}", "nodes") if model else nullcontext() as tick:
        found = examine(asked, tools=tools, device=where, input=shape, settings=given, tick=tick)
    write(page(found))
