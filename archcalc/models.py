"""The library: `archcalc.load("vgg16")`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from math import prod
from typing import TYPE_CHECKING, Any

from .analysis.counts import Layer, Report, Totals, analyse
from .errors import SpecError, Unavailable, UsageError
from .fronts import front
from .graph import Graph, Input, lost
from .language.zoo import Selection, selections, spec_files
from .networks import FRONTS, Reference, Settings, inputs_of, network, said
from .ops import Shape
from .papers.claims import Judgement, judge
from .papers.results import Reported, of_spec
from .parallel import obey_interrupt
from .units import as_typed
from .views import Shown, Tabular

if TYPE_CHECKING:  # what a static summary does without
    from .analysis.fit import Fit
    from .analysis.peers import Peer
    from .analysis.regimes import Regime
    from .analysis.roofline import Device
    from .analysis.training import Training
    from .measurement.conditions import Conditions
    from .measurement.latency import Measurement
    from .measurement.machine import Examined
    from .parallel import Tick
    from .runtime.network import Network
    from .runtime.verify import Verified


FRONTS.append(front)  # who builds networks without this module, as locks do, runs nobody's code
SHOWN = 3  # inputs that make another network and are named


@dataclass(frozen=True, slots=True)
class Summary(Tabular):
    """One model at one input, batch and dtype.

    `source` says what the layers quote (`Table 1`), `namesake` which network this is where another goes by its name,
    `settings` what was set by hand, `counted` how it is counted where that is not as usual. `judgements` are empty
    where the printed input or constants were changed. `training` is there where a training step was asked for, `notes`
    say what makes this another network than it seems. `calls` is what the tool that counts so calls its number: `fvcore
    flops`. `reported` is what the spec reports for it, and nobody computes; `regime` a training of many passes, where
    one was asked for."""

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
    notes: tuple[str, ...] = ()
    calls: str = ""
    reported: tuple[Reported, ...] = ()
    regime: Regime | None = None


@dataclass(frozen=True)
class Model(Shown):
    """A network: its Graph, and what is known about where it comes from. It is counted once, when that is asked for.

    `input` is without the batch, channels first. `settings` are the constants that were set by hand, `printed` says
    that nothing was changed, so that the paper's claims apply. `selection` is the model of the spec, if it is from one.

    A pickle of it holds the spec as it was read, not its name: it is the same network wherever it is read again, also
    where the file is gone or another one by then."""

    name: str
    family: str
    variant: str
    title: str
    cite: str
    spec: str
    input: Shape
    graph: Graph = field(repr=False)
    selection: Selection | None = field(repr=False, compare=False)
    settings: dict[str, int | Fraction] = field(default_factory=dict)
    printed: bool = True
    folded: bool = False
    _reports: dict[str, Report] = field(default_factory=dict, init=False, repr=False, compare=False)  # by dtype

    def __getstate__(self) -> dict[str, Any]:
        return {own.name: getattr(self, own.name) for own in fields(self)} | {"_reports": {}}

    def fold_bn(self) -> Model:
        """The deployed network: batch norms folded into the layers before them. The paper's claims do not apply."""
        from .analysis.fold import fold

        code = self.graph.code
        if code is not None and code.again is None:
            raise UsageError(f"`{self.name}` is a trace: batch norms are folded in the code itself")
        graph = fold(self.graph) if code is None or code.again is None else code.again.folded(self.graph)
        return replace(self, graph=graph, printed=False, folded=True)

    def frame(self, depth: int = 0, batch: int = 1, dtype: str = "float32") -> Any:
        """The table of `archcalc summary` as a pandas DataFrame, opened `depth` levels, with exact numbers."""
        return self.summary(batch, dtype).frame(depth)

    def report(self, batch: int = 1, dtype: str = "float32") -> Report:
        """The counts of every node, and their totals. Raises UsageError, and SpecError above 10¹⁸."""
        if dtype not in self._reports:
            code = self.graph.code
            self._reports[dtype] = analyse(self.graph, 1 if code is None else code.batch, dtype)
        return self._reports[dtype].at_batch(batch)

    def _as_traced(self) -> Report:
        """The counts at batch 1 in float32, of code at the batch and in the dtype in which it was traced."""
        code = self.graph.code
        return self.report() if code is None else self.report(code.batch, code.dtype)

    def training(self, batch: int = 1, dtype: str = "float32", optimizer: str = "sgd", heads: bool = False) -> Training:
        """Memory and MACs of a training step. Raises UsageError, and SpecError above 10¹⁸."""
        from .analysis.training import train

        return train(self.report(batch, dtype), optimizer, heads)

    def fit(self, memory: int, optimizer: str = "", dtype: str = "float32") -> Fit:
        """The largest batch whose inference, or with an `optimizer` whose training step, takes `memory` bytes at most;
        parameters are in it. Raises UsageError."""
        from .analysis.fit import fit

        if self.graph.code is not None and self.graph.code.again is None:
            raise UsageError("a trace is of one batch: which others fit, its code says", "Name the code itself.")
        return fit(self.report(1, dtype), memory, optimizer)

    @property
    def stands_in(self) -> tuple[str, ...]:
        """A sentence on what the paper has and the spec has not, if the spec says so."""
        what = self.selection.family.stands_in if self.selection else ""
        return (f"something stands in for {what}: counted as in the paper, but not its function",) if what else ()

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What makes this another network than it seems: what stands in for something, and an input at which there are
        other parameters than at the printed one."""
        return (*self.stands_in, *another_network([self]), *_notes_of_code(self))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every node with its counts at batch 1 in float32."""
        return self._as_traced().layers

    @property
    def totals(self) -> Totals:
        """The main path's totals at batch 1 in float32."""
        return self._as_traced().totals

    @cached_property
    def claims(self) -> tuple[Judgement, ...]:
        """The figures that the spec quotes for this model, judged; empty where input or constants were changed."""
        if self.selection is None or not self.printed:
            return ()
        return judge(self.selection.file, self.selection.subject, self.report())

    @cached_property
    def reported(self) -> tuple[Reported, ...]:
        """The results that the spec reports for this model and nobody computes; empty where input or constants were
        changed."""
        return of_spec(self.selection.file, self.selection.subject) if self.selection and self.printed else ()

    def torch(
        self, device: str | None = None, dtype: str = "float32", heads: bool = False, logits: bool = False
    ) -> Network:
        """The network as a `torch.nn.Module`: the main path, or with `heads=True` also what hangs on it.

        Takes [batch, *input], gives the main path's output, with heads a pair of it and a dict by head. `logits` leaves
        out the softmax or sigmoid that an output or a head ends in, as losses such as `cross_entropy` want it; where
        none does, there is nothing to leave out. The names in its `state_dict` follow from the paths of the nodes,
        see `state_key`. Raises Unavailable where torch, the device or the memory for the parameters is missing;
        SpecError where two nodes would have one name."""
        if self.graph.code is not None:
            raise UsageError(f"`{self.name}` is code, a torch module itself: it has no twin")
        _runtime()
        from .runtime.network import build

        return build(self.graph, device=device, dtype=dtype, heads=heads, logits=logits)

    def convert_state_dict(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """A `state_dict` of archcalc 0.1.0, in which nodes were called by their paths, under the names of today; such
        names stay. It needs no torch. Raises UsageError for a name that is none of this network's, SpecError."""
        from .graph import renamed

        return renamed(self.graph, old)

    def take(self, state: Mapping[str, Any], of: Model) -> dict[str, Any]:
        """A `state_dict` of another network that is this one, node by node, as this one's: of code, `capture(module,
        *inputs)`, for the twin that `torch()` gives. Raises UsageError where they differ, or the state is of another.
        """
        from .alignment.align import align
        from .alignment.weights import carried

        found = align(of.graph, self.graph)
        if found.differences:
            count = len(found.differences)
            differs = f"`{of.name}` and `{self.name}` differ at {count:,} place{'s' * (count != 1)}"
            raise UsageError(differs, "`archcalc compare A B --diff`, in Python `archcalc.diff`, says where.")
        return carried(found, state, of.name)

    def measure(self, conditions: Conditions | None = None, tick: Tick | None = None) -> Measurement:
        """Run the main path and time every node; `tick` hears the rounds done and expected.

        Raises UsageError, Unavailable; Interrupted, with what was measured, for Ctrl-C after the first round."""
        return measure_in_turn([self], conditions, tick)[0]

    @property
    def runs(self) -> bool:
        """Whether it can run: a trace holds no weights."""
        return self.graph.code is None or self.graph.code.again is not None

    def own_run(self, conditions: Conditions) -> Model:
        """Code as it runs on the device itself, where it may do otherwise than on `meta`: that is what is timed; the
        model of a spec as it is. Raises UsageError for a trace, SpecError at a line of the code, Unavailable."""
        if self.graph.code is None:
            return self
        _runtime()
        from .runtime.measure import own_run

        return replace(self, graph=own_run(self.graph, conditions))

    def peer(self, tool: str, tick: Tick | None = None) -> Peer:
        """What another tool (`fvcore`, …) counts of the main path at batch 1, and why it is not what `totals` says."""
        _runtime()
        from .runtime.peers import peer

        return peer(tool, self.graph, tick)

    def summary(
        self,
        batch: int = 1,
        dtype: str = "float32",
        measured: Measurement | None = None,
        like: str = "",
        optimizer: str = "",
        regime: Regime | None = None,
    ) -> Summary:
        """All that `archcalc summary` shows, as data; `like` counts as another tool does, with an `optimizer` there is
        also what a training step takes, beside it a `regime`. Raises UsageError."""
        layers = self.selection.family.layers if self.selection else None
        sentence = self.selection.file.namesakes.get(self.name) if self.selection else None
        report = self.report(batch, dtype)
        counted, calls = ["batch norms folded"] if self.folded else [], ""
        if like:
            from .analysis.conventions import convention, recount

            report = recount(report, convention(like))
            counted.append(str(convention(like)))
            calls = f"{like} {convention(like).calls}"
        return Summary(
            model=self.name,
            family=self.family,
            variant=self.variant,
            title=self.title,
            cite=self.cite,
            spec=self.spec,
            source=layers.quoted.source
            if layers and layers.quoted
            else report.graph.code.said
            if report.graph.code
            else "",
            namesake=sentence.value if sentence else "",
            settings={name: as_typed(value) for name, value in self.settings.items()},
            report=report,
            judgements=() if like else self.claims,
            measured=measured,
            counted="; ".join(counted),
            training=self.training(batch, dtype, optimizer) if optimizer else None,
            notes=self.notes,
            calls=calls,
            reported=self.reported,
            regime=regime,
        )


def load(
    model: Reference | Selection | Model, *, input: Input | None = None, settings: Settings | None = None
) -> Model:
    """Build a model: `vgg16`, `vgg:D`, `./my.yaml`, `./my.yaml:NAME`, or the Path of a spec; one that is built stays.

    `input` (channels first, without the batch) replaces the printed one, or with `{name: shape}` some of several;
    `settings` replace the spec's constants by name.
    Raises UsageError for an unknown name or setting, SpecError for a bad spec."""
    if isinstance(model, Model):
        if input is not None or settings:
            raise UsageError(f"`{model.name}` is built already, at its input and with its constants")
        return model
    found = network(model, input, settings)
    selection = found.selection
    return Model(
        name=found.name,
        family=selection.file.name if selection else "",
        variant=selection.variant.name.value if selection else "",
        title=selection.file.title if selection else "",
        cite=selection.file.cite if selection else "",
        spec=selection.spec if selection else "",
        input=found.graph.inputs[0][1],
        graph=found.graph,
        selection=selection,
        settings=found.settings,
        printed=found.printed,
    )


def capture(
    module: Any,
    *inputs: Any,
    example: bool = False,
    allow_unknown: bool = False,
    **named: Any,
) -> Model:
    """The network of a `torch.nn.Module` as it runs on these inputs, tensors with their batch: only shapes and dtypes
    are read, and the values of whole numbers. The module stays as it is, and nothing is computed, but with `example`.

    Raises UsageError, SpecError at the line of the code that fails or that no rule counts, Unavailable."""
    _runtime()
    from .runtime.capture import of_module

    graph = of_module(module, inputs, named, example, allow_unknown)
    name = type(module).__name__
    return Model(name, "", "", "", "", "", graph.inputs[0][1], graph, None, printed=False)


def _notes_of_code(model: Model) -> tuple[str, ...]:
    """What is to be known of a network of code beside its counts."""
    code = model.graph.code
    if code is None:
        return ()
    found = [*code.notes]
    gone = {index: model.layers[index] for index in lost(model.graph)}
    dead = {index: layer for index, layer in gone.items() if layer.params or layer.macs}
    if dead:
        lent = {node.shares for index, node in enumerate(model.graph.nodes) if index not in dead}
        params = sum(layer.params for index, layer in dead.items() if index not in lent)
        names, macs = [layer.node.path for layer in dead.values()], sum(layer.macs for layer in dead.values())
        said = f"{_some(names)}: {params:,} parameters and {macs:,} MACs are in the total"
        found.append(f"nothing reads what is computed by {said}")
    if code.unused:
        names, count = [param.name for param in code.unused], sum(prod(param.shape) for param in code.unused)
        found.append(f"{count:,} parameters are in the total that nothing reads: {_some(names)}")
    if code.unknown:
        found.append(f"every total is a lower bound, as no rule counts {', '.join(code.unknown)}")
    return tuple(found)


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def another_network(models: Sequence[Model]) -> tuple[str, ...]:
    """Which of these, a model with the same constants at several inputs, are other networks than at the printed one, as
    they have more or fewer parameters: a sentence, or none."""
    first = models[0]
    if first.selection is None:
        return ()
    inputs = inputs_of(first.selection, first.settings)
    elsewhere = [model for model in models if dict(model.graph.inputs) != inputs]
    try:
        printed = replace(first, graph=network(first.selection, settings=first.settings).graph) if elsewhere else first
    except SpecError:  # constants that do not fit the printed input
        return ()
    usual = (printed.fold_bn() if first.folded else printed).totals.params
    found = {said(dict(m.graph.inputs)): m.totals.params for m in elsewhere if m.totals.params != usual}
    if not found:
        return ()
    shown = ", ".join(f"{params:,} at {size}" for size, params in [*found.items()][:SHOWN])
    more = f" and at {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return (f"another network than at the printed {said(inputs)} ({usual:,} parameters): {shown}{more}",)


def measure_in_turn(
    models: Sequence[Model], conditions: Conditions | None = None, tick: Tick | None = None
) -> tuple[Measurement, ...]:
    """Measure several networks in turn, A B A B …, so that what drifts drifts for all alike; else as `Model.measure`
    does."""
    _runtime()
    from .measurement.conditions import USUAL
    from .runtime import measure

    return measure.measure_in_turn([model._as_traced() for model in models], conditions or USUAL, tick)


def models() -> tuple[str, ...]:
    """The names of all models that ship, by family."""
    return tuple(selection.name for path in spec_files() for selection in selections(path)[1])


def verify(names: Sequence[str], tick: Tick | None = None) -> tuple[Verified, ...]:
    """Hold models against their torch networks; `tick` hears how many are done, and of how many.

    Raises UsageError for an unknown name, SpecError for a bad spec, Unavailable where torch or fvcore is missing."""
    _runtime()
    from .runtime.verify import verify_all

    return verify_all(names, tick)


def examine(device: str = "cpu") -> Examined:
    """What this machine has that decides how fast a network runs. Raises UsageError, Unavailable."""
    _runtime()
    from .runtime.peers import examine

    return examine(device)


def ceilings(device: str = "cpu", dtype: str = "float32", threads: int | None = None) -> Device:
    """What this machine reaches at best, measured within seconds: FLOPs and bytes per second, for a roofline.

    Raises UsageError, Unavailable."""
    from .measurement.conditions import check_threads

    check_threads(threads)
    _runtime()
    from .runtime.ceilings import ceilings

    return ceilings(device, dtype, threads)


def _runtime() -> None:
    """Load what needs torch. Raises Unavailable (exit 3) where torch is missing; KeyboardInterrupt that torch lost."""
    try:
        import_module(".runtime.measure", __package__)
    except ModuleNotFoundError as error:
        hint = "Install it with `pip install torch`; `archcalc summary MODEL --static` counts without it."
        raise Unavailable(f"this needs {error.name}, which is not installed", hint) from None
    except Exception as error:  # with too little memory it raises whatever it likes
        raise Unavailable(
            f"torch does not load here: {error or type(error).__name__}", "Count without measuring: `--static`."
        ) from None
    finally:
        obey_interrupt()
