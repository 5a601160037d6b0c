"""`archcalc summary MODEL`."""

from typing import Annotated

from typer import Option

from .options import (
    Batch,
    Columns,
    Depth,
    Device,
    Dtype,
    FoldBn,
    Format,
    Full,
    Gpu,
    InputSize,
    Like,
    ModelName,
    Only,
    Optimizer,
    Output,
    OutputFile,
    Settings,
    Sort,
    Threads,
    TimeLimit,
    Top,
    Train,
    Units,
    chosen_device,
    names,
    pairs,
    running,
    size,
    trained,
)


def summary(
    model: ModelName,
    static: Annotated[bool, Option("--static", help="Only count: run nothing, and do without torch.")] = False,
    depth: Depth = 0,
    full: Full = False,
    sort: Sort = "",
    top: Top = None,
    only: Only = "",
    columns: Columns = "",
    units: Units = "auto",
    like: Like = "",
    fold_bn: FoldBn = False,
    input_size: InputSize = "",
    batch: Batch = 1,
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
    from ..errors import UsageError
    from ..show.columns import known_units
    from ..show.summary import chosen, page
    from ..tasks.summary import FULL, Pick, known_sort, loaded, measured

    where = chosen_device(gpu, device)
    if static and (gpu or device):
        raise UsageError("`--gpu` and `--device` measure and `--static` does not: one of the two")
    write = Output(output_format, output)
    pick = Pick(known_sort(sort, measured=not static), top, only, names(columns), known_units(units) == "raw")
    chosen(pick.columns)
    network = loaded(model, size(input_size), pairs(settings), fold_bn)
    found = network.summary(batch, dtype, like=like, optimizer=trained(train, optimizer))
    levels = FULL if full else depth
    pick.check(found, levels)
    stopped: BaseException | None = None
    if not static:
        from ..measurement.conditions import Conditions

        conditions = Conditions(batch, dtype, where, train, threads=threads, time_limit=time_limit)
        found, stopped = measured(network, found, conditions, running)
    write(page(found, levels, pick), stopped)
