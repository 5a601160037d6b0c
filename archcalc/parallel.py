"""One function over many jobs, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .errors import Unavailable

Job = TypeVar("Job")
Result = TypeVar("Result")
Tick = Callable[[int, int], None]


def over(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    least: int,
    tick: Tick | None = None,
    *,
    workers: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> list[Result]:
    """What `function` gives for every job, in order; `tick` hears how many are done, and of how many.

    Fewer than `least` jobs stay in this process, as starting others costs more. There are as many processes as cores,
    or `workers`; with `prepare`, which each of these calls first, they start anew, as what has threads cannot be
    forked. Raises Unavailable where one dies.
    """
    workers = min(workers or _cores(), len(jobs))
    pool = _pool(workers, prepare) if workers > 1 and len(jobs) >= least else None
    if pool is None:
        found = []
        for job in jobs:
            found.append(function(job))
            if tick is not None:
                tick(len(found), len(jobs))
        return found
    from concurrent.futures import as_completed
    from concurrent.futures.process import BrokenProcessPool

    with pool:
        try:
            futures = [pool.submit(function, job) for job in jobs]
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                if tick is not None:
                    tick(done, len(jobs))
        except BrokenProcessPool:
            raise Unavailable("a worker process was killed", "There may be too little memory.") from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [future.result() for future in futures]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pool(workers: int, prepare: Callable[[], None] | None) -> Any:
    """Worker processes; None where the system has none to give."""
    import sys

    try:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        # A forked worker has everything loaded; elsewhere than on Linux forking is not safe.
        method = "spawn" if prepare is not None else "fork" if sys.platform == "linux" else None
        return ProcessPoolExecutor(workers, get_context(method), prepare)
    except (ImportError, OSError, NotImplementedError):
        return None
