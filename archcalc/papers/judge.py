"""Values computed for the figures of the ledger, and the verdicts. Nothing of it is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice, product
from pathlib import Path
from typing import Literal, get_args

from ..analysis.readings import BASE, BEFORE_ROUNDING, Reading, candidates
from ..errors import SpecError
from ..language.expand import settable
from ..language.family import Erratum, Family
from ..networks import Networks, Number
from ..units import UNITS, with_separators
from .claims import Claim, Judgement, Verdict, decide, judge
from .documents import Entry, Printed, problem
from .quantity import COUNTS, OPERAND, Formula, Place, Quantity, Value, ask, place_of
from .reasons import Search, search

Found = Verdict | Literal["not computable"]
VERDICTS: tuple[str, ...] = (*get_args(Verdict), "not computable")
MAX_INSTANCES = 500
MAX_RELATIVES = 12
NUMBERS = re.compile(r"10\*\*(\d+)|(?<![\d.])(?<!\*\*)(\d+(?:\.\d+)?)")  # of a formula, but for exponents of others


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure with what is computed for it, in base units (sizes in the printed order). `computed` is the number under
    `reading`; `base` that under base counting, of arithmetic of the print what the counts give. `tried` is how many
    readings were tried; `formula` the arithmetic with its numbers. `operands` are these numbers, each with what it is,
    or, without a number, what is missing; `rests_on` the figures among them that contradict."""

    entry: Entry
    model: str
    verdict: Found
    computed: Value | None = None
    base: Value | None = None
    difference: Number | None = None
    reading: str = ""
    tried: int = 0
    formula: str = ""
    operands: tuple[tuple[str, Value | None], ...] = ()
    rests_on: tuple[str, ...] = ()
    reason: str = ""
    erratum: Erratum | None = field(default=None, repr=False)

    @property
    def holds(self) -> bool:
        return self.verdict not in ("contradicts", "not computable")

    @property
    def evidence(self) -> bool:
        """True if the figure follows from an architecture; specifications and formulas do not count."""
        return self.entry.kind == "computed"

    @property
    def undeclared(self) -> bool:
        return self.verdict == "contradicts" and self.erratum is None


class Ledger:
    """All figures by id, judged as they are asked for."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {entry.id.value: entry for entry in entries}
        self.networks = Networks()
        # Documents by the names of their files, which are shorter than their titles.
        own = [entry for entry in self.entries.values() if entry.claim is None]
        self._files = {entry.document: Path(entry.id.source.name).stem for entry in own}
        self._findings: dict[str, Finding] = {}  # with the cause once that was asked for
        self._asking: list[str] = []
        self._judged: dict[tuple[str, str], dict[tuple[int, int], Judgement]] = {}

    def finding(self, name: str) -> Finding:
        """The verdict on the figure with this id, and, where it contradicts, the likely cause. Raises SpecError where
        it cannot be computed as it says."""
        found = self._verdict(name)
        if found.verdict == "contradicts" and not found.reason:
            found = self._findings[name] = self._explained(found)
        return found

    def _verdict(self, name: str) -> Finding:
        """The verdict, which needs no search for a cause."""
        found = self._findings.get(name)
        if found is None:
            entry = self.entries[name]
            if name in self._asking:
                raise problem(entry, "it is computed from itself")
            self._asking.append(name)
            found = self._findings[name] = self._judge(entry)
            self._asking.pop()
        return found

    def called(self, word: str) -> list[Entry]:
        """The figures called `word`: by their id, model, system, family or document."""
        return [entry for entry in self.entries.values() if word in self._called(entry)]

    @property
    def names(self) -> set[str]:
        """All words by which figures are called."""
        return {name for entry in self.entries.values() for name in self._called(entry)}

    def _called(self, entry: Entry) -> set[str]:
        """The names that find a figure: its id, system, model, family and documents."""
        titles = {source.partition(" — ")[0] for source in entry.sources}
        files = {self._files[title] for title in titles if title in self._files}
        names = {entry.id.value, entry.system} | titles | files
        if entry.family is not None and entry.claim is not None:
            names |= {entry.family.name, _model(entry.family, entry.claim)}
        if entry.formula is not None:
            names.update(quantity.model for quantity in entry.formula.quantities.values())
        return names

    def _judge(self, entry: Entry) -> Finding:
        if entry.claim is not None:
            return self._claimed(entry, entry.claim)
        if entry.formula is None:
            return Finding(entry, "", "not computable", operands=((entry.missing, None),), reason=entry.missing)
        if entry.kind == "symbolic":
            return self._symbolic(entry, entry.formula)
        if entry.kind == "arithmetic":
            return self._arithmetic(entry, entry.formula)
        return self._counted(entry, entry.formula)

    # --- claims of specs ------------------------------------------------------------------------------------------

    def _claimed(self, entry: Entry, claim: Claim) -> Finding:
        assert entry.family is not None
        model = _model(entry.family, claim)
        judged = self._judged.get((entry.family.name, model))
        if judged is None:
            found = judge(entry.family, self.networks.selection(model).subject, self.networks.report(model))
            judged = {(j.claim.printed.line, j.claim.printed.col): j for j in found}
            self._judged[entry.family.name, model] = judged
        judgement = judged[claim.printed.line, claim.printed.col]
        asked = f"{entry.metric} of {model}" + (f" at {claim.row}" if claim.row else "")
        # As the document prints it: of a size the axes that it prints.
        return Finding(
            entry, model, judgement.verdict, _printed_axes(entry, judgement.computed),
            _printed_axes(entry, judgement.computed_base), judgement.difference,
            str(claim.reading) if judgement.as_read else "",
            1 + bool(claim.reading),
            asked, ((asked, judgement.computed),), erratum=judgement.erratum,
        )  # fmt: skip

    # --- formulas -------------------------------------------------------------------------------------------------

    def _counted(self, entry: Entry, formula: Formula) -> Finding:
        """A figure of quantities, and of other figures as they are counted."""
        given: dict[str, Number] = {name: values[0] for name, values in entry.instances}
        asked = self._asked(entry, formula, BASE, given)
        base = computed = formula(asked, given)
        read: Value | None = None
        if entry.reading:
            asked_as_read = self._asked(entry, formula, entry.reading, given)
            read = formula(asked_as_read, given)
        verdict = self._decide(entry, base, read)
        under = read is not None and verdict not in ("exact", "rounds")
        if under and read is not None:
            asked, computed = asked_as_read, read
        value = entry.value.value
        difference = None
        if isinstance(computed, (int, Fraction)) and isinstance(value, (int, Fraction)):
            difference = computed - (_as_read(entry)[0] if under else value)
        inputs, wrong = self._inputs(entry, given)
        verdict = "contradicts" if wrong else verdict
        return Finding(
            entry, formula.model, verdict, computed, base, difference, str(entry.reading) if under else "",
            1 + bool(entry.reading), _written(formula, asked, str(entry.reading) if under else ""),
            (*given.items(), *inputs, *_named(formula, asked)), self._contradicting(formula), wrong,
            _erratum(entry, verdict),
        )  # fmt: skip

    def _inputs(self, entry: Entry, given: Mapping[str, Number]) -> tuple[list[tuple[str, Value]], str]:
        """What is computed for each printed operand of an equation, and in words which of them are printed wrong."""
        found, wrong = [], []
        for operand in entry.operands:
            computed = self._value(entry, operand.formula, BASE, given)
            found.append((operand.formula.text.value, computed))
            if not _within(computed, operand.printed):
                wrong.append(f"the printed operand {operand.text} is {shown(computed)} here")
        return found, "; ".join(wrong)

    def _asked(self, entry: Entry, formula: Formula, reading: Reading, names: Mapping[str, Number]) -> dict[str, Value]:
        """What is counted for each operand of a formula, in its order, with `names` for constants of the networks."""
        found: dict[str, Value] = {}
        for name, operand in formula.operands.items():
            if isinstance(operand, Quantity):
                known = settable(self.networks.selection(operand.model)) if names else ()
                settings = {n: v for n, v in names.items() if n in known}
                layout = entry.layout if formula.plain is not None else ""
                found[name] = ask(self.networks, operand, reading, layout, settings)
            else:
                base = self._operand(entry, operand.value).base
                if base is None:
                    raise problem(entry, f"`{operand}` is not computable")
                found[name] = base
        return found

    def _value(self, entry: Entry, formula: Formula, reading: Reading, names: Mapping[str, Number]) -> Value:
        return formula(self._asked(entry, formula, reading, names), names)

    def _operand(self, entry: Entry, name: str) -> Finding:
        if name not in self.entries:
            raise problem(entry, f"there is no figure `{name}`")
        return self._verdict(name)

    def _contradicting(self, formula: Formula) -> tuple[str, ...]:
        """The figures among the operands that contradict, and those that themselves rest on such figures."""
        found = {name: self._verdict(name) for name in formula.ids.values()}
        return tuple(name for name, operand in found.items() if operand.verdict == "contradicts" or operand.rests_on)

    def _decide(self, entry: Entry, base: Value, read: Value | None) -> Verdict:
        value, half = entry.value.value, entry.value.half
        if isinstance(value, (int, Fraction)) and isinstance(base, (int, Fraction)):
            value_read, half_read = _as_read(entry)
            number = read if isinstance(read, (int, Fraction)) else None
            return decide(base, Fraction(value), half, number, Fraction(value_read), half_read)
        if _alike(base, value):
            return "exact"
        return "reads as" if read is not None and _alike(read, value) else "contradicts"

    def _arithmetic(self, entry: Entry, formula: Formula) -> Finding:
        """Arithmetic of the print, computed from what is printed, and beside it what the counts give; these are what it
        is held against where no document prints its result."""
        found = {name: self._operand(entry, figure) for name, figure in formula.ids.items()}
        printed: dict[str, Value] = {name: _number(finding.entry) for name, finding in found.items()}
        computed, base = formula(printed), self._by_counts(entry, formula, found)
        value, half = entry.value.value, entry.value.half
        if value is None and base is None:
            raise problem(entry, "no result is printed, and no network counted: there is nothing to hold it against")
        verdict: Verdict = ("exact" if computed == base else "contradicts") if value is None else self._decide(
            entry, computed, None
        )  # fmt: skip
        reading, tried, difference = "", 1, None
        if isinstance(computed, (int, Fraction)) and isinstance(value, (int, Fraction)):
            difference = computed - value
            if verdict not in ("exact", "rounds") and entry.before_rounding:
                tried = 2
                low, high = _bounds(formula, {n: (_number(f.entry), f.entry.value.half) for n, f in found.items()})
                if low <= value + half and value - half <= high:
                    verdict, reading = "reads as", BEFORE_ROUNDING
        return Finding(
            entry, ", ".join(dict.fromkeys(f.model for f in found.values() if f.model)), verdict, computed, base,
            difference, reading, tried, _written(formula, printed), _named(formula, printed),
            self._contradicting(formula), erratum=_erratum(entry, verdict),
        )  # fmt: skip

    def _by_counts(self, entry: Entry, formula: Formula, found: Mapping[str, Finding]) -> Value | None:
        """What the counts of networks give for arithmetic of the print, each under its own reading, which may mean
        another network; None where they give nothing."""
        if entry.counts is not None:
            return self._value(entry, entry.counts, BASE, {})
        counts = {name: f.base if f.entry.kind == "arithmetic" else f.computed for name, f in found.items()}
        known = {name: count for name, count in counts.items() if count is not None}
        return formula(known) if known and len(known) == len(found) else None

    def _symbolic(self, entry: Entry, formula: Formula) -> Finding:
        """A formula: held against what is computed for every instance of its letters."""
        if entry.symbols is None:
            raise problem(entry, "a symbolic figure needs a `formula`")
        letters = [name for name, _ in entry.instances]
        first: Value | None = None
        instances = list(islice(product(*(values for _, values in entry.instances)), MAX_INSTANCES))
        for values in instances:
            names: dict[str, Number] = dict(zip(letters, values, strict=True))
            asked = self._asked(entry, formula, entry.reading, names)
            computed = formula(asked, names)
            stated = self._value(entry, entry.symbols, BASE, names)
            first = computed if first is None else first
            if not _alike(computed, stated):
                at = ", ".join(f"{name} = {value}" for name, value in names.items())
                reason = f"{f'at {at} ' * bool(at)}the formula gives {shown(stated)}, computed {shown(computed)}"
                return Finding(
                    entry, formula.model, "contradicts", computed, computed, None, str(entry.reading), 1,
                    f"{entry.symbols.text} against {formula.text}", tuple(names.items()) or _named(formula, asked), (),
                    reason, _erratum(entry, "contradicts"),
                )  # fmt: skip
        note = f"the formula holds at {len(instances)} instance{'s' * (len(instances) != 1)}"
        text = f"{entry.symbols.text} = {formula.text}"
        return Finding(
            entry, formula.model, "exact", first, first, Fraction(0), str(entry.reading), 1, text,
            entry.instances or _named(formula, asked), (), note,
        )  # fmt: skip

    # --- reasons --------------------------------------------------------------------------------------------------

    def _explained(self, finding: Finding) -> Finding:
        """With the likely cause, as far as one is found by searching."""
        asked = self._search(finding)
        reason = ""
        if asked is not None:
            reason = search(asked, lambda: self._again(finding))
        tried = finding.tried + (len(candidates(finding.entry.metric)) if asked is not None and asked.layers else 0)
        return replace(finding, reason=reason or "unexplained", tried=tried)

    def _search(self, finding: Finding) -> Search | None:
        """What a cause is looked for; None of what is no number."""
        entry, place = finding.entry, self._place(finding.entry)
        if not isinstance(entry.value.value, (int, Fraction)) or not isinstance(finding.base, (int, Fraction)):
            return None
        if entry.kind == "arithmetic":
            return None
        others, relatives = tuple(self._others(entry)), tuple(self._relatives(finding, place))
        return Search(entry, entry.value.value, finding.base, place, others, relatives)

    def _again(self, finding: Finding) -> Iterator[Search]:
        """The other figures of the network that contradict."""
        for entry in self.entries.values():
            model = entry.formula.model if entry.formula is not None else ""
            if entry.claim is not None and entry.family is not None:
                model = _model(entry.family, entry.claim)
            if not model or model != finding.model or entry is finding.entry:
                continue
            other = self._verdict(entry.id.value)
            asked = self._search(other) if other.verdict == "contradicts" else None
            if asked is not None:
                yield asked

    def _place(self, entry: Entry) -> Place | None:
        """The place of a figure that is one quantity; None for others."""
        if entry.claim is not None and entry.family is not None:
            return place_of(self.networks.report(_model(entry.family, entry.claim)), entry.claim.row)
        plain = entry.formula.plain if entry.formula is not None else None
        if plain is None or entry.reading.other_network:
            return None
        return place_of(self.networks.report(plain.model, plain.size), plain.at)

    def _others(self, entry: Entry) -> Iterable[Finding]:
        """The other figures of this metric that the document prints, those of the same table first."""
        table = entry.metric, entry.document, entry.kind
        alike = [e for e in self.entries.values() if e is not entry and (e.metric, e.document, e.kind) == table]
        for other in sorted(alike, key=lambda other: other.sources[0] != entry.sources[0]):
            yield self._verdict(other.id.value)

    def _relatives(self, finding: Finding, place: Place | None) -> Iterable[tuple[str, int]]:
        """The same count of the other named models of the family, for a count of a whole network."""
        model, metric = finding.model, finding.entry.metric
        if place is None or place.stop - place.start != place.report.graph.main or metric not in COUNTS:
            return
        for name in islice(self.networks.selection(model).file.models, MAX_RELATIVES):
            if name != model:
                yield name, self.networks.report(name).totals.counts()[metric]


def _model(family: Family, claim: Claim) -> str:
    """The model that a claim is judged on, as it is typed."""
    if claim.subject in family.models:
        return claim.subject
    entry = family.plainly(claim.subject)
    if entry is not None:
        return entry.name.value
    return f"{family.name}:{claim.subject}" if len(family.variants) > 1 else family.name


def _named(formula: Formula, operands: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """The operands, each by what it is: a quantity or the id of a figure; of numbers alone these."""
    if not formula.operands:
        found = NUMBERS.findall(formula.text.value)
        return tuple(("number", Fraction(figure or 10 ** int(exponent))) for exponent, figure in found)
    texts = {name: one.text if isinstance(one, Quantity) else one for name, one in formula.operands.items()}
    return tuple((texts[name].value, value) for name, value in operands.items())


def _written(formula: Formula, operands: Mapping[str, Value], reading: str = "") -> str:
    """The formula with its numbers: `[params of alexnet = 60,965,224] / [params of squeezenet1.0 = 1,248,424]`."""
    if formula.plain is not None:
        return str(formula.text) + (f", {reading}" if reading else "")
    values = iter(operands.values())
    return OPERAND.sub(lambda operand: f"[{operand[1]} = {shown(next(values))}]", formula.text.value)


def _erratum(entry: Entry, verdict: Verdict) -> Erratum | None:
    return entry.errata[0] if entry.errata and verdict == "contradicts" else None


def _as_read(entry: Entry) -> tuple[Number, Fraction]:
    """The printed number and half of its last place under the declared reading's units."""
    value, half = _number(entry), entry.value.half
    units = entry.reading.units
    letter = entry.printed.value.rstrip()[-1:]
    if letter in units:
        factor = Fraction(units[letter], 10 ** UNITS[letter])
        return value * factor, half * factor
    return value, half


def _number(entry: Entry) -> Number:
    value = entry.value.value
    if not isinstance(value, (int, Fraction)):
        raise problem(entry, "this is no number to calculate with")
    return value


def _bounds(formula: Formula, printed: Mapping[str, tuple[Number, Fraction]]) -> tuple[Number, Number]:
    """The least and the largest value at the ends of what rounds to the printed operands."""
    ends = product(*((value - half, value + half) for value, half in printed.values()))
    corners = [formula.number(dict(zip(printed, end, strict=True))) for end in ends]
    return min(corners), max(corners)


def _within(computed: Value, printed: Printed) -> bool:
    value = printed.value
    if isinstance(computed, (int, Fraction)) and isinstance(value, (int, Fraction)):
        return abs(Fraction(computed) - Fraction(value)) <= printed.half
    return _alike(computed, value)


def _alike(computed: Value, printed: object) -> bool:
    """Sizes are the same but for axes of size 1, which may be missing on either side."""
    if isinstance(computed, tuple) and isinstance(printed, tuple):
        return [n for n in computed if n != 1] == [n for n in printed if n != 1]
    return computed == printed


def _printed_axes(entry: Entry, computed: Value) -> Value:
    """A size with as many axes as the print has, where only axes of size 1 differ."""
    value = entry.value.value
    if isinstance(computed, tuple) and isinstance(value, tuple) and _alike(computed, value):
        return tuple(value)
    return computed


def shown(value: object) -> str:
    """A number, or a size, as people read it."""
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    if isinstance(value, (int, Fraction)):
        return with_separators(value)
    return str(value)


def stale(findings: Iterable[Finding]) -> list[SpecError]:
    """Errata of documents about figures that hold."""
    return [
        figure.error(f"this erratum no longer applies: `{figure}` holds")
        for finding in findings
        for erratum in finding.entry.errata
        for figure in erratum.figures
        if figure.value == finding.entry.id.value and finding.verdict != "contradicts"
    ]
