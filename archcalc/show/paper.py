"""The ledger: what documents print, what archcalc computes, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from ..documents import Natural
from ..errors import printable
from ..papers.documents import KINDS, Kind
from ..papers.judge import VERDICTS, Finding, shown
from ..papers.results import Reported
from ..records import NamedTuple
from ..tasks.paper import PaperResult
from ..units import with_separators
from .columns import Column, Value, by_names, for_people, words
from .list import AccuracyDocument, accuracy_document, as_printed
from .page import Block, Fact, Facts, Gap, Heading, Note, Page, Prose, Table
from .reported import ReportedDocument, reported_document
from .styles import BOLD, DIM, LOUD, PLAIN
from .wording import clean

if TYPE_CHECKING:
    from ..papers.accuracies import Accuracy

SAID = {
    "exact": "exact",
    "rounds": "round",
    "reads as": "hold under a reading",
    "truncates": "are cut",
    "contradicts": "contradict",
    "not computable": "cannot be computed",
}
KINDS_SAID = {  # one, and several
    ("computed",): ("computed figure", "computed figures"),
    ("arithmetic",): ("sum or ratio of the print's own numbers", "sums and ratios of the print's own numbers"),
    ("specification", "symbolic"): (
        "specification or formula, which is no evidence", "specifications and formulas, which are no evidence",
    ),
}  # fmt: skip
Number = float | list[float]  # sizes as lists


class OperandDocument(TypedDict):
    """A number that a figure is computed from."""

    of: Annotated[
        str,
        "What it is: a quantity of a network, the id of another figure, a constant, a number; or what is missing.",
    ]
    value: Annotated[Number | None, "The number; null of what is missing, and of a figure that cannot be computed."]


class PrintedFigure(TypedDict):
    """A figure that documents print, held against what is computed."""

    id: Annotated[str, "The id of the figure in the ledger."]
    system: Annotated[str, "The network, or what else the figure is about, as documents call it."]
    model: Annotated[str | None, "The model that it is computed of; null where it is of none, or of several."]
    metric: Annotated[str, "What is printed."]
    printed: Annotated[str, "The figure as it is printed."]
    value: Annotated[
        Number | str | None, "The printed figure, in `unit`; a formula is a text; null: no result is printed."
    ]
    precision: Annotated[float, (("minimum", 0),), "Half a unit of its last printed place; 0 where it is exact."]
    computed: Annotated[Number | None, "What archcalc computes under `reading`; null where it cannot."]
    computed_base: Annotated[
        Number | None, "The same in base counting; of arithmetic of the print what the counts of networks give."
    ]
    unit: Annotated[str | None, "The letter of the thousands that the value is kept in, where what it is is in doubt."]
    difference: Annotated[float | None, "Computed less printed; null for sizes, and where nothing is computed."]
    verdict: Annotated[str, (("enum", VERDICTS),), "Whether the printed figure holds, and how."]
    reading: Annotated[str | None, "The counting terms under which it holds, or is declared to; null in base counting."]
    readings_tried: Annotated[Natural, "How many readings were tried."]
    reason: Annotated[str | None, "Why it does not hold, as searching found and as the erratum says; else null."]
    kind: Annotated[
        Kind,
        "Whether it follows from an architecture, is part of one, is a formula, or is arithmetic of what is printed.",
    ]
    formula: Annotated[str, "How it is computed, with the numbers; empty where it is not."]
    operands: Annotated[
        list[OperandDocument], (("minItems", 1),), "The numbers that it is computed from, or what is missing."
    ]
    convention: Annotated[
        str, "By which convention: a reading or base counting, constants, the order of a size's axes."
    ]
    rests_on: Annotated[list[str], "The operands that contradict: ids of figures."]
    note: Annotated[str | None, "What else is to be said."]
    source: Annotated[list[str], (("minItems", 1),), "Where it is printed: `document — place`."]
    line: Annotated[str, "Where archcalc keeps it: file, line and column."]


class PrintedResult(AccuracyDocument):
    """An accuracy, an error or a time that documents print: reported, nothing of it computed."""

    system: Annotated[str, "The network as documents call it."]
    models: Annotated[list[str], "The models of the zoo that it is."]


class OwnResult(ReportedDocument):
    """A result of somebody's file for a network that was asked for."""

    model: Annotated[str, "The network, as the file names it."]
    printed_as: Annotated[list[str], "The ids of the results that documents print of the same metric and network."]


class PaperDocument(TypedDict):
    """What `archcalc paper … --format json` writes; keys may be added."""

    figures: Annotated[list[PrintedFigure], "The figures, held against what is computed."]
    results: Annotated[list[PrintedResult], "What documents print of how well these networks do."]
    totals: Annotated[dict[str, dict[str, Natural]], "How many figures of each kind have each verdict."]
    own: NotRequired[Annotated[list[OwnResult], "The results of the file that was given; absent without one."]]


def page(found: PaperResult, wanted: Sequence[str] = (), raw: bool = False) -> Page:
    """The figures by document and place, or all about each that was asked for by its id; or a table of the columns
    that are wanted, or the usual ones if `raw`, with numbers as they are. Raises UsageError for a column that there is
    not."""
    picked = by_names(COLUMNS, wanted)

    def blocks() -> Iterator[Block]:
        if wanted or raw:
            yield Table(for_people(picked if wanted else by_names(COLUMNS, USUAL)), _rows(found))
        elif found.by_id:
            yield from _about_each(found.findings)
        else:
            yield from _tables(found.findings) if found.findings or not (found.results or found.silent) else ()
            yield from _results(found.results)
        yield from _own(found.own)

    return Page("What documents print", blocks, lambda: data(found), lambda: Table(picked, _rows(found)))


def data(found: PaperResult) -> PaperDocument:
    """The JSON document."""
    counts = Counter[tuple[str, str]]((finding.entry.kind, finding.verdict) for finding in found.findings)
    document: PaperDocument = {
        "figures": [_figure(finding) for finding in found.findings],
        "results": [_result(result) for result in found.results],
        "totals": {
            kind: {verdict: counts[kind, verdict] for verdict in VERDICTS if counts[kind, verdict]} for kind in KINDS
        },
    }
    if found.own:
        document["own"] = [
            {**reported_document(own), "model": own.model.value, "printed_as": [result.id.value for result in beside]}
            for own, beside in found.own
        ]
    return document


def _rows(found: PaperResult) -> list[dict[str, Any]]:
    """Figures and results as rows of one table; results are of the kind `reported`."""
    document = data(found)
    empty = dict.fromkeys([*PrintedFigure.__annotations__, *RESULT_ONLY])

    def row(result: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {**empty, **{key: value for key, value in result.items() if key in empty}, **more}

    return [
        *map(row, document["figures"]),
        *(row(result, model=result["models"], kind="reported") for result in document["results"]),
        *(row(result, kind="own", source=[result["source"]]) for result in document.get("own", ())),
    ]


def _result(result: Accuracy) -> PrintedResult:
    return {**accuracy_document(result), "system": result.system, "models": list(result.models)}


def _figure(finding: Finding) -> PrintedFigure:
    entry = finding.entry
    return {
        "id": entry.id.value,
        "system": entry.system,
        "model": finding.model or None,
        "metric": entry.metric,
        "printed": entry.printed.value,
        "value": number(entry.value.value),
        "precision": number(entry.value.half),
        "computed": number(finding.computed),
        "computed_base": number(finding.base),
        "unit": entry.value.unit or None,
        "difference": number(finding.difference),
        "verdict": finding.verdict,
        "reading": finding.reading or None,
        "readings_tried": finding.tried,
        "reason": cause(finding) or None,
        "kind": entry.kind,
        "formula": finding.formula,
        "operands": [{"of": name, "value": number(value)} for name, value in finding.operands],
        "convention": convention(finding),
        "rests_on": list(finding.rests_on),
        "note": entry.note or None,
        "source": list(entry.sources),
        "line": entry.id.where,
    }


def convention(finding: Finding) -> str:
    """By which convention a figure is computed: `base counting, H×W×C, T = 2`."""
    entry = finding.entry
    if finding.computed is None:
        return "nothing is computed"
    if entry.kind == "arithmetic":
        counted = finding.reading or "arithmetic of what is printed"
    else:
        reading = finding.reading or (str(entry.reading) if entry.reading.other_network else "")
        counted = f"reading: {reading}" if reading else "base counting"
    return ", ".join(filter(None, (counted, "×".join(entry.layout.replace(",", "")) if entry.layout else "")))


def number(value: object) -> Any:
    """A value as JSON has it: whole numbers exact, others as floats, sizes as lists."""
    if isinstance(value, tuple):
        return [number(part) for part in value]
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return value


def cause(finding: Finding) -> str:
    """Why a figure does not hold: what was found by searching, and what the erratum says."""
    note = " ".join(finding.erratum.note.value.split()) if finding.erratum is not None else ""
    reason = "" if note and finding.reason == "unexplained" else finding.reason
    return " — ".join(filter(None, (reason, note)))


# --- columns ------------------------------------------------------------------------------------------------------


def _cell(name: str, figure: Mapping[str, Any]) -> Value:
    """A key of the document as a cell of a table."""
    found: Value | list[Any] = figure[name]
    if not isinstance(found, list):
        return found
    parts = [_operand(**one) if isinstance(one, dict) else str(one) for one in found]
    return ("×" if name in SIZES else "; ").join(parts)


def _operand(of: str, value: Number | None) -> str:
    return of if value is None else f"{of} = {value}"


SIZES = ("value", "computed", "computed_base")
RESULT_ONLY = ("variant", "dataset", "setting")  # of results
COLUMNS = tuple(Column(name, partial(_cell, name)) for name in (*PrintedFigure.__annotations__, *RESULT_ONLY))
USUAL = ("id", "metric", "printed", "computed", "difference", "verdict")


def difference(finding: Finding) -> str:
    """`+3.1 %` of what is printed, in two digits; nothing where they are equal or cannot be compared."""
    if not isinstance(finding.difference, (int, Fraction)) or not finding.difference:
        return ""
    assert isinstance(finding.computed, (int, Fraction))
    printed = finding.computed - finding.difference
    if not printed:
        return with_separators(finding.difference)
    share = float(100 * Fraction(finding.difference) / Fraction(printed))
    if abs(share) < 0.005:
        return "≈ 0"
    if abs(share) < 100:
        return f"{share:+.2g} %".replace("-", "−")
    return f"× {float(finding.computed / Fraction(printed)):.2g}"


def verdict(finding: Finding) -> str:
    """The verdict, with the reading under which it holds and a mark for what is no evidence."""
    kind = "" if finding.evidence else f" ({finding.entry.kind})"
    under = f": {finding.reading}" if finding.verdict == "reads as" else ""
    known = ", erratum" if finding.erratum is not None and finding.verdict == "contradicts" else ""
    return f"{finding.verdict}{under}{known}{kind}"


def computed(finding: Finding) -> str:
    """What is computed: a size, or a list as the print has one."""
    return _shown(finding, finding.computed) if finding.computed is not None else "—"


def _shown(finding: Finding, value: Any) -> str:
    entry = finding.entry
    as_size = entry.layout or entry.metric.endswith(("shape", "size")) or not isinstance(value, tuple)
    return shown(value) if as_size else ", ".join(map(shown, value))


def beside(finding: Finding) -> str:
    """What stands beside arithmetic of the print: what the counts give, and what it rests on."""
    said = []
    if finding.entry.kind == "arithmetic":
        counts = _shown(finding, finding.base) if finding.base is not None else "nothing, as no network is counted"
        said.append(f"the counts give {counts}")
    if finding.rests_on:
        named = ", ".join(f"`{name}`" for name in finding.rests_on)
        said.append(f"rests on a contradicted figure: {named}")
    return "; ".join(filter(None, (*said, finding.entry.note)))


def sources(finding: Finding) -> str:
    """Where a figure is printed, and where archcalc keeps it."""
    return f"{'; '.join(finding.entry.sources)} ({finding.entry.id.where})"


TEXT = (
    Column("id", lambda finding: finding.entry.id.value, "figure", "figure", words),
    Column("metric", lambda finding: finding.entry.metric.replace("_", " "), "metric", "metric", words),
    Column("printed", lambda finding: printable(finding.entry.printed.value), "printed", "printed", words),
    Column("computed", computed, "computed", "computed", words),
    Column("difference", difference, "difference", "diff.", words),
    Column("verdict", verdict, "verdict", "verdict", words),
)
REASON = Column("reason", cause, "reason", "reason", words)
BEHIND = (  # each figure, so that nobody has to look for it
    Column("formula", lambda finding: printable(finding.formula or finding.reason), "computed from", "from", words),
    Column("convention", convention, "convention", "convention", words),
    Column("beside", beside, "beside", "beside", words),
    Column("source", sources, "source", "source", words),
)
REPORTED = (
    Column("variant", lambda result: clean(result.variant), "network", "network", words),
    Column("dataset", lambda result: clean(result.dataset), "data", "data", words),
    Column("metric", lambda result: result.in_words, "metric", "metric", words),
    Column("setting", lambda result: clean(result.setting), "setting", "setting", words),
    Column("printed", as_printed, "printed", "printed", words),
    Column("models", lambda result: ", ".join(result.models), "model", "model", words),
)


# --- blocks -------------------------------------------------------------------------------------------------------


def tables(findings: Sequence[Finding]) -> dict[str, dict[str, list[Finding]]]:
    """The findings by document, and by the place where they are printed first."""
    found: dict[str, dict[str, list[Finding]]] = {}
    for finding in findings:
        found.setdefault(finding.entry.document, {}).setdefault(finding.entry.place, []).append(finding)
    return found


def _tables(findings: Sequence[Finding]) -> Iterator[Block]:
    for title, places in tables(findings).items():
        yield Heading(title, level=2)
        yield Gap()
        for place, found in places.items():
            yield Heading(place, level=3, style=BOLD)
            yield Table((*TEXT, *BEHIND, REASON), found, notes=_notes, terminal=TEXT, style=_style, indent=2)
            yield from (Prose(line, DIM, indent=2) for line in readings(found))
            yield Gap()
    yield Prose(totals(findings), BOLD)


def _results(found: Sequence[Accuracy]) -> Iterator[Block]:
    """What documents print of how well networks do, as the tables have it."""
    if not found:
        return
    yield Gap()
    yield Heading("Results, as they are printed", level=2)
    places: dict[str, list[Accuracy]] = {}
    for result in found:
        places.setdefault(result.sources[0], []).append(result)
    for place, results in places.items():
        yield Gap()
        yield Heading(place, level=3, style=BOLD)
        yield Table(REPORTED, results, indent=2)
    yield Gap()
    yield Prose(f"{len(found)} result{'s' * (len(found) != 1)}, reported: nothing of them is computed", BOLD)


class _Pair(NamedTuple):
    """A result of somebody's file, and one that documents print of the same metric; none where they print none."""

    own: Reported
    printed: Accuracy | None

    @property
    def difference(self) -> str:
        """By how much the own one is more, where both are percentages: an error is what an accuracy leaves."""
        if self.printed is None or self.own.metric.unit != "%" or not self.printed.unit.startswith("%"):
            return ""
        error = self.printed.metric.endswith("error")
        value = float(self.printed.value)
        less = 100 - value if error != (self.own.metric.better < 0) else value
        return f"{self.own.value - less:+.4g}".replace("-", "−")


OWN = (
    Column("model", lambda pair: clean(pair.own.model.value), "model", "model", words),
    Column("metric", lambda pair: clean(pair.own.metric.name), "metric", "metric", words),
    Column("value", lambda pair: f"{pair.own.printed} {pair.own.metric.unit}".rstrip(), "own", "own", words),
    Column("printed", lambda pair: _printed(pair.printed), "printed", "printed", words),
    Column("difference", lambda pair: pair.difference, "difference", "diff.", words),
    Column("id", lambda pair: pair.printed.id.value if pair.printed else "", "result", "result", words),
)


def _printed(result: Accuracy | None) -> str:
    return f"{result.in_words} {as_printed(result)}" if result is not None else "nothing"


def _own(found: Sequence[tuple[Reported, Sequence[Accuracy]]]) -> Iterator[Block]:
    """The results of somebody's file beside those that documents print of the same metric and network."""
    if not found:
        return
    yield Gap()
    yield Heading("Own results, beside those that are printed", level=2)
    yield Gap()
    yield Table(OWN, [_Pair(own, each) for own, beside in found for each in beside or (None,)], indent=2)
    yield Gap()
    each = dict.fromkeys(f"{own.metric.name} of {own.model}: {own.source}" for own, _ in found)
    yield Facts([Fact("" if n else "reported", clean(text), DIM, DIM) for n, text in enumerate(each)])


def _notes(finding: Finding) -> Iterator[Note]:
    if not finding.holds:
        yield Note(cause(finding), "    ", style=PLAIN if finding.undeclared else DIM)
    behind = (printable(finding.formula), convention(finding), beside(finding), finding.entry.id.where)
    yield Note("; ".join(filter(None, behind)), "    ", style=DIM)
    for source in finding.entry.sources[1:]:
        yield Note(f"also in {source}", "    ", style=DIM)


def _style(finding: Finding, column: Column) -> str:
    if finding.verdict == "contradicts":
        return LOUD if column.name in ("verdict", "printed", "computed", "difference") else PLAIN
    return DIM if column.name in ("verdict", "metric", "difference") else PLAIN


def readings(findings: Sequence[Finding]) -> Iterator[str]:
    """A line for each reading: how many figures of a table it explains, of how many of that metric, and how many were
    tried."""
    for reading in dict.fromkeys(f.reading for f in findings if f.verdict == "reads as"):
        under = [finding for finding in findings if finding.reading == reading and finding.verdict == "reads as"]
        metrics = {finding.entry.metric for finding in under}
        others = [f for f in findings if f.entry.metric in metrics and f.evidence]
        meant = [f for f in others if f.reading == reading or str(f.entry.reading) == reading]
        tried = max(finding.tried for finding in under)
        yield (
            f"reading `{reading}`: explains {len(under)} of the {len(meant)} figures it is declared for "
            f"({len(others)} of this metric in the table; {tried} readings tried)"
        )


def totals(findings: Sequence[Finding]) -> str:
    """One line about all of it, each kind by itself."""
    parts = []
    for kinds, what in KINDS_SAID.items():
        of_kind = [finding for finding in findings if finding.entry.kind in kinds]
        counts: Counter[str] = Counter(finding.verdict for finding in of_kind)
        each = ", ".join(f"{counts[name]:,} {SAID[name]}" for name in VERDICTS if counts[name])
        if of_kind:
            parts.append(f"{len(of_kind):,} {what[len(of_kind) != 1]}: {each}")
    text = "; ".join(parts)
    if undeclared := sum(finding.undeclared for finding in findings):
        text += f"; {undeclared} of those that contradict stand{'s' * (undeclared == 1)} under no erratum"
    return text or "no figure"


def _about_each(findings: Sequence[Finding]) -> Iterator[Block]:
    for n, finding in enumerate(findings):
        entry = finding.entry
        if n:
            yield Gap()
        yield Heading(entry.id.value, (f"{entry.metric.replace('_', ' ')} of {entry.system}",), level=2)
        other = finding.base is not None and finding.base != finding.computed
        lines = [
            ("printed", entry.printed.value),
            *(("operand", f"{name} = {_shown(finding, value)}") for name, value in finding.operands if entry.operands),
            *(("in", source) for source in entry.sources),
            ("computed", f"{finding.formula} = {computed(finding)}" if finding.formula else ""),
            ("base", f"{shown(finding.base)} in base counting" if other and entry.kind != "arithmetic" else ""),
            ("convention", convention(finding)),
            ("beside", beside(finding)),
            ("reading", finding.reading),
            ("tried", f"{finding.tried} reading{'s' * (finding.tried != 1)}"),
            ("verdict", ", ".join(filter(None, (verdict(finding), difference(finding))))),
            ("reason", cause(finding)),
            ("kept in", entry.id.where),
        ]
        yield Facts([Fact(label, printable(text), label_style=DIM) for label, text in lines if text], room=12)
