"""The ledger in every form: what documents print, what archcalc computes, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..errors import printable
from ..papers.judge import VERDICTS, Finding, shown
from ..units import with_separators
from . import as_csv, records
from .columns import Column, Value, as_is, by_names, with_headings, words
from .pieces import BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, hanging, page, prose

SAID = {
    "exact": "exact",
    "rounds": "round",
    "reads as": "hold under a reading",
    "truncates": "are cut",
    "contradicts": "contradict",
    "not computable": "cannot be computed",
}


def render(
    findings: Sequence[Finding],
    output_format: str,
    width: int | None = None,
    color: bool = False,
    explain: bool = False,
    wanted: Sequence[str] = (),
    raw: bool = False,
) -> str:
    """Findings in one of `FORMATS`, of the columns that are wanted or the usual ones; `width` and `color` are for text,
    which tells all about each if `explain`. `raw`: numbers as they are."""
    if wanted or raw:
        picked = by_names(COLUMNS, wanted or ([] if output_format in ("json", "csv") else USUAL))
        if output_format == "text":
            return page(records.text([as_is(c) if raw else c for c in with_headings(picked)], findings, width), color)
        if output_format != "json":
            return records.render(with_headings(picked), findings, output_format, raw=raw)
    if output_format == "json":
        return records.json([document(finding) for finding in findings])
    if output_format == "csv":
        return as_csv.table(COLUMNS, findings)
    if output_format in ("latex", "html"):
        columns = TEXT if output_format == "latex" else MARKDOWN
        return records.render(columns, findings, output_format, title="What documents print")
    if output_format == "markdown":
        return records.markdown(MARKDOWN, findings) + f"\n{totals(findings)}\n"
    if explain:
        return page(_about_each(findings, PROSE if width is None else width), color)
    return page(_tables(findings, width), color)


# --- columns ------------------------------------------------------------------------------------------------------


def number(value: object) -> Any:
    """A value as JSON has it: whole numbers exact, others as floats, sizes as lists."""
    if isinstance(value, tuple):
        return [number(part) for part in value]
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return value


def document(finding: Finding) -> dict[str, Any]:
    """A figure as JSON has it."""
    return {name: field(finding) for name, field in FIELDS.items()}


def cause(finding: Finding) -> str:
    """Why a figure does not hold: what was found by searching, and what the erratum says."""
    note = " ".join(finding.erratum.note.value.split()) if finding.erratum is not None else ""
    reason = "" if note and finding.reason == "unexplained" else finding.reason
    return " — ".join(filter(None, (reason, note)))


FIELDS: dict[str, Callable[[Finding], Any]] = {
    "id": lambda finding: finding.entry.id.value,
    "system": lambda finding: finding.entry.system,
    "model": lambda finding: finding.model or None,
    "metric": lambda finding: finding.entry.metric,
    "printed": lambda finding: finding.entry.printed.value,
    "value": lambda finding: number(finding.entry.value.value),
    "precision": lambda finding: number(finding.entry.value.half),
    "computed": lambda finding: number(finding.computed),
    "computed_base": lambda finding: number(finding.base),
    "unit": lambda finding: finding.entry.value.unit or None,
    "difference": lambda finding: number(finding.difference),
    "verdict": lambda finding: finding.verdict,
    "reading": lambda finding: finding.reading or None,
    "readings_tried": lambda finding: finding.tried,
    "reason": lambda finding: cause(finding) or None,
    "kind": lambda finding: finding.entry.kind,
    "source": lambda finding: list(finding.entry.sources),
}


def _flat(name: str) -> Callable[[Finding], Value]:
    """A field as a cell of a table."""
    between = "; " if name == "source" else "×"

    def value(finding: Finding) -> Value:
        found: Any = FIELDS[name](finding)
        return between.join(map(str, found)) if isinstance(found, list) else found

    return value


COLUMNS = tuple(Column(name, _flat(name)) for name in FIELDS)


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
    return (
        f"{share:+.2g} %".replace("-", "−")
        if abs(share) < 100
        else f"× {float(finding.computed / Fraction(printed)):.2g}"
    )


def verdict(finding: Finding) -> str:
    """The verdict, with the reading under which it holds and a mark for what is no evidence."""
    kind = "" if finding.evidence else f" ({finding.entry.kind})"
    under = f": {finding.reading}" if finding.verdict == "reads as" else ""
    known = ", erratum" if finding.erratum is not None and finding.verdict == "contradicts" else ""
    return f"{finding.verdict}{under}{known}{kind}"


def computed(finding: Finding) -> str:
    return shown(finding.computed) if finding.computed is not None else "—"


USUAL = ("id", "metric", "printed", "computed", "difference", "verdict")
ID = Column("id", lambda finding: finding.entry.id.value, "figure", "figure", words)
METRIC = Column("metric", lambda finding: finding.entry.metric.replace("_", " "), "metric", "metric", words)
PRINTED = Column("printed", lambda finding: printable(finding.entry.printed.value), "printed", "printed", words)
COMPUTED = Column("computed", computed, "computed", "computed", words)
DIFFERENCE = Column("difference", difference, "difference", "diff.", words)
VERDICT = Column("verdict", verdict, "verdict", "verdict", words)
TEXT = (ID, METRIC, PRINTED, COMPUTED, DIFFERENCE, VERDICT)
MARKDOWN = (
    Column("document", lambda finding: finding.entry.document, "document", "document", words),
    *TEXT,
    Column("reason", cause, "reason", "reason", words),
)


# --- text ---------------------------------------------------------------------------------------------------------


def tables(findings: Sequence[Finding]) -> dict[str, dict[str, list[Finding]]]:
    """The findings by document, and by the place where they are printed first."""
    found: dict[str, dict[str, list[Finding]]] = {}
    for finding in findings:
        found.setdefault(finding.entry.document, {}).setdefault(finding.entry.place, []).append(finding)
    return found


def _tables(findings: Sequence[Finding], width: int | None) -> Iterator[Pieces]:
    room = PROSE if width is None else width
    for title, places in tables(findings).items():
        yield from prose(title, room, LOUD)
        yield []
        for place, found in places.items():
            yield from prose(place, room, BOLD)

            def below(finding: Finding) -> Iterator[Pieces]:
                if finding.verdict in ("contradicts", "not computable"):
                    text = cause(finding)
                    yield from hanging("    ", text, 4, room, style=PLAIN if finding.undeclared else DIM)

            def style(finding: Finding, column: Column) -> str:
                if finding.verdict == "contradicts":
                    return LOUD if column.name in ("verdict", "printed", "computed", "difference") else PLAIN
                return DIM if column.name in ("verdict", "metric", "difference") else PLAIN

            yield from records.text(TEXT, found, width, indent=2, below=below, style=style)
            for line in readings(found):
                yield from hanging("  ", line, 2, room, style=DIM)
            yield []
    yield from prose(totals(findings), room, BOLD)


def readings(findings: Sequence[Finding]) -> Iterator[str]:
    """How many figures of a table a reading explains, of how many of that metric, and how many readings were tried."""
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
    rest = len(findings) - len(evidence)
    if rest:
        text += ("; " if text else "") + f"{rest} specifications and formulas, which are no evidence"
    undeclared = sum(finding.undeclared for finding in findings)
    if undeclared:
        text += f"; {undeclared} of those that contradict stand{'s' * (undeclared == 1)} under no erratum"
    return text or "no figure"


def by_document(findings: Sequence[Finding]) -> Mapping[str, Counter[str]]:
    """The verdicts on computed figures, by document."""
    found: dict[str, Counter[str]] = {}
    for finding in findings:
        if finding.evidence:
            found.setdefault(finding.entry.document, Counter())[finding.verdict] += 1
    return found


def _about_each(findings: Sequence[Finding], width: int) -> Iterator[Pieces]:
    for n, finding in enumerate(findings):
        if n:
            yield []
        entry = finding.entry
        yield [(entry.id.value, LOUD), (f"  {entry.metric.replace('_', ' ')} of {entry.system}", BOLD)]
        lines = [("printed", entry.printed.value)]
        lines += [("in", source) for source in entry.sources]
        if finding.formula:
            lines.append(("computed", f"{finding.formula} = {computed(finding)}"))
        if finding.base is not None and finding.base != finding.computed:
            lines.append(("base", f"{shown(finding.base)} in base counting"))
        if finding.reading:
            lines.append(("reading", finding.reading))
        lines.append(("tried", f"{finding.tried} reading{'s' * (finding.tried != 1)}"))
        apart = difference(finding)
        lines.append(("verdict", verdict(finding) + (f", {apart}" if apart else "")))
        if cause(finding):
            lines.append(("reason", cause(finding)))
        lines.append(("kept in", entry.id.where))
        for label, text in lines:
            yield from hanging(label, printable(text), 10, width, label_style=DIM)
