"""The list of models, in every form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..catalogue import Entry
from ..errors import printable
from . import records
from .pieces import BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, page, prose
from .rows import Column, as_is, exact, size, words
from .sentences import clean

NAME = Column("name", lambda entry: printable(entry.name), "model", "model", words)
PAPER = Column("title", lambda entry: clean(entry.title), "paper", "paper", words)
CITE = Column("cite", lambda entry: clean(entry.cite), "cite", "cite", words)
YEAR = Column("year", lambda entry: entry.year, "year", "year", records.plain)
PARAMS = Column("params", lambda entry: entry.params, "params", "params", exact)
MACS = Column("macs", lambda entry: entry.macs, "MACs", "MACs", records.counts)
INPUT = Column("input", lambda entry: ", ".join(map(size, entry.input)), "input", "input", words)

COLUMNS = (
    NAME,
    Column("family", lambda entry: entry.family),
    Column("variant", lambda entry: entry.variant),
    PAPER,
    CITE,
    YEAR,
    PARAMS,
    MACS,
    INPUT,
    Column("spec", lambda entry: entry.spec),
)


SHOWN = (NAME, PAPER, YEAR, PARAMS, MACS, INPUT)


def render(
    entries: Sequence[Entry],
    output_format: str,
    width: int | None = None,
    color: bool = False,
    wanted: Sequence[str] = (),
    raw: bool = False,
) -> str:
    """The models in one of `FORMATS`, of the columns that are wanted or the usual ones; `width` and `color` are for
    text."""
    if output_format == "text" and not wanted:
        return page(_text(entries, width), color) if entries else ""
    people = output_format in ("text", "markdown", "latex", "html")
    columns = records.chosen(COLUMNS, wanted or ([column.name for column in SHOWN] if people else ()))
    if output_format == "text":
        return page(records.text([as_is(c) if raw else c for c in records.shown(columns)], entries, width), color)
    title = "Models" if output_format in ("latex", "html") else ""
    return records.render(columns, entries, output_format, title=title, document=document, raw=raw)


def document(entry: Entry) -> dict[str, Any]:
    """A model as JSON has it."""
    found = {"name": entry.name, "family": entry.family, "params": entry.params, "macs": entry.macs}
    found |= {"input": entry.input[0]}
    if len(entry.input) > 1:
        found["inputs"] = entry.input
    about = ("variant", "title", "cite", "year", "spec")
    return found | {key: getattr(entry, key) for key in about}


def _text(entries: Sequence[Entry], width: int | None) -> Iterator[Pieces]:
    """A group for each family, below what its paper is called."""
    room = PROSE if width is None else width
    seen: list[str] = []

    def above(entry: Entry) -> Iterator[Pieces]:
        if seen and seen[-1] == entry.spec:
            return
        if seen:
            yield []
        seen.append(entry.spec)
        family, title = printable(entry.family), clean(entry.title)
        if len(family) + 2 + len(title) <= room:
            yield [(family, LOUD), ("  ", PLAIN), (title, BOLD)]
        else:
            yield [(family, LOUD)]
            yield from prose(title, room, BOLD)
        yield from prose(clean(entry.cite), room, DIM)

    yield from records.text((NAME, PARAMS, MACS, INPUT), entries, width, indent=2, above=above)
    yield []
    many = f"{len(entries)} models of {len(seen)} families" if len(seen) > 1 else f"{len(entries)} models"
    yield [(many if len(entries) > 1 else "1 model", DIM)]
