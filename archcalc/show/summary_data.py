"""The data of a summary's JSON. Text and tables do without it, and without a training step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..analysis.counts import Layer, Report, Totals
from ..analysis.memory import held_bytes
from ..analysis.paths import expected
from ..analysis.training import Training, train
from ..documents import SCHEMA
from ..graph import Span
from ..models import Summary
from ..ops.shapes import items
from ..tasks.summary import Pick, lines, word
from .documents import (
    claim_document,
    inputs_document,
    noted,
    outputs_document,
    totals_document,
    training_document,
)
from .reported import reported_too

if TYPE_CHECKING:
    from ..measurement.latency import Latency, Measurement
    from .summary_document import (
        CodeDocument,
        LayerDocument,
        PhaseDocument,
        RowDocument,
        Sometimes,
        SummaryDocument,
        SummaryTotals,
    )


def data(summary: Summary, depth: int = 0, pick: Pick | None = None) -> SummaryDocument:
    """The JSON document; `layers` are all nodes, made one by one, what is picked stands by name under `shown`."""
    report = summary.report
    training = summary.training or (train(report) if report.graph.code is None else None)
    document: SummaryDocument = {
        "schema": SCHEMA,
        "archcalc": __version__,
        "model": summary.model,
        "family": summary.family,
        "variant": summary.variant,
        "title": summary.title,
        "cite": summary.cite,
        "spec": summary.spec,
        "input": report.graph.inputs[0][1],
        "batch": report.batch,
        "dtype": report.dtype,
        "totals": _totals(report.totals, training),
        **_with_heads(report, training),
        **_regime(summary),
        "layers": _layers(report, training, summary.measured),
        "measured": None if summary.measured is None else _runs().described(summary.measured),
        "rows": [_row(summary, span) for span in report.graph.rows],
        "claims": [claim_document(judgement) for judgement in summary.judgements],
        "inputs": inputs_document(report.graph),
        "outputs": outputs_document(report.graph),
        "settings": summary.settings,
        "source": summary.source or None,
        "namesake": summary.namesake or None,
        "counted": summary.counted or None,
        "training": None if training is None else training_document(training),
        **noted(summary.notes),
        **reported_too(summary.reported),
    }
    if pick is not None and pick.active:
        picked = lines(summary, depth, pick)
        document["shown"] = [line.row if line.kind == "row" else line.path for line in picked]
    return document


def _runs() -> Any:
    from ..measurement import runs

    return runs


def _totals(totals: Totals, training: Training | None) -> SummaryTotals:
    step = {"training_memory_bytes": training and training.peak_bytes, "training_macs": training and training.macs}
    return {**totals_document(totals), **step}  # type: ignore[typeddict-item]


def _with_heads(report: Report, training: Training | None) -> Sometimes:
    if report.graph.code is not None:
        return {"code": _code(report)}
    mean = expected(report)
    left: Sometimes = {} if mean is None else {"expected": {**mean._asdict()}}  # type: ignore[typeddict-item]
    if report.totals_with_heads is None or training is None:
        return left
    return {
        **left,
        "totals_with_heads": _totals(report.totals_with_heads, train(report, training.optimizer, heads=True)),
    }


def _regime(summary: Summary) -> Sometimes:
    """A training of many passes."""
    found = summary.regime
    if found is None:
        return {}
    phases: list[PhaseDocument] = [{"name": p.name, "times": p.times, "macs": p.macs} for p in found.phases]
    return {"regime": {"name": found.name, "macs": found.macs, "phases": phases}}


def _code(report: Report) -> CodeDocument:
    """What only code has."""
    code = report.graph.code
    assert code is not None
    return {
        "traced": code.said,
        "flat_peak_memory_bytes": max(held_bytes(report.graph, eager=False)),
        "unused": [param.name for param in code.unused],
        "unknown": list(code.unknown),
        "notes": list(code.notes),
    }


def _layers(report: Report, training: Training | None, measured: Measurement | None) -> Iterator[LayerDocument]:
    labels: list[str] = []
    for span in sorted(report.graph.rows, key=lambda span: span.start):
        labels += [span.label or span.text] * (span.stop - span.start)
    times = measured.layers if measured is not None else ()
    fields = report.receptive_fields
    steps = [*zip(training.backward_macs, training.saved, strict=True)] if training else []  # of the main path
    for index, (layer, label) in enumerate(zip(report.layers, labels, strict=True)):
        step = steps[index] if index < len(steps) else (None, None)
        found = _layer(report, layer, label, fields.pair(index), step, times[index] if index < len(times) else None)
        union = fields.union_apart(index)
        if union is not None:
            found["receptive_field_union"] = union
        yield found


def _layer(
    report: Report,
    layer: Layer,
    label: str,
    seen: tuple[int, int] | None,
    step: tuple[int | None, int | None],
    latency: Latency | None,
) -> LayerDocument:
    node = layer.node
    found: LayerDocument = {
        "path": node.path,
        "op": word(node.op),
        "label": label,
        "where": node.where.where,
        "inputs": node.inputs,
        "output_shape": node.shape,
        "params": layer.params,
        "weights": layer.weights,
        "biases": layer.biases,
        "norm_params": layer.norm_params,
        "norm_stats": layer.norm_stats,
        "macs": layer.macs,
        "flops": layer.flops,
        "activation_bytes": layer.activation_bytes,
        "receptive_field": seen,
        "latency_ms": None if latency is None else _runs().latency(latency),
        "backward_macs": step[0],
        "saved_bytes": step[1],
    }
    if report.graph.code is not None:
        found["call"] = node.op.word
    if layer.active_params != layer.params:
        found["active_params"] = layer.active_params
    if node.items > 1:
        found["items"] = node.items
    if node.head:
        found["head"] = node.head
    if node.shares is not None:
        found["shares"] = report.graph.nodes[node.shares].path
    return found


def _row(summary: Summary, span: Span) -> RowDocument:
    counts, shape = summary.report.subtotal(span), summary.report.graph.shape(span.output)
    measured = None if span.head or summary.measured is None else summary.measured.span(span.start, span.stop)
    found: RowDocument = {
        "name": span.name,
        "label": span.label,
        "text": span.text,
        "where": span.where.where,
        "start": span.start,
        "stop": span.stop,
        "output_shape": shape,
        "params": counts.params,
        "weights": counts.weights,
        "biases": counts.biases,
        "norm_params": counts.norm_params,
        "norm_stats": counts.norm_stats,
        "macs": counts.macs,
        "flops": counts.flops,
        "param_bytes": counts.param_bytes,
        "activation_bytes": counts.activation_bytes,
        "weight_layers": counts.weight_layers,
        "latency_ms": None if measured is None else _runs().latency(measured),
    }
    if counts.active_params != counts.params:
        found["active_params"] = counts.active_params
    if items(shape) > 1:
        found["items"] = items(shape)
    if len(span.outputs) > 1:
        found["output_shapes"] = list(map(summary.report.graph.shape, span.outputs))
    if span.head:
        found["head"] = span.head
    return found
