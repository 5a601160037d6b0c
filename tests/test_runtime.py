"""The torch network: its names, how it trains and travels, and that it keeps to the counts of memory byte by byte."""

from __future__ import annotations

import copy
import io
import math
import weakref
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archcalc.analysis.counts import analyse, cost_of
from archcalc.analysis.memory import storages
from archcalc.errors import UsageError
from archcalc.graph import Graph, shape_of, state_key
from archcalc.models import load
from archcalc.ops import Op, Param, Shape, Tokens
from archcalc.runtime import modules
from archcalc.runtime.network import Network, build, example_inputs, execute, parameter_count
from archcalc.runtime.verify import verify
from tests.graphs import TEXT, Build, call, chain, single
from tests.steps import LiveTensors

IMAGE = (3, 8, 8)


def residual(label: str = "conv2_x") -> Graph:
    """A convolution, a residual block and a classifier; the block stands twice in rows of the same label."""
    b = Build(IMAGE)
    y = b("bn", b("conv", -1, out=4, kernel=3, bias=False))
    y = b("relu", y)
    for _ in range(2):
        b.builder.open(y, TEXT, label)
        branch = b("relu", b("bn", b("conv", y, out=4, kernel=3)))
        y = b("relu", b("add", b("conv", branch, out=4, kernel=1), y))
        b.builder.close(y)
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


def shared() -> Graph:
    """Words to words with one matrix for both; a recurrent layer and a normalisation that read two sequences."""
    b = Build((7,))
    words = b("embed", -1, words=11, width=6)
    few = b("stack", b("take", words), b("take", words, index=3))
    states = [b("lstm", words, width=6), b("lstm", few, width=6)]
    states = [b("layernorm", b("linear", state, out=6)) for state in states]
    last = b("take", b("reverse", b("sinusoid", states[0])))
    both = b("add", b("complement", last), b("take", states[1], index=1), b("zeros", words, width=6))
    logits = b("linear", b("stack", both), out=11, bias=False)
    nodes = [node for node in range(len(b.builder)) if b.builder.params(node)]
    embed, lstm, lstm_of_few, linear, norm, linear_of_few, norm_of_few, again = nodes
    for node, owner in ((lstm_of_few, lstm), (linear_of_few, linear), (norm_of_few, norm), (again, embed)):
        b.builder.share(node, owner)
    return b.finish(logits)


NETWORKS = {
    "residual": residual,
    "transformer": vision_transformer,
    "head": with_head,
    "parts": two_parts,
    "recurrent": recurrent,
    "u-net": u_net,
    "shared": shared,
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
    """The name of the node by the rule, a dot, and the name that the op gives."""
    expected = {
        f"{state_key(node.path)}.{param.name}": param.shape
        for node in graph.nodes
        if node.shares is None  # the others' stand there already
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
    assert f"{state_key(label + '.1')}.conv_1.weight" in net.state_dict()
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
        b.builder.open(y, TEXT, "linear")
        y = b(word, y, out=2, kernel=3)
        b.builder.close(y)
    graph = b.finish(b("linear", y, out=5))
    assert [node.path for node in graph.nodes] == ["linear.1/conv", "linear.2/conv", "linear.3"]
    graph = Graph(graph.inputs, (*graph.nodes[:2], graph.nodes[2]._replace(path="linear")), 3, (2,), (), ())
    keys = ["linear_1.conv.weight", "linear_1.conv.bias", "linear_2.conv.weight", "linear_2.conv.bias"]
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
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        build(two_parts())(torch.zeros(1, 4, 6, 6))
    with pytest.raises(TypeError, match="takes 2 values"):
        build(two_parts()).values([torch.zeros(1, 4, 6, 6)])


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


def scripted(net: nn.Module) -> nn.Module:
    """By `torch.jit.script`, saved and loaded again."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    file.seek(0)
    loaded: nn.Module = torch.jit.load(file)  # type: ignore[no-untyped-call]
    return loaded


def compiled(net: Network) -> Any:
    """Without a compiler of C++; torch itself leaves recurrent layers out of one graph."""
    torch.compiler.reset()
    whole = not any(isinstance(module, nn.RNNBase) for module in net.modules())
    return torch.compile(net, backend="aot_eager", fullgraph=whole)


TRAVELS: dict[str, Callable[[Network], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": pickled,
    "export": lambda net: torch.export.export(net, tuple(inputs(net.counted))).module(),
    "script": scripted,
    "fx": torch.fx.symbolic_trace,
    "deepcopy of fx": lambda net: copy.deepcopy(torch.fx.symbolic_trace(net)),
    "compile": compiled,
}


@pytest.mark.filterwarnings("ignore:The tensor attributes self")  # of torch.export, about torch's own LSTM
@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS.keys())
def test_travels(graph: Graph, travel: Callable[[Network], Any]) -> None:
    net, x = network(graph, heads=True), inputs(graph)
    expected = net(*x)
    there = travel(net)
    torch.testing.assert_close(there(*x), expected)
    if travel not in (copy.deepcopy, pickled):
        return
    assert type(there).__name__ == "Network"
    assert list(there.state_dict()) == list(net.state_dict())
    for parameter in net.parameters():  # the twin has parameters of its own
        nn.init.zeros_(parameter)
    torch.testing.assert_close(there(*x), expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("written", [torch.jit.script, torch.fx.symbolic_trace], ids=["script", "fx"])
def test_what_was_written_in_an_evaluation_trains(graph: Graph, written: Callable[[Network], Any]) -> None:
    """Code that was written without gradients has the gradients of the network: nothing in it works in place."""
    net, x = network(graph), inputs(graph)
    with torch.inference_mode():
        there = written(net)
    expected = gradients(net, x)
    net.zero_grad()
    torch.testing.assert_close(gradients(there, x), expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("written", [torch.jit.script, torch.fx.symbolic_trace], ids=["script", "fx"])
def test_what_was_written_drops_out_in_training(written: Callable[[Network], Any]) -> None:
    graph = chain((50,), call("dropout"))
    there, x = written(network(graph)), torch.ones(1, 50)
    assert torch.equal(there(x), x)
    assert 0 < (there.train()(x) == 0).sum() < 50


def test_another_layer_in_the_place_of_one() -> None:
    """As those do who train a network again for other classes."""
    net, (x,) = network(residual()), inputs(residual())
    net.linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 7))
    for there in (net, copy.deepcopy(net), pickled(net)):
        assert there(x).shape == (2, 7)
    assert copy.deepcopy(net.train()).training


# Shared weights.


def test_shared_weights_are_one_tensor() -> None:
    """The last layer's matrix is the embedding's: it stands in the parameters once, and both work with it."""
    net, (ids,) = network(shared()), inputs(shared())
    before = net(ids)
    assert sorted(net.state_dict()) == [
        "embed.weight",
        "layernorm_1.bias",
        "layernorm_1.weight",
        "linear_1.bias",
        "linear_1.weight",
        *(f"lstm_1.{name}_l0" for name in ("bias_ih", "weight_hh", "weight_ih")),
    ]
    # 11·6 words; 4·6·(6 + 6 + 1) gates; 6·6 + 6; 2·6
    assert parameter_count(net) == analyse(shared()).totals.params == 66 + 312 + 42 + 12
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name == "embed.weight":
                parameter.zero_()
    after = net(ids)
    assert before.abs().sum() > 0
    assert after.abs().sum() == 0  # only the last layer's matrix makes it so: there are biases and norms before it


def test_gradients_of_shared_weights_add_up() -> None:
    """y = W(W x + b) + b."""
    b = Build((4,))
    y = b("linear", b("linear", -1, out=4), out=4)
    b.builder.share(y, 0)
    net, x = network(b.finish(y)), torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    net(x).sum().backward()
    weight, bias = (parameter.detach().clone().requires_grad_() for parameter in net.parameters())
    torch.autograd.backward(F.linear(F.linear(x, weight, bias), weight, bias).sum())
    torch.testing.assert_close([parameter.grad for parameter in net.parameters()], [weight.grad, bias.grad])


@pytest.mark.parametrize("assign", [False, True])
def test_shared_weights_follow_their_owner(assign: bool) -> None:
    """From meta to the CPU, and with tensors that are put in the place of the old ones."""
    graph = shared()
    net, x = network(graph), inputs(graph)
    other = build(graph, "meta").to_empty(device="cpu").eval()
    for name, buffer in net.named_buffers():  # what no `state_dict` holds
        other.get_buffer(name).copy_(buffer)
    other.load_state_dict(net.state_dict(), assign=assign)
    torch.testing.assert_close(other(*x), net(*x))


BY_STEPS = """
input: 5
blocks:
  cell(n):
    - x: identity
    - h: zeros(n)
    - c: zeros(n)
    - x
    - steps:
        - t: identity
        - th: {concat: [t, h]}
        - i: th linear(n) sigmoid
        - f: th linear(n) sigmoid
        - g: th linear(n) tanh
        - o: th linear(n) sigmoid
        - c: {add: [mul: [f, c], mul: [i, g]]}
        - h: {mul: [o, c tanh]}
layers:
  - embed(9, 4) cell(3)
"""


def test_a_cell_written_as_steps_is_torchs_lstm(tmp_path: Path) -> None:
    path = tmp_path / "steps.yaml"
    path.write_text(BY_STEPS, encoding="utf-8")
    graph = load(str(path)).graph
    net, (ids,) = network(graph), inputs(graph)
    assert verify(graph) == []
    weights = dict(net.named_parameters())
    lstm = nn.LSTM(4, 3, batch_first=True)
    gates = [weights.pop(f"cell.step_1.linear_{gate}.weight") for gate in (1, 2, 3, 4)]
    biases = [weights.pop(f"cell.step_1.linear_{gate}.bias") for gate in (1, 2, 3, 4)]
    matrix = torch.cat([*gates])  # each [n, d + n]
    parameters = {"weight_ih_l0": matrix[:, :4], "weight_hh_l0": matrix[:, 4:], "bias_ih_l0": torch.cat([*biases])}
    lstm.load_state_dict({**parameters, "bias_hh_l0": torch.zeros(12)})
    assert list(weights) == ["embed.weight"]
    torch.testing.assert_close(net(ids), lstm(weights["embed.weight"][ids])[0])


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


def test_small_modules_by_hand() -> None:
    x = torch.arange(12.0).view(1, 3, 4)
    assert modules.Shift()(x.view(1, 1, 3, 4)).tolist() == [[[[5, 6, 7, 0], [9, 10, 11, 0], [0, 0, 0, 0]]]]
    assert modules.Reverse()(x).tolist() == [[[8, 9, 10, 11], [4, 5, 6, 7], [0, 1, 2, 3]]]
    assert modules.Weighted()(x, torch.tensor([[[1.0], [0], [2]]])).tolist() == [[16, 19, 22, 25]]
    assert modules.Over("mean", 1, True)(x).tolist() == [[[4, 5, 6, 7]]]
    assert modules.Over("amax", 1, True)(-x).tolist() == [[[0, -1, -2, -3]]]
    assert modules.Maxout(2, -1)(x).tolist() == [[[1, 3], [5, 7], [9, 11]]]
    assert modules.Maxout(3, 1)(x).tolist() == [[[8, 9, 10, 11]]]
    assert modules.Complement()(x).tolist() == (1 - x).tolist()
    assert modules.Constant(torch.zeros(2))(x).tolist() == [[0, 0]]
    assert modules.Stack()(x[:, 2], x[:, 0]).tolist() == [[[8, 9, 10, 11], [0, 1, 2, 3]]]


def test_sinusoid_is_section_3_5() -> None:
    """sin(p / 10000^(2i/d)) at 2i, the cosine behind it."""
    y = modules.Sinusoid(7, 6)(torch.zeros(1, 7, 6))[0]
    for position in range(7):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            assert y[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert y[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_sinusoid_of_differences_counts_down_from_the_furthest_before() -> None:
    """Token 0 of seven stands for a difference of 3, token 3 for none, token 6 for −3."""
    shape = Tokens((7, 6))
    y = call("sinusoid", relative=True).torch(modules, shape)(torch.zeros(1, *shape))[0]
    for token, apart in enumerate((3, 2, 1, 0, -1, -2, -3)):
        for i in range(3):
            angle = apart / 10_000 ** (2 * i / 6)
            assert y[token, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert y[token, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_similarity_is_a_cosine_times_the_temperature() -> None:
    a, b = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])
    assert modules.Similarity()(a, b).item() == pytest.approx(24 / 25 / 0.07)


def test_a_softmax_over_weights_of_tokens_is_over_the_tokens() -> None:
    """A width of 1 has nothing to be normalised over (Bahdanau et al., eq. 6)."""
    x = torch.tensor([[[0.0], [math.log(3)]]])
    torch.testing.assert_close(call("softmax").torch(modules, Tokens((2, 1)))(x), torch.tensor([[[0.25], [0.75]]]))


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
        torch.testing.assert_close(y, expected, equal_nan=True)


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
    "exp": lambda x: torch.tensor([math.exp(v) for v in x]),
    "log": lambda x: torch.tensor([math.log(v) if v > 0 else -math.inf if v == 0 else math.nan for v in x]),
    "abs": lambda x: torch.maximum(x, -x),
    "sqrt": lambda x: torch.tensor([math.sqrt(v) if v >= 0 else math.nan for v in x]),
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
}


@pytest.mark.parametrize("word", modules.ACTIVATIONS)
def test_activations_are_what_they_say(word: str) -> None:
    x = torch.linspace(-8, 8, 33)
    activation = modules.Activation(word)
    torch.testing.assert_close(activation(x), REFERENCES[word](x), equal_nan=True)
    with torch.inference_mode():
        torch.testing.assert_close(activation(x), REFERENCES[word](x), equal_nan=True)


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
    attention, x = call("attention", heads=2).torch(modules, Tokens((5, 6))), torch.randn(2, 5, 6)
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


def normed(word: str, x: Tensor, **arguments: Any) -> Any:
    shape = tuple(x.shape[1:])
    module: Any = call(word, **arguments).torch(modules, Tokens(shape) if len(shape) == 2 else shape)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.linspace(0.5, 2, parameter.numel()))
    return module(x).detach()


@pytest.mark.parametrize("size", [(2, 5, 6), (2, 6, 3, 5)])
def test_norms_of_length_and_root_mean_square_are_over_the_channels(size: tuple[int, ...]) -> None:
    """Each vector of channels by itself, over its root mean square, or its length, times a factor a channel."""
    x = torch.randn(size)
    rows = x if x.dim() == 3 else x.movedim(1, -1)
    factors = torch.linspace(0.5, 2, 6)
    for word, divisor, arguments in (
        ("rmsnorm", (rows.pow(2).mean(-1, keepdim=True) + 1e-3).sqrt(), {"eps": 1e-3}),
        ("l2norm", rows.pow(2).sum(-1, keepdim=True).sqrt(), {"scale": True}),
    ):
        y = rows / divisor * factors
        torch.testing.assert_close(normed(word, x, **arguments), y if x.dim() == 3 else y.movedim(-1, 1))
        flat = rows / divisor
        wanted = flat if x.dim() == 3 else flat.movedim(-1, 1)
        torch.testing.assert_close(normed(word, x, **(arguments | {"scale": False})), wanted)


def test_the_global_response_norm_is_the_formula() -> None:
    """Algorithm 1 of arXiv:2301.00808, channels last there."""
    x, factors = torch.randn(2, 6, 3, 5), torch.linspace(0.5, 2, 6)
    rows = x.permute(0, 2, 3, 1)
    lengths = rows.pow(2).sum((1, 2), keepdim=True).sqrt()
    y = factors * (rows * (lengths / (lengths.mean(-1, keepdim=True) + 1e-6))) + factors + rows
    torch.testing.assert_close(normed("grn", x), y.permute(0, 3, 1, 2))


@pytest.mark.parametrize("word", ["bn", "layernorm", "groupnorm", "instancenorm", "rmsnorm", "grn"])
def test_a_norm_without_its_scale_or_shift_is_that_at_one_or_zero(word: str) -> None:
    """And what keeps it from dividing by zero is part of the function."""
    x = torch.randn(2, 6, 3, 5)
    more: Any = {"groupnorm": {"groups": 3}, "instancenorm": {"affine": True}}.get(word, {})
    for scale in (False, True):
        for shift in (False, True):
            module = call(word, scale=scale, shift=shift, **more).torch(modules, (6, 3, 5))
            whole = call(word, scale=True, shift=True, **more).torch(modules, (6, 3, 5))
            with torch.no_grad():
                for name, on, off in (("weight", scale, 1.0), ("bias", shift, 0.0)):
                    whole.get_parameter(name).copy_(torch.linspace(0.5, 2, 6) if on else torch.full((6,), off))
                for name, parameter in module.named_parameters():
                    parameter.copy_(whole.get_parameter(name))
            torch.testing.assert_close(module(x), whole(x))
    small = x / 100
    coarse = call(word, eps=0.1, **more).torch(modules, (6, 3, 5))
    if word == "grn":
        torch.nn.init.ones_(coarse.weight)
    fine = copy.deepcopy(coarse)
    fine.eps = 1e-7
    assert (coarse(small) - fine(small)).abs().max() > 1e-4


def test_positions_learned_for_more_tokens_than_there_are() -> None:
    module, x = call("position", length=9).torch(modules, Tokens((5, 4))), torch.randn(2, 5, 4)
    torch.testing.assert_close(module(x), x + module.positions[:5])


def test_fixed_and_learned_values_do_not_depend_on_what_is_before() -> None:
    x = torch.randn(3, 4)
    learned = call("learned", size=(2, 3)).torch(modules, (4,))
    torch.testing.assert_close(learned(x), torch.stack([learned.weight] * 3))
    triangle = call("triangle", tokens=3, below=0.0, above=-1e9).torch(modules, (4,))(x)[1]
    assert triangle.tolist() == [[0, -1e9, -1e9], [0, 0, -1e9], [0, 0, 0]]
    places = call("coordinates", size=(3, 2), log=8.0).torch(modules, (4,))(x)[2]
    far = math.log2(1 + 8) / 3  # Swin V2's: sign(x) · log2(1 + 8·|x|) / 3
    torch.testing.assert_close(places, torch.tensor([[y, x] for y in (-far, 0.0, far) for x in (-far, far)]))
    assert call("coordinates", size=(5, 1)).torch(modules, (4,))(x)[0].tolist() == [[y / 2, 0] for y in range(-2, 3)]
    assert call("constant", 0.5, (2, 1, 2)).torch(modules, (4,))(x).tolist() == [[[[0.5, 0.5]], [[0.5, 0.5]]]] * 3


def test_sines_are_those_of_detr_and_dit() -> None:
    """As the appendix of DETR and the code of DiT's authors write them, element by element."""
    detr = modules.sines(16, (3, 5), 2 * math.pi, True, False)
    dit = modules.sines(16, (3, 5), None, False, True)
    for y, x, c in product(range(3), range(5), range(16)):
        place = 2 * math.pi * ((y + 1) / 3 if c < 8 else (x + 1) / 5) / 10_000 ** (2 * (c % 8 // 2) / 8)
        assert float(detr[c, y, x]) == pytest.approx((math.cos if c % 2 else math.sin)(place), abs=1e-6)
        place = (x if c < 8 else y) / 10_000 ** (c % 4 / 4)
        assert float(dit[c, y, x]) == pytest.approx((math.cos if c % 8 >= 4 else math.sin)(place), abs=1e-6)


# Memory: the storages of a run, and its live tensors, are those that `analyse` counts.


def tracked_peak(graph: Graph, batch: int) -> int:
    """The most bytes of live tensors in an inference, the network's input among them."""
    net, x = network(graph), inputs(graph, batch)
    tracker = LiveTensors(*net.parameters(), *net.buffers())
    for tensor in x:
        tracker.note(tensor)
    with torch.inference_mode(), tracker:
        net(*x)
    return tracker.peak


def assert_storages(graph: Graph) -> None:
    """Node by node: the output stands where `storages` says."""
    net = network(graph)
    values = net.values(inputs(graph))
    with torch.inference_mode():
        execute([step._replace(free=()) for step in net.program], values)
    places = [values[net.slot(node)].untyped_storage().data_ptr() for node in range(len(graph.nodes))]
    at_input = [values[net.slot(-1 - number)].untyped_storage().data_ptr() for number in range(len(graph.inputs))]
    held = len(graph.inputs)  # below the inputs: what a node has of its own
    roots = [index if root < -held else root for index, root in enumerate(storages(graph).alias_root)]
    assert places == [places[root] if root >= 0 else at_input[-1 - root] for root in roots]
    new = {places[root] for root in set(roots) if root >= 0}
    assert len(new) == sum(root >= 0 for root in set(roots))
    assert new.isdisjoint(at_input)


def assert_in_place_changes_nothing(graph: Graph) -> None:
    """Outputs in an inference, and gradients in a training step, are those of a network that never works in place."""
    net, x = network(graph), inputs(graph)
    other = never_in_place(net)
    with torch.inference_mode():
        torch.testing.assert_close(net(*x), other(*x), equal_nan=True)
    torch.testing.assert_close(gradients(net, x), gradients(other, x), equal_nan=True)


@pytest.mark.parametrize("word", modules.ACTIVATIONS)
def test_an_activation_in_place_changes_no_gradient(word: str) -> None:
    """Behind what keeps nothing and in front of what keeps its input, and the reverse; of numbers that all of them are
    defined for."""
    b = Build((2, 3, 3))
    y = b("square", b(word, b("unit_bias", b("square", b("unit_bias", -1)))))
    assert_in_place_changes_nothing(b.finish(y))


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
    def forget() -> None:
        cost_of.cache_clear()
        shape_of.cache_clear()

    monkeypatch.setattr(CONV, rule, wrong)
    forget()
    differences = verify(single(call("conv", out=2, kernel=3), (1, 4, 4)))
    forget()  # of what is wrong here nothing stays
    assert len(differences) == len(found), differences
    assert all(difference.startswith(start) for difference, start in zip(differences, found, strict=True)), differences
