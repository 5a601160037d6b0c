"""torch as an oracle: does the network that torch builds have the parameters, shapes and MACs that the ops say?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..analyse import facts_of, looked_up
from ..graph import Graph, Node
from ..ops import Shape, dims
from .modules import Tied
from .network import build, parameter_count

BATCH = 2  # more than one sample, or an axis that slipped into the batch's place would not show

# Ops whose work torch's counter does not know, and why; of them MACs are not compared as long as it counts none.
UNKNOWN_TO_COUNTER: dict[str, str] = {"bilinear": "the counter passes over aten.bilinear"}

# Buffers that are no running statistic of a channel, and why.
OTHER_BUFFERS: dict[str, str] = {
    "num_batches_tracked": "counts the steps of training, for no formula",
    "bias_hh_l0": "a second bias that is held at zero",
    "codes": "the fixed codes of `rbf`",
    "zeros": "what `zeros` gives",
    "positions": "the fixed positions of `sinusoid`",
}


def verify(graph: Graph) -> list[str]:
    """The differences between what the ops say of `graph` and what torch does; empty where there are none.

    Builds the network with its heads on torch's `meta` device, which takes no memory, and runs it node by node:
    parameters and running statistics by name and shape, output shapes at a batch of 2, MACs by torch's own counter.
    """
    network = build(graph, "meta", heads=True).eval()
    found: list[str] = []
    ids = looked_up(graph)
    inputs = range(-1, -1 - len(graph.inputs), -1)
    values = network.values(_empty(graph.shape(x), torch.long if x in ids else torch.float32) for x in inputs)
    total = 0
    for node, step in zip(graph.nodes, network.program, strict=True):
        x = tuple(graph.shape(value) for value in node.inputs)
        facts = facts_of(node.op, x, node.shape)
        module = step.call
        assert isinstance(module, nn.Module)
        if node.shares is None:
            total += facts.weights + facts.biases + facts.norm_params
        found += _parameters(node, module.module if isinstance(module, Tied) else module, x)
        y, difference = _run(node, module, [values[slot] for slot in step.inputs], facts.macs)
        found += difference
        values[step.output] = y
        for slot in step.free:
            values[slot] = None
    count = parameter_count(network)
    if count != total:
        found.append(f"the network has {total:,} parameters, torch has {count:,}")
    return found


def _empty(shape: Shape, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty((BATCH, *shape), dtype=dtype, device="meta")


def _parameters(node: Node, module: nn.Module, x: tuple[Shape, ...]) -> list[str]:
    """What differs in the parameters and running statistics of one node."""
    said = node.op.params(*x)
    buffers = {name: b for name, b in module.named_buffers() if name.rpartition(".")[2] not in OTHER_BUFFERS}
    return [
        *_compared(
            node, "parameter", {p.name: p.shape for p in said if p.kind != "stat"}, _shapes(module.named_parameters())
        ),
        *_compared(node, "statistic", {p.name: p.shape for p in said if p.kind == "stat"}, _shapes(buffers.items())),
    ]


def _shapes(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in tensors}


def _compared(node: Node, what: str, said: Mapping[str, Shape], there: Mapping[str, Shape]) -> list[str]:
    shown = {name: (_dims(said.get(name)), _dims(there.get(name))) for name in sorted(said.keys() | there.keys())}
    return [f"{node.path}: the {what} `{name}` is {a}, in torch {b}" for name, (a, b) in shown.items() if a != b]


def _dims(shape: Shape | None) -> str:
    return "missing" if shape is None else dims(shape)


def _run(node: Node, module: nn.Module, inputs: list[Tensor], macs: int) -> tuple[Tensor, list[str]]:
    """A node's output, or one of the shape that it should have, and what differs."""
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            y = module(*inputs)
    except Exception as error:  # whatever torch raises is a difference
        return _empty(node.shape), [f"{node.path}: torch refuses it: {str(error).splitlines()[0]}"]
    found = []
    if tuple(y.shape) != (BATCH, *node.shape):
        found.append(f"{node.path}: the output is {dims(node.shape)}, in torch {dims(tuple(y.shape[1:]))}")
        y = _empty(node.shape)
    counted = counter.get_total_flops()
    unknown = node.op.word in UNKNOWN_TO_COUNTER and counted == 0
    if not unknown and counted != 2 * BATCH * macs:
        found.append(f"{node.path}: {macs:,} MACs, torch counts {counted / (2 * BATCH):,.10g}")
    return y, found
