"""What it takes to capture a module beside what fvcore and torchinfo take for the same one, in turn, and what a static
command takes on its trace.

    python -m tests.benchmarks.capture [MODEL …]

The modules are the torch networks of specs. Ratios are to the quicker of the two, all calls warm, the least of some
rounds; the first call of each in this process, which loads what it needs, is shown apart.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from fvcore.nn import FlopCountAnalysis
from torchinfo import summary

import archcalc
from archcalc.runtime.capture import Captured
from archcalc.runtime.network import example_inputs, quiet
from archcalc.runtime.trace import Given
from archcalc.tracing import code
from archcalc.tracing.traced import text

from .processes import compare

MODELS = (
    "resnet50", "vgg16", "densenet121", "googlenet", "mobilenetv2", "efficientnet-b0", "vit-b-16", "swin-t",
    "convnext-tiny", "inception-v3",
)  # fmt: skip
ROUNDS = 3


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def calls(name: str) -> dict[str, Callable[[], object]]:
    """Each of the three on a network."""
    model = archcalc.load(name)
    module = model.torch().eval()
    (x,) = example_inputs(model.graph, 1)

    def fvcore() -> object:
        analysis = FlopCountAnalysis(module, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return analysis.tracer_warnings("none").total()

    def torchinfo() -> object:
        return summary(module, input_data=x, verbose=0, device="cpu", depth=100)

    return {"archcalc": lambda: archcalc.capture(module, x).totals, "fvcore": fvcore, "torchinfo": torchinfo}


def main() -> None:
    """Print a line a model, the medians, and the static commands."""
    ratios = []
    with quiet(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(sys.argv[1:] or MODELS):
            every = calls(name)
            first = {tool: timed(call) for tool, call in every.items()}
            if not number:
                print("the first call:", ", ".join(f"{tool} {took:.2f} s" for tool, took in first.items()))
            least = dict.fromkeys(every, float("inf"))
            for _ in range(ROUNDS):
                for tool, call in every.items():
                    least[tool] = min(least[tool], timed(call))
            ratios.append(least["archcalc"] / min(least["fvcore"], least["torchinfo"]))
            shown = ", ".join(f"{tool} {1000 * took:.0f} ms" for tool, took in least.items())
            print(f"{name}: {shown}: {ratios[-1]:.2f} of the quicker", flush=True)
        print(f"median {median(ratios):.2f} of the quicker (at most 1.0)")
        model = archcalc.load("resnet50")
        traced, _ = Captured(model.torch(device="meta"), {"": Given(model.input)}).trace()
        assert code.graph(traced).nodes
        path = Path(folder, "net.json")
        path.write_text(text(traced), encoding="utf-8")
        commands: dict[str, Sequence[str]] = {
            "T": ["-c", "import torch"],
            "summary": ["-m", "archcalc", "summary", str(path), "--static"],
        }
        commands["check"] = ["-m", "archcalc", "check", str(path.with_suffix(".lock"))]
        archcalc.lock(path, path=path.with_suffix(".lock"))
        timings = compare(commands, 3)
        unit = timings.pop("T").seconds
        print(", ".join(f"{name} of a trace {took.seconds / unit:.3f} T" for name, took in timings.items()))


if __name__ == "__main__":
    main()
