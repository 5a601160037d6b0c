"""Training steps of code: what is held at the most against a real step on the CPU, watched by another way, and the MACs
against torch's counter; nothing of it by rules."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.measurement.conditions import Conditions
from archcalc.runtime.bench import Bench, CpuClock
from archcalc.runtime.measure import own_run
from archcalc.runtime.replay import replayed
from tests.test_capture import NET, TRAPS
from tests.test_commands import Run, command

__all__ = ["command"]  # a fixture


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.n = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.b, self.act = nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Any:
        return self.act(self.b(self.act(self.n(self.a(x)))) + x)


class Attends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.made = nn.Linear(64, 192)

    def forward(self, x: Tensor) -> Any:
        q, k, v = self.made(x).unflatten(-1, (3, 2, 32)).permute(2, 0, 3, 1, 4)
        return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


Made = tuple[Callable[[], nn.Module], tuple[Tensor, ...]]
STEPS: dict[str, Made] = {
    "residuals": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), Block(), Block(), nn.Flatten(), nn.Linear(1568, 10)),
                  (torch.randn(2, 3, 16, 16),)),
    "convs": (lambda: nn.Sequential(nn.Conv2d(3, 3, 3), nn.GELU(), nn.Conv2d(3, 4, 1)), (torch.randn(2, 3, 8, 8),)),
    "a tied embedding": (TRAPS["a tied embedding"].make, (torch.zeros(2, 10, dtype=torch.long),)),
    "one layer thrice": (TRAPS["one layer thrice"].make, (torch.randn(3, 64),)),
    "a layer that is not called": (TRAPS["a layer that is not called"].make, (torch.randn(3, 64),)),
    "products of values": (TRAPS["products of values"].make, (torch.randn(2, 20, 64),)),
    "two halves": (TRAPS["two halves"].make, (torch.randn(2, 8, 5, 5),)),
    "attention": (Attends, (torch.randn(2, 50, 64),)),
}  # fmt: skip


def _outputs(found: Any) -> list[Tensor]:
    every = found if isinstance(found, tuple | list) else (found,)
    return [tensor for tensor in every if tensor.requires_grad]


def _step(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    out = _outputs(module.train()(*inputs))
    torch.autograd.backward(out, [torch.ones_like(tensor) for tensor in out])


def held(module: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """The bytes that a real step holds at the most, but for parameters and buffers."""
    live: dict[int, int] = {}
    there = {tensor.untyped_storage()._cdata for tensor in (*module.parameters(), *module.buffers())}
    peak = 0

    def take(found: Any) -> None:
        for tensor in found if isinstance(found, tuple | list) else (found,):
            storage = tensor.untyped_storage() if isinstance(tensor, Tensor) else None
            if storage is not None and storage._cdata not in there and storage._cdata not in live:
                live[storage._cdata] = storage.nbytes()
                weakref.finalize(storage, live.pop, storage._cdata, None)

    class Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(_, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: N805
            nonlocal peak
            out = func(*args, **(kwargs or {}))
            take(out)
            peak = max(peak, sum(live.values()))
            return out

    take(inputs)
    with Mode():  # type: ignore[no-untyped-call]
        _step(module, inputs)
    return peak


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_what_it_is_on_the_cpu(name: str) -> None:
    make, inputs = STEPS[name]
    module = make()
    model = archcalc.capture(module, *inputs)
    found = model.training(len(inputs[0]))
    assert found.peak_bytes - found.param_bytes - found.stat_bytes == held(make(), inputs)
    assert all(parameter.grad is None for parameter in module.parameters())
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):
        _step(module, inputs)
    assert found.macs == counter.get_total_flops() // 2
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert found.gradient_bytes == sum(4 * gradient.numel() for gradient in gradients)


def test_what_is_saved_stands_at_its_node() -> None:
    make, inputs = STEPS["residuals"]
    found = archcalc.capture(make(), *inputs).training(2)
    assert found.saved_by_op() == {"relu": 50176, "batch_norm": 25216, "conv2d": 12544}
    assert found.node is not None
    assert (found.phase, found.node.path) == ("backward", "2.act#2")
    adam = archcalc.capture(make(), *inputs).training(2, optimizer="adam")
    assert adam.optimizer_bytes == 2 * adam.gradient_bytes + 4 * 14


@pytest.mark.parametrize("name", [*STEPS, "dropout", "what autograd does not see"])
def test_a_step_is_timed_by_calls_that_give_the_same_gradients(name: str) -> None:
    """Bit for bit, random numbers too; a module that works without gradients in parts is refused."""
    more: dict[str, Made] = {
        "dropout": (lambda: nn.LSTM(4, 8, 2, dropout=0.5, batch_first=True), (torch.randn(2, 5, 4),)),
        "what autograd does not see": (lambda: nn.utils.spectral_norm(nn.Linear(4, 4)), (torch.randn(2, 4),)),
    }
    make, inputs = (STEPS | more)[name]
    own = own_run(archcalc.capture(make(), *inputs).graph, Conditions(batch=inputs[0].shape[0], training=True))
    assert own.code is not None
    assert (own.code.notes, ", in train()" in own.code.said) == ((), True)
    replay = replayed(own)
    assert replay.differs() == (name == "what autograd does not see")
    if not replay.differs():
        bench = Bench(replay, [*replay.given.values()], CpuClock(), training=True)
        with torch.enable_grad():
            found = bench.layers()
        assert len(found.total) == len(own.nodes)
        assert any(found.backward)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> None:
    (tmp_path / "my_net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    words = ("my_net.py:Net", "--input", "3x16x16", "--train")
    found = command("summary", *words, "--static")
    assert found.code == 0
    assert "backward" in found.out
    assert command("fit", *words, "--memory", "1MiB").code == 0
    found = command("measure", *words, "--batch", "2", "--runs", "6", "--format", "json")
    assert found.code == 0, found.err
    assert '"mode": "training"' in found.out
    command("trace", *words[:3])
    assert "a trace is of an inference" in command("summary", "net.json", "--train", "--static").err
