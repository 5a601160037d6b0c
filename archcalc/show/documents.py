"""What the JSON documents have in common: types whose bounds the schemas say, and sentences about shared keys.

A document is declared once, as a TypedDict beside the function that fills it: a type checker holds the function to
it, and `schemas/` makes the JSON Schema of it, with the sentence at each field. Keys may be added to a document; a
change of meaning is another version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from ..ops.base import LIMIT

if TYPE_CHECKING:
    from ..analysis.training import Training

SCHEMA: Version = 1
VERSION = "The version of this form; keys may be added without changing it."
WRITER = "The version of archcalc that wrote it."

# Pairs in a tuple are what a JSON Schema says beside the type.
Version = Literal[1]
Count = Annotated[int, (("minimum", 0), ("maximum", LIMIT))]
Positive = Annotated[int, (("minimum", 1),)]
Natural = Annotated[int, (("minimum", 0),)]
Milliseconds = Annotated[float, (("minimum", 0),)]
Sizes = tuple[Positive, ...]
Place = Annotated[str, (("pattern", r":\d+:\d+$"),)]  # file:line:column
Dtype = str
Optimizer = str
Phase = Literal["forward", "backward", "step"]


class TrainingDocument(TypedDict):
    """What a training step of the main path takes, by kind."""

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


def training_document(training: Training) -> TrainingDocument:
    """What a training step takes, by kind and, of saved activations, by op; and where the most is held."""
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
