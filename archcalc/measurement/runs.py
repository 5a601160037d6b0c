"""Measurements as data: a run of a network as JSON, and read again."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from json import JSONDecodeError, loads
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from .. import __version__
from ..errors import UsageError, printable
from ..graph import Graph
from ..ops import Shape
from .latency import Latency, Machine, Measurement, Memory, Mode, Stopped

SCHEMA = 1  # additions do not change it
TITLE = "archcalc run"
MAX_BYTES = 2**30  # of a file that is read


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured of one network, a measurement for each batch. `paths` and `ops` are its nodes' in order."""

    model: str
    spec: str
    input: Shape
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
        return cls(model, spec, graph.inputs[0][1], settings, paths, ops, tuple(measurements))

    @property
    def complete(self) -> bool:
        return bool(self.measurements) and all(measured.complete for measured in self.measurements)


# --- to JSON ------------------------------------------------------------------------------------------------------


def document(run: Run) -> dict[str, Any]:
    """A run as JSON: what was measured with every sample, and what follows from it."""
    return {
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


def described(run: Measurement) -> dict[str, Any]:
    """A measurement without its samples: under which conditions, how long, how sure."""
    return {
        **{name: getattr(run, name) for name in PLAIN},
        "runs": run.runs,
        "complete": run.complete,
        "latency_ms": spread(run.whole),
        "throughput": _rounded(run.throughput),
        "layers_sum_ms": ms(run.layers_sum),
        "reconciliation": _rounded(run.reconciliation),
        "stable": run.stable,
        "doubts": [doubt._asdict() for doubt in run.doubts],
        "halves": _rounded(run.halves),
        "overhead_ms": ms(run.overhead_ms),
        "confidence": {
            **{key: _rounded(value) for key, value in run.confidence._asdict().items()},
            "reached": run.confidence.reached,
        },
        "compiled_ms": None if run.compiled is None else spread(run.compiled),
        "launch_bound": list(run.launch_bound),
        "machine": asdict(run.machine),
        **(dict.fromkeys(Memory._fields) if run.memory is None else run.memory._asdict()),
    }


# The fields that are written as they are: conditions, and what ended the rounds.
PLAIN = (
    "device",
    "device_name",
    "torch",
    "threads",
    "dtype",
    "batch",
    "mode",
    "memory_format",
    "cold",
    "malloc_pinned",
    "stopped",
    "warm_ups",
    "settled",
    "disturbed",
    "probe_ms",
)


# What measurements did not have at first: what it is where a file does not say.
ADDED: Mapping[str, Any] = {"disturbed": 0, "probe_ms": 0.0}


def latency(found: Latency) -> dict[str, Any]:
    """A layer's latency: with the number of runs."""
    return {**spread(found), "runs": found.runs}


def spread(found: Latency) -> dict[str, float]:
    return {name: ms(getattr(found, name)) for name in SPREAD}


SPREAD = tuple(f.name for f in fields(Latency) if f.name != "runs")


def ms(time: float) -> float:
    return round(time, 6)  # the clock counts nanoseconds


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _samples(run: Measurement) -> dict[str, Any]:
    return {
        "whole": _row(run.whole_samples),
        "layers": [_row(row) for row in run.samples],
        "backward": [_row(row) for row in run.backward],
        "compiled": _row(run.compiled_samples),
    }


def _row(samples: Sequence[float]) -> list[float]:
    return [ms(sample) for sample in samples]


# --- from JSON ----------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """What is not as it should be in a file."""


def read(path: Path, shown: str = "") -> Run:
    """The run that stands in a file. Raises UsageError where there is none that this version can read."""
    name = printable(shown or str(path))
    if not path.is_file():
        raise UsageError(f"there is no file `{name}`", "`archcalc measure MODEL --save FILE` writes one.")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"`{name}` is larger than 1 GiB: no run")
    try:
        return parse(loads(path.read_text(encoding="utf-8"), parse_constant=_refuse))
    except (UnicodeError, JSONDecodeError, RecursionError) as error:
        raise UsageError(f"`{name}` is no JSON: {error}") from None
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
        input=tuple(_whole(axis, "input") for axis in _get(found, "input", list)),
        settings={str(name): str(value) for name, value in settings.items()},
        paths=tuple(_get(layer, "path", str) for layer in layers),
        ops=tuple(_get(layer, "op", str) for layer in layers),
        measurements=tuple(_measurement(entry, len(layers)) for entry in _get(found, "measurements", list)),
    )


_KINDS: Mapping[str, type] = {"str": str, "int": int, "bool": bool, "float": float, "Mode": str, "Stopped": str}
_WORDS: Mapping[str, tuple[str, ...]] = {"mode": get_args(Mode), "stopped": get_args(Stopped)}


def _measurement(found: Any, nodes: int) -> Measurement:
    found = {**ADDED, **found} if isinstance(found, dict) else found
    annotations = {f.name: str(f.type) for f in fields(Measurement)}
    plain = {name: _get(found, name, _KINDS[annotations[name]]) for name in PLAIN}
    for name, words in _WORDS.items():
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
    known = {f.name for f in fields(Machine)}
    return Machine(**{name: value for name, value in found.items() if name in known})


def _memory(found: Mapping[str, Any]) -> Memory | None:
    """What was held; None where it was not watched, as in training and by versions that did not."""
    if found.get("peak_memory_bytes") is None:
        return None
    sure = (
        _get(found, "peak_memory_bytes", int),
        _get(found, "peak_memory_at", str),
        _get(found, "eager_memory_bytes", int),
    )
    maybe = (None if found.get(key) is None else _get(found, key, int) for key in Memory._fields[len(sure) :])
    return Memory(*sure, *maybe)


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
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
        raise _Wrong(f"`{key}` is missing" if value is None else f"`{key}` is not {words.get(kind, 'a mapping')}")
    return value
