"""The columns of a summary's table, and how numbers are shown: in one unit, with as many places as all need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError, did_you_mean
from ..models import Summary
from ..ops import Shape, Tokens
from ..ops.base import show
from ..tasks.summary import Line, Pick, share_of, table
from ..units import scaled, with_separators

if TYPE_CHECKING:
    from ..measurement.latency import Latency


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


def counts(values: Sequence[Value]) -> Shown:
    """Numbers each with its own unit, `15.5 G`, where they are too far apart for one."""
    pairs = [scaled(abs(value)) if isinstance(value, (int, float)) else ("", "") for value in values]
    signs = ["−" if isinstance(value, (int, float)) and value < 0 else "" for value in values]
    units = max((len(unit) for _, unit in pairs), default=0)
    return Shown(
        "",
        [
            f"{s}{number} {unit:<{units}}" if units else s + number
            for s, (number, unit) in zip(signs, pairs, strict=True)
        ],
    )


def plain(values: Sequence[Value]) -> Shown:
    """Numbers as they are: years, counts below a thousand."""
    return Shown("", ["" if value is None else str(value) for value in values])


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


def by_names(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """The columns of these names, or all. Raises UsageError."""
    known = {column.name: column for column in columns}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no column `{name}`", did_you_mean(name, known))
    return [known[name] for name in names] if names else list(columns)


def with_headings(columns: Sequence[Column]) -> list[Column]:
    """The columns as people see them: what has no heading of its own goes by its name."""
    return [c if c.show is not None else Column(c.name, c.value, c.name, c.name, words) for c in columns]


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
