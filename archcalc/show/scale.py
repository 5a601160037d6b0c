"""A network at many sizes, in every form: a point a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .. import __version__
from ..documents import SCHEMA
from ..tasks.scale import Point
from . import records
from .as_json import write
from .columns import Column, Value, as_is, binary, by_names, decimal, exact, plain, size, words
from .documents import totals_document
from .pieces import BOLD, DIM, LOUD, PROSE, Pieces, page, prose
from .sentences import clean


def columns(points: Sequence[Point]) -> list[Column]:
    """The columns of a table of points: what is varied, and what follows."""
    varied = list(dict.fromkeys(name for point in points for name in point.settings))
    return [
        Column("input", lambda point: size(point.input), "input", "input", words),
        Column("batch", lambda point: point.batch, "batch", "batch", plain),
        *(Column(name, _setting(name), name, name, plain) for name in varied),
        *(
            Column(name, _total(name), heading, heading, show)
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


def _setting(name: str) -> Callable[[Point], Value]:
    return lambda point: point.settings.get(name)


def _total(name: str) -> Callable[[Point], Value]:
    return lambda point: getattr(point.report.totals, name)


def render(
    model: str, points: Sequence[Point], output_format: str, width: int | None = None, color: bool = False,
    raw: bool = False, wanted: Sequence[str] = (),
) -> str:  # fmt: skip
    """The points in one of `FORMATS`, of the columns that are wanted, or all."""
    shown = by_names(columns(points), wanted)
    if output_format == "json":
        return write(document(model, points))
    if output_format != "text":
        return records.render(shown, points, output_format, title=f"{clean(model)} at {len(points)} sizes", raw=raw)
    return page(_text(model, points, [as_is(c) if raw else c for c in shown], PROSE if width is None else width), color)


def _text(model: str, points: Sequence[Point], shown: Sequence[Column], width: int) -> Iterator[Pieces]:
    dtype = points[0].report.dtype
    yield [(clean(model), LOUD), (f"  {len(points)} sizes, each counted exactly · {dtype}", BOLD)]
    yield []
    yield from records.text(shown, points, width)
    yield []
    yield from prose("MACs and bytes are for the whole batch; FLOPs = 2 × MACs.", width, DIM)


def document(model: str, points: Sequence[Point]) -> Iterator[tuple[str, Any]]:
    """The keys and values, in order."""
    yield "schema", SCHEMA
    yield "archcalc", __version__
    yield "model", model
    yield (
        "points",
        [
            {
                "input": point.input,
                "batch": point.batch,
                "settings": point.settings,
                "totals": totals_document(point.report.totals),
            }
            for point in points
        ],
    )
