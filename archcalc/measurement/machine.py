"""What a machine means for the numbers measured on it. No torch is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..units import binary
from .latency import NOISY, Latency, Machine

# --- the machine --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found. `quota` are the processors' worth of time that a container gets, None without a limit;
    `clock_ms` is what a reading of the clock costs, `probe` what the same small piece of work took for a second; `gpu`
    names the GPU that torch can use, or says why none."""

    machine: Machine
    device: str
    device_name: str
    torch: str
    threads: int
    quota: float | None
    memory: int | None
    pinnable: bool
    clock_ms: float
    probe: Latency
    gpu: str


class Finding(NamedTuple):
    """A fact about the machine, and what it means for the numbers; nothing where it means no harm."""

    name: str
    found: str
    means: str = ""


IDLE = 0.25  # of the processors: up to that much load of others is hardly seen
CLOCK_SHARE = 0.02  # of a layer, that its clock may cost


def findings(there: Examined) -> list[Finding]:
    """Everything that decides how fast a network runs here."""
    machine = there.machine
    return [
        Finding("system", f"{machine.system}, Python {machine.python}"),
        Finding("torch", there.torch),
        Finding("device", f"{there.device}: {there.device_name}"),
        Finding("GPU", there.gpu, "" if machine.driver else _gpu(there)),
        *([Finding("driver", f"{machine.driver}, CUDA {machine.cuda}")] if machine.driver else []),
        *([Finding("TF32", machine.tf32, _tf32(machine))] if machine.tf32 else []),
        *([Finding("clocks", machine.clocks)] if machine.clocks else []),
        _processors(there),
        _threads(there),
        _governor(machine),
        _load(there),
        Finding("memory", "the system does not say" if there.memory is None else f"{_bytes(there.memory)} are free"),
        _malloc(there),
        Finding("clock", *_clock(there.clock_ms)),
        _probe(there.probe),
    ]


def _gpu(there: Examined) -> str:
    return "`--gpu` leaves with exit code 3" if there.device == "cpu" and there.gpu.startswith("none") else ""


def _tf32(machine: Machine) -> str:
    return "float32 products are rounded to 10 bits of mantissa there, and faster" if "on" in machine.tf32 else ""


def room(there: Examined) -> float:
    """How many processors there are to use."""
    count = there.machine.processors or 1
    return count if there.quota is None else min(count, there.quota)


def _processors(there: Examined) -> Finding:
    count = there.machine.processors
    if count is None:
        return Finding("processors", "the system does not say")
    shown = f"{count} may be used"
    if there.quota is None or there.quota >= count:
        return Finding("processors", shown)
    return Finding(
        "processors",
        f"{shown}, for {there.quota:g} processors' worth of time",
        f"more than {there.quota:g} threads are stopped now and then, and runs fall into two groups",
    )


def _threads(there: Examined) -> Finding:
    most = room(there)
    means = ""
    if there.threads > most:
        means = f"more threads than processors wait for each other: `--threads {max(1, int(most))}`"
    return Finding("threads", f"{there.threads} of torch", means)


def _governor(machine: Machine) -> Finding:
    if not machine.governor:
        return Finding("governor", "the system does not say, as in most virtual machines")
    if machine.governor == "performance":
        return Finding("governor", machine.governor)
    return Finding(
        "governor",
        machine.governor,
        "the clock follows the load: short networks run slower than they could, and runs differ",
    )


def _load(there: Examined) -> Finding:
    load = there.machine.load
    if load is None:
        return Finding("load", "the system does not say")
    shown = f"{load:.2f} in the last minute"
    if load <= IDLE * room(there):
        return Finding("load", shown)
    left = max(1, int(room(there) - load))
    return Finding(
        "load", shown, f"others run too, and medians move by 10 to 40 % between minutes: wait, or `--threads {left}`"
    )


def _malloc(there: Examined) -> Finding:
    libc = there.machine.libc or "a C library that does not say its name"
    if there.pinnable:
        return Finding("malloc", f"{libc}: pinned while measuring")
    return Finding(
        "malloc",
        f"{libc}: cannot be pinned, only glibc's can",
        "freed memory may go back to the system, and large cheap layers then pay for new pages",
    )


def _clock(cost: float) -> tuple[str, str]:
    least = cost / CLOCK_SHARE
    return f"{1e6 * cost:.0f} ns a reading", f"layers below {1e3 * least:.3g} µs are measured to no better than 2 %"


def _probe(found: Latency) -> Finding:
    times = f"{found.min:.3g} to {found.p90:.3g} ms in nine of ten"
    shown = f"{found.median:.3g} ms for the same small piece of work, {times}"
    if found.p90 <= (1 + 2 * NOISY) * found.min:
        return Finding("probe", shown)
    slower = f"{100 * (found.p90 / found.min - 1):.0f} %"
    means = f"others use it too, and it is up to {slower} slower then: rounds in which they come or go do not count"
    return Finding("probe", shown, means)


def _bytes(count: int) -> str:
    return " ".join(binary(count))
