"""Budgets: bounds for what networks cost, in a lock or in `[tool.archcalc]` of a `pyproject.toml`.

params <= 25.6M · macs < 4.1G and peak_memory_bytes <= 64MiB · params with heads in 10M..14M
latency <= 1.1 × resnet18, required
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from .. import files
from ..analysis.counts import Report, Totals
from ..bounds import COMPARISONS, Bound, read_bounds
from ..errors import Source, SpecError, Text, did_you_mean
from .lock import WITH_HEADS

KEYS = ("budgets",)  # of `[tool.archcalc]`
TOTALS = tuple(field.name for field in fields(Totals) if field.name != "elementwise")
RECEPTIVE_FIELD = "receptive_field"  # the largest bounded one of any node: a global pooling sees everything
MEASURED = ("latency",)
EVERY = "*"
FORCE = ("required", "advisory")
THOUSANDS = re.compile(r"(?<=[0-9]),[0-9]{3}(?![0-9])")  # a comma of a number, not of `, required`
FORM = "`params <= 25.6M`, or `latency <= 1.1 × resnet18, required`"


@dataclass(frozen=True, slots=True)
class Budget(Bound):
    """A bound for `models`, a name or a pattern; of what is measured `limit` is a multiple of what `baseline` takes.
    `advisory`: a breach is said, and fails nothing."""

    models: str = EVERY
    advisory: bool = False

    @property
    def measured(self) -> bool:
        return self.quantity in MEASURED

    def holds_for(self, model: str) -> bool:
        """Whether it speaks of this model: by its name in the lock, or by the variant behind the colon."""
        return any(fnmatchcase(name, self.models) for name in (model, *model.split(":")[1:]))


@dataclass(frozen=True, slots=True)
class BudgetVerdict:
    """A budget held against a network: `value` is what there is (None: not measured, perhaps as `reason` says), `limit`
    what may be."""

    budget: Budget
    value: Fraction | None
    limit: Fraction
    reason: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether it is kept; None where nobody knows."""
        return None if self.value is None else COMPARISONS[self.budget.comparison](self.value, self.limit)

    @property
    def ok(self) -> bool:
        return self.holds is True or self.budget.advisory

    @property
    def broken(self) -> bool:
        return self.holds is False and not self.budget.advisory

    @property
    def unmeasured(self) -> bool:
        """Whether it is required, and nobody knows."""
        return self.holds is None and not self.budget.advisory


def quantities(report: Report, with_receptive_field: bool = False) -> dict[str, int]:
    """What a budget may bound without a measurement, by name; the receptive field only if it is wanted."""
    found = dict(report.totals.counts())
    heads = report.totals_with_heads or report.totals
    found |= {f"{name}{WITH_HEADS}": value for name, value in heads.counts().items()}
    if with_receptive_field:
        fields = report.receptive_fields
        every = [pair[1] for index in range(report.graph.main) if (pair := fields.pair(index)) is not None]
        found[RECEPTIVE_FIELD] = max(every, default=0)
    return found


def with_receptive_field(budgets: Iterable[Budget]) -> bool:
    """Whether a budget bounds the receptive field, which takes longer than all the rest."""
    return any(budget.quantity == RECEPTIVE_FIELD for budget in budgets)


def judge(budgets: Iterable[Budget], model: str, found: Mapping[str, int]) -> tuple[BudgetVerdict, ...]:
    """The budgets that speak of a model, held against its quantities; measured ones are left open."""
    return tuple(
        BudgetVerdict(budget, None if budget.measured else Fraction(found[budget.quantity]), budget.limit)
        for budget in budgets
        if budget.holds_for(model)
    )


# --- reading ------------------------------------------------------------------------------------------------------


def read_budgets(text: Text, models: str = EVERY) -> tuple[Budget, ...]:
    """Read `params <= 25.6M and macs < 4G, advisory`: a budget a term. Raises SpecError."""
    whole = place = text.strip()
    force, cut = None, place.value.rfind(",")
    if cut >= 0 and not THOUSANDS.match(place.value, cut):
        force, place = place.part(cut + 1).strip(), place.part(0, cut).strip()
    found = read_bounds(place, _unit_of, "budget", FORM)
    if force is not None and force.value not in FORCE:
        raise force.error(f"`{force}` is not known here", did_you_mean(force.value, FORCE))
    advisory = force is not None and force.value == "advisory"
    single = len({bound.text for bound in found}) == 1
    return tuple(
        Budget(
            whole if single else bound.text,
            bound.quantity,
            bound.comparison,
            bound.limit,
            bound.baseline,
            models,
            advisory or (bound.quantity in MEASURED and force is None),
        )
        for bound in found
    )


def _unit_of(quantity: Text) -> tuple[str, str]:
    """What a term bounds, which stands in a file and so by its whole name, and its unit. Raises SpecError."""
    known, name = (*TOTALS, RECEPTIVE_FIELD, *MEASURED), quantity.value.removesuffix(WITH_HEADS)
    if name not in known or (name not in TOTALS and name != quantity.value):
        hint = "`archcalc fit MODEL --memory 4GiB --train` asks what training takes." if "training" in name else ""
        raise quantity.error(f"`{quantity}` is nothing that a budget bounds", hint or did_you_mean(name, known))
    return quantity.value, "relative" if name in MEASURED else "bytes" if name.endswith("_bytes") else ""


def project(folder: Path) -> tuple[Budget, ...]:
    """The budgets of `[tool.archcalc]` in the nearest `pyproject.toml` at or above a folder, with its path from here.
    Raises SpecError."""
    return _project(folder, Path.cwd())


@lru_cache(maxsize=64)
def _project(folder: Path, here: Path) -> tuple[Budget, ...]:
    for above in (folder, *folder.parents):
        path = above / "pyproject.toml"
        if path.is_file():
            return read_project(from_here(path, here))
    return ()


def forget_projects() -> None:
    """Read them again next time."""
    _project.cache_clear()


def from_here(path: Path, here: Path | None = None) -> Path:
    """The path from this folder; on another drive as it is."""
    try:
        return Path(os.path.relpath(path, here))
    except ValueError:
        return path


def read_project(path: Path) -> tuple[Budget, ...]:
    """Raises SpecError: no TOML, a key that is not known, a budget that is none."""
    import tomllib

    text = files.decoded(files.read(path, files.MOST, "a file"), str(path))
    try:
        table = tomllib.loads(text)
    except files.FAULTS as error:
        raise SpecError(f"`{path}` is not TOML: {files.fault(error, text)}") from None
    source = Source(str(path), tuple(text.splitlines()))
    tool = table.get("tool", {})
    if not isinstance(tool, dict):
        raise _find(source, "tool").error("`tool` is a table")
    own = tool.get("archcalc", {})
    if not isinstance(own, dict):
        raise _find(source, "archcalc").error("`[tool.archcalc]` is a table")
    for key in own:
        if key not in KEYS:
            raise _find(source, key).error(f"`{key}` is not a key of `[tool.archcalc]`", did_you_mean(key, KEYS))
    budgets = own.get("budgets", [])
    by_model = budgets if isinstance(budgets, dict) else {EVERY: budgets}
    found: list[Budget] = []
    for models, value in by_model.items():
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise _find(source, models).error('budgets are a list of texts, `["params <= 25.6M"]`')
        found += [budget for text in texts for budget in read_budgets(_find(source, text), models)]
    return tuple(found)


def _find(source: Source, word: str) -> Text:
    """Where a text of a TOML file stands, which its reader does not say: behind `[tool.archcalc` where it can be."""
    start = next((n for n, line in enumerate(source.lines) if "tool.archcalc" in line), 0)
    for number in (*range(start, len(source.lines)), *range(start)):
        col = source.lines[number].find(word)
        if col >= 0:
            return Text(word, source, number + 1, col + 1)
    return Text(word, source, start + 1, 1, exact=False)
