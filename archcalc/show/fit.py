"""The largest batch that fits, with what it takes, in every form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypedDict

from .. import __version__
from ..analysis.fit import Fit
from ..documents import SCHEMA, VERSION, WRITER, Count, Dtype, Natural, Positive, Sizes, Version
from ..errors import printable
from ..records import NamedTuple
from ..tasks.fit import FitResult
from ..units import binary, with_separators
from .columns import Column, Shown, words
from .documents import INPUTS, InputDocument, Noted, TrainingDocument, noted, training_document
from .page import Block, Fact, Facts, Gap, Heading, Page, Prose, Table
from .styles import BOLD, DIM, LOUD, PLAIN
from .wording import entering, notes, reached


class Part(NamedTuple):
    """A kind of memory and its bytes; the peak's name says where it is reached."""

    name: str
    bytes: int


COLUMNS = (
    Column("part", lambda part: part.name, "memory", "memory", words),
    Column("bytes", lambda part: part.bytes, "bytes", "bytes", lambda sizes: Shown("", [f"{n:,}" for n in sizes])),
    Column("size", lambda part: _size(part.bytes), "", "", lambda sizes: Shown("", list(map(str, sizes)))),
)


class Beyond(TypedDict):
    """The next batch, which does not fit."""

    batch: Annotated[Positive, "Its samples."]
    bytes: Annotated[Count, "What it takes."]


class FitDocument(Noted):
    """What `archcalc fit MODEL --memory SIZE --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    model: Annotated[str, "The model's name."]
    input: Annotated[Sizes, "A sample of the first input, channels first."]
    dtype: Annotated[Dtype, "The type of all numbers."]
    memory_bytes: Annotated[Count, "How much memory there is."]
    batch: Annotated[Natural, "The largest batch that fits; 0 where not even one sample does."]
    bytes: Annotated[Count | None, "What it takes, parameters and all; null where none fits."]
    beyond: Annotated[Beyond | None, "The next batch, which does not fit; null where none was looked for."]
    parts: Annotated[dict[str, Count], "What the largest batch, or else one sample, takes by kind, in bytes."]
    training: Annotated[TrainingDocument | None, "The training step; null for an inference."]
    inputs: Annotated[list[InputDocument], INPUTS]


def page(found: FitResult) -> Page:
    """The largest batch, and what it takes by kind."""
    table = Table(COLUMNS[:2], parts(found.fit))
    return Page(heading(found), lambda: _blocks(found), lambda: data(found), lambda: table, notes=found.notes)


def data(asked: FitResult) -> FitDocument:
    """The JSON document."""
    fit = asked.fit
    shown = fit.fits or fit.beyond
    return {
        "schema": SCHEMA,
        "archcalc": __version__,
        "model": asked.model,
        "input": asked.inputs[0][1],
        "dtype": asked.dtype,
        "memory_bytes": fit.memory,
        "batch": fit.batch,
        "bytes": fit.fits.bytes if fit.fits else None,
        "beyond": {"batch": fit.beyond.batch, "bytes": fit.beyond.bytes} if fit.beyond else None,
        "parts": shown.parts if shown else {},
        "training": training_document(shown.training) if shown and shown.training else None,
        "inputs": [{"name": name, "shape": shape} for name, shape in asked.inputs],
        **noted(asked.notes),
    }


def _blocks(asked: FitResult) -> Iterator[Block]:
    fit, found = asked.fit, parts(asked.fit)
    yield Heading(heading(asked), style=BOLD)
    yield Prose(verdict(fit), PLAIN if fit.fits else LOUD)
    yield Gap()
    whole = found[-1:]
    yield Table(COLUMNS, found, style=lambda part, _: BOLD if [part] == whole else PLAIN, headings=False, indent=2)
    yield Gap()
    if fit.optimizer:
        yield Prose("Not all of it is there at once: what is saved goes as gradients come.", DIM)
    yield Prose("Workspace of kernels and what a device keeps for itself come on top.", DIM)
    yield from [Facts([Fact(*fact) for fact in notes(asked.notes)])] if asked.notes else []


def parts(fit: Fit) -> list[Part]:
    """Bytes of the largest batch by kind, or, if none fits, of one sample; the last part is the whole peak."""
    shown = fit.fits or fit.beyond
    if shown is None:
        return []
    whole = "together" if shown.training is None else reached(shown.training)
    return [*(Part(name, count) for name, count in shown.parts.items()), Part(whole, shown.bytes)]


def heading(asked: FitResult) -> str:
    what = f"training with {asked.fit.optimizer}" if asked.fit.optimizer else "inference"
    return f"{printable(asked.model)} · {what} · input {entering(asked.inputs)} · {asked.dtype}"


def verdict(fit: Fit) -> str:
    """The largest batch, and what one more would take."""
    there = _size(fit.memory)
    takes = _size(fit.beyond.bytes) if fit.beyond else ""
    if fit.fits is None:
        return f"not even one sample fits into {there}" + (f": it takes {takes}" if takes else "")
    if fit.beyond and takes == there:
        takes = f"{_size(fit.beyond.bytes - fit.memory)} more"
    more = f"{with_separators(fit.beyond.batch)} would take {takes}" if fit.beyond else "no larger one is looked for"
    return f"the largest batch is {with_separators(fit.batch)}: {_size(fit.fits.bytes)} of {there}; {more}"


def _size(count: int) -> str:
    return " ".join(binary(count))
