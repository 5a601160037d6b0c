"""What commands share: the options that mean the same everywhere, and where the output goes."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from typer import Argument, Option

from . import completion as complete

if TYPE_CHECKING:
    from ..graph import Input
    from ..networks import Spelled
    from ..parallel import Tick
    from ..show.page import Page
    from ..show.pictures import Look

PICTURES = (".png", ".svg", ".pdf", ".tikz")
KWARGS = """For example `--kwargs '{"num_classes": 10}'`."""
Size = TypeVar("Size")
Code = TypeVar("Code")

ModelName = Annotated[
    str,
    Argument(
        metavar="MODEL",
        help="A name (vgg16), family:variant (vgg:D), a spec file (./my.yaml, ./my.yaml:NAME), code (my.py:Net, "
        "torchvision:resnet50), or a trace of it (net.json).",
        autocompletion=complete.models,
    ),
]
InputSize = Annotated[
    list[str] | None,
    Option(
        "--input",
        metavar="[NAME=]SIZE",
        help="Use this input, channels first, as 3x256x256; of several each by its name, as latent=4x32x32; of code "
        "with its dtype, as input_ids=32:int64.",
    ),
]
Settings = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="NAME=VALUE",
        help="Set a constant of the spec, as classes=10; may be repeated.",
        autocompletion=complete.constants,
    ),
]
Format = Annotated[
    str,
    Option(
        "--format",
        metavar="FORMAT",
        help="Write text, json, csv, markdown, latex or html; text, or what FILE's suffix says, unless given.",
        autocompletion=complete.formats,
    ),
]
Columns = Annotated[
    str,
    Option(
        "--columns",
        metavar="NAMES",
        help="Show these columns, by their names in csv or how these begin, as params,receptive_field.",
        autocompletion=complete.columns,
    ),
]
Like = Annotated[
    str,
    Option(
        "--like",
        metavar="TOOL",
        help="Count as torchvision, fvcore, ptflops, thop or torchinfo does.",
        autocompletion=complete.tools,
    ),
]
FoldBn = Annotated[bool, Option("--fold-bn", help="Count the deployed network: batch norms folded into layers.")]
Units = Annotated[
    str,
    Option(
        "--units",
        metavar="UNITS",
        help="Show numbers with a unit that suits them, auto, or as they are, raw.",
        autocompletion=complete.units,
    ),
]
Depth = Annotated[int, Option("--depth", metavar="N", min=0, help="Open blocks N levels below the paper's rows.")]
Full = Annotated[bool, Option("--full", help="Open blocks down to single ops.")]
OutputFile = Annotated[
    str, Option("--output", "-o", metavar="FILE", help="Write to FILE, which changes only when all is done.")
]
Batch = Annotated[
    int, Option("--batch", metavar="N", help="Samples in the batch that MACs, bytes and latency are for.")
]
BatchOfRun = Annotated[
    int | None, Option("--batch", metavar="N", help="Samples in the batch: 1, or those of a saved run.")
]
Dtype = Annotated[
    str,
    Option(
        "--dtype",
        metavar="NAME",
        help="Type of all numbers: float32, float64, float16, bfloat16.",
        autocompletion=complete.dtypes,
    ),
]
DtypeOfRun = Annotated[
    str,
    Option(
        "--dtype",
        metavar="NAME",
        help="Type of all numbers: float32, or that of a saved run.",
        autocompletion=complete.dtypes,
    ),
]
Sort = Annotated[
    str,
    Option(
        "--sort",
        metavar="BY",
        help="Put the largest first, by params, macs, activation or latency.",
        autocompletion=complete.sorts,
    ),
]
Top = Annotated[
    int | None, Option("--top", metavar="N", min=1, help="Show only the N largest, by --sort or else by their share.")
]
Where = Annotated[
    str,
    Option(
        "--where",
        metavar="BOUNDS",
        help="Keep only networks within bounds, as 'params < 30M and macs in 1G..5G'; names may be cut short.",
    ),
]
SortBy = Annotated[
    str,
    Option(
        "--sort",
        metavar="[-]BY",
        help="Put the largest first, as macs; the smallest first: -macs.",
        autocompletion=complete.columns,
    ),
]
First = Annotated[int | None, Option("--top", metavar="N", min=1, help="Keep only the first N.")]
Results = Annotated[
    str,
    Option(
        "--results",
        metavar="FILE",
        help="Show these results too: csv or json with model, metric, value and source.",
    ),
]
MODELS = (
    "Models as for `summary`, or at another input as resnet50@256; all of a family, a pattern ('resnet*') or a file."
)
Only = Annotated[
    str,
    Option(
        "--only",
        metavar="WORD",
        help="Show only what is or holds this op, or has this text in its name.",
        autocompletion=complete.parts_and_ops,
    ),
]
Measure = Annotated[bool, Option("--measure", help="Measure, on the CPU unless it is said where.")]
Cpu = Annotated[bool, Option("--cpu", help="Measure on the CPU.")]
Gpu = Annotated[bool, Option("--gpu", help="Measure on the GPU, not on the CPU.")]
Device = Annotated[
    str,
    Option("--device", metavar="DEVICE", help="Measure on cpu, cuda or cuda:1.", autocompletion=complete.places),
]
Threads = Annotated[int | None, Option("--threads", metavar="N", help="Threads of torch on the CPU.")]
TimeLimit = Annotated[
    float, Option("--time-limit", metavar="SECONDS", help="Start no new run after this many seconds (of each batch).")
]
Tolerance = Annotated[
    float,
    Option("--tolerance", metavar="PERCENT", help="Beside an earlier run of the network: slower by less is no matter."),
]
FailOnRegression = Annotated[
    bool,
    Option(
        "--fail-on-regression",
        help="Beside an earlier run: leave with 1 if something got slower, with 3 if too few runs can tell.",
    ),
]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Say nothing beside the result and errors.")]
Train = Annotated[
    bool, Option("--train", help="Take a training step, not an inference: memory, MACs and time, forward and backward.")
]
Optimizer = Annotated[
    str,
    Option(
        "--optimizer",
        metavar="NAME",
        help="The optimiser of `--train`: sgd (unless given), momentum, adam.",
        autocompletion=complete.optimizers,
    ),
]


def trained(train: bool, optimizer: str) -> str:
    """The optimiser of a training step; nothing where none is asked for. Raises UsageError."""
    from ..errors import UsageError

    if optimizer and not train:
        raise UsageError(f"`--optimizer {optimizer}` is for a training step", "Give `--train` too.")
    return (optimizer or "sgd") if train else ""


def chosen_device(gpu: bool, device: str, cpu: bool = False) -> str:
    """What `--cpu`, `--gpu` and `--device` ask for; the CPU unless said. Raises UsageError where they contradict."""
    from ..errors import UsageError

    if cpu and (gpu or device.startswith("cuda")):
        raise UsageError(f"`--cpu` and `{'--gpu' if gpu else f'--device {device}'}`: one of the two")
    if gpu and device and not device.startswith("cuda"):
        raise UsageError(f"`--gpu` and `--device {device}`: one of the two")
    return device or ("cuda" if gpu else "cpu")


def _more(name: str, make: "Callable[..., object]") -> "Callable[[Callable[..., Code]], Callable[..., Code]]":
    """What puts the options of `make` behind those of a command, which is given what it makes by this name."""

    def changed(command: "Callable[..., Code]") -> "Callable[..., Code]":
        own, added = signature(command), signature(make).parameters

        @wraps(command)
        def run(**arguments: object) -> "Code":
            made = make(**{each: arguments.pop(each) for each in added})
            return command(**arguments, **{name: made})

        kept = [parameter for parameter in own.parameters.values() if parameter.name != name]
        every = sorted([*kept, *added.values()], key=lambda each: each.kind)  # what is made of others goes last
        run.__signature__ = own.replace(parameters=every)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in every}
        return run

    return changed


class Beside:
    """What is said of code beside its name. Raises UsageError for what is no JSON."""

    def __init__(
        self,
        kwargs: Annotated[
            str,
            Option("--kwargs", metavar="JSON", help="Of code: make the module with these, as '{\"num_classes\": 10}'."),
        ] = "",
        example: Annotated[
            bool, Option("--example", help="Of code: run it for real, once, on random numbers.")
        ] = False,
        allow_unknown: Annotated[
            bool,
            Option("--allow-unknown", help="Of code: pass over operators without a rule; totals are lower bounds."),
        ] = False,
    ) -> None:
        from json import loads

        from ..errors import UsageError
        from ..files import FAULTS, fault

        self._flags = example, allow_unknown
        self._given = {"--kwargs": kwargs, "--example": example, "--allow-unknown": allow_unknown}
        try:
            self._kwargs = loads(kwargs) if kwargs else {}
        except FAULTS as error:
            raise UsageError(f"`--kwargs` is no JSON: {fault(error, kwargs)}", KWARGS) from None
        if not isinstance(self._kwargs, dict):
            raise UsageError("`--kwargs` is a mapping in JSON", KWARGS)

    @property
    def text(self) -> str:
        """As it was typed."""
        from shlex import quote

        given = [(name, value) for name, value in self._given.items() if value]
        return "".join(f" {name}" + (f" {quote(value)}" if isinstance(value, str) else "") for name, value in given)

    def spelled(self, model: str, input: "Input | None" = None) -> "Spelled":
        """A reference that stands on the command line."""
        from ..networks import Spelled

        return Spelled(model, self._kwargs, *self._flags, input)

    def spelled_all(self, models: Sequence[str], inputs: Sequence[str] | None = None) -> list[str]:
        """References that stand on the command line, the options of code beside those that are code. Raises UsageError
        where none is."""
        from ..errors import UsageError
        from ..language.zoo import at_input
        from ..networks import is_code

        code = [is_code(at_input(model)[0]) for model in models]
        for option in [name for name, value in {**self._given, "--input": inputs}.items() if value and not any(code)]:
            raise UsageError(f"`{option}` is for code here, and none is named")
        input = size(inputs)
        return [self.spelled(model, input) if own else model for model, own in zip(models, code, strict=True)]

    @staticmethod
    def at(other: str, inputs: Sequence[str] | None) -> str:
        """What others are held against: code at their input, unless it says one of its own."""
        from ..language.zoo import at_input
        from ..networks import Spelled, is_code

        name, own = at_input(other)
        return Spelled(other, input=size(inputs)) if inputs and own is None and is_code(name) else other


def _look(
    size: Annotated[str, Option("--size", metavar="WxH", help="Make the picture so many inches, as 6x4.")] = "",
    dpi: Annotated[int, Option("--dpi", metavar="N", help="Draw a png with so many dots per inch.")] = 200,
    no_title: Annotated[
        bool, Option("--no-title", help="Leave out the picture's title, as a caption says it.")
    ] = False,
    theme: Annotated[
        str, Option("--theme", metavar="THEME", help="Draw on paper or dark.", autocompletion=complete.themes)
    ] = "paper",
    font: Annotated[
        str, Option("--font", metavar="NAME", help="Write in this font, as 'Times New Roman' or serif.")
    ] = "",
    editable: Annotated[bool, Option("--editable", help="Of svg: leave text text, to edit and to search.")] = False,
) -> "Look":
    from ..show.pictures import Look, inches

    return Look(inches(size), dpi, not no_title, theme, font, editable)


drawing = _more("look", _look)  # a command that draws
coded = _more("beside", Beside)  # a command that may be of code


class _Say:
    """What is said beside a result, on standard error: nothing where it is to be quiet."""

    quiet = False

    def __call__(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr)


say = _Say()


@contextmanager
def progress(what: str, unit: str = "runs", rate: bool = False) -> "Iterator[Tick | None]":
    """A progress bar where somebody may be watching."""
    from ..show import progress as bar

    with nullcontext() if say.quiet else bar.progress(what, unit, rate) as tick:
        yield tick


@contextmanager
def running(what: str, unit: str = "runs", rate: bool = False) -> "Iterator[Tick | None]":
    """The same, for what takes so long that memory must be tidied."""
    import gc

    gc.enable()
    with progress(what, unit, rate) as tick:
        yield tick


def share(percent: float, option: str) -> float:
    """A percentage as a share. Raises UsageError below 0."""
    from ..errors import UsageError

    if not percent >= 0:  # also not a number
        raise UsageError(f"`{option} {percent}` is less than nothing")
    return percent / 100


def size(texts: Sequence[str] | None) -> "Input | None":
    """`3x256x256` or `3 × 256 × 256`, of several inputs each by its name; None where nothing is given. Raises
    UsageError."""
    return one_or_named(texts, _axes)


def one_or_named(texts: Sequence[str] | None, read: "Callable[[str], Size]") -> "Size | dict[str, Size] | None":
    """What `--input SIZE` gives, or by name what `--input NAME=SIZE …` do, by their places as 0, 1, … what several
    without a name do; None where nothing is given. Raises UsageError."""
    from ..errors import UsageError

    found: dict[str, Size] = {}
    for at, text in enumerate(texts or ()):
        name, equals, value = (part.strip() for part in text.partition("="))
        colon = name.find(":")
        if not equals or colon >= 0:  # `32:int64=1`
            name, value = "", text.strip()
        elif not name:
            raise UsageError(f"`--input {text}` names no input", "For example `--input latent=4x32x32`.")
        if name in found or (found and bool(name) == ("0" in found)):
            hint = "Several are all named, or all go by their place: `--input latent=4x32x32 --input text=77`."
            raise UsageError(f"`--input` gives {f'`{name}`' if name in found else 'the input'} twice", hint)
        found[name or str(at)] = read(value)
    return found["0"] if [*found] == ["0"] else found or None


def _axes(text: str) -> tuple[int, ...]:
    from ..errors import UsageError, did_you_mean
    from ..graph import Typed

    text, colon, typed = text.partition(":")
    axes = [axis.strip() for axis in text.lower().replace("×", "x").split("x")] if text.strip() or not colon else []
    if not all(axis.isascii() and axis.isdigit() and len(axis) < 20 for axis in axes):
        raise UsageError(f"`--input {text}` is not a size", "A size is written channels first: `--input 3x256x256`.")
    dtype, _, value = typed.partition("=")
    if colon and not (
        dtype.isidentifier() and (not value or (value.isascii() and value.isdigit() and len(value) < 19))
    ):
        raise UsageError(f"`--input {text}:{typed}` has no dtype", "For example `--input input_ids=32:int64`.")
    found = tuple(map(int, axes))
    if not colon:
        return found
    from ..tracing.traced import BYTES

    if dtype not in BYTES:
        raise UsageError(f"`{dtype}` is no dtype of an input", did_you_mean(dtype, BYTES))
    return Typed(found, dtype, int(value or 1))


def names(text: str) -> tuple[str, ...]:
    """`params,macs` as names."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def pairs(texts: Sequence[str] | None, option: str = "--set") -> dict[str, str]:
    """`name=value`, each name once. Raises UsageError."""
    from ..errors import UsageError

    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise UsageError(f"`{option} {text}` is not `name=value`", f"For example `{option} classes=10`.")
        if name in found:
            raise UsageError(f"`{option}` gives `{name}` twice")
        found[name] = value
    return found


def in_color() -> bool:
    """Whether standard output is a terminal that wants color, or color is forced."""
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR", "") not in ("", "0")
    return forced or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def _width() -> int | None:
    """Columns of the terminal that standard output is, or those that COLUMNS says, at least 40; None where nobody
    says."""
    from shutil import get_terminal_size

    said = os.environ.get("COLUMNS", "")
    known = sys.stdout.isatty() or (said.isascii() and said.isdigit() and 0 < len(said) < 6 and int(said) > 0)
    return max(40, get_terminal_size().columns) if known else None


class Output:
    """In which form a result is written, and where: standard output, or a file that is replaced whole.

    Both are checked before anything is computed; raises UsageError."""

    def __init__(
        self,
        output_format: str,
        path: str,
        formats: Sequence[str] = (),
        pictures: bool = False,
        option: str = "--output",
    ) -> None:
        from ..errors import UsageError, installed
        from ..files import writable
        from ..show.writers import FORMATS, PARQUET, SUFFIXES, known_format

        formats = formats or FORMATS
        suffix = Path(path).suffix.lower()
        if suffix in PICTURES and not pictures and not output_format:
            raise UsageError(f"`{path}` is a picture, and this command draws none", "`archcalc plot` does.")
        self.picture = suffix[1:] if suffix in PICTURES and not output_format else ""
        by_suffix = SUFFIXES.get(suffix, "")
        self.format = known_format(output_format or (by_suffix if by_suffix in formats else "text"), formats)
        if self.format == PARQUET:
            if not path:
                raise UsageError("Parquet is no text: a file has it", "Such as `-o best.parquet`.")
            with installed():
                import pyarrow  # noqa: F401
        self.path, self.name, self.option = writable(path, option) if path else None, path, option
        self.heard = True  # until the reader of standard output has gone

    def __call__(self, result: "Page | str | bytes", stopped: BaseException | None = None) -> None:
        """Write a page, a text as it is, or to a file a picture. Raises `stopped` then: what ended a measurement, whose
        page has what was measured. A text that cannot be written to its file is printed: Unavailable says why."""
        from ..errors import Unavailable, printable
        from ..files import replace, spare_read
        from ..show.writers import PARQUET, write

        if self.path is not None:
            spare_read(self.path, f"{self.option} {self.name}")
        if not isinstance(result, str | bytes):
            if self.format in ("csv", PARQUET):
                print(
                    *(f"note: {note}" for note in result.notes),
                    sep="\n",
                    end="\n" * bool(result.notes),
                    file=sys.stderr,
                )
            if self.format == PARQUET:
                from ..show.writers.parquet import write as parquet

                result = parquet(result)
            else:
                result = write(result, self.format, *((_width(), in_color()) if self.path is None else (None, False)))
        if self.path is not None:
            try:
                replace(self.path, result)
                if self.option == "--output" and self.path.is_file():
                    say(f"wrote {printable(self.name)}")
            except OSError as error:
                printed = isinstance(result, str)
                if isinstance(result, str):
                    self._print(result)
                hint = "What was to be in it stands on standard output." if printed else ""
                raise Unavailable(f"`{printable(self.name)}`: {error.strerror or error}", hint) from None
        elif isinstance(result, str):
            self._print(result)
        if stopped is not None:
            raise stopped

    def _print(self, text: str) -> None:
        """Write to standard output. A reader that has gone keeps no command from its exit code."""
        out = sys.stdout
        if self.format == "github":  # to the log of CI nothing else is a command
            out = getattr(out, "obeyed", out)
        try:
            out.write(text)
            out.flush()
        except BrokenPipeError:
            self.heard = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
