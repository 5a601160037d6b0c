"""Printed accuracies side by side: those of one table, so that what stands in it can be compared. Never computed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from .accuracies import accuracies

# What is compared, and which way is better.
FIGURES = {
    "top1_accuracy": ("top-1 accuracy", 1),
    "top1_error": ("top-1 error", -1),
    "top5_accuracy": ("top-5 accuracy", 1),
    "top5_error": ("top-5 error", -1),
}


SIZE = re.compile(r"^(params|depth|FLOPs)\b|FLOPs$")


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
    def tested(self) -> str:
        """On what data, and how."""
        return ", ".join(filter(None, (self.dataset, self.setting)))

    @property
    def accuracy(self) -> float:
        """In percent right, whichever way it is printed."""
        return self.value if self.figure.endswith("accuracy") else 100 - self.value


@cache
def results() -> tuple[Result, ...]:
    """All printed results of models of the zoo, in the order of the documents. Raises SpecError."""
    return tuple(
        Result(
            model,
            FIGURES[found.metric][0],
            found.printed.value,
            float(found.value),
            found.sources[0],
            found.dataset,
            _tested(found.setting),
        )
        for found in accuracies()
        if found.metric in FIGURES
        for model in found.models
    )


def _tested(setting: str) -> str:
    """How it was tested: the setting without what it says of the network's size."""
    parts = [part.strip() for part in setting.replace(";", ",").split(",")]
    return ", ".join(part for part in parts if not SIZE.search(part))


def common(models: Sequence[str], figure: str = "top-1") -> tuple[Result, ...]:
    """The results of these models in the table that holds most of them, so that they can be compared; by model."""
    sources: dict[tuple[str, str, str], dict[str, Result]] = {}
    for result in results():
        if result.model in models and result.figure.startswith(figure):
            table = result.source, result.dataset, result.setting
            sources.setdefault(table, {}).setdefault(result.model, result)
    best = max(sources.values(), key=len, default={})
    return tuple(best[model] for model in models if model in best)
