"""Latency of a network, layer by layer, at one batch or several, perhaps held against an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import ArchcalcError, UsageError
from ..measurement.conditions import USUAL, Conditions
from ..measurement.latency import Interrupted, Measurement
from ..measurement.regression import TOLERANCE, Regression, compare, library, same_conditions
from ..measurement.runs import Run, read
from ..models import Model, Summary, load
from ..networks import Reference, Settings
from ..ops import Shape
from ..parallel import Tick
from ..views import Tabular


@dataclass(frozen=True, slots=True)
class MeasureResult(Tabular):
    """What was measured of a network: a summary for each batch, and how it compares with an earlier run, if any.

    `against` names the earlier run's file; `stopped` is what ended the measuring before the last batch."""

    run: Run
    summaries: Sequence[Summary] = field(repr=False)
    against: str = ""
    comparisons: Sequence[Regression] = field(default=(), repr=False)
    stopped: BaseException | None = None

    @property
    def slower(self) -> bool:
        """Whether anything got slower than in the earlier run."""
        return any(comparison.slower for comparison in self.comparisons)

    def held_against(self, before: Run | None, name: str, tolerance: float = TOLERANCE) -> MeasureResult:
        """The same beside an earlier run from the file `name`, if any; slower by less than `tolerance` is no matter.

        Raises UsageError where the runs are not of the same work, Unavailable where scipy is missing."""
        found = compare(before, self.run, tolerance) if before is not None else ()
        return replace(self, against=name, comparisons=found)


def measure(
    model: Reference,
    conditions: Conditions = USUAL,
    *,
    batches: Sequence[int] = (),
    against: Reference = "",
    tolerance: float = TOLERANCE,
    input: Shape | None = None,
    settings: Settings | None = None,
    tick: Tick | None = None,
) -> MeasureResult:
    """Measure a network at the batch of `conditions`, or at several `batches`, and hold it against a saved run.

    Ctrl-C, or memory that runs out, ends it: `stopped` says so, and what was measured until then is kept. Raises
    UsageError, SpecError, Unavailable; and what stopped it where nothing was measured."""
    before = earlier(against, conditions) if against else None
    found = run_all(load(model, input=input, settings=settings), conditions, batches, tick)
    return found.held_against(before, str(against), tolerance)


def earlier(path: Reference, conditions: Conditions) -> Run:
    """A saved run to hold against what is going to be measured. Raises UsageError where the conditions are others, as
    far as they are known already; Unavailable where scipy is missing."""
    run = read(Path(path).expanduser(), str(path))
    library()
    known: dict[str, object] = {"dtype": conditions.dtype, "cold": conditions.cold, "mode": conditions.mode}
    known |= {"threads": conditions.threads} if conditions.threads is not None else {}
    for measured in run.measurements:
        same_conditions(measured, known)
    return run


def run_all(
    model: Model, conditions: Conditions, batches: Sequence[int] = (), tick: Tick | None = None
) -> MeasureResult:
    """Measure a model batch by batch. Raises what stopped it where nothing was measured."""
    sizes = dict.fromkeys(batches or (conditions.batch,))
    done, stopped = measurements(model, [replace(conditions, batch=batch) for batch in sizes], tick)
    if not done:
        raise stopped or UsageError("nothing was measured")
    settings = {name: str(value) for name, value in model.settings.items()}
    run = Run.of(model.graph, done, model.name, model.spec, settings)
    return MeasureResult(run, [_summary(model, measured) for measured in done], stopped=stopped)


def _summary(model: Model, measured: Measurement) -> Summary:
    optimizer = "sgd" if measured.mode == "training" else ""
    return replace(model.summary(measured.batch, measured.dtype, measured, optimizer=optimizer), judgements=())


def measurements(
    model: Model, runs: Sequence[Conditions], tick: Tick | None = None
) -> tuple[list[Measurement], BaseException | None]:
    """What was measured, run by run, and what ended it before the last."""
    done: list[Measurement] = []
    for conditions in runs:
        try:
            done.append(model.measure(conditions, tick))
        except Interrupted as stopped:
            return [*done, stopped.measurement], stopped
        except (ArchcalcError, KeyboardInterrupt) as stopped:
            return done, stopped
    return done, None
