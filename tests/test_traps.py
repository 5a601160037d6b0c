"""Networks on which widely used counters print wrong numbers; the true ones are computed by hand here."""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc
from archcalc.errors import SpecError

ViT_TOKENS, ViT_WIDTH, ViT_MLP = 14 * 14 + 1, 768, 3072
ViT_LAYER = (
    4 * ViT_TOKENS * ViT_WIDTH**2  # queries, keys, values and the projection
    + 2 * ViT_TOKENS**2 * ViT_WIDTH  # QKᵀ and AV, which most counters drop on the CPU
    + 2 * ViT_TOKENS * ViT_WIDTH * ViT_MLP
)
ViT_PATCHES = 14 * 14 * 768 * (3 * 16 * 16)

# (what goes wrong elsewhere, spec or name, batch, MACs, parameters)
TRAPS = [
    ("attention dropped", "vit-b-16", 1, 12 * ViT_LAYER + ViT_PATCHES + 768 * 1000, 86_567_656),
    (
        "recurrent layers counted as nothing",
        "input: 50\nlayers:\n  - embed(100, 64) lstm(128) lstm(128)\n",
        4,
        4 * 50 * (4 * 128 * (64 + 128) + 4 * 128 * (128 + 128)),
        100 * 64 + 4 * 128 * (64 + 128 + 1) + 4 * 128 * (128 + 128 + 1),
    ),
    (
        "a transposed convolution four times too high",
        "input: 3 × 224 × 224\nlayers:\n  - deconv(2, 3, 2)\n",
        1,
        224 * 224 * 3 * 2 * 3 * 3,
        3 * 2 * 3 * 3 + 2,
    ),
    ("an embedding with multiplications", "input: 7\nlayers:\n  - embed(50000, 512)\n", 1, 0, 50_000 * 512),
    (
        "groups forgotten",
        "input: 8 × 4 × 4\nlayers:\n  - conv(16, 3, groups=4, bias=False)\n",
        1,
        16 * 16 * 2 * 9,
        16 * 2 * 9,
    ),
    (
        "ceil mode lost",
        "input: 1 × 6 × 6\nlayers:\n  - maxpool(3, 2, pad=0, ceil=True) conv(1, 3, bias=False)\n",
        1,
        3 * 3 * 9,
        9,
    ),
]


@pytest.mark.parametrize(("spec", "batch", "macs", "params"), [t[1:] for t in TRAPS], ids=[t[0] for t in TRAPS])
def test_a_trap_of_other_counters(spec: str, batch: int, macs: int, params: int, tmp_path: Path) -> None:
    if "\n" in spec:
        path = tmp_path / "trap.yaml"
        path.write_text(spec, encoding="utf-8")
        spec = str(path)
    totals = archcalc.load(spec).report(batch).totals
    assert (totals.macs, totals.flops, totals.params) == (macs, 2 * macs, params)


def test_activation_memory_is_the_live_peak_and_not_a_sum() -> None:
    # ResNet-50, the first block of conv2_x: its input and the shortcut's output or the last convolution's, all 56×56,
    # beside the network's input, which is held: 3·224² + (64 + 256 + 256 + …)·56² floats; the sum of all is 10 times it
    totals = archcalc.load("resnet50").totals
    held = 3 * 224 * 224
    stem = 64 * 112 * 112 + 64 * 112 * 112  # the convolution's output and the batch norm's
    block = (256 + 256 + 256) * 56 * 56  # both branches' last values, and their sum
    assert totals.peak_memory_bytes == 4 * (held + max(stem, block))
    assert totals.activation_bytes > 10 * totals.peak_memory_bytes


def test_vgg16_at_its_peak_holds_the_input_and_two_full_maps() -> None:
    assert archcalc.load("vgg16").totals.peak_memory_bytes == 4 * (3 * 224**2 + 2 * 64 * 224**2) == 26_292_224


def test_a_network_that_cannot_run_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text("input: 3 × 4 × 4\nlayers:\n  - conv(8, 7, pad=0)\n", encoding="utf-8")
    with pytest.raises(SpecError, match="a window of 7 does not fit a side of 4"):
        archcalc.load(str(path))
