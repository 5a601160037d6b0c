"""Receptive fields: which positions of the input an element of a value sees, with its stride and offset.

Every op says how far it reaches (`Op.receptive_window`); along a path these add up: a window of k at stride s on a
value of field r and stride j has the field r + (k − 1)·j and the stride j·s (Araujo et al., Computing Receptive Fields
of Convolutional Neural Networks, Distill 2019). Transposed convolutions and upsampling divide the stride; what an
element sees then depends on its place, and the field is of all places together.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from math import floor, inf
from typing import NamedTuple

from ..graph import Graph
from ..ops import Shape, Tokens
from ..ops.base import ReceptiveWindows

Number = int | Fraction


class Field(NamedTuple):
    """The inputs that an element sees along one axis. Element i reads the inputs from stride · i + first to stride ·
    i + last, over all paths together; on its shortest path `shortest` + 1 of them. `first` and `last` are None where a
    path is unbounded (attention, a global pooling, squeeze-and-excitation), `shortest` and `stride` where all are.
    Where paths of different strides meet, nothing bounds what an element sees."""

    shortest: Number | None
    first: Number | None
    last: Number | None
    stride: Number | None

    @property
    def least(self) -> int | None:
        """The number of inputs that are seen on the shortest path."""
        return None if self.shortest is None else floor(self.shortest) + 1

    @property
    def most(self) -> int | None:
        """The number of inputs that are seen on all paths together: the receptive field."""
        return None if self.first is None or self.last is None else floor(self.last - self.first) + 1

    @property
    def offset(self) -> Number | None:
        """The first input that element 0 sees; below zero it is padding."""
        return self.first


POINT = Field(0, 0, 0, 1)
UNBOUNDED = Field(None, None, None, None)
Fields = tuple[Field, ...]  # one an axis of the input that is looked at


class ReceptiveFields:
    """The fields of all values of a graph on its inputs (on those with as many axes as the first), worked out when they
    are first asked for. A value has a field for each axis of the input behind the channels; of tokens that is one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def _found(self) -> list[Fields | None]:
        seeds = {-1 - n: _seed(shape) for n, (_, shape) in enumerate(self.graph.inputs)}
        axes = len(seeds[-1])
        return _walk(self.graph, {v: seed for v, seed in seeds.items() if len(seed) == axes}, len(self.graph.nodes))

    def __getitem__(self, value: int) -> Fields:
        """The fields of a node, by its index, or of an input; none where the input has no axis, or is not read."""
        return (self._found[value] if value >= 0 else _seed(self.graph.shape(value))) or ()

    def least(self, value: int) -> float | None:
        """The smallest field over paths and axes; infinite where all are unbounded, None where there is no axis."""
        return min((inf if axis.least is None else axis.least for axis in self[value]), default=None)

    def most(self, value: int) -> float | None:
        """The largest field over axes; infinite where one is unbounded, None where there is no axis."""
        return max((inf if axis.most is None else axis.most for axis in self[value]), default=None)

    def pair(self, value: int) -> tuple[int, int] | None:
        """The smallest field and the largest; None where it is unbounded or there is no axis."""
        fields = self[value]
        most = [axis.most for axis in fields]
        if not most or None in most:
            return None
        return min(axis.least for axis in fields), max(most)  # type: ignore[type-var, return-value]

    def at(self, output: int, input: int) -> tuple[int, ...] | None:
        """The field of the value `output` on the value `input` (−1, … are the network's inputs), an axis each. None
        where it is unbounded; 0 where nothing of it is seen."""
        fields = self.on(output, input)
        if fields is None:
            return (0,) * len(_seed(self.graph.shape(input)))
        sizes = [axis.most for axis in fields]
        return None if None in sizes else tuple(size for size in sizes if size is not None)

    def on(self, output: int, input: int) -> Fields | None:
        """The fields of the value `output` on the axes of the value `input`; None where nothing of it is seen."""
        seeds = {input: _seed(self.graph.shape(input))}
        return _walk(self.graph, seeds, output + 1)[output] if output >= 0 else seeds.get(output)


def _seed(shape: Shape) -> Fields:
    """A value that is looked at sees itself; a vector has no axis."""
    return (POINT,) * (1 if isinstance(shape, Tokens) else len(shape) - 1)


def _walk(graph: Graph, seeds: dict[int, Fields], stop: int) -> list[Fields | None]:
    """The fields of the nodes before `stop` on the values of `seeds`; None for what reads none of them."""
    found: list[Fields | None] = []
    memo: dict[tuple[int, tuple[Shape, ...]], tuple[ReceptiveWindows, ...]] = {}
    for index, node in enumerate(graph.nodes[:stop]):
        if index in seeds:
            found.append(seeds[index])
            continue
        key = id(node.op), tuple([graph.shape(value) for value in node.inputs])
        reaches = memo.get(key)
        if reaches is None:
            reaches = memo[key] = node.op.receptive_window(*key[1])
        read = []
        for value, reach in zip(node.inputs, reaches, strict=False):
            fields = seeds.get(value) if value < 0 else found[value]
            if fields is not None:
                read.append(through(fields, reach))
        found.append(merged(read) if read else None)
    return found


def through(fields: Fields, reach: ReceptiveWindows) -> Fields:
    """The fields behind an op on a value of these fields."""
    if reach is None or (reach and len(reach) != len(fields)):
        return (UNBOUNDED,) * len(fields)
    found: list[Field] = []
    for n, axis in enumerate(fields if reach else ()):
        if n and axis == fields[0] and reach[n] == reach[0]:
            found.append(found[0])  # of a square
            continue
        step, first, last = reach[n]
        if axis.shortest is None or axis.stride is None:
            found.append(UNBOUNDED)
            continue
        begin = end = None
        if axis.first is not None and axis.last is not None:
            begin, end = axis.first + first * axis.stride, axis.last + last * axis.stride
        found.append(Field(axis.shortest + (last - first) * axis.stride, begin, end, axis.stride * step))
    return tuple(found) if reach else fields


def merged(read: Sequence[Fields]) -> Fields:
    """The fields of what reads several values: all that any of them sees."""
    if len(read) == 1:
        return read[0]
    if len({len(fields) for fields in read}) > 1:
        return (UNBOUNDED,) * len(read[0])
    return tuple(_merged(axes) for axes in zip(*read, strict=True))


def _merged(axes: Sequence[Field]) -> Field:
    shortest = [axis.shortest for axis in axes if axis.shortest is not None]
    first = [axis.first for axis in axes if axis.first is not None]
    last = [axis.last for axis in axes if axis.last is not None]
    strides = {axis.stride for axis in axes if axis.stride is not None}
    if len(strides) != 1:
        return UNBOUNDED
    bounded = len(first) == len(last) == len(axes)
    return Field(min(shortest), min(first) if bounded else None, max(last) if bounded else None, strides.pop())
