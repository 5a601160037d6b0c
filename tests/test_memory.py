"""Memory of the whole zoo: the computed peaks are those of the torch networks, to the byte, but for what is named."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from archcalc import models as api
from archcalc.analysis.counts import analyse
from archcalc.analysis.training import train
from archcalc.graph import Graph
from archcalc.language.expand import expand_model
from archcalc.language.zoo import select
from archcalc.measurement.conditions import Conditions
from archcalc.measurement.latency import Memory
from archcalc.runtime.measure import measure
from archcalc.runtime.memory import allocated_peak, held_by_callers, held_peak, measure_memory, requested_peak
from archcalc.runtime.network import build, example_inputs
from tests.graphs import TEXT, Build, call, chain
from tests.steps import Norms, step
from tests.test_training import groups_of
from tests.tiers import covering_models, first_models, tiered

BATCH = 2
# Of each family the first model, as the whole zoo takes minutes; and the exceptions, found by running all.
FIRST = list(first_models().values())

# Whose training step is not met to the byte: of the peak by how much at most, and why. `docs/memory.md` says it at
# length.
LAYOUT = "a weight gradient of another layout is copied"
STEPS = "small gradients come and go step by step"
NOTHING = "nothing is trained, and so nothing runs backward"
UNKNOWN = "found by running it; why is not known yet"
INSIDE = "the gradients inside an attention do not come and go as they are counted"
EXPERTS = "what experts make inside their backward pass is not counted whole"
EXCEPTIONS: dict[str, tuple[float, str]] = {
    "convnext-tiny": (0.002, LAYOUT),
    "convnext-small": (0.002, LAYOUT),
    "convnext-base": (0.002, LAYOUT),
    "pvt-v2-b2": (0.006, LAYOUT),
    "coatnet-0": (0.006, INSIDE),
    "detr-resnet50": (0.0003, INSIDE),
    "sam-b-encoder": (0.007, INSIDE),
    "mixtral-8x7b": (0.01, INSIDE),
    "moe-translation-32": (0.02, EXPERTS),
    "mamba-130m": (0.0001, UNKNOWN),
    "unet3d": (0.034, UNKNOWN),
    "lstm-ptb-large": (0.03, STEPS),
    "lstm-speech": (0.003, STEPS),
    "graves-lm-char": (0.001, STEPS),
    "jordan-network": (0.03, STEPS),
    "maxout-cifar10": (0.035, UNKNOWN),
    "pool-2x2": (0.3, NOTHING),
}
SHORT = 160  # nodes: of those with attention, longer ones repeat what they hold and are run once
COPIES = ["self-attention", "head-projection", "output-projection", "swinv2-t"]  # `linear` of views
CHOSEN = list(dict.fromkeys([*FIRST, *EXCEPTIONS, *COPIES]))
EACH_TIME = {*covering_models(), *COPIES, "convnext-tiny", "lstm-speech"}


ROUTED = ("mixtral-8x7b", "moe-translation-32")  # which experts a token goes to is known where numbers are: made small
SMALL = {
    "llama-7b": {"layers": 4},
    "moe-translation-32": {"V": 50, "n": 32, "m": 48},
    "mixtral-8x7b": {
        "tokens": 16,
        "dim": 32,
        "n_layers": 2,
        "hidden_dim": 64,
        "n_heads": 4,
        "n_kv_heads": 2,
        "vocab_size": 50,
    },
}


def graph_of(model: str) -> Graph:
    selection = select(model)
    return expand_model(selection, settings=SMALL.get(model)).without_heads()


def device_of(graph: Graph) -> str:
    """A CPU has a fused attention, which is what is computed; `meta` has none."""
    return "fake" if any(node.op.word == "attention" for node in graph.nodes) else "meta"


@pytest.mark.parametrize("model", tiered(CHOSEN, EACH_TIME.__contains__))
def test_model(model: str) -> None:
    graph = graph_of(model)
    report = analyse(graph, BATCH)
    device = "cpu" if model in ROUTED else device_of(graph)
    mine, theirs = train(report), step(graph, BATCH, device)
    within, why = EXCEPTIONS.get(model, (0, ""))
    assert report.totals.peak_memory_bytes == theirs.inference_peak
    assert mine.saved_bytes == theirs.saved
    assert (mine.peak_bytes == theirs.peak) == (not why)
    assert mine.peak_bytes == pytest.approx(theirs.peak, rel=within)
    if device == "fake" and len(graph.nodes) > SHORT:
        return
    counted = theirs if device == "meta" else step(graph, BATCH)  # a fused attention counts its scores again
    assert sum(mine.backward_macs) + groups_of(graph) == counted.backward_macs


def test_exceptions_are_explained() -> None:
    page = (Path(__file__).parents[1] / "docs" / "memory.md").read_text(encoding="utf-8")
    assert EXCEPTIONS.keys() <= set(api.models())
    assert [model for model in EXCEPTIONS if f"`{model}`" not in page] == []


NORMS: dict[str, Callable[[], nn.Module]] = {
    "batch norm": lambda: nn.BatchNorm2d(3),
    "batch norm without scale": lambda: nn.BatchNorm2d(3, affine=False),
    "layer norm": lambda: nn.LayerNorm([4, 5]),
    "layer norm without scale": lambda: nn.LayerNorm(5, elementwise_affine=False),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NORMS)
def test_norms_on_meta_give_what_a_cpu_gives(name: str, training: bool) -> None:
    """What is made in their place, so that a step takes a quarter of the time."""
    found = []
    for device in ("cpu", "meta"):
        module = NORMS[name]().to(device).train(training)
        made: list[object] = []

        class Made(TorchDispatchMode):  # type: ignore[no-untyped-call]
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                result = func(*args, **(kwargs or {}))
                if "norm" in str(func):
                    made.extend(y if y is None else (str(func), y.shape, y.stride()) for y in result)  # noqa: B023
                return result

        with Norms() if device == "meta" else nullcontext(), Made():  # type: ignore[no-untyped-call]
            y = module(torch.zeros(2, 3, 5, 4, device=device, requires_grad=True).mT)
            y.backward(torch.ones_like(y))
        found.append(made)
    assert found[0] == found[1] != []


def test_efficientnet_on_a_cpu() -> None:
    """What is tracked on `meta` is what is tracked on a CPU that computes."""
    selection = select("efficientnet-b0")
    graph = expand_model(selection, input=(3, 64, 64))
    assert train(analyse(graph, BATCH)).peak_bytes == step(graph, BATCH, "cpu").peak


# --- measured -----------------------------------------------------------------------------------------------------


def block() -> Graph:
    """A convolution, and a block of two whose caller holds what it begins with."""
    b = Build((3, 8, 8))
    y = b("conv", -1, out=16, kernel=3)
    b.builder.open(y, TEXT, "block")
    y = b("conv", b("conv", y, out=4, kernel=1), out=8, kernel=3)
    b.builder.close(y)
    return b.finish(y)


def measured(graph: Graph, batch: int = 1) -> Memory:
    with torch.inference_mode():
        return measure_memory(build(graph).eval(), example_inputs(graph, batch))


@pytest.mark.parametrize("batch", [1, 3])
def test_measured_is_computed(batch: int) -> None:
    graph = block()
    found = measured(graph, batch)
    computed = analyse(graph, batch).totals.peak_memory_bytes
    assert found.peak_memory_bytes == computed == batch * 4 * (3 + 16 + 4) * 64
    assert found.peak_memory_at == "block/conv.1"
    assert found.eager_memory_bytes == batch * 4 * (3 + 16 + 4 + 8) * 64  # the block's input is there to its end
    assert found.requested_bytes is None
    assert found.workspace_bytes is not None
    assert found.workspace_bytes >= 0


def test_held_by_callers_frees_everything() -> None:
    network = build(block(), "meta")
    freed = [
        sorted(slot for step in program for slot in step.free)
        for program in (network.program, held_by_callers(network))
    ]
    assert freed[0] == freed[1]


def test_allocations_are_those_of_tensors() -> None:
    """1,000 and then 500 floats beside them, the first gone before another 100 come."""

    def allocate() -> None:
        x = torch.empty(1000)
        y = torch.empty(500)
        del x
        torch.empty(100)
        del y

    assert allocated_peak(allocate) == 6000


def test_without_the_old_profiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C._autograd, "_enable_profiler_legacy")
    assert allocated_peak(lambda: None) is None
    assert measured(block()).workspace_bytes is None


def test_a_measurement_has_it_unless_it_is_of_training() -> None:
    graph = block()
    assert measure(graph, Conditions(runs=1, time_limit=0)).memory == measured(graph)
    assert measure(graph, Conditions(runs=1, time_limit=0, training=True)).memory is None


def test_what_is_inside_an_op_is_workspace() -> None:
    """The indices of a max pool, 8 bytes each; nothing else is made beside values."""
    found = measured(chain((4, 8, 8), call("maxpool", kernel=2)))
    assert found.peak_memory_bytes == 4 * (4 * 64 + 4 * 16)
    assert found.workspace_bytes == 8 * 4 * 16


class FakeCuda:
    """A GPU's allocator: what is there, the most there was, and what was done in which order."""

    def __init__(self) -> None:
        self.current = self.peak = 700
        self.calls: list[str] = []

    def allocate(self, size: int) -> None:
        self.calls.append("run")
        self.current += size
        self.peak = max(self.peak, self.current)

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def reset_peak_memory_stats(self) -> None:
        self.calls.append("reset")
        self.peak = self.current

    def memory_stats(self) -> dict[str, Any]:
        return {"requested_bytes.all.current": self.current, "requested_bytes.all.peak": self.peak}


def test_requested_on_a_gpu() -> None:
    """A fake GPU, as there is none here: what was there before, and an earlier peak, are no part of it."""
    cuda = FakeCuda()
    cuda.allocate(10_000)
    cuda.allocate(-10_000)
    cuda.calls.clear()

    def run() -> None:
        cuda.allocate(500)
        cuda.allocate(300)
        cuda.allocate(-800)

    assert requested_peak(run, cuda) == 800
    assert cuda.calls == ["synchronize", "reset", "run", "run", "run", "synchronize"]


def test_views_are_held_once() -> None:
    network = build(chain((4, 6, 6), call("split", parts=2), call("flatten"), call("linear", out=3)))
    x = torch.zeros(1, 4, 6, 6)
    with torch.no_grad():
        peak, at = held_peak(network, [x])
    assert peak == analyse(network.counted).totals.peak_memory_bytes
    assert at
