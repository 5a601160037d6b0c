"""`archcalc compare A B [C …]`."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from . import completion as complete
from .options import (
    BatchOfRun,
    Columns,
    Cpu,
    Device,
    DtypeOfRun,
    FailOnRegression,
    FoldBn,
    Format,
    Gpu,
    Like,
    Optimizer,
    Output,
    OutputFile,
    Settings,
    Threads,
    TimeLimit,
    Tolerance,
    Train,
    Units,
    chosen_device,
    names,
    pairs,
    running,
    share,
    trained,
)

if TYPE_CHECKING:
    from ..tasks.compare import RunComparison


def compare(
    models: Annotated[
        list[str],
        Argument(
            metavar="MODEL MODEL ...",
            help="Models as for `summary`, at another input after an @, as resnet50@256; saved runs, as run.json.",
            autocompletion=complete.models,
        ),
    ],
    cpu: Cpu = False,
    gpu: Gpu = False,
    device: Device = "",
    train: Train = False,
    optimizer: Optimizer = "",
    threads: Threads = None,
    time_limit: TimeLimit = 10.0,
    by: Annotated[
        str, Option("--by", metavar="PART", help="Show where the difference lies: by stage, row or op.")
    ] = "",
    diff: Annotated[bool, Option("--diff", help="Line two networks up, node by node.")] = False,
    columns: Columns = "",
    units: Units = "auto",
    batch: BatchOfRun = None,
    dtype: DtypeOfRun = "",
    like: Like = "",
    fold_bn: FoldBn = False,
    settings: Settings = None,
    tolerance: Tolerance = 10.0,
    fail: FailOnRegression = False,
    output_format: Format = "",
    output: OutputFile = "",
) -> int | None:
    """Hold networks side by side: parameters, MACs, memory, depth, receptive field, printed accuracy; ratios to the
    first, the best of each, and the Pareto-optimal ones.

    With --cpu or --gpu latency and throughput too, measured in turn, A B A B …, so that what drifts drifts for all
    alike. Two saved runs of one network are judged: which layers got slower beyond the noise."""
    from ..errors import UsageError
    from ..measurement.conditions import Conditions
    from ..show.columns import known_units
    from ..show.compare import diff_page, page
    from ..tasks import compare as task

    write, raw = Output(output_format, output), known_units(units) == "raw"
    measure, where = cpu or gpu or bool(device), chosen_device(gpu, device, cpu)
    if diff and (len(models) != 2 or by or measure):
        raise UsageError("`--diff` lines two networks up, and nothing else")
    slower, runs = share(tolerance, "--tolerance"), task.saved(models)
    if len(models) == 2 and not (by or diff or measure) and task.of_one_network(runs):
        return _judge(task.compare_runs(runs, slower), write, fail)
    if fail:
        raise UsageError("`--fail-on-regression` needs two saved runs of one network")
    conditions = Conditions(1, "float32", where, train, threads=threads, time_limit=time_limit) if measure else None
    with running(f"running {len(models)} networks in turn", "rounds") if measure else nullcontext() as tick:
        found = task.compare(
            *models, runs=runs, batch=batch, dtype=dtype, like=like, fold_bn=fold_bn, settings=pairs(settings),
            optimizer=trained(train, optimizer) or "sgd", conditions=conditions, tick=tick,
        )  # fmt: skip
    if diff:
        write(diff_page(task.diff(*found.models), found.models))
        return None
    write(page(found, raw, task.shares(found, by) if by else (), by, names(columns)), found.stopped)
    return None


def _judge(found: "RunComparison", write: Output, fail: bool) -> int | None:
    """Show which layers got slower; 1 where that is to fail."""
    from ..show.measure import judged

    write(judged(found))
    return 1 if fail and found.slower else None
