"""Modules as they run on a device: their calls alone give what they give, to the last bit; what is timed adds up; what
`verify` holds is what torch says; and a planted fault of each kind is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archcalc
from archcalc.analysis.counts import analyse
from archcalc.graph import Graph
from archcalc.measurement.conditions import Conditions
from archcalc.measurement.runs import read
from archcalc.runtime import replay, verify
from archcalc.runtime.measure import measure_in_turn, own_run
from archcalc.runtime.memory import held_by_callers, held_peak
from tests.test_capture import NET, TRAPS, Half, _flat
from tests.test_commands import Run, command

__all__ = ["command"]  # a fixture


class Several(nn.Module):
    """Lists, values of which one part is read, constants, literals, writes into views, and a parameter given out."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.plain = torch.arange(4.0)
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor, ids: Tensor) -> Any:
        top = x.flatten(2).max(-1)
        rows = torch.stack([x[:, [0, 2]], x[:, [1, 3]]], 1).sum(1)
        left, right = self.conv(x).chunk(2, 1)
        y = torch.cat([left, right, rows], 1)
        y[:, 0] = 1.5
        y[:, 1:3].mul_(torch.tensor([2.0, 3.0])[:, None, None])
        z = F.one_hot(ids, 4).to(x.dtype) * self.plain
        return {"y": y, "top": top.values, "z": [z @ torch.diag(self.scale)], "scale": self.scale}


class Numbers(nn.Module):
    """A value that decides what runs, and noise."""

    def forward(self, x: Tensor) -> Any:
        return F.dropout(x * 2 if x.sum().item() > -1e9 else x, 0.5)


MADE: dict[str, tuple[Callable[[], nn.Module], tuple[Tensor, ...]]] = {
    name: (trap.make, tuple(torch.zeros(t.shape) if t.is_meta else t for t in trap.inputs))
    for name, trap in TRAPS.items()
    if name not in ("a device that is not there", "products of values", "a transposed conv")
}
MADE["several"] = Several, (torch.randn(2, 4, 5, 5), torch.tensor([3, 1]))
MADE["half"] = Half, (torch.randn(2, 3, 6, 6),)
MADE["a GRU"] = lambda: nn.GRU(8, 8, bidirectional=True, batch_first=True), (torch.randn(2, 5, 8),)
MADE["attention"] = lambda: nn.MultiheadAttention(8, 2, batch_first=True), (torch.randn(1, 5, 8),) * 3


# Constants that only the code holds, for which the steps have copies of their own.
OUTSIDE = ("several",)


def _own(name: str) -> tuple[Graph, Graph]:
    make, inputs = MADE[name]
    graph = archcalc.capture(make().eval(), *inputs).graph
    assert graph.code is not None
    return graph, own_run(graph, Conditions(graph.code.batch, graph.code.dtype))


@pytest.mark.parametrize("name", MADE)
def test_the_calls_alone_give_the_same_bits_and_hold_the_same_memory(name: str) -> None:
    graph, own = _own(name)
    assert own.code is not None
    found = replay.replayed(own)
    assert not found.differs()
    with torch.inference_mode():
        eager, _ = held_peak(found, [*found.given.values()], held_by_callers(found))
        flat, _ = held_peak(found, [*found.given.values()])
    totals = analyse(own, own.code.batch, own.code.dtype).totals
    if name != "packed texts":  # its steps keep all values of an operator as long as one of them
        assert eager == totals.peak_memory_bytes or (name in OUTSIDE and eager < totals.peak_memory_bytes)
    assert flat <= _flat(own)
    differences, _ = verify._of_code(graph, own)
    assert differences == []


def _nudged(found: replay.Replay, at: int) -> None:
    step = found.program[at]
    changed = step._replace(call=lambda *x: step.call(*x) * (1 + 2**-20))
    found.program = (*found.program[:at], changed, *found.program[at + 1 :])


def test_one_bit_is_seen() -> None:
    _, own = _own("half")
    found = replay.replayed(own)
    _nudged(found, 0)
    assert found.differs()


def test_values_and_noise_are_replayed() -> None:
    graph = archcalc.capture(Numbers(), torch.ones(1, 64), example=True).graph
    own = own_run(graph, Conditions())
    assert not replay.replayed(own).differs()


@pytest.mark.parametrize("fault", ["macs", "params", "peak"])
def test_verify_finds_a_wrong_count(fault: str) -> None:
    graph, own = _own("half")
    assert own.code is not None
    if fault == "peak":
        first = own.code.memory[0]
        own = replace(own, code=own.code._replace(memory=(first._replace(bytes=first.bytes + 8), *own.code.memory[1:])))
        said = "bytes at the peak"
    else:
        node = own.nodes[0]
        facts = node.op.__dict__["facts"]
        changed = facts._replace(macs=facts.macs + 1) if fault == "macs" else facts._replace(params=())
        op = type(node.op)(changed)
        if fault == "macs":
            own = replace(own, nodes=(node._replace(op=op), *own.nodes[1:]))
        else:
            graph = replace(graph, nodes=(graph.nodes[0]._replace(op=op), *graph.nodes[1:]))
        said = "conv: " if fault == "macs" else "parameters: 0"
    found, _ = verify._of_code(graph, own)
    assert any(text.startswith(said) for text in found), found


def test_nodes_add_up_to_the_whole() -> None:
    module = nn.Sequential(*[nn.Conv2d(16, 16, 3, padding=1) for _ in range(4)])
    model = archcalc.capture(module, torch.randn(1, 16, 48, 48))
    (found,) = measure_in_turn([model.report()], Conditions(time_limit=0.5, runs=40, threads=1))
    assert len(found.samples) == len(model.graph.nodes)
    assert found.reconciliation is not None
    assert 0.4 < found.reconciliation < 2.5  # a machine that does other things, too
    assert found.memory is not None
    assert found.memory.eager_memory_bytes == model.totals.peak_memory_bytes


def test_a_module_is_as_it_was_after_it_was_timed() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    x, state = torch.randn(2, 3, 8, 8), torch.get_rng_state()
    archcalc.capture(module, x).measure(Conditions(2, time_limit=0.1, runs=2))
    archcalc.capture(module, x).measure(Conditions(2, time_limit=0.1, runs=2, training=True))
    archcalc.capture(Numbers(), x, example=True).measure(Conditions(2, time_limit=0.1, runs=2))
    assert module.training
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


# --- the command line ---------------------------------------------------------------------------------------------

INPUT = ("--input", "3x16x16")
QUICK = ("--time-limit", "0.1", "--threads", "1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    gone = "\n\nclass Cuda(Net):\n    def forward(self, x):\n        return super().forward(x.cuda())\n"
    (tmp_path / "my_net.py").write_text(NET + gone)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_summary_measures_and_compare_and_measure_do(folder: Path, command: Run) -> None:
    document = json.loads(command("summary", "my_net.py:Net", *INPUT, *QUICK, "--format", "json").out)
    assert document["measured"]["latency_ms"]["median"] > 0
    found = command("measure", "my_net.py:Net", *INPUT, *QUICK, "--batch", "1,2", "--save", "run.json")
    assert found.code == 0
    run = read(folder / "run.json")
    assert [measured.batch for measured in run.measurements] == [1, 2]
    assert run.paths[0] == "conv"
    found = command("compare", "my_net.py:Net@3x16x16", "lenet5", "--measure", *QUICK)
    assert found.code == 0
    assert "latency" in found.out
    found = command("compare", "run.json", "lenet5")
    assert found.code == 2
    assert "no saved run builds" in found.err
    command("trace", "my_net.py:Net", *INPUT)
    assert command("summary", "net.json").code == 0
    assert "holds no weights" in command("measure", "net.json").err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_does_not_run_here_is_counted_all_the_same(folder: Path, command: Run) -> None:
    found = command("summary", "my_net.py:Cuda", *INPUT, *QUICK)
    assert found.code == 2
    assert "1,482 = " in found.out
    assert "super().forward(x.cuda())" in found.err


def test_verify_of_code(folder: Path, command: Run) -> None:
    found = command("verify", "my_net.py:Net", *INPUT)
    assert found.code == 0
    assert "give the same" in found.out
    found = command("verify", "lenet5", *INPUT)
    assert found.code == 2
    assert "is for code here" in found.err
    command("trace", "my_net.py:Net", *INPUT)
    assert "holds no weights" in command("verify", "net.json").err


# --- folding, and other tools -------------------------------------------------------------------------------------


class Normed(nn.Module):
    """Norms that can be folded, one that cannot as something else reads the layer, and a shared layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)
        self.read, self.other = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.fc, self.last = nn.Linear(8, 4), nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Any:
        x = F.relu(self.bn(self.conv(x)))
        y = self.read(x)
        return self.last(self.fc((self.other(y) + y).mean((2, 3))))


def test_norms_are_folded_as_torch_does() -> None:
    module = Normed().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d) and part.running_mean is not None:
            nn.init.uniform_(part.running_mean)
    x = torch.randn(2, 3, 8, 8)
    model = archcalc.capture(module, x)
    folded = model.fold_bn()
    fused = torch.ao.quantization.fuse_modules(module, [["conv", "bn"], ["fc", "last"]])  # type: ignore[no-untyped-call]
    assert folded.totals.params == sum(parameter.numel() for parameter in fused.parameters())
    assert folded.totals.macs == model.totals.macs
    assert [layer.path for layer in folded.layers if layer.op == "batch_norm"] == ["other"]
    own = own_run(folded.graph, Conditions(2))
    again = replay.replayed(own)
    given = next(iter(again.given.values()))
    with torch.no_grad():
        assert torch.allclose(again(given), module(given), atol=1e-5)
    assert [*module.state_dict()] == [*Normed().state_dict()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tool", ["torchinfo", "fvcore"])
@pytest.mark.parametrize(
    "name", ["one layer thrice", "a conv without a module", "an LSTM", "bilinear", "products of values"]
)
def test_what_tools_count_otherwise_adds_up(name: str, tool: str) -> None:
    from tests.test_capture import _peers

    trap = TRAPS[name]
    model = archcalc.capture(trap.make(), *trap.inputs)
    found = model.peer(tool)
    assert found.macs == _peers(trap)[["torchinfo", "fvcore"].index(tool)]
    assert found.params is not None
    assert model.totals.macs + sum(reason.difference for reason in found.reasons) == found.macs


def test_a_tool_is_told_by_what_it_does_not_see() -> None:
    trap = TRAPS["a conv without a module"]
    (reason,) = archcalc.capture(trap.make(), *trap.inputs).peer("torchinfo").reasons
    assert (reason.difference, reason.why) == (-194_400, "does not see what is called without a module: conv2d")
