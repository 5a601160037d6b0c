"""`docs/papers.md` and `docs/readings.md`: the ledger as pages, every number in them computed as they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from archcalc.analysis.readings import BEFORE_ROUNDING, KNOWN_SETTINGS, TERMS
from archcalc.errors import Source, Text
from archcalc.papers.documents import read_ledger
from archcalc.papers.judge import VERDICTS, Finding, Ledger, shown
from archcalc.papers.quantity import ask, read_formula
from archcalc.show.paper import beside, cause, computed, difference, readings, tables, totals, verdict

INTRO = Path(__file__).resolve().parent / "papers.intro.md"
PLACE = re.compile(r"\{(printed|computed|base):([a-z0-9-]+)\}|\{= ([^{}]+)\}")


def papers_page(written: str) -> str:
    """`docs/papers.md`: ten findings in words, then every figure of every document."""
    ledger = Ledger(read_ledger())
    findings = [ledger.finding(name) for name in ledger.entries]
    lines = [written, introduction(ledger), "## Verdicts by document", "", *_by_document(findings)]
    for document, places in tables(findings).items():
        lines += ["", f"## {document}"]
        for place, found in places.items():
            lines += ["", f"### {place}", "", *_table(found)]
    return "\n".join(lines) + "\n"


def introduction(ledger: Ledger) -> str:
    """The words of `papers.intro.md` with their numbers. Raises SpecError, and KeyError for an unknown figure."""

    def number(match: re.Match[str]) -> str:
        what, name, formula = match.groups()
        if formula is not None:
            read = read_formula(Text(formula, Source(INTRO.name, (formula,)), 1, 1))
            asked = {key: ask(ledger.networks, quantity) for key, quantity in read.quantities.items()}
            return shown(read(asked))
        finding = ledger.finding(name)
        return {
            "printed": finding.entry.printed.value,
            "computed": shown(finding.computed),
            "base": shown(finding.base),
        }[what]

    return PLACE.sub(number, INTRO.read_text(encoding="utf-8"))


def _by_document(findings: list[Finding]) -> Iterator[str]:
    yield "Figures that a network or an example computes; no specifications, formulas, or sums of the print's own."
    yield ""
    yield f"| document | figures | {' | '.join(VERDICTS)} |"
    yield f"|---|---:|{'---:|' * len(VERDICTS)}"
    for document, places in tables(findings).items():
        counts = Counter[str](finding.verdict for found in places.values() for finding in found if finding.evidence)
        if not counts:
            continue
        cells = " | ".join(str(counts[name] or "") for name in VERDICTS)
        yield f"| {document} | {counts.total()} | {cells} |"
    yield ""
    yield f"{totals(findings)[0].upper()}{totals(findings)[1:]}."


def _table(findings: list[Finding]) -> Iterator[str]:
    yield "| figure | of | metric | printed | computed | difference | verdict |"
    yield "|---|---|---|---|---:|---:|---|"
    notes = []
    for finding in findings:
        entry = finding.entry
        loud = finding.verdict in ("contradicts", "not computable")
        if loud and cause(finding):
            notes.append(f"- `{entry.id}`: {cause(finding)}")
        cells = (
            f"`{entry.id}`",
            finding.model or entry.system,
            entry.metric.replace("_", " "),
            entry.printed.value,
            computed(finding),
            difference(finding),
            "; ".join(filter(None, (f"**{verdict(finding)}**" if loud else verdict(finding), beside(finding)))),
        )
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
    under = [f"- {line[0].upper()}{line[1:]}." for line in readings(findings)]
    if notes or under:
        yield ""
        yield from dict.fromkeys([*notes, *under])


def readings_page(written: str) -> str:
    """`docs/readings.md`: the counting terms with their formulas."""
    lines = [written, *READINGS_OPENING.split("\n")]
    for term in TERMS:
        units = ", ".join(f"{letter} = {value:,}" for letter, value in term.units)
        changes = ", ".join(name.replace("_", " ") for name in term.of) or "the print"
        lines.append(f"| `{term.name}` | {changes} | {term.formula or units} | {term.meaning} |")
    lines += READINGS_OTHERS.split("\n")
    lines += [f"| `{words}` | with `{name} = {value}` in its spec |" for words, (name, value) in KNOWN_SETTINGS.items()]
    lines += READINGS_END.format(before=BEFORE_ROUNDING).split("\n")
    return "\n".join(lines) + "\n"


READINGS_OPENING = """\
# Readings

A printed figure may be meant under another convention than [archcalc's own](counting.md). A reading names it: a list of
terms that add up, `reading: no biases, with norm statistics`. A reading is declared for a table or a figure; only then
does it count for a verdict, and the ledger says how many rows of the table it explains. Other readings are searched
where a figure contradicts, and proposed with how many were tried and how many fit.

| term | it changes | what is counted | |
|---|---|---|---|"""
READINGS_OTHERS = """
These mean another network, or another input, than the name says; in the ledger only, as a spec gives such a network a
name of its own:

| term | which network |
|---|---|"""
READINGS_END = """\
| `NAME = VALUE` | with this constant of its spec, as `option = 1` |
| `input 320×320` | at this input |

A ratio of printed figures is computed from these as printed. `{before}`: some numbers that round to the printed
operands give the printed ratio."""
