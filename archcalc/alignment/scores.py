"""What is added to the scores of an attention in code: learned biases, however they are looked up, products of queries
with learned vectors, masks; and the factor of each head that scores are multiplied with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile
from math import isclose, log, prod
from typing import Any

from ..graph import Graph, Node
from ..ops import Op
from ..ops.laid import SPREAD, Atom, Group, Laid, merged, whole
from ..records import NamedTuple
from .moves import DEEP, Moves, variable

CONSTANT = "constant "  # in front of a constant among arguments
SEEN, HIDDEN = "mask ", "hides "  # in front of which pairs of tokens see each other, and which do not
PICKS, BACKWARDS = "picks ", " backwards"  # of ones that pick what numbers would, and of differences the other way
HIDES = -100.0  # what is added to a score, or less, so that nothing is left of it, unless it is far above the others
GONE = -1000.0  # or less: whatever it is
MOST = 100  # the factor of a head at most


class Looked(NamedTuple):
    """Learned biases of pairs of tokens: the node that looks them up, or has the first of several steps that do, by
    which differences, in which order these stand in the table, and the functions of each bias behind it."""

    node: int
    words: tuple[str, ...]
    order: str = ""
    functions: tuple[int, ...] = ()


class Along(NamedTuple):
    """Products of queries with learned vectors of the differences along an axis: which one of these axes of tokens, the
    node that looks the vectors up, and of which value the queries are which layout."""

    place: int
    axes: tuple[int, ...]
    node: int
    source: int
    laid: Laid


class Added(NamedTuple):
    """All that is added to scores; masks are in words."""

    tables: tuple[Looked, ...] = ()
    along: tuple[Along, ...] = ()
    masks: tuple[str, ...] = ()

    def with_(self, other: Added) -> Added:
        """This and what else is added."""
        return Added(self.tables + other.tables, self.along + other.along, self.masks + other.masks)


class Scores:
    """Looks for what is added to scores in a graph of code."""

    def __init__(self, graph: Graph, moves: Moves, scaled: Moves) -> None:
        self.graph, self.moves, self.scaled = graph, moves, scaled

    def added(self, value: int, outer: Laid | None = None, deep: int = DEEP) -> Added | None:
        """What a value is, where it is made of what is added to scores alone; `outer` is how these lie in what reads
        it."""
        source, own = self.moves.of(value)
        spread = own if outer is None else own.spread(outer.source)
        laid = spread if outer is None or spread is None else outer.within(spread)
        if source < 0 or laid is None or not deep:
            return None
        node = self.graph.nodes[source]
        if node.op.role == "table":
            indices = node.op.said.get("indices")
            said = indices[0] if isinstance(indices, tuple) and len(indices) == 1 else indices
            known, backwards, rest = str(said).removeprefix(CONSTANT).partition(BACKWARDS)
            words = () if rest else (*known.split(),)
            return Added((Looked(source, words, backwards.strip()),)) if _pairs(laid, node.op.gives) else None
        if node.op.role == "product":
            return self._picked(node, source, laid) or self._along(node, laid)
        hidden, read = hidden_by(node.op), variable(node)
        if hidden is None:
            each = len(read) == 1 and (node.op.equals or node.op).each
            found = self.added(read[0], laid, deep - 1) if each else None
            if found is None or not found.tables or found != Added(found.tables[:1]):
                return None  # a function of biases, and of nothing else
            table = found.tables[0]
            return Added((table._replace(functions=(*table.functions, source)),))
        if hidden and not same_pairs(laid):
            return None
        found = Added(masks=hidden)
        for one in read:
            more = self.added(one, laid, deep - 1)
            if more is None:
                return None
            found = found.with_(more)
        return found if read else None

    def warmth(self, value: int) -> int:
        """The node that has the logarithms of what scores are multiplied with, one a head, none above that of the
        `MOST`; −1 of another value."""
        source, laid = self.moves.of(value)
        power = self.graph.nodes[source] if source >= 0 else None
        if power is None or power.op.role != "exponential" or len(variable(power)) != 1:
            return -1
        at, inner = self.moves.of(variable(power)[0])
        limited, found = self.graph.nodes[at] if at >= 0 else None, laid.within(inner)
        if limited is None or limited.op.role != "limited" or found is None or len(limited.op.params()) != 1:
            return -1
        if any(found.start) or merged(found.groups) != merged(whole(found.source).groups):
            return -1
        said = limited.op.said
        try:
            most = float(str(said.get("max")).removeprefix(f"{CONSTANT}full "))
        except ValueError:
            return -1
        by_head = [at - len(found.groups) for at, group in enumerate(found.groups) if group] in ([], [-3])
        return at if by_head and said.keys() == {"self", "max"} and isclose(most, log(MOST), rel_tol=1e-6) else -1

    def _picked(self, node: Node, source: int, laid: Laid) -> Added | None:
        """Biases of a table of which products with ones and zeros pick those of each axis, one after the other."""
        places: dict[int, tuple[str, int]] = {}  # by axis of what a product gives: heads, or which axis of tokens
        if len(laid.groups) < 2:
            return None
        rest = [atom for group in laid.groups[:-2] for atom in group if atom.axis != SPREAD]
        for kind, group in (("heads", rest), ("asks", laid.groups[-2]), ("read", laid.groups[-1])):
            places.update({atom.axis: (kind, at) for at, atom in enumerate(group)})
        placed = tuple(sorted([*rest, *laid.groups[-2], *laid.groups[-1]]))
        if len(rest) > 1 or placed != merged(whole(laid.source).groups):
            return None
        roles = [places.get(axis, ("heads", 0)) for axis in range(len(laid.source))]
        picked: dict[int, tuple[int, bool]] = {}
        for _ in range(DEEP):
            step = self._pick(node, roles)
            if step is None:
                return None
            at, size, backwards, roles = step
            picked[at] = size, backwards
            read = variable(node)
            if not read:
                break
            source, inner = self.moves.of(read[0])
            if source < 0 or inner != whole(inner.source) or self.graph.nodes[source].op.role != "product":
                return None
            node = self.graph.nodes[source]
        ways = {backwards for _, backwards in picked.values()}
        axes = [("differences", at) for at in range(len(picked))]
        wanted = [("heads", 0), *axes], [*axes, ("heads", 0)]
        params = node.op.params()
        if len(params) != 1 or len(params[0].shape) != len(roles):
            return None
        sizes = tuple(picked[at][0] for at in sorted(picked))
        if roles not in wanted or len(ways) != 1 or [*sorted(picked)] != [*range(len(axes))]:
            return None
        lengths = [n for n, (kind, _) in zip(params[0].shape, roles, strict=True) if kind != "heads"]
        if lengths != [2 * n - 1 for n in sizes]:
            return None
        order = " ".join([*["by head"] * (roles == wanted[0]), *[BACKWARDS.strip()] * ways.pop()])
        return Added((Looked(source, ("relative", "×".join(map(str, sizes))), order),))

    def _pick(self, node: Node, roles: list[tuple[str, int]]) -> tuple[int, int, bool, list[tuple[str, int]]] | None:
        """Along which axis of tokens a product picks, of what size, which way, and what the axes of the value that it
        picks from are, of which `roles` are those of what it gives."""
        said, labels = node.op.said.get("tensors"), _labels(node.op)
        if not isinstance(said, tuple) or labels is None or len(said) != 2 or len(labels[2]) != len(roles):
            return None
        at = next((n for n in (0, 1) if str(said[n]).startswith(CONSTANT + PICKS)), -1)
        known, backwards, rest = str(said[at]).removeprefix(CONSTANT + PICKS).partition(BACKWARDS)
        size, (one, own), out = differences(known.split()), (labels[at], labels[1 - at]), labels[2]
        by = dict(zip(out, roles, strict=True))
        if at < 0 or rest or len(size) != 1 or len(one) != 3:
            return None
        asks, read = by.get(one[0], ("", 0)), by.get(one[1], ("", 0))
        met = {asks[0], read[0]} == {"asks", "read"} and asks[1] == read[1]
        if not met or one[2] in out or {*out} != {*one[:2], *own} - {one[2]} or len({*own}) < len(own):
            return None
        found = [("differences", asks[1]) if label == one[2] else by[label] for label in own]
        return asks[1], size[0], bool(backwards) != (asks[0] == "read"), found

    def _along(self, node: Node, laid: Laid) -> Added | None:
        """Products of queries with vectors that are looked up by the differences along one axis of the tokens."""
        read = variable(node)
        sizes = [self.moves.of(value)[1].size for value in read]
        labels = _labels(node.op, sizes)
        asks, places = laid.groups[-2:] if len(laid.groups) > 2 else ((), ())
        at = [n for n, atom in enumerate(places) if atom.axis != SPREAD]
        axes = tuple(atom.size for atom in asks)
        if labels is None or [*map(len, labels)] != [*map(len, (*sizes, laid.source))] or len(at) != 1:
            return None
        if tuple(atom.size for atom in places) != axes or any(laid.start):
            return None
        if any((atom,) not in whole(laid.source).groups for atom in (asks[at[0]], places[at[0]])):
            return None
        row, key = labels[2][asks[at[0]].axis], labels[2][places[at[0]].axis]
        for one, other in ((0, 1), (1, 0)):
            summed = {*labels[one]} - {*labels[2]}
            if summed != {*labels[other]} - {*labels[2]} or len(summed) != 1 or {*labels[other]} != {row, key, *summed}:
                continue
            (width,) = summed
            if {*labels[one]} != {*labels[2]} - {key} | summed:
                continue
            vectors = self._vectors(read[other], [labels[other].index(label) for label in (row, key, width)])
            if vectors < 0 or self._of_axis(vectors) != axes[at[0]]:
                continue
            place = {axis: labels[one].index(label) for axis, label in enumerate(labels[2]) if label != key}
            if any(atom.axis not in place for group in laid.groups[:-1] for atom in group):
                return None
            groups = [tuple(Atom(place[axis], n, step) for axis, n, step in group) for group in laid.groups[:-1]]
            last = labels[one].index(width)
            source, inner = self.scaled.of(read[one])
            size = sizes[one]
            found = Laid(size, (*groups, (Atom(last, size[last]),)), (0,) * len(size)).within(inner)
            return None if found is None else Added(along=(Along(at[0], axes, vectors, source, found),))
        return None

    def _vectors(self, value: int, order: Sequence[int]) -> int:
        """The node that looks a vector up for each pair, which lie as rows, columns and elements in this order."""
        source, laid = self.moves.of(value)
        found = laid.permuted(order) if len(laid.groups) == len(order) else None
        node = self.graph.nodes[source] if source >= 0 else None
        if node is None or found is None or node.op.role != "table" or any(found.start) or found.factor != 1:
            return -1
        own = whole(found.source).groups
        return source if merged(found.groups[:2]) == merged(own[:-1]) and found.groups[2] == own[-1] else -1

    def _of_axis(self, table: int) -> int:
        """Of how many tokens in a row the learned vectors are that a node looks up by their differences."""
        op = self.graph.nodes[table].op
        indices: Any = op.said.get("indices")
        axes = differences(str(indices[0]).removeprefix(CONSTANT).split()) if isinstance(indices, tuple) else ()
        size = axes[0] if len(axes) == 1 and len(indices) == 1 else 0
        params = op.params()
        learned = not variable(self.graph.nodes[table]) and len(params) == 1 and params[0].shape[:1] == (2 * size - 1,)
        return size if learned and len(params[0].shape) == 2 else -1


def _labels(op: Op, sizes: Sequence[Sequence[int]] = ()) -> tuple[str, str, str] | None:
    """The axes of two values and of their product, by letters."""
    equation = op.said.get("equation")
    if equation is None:
        if (
            len(sizes) != 2
            or len(sizes[0]) != len(sizes[1])
            or not 2 < len(sizes[0]) < 20
            or sizes[0][:-2] != sizes[1][:-2]
        ):
            return None
        lead = "abcdefghijklmnopqrst"[: len(sizes[0]) - 2]
        return lead + "xz", lead + "zy", lead + "xy"
    left, _, out = str(equation).replace(" ", "").partition("->")
    one, _, other = left.partition(",")
    found = one, other, out
    return found if all(part.isalpha() and len({*part}) == len(part) for part in found) else None


def differences(words: Sequence[str]) -> tuple[int, ...]:
    """The axes whose differences words name; none of other words."""
    sizes = words[1].split("×") if len(words) == 2 and words[0] == "relative" else []
    return tuple(map(int, sizes)) if all(size.isdecimal() and len(size) < 6 for size in sizes) else ()


def hidden_by(op: Op) -> tuple[str, ...] | None:
    """The masks that a sum, or a choice, says in words; None of another call. A number is added to all scores alike."""
    given = op.said
    if op.role == "adding" and given.get("alpha", 1) == 1:
        said = given.get("other")
        return (said.removeprefix(CONSTANT),) if isinstance(said, str) else ()
    if op.role != "choosing":
        return None
    where, number = ("condition", "other") if "condition" in given else ("mask", "value")
    seen, fill = (str(given.get(name, "")).removeprefix(CONSTANT).removeprefix("full ") for name in (where, number))
    if where == "mask":  # which says what is hidden
        seen = seen.replace(HIDDEN, SEEN, 1) if seen.startswith(HIDDEN) else ""
    if seen.startswith(SEEN) and _hides(fill):
        return (f"{seen} {fill}",)
    return None


def faint(mask: str) -> str:
    """What a mask of later tokens makes of scores that it hides, where something of them may be left."""
    fill = mask.removeprefix(f"{SEEN}causal").strip() if mask.startswith(f"{SEEN}causal ") else ""
    return f"{float(fill):g} for what it hides" if fill and GONE < float(fill) <= HIDES else ""


def _hides(said: str) -> bool:
    """Whether it is a number that leaves nothing of a score."""
    try:
        return float(said) <= HIDES
    except ValueError:
        return False


def same_pairs(laid: Laid) -> bool:
    """Whether the last two axes are those of the source; what is spread over others is the same there."""
    axes = len(laid.source)
    if axes < 2 or len(laid.groups) < 2 or any(laid.start):
        return False
    own = whole(laid.source).groups
    return laid.groups[-2:] == own[-2:] and _behind_spread(laid.groups[:-2]) == merged(own[:-2])


def _behind_spread(groups: Sequence[Group]) -> Group:
    """Axes as one, without those in front that are the same again."""
    return tuple(dropwhile(lambda atom: atom.axis == SPREAD, merged(groups)))


def _pairs(laid: Laid, size: Sequence[int]) -> bool:
    """Whether rows of a table, one a pair of tokens, lie as scores do: heads × tokens × tokens."""
    if any(laid.start) or len(laid.groups) < 3 or len(size) not in (2, 3):
        return False
    t, m = laid.size[-2:]
    rows = whole(tuple(size)).groups[:-1] if len(size) == 3 else ((Atom(0, t, m),), (Atom(0, m, 1),))
    heads = _behind_spread(laid.groups[:-2])
    return heads == whole(tuple(size)).groups[-1] and laid.groups[-2:] == tuple(rows) and prod(size[:-1]) == t * m
