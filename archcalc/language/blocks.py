"""What repeats in an outline as blocks: bodies of one skeleton, whose numbers that vary are parameters."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from ..ops import OPS
from ..records import NamedTuple
from .expr import IMPLICIT, RESERVED
from .outline import ROOT, Arg, Body, Fork, From, Item, Named, Owner, Said, Use, bodies_in, uses_of, within

LEAST = 5  # calls of a block that has no merge
LONGEST = 12  # items of a body that are looked at as one round of several
PLAIN = 3  # how often calls without a merge follow each other that nobody took for a part
ROUNDS = 60  # blocks that are made at most
TIMES = 64  # how many times a number may be another, where it is said so
GENERIC = ("Sequential", "ModuleList")  # classes that say nothing of what is in them
LETTERS = {"out": "c"}  # what a parameter is called whose argument begins otherwise


class Part(NamedTuple):
    """What its author took for a part: the values from `start` to before `stop`, and what it is called."""

    kind: str
    start: int
    stop: int


class Sum(NamedTuple):
    """A number as an expression."""

    text: str


class Block(NamedTuple):
    """A body under a name, with the names of its parameters."""

    name: str
    parameters: tuple[str, ...]
    body: Body


class _Place(NamedTuple):
    """Some items of a body, one after the other, with the arguments in them and the channels that enter them."""

    body: Body
    start: int
    stop: int
    args: tuple[Arg, ...]
    enters: int
    kind: str

    @property
    def items(self) -> tuple[Item, ...]:
        return self.body.items[self.start : self.stop]


def with_blocks(whole: Body, parts: Sequence[Part], taken: Iterable[str]) -> tuple[Body, list[Block]]:
    """The outline with blocks for what repeats: what somebody took for parts, then what stands there several times.
    `taken` are names that no block may have."""
    blocks: list[Block] = []
    kinds: dict[str, str] = {}
    for rounds in (True, False):
        for _ in range(ROUNDS):
            bodies = [body for one in (whole, *(block.body for block in blocks)) for body in bodies_in(one)]
            found = _best(bodies, parts if rounds else ())
            if found is None:
                break
            block, new = _block(found, f"block {len(blocks)}")
            kinds[block.name] = next((place.kind for place in found if place.kind), "") or _by_content(
                block.body.items, kinds
            )
            whole = _replaced(whole, new)
            blocks = [*(one._replace(body=_replaced(one.body, new)) for one in blocks), block]
    return _renamed(whole, {block.name: block for block in blocks}, kinds, {*taken, *OPS, *RESERVED, *IMPLICIT})


def _renamed(
    whole: Body, blocks: Mapping[str, Block], kinds: Mapping[str, str], taken: set[str]
) -> tuple[Body, list[Block]]:
    """The blocks in the order in which they are called first, with their names."""
    names: dict[str, str] = {}
    waiting = [whole]
    while waiting:
        said = [item for body in bodies_in(waiting.pop(0)) for item in body.items]
        for word in (item.word for item in said if isinstance(item, Said) and item.made):
            if word not in names:
                names[word] = _called(kinds[word], taken)
                taken.add(names[word])
                waiting.append(blocks[word].body)

    def named(body: Body) -> Body:
        return body._replace(items=tuple(map(name, body.items)))

    def name(item: Item) -> Item:
        if isinstance(item, Said) and item.made:
            return item._replace(word=names[item.word])
        if isinstance(item, Fork):
            return item._replace(branches=tuple(map(named, item.branches)))
        return item._replace(body=named(item.body)) if isinstance(item, Named) else item

    return named(whole), [
        block._replace(name=own, body=named(block.body))
        for block, own in ((blocks[word], names[word]) for word in names)
    ]


# --- what repeats -------------------------------------------------------------------------------------------------


def _best(bodies: Sequence[Body], parts: Sequence[Part]) -> list[_Place] | None:
    """The places of the smallest block that saves lines; what stands elsewhere without being a part is one, too."""
    groups: dict[Any, list[_Place]] = {}
    uses = Counter(use for body in bodies for item in body.items for use in uses_of(item))
    for body in bodies:
        for start, stop, kind in _parts(body, parts) if parts else _runs(body):
            key, args = _skeleton(body.items[start:stop], uses)
            if key is not None:
                groups.setdefault(key, []).append(_Place(body, start, stop, args, _enters(body, start), kind))
    for key in sorted(groups, key=_weight):
        weight, places = _weight(key), groups[key]
        made = any(isinstance(item, Said) and item.made for item in places[0].items)
        if len(places) < 2 or (weight < LEAST and not (made or _merges(key))):
            continue
        places = _everywhere(bodies, key, places, uses)
        if (len(places) - 1) * weight > len(places) + 2:
            return places
    return None


def _parts(body: Body, parts: Sequence[Part]) -> Iterator[tuple[int, int, str]]:
    """Which items are all of a part and nothing else."""
    values = [[*_values(item)] for item in body.items]
    own = sorted(at for one in values for at in one)
    if not own:
        return
    first = {min(one): place for place, one in enumerate(values) if one}
    counts = [0, *accumulate(map(len, values))]
    tops = [max(one, default=ROOT) for one in values]
    within = slice(*(bisect_left(parts, at, key=lambda part: part.start) for at in (own[0], own[-1] + 1)))
    for part in parts[within]:
        start = None if part.kind in GENERIC else first.get(part.start)
        if start is None or part.stop > own[-1] + 1:
            continue
        stop = start
        while stop < len(values) and (not values[stop] or tops[stop] < part.stop):
            stop += 1
        while stop > start and not values[stop - 1]:
            stop -= 1
        if counts[stop] - counts[start] == part.stop - part.start:
            yield start, stop, part.kind


def _runs(body: Body) -> Iterator[tuple[int, int, str]]:
    """Merges, and items that follow each other several times."""
    for at, item in enumerate(body.items):
        if isinstance(item, Fork):
            yield at, at + 1, ""
    numbers: dict[Any, int] = {}
    ids = [numbers.setdefault(_skeleton((item,), None), len(numbers)) for item in body.items]
    for size in range(2, min(LONGEST, len(ids) // 2) + 1):
        at = 0
        while at + 2 * size <= len(ids):
            times = 1
            if len(set(ids[at : at + size])) == 1:  # one item, which is a round itself
                at += 1
                continue
            while ids[at : at + size] == ids[at + times * size : at + (times + 1) * size]:
                times += 1
            unit = body.items[at : at + size]
            least = 2 if any(isinstance(item, (Fork, Named)) for item in unit) else PLAIN
            if times >= least:
                yield from ((at + n * size, at + (n + 1) * size, "") for n in range(times))
                at += times * size
            else:
                at += 1


def _everywhere(bodies: Sequence[Body], key: Any, places: list[_Place], uses: Counter[Use]) -> list[_Place]:
    """The places of a skeleton, none of which overlap, and the whole bodies that are one more, though no parts."""
    found: dict[tuple[int, int], _Place] = {}
    for body in bodies:
        if len(body.items) == len(key):
            own, args = _skeleton(body.items, uses)
            if own == key:
                places = [*places, _Place(body, 0, len(key), args, body.enters, "")]
    until: dict[int, int] = {}
    for place in sorted(places, key=lambda place: place.start):
        if place.start >= until.get(id(place.body), 0):
            found.setdefault((id(place.body), place.start), place)
            until[id(place.body)] = place.stop
    return [*found.values()]


def _values(item: Item) -> Iterator[int]:
    """The values that an item gives, those inside it too."""
    said = item.said if isinstance(item, Fork) else item
    if isinstance(said, Said) and said.at != ROOT:
        yield from said.made or (said.at,)
    for body in within(item):
        for one in body.items:
            yield from _values(one)


def _skeleton(items: Sequence[Item], uses: Counter[Use] | None) -> tuple[Any, tuple[Arg, ...]]:
    """What items are but for the numbers in them, and these in order; None where they have a name in common with what
    is elsewhere, by how often each is used in all."""
    own: dict[Use, int] = {}
    here: Counter[Use] = Counter()
    args: list[Arg] = []

    def of(item: Item) -> Any:
        here.update(uses_of(item))
        if isinstance(item, From):
            return ("from", own.get(item, item))
        if isinstance(item, Named):
            inner = tuple(map(of, item.body.items))
            own[From(item.value)] = len(own)
            return ("name", len(own), inner)
        said = item.said if isinstance(item, Fork) else item
        shown: list[Any] = []
        for arg in said.args:
            if isinstance(arg.value, From):
                shown.append(own.get(arg.value, arg.value))
            elif isinstance(arg.value, Owner):
                shown.append(own.setdefault(arg.value, len(own)))
            elif arg.value is None or isinstance(arg.value, (str, Sum)):
                shown.append(repr(arg.value))
            else:
                shown.append(type(arg.value).__name__ if isinstance(arg.value, (bool, tuple)) else "")
                args.append(arg)
        branches = tuple(tuple(map(of, branch.items)) for branch in item.branches) if isinstance(item, Fork) else None
        return (said.word, tuple(shown), branches)

    key = tuple(map(of, items))
    if uses is not None and any(here[use] != uses[use] for use in {*own, *here}):
        return None, ()
    return key, tuple(args)


def _weight(key: Any) -> int:
    """How many calls and merges a skeleton has."""
    return sum(
        1 + sum(map(_weight, entry[2] or ())) if entry[0] != "name" else _weight(entry[2])
        for entry in key
        if entry[0] != "from"
    )


def _merges(key: Any) -> bool:
    return any(entry[0] == "name" or (len(entry) > 2 and entry[2] is not None) for entry in key)


def _enters(body: Body, start: int) -> int:
    """The channels that enter the item at `start`; 0 where that is not known."""
    return body.enters if start == 0 else _leaves(body.items[start - 1])


def _leaves(item: Item) -> int:
    said = item.said if isinstance(item, Fork) else item
    if isinstance(said, Named):
        return _leaves(said.body.items[-1]) if said.body.items else 0
    return said.leaves if isinstance(said, Said) else 0


# --- a block ------------------------------------------------------------------------------------------------------

New = Mapping[tuple[int, int], tuple[int, Said]]  # by a body and where: up to where, and what stands there instead


def _block(places: Sequence[_Place], name: str) -> tuple[Block, New]:
    """The block that stands at these places, and its calls."""
    columns = [*zip(*(place.args for place in places), strict=True)]
    enters = [place.enters for place in places]
    own: list[tuple[str, list[Any], str]] = []  # parameters: what each is called, what it is at each place, its kind
    said: list[Any] = []
    for column in columns:
        said.append(_expressed(column[0], [arg.value for arg in column], enters, own))
    model = places[0]
    values = iter(said)
    items = tuple(_with(item, values) for item in model.items)
    new: dict[tuple[int, int], tuple[int, Said]] = {}
    for n, place in enumerate(places):
        inside = [at for item in place.items for at in _values(item)]
        last = place.body.items[place.stop - 1]
        args = tuple(Arg(parameter, values[n], kind) for parameter, values, kind in own)
        call = Said(name, args, max(inside, default=ROOT), _leaves(last), tuple(sorted(inside)))
        new[id(place.body), place.start] = place.stop, call
    return Block(name, tuple(parameter for parameter, _, _ in own), Body(items, model.enters)), new


def _expressed(arg: Arg, values: list[Any], enters: list[int], own: list[tuple[str, list[Any], str]]) -> Any:
    """A number that varies: one that varies so already, what enters, a multiple of these, or else a new parameter."""
    if all(value == values[0] and type(value) is type(values[0]) for value in values):
        return values[0]
    for name, known, kind in own:
        if known == values and (kind == arg.kind or (_counts(kind) and _counts(arg.kind))):
            return Sum(name)
    if _counts(arg.kind):
        bases = [("cin", enters), *((name, known) for name, known, kind in own if _counts(kind))]
        for name, base in bases if all(isinstance(value, int) for value in values) else ():
            text = _multiple(name, base, values)
            if text:
                return Sum(text)
    letter = LETTERS.get(arg.name, arg.name[0])
    names = {name for name, _, _ in own}
    name = next(one for one in (letter, *(f"{letter}{n}" for n in range(2, 1000))) if one not in names)
    own.append((name, values, arg.kind))
    return Sum(name)


def _counts(kind: str) -> bool:
    """Whether an argument is a number of channels, or of what else there may be a multiple of."""
    return kind.partition(" ")[0] in ("Count", "int")


def _multiple(name: str, base: Sequence[Any], values: Sequence[int]) -> str:
    """`4*c`, `cin / 2`; nothing where the ratio is not the same everywhere."""
    if not all(isinstance(one, int) and one > 0 for one in base):
        return ""
    if any(one < 1 for one in values):
        return ""
    for text, more, less in ((f"{{}}*{name}", values, base), (f"{name} / {{}}", base, values)):
        times = more[0] // less[0] if less[0] else 0
        if 1 <= times <= TIMES and all(a == times * b for a, b in zip(more, less, strict=True)):
            return name if times == 1 else text.format(times)
    return ""


def _with(item: Item, values: Iterator[Any]) -> Item:
    """An item with other numbers, in the order of `_skeleton`."""
    if isinstance(item, From):
        return item
    if isinstance(item, Named):
        return item._replace(body=item.body._replace(items=tuple(_with(one, values) for one in item.body.items)))
    said = item.said if isinstance(item, Fork) else item
    fixed = (From, Owner, str, Sum, type(None))
    args = tuple(arg if isinstance(arg.value, fixed) else arg._replace(value=next(values)) for arg in said.args)
    said = said._replace(args=args)
    if not isinstance(item, Fork):
        return said
    branches = tuple(
        branch._replace(items=tuple(_with(one, values) for one in branch.items)) for branch in item.branches
    )
    return Fork(said, branches)


def _replaced(body: Body, new: New) -> Body:
    items: list[Item] = []
    at = 0
    while at < len(body.items):
        found = new.get((id(body), at))
        if found is not None:
            at, call = found
            items.append(call)
            continue
        item = body.items[at]
        if isinstance(item, Fork):
            item = item._replace(branches=tuple(_replaced(branch, new) for branch in item.branches))
        elif isinstance(item, Named):
            item = item._replace(body=_replaced(item.body, new))
        items.append(item)
        at += 1
    return body._replace(items=tuple(items))


def _by_content(items: tuple[Item, ...], kinds: Mapping[str, str]) -> str:
    """What a block is called that nobody took for a part: after its merge and the block in it."""
    said = [one for body in bodies_in(Body(items)) for one in body.items]
    merge = next((one.said.word for one in said if isinstance(one, Fork)), "")
    block = next((kinds[one.word] for one in said if isinstance(one, Said) and one.made), "block")
    return f"{merge}_{block}" if merge else block


def _called(kind: str, taken: set[str]) -> str:
    """A class's name as a block's: `InvertedResidual` as `inverted_residual`, `_2` behind it where that is taken."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind)
    plain = re.sub(r"[\W_]+", "_", words, flags=re.ASCII).strip("_").lower()
    plain = plain if re.match("[a-z]", plain) else f"block_{plain}".rstrip("_")
    names = (plain, *(f"{plain}_{n}" for n in range(2, 1000)))
    return next(name for name in names if name not in taken)
