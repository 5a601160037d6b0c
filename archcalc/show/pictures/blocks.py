"""What the picture of a network shows, before anybody knows how it is drawn: blocks and branches, each with what it is
called, how often it stands there, and the rows that it is of. Needs no matplotlib."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

from ...analysis.find import find
from ...errors import UsageError, printable
from ...graph import Graph, Node
from ...models import Summary
from ...ops import Shape, Tokens
from ...ops.shapes import numel
from ..columns import size, sizes
from ..wording import clean
from .names import Group, Rows, grouped, heading, plain, row_texts, said, spoken, times

MOST = 160  # boxes
ENOUGH = 3  # blocks that are a picture of a whole network
WITHIN = 22  # blocks of a part that is drawn beside the whole
HEAVY = ("convolution", "linear", "product", "attention", "recurrent", "embedding")  # families that have weights
# What a block is, by the first of these families that is in it, and what the legend calls it.
KINDS = {
    "attention": "attention",
    "recurrent": "recurrent",
    "convolution": "convolution",
    "linear": "fully connected",
    "product": "matrix product",
    "embedding": "embedding",
    "resampling": "resampling",
    "pool": "pooling",
    "merge": "merge",
    "norm": "norm, activation, other",
    "activation": "norm, activation, other",
    "elementwise": "norm, activation, other",
    "layout": "norm, activation, other",
    "": "norm, activation, other",
    "input": "input",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A box: its lines of text, the size of what comes out of it, its kind (one of `KINDS`), and the blocks, by their
    places, that it reads. It stands there `count` times one behind the other, as `repeats`, a block of the spec or a
    class of code. `rows` are names of rows of the table, `start` and `stop` the nodes of the first time to the last."""

    texts: tuple[str, ...]
    size: str
    kind: str
    inputs: tuple[int, ...] = ()
    count: int = 1
    repeats: str = ""
    head: str = ""
    rows: tuple[str, ...] = ()
    start: int = 0
    stop: int = 0
    level: int = 0  # how often the resolution is halved


@dataclass(frozen=True, slots=True)
class Blocks:
    """A picture: its title, its blocks in order of execution, and what is in blocks that stand there several times,
    each with its title. `levels` are those of a U, 0 where the network is none, and `start` the block that it begins
    with."""

    title: str
    blocks: tuple[Block, ...]
    inside: tuple[tuple[str, tuple[Block, ...]], ...] = ()
    levels: int = 0
    start: int = 0


def blocks(summary: Summary, only: str = "") -> Blocks:
    """The blocks of a whole network, or of a row or block of it. Raises UsageError."""
    graph = summary.report.graph
    if only:
        found = find(graph.without_heads(), only)
        if found.node is not None:
            raise UsageError(f"`{only}` is a single op", "Name a row or a block.")
        first, last = found.spans[0], found.spans[-1]
        name = first.name if len(found.spans) == 1 and not first.depth else first.path
        return Blocks(
            f"{clean(summary.model)}  ·  {clean(name)}", _few(_boxes(graph, _ops(graph, first.start, last.stop)))
        )
    opener = Rows(summary)
    made: list[Block] = []
    for depth in range(4):
        made = _whole(opener, depth)
        if sum(block.count for block in made if block.kind != "input") >= ENOUGH:
            break
    shown = _few(_together(made))
    return Blocks(heading(summary), shown, _insides(opener, shown), *_levels(shown))


def _few(made: Sequence[Any]) -> tuple[Any, ...]:
    if len(made) > MOST:
        raise UsageError(f"{len(made)} boxes are no picture", "`--only ROW` draws one row or block.")
    return tuple(made)


def kind(nodes: Iterable[Node]) -> str:
    """The first of `KINDS` that is among the families of ops."""
    families = {node.op.family for node in nodes}
    return next(name for name in KINDS if name in families or not name)


# --- of a whole network -----------------------------------------------------------------------------------------------


Part = tuple[tuple[str, ...], Group]  # what is said in a box, and what it is of


def _whole(opener: Rows, depth: int) -> list[Block]:
    """The rows, those of code and of lines of a spec cut where they say several things, opened `depth` levels."""
    graph = opener.graph
    rows = [index for index, span in enumerate(graph.spans) if not span.depth and span.start < span.stop]
    _few(rows[4 * MOST :] and rows)  # what stands together may be fewer
    inputs = [Block((printable(name),), size(shape), "input") for name, shape in graph.inputs]
    return _boxes(graph, (part for index in rows for part in _cut(opener, index, depth)), inputs)


def _boxes(graph: Graph, parts: Iterable[Part], inputs: Iterable[Block] = (), entry: int | None = None) -> list[Block]:
    """The boxes of parts behind those of inputs; before the first that reads it one for what else comes from outside:
    from where, but for the `entry`."""
    made = [*inputs]
    owner = {-1 - n: n for n in range(len(made))}
    ends = {row.stop: row for row in graph.rows}
    names = [row.name for row in graph.rows for _ in range(row.start, row.stop)]
    for texts, group in parts:
        reads: dict[int, None] = {}
        for value in (value for node in range(group.start, group.stop) for value in graph.nodes[node].inputs):
            if group.start <= value < group.stop:
                continue
            if value not in owner:
                owner[value] = len(made)
                name = graph.inputs[-1 - value][0] if value < 0 else f"from {plain(_outer(graph.nodes[value].path))}"
                made.append(Block(("input" if value == entry else printable(name),), size(graph.shape(value)), "input"))
            reads[owner[value]] = None
        owner.update(dict.fromkeys(range(group.start, group.stop), len(made)))
        last = graph.spans[group.spans[-1]] if group.spans else ends.get(group.stop)
        whole = last is not None and last.start >= group.start
        outputs = last.outputs if last is not None and whole else (group.stop - 1,)
        nodes = graph.nodes[group.start : group.stop]
        level = max((made[at].level for at in reads), default=0)
        if nodes[0].inputs:
            level += _halved(graph.shape(nodes[0].inputs[0]), graph.shape(outputs[0]))
        made.append(
            Block(
                texts, sizes(map(graph.shape, outputs)), kind(nodes), tuple(reads), max(1, len(group.spans)),
                group.block, nodes[0].head, (names[group.start],), group.start, group.stop, level,
            )
        )  # fmt: skip
    return made


def _cut(opener: Rows, index: int, depth: int) -> Iterator[Part]:
    """The parts of a row that are a box each."""
    graph, groups = opener.graph, grouped(opener, index)
    row = graph.spans[index]
    alone = len(groups) == 1
    if not depth and ((alone and (row.path or row.label)) or (row.path and graph.code is None)):
        yield tuple(row_texts(opener, index)), groups[0] if alone else Group("", (), row.start, row.stop)
        return
    for group in groups:
        first = graph.spans[group.spans[0]] if group.spans else row
        if depth and len(group.spans) == 1:
            yield from _cut(opener, group.spans[0], depth - 1)
        elif depth and not group.block:
            yield from _ops(graph, group.start, group.stop)
        elif group.block and len(_clusters(graph, first.start, first.stop)) < 2:  # as much as one op
            yield (said(graph, group), said(graph, Group("", (), first.start, first.stop))), group
        else:
            yield (said(graph, group),), group


def _halved(before: Shape, after: Shape) -> int:
    """How often the resolution is halved from one value to another; below zero where it grows."""
    maps = [shape for shape in (before, after) if len(shape) > 1 and not isinstance(shape, Tokens)]
    if len(maps) < 2:
        return 0
    a, b = (numel(shape[1:]) ** (1 / (len(shape) - 1)) for shape in maps)
    return round(log2(a / b)) if a and b else 0


def _together(made: Sequence[Block]) -> list[Block]:
    """Blocks that say the same and stand one behind the other on one level as one, how often they stand there."""
    readers = [0] * len(made)
    for block in made:
        for source in block.inputs:
            readers[source] += 1
    found: list[Block] = []
    new: list[int] = []
    merged: dict[int, int] = {}
    for at, block in enumerate(made):
        last = found[-1] if found else None
        again = last is not None and block.inputs == (at - 1,) and readers[at - 1] == 1
        if again and last is not None and (last.texts, last.level, last.kind) == (block.texts, block.level, block.kind):
            found[-1] = replace(last, size=block.size, count=last.count + block.count, rows=last.rows + block.rows,
                                stop=block.stop)  # fmt: skip
            merged[len(found) - 1] = merged.get(len(found) - 1, 1) + 1
        else:
            found.append(replace(block, inputs=tuple(dict.fromkeys(new[source] for source in block.inputs))))
        new.append(len(found) - 1)
    for at, count in merged.items():
        texts = [*found[at].texts]
        which = 0 if texts[0] == plain(found[at].repeats) else -1  # a block is what is repeated, else what a row says
        texts[which] = times(texts[which], count)
        found[at] = replace(found[at], texts=tuple(texts))
    return found


def _levels(made: Sequence[Block]) -> tuple[int, int]:
    """How many levels a U has, and with which block it begins: a chain goes down, up by two at least, and is read from
    side to side at least twice. Else 0."""
    start = len(made) - 1
    while start - 1 in made[start].inputs and made[start - 1].kind != "input":
        start -= 1
    way = [block.level for block in made[start:]]
    deepest = max(way)
    if deepest < 2 or way[-1] > deepest - 2 or min(way) < 0 or any(block.head for block in made):
        return 0, 0
    first, last = way.index(deepest), len(way) - 1 - way[::-1].index(deepest)
    falls, rises = way[:first], way[last:]
    across = [block for block in made[start + last + 1 :] if {*block.inputs} & {*range(start, start + first)}]
    found = falls == sorted(falls) and rises == sorted(rises)[::-1] and {*way[first : last + 1]} == {deepest}
    return (deepest + 1, start) if found and len(across) > 1 else (0, 0)


# --- inside -----------------------------------------------------------------------------------------------------------


def _insides(opener: Rows, made: Sequence[Block]) -> tuple[tuple[str, tuple[Block, ...]], ...]:
    """What is in each block that stands there more than once, where that is a picture; of several times the second,
    as the first is often one of its own."""
    graph = opener.graph
    spans = {(span.text, span.start): index for index, span in enumerate(graph.spans) if span.depth}
    often: dict[str, int] = {}
    for block in made:
        often[block.repeats] = often.get(block.repeats, 0) + block.count
    found = []
    for name in [name for name, count in often.items() if name and count > 1]:
        first = max((block for block in made if block.repeats == name), key=lambda block: block.count > 1)
        span = graph.spans[spans[name, first.start]]
        again = [s for s in graph.spans if s.depth == span.depth and s.text == name and s.start == span.stop]
        span = again[0] if first.count > 1 and again else span
        inner = _boxes(graph, _ops(graph, span.start, span.stop), (), span.input)
        if len(inner) > WITHIN:
            inner = _boxes(graph, _within(opener, graph.spans.index(span)), (), span.input)
        if 2 < len(inner) <= WITHIN:
            row = next(index for index, row in enumerate(graph.spans) if not row.depth and row.name == first.rows[0])
            stage = row_texts(opener, row)[:-1] if graph.spans[row].path else []
            title = row_texts(opener, row, bar=True)[-1] if graph.spans[row].path else plain(name)
            title = f"{plain(name)}, in {stage[0]}" if stage else title
            found.append((title, tuple(inner)))
    return tuple(found)


def _ops(graph: Graph, start: int, stop: int) -> Iterator[Part]:
    """A part for each op, its norm and activation with it."""
    for nodes in _clusters(graph, start, stop):
        yield tuple(spoken(graph.nodes[node]) for node in nodes), Group("", (), nodes[0], nodes[-1] + 1)


def _within(opener: Rows, index: int) -> Iterator[Part]:
    """A part for each block in a block, with the first op of it that has weights, and for each op beside them."""
    graph, groups = opener.graph, grouped(opener, index)
    if len(groups) == 1 and len(groups[0].spans) == 1:
        yield from _within(opener, groups[0].spans[0])
        return
    for group in groups:
        for at in group.spans:
            span = graph.spans[at]
            name = span.path.rpartition(".")[2] if graph.code is not None else plain(span.text)
            heavy = [spoken(node) for node in graph.nodes[span.start : span.stop] if node.op.family in HEAVY]
            yield (
                (printable(name), *(text.partition(", ")[0] for text in heavy[:1])),
                Group(span.text, (at,), span.start, span.stop),
            )
        if not group.spans:
            yield from _ops(graph, group.start, group.stop)


def _outer(path: str) -> str:
    """The part of a network that a node stands in, without its number."""
    return re.sub(r"[.#]\d+$", "", path.partition("/")[0])


def _clusters(graph: Graph, start: int, stop: int) -> list[list[int]]:
    """The nodes of a part, one heavy op with light ops around it together."""
    nodes = graph.nodes
    readers: dict[int, int] = {}
    for index in range(start, stop):
        for value in nodes[index].inputs:
            readers[value] = readers.get(value, 0) + 1
    found: list[list[int]] = []
    owner: dict[int, int] = {}
    for index in range(start, stop):
        node = nodes[index]
        before = node.inputs[0] if len(node.inputs) == 1 else -1
        at = owner.get(before)
        if (
            at is not None
            and readers[before] == 1
            and before == index - 1
            and _joins([nodes[own] for own in found[at]], node)
        ):
            found[at].append(index)
        else:
            at = len(found)
            found.append([index])
        owner[index] = at
    return sorted(found)


def _joins(group: Sequence[Node], node: Node) -> bool:
    """Whether `node` joins the group: one heavy op in each, with light ops around it."""
    heavy = [other.op.family in HEAVY for other in group]
    if node.op.family in HEAVY:
        return not any(heavy) and all(map(_light, group))
    norms = any(other.op.family == "norm" for other in group)
    return _light(node) and (heavy[0] or not any(heavy) or (heavy[-1] and node.op.family == "norm" and not norms))


def _light(node: Node) -> bool:
    return len(node.inputs) == 1 and (node.op.storage == "inplace" or node.op.family == "norm")
