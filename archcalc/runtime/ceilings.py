"""The ceilings of a roofline, measured: what arithmetic and memory of this machine reach at best.

The fastest of a few matrix products and convolutions, and the fastest copy of what no cache holds: short runs, and the
best of them, as a ceiling is not to be passed (Williams et al., Roofline, CACM 2009).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch.nn import functional as F

from ..analysis.roofline import Device
from ..errors import Unavailable, UsageError
from ..records import NamedTuple
from .bench import Clock, CpuClock, CudaClock, first_line
from .machine import available_memory, cache_size, device_name, device_of, threads
from .network import torch_dtype
from .room import out_of_memory

PRODUCTS = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}  # sides of square matrices
MAPS = {"cpu": ((4, 128, 56), (4, 256, 28)), "cuda": ((64, 128, 56), (64, 256, 28))}  # batch, channels, side
LEAST_RUNS = 3  # of each, the first to warm up


class Work(NamedTuple):
    """Something to run: what it is, how much it is (FLOPs, or bytes moved), and the run."""

    what: str
    amount: float
    run: Callable[[], object]


class Best(NamedTuple):
    """The most of a second, and what reached it."""

    rate: float
    what: str


def ceilings(
    device: str = "cpu", dtype: str = "float32", thread_count: int | None = None, time_limit: float = 4.0
) -> Device:
    """What this machine reaches in a dtype, in about `time_limit` seconds.

    Raises UsageError; Unavailable without that GPU, or where torch cannot multiply in that dtype.
    """
    number, where = torch_dtype(dtype), device_of(device)
    if not time_limit >= 0:
        raise UsageError(f"the time limit is at least 0 seconds, here it is {time_limit}")
    clock: Clock = CudaClock() if where.type == "cuda" else CpuClock()
    with threads(thread_count), torch.inference_mode():
        try:
            flops = best(_products(where, number), clock, 0.7 * time_limit)
            moved = best(_copies(where), clock, 0.3 * time_limit)
        except (RuntimeError, MemoryError) as error:
            if out_of_memory(error):
                raise Unavailable("memory ran out while the machine's ceilings were measured") from error
            raise Unavailable(f"torch cannot multiply in {dtype} here: {first_line(error)}") from error
        used = torch.get_num_threads()
    name = device_name(where)
    if where.type == "cpu":
        name += f", {used} thread{'s' * (used != 1)}"
    return Device(name, {dtype: flops.rate}, moved.rate, f"measured: {flops.what}; {moved.what}")


def best(works: Iterator[Work] | Sequence[Work], clock: Clock, seconds: float) -> Best:
    """The fastest run of the fastest work; all share the seconds, and each is run a few times at least."""
    works = list(works)
    found = Best(0.0, "")
    for work in works:
        until = time.monotonic() + seconds / len(works)
        runs = 0
        while runs < LEAST_RUNS or time.monotonic() < until:
            marks = [clock.mark()]
            work.run()
            marks.append(clock.mark())
            (took,) = clock.between(marks)
            if runs and took > 0:
                found = max(found, Best(1000 * work.amount / took, work.what))
            runs += 1
    return found


def _products(where: torch.device, dtype: torch.dtype) -> Iterator[Work]:
    for side in PRODUCTS[where.type]:
        a, b = (torch.randn(side, side, device=where).to(dtype) for _ in range(2))
        yield Work(f"a product of {side}×{side} matrices", 2 * side**3, lambda a=a, b=b: a @ b)  # type: ignore[misc]
    for batch, channels, side in MAPS[where.type]:
        x = torch.randn(batch, channels, side, side, device=where).to(dtype)
        w = torch.randn(channels, channels, 3, 3, device=where).to(dtype)
        flops = 2 * batch * channels**2 * 9 * side**2
        what = f"a 3×3 convolution of {channels} channels at {side}×{side}"
        yield Work(what, flops, lambda x=x, w=w: F.conv2d(x, w, padding=1))  # type: ignore[misc]


def _copies(where: torch.device) -> Iterator[Work]:
    """A copy reads and writes each byte once."""
    there = available_memory(where)
    size = 2 * cache_size(where)
    if there is not None:
        size = max(1, min(size, there // 8))
    source, target = (torch.ones(size, dtype=torch.uint8, device=where) for _ in range(2))
    yield Work(f"a copy of {max(1, size // 2**20):,} MiB", 2 * size, lambda: target.copy_(source))
