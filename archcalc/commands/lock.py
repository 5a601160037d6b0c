"""`archcalc lock MODEL …`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from . import options
from .options import progress, say

SAID = {"params": "params", "macs": "MACs", "nodes": "nodes"}


@options.coded
def lock(
    models: Annotated[
        list[str],
        Argument(
            metavar="MODEL|FAMILY|PATTERN|PATH ...",
            help="Models, or all of a family, a pattern or a spec file: resnet50, vgg, 'vgg*', net.yaml; traces; code.",
            autocompletion=complete.models_and_families,
        ),
    ],
    output: Annotated[
        str, Option("--output", "-o", metavar="FILE", help="The lock, archcalc.lock unless given.")
    ] = "archcalc.lock",
    rows: Annotated[
        bool,
        Option(
            "--rows", help="A line for each row of the paper's table, with a digest of its nodes, not for each node."
        ),
    ] = False,
    input_size: options.InputSize = None,
    *,
    beside: options.Beside,
) -> None:
    """Write what matters of models to a lock, as text to review: totals, and a line for each node.

    A lock that is there keeps its other models and its budgets; models that it has are locked anew."""
    from ..errors import printable
    from ..networks import Spelled
    from ..tasks.lock import lock as task

    asked = beside.spelled_all(models, input_size)
    with progress("locking", "models") as tick:
        written = task(*asked, path=output, by_rows=rows, tick=tick)
    for model in written.models:
        counts = [f"{model.entry.totals[name]:,} {said}" for name, said in SAID.items()]
        print(f"{model.state} {printable(model.entry.model)}: {', '.join(counts)}")
    code = "".join(f" {model}" for model in asked if isinstance(model, Spelled))
    say(f"wrote {printable(output)}; try\n  archcalc check {printable(output)}{printable(code + beside.text)}")
