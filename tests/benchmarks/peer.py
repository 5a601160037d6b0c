"""One other tool on one network: `python -m tests.benchmarks.peer TOOL MODEL`.

The network is archcalc's torch twin, as torchvision is not needed here; building it costs a tenth of importing torch.
"""

from __future__ import annotations

import sys

import torch

import archcalc
from archcalc.runtime.peers import Plain


def main(tool: str, model: str) -> None:
    """Count `model` with `tool` as its users do: a forward pass on the CPU, or on `meta` for the counter of torch."""
    loaded = archcalc.load(model)
    shape = (1, *loaded.input)
    if tool == "torchinfo":
        from torchinfo import summary

        print(summary(loaded.torch(), shape, verbose=0))
    elif tool == "fvcore":
        from fvcore.nn import FlopCountAnalysis, flop_count_table

        plain = Plain(loaded.torch()).eval()
        print(flop_count_table(FlopCountAnalysis(plain, torch.zeros(shape)), max_depth=10))
    else:
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode() as counter:
            loaded.torch(device="meta").eval()(torch.zeros(shape, device="meta"))
        print(counter.get_total_flops())


if __name__ == "__main__":
    main(*sys.argv[1:])
