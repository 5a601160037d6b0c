"""Attention in code: where products, a softmax and what is added to scores are one op of the spec language.

Every layout between the layers that make queries, keys and values and the one behind is followed element by element:
heads that are cut otherwise, a mask of another form or biases of other pairs are no attention, and stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose, prod

from ..graph import Graph, Node
from ..ops import OPS, Op
from ..ops.laid import SPREAD, Atom, Group, Laid, merged, whole
from ..records import NamedTuple

CONSTANT = "constant "  # in front of a constant among arguments
SEEN, HIDDEN = "mask ", "hides "  # in front of which pairs of tokens see each other, and which do not
HIDES = -100.0  # what is added to a score, or less, so that nothing is left of it
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

    def begin(self, value: int) -> None:
        """Follow what is made of a value from there on."""
        self._found[value] = value, whole(self._graph.nodes[value].op.gives)

    def axes(self, value: int, last: bool = False, deep: int = 8 * DEEP) -> Axes | None:
        """The axes that the channels, and the places, of a map or a signal stand along, where the layers that it comes
        from say so; 0 of an axis of one element. An input of two axes is tokens to what works on the `last`."""
        if (value, last) not in self._axes:
            self._axes[value, last] = self._stand(value, last, deep)
        return self._axes[value, last]

    def _stand(self, value: int, last: bool, deep: int) -> Axes | None:
        source, laid = self.of(value)
        count = len(laid.source)
        if not 3 <= count <= 5 or any(laid.start) or not deep:
            return None
        own: Axes | None = tuple(range(1, count))
        if source < 0:
            own = None if last and count == 3 else own
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
        groups = [whole(laid.source).groups[axis] if axis else () for axis in own or ()]
        if not groups or not groups[0] or any(group not in laid.groups for group in groups):
            return None
        return tuple(laid.groups.index(group) if group else 0 for group in groups)

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


class Turned(NamedTuple):
    """A rotary embedding: the base, how many elements are turned, whether neighbours are."""

    base: float
    width: int
    interleaved: bool


class Projected(NamedTuple):
    """Queries, keys or values: which part of how many of what a layer gives, in blocks or, `by_head`, those of each
    head side by side; in how many heads, of which so many are made, of which width."""

    layer: int
    part: int
    parts: int
    by_head: bool
    heads: int
    made: int
    width: int
    factor: float
    turned: Turned | None = None


class Added(NamedTuple):
    """What is added to scores: the nodes that look up learned biases, and masks in words."""

    tables: tuple[int, ...] = ()
    masks: tuple[str, ...] = ()


class Mixing(NamedTuple):
    """A mixing of values by scores, up to the layer behind it."""

    query: Projected
    key: Projected
    value: Projected
    added: Added
    causal: bool
    scale: float  # of the products of queries and keys
    behind: int  # the layer that reads what is mixed


class Finder:
    """Looks for attention in a graph of code."""

    def __init__(self, graph: Graph, moves: Moves) -> None:
        self.graph = graph
        self.moves, self.scaled = moves, Moves(graph, scaled=True)

    def at(self, behind: int) -> Mixing | None:
        """The mixing that the layer `behind` reads, where it is one."""
        (value,) = variable(self.graph.nodes[behind])[:1] or (-1,)
        source, laid = self.moves.of(value)
        node = self.graph.nodes[source] if source >= 0 else None
        if node is None or node.op.role not in ("mixing", "product") or not _joined(laid, self._channels(behind)):
            return None
        return self._fused(node, behind) if node.op.role == "mixing" else self._by_hand(node, behind)

    def _channels(self, layer: int) -> int:
        """The axis of channels of what a layer reads and gives."""
        return 1 if self.graph.nodes[layer].op.family == "convolution" else len(self.graph.nodes[layer].op.gives) - 1

    def _fused(self, node: Node, behind: int) -> Mixing | None:
        """Of one call, `scaled_dot_product_attention`."""
        read, given = variable(node), node.op.said
        mask = given.get("attn_mask")
        if len(read) not in (3, 4) or given.get("dropout_p"):
            return None
        added = Added() if len(read) == 3 else self._added(read[3])
        if added is None:
            return None
        if isinstance(mask, str):
            added = Added(added.tables, (mask.removeprefix(CONSTANT), *added.masks))
        query, key, value = (self._projected(one) for one in read[:3])
        if query is None or key is None or value is None:
            return None
        scale = given.get("scale")
        scale = query.width**-0.5 if scale is None else scale
        if key.heads < query.heads and given.get("enable_gqa"):
            key, value = key._replace(heads=query.heads), value._replace(heads=query.heads)
        return self._mixing(query, key, value, added, bool(given.get("is_causal")), scale, behind)

    def _by_hand(self, node: Node, behind: int) -> Mixing | None:
        """Of products and a softmax."""
        found = self._factors(node, turned=False)
        if found is None:
            return None
        shares, value = found
        source, laid = self.moves.of(shares)
        softmax = self.graph.nodes[source] if source >= 0 else None
        if softmax is None or softmax.op.role != "shares" or not _same_pairs(laid):
            return None
        axes = len(softmax.op.gives)
        if softmax.op.said.get("dim", 0) % axes != axes - 1:
            return None
        scores, factor = variable(softmax)[0], 1.0
        tables: tuple[int, ...] = ()
        masks: tuple[str, ...] = ()
        for _ in range(DEEP):
            source, laid = self.scaled.of(scores)
            one = self.graph.nodes[source] if source >= 0 else None
            if one is None or not _same_pairs(laid):
                return None
            factor *= laid.factor
            if one.op.role == "product":
                break
            hidden, read = _hidden(one.op), variable(one)
            if hidden is None or factor != 1:
                return None
            if len(read) == 1:
                scores, masks = read[0], (*masks, *hidden)
                continue
            if len(read) != 2:
                return None
            each = [self._added(value) for value in read]
            at = next((n for n in (1, 0) if each[n] is not None), None)
            if at is None:
                return None
            more = each[at] or Added()
            scores, tables, masks = read[1 - at], (*tables, *more.tables), (*masks, *more.masks)
        else:
            return None
        found = self._factors(one, turned=True)
        if found is None:
            return None
        query, own = self._projected(found[0]), self._projected(value)
        key = self._projected(found[1], turned="equation" not in one.op.said)
        if query is None or key is None or own is None:
            return None
        return self._mixing(query, key, own, Added(tables, masks), False, factor, behind)

    def _factors(self, node: Node, turned: bool) -> tuple[int, int] | None:
        """The two values of a product, of which the second, of scores, is `turned`: each element of one with each of
        the other over the last axis, or of shares over the last with the last but one."""
        read = variable(node)
        if len(read) != 2:
            return None
        equation = node.op.said.get("equation")
        if equation is not None:
            left, _, out = str(equation).replace(" ", "").replace("...", ".").partition("->")
            one, _, other = left.partition(",")
            if min(len(one), len(other), len(out)) < 2 or not one[:-2] == other[:-2] == out[:-2]:
                return None
            wanted = one[-2] + other[-2] if turned else one[-2] + other[-1]
            meets = one[-1] == (other[-1] if turned else other[-2])
            if not meets or out[-2:] != wanted:
                return None
        return read[0], read[1]

    def _mixing(
        self, query: Projected, key: Projected, value: Projected, added: Added, causal: bool, scale: float, behind: int
    ) -> Mixing | None:
        if not query.heads == key.heads == value.heads or query.width != key.width or query.made != query.heads:
            return None
        if key.made != value.made or value.turned or query.turned != key.turned or value.factor != 1:
            return None
        return Mixing(query, key, value, added, causal, scale * query.factor * key.factor, behind)

    # --- queries, keys and values

    def _projected(self, value: int, turned: bool = False) -> Projected | None:
        """What a value is of a layer; `turned`: its last two axes stand in each other's place."""
        source, laid = self.scaled.of(value)
        node = self.graph.nodes[source] if source >= 0 else None
        rotary = self._rotary(node) if node is not None and node.op.role == "adding" else None
        if rotary is not None:
            source, within, turn, places = rotary
            outer, node = laid, self.graph.nodes[source] if source >= 0 else None
            inner = outer.within(within)
            if inner is None:
                return None
            laid = inner
        if node is None or node.op.family not in ("linear", "convolution") or len(laid.groups) < 3:
            return None
        upright = laid.swapped(-1, -2) if turned else laid
        head = upright and _heads(upright, self._channels(source), node.op.gives)
        if upright is None or head is None:
            return None
        if rotary is not None and places != upright.groups[-2]:
            return None
        part = head._replace(layer=source, factor=laid.factor)
        return part if rotary is None else part._replace(turned=turn)

    def _rotary(self, node: Node) -> tuple[int, Laid, Turned, Group] | None:
        """Of the sum of a value times cosines, and its halves in each other's place times sines: the source of the
        value, its layout, the embedding, and the axis that is turned by its places."""
        read = variable(node)
        if len(read) != 2:
            return None
        waves: dict[str, tuple[int, str]] = {}
        for value in read:
            one = self.graph.nodes[value] if value >= 0 else None
            words = str(one.op.said.get("other", "")).split() if one is not None else []
            if one is None or one.op.role != "scaling" or len(words) < 5 or len(variable(one)) != 1:
                return None
            waves[words[1]] = variable(one)[0], " ".join(words[2:])
        if waves.keys() != {"cos", "sin"} or waves["cos"][1] != waves["sin"][1]:
            return None
        base, width, form, *at = waves["cos"][1].split()
        source, laid = self.scaled.of(waves["cos"][0])
        other = self.graph.nodes[waves["sin"][0]] if waves["sin"][0] >= 0 else None
        half = laid.size[-1] // 2
        if other is None or other.op.role != "joined" or form != "halves" or int(width) != laid.size[-1]:
            return None
        parts = variable(other)
        negative = self.graph.nodes[parts[0]] if len(parts) == 2 and parts[0] >= 0 else None
        if (
            negative is None
            or negative.op.role != "negative"
            or other.op.said.get("dim", 0) not in (-1, len(laid.size) - 1)
        ):
            return None
        if self.scaled.of(parts[1]) != (source, laid.taken(-1, 0, half)):
            return None
        if self.scaled.of(variable(negative)[0]) != (source, laid.taken(-1, half, half)):
            return None
        tokens, channels = map(int, at[1:] or (-2, -1))
        if channels != -1 or -tokens > len(laid.groups):
            return None
        return source, laid, Turned(float(base), int(width), False), laid.groups[tokens]

    # --- what is added to scores

    def _added(self, value: int, deep: int = DEEP) -> Added | None:
        """What a value is, where it is made of learned biases and masks alone."""
        source, laid = self.scaled.of(value)
        node = self.graph.nodes[source] if source >= 0 else None
        if node is None or not deep or laid.factor != 1:
            return None
        if node.op.role == "table" and _pairs(laid, node.op.gives):
            return Added((source,))
        hidden = _hidden(node.op)
        if hidden is None or not _same_pairs(laid):
            return None
        each = [self._added(one, deep - 1) for one in variable(node)]
        found = [one for one in each if one is not None]
        if len(found) != len(each) or not found:
            return None
        tables = tuple(table for one in found for table in one.tables)
        return Added(tables, (*hidden, *(mask for one in found for mask in one.masks)))


def _hidden(op: Op) -> tuple[str, ...] | None:
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


def _hides(said: str) -> bool:
    """Whether it is a number that leaves nothing of a score."""
    try:
        return float(said) <= HIDES
    except ValueError:
        return False


def _same_pairs(laid: Laid) -> bool:
    """Whether the last two axes are those of the source."""
    axes = len(laid.source)
    if axes < 2 or len(laid.groups) < 2 or any(laid.start):
        return False
    own = whole(laid.source).groups
    return laid.groups[-2:] == own[-2:] and merged(laid.groups[:-2]) == merged(own[:-2])


def _pairs(laid: Laid, size: Sequence[int]) -> bool:
    """Whether rows of a table, one a pair of tokens, lie as scores do: heads × tokens × tokens."""
    if any(laid.start) or len(laid.groups) < 3 or len(size) not in (2, 3):
        return False
    t, m = laid.size[-2:]
    heads = tuple(atom for atom in merged(laid.groups[:-2]) if atom.axis != SPREAD)
    rows = whole(tuple(size)).groups[:-1] if len(size) == 3 else ((Atom(0, t, m),), (Atom(0, m, 1),))
    return heads == whole(tuple(size)).groups[-1] and laid.groups[-2:] == tuple(rows) and prod(size[:-1]) == t * m


def _joined(laid: Laid, channels: int) -> bool:
    """Whether what heads give lies as a layer reads it: the heads of a token side by side."""
    axes = len(laid.source)
    if axes < 3 or any(laid.start) or channels >= len(laid.groups):
        return False
    own = whole(laid.source).groups
    rest = [group for at, group in enumerate(laid.groups) if at != channels]
    return laid.groups[channels] == merged((own[-3], own[-1])) and merged(rest) == merged((*own[:-3], own[-2]))


def _heads(laid: Laid, channels: int, size: Sequence[int]) -> Projected | None:
    """How a layer's output, whose channels lie along one axis, is cut into heads × tokens × width."""
    if any(start for at, start in enumerate(laid.start) if at != channels):
        return None
    places = [Atom(at, n) for at, n in enumerate(size) if at != channels and n > 1]
    t, each = laid.groups[-2], laid.groups[-1]
    if not each or each[0].axis != channels or len(each) > 1 or each[0].stride != 1:
        return None
    count = len(t)
    lead = merged([(place,) for place in places[: len(places) - count]])
    if t != tuple(places[len(places) - count :]):
        return None
    heads = [*merged(laid.groups[:-2])]
    if tuple(heads[: len(lead)]) != lead:
        return None
    heads, width, begin = heads[len(lead) :], each[0].size, laid.start[channels]
    shared = heads.pop().size if heads and heads[-1].axis == SPREAD else 1
    if len(heads) > 1 or any(atom.axis != channels for atom in heads):
        return None
    made = heads[0].size if heads else 1
    stride = heads[0].stride if heads else width
    out, block = size[channels], made * width
    if out % block:
        return None
    parts = out // block
    by_head = stride == parts * width != width
    if (not by_head and stride != width) or begin % (width if by_head else block):
        return None
    part = begin // (width if by_head else block)
    return Projected(-1, part, parts, by_head, made * shared, made, width, 1.0)


def attention(found: Mixing, made: Sequence[Op], out: Op, masks: Sequence[str]) -> Op | None:
    """The op, but for its table of biases: of `made` layers and the one behind; None where something is hidden that it
    has no argument for."""
    query, key, value = found.query, found.key, found.value
    causal = found.causal
    for mask in masks:
        words = mask.split()
        if words[:2] == ["mask", "causal"] and len(words) < 4 and all(float(fill) <= HIDES for fill in words[2:]):
            causal = True
        elif mask not in ("full 0", "full 1"):
            return None
    biases = [layer.bias for layer in made]  # type: ignore[attr-defined]
    if biases[0] != biases[2]:
        return None
    turned = query.turned
    usual = isclose(found.scale, query.width**-0.5, rel_tol=1e-6)
    heads = query.heads
    return OPS["attention"](
        heads=heads, key=heads * query.width, value=heads * value.width, out=out.out, bias=biases[0],  # type: ignore[attr-defined]
        key_bias=biases[1], out_bias=out.bias, causal=causal, kv_heads=None if key.made == heads else key.made,  # type: ignore[attr-defined]
        scale=None if usual else float(f"{found.scale:.9g}"), rotary=turned and turned.base,
        rotary_width=turned and turned.width,
    )  # fmt: skip


def looking_up(op: Op, call: Op) -> Op | None:
    """An attention whose scores get biases that a call looks up."""
    indices = call.said.get("indices")
    said = indices[0] if isinstance(indices, tuple) and len(indices) == 1 else indices
    words = str(said).removeprefix(CONSTANT).split()
    if words[:1] == ["relative"]:
        return op.but(relative=tuple(int(size) for size in words[1].split("×")))
    if words[:1] == ["buckets"] and (words[3] == "behind") == op.causal:  # type: ignore[attr-defined]
        return op.but(buckets=int(words[1]), distance=int(words[2]))
    return None
