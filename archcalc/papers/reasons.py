"""Why a printed figure is not what is computed: a few searches, the shortest explanation first.

Each search proposes what would have been counted had a certain slip been made; it explains the figure where that
rounds to what is printed. A search over many candidates says how many there were, so that luck is visible; a slip that
is one of many parts, rows, networks or figures is said only where it explains a second figure of the network, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from ..analysis.counts import Layer
from ..analysis.readings import BASE, changes, other_units, proposed
from ..networks import Number
from ..records import NamedTuple
from ..units import UNITS, read_figure, with_separators
from .documents import Entry
from .quantity import COUNTS, QUANTITIES, Place, Value, count, place_of

TELLING = 20  # a smaller number is twice or half of too many
EXACT_DIGITS = 4  # of a figure that one edited digit may explain


class Search(NamedTuple):
    """A figure that contradicts: what is printed, what was computed (`base`), and where."""

    entry: Entry
    printed: Number
    base: Number
    place: Place | None
    others: Sequence[Any]  # findings on other figures
    relatives: Sequence[tuple[str, int]]  # of other networks of the family

    @property
    def metric(self) -> str:
        return self.entry.metric

    @property
    def layers(self) -> Sequence[Layer]:
        return self.place.layers if self.place is not None else ()

    @property
    def scale(self) -> int:
        return int(10 ** UNITS[self.entry.value.unit])

    @property
    def margin(self) -> Fraction:
        return self.entry.value.half * self.scale

    @property
    def value(self) -> Number:
        return self.printed * self.scale

    def fits(self, number: Value) -> bool:
        return isinstance(number, (int, Fraction)) and abs(Fraction(number) - self.value) <= self.margin


class Slip(NamedTuple):
    """A slip that is one of many: `kind` and `of` are what it is whichever figure it explains."""

    kind: str
    of: object
    sentence: str


def search(asked: Search, again: Callable[[], Iterable[Search]]) -> str:
    """The likely cause in a sentence; empty where nothing is found. `again` gives the other figures of the network that
    contradict: a slip that is one of many is no luck where it explains one of them, too."""
    for look in SEARCHES:
        for found in look(asked):
            if isinstance(found, str):
                return found
            for other in again():
                for slip in look(other):
                    if isinstance(slip, Slip) and (slip.kind, slip.of) == (found.kind, found.of):
                        return f"{found.sentence}; so `{other.entry.id}`"
    return ""


def _under(terms: int, asked: Search) -> Iterator[str]:
    """A reading of at most so many terms."""
    if not asked.layers or asked.metric not in ("params", "macs", "weight_layers") or not isinstance(asked.base, int):
        return
    changed = changes(asked.metric, asked.layers)
    for reading, number, luck in proposed(asked.metric, asked.base, changed, asked.fits, terms):
        yield f"{with_separators(number)} under the reading `{reading}` ({luck})"


def _units(asked: Search) -> Iterator[str]:
    figure = read_figure(asked.entry.printed.value)
    if figure is not None:
        yield from (f"{figure.unit} stands for {number:,} here" for _, number in other_units(figure, asked.base))


def _counted_twice(asked: Search) -> Iterator[Slip]:
    """A row, or a node of a row, that was counted twice or left out."""
    place = asked.place
    if place is None or asked.metric not in COUNTS or not isinstance(asked.base, int):
        return
    graph = place.report.graph
    whole = place.start == 0 and place.stop == graph.main
    parts: list[tuple[str, object, int]] = []
    for span in graph.spans:
        inside = place.start <= span.start and span.stop <= place.stop and not span.head
        if inside and (span.depth == 0) == whole and (span.start, span.stop) != (place.start, place.stop):
            layers = place.report.layers[span.start : span.stop]
            amount = sum(getattr(layer, asked.metric, 0) for layer in layers)
            parts.append((span.name or span.path, (span.start, span.stop), amount))
    if not any(amount for *_, amount in parts):
        parts = [(layer.path, layer.path, getattr(layer, asked.metric, 0)) for layer in asked.layers]
    for sign, what in ((1, "counted twice"), (-1, "left out")):
        for name, of, amount in parts:
            if amount and abs(amount) > asked.margin and asked.fits(asked.base + sign * amount):
                total = with_separators(asked.base + sign * amount)
                text = f"{total} with `{name}` ({with_separators(amount)}) {what} (one of {len(parts)} parts)"
                yield Slip(what, of, text)


def _another_metric(asked: Search) -> Iterator[str]:
    """Another count of the same network: 16 weight layers printed as 16 convolutions."""
    if asked.place is None or not asked.metric.endswith("_layers"):
        return
    for name in ("weight_layers", "conv_layers", "fc_layers", "convolutions", "rows"):
        number = QUANTITIES[name](asked.place) if name in QUANTITIES else asked.place.report.totals.weight_layers
        if name != asked.metric and asked.fits(number):
            yield f"{number} are its {name.replace('_', ' ')}"


def _another_row(asked: Search) -> Iterator[Slip]:
    """The same count of another row of the network."""
    place = asked.place
    if place is None or asked.metric not in COUNTS or place.stop - place.start == place.report.graph.main:
        return
    rows = [span for span in place.report.graph.rows if not span.head]
    for span in rows:
        other = place_of(place.report, span.name)
        if other is None or (other.start, other.stop) == (place.start, place.stop):
            continue
        number = count(other, asked.metric, BASE, True)
        if number and asked.fits(number):
            text = f"{with_separators(number)} is the row `{span.name}` (one of {len(rows)} rows)"
            yield Slip("row", ((place.start, place.stop), span.name), text)


def _another_figure(asked: Search) -> Iterator[Slip]:
    """The value of another figure of the document, under its reading."""
    if asked.value < 20 * asked.margin:
        return  # two digits are not enough to tell among so many
    for other in asked.others:
        number = other.computed
        if isinstance(number, (int, Fraction)) and number != asked.base and asked.fits(number):
            under = f", {other.reading}" if other.reading else ""
            about = f"one of {len(asked.others)} such figures of the document"
            text = f"{with_separators(number)} is computed for `{other.entry.id}`{under} ({about})"
            yield Slip("figure", other.model or other.entry.system, text)


def _another_network(asked: Search) -> Iterator[Slip]:
    """The same count of another network of the family."""
    for name, number in asked.relatives:
        if number != asked.base and asked.fits(number):
            text = f"{with_separators(number)} is that of `{name}` (one of {len(asked.relatives)} relatives)"
            yield Slip("network", name, text)


def _one_channel(asked: Search) -> Iterator[str]:
    if asked.fits(Fraction(asked.base) / 3):
        yield f"{with_separators(asked.base)} / 3 = {with_separators(Fraction(asked.base) / 3)}: one channel, not three"


def _doubled(asked: Search) -> Iterator[str]:
    if asked.value < TELLING:
        return
    if asked.fits(asked.base * 2):
        yield f"2 · {with_separators(asked.base)} = {with_separators(asked.base * 2)}: counted twice"
    if asked.fits(Fraction(asked.base) / 2):
        yield f"{with_separators(asked.base)} / 2: half of it"


def _one_digit(asked: Search) -> Iterator[str]:
    """One digit lost, added, changed or two swapped, in a figure of enough digits to tell."""
    step = 2 * asked.margin or Fraction(1)
    printed, computed = str(round(asked.value / step)), str(round(Fraction(asked.base) / step))
    if min(len(printed), len(computed)) < EXACT_DIGITS - 1 or printed == computed:
        return
    pairs = list(zip(printed, computed, strict=False))
    if len(printed) == len(computed):
        differing = [n for n, (a, b) in enumerate(pairs) if a != b]
        if len(differing) == 1 and len(printed) >= EXACT_DIGITS:
            yield f"one digit differs: {printed} for {computed}"
        swapped = len(differing) == 2 and differing[1] == differing[0] + 1
        if swapped and pairs[differing[0]] == pairs[differing[1]][::-1]:
            yield f"two digits are swapped: {printed} for {computed}"
    longer, shorter = (printed, computed) if len(printed) > len(computed) else (computed, printed)
    if len(longer) == len(shorter) + 1 and any(longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer))):
        yield f"a digit is {'added' if longer is printed else 'lost'}: {printed} for {computed}"


def _swapped_axes(asked: Search) -> Iterator[str]:
    """One axis of the output stands for another: 55·48·96 for 55·55·96."""
    place = asked.place
    if place is None or asked.metric not in ("neurons", "output_elements") or asked.margin:
        return
    shape = place.shape(place.output)
    if len(shape) == 3:
        channels, height, width = shape
        half = channels // 2
        if channels % 2 == 0 and asked.fits(channels * height * half):
            product = f"{channels}·{height}·{half} = {channels * height * half:,}"
            yield f"{product}: the {half} channels of a half stand for its width {width}"


SEARCHES: tuple[Callable[[Search], Iterator[str | Slip]], ...] = (
    *(_units, partial(_under, 1), _one_channel, _swapped_axes, _another_metric, _counted_twice),
    *(_another_row, _another_network, _another_figure, _doubled, _one_digit, partial(_under, 2)),
)
