"""Hold what documents print against what is computed."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SpecError, UsageError, did_you_mean
from ..papers.documents import read_ledger
from ..papers.judge import VERDICTS, Finding, Ledger, stale
from ..parallel import Tick, ticked
from ..views import Tabular


@dataclass(frozen=True, slots=True)
class PaperResult(Tabular):
    """Printed figures with their verdicts, and the errata about figures that hold.

    `by_id`: each figure was asked for by its id. `ok`: no figure that was judged contradicts without an erratum, and
    no erratum is stale, whichever are shown."""

    findings: tuple[Finding, ...]
    stale: tuple[SpecError, ...]
    by_id: bool
    ok: bool


def paper(*names: str, every: bool = False, verdict: str = "", tick: Tick | None = None) -> PaperResult:
    """Judge the figures that documents print.

    `names` are models, systems, families, documents or ids of figures; all figures where `every` or only a `verdict`
    is asked for, which leaves out those with another. `tick` hears how many figures are done. Raises UsageError for a
    name that is not known, SpecError for a figure that cannot be computed as its document says."""
    if verdict and verdict not in VERDICTS:
        raise UsageError(f"`{verdict}` is not a verdict", did_you_mean(verdict, VERDICTS))
    ledger = Ledger(read_ledger())
    if not names and not every and not verdict:
        known = "\n  ".join(sorted({entry.document for entry in ledger.entries.values()}))
        hint = f"Name models, figures or documents, or all of them: `--all`. Documents:\n  {known}"
        raise UsageError("which figures?", hint)
    ids = [entry.id.value for entry in (ledger.chosen(names) if names else ledger.entries.values())]
    findings = [ledger.finding(name) for name in ticked(ids, tick)]
    old = tuple(stale(findings))
    return PaperResult(
        tuple(finding for finding in findings if not verdict or finding.verdict == verdict),
        old,
        by_id=bool(names) and set(ids) == set(names),
        ok=not old and not any(finding.undeclared for finding in findings),
    )
