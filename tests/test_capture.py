"""Captured modules: the numbers of `docs/capture.md`'s traps by hand, torch's own counter beside them, and what a run
leaves behind: nothing."""

from __future__ import annotations

import gc
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import rnn
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.analysis.counts import Report, analyse
from archcalc.analysis.explain import Explained
from archcalc.analysis.memory import held_bytes
from archcalc.errors import ArchcalcError, SpecError, UsageError
from archcalc.graph import Graph
from archcalc.models import Model
from archcalc.show.explain import page
from archcalc.show.writers import write
from archcalc.tasks.explain import Explanation, explain_network, explain_spans
from archcalc.tracing import code, traced
from tests.captured import torchvision
from tests.test_commands import Run, command

__all__ = ["command"]  # a fixture

# --- modules of a few lines, each of which somebody counts wrong --------------------------------------------------


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, 3, 3, 3))

    def forward(self, x: Tensor) -> Any:
        return F.conv2d(x, self.w, padding=1)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(1000, 64)
        self.head = nn.Linear(64, 1000, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Any:
        return self.head(self.embed(ids))


class Thrice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.fc(self.fc(x)))


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.aux = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(x)


class Attention(nn.Module):
    def __init__(self, kv: int = 8) -> None:
        super().__init__()
        self.kv = kv

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Any:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.kv != 8)


class Gram(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x)
        return y @ y.transpose(-1, -2) @ y


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        mask = torch.ones(4, dtype=torch.bool)
        return self.a(x) if mask.all() else self.b(x)


class ByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Any:
        return self.a.forward(x)


class Dropped(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return F.dropout(x, 0.5)


class Cuda(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Any:
        return self.fc(x.cuda())


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Any:
        if x.sum() > 0:
            return x
        return -x


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(4, 4, bias=False) for _ in range(3)])
        self.gate = nn.Linear(4, 3, bias=False)

    def forward(self, x: Tensor) -> Any:
        chosen, out = self.gate(x).argmax(-1), torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            at = torch.where(chosen == number)
            out[at] = expert(x[at])
        return out


class Grouped(nn.Module):
    """Eight experts of which each token goes to two, as a mixture of experts multiplies them."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, 16, 32))

    def forward(self, x: Tensor) -> Any:
        rows = torch.cat([x[0], x[0]])
        return torch._grouped_mm(rows.bfloat16(), self.w.bfloat16(), offs=torch.arange(1, 9, dtype=torch.int32) * 8)


class Reshaped(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x.contiguous(memory_format=torch.channels_last).reshape(x.shape[0], -1)


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x.reshape(x.shape[0], -1)


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pos = nn.Parameter(torch.zeros(1, 10, 4))
        self.fc = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))

    def forward(self, x: Tensor) -> Any:
        return self.fc(x + self.pos)


class Turned(nn.Module):
    """Angles of positions, which follow from no input and no weight and are worked out in each run."""

    speeds: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.register_buffer("speeds", torch.arange(1.0, 5.0), persistent=False)

    def forward(self, x: Tensor) -> Any:
        places = torch.arange(x.shape[1]).float()
        angles = (self.speeds[None, :, None] @ places[None, None, :]).transpose(1, 2)
        return self.fc(x) * torch.cat((angles.cos(), angles.sin()), -1)


class Halves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 8, 1), nn.Conv2d(4, 8, 1)

    def forward(self, x: Tensor) -> Any:
        left, right = x.chunk(2, 1)
        return torch.cat([self.a(left), self.b(right)], 1)


class Cached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.kept: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Any:
        if "bias" not in self.kept:
            self.kept["bias"] = torch.zeros(1000) + torch.ones(1000)
        return self.fc(x) + self.kept["bias"][:4]


class Packed(nn.Module):
    """Texts of several lengths, padded to the longest."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cell = nn.Embedding(9, 4), nn.LSTM(4, 8, bidirectional=True, batch_first=True)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 1)

    def forward(self, ids: Tensor, lengths: Tensor) -> Any:
        packed = rnn.pack_padded_sequence(self.embed(ids), lengths.cpu(), batch_first=True, enforce_sorted=False)
        padded, _ = rnn.pad_packed_sequence(self.cell(packed)[0], batch_first=True)
        return self.encoder(padded, src_key_padding_mask=ids == 0)


class Pyramid(nn.Module):
    """Any number of maps, in a list a further one, in a mapping the last."""

    def __init__(self) -> None:
        super().__init__()
        self.lateral = nn.ModuleList([nn.Conv2d(width, 2, 1, bias=False) for width in (3, 4, 5, 6)])

    def forward(self, *maps: Tensor, more: list[Tensor], last: dict[str, dict[str, Tensor]]) -> Any:
        return [conv(x) for conv, x in zip(self.lateral, (*maps, *more, last["of"]["all"]), strict=True)]


class Half(nn.Module):
    """A ReLU in place, a slice that is written, a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        y.relu_()
        y[:, 0] = 0
        return y + x


def _tokens(*shape: int) -> Tensor:
    return torch.empty(1, *shape, device="meta")


class Trap(NamedTuple):
    """A module with its inputs; its MACs and parameters by hand, and whether torch's counter sees all of it."""

    make: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    macs: int
    params: int = 0
    counted: bool = True


TRAPS = {
    "a conv without a module": Trap(Functional, (_tokens(3, 30, 30),), 8 * 27 * 900, 216),
    "a tied embedding": Trap(Tied, (torch.zeros(1, 10, dtype=torch.long),), 640_000, 64_000),
    "a large table": Trap(lambda: nn.Embedding(50_000, 512), (torch.zeros(1, 10, dtype=torch.long),), 0, 25_600_000),
    "a product of constants": Trap(Turned, (_tokens(6, 8),), 6 * 64 + 4 * 6, 72),
    "one layer thrice": Trap(Thrice, (_tokens(64),), 12_288, 4_160),
    "a layer that is not called": Trap(Unused, (_tokens(64),), 4_096, 4_810),
    "causal attention": Trap(Attention, (_tokens(8, 100, 64),) * 3, 10_240_000),
    "attention of shared keys": Trap(
        lambda: Attention(2), (_tokens(8, 100, 64), _tokens(2, 100, 64), _tokens(2, 100, 64)), 10_240_000, counted=False
    ),
    "an encoder layer": Trap(
        lambda: nn.TransformerEncoderLayer(512, 8, batch_first=True), (_tokens(100, 512),), 324_812_800, 3_152_384
    ),
    "an LSTM": Trap(
        lambda: nn.LSTM(64, 128, 2, batch_first=True), (torch.empty(4, 50, 64, device="meta"),), 45_875_200, 231_424
    ),
    "a transposed conv": Trap(lambda: nn.ConvTranspose2d(3, 2, 3, stride=2), (_tokens(3, 224, 224),), 2_709_504, 56),
    "products of values": Trap(Gram, (_tokens(1000, 64),), 132_096_000, 4_160),
    "a mask that is known": Trap(Masked, (_tokens(4),), 16, 40, counted=False),
    "forward by hand": Trap(ByHand, (_tokens(4),), 16, 16),
    "dropout that is active": Trap(Dropped, (_tokens(4),), 0),
    "a device that is not there": Trap(Cuda, (_tokens(64),), 4_096, 4_160, counted=False),
    "rows of experts": Trap(Grouped, (_tokens(32, 16),), 64 * 16 * 32, 4_096, counted=False),
    "a reshape that copies": Trap(Reshaped, (_tokens(8, 4, 4),), 0),
    "positions and a computed weight": Trap(Positions, (_tokens(10, 4),), 160, 40 + 4 + 4 + 16),
    "bilinear": Trap(lambda: nn.Bilinear(5, 6, 7), (_tokens(5), _tokens(6)), 5 * 6 * 7, 217, counted=False),
    "a lazy layer": Trap(lambda: nn.LazyLinear(5), (_tokens(7),), 35, 40, counted=False),
    "packed texts": Trap(
        Packed,
        (torch.ones(2, 5, dtype=torch.long), torch.tensor([5, 2])),
        7 * 2 * 32 * 12 + 10 * (4 * 256 + 2 * 512) + 2 * 2 * 2 * 25 * 8,
        36 + 2 * 32 * 14 + 2224,
        counted=False,
    ),
    "two halves": Trap(Halves, (_tokens(8, 5, 5),), 2 * 4 * 8 * 25, 80),
}


def captured(trap: Trap) -> Model:
    return archcalc.capture(trap.make(), *trap.inputs)


@pytest.mark.parametrize("name", TRAPS)
def test_counts_by_hand_and_by_torch(name: str) -> None:
    trap = TRAPS[name]
    totals = captured(trap).totals
    assert (totals.macs, totals.params) == (trap.macs, trap.params)
    if trap.counted:
        module = trap.make().to("meta").eval()
        counter = FlopCounterMode(display=False)
        with torch.device("meta"), torch.no_grad(), counter:
            module(*[value.to("meta") for value in trap.inputs])
        assert counter.get_total_flops() == 2 * trap.macs


def _peers(trap: Trap) -> list[int | str]:
    """What torchinfo, fvcore and torch's counter on the CPU make of a module: MACs, or what they raise."""
    import torchinfo
    from fvcore.nn import FlopCountAnalysis

    def counted(module: nn.Module, given: list[Tensor]) -> int:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            module(*given)
        return int(counter.get_total_flops()) // 2

    def analysed(module: nn.Module, given: list[Tensor]) -> int:
        analysis = FlopCountAnalysis(module, tuple(given)).unsupported_ops_warnings(False)
        return int(analysis.uncalled_modules_warnings(False).tracer_warnings("none").total())

    def summarised(module: nn.Module, given: list[Tensor]) -> int:
        return int(torchinfo.summary(module, input_data=given, verbose=0).total_mult_adds)

    found: list[int | str] = []
    module, given = trap.make().eval(), [torch.zeros(x.shape) if x.is_meta else x for x in trap.inputs]
    for tool in (summarised, analysed, counted):
        try:
            found.append(tool(module, given))
        except Exception as error:  # each raises what it likes
            found.append(type(error).__name__)
    return found


@pytest.mark.parametrize("name", TRAPS)
def test_all_of_it_is_explained(name: str) -> None:
    model = captured(TRAPS[name])
    assert model.graph.code is not None
    summary = model.summary(model.graph.code.batch)
    network = Explained(summary.report)
    rows = [explain_spans(network, (span,), ()) for span in summary.report.graph.rows]
    nodes = [network.node(index) for index in range(len(summary.report.layers))]
    assert sum(found.totals.macs for found in rows) == TRAPS[name].macs
    every: tuple[Any, ...] = (*rows, *nodes, explain_network(network, ()))
    for facts in every:
        assert write(page(Explanation(facts, network, summary)), "text")


# Of torchvision, where it is installed, with the MACs that it publishes, or that are known of it by hand.
PUBLISHED = {"ViT-B/16": ("vit_b_16", 17_563_828_224), "Swin-T": ("swin_t", 4_490_566_656)}


def _trap(name: str) -> Trap:
    if name in TRAPS:
        return TRAPS[name]
    pytest.importorskip("torchvision")
    word, macs = PUBLISHED[name]
    return Trap(lambda: torchvision().models.get_model(word), (_tokens(3, 224, 224),), macs)


PAGE = Path(__file__).parent.parent / "docs" / "capture.md"
TABLE = [[*map(str.strip, line.strip("|").split("|"))] for line in PAGE.read_text(encoding="utf-8").splitlines()]
ROWS = {cells[0]: cells[2:] for cells in TABLE if len(cells) == 6 and cells[0] in TRAPS | PUBLISHED}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ROWS)
def test_the_page_shows_what_others_count(name: str) -> None:
    (ours, *others), trap = ROWS[name], _trap(name)
    assert int(ours.replace(",", "")) == trap.macs == captured(trap).totals.macs
    for cell, count in zip(others, _peers(trap), strict=True):
        if name == "a device that is not there" and torch.cuda.is_available():
            continue
        shown = count if isinstance(count, str) else f"{count:,}"
        assert cell == (shown if isinstance(count, str) or count == trap.macs else f"**{shown}**")


def test_shared_and_unused_parameters_are_named() -> None:
    tied = captured(TRAPS["a tied embedding"]).graph
    assert [(node.path, node.shares) for node in tied.nodes] == [("embed", None), ("head", 0)]
    assert [node.shares for node in captured(TRAPS["one layer thrice"]).graph.nodes] == [None, 0, 0]
    unused = captured(TRAPS["a layer that is not called"])
    assert unused.notes == ("650 parameters are in the total that nothing reads: aux.weight, aux.bias",)
    assert captured(TRAPS["a mask that is known"]).notes == (
        "20 parameters are in the total that nothing reads: b.weight, b.bias",
    )
    assert "dropout is active in an evaluation at" in captured(TRAPS["dropout that is active"]).notes[0]
    assert captured(TRAPS["forward by hand"]).graph.nodes[0].path == "a"


class Dead(nn.Module):
    """Calls a layer and throws away what it gives; of an LSTM the last state alone is read."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.side, self.last = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 9), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.side(self.cell(x)[0]).relu()
        found: Tensor = self.last(self.cell(x)[1][0][-1])
        return found


def test_a_call_that_nobody_reads_is_named_and_counted() -> None:
    model = archcalc.capture(Dead(), torch.zeros(1, 5, 3))
    assert model.totals.params == 4 * 4 * (3 + 4) + 2 * 16 + 5 * 9 + 5 * 2
    assert model.totals.macs == 2 * 5 * 16 * 7 + 5 * 36 + 8
    assert model.notes[0].startswith("nothing reads what is computed by ")
    assert "side" in model.notes[0]
    assert model.notes[0].endswith(f"{45} parameters and {180 + 560} MACs are in the total")


class Elsewhere(nn.Module):
    """Works with a module that stands in a list of another part."""

    def __init__(self, parts: nn.ModuleList) -> None:
        super().__init__()
        self.borrowed = [parts]
        self.own = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        return self.own(self.borrowed[0][0](x))


class Lender(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lent = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU())])
        self.user = Elsewhere(self.lent)

    def forward(self, x: Tensor) -> Any:
        return self.user(x)


def test_a_module_that_belongs_elsewhere_keeps_its_path() -> None:
    graph = archcalc.capture(Lender(), _tokens(4)).graph
    assert [node.path for node in graph.nodes] == ["lent.0.0", "lent.0.1", "user.own"]
    assert [(span.path, span.depth) for span in graph.spans] == [("user", 0), ("lent.0", 1)]


def test_an_lstm_is_one_node_and_halves_are_views() -> None:
    assert [layer.op for layer in captured(TRAPS["an LSTM"]).layers if layer.macs] == ["lstm"]
    halves = captured(TRAPS["two halves"])
    assert [(layer.path, layer.activation_bytes) for layer in halves.layers] == [
        ("chunk", 0), ("chunk.0", 0), ("chunk.1", 0), ("a", 800), ("b", 800), ("cat", 1600),
    ]  # fmt: skip


def test_inputs_stand_where_the_module_takes_them() -> None:
    maps = [torch.empty(1, width, 2, 2, device="meta") for width in (3, 4, 5, 6)]
    model = archcalc.capture(Pyramid(), *maps[:2], more=[maps[2]], last={"of": {"all": maps[3]}})
    assert [name for name, _ in model.graph.inputs] == ["maps.0", "maps.1", "more.0", "last.of.all"]
    assert [layer.macs for layer in model.layers] == [3 * 8, 4 * 8, 5 * 8, 6 * 8]
    with pytest.raises(UsageError, match="2 inputs are given, and it takes 1: input"):
        archcalc.capture(nn.Linear(4, 4), _tokens(4), _tokens(4))
    with pytest.raises(UsageError, match=r"the input `more.0` is no tensor"):
        archcalc.capture(Pyramid(), more=[3])


def test_a_checkpoints_keys_are_the_paths() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), nn.Conv2d(4, 2, 1))
    graph = archcalc.capture(net, _tokens(3, 8, 8)).graph
    assert graph.code is not None
    keys = {key for each in graph.code.keys for key in each}
    assert keys == {key for key in net.state_dict() if not key.endswith("num_batches_tracked")}
    for node, each in zip(graph.nodes, graph.code.keys, strict=True):
        assert [f"{node.path}.{param.name}" for param in node.op.params()] == [*each]


# --- memory -------------------------------------------------------------------------------------------------------


class Watched:
    """The bytes of all storages that a real run of a module holds at most, tensors freed as Python frees them."""

    def __init__(self, module: nn.Module, x: Tensor) -> None:
        import weakref

        from torch.utils._python_dispatch import TorchDispatchMode

        live: dict[int, int] = {}
        held = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}
        self.peak = 0

        class Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
            def __torch_dispatch__(_, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: N805
                out = func(*args, **(kwargs or {}))
                for tensor in out if isinstance(out, tuple | list) else (out,):
                    if isinstance(tensor, Tensor):
                        storage = tensor.untyped_storage()
                        key = storage._cdata
                        if key not in live and key not in held:
                            live[key] = storage.nbytes()
                            weakref.finalize(storage, live.pop, key, None)
                self.peak = max(self.peak, sum(live.values()))
                return out

        live[x.untyped_storage()._cdata] = x.untyped_storage().nbytes()
        with torch.inference_mode(), Mode():  # type: ignore[no-untyped-call]
            module.eval()(x)


def _flat(graph: Graph) -> int:
    return max(held_bytes(graph, eager=False))


@pytest.mark.parametrize(
    "make",
    [Half, lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()), Reshaped],
    ids=["in place", "sequential", "copies"],
)
def test_the_peak_is_that_of_a_real_run(make: Callable[[], nn.Module]) -> None:
    x = torch.randn(2, 3, 12, 12)
    model = archcalc.capture(make(), x)
    assert model.totals.peak_memory_bytes == Watched(make(), x).peak


def test_peaks_of_a_reshape() -> None:
    assert captured(TRAPS["a reshape that copies"]).totals.peak_memory_bytes == 512 + 512 + 512
    assert archcalc.capture(Flat(), _tokens(8, 4, 4)).totals.peak_memory_bytes == 512
    last = torch.empty(1, 8, 4, 4, device="meta").contiguous(memory_format=torch.channels_last)
    assert last.stride() != _tokens(8, 4, 4).stride()


def test_a_cache_is_filled_before_what_is_counted() -> None:
    report = archcalc.capture(Cached(), _tokens(4)).report()
    assert report.totals.activation_bytes == 16 + 16


# --- no side effects ----------------------------------------------------------------------------------------------


def test_a_module_is_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.ReLU())
    module.train()
    module[0].register_forward_hook(lambda *_: None)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    pointers = [parameter.data_ptr() for parameter in module.parameters()]
    seed = random.getstate()
    archcalc.capture(module, torch.randn(2, 3, 8, 8))
    assert module.training
    assert all(part.training for part in module.modules())
    assert pointers == [parameter.data_ptr() for parameter in module.parameters()]
    assert all(torch.equal(state[key], value) for key, value in module.state_dict().items())
    assert len(module[0]._forward_hooks) == 1
    assert not nn.modules.module._global_forward_hooks
    assert random.getstate() == seed
    cached = Cached()
    archcalc.capture(cached, _tokens(4))
    assert cached.kept == {}


def test_random_states_do_not_move() -> None:
    module = nn.Sequential(nn.Dropout(), nn.Linear(4, 4))
    state = torch.get_rng_state()
    archcalc.capture(module, _tokens(4))
    archcalc.capture(module, torch.ones(1, 4), example=True)
    archcalc.capture(Dropped(), _tokens(4))
    assert torch.equal(state, torch.get_rng_state())


class Hooking(nn.Module):
    """Hangs a hook on one of its parts while it runs, and takes it away."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        handle = self.a.register_forward_hook(lambda _part, _given, out: out * 2)
        try:
            return self.b(self.a(x))
        finally:
            handle.remove()


def test_a_hook_hangs_on_its_own_part() -> None:
    module = Hooking()
    model = archcalc.capture(module, torch.ones(1, 4))
    assert [node.path for node in model.graph.nodes] == ["a", "mul", "b"]
    assert not module.a._forward_hooks


def test_a_norm_of_other_channels_does_not_fit() -> None:
    with pytest.raises(ArchcalcError, match="running_mean should contain 8 elements not 4"):
        archcalc.capture(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(4)), _tokens(3, 9, 9))


def test_nothing_stays_of_what_ran() -> None:
    module = Hooking()
    for _ in range(2):
        model = archcalc.capture(module, torch.ones(1, 4))
        assert model.training().peak_bytes
        archcalc.capture(module, torch.ones(1, 4), example=True)
        gc.collect()
        assert [part for part in gc.get_objects() if type(part) is Hooking] == [module]  # no copy


# --- errors -------------------------------------------------------------------------------------------------------


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return self.inner(x)

    def inner(self, x: Tensor) -> Any:
        raise ValueError("no such thing")


class Unruled(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return torch.linalg.svd(x)[1]


def test_what_depends_on_activations_says_so_and_an_example_runs_it() -> None:
    with pytest.raises(SpecError, match="depends on the values") as error:
        archcalc.capture(Branch(), _tokens(4))
    assert "if x.sum() > 0:" in error.value.render()
    assert "--example" in error.value.render()
    assert archcalc.capture(Branch(), torch.ones(1, 4), example=True).totals.macs == 0
    with pytest.raises(SpecError, match="depends on the values"):
        archcalc.capture(Experts(), _tokens(6, 4))
    assert archcalc.capture(Experts(), torch.ones(1, 6, 4), example=True).totals.macs == 6 * 4 * 4 + 6 * 4 * 3


class Chosen(nn.Module):
    """A place that is known beside a mask that is not."""

    def forward(self, x: Tensor) -> Any:
        return x[x[..., 0] > 0, torch.zeros(1, dtype=torch.long)]


def test_what_is_known_beside_what_is_not_stays_unknown() -> None:
    with pytest.raises(SpecError, match="depends on the values"):
        archcalc.capture(Chosen(), _tokens(4, 4))


def test_an_error_of_the_code_is_told_at_its_line() -> None:
    with pytest.raises(SpecError) as error:
        archcalc.capture(Fails(), _tokens(4))
    shown = error.value.render()
    assert shown.startswith("error: ValueError: no such thing\n")
    assert 'raise ValueError("no such thing")' in shown
    assert "torch/" not in shown
    assert "runtime/" not in shown
    assert "forward" in shown


def test_an_operator_without_a_rule_is_an_error_or_makes_a_lower_bound() -> None:
    with pytest.raises(SpecError, match="no rule counts `aten::_linalg_svd`, in the network itself"):
        archcalc.capture(Unruled(), _tokens(4, 4))
    model = archcalc.capture(Unruled(), _tokens(4, 4), allow_unknown=True)
    assert model.notes == ("every total is a lower bound, as no rule counts aten::_linalg_svd",)


def test_an_id_that_no_table_has_is_an_error() -> None:
    with pytest.raises(ArchcalcError, match="index out of range"):
        archcalc.capture(nn.Embedding(10, 4), torch.full((1, 3), 12))


def test_what_is_no_module_or_has_no_batch_is_refused() -> None:
    with pytest.raises(UsageError, match="no torch module"):
        archcalc.capture(len, _tokens(4))
    with pytest.raises(UsageError, match="different batches"):
        archcalc.capture(nn.Bilinear(4, 4, 4), torch.ones(1, 4), torch.ones(2, 4))


def test_counts_are_of_the_batch_that_was_run() -> None:
    model = archcalc.capture(nn.Linear(4, 4), _tokens(4))
    assert model.report(8).totals.macs == 8 * 16
    assert model.report(1, "float16").totals.param_bytes == 40


# --- the command line ---------------------------------------------------------------------------------------------

NET = """
import torch
from torch import nn

print("hello from the model")


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(2)])
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        for block in self.blocks:
            x = x + block(x)
        return self.fc(x.mean((2, 3)))


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 8)

    def forward(self, input_ids, attention_mask=None):
        return self.embed(input_ids) * attention_mask[..., None]


class Leaves(nn.Module):
    def forward(self, x):
        raise SystemExit(0)


class Two(nn.Module):
    def forward(self, x, mask):
        return x * mask


class Needs(nn.Module):
    def __init__(self, width, norm="batch"):
        super().__init__()
        self.fc = nn.Linear(4, width)
        self.norm = nn.BatchNorm1d(width) if norm == "batch" else nn.Identity()

    def forward(self, x):
        return self.norm(self.fc(x))


class Lengths(nn.Module):
    def forward(self, x, *more, lengths):
        return [x[..., :n] for n in lengths.tolist()] + [*more]


class Again(nn.Module):
    def forward(self, x):
        return sorted([1, 0], key=lambda _: self.forward(x))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", ["text", "json", "csv", "markdown", "latex", "html"])
def test_a_file_is_summarised_in_every_form(folder: Path, command: Run, form: str) -> None:
    found = command("summary", "my_net.py:Net", "--input", "3x32x32", "--depth", "2", "--format", form)
    assert found.code == 0
    assert "hello" not in found.out
    assert "hello" in found.err
    assert "1,482" in found.out or "1482" in found.out or "blocks" in found.out


def test_what_a_module_is_made_with(folder: Path, command: Run) -> None:
    found = command("summary", "my_net.py:Net", "--input", "3x8x8", "--kwargs", '{"classes": 100}', "--static")
    assert "2,292 = " in found.out
    for words, said in {
        ("--kwargs", "{classes: 1}"): "`--kwargs` is no JSON",
        ("--kwargs", "[1]"): "`--kwargs` is a mapping in JSON",
        ("--kwargs", '{"colour": 1}'): "is not made with `colour`",
        ("--set", "classes=1"): "has no constants to set",
    }.items():
        found = command("summary", "my_net.py:Net", "--input", "3x8x8", *words)
        assert found.code == 2
        assert said in found.err
        assert "Traceback" not in found.err


def test_inputs_by_name_and_dtype(folder: Path, command: Run) -> None:
    found = command(
        "summary", "my_net.py:Text", "--input", "input_ids=7:int64", "--input", "attention_mask=7:int64=1", "--static"
    )
    assert found.code == 0
    assert "input input_ids 7, attention_mask 7" in found.out


def test_inputs_by_place_and_of_no_axes(folder: Path, command: Run) -> None:
    """A number for each sample is said without a size; the lock says what values the whole numbers have."""
    for net in ("my_net.py:Lengths@x=9,more.0=2,lengths=:int64=3", "my_net.py:Lengths@x=9,more.0=2,lengths=:int64=4"):
        found = command("lock", net, "-o", "a.lock")
        assert found.code == 0, found.err
        assert f"lengths {net.rpartition('=')[0].rpartition('=')[2]}" in (folder / "a.lock").read_text()
        assert command("check", "a.lock", "my_net.py:Lengths").code == 0
    found = command("lock", "my_net.py:Net@3x8x8", "--kwargs", '{"classes": 5}', "--example", "-o", "b.lock")
    assert found.err.endswith("""b.lock my_net.py:Net@3x8x8 --kwargs '{"classes": 5}' --example\n""")
    assert command("check", "a.lock", "my_net.py:Lengths@x=9,more.0=2,lengths=:int64=3").code == 1
    found = command("summary", "my_net.py:Two", "--input", "4", "--input", "4", "--static", "--format", "json")
    assert [each["name"] for each in json.loads(found.out)["inputs"]] == ["x", "mask"]
    for words in (("my_net.py:Two", "--input", "4", "--input", "mask=4"), ("vgg16@3x224x224,4",)):
        assert command("summary", *words, "--static").code == 2


def test_a_sweep_over_code(folder: Path, command: Run) -> None:
    """What it is made with varies by its name: numbers, expressions and words; every point is as `load` has it."""
    sizes = (
        "scale",
        "my_net.py:Needs",
        "--input",
        "4",
        "--vary",
        "w=2,8",
        "--set",
        "width=w*2",
        "--vary",
        "norm=batch,none",
    )
    every = json.loads(command(*sizes, "--format", "json").out)["points"]
    assert [point["totals"]["params"] for point in every] == [28, 20, 112, 80]
    for point in every:
        made = json.dumps({"width": int(point["settings"]["width"]), "norm": point["settings"]["norm"]})
        one = command("summary", "my_net.py:Needs", "--input", "4", "--kwargs", made, "--static", "--format", "json")
        assert json.loads(one.out)["totals"]["macs"] == point["totals"]["macs"]
    best = command(
        *sizes, "--best", "1", "--by", "params", "--where", "params > 20", "--points", "p.csv", "--format", "json"
    )
    assert [point["point"] for point in json.loads(best.out)["points"]] == [0]
    assert len((folder / "p.csv").read_text().splitlines()) == 1 + 3
    for words, said in {
        ("--vary", "widht=2,4"): "Did you mean `width`?",
        ("--vary", "width=2,4", "--best", "1", "--by", "macs", "--jobs", "2"): "in one process",
    }.items():
        found = command("scale", "my_net.py:Needs", "--input", "4", *words)
        assert (found.code, said in found.err) == (2, True), found.err
    command("trace", "my_net.py:Needs", "--input", "4", "--kwargs", '{"width": 3}', "-o", "t.json")
    assert "is a trace" in command("scale", "t.json", "--best", "1", "--by", "macs").err
    found = command(
        "scale", "my_net.py:Needs", "--input", "4", "--kwargs", '{"width": 4}', "--vary", 'norm=["a"],[1, 2]'
    )
    assert (found.code, '["a"]' in found.out, "[1, 2]" in found.out) == (0, True, True), found.err
    assert "is no JSON" in command("scale", "my_net.py:Needs", "--input", "4", "--vary", "norm=[1").err
    ids = command("scale", "my_net.py:Text", "--input", "input_ids=4..16*2:int64", "--input", "attention_mask=1:int64")
    assert ids.out.count("input_ids") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("my_net.py",), "Such as `my_net.py:Again`. It has Net, Text, "),
        (("my_net:Net",), "write `my_net.py:Net`"),
        (("my_net.py:Text", "--input", "4", "--input", "4"), "by name `--input ids=32:int64`"),
        (("my_net.py:Nett",), "has no `Nett`"),
        (("my_net.py:Net",), "nothing says what `my_net.py:Net` takes"),
        (("no_such.py:Net",), "there is no file `no_such.py`"),
        (("no.such:Net",), "there is no module `no` to import"),
        (("my_net.py:NET",), "has no `NET`"),
        (("my_net.py:Net", "--input", "4x8x8"), "my_net.py:16"),
        (("my_net.py:Net", "--input", "0"), "axes of at least 1"),
        (("my_net.py:Text",), "It takes `input_ids`: `--input 3x224x224`"),
        (("my_net.py:Two", "--input", "4"), "`--input mask=SIZE`"),
        (("my_net.py:Needs", "--input", "4"), """`--kwargs '{"width": …}'`"""),
        (("my_net.py:Again", "--input", "4"), "my_net.py:58"),
        (("vgg16", "--kwargs", "{}", "--example"), "is a spec"),
        (("vgg16", "--input", "3x224x224:int64"), "has no dtype of its own"),
        (("my_net.py:Net", "--input", "3x8x8:floot32"), "Did you mean `float32`?"),
        (("my_net.py:Leaves", "--input", "4"), "SystemExit: 0"),
        (("my_net.py:Text", "--input", "inputs=4:int64"), "Did you mean `input_ids`?"),
        (("my_net.py:Net", "--input", "64"), "channels first and without the batch: `--input 3x64x64`"),
    ],
    ids=[
        *(
            "no name",
            "no ending",
            "no whole numbers",
            "a wrong name",
            "no input",
            "no file",
            "no module",
            "case",
            "a line",
        ),
        *("nothing", "what it takes", "an input", "an argument", "recursion"),
        *("a spec", "dtype", "no dtype", "an end", "no such input", "one axis"),
    ],
)
def test_what_is_wrong_is_said_once(folder: Path, command: Run, words: tuple[str, ...], said: str) -> None:
    found = command("summary", *words, "--static")
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err


def test_at_whose_input_code_ran_is_said(folder: Path, command: Run) -> None:
    found = command("check", "my_net.py:Net", "--against", "lenet5")
    assert (found.code, "It ran at 1×32×32, as the other one does" in found.err) == (2, True)


def test_a_family_never_imports_code(folder: Path, command: Run) -> None:
    (folder / "resnet.py").write_text("raise SystemExit(77)")
    assert command("summary", "resnet:50-layer", "--static").code == 0
    assert command("summary", "resnett:50-layer", "--static").code == 2
    (folder / "archcalc.lock").write_text("archcalc lock 1\nmodel my_net.py:Net\nend\n")
    found = command("check", "archcalc.lock")
    assert found.code == 3
    assert "hello" not in found.err


def test_a_trace_is_read_without_torch_and_says_the_same(folder: Path, command: Run) -> None:
    found = command("trace", "my_net.py:Net", "--input", "3x32x32", "-o", "net.json")
    assert found.code == 0
    assert "1,482 params" in found.out
    text = (folder / "net.json").read_text()
    assert str(folder) not in text
    assert "nn.Conv2d(" not in text
    live = command("summary", "my_net.py:Net", "--input", "3x32x32", "--static", "--format", "json")
    read = command("summary", "net.json", "--static", "--format", "json")
    same = [re.sub(r':\d+"|"model": "[^"]*"', "", found.out) for found in (live, read)]
    assert json.loads(live.out)["totals"] == json.loads(read.out)["totals"]
    assert len(same[0]) == len(same[1])
    assert command("compare", "net.json", "lenet5").code == 0
    assert "a trace is of one batch" in command("fit", "net.json", "--memory", "1GiB").err
    explained = command("explain", "net.json", "conv")
    assert explained.code == 0
    assert re.search(r"\n  ——▶ my_net.py:\d+\n\nop ", explained.out)  # without a line of code, as none is at hand
    found = command("summary", "net.json", "--static", "--batch", "2")
    assert found.code == 2
    assert "traced at batch 1" in found.err


def test_a_trace_is_written_and_read_back_alike() -> None:
    from archcalc.runtime.capture import Captured
    from archcalc.runtime.trace import Given

    found, _ = Captured(Half(), {"": Given((3, 8, 8))}).trace()
    again = traced.parse(json.loads(traced.text(found)))
    assert again == found._replace(calls=tuple(call._replace(args=dict(call.args)) for call in found.calls))
    report = analyse(code.graph(again))
    assert isinstance(report, Report)
    assert report.totals.macs == 3 * 27 * 64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 1}, "has the version 1"),
        ({"outputs": [3]}, "`outputs` has a line of another form"),
        ({"calls": [], "modules": []}, "nothing runs in it"),
        ({"inputs": [["x", 999]]}, "`inputs` holds what is no number"),
        ({"batch": 0}, "`batch` holds"),
        ({"dtype": "float31"}, "no dtype"),
        ({"tensors": [[[10**18, 10], "float32", 0]]}, "too many axes or elements"),
        (
            {"calls": [{"op": "aten::relu", "args": [], "outputs": [1], "module": "", "where": "a.py:1"}]},
            "another form",
        ),
    ],
    ids=["version", "output", "empty", "input", "batch", "dtype", "size", "arguments"],
)
def test_a_trace_that_is_none_is_exit_2(folder: Path, command: Run, change: dict[str, Any], said: str) -> None:
    command("trace", "my_net.py:Net", "--input", "3x8x8")
    document = json.loads((folder / "net.json").read_text()) | change
    (folder / "net.json").write_text(json.dumps(document))
    found = command("summary", "net.json", "--static")
    assert found.code == 2
    assert said in found.err


def test_a_window_that_is_no_number_is_exit_2(folder: Path, command: Run) -> None:
    command("trace", "my_net.py:Net", "--input", "3x8x8")
    document = json.loads((folder / "net.json").read_text())
    next(call for call in document["calls"] if call["op"] == "aten::conv2d")["args"]["stride"] = [1, "語"]
    (folder / "net.json").write_text(json.dumps(document))
    found = command("summary", "net.json", "--static", "--columns", "receptive_field")
    assert (found.code, "has arguments that torch gives it nowhere" in found.err) == (2, True), found.err


@pytest.mark.parametrize(
    "words",
    [("explain",), ("fit", "--memory", "1GiB"), ("compare", "lenet5"), ("verify",), ("doctor", "--vs", "torchinfo")],
    ids=lambda words: words[0],
)
def test_every_command_takes_what_code_is_made_with(folder: Path, command: Run, words: tuple[str, ...]) -> None:
    name, *rest = words
    beside = () if name == "compare" else tuple(rest)
    more = rest if name == "compare" else ()
    found = command(name, "my_net.py:Net", *more, *beside, "--input", "x=3x8x8", "--kwargs", '{"classes": 100}')
    assert found.code == 0, found.err
    assert "2,292" in found.out or name == "fit"
    found = command(name, "lenet5", *(["vgg16"] if name == "compare" else beside), "--kwargs", '{"classes": 100}')
    assert found.code == 2
    assert "code" in found.err


@pytest.mark.parametrize("name", ["show", "list"])
def test_what_is_about_specs_says_so_of_code(folder: Path, command: Run, name: str) -> None:
    found = command(name, "my_net.py:Net")
    assert found.code == 2
    assert "is code" in found.err
    assert "hello" not in found.err


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_libraries_where_they_are(library: str) -> None:
    pytest.importorskip(library)
    model = archcalc.load(f"{library}:resnet50")
    assert (model.totals.params, model.totals.macs) == (25_557_032, 4_089_184_256)
    assert (model.totals.peak_memory_bytes, _flat(model.graph)) == (11_038_720, 10_235_904)


@pytest.mark.parametrize(
    ("name", "held"), [("resnet50", 235_793_440), ("swin_t", 271_734_440), ("efficientnet_b0", 184_446_632)]
)
def test_training_peaks_of_libraries(name: str, held: int) -> None:
    """Without parameters and statistics, of two samples: what a real step on the CPU was seen to hold."""
    pytest.importorskip("torchvision")
    assert torchvision().models
    found = archcalc.load(f"torchvision:{name}").training(2)
    assert found.peak_bytes - found.param_bytes - found.stat_bytes == held


def test_what_is_built_stands_in_the_place_of_a_name() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    model, other = archcalc.capture(module, torch.empty(1, 3, 8, 8)), archcalc.load("lenet5")
    assert archcalc.diff(model, model).alignment.verdict == "equal"
    assert archcalc.diff(model, "lenet5").alignment.verdict == archcalc.diff("lenet5", model).alignment.verdict
    found = archcalc.compare(model, "lenet5", other)
    assert [one.name for one in found.models] == ["Sequential", "lenet5", "lenet5"]
    assert [one.summary.report.totals.params for one in found.models] == [3114, 60000, 60000]
    assert archcalc.fit(model, "1GiB").batch == model.fit(1 << 30).batch
    assert [one.name for one in archcalc.plot("layers", model).models] == ["Sequential"]
    assert archcalc.summary(model).report.totals == model.totals
    with pytest.raises(UsageError, match="is built already"):
        archcalc.load(model, input=(3, 9, 9))
    shown = str(archcalc.explain(model, "3"))
    assert "params      10·288 + 10 = 2,890" in shown
    assert "  ——▶ torch\n" in shown, "no line of anybody's calls it"
    assert str(model).startswith("Sequential  traced on meta")
