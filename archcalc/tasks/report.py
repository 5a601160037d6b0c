"""All about some networks, for one page: side by side, and each by itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..networks import Reference, Settings, name_of
from ..views import Shown
from .compare import Compared, Comparison, ComparisonPlan, gather, side_by_side
from .plot import members


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
) -> ReportResult:
    """Gather all about some networks; a family is all of its models. Raises UsageError, SpecError."""
    names = members([name_of(model) for model in models])
    found, _ = gather(names, ComparisonPlan(batch, dtype, like, fold_bn, "sgd", settings))
    return ReportResult(tuple(found), side_by_side(found) if len(found) > 1 else None)
