"""`archcalc doctor [MODEL]`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import Device, Format, Gpu, InputSize, Output, OutputFile, Settings, chosen_device, pairs, running, size


def doctor(
    model: Annotated[
        str,
        Argument(
            metavar="[MODEL]",
            help="A network to give to other tools, as for `summary`.",
            autocompletion=complete.models,
        ),
    ] = "",
    beside: Annotated[
        str, Option("--vs", metavar="TOOL[,TOOL…]", help="Which tools: torchinfo, fvcore, ptflops, thop; all of them.")
    ] = "",
    gpu: Gpu = False,
    device: Device = "",
    input_size: InputSize = "",
    settings: Settings = None,
    output_format: Format = "",
    output: OutputFile = "",
) -> None:
    """Say what this machine has (torch, device, threads, governor, load, malloc), and what that means for what is
    measured on it.

    With MODEL: what other tools count of it, those that are installed, and why that is not what archcalc counts.
    """
    from functools import partial

    from ..show.doctor import page
    from ..tasks.doctor import doctor as examine

    write = Output(output_format, output)
    found = examine(
        model,
        tools=beside.split(",") if beside.strip() else (),
        device=chosen_device(gpu, device),
        input=size(input_size),
        settings=pairs(settings),
        stages=partial(running, unit="nodes"),
    )
    write(page(found))
