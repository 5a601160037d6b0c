"""`archcalc fit MODEL --memory SIZE`."""

from typing import Annotated

from typer import Option

from .options import (
    Dtype,
    Format,
    InputSize,
    ModelName,
    Optimizer,
    Output,
    OutputFile,
    Settings,
    Train,
    pairs,
    size,
    trained,
)


def fit(
    model: ModelName,
    memory: Annotated[
        str, Option("--memory", metavar="SIZE", help="How much there is: 4GiB (1024³), 4GB (1000³), 512MiB, …")
    ],
    train: Train = False,
    optimizer: Optimizer = "",
    dtype: Dtype = "float32",
    input_size: InputSize = "",
    settings: Settings = None,
    output_format: Format = "",
    output: OutputFile = "",
) -> int:
    """Find the largest batch whose computed peak fits into a memory, parameters and all.

    Workspace of kernels and what the device keeps for itself are not in it. Exits with 1 where not even one sample
    fits.
    """
    from .. import models as api
    from ..errors import UsageError
    from ..show.fit import Asked, page
    from ..units import read_size

    there = read_size(memory)
    if not there:
        raise UsageError(f"`--memory {memory}` is not a size", "Sizes are written 4GiB (1024³) or 4GB (1000³).")
    write = Output(output_format, output)
    loaded = api.load(model, input=size(input_size), settings=pairs(settings))
    found = loaded.fit(there, trained(train, optimizer), dtype)
    asked = Asked(loaded.name, loaded.input, dtype)
    write(page(asked, found))
    return 0 if found.fits else 1
