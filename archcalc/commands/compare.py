"""`archcalc compare A B [C …]`."""

from contextlib import nullcontext
from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from . import options


@options.coded
def compare(
    models: Annotated[
        list[str],
        Argument(
            metavar="MODEL|FAMILY|PATTERN ...",
            help=f"{options.MODELS} Saved runs, as run.json.",
            autocompletion=complete.models_and_families,
        ),
    ],
    where: options.Where = "",
    sort: options.SortBy = "",
    top: options.First = None,
    results: options.Results = "",
    measure: options.Measure = False,
    cpu: options.Cpu = False,
    gpu: options.Gpu = False,
    device: options.Device = "",
    train: options.Train = False,
    optimizer: options.Optimizer = "",
    threads: options.Threads = None,
    time_limit: options.TimeLimit = 10.0,
    by: Annotated[
        str,
        Option(
            "--by",
            metavar="PART",
            help="Show where the difference lies: by stage, row or op.",
            autocompletion=complete.by,
        ),
    ] = "",
    diff: Annotated[bool, Option("--diff", help="Line two networks up, node by node.")] = False,
    columns: options.Columns = "",
    ratios: Annotated[bool, Option("--ratios", help="Give tables a column of ratios for each figure, too.")] = False,
    units: options.Units = "auto",
    batch: options.BatchOfRun = None,
    dtype: options.DtypeOfRun = "",
    like: options.Like = "",
    fold_bn: options.FoldBn = False,
    settings: options.Settings = None,
    input_size: options.InputSize = None,
    tolerance: options.Tolerance = 10.0,
    fail: options.FailOnRegression = False,
    output_format: options.Format = "",
    output: options.OutputFile = "",
    *,
    beside: options.Beside,
) -> int | None:
    """Hold networks side by side: parameters, MACs, memory, depth, receptive field, printed accuracy; ratios to the
    first, the best of each, and the Pareto-optimal ones. `--where` asks which of many fit: 'latency <= 20ms and
    param_bytes <= 50MB' with --measure. Exits with 1 where none does.

    With --cpu or --gpu latency and throughput too, measured in turn, A B A B …, so that what drifts drifts for all
    alike. Two saved runs of one network are judged: which layers got slower beyond the noise."""
    from ..errors import UsageError
    from ..measurement.conditions import Conditions
    from ..show.columns import known_units
    from ..show.compare import page
    from ..tasks import compare as task

    models = beside.spelled_all(models, input_size)
    write, raw = options.Output(output_format, output), known_units(units) == "raw"
    measure, place = measure or cpu or gpu or bool(device), options.chosen_device(gpu, device, cpu)
    if diff and (len(models) != 2 or by or measure):
        raise UsageError("`--diff` lines two networks up, and nothing else")
    slower, runs = options.share(tolerance, "--tolerance"), task.saved(models)
    if len(models) == 2 and not (by or diff or measure) and task.of_one_network(runs):
        from ..show.measure import judged

        held = task.compare_runs(runs, slower, every=fail)
        write(judged(held))
        return held.exit_code if fail else 0
    if fail:
        raise UsageError("`--fail-on-regression` needs two saved runs of one network")
    conditions = Conditions(1, "float32", place, train, threads=threads, time_limit=time_limit) if measure else None
    with options.running("running networks in turn", "rounds") if measure else nullcontext() as tick:
        found = task.compare(
            *models, runs=runs, batch=batch, dtype=dtype, like=like, fold_bn=fold_bn, settings=options.pairs(settings),
            optimizer=options.trained(train, optimizer) or "sgd", results=results, conditions=conditions, where=where,
            sort=sort, top=top, tick=tick,
        )  # fmt: skip
    if diff:
        from ..show.diff import page as diff_page
        from ..tasks.diff import held as held_against

        write(diff_page(held_against(*found.models)))
        return None
    write(page(found, raw, task.shares(found, by) if by else (), by, options.names(columns), ratios), found.stopped)
    return None
