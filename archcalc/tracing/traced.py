"""A trace: what one run of a torch module did, call by call, as data that needs no torch. It is read and written as
JSON, without values of weights, source text or absolute paths, and comes from strangers as any file does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from json import dumps, loads
from math import inf, isfinite, nan, prod
from pathlib import Path
from typing import Any, TypeVar

from .. import files
from ..errors import SpecError, printable
from ..graph import MAX_NODES
from ..ops.base import LIMIT
from ..records import NamedTuple

VERSION = 2  # of the form: a change of meaning is another one
TITLE = "archcalc trace"
TRAINING = ", in train()"  # behind what a run for a training step is on
MAX_BYTES = 256 << 20
LONG = 1_000  # characters of a name
AXES = 64  # of a tensor
DEEP = 4  # lists in lists among arguments
# Bytes of a number of each type that torch has.
BYTES = {
    "float32": 4, "float64": 8, "float16": 2, "bfloat16": 2, "complex32": 4, "complex64": 8, "complex128": 16,
    "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8, "bool": 1,
    "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1,
}  # fmt: skip
DIGITS = {  # of fraction and exponent
    "float64": (53, 11), "float32": (24, 8), "float16": (11, 5), "bfloat16": (8, 8), "float8_e4m3fn": (4, 4),
    "float8_e5m2": (3, 5), "float8_e4m3fnuz": (4, 4), "float8_e5m2fnuz": (3, 5),
}  # fmt: skip
SIGNED = {"int64": 64, "int32": 32, "int16": 16, "int8": 8, "uint8": 8, "bool": 1}


def wider(one: str, other: str) -> bool:
    """Whether a dtype keeps every number of another; of whole numbers those that are counted with."""
    if one == other:
        return True
    if other in DIGITS:
        return one in DIGITS and all(a >= b for a, b in zip(DIGITS[one], DIGITS[other], strict=True))
    return other in SIGNED and (one in DIGITS or SIGNED.get(one, 0) > SIGNED[other])


class Ref(int):
    """An argument that is a tensor: its number among `tensors`."""


class Tensor(NamedTuple):
    """A tensor as it was made: what is overwritten is another one behind. `storage` is where it stands."""

    shape: tuple[int, ...]
    dtype: str
    storage: int


class Storage(NamedTuple):
    """Memory: the call that allocated it (−1: it was there before the run), and behind how many calls it was freed."""

    bytes: int
    born: int
    dies: int


class Learned(NamedTuple):
    """A parameter or a buffer by all its names, as a `state_dict` has them if they are `kept` there."""

    names: tuple[str, ...]
    tensor: int
    trained: bool
    kept: bool = True


class Module(NamedTuple):
    """A call of a module: its path, its class, and the calls in it, from `start` to `stop`."""

    path: str
    kind: str
    start: int
    stop: int
    outputs: tuple[int, ...]


class Called(NamedTuple):
    """A call of a torch operator: `aten::conv2d`. `several` says that it gives a list, of one or more; `writes` are the
    storages that it overwrites; `module` is the path of the module that it stands in; `pointwise` is torch's tag.
    `constants` says of what it reads that depends on no input and no weight what that is, in words."""

    op: str
    args: Mapping[str, Any]
    outputs: tuple[int, ...]
    several: bool
    writes: tuple[int, ...]
    module: str
    file: str
    line: int
    pointwise: bool = False
    constants: Mapping[int, str] = {}

    @property
    def name(self) -> str:
        """`conv2d`; of an operator in place its other form."""
        return plain(self.op)

    @property
    def read(self) -> list[int]:
        """The tensors that it reads, in the order of its arguments."""
        return refs([*self.args.values()])


@lru_cache(1 << 12)  # names come from files of strangers, too
def plain(op: str) -> str:
    """The name of an operator; of one in place that of its other form."""
    name = op.rpartition("::")[2]
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


class Traced(NamedTuple):
    """A run, of a batch, in a dtype. `level` says what ran: `meta`, where nothing is computed, or one `example`."""

    name: str
    batch: int
    dtype: str
    torch: str
    level: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    tensors: tuple[Tensor, ...]
    storages: tuple[Storage, ...]
    learned: tuple[Learned, ...]
    modules: tuple[Module, ...]
    calls: tuple[Called, ...]
    notes: tuple[str, ...] = ()


def refs(value: Any) -> list[int]:
    """The tensors in an argument."""
    if isinstance(value, Ref):
        return [int(value)]
    found: list[int] = []
    if isinstance(value, list):
        for part in value:
            kind = type(part)
            if kind is Ref:
                found.append(int(part))
            elif kind is list:
                found += refs(part)
    return found


# --- to JSON ------------------------------------------------------------------------------------------------------


def text(traced: Traced) -> str:
    """The trace as JSON, a line for each tensor, storage, module and call."""
    head = {
        "title": TITLE, "version": VERSION, "name": traced.name, "batch": traced.batch, "dtype": traced.dtype,
        "torch": traced.torch, "level": traced.level, "notes": traced.notes, "inputs": traced.inputs,
        "outputs": traced.outputs,
    }  # fmt: skip
    rows: dict[str, list[Any]] = {
        "tensors": [[*tensor] for tensor in traced.tensors],
        "storages": [[*storage] for storage in traced.storages],
        "learned": [[*learned[:3], *[False] * (not learned.kept)] for learned in traced.learned],
        "modules": [[*module] for module in traced.modules],
        "calls": [
            {
                "op": call.op,
                "args": {name: _encoded(value) for name, value in call.args.items()},
                "outputs": call.outputs,
                **({"several": True} if call.several else {}),
                **({"writes": call.writes} if call.writes else {}),
                "module": call.module,
                "where": f"{call.file}:{call.line}",
                **({"pointwise": True} if call.pointwise else {}),
                **({"constants": sorted(call.constants.items())} if call.constants else {}),
            }
            for call in traced.calls
        ],
    }
    lines = [f" {_json(name)}: {_json(value)}" for name, value in head.items()]
    for name, each in rows.items():
        lines.append(f" {_json(name)}: [" + ",".join(f"\n  {_json(row)}" for row in each) + "]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return dumps(value, ensure_ascii=False, allow_nan=False)


def _encoded(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"t": int(value)}
    if isinstance(value, float) and not isfinite(value):
        return {"f": str(value)}
    return [_encoded(part) for part in value] if isinstance(value, list | tuple) else value


# --- from JSON ----------------------------------------------------------------------------------------------------

Read = TypeVar("Read")


class _Wrong(Exception):
    """What is not as it should be in a file."""


def is_trace(path: Path) -> bool:
    """Whether a file says at its beginning that it is a trace."""
    try:
        return TITLE.encode() in files.read(path, 100, "a trace", cut=True)
    except SpecError:
        return False


def read(path: Path, name: str = "") -> Traced:
    """The trace that stands in a file. Raises SpecError where there is none that this version can read."""
    name = name or str(path)
    hint = "`archcalc trace MODULE -o FILE` writes one."
    text = files.decoded(files.read(path, MAX_BYTES, "a trace", name, hint), name)
    try:
        return parse(loads(text, parse_constant=_refuse))
    except files.FAULTS as error:
        raise SpecError(f"`{name}` is no JSON: {files.fault(error, text)}") from None
    except _Wrong as error:
        raise SpecError(f"`{name}` is no trace that can be read: {error}", hint=hint) from None


def _refuse(word: str) -> float:
    raise _Wrong(f"`{word}` is no number")


def parse(found: Any) -> Traced:
    """The trace that a document describes. Raises _Wrong."""
    if not isinstance(found, dict) or found.get("title") != TITLE:
        raise _Wrong(f"its `title` is not `{TITLE}`")
    if found.get("version") != VERSION or isinstance(found["version"], bool):
        raise _Wrong(f"it has the version {str(found.get('version'))[:20]}, and this archcalc reads {VERSION}")
    storages = _rows(found, "storages", _storage)
    tensors = _rows(found, "tensors", lambda row: _tensor(row, len(storages)))
    calls = _rows(found, "calls", lambda row: _call(row, len(tensors), len(storages)))
    traced = Traced(
        name=_text(found.get("name"), "name"),
        batch=_whole(found.get("batch"), "batch", 1),
        dtype=_dtype(found.get("dtype")),
        torch=_text(found.get("torch"), "torch"),
        level=_text(found.get("level"), "level"),
        inputs=_rows(found, "inputs", lambda row: _named(row, "inputs", len(tensors))),
        outputs=_rows(found, "outputs", lambda row: _named(row, "outputs", len(tensors))),
        tensors=tensors,
        storages=storages,
        learned=_rows(found, "learned", lambda row: _learned(row, len(tensors))),
        modules=_rows(found, "modules", lambda row: _module(row, len(calls), len(tensors))),
        calls=calls,
        notes=_rows(found, "notes", lambda row: _text(row, "notes")),
    )
    _check(traced)
    return traced


def _check(traced: Traced) -> None:
    """Raise _Wrong where a tensor is made twice, or read before it is made."""
    if not traced.inputs or not traced.calls:
        raise _Wrong("nothing runs in it")
    made = {at for call in traced.calls for at in call.outputs}
    known = set(range(len(traced.tensors))) - made
    for number, call in enumerate(traced.calls):
        if not known.issuperset(call.read):
            raise _Wrong(f"call {number} reads what no call before it makes")
        if not known.isdisjoint(call.outputs) or len(set(call.outputs)) != len(call.outputs):
            raise _Wrong(f"call {number} makes what is there")
        known.update(call.outputs)
    if not known.issuperset(at for _, at in traced.inputs) or any(at in made for _, at in traced.inputs):
        raise _Wrong("an input is made by a call")


def _rows(found: Mapping[str, Any], key: str, read: Callable[[Any], Read]) -> tuple[Read, ...]:
    rows = found.get(key)
    if not isinstance(rows, list) or len(rows) > 4 * MAX_NODES or (key == "calls" and len(rows) > MAX_NODES):
        raise _Wrong(f"`{key}` is not a list" if not isinstance(rows, list) else f"`{key}` is too long")
    try:
        return tuple(map(read, rows))
    except (TypeError, KeyError, AttributeError):
        raise _Wrong(f"`{key}` has a line of another form") from None
    except ValueError:
        raise _Wrong(f"`{key}` has a line that is too short or too long") from None


def _tensor(row: Any, storages: int) -> Tensor:
    shape, dtype, storage = row
    return Tensor(_sizes(shape), _dtype(dtype), _whole(storage, "storage", 0, storages - 1))


def _storage(row: Any) -> Storage:
    size, born, dies = row
    born = _whole(born, "storages", -1, MAX_NODES)
    return Storage(_whole(size, "storages", 0), born, _whole(dies, "storages", max(born, 0), MAX_NODES))


def _learned(row: Any, tensors: int) -> Learned:
    names, tensor, trained, *rest = row
    if rest not in ([], [False]):
        raise _Wrong("`learned` says something else than that no checkpoint has it")
    found = tuple(_text(name, "learned") for name in names)
    if not found or not isinstance(trained, bool):
        raise _Wrong("`learned` has no name, or does not say whether it is trained")
    return Learned(found, _whole(tensor, "learned", 0, tensors - 1), trained, not rest)


def _module(row: Any, calls: int, tensors: int) -> Module:
    path, kind, start, stop, outputs = row
    start = _whole(start, "modules", 0, calls)
    given = tuple(_whole(at, "modules", 0, tensors - 1) for at in outputs)
    return Module(_text(path, "modules"), _text(kind, "modules"), start, _whole(stop, "modules", start, calls), given)


def _named(row: Any, key: str, tensors: int) -> tuple[str, int]:
    name, tensor = row
    return _text(name, key), _whole(tensor, key, 0, tensors - 1)


def _call(row: Any, tensors: int, storages: int) -> Called:
    file, colon, line = _text(row["where"], "where").rpartition(":")
    if file.startswith(("/", "~", "\\")) or ".." in file or not (colon and line.isascii() and line.isdigit()):
        raise _Wrong("`where` is no relative path with a line")
    args = row["args"]
    if not isinstance(args, dict):
        raise TypeError
    for several in (row.get("several", False), row.get("pointwise", False)):
        if not isinstance(several, bool):
            raise TypeError
    return Called(
        op=_text(row["op"], "op"),
        args={_text(name, "args"): _decoded(args[name], tensors) for name in args},
        outputs=tuple(_whole(at, "outputs", 0, tensors - 1) for at in row["outputs"]),
        several=row.get("several", False),
        writes=tuple(_whole(at, "writes", 0, storages - 1) for at in row.get("writes", [])),
        module=_text(row["module"], "module"),
        file=file,
        line=int(line[:9]),
        pointwise=row.get("pointwise", False),
        constants={
            _whole(at, "constants", 0, tensors - 1): _text(said, "constants") for at, said in row.get("constants", [])
        },
    )


def _decoded(value: Any, tensors: int, depth: int = 0) -> Any:
    if isinstance(value, dict):
        if [*value] == ["t"]:
            return Ref(_whole(value["t"], "args", 0, tensors - 1))
        return {"inf": inf, "-inf": -inf, "nan": nan}[value["f"]]
    if isinstance(value, list):
        if depth == DEEP or len(value) > MAX_NODES:
            raise _Wrong("`args` is nested too deeply, or too long")
        return [_decoded(part, tensors, depth + 1) for part in value]
    if isinstance(value, str):
        return _text(value, "args")
    return _whole(value, "args", -LIMIT) if type(value) is int else value


def _dtype(value: Any) -> str:
    if not isinstance(value, str) or value not in BYTES:
        raise _Wrong(f"`{str(value)[:40]}` is no dtype")
    return value


def _sizes(shape: Any) -> tuple[int, ...]:
    found = tuple(_whole(size, "shape", 0) for size in shape)
    if len(found) > AXES or prod(found) > LIMIT:
        raise _Wrong("a tensor has too many axes or elements")
    return found


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or len(value) > LONG:
        raise _Wrong(f"`{key}` is not a text of at most {LONG} characters")
    return printable(value)


def _whole(value: Any, key: str, least: int, most: int = LIMIT) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _Wrong(f"`{key}` holds what is no number from {least} to {most:,}")
    return value
