"""Parameters and statistics by their names in torch: which of an old network's a new one takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..graph import Graph, state_key
from ..ops import dims


class State(NamedTuple):
    """The parameters and statistics that a node has itself, each a name and a shape."""

    path: str
    tensors: Sequence[tuple[str, str]]

    def keys(self) -> dict[str, str]:
        """Their names in a `state_dict`, with the shapes."""
        return {f"{state_key(self.path)}.{name}": shape for name, shape in self.tensors}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What an old checkpoint holds for the network as it is now: parameters and statistics by their names in torch.
    `gone` no longer have a place, `reshaped` have one of another shape (old, new), `renamed` are gone by name but have
    a node that took their place, `missing` are new. `kept` load as before."""

    kept: int = 0
    gone: tuple[str, ...] = ()
    reshaped: tuple[tuple[str, str, str], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def loads(self) -> bool:
        return not (self.gone or self.reshaped or self.renamed or self.missing)


def checkpoint(old: Sequence[State], new: Sequence[State], to: Mapping[int, int]) -> Checkpoint:
    """What a checkpoint of the nodes `old` holds for the nodes `new`; `to` says which of these took the place of which
    of those."""
    before = {key: shape for state in old for key, shape in state.keys().items()}
    now = {key: shape for state in new for key, shape in state.keys().items()}
    kept, gone = 0, []
    reshaped: list[tuple[str, str, str]] = []
    renamed: dict[str, str] = {}
    for i, state in enumerate(old):
        j = to.get(i)
        for name, shape in state.tensors:
            key = f"{state_key(state.path)}.{name}"
            other = f"{state_key(new[j].path)}.{name}" if j is not None else ""
            if key in now:
                kept += now[key] == shape
                reshaped += [(key, shape, now[key])] if now[key] != shape else []
            elif now.get(other) == shape and other not in before:
                renamed[key] = other
            else:
                gone.append(key)
    known = {*before, *renamed.values()}
    missing = tuple(key for key in now if key not in known)
    return Checkpoint(kept, tuple(gone), tuple(reshaped), tuple(renamed.items()), missing)


def states(graph: Graph, nodes: Iterable[int] | None = None) -> list[State]:
    """The parameters and statistics of the nodes of a graph, or of some of them."""
    found = [graph.nodes[at] for at in (range(len(graph.nodes)) if nodes is None else nodes)]
    shapes = ([graph.shape(value) for value in node.inputs] for node in found)
    return [
        State(node.path, [(p.name, dims(p.shape)) for p in node.op.params(*x)] if node.shares is None else [])
        for node, x in zip(found, shapes, strict=True)
    ]
