"""Values of code that are others laid out anew, and where the channels of a map stand."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Graph, Node
from ..ops.laid import Laid, merged, whole

DEEP = 12  # sums within sums
Axes = tuple[int, ...]


class Moves:
    """Of which value each value of a graph of code is a layout, and how; through numbers that all of it is multiplied
    with, too, where it is `scaled`. Tokens that are seen as a map are one from there on, among `maps`."""

    def __init__(self, graph: Graph, scaled: bool = False, maps: bool = False) -> None:
        self._graph, self._scaled, self._maps = graph, scaled, maps
        self._found: dict[int, tuple[int, Laid]] = {}
        self._axes: dict[tuple[int, bool], Axes | None] = {}

    def of(self, value: int) -> tuple[int, Laid]:
        """The value that it is a layout of, or itself."""
        for at in self._unknown(value):
            node = self._graph.nodes[at] if at >= 0 else None
            read = variable(node) if node else []
            before = self._found.get(read[0]) if len(read) == 1 else None
            found = None
            if node and before and (self._scaled or node.op.role != "scaling"):
                found = node.op.moved(before[1])
            if found and self._maps and _as_map(found):
                found = None
            size = node.op.gives if node else (1, *self._graph.shape(at))
            self._found[at] = (before[0], found) if before and found else (at, whole(size))
        return self._found[value]

    def begin(self, value: int, places: Sequence[int] = ()) -> None:
        """Follow what is made of a value from there on: a map whose rows and columns stand along these axes."""
        self._found[value] = value, whole(self._graph.nodes[value].op.gives)
        if len(places) == 2:
            self._axes.update(dict.fromkeys([(value, False), (value, True)], (6 - sum(places), *places)))

    def axes(self, value: int, last: bool = False, deep: int = 8 * DEEP) -> Axes | None:
        """The axes that the channels, and the places, of a map or a signal stand along, where the layers that it comes
        from say so; 0 of an axis of one element. An input of two axes is tokens to what works on the `last`."""
        if (value, last) not in self._axes:
            self._axes[value, last] = self._stand(value, last, deep)
        return self._axes[value, last]

    def _stand(self, value: int, last: bool, deep: int) -> Axes | None:
        source, laid = self.of(value)
        count = len(laid.source)
        if not 3 <= count <= 5 or not deep:
            return None
        own: Axes | None = tuple(range(1, count))
        if source < 0:
            own = None if last and count == 3 else own
        elif source != value:
            own = self.axes(source, last, deep)
        else:
            node = self._graph.nodes[source]
            read, along = variable(node), node.op.along
            size = self.of(read[0])[1].size if along and read and node.op.family != "convolution" else ()
            kept = size == node.op.gives if along == "each" else len(size) == count
            before = self.axes(read[0], last, deep - 1) if kept else None
            place = count - 1 if along == "last" else 1
            if along == "each" or (before and before[0] == place):
                own = before
            else:
                own = (place, *(axis for axis in range(1, count) if axis != place)) if along else None
        atoms = [(atom.axis, at) for at, group in enumerate(laid.groups) for atom in group]
        where = dict(atoms)
        if not own or len(where) < len(atoms) or any(len(group) > 1 for group in laid.groups) or own[0] not in where:
            return None
        if any(axis and axis not in where and laid.source[axis] > 1 for axis in own):
            return None
        return tuple(where.get(axis, 0) for axis in own)

    def _unknown(self, value: int) -> list[int]:
        """What is to be looked at first, the value last."""
        found = []
        while value not in self._found:
            found.append(value)
            read = variable(self._graph.nodes[value]) if value >= 0 else []
            if len(read) != 1:
                break
            value = read[0]
        return found[::-1]


def _as_map(laid: Laid) -> bool:
    """Whether the tokens of a sequence are cut into rows and columns, and nothing else."""
    own = whole(laid.source).groups
    return len(own) == 3 and len(laid.groups) == 4 and laid.groups[3] == own[2] and merged(laid.groups[1:3]) == own[1]


def variable(node: Node) -> list[int]:
    """The values that a node reads beside constants."""
    return [value for place, value in enumerate(node.read) if place not in node.op.fixed]
