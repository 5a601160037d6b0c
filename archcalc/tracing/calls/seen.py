"""A call as the tables see it: its arguments by name, tensors by their shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from ...records import NamedTuple
from ..traced import Called, Ref, Tensor, refs

Shape = tuple[int, ...]


class Seen(NamedTuple):
    """A call with all tensors of its trace. Rules may raise what Python raises where a call has not the arguments that
    torch gives it: whoever asks says so."""

    call: Called
    tensors: Sequence[Tensor]

    @property
    def args(self) -> Mapping[str, Any]:
        return self.call.args

    @property
    def out(self) -> Shape:
        """The shape of the first output."""
        return self.tensors[self.call.outputs[0]].shape

    @property
    def made(self) -> int:
        """The elements of the first output."""
        return prod(self.out)

    def has(self, name: str) -> bool:
        """Whether an argument is a tensor."""
        return isinstance(self.args.get(name), Ref)

    def shape(self, name: str) -> Shape:
        """The shape of the tensor that is an argument."""
        return self.tensors[self._ref(name)].shape

    def shapes(self, name: str) -> list[Shape]:
        """The shapes of the tensors in an argument."""
        return [self.tensors[at].shape for at in refs(self.args[name])]

    def first(self) -> Shape:
        """The shape of the first tensor among the arguments."""
        for value in self.call.args.values():
            if isinstance(value, Ref):
                return self.tensors[value].shape
            if isinstance(value, list) and (found := refs(value)):
                return self.tensors[found[0]].shape
        raise IndexError("it reads no tensor")

    def sizes(self, name: str, axes: int, default: int) -> Shape:
        """A number for each axis: one that is given alone is that of all of them. Raises TypeError for what is none."""
        found = self.args.get(name)
        found = [] if found is None else found if isinstance(found, list) else [found]
        found = found or [default]
        if not all(isinstance(number, int) for number in found):
            raise TypeError(name)
        return tuple(found) * axes if len(found) == 1 else tuple(found[:axes])

    def _ref(self, name: str) -> int:
        found = self.args[name]
        if not isinstance(found, Ref):
            raise TypeError(name)
        return int(found)
