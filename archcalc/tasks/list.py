"""The models there are, each with its numbers computed afresh."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files
from ..analysis.counts import Report, Totals
from ..errors import UsageError, did_you_mean
from ..language.metrics import ReportedMetric
from ..language.zoo import PATTERN, Selection, known_names, select, selections, shipped, spec_files, split
from ..networks import is_code
from ..networks import report as counts_of
from ..ops import Shape
from ..papers.results import Reported, of_spec
from ..parallel import map_processes
from ..views import Tabular
from .choose import read_choice
from .results import declared, known_results, merged

if TYPE_CHECKING:
    from ..papers.accuracies import System


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model: its paper and year as cited, its totals at batch 1 and the printed input, without the batch; `spec` is
    the file that names it, `stands_in` what of the paper something else stands in for, `reported` what somebody reports
    for it."""

    name: str
    family: str
    variant: str
    title: str
    cite: str
    year: int | None
    totals: Totals
    input: tuple[Shape, ...]
    spec: str
    stands_in: str = ""
    reported: tuple[Reported, ...] = ()

    @property
    def params(self) -> int:
        return self.totals.params

    @property
    def active_params(self) -> int:
        return self.totals.active_params

    @property
    def macs(self) -> int:
        return self.totals.macs

    def figure(self, name: str) -> float | None:
        """A total, the year, or what is reported under a name."""
        own = next((result.value for result in self.reported if result.metric.name == name), None)
        return own if own is not None else self.year if name == "year" else self.totals.counts().get(name)


@dataclass(frozen=True, slots=True)
class ModelList(Tabular):
    """The models that hold a word, by family or, if `ranked`, in the order that was asked for; and, if all that
    documents name was asked for, the systems that no spec builds. `hint` says what else may have been meant, if there
    are none."""

    models: tuple[ListedModel, ...]
    systems: tuple[System, ...] | None = None
    hint: str = ""
    ranked: bool = False

    @property
    def metrics(self) -> tuple[ReportedMetric, ...]:
        """What is reported for any of them."""
        return tuple(dict.fromkeys(result.metric for model in self.models for result in model.reported))


TOTALS = tuple(field.name for field in fields(Totals) if field.name != "elementwise")
MANY = 40  # spec files: from there on it is worth to have all cores count


def list_models(
    *words: str,
    every: bool = False,
    where: str = "",
    sort: str = "",
    top: int | None = None,
    results: Path | str = "",
) -> ModelList:
    """The shipped models whose name, family, title or cite holds one of `words`, or whose name is like it (`resnet*`),
    all computed afresh, what is called so first, and those of spec files among `words`; with `every` also the systems
    that documents name and no spec builds, which hold it.

    Only those are kept that keep the bounds of `where`, by `sort` the largest first, of these the first `top`;
    `results` is a file of what somebody reports for models. Raises SpecError."""
    for word in filter(is_code, words):
        raise UsageError(f"`{word}` is code, and the list is of specs", f"`archcalc summary {word}` counts it.")
    own = [word for word in words if split(word)[0] is not None]
    texts = tuple(word.lower() for word in words if word not in own)
    jobs: list[tuple[Path, str | None]] = [(path, None) for path in spec_files()] if texts or not own else []
    jobs += [(files.typed(split(word)[0] or ""), word) for word in own]
    by_file = map_processes(partial(_of_file, texts), jobs, sys.maxsize if words else MANY)
    found = [model for models in by_file for model in models]
    if any(not PATTERN.search(text) for text in texts):
        nearest: dict[str, int] = {}
        for model in found:
            nearest[model.spec] = min(nearest.get(model.spec, FAR), *(_rank(model, text) for text in texts))
        found.sort(key=lambda model: (nearest[model.spec], model.name not in words))
    if results:
        names = [_names(model) for model in found]
        known = known_results(results, {name for pair in names for name in pair})
        pairs = zip(found, names, strict=True)
        found = [replace(model, reported=merged(model.reported, known, pair)) for model, pair in pairs]
    units = {name: "bytes" if name.endswith("_bytes") else "" for name in (*TOTALS, "year")}
    units |= {name: metric.unit for name, metric in declared(r for model in found for r in model.reported).items()}
    kept = read_choice(where, sort, top, units).of(found, ListedModel.figure)
    named = (system for word in words or ("",) for system in systems_without_spec(word))
    systems = tuple({system.key: system for system in named}.values()) if every else None
    hint = did_you_mean(" ".join(words), known_names()) if not found and not systems else ""
    return ModelList(tuple(kept), systems, hint, bool(sort))


def _names(model: ListedModel) -> tuple[str, ...]:
    """The names by which somebody may have results of a model."""
    of_file = () if shipped(model.spec) else (f"{model.spec}:{model.name}", f"{model.spec}:{model.variant}")
    return model.name, *of_file


FAR = 2


def _rank(model: ListedModel, text: str) -> int:
    """How near a model's name is to a text: 0 where it or its family is called so, 1 where it begins so."""
    names = (model.name.lower(), model.family.lower())
    return 0 if text in names else 1 if any(name.startswith(text) for name in names) else FAR


def _of_file(words: Sequence[str], job: tuple[Path, str | None]) -> list[ListedModel]:
    path, reference = job
    if reference is not None:
        wanted = split(reference)[2]
        return [
            listed(each, counts_of(each))
            for each in ([select(reference)] if wanted else selections(path, reference)[1])
        ]
    family, found = selections(path)
    about = f"{family.name} {family.title} {family.cite}".lower()

    def holds(name: str) -> bool:
        return not words or any(
            fnmatchcase(name, word) if PATTERN.search(word) else word in about or word in name for word in words
        )

    return [listed(each, counts_of(each)) for each in found if holds(each.name.lower())]


def systems_without_spec(word: str = "") -> Iterator[System]:
    """The systems that documents name and no spec builds, those that hold `word`, also in what is printed beside their
    results. Raises SpecError."""
    from ..papers.accuracies import known  # reads all that is printed: plain lists need none of it

    wanted = word.lower()
    for system in known().systems:
        about = (system.name.value, system.year, *(result.variant for result in system.results))
        if not system.models and any(wanted in text.lower() for text in about):
            yield system


def listed(selection: Selection, report: Report) -> ListedModel:
    """A model with its counts."""
    file = selection.file
    return ListedModel(
        selection.name,
        file.name,
        selection.variant.name.value,
        file.title,
        file.cite,
        year_of(file.cite),
        report.totals,
        tuple(shape for _, shape in report.graph.inputs),
        selection.spec,
        selection.family.stands_in,
        of_spec(selection.file, selection.subject),
    )


def year_of(cite: str) -> int | None:
    """The year of publication in a citation: the first that is no part of an arXiv number."""
    return first_year(re.sub(r"arXiv:\S+", "", cite))


def first_year(text: str) -> int | None:
    """The first year in a text."""
    found = re.search(r"\b(19[4-9]\d|20\d\d)\b", text)
    return int(found.group()) if found else None
