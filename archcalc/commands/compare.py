"""`archcalc compare A B [C …]`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from . import completion as complete
from .measure import Device, Gpu, Threads, TimeLimit, chosen_device
from .options import (
    Columns,
    FoldBn,
    Format,
    Like,
    Optimizer,
    Output,
    OutputFile,
    Settings,
    Train,
    Units,
    names,
    pairs,
    share,
    trained,
)  # fmt: skip

if TYPE_CHECKING:
    from ..measurement.latency import Interrupted, Measurement
    from ..measurement.runs import Run
    from ..models import Model, Summary
    from ..papers.accuracies import Result
    from ..tasks.compare import Compared

Cpu = Annotated[bool, Option("--cpu", help="Measure too, on the CPU.")]


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
    batch: Annotated[
        int | None, Option("--batch", metavar="N", help="Samples in the batch: 1, or those of a saved run.")
    ] = None,
    dtype: Annotated[
        str,
        Option(
            "--dtype",
            metavar="NAME",
            help="Type of all numbers: float32, or that of a saved run.",
            autocompletion=complete.dtypes,
        ),
    ] = "",
    like: Like = "",
    fold_bn: FoldBn = False,
    settings: Settings = None,
    tolerance: Annotated[
        float,
        Option("--tolerance", metavar="PERCENT", help="Of two runs of one network: slower by less is no matter."),
    ] = 10.0,
    fail: Annotated[
        bool,
        Option("--fail-on-regression", help="Of two runs of one network: leave with 1 if something got slower."),
    ] = False,
    output_format: Format = "",
    output: OutputFile = "",
) -> int | None:
    """Hold networks side by side: parameters, MACs, memory, depth, receptive field, printed accuracy; ratios to the
    first, the best of each, and the Pareto-optimal ones.

    With --cpu or --gpu latency and throughput too, measured in turn, A B A B …, so that what drifts drifts for all
    alike. Two saved runs of one network are judged: which layers got slower beyond the noise."""
    from ..errors import UsageError
    from ..show.columns import known_units
    from ..show.compare import chosen, diff_page, page
    from ..tasks.compare import compare as side_by_side
    from ..tasks.compare import diff as lined_up
    from ..tasks.compare import shares

    write, raw, keys = Output(output_format, output), known_units(units) == "raw", names(columns)
    where = measured_on(cpu, gpu, device)
    if diff and (len(models) != 2 or by or where):
        raise UsageError("`--diff` lines two networks up, and nothing else")
    slower = share(tolerance, "--tolerance")
    runs = saved(models)
    if len(models) == len(runs) == 2 and not (by or diff or where) and of_one_network(*runs.values()):
        return judge(runs, write, slower, fail)
    if fail:
        raise UsageError("`--fail-on-regression` needs two saved runs of one network")
    sides = Sides(runs, batch, dtype, pairs(settings), like, fold_bn, trained(train, optimizer) or "sgd")
    options = {"device": where, "training": train, "threads": threads, "time_limit": time_limit}
    loaded, stopped = sides.of(models, options if where else None)
    found = side_by_side(loaded, in_turn=bool(where))
    if diff:
        write(diff_page(lined_up(*found.models), found.models))
        return None
    chosen(found, keys)
    shared = shares(found, by) if by else ()
    write(page(found, raw, shared, by, keys))
    if stopped is not None:
        raise stopped
    return None


def measured_on(cpu: bool, gpu: bool, device: str) -> str:
    """The device to measure on; empty where nothing is to be measured. Raises UsageError."""
    from ..errors import UsageError

    if cpu and (gpu or device.startswith("cuda")):
        raise UsageError(f"`--cpu` and `{'--gpu' if gpu else f'--device {device}'}`: one of the two")
    return chosen_device(gpu, device) if cpu or gpu or device else ""


# --- saved runs -----------------------------------------------------------------------------------------------------


def saved(references: list[str]) -> "dict[str, Run]":
    """The saved runs among what is typed, by that. Raises UsageError."""
    from ..measurement.runs import read

    return {name: read(Path(name).expanduser(), name) for name in references if name.lower().endswith(".json")}


def of_one_network(before: "Run", now: "Run") -> bool:
    """Whether two runs are of one network at one input, perhaps after a change."""
    return before.input == now.input and (before.model == now.model or before.paths == now.paths)


def judge(runs: "dict[str, Run]", write: Output, tolerance: float, fail: bool) -> int | None:
    """Which layers got slower from the first run to the second; 1 where that is to fail. Raises UsageError."""
    from ..measurement.regression import compare
    from ..show.measure import judged

    (before, was), (name, now) = runs.items()
    found = compare(was, now, tolerance)
    write(judged(found, before, name, now))
    return 1 if fail and any(comparison.slower for comparison in found) else None


def load_run(run: "Run", name: str) -> "Model":
    """The network that a run was made of, as it is built today. Raises UsageError where it is another one now."""
    from .. import models as api
    from ..errors import UsageError, printable
    from ..language.zoo import specs_dir

    shipped = Path(run.spec).name == run.spec and (specs_dir() / run.spec).is_file()
    reference = run.model if shipped else f"{run.spec}:{run.model.rpartition(':')[2]}"
    model = api.load(reference, settings=run.settings)
    if model.input != run.input:
        model = api.load(reference, input=run.input, settings=run.settings)
    if tuple(node.path for node in model.graph.nodes[: model.graph.main]) != run.paths:
        what = f"`{printable(name)}` is a run of another network than `{printable(run.model)}` is now"
        raise UsageError(what, "Two runs of it can be compared with each other: `archcalc compare old.json new.json`.")
    return model


def at_batch(run: "Run", name: str, batch: int) -> "Measurement":
    """What a run has at a batch. Raises UsageError."""
    from ..errors import UsageError, printable

    found = {measured.batch: measured for measured in run.measurements}
    if batch not in found:
        there = ", ".join(map(str, found)) or "nothing"
        raise UsageError(f"`{printable(name)}` measured no batch of {batch}", f"It has {there}: `--batch` chooses.")
    return found[batch]


# --- networks -------------------------------------------------------------------------------------------------------


class Sides:
    """How the networks of a comparison are counted: as a saved run was made where there is one, unless it is said."""

    def __init__(
        self,
        runs: "dict[str, Run]",
        batch: int | None,
        dtype: str,
        settings: dict[str, str],
        like: str = "",
        fold_bn: bool = False,
        optimizer: str = "",
    ) -> None:
        from ..errors import UsageError

        made = [measured for run in runs.values() for measured in run.measurements]
        if runs and (settings or fold_bn):
            raise UsageError(
                f"`{'--fold-bn' if fold_bn else '--set'}` changes a network, and a saved run is of one as it was"
            )
        self.runs, self.settings, self.like, self.fold_bn, self.optimizer = runs, settings, like, fold_bn, optimizer
        self.batch = batch if batch is not None else made[0].batch if made else 1
        self.dtype = dtype or (made[0].dtype if made else "float32")

    def of(
        self, references: list[str], measure: dict[str, Any] | None = None
    ) -> "tuple[list[Compared], Interrupted | None]":
        """The networks, each with the accuracy that is printed for it where it is as printed; measured in turn if
        `measure` says how. Ctrl-C ends that, and is given back. Raises UsageError, SpecError, Unavailable."""
        from ..errors import UsageError, printable
        from ..papers.accuracies import common
        from ..tasks.compare import Compared

        if measure is not None and self.runs:
            name, run = next(iter(self.runs.items()))
            hint = f"To measure it in turn with the others, name the model: `{printable(run.model)}`."
            raise UsageError(f"`{printable(name)}` is measured already", hint)
        loaded = [self._load(reference) for reference in references]
        printed = {result.model: result for result in common([model.name for model in loaded if model.printed])}
        counted = [model.fold_bn() if self.fold_bn else model for model in loaded]
        runs: list[Measurement | None] = [self._measured(reference) for reference in references]
        stopped = None
        if measure is not None:
            if len(references) < 2:
                raise UsageError("a comparison needs at least two models")
            self._summaries(counted, runs)  # what cannot be counted is known before anything is measured
            measured, stopped = in_turn(counted, batch=self.batch, dtype=self.dtype, **measure)
            runs = [*measured]
        summaries = self._summaries(counted, runs)

        def known(model: "Model") -> "Result | None":
            return printed.get(model.name) if model.printed else None

        sides = zip(references, loaded, summaries, strict=True)
        return [Compared(reference, summary, known(model)) for reference, model, summary in sides], stopped

    def _summaries(self, models: "list[Model]", runs: "list[Measurement | None]") -> "list[Summary]":
        return [
            model.summary(self.batch, self.dtype, run, self.like, self.optimizer)
            for model, run in zip(models, runs, strict=True)
        ]

    def _load(self, reference: str) -> "Model":
        run = self.runs.get(reference)
        return load_at(reference, self.settings) if run is None else load_run(run, reference)

    def _measured(self, reference: str) -> "Measurement | None":
        run = self.runs.get(reference)
        return None if run is None else at_batch(run, reference, self.batch)


def side(
    references: list[str], batch: int, dtype: str, settings: dict[str, str], like: str = "", fold_bn: bool = False
) -> "list[Compared]":
    """The models that are named, counted. Raises UsageError, SpecError."""
    return Sides({}, batch, dtype, settings, like, fold_bn, "sgd").of(references)[0]


def in_turn(models: "list[Model]", **options: Any) -> "tuple[tuple[Measurement, ...], Interrupted | None]":
    """Measure networks in turn, with a progress bar where somebody may be watching; Ctrl-C leaves what there is."""
    import gc

    from .. import models as api
    from ..measurement.latency import Interrupted
    from ..show.progress import progress

    gc.enable()
    try:
        with progress(f"running {len(models)} networks in turn", "rounds") as tick:
            return api.measure_in_turn(models, **options, progress=tick), None
    except Interrupted as stopped:
        return stopped.measurements, stopped


def load_at(reference: str, settings: dict[str, str]) -> "Model":
    """A model by what is typed, `resnet50@256`. Raises UsageError, SpecError."""
    from .. import models as api
    from ..language.zoo import at_input, resized

    name, size = at_input(reference)
    model = api.load(name, settings=settings)
    return model if size is None else api.load(name, input=resized(model.input, size), settings=settings)
