"""What operators give on `meta` by our rules, held against what they give on the CPU: sizes, type, and how it lies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archcalc
from archcalc.runtime.meta import COMPARED, EACH, RULES, TWO, aten
from archcalc.runtime.trace import Given
from tests.captured import otherwise

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "rows": lambda x: x,
    "channels last": lambda x: x.to(memory_format=torch.channels_last),
    "turned": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "moved": lambda x: x.movedim(1, 0).contiguous().movedim(0, 1),
    "part": lambda x: torch.cat([x, x], 3)[..., : x.shape[3]],
    "every other": lambda x: x.repeat_interleave(2, 2)[:, :, ::2],
    "spread": lambda x: x[:, :1].expand(x.shape),
}
DTYPES = (torch.float32, torch.bfloat16, torch.float64, torch.int64)


def _x(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.ones(size, dtype=dtype)


C = _x(4)
# What stands behind the first value, and what is named, by operator: its own size is 2 × 4 × 6 × 6.
MORE: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    **{word: [((), {})] for word in EACH.split()},
    "pow": [((2,), {}), ((0.5,), {}), ((_x(2, 4, 6, 6),), {})],
    "gelu": [((), {}), ((), {"approximate": "tanh"})],
    "leaky_relu": [((0.1,), {})],
    "clamp": [((0.0, 1.0), {}), ((_x(1), None), {})],
    "clamp_min": [((0.0,), {}), ((_x(1),), {})],
    "clamp_max": [((0.0,), {})],
    "batch_norm": [((a, a, C, C, False, 0.1, 1e-5, True), {}) for a in (C, None)]
    + [((C, C, C, C, True, 0.1, 1e-5, True), {})],
    "layer_norm": [(((6,), None, None), {}), (((6,), _x(6), _x(6), 1e-5), {}), (((6, 6), None, None), {})],
    "group_norm": [((2, C, C, 1e-5), {}), ((4, None, None), {})],
    "linear": [((_x(3, 6),), {}), ((_x(3, 6), _x(3)), {})],
    "softmax": [((axis,), {}) for axis in (-1, 1, 0)] + [((3, torch.float64), {})],
    "log_softmax": [((1,), {})],
    "max_pool2d": [
        (([2, 2],), {}), (([3], [2], [1]), {}), (([3, 2], [2, 3], [1, 0], [1, 2], True), {}),
        (([4, 4], [4, 4], [2, 2], [1, 1], True), {}), (([2, 2], [5, 5], [0, 0], [1, 1], True), {}),
        (([2, 2], [], [1, 1]), {"ceil_mode": True}),
    ],
    "avg_pool2d": [
        (([2, 2],), {}), (([3, 3], [2, 2], [1, 1], True, False), {}), (([2, 2], [3, 3], [1, 1], True), {}),
        (([2, 2],), {"ceil_mode": True}),
    ],
    **{word: [((0,), {}), ((0.5,), {}), ((_x(2, 4, 6, 6),), {})] for word in COMPARED.split()},
    "masked_fill": [((_x(6, 6) == 0, -2.0), {}), ((_x(2, 1, 6, 1) == 0, float("-inf")), {}), ((_x() == 0, _x()), {})],
    **{word: [((), {}), ((1,), {})] for word in ("tril", "triu")},
    "upsample_nearest2d": [(([12, 9],), {}), ((None, [2.0, 1.7]), {})],
    "upsample_bilinear2d": [(([12, 9], False), {}), ((None, True, [2.0, 0.4]), {}), (([5, 7], False, 0.9, 1.2), {})],
    "mean": [((), {}), (([2, 3], True), {}), (([2, 3],), {}), (([-1],), {}), (([1], True), {"dtype": torch.float64})],
    "adaptive_avg_pool2d": [(([1, 1],), {}), (([3, 2],), {})],
    "conv2d": [
        ((_x(8, 4, 3, 3), _x(8), [2, 2], [1, 1], [1, 1], 1), {}),
        ((_x(8, 4, 1, 1),), {}),
        ((_x(4, 1, 3, 3), None, [1], [2], [2], 4), {}),
        ((_x(8, 2, 3, 2), None, [1, 2], [0, 1], [1, 1], 2), {}),
        ((_x(8, 4, 3, 3), None, [1, 1], "same"), {}),
        ((_x(8, 4, 2, 3), None, [1, 1], "same", [2, 1]), {}),
        ((_x(8, 4, 3, 3), None, [2, 2], "valid"), {}),
        ((_x(8, 4, 3, 3).to(memory_format=torch.channels_last),), {}),
    ],
    "conv_transpose2d": [
        ((_x(4, 8, 2, 2), _x(8), [2, 2]), {}),
        ((_x(4, 3, 3, 2), None, [2, 1], [1, 0], [1, 0], 2, [1, 2]), {}),
        ((_x(4, 3, 3, 3).to(memory_format=torch.channels_last),), {}),
    ],
    "pad": [(([2, 1, 0, 3], mode, None), {}) for mode in ("reflect", "replicate", "constant", "circular")],
    "roll": [(([1, -2], [2, -1]), {}), (([3], [1]), {}), (([0, 6], [1, 2]), {}), (([5],), {})],
    "channel_shuffle": [((2,), {})],
    "log_sigmoid": [((), {})],
    "pixel_shuffle": [((2,), {}), ((1,), {})],
}  # fmt: skip
BESIDE = [_x(2, 4, 6, 6), _x(4, 1, 1), _x(6), _x(2, 4, 1, 1), _x(1, 1, 6, 6), _x(6, 1), _x(), _x(3, 1, 1, 1, 1)]


def on_meta(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)([on_meta(part) for part in value])
    if isinstance(value, dict):
        return {name: on_meta(part) for name, part in value.items()}
    if not isinstance(value, Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def lies(value: Tensor) -> tuple[Any, ...]:
    """Sizes, type, and the strides of axes that have more than one place."""
    strides = [stride for n, stride in zip(value.shape, value.stride(), strict=True) if n > 1]
    return tuple(value.shape), value.dtype, strides if value.numel() else []


def alike(packet: Any, *args: Any, **named: Any) -> bool:
    """Whether the rule has something to say; raises where that is not what the CPU gives."""
    found = RULES[packet](*on_meta(args), **on_meta(named))
    if found is None:
        return False
    assert lies(found) == lies(packet(*args, **named))
    return True


def laid(dtype: torch.dtype = torch.float32) -> Iterator[tuple[str, Tensor]]:
    for name, lay in LAYOUTS.items():
        yield name, lay(torch.rand(2, 4, 6, 6).to(dtype))


@pytest.mark.parametrize("word", MORE)
def test_one_value(word: str) -> None:
    packet = getattr(aten, word)
    assert word not in EACH.split() or RULES[packet](2, on_meta(C)) is None
    said = [alike(packet, x, *args, **named) for _, x in laid() for args, named in MORE[word]]
    assert any(said)
    if word in EACH.split() and hasattr(aten, f"{word}_"):
        x = _x(2, 4, 6, 6).to("meta")
        assert RULES[getattr(aten, f"{word}_")](x) is x


@pytest.mark.parametrize("word", [*TWO.split()])
@pytest.mark.parametrize("dtype", DTYPES)
def test_two_values(word: str, dtype: torch.dtype) -> None:
    packet = getattr(aten, word)
    others = [("", one.to(dtype)) for one in BESIDE] + [*laid(dtype)] + [("", _x(4, 1, 1, dtype=torch.float64))]
    said = [alike(packet, *pair) for (_, x), (_, y) in product(laid(dtype), others) for pair in ((x, y), (y, x))]
    numbers = [alike(packet, x, number) for _, x in laid(dtype) for number in (2, 0.5)]
    assert RULES[packet](2, on_meta(_x(2))) is None
    assert any(said) is all(numbers) is dtype.is_floating_point


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_values_that_are_joined(axis: int) -> None:
    said = [alike(aten.cat, [x, y], axis) for (_, x), (_, y) in product(laid(), laid())]
    assert any(said)
    assert RULES[aten.cat](on_meta([_x(0), _x(2, 3)]), axis) is None


def test_products() -> None:
    each = [_x(2, 4, 6, 5), _x(2, 4, 5, 6).transpose(2, 3), _x(4, 2, 6, 5).transpose(0, 1)]
    assert all(alike(aten.matmul, x, y.transpose(2, 3)) for x, y in product(each, each))
    assert RULES[aten.matmul](*on_meta([_x(4, 5), _x(5, 6)])) is None


HEADS: dict[str, Callable[[Tensor], Tensor]] = {
    "heads in front": lambda x: x,
    "tokens in front": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "batch inside": lambda x: x.movedim(2, 0).contiguous().movedim(0, 2),
    "packed": lambda x: x.transpose(1, 2).repeat(1, 1, 1, 3)[..., : x.shape[-1]].transpose(1, 2),
    "turned": lambda x: x.mT.contiguous().mT,
    "spread": lambda x: x[:1].expand(x.shape),
}
MASKS = (None, _x(9, 7), _x(2, 1, 9, 7), _x(4, 9, 7), torch.ones(9, 7, dtype=torch.bool))


def test_attention_lies_as_its_queries_do_or_row_by_row() -> None:
    packet = aten.scaled_dot_product_attention
    for lay, other in product(HEADS.values(), repeat=2):
        query, key = lay(_x(2, 4, 9, 8)), other(_x(2, 4, 7, 8))
        assert all(alike(packet, query, key, key, mask) for mask in MASKS)
        assert alike(packet, query, key, other(_x(2, 4, 7, 5)))
        assert alike(packet, query, key, key, None, 0.1)
    assert alike(packet, *[_x(3, 2, 4, 7, 8)] * 3)
    assert alike(packet, _x(2, 4, 9, 8), *[_x(2, 2, 7, 8)] * 2, enable_gqa=True)
    assert alike(packet, *[_x(4, 7, 8)] * 3)


def test_windows_that_are_laid_over_each_other() -> None:
    x = _x(2, 4 * 9, 49)
    given = [14, 14], [3, 3], [1, 1], [1, 1], [2, 2]
    assert alike(aten.col2im, x, *given)
    found, wanted = RULES[aten.col2im](on_meta(x), *given), aten.col2im(x, *given)
    assert found.untyped_storage().nbytes() == wanted.untyped_storage().nbytes() > 4 * wanted.numel()
    assert RULES[aten.col2im](on_meta(_x(2, 35, 49)), *given) is None


def test_rows_of_a_table_and_what_is_drawn() -> None:
    assert alike(aten.embedding, _x(5, 3), _x(2, 4, dtype=torch.int64), 1)
    assert alike(aten.normal_, _x(2, 3), 0.0, 1.0)
    assert RULES[aten.embedding](*on_meta([_x(5, 3), _x(2)])) is None
    for ends, named in (
        ((7,), {}),
        ((2, 9), {"dtype": torch.float32}),
        ((9, 1, -3), {}),
        ((0, 8, 3), {"layout": None}),
    ):
        found = RULES[aten.arange](*ends, device=torch.device("meta"), **named)
        assert lies(found) == lies(torch.arange(*ends).to(named.get("dtype") or torch.int64))
    assert RULES[aten.arange](0.5, 3, device=torch.device("meta")) is None
    assert RULES[aten.arange](3, device=torch.device("cpu")) is None


def test_windows_of_other_axes() -> None:
    assert alike(aten.conv1d, _x(2, 4, 9), _x(3, 4, 3), None, [2], [1])
    room = [_x(2, 4, 5, 6, 7), _x(2, 4, 5, 6, 7).to(memory_format=torch.channels_last_3d)]
    assert all(alike(aten.conv3d, x, _x(4, 4, 3, 3, 3)) for x in room)
    assert all(alike(aten.conv_transpose3d, x, _x(4, 4, 3, 3, 3)) for x in room)
    assert all(alike(aten.group_norm, x, 2, C, C, 1e-5) for x in room)
    assert alike(aten.conv_transpose1d, _x(2, 4, 9), _x(4, 3, 3), None, [2], [1])
    assert alike(aten.conv3d, _x(2, 4, 5, 6, 7), _x(4, 2, 3, 1, 2), _x(4), [1, 2, 1], [0, 0, 1], [1, 1, 1], 2)
    assert alike(aten.adaptive_avg_pool1d, _x(2, 4, 9), [3])
    assert alike(aten.upsample_linear1d, _x(2, 4, 9), None, False, [1.5])
    assert alike(aten.upsample_trilinear3d, _x(2, 4, 5, 6, 7), [3, 7, 9], False)
    assert alike(aten.max_pool1d, _x(2, 4, 9), [2], [], [1], [2], True)
    assert alike(aten.max_pool3d, _x(2, 4, 5, 6, 7), [2, 3, 2], [2, 1, 3], [1, 0, 1], [1, 1, 1], True)
    assert alike(aten.avg_pool3d, _x(2, 4, 5, 6, 7), [2, 3, 2], [2, 1, 3], [1, 0, 1], True)


MISFITS: list[tuple[str, tuple[Any, ...]]] = [
    ("linear", (_x(2, 5), _x(3, 6))),
    ("linear", (_x(2, 6), _x(3, 6), _x(4))),
    ("conv2d", (_x(2, 3, 6, 6), _x(8, 4, 3, 3))),
    ("conv2d", (_x(2, 4, 2, 2), _x(8, 4, 3, 3))),
    ("conv2d", (_x(2, 4, 6, 6), _x(8, 4, 3, 3), None, [1, 1, 1])),
    ("conv2d", (_x(2, 4, 6, 6), _x(8, 4, 3, 3), None, [0])),
    ("conv2d", (_x(2, 4, 6, 6, 6), _x(8, 4, 3, 3, 3))),
    ("conv2d", (_x(2, 4, 6, 6, dtype=torch.float64), _x(8, 4, 3, 3))),
    ("cat", ([], 0)),
    ("max_pool2d", (_x(2, 4, 2, 2), [3, 3])),
    ("max_pool2d", (_x(2, 4, 6, 6), [2, 2], [2, 2], [2, 2])),
    ("avg_pool2d", (_x(2, 4, 2, 2), [3, 3])),
    ("upsample_nearest2d", (_x(2, 4, 6), [3, 3])),
    ("upsample_nearest2d", (_x(2, 4, 6, 6), None, [0.1, 2.0])),
    ("conv_transpose2d", (_x(2, 3, 6, 6), _x(4, 8, 2, 2))),
    ("conv_transpose2d", (_x(2, 4, 6, 6), _x(4, 8, 2, 2), None, [2], [0], [2])),
    ("pixel_shuffle", (_x(2, 6, 6, 6), 2)),
    ("channel_shuffle", (_x(2, 5, 6, 6), 2)),
    ("pad", (_x(2, 4, 6, 6), [6, 0, 0, 0], "reflect")),
    ("roll", (_x(2, 4), [1], [2])),
    ("roll", (_x(2, 4), [1, 1], [0])),
    ("conv2d", (_x(2, 4, 6, 6), _x(8, 4, 3, 3), None, [2], "same")),
    ("conv2d", (_x(2, 4, 6, 6), _x(8, 4, 3, 3), None, [1], "other")),
    ("scaled_dot_product_attention", (_x(2, 4, 9, 8), _x(2, 4, 7, 6), _x(2, 4, 7, 8))),
    ("scaled_dot_product_attention", (_x(2, 4, 9, 8), _x(2, 3, 7, 8), _x(2, 3, 7, 8))),
    ("scaled_dot_product_attention", (_x(2, 4, 9, 8), _x(2, 4, 7, 8), _x(2, 4, 7, 8), _x(9, 6))),
    ("relu_", (_x(1, 4).expand(3, 4),)),
    ("mul_", (_x(1, 4).expand(3, 4), 2)),
    ("layer_norm", (_x(2, 5), (6,), _x(6), _x(6))),
    ("group_norm", (_x(2, 5, 3), 2)),
    ("batch_norm", (_x(2, 5), C, C, C, C, False, 0.1, 1e-5, True)),
    ("add", (_x(2, 5), _x(2, 4))),
    ("add_", (_x(1, 5), _x(2, 5))),
    ("mul", (_x(2, 5), _x(3, 1, 4))),
    ("cat", ([_x(2, 5), _x(2, 4)], 0)),
    ("cat", ([_x(2, 5), _x(2, 4)], 2)),
    ("matmul", (_x(2, 3, 4), _x(2, 3, 4))),
    ("softmax", (_x(2, 3), 2)),
    ("mean", (_x(2, 3), [2])),
    ("mean", (_x(2, 3), [1, -1])),
]  # fmt: skip


@pytest.mark.parametrize(("word", "args"), MISFITS)
def test_of_what_does_not_fit_torch_speaks(word: str, args: tuple[Any, ...]) -> None:
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        getattr(aten, word)(*args)
    assert RULES[getattr(aten, word)](*on_meta(args)) is None


def test_into_a_tensor_that_is_given_no_rule_writes() -> None:
    class Into(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            out = torch.empty(2, 4)
            torch.matmul(x, x.T, out=torch.empty(2, 2))
            torch.softmax(x, 1, out=out)
            return torch.cat([x, out], out=torch.empty(4, 4)) + torch.pow(2, x).sum()

    assert archcalc.capture(Into(), torch.rand(2, 4)).totals.macs == 2 * 2 * 4


COMPILER = """
import sys, torch, archcalc
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tril(torch.ones(8, 8)))
        self.table, self.head = nn.Embedding(10, 8), nn.Sequential(nn.Conv1d(8, 4, 3), nn.Upsample(scale_factor=2))
    def forward(self, ids):
        x = self.table(ids) + self.table(torch.arange(ids.shape[1]))
        y = (x @ x.transpose(1, 2)).masked_fill(self.mask[:6, :6] == 0, float("-inf")).softmax(-1) @ x
        return nn.functional.log_softmax(nn.functional.max_pool1d(self.head(y.transpose(1, 2)), 2), 1)
print(archcalc.capture(Net(), torch.ones(1, 6, dtype=torch.long)).totals.macs, "torch._dynamo" in sys.modules)
"""


def test_what_is_usual_loads_no_compiler() -> None:
    """Torch loads its own, which takes a second, for what it makes of other operators in Python."""
    done = subprocess.run([sys.executable, "-c", COMPILER], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == [str(2 * 6 * 6 * 8 + 4 * 4 * 24), "False"]


class Runs(nn.Module):
    """A function with two layers, which takes maps."""

    def __init__(self, of: Callable[[Runs, Tensor], Tensor]) -> None:
        super().__init__()
        self.of, self.norm, self.batch = of, nn.LayerNorm(8), nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.of(self, x)


def filled(_: Runs, x: Tensor) -> Tensor:
    mask = torch.zeros(6, 6)
    mask[:3, 1:] = 1
    mask[..., 0] = 0.5
    return x + mask


def attended(x: Tensor, lay: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
    heads = lay(x.flatten(2).reshape(x.shape[0], 4, 2, 36).mT)
    return F.scaled_dot_product_attention(heads, heads, heads).transpose(1, 2).reshape(-1)


RUNS: dict[str, Callable[[Runs, Tensor], Tensor]] = {
    "a part is filled": filled,
    "heads in front": lambda _, x: attended(x, torch.Tensor.contiguous),
    "heads turned": lambda _, x: attended(x),
    "a norm of turned maps": lambda m, x: m.conv(m.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)).reshape(-1),
    "a turned sum": lambda m, x: (x.mT + m.conv(x).mT).reshape(-1),
    "a spread product": lambda m, x: (x.permute(0, 2, 3, 1) * m.norm.weight).reshape(-1),
    "a batch of one, turned": lambda m, x: m.conv(x.flatten(2).mT.contiguous().mT.reshape(x.shape).relu()).reshape(-1),
    "a norm of such": lambda m, x: m.batch(x.flatten(2).mT.contiguous().mT.reshape(x.shape)).reshape(-1),
    "channels last": lambda m, x: m.conv(x.to(memory_format=torch.channels_last)).relu().reshape(-1),
    "joined": lambda m, x: torch.cat([x, m.conv(x), x.new_ones(x.shape)], 1).mean((2, 3)),
    "folded": lambda _, x: F.fold(F.unfold(x, 3), (6, 6), 3).permute(0, 2, 3, 1).reshape(-1),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_meta_is_as_one_on_the_cpu(name: str) -> None:
    """Call by call the same sizes, and storage by storage as many bytes, for as long."""
    assert not otherwise(Runs(RUNS[name]).eval(), {"x": Given((8, 6, 6))}, lambda: Runs(RUNS[name]).eval())
