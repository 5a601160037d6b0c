"""Whole processes, timed from outside: wall time and the peak memory that the system accounts to them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
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


# The system counts a new process's memory from its parent's: a lean one in between keeps the benchmark's own out of it.
LAUNCHER = """
import os, sys, time
start = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - start, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(arguments: Sequence[str]) -> Timing:
    """One run of `python …`. Raises RuntimeError where it fails."""
    command = [sys.executable, "-S", "-E", "-c", LAUNCHER, sys.executable, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=ROOT, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {ran.stderr[-2000:]}")
    seconds, kibibytes = ran.stdout.split()
    return Timing(float(seconds), int(kibibytes) / 1024)


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
