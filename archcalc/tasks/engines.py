"""Who counts the chunks of a sweep: the processes of this machine, joblib, or the workers of a dask cluster.

Each engine gives what comes as it comes, and has only so much under way as its workers need. It raises BrokenExecutor
where a worker died: what had not come is done again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any

from ..errors import Unavailable, UsageError, did_you_mean, installed
from ..parallel import cores, obey_interrupt, streamed
from .sweep import Chunk, Plan, count_chunk, shipped_digest

EXTRA = "archcalc[sweep]"  # what all of them are installed by
ENGINES = ("processes", "joblib", "dask")
PATIENCE = 3  # times that workers may die before anything else has come
Job = tuple[Plan, int]


def counted(
    plan: Plan, numbers: Sequence[int], jobs: int, engine: str = "", scheduler: str = ""
) -> Generator[Chunk, None, None]:
    """The chunks of these numbers, counted by an engine, as they come, each once. Raises UsageError, and Unavailable
    where the engine is missing, is not there, or its workers die again and again."""
    engine = engine or ENGINES[0]
    if engine not in ENGINES:
        raise UsageError(f"`--engine {engine}` is none that archcalc has", did_you_mean(engine, ENGINES))
    if (engine == "dask") != bool(scheduler):
        raise UsageError("`--engine dask` and `--scheduler ADDRESS` go together", "Such as tcp://127.0.0.1:8786.")
    left, deaths = dict.fromkeys(numbers), 0
    while left:
        try:
            for chunk in _ENGINES[engine](((plan, number) for number in [*left]), jobs, scheduler):
                obey_interrupt()
                del left[chunk.number]
                deaths = 0
                yield chunk
        except BrokenExecutor:
            deaths += 1
            if deaths == PATIENCE:
                raise Unavailable("the workers die again and again", "There may be too little memory.") from None


def _processes(jobs: Iterator[Job], workers: int, _scheduler: str) -> Iterator[Chunk]:
    return streamed(count_chunk, jobs, workers or cores())


def _joblib(jobs: Iterator[Job], workers: int, _scheduler: str) -> Iterator[Chunk]:
    with installed(EXTRA):
        from joblib import Parallel, delayed
    asked = (delayed(count_chunk)(job) for job in jobs)
    found: Iterator[Chunk] = Parallel(n_jobs=workers or cores(), return_as="generator_unordered")(asked)
    return found


def _dask(jobs: Iterator[Job], _workers: int, scheduler: str) -> Iterator[Chunk]:
    with installed(EXTRA):
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    try:
        client = Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Unavailable(f"no dask scheduler answers at `{scheduler}`", str(error)) from None
    with client, _unsaid():
        _check_workers(client)
        room = 2 * sum(client.nthreads().values())
        begun = [client.submit(count_chunk, job, pure=False) for job in islice(jobs, room)]
        under: Any = as_completed(begun, loop=client.loop)
        for future in under:
            try:
                chunk = future.result()
            except KilledWorker as error:
                raise BrokenExecutor(str(error)) from None
            future.release()
            yield chunk
            for job in islice(jobs, 1):
                under.add(client.submit(count_chunk, job, pure=False))


@contextmanager
def _unsaid() -> Iterator[None]:
    """Nothing that dask's client warns of is news here: what a dead worker loses is done again."""
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def identity() -> tuple[str, str]:
    """What a worker must have in common with who asks it: the version of archcalc, and the specs that ship with it."""
    from .. import __version__

    return __version__, shipped_digest()


def _check_workers(client: Any) -> None:
    """Raise Unavailable where there is no worker, or where one has another archcalc."""
    try:
        client.wait_for_workers(1, timeout=10)
        found = client.run(identity)
    except TimeoutError:
        raise Unavailable("the dask cluster has no worker") from None
    except Exception as error:  # of several kinds where a worker does not know what to import
        raise Unavailable(f"a worker of the cluster has no archcalc, or another: {error}") from None
    for worker, theirs in found.items():
        if theirs != identity():
            what = f"archcalc {theirs[0]}" if theirs[0] != identity()[0] else "other specs"
            raise Unavailable(f"the worker {worker} has {what}", "Install one and the same archcalc on all of them.")


_ENGINES: dict[str, Callable[[Iterator[Job], int, str], Iterable[Chunk]]] = {
    "processes": _processes,
    "joblib": _joblib,
    "dask": _dask,
}
