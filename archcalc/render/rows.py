"""What a summary's table holds: its lines, and its columns. Text, csv and markdown are all made of these two.

A line is a row of the paper's table, or, where it is opened, a block or a single op below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..analyse import Layer, Totals
from ..errors import UsageError, did_you_mean, printable
from ..graph import Node, Span
from ..ops import OPS, Op, Shape, Tokens
from ..ops.base import ARGUMENTS, show
from ..receptive import ReceptiveFields, receptive_fields
from ..reported import Judgement
from ..summary import Summary
from ..table import squeeze
from ..units import with_separators
from . import FULL, SORTS

if TYPE_CHECKING:
    from ..measured import Latency


class Line(NamedTuple):
    """One line of the table.

    `name` is the paper's cell, a block's word, or a call; `label` the row's label as printed; `group` tells which
    label a row stands under, `row` which row (as errata name it) a line belongs to. `lasts` says for this line and
    each above it, up to the row, whether it is the last of its siblings; `opened` that the lines below are its parts.
    """

    kind: Literal["row", "block", "op", "total"]
    name: str
    counts: Totals | Layer
    label: str = ""
    group: str = ""
    row: str = ""
    path: str = ""
    depth: int = 0
    head: str = ""
    where: str = ""
    shape: Shape | None = None
    latency: Latency | None = None
    share: float | None = None
    judgements: tuple[Judgement, ...] = ()
    lasts: tuple[bool, ...] = ()
    opened: bool = False
    start: int = 0  # the nodes of a row or block
    stop: int = 0
    shares: str = ""  # the op whose weights this one works with
    value: int = 0  # what comes out of it, and what that sees
    fields: ReceptiveFields | None = None


class Shown(NamedTuple):
    """The texts of a column, and the unit that they share."""

    unit: str
    texts: list[str]


Value = int | float | str | None


class Column(NamedTuple):
    """A column: its name in csv, where its exact value comes from, and, where people see it, under which heading and
    how; `short` stands where the heading is too wide."""

    name: str
    value: Callable[[Any], Value]  # of a Line, or of whatever else a table is a list of
    heading: str = ""
    short: str = ""
    show: Callable[[Sequence[Value]], Shown] | None = None


# --- how numbers are shown ----------------------------------------------------------------------------------------

DECIMAL = (("", 1.0), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15))
BINARY = tuple((unit, 1024.0**n) for n, unit in enumerate(("B", "KiB", "MiB", "GiB", "TiB", "PiB")))
TIMES = (("µs", 1e-3), ("ms", 0.1), ("s", 1e4))  # from which number of ms a unit is used
MS = {"µs": 1e-3, "ms": 1.0, "s": 1e3}


def exact(values: Sequence[Value]) -> Shown:
    """Whole numbers with separators; scaled where they are longer than a column."""
    if max((v for v in values if isinstance(v, int)), default=0) >= 10**12:
        return decimal(values)
    return Shown("", ["" if v is None else with_separators(v) if isinstance(v, int) else str(v) for v in values])


def decimal(values: Sequence[Value]) -> Shown:
    unit, factor = _unit(values, DECIMAL)
    return Shown(unit, fixed(values, factor, 4, 3))


def binary(values: Sequence[Value]) -> Shown:
    unit, factor = _unit(values, BINARY)
    return Shown(unit, fixed(values, factor, 4, 3))


def time(values: Sequence[Value]) -> Shown:
    unit, _ = _unit(values, TIMES)
    most = max((v for v in values if isinstance(v, float)), default=0.0) / MS[unit]
    places = 3 if most < 10 else 2 if most < 1000 else 1
    return Shown(unit, fixed(values, MS[unit], 5, places))


def percent(values: Sequence[Value]) -> Shown:
    return Shown("%", fixed(values, 1.0, 4, 1))


def sizes(values: Sequence[Value]) -> Shown:
    """Whole numbers that may be unbounded."""
    return Shown("", ["" if v is None else "∞" if v == inf else str(v) for v in values])


def words(values: Sequence[Value]) -> Shown:
    return Shown("", ["" if v is None else str(v) for v in values])


def _unit(values: Sequence[Value], units: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """The largest unit in which the largest number is at least 1."""
    most = max((v for v in values if isinstance(v, (int, float))), default=0)
    return next(((unit, least) for unit, least in reversed(units) if most >= least), units[0])


def fixed(values: Sequence[Value], factor: float, digits: int, places: int) -> list[str]:
    """Numbers in one unit, with as many decimals as give the largest `digits` digits and the smallest one, at most
    `places`, so that their points stand below each other; a smaller one is `<0.001`, and nothing is `0`."""
    numbers = [v / factor if isinstance(v, (int, float)) else None for v in values]
    there = [n for n in numbers if n]
    if not there or (factor == 1 and all(n == int(n) for n in there)):
        return ["" if n is None else f"{n:,.0f}" for n in numbers]
    decimals = min(places, max(0, digits - len(str(int(max(there))))))
    while decimals < places and min(there) < 0.5 * 10.0**-decimals:
        decimals += 1
    while decimals and all(n == round(n, decimals - 1) for n in there):
        decimals -= 1
    return [_fixed(n, decimals) for n in numbers]


def _fixed(number: float | None, decimals: int) -> str:
    if number is None:
        return ""
    room = decimals + 1 if decimals else 0
    if not number:
        return "0" + " " * room
    least = 10.0**-decimals
    return f"<{least:.{decimals}f}" if number < least / 2 else f"{number:,.{decimals}f}"


def size(shape: Shape) -> str:
    """`64×112×112`, or `197 × 768` for tokens."""
    return (" × " if isinstance(shape, Tokens) else "×").join(map(str, shape)) or "1"


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
SPREAD = Column("spread", lambda line: _spread(line.latency), "IQR", "IQR", percent)
SHARE = Column("share", lambda line: line.share, "share", "share", percent)


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


def as_is(column: Column) -> Column:
    """The column with its numbers exactly as they are, under its name."""
    if column.show in (words, percent) or column.show is None:
        return column
    return Column(column.name, column.value, column.name, column.name, unscaled)


def unscaled(values: Sequence[Value]) -> Shown:
    """Numbers without separators and unit."""
    texts = [
        str(round(v, 6) if isinstance(v, float) and v != inf else v) for v in ("" if v is None else v for v in values)
    ]
    return Shown("", ["∞" if text == "inf" else text for text in texts])


# --- the lines ----------------------------------------------------------------------------------------------------


def lines(summary: Summary, depth: int = 0, pick: Pick | None = None) -> list[Line]:
    """The rows of the paper's table, those of heads behind the others, each opened `depth` levels; or, picked, the
    innermost of these."""
    found = list(_Opener(summary).rows(depth))
    return found if pick is None or not pick.active else pick.of(found, summary)


def table(summary: Summary, depth: int = 0, pick: Pick | None = None) -> list[Line]:
    """The lines with their sums: the main path, its total, and then what hangs on it."""
    every = lines(summary, depth, pick)
    if pick is not None and pick.active:
        every = [_alone(line) for line in every]
    total, *with_heads = totals(summary)
    return [*(line for line in every if not line.head), total, *(line for line in every if line.head), *with_heads]


def _alone(line: Line) -> Line:
    """A line as it is called where it does not stand among its neighbours: a row by its name, a node by its path."""
    flat = line._replace(depth=0, lasts=(), group=line.path + line.row)
    if line.kind == "op":
        return flat._replace(label=printable(line.path))
    if line.kind == "block":
        return flat._replace(name=printable(line.path))
    name = printable(line.row)
    if squeeze(name).startswith(squeeze(line.name)):
        return flat._replace(name=name, label="")
    return flat._replace(label=name)


class Pick(NamedTuple):
    """Which lines are shown: those that hold `only`, the largest first where `sort` or `top` says so; which `columns`,
    and whether numbers are shown as they are (`raw`).

    What is picked is the rows, or at some depth what stands innermost; heads are left out.
    """

    sort: str = ""
    top: int | None = None
    only: str = ""
    columns: tuple[str, ...] = ()
    raw: bool = False

    @property
    def active(self) -> bool:
        return bool(self.sort or self.top or self.only)

    def by(self, summary: Summary) -> str:
        """What decides the order; nothing where the order is the paper's."""
        return self.sort or (("latency" if summary.measured is not None else "macs") if self.top else "")

    def of(self, found: Sequence[Line], summary: Summary) -> list[Line]:
        kept = [line for line in candidates(found) if self.holds(line, summary)]
        by = self.by(summary)
        if by:
            kept.sort(key=lambda line: -_measure(line, by))
        return kept[: self.top]

    def holds(self, line: Line, summary: Summary) -> bool:
        """An op's word means that op; another text stands in the line's name, or in its row's."""
        if not self.only:
            return True
        word = self.only.lower()
        if word in OPS:
            return any(node.op.word == word for node in nodes_of(line, summary))
        return any(word in text.lower() for text in (line.name, line.label, line.row, line.path))

    def check(self, summary: Summary, depth: int) -> None:
        """Raise UsageError where nothing is called so that is shown at this depth."""
        if not self.only or any(self.holds(line, summary) for line in candidates(lines(summary, depth))):
            return
        words = sorted({node.op.word for node in summary.report.graph.nodes})
        deeper = any(self.holds(line, summary) for line in lines(summary, FULL))
        near = did_you_mean(self.only, [*words, *(span.name for span in summary.report.graph.rows)])
        hint = "`--depth N` or `--full` opens the rows." if deeper else near if near.startswith("Did") else ""
        what = "no row" if deeper else "nothing"
        hint = hint or f"Its ops are {', '.join(words)}."
        raise UsageError(f"`--only {self.only}`: {what} of `{summary.model}` is called so", hint)


def candidates(found: Sequence[Line]) -> list[Line]:
    """The lines that are picked from: those of the main path that are not opened."""
    return [line for line in found if not line.opened and not line.head]


def nodes_of(line: Line, summary: Summary) -> Sequence[Node]:
    """The nodes that a line counts."""
    if isinstance(line.counts, Layer):
        return (line.counts.node,)
    return summary.report.graph.nodes[line.start : line.stop]


def _measure(line: Line, by: str) -> float:
    if by == "latency":
        return line.latency.median if line.latency is not None else 0.0
    counted: int = getattr(line.counts, "activation_bytes" if by == "activation" else by)
    return counted


def known_sort(name: str, measured: bool) -> str:
    """What `--sort` names; nothing where it is not given. Raises UsageError."""
    if name and name not in SORTS:
        raise UsageError(f"`--sort {name}` is nothing to sort by", did_you_mean(name, SORTS))
    if name == "latency" and not measured:
        raise UsageError("`--sort latency` needs a measurement, and `--static` makes none")
    return name


def totals(summary: Summary) -> list[Line]:
    """The main path's sum, and with heads the sum of all."""
    report, measured = summary.report, summary.measured
    latency = measured.whole if measured is not None else None
    share = 100.0 if share_of(summary) else None
    found = [Line("total", "total", report.totals, latency=latency, share=share)]
    if report.totals_with_heads is not None:
        found.append(Line("total", "total with heads", report.totals_with_heads))
    return found


def share_of(summary: Summary) -> str:
    """What shares are of: latency where it was measured, else MACs; nothing where there are none."""
    if summary.measured is not None:
        return "latency" if summary.measured.whole.median else ""
    return "MACs" if summary.report.totals.macs else ""


class Part(NamedTuple):
    """A block, by its place among the spans, or a node."""

    block: bool
    at: int


class _Opener:
    """Makes lines of the spans and nodes of a graph."""

    def __init__(self, summary: Summary) -> None:
        self.summary, self.report, self.measured = summary, summary.report, summary.measured
        self.graph = self.report.graph
        self.share = share_of(summary)
        self.fields = receptive_fields(self.graph)
        self.judged: dict[str, list[Judgement]] = {}
        for judgement in summary.judgements:
            self.judged.setdefault(judgement.claim.row, []).append(judgement)
        self.inner: dict[int, list[int]] = {}  # for each span the spans directly inside it
        self.names: dict[int, str] = {}  # how each of these is called there: `bottleneck.2`
        self._nest()
        self.row = ""

    def _nest(self) -> None:
        """Find which block stands in which; an empty one is nothing to show."""
        above: list[int] = []
        for index, span in enumerate(self.graph.spans):
            del above[span.depth :]
            if above and span.start < span.stop:
                path = self.graph.spans[above[-1]].path
                self.inner.setdefault(above[-1], []).append(index)
                self.names[index] = span.path[len(path) + 1 :] if path else span.path
            above.append(index)

    def rows(self, depth: int) -> Iterator[Line]:
        found = [index for index, span in enumerate(self.graph.spans) if span.depth == 0]
        for index in sorted(found, key=lambda i: bool(self.graph.spans[i].head)):
            span = self.graph.spans[index]
            self.row = span.name
            judgements = () if span.head else tuple(self.judged.get(span.name, ()))
            parts = self._parts(index) if depth > 0 else []
            yield self._span(span, "row", span.text, 0, (), bool(parts))._replace(
                label=printable(span.label), group=span.path, judgements=judgements
            )
            yield from self._open(parts, 1, depth, ())

    def _open(self, parts: Sequence[Part], level: int, depth: int, lasts: tuple[bool, ...]) -> Iterator[Line]:
        for number, part in enumerate(parts, 1):
            here = (*lasts, number == len(parts))
            if not part.block:
                yield self._op(part.at, level, here)
                continue
            span = self.graph.spans[part.at]
            inside = self._parts(part.at) if level < depth else []
            yield self._span(span, "block", self.names[part.at], level, here, bool(inside))
            yield from self._open(inside, level + 1, depth, here)

    def _parts(self, index: int) -> list[Part]:
        """What stands directly inside a span, in order. A block that is all of a span is no level of its own."""
        span = self.graph.spans[index]
        inner = self.inner.get(index, [])
        if len(inner) == 1 and self.graph.spans[inner[0]][2:4] == span[2:4]:
            return self._parts(inner[0])
        found: list[Part] = []
        at = span.start
        for child in inner:
            found += [Part(False, node) for node in range(at, self.graph.spans[child].start)]
            found.append(Part(True, child))
            at = self.graph.spans[child].stop
        return found + [Part(False, node) for node in range(at, span.stop)]

    def _span(
        self, span: Span, kind: Literal["row", "block"], name: str, level: int, lasts: tuple[bool, ...], opened: bool
    ) -> Line:
        counts = self.report.subtotal(span)
        measured = None if span.head or self.measured is None else self.measured.span(span.start, span.stop)
        return Line(
            kind,
            printable(name),
            counts,
            row=self.row,
            path=span.path,
            depth=level,
            head=span.head,
            where=span.where.where,
            shape=self.graph.shape(span.output),
            latency=measured,
            share=self._share(counts, measured, span.head),
            lasts=lasts,
            opened=opened,
            start=span.start,
            stop=span.stop,
            value=span.output,
            fields=self.fields,
        )

    def _op(self, index: int, level: int, lasts: tuple[bool, ...]) -> Line:
        layer = self.report.layers[index]
        node = layer.node
        latency = None if node.head or self.measured is None else self.measured.layers[index]
        shares = "" if node.shares is None else self.graph.nodes[node.shares].path
        return Line(
            "op",
            call(node.op, shares),
            layer,
            row=self.row,
            path=node.path,
            depth=level,
            head=node.head,
            where=node.where.where,
            shape=node.shape,
            latency=latency,
            share=self._share(layer, latency, node.head),
            lasts=lasts,
            shares=shares,
            value=index,
            fields=self.fields,
        )

    def _share(self, counts: Totals | Layer, latency: Latency | None, head: str) -> float | None:
        if head or not self.share:
            return None
        if latency is not None and self.measured is not None:
            return 100 * latency.median / self.measured.whole.median
        return 100 * counts.macs / self.report.totals.macs


def call(op: Op, shares: str = "") -> str:
    """An op as a layer line calls it: `conv(64, 7, 2, bias=False)`; what has its default is left out. `shares` is the
    node whose weights it works with."""
    arguments = []
    for argument in ARGUMENTS[op.word]:
        value = getattr(op, argument.name)
        if argument.required or (argument.name == "stride" and value != argument.default):
            arguments.append(show(value))
        elif value != argument.default:
            arguments.append(f"{argument.name}={show(value)}")
    if shares:
        arguments.append(f"weights={shares}")
    return f"{op.word}({', '.join(arguments)})" if arguments else op.word


def titled(summary: Summary, depth: int = 0, pick: Pick | None = None) -> tuple[list[Column], list[Line]]:
    """The table as columns and records, for forms that know no tree: labels in a column, parts indented."""
    found = table(summary, depth, pick)
    labelled = any(line.label and line.label != line.name for line in found)
    label = Column("label", lambda line: line.label if line.label != line.name else "", "", "", words)
    name = Column("name", lambda line: INDENT * line.depth + line.name, "", "", words)
    shares = share_of(summary)
    share = [Column("share", SHARE.value, f"% of {shares}", "share", lambda v: Shown("", percent(v).texts))]
    return [*([label] if labelled else []), name, *columns(summary, pick), *(share if shares else [])], found


INDENT = "\u2003"  # an em space
