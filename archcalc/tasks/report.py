"""All about some networks, for one page: side by side, and each by itself; and the zoo with all that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..analysis.roofline import DEFAULT, DEVICES, Device
from ..errors import UsageError, printable
from ..language.metrics import ReportedMetric
from ..language.zoo import all_of, select, selections, shipped, spec_files, specs_dir
from ..networks import Reference, Settings, name_of
from ..networks import report as counts_of
from ..papers.accuracies import Result, common
from ..papers.claims import Judgement
from ..papers.judge import Finding
from ..parallel import Tick, map_processes
from ..records import NamedTuple
from ..views import Shown
from .check import BuiltSpec, CheckedSpec, judge_spec
from .compare import Compared, Comparison, ComparisonPlan, gather, saved, side_by_side
from .list import MANY, ListedModel, listed
from .paper import paper
from .plot import ceilings


@dataclass(frozen=True, slots=True)
class ReportResult(Shown):
    """The networks, how they compare where they are several, and, of those that were measured, what the machine reaches
    at best."""

    models: tuple[Compared, ...]
    comparison: Comparison | None
    ceilings: Device | None = None


def report(
    *models: Reference,
    batch: int | None = None,
    dtype: str = "",
    like: str = "",
    fold_bn: bool = False,
    settings: Settings | None = None,
    results: Path | str = "",
    cpu: bool = False,
) -> ReportResult:
    """Gather all about some networks; a family is all of its models, a saved run (`run.json`) the network that it is of
    with what was measured. With `cpu` the rooflines of these have the ceilings of this machine, measured. Raises
    UsageError, SpecError, Unavailable."""
    names = list(dict.fromkeys(all_of(map(name_of, models))))
    found = gather(names, ComparisonPlan(batch, dtype, like, fold_bn, "sgd", settings, results), saved(names)).models
    measured = [model for model in found if model.summary.measured]
    if cpu and not measured:
        raise UsageError(
            "`--cpu` is for the rooflines of saved runs", "`archcalc measure … --save run.json` makes one."
        )
    roof = ceilings(measured[0], DEVICES[DEFAULT], "cpu", None) if cpu else None
    return ReportResult(tuple(found), side_by_side(found) if len(found) > 1 else None, roof)


class Quoted(NamedTuple):
    """A figure that a spec quotes, of which models, as it is judged where it holds least."""

    models: tuple[str, ...]
    judgement: Judgement


class ZooModel(NamedTuple):
    """A model of the zoo, and what is printed of its top-1 accuracy: as of most others, if it was tested so."""

    listed: ListedModel
    result: Result | None

    def figure(self, name: str) -> float | None:
        return self.listed.figure(name)


@dataclass(frozen=True, slots=True)
class ZooResult:
    """The models, the figures that their specs quote, and those that other documents print."""

    models: tuple[ZooModel, ...]
    quoted: tuple[Quoted, ...] = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)

    @property
    def metrics(self) -> tuple[ReportedMetric, ...]:
        """What is reported for any of them."""
        return tuple(dict.fromkeys(result.metric for model in self.models for result in model.listed.reported))


def zoo(*models: str, tick: Tick | None = None) -> ZooResult:
    """Count all models that ship, or some of them, and judge all that is printed of them. Raises UsageError for what
    does not ship."""
    names = all_of(models)
    chosen = [select(name) for name in names]
    if own := [name for name, found in zip(names, chosen, strict=True) if not shipped(found.spec)]:
        raise UsageError(f"`{printable(own[0])}` is not of the zoo", "It has a page without `--zoo`.")
    files = list(dict.fromkeys(specs_dir() / found.spec for found in chosen)) or spec_files()
    made = map_processes(partial(_of_file, {found.name for found in chosen}), files, MANY, tick)
    found = [model for known, _ in made for model in known]
    printed = _results([model.name for model in found])
    return ZooResult(
        tuple(ZooModel(model, printed.get(model.name)) for model in found),
        tuple(quoted for _, known in made for quoted in known),
        tuple(f for f in paper(*names, every=not names).findings if f.entry.claim is None),
    )


def _of_file(names: set[str], path: Path) -> tuple[list[ListedModel], list[Quoted]]:
    family, found = selections(path)
    models = [(each, counts_of(each)) for each in found if not names or each.name in names]
    return [listed(*pair) for pair in models], list(_quoted(judge_spec(BuiltSpec(path.name, family, models))))


def _quoted(checked: CheckedSpec) -> list[Quoted]:
    models: dict[tuple[int, int, str], list[str]] = {}
    for name, judged in checked.judged.items():
        for judgement in judged:
            models.setdefault(judgement.place, []).append(name)
    return [Quoted(tuple(models[judgement.place]), judgement) for judgement in checked.figures]


def _results(names: Sequence[str]) -> dict[str, Result]:
    """The top-1 accuracy of each model: of those that were tested alike, most of them, then of most of the others."""
    found: dict[str, Result] = {}
    while alike := common([name for name in names if name not in found]):
        found |= {result.model: result for result in alike}
    return found
