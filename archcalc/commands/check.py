"""`archcalc check [FILE …]`: locks, and specs."""

import sys
from collections.abc import Sequence
from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from . import options
from .options import Output, OutputFile, progress


@options.coded
def check(
    files: Annotated[
        list[str] | None,
        Argument(
            metavar="[FILE ...]",
            help="Locks and spec files, and code that a lock holds; every lock below this folder unless given.",
        ),
    ] = None,
    zoo: Annotated[bool, Option("--zoo", help="Check all specs that archcalc ships.")] = False,
    update: Annotated[bool, Option("--update", help="Accept what has changed: write the locks anew.")] = False,
    claims: Annotated[
        bool, Option("--claims", help="Judge the figures and errata of the specs that the locks name, too.")
    ] = False,
    measure: Annotated[bool, Option("--measure", help="Run models that have a budget for latency.")] = False,
    against: Annotated[
        str,
        Option(
            "--against",
            metavar="MODEL",
            help="Hold the models that are named in the place of files against this one, node by node.",
            autocompletion=complete.models,
        ),
    ] = "",
    strict: Annotated[
        bool, Option("--strict", help="Want every model locked: of the named specs, or else of those in the locks.")
    ] = False,
    input_size: options.InputSize = None,
    watch: Annotated[bool, Option("--watch", help="Check again whenever a file is saved, until interrupted.")] = False,
    output_format: Annotated[
        list[str] | None,
        Option(
            "--format",
            metavar="FORMAT[=FILE]",
            help="Write text, json, csv, markdown, latex, html, github, junit, sarif or gitlab, to FILE; "
            "may be repeated.",
            autocompletion=complete.formats_of_checks,
        ),
    ] = None,
    output: OutputFile = "",
    *,
    beside: options.Beside,
) -> int:
    """Hold models against what is locked: a diff by layer, with its place in the spec, what follows for the totals
    and for old checkpoints. Budgets stand in a lock, or in [tool.archcalc] of pyproject.toml.

    Of spec files every model is built, and the figures that they quote and their errata are judged.

    With --against models are held against another one, as `compare --diff` does it.

    Exits with 1 where a model is not as locked, or another network, a budget is broken, a figure contradicts and no
    erratum says so, or an erratum no longer applies; with 2 where a lock or a spec cannot be read; with 3 where a
    required budget was not measured, or a lock has only code that is not named beside it: code runs only so."""
    from ..errors import UsageError
    from ..show.check import page
    from ..tasks.check import check as task

    outputs = _outputs(output_format or (), output)
    if watch and (update or measure or output_format or output or against or input_size or beside.text):
        raise UsageError("`--watch` shows text, and neither updates nor measures")
    if watch:
        return _watch(files or (), zoo, claims, strict)
    asked = beside.spelled_all(files or (), input_size)
    against = beside.at(against, input_size)
    what = "specs" if zoo and not files else "models and specs"
    with progress(f"checking {what}", what) as tick:
        found = task(
            *asked, zoo=zoo, claims=claims, update=update, measure=measure, strict=strict, against=against,
            tick=tick,
        )  # fmt: skip
    for write in outputs:
        write(page(found))
    for unread in found.unread:
        print(unread.error.render(), file=sys.stderr)
    if found.stopped is not None:
        raise found.stopped
    return found.exit_code


def _outputs(formats: Sequence[str], path: str) -> list[Output]:
    """Where which form goes: `junit=out.xml` to a file, others to standard output or `--output`. Raises UsageError."""
    from ..errors import UsageError
    from ..show.check import FORMS

    named = [name.partition("=") for name in formats]
    files = [Output(name, file, FORMS) for name, equals, file in named if equals]
    plain = [name for name, equals, _ in named if not equals]
    if any(equals and not file for _, equals, file in named):
        raise UsageError("`--format NAME=` names no file", "For example `--format junit=out.xml`.")
    if len(plain) > 1 and (path or not set(plain) <= {"text", "github"}):
        raise UsageError(
            f"{' and '.join(f'`--format {name}`' for name in plain)} cannot go to one place",
            "Give all but one a file, `--format junit=out.xml`.",
        )
    return [*files, *(Output(name, path, FORMS) for name in plain or ("",))]


def _watch(files: Sequence[str], zoo: bool, claims: bool, strict: bool) -> int:
    """Show what each check finds, until interrupted."""
    import time

    from ..errors import ArchcalcError
    from ..show.check import page
    from ..tasks.check import watch

    write = Output("text", "")
    for found, watched in watch(files, zoo=zoo, claims=claims, strict=strict):
        print("\033[2J\033[H" if sys.stdout.isatty() else "", end="")
        write(found.render() + "\n" if isinstance(found, ArchcalcError) else page(found))
        if not write.heard:
            break
        print(f"{time.strftime('%H:%M:%S')}, watching {watched} files; Ctrl-C ends it", flush=True)
    return 0
