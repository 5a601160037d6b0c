"""Whether there is room for a network: asked before it is built, as the kernel kills who takes more than there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from ..analysis.counts import Report, cost_of
from ..analysis.fit import fit, need
from ..errors import Unavailable
from ..graph import Graph
from ..units import ITEMSIZE, binary
from .machine import available_memory

MARGIN = 16  # a part in so many of what is needed, for scratch memory of kernels and what allocators round up
SPARE = 32 * 2**20  # bytes, for threads and libraries that load late


KEPT = 8  # times what is live at most: what malloc may hold that returns nothing (of mamba-130m 5.8 times)


class OutOfMemory(Unavailable):
    """Memory ran out."""


def require(report: Report, batch: int, where: torch.device, optimizer: str = "") -> None:
    """Raises Unavailable where the main path of `report`, which is at batch 1, takes more than the memory that is free:
    its parameters, and the activations of an inference or, with an `optimizer`, of a training step."""
    free = available_memory(where)
    needed = need(report.at_batch(batch), optimizer)
    if free is None or with_margin(needed.bytes) <= free:
        return
    parameters = sum(size for name, size in needed.parts.items() if name in ("parameters", "running statistics"))
    what = "gradients and activations" if optimizer else "activations"
    most = fit(report, max(1, (free - SPARE) * MARGIN // (MARGIN + 1)), optimizer).batch
    raise Unavailable(
        f"this needs {_bytes(with_margin(needed.bytes))} of memory ({_bytes(parameters)} of parameters, "
        f"{_bytes(needed.bytes - parameters)} of {what} at batch {batch}, the rest to spare), free are {_bytes(free)}",
        fits(most),
    )


def can_keep(reports: Iterable[Report], batch: int, optimizer: str = "") -> bool:
    """Whether there is room on the CPU for what malloc holds where it returns nothing, beside parameters that are there
    already: where a small block came to stand in a large one that was free, the next large one is new memory."""
    live = 0
    for report in reports:
        needed = need(report.at_batch(batch), optimizer)
        live = max(live, needed.bytes - needed.parts.get("parameters", 0))
    return has_room(KEPT * live, torch.device("cpu"))


def has_room(needed: int, where: torch.device) -> bool:
    """Whether so many bytes are free, with a margin; also where nobody says what is."""
    free = available_memory(where)
    return free is None or with_margin(needed) <= free


def require_parameters(graph: Graph, dtype: str, where: torch.device) -> None:
    """Raises Unavailable where not even the parameters of all nodes have room."""
    free = available_memory(where)
    needed = with_margin(parameter_bytes(graph, dtype))
    if free is not None and needed > free:
        said = f"the parameters of this network need {_bytes(needed)} of memory, free are {_bytes(free)}"
        raise Unavailable(said, "On the device `meta` they need none.")


def parameter_bytes(graph: Graph, dtype: str = "float32") -> int:
    """What parameters and running statistics take, shared ones once."""
    own = (node for node in graph.nodes if node.shares is None)
    costs = (cost_of(node.op, tuple(graph.shape(value) for value in node.inputs), node.shape) for node in own)
    return ITEMSIZE[dtype] * sum(cost.weights + cost.biases + cost.norm_params + cost.norm_stats for cost in costs)


def with_margin(needed: int) -> int:
    """The bytes that are to be free for a need of so many."""
    return needed + needed // MARGIN + SPARE


def fits(batch: int) -> str:
    """A sentence about the largest batch that fits."""
    return f"The largest batch that fits is {batch:,}." if batch > 0 else "Not even one sample fits."


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch says that there was no memory left; on the CPU only its text does."""
    text = str(error).lower()
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or any(
        words in text for words in ("can't allocate memory", "out of memory", "not enough memory", "bad_alloc")
    )


@contextmanager
def out_of_memory_while(what: str) -> Iterator[None]:
    """Raises OutOfMemory for an exception that says so."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise OutOfMemory(f"memory ran out while {what}") from error
        raise


def _bytes(count: int) -> str:
    return " ".join(binary(count))
