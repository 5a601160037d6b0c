"""Accuracies that papers print for networks: reported, never computed.

`specs/results/*.yaml` quote the papers' tables; one table is one setting, so that what stands in it can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .errors import Text
from .spec.reader import List, Map, read_file
from .table import read_table
from .zoo import specs_dir

BETTER = {"accuracy": 1, "error": -1}  # by the last word of a heading: which way is better


class Result(NamedTuple):
    """A printed accuracy or error in percent: of which model, where it is printed, on what data, how it was tested."""

    model: str
    figure: str
    printed: str
    value: float
    source: str
    dataset: str
    setting: str

    @property
    def accuracy(self) -> float:
        """In percent right, whichever way it is printed."""
        return self.value if BETTER[self.figure.split()[-1]] > 0 else 100 - self.value


@cache
def results() -> tuple[Result, ...]:
    """All printed results, in the order of the files and tables. Raises SpecError."""
    found: list[Result] = []
    for path in sorted((specs_dir() / "results").glob("*.yaml")):
        found += _read(path)
    return tuple(found)


def _read(path: Path) -> list[Result]:
    tree = read_file(path, f"specs/results/{path.name}")
    tree.only(("tables",), "results")
    tables = tree.get("tables")
    if not isinstance(tables, List):
        raise tree.where.error("`tables:` is missing")
    found = []
    for item in tables.items:
        if not isinstance(item, Map):
            raise tree.where.error("a table has `from`, `dataset`, `setting` and `table`")
        item.only(("from", "dataset", "setting", "table"), "a table of results")
        about = [_text(item, key).value for key in ("from", "dataset", "setting")]
        table = read_table(_text(item, "table"))
        for row in table.rows:
            for heading, cell in list(zip(table.headings, row.cells, strict=True))[1:]:
                if heading.value.split()[-1] not in BETTER:
                    raise heading.error("a heading is the model, or ends in `accuracy` or `error`")
                if cell.value:
                    found.append(Result(row.cells[0].value, heading.value, cell.value, _percent(cell), *about))
    return found


def _text(item: Map, key: str) -> Text:
    value = item.get(key)
    if not isinstance(value, Text):
        raise item.where.error(f"`{key}:` is missing")
    return value


def _percent(cell: Text) -> float:
    try:
        return float(cell.value.rstrip("%").strip())
    except ValueError:
        raise cell.error("a percentage is wanted here") from None


def common(models: Sequence[str], figure: str = "top-1") -> tuple[Result, ...]:
    """The results of these models in the table that holds most of them, so that they can be compared; by model."""
    sources: dict[tuple[str, str, str], dict[str, Result]] = {}
    for result in results():
        if result.model in models and result.figure.startswith(figure):
            sources.setdefault((result.source, result.dataset, result.setting), {})[result.model] = result
    best = max(sources.values(), key=len, default={})
    return tuple(best[model] for model in models if model in best)
