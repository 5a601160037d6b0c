"""Values on `meta`: beside each tensor that follows from constants and integer inputs alone stands a real one.

`.item()`, `if mask.all()`, `tolist()` and boolean indices then answer as a real run does. What depends on weights or
activations has no value, and random numbers have none, so that no random state moves.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from ..tracing.calls import kinds
from .meta import META, rule_of

MOST = 1 << 22  # elements of a value
CPU = torch.device("cpu")
PLAIN = (Tensor, nn.Parameter)
aten = torch.ops.aten
# What reads of a tensor its size and type alone.
SHAPED = {getattr(aten, name) for name in kinds.SHAPED}
ASKING = {*SHAPED, aten.embedding}  # whose values are asked for, where other operators do without
# What gives a number, not a tensor.
NUMBERS = {aten._local_scalar_dense, aten.item, aten.is_nonzero, aten.equal}


def tensors_of(*values: Any) -> list[Tensor]:
    """All tensors in arguments."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += tensors_of(*value)
        elif isinstance(value, dict):
            found += tensors_of(*value.values())
    return found


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Arguments with each of them changed, also in lists, tuples and mappings."""
    if isinstance(value, list | tuple):
        return type(value)([changed(part, change) for part in value])
    if isinstance(value, dict):
        return {name: changed(part, change) for name, part in value.items()}
    return change(value)


def mapped(value: Any, change: Callable[[Tensor], Tensor], device: torch.device) -> Any:
    """Arguments with each tensor changed, and devices replaced."""

    def one(part: Any) -> Any:
        if isinstance(part, Tensor):
            return change(part)
        return device if isinstance(part, torch.device) else part

    return changed(value, one)


class Alive(weakref.ref[Any]):
    """A tensor or a storage while it is there: of its end hears whoever keeps this, and gets it. `key` says which it
    was, and `held` is what is known of it. Nobody else keeps the hearer, as `weakref.finalize` does."""

    __slots__ = ("held", "key")
    key: int
    held: Any


def followed(one: Any, ended: Callable[[Alive], object], key: int, held: Any) -> Alive:
    """What tells `ended` of the end of a tensor or storage."""
    found = Alive(one, ended)
    found.key, found.held = key, held
    return found


class Undisturbed(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode from which torch's compiler need not be kept at each call, as nothing is compiled where it is."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class Twin:
    """The value of a tensor on `meta`, and the storage that this stands in. What is `lent` is somebody's, and is copied
    when it is first asked for."""

    __slots__ = ("lent", "storage", "value")

    def __init__(self, value: Tensor, storage: int, lent: bool) -> None:
        self.value, self.storage, self.lent = value, storage, lent


class Shadow(Undisturbed):  # type: ignore[no-untyped-call]
    """Runs operators on `meta`, and on values where these are known."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._twins: dict[int, Alive] = {}  # by `id`, with a Twin
        self._stand: dict[int, set[int]] = {}  # the `id`s of what stands in a storage

    def twin(self, tensor: Tensor) -> Tensor | None:
        """The value of a tensor, if it is known: of what stands on a device itself."""
        if not tensor.is_meta:
            return tensor
        found = self._twins.get(id(tensor))
        if found is None or found() is not tensor:
            return None
        twin: Twin = found.held
        if twin.lent:
            with _disable_current_modes(), torch._C.DisableTorchFunction():
                twin.value, twin.lent = twin.value.detach().cpu().clone(), False
        return twin.value

    def know(self, tensor: Any, value: Any, lent: bool = False) -> None:
        """Remember the values of what an operator gave, or what is lent."""
        for one, known in zip(tensors_of(tensor), tensors_of(value), strict=False):
            if one.is_meta and not known.is_meta:
                key, storage = id(one), one.untyped_storage()._cdata
                self._twins[key] = followed(one, self._ended, key, Twin(known, storage, lent))
                self._stand.setdefault(storage, set()).add(key)

    def _ended(self, alive: Alive) -> None:
        if self._twins.get(alive.key) is alive:
            self._drop(alive.key)

    def _drop(self, key: int) -> None:
        storage = self._twins.pop(key).held.storage
        beside = self._stand[storage]
        beside.discard(key)
        if not beside:
            del self._stand[storage]

    def forget(self, written: Tensor) -> None:
        """Know nothing any more of what stands in the memory of a tensor."""
        if written.is_meta:
            for key in [*self._stand.get(written.untyped_storage()._cdata, ())]:
                self._drop(key)

    def on_meta(self, tensor: Tensor) -> Tensor:
        """The tensor on `meta`, whose value is known."""
        if tensor.is_meta:
            return tensor
        found = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        self.know(found, tensor)
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return self.answer(func, args, kwargs, tensors_of(args, kwargs))

    def answer(self, func: Any, args: Any, kwargs: Any, given: list[Tensor]) -> Any:
        """What an operator gives; `given` are the tensors among its arguments."""
        packet = func.overloadpacket
        if packet in ASKING or not self._unknown(given) or _devices(args, kwargs):
            return self._answer(func, args, kwargs, given)
        try:
            out = _on_meta(func, args, kwargs)
        except (RuntimeError, NotImplementedError):  # its shape depends on values
            return self._answer(func, args, kwargs, given)
        if self._stand and func._schema.is_mutable:
            for tensor in written(func, args, kwargs):
                self.forget(tensor)
        return out

    def _unknown(self, given: list[Tensor]) -> bool:
        """Whether all tensors are on `meta`, and not all have values: what is known of most calls."""
        found = False
        for tensor in given:
            if not tensor.is_meta or type(tensor) not in PLAIN:  # as a lazy one, which has no shape yet
                return False
            found = found or id(tensor) not in self._twins
        return found

    def _answer(self, func: Any, args: Any, kwargs: Any, given: list[Tensor]) -> Any:
        if any(map(is_lazy, given)):
            return func(*args, **kwargs)
        twins = [self.twin(tensor) for tensor in given]
        known = all(twin is not None for twin in twins) and torch.Tag.nondeterministic_seeded not in func.tags
        packet = func.overloadpacket
        if known and packet in NUMBERS:
            return func(*mapped(args, self._value, CPU), **mapped(kwargs, self._value, CPU))
        to_cpu = CPU in _devices(args, kwargs)
        real = known and (to_cpu or (given and not any(tensor.is_meta for tensor in given)))
        if packet is aten.embedding and not func._schema.is_mutable:
            self._in_range(args)
        try:
            out = _on_meta(func, mapped(args, self.on_meta, META), mapped(kwargs, self.on_meta, META))
        except (RuntimeError, NotImplementedError) as error:  # its shape depends on values
            if not known:
                if not any(twin is not None for twin in twins):
                    raise
                try:
                    return self._beside(func, args, kwargs)
                except (RuntimeError, NotImplementedError):
                    raise error from None
            value = self._on_values(func, args, kwargs)
            out = mapped(value, self.on_meta, META)
            self.know(out, value)
            return value if real else out
        if packet in SHAPED and not known and given[0].numel() <= MOST:
            self.know(out, func(*mapped(args, _empty, CPU), **mapped(kwargs, _empty, CPU)))
            return out
        if known and all(tensor.numel() <= MOST for tensor in tensors_of(out)):
            value = self._on_values(func, args, kwargs)
            if func._schema.is_mutable and real and not to_cpu:
                return value
            self.know(out, value)
            return value if real else out
        if func._schema.is_mutable:
            for tensor in written(func, args, kwargs):
                self.forget(tensor)
        return out

    def _beside(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What an operator gives that asks for values of some of its tensors: lengths, a mask. Raises as it does."""

        def known(tensor: Tensor) -> Tensor:
            found = self.twin(tensor)
            return tensor if found is None else found

        return func(*mapped(args, known, META), **mapped(kwargs, known, META))

    def _value(self, tensor: Tensor) -> Tensor:
        found = self.twin(tensor)
        assert found is not None
        return found

    def _on_values(self, func: Any, args: Any, kwargs: Any) -> Any:
        value = func(*mapped(args, self._value, CPU), **mapped(kwargs, self._value, CPU))
        if func.overloadpacket in (aten.empty, aten.empty_like, aten.new_empty, aten.empty_strided):
            value.zero_()  # whatever it is, it is the same each time
        return value

    def _in_range(self, args: Any) -> None:
        """Raise IndexError for ids that a real run would not find."""
        weight, ids = args[:2]
        value = self.twin(ids)
        if value is not None and value.numel() and not 0 <= int(value.min()) <= int(value.max()) < weight.shape[0]:
            raise IndexError(f"index out of range: id {int(value.max())} of a table of {weight.shape[0]} rows")


def _on_meta(func: Any, args: Any, kwargs: Any) -> Any:
    """What an operator gives on `meta`: by our rule, or torch's."""
    rule = rule_of(func)
    found = None if rule is None else rule(*args, **kwargs)
    return func(*args, **kwargs) if found is None else found


def _empty(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=CPU)


def _devices(args: Any, kwargs: Mapping[str, Any]) -> list[torch.device]:
    """The devices among arguments."""
    return [value for value in (*args, *kwargs.values()) if isinstance(value, torch.device)]


def written(func: Any, args: Any, kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The tensors that an operator overwrites."""
    found: list[Tensor] = []
    for at, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found += tensors_of(args[at] if at < len(args) else kwargs.get(argument.name))
    return found


# --- what never reaches an operator -------------------------------------------------------------------------------


class OnMeta(TorchFunctionMode):
    """Tensors are made on `meta` where no device is said, and where one is said that is not there. Numbers that are
    written in code become tensors inside C++, where no operator is called: here they are made on the CPU first."""

    LITERAL = frozenset({torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy})
    INDEXED = frozenset({Tensor.__getitem__, Tensor.__setitem__})
    READ = frozenset({Tensor.tolist, Tensor.numpy, Tensor.__array__})
    MOVED = frozenset({Tensor.to, Tensor.cuda, Tensor.new_tensor})
    MADE = frozenset(_device_constructors())
    SEEN = LITERAL | INDEXED | READ | MOVED | MADE

    def __init__(self, shadow: Shadow) -> None:
        super().__init__()
        self.shadow = shadow

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self.SEEN or (kwargs and "device" in kwargs):
            return self._seen(func, args, dict(kwargs or {}))
        return func(*args, **kwargs) if kwargs else func(*args)

    def _seen(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if func in self.LITERAL and not (args and isinstance(args[0], Tensor)):
            if func is not torch.from_numpy:
                kwargs["device"] = "cpu"
            kwargs.pop("requires_grad", None)
            with _disable_current_modes():
                made = func(*args, **kwargs)
            lifted = self._lifted(made)
            return aten.detach_(lifted) if func is torch.tensor else lifted
        if func is Tensor.new_tensor:
            with _disable_current_modes():
                made = torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype), device="cpu")
            return aten.detach_(self._lifted(made))
        if func in self.INDEXED:
            args = (args[0], self._index(args[1]), *args[2:])
            if len(args) == 3 and type(args[2]) in (bool, int, float) and args[0].is_meta and not tensors_of(args[1]):
                args = (*args[:2], self._filling(args[0], args[2]))
        elif func in self.READ:
            value = self.shadow.twin(args[0])
            if value is not None:
                with _disable_current_modes():
                    return func(value, *args[1:], **kwargs)
        elif func is Tensor.cuda:
            return args[0]
        elif func in self.MADE and kwargs.get("device") is None:
            kwargs["device"] = META
        elif func is Tensor.to or "device" in kwargs:
            args = tuple(_here(value) for value in args) if func is Tensor.to else args
            kwargs = {name: _here(value) if name == "device" else value for name, value in kwargs.items()}
        return func(*args, **kwargs)

    @staticmethod
    def _filling(of: Tensor, number: float) -> Tensor:
        """A number that a part of a tensor is filled with: one on the CPU is not spread and copied first."""
        with _disable_current_modes():
            made = torch.tensor(number, dtype=of.dtype, device=CPU)
        found: Tensor = aten.lift_fresh(made)
        return found

    def _lifted(self, made: Tensor) -> Tensor:
        """A literal on `meta`, by the call with which C++ hands one out."""
        with _disable_current_modes():
            on_meta = self.shadow.on_meta(made)
        found: Tensor = aten.lift_fresh(on_meta)
        return found

    def _index(self, index: Any) -> Any:
        if isinstance(index, tuple):
            return tuple(self._index(part) for part in index)
        if isinstance(index, list) and index and not tensors_of(index):
            with _disable_current_modes():
                made = torch.tensor(index, device="cpu")
            return self._lifted(made)
        return index


def _here(device: Any) -> Any:
    """`meta` for a device that need not be there."""
    if isinstance(device, int) and not isinstance(device, bool):
        return META
    if isinstance(device, str | torch.device) and str(device).partition(":")[0] not in ("cpu", "meta"):
        return META
    return device
