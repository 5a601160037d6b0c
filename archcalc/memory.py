"""What a measurement of memory is: plain numbers, so that what shows it does not need torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that an inference of the main path held, its inputs among them, its parameters not.

    `peak_bytes`: live tensors of the flat interpreter, which frees each value at its last use, at most, and `at` which
    node. `eager_bytes`: the same of nested modules, where whoever calls a row or block holds its input until it ends.
    `workspace_bytes`: what kernels took from the allocator beside tensors. `requested_bytes`: what the GPU's allocator
    was asked for at most. None where this device or this torch does not say.
    """

    device: str
    dtype: str
    batch: int
    peak_bytes: int
    at: str
    eager_bytes: int
    workspace_bytes: int | None
    requested_bytes: int | None
