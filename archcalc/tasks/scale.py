"""A network at many sizes: every point is built and counted, nothing is extrapolated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import prod

from ..analysis.counts import Report
from ..errors import UsageError
from ..language.zoo import resized
from ..models import load
from ..networks import Reference
from ..ops import Shape
from ..parallel import Tick, ticked
from ..units import cut, read_number
from ..views import Tabular

MOST = 2_000  # points


@dataclass(frozen=True, slots=True)
class Point:
    """A network at one input, batch and setting of its constants."""

    input: Shape
    batch: int
    settings: dict[str, str]
    report: Report = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScaleResult(Tabular):
    """A network, as it was asked for, at many points."""

    model: str
    points: tuple[Point, ...]


def scale(
    model: Reference,
    *,
    inputs: Sequence[int | Shape] = (),
    batches: Sequence[int] = (1,),
    settings: Mapping[str, Sequence[int | float | str | Fraction]] | None = None,
    dtype: str = "float32",
    tick: Tick | None = None,
) -> ScaleResult:
    """Count a network at every combination of inputs, batches and settings; each point is built anew.

    An input is whole, or a number for every side. Raises UsageError, also for more than 2,000 points, and SpecError."""
    printed = load(model).input
    sizes = [(size,) if isinstance(size, int) else tuple(size) for size in inputs]
    shapes: list[Shape | None] = [resized(printed, size) for size in sizes]
    varied = {name: [shown(value) for value in given] for name, given in (settings or {}).items()}
    points: list[Point] = []
    for shape, batch, chosen in ticked(list(grid(shapes or [None], batches, varied)), tick):
        built = load(model, input=shape, settings=chosen)
        points.append(Point(built.input, batch, chosen, built.report(batch, dtype)))
    return ScaleResult(str(model), tuple(points))


def sides(text: str) -> list[int | Shape]:
    """`128..512/32,3x64x96`: sides, and whole inputs. Raises UsageError."""
    found: list[int | Shape] = []
    for part in text.split(",") if text else ():
        whole = part.lower().replace("×", "x")
        if re.fullmatch("[0-9]{1,19}(x[0-9]{1,19})+", whole):
            found.append(tuple(int(n) for n in whole.split("x")))
        else:
            found += counts(part, "--input")
    return found


def values(text: str, what: str) -> tuple[Fraction, ...]:
    """`128..512/32` (both ends, in steps), `1,8`, `0.5..2/0.5`, and lists of these. Raises UsageError."""
    found: list[Fraction] = []
    for part in text.split(","):
        try:
            span, slash, step = part.partition("/")
            low, dots, high = span.partition("..")
            if not dots:
                if slash:
                    raise ValueError
                found.append(read_number(low))
                continue
            first, last, by = read_number(low), read_number(high), read_number(step if slash else "1")
            if by <= 0 or last < first or (last - first) / by >= MOST:
                raise ValueError
            found += [first + by * n for n in range(int((last - first) / by) + 1)]
        except (ValueError, ZeroDivisionError):
            hint = "A range is `128..512/32`, a list `1,8,32`."
            raise UsageError(f"`{what} {cut(text)}` is neither numbers nor a range of them", hint) from None
    return tuple(dict.fromkeys(found))


def counts(text: str, what: str) -> tuple[int, ...]:
    """Whole numbers of at least 1. Raises UsageError."""
    found = values(text, what)
    if any(value.denominator != 1 or value < 1 for value in found):
        raise UsageError(f"`{what} {cut(text)}`: whole numbers of at least 1 are wanted")
    return tuple(int(value) for value in found)


def grid(
    inputs: Sequence[tuple[int, ...] | None], batches: Sequence[int], settings: Mapping[str, Sequence[str]]
) -> Iterator[tuple[tuple[int, ...] | None, int, dict[str, str]]]:
    """All combinations: inputs, batches and settings, the last one the quickest. Raises UsageError for too many."""
    size = prod(map(len, (inputs, batches, *settings.values())))
    if size > MOST:
        raise UsageError(f"{size:,} points are more than {MOST:,}")
    for shape, batch, chosen in product(inputs, batches, product(*settings.values())):
        yield shape, batch, dict(zip(settings, chosen, strict=True))


def shown(value: int | float | str | Fraction) -> str:
    """A value as a setting is typed: `1.1`."""
    if not isinstance(value, Fraction):
        return str(value)
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.12g}"
