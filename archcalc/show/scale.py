"""A network at many sizes: a point a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, NotRequired, TypedDict

from .. import __version__
from ..documents import SCHEMA, VERSION, WRITER, Positive, Sizes, Version
from ..networks import said
from ..tasks.scale import Point, ScaleResult, Unbuilt
from .columns import Column, Value, binary, by_names, decimal, exact, for_people, plain, words
from .documents import Noted, SeveralInputs, TotalsDocument, several_inputs, totals_document
from .page import Block, Fact, Facts, Gap, Heading, Page, Prose, Table
from .reported import ReportedToo, reported_column, reported_too, sources
from .styles import DIM, LOUD
from .wording import clean, entering, notes


class PointDocument(SeveralInputs, ReportedToo):
    """The network at one size, built and counted."""

    input: Annotated[Sizes, "The shape of the first input, channels first, without the batch."]
    batch: Annotated[Positive, "The number of samples that MACs, FLOPs and bytes are for."]
    settings: Annotated[dict[str, str], "The constants that are varied, as they were given."]
    totals: Annotated[TotalsDocument, "The sums over the main path, and its peak memory."]


class UnbuiltDocument(TypedDict):
    """A size at which the network does not build."""

    input: Annotated[Sizes | None, "The shape of the input, or the sides as they were asked for; null for the printed."]
    settings: Annotated[dict[str, str], "The constants that are varied, as they were given."]
    message: Annotated[str, "Why it does not build."]
    where: Annotated[str | None, "The place in the spec: file:line:column; null where it is none."]
    inputs: NotRequired[Annotated[dict[str, Sizes], "The inputs that were asked for by name; absent where none was."]]


class ScaleDocument(Noted):
    """What `archcalc scale MODEL --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    model: Annotated[str, "The name by which the network was asked for."]
    points: Annotated[list[PointDocument], "All combinations of inputs, batches and settings, the last the quickest."]
    unbuilt: NotRequired[Annotated[list[UnbuiltDocument], "The sizes that do not build; absent where all do."]]


# Only where somebody asks for it.
PARAM_BYTES = Column("param_bytes", attrgetter("report.totals.param_bytes"), "parameters", "parameters", binary)


def columns(points: Sequence[Point]) -> list[Column]:
    """The columns of a table of points: what is varied, and what follows."""
    varied = list(dict.fromkeys(name for point in points for name in point.settings))
    return [
        Column("input", lambda point: entering(point.inputs), "input", "input", words),
        Column("batch", lambda point: point.batch, "batch", "batch", plain),
        *(Column(name, _setting(name), name, name, plain) for name in varied),
        *(
            Column(name, attrgetter(f"report.totals.{name}"), heading, heading, show)
            for name, heading, show in (
                ("params", "params", exact),
                ("macs", "MACs", decimal),
                ("flops", "FLOPs", decimal),
                ("activation_bytes", "activations", binary),
                ("peak_memory_bytes", "peak memory", binary),
                ("weight_layers", "weight layers", plain),
            )
        ),
    ]


def known_columns() -> list[Column]:
    """All columns but those of what is varied."""
    return [*columns(()), PARAM_BYTES]


def _setting(name: str) -> Callable[[Point], Value]:
    return lambda point: point.settings.get(name)


def page(found: ScaleResult, wanted: Sequence[str] = (), raw: bool = False) -> Page:
    """The points, with the columns that are wanted, or all, and numbers as they are if `raw`. Raises UsageError for a
    column that there is not."""
    points = found.points
    results = list(dict.fromkeys(result for point in points for result in point.reported))
    known = columns(points) + [reported_column(metric) for metric in dict.fromkeys(r.metric for r in results)]
    picked = by_names([*known, PARAM_BYTES], wanted) if wanted else known

    def blocks() -> Iterator[Block]:
        about = f"{len(points)} sizes, each counted exactly · {points[0].report.dtype}"
        yield Heading(clean(found.model), (about,))
        yield Gap()
        yield Table(for_people(picked, raw), points, fill=True)
        yield Gap()
        for point in found.unbuilt:
            yield Prose(f"{name_of(point)} does not build: {clean(message_of(point))}", LOUD)
        yield Prose("MACs and bytes are for the whole batch; FLOPs = 2 × MACs.", DIM)
        facts = [*notes(found.notes), *(("reported", text) for text in sources({found.model: results}))]
        yield from [Facts([Fact(*fact) for fact in facts])] if facts else []

    return Page(clean(found.model), blocks, lambda: data(found), lambda: Table(picked, points), notes=found.notes)


def name_of(point: Unbuilt) -> str:
    """The size as it was asked for: `1×9×9, width = 2`."""
    asked = [*([] if point.input is None else [said(point.input)]), *(f"{k} = {v}" for k, v in point.settings.items())]
    return clean(", ".join(asked) or "the printed size")


def message_of(point: Unbuilt) -> str:
    """Why a size does not build, with the place in the spec."""
    where = getattr(point.error, "where", "")
    return f"{point.error.message} ({where})" if where else point.error.message


def data(found: ScaleResult) -> ScaleDocument:
    """The JSON document."""
    document: ScaleDocument = {
        "schema": SCHEMA,
        "archcalc": __version__,
        "model": found.model,
        "points": list(map(_point, found.points)),
    }
    if found.unbuilt:
        document["unbuilt"] = list(map(_unbuilt, found.unbuilt))
    if found.notes:
        document["notes"] = [*found.notes]
    return document


def _unbuilt(point: Unbuilt) -> UnbuiltDocument:
    where = getattr(point.error, "where", "") or None
    named = point.input if isinstance(point.input, Mapping) else None
    found: UnbuiltDocument = {
        "input": None if isinstance(point.input, Mapping) else point.input,
        "settings": point.settings,
        "message": point.error.message,
        "where": where,
    }
    if named is not None:
        found["inputs"] = dict(named)
    return found


def _point(point: Point) -> PointDocument:
    return {
        "input": point.input,
        "batch": point.batch,
        "settings": point.settings,
        "totals": totals_document(point.report.totals),
        **several_inputs(point.report.graph),
        **reported_too(point.reported),
    }
