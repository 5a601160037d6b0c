"""What has changed between a locked network and the present one: its causes, what follows from them, and what becomes
of old checkpoints."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ..alignment.align import Linked, Side
from ..alignment.weights import Checkpoint, checkpoint
from ..analysis.arithmetic import restated
from ..graph import Graph
from ..records import NamedTuple
from .lock import Entry

COUNTS = ("params", "macs", "activation_bytes")
FIELDS = ("node", "op", "reads", "shares", "output", *COUNTS, "state", "path", "inputs", "outputs")  # that may change


class LockPlace(NamedTuple):
    """Where a node stands in its spec: its call, and the calls of the blocks that hold it, from the innermost to the
    row of the table, which is the last. `note`: what it, or a node of a row, does otherwise than in archcalc 0.1.0."""

    where: str
    within: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A field of a node that is not as locked, or a total's (then `path` is empty). `field` is `node` where the whole
    node is new or gone, otherwise what a `LockLine` calls it. `cause`: it does not follow from another change. `place`
    is where it stands, or would stand. Nodes that are new or gone side by side have one `run`."""

    path: str
    field: str
    locked: Any
    now: Any
    place: LockPlace
    cause: bool
    run: int = 0


@dataclass(frozen=True, slots=True)
class Drift:
    """All that differs. `totals` are by name, locked and now; `checkpoint` is None for a lock by rows."""

    changes: tuple[Change, ...] = field(repr=False)
    totals: dict[str, tuple[int | None, int | None]]
    checkpoint: Checkpoint | None

    @property
    def causes(self) -> list[Change]:
        return [change for change in self.changes if change.cause]


def places(graph: Graph, by_rows: bool = False) -> list[LockPlace]:
    """The places of the lines of a lock, in order."""
    if by_rows:
        notes = [(row, (restated(node.op) for node in graph.nodes[row.start : row.stop])) for row in graph.rows]
        return [LockPlace(row.where.where, note=next(filter(None, found), "")) for row, found in notes]
    within: list[list[str]] = [[] for _ in graph.nodes]
    for span in graph.spans:  # outer before inner
        where = span.where.where
        for index in range(span.start, span.stop):
            within[index].append(where)
    found = [
        LockPlace(
            node.where.where,
            tuple(dict.fromkeys(w for w in reversed(calls) if w != node.where.where)),
            restated(node.op),
        )
        for node, calls in zip(graph.nodes, within, strict=True)
    ]
    return found + [LockPlace(found[0].where)] * len(graph.code.unused if graph.code else ())


def compare(old: Entry, new: Entry, where: Sequence[LockPlace], of_input: str) -> Drift:
    """The difference; `where` are the places of the new lines, `of_input` is where the spec says the input."""
    links = min(_alignments(old, new), key=lambda found: found.cost)
    changes = [
        Change("", name, getattr(old, name), getattr(new, name), LockPlace(of_input), cause)
        for name, cause in (("inputs", True), ("outputs", False))
        if getattr(old, name) != getattr(new, name)
    ]
    found = [*changes, *links.changes(where, input_changed=old.inputs != new.inputs)]
    pairs = {name: (old.totals.get(name), new.totals.get(name)) for name in (*old.totals, *new.totals)}
    totals = {name: (before, now) for name, (before, now) in pairs.items() if before != now}
    if not any(change.cause for change in found):  # nothing else explains it: what an op costs is counted otherwise
        found = [replace(change, cause=True) for change in found]
    by_rows = old.by_rows or new.by_rows
    before, now = ([line.held() for line in entry.lines] for entry in (old, new))
    return Drift(tuple(found), totals, None if by_rows else checkpoint(before, now, links.to))


# --- which node is which ------------------------------------------------------------------------------------------


class Links:
    """Which new line stands for which old one: `to[i]` of the old line i, `back[j]` of the new line j."""

    def __init__(self, old: Entry, new: Entry, pairs: Sequence[tuple[int, int]]) -> None:
        self.old, self.new = old, new
        self.to: dict[int, int] = dict(pairs)
        self.back = {j: i for i, j in pairs}
        self._reads = {id(entry): _reads(entry) for entry in (old, new)}
        self._through = {id(entry): self._behind(entry) for entry in (old, new)}
        self._rewired = {i for i, j in pairs if self._sources(old, i, self.to) != self._sources(new, j, self.back)}

    def _sources(self, entry: Entry, index: int, linked: dict[int, int]) -> list[int]:
        """What a line reads, as old lines; through lines that only one side has, to what stands in front of them."""
        through = self._through[id(entry)]
        found = [through[value] if value >= 0 else value for value in self._reads[id(entry)][index]]
        return [linked[value] if entry is self.new and value >= 0 else value for value in found]

    def _behind(self, entry: Entry) -> list[int]:
        """Of each line itself where the other side has it, else the line or input that its value comes from there."""
        linked = self.to if entry is self.old else self.back
        found: list[int] = []
        for index, reads in enumerate(self._reads[id(entry)]):
            found.append(index if index in linked else reads[0] if reads[0] < 0 else found[reads[0]])
        return found

    @property
    def cost(self) -> int:
        """How many nodes are no consequence: the fewer, the better the alignment."""
        changed = sum(self.old.lines[i].op != self.new.lines[j].op for i, j in self.to.items())
        added, removed = len(self.new.lines) - len(self.to), len(self.old.lines) - len(self.to)
        return 2 * (changed + len(self._rewired)) + added + removed

    def changes(self, where: Sequence[LockPlace], input_changed: bool) -> Iterator[Change]:
        """Node by node, in the order of the new network, what is gone behind what stood in front of it."""
        old, new = self.old.lines, self.new.lines
        gone: dict[int, list[int]] = {}
        front = -1
        for i in range(len(old)):
            if i in self.to:
                front = self.to[i]
            else:
                gone.setdefault(front, []).append(i)
        front = -1
        blocks = {above for line in old for above in _all_above(line.path)}
        for j in range(-1, len(new)):
            if j in self.back:
                yield from self._node(j, where, input_changed)
                front = j
            elif j >= 0:
                place = _outer(where[j], _missing(new[j].path, blocks))
                yield Change(new[j].path, "node", None, new[j], place, True, front)
            for i in gone.get(j, ()):
                yield Change(old[i].path, "node", old[i], None, self._where_it_stood(old[i].path, j, where), True, j)

    @cached_property
    def _blocks(self) -> dict[str, list[int]]:
        """The new lines in each row and block."""
        found: dict[str, list[int]] = {}
        for j, line in enumerate(self.new.lines):
            for above in _all_above(line.path):
                found.setdefault(above, []).append(j)
        return found

    def _node(self, j: int, where: Sequence[LockPlace], input_changed: bool) -> Iterator[Change]:
        new = self.new.lines[j]
        i = self.back[j]
        old = self.old.lines[i]
        if old == new and i not in self._rewired:
            return
        follows = self._follows(i, j, input_changed)
        if old.op != new.op:  # the digest of a row's nodes is another also where only its input is
            own = not (self.new.by_rows and follows and old.op.split()[0] == new.op.split()[0])
            yield Change(new.path, "op", old.op, new.op, where[j], own)
            follows = True
        if i in self._rewired:
            yield Change(new.path, "reads", self._read(self.old, i), self._read(self.new, j), where[j], True)
            follows = True
        if bool(old.shares) != bool(new.shares):
            yield Change(new.path, "shares", old.shares, new.shares, where[j], True)
            follows = True
        for name in ("output", *COUNTS, "state"):
            before, now = getattr(old, name), getattr(new, name)
            if before != now:
                yield Change(new.path, name, before, now, where[j], not follows and name != "activation_bytes")
        if old.path != new.path:
            yield Change(new.path, "path", old.path, new.path, where[j], False)

    def _read(self, entry: Entry, index: int) -> tuple[str, ...]:
        """The paths of what a line reads."""
        lines = entry.lines
        return lines[index].reads or (lines[index - 1].path if index else "@",)

    def _follows(self, i: int, j: int, input_changed: bool) -> bool:
        """Whether a value that the node reads has changed its shape."""

        def changed(before: int, now: int) -> bool:
            if before < 0 or now < 0:
                return input_changed or before >= 0 or now >= 0
            return self.old.lines[before].output != self.new.lines[now].output

        return any(map(changed, self._reads[id(self.old)][i], self._reads[id(self.new)][j]))

    def _where_it_stood(self, path: str, front: int, where: Sequence[LockPlace]) -> LockPlace:
        """Of a line that is gone: the row or block that held it, where that still stands, or its neighbour's."""
        holders = _all_above(path)
        for steps, above in enumerate(holders):
            near = self._blocks.get(above, ())
            if near:
                at = bisect_left(near, front)
                return _outer(where[min(near[max(0, at - 1) : at + 1], key=lambda j: abs(j - front))], steps)
        return LockPlace(_outer(where[max(front, 0)], len(holders)).where) if where else LockPlace("")


def _all_above(path: str) -> list[str]:
    """The blocks that hold a node, innermost first, and the row."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]


def _missing(path: str, blocks: set[str]) -> int:
    """How many of the blocks that hold a node are not among `blocks`, from the innermost."""
    above = _all_above(path)
    return next((n for n, block in enumerate(above) if block in blocks), len(above))


def _outer(place: LockPlace, steps: int) -> LockPlace:
    """The place `steps` blocks further out, as far as there are any."""
    every = (place.where, *place.within)
    steps = min(steps, len(every) - 1)
    return LockPlace(every[steps], every[steps + 1 :])


def _reads(entry: Entry) -> list[list[int]]:
    """What every line reads: indices of earlier lines, −1, −2, … are inputs."""
    index = {line.path: i for i, line in enumerate(entry.lines)}
    inputs: dict[str, int] = {}
    return [
        [i - 1 if i else -1]
        if not line.reads
        else [index[name] if name in index else inputs.setdefault(name, -1 - len(inputs)) for name in line.reads]
        for i, line in enumerate(entry.lines)
    ]


def _alignments(old: Entry, new: Entry) -> Iterator[Links]:
    """By path; and, where that leaves something open, by what the nodes do and read."""
    index = {line.path: j for j, line in enumerate(new.lines)}
    by_path = [(i, index[line.path]) for i, line in enumerate(old.lines) if line.path in index]
    links = Links(old, new, by_path)
    yield links
    if links.cost:
        yield Links(old, new, sorted(Linked(_side(old), _side(new)).to.items()))


def _side(entry: Entry) -> Side:
    lines = entry.lines
    words = [line.op.partition("(")[0] for line in lines]
    leaves = [line.path.rpartition("/")[2].partition(".")[0] for line in lines]
    kinds = [(word if not word[:1].isdigit() else "", leaf) for word, leaf in zip(words, leaves, strict=True)]
    calls = [line.op for line in lines]
    ordered = [False] * len(lines)
    return Side(calls, calls, [calls, kinds], _reads(entry), ordered, ordered, [len(lines) - 1] if lines else [])
