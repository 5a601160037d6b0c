"""The models there are, each with its numbers computed afresh."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..language.zoo import Selection, selections, spec_files
from ..ops import Shape
from ..parallel import over
from .check import build

if TYPE_CHECKING:
    from ..papers.accuracies import System

# How a system of the list is known, where the list holds all that documents name.
KNOWN_BY = ("spec", "printed result", "description")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model: its paper and year as cited, its totals at batch 1 and the printed input, without the batch; `spec` is
    the file that names it."""

    name: str
    family: str
    variant: str
    title: str
    cite: str
    year: int | None
    params: int
    macs: int
    input: tuple[Shape, ...]
    spec: str


MANY = 40  # spec files: from there on it is worth to have all cores count


def catalogue(word: str = "") -> Iterator[Entry]:
    """The shipped models whose name, family, title or cite holds `word`, by family. Raises SpecError."""
    for entries in over(partial(_of_file, word.lower()), spec_files(), MANY if not word else sys.maxsize):
        yield from entries


def _of_file(wanted: str, path: Path) -> list[Entry]:
    family, found = selections(path)
    about = f"{family.name} {family.title} {family.cite}".lower()
    return [entry(each) for each in found if wanted in about or wanted in each.name.lower()]


def named(word: str = "") -> Iterator[System]:
    """The systems that documents name and no spec builds, those that hold `word`, also in what is printed beside their
    results. Raises SpecError."""
    from ..papers.accuracies import systems  # reads all that is printed: plain lists need none of it

    wanted = word.lower()
    for system in systems():
        about = (system.name.value, system.year, *(result.variant for result in system.results))
        if not system.models and any(wanted in text.lower() for text in about):
            yield system


def entry(selection: Selection) -> Entry:
    """One model of the list. Raises SpecError where it cannot be built."""
    report = build(selection)
    file = selection.file
    return Entry(
        selection.name,
        file.name,
        selection.variant.name.value,
        file.title,
        file.cite,
        year_of(file.cite),
        report.totals.params,
        report.totals.macs,
        tuple(shape for _, shape in report.graph.inputs),
        selection.spec,
    )


def year_of(cite: str) -> int | None:
    """The year of publication in a citation: the first that is no part of an arXiv number."""
    return first_year(re.sub(r"arXiv:\S+", "", cite))


def first_year(text: str) -> int | None:
    """The first year in a text."""
    found = re.search(r"\b(19[4-9]\d|20\d\d)\b", text)
    return int(found.group()) if found else None


__all__ = ["Entry", "catalogue", "entry", "first_year", "named", "year_of"]
