"""The structure of a module without its data: a copy whose parameters and buffers stand on `meta`."""

from __future__ import annotations

import copy
import random
import sys
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .shadow import MOST, PLAIN, Shadow


class Hooked(BaseException):
    """A part gets a hook, and all parts share their lists of hooks. No code of somebody's catches it."""


class NoHooks(OrderedDict[Any, Any]):
    """What parts have in the place of all lists of hooks that are empty: there are eleven in each part, most of what a
    module takes without its data."""

    def __setitem__(self, key: Any, value: Any) -> None:
        raise Hooked


def skeleton(module: nn.Module, shadow: Shadow, hooks: bool = True, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy of the module that shares no data with it: tied parameters stay tied, caches are filled in the copy.
    `shadow` knows the values of small buffers afterwards, as masks and positions decide what runs. Without `hooks`
    Hooked is raised where a part gets a hook that had none. Numbers are of the `dtype`, where one is given."""
    memo: dict[int, Any] = {}
    parts = [*module.modules()]
    tensors, empty = _held(parts)
    if not hooks:
        memo.update(dict.fromkeys(map(id, empty), NoHooks()))
    others = False
    for tensor in tensors:
        if id(tensor) in memo:
            continue
        if is_lazy(tensor):
            memo[id(tensor)] = type(tensor)(device="meta", dtype=tensor.dtype)  # type: ignore[call-arg]
            continue
        others |= (tensor.is_floating_point() or tensor.is_complex()) and tensor.dtype != dtype
        if type(tensor) not in PLAIN:
            continue  # a subclass has data of its own
        twin = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        if isinstance(tensor, nn.Parameter):
            memo[id(tensor)] = nn.Parameter(twin, tensor.requires_grad)
            continue
        memo[id(tensor)] = twin
        if tensor.numel() <= MOST:
            shadow.know(twin, tensor, lent=True)
    found = padded(_copied(module, parts, memo))
    return found.to(dtype) if others and dtype is not None else found


# What is not copied.
ATOMS = frozenset(
    {int, str, bool, float, type(None), type, FunctionType, BuiltinFunctionType, torch.dtype, torch.device}
)


def _copied(module: nn.Module, parts: Sequence[nn.Module], memo: dict[int, Any]) -> nn.Module:
    """A deep copy of a module of these parts, several times as quick as Python's own where no class of them says how
    it is copied."""
    if not all(_usual(kind) for kind in {*map(type, parts)}):
        return copy.deepcopy(module, memo)
    for part in parts:
        memo[id(part)] = type(part).__new__(type(part))
    for part in parts:
        own = vars(memo[id(part)])
        for name, value in part.__getstate__().items():  # type: ignore[no-untyped-call]
            own[name] = value if type(value) in ATOMS else _copy(value, memo)
    found: nn.Module = memo[id(module)]
    return found


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    """A deep copy of a value: of most, which are plain, without Python's own way."""
    known = memo.get(id(value))
    if known is not None:
        return known
    kind = type(value)
    if kind is dict and all(type(key) is str for key in value):
        named: dict[str, Any] = {}
        memo[id(value)] = named
        for key, part in value.items():
            named[key] = part if type(part) in ATOMS else _copy(part, memo)
        return named
    if kind in (tuple, list, set) and ATOMS.issuperset(map(type, value)):
        return value if kind is tuple else memo.setdefault(id(value), kind(value))
    return copy.deepcopy(value, memo)


@lru_cache(1 << 10)
def _usual(kind: Any) -> bool:
    """Whether modules of a class are copied as all objects are, by what stands in them. What classes of torch do
    beside mends what older versions of them have saved."""
    own = kind.__setstate__
    return (
        (own is nn.Module.__setstate__ or str(getattr(own, "__module__", "")).startswith("torch.nn."))
        and kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind.__getstate__ is nn.Module.__getstate__
        and not any(hasattr(kind, name) for name in ("__deepcopy__", "__getnewargs__", "__getnewargs_ex__"))
        and not any("__slots__" in vars(base) for base in kind.__mro__)
    )


def padded(module: nn.Module) -> nn.Module:
    """A copy of a module whose encoders keep what a mask pads, where torch may leave it out, in nested tensors."""
    for part in module.modules():
        if isinstance(part, nn.TransformerEncoder):
            part.use_nested_tensor = False
    return module


def _held(parts: Sequence[nn.Module]) -> tuple[list[Tensor], list[Any]]:
    """The tensors of modules, which are parameters, buffers, or plain attributes; and their lists of hooks that are
    empty."""
    tensors: list[Tensor] = []
    empty: list[Any] = []
    for part in parts:
        for name, value in vars(part).items():
            kind = type(value)
            if kind in ATOMS:
                continue
            if kind is OrderedDict and not value and "hooks" in name:
                empty.append(value)
            elif name in ("_parameters", "_buffers"):
                tensors += [one for one in value.values() if one is not None]
            elif isinstance(value, list | tuple):
                tensors += [one for one in value if isinstance(one, Tensor)]
            elif isinstance(value, Tensor):
                tensors.append(value)
    return tensors, empty


def lazy(module: nn.Module) -> bool:
    """Whether some parameters get their shapes in the first run."""
    every = [tensor for part in module.modules() for tensor in (*part._parameters.values(), *part._buffers.values())]
    return any(is_lazy(tensor) for tensor in every if tensor is not None and type(tensor) not in PLAIN)


@contextmanager
def untouched() -> Iterator[None]:
    """Leave the random states of torch, Python and numpy as they were."""
    numpy = sys.modules.get("numpy")
    states = torch.get_rng_state(), random.getstate(), numpy and numpy.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        if numpy is not None:
            numpy.random.set_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
