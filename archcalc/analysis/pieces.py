"""Counts of a network in pieces: each piece is counted once, wherever it stands. They are those of its Graph."""

from __future__ import annotations

from collections.abc import Iterator
from operator import add
from typing import NamedTuple

from ..graph import Piece, Unfolded
from ..ops.base import LIMIT
from ..ops.shapes import elements
from ..units import ITEMSIZE
from .counts import Totals, cost_of
from .memory import ID_BYTES

NONE = -(10**9)  # the length of a path that there is not


class Counts(NamedTuple):
    """What nodes have together, for one sample; `idle` are parameters of experts that a token does not run through."""

    params: int
    idle: int
    weights: int
    biases: int
    norm_params: int
    norm_stats: int
    macs: int


class Sums(NamedTuple):
    """What the nodes of a piece have together. `elementwise` are operations by kind. `paths` are, for each value that
    leaves it, the most weight layers on a path there: from inside, and from each value that enters; `longest` the same
    for all nodes. `ids` says which values that enter are looked up."""

    counts: Counts
    elementwise: dict[str, int]
    paths: tuple[tuple[int, ...], ...]
    longest: tuple[int, ...]
    ids: tuple[bool, ...]


class Enters(NamedTuple):
    """A value that enters a piece: the number of the storage that it stands in, how many elements that has (−1: memory
    that is not the network's to take), and whether it is needed behind the piece."""

    storage: int
    size: int
    needed: bool


class Held(NamedTuple):
    """What a piece does to memory, in elements: the most that is alive at once beside what was before, what is alive
    then, all that it allocates; and where each value that leaves it stands: the number of a storage that entered, or of
    one of the `new` ones behind those, which have so many elements."""

    most: int
    left: int
    made: int
    stands: tuple[int, ...]
    new: tuple[int, ...]


class Known:
    """What is known of a network while it is built: sums that only grow."""

    def __init__(self, batch: int, dtype: str) -> None:
        self.batch, self.size = batch, ITEMSIZE[dtype]
        self.params = self.active_params = self.macs = 0

    def add(self, piece: Piece) -> None:
        params, idle, *_, macs = sums(piece).counts
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
        if any(value > LIMIT for value in each.counts().values()):
            raise Unfolded
    return found


def _totals(piece: Piece, batch: int, dtype: str) -> Totals:
    own, held = sums(piece), memory(piece, tuple([Enters(number, -1, False) for number in range(len(piece.entered))]))
    counts, kinds, _, longest, ids = own
    size = ITEMSIZE[dtype]
    inputs = sum(elements(x) * batch * (ID_BYTES if of else size) for x, of in zip(piece.entered, ids, strict=True))
    return Totals(
        params=counts.params,
        active_params=counts.params - counts.idle,
        weights=counts.weights,
        biases=counts.biases,
        norm_params=counts.norm_params,
        norm_stats=counts.norm_stats,
        macs=counts.macs * batch,
        flops=2 * counts.macs * batch,
        param_bytes=counts.params * size,
        activation_bytes=held.made * batch * size,
        peak_memory_bytes=inputs + held.most * batch * size,
        weight_layers=max(longest),
        elementwise={kind: count * batch for kind, count in kinds.items()},
    )


def sums(piece: Piece) -> Sums:
    """The sums of a piece, worked out once. Raises OpError above 10¹⁸ in one node."""
    found: Sums | None = piece.known.get("sums")
    if found is None:
        found = piece.known["sums"] = _sums(piece)
    return found


def _sums(piece: Piece) -> Sums:
    parts, entered = piece.parts, piece.entered
    counts, kinds, ids = Counts(*[0] * 7), dict[str, int](), [False] * len(entered)
    enter = [(0, *[0 if n == own else NONE for n in range(len(entered))]) for own in range(len(entered))]
    longest = nothing = (0, *[NONE] * len(entered))
    paths: list[tuple[int, ...]] = []
    others: Iterator[tuple[int, ...]] = iter(())
    for op, inputs, shape, shares in parts:
        if op is None:
            paths.append(next(others))
            continue
        before = [paths[value] if value >= 0 else enter[-1 - value] for value in inputs]
        if isinstance(op, Piece):
            own = sums(op)
            counts, more, looked_up = Counts(*map(add, counts, own.counts)), own.elementwise, own.ids
            most, *left = (_through(path, before, nothing) for path in (own.longest, *own.paths))
            others = iter(left)
            paths.append(next(others))
        else:
            shapes = tuple([parts[value].shape if value >= 0 else entered[-1 - value] for value in inputs])
            cost = cost_of(op, shapes, shape)
            _, weights, biases, norms, stats, macs, more, *_, idle = cost
            learned = (0,) * 6 if shares else (weights + biases + norms, idle, weights, biases, norms, stats)
            counts, looked_up = Counts(*map(add, counts, (*learned, macs))), (op.ids > 0,)
            most = tuple([length + op.weight_layers for length in map(max, nothing, *before)])
            paths.append(most)
        longest = tuple(map(max, longest, most))
        for kind, count in more.items():
            kinds[kind] = kinds.get(kind, 0) + count
        for value, of in zip(inputs, looked_up, strict=False):
            if of and value < 0:
                ids[-1 - value] = True
    return Sums(counts, kinds, tuple([paths[out] for out in piece.outs]), longest, tuple(ids))


def _through(path: tuple[int, ...], before: list[tuple[int, ...]], nothing: tuple[int, ...]) -> tuple[int, ...]:
    """The paths of a piece behind those that lead to it."""
    inside, *through = path
    behind = ([length + more for length in lengths] for lengths, more in zip(before, through, strict=True))
    return tuple(map(max, (inside, *nothing[1:]), *behind))


def memory(piece: Piece, enters: tuple[Enters, ...]) -> Held:
    """What a piece does to memory, worked out once for values that enter so: as `storages` and `live_bytes` say it."""
    found: Held | None = piece.known.get(enters)
    if found is None:
        found = piece.known[enters] = _memory(piece, enters)
    return found


def _memory(piece: Piece, enters: tuple[Enters, ...]) -> Held:
    parts, behind = piece.parts, len(piece.parts)
    last = [*range(behind)]
    last_entered = [-1] * len(enters)
    for index, part in enumerate(parts):
        for value in part.inputs:
            if value >= 0:
                last[value] = index
            else:
                last_entered[-1 - value] = index
    for out in piece.outs:
        last[out] = behind
    # By storage, those that enter first: its elements, and the last part that needs what stands in it.
    sizes: list[int] = [0] * (1 + max((own.storage for own in enters), default=-1))
    needed = [-1] * len(sizes)
    for own, end in zip(enters, last_entered, strict=True):
        sizes[own.storage] = own.size
        needed[own.storage] = behind if own.needed else max(needed[own.storage], end)
    first_new = len(sizes)
    stands: list[int] = []

    def stand(storage: int) -> None:
        needed[storage] = max(needed[storage], last[len(stands)])
        stands.append(storage)

    live = most = made = 0
    others: Iterator[int] = iter(())
    for index, (op, inputs, shape, _) in enumerate(parts):
        sources = [stands[value] if value >= 0 else enters[-1 - value].storage for value in inputs]
        if op is None:
            stand(next(others))
        elif isinstance(op, Piece):
            known = {storage: number for number, storage in enumerate(dict.fromkeys(sources))}
            kept = [sizes[storage] >= 0 and needed[storage] > index for storage in sources]
            state = [
                Enters(known[storage], 0 if keep else sizes[storage], keep)
                for storage, keep in zip(sources, kept, strict=True)
            ]
            held = memory(op, tuple(state))
            most, live, made = max(most, live + held.most), live + held.left, made + held.made
            here = [*known, *range(len(sizes), len(sizes) + len(held.new))]
            sizes += held.new
            needed += [-1] * len(held.new)
            others = iter([here[number] for number in held.stands])
            stand(next(others))
        else:
            storage, source = op.storage, sources[0] if sources else -1
            overwrites = storage == "inplace" and sizes[source] >= 0 and needed[source] <= index
            if storage == "view" or overwrites:
                stand(source)
            else:
                size = -1 if storage == "own" else elements(shape)
                sizes.append(size)
                needed.append(-1)
                stand(len(sizes) - 1)
                if size > 0:
                    live, made = live + size, made + size
            most = max(most, live)
            for each in {*sources, stands[-1]}:
                if needed[each] == index and sizes[each] > 0:
                    live -= sizes[each]
    outer = [stands[out] for out in piece.outs]
    new = [storage for storage in dict.fromkeys(outer) if storage >= first_new]
    number = {storage: first_new + at for at, storage in enumerate(new)}
    places = tuple([number.get(storage, storage) for storage in outer])
    return Held(most, live, made, places, tuple([sizes[storage] for storage in new]))
