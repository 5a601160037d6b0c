"""Counts of a network in pieces: each piece is counted once, wherever it stands. They are those of its Graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..ops import KINDS
from ..ops.base import LIMIT
from ..ops.shapes import elements
from ..pieces import Leaf, Piece, Unfolded
from ..records import NamedTuple
from ..units import ITEMSIZE
from .counts import Totals, node_cost
from .memory import ID_BYTES

NONE = -(10**9)  # the length of a path that there is not


# What nodes have together, for one sample: parameters, of these idle (experts that a token does not run through),
# weights, biases, norm parameters; norm statistics; MACs; and the element-wise operations of each of KINDS. They stand
# in one integer, each in so many BITS of it, so that one addition adds all: a count of a node is below 2⁶⁰, and there
# are fewer than 2³⁶ nodes.
Sums = int
BITS, MASK = 96, (1 << 96) - 1
OWN = 6 * BITS  # of these are of parameters
AT = {kind: BITS * number for number, kind in enumerate(KINDS, 7)}


class Ways(NamedTuple):
    """The most weight layers on a path to each value that leaves a form: from inside, and from each value that enters;
    `longest` the same to any node. `ids` says which values that enter are looked up."""

    paths: tuple[tuple[int, ...], ...]
    longest: tuple[int, ...]
    ids: tuple[bool, ...]


# A value that enters a piece: the number of the storage that it stands in (−1: memory that is not the network's to
# take), how many elements that has, and whether it is needed behind the piece.
Enters = tuple[int, int, bool]
OUTSIDE: Enters = (-1, 0, False)


class Step(NamedTuple):
    """What a part does to storages: whether it allocates one, those that nothing needs behind it, and of a piece those
    that enter it, and None of a leaf: their numbers there and here, and whether they are needed further on."""

    part: int
    allocates: bool
    freed: tuple[int, ...]
    enters: tuple[tuple[int, int, bool], ...] | None = None


class Plan(NamedTuple):
    """What a form does to memory at any size: so many storages `entered`; and where each value that leaves it stands:
    the number of one of them, or of one of the `new` ones behind those, which have these numbers inside; −1 as of what
    enters."""

    entered: int
    steps: tuple[Step, ...]
    stands: tuple[int, ...]
    new: tuple[int, ...]


class Held(NamedTuple):
    """What a piece does to memory, in elements: the most that is alive at once beside what was before, what is alive
    then, all that it allocates, and the sizes of the new storages in which values leave it."""

    most: int
    left: int
    made: int
    new: tuple[int, ...]


class Known:
    """What is known of a network while it is built: sums that only grow."""

    def __init__(self, batch: int, dtype: str) -> None:
        self.batch, self.size = batch, ITEMSIZE[dtype]
        self.params = self.active_params = self.macs = 0

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        params, idle, _, _, _, _, macs = _counts(sums(piece), 7)
        self.params += params
        self.active_params += params - idle
        self.macs += macs * self.batch

    def counts(self) -> dict[str, int]:
        """By the names of totals."""
        found = {"params": self.params, "active_params": self.active_params, "macs": self.macs}
        return {**found, "flops": 2 * self.macs, "param_bytes": self.params * self.size}


def totals(main: Piece, every: Piece | None = None, batch: int = 1, dtype: str = "float32") -> Totals:
    """The totals that a Graph of these nodes has; `every` is the main path with the heads. Raises OpError above 10¹⁸ in
    one node, and Unfolded where a total is."""
    found = _totals(main, batch, dtype)
    for each in (found, *([] if every is None else [_totals(every, batch, dtype)])):
        if max(each.counts().values()) > LIMIT:
            raise Unfolded
    return found


def _totals(piece: Piece, batch: int, dtype: str) -> Totals:
    params, idle, weights, biases, norms, stats, macs, *kinds = _counts(sums(piece), 7 + len(KINDS))
    held = memory(piece, (OUTSIDE,) * len(piece.entered))
    _, longest, ids = ways(piece)
    size = ITEMSIZE[dtype]
    inputs = sum(elements(x) * batch * (ID_BYTES if of else size) for x, of in zip(piece.entered, ids, strict=True))
    return Totals(
        params=params,
        active_params=params - idle,
        weights=weights,
        biases=biases,
        norm_params=norms,
        norm_stats=stats,
        macs=macs * batch,
        flops=2 * macs * batch,
        param_bytes=params * size,
        activation_bytes=held.made * batch * size,
        peak_memory_bytes=inputs + held.most * batch * size,
        weight_layers=max(longest),
        elementwise={kind: count * batch for kind, count in zip(KINDS, kinds, strict=True) if count},
    )


def sums(part: Piece | Leaf) -> Sums:
    """The sums of a part, worked out once. Raises OpError above 10¹⁸ in one node, Unfolded for a kind that is none."""
    found: Sums | None = part.sums
    if found is None:
        found = part.sums = _of_leaf(part) if isinstance(part, Leaf) else _of_parts(part)
    return found


def _of_leaf(leaf: Leaf) -> Sums:
    _, weights, biases, norms, stats, macs, kinds, _, _, idle, _, _ = node_cost(leaf.op, leaf.entered, leaf.shape)
    if kinds and not 0 < min(kinds.values()) <= max(kinds.values()) <= LIMIT:
        raise Unfolded
    found = macs
    for count in (stats, norms, biases, weights, idle, weights + biases + norms):
        found = found << BITS | count
    for kind, count in kinds.items():
        found += count << AT[kind]
    return found


def _of_parts(piece: Piece) -> Sums:
    found = [part.sums or sums(part) for part in piece.parts if part is not None]
    shares = piece.form.shares
    if shares:
        at = [n for n, part in enumerate(piece.parts) if part is not None]
        found = [own >> OWN << OWN if n in shares else own for n, own in zip(at, found, strict=True)]
    return sum(found)


def _counts(found: Sums, many: int) -> list[int]:
    """The first counts of sums."""
    return [found >> at & MASK for at in range(0, many * BITS, BITS)]


def ways(piece: Piece) -> Ways:
    """The ways through a piece, worked out once for its form."""
    found: Ways | None = piece.form.known.worked.get("ways")
    if found is None:
        found = piece.form.known.worked["ways"] = _ways(piece)
    return found


def _ways(piece: Piece) -> Ways:
    many = len(piece.entered)
    ids = [False] * many
    enter = [(0, *[0 if n == own else NONE for n in range(many)]) for own in range(many)]
    longest = nothing = (0, *[NONE] * many)
    paths: list[tuple[int, ...]] = []
    others: Iterator[tuple[int, ...]] = iter(())
    for part, inputs in zip(piece.parts, piece.form.inputs, strict=True):
        before = [paths[value] if value >= 0 else enter[-1 - value] for value in inputs]
        if part is None:
            paths.append(next(others))
            continue
        if isinstance(part, Piece):
            own, _most, looked_up = ways(part)
            most, *left = (_through(path, before, nothing) for path in (_most, *own))
            others = iter(left)
            paths.append(next(others))
        else:
            most, looked_up = tuple([n + part.op.weight_layers for n in map(max, nothing, *before)]), (part.op.ids > 0,)
            paths.append(most)
        longest = tuple(map(max, longest, most))
        for value, of in zip(inputs, looked_up, strict=False):
            if of and value < 0:
                ids[-1 - value] = True
    return Ways(tuple([paths[out] for out in piece.form.outs]), longest, tuple(ids))


def _through(path: tuple[int, ...], before: list[tuple[int, ...]], nothing: tuple[int, ...]) -> tuple[int, ...]:
    """The paths of a piece behind those that lead to it."""
    inside, *through = path
    behind = ([length + more for length in lengths] for lengths, more in zip(before, through, strict=True))
    return tuple(map(max, (inside, *nothing[1:]), *behind))


# --- memory -------------------------------------------------------------------------------------------------------


def memory(piece: Piece, enters: tuple[Enters, ...]) -> Held:
    """What a piece does to memory, worked out once for values that enter so: as `storages` and `live_bytes` say it."""
    found: Held | None = piece.held.get(enters)
    if found is not None:
        return found
    entered, steps, _, new = _plan(piece, tuple([(storage, needed) for storage, _, needed in enters]))
    sizes = [0] * entered
    for storage, size, _ in enters:
        if storage >= 0:
            sizes[storage] = size
    parts, live, most, made = piece.parts, 0, 0, 0
    for at, allocates, freed, entering in steps:
        part: Any = parts[at]
        state: tuple[Enters, ...]
        if entering is not None:
            if len(entering) == 1:  # as most are
                there, here, needed = entering[0]
                state = (OUTSIDE if there < 0 else (there, 0 if needed else sizes[here], needed),)
            else:
                state = tuple([
                    OUTSIDE if there < 0 else (there, 0 if needed else sizes[here], needed)
                    for there, here, needed in entering
                ])  # fmt: skip
            above, left, inside, behind = part.held.get(state) or memory(part, state)
            most = max(most, live + above)
            live += left
            made += inside
            sizes += behind
        elif allocates:
            size = part.size
            sizes.append(size)
            live += size
            made += size
            most = max(most, live)
        for storage in freed:
            live -= sizes[storage]
    found = piece.held[enters] = Held(most, live, made, tuple([sizes[storage] for storage in new]))
    return found


def _plan(piece: Piece, enters: tuple[tuple[int, bool], ...]) -> Plan:
    """What a form does to memory, worked out once for values that enter so, at any size."""
    found: Plan | None = piece.form.known.worked.get(enters)
    if found is None:
        found = piece.form.known.worked[enters] = _planned(piece, enters)
    return found


def _planned(piece: Piece, enters: tuple[tuple[int, bool], ...]) -> Plan:
    form, behind = piece.form, len(piece.parts)
    last = [*range(behind)]
    last_entered = [-1] * len(enters)
    for index, inputs in enumerate(form.inputs):
        for value in inputs:
            if value >= 0:
                last[value] = index
            else:
                last_entered[-1 - value] = index
    for out in form.outs:
        last[out] = behind
    first_new = 1 + max((storage for storage, _ in enters), default=-1)
    needed = [-1] * first_new  # by storage: the last part that needs what stands in it
    for (storage, further), end in zip(enters, last_entered, strict=True):
        if storage >= 0:
            needed[storage] = behind if further else max(needed[storage], end)
    stands: list[int] = []  # the storage of each part's value
    steps: list[Step] = []

    def stand(storage: int) -> None:
        if storage >= 0:
            needed[storage] = max(needed[storage], last[len(stands)])
        stands.append(storage)

    def new() -> int:
        needed.append(-1)
        return len(needed) - 1

    others: Iterator[int] = iter(())
    for index, (part, inputs) in enumerate(zip(piece.parts, form.inputs, strict=True)):
        sources = [stands[value] if value >= 0 else enters[-1 - value][0] for value in inputs]
        if part is None:
            stand(next(others))
        elif isinstance(part, Piece):
            there = {storage: number for number, storage in enumerate({own: 0 for own in sources if own >= 0})}
            entering = [(there.get(own, -1), own, own >= 0 and needed[own] > index) for own in sources]
            inside = _plan(part, tuple([(number, further) for number, _, further in entering]))
            steps.append(Step(index, False, (), tuple(entering)))
            here = [*there, *[new() for _ in inside.new], -1]  # the last one is −1 there, too
            others = iter([here[number] for number in inside.stands])
            stand(next(others))
        else:
            kind, source = part.op.storage, sources[0] if sources else -1
            overwrites = kind == "inplace" and source >= 0 and needed[source] <= index
            allocates = not (kind in ("view", "own") or overwrites)
            stand(new() if allocates else -1 if kind == "own" else source)
            freed = tuple([own for own in {*sources, stands[-1]} if own >= 0 and needed[own] == index])
            if allocates or freed:
                steps.append(Step(index, allocates, freed))
    outer = [stands[out] for out in form.outs]
    left = [storage for storage in dict.fromkeys(outer) if storage >= first_new]
    number = {storage: first_new + at for at, storage in enumerate(left)}
    return Plan(first_new, tuple(steps), tuple([number.get(storage, storage) for storage in outer]), tuple(left))
