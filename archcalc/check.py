"""Whole spec files: every model is built, every claim judged, every erratum held against what it says."""

from __future__ import annotations

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
