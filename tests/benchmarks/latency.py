"""`python -m tests.benchmarks.latency`: do the layers add up to the run? Written into `docs/benchmarks.md`.

In every round one run of each kind, so that drift hits all alike: archcalc's whole run, its run by nodes, the plain
torch module, the same with hooks. Runs between two probes of which one says that others used the processor do not
count. Each layer alone and torch.profiler follow. Nobody else should use the machine.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from itertools import compress
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

import archcalc
from archcalc.graph import Graph
from archcalc.measurement.conditions import USUAL
from archcalc.measurement.latency import Latency, median
from archcalc.runtime import machine, modules
from archcalc.runtime.bench import Bench, CpuClock, clock_cost
from archcalc.runtime.measure import SEED, _no_garbage_collection, _prepare
from archcalc.runtime.network import Network
from archcalc.runtime.rounds import quiet_rounds

from .processes import ROOT, run

MODELS = ("vgg16", "resnet50", "densenet121", "mobilenetv2", "efficientnet-b0", "vit-b-16")
THREADS = (1, 2)
WARM_UPS = 5
LEAST_ROUNDS = 12
ALONE = 7  # runs of each layer alone
SHORT = 0.1  # ms: layers below are too short for their spread to say much
PAGE = ROOT / "docs" / "benchmarks.md"
HEADING = "## Latency"


class Row(NamedTuple):
    """One network at one number of threads. Shares are of the median of the plain module, unless said otherwise."""

    model: str
    threads: int
    rounds: int
    whole_ms: float
    of_own: float  # Σ layers ÷ archcalc's own untimed run
    of_plain: float
    clock: float  # of archcalc's own run
    steady: float  # of the layers over 0.1 ms, those with an IQR of at most 10 %
    probe_ms: float  # beside the runs that count: how fast the processor was
    hooks: float
    alone: float
    profiler: float


def plain(network: Network) -> nn.Module:
    """The network as straight-line Python that calls torch modules, as torch.fx writes it."""
    graph, root = fx.Graph(), nn.Module()
    values: dict[int, fx.Node] = {-1 - n: graph.placeholder(f"x{n}") for n in range(len(network.counted.inputs))}
    for at, (node, step) in enumerate(zip(network.counted.nodes, network.program, strict=True)):
        assert isinstance(step.call, nn.Module)
        root.add_module(f"n{at}", step.call)
        values[at] = graph.call_module(f"n{at}", tuple(values[value] for value in node.inputs))
    outputs = tuple(values[value] for value in network.counted.outputs)
    graph.output(outputs if len(outputs) > 1 else outputs[0])
    return fx.GraphModule(root, graph).eval()


FUNCTIONAL = (modules.Add, modules.Concat, modules.Multiply, modules.Reshape, modules.MapToTokens, modules.Take)


def hooked(model: nn.Module, inputs: Sequence[Tensor]) -> float:
    """Σ over the modules as hooks see them, in ms; what others write as functions has no hook."""
    total, starts = 0.0, {}

    def before(module: nn.Module, _x: Any) -> None:
        starts[module] = time.perf_counter_ns()

    def after(module: nn.Module, _x: Any, _y: Any) -> None:
        nonlocal total
        total += (time.perf_counter_ns() - starts[module]) / 1e6

    seen = [child for child in model.children() if not isinstance(child, FUNCTIONAL)]
    handles = [hook for m in seen for hook in (m.register_forward_pre_hook(before), m.register_forward_hook(after))]
    model(*inputs)
    for handle in handles:
        handle.remove()
    return total


def alone(graph: Graph, network: Network, batch: int) -> float:
    """Σ of the medians of every layer run by itself, in ms: its input is still in the cache."""
    total = 0.0
    for node, step in zip(graph.nodes, network.program, strict=True):
        x = [torch.randn((batch, *graph.shape(value))) for value in node.inputs]
        total += median([timed(partial(step.call, *x)) for _ in range(ALONE)][1:])
    return total


def profiled(model: nn.Module, inputs: Sequence[Tensor]) -> float:
    """Σ of what torch.profiler accounts to operators, in ms."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as found:
        model(*inputs)
    return sum(float(event.self_cpu_time_total) for event in found.key_averages()) / 1000


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e6


def measure(model: str, threads: int, seconds: float) -> Row:
    graph = archcalc.load(model).graph.without_heads()
    with machine.pinned_malloc(), machine.threads(threads), torch.inference_mode(), _no_garbage_collection():
        torch.manual_seed(SEED)
        network, inputs = _prepare(graph, USUAL, torch.device("cpu"), None)
        assert isinstance(network, Network)
        bench, eager = Bench(network, inputs, CpuClock()), plain(network)
        kinds: dict[str, Callable[[], Any]] = {
            "whole": bench.whole,
            "layers": lambda: bench.layers().total,
            "plain": lambda: timed(lambda: eager(*inputs)),
            "hooks": lambda: hooked(eager, inputs),
        }
        for _ in range(WARM_UPS):
            for call in kinds.values():
                call()
        every: dict[str, list[Any]] = {name: [] for name in kinds}
        probes: list[float] = []  # the slower of those before and after each run, of all kinds in turn
        after, until = bench.probe(), time.monotonic() + seconds
        while time.monotonic() < until or len(every["whole"]) < LEAST_ROUNDS:
            for name, call in kinds.items():
                before = after
                every[name].append(call())
                after = bench.probe()
                probes.append(max(before, after))
        calm = quiet_rounds(probes)
        found = {name: list(compress(every[name], calm[at :: len(kinds)])) for at, name in enumerate(kinds)}
        single, profiler = alone(graph, network, 1), median([profiled(eager, inputs) for _ in range(3)])
        cost = len(graph.nodes) * clock_cost(CpuClock())
    layers = [Latency.of(row) for row in zip(*found["layers"], strict=True)]
    own, eager_ms, total = median(found["whole"]), median(found["plain"]), sum(layer.median for layer in layers)
    long = [layer for layer in layers if layer.median > SHORT]
    steady = sum(layer.iqr <= 0.1 * layer.median for layer in long) / len(long) if long else 1.0
    probe_ms = median(list(compress(probes, calm)))
    ratios = (median(found["hooks"]) / eager_ms, single / eager_ms, profiler / eager_ms)
    return Row(
        model,
        threads,
        len(found["whole"]),
        own,
        total / own,
        total / eager_ms,
        cost / own,
        steady,
        probe_ms,
        *ratios,
    )


def table(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| network | threads | rounds | whole | Σ ÷ own run | Σ ÷ plain module | clock | IQR ≤ 10 % | probe "
        "| hooks | each alone | profiler |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{row.of_own:.3f}", f"{row.of_plain:.3f}", f"{100 * row.clock:.2f} %", f"{100 * row.steady:.0f} %"]
        cells.append(f"{row.probe_ms:.3f} ms")
        cells += [f"{ratio:.2f}" for ratio in (row.hooks, row.alone, row.profiler)]
        lines.append(f"| {row.model} | {row.threads} | {row.rounds} | {row.whole_ms:.1f} ms | {' | '.join(cells)} |")
    return lines


def section(rows: Sequence[Row], summary_seconds: float) -> str:
    about = f"Python {platform.python_version()}, torch {torch.__version__}, {date.today():%Y-%m-%d}"
    load = machine.load()
    about += f", {machine.device_name(torch.device('cpu'))}, {machine.processors()} processors"
    about += "" if load is None else f", load {load:.1f} at the end"
    return "\n".join(
        [
            HEADING,
            "Written by `make latency`. Batch 1, float32, malloc pinned. Wanted: Σ of the layers' medians within 3 %",
            "of archcalc's own untimed run and within 5 % of the plain torch module, the clock at most 2 %, an IQR of",
            "at most 10 % for 90 % of the layers over 0.1 ms. The last three columns are what other ways make of the",
            "plain module: hooks on its modules (merges and reshapes are functions elsewhere, and have none), each",
            "layer alone, and the operators' own time in torch.profiler. Runs beside which a probe says that others",
            "used the processor are left out, as in `archcalc measure`; `probe` is what it took beside the rest: where",
            "it is longer, the processor was slower all the time, whatever ran on it.",
            "",
            f"{about}.",
            "",
            *table(rows),
            "",
            f"`archcalc summary resnet50`, the whole process: {summary_seconds:.1f} s (wanted: under 15 s).",
            "",
        ]
    )


def kept(page: str) -> str:
    """The section as it stands in the page; nothing where it is not there."""
    start = page.find(HEADING)
    return page[start:] if start >= 0 else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--threads", default=",".join(map(str, THREADS)))
    parser.add_argument("--seconds", type=float, default=20.0, help="of rounds for each row")
    parser.add_argument("--times", type=int, default=2, help="how often everything is measured")
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    rows = []
    for _ in range(chosen.times):
        for model in chosen.models.split(","):
            for threads in map(int, chosen.threads.split(",")):
                rows.append(measure(model, threads, chosen.seconds))
                print("\n".join(table(rows[-1:])[2:]), flush=True)
    rows.sort(key=lambda row: (chosen.models.split(",").index(row.model), row.threads))
    found = section(rows, run(["-m", "archcalc", "summary", "resnet50"]).seconds)
    print(found)
    if not chosen.dry:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(page.removesuffix(kept(page)).rstrip("\n") + "\n\n" + found, encoding="utf-8")


if __name__ == "__main__":
    main()
