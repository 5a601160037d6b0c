"""A network at many sizes: every point is built and counted, nothing is extrapolated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import prod
from pathlib import Path

from ..analysis.counts import Report
from ..errors import ArchcalcError, UsageError
from ..fronts import is_other
from ..graph import Input
from ..language.zoo import at_input
from ..models import Model, another_network, load
from ..networks import Reference, input_at, input_of
from ..ops import Shape
from ..papers.results import Reported
from ..parallel import Tick, ticked
from ..units import as_typed, cut, read_number
from ..views import Tabular
from .results import known_results, merged

MOST = 2_000  # points
Sides = Sequence[int | Shape]


@dataclass(frozen=True, slots=True)
class Point:
    """A network at one input, batch and setting of its constants."""

    input: Shape
    batch: int
    settings: dict[str, str]
    report: Report = field(repr=False)
    reported: tuple[Reported, ...] = ()

    def figure(self, name: str) -> float | None:
        """What is reported under a name."""
        return next((result.value for result in self.reported if result.metric.name == name), None)

    @property
    def inputs(self) -> tuple[tuple[str, Shape], ...]:
        """All inputs by name."""
        return self.report.graph.inputs


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A size at which a network does not build, and why."""

    input: Input | None
    settings: dict[str, str]
    error: ArchcalcError = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScaleResult(Tabular):
    """A network, as it was asked for, at many points: those that build, and what does not."""

    model: str
    points: tuple[Point, ...]
    unbuilt: tuple[Unbuilt, ...] = ()
    notes: tuple[str, ...] = ()


def scale(
    model: Reference,
    *,
    inputs: Sides | Mapping[str, Sides] = (),
    batches: Sequence[int] = (1,),
    settings: Mapping[str, Sequence[int | float | str | Fraction]] | None = None,
    dtype: str = "float32",
    results: Path | str = "",
    tick: Tick | None = None,
) -> ScaleResult:
    """Count a network at every combination of inputs, batches and settings; these are built, each once, and for `notes`
    the printed one.

    An input is whole, or a number for every side; of several they go by name. What does not build is told beside the
    others. `results` is a file of what somebody reports for the network, as `resnet50` or `resnet50@256`, with the
    spec's constants. Raises UsageError, also for more than 2,000 points; and where none builds, what the first one
    raises."""
    named = inputs if isinstance(inputs, Mapping) else {"": inputs}
    whole = [[(size,) if isinstance(size, int) else tuple(size) for size in each] for each in named.values()]
    sizes: list[Input | None] = [dict(zip(named, chosen, strict=True)) for chosen in product(*whole)]
    if not isinstance(inputs, Mapping):
        sizes = [*whole[0]]
    varied = {name: [shown(value) for value in given] for name, given in (settings or {}).items()}
    known = known_results(results, {str(model): None}) if results else ()
    own = list(_of_model(model, known))
    built: dict[tuple[object, ...], Model | Unbuilt] = {}
    points: list[Point] = []
    for size, batch, chosen in ticked(list(grid(sizes or [None], batches, varied)), tick):
        key = str(size), *chosen.values()
        if key not in built:
            built[key] = _build(model, size, chosen)
        network = built[key]
        if isinstance(network, Model):
            fits = [result for result, shape in own if _is_at(network, shape) and not chosen]
            reported = merged(network.reported, fits, {result.model.value for result in fits})
            points.append(Point(network.input, batch, chosen, network.report(batch, dtype), reported))
    unbuilt = tuple(found for found in built.values() if isinstance(found, Unbuilt))
    if not points and unbuilt:
        raise unbuilt[0].error
    models = [found for found in built.values() if isinstance(found, Model)]
    alike: dict[str, list[Model]] = {}
    for found in models:
        alike.setdefault(str(found.settings), []).append(found)
    notes = [note for group in alike.values() for note in (*group[0].stands_in, *another_network(group))]
    return ScaleResult(str(model), tuple(points), unbuilt, tuple(dict.fromkeys(notes)))


def _of_model(model: Reference, known: Sequence[Reported]) -> Iterator[tuple[Reported, Input]]:
    """The results of a model, each with the input that it is at. Raises SpecError for one that there cannot be."""
    for result in known:
        name, size = at_input(result.model.value)
        if name == str(model):
            try:
                yield result, input_at(model, size) if size else input_of(model)
            except UsageError as error:
                raise result.model.error(error.message, error.hint) from None


def _is_at(model: Model, input: Input) -> bool:
    there = dict(model.graph.inputs)
    return {**there, **input} == there if isinstance(input, Mapping) else model.input == input


def _build(model: Reference, size: Input | None, chosen: dict[str, str]) -> Model | Unbuilt:
    """The network at a size and with settings, or why there is none."""
    shape = size
    try:
        if size is not None and not is_other(str(model)):
            shape = input_at(model, size, chosen)
        return load(model, input=shape, settings=chosen)
    except ArchcalcError as error:
        return Unbuilt(shape, chosen, error)


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
            if by <= 0 or last < first:
                raise ValueError
            if (last - first) / by >= MOST:
                raise UsageError(f"`{what} {part}` is more than {MOST:,} numbers, the most that are counted at once")
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
    inputs: Sequence[Input | None], batches: Sequence[int], settings: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Input | None, int, dict[str, str]]]:
    """All combinations: inputs, batches and settings, the last one the quickest. Raises UsageError for too many."""
    size = prod(map(len, (inputs, batches, *settings.values())))
    if size > MOST:
        raise UsageError(f"{size:,} points are more than {MOST:,}")
    for shape, batch, chosen in product(inputs, batches, product(*settings.values())):
        yield shape, batch, dict(zip(settings, chosen, strict=True))


def shown(value: int | float | str | Fraction) -> str:
    """A value as a setting is typed: `1.1`."""
    return as_typed(value) if isinstance(value, Fraction) else str(value)
