"""Columns of tables, and how their numbers are shown: in one unit, with as many places as all of them need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from math import inf
from typing import Any, TypeVar

from ..errors import UsageError, begun, did_you_mean
from ..ops import Shape, Tokens
from ..ops.shapes import Many, items, many
from ..records import NamedTuple
from ..units import scaled, with_separators


class Shown(NamedTuple):
    """The texts of a column, and the unit that they share."""

    unit: str
    texts: list[str]


Named = TypeVar("Named")
Value = int | float | str | None
INDENT = "\u2003"  # an em space, in front of a part's name


class Column(NamedTuple):
    """A column: its name in csv, where its exact value comes from, and, where people see it, under which heading and
    how; `short` stands where the heading is too wide, `spare` is what a narrow terminal does without, `link` where on
    its page a click on a text goes to, if anywhere."""

    name: str
    value: Callable[[Any], Value]  # of whatever a table is a list of
    heading: str = ""
    short: str = ""
    show: Callable[[Sequence[Value]], Shown] | None = None
    spare: bool = False
    link: Callable[[Any], str] | None = None

    def shown(self, records: Sequence[Any]) -> Shown:
        """The texts of records, and their unit; only of a column that people see."""
        assert self.show is not None
        return self.show([self.value(record) for record in records])

    def written(self, records: Sequence[Any]) -> tuple[str, list[str]]:
        """The heading with the unit behind it, and the texts of records."""
        unit, texts = self.shown(records)
        return f"{self.heading} ({unit})" if unit else self.heading, texts


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


def words(values: Sequence[Value]) -> Shown:
    return Shown("", ["" if v is None else str(v) for v in values])


def counts(values: Sequence[Value]) -> Shown:
    """Numbers each with its own unit, `15.5 G`, where they are too far apart for one."""
    pairs = [scaled(abs(value)) if isinstance(value, (int, float)) else ("", "") for value in values]
    signs = ["−" if isinstance(value, (int, float)) and value < 0 else "" for value in values]
    units = max((len(unit) for _, unit in pairs), default=0)
    texts = [f"{number} {unit:<{units}}" if units else number for number, unit in pairs]
    return Shown("", [sign + text for sign, text in zip(signs, texts, strict=True)])


def plain(values: Sequence[Value]) -> Shown:
    """Numbers as they are, without separators and unit: years, counts below a thousand, what may be unbounded."""
    texts = ["" if v is None else str(round(v, 6) if isinstance(v, float) and v != inf else v) for v in values]
    return Shown("", ["∞" if text == "inf" else text for text in texts])


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
    """`64×112×112`, or `197 × 768` for tokens; `49 × 96×7×7` for many."""
    if isinstance(shape, Many):
        return f"{items(shape)} × {size(many(shape, ()))}"
    return (" × " if isinstance(shape, Tokens) else "×").join(map(str, shape)) or "1"


def sizes(shapes: Iterable[Shape]) -> str:
    """Sizes one after the other, those alike together: `8×32×32, 3 of 8×16×16, 2 vectors of 9`."""
    each = [(text, len(list(alike))) for text, alike in groupby(map(size, shapes))]
    kind = {True: " vectors", False: ""}
    return ", ".join(text if count == 1 else f"{count}{kind[text.isdigit()]} of {text}" for text, count in each)


def as_is(column: Column) -> Column:
    """The column with its numbers exactly as they are, under its name."""
    if column.show in (words, percent) or column.show is None:
        return column
    return Column(column.name, column.value, column.name, column.name, plain)


def by_names(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """The columns of these names, or all. Raises UsageError."""
    return named({column.name: column for column in columns}, names) if names else list(columns)


def named(known: Mapping[str, Named], names: Sequence[str]) -> list[Named]:
    """What goes by these names, each once: by the whole name, by how one alone begins, or all that go on behind it as
    `receptive_field` does. Raises UsageError that lists what there is."""
    found: dict[str, Named] = {}
    for name in names:
        there = begun(name, known)
        several = len(there) > 1 and not all(each.startswith(f"{name}_") for each in there)
        if several or not there:
            what = f"may be {' or '.join(f'`{each}`' for each in there)}" if several else ""
            near = did_you_mean(name, known).partition("Known")[0]
            every = f"There are {', '.join(known)}."
            message = f"the column `{name}` {what}" if several else f"there is no column `{name}`"
            raise UsageError(message, " ".join(filter(None, (near, every))))
        found |= {each: known[each] for each in there}
    return [*found.values()]


TIMED = ("latency_", "throughput", "measured_")  # how columns begin that hold what was measured


def known(columns: Iterable[Column], records: Sequence[Any], way: str, every: bool = False) -> None:
    """Raise UsageError where one of these columns, for which somebody asks, holds nothing: of what is measured, or of
    `every` one. `way` is how one measures."""
    for column in columns:
        timed = column.name.startswith(TIMED)
        if (timed or every) and all(column.value(record) is None for record in records):
            what = "needs a measurement, and none was made" if timed else "is known of none of these networks"
            raise UsageError(f"the column `{column.name}` {what}", way if timed else "")


def for_people(columns: Sequence[Column], raw: bool = False) -> list[Column]:
    """The columns as people see them, with numbers as they are if `raw`; without a heading they go by their names."""
    seen = [c if c.show is not None else Column(c.name, c.value, c.name, c.name, words) for c in columns]
    return [as_is(column) for column in seen] if raw else seen


UNITS = ("auto", "raw")  # numbers with a unit that suits them, or exactly as they are


def known_units(name: str) -> str:
    """Check the name of `--units` and return it. Raises UsageError for an unknown one."""
    if name not in UNITS:
        raise UsageError(f"`--units {name}` is neither auto nor raw", did_you_mean(name, UNITS))
    return name
