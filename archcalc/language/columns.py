"""The columns of tables: what a heading is for, and what the cells of a row are under their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import SpecError, Text, did_you_mean
from ..units import same, squeeze
from .expr import NAME, check_name
from .metrics import USUAL, ReportedMetric, known_metric
from .notation import Pattern, cell_value
from .table import Table, TableRow

COUNTS = ("params", "active_params", "weights", "biases", "macs", "flops", "weight_layers")
RECEPTIVE = ("receptive_field", "receptive_field_union")
SIZES = ("shape", "input", *RECEPTIVE)  # claims of an axis each
CLAIM_METRICS = (*COUNTS, *SIZES)
WITH_HEADS = " with heads"
SCALES = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True, eq=False)
class Role:
    """The use of a column. `claim`: its `metric`, with the printed order of its parts in `pattern`; `result`: a metric
    that is reported and not computed."""

    kind: Literal["layer", "label", "readers", "name", "parts", "claim", "result"]
    name: str = ""
    pattern: Pattern | None = None
    metric: str = ""
    with_heads: bool = False
    scale: int = 1


class Headings:
    """The meaning of the headings of a file's tables: variants, or columns with a role; and which words its `lines` use
    as names of values."""

    def __init__(
        self,
        columns: Mapping[str, tuple[Text, Role]],
        variants: Iterable[str],
        lines: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._lines = lines
        self._values: dict[str, bool] = {}
        self.columns = {squeeze(key): role for key, (_, role) in columns.items() if key != "variants"}
        self.count = columns["variants"][1].name if "variants" in columns else ""  # what a variant's own cell is
        self.variants = {squeeze(name): name for name in variants}
        self._roles: dict[str, Role | None] = {}

    def role(self, heading: str) -> Role | None:
        """The role of a heading: given in `columns:`, or a name usable in expressions; None for a variant."""
        if heading not in self._roles:
            key = squeeze(heading)
            named = Role("name", heading) if NAME.fullmatch(heading) and key not in self.variants else None
            self._roles[heading] = self.columns.get(key, named)
        return self._roles[heading]

    def name_values(self, word: str) -> bool:
        """Whether a word that is never called without a bracket stands by itself in a line, as the name of a value."""
        if word not in self._values:
            alone = re.compile(rf"(?<![\w.]){re.escape(word)}(?![\w.]|\s*[(=])")
            self._values[word] = any(map(alone.search, self._lines()))
        return self._values[word]

    def builds(self, table: Table, variant: str) -> tuple[int, int | None]:
        """Find the column of what `variant` builds, and that of a number of its own, if any. Raises SpecError."""
        own = next((n for n, heading in enumerate(table.headings) if same(heading.value, variant)), None)
        roles = [self.role(heading.value) for heading in table.headings]
        layer = next((n for n, role in enumerate(roles) if role is not None and role.kind == "layer"), None)
        build = layer if self.count or own is None else own
        if build is None:
            hint = "Give it a column of its own, or a column the role `layer`, or say by `row:` what a row means."
            raise table.headings[0].error(f"no column says what `{variant}` builds", hint)
        return build, own if self.count else None


def read_role(text: Text) -> Role:
    """The role that an entry of `columns:` says. Raises SpecError."""
    word = text.value.strip()
    if word.startswith("=") and known_metric(word[1:].strip(), {}):
        return Role("result", metric=word[1:].strip())
    if word == "-":
        return Role("readers")
    if word in ("layer", "label"):
        return Role(word)  # type: ignore[arg-type]
    if word.startswith("="):
        return _claim_role(text)
    if "{" in word:
        return Role("parts", pattern=Pattern(text))
    check_name(text, "a column")
    return Role("name", word)


def _claim_role(text: Text) -> Role:
    match = re.fullmatch(r"=\s*(\w+)( with heads)?\s*(.*)", text.value.strip())
    metric = match.group(1) if match else text.value[1:].strip()
    if not match or metric not in CLAIM_METRICS:
        raise _unknown(text, metric, (*CLAIM_METRICS, *USUAL))
    rest = match.group(3)
    if match.group(2) and metric in SIZES:
        raise text.error(f"`{metric}` is a size: it is not counted with heads")
    if rest in SCALES and metric not in SIZES:
        return Role("claim", metric=metric, with_heads=bool(match.group(2)), scale=SCALES[rest])
    pattern = None
    if rest:
        start = text.value.rindex(rest)
        pattern = Pattern(text.part(start, start + len(rest)))
        if metric not in SIZES or not pattern.holes or not set(pattern.holes) <= {"c", "d", "h", "w"}:
            units = ", ".join(SCALES)
            raise text.error(f"`{rest}` is neither a unit ({units}) nor an order of axes such as `{{h}}×{{w}}×{{c}}`")
    return Role("claim", metric=metric, with_heads=bool(match.group(2)), pattern=pattern)


def _unknown(text: Text, metric: str, known: Iterable[str]) -> SpecError:
    what = f"`{metric}` is neither a figure that archcalc computes nor a metric that is declared"
    return text.error(what, did_you_mean(metric, known) or "`metrics:` declares those that nobody computes.")


def metric_of(figure: Text, metrics: dict[str, ReportedMetric]) -> Role:
    """The claim that a `figure` row of a `reported:` table makes: `params`, `params with heads`, … Raises SpecError."""
    word = figure.value.strip()
    base = word.removesuffix(WITH_HEADS)
    known = (*COUNTS, *RECEPTIVE)
    if base not in (COUNTS if base != word else known):
        raise _unknown(figure, word, (*known, *metrics, *USUAL))
    return Role("claim", metric=base, with_heads=base != word)


def columns_of(
    headings: tuple[Text, ...], roles: list[Role | None], row: TableRow
) -> tuple[dict[str, Any], list[tuple[Text, Role, Text]]]:
    """The names that a row gives, and its claims. A heading's name is meant before a part of a claim."""
    named: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    claims = []
    for n, (heading, role, cell) in enumerate(zip(headings, roles, row.cells, strict=True)):
        if role is None:
            continue
        if role.kind == "name":
            named[role.name] = cell_value(cell)
        elif role.kind == "parts" and role.pattern is not None:
            named.update(_parts(role.pattern, cell))
        elif role.kind == "claim" and cell.value and n <= row.spans:
            claims.append((heading, role, cell))
            if role.pattern is not None:
                found = role.pattern.match(cell)
                parts.update((name, cell_value(text)) for name, text in (found or {}).items())
    return {**parts, **named}, claims


def _parts(pattern: Pattern, cell: Text) -> dict[str, Any]:
    if not cell.value:
        return dict.fromkeys(pattern.holes, 0)
    found = pattern.match(cell)
    if found is None:
        raise cell.error(f"`{cell}` does not have the form `{pattern.text}`")
    return {name: cell_value(text) for name, text in found.items()}
