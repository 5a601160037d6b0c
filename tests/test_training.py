"""Training: what autograd saves, what a step holds at most, and its MACs; torch says the same of every op."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from archcalc.analysis.counts import analyse
from archcalc.analysis.memory import storages
from archcalc.analysis.training import OPTIMIZERS, Training, train
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.ops import OPS
from archcalc.runtime.memory import allocated_peak
from archcalc.runtime.network import build
from archcalc.units import ITEMSIZE
from tests.graphs import TEXT, Build, call, chain, single
from tests.steps import LiveTensors, step
from tests.test_ops import ROWS, Row, smallest
from tests.test_runtime import NETWORKS, graphs

BATCH = 2
IDS = ("embed",)
# Of which what the backward pass makes inside, or which gradients are one memory, is not known to the byte.
ROUGH = set(
    """
    attention avgpool combine crop crops deformconv dropout expert_linear frames gates gru instancenorm
    localconv lstm many maxpool mean mul patches rbf rearrange regions rnn roialign shift shuffle similarity
    slice sub together topk
    """.split()  # noqa: SIM905
)


def rough(row: Row) -> bool:
    """Whether the peak of its backward pass alone is not known to the byte."""
    return row.word in ROUGH


def behind_parameters(row: Row) -> Graph:
    """The op on values that get a gradient: each input has a learned bias added first."""
    b = Build(*row.inputs)
    values = [b("unit_bias", -1 - n) for n in range(len(row.inputs))]
    return b.finish(b.builder.append(call(row.word, **row.arguments), tuple(values), TEXT))


def counted(graph: Graph, batch: int = BATCH, optimizer: str = "sgd", dtype: str = "float32") -> Training:
    return train(analyse(graph, batch, dtype), optimizer)


def groups_of(graph: Graph) -> int:
    """What torch's counter counts too much: it takes the weight gradient of a grouped convolution for that of a whole
    one, `groups` times as much."""
    found = 0
    for layer in analyse(graph, BATCH).layers:
        op = layer.node.op
        groups = graph.shape(layer.node.inputs[0])[0] if op.word == "dwconv" else getattr(op, "groups", 1)
        if op.word == "dynconv":  # a group for each sample; its weights are a value, and may get no gradient
            groups = groups * BATCH if layer.node.inputs[1] >= 0 else 1
        found += (groups - 1) * layer.macs
    return found


def name(row: Row) -> str:
    return f"{row.word}-{row.arguments}-{row.inputs}"


@pytest.mark.parametrize("row", ROWS, ids=name)
@pytest.mark.parametrize("wanted", [True, False], ids=["gradient", "no-gradient"])
def test_what_an_op_saves_and_costs(row: Row, wanted: bool) -> None:
    """In an op behind parameters, and in one whose inputs get no gradient."""
    if wanted and row.word in IDS:
        pytest.skip("ids have no gradient")
    graph = behind_parameters(row) if wanted else single(call(row.word, **row.arguments), *row.inputs)
    mine = counted(graph)
    theirs = step(graph, BATCH, "cpu")
    assert mine.saved_bytes == theirs.saved
    if wanted and not rough(row):
        assert mine.peak_bytes == theirs.peak
    if row.word == "bilinear":
        return  # the counter passes over it
    assert sum(mine.backward_macs) + groups_of(graph) == step(graph, BATCH, "meta").backward_macs


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
@pytest.mark.parametrize("word", sorted(OPS))
def test_what_is_saved_in_other_dtypes(word: str, dtype: str) -> None:
    row = smallest(word)
    graph = single(call(word, **row.arguments), *row.inputs) if word in IDS else behind_parameters(row)
    assert counted(graph, dtype=dtype).saved_bytes == step(graph, BATCH, "cpu", dtype).saved


def test_macs_of_grouped_convolutions() -> None:
    """A convolution in g groups costs what g convolutions of a g-th of the channels cost together."""
    whole = counted(chain((6, 8, 8), call("unit_bias"), call("conv", out=9, kernel=3, groups=3)))
    b = Build((6, 8, 8))
    x = b("unit_bias", -1)
    parts = [b("conv", b("split", x, parts=3, _index=n), out=3, kernel=3) for n in range(3)]
    graph = b.finish(b("concat", *parts))
    assert sum(whole.backward_macs) == step(graph, BATCH).backward_macs == 2 * 2 * 9 * 64 * 2 * 9


def test_macs_of_a_bilinear_layer() -> None:
    """5 outputs of 3 and 4 inputs: (W b) g in 5·(3·4 + 3), (aᵀ W) g in 5·(3·4 + 4), g a bᵀ in 5·(3 + 3·4)."""
    b = Build((3,), (4,))
    values = [b("unit_bias", -1), b("unit_bias", -2)]
    graph = b.finish(b.builder.append(call("bilinear", other=True, out=5), tuple(values), TEXT))
    assert sum(counted(graph, 1).backward_macs) == 75 + 80 + 75


def test_the_first_layer_has_no_input_gradient() -> None:
    """VGG's first two convolutions: the first one's weights only, the second twice."""
    layers = [call("conv", out=4, kernel=3), call("relu"), call("conv", out=4, kernel=3)]
    mine = counted(chain((3, 8, 8), *layers), 1)
    assert mine.backward_macs == (4 * 64 * 3 * 9, 0, 2 * 4 * 64 * 4 * 9)
    assert mine.forward_macs == 4 * 64 * 27 + 4 * 64 * 36


# --- whole networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_networks(network: str) -> None:
    """To the byte, but for recurrent layers, whose many small gradients come and go step by step."""
    graph = NETWORKS[network]()
    mine = train(analyse(graph, BATCH), heads=True)
    theirs = step(graph, BATCH, "cpu")
    assert mine.saved_bytes == theirs.saved
    if network in ("recurrent", "shared"):
        assert mine.peak_bytes == pytest.approx(theirs.peak, rel=0.2)
    else:
        assert mine.peak_bytes == theirs.peak


VIEWS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "tokens": [("tokens", {})],
    "tokens that are added to": [("tokens", {}), ("position", {}), ("dropout", {}), ("square", {})],
    "normalised tokens": [("tokens", {}), ("layernorm", {})],
    "tokens of one": [("gap", {}), ("tokens", {})],
    "tokens of a map of tokens": [("tokens", {}), ("layernorm", {}), ("map", {"like": (3, 4)}), ("tokens", {})],
    "tokens of a map behind them": [
        ("tokens", {}), ("relu", {}), ("linear", {"out": 4}), ("map", {"like": (3, 4)}),
        ("conv", {"out": 5, "kernel": 3}), ("bn", {}), ("maxpool", {"kernel": 2}), ("tokens", {}),
    ],
    "tokens of a map normalised over its channels": [("layernorm", {}), ("tokens", {})],
    "a learned value": [("learned", {"size": (3, 4)})],
    "a learned value, in new memory": [("learned", {"size": (3, 4)}), ("exp", {}), ("exp", {})],
    "a constant": [("constant", {"value": 1.0, "size": (3, 4)})],
}  # fmt: skip


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("reader", ["linear", "attention"])
@pytest.mark.parametrize("view", VIEWS)
def test_products_of_views_keep_copies(view: str, reader: str, batch: int) -> None:
    """A matrix product of tokens that do not follow each other in memory is of a copy, which is what is saved."""
    b = Build((4, 3, 4))
    value = b("conv", -1, out=4, kernel=1)
    for word, arguments in VIEWS[view]:
        value = b(word, value, **arguments)
    if reader == "linear":
        graph = b.finish(b("linear", value, out=3))
    else:
        graph = b.finish(b("attention", value, heads=1))
    mine, theirs = counted(graph, batch), step(graph, batch, "cpu")
    assert mine.saved_bytes == theirs.saved
    assert analyse(graph, batch).totals.peak_memory_bytes == theirs.inference_peak


@pytest.mark.parametrize("order", list(permutations(("x", "y", "z"))))
def test_factors_that_no_gradient_is_made_of_are_not_kept(order: tuple[str, ...]) -> None:
    """Of the input nothing asks for a gradient."""
    b = Build((4, 6, 6))
    values = {"x": b("relu", -1)}
    values["y"] = b("conv", values["x"], out=4, kernel=1)
    values["z"] = b("conv", values["y"], out=4, kernel=1)
    graph = b.finish(b("mul", *[values[name] for name in order]))
    assert counted(graph).saved_bytes == step(graph, BATCH, "cpu").saved


@settings(max_examples=60, deadline=None)
@given(graph=graphs())
def test_random_networks(graph: Graph) -> None:
    assert counted(graph).saved_bytes == step(graph, BATCH, "cpu").saved


@settings(max_examples=30, deadline=None)
@given(graph=graphs(), optimizer=st.sampled_from(sorted(OPTIMIZERS)), dtype=st.sampled_from(sorted(ITEMSIZE)))
def test_a_larger_batch_never_takes_less(graph: Graph, optimizer: str, dtype: str) -> None:
    peaks = [counted(graph, batch, optimizer, dtype).peak_bytes for batch in (1, 2, 3, 8)]
    assert peaks == sorted(peaks)
    assert all(
        counted(graph, 2, optimizer, dtype).peak_bytes >= analyse(graph, 2, dtype).totals.param_bytes for _ in "x"
    )


def test_gradients_are_added_in_place() -> None:
    """Where nothing else holds the gradient that is there, torch's engine adds the next one to it."""
    places: list[int] = []

    def note(gradient: torch.Tensor) -> None:
        places.append(gradient.data_ptr())

    def run(second: Callable[[torch.Tensor], torch.Tensor]) -> bool:
        places.clear()
        x = torch.randn(64, requires_grad=True) * 1
        x.register_hook(note)  # type: ignore[no-untyped-call]
        y = x * 2
        first = second(x)  # the later one runs backward first: it makes the gradient that is there
        first.grad_fn.register_hook(lambda made, _: places.append(made[0].data_ptr()))  # type: ignore[union-attr]
        (y.sum() + first.sum()).backward()  # type: ignore[no-untyped-call]
        return places[0] == places[1]

    assert run(lambda x: x * 3)


@pytest.mark.parametrize(
    ("words", "copies"),
    [(["linear", "linear"], 3), (["embedding", "linear"], 3), (["linear", "embedding"], 2), (["embedding"] * 2, 2)],
)
def test_gradients_of_shared_weights_are_added_in_place_unless_views(words: list[str], copies: int) -> None:
    """How many copies of a matrix are there at most, when two layers share it; the last runs backward first."""
    weights = torch.randn(1000, 500, requires_grad=True)
    ids, x = torch.zeros(3, dtype=torch.long), torch.randn(3, 500)
    made = {"linear": lambda: F.linear(x, weights), "embedding": lambda: F.embedding(ids, weights)}
    loss = sum((made[word]().sum() for word in words), torch.zeros(()))
    peak = allocated_peak(loss.backward)
    assert peak == pytest.approx(copies * weights.nbytes, rel=0.05)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_shared_parameters_are_trained_once(device: str) -> None:
    """A convolution thrice with the same weights: one gradient and one state of it, backward MACs each time."""
    b = Build((4, 8, 8))
    y = -1
    for _ in range(3):
        y = b("relu", b("conv", y, out=4, kernel=3))
    for borrower in (2, 4):
        b.builder.share(borrower, 0)
    graph = b.finish(y)
    mine, theirs = counted(graph, optimizer="adam"), step(graph, BATCH, device)
    parameters = 4 * (4 * 4 * 9 + 4)
    assert mine.param_bytes == mine.gradient_bytes == parameters
    assert mine.optimizer_bytes == 2 * parameters + 4 * 2
    assert mine.backward_macs == tuple(count * BATCH * 4 * 4 * 9 * 64 for count in (1, 0, 2, 0, 2, 0))
    assert sum(mine.backward_macs) == step(graph, BATCH).backward_macs
    assert (mine.saved_bytes, counted(graph).peak_bytes) == (theirs.saved, theirs.peak)


def test_what_no_output_depends_on_is_not_trained() -> None:
    b = Build((4,))
    used = b("linear", -1, out=3)
    b("linear", -1, out=5)
    graph = b.finish(used)
    mine = counted(graph, 1)
    assert mine.backward_macs == (12, 0)
    assert (mine.param_bytes, mine.gradient_bytes) == (4 * (15 + 25), 4 * 15)
    assert step(graph, 1).backward_macs == 12


def test_in_place_in_training() -> None:
    """What keeps its input is not overwritten by it, what keeps its output is not overwritten by others."""
    table = [
        (["conv", "relu"], [False, True]),
        (["conv", "swish"], [False, False]),
        (["conv", "leaky_relu", "elu"], [False, True, False]),  # the first kept its output, the second its input
        (["bn", "relu", "sigmoid"], [False, True, False]),
        (["conv", "relu", "dropout"], [False, True, False]),
    ]
    for words, expected in table:
        given = {"conv": {"out": 4, "kernel": 3}}
        graph = chain((4, 8, 8), *(call(word, **given.get(word, {})) for word in words))
        assert storages(graph, training=True).in_place == expected, words


# --- the split ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_optimiser_state_is_torchs(optimizer: str) -> None:
    graph = chain((3, 8, 8), call("conv", out=4, kernel=3), call("bn"), call("relu"), call("linear", out=5))
    network = build(graph)
    made: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    }
    chosen = made[optimizer](network.parameters())
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    chosen.step()
    state = [value for kept in chosen.state.values() for value in kept.values() if isinstance(value, torch.Tensor)]
    mine = counted(graph, optimizer=optimizer)
    assert mine.optimizer_bytes == sum(tensor.nbytes for tensor in state)
    assert mine.param_bytes == mine.gradient_bytes == sum(p.nbytes for p in network.parameters())
    assert mine.stat_bytes == 2 * 4 * 4
    assert mine.input_bytes == 2 * 3 * 64 * 4


def test_adam_makes_two_tensors_while_it_updates_one() -> None:
    """Watched in its second step, when there is state."""
    parameters = [torch.nn.Parameter(torch.randn(size)) for size in (1000, 300)]
    adam = torch.optim.Adam(parameters, lr=0.1)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    adam.step()
    state = [tensor for kept in adam.state.values() for tensor in kept.values()]
    with LiveTensors(*parameters, *(p.grad for p in parameters if p.grad is not None), *state) as watched:
        adam.step()
    assert watched.peak == pytest.approx(2 * 4 * 1000, abs=64)  # and some numbers


def test_the_split_of_a_small_network() -> None:
    """By hand, batch 2 in float32: conv 3→4 on 8×8, bn, relu, pool, linear to 5."""
    layers = [call("conv", out=4, kernel=3, bias=False), call("bn"), call("relu"), call("maxpool", kernel=2)]
    mine = counted(chain((3, 8, 8), *layers, call("linear", out=5)), 2, "adam")
    value, pooled = 2 * 4 * 64 * 4, 2 * 4 * 16 * 4
    parameters = 4 * (108 + 8 + 64 * 5 + 5)
    assert mine.saved_by_op() == {
        "bn": value + 2 * 4 * 4,  # its input; mean and deviation
        "relu": value,  # its output, which is the pool's input
        "maxpool": 2 * pooled,  # int64 indices
        "linear": pooled,  # its input
    }
    assert mine.param_bytes == parameters
    assert mine.optimizer_bytes == 2 * parameters + 4 * 5  # five tensors
    assert (mine.phase, mine.node and mine.node.path) == ("backward", "relu")
    # Held when the ReLU runs backward: the input, both gradients of the ReLU, what bn and relu saved, and the gradient
    # of the linear layer; the pool's is gone. And the output, for whoever asked for it.
    live = 2 * 3 * 64 * 4 + 2 * 5 * 4 + 2 * value + 2 * value + 2 * 4 * 4 + 4 * (64 * 5 + 5)
    assert mine.peak_bytes == live + parameters + 2 * 4 * 4 + mine.optimizer_bytes


def test_a_large_layer_peaks_in_adams_step() -> None:
    """Adam makes two tensors of the size of the one that it updates."""
    mine = counted(chain((1000,), call("linear", out=1000, bias=False)), 1, "adam")
    weights = 4 * 10**6
    assert (mine.phase, mine.node) == ("step", None)
    assert mine.peak_bytes == (1 + 1 + 2 + 2) * weights + 4 + 4 * 1000


def test_unknown_optimizer() -> None:
    with pytest.raises(UsageError, match="`adm` is not an optimiser") as error:
        counted(chain((3,), call("linear", out=2)), optimizer="adm")
    assert error.value.hint == "Did you mean `adam`?"


def test_heads_are_trained_apart() -> None:
    report = analyse(NETWORKS["head"](), BATCH)
    main, every = train(report), train(report, heads=True)
    assert every.macs > main.macs
    assert every.peak_bytes > main.peak_bytes
    assert len(main.saved) == report.graph.main


def test_nothing_to_train() -> None:
    """Without parameters nothing is saved and nothing runs backward."""
    mine = counted(chain((3, 8, 8), call("relu"), call("gap")))
    assert (mine.saved_bytes, sum(mine.backward_macs), mine.param_bytes) == (0, 0, 0)


def test_attention_without_a_fused_kernel_keeps_its_weights() -> None:
    row = next(row for row in ROWS if row.word == "attention" and "value" in row.arguments)
    kept = {
        buffer.name: buffer.numel
        for buffer in call(row.word, **row.arguments).saved_buffers((True,), *row.inputs, row.shape)
    }
    assert kept["the attention weights"] == 2 * 5 * 7
