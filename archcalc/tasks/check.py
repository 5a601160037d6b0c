"""Hold models against their locks and budgets, and spec files against what they quote."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from ..analysis.counts import Report
from ..errors import ArchcalcError, Source, SpecError, Text, UsageError, printable
from ..files import Version, version
from ..gate.budgets import judge as judge_budgets
from ..gate.budgets import project, quantities, with_receptive_field
from ..gate.build import CheckedLock, CheckedModel, check_locks, find_locks, idle, measured, specs_of
from ..gate.store import accept
from ..language.family import Family
from ..language.zoo import Selection, selections, spec_files
from ..models import load
from ..networks import report as counts_of
from ..papers.claims import Judgement, judge, stale_errata
from ..parallel import Tick, map_processes
from ..views import Tabular

FEW = 8  # specs that are checked sooner than other processes are started
POLL = 0.3  # seconds between two looks at the files
STAMP = 20_000_000  # nanoseconds that a file's time may be behind the clock
HINT = "Mend the spec, or say under `errata:` why the document is wrong."
Named = tuple[Path, str | None]  # a file with its name in messages; a shipped spec has none of its own

# --- results ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckedSpec:
    """A spec file that can be read: `judged` are the verdicts by model, `stale` what is wrong with its errata,
    `counts` what budgets bound, by model."""

    spec: str
    family_name: str
    judged: dict[str, tuple[Judgement, ...]] = field(repr=False)
    stale: tuple[SpecError, ...]
    counts: dict[str, dict[str, int]] = field(repr=False)

    @property
    def ok(self) -> bool:
        return not self.stale and not self.undeclared

    @property
    def figures(self) -> list[Judgement]:
        """The printed figures, each once: of several models that it is judged on, where it holds least."""
        worst: dict[tuple[int, int, str], Judgement] = {}
        for judgement in (judgement for judged in self.judged.values() for judgement in judged):
            place = judgement.claim.printed.line, judgement.claim.printed.col, judgement.claim.heading.value
            if place not in worst or _badness(judgement) > _badness(worst[place]):
                worst[place] = judgement
        return list(worst.values())

    @property
    def verdicts(self) -> Counter[str]:
        """How many figures have which verdict."""
        return Counter(judgement.verdict for judgement in self.figures)

    @property
    def undeclared(self) -> list[Judgement]:
        """The figures that contradict and stand under no erratum."""
        return [judgement for judgement in self.figures if _badness(judgement) == 2]

    @property
    def known(self) -> int:
        """How many figures contradict as an erratum says."""
        return sum(judgement.erratum is not None for judgement in self.figures)

    @property
    def problems(self) -> list[SpecError]:
        """What is wrong in the file, each with its place."""
        says = "and no erratum says so"
        several = len(self.judged) > 1
        found = [
            j.claim.printed.error(f"{_about(j, several)}: {j.arithmetic}, {says}", _hint(j)) for j in self.undeclared
        ]
        return [*found, *self.stale]


def _hint(judgement: Judgement) -> str:
    """What may be done about a figure that does not hold."""
    if not judgement.proposal:
        return HINT
    return f"It holds under {judgement.proposal}. If it is meant so, say it under `reading:`. {HINT}"


def _badness(judgement: Judgement) -> int:
    return 0 if judgement.holds else 1 if judgement.erratum is not None else 2


def _about(judgement: Judgement, several: bool) -> str:
    """Which figure it is: ``params of the row `stem` of `small` ``."""
    found = judgement.claim
    row = f" of the row `{found.row}`" if found.row else ""
    return f"`{found.heading.value}`{row}{f' of `{found.subject}`' if several or not row else ''}"


@dataclass(frozen=True, slots=True)
class UnreadSpec:
    """A file that cannot be read or built as a spec, and why."""

    spec: str
    error: SpecError
    ok: Literal[False] = False


SpecResult = CheckedSpec | UnreadSpec


@dataclass(frozen=True, slots=True)
class CheckResult(Tabular):
    """All that one check found: of locks, of specs, and of the models in these for which a project has budgets."""

    locks: tuple[CheckedLock, ...]
    specs: tuple[SpecResult, ...] = ()
    bounded: tuple[CheckedModel, ...] = ()

    @property
    def models(self) -> list[tuple[str | None, CheckedModel]]:
        """Every model with its lock."""
        locked = ((lock.name, model) for lock in self.locks for model in lock.models)
        return [*locked, *((None, model) for model in self.bounded)]

    @property
    def ok(self) -> bool:
        return all(found.ok for found in (*self.locks, *self.bounded, *self.specs))

    @property
    def unread(self) -> list[UnreadSpec]:
        """The specs that cannot be read or built."""
        return [result for result in self.specs if isinstance(result, UnreadSpec)]

    @property
    def exit_code(self) -> int:
        """2 where something cannot be read, 1 where something does not hold, else 0."""
        codes = [error.exit_code for lock in self.locks for error in lock.errors]
        return 2 if self.unread else max(codes, default=int(not self.ok))

    @property
    def files(self) -> set[Path]:
        """The files that were read, and those that would be if they were there."""
        found = {lock.path.resolve() for lock in self.locks}
        found |= {path.parent / "pyproject.toml" for path in found}
        specs = {result.spec for result in self.specs}
        for _, model in self.models:
            specs.add(model.spec)
            if isinstance(model.error, SpecError) and model.error.text is not None:
                specs.add(model.error.text.source.name)
        return found | {Path(spec).resolve() for spec in specs if spec and Path(spec).is_file()}


# --- one spec -----------------------------------------------------------------------------------------------------


class BuiltSpec(NamedTuple):
    """A spec file with all of its models and the counts of each: batch 1, the printed input."""

    spec: str
    family: Family
    models: list[tuple[Selection, Report]]

    @property
    def reports(self) -> dict[str, Report]:
        """The counts by model."""
        return {selection.name: report for selection, report in self.models}


def build_spec(path: Path, name: str | None = None) -> BuiltSpec:
    """Read a spec and build its models; `name` is what messages call it. Raises SpecError."""
    family, found = selections(path, name)
    spec = found[0].spec if found else str(path)
    return BuiltSpec(spec, family, [(selection, counts_of(selection)) for selection in found])


def judge_spec(built: BuiltSpec, receptive_field: bool = False) -> CheckedSpec:
    """Judge the claims of a spec and its errata; `receptive_field`: a budget bounds it. Raises SpecError."""
    spec, family, models = built
    judged = {selection.name: judge(family, selection.subject, report) for selection, report in models}
    counts = {selection.name: quantities(report, receptive_field) for selection, report in models}
    return CheckedSpec(spec, family.name, judged, tuple(stale_errata(family, judged)), counts)


def check_spec(path: Path, name: str | None = None) -> CheckedSpec:
    """Read a spec, build its models, judge its claims. Raises SpecError where it cannot be read or built."""
    built = build_spec(path, name)
    return judge_spec(built, name is not None and with_receptive_field(project(path.resolve().parent)))


def _check_spec(file: Named) -> SpecResult:
    path, name = file
    try:
        return check_spec(path, name)
    except SpecError as error:
        return UnreadSpec(name or path.name, error)


# --- all of it ----------------------------------------------------------------------------------------------------


def check(
    *files: str | Path,
    zoo: bool = False,
    claims: bool = False,
    update: bool = False,
    measure: bool = False,
    tick: Tick | None = None,
) -> CheckResult:
    """Check locks and spec files, or every lock below this folder where none is named.

    `files` are locks, spec files and folders; `zoo` adds the shipped specs, `claims` the specs that locks name.
    `measure` runs models that have a budget for latency, `update` writes what has changed to the locks. `tick`
    hears how many models of locks are done, then how many specs. What cannot be read is in the result. Raises
    UsageError where there is nothing to check, SpecError for a budget that speaks of no model."""
    locks, specs = _named([str(file) for file in files], zoo)
    checked = check_locks(list(locks.values()), tick) if locks else ()
    if not files and not zoo:
        for error in idle(checked, Path()):
            raise error
    if claims:
        for path, name in specs_of(checked):
            specs.setdefault(path.resolve(), (path, name))
    named = list(specs.values())
    results: list[SpecResult] = map_processes(_check_spec, named, FEW, tick)
    bounded = () if claims else tuple(_bounded(named, results))
    if measure:
        checked = measured(checked, _latencies)
    return CheckResult(accept(checked) if update else checked, tuple(results), bounded)


def _named(files: Sequence[str], zoo: bool) -> tuple[dict[Path, tuple[Path, str]], dict[Path, Named]]:
    """The locks and the specs that are named, each file once, by the name that comes first. Raises UsageError."""
    locks: dict[Path, tuple[Path, str]] = {}
    specs: dict[Path, Named] = {}
    for name in files or (() if zoo else ("",)):
        path = Path(name).expanduser()
        if path.is_dir():
            below = list(find_locks(path))
            if not below:
                where = f"`{printable(name)}`" if name else "this folder"
                hint = "`archcalc lock MODEL` writes one. Specs are named: `archcalc check my.yaml`, or `--zoo`."
                raise UsageError(f"there is no lock below {where}", hint)
            for found in below:
                locks.setdefault(found.resolve(), (found, str(found)))
        elif path.suffix == ".lock":
            locks.setdefault(path.resolve(), (path, name))
        else:
            specs.setdefault(path.resolve(), (path, name))
    for path in spec_files() if zoo else ():
        specs.setdefault(path.resolve(), (path, None))
    return locks, specs


def _bounded(files: Sequence[Named], results: Sequence[SpecResult]) -> Iterator[CheckedModel]:
    """The models of specs for which a project has budgets."""
    for (path, name), result in zip(files, results, strict=True):
        budgets = project(path.resolve().parent) if name is not None and isinstance(result, CheckedSpec) else ()
        for model, counts in result.counts.items() if budgets and isinstance(result, CheckedSpec) else ():
            verdicts = judge_budgets(budgets, f"{name}:{model}", counts)
            if verdicts:
                locked = Text(model, Source(str(name), ()), 1, 1)
                yield CheckedModel(model, locked, str(name), counts, budgets=verdicts)


def _latencies(model: str, baseline: str) -> tuple[float, float]:
    """The milliseconds of a model and of its baseline, run in turn: the least of three medians."""
    from ..measurement.conditions import Conditions

    pair = load(model), load(baseline)
    runs = [[loaded.measure(Conditions(time_limit=2.0)).whole.median for loaded in pair] for _ in range(3)]
    own, other = (min(times) for times in zip(*runs, strict=True))
    return own, other


# --- watching -----------------------------------------------------------------------------------------------------


def watch(
    files: Sequence[str] = (), *, zoo: bool = False, claims: bool = False
) -> Iterator[tuple[CheckResult | ArchcalcError, int]]:
    """Check at once, and again whenever a lock, a spec or `pyproject.toml` is saved; never end. Gives each time what
    was found, or why nothing was, and how many files are watched."""
    named = {Path(name).expanduser().resolve() for name in files}
    watched, seen = named, None
    while True:
        before = {path: _version(path) for path in watched}
        if before != seen:
            project.cache_clear()
            start = time.time_ns() - STAMP
            found: CheckResult | ArchcalcError
            try:
                found = check(*files, zoo=zoo, claims=claims)
                watched = found.files | named
            except ArchcalcError as error:
                found = error
            yield found, len(watched)
            now = {path: before[path] if path in before else _version(path) for path in watched}
            # A file that was saved while it was read for the first time is read again.
            seen = {path: at if path in before or at[0] < start else (0, 0, 0) for path, at in now.items()}
        time.sleep(POLL)


def _version(path: Path) -> Version:
    try:
        return version(path)
    except OSError:
        return 0, 0, 0
