"""Comparisons: figures with ratios and bars, and where the difference lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from math import inf
from typing import Annotated, NotRequired, TypedDict, cast

from .. import __version__
from ..documents import SCHEMA, VERSION, WRITER, Count, Dtype, Positive, Sizes, Version
from ..errors import printable
from ..measurement.runs import MeasurementDocument, described
from ..tasks.choose import said
from ..tasks.compare import BY, Compared, Comparison, Metric, Share, ratio_between, within_noise
from . import wording
from .columns import (
    Column,
    Shown,
    Value,
    as_is,
    binary,
    counts,
    decimal,
    exact,
    known,
    named,
    percent,
    plain,
    time,
    words,
)
from .documents import Noted, SeveralInputs, TotalsDocument, noted, several_inputs, totals_document
from .layout import bar, left, right, width_of
from .page import Block, Fact, Facts, Gap, Note, Only, Page, Table, Verbatim, told
from .reported import REPORTED, ReportedDocument, as_written, reported_document, sources
from .styles import ACCENT, BOLD, DIM, LOUD, PLAIN, Pieces
from .wording import STOPPED, clean

BAR = 24
SHOW: dict[str, Callable[[Sequence[Value]], Shown]] = {"count": exact, "bytes": binary, "ms": time, "percent": percent}


def _ratio_of(values: Sequence[Value]) -> Shown:
    return Shown("", [f"{times(v)}×" if isinstance(v, (int, float)) else "" for v in values])


def times(ratio: float) -> str:
    """A ratio with three digits, `0.186`, `70.5`, `1,016`."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _small(values: Sequence[Value]) -> Shown:
    return Shown("", ["" if v is None else "∞" if v == inf else f"{v:,.4g}" for v in values])


def _show(metric: Metric, raw: bool = False) -> Callable[[Sequence[Value]], Shown]:
    if metric.reported is not None:
        return as_written(metric.reported.unit)
    if raw:
        return plain
    if metric.key in ("macs", "flops"):
        return decimal
    return SHOW.get(metric.unit, _small)


def page(
    found: Comparison,
    raw: bool = False,
    shared: Sequence[Share] = (),
    by: str = "",
    keys: Sequence[str] = (),
    ratios: bool = False,
) -> Page:
    """A comparison; `shared` says where the difference lies, `keys` which metrics are shown, `ratios` that tables have
    them too. Csv has a model a line with all ratios, or where the difference lies. Raises UsageError for a key that is
    none."""
    chosen(found, keys)
    models = ", ".join(printable(model.called) for model in found.models)

    def table() -> Table:
        return Table(_share_columns(found, by), shared) if shared else Table(_rows(found, keys), found.models)

    title = f"Comparison by {by}: {models}" if shared else f"Comparison of {models}"
    return Page(
        title,
        lambda: blocks(found, raw, shared, by, keys, ratios),
        lambda: data(found, shared, by),
        table,
        notes=notes_of(found.models),
    )


def blocks(
    found: Comparison,
    raw: bool = False,
    shared: Sequence[Share] = (),
    by: str = "",
    keys: Sequence[str] = (),
    ratios: bool = False,
) -> Iterator[Block]:
    """The blocks of a comparison below its heading."""
    metrics, models = chosen(found, keys), []
    for model in found.models:
        about = filter(None, [clean(model.summary.title), wording.heading(model.summary)[-1]])
        models.append(Fact(printable(model.called), " · ".join(about), label_style=LOUD))
    yield Facts(models)
    yield Gap()
    figures = Table(_networks(found, metrics, raw, ratios), found.models, partial(_sure_notes, found, metrics))
    instead: list[Block] = [figures, Facts(list(_best(found, metrics)))]
    yield Verbatim(lambda width: _bars(found, metrics, raw), instead=instead)
    yield Gap()
    if shared:
        shares = _share_columns(found, by)
        yield Table([as_is(column) for column in shares] if raw else shares, shared, terminal=shares, fill=True)
        yield Gap()
    shown = {metric.key for metric in metrics}  # all, or those that were asked for
    accuracies = [Fact("accuracy", text) for text in _settings(found) if not keys or "accuracy" in shown]
    best = ", ".join(printable(model.called) for model in found.pareto)
    kept = {m.called: [r for r in m.reported if not keys or r.metric.name in shown] for m in found.models}
    accuracies += [Fact("reported", text) for text in sources(kept)]
    accuracies += [Fact("left out", text) for text in said(found.left_out)]
    by = ", ".join(metric.heading for metric in found.pareto_metrics)
    facts = [Fact(*fact) for fact in wording.notes(notes_of(found.models))]
    pareto = [Fact("Pareto", f"Pareto-optimal in {by}: {best}")]
    if keys and not {metric.key for metric in found.pareto_metrics} <= shown:
        pareto = []  # who is best in what nobody asked for
    yield from [Facts([*pareto, *accuracies, *facts], 10)] if pareto or accuracies or facts else []
    measured = _measured(found)
    yield from [Facts(measured, 10)] if measured else []
    yield Only(("text",), [_conventions(found, metrics, True)])
    yield Only(("markdown", "latex", "html"), [_conventions(found, metrics, ratios)])


def notes_of(models: Sequence[Compared]) -> list[str]:
    """What makes models other networks than they seem."""
    return [clean(f"{model.name}: {note}") for model in models for note in model.summary.notes]


def _rows(found: Comparison, keys: Sequence[str]) -> list[Column]:
    """A model a row: its figures, and of each the ratio to the first model's."""
    columns = [Column("name", lambda model: printable(model.name))]
    for metric in chosen(found, keys):
        ratio = Column(f"{metric.key}_ratio", partial(found.ratio, metric=metric))
        columns += [Column(metric.key, metric.of), ratio]
    pareto = found.pareto
    return [*columns, Column("pareto", lambda model: "★" if model in pareto else "")]


def _sure_notes(found: Comparison, metrics: Sequence[Metric], model: Compared) -> Iterator[Note]:
    """How sure the ratios of a network's figures are."""
    for metric in metrics:
        text = _sure(found, metric)[found.models.index(model)]
        if text:
            yield Note(text, about=f"ratio of {metric.heading}, {printable(model.called)}:")


def _networks(found: Comparison, metrics: Sequence[Metric], raw: bool, ratios: bool) -> list[Column]:
    """A network a row, a figure a column, as papers print it, with the ratios to the first if they are asked for."""
    columns = [Column("name", lambda model: printable(model.called), "network", "", words)]
    for metric in metrics:
        show = decimal if metric.unit == "count" and not raw else _show(metric, raw)
        heading = printable(metric.heading)
        columns.append(Column(metric.key, metric.of, heading, heading, _or_dash(show)))
        if ratios and any(found.ratio(model, metric) is not None for model in found.models):
            columns.append(Column(f"{metric.key}_ratio", partial(found.ratio, metric=metric), "×", "×", _ratio_of))
    return columns


def _best(found: Comparison, metrics: Sequence[Metric]) -> Iterator[Fact]:
    """Who is best in what."""
    best: dict[str, list[str]] = {}
    for metric in metrics:
        names = ", ".join(printable(model.called) for model in found.best(metric))
        best.setdefault(names, []).append(printable(metric.heading))
    said = [f"{names} in {', '.join(headings)}" for names, headings in best.items() if names]
    if said:
        yield Fact("best", "; ".join(said))


def _or_dash(show: Callable[[Sequence[Value]], Shown]) -> Callable[[Sequence[Value]], Shown]:
    """The same with a dash for what is not known."""

    def shown(values: Sequence[Value]) -> Shown:
        unit, texts = show(values)
        return Shown(unit, ["–" if value is None else text for value, text in zip(values, texts, strict=True)])

    return shown


def chosen(found: Comparison, keys: Sequence[str]) -> list[Metric]:
    """The metrics that `--columns` names, or all. Raises UsageError, also for one that no network has."""
    metrics = named({metric.key: metric for metric in found.figures}, keys) if keys else list(found.metrics)
    asked = [Column(metric.key, metric.of) for metric in metrics if keys]
    known(asked, found.models, "`--measure` makes one, and saved runs have it.", every=True)
    return metrics


def _bars(found: Comparison, metrics: Sequence[Metric], raw: bool) -> Iterator[Pieces]:
    """Each figure as bars, a model a line."""
    names = [printable(model.called) for model in found.models]
    room = max(map(width_of, names)) + 2
    for metric in metrics:
        values = [metric.of(model) for model in found.models]
        unit, texts = _show(metric, raw)(values)
        ratios = _ratio_of([None, *(found.ratio(model, metric) for model in found.models[1:])]).texts
        best = found.best(metric)
        sure = _sure(found, metric)
        finite = [value for value in values if value is not None and value != inf]
        most = max(finite, default=0)
        yield [(metric.heading, BOLD), (f" ({unit})" if unit else "", DIM)]
        for n, model in enumerate(found.models):
            text = texts[n].strip() if values[n] is not None else "–"
            yield [
                ("  " + left(names[n], room), PLAIN),
                (right(text, max(map(width_of, texts))), BOLD if model in best else PLAIN),
                (right(ratios[n], max(9, 2 + max(map(width_of, ratios)))), DIM),
                ("  ", PLAIN),
                ("" if not most or values[n] == inf else bar(values[n] or 0, most, BAR), ACCENT),
                ("  " + "best" if model in best else "", BOLD),
                (f"  {sure[n]}" if sure[n] else "", DIM),
            ]


BEST = "the lowest cost, the highest accuracy, beyond the noise"
CONVENTIONS = (
    ("receptive_field", "receptive field", "of the last feature map; ∞ behind attention, gates and global pooling"),
    ("arithmetic_intensity", "FLOPs per byte", "2 × MACs over the bytes that all nodes read and write once"),
    (
        "measured_memory_bytes",
        "memory, measured",
        "the allocator's peak, scratch of kernels too; parameters not counted",
    ),
)


def _conventions(found: Comparison, metrics: Sequence[Metric], ratios: bool) -> Facts:
    """The conventions of the figures that are shown."""
    keys = {metric.key for metric in metrics}
    said = [("ratios", f"to the first model; best: {BEST}") if ratios else ("best", BEST)]
    training = found.models[0].summary.training
    if training is not None and "training_memory_bytes" in keys:
        counted = "parameters, gradients and optimiser's state counted"
        said.append(("training", f"a step with {training.optimizer}; {counted}"))
    said += [(label, text) for key, label, text in CONVENTIONS if key in keys]
    return Facts([Fact(label, text, DIM, DIM) for label, text in said], 17)


def _sure(found: Comparison, metric: Metric) -> list[str]:
    """The interval of each measured ratio, as a text a model; empty where there is none."""
    first = found.models[0]
    if metric.between is None:
        return [""] * len(found.models)
    texts = [""]
    for model in found.models[1:]:
        between = ratio_between(model, found.models[0], metric)
        if between is None:
            texts.append("too few runs to tell" if metric.of(model) and metric.of(first) else "")
            continue
        noise = ", within the noise" if within_noise(model, first, metric) else ""
        texts.append(f"{times(between[0])} to {times(between[1])}×{noise}")
    return texts


def _measured(found: Comparison) -> list[Fact]:
    """Facts about the measurements: how they were made, and what makes them doubtful."""
    runs = [(printable(m.name), m.summary.measured) for m in found.models if m.summary.measured is not None]
    if not runs:
        return []
    first = runs[0][1]
    how = f"in turn ({' '.join(name for name, _ in runs)} …), so that what drifts drifts for all alike; "
    rounds = f"{first.runs} round{'s' * (first.runs != 1)}; " if len({run.runs for _, run in runs}) == 1 else ""
    return [
        Fact("measured", f"{how if found.in_turn else ''}{rounds}{wording.conditions(first)}"),
        Fact("", wording.device(first)),
        *(told("unstable", f"{name}: {doubt.reason}. {doubt.advice}") for name, run in runs for doubt in run.doubts),
        *(Fact("", f"{name}: {STOPPED[run.stopped]}") for name, run in runs if run.stopped in STOPPED),
    ]


def _settings(found: Comparison) -> list[str]:
    """Under which conditions the printed accuracies hold, and where they are printed."""
    tested: dict[str, dict[str, list[str]]] = {}
    for model in found.models:
        if model.result is not None:
            places = tested.setdefault(model.result.tested, {})
            places.setdefault(model.result.source, []).append(printable(model.called))
    said = {how: [f"{', '.join(names)} in {place}" for place, names in each.items()] for how, each in tested.items()}
    return [f"{how}: as printed for {'; for '.join(places)}" for how, places in said.items()]


# --- where the difference lies --------------------------------------------------------------------------------------


def _share_columns(found: Comparison, by: str) -> list[Column]:
    columns = []
    if by != "op":
        columns.append(Column("stage", lambda share: share.stage, "size", "size", words))
    if by != "stage":
        columns.append(Column("name", lambda share: printable(share.name), by, by, words))
    for what, heading, show in (("params", "params", exact), ("macs", "MACs", counts)):
        for n, model in enumerate(found.models):
            key, name = f"{what}_{printable(model.name)}", printable(model.called)
            columns.append(Column(key, partial(_at, what, n), f"{heading} {name}", name, show))
        if len(found.models) == 2:
            columns.append(Column(f"{what}_difference", partial(_difference, what), f"Δ {heading}", "Δ", counts))
    return columns


def _at(what: str, n: int, share: Share) -> int | None:
    figures: tuple[int | None, ...] = getattr(share, what)
    return figures[n]


def _difference(what: str, share: Share) -> int:
    return (_at(what, 1, share) or 0) - (_at(what, 0, share) or 0)


# --- JSON -----------------------------------------------------------------------------------------------------------


class IntervalDocument(TypedDict):
    """Between which figures a ratio of what was measured lies."""

    low: Annotated[float, (("minimum", 0),), "The lower end."]
    high: Annotated[float, (("minimum", 0),), "The upper end."]
    within_noise: Annotated[bool, "Whether the difference is within the noise: the interval holds 1."]


class ComparedTotals(TotalsDocument, total=False):
    """Sums over nodes, and what else is compared of a network."""

    training_memory_bytes: Annotated[
        Count | None, "The largest sum of live tensors in a training step, parameters and all."
    ]
    training_macs: Annotated[Count, "The MACs of the forward and the backward pass."]
    receptive_field: Annotated[
        float | None, "Input positions that an element of the last feature map sees; null where unbounded."
    ]
    arithmetic_intensity: Annotated[float | None, "FLOPs for each byte that nodes read and write."]
    accuracy: Annotated[float | None, "The printed top-1 accuracy in percent."]
    measured_memory_bytes: Annotated[
        float | None, "What the allocator gave at most in an inference, scratch of kernels too."
    ]


class ResultDocument(TypedDict):
    """A printed accuracy or error."""

    model: Annotated[str, "The model that it is printed for."]
    figure: Annotated[str, "Which accuracy, or error."]
    printed: Annotated[str, "The figure as it is printed."]
    value: Annotated[float, "The figure in percent."]
    source: Annotated[str, "The document and table."]
    dataset: Annotated[str, "The data that it was tested on."]
    setting: Annotated[str, "How it was trained and tested."]


class LeftOutDocument(TypedDict):
    """A network that does not keep the bounds that were asked for."""

    name: Annotated[str, "The model as it was asked for."]
    bound: Annotated[str, "The bound that it does not keep."]
    known: Annotated[bool, "Whether what is bounded is known of it."]


class Results(TypedDict):
    """What is reported beside what is printed."""

    results: NotRequired[Annotated[list[ReportedDocument], REPORTED]]


class ComparedDocument(SeveralInputs, Noted, Results):
    """A model of a comparison."""

    name: Annotated[str, "The model as it was asked for, with its input."]
    model: Annotated[str, "The name of the model."]
    spec: Annotated[str, "The spec file."]
    input: Annotated[Sizes, "The shape of the first input, channels first, without the batch."]
    batch: Annotated[Positive, "The number of samples that MACs, FLOPs, bytes and latency are for."]
    dtype: Annotated[Dtype, "The type of all numbers, on which bytes depend."]
    settings: Annotated[dict[str, str], "The constants that were set by hand, as they were given."]
    totals: Annotated[ComparedTotals, "The sums over the main path, and its peak memory."]
    measured: Annotated[MeasurementDocument | None, "The measurement, null where nothing was measured."]
    ratios: Annotated[
        dict[str, float | None], "Each figure as a multiple of the first model's; null where there is none."
    ]
    ratio_intervals: Annotated[
        dict[str, IntervalDocument | None],
        "Between which figures ratios of what was measured lie; null for too few runs.",
    ]
    reported: Annotated[
        ResultDocument | None, "The accuracy that is printed for the model; null where none of one table is known."
    ]


class ShareDocument(TypedDict):
    """A stage, row or kind of op, with a figure a model; null where it has no such part."""

    stage: Annotated[str, "By how much its resolution is smaller than the input's, or tokens or vector; empty by op."]
    name: Annotated[str, "The row, or the op; empty by stage."]
    params: Annotated[Sequence[int | None], "Weights, biases and parameters of normalisations."]
    macs: Annotated[
        Sequence[int | None], "Multiply–accumulates of convolutions, fully connected layers and matrix products."
    ]
    activation_bytes: Annotated[
        Sequence[int | None], "The bytes newly allocated for outputs; 0 for views and what works in place."
    ]


class CompareDocument(TypedDict):
    """What `archcalc compare MODEL MODEL … --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    models: Annotated[list[ComparedDocument], (("minItems", 1),), "The models, the first of which ratios are to."]
    pareto: Annotated[
        list[str], "The models that no other is at least as good as in everything, and better in something."
    ]
    pareto_by: Annotated[list[str], "The figures that decide that."]
    left_out: NotRequired[Annotated[list[LeftOutDocument], "What does not keep the bounds that were asked for."]]
    by: NotRequired[Annotated[str, (("enum", BY),), "What `shares` are by."]]
    shares: NotRequired[Annotated[list[ShareDocument], "Where the difference lies."]]


def data(found: Comparison, shared: Sequence[Share] = (), by: str = "") -> CompareDocument:
    """The JSON document."""
    document: CompareDocument = {
        "schema": SCHEMA,
        "archcalc": __version__,
        "models": [_model(found, model) for model in found.models],
        "pareto": [model.name for model in found.pareto],
        "pareto_by": [metric.key for metric in found.pareto_metrics],
    }
    if found.left_out:
        document["left_out"] = [cast(LeftOutDocument, left._asdict()) for left in found.left_out]
    if shared:
        document["by"] = by
        document["shares"] = [cast(ShareDocument, asdict(share)) for share in shared]
    return document


def _model(found: Comparison, model: Compared) -> ComparedDocument:
    summary, run, training = model.summary, model.summary.measured, model.summary.training
    totals = cast(ComparedTotals, totals_document(summary.report.totals))
    if training is not None:
        totals["training_memory_bytes"], totals["training_macs"] = training.peak_bytes, training.macs
    own = {m.key: m.of(model) for m in found.metrics if m.between is None and m.reported is None}
    own = {key: None if own[key] == inf else own[key] for key in own if not hasattr(model.totals, key)}
    totals.update(cast(ComparedTotals, own))
    results: Results = {"results": list(map(reported_document, model.reported))} if model.reported else {}
    return {
        "name": model.name,
        "model": summary.model,
        "spec": summary.spec,
        "input": summary.report.graph.inputs[0][1],
        "batch": summary.report.batch,
        "dtype": summary.report.dtype,
        "settings": summary.settings,
        "totals": totals,
        "measured": None if run is None else described(run),
        "ratios": {metric.key: found.ratio(model, metric) for metric in found.metrics},
        "ratio_intervals": {metric.key: _interval(found, model, metric) for metric in found.metrics if metric.between},
        "reported": None if model.result is None else cast(ResultDocument, model.result._asdict()),
        **several_inputs(summary.report.graph),
        **noted(summary.notes),
        **results,
    }


def _interval(found: Comparison, model: Compared, metric: Metric) -> IntervalDocument | None:
    between = ratio_between(model, found.models[0], metric)
    noise = within_noise(model, found.models[0], metric)
    return None if between is None else {"low": between[0], "high": between[1], "within_noise": noise}
