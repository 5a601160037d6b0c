"""Models that are equations in a paper: the same function in plain torch on the same weights, and a loss that falls."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import archcalc
from archcalc.ops import Shape
from archcalc.runtime.network import example_inputs

Outputs = Tensor | tuple[Tensor, ...]


class Row(NamedTuple):
    """A model, made small by its constants and its input, and what it computes of its inputs and its parameters, both
    in order."""

    name: str
    settings: dict[str, int]
    formula: Callable[..., Outputs] | None = None
    input: Shape | None = None
    rate: float = 1e-2  # of learning


def nadaraya_watson(query: Tensor, keys: Tensor, values: Tensor, w: Tensor | float = 1.0) -> Tensor:
    """Σ K(x − x_i) y_i / Σ K(x − x_j), K a Gaussian."""
    kernel = torch.exp(-(((query[:, :, None] - keys) * w) ** 2) / 2)
    return (kernel * values).sum(2) / kernel.sum(2)


def additive(query: Tensor, keys: Tensor, values: Tensor, wk: Tensor, wq: Tensor, v: Tensor) -> Tensor:
    scores = [v @ torch.tanh(wq @ query.T + wk @ keys[:, :, i].T) for i in range(keys.shape[2])]
    return torch.einsum("in,ndi->nd", torch.cat(scores).softmax(0), values)


def dot_product(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    scores = torch.einsum("nd,ndi->ni", query, keys) / query.shape[1] ** 0.5
    return torch.einsum("ni,ndi->nd", scores.softmax(1), values)[:, None]


def over_steps(step: Callable[..., tuple[Tensor, ...]], x: Tensor, *widths: int) -> Tensor:
    """What `step` gives first of each column of x and the states, which it gives anew behind it; they begin as 0."""
    states: tuple[Tensor, ...] = tuple(x.new_zeros(x.shape[0], n) for n in widths)
    made = []
    for column in x.unbind(2):
        y, *states = step(column, *states)  # type: ignore[assignment]
        made.append(y)
    return torch.stack(made, 1)


def jordan(x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
    def step(x: Tensor, state: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        state = 0.5 * state + y
        y = torch.sigmoid(torch.sigmoid(torch.cat((x, state), 1) @ w.T + b) @ v.T + c)
        return y, state, y

    return over_steps(step, x, 3, 3)


def elman(x: Tensor, w: Tensor, u: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
    def step(x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        h = torch.tanh(x @ w.T + h @ u.T + b)
        return torch.sigmoid(h @ v.T + c), h

    return over_steps(step, x, u.shape[0])


def williams_zipser(x: Tensor, w: Tensor) -> Tensor:
    def step(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        y = torch.sigmoid(torch.cat((x, y), 1) @ w.T)
        return y, y

    return over_steps(step, x, w.shape[0])


def lstm_step(x: Tensor, h: Tensor, c: Tensor, w: Tensor, b: Tensor, *see: Tensor) -> tuple[Tensor, Tensor]:
    """With the weights of i, f, o and g one above the other; `see` are those by which f, i and o see the cell."""
    i, f, o, g = (torch.cat((x, h), 1) @ w.T + b).chunk(4, 1)
    c = torch.sigmoid(f + see[0] * c) * c + torch.sigmoid(i + see[1] * c) * torch.tanh(g)
    return torch.sigmoid(o + see[2] * c) * torch.tanh(c), c


def peephole(x: Tensor, *p: Tensor) -> Tensor:
    def step(x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        h, c = lstm_step(x, h, c, *p)
        return h, h, c

    return over_steps(step, x, p[2].shape[0], p[2].shape[0])


def gated_step(x: Tensor, h: Tensor, wzr: Tensor, bzr: Tensor | float, w: Tensor, b: Tensor | float) -> Tensor:
    z, r = torch.sigmoid(torch.cat((x, h), 1) @ wzr.T + bzr).chunk(2, 1)
    return (1 - z) * h + z * torch.tanh(torch.cat((x, r * h), 1) @ w.T + b)


def gated(x: Tensor, *p: Tensor) -> Tensor:
    def step(x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        h = gated_step(x, h, *p)
        return h, h

    return over_steps(step, x, p[2].shape[0])


def synthesis(x: Tensor, text: Tensor, *p: Tensor) -> tuple[Tensor, ...]:
    """Equations 46 to 51 of arXiv:1308.0850: a window of Gaussian functions that moves along the text."""
    places, n = torch.arange(1.0, text.shape[2] + 1), p[2].shape[0]

    def step(x: Tensor, kappa: Tensor, w: Tensor, *s: Tensor) -> tuple[Tensor, ...]:
        h1, c1 = lstm_step(torch.cat((x, w), 1), *s[:2], *p[:5])
        alpha, beta, moved = torch.exp(h1 @ p[5].T + p[6]).chunk(3, 1)
        kappa = kappa + moved
        phi = (alpha[..., None] * torch.exp(-beta[..., None] * (kappa[..., None] - places) ** 2)).sum(1)
        w = torch.einsum("nu,ncu->nc", phi, text)
        h2, c2 = lstm_step(torch.cat((x, w, h1), 1), *s[2:4], *p[7:12])
        h3, c3 = lstm_step(torch.cat((x, w, h2), 1), *s[4:], *p[12:17])
        return torch.cat((h1, h2, h3), 1), kappa, w, h1, c1, h2, c2, h3, c3

    y = over_steps(step, x, p[5].shape[0] // 3, text.shape[1], *[n] * 6) @ p[17].T + p[18]
    e, pi, mu, sigma, rho = torch.split(y, [1, 20, 40, 40, 20], 2)
    return torch.sigmoid(e), pi.softmax(2), mu, torch.exp(sigma), torch.tanh(rho)


def routing(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, w: Tensor) -> Tensor:
    """Procedure 1 of arXiv:1710.09829, the length of each class' vector behind three rounds."""

    def squash(s: Tensor, dim: int) -> Tensor:
        square = (s**2).sum(dim, True)
        return square / (1 + square) * s / square.sqrt()

    x = F.conv2d(F.relu(F.conv2d(x, w1, b1)), w2, b2, stride=2)
    u = squash(x.view(x.shape[0], 32, 8, -1).permute(0, 2, 1, 3).flatten(2), 1)  # 8 × 1,152
    votes = torch.einsum("iod,ndi->nio", w[..., 0], u).view(x.shape[0], -1, 16, 10).permute(0, 1, 3, 2)
    b = votes.new_zeros(votes.shape[:3])
    for _ in range(3):
        v = squash((b.softmax(2)[..., None] * votes).sum(1), 2)
        b = b + (votes * v[:, None]).sum(3)
    return (v**2).sum(2).sqrt()


def perceptron(x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
    return F.conv2d(F.relu(F.conv2d(x, w, b)), v, c)


def se(x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
    return x * torch.sigmoid(perceptron(x.mean((2, 3), True), w, b, v, c))


def cbam(x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor, spatial: Tensor) -> Tensor:
    mean, largest = (perceptron(pooled, w, b, v, c) for pooled in (x.mean((2, 3), True), x.amax((2, 3), True)))
    x = x * torch.sigmoid(mean + largest)
    return x * torch.sigmoid(F.conv2d(torch.stack((x.mean(1), x.amax(1)), 1), spatial, padding=3))


def st_cnn(x: Tensor, *p: Tensor) -> Tensor:
    """ST-CNN Single: four layers say where to read, then eight convolutions, three layers and five classifiers."""
    shared = iter(p)

    def layer(x: Tensor, call: Callable[..., Tensor], **more: int) -> Tensor:
        return F.relu(call(x, next(shared), next(shared), **more))

    seen = layer(F.max_pool2d(layer(x, F.conv2d, padding=2), 2), F.conv2d, padding=2).flatten(1)
    theta = F.linear(layer(layer(seen, F.linear), F.linear), next(shared), next(shared))
    grid = F.affine_grid(theta.view(-1, 2, 3), list(x.shape), align_corners=True)
    x = F.grid_sample(x, grid, align_corners=True)
    for n in range(8):
        x = layer(x, F.conv2d, padding=2)
        x = F.max_pool2d(x, 2) if n in (0, 2, 4, 6) else x
    x = x.flatten(1)
    for _ in range(3):
        x = layer(x, F.linear)
    return torch.stack([F.linear(x, next(shared), next(shared)).softmax(1) for _ in range(5)], 1)


def stochastic_pooling(x: Tensor, *p: Tensor) -> Tensor:
    """At a test: each element of a window times its share of the window's sum."""
    for n in range(3):
        x = F.relu(F.conv2d(x, p[2 * n], p[2 * n + 1], padding=2))
        more = (x.shape[2] - 3) % 2
        windows = F.pad(x, (0, more, 0, more)).unfold(2, 3, 2).unfold(3, 3, 2).flatten(4)
        x = (windows * windows / windows.sum(4, True).clamp(min=1e-6)).sum(4)
        squares = F.pad(x**2, (0, 0, 0, 0, 2, 2)).unfold(1, 5, 1).sum(4)
        x = x / (2 + 1e-4 * squares) ** 0.75
    return F.linear(x.flatten(1), *p[6:]).softmax(1)


def convolution(x: Tensor, w: Tensor) -> Tensor:
    return F.conv1d(x, w.view(1, 1, -1)).flatten(1)


SMALL = {"H": 6, "W": 6}
RNN = {"d": 3, "n": 5, "T": 3}
ROWS = [
    Row("nadaraya-watson", {}, nadaraya_watson),
    Row("nadaraya-watson-parametric", {}, nadaraya_watson),
    Row("additive-attention", {}, additive),
    Row("dot-product-attention", {}, dot_product),
    Row("multi-head-attention", {}, input=(64, 5)),
    Row("jordan-network", {}, jordan),
    Row("elman-network", RNN, elman),
    Row("williams-zipser", {}, williams_zipser),
    Row("lstm-speech", RNN, peephole),
    Row("gru-speech", RNN, gated),
    Row("gru-cell", {"d": 3, "n": 5}, lambda x, h, wzr, w: gated_step(x, h, wzr, 0.0, w, 0.0)),
    Row("lstm-cell", {"d": 3, "n": 5}),
    Row("graves-lm-char", RNN),
    Row("graves-handwriting", {"n": 5}),
    Row("graves-handwriting-synthesis", {"n": 5, "letters": 7}, synthesis),
    Row("capsnet-without-decoder", {}, routing, rate=1e-5),
    Row("residual-bottleneck", SMALL),
    Row("residual-resnext", SMALL),
    Row("residual-cbam", SMALL),
    Row("se-module", SMALL, se),
    Row("cbam-module", SMALL, cbam),
    Row("densenet-bc-block", SMALL),
    Row("perceptron", {}),
    Row("layer-locally-connected", {}),
    Row("layer-convolutional", {}, convolution),
    Row("layer-convolutional-toeplitz", {}, convolution),
    Row("hvt-ti-1", {"D": 24, "classes": 10}, input=(3, 64, 64)),
    Row("discogan-generator", {}, input=(3, 32, 32)),
    Row("st-cnn-single", {}, st_cnn, (3, 16, 16), rate=1e-4),
    Row("stochastic-pooling-mnist", {}, stochastic_pooling, rate=1e-3),
    Row("maxout-mnist", {}, rate=1e-3),
    Row("simple-mlp-1", {}, rate=1e-3),
    Row("rnnenc-30", {"T": 3, "n": 8, "m": 6, "l": 5, "K": 20}),
    Row("gnmt", {"T": 3, "n": 8, "V": 20}),
    Row("pix2pix-discriminator", {}, input=(6, 64, 64), rate=1e-4),
]


@pytest.mark.parametrize("row", [row for row in ROWS if row.formula], ids=lambda row: row.name)
def test_it_is_the_paper_s_function(row: Row) -> None:
    model = archcalc.load(row.name, input=row.input, settings=row.settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = model.torch().eval()
    inputs = example_inputs(model.graph, 2, seed=1)
    assert row.formula
    with torch.inference_mode():
        torch.testing.assert_close(net(*inputs), row.formula(*inputs, *net.parameters()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_learns(row: Row) -> None:
    """Fixed random numbers, from fixed random inputs: the loss falls, and every parameter has a gradient."""
    model = archcalc.load(row.name, input=row.input, settings=row.settings)
    inputs = example_inputs(model.graph, 4, seed=1)
    losses = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = model.torch(logits=True).train()
        if not list(net.parameters()):
            assert model.totals.params == 0
            return
        optimiser = torch.optim.Adam(net.parameters(), lr=row.rate)
        wanted: list[Tensor] = []
        for _ in range(6):
            made = net(*inputs)
            outputs = [made] if isinstance(made, Tensor) else list(made)
            wanted = wanted or [torch.rand_like(output) for output in outputs]
            loss = torch.stack([F.mse_loss(*pair) for pair in zip(outputs, wanted, strict=True)]).sum()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in net.parameters())
