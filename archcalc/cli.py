"""The command line: `archcalc summary vgg16`.

Commands are thin: they read the arguments, call a task and hand its result to a page; each is a function of
`archcalc.commands`. `main()` alone turns errors into text and an exit code. Imports stand inside functions, for the
sake of start-up time.
"""

import gc
import os
import sys
from io import TextIOWrapper

from . import __version__

TYPE_CHECKING = False  # `typing` itself takes a tenth of what `--version` may
if TYPE_CHECKING:
    from collections.abc import Callable

    from typer import Typer

BROKEN = 70  # the exit code of an error that is ours (EX_SOFTWARE)
INTERRUPTED = 130


class _Unheard(TextIOWrapper):
    """Standard error, whose reader may have gone: that changes no exit code."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            return


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, or 1 a check failed, 2 wrong use or a bad spec, 3 the
    environment cannot do it, 130 interrupted, 70 an error of archcalc itself."""
    if arguments is not None:
        sys.exit(_run(arguments))
    # This process is ours: its streams may be closed, or lead nowhere any more.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    errors = sys.stderr.buffer if sys.stderr else open(os.devnull, "wb")  # noqa: SIM115, PTH123
    sys.stderr = _Unheard(errors, "utf-8", "replace", line_buffering=True)
    code = _run(sys.argv[1:], own=True)
    try:
        sys.stdout.flush()
    except OSError:  # what could not be written is not tried again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    gc.freeze()  # what is left goes with the process: to look it through for cycles is a sixth of a static summary
    sys.exit(code)


def _run(arguments: list[str], own: bool = False) -> int:
    try:
        code = _done(arguments, own)
        sys.stdout.flush()
    except KeyboardInterrupt as stopped:
        for said in stopped.args:
            print(said, file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough: `archcalc list | head`
        return 0
    except Exception as error:
        return _report(error)
    return code


def _done(arguments: list[str], own: bool) -> int:
    """Do what is asked for, for an exit code; `own`: nothing but this goes on in the process. Raises KeyboardInterrupt
    also where Ctrl-C got lost in code of others, or broke it."""
    if arguments in (["--version"], ["-V"]):  # asked by scripts, before anything is loaded
        print(f"archcalc {__version__}")
        return 0
    from .files import WAS_READ
    from .parallel import heed_interrupts

    WAS_READ.clear()
    gc.disable()  # a short process: looking for cycles is a tenth of a static summary
    heeded = heed_interrupts(own)
    try:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="replace")
        _heed_the_log()
        return _asked(arguments)() or 0
    finally:
        if heeded():
            raise KeyboardInterrupt


def _heed_the_log() -> None:
    """In a job of CI let no line that is printed be a command to its log."""
    from .errors import CI_LOGS, logged

    if any(map(os.environ.get, CI_LOGS)) and not hasattr(sys.stdout, "obeyed"):
        sys.stdout, sys.stderr = _Clean(sys.stdout, logged), _Clean(sys.stderr, logged)


class _Clean:
    """A stream whose reader obeys what it is told, and what makes a text of it that is not: `obeyed` is the stream
    itself, for what it is to obey."""

    def __init__(self, stream: object, clean: "Callable[[str], str]") -> None:
        self.obeyed, self.clean = stream, clean

    def write(self, text: str) -> int:
        self.obeyed.write(self.clean(text))  # type: ignore[attr-defined]
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.obeyed, name)


def _report(error: Exception) -> int:
    """Print an error to stderr, never a traceback unless ARCHCALC_DEBUG is set; return its exit code."""
    from errno import ENAMETOOLONG

    from .errors import ArchcalcError, Unavailable, UsageError, not_installed, printable

    if os.environ.get("ARCHCALC_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error)):
        error = Unavailable("there is not enough memory for this network", "`--static` and a smaller batch need less.")
    elif isinstance(error, ImportError):
        error = not_installed(error) or error
    elif isinstance(error, RecursionError):
        error = UsageError("this spec is nested too deeply")
    elif isinstance(error, OSError) and error.errno == ENAMETOOLONG:
        error = UsageError(f"`{error.filename}` is longer than a name of a file can be")
    elif isinstance(error, OSError):
        what = printable(str(error.filename)) if error.filename else "the output cannot be written"
        error = Unavailable(f"{what}: {error.strerror or error}")
    if isinstance(error, ArchcalcError):
        print(error.render(), file=sys.stderr)
        return error.exit_code
    where = "Please report it, with what ARCHCALC_DEBUG=1 prints."
    print(f"internal error: {type(error).__name__}: {printable(str(error))}\n{where}", file=sys.stderr)
    return BROKEN


def _asked(arguments: list[str]) -> "Callable[[], int | None]":
    """The command that the arguments ask for, with them; it runs outside of typer, which has exit codes of its own.
    Raises SystemExit after `--help` and for arguments that make no sense."""
    from contextlib import redirect_stderr

    from .errors import printable

    def clean(text: str) -> str:
        return "\n".join(map(printable, text.split("\n")))

    asked: list[Callable[[], int | None]] = []
    completing = os.environ.get("_ARCHCALC_COMPLETE")
    if not completing:
        _no_command(arguments)
    if completing:
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # typer would load it to look for markup in titles
    try:
        with redirect_stderr(_Clean(sys.stderr, clean)):  # type: ignore[type-var]  # what typer quotes
            _app(arguments, asked)(args=arguments, prog_name="archcalc")
    except SystemExit as left:
        if left.code == 1 and not completing:  # click's own, of a reader that has gone (no Ctrl-C is lost)
            return lambda: None
        if not asked:
            raise
    return asked[0]


def _no_command(arguments: list[str]) -> None:
    """Raise UsageError where a network stands in the place of a command, with the command that shows it."""
    from .commands import COMMANDS

    word = arguments[0] if arguments else ""
    if not word or word in COMMANDS or word.startswith("-"):
        return
    from contextlib import suppress

    from .errors import ArchcalcError, UsageError
    from .language.zoo import at_input, models_of, shipped_names, split

    name = at_input(word)[0].partition(":")[0]
    if split(word)[0] is not None or any(spec.has(name) or spec.family == name for spec in shipped_names()):
        several = ":" not in word and all(spec.family != name or spec.models for spec in shipped_names())
        several = several and not any(spec.has(name) for spec in shipped_names())
        if split(word)[0] is not None:
            several = False
            with suppress(ArchcalcError):
                several = len(models_of(word)) > 1
        all_of = "a family" if split(word)[0] is None else "several networks"
        what, shows = (all_of, "list") if several else ("a network", "summary")
        raise UsageError(f"`{word}` is {what}, and no command", f"`archcalc {shows} {word}` shows it.")


def _app(arguments: list[str], asked: "list[Callable[[], int | None]]") -> "Typer":
    """The commands and their options. Once its arguments are read, a command is only appended to `asked`."""
    from functools import partial, wraps
    from inspect import Parameter, signature
    from typing import Annotated

    from typer import Exit, Option, Typer

    from .commands import COMMANDS, command
    from .commands.options import Quiet, say

    help_options = {"help_option_names": ["-h", "--help"]}
    app = Typer(rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=help_options)

    @app.callback(no_args_is_help=True)
    def root(version: Annotated[bool, Option("--version", "-V", help="Print the version and leave.")] = False) -> None:
        """Read a paper's table, get its layer table, and learn where a printed figure is wrong.

        Exit codes: 0 fine, 1 a check failed, 2 wrong use or a bad spec, 3 the environment cannot do it, 70 an error of
        archcalc itself, 130 interrupted."""
        if version:
            print(f"archcalc {__version__}")
            raise Exit

    def parsed(function: "Callable[..., int | None]") -> "Callable[..., None]":
        def run(arguments: dict[str, object]) -> int | None:
            say.quiet = bool(arguments.pop("quiet"))
            return function(**arguments)

        @wraps(function)
        def later(**arguments: object) -> None:
            asked.append(partial(run, arguments))

        taken = signature(function)
        quiet = Parameter("quiet", Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
        later.__signature__ = taken.replace(parameters=[*taken.parameters.values(), quiet])  # type: ignore[attr-defined]
        later.__annotations__ = {**function.__annotations__, "quiet": Quiet}
        return later

    words = {*arguments, *os.environ.get("COMP_WORDS", "").split(), *os.environ.get("_TYPER_COMPLETE_ARGS", "").split()}
    for name, short_help in COMMANDS.items():  # of a command that is not asked for, only its name and line are needed
        app.command(name, short_help=short_help)(parsed(command(name)) if name in words else lambda: None)
    return app
