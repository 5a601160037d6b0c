"""The JSON document of a summary: the contract that other tools rely on.

It stands apart from what fills it, as only type checkers and `schemas/` read it: a static summary starts without.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NotRequired, TypedDict

from ..documents import VERSION, WRITER, Count, Dtype, FilePlace, Natural, Positive, Sizes, Version, Word
from ..measurement.runs import LatencyDocument, MeasurementDocument
from .documents import (
    INPUTS,
    OUTPUTS,
    ClaimDocument,
    CountsDocument,
    InputDocument,
    Itemed,
    Noted,
    OfSeveral,
    OutputDocument,
    OutputShape,
    TotalsDocument,
    TrainingDocument,
)
from .reported import ReportedToo

Field = tuple[Positive, Positive]


class SummaryTotals(TotalsDocument):
    """The sums, with what a training step takes."""

    training_memory_bytes: Annotated[
        Count | None, "The largest sum of live tensors in a training step, parameters and all; null of code."
    ]
    training_macs: Annotated[Count | None, "The MACs of the forward and the backward pass; null of code."]


class CodeDocument(TypedDict):
    """What a network of code has beside its counts."""

    traced: Annotated[str, "How it was traced: on which device, with which torch."]
    flat_peak_memory_bytes: Annotated[
        Count, "What the peak would be if every tensor were freed after its last use; the other is what the code holds."
    ]
    unused: Annotated[list[str], "The parameters that nothing reads; they are in the totals, and in no layer."]
    unknown: Annotated[list[str], "Operators that no rule counts: with any, every total is a lower bound."]
    notes: Annotated[list[str], "What the run showed that is not as usual."]


class PhaseDocument(TypedDict):
    """A part of a training of many passes."""

    name: Annotated[str, "What is done."]
    times: Annotated[Positive, "How often."]
    macs: Annotated[Count, "The MACs of each time."]


class RegimeDocument(TypedDict):
    """A training of which a step is many passes."""

    name: Annotated[str, "What it is: PGD, or a GAN's round."]
    macs: Annotated[Count, "The MACs of all of it."]
    phases: Annotated[list[PhaseDocument], "Its parts."]


class ExpectedDocument(TypedDict):
    """What runs in training on average, where branches are left out at random."""

    branches: Annotated[float, "How many branches run."]
    of: Annotated[Positive, "How many there are."]
    weight_layers: Annotated[float, "The weight layers on the longest path."]
    macs: Annotated[float, "The MACs of the forward pass."]


class Sometimes(TypedDict):
    """The keys that not every summary has: only one of a network with heads, or of which not all is shown."""

    totals_with_heads: NotRequired[Annotated[SummaryTotals, "The same with the heads, where there are some."]]
    shown: NotRequired[list[str]]
    code: NotRequired[CodeDocument]
    expected: NotRequired[ExpectedDocument]
    regime: NotRequired[RegimeDocument]


class _LayerPlace(Itemed):
    """The place of a node."""

    path: Annotated[str, "The unique name of the node; also its name in the torch network."]
    op: Annotated[Word | None, "The word of the spec language for what the node does; null of code that has none."]
    call: NotRequired[Annotated[str, "The name of torch's operator; absent of a spec."]]
    label: Annotated[str, "Its row's label as printed, or name, or cell."]
    where: Annotated[FilePlace, "The place in the spec: file:line:column."]
    inputs: Annotated[
        tuple[int, ...], "What the node reads: indices of earlier layers; −1, −2, … are the network's inputs."
    ]
    output_shape: OutputShape


class LayerDocument(_LayerPlace, CountsDocument):
    """A node with its counts."""

    activation_bytes: Annotated[Count, "The bytes newly allocated for outputs; 0 for views and what works in place."]
    receptive_field: Annotated[
        Field | None,
        "Input positions that an element sees at most, on its shortest path and on all; null if unbounded or of many.",
    ]
    receptive_field_union: NotRequired[
        Annotated[
            Positive,
            "The field of all places together, as r + (k − 1)·j gives it; absent where it is no other.",
        ]
    ]
    latency_ms: Annotated[LatencyDocument | None, "The latency in milliseconds; null where nothing was measured."]
    backward_macs: Annotated[Count | None, "The MACs of the layer's backward pass; null for layers of heads."]
    saved_bytes: Annotated[
        Count | None, "What the layer is the first to save for the backward pass; null for layers of heads."
    ]
    head: NotRequired[Annotated[str, "The head that this belongs to; on the main path the key is absent."]]
    shares: NotRequired[
        Annotated[str, "The layer whose parameters this one works with, where they are counted; else absent."]
    ]


class _RowPlace(Itemed):
    """The place of a row."""

    name: Annotated[str, "The name by which `rows:`, `heads:` and `errata:` of the spec call the row."]
    label: Annotated[str, "The row's label as printed, else the name that the spec gives it."]
    text: Annotated[str, "The cell of the table that the row was read from; of a list or an overlay its line in short."]
    where: Annotated[FilePlace, "The place in the spec: file:line:column."]
    start: Annotated[Natural, "The index of the row's first layer."]
    stop: Annotated[Natural, "The index behind the row's last layer."]
    output_shape: OutputShape


class RowDocument(_RowPlace, CountsDocument, OfSeveral):
    """A row of the paper's table: a run of layers, and their sums."""

    param_bytes: Annotated[Count, "The parameters in bytes."]
    activation_bytes: Annotated[Count, "The bytes newly allocated for outputs; 0 for views and what works in place."]
    weight_layers: Annotated[
        Count, "The largest number of convolutions and fully connected layers on a path from input to output."
    ]
    latency_ms: Annotated[LatencyDocument | None, "The latency in milliseconds; null where nothing was measured."]
    head: NotRequired[Annotated[str, "The head that this belongs to; on the main path the key is absent."]]


class SummaryDocument(Noted, ReportedToo):
    """What `archcalc summary MODEL --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    model: Annotated[str, "The name by which the network was asked for."]
    family: Annotated[str, "The name of the spec's family."]
    variant: Annotated[str, "The variant as the paper prints it."]
    title: Annotated[str, "The title of the paper."]
    cite: Annotated[str, "Where the paper stands, as the spec cites it."]
    spec: Annotated[str, "The spec file."]
    input: Annotated[Sizes, "The shape of the first input, channels first, without the batch."]
    batch: Annotated[Positive, "The number of samples that MACs, FLOPs, bytes and latency are for."]
    dtype: Annotated[Dtype, "The type of all numbers, on which bytes depend."]
    totals: Annotated[SummaryTotals, "The sums over the main path, and its peak memory."]
    totals_with_heads: NotRequired[Annotated[SummaryTotals, "The same with the heads, where there are some."]]
    layers: Annotated[
        Iterable[LayerDocument], "All nodes of the network in execution order, those of heads behind the main path."
    ]
    measured: Annotated[MeasurementDocument | None, "The measurement, null where nothing was measured."]
    rows: Annotated[list[RowDocument], "The rows of the paper's table, each a run of layers."]
    claims: Annotated[list[ClaimDocument], "The printed figures about this network and the verdicts on them."]
    inputs: Annotated[list[InputDocument], (("minItems", 1),), INPUTS]
    outputs: Annotated[list[OutputDocument], (("minItems", 1),), OUTPUTS]
    settings: Annotated[dict[str, str], "The constants that were set by hand, as they were given."]
    source: Annotated[str | None, "What the layers quote, such as Table 1; null where they quote no table."]
    namesake: Annotated[str | None, "Which network this is, where another goes by its name; else null."]
    counted: Annotated[
        str | None, "How it is counted where that is not as usual: as another tool does, or folded; else null."
    ]
    training: Annotated[TrainingDocument | None, "What a training step of the main path takes, by kind; null of code."]
    code: NotRequired[Annotated[CodeDocument, "What only a network of code has; absent of a spec."]]
    regime: NotRequired[Annotated[RegimeDocument, "A training of many passes, where one is asked for; else absent."]]
    expected: NotRequired[
        Annotated[ExpectedDocument, "What runs in training on average; absent where no branch is left out."]
    ]
    shown: NotRequired[
        Annotated[list[str], "What `--sort`, `--top` and `--only` pick, by row or path, in their order."]
    ]
