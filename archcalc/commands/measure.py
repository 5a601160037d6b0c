"""`archcalc measure MODEL`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from . import options

if TYPE_CHECKING:
    from ..errors import Unavailable
    from ..measurement.runs import Run


@options.coded
def measure(
    model: options.ModelName,
    batch: Annotated[
        str, Option("--batch", metavar="N[,N…]", help="Samples in the batch; several, as 1,8,32, give a table.")
    ] = "1",
    train: options.Train = False,
    compile_too: Annotated[bool, Option("--compile", help="Also run what torch.compile makes of the network.")] = False,
    channels_last: Annotated[bool, Option("--channels-last", help="Keep maps with the channels last.")] = False,
    dtype: options.Dtype = "float32",
    threads: options.Threads = None,
    gpu: options.Gpu = False,
    device: options.Device = "",
    cold: Annotated[bool, Option("--cold", help="Drive everything out of the caches before each run.")] = False,
    pin: Annotated[
        bool, Option("--pin-malloc/--no-pin-malloc", help="Keep freed memory for the next layer (glibc only).")
    ] = True,
    precision: Annotated[
        float, Option("--precision", metavar="PERCENT", help="Run until the median is known this well, with 95 %.")
    ] = 2.0,
    runs: Annotated[int, Option("--runs", metavar="N", help="Make at most so many runs.")] = 500,
    time_limit: options.TimeLimit = 10.0,
    save: Annotated[str, Option("--save", metavar="FILE", help="Keep every run as JSON, also after Ctrl-C.")] = "",
    against: Annotated[
        str, Option("--against", metavar="FILE", help="Say which layers got slower than in this saved run.")
    ] = "",
    tolerance: options.Tolerance = 10.0,
    fail: options.FailOnRegression = False,
    depth: options.Depth = 0,
    full: options.Full = False,
    sort: options.Sort = "",
    top: options.Top = None,
    only: options.Only = "",
    input_size: options.InputSize = None,
    settings: options.Settings = None,
    output_format: options.Format = "",
    output: options.OutputFile = "",
    *,
    beside: options.Beside,
) -> int | None:
    """Measure a network's latency, layer by layer: the whole, every node, and whether the parts add up to it.

    Runs go on until the median is known as well as --precision says, or until --time-limit."""
    from ..errors import UsageError
    from ..measurement.conditions import Conditions
    from ..models import load
    from ..show.measure import page
    from ..tasks.measure import earlier, enough, run_all
    from ..tasks.summary import FULL, Pick, known_sort

    write, kept = options.Output(output_format, output), options.Output("json", save, option="--save") if save else None
    if fail and not against:
        raise UsageError("`--fail-on-regression` needs an earlier run: `--against FILE`")
    slower = options.share(tolerance, "--tolerance")
    pick, levels = Pick(known_sort(sort, measured=True), top, only), FULL if full else depth
    where, sizes = options.chosen_device(gpu, device), _batches(batch)
    conditions = Conditions(
        sizes[0], dtype, where, train, channels_last, compile_too, cold, threads, pin, precision / 100, runs, time_limit
    )
    before = earlier(against, conditions) if against else None
    asked = beside.spelled(model)
    loaded = load(asked, input=options.size(input_size), settings=options.pairs(settings)).own_run(conditions)
    pick.check(loaded.summary(sizes[0], dtype), levels)
    least = enough(before, loaded, conditions, sizes, fail) if before is not None else {}
    with options.running(f"running {loaded.name}") as tick:
        found = run_all(loaded, conditions, sizes, tick, least)
    unsaved = _save(found.run, kept) if kept is not None else None
    found = found.held_against(before, against, slower)
    write(page(found, levels, pick), unsaved or found.stopped)
    return found.exit_code if fail else None


def _batches(text: str) -> list[int]:
    """`1,8,32`, each once. Raises UsageError."""
    from ..errors import UsageError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 19 and int(part) for part in parts):
        raise UsageError(f"`--batch {text}` is no batch", "A number of samples, or several: `--batch 1,8,32`.")
    return list(dict.fromkeys(map(int, parts)))


def _save(run: "Run", write: options.Output) -> "Unavailable | None":
    """Keep a run; why it cannot be kept, and then it is printed."""
    from ..errors import Unavailable, printable
    from ..measurement.runs import document
    from ..show.writers.json import text
    from ..tasks.measure import beside

    try:
        write(text(document(beside(run, write.path))))
    except Unavailable as error:
        return error
    options.say(f"saved {printable(Path(write.name).name)}")
    return None
