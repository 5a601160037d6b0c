"""Values of a network as nested lines and merges, with what repeats as blocks: the way back from a Graph to a spec.

A merge stands where all of its inputs have come from one value, which its branches start from; a value that several
branches read has a name. An op is written by what its normal form is on the values as a spec has them: maps, tokens,
vectors, with an op between where these are turned into each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product, zip_longest
from math import isqrt
from typing import Any

from ..errors import Text
from ..graph import shape_of
from ..ops import OPS, Op, OpError, Shape, Tokens, channels, dims
from ..ops.shapes import elements
from ..records import NamedTuple

MOST = 40  # inputs of a merge that are looked for in front of another's
ROOT = -(10**9)  # before all inputs; as `at`, what stands for no value


class Value(NamedTuple):
    """What is to be written of a value: its op in normal form and the shapes of its parameters, the values that it
    reads (−1, −2, … are inputs), the one whose parameters it has, its shape and those of what its call read, that call,
    and what of it no op says."""

    op: Op
    weights: tuple[Shape, ...]
    reads: tuple[int, ...]
    owner: int | None
    shape: Shape
    x: tuple[Shape, ...]
    where: Text
    notes: tuple[str, ...] = ()


class Arg(NamedTuple):
    """An argument of a call, of the kind that the op says; `From` where it is a value of the network, `Owner` where it
    says whose weights the call works with."""

    name: str
    value: Any
    kind: str = ""


class Said(NamedTuple):
    """A call in a line, the value that it gives, and the channels of that; with `made` of a block, which gives all of
    these values."""

    word: str
    args: tuple[Arg, ...]
    at: int = ROOT
    leaves: int = 0
    made: tuple[int, ...] = ()


class From(NamedTuple):
    """A line that begins with a named value."""

    value: int


class Owner(NamedTuple):
    """The value whose weights several calls have."""

    value: int


class Fork(NamedTuple):
    """A merge of branches."""

    said: Said
    branches: tuple[Body, ...]


class Named(NamedTuple):
    """A value under a name: what gives it."""

    value: int
    body: Body


Item = Said | From | Fork | Named


class Body(NamedTuple):
    """Calls and merges in order, and the channels that enter them (0: unknown)."""

    items: tuple[Item, ...]
    enters: int = 0


Use = From | Owner


def within(item: Item) -> tuple[Body, ...]:
    """The bodies that stand in an item."""
    return item.branches if isinstance(item, Fork) else (item.body,) if isinstance(item, Named) else ()


def bodies_in(body: Body) -> Iterator[Body]:
    """A body and all that stand in it."""
    yield body
    for item in body.items:
        for one in within(item):
            yield from bodies_in(one)


def uses_of(item: Item) -> Iterator[Use]:
    """The names that an item uses itself, of values and of weights."""
    if isinstance(item, From):
        yield item
    said = item.said if isinstance(item, Fork) else item
    if isinstance(said, Said):
        yield from (arg.value for arg in said.args if isinstance(arg.value, (From, Owner)))


def outline(values: Sequence[Value], inputs: Sequence[Shape], outputs: Sequence[int]) -> Body:
    """The network as one body. Raises SpecError at the call of an op that the language has no word for."""
    return _Outline(values, inputs).whole(outputs)


class _Spelling(NamedTuple):
    """How a value is written: what turns each value that it reads, the op, and the shape that it gives."""

    turns: tuple[tuple[Op, ...], ...]
    op: Op
    shape: Shape


class _Outline:
    def __init__(self, values: Sequence[Value], inputs: Sequence[Shape]) -> None:
        self.values, self.inputs = values, inputs
        self.owners = {value.owner for value in values if value.owner is not None}
        self.turned = len(values)  # values that are others in another form have numbers behind all
        self.known: dict[Any, _Spelling] = {}
        self.reads = self._nested()
        self.shapes: dict[int, Shape] = {-1 - n: shape for n, shape in enumerate(inputs)}
        self.spelled: list[_Spelling] = []
        for at in range(len(values)):
            found = self._spelled(at)
            self.spelled.append(found)
            self.shapes[at] = found.shape
        self.above: dict[int, int] = {-1 - n: ROOT for n in range(len(inputs))}  # what every way to a value leads over
        self.depth: dict[int, int] = {ROOT: 0, **dict.fromkeys(self.above, 1)}
        for at, reads in enumerate(self.reads):
            over = self._over(reads)
            if over is not None:
                self.above[at], self.depth[at] = over, self.depth[over] + 1
        self.readers: dict[int, list[int]] = {}
        for at, reads in enumerate(self.reads):
            for value in reads:
                self.readers.setdefault(value, []).append(at)

    def _nested(self) -> list[tuple[int, ...]]:
        """What each value reads, concats of concats again: where one has the inputs of another in front."""
        seen: dict[tuple[Op, tuple[int, ...]], int] = {}
        found = []
        for at, value in enumerate(self.values):
            reads = value.reads
            if value.op.nests and value.op.free and len(reads) > 1:
                seen[value.op, reads] = at
                for size in range(len(reads) - 1, max(1, len(reads) - MOST), -1):
                    inner = seen.get((value.op, reads[:size]))
                    if inner is not None:
                        reads = (inner, *reads[size:])
                        break
            found.append(reads)
        return found

    def _over(self, values: Sequence[int]) -> int | None:
        """The last value that every way to these leads over; None where they begin from none."""
        found: int | None = None
        for value in values:
            if value not in self.above:
                continue  # a parameter, which stands anywhere
            other = value
            while found is not None and found != other:
                if self.depth[found] < self.depth[other]:
                    found, other = other, found
                found = self.above[found]
            found = other
        return found

    # --- ops

    def _spelled(self, at: int) -> _Spelling:
        value = self.values[at]
        x = tuple(self.shapes[read] for read in self.reads[at]) or tuple(self.inputs[:1])
        if value.op.equals is None:
            word = f"`{value.op.word}`" + " as it is here" * (value.op.word in OPS)
            raise value.where.error(
                f"{word} has no word in the spec language", "What a spec can say is exported, and nothing less."
            )
        key = value.op, value.weights, x, value.shape, value.x
        if key not in self.known:
            self.known[key] = self._spelling(value, x)
        return self.known[key]

    def _spelling(self, value: Value, x: tuple[Shape, ...]) -> _Spelling:
        for turns, turned in _turned(x, value.x):
            found = [(op, _means(op, turned, value)) for op in _spellings(value.op, turned)]
            alike = [(op, shape) for op, shape in found if shape is not None]
            if alike:
                op, shape = min(alike, key=lambda pair: len(pair[1]) != len(value.shape))
                return _Spelling(turns, _short(op, turned, value, shape), shape)
        raise value.where.error(
            f"a spec cannot say `{value.op.word}` of {' and '.join(map(dims, x))} as it is here",
            f"It {' and '.join(value.notes)}." if value.notes else f"It means {value.op}.",
        )

    # --- lines

    def whole(self, outputs: Sequence[int]) -> Body:
        """What gives the outputs of the network, from its inputs on."""
        start = -1 if len(self.inputs) == 1 else None
        if len(outputs) == 1:
            return self._body(start, outputs[0], frozenset())
        items, over, used = self._forked(Said("parts", ()), outputs, 0, frozenset())
        before = self._body(start, over, frozenset()).items if used and over is not None else ()
        return self._entered(start, (*before, *items))

    def _entered(self, start: int | None, items: tuple[Item, ...]) -> Body:
        return Body(items, 0 if start is None else _channels(self.shapes[start]))

    def _body(self, start: int | None, end: int, named: frozenset[int]) -> Body:
        """What leads from a value to another; `named` are values that have names here."""
        items: deque[Item] = deque()  # from the last to the first
        at = end
        while at != start:
            if at in named or at < 0:
                items.appendleft(From(at))
                break
            spelling, reads = self.spelled[at], self.reads[at]
            args, extra = self._arguments(at, spelling.op)
            said = Said(spelling.op.word, args, at, _channels(spelling.shape))
            if not reads:
                items.appendleft(said)
                break
            if len(reads) == 1:
                items.appendleft(said)
                items.extendleft(map(_turn, reversed(spelling.turns[0])))
                at = reads[0]
                continue
            found, over, used = self._forked(said, reads, extra, named)
            items.extendleft(reversed(found))
            if not used or over is None:
                break
            at = over
        return self._entered(start, tuple(items))

    def _arguments(self, at: int, op: Op) -> tuple[tuple[Arg, ...], int]:
        """The arguments of a call, and how many values are among them: those that it reads last."""
        count = sum(field.kind.startswith(("Value", "Like")) and value is True for field, value in op.arguments)
        names = iter(self.reads[at][len(self.reads[at]) - count :])
        args = [
            Arg(field.name, From(next(names)), "Value")
            if field.kind.startswith(("Value", "Like")) and value is True
            else Arg(field.name, value, field.kind)
            for field, value in op.arguments
        ]
        owner = at if at in self.owners else self.values[at].owner
        args += [Arg("weights", Owner(owner))] if owner is not None else []
        return tuple(args), count

    def _forked(
        self, said: Said, reads: Sequence[int], extra: int, named: frozenset[int]
    ) -> tuple[tuple[Item, ...], int | None, bool]:
        """A merge, or a call with `extra` values among its arguments, and before it what of its branches needs names;
        the value that all of it starts from, and whether anything does."""
        over, count = self._over(reads), len(reads) - extra
        over = None if over == ROOT else over
        while over is not None and over >= 0 and extra and self.values[over].op.cuts and self.reads[over]:
            over = self.reads[over][0]  # what is made of no value is not made for each window
        shared = self._shared(said.at, reads, over, named, count)
        items: tuple[Item, ...] = ()
        start = over
        if shared or over in reads[count:]:
            inner = named | ({over} if over is not None else set())
            for number, value in enumerate(shared):
                body = self._body(over if number == 0 else None, value, inner if number else named)
                items = (*items, Named(value, body))
                inner = inner | {value}
            if over is not None and over >= 0 and over not in named:
                items = (Named(over, Body(())), *items)
            named, start = inner, None
        turns = self.spelled[said.at].turns if said.at >= 0 else ((),) * len(reads)
        bodies = []
        for read, turn in zip(reads, turns, strict=True):
            body = self._body(start, read, named)
            bodies.append(body._replace(items=(*body.items, *map(_turn, turn))))
        used = (start is None and over is not None) or any(
            not body.items or not isinstance(_first(body), From) for body in bodies
        )
        if said.at >= 0 and not self.spelled[said.at].op.branches:
            for value, turn, body in zip(reads[count:], turns[count:], bodies[count:], strict=True):
                if turn:  # an argument is a name
                    items = (*items, Named(self.turned, body))
                    args = [
                        arg._replace(value=From(self.turned)) if arg.value == From(value) else arg for arg in said.args
                    ]
                    said, self.turned = said._replace(args=tuple(args)), self.turned + 1
            return (*items, *bodies[0].items, said), over, used
        branches = bodies[:count]
        if said.at >= 0 and self.spelled[said.at].op.commutes:
            branches.sort(key=lambda body: bool(body.items))  # what is only passed on stands first
        return (*items, Fork(said, tuple(branches))), over, used

    def _shared(
        self, at: int, reads: Sequence[int], over: int | None, named: frozenset[int], branches: int
    ) -> list[int]:
        """The values that want names, in order: those read in several branches, and those that are arguments."""
        times: dict[int, int] = {}
        for read in reads:
            for value in self._ways(read, over, named):
                times[value] = times.get(value, 0) + 1
        shared = {value for value, count in times.items() if count > 1}
        found = {value for value in reads[branches:] if value >= 0 and value not in named and value != over}
        for value in shared:
            readers = [reader for reader in self.readers.get(value, ()) if reader in times or reader == at]
            if len(readers) != 1 or readers[0] not in shared or reads.count(value) > 1:
                found.add(value)
        return sorted(found)

    def _ways(self, value: int, over: int | None, named: frozenset[int]) -> set[int]:
        """The values between one and where its branch begins."""
        found: set[int] = set()
        waiting = [value]
        while waiting:
            at = waiting.pop()
            if at >= 0 and at != over and at not in named and at not in found:
                found.add(at)
                waiting += self.reads[at]
        return found


def _turned(
    x: tuple[Shape, ...], seen: tuple[Shape, ...]
) -> Iterator[tuple[tuple[tuple[Op, ...], ...], tuple[Shape, ...]]]:
    """Ways to turn values into other kinds of values, those that turn the fewest first; `seen` is what they were."""
    each = [[*_turns(shape, was)] for shape, was in zip_longest(x, seen[: len(x)], fillvalue=())]
    ways = product(*each) if len(x) <= 3 else zip(*(way * 4 for way in each), strict=False)
    for way in sorted(ways, key=lambda way: sum(len(turns) for turns, _ in way)):
        yield tuple(turns for turns, _ in way), tuple(shape for _, shape in way)


def _turns(shape: Shape, seen: Shape) -> Iterator[tuple[tuple[Op, ...], Shape]]:
    """A value as it is, then what it may be turned into."""
    yield (), shape
    if isinstance(shape, Tokens):
        ways = [OPS["map"](like=size) for size in (seen[1:], seen[:-1], (isqrt(shape[0]),) * 2) if size]
    else:
        ways = [OPS["tokens"](), OPS["flatten"]()] if len(shape) > 1 else [OPS["reshape"](size=seen)]
    for op in ways:
        with suppress(OpError):
            yield (op,), shape_of(op, (shape,))


def _first(body: Body) -> Item:
    """What a body really begins with: a branch of a merge that nothing stands before."""
    item = body.items[0]
    while isinstance(item, Fork) and all(branch.items for branch in item.branches):
        begun = [_first(branch) for branch in item.branches]
        item = next((one for one in begun if not isinstance(one, From)), begun[0])
    return item


def _channels(shape: Shape) -> int:
    return channels(shape) if shape else 0


def _turn(op: Op) -> Said:
    return Said(op.word, tuple(Arg(field.name, value, field.kind) for field, value in op.arguments))


def _spellings(op: Op, x: tuple[Shape, ...]) -> Iterator[Op]:
    try:
        yield from op.spellings(*x)
    except (OpError, IndexError, TypeError):
        return


def _means(op: Op, x: tuple[Shape, ...], value: Value) -> Shape | None:
    """What an op gives of these shapes, if it is the value there."""
    try:
        shape = shape_of(op, x)
        same = op.meaning(*x, shape) == (value.op, value.weights) and elements(shape) == elements(value.shape)
    except (OpError, IndexError, TypeError, ValueError, ZeroDivisionError):
        return None
    return shape if same else None


def _short(op: Op, x: tuple[Shape, ...], value: Value, shape: Shape) -> Op:
    """The op with as many arguments as usual as may be."""
    for field, own in op.arguments:
        if not field.required and own != field.default:
            plainer = op.but(**{field.name: field.default})
            if _means(plainer, x, value) == shape:
                op = plainer
    return op
