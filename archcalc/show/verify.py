"""What `archcalc verify` found, in every form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import printable
from . import as_csv, records
from .as_json import SCHEMA, write
from .as_markdown import escape
from .columns import Column, Value, exact, size, words
from .pieces import BOLD, DIM, LOUD, PROSE, Pieces, hanging, page, prose

if TYPE_CHECKING:
    from ..runtime.verify import Verified


def _found(found: Verified) -> Value:
    count = len(found.differences)
    return "✓" if found.ok else f"✗ {count} difference{'s' * (count != 1)}"


MODEL = Column("model", lambda found: printable(found.model), "model", "model", words)
NODES = Column("nodes", lambda found: found.nodes, "nodes", "nodes", exact)
PARAMS = Column("params", lambda found: found.params, "params", "params", exact)
MACS = Column("macs", lambda found: found.macs, "MACs", "MACs", records.counts)
INPUT = Column("input", lambda found: size(found.input), "ran at", "ran at", words)
FOUND = Column("found", _found, "found", "found", words)
TABLE = (MODEL, NODES, PARAMS, MACS, INPUT, FOUND)
COLUMNS = (
    MODEL,
    Column("ok", lambda found: "yes" if found.ok else "no"),
    NODES,
    PARAMS,
    MACS,
    INPUT,
    Column("seconds", lambda found: round(found.seconds, 3)),
    Column("gaps", lambda found: "; ".join(found.gaps)),
    Column("differences", lambda found: "; ".join(map(printable, found.differences))),
)


def render(found: Sequence[Verified], output_format: str, width: int | None = None, color: bool = False) -> str:
    """The models in one of `FORMATS`; `width` and `color` are for text."""
    if output_format == "json":
        return write(document(found))
    if output_format == "csv":
        return as_csv.table(COLUMNS, found)
    if output_format == "markdown":
        wrong = [f"- {escape(printable(f'{v.model}: {text}'))}" for v in found for text in v.differences]
        known = [f"- *{word}*: {escape(why)}" for word, why in gaps(found).items()]
        return "\n".join([records.markdown(TABLE, found), verdict(found), "", *wrong, *known, ""]).rstrip() + "\n"
    return page(_text(found, width), color)


def document(found: Sequence[Verified]) -> Iterator[tuple[str, Any]]:
    """The keys and values of the JSON document."""
    yield "schema", SCHEMA
    yield "archcalc", __version__
    yield "ok", all(verified.ok for verified in found)
    yield (
        "models",
        [
            {
                "model": verified.model,
                "ok": verified.ok,
                "nodes": verified.nodes,
                "params": verified.params,
                "macs": verified.macs,
                "input": verified.input,
                "seconds": round(verified.seconds, 3),
                "gaps": verified.gaps,
                "differences": verified.differences,
            }
            for verified in found
        ],
    )


def gaps(found: Sequence[Verified]) -> dict[str, str]:
    """What a counter is known not to count, by op, over all models."""
    return {word: why for verified in found for word, why in verified.gaps.items()}


def verdict(found: Sequence[Verified]) -> str:
    """One sentence about all of it."""
    wrong = sum(not verified.ok for verified in found)
    many = f"{len(found)} models" if len(found) != 1 else "the model"
    if wrong:
        return (
            f"✗ {wrong} of {many} differ{'s' * (wrong == 1)} from torch"
            if len(found) > 1
            else "✗ it differs from torch"
        )
    agree = "agree" if len(found) != 1 else "agrees"
    return f"✓ {many} {agree} with torch in parameters, shapes and MACs, and run{'s' * (len(found) == 1)}"


def _text(found: Sequence[Verified], width: int | None) -> Iterator[Pieces]:
    room = PROSE if width is None else width

    def below(verified: Verified) -> Iterator[Pieces]:
        for text in verified.differences:
            yield from hanging("  ✗ ", printable(text), 4, room, label_style=LOUD)

    yield from records.text(TABLE, found, width, below=below)
    yield []
    yield from prose(verdict(found), room, BOLD if all(verified.ok for verified in found) else LOUD)
    for word, why in gaps(found).items():
        yield from prose(f"{word}: {why}; that part is not compared", room, DIM)


__all__ = ["document", "gaps", "render", "verdict"]
