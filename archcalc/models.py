"""The library: `archcalc.load("vgg16")`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .analysis.counts import Layer, Report, Totals, analyse
from .errors import Unavailable, UsageError, did_you_mean
from .graph import Graph
from .language.expand import expand_model, parameters
from .language.zoo import Selection, select, selections, spec_files
from .ops import Shape, dims
from .papers.claims import Judgement, judge
from .views import Shown, Tabular

if TYPE_CHECKING:  # what a static summary does without
    from .analysis.fit import Fit
    from .analysis.peers import Peer
    from .analysis.roofline import Device
    from .analysis.training import Training
    from .measurement.conditions import Conditions
    from .measurement.latency import Measurement
    from .measurement.machine import Examined
    from .parallel import Tick
    from .runtime.network import Network
    from .runtime.verify import Verified

Reference = str | Path  # how a model is named
Settings = Mapping[str, int | float | str | Fraction]  # constants of a spec, by name


@dataclass(frozen=True, slots=True)
class Summary(Tabular):
    """One model at one input, batch and dtype.

    `source` says what the layers quote (`Table 1`), `namesake` which network this is where another goes by its name,
    `settings` what was set by hand, `counted` how it is counted where that is not as usual. `judgements` are empty
    where the printed input or constants were changed. `training` is there where a training step was asked for.
    """

    model: str
    family: str
    variant: str
    title: str
    cite: str
    spec: str
    source: str
    namesake: str
    settings: dict[str, str]
    report: Report = field(repr=False)
    judgements: tuple[Judgement, ...] = field(default=(), repr=False)
    measured: Measurement | None = field(default=None, repr=False)
    counted: str = ""
    training: Training | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Model(Shown):
    """A network built from a spec: its Graph, and what is known about where it comes from.

    `input` is without the batch, channels first. `settings` are the constants that were set by hand, `printed` says
    that nothing was changed, so that the paper's claims apply.
    """

    name: str
    family: str
    variant: str
    title: str
    cite: str
    spec: str
    input: Shape
    graph: Graph = field(repr=False)
    selection: Selection = field(repr=False)
    settings: dict[str, int | Fraction] = field(default_factory=dict)
    printed: bool = True
    folded: bool = False

    def fold_bn(self) -> Model:
        """The deployed network: batch norms folded into the layers before them. The paper's claims do not apply."""
        from .analysis.fold import fold

        return replace(self, graph=fold(self.graph), printed=False, folded=True)

    def frame(self, depth: int = 0, batch: int = 1, dtype: str = "float32") -> Any:
        """The table of `archcalc summary` as a pandas DataFrame, opened `depth` levels, with exact numbers."""
        return self.summary(batch, dtype).frame(depth)

    def report(self, batch: int = 1, dtype: str = "float32") -> Report:
        """The counts of every node, and their totals. Raises UsageError, and SpecError above 10¹⁸."""
        return analyse(self.graph, batch, dtype)

    def training(self, batch: int = 1, dtype: str = "float32", optimizer: str = "sgd", heads: bool = False) -> Training:
        """Memory and MACs of a training step. Raises UsageError, and SpecError above 10¹⁸."""
        from .analysis.training import train

        return train(self.report(batch, dtype), optimizer, heads)

    def fit(self, memory: int, optimizer: str = "", dtype: str = "float32") -> Fit:
        """The largest batch whose inference, or with an `optimizer` whose training step, takes `memory` bytes at most;
        parameters are in it. Raises UsageError."""
        from .analysis.fit import fit

        return fit(self.graph, memory, optimizer, dtype)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every node with its counts at batch 1 in float32."""
        return self.report().layers

    @property
    def totals(self) -> Totals:
        """The main path's totals at batch 1 in float32."""
        return self.report().totals

    @property
    def claims(self) -> tuple[Judgement, ...]:
        """The figures that the spec quotes for this model, judged; empty where input or constants were changed."""
        return self._judge(self.report()) if self.printed else ()

    def _judge(self, printed: Report) -> tuple[Judgement, ...]:
        return judge(self.selection.file, self.selection.subject, printed)

    def torch(self, device: str | None = None, dtype: str = "float32", heads: bool = False) -> Network:
        """The network as a `torch.nn.Module`: the main path, or with `heads=True` also what hangs on it.

        The paths of the nodes are the names in its `state_dict`. Takes [batch, *input], gives the main path's output,
        with heads a pair of it and a dict by head. Raises Unavailable where torch or the device is missing.
        """
        network, _ = _runtime()
        return network.build(self.graph, device=device, dtype=dtype, heads=heads)  # type: ignore[no-any-return]

    def measure(self, conditions: Conditions | None = None, tick: Tick | None = None) -> Measurement:
        """Run the main path and time every node; `tick` hears the rounds done and expected.

        Raises UsageError, Unavailable; Interrupted, with what was measured, for Ctrl-C after the first round.
        """
        _, measure = _runtime()
        return measure.measure(self.graph, conditions or measure.USUAL, tick)  # type: ignore[no-any-return]

    def peer(self, tool: str, tick: Tick | None = None) -> Peer:
        """What another tool (`fvcore`, …) counts of the main path at batch 1, and why it is not what `totals` says."""
        _runtime()
        from .runtime import peers as doctor

        return doctor.peer(tool, self.graph, tick)

    def summary(
        self,
        batch: int = 1,
        dtype: str = "float32",
        measured: Measurement | None = None,
        like: str = "",
        optimizer: str = "",
    ) -> Summary:
        """All that `archcalc summary` shows, as data; `like` counts as another tool does, with an `optimizer` there is
        also what a training step takes. Raises UsageError."""
        file, layers = self.selection.file, self.selection.family.layers
        sentence = file.namesakes.get(self.name)
        report = self.report(batch, dtype)
        as_printed = report if batch == 1 and dtype == "float32" else None
        counted = ["batch norms folded"] if self.folded else []
        if like:
            from .analysis.conventions import convention, recount

            report = recount(report, convention(like))
            counted.append(str(convention(like)))
        return Summary(
            model=self.name,
            family=self.family,
            variant=self.variant,
            title=self.title,
            cite=self.cite,
            spec=self.spec,
            source=layers.quoted.source if layers and layers.quoted else "",
            namesake=sentence.value if sentence else "",
            settings={name: str(value) for name, value in self.settings.items()},
            report=report,
            judgements=self._judge(as_printed or self.report()) if self.printed and not like else (),
            measured=measured,
            counted="; ".join(counted),
            training=self.training(batch, dtype, optimizer) if optimizer else None,
        )


def load(model: Reference, *, input: Shape | None = None, settings: Settings | None = None) -> Model:
    """Build a model: `vgg16`, `vgg:D`, `./my.yaml` or `./my.yaml:NAME`; a Path is a spec file.

    `input` (channels first, without the batch) replaces the printed one, `settings` the spec's constants by name.
    Raises UsageError for an unknown name or setting, SpecError for a bad spec.
    """
    selection = select(model if isinstance(model, str) else f"{model.parent}/{model.name}")
    values = {name: _number(name, value) for name, value in (settings or {}).items()}
    known = parameters(selection.family, selection.variant)
    for name in values:
        if name not in known:
            hint = did_you_mean(name, known) or "This spec has nothing that can be set."
            raise UsageError(f"`{name}` is not a value that `{selection.name}` lets one set", hint)
    shape = None if input is None else _shape(input)
    graph = expand_model(selection, settings=values, input=shape)
    return Model(
        name=selection.name,
        family=selection.file.name,
        variant=selection.variant.name.value,
        title=selection.file.title,
        cite=selection.file.cite,
        spec=selection.spec,
        input=graph.inputs[0][1],
        graph=graph,
        selection=selection,
        settings=values,
        printed=shape is None and not values,
    )


def measure_in_turn(
    models: Sequence[Model], conditions: Conditions | None = None, tick: Tick | None = None
) -> tuple[Measurement, ...]:
    """Measure several networks in turn, A B A B …, so that what drifts drifts for all alike; else as `Model.measure`
    does."""
    _, measure = _runtime()
    return measure.measure_in_turn([model.graph for model in models], conditions or measure.USUAL, tick)  # type: ignore[no-any-return]


def models() -> tuple[str, ...]:
    """The names of all models that ship, by family."""
    return tuple(selection.name for path in spec_files() for selection in selections(path)[1])


def verify(names: Sequence[str], tick: Tick | None = None) -> tuple[Verified, ...]:
    """Hold models against their torch networks; `tick` hears how many are done, and of how many.

    Raises UsageError for an unknown name, SpecError for a bad spec, Unavailable where torch or fvcore is missing.
    """
    _runtime()
    from .runtime.verify import verify_all

    return verify_all(names, tick)


def examine(device: str = "cpu") -> Examined:
    """What this machine has that decides how fast a network runs. Raises UsageError, Unavailable."""
    _runtime()
    from .runtime import peers as doctor

    return doctor.examine(device)


def ceilings(device: str = "cpu", dtype: str = "float32", threads: int | None = None) -> Device:
    """What this machine reaches at best, measured within seconds: FLOPs and bytes per second, for a roofline.

    Raises UsageError, Unavailable."""
    _runtime()
    from .runtime import ceilings

    return ceilings.ceilings(device, dtype, threads)


def _runtime() -> tuple[Any, Any]:
    """The modules that need torch. Raises Unavailable (exit 3) where torch is missing."""
    try:
        from .runtime import measure, network
    except ModuleNotFoundError as error:
        hint = "Install it with `pip install torch`, or count without measuring: `--static`."
        raise Unavailable(f"this needs {error.name}, which is not installed", hint) from None
    except (ImportError, OSError) as error:
        raise Unavailable(f"torch does not load here: {error}", "Count without measuring: `--static`.") from None
    return network, measure


def _number(name: str, value: int | float | str | Fraction) -> int | Fraction:
    try:
        number = Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"`{name}` wants a number, here it is `{value}`") from None
    return number.numerator if number.denominator == 1 else number


def _shape(input: Shape) -> Shape:
    shape = tuple(input)
    if not shape or len(shape) > 4 or any(not isinstance(n, int) or not 1 <= n <= 10**9 for n in shape):
        raise UsageError(f"an input has one to four axes of at least 1, here it is {dims(shape)}")
    return shape
