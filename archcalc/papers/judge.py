"""Values computed for the figures of the ledger, and the verdicts. Nothing of it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice, product
from pathlib import Path
from typing import Literal, get_args

from ..analysis.readings import BASE, BEFORE_ROUNDING, Reading, candidates
from ..errors import SpecError, UsageError, did_you_mean
from ..language.expand import settable
from ..language.family import Erratum, Family
from ..networks import Networks, Number
from ..units import UNITS, with_separators
from .claims import Claim, Judgement, Verdict, decide, judge
from .documents import Entry, problem
from .quantity import COUNTS, OPERAND, Formula, Place, Value, ask, place_of
from .reasons import Search, search

Found = Verdict | Literal["not computable"]
VERDICTS: tuple[str, ...] = (*get_args(Verdict), "not computable")
MAX_INSTANCES = 500
MAX_RELATIVES = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure with what is computed for it, in base units (sizes in the printed order). `computed` is the number under
    `reading`; `base` that under base counting, of a ratio that of our own counts. `tried` is how many readings were
    tried; `formula` the arithmetic with its numbers."""

    entry: Entry
    model: str
    verdict: Found
    computed: Value | None = None
    base: Value | None = None
    difference: Number | None = None
    reading: str = ""
    tried: int = 0
    formula: str = ""
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

    def chosen(self, words: Sequence[str]) -> list[Entry]:
        """The figures called one of `words`: an id, a model, a system, a family or a document. Raises UsageError."""
        found: dict[str, Entry] = {}
        for word in words:
            entries = [entry for entry in self.entries.values() if word in self._called(entry)]
            if not entries:
                known = {name for entry in self.entries.values() for name in self._called(entry)}
                raise UsageError(f"no figure, model or document is called `{word}`", did_you_mean(word, sorted(known)))
            found.update((entry.id.value, entry) for entry in entries)
        return list(found.values())

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
            return Finding(entry, "", "not computable", reason=entry.missing)
        if entry.kind == "symbolic":
            return self._symbolic(entry, entry.formula)
        if entry.formula.ids:
            return self._related(entry, entry.formula)
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
        # As the document prints it: of a size the axes that it prints.
        return Finding(
            entry, model, judgement.verdict, _printed_axes(entry, judgement.computed),
            _printed_axes(entry, judgement.computed_base), judgement.difference,
            str(claim.reading) if judgement.as_read else "",
            1 + bool(claim.reading),
            f"{entry.metric} of {model}" + (f" at {claim.row}" if claim.row else ""),
            erratum=judgement.erratum,
        )  # fmt: skip

    # --- formulas -------------------------------------------------------------------------------------------------

    def _counted(self, entry: Entry, formula: Formula) -> Finding:
        """A figure of quantities alone."""
        given: dict[str, Number] = {name: values[0] for name, values in entry.instances}
        base = self._value(entry, formula, BASE, given)
        read = self._value(entry, formula, entry.reading, given) if entry.reading else None
        verdict = self._decide(entry, base, read)
        under = read is not None and verdict not in ("exact", "rounds")
        computed = read if under and read is not None else base
        value = entry.value.value
        difference = None
        if isinstance(computed, (int, Fraction)) and isinstance(value, (int, Fraction)):
            difference = computed - (_as_read(entry)[0] if under else value)
        return Finding(
            entry, formula.model, verdict, computed, base, difference, str(entry.reading) if under else "",
            1 + bool(entry.reading), self._written(entry, formula, entry.reading if under else BASE),
            erratum=_erratum(entry, verdict),
        )  # fmt: skip

    def _value(self, entry: Entry, formula: Formula, reading: Reading, names: Mapping[str, Number]) -> Value:
        operands: dict[str, Value] = {}
        for name, quantity in formula.quantities.items():
            known = settable(self.networks.selection(quantity.model)) if names else ()
            settings = {n: v for n, v in names.items() if n in known}
            layout = entry.layout if formula.plain is not None else ""
            operands[name] = ask(self.networks, quantity, reading, layout, settings)
        for name, figure in formula.ids.items():
            base = self._operand(entry, figure).base
            if base is None:
                raise problem(entry, f"`{figure}` is not computable")
            operands[name] = base
        return formula(operands, names)

    def _operand(self, entry: Entry, name: str) -> Finding:
        if name not in self.entries:
            raise problem(entry, f"there is no figure `{name}`")
        return self._verdict(name)

    def _decide(self, entry: Entry, base: Value, read: Value | None) -> Verdict:
        value, half = entry.value.value, entry.value.half
        if isinstance(value, (int, Fraction)) and isinstance(base, (int, Fraction)):
            value_read, half_read = _as_read(entry)
            number = read if isinstance(read, (int, Fraction)) else None
            return decide(base, Fraction(value), half, number, Fraction(value_read), half_read)
        if _alike(base, value):
            return "exact"
        return "reads as" if read is not None and _alike(read, value) else "contradicts"

    def _related(self, entry: Entry, formula: Formula) -> Finding:
        """A figure about other printed figures: computed from those as printed, and beside it from our own numbers."""
        found = {name: self._operand(entry, figure) for name, figure in formula.ids.items()}
        own = {name: ask(self.networks, quantity) for name, quantity in formula.quantities.items()}
        printed = {name: _number(finding.entry) for name, finding in found.items()}
        computed = formula.number({**own, **printed})
        bases = {name: finding.base for name, finding in found.items() if finding.base is not None}
        base = formula({**own, **bases}) if len(bases) == len(found) else None
        value, half = _number(entry), entry.value.half
        verdict: Verdict = decide(computed, Fraction(value), half)
        reading, tried = "", 1
        if verdict not in ("exact", "rounds") and entry.before_rounding:
            tried = 2
            low, high = _bounds(formula, own, {n: (printed[n], f.entry.value.half) for n, f in found.items()})
            if low <= value + half and value - half <= high:
                verdict, reading = "reads as", BEFORE_ROUNDING
        return Finding(
            entry, ", ".join(dict.fromkeys(f.model for f in found.values() if f.model)), verdict, computed, base,
            computed - value, reading, tried, self._written(entry, formula, BASE, printed=True),
            erratum=_erratum(entry, verdict),
        )  # fmt: skip

    def _symbolic(self, entry: Entry, formula: Formula) -> Finding:
        """A formula: held against what is computed for every instance of its letters."""
        if entry.symbols is None:
            raise problem(entry, "a symbolic figure needs a `formula`")
        letters = [name for name, _ in entry.instances]
        first: Value | None = None
        instances = list(islice(product(*(values for _, values in entry.instances)), MAX_INSTANCES))
        for values in instances:
            names: dict[str, Number] = dict(zip(letters, values, strict=True))
            computed = self._value(entry, formula, entry.reading, names)
            stated = self._value(entry, entry.symbols, BASE, names)
            first = computed if first is None else first
            if not _alike(computed, stated):
                at = ", ".join(f"{name} = {value}" for name, value in names.items())
                reason = f"at {at} the formula gives {shown(stated)}, computed {shown(computed)}"
                return Finding(
                    entry, formula.model, "contradicts", computed, computed, None, str(entry.reading), 1,
                    f"{entry.symbols.text} against {formula.text}", reason, _erratum(entry, "contradicts"),
                )  # fmt: skip
        note = f"the formula holds at {len(instances)} instance{'s' * (len(instances) != 1)}"
        text = f"{entry.symbols.text} = {formula.text}"
        return Finding(entry, formula.model, "exact", first, first, Fraction(0), str(entry.reading), 1, text, note)

    def _written(self, entry: Entry, formula: Formula, reading: Reading, printed: bool = False) -> str:
        """The formula with its numbers: `[params of alexnet = 60,965,224] / [params of squeezenet1.0 = 1,248,424]`."""
        if formula.plain is not None:
            return str(formula.text) + (f", {reading}" if reading else "")
        values: dict[str, Value | None] = {}
        for quantity in formula.quantities.values():
            values[quantity.text.value] = ask(self.networks, quantity, reading)
        for name in formula.ids.values():
            finding = self._operand(entry, name)
            values[name] = _number(finding.entry) if printed else finding.base
        return OPERAND.sub(lambda operand: f"[{operand[1]} = {shown(values[operand[1]])}]", formula.text.value)

    # --- reasons --------------------------------------------------------------------------------------------------

    def _explained(self, finding: Finding) -> Finding:
        """With the likely cause, as far as one is found by searching."""
        entry = finding.entry
        place, reason = self._place(entry), ""
        if isinstance(entry.value.value, (int, Fraction)) and isinstance(finding.base, (int, Fraction)):
            others, relatives = tuple(self._others(entry)), tuple(self._relatives(finding, place))
            reason = search(Search(entry, entry.value.value, finding.base, place, others, relatives))
        tried = finding.tried + (len(candidates(entry.metric)) if place is not None and place.layers else 0)
        return replace(finding, reason=reason or "unexplained", tried=tried)

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


def _bounds(
    formula: Formula, own: Mapping[str, Value], printed: Mapping[str, tuple[Number, Fraction]]
) -> tuple[Number, Number]:
    """The least and the largest value at the ends of what rounds to the printed operands."""
    ends = product(*((value - half, value + half) for value, half in printed.values()))
    corners = [formula.number({**own, **dict(zip(printed, end, strict=True))}) for end in ends]
    return min(corners), max(corners)


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
