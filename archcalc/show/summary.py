"""A network row by row: its table, its totals, the claims that fail, and what each number means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..analysis.counts import Layer, Report, Totals
from ..analysis.receptive import receptive_fields
from ..analysis.training import Training, train
from ..documents import SCHEMA
from ..errors import UsageError, did_you_mean
from ..graph import Span
from ..models import Summary
from ..ops.base import show
from ..tasks import summary as rows
from ..tasks.summary import Line, Pick
from . import sentences
from .columns import Column, Value, as_is, binary, decimal, exact, percent, size, sizes, time, words
from .documents import claim_document, totals_document, training_document
from .page import Block, Branch, Fact, Facts, Gap, Heading, Note, Page, Prose, Table, Tree
from .pieces import ACCENT, DIM, LOUD, PLAIN

if TYPE_CHECKING:
    from ..measurement.latency import Latency, Measurement
    from .summary_document import LayerDocument, Picked, RowDocument, SummaryDocument, SummaryTotals, WithHeads


# --- the columns --------------------------------------------------------------------------------------------------


def _latency(part: str) -> Callable[[Line], Value]:
    return lambda line: None if line.latency is None else getattr(line.latency, part)


def _count(name: str) -> Callable[[Line], Value]:
    return lambda line: getattr(line.counts, name)


COLUMNS = (
    Column("kind", lambda line: line.kind),
    Column("depth", lambda line: line.depth),
    Column("row", lambda line: line.row),
    Column("path", lambda line: line.path),
    Column("label", lambda line: line.label),
    Column("name", lambda line: line.name),
    Column("head", lambda line: line.head),
    Column("where", lambda line: line.where),
    Column("output_shape", lambda line: None if line.shape is None else size(line.shape), "output", "output", words),
    Column("params", _count("params"), "params", "params", exact),
    Column("weights", _count("weights")),
    Column("biases", _count("biases")),
    Column("norm_params", _count("norm_params")),
    Column("norm_stats", _count("norm_stats")),
    Column("macs", _count("macs"), "MACs", "MACs", decimal),
    Column("flops", _count("flops")),
    Column("activation_bytes", _count("activation_bytes"), "activation", "activ.", binary),
    Column("receptive_field_min", lambda line: None if line.fields is None else line.fields.least(line.value)),
    Column("receptive_field_max", lambda line: None if line.fields is None else line.fields.most(line.value)),
    Column("receptive_field_stride", lambda line: _geometry(line, "stride")),
    Column("receptive_field_offset", lambda line: _geometry(line, "offset")),
    Column("latency_ms_median", _latency("median"), "latency", "latency", time),
    Column("latency_ms_iqr", _latency("iqr")),
    Column("latency_runs", _latency("runs")),
    Column("shares", lambda line: line.shares),
)
# For people only, made of numbers that other columns hold.
SPREAD = Column("spread", lambda line: _spread(line.latency), "IQR", "IQR", percent, spare=True)


def _spread(latency: Latency | None) -> float | None:
    """The inter-quartile range in percent of the median; None where there are no runs to compare."""
    return 100 * latency.iqr / latency.median if latency and latency.runs > 1 and latency.median else None


def _geometry(line: Line, name: str) -> Value:
    """The stride or offset of a line's receptive field, of all its axes where they differ: `16×8`."""
    found = [] if line.fields is None else [getattr(axis, name) for axis in line.fields[line.value]]
    if not found or None in found:
        return None
    if len(set(found)) == 1 and isinstance(found[0], int):
        return found[0]
    return "×".join(map(show, found[:1] if len(set(found)) == 1 else found))


# How columns are shown that stand only where they are asked for; others as they are.
ASKED = {
    "flops": Column("", _count(""), "FLOPs", "FLOPs", decimal),
    "receptive_field_min": Column("", _count(""), "least field", "least", sizes),
    "receptive_field_max": Column("", _count(""), "field", "field", sizes),
    "receptive_field_stride": Column("", _count(""), "stride", "stride", sizes),
    "receptive_field_offset": Column("", _count(""), "offset", "offset", sizes),
    "latency_ms_iqr": Column("", _count(""), "IQR", "IQR", time),
}


def chosen(names: Sequence[str]) -> list[Column]:
    """The columns of these names, in their order, each by its whole name or by how several begin: `receptive_field`.

    Raises UsageError where there is none.
    """
    found: list[Column] = []
    for name in names:
        there = [column for column in COLUMNS if column.name == name]
        there = there or [column for column in COLUMNS if column.name.startswith(f"{name}_")]
        if not there:
            known = [column.name for column in COLUMNS]
            raise UsageError(f"there is no column `{name}`", did_you_mean(name, known))
        for column in there:
            if column.show is None:
                like = ASKED.get(column.name)
                heading = like.heading if like else column.name.replace("_", " ")
                show = like.show if like else exact
                column = Column(column.name, column.value, heading, like.short if like else heading, show)
            found += [] if column.name in {other.name for other in found} else [column]
    return found


def columns(summary: Summary, pick: Pick | None = None) -> list[Column]:
    """The columns that people see: those that were asked for, else the usual ones, of latency where it was measured."""
    if pick is not None and pick.columns:
        found = chosen(pick.columns)
    elif summary.measured is None:
        found = [column for column in COLUMNS if column.show and not column.name.startswith("latency")]
    else:
        found = [*(column for column in COLUMNS if column.show), *([SPREAD] if summary.measured.runs > 1 else [])]
    return [as_is(column) for column in found] if pick is not None and pick.raw else found


# --- the page -----------------------------------------------------------------------------------------------------


def page(summary: Summary, depth: int = 0, pick: Pick | None = None) -> Page:
    """The rows opened `depth` levels, or what is picked of them; an opened line comes before its parts, and is their
    sum. Csv has the lines without the totals, JSON all nodes."""

    def table() -> Table:
        chosen_columns = chosen(("row", "name", *pick.columns)) if pick is not None and pick.columns else COLUMNS
        return Table(chosen_columns, rows.lines(summary, depth, pick))

    title = sentences.clean(summary.model)
    return Page(title, lambda: blocks(summary, depth, pick), lambda: data(summary, depth, pick), table)


def blocks(summary: Summary, depth: int = 0, pick: Pick | None = None, level: int = 1) -> Iterator[Block]:
    """All that is said about a network, below a heading of this level."""
    notes = sentences.Notes()
    yield from heading(summary, level)
    yield Gap()
    yield table(summary, columns(summary, pick), depth, pick, notes)
    yield Gap()
    shown = sentences.shown(summary, depth, pick)
    facts = [*([("shown", shown)] if shown else []), *sentences.facts(summary), ("claims", sentences.verdict(summary))]
    whole = notes.failures(judgement for judgement in summary.judgements if not judgement.claim.row)
    yield Facts(
        [
            *(Fact(label, text) for label, text in facts),
            *(_failure(failure) for failure in whole),
            *(Fact(mark, note, DIM, DIM) for mark, note in notes.numbered()),
        ]
    )
    yield Gap()
    yield Facts([Fact(label, text, DIM, DIM) for label, text in sentences.conventions(summary)], 12)


def heading(summary: Summary, level: int = 1) -> Iterator[Block]:
    """The model's name, title and source, and where another network goes by this name which one this is."""
    yield Heading(sentences.clean(summary.model), sentences.heading(summary), level, fill=True, below_style=PLAIN)
    if summary.namesake:
        yield Prose(sentences.clean(summary.namesake), ACCENT)


def table(
    summary: Summary,
    columns: Sequence[Column],
    depth: int = 0,
    pick: Pick | None = None,
    notes: sentences.Notes | None = None,
) -> Table:
    """The rows and their sums as a tree with shares; below each row what is printed and does not hold."""
    found = rows.table(summary, depth, pick)
    heads = next((line for line in found if line.head), None)
    notes = notes or sentences.Notes()
    failures = {id(line): notes.failures(line.judgements) for line in found if line.judgements}

    def failing(line: Line) -> Iterator[Note]:
        for failure in failures.get(id(line), ()):
            yield _failure(failure, f"{line.label or line.name}:")

    def above(line: Line) -> list[Block]:
        return [Prose("heads, counted apart", DIM)] if line is heads else []

    rules = [number for number, line in enumerate(found) if line.kind == "total"]
    tree = Tree(_branch, lambda line: line.share, rows.share_of(summary))
    return Table(columns, found, failing, above, rules=rules, tree=tree)


def _branch(line: Line) -> Branch:
    return Branch(line.name, line.label, line.group, line.lasts, line.opened, line.kind == "total")


def _failure(failure: sentences.Failure, about: str = "") -> Note:
    """A printed figure that does not hold."""
    text = failure.arithmetic + failure.mark
    return Note(text, "✗ ", about, mark_style=LOUD, lead=f"{failure.figure}: ")


# --- JSON ---------------------------------------------------------------------------------------------------------


def data(summary: Summary, depth: int = 0, pick: Pick | None = None) -> SummaryDocument:
    """The JSON document; `layers` are all nodes, made one by one, what is picked stands by name under `shown`."""
    report = summary.report
    training = summary.training or train(report)
    return {
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
        "layers": _layers(report, training, summary.measured),
        "measured": None if summary.measured is None else _runs().described(summary.measured),
        "rows": [_row(summary, span) for span in report.graph.rows],
        "claims": [claim_document(judgement) for judgement in summary.judgements],
        "inputs": [{"name": name, "shape": shape} for name, shape in report.graph.inputs],
        "settings": summary.settings,
        "source": summary.source or None,
        "namesake": summary.namesake or None,
        "counted": summary.counted or None,
        "training": training_document(training),
        **_picked(summary, depth, pick),
    }


def _runs() -> Any:
    from ..measurement import runs

    return runs


def _totals(totals: Totals, training: Training) -> SummaryTotals:
    return {
        **totals_document(totals),
        "training_memory_bytes": training.peak_bytes,
        "training_macs": training.macs,
    }


def _with_heads(report: Report, training: Training) -> WithHeads:
    if report.totals_with_heads is None:
        return {}
    return {"totals_with_heads": _totals(report.totals_with_heads, train(report, training.optimizer, heads=True))}


def _picked(summary: Summary, depth: int, pick: Pick | None) -> Picked:
    if pick is None or not pick.active:
        return {}
    return {"shown": [line.row if line.kind == "row" else line.path for line in rows.lines(summary, depth, pick)]}


def _layers(report: Report, training: Training, measured: Measurement | None) -> Iterator[LayerDocument]:
    labels: list[str] = []
    for span in sorted(report.graph.rows, key=lambda span: span.start):
        labels += [span.label or span.text] * (span.stop - span.start)
    times = measured.layers if measured is not None else ()
    fields = receptive_fields(report.graph)
    steps = [*zip(training.backward_macs, training.saved, strict=True)]  # of the main path
    for index, (layer, label) in enumerate(zip(report.layers, labels, strict=True)):
        step = steps[index] if index < len(steps) else (None, None)
        yield _layer(report, layer, label, fields.pair(index), step, times[index] if index < len(times) else None)


def _layer(
    report: Report,
    layer: Layer,
    label: str,
    seen: tuple[int, int] | None,
    step: tuple[int | None, int | None],
    latency: Latency | None,
) -> LayerDocument:
    node, facts = layer.node, layer.cost
    found: LayerDocument = {
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
        "latency_ms": None if latency is None else _runs().latency(latency),
        "backward_macs": step[0],
        "saved_bytes": step[1],
    }
    if node.head:
        found["head"] = node.head
    if node.shares is not None:
        found["shares"] = report.graph.nodes[node.shares].path
    return found


def _row(summary: Summary, span: Span) -> RowDocument:
    counts = summary.report.subtotal(span)
    measured = None if span.head or summary.measured is None else summary.measured.span(span.start, span.stop)
    found: RowDocument = {
        "name": span.name,
        "label": span.label,
        "text": span.text,
        "where": span.where.where,
        "start": span.start,
        "stop": span.stop,
        "output_shape": summary.report.graph.shape(span.output),
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
    if span.head:
        found["head"] = span.head
    return found
