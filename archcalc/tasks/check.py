"""Whole spec files: every model is built, every claim judged, every erratum held against what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from ..analysis.counts import Report, analyse
from ..errors import SpecError
from ..gate.budgets import project, quantities, want_seen
from ..language.expand import expand_model
from ..language.family import Family
from ..language.zoo import Selection, selections
from ..papers.claims import Judgement, judge, stale_errata, undeclared
from ..parallel import over

FEW = 8  # specs that are checked sooner than other processes are started


@dataclass(frozen=True, slots=True)
class Checked:
    """What is said about a spec file that can be read: `judged` are the verdicts by model, `stale` what is wrong with
    its errata, `counts` what budgets bound, by model."""

    spec: str
    family_name: str
    judged: dict[str, tuple[Judgement, ...]] = field(repr=False)
    stale: tuple[SpecError, ...]
    counts: dict[str, dict[str, int]] = field(repr=False)

    @property
    def undeclared(self) -> list[Judgement]:
        """Claims that contradict and stand under no erratum."""
        return undeclared(self.judged)

    @property
    def ok(self) -> bool:
        return not self.stale and not self.undeclared

    @property
    def figures(self) -> list[Judgement]:
        """The printed figures, each once: of several models that it is judged on, where it holds least."""
        worst: dict[tuple[int, int, str], Judgement] = {}
        for judgement in (judgement for judged in self.judged.values() for judgement in judged):
            place = judgement.claim.printed.line, judgement.claim.printed.col, judgement.claim.heading.value
            if place not in worst or _badness(judgement) > _badness(worst[place]):
                worst[place] = judgement
        return list(worst.values())

    @property
    def verdicts(self) -> Counter[str]:
        """How many figures have which verdict."""
        return Counter(judgement.verdict for judgement in self.figures)


@dataclass(frozen=True, slots=True)
class CheckedSpec(Checked):
    """The same with the spec and the counts of its models."""

    family: Family = field(repr=False)
    reports: dict[str, Report] = field(repr=False)


def _badness(judgement: Judgement) -> int:
    return 0 if judgement.holds else 1 if judgement.erratum is not None else 2


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that cannot be read or built as a spec, and why."""

    spec: str
    error: SpecError


Result = Checked | Unread


def build(selection: Selection) -> Report:
    """The counts of a model as its document prints it: batch 1, the printed input. Raises SpecError."""
    return analyse(expand_model(selection))


def check_spec(path: Path, name: str | None = None) -> CheckedSpec:
    """Read a spec, build its models, judge its claims. Raises SpecError where it cannot be read or built."""
    family, found = selections(path, name)
    reports, judged = {}, {}
    for selection in found:
        report = reports[selection.name] = build(selection)
        judged[selection.name] = judge(family, selection.subject, report)
    seen = name is not None and want_seen(project(path.resolve().parent))
    counts = {model: quantities(report, seen) for model, report in reports.items()}
    spec = found[0].spec if found else str(path)
    return CheckedSpec(spec, family.name, judged, tuple(stale_errata(family, judged)), counts, family, reports)


def check_all(
    files: Sequence[tuple[Path, str | None]], tick: Callable[[int, int], None] | None = None
) -> tuple[Result, ...]:
    """Check many spec files, each with its name in messages; `tick` hears how many are done, and of how many."""
    return tuple(over(_checked, files, FEW, tick))


def _checked(file: tuple[Path, str | None]) -> Result:
    path, name = file
    try:
        found = check_spec(path, name)
    except SpecError as error:
        return Unread(name or path.name, error)
    return Checked(*(getattr(found, own.name) for own in fields(Checked)))  # the rest stays in its process
