"""Whole spec files: every model is built, every claim judged, every erratum held against what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .analyse import Report, analyse
from .errors import SpecError
from .expand import expand
from .reported import Judgement, claims_of, judge, stale_errata, undeclared
from .spec.family import Family
from .zoo import Selection, selections


@dataclass(frozen=True, slots=True)
class Checked:
    """A spec file with all of its models. `judged` are the verdicts by model, `stale` what is wrong with its errata."""

    spec: str
    family: Family = field(repr=False)
    reports: dict[str, Report] = field(repr=False)
    judged: dict[str, tuple[Judgement, ...]] = field(repr=False)
    stale: tuple[SpecError, ...]

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
    return analyse(expand(selection.family, selection.variant, laid=selection.laid))


def check_spec(path: Path, name: str | None = None) -> Checked:
    """Read a spec, build its models, judge its claims. Raises SpecError where it cannot be read or built."""
    family, found = selections(path, name)
    claims = claims_of(family)
    reports, judged = {}, {}
    for selection in found:
        report = reports[selection.name] = build(selection)
        judged[selection.name] = judge(family, selection.subject, report, claims)
    return Checked(found[0].spec if found else str(path), family, reports, judged, tuple(stale_errata(family, judged)))


def check_all(
    files: Sequence[tuple[Path, str | None]], tick: Callable[[int, int], None] | None = None
) -> tuple[Result, ...]:
    """Check many spec files, each with its name in messages; `tick` hears how many are done, and of how many."""
    found: list[Result] = []
    for path, name in files:
        try:
            found.append(check_spec(path, name))
        except SpecError as error:
            found.append(Unread(name or path.name, error))
        if tick is not None:
            tick(len(found), len(files))
    return tuple(found)
