"""The same candidates of one family by archcalc and by others: `python -m tests.benchmarks.candidates [TOOL COUNT]`.

Others build each network and count it as their users do: archcalc's torch twin, on `meta` where the tool takes that.
Seconds are of the processor, reading the spec and building in them, imports not. All must find the same parameters.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from archcalc import load
from archcalc.analysis.counts import Totals
from archcalc.candidates import Candidates
from archcalc.language.zoo import select

from .processes import ROOT, environment

TOOLS = ("archcalc", "FlopCounterMode", "torchinfo", "fvcore")
MODEL = "efficientnet-b0"
MANY = 5_000  # of which most pieces were those of another


def settings(count: int) -> Iterator[dict[str, str]]:
    """Widths and depths, in an order in which neighbours differ in both."""
    for number in range(count):
        depth = (13 * number + number // 100) % 100
        yield {"width": f"1.{7 * number % 100:02}", "depth": f"1.{depth:02}"}


def counted(tool: str, count: int) -> int:
    """The parameters of all candidates together, MACs or FLOPs counted, too."""
    if tool == "archcalc":
        candidates = Candidates(select(MODEL))
        every = (candidates.totals(chosen) for chosen in settings(count))
        return sum(found.params for found in every if isinstance(found, Totals))
    import torch

    total = 0
    for chosen in settings(count):
        model = load(MODEL, settings=chosen)
        shape = (1, *model.input)
        if tool == "FlopCounterMode":
            from torch.utils.flop_counter import FlopCounterMode

            twin = model.torch(device="meta").eval()
            with FlopCounterMode(display=False):
                twin(torch.zeros(shape, device="meta"))
        elif tool == "torchinfo":
            from torchinfo import summary

            twin = model.torch(device="meta").eval()
            assert summary(twin, shape, device="meta", verbose=0).total_mult_adds
        else:
            from fvcore.nn import FlopCountAnalysis

            from archcalc.runtime.peers import Plain

            twin = model.torch().eval()
            found = FlopCountAnalysis(Plain(twin), torch.zeros(shape))
            assert found.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
        total += sum(param.numel() for param in twin.parameters())
    return total


def compared(few: int = 100) -> list[str]:
    """Lines of a table: each tool's candidates a second of one processor, and archcalc's where there are many."""
    lines = ["| tool | candidates | a second | parameters of all |", "|---|---|---|---|"]
    for tool, count in (("archcalc", MANY), *((tool, few) for tool in TOOLS)):
        ran = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.candidates", tool, str(count)],
            env=environment(), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        seconds, params = ran.stdout.split()
        lines.append(f"| {tool} | {count:,} | {count / float(seconds):,.1f} | {int(params):,} |")
    return lines


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print("\n".join(compared()))
    else:
        if sys.argv[1] != "archcalc":
            import torch  # whose import is not what is measured

            torch.set_num_threads(1)
        begun = time.process_time()
        params = counted(sys.argv[1], int(sys.argv[2]))
        print(time.process_time() - begun, params)
