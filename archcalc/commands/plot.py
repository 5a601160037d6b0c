"""`archcalc plot KIND MODEL|FAMILY … -o FILE.{png,svg,pdf}`."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from . import completion as complete
from . import options
from .options import MODELS, BatchOfRun, DtypeOfRun, Output, Results, Settings, Threads, pairs, running, say

if TYPE_CHECKING:
    from ..show.pictures import Look


@options.drawing
@options.coded
def plot(
    kind: Annotated[
        str,
        Argument(
            metavar="KIND",
            help="layers, memory, roofline, graph or shapes of one network; bubble or scaling of several.",
            autocompletion=complete.kinds,
        ),
    ] = "",
    models: Annotated[
        list[str] | None,
        Argument(
            metavar="MODEL|FAMILY|PATTERN ...",
            help=MODELS,
            autocompletion=complete.models_and_families,
        ),
    ] = None,
    output: Annotated[
        str, Option("--output", "-o", metavar="FILE", help="The picture: png, svg, pdf or tikz; a graph also mmd.")
    ] = "",
    x: Annotated[
        str,
        Option(
            "--x",
            metavar="COST",
            help="Place bubbles by macs (unless given), params, latency, peak_memory or activations.",
            autocompletion=complete.along,
        ),
    ] = "",
    y: Annotated[
        str,
        Option(
            "--y",
            metavar="METRIC",
            help="Place them by this: accuracy, top-5, or what is reported, as mAP.",
            autocompletion=complete.metrics,
        ),
    ] = "",
    pareto: Annotated[bool, Option("--pareto", help="Draw the front of bubbles that no other beats.")] = False,
    results: Results = "",
    measure: Annotated[bool, Option("--measure", help="Measure the latency of bubbles, in turn on the CPU.")] = False,
    only: Annotated[
        str,
        Option("--only", metavar="ROW", help="Draw this row or block of a graph.", autocompletion=complete.parts),
    ] = "",
    device: Annotated[
        str,
        Option(
            "--device",
            metavar="NAME",
            help="Whose data sheet a roofline is by: a100, unless it is measured.",
            autocompletion=complete.sheets,
        ),
    ] = "",
    cpu: Annotated[bool, Option("--cpu", help="Measure a roofline's ceilings, on the CPU.")] = False,
    gpu: Annotated[bool, Option("--gpu", help="Measure a roofline's ceilings, on the GPU.")] = False,
    threads: Threads = None,
    run: Annotated[
        str, Option("--run", metavar="FILE", help="Draw the latency of rows as in this saved run: layers, roofline.")
    ] = "",
    batch: BatchOfRun = None,
    dtype: DtypeOfRun = "",
    settings: Settings = None,
    input_size: options.InputSize = None,
    *,
    look: "Look",
    beside: options.Beside,
) -> None:
    """Draw a picture for a paper: bars by layer, memory over the run, a roofline, the graph of blocks and branches,
    the shrinking volumes; of several networks accuracy against operations, or a family along its variants."""

    from ..errors import UsageError, printable
    from ..measurement.conditions import Conditions
    from ..show.pictures import FORMATS, image, mermaid, picture, unreadable
    from ..tasks.plot import known_kind
    from ..tasks.plot import plot as gathered

    suffix = Path(output).suffix.lower()
    text = known_kind(kind) == "graph" and suffix == ".mmd"
    asked = beside.spelled_all(models or (), input_size)
    if asked and suffix[1:] not in FORMATS and not text:
        forms = ", ".join(FORMATS) + ", or of a graph mmd" * (kind == "graph")
        hint = f"The suffix says what is written, such as `-o {kind}.svg`."
        raise UsageError(f"`--output {output}` is none of {forms}" if output else "where is the picture to go?", hint)
    write = Output("text" if text else "", output, pictures=not text)
    conditions = Conditions(batch or 1, dtype or "float32", threads=threads) if measure else None
    with running("running networks in turn", "rounds") if measure else nullcontext() as tick:
        found = gathered(
            kind, *asked, run=run, only=only, device=device, cpu=cpu, gpu=gpu, threads=threads,
            batch=batch, dtype=dtype, settings=pairs(settings), results=results, x=x, y=y, pareto=pareto,
            conditions=conditions, tick=tick,
        )  # fmt: skip
    for model in found.models:
        for note in model.summary.notes:  # of several networks a picture has no room for them
            say(printable(f"note: {model.name}: {note}"))
    if text:
        write(mermaid(found.models[0].summary, only))
        return
    drawn = picture(kind, found.models, found.ceilings, only, found.bubble, look)
    write(image(drawn, write.picture, look))
    if note := unreadable(drawn, look):
        say(note)
    if found.missing:
        say(f"without a place in the picture: {', '.join(map(printable, found.missing))}")
