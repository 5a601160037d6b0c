"""Latency of a network, layer by layer, at one batch or several, perhaps held against an earlier run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import files
from ..errors import ArchcalcError, Unavailable, UsageError
from ..graph import Input
from ..language.zoo import shipped
from ..measurement.conditions import USUAL, Conditions
from ..measurement.latency import Interrupted, Measurement
from ..measurement.regression import (
    TOLERANCE,
    Regression,
    compare,
    exit_code,
    library,
    of_one_work,
    runs_needed,
    same_conditions,
)
from ..measurement.runs import Run, read
from ..models import Model, Summary, load
from ..networks import Reference, Settings
from ..parallel import Tick, hold_interrupts
from ..units import as_typed
from ..views import Tabular


@dataclass(frozen=True, slots=True)
class MeasureResult(Tabular):
    """What was measured of a network: a summary for each batch, and how it compares with an earlier run, if any.

    `against` names the earlier run's file; `stopped` is what ended the measuring before the last batch, or why it
    cannot be held against that run."""

    run: Run
    summaries: Sequence[Summary] = field(repr=False)
    against: str = ""
    comparisons: Sequence[Regression] = field(default=(), repr=False)
    stopped: BaseException | None = None

    @property
    def exit_code(self) -> int:
        """1 where anything got slower than in the earlier run, 3 where there are too few runs to tell, else 0."""
        return exit_code(self.comparisons)

    def held_against(self, before: Run | None, name: str, tolerance: float = TOLERANCE) -> MeasureResult:
        """The same beside an earlier run from the file `name`, if any; slower by less than `tolerance` is no matter.

        Where the runs turn out to be of other work, `stopped` says so: what was measured is kept."""
        try:
            found = compare(before, self.run, tolerance) if before is not None else ()
        except ArchcalcError as error:
            return replace(self, stopped=self.stopped or error)
        return replace(self, against=name, comparisons=found)


def measure(
    model: Reference,
    conditions: Conditions = USUAL,
    *,
    batches: Sequence[int] = (),
    against: Reference = "",
    tolerance: float = TOLERANCE,
    input: Input | None = None,
    settings: Settings | None = None,
    tick: Tick | None = None,
) -> MeasureResult:
    """Measure a network at the batch of `conditions`, or at several `batches`, and hold it against a saved run.

    Ctrl-C, or memory that runs out, ends it: `stopped` says so, and what was measured until then is kept. Raises
    UsageError, SpecError, Unavailable; and what stopped it where nothing was measured."""
    before = earlier(against, conditions) if against else None
    loaded = load(model, input=input, settings=settings)
    least = enough(before, loaded, conditions, batches) if before is not None else {}
    found = run_all(loaded, conditions, batches, tick, least)
    return found.held_against(before, str(against), tolerance)


def earlier(path: Reference, conditions: Conditions) -> Run:
    """A saved run to hold against what is going to be measured. Raises UsageError where the conditions are others, as
    far as they are known already; Unavailable where scipy is missing."""
    run = read(files.typed(path), str(path))
    library()
    known: dict[str, object] = {"dtype": conditions.dtype, "cold": conditions.cold, "mode": conditions.mode}
    known |= {"threads": conditions.threads} if conditions.threads is not None else {}
    for measured in run.measurements:
        same_conditions(measured, known)
    return run


def enough(
    before: Run, model: Model, conditions: Conditions, batches: Sequence[int] = (), fail: bool = False
) -> dict[int, int]:
    """How many rounds of each batch the comparison with an earlier run needs, at most those of `conditions`.

    Raises UsageError where the runs cannot be compared; Unavailable where the comparison decides whether to `fail`, and
    no number of rounds that is allowed can show that a layer alone got slower."""
    sizes, paths = list(batches or (conditions.batch,)), [node.path for node in model.graph.nodes[: model.graph.main]]
    of_one_work(before, model.name, model.graph.inputs, paths, sizes, every=fail)
    tests = 1 + len({*paths} & {*before.paths})
    found = {}
    for measured in before.measurements:
        if measured.batch in sizes:
            needed = runs_needed(measured.runs, tests, conditions.runs)
            if needed is None and fail:
                few = f"too few runs to tell: the earlier run has {measured.runs} of batch {measured.batch}"
                hint = "More in the earlier one, or a larger `--runs`, can show that one layer got slower."
                raise Unavailable(f"{few}, and {conditions.runs} more decide nothing about {tests - 1} layers", hint)
            found[measured.batch] = needed or conditions.runs
    return found


def beside(run: Run, path: Path | None) -> Run:
    """The run as a file at `path` holds it, which names one's own spec from where it stands itself."""
    if path is None or shipped(run.spec) or not run.spec:
        return run
    try:
        return replace(run, spec=Path(os.path.relpath(files.typed(run.spec), path.parent)).as_posix())
    except ValueError:  # another drive
        return run


def run_all(
    model: Model,
    conditions: Conditions,
    batches: Sequence[int] = (),
    tick: Tick | None = None,
    least: Mapping[int, int] | None = None,
) -> MeasureResult:
    """Measure a model batch by batch, `least` rounds of each in any case. Raises what stopped it where nothing was
    measured."""
    sizes, least = dict.fromkeys(batches or (conditions.batch,)), least or {}
    runs = [replace(conditions, batch=batch, least=least.get(batch, conditions.least)) for batch in sizes]
    models = {conditions.batch: model.own_run(conditions) for conditions in runs}
    model = models[runs[0].batch]
    if len({tuple(node.path for node in each.graph.nodes) for each in models.values()}) > 1:
        raise UsageError(f"`{model.name}` runs otherwise at these batches", "Measure each of them alone.")
    done, stopped = measurements(model, runs, tick)
    if not done:
        raise stopped or UsageError("nothing was measured")
    settings = {name: as_typed(value) for name, value in model.settings.items()}
    run = Run.of(model.graph, done, model.name, model.spec, settings)
    return MeasureResult(run, [_summary(models[measured.batch], measured) for measured in done], stopped=stopped)


def _summary(model: Model, measured: Measurement) -> Summary:
    optimizer = "sgd" if measured.mode == "training" else ""
    return replace(model.summary(measured.batch, measured.dtype, measured, optimizer=optimizer), judgements=())


def measurements(
    model: Model, runs: Sequence[Conditions], tick: Tick | None = None
) -> tuple[list[Measurement], BaseException | None]:
    """What was measured, run by run, and what ended it before the last; Ctrl-C waits from then on."""
    done: list[Measurement] = []
    ended: BaseException | None = None
    for conditions in runs:
        try:
            done.append(model.measure(conditions, tick))
        except Interrupted as stopped:
            done.append(stopped.measurement)
            ended = stopped
        except (ArchcalcError, KeyboardInterrupt) as stopped:
            ended = stopped
        if ended is not None:
            break
    hold_interrupts()
    return done, ended
