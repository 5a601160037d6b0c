"""`archcalc check FILE.yaml …`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from . import complete
from .common import Format, Job, Output, OutputFile


def register(app: Typer, jobs: list[Job]) -> None:
    @app.command("check", short_help="Read and build specs, and judge the figures that they quote.")
    def check(
        files: Annotated[
            list[str] | None, Argument(metavar="[FILE.yaml ...]", help="Spec files.", autocompletion=complete.files)
        ] = None,
        zoo: Annotated[bool, Option("--zoo", help="Check all specs that archcalc ships.")] = False,
        output_format: Format = "",
        output: OutputFile = "",
    ) -> None:
        """Read specs, build every model, and judge the figures that they quote and the errata that they declare.

        Exits with 1 where a figure contradicts and no erratum says so, or an erratum no longer applies; with 2 where
        a spec cannot be read.
        """

        def job() -> int:
            from ..check import Unread, check_all
            from ..errors import UsageError
            from ..render.checked import render
            from ..render.progress import progress
            from ..zoo import spec_files

            if not files and not zoo:
                raise UsageError("check what?", "Name spec files, `archcalc check my.yaml`, or all that ship: `--zoo`.")
            write = Output(output_format, output)
            given: dict[Path, tuple[Path, str | None]] = {}  # each file once, by the name that comes first
            for name in files or ():
                path = Path(name).expanduser()
                given.setdefault(path.resolve(), (path, name))
            every = [*given.values(), *((path, None) for path in spec_files() if zoo)]
            with progress("checking specs", "specs") as tick:
                results = check_all(every, tick)
            write(lambda width, color: render(results, write.format, width, color))
            unread = [result for result in results if isinstance(result, Unread)]
            for result in unread:
                print(result.error.render(), file=sys.stderr)
            return 2 if unread else int(not all(result.ok for result in results if not isinstance(result, Unread)))

        jobs.append(job)
