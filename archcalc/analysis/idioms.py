"""Functions that code writes out, found among its calls."""

from __future__ import annotations

from itertools import permutations
from math import isclose
from typing import Any, NamedTuple

from ..graph import Graph
from ..ops import OPS, Op, Shape
from ..ops.base import ANY, BUFFER, PARAMETER, TIMES, Form
from ..ops.laid import merged, whole
from .attend import Moves, variable
from .steps import Held

USUAL = ("value", "exponent")  # arguments that a call need not have


class Written(NamedTuple):
    """The op that calls are together, the value that it is of, the parameters that it has, and their shapes."""

    op: Op
    of: int
    held: tuple[Held, ...]
    weights: tuple[Shape, ...]


class _Bound:
    """What stands for what in a form."""

    def __init__(self, axis: int) -> None:
        self.axis = axis
        self.of: int | None = None
        self.number: float | None = None
        self.params: list[int] = []  # by the node that has it
        self.buffers: dict[int, int] = {}  # by their places in order: the node that lays it out


def _along(size: Shape, axis: int) -> bool:
    """Whether the elements of a parameter lie along an axis, from the last."""
    return all(n == 1 for at, n in enumerate(size) if at - len(size) != axis)


class Idioms:
    """Looks for functions that are written out."""

    def __init__(self, graph: Graph, moves: Moves) -> None:
        self.graph, self.moves = graph, moves
        self._others = dict(graph.code.others) if graph.code is not None else {}
        self._taken: set[str] = set()  # buffers that a function has

    def at(self, index: int) -> Written | None:
        """What the calls up to a node are together."""
        for idiom in self.graph.nodes[index].op.idioms:
            bound = _Bound(idiom.axis)
            if not self._is(index, idiom.form, bound) or bound.of is None:
                continue
            numbers = {} if bound.number is None else {"eps": bound.number}
            params = [bound.params[at] for at in idiom.order] if idiom.order else bound.params
            held, weights = [Held(node, 0) for node in params], [self._long(node) for node in params]
            if bound.buffers:
                keys = [self.graph.nodes[node].op.buffer for _, node in sorted(bound.buffers.items())]
                size = self.graph.nodes[index].op.gives
                weights = [self._others.get(key, ()) for key in keys]
                if len(size) != 4 or {*weights} != {(size[idiom.axis],)} or self.moves.of(bound.of)[1].size != size:
                    continue  # of other channels
                if (self.moves.axes(bound.of) or (0,))[0] != 1:
                    continue
                if len({*keys}) < len(keys) or self._taken & {*keys}:
                    continue
                self._taken |= {*keys}
                held = [Held(index, 0, key=key) for key in keys]
            return Written(OPS[idiom.word](**idiom.arguments, **numbers), bound.of, tuple(held), tuple(weights))
        return None

    def _long(self, node: int) -> Shape:
        """The shape of the parameter of a node, without axes of one element."""
        return tuple(n for n in self.graph.nodes[node].op.params()[0].shape if n > 1)

    def _is(self, value: int, form: Form, bound: _Bound) -> bool:
        """Whether a value has a form."""
        source, laid = self.moves.of(value)
        node = self.graph.nodes[source] if source >= 0 else None
        if form.names == PARAMETER:
            bound.params.append(source)
            if node is None or len(node.op.params()) != 1 or node.op.storage != "own":
                return False
            return _along(laid.size, bound.axis)
        if not form.names:
            bound.of = value if bound.of is None else bound.of
            return self.moves.of(bound.of) == (source, laid)
        if node is None or merged(laid.groups) != merged(whole(laid.source).groups):
            return False
        read = variable(node)
        if form.names == BUFFER:
            if not node.op.buffer or read or not _along(laid.size, bound.axis):
                return False
            before = bound.buffers.setdefault(form.given["number"], source)
            return self.graph.nodes[before].op.buffer == node.op.buffer
        if form.names == TIMES:
            by = node.op.moved(whole(node.op.gives)) if len(read) == 1 and node.op.role == "scaling" else None
            factor: float = form.given["factor"]
            if by is None or not isclose(by.factor, factor, rel_tol=1e-4):
                return False
            return any(self._is(read[0], inner, bound) for inner in form.of)
        own = len(node.op.params())
        parts = [*form.of]
        if own:  # it reads a parameter itself
            alone = [part for part in parts if part.names == PARAMETER]
            if own != 1 or len(alone) != 1 or len(read) != len(parts) - 1:
                return False
            if not _along(node.op.params()[0].shape, bound.axis):
                return False
            parts.remove(alone[0])
            bound.params.append(source)
        if node.op.word not in form.names.split() or len(read) != len(parts):
            return False
        if not self._given(node.op.said, form, len(node.op.gives), bound):
            return False
        for order in permutations(parts) if form.turns else [parts]:
            kept = bound.of, bound.number, [*bound.params], {**bound.buffers}
            if all(self._is(one, part, bound) for one, part in zip(read, order, strict=True)):
                return True
            bound.of, bound.number, bound.params, bound.buffers = kept
        return False

    def _given(self, said: dict[str, Any], form: Form, axes: int, bound: _Bound) -> bool:
        """Whether a call has the arguments that a form wants."""
        for name, wanted in form.given.items():
            own = said.get(name, wanted if name in USUAL else None)
            if wanted == ANY:
                if not isinstance(own, int | float) or bound.number not in (None, own):
                    return False
                bound.number = float(own)
            elif name == "dim":
                over = own if isinstance(own, tuple) else (own,)
                if None in over or {at % axes for at in over} != {at % axes for at in wanted}:
                    return False
            elif isinstance(own, str) or own != wanted:
                return False
        return bool(said.get("alpha", 1) == 1)
