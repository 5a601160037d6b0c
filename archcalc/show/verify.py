"""The page of `archcalc verify`: models held against their torch networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict

from .. import __version__
from ..documents import SCHEMA, VERSION, WRITER, Count, Sizes, Version
from ..errors import printable
from ..tasks.verify import VerifyResult
from .columns import Column, Value, counts, exact, size, words
from .page import Block, Gap, Note, Page, Prose, Table
from .styles import BOLD, DIM, LOUD

if TYPE_CHECKING:
    from ..runtime.verify import Verified


def _found(found: Verified) -> Value:
    count = len(found.differences)
    return "✓" if found.ok else f"✗ {count} difference{'s' * (count != 1)}"


MODEL = Column("model", lambda found: printable(found.model), "model", "model", words)
NODES = Column("nodes", lambda found: found.nodes, "nodes", "nodes", exact)
PARAMS = Column("params", lambda found: found.params, "params", "params", exact)
MACS = Column("macs", lambda found: found.macs, "MACs", "MACs", counts)
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


class VerifiedModel(TypedDict):
    """A model held against its torch network."""

    model: Annotated[str, "The name by which it was asked for."]
    ok: Annotated[bool, "Whether nothing differs."]
    nodes: Annotated[int, "How many nodes were compared."]
    params: Annotated[Count, "Parameters of the torch network."]
    macs: Annotated[Count, "Multiply-accumulates at that input, a sample."]
    input: Annotated[Sizes, "The smallest legal input, at which it ran."]
    seconds: Annotated[float, "How long that took."]
    gaps: Annotated[dict[str, str], "Ops that a counter is known not to count, and why; that part is not compared."]
    differences: Annotated[list[str], "What differs, each with its node."]


class VerifyDocument(TypedDict):
    """What `archcalc verify MODEL … --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    ok: Annotated[bool, "Whether all models agree."]
    models: Annotated[list[VerifiedModel], "The models, in the order in which they were named."]


def page(result: VerifyResult) -> Page:
    """The models, what differs, and what a counter cannot know."""
    found = result.models
    return Page("Verified", lambda: _blocks(found), lambda: data(found), lambda: Table(COLUMNS, found))


def data(found: Sequence[Verified]) -> VerifyDocument:
    """The JSON document."""
    return {
        "schema": SCHEMA,
        "archcalc": __version__,
        "ok": all(verified.ok for verified in found),
        "models": [
            {
                "model": verified.model,
                "ok": verified.ok,
                "nodes": verified.nodes,
                "params": verified.params,
                "macs": verified.macs,
                "input": verified.input,
                "seconds": round(verified.seconds, 3),
                "gaps": verified.gaps,
                "differences": list(verified.differences),
            }
            for verified in found
        ],
    }


def _blocks(found: Sequence[Verified]) -> Iterator[Block]:
    yield Table(TABLE, found, notes=_differences)
    yield Gap()
    yield Prose(verdict(found), BOLD if all(verified.ok for verified in found) else LOUD)
    yield from (Prose(f"{word}: {why}; that part is not compared", DIM) for word, why in gaps(found).items())


def _differences(verified: Verified) -> Iterator[Note]:
    for text in verified.differences:
        yield Note(printable(text), "  ✗ ", f"{printable(verified.model)}:", mark_style=LOUD)


def gaps(found: Sequence[Verified]) -> dict[str, str]:
    """The known gaps of counters, by op, over all models."""
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
