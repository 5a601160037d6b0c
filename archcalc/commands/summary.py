"""`archcalc summary MODEL`."""

from typing import TYPE_CHECKING, Annotated

from typer import Option

from . import options

if TYPE_CHECKING:
    from ..models import Model, Summary


@options.coded
def summary(
    model: options.ModelName,
    static: Annotated[bool, Option("--static", help="Only count: run nothing, and do without torch.")] = False,
    depth: options.Depth = 0,
    full: options.Full = False,
    sort: options.Sort = "",
    top: options.Top = None,
    only: options.Only = "",
    columns: options.Columns = "",
    units: options.Units = "auto",
    like: options.Like = "",
    fold_bn: options.FoldBn = False,
    input_size: options.InputSize = None,
    batch: options.Batch = 1,
    dtype: options.Dtype = "float32",
    train: options.Train = False,
    optimizer: options.Optimizer = "",
    attack: Annotated[
        int | None, Option("--attack", metavar="STEPS", help="With `--train`: steps of PGD before the training step.")
    ] = None,
    against: Annotated[
        str, Option("--against", metavar="MODEL", help="With `--train`: the discriminator of this generator, a round.")
    ] = "",
    steps: Annotated[
        int | None, Option("--steps", metavar="NUMBER", help="Steps of the discriminator in a round; one unless given.")
    ] = None,
    settings: options.Settings = None,
    output_format: options.Format = "",
    time_limit: options.TimeLimit = 10.0,
    threads: options.Threads = None,
    gpu: options.Gpu = False,
    device: options.Device = "",
    output: options.OutputFile = "",
    *,
    beside: options.Beside,
) -> None:
    """Show a network row by row, as its paper prints it: shape, params, MACs, memory, latency on this machine."""
    from ..errors import UsageError
    from ..show.columns import known_units
    from ..show.summary import chosen, page
    from ..tasks.summary import FULL, Pick, known_sort, loaded, measured, regime

    where = options.chosen_device(gpu, device)
    if static and (gpu or device):
        raise UsageError("`--gpu` and `--device` measure and `--static` does not: one of the two")
    write = options.Output(output_format, output)
    pick = Pick(known_sort(sort, measured=not static), top, only, options.names(columns), known_units(units) == "raw")
    chosen(pick.columns)
    asked = beside.spelled(model)
    network = loaded(asked, options.size(input_size), options.pairs(settings), fold_bn)
    optimizer = options.trained(train, optimizer)
    passes = regime(network.report(batch, dtype), optimizer, attack, against, steps)

    def summarised(model: "Model") -> "Summary":
        return model.summary(batch, dtype, like=like, optimizer=optimizer, regime=passes)

    found, levels = summarised(network), FULL if full else depth
    pick.check(found, levels)
    stopped: BaseException | None = None
    if not static and (network.runs or gpu or device):
        from ..measurement.conditions import Conditions

        conditions = Conditions(batch, dtype, where, train, threads=threads, time_limit=time_limit)
        with options.running(f"running {network.name}") as tick:
            found, stopped = measured(network, found, conditions, tick, summarised)
    write(page(found, levels, pick), stopped)
