"""A network at many sizes: a point a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Annotated, NotRequired, TypedDict

from .. import __version__
from ..documents import SCHEMA, VERSION, WRITER, Positive, Sizes, Version
from ..networks import said
from ..tasks.scale import Point, ScaleResult, Swept, Unbuilt
from ..tasks.sweep import FIELD, LATENCY, TRAINING
from .columns import Column, Shown, Value, binary, by_names, decimal, exact, for_people, known, plain, time, words
from .documents import Noted, SeveralInputs, TotalsDocument, several_inputs, totals_document
from .page import Block, Fact, Facts, Gap, Heading, Page, Prose, Table
from .reported import ReportedToo, reported_column, reported_too, sources
from .styles import DIM, LOUD
from .wording import clean, entering, notes


class OfSweep(TypedDict, total=False):
    """What only the points of a sweep have, or who asks for a training step."""

    point: Annotated[int, "The number of the point in its space; of a sweep."]
    training_memory_bytes: Annotated[int, "The peak memory of a training step; where one is asked for."]
    receptive_field: Annotated[int | None, "Of the last map; null where unbounded; of a sweep by it."]
    latency_ms: Annotated[float, "The median of measured runs in milliseconds; of a sweep by it."]
    latency_between_ms: Annotated[
        tuple[float, float] | None, "The 95 % confidence interval of that median; null where too few runs were made."
    ]


class PointDocument(SeveralInputs, ReportedToo, OfSweep):
    """The network at one size, built and counted."""

    input: Annotated[Sizes, "The shape of the first input, channels first, without the batch."]
    batch: Annotated[Positive, "The number of samples that MACs, FLOPs and bytes are for."]
    settings: Annotated[dict[str, str], "The constants that are varied, as they were given."]
    totals: Annotated[TotalsDocument, "The sums over the main path, and its peak memory."]


class RefusedDocument(TypedDict):
    """Points that do not build for one reason."""

    count: Annotated[Positive, "How many points."]
    point: Annotated[int, "The number of the first of them."]
    message: Annotated[str, "Why it does not build."]
    where: Annotated[str, "The place in the spec: file:line:column; empty where it is none."]


class SweptDocument(TypedDict):
    """How the points were chosen of all."""

    size: Annotated[Positive, "The number of points of the whole space."]
    counted: Annotated[Positive, "How many of them were counted."]
    left: Annotated[Positive, "How many of these build and keep all bounds."]
    dropped: Annotated[dict[str, int], "How many points each bound left out, the first one that they did not keep."]
    refused: Annotated[list[RefusedDocument], "What does not build, by reason."]
    objectives: Annotated[list[str], "What the front is of; empty where none was asked for."]
    maximized: Annotated[list[str], "Of which of these more is better."]
    by: Annotated[str, "What the best are by; empty where none were asked for."]


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
    swept: NotRequired[Annotated[SweptDocument, "How the points were chosen; absent where all are here."]]
    unbuilt: NotRequired[Annotated[list[UnbuiltDocument], "The sizes that do not build; absent where all do."]]


def _figure(name: str, heading: str, show: Callable[[Sequence[Value]], Shown]) -> Column:
    return Column(name, lambda point: point.figure(name), heading, heading, show)


ALWAYS = (
    _figure("params", "params", exact),
    _figure("macs", "MACs", decimal),
    _figure("flops", "FLOPs", decimal),
    _figure("activation_bytes", "activations", binary),
    _figure("peak_memory_bytes", "peak memory", binary),
    _figure("weight_layers", "weight layers", plain),
)
# Only where somebody asks for it, or it decides.
ASKED = (
    _figure(TRAINING, "peak memory, training", binary),
    _figure("training_macs", "MACs, training", decimal),
    _figure("sequential_operations", "sequential", plain),
    _figure("path_length", "path", plain),
    _figure("receptive_field", "receptive field", plain),
    _figure("latency_ms", "latency", time),
    _figure("active_params", "params, active", exact),
    _figure("weights", "weights", exact),
    _figure("biases", "biases", exact),
    _figure("norm_params", "norm params", exact),
    _figure("norm_stats", "norm statistics", exact),
    _figure("param_bytes", "parameters", binary),
)


def _between(point: Point) -> Value:
    found = point.latency_between
    return None if found is None else f"{found[0]:.3g} to {found[1]:.3g}"


BETWEEN = Column("latency_between_ms", _between, "95 % interval (ms)", "95 % (ms)", words)


def columns(found: ScaleResult) -> list[Column]:
    """The columns of a table of points: what is varied, and what follows."""
    points = found.points
    varied = dict.fromkeys(name for point in points for name in point.settings)
    training = [TRAINING] if any(point.training for point in points) else []
    asked = [column for column in ASKED if column.name in (*found.asked, *training)]
    numbers = [Column("point", lambda point: point.number, "point", "point", plain)] if found.swept else []
    return [
        *numbers,
        Column("input", lambda point: entering(point.inputs), "input", "input", words),
        Column("batch", lambda point: point.batch, "batch", "batch", plain),
        *(Column(name, _setting(name), name, name, plain) for name in varied),
        *ALWAYS,
        *asked,
        *([BETWEEN] if any(point.measured for point in points) else []),
    ]


def known_columns() -> list[Column]:
    """All columns but those of what is varied."""
    return [*columns(ScaleResult("", ())), *ASKED]


def _setting(name: str) -> Callable[[Point], Value]:
    return lambda point: point.settings.get(name)


def page(found: ScaleResult, wanted: Sequence[str] = (), raw: bool = False) -> Page:
    """The points, with the columns that are wanted, or all, and numbers as they are if `raw`. Raises UsageError for a
    column that there is not."""
    points = found.points
    results = list(dict.fromkeys(result for point in points for result in point.reported))
    every = columns(found) + [reported_column(metric) for metric in dict.fromkeys(r.metric for r in results)]
    more = [column for column in ASKED if column.name not in {each.name for each in every}]
    picked = by_names([*every, *more], wanted) if wanted else every
    known(picked if wanted else (), points, "A sweep measures what is best: `--pareto latency,params`.")

    def blocks() -> Iterator[Block]:
        yield Heading(clean(found.model), (about(found),))
        yield Gap()
        yield Table(for_people(picked, raw), points, fill=True)
        yield Gap()
        for point in found.unbuilt:
            yield Prose(f"{name_of(point)} does not build: {clean(message_of(point))}", LOUD)
        if found.swept:
            yield from _swept(found.swept)
        yield Prose("MACs and bytes are for the whole batch; FLOPs = 2 × MACs.", DIM)
        facts = [*notes(found.notes), *(("reported", text) for text in sources({found.model: results}))]
        yield from [Facts([Fact(*fact) for fact in facts])] if facts else []

    return Page(clean(found.model), blocks, lambda: data(found), lambda: Table(picked, points), notes=found.notes)


def about(found: ScaleResult) -> str:
    """What the points are, in a line."""
    points, dtypes = found.points, dict.fromkeys(point.report.dtype for point in found.points)
    said = f"{len(points)} size{'s' * (len(points) != 1)}, each counted exactly"
    if found.swept:
        what = "the front, " * bool(found.swept.objectives)
        said = f"{what}{len(points):,} of {found.swept.counted:,} points, each counted exactly"
    return f"{said} · {', '.join(dtypes)}"


def _swept(swept: Swept) -> Iterator[Block]:
    """How the points were chosen."""
    facts: list[tuple[str, str]] = []
    if swept.objectives:
        each = [f"{'more' if name in swept.maximized else 'less'} {name}" for name in swept.objectives]
        alike = "what the noise hides is alike" if LATENCY in swept.objectives else "of points alike the first is shown"
        facts.append(("front", f"no other point has {', '.join(each)}; {alike}"))
    if swept.by:
        facts.append(("best", f"by {swept.by}"))
    drawn = f" of a space of {swept.size:,}" if swept.counted < swept.size else ""
    facts.append(("counted", f"{swept.counted:,}{drawn}, of which {swept.left:,} build and keep all bounds"))
    facts += [("left out", f"{clean(bound)}: {count:,}") for bound, count in swept.dropped.items()]
    for refused in swept.refused:
        where = f" ({refused.where})" if refused.where else ""
        many = f"{refused.many:,} points" if refused.many > 1 else "1 point"
        facts.append(("unbuilt", clean(f"{many}, first {refused.number:,}: {refused.message}{where}")))
    yield Facts([Fact(*fact) for fact in facts])


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
        "points": [_point(point, found.asked) for point in found.points],
    }
    if found.swept:
        swept = found.swept
        document["swept"] = {
            "size": swept.size,
            "counted": swept.counted,
            "left": swept.left,
            "dropped": swept.dropped,
            "refused": [
                {"count": each.many, "point": each.number, "message": each.message, "where": each.where}
                for each in swept.refused
            ],
            "objectives": [*swept.objectives],
            "maximized": [*swept.maximized],
            "by": swept.by,
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


def _point(point: Point, asked: Sequence[str]) -> PointDocument:
    return {
        "input": point.input,
        "batch": point.batch,
        "settings": point.settings,
        "totals": totals_document(point.report.totals),
        **several_inputs(point.report.graph),
        **reported_too(point.reported),
        **_of_sweep(point, asked),
    }


def _of_sweep(point: Point, asked: Sequence[str]) -> OfSweep:
    found: OfSweep = {}
    if point.number is not None:
        found["point"] = point.number
    if point.training is not None:
        found["training_memory_bytes"] = point.training.peak_bytes
    if FIELD in asked:
        field = point.figure(FIELD)
        found["receptive_field"] = None if field is None or field == inf else int(field)
    if point.measured is not None:
        found["latency_ms"] = point.measured.whole.median
        found["latency_between_ms"] = point.latency_between
    return found
