"""The pages of measurements: one batch by rows, several as a table, beside an earlier run; two saved runs judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Annotated, NotRequired, TypedDict, cast

from .. import __version__
from ..documents import SCHEMA, VERSION, WRITER, Positive, Version
from ..measurement.latency import Latency, Measurement
from ..measurement.regression import LatencyVerdict, Regression, TimeChange
from ..measurement.runs import RunDocument, SpreadDocument, document, ms
from ..models import Summary
from ..records import NamedTuple
from ..tasks import summary as rows
from ..tasks.compare import RunComparison
from ..tasks.measure import MeasureResult
from ..tasks.summary import Line
from . import summary, wording
from .columns import Column, Shown, Value, percent, plain, time, words
from .page import Block, Facts, Gap, Heading, Page, Prose, Table, told
from .styles import ACCENT, BOLD, DIM, LOUD, PLAIN


def page(found: MeasureResult, depth: int = 0, pick: rows.Pick | None = None) -> Page:
    """The rows of one batch opened `depth` levels, or what is picked of them, or several batches; then what changed
    since an earlier run. Csv has the lines of each batch."""

    def table() -> Table:
        lines = (_timed(one, rows.lines(one, depth, pick), found.comparisons) for one in found.summaries)
        return Table(COLUMNS, [timed for some in lines for timed in some])

    title = wording.clean(found.summaries[0].model)
    return Page(title, lambda: _blocks(found, depth, pick), lambda: data(found), table)


def judged(found: RunComparison) -> Page:
    """Two saved runs: which layers got slower in between. Csv has every layer."""
    name, before = wording.clean(found.name), wording.clean(found.before)
    title = f"{wording.clean(found.now.model)}: {name} against {before}"

    def blocks() -> Iterator[Block]:
        yield Heading(title)
        for one in found.comparisons:
            yield from _comparison(one, f"batch {one.batch}")

    rows = [(one.batch, change) for one in found.comparisons for change in (one.whole, *one.layers)]
    return Page(title, blocks, lambda: judged_data(found), lambda: Table(JUDGED, rows))


# --- the columns --------------------------------------------------------------------------------------------------


class _Timed(NamedTuple):
    """A line of the table, with the measurement that it belongs to."""

    line: Line
    run: Measurement
    backward: Latency | None
    waits: int  # nodes for which the GPU waited
    change: TimeChange | None  # against the earlier run, of a single node


def _timed(summary: Summary, lines: Sequence[Line], comparisons: Sequence[Regression] = ()) -> list[_Timed]:
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
    *(Column(name, attrgetter(f"line.{name}")) for name in ("kind", "depth", "row", "path", "label", "name")),
    *(Column(f"latency_ms_{name}", _figure(name)) for name in SpreadDocument.__annotations__),
    Column("latency_runs", lambda timed: None if timed.line.latency is None else timed.line.latency.runs),
    Column("backward_ms_median", lambda timed: None if timed.backward is None else ms(timed.backward.median)),
    Column("launch_bound", lambda timed: timed.waits),
    Column("before_ms_median", lambda timed: None if timed.change is None else _median(timed.change.before)),
    Column("ratio", lambda timed: timed.change and timed.change.ratio),
    Column("p", lambda timed: timed.change and timed.change.p),
    Column("verdict", lambda timed: timed.change and timed.change.verdict),
)


def _columns(shown: Summary) -> list[Column]:
    """The columns that people see; the first takes the names' spare room, so it is a short one."""
    run = shown.measured
    assert run is not None

    def of(line: Line) -> _Timed:
        return _timed(shown, [line])[0]

    known = {column.name: column for column in summary.COLUMNS}
    found = [known["macs"], known["latency_ms_median"]]
    if run.runs > 1:
        found.append(summary.SPREAD)
    found.append(Column("min", lambda line: None if line.latency is None else line.latency.min, "fastest", "min", time))
    found.append(Column("p90", lambda line: None if line.latency is None else line.latency.p90, "90 %", "90 %", time))
    if run.backward:
        found.insert(2, Column("backward", lambda line: _median(of(line).backward), "backward", "back", time))
    if run.launch_bound:
        found.append(Column("waits", lambda line: of(line).waits or None, "GPU waits", "waits", plain))
    return found


def _median(latency: Latency | None) -> float | None:
    return None if latency is None else latency.median


# Of a table of batches; a record is a Measurement.
def _ratio(places: int) -> Callable[[Sequence[Value]], Shown]:
    return lambda values: Shown("", [f"{v:.{places}f}" if isinstance(v, (int, float)) else "" for v in values])


def _rates(values: Sequence[Value]) -> Shown:
    return Shown("/s", [wording.rate(value) if isinstance(value, (int, float)) else "" for value in values])


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

# Of a comparison; a record is a TimeChange.
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


# Of a comparison of two files; a record is a batch and a TimeChange.
JUDGED = (Column("batch", lambda pair: pair[0], "batch", "batch", plain), *map(_of_change, CHANGES))


def _chance(p: float | None) -> str:
    return "" if p is None else "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _verdict(comparison: Regression) -> str:
    """`2 of 54 layers slower beyond the noise, none faster; …`."""
    counts = Counter(change.verdict for change in comparison.layers)
    many = len(comparison.layers)
    said = f"{counts['slower'] or 'none'} of {many} layers slower beyond the noise, {counts['faster'] or 'none'} faster"
    said += f", {counts['new']} new" if counts["new"] else ""
    said += f", {counts['gone']} gone" if counts["gone"] else ""
    before, now = comparison.whole.before, comparison.whole.now
    if comparison.undecided and before and now:
        said += f"; {len(comparison.undecided)} with too few runs to tell: {before.runs} before and {now.runs} now"
        said += f", and {needed} beside {before.runs} decide" if (needed := comparison.runs_needed) else ""
    if comparison.drift is not None:
        said += f"; half of the layers moved by more than {comparison.drift:.2f} ×, half by less"
    return said


# --- the page -----------------------------------------------------------------------------------------------------


def _blocks(found: MeasureResult, depth: int, pick: rows.Pick | None) -> Iterator[Block]:
    first, runs = found.summaries[0], found.run.measurements
    yield from summary.heading(first)
    yield Gap()
    if len(runs) == 1:
        yield summary.table(first, _columns(first), depth, pick, wording.Notes())
        shown = wording.shown(first, depth, pick)
        trained = wording.trained(first.training) if first.training is not None else []
        facts = [*([("shown", shown)] if shown else []), *wording.measured(runs[0]), *trained]
    else:
        yield Table(BATCHES, runs, style=lambda run, column: PLAIN if run.stable or column.name != "stable" else ACCENT)
        facts = _of_all(runs)
    yield Gap()
    yield Facts([told(*fact) for fact in (*facts, *wording.notes(first.notes))])
    for comparison in found.comparisons:
        batch = f", batch {comparison.batch}" if len(found.comparisons) > 1 else ""
        yield from _comparison(comparison, f"against {found.against}{batch}")


def _of_all(runs: Sequence[Measurement]) -> list[tuple[str, str]]:
    """Facts below a table of batches: what makes each unstable, and once how they were run."""
    facts = [("unstable", f"batch {run.batch}: {doubt.reason}. {doubt.advice}") for run in runs for doubt in run.doubts]
    facts += [(f"batch {run.batch}", "incomplete") for run in runs if not run.complete]
    facts.append(("Σ ÷ whole", "the layers' medians together, as a share of the median of whole runs"))
    return facts + [fact for fact in wording.measured(runs[0]) if fact[0] in ("run", "device")]


def _comparison(found: Regression, title: str) -> Iterator[Block]:
    """The whole, the layers that are not as before, and what makes that doubtful."""
    yield Gap()
    yield Heading(wording.clean(title), level=2, style=BOLD)
    quiet = ("same", "too few runs")
    changed = [found.whole, *(change for change in found.layers if change.verdict not in quiet)]
    yield Table(CHANGES, changed, style=lambda change, column: LOUD if change.verdict == "slower" else PLAIN)
    yield Prose(_verdict(found))
    for note in found.notes:
        yield Prose(wording.clean(note), DIM)


# --- JSON ---------------------------------------------------------------------------------------------------------


class ChangeDocument(TypedDict):
    """A layer in both runs, or in one."""

    path: Annotated[str, "The layer's path; `whole` is the whole network."]
    before_ms: Annotated[float | None, "The median of the earlier run; null where the layer is not in it."]
    now_ms: Annotated[float | None, "The median of this run; null where the layer is not in it."]
    ratio: Annotated[float | None, "Now as a share of before; null where one of them is missing."]
    p: Annotated[float | None, "The chance of ranks so far apart where nothing changed, corrected for many layers."]
    verdict: Annotated[
        LatencyVerdict,
        "What the layer is beside the earlier run; `too few runs` where so few cannot show that it alone changed.",
    ]


class ComparisonDocument(TypedDict):
    """Two measurements at one batch."""

    batch: Annotated[Positive, "The batch that both runs measured."]
    whole: Annotated[ChangeDocument, "The whole network beside the earlier run."]
    layers: Annotated[list[ChangeDocument], "Every layer beside the earlier run."]
    drift: Annotated[float | None, "The median of all layers' ratios; null without layers."]
    notes: Annotated[list[str], "What makes the comparison doubtful."]


class MeasureDocument(RunDocument):
    """What `archcalc measure MODEL --save FILE` and `--format json` write; keys may be added."""

    comparison: NotRequired[
        Annotated[
            list[ComparisonDocument], "How the run compares with an earlier one, one for each batch that both measured."
        ]
    ]


class JudgedDocument(TypedDict):
    """What `archcalc compare RUN RUN --format json` writes of two saved runs of one network; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    model: Annotated[str, "The name by which the network was asked for."]
    before: Annotated[str, "The file of the earlier run."]
    now: Annotated[str, "The file of the later run."]
    comparison: Annotated[list[ComparisonDocument], "How they compare, one for each batch that both measured."]


def data(found: MeasureResult) -> MeasureDocument:
    """The JSON document."""
    measured = cast(MeasureDocument, document(found.run))
    if found.comparisons:
        measured["comparison"] = list(map(_compared, found.comparisons))
    return measured


def judged_data(found: RunComparison) -> JudgedDocument:
    """The JSON document of two saved runs."""
    return {
        "schema": SCHEMA,
        "archcalc": __version__,
        "model": found.now.model,
        "before": found.before,
        "now": found.name,
        "comparison": list(map(_compared, found.comparisons)),
    }


def _compared(comparison: Regression) -> ComparisonDocument:
    return {
        "batch": comparison.batch,
        "whole": _change(comparison.whole),
        "layers": [_change(change) for change in comparison.layers],
        "drift": comparison.drift,
        "notes": list(comparison.notes),
    }


def _change(change: TimeChange) -> ChangeDocument:
    return {
        "path": change.path,
        "before_ms": _median(change.before),
        "now_ms": _median(change.now),
        "ratio": change.ratio,
        "p": change.p,
        "verdict": change.verdict,
    }
