"""`archcalc check [FILE …]`: locks, and specs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from . import completion as complete
from .options import Output, OutputFile

if TYPE_CHECKING:
    from ..gate.build import CheckedLock, CheckedModel
    from ..show.drift import Run

FORMATS = ("text", "json", "csv", "markdown", "github", "junit", "sarif", "gitlab")
POLL = 0.3  # seconds between two looks at the files
STAMP = 20_000_000  # nanoseconds that a file's time may be behind the clock


def check(
    files: Annotated[
        list[str] | None,
        Argument(
            metavar="[FILE ...]",
            help="Locks and spec files; every lock below this folder unless given.",
            autocompletion=complete.checked,
        ),
    ] = None,
    zoo: Annotated[bool, Option("--zoo", help="Check all specs that archcalc ships.")] = False,
    update: Annotated[bool, Option("--update", help="Accept what has changed: write the locks anew.")] = False,
    claims: Annotated[
        bool, Option("--claims", help="Judge the figures and errata of the specs that the locks name, too.")
    ] = False,
    measure: Annotated[bool, Option("--measure", help="Run models that have a budget for latency.")] = False,
    watch: Annotated[bool, Option("--watch", help="Check again whenever a file is saved, until interrupted.")] = False,
    output_format: Annotated[
        list[str] | None,
        Option(
            "--format",
            metavar="FORMAT[=FILE]",
            help="Write text, json, csv, markdown, github, junit, sarif or gitlab, to FILE; may be repeated.",
            autocompletion=complete.formats_of_checks,
        ),
    ] = None,
    output: OutputFile = "",
) -> int:
    """Hold models against what is locked: a diff by layer, with its place in the spec, what follows for the totals
    and for old checkpoints. Budgets stand in a lock, or in [tool.archcalc] of pyproject.toml.

    Of spec files every model is built, and the figures that they quote and their errata are judged.

    Exits with 1 where a model is not as locked, a budget is broken, a figure contradicts and no erratum says so, or
    an erratum no longer applies; with 2 where a lock or a spec cannot be read.
    """
    from ..errors import UsageError

    given = [*(output_format or ())]
    outputs = _outputs(given, output)
    if watch and (update or measure or given or output):
        raise UsageError("`--watch` shows text, and neither updates nor measures")
    if watch:
        return _watch(files or (), zoo, claims)
    run = _check(files or (), zoo, claims)
    if measure:
        run = _measured(run)
    if update:
        run = _updated(run)
    for write in outputs:
        write(lambda width, color, name=write.format: _render(run, name, width, color))  # type: ignore[misc]
    return code(run)


def code(run: "Run") -> int:
    """The exit code: 2 where something cannot be read, 1 where something does not hold."""
    from ..tasks.check import Unread

    unread = [result for result in run.specs if isinstance(result, Unread)]
    for result in unread:
        print(result.error.render(), file=sys.stderr)
    errors = [error for lock in run.locks for error in lock.errors]
    if errors or unread:
        return 2 if unread else max(error.exit_code for error in errors)
    return 0 if run.ok else 1


def _outputs(formats: Sequence[str], path: str) -> list[Output]:
    """Where which form goes: `junit=out.xml` to a file, others to standard output or `--output`. Raises UsageError."""
    from ..errors import UsageError

    named = [name.partition("=") for name in formats]
    files = [Output(name, file, FORMATS) for name, equals, file in named if equals]
    plain = [name for name, equals, _ in named if not equals]
    if any(equals and not file for _, equals, file in named):
        raise UsageError("`--format NAME=` names no file", "For example `--format junit=out.xml`.")
    if len(plain) > 1 and (path or not set(plain) <= {"text", "github"}):
        raise UsageError(
            f"{' and '.join(f'`--format {name}`' for name in plain)} cannot go to one place",
            "Give all but one a file, `--format junit=out.xml`.",
        )
    return [*files, *(Output(name, path, FORMATS) for name in plain or ("",))]


def _render(run: "Run", name: str, width: int | None, color: bool) -> str:
    from ..show import drift as gated

    if name in ("", "text"):
        return gated.text(run, width, color)
    if name == "markdown":
        return gated.markdown(run)
    if name == "json":
        from ..show.as_json import write

        return write(gated.document(run))
    if name == "csv":
        from ..errors import UsageError
        from ..show import as_csv
        from ..show import check as checked

        if run.specs and run.models:
            raise UsageError("csv is one table: check locks and specs apart")
        return checked.render(run.specs, "csv") if run.specs else as_csv.lines(*gated.table(run.locks))
    from ..show import ci

    return ci.FORMATS[name](run)


# --- what is checked ----------------------------------------------------------------------------------------------


def _check(files: Sequence[str], zoo: bool, claims: bool) -> "Run":
    """Check what is named, or every lock below this folder. Raises UsageError where there is none."""
    from ..errors import UsageError, printable
    from ..gate.build import check_locks, find_locks, idle, specs_of
    from ..language.zoo import spec_files
    from ..show.drift import Run
    from ..show.progress import progress
    from ..tasks.check import check_all

    locks: dict[Path, tuple[Path, str]] = {}  # each file once, by the name that comes first
    specs: dict[Path, tuple[Path, str | None]] = {}
    whole = not files and not zoo
    for name in files or (("",) if whole else ()):
        path = Path(name).expanduser()
        if path.is_dir():
            below = list(find_locks(path))
            if not below:
                where = f"`{printable(name)}`" if name else "this folder"
                hint = "`archcalc lock MODEL` writes one. Specs are named: `archcalc check my.yaml`, or `--zoo`."
                raise UsageError(f"there is no lock below {where}", hint)
            locks |= {found.resolve(): (found, str(found)) for found in below if found.resolve() not in locks}
        elif path.suffix == ".lock":
            locks.setdefault(path.resolve(), (path, name))
        else:
            specs.setdefault(path.resolve(), (path, name))
    for path in spec_files() if zoo else ():
        specs.setdefault(path.resolve(), (path, None))
    checked: tuple[CheckedLock, ...] = ()
    if locks:
        with progress("checking models", "models") as tick:
            checked = check_locks(list(locks.values()), tick)
    if whole:
        for error in idle(checked, Path()):
            raise error
    if claims:
        for path, shown in specs_of(checked):
            specs.setdefault(path.resolve(), (path, shown))
    with progress("checking specs", "specs") as tick:
        results = check_all(list(specs.values()), tick) if specs else ()
    return Run(checked, results, tuple(_bounded(list(specs.values()), results)) if not claims else ())


def _bounded(files: Sequence[tuple[Path, str | None]], results: Sequence[Any]) -> "list[CheckedModel]":
    """The models of specs for which a project has budgets."""
    from ..errors import Source, Text
    from ..gate.budgets import judge, project
    from ..gate.build import CheckedModel
    from ..tasks.check import Checked

    found = []
    for (path, name), result in zip(files, results, strict=True):
        budgets = project(path.resolve().parent) if name is not None and isinstance(result, Checked) else ()
        for model, counts in result.counts.items() if budgets else ():
            verdicts = judge(budgets, f"{name}:{model}", counts)
            if verdicts:
                locked = Text(model, Source(str(name), ()), 1, 1)
                found.append(CheckedModel(model, locked, str(name), counts, budgets=verdicts))
    return found


def _updated(run: "Run") -> "Run":
    """Write what has changed to the locks."""
    from dataclasses import replace

    from .lock import store

    locks = []
    for lock in run.locks:
        entries = [model.now for model in lock.models if model.now is not None]
        if entries:
            store(lock.path, entries)
        models = tuple(replace(model, updated=model.now is not None) for model in lock.models)
        locks.append(replace(lock, models=models))
    return replace(run, locks=tuple(locks))


def _measured(run: "Run") -> "Run":
    """Judge the budgets for latency: a model and its baseline are run in turn."""
    from dataclasses import replace

    from .. import models as api
    from ..gate.build import measured

    def measure(model: str, baseline: str) -> tuple[float, float]:
        pair = api.load(model), api.load(baseline)
        runs = [[loaded.measure(time_limit=2.0).whole.median for loaded in pair] for _ in range(3)]
        own, other = (min(times) for times in zip(*runs, strict=True))
        return own, other

    return replace(run, locks=measured(run.locks, measure))


# --- watching -----------------------------------------------------------------------------------------------------


def _watch(files: Sequence[str], zoo: bool, claims: bool) -> int:
    """Check again whenever a lock, a spec or `pyproject.toml` is saved."""
    import time
    from shutil import get_terminal_size

    from ..errors import ArchcalcError
    from ..gate.budgets import project
    from .options import in_color

    seen: dict[Path, tuple[int, int]] | None = None
    watched: set[Path] = {Path(name).expanduser().resolve() for name in files}
    while True:
        before = {path: _version(path) for path in watched}
        if before != seen:
            project.cache_clear()
            start = time.time_ns() - STAMP
            try:
                run = _check(files, zoo, claims)
                shown = _render(run, "text", get_terminal_size().columns if sys.stdout.isatty() else None, in_color())
                watched = _behind(run) | {Path(name).expanduser().resolve() for name in files}
            except ArchcalcError as error:
                shown = error.render() + "\n"
            front = "\033[2J\033[H" if sys.stdout.isatty() else ""
            print(
                f"{front}{shown}{time.strftime('%H:%M:%S')}, watching {len(watched)} files; Ctrl-C ends it", flush=True
            )
            now = {path: before[path] if path in before else _version(path) for path in watched}
            # A file that was saved while it was read for the first time is read again.
            seen = {path: version if path in before or version[0] < start else (0, 0) for path, version in now.items()}
        time.sleep(POLL)


def _version(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _behind(run: "Run") -> set[Path]:
    """The files that a run has read."""
    from ..errors import SpecError

    found = {lock.path.resolve() for lock in run.locks}
    found |= {path.parent / "pyproject.toml" for path in found}
    specs = {model.spec for _, model in run.models}
    errors = [model.error for _, model in run.models if isinstance(model.error, SpecError)]
    specs |= {error.text.source.name for error in errors if error.text is not None}
    specs |= {result.spec for result in run.specs}
    return found | {Path(spec).resolve() for spec in specs if spec and Path(spec).is_file()}
