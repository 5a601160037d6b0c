"""A part of a network by its name."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError, did_you_mean
from ..graph import Graph, Span
from ..records import NamedTuple
from ..units import same, squeeze

MOST = 12  # names that an error offers


class Target(NamedTuple):
    """The meaning of a name in a network: a node by its index, or a block, a row, or several rows of one label."""

    node: int | None = None
    spans: tuple[Span, ...] = ()


def find(graph: Graph, name: str) -> Target:
    """A node by its path, a row by its name, a block by its path, or any by its own part. Raises UsageError."""
    nodes = [(node.path, Target(index)) for index, node in enumerate(graph.nodes)]
    rows = [(span.name, Target(spans=(span,))) for span in graph.rows if span.start < span.stop]
    blocks = [(span.path, Target(spans=(span,))) for span in graph.spans if span.depth and span.start < span.stop]
    return _called(name, nodes, rows, blocks) or _holding(name, rows, blocks, nodes)


Names = Sequence[tuple[str, Target]]


def _called(name: str, nodes: Names, rows: Names, blocks: Names) -> Target | None:
    """Find what has this name, or, of rows alike, this name and a number."""
    base, _, number = name.rpartition(".")
    alike = [target for text, target in rows if same(text, name)]
    numbered = [target for text, target in rows if same(text, base)] if number.isdecimal() and len(number) < 10 else []
    found = [target for text, target in nodes if text == name]
    if numbered and 0 < int(number) <= len(numbered):
        (row,) = numbered[int(number) - 1].spans
        if row.stop - row.start > 1:  # of several nodes, which may end in one that is called so too
            return numbered[int(number) - 1]
    if not found and len(alike) > 1:  # lines of a list may be alike
        shown = [f"{name}.{number}" for number in range(1, min(len(alike), MOST) + 1)]
        raise UsageError(f"{len(alike)} rows are called `{name}`: name one", words=shown)
    found += alike
    if numbered and 0 < int(number) <= len(numbered):
        found.append(numbered[int(number) - 1])
    found += [target for text, target in blocks if text == name]
    label = [row for _, (_, (row,)) in rows if same(row.path, name) and not row.head]  # over several rows
    found += [Target(spans=tuple(label))] if label else []
    return found[0] if found else None


def _holding(name: str, *kinds: Names) -> Target:
    """The only thing of its kind whose name holds the text."""
    word = squeeze(name).lower()
    several: list[str] = []
    for named in kinds:
        held = [(text, target) for text, target in named if word and word in squeeze(text).lower()]
        if len(held) == 1:
            return held[0][1]
        several = several or [text for text, _ in held]
    if several:
        shown = several[:MOST] + ["…"] * (len(several) > MOST)
        raise UsageError(f"`{name}` could be {len(several)} parts of this network: name one", words=shown)
    hint = did_you_mean(name, [text for named in kinds for text, _ in named])
    hint = hint or "The names are those of `archcalc summary MODEL`; of single ops those of its `--full --format csv`."
    raise UsageError(f"no row, block or op of this network is called `{name}`", hint)
