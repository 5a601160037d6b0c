"""`archcalc explain MODEL [LAYER]` and `archcalc explain OP`."""

import sys
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from . import completion as complete
from .options import InputSize, Output, OutputFile, Settings, pairs, size

if TYPE_CHECKING:
    from ..models import Model
    from ..tasks.explain import NetworkFacts, NodeFacts, SpanFacts


def explain(
    name: Annotated[
        str,
        Argument(
            metavar="MODEL|OP",
            help="A model as for `summary`; or a word of the spec language, as conv.",
            autocompletion=complete.models_and_ops,
        ),
    ],
    layer: Annotated[
        str,
        Argument(
            metavar="[LAYER]",
            help="A row, block or op by its name, or a part of the name that only it has.",
        ),
    ] = "",
    source: Annotated[bool, Option("--source", help="Print the code of an op's rules.")] = False,
    input_size: InputSize = "",
    settings: Settings = None,
    output_format: Annotated[
        str,
        Option(
            "--format",
            metavar="FORMAT",
            help="Write text, json or markdown; text, or what FILE's suffix says, unless given.",
            autocompletion=complete.formats_of_texts,
        ),
    ] = "",
    output: OutputFile = "",
) -> None:
    """Write out the arithmetic: why an op gives this shape and costs what it does, of what a row is the sum, where
    the memory peaks. At batch 1 in float32.

    With the name of an op: what it does, and its rules with an example. A model of the same name goes first.
    """
    from ..errors import UsageError
    from ..show.explain import FORMATS, render
    from ..tasks.explain import Network, explain_network, explain_op, explain_spans, find
    from ..tasks.explain import source as code

    write = Output(output_format, output, FORMATS)
    if is_op(name):
        if layer:
            raise UsageError(f"`{name}` is an op: it has no layer `{layer}`")
        if source:
            from ..show.source import render as highlight

            write(lambda width, color: highlight(code(name), "python", color))
            return
        facts = explain_op(name)
        write(lambda width, color: render(facts, None, None, write.format, width, color))
        return
    if source:
        raise UsageError("`--source` prints an op's rules", "For example `archcalc explain conv --source`.")
    model = load(name, size(input_size), pairs(settings))
    summary = model.summary()
    network = Network(summary.report)
    found = find(network.graph, layer) if layer else None
    explained: NodeFacts | SpanFacts | NetworkFacts
    if found is None:
        explained = explain_network(network, summary.judgements)
    elif isinstance(found, int):
        explained = network.node(found)
    else:
        explained = explain_spans(network, found, summary.judgements)
    write(lambda width, color: render(explained, network, summary, write.format, width, color))


def is_op(name: str) -> bool:
    """Whether an op is meant: its word, where no model and no family is called so."""
    from ..ops import OPS

    if name not in OPS:
        return False
    if name not in complete.known():
        return True
    print(f"`{name}` is a model here, and an op too", file=sys.stderr)
    return False


def load(name: str, shape: tuple[int, ...] | None, settings: dict[str, str]) -> "Model":
    """The model; where there is none, say that it is no op either. Raises UsageError, SpecError."""
    from .. import models as api
    from ..errors import UsageError, did_you_mean
    from ..ops import OPS

    try:
        return api.load(name, input=shape, settings=settings)
    except UsageError as error:
        if error.message != f"no model is called `{name}`":
            raise
        near = did_you_mean(name, [*sorted(complete.known()), *OPS])
        raise UsageError(f"`{name}` is neither a model nor an op", near or error.hint) from None
