"""The torch network: its names, how it trains and travels, and that it keeps to the counts of memory byte by byte."""

from __future__ import annotations

import copy
import io
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archcalc.analyse import analyse, storages
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.ops import Op, Param, Shape, Tokens
from archcalc.runtime import modules
from archcalc.runtime.memory import live_peak
from archcalc.runtime.network import Network, build, example_inputs, execute, parameter_count
from archcalc.runtime.verify import verify
from tests.graphs import TEXT, Build, call, chain, single

IMAGE = (3, 8, 8)


def residual(label: str = "conv2_x") -> Graph:
    """A convolution, a residual block and a classifier; the block stands twice in rows of the same label."""
    b = Build(IMAGE)
    y = b("bn", b("conv", -1, out=4, kernel=3, bias=False))
    y = b("relu", y)
    for _ in range(2):
        with b.builder.span(y, TEXT, label) as entry:
            branch = b("relu", b("bn", b("conv", y, out=4, kernel=3)))
            y = b("relu", b("add", b("conv", branch, out=4, kernel=1), y))
            entry[-1] = y
    return b.finish(b("linear", b("dropout", b("gap", y)), out=5))


def vision_transformer() -> Graph:
    """One encoder layer."""
    b = Build(IMAGE)
    x = b("position", b("class_token", b("tokens", b("conv", -1, out=8, kernel=4, stride=4))))
    x = b("add", b("attention", b("layernorm", x), heads=2), x)
    x = b("add", b("linear", b("gelu", b("linear", b("layernorm", x), out=16)), out=8), x)
    return b.finish(b("softmax", b("linear", b("take", b("layernorm", x)), out=5)))


def with_head() -> Graph:
    b = Build(IMAGE)
    middle = b("relu", b("conv", -1, out=4, kernel=3))
    end = b("linear", b("gap", middle), out=5)
    main = len(b.builder)
    b.builder.head = "aux"
    aux = b("linear", b("sigmoid", b("avgpool", middle, kernel=2)), out=5)
    return b.finish(end, main=main, heads=(("aux", aux),))


def two_parts() -> Graph:
    b = Build((4, 6, 6), (3, 6, 6))
    joined = b("concat", -1, b("conv", -2, out=2, kernel=3))
    left, right = b("split", joined, parts=2), b("split", joined, parts=2, _index=1)
    return b.finish(b("relu", left), right)


def recurrent() -> Graph:
    """Words to a class, with another reading of them beside it."""
    b = Build((7,))
    words = b("embed", -1, words=11, width=6)
    states = b("gru", b("lstm", words, width=4), width=4, biases=2)
    read = b("attention", states, words, heads=2, memory=True, key=4, value=6, causal=True)
    return b.finish(b("linear", b("tanh", b("take", b("layernorm", read), index=6)), out=3))


def u_net() -> Graph:
    """Down, and up again with a cropped connection; windows padded on one side only."""
    b = Build(IMAGE)
    wide = b("prelu", b("conv", -1, out=4, kernel=3, same=True, stride=1))
    low = b("conv", b("maxpool", wide, kernel=3, stride=2, same=True), out=8, kernel=3)
    low = b("leaky_relu", b("groupnorm", low, groups=2))
    up = b("crop", b("deconv", b("pad", low, size=1), out=4, kernel=2, stride=2), wide, like=True)
    joined = b("shuffle", b("concat", up, wide), groups=2)
    mean = b("avgpool", joined, kernel=2, stride=1, same=True, count_pad=False)
    down = b("upsample", b("conv", b("hardswish", mean), out=2, kernel=2, stride=2, pad=0), factor=2, smooth=True)
    return b.finish(b("reshape", b("affine", b("adaptive_avgpool", down, size=3)), size=18))


NETWORKS = {
    "residual": residual,
    "transformer": vision_transformer,
    "head": with_head,
    "parts": two_parts,
    "recurrent": recurrent,
    "u-net": u_net,
}


@pytest.fixture(params=sorted(NETWORKS))
def graph(request: pytest.FixtureRequest) -> Graph:
    return NETWORKS[request.param]()


def inputs(graph: Graph, batch: int = 2) -> list[Tensor]:
    return example_inputs(graph, batch, seed=7)


def network(graph: Graph, heads: bool = False) -> Network:
    """In evaluation mode, with the same parameters each time."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build(graph, heads=heads).eval()


# What the module is: names, outputs, devices, copies.


def test_state_dict_names(graph: Graph) -> None:
    """Path, a dot, and the name that the op gives."""
    expected = {
        f"{node.path}.{param.name}": param.shape
        for node in graph.nodes
        for param in node.op.params(*(graph.shape(value) for value in node.inputs))
    }
    there = {
        key: tuple(value.shape)
        for key, value in build(graph, "meta", heads=True).state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    assert there == expected


LABELS = ["conv2_x", "3×3 conv, 64", "7×7/2", "type", "half", "training", "forward", "a.b/c", "parameters", ".x", ""]


@pytest.mark.parametrize("label", LABELS)
def test_rows_may_have_any_name(label: str) -> None:
    graph = residual(label)
    net, x = network(graph), inputs(graph)
    assert f"{label}.1/conv.1.weight" in net.state_dict()
    expected = net(*x)
    other = build(graph).eval()
    other.load_state_dict(net.state_dict())
    for twin in (other, copy.deepcopy(net), pickled(net), net.to(torch.float64).to(torch.float32).train().eval()):
        torch.testing.assert_close(twin(*x), expected)


def test_a_path_below_another() -> None:
    """The node `relu`, and a row `relu` of two whose paths begin with it."""
    b = Build(IMAGE)
    y = -1
    for word in ("conv", "conv"):
        with b.builder.span(y, TEXT, "linear") as entry:
            y = entry[-1] = b(word, y, out=2, kernel=3)
    graph = b.finish(b("linear", y, out=5))
    assert [node.path for node in graph.nodes] == ["linear.1/conv", "linear.2/conv", "linear.3"]
    graph = Graph(graph.inputs, (*graph.nodes[:2], graph.nodes[2]._replace(path="linear")), 3, (2,), (), ())
    keys = ["linear.1/conv.weight", "linear.1/conv.bias", "linear.2/conv.weight", "linear.2/conv.bias"]
    assert sorted(build(graph, "meta").state_dict()) == sorted([*keys, "linear.weight", "linear.bias"])


def test_outputs() -> None:
    plain, headed = with_head(), network(with_head(), heads=True)
    (x,) = inputs(plain)
    main, heads = headed(x)
    assert main.shape == (2, 5)
    assert {name: tuple(y.shape) for name, y in heads.items()} == {"aux": (2, 5)}
    assert not any("avgpool" in name for name, _ in build(plain).named_modules())
    left, right = network(two_parts())(*inputs(two_parts()))
    assert left.shape == right.shape == (2, 3, 6, 6)
    main, heads = network(residual(), heads=True)(x)
    assert main.shape == (2, 5)
    assert heads == {}


def test_a_network_of_nothing() -> None:
    b = Build(IMAGE)
    (x,) = inputs(b.finish(-1))
    assert build(b.finish(-1))(x) is x


def test_inputs_are_counted() -> None:
    with pytest.raises(TypeError, match="takes 2 values"):
        build(two_parts())(torch.zeros(1, 4, 6, 6))


def test_meta_takes_no_memory() -> None:
    net = build(chain((10**6,), call("linear", out=10**6)), device="meta")
    assert all(parameter.is_meta for parameter in net.parameters())
    assert parameter_count(net) == 10**12 + 10**6


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_dtype(dtype: str) -> None:
    net = build(residual(), dtype=dtype)
    assert {parameter.dtype for parameter in net.parameters()} == {getattr(torch, dtype)}


def test_unknown_dtype() -> None:
    with pytest.raises(UsageError, match="`float23` is not a dtype"):
        build(residual(), dtype="float23")


def test_the_argument_is_not_kept() -> None:
    graph = residual()
    net, (x,) = network(graph), inputs(graph)
    gone = weakref.ref(x)
    with torch.inference_mode():
        net(x)
    del x
    assert gone() is None


def test_values_are_freed_after_their_last_use() -> None:
    graph = residual()
    net = network(graph)
    values = net.values(inputs(graph))
    with torch.inference_mode():
        execute(net.program, values)
    assert [slot for slot, value in enumerate(values) if value is not None] == [0, net.slot(graph.outputs[0])]


def pickled(net: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    loaded: nn.Module = torch.load(file, weights_only=False)
    return loaded


TRAVELS: dict[str, Callable[[Network], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": pickled,
    "export": lambda net: torch.export.export(net, tuple(inputs(net.graph))).module(),
}


@pytest.mark.filterwarnings("ignore:The tensor attributes self")  # of torch.export, about torch's own LSTM
@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS.keys())
def test_travels(graph: Graph, travel: Callable[[Network], Any]) -> None:
    net, x = network(graph, heads=True), inputs(graph)
    expected = net(*x)
    there = travel(net)
    torch.testing.assert_close(there(*x), expected)
    for parameter in net.parameters():  # the twin has parameters of its own
        nn.init.zeros_(parameter)
    if not isinstance(there, torch.fx.GraphModule):
        torch.testing.assert_close(there(*x), expected)


# Training.


def test_training_lowers_the_loss(graph: Graph) -> None:
    net, x = network(graph).train(), inputs(graph, batch=4)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for _ in range(8):
        torch.manual_seed(0)  # for dropout
        output = net(*x)
        loss = sum(y.square().mean() for y in (output if isinstance(output, tuple) else (output,)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert all(parameter.grad is not None for parameter in net.parameters())


def gradients(net: Network, x: list[Tensor]) -> list[Tensor | None]:
    output = net(*x)
    weights = torch.Generator().manual_seed(1)
    total = torch.zeros(())
    for y in output if isinstance(output, tuple) else (output,):
        total = total + (y * torch.randn(y.shape, generator=weights)).sum()
    if total.requires_grad:
        torch.autograd.backward(total)
    return [parameter.grad for parameter in net.parameters()]


def never_in_place(net: Network) -> Network:
    other = copy.deepcopy(net)
    for module in other.modules():
        if isinstance(module, modules.InPlace):
            module.in_place = module.in_place_training = False
    return other


def test_an_input_kept_for_the_backward_pass_is_not_overwritten() -> None:
    """The first convolution's output is the second's input, and the ReLU is the last to read it."""
    b = Build(IMAGE)
    x = b("conv", -1, out=4, kernel=3)
    graph = b.finish(b("add", b("conv", x, out=4, kernel=3), b("relu", x)))
    net = network(graph)
    (relu,) = [module for module in net.modules() if isinstance(module, modules.Activation)]
    assert relu.in_place
    assert not relu.in_place_training
    gradients(net, inputs(graph))


# Dropout and merges.


def test_dropout_allocates_unless_in_place() -> None:
    x = torch.ones(2, 3)
    dropout = modules.Dropout(0.5).eval()
    with torch.inference_mode():
        assert dropout(x).data_ptr() != x.data_ptr()
        dropout.in_place = True
        assert dropout(x) is x
    assert dropout(x).data_ptr() != x.data_ptr()  # autograd may record
    dropout.in_place_training = True
    assert dropout(x) is x
    for p in (0.0, 0.5, 1.0):
        assert modules.Dropout(p).train()(x).data_ptr() != x.data_ptr()


@pytest.mark.parametrize("word", modules.ACTIVATIONS)
def test_activations_in_place(word: str) -> None:
    x = torch.linspace(-8, 8, 33)
    activation = modules.Activation(word)
    with torch.inference_mode():
        expected = activation.eval()(x)
        assert expected.data_ptr() != x.data_ptr()
        activation.in_place = True
        y = activation(copied := x.clone())
        assert y.data_ptr() == copied.data_ptr()
        torch.testing.assert_close(y, expected)


REFERENCES: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu6": lambda x: x.clamp(0, 6),
    "swish": lambda x: x * torch.sigmoid(x),
    "gelu": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "leaky_relu": lambda x: torch.maximum(x, 0.01 * x),
    "elu": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * (torch.exp(x) - 1)),
    "hardswish": lambda x: x * (x + 3).clamp(0, 6) / 6,
    "hardsigmoid": lambda x: (x + 3).clamp(0, 6) / 6,
    "quickgelu": lambda x: x / (1 + torch.exp(-1.702 * x)),
    "mish": lambda x: x * torch.tanh(torch.log1p(torch.exp(x))),
    "tanh": lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x)),
    "softplus": lambda x: torch.log1p(torch.exp(x)),
}


@pytest.mark.parametrize("word", modules.ACTIVATIONS)
def test_activations_are_what_they_say(word: str) -> None:
    x = torch.linspace(-8, 8, 33)
    activation = modules.Activation(word)
    torch.testing.assert_close(activation(x), REFERENCES[word](x))
    with torch.inference_mode():
        torch.testing.assert_close(activation(x), REFERENCES[word](x))


def test_missing_axes_stand_behind_the_batch() -> None:
    x, y = torch.randn(2, 2, 3, 4), torch.randn(2, 3, 4)
    torch.testing.assert_close(modules.Add()(x, y)[1], x[1] + y[1])
    torch.testing.assert_close(modules.Add()(y, x)[1], x[1] + y[1])
    torch.testing.assert_close(modules.Multiply()(y, x, y)[1], x[1] * y[1] * y[1])
    torch.testing.assert_close(modules.Mean()(x, x, -x), x / 3)


def test_merges_leave_their_branches_alone() -> None:
    x, y = torch.randn(2, 1, 3), torch.randn(2, 5, 1)
    before = x.clone(), y.clone()
    for merge in (modules.Multiply(), modules.Add(), modules.Mean()):
        merge(x, y, x, y)
        torch.testing.assert_close((x, y), before)


def test_attention_is_the_formula() -> None:
    """softmax(QKᵀ / √d) · V in each of two heads of width 3, and the projection (arXiv:1706.03762, eq. 1)."""
    attention, x = modules.Attention(6, 6, 6, 6, heads=2), torch.randn(2, 5, 6)
    q, k, v = attention.q(x), attention.k(x), attention.v(x)
    heads = [
        torch.softmax(q[..., a:b] @ k[..., a:b].transpose(1, 2) / 3**0.5, -1) @ v[..., a:b] for a, b in ((0, 3), (3, 6))
    ]
    torch.testing.assert_close(attention(x), attention.out(torch.cat(heads, -1)))


def test_layer_norm_of_a_map_is_over_its_channels() -> None:
    x = torch.randn(2, 4, 3, 5)
    y = modules.ChannelLayerNorm(4, eps=1e-6)(x)
    deviation = x.var(1, keepdim=True, unbiased=False).add(1e-6).sqrt()
    torch.testing.assert_close(y, (x - x.mean(1, keepdim=True)) / deviation)


# Memory: the storages of a run, and its live tensors, are those that `analyse` counts.


def tracked_peak(graph: Graph, batch: int) -> int:
    """The most bytes of live tensors in an inference, the network's input among them."""
    with torch.no_grad():
        return live_peak(network(graph), inputs(graph, batch))[0]


def assert_storages(graph: Graph) -> None:
    """Node by node: the output stands where `storages` says."""
    net = network(graph)
    values = net.values(inputs(graph))
    with torch.inference_mode():
        execute([step._replace(free=()) for step in net.program], values)
    places = [values[net.slot(node)].untyped_storage().data_ptr() for node in range(len(graph.nodes))]
    at_input = [values[net.slot(-1 - number)].untyped_storage().data_ptr() for number in range(len(graph.inputs))]
    roots = storages(graph).root
    assert places == [places[root] if root >= 0 else at_input[-1 - root] for root in roots]
    new = {places[root] for root in set(roots) if root >= 0}
    assert len(new) == sum(root >= 0 for root in set(roots))
    assert new.isdisjoint(at_input)


def assert_in_place_changes_nothing(graph: Graph) -> None:
    """Outputs in an inference, and gradients in a training step, are those of a network that never works in place."""
    net, x = network(graph), inputs(graph)
    other = never_in_place(net)
    with torch.inference_mode():
        torch.testing.assert_close(net(*x), other(*x))
    torch.testing.assert_close(gradients(net, x), gradients(other, x))


def bottleneck() -> Graph:
    """Convolutions, ReLUs, an addition and a concatenation, as in the networks of the papers."""
    b = Build((3, 16, 16))
    stem = b("relu", b("bn", b("conv", -1, out=8, kernel=3)))
    left = b("relu", b("conv", b("relu", b("conv", stem, out=4, kernel=1)), out=8, kernel=3))
    added = b("relu", b("add", left, stem))
    wide = b("concat", b("conv", added, out=6, kernel=1), b("relu", b("conv", added, out=10, kernel=3)), added)
    return b.finish(b("linear", b("dropout", b("relu", b("linear", wide, out=20))), out=5))


def vgg_like() -> Graph:
    layers: list[Op] = []
    for width in (8, 16):
        layers += [call("conv", out=width, kernel=3), call("relu")] * 2 + [call("maxpool", kernel=2)]
    classifier = [call("linear", out=32), call("relu"), call("dropout"), call("linear", out=10)]
    return chain((3, 32, 32), *layers, *classifier)


@pytest.mark.parametrize("graph", [bottleneck(), vgg_like(), residual()], ids=["bottleneck", "vgg-like", "residual"])
@pytest.mark.parametrize("batch", [1, 3])
def test_peak_memory_is_measured_to_the_byte(graph: Graph, batch: int) -> None:
    assert tracked_peak(graph, batch) == analyse(graph, batch).totals.peak_memory_bytes


def test_storages_are_those_counted(graph: Graph) -> None:
    assert_storages(graph.without_heads())


# Random networks, of ops whose kernels need no memory beside their output.


@st.composite
def graphs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Graph:
    """Up to a dozen nodes, each on one or more of the values so far, mostly of late; one or two outputs."""
    b = Build((draw(st.integers(2, 4)), 4, 4))

    def pick(fits: Callable[[Shape], bool]) -> int | None:
        there = [value for value in range(-1, len(b.builder)) if fits(b.builder.shape(value))]
        return there[max(0, len(there) - 1 - draw(st.sampled_from((0, 0, 0, 1, 2, 3))))] if there else None

    def anything(shape: Shape) -> bool:
        return True

    def is_map(shape: Shape) -> bool:
        return not isinstance(shape, Tokens) and len(shape) > 1

    def is_even(shape: Shape) -> bool:
        return is_map(shape) and shape[0] % 2 == 0

    def is_sequence(shape: Shape) -> bool:
        return isinstance(shape, Tokens)

    for _ in range(draw(st.integers(1, 12))):
        word = draw(st.sampled_from(("activation", "activation", "conv", "conv", "dropout", "merge", "other")))
        if word == "activation":
            word = draw(st.sampled_from([word for word in modules.ACTIVATIONS if word != "quickgelu"]))  # two buffers
        elif word == "merge":
            word = draw(st.sampled_from(("add", "mul", "mean", "concat")))
        elif word == "other":
            word = draw(st.sampled_from(("bn", "softmax", "split", "tokens", "take")))
        wanted = {"conv": is_map, "bn": is_map, "tokens": is_map, "split": is_even, "take": is_sequence}
        value = pick(wanted.get(word, anything))
        if value is None:
            continue
        if word == "conv":
            out, kernel, bias = draw(st.integers(2, 4)), draw(st.sampled_from((1, 3))), draw(st.booleans())
            b("conv", value, out=out, kernel=kernel, bias=bias)
        elif word == "split":
            for index in range(2):
                b("split", value, parts=2, _index=index)
        elif word in ("add", "mul", "mean", "concat"):
            shape = b.builder.shape(value)
            others = [pick(shape.__eq__) for _ in range(draw(st.integers(1, 2)))]
            b(word, value, *(other for other in others if other is not None))
        else:
            b(word, value)
    last = len(b.builder) - 1
    return b.finish(last, *draw(st.lists(st.integers(0, last), max_size=1)) if last > 0 else ())


@settings(max_examples=100, deadline=None)
@given(graph=graphs())
def test_random_networks(graph: Graph) -> None:
    assert verify(graph) == []
    assert_storages(graph)
    assert_in_place_changes_nothing(graph)
    assert tracked_peak(graph, 2) == analyse(graph, 2).totals.peak_memory_bytes


# The oracle itself: it finds what is wrong.


def test_verify_agrees(graph: Graph) -> None:
    assert verify(graph) == []


CONV = type(call("conv", out=1, kernel=1))


@pytest.mark.parametrize(
    ("rule", "wrong", "found"),
    [
        ("macs", lambda op, x, y: 1, ["conv: 1 MACs, torch counts 288"]),
        (
            "shape",
            lambda op, x: (2, 4, 5),
            ["conv: the output is 2×4×5, in torch 2×4×4", "conv: 360 MACs, torch counts 288"],
        ),
        (
            "params",
            lambda op, x: (Param("weight", (2, 1, 3, 3), "weight"), Param("shift", (2,), "bias")),
            [
                "conv: the parameter `bias` is missing, in torch 2",
                "conv: the parameter `shift` is 2, in torch missing",
                # the sum is the same: 18 + 2
            ],
        ),
        (
            "params",
            lambda op, x: (Param("weight", (2, 1, 3, 3), "weight"), Param("bias", (2,), "stat")),
            [
                "conv: the parameter `bias` is missing, in torch 2",
                "conv: the statistic `bias` is 2, in torch missing",
                "the network has 18 parameters, torch has 20",
            ],
        ),
        (
            "torch",
            lambda op, rt, x: rt.nn.Linear(3, 3),
            [
                "conv: the parameter `bias` is 2, in torch 3",
                "conv: the parameter `weight` is 2×1×3×3, in torch 3×3",
                "conv: torch refuses it: ",
                "the network has 20 parameters, torch has 12",
            ],
        ),
    ],
)
def test_verify_finds(monkeypatch: pytest.MonkeyPatch, rule: str, wrong: Any, found: list[str]) -> None:
    monkeypatch.setattr(CONV, rule, wrong)
    differences = verify(single(call("conv", out=2, kernel=3), (1, 4, 4)))
    assert len(differences) == len(found), differences
    assert all(difference.startswith(start) for difference, start in zip(differences, found, strict=True)), differences
