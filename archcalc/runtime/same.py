"""Whether code and a spec that it is, node by node, give the same numbers: what lies between, how values are laid out,
no difference of nodes shows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..analysis.align import Alignment
from ..analysis.counts import Totals
from ..analysis.weights import carried
from ..ops.shapes import batched
from .capture import Captured
from .network import build, without_probabilities
from .room import has_room
from .skeleton import untouched
from .trace import SEED, applied, leaves

NEAR = 1e-3  # of the largest number that comes out
MOST_PARAMS, MOST_MACS = 10**9, 10**12  # of code that is run to be compared


def same_numbers(found: Alignment, name: str, totals: Totals) -> bool | None:
    """Whether code, the first of two networks that are equal node by node, gives on the CPU, with random weights, what
    the second gives with the same ones, up to probabilities that only the second ends in. `name` and `totals` are those
    of the code. None where it is not run: a trace, another dtype, what is large, inputs of other shapes. Raises
    UsageError, SpecError at the line where the code fails."""
    code, spec = found.first.graph, found.second.graph.without_heads()
    if code.code is None or spec.code is not None or code.code.dtype != "float32":
        return None
    again, cpu = code.code.again, torch.device("cpu")
    needed = 4 * totals.param_bytes + 2 * code.code.batch * (totals.peak_memory_bytes or 0)
    if totals.params > MOST_PARAMS or totals.macs > MOST_MACS or not has_room(needed, cpu):
        return None
    bare = without_probabilities(spec) if found.left_out else spec
    if not isinstance(again, Captured) or (found.left_out and bare.outputs == spec.outputs):
        return None
    _, module, given = again.real(code.code.batch, "float32", cpu)
    if [tuple(value.shape) for value in given.values()] != [
        batched(shape, code.code.batch) for _, shape in spec.inputs
    ]:
        return None
    with untouched(), torch.inference_mode():
        torch.manual_seed(SEED)
        _stir(module)
        twin = build(bare).eval()
        twin.load_state_dict(carried(found, module.state_dict(), name))
        wanted = leaves(applied(module, {key: value.clone() for key, value in given.items()}))
        made = leaves(twin(*(value.clone() for value in given.values())))
    wanted = [*{id(tensor): tensor for tensor in wanted}.values()]
    return len(wanted) == len(made) and all(map(_near, made, wanted))


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
