"""Hold what documents print against what is computed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SpecError, UsageError, did_you_mean
from ..language.metrics import ON_DEVICE
from ..language.zoo import at_input, known_names, shipped_names
from ..papers.documents import read_ledger
from ..papers.judge import VERDICTS, Finding, Ledger, stale
from ..papers.metrics import BESIDE
from ..papers.results import Reported
from ..parallel import Tick, map_processes, ticked
from ..views import Tabular
from .results import known_results, none_of_these

if TYPE_CHECKING:
    from ..papers.accuracies import Accuracy

MANY = 200  # figures: from there on it is worth to have all cores judge


@dataclass(frozen=True, slots=True)
class PaperResult(Tabular):
    """Printed figures with their verdicts, the errata about figures that hold, and printed results.

    `by_id`: each figure was asked for by its id. `ok`: no figure that was judged contradicts without an erratum, and
    no erratum is stale, whichever are shown. `results` are reported: nothing of them is computed. `silent` are the
    models of which no document prints anything. `own` are the results of somebody's file for the networks that are
    asked for, each with what documents print of the same metric."""

    findings: tuple[Finding, ...]
    stale: tuple[SpecError, ...]
    by_id: bool
    ok: bool
    results: tuple[Accuracy, ...] = ()
    silent: tuple[str, ...] = ()
    own: tuple[tuple[Reported, tuple[Accuracy, ...]], ...] = ()


def paper(
    *names: str, every: bool = False, verdict: str = "", results: Path | str = "", tick: Tick | None = None
) -> PaperResult:
    """Judge the figures that documents print, and list the results that they print of the same networks.

    `names` are models, systems, families, documents or ids of figures and results; all figures where `every` or only a
    `verdict` is asked for, which leaves out those with another, and the results, which have none. `results` is a file
    of what somebody reports for these networks. `tick` hears how many figures are done. Raises UsageError for a name
    that is not known, SpecError for a figure that cannot be computed as its document says."""
    if verdict and verdict not in VERDICTS:
        raise UsageError(f"`{verdict}` is not a verdict", did_you_mean(verdict, VERDICTS))
    _ledger.cache_clear()  # the documents may have changed
    ledger = _ledger()
    if not names and not every and not verdict:
        known = sorted({entry.document for entry in ledger.entries.values()})
        hint = "Name models, figures or documents, or all of them: `--all`. Documents:"
        raise UsageError("which figures?", hint, known)
    ids, printed, silent = _asked(ledger, names) if names else (list(ledger.entries), [], [])
    own = known_results(results, dict.fromkeys(names)) if results else ()  # a bad file is told before the work
    findings = _judged(ledger, ids, tick)
    meant = {*names, *silent, *(f.model for f in findings), *(model for result in printed for model in result.models)}
    old = tuple(stale(findings))
    return PaperResult(
        tuple(finding for finding in findings if not verdict or finding.verdict == verdict),
        old,
        by_id=bool(names) and set(ids) == set(names),
        ok=not old and not any(finding.undeclared for finding in findings),
        results=() if verdict else tuple(printed),
        silent=tuple(silent),
        own=_own(results, own, meant if names else None),
    )


def _own(file: Path | str, known: Sequence[Reported], meant: Collection[str] | None) -> tuple[Any, ...]:
    """The results of a file for the networks that are meant, or all, each with what documents print of its metric and
    network. Raises UsageError where it has none."""
    if not file:
        return ()
    from ..papers.accuracies import known as documents

    found = []
    for result in known:
        model, metric = at_input(result.model.value)[0], result.metric.name
        if meant is None or {model, result.model.value} & {*meant}:
            like = "latency" if metric.startswith(ON_DEVICE) else BESIDE.get(metric, "")
            beside = [
                printed for printed in documents().results if model in printed.models and printed.metric in like.split()
            ]
            found.append((result, tuple(beside)))
    if not found:
        raise none_of_these(file, known)
    return tuple(found)


def _asked(ledger: Ledger, names: Sequence[str]) -> tuple[list[str], list[Accuracy], list[str]]:
    """The ids of the figures that are called so, the results, and the models of which nothing is printed. Raises
    UsageError for a name of nothing."""
    from ..papers.accuracies import known  # reads all that is printed: all figures need none of it

    families = {spec.family: set(spec.models) for spec in shipped_names()}
    ids: dict[str, None] = {}
    results: dict[str, Accuracy] = {}
    silent: list[str] = []
    for name in names:
        meant = {name} | families.get(name, set())
        figures = [entry.id.value for entry in ledger.called(name)]
        printed = {result.id.value: result for result in known().results if meant & result.called}
        if not figures and not printed:
            if name not in (models := set(known_names())):
                words = {word for result in known().results for word in result.called}
                hint = did_you_mean(name, sorted(ledger.names | words | models))
                raise UsageError(f"no figure, model or document is called `{name}`", hint)
            silent.append(name)
        ids |= dict.fromkeys(figures)
        results |= printed
    return list(ids), list(results.values()), silent


@cache
def _ledger() -> Ledger:
    """The figures; a worker that is forked from here has them."""
    return Ledger(read_ledger())


def _judged(ledger: Ledger, ids: Sequence[str], tick: Tick | None) -> list[Finding]:
    """The verdicts; of many those of one document together, as a cause is looked for among its other figures."""
    if len(ids) < MANY:
        return [ledger.finding(name) for name in ticked(ids, tick)]
    documents: dict[str, list[str]] = {}
    for name in ids:
        documents.setdefault(ledger.entries[name].document, []).append(name)
    jobs = sorted(documents.values(), key=len, reverse=True)

    def figures(done: int, planned: int) -> None:
        if tick is not None:
            tick(done * len(ids) // planned, len(ids))

    found = map_processes(_bare, jobs, 2, figures)
    bare = dict(zip(chain.from_iterable(jobs), chain.from_iterable(found), strict=True))
    return [Finding(ledger.entries[name], *bare[name]) for name in ids]


def _bare(ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """The verdicts of one document, without the figures, which every process has and which are heavy to send."""
    ledger, sent = _ledger(), attrgetter(*[field.name for field in fields(Finding) if field.name != "entry"])
    return [sent(ledger.finding(name)) for name in ids]
