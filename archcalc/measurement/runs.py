"""Measurements as data: a run of a network as JSON, and read again."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from json import loads
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast, get_args

from .. import __version__, files
from ..documents import SCHEMA, VERSION, WRITER, Count, Dtype, Milliseconds, Natural, Positive, Version, Word
from ..errors import SpecError, UsageError
from ..graph import Graph
from ..ops import Shape
from .latency import Latency, Machine, Measurement, Memory, Mode, Stopped

TITLE: Literal["archcalc run"] = "archcalc run"
MAX_BYTES = 2**28  # of a file that is read


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured of one network, a measurement for each batch. `inputs` go by name; `paths` and `ops` are its
    nodes' in order."""

    model: str
    spec: str
    inputs: tuple[tuple[str, Shape], ...]
    settings: dict[str, str]
    paths: tuple[str, ...] = field(repr=False)
    ops: tuple[str, ...] = field(repr=False)
    measurements: tuple[Measurement, ...]

    @classmethod
    def of(
        cls, graph: Graph, measurements: Sequence[Measurement], model: str, spec: str, settings: dict[str, str]
    ) -> Run:
        """The run of the main path of `graph`."""
        nodes = graph.nodes[: graph.main]
        paths, ops = tuple(node.path for node in nodes), tuple(node.op.word for node in nodes)
        return cls(model, spec, graph.inputs, settings, paths, ops, tuple(measurements))

    @property
    def input(self) -> Shape:
        """The first input."""
        return self.inputs[0][1]

    def at(self, inputs: Sequence[tuple[str, Shape]]) -> bool:
        """Whether it was made at these inputs; a file of 0.1.0 knows the first alone."""
        return self.inputs == tuple(inputs) or (len(self.inputs) == 1 and self.input == inputs[0][1])

    @property
    def complete(self) -> bool:
        return bool(self.measurements) and all(measured.complete for measured in self.measurements)


# --- to JSON ------------------------------------------------------------------------------------------------------

_AtLeastNothing = Annotated[float, (("minimum", 0),)]
_Samples = list[Milliseconds]


class SpreadDocument(TypedDict):
    """How long it took, in milliseconds."""

    median: Annotated[Milliseconds, "The median of the runs."]
    iqr: Annotated[Milliseconds, "The inter-quartile range of the runs."]
    min: Annotated[Milliseconds, "The fastest run."]
    max: Annotated[Milliseconds, "The slowest run."]
    p90: Annotated[Milliseconds, "Nine of ten runs are faster."]
    p99: Annotated[Milliseconds, "99 of 100 runs are faster."]


class LatencyDocument(SpreadDocument):
    """How long a part took, in milliseconds."""

    runs: Annotated[Positive, "The number of timed runs."]


class DoubtDocument(TypedDict):
    """A reason not to trust a run."""

    reason: Annotated[str, "Why the run is unstable."]
    advice: Annotated[str, "What to do about it."]


class ConfidenceDocument(TypedDict):
    """Between which times the median lies."""

    level: Annotated[_AtLeastNothing, "The probability that the interval holds the median."]
    low: Annotated[float | None, "The lower end of the interval in milliseconds; null for too few runs."]
    high: Annotated[float | None, "The upper end of the interval in milliseconds; null for too few runs."]
    within: Annotated[
        float | None, "The larger distance of an end from the median, as a share of it; null for too few runs."
    ]
    wanted: Annotated[_AtLeastNothing, "The share that ends the runs once the ends are within it."]
    reached: Annotated[bool, "Whether the ends are."]


class MachineDocument(TypedDict):
    """What ran it; `driver`, `cuda`, `tf32` and `clocks` are the GPU's."""

    system: Annotated[str, "The operating system."]
    python: Annotated[str, "The version of Python."]
    libc: Annotated[str, "The C library, whose malloc can be pinned if it is glibc."]
    processors: Annotated[int | None, "The processors that the process might use."]
    governor: Annotated[str, "How the kernel chooses the processors' clock."]
    load: Annotated[float | None, "The processes that ran or wanted to in the minute before."]
    driver: Annotated[str, "The GPU's driver."]
    cuda: Annotated[str, "The version of CUDA that torch was built for."]
    tf32: Annotated[str, "Where the GPU rounds float32 to TF32."]
    clocks: Annotated[str, "The GPU's clocks before the runs."]


class Plain(TypedDict):
    """The fields of a Measurement that are written as they are: conditions, and what ended the rounds."""

    device: Annotated[str, "The device by its name in torch."]
    device_name: Annotated[str, "The device by its maker's name."]
    torch: Annotated[str, "The version of torch."]
    threads: Annotated[Count, "The number of threads that torch used."]
    dtype: Annotated[Dtype, "The type of the numbers that the measured run used."]
    batch: Annotated[Count, "The number of samples in a measured run."]
    mode: Annotated[Mode, "What a run is: inference, or training, which is the forward and the backward pass."]
    memory_format: Annotated[str, "How maps lie in memory: contiguous, channels_last or channels_last_3d."]
    cold: Annotated[bool, "Whether everything was driven out of the caches before each run."]
    malloc_pinned: Annotated[bool, "Whether freed memory was kept for the next run."]
    stopped: Annotated[Stopped, "What ended the runs."]
    warm_ups: Annotated[Count, "The number of runs before the first that counts."]
    settled: Annotated[bool, "Whether runs had stopped getting faster before the first that counts."]
    disturbed: Annotated[Count, "The number of runs that do not count, as the processor was slower then."]
    probe_ms: Annotated[
        Milliseconds, "What a fixed product of two small matrices took beside the runs, in milliseconds; 0 on a GPU."
    ]


FIELDS = {"settled": "warmed_up", "disturbed": "noisy_rounds"}  # that files call otherwise, by what these say
# What measurements did not have at first: what it is where a file does not say.
ADDED: Mapping[str, Any] = {"disturbed": 0, "probe_ms": 0.0}


class MeasurementDocument(Plain):
    """A measurement without its samples: under which conditions, how long, how sure."""

    runs: Annotated[Positive, "The number of timed runs."]
    complete: Annotated[bool, "Whether the runs were enough; false where the time limit or Ctrl-C ended them."]
    latency_ms: Annotated[SpreadDocument, "The latency of the whole main path in milliseconds."]
    throughput: Annotated[float | None, "Samples a second by the median; null where it is 0."]
    layers_sum_ms: Annotated[Milliseconds, "The medians of all layers together, in milliseconds."]
    reconciliation: Annotated[
        float | None, "The layers' sum as a share of the median of runs that no clock interrupts; null without layers."
    ]
    stable: Annotated[bool, "Whether there is no doubt about the run."]
    doubts: Annotated[list[DoubtDocument], "Why the run is unstable, each with what to do about it."]
    halves: Annotated[
        float | None, "By which share the medians of every other run and of the rest differ; null for too few runs."
    ]
    overhead_ms: Annotated[
        Milliseconds, "What reading the clock at each layer's end cost in a run by layers, in milliseconds."
    ]
    confidence: Annotated[ConfidenceDocument, "How well the whole's median is known: an interval by order statistics."]
    compiled_ms: Annotated[
        SpreadDocument | None,
        "The latency of what torch.compile makes of the network; null where that was not asked for.",
    ]
    launch_bound: Annotated[list[Natural], "The indices of the layers for which the GPU waited."]
    machine: Annotated[MachineDocument, "What else decides how fast it runs; what is not known is empty or null."]
    peak_memory_bytes: Annotated[
        Count | None, "The most bytes of values that a run held, freed at last use; null in training."
    ]
    peak_memory_at: Annotated[str | None, "The node that had run when the most was held; null in training."]
    eager_memory_bytes: Annotated[
        Count | None, "The same in modules that call modules, each holding its input; null in training."
    ]
    workspace_bytes: Annotated[
        Count | None, "What the allocator gave at most beside these; null in training, or where it does not say."
    ]
    requested_bytes: Annotated[
        Count | None, "What the GPU's allocator was asked for at most; null in training and on the CPU."
    ]


class SamplesDocument(TypedDict):
    """Every run in milliseconds."""

    whole: Annotated[_Samples, "The whole network in each run, the clock read at both ends only."]
    layers: Annotated[list[_Samples], "Each layer in each run; in training its forward and backward pass together."]
    backward: Annotated[list[_Samples], "The backward pass of each layer in each run; empty for inference."]
    compiled: Annotated[_Samples, "The compiled network in each run; empty where that was not asked for."]


class SampledDocument(MeasurementDocument):
    """A measurement with every sample."""

    samples_ms: Annotated[SamplesDocument, "Every run in milliseconds."]


class NodeDocument(TypedDict):
    """A node of the main path."""

    path: Annotated[str, "The unique name of the node; also its name in the torch network."]
    op: Annotated[Word, "The word of the spec language for what the node does."]


class MeasuredInput(TypedDict):
    """An input of the network."""

    name: Annotated[str, "The name of the input in the spec."]
    shape: Annotated[list[Positive], "The shape, channels first, without the batch."]


class RunDocument(TypedDict):
    """What `archcalc measure MODEL --save FILE` writes; keys may be added."""

    title: Annotated[Literal["archcalc run"], "What the file is."]
    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    model: Annotated[str, "The name by which the network was asked for."]
    spec: Annotated[str, "The spec file."]
    input: Annotated[list[Positive], "The shape of the first input, channels first, without the batch."]
    settings: Annotated[dict[str, str], "The constants that were set by hand, as they were given."]
    complete: Annotated[bool, "Whether all that was asked for was measured."]
    layers: Annotated[list[NodeDocument], "The nodes of the main path in execution order."]
    measurements: Annotated[list[SampledDocument], "What was measured, one for each batch."]
    inputs: NotRequired[Annotated[list[MeasuredInput], "All inputs by name; absent where there is one."]]


def document(run: Run) -> RunDocument:
    """A run as JSON: what was measured with every sample, and what follows from it."""
    found: RunDocument = {
        "title": TITLE,
        "schema": SCHEMA,
        "archcalc": __version__,
        "model": run.model,
        "spec": run.spec,
        "input": list(run.input),
        "settings": run.settings,
        "complete": run.complete,
        "layers": [{"path": path, "op": op} for path, op in zip(run.paths, run.ops, strict=True)],
        "measurements": [{**described(measured), "samples_ms": _samples(measured)} for measured in run.measurements],
    }
    if len(run.inputs) > 1:
        found["inputs"] = [{"name": name, "shape": list(shape)} for name, shape in run.inputs]
    return found


def described(run: Measurement) -> MeasurementDocument:
    """A measurement without its samples: under which conditions, how long, how sure."""
    plain = cast(Plain, {key: getattr(run, FIELDS.get(key, key)) for key in Plain.__annotations__})
    known, memory = {name: _rounded(value) for name, value in run.confidence._asdict().items()}, run.memory
    return {
        **plain,
        "runs": run.runs,
        "complete": run.complete,
        "latency_ms": spread(run.whole),
        "throughput": _rounded(run.throughput),
        "layers_sum_ms": ms(run.layers_sum),
        "reconciliation": _rounded(run.reconciliation),
        "stable": run.stable,
        "doubts": [{"reason": doubt.reason, "advice": doubt.advice} for doubt in run.doubts],
        "halves": _rounded(run.even_odd_gap),
        "overhead_ms": ms(run.overhead_ms),
        "confidence": cast(ConfidenceDocument, {**known, "reached": run.confidence.reached}),
        "compiled_ms": None if run.compiled is None else spread(run.compiled),
        "launch_bound": list(run.launch_bound),
        "machine": cast(MachineDocument, asdict(run.machine)),
        "peak_memory_bytes": memory and memory.peak_memory_bytes,
        "peak_memory_at": memory and memory.peak_memory_at,
        "eager_memory_bytes": memory and memory.eager_memory_bytes,
        "workspace_bytes": memory and memory.workspace_bytes,
        "requested_bytes": memory and memory.requested_bytes,
    }


def latency(found: Latency) -> LatencyDocument:
    """A layer's latency: with the number of runs."""
    return {**spread(found), "runs": found.runs}


def spread(found: Latency) -> SpreadDocument:
    return cast(SpreadDocument, {name: ms(getattr(found, name)) for name in SpreadDocument.__annotations__})


def ms(time: float) -> float:
    return round(time, 6)  # the clock counts nanoseconds


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _samples(run: Measurement) -> SamplesDocument:
    return {
        "whole": _row(run.whole_samples),
        "layers": list(map(_row, run.samples)),
        "backward": list(map(_row, run.backward)),
        "compiled": _row(run.compiled_samples),
    }


def _row(samples: Sequence[float]) -> list[float]:
    return list(map(ms, samples))


# --- from JSON ----------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """What is not as it should be in a file."""


def read(path: Path, shown: str = "") -> Run:
    """The run that stands in a file. Raises UsageError where there is none that this version can read."""
    name = shown or str(path)
    hint = "`archcalc measure MODEL --save FILE` writes one."
    try:
        text = files.decoded(files.read(path, MAX_BYTES, "a saved run", name, hint), name)
    except SpecError as error:
        raise UsageError(error.message, error.hint) from None
    try:
        return parse(loads(text, parse_constant=_refuse))
    except files.FAULTS as error:
        raise UsageError(f"`{name}` is no JSON: {files.fault(error, text)}") from None
    except _Wrong as error:
        raise UsageError(f"`{name}` is no run that `archcalc measure --save` wrote: {error}") from None


def _refuse(word: str) -> float:
    raise _Wrong(f"`{word}` is no number")


def parse(found: Any) -> Run:
    """The run that a document describes. Raises _Wrong."""
    if _get(found, "title", str) != TITLE:
        raise _Wrong(f"its `title` is not `{TITLE}`")
    if _get(found, "schema", int) > SCHEMA:
        raise _Wrong(f"it has the format {found['schema']}, and this archcalc reads up to {SCHEMA}: a newer one does")
    layers = _get(found, "layers", list)
    settings = _get(found, "settings", dict)
    return Run(
        model=_get(found, "model", str),
        spec=_get(found, "spec", str),
        inputs=_inputs(found),
        settings={str(name): str(value) for name, value in settings.items()},
        paths=tuple(_get(layer, "path", str) for layer in layers),
        ops=tuple(_get(layer, "op", str) for layer in layers),
        measurements=tuple(_measurement(entry, len(layers)) for entry in _get(found, "measurements", list)),
    )


def _inputs(found: Any) -> tuple[tuple[str, Shape], ...]:
    """All inputs; of a file of 0.1.0, and where there is one, the first under the name that most have."""
    alone = [{"name": "input", "shape": _get(found, "input", list)}]
    each = _get(found, "inputs", list) if "inputs" in found else alone
    sizes = [(_get(one, "name", str), _get(one, "shape", list)) for one in each or alone]
    return tuple((name, tuple(_whole(axis, "input") for axis in shape)) for name, shape in sizes)


_KINDS: Mapping[str, type] = {"str": str, "int": int, "bool": bool, "float": float, "Mode": str, "Stopped": str}


def _measurement(found: Any, nodes: int) -> Measurement:
    found = {**ADDED, **found} if isinstance(found, dict) else found
    annotations = {f.name: str(f.type) for f in fields(Measurement)}
    names = {key: FIELDS.get(key, key) for key in Plain.__annotations__}
    plain = {name: _get(found, key, _KINDS[annotations[name]]) for key, name in names.items()}
    for name, words in (("mode", get_args(Mode)), ("stopped", get_args(Stopped))):
        if plain[name] not in words:
            raise _Wrong(f"`{name}` is `{plain[name]}`, not one of {', '.join(words)}")
    samples = _get(found, "samples_ms", dict)
    whole = _times(_get(samples, "whole", list), None)
    layers = _rows(samples, "layers", nodes, len(whole))
    backward = _rows(samples, "backward", nodes if plain["mode"] == "training" else 0, len(whole))
    compiled = _times(_get(samples, "compiled", list), None)
    if not whole or len(compiled) not in (0, len(whole)):
        raise _Wrong("the samples are not as many as the runs")
    return Measurement(
        **plain,
        wanted=_get(_get(found, "confidence", dict), "wanted", float),
        whole_samples=whole,
        samples=layers,
        backward=backward,
        compiled_samples=compiled,
        overhead_ms=_get(found, "overhead_ms", float),
        launch_bound=tuple(_whole(at, "launch_bound") for at in _get(found, "launch_bound", list)),
        machine=_machine(_get(found, "machine", dict)),
        memory=_memory(found),
    )


def _machine(found: Mapping[str, Any]) -> Machine:
    """What later versions add is passed over, what they leave out is not known."""
    kinds = {f.name: _KINDS[str(f.type).removesuffix(" | None")] for f in fields(Machine)}
    known = {name: kind for name, kind in kinds.items() if found.get(name) is not None}
    return Machine(**{name: _get(found, name, kind) for name, kind in known.items()})


def _memory(found: Mapping[str, Any]) -> Memory | None:
    """What was held; None where it was not watched, as in training and by versions that did not."""
    if found.get("peak_memory_bytes") is None:
        return None
    sure = {"peak_memory_bytes": int, "peak_memory_at": str, "eager_memory_bytes": int}
    maybe = [None if found.get(key) is None else _get(found, key, int) for key in Memory._fields[len(sure) :]]
    return Memory(*(_get(found, key, kind) for key, kind in sure.items()), *maybe)


def _rows(samples: Any, key: str, nodes: int, runs: int) -> tuple[array[float], ...]:
    rows = _get(samples, key, list)
    if len(rows) != nodes:
        raise _Wrong(f"`{key}` has {len(rows)} rows for {nodes} layers")
    return tuple(_times(row, runs) for row in rows)


def _times(row: Any, runs: int | None) -> array[float]:
    if not isinstance(row, list) or (runs is not None and len(row) != runs):
        raise _Wrong("the samples are not as many as the runs")
    try:
        times = array("d", row)
    except (TypeError, OverflowError):
        raise _Wrong("a sample is no number") from None
    if not all(isfinite(time) and time >= 0 for time in times):
        raise _Wrong("a sample is no time")
    return times


def _whole(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Wrong(f"`{key}` holds what is no whole number")
    return value


def _get(found: Any, key: str, kind: type) -> Any:
    """The value under a key. Raises _Wrong where it is missing or of another kind."""
    value = found.get(key) if isinstance(found, dict) else None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            raise _Wrong(f"`{key}` is too large") from None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
        raise _Wrong(f"`{key}` is missing" if value is None else f"`{key}` is not {words.get(kind, 'a mapping')}")
    return value
