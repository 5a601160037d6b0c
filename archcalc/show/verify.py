"""The page of `archcalc verify`: models held against their torch networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict

from .. import __version__
from ..documents import SCHEMA, VERSION, WRITER, Count, Sizes, Version
from ..errors import printable
from ..tasks.verify import VerifyResult
from .columns import Column, Value, counts, exact, words
from .documents import Noted, noted
from .page import Block, Fact, Facts, Gap, Note, Page, Prose, Table
from .styles import BOLD, DIM, LOUD
from .wording import clean, entering, notes

if TYPE_CHECKING:
    from ..runtime.verify import Verified


def _found(found: Verified) -> Value:
    count = len(found.differences)
    if found.ok:
        return "✓" if found.ran else "– did not run"
    return f"✗ {count} difference{'s' * (count != 1)}"


COLUMNS = (
    Column("model", lambda found: printable(found.model), "model", "model", words),
    Column("ok", lambda found: "yes" if found.ok else "no"),
    Column("nodes", lambda found: found.nodes, "nodes", "nodes", exact),
    Column("params", lambda found: found.params, "params", "params", exact),
    Column("macs", lambda found: found.macs, "MACs", "MACs", counts),
    Column("input", lambda found: entering(found.inputs) if found.ran else "–", "ran at", "ran at", words),
    Column("seconds", lambda found: round(found.seconds, 3)),
    Column("gaps", lambda found: "; ".join(found.gaps)),
    Column("differences", lambda found: "; ".join(map(printable, found.differences))),
    Column("not_run", lambda found: found.not_run),
    Column("fewer", lambda found: found.fewer),
)
TABLE = (*(column for column in COLUMNS if column.show), Column("found", _found, "found", "found", words))


class VerifiedModel(Noted):
    """A model held against its torch network."""

    model: Annotated[str, "The name by which it was asked for."]
    ok: Annotated[bool, "Whether nothing differs."]
    nodes: Annotated[int, "How many nodes were compared."]
    params: Annotated[Count, "Parameters of the torch network."]
    macs: Annotated[Count, "Multiply-accumulates at that input, a sample."]
    input: Annotated[Sizes, "The smallest legal input, at which it ran, if it did."]
    seconds: Annotated[float, "How long that took."]
    gaps: Annotated[dict[str, str], "Ops that a counter is known not to count, and why; that part is not compared."]
    differences: Annotated[list[str], "What differs, each with its node."]
    not_run: Annotated[str, "Why it did not run as a whole, where there was too little memory; otherwise empty."]
    fewer: Annotated[str, "With how many layers it ran then, as `layers = 1`; empty where it ran whole or not at all."]


class VerifyDocument(TypedDict):
    """What `archcalc verify MODEL … --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    ok: Annotated[bool, "Whether all models agree."]
    models: Annotated[list[VerifiedModel], "The models, in the order in which they were named."]


def page(result: VerifyResult) -> Page:
    """The models, what differs, and what a counter cannot know."""
    table = Table(COLUMNS, result.models)
    return Page("Verified", lambda: _blocks(result), lambda: data(result), lambda: table, notes=_notes(result))


def _notes(result: VerifyResult) -> list[str]:
    return [clean(f"{name}: {note}") for name, found in result.notes.items() for note in found]


def data(result: VerifyResult) -> VerifyDocument:
    """The JSON document."""
    return {
        "schema": SCHEMA,
        "archcalc": __version__,
        "ok": result.ok,
        "models": [
            {
                "model": verified.model,
                "ok": verified.ok,
                "nodes": verified.nodes,
                "params": verified.params,
                "macs": verified.macs,
                "input": verified.inputs[0][1],
                "seconds": round(verified.seconds, 3),
                "gaps": verified.gaps,
                "differences": list(verified.differences),
                "not_run": verified.not_run,
                "fewer": verified.fewer,
                **noted(result.notes.get(verified.model, ())),
            }
            for verified in result.models
        ],
    }


def _blocks(result: VerifyResult) -> Iterator[Block]:
    yield Table(TABLE, result.models, notes=_differences)
    yield Gap()
    yield Prose(verdict(result.models), BOLD if result.ok and result.ran else LOUD)
    gaps = {word: why for verified in result.models for word, why in verified.gaps.items()}
    yield from (Prose(f"{word}: {why}; that part is not compared", DIM) for word, why in gaps.items())
    yield from [Facts([Fact(*fact) for fact in notes(_notes(result))])] if result.notes else []


def _differences(verified: Verified) -> Iterator[Note]:
    for text in verified.differences:
        yield Note(printable(text), "  ✗ ", f"{printable(verified.model)}:", mark_style=LOUD)
    if verified.fewer:
        said = f"ran with {verified.fewer}, every kind of node: {verified.not_run}"
        yield Note(said, "  · ", f"{printable(verified.model)}:")
    elif verified.not_run:
        yield Note(verified.not_run, "  – ", f"{printable(verified.model)} did not run:", mark_style=LOUD)


def verdict(found: Sequence[Verified]) -> str:
    """One sentence about all of it."""
    wrong, still, thin = (
        sum(map(bool, those))
        for those in ([not v.ok for v in found], [not v.ran for v in found], [v.fewer for v in found])
    )
    if len(found) == 1:
        good = "✓ the model agrees with torch in parameters, shapes and MACs, and runs"
        if found[0].code and not still:
            good = (
                "✓ the module runs as it is counted: parameters, MACs, peak memory; its calls alone give the same bits"
            )
        elif still:
            good = "– the model agrees with torch in parameters, shapes and MACs; it did not run"
        return "✗ it differs from torch" if wrong else good + " with fewer layers" * (thin and not still)
    if wrong:
        return f"✗ {wrong} of {len(found)} models differ{'s' * (wrong == 1)} from torch"
    if still:
        return f"– {len(found)} models agree with torch in parameters, shapes and MACs; {still} did not run"
    whole = f"✓ {len(found)} models agree with torch in parameters, shapes and MACs, and run"
    return f"{whole}, {thin} with fewer layers" if thin else whole
