"""`archcalc scale MODEL --input 128..512/32 --batch 1,8 --set width=1.0,1.1`."""

from typing import Annotated

from typer import Option

from .options import (
    Columns,
    Dtype,
    Format,
    ModelName,
    Output,
    OutputFile,
    Results,
    Settings,
    Units,
    names,
    one_or_named,
    pairs,
    say,
    spelled,
)


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
    dtype: Dtype = "float32",
    results: Results = "",
    columns: Columns = "",
    units: Units = "auto",
    output_format: Format = "",
    output: OutputFile = "",
) -> None:
    """Count a network at many inputs, batches and settings (`--set width=1.0,1.1`): every point is built and
    counted, none is extrapolated. A size that does not build is named with the reason, and the others are shown:
    the exit code is 0, and 2 where none builds. FILE may also be a picture: png, svg or pdf."""
    from ..show.columns import known_units
    from ..show.scale import name_of, page
    from ..tasks.scale import counts, sides, values
    from ..tasks.scale import scale as task

    raw, keys = known_units(units) == "raw", names(columns)
    write = Output(output_format, output, pictures=True)
    varied = {name: values(text, f"--set {name}") for name, text in pairs(settings).items()}
    found = task(
        spelled(model),
        inputs=one_or_named(inputs, sides) or (),
        batches=counts(batches, "--batch"),
        settings=varied,
        dtype=dtype,
        results=results,
    )
    for point in found.unbuilt:
        say(f"{name_of(point)} does not build and is left out")
    if write.picture:
        from ..show.pictures import image, sweep

        write(image(sweep(found.model, found.points), write.picture))
    else:
        write(page(found, keys, raw))
