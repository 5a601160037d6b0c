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
    from ..show.fit import page
    from ..tasks.fit import fit as fitted

    write = Output(output_format, output)
    found = fitted(
        model,
        memory,
        optimizer=trained(train, optimizer),
        dtype=dtype,
        input=size(input_size),
        settings=pairs(settings),
    )
    write(page(found))
    return 0 if found.fit.fits else 1
