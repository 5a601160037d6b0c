"""The deployed network: batch norms that follow a convolution or a fully connected layer are folded into it.

γ·(W x + b − μ)/σ + β is (γ/σ)·W x + (γ/σ)·(b − μ) + β: the layer with other weights, and a bias.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import Graph, Node


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
    new: dict[int, int] = {value: value for value in range(-len(graph.inputs), 0)}
    kept: list[Node] = []
    before: list[int] = []  # by old index: how many nodes stand before it now
    for index, node in enumerate(graph.nodes):
        before.append(len(kept))
        source = node.inputs[0]
        behind = graph.nodes[source] if source >= 0 else None
        alone = (
            behind is not None and readers[source] == 1 and source not in ends and shared.isdisjoint((source, index))
        )
        folded = behind.op.folded() if node.op.folds and alone and behind is not None else None
        if folded is not None:
            at = new[index] = new[source]
            kept[at] = kept[at]._replace(op=folded)
            continue
        new[index] = len(kept)
        shares = None if node.shares is None else new[node.shares]
        kept.append(node._replace(inputs=tuple(new[value] for value in node.inputs), shares=shares))
    before.append(len(kept))
    spans = tuple(
        span._replace(start=before[span.start], stop=before[span.stop], input=new[span.input], output=new[span.output])
        for span in graph.spans
    )
    return replace(
        graph,
        nodes=tuple(kept),
        main=before[graph.main],
        outputs=tuple(new[value] for value in graph.outputs),
        head_outputs=tuple((name, new[value]) for name, value in graph.head_outputs),
        spans=spans,
    )
