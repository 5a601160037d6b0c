"""The gate: every model of a lock is built anew and held against what is locked, and against its budgets."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path

from .. import files
from ..analysis.counts import Report
from ..errors import ArchcalcError, SpecError, Text, Unavailable, UsageError, did_you_mean
from ..files import inside, tidy
from ..graph import Graph, Input
from ..language.family import Family
from ..language.zoo import Selection, models_of, select, select_named, spec_files, specs_dir, split
from ..networks import as_traced, is_code
from ..networks import report as counts_of
from ..parallel import Tick, map_processes
from ..records import NamedTuple
from ..tracing import SUFFIX
from .budgets import (
    EVERY,
    Budget,
    BudgetVerdict,
    from_here,
    judge,
    project,
    quantities,
    read_budgets,
    with_receptive_field,
)
from .drift import Drift, LockPlace, compare, places
from .lock import NAME, Entry, Lock, Section, entry_of, is_lock, read_inputs, read_lock

FEW = 12  # groups of models that are built sooner than other processes are started
GROUP = 12  # models of one spec that go to one process at least
SHARES = 16  # parts of the work: a spec that has more of it than one part is split
SKIPPED = ("node_modules", "__pycache__", "site-packages")
# By `key_of` what counts code that the command line spells, at an input; no other code is run.
Spelled = Mapping[str, Callable[[Input | None], Report]]


class NamedModel(NamedTuple):
    """A model of a spec file by its name there, and the place of that."""

    name: str
    where: str


class NotHeld(NamedTuple):
    """Something that a check did not hold, and why, as a sentence."""

    what: str
    why: str


# --- what is found ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """A model of a lock. `locked` is its name where it stands there, `spec` the file that it is built from. `drift` is
    None where all is as locked; then `now` is, too. `totals` are what budgets bound. `error` says why it cannot be
    compared. `updated`: the lock holds what is true now. `reference` asks for it from here, `own` is its name in the
    spec, and `siblings` are the names of all models there; `section` is what the lock has of it."""

    name: str
    locked: Text
    spec: str = ""
    totals: dict[str, int] = field(default_factory=dict)
    drift: Drift | None = None
    now: Entry | None = field(default=None, repr=False)
    budgets: tuple[BudgetVerdict, ...] = ()
    error: ArchcalcError | None = None
    updated: bool = False
    reference: str = ""
    own: str = ""
    siblings: tuple[NamedModel, ...] = field(default=(), repr=False)
    section: Section | None = field(default=None, repr=False)

    @property
    def as_locked(self) -> bool:
        return self.updated or (self.error is None and self.drift is None)

    @property
    def ok(self) -> bool:
        """Whether all that it should be is known to be so."""
        return self.as_locked and all(verdict.ok for verdict in self.budgets)

    @property
    def failed(self) -> bool:
        """Whether something is not as it should be; neither where a budget was not measured."""
        return not self.as_locked or any(verdict.broken for verdict in self.budgets)

    @property
    def file(self) -> Path:
        """The spec file that it is built from."""
        shipped = self.section is not None and split(self.name)[0] is None
        return (specs_dir() / Path(self.spec).name if shipped else Path(self.spec)).resolve()


@dataclass(frozen=True, slots=True)
class CheckedLock:
    """A lock with its models; `error` says why it cannot be read. `code` are those that nobody spelled, which are not
    held."""

    name: str
    path: Path
    models: tuple[CheckedModel, ...] = ()
    error: ArchcalcError | None = None
    code: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.error is None and all(model.ok for model in self.models)

    @property
    def errors(self) -> list[ArchcalcError]:
        """Why the lock, or models of it, cannot be read or built."""
        every = [self.error, *(model.error for model in self.models if not model.updated)]
        return [error for error in every if error is not None]

    @property
    def updated(self) -> bool:
        return any(model.updated for model in self.models)


# --- where locks are ----------------------------------------------------------------------------------------------


def find_locks(folder: Path, refused: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """Every lock below a folder, by name; hidden folders, environments and installed packages are passed over.
    `refused` hears of folders that cannot be entered."""
    for above, folders, names in os.walk(folder, onerror=refused):
        shown = [name for name in folders if not name.startswith(".") and name not in SKIPPED]
        # `Path.exists` would raise for a folder that cannot be entered.
        folders[:] = sorted(name for name in shown if not os.path.exists(f"{above}/{name}/pyvenv.cfg"))  # noqa: PTH110
        for name in sorted(names):
            path = Path(above, name)
            if path.suffix == ".lock" and is_lock(path):
                yield path


def reference(model: str, lock: Path) -> str:
    """How to ask for a model of a lock from here: its name, or its path from where the lock stands."""
    path, rest = path_in(model)
    return model if path is None else f"{os.path.normpath(lock.parent / path)}{rest}"


def path_in(model: str) -> tuple[str | None, str]:
    """The path in a model's name, of a spec, a trace or a file of code, and what stands behind it; None without one."""
    if is_code(model):
        head, colon, name = model.partition(":")
        return (head, colon + name) if head.endswith(".py") else (None, "")
    if model.endswith(SUFFIX):
        return model, ""
    path, colon, variant = split(model)
    return path, colon + variant


def is_other(model: str) -> bool:
    """Whether a lock's model is none of a spec: code, or a trace."""
    return is_code(model) or model.endswith(SUFFIX)


def key_of(model: str, folder: Path) -> str:
    """What a model is called wherever it is named from; `folder` is where its path begins."""
    path, rest = path_in(model)
    return model if path is None else f"{os.path.realpath(folder / path)}{rest}"  # of links in a circle, too


def name_in(model: str, lock: Path) -> str:
    """How a lock calls what is called so from here."""
    path, rest = path_in(model)
    if path is None:
        return model
    file = files.typed(path)
    try:
        return Path(os.path.relpath(file, lock.parent)).as_posix() + rest
    except ValueError:  # another drive
        return f"{file.resolve()}{rest}"


def names_in(wanted: str, lock: Path) -> list[str]:
    """The models that an argument of `archcalc lock` means, as the lock calls them: a name, or a path, relative to the
    lock, with each of its variants where none is named. Raises UsageError, SpecError."""
    path, colon, _ = split(wanted)
    if path is None:
        return [select(model).name for model in models_of(wanted)]
    if colon:
        select(wanted)
    return [name_in(path, lock) + model.removeprefix(path) for model in models_of(wanted)]


def beside(spec: Path, held: Collection[Path]) -> Iterator[tuple[Path, Lock | SpecError]]:
    """The locks in a spec file's folder and those above, up to the repository's root or this folder, that have models
    of it, or cannot be read; but for those that are `held`."""
    for path, lock in _locks_above(spec.resolve().parent, held):
        if isinstance(lock, SpecError) or _models_of(lock, spec):
            yield path, lock


def locks_of(model: str) -> Iterator[Path]:
    """The locks that have code or a trace, beside its file, or in this folder, and above."""
    path = path_in(model)[0]
    key = key_of(model, Path())
    for found, lock in _locks_above((files.typed(path).resolve() if path else Path("x").resolve()).parent, ()):
        if isinstance(lock, Lock) and any(key_of(name, lock.path.parent) == key for name in lock.sections):
            yield found


def _locks_above(folder: Path, held: Collection[Path]) -> Iterator[tuple[Path, Lock | SpecError]]:
    """The locks in a folder and those above, up to the repository's root or this folder, but for those `held`."""
    above, root = [folder, *folder.parents], files.repository(folder) or Path.cwd()
    for at in above[: above.index(root) + 1] if root in above else [folder]:
        for path in sorted(at.glob("*.lock")):
            if path.resolve() in held or not is_lock(path):
                continue
            try:
                yield path, read_lock(path, str(from_here(path)))
            except SpecError as error:
                yield path, error


def _models_of(lock: Lock, spec: Path) -> list[str]:
    """The models of a lock that are built from a spec file."""
    files = {name: split(name)[0] for name in lock.sections}
    return [name for name, path in files.items() if path and (lock.path.parent / path).resolve() == spec.resolve()]


def not_held(specs: Sequence[tuple[Path, str, Sequence[NamedModel]]], held: Collection[Path]) -> list[NotHeld]:
    """The locks of spec files, each with its models, that are checked without these."""
    found: dict[Path, NotHeld] = {}
    for spec, name, models in specs:
        for path, lock in beside(spec, held):
            shown = str(from_here(path))
            if isinstance(lock, SpecError):
                found[path] = NotHeld(
                    shown, f"`{shown}` cannot be read, and may lock models of `{name}`: {lock.message}"
                )
                continue
            locked = {split(model)[2] for model in _models_of(lock, spec)}
            new = [f"`{name}:{model.name}`" for model in models if not locked & {"", model.name}]
            lacking = f", not {' or '.join(new)}" if new else ""
            many = f"{len(locked)} model{'s' * (len(locked) != 1)} of `{name}`{lacking}"
            found[path] = NotHeld(
                shown, f"not held against `{shown}`, which locks {many}: `archcalc check {shown}` does"
            )
    return list(found.values())


def not_locked(
    locks: Sequence[CheckedLock], specs: Mapping[Path, tuple[str, Sequence[NamedModel]]]
) -> list[NamedModel]:
    """The models of spec files that no lock has: of those that are named, and of those by path in the locks."""
    held: dict[Path, set[str]] = {}
    wanted = dict(specs)
    for model in (model for lock in locks for model in lock.models if model.own):
        held.setdefault(model.file, set()).add(model.own)
        if model.siblings:
            wanted.setdefault(model.file, (model.spec, model.siblings))
    return [
        NamedModel(f"{shown}:{own.name}", own.where)
        for path, (shown, names) in wanted.items()
        for own in names
        if own.name not in held.get(path, ())
    ]


# --- building -----------------------------------------------------------------------------------------------------


class BuildRequest(NamedTuple):
    """A model to build: how to ask for it, how the lock calls it and where that is, and a digest of what is locked
    (empty: nothing)."""

    reference: str
    name: str
    lock: Path
    by_rows: bool
    digest: str
    with_receptive_field: bool = False


class BuildResult(NamedTuple):
    """A network as it is: its entry and the places of its lines, where they are not what is locked."""

    spec: str
    totals: dict[str, int]
    entry: Entry | None
    places: list[LockPlace]
    of_input: str
    own: str = ""
    siblings: tuple[NamedModel, ...] = ()


def build(
    wanted: BuildRequest, siblings: dict[str, tuple[NamedModel, ...]] | None = None
) -> BuildResult | ArchcalcError:
    """Build one model; what is wrong with it is given, not raised. `siblings` are the models of a spec, worked out
    once."""
    if wanted.name.endswith(SUFFIX):
        return _counted(wanted, lambda: as_traced(_trace(wanted)))
    try:
        selection = select_named(wanted.name, wanted.lock, wanted.reference)
    except ArchcalcError as error:
        return error
    spec = split(wanted.reference)[0] or f"specs/{selection.spec}"
    known = siblings if siblings is not None else {}
    if split(wanted.reference)[0] and spec not in known:
        known[spec] = names_of(selection.file)
    built = _counted(wanted, lambda: counts_of(selection), spec, selection.family.inputs[0][0].where)
    if isinstance(built, BuildResult):
        return built._replace(own=named(selection).name, siblings=known.get(spec, ()))
    return built


def _counted(
    wanted: BuildRequest, count: Callable[[], Report], spec: str = "", of_input: str = ""
) -> BuildResult | ArchcalcError:
    """What was asked for, counted: by default in the file that the name has."""
    spec = spec or path_in(wanted.reference)[0] or ""
    try:
        report = count()
        entry = entry_of(wanted.name, report, wanted.by_rows)
        totals = quantities(report, wanted.with_receptive_field)
    except ArchcalcError as error:
        return error
    if wanted.digest == digest(entry.text()):
        return BuildResult(spec, totals, None, [], "")
    there = places(report.graph, wanted.by_rows)
    return BuildResult(spec, totals, entry, there, of_input or there[0].where)


def _trace(wanted: BuildRequest) -> Graph:
    """The graph of a trace below the folder or the repository of the lock. Raises UsageError, SpecError."""
    here = files.typed(wanted.reference)
    if not inside(wanted.name, wanted.lock, here):
        rule = "A lock names traces (.json) by relative paths, below its own folder or repository."
        raise UsageError(f"`{wanted.name}` may not be named here", rule)
    from ..tracing import code, traced  # specs do without

    return code.graph(traced.read(here, wanted.reference))


def named(selection: Selection) -> NamedModel:
    """A model by its name in its file."""
    name = selection.entry.name if selection.entry else selection.variant.name
    return NamedModel(name.value, name.where)


def names_of(family: Family) -> tuple[NamedModel, ...]:
    """All models of a spec file."""
    names = [*(entry.name for entry in family.models.values()), *(variant.name for variant in family.unnamed)]
    return tuple([NamedModel(name.value, name.where) for name in names])


def _build_all(group: Sequence[BuildRequest]) -> list[BuildResult | ArchcalcError]:
    siblings: dict[str, tuple[NamedModel, ...]] = {}
    return [build(wanted, siblings) for wanted in group]


def digest(lines: Iterable[str]) -> str:
    from hashlib import sha256

    return sha256("\n".join(lines).encode()).hexdigest()


def build_many(wanted: Sequence[BuildRequest], tick: Tick | None = None) -> list[BuildResult | ArchcalcError]:
    """Build models on all cores, those of one spec together: each process reads a spec once. Names are one group, cut
    into parts: in a lock those of one family mostly stand together."""
    groups: dict[str, list[int]] = {}
    for index, model in enumerate(wanted):
        groups.setdefault(split(model.reference)[0] or "", []).append(index)
    most = max(GROUP, len(wanted) // SHARES)
    parts = [indices[n : n + most] for indices in groups.values() for n in range(0, len(indices), most)]
    parts.sort(key=len, reverse=True)  # the longest first, so that all end together
    jobs = [[wanted[index] for index in part] for part in parts]

    def models(done: int, planned: int) -> None:
        if tick is not None:
            tick(done * len(wanted) // planned, len(wanted))

    found = map_processes(_build_all, jobs, FEW, models)
    by_index = dict(zip(chain.from_iterable(parts), chain.from_iterable(found), strict=True))
    return [by_index[index] for index in range(len(wanted))]


# --- checking -----------------------------------------------------------------------------------------------------


def check_locks(
    files: Sequence[tuple[Path, str]], tick: Tick | None = None, spelled: Spelled | None = None
) -> tuple[CheckedLock, ...]:
    """Check lock files, each with its name in messages; those that cannot be read say why. Of code what is `spelled`
    is held."""
    found: list[CheckedLock] = []
    locks: list[tuple[int, Lock, list[Budget], list[str]]] = []  # that can be read, with their places in `found`
    requests: list[BuildRequest] = []
    for path, name in files:
        tidy(path.parent)
        try:
            lock = read_lock(path, name)
            budgets = _budgets(lock)
            held = [name for name in lock.sections if not is_code(name) or _key(name, lock) in (spelled or {})]
            locks.append((len(found), lock, budgets, held))
            requests += [_request(lock, model, budgets) for model in held if not is_code(model)]
            found.append(CheckedLock(name, path))
        except ArchcalcError as error:
            found.append(CheckedLock(name, path, error=error))
    results = iter(build_many(requests, tick))
    for at, lock, budgets, held in locks:
        models = []
        for name in held:
            if is_code(name):
                count = partial((spelled or {})[_key(name, lock)], locked_input(lock.sections[name]))
                built = _counted(_request(lock, name, budgets), count)
            else:
                built = next(results)
            models.append(_model(lock, lock.sections[name], built, budgets))
        left = tuple(name for name in lock.sections if name not in held)
        found[at] = replace(found[at], models=tuple(models), code=left)
    return tuple(found)


def _key(name: str, lock: Lock) -> str:
    return key_of(name, lock.path.parent)


def locked_input(section: Section) -> Input | None:
    """The input that a lock says of code; None where it says none."""
    try:
        return read_inputs(section.facts()[0].get("input", ""))
    except SpecError:
        return None


def check_model(lock: Lock, name: str) -> CheckedModel:
    """Check one model of a lock, in this process. Raises SpecError for a budget that is none."""
    budgets = _budgets(lock)
    return _model(lock, lock.sections[name], build(_request(lock, name, budgets)), budgets)


def _request(lock: Lock, name: str, budgets: Sequence[Budget]) -> BuildRequest:
    section, path = lock.sections[name], Path(lock.name)
    fields = with_receptive_field(budgets)
    return BuildRequest(reference(name, path), name, lock.path, section.by_rows, digest(section.lines()), fields)


def _model(lock: Lock, section: Section, built: BuildResult | ArchcalcError, budgets: Sequence[Budget]) -> CheckedModel:
    name, locked = section.model.value, section.model
    if isinstance(built, ArchcalcError):
        placed = built if isinstance(built, SpecError) else locked.error(built.message, built.hint)
        return CheckedModel(name, locked, error=placed)
    found = CheckedModel(
        name,
        locked,
        built.spec,
        built.totals,
        budgets=judge(budgets, name, built.totals),
        reference=reference(name, Path(lock.name)),
        own=built.own,
        siblings=built.siblings,
        section=section,
    )
    if built.entry is None:
        return found
    try:
        old = section.entry()
    except SpecError as error:
        return replace(found, error=error, now=built.entry)
    return replace(found, drift=compare(old, built.entry, built.places, built.of_input), now=built.entry)


def _budgets(lock: Lock) -> list[Budget]:
    """The budgets of a lock, of its models, and of the project that it stands in. Raises SpecError."""

    def budgets(text: Text, models: str = EVERY) -> tuple[Budget, ...]:
        return read_budgets(text.strip().part(len("budget ")), models)

    found = [budget for text in lock.budgets for budget in budgets(text)]
    for name, section in lock.sections.items():
        literal = name.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
        found += [budget for text in section.budgets for budget in budgets(text, literal)]
    return [*found, *project(lock.path.resolve().parent)]


def idle(locks: Sequence[CheckedLock], folder: Path) -> list[SpecError]:
    """The budgets of a project that speak of no model of its locks."""
    names = [model.name for lock in locks for model in lock.models]
    return [
        budget.text.error(f"there is no model `{budget.models}` in the locks here", did_you_mean(budget.models, names))
        for budget in project(folder.resolve())
        if budget.models != EVERY and not any(budget.holds_for(name) for name in names)
    ]


def measured(model: CheckedModel, measure: Callable[[Selection, Selection], tuple[float, float]]) -> CheckedModel:
    """The same with its budgets of measured quantities judged: `measure` runs a model and its baseline in turn, and
    gives the milliseconds of both. Where nothing can be run here, they stay as open as they were, with the reason.
    Raises UsageError, SpecError for a baseline that is no model."""

    def judged(verdict: BudgetVerdict) -> BudgetVerdict:
        if not verdict.budget.measured:
            return verdict
        if is_other(model.name):
            return replace(verdict, reason="code is timed by `archcalc measure`")
        base = Path(verdict.budget.text.source.name).parent / NAME
        try:
            other = select_named(verdict.budget.baseline, base, reference(verdict.budget.baseline, base))
            own, baseline = measure(select(model.reference), other)
        except Unavailable as error:
            return replace(verdict, reason=error.message)
        return BudgetVerdict(verdict.budget, Fraction(own), verdict.budget.limit * Fraction(baseline))

    return replace(model, budgets=tuple([judged(verdict) for verdict in model.budgets]))


def specs_of(locks: Sequence[CheckedLock]) -> list[tuple[Path, str | None]]:
    """The spec files that locks name, for their claims; a shipped one has no name of its own."""
    shipped = {f"specs/{path.name}": path for path in spec_files()}
    found: dict[Path, tuple[Path, str | None]] = {}
    for lock in locks:
        for model in lock.models:
            named = split(model.name)[0] is None
            path = shipped[model.spec] if named and model.spec in shipped else Path(model.spec)
            if model.own:
                found.setdefault(path.resolve(), (path, None if path.parent == specs_dir() else model.spec))
    return list(found.values())
