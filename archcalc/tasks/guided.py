"""A search that is guided by what was found so far: optuna says which point of a space is counted next."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import BrokenExecutor
from itertools import chain
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from .. import files
from ..errors import Unavailable, UsageError, installed
from ..parallel import cores, obey_interrupt, streamed
from .engines import EXTRA, PATIENCE
from .sweep import Chunk, Plan, Sweep, sweep_of

JOURNAL = ".optuna"  # behind the name of the file of points
BROKEN = "broken"  # above 0 where a point keeps not all bounds, or does not build


def searched(sweep: Sweep, done: set[int], jobs: int, file: Path | None) -> Generator[Chunk, None, None]:
    """The points of a search, a chunk each, as they come: the same ones for the same seed where one process counts.
    What was counted already comes as an empty one. Beside a `file` of points stands optuna's journal, by which a search
    that was stopped goes on: chunks that are `done` do not come again. Raises Unavailable, UsageError."""
    with installed(EXTRA):
        from optuna import logging
        from optuna.trial import TrialState
    if sweep.measured or not sweep.deciding:
        raise UsageError("`--search` is for a front or the best of what is counted", "Such as `--pareto params,macs`.")
    logging.set_verbosity(logging.ERROR)
    study = _study(sweep, file, bool(done))
    before = study.get_trials(deepcopy=False)
    seen = {_number(sweep, trial.params) for trial in before if trial.state.is_finished()}
    left = {t.number: _number(sweep, t.params) for t in before if t.state == TrialState.RUNNING}  # when it was stopped
    trials: dict[int, Any] = {}

    def asked() -> Iterator[tuple[Plan, int, int]]:
        for trial, point in [*left.items()]:
            yield sweep.plan, trial, point
        for _ in range(sweep.plan.search - len(before)):
            trial = study.ask()
            trials[trial.number] = trial
            left[trial.number] = _number(sweep, _suggested(sweep, trial))
            yield sweep.plan, trial.number, left[trial.number]

    questions, deaths = asked(), 0
    while True:
        try:
            for chunk in streamed(count_point, questions, jobs or cores()):
                obey_interrupt()
                deaths, point = 0, left[chunk.number]
                if chunk.number not in done:
                    yield chunk if point not in seen else Chunk(chunk.number, 0, 0, ())
                trial = trials.pop(chunk.number, None)
                if trial is None:
                    study.tell(chunk.number, state=TrialState.FAIL)
                else:
                    trial.set_user_attr(BROKEN, [float(not chunk.kept)])
                    study.tell(trial, chunk.kept[0][0] if chunk.kept else [0.0] * len(sweep.deciding))
                seen.add(left.pop(chunk.number))
            return
        except BrokenExecutor:
            deaths += 1
            if deaths == PATIENCE:
                raise Unavailable("the workers die again and again", "There may be too little memory.") from None
            under = [(sweep.plan, trial, point) for trial, point in left.items()]
            questions = chain(under, questions)


def count_point(job: tuple[Plan, int, int]) -> Chunk:
    """Count one point of a plan: what a worker does."""
    plan, number, point = job
    return sweep_of(plan).count(number, [point])


def _study(sweep: Sweep, file: Path | None, resumed: bool) -> Any:
    """The study, in memory or in a journal, of which the line that a kill left half written is cut off."""
    from optuna import create_study
    from optuna.samplers import TPESampler

    storage = None
    if file is not None:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        path = file.with_name(file.name + JOURNAL)
        data = path.read_bytes() if resumed and path.exists() else b""
        files.replace(path, data[: data.rfind(b"\n") + 1])
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_Held()))
    with catch_warnings():
        simplefilter("ignore")  # bounds of a sampler are an experiment of optuna's
        sampler = TPESampler(seed=sweep.plan.seed, constraints_func=lambda trial: trial.user_attrs[BROKEN])
    return create_study(
        directions=["minimize"] * len(sweep.deciding),
        sampler=sampler,
        storage=storage,
        study_name=sweep.plan.model,
        load_if_exists=True,
    )


class _Held:
    """A lock that is held already: nobody else writes, as whoever writes points holds their file."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return


def _suggested(sweep: Sweep, trial: Any) -> dict[str, int]:
    """A place on every axis that has more than one: one of an order for numbers, any for words and whole inputs."""
    found = {}
    for axis in sweep.space.axes:
        count = len(axis.values)
        if all(not isinstance(value, (str, tuple)) for value in axis.values):
            found[axis.name] = trial.suggest_int(axis.name, 0, count - 1)
        else:
            found[axis.name] = trial.suggest_categorical(axis.name, range(count))
    return found


def _number(sweep: Sweep, places: dict[str, int]) -> int:
    """The number of a point from its places."""
    number = 0
    for axis in sweep.space.axes:
        number = number * len(axis.values) + places.get(axis.name, 0)
    return number
