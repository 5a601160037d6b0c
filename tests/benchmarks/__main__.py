"""`make bench`: start-up, counting speed and the peers, as ratios of one run, written to `docs/benchmarks.md`."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
import tracemalloc
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from archcalc import load
from archcalc.analysis.counts import analyse
from archcalc.language.expand import expand
from archcalc.language.zoo import select, selections, spec_files
from archcalc.tasks.list import list_models

from .candidates import compared
from .latency import kept
from .pieces import DRAWN, closed_forms, rates
from .processes import ROOT, Timing, compare, run

PEERS = ("torchinfo", "fvcore", "FlopCounterMode")
MODELS = ("vgg16", "resnet50", "densenet201", "efficientnet-b0")
CHAIN = """\
input: 16 × 32 × 32
given: {n: 4800}
layers:
  - unit x(n)
blocks:
  unit:
    add:
      - identity
      - conv(16, 3) bn relu
"""
PAGE = ROOT / "docs" / "benchmarks.md"
CANDIDATES = (
    "A hundred widths and depths of `efficientnet-b0`, each built and counted, in seconds of one processor, imports",
    "left out. Wanted: a thousand a second. The others count archcalc's torch twin, on `meta` where they take that.",
)
ZOO = ROOT / "tests" / "zoo.lock"
NODES = 67_454  # of the 328 models for which the budgets of the whole zoo were set; they grow as it does


LARGE = "nasnet-a-cifar"  # many small nodes, each written


def summary(model: str) -> list[str]:
    return ["-m", "archcalc", "summary", model, "--static", "--format", "json"]


def start_up() -> list[str]:
    """Static commands against T = `python -c "import torch"`, in one run."""
    names = [entry.name for entry in list_models().models]
    asked = ["--version", "list", "paper --all"]
    asked += [f"summary {model} --static --format json" for model in (*MODELS, LARGE)]
    asked += [f"summary {model} --static" for model in ("vgg16", LARGE)]
    commands = {f"archcalc {each}": ["-m", "archcalc", *each.split()] for each in asked}
    timings = compare({"T": ["-c", "import torch"], **commands}, 5)
    unit = timings.pop("T")
    lines = ["| command | time | peak memory |", "|---|---|---|"]
    lines.append(f'| `python -c "import torch"` (T) | 1 T | {unit.mebibytes:.0f} MiB |')
    lines += [f"| `{name}` | {t.seconds / unit.seconds:.3f} T | {t.mebibytes:.0f} MiB |" for name, t in timings.items()]
    every = {name: best(["-m", "archcalc", "summary", name, "--static"]) for name in names}
    slowest = max(every, key=lambda name: every[name].seconds)
    largest = max(every, key=lambda name: every[name].mebibytes)
    lines.append(
        f"| `summary --static`, the slowest of all {len(every)} models (best of two), `{slowest}` "
        f"| {every[slowest].seconds / unit.seconds:.3f} T | {every[slowest].mebibytes:.0f} MiB |"
    )
    lines.append(f"| the largest of all, `{largest}` | | {every[largest].mebibytes:.0f} MiB |")
    small, large = (timings[f"archcalc summary {name} --static --format json"].seconds for name in ("vgg16", LARGE))
    nodes = len(load(LARGE).graph.nodes) - len(load("vgg16").graph.nodes)
    lines += ["", f"JSON takes {1e6 * (large - small) / nodes:.0f} µs a node above VGG-16's (`{LARGE}`)."]
    return lines


def best(arguments: list[str]) -> Timing:
    return min((run(arguments) for _ in range(2)), key=lambda timing: timing.seconds)


def in_process() -> list[str]:
    """`load` with other settings and `totals`, in a process that has read the spec: microseconds a node."""
    lines = ["| network | nodes | `load(…)` and `totals` |", "|---|---|---|"]
    for name in ("resnet1001-preact-cifar", "densenet201", LARGE, "vgg16"):
        fastest, nodes = float("inf"), 0
        for number in range(8):
            channels, *size = load(name).graph.inputs[0][1]
            start = time.perf_counter()
            model = load(name, input=(channels, *(axis + 32 * (number % 3 + 1) for axis in size)))
            assert model.totals.params
            fastest, nodes = min(fastest, time.perf_counter() - start), len(model.graph.nodes)
        lines.append(f"| {name} | {nodes:,} | {1e6 * fastest / nodes:.1f} µs a node |")
    return lines


def counting(folder: Path) -> list[str]:
    """From spec text to all counts: microseconds a node, and how it grows with depth."""
    path = folder / "chain.yaml"
    path.write_text(CHAIN, encoding="utf-8")
    unit = run(["-c", "import torch"]).seconds
    lines = ["| chain of | nodes | time | a node | memory |", "|---|---|---|---|---|"]
    for depth in (1200, 2400, 4800, 9600):
        best, nodes = float("inf"), 0
        for _ in range(3):
            start = time.perf_counter()
            nodes = count(path, depth)
            best = min(best, time.perf_counter() - start)
        tracemalloc.start()
        count(path, depth)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        lines.append(
            f"| {depth:,} × `add: [identity, conv bn relu]` | {nodes:,} | {best / unit:.2f} T "
            f"| {1e6 * best / nodes:.1f} µs | {peak / 2**20:.1f} MiB |"
        )
    whole = run(summary(str(path)))
    share = f"{whole.seconds / unit:.2f} T | | {whole.mebibytes:.0f} MiB"
    lines.append(f"| 4,800, whole `summary --static --format json` | 19,200 | {share} |")
    return lines


def count(path: Path, depth: int) -> int:
    chosen = select(str(path))
    graph = expand(chosen.family, chosen.variant, settings={"n": depth})
    return len(analyse(graph).layers)


def gate(folder: Path) -> list[str]:
    """The zoo against its lock, by rows and node by node, and 200 specs with a model each; whole processes."""
    archcalc = ["-m", "archcalc"]
    specs = spec_files()
    nodes, own = folder / "nodes.lock", folder / "own.lock"
    run([*archcalc, "lock", *(entry.name for entry in list_models().models), "-o", str(nodes)])
    firsts = []
    for number in range(200):
        source = specs[number % len(specs)]
        (folder / str(number)).mkdir()
        copy = shutil.copy(source, folder / str(number))
        _, (first, *others) = selections(source)
        name = first.entry.name if first.entry is not None else first.variant.name
        firsts.append(f"{copy}:{name}" if others else str(copy))
    run([*archcalc, "lock", *firsts, "-o", str(own)])
    commands: dict[str, Sequence[str]] = {"T": ["-c", "import torch"]}
    for what, lock in (("zoo, by rows", str(ZOO)), ("zoo, node by node", str(nodes)), ("200 specs", str(own))):
        commands[f"`archcalc check`, {what}"] = [*archcalc, "check", lock]
    timings = compare(commands, 5)
    unit = timings.pop("T").seconds
    lines = ["| command | time | peak memory of the main process |", "|---|---|---|"]
    return lines + [f"| {name} | {t.seconds / unit:.2f} T | {t.mebibytes:.0f} MiB |" for name, t in timings.items()]


def peers() -> list[str]:
    """archcalc beside other tools on the same networks, whole processes."""
    commands = {("T", ""): ["-c", "import torch"]}
    for model in MODELS:
        commands["archcalc", model] = summary(model)
        for tool in PEERS:
            commands[tool, model] = ["-m", "tests.benchmarks.peer", tool, model]
    timings = compare({" ".join(key): value for key, value in commands.items()}, 3)
    unit = timings["T "].seconds
    lines = ["| network | archcalc | " + " | ".join(PEERS) + " |", "|---|---|" + "---|" * len(PEERS)]
    for model in MODELS:
        cells = [timings[f"{tool} {model}"] for tool in ("archcalc", *PEERS)]
        shown = " | ".join(f"{cell.seconds / unit:.2f} T, {cell.mebibytes:.0f} MiB" for cell in cells)
        lines.append(f"| {model} | {shown} |")
    return lines


def grown() -> float:
    """How many times as many nodes the zoo has as when its budgets were set."""
    return sum(map(int, re.findall(r"^  nodes (\d+)", ZOO.read_text(encoding="utf-8"), re.M))) / NODES


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        parts = [
            "# Benchmarks",
            "",
            'Written by `make bench`. T is the time of `python -c "import torch"` in the same run: on another machine',
            "the seconds differ, the ratios hardly. Times are medians of whole processes run in turn.",
            "",
            f"Python {platform.python_version()}, {platform.machine()}, {date.today():%Y-%m-%d}.",
            "",
            "## Start-up",
            "Wanted: `summary --static` at most 0.15 T and 45 MiB for every model; as JSON 0.10 T and 25 MiB on VGG-16",
            f"and 60 µs a node above it; `--version` 0.06 T, `paper --all` 1 T, `list` {0.7 * grown():.2f} T (0.7 T",
            f"at the {NODES:,} nodes of the first 328 models).",
            "",
            *start_up(),
            "",
            "## In a process",
            "Wanted: at most 12 µs a node.",
            "",
            *in_process(),
            "",
            "## Candidates of a sweep",
            "Totals a second on one core: built afresh with `load`, drawn at random from a space, and the same again.",
            f"{DRAWN:,} candidates each. Wanted: 1,000/s of EfficientNet, 2,000/s of RegNet.",
            "",
            *rates(),
            *closed_forms(),
            "",
            "## From spec text to all counts",
            "Wanted: at most 40 µs a node; the chain of 4,800 at most 1 T and 100 MiB; twice the depth at most",
            "2.3 × the time and 2.2 × the memory.",
            "",
            *counting(Path(folder)),
            "",
            "## The gate",
            f"Wanted: the zoo against its lock at most {0.9 * grown():.2f} T (0.9 T at {NODES:,} nodes), 200 specs",
            f"at most 2 T. On {os.cpu_count()} cores.",
            "",
            *gate(Path(folder)),
            "",
            "## Beside other tools",
            "Whole processes on the same networks (archcalc's torch twins; building them costs the others 0.1 T).",
            "",
            *peers(),
        ]
    parts += ["", "## Candidates beside other tools", *CANDIDATES, "", *compared()]
    latency = kept(PAGE.read_text(encoding="utf-8"))  # it is measured apart, on a machine that does nothing else
    PAGE.write_text("\n".join(parts) + "\n" + (f"\n{latency}" if latency else ""), encoding="utf-8")
    print("\n".join(parts))


if __name__ == "__main__":
    main()
