"""What a picture shows: networks, with the run of the one and the ceilings of its roofline where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .. import models as library
from ..analysis.roofline import DEFAULT, Device
from ..analysis.roofline import device as by_name
from ..errors import UsageError, did_you_mean, printable
from ..language.zoo import shipped_names
from ..networks import Reference, Settings, name_of
from ..views import Drawn
from .compare import Compared, ComparisonPlan, gather, saved

ONE = ("layers", "memory", "roofline", "graph", "shapes")  # of one network
KINDS = (*ONE, "bubble", "scaling")  # of several, or of a family
TIMED = ("layers", "roofline")  # which show latency where it was measured


@dataclass(frozen=True, slots=True)
class PlotResult(Drawn):
    """What is to be drawn: a kind in `KINDS`, the networks, the ceilings of a roofline, and of a graph the row or block
    that alone is drawn, if any."""

    kind: str
    models: tuple[Compared, ...]
    ceilings: Device | None = field(default=None, repr=False)
    only: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """The networks that a picture of accuracies leaves out, as none is known of them as they are here."""
        return tuple(model.name for model in self.models if self.kind == "bubble" and model.result is None)


def plot(
    kind: str,
    *models: Reference,
    run: Reference = "",
    only: str = "",
    device: str = "",
    cpu: bool = False,
    gpu: bool = False,
    threads: int | None = None,
    batch: int | None = None,
    dtype: str = "",
    settings: Settings | None = None,
) -> PlotResult:
    """Gather what a picture of a kind in `KINDS` shows: of one network, or of several; a family is all of its models.

    `run` is a saved run whose latency is shown. The ceilings of a roofline are by the data sheet of `device`, or
    measured here, on the `cpu` or the `gpu`. Raises UsageError, SpecError, Unavailable."""
    known_kind(kind)
    if kind != "roofline" and (device or cpu or gpu):
        raise UsageError(f"`--{'device' if device else 'cpu' if cpu else 'gpu'}` is for a roofline")
    if cpu + gpu + bool(device) > 1:
        raise UsageError("the ceilings are those of a data sheet, of the CPU or of the GPU: one of the three")
    sheet = by_name(device or DEFAULT)
    if run and kind not in TIMED:
        raise UsageError(f"a picture of {kind} shows no latency", f"`--run` is for {' and '.join(TIMED)}.")
    names = members([name_of(model) for model in models])
    plan = ComparisonPlan(batch, dtype, settings=settings)
    found = [_of_run(str(run), names, plan)] if run else gather(names, plan)[0]
    if kind in ONE and len(found) != 1:
        raise UsageError(f"a picture of {kind} shows one network, here are {len(found)}")
    if only and kind != "graph":
        raise UsageError("`--only` is for a graph")
    where = "cuda" if gpu else "cpu" if cpu else ""
    roof = _ceilings(found[0], sheet, where, threads) if kind == "roofline" else None
    return PlotResult(kind, tuple(found), roof, only)


def known_kind(kind: str) -> str:
    """A kind of picture. Raises UsageError."""
    if kind not in KINDS:
        raise UsageError(f"there is no picture `{kind}`", did_you_mean(kind, KINDS) or f"{', '.join(KINDS)}.")
    return kind


def _ceilings(model: Compared, sheet: Device, where: str, threads: int | None) -> Device:
    """By a data sheet, or measured here."""
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
    (found,), _ = gather([run], plan, saved([run]))
    if found.summary.measured is not None and found.summary.measured.mode != "inference":
        raise UsageError(f"`{printable(run)}` is a run of training steps, and a picture shows inference")
    if found.summary.model != names[0]:
        raise UsageError(f"`{printable(run)}` is a run of `{found.summary.model}`, not of `{printable(names[0])}`")
    return replace(found, name=names[0])


def members(names: Sequence[str]) -> list[str]:
    """The models that are named; a family that is no model itself stands for its models."""
    families = {spec.family: spec for spec in shipped_names()}
    found: list[str] = []
    for name in names:
        own = families[name].models if name in families else []
        found += own if own and name not in own else [name]
    return list(dict.fromkeys(found))
