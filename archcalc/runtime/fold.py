"""The deployed module: batch norms folded into the layers before them, by torch's own arithmetic."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from ..graph import Graph

Pair = tuple[str, str]  # of a layer and the batch norm behind it, by their paths


def pairs(graph: Graph) -> list[Pair]:
    """The batch norms that alone read the output of a layer, none of which works with another's parameters."""
    assert graph.code is not None
    readers = Counter(value for node in graph.nodes for value in node.inputs)
    shared = {at for at, node in enumerate(graph.nodes) if node.shares is not None}
    shared |= {node.shares for node in graph.nodes if node.shares is not None}
    found = []
    for index, node in enumerate(graph.nodes):
        source = node.inputs[0] if node.inputs else -1
        if node.op.family != "norm" or source < 0 or readers[source] != 1 or source in graph.outputs:
            continue
        keys = graph.code.keys[source], graph.code.keys[index]
        if all(keys) and shared.isdisjoint((source, index)):
            layer, norm = (each[0].rpartition(".")[0] for each in keys)
            found.append((layer, norm))
    return found


def folded(module: nn.Module, wanted: Sequence[Pair]) -> nn.Module:
    """A copy of the module, in an evaluation, with these folded where both are modules of torch's own kinds."""
    made = copy.deepcopy(module).eval()
    for layer, norm in wanted:
        before, behind = made.get_submodule(layer), made.get_submodule(norm)
        if not isinstance(behind, _BatchNorm) or behind.running_mean is None:
            continue
        if isinstance(before, _ConvNd):
            made.set_submodule(layer, fuse_conv_bn_eval(before, behind, isinstance(before, _ConvTransposeNd)))
        elif isinstance(before, nn.Linear):
            made.set_submodule(layer, fuse_linear_bn_eval(before, behind))
        else:
            continue
        made.set_submodule(norm, nn.Identity())
    return made
