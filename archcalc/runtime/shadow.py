"""Values on `meta`: beside each tensor that follows from constants and integer inputs alone stands a real one.

`.item()`, `if mask.all()`, `tolist()` and boolean indices then answer as a real run does. What depends on weights or
activations has no value, and random numbers have none, so that no random state moves.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from ..tracing.calls import kinds

MOST = 1 << 22  # elements of a value
META = torch.device("meta")
CPU = torch.device("cpu")
aten = torch.ops.aten
# What reads of a tensor its size and type alone.
SHAPED = {getattr(aten, name) for name in kinds.SHAPED}
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


class Shadow(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs operators on `meta`, and on values where these are known."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._twins: dict[int, Alive] = {}  # by `id`, with their values

    def twin(self, tensor: Tensor) -> Tensor | None:
        """The value of a tensor, if it is known: of what stands on a device itself."""
        if tensor.device.type != "meta":
            return tensor
        found = self._twins.get(id(tensor))
        return found.held if found is not None and found() is tensor else None

    def know(self, tensor: Any, value: Any) -> None:
        """Remember the values of what an operator gave."""
        for one, known in zip(tensors_of(tensor), tensors_of(value), strict=False):
            if one.device.type == "meta" and known.device.type != "meta":
                self._twins[id(one)] = followed(one, self._ended, id(one), known)

    def _ended(self, twin: Alive) -> None:
        if self._twins.get(twin.key) is twin:
            del self._twins[twin.key]

    def forget(self, written: Tensor) -> None:
        """Know nothing any more of what stands in the memory of a tensor."""
        if written.device.type != "meta":
            return
        storage = written.untyped_storage()._cdata
        for key, twin in [*self._twins.items()]:
            tensor = twin()
            if tensor is not None and tensor.untyped_storage()._cdata == storage:
                del self._twins[key]

    def on_meta(self, tensor: Tensor) -> Tensor:
        """The tensor on `meta`, whose value is known."""
        if tensor.device.type == "meta":
            return tensor
        found = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        self.know(found, tensor)
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = tensors_of(args, kwargs)
        if any(map(is_lazy, given)):  # it has no shape yet
            return func(*args, **kwargs)
        twins = [self.twin(tensor) for tensor in given]
        known = all(twin is not None for twin in twins) and torch.Tag.nondeterministic_seeded not in func.tags
        packet = func.overloadpacket
        if known and packet in NUMBERS:
            return func(*mapped(args, self._value, CPU), **mapped(kwargs, self._value, CPU))
        to_cpu = any(device == CPU for device in _devices(args, kwargs))
        real = known and (to_cpu or (given and all(tensor.device.type != "meta" for tensor in given)))
        if packet is aten.embedding and not func._schema.is_mutable:
            self._in_range(args)
        on_meta = mapped(args, self.on_meta, META), mapped(kwargs, self.on_meta, META)
        try:
            out = OWN[packet](*on_meta[0], **on_meta[1]) if packet in OWN else func(*on_meta[0], **on_meta[1])
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


def _empty(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=CPU)


def _devices(*values: Any) -> Iterable[torch.device]:
    for value in values:
        if isinstance(value, torch.device):
            yield value
        elif isinstance(value, list | tuple):
            yield from _devices(*value)
        elif isinstance(value, dict):
            yield from _devices(*value.values())


def written(func: Any, args: Any, kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The tensors that an operator overwrites."""
    found: list[Tensor] = []
    for at, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found += tensors_of(args[at] if at < len(args) else kwargs.get(argument.name))
    return found


# --- operators that `meta` does otherwise than devices do ---------------------------------------------------------


def attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
    """Attention whose output lies in memory as that of the fused kernels does: tokens before heads."""
    *batch, tokens, _width = query.shape
    if len(batch) != 2 or key.device != query.device:
        return query.new_empty((*batch, tokens, value.shape[-1]))
    return query.new_empty((batch[0], tokens, batch[1], value.shape[-1])).transpose(1, 2)


def _grouped_mm(a: Tensor, b: Tensor, offs: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
    if a.ndim == 2 and b.ndim == 2 and offs is not None:
        return a.new_empty((offs.shape[0], a.shape[0], b.shape[1]))
    return a.new_empty((*a.shape[:-1], b.shape[-1]))


def _recurrent(x: Tensor, second: Any, *rest: Any, **_: Any) -> Any:
    """The outputs of a recurrent network: its values, and its last states. Packed sequences have the sizes of their
    batches before the states."""
    packed = isinstance(second, Tensor) and second.dtype == torch.int64 and second.ndim == 1
    states = rest[0] if packed else second
    states = [*states] if isinstance(states, list | tuple) else [states]
    both = rest[-1 if packed else -2]
    out = x.new_empty((*x.shape[:-1], states[0].shape[-1] * (2 if both else 1)))
    return (out, *[state.new_empty(state.shape) for state in states])


def _of_each(name: str) -> dict[Any, Callable[..., Any]]:
    """A function of each element, into new memory or in place, which torch works out in Python at length."""
    new, in_place = getattr(aten, name), getattr(aten, f"{name}_")

    def made(x: Tensor, *more: Any) -> Tensor:
        return torch.empty_like(x) if x.is_floating_point() else new(x, *more)

    def written(x: Tensor, *more: Any) -> Tensor:
        return x if x.is_floating_point() else in_place(x, *more)

    return {new: made, in_place: written}


def _batch_norm(x: Tensor, *rest: Any) -> Tensor:
    """What torch makes of a dozen operators in Python, which takes a third of a capture; in training, and where it does
    not fit, these are called."""
    *learned, training = rest[:5]
    fits = x.ndim > 1 and all(one is None or one.numel() == x.shape[1] for one in learned)
    return aten.batch_norm(x, *rest) if training or None in learned[2:] or not fits else torch.empty_like(x)


OWN: dict[Any, Callable[..., Any]] = {
    aten.batch_norm: _batch_norm,
    **_of_each("hardtanh"),
    **_of_each("hardswish"),
    **_of_each("hardsigmoid"),
    aten.scaled_dot_product_attention: attention,
    **dict.fromkeys((aten.lstm, aten.gru, aten.rnn_tanh, aten.rnn_relu), _recurrent),
}
if hasattr(aten, "_grouped_mm"):
    OWN[aten._grouped_mm] = _grouped_mm


# --- what never reaches an operator -------------------------------------------------------------------------------


class Literals(TorchFunctionMode):
    """Numbers that are written in code become tensors inside C++, where no operator is called: here they are made on
    the CPU first. A device that is not there is passed over."""

    MADE = frozenset({torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy})
    INDEXED = frozenset({Tensor.__getitem__, Tensor.__setitem__})
    READ = frozenset({Tensor.tolist, Tensor.numpy, Tensor.__array__})

    def __init__(self, shadow: Shadow) -> None:
        super().__init__()
        self.shadow = shadow

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in self.MADE and not (args and isinstance(args[0], Tensor)):
            if func is not torch.from_numpy:
                kwargs["device"] = "cpu"
            kwargs.pop("requires_grad", None)
            with _disable_current_modes():
                made = func(*args, **kwargs)
            return self.shadow.on_meta(made)
        if func is Tensor.new_tensor:
            with _disable_current_modes():
                made = torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype), device="cpu")
            return self.shadow.on_meta(made)
        if func in self.INDEXED:
            args = (args[0], self._index(args[1]), *args[2:])
        elif func in self.READ:
            value = self.shadow.twin(args[0])
            if value is not None:
                with _disable_current_modes():
                    return func(value, *args[1:], **kwargs)
        elif func is Tensor.cuda:
            return args[0]
        elif func is Tensor.to or "device" in kwargs:
            args = tuple(_here(value) for value in args) if func is Tensor.to else args
            kwargs = {name: _here(value) if name == "device" else value for name, value in kwargs.items()}
        return func(*args, **kwargs)

    def _index(self, index: Any) -> Any:
        if isinstance(index, tuple):
            return tuple(self._index(part) for part in index)
        if isinstance(index, list) and index and not tensors_of(index):
            with _disable_current_modes():
                made = torch.tensor(index, device="cpu")
            return self.shadow.on_meta(made)
        return index


def _here(device: Any) -> Any:
    """`meta` for a device that need not be there."""
    if isinstance(device, int) and not isinstance(device, bool):
        return META
    if isinstance(device, str | torch.device) and str(device).partition(":")[0] not in ("cpu", "meta"):
        return META
    return device
