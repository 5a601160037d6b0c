"""Parameters and statistics by their names in torch: which of an old network's a new one takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..graph import Graph, state_key
from ..ops import Shape, dims
from ..records import NamedTuple
from .align import Alignment
from .normal import Normal
from .steps import Held


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


def checkpoint(
    old: Sequence[State], new: Sequence[State], to: Mapping[int, int], names: Mapping[str, str] | None = None,
    turned: Collection[str] = (),
) -> Checkpoint:  # fmt: skip
    """What a checkpoint of the nodes `old` holds for the nodes `new`; `to` says which of these took the place of which
    of those, `names` of some tensors what they are called there, and `turned` which stand transposed there."""
    before = {key: shape for state in old for key, shape in state.keys().items()}
    now = {key: shape for state in new for key, shape in state.keys().items()}
    kept, gone = 0, []
    reshaped: list[tuple[str, str, str]] = []
    renamed: dict[str, str] = {}
    for i, state in enumerate(old):
        j = to.get(i)
        for name, shape in state.tensors:
            key = state.key(name)
            other = (names or {}).get(key) or (new[j].key(name) if j is not None else "")
            if now.get(key) == shape and other not in ("", key) and now.get(other) == shape:
                renamed[key] = other
            elif key in now:
                alike = now[key] == shape
                kept += alike and key not in turned
                reshaped += [(key, shape, now[key])] if not alike else []
                reshaped += [(key, shape, f"{shape} transposed")] if alike and key in turned else []
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


def transposed(alignment: Alignment) -> set[str]:
    """What is called alike in both networks, and is in the one what it is transposed in the other."""
    one, other = alignment.first, alignment.second
    each = [pair for a, b in alignment.pairs for pair in zip(one.steps[a].held, other.steps[b].held, strict=False)]
    apart = ((_called(one.graph, a)[0], _called(other.graph, b)[0]) for a, b in each if a.turned != b.turned)
    return {name for name, now in apart if name == now}


def buffers(alignment: Alignment) -> dict[str, str]:
    """What buffers that code works with are called in the second network, and in the first those of the second."""
    one, other = alignment.first, alignment.second
    each = [pair for a, b in alignment.pairs for pair in zip(one.steps[a].held, other.steps[b].held, strict=False)]
    return {_called(one.graph, a)[0]: _called(other.graph, b)[0] for a, b in each if a.key or b.key}


def others(graph: Graph) -> list[State]:
    """What else a `state_dict` of code has: buffers, and parameters that nothing reads."""
    found = graph.code.others if graph.code else ()
    return [State("", [(name, dims(shape))], (name,)) for name, shape in found]


class Source(NamedTuple):
    """Where a parameter comes from: its name in a `state_dict`, which part of it of how many, its shape where it
    goes, whether it is transposed on the way, of how many heads each it is a part, here and there, and which part it is
    there."""

    name: str
    part: int
    parts: int
    shape: Shape
    turned: bool
    heads: int = 1
    into: int = 1
    place: int = 0


def across(one: Normal, other: Normal, pairs: Iterable[tuple[int, int]]) -> dict[str, list[Source]]:
    """By the name of each parameter and statistic of the second network what it is in the first, parts in their order;
    `pairs` are the steps that are one another's."""
    found: dict[str, list[Source]] = {}
    for a, b in pairs:
        for old, new in zip(one.steps[a].held, other.steps[b].held, strict=True):
            (name, _), (key, shape) = _called(one.graph, old), _called(other.graph, new)
            turned = old.turned != new.turned
            found.setdefault(key, []).append(
                Source(name, old.part, old.parts, shape, turned, old.heads, new.heads, new.part)
            )
    return found


TRACKED = "num_batches_tracked"  # how often a running mean was updated


def carried(alignment: Alignment, state: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A `state_dict` of the first network, which is called `name`, as one of the second, to which it is equal, with its
    names and shapes. Raises UsageError where the state is of another network."""
    found = {}
    for key, sources in across(alignment.first, alignment.second, alignment.pairs).items():
        for source in sources:
            if source.name not in state:
                raise UsageError(f"the state has no `{source.name}`, which `{name}` has")
        sources.sort(key=lambda one: one.place)
        whole = [state[one.name].T if one.turned else state[one.name] for one in sources]
        cut = zip(whole, sources, strict=True)
        parts = [_parts(tensor, one.parts, one.heads)[one.part] if one.parts > 1 else tensor for tensor, one in cut]
        shape = sources[0].shape
        found[key] = parts[0].reshape(shape) if len(parts) == 1 else parts[0].new_empty(shape)
        if len(parts) > 1:  # what is one tensor there
            for place, part in zip(_parts(found[key], len(parts), sources[0].into), parts, strict=True):
                place.copy_(part.reshape(place.shape))
        old = f"{sources[0].name.rpartition('.')[0]}.{TRACKED}"
        if key.endswith(".running_mean") and old in state:
            found[f"{key.rpartition('.')[0]}.{TRACKED}"] = state[old]
    return found


def _parts(tensor: Any, count: int, heads: int) -> list[Any]:
    """A tensor in equal parts, in blocks or of each head."""
    if heads == 1:
        return list(tensor.chunk(count))
    return list(tensor.unflatten(0, (heads, count, -1)).unbind(1))


def _called(graph: Graph, held: Held) -> tuple[str, Shape]:
    """The name of a parameter in a `state_dict`, and its shape, of a part that of the whole."""
    if held.key and graph.code:
        return held.key, dict(graph.code.others)[held.key]
    (state,) = states(graph, [held.node])
    name, shape = [*_tensors(graph, held.node).items()][held.number]
    return state.key(name), shape


def _tensors(graph: Graph, at: int) -> dict[str, Shape]:
    node = graph.nodes[at]
    params = node.op.params(*[graph.shape(value) for value in node.inputs])
    names: Sequence[str] = [param.name for param in params]
    if graph.code and len({*names}) < len(names):  # of several modules
        names = graph.code.keys[at]
    return {name: tuple(param.shape) for name, param in zip(names, params, strict=True)}
