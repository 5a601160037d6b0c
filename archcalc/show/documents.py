"""Parts that several JSON documents have: the sums of a network, what a training step of it takes, and its claims.

Its annotations are no texts, as a TypedDict compiles these one by one when it is imported.
"""

from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict, cast

from ..analysis.training import OPTIMIZERS, Phase
from ..documents import Count, FilePlace, Natural, Positive, Sizes
from ..language.columns import CLAIM_METRICS, COUNTS, WITH_HEADS
from ..ops import KINDS, Shape
from ..ops.shapes import items
from ..papers.claims import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..analysis.counts import Totals
    from ..analysis.training import Training
    from ..graph import Graph
    from ..papers.claims import Judgement

Optimizer = Annotated[str, (("enum", tuple(OPTIMIZERS)),)]

Metric = Annotated[str, (("enum", (*CLAIM_METRICS, *(f"{metric}{WITH_HEADS}" for metric in COUNTS))),)]


def _kinds() -> dict[str, Any]:
    """The properties of a schema for element-wise operations, by kind, each with what one unit is."""
    return {k: {"description": f"{said.capitalize()}.", "type": "integer", "minimum": 0} for k, said in KINDS.items()}


Elementwise = Annotated[dict[str, Natural], (("properties", _kinds),)]


OutputShape = Annotated[
    Sizes, "The shape of the output, channels first, without the batch; of a sequence tokens and width."
]


class Itemed(TypedDict):
    """What stands beside a shape."""

    items: NotRequired[Annotated[Positive, "How many items of this shape there are, where there are several."]]


def itemed(shape: Shape) -> Itemed:
    """The number of items beside a shape; nothing where it is one."""
    return {"items": items(shape)} if items(shape) > 1 else {}


INPUTS = "All inputs of the network by name."
OUTPUTS = "All outputs of the network, those of heads behind the others."


class InputDocument(TypedDict):
    """An input of the network."""

    name: Annotated[str, "The name of the input in the spec."]
    shape: Annotated[Sizes, "The shape, channels first, without the batch."]


class SeveralInputs(TypedDict):
    """What has one input or several."""

    inputs: NotRequired[Annotated[list[InputDocument], "All inputs of the network by name; absent where there is one."]]


class OutputDocument(Itemed):
    """An output of the network."""

    name: Annotated[str, "The node that gives it, or the input."]
    shape: Annotated[Sizes, "The shape, channels first, without the batch."]
    head: NotRequired[Annotated[str, "The head whose output it is; on the main path the key is absent."]]


class OfSeveral(TypedDict):
    """What has one output or several."""

    output_shapes: NotRequired[Annotated[list[Sizes], "The shapes of all outputs; absent where there is one."]]


class Noted(TypedDict):
    """What is shown of a network."""

    notes: NotRequired[
        Annotated[list[str], "What makes it another network than it seems, a sentence each; absent where nothing does."]
    ]


def noted(notes: "Iterable[str]") -> Noted:
    """The notes, where there are some."""
    return {"notes": [*notes]} if notes else {}


def several_inputs(graph: "Graph") -> "SeveralInputs":
    """The inputs by name, where there are several."""
    return {"inputs": inputs_document(graph)} if len(graph.inputs) > 1 else {}


def inputs_document(graph: "Graph") -> list[InputDocument]:
    """The inputs by name."""
    return [{"name": name, "shape": shape} for name, shape in graph.inputs]


def outputs_document(graph: "Graph") -> list[OutputDocument]:
    """The outputs of the main path, and then those of heads."""
    return [_output(graph, value, head) for head, value in (*(("", v) for v in graph.outputs), *graph.head_outputs)]


def _output(graph: "Graph", value: int, head: str) -> OutputDocument:
    name = graph.nodes[value].path if value >= 0 else graph.inputs[-1 - value][0]
    found: OutputDocument = {"name": name, "shape": graph.shape(value)}
    if items(graph.shape(value)) > 1:
        found["items"] = items(graph.shape(value))
    if head:
        found["head"] = head
    return found


class CountsDocument(TypedDict):
    """Counts of a node, or sums over nodes."""

    params: Annotated[Count, "Weights, biases and parameters of normalisations; shared ones count once."]
    active_params: NotRequired[
        Annotated[Count, "The parameters that a token works with, where these are not all: those of some experts only."]
    ]
    weights: Annotated[Count, "Weights; class tokens, positions and embeddings are among them."]
    biases: Annotated[Count, "Biases."]
    norm_params: Annotated[Count, "Scale and shift of normalisations."]
    norm_stats: Annotated[Count, "Running means and variances; never in params."]
    macs: Annotated[Count, "Multiply–accumulates of convolutions, fully connected layers and matrix products."]
    flops: Annotated[Count, "Twice the MACs."]


class TotalsDocument(CountsDocument):
    """Sums over nodes: of the whole batch, but for parameters."""

    param_bytes: Annotated[Count, "The parameters in bytes."]
    activation_bytes: Annotated[Count, "The bytes newly allocated for outputs; 0 for views and what works in place."]
    peak_memory_bytes: Annotated[
        Count, "The largest sum of live tensors in an inference that frees each at its last use."
    ]
    weight_layers: Annotated[
        Count, "The largest number of convolutions, fully connected and recurrent layers on a path to an output."
    ]
    elementwise: Annotated[Elementwise, "Operations that are no MACs, by kind."]


def totals_document(totals: "Totals") -> TotalsDocument:
    """The sums by name."""
    found = totals.counts()
    if totals.active_params == totals.params:
        del found["active_params"]
    return cast("TotalsDocument", {**found, "elementwise": totals.elementwise})


class TrainingDocument(TypedDict):
    """Memory and MACs of a training step of the main path."""

    optimizer: Annotated[Optimizer, "The optimiser that the state is for."]
    param_bytes: Annotated[Count, "Parameters, in bytes."]
    stat_bytes: Annotated[Count, "Running statistics of norms, in bytes."]
    gradient_bytes: Annotated[Count, "Gradients of the parameters, in bytes."]
    optimizer_bytes: Annotated[Count, "What the optimiser holds between steps, in bytes."]
    input_bytes: Annotated[Count, "The network's inputs, in bytes."]
    saved_bytes: Annotated[Count, "What is saved for the backward pass, in bytes, inputs and parameters not counted."]
    saved_bytes_by_op: Annotated[dict[str, Count], "The same by op."]
    peak_bytes: Annotated[Count, "The largest sum of live tensors in the step, parameters and all."]
    phase: Annotated[Phase, "Where the most is held: in the forward or the backward pass, or in the optimiser's step."]
    at: Annotated[str | None, "The node that runs then; null in the optimiser's step."]
    macs: Annotated[Count, "Multiply-accumulates of the forward and the backward pass."]


def training_document(training: "Training") -> TrainingDocument:
    """Memory of a training step in bytes by kind, of saved activations also by op; its MACs, and where it peaks."""
    return {
        "optimizer": training.optimizer,
        "param_bytes": training.param_bytes,
        "stat_bytes": training.stat_bytes,
        "gradient_bytes": training.gradient_bytes,
        "optimizer_bytes": training.optimizer_bytes,
        "input_bytes": training.input_bytes,
        "saved_bytes": training.saved_bytes,
        "saved_bytes_by_op": training.saved_by_op(),
        "peak_bytes": training.peak_bytes,
        "phase": training.phase,
        "at": training.node.path if training.node is not None else None,
        "macs": training.macs,
    }


class ClaimDocument(TypedDict):
    """A printed figure with its verdict."""

    row: Annotated[str | None, "The row that the figure is printed for; null where it is the whole network's."]
    figure: Annotated[str, "What the document calls the figure."]
    metric: Annotated[Metric, "What archcalc computes for it."]
    printed: Annotated[str, "The figure as it is printed."]
    computed: Annotated[Natural | Sizes, "What archcalc computed, in base units; a size in the printed order."]
    verdict: Annotated[Verdict, "Whether the printed figure holds, and how."]
    reading: Annotated[str | None, "The counting term that the spec says the figure needs, else null."]
    erratum: Annotated[str | None, "The note of the erratum that the figure stands under, else null."]
    source: Annotated[str, "Where the figure is printed, as the spec says it."]
    where: Annotated[FilePlace, "The place in the spec: file:line:column."]
    proposal: NotRequired[Annotated[str, "A reading that is not declared, under which it holds; absent without one."]]


def claim_document(judgement: "Judgement") -> ClaimDocument:
    """A printed figure with its verdict."""
    claim, erratum = judgement.claim, judgement.erratum
    found: ClaimDocument = {
        "row": claim.row or None,
        "figure": claim.heading.value,
        "metric": claim.metric,
        "printed": claim.printed.value,
        "computed": judgement.computed,
        "verdict": judgement.verdict,
        "reading": str(claim.reading) or None,
        "erratum": " ".join(erratum.note.value.split()) if erratum is not None else None,
        "source": claim.source,
        "where": claim.printed.where,
    }
    if judgement.proposal:
        found["proposal"] = judgement.proposal
    return found
