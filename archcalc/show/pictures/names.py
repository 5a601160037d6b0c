"""What pictures call things: the paper's own words, and plain words where it has none."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...analysis.counts import Layer
from ...errors import printable
from ...graph import Graph, Node, Span
from ...models import Summary
from ...ops import Op, Shape, Tokens
from ...ops.shapes import show
from ...records import NamedTuple
from ...tasks.summary import Line, Opener, lines
from .. import wording
from ..wording import clean

FEW, MANY = 6, 100  # bars that are worth a picture, and that there is room for


def heading(summary: Summary) -> str:
    """`vgg16, input 3×224×224, batch 1, float32`, with several outputs theirs too, and what makes it another network
    than it seems; on as many lines as it takes."""
    report = summary.report
    about = ", ".join([*wording.ends(report.graph), f"batch {report.batch}", report.dtype])
    said = [f"{clean(summary.model)}  ·  {about}", *map(clean, summary.notes)]
    return "\n".join(line for text in said for line in textwrap.wrap(text, 100, replace_whitespace=False))


def without(summary: Summary) -> str:
    """What a picture of the main path does not show."""
    heads = dict.fromkeys(clean(name) for name, _ in summary.report.graph.head_outputs)
    return f"without the head{'s' * (len(heads) > 1)} {', '.join(heads)}" if heads else ""


# --- rows -------------------------------------------------------------------------------------------------------------


def bars_of(summary: Summary) -> list[Line]:
    """The lines of a picture: the paper's rows, opened where there are too few."""
    found: list[Line] = []
    for depth in range(4):
        found = [line for line in lines(summary, depth) if not line.opened and not line.head]
        if len(found) >= FEW:
            break
    return found


def largest(found: Sequence[Line]) -> tuple[list[Line], list[str]]:
    """The lines that there is room for, those with the most MACs in their order, and what is to be said of it."""
    order = sorted(range(len(found)), key=lambda at: (-found[at].counts.macs, at))[:MANY]
    said = [f"the {MANY} of {len(found):,} rows that have the most MACs"] if len(found) > MANY else []
    return [found[at] for at in sorted(order)], said


def named(summary: Summary, found: Sequence[Line], width: int = 30) -> list[str]:
    """The names of bars: of a row its stage, with the cell where that has several rows; equal ones are numbered."""
    graph, opener = summary.report.graph, Rows(summary)
    rows = {(row.start, row.stop, row.head): index for index, row in enumerate(graph.spans) if not row.depth}
    names = []
    for line in found:
        if line.kind == "row":
            names.append(": ".join(row_texts(opener, rows[line.start, line.stop, line.head], bar=True)))
        elif graph.code is not None:  # one's own names
            names.append(printable(line.path))
        else:
            names.append(spoken(line.counts.node) if isinstance(line.counts, Layer) else plain(line.name))
    seen: dict[str, int] = {}
    texts = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        texts.append(f"{name} ({seen[name]})" if names.count(name) > 1 else name)
    return ["\n".join(textwrap.wrap(text, width, max_lines=3, placeholder=" …")) for text in texts]


class Rows(Opener):
    """The rows of a network and what stands in them; `paths` are those of rows, each how often it is there."""

    def __init__(self, summary: Summary) -> None:
        super().__init__(summary)
        self.paths = Counter(row.path for row in self.graph.rows)


def row_texts(opener: Rows, index: int, bar: bool = False) -> list[str]:
    """What a row is called: its stage and its cell, or one of the two; of a line of a spec what it does, in words. A
    `bar` has the cell only where the stage has several rows, and no count of what is in it."""
    graph, groups = opener.graph, grouped(opener, index)
    row = graph.spans[index]
    if not row.path:  # as a spec says it, and nobody else
        words = " → ".join(said(graph, group) for group in groups) or plain(row.text)
        return [clean(row.label), words] if row.label else [words]
    base = re.sub(r"\.\d+$", "", row.path)  # of several parts that are called so
    stage = (base if f"{base}.2" in opener.paths else row.path).replace("∕", "/")  # as the language writes a path
    cell = clean(row.text if graph.code is not None or row.head else row.where.value)
    if not bar and len(groups) == 1 and groups[0].block:
        code = graph.code is not None and len(groups[0].spans) > 1
        cell = said(graph, groups[0]) if code else times(cell, len(groups[0].spans))
    if row.head or clean(stage) == clean(row.where.value):
        return [cell]
    return [clean(stage)] if bar and opener.paths[row.path] == 1 else [clean(stage), cell]


def times(text: str, count: int) -> str:
    """`encoder ×12`, unless the text says so itself."""
    # `3×3` and `3 × 3` say no count
    if count < 2 or re.search(rf"(?<!\d)(?<!\d )[×x] ?{count}(?!\d)|^{count} ?[×x](?! ?\d)", text):
        return text
    return f"({text}) ×{count}" if " → " in text else f"{text} ×{count}"


# --- what stands in a row ---------------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Parts of a row or block that stand one behind the other: blocks that are called alike, or ops; which nodes."""

    block: str  # what they are called; nothing of ops
    spans: tuple[int, ...]  # one for each time
    start: int
    stop: int


def grouped(opener: Rows, index: int) -> list[Group]:
    """The parts of a span; blocks of one name stand together where one after the other gives maps of one size."""
    graph = opener.graph
    found: list[Group] = []
    whole = [at for at in opener.inner.get(index, []) if graph.spans[at][2:4] == graph.spans[index][2:4]]
    if whole and graph.code is None:  # a block that is all of a row
        return [Group(graph.spans[whole[0]].text, (whole[0],), *graph.spans[index][2:4])]
    for is_block, at in opener.parts(index):
        span = graph.spans[at] if is_block else None
        name, start, stop = (span.text, span.start, span.stop) if span is not None else ("", at, at + 1)
        last = found[-1] if found else None
        if (
            last is not None
            and last.block == name
            and (span is None or _alike(graph, graph.spans[last.spans[-1]], span))
        ):
            found[-1] = last._replace(spans=last.spans + (at,) * is_block, stop=stop)
        else:
            found.append(Group(name, (at,) * is_block, start, stop))
    return found


def _alike(graph: Graph, one: Span, other: Span) -> bool:
    a, b = graph.shape(one.output), graph.shape(other.output)
    return len(a) == len(b) and (a[:-1] == b[:-1] if isinstance(a, Tokens) else a[1:] == b[1:])


def said(graph: Graph, group: Group) -> str:
    """`encoder ×12`; of ops what they do, without what only moves or scales elements, where that is not all."""
    if group.block:
        return times(plain(group.block), len(group.spans))
    nodes = graph.nodes[group.start : group.stop]
    does = [node for node in nodes if node.op.family not in ("layout", "elementwise", "")] or nodes
    words = [spoken(node) for node in does]
    if all(graph.nodes[at].inputs[:1] == (at - 1,) for at in range(group.start + 1, group.stop)):
        return " → ".join(words)
    return ", ".join(times(word, words.count(word)) for word in dict.fromkeys(words))  # in no order


def plain(name: str) -> str:
    """A name of a spec in words: `dense_layer.2` is `dense layer 2`."""
    return printable(re.sub(r"\.(?=\d+$)", " ", name).replace("_", " "))


def spoken(node: Node) -> str:
    """An op as one says it: `3×3 conv, 64, stride 2`, `attention, 12 heads`."""
    op = node.op.equals
    if op is None:
        return plain(node.op.word)
    before, sizes, behind = list[str](), list[str](), list[str]()
    for argument, value in op.arguments:
        if argument.name == "kernel":
            before.append(_sides(value, node.shape))
        elif argument.name == "stride":
            behind += [f"stride {show(value)}"] if value not in (None, 1) else []
        elif argument.kind == "Count" and argument.required:
            own = argument.name in ("out", "width", "words")
            (sizes if own else behind).append(show(value) if own else f"{show(value)} {argument.name}")
        elif argument.kind == "bool" and value and not argument.default and op.family in ("attention", "recurrent"):
            before.append(argument.name)
        elif argument.kind.startswith("Word") and value and op.family == "layout":
            before.append(str(value))
    size = "×".join(sizes)
    name = " ".join([*before, _words(op), *([size] if size and not before else [])])
    return printable(", ".join([name, *([size] if size and before else []), *behind]))


def _words(op: Op) -> str:
    """The name of an op's class as words, its capitals where torch has them: `leaky ReLU`."""
    own, torch = type(op).__name__, op.torch_module
    if torch.lower() != own.lower():
        torch = own
    found, at = [], 0
    for word in re.findall(r"[A-Z]?[A-Z][a-z]*\d*", own):
        there = torch[at : at + len(word)]
        found.append(there if sum(map(str.isupper, there)) > 1 else word.lower())
        at += len(word)
    return " ".join(found)


def _sides(kernel: Any, shape: Shape) -> str:
    axes = 1 if isinstance(shape, Tokens) else max(1, len(shape) - 1)
    return "×".join(map(str, kernel if isinstance(kernel, tuple) else (kernel,) * axes))
