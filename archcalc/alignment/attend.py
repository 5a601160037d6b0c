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
from .idioms import Idioms, Written
from .moves import DEEP, Moves, variable
from .scores import CONSTANT, HIDES, Added, Scores, differences, hidden_by, same_pairs


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
    norm: Op | None = None  # of each head


class Mixing(NamedTuple):
    """A mixing of values by scores, up to the layer behind it; `warmth` is the node that has the logarithm of a factor
    of each head, −1 where there is none."""

    query: Projected
    key: Projected
    value: Projected
    added: Added
    causal: bool
    scale: float  # of the products of queries and keys
    behind: int  # the layer that reads what is mixed
    warmth: int = -1


class Finder:
    """Looks for attention in a graph of code."""

    def __init__(self, graph: Graph, moves: Moves) -> None:
        self.graph = graph
        self.moves, self.scaled = moves, Moves(graph, scaled=True)
        self.scores, self.idioms = Scores(graph, moves, self.scaled), Idioms(graph, moves)

    def at(self, behind: int) -> Mixing | None:
        """The mixing that the layer `behind` reads, where it is one."""
        (value,) = variable(self.graph.nodes[behind])[:1] or (-1,)
        source, laid = self.moves.of(value)
        node = self.graph.nodes[source] if source >= 0 else None
        heads = _joined(laid, self._channels(behind)) if node is not None else 0
        if node is None or node.op.role not in ("mixing", "product") or not heads:
            return None
        found = self._fused(node, behind) if node.op.role == "mixing" else self._by_hand(node, behind)
        return found if found is not None and found.query.heads == heads else None

    def _channels(self, layer: int) -> int:
        """The axis of channels of what a layer reads and gives."""
        return 1 if self.graph.nodes[layer].op.along == "front" else len(self.graph.nodes[layer].op.gives) - 1

    def _fused(self, node: Node, behind: int) -> Mixing | None:
        """Of one call, `scaled_dot_product_attention`."""
        read, given = variable(node), node.op.said
        mask = given.get("attn_mask")
        if len(read) not in (3, 4) or given.get("dropout_p"):
            return None
        added = Added() if len(read) == 3 else self.scores.added(read[3])
        if added is None:
            return None
        if isinstance(mask, str):
            added = added.with_(Added(masks=(mask.removeprefix(CONSTANT),)))
        (query, warm), (key, more), value = self._warmed(read[0]), self._warmed(read[1]), self._projected(read[2])
        if query is None or key is None or value is None or min(warm, more) >= 0:
            return None
        scale = given.get("scale")
        scale = query.width**-0.5 if scale is None else scale
        if key.heads < query.heads and given.get("enable_gqa"):
            key, value = key._replace(heads=query.heads), value._replace(heads=query.heads)
        return self._mixing(query, key, value, added, bool(given.get("is_causal")), scale, behind, max(warm, more))

    def _by_hand(self, node: Node, behind: int) -> Mixing | None:
        """Of products and a softmax."""
        found = self._factors(node, turned=False)
        if found is None:
            return None
        shares, value = found
        source, laid = self.moves.of(shares)
        softmax = self.graph.nodes[source] if source >= 0 else None
        if softmax is None or softmax.op.role != "shares" or not same_pairs(laid):
            return None
        axes = len(softmax.op.gives)
        if softmax.op.said.get("dim", 0) % axes != axes - 1:
            return None
        scores, factor, added, warmth = variable(softmax)[0], 1.0, Added(), -1
        for _ in range(DEEP):
            source, laid = self.scaled.of(scores)
            one = self.graph.nodes[source] if source >= 0 else None
            if one is None or not same_pairs(laid):
                return None
            factor *= laid.factor
            if one.op.role == "product":
                break
            hidden, read = hidden_by(one.op), variable(one)
            if warmth >= 0 or len(read) > 2:
                return None
            if one.op.role == "scaling" and len(read) == 2:
                each_warm = [self.scores.warmth(value) for value in read]
                warmth = max(each_warm)
                scores = read[1 - each_warm.index(warmth)]
                if warmth < 0:
                    return None
                continue
            if hidden is None or factor != 1:
                return None
            added = added.with_(Added(masks=hidden))
            if len(read) == 2:
                each = [self.scores.added(value) for value in read]
                at = next((n for n in (1, 0) if each[n] is not None), None)
                if at is None:
                    return None
                added = added.with_(each[at] or Added())
                read = [read[1 - at]]
            scores = read[0]
        else:
            return None
        found = self._factors(one, turned=True)
        if found is None:
            return None
        (query, warm), own = self._warmed(found[0]), self._projected(value)
        key, more = self._warmed(found[1], turned="equation" not in one.op.said)
        warmths = [at for at in (warmth, warm, more) if at >= 0]
        if query is None or key is None or own is None or len(warmths) > 1:
            return None
        return self._mixing(query, key, own, added, False, factor, behind, max(warmth, warm, more))

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
        self, query: Projected, key: Projected, value: Projected, added: Added, causal: bool, scale: float, behind: int,
        warmth: int = -1,
    ) -> Mixing | None:  # fmt: skip
        if not query.heads == key.heads == value.heads or query.width != key.width or query.made != query.heads:
            return None
        if key.made != value.made or value.turned or query.turned != key.turned or value.factor != 1:
            return None
        if value.norm or query.norm != key.norm or (query.norm is None) != (warmth < 0):
            return None
        if warmth >= 0 and prod(self.graph.nodes[warmth].op.params()[0].shape) != query.heads:
            return None
        plain = query._replace(factor=1.0)
        if any(self._part(one.source, one.laid) != plain for one in added.along):
            return None
        return Mixing(query, key, value, added, causal, scale * query.factor * key.factor, behind, warmth)

    # --- queries, keys and values

    def _warmed(self, value: int, turned: bool = False) -> tuple[Projected | None, int]:
        """Queries or keys, and the node that has the logarithms of what those of each head are multiplied with, −1 for
        none: scores are multiplied with it, too."""
        source, laid = self.scaled.of(value)
        node = self.graph.nodes[source] if source >= 0 else None
        read = variable(node) if node is not None and node.op.role == "scaling" else []
        upright = laid.swapped(-1, -2) if turned and len(laid.groups) > 2 else laid
        warm = [self.scores.warmth(one) for one in read] if len(read) == 2 else [-1]
        if node is None or max(warm) < 0 or upright is None or upright.groups != whole(node.op.gives).groups:
            return self._projected(value, turned), -1
        found = self._projected(read[1 - warm.index(max(warm))])
        return found and found._replace(factor=found.factor * laid.factor), max(warm)

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
        upright = laid.swapped(-1, -2) if turned and len(laid.groups) > 2 else laid
        norm = self._norm(source, node, upright) if upright is not None else None
        if norm is not None and upright is not None:
            source, before = self.scaled.of(norm.of)
            upright = upright._replace(factor=1.0).within(before) if before.factor == 1 else None
        part = self._part(source, upright) if upright is not None else None
        if part is None or (rotary is not None and (norm is not None or places != upright.groups[-2])):  # type: ignore[union-attr]
            return None
        part = part._replace(norm=norm and norm.op, factor=laid.factor if norm is not None else part.factor)
        return part if rotary is None else part._replace(turned=turn)

    def _part(self, source: int, laid: Laid) -> Projected | None:
        """Which part of a layer's output lies so."""
        node = self.graph.nodes[source] if source >= 0 else None
        layer = node is not None and (node.op.family in ("linear", "convolution") or node.op.role == "product")
        if node is None or not layer or not node.op.along or len(laid.groups) < 3:
            return None
        head = _heads(laid, self._channels(source), node.op.gives)
        return head and head._replace(layer=source, factor=laid.factor)

    def _norm(self, source: int, node: Node | None, laid: Laid) -> Written | None:
        """The norm of each head, along its elements, that a node is the last call of."""
        written = self.idioms.at(source) if node is not None and node.op.role == "scaling" else None
        if written is None or node is None or len(laid.groups) < 3 or written.held or written.op.family != "norm":
            return None
        return written if laid.groups[-1] == whole(node.op.gives).groups[-1] and not laid.start[-1] else None

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


def _joined(laid: Laid, channels: int) -> int:
    """How many heads there are where what they give lies as a layer reads it, those of a token side by side; else 0."""
    axes = len(laid.source)
    if axes < 3 or any(laid.start) or channels >= len(laid.groups):
        return 0
    own = whole(laid.source).groups
    rest = merged([group for at, group in enumerate(laid.groups) if at != channels])
    count = len(own[-2])
    *heads, last = laid.groups[channels] or (None,)
    if (last,) != own[-1] or rest[len(rest) - count :] != own[-2]:
        return 0
    return (
        prod(atom.size for atom in heads) if merged((rest[: len(rest) - count], (*heads,))) == merged(own[:-2]) else 0
    )


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


def attention(found: Mixing, biases: Sequence[bool], out: Op, masks: Sequence[str]) -> Op | None:
    """The op, but for its table of biases: whether queries, keys and values have `biases`, and the layer behind; None
    where something is hidden that it has no argument for."""
    query, key, value = found.query, found.key, found.value
    causal = found.causal
    for mask in masks:
        words = mask.split()
        if words[:2] == ["mask", "causal"] and len(words) < 4 and all(float(fill) <= HIDES for fill in words[2:]):
            causal = True
        elif mask not in ("full 0", "full 1"):
            return None
    along = sorted(found.added.along)
    axes = along[0].axes if along else ()
    if (
        biases[0] != biases[2]
        or any(one.axes != axes for one in along)
        or [one.place for one in along] != [*range(len(axes))]
    ):
        return None
    turned, norm = query.turned, query.norm
    if norm is not None and norm != OPS["l2norm"]():
        return None
    usual = isclose(found.scale, query.width**-0.5 if norm is None else 1.0, rel_tol=1e-6)
    heads = query.heads
    return OPS["attention"](
        heads=heads, key=heads * query.width, value=heads * value.width, out=out.out, bias=biases[0],  # type: ignore[attr-defined]
        key_bias=biases[1], out_bias=out.bias, causal=causal, kv_heads=None if key.made == heads else key.made,  # type: ignore[attr-defined]
        scale=None if usual else float(f"{found.scale:.9g}"), rotary=turned and turned.base,
        rotary_width=turned and turned.width, qk_norm=norm and norm.word, relative=axes or None, decomposed=bool(axes),
    )  # fmt: skip


def looking_up(op: Op, words: Sequence[str]) -> Op | None:
    """An attention whose scores get biases that are looked up by what these words say."""
    if op.relative is not None:  # type: ignore[attr-defined]
        return None
    axes = differences(words)
    if axes:
        return op.but(relative=axes)
    if words[:1] == ("buckets",) and (words[3] == "behind") == op.causal:  # type: ignore[attr-defined]
        return op.but(buckets=int(words[1]), distance=int(words[2]))
    return None
