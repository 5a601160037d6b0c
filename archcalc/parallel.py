"""One function over many jobs, on all cores; and Ctrl-C, which ends them and is never lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from .errors import Unavailable

if TYPE_CHECKING:
    from concurrent.futures import Executor

Job = TypeVar("Job")
Result = TypeVar("Result")
Tick = Callable[[int, int], None]


def map_processes(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    least: int,
    tick: Tick | None = None,
    *,
    workers: int | None = None,
    prepare: Callable[[], None] | None = None,
    executor: Executor | None = None,
) -> list[Result]:
    """Results of `function` for all jobs, in order; `tick(done, total)` reports progress.

    Fewer than `least` jobs stay in this process, as starting others costs more. There are as many processes as cores,
    or `workers`; with `prepare`, which each of these calls first, they start anew, as what has threads cannot be
    forked. An `executor`, as of a cluster, takes all jobs and stays open. Raises Unavailable if a process dies."""
    if executor is not None:
        return _gathered(executor, function, jobs, tick)
    workers = min(workers or cores(), len(jobs))
    pool = _pool(workers, prepare) if workers > 1 and len(jobs) >= least else None
    if pool is None:
        return [function(job) for job in ticked(jobs, tick)]
    with pool:
        return _gathered(pool, function, jobs, tick)


def streamed(function: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Iterator[Result]:
    """Results of `function` as they come, from so many processes, of which each has two jobs at most: there may be
    millions. With one worker all stays in this process. Raises BrokenExecutor where a process dies."""
    jobs = iter(jobs)
    pool = _pool(workers, _end_with_parent, forked=True) if workers > 1 else None
    if pool is None:
        yield from map(function, jobs)
        return
    from concurrent.futures import FIRST_COMPLETED, wait

    try:
        under = {pool.submit(function, job) for job in islice(jobs, 2 * workers)}
        while under:
            done, under = wait(under, return_when=FIRST_COMPLETED)
            under |= {pool.submit(function, job) for job in islice(jobs, len(done))}
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _end_with_parent() -> None:
    """End this worker once the process that made it is gone, however that went: else it would wait for ever."""
    from threading import Thread
    from time import sleep

    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            sleep(0.5)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def ticked(jobs: Sequence[Job], tick: Tick | None) -> Iterator[Job]:
    """The jobs one by one; `tick(done, total)` hears of each that is done."""
    for done, job in enumerate(jobs, 1):
        obey_interrupt()
        yield job
        if tick is not None:
            tick(done, len(jobs))


def _gathered(
    executor: Executor, function: Callable[[Job], Result], jobs: Sequence[Job], tick: Tick | None
) -> list[Result]:
    from concurrent.futures import BrokenExecutor, as_completed

    futures = [executor.submit(function, job) for job in jobs]
    try:
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            obey_interrupt()
            if tick is not None:
                tick(done, len(jobs))
    except BrokenExecutor:
        raise Unavailable("a worker process was killed", "There may be too little memory.") from None
    finally:
        for future in futures:  # where one has failed; of what is done nothing is cancelled
            future.cancel()
    return [future.result() for future in futures]


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pool(workers: int, prepare: Callable[[], None] | None, forked: bool = False) -> Executor | None:
    """Worker processes, which are made anew where there is something to prepare, unless they may be `forked`; None
    where the system has none to give."""
    import sys

    try:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        # A forked worker has everything loaded; elsewhere than on Linux forking is not safe.
        method = "spawn" if prepare is not None and not forked else "fork" if sys.platform == "linux" else None
        return ProcessPoolExecutor(workers, get_context(method), prepare)
    except (ImportError, OSError, NotImplementedError):
        return None


# --- Ctrl-C -------------------------------------------------------------------------------------------------------


class _CtrlC:
    """What is known of it: whether it `came`, whether what was measured is `held` until it is written, and how many
    may come meanwhile and wait for that."""

    came = held = False
    patience = 0


def heed_interrupts(own: bool) -> Callable[[], bool]:
    """Remember Ctrl-C beside raising it, as code in C may swallow what is raised: imports of torch do. Returns what
    ends that, and says whether it came; then Ctrl-C is as it was, nothing of it is remembered, and where the process is
    our `own` and all is done it ends it.

    Where somebody else handles Ctrl-C, or ignores it, nothing is changed."""
    from signal import SIG_DFL, SIGINT, default_int_handler, getsignal, signal

    def forget() -> bool:
        came = _CtrlC.came
        _CtrlC.came = _CtrlC.held = False
        _CtrlC.patience = 0
        return came

    def ended() -> bool:
        signal(SIGINT, SIG_DFL if own else default_int_handler)
        return forget()

    forget()
    try:
        if getsignal(SIGINT) is default_int_handler:
            signal(SIGINT, _interrupt)
            return ended
    except ValueError:  # not the main thread, which alone hears of signals
        pass
    return forget


def _interrupt(_number: int, _frame: object) -> None:
    _CtrlC.came = True
    if not _CtrlC.patience:
        raise KeyboardInterrupt
    _CtrlC.patience -= 1


def obey_interrupt() -> None:
    """Raise KeyboardInterrupt if Ctrl-C came and was swallowed."""
    if _CtrlC.came and not _CtrlC.held:
        raise KeyboardInterrupt


def hold_interrupts() -> None:
    """From here on the next Ctrl-C waits for the end: what was measured is still to be written. One more does not."""
    _CtrlC.held, _CtrlC.patience = True, 1
