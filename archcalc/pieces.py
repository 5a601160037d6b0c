"""A network in pieces: what stands alike in many networks is there once, an op at shapes or a block at shapes and with
settings. They say all that the nodes of a Graph do, but not how these are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Any

from .errors import Text
from .graph import MAX_NODES, GraphBuilder, Scope, node_shape
from .ops import Op, Param, Shape, channels
from .ops.shapes import elements, numel
from .records import NamedTuple


class Leaf:
    """An op at shapes. `kind` is what a form knows of it, `sums` what is worked out from it, by whoever does that."""

    __slots__ = ("entered", "kind", "op", "shape", "size", "sums")
    count = 1

    def __init__(self, op: Op, entered: tuple[Shape, ...], shape: Shape) -> None:
        self.op, self.entered, self.shape, self.size = op, entered, shape, elements(shape)
        self.kind = op.storage, op.weight_layers, op.ids > 0, op.read, _sized(type(op))
        self.sums: Any = None

    def reads(self, inputs: tuple[int, ...]) -> tuple[int, ...]:
        """Of its inputs those of which more than the shape is read."""
        return inputs[: self.op.read]

    @property
    def laid_out(self) -> bool:
        """Whether the elements of a vector stand as they stood in what it is made of."""
        return self.op.in_place and numel(self.entered[0]) == numel(self.shape)

    def settled(self) -> bool:
        """Whether a second one behind it does nothing."""
        return self.op.settled() and self.entered[:1] == (self.shape,)


class Known:
    """What is known of forms that have the same inputs and the same kinds of parts: of how many nodes they are, whether
    any is `fixed`, of which values more than the shape is `read`, whether of `all` parts, and what others have `worked`
    out."""

    __slots__ = ("all", "count", "fixed", "read", "worked")

    def __init__(
        self, parts: tuple[Leaf | Piece | None, ...], inputs: tuple[tuple[int, ...], ...], outs: tuple[int, ...]
    ) -> None:
        there = [(part, own) for part, own in zip(parts, inputs, strict=True) if part is not None]
        self.count: int = sum([part.count for part, _ in there])
        self.fixed = any(part.kind[-1] for part, _ in there)
        self.read = {*outs, *[value for part, own in there for value in part.reads(own)]}
        self.all = self.read.issuperset(range(len(parts)))
        self.worked: dict[Any, Any] = {}


class Form(NamedTuple):
    """How values go through a piece, whatever their sizes.

    `inputs` are, for each part, indices of earlier parts; −1, −2, … are the values that enter: of those that its maker
    was handed the ones at `takes`. `read` says of which of them more than the shape is read. `shares` are the parts
    that work with another's parameters. `outs` are the parts whose values leave, `gives` what its maker gave: places
    in `outs`; −1, −2, … are values that were handed in. It was made in so many `steps`, and where it is `fixed` it is
    so at one size only; `widths` are channels of parts that an expression of the spec knew.

    Its pieces are kept under `at`, by the shapes that enter."""

    inputs: tuple[tuple[int, ...], ...]
    takes: tuple[int, ...]
    read: tuple[bool, ...]
    shares: frozenset[int]
    outs: tuple[int, ...]
    gives: tuple[int, ...]
    steps: int
    fixed: bool
    widths: tuple[tuple[int, int], ...]
    known: Known
    at: dict[tuple[Shape, ...], Piece]


class Piece:
    """Nodes that stand alike in many networks, as one: `parts` in a form, and the shapes of what `entered`. A part is a
    leaf, a piece, or None for one more value of the piece before it. `laid` are the shapes in which the elements of
    what leaves it stood before they were laid out. There are `count` nodes in it; `kind` is as of a leaf. What is
    worked out from it is kept as `sums`, and as `held` by how values enter."""

    __slots__ = ("count", "entered", "form", "held", "kind", "laid", "parts", "shapes", "sums")

    def __init__(
        self,
        form: Form,
        parts: tuple[Leaf | Piece | None, ...],
        entered: tuple[Shape, ...],
        shapes: tuple[Shape, ...],
        laid: tuple[Shape, ...] = (),
    ) -> None:
        self.form, self.parts, self.entered, self.shapes, self.laid = form, parts, entered, shapes, laid
        self.count, self.kind = form.known.count, (form.known, form.fixed)
        self.sums: Any = None
        self.held: dict[Any, Any] = {}

    def reads(self, inputs: tuple[int, ...]) -> tuple[int, ...]:
        """As of a leaf."""
        return tuple(compress(inputs, self.form.read))

    def laid_out(self, value: int) -> Shape:
        """The shape in which the elements of a part's value stood before they were laid out; no vector enters."""
        return _laid_out(value, self.parts, self._shape, self.form.inputs.__getitem__)

    def _shape(self, value: int) -> Shape:
        return self.shapes[value] if value >= 0 else self.entered[-1 - value]

    def settled(self) -> bool:
        """As of a leaf. Raises Unfolded where several values leave it."""
        found = bool(self.parts) and all(part is None or part.settled() for part in self.parts)
        if found and len(self.form.outs) > 1:
            raise Unfolded
        return found


class Shelf:
    """What is kept from network to network: leaves, what is known of forms by their inputs and the kinds of their
    parts, and how many pieces there are."""

    def __init__(self) -> None:
        self.leaves: dict[tuple[Op, tuple[Shape, ...]], Leaf] = {}
        self.ways: dict[tuple[Any, ...], Known] = {}
        self.pieces = 0


class Unfolded(Exception):
    """A network that pieces do not say all of: it is built node by node."""


class PieceBuilder(GraphBuilder):
    """Appends leaves, and puts pieces in the place of those that stand in one."""

    def __init__(self, inputs: tuple[tuple[str, Shape], ...], shelf: Shelf) -> None:
        super().__init__(inputs)
        self.shelf = shelf
        self.parts: list[Leaf | Piece | None] = []
        self.widths: list[tuple[int, int]] = []  # channels of values, where an expression may know them
        self.settling: list[int] = []  # from where on there is nothing but ops that may do nothing behind their like
        self._begun: list[tuple[str, str]] = []  # rows and blocks: the names of a row and its group
        self._rows: list[tuple[str, str, int]] = []

    def leaf(self, op: Op, shapes: tuple[Shape, ...]) -> Leaf:
        """An op at shapes, for the first time. Raises OpError where it does not fit them."""
        found = self.shelf.leaves[op, shapes] = Leaf(op, shapes, node_shape(op, shapes))
        return found

    def append(self, op: Op, inputs: tuple[int, ...], where: Text) -> int:
        nodes = self._nodes
        shapes = tuple([nodes[value][2] if value >= 0 else self.shape(value) for value in inputs])
        leaf = self.shelf.leaves.get((op, shapes)) or self.leaf(op, shapes)
        if len(nodes) >= MAX_NODES:
            raise Unfolded
        self.parts.append(leaf)
        nodes.append((op, inputs, leaf.shape, self._scope, 1, where, self.head))
        return len(nodes) - 1

    def open(
        self, value: int, where: Text, text: str, *, scope: Scope | None = None, label: str = "", name: str = ""
    ) -> Any:
        self._begun.append((name, "" if scope is None else scope.name))

    def close(self, *outputs: int) -> None:
        name, group = self._begun.pop()
        if not self._begun and not self.head:
            self._rows.append((name, group, outputs[0]))

    def row_spans(self) -> list[tuple[str, str, int]]:
        return self._rows

    def inputs_of(self, index: int) -> tuple[int, ...]:
        """What a part works on."""
        return self._nodes[index][1]

    def pieces(self, start: int) -> Iterator[Piece]:
        """Those from a node on."""
        return (part for part in self.parts[start:] if isinstance(part, Piece))

    def fold(self, start: int, handed: tuple[int, ...], values: tuple[int, ...], steps: int, fixed: bool) -> Piece:
        """Take the nodes from `start` on away, as a piece that its maker made of the values that it was `handed`, and
        that gives `values`. Raises Unfolded where something else is read, or something is read by nobody."""
        nodes, parts, shares = self._nodes[start:], tuple(self.parts[start:]), self._shares
        places = dict(zip(reversed(handed), range(len(handed) - 1, -1, -1), strict=True))
        takes: dict[int, int] = {}
        inputs = tuple([
            (own[0] - start,) if len(own) == 1 and own[0] >= start
            else tuple([v - start if v >= start else -1 - takes.setdefault(v, len(takes)) for v in own])
            for own in [node[1] for node in nodes]
        ])  # fmt: skip
        outs = tuple({value - start: 0 for value in values if value >= start})
        known = self._known(parts, inputs, outs)
        read = known.read
        own = frozenset([number - start for number in shares if number >= start])
        if not known.all or not takes.keys() <= places.keys():
            raise Unfolded
        if own and min(shares[number + start] for number in own) < start:
            raise Unfolded
        laid = tuple([self.laid_out(out + start) for out in outs])
        shapes = tuple([node[2] for node in nodes])
        fixed = fixed or known.fixed or bool(own) or any(at >= start for at in self.settling)
        form = Form(
            inputs,
            tuple([places[value] for value in takes]),
            tuple([-1 - number in read for number in range(len(takes))]),
            own,
            outs,
            tuple([outs.index(v - start) if v >= start else -1 - places[v] for v in values]),
            steps,
            fixed,
            tuple([(value - start, width) for value, width in self.widths if value >= start]),
            known,
            {},
        )
        entered = tuple([self.shape(value) for value in takes])
        piece = form.at[entered] = Piece(form, parts, entered, shapes, laid)
        self.shelf.pieces += 1
        del self._nodes[start:], self.parts[start:]
        self.widths = [known for known in self.widths if known[0] < start]
        self.settling = [at for at in self.settling if at < start]
        for number in own:
            del shares[number + start]
        return piece

    def again(self, other: Piece, entered: tuple[Shape, ...]) -> Piece | None:
        """The piece of a form that is not fixed, at other shapes; None where there the spec may mean another one.
        Raises OpError where an op does not fit."""
        form = other.form
        found = form.at.get(entered)
        if found is not None:
            return found
        for x, y in zip(entered, other.entered, strict=True):
            if type(x) is not tuple or len(x) != len(y) or x[0] != y[0]:
                return None
        parts = [*other.parts]
        shapes: list[Shape] = [*other.shapes, *entered[::-1]]  # what enters is at −1, −2, …, as its values are called
        of, leaves = shapes.__getitem__, self.shelf.leaves
        others: Iterator[Shape] = iter(())
        for at, inputs in enumerate(form.inputs):
            part = parts[at]
            if part is None:
                shapes[at] = next(others, shapes[at])
                continue
            own = tuple(map(of, inputs))
            if own == part.entered:
                others = iter(())
                continue
            if isinstance(part, Leaf):
                leaf = parts[at] = leaves.get((part.op, own)) or self.leaf(part.op, own)
                shapes[at] = leaf.shape
            else:
                piece = parts[at] = self.again(part, own)
                if piece is None:
                    return None
                others = iter([piece.shapes[out] for out in piece.form.outs])
                shapes[at] = next(others)
        for value, width in form.widths:
            if channels(shapes[value]) != width:
                return None
        found = form.at[entered] = Piece(form, tuple(parts), entered, tuple(shapes[: len(parts)]), ())
        self.shelf.pieces += 1
        found.laid = tuple([found.laid_out(out) for out in form.outs])
        return found

    def place(self, piece: Piece, handed: tuple[int, ...], where: Text, times: int = 1) -> tuple[int, ...]:
        """Append a piece to what it is handed, so many times one behind the other, and return the values that the last
        one gives."""
        nodes, scope, head = self._nodes, self._scope, self.head
        takes, gives, outs = piece.form.takes, piece.form.gives, piece.form.outs
        if takes == gives == (0,):  # as most are
            shape, handed = piece.shapes[outs[0]], handed[:1]
            for first in range(len(nodes), len(nodes) + times):
                nodes.append((piece, handed, shape, scope, 1, where, head))
                handed = (first,)
            self.parts += [piece] * times
            return handed
        for _ in range(times):
            first = len(nodes)
            part: Piece | None = piece
            inputs = tuple([handed[place] for place in takes])
            for out in outs:
                nodes.append((part, inputs, piece.shapes[out], scope, 1, where, head))
                self.parts.append(part)
                part, inputs = None, ()
            handed = tuple([first + give if give >= 0 else handed[-1 - give] for give in gives])
        return handed

    def whole(self, main: int, outputs: tuple[int, ...], heads: tuple[int, ...]) -> tuple[Piece, Piece | None]:
        """All that was appended: the main path, and where there are heads everything. Raises Unfolded as `fold` does,
        also where heads alone read something of the main path."""
        inputs, shapes = tuple([node[1] for node in self._nodes]), tuple([node[2] for node in self._nodes])
        entered, shares = tuple([shape for _, shape in self.inputs]), frozenset(self._shares)
        found, read = list[Piece](), set[int]()
        for stop, ends in ((main, outputs), (len(self), (*outputs, *heads)))[: 1 + (main < len(self))]:
            parts = tuple(self.parts[:stop])
            outs = tuple([end for end in dict.fromkeys(ends) if end >= 0])
            known = self._known(parts, inputs[:stop], outs)
            read = {*ends, *known.read}
            form = Form(inputs[:stop], (), (), shares, outs, (), 0, True, (), known, {})
            found.append(Piece(form, parts, entered, shapes[:stop]))
            if not read.issuperset(range(stop)) or not 0 < found[-1].count <= MAX_NODES:
                raise Unfolded
        if not read.issuperset(range(-len(entered), 0)):
            raise Unfolded
        return found[0], found[1] if found[1:] else None

    def _known(
        self, parts: tuple[Leaf | Piece | None, ...], inputs: tuple[tuple[int, ...], ...], outs: tuple[int, ...]
    ) -> Known:
        key = (inputs, outs, *[part and part.kind for part in parts])
        found = self.shelf.ways.get(key)
        if found is None:
            found = self.shelf.ways[key] = Known(parts, inputs, outs)
        return found

    def settles(self, start: int) -> bool:
        parts = self.parts[start:]
        if parts and all(map(_may_settle, parts)):
            self.settling.append(start)  # whether they do hangs on their sizes
        return start < len(self) and all(part is None or part.settled() for part in parts)

    def fixed(self, value: int) -> bool:
        return super().fixed(self._leaf(value))

    def params(self, index: int) -> tuple[Param, ...]:
        return super().params(self._leaf(index))

    def laid_out(self, value: int) -> Shape:
        return _laid_out(value, self.parts, self.shape, self.inputs_of)

    def _leaf(self, value: int) -> int:
        """A value that no piece gives. Raises Unfolded for another."""
        if value >= 0 and not isinstance(self.parts[value], Leaf):
            raise Unfolded
        return value


def _laid_out(
    value: int,
    parts: Sequence[Leaf | Piece | None],
    shape: Callable[[int], Shape],
    inputs: Callable[[int], tuple[int, ...]],
) -> Shape:
    """The shape in which the elements of a value stood before they were laid out, in a piece or what is built."""
    while value >= 0 and len(shape(value)) < 2:
        part, first = parts[value], value
        while part is None:
            first -= 1
            part = parts[first]
        if isinstance(part, Piece):
            return part.laid[value - first]
        if not part.laid_out:
            break
        value = inputs(value)[0]
    return shape(value)


def _may_settle(part: Leaf | Piece | None) -> bool:
    """Whether all ops are such that a second one behind may do nothing."""
    if isinstance(part, Piece):
        return all(map(_may_settle, part.parts))
    return part is None or part.op.settled()


def _sized(op: type[Op]) -> bool:
    """Whether what an op says in a line hangs on the sizes of what it works on."""
    return op.lays_out or op.regroups or not op.single
