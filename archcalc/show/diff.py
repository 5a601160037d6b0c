"""Two networks node by node: the verdict in one line, then the differences, alike ones together, and what they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from posixpath import commonpath
from typing import Annotated, TypedDict

from .. import __version__
from ..alignment.align import Difference
from ..documents import SCHEMA, VERSION, WRITER, Count, FilePlace, Natural, Version
from ..errors import printable
from ..graph import Graph
from ..records import NamedTuple
from ..tasks.diff import Diff, Field
from . import wording
from .columns import Column, exact, plain, words
from .compare import notes_of
from .documents import Noted, noted
from .drift import SHOWN, checkpoint, total
from .page import Block, Fact, Facts, Gap, Only, Page, Prose, Table
from .styles import BOLD, DIM, LOUD, PLAIN

Group = Sequence[Difference]
NO_LINE = ":0:1"  # of what torch calls alone, as in a `Sequential` by itself


class Place(NamedTuple):
    """A place of a difference, with its group's number."""

    diff: Diff
    group: int
    difference: Difference

    def side(self, which: int) -> tuple[str, str]:
        """Where it is in the first (0) or the second network: the path and the call; empty where it is not there."""
        graph = self.diff.alignment.second.graph if which else self.diff.alignment.first.graph
        nodes = self.difference.second if which else self.difference.first
        return _where(graph, nodes) if nodes else ("", "")


def page(found: Diff) -> Page:
    """Two networks held against each other. Csv has a line for each place where they differ."""
    notes = notes_of((found.first, found.second))
    return Page(verdict(found), lambda: blocks(found), lambda: data(found), lambda: table([found]), notes=notes)


def table(found: Sequence[Diff]) -> Table:
    """All places where networks differ."""
    groups = ((diff, number, one) for diff in found for number, one in enumerate(diff.alignment.groups, 1))
    return Table(COLUMNS, [Place(diff, number, one) for diff, number, group in groups for one in group])


def verdict(found: Diff) -> str:
    """`resnet50 and resnet50-v1.5 differ at 6 places`."""
    names, alignment = " and ".join(_names(found)), found.alignment
    count = len(alignment.differences)
    if alignment.verdict == "different":
        return f"{names} differ at {count:,} place{'s' * (count != 1)}"
    if found.same is False:
        return f"{names} are alike node by node, and give other numbers"
    return f"{names} are {alignment.verdict}"


def _names(found: Diff) -> tuple[str, str]:
    return printable(found.first.name), printable(found.second.name)


def blocks(found: Diff) -> Iterator[Block]:
    """The verdict, the differences by what is other, and what follows from all of them together."""
    mark = "✓" if found.equal else "✗"
    yield Only(("text",), [Prose(f"{mark} {verdict(found)}", BOLD if found.equal else LOUD), Gap()])
    groups = found.alignment.groups
    for group in groups:
        lines = [Fact("✗", said(found, group), BOLD, LOUD)]
        lines += [Fact("", place(found, one)) for one in group[:SHOWN]]
        lines += [Fact("", f"and {len(group) - SHOWN:,} more")] if len(group) > SHOWN else []
        effect = impact(found, group)
        yield Only(("text",), [Facts([*lines, *([Fact("", effect, DIM)] if effect else [])], 2)])
    yield Only(("markdown", "latex", "html"), [Table(GROUPS, [(found, group) for group in groups])] if groups else [])
    yield from [Gap()] if groups else []
    yield Facts([Fact(label, text, PLAIN if groups else DIM, DIM) for label, text in follows(found)])
    notes = wording.notes(notes_of((found.first, found.second)))
    yield from [Facts([Fact(*fact) for fact in notes])] if notes else []


def _places(found: Diff, group: Group) -> str:
    more = [f"and {len(group) - SHOWN:,} more"] if len(group) > SHOWN else []
    return "; ".join([*(place(found, one) for one in group[:SHOWN]), *more])


def said(found: Diff, group: Group) -> str:
    """`3 × conv: stride=2 → stride=1`, `relu, only in resnet50`."""
    first, second = _names(found)
    kind = group[0].kind
    only = {"only in the first": f", only in {first}", "only in the second": f", only in {second}"}.get(kind, "")
    times = f"{len(group)} × " if len(group) > 1 else ""
    return printable(f"{times}{group[0].what}{only}")


def place(found: Diff, difference: Difference) -> str:
    """Where it is in both: `conv3_x/conv.1 (resnet.yaml:65:11)`, once where that is one place."""
    at = Place(found, 0, difference)
    sides = dict.fromkeys(f"{path} ({where.removesuffix(NO_LINE)})" for path, where in (at.side(0), at.side(1)) if path)
    told = [" | ".join(sides) or "the network"]
    if difference.after is not None:
        path, where = _where(found.alignment.first.graph, [difference.after])
        told.append(f"behind {path} ({where.removesuffix(NO_LINE)})")
    return printable(", ".join(told) + (f": {difference.detail}" if difference.detail else ""))


def _where(graph: Graph, nodes: Sequence[int]) -> tuple[str, str]:
    """The path that nodes have in common, or the first and the last one's, and where the first is called."""
    paths = [graph.nodes[node].path for node in nodes]
    path = paths[0] if len(paths) == 1 else commonpath(paths) or f"{paths[0]} … {paths[-1]}"
    return path, graph.nodes[nodes[0]].where.where


def impact(found: Diff, group: Group) -> str:
    """What the differences change at their own nodes: `params +64; MACs −1,024; 2 tensors of a checkpoint have no
    place`; nothing where they change nothing."""
    does = found.impact(group)
    tensors = ((does.gone, "without a place"), (does.missing, "in addition"), (does.reshaped, "reshaped"))
    parts = [f"{name} {count:+,}" for name, count in (("params", does.params), ("MACs", does.macs)) if count]
    listed = [f"{count:,} {what}" for count, what in tensors if count]
    parts += [f"tensors of a checkpoint: {', '.join(listed)}"] if listed else []
    return "here: " + "; ".join(parts) if parts else ""


def follows(found: Diff) -> Iterator[tuple[str, str]]:
    """What all differences together do to the whole networks."""
    first, second = _names(found)
    totals = found.first.totals, found.second.totals
    yield "params", total(totals[0].params, totals[1].params)
    yield "MACs", total(totals[0].macs, totals[1].macs)
    before, now = found.receptive_fields
    yield "receptive field", _field(before) if before == now else f"{_field(before)} → {_field(now)}"
    yield f"checkpoints of {first} in {second}", printable(checkpoint(found.checkpoint, not found.equal))
    if found.alignment.left_out:
        yield "left out", f"the {' and '.join(found.alignment.left_out)} that one of them ends in"
    if found.same:
        yield "run", "with the same random weights both give the same numbers"
    elif found.same is False:
        yield (
            "run",
            "with the same random weights they give other numbers: by how values are laid out, or by constants",
        )
    elif any(form.graph.code is not None for form in (found.alignment.first, found.alignment.second)):
        drawn = ", and constants whose values are drawn or read" if found.unseen else ""
        yield "not compared", f"how code lays values out: transposes and views of up to four axes{drawn}"


def _field(field: Field) -> str:
    return "?" if field is None else "∞" if field == inf else f"{field:,.4g}"


# --- csv and JSON -----------------------------------------------------------------------------------------------------


GROUPS = (  # of a pair: two networks, and differences that are alike
    Column("what", lambda pair: said(*pair), "difference", "difference", words),
    Column("where", lambda pair: _places(*pair), "where", "where", words),
    Column("params", lambda pair: pair[0].impact(pair[1]).params, "params", "params", exact),
    Column("macs", lambda pair: pair[0].impact(pair[1]).macs, "MACs", "MACs", exact),
)
COLUMNS = (
    Column("first", lambda place: _names(place.diff)[0]),
    Column("second", lambda place: _names(place.diff)[1]),
    Column("group", lambda place: place.group, "group", "group", plain),
    Column("kind", lambda place: place.difference.kind, "kind", "kind", words),
    Column("what", lambda place: printable(place.difference.what), "what", "what", words),
    Column("detail", lambda place: printable(place.difference.detail), "detail", "detail", words),
    Column("first_path", lambda place: printable(place.side(0)[0]), "first", "first", words),
    Column("first_where", lambda place: place.side(0)[1], "where", "where", words),
    Column("second_path", lambda place: printable(place.side(1)[0]), "second", "second", words),
    Column("second_where", lambda place: place.side(1)[1], "where", "where", words),
)


class SideDocument(TypedDict):
    """One of the two networks."""

    name: Annotated[str, "The model as it was asked for, with its input."]
    params: Annotated[Count, "Weights, biases and parameters of normalisations."]
    macs: Annotated[Count, "Multiply–accumulates of convolutions, fully connected layers and matrix products."]
    receptive_field: Annotated[
        float | None, "Input positions that an element of the last feature map sees; null where unbounded."
    ]


class NodeDocument(TypedDict):
    """A node at a place where the networks differ."""

    path: Annotated[str, "The unique name of the node; also its name in the torch network."]
    where: Annotated[FilePlace, "Its call: file:line:column."]
    receptive_field: Annotated[float | None, "Input positions that an element of it sees; null where unbounded."]


class PlaceDocument(TypedDict):
    """A place where the networks differ."""

    detail: Annotated[str, "What of the difference is of this place; else empty."]
    first: Annotated[list[NodeDocument], "The nodes of the first network; none where only the second has some."]
    second: Annotated[list[NodeDocument], "The nodes of the second network; none where only the first has some."]


class GroupDocument(TypedDict):
    """Differences that are alike."""

    kind: Annotated[str, "How they differ: changed, rewired, reordered, moved, replaced, or only in one of them."]
    what: Annotated[str, "What is other."]
    places: Annotated[list[PlaceDocument], (("minItems", 1),), "Where."]
    params: Annotated[int, "How many more parameters the second network has there."]
    macs: Annotated[int, "How many more MACs the second network has there."]
    gone: Annotated[Natural, "How many tensors there of a checkpoint of the first have no place in the second."]
    missing: Annotated[Natural, "How many tensors there the second network has in addition."]
    reshaped: Annotated[Natural, "How many tensors there have another shape."]


class LoadsDocument(TypedDict):
    """The parameters and statistics of a checkpoint of the first network, by whether they load into the second."""

    kept: Annotated[Natural, "How many load by their names."]
    gone: Annotated[Natural, "How many have no place."]
    reshaped: Annotated[Natural, "How many have a place of another shape."]
    renamed: Annotated[dict[str, str], "Those that are only called otherwise, with the other name."]
    missing: Annotated[Natural, "How many the second network has in addition."]


class AgainstDocument(Noted):
    """Two networks held against each other."""

    models: Annotated[list[SideDocument], (("minItems", 2), ("maxItems", 2)), "The two networks."]
    verdict: Annotated[str, (("enum", ("equal", "equal up to the order of a concat", "different")),), "What they are."]
    places: Annotated[Natural, "At how many places they differ."]
    differences: Annotated[list[GroupDocument], "What differs, alike differences together."]
    left_out: Annotated[list[str], "What only one of them ends in that makes probabilities, which is left out."]
    same_numbers: Annotated[
        bool | None,
        "Whether code and what it is gave the same numbers with the same random weights; null: not run.",
    ]
    checkpoint: Annotated[LoadsDocument, "What becomes of a checkpoint of the first network in the second."]


class DiffDocument(AgainstDocument):
    """What `archcalc compare MODEL MODEL --diff --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]


def data(found: Diff) -> DiffDocument:
    """The JSON document."""
    return {"schema": SCHEMA, "archcalc": __version__, **against_document(found)}


def against_document(found: Diff) -> AgainstDocument:
    """Its part about the two networks."""
    alignment, kept = found.alignment, found.checkpoint
    sides = zip((found.first, found.second), found.receptive_fields, strict=True)
    return {
        "models": [
            {"name": m.name, "params": m.totals.params, "macs": m.totals.macs, "receptive_field": _bounded(field)}
            for m, field in sides
        ],
        "verdict": alignment.verdict,
        "places": len(alignment.differences),
        "differences": [_group(found, group) for group in alignment.groups],
        "left_out": [*alignment.left_out],
        "same_numbers": found.same,
        "checkpoint": {
            "kept": kept.kept,
            "gone": len(kept.gone),
            "reshaped": len(kept.reshaped),
            "renamed": dict(kept.renamed),
            "missing": len(kept.missing),
        },
        **noted(notes_of((found.first, found.second))),
    }


def _group(found: Diff, group: Group) -> GroupDocument:
    return {
        "kind": group[0].kind,
        "what": group[0].what,
        "places": [
            {"detail": one.detail, "first": _nodes(found, 0, one.first), "second": _nodes(found, 1, one.second)}
            for one in group
        ],
        **found.impact(group)._asdict(),  # type: ignore[typeddict-item]
    }


def _nodes(found: Diff, which: int, nodes: Sequence[int]) -> list[NodeDocument]:
    graph = (found.alignment.first, found.alignment.second)[which].graph
    return [
        {
            "path": graph.nodes[node].path,
            "where": graph.nodes[node].where.where,
            "receptive_field": _bounded(found.field(which, node)),
        }
        for node in nodes
    ]


def _bounded(field: Field) -> float | None:
    return None if field == inf else field
