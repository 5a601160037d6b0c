"""Whole processes, timed from outside: wall time and the peak memory that the system accounts to them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians over the runs of one command: seconds and MiB."""

    seconds: float
    mebibytes: float


def environment() -> dict[str, str]:
    """As a user has it: compiled modules are kept, the checkout is found."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**env, "PYTHONPATH": str(ROOT)}


def run(arguments: Sequence[str]) -> Timing:
    """One run of `python …`. Raises RuntimeError where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), cwd=ROOT
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        assert process.stderr is not None
        raise RuntimeError(f"{' '.join(arguments)}: {process.stderr.read().decode()[-2000:]}")
    return Timing(seconds, usage.ru_maxrss / 1024)


def compare(commands: dict[str, Sequence[str]], rounds: int) -> dict[str, Timing]:
    """The commands in turn, round by round, so that drift hits all alike; the first round is not counted."""
    runs: dict[str, list[Timing]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, arguments in commands.items():
            timing = run(arguments)
            if number:
                runs[name].append(timing)
    return {
        name: Timing(
            statistics.median(timing.seconds for timing in timings),
            statistics.median(timing.mebibytes for timing in timings),
        )
        for name, timings in runs.items()
    }
