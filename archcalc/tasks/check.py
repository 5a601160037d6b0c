"""Hold models against their locks and budgets, and spec files against what they quote."""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from ..analysis.arithmetic import restated
from ..analysis.counts import Report
from ..errors import ArchcalcError, Source, SpecError, Text, UsageError, printable
from ..files import Version, typed, version
from ..gate.budgets import forget_projects, from_here, project, quantities, with_receptive_field
from ..gate.budgets import judge as judge_budgets
from ..gate.build import (
    CheckedLock,
    CheckedModel,
    NamedModel,
    NotHeld,
    Spelled,
    beside,
    check_locks,
    find_locks,
    idle,
    is_other,
    key_of,
    locks_of,
    measured,
    named,
    not_held,
    not_locked,
    reference,
    specs_of,
)
from ..gate.lock import NAME
from ..gate.store import accept
from ..graph import Input
from ..language.family import Family
from ..language.zoo import Selection, at_input, known_names, selections, spec_files, specs_dir
from ..models import load
from ..networks import Reference, as_traced, is_code, name_of, says_input
from ..networks import report as counts_of
from ..papers.claims import Judgement, judge, stale_errata
from ..papers.results import of_spec
from ..parallel import Tick, hold_interrupts, map_processes
from ..records import NamedTuple
from ..views import Tabular
from .diff import Diff, diff

FEW = 8  # specs that are checked sooner than other processes are started
POLL = 0.3  # seconds between two looks at the files
STAMP = 20_000_000  # nanoseconds that a file's time may be behind the clock
HINT = "Mend the spec, or say under `errata:` why the document is wrong."
Named = tuple[Path, str | None]  # a file with its name in messages; a shipped spec has none of its own

# --- results ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckedSpec:
    """A spec file that can be read: `judged` are the verdicts by model, `stale` what is wrong with its errata,
    `counts` what budgets bound, by model, in the order of `names`, the models as the file calls them. `restated` says
    of the calls of one's own file what they mean otherwise than in archcalc 0.1.0."""

    spec: str
    family_name: str
    judged: dict[str, tuple[Judgement, ...]] = field(repr=False)
    stale: tuple[SpecError, ...]
    counts: dict[str, dict[str, int]] = field(repr=False)
    names: tuple[NamedModel, ...] = field(default=(), repr=False)
    restated: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.stale and not self.undeclared

    @property
    def figures(self) -> list[Judgement]:
        """The printed figures, each once: of several models that it is judged on, where it holds least."""
        worst: dict[tuple[int, int, str], Judgement] = {}
        for judgement in (judgement for judged in self.judged.values() for judgement in judged):
            first = worst.setdefault(judgement.place, judgement)
            if _badness(judgement) > _badness(first):
                worst[judgement.place] = judgement
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
    """All that one check found: of locks, of specs, and of the models in these for which a project has budgets.

    `not_locked` are the models of locked specs that no lock has, which fails where the check is `strict`; `not_held` is
    what was not looked at, and why; `stopped` is what ended the measuring. `held` are models held against another."""

    locks: tuple[CheckedLock, ...]
    specs: tuple[SpecResult, ...] = ()
    bounded: tuple[CheckedModel, ...] = ()
    not_locked: tuple[NamedModel, ...] = ()
    not_held: tuple[NotHeld, ...] = ()
    strict: bool = False
    stopped: BaseException | None = None
    held: tuple[Diff, ...] = ()

    @property
    def models(self) -> list[tuple[str | None, CheckedModel]]:
        """Every model with its lock."""
        locked = ((lock.name, model) for lock in self.locks for model in lock.models)
        return [*locked, *((None, model) for model in self.bounded)]

    @property
    def ok(self) -> bool:
        """Whether all is as it should be, and known to be so."""
        return self.exit_code == 0

    @property
    def unmeasured(self) -> int:
        """How many required budgets nobody knows about."""
        return sum(verdict.unmeasured for _, model in self.models for verdict in model.budgets)

    @property
    def unread(self) -> list[UnreadSpec]:
        """The specs that cannot be read or built."""
        return [result for result in self.specs if isinstance(result, UnreadSpec)]

    @property
    def exit_code(self) -> int:
        """2 where something cannot be read, 1 where something does not hold, 3 where a required budget was not
        measured or nothing was held, else 0."""
        codes = [error.exit_code for lock in self.locks for error in lock.errors]
        if self.unread or codes:
            return 2 if self.unread else max(codes)
        failed = any(model.failed for _, model in self.models) or not all(result.ok for result in self.specs)
        failed = failed or not all(diff.equal for diff in self.held)
        unknown = self.unmeasured or self.nothing
        return 1 if failed or (self.strict and self.not_locked) else 3 if unknown else 0

    @property
    def nothing(self) -> bool:
        """Whether there was only code that nobody spelled."""
        return any(lock.code for lock in self.locks) and not (self.models or self.specs or self.held)

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
        return found | {Path(spec).resolve() for spec in specs if spec and os.path.isfile(spec)}  # noqa: PTH113


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


def _restated(built: BuiltSpec) -> tuple[str, ...]:
    """By call what its nodes mean otherwise than in archcalc 0.1.0."""
    nodes = (node for _, report in built.models for node in report.graph.nodes if node.op.restated)
    return tuple(dict.fromkeys(f"{node.where.where}: {restated(node.op)}" for node in nodes))


def judge_spec(built: BuiltSpec, receptive_field: bool = False) -> CheckedSpec:
    """Judge the claims of a spec and its errata; `receptive_field`: a budget bounds it. Raises SpecError."""
    spec, family, models = built
    for selection, _ in models:
        of_spec(family, selection.subject)  # what is reported can be read too
    judged = {selection.name: judge(family, selection.subject, report) for selection, report in models}
    counts = {selection.name: quantities(report, receptive_field) for selection, report in models}
    names = tuple([named(selection) for selection, _ in models])
    return CheckedSpec(spec, family.name, judged, tuple(stale_errata(family, judged)), counts, names)


def check_spec(path: Path, name: str | None = None) -> CheckedSpec:
    """Read a spec, build its models, judge its claims. Raises SpecError where it cannot be read or built."""
    built = build_spec(path, name)
    if name is None:
        return judge_spec(built)
    folder = path.resolve().parent
    checked = judge_spec(built, with_receptive_field(project(folder)))
    return checked if folder == specs_dir() else replace(checked, restated=_restated(built))


def _check_spec(file: Named) -> SpecResult:
    path, name = file
    try:
        return check_spec(path, name)
    except SpecError as error:
        return UnreadSpec(name or path.name, error)


# --- all of it ----------------------------------------------------------------------------------------------------


def check(
    *files: Reference,
    zoo: bool = False,
    claims: bool = False,
    update: bool = False,
    measure: bool = False,
    strict: bool = False,
    against: Reference = "",
    tick: Tick | None = None,
) -> CheckResult:
    """Check locks and spec files, or every lock below this folder where none is named.

    `files` are locks, spec files and folders, and code or traces that locks have: code is held only so, at the input
    that is said or that of the lock; without a lock among the files those that have it are held. `zoo` adds the shipped
    specs, `claims` the specs that locks name. `measure` runs models that have a budget for latency, `update` writes
    what has changed to the locks. `strict` wants every model of the named specs locked, or, with none named, of those
    in the locks, and holds the locks beside a named spec too. With `against` the files are models, each of which is to
    be that one, node by node, and nothing else is looked at. `tick` hears how many models of locks are done, then how
    many specs. What cannot be read is in the result; Ctrl-C ends the measuring, and what was found is kept. Raises
    UsageError where there is nothing to check, SpecError for a budget that speaks of no model."""
    if against:
        if not files:
            hint = f"Name what is held: `archcalc check my_net.py:Net --against {against}`."
            raise UsageError(f"which models against `{against}`?", hint)
        if any((zoo, claims, update, measure, strict)):
            raise UsageError("`--against` holds models against another, and nothing else")
        return CheckResult((), held=tuple(diff(model, against) for model in files))
    others, spelled = _spelled(files)
    rest = [name_of(file) for file in files if file not in others]
    if others and not any(typed(name).is_dir() or name.endswith(".lock") for name in rest):
        rest += dict.fromkeys(str(from_here(path)) for name in others.values() for path in locks_of(name))
    locks, specs, refused = _named(rest, zoo) if rest or zoo or not others else ({}, {}, [])
    own = [(path, name) for path, name in specs.values() if name is not None]
    for path, _ in own if strict else ():
        for lock, _ in beside(path, locks):
            locks.setdefault(lock.resolve(), (lock, str(from_here(lock))))
    checked = check_locks(list(locks.values()), tick, spelled) if locks else ()
    held = {key_of(model.name, lock.path.parent) for lock in checked for model in lock.models}
    for other in others.values():
        if key_of(other, Path()) not in held and not any(lock.error for lock in checked):
            raise UsageError(f"no lock here has `{other}`", f"`archcalc lock {other}` writes it down.")
    if not files and not zoo:
        for error in idle(checked, Path()):
            raise error
    wanted = list(specs) if strict else []
    if claims:
        for path, name in specs_of(checked):
            specs.setdefault(path.resolve(), (path, name))
    files_of_specs = list(specs.values())
    results: list[SpecResult] = map_processes(_check_spec, files_of_specs, FEW, tick)
    bounded = () if claims else tuple(_bounded(files_of_specs, results))
    stopped: BaseException | None = None
    if measure:
        checked, bounded, stopped = _measured(checked, bounded)
    by_file = dict(zip(specs, results, strict=True))
    names = {path: found.names for path, found in by_file.items() if isinstance(found, CheckedSpec)}
    asked = [(path, found) for path in wanted if isinstance(found := by_file[path], CheckedSpec)]
    lacking = not_locked(checked, {path: (found.spec, found.names) for path, found in asked})
    return CheckResult(
        accept(checked) if update and stopped is None else checked,
        tuple(results),
        bounded,
        tuple(lacking),
        (
            *refused,
            *_code(checked),
            *not_held([(path, name, names.get(path.resolve(), ())) for path, name in own], locks),
        ),
        strict,
        stopped,
    )


def _spelled(files: Sequence[Reference]) -> tuple[dict[Reference, str], Spelled]:
    """The code and the traces among what is named, without their inputs; and what counts the code."""
    others = {file: name for file in files if is_other(name := at_input(name_of(file))[0])}
    code = {file: name for file, name in others.items() if is_code(name)}

    def count(file: Reference, locked: Input | None) -> Report:
        return as_traced(load(file, input=None if says_input(file) else locked).graph)

    return others, {key_of(name, Path()): partial(count, file) for file, name in code.items()}


def _code(locks: Sequence[CheckedLock]) -> Iterator[NotHeld]:
    """The models of locks that are code and that nobody spelled."""
    for lock in locks:
        for name in lock.code:
            spelled = reference(name, Path(lock.name))
            yield NotHeld(
                lock.name,
                f"`{name}` is code, which `{lock.name}` alone never runs: `archcalc check {lock.name} {spelled}` does",
            )


def _measured(
    locks: Sequence[CheckedLock], bounded: Sequence[CheckedModel]
) -> tuple[tuple[CheckedLock, ...], tuple[CheckedModel, ...], BaseException | None]:
    """The same, with latency measured until somebody stops it, and what did."""
    done = dict(enumerate([*(model for lock in locks for model in lock.models), *bounded]))
    stopped: BaseException | None = None
    try:
        for at, model in done.items():
            done[at] = measured(model, _latencies)
    except KeyboardInterrupt as error:
        stopped = error
        hold_interrupts()
    models = iter(done.values())
    found = tuple([replace(lock, models=tuple(islice(models, len(lock.models)))) for lock in locks])
    return found, tuple(models), stopped


def _named(files: Sequence[str], zoo: bool) -> tuple[dict[Path, tuple[Path, str]], dict[Path, Named], list[NotHeld]]:
    """The locks and the specs that are named, each file once, by the name that comes first, but rather by its own than
    by that of a link to it; and the folders that cannot be entered. Raises UsageError."""
    locks: dict[Path, tuple[Path, str]] = {}
    specs: dict[Path, Named] = {}
    refused: list[NotHeld] = []

    def refuse(error: OSError) -> None:
        refused.append(NotHeld(str(error.filename), f"`{error.filename}` cannot be entered: {error.strerror}"))

    def take(path: Path, name: str) -> None:
        there = locks.setdefault(path.resolve(), (path, name))[0]
        if there.is_symlink() and not path.is_symlink():
            locks[path.resolve()] = path, name

    for name in files or (() if zoo else ("",)):
        path = typed(name)
        if path.is_dir():
            below = list(find_locks(path, refuse))
            if not below:
                where = f"`{printable(name)}`" if name else "this folder"
                hint = "`archcalc lock MODEL` writes one. Specs are named: `archcalc check my.yaml`, or `--zoo`."
                hint = "\n".join([*(found.why for found in refused), hint])
                raise UsageError(f"there is no lock below {where}", hint)
            for found in below:
                take(found, str(found))
        elif path.suffix == ".lock":
            take(path, name)
        elif not path.suffix and name in known_names() and not path.exists():
            hint = "All that ship are held by `archcalc check --zoo`; a lock of yours by its own name."
            raise UsageError(f"`{name}` is a network that ships, and no file", hint)
        else:
            specs.setdefault(path.resolve(), (path, name))
    for path in spec_files() if zoo else ():
        specs.setdefault(path.resolve(), (path, None))
    return locks, specs, refused


def _bounded(files: Sequence[Named], results: Sequence[SpecResult]) -> Iterator[CheckedModel]:
    """The models of specs for which a project has budgets."""
    for (path, name), result in zip(files, results, strict=True):
        budgets = project(path.resolve().parent) if name is not None and isinstance(result, CheckedSpec) else ()
        read = result.counts.items() if budgets and isinstance(result, CheckedSpec) else ()
        for (model, counts), own in zip(read, result.names if isinstance(result, CheckedSpec) else (), strict=False):
            verdicts = judge_budgets(budgets, f"{name}:{model}", counts)
            if verdicts:
                locked, asked = Text(model, Source(str(name), ()), 1, 1), reference(f"{name}:{own.name}", Path(NAME))
                yield CheckedModel(model, locked, str(name), counts, budgets=verdicts, reference=asked)


def _latencies(model: Selection, baseline: Selection) -> tuple[float, float]:
    """The milliseconds of a model and of its baseline, run in turn: the least of three medians."""
    from ..measurement.conditions import Conditions

    pair = load(model), load(baseline)
    runs = [[loaded.measure(Conditions(time_limit=2.0)).whole.median for loaded in pair] for _ in range(3)]
    own, other = (min(times) for times in zip(*runs, strict=True))
    return own, other


# --- watching -----------------------------------------------------------------------------------------------------


def watch(
    files: Sequence[str] = (), *, zoo: bool = False, claims: bool = False, strict: bool = False
) -> Iterator[tuple[CheckResult | ArchcalcError, int]]:
    """Check at once, and again whenever a lock, a spec or `pyproject.toml` is saved; never end. Gives each time what
    was found, or why nothing was, and how many files are watched."""
    gc.enable()  # a process that stays
    if any(is_code(at_input(name)[0]) for name in files):
        raise UsageError("`--watch` reads files, and runs no code")
    named = {typed(name).resolve() for name in files}
    watched, seen = named, None
    while True:
        before = {path: _version(path) for path in watched}
        if before != seen:
            forget_projects()
            start = time.time_ns() - STAMP
            found: CheckResult | ArchcalcError
            try:
                found = check(*files, zoo=zoo, claims=claims, strict=strict)
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
