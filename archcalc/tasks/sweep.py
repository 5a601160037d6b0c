"""Many points of a space, counted in chunks by whoever is there, of which only those that are asked for are kept.

A `Plan` is words and numbers alone: that, and the numbers of its points, is all that goes to another process or another
machine, and what a sweep that was stopped is known by.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from heapq import nsmallest
from json import loads
from operator import le
from typing import Any

from .. import __version__
from ..analysis.counts import Report, Totals, analyse
from ..analysis.training import train
from ..bounds import Bound, one_of, read_where
from ..candidates import Candidates, Exceeded
from ..errors import ArchcalcError, Source, Text, Unavailable, UsageError
from ..fronts import arguments, made_with
from ..graph import Input
from ..language.zoo import Selection, select, select_text, spec_files
from ..networks import Spelled, input_at, is_settable, network, numbers
from ..records import NamedTuple
from ..units import with_separators
from .space import LARGEST, Candidate, Space, shown

TOTALS = tuple(name for name in Totals.__slots__ if name != "elementwise")
SHOWN = ("params", "macs", "flops", "activation_bytes", "peak_memory_bytes", "weight_layers")  # in a file, unless asked
TRAINING, FIELD, LATENCY = "training_memory_bytes", "receptive_field", "latency_ms"
FIGURES = (*TOTALS, TRAINING, FIELD, LATENCY)
LONG = 500  # points of a chunk at most
CHUNKS = 64  # of a sweep at least, where it has as many points
REASONS = 50  # why points do not build, each told apart
MOST_KEPT = 500  # points that are built again and shown
MOST_MEASURED = 64
STREWN = 1_000  # points behind those that are kept, in a picture


def unit_of(name: str) -> str:
    """The unit of a figure: bytes, ms or none."""
    return "bytes" if name.endswith("_bytes") else "ms" if name.endswith("_ms") else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep counts, and what it keeps. `text` is a spec file's that does not ship, `optimizer` that of training
    steps, if they are counted; `file` names the figures of points in a file. `points` are drawn, or
    found by a `search` of so many, where they are not 0.
    `specs` tells the shipped specs by, `version` archcalc; of code `beside` is JSON of what is said beside its name."""

    model: str
    text: str
    axes: tuple[tuple[str, str], ...]
    derived: tuple[tuple[str, str], ...]
    where: str = ""
    pareto: tuple[str, ...] = ()
    maximize: tuple[str, ...] = ()
    best: int = 0
    by: str = ""
    optimizer: str = ""
    file: tuple[str, ...] = SHOWN
    points: int = 0
    seed: int = 0
    latin: bool = False
    search: int = 0
    specs: str = ""
    version: str = __version__
    beside: str = ""

    @property
    def code(self) -> Spelled | None:
        """The code that it is of; None of a spec."""
        return Spelled(self.model, **loads(self.beside)) if self.beside else None

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: [list(e) if isinstance(e, tuple) else e for e in value] if isinstance(value, tuple) else value
                for name, value in asdict(self).items()}  # fmt: skip


@lru_cache(maxsize=1)
def shipped_digest() -> str:
    """What changes when a shipped spec does."""
    found = sha256()
    for path in spec_files():
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


class Refused(NamedTuple):
    """Points that do not build for one reason: how many, the number of the first, its message and its place."""

    many: int
    number: int
    message: str
    where: str


Kept = tuple[tuple[float, ...], int]  # what decides about a point, the smallest first, and its number


@dataclass(frozen=True, slots=True)
class Chunk:
    """What came of some points: the rows of those that are left, which of them are kept, how many each bound left out,
    and what does not build; and, of what is left, the ones that lie so far apart that a picture may show them."""

    number: int
    counted: int
    left: int
    kept: tuple[Kept, ...]
    dropped: dict[str, int] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    strewn: tuple[Kept, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON has it, without the rows."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "rows"}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Chunk:
        """Read from JSON."""
        kept, strewn = (
            tuple((tuple(values), number) for values, number in document[name]) for name in ("kept", "strewn")
        )
        refused = tuple(Refused(*each) for each in document["refused"])
        return cls(
            document["number"], document["counted"], document["left"], kept, document["dropped"], refused, strewn
        )


class Sweep:
    """The points of a plan, counted by their numbers. Raises UsageError and SpecError for a plan that makes no sense,
    Unavailable for one of another version or with other specs."""

    def __init__(self, plan: Plan) -> None:
        if plan.version != __version__:
            raise Unavailable(f"a worker has archcalc {__version__}, and the sweep is of {plan.version}")
        self.code = plan.code
        if self.code is None and plan.specs != shipped_digest():
            raise Unavailable("a worker has other specs than the sweep", "Install one and the same archcalc.")
        self.plan = plan
        self.selection = None if self.code is not None else _selected(plan)
        asked = [*plan.pareto, *plan.maximize, *filter(None, [plan.by]), *plan.file]
        words = {*re.findall(r"\w+", " ".join([plan.where, *asked]))}
        self.space = Space(plan.axes, plan.derived, settable(self.code or self.selection), words, bool(self.code))
        many = plan.points or plan.search or self.space.size
        if many > LARGEST or self.space.size > 10**18:
            size = with_separators(many)
            raise UsageError(f"{size} points are more than {LARGEST:,}", "`--sample` draws some of them.")
        self.numbers: Sequence[int] = range(self.space.size)
        if plan.points:
            self.numbers = self.space.sample(plan.points, plan.seed, plan.latin)
        self.known = {name: unit_of(name) for name in (*self.space.numbers, "batch", *FIGURES)}
        self.bounds = read_where(plan.where, self.known) if plan.where.strip() else ()
        self.pareto = [self._one(name, "--pareto") for name in (*plan.pareto, *plan.maximize)]
        up = {self._one(name, "--maximize") for name in plan.maximize}
        self.by = self._one(plan.by, "--by") if plan.by else ""
        self.objectives = [*dict.fromkeys(self.pareto)] if plan.pareto or (plan.maximize and not plan.best) else []
        self.deciding = [(n, -1 if n in up else 1) for n in (*self.objectives, *filter(None, [self.by]))]
        self.maximized = up
        self.known |= dict.fromkeys(("point", *self.space.columns), "")
        self.drawn = tuple(dict.fromkeys([*self.objectives, *filter(None, [self.by]), "params", "macs"]))[:2]
        self.file = [name for name in (self._one(each, "--columns") for each in plan.file) if name in FIGURES]
        if bool(plan.best) != bool(plan.by):
            raise UsageError("`--best N` and `--by FIGURE` go together", "Such as `--best 20 --by macs`.")
        self.needed = {n for n, _ in self.deciding} | {b.quantity for b in self.bounds} | {*self.file}
        if TRAINING in self.needed and not plan.optimizer:
            raise UsageError(f"`{TRAINING}` is of a training step", "Give `--train` too.")
        if self.selection is not None:
            numbers(self.selection, dict.fromkeys(self.space.settings, 1))  # none is one that cannot be set
        self._candidates = Candidates(self.selection) if self.selection is not None else None
        self._reported: tuple[int, Report] | None = None
        most = [b for b in self.bounds if b.quantity in TOTALS and b.comparison in ("<=", "≤", "<")]
        self._limits = {b.quantity: b.limit for b in sorted(most, key=lambda bound: -bound.limit)}

    @property
    def asked(self) -> list[str]:
        """The figures that decide."""
        return [*dict.fromkeys([name for name, _ in self.deciding] + [bound.quantity for bound in self.bounds])]

    @property
    def measured(self) -> bool:
        """Whether something that is asked for is measured: then every point that is left is kept for it."""
        return LATENCY in self.needed

    @property
    def long(self) -> int:
        """How many points a chunk has."""
        return 1 if self.plan.search else min(LONG, max(1, -(-len(self.numbers) // CHUNKS)))

    @property
    def chunks(self) -> range:
        """The numbers of all chunks."""
        return range(self.plan.search or -(-len(self.numbers) // self.long))

    def _one(self, name: str, option: str) -> str:
        return one_of(Text(name, Source(option, (name,)), 1, 1), self.known)

    # --- counting -----------------------------------------------------------------------------------------------------

    def report(self, point: Candidate) -> Report:
        """The counts of a point, of the last one not made again. Raises ArchcalcError where it does not build."""
        if self._reported is None or self._reported[0] != point.number:
            if self.selection is None:
                graph = network(made_with(self.code or "", point.settings), point.input).graph
            else:
                graph = network(self.selection, input_of(self.selection, point), point.settings).graph
            self._reported = point.number, analyse(graph, point.batch, point.dtype)
        return self._reported[1]

    def figures(self, point: Candidate) -> dict[str, Any] | Bound:
        """What is known of a point, or the first bound that it does not keep: the cheapest are looked at first, nothing
        is counted behind the one that decides, and of a network no more than it takes to see that it is too large.
        Raises ArchcalcError where it does not build."""
        found: dict[str, Any] = {"batch": point.batch, **point.values}
        left = self.bounds
        for more in (self._totals, self._training, self._field, None):
            now, left = (
                [bound for bound in left if bound.quantity in found],
                tuple(bound for bound in left if bound.quantity not in found),
            )
            for bound in now:
                if not bound.holds(found[bound.quantity]):
                    return bound
            counted = more(point) if more is not None else {}
            if isinstance(counted, Exceeded):
                return next(b for b in self.bounds if b.quantity == counted.name and b.limit == counted.limit)
            found |= counted
        return found

    def _totals(self, point: Candidate) -> dict[str, int] | Exceeded:
        if self._candidates is None or self.selection is None:
            return self.report(point).totals.counts()
        shape = input_of(self.selection, point)
        found = self._candidates.totals(point.settings, shape, point.batch, point.dtype, self._limits)
        return found if isinstance(found, Exceeded) else found.counts()

    def _training(self, point: Candidate) -> dict[str, Any]:
        if TRAINING not in self.needed:
            return {}
        return {TRAINING: train(self.report(point), point.optimizer).peak_bytes}

    def _field(self, point: Candidate) -> dict[str, Any]:
        if FIELD not in self.needed:
            return {}
        report = self.report(point)
        return {FIELD: report.receptive_fields.most(report.receptive_fields.last_map) or 0}

    def chunk(self, number: int) -> Chunk:
        """Count the points of a chunk."""
        start = number * self.long
        return self.count(number, self.numbers[start : start + self.long])

    def count(self, number: int, points: Sequence[int]) -> Chunk:
        """Count these points; `number` is what they are called together."""
        rows: list[tuple[Any, ...]] = []
        kept: list[Kept] = []
        seen: list[Kept] = []
        dropped: Counter[str] = Counter()
        refused: dict[tuple[str, str], Refused] = {}
        for at in points:
            try:
                point = self.space.at(at)
                found = self.figures(point)
            except ArchcalcError as error:
                _refuse(refused, Refused(1, at, error.message, getattr(error, "where", "")))
                continue
            if isinstance(found, Bound):
                dropped[found.text.value] += 1
                continue
            decide = () if self.measured else tuple(sign * found[name] for name, sign in self.deciding)
            kept.append((decide, at))
            if LATENCY not in self.drawn:
                seen.append((tuple(found[name] for name in self.drawn), at))
            rows.append((at, *self._varied(point), *(found.get(name) for name in self.file)))
        best = tuple(self.choose(kept))
        apart = max(1, len(seen) * len(self.chunks) // STREWN)
        left, why = len(kept), tuple(refused.values())
        return Chunk(number, len(points), left, best, dict(dropped), why, tuple(seen[::apart]), tuple(rows))

    # --- what is kept -------------------------------------------------------------------------------------------------

    def others(self, tally: Tally) -> Iterator[dict[str, float | str]]:
        """What varies of the points that lie far apart, and the figures that are drawn of them."""
        for values, number in sorted(tally.strewn, key=lambda each: each[1]):
            point = self.space.at(number)
            side = {} if point.input is None or isinstance(point.input, Mapping) else {"input": str(point.input[-1])}
            yield {**point.shown, **side, "batch": str(point.batch), **dict(zip(self.drawn, values, strict=True))}

    @property
    def columns(self) -> list[str]:
        """The columns of a file of points."""
        return ["point", *self.space.columns, *self.file]

    def _varied(self, point: Candidate) -> tuple[int | float | str, ...]:
        found: dict[str, int | float | str] = {"batch": point.batch}
        found |= {name: float(v) if isinstance(v, Fraction) else v for name, v in point.values.items()}
        if isinstance(point.input, Mapping):
            found |= {f"input {name}": shown(shape) for name, shape in point.input.items()}
        elif point.input is not None:
            found["input"] = shown(point.input)
        return tuple(found[name] for name in self.space.columns)

    def choose(self, points: Iterable[Kept]) -> list[Kept]:
        """Of some points those that are kept, whichever others there are: the front, of what is alike the first; so
        many of the best; or the first ones."""
        if self.measured:
            return nsmallest(MOST_MEASURED + 1, points)
        if self.objectives:
            return front(points, len(self.objectives))
        return nsmallest(self.plan.best or MOST_KEPT, points)

    def chosen(self, points: Iterable[Kept]) -> list[int]:
        """The numbers of what is kept of all, in the order in which it is shown."""
        kept = self.choose(points)
        if self.objectives and self.plan.best:
            kept = nsmallest(self.plan.best, kept, key=lambda each: (each[0][-1], each[1]))
        return [number for _, number in kept]


def _selected(plan: Plan) -> Selection:
    return select_text(plan.model, plan.text) if plan.text else select(plan.model)


def settable(of: Selection | Spelled | None) -> Callable[[str], bool]:
    """Which names are constants of a spec, or what code is made with. Raises as `arguments` does."""
    if isinstance(of, Selection):
        return lambda name: is_settable(of, name)
    known = arguments(of) if of is not None else None
    return lambda name: known is None or name in known


def input_of(selection: Selection, point: Candidate) -> Input | None:
    """The input of a point, with the channels that the spec has."""
    return None if point.input is None else input_at(selection, point.input, point.settings)


def front(points: Iterable[Kept], objectives: int) -> list[Kept]:
    """The points that no other is at least as good as in all of the first so many values, those with the smallest first
    value first; of points alike the one with the smallest number."""
    found: list[Kept] = []
    own: list[tuple[float, ...]] = []
    for point in sorted(points, key=lambda each: (each[0][:objectives], each[1])):
        values = point[0][:objectives]
        # What comes earlier is no larger in the first value; of two it is enough to look at the last of the front.
        beaten = own[-1:] if objectives == 2 else own
        if not any(all(map(le, best, values)) for best in beaten):
            found.append(point)
            own.append(values)
    return found


def _refuse(found: dict[tuple[str, str], Refused], more: Refused) -> None:
    """Count points that do not build by their reasons, which differ in more than numbers."""
    key = re.sub(r"[0-9.×/]+", "0", more.message), more.where
    if key not in found and len(found) >= REASONS:
        key, more = ("", ""), more._replace(message="other reasons", where="")
    old = found.get(key, more._replace(many=0))
    first = min(old, more, key=lambda each: each.number)
    found[key] = first._replace(many=old.many + more.many)


@lru_cache(maxsize=2)
def sweep_of(plan: Plan) -> Sweep:
    """The sweep of a plan, made once in a process."""
    return Sweep(plan)


def count_chunk(job: tuple[Plan, int]) -> Chunk:
    """Count a chunk of a plan: what a worker does."""
    plan, number = job
    return sweep_of(plan).chunk(number)


@dataclass(slots=True)
class Tally:
    """What came of all chunks so far."""

    sweep: Sweep
    counted: int = 0
    left: int = 0
    kept: list[Kept] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    refused: dict[tuple[str, str], Refused] = field(default_factory=dict)
    strewn: list[Kept] = field(default_factory=list)
    _since: int = 0

    @property
    def left_out(self) -> dict[str, int]:
        """How many points each bound left out, in their order."""
        texts = dict.fromkeys(bound.text.value for bound in self.sweep.bounds)
        return {text: self.dropped[text] for text in texts if text in self.dropped}

    @property
    def reasons(self) -> tuple[Refused, ...]:
        """Why points do not build, the first of them first."""
        return tuple(sorted(self.refused.values(), key=lambda each: each.number))

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk."""
        self.counted += chunk.counted
        self.left += chunk.left
        self.kept += chunk.kept
        self.strewn += chunk.strewn
        self._since += len(chunk.kept)
        if self._since > 5_000:
            self.kept, self._since = self.sweep.choose(self.kept), 0
        self.dropped.update(chunk.dropped)
        for each in chunk.refused:
            _refuse(self.refused, each)
