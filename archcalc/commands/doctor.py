"""`archcalc doctor [MODEL]`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from . import completion as complete
from .measure import Device, Gpu, chosen_device
from .options import Format, InputSize, Output, OutputFile, Settings, pairs, size

if TYPE_CHECKING:
    from ..models import Model
    from ..show.doctor import Beside


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
        str,
        Option("--vs", metavar="TOOL[,TOOL…]", help="Which tools: torchinfo, fvcore, ptflops, thop; all of them."),
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
    from .. import models as api
    from ..errors import UsageError
    from ..show import TABLES
    from ..show.doctor import render

    write = Output(output_format, output, TABLES)
    where = chosen_device(gpu, device)
    if beside and not model:
        raise UsageError("`--vs` needs a network", "For example `archcalc doctor resnet50 --vs fvcore`.")
    tools = known_tools(beside)
    loaded = api.load(model, input=size(input_size), settings=pairs(settings)) if model else None
    examined = api.examine(where)
    found = compare(loaded, tools) if loaded is not None else None
    write(lambda width, color: render(examined, found, write.format, width, color))


def known_tools(text: str) -> list[str]:
    """The tools that are named, all where none is. Raises UsageError."""
    from ..analysis.peers import PEERS
    from ..errors import UsageError, did_you_mean

    if not text.strip():
        return list(PEERS)
    names = list(dict.fromkeys(name.strip().lower() for name in text.split(",")))
    for name in names:
        if name not in PEERS:
            raise UsageError(f"`--vs {text}`: `{name}` is no tool that archcalc knows", did_you_mean(name, PEERS))
    return names


def compare(model: "Model", tools: Sequence[str]) -> "Beside":
    from ..show.doctor import Beside
    from ..show.progress import progress

    peers = []
    for tool in tools:
        with progress(f"{tool} on {model.name}", "nodes") as tick:
            peers.append(model.peer(tool, tick))
    return Beside(model.name, model.totals.params, model.totals.macs, peers)
