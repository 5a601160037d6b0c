"""The largest batch that fits, with what it takes, in every form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import __version__
from ..analysis.fit import Fit, Need
from ..errors import printable
from ..ops import Shape
from ..units import binary, with_separators
from . import as_csv, records
from .as_json import SCHEMA, training_document, write
from .columns import Column, Shown, size, words
from .pieces import BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, page, prose
from .sentences import reached


class Asked(NamedTuple):
    """What was asked about."""

    model: str
    input: Shape
    dtype: str


class Part(NamedTuple):
    """A kind of memory and its bytes; of the peak also where it is reached."""

    name: str
    bytes: int


COLUMNS = (
    Column("part", lambda part: part.name, "memory", "memory", words),
    Column(
        "bytes", lambda part: part.bytes, "bytes", "bytes", lambda sizes: Shown("", [f"{size:,}" for size in sizes])
    ),
    Column("size", lambda part: _size(part.bytes), "", "", lambda sizes: Shown("", list(map(str, sizes)))),
)


def render(asked: Asked, fit: Fit, output_format: str, width: int | None = None, color: bool = False) -> str:
    """The answer in one of `FORMATS`; `width` and `color` are for text."""
    if output_format == "json":
        return write(document(asked, fit))
    if output_format == "csv":
        return as_csv.table(COLUMNS[:2], parts(fit))
    if output_format == "markdown":
        return f"{heading(asked, fit)}\n\n**{verdict(fit)}**\n\n{records.markdown(COLUMNS, parts(fit))}"
    return page(_text(asked, fit, width), color)


def document(asked: Asked, fit: Fit) -> Iterator[tuple[str, Any]]:
    """The keys and values of the JSON document."""
    shown = fit.fits or fit.beyond
    yield "schema", SCHEMA
    yield "archcalc", __version__
    yield "model", asked.model
    yield "input", asked.input
    yield "dtype", asked.dtype
    yield "memory_bytes", fit.memory
    yield "batch", fit.batch
    yield "bytes", fit.fits.bytes if fit.fits else None
    yield "beyond", {"batch": fit.beyond.batch, "bytes": fit.beyond.bytes} if fit.beyond else None
    yield "parts", shown.parts if shown else {}
    yield "training", training_document(shown.training) if shown and shown.training else None


def parts(fit: Fit) -> list[Part]:
    """What the largest batch takes, or, where none fits, one sample; last all that is held at the peak."""
    shown = fit.fits or fit.beyond
    if shown is None:
        return []
    return [*(Part(name, count) for name, count in shown.parts.items()), Part(_peak(shown), shown.bytes)]


def _peak(shown: Need) -> str:
    return "together" if shown.training is None else reached(shown.training)


def heading(asked: Asked, fit: Fit) -> str:
    what = f"training with {fit.optimizer}" if fit.optimizer else "inference"
    return f"{printable(asked.model)} · {what} · input {size(asked.input)} · {asked.dtype}"


def verdict(fit: Fit) -> str:
    """The largest batch, and what one more would take."""
    there = _size(fit.memory)
    if fit.fits is None:
        return f"not even one sample fits into {there}" + (
            f": it takes {_size(fit.beyond.bytes)}" if fit.beyond else ""
        )
    beyond = (
        f"; {with_separators(fit.beyond.batch)} would take {_size(fit.beyond.bytes)}"
        if fit.beyond
        else "; no larger one is looked for"
    )
    return f"the largest batch is {with_separators(fit.batch)}: {_size(fit.fits.bytes)} of {there}{beyond}"


def _size(count: int) -> str:
    return " ".join(binary(count))


def _text(asked: Asked, fit: Fit, width: int | None) -> Iterator[Pieces]:
    room = PROSE if width is None else width
    yield from prose(heading(asked, fit), room, BOLD)
    yield from prose(verdict(fit), room, PLAIN if fit.fits else LOUD)
    yield []
    found = parts(fit)
    yield from records.text(
        COLUMNS,
        found,
        width,
        headings=False,
        indent=2,
        style=lambda part, column: BOLD if part is found[-1] else PLAIN,
    )
    yield []
    if fit.optimizer:
        yield from prose("Not all of it is there at once: what is saved goes as gradients come.", room, DIM)
    yield from prose("Workspace of kernels and what a device keeps for itself come on top.", room, DIM)
