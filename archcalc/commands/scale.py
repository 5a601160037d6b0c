"""`archcalc scale MODEL --input 128..512/32 --batch 1,8 --set width=1.0,1.1`."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

from typer import Option

from . import options
from .options import (
    Columns,
    Dtype,
    Format,
    ModelName,
    Optimizer,
    Output,
    OutputFile,
    Results,
    Settings,
    Train,
    Units,
    Where,
    names,
    one_or_named,
    pairs,
    running,
    say,
    trained,
)

if TYPE_CHECKING:
    from ..show.pictures import Look


@options.drawing
@options.coded
def scale(
    model: ModelName,
    inputs: Annotated[
        list[str] | None,
        Option(
            "--input",
            metavar="[NAME=]SIZES",
            help="Sides of the input, as 128..512/32 or 224,256; or whole: 3x64x96; of several by name.",
        ),
    ] = None,
    batches: Annotated[str, Option("--batch", metavar="NUMBERS", help="Samples, as 1,8 or 1..4.")] = "1",
    settings: Settings = None,
    vary: Annotated[
        list[str] | None,
        Option(
            "--vary",
            metavar="NAME=VALUES",
            help="Vary a constant, a place in the table as 'layers[stage 3]', dtype, optimizer, what code is made "
            "with, or a name that --set uses in expressions: 1..9, 1..2/0.1, 8..256*2, 1,2,4.",
        ),
    ] = None,
    grid: Annotated[bool, Option("--grid", help="Count all points, as is done unless --sample or --search.")] = False,
    sample: Annotated[
        int | None, Option("--sample", metavar="N", min=1, help="Count N points, drawn at random.")
    ] = None,
    seed: Annotated[int, Option("--seed", metavar="N", help="Draw these ones: the same for the same seed.")] = 0,
    latin: Annotated[bool, Option("--latin", help="Draw a Latin hypercube: every axis is evenly covered.")] = False,
    search: Annotated[
        int | None, Option("--search", metavar="N", min=1, help="Count N points, each guided by those before: optuna.")
    ] = None,
    where: Where = "",
    pareto: Annotated[
        str, Option("--pareto", metavar="FIGURES", help="Keep the points that no other beats, as params,macs.")
    ] = "",
    maximize: Annotated[
        str, Option("--maximize", metavar="FIGURES", help="Of these more is better, as receptive_field.")
    ] = "",
    best: Annotated[int | None, Option("--best", metavar="N", min=1, help="Keep the N best by --by.")] = None,
    by: Annotated[
        str, Option("--by", metavar="FIGURE", help="What the best have least of, or of --maximize most.")
    ] = "",
    points: Annotated[
        str,
        Option("--points", metavar="FILE", help="Write all points that are left, as they come: csv, jsonl, parquet."),
    ] = "",
    resume: Annotated[bool, Option("--resume", help="Go on with the sweep of --points that was stopped.")] = False,
    jobs: Annotated[int, Option("--jobs", metavar="N", min=0, help="Count in N processes; 0: one a processor.")] = 1,
    engine: Annotated[
        str, Option("--engine", metavar="NAME", help="Count by joblib or dask (archcalc[sweep]), not by processes.")
    ] = "",
    scheduler: Annotated[str, Option("--scheduler", metavar="ADDRESS", help="The scheduler of dask.")] = "",
    train: Train = False,
    optimizer: Optimizer = "",
    dtype: Dtype = "float32",
    results: Results = "",
    columns: Columns = "",
    units: Units = "auto",
    output_format: Format = "",
    output: OutputFile = "",
    *,
    look: "Look",
    beside: options.Beside,
) -> None:
    """Count a network at many inputs, batches and settings (`--set width=1.0,1.1`): every point is built and
    counted, none is extrapolated. A size that does not build is named with the reason, and the others are shown:
    the exit code is 0, and 2 where none builds. Of very many points only those are kept that are asked for.
    FILE may also be Parquet, or a picture: png, svg, pdf or tikz."""
    from ..errors import UsageError
    from ..show.columns import known_units
    from ..show.scale import name_of, page
    from ..show.writers import FORMATS, PARQUET
    from ..tasks.scale import scale as task
    from ..tasks.space import counts, sides

    if grid and (sample or search):
        raise UsageError(f"`--grid` and `--{'sample' if sample else 'search'}`: one of the two")
    raw, keys = known_units(units) == "raw", names(columns)
    write = Output(output_format, output, (*FORMATS, PARQUET), pictures=True)
    sweeping = bool(where or points or pareto or best or sample or search)
    with running("counting", "points", rate=True) if sweeping else nullcontext() as tick:
        found = task(
            beside.spelled(model), inputs=one_or_named(inputs, sides) or (),
            batches=counts(batches, "--batch "), settings=pairs(settings), vary=pairs(vary, "--vary"),
            sample=sample or 0, seed=seed, latin=latin, search=search or 0, where=where,
            pareto=names(pareto), maximize=names(maximize), best=best or 0, by=by, points=points, resume=resume,
            jobs=jobs, engine=engine, scheduler=scheduler,
            optimizer=trained(train, optimizer), columns=keys, dtype=dtype, results=results, tick=tick,
        )  # fmt: skip
    for point in found.unbuilt:
        say(f"{name_of(point)} does not build and is left out")
    if write.picture:
        from ..show.pictures import image, sweep

        write(image(sweep(found, look), write.picture, look))
    else:
        write(page(found, keys, raw))
