"""What it takes to capture a module beside what fvcore and torchinfo take for the same one, and what a static command
takes on its trace.

    python -m tests.benchmarks.capture [MODEL …]

The modules are the torch networks of specs; `tests.benchmarks.code` does the same for modules of libraries. Each has
processes of its own: one in which the three take turns, the first call apart and then the least of some rounds; and one
a tool for the memory by which the second call raises the most that the process holds.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn
from torchinfo import summary

import archcalc
from archcalc.runtime.capture import Captured
from archcalc.runtime.network import example_inputs, quiet
from archcalc.runtime.trace import Given, made_for_real
from archcalc.tracing import code
from archcalc.tracing.traced import text

from .processes import compare

MODELS = (
    "resnet50", "vgg16", "densenet121", "googlenet", "mobilenetv2", "efficientnet-b0", "vit-b-16", "swin-t",
    "convnext-tiny", "inception-v3",
)  # fmt: skip
TOOLS = ("archcalc", "fvcore", "torchinfo")
ROUNDS = 3
HEAD = ("module", *(f"{tool}, ms (first)" for tool in TOOLS), "÷ quicker", *(f"{tool}, MiB" for tool in TOOLS), "÷ its")


def module_of(name: str) -> tuple[nn.Module, list[Tensor]]:
    """A module with values of its own, and inputs for a batch of one."""
    model = archcalc.load(name)
    if model.graph.code is None:
        return model.torch().eval(), [*example_inputs(model.graph, 1)]
    again = model.graph.code.again
    assert isinstance(again, Captured)
    return again._module().eval(), [made_for_real(one, 1, torch.float32, None) for one in again.inputs.values()]


def calls(name: str) -> dict[str, Callable[[], object]]:
    """Each of the three on a network."""
    module, x = module_of(name)

    def fvcore() -> object:
        analysis = FlopCountAnalysis(module, (*x,)).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return analysis.tracer_warnings("none").total()

    def torchinfo() -> object:
        return summary(module, input_data=x, verbose=0, device="cpu", depth=100)

    return {"archcalc": lambda: archcalc.capture(module, *x).totals, "fvcore": fvcore, "torchinfo": torchinfo}


def fresh(function: Callable[..., Any], *args: Any) -> Any:
    """What a function gives in a process of its own, for which torch need not be imported again."""
    with get_context("fork").Pool(1) as pool, quiet():
        return pool.apply(function, args)


# --- in processes of their own ------------------------------------------------------------------------------------


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def times(name: str) -> dict[str, tuple[float, float]]:
    """The first call of each and the least of some rounds, in milliseconds; of what raises nothing."""
    found = {}
    with quiet(), torch.no_grad():
        every = calls(name)
        for tool, call in every.items():
            try:
                found[tool] = timed(call), float("inf")
            except Exception as error:  # each raises what it likes
                print(f"{tool} on {name}: {type(error).__name__}: {error}"[:200], file=sys.stderr)
        for _ in range(ROUNDS):
            found = {tool: (first, min(least, timed(every[tool]))) for tool, (first, least) in found.items()}
    return found


def held(name: str, tool: str) -> float:
    """By how many MiB a warm call raises the most that the process holds."""
    with quiet(), torch.no_grad():
        call = calls(name)[tool]
        call()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        before = _kib("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the most is what is there now
        call()
        return (_kib("VmHWM") - before) / 1024


def _kib(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


# --- the tables ---------------------------------------------------------------------------------------------------


def table(names: Sequence[str]) -> None:
    """Print a line a model, and the medians. Nothing may have been computed before in this process."""
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    quicker, lighter = [], []
    for name in names:
        took = fresh(times, name)
        size = {tool: fresh(held, name, tool) for tool in took}
        peer = min((tool for tool in took if tool != "archcalc"), key=lambda tool: took[tool][1])
        quicker.append(took["archcalc"][1] / took[peer][1])
        lighter.append(size["archcalc"] / size[peer])
        shown = [f"{took[tool][1]:.0f} ({took[tool][0]:.0f})" if tool in took else "raises" for tool in TOOLS]
        sizes = [f"{size[tool]:.1f}" if tool in size else "raises" for tool in TOOLS]
        cells = [Path(name).name, *shown, f"{quicker[-1]:.2f}", *sizes, f"{lighter[-1]:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"median {median(quicker):.2f} of the quicker's time (at most 1.0), {median(lighter):.2f} of its memory")


def main() -> None:
    """Print the table, and what the static commands take."""
    table(sys.argv[1:] or MODELS)
    with tempfile.TemporaryDirectory() as folder:
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
