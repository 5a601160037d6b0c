"""Whether code and a spec that it is, node by node, give the same numbers: what lies between, how values are laid out,
no difference of nodes shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..graph import Graph
from .capture import Captured
from .skeleton import untouched
from .trace import SEED, leaves

NEAR = 1e-3  # of the largest number that comes out


def same_values(code: Graph, twin: nn.Module, carried: Callable[[Mapping[str, Any]], dict[str, Any]]) -> bool | None:
    """Whether a run of the code, on the CPU with random weights, gives what its twin gives with the same ones, as
    `carried` takes them across; None where the code is not at hand, or in another dtype than the twin's. Raises
    UsageError, SpecError at the line where the code fails."""
    again = code.code.again if code.code is not None else None
    if not isinstance(again, Captured) or code.code is None or code.code.dtype != "float32":
        return None
    _, module, given = again.real(code.code.batch, "float32", torch.device("cpu"))
    with untouched(), torch.inference_mode():
        torch.manual_seed(SEED)
        _stir(module)
        twin = twin.eval()
        twin.load_state_dict(carried(module.state_dict()))
        named = {key: value.clone() for key, value in given.items()}
        first = [named.pop("")] if "" in named else []
        wanted = leaves(module(*first, **named))
        found = leaves(twin(*(value.clone() for value in given.values())))
    wanted = [*{id(tensor): tensor for tensor in wanted}.values()]
    return len(wanted) == len(found) and all(map(_near, found, wanted))


def _stir(module: nn.Module) -> None:
    """Give all that is learned, and running statistics, values that differ: what begins as 0 or 1 hides what is
    done with it."""
    for parameter in module.parameters():
        if parameter.is_floating_point():
            width = max(1, parameter.numel() // max(1, parameter.shape[0])) if parameter.ndim > 1 else 4
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, width**-0.5)
    for name, buffer in module.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)


def _near(one: Tensor, other: Tensor) -> bool:
    if one.numel() != other.numel():
        return False
    apart = (one.flatten().double() - other.flatten().double()).abs()
    return bool(apart.max() <= NEAR * other.double().abs().max()) if apart.numel() else True
