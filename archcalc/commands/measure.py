"""`archcalc measure MODEL`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from . import completion as complete
from .options import (
    Depth,
    Dtype,
    Format,
    Full,
    InputSize,
    ModelName,
    Output,
    OutputFile,
    Settings,
    Train,
    pairs,
    share,
    size,
    trained,
)

if TYPE_CHECKING:
    from ..measurement.latency import Measurement
    from ..measurement.runs import Run
    from ..models import Model
    from ..show.measure import Measured

TimeLimit = Annotated[
    float, Option("--time-limit", metavar="SECONDS", help="Start no new run after this many seconds (of each batch).")
]
Gpu = Annotated[bool, Option("--gpu", help="Measure on the GPU, not on the CPU.")]
Device = Annotated[str, Option("--device", metavar="DEVICE", help="Measure on cpu, cuda or cuda:1.")]
Threads = Annotated[int | None, Option("--threads", metavar="N", help="Threads of torch on the CPU.")]


def measure(
    model: ModelName,
    batch: Annotated[
        str, Option("--batch", metavar="N[,N…]", help="Samples in the batch; several, as 1,8,32, give a table.")
    ] = "1",
    train: Train = False,
    compile_too: Annotated[bool, Option("--compile", help="Also run what torch.compile makes of the network.")] = False,
    channels_last: Annotated[bool, Option("--channels-last", help="Keep maps with the channels last.")] = False,
    dtype: Dtype = "float32",
    threads: Threads = None,
    gpu: Gpu = False,
    device: Device = "",
    cold: Annotated[bool, Option("--cold", help="Drive everything out of the caches before each run.")] = False,
    pin: Annotated[
        bool, Option("--pin-malloc/--no-pin-malloc", help="Keep freed memory for the next layer (glibc only).")
    ] = True,
    precision: Annotated[
        float,
        Option("--precision", metavar="PERCENT", help="Run until the median is known this well, with 95 %."),
    ] = 2.0,
    runs: Annotated[int, Option("--runs", metavar="N", help="Make at most so many runs.")] = 500,
    time_limit: TimeLimit = 10.0,
    save: Annotated[str, Option("--save", metavar="FILE", help="Keep every run as JSON, also after Ctrl-C.")] = "",
    against: Annotated[
        str, Option("--against", metavar="FILE", help="Say which layers got slower than in this saved run.")
    ] = "",
    tolerance: Annotated[
        float, Option("--tolerance", metavar="PERCENT", help="With --against: slower by less is no matter.")
    ] = 10.0,
    fail: Annotated[
        bool, Option("--fail-on-regression", help="With --against: leave with 1 if something got slower.")
    ] = False,
    depth: Depth = 0,
    full: Full = False,
    sort: Annotated[
        str,
        Option(
            "--sort",
            metavar="BY",
            help="Put the largest first, by latency, params, macs or activation.",
            autocompletion=complete.sorts,
        ),
    ] = "",
    top: Annotated[int | None, Option("--top", metavar="N", min=1, help="Show only the N largest.")] = None,
    only: Annotated[
        str,
        Option("--only", metavar="WORD", help="Show only what is or holds this op.", autocompletion=complete.ops),
    ] = "",
    input_size: InputSize = "",
    settings: Settings = None,
    output_format: Format = "",
    output: OutputFile = "",
) -> int | None:
    """Measure a network's latency, layer by layer: the whole, every node, and whether the parts add up to it.

    Runs go on until the median is known as well as --precision says, or until --time-limit.
    """
    from .. import models as api
    from ..errors import UsageError
    from ..files import writable
    from ..measurement.regression import library, same_conditions
    from ..measurement.runs import Run, read
    from ..show.measure import page
    from ..tasks.summary import FULL, Pick, known_sort

    write = Output(output_format, output)
    kept = writable(save, "--save") if save else None
    if fail and not against:
        raise UsageError("`--fail-on-regression` needs an earlier run: `--against FILE`")
    before = read(Path(against).expanduser(), against) if against else None
    slower = share(tolerance, "--tolerance")
    pick = Pick(known_sort(sort, measured=True), top, only)
    where = chosen_device(gpu, device)
    options = {
        "dtype": dtype,
        "device": where,
        "training": train,
        "channels_last": channels_last,
        "compile": compile_too,
        "cold": cold,
        "threads": threads,
        "pin_malloc": pin,
        "precision": precision / 100,
        "runs": runs,
        "time_limit": time_limit,
    }
    sizes = batches(batch)
    if before is not None:  # as far as it is known already
        library()
        conditions: dict[str, object] = {"dtype": dtype, "cold": cold}
        conditions |= {"mode": "training" if train else "inference"}
        conditions |= {"threads": threads} if threads is not None else {}
        for earlier in before.measurements:
            same_conditions(earlier, conditions)
    loaded = api.load(model, input=size(input_size), settings=pairs(settings))
    levels = FULL if full else depth
    pick.check(loaded.summary(1, dtype), levels)
    done, stopped = run_all(loaded, sizes, options)
    if not done:
        raise stopped or UsageError("nothing was measured")
    run = Run.of(loaded.graph, done, loaded.name, loaded.spec, {k: str(v) for k, v in loaded.settings.items()})
    if kept is not None:
        save_run(run, kept)
    found = shown(loaded, run, dtype, before, against, slower)
    write(page(found, levels, pick))
    if stopped is not None:
        raise stopped
    return 1 if fail and any(comparison.slower for comparison in found.comparisons) else None


def batches(text: str) -> list[int]:
    """`1,8,32`, each once. Raises UsageError."""
    from ..errors import UsageError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 19 and int(part) for part in parts):
        raise UsageError(f"`--batch {text}` is no batch", "A number of samples, or several: `--batch 1,8,32`.")
    return list(dict.fromkeys(map(int, parts)))


def chosen_device(gpu: bool, device: str) -> str:
    """What `--gpu` and `--device` ask for. Raises UsageError where they contradict."""
    from ..errors import UsageError

    if gpu and device and not device.startswith("cuda"):
        raise UsageError(f"`--gpu` and `--device {device}`: one of the two")
    return device or ("cuda" if gpu else "cpu")


def run_all(
    model: "Model", sizes: Sequence[int], options: dict[str, Any]
) -> "tuple[list[Measurement], BaseException | None]":
    """What was measured, batch by batch, and what ended it before the last."""
    from ..errors import ArchcalcError
    from ..measurement.latency import Interrupted

    done: list[Measurement] = []
    for batch in sizes:
        what = f"running {model.name}" + (f", batch {batch}" if len(sizes) > 1 else "")
        try:
            done.append(measure_one(model, what, batch=batch, **options))
        except Interrupted as stopped:
            return [*done, stopped.measurement], stopped
        except (ArchcalcError, KeyboardInterrupt) as stopped:
            return done, stopped
    return done, None


def measure_one(model: "Model", what: str, **options: Any) -> "Measurement":
    """Measure, with a progress bar where somebody may be watching."""
    import gc

    from ..show.progress import progress

    gc.enable()
    with progress(what) as tick:
        return model.measure(**options, progress=tick)


def save_run(run: "Run", path: Path) -> None:
    from ..files import replace
    from ..measurement.runs import document
    from ..show.writers.json import text

    replace(path, text(document(run)))
    print(f"saved {path.name}", file=sys.stderr)


def shown(model: "Model", run: "Run", dtype: str, before: "Run | None", against: str, tolerance: float) -> "Measured":
    """What is to be rendered."""
    from dataclasses import replace as changed

    from ..measurement.regression import compare
    from ..show.measure import Measured

    summaries = [
        changed(
            model.summary(measured.batch, dtype, measured, optimizer=trained(measured.mode == "training", "")),
            judgements=(),
        )
        for measured in run.measurements
    ]
    comparisons = compare(before, run, tolerance) if before is not None else ()
    return Measured(run, summaries, against, comparisons)
