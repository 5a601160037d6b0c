"""`archcalc fit MODEL --memory SIZE`."""

from typing import Annotated

from typer import Option

from . import options


@options.coded
def fit(
    model: options.ModelName,
    memory: Annotated[
        str, Option("--memory", metavar="SIZE", help="How much there is: 4GiB (1024³), 4GB (1000³), 512MiB, …")
    ],
    train: options.Train = False,
    optimizer: options.Optimizer = "",
    dtype: options.Dtype = "float32",
    input_size: options.InputSize = None,
    settings: options.Settings = None,
    output_format: options.Format = "",
    output: options.OutputFile = "",
    *,
    beside: options.Beside,
) -> int:
    """Find the largest batch whose computed peak fits into a memory, parameters and all.

    Workspace of kernels and what the device keeps for itself are not in it. Exits with 1 where not even one sample
    fits."""
    from ..show.fit import page
    from ..tasks.fit import fit as fitted

    write = options.Output(output_format, output)
    trained, shape = options.trained(train, optimizer), options.size(input_size)
    asked = beside.spelled(model)
    found = fitted(asked, memory, optimizer=trained, dtype=dtype, input=shape, settings=options.pairs(settings))
    write(page(found))
    return 0 if found.fit.fits else 1
