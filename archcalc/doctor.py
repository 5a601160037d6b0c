"""What a machine means for the numbers measured on it, and why other tools count otherwise. No torch is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .analyse import Facts
from .measured import DISTURBED, Latency, Machine
from .ops import Shape, Tokens
from .units import binary, with_separators

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
        "load",
        shown,
        f"others run too, and medians move by 10 to 40 % between minutes: wait, or `--threads {left}`",
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
    if found.p90 <= (1 + 2 * DISTURBED) * found.min:
        return Finding("probe", shown)
    slower = f"{100 * (found.p90 / found.min - 1):.0f} %"
    means = f"others use it too, and it is up to {slower} slower then: rounds in which they come or go do not count"
    return Finding("probe", shown, means)


def _bytes(count: int) -> str:
    return " ".join(binary(count))


# --- other tools --------------------------------------------------------------------------------------------------

# What each tool calls its figure, and the package that installs it.
PEERS: Mapping[str, str] = {
    "torchinfo": "mult-adds",
    "fvcore": "flops, one for a multiply-accumulate",
    "ptflops": "MACs",
    "thop": "MACs",
}


class Reason(NamedTuple):
    """A part of the difference: how much, in the tool's operations, and why."""

    difference: int
    why: str


@dataclass(frozen=True, slots=True)
class Peer:
    """What another tool makes of a network: its figures, and why they are not archcalc's. `failed` says why there
    are none; `missing` that the tool is not installed."""

    tool: str
    version: str = ""
    params: int | None = None
    macs: int | None = None
    reasons: tuple[Reason, ...] = ()
    failed: str = ""
    missing: bool = False


class Counted(NamedTuple):
    """A node as a tool counts it: the op's word, what archcalc says of it, its shapes, and the tool's figure."""

    word: str
    facts: Facts
    x: tuple[Shape, ...]
    y: Shape
    macs: int


def reasons(total: int, counted: Sequence[Counted]) -> tuple[Reason, ...]:
    """What the tool's total is made of beside archcalc's MACs; the reasons add up to the difference."""
    found: dict[str, int] = {}
    for node in counted:
        if node.macs != node.facts.macs:
            why = why_not(node)
            found[why] = found.get(why, 0) + node.macs - node.facts.macs
    rest = total - sum(node.macs for node in counted)
    if rest:
        found["counted in the network otherwise than in its layers one by one"] = rest
    return tuple(Reason(much, why) for why, much in sorted(found.items(), key=lambda item: -abs(item[1])))


def why_not(node: Counted) -> str:
    """Why a tool's figure for a node is not its MACs, as far as the two say."""
    facts, word, macs = node.facts, node.word, node.macs
    if not facts.macs:
        return _no_macs(node)
    positions = facts.macs // facts.weights if facts.weights and facts.macs % facts.weights == 0 else 0
    learned = facts.weights + facts.biases
    if not macs:
        return f"does not know {word}"
    if macs - facts.macs in (facts.numel, positions * facts.biases) and facts.biases:
        return f"adds one for each output of {word}: its bias"
    tokens = node.y[0] if isinstance(node.y, Tokens) else 1
    if tokens > 1 and macs in (facts.weights, learned):
        return f"counts {word} for one token, not for each"
    if word == "attention" and macs in (tokens * facts.weights, tokens * learned):
        biases = ", and adds its biases" if macs == tokens * learned and facts.biases else ""
        return f"does not see the products of queries, keys and values (scaled_dot_product_attention){biases}"
    if word == "deconv" and positions and macs > facts.macs:
        return "applies the kernel of deconv at each output, not at each input"
    more = "more" if macs > facts.macs else "less"
    return f"counts {word} otherwise: {more} than its multiply-accumulates"


def _no_macs(node: Counted) -> str:
    facts, word = node.facts, node.word
    learned = facts.weights + facts.biases + facts.norm_params
    if learned and node.macs == learned:
        return f"counts the parameters of {word}, once each"
    numel, read = facts.numel, _numel(node.x[0])
    if read and read != numel:
        if node.macs % read == 0:
            return f"counts {node.macs // read} for each input of {word}{APART}"
        if node.macs == read + numel:
            return f"counts 1 for each input and output of {word}{APART}"
    if numel and node.macs % numel == 0:
        return f"counts {node.macs // numel} for each output of {word}{APART}"
    return f"counts operations of {word}{APART}"


APART = ": element-wise, and apart from MACs here"


def _numel(shape: Shape) -> int:
    count = 1
    for axis in shape:
        count *= axis
    return count


def difference(peer: Peer, macs: int) -> str:
    """`+12,345 (+0.3 %)`, the tool's figure beside archcalc's."""
    if peer.macs is None:
        return ""
    much = peer.macs - macs
    if not much:
        return "none"
    sign = "+" if much > 0 else "−"
    percent = 100 * abs(much) / macs if macs else 0.0
    share = f" ({sign}{percent:{'.2g' if percent < 10 else ',.0f'}} %)" if macs else ""
    return f"{sign}{with_separators(abs(much))}{share}"
