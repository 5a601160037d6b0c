"""Claims: the figures that a spec quotes, and whether what is computed agrees with them.

Reported and computed stay apart: a claim holds what is printed, a `Judgement` what was computed for it and the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache, partial
from itertools import chain, islice
from typing import Literal
from weakref import WeakKeyDictionary

from ..analysis.counts import Layer, Report, Totals
from ..analysis.readings import BASE, CountingTerm, Reading, changes, other_units, proposed, read_reading
from ..errors import SpecError, Text, did_you_mean
from ..graph import Span
from ..language.columns import RECEPTIVE, SIZES, Role, metric_of
from ..language.family import ALL, Erratum, Family, Readings
from ..language.rows import row_called, rows_of
from ..ops import Shape, Tokens
from ..units import Figure, read_figure, same, squeeze, with_separators

Verdict = Literal["exact", "rounds", "reads as", "truncates", "contradicts"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A printed figure of a variant or model (`subject`), or of one of its rows. `heading` is what the document calls
    it, `metric` what archcalc computes for it, `reading` the counting terms that the spec says it needs."""

    subject: str
    row: str
    heading: Text
    role: Role
    printed: Text
    source: str
    reading: Reading = BASE

    @property
    def metric(self) -> str:
        return self.role.metric + (" with heads" if self.role.with_heads else "")

    def is_called(self, name: str) -> bool:
        return same(name, self.heading.value) or name == self.metric


@dataclass(frozen=True, slots=True)
class Judgement:
    """The value computed for a claim, in base units (sizes: in the printed order), and the verdict; `as_read`: counted
    under the claim's reading; `proposal`: a reading that is not declared, under which the figure would hold."""

    claim: Claim
    computed: int | tuple[int, ...]
    computed_base: int | tuple[int, ...]
    verdict: Verdict
    difference: Fraction | None = None
    erratum: Erratum | None = field(default=None, repr=False)
    as_read: bool = False
    proposal: str = ""

    @property
    def holds(self) -> bool:
        return self.verdict != "contradicts"

    @property
    def place(self) -> tuple[int, int, str]:
        """Which printed figure of its file it is about."""
        return self.claim.printed.line, self.claim.printed.col, self.claim.heading.value

    @property
    def arithmetic(self) -> str:
        """`computed 9,408, printed 2.7K: 71 % below`, in the words of the claim."""
        claim = self.claim
        if isinstance(self.computed, tuple) or self.difference is None:
            shown = "×".join(map(str, self.computed)) if isinstance(self.computed, tuple) else str(self.computed)
            return f"computed {shown}, printed {claim.printed}"
        under = f" ({claim.reading})" if claim.reading else ""
        text = f"computed {with_separators(self.computed)}, printed {claim.printed}{under}"
        if self.holds or not self.difference:
            return text
        printed = self.computed - self.difference
        ratio = Fraction(self.computed) / printed if printed else Fraction(0)
        if not ratio:
            return text
        if ratio >= 2:
            return f"{text}: {_about(ratio)} × the printed"
        if ratio <= Fraction(1, 2):
            return f"{text}: the printed is {_about(1 / ratio)} × that"
        return f"{text}: {_about(100 * abs(ratio - 1))} % {'above' if ratio > 1 else 'below'}"


def _about(value: Fraction) -> str:
    """Two digits of a number, as people write it."""
    return f"{float(f'{float(value):.2g}'):,.15g}"


MAX_CLAIMS = 10_000
MANY = 100  # errors are enough

# --- collecting -------------------------------------------------------------------------------------------------

_CLAIMS: WeakKeyDictionary[Family, tuple[Claim, ...]] = WeakKeyDictionary()


def claims_of(family: Family) -> tuple[Claim, ...]:
    """All claims of a spec file, read once. Raises SpecError where one cannot be read."""
    if family in _CLAIMS:
        return _CLAIMS[family]
    claims = list(islice(chain(_variant_claims(family), _row_claims(family), _reported_claims(family)), MAX_CLAIMS + 1))
    if len(claims) > MAX_CLAIMS:
        raise claims[-1].printed.error(f"more than {MAX_CLAIMS:,} claims are refused")
    for claim in claims:
        _check(claim)
    for key in (*family.reading, *(key for table in family.reported for key in table.reading)):
        if not any(claim.is_called(key) if key else claim.reading for claim in claims):
            text, _ = family.reading.get(key) or next(t.reading[key] for t in family.reported if key in t.reading)
            if not key:
                raise text.error(f"the reading `{text}` changes no figure that is claimed here")
            raise text.error(f"no claim is called `{key}`", did_you_mean(key, [c.heading.value for c in claims]))
    return _CLAIMS.setdefault(family, tuple(claims))


def _reading_of(readings: Readings, heading: Text, metric: str) -> Reading:
    """The reading of a column or figure: the one under its name, or what the one for all of them says about it."""
    found = next((text for key, (_, text) in readings.items() if same(key, heading.value) or key == metric), None)
    if found is not None or ALL not in readings:
        return read_reading(found) if found is not None else BASE
    terms = read_reading(readings[ALL][1]).terms
    return Reading(tuple(term for term in terms if term.units or metric in term.of))


def _variant_claims(family: Family) -> Iterator[Claim]:
    headings = [heading for table, what in family.tables if what == "variants" for heading in table.headings]
    for variant in family.variants:
        for heading, cell in variant.cells.items():
            role = family.role(heading)
            if role is not None and role.kind == "claim" and cell.value:
                text = next(text for text in headings if text.value == heading)
                reading = _reading_of(family.reading, text, role.metric)
                yield Claim(variant.name.value, "", text, role, cell, family.variants_from, reading)


def _row_claims(family: Family) -> Iterator[Claim]:
    if family.layers is None or family.layers.quoted is None:
        return
    for variant in family.variants:
        baseline = family.baseline is None or same(family.baseline.value, variant.name.value)
        for row in rows_of(family, variant):
            for heading, role, cell in row.claims:
                if role.metric in SIZES and not baseline:
                    continue
                reading = _reading_of(family.reading, heading, role.metric)
                yield Claim(variant.name.value, row.name, heading, role, cell, family.layers.quoted.source, reading)


def _reported_claims(family: Family) -> Iterator[Claim]:
    for reported in family.reported:
        table, source = reported.quoted.table, reported.quoted.source
        readings = {**family.reading, **reported.reading}
        by_model = table.headings[0].value == "model"
        for row in table.rows:
            for heading, cell in zip(table.headings[1:], row.cells[1:], strict=True):
                if not cell.value or family.metric((heading if by_model else row.cells[0]).value):
                    continue
                if by_model:
                    role = family.role(heading.value)
                    assert role is not None
                    subject, figure = row.cells[0], heading
                else:
                    role, subject, figure = metric_of(row.cells[0], family.metrics), heading, row.cells[0]
                reading = _reading_of(readings, figure, role.metric)
                yield Claim(subject_of(family, subject), "", figure, role, cell, source, reading)


def subject_of(family: Family, text: Text) -> str:
    """The variant or model that a heading or a first cell of `reported:` names. Raises SpecError."""
    if text.value in family.models:
        return text.value
    variant = family.variant(text.value) if family.layers is not None else None
    if variant is None:
        known = [*family.models, *(v.name.value for v in family.variants)]
        raise text.error(f"`{text}` is neither a model nor a variant of this file", did_you_mean(text.value, known))
    return variant.name.value


def _check(claim: Claim) -> None:
    if claim.role.metric in SIZES:
        _printed_size(claim)
        return
    figure = read_figure(claim.printed.value, claim.role.scale)
    if figure is None:
        hint = "Figures are written 138M, 0.39B, 1.8×10^9 or 151,277,313."
        raise claim.printed.error(f"`{claim.printed}` is not a printed figure", hint)
    if figure.unit and claim.role.scale != 1:
        message = f"`{claim.printed}` has a unit, and so has the role of `{claim.heading}`: one of the two"
        raise claim.printed.error(message)


def claims_on(family: Family, subject: str) -> list[Claim]:
    """The claims that are judged on one model: those that name it, and its variant's where it names that plainly."""
    return [claim for claim in claims_of(family) if is_of(claim.subject, family, subject)]


def is_of(named: str, family: Family, subject: str) -> bool:
    """Whether what names a model or variant of a file is about this model."""
    entry = family.models.get(subject)
    own = subject if entry is None else entry.variant.value if entry.plain else ""
    return named == subject or (bool(own) and same(named, own))


# --- judging ----------------------------------------------------------------------------------------------------


def judge(family: Family, subject: str, report: Report) -> tuple[Judgement, ...]:
    """Judge the claims on a model against its report (batch 1, the printed input). Raises SpecError."""
    rows = {span.name: span for span in report.graph.rows if not span.head}
    subtotal = cache(report.subtotal)  # a row has several claims
    changed: dict[tuple[str, bool, str], dict[CountingTerm, int]] = {}  # by place and metric
    found: list[Judgement] = []
    searched = 0
    for claim in claims_on(family, subject):
        judged = judge_one(claim, report, rows.get(claim.row), subtotal)
        if not judged.holds:
            erratum = next((e for e in family.errata if _covers(e, claim, family)), None)
            judged = replace(judged, erratum=erratum)
            if erratum is None and claim.role.metric not in SIZES and searched < MANY:
                searched += 1
                base, layers = _counted(claim, report, rows.get(claim.row), subtotal)
                place = claim.row, claim.role.with_heads, claim.role.metric
                if place not in changed:
                    changed[place] = changes(claim.role.metric, layers)
                judged = replace(judged, proposal=_proposal(claim, base, changed[place]))
        found.append(judged)
    return tuple(found)


def judge_one(claim: Claim, report: Report, span: Span | None, subtotal: Callable[[Span], Totals]) -> Judgement:
    """The verdict on one claim: the first that fits of exact, rounds, reads as, truncates, contradicts."""
    if claim.role.metric in RECEPTIVE:
        return _judge_field(claim, report, report.receptive_fields.last_map if span is None else span.output)
    if claim.role.metric in SIZES:
        assert span is not None
        return _judge_size(claim, report.graph.shape(span.output if claim.role.metric == "shape" else span.input))
    figure = read_figure(claim.printed.value, claim.role.scale)
    assert figure is not None
    base, layers = _counted(claim, report, span, subtotal)
    computed = claim.reading.count(base, claim.role.metric, layers)
    value, half = figure.under(claim.reading.units)
    verdict = decide(base, figure.value, figure.half, computed if claim.reading else None, value, half)
    if verdict in ("exact", "rounds") or (verdict == "truncates" and _cut(base, figure.value, figure.half)):
        return Judgement(claim, base, base, verdict, base - figure.value)
    return Judgement(claim, computed, base, verdict, computed - value, as_read=bool(claim.reading))


def _counted(
    claim: Claim, report: Report, span: Span | None, subtotal: Callable[[Span], Totals]
) -> tuple[int, Sequence[Layer]]:
    """The base counting of what a claim is about, no size, and the layers that it is the sum of."""
    totals, layers = report.totals, report.layers[: report.graph.main]
    if span is not None:
        totals, layers = subtotal(span), report.layers[span.start : span.stop]
    elif claim.role.with_heads:
        totals, layers = report.totals_with_heads or report.totals, report.layers
    return totals.counts()[claim.role.metric], layers


def _proposal(claim: Claim, base: int, changed: Mapping[CountingTerm, int]) -> str:
    """A reading of one counting term, or else two, under which the figure holds, and what speaks for it."""
    figure = read_figure(claim.printed.value, claim.role.scale)
    assert figure is not None
    for unit, number in other_units(figure, base):
        return f"`{unit.name}`: {figure.unit} stands for {number:,}"
    fits = partial(_within, figure)
    for terms in (1, 2):
        for reading, number, luck in proposed(claim.role.metric, base, changed, fits, terms):
            return f"`{reading}`: {with_separators(number)}, {luck}"
    return ""


def _within(figure: Figure, count: int) -> bool:
    return abs(count - figure.value) <= figure.half


def decide(
    base: int | Fraction,
    printed: Fraction,
    half: Fraction,
    read: int | Fraction | None = None,
    printed_as_read: Fraction = Fraction(0),
    half_as_read: Fraction = Fraction(0),
) -> Verdict:
    """The first verdict that fits a printed number: `base` in base counting; `read`, `printed_as_read` and
    `half_as_read` under the declared reading, where there is one. A `half` of 0 is a number that is printed exactly."""
    if not half and base == printed:
        return "exact"
    if half and abs(base - printed) <= half:
        return "rounds"
    if read is not None and abs(read - printed_as_read) <= half_as_read:
        return "reads as"
    if _cut(base, printed, half) or (read is not None and _cut(read, printed_as_read, half_as_read)):
        return "truncates"
    return "contradicts"


def _cut(count: int | Fraction, printed: Fraction, half: Fraction) -> bool:
    return bool(half) and printed <= count < printed + 2 * half


def _printed_size(claim: Claim) -> tuple[int, ...]:
    pattern = claim.role.pattern
    parts = pattern.match(claim.printed) if pattern is not None else None
    holes = pattern.holes if pattern is not None else ()
    pieces = [parts[hole].value for hole in holes] if parts else squeeze(claim.printed.value).split("x")
    if not all(piece.isdecimal() and len(piece) < 19 for piece in pieces):
        raise claim.printed.error(f"`{claim.printed}` is not a size such as 112×112×64")
    size = tuple(int(piece) for piece in pieces)
    if pattern is not None and len(size) > len(pattern.holes):
        raise claim.printed.error(f"`{claim.printed}` has more parts than `{pattern.text}`")
    return size


def _judge_size(claim: Claim, shape: Shape) -> Judgement:
    """Sizes are compared in the printed order; axes of size 1 may be missing on either side."""
    printed = _printed_size(claim)
    pattern = claim.role.pattern
    axes: dict[str, int] = {}
    if not isinstance(shape, Tokens):
        axes = dict(zip("cdhw" if len(shape) == 4 else "chw", (*shape, 1, 1, 1), strict=False))
    if pattern is not None and set(pattern.holes) <= set(axes):
        computed = tuple(axes[hole] for hole in pattern.holes)
    elif len(printed) == 2 and not isinstance(shape, Tokens):
        computed = (axes["h"], axes["w"])
    else:
        computed = tuple(shape)
    alike = [n for n in computed if n != 1] == [n for n in printed if n != 1]
    return Judgement(claim, computed, computed, "exact" if alike else "contradicts")


def _judge_field(claim: Claim, report: Report, value: int) -> Judgement:
    """A receptive field on the first input, along all axes where one number is printed. Raises SpecError where it is
    unbounded, or the input has no axis."""
    printed, fields = _printed_size(claim), report.receptive_fields[value]
    sizes = [axis.most if claim.role.metric == "receptive_field" else axis.union for axis in fields]
    computed = tuple(size for size in sizes if size is not None)
    if not fields or len(computed) < len(fields):
        why = "is unbounded here" if fields else "is that of an input with positions, which is not read here"
        raise claim.printed.error(f"a receptive field {why}", "It is unbounded behind attention and global pooling.")
    names = ("w", "hw", "dhw")[min(len(fields), 3) - 1]
    if claim.role.pattern is not None and set(claim.role.pattern.holes) <= set(names):
        computed = tuple(dict(zip(names, computed, strict=True))[hole] for hole in claim.role.pattern.holes)
    elif len(printed) == 1 and len(set(computed)) == 1:
        same_on_all, difference = computed[0], Fraction(computed[0] - printed[0])
        return Judgement(claim, same_on_all, same_on_all, "contradicts" if difference else "exact", difference)
    return Judgement(claim, computed, computed, "exact" if computed == printed else "contradicts")


# --- errata -----------------------------------------------------------------------------------------------------


def _covers(erratum: Erratum, claim: Claim, family: Family) -> bool:
    if not any(claim.is_called(figure.value) for figure in erratum.figures):
        return False
    if erratum.variants and not any(_same_subject(family, v.value, claim.subject) for v in erratum.variants):
        return False
    if erratum.rows:
        group = claim.row.rpartition(".")[0]
        return bool(claim.row) and any(same(r.value, claim.row) or same(r.value, group) for r in erratum.rows)
    return not claim.row


def _same_subject(family: Family, name: str, subject: str) -> bool:
    """True if two names mean one model: the same, or a variant and the model that names it plainly."""

    def variant(word: str) -> str:
        entry = family.models.get(word)
        return entry.variant.value if entry is not None and entry.plain else word

    return same(variant(name), variant(subject))


def stale_errata(family: Family, judged: Mapping[str, tuple[Judgement, ...]]) -> list[SpecError]:
    """Errors in the errata of a file, given the judgements on all of its models. An erratum must name claims; each that
    it names must contradict, and its note must quote what is printed."""
    found = []
    every = [judgement for judgements in judged.values() for judgement in judgements]
    for erratum in family.errata:
        for row in erratum.rows:
            if family.layers is not None and family.layers.quoted is not None:
                _known_row(family, row)
        for name in erratum.variants:
            subject_of(family, name)
        for figure in erratum.figures:
            for name in erratum.rows or erratum.variants or (figure,):
                one = erratum._replace(figures=(figure,))
                if erratum.rows:
                    one = one._replace(rows=(name,))
                elif erratum.variants:
                    one = one._replace(variants=(name,))
                covered = [j for j in every if _covers(one, j.claim, family)]
                about = f"`{name}`" if name is figure else f"`{name}`, `{figure}`"
                wrong = [j for j in covered if not j.holds]
                if not covered:
                    hint = "" if erratum.rows or erratum.variants else "An erratum about a row names it: `row: …`."
                    found.append(figure.error(f"no claim answers to this erratum: {about}", hint))
                elif not wrong:
                    detail = covered[0].arithmetic
                    found.append(name.error(f"this erratum no longer applies: {about} holds ({detail})"))
                printed = [j.claim.printed for j in wrong if not _quotes(erratum.note.value, j.claim.printed.value)]
                found += [erratum.note.error(f"the note does not quote the printed `{p}` of {about}") for p in printed]
                if len(found) > MANY:
                    return found
    return found


def _quotes(note: str, printed: str) -> bool:
    """True if `note` quotes `printed`, not as a part of another figure."""
    return re.search(rf"(?<![\w.,]){re.escape(printed)}(?!\w|[.,]\d)", note) is not None


def _known_row(family: Family, name: Text) -> None:
    errors = []
    for variant in family.variants:
        try:
            row_called(rows_of(family, variant), name)
            return
        except SpecError as error:
            errors.append(error)
    raise errors[0]
