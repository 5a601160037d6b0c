"""A network at many sizes: every point that is shown is built and counted, nothing is extrapolated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from json import dumps
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from .. import files
from ..analysis.counts import Report
from ..analysis.paths import path_length, sequential
from ..errors import ArchcalcError, UsageError
from ..fronts import is_other, made_with
from ..graph import Input
from ..language.zoo import at_input, select, split
from ..models import Model, another_network, load, measure_in_turn
from ..networks import Reference, Spelled, input_at, input_of, is_code
from ..ops import Shape
from ..papers.results import Reported
from ..parallel import Tick, ticked
from ..views import Drawn, Tabular
from .choose import NoneLeft
from .results import known_results, merged, network_of
from .space import INPUT, MOST, Candidate, Space, Value, is_expression, shown, values_of
from .sweep import (
    FIELD,
    LATENCY,
    MOST_KEPT,
    MOST_MEASURED,
    SHOWN,
    TRAINING,
    Plan,
    Refused,
    Sweep,
    Tally,
    settable,
    shipped_digest,
)

if TYPE_CHECKING:
    from ..analysis.training import Training
    from ..measurement.latency import Measurement
    from .store import Store

# How far signals travel: only where somebody asks for it, and no bound of a sweep.
PATHS: Mapping[str, Callable[[Report], int | None]] = {
    "sequential_operations": lambda report: sequential(report, 0, report.graph.main),
    "path_length": lambda report: path_length(report, 0, report.graph.main, report.graph.outputs),
}
Sides = Sequence[int | Shape]
Varied = Mapping[str, Sequence[int | float | str | Fraction] | str]


@dataclass(frozen=True, slots=True)
class Point:
    """A network at one input, batch and setting of its constants; of a sweep with its number, where a training step is
    asked for with that, and with its latency where that was measured."""

    input: Shape
    batch: int
    settings: dict[str, str]
    report: Report = field(repr=False)
    reported: tuple[Reported, ...] = ()
    number: int | None = None
    training: Training | None = field(default=None, repr=False)
    measured: Measurement | None = field(default=None, repr=False)

    def figure(self, name: str) -> float | None:
        """A figure by its name: a total, what is made of the counts, what varies, or what is reported."""
        if name == TRAINING:
            return None if self.training is None else self.training.peak_bytes
        if name == "training_macs":
            return None if self.training is None else self.training.macs
        if name in PATHS:
            return PATHS[name](self.report)
        if name == FIELD:
            return self.report.receptive_fields.most(self.report.receptive_fields.last_map)
        if name == LATENCY:
            return None if self.measured is None else self.measured.whole.median
        if name == "batch":
            return self.batch
        if name in self.settings:
            return float(Fraction(self.settings[name]))
        found = next((result.value for result in self.reported if result.metric.name == name), None)
        return found if found is not None else self.report.totals.counts().get(name)

    @property
    def latency_between(self) -> tuple[float, float] | None:
        """The 95 % confidence interval of the median latency, in milliseconds; None where too few runs were made."""
        known = None if self.measured is None else self.measured.confidence
        return None if known is None or known.low is None or known.high is None else (known.low, known.high)

    @property
    def inputs(self) -> tuple[tuple[str, Shape], ...]:
        """All inputs by name."""
        return self.report.graph.inputs


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A size at which a network does not build, and why."""

    input: Input | None
    settings: dict[str, str]
    error: ArchcalcError = field(repr=False)


@dataclass(frozen=True, slots=True)
class Swept:
    """How points were chosen of many: of how many in the whole space, how many were counted and are left within all
    bounds, how many each bound left out, and what did not build, by its reason. `objectives` are those of a front,
    `maximized` the ones of which more is better, `by` is what the best are by. `file` is where all points are, `rate`
    how many were counted a second, by all processes together. `others` are some of what is left, evenly over the space,
    with what varies and the two figures that are `drawn`. There are so many `more` points that are kept
    than are shown."""

    size: int
    counted: int
    left: int
    dropped: dict[str, int]
    refused: tuple[Refused, ...]
    objectives: tuple[str, ...]
    maximized: tuple[str, ...]
    by: str
    rate: float = field(compare=False)
    file: str = ""
    drawn: tuple[str, ...] = ()
    others: tuple[dict[str, float | str], ...] = field(default=(), repr=False)
    more: int = 0


@dataclass(frozen=True, slots=True)
class ScaleResult(Tabular, Drawn):
    """A network, as it was asked for, at many points: those that build, and what does not; of a sweep those that are
    kept. `asked` are figures that decide, beside those that are always there."""

    model: str
    points: tuple[Point, ...]
    unbuilt: tuple[Unbuilt, ...] = ()
    notes: tuple[str, ...] = ()
    swept: Swept | None = None
    asked: tuple[str, ...] = ()


def scale(
    model: Reference,
    *,
    inputs: Sides | Mapping[str, Sides] = (),
    batches: Sequence[int] = (1,),
    settings: Varied | None = None,
    dtype: str = "float32",
    results: Path | str = "",
    vary: Varied | None = None,
    sample: int = 0,
    seed: int = 0,
    latin: bool = False,
    search: int = 0,
    where: str = "",
    pareto: Sequence[str] = (),
    maximize: Sequence[str] = (),
    best: int = 0,
    by: str = "",
    optimizer: str = "",
    columns: Sequence[str] = (),
    points: str = "",
    resume: bool = False,
    jobs: int = 1,
    engine: str = "",
    scheduler: str = "",
    tick: Tick | None = None,
) -> ScaleResult:
    """Count a network at every combination of inputs, batches, settings and what else is to `vary`; these are built,
    each once, and for `notes` the printed one.

    An input is whole, or a number for every side; of several they go by name. Values are lists, or texts as on the
    command line: `1..9`, `8..256*2`; a place in a table is `layers[stage 3]`; a setting may be an expression of what
    varies, `1.2**phi`. What does not build is told beside the others. `results` is a file of what somebody reports for
    the network, as `resnet50` or `resnet50@256`, with the spec's constants. With an `optimizer` a training step is
    counted, too.

    It is a sweep, in which only some points are kept and shown, where bounds are given (`where`), the front of some
    figures (`pareto`, of which more of those to `maximize` is better), how many of the `best` `by` a figure, how many
    to `sample` (with `latin` as a Latin hypercube) or to `search` for (each guided by those before, by optuna), or a
    file for all `points` that are left, with these `columns`; that is written as they come, and `resume` goes on with
    one that was stopped. `jobs` processes count, or an `engine`: joblib, or dask at the address of its `scheduler`.

    Raises UsageError, also for more than 2,000 points that all are to be shown; where none builds what the first one
    raises; NoneLeft where none keeps all bounds; Unavailable."""
    sweeping = bool(where.strip() or pareto or maximize or best or sample or search or points or engine)
    if not sweeping and (resume or by or jobs != 1):
        raise UsageError("`--resume`, `--by` and `--jobs` are for a sweep", "Such as `--best 20 --by macs --jobs 2`.")
    if sweeping and isinstance(model, str) and not is_other(model):
        name, size = at_input(model)
        if size is not None and inputs:
            raise UsageError(f"`{model}` says the input, and `--input` others", f"Leave one out: `{name}`.")
        if size is not None:
            inputs = {key: [axes] for key, axes in size.items()} if isinstance(size, Mapping) else [size]
            model = name
    name = at_input(str(model))[0]
    code = None if not is_code(name) else model if isinstance(model, Spelled) else Spelled(str(model))
    if sweeping and code is None and is_other(name):
        raise UsageError(f"`{name}` is a trace of one input, batch and dtype", "A sweep is of the code itself.")
    if code is not None and (jobs != 1 or engine):
        raise UsageError("a sweep of code is counted in one process", "Leave `--jobs` and `--engine` out.")
    axes, derived = _space(inputs, batches, settings or {}, vary or {}, dtype, optimizer, code is not None)
    plan = Plan(
        str(model),
        _text(model),
        axes,
        derived,
        where,
        tuple(pareto),
        tuple(maximize),
        best,
        by,
        optimizer or ("sgd" if any(name == "optimizer" for name, _ in axes) else ""),
        tuple(columns) or (*SHOWN, *([TRAINING] if optimizer else [])),
        sample,
        seed,
        latin,
        search,
        shipped_digest() if sweeping else "",
        beside=dumps(code.beside) if code is not None else "",
    )
    network = _Network(model if code is None else code, plan, results)
    if not sweeping:
        return network.every(tick)
    return network.swept(points, resume, jobs, engine, scheduler, tick)


def _space(
    inputs: Sides | Mapping[str, Sides],
    batches: Sequence[int],
    settings: Varied,
    vary: Varied,
    dtype: str,
    optimizer: str,
    words: bool,
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """What varies, and what follows from it, as texts."""
    named = inputs if isinstance(inputs, Mapping) else {"": inputs} if inputs else {}
    axes = {f"{INPUT} {name}".rstrip(): _listed(each) for name, each in named.items()}
    axes["batch"] = _listed(batches)
    derived: dict[str, str] = {}
    for name, given in settings.items():
        text = _listed(given)
        if is_expression(text):
            derived[name] = text
        else:
            axes[name] = text
            values_of(name, text, "--set", words)  # what is wrong with it is said here, where the option is known
    for name, given in vary.items():
        if name in derived or (name in axes and axes[name] != "1"):
            raise UsageError(f"`{name}` varies twice")
        axes[name] = _listed(given)
        values_of(name, axes[name], "--vary", words)
    if "batch" in derived:
        del axes["batch"]
    for name, text in (("dtype", dtype), ("optimizer", optimizer)):
        if text and name not in axes:
            axes[name] = text
    return tuple(axes.items()), tuple(derived.items())


def _listed(values: str | Sequence[Value | float]) -> str:
    """Values as they are typed on the command line."""
    return values if isinstance(values, str) else ",".join(map(shown, values))


def _text(model: Reference) -> str:
    """The text of a spec file that does not ship; nothing of another model."""
    path = str(model) if isinstance(model, Path) else split(at_input(model)[0])[0]
    if path is None or is_other(str(model)):
        return ""
    return files.decoded(files.read(files.typed(path), files.MOST, "a spec file", path), path)


class _Network:
    """A network whose points are asked for."""

    def __init__(self, model: Reference, plan: Plan, results: Path | str) -> None:
        self.model, self.plan = model, plan
        self.known = known_results(results, {str(model)}) if results else ()
        self.own = list(_of_model(model, self.known))
        self.built: dict[tuple[str, str], Model | Unbuilt] = {}

    def every(self, tick: Tick | None) -> ScaleResult:
        """All points, in order."""
        plan = self.plan
        other = is_other(str(self.model))
        of = plan.code or (None if other else select(at_input(str(self.model))[0]))
        space = Space(plan.axes, plan.derived, settable(of), words=plan.code is not None)
        if space.size > MOST:
            hint = "`--pareto`, `--best` and `--where` choose, and `--points FILE` has all."
            raise UsageError(f"{space.size:,} points are more than {MOST:,}", hint)
        candidates = ticked(range(space.size), tick)
        points = [point for number in candidates if (point := self.point(space.at(number)))]
        return self.result(points)

    def swept(self, file: str, resume: bool, jobs: int, engine: str, scheduler: str, tick: Tick | None) -> ScaleResult:
        """The points that are kept of all, each built again, by which no sweep tells anything that is not so."""
        from .engines import counted
        from .guided import searched

        if resume and not file:
            raise UsageError("`--resume` needs the file of a sweep that was stopped", "`--points FILE` names it.")
        if self.plan.search and (self.plan.points or engine):
            raise UsageError("`--search` goes neither with `--sample` nor with `--engine`")
        if jobs < 0:
            raise UsageError(f"`--jobs {jobs}`: at least 1, or 0 for all processors")
        sweep, begun = Sweep(self.plan), monotonic()
        tally, total = Tally(sweep), self.plan.search or len(sweep.numbers)
        with _stored(file, sweep, resume) as store:
            for chunk in store.chunks if store else ():
                tally.add(chunk)
            before = tally.counted
            done = {chunk.number for chunk in store.chunks} if store else set()
            left = [number for number in sweep.chunks if number not in done]
            guided = searched(sweep, done, jobs, store.path if store else None) if self.plan.search else None
            with closing(guided or counted(self.plan, left, jobs, engine, scheduler)) as chunks:
                for chunk in chunks:
                    if store:
                        store.add(chunk)
                    tally.add(chunk)
                    if tick is not None:
                        tick(chunk.number + 1 if guided else tally.counted, total)
        seconds = monotonic() - begun
        if not tally.left:
            raise _none_left(self.model, tally, sweep)
        numbers = sweep.chosen(tally.kept)
        more = (len(numbers) if sweep.deciding else tally.left) - MOST_KEPT
        points = self._kept(numbers[:MOST_KEPT], tally, sweep, tick)
        about = Swept(
            sweep.space.size, tally.counted, tally.left, tally.left_out, tally.reasons,
            tuple(sweep.objectives), tuple(n for n in sweep.objectives if n in sweep.maximized), sweep.by,
            (tally.counted - before) / seconds if seconds else 0.0, file, sweep.drawn, tuple(sweep.others(tally)),
            max(more, 0),
        )  # fmt: skip
        return self.result(points, about, tuple(sweep.asked))

    def _kept(self, numbers: Sequence[int], tally: Tally, sweep: Sweep, tick: Tick | None) -> list[Point]:
        """The points of these numbers, with what had to wait for it measured."""
        if sweep.measured and len(numbers) > MOST_MEASURED:
            hint = f"Bound them: at most {MOST_MEASURED} are measured, in turn."
            raise UsageError(f"{tally.left:,} points are left, too many to measure each", hint)
        candidates = [sweep.space.at(number) for number in numbers]
        points = [point for c in candidates if (point := self.point(c, c.number)) is not None]
        if not sweep.measured:
            return points
        return _measured([(point, self.at(c)) for point, c in zip(points, candidates, strict=True)], sweep, tick)  # type: ignore[misc]

    def at(self, candidate: Candidate) -> Model | Unbuilt:
        """The network at a point, made once."""
        sizes = candidate.input if isinstance(candidate.input, Mapping) else {"": candidate.input or ()}
        key = str({name: shown(size) for name, size in sizes.items()}), str(candidate.settings)
        if key not in self.built:
            self.built[key] = _build(self.model, candidate)
        return self.built[key]

    def point(self, candidate: Candidate, number: int | None = None) -> Point | None:
        """A point, built and counted; None where it does not build."""
        network = self.at(candidate)
        if isinstance(network, Unbuilt):
            return None
        fits = [result for result, shape in self.own if _is_at(network, shape) and not candidate.settings]
        reported = merged(network.reported, fits, {result.model.value for result in fits})
        report = network.report(candidate.batch, candidate.dtype)
        training = None
        if self.plan.optimizer:
            training = network.training(candidate.batch, candidate.dtype, candidate.optimizer)
        return Point(network.input, candidate.batch, candidate.shown, report, reported, number, training)

    def result(self, points: Sequence[Point], swept: Swept | None = None, asked: Sequence[str] = ()) -> ScaleResult:
        """The result, with what makes a point another network than it seems."""
        unbuilt = tuple(found for found in self.built.values() if isinstance(found, Unbuilt))
        if not points and unbuilt:
            raise unbuilt[0].error
        alike: dict[str, list[Model]] = {}
        for found in self.built.values():
            if isinstance(found, Model):
                alike.setdefault(str(found.settings), []).append(found)
        notes = [note for group in alike.values() for note in (*group[0].stands_in, *another_network(group))]
        if swept and swept.more:
            notes.append(f"of {len(points) + swept.more:,} points that are kept the first {len(points)} are shown")
        return ScaleResult(str(self.model), tuple(points), unbuilt, tuple(dict.fromkeys(notes)), swept, tuple(asked))


def _build(model: Reference, candidate: Candidate) -> Model | Unbuilt:
    """The network at a point, or why there is none."""
    shape = candidate.input
    try:
        if is_code(at_input(str(model))[0]):
            return load(made_with(model, candidate.settings), input=shape)
        if shape is not None and not is_other(str(model)):
            shape = input_at(model, shape, candidate.settings)
        return load(model, input=shape, settings=candidate.settings)
    except ArchcalcError as error:
        return Unbuilt(shape, candidate.shown, error)


def _of_model(model: Reference, known: Sequence[Reported]) -> Iterator[tuple[Reported, Input]]:
    """The results of a model, each with the input that it is at. Raises SpecError for one that there cannot be."""
    for result in known:
        _, size = at_input(result.model.value)
        if network_of(result.model.value)[:2] == network_of(str(model))[:2]:
            try:
                yield result, input_at(model, size) if size else input_of(model)
            except UsageError as error:
                raise result.model.error(error.message, error.hint) from None


def _is_at(model: Model, input: Input) -> bool:
    there = dict(model.graph.inputs)
    return {**there, **input} == there if isinstance(input, Mapping) else model.input == input


def _none_left(model: Reference, tally: Tally, sweep: Sweep) -> ArchcalcError:
    """Why nothing is left: the bounds, or what the first point that does not build says."""
    if tally.reasons and not tally.dropped:
        try:
            found = _build(model, sweep.space.at(tally.reasons[0].number))
        except ArchcalcError as error:
            return error
        return found.error if isinstance(found, Unbuilt) else UsageError(tally.reasons[0].message)
    words = [f"{bound}: {count:,}" for bound, count in tally.left_out.items()]
    words += [f"{each.message}: {each.many:,}" for each in tally.reasons]
    return NoneLeft(f"no point of {tally.counted:,} keeps all bounds; so many each left out:", words=words)


@contextmanager
def _stored(file: str, sweep: Sweep, resume: bool) -> Iterator[Store | None]:
    """The file of all points, closed however the sweep ends."""
    if not file:
        yield None
        return
    from .store import Store

    store, done = Store(file, sweep, resume), False
    try:
        yield store
        done = True
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped; what was counted is in `{store.name}`, and `--resume` goes on there"
        ) from None
    finally:
        store.close(done)


def _measured(found: Sequence[tuple[Point, Model]], sweep: Sweep, tick: Tick | None) -> list[Point]:
    """Points with their latency on this machine, run in turn; of these those that keep what bounds it, and of them the
    front, in which latencies within the noise are alike, or the best. Raises NoneLeft."""
    from ..measurement.conditions import Conditions
    from .compare import COMPARED, Compared, within_noise

    apart = {(point.batch, point.report.dtype) for point, _ in found}
    if len(apart) > 1:
        raise UsageError("what is measured together has one batch and one dtype", "Leave `batch` and `dtype` as one.")
    (batch, dtype), metric = *apart, next(metric for metric in COMPARED if metric.key == LATENCY)
    runs = measure_in_turn([model for _, model in found], Conditions(batch, dtype), tick)
    points = [replace(point, measured=run) for (point, _), run in zip(found, runs, strict=True)]
    kept = [p for p in points if all(bound.holds(p.figure(bound.quantity) or 0) for bound in sweep.bounds)]
    if not kept:
        words = [f"{p.measured.whole.median:.3g} ms" for p in points if p.measured]
        raise NoneLeft("no point is as quick as it should be", words=words)
    runs_of = {
        id(p): Compared("", m.summary(batch, dtype, p.measured)) for p, (_, m) in zip(points, found, strict=True)
    }

    def better(one: Point, other: Point, name: str) -> int:
        first, second = one.figure(name) or 0, other.figure(name) or 0
        if first == second or (name == LATENCY and within_noise(runs_of[id(one)], runs_of[id(other)], metric)):
            return 0
        return 1 if (first > second) == (name in sweep.maximized) else -1

    def beats(one: Point, other: Point) -> bool:
        each = [better(one, other, name) for name in sweep.objectives]
        return bool(each) and min(each) >= 0 and max(each) > 0

    front = [point for point in kept if not any(beats(other, point) for other in kept)]
    if sweep.by:
        front.sort(key=lambda p: (p.figure(sweep.by) or 0) * (-1 if sweep.by in sweep.maximized else 1))
    return front[: sweep.plan.best or None]
