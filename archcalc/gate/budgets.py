"""Budgets: bounds for what networks cost, in a lock or in `[tool.archcalc]` of a `pyproject.toml`.

params <= 25.6M · macs < 4.1G · peak_memory_bytes <= 64MiB · params with heads <= 14M
latency <= 1.1 × resnet18, required
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from .. import files
from ..analysis.counts import Report, Totals
from ..errors import Source, SpecError, Text, did_you_mean
from ..units import read_figure
from .lock import WITH_HEADS

KEYS = ("budgets",)  # of `[tool.archcalc]`
TOTALS = tuple(field.name for field in fields(Totals) if field.name != "elementwise")
RECEPTIVE_FIELD = "receptive_field"  # the largest bounded one of any node: a global pooling sees everything
MEASURED = ("latency",)
EVERY = "*"
FORCE = ("required", "advisory")
COMPARISONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "<=": operator.le,
    "≤": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    "≥": operator.ge,
    ">": operator.gt,
}
COMPARISON = re.compile("<=|>=|≤|≥|<|>")
THOUSANDS = re.compile(r"(?<=[0-9]),[0-9]{3}(?![0-9])")  # a comma of a number, not of `, required`
MAX_LENGTH = 300  # characters of a budget
BYTES: dict[str, int] = {"B": 1, "kB": 1000}
for power, prefix in enumerate("KMGT", 1):
    BYTES |= {f"{prefix}iB": 1024**power, f"{prefix}B": 1000**power}


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound: `quantity` `comparison` `bound`, or of a measured one `bound` × what `baseline` takes in the same run.
    `models` is the name that it holds for, or a pattern; `text` is where it stands. `advisory`: a breach is said, and
    fails nothing."""

    text: Text
    models: str
    quantity: str
    comparison: str
    bound: Fraction
    baseline: str = ""
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
        BudgetVerdict(budget, None if budget.measured else Fraction(found[budget.quantity]), budget.bound)
        for budget in budgets
        if budget.holds_for(model)
    )


# --- reading ------------------------------------------------------------------------------------------------------


def read_budget(text: Text, models: str = EVERY) -> Budget:
    """Read `params <= 25.6M`. Raises SpecError."""
    text = text.strip()
    form = "`params <= 25.6M`, or `latency <= 1.1 × resnet18, required`"
    match = COMPARISON.search(text.value)
    if not match or len(text.value) > MAX_LENGTH:
        raise text.error(f"`{text}` is not a budget", f"A budget is {form}.")
    quantity, comparison, place = text.value[: match.start()].rstrip(), match[0], text.part(match.end()).strip()
    force, cut = None, place.value.rfind(",")
    if cut >= 0 and not THOUSANDS.match(place.value, cut):
        force, place = place.part(cut + 1).strip(), place.part(0, cut).strip()
    known = (*TOTALS, RECEPTIVE_FIELD, *MEASURED)
    name = quantity.removesuffix(WITH_HEADS)
    if name not in known or (name not in TOTALS and name != quantity):
        place, hint = text.part(0, max(1, len(quantity))), did_you_mean(name, known)
        raise place.error(f"`{quantity}` is nothing that a budget bounds", hint)
    if force is not None and force.value not in FORCE:
        raise force.error(f"`{force}` is not known here", did_you_mean(force.value, FORCE))
    advisory = force is not None and force.value == "advisory"
    if name not in MEASURED:
        return Budget(text, models, quantity, comparison, _amount(place, name), "", advisory)
    relative = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*[×x*]\s*(\S.*)", place.value)
    if not relative:
        raise place.error(f"`{name}` is bounded by what another model takes in the same run", f"Write {form}.")
    return Budget(text, models, quantity, comparison, Fraction(relative[1]), relative[2], force is None or advisory)


def _amount(place: Text, quantity: str) -> Fraction:
    amount = place.value
    if quantity.endswith("_bytes"):
        match = re.fullmatch(r"([0-9][0-9,]*(?:\.[0-9]+)?)\s*([A-Za-z]*)", amount)
        if match and (match[2] or "B") in BYTES:
            return Fraction(str(match[1]).replace(",", "")) * BYTES[match[2] or "B"]
        raise place.error(f"`{amount}` is no number of bytes", "Bytes are written as 64MiB or 67,108,864.")
    figure = read_figure(amount)
    if figure is None:
        raise place.error(f"`{amount}` is no number", "Numbers are written as 25.6M, 4.1G or 25,557,032.")
    return figure.value


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
        found += [read_budget(_find(source, text), models) for text in texts]
    return tuple(found)


def _find(source: Source, word: str) -> Text:
    """Where a text of a TOML file stands, which its reader does not say: behind `[tool.archcalc` where it can be."""
    start = next((n for n, line in enumerate(source.lines) if "tool.archcalc" in line), 0)
    for number in (*range(start, len(source.lines)), *range(start)):
        col = source.lines[number].find(word)
        if col >= 0:
            return Text(word, source, number + 1, col + 1)
    return Text(word, source, start + 1, 1, exact=False)
