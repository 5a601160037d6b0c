"""Whether code and what it is node by node, a spec or other code, give the same numbers: what lies between, how values
are laid out, no difference of nodes shows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from ..alignment.align import Alignment
from ..alignment.normal import End
from ..alignment.weights import carried, states
from ..analysis.counts import Totals
from ..errors import SpecError
from ..graph import Graph
from ..ops import Shape, Tokens
from ..ops.shapes import batched
from ..records import NamedTuple
from . import modules
from .capture import Captured
from .network import build
from .room import has_room
from .skeleton import untouched
from .trace import SEED, applied, leaves

NEAR = 1e-3  # of what other inputs change
ROUNDED = 2e-5  # of the largest number that comes out: less is no difference
TELLING = 1e-3  # of it: where other inputs change less than that, a run says nothing
LAST = (1.0, 1 / 30, 1 / 1000)  # by which the last layer is made smaller, where scores hide behind one that is certain
MOST_PARAMS, MOST_MACS = 10**9, 10**12  # of code that is run to be compared
LEAST_VARIANCE = 1e-2  # of two samples it may be none
LEAST, MOST_SURE = 1e-37, 1 - 1e-4  # probabilities whose odds numbers of 32 bits tell
SAMPLES = 2  # so that a batch is not taken for another axis of one element


class Runnable(NamedTuple):
    """A module, how it runs on values for its inputs, the shapes of these and, of code, such values; and which of the
    tensors that it gives are the graph's outputs."""

    module: nn.Module
    run: Callable[[list[Tensor]], Any]
    sizes: list[Shape]
    values: list[Tensor]
    outputs: list[int]


def same_numbers(found: Alignment, name: str, totals: Totals) -> bool | None:
    """Whether code, the first of two networks that are equal node by node, gives on the CPU, with random weights, what
    the second gives with the same ones; where only one ends in probabilities, these are made of the other's scores,
    too. `name` and `totals` are those of the code. None where it is not run: a trace, another dtype, what is large,
    inputs of other shapes, results that are no numbers. Raises UsageError, SpecError at the line where the code fails.
    """
    first, second = found.first.graph, found.second.graph.without_heads()
    if first.code is None:
        return None
    batch = max(SAMPLES, first.code.batch)
    needed = 4 * totals.param_bytes + 2 * batch * (totals.peak_memory_bytes or 0)
    if totals.params > MOST_PARAMS or totals.macs > MOST_MACS or not has_room(needed, torch.device("cpu")):
        return None
    with suppress(SpecError):  # it may be written for one sample
        return _same(found, _runnable(first, batch), _runnable(second, batch), name)
    batch = first.code.batch
    return _same(found, _runnable(first, batch), _runnable(second, batch), name)


def _runnable(graph: Graph, batch: int) -> Runnable | None:
    return _code(graph, batch) if graph.code is not None else _spec(graph, batch)


def _code(graph: Graph, batch: int) -> Runnable | None:
    code = graph.code
    if code is None or not isinstance(code.again, Captured) or code.dtype != "float32":
        return None
    batch = batch if code.again.whole is None else code.again.whole
    _, module, given = code.again.real(batch, "float32", torch.device("cpu"))
    values = [*given.values()]
    return Runnable(
        module,
        lambda values: applied(module, dict(zip(given, values, strict=True))),
        [tuple(value.shape) for value in values],
        values,
        [at for at, output in enumerate(code.outputs) if not output.made],
    )


def _spec(graph: Graph, batch: int) -> Runnable:
    twin = build(graph).eval()
    sizes = [batched(shape, batch) for _, shape in graph.inputs]
    return Runnable(twin, lambda values: twin(*values), sizes, [], [*range(len(graph.outputs))])


def _same(found: Alignment, one: Runnable | None, other: Runnable | None, name: str) -> bool | None:
    if one is None or other is None or one.sizes != other.sizes:
        return None
    with untouched(), torch.inference_mode():
        for weight in LAST:
            same, seen = _run(found, one, other, name, weight)
            if seen or not same:
                return same
    return None


def _run(found: Alignment, one: Runnable, other: Runnable, name: str, last: float) -> tuple[bool | None, bool]:
    """Whether both give the same numbers with the weights of the last layer so small, and whether what comes in is seen
    in these."""
    torch.manual_seed(SEED)
    for each in (one, other):
        _stir(each.module)
    _settle(one)
    held, own = one.module.state_dict(), other.module.state_dict()
    code = found.first.graph.code
    assert code is not None
    learned = dict(one.module.named_parameters(remove_duplicate=False))
    for key in next((keys for keys in reversed(code.keys) if keys), ()):
        if key in learned:
            learned[key].mul_(last)
    state = carried(found, held, name)
    wanted = {key: shape for node in states(found.second.graph) for key, shape in node.keys().items()}
    if not wanted.keys() <= state.keys():
        return None, False
    buffers = {key: held[key] for key in own.keys() & held.keys() if own[key].shape == held[key].shape}
    other.module.load_state_dict(buffers | state, strict=False)
    outputs = []
    for each in (one, other):
        torch.manual_seed(SEED)
        outputs.append(leaves(each.run([value.clone() for value in one.values])))
    given = [_other(value) for value in one.values]
    torch.manual_seed(SEED)
    others = leaves(one.run([value.clone() for value in given]))
    if len(outputs[0]) != len(outputs[1]):
        return False, True
    for which, ends in enumerate(found.ends):
        for end in ends:
            at, there = (each.outputs[end.place] for each in ((one, other), (other, one))[which])
            made, scores = outputs[which][at], outputs[1 - which][there]
            if made.numel() != scores.numel() or made.ndim != len(end.shape) + 1:
                return None, False
            both = made, _ended(scores.reshape(made.shape), end)
            outputs[which][at], outputs[1 - which][there] = (_odds(each, end) for each in both)
            seen = _ended(others[there].reshape(made.shape), end) if which else others[at]
            others[there if which else at] = _odds(seen, end)
    first, second = outputs
    if not all(bool(tensor.isfinite().any()) for tensor in first):
        return None, False
    if all(map(torch.equal, one.values, given)):  # ids alone
        return all(_near(y, x, _most(x)) for x, y in zip(first, second, strict=True)), True
    changes = [_change(*each) for each in zip(first, others, strict=True)]
    same = all(_near(*each) for each in zip(second, first, changes, strict=True))
    return same, any(change > TELLING * _most(x) for change, x in zip(changes, first, strict=True))


def _other(value: Tensor) -> Tensor:
    """Another input like this one, where it has real numbers."""
    return value.flip(0).neg() if value.is_floating_point() else value.clone()


def _most(tensor: Tensor) -> float:
    known = tensor[tensor.isfinite()]
    return float(known.abs().max()) if known.numel() else 0.0


def _change(one: Tensor, other: Tensor) -> float:
    """By how much a result is another where the inputs are."""
    return _most(one.double() - other.double()) if one.shape == other.shape else _most(one)


def _ended(scores: Tensor, end: End) -> Tensor:
    """What the ops of an end make of scores."""
    shape = Tokens(end.shape) if len(end.shape) == 2 else end.shape
    for op in end.ops:
        scores = op.torch(modules, shape)(scores)
    return scores


def _odds(made: Tensor, end: End) -> Tensor:
    """The logarithms of odds, which show what probabilities near 0 or 1 hide."""
    made = made if end.ops[-1].probabilities else made.exp()
    return made.clamp(min=LEAST).log() - (-made.clamp(max=MOST_SURE)).log1p()


def _stir(module: nn.Module) -> None:
    """Give all that is learned, and running statistics, values that differ, as what begins as 0 or 1 hides what is done
    with it; and such that what comes in is still seen at the end of a deep network."""
    for name, parameter in module.named_parameters():
        if parameter.is_floating_point() and parameter.ndim > 1:
            width = max(1, parameter.numel() // max(1, parameter.shape[0]))
            parameter.normal_(0.0, (2 / width) ** 0.5)
        elif parameter.is_floating_point():
            parameter.normal_(0.0 if name.endswith("bias") else 1.0, 0.5)
    for name, buffer in module.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(*((-0.5, 0.5) if name.endswith("mean") else (0.5, 1.5)))


def _settle(one: Runnable) -> None:
    """Give batch norms the statistics of a run, without which a deep network of random weights grows beyond measure,
    and all that comes in is lost behind one certain class."""
    norms = [part for part in one.module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0
    with suppress(RuntimeError, ValueError):  # of one value in each channel there is no variance
        one.run([value.clone() for value in one.values])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
        if norm.running_mean is not None and norm.running_var is not None:
            norm.running_mean.nan_to_num_(0.0)
            norm.running_var.nan_to_num_(1.0).clamp_(min=LEAST_VARIANCE)


def _near(one: Tensor, other: Tensor, change: float) -> bool:
    if one.numel() != other.numel():
        return False
    x, y = one.flatten().double(), other.flatten().double()
    known = x.isfinite() & y.isfinite()
    if not torch.equal(x[~known].nan_to_num(), y[~known].nan_to_num()):
        return False
    return not bool(known.any()) or _most((x - y)[known]) <= max(NEAR * change, ROUNDED * _most(y))
