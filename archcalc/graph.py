"""The one data structure: a flat tuple of nodes in execution order, and the rows and blocks they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .errors import SpecError, Text
from .ops import Op, OpError, Param, Shape, dims
from .ops.base import LIMIT, numel

MAX_NODES = 200_000


class Node(NamedTuple):
    """One op. `inputs` are indices of earlier nodes; −1, −2, … are the network's inputs.

    `path` is unique: `conv2_x/bottleneck.2/conv.1`. `where` is the call in the spec. `head` names the head that the
    node belongs to, and is empty on the main path. `shares` is the node whose parameters this one works with, where
    they are not its own; that node has its own.
    """

    op: Op
    inputs: tuple[int, ...]
    shape: Shape
    path: str
    where: Text
    head: str = ""
    shares: int | None = None


class Span(NamedTuple):
    """A row (depth 0) or a block (its depth below the row): the nodes from `start` to `stop`.

    `label` is the row's label as printed (empty where the paper leaves it empty), `text` its cell or the block's word.
    `name` names a row as `rows:`, `heads:` and `errata:` do. `input` and `output` are values, as in `Node.inputs`.
    """

    path: str
    depth: int
    start: int
    stop: int
    input: int
    output: int
    where: Text
    text: str
    label: str = ""
    name: str = ""
    head: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """A network: `nodes` in execution order, those of heads (rule 9) behind the `main` nodes of the main path."""

    inputs: tuple[tuple[str, Shape], ...]
    nodes: tuple[Node, ...] = field(repr=False)
    main: int
    outputs: tuple[int, ...]
    head_outputs: tuple[tuple[str, int], ...]
    spans: tuple[Span, ...] = field(repr=False)  # in order of `start`, outer before inner

    def shape(self, value: int) -> Shape:
        """The shape of a value: of a node, or of an input where `value` is negative."""
        return self.nodes[value].shape if value >= 0 else self.inputs[-1 - value][1]

    @property
    def rows(self) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.depth == 0)

    def without_heads(self) -> Graph:
        """The main path alone."""
        if self.main == len(self.nodes):
            return self
        spans = tuple(span for span in self.spans if not span.head)
        return Graph(self.inputs, self.nodes[: self.main], self.main, self.outputs, (), spans)


class Scope:
    """A part of the paths under construction; siblings of one name are numbered once several are known."""

    __slots__ = ("counts", "index", "name", "parent")

    def __init__(self, name: str, parent: Scope | None) -> None:
        self.name, self.parent = name, parent
        self.counts: dict[str, int] = {}
        self.index = parent.count(name) if parent else 1

    def count(self, name: str) -> int:
        index = self.counts[name] = self.counts.get(name, 0) + 1
        return index

    def child(self, name: str, index: int) -> str:
        return f"{name}.{index}" if self.counts[name] > 1 else name


class GraphBuilder:
    """Appends nodes, inferring shapes as it goes, so that a bad layer fails at its place in the spec."""

    def __init__(self, inputs: tuple[tuple[str, Shape], ...]) -> None:
        self.inputs = inputs
        self.scope = self.root = Scope("", None)
        self.head = ""
        self._nodes: list[tuple[Op, tuple[int, ...], Shape, Scope, int, Text, str]] = []
        self._spans: list[list[Any]] = []
        self._depth = 0
        self._shapes: dict[tuple[Op, tuple[Shape, ...]], Shape] = {}
        self._params: dict[tuple[Op, tuple[Shape, ...]], tuple[Param, ...]] = {}
        self._shares: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def shape(self, value: int) -> Shape:
        return self._nodes[value][2] if value >= 0 else self.inputs[-1 - value][1]

    def append(self, op: Op, inputs: tuple[int, ...], where: Text) -> int:
        """Append a node and return its index. Raises SpecError at `where`, OpError where an argument is at fault."""
        shapes = tuple([self.shape(value) for value in inputs])
        key = (op, shapes)
        shape = self._shapes.get(key)
        if shape is None:
            low, high = op.inputs
            if not low <= len(inputs) <= high:
                raise OpError(f"`{op.word}` takes {low} value{'s' * (low != 1)}, here are {len(inputs)}")
            shape = op.shape(*shapes)
            if numel(shape) > LIMIT:
                raise OpError(f"the output {dims(shape)} has more than 10¹⁸ elements")
            self._shapes[key] = shape
        if len(self._nodes) >= MAX_NODES:
            raise SpecError(f"a network of more than {MAX_NODES:,} nodes is refused", where)
        scope = self.scope
        self._nodes.append((op, inputs, shape, scope, scope.count(op.word), where, self.head))
        return len(self._nodes) - 1

    def params(self, index: int) -> tuple[Param, ...]:
        """The parameters of a node, its own or shared."""
        op, inputs = self._nodes[index][:2]
        key = (op, tuple([self.shape(value) for value in inputs]))
        if key not in self._params:
            self._params[key] = op.params(*key[1])
        return self._params[key]

    def where(self, index: int) -> Text:
        """The call of a node."""
        return self._nodes[index][5]

    def share(self, index: int, owner: int) -> None:
        """Make a node work with the parameters of `owner`, or with those that this one works with."""
        owner = self._shares.get(owner, owner)
        if owner != index:
            self._shares[index] = owner

    @contextmanager
    def span(
        self, value: int, where: Text, text: str, *, scope: Scope | None = None, label: str = "", name: str = ""
    ) -> Iterator[list[Any]]:
        """A row or block that starts from `value`; the caller sets `[…][-1]` of what it gets to the output value."""
        outer = self.scope
        self.scope = Scope(text, outer) if scope is None else scope
        entry = [self.scope, self._depth, len(self._nodes), 0, value, where, text, label, name, self.head, value]
        self._spans.append(entry)
        self._depth += 1
        yield entry
        self._depth -= 1
        self.scope = outer
        entry[3] = len(self._nodes)

    def row_spans(self) -> list[tuple[str, str, int]]:
        """The rows so far: name, group and output value."""
        return [(entry[8], entry[0].name, entry[-1]) for entry in self._spans if entry[1] == 0 and not entry[9]]

    def finish(self, main: int, outputs: tuple[int, ...], heads: tuple[tuple[str, int], ...]) -> Graph:
        """The graph, with the paths settled."""
        paths: dict[int, str] = {}

        def path(scope: Scope) -> str:
            found = paths.get(id(scope))
            if found is None:
                if scope.parent is None:
                    found = ""
                else:
                    above = path(scope.parent)
                    own = scope.parent.child(scope.name, scope.index)
                    found = f"{above}/{own}" if above else own
                paths[id(scope)] = found
            return found

        nodes = []
        for number, (op, inputs, shape, scope, index, where, head) in enumerate(self._nodes):
            above = path(scope)
            own = scope.child(op.word, index)
            shares = self._shares.get(number)
            nodes.append(Node(op, inputs, shape, f"{above}/{own}" if above else own, where, head, shares))
        spans = tuple(
            Span(path(scope), depth, start, stop, value, output, where, text, label, name, head)
            for scope, depth, start, stop, value, where, text, label, name, head, output in self._spans
        )
        return Graph(self.inputs, tuple(nodes), main, outputs, heads, spans)
