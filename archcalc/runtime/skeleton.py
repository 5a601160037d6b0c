"""The structure of a module without its data: a copy whose parameters and buffers stand on `meta`."""

from __future__ import annotations

import copy
import random
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .shadow import MOST, Shadow


class Hooked(BaseException):
    """A part gets a hook, and all parts share their lists of hooks. No code of somebody's catches it."""


class NoHooks(OrderedDict[Any, Any]):
    """What parts have in the place of all lists of hooks that are empty: there are eleven in each part, most of what a
    module takes without its data."""

    def __setitem__(self, key: Any, value: Any) -> None:
        raise Hooked


def skeleton(module: nn.Module, shadow: Shadow, hooks: bool = True) -> nn.Module:
    """A copy of the module that shares no data with it: tied parameters stay tied, caches are filled in the copy.
    `shadow` knows the values of small buffers afterwards, as masks and positions decide what runs. Without `hooks`
    Hooked is raised where a part gets a hook that had none."""
    memo: dict[int, Any] = {}
    if not hooks:
        none = NoHooks()
        for part in module.modules():
            for name, value in vars(part).items():
                if "hooks" in name and type(value) is OrderedDict and not value:
                    memo[id(value)] = none
    for tensor in (*module.parameters(), *module.buffers(), *_attributes(module)):
        if id(tensor) in memo:
            continue
        if is_lazy(tensor):
            memo[id(tensor)] = type(tensor)(device="meta", dtype=tensor.dtype)  # type: ignore[call-arg]
            continue
        if type(tensor) not in (Tensor, nn.Parameter):
            continue  # a subclass has data of its own
        twin = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        if isinstance(tensor, nn.Parameter):
            memo[id(tensor)] = nn.Parameter(twin, tensor.requires_grad)
            continue
        memo[id(tensor)] = twin
        value = shadow.twin(tensor)
        if value is not None and value.numel() <= MOST:
            shadow.know(twin, value.detach().cpu().clone())
    return padded(copy.deepcopy(module, memo))


def padded(module: nn.Module) -> nn.Module:
    """A copy of a module whose encoders keep what a mask pads, where torch may leave it out, in nested tensors."""
    for part in module.modules():
        if isinstance(part, nn.TransformerEncoder):
            part.use_nested_tensor = False
    return module


def _attributes(module: nn.Module) -> Iterator[Tensor]:
    """The tensors that modules have as plain attributes."""
    for part in module.modules():
        for value in vars(part).values():
            for each in value if isinstance(value, list | tuple) else (value,):
                if isinstance(each, Tensor):
                    yield each


def lazy(module: nn.Module) -> bool:
    """Whether some parameters get their shapes in the first run."""
    return any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers()))


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
