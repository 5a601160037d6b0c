"""Attention of today against its formulas, written out token by token, and the specs that are made of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from archcalc.errors import SpecError
from archcalc.models import load
from archcalc.ops import Shape, Tokens
from archcalc.runtime import modules
from archcalc.runtime.network import build
from archcalc.runtime.verify import verify
from tests.graphs import Build, call, single

T, M, D, HEADS = 6, 9, 24, 4
X, SOURCE, VALUES = Tokens((T, D)), Tokens((M, 10)), Tokens((M, 7))


def twin(*shapes: Shape, **arguments: Any) -> Any:
    """The torch twin of an attention of four heads, its parameters at random."""
    module: Any = call("attention", heads=HEADS, **arguments).torch(modules, *shapes).double().eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    return module


def value(shape: Shape, seed: int = 1) -> Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(seed)).double()


def scores_mixed(module: Any, weights: Tensor, v: Tensor) -> Tensor:
    """The output for weights of each head and sample, and the values of each of its own heads."""
    group = HEADS // v.shape[2]
    heads = [weights[:, head] @ v[:, :, head // group] for head in range(HEADS)]
    out: Tensor = module.out(torch.cat(heads, -1))
    return out


def plain(module: Any, x: Tensor, shared: int = HEADS, bias: Any = None, source: Tensor | None = None) -> Tensor:
    """softmax(q · k / √d + bias(head, i, j)) of each pair of tokens, one at a time."""
    source = x if source is None else source
    q, k, v = (y.unflatten(-1, (-1, D // HEADS)) for y in (module.q(x), module.k(source), module.v(source)))
    scores = x.new_empty(x.shape[0], HEADS, x.shape[1], source.shape[1])
    for head in range(HEADS):
        for i in range(x.shape[1]):
            for j in range(source.shape[1]):
                product = (q[:, i, head] * k[:, j, head * shared // HEADS]).sum(-1) / (D // HEADS) ** 0.5
                scores[:, head, i, j] = product + (bias(head, i, j) if bias else 0)
    return scores_mixed(module, scores.softmax(-1), v)


@pytest.mark.parametrize("shared", [1, 2, 4])
def test_heads_share_keys_and_values_in_order(shared: int) -> None:
    module, x = twin(X, kv_heads=shared), value(X)
    assert module.k.weight.shape == (D // HEADS * shared, D)
    torch.testing.assert_close(module(x), plain(module, x, shared))


def test_keys_and_values_of_two_sources() -> None:
    module, x, source, values = (
        twin(X, SOURCE, VALUES, memory=True, values=True),
        value(X),
        value(SOURCE),
        value(VALUES),
    )
    q, k, v = (y.unflatten(-1, (HEADS, -1)) for y in (module.q(x), module.k(source), module.v(values)))
    weights = (torch.einsum("nihd,njhd->nhij", q, k) / (D // HEADS) ** 0.5).softmax(-1)
    torch.testing.assert_close(module(x, source, values), scores_mixed(module, weights, v))


def slopes(heads: int) -> list[float]:
    """The table of Press et al., section 3: 2^−2, 2^−4, … for 4 heads."""
    return [2 ** (-8 / heads * (head + 1)) for head in range(heads)]


def hidden(condition: bool) -> float:
    return -math.inf if condition else 0.0


BIASES: list[tuple[dict[str, Any], Any]] = [
    ({"causal": True}, lambda head, i, j: hidden(j > i)),
    ({"causal": True, "window": 3}, lambda head, i, j: hidden(j > i or i - j > 2)),
    ({"window": 4}, lambda head, i, j: hidden(abs(i - j) > 2)),
    ({"window": 1}, lambda head, i, j: hidden(i != j)),
    ({"window": 100, "causal": True}, lambda head, i, j: hidden(j > i)),
    ({"alibi": True, "causal": True}, lambda head, i, j: hidden(j > i) - slopes(HEADS)[head] * (i - j)),
    ({"alibi": True}, lambda head, i, j: -slopes(HEADS)[head] * abs(i - j)),
]


@pytest.mark.parametrize(
    ("arguments", "bias"), BIASES, ids=[", ".join(arguments) + str(n) for n, (arguments, _) in enumerate(BIASES)]
)
@pytest.mark.parametrize("cross", [False, True])
def test_what_is_hidden_and_what_falls_with_the_distance(arguments: dict[str, Any], bias: Any, cross: bool) -> None:
    x, source = value(X), value(Tokens((M, D)), 2)
    if cross:
        module = twin(X, Tokens((M, D)), memory=True, **arguments)
        torch.testing.assert_close(module(x, source), plain(module, x, bias=bias, source=source))
    else:
        module = twin(X, **arguments)
        torch.testing.assert_close(module(x), plain(module, x, bias=bias))


def test_the_slopes_of_a_number_of_heads_that_is_no_power_of_two() -> None:
    """Of 12 heads 8 as of 8, then every second of 16 (the authors' code)."""
    assert modules._slopes(12).tolist() == pytest.approx(slopes(8) + slopes(16)[0:8:2])


def test_a_table_for_the_differences_of_a_window() -> None:
    """Row (Δy + h − 1)·(2w − 1) + Δx + w − 1, as the authors of Swin number them."""
    module, x = twin(X, relative=(2, 3)), value(X)

    def bias(head: int, i: int, j: int) -> Tensor:
        down, across = i // 3 - j // 3, i % 3 - j % 3
        row: Tensor = module.table[(down + 1) * 5 + across + 2, head]
        return row

    torch.testing.assert_close(module(x), plain(module, x, bias=bias))


def test_vectors_of_differences_along_each_axis() -> None:
    """q · (R_down[Δy] + R_across[Δx]), beside the scaled q · k, as the authors of MViTv2 and of SAM have it."""
    module, x = twin(X, relative=(2, 3), decomposed=True), value(X)
    q = module.q(x).unflatten(-1, (HEADS, -1))

    def bias(head: int, i: int, j: int) -> Tensor:
        vector = module.axis_0[i // 3 - j // 3 + 1] + module.axis_1[i % 3 - j % 3 + 2]
        product: Tensor = (q[:, i, head] * vector).sum(-1)
        return product

    torch.testing.assert_close(module(x), plain(module, x, bias=bias))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("t", "m"), [(T, T), (T, M), (1, M), (1, 1), (M, 1)])
def test_vectors_of_all_differences(t: int, m: int, causal: bool) -> None:
    """((q + u) · k + (q + v) · r of the difference) / √d (Dai et al., section 3.3)."""
    shapes = Tokens((t, D)), Tokens((m, D)), Tokens((t + m - 1, D))
    module = twin(*shapes, memory=True, positions=True, causal=causal)
    x, source, positions = (value(shape, seed) for seed, shape in enumerate(shapes))
    q, k, r = (y.unflatten(-1, (HEADS, -1)) for y in (module.q(x), module.k(source), positions))

    def bias(head: int, i: int, j: int) -> Tensor:
        met = (q[:, i, head] + module.bias_v[head]) * r[:, j - i + t - 1, head] + module.bias_u[head] * k[:, j, head]
        found: Tensor = met.sum(-1) / (D // HEADS) ** 0.5 + hidden(causal and j > i)
        return found

    torch.testing.assert_close(module(x, source, positions), plain(module, x, bias=bias, source=source))


def bucket(apart: int, buckets: int, most: int, both: bool) -> int:
    """The class of a distance by the text of Raffel et al.: half exactly, the rest by logarithms."""
    base, far = 0, -min(apart, 0)
    if both:
        buckets //= 2
        base, far = buckets * (apart > 0), abs(apart)
    exact = buckets // 2
    if far < exact:
        return base + far
    return base + min(buckets - 1, exact + int(math.log(far / exact) / math.log(most / exact) * (buckets - exact)))


@pytest.mark.parametrize("causal", [False, True])
def test_a_table_for_classes_of_distances(causal: bool) -> None:
    module, x = twin(X, buckets=8, distance=6, causal=causal, scale=(D / HEADS) ** -0.5), value(X)
    torch.testing.assert_close(
        module(x),
        plain(
            module,
            x,
            bias=lambda head, i, j: module.table[bucket(j - i, 8, 6, not causal), head] + hidden(causal and j > i),
        ),
    )
    apart = torch.arange(-300, 300)
    wanted = [bucket(int(n), 32, 128, not causal) for n in apart]
    assert modules.distance_classes(apart, 32, 128, not causal).tolist() == wanted


def test_a_given_table_and_mask_are_those_of_each_sample() -> None:
    """What is added to the scores may differ from sample to sample."""
    own, x = twin(X, relative=(2, 3)), value(X)
    given = twin(X, Tokens((15, HEADS)), (HEADS, T, T), relative=(2, 3), table=True, mask=True)
    given.load_state_dict({name: tensor for name, tensor in own.state_dict().items() if name != "table"})
    nothing = value((HEADS, T, T)) * 0
    table = torch.stack((own.table, 2 * own.table)).detach()
    y = given(x, table, nothing)
    torch.testing.assert_close(y[0], own(x)[0])
    assert not torch.allclose(y[1], own(x)[1])
    flat = twin(X, Tokens((T, T)), mask=True)
    bias = value((T, T))
    torch.testing.assert_close(flat(x, bias)[0], plain(flat, x, bias=lambda head, i, j: bias[0, i, j])[0])


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("width", [None, 4])
def test_a_rotary_embedding_turns_pairs(interleaved: bool, width: int | None) -> None:
    """Each pair (a, b) at place p by the angle p / base^(2n/r): as a complex number, times e^(i·angle)."""
    module = twin(X, rotary=100.0, rotary_width=width, interleaved=interleaved)
    x, size = value(X), D // HEADS
    turned = width or size

    def rotated(y: Tensor) -> Tensor:
        y = y.clone()
        for place in range(T):
            for n in range(turned // 2):
                a, b = (2 * n, 2 * n + 1) if interleaved else (n, n + turned // 2)
                angle = place / 100.0 ** (2 * n / turned)
                one = torch.complex(y[:, place, :, a], y[:, place, :, b]) * complex(math.cos(angle), math.sin(angle))
                y[:, place, :, a], y[:, place, :, b] = one.real, one.imag
        return y

    with torch.no_grad():
        q, k, v = (y.unflatten(-1, (HEADS, -1)) for y in (module.q(x), module.k(x), module.v(x)))
        weights = (torch.einsum("nihd,njhd->nhij", rotated(q), rotated(k)) / size**0.5).softmax(-1)
        torch.testing.assert_close(module(x), scores_mixed(module, weights, v), atol=1e-5, rtol=1e-5)  # float angles
        assert (twin(X, rotary=100.0, interleaved=True)(x) - twin(X, rotary=100.0)(x)).abs().max() > 0.1


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm", "l2norm"])
def test_queries_and_keys_are_normalised_in_each_head(norm: str) -> None:
    module, x, size = twin(X, qk_norm=norm), value(X), D // HEADS

    def normed(projected: Any, name: str) -> Any:
        y = projected.unflatten(-1, (HEADS, -1))
        if norm == "l2norm":
            return y / y.norm(dim=-1, keepdim=True)
        own = getattr(module, f"{name}_norm")
        if norm == "rmsnorm":
            return y / (y.square().mean(-1, keepdim=True) + 1e-6).sqrt() * own.weight
        centred = y - y.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * own.weight + own.bias

    with torch.no_grad():
        products = torch.einsum("nihd,njhd->nhij", normed(module.q(x), "q"), normed(module.k(x), "k"))
        if norm == "l2norm":  # at most 100
            module.temperature.copy_(torch.tensor([0.0, 1.0, 4.0, 9.0]))
            factor = torch.tensor([1.0, math.e, math.e**4, 100.0]).double()[:, None, None]
        else:
            factor = torch.tensor(1 / size**0.5).double()
        v = module.v(x).unflatten(-1, (HEADS, -1))
        torch.testing.assert_close(module(x), scores_mixed(module, (products * factor).softmax(-1), v))


def test_dropout_is_on_the_weights_and_in_training_alone() -> None:
    module, x = twin(X, dropout=0.2), value(X)
    torch.testing.assert_close(module(x), plain(module, x))
    torch.manual_seed(0)
    q, k, v = (y.unflatten(-1, (HEADS, -1)) for y in (module.q(x), module.k(x), module.v(x)))
    weights = (torch.einsum("nihd,njhd->nhij", q, k) / (D // HEADS) ** 0.5).softmax(-1)
    dropped = module.train()(x.repeat(10_000, 1, 1)).unflatten(0, (-1, 2)).mean(0)
    torch.testing.assert_close(dropped, scores_mixed(module, weights, v), atol=0.15, rtol=0.15)
    assert not torch.equal(module(x), module(x))


@pytest.mark.parametrize("said", ["m, values=v", "values=v, memory=m", "memory=m, values=v"])
def test_arguments_that_are_values_may_stand_in_any_order(said: str, tmp_path: Path) -> None:
    """The inputs of a node are in the op's order, not in that of the call: keys of 10, values of 7."""
    path = tmp_path / "n.yaml"
    path.write_text(
        "input: {q: 24 × 3, a: 10 × 5, b: 7 × 5}\nlayers:\n  - m: a tokens\n  - v: b tokens\n"
        f"  - q tokens attention(4, {said})\n",
        encoding="utf-8",
    )
    model = load(str(path))
    assert verify(model.graph) == []
    assert model.report().totals.weights == 24 * (24 + 10 + 7 + 24)


def test_a_norm_that_is_none_is_refused_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "n.yaml"
    path.write_text("input: 8 × 24\nlayers:\n  - tokens attention(2, qk_norm=batchnorm)\n", encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        load(str(path)).report()
    assert raised.value.where.endswith(":3:33")
    assert "`qk_norm` is one of rmsnorm, layernorm, l2norm" in raised.value.message


def test_shared_weights_of_attentions_of_two_lengths() -> None:
    """Each turns and hides by its own length: what follows from that is not shared."""
    b = Build(X, Tokens((4, D)))
    arguments: dict[str, Any] = {"heads": HEADS, "rotary": 10000.0, "window": 2, "buckets": 8, "distance": 5}
    long, short = b("attention", -1, **arguments), b("attention", -2, **arguments)
    b.builder.share(short, long)
    network = build(b.finish(long, short)).double().eval()
    x = value(X)
    y, z = network(x, x[:, :4])
    alone = build(single(call("attention", **arguments), Tokens((4, D)))).double().eval()
    alone.load_state_dict({name.replace("attention_1", "attention"): t for name, t in network.state_dict().items()})
    torch.testing.assert_close(z, alone(x[:, :4]))
    assert y.shape == (2, T, D)


def test_masks_of_half_precision_stay_masks() -> None:
    module, x = twin(X, causal=True, alibi=True).to(torch.bfloat16), value(X).to(torch.bfloat16)
    assert module(x).isfinite().all()
    assert F.mse_loss(module(x).float(), twin(X, causal=True, alibi=True)(value(X)).float()) < 0.5
