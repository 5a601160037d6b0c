"""`archcalc check [FILE …]`: locks, and specs."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from . import completion as complete
from .options import Output, OutputFile

if TYPE_CHECKING:
    from ..tasks.check import CheckResult

FORMATS = ("text", "json", "csv", "markdown", "github", "junit", "sarif", "gitlab")


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
    from ..show.progress import progress
    from ..tasks.check import check as task

    given = [*(output_format or ())]
    outputs = _outputs(given, output)
    if watch and (update or measure or given or output):
        raise UsageError("`--watch` shows text, and neither updates nor measures")
    if watch:
        return _watch(files or (), zoo, claims)
    found = task(
        *(files or ()), zoo=zoo, claims=claims, update=update, measure=measure,
        stages=lambda what: progress(f"checking {what}", what),
    )  # fmt: skip
    for write in outputs:
        write(lambda width, color, name=write.format: _render(found, name, width, color))  # type: ignore[misc]
    for unread in found.unread:
        print(unread.error.render(), file=sys.stderr)
    return found.exit_code


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


def _render(run: "CheckResult", name: str, width: int | None, color: bool) -> str:
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


def _watch(files: Sequence[str], zoo: bool, claims: bool) -> int:
    """Show what each check finds, until interrupted."""
    import time
    from shutil import get_terminal_size

    from ..errors import ArchcalcError
    from ..tasks.check import watch
    from .options import in_color

    for found, watched in watch(files, zoo=zoo, claims=claims):
        if isinstance(found, ArchcalcError):
            shown = found.render() + "\n"
        else:
            width = get_terminal_size().columns if sys.stdout.isatty() else None
            shown = _render(found, "text", width, in_color())
        front = "\033[2J\033[H" if sys.stdout.isatty() else ""
        print(f"{front}{shown}{time.strftime('%H:%M:%S')}, watching {watched} files; Ctrl-C ends it", flush=True)
    return 0
