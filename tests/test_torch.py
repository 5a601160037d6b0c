"""`.torch()` as those use it who train: losses fall, names are plain, old checkpoints load."""

from __future__ import annotations

import io
import re
from hashlib import sha256
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import archcalc
from archcalc.errors import SpecError, UsageError
from archcalc.graph import state_key, state_keys
from archcalc.language.zoo import selections, spec_files
from archcalc.models import models
from archcalc.networks import network
from archcalc.ops import Shape
from archcalc.runtime.network import build, example_inputs, without_probabilities
from tests.graphs import TEXT, Build

# --- training -----------------------------------------------------------------------------------------------------

# Ten families, made small by their input and their constants, and the learning rate for Adam.
TRAINED: dict[str, tuple[Shape | None, dict[str, int], float]] = {
    "densenet-40-12": ((3, 8, 8), {"Depth": 16}, 1e-2),
    "dropout-mlp-1024": (None, {}, 1e-3),
    "highway-10": (None, {}, 1e-2),
    "lenet5-dense": (None, {}, 3e-3),
    "lstm-ptb-small": (None, {"V": 20, "n": 32, "words": 6}, 2e-2),
    "mobilenetv1-0.25": ((3, 64, 64), {"classes": 10}, 3e-3),
    "resnet20-cifar": ((3, 16, 16), {}, 1e-2),
    "transformer-base": (None, {"N": 1, "d_model": 128, "d_ff": 128, "h": 2, "d_k": 64, "d_v": 64, "V": 20}, 1e-2),
    "vit-b-16": ((3, 32, 32), {"D": 32, "mlp": 64, "L": 2, "heads": 2, "classes": 10}, 3e-3),
    "wrn-40-1": ((3, 16, 16), {}, 1e-2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_ten_families_learn_fixed_random_data(name: str) -> None:
    """In 30 steps to below a tenth of the first loss, by the loss that wants no softmax in front of it."""
    size, settings, rate = TRAINED[name]
    model = archcalc.load(name, input=size, settings=settings)
    x = example_inputs(model.graph, 8, seed=1)
    losses = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = model.torch(logits=True).train()
        optimiser = torch.optim.Adam(net.parameters(), lr=rate)
        drawn = torch.Generator().manual_seed(2)
        for step in range(30):
            y = net(*x)
            rows = y.flatten(0, -2) if y.ndim < 4 else y.flatten(1)  # an average of maps is 1×1
            if not step:
                wanted = torch.randint(rows.shape[1], rows.shape[:1], generator=drawn)
            loss = F.cross_entropy(rows, wanted)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_nothing_ends_in_a_probability() -> None:
    """Of no output and no head, for every family; the default is the network as it is printed and counted."""
    for path in spec_files():
        graph = network(selections(path)[1][0].name).graph
        ends = {*graph.outputs, *dict(graph.head_outputs).values()}
        left = without_probabilities(graph)
        now = {*left.outputs, *dict(left.head_outputs).values()}
        assert not any(left.nodes[end].op.probabilities for end in now)
        assert [node.path for node in left.nodes] == [
            node.path for at, node in enumerate(graph.nodes) if at not in ends or not node.op.probabilities
        ]
        assert len(now) == len(ends)


def test_logits_are_what_the_softmax_reads() -> None:
    """With the same names, so that a checkpoint of one is one of the other; heads too."""
    model = archcalc.load("googlenet", input=(3, 193, 193))
    plain, logits = model.torch(heads=True).eval(), model.torch(heads=True, logits=True).eval()
    logits.load_state_dict(plain.state_dict())
    (x,) = example_inputs(model.graph, 1)
    with torch.inference_mode():
        (y, heads), (z, of_heads) = plain(x), logits(x)
    torch.testing.assert_close(y, z.softmax(1))
    assert heads.keys() == of_heads.keys()
    for name, head in heads.items():
        torch.testing.assert_close(head, of_heads[name].softmax(1))


def test_a_probability_that_others_read_stays_for_them() -> None:
    b = Build((4,))
    y = b("softmax", b("linear", -1, out=4))
    graph = b.finish(y, b("linear", y, out=2))
    net = build(graph, logits=True)
    x = torch.randn(2, 4)
    first, second = net(x)
    torch.testing.assert_close(first, net.get_submodule("linear_1")(x))
    torch.testing.assert_close(second, net.get_submodule("linear_2")(first.softmax(1)))


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("conv2_x/bottleneck.2/conv.1", "conv2_x.bottleneck_2.conv_1"),
        ("3×3 conv, 64/conv", "_3_3_conv_64.conv"),
        ("Dense Block (1)/bn.1", "Dense_Block_1.bn_1"),
        ("type/training/conv", "type_.training_.conv"),
        ("/conv", "_.conv"),
        ("_modules/__x__/conv", "modules_.x.conv"),
        ("卷积/größe/conv", "卷积.größe.conv"),
        ("ﬁrst/conv", "first.conv"),
    ],
)
def test_the_rule(path: str, key: str) -> None:
    assert state_key(path) == key
    assert all(level.isidentifier() for level in key.split("."))


def test_keys_of_the_zoo_are_plain_and_lead_back() -> None:
    """One name for each node, from graphs alone."""
    for name in models():
        graph = network(name).graph
        keys = state_keys(graph)
        back = {key: path for path, key in keys.items()}
        assert [back[state_key(node.path)] for node in graph.nodes] == [node.path for node in graph.nodes]
        assert all(re.fullmatch(r"[A-Za-z_0-9]+(\.[A-Za-z_0-9]+)*", key) for key in back), name


def rows(*labels: str) -> Any:
    b, y = Build((4,)), -1
    for label in labels:
        b.builder.open(y, TEXT, label)
        y = b("linear", y, out=4)
        b.builder.close(y)
    return b.finish(y)


def test_collisions_are_refused() -> None:
    with pytest.raises(SpecError, match=r"`a b/linear` and `a_b/linear` .* called `a_b.linear` and `a_b.linear`"):
        state_keys(rows("a b", "a_b"))
    b = Build((4,))
    y = b("linear", b("linear", -1, out=4), out=4)
    b.builder.open(y, TEXT, "linear_2")
    y = b("linear", y, out=4)
    b.builder.close(y)
    with pytest.raises(SpecError, match=r"`linear.2` and `linear_2/linear`"):
        state_keys(b.finish(y))


# What archcalc 0.1.0 called one of their parameters, and the SHA-256 of all these names in lines, sorted.
OLD = {
    "alexnet": ("CONV5/conv.weight", "4bd19bfa1bc9391f"),
    "densenet-40-12": ("layer.20/composite/bn.weight", "c63f8ed67aca4de9"),
    "googlenet": ("inception (4c)/inception/cv.6/conv.weight", "7d679389dce0f811"),
    "lenet5": ("C3/c3/four.3/conv.bias", "5132a6c49bd1c6c4"),
    "lstm-ptb-small": ("layer.2/lstm.weight_ih_l0", "948576ae17d2ede7"),
    "mobilenetv2": ("bottleneck.4/inverted.3/body/bn.3.bias", "da305fde2e96f735"),
    "resnet20-cifar": ("2n.1/basic.2/bn.1.running_mean", "3ad525a9f62ae9cd"),
    "resnet18-cbam": ("conv4_x/basic.1/conv.2.weight", "bb96c06f988a0e54"),
    "transformer-base": ("decoder.2/attention.1.q.weight", "6ce1688e51126b35"),
    "vit-b-16": ("encoder.7/layernorm.1.weight", "0e753927244ca662"),
}


@pytest.mark.parametrize("name", OLD)
def test_checkpoints_of_old_names_load(name: str) -> None:
    """From the file that `torch.save` wrote, read with `weights_only`."""
    model = archcalc.load(name)
    net = model.torch("meta", heads=True)
    now = net.state_dict()
    paths = {key: path for path, key in state_keys(model.graph).items()}

    def before(key: str) -> str:
        node, rest = key, ""
        while node not in paths:
            node, _, last = node.rpartition(".")
            rest = f".{last}{rest}"
        return paths[node] + rest

    old = {before(key): torch.empty(0) for key in now}
    one, digest = OLD[name]
    assert one in old
    assert sha256("\n".join(sorted(old)).encode()).hexdigest().startswith(digest)
    file = io.BytesIO()
    torch.save(old, file)
    file.seek(0)
    found = model.convert_state_dict(torch.load(file, weights_only=True))
    assert list(found) == list(now)
    assert model.convert_state_dict(found).keys() == now.keys(), "names of today stay"
    net.load_state_dict({key: torch.empty_like(now[key]) for key in found})


def test_a_checkpoint_of_another_network() -> None:
    with pytest.raises(UsageError, match=r"`C9/conv.weight` is no parameter of this network") as caught:
        archcalc.load("lenet5-dense").convert_state_dict({"C1/conv.weight": 1, "C9/conv.weight": 2})
    assert caught.value.hint == "Did you mean `C5/conv`?"
