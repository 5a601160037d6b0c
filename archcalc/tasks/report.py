"""All about some networks, for one page: side by side, and each by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..language.zoo import all_of
from ..networks import Reference, Settings, name_of
from ..views import Shown
from .compare import Compared, Comparison, ComparisonPlan, gather, side_by_side


@dataclass(frozen=True, slots=True)
class ReportResult(Shown):
    """The networks, and how they compare where they are several."""

    models: tuple[Compared, ...]
    comparison: Comparison | None


def report(
    *models: Reference,
    batch: int = 1,
    dtype: str = "float32",
    like: str = "",
    fold_bn: bool = False,
    settings: Settings | None = None,
    results: Path | str = "",
) -> ReportResult:
    """Gather all about some networks; a family is all of its models. Raises UsageError, SpecError."""
    names = list(dict.fromkeys(all_of(map(name_of, models))))
    found = gather(names, ComparisonPlan(batch, dtype, like, fold_bn, "sgd", settings, results)).models
    return ReportResult(tuple(found), side_by_side(found) if len(found) > 1 else None)
