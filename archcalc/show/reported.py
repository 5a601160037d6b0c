"""What is reported for networks, as columns, facts and JSON: as it is written, and where it is from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NotRequired, TypedDict

from ..errors import printable
from ..language.metrics import BETTER, ReportedMetric
from ..papers.results import Reported, Written
from .columns import Column, Shown, Value


class ReportedDocument(TypedDict):
    """A result that somebody reports for a network."""

    metric: Annotated[str, "What is reported."]
    value: Annotated[float, "The figure, in `unit`."]
    printed: Annotated[str, "The figure as it is written."]
    unit: NotRequired[Annotated[str, "Its unit; absent where it has none."]]
    better: Annotated[str, (("enum", tuple(BETTER)),), "Which way is better."]
    source: Annotated[str, "Where it is from."]


REPORTED = "What the spec or a file reports for the model; absent where that is nothing."


class ReportedToo(TypedDict):
    """What stands beside what is counted."""

    reported: NotRequired[Annotated[list[ReportedDocument], REPORTED]]


def reported_too(results: Sequence[Reported]) -> ReportedToo:
    """The results beside what is counted, if there are some."""
    return {"reported": list(map(reported_document, results))} if results else {}


def reported_document(result: Reported) -> ReportedDocument:
    """A result as JSON has it."""
    metric = result.metric
    found: ReportedDocument = {
        "metric": metric.name,
        "value": result.value,
        "printed": result.printed,
        "better": next(word for word, better in BETTER.items() if better == metric.better),
        "source": result.source,
    }
    return {**found, "unit": metric.unit} if metric.unit else found


def as_written(unit: str) -> Callable[[Sequence[Value]], Shown]:
    """Shows values as they are written, their points below each other."""

    def show(values: Sequence[Value]) -> Shown:
        found = [printable(value.printed) if isinstance(value, Written) else "" for value in values]
        behind = [len(text) - text.index(".") if "." in text else 0 for text in found]
        room = max(behind, default=0)
        return Shown(unit, [text + " " * (room - own) if text else "" for text, own in zip(found, behind, strict=True)])

    return show


def reported_column(metric: ReportedMetric) -> Column:
    """The column of a metric, of records that have `figure(name)`."""
    name = printable(metric.name)
    return Column(metric.name, lambda record: record.figure(metric.name), name, name, as_written(metric.unit))


def sources(reported: Mapping[str, Sequence[Reported]]) -> list[str]:
    """Where results are from: `top-1 of vgg16, resnet50: ours`."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, results in reported.items():
        for result in results:
            found.setdefault((result.metric.name, result.source), []).append(name)
    said = {(metric, source): f"{metric} of {', '.join(names)}: {source}" for (metric, source), names in found.items()}
    return [printable(text) for text in said.values()]
