"""Comparisons in every form: figures with ratios and bars, where the difference lies, and two networks line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from .. import __version__
from ..analysis.arithmetic import usage
from ..documents import SCHEMA
from ..errors import printable
from ..measurement.runs import described
from ..tasks.compare import Change, Compared, Comparison, Metric, Share, within_noise
from . import as_json, records, sentences
from .as_json import write
from .columns import Column, Shown, Value, binary, counts, decimal, exact, percent, size, time, unscaled, words
from .documents import totals_document
from .layout import bar, left, right, width_of
from .pieces import ACCENT, BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, hanging, page, rule
from .sentences import STOPPED, clean

BAR = 24
STAR = "★"
SHOW: dict[str, Callable[[Sequence[Value]], Shown]] = {
    "count": exact,
    "bytes": binary,
    "ms": time,
    "percent": percent,
}


def _ratio_of(values: Sequence[Value]) -> Shown:
    return Shown("", [f"{times(v)}×" if isinstance(v, (int, float)) else "" for v in values])


def times(ratio: float) -> str:
    """A ratio with three digits, `0.186`, `70.5`, `1,016`."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _small(values: Sequence[Value]) -> Shown:
    return Shown("", ["" if v is None else "∞" if v == inf else f"{v:,.4g}" for v in values])


def _show(metric: Metric, raw: bool = False) -> Callable[[Sequence[Value]], Shown]:
    if raw:
        return unscaled
    if metric.key in ("macs", "flops"):
        return decimal
    return SHOW.get(metric.unit, _small)


def render(
    found: Comparison,
    output_format: str,
    width: int | None = None,
    color: bool = False,
    raw: bool = False,
    shared: Sequence[Share] = (),
    by: str = "",
    keys: Sequence[str] = (),
) -> str:
    """A comparison in one of `FORMATS`; `shared` says where the difference lies, `keys` which metrics are shown."""
    if output_format == "json":
        return write(document(found, shared, by))
    if output_format == "text":
        return page(_text(found, PROSE if width is None else width, raw, shared, by, keys), color)
    models = Rows(found, keys)
    about = notes(found)
    if not shared:
        title = "Comparison of " + ", ".join(printable(model.name) for model in found.models)
        if output_format == "csv":
            return records.render(models.columns(), found.models, output_format)
        columns, metrics = turned(found, keys, raw)
        return records.render(columns, metrics, output_format, title=title, notes=about)
    title = f"Comparison by {by}: " + ", ".join(printable(model.name) for model in found.models)
    return records.render(_share_columns(found, by), shared, output_format, title=title, notes=about, raw=raw)


class Rows:
    """A model a row: its figures, and of each the ratio to the first model's."""

    def __init__(self, found: Comparison, keys: Sequence[str] = ()) -> None:
        self.found = found
        self.metrics = chosen(found, keys)

    def columns(self) -> list[Column]:
        columns = [Column("name", lambda model: printable(model.name), "model", "model", words)]
        for metric in self.metrics:
            columns.append(Column(metric.key, metric.of, metric.heading, metric.heading, _show(metric)))
            ratio = self._ratio(metric)
            columns.append(Column(f"{metric.key}_ratio", ratio, "×", "×", _ratio_of))
        pareto = self.found.pareto
        columns.append(Column("pareto", lambda m: STAR if m in pareto else "", "Pareto", "Pareto", words))
        return columns

    def ratio(self, model: Compared) -> Callable[[Metric], Value]:
        return lambda metric: self.found.ratio(model, metric)

    def _ratio(self, metric: Metric) -> Callable[[Compared], Value]:
        return lambda model: self.found.ratio(model, metric)


def notes(found: Comparison) -> list[str]:
    """What is said below a table of figures."""
    counted = found.models[0].summary.counted
    facts = [*([counted] if counted else []), _pareto(found), *(f"accuracy {text}" for text in _settings(found))]
    for metric in found.metrics:
        sure = zip(found.models, _sure(found, metric), strict=True)
        facts += [f"ratio of {metric.heading}, {printable(model.name)}: {text}" for model, text in sure if text]
    return facts + [f"{label} {text}".lstrip() for label, text in measured_facts(found)]


def turned(found: Comparison, keys: Sequence[str] = (), raw: bool = False) -> tuple[list[Column], list[Metric]]:
    """A figure a row, a model a column, as people read it: each with its ratio to the first."""
    models = Rows(found, keys)
    metrics = models.metrics
    shown = [_show(metric, raw)([metric.of(model) for model in found.models]) for metric in metrics]
    heads = [f"{m.heading} ({s.unit})" if s.unit else m.heading for m, s in zip(metrics, shown, strict=True)]
    columns = [Column("figure", lambda metric: heads[metrics.index(metric)], "", "", words)]
    for n, model in enumerate(found.models):
        texts = [s.texts[n].strip() for s in shown]
        columns.append(_column(printable(model.name), model, texts))
        if n:
            ratios = _ratio_of([found.ratio(model, metric) for metric in metrics]).texts
            columns.append(Column("ratio", models.ratio(model), "×", "×", _texts(ratios)))
    return columns, metrics


def _column(name: str, model: Compared, texts: list[str]) -> Column:
    return Column(name, lambda metric: metric.of(model), name, name, _texts(texts))


def _texts(texts: list[str]) -> Callable[[Sequence[Value]], Shown]:
    return lambda _: Shown("", texts)


def chosen(found: Comparison, keys: Sequence[str]) -> list[Metric]:
    """The metrics that `--columns` names, or all. Raises UsageError."""
    from ..errors import UsageError, did_you_mean
    from ..tasks.compare import METRICS

    if not keys:
        return list(found.metrics)
    known = {metric.key: metric for metric in METRICS}
    for key in keys:
        if key not in known:
            raise UsageError(f"there is no column `{key}`", did_you_mean(key, known))
    return [known[key] for key in keys]


def _text(
    found: Comparison, width: int, raw: bool, shared: Sequence[Share], by: str, keys: Sequence[str]
) -> Iterator[Pieces]:
    names = [printable(model.name) for model in found.models]
    room = max(map(width_of, names)) + 2
    for model, name in zip(found.models, names, strict=True):
        summary = model.summary
        text = " · ".join(filter(None, [clean(summary.title), sentences.heading(summary)[-1]]))
        yield from hanging(left(name, room), text, room, width, label_style=LOUD)
    yield []
    for metric in chosen(found, keys):
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
    yield []
    if shared:
        yield from records.text(_share_columns(found, by), shared, width)
        yield []
    yield from hanging("Pareto", _pareto(found), 9, width)
    for note in _settings(found):
        yield from hanging("accuracy", note, 9, width)
    for label, text in measured_facts(found):
        yield from hanging(label, text, 10, width, label_style=LOUD if label == "unstable" else "")
    for label, text in conventions(found, chosen(found, keys)):
        yield from hanging(label, text, 17, width, DIM)


CONVENTIONS = (
    ("receptive_field", "receptive field", "of the last feature map; ∞ behind attention, gates and global pooling"),
    ("arithmetic_intensity", "FLOPs per byte", "2 × MACs over the bytes that all nodes read and write once"),
    (
        "measured_memory_bytes",
        "memory, measured",
        "the allocator's peak, scratch of kernels too; parameters not counted",
    ),
)


def conventions(found: Comparison, metrics: Sequence[Metric]) -> list[tuple[str, str]]:
    """What the figures that are shown mean."""
    keys = {metric.key for metric in metrics}
    said = [("ratios", "to the first model; best: the lowest cost, the highest accuracy, beyond the noise")]
    training = found.models[0].summary.training
    if training is not None and "training_memory_bytes" in keys:
        said.append(
            ("training", f"a step with {training.optimizer}; parameters, gradients and optimiser's state counted")
        )
    return said + [(label, text) for key, label, text in CONVENTIONS if key in keys]


def _sure(found: Comparison, metric: Metric) -> list[str]:
    """How sure each ratio of what was measured is."""
    first = found.models[0]
    if metric.between is None:
        return [""] * len(found.models)
    texts = [""]
    for model in found.models[1:]:
        between = found.ratio_between(model, metric)
        if between is None:
            texts.append("too few runs to tell" if metric.of(model) and metric.of(first) else "")
            continue
        noise = ", within the noise" if within_noise(model, first, metric) else ""
        texts.append(f"{times(between[0])} to {times(between[1])}×{noise}")
    return texts


def measured_facts(found: Comparison) -> list[tuple[str, str]]:
    """What is said of the measurements: how they were made, and what makes them doubtful."""
    runs = [(printable(m.name), m.summary.measured) for m in found.models if m.summary.measured is not None]
    if not runs:
        return []
    first = runs[0][1]
    how = f"in turn ({' '.join(name for name, _ in runs)} …), so that what drifts drifts for all alike; "
    rounds = f"{first.runs} round{'s' * (first.runs != 1)}; " if len({run.runs for _, run in runs}) == 1 else ""
    facts = [("measured", f"{how if found.in_turn else ''}{rounds}{sentences.conditions(first)}")]
    facts.append(("", sentences.device(first)))
    facts += [("unstable", f"{name}: {doubt.reason}. {doubt.advice}") for name, run in runs for doubt in run.doubts]
    facts += [("", f"{name}: {STOPPED[run.stopped]}") for name, run in runs if run.stopped in STOPPED]
    return facts


def _pareto(found: Comparison) -> str:
    names = ", ".join(printable(model.name) for model in found.pareto)
    by = ", ".join(metric.heading for metric in found.pareto_metrics)
    return f"Pareto-optimal in {by}: {names}"


def _settings(found: Comparison) -> list[str]:
    """Under which conditions the printed accuracies hold."""
    by_source: dict[tuple[str, str], list[str]] = {}
    for model in found.models:
        if model.result is not None:
            result = model.result
            by_source.setdefault((result.source, result.tested), []).append(printable(model.name))
    return [f"as printed for {', '.join(names)} in {source}: {tested}" for (source, tested), names in by_source.items()]


# --- where the difference lies --------------------------------------------------------------------------------------


def _share_columns(found: Comparison, by: str) -> list[Column]:
    columns = []
    if by != "op":
        columns.append(Column("stage", lambda share: share.stage, "size", "size", words))
    if by != "stage":
        columns.append(Column("name", lambda share: printable(share.name), by, by, words))
    for what, heading, show in (("params", "params", exact), ("macs", "MACs", counts)):
        for n, model in enumerate(found.models):
            name = printable(model.name)
            columns.append(Column(f"{what}_{name}", _at(what, n), f"{heading} {name}", name, show))
        if len(found.models) == 2:
            columns.append(Column(f"{what}_difference", _difference(what), f"Δ {heading}", "Δ", counts))
    return columns


def _at(what: str, n: int) -> Callable[[Share], Value]:
    return lambda share: getattr(share, what)[n]


def _difference(what: str) -> Callable[[Share], Value]:
    def of(share: Share) -> Value:
        first, second = getattr(share, what)
        return (second or 0) - (first or 0)

    return of


# --- line by line ---------------------------------------------------------------------------------------------------

CONTEXT = 2  # lines that stay alike beside a change


def render_diff(changes: Sequence[Change], models: Sequence[Compared], output_format: str, color: bool = False) -> str:
    """Two networks as a diff: `-` only in the first, `+` only in the second."""
    if output_format == "json":
        entries = [{"sign": change.sign, **_layer(layer)} for change in changes for layer in change.layers]
        return write(
            [("schema", SCHEMA), ("archcalc", __version__), ("models", [m.name for m in models]), ("diff", entries)]
        )
    flat = [(change.sign, layer) for change in changes for layer in change.layers]
    if output_format not in ("text", "markdown"):
        title = " against ".join(printable(model.name) for model in models)
        return records.render(DIFF, flat, output_format, title=title)
    text = page(_diff(changes, models), color and output_format == "text")
    return f"```diff\n{text}```\n" if output_format == "markdown" else text


DIFF = (
    Column("sign", lambda pair: pair[0].replace("=", " "), "", "", words),
    Column("call", lambda pair: usage(pair[1].node.op), "op", "op", words),
    Column("output_shape", lambda pair: size(pair[1].node.shape), "output", "output", words),
    Column("params", lambda pair: pair[1].params, "params", "params", exact),
    Column("macs", lambda pair: pair[1].macs, "MACs", "MACs", decimal),
    Column("path", lambda pair: printable(pair[1].path), "path", "path", words),
)


def _layer(layer: Any) -> dict[str, Any]:
    return {
        "path": layer.path,
        "call": usage(layer.node.op),
        "output_shape": layer.node.shape,
        "params": layer.params,
        "macs": layer.macs,
    }


def _diff(changes: Sequence[Change], models: Sequence[Compared]) -> Iterator[Pieces]:
    first, second = models
    yield [(f"--- {printable(first.name)}", BOLD)]
    yield [(f"+++ {printable(second.name)}", BOLD)]
    calls = [usage(layer.node.op) for change in changes for layer in change.layers]
    room = min(max(map(len, calls), default=0), 60)
    shapes = max((width_of(size(layer.node.shape)) for c in changes for layer in c.layers), default=0)

    def line(sign: str, layer: Any) -> Pieces:
        cost = f"{layer.params:>12,} {layer.macs:>16,}" if layer.params or layer.macs else ""
        text = f"{left(usage(layer.node.op), room)}  {left(size(layer.node.shape), shapes)}  {cost}"
        style = {"=": DIM, "-": PLAIN, "+": ACCENT}[sign]
        return [(f"{sign if sign != '=' else ' '} {text}", style)]

    for number, change in enumerate(changes):
        layers = change.layers
        if change.sign != "=":
            yield from (line(change.sign, layer) for layer in layers)
            continue
        head = 0 if number == 0 else CONTEXT
        tail = 0 if number == len(changes) - 1 else CONTEXT
        if len(layers) <= head + tail + 1:
            yield from (line("=", layer) for layer in layers)
            continue
        yield from (line("=", layer) for layer in layers[:head])
        yield [(f"  … {len(layers) - head - tail} nodes alike", DIM)]
        yield from (line("=", layer) for layer in layers[len(layers) - tail :] if tail)
    yield rule(40)
    for model in models:
        totals = model.totals
        yield [(f"{printable(model.name)}: {totals.params:,} params, {totals.macs:,} MACs", PLAIN)]


# --- JSON -----------------------------------------------------------------------------------------------------------


def document(found: Comparison, shared: Sequence[Share] = (), by: str = "") -> Iterator[tuple[str, Any]]:
    """The keys and values, in order."""
    yield "schema", SCHEMA
    yield "archcalc", __version__
    yield "models", [_model(found, model) for model in found.models]
    yield "pareto", [model.name for model in found.pareto]
    yield "pareto_by", [metric.key for metric in found.pareto_metrics]
    if shared:
        yield "by", by
        yield "shares", [share_document(share) for share in shared]


def share_document(share: Share) -> dict[str, Any]:
    return {
        "stage": share.stage,
        "name": share.name,
        "params": share.params,
        "macs": share.macs,
        "activation_bytes": share.activation_bytes,
    }


def _model(found: Comparison, model: Compared) -> dict[str, Any]:
    summary, run, result = model.summary, model.summary.measured, model.result
    own = {metric.key: _finite(metric.of(model)) for metric in found.metrics if metric.between is None}
    return {
        "name": model.name,
        "model": summary.model,
        "spec": summary.spec,
        "input": summary.report.graph.inputs[0][1],
        "batch": summary.report.batch,
        "dtype": summary.report.dtype,
        "settings": summary.settings,
        "totals": {
            **totals_document(summary.report.totals),
            **({} if summary.training is None else as_json.trained(summary.training)),
            **{k: own[k] for k in own if not hasattr(model.totals, k)},
        },
        "measured": None if run is None else described(run),
        "ratios": {metric.key: found.ratio(model, metric) for metric in found.metrics},
        "ratio_intervals": {metric.key: _interval(found, model, metric) for metric in found.metrics if metric.between},
        "reported": None if result is None else result._asdict(),
    }


def _interval(found: Comparison, model: Compared, metric: Metric) -> dict[str, Any] | None:
    between = found.ratio_between(model, metric)
    noise = within_noise(model, found.models[0], metric)
    return None if between is None else {"low": between[0], "high": between[1], "within_noise": noise}


def _finite(value: float | None) -> float | None:
    return None if value == inf else value
