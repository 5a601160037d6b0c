"""One run of a module, watched call by call: on `meta`, where nothing is computed or held, or for real on an example.

`inference_mode` is what lets operators that are made of others arrive whole, as `linear` or `lstm`. A module is left as
it was: what runs is a copy of its structure, and no hook stands on it.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import cache
from inspect import signature
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.utils._python_dispatch import _disable_current_modes

from ..errors import ArchcalcError, Source, SpecError, Text, UsageError, printable
from ..graph import MAX_NODES
from ..ops import Shape
from ..records import NamedTuple
from ..tracing.calls.kinds import known
from ..tracing.traced import BYTES, Called, Learned, Module, Ref, Storage, Traced
from ..tracing.traced import Tensor as Seen
from .constants import LARGEST, described, grid, later
from .meta import META
from .shadow import MOST, PLAIN, SHAPED, Alive, OnMeta, Shadow, Undisturbed, changed, followed, tensors_of, written

# Where frames are passed over on the way to the line that somebody wrote.
OURS = tuple(
    f"{folder}{os.sep}" for folder in (Path(torch.__file__).resolve().parent, Path(__file__).resolve().parents[1])
)
PYTHON = f"{Path(os.__file__).parent}{os.sep}"
FRAMES = 10  # above the line that failed, which are named
DEPENDS = "what runs here depends on the values of activations, and nothing is computed"
SEED = 0  # of the parameters and inputs of a real run
WHOLE = "An input of whole numbers is `--input 32:int64`, or by name `--input ids=32:int64`."
AXES = "An input has all its axes, channels first and without the batch: `--input 3x64x64`."
HINTS = {"scalar types: Long": WHOLE, "(unbatched) or ": AXES}  # by a part of what torch says
EXAMPLE = "`--example` runs it for real, on one random input: what runs then is counted."


class Given(NamedTuple):
    """An input of a network: its shape without the batch, its dtype (empty: the network's), and the value that all of
    its elements have where they are whole numbers, or all of these values."""

    shape: Shape
    dtype: str = ""
    value: int = 1
    values: Tensor | None = None

    def whole(self, like: Tensor) -> Tensor:
        """The values of an input of whole numbers."""
        return (
            torch.full(like.shape, self.value, dtype=like.dtype, device="cpu") if self.values is None else self.values
        )


# --- the run ------------------------------------------------------------------------------------------------------


def made_on_meta(inputs: Mapping[str, Given], batch: int, dtype: str, shadow: Shadow) -> dict[str, Tensor]:
    """The inputs on `meta`; of whole numbers `shadow` knows the values."""
    found = {}
    for key, given in inputs.items():
        one = torch.empty((batch, *given.shape), dtype=getattr(torch, given.dtype or dtype), device=META)
        found[key] = one
        if not one.is_floating_point() and not one.is_complex():
            shadow.know(one, given.whole(one))
    return found


def made_for_real(given: Given, batch: int, dtype: torch.dtype, layout: torch.memory_format | None) -> Tensor:
    """Random numbers, or the whole ones that are given."""
    number = getattr(torch, given.dtype) if given.dtype else dtype
    shape = (batch, *given.shape)
    if not number.is_floating_point:
        return torch.full(shape, given.value, dtype=number) if given.values is None else given.values.clone()
    found = torch.randn(shape, dtype=torch.float32).to(number)
    fits = layout is not None and found.ndim == (4 if layout is torch.channels_last else 5)
    return found.contiguous(memory_format=layout) if fits and layout is not None else found


def run(module: nn.Module, given: Mapping[str, Tensor], shadow: Shadow, watch: Watch | None, grad: bool = False) -> Any:
    """Run the module, watched or not: what it gives where it is to be trained. Raises SpecError at the last line of
    somebody's code."""
    modes = torch.enable_grad() if grad else torch.no_grad() if watch is None else torch.inference_mode()
    on_meta = not grad and next(iter(given.values())).device == META
    with running(shadow if on_meta else None, watch), modes, ExitStack() as stack:
        if watch is not None:
            stack.enter_context(heard(watch.enter, watch.leave))
        out = applied(module, given)
        if watch is not None:
            watch.end(out)
            del out
            return watch
        return out if grad else None


def applied(module: nn.Module, given: Mapping[str, Tensor]) -> Any:
    """What a module gives for inputs by name, of which "" is its first argument, `xs.0` stands in a list, and
    `batch.image` in a mapping."""
    first = [given[""]] if "" in given else []
    tree: dict[str, Any] = {}
    for name, value in given.items():
        *above, last = name.split(".")
        into = tree
        for part in above:
            into = into.setdefault(part, {})
        into[last] = value
    named = {name: _listed(value) for name, value in tree.items() if name}
    by_place, several = _by_place(module)
    if several in named:
        first += [named.pop(name) for name in by_place[len(first) :] if name in named]
    return module(*first, *named.pop(several, ()), **named)


def _listed(value: Any) -> Any:
    """A mapping whose keys are 0, 1, … as a list."""
    if not isinstance(value, dict):
        return value
    parts = {name: _listed(part) for name, part in value.items()}
    return [*parts.values()] if [*parts] == [str(at) for at in range(len(parts))] else parts


def _by_place(module: nn.Module) -> tuple[list[str], str]:
    """The names of what a module takes by its place, and of what takes all further ones; "" where nothing does."""
    try:
        every = signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return [], ""
    several = next((each.name for each in every if each.kind is each.VAR_POSITIONAL), "")
    return [each.name for each in every if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)], several


def places(module: nn.Module, count: int) -> list[str]:
    """What so many inputs by their place are called. Raises UsageError where a module does not take as many."""
    names, several = _by_place(module)
    if several:
        names += [f"{several}.{at}" for at in range(count - len(names))]
    if len(names) < count and names:
        raise UsageError(f"{count} inputs are given, and it takes {len(names)}: {', '.join(names)}")
    return names[:count] or [""]


@contextmanager
def running(shadow: Shadow | None, watch: Watch | None = None) -> Iterator[None]:
    """Somebody's code runs as `shown` says, not compiled; on `meta` with the values that `shadow` knows, and watched,
    where these are given."""
    stance = getattr(torch.compiler, "set_stance", None)
    mode = shadow if watch is None else watch  # which asks the shadow itself
    with shown(), ExitStack() as stack:
        if stance is not None and "torch._dynamo" in sys.modules:  # which takes a second to load, to compile nothing
            stack.enter_context(stance("force_eager"))
        if shadow is not None:
            stack.enter_context(OnMeta(shadow))
        if mode is not None:
            stack.enter_context(mode)
        yield


@contextmanager
def shown() -> Iterator[None]:
    """Somebody's code runs: what it prints goes to standard error, what it raises is told at its own line."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except ArchcalcError:
        raise
    except (Exception, SystemExit) as error:  # which would end the command, as if all were well
        raise failed(error) from None


def failed(error: BaseException) -> ArchcalcError:
    """What somebody's code raised, at the last line of it, with the frames above; torch's and ours are left out."""
    frames = []
    at = error.__traceback__
    while at is not None:
        frames.append((at.tb_frame.f_code.co_filename, at.tb_lineno, at.tb_frame.f_code.co_name))
        at = at.tb_next
    theirs = [frame for frame in frames if not passed(frame[0])]
    depends = _depends(error)
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}" if str(error) else type(error).__name__
    message, hint = (
        (DEPENDS, EXAMPLE) if depends else (said, next((h for word, h in HINTS.items() if word in said), ""))
    )
    if isinstance(error, SyntaxError) and error.filename:
        theirs.append((error.filename, error.lineno or 1, ""))
    if not theirs:
        return UsageError(message, hint or _lacking(message))
    file, line, _ = theirs[-1]
    found = SpecError(message, place(_source(file), line), hint)
    for above, number, function in [*reversed(theirs[:-1])][:FRAMES]:
        found.within(f"{relative(above)}:{number}, {function}")
    return found


def _lacking(message: str) -> str:
    """What gives the arguments that a module is made or called without."""
    called, found, names = message.partition(" missing ")
    lacking = re.findall(r"'(\w+)'", names) if found else []
    if not lacking:
        return ""
    if "forward()" in called:
        return (
            f"Each input goes by its name: {', '.join(f'`--input {name}=SIZE`' for name in lacking)}, the others too."
        )
    kwargs = ", ".join(f'"{name}": …' for name in lacking)
    return f"`--kwargs '{{{kwargs}}}'` says what it is made with; or name a function of yours that makes it."


def _depends(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, RuntimeError | NotImplementedError) and (
        "meta tensor" in text
        or "data-dependent" in text
        or "data-independent" in text
        or "on meta" in text
        or "'meta' device" in text
    )


# --- places -------------------------------------------------------------------------------------------------------


@cache
def passed(file: str) -> bool:
    """Whether a file is torch's, ours, Python's own, or none."""
    plain = os.path.abspath(file)  # noqa: PTH100 - links stay
    own = plain.startswith(PYTHON) and f"{os.sep}site-packages{os.sep}" not in plain
    return file.startswith("<") or plain.startswith(OURS) or own


def their_frame() -> FrameType | None:
    """Of what runs in the module the innermost frame that is not passed over; None where all of it is torch's."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and passed(frame.f_code.co_filename):
        frame = frame.f_back if frame.f_code is not applied.__code__ else None
    return frame


_LINES: dict[str, tuple[list[str], tuple[str, ...]]] = {}  # with what Python has read of a file


def relative(file: str) -> str:
    """A file as a trace calls it: from this folder, or from where Python finds it."""
    path = os.path.abspath(file)  # noqa: PTH100 - links stay
    for folder in (str(Path.cwd()), *sorted(map(os.path.abspath, filter(None, sys.path)), key=len, reverse=True)):
        if path.startswith(folder.rstrip(os.sep) + os.sep):
            return Path(os.path.relpath(path, folder)).as_posix()
    return Path(path).name


def _source(file: str) -> Source:
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    there, found = _LINES.get(file, ([], ()))
    if there is not lines:  # the file is another one by now
        found = tuple([line.rstrip("\n") for line in lines])
        _LINES[file] = lines, found
    return Source(relative(file), found)


def place(source: Source, line: int, word: str = "") -> Text:
    """A line of a file, from its first letter on, or from a word in it."""
    text = source.lines[line - 1] if 0 < line <= len(source.lines) else ""
    at = text.find(word) if word else -1
    if at < 0:
        at, word = len(text) - len(text.lstrip()), text.strip() or word
    return Text(word, source, line, at + 1)


def paths(module: nn.Module) -> dict[int, str]:
    """The first path of each part of a module, by its `id`."""
    return _first_paths(parts_of(module))


def _first_paths(parts: Sequence[tuple[str, nn.Module]]) -> dict[int, str]:
    return {id(part): plain(path) for path, part in reversed(parts)}


def parts_of(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """A module and all its parts by their paths, also those that have several."""
    return [*module.named_modules(remove_duplicate=False)]


# --- watching -----------------------------------------------------------------------------------------------------


@contextmanager
def heard(enter: Callable[..., None], leave: Callable[..., None]) -> Iterator[None]:
    """Hear of every call of a module, without a hook on any."""
    handles = (
        hooks.register_module_forward_pre_hook(enter),
        hooks.register_module_forward_hook(leave, always_call=True),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


NONE: dict[int, str] = {}  # of most calls
DTYPES = {getattr(torch, name): name for name in BYTES if hasattr(torch, name)}


def settled(part: nn.Module, name: str, tensor: Tensor, shadow: Shadow) -> bool:
    """Whether a buffer of a module follows from its code: whole numbers, the places of a grid, which token comes later,
    and what no checkpoint holds; `shadow` knows its value."""
    if not tensor.is_floating_point() or name in part._non_persistent_buffers_set:
        return True
    value = shadow.twin(tensor) if tensor.ndim > 1 else None
    if value is None:
        return False
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        plain = value.detach().cpu().squeeze()
        return later(plain) or bool(grid(plain))


class Again(NamedTuple):
    """A call with all that it takes to do it again: its arguments, with a Ref in the place of each tensor."""

    func: Any
    args: Any
    kwargs: Any


class Operator(NamedTuple):
    """What torch says of an operator, asked once: it makes its words anew each time. `of_parts`: no rule is of itself,
    but it is made of others; `shaped`: it reads sizes and types alone."""

    name: str
    arguments: tuple[str, ...]
    mutable: bool
    pointwise: bool
    of_parts: bool
    shaped: bool
    random: bool


@cache
def _operator(func: Any) -> Operator:
    schema, pointwise = func._schema, torch.Tag.pointwise in func.tags
    name = schema.name.rpartition("::")[2]
    plain = name[:-1] if name.endswith("_") and not name.endswith("__") else name
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    of_parts = composite and not pointwise and not known(plain)
    arguments = tuple([argument.name for argument in schema.arguments])
    random = torch.Tag.nondeterministic_seeded in func.tags
    shaped = func.overloadpacket in SHAPED
    return Operator(schema.name, arguments, schema.is_mutable, pointwise, of_parts, shaped, random)


class Watch(Undisturbed):  # type: ignore[no-untyped-call]
    """Notes every call: what it reads and gives, in which module and line it stands, and how long memory lives."""

    def __init__(self, module: nn.Module, given: Mapping[str, Tensor], shadow: Shadow) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shadow = shadow
        self.calls: list[Called] = []
        self.tensors: list[Seen] = []
        self.storages: list[Storage] = []  # what is there yet dies at −1
        self.modules: list[Module] = []
        self.notes: list[str] = []
        self.files: dict[str, Source] = {}
        self.filled = False
        self._live: dict[int, int] = {}  # the numbers of storages that are there, by what torch calls them
        self._ids: dict[int, int] = {}  # and of tensors, by their ids
        self._there: list[Any] = []  # those that stay until the end: inputs, parameters and buffers
        self._ends: dict[int, Alive] = {}  # of all others
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}  # each once, as there are few
        self._lists: dict[tuple[int, ...], list[int]] = {}
        self._open: list[int] = []
        self._aside = False
        self._called: dict[str, str] = {}  # what a trace calls files
        parts = parts_of(module)
        self._paths = _first_paths(parts)
        self._varies: set[int] = set()  # tensors that depend on an input, a weight or chance
        self._varied: set[int] = set()  # and the storages that such were written to
        self.learned, tensors = self._learn(parts)
        names, several = _by_place(module)
        first = next(iter(names), several or "input")
        self.inputs = tuple((printable(name or first), self._kept(one)) for name, one in given.items())
        self.outputs: tuple[tuple[str, int], ...] = ()
        self.again: list[Again] = []  # of each call all that it takes to do it again, where it was for real
        self.known: dict[int, Tensor] = {}  # what no call gives: parameters, buffers and constants, by their numbers
        self._given = {number for _, number in self.inputs}  # and what calls give
        self._varies |= self._given
        self._real = all(one.device != META for one in given.values())
        if self._real:
            self.known.update((learned.tensor, tensors[learned.names[0]]) for learned in self.learned)

    def _learn(self, parts: Sequence[tuple[str, nn.Module]]) -> tuple[list[Learned], dict[str, Tensor]]:
        names: dict[int, list[str]] = {}
        tensors: dict[int, Tensor] = {}
        fixed, passing = set[int](), set[int]()

        def learn(path: str, tensor: Tensor) -> int:
            tensors[id(tensor)] = tensor
            names.setdefault(id(tensor), []).append(plain(path))
            return id(tensor)

        for path, part in parts:
            for name, parameter in part._parameters.items():
                if parameter is not None:
                    learn(f"{path}.{name}" if path else name, parameter)
        trained = set(tensors)
        for path, part in parts:
            for name, buffer in part._buffers.items():
                if buffer is None:
                    continue
                key = learn(f"{path}.{name}" if path else name, buffer)
                if name in part._non_persistent_buffers_set:
                    passing.add(key)
                if settled(part, name, buffer, self._shadow):
                    fixed.add(key)
        numbers = {key: self._kept(tensor) for key, tensor in tensors.items()}
        self._varies |= {number for key, number in numbers.items() if key not in fixed}
        found = [
            Learned(tuple(names[key]), number, key in trained, key not in passing) for key, number in numbers.items()
        ]
        return found, {names[key][0]: tensor for key, tensor in tensors.items()}

    # --- tensors

    def _number(self, tensor: Tensor) -> int:
        """The number of a tensor; of one that was not seen before a new one: a constant."""
        found = self._ids.get(id(tensor))
        return self._new(tensor, -1) if found is None else found

    def _kept(self, tensor: Tensor) -> int:
        """The number of a tensor that stays until the end."""
        found = self._ids.get(id(tensor))
        if found is None:
            found = self._new(tensor, -1, stays=True)
            self._there += tensor, tensor.untyped_storage()
        return found

    def _new(self, tensor: Tensor, born: int, stays: bool = False) -> int:
        dtype = DTYPES.get(tensor.dtype)
        if dtype is None:
            raise UsageError(f"tensors of {str(tensor.dtype).removeprefix('torch.')} are not counted here")
        key, number, shape = id(tensor), len(self.tensors), tuple(tensor.shape)
        self.tensors.append(Seen(self._shapes.setdefault(shape, shape), dtype, self._storage(tensor, born, stays)))
        self._ids[key] = number
        if not stays:
            self._ends[key] = followed(tensor, self._gone, key, number)
        return number

    def _gone(self, tensor: Alive) -> None:
        del self._ids[tensor.key], self._ends[tensor.key]

    def _storage(self, tensor: Tensor, born: int, stays: bool = False) -> int:
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):
            raise UsageError("sparse, nested and quantised tensors are not counted here") from None
        key = storage._cdata
        found = self._live.get(key)
        if found is None:
            found = self._live[key] = len(self.storages)
            self.storages.append(Storage(storage.nbytes(), born, -1))
            if not stays:
                self._ends[key] = followed(storage, self._freed, key, found)
        return found

    def _freed(self, storage: Alive) -> None:
        number = storage.held
        size, born, _ = self.storages[number]
        self.storages[number] = Storage(size, born, len(self.calls))
        del self._live[storage.key], self._ends[storage.key]

    # --- calls

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operator = _operator(func)
        if operator.of_parts:
            with self:  # of parts that are known
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        given = tensors_of(args, kwargs)
        read = {}
        for at, name in enumerate(operator.arguments):
            value = args[at] if at < len(args) else kwargs.get(name) if kwargs else None
            if value is not None:
                read[name] = Ref(self._number(value)) if type(value) in PLAIN else self._argument(value)
        overwritten = written(func, args, kwargs) if operator.mutable else []
        writes = tuple(dict.fromkeys([self._storage(tensor, -1) for tensor in overwritten]))
        varies, constants = self._constants(operator, given)
        if self._real:
            again = Again(func, changed(args, self._kept_as), changed(kwargs, self._kept_as))
            out = func(*args, **kwargs)
        else:
            out = self._shadow.answer(func, args, kwargs, given)
        made = [out] if isinstance(out, Tensor) else tensors_of(out)
        if not made and not writes:
            return out
        number = len(self.calls)
        if number >= MAX_NODES:
            raise UsageError(f"a network of more than {MAX_NODES:,} calls is refused")
        file, line = self._where()
        outputs = tuple([self._new(tensor, number) for tensor in made or overwritten])
        if self._real:
            self.again.append(again)
            self._given.update(outputs)
        if varies:
            self._varies.update(outputs)
            self._varied.update(writes)
        several = isinstance(out, list | tuple)
        path = self.modules[self._open[-1]].path if self._open else ""
        where = path, file, line, operator.pointwise
        self.calls.append(Called(operator.name, read, outputs, several, writes, *where, constants))
        return out

    def _constants(self, operator: Operator, given: list[Tensor]) -> tuple[bool, dict[int, str]]:
        """Whether a call gives what varies, and what else it reads then, in words."""
        seen = {self._number(tensor): tensor for tensor in given}
        if operator.shaped:
            return False, NONE
        fixed = [number for number in seen if not self._may_vary(number)]
        if len(fixed) == len(seen):
            return operator.random, NONE
        found = {}
        for number in fixed:
            value = self._shadow.twin(seen[number])
            if value is not None and value.numel() <= LARGEST:
                self._aside = True  # parts that we run ourselves are not the module's
                with _disable_current_modes(), torch._C.DisableTorchFunction():
                    found[number] = described(value)
                self._aside = False
        return True, found or NONE

    def _may_vary(self, number: int) -> bool:
        return number in self._varies or self.tensors[number].storage in self._varied

    def _kept_as(self, value: Any) -> Any:
        """An argument, of a tensor its number; what no call gives is kept as it is now."""
        if not isinstance(value, Tensor):
            return value
        number = self._number(value)
        if number not in self.known and number not in self._given:
            with _disable_current_modes():
                self.known[number] = value.detach().clone() if value.numel() <= MOST else value
        return Ref(number)

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return Ref(self._number(value))
        if isinstance(value, list | tuple):
            numbers = tuple(value) if all(type(part) is int for part in value) else ()
            if numbers:
                return self._lists.setdefault(numbers, [*numbers])
            return [self._argument(part) for part in value]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        return f"generator {value.initial_seed()}" if isinstance(value, torch.Generator) else str(value)

    def _where(self) -> tuple[str, int]:
        """The innermost line that is neither torch's nor ours; of a module of torch itself its own."""
        frame = their_frame()
        if frame is None:
            return "torch", 0
        file = frame.f_code.co_filename
        found = self._called.get(file)
        if found is None:
            source = _source(file)
            self.files.setdefault(source.name, source)
            found = self._called[file] = source.name
        return found, frame.f_lineno

    # --- modules

    def enter(self, module: nn.Module, args: Any) -> None:
        if self._aside:
            return
        above = self.modules[self._open[-1]].path if self._open else ""
        path = self._paths.get(id(module), above)
        self._open.append(len(self.modules))
        self.modules.append(Module(path, type(module).__name__, len(self.calls), len(self.calls), ()))

    def leave(self, module: nn.Module, args: Any, out: Any) -> None:
        if self._open and not self._aside:
            at = self._open.pop()
            outputs = tuple([self._number(tensor) for tensor in leaves(out)])
            path, kind, start, _, _ = self.modules[at]
            self.modules[at] = Module(path, kind, start, len(self.calls), outputs)

    # --- the end

    def end(self, out: Any) -> None:
        """The run is over: `out` is what it gives."""
        self.outputs = tuple((printable(name), self._number(tensor)) for name, tensor in named(out))
        if not self.outputs:
            raise UsageError("the module gives no tensor")
        if not self.calls:
            raise UsageError("the module calls nothing: there is nothing to count")
        kept = {self.tensors[number].storage for _, number in self.outputs}
        end = len(self.calls)
        for number, (size, born, dies) in enumerate(self.storages):
            self.filled |= dies < 0 <= born and number not in kept
            last = end if dies < 0 or number in kept else max(min(dies, end), born + 1, 0)
            if last != dies:
                self.storages[number] = Storage(size, born, last)
        for each in (self._live, self._ids, self._there, self._ends, self._paths, self._called):
            each.clear()

    def traced(self, name: str, batch: int, dtype: str, level: str) -> Traced:
        """What was seen."""
        return Traced(
            name=name,
            batch=batch,
            dtype=dtype,
            torch=torch.__version__,
            level=level,
            inputs=self.inputs,
            outputs=self.outputs,
            tensors=tuple(self.tensors),
            storages=tuple(self.storages),
            learned=tuple(self.learned),
            modules=tuple(self.modules),
            calls=tuple(self.calls),
            notes=tuple(dict.fromkeys(self.notes)),
        )


def leaves(value: Any) -> list[Tensor]:
    """The tensors in what a module gives."""
    if isinstance(value, Tensor):
        return [value]
    return [tensor for _, tensor in named(value)]


def named(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """The tensors in what a module gives, by where they stand: in lists, mappings, and objects that have such."""
    if isinstance(value, Tensor):
        yield name, value
    if depth > 8 or value is None or isinstance(value, Tensor | str | int | float | bool | nn.Module):
        return
    parts: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, Sequence):
        parts = zip(getattr(value, "_fields", range(len(value))), value, strict=False)
    else:
        parts = getattr(value, "__dict__", {}).items()
    for key, part in parts:
        yield from named(part, f"{name}.{key}" if name else f"{key}", depth + 1)


def plain(path: str) -> str:
    """A path without what compilers put between."""
    return path.replace("_orig_mod.", "").removesuffix("_orig_mod").rstrip(".")
