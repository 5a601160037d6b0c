"""Two networks node by node: which node of one is which of the other, and where the two differ.

What has the same past (what it does, and what it reads, back to the inputs) is the same; then what has the same future.
Between these the rest is lined up by neighbours, and in order: by what nodes do, by the shapes of their weights, by
their kind. A node that is linked and does something else is changed, one that reads something else, looking through
nodes that one network alone has, is rewired; the others are in one network only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from ..analysis.arithmetic import usage
from ..graph import Graph, Node
from ..ops import Op, Shape, Tokens, channels, dims
from ..ops.shapes import elements, numel, positions, show
from ..records import NamedTuple
from .lineup import common
from .normal import End, Normal, normal

Kind = Literal["changed", "rewired", "reordered", "moved", "replaced", "only in the first", "only in the second"]
Numbers = Sequence[Sequence[int]]  # of the nodes of both sides
Verdict = Literal["equal", "equal up to the order of a concat", "different"]
NEAR = (6, 3, 1)  # how far is looked for what tells nodes apart that are otherwise alike
CLOSE = 20  # nodes that one may have moved by; runs of nodes that are looked at for one that took its place
FEW = 100  # of how many nodes one may be out of line
SOURCES = 50  # values that a node may come from, through nodes that one network alone has
ROUNDS = 3  # how often what was found helps to find more, of each kind


class Difference(NamedTuple):
    """One place where two networks differ. `first` and `second` are the nodes there, in the order of each graph, none
    where it is the output of the network; `what` says what is other, alike wherever it is alike, and `detail` what of
    it is of this place. What the second network alone has stands behind the node `after` of the first."""

    kind: Kind
    what: str
    first: tuple[int, ...]
    second: tuple[int, ...]
    detail: str = ""
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two networks held against each other. `pairs` are their steps that are one another's, `ends` what one of them
    ends in that makes probabilities, and the other does not: of the first, and of the second."""

    first: Normal = field(repr=False)
    second: Normal = field(repr=False)
    pairs: tuple[tuple[int, int], ...] = field(repr=False)
    differences: tuple[Difference, ...]
    ends: tuple[tuple[End, ...], tuple[End, ...]] = ((), ())

    @property
    def left_out(self) -> tuple[str, ...]:
        """The words of what is left out, as only one of them ends in it."""
        return tuple(op.word for ends in self.ends for end in ends for op in end.ops)

    @property
    def verdict(self) -> Verdict:
        kinds = {difference.kind for difference in self.differences}
        if not kinds:
            return "equal"
        return "equal up to the order of a concat" if kinds == {"reordered"} else "different"

    @property
    def groups(self) -> list[tuple[Difference, ...]]:
        """The differences, those that are alike together; in the order of the networks."""
        found: dict[tuple[str, str], list[Difference]] = {}
        for difference in self.differences:
            found.setdefault((difference.kind, difference.what), []).append(difference)
        return [tuple(group) for group in found.values()]

    @property
    def cost(self) -> int:
        """How much is said to differ: the fewer nodes, the better they are lined up."""
        return len(self.differences) + sum(len(one.first) + len(one.second) for one in self.differences)

    @property
    def lined_up(self) -> bool:
        """Whether nearly all nodes are one another's and read the same, so that another way would find no more."""
        off = [one for one in self.differences if one.kind not in ("changed", "reordered")]
        nodes = sum(len(one.first) + len(one.second) for one in off)
        return FEW * nodes <= len(self.first.steps) + len(self.second.steps)

    @property
    def nodes(self) -> Iterator[tuple[int, int]]:
        """The pairs as nodes of the two graphs."""
        return ((self.first.steps[a].node, self.second.steps[b].node) for a, b in self.pairs)


def align(first: Graph, second: Graph) -> Alignment:
    """Hold the main paths of two networks against each other."""
    layouts = first.code is None and second.code is None
    one, other = normal(first, layouts), normal(second, layouts)
    ends = one.ends, other.ends
    if bool(ends[0]) == bool(ends[1]):
        ends = (), ()
    one, other = one.without(ends[0]), other.without(ends[1])
    found: list[Alignment] = []
    for by in BY:
        if len(found) == 2 and min(one.cost for one in found) < FEW:
            break
        linked = Linked(_side(one, by), _side(other, by))
        pairs = tuple(sorted(linked.to.items()))
        found.append(Alignment(one, other, pairs, tuple(_differences(one, other, linked)), ends))
        if found[-1].lined_up:
            break
    return min(found, key=lambda alignment: alignment.cost)


# --- which is which ---------------------------------------------------------------------------------------------------


class Side(NamedTuple):
    """One of two networks that are lined up. By node: what it is, for its past and for its future; `labels` by which
    nodes are alike, the best first (None says nothing); what it reads (below 0: an input); whether in any order, for
    what it computes and `loosely`, for which branch is which. And the `outputs`."""

    pasts: Sequence[Hashable]
    futures: Sequence[Hashable]
    labels: Sequence[Sequence[Hashable]]
    reads: Sequence[Sequence[int]]
    commutes: Sequence[bool]
    loosely: Sequence[bool]
    outputs: Sequence[int]

    def readers(self) -> dict[int, list[tuple[int, int]]]:
        """By value which nodes read it, and as which of their inputs; the outputs are read by −1."""
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for at, reads in enumerate(self.reads):
            for place, value in enumerate(reads):
                found[value].append((at, 0 if self.commutes[at] else place))
        for place, value in enumerate(self.outputs):
            found[value].append((-1, place))
        return found


By = Literal["weights", "ops", "words"]
BY: tuple[By, ...] = ("weights", "ops", "words")  # ways to line up, until one does it


def _side(form: Normal, by: By) -> Side:
    """A network to be lined up: by the shapes of weights, by what nodes do whatever their width is, or by the shapes of
    weights and the words alone, as where all norms have another eps."""
    whole = [(step.op, step.weights, step.owner is None) for step in form.steps]
    ops = [step.op for step in form.steps]
    heavy = [step.op.family in ("convolution", "linear") for step in form.steps]
    weights: list[Hashable] = [
        (big or step.op.word, (step.weights[0][0], numel(step.weights[0][1:])) if big else step.weights[:1])
        if step.weights and step.weights[0]
        else None
        for step, big in zip(form.steps, heavy, strict=True)
    ]
    words = [big or op.word for op, big in zip(ops, heavy, strict=True)]
    families = [big or op.family for op, big in zip(ops, heavy, strict=True)]
    laden = [label if step.weights else None for label, step in zip(whole, form.steps, strict=True)]
    by_op = [op if step.weights else None for op, step in zip(ops, form.steps, strict=True)]
    labels: list[Sequence[Hashable]] = [laden, whole, weights, ops, words, families]
    pasts: Sequence[Hashable] = whole
    futures: Sequence[Hashable] = ops
    if by == "words":
        pasts = [(op.word, step.weights, getattr(op, "kernel", None)) for op, step in zip(ops, form.steps, strict=True)]
        futures = words
    if by == "ops":
        labels = [by_op, ops, words, families]
    commutes, loosely = [op.commutes for op in ops], [op.commutes or op.nests for op in ops]
    return Side(pasts, futures, labels, [step.reads for step in form.steps], commutes, loosely, form.outputs)


class Linked:
    """Which node of one side is which of the other: `to`, and `back`."""

    def __init__(self, one: Side, other: Side) -> None:
        self.sides = one, other
        self.readers = one.readers(), other.readers()
        inputs = {value: value for value in self.readers[0] if value < 0 and value in self.readers[1]}
        self._to, self._back = dict(inputs), dict(inputs)  # inputs too
        self._ids: dict[Hashable, int] = {None: 0}
        number = self._ids.setdefault
        self._labels = [  # as numbers, and 0 where they say nothing
            [[number(label, len(self._ids)) for label in labels] for labels in side.labels] for side in self.sides
        ]
        past, future = self._both(self._past)(), self._both(self._future)()
        place, near = self._both(self._place), [self._both(self._past, depth) for depth in NEAR]
        places = [self._both(self._place, depth) for depth in NEAR]
        self._settle(past, [place, lambda: future, *places], self._read_by)
        self._settle(future, [lambda: past, *near, place, *places], self._readers_of)
        for level in range(len(one.labels)):
            if len(self._to) - len(inputs) < min(len(one.reads), len(other.reads)):
                self._line_up(level)
        self.to = {a: b for a, b in self._to.items() if a >= 0}
        self.back = {b: a for b, a in self._back.items() if b >= 0}

    @staticmethod
    def _both(reach: Callable[..., list[int]], *depth: int) -> Callable[[], Numbers]:
        """The numbers of both sides, worked out when they are first asked for."""
        return cache(lambda: [reach(which, *depth) for which in (0, 1)])

    def _link(self, a: int, b: int) -> None:
        self._to[a], self._back[b] = b, a

    def _past(self, which: int, depth: int = 0) -> list[int]:
        """A number for each node's past, or for as much of it as lies so near. Those of what it reads are smaller."""
        side = self.sides[which]

        def beside(at: int, found: Sequence[int]) -> tuple[int, ...]:
            own = [found[value] if value >= 0 else value for value in side.reads[at]]
            return tuple(sorted(own) if side.loosely[at] else own)

        return self._numbers("past", side.pasts, beside, range(len(side.reads)), depth)

    def _future(self, which: int) -> list[int]:
        """A number for each node's future. Those of its readers are smaller."""
        return self._ahead("future", which, 0, loosely=True)

    def _place(self, which: int, depth: int = 0) -> list[int]:
        """A number for each node's future, or for as much of it as lies so near, with which branch it is on."""
        return self._ahead("place", which, depth, loosely=False)

    def _ahead(self, way: str, which: int, depth: int, loosely: bool) -> list[int]:
        side, readers = self.sides[which], self.readers[which]

        def beside(at: int, found: Sequence[int]) -> tuple[Any, ...]:
            own = ((r, 0 if loosely and r >= 0 and side.loosely[r] else place) for r, place in readers.get(at, ()))
            return tuple(sorted((found[reader] if reader >= 0 else -1, place) for reader, place in own))

        return self._numbers(way, side.futures, beside, range(len(side.reads) - 1, -1, -1), depth)

    def _numbers(self, way: str, labels: Sequence[Hashable], beside: Any, order: range, depth: int) -> list[int]:
        """A number for each node and what is beside it, and beside that, and so on, to a depth unless that is 0."""
        found = [0] * len(labels)
        for step in range(depth or 1):
            before = list(found) if depth else found
            for at in order:
                key = (way, depth and step + 1, labels[at], beside(at, before))
                found[at] = self._ids.setdefault(key, len(self._ids))
        return found

    def _read_by(self, which: int, at: int) -> tuple[Any, ...] | None:
        """What a node reads, as nodes of the first side; None where the other has not all of it."""
        reads = self._as_first(which, self.sides[which].reads[at])
        return None if reads is None else tuple(sorted(reads) if self.sides[which].loosely[at] else reads)

    def _readers_of(self, which: int, at: int) -> tuple[Any, ...] | None:
        loosely = self.sides[which].loosely
        readers = [(r, 0 if loosely[r] else place) for r, place in self.readers[which].get(at, ()) if r >= 0]
        found = self._as_first(which, [reader for reader, _ in readers])
        return None if found is None else tuple(sorted(zip(found, (place for _, place in readers), strict=True)))

    def _as_first(self, which: int, values: Sequence[int]) -> list[int] | None:
        links = self._back if which else self._to
        if any(value not in links for value in values):
            return None
        return [links[value] for value in values] if which else list(values)

    def _settle(self, ids: Numbers, ties: Sequence[Callable[[], Numbers]], around: Any) -> None:
        """Link nodes of one number whose surroundings are linked: first those with the same tie, then in order."""
        groups: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for which, links in enumerate((self._to, self._back)):
            for at, number in enumerate(ids[which]):
                if at not in links:
                    groups[number][which].append(at)
        for number in sorted(number for number, (mine, theirs) in groups.items() if mine and theirs):
            alike: dict[Any, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
            for which, members in enumerate(groups[number]):
                for at in members:
                    key = around(which, at)
                    if key is not None:
                        alike[key][which].append(at)
            for mine, theirs in alike.values():
                for numbers in ties if max(len(mine), len(theirs)) > 1 else ():
                    tie = numbers()
                    tied: dict[int, list[int]] = defaultdict(list)
                    for b in reversed(theirs):
                        if b not in self._back:
                            tied[tie[1][b]].append(b)
                    for a in mine:
                        if a not in self._to and tied[tie[0][a]]:
                            self._link(a, tied[tie[0][a]].pop())
                rest = [b for b in theirs if b not in self._back]
                for a, b in zip([a for a in mine if a not in self._to], rest, strict=False):
                    self._link(a, b)

    def _line_up(self, level: int) -> None:
        """Link what is alike by a label: beside what is linked, then in order between what is."""
        for _ in range(ROUNDS):
            before = len(self._to)
            for stronger in range(level + 1):
                self._spread(stronger)
            self._between(level)
            if len(self._to) == before:
                return

    def _spread(self, level: int) -> None:
        """Link what linked nodes read, and what reads them, where that is alike."""
        waiting = [*self._to.items(), (-1 - len(self._to), -1 - len(self._to))]
        self._pair(level, self.sides[0].outputs, self.sides[1].outputs, False, waiting)
        while waiting:
            a, b = waiting.pop()
            if a >= 0:
                loosely = self.sides[0].loosely[a] or self.sides[1].loosely[b]
                self._pair(level, self.sides[0].reads[a], self.sides[1].reads[b], loosely, waiting)
            mine, theirs = (self._open(which, value, level) for which, value in enumerate((a, b)))
            for key in mine.keys() & theirs.keys():
                if len(mine[key]) == len(theirs[key]) == 1:
                    self._link(mine[key][0], theirs[key][0])
                    waiting.append((mine[key][0], theirs[key][0]))

    def _open(self, which: int, value: int, level: int) -> dict[Hashable, list[int]]:
        """The readers of a value that are not linked, by what they are and as which input they read it."""
        links, labels = (self._back if which else self._to), self._labels[which][level]
        found: dict[Hashable, list[int]] = {}
        for reader, place in self.readers[which].get(value, ()):
            if reader >= 0 and reader not in links and labels[reader]:
                found.setdefault((labels[reader], place), []).append(reader)
        return {key: list(dict.fromkeys(readers)) for key, readers in found.items()}

    def _pair(self, level: int, mine: Sequence[int], theirs: Sequence[int], loosely: bool, waiting: list[Any]) -> None:
        """Link what stands at one place, or loosely what is alike and alone so."""
        one, other = (labels[level] for labels in self._labels)
        mine = [v if v not in self._to else -1 for v in mine]
        theirs = [v if v not in self._back else -1 for v in theirs]
        found: Iterable[tuple[int, int]] = zip(mine, theirs, strict=False)
        if loosely:
            by = [Counter(labels[v] for v in values if v >= 0) for labels, values in ((one, mine), (other, theirs))]
            alone = {other[b]: b for b in theirs if b >= 0 and by[0][other[b]] == by[1][other[b]] == 1}
            found = [(a, alone[one[a]]) for a in mine if a >= 0 and one[a] in alone]
        elif len(mine) != len(theirs):
            return
        for a, b in found:
            if min(a, b) >= 0 and a not in self._to and b not in self._back and one[a] == other[b] != 0:
                self._link(a, b)
                waiting.append((a, b))

    def _between(self, level: int) -> None:
        """Line up, in order, what stands between linked nodes that follow each other in both."""
        one, other = (labels[level] for labels in self._labels)
        ends = [*self._increasing(), (len(one), len(other))]
        a = b = 0
        for until, til in ends:
            mine = [n for n in range(a, until) if n not in self._to and one[n]]
            theirs = [n for n in range(b, til) if n not in self._back and other[n]]
            known = {one[n] for n in mine} & {other[n] for n in theirs}
            mine, theirs = [n for n in mine if one[n] in known], [n for n in theirs if other[n] in known]
            for i, j in common([one[n] for n in mine], [other[n] for n in theirs]):
                self._link(mine[i], theirs[j])
            a, b = until + 1, til + 1

    def _increasing(self) -> list[tuple[int, int]]:
        """The most pairs that follow each other in both networks."""
        pairs = sorted((a, b) for a, b in self._to.items() if a >= 0)
        tails: list[int] = []
        last: list[int] = []  # the pair that each tail is of
        front: list[int] = []  # the pair before each
        for at, (_, b) in enumerate(pairs):
            place = bisect_left(tails, b)
            front.append(last[place - 1] if place else -1)
            tails[place : place + 1], last[place : place + 1] = [b], [at]
        found, here = [], last[-1] if last else -1
        while here >= 0:
            found.append(pairs[here])
            here = front[here]
        return found[::-1]


# --- where they differ ------------------------------------------------------------------------------------------------


class _Run(NamedTuple):
    """Nodes side by side that one network alone has, and the linked nodes around them, as those of the first: what they
    read, and what reads them (−1: the output)."""

    steps: tuple[int, ...]
    behind: frozenset[int]
    ahead: frozenset[int]

    @property
    def after(self) -> int:
        """The last of the nodes that it reads."""
        return max(self.behind, default=-1)


def _differences(one: Normal, other: Normal, linked: Linked) -> Iterator[Difference]:
    """All places, in the order of the first network, what the second alone has behind what stands before it there."""
    found: list[tuple[int, Difference]] = []
    for number, (x, y) in enumerate(zip(one.inputs, other.inputs, strict=False), 1):
        if isinstance(x, Tokens) != isinstance(y, Tokens) or len(x) != len(y) or _channels(x) != _channels(y):
            found.append((-1, Difference("changed", f"input {number}: {dims(x)} → {dims(y)}", (), ())))
    sources = _sources(one, linked.to, {}), _sources(other, linked.back, linked.back)
    for a, b in linked.to.items():
        steps = one.steps[a], other.steps[b]
        nodes = (steps[0].node,), (steps[1].node,)
        what = _changed(one, other, a, b, linked)
        if what:
            found.append((a, Difference("changed", what, *nodes)))
        reads = [[sources[which](value) for value in step.reads] for which, step in enumerate(steps)]
        wired = _wired(reads[0], reads[1], steps[0].op.commutes)
        word = one.graph.nodes[steps[0].node].op.word
        if wired == "reordered" and steps[0].op.nests:
            found.append((a, Difference(wired, f"{word}: its branches in another order", *nodes)))
        elif wired:
            detail = f"reads {_named(one, steps[0].reads)} → reads {_named(other, steps[1].reads)}"
            found.append((a, Difference("rewired", f"{word}: reads something else", *nodes, detail)))
    outputs = _outputs(one, other)
    if outputs:
        found.append((len(one.steps), Difference("changed", outputs, (), ())))
    ends = [[sources[which](value) for value in form.outputs] for which, form in enumerate((one, other))]
    if not outputs and _wired(ends[0], ends[1], False):
        detail = f"{_named(one, one.outputs)} → {_named(other, other.outputs)}"
        found.append((len(one.steps), Difference("rewired", "the output is something else", (), (), detail)))
    found.extend(_alone(one, other, linked))
    return (difference for _, difference in sorted(found, key=lambda pair: pair[0]))


def _outputs(one: Normal, other: Normal) -> str:
    """How many outputs there are, and of code what they are called, where that is other."""
    every = [[(o.name, o.made) for o in form.graph.code.outputs] if form.graph.code is not None else None
             for form in (one, other)]  # fmt: skip
    counts = [len(form.outputs if own is None else own) for form, own in zip((one, other), every, strict=True)]
    if counts[0] == counts[1] and (None in every or every[0] == every[1]):
        return ""
    names = [", ".join(f"{name} {made}".strip() for name, made in own or ()) for own in every]
    x, y = (f"{count} ({said})" if said else f"{count}" for count, said in zip(counts, names, strict=True))
    return f"outputs: {x} → {y}"


def _changed(one: Normal, other: Normal, a: int, b: int, linked: Linked) -> str:
    """What a linked node does otherwise; nothing where what is other follows from what it reads."""
    first, second = one.steps[a], other.steps[b]
    node, twin = one.graph.nodes[first.node], other.graph.nodes[second.node]
    word = node.op.word
    read: list[tuple[Shape, Shape]] | None = None
    if len(first.reads) == len(second.reads):
        values = [*zip(first.reads, second.reads, strict=True)]
        if all((linked.to.get(x) if x >= 0 else x) == y for x, y in values):
            read = [(one.shape(x), other.shape(y)) for x, y in values]
    alike = _alike if one.graph.code is None and other.graph.code is None else _as_large
    fixed = read is not None and all(alike(x, y) for x, y in read)
    # At another input, positions that are learned, or flattened, are others as well.
    resized = read is not None and one.inputs != other.inputs and all(_channels(x) == _channels(y) for x, y in read)
    if first.op != second.op and (fixed or node.op != twin.op):
        return told(node.op, twin.op, first.op, second.op)
    if apart := node.op.apart(twin.op):
        return f"{word}: {apart}"
    owner = None if first.owner is None else linked.to.get(first.owner, -1)
    if owner != second.owner:
        own, now = ("its own" if at is None else f"those of {form.graph.nodes[form.steps[at].node].path}"
                    for form, at in ((one, first.owner), (other, second.owner)))  # fmt: skip
        return f"{word}: weights {own} → {now}"
    dealt = [[(held.part, held.parts, held.heads) for held in step.held if held.parts > 1] for step in (first, second)]
    if all(dealt) and dealt[0] != dealt[1]:
        return f"{first.op.word}: queries, keys and values stand in another order in their layer"
    notes = [", ".join({held.note: None for held in step.held if held.note}) for step in (first, second)]
    if notes[0] != notes[1]:
        return f"{first.op.word}: {notes[0] or 'as usual'} → {notes[1] or 'as usual'}"
    if (fixed or resized) and first.weights != second.weights:
        x, y = ("; ".join(map(show, step.weights)) for step in (first, second))
        return f"{word}: weights {x} → {y}"
    shapes = one.shape(a), other.shape(b)
    if fixed and not alike(*shapes):
        return f"{word}: output {dims(shapes[0])} → {dims(shapes[1])}"
    return ""


def _alike(x: Shape, y: Shape) -> bool:
    """Whether two values have the same channels and positions, be these a map's, tokens or none."""
    if _channels(x) != _channels(y):
        return False
    here, there = positions(x), positions(y)
    return here == there if len(here) == len(there) else numel(here) == numel(there)


def _as_large(x: Shape, y: Shape) -> bool:
    """Whether two values have the same axes, wherever these lie: in code channels may be last."""
    return sorted(n for n in x if n > 1) == sorted(n for n in y if n > 1) or elements(x) == elements(y)


def _channels(x: Shape) -> int:
    return channels(x) if x else 0


def told(first: Op, second: Op, plain: Op, other: Op) -> str:
    """The difference of two calls, also in normal form: `conv: stride=2 → stride=1`, or `relu → gelu`. A call of code
    is told as the op that it equals."""
    first, second = first.equals or first, second.equals or second
    settled = plain.word == other.word
    if not settled:
        plain, other = first, second
    if plain.word != other.word:
        return f"{first.word} → {second.word}"
    word = first.word if first.word == second.word else plain.word
    defaults = {arg.name: arg.default for op in (plain, other) for arg, _ in op.arguments}
    sides, given = (
        [{arg.name: value for arg, value in op.arguments} for op in ops] for ops in ((plain, other), (first, second))
    )
    names = [name for name in defaults if sides[0].get(name) != sides[1].get(name)]
    both = [name for name in names if None not in (sides[0].get(name), sides[1].get(name))]
    names = names if settled or not both else both  # where it is not in normal form None is as usual
    said = [
        name
        for name in names
        if (name not in both and any(name in own for own in given))
        or any(own.get(name) != defaults[name] for own in given)
    ] or names
    both = [name for name in both if name in said]
    calls = first.equals is None and second.equals is None  # of one operator, which need not say all of its arguments
    before, now = (
        ", ".join(
            f"{name}={show(side[name])}" if name in side else f"{name} as usual"
            for name in said
            if (name in side or calls) and (not both or side.get(name, calls) is not None)
        )
        for side in sides
    )
    return f"{word}: {before} → {now}"


def _named(form: Normal, values: Sequence[int]) -> str:
    """The paths of values."""
    nodes, inputs = form.graph.nodes, form.graph.inputs
    return " and ".join(
        nodes[form.steps[value].node].path if value >= 0 else inputs[-1 - value][0] or "the input" for value in values
    )


class _Source(NamedTuple):
    """Where what a node reads comes from, as nodes of the first network; `linked`: the other network has it itself."""

    values: frozenset[int]
    linked: bool


def _sources(form: Normal, links: Mapping[int, int], first: Mapping[int, int]) -> Any:
    """Where values come from, looking through steps that one network alone has."""
    found: list[_Source] = []

    def of(value: int) -> _Source:
        return found[value] if value >= 0 else _Source(frozenset([value]), True)

    for at, step in enumerate(form.steps):
        if at in links:
            found.append(_Source(frozenset([first.get(at, at)]), True))
            continue
        values = frozenset(v for value in step.reads for v in of(value).values)
        found.append(_Source(frozenset(sorted(values)[:SOURCES]) if len(values) > SOURCES else values, False))
    return of


def _wired(mine: list[_Source], theirs: list[_Source], commutes: bool) -> Literal["", "rewired", "reordered"]:
    """Whether two nodes read other values, or the same in another order where that matters."""
    if len(mine) == len(theirs) and all(a.values & b.values for a, b in zip(mine, theirs, strict=True)):
        return ""
    rest = list(enumerate(theirs))
    order: list[int] = []
    for strictly in (True, False):  # what is read itself before what is seen through others
        for source in list(mine):
            met = next((at for at in rest if _met(source, at[1], strictly)), None)
            if met is not None:
                rest.remove(met)
                mine = [one for one in mine if one is not source]
                order.append(met[0])
    if any(source.linked for source in mine) or any(source.linked for _, source in rest):
        return "rewired"
    return "" if commutes or order == sorted(order) else "reordered"


def _met(one: _Source, other: _Source, strictly: bool) -> bool:
    return bool(one.values & other.values) and (not strictly or (one.linked and other.linked))


def _alone(one: Normal, other: Normal, linked: Linked) -> Iterator[tuple[int, Difference]]:
    """What one network alone has, and what took its place, or where it went."""
    mine, theirs = (
        _runs(form, links, first, readers)
        for form, links, first, readers in zip(
            (one, other), (linked.to, linked.back), ({}, linked.back), linked.readers, strict=True
        )
    )
    moved = _moved(
        [([one.steps[at].op for at in run.steps], run.steps[0]) for run in mine],
        [([other.steps[at].op for at in run.steps], run.after) for run in theirs],
    )
    taken = set(moved.values())
    beside: dict[int, list[int]] = defaultdict(list)
    for at, run in enumerate(theirs):
        for value in run.behind:
            beside[value].append(at)
    for at, run in enumerate(mine):
        nodes = tuple(one.steps[step].node for step in run.steps)
        said = _calls(one.graph, nodes)
        close = (twin for value in sorted(run.behind) for twin in beside[value][:CLOSE] if twin not in taken)
        twin = moved.get(at, next((twin for twin in close if run.ahead & theirs[twin].ahead), None))
        if twin is None:
            yield run.steps[0], Difference("only in the first", said, nodes, ())
            continue
        taken.add(twin)
        others = tuple(other.steps[step].node for step in theirs[twin].steps)
        if at in moved:
            yield run.steps[0], Difference("moved", f"{said} stands elsewhere", nodes, others)
        else:
            yield run.steps[0], Difference("replaced", f"{said} → {_calls(other.graph, others)}", nodes, others)
    for at, run in enumerate(theirs):
        if at not in taken:
            nodes = tuple(other.steps[step].node for step in run.steps)
            after = one.steps[run.after].node if run.after >= 0 else None
            yield run.after, Difference("only in the second", _calls(other.graph, nodes), (), nodes, "", after)


def _moved(mine: Sequence[tuple[list[Op], int]], theirs: Sequence[tuple[list[Op], int]]) -> dict[int, int]:
    """Which runs of the second network are some of the first that stand elsewhere, not far away: the same calls, where
    they are as many in order, else the nearest. Of each run, its calls and about where it stands in the first."""
    alike: dict[Hashable, tuple[list[tuple[int, int]], ...]] = defaultdict(lambda: ([], []))
    for which, runs in enumerate((mine, theirs)):
        for at, (calls, place) in enumerate(runs):
            alike[_whichever(calls)][which].append((place, at))
    near: list[tuple[int, int, int]] = []
    for first, second in alike.values():
        second.sort()
        for number, (place, at) in enumerate(sorted(first)):
            middle = bisect_left(second, (place, 0))
            close = (
                second[number : number + 1] if len(first) == len(second) else second[max(0, middle - 2) : middle + 2]
            )
            near += [(abs(there - place), at, twin) for there, twin in close]
    moved: dict[int, int] = {}
    taken: set[int] = set()
    for distance, at, twin in sorted(near):
        if distance <= CLOSE and at not in moved and twin not in taken:
            moved[at] = twin
            taken.add(twin)
    return moved


def _whichever(calls: list[Op]) -> Hashable:
    """Calls in any order."""
    return frozenset(Counter(calls).items())


def _runs(
    form: Normal, links: Mapping[int, int], first: Mapping[int, int], readers: Mapping[int, Iterable[tuple[int, int]]]
) -> list[_Run]:
    """The steps that one network alone has, those that read each other together."""
    above: dict[int, int] = {at: at for at in range(len(form.steps)) if at not in links}

    def top(at: int) -> int:
        while above[at] != at:
            above[at] = above[above[at]]
            at = above[at]
        return at

    for at in above:
        for value in form.steps[at].reads:
            if value in above:
                one, other = sorted((top(at), top(value)))
                above[other] = one
    members: dict[int, list[int]] = defaultdict(list)
    for at in above:
        members[top(at)].append(at)
    return [
        _Run(
            tuple(steps),
            frozenset(first.get(v, v) for at in steps for v in form.steps[at].reads if v not in above),
            frozenset(first.get(r, r) for at in steps for r, _ in readers.get(at, ()) if r not in above),
        )
        for steps in members.values()
    ]


def _calls(graph: Graph, nodes: Sequence[int]) -> str:
    """`relu`, `conv bn relu`, `34 nodes (conv bn relu conv …)`."""
    found: list[Node] = [graph.nodes[node] for node in nodes]
    if len(found) == 1:
        return usage(found[0].op.equals or found[0].op)
    words = [node.op.word for node in found]
    return " ".join(words) if len(words) <= 12 else f"{len(words)} nodes ({' '.join(words[:8])} …)"
