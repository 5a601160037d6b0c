"""Parameters and statistics by their names in torch: which of an old network's a new one takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..graph import Graph, state_key
from ..ops import Shape, dims


class State(NamedTuple):
    """The parameters and statistics that a node has itself, each a name and a shape; `own` are their names in a
    `state_dict` where these do not follow from the path."""

    path: str
    tensors: Sequence[tuple[str, str]]
    own: Sequence[str] = ()

    def key(self, name: str) -> str:
        """What a parameter is called in a `state_dict`."""
        names = [known for known, _ in self.tensors]
        return self.own[names.index(name)] if self.own and name in names else f"{state_key(self.path)}.{name}"

    def keys(self) -> dict[str, str]:
        """Their names in a `state_dict`, with the shapes."""
        return {self.key(name): shape for name, shape in self.tensors}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What an old checkpoint holds for the network as it is now: parameters and statistics by their names in torch.
    `gone` no longer have a place, `reshaped` have one of another shape (old, new), `renamed` have theirs under another
    name, whether or not something else of their shape has the old one, `missing` are new. `kept` load as before."""

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
            key = state.key(name)
            other = new[j].key(name) if j is not None else ""
            if now.get(key) == shape and other not in ("", key) and now.get(other) == shape:
                renamed[key] = other
            elif key in now:
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
    found = range(len(graph.nodes)) if nodes is None else nodes
    return [
        State(
            node.path,
            [(name, dims(shape)) for name, shape in _tensors(graph, at).items() if node.shares is None],
            graph.code.keys[at] if graph.code else (),
        )
        for at, node in ((at, graph.nodes[at]) for at in found)
    ]


def across(one: Graph, other: Graph, pairs: Iterable[tuple[int, int]]) -> dict[str, tuple[str, Shape]]:
    """By the name of each parameter and statistic of the second network what it is called in the first, and its shape
    in the second; `pairs` are the nodes that are one another's."""
    found = {}
    for a, b in pairs:
        (before,), (now,) = states(one, [a]), states(other, [b])
        shapes = _tensors(other, b)
        names = [name for name, _ in before.tensors]
        for name in (name for name, _ in now.tensors if name in names):
            found[now.key(name)] = before.key(name), shapes[name]
    return found


def _tensors(graph: Graph, at: int) -> dict[str, Shape]:
    node = graph.nodes[at]
    return {param.name: tuple(param.shape) for param in node.op.params(*[graph.shape(value) for value in node.inputs])}
