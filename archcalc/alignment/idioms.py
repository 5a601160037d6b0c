"""Functions that code writes out, found among its calls."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import isclose
from typing import Any

from ..graph import Graph
from ..ops import OPS, Op, Shape, Tokens
from ..ops.base import ANY, BUFFER, EITHER, PARAMETER, TIMES, Form, Idiom
from ..ops.laid import SPREAD, Laid, merged, whole
from ..records import NamedTuple
from .moves import Moves, variable
from .steps import Held

USUAL = ("value", "exponent", "beta", "threshold")  # arguments that a call need not have
SETTLED = ("alpha", "keepdim")  # arguments of calls that are looked at in all forms


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
        self.learned: dict[tuple[str, int], int] = {}  # by what it is and its place in order: the node that has it


def _along(size: Shape, axis: int) -> bool:
    """Whether the elements of a parameter lie along an axis, from the last."""
    return all(n == 1 for at, n in enumerate(size) if at - len(size) != axis)


def _as_it_is(laid: Laid) -> bool:
    """Whether elements are in the order of the source, axes of one element repeated or not."""
    own = whole(laid.source).groups
    spread = len(own) == len(laid.groups) and all(
        g == w or (not w and {a.axis for a in g} == {SPREAD}) for g, w in zip(laid.groups, own, strict=True)
    )
    return spread or merged(laid.groups) == merged(own)


def _over(idiom: Idiom, size: Shape) -> Op | None:
    """The op over an axis, which is not that of the batch."""
    axis, one = len(size) + idiom.over - 1, size[1:]
    return OPS[idiom.word](axis=axis).normal(Tokens(one) if len(one) == 2 else one) if axis >= 0 else None


def _in_parts(laid: Laid, axes: int) -> bool:
    """Whether the channels of a map, behind the batch, are cut into equal parts, and nothing is moved."""
    own, size = whole(laid.source).groups, laid.size
    cut = size != laid.source and len(size) == axes and len(own) > 2 and laid.source[1] % size[1] == 0
    return cut and size[0] == laid.source[0] and merged(laid.groups) == merged(own) and not any(laid.start)


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
            if not self._is(index, idiom.form, bound) or bound.of is None or not self._stands(bound, idiom):
                continue
            if bound.number is not None and bound.number > idiom.most:
                continue
            numbers: dict[str, Any] = {} if bound.number is None else {idiom.number: bound.number}
            if idiom.parts[0]:
                numbers[idiom.parts[0]] = self.moves.of(bound.of)[1].size[1]
            held, weights = [], []
            for (kind, _), node in sorted(bound.learned.items(), key=lambda pair: pair[0][1]):
                key = self.graph.nodes[node].op.buffer if kind == BUFFER else ""
                held.append(Held(index, 0, key=key) if key else Held(node, 0))
                weights.append(self._others.get(key, ()) if key else self._long(node))
            if weights and idiom.axis and {*weights} - {(self._size(bound, idiom)[idiom.axis],), ()}:
                continue  # of others than it works along
            keys = [one.key for one in held if one.key]
            if keys:
                size = self.graph.nodes[index].op.gives
                if len(size) != 4 or {*weights} != {(size[idiom.axis],)} or self.moves.of(bound.of)[1].size != size:
                    continue  # of other channels
                if len({*keys}) < len(keys) or self._taken & {*keys}:
                    continue
                self._taken |= {*keys}
            op: Op | None = OPS[idiom.word](**idiom.arguments, **numbers)
            if idiom.over:
                op = _over(idiom, self.moves.of(bound.of)[1].size)
            if op is not None:
                return Written(op, bound.of, tuple(held), tuple(weights))
        return None

    def _size(self, bound: _Bound, idiom: Idiom) -> Shape:
        """The size of what it is a function of, of parts that of the whole."""
        _, laid = self.moves.of(bound.of or 0)
        return laid.source if idiom.parts[0] else laid.size

    def _stands(self, bound: _Bound, idiom: Idiom) -> bool:
        """Whether the channels stand along the axis of the parameters, as far as layers say so."""
        if bound.of is None or not idiom.axis:
            return True
        source, laid = self.moves.of(bound.of)
        if idiom.parts[0] and not _in_parts(laid, idiom.parts[1]):
            return False
        axes = self.moves.axes(source if idiom.parts[0] else bound.of, idiom.axis == -1)
        return idiom.axis == -1 if axes is None else axes[0] == len(self._size(bound, idiom)) + idiom.axis

    def _long(self, node: int) -> Shape:
        """The shape of the parameter of a node, without axes of one element."""
        return tuple(n for n in self.graph.nodes[node].op.params()[0].shape if n > 1)

    def _is(self, value: int, form: Form, bound: _Bound) -> bool:
        """Whether a value has a form."""
        if form.names == EITHER:
            return any(self._tried([value], form.of[at : at + 1], bound) for at in range(len(form.of)))
        source, laid = self.moves.of(value)
        node = self.graph.nodes[source] if source >= 0 else None
        if not form.names:
            bound.of = value if bound.of is None else bound.of
            return self.moves.of(bound.of) == (source, laid)
        if form.names == PARAMETER:
            if node is None or len(node.op.params()) != 1 or node.op.storage != "own":
                return False
            return _along(laid.size, bound.axis) and self._learns(source, form, bound)
        if node is None or not _as_it_is(laid):
            return False
        read = variable(node)
        if form.names == BUFFER:
            if not node.op.buffer or read or not _along(laid.size, bound.axis):
                return False
            return self._learns(source, form, bound)
        if form.names == TIMES:
            by = node.op.moved(whole(node.op.gives)) if len(read) == 1 and node.op.role == "scaling" else None
            return (
                by is not None
                and self._number(by.factor, form.given["factor"], bound)
                and self._is(read[0], form.of[0], bound)
            )
        own = len(node.op.params())
        parts = [*form.of]
        if own:  # it reads a parameter itself
            alone = [part for part in parts if part.names == PARAMETER]
            if own != 1 or len(alone) != 1 or len(read) != len(parts) - 1:
                return False
            if not _along(node.op.params()[0].shape, bound.axis) or not self._learns(source, alone[0], bound):
                return False
            parts.remove(alone[0])
        plain, names = node.op.equals, form.names.split()
        call = plain if plain is not None and plain.word in names else node.op
        if call.word not in names or len(read) != len(parts):
            return False
        if not self._given(call, form, len(self.moves.of(read[0])[1].size) if read else 0, bound):
            return False
        return any(self._tried(read, order, bound) for order in (permutations(parts) if form.turns else [parts]))

    def _tried(self, values: Sequence[int], forms: Sequence[Form], bound: _Bound) -> bool:
        """Whether values have these forms; what was bound on the way is not, where they have not."""
        kept = bound.of, bound.number, {**bound.learned}
        if all(self._is(value, form, bound) for value, form in zip(values, forms, strict=True)):
            return True
        bound.of, bound.number, bound.learned = kept
        return False

    def _learns(self, node: int, form: Form, bound: _Bound) -> bool:
        """Whether it is a node that has what was learned in this place before."""
        before = bound.learned.setdefault((form.names, form.given["number"]), node)
        return before == node or bool(self._key(node) and self._key(node) == self._key(before))

    def _key(self, node: int) -> str:
        return self.graph.nodes[node].op.buffer

    def _number(self, own: Any, wanted: Any, bound: _Bound) -> bool:
        """Whether a number is this one, or any, which is one in all places."""
        words = own.split() if isinstance(own, str) else []
        own = float(words[2]) if words[:2] == ["constant", "full"] else own
        if not isinstance(own, int | float):
            return False
        if wanted != ANY:
            return isclose(own, wanted, rel_tol=1e-4) if isinstance(wanted, float) else own == wanted
        if bound.number not in (None, own):
            return False
        bound.number = float(own)
        return True

    def _given(self, call: Op, form: Form, axes: int, bound: _Bound) -> bool:
        """Whether a call has the arguments that a form wants, and no others."""
        said = call.said
        known = {*form.given, *SETTLED}
        if any(said[own.name] not in (own.default, PARAMETER) for own, _ in call.arguments if own.name not in known):
            return False
        for name, wanted in form.given.items():
            own = said.get(name, wanted if name in USUAL else None)
            if name == "dim":
                over = own if isinstance(own, tuple) else (own,)
                if None in over or {at % axes for at in over} != {at % axes for at in wanted}:
                    return False
            elif isinstance(wanted, bool):
                if own is not wanted:
                    return False
            elif not self._number(own, wanted, bound):
                return False
        once = "alpha" in form.given or said.get("alpha", 1) == 1
        return once and bool(said.get("keepdim", False)) == bool(form.given.get("keepdim", False))
