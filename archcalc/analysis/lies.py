"""How the places of maps stand in values of code, where channels stand last or are dealt out in groups, until they are
maps again."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..graph import Graph, Node
from ..ops import Op, Shape
from ..ops.laid import SPREAD, Atom, Group, Laid, whole

EACH = ("activation", "elementwise", "merge")  # what works on each element alone, unless it names an axis


class Lies:
    """By value how it is laid out, where it is no map, or sequence, as it stands."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.of: dict[int, Laid] = {}

    def keeps(self, index: int, node: Node, read: Sequence[int]) -> bool | None:
        """Whether what a node gives of these values has all of their places, each made of its own alone; None where it
        works on maps as they stand."""
        laid = [self.of.get(value) for value in read]
        if any(laid):
            first = laid[0]
            if first is None or any(other != first for other in laid):
                return False
            return self._settled(index, (node.op.moved(first) if len(laid) == 1 else None) or _worked(node.op, first))
        if self.graph.code is None or not node.op.regroups or len(read) != 1:
            return None
        size = self.graph.shape(read[0])
        made = node.op.moved(whole((self.graph.code.batch, *size))) if len(size) > 1 else None
        return None if made is None else self._settled(index, made)

    def size(self, index: int) -> Shape:
        """The size of the map whose places a value has."""
        laid = self.of.get(index)
        return self.graph.shape(index) if laid is None else laid.source[1:]

    def _settled(self, index: int, made: Laid | None) -> bool:
        if made is None or not _has_all_places(made):
            return False
        if not _is_map(made):
            self.of[index] = made
        return True


def _has_all_places(laid: Laid) -> bool:
    atoms = [atom for group in laid.groups for atom in group]
    if any(atom.axis == SPREAD for atom in atoms) or any(laid.start[2:]):
        return False
    return all(
        prod(atom.size for atom in atoms if atom.axis == axis) == n for axis, n in enumerate(laid.source) if axis > 1
    )


def _is_map(laid: Laid) -> bool:
    """Whether places stand behind the channels, however these are dealt out."""
    own = whole(laid.source).groups
    return len(laid.groups) == len(own) and laid.groups[0] == own[0] and laid.groups[2:] == own[2:]


def _worked(op: Op, x: Laid) -> Laid | None:
    """What works on each element, or on the channels, which stand last."""
    if op.family in EACH:
        return x if op.gives == x.size and "dim" not in op.said else None
    channels = x.groups[-1:]
    if channels != (_channels(x.source[1]),) or op.gives[:-1] != x.size[:-1] or x.start[1]:
        return None
    if op.family == "linear":
        source = (x.source[0], op.gives[-1], *x.source[2:])
        return x._replace(source=source, groups=(*x.groups[:-1], _channels(source[1])))
    over = op.said.get("normalized_shape")
    alone = isinstance(over, tuple) and len(over) == 1
    return x if op.family == "norm" and alone and op.gives == x.size else None


def _channels(count: int) -> Group:
    return (Atom(1, count),) if count > 1 else ()
