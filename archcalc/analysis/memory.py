"""Memory of a Graph: which outputs share a storage, how long each is alive, and the most that is alive at once."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Graph
from ..ops import Op
from ..ops.shapes import elements
from ..records import NamedTuple
from ..units import ITEMSIZE

ID_BYTES = 8  # ids for a look-up are 64-bit integers, whatever the dtype


class Storages(NamedTuple):
    """Which outputs share memory. `alias_root[i]` is the node that allocated the memory of node i's output (−1, … an
    input, and below the inputs what a node has of its own); `in_place[i]`: node i overwrites its input."""

    alias_root: list[int]
    in_place: list[bool]


def last_use(graph: Graph) -> list[int]:
    """For every node the last node that reads its output; `len(nodes)` where it is an output of the network."""
    last = list(range(len(graph.nodes)))
    for index, node in enumerate(graph.nodes):
        for value in node.inputs:
            if value >= 0:
                last[value] = index
    for value in (*graph.outputs, *(value for _, value in graph.head_outputs)):
        if value >= 0:
            last[value] = len(graph.nodes)
    return last


def storages(graph: Graph, training: bool = False) -> Storages:
    """Settle which outputs are views of their input, which overwrite it, and which are new memory. An activation or an
    evaluation-time dropout works in place exactly when no later node reads its input or anything that shares its
    storage; never on the network's input; in training neither where it keeps its input for the backward pass itself,
    nor where the producer keeps its output, nor where an earlier reader may have kept it as its input. Of code it is as
    its run showed."""
    if graph.code is not None:
        return Storages([*graph.code.roots], [*graph.code.in_place])
    last = last_use(graph)
    root: list[int] = []
    in_place: list[bool] = []
    needed = list(last)  # by root: the last node that reads anything standing in it, so far
    kept: set[int] = set()  # roots that a node has read, other than to view or to overwrite them
    keeping: list[bool] = []  # whether the producer keeps the output, itself or through views
    for index, node in enumerate(graph.nodes):
        own, overwrites = index, False
        storage = node.op.storage
        if storage != "new":
            source = node.inputs[0]
            behind = root[source] if source >= 0 else source
            if storage == "own":
                own = -1 - len(graph.inputs) - index
            elif storage == "view":
                own = behind
            elif behind >= 0 and needed[behind] <= index:
                overwrites = not (training and (_keeps_input(node.op) or behind in kept or keeping[source]))
                own = behind if overwrites else own
            if own >= 0 and own != index:
                needed[own] = max(needed[own], last[index])
        root.append(own)
        in_place.append(overwrites)
        if not training:
            continue
        keeps = node.op.saves
        viewed = storage == "view" and node.inputs[0] >= 0 and keeping[node.inputs[0]]
        keeping.append(viewed or keeps in ("output", "both") or (keeps == "either" and overwrites))
        if not overwrites and storage != "view":
            kept.update(root[value] for value in node.inputs if value >= 0)
    return Storages(root, in_place)


def live_until(root: Sequence[int], last: Sequence[int]) -> dict[int, int]:
    """By what allocated it, node or input, the last node that reads anything standing in a storage."""
    until: dict[int, int] = {}
    for own, end in zip(root, last, strict=True):
        if end > until.get(own, -1):
            until[own] = end
    return until


def _keeps_input(op: Op) -> bool:
    """Whether an op that could work in place must not, for the sake of its own backward pass: torch would copy."""
    return op.saves in ("inputs", "both") or op.copies_in_training


def peak_memory(graph: Graph, sizes: list[int], root: list[int]) -> tuple[int, int]:
    """The largest sum of live tensors and the node at which it is reached (−1: nothing runs)."""
    start, *live = live_bytes(graph, sizes, root)
    peak = max([start, *live])
    return peak, live.index(peak) if peak > start else -1


def live_bytes(graph: Graph, sizes: list[int], root: list[int]) -> list[int]:
    """The sum of live tensors before anything runs, and while each node runs. `sizes` are the bytes of each node's own
    storage (0 where it allocates none), inputs in front. Every tensor is freed after its last use; the network's inputs
    are held to the end."""
    if graph.code is not None:
        return held_bytes(graph)
    offset = len(graph.inputs)
    freed = [0] * (len(graph.nodes) + 1)
    for own, end in live_until(root, last_use(graph)).items():
        if own >= 0:
            freed[end] += sizes[offset + own]
    live = sum(sizes[:offset])
    found = [live]
    for size, gone in zip(sizes[offset:], freed, strict=False):
        live += size
        found.append(live)
        live -= gone
    return found


def held_bytes(graph: Graph, eager: bool = True) -> list[int]:
    """As `live_bytes`, of code: what it holds while each node runs, or else what would be held if every tensor were
    freed after its last use."""
    assert graph.code is not None
    change = [0] * (len(graph.nodes) + 3)
    for size, born, last, held in graph.code.memory:
        change[born + 1] += size
        change[(held if eager else last) + 2] -= size
    live = sum(graph.code.inputs)
    return [live := live + step for step in change[:-2]]


def embedding_inputs(graph: Graph) -> dict[int, int]:
    """The inputs (−1, −2, …) that are ids for a look-up, and below which number the ids are."""
    words: dict[int, int] = {}
    for node in graph.nodes:
        if node.inputs and node.inputs[0] < 0 and (ids := node.op.ids):
            words[node.inputs[0]] = min(ids, words.get(node.inputs[0], ids))
    return words


def input_bytes(graph: Graph, batch: int, dtype: str) -> list[int]:
    """The bytes of each input of the network."""
    if graph.code is not None:
        return [*graph.code.inputs]
    ids = embedding_inputs(graph)
    sizes = (ID_BYTES if -1 - n in ids else ITEMSIZE[dtype] for n in range(len(graph.inputs)))
    return [elements(shape) * batch * size for (_, shape), size in zip(graph.inputs, sizes, strict=True)]
