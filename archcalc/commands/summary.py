"""`archcalc summary MODEL`."""

import sys
from typing import Annotated

from typer import Option

from . import completion as complete
from .measure import Device, Gpu, Threads, TimeLimit, chosen_device, run_all
from .options import (
    Columns,
    Depth,
    Dtype,
    FoldBn,
    Format,
    Full,
    InputSize,
    Like,
    ModelName,
    Optimizer,
    Output,
    OutputFile,
    Settings,
    Train,
    Units,
    names,
    pairs,
    size,
    trained,
)


def summary(
    model: ModelName,
    static: Annotated[bool, Option("--static", help="Only count: run nothing, and do without torch.")] = False,
    depth: Depth = 0,
    full: Full = False,
    sort: Annotated[
        str,
        Option(
            "--sort",
            metavar="BY",
            help="Put the largest first, by params, macs, activation or latency.",
            autocompletion=complete.sorts,
        ),
    ] = "",
    top: Annotated[
        int | None,
        Option("--top", metavar="N", min=1, help="Show only the N largest, by --sort or else by their share."),
    ] = None,
    only: Annotated[
        str,
        Option(
            "--only",
            metavar="WORD",
            help="Show only what is or holds this op, or has this text in its name.",
            autocompletion=complete.ops,
        ),
    ] = "",
    columns: Columns = "",
    units: Units = "auto",
    like: Like = "",
    fold_bn: FoldBn = False,
    input_size: InputSize = "",
    batch: Annotated[
        int, Option("--batch", metavar="N", help="Samples in the batch that MACs, bytes and latency are for.")
    ] = 1,
    dtype: Dtype = "float32",
    train: Train = False,
    optimizer: Optimizer = "",
    settings: Settings = None,
    output_format: Format = "",
    time_limit: TimeLimit = 10.0,
    threads: Threads = None,
    gpu: Gpu = False,
    device: Device = "",
    output: OutputFile = "",
) -> None:
    """Show a network row by row, as its paper prints it: shape, params, MACs, memory, latency on this machine."""
    from dataclasses import replace

    from .. import models as api
    from ..errors import Unavailable, UsageError
    from ..show.columns import known_units
    from ..show.summary import chosen, page
    from ..tasks.summary import FULL, Pick, known_sort

    where = chosen_device(gpu, device)
    if static and (gpu or device):
        raise UsageError("`--gpu` and `--device` measure and `--static` does not: one of the two")
    write = Output(output_format, output)
    pick = Pick(known_sort(sort, measured=not static), top, only, names(columns), known_units(units) == "raw")
    chosen(pick.columns)
    loaded = api.load(model, input=size(input_size), settings=pairs(settings))
    loaded = loaded.fold_bn() if fold_bn else loaded
    found = loaded.summary(batch, dtype, like=like, optimizer=trained(train, optimizer))
    levels = FULL if full else depth
    pick.check(found, levels)

    stopped: BaseException | None = None
    if not static:
        options = {
            "dtype": dtype,
            "device": where,
            "time_limit": time_limit,
            "threads": threads,
            "training": train,
        }
        done, stopped = run_all(loaded, [batch], options)
        if done:
            found = replace(found, measured=done[0])
        elif not (isinstance(stopped, Unavailable) and sys.modules.get("torch")):
            assert stopped is not None
            raise stopped
    write(page(found, levels, pick))  # with not enough memory: what is known without running still stands
    if stopped is not None:
        raise stopped
