"""What `archcalc measure` found, in every form: one batch by rows, several as a table, and beside an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .. import __version__
from ..documents import SCHEMA
from ..measurement.latency import Latency, Measurement
from ..measurement.regression import Change, Comparison
from ..measurement.runs import SPREAD as FIGURES
from ..measurement.runs import document, ms
from ..models import Summary
from ..tasks import summary as rows
from ..tasks.compare import RunComparison
from ..tasks.measure import MeasureResult
from ..tasks.summary import Line
from . import as_csv, as_json, as_latex, records, sentences, summary
from .columns import Column, Shown, Value, percent, plain, time, words
from .layout import width_of
from .page import Block, Fact, Facts, Gap, Page
from .pieces import ACCENT, BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, hanging, page, prose
from .writers import html, latex, markdown
from .writers.text import laid_out


def render(
    found: MeasureResult,
    output_format: str,
    depth: int = 0,
    width: int | None = None,
    color: bool = False,
    pick: rows.Pick | None = None,
) -> str:
    """In one of `FORMATS`; `depth` and `pick` are for the rows, `width` and `color` for text."""
    if output_format == "json":
        return as_json.write(_document(found))
    if output_format == "csv":
        return _csv(found, depth, pick)
    if output_format == "markdown":
        return _markdown(found, depth, pick)
    if output_format in ("latex", "html"):
        return _typeset(found, output_format, depth, pick)
    return page(_text(found, depth, width, pick), color)


def _typeset(found: MeasureResult, output_format: str, depth: int, pick: rows.Pick | None) -> str:
    """As LaTeX or HTML: the table of one batch, or of several, and then of what changed."""
    first, runs = found.summaries[0], found.run.measurements
    one = len(runs) == 1
    name = sentences.clean(first.model)
    facts = sentences.measured(runs[0]) if one else _of_all(runs)
    compared = [
        (f"against {sentences.clean(found.against)}, batch {each.batch}: {_verdict(each)}", _shown(each))
        for each in found.comparisons
    ]
    if output_format == "html":
        parts = [*html.parts(_one(first, depth, pick))][2:] if one else [html.table(BATCHES, runs), html.pairs(facts)]
        parts += [part for title, shown in compared for part in (html.heading(title), html.table(CHANGES, shown))]
        return html.whole(name, parts, sentences.heading(first))
    notes = [f"{label} {text}".lstrip() for label, text in facts]
    one_page = Page("", lambda: _one(first, depth, pick), dict)
    table = latex.write(one_page) if one else as_latex.table(BATCHES, runs, name, notes)
    return "\n".join([table, *(as_latex.table(CHANGES, shown, title) for title, shown in compared)])


def render_judged(judged: RunComparison, output_format: str, width: int | None = None, color: bool = False) -> str:
    """Two saved runs, by the names of their files, in one of `FORMATS`: which layers got slower in between."""
    found, before, name, now = judged.comparisons, judged.before, judged.name, judged.now
    title = f"{sentences.clean(now.model)}: {sentences.clean(name)} against {sentences.clean(before)}"
    if output_format == "json":
        entries: dict[str, Any] = {"schema": SCHEMA, "archcalc": __version__, "model": now.model}
        entries |= {"before": before, "now": name, "comparison": [_compared(one) for one in found]}
        return as_json.write(entries.items())
    if output_format == "text":
        return page(_judged_text(found, title, width), color)
    flat = [(one.batch, change) for one in found for change in (one.whole, *one.layers)]
    if output_format != "csv":
        flat = [(one.batch, change) for one in found for change in _shown(one)]
    about = [text for one in found for text in (_verdict(one), *map(sentences.clean, one.notes))]
    return records.render(JUDGED, flat, output_format, title=title, notes=about)


def _judged_text(found: Sequence[Comparison], title: str, width: int | None) -> Iterator[Pieces]:
    yield from prose(title, PROSE if width is None else width, LOUD)
    for one in found:
        yield []
        yield from _table(one, f"batch {one.batch}", width)


# --- the columns --------------------------------------------------------------------------------------------------


class _Timed(NamedTuple):
    """A line of the table, with the measurement that it belongs to."""

    line: Line
    run: Measurement
    backward: Latency | None
    waits: int  # nodes for which the GPU waited
    change: Change | None  # against the earlier run, of a single node


def _timed(summary: Summary, lines: Sequence[Line], comparisons: Sequence[Comparison] = ()) -> list[_Timed]:
    run = summary.measured
    assert run is not None
    changes = {change.path: change for found in comparisons if found.batch == run.batch for change in found.layers}
    graph = summary.report.graph
    places = {node.path: at for at, node in enumerate(graph.nodes)}
    found = []
    for line in lines:
        start, stop = line.start, line.stop
        if line.kind == "op":
            start, stop = places[line.path], places[line.path] + 1
        elif line.kind == "total":
            start, stop = 0, graph.main
        there = line.latency is not None
        backward = run.backward_span(start, stop) if there else None
        waits = sum(start <= at < stop for at in run.launch_bound) if there else 0
        found.append(_Timed(line, run, backward, waits, changes.get(line.path) if line.kind == "op" else None))
    return found


def _figure(name: str) -> Callable[[_Timed], Value]:
    return lambda timed: None if timed.line.latency is None else ms(getattr(timed.line.latency, name))


COLUMNS = (
    Column("batch", lambda timed: timed.run.batch),
    Column("kind", lambda timed: timed.line.kind),
    Column("depth", lambda timed: timed.line.depth),
    Column("row", lambda timed: timed.line.row),
    Column("path", lambda timed: timed.line.path),
    Column("label", lambda timed: timed.line.label),
    Column("name", lambda timed: timed.line.name),
    *(Column(f"latency_ms_{name}", _figure(name)) for name in FIGURES),
    Column("latency_runs", lambda timed: None if timed.line.latency is None else timed.line.latency.runs),
    Column("backward_ms_median", lambda timed: None if timed.backward is None else ms(timed.backward.median)),
    Column("launch_bound", lambda timed: timed.waits),
    Column("before_ms_median", lambda timed: None if timed.change is None else _median(timed.change.before)),
    Column("ratio", lambda timed: timed.change and timed.change.ratio),
    Column("p", lambda timed: timed.change and timed.change.p),
    Column("verdict", lambda timed: timed.change and timed.change.verdict),
)


def _columns(shown: Summary) -> list[Column]:
    """What people see of a line; the first takes the names' spare room, so it is a short one."""
    run = shown.measured
    assert run is not None
    by_line: dict[int, _Timed] = {}

    def of(line: Line) -> _Timed:
        if id(line) not in by_line:
            (by_line[id(line)],) = _timed(shown, [line])
        return by_line[id(line)]

    known = {column.name: column for column in summary.COLUMNS}
    found = [known["macs"], known["latency_ms_median"]]
    if run.runs > 1:
        found.append(summary.SPREAD)
    found.append(Column("min", lambda line: None if line.latency is None else line.latency.min, "fastest", "min", time))
    found.append(Column("p90", lambda line: None if line.latency is None else line.latency.p90, "90 %", "90 %", time))
    if run.backward:
        backward = Column("backward", lambda line: _median(of(line).backward), "backward", "back", time)
        found.insert(2, backward)
    if run.launch_bound:
        found.append(Column("waits", lambda line: of(line).waits or None, "GPU waits", "waits", plain))
    return found


def _median(latency: Latency | None) -> float | None:
    return None if latency is None else latency.median


# Of a table of batches; a record is a Measurement.
def _ratio(places: int) -> Callable[[Sequence[Value]], Shown]:
    return lambda values: Shown(
        "", [f"{value:.{places}f}" if isinstance(value, (int, float)) else "" for value in values]
    )


def _rates(values: Sequence[Value]) -> Shown:
    return Shown("/s", [sentences.rate(value) if isinstance(value, (int, float)) else "" for value in values])


def _within(run: Measurement) -> Value:
    return None if run.confidence.within is None else 100 * run.confidence.within


BATCHES = (
    Column("batch", lambda run: run.batch, "batch", "batch", plain),
    Column("latency", lambda run: run.whole.median, "latency", "latency", time),
    Column("within", _within, "±", "±", percent),
    Column("iqr", lambda run: 100 * run.whole.iqr / run.whole.median if run.whole.median else None, "IQR", "", percent),
    Column("p90", lambda run: run.whole.p90, "90 %", "", time),
    Column("each", lambda run: run.whole.median / run.batch, "a sample", "", time),
    Column("throughput", lambda run: run.throughput, "samples", "", _rates),
    Column("ratio", lambda run: run.reconciliation, "Σ ÷ whole", "", _ratio(3)),
    Column("runs", lambda run: run.runs, "runs", "", plain),
    Column("stable", lambda run: "stable" if run.stable else "unstable", "", "", words),
)

# Of a comparison; a record is a Change.
CHANGES = (
    Column("path", lambda change: change.path, "layer", "", words),
    Column("before", lambda change: _median(change.before), "before", "", time),
    Column("now", lambda change: _median(change.now), "now", "", time),
    Column("ratio", lambda change: change.ratio, "now ÷ before", "", _ratio(2)),
    Column("p", lambda change: _chance(change.p), "p", "", words),
    Column("verdict", lambda change: change.verdict, "", "", words),
)


def _of_change(column: Column) -> Column:
    return Column(column.name, lambda pair: column.value(pair[1]), column.heading, column.short, column.show)


# Of a comparison of two files; a record is a batch and a Change.
JUDGED = (
    Column("batch", lambda pair: pair[0], "batch", "batch", plain),
    *map(_of_change, CHANGES),
)


def _chance(p: float | None) -> str:
    return "" if p is None else "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _shown(comparison: Comparison) -> list[Change]:
    """The whole, and the layers that are not as before."""
    return [comparison.whole, *(change for change in comparison.layers if change.verdict != "same")]


def _verdict(comparison: Comparison) -> str:
    """`2 of 54 layers slower beyond the noise, none faster; …`."""
    counts = {
        word: sum(change.verdict == word for change in comparison.layers)
        for word in ("slower", "faster", "new", "gone")
    }
    many = len(comparison.layers)
    said = f"{counts['slower'] or 'none'} of {many} layers slower beyond the noise, {counts['faster'] or 'none'} faster"
    said += "".join(f", {counts[word]} {word}" for word in ("new", "gone") if counts[word])
    if comparison.drift is not None:
        said += f"; half of the layers moved by more than {comparison.drift:.2f} ×, half by less"
    return said


# --- the forms ----------------------------------------------------------------------------------------------------


def _document(found: MeasureResult) -> Iterator[tuple[str, Any]]:
    yield from document(found.run).items()
    if found.comparisons:
        yield "comparison", [_compared(comparison) for comparison in found.comparisons]


def _compared(comparison: Comparison) -> dict[str, Any]:
    return {
        "batch": comparison.batch,
        "whole": _change(comparison.whole),
        "layers": [_change(change) for change in comparison.layers],
        "drift": comparison.drift,
        "notes": list(comparison.notes),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "path": change.path,
        "before_ms": _median(change.before),
        "now_ms": _median(change.now),
        "ratio": change.ratio,
        "p": change.p,
        "verdict": change.verdict,
    }


def _csv(found: MeasureResult, depth: int, pick: rows.Pick | None) -> str:
    lines = (_timed(summary, rows.lines(summary, depth, pick), found.comparisons) for summary in found.summaries)
    return as_csv.table(COLUMNS, [timed for some in lines for timed in some])


def _text(found: MeasureResult, depth: int, width: int | None, pick: rows.Pick | None) -> Iterator[Pieces]:
    first = found.summaries[0]
    if len(found.summaries) == 1:
        yield from laid_out(list(_one(first, depth, pick)), width)
    else:
        yield from _batches(found, width)
    for comparison in found.comparisons:
        yield []
        yield from _comparison(found, comparison, width)


def _one(first: Summary, depth: int, pick: rows.Pick | None) -> Iterator[Block]:
    yield from summary.heading(first)
    yield Gap()
    yield summary.table(first, _columns(first), depth, pick)
    yield Gap()
    shown = sentences.shown(first, depth, pick)
    found = [*([("shown", shown)] if shown else []), *_of_one(first)]
    yield Facts([Fact(label, said, label_style=LOUD if label == "unstable" else BOLD) for label, said in found])


def _of_one(summary: Summary) -> list[tuple[str, str]]:
    """What is to be said below the rows of one batch."""
    assert summary.measured is not None
    trained = sentences.trained(summary.training) if summary.training is not None else []
    return [*sentences.measured(summary.measured), *trained]


def _facts(facts: Sequence[tuple[str, str]], width: int) -> Iterator[Pieces]:
    room = max(width_of(label) for label, _ in facts) + 2
    for label, text in facts:
        yield from hanging(label, text, room, width, label_style=LOUD if label == "unstable" else "")


def _batches(found: MeasureResult, width: int | None) -> Iterator[Pieces]:
    room = PROSE if width is None else width
    runs = found.run.measurements
    yield from laid_out(list(summary.heading(found.summaries[0])), width)
    yield []
    yield from records.text(
        BATCHES, runs, width, style=lambda run, column: ACCENT if column.name == "stable" and not run.stable else PLAIN
    )
    yield []
    yield from _facts(_of_all(runs), room)


def _of_all(runs: Sequence[Measurement]) -> list[tuple[str, str]]:
    """What is to be said below a table of batches: what makes them unstable, and once how they were run."""
    facts = [("unstable", f"batch {run.batch}: {doubt.reason}. {doubt.advice}") for run in runs for doubt in run.doubts]
    facts += [(f"batch {run.batch}", "incomplete") for run in runs if not run.complete]
    facts.append(("Σ ÷ whole", "the layers' medians together, as a share of the median of whole runs"))
    return facts + [fact for fact in sentences.measured(runs[0]) if fact[0] in ("run", "device")]


def _comparison(found: MeasureResult, comparison: Comparison, width: int | None) -> Iterator[Pieces]:
    batch = f", batch {comparison.batch}" if len(found.comparisons) > 1 else ""
    yield from _table(comparison, f"against {found.against}{batch}", width)


def _table(comparison: Comparison, title: str, width: int | None) -> Iterator[Pieces]:
    room = PROSE if width is None else width
    yield [(sentences.clean(title), BOLD)]
    changes = _shown(comparison)
    yield from records.text(
        CHANGES, changes, width, style=lambda change, column: LOUD if change.verdict == "slower" else PLAIN
    )
    yield from prose(_verdict(comparison), room)
    for note in comparison.notes:
        yield from prose(sentences.clean(note), room, DIM)


def _markdown(found: MeasureResult, depth: int, pick: rows.Pick | None) -> str:
    first = found.summaries[0]
    if len(found.summaries) == 1:
        parts = [markdown.write(Page("", lambda: _one(first, depth, pick), dict)).rstrip("\n")]
    else:
        parts = [markdown.write(Page("", lambda: summary.heading(first), dict))]
        parts.append(records.markdown(BATCHES, found.run.measurements))
        parts += [
            f"- **{label}**: {markdown.escape(text)}" if label else f"  {markdown.escape(text)}"
            for label, text in _of_all(found.run.measurements)
        ]
    for comparison in found.comparisons:
        parts += [
            "",
            f"#### against {markdown.escape(sentences.clean(found.against))}, batch {comparison.batch}",
            "",
        ]
        parts.append(records.markdown(CHANGES, _shown(comparison)))
        parts += [f"- {markdown.escape(text)}" for text in (_verdict(comparison), *comparison.notes)]
    return "\n".join(parts) + "\n"
