"""`archcalc scale MODEL --input 128..512/32 --batch 1,8 --set width=1.0,1.1`."""

from typing import TYPE_CHECKING, Annotated

from typer import Option

from .options import Columns, Format, ModelName, Output, OutputFile, Settings, Units, names, pairs

if TYPE_CHECKING:
    from ..tasks.scale import Point


def scale(
    model: ModelName,
    inputs: Annotated[
        str,
        Option("--input", metavar="SIZES", help="Sides of the input, as 128..512/32 or 224,256; or whole: 3x64x96."),
    ] = "",
    batches: Annotated[str, Option("--batch", metavar="NUMBERS", help="Samples, as 1,8 or 1..4.")] = "1",
    settings: Settings = None,
    dtype: Annotated[str, Option("--dtype", metavar="NAME", help="Type of all numbers.")] = "float32",
    columns: Columns = "",
    units: Units = "auto",
    output_format: Format = "",
    output: OutputFile = "",
) -> None:
    """Count a network at many inputs, batches and settings (`--set width=1.0,1.1`): every point is built and
    counted, none is extrapolated. FILE may also be a picture: png, svg or pdf."""
    from ..show.columns import by_names, known_units
    from ..show.scale import columns as all_columns
    from ..show.scale import render

    raw, keys = known_units(units) == "raw", names(columns)
    write = Output(output_format, output, pictures=True)
    points = sweep(model, inputs, batches, settings, dtype)
    if write.picture:
        from ..show.pictures import sweep as picture

        write.draw(lambda: picture(model, points))
        return
    by_names(all_columns(points), keys)
    write(lambda width, color: render(model, points, write.format, width, color, raw, keys))


def sweep(model: str, inputs: str, batches: str, settings: list[str] | None, dtype: str) -> "list[Point]":
    """All points, each built anew. Raises UsageError, SpecError."""
    from .. import models as api
    from ..language.zoo import resized
    from ..tasks.scale import Point, counts, grid, shown, values

    printed = api.load(model)
    shapes: list[tuple[int, ...] | None] = [None]
    if inputs:
        shapes = []
        for part in inputs.split(","):
            whole = part.lower().replace("×", "x")
            sizes = (
                [tuple(int(n) for n in whole.split("x"))] if "x" in whole and whole.replace("x", "").isdigit() else None
            )
            shapes += [resized(printed.input, size) for size in sizes or [(n,) for n in counts(part, "--input")]]
    varied = {name: [shown(v) for v in values(text, f"--set {name}")] for name, text in pairs(settings).items()}
    found = []
    for shape, batch, chosen in grid(shapes, counts(batches, "--batch"), varied):
        built = api.load(model, input=shape, settings=chosen)
        found.append(Point(built.input, batch, chosen, built.report(batch, dtype)))
    return found
