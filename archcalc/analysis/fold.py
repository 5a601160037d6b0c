"""The deployed network: batch norms that follow a convolution or a fully connected layer are folded into it.

γ·(W x + b − μ)/σ + β is (γ/σ)·W x + (γ/σ)·(b − μ) + β: the layer with other weights, and a bias.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import Graph


def fold(graph: Graph) -> Graph:
    """The graph without the batch norms that can be folded: those that alone read the output of a layer, unless one of
    the two shares its parameters, which would differ then."""
    readers: dict[int, int] = {}
    for node in graph.nodes:
        for value in node.inputs:
            readers[value] = readers.get(value, 0) + 1
    borrowers = {index: node.shares for index, node in enumerate(graph.nodes) if node.shares is not None}
    shared = {*borrowers, *borrowers.values()}
    ends = {*graph.outputs, *(value for _, value in graph.head_outputs)}
    nodes, gone = list(graph.nodes), set()
    for index, node in enumerate(graph.nodes):
        source = node.inputs[0] if node.inputs else -1
        behind = graph.nodes[source] if source >= 0 else None
        alone = (
            behind is not None and readers[source] == 1 and source not in ends and shared.isdisjoint((source, index))
        )
        folded = behind.op.folded() if node.op.folds and alone and behind is not None else None
        if folded is not None:
            nodes[source] = nodes[source]._replace(op=folded)
            gone.add(index)
    return replace(graph, nodes=tuple(nodes)).leave_out(gone)
