"""The steps of a network in normal form."""

from __future__ import annotations

from ..ops import Op, Shape
from ..records import NamedTuple


class Held(NamedTuple):
    """A parameter or statistic: of which node which one in order, and which part of it of how many, of each of so many
    `heads`, `turned` where it is transposed. A buffer that a call lays out has its `key` in a `state_dict`; a
    `note` says what it is that the op does not say."""

    node: int
    number: int
    part: int = 0
    parts: int = 1
    turned: bool = False
    heads: int = 1
    key: str = ""
    note: str = ""


class Step(NamedTuple):
    """A node of a normal form: the `node` of the graph, its op in normal form, the shapes of its parameters and
    statistics, the steps that it reads (−1, −2, … are the network's inputs), the step whose parameters it has,
    which its own are, in the order of their shapes, the shape of what it gives, if that is not its node's, and the
    nodes that it is `made_of`, if these are more."""

    node: int
    op: Op
    weights: tuple[Shape, ...]
    reads: tuple[int, ...]
    owner: int | None
    held: tuple[Held, ...] = ()
    shape: Shape | None = None
    made_of: tuple[int, ...] = ()

    @property
    def nodes(self) -> set[int]:
        """All nodes that it is of."""
        return {self.node, *self.made_of, *(one.node for one in self.held)}
