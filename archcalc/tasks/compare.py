"""Networks side by side: their figures, the ratios to the first, and which of them nothing else beats.

Nothing is counted here: every figure is one of `analyse`, of `receptive`, of a measurement, or printed in a paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import inf, log2
from pathlib import Path
from typing import Literal, TypeVar

from .. import files
from .. import models as library
from ..analysis.counts import Layer, Totals
from ..analysis.roofline import network_intensity
from ..errors import SpecError, UsageError, did_you_mean, printable
from ..fronts import is_other, with_input
from ..gate.build import reference
from ..language.metrics import ReportedMetric
from ..language.zoo import all_of, at_input, known_names, select, select_named, shipped, split
from ..measurement import regression
from ..measurement.conditions import Conditions
from ..measurement.latency import Interrupted, Measurement
from ..measurement.regression import SAME, same_conditions
from ..measurement.runs import Run, read
from ..models import Model, Summary
from ..networks import Reference, Settings, input_at, inputs_of, name_of
from ..ops import Shape, Tokens
from ..ops.shapes import numel
from ..papers.accuracies import Result, common
from ..papers.results import Reported
from ..parallel import Tick, hold_interrupts
from ..records import NamedTuple
from ..views import Tabular
from .choose import LeftOut, NoneLeft, read_choice, said
from .results import declared, results_of

BY = ("stage", "row", "op")


@dataclass(frozen=True, slots=True)
class Compared:
    """A model as it was asked for, `resnet50@256`, with its summary, a printed accuracy where there is one, and what is
    reported for it; `short` is how people see it where that is another name."""

    name: str
    summary: Summary = field(repr=False)
    result: Result | None = None
    reported: tuple[Reported, ...] = ()
    short: str = ""

    @property
    def called(self) -> str:
        """What tables and pictures call it."""
        return self.short or self.name

    @property
    def totals(self) -> Totals:
        return self.summary.report.totals


Figure = Callable[[Compared], int | float | None]
Interval = tuple[float, float]
Found = TypeVar("Found")


class Metric(NamedTuple):
    """A figure of a network: its key in JSON and csv, its heading, which way is better (−1: less), where it is from.

    `between` is there where it is measured with noise: the interval of its median, None for too few runs."""

    key: str
    heading: str
    better: int
    of: Figure
    unit: Literal["count", "bytes", "ms", "ratio", "percent", "plain"] = "count"
    between: Callable[[Compared], Interval | None] | None = None
    asked: bool = False  # whether it is shown only where somebody asks for it
    reported: ReportedMetric | None = None  # where nobody computes it

    @property
    def bounded_in(self) -> str:
        """The unit of a bound."""
        if self.reported:
            return self.reported.unit
        return "%" if self.unit == "percent" else self.unit if self.unit in ("bytes", "ms") else ""


def _total(name: str) -> Figure:
    return lambda model: getattr(model.totals, name)


def _training_bytes(model: Compared) -> int | None:
    return model.summary.training.peak_bytes if model.summary.training else None


def _measured(figure: Callable[[Measurement], Found | None]) -> Callable[[Compared], Found | None]:
    return lambda model: None if model.summary.measured is None else figure(model.summary.measured)


def _memory(run: Measurement) -> int | None:
    """What the allocator gave at most in an inference: values and what is inside ops; parameters are not in it."""
    memory = run.memory
    return memory.peak_memory_bytes + memory.workspace_bytes if memory and memory.workspace_bytes is not None else None


def _latency_between(run: Measurement) -> Interval | None:
    known = run.confidence
    return None if known is None or known.low is None or known.high is None else (known.low, known.high)


def _throughput_between(run: Measurement) -> Interval | None:
    low, high = _latency_between(run) or (0, 0)
    return (1000 * run.batch / high, 1000 * run.batch / low) if low else None


def _field(model: Compared) -> float | None:
    report = model.summary.report
    return report.receptive_fields.most(report.receptive_fields.last_map)


COMPARED = (
    Metric("params", "params", -1, _total("params")),
    Metric("active_params", "params, active", -1, _total("active_params")),
    Metric("macs", "MACs", -1, _total("macs")),
    Metric("flops", "FLOPs", -1, _total("flops")),
    Metric("param_bytes", "parameters", -1, _total("param_bytes"), "bytes", asked=True),
    Metric("activation_bytes", "activations", -1, _total("activation_bytes"), "bytes"),
    Metric("peak_memory_bytes", "peak memory", -1, _total("peak_memory_bytes"), "bytes"),
    Metric(
        "training_memory_bytes",
        "peak memory, training",
        -1,
        _training_bytes,
        "bytes",
    ),
    Metric("weight_layers", "weight layers", 0, _total("weight_layers"), "plain"),
    Metric("receptive_field", "receptive field", 0, _field, "plain"),
    Metric("arithmetic_intensity", "FLOPs per byte", 0, lambda m: network_intensity(m.summary.report), "ratio"),
    Metric("accuracy", "accuracy", 1, lambda m: m.result.accuracy if m.result else None, "percent"),
    Metric("latency_ms", "latency", -1, _measured(lambda run: run.whole.median), "ms", _measured(_latency_between)),
    Metric(
        "throughput", "samples per s", 1, _measured(lambda run: run.throughput), "ratio", _measured(_throughput_between)
    ),
    Metric("measured_memory_bytes", "memory, measured", -1, _measured(_memory), "bytes"),
)
MEASURED = {"latency_ms", "throughput", "measured_memory_bytes"}
OF_MACS = ("flops", "arithmetic_intensity")
PARETO = ("params", "macs", "peak_memory_bytes", "latency_ms", "accuracy")


def figures(models: Sequence[Compared]) -> tuple[Metric, ...]:
    """All that is known of models: what is counted, measured and printed, and what is reported for them, which stands
    for what is printed under the same name."""
    own: dict[str, Metric] = {}
    for name, metric in declared(result for model in models for result in model.reported).items():
        unit: Literal["percent", "plain"] = "percent" if metric.unit == "%" else "plain"
        own[name] = Metric(name, name, metric.better, _reported(name), unit, reported=metric)
    known = [metric for metric in COMPARED if metric.key not in own]
    calls = models[0].summary.calls if models else ""
    if calls:  # what another tool counts is headed as that tool calls it, and nothing is made of it
        known = [m._replace(heading=calls) if m.key == "macs" else m for m in known if m.key not in OF_MACS]
    return (*known, *own.values())


def _reported(name: str) -> Figure:
    return lambda model: next((result.value for result in model.reported if result.metric.name == name), None)


@dataclass(frozen=True, slots=True)
class Comparison(Tabular):
    """Models side by side. `metrics` are those that at least one of them has; `in_turn`: they were measured so, and
    `stopped` is what ended that before it was done; `left_out` are those that did not keep what was asked for."""

    models: tuple[Compared, ...]
    metrics: tuple[Metric, ...]
    in_turn: bool = False
    stopped: BaseException | None = None
    left_out: tuple[LeftOut, ...] = ()

    def ratio(self, model: Compared, metric: Metric) -> float | None:
        """A figure as a multiple of the first model's; None where there is none, or nothing to divide by."""
        if metric.unit == "percent":
            return None
        first, own = metric.of(self.models[0]), metric.of(model)
        if first is None or own is None or first <= 0 or own < 0:  # nothing is so many times as much
            return None
        return None if inf in (first, own) else own / first

    def better(self, metric: Metric, one: Compared, other: Compared) -> int:
        """1 where one model's figure is better than another's, −1 where it is worse; 0 where they are alike, or the
        difference of what was measured is within the noise."""
        first, second = metric.of(one) or 0, metric.of(other) or 0
        if first == second or within_noise(one, other, metric):
            return 0
        return metric.better if first > second else -metric.better

    def best(self, metric: Metric) -> tuple[Compared, ...]:
        """The models that none beats, where one is better and they are not all alike."""
        known = [model for model in self.models if metric.of(model) is not None]
        best = tuple(one for one in known if all(self.better(metric, other, one) <= 0 for other in known))
        return () if not metric.better or len(best) == len(known) else best

    @property
    def pareto_metrics(self) -> tuple[Metric, ...]:
        """What decides who is Pareto-optimal: the costs, and latency, accuracy and what is reported where all models
        have them."""
        wanted = [m for m in self.figures if m.key in PARETO or (m.reported is not None and m.better)]
        return tuple(metric for metric in wanted if all(metric.of(model) is not None for model in self.models))

    @property
    def figures(self) -> tuple[Metric, ...]:
        """All that may be asked for."""
        return figures(self.models)

    @property
    def pareto(self) -> tuple[Compared, ...]:
        """The models that no other is at least as good as in everything, and better in something."""
        return tuple(one for one in self.models if not any(self._beats(other, one) for other in self.models))

    def _beats(self, other: Compared, one: Compared) -> bool:
        found = [self.better(metric, other, one) for metric in self.pareto_metrics]
        return min(found) >= 0 and max(found) > 0


def ratio_between(one: Compared, other: Compared, metric: Metric) -> Interval | None:
    """Between which figures a measured ratio lies, by the intervals of the two medians; None for too few runs."""
    if metric.between is None:
        return None
    own, first = metric.between(one), metric.between(other)
    return None if own is None or first is None or not first[0] else (own[0] / first[1], own[1] / first[0])


def within_noise(one: Compared, other: Compared, metric: Metric) -> bool:
    """Whether what was measured of two models cannot be told apart: their medians' intervals overlap, or the runs are
    too few for one. Never of what is counted."""
    if metric.between is None:
        return False
    found = ratio_between(one, other, metric)
    return found is None or found[0] <= 1 <= found[1]


def side_by_side(
    models: Sequence[Compared],
    in_turn: bool = False,
    stopped: BaseException | None = None,
    left_out: Sequence[LeftOut] = (),
    asked: int = 0,
) -> Comparison:
    """Put models side by side, perhaps not all that were `asked` for. Raises NoneLeft where none is left, UsageError
    where only one was asked for, or where what was measured of them was measured under different conditions."""
    if left_out and not models:
        raise NoneLeft("no network keeps all bounds", words=said(left_out))
    if max(asked, len(models)) < 2:
        raise UsageError("a comparison needs at least two models", "For example `archcalc compare vgg16 resnet50`.")
    runs = [model.summary.measured for model in models if model.summary.measured is not None]
    for run in runs[1:]:
        same_conditions(runs[0], {name: getattr(run, name) for name in SAME})
    known = [metric for metric in figures(models) if not metric.asked]
    present = [metric for metric in known if any(metric.of(model) is not None for model in models)]
    if all(model.summary.report.totals.active_params == model.summary.report.totals.params for model in models):
        present = [metric for metric in present if metric.key != "active_params"]
    return Comparison(tuple(models), tuple(present), in_turn, stopped, tuple(left_out))


# --- the networks -----------------------------------------------------------------------------------------------------


def compare(
    *models: Reference | Model,
    runs: Mapping[str, Run] | None = None,
    batch: int | None = None,
    dtype: str = "",
    like: str = "",
    fold_bn: bool = False,
    optimizer: str = "sgd",
    settings: Settings | None = None,
    results: Path | str = "",
    conditions: Conditions | None = None,
    where: str = "",
    sort: str = "",
    top: int | None = None,
    tick: Tick | None = None,
) -> Comparison:
    """Hold networks side by side: by name, at another input as `resnet50@256`, saved runs (`run.json`), what `load` and
    `capture` give; a family, a pattern (`resnet*`) and a spec file stand for all of their models.

    Only those are kept that keep the bounds of `where` (`params < 30M and latency <= 20ms`), by `sort` the largest
    first (`-macs`: the smallest), of these the first `top`. `results` is a file of what somebody reports for them.
    `runs` are the saved ones, if they are read already. All are counted at the batch and in the dtype of these, or at 1
    and in float32, unless said otherwise; with `conditions` they are also measured, in turn. Ctrl-C ends that:
    `stopped` says so, and what was measured is kept. Raises UsageError, SpecError, Unavailable, NoneLeft."""
    plan = ComparisonPlan(batch, dtype, like, fold_bn, optimizer, settings, results)
    saved_runs = saved(models) if runs is None else runs
    found = gather(models, plan, saved_runs, conditions, tick, where, sort, top)
    return side_by_side(found.models, conditions is not None, found.stopped, found.left_out, found.asked)


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """How the networks of a comparison are counted: as a saved run was made if there is one, unless it is said; and
    the results that somebody has for them, beside those of their specs."""

    batch: int | None = None
    dtype: str = ""
    like: str = ""
    fold_bn: bool = False
    optimizer: str = ""
    settings: Settings | None = None
    results: Path | str = ""


class Gathered(NamedTuple):
    """The networks of a comparison, what ended the measuring, if any, which are left out, and how many were asked
    for."""

    models: list[Compared]
    stopped: BaseException | None
    left_out: list[LeftOut]
    asked: int


def each_of(models: Iterable[Reference | Model]) -> list[str | Model]:
    """All models that are meant; what is built already stays. Raises as `all_of` does."""
    found: list[str | Model] = []
    for _, part in groupby(models, lambda model: isinstance(model, Model)):
        few = [*part]
        found += [one for one in few if isinstance(one, Model)]
        found += all_of([name_of(one) for one in few if not isinstance(one, Model)])
    return found


def gather(
    models: Sequence[Reference | Model],
    plan: ComparisonPlan,
    runs: Mapping[str, Run] | None = None,
    conditions: Conditions | None = None,
    tick: Tick | None = None,
    where: str = "",
    sort: str = "",
    top: int | None = None,
) -> Gathered:
    """The networks of a comparison, each with the accuracy that is printed for it where it is as printed, and with what
    is reported for it. `runs` are the saved runs among `models`; what of `where`, `sort` and `top` needs no measurement
    is decided before one is made. Raises UsageError, SpecError, Unavailable."""
    runs = runs or {}
    if runs and (plan.settings or plan.fold_bn):
        option = "--fold-bn" if plan.fold_bn else "--set"
        raise UsageError(f"`{option}` changes a network, and a saved run is of one as it was")
    if runs and conditions is not None:
        name, run = next(iter(runs.items()))
        hint = f"To measure it in turn with the others, name the model: `{printable(run.model)}`."
        raise UsageError(f"`{printable(name)}` is measured already", hint)
    made = conditions or next((measured for run in runs.values() for measured in run.measurements), None)
    batch = plan.batch if plan.batch is not None else made.batch if made else 1
    dtype = plan.dtype or (made.dtype if made else "float32")
    given = each_of(models)
    typed = [one for one in given if isinstance(one, str)]
    names = [with_input(one, typed, plan.settings) if isinstance(one, str) else one.name for one in given]
    built = [
        library.load(one, settings=plan.settings)
        if isinstance(one, Model)
        else load_run(runs[name], name)
        if name in runs
        else _loaded(name, one, plan.settings)
        for name, one in zip(names, given, strict=True)
    ]
    printed = {result.model: result for result in common([model.name for model in built if model.printed])}
    results = results_of(plan.results, dict(zip(names, built, strict=True)))
    found: list[tuple[Compared, Model]] = []
    shorter = _shorter(
        [name for name, one in zip(names, given, strict=True) if isinstance(one, str) and one not in runs]
    )
    for name, model in zip(names, built, strict=True):
        counted = model.fold_bn() if plan.fold_bn else model
        if conditions is not None:
            counted = counted.own_run(replace(conditions, batch=batch, dtype=dtype))
        taken = at_batch(runs[name], name, batch) if name in runs else None
        summary = counted.summary(batch, dtype, taken, plan.like, plan.optimizer if model.graph.code is None else "")
        result = printed.get(model.name) if model.printed else None
        found.append((Compared(name, summary, result, results[name], shorter.get(name, "")), counted))
    choice = read_choice(where, sort, top, {m.key: m.bounded_in for m in figures([one for one, _ in found])})
    early, late = choice.split(MEASURED)
    unmeasured = sorted(choice.asked & MEASURED)
    if unmeasured and not conditions and not any(one.summary.measured for one, _ in found):
        raise UsageError(f"`{unmeasured[0]}` is measured", "`--measure` does it, for those that are left by then.")
    left = [out for one, _ in found for out in early.left_out(one.name, one, figure)]
    found = early.of(found, lambda pair, key: figure(pair[0], key))
    compared, stopped = [one for one, _ in found], None
    if conditions is not None and found:
        if len(names) < 2:
            raise UsageError("a comparison needs at least two models")
        at = replace(conditions, batch=batch, dtype=dtype)
        try:
            measured = library.measure_in_turn([model for _, model in found], at, tick)
        except Interrupted as interruption:
            measured, stopped = interruption.measurements, interruption
        hold_interrupts()
        pairs = zip(compared, measured, strict=True)
        compared = [replace(one, summary=replace(one.summary, measured=run)) for one, run in pairs]
    left += [out for one in compared for out in late.left_out(one.name, one, figure)]
    return Gathered(late.of(compared, figure), stopped, left, len(names))


def _shorter(names: Sequence[str]) -> dict[str, str]:
    """What models of spec files are called in them, `net@64` of `./my.yaml:net@64`, where no other network of these or
    of the zoo is called so."""
    found: dict[str, list[str]] = {}
    for name in names:
        own = at_input(name)[0]
        if not is_other(own) and split(own)[0] is not None:
            found.setdefault(select(own).name + name.removeprefix(own), []).append(name)
    taken = {*known_names(), *names} if found else set()
    return {each[0]: own for own, each in found.items() if len(each) == 1 and own.partition("@")[0] not in taken}


def figure(model: Compared, key: str) -> int | float | None:
    """The figure of a model by its key."""
    metric = next((metric for metric in figures([model]) if metric.key == key), None)  # None: reported for others alone
    return metric.of(model) if metric else None


def _loaded(typed: str, own: str, settings: Settings | None) -> Model:
    """A model, which at the input of another one may not run: `own` is how it was named. Raises UsageError,
    SpecError."""
    try:
        return load_at(typed, settings)
    except SpecError as error:
        if typed != own and not error.hint:
            at = typed.rpartition("@")[2].replace("x", "×")
            error.hint = f"It ran at {at}, as the other one does: `--input` says what it takes."
        raise


def load_at(typed: str, settings: Settings | None = None) -> Model:
    """A model by what is typed, `resnet50@256`. Raises UsageError, SpecError."""
    if is_other(typed):
        return library.load(typed, settings=settings)
    name, size = at_input(typed)
    shape = None if size is None else input_at(name, size, settings)
    return library.load(name, input=shape, settings=settings)


# --- saved runs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunComparison(Tabular):
    """Two saved runs of one network, by the names of their files: which layers got slower in between."""

    before: str
    name: str
    now: Run
    comparisons: tuple[regression.Regression, ...] = field(repr=False)

    @property
    def exit_code(self) -> int:
        """1 where anything got slower, 3 where there are too few runs to tell, else 0."""
        return regression.exit_code(self.comparisons)


def compare_runs(
    runs: Mapping[str, Run], tolerance: float = regression.TOLERANCE, every: bool = False
) -> RunComparison:
    """Hold the second of two saved runs against the first; slower by less than `tolerance` is no matter. `every` batch
    of it is to be held, not only what the first one has, too.

    Raises UsageError where they are not of the same work, Unavailable where scipy is missing."""
    (before, was), (name, now) = runs.items()
    regression.of_one_work(was, now.model, now.inputs, now.paths, [m.batch for m in now.measurements], every)
    return RunComparison(before, name, now, regression.compare(was, now, tolerance))


def saved(models: Iterable[Reference | Model]) -> dict[str, Run]:
    """The saved runs among what is named, by that. Raises UsageError."""
    names = [name_of(model) for model in models if not isinstance(model, Model)]
    return {
        name: read(files.typed(name), name) for name in names if name.lower().endswith(".json") and not is_other(name)
    }


def of_one_network(runs: Mapping[str, Run]) -> bool:
    """Whether these are two runs of one network at one input, perhaps after a change."""
    if len(runs) != 2:
        return False
    before, now = runs.values()
    return before.at(now.inputs) and (before.model == now.model or before.paths == now.paths)


def load_run(run: Run, name: str) -> Model:
    """The network that a run was made of, as it is built today. Raises UsageError where it is another one now."""
    if not run.spec:
        raise UsageError(f"`{printable(name)}` is a run of code, which no saved run builds")
    named, by = run.model if shipped(run.spec) else f"{run.spec}:{run.model.rpartition(':')[2]}", files.typed(name)
    selection = select_named(named, by, reference(named, by))
    printed = run.at([*inputs_of(selection, run.settings).items()])
    measured = dict(run.inputs) if len(run.inputs) > 1 else run.input
    model = library.load(selection, input=None if printed else measured, settings=run.settings)
    if tuple(node.path for node in model.graph.nodes[: model.graph.main]) != run.paths:
        what = f"`{printable(name)}` is a run of another network than `{printable(run.model)}` is now"
        raise UsageError(what, "Two runs of it can be compared with each other: `archcalc compare old.json new.json`.")
    return model


def at_batch(run: Run, name: str, batch: int) -> Measurement:
    """What a run has at a batch. Raises UsageError."""
    found = {measured.batch: measured for measured in run.measurements}
    if batch not in found:
        there = ", ".join(map(str, found)) or "nothing"
        raise UsageError(f"`{printable(name)}` measured no batch of {batch}", f"It has {there}: `--batch` chooses.")
    return found[batch]


# --- where the difference lies --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """A stage, row or kind of op: parameters, MACs and activation bytes in each model, None where it has none such."""

    stage: str
    name: str
    params: tuple[int | None, ...]
    macs: tuple[int | None, ...]
    activation_bytes: tuple[int | None, ...]


def stage_of(shape: Shape, input: Shape) -> tuple[float, str]:
    """By how much the resolution of a value is smaller than the input's, a power of two: `1/8`, whatever the input.

    A sequence is a stage of its own, and so is what has one position; both stand behind the maps."""
    if isinstance(shape, Tokens):
        return 1e6, "tokens"
    if numel(shape[1:]) == 1 or len(input) < 2:
        return 1e9, "vector"
    times = round(log2(numel(input[1:]) / numel(shape[1:])) / (len(input) - 1))
    return times, f"1/{2**times}" if times >= 0 else f"{2**-times}"


def shares(comparison: Comparison, by: str) -> tuple[Share, ...]:
    """Where the difference lies: by resolution, by the rows within it, or by kind of op. Raises UsageError."""
    if by not in BY:
        raise UsageError(f"`--by {by}` is nothing to compare by", did_you_mean(by, BY))
    parts: dict[Key, list[list[int] | None]] = {}
    for at, model in enumerate(comparison.models):
        for key, layers in _parts(model, by):
            sums = parts.setdefault(key, [None] * len(comparison.models))
            own = sums[at] or [0, 0, 0]
            for layer in layers:
                own = [own[0] + layer.params, own[1] + layer.macs, own[2] + layer.activation_bytes]
            sums[at] = own
    if by == "op":  # by MACs and then by bytes, where they are most
        ordered = sorted(
            parts.items(), key=lambda item: [-max(own[n] if own else 0 for own in item[1]) for n in (1, 2)]
        )
    else:
        ordered = sorted(parts.items(), key=lambda item: item[0][0])
    return tuple(
        Share(stage, name, *(tuple(None if own is None else own[n] for own in sums) for n in range(3)))
        for ((_, stage), name), sums in ordered
    )


Key = tuple[tuple[float, str], str]  # a stage with its rank, and a name


def _parts(model: Compared, by: str) -> Iterator[tuple[Key, Sequence[Layer]]]:
    report = model.summary.report
    layers = report.layers[: report.graph.main]
    input = report.graph.inputs[0][1]
    if by == "row":
        for span in report.graph.rows:
            if not span.head and span.start < span.stop:
                stage = stage_of(report.graph.shape(span.output), input)
                label = f"{span.label}: {span.text}" if span.label and span.label != span.text else span.text
                yield (stage, label), layers[span.start : span.stop]
        return
    for layer in layers:
        yield ((0, ""), layer.op) if by == "op" else (stage_of(layer.node.shape, input), ""), (layer,)
