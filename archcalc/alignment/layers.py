"""Layers that code writes out: products with a parameter, and parameters that are added behind a layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..graph import Graph
from ..ops import Shape
from ..ops.laid import Laid, merged, whole
from ..ops.shapes import numel
from ..records import NamedTuple
from .moves import Moves, variable
from .steps import Held, Step

FAMILIES = ("linear", "convolution")
ALONG = ("adding", "scaling")  # calls that read a parameter along an axis
AXES = ("channels", "rows", "columns", "layers")


class Product(NamedTuple):
    """A value times a matrix, of size out × in, that the node `holder` has, `turned` where that is in × out."""

    value: int
    holder: int
    size: tuple[int, int]
    turned: bool


class Bias(NamedTuple):
    """What is added to the output of a layer along its channels, of which there are so many; the node `holder` has
    it."""

    layer: int
    holder: int
    width: int


class Layers:
    """Looks for them in a graph of code."""

    def __init__(self, graph: Graph, plain: Moves, maps: Moves) -> None:
        self.graph, self.plain, self.maps = graph, plain, maps
        self.readers = Counter([*graph.outputs, *(value for node in graph.nodes for value in node.inputs)])
        self.lent = {node.shares for node in graph.nodes}  # nodes whose parameters others have, too

    def product(self, index: int) -> Product | None:
        """A product with a matrix that a call lays out, as it stands or turned, along what lies last."""
        node = self.graph.nodes[index]
        read = variable(node)
        if node.op.role != "product" or len(read) != 2 or node.op.arguments or len(node.op.gives) < 2:
            return None
        holder, laid = self._laid_out(read[1])
        own = whole(laid.source).groups
        if holder < 0 or len(own) != 2 or laid.groups not in (own, own[::-1]) or min(laid.size) == 1:
            return None
        axes, size = self.maps.axes(read[0], True), self.plain.of(read[0])[1].size
        if size[-1] != laid.size[0] or (axes is not None and axes[0] != len(size) - 1):
            return None
        return Product(read[0], holder, (laid.size[1], laid.size[0]), laid.groups == own)

    def bias(self, index: int) -> Bias | None:
        """A parameter that is added along the channels of what a layer gives to this node alone."""
        node = self.graph.nodes[index]
        if node.op.role != "adding" or node.shares is not None or node.op.said.get("alpha", 1) != 1:
            return None
        for value, holder, size in self._summed(index, variable(node)):
            layer, laid = self.plain.of(value)
            made, sizes = self.graph.nodes[max(layer, 0)].op, node.op.gives
            place = 1 if made.along == "front" else len(sizes) - 1
            along = tuple(n if at == place else 1 for at, n in enumerate(sizes))
            if layer < 0 or made.gives != sizes or laid != whole(sizes) or size != along[len(along) - len(size) :]:
                continue
            if numel(size) == sizes[place] > 1 and self._ends_in(value, layer):
                return Bias(layer, holder, sizes[place])
        return None

    def elsewhere(self, index: int) -> tuple[int, str] | None:
        """Of a parameter that is added to a value, or multiplied with it, along one axis that has no channels, the node
        that has it, and which axis that is, as far as layers say so."""
        node = self.graph.nodes[index]
        for value, holder, size in self._summed(index, variable(node)) if node.op.role in ALONG else ():
            axes, count = self.maps.axes(value, True), len(node.op.gives)
            along = [at + count - len(size) for at, n in enumerate(size) if n > 1]
            if axes is not None and len(along) == 1 and along[0] in axes[1:]:
                return holder, f"along {AXES[axes.index(along[0])]}"
        return None

    def _summed(self, index: int, read: Sequence[int]) -> Iterator[tuple[int, int, Shape]]:
        """Of a sum of a value and a parameter the value, the node that has the parameter, and how it is laid out."""
        params = self.graph.nodes[index].op.params()
        if len(read) == len(params) == 1 and index not in self.lent:
            yield read[0], index, params[0].shape
        for value, other in (read, read[::-1]) if len(read) == 2 and not params else ():
            holder, laid = self._laid_out(other)
            if holder >= 0 and merged(laid.groups) == merged(whole(laid.source).groups):
                yield value, holder, laid.size

    def _laid_out(self, value: int) -> tuple[int, Laid]:
        """The node that has the parameter that a value is a layout of, and nothing else reads, and how; else −1."""
        holder, outer = self.plain.of(value)
        node = self.graph.nodes[holder] if holder >= 0 else None
        params = node.op.params() if node is not None and node.op.storage == "own" and not node.inputs else ()
        inner = node.op.moved(whole(params[0].shape)) if node is not None and len(params) == 1 else None
        laid = None if inner is None else outer.within(inner)
        if laid is None or any(laid.start) or not self._ends_in(value, holder):
            return -1, outer
        return holder, laid

    def _ends_in(self, value: int, source: int) -> bool:
        """Whether a value is made of another that nothing else reads, and whose parameters nothing else has."""
        while self.readers[value] == 1 and value != source:
            value = variable(self.graph.nodes[value])[0]
        return self.readers[value] == 1 and source not in self.lent


def with_bias(step: Step, bias: Bias) -> Step | None:
    """A layer with a bias, where it has none, and is this layer."""
    alone = step.node == bias.layer and step.owner is None and len(step.held) == 1
    if not alone or step.op.family not in FAMILIES or step.op.said.get("bias") is not False:
        return None
    held = (*step.held, Held(bias.holder, 0))
    return step._replace(op=step.op.but(bias=True), weights=(*step.weights, (bias.width,)), held=held)
