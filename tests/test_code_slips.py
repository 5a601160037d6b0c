"""Networks at random, all of whose sides are 8, against themselves with one thing otherwise. The oracle is torch: what
is told to be equal, and to give the same numbers, does so with the weights that go across."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from archcalc.alignment.align import align  # noqa: E402
from archcalc.alignment.weights import carried  # noqa: E402
from archcalc.models import capture  # noqa: E402
from archcalc.runtime.same import same_numbers  # noqa: E402

SIDE = 8
Ways = tuple[Callable[[Any, Tensor], Tensor], ...]


def standardised(x: Tensor, over: Any, kept: bool = False, outside: bool = False) -> Tensor:
    square = x.var(over, unbiased=kept, keepdim=True)
    root = square.sqrt() + 1e-5 if outside else (square + 1e-5).sqrt()
    return (x - x.mean(over, keepdim=True)) / root


# What may stand in a network: the sizes of its parameters, and the ways to write it, which are others or the same.
STEPS: dict[str, tuple[dict[str, tuple[int, ...]], Ways]] = {
    "a bias": ({"b": (8,)}, (
        lambda m, x: x + m.b, lambda m, x: x + m.b[:, None], lambda m, x: x + m.b[:, None, None],
        lambda m, x: x - m.b[:, None, None], lambda m, x: m.b.view(1, -1, 1, 1) + x, lambda m, x: x + m.b.flip(0),
    )),
    "a scale": ({"b": (8,)}, (
        lambda m, x: x * m.b, lambda m, x: x * m.b[:, None], lambda m, x: x * m.b[:, None, None],
        lambda m, x: x / m.b[:, None, None], lambda m, x: x * (1 + m.b[:, None, None]),
    )),
    "a layer": ({"w": (8, 8), "b": (8,)}, (
        lambda m, x: torch.einsum("bchw,oc->bohw", x, m.w) + m.b[:, None, None],
        lambda m, x: torch.einsum("bchw,co->bohw", x, m.w) + m.b[:, None, None],
        lambda m, x: torch.einsum("bchw,oh->bcow", x, m.w) + m.b[:, None, None], lambda m, x: x @ m.w + m.b,
        lambda m, x: x @ m.w.T + m.b, lambda m, x: m.w @ x + m.b, lambda m, x: F.linear(x, m.w, m.b),
        lambda m, x: x @ m.w + m.b[:, None], lambda m, x: F.linear(x.permute(0, 2, 3, 1), m.w, m.b).permute(0, 3, 1, 2),
    )),
    "a convolution": ({"w": (8, 8, 3, 3)}, (
        lambda m, x: F.conv2d(x, m.w, padding=1), lambda m, x: F.conv2d(x, m.w.transpose(2, 3), padding=1),
        lambda m, x: F.conv2d(x, m.w.transpose(0, 1), padding=1), lambda m, x: F.conv2d(x, m.w, padding=2, dilation=2),
        lambda m, x: F.conv2d(F.pad(x, (1, 1, 1, 1)), m.w), lambda m, x: F.conv2d(F.pad(x, (2, 0, 1, 1)), m.w),
        lambda m, x: F.conv2d(x.mT, m.w, padding=1).mT, lambda m, x: F.conv_transpose2d(x, m.w, padding=1),
    )),
    "an activation": ({}, (
        lambda m, x: F.relu(x), lambda m, x: (x + x.abs()) / 2, lambda m, x: (x - x.abs()) / 2,
        lambda m, x: torch.max(x, 0.2 * x), lambda m, x: torch.min(x, 0.2 * x), lambda m, x: F.leaky_relu(x, 0.2),
        lambda m, x: torch.where(x > 0.1, x, 0.2 * x), lambda m, x: x * x.sign(), lambda m, x: x.clamp(max=0),
        lambda m, x: F.threshold(x, 0.1, 0), lambda m, x: torch.div(x, 2, rounding_mode="floor"), lambda m, x: x / 2,
        lambda m, x: F.gelu(x), lambda m, x: F.gelu(x, approximate="tanh"), lambda m, x: x * torch.sigmoid(-x),
    )),
    "a norm": ({}, (
        lambda m, x: F.layer_norm(x, (8,)), lambda m, x: F.layer_norm(x, (8, 8)), lambda m, x: F.instance_norm(x),
        lambda m, x: F.group_norm(x, 2), lambda m, x: F.group_norm(x, 4), lambda m, x: F.normalize(x, dim=1),
        lambda m, x: F.normalize(x, dim=2), lambda m, x: standardised(x.reshape(len(x), 2, -1), -1).view_as(x),
        lambda m, x: standardised(x.reshape(len(x), 2, -1), -1, True).view_as(x),
        lambda m, x: standardised(x.reshape(len(x), 2, -1), -1, outside=True).view_as(x),
        lambda m, x: standardised(x, 1), lambda m, x: standardised(x, (2, 3)), lambda m, x: standardised(x, 3),
    )),
    "shares": ({}, (
        *((lambda m, x, axis=axis: x.softmax(axis)) for axis in (1, 2, 3)), lambda m, x: F.log_softmax(x, 1),
        lambda m, x: x.softmax(1).log(), lambda m, x: F.softmin(x, 1), lambda m, x: x.exp() / x.exp().sum(1, True),
        lambda m, x: x.exp() / x.exp().sum(2, True), lambda m, x: x.flatten(2).softmax(-1).view_as(x),
    )),
    "what moves": ({}, (
        lambda m, x: x.transpose(2, 3) * 1.5, lambda m, x: x.transpose(1, 2) * 1.5, lambda m, x: x.flip(2) * 1.5,
        lambda m, x: x.roll(1, 2) * 1.5, lambda m, x: x.roll(1, 3) * 1.5, lambda m, x: F.channel_shuffle(x, 2) * 1.5,
        lambda m, x: torch.cat(x.chunk(2, 1)[::-1], 1) * 1.5, lambda m, x: torch.cat((x[:, 4:], x[:, :4]), 1) * 1.5,
    )),
    "with itself": ({}, (
        lambda m, x: x + x.mean(1, True), lambda m, x: x + x.mean(2, True), lambda m, x: x + x.mean((2, 3), True),
        lambda m, x: x.mean((2, 3), True) - x, lambda m, x: x @ x, lambda m, x: x @ x.mT, lambda m, x: x.mT @ x,
        lambda m, x: torch.lerp(x, x.flip(1), 0.3), lambda m, x: torch.lerp(x.flip(1), x, 0.3),
        lambda m, x: x.cumsum(2),
    )),
    "a constant": ({}, (
        lambda m, x: x + torch.arange(8.0), lambda m, x: x + torch.arange(8.0)[:, None], lambda m, x: x + torch.eye(8),
        lambda m, x: x * torch.ones(8, 8).tril(), lambda m, x: x * torch.ones(8, 8).triu(), lambda m, x: 1 - x,
        lambda m, x: x * torch.linspace(0, 1, 8), lambda m, x: x * torch.linspace(0, 1, 8)[:, None, None],
    )),
}  # fmt: skip


class Net(nn.Module):
    def __init__(self, plan: Sequence[tuple[str, int]]) -> None:
        super().__init__()
        self.plan = plan
        sizes = [STEPS[name][0] for name, _ in plan]
        self.parts = nn.ModuleList(nn.ParameterDict({k: torch.randn(n) for k, n in own.items()}) for own in sizes)

    def forward(self, x: Tensor) -> Tensor:
        for (name, way), part in zip(self.plan, self.parts, strict=True):
            x = STEPS[name][1][way](part, x)
        return x


@pytest.mark.parametrize("seed", [*range(10), *(pytest.param(n, marks=pytest.mark.exhaustive) for n in range(10, 800))])
def test_what_is_told_to_be_the_same_gives_the_same(seed: int) -> None:
    drawn = random.Random(seed)
    torch.manual_seed(seed)
    names = drawn.choices([*STEPS], k=drawn.randint(1, 3))
    plan = [(name, drawn.randrange(len(STEPS[name][1]))) for name in names]
    at = drawn.randrange(len(plan))
    other = [*plan]
    other[at] = names[at], drawn.randrange(len(STEPS[names[at]][1]))
    modules = [Net(way).eval() for way in (plan, other)]
    models = [capture(module, torch.empty(1, SIDE, SIDE, SIDE)) for module in modules]
    found = align(models[0].graph, models[1].graph)
    if found.verdict == "different":
        assert plan != other
        return
    same = same_numbers(found, "net", models[0].report().totals)
    modules[1].load_state_dict(carried(found, modules[0].state_dict(), "net"), strict=False)
    x = torch.randn(2, SIDE, SIDE, SIDE)
    with torch.inference_mode():
        one, two = (module(x) for module in modules)
    if not found.left_out:
        assert same is torch.allclose(one, two, rtol=1e-4, atol=1e-4 * float(one.abs().max()))
