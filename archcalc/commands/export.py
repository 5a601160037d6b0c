"""`archcalc export MODEL -o spec.yaml`."""

import sys
from typing import Annotated

from typer import Option

from . import options


@options.coded
def export(
    model: options.ModelName,
    output: Annotated[
        str, Option("--output", "-o", metavar="FILE", help="Write to FILE, a .yaml; else the spec is printed.")
    ] = "",
    input_size: options.InputSize = None,
    *,
    beside: options.Beside,
) -> None:
    """Write a network as a spec: a torch module, a trace of one, or any model. What repeats is a block.

    It is read back and held against the network, node by node: what a spec has no word for is an error."""
    from ..errors import printable
    from ..tasks.export import export as task

    asked = beside.spelled(model)
    found = task(asked, output, input=options.size(input_size))
    if found.path is None:
        print(found.text, end="")
        return
    lines, nodes = found.text.count("\n"), found.graph.main
    print(f"{printable(model)}: {nodes:,} nodes in {lines:,} lines, read back and equal node by node")
    shown = printable(output)
    shown = shown if len(found.path.parts) > 1 else f"./{shown}"
    print(f"wrote {printable(output)}; try\n  archcalc summary {shown}", file=sys.stderr)
