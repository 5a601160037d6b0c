"""The ledger: what documents print, what archcalc computes, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, TypedDict

from ..documents import Natural
from ..errors import printable
from ..papers.documents import Kind
from ..papers.judge import VERDICTS, Finding, shown
from ..tasks.paper import PaperResult
from ..units import with_separators
from .columns import Column, Value, by_names, for_people, words
from .page import Block, Fact, Facts, Gap, Heading, Note, Page, Prose, Table
from .styles import BOLD, DIM, LOUD, PLAIN

SAID = {
    "exact": "exact",
    "rounds": "round",
    "reads as": "hold under a reading",
    "truncates": "are cut",
    "contradicts": "contradict",
    "not computable": "cannot be computed",
}
Number = float | list[float]  # sizes as lists


class PrintedFigure(TypedDict):
    """A figure that documents print, held against what is computed."""

    id: Annotated[str, "The id of the figure in the ledger."]
    system: Annotated[str, "The network, or what else the figure is about, as documents call it."]
    model: Annotated[str | None, "The model that it is computed of; null where it is of none, or of several."]
    metric: Annotated[str, "What is printed."]
    printed: Annotated[str, "The figure as it is printed."]
    value: Annotated[Number | str, "The printed figure, in `unit`; a formula is a text."]
    precision: Annotated[float, (("minimum", 0),), "Half a unit of its last printed place; 0 where it is exact."]
    computed: Annotated[Number | None, "What archcalc computes under `reading`; null where it cannot."]
    computed_base: Annotated[Number | None, "The same in base counting."]
    unit: Annotated[str | None, "The letter of the thousands that the value is kept in, where what it is is in doubt."]
    difference: Annotated[float | None, "Computed less printed; null for sizes, and where nothing is computed."]
    verdict: Annotated[str, (("enum", VERDICTS),), "Whether the printed figure holds, and how."]
    reading: Annotated[str | None, "The counting terms under which it holds, or is declared to; null in base counting."]
    readings_tried: Annotated[Natural, "How many readings were tried."]
    reason: Annotated[str | None, "Why it does not hold, as searching found and as the erratum says; else null."]
    kind: Annotated[Kind, "Whether it follows from an architecture, is part of one, or is a formula."]
    source: Annotated[list[str], (("minItems", 1),), "Where it is printed: `document — place`."]


PaperDocument = Annotated[list[PrintedFigure], "What `archcalc paper … --format json` writes; keys may be added."]


def page(found: PaperResult, wanted: Sequence[str] = (), raw: bool = False) -> Page:
    """The figures by document and place, or all about each that was asked for by its id; or a table of the columns
    that are wanted, or the usual ones if `raw`, with numbers as they are. Raises UsageError for a column that there is
    not."""
    picked = by_names(COLUMNS, wanted)

    def blocks() -> Iterator[Block]:
        if wanted or raw:
            yield Table(for_people(picked if wanted else by_names(COLUMNS, USUAL)), data(found))
        else:
            yield from _about_each(found.findings) if found.by_id else _tables(found.findings)

    return Page("What documents print", blocks, lambda: data(found), lambda: Table(picked, data(found)))


def data(found: PaperResult) -> PaperDocument:
    """The JSON document."""
    return [_figure(finding) for finding in found.findings]


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
        "source": list(entry.sources),
    }


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
    return ("; " if name == "source" else "×").join(map(str, found)) if isinstance(found, list) else found


COLUMNS = tuple(Column(name, partial(_cell, name)) for name in PrintedFigure.__annotations__)  # of documents
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
    return shown(finding.computed) if finding.computed is not None else "—"


TEXT = (
    Column("id", lambda finding: finding.entry.id.value, "figure", "figure", words),
    Column("metric", lambda finding: finding.entry.metric.replace("_", " "), "metric", "metric", words),
    Column("printed", lambda finding: printable(finding.entry.printed.value), "printed", "printed", words),
    Column("computed", computed, "computed", "computed", words),
    Column("difference", difference, "difference", "diff.", words),
    Column("verdict", verdict, "verdict", "verdict", words),
)
REASON = Column("reason", cause, "reason", "reason", words)


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
            yield Table((*TEXT, REASON), found, notes=_reason, terminal=TEXT, style=_style, indent=2)
            yield from (Prose(line, DIM, indent=2) for line in readings(found))
            yield Gap()
    yield Prose(totals(findings), BOLD)


def _reason(finding: Finding) -> Iterator[Note]:
    if not finding.holds:
        yield Note(cause(finding), "    ", style=PLAIN if finding.undeclared else DIM)


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
    """One line about all of it; specifications and formulas are counted apart."""
    evidence = [finding for finding in findings if finding.evidence]
    counts: Counter[str] = Counter(finding.verdict for finding in evidence)
    each = ", ".join(f"{counts[name]:,} {SAID[name]}" for name in VERDICTS if counts[name])
    text = f"{len(evidence):,} computed figures: {each}" if evidence else ""
    if rest := len(findings) - len(evidence):
        text += ("; " if text else "") + f"{rest} specifications and formulas, which are no evidence"
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
            *(("in", source) for source in entry.sources),
            ("computed", f"{finding.formula} = {computed(finding)}" if finding.formula else ""),
            ("base", f"{shown(finding.base)} in base counting" if other else ""),
            ("reading", finding.reading),
            ("tried", f"{finding.tried} reading{'s' * (finding.tried != 1)}"),
            ("verdict", ", ".join(filter(None, (verdict(finding), difference(finding))))),
            ("reason", cause(finding)),
            ("kept in", entry.id.where),
        ]
        yield Facts([Fact(label, printable(text), label_style=DIM) for label, text in lines if text], room=10)
