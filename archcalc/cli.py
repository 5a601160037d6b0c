"""The command line: `archcalc summary vgg16`.

Commands are thin: they read the arguments, call `archcalc.api` and hand the result to a renderer. `main()` alone
turns errors into text and an exit code. Imports stand inside functions, for the sake of start-up time.
"""

import os
import sys
from collections.abc import Callable

from . import __version__

TYPE_CHECKING = False  # `typing` itself takes a tenth of what `--version` may
if TYPE_CHECKING:
    from pathlib import Path

    from typer import Typer

    from .api import Model
    from .measured import Measurement
    from .summary import Summary

Job = Callable[[], None]

BROKEN = 70  # the exit code of an error that is ours (EX_SOFTWARE)
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, or 1 a check failed, 2 wrong use or a bad spec, 3 the
    environment cannot do it, 130 interrupted, 70 an error of archcalc itself."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:  # asked by scripts, before anything is loaded
        print(f"archcalc {__version__}")
        return
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    import gc

    gc.disable()  # a short process: looking for cycles is a tenth of a static summary
    try:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding="utf-8", errors="replace")
        _job(arguments)()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough: `archcalc summary vgg16 | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        return _report(error)
    return 0


def _report(error: Exception) -> int:
    """Print an error to stderr, never a traceback unless ARCHCALC_DEBUG is set; return its exit code."""
    from .errors import ArchcalcError, Unavailable, UsageError, printable

    if os.environ.get("ARCHCALC_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, MemoryError):
        error = Unavailable("there is not enough memory for this network", "`--static` and a smaller batch need less.")
    elif isinstance(error, RecursionError):
        error = UsageError("this spec is nested too deeply")
    elif isinstance(error, OSError):
        what = printable(str(error.filename)) if error.filename else "the output cannot be written"
        error = Unavailable(f"{what}: {error.strerror or error}")
    if isinstance(error, ArchcalcError):
        print(error.render(), file=sys.stderr)
        return error.exit_code
    where = "Please report it, with what ARCHCALC_DEBUG=1 prints."
    print(f"internal error: {type(error).__name__}: {printable(str(error))}\n{where}", file=sys.stderr)
    return BROKEN


def _job(arguments: list[str]) -> Job:
    """What the arguments ask for. Raises SystemExit after `--help` and for arguments that make no sense."""
    jobs: list[Job] = []
    try:
        _app(jobs)(args=arguments, prog_name="archcalc")
    except SystemExit:
        if not jobs:
            raise
    return jobs[0]


def _app(jobs: list[Job]) -> "Typer":
    """The commands and their options. A command only appends to `jobs` what it is to do."""
    from typing import Annotated

    from typer import Argument, Exit, Option, Typer

    app = Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.callback(no_args_is_help=True)
    def root(version: Annotated[bool, Option("--version", help="Print the version and leave.")] = False) -> None:
        """Read a paper's table, get its layer table, and learn where a printed figure is wrong."""
        if version:
            print(f"archcalc {__version__}")
            raise Exit

    @app.command("summary", short_help="Show a network row by row, as its paper prints it.")
    def summary(
        model: Annotated[
            str,
            Argument(
                metavar="MODEL",
                help="A name (vgg16), family:variant (vgg:D), or a spec file (./my.yaml, ./my.yaml:NAME).",
                autocompletion=_model_names,
            ),
        ],
        static: Annotated[bool, Option("--static", help="Only count: run nothing, and do without torch.")] = False,
        depth: Annotated[
            int, Option("--depth", metavar="N", min=0, help="Open blocks N levels below the paper's rows.")
        ] = 0,
        full: Annotated[bool, Option("--full", help="Open blocks down to single ops.")] = False,
        input_size: Annotated[
            str, Option("--input", metavar="SIZE", help="Use this input, channels first, as 3x256x256.")
        ] = "",
        batch: Annotated[
            int, Option("--batch", metavar="N", help="Samples in the batch that MACs, bytes and latency are for.")
        ] = 1,
        dtype: Annotated[
            str, Option("--dtype", metavar="NAME", help="Type of all numbers: float32, float64, float16, bfloat16.")
        ] = "float32",
        settings: Annotated[
            list[str] | None,
            Option("--set", metavar="NAME=VALUE", help="Set a constant of the spec, as classes=10; may be repeated."),
        ] = None,
        output_format: Annotated[
            str, Option("--format", metavar="FORMAT", help="Write text, json, csv or markdown.")
        ] = "text",
        time_limit: Annotated[
            float, Option("--time-limit", metavar="SECONDS", help="Start no new run after this many seconds.")
        ] = 10.0,
        gpu: Annotated[bool, Option("--gpu", help="Measure on the GPU, not on the CPU.")] = False,
        output: Annotated[
            str, Option("--output", "-o", metavar="FILE", help="Write to FILE, which changes only when all is done.")
        ] = "",
    ) -> None:
        """Show a network row by row, as its paper prints it: shape, params, MACs, memory, latency on this machine."""

        def job() -> None:
            from dataclasses import replace

            from . import api
            from .errors import Unavailable, UsageError
            from .render import FULL, known_format

            if static and gpu:
                raise UsageError("`--gpu` measures and `--static` does not: one of the two")
            show = _Output(known_format(output_format), FULL if full else depth, output)
            loaded = api.load(model, input=_size(input_size), settings=_pairs(settings or []))
            found = loaded.summary(batch, dtype)
            if not static:
                try:
                    measured = _measure(loaded, batch, dtype, "cuda" if gpu else "cpu", time_limit)
                except Unavailable:
                    if sys.modules.get("torch"):  # not enough memory: what is known without running still stands
                        show(found)
                    raise
                found = replace(found, measured=measured)
            show(found)

        jobs.append(job)

    return app


def _measure(model: "Model", batch: int, dtype: str, device: str, time_limit: float) -> "Measurement":
    """Measure, with a progress bar where somebody may be watching."""
    import gc

    from .render.progress import progress

    gc.enable()
    with progress(f"running {model.name}") as tick:
        return model.measure(batch=batch, dtype=dtype, device=device, time_limit=time_limit, progress=tick)


def _size(text: str) -> tuple[int, ...] | None:
    """`3x256x256` or `3 × 256 × 256`; None where nothing is given."""
    from .errors import UsageError

    if not text:
        return None
    axes = [axis.strip() for axis in text.lower().replace("×", "x").split("x")]
    if not all(axis.isascii() and axis.isdigit() and len(axis) < 20 for axis in axes):
        raise UsageError(f"`--input {text}` is not a size", "A size is written channels first: `--input 3x256x256`.")
    return tuple(map(int, axes))


def _pairs(texts: list[str]) -> dict[str, str]:
    """`name=value`, each name once."""
    from .errors import UsageError

    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise UsageError(f"`--set {text}` is not `name=value`", "For example `--set classes=10`.")
        if name in found:
            raise UsageError(f"`--set` gives `{name}` twice")
        found[name] = value
    return found


def _model_names(incomplete: str) -> list[str]:
    """The zoo's models that begin so, for the shell's completion."""
    from .zoo import model_names

    return [name for name in model_names() if name.startswith(incomplete)]


class _Output:
    """Where a summary goes, checked before anything is measured: standard output, or a file that is replaced whole."""

    def __init__(self, output_format: str, depth: int, path: str) -> None:
        from pathlib import Path

        from .errors import UsageError, printable

        self.format, self.depth = output_format, depth
        self.path = Path(path).resolve() if path else None
        if self.path is not None and (self.path.is_dir() or not self.path.parent.is_dir()):
            what = "a folder" if self.path.is_dir() else "in a folder that does not exist"
            raise UsageError(f"`--output {printable(path)}` is {what}")

    def __call__(self, summary: "Summary") -> None:
        from shutil import get_terminal_size

        from .render import render

        if self.path is not None:
            self._replace(self.path, render(summary, self.format, self.depth))
            return
        terminal = sys.stdout.isatty()
        width = max(40, get_terminal_size().columns) if terminal else None
        color = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        sys.stdout.write(render(summary, self.format, self.depth, width, color))
        sys.stdout.flush()

    def _replace(self, path: "Path", text: str) -> None:
        """Write beside the file and move it there, so that nobody ever reads half of it."""
        if path.exists() and not path.is_file():  # /dev/null, a pipe
            path.write_text(text, encoding="utf-8")
            return
        beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            beside.write_text(text, encoding="utf-8", newline="")
            if path.exists():
                beside.chmod(path.stat().st_mode & 0o777)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
