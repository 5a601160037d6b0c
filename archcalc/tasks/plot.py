"""What a picture shows: networks, with the run of the one and the ceilings of its roofline where it has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import models as library
from ..analysis.roofline import DEFAULT, Device
from ..analysis.roofline import device as by_name
from ..bounds import one_of
from ..errors import Source, Text, UsageError, nearest, printable
from ..language.zoo import at_input
from ..models import Model
from ..networks import Reference, Settings
from ..papers.accuracies import common
from ..records import NamedTuple
from ..views import Drawn
from .compare import Compared, ComparisonPlan, Metric, each_of, figures, gather, saved

if TYPE_CHECKING:
    from ..measurement.conditions import Conditions
    from ..parallel import Tick

ONE = ("layers", "memory", "roofline", "graph", "shapes")  # of one network
KINDS = (*ONE, "bubble", "scaling")  # of several, or of a family
TIMED = ("layers", "roofline")  # which show latency where it was measured
ALONG = {  # what a bubble's place may be by, and the figure that it is
    "macs": "macs",
    "params": "params",
    "latency": "latency_ms",
    "peak_memory": "peak_memory_bytes",
    "activations": "activation_bytes",
}
PRINTED = {"accuracy": "top-1", "top-1": "top-1", "top-5": "top-5"}  # what documents print, by what it is called


class Bubble(NamedTuple):
    """The axes of a bubble plot: a cost, and what is reported or printed; `pareto`: the front is drawn."""

    x: Metric
    y: Metric
    pareto: bool = False

    def known(self, model: Compared) -> bool:
        """Whether a network has a place."""
        return self.x.of(model) is not None and self.y.of(model) is not None


@dataclass(frozen=True, slots=True)
class PlotResult(Drawn):
    """What is to be drawn: a kind in `KINDS`, the networks, the ceilings of a roofline, and of a graph the row or block
    that alone is drawn, if any."""

    kind: str
    models: tuple[Compared, ...]
    ceilings: Device | None = field(default=None, repr=False)
    only: str = ""
    bubble: Bubble | None = field(default=None, repr=False)

    @property
    def missing(self) -> tuple[str, ...]:
        """The networks that a bubble plot has no place for, as what it is by is not known of them as they are here."""
        return tuple(model.name for model in self.models if self.bubble is not None and not self.bubble.known(model))


def plot(
    kind: str,
    *models: Reference | Model,
    run: Reference = "",
    only: str = "",
    device: str = "",
    cpu: bool = False,
    gpu: bool = False,
    threads: int | None = None,
    batch: int | None = None,
    dtype: str = "",
    settings: Settings | None = None,
    results: Path | str = "",
    x: str = "",
    y: str = "",
    pareto: bool = False,
    conditions: Conditions | None = None,
    tick: Tick | None = None,
) -> PlotResult:
    """Gather what a picture of a kind in `KINDS` shows: of one network, or of several; a family is all of its models.

    `run` is a saved run whose latency is shown. The ceilings of a roofline are by the data sheet of `device`, or
    measured here, on the `cpu` or the `gpu`. A bubble's place is by `x` (in `ALONG`, MACs unless given), which of
    latency `conditions` say how to measure, and by `y`: what is reported for the networks, also in a file of `results`,
    or printed. Raises UsageError, SpecError, Unavailable."""
    known_kind(kind)
    if not models:
        raise UsageError(f"a picture of {kind} of what?", f"Name a model: `archcalc plot {kind} MODEL -o FILE`.")
    if kind != "bubble" and (x or y or pareto or results or conditions is not None):
        raise UsageError("`--x`, `--y`, `--pareto`, `--results` and `--measure` are for a bubble plot")
    if kind != "roofline" and (device or cpu or gpu):
        raise UsageError(f"`--{'device' if device else 'cpu' if cpu else 'gpu'}` is for a roofline")
    if cpu + gpu + bool(device) > 1:
        raise UsageError("the ceilings are those of a data sheet, of the CPU or of the GPU: one of the three")
    sheet = by_name(device or DEFAULT)
    if run and kind not in TIMED:
        raise UsageError(f"a picture of {kind} shows no latency", f"`--run` is for {' and '.join(TIMED)}.")
    named = [*{one if isinstance(one, str) else id(one): one for one in each_of(models)}.values()]
    plan = ComparisonPlan(batch, dtype, settings=settings, results=results)
    if run:
        found = [_of_run(str(run), [one if isinstance(one, str) else one.name for one in named], plan)]
    else:
        gathered = gather(named, plan, saved(named), conditions, tick)
        found, stopped = gathered.models, gathered.stopped
        if stopped is not None:
            raise stopped
    if kind in ONE and len(found) != 1:
        raise UsageError(f"a picture of {kind} shows one network, here are {len(found)}")
    if only and kind != "graph":
        raise UsageError("`--only` is for a graph")
    where = "cuda" if gpu else "cpu" if cpu else ""
    roof = ceilings(found[0], sheet, where, threads) if kind == "roofline" else None
    if kind != "bubble":
        return PlotResult(kind, tuple(found), roof, only)
    drawn, axes = bubble(found, x, y, pareto)
    return PlotResult(kind, drawn, None, "", axes)


def bubble(
    models: Sequence[Compared], x: str = "", y: str = "", pareto: bool = False
) -> tuple[tuple[Compared, ...], Bubble]:
    """The axes of a bubble plot, and the models with what is printed for them, if it is by that. `y` is unless given
    the printed accuracy, or else what is reported first. Raises UsageError."""
    by_key = {metric.key: metric for metric in figures(models)}
    own = [key for key, metric in by_key.items() if metric.reported is not None]
    along = one(x, ALONG, "--x") if x else "macs"
    if along == "latency" and not any(model.summary.measured for model in models):
        raise UsageError("`--x latency` is measured", "`--measure` does it, or saved runs have it.")
    printed = any(model.result is not None for model in models)
    chosen = one(y, [*own, *(word for word in PRINTED if word not in own)], "--y") if y else ""
    chosen = chosen or ("accuracy" if printed or not own else own[0])
    if chosen not in own and chosen != "accuracy":
        known = {result.model: result for result in common([m.summary.model for m in models], PRINTED[chosen])}
        models = [replace(m, result=known.get(m.summary.model) if _printed(m) else None) for m in models]
    metric = by_key[chosen if chosen in own else "accuracy"]
    return tuple(models), Bubble(by_key[ALONG[along]], metric, pareto)


def _printed(model: Compared) -> bool:
    """Whether a model is as its paper prints it."""
    return not model.summary.settings and at_input(model.name)[1] is None


def one(word: str, known: Iterable[str], option: str) -> str:
    """The one of `known` that is called so, or begins so. Raises SpecError."""
    return one_of(Text(word, Source(option, (word,)), 1, 1), known)


def known_kind(kind: str) -> str:
    """A kind of picture. Raises UsageError."""
    if kind not in KINDS:
        near = nearest(kind, KINDS)
        known = f"The kind stands first: {', '.join(KINDS[:-1])} or {KINDS[-1]}."
        what = f"there is no picture `{kind}`" if kind else "which kind of picture, and of what?"
        raise UsageError(what, f"Did you mean `{near}`? {known}" if near else known)
    return kind


def ceilings(model: Compared, sheet: Device, where: str, threads: int | None) -> Device:
    """Those of a roofline: by a data sheet, or measured here. Raises UsageError for a run of another machine."""
    run = model.summary.measured
    if where:
        if threads is None and run is not None:
            threads = run.threads
        found = library.ceilings(where, model.summary.report.dtype, threads)
        if run is not None and not found.name.startswith(run.device_name):
            raise UsageError(f"the run is of another machine than this: of {printable(run.device_name)}")
        return found
    if run is not None and run.device == "cpu":
        hint = "`--cpu` measures those of this machine."
        raise UsageError(f"the run is of a CPU, and the ceilings are those of {sheet.name}", hint)
    return sheet


def _of_run(run: str, names: Sequence[str], plan: ComparisonPlan) -> Compared:
    """The one network of a picture with its run."""
    if len(names) != 1:
        raise UsageError(f"a run is of one network, here are {len(names)}")
    (found,) = gather([run], plan, saved([run])).models
    if found.summary.measured is not None and found.summary.measured.mode != "inference":
        raise UsageError(f"`{printable(run)}` is a run of training steps, and a picture shows inference")
    if found.summary.model != names[0]:
        raise UsageError(f"`{printable(run)}` is a run of `{found.summary.model}`, not of `{printable(names[0])}`")
    return replace(found, name=names[0])
