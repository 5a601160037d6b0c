"""The models there are, each with its numbers computed afresh."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import did_you_mean
from ..language.zoo import Selection, known_names, selections, spec_files
from ..networks import report as counts_of
from ..ops import Shape
from ..parallel import map_processes
from ..views import Tabular

if TYPE_CHECKING:
    from ..papers.accuracies import System


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model: its paper and year as cited, its totals at batch 1 and the printed input, without the batch; `spec` is
    the file that names it, `stands_in` what of the paper something else stands in for."""

    name: str
    family: str
    variant: str
    title: str
    cite: str
    year: int | None
    params: int
    active_params: int
    macs: int
    input: tuple[Shape, ...]
    spec: str
    stands_in: str = ""


@dataclass(frozen=True, slots=True)
class ModelList(Tabular):
    """The models that hold a word, by family, and, if all that documents name was asked for, the systems that no spec
    builds. `hint` says what else may have been meant, if there are none."""

    models: tuple[ListedModel, ...]
    systems: tuple[System, ...] | None = None
    hint: str = ""


MANY = 40  # spec files: from there on it is worth to have all cores count


def list_models(word: str = "", *, every: bool = False) -> ModelList:
    """The shipped models whose name, family, title or cite holds `word`, all computed afresh; with `every` also the
    systems that documents name and no spec builds, which hold it. Raises SpecError."""
    few = MANY if not word else sys.maxsize
    by_file = map_processes(partial(_of_file, word.lower()), spec_files(), few)
    models = tuple(model for found in by_file for model in found)
    systems = tuple(systems_without_spec(word)) if every else None
    return ModelList(models, systems, "" if models or systems else did_you_mean(word, known_names()))


def _of_file(wanted: str, path: Path) -> list[ListedModel]:
    family, found = selections(path)
    about = f"{family.name} {family.title} {family.cite}".lower()
    return [_listed(each) for each in found if wanted in about or wanted in each.name.lower()]


def systems_without_spec(word: str = "") -> Iterator[System]:
    """The systems that documents name and no spec builds, those that hold `word`, also in what is printed beside their
    results. Raises SpecError."""
    from ..papers.accuracies import known  # reads all that is printed: plain lists need none of it

    wanted = word.lower()
    for system in known().systems:
        about = (system.name.value, system.year, *(result.variant for result in system.results))
        if not system.models and any(wanted in text.lower() for text in about):
            yield system


def _listed(selection: Selection) -> ListedModel:
    report, file = counts_of(selection), selection.file
    return ListedModel(
        selection.name,
        file.name,
        selection.variant.name.value,
        file.title,
        file.cite,
        year_of(file.cite),
        report.totals.params,
        report.totals.active_params,
        report.totals.macs,
        tuple(shape for _, shape in report.graph.inputs),
        selection.spec,
        selection.family.stands_in,
    )


def year_of(cite: str) -> int | None:
    """The year of publication in a citation: the first that is no part of an arXiv number."""
    return first_year(re.sub(r"arXiv:\S+", "", cite))


def first_year(text: str) -> int | None:
    """The first year in a text."""
    found = re.search(r"\b(19[4-9]\d|20\d\d)\b", text)
    return int(found.group()) if found else None
