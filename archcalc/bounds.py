"""Bounds for what networks cost: `params <= 8M and macs in 360M..440M and peak_memory_bytes <= 64MiB`.

One grammar for `--where` and for budgets: terms joined by `and`, each a quantity with a comparison or, behind `in`, a
range with both of its ends. Whoever reads them says what there is to bound, and in which unit; nothing is evaluated.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from .errors import Source, Text, begun, did_you_mean
from .units import read_figure

COMPARISONS: dict[str, Callable[[float | Fraction, Fraction], bool]] = {
    "<=": operator.le,
    "≤": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    "≥": operator.ge,
    ">": operator.gt,
}
COMPARISON = re.compile(r"<=|>=|≤|≥|<|>|\s+in\s+")
MOST = 300  # characters of all terms together
BYTES: dict[str, int] = {"B": 1, "kB": 1000}
for power, prefix in enumerate("KMGT", 1):
    BYTES |= {f"{prefix}iB": 1024**power, f"{prefix}B": 1000**power}
TIMES = {"us": Fraction(1, 1000), "µs": Fraction(1, 1000), "ms": Fraction(1), "s": Fraction(1000)}
# The units that have names of their own: what each is, and how an amount of them is written.
UNITS: dict[str, tuple[Mapping[str, int | Fraction], str, str, str]] = {
    "bytes": (BYTES, "B", "number of bytes", "Bytes are written as 64MiB or 67,108,864."),
    "ms": (TIMES, "ms", "time", "Times are written as 20ms or 1.5s."),
}


@dataclass(frozen=True, slots=True)
class Bound:
    """`quantity` `comparison` `limit`, or `limit` × what `baseline` takes in the same run; `text` is where it stands.
    A range is two of them with one text."""

    text: Text
    quantity: str
    comparison: str
    limit: Fraction
    baseline: str = ""

    def holds(self, value: float | Fraction) -> bool:
        """Whether a value keeps it."""
        return COMPARISONS[self.comparison](value, self.limit)


def read_bounds(
    text: Text, unit_of: Callable[[Text], tuple[str, str]], what: str = "bound", form: str = "`params <= 25.6M`"
) -> tuple[Bound, ...]:
    """Read the terms of a text. `unit_of` gives the name and the unit of what a term bounds, or raises; what is bounded
    by `relative` is bounded by another model. `what` messages call a term, and `form` shows one. Raises SpecError."""
    if len(text.value) > MOST:
        raise text.error(f"a {what} has at most {MOST} characters", f"A {what} is {form}.")
    found: list[Bound] = []
    start = 0
    for end in [*re.finditer(r"\s+and\s+", text.value), None]:
        term = text.part(start, end.start() if end else None).strip()
        start = end.end() if end else 0
        found += _term(term, unit_of, what, form)
    return tuple(found)


def _term(term: Text, unit_of: Callable[[Text], tuple[str, str]], what: str, form: str) -> list[Bound]:
    other = re.search(r"(?<=\s)(or|\|\|?|&&?)(?=\s)|,(?=\s)", term.value)
    if other:
        where = term.part(other.start(), other.end())
        either = " For either of two, ask twice." if other[1] in ("or", "|", "||") else ""
        raise where.error(f"`{where}` joins no {what}s", f"`and` does: `params < 30M and macs < 5G`.{either}")
    match = COMPARISON.search(term.value)
    if not match:
        equal = re.fullmatch(r"(\S.*?)\s*=+\s*(\S.*)", term.value)
        hint = f"An exact figure is a range: `{equal[1]} in {equal[2]}..{equal[2]}`." if equal else ""
        raise term.error(f"`{term}` is not a {what}", hint or f"A {what} is {form}.")
    quantity, unit = unit_of(term.part(0, max(1, match.start())).strip())
    comparison, place = match[0].strip(), term.part(match.end()).strip()
    if unit == "relative":
        relative = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*[×x*]\s*(\S.*)", place.value)
        if not relative or comparison == "in":
            raise place.error(f"`{quantity}` is bounded by what another model takes in the same run", f"Write {form}.")
        return [Bound(term, quantity, comparison, Fraction(relative[1]), relative[2])]
    if comparison != "in":
        return [Bound(term, quantity, comparison, amount(place, unit))]
    low, dots, _ = place.value.partition("..")
    if not dots:
        raise place.error(f"`{place}` is no range", "A range is written `macs in 360M..440M`, with both of its ends.")
    ends = place.part(0, len(low)).strip(), place.part(len(low) + 2).strip()
    least, most = (amount(end, unit) for end in ends)
    if least > most:
        raise place.error(f"`{place}`: the range ends below its start")
    return [Bound(term, quantity, ">=", least), Bound(term, quantity, "<=", most)]


def amount(place: Text, unit: str = "") -> Fraction:
    """`64MiB`, `20ms`, `8M`; a bare number is in the unit, which may stand behind it. Raises SpecError."""
    if unit in UNITS:
        units, usual, what, hint = UNITS[unit]
        match = re.fullmatch(r"([0-9][0-9,]{0,30}(?:\.[0-9]{1,20})?)\s*([A-Za-zµ]{0,3})", place.value)
        if match and (match[2] or usual) in units:
            return Fraction(match[1].replace(",", "")) * units[match[2] or usual]
        raise place.error(f"`{place}` is no {what}", hint)
    figure = read_figure(place.value.removesuffix(unit))
    if figure is None:
        raise place.error(f"`{place}` is no number", "Numbers are written as 25.6M, 4.1G or 25,557,032.")
    return figure.value


def read_where(text: str, units: Mapping[str, str], option: str = "--where") -> tuple[Bound, ...]:
    """What an option bounds: `units` are those of all that there is, by name, of which a beginning is enough. Raises
    SpecError with the place in the option."""

    def unit_of(name: Text) -> tuple[str, str]:
        quantity = one_of(name, units)
        return quantity, units[quantity]

    return read_bounds(Text(text, Source(option, (text,)), 1, 1).strip(), unit_of)


def one_of(name: Text, known: Iterable[str]) -> str:
    """The one of `known` that is called so, or begins so. Raises SpecError."""
    there = begun(name.value, known)
    if len(there) == 1:
        return there[0]
    if there:
        raise name.error(f"`{name}` may be {' or '.join(f'`{each}`' for each in there)}")
    near = did_you_mean(name.value, known)
    every = "" if near.startswith("Known") else f"There are {', '.join(known)}."
    raise name.error(f"`{name}` is nothing that is known of a network", " ".join(filter(None, (near, every))))
