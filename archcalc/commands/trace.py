"""`archcalc trace CODE -o net.json`."""

import sys
from typing import Annotated

from typer import Argument, Option

from . import options


@options.coded
def trace(
    code: Annotated[
        str,
        Argument(metavar="CODE", help="my.py:Net, package.module:make, torchvision:resnet50, timm:…, transformers:…"),
    ],
    output: Annotated[
        str, Option("--output", "-o", metavar="FILE", help="The trace, net.json unless given.")
    ] = "net.json",
    batch: Annotated[int, Option("--batch", metavar="N", min=1, help="Samples in the batch that is run.")] = 1,
    dtype: options.Dtype = "float32",
    input_size: options.InputSize = None,
    *,
    beside: options.Beside,
) -> None:
    """Run a torch module once, without computing anything, and write down what it did: a file that every command reads
    as it reads a spec, without torch.

    It holds calls, shapes and places in files, no weights and no source text."""
    from ..analysis.counts import analyse
    from ..errors import printable
    from ..tasks.trace import trace as task

    asked = beside.spelled(code)
    found = task(asked, output, batch=batch, dtype=dtype, input=options.size(input_size))
    totals = analyse(found.graph, batch, dtype).totals
    print(f"{printable(code)}: {len(found.traced.calls):,} calls, {totals.params:,} params, {totals.macs:,} MACs")
    print(f"wrote {printable(output)}; try\n  archcalc summary {printable(output)}", file=sys.stderr)
