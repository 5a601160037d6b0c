"""A network row by row: its table, its totals, the claims that fail, and what each number means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from ..analysis.counts import Report
from ..analysis.paths import connections, path_length, sequential
from ..models import Summary
from ..ops.shapes import show
from ..tasks import summary as rows
from ..tasks.summary import Line, Pick
from ..units import ITEMSIZE
from . import wording
from .columns import Column, Value, as_is, binary, by_names, decimal, exact, known, percent, plain, sizes, time, words
from .page import Block, Branch, Document, Fact, Facts, Gap, Heading, Note, Page, Prose, Table, Tree
from .styles import ACCENT, DIM, LOUD, PLAIN

if TYPE_CHECKING:
    from ..measurement.latency import Latency


# --- the columns --------------------------------------------------------------------------------------------------


def _latency(part: str) -> Callable[[Line], Value]:
    return lambda line: None if line.latency is None else getattr(line.latency, part)


COLUMNS = (
    *(Column(name, attrgetter(name)) for name in ("kind", "depth", "row", "path", "label", "name", "head", "where")),
    Column("output_shape", lambda line: sizes(line.shapes) or None, "output", "output", words),
    Column("params", attrgetter("counts.params"), "params", "params", exact),
    *(Column(name, attrgetter(f"counts.{name}")) for name in ("weights", "biases", "norm_params", "norm_stats")),
    Column("macs", attrgetter("counts.macs"), "MACs", "MACs", decimal),
    Column("flops", attrgetter("counts.flops")),
    Column("activation_bytes", attrgetter("counts.activation_bytes"), "activation", "activ.", binary),
    Column("receptive_field_min", lambda line: _field(line, "least")),
    Column("receptive_field_max", lambda line: _field(line, "most")),
    Column("receptive_field_stride", lambda line: _geometry(line, "stride")),
    Column("receptive_field_offset", lambda line: _geometry(line, "offset")),
    Column("latency_ms_median", _latency("median"), "latency", "latency", time),
    Column("latency_ms_iqr", _latency("iqr")),
    Column("latency_runs", _latency("runs")),
    Column("shares", attrgetter("shares")),
)
ACTIVE = Column("active_params", attrgetter("counts.active_params"), "active", "active", exact)
# For people only, made of numbers that other columns hold.
SPREAD = Column("spread", lambda line: _spread(line.latency), "IQR", "IQR", percent, spare=True)


def _spread(latency: Latency | None) -> float | None:
    """The inter-quartile range in percent of the median; None where there are no runs to compare."""
    return 100 * latency.iqr / latency.median if latency and latency.runs > 1 and latency.median else None


def _field(line: Line, name: str) -> Value:
    """The least or the most that an element of a line sees; `?` where it is not defined."""
    if line.fields is None:
        return None
    found: float | None = getattr(line.fields, name)(line.value)
    return "?" if found is None and line.fields.unknown(line.value) else found


def _geometry(line: Line, name: str) -> Value:
    """The stride or offset of a line's receptive field, of all its axes where they differ: `16×8`."""
    found = [] if line.fields is None else [getattr(axis, name) for axis in line.fields[line.value]]
    if not found or None in found:
        return None
    if len(set(found)) == 1 and isinstance(found[0], int):
        return found[0]
    return "×".join(map(show, found[:1] if len(set(found)) == 1 else found))


def _path(of: Callable[[Report, int, int], int]) -> Callable[[Line], Value]:
    return lambda line: None if line.report is None else of(line.report, *line.part[:2])


def _path_length(line: Line) -> Value:
    if line.report is None:
        return None
    found = path_length(line.report, *line.part)
    return "?" if found is None else found


# How columns are shown that stand only where they are asked for; others as they are.
ASKED = {
    "flops": ("FLOPs", "FLOPs", decimal),
    "receptive_field_min": ("least field", "least", plain),
    "receptive_field_max": ("field", "field", plain),
    "receptive_field_union": ("union of fields", "union", plain),
    "receptive_field_stride": ("stride", "stride", plain),
    "receptive_field_offset": ("offset", "offset", plain),
    "latency_ms_iqr": ("IQR", "IQR", time),
    "weight_layers": ("weight layers", "layers", plain),
    "sequential_operations": ("sequential", "seq.", plain),
    "path_length": ("path", "path", plain),
}


PARAM_BYTES = Column("param_bytes", lambda line: None, "parameters", "param.", binary)  # which the dtype decides
UNION = Column("receptive_field_union", lambda line: _field(line, "union"))
PATHS = (
    Column("weight_layers", lambda line: line.counts.cost.depth if line.kind == "op" else line.counts.weight_layers),
    Column("sequential_operations", _path(sequential)),
    Column("path_length", _path_length),
    Column("connections", _path(connections)),
)
KNOWN = (*COLUMNS, ACTIVE, PARAM_BYTES, UNION, *PATHS)


def chosen(names: Sequence[str], itemsize: int = 4) -> list[Column]:
    """The columns that `--columns` names, in that order. Raises UsageError where there is none."""
    found: list[Column] = []
    for column in by_names(KNOWN, names):
        if column is PARAM_BYTES:
            column = column._replace(value=lambda line: line.counts.params * itemsize)
        elif column.show is None:
            heading = column.name.replace("_", " ")
            column = Column(column.name, column.value, *ASKED.get(column.name, (heading, heading, exact)))
        found.append(column)
    return found


WIDE = 24  # letters of sizes that stand in their column; more stand below their row


def _output(line: Line) -> Value:
    shown = sizes(line.shapes)
    return shown if len(shown) <= WIDE else f"{len(line.shapes)} sizes"


def _all(summary: Summary) -> Sequence[Column]:
    """All columns; that of active parameters where there are others."""
    totals, after = summary.report.totals, 1 + [column.name for column in COLUMNS].index("params")
    return COLUMNS if totals.active_params == totals.params else (*COLUMNS[:after], ACTIVE, *COLUMNS[after:])


def columns(summary: Summary, pick: Pick | None = None) -> list[Column]:
    """The columns that people see: those that were asked for, else the usual ones, of latency where it was measured."""
    if pick is not None and pick.columns:
        found = chosen(pick.columns, ITEMSIZE[summary.report.dtype])
    else:
        run = summary.measured
        found = [column for column in _all(summary) if column.show and (run or not column.name.startswith("latency"))]
        found += [SPREAD] if run and run.runs > 1 else []
    found = [column._replace(value=_output) if column.name == "output_shape" else column for column in found]
    if summary.calls:
        found = [c._replace(heading=summary.calls, short=summary.calls) if c.name == "macs" else c for c in found]
    return [as_is(column) for column in found] if pick is not None and pick.raw else found


# --- the page -----------------------------------------------------------------------------------------------------


def page(summary: Summary, depth: int = 0, pick: Pick | None = None) -> Page:
    """The rows opened `depth` levels, or what is picked of them; an opened line comes before its parts, and is their
    sum. Csv has the lines without the totals, JSON all nodes. Raises UsageError for a column that is not there."""
    if pick is not None and pick.columns and summary.measured is None:
        known(chosen(pick.columns), (), "Without `--static` one is made.")

    def table() -> Table:
        if pick is None or not pick.columns:
            return Table(_all(summary), rows.lines(summary, depth, pick))
        columns = chosen(("row", "name", *pick.columns), ITEMSIZE[summary.report.dtype])
        return Table(columns, rows.lines(summary, depth, pick))

    def data() -> Document:
        from . import summary_data

        return summary_data.data(summary, depth, pick)

    return Page(wording.clean(summary.model), lambda: blocks(summary, depth, pick), data, table, notes=summary.notes)


def blocks(summary: Summary, depth: int = 0, pick: Pick | None = None, level: int = 1) -> Iterator[Block]:
    """The blocks of a network below a heading of this level."""
    notes = wording.Notes()
    yield from heading(summary, level)
    yield Gap()
    yield table(summary, columns(summary, pick), depth, pick, notes)
    yield Gap()
    shown = wording.shown(summary, depth, pick)
    counted = wording.facts(summary, raw=pick is not None and pick.raw)
    facts = [
        *([("shown", shown)] if shown else []),
        *counted,
        ("claims", wording.verdict(summary)),
        *wording.notes(summary.notes),
    ]
    whole = notes.failures(judgement for judgement in summary.judgements if not judgement.claim.row)
    numbered = [Fact(mark, note, DIM, DIM) for mark, note in notes.numbered()]
    yield Facts([*(Fact(*fact) for fact in facts), *map(_failure, whole), *numbered])
    yield Gap()
    yield Facts([Fact(label, text, DIM, DIM) for label, text in wording.conventions(summary)], 12)


def heading(summary: Summary, level: int = 1) -> Iterator[Block]:
    """The model's name, title and source, and where another network goes by this name which one this is."""
    yield Heading(wording.clean(summary.model), wording.heading(summary), level, fill=True, below_style=PLAIN)
    if summary.namesake:
        yield Prose(wording.clean(summary.namesake), ACCENT)


def table(summary: Summary, columns: Sequence[Column], depth: int, pick: Pick | None, notes: wording.Notes) -> Table:
    """The rows and their sums as a tree with shares; below each row what is printed and does not hold."""
    found = rows.table(summary, depth, pick)
    heads = next((line for line in found if line.head), None)
    failures = {id(line): notes.failures(line.judgements) for line in found if line.judgements}

    def said(line: Line) -> Iterator[Note]:
        shapes = sizes(line.shapes)
        if len(shapes) > WIDE:
            yield Note(shapes, "→ ", f"{line.label or line.name}:", DIM)
        for failure in failures.get(id(line), ()):
            yield _failure(failure, f"{line.label or line.name}:")

    def above(line: Line) -> list[Block]:
        return [Prose("heads, counted apart", DIM)] if line is heads else []

    rules = [number for number, line in enumerate(found) if line.kind == "total"]
    of = rows.share_of(summary)
    shared = any(column.name.startswith("latency" if of == "latency" else "macs") for column in columns)
    tree = Tree(_branch, lambda line: line.share, of) if shared else Tree(_branch)
    return Table(columns, found, said, above, rules=rules, tree=tree)


def _branch(line: Line) -> Branch:
    return Branch(line.name, line.label, line.group, line.lasts, line.opened, line.kind == "total")


def _failure(failure: wording.Failure, about: str = "") -> Note:
    """A printed figure that does not hold."""
    text = failure.arithmetic + failure.mark
    return Note(text, "✗ ", about, mark_style=LOUD, lead=f"{failure.figure}: ")
