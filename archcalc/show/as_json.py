"""A summary as JSON: the contract that other tools rely on. One layer a line, exact numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json import JSONEncoder
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..analysis.counts import Layer, Report
from ..analysis.training import Training, train
from ..documents import SCHEMA
from ..graph import Span
from ..models import Summary
from .documents import claim_document, totals_document, training_document

if TYPE_CHECKING:
    from ..measurement.latency import Latency, Measurement
    from ..measurement.runs import LatencyDocument, MeasurementDocument


def write(found: Iterable[tuple[str, Any]]) -> str:
    """The keys and values of a document, each on a line; the entries of a list on lines of their own."""
    encode = JSONEncoder(ensure_ascii=False, check_circular=False).encode
    parts = []
    for key, value in found:
        if isinstance(value, list):
            items = ",\n  ".join(map(encode, value))
            shown = f"[\n  {items}\n]" if value else "[]"
        else:
            shown = encode(value)
        parts.append(f"{encode(key)}: {shown}")
    return "{" + ",\n".join(parts) + "}\n"


def document(summary: Summary) -> Iterator[tuple[str, Any]]:
    """The keys and values, in order; a list is one of entries that stand on lines of their own."""
    report, measured = summary.report, summary.measured
    inputs = report.graph.inputs
    yield "schema", SCHEMA
    yield "archcalc", __version__
    for key in ("model", "family", "variant", "title", "cite", "spec"):
        yield key, getattr(summary, key)
    yield "input", inputs[0][1]
    yield "batch", report.batch
    yield "dtype", report.dtype
    training = summary.training or train(report)
    yield "totals", {**totals_document(report.totals), **trained(training)}
    if report.totals_with_heads is not None:
        with_heads = train(report, training.optimizer, heads=True)
        yield "totals_with_heads", {**totals_document(report.totals_with_heads), **trained(with_heads)}
    yield "layers", _layers(report, training, measured)
    yield "measured", _measured(measured)
    yield "rows", [_row(summary, span) for span in report.graph.rows]
    yield "claims", [claim_document(judgement) for judgement in summary.judgements]
    yield "inputs", [{"name": name, "shape": shape} for name, shape in inputs]
    yield "settings", summary.settings
    yield "source", summary.source or None
    yield "namesake", summary.namesake or None
    yield "counted", summary.counted or None
    yield "training", training_document(training)


def trained(training: Training) -> dict[str, Any]:
    return {"training_memory_bytes": training.peak_bytes, "training_macs": training.macs}


def _layers(report: Report, training: Training, measured: Measurement | None) -> list[dict[str, Any]]:
    labels: list[str] = []
    for span in sorted(report.graph.rows, key=lambda span: span.start):
        labels += [span.label or span.text] * (span.stop - span.start)
    times = measured.layers if measured is not None else ()
    fields = report.receptive_fields
    steps: list[tuple[int | None, int | None]] = [*zip(training.backward_macs, training.saved, strict=True)]
    steps += [(None, None)] * (len(report.layers) - len(steps))
    return [
        _layer(report, layer, label, fields.pair(index), steps[index], times[index] if index < len(times) else None)
        for index, (layer, label) in enumerate(zip(report.layers, labels, strict=True))
    ]


def _layer(
    report: Report,
    layer: Layer,
    label: str,
    seen: tuple[int, int] | None,
    step: tuple[int | None, int | None],
    latency: Latency | None,
) -> dict[str, Any]:
    node, facts = layer.node, layer.cost
    found = {
        "path": node.path,
        "op": node.op.word,
        "label": label,
        "where": node.where.where,
        "inputs": node.inputs,
        "output_shape": node.shape,
        "params": layer.params,
        "weights": facts.weights,
        "biases": facts.biases,
        "norm_params": facts.norm_params,
        "norm_stats": facts.norm_stats,
        "macs": layer.macs,
        "flops": layer.flops,
        "activation_bytes": layer.activation_bytes,
        "receptive_field": seen,
        "latency_ms": _latency(latency),
        "backward_macs": step[0],
        "saved_bytes": step[1],
    }
    if node.head:
        found["head"] = node.head
    if node.shares is not None:
        found["shares"] = report.graph.nodes[node.shares].path
    return found


def _row(summary: Summary, span: Span) -> dict[str, Any]:
    counts = summary.report.subtotal(span)
    measured = None if span.head or summary.measured is None else summary.measured.span(span.start, span.stop)
    found = {
        "name": span.name,
        "label": span.label,
        "text": span.text,
        "where": span.where.where,
        "start": span.start,
        "stop": span.stop,
        "output_shape": summary.report.graph.shape(span.output),
        **{name: value for name, value in counts.counts().items() if name != "peak_memory_bytes"},
        "latency_ms": _latency(measured),
    }
    if span.head:
        found["head"] = span.head
    return found


def _measured(run: Measurement | None) -> MeasurementDocument | None:
    if run is None:
        return None
    from ..measurement.runs import described

    return described(run)


def _latency(found: Latency | None) -> LatencyDocument | None:
    if found is None:
        return None
    from ..measurement.runs import latency

    return latency(found)
