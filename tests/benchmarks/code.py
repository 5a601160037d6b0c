"""Ten modules of torchvision, timm and transformers: what it takes to capture them beside two other tools, whether the
calls of a run alone give its bits, whether a run that is tracked holds what was counted, and whether the times of all
nodes add up to the whole, of an inference and of a training step of two samples.

    python -m tests.benchmarks.code [--runs N] [--threads N] [MODEL …]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from archcalc.analysis.memory import held_bytes
from archcalc.errors import ArchcalcError
from archcalc.measurement.conditions import Conditions
from archcalc.measurement.latency import Measurement
from archcalc.models import Model, load
from archcalc.runtime.memory import held_peak
from archcalc.runtime.replay import Replay, replayed
from archcalc.runtime.step import Watched
from tests.captured import torchvision

from .capture import table

MODELS = (
    "torchvision:resnet50", "torchvision:vgg16", "torchvision:densenet121", "torchvision:googlenet",
    "torchvision:mobilenet_v2", "torchvision:vit_b_16", "torchvision:swin_t", "timm:convnext_tiny",
    "timm:efficientnet_b0", "transformers:bert.json",
)  # fmt: skip
HEAD = (
    "model", "nodes", "same bits", "peak", "tracked", "flat", "tracked", "ms", "Σ nodes / whole", "ms, training",
    "Σ nodes / whole",
)  # fmt: skip


def tracked(replay: Replay) -> int:
    """The most that a run of the module itself holds, each storage seen from birth to death."""
    there = (*replay.module.parameters(), *replay.module.buffers())
    watched = Watched(there, replay.given.values())
    with torch.inference_mode(), watched:
        replay(*replay.given.values())
    return watched.peak


def timed(model: Model, conditions: Conditions) -> tuple[str, str]:
    """The quickest whole run in ms, and the quickest run by nodes as a share of it; in brackets that of the medians,
    which a machine that does other things spoils."""
    try:
        found: Measurement = model.measure(conditions)
    except ArchcalcError as error:
        return error.message, ""
    whole, by_nodes = min(found.whole_samples), min(found.sums)
    return f"{whole:.1f}", f"{by_nodes / whole:.3f} ({found.reconciliation or 0:.3f})"


def row(name: str, runs: int, threads: int) -> list[str]:
    """What is found of a module."""
    model = load(name)
    own = model.own_run(Conditions())
    replay = replayed(own.graph)
    with torch.inference_mode():
        flat, _ = held_peak(replay, [*replay.given.values()])
    bytes_held = own.report().totals.peak_memory_bytes, tracked(replay), max(held_bytes(own.graph, eager=False)), flat
    same = "no" if replay.differs() else "yes"
    del replay
    times = [*timed(model, Conditions(runs=runs, time_limit=6, threads=threads))]
    times += timed(model, Conditions(2, training=True, runs=runs, time_limit=10, threads=threads))
    return [name, f"{len(own.graph.nodes):,}", same, *(f"{n:,}" for n in bytes_held), *times]


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("models", nargs="*")
    asked = parser.parse_args()
    torchvision()
    with tempfile.TemporaryDirectory() as folder:
        bert = Path(folder, "bert.json")
        bert.write_text('{"model_type": "bert", "num_hidden_layers": 4}', encoding="utf-8")
        names = [name.replace("bert.json", str(bert)) for name in asked.models or MODELS]
        table(names)
        print(f"\n| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
        for name in names:
            found = row(name, asked.runs, asked.threads)
            print(f"| {' | '.join([Path(name).name, *found[1:]])} |", flush=True)


if __name__ == "__main__":
    main()
