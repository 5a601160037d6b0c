"""Bytes that the nodes of a network move, and arithmetic intensity: FLOPs for each of them.

A node reads its inputs and its parameters and writes its output, each once and from memory, as if no cache were large
enough to keep a tensor from one node to the next; a view moves nothing (Williams et al., Roofline, CACM 2009).
"""

from __future__ import annotations

from collections.abc import Sequence

from .analyse import ID_BYTES, ITEMSIZE, Layer, Report, looked_up
from .ops.base import numel


def moved_bytes(report: Report) -> tuple[int, ...]:
    """The bytes that each node reads and writes, for the whole batch."""
    size, batch = ITEMSIZE[report.dtype], report.batch
    ids = looked_up(report.graph)

    def one(layer: Layer) -> int:
        node = layer.node
        if node.op.storage == "view" or (node.op.free and not layer.facts.params and node.op.storage == "inplace"):
            return 0
        each = [numel(report.graph.shape(value)) * (ID_BYTES if value in ids else size) for value in node.inputs]
        if node.inputs[0] in ids:  # a look-up reads the words that it needs, and not the whole table
            return batch * (sum(each) + 2 * numel(node.shape) * size)
        stats = layer.norm_stats
        return batch * (sum(each) + numel(node.shape) * size) + (layer.params + stats) * size

    return tuple(map(one, report.layers))


def intensity(flops: int, moved: int) -> float:
    """FLOPs for each byte moved; 0 where nothing is moved."""
    return flops / moved if moved else 0.0


def network_intensity(report: Report) -> float:
    """The arithmetic intensity of the main path."""
    moved: Sequence[int] = moved_bytes(report)[: report.graph.main]
    return intensity(report.totals.flops, sum(moved))
