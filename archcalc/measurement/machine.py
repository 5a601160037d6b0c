"""What a machine means for the numbers measured on it. No torch is needed."""

from __future__ import annotations

from dataclasses import dataclass

from ..records import NamedTuple
from ..units import binary
from .latency import NOISY, Latency, Machine


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


class MachineFact(NamedTuple):
    """A fact about the machine, and what it means for the numbers; nothing where it means no harm."""

    name: str
    found: str
    means: str = ""


IDLE = 0.25  # of the processors: up to that much load of others is hardly seen
CLOCK_SHARE = 0.02  # of a layer, that its clock may cost
UNKNOWN = "the system does not say"


def findings(there: Examined) -> list[MachineFact]:
    """Everything that decides how fast a network runs here."""
    machine = there.machine
    no_gpu = there.device == "cpu" and there.gpu.startswith("none") and not machine.driver
    rounded = "float32 products are rounded to 10 bits of mantissa there, and faster" if "on" in machine.tf32 else ""
    return [
        MachineFact("system", f"{machine.system}, Python {machine.python}"),
        MachineFact("torch", there.torch),
        MachineFact("device", f"{there.device}: {there.device_name}"),
        MachineFact("GPU", there.gpu, "`--gpu` leaves with exit code 3" if no_gpu else ""),
        *([MachineFact("driver", f"{machine.driver}, CUDA {machine.cuda}")] if machine.driver else []),
        *([MachineFact("TF32", machine.tf32, rounded)] if machine.tf32 else []),
        *([MachineFact("clocks", machine.clocks)] if machine.clocks else []),
        _processors(there),
        _threads(there),
        _governor(machine),
        _load(there),
        MachineFact("memory", UNKNOWN if there.memory is None else f"{' '.join(binary(there.memory))} are free"),
        _malloc(there),
        _clock(there.clock_ms),
        _probe(there.probe),
    ]


def room(there: Examined) -> float:
    """How many processors there are to use."""
    count = there.machine.processors or 1
    return count if there.quota is None else min(count, there.quota)


def _processors(there: Examined) -> MachineFact:
    count, quota = there.machine.processors, there.quota
    if count is None:
        return MachineFact("processors", UNKNOWN)
    shown = f"{count} may be used"
    if quota is None or quota >= count:
        return MachineFact("processors", shown)
    means = f"more than {quota:g} threads are stopped now and then, and runs fall into two groups"
    return MachineFact("processors", f"{shown}, for {quota:g} processors' worth of time", means)


def _threads(there: Examined) -> MachineFact:
    most = room(there)
    means = f"more threads than processors wait for each other: `--threads {max(1, int(most))}`"
    return MachineFact("threads", f"{there.threads} of torch", means if there.threads > most else "")


def _governor(machine: Machine) -> MachineFact:
    if not machine.governor:
        return MachineFact("governor", f"{UNKNOWN}, as in most virtual machines")
    means = "the clock follows the load: short networks run slower than they could, and runs differ"
    return MachineFact("governor", machine.governor, means if machine.governor != "performance" else "")


def _load(there: Examined) -> MachineFact:
    load, most = there.machine.load, room(there)
    if load is None:
        return MachineFact("load", UNKNOWN)
    wait = f"wait, or `--threads {max(1, int(most - load))}`"
    means = f"others run too, and medians move by 10 to 40 % between minutes: {wait}"
    return MachineFact("load", f"{load:.2f} in the last minute", means if load > IDLE * most else "")


def _malloc(there: Examined) -> MachineFact:
    libc = there.machine.libc or "a C library that does not say its name"
    if there.pinnable:
        return MachineFact("malloc", f"{libc}: pinned while measuring")
    means = "freed memory may go back to the system, and large cheap layers then pay for new pages"
    return MachineFact("malloc", f"{libc}: cannot be pinned, only glibc's can", means)


def _clock(cost: float) -> MachineFact:
    means = f"layers below {1e3 * (cost / CLOCK_SHARE):.3g} µs are measured to no better than 2 %"
    return MachineFact("clock", f"{1e6 * cost:.0f} ns a reading", means)


def _probe(found: Latency) -> MachineFact:
    times = f"{found.min:.3g} to {found.p90:.3g} ms in nine of ten"
    shown = f"{found.median:.3g} ms for the same small piece of work, {times}"
    if found.p90 <= (1 + 2 * NOISY) * found.min:
        return MachineFact("probe", shown)
    slower = f"{100 * (found.p90 / found.min - 1):.0f} %"
    means = f"others use it too, and it is up to {slower} slower then: rounds in which they come or go do not count"
    return MachineFact("probe", shown, means)
