"""The table of ops: what each op gives for arguments and shapes, worked out by hand; torch holds the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archcalc.analysis.counts import cost_of
from archcalc.ops import OPS, Op, OpError, Shape, Tokens
from archcalc.ops.layout import BEYOND
from archcalc.ops.shapes import Cut, Many, ManyTokens, cuts_of, many
from archcalc.runtime import modules
from archcalc.runtime.network import example_inputs
from archcalc.runtime.verify import verify
from tests.graphs import call, single

Arguments = dict[str, Any]
Params = list[tuple[str, Shape]]


class Row(NamedTuple):
    """A call, the shapes of its values, and what comes out for one sample."""

    word: str
    arguments: Arguments
    inputs: list[Shape]
    shape: Shape
    params: Params
    macs: int
    elementwise: dict[str, int]


def weights(weight: Shape, bias: bool = True) -> Params:
    return [("weight", weight), ("bias", weight[:1])] if bias else [("weight", weight)]


def norms(width: int) -> Params:
    return [("weight", (width,)), ("bias", (width,))]


def with_stats(width: int) -> Params:
    return [*norms(width), ("running_mean", (width,)), ("running_var", (width,))]


def same(word: str, kind: str, *shapes: Shape) -> list[Row]:
    """Rows of an op that keeps the shape and touches each element once."""
    return [Row(word, {}, [shape], shape, [], 0, {kind: count(shape)}) for shape in shapes]


def count(shape: Shape) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def recurrent(gates: int, width: int, out: int, biases: int) -> Params:
    matrices = [("weight_ih_l0", (gates * out, width)), ("weight_hh_l0", (gates * out, out))]
    return [*matrices, *[("bias_ih_l0", (gates * out,)), ("bias_hh_l0", (gates * out,))][:biases]]


def projections(q: Shape, k: Shape, v: Shape, out: Shape) -> Params:
    return [(f"{name}.weight", shape) for name, shape in zip(("q", "k", "v", "out"), (q, k, v, out), strict=True)]


SQUARE = projections(*[(8, 8)] * 4)
MORE_ACTIVATIONS = ("leaky_relu", "elu", "selu", "hardswish", "hardsigmoid", "quickgelu", "mish", "tanh", "softplus")
POWERS = ("exp", "log", "abs", "sqrt", "square", "reciprocal")
MAP, VECTOR, SEQUENCE = (6, 5, 4), (7,), Tokens((5, 8))
# What `windows` and others leave: 8×12 in windows of 4×6, cut after a turn by 1×2; 4×6 grids as far apart; frames.
WINDOWS = Cut("windows", 4, (8, 12), (4, 6), (1, 2))
GRID = Cut("grid", 4, (8, 12), (4, 6), (0, 0))
FRAMES, PAIR, BEAMS = Cut("frames", 5), Cut("many", 2), Cut("copies", 3)

# Output sizes: ⌊(n + 2p − d·(k − 1) − 1) / s⌋ + 1.
ROWS = [
    # VGG's conv1_1: (224 + 2 − 3) / 1 + 1 = 224
    Row(
        "conv", {"out": 64, "kernel": 3}, [(3, 224, 224)],
        (64, 224, 224), weights((64, 3, 3, 3)), 64 * 224 * 224 * 3 * 9, {"bias": 64 * 224 * 224},
    ),
    # ResNet's conv1: pad 3, ⌊(224 + 6 − 7) / 2⌋ + 1 = ⌊111.5⌋ + 1 = 112
    Row(
        "conv", {"out": 64, "kernel": 7, "stride": 2, "bias": False}, [(3, 224, 224)],
        (64, 112, 112), weights((64, 3, 7, 7), False), 64 * 112 * 112 * 3 * 49, {},
    ),
    # AlexNet's conv1: (227 − 11) / 4 + 1 = 55
    Row(
        "conv", {"out": 96, "kernel": 11, "stride": 4, "pad": 0}, [(3, 227, 227)],
        (96, 55, 55), weights((96, 3, 11, 11)), 105_415_200, {"bias": 96 * 55 * 55},
    ),
    # AlexNet's conv2, two groups of 48 channels
    Row(
        "conv", {"out": 256, "kernel": 5, "groups": 2}, [(96, 27, 27)],
        (256, 27, 27), weights((256, 48, 5, 5)), 223_948_800, {"bias": 256 * 27 * 27},
    ),
    # dilated, pad 2·2 // 2 = 2: (9 + 4 − 4 − 1) / 1 + 1 = 9
    Row(
        "conv", {"out": 8, "kernel": 3, "dilation": 2}, [(4, 9, 9)],
        (8, 9, 9), weights((8, 4, 3, 3)), 8 * 81 * 4 * 9, {"bias": 8 * 81},
    ),
    # dilated by 1 and 3, no pad: 9 − 2 = 7 and 9 − 6 = 3
    Row(
        "conv", {"out": 8, "kernel": 3, "dilation": (1, 3), "pad": 0, "bias": False}, [(4, 9, 9)],
        (8, 7, 3), weights((8, 4, 3, 3), False), 8 * 21 * 4 * 9, {},
    ),
    # an even kernel pads (2 − 1) // 2 = 0: 5 − 1 = 4
    Row("conv", {"out": 4, "kernel": 2}, [(3, 5, 5)], (4, 4, 4), weights((4, 3, 2, 2)), 64 * 12, {"bias": 64}),
    # patches pad 0: ⌊(18 − 4) / 4⌋ + 1 = 4, where (4 − 1) // 2 = 1 gave 5
    # with another stride as before: ⌊(18 + 2 − 4) / 2⌋ + 1 = 9
    Row(
        "conv", {"out": 4, "kernel": 4, "stride": 4}, [(3, 18, 18)],
        (4, 4, 4), weights((4, 3, 4, 4)), 64 * 48, {"bias": 64},
    ),
    Row("conv", {"out": 4, "kernel": 4, "stride": 2}, [(3, 18)], (4, 9), weights((4, 3, 4)), 36 * 12, {"bias": 36}),
    # the stride is the kernel, but not the reach of it: pad 2·2 // 2 = 2, ⌊(12 + 4 − 5) / 3⌋ + 1 = 4
    Row(
        "conv", {"out": 4, "kernel": 3, "stride": 3, "dilation": 2, "bias": False}, [(1, 12)],
        (4, 4), weights((4, 1, 3), False), 48, {},
    ),
    # 1×7 pads 0 and 3
    Row(
        "conv", {"out": 16, "kernel": (1, 7)}, [(8, 10, 12)],
        (16, 10, 12), weights((16, 8, 1, 7)), 16 * 120 * 8 * 7, {"bias": 16 * 120},
    ),
    # a signal: pad 2, ⌊(20 + 4 − 5) / 2⌋ + 1 = 10
    Row(
        "conv", {"out": 6, "kernel": 5, "stride": 2}, [(3, 20)],
        (6, 10), weights((6, 3, 5)), 60 * 15, {"bias": 60},
    ),
    # video: pad 1: (4 + 2 − 3) / 1 + 1 = 4, ⌊5 / 2⌋ + 1 = 3, ⌊7 / 2⌋ + 1 = 4
    Row(
        "conv", {"out": 5, "kernel": 3, "stride": (1, 2, 2)}, [(2, 4, 6, 8)],
        (5, 4, 3, 4), weights((5, 2, 3, 3, 3)), 5 * 48 * 2 * 27, {"bias": 240},
    ),
    # EfficientNet's stem: ⌈224 / 2⌉ = 112, no zero before and 111·2 + 3 − 224 = 1 behind
    Row(
        "conv", {"out": 32, "kernel": 3, "stride": 2, "same": True, "bias": False}, [(3, 224, 224)],
        (32, 112, 112), weights((32, 3, 3, 3), False), 32 * 112 * 112 * 27, {},
    ),
    # one zero before and two behind: 10 + 3 − 4 + 1 = 10
    Row(
        "conv", {"out": 4, "kernel": 4, "pad": 1, "pad_end": 2}, [(3, 10, 10)],
        (4, 10, 10), weights((4, 3, 4, 4)), 400 * 48, {"bias": 400},
    ),
    # MobileNetV1's first depth-wise layer
    Row(
        "dwconv", {"kernel": 3, "bias": False}, [(32, 112, 112)],
        (32, 112, 112), weights((32, 1, 3, 3), False), 32 * 112 * 112 * 9, {},
    ),
    # stride 2 on an odd side: ⌊(15 + 2 − 3) / 2⌋ + 1 = 8
    Row(
        "dwconv", {"kernel": 3, "stride": 2}, [(10, 15, 15)],
        (10, 8, 8), weights((10, 1, 3, 3)), 640 * 9, {"bias": 640},
    ),
    # two kernels a channel, dilated: pad 4, 12 + 8 − 8 − 1 + 1 = 12
    Row(
        "dwconv", {"kernel": 5, "dilation": 2, "multiplier": 2}, [(3, 12)],
        (6, 12), weights((6, 1, 5)), 72 * 5, {"bias": 72},
    ),
    # ⌈15 / 2⌉ = 8, (7·2 + 5 − 15) / 2 = 2 zeros on both sides
    Row(
        "dwconv", {"kernel": 5, "stride": 2, "same": True, "bias": False}, [(6, 15)],
        (6, 8), weights((6, 1, 5), False), 48 * 5, {},
    ),
    # U-Net's way up: 27·2 + 1 + 1 = 56
    Row(
        "deconv", {"out": 512, "kernel": 2, "stride": 2}, [(1024, 28, 28)],
        (512, 56, 56), [("weight", (1024, 512, 2, 2)), ("bias", (512,))],
        1024 * 28 * 28 * 512 * 4, {"bias": 512 * 56 * 56},
    ),
    # DCGAN: 15·2 − 2 + 3 + 1 = 32
    Row(
        "deconv", {"out": 64, "kernel": 4, "stride": 2, "pad": 1, "bias": False}, [(128, 16, 16)],
        (64, 32, 32), [("weight", (128, 64, 4, 4))], 128 * 256 * 64 * 16, {},
    ),
    # 4·2 − 2 + 2 + 1 + 1 = 10; each of the 4·5 inputs meets 3·3 weights
    Row(
        "deconv", {"out": 6, "kernel": 3, "stride": 2, "pad": 1, "out_pad": 1, "groups": 2}, [(4, 5)],
        (6, 10), [("weight", (4, 3, 3)), ("bias", (6,))], 180, {"bias": 60},
    ),
    # 3·1 + 2·2 + 1 = 8, 4·3 + 2·2 + 1 = 17
    Row(
        "deconv", {"out": 2, "kernel": 3, "stride": (1, 3), "dilation": 2}, [(3, 4, 5)],
        (2, 8, 17), [("weight", (3, 2, 3, 3)), ("bias", (2,))], 60 * 18, {"bias": 2 * 8 * 17},
    ),
    # 5·3·4 for W b, 5·3 for the product with a
    Row(
        "bilinear", {"other": True, "out": 5}, [(3,), (4,)],
        (5,), [("weight", (5, 3, 4)), ("bias", (5,))], 75, {"bias": 5},
    ),
    Row(
        "bilinear", {"other": True, "out": 5, "bias": False}, [Tokens((7, 3)), Tokens((7, 4))],
        Tokens((7, 5)), [("weight", (5, 3, 4))], 7 * 75, {},
    ),
    # weights in groups; a stride of 2: ⌊(9 + 2 − 3) / 2⌋ + 1 = 5 and ⌊8 / 2⌋ + 1 = 5
    Row(
        "stdconv", {"out": 8, "kernel": 3, "stride": 2, "groups": 2}, [(4, 9, 10)],
        (8, 5, 5), weights((8, 2, 3, 3)), 200 * 2 * 9, {"bias": 200},
    ),
    Row(
        "stdconv", {"out": 8, "kernel": 2, "pad": 0, "pad_end": 1, "bias": False}, [(3, 9)],
        (8, 9), [("weight", (8, 3, 2))], 72 * 6, {},
    ),
    # DeepFace's L4, in small: 25 positions with 16·16·9·9 weights each
    Row(
        "localconv", {"out": 16, "kernel": 9, "pad": 0}, [(16, 13, 13)],
        (16, 5, 5), [("weight", (25, 16, 16, 9, 9)), ("bias", (16, 5, 5))], 25 * 16 * 16 * 81, {"bias": 400},
    ),
    # ⌊(9 + 2 − 3) / 2⌋ + 1 = 5
    Row(
        "localconv", {"out": 4, "kernel": 3, "stride": 2, "bias": False}, [(3, 9)],
        (4, 5), [("weight", (5, 4, 3, 3))], 5 * 4 * 9, {},
    ),
    Row("dynconv", {"by": True, "out": 4, "kernel": 3}, [(3, 6, 5), (108,)], (4, 6, 5), [], 4 * 30 * 27, {}),
    Row(
        "dynconv", {"by": True, "out": 6, "kernel": 3, "stride": 2, "groups": 3}, [(3, 9), (6, 1, 3)],
        (6, 5), [], 6 * 5 * 3, {},
    ),
    # 3·9 elements read at each of 30 positions
    Row(
        "deformconv", {"offsets": True, "out": 4, "kernel": 3}, [(3, 6, 5), (18, 6, 5)],
        (4, 6, 5), weights((4, 3, 3, 3)), 4 * 30 * 27, {"interpolation": 810, "bias": 120},
    ),
    Row(
        "deformconv", {"offsets": True, "mask": True, "out": 4, "kernel": (3, 1), "stride": 2, "bias": False},
        [(3, 6, 5), (6, 3, 3), (3, 3, 3)],
        (4, 3, 3), weights((4, 3, 3, 1), False), 4 * 9 * 9, {"interpolation": 81, "multiply": 81},
    ),
    # VGG's fc6
    Row(
        "linear", {"out": 4096}, [(512, 7, 7)],
        (4096,), weights((4096, 25088)), 4096 * 25088, {"bias": 4096},
    ),
    Row("linear", {"out": 10, "bias": False}, [(84,)], (10,), weights((10, 84), False), 840, {}),
    # each of ViT's 197 tokens
    Row(
        "linear", {"out": 3072}, [Tokens((197, 768))],
        Tokens((197, 3072)), weights((3072, 768)), 197 * 3072 * 768, {"bias": 197 * 3072},
    ),
    Row("add", {}, [MAP, MAP], MAP, [], 0, {"add": 120}),
    Row("add", {}, [MAP, MAP, MAP], MAP, [], 0, {"add": 2 * 120}),
    # a missing axis is one behind the batch: 5×4 for each of the 6 channels
    Row("add", {}, [(5, 4), MAP], MAP, [], 0, {"add": 120}),
    Row("add", {}, [SEQUENCE, (8,)], SEQUENCE, [], 0, {"add": 40}),
    # as `mul`: one term a channel
    Row("add", {}, [MAP, (6, 1, 1)], MAP, [], 0, {"add": 120}),
    Row("add", {}, [Tokens((5, 1)), Tokens((1, 8))], SEQUENCE, [], 0, {"add": 40}),
    Row("sub", {}, [MAP, MAP], MAP, [], 0, {"add": 120}),
    Row("sub", {}, [(6, 1, 1), MAP], MAP, [], 0, {"add": 120}),
    Row("sub", {}, [SEQUENCE, (8,)], SEQUENCE, [], 0, {"add": 40}),
    # squeeze and excitation: one factor a channel
    Row("mul", {}, [MAP, (6, 1, 1)], MAP, [], 0, {"multiply": 120}),
    Row("mul", {}, [(1, 5, 4), (6, 1, 1), (4,)], MAP, [], 0, {"multiply": 2 * 120}),
    Row("mul", {}, [SEQUENCE, SEQUENCE], SEQUENCE, [], 0, {"multiply": 40}),
    Row("mean", {}, [MAP, MAP, MAP], MAP, [], 0, {"add": 2 * 120, "multiply": 120}),
    Row("mean", {}, [MAP, (6, 1, 1)], MAP, [], 0, {"add": 120, "multiply": 120}),
    Row("mean", {}, [SEQUENCE, SEQUENCE], SEQUENCE, [], 0, {"add": 40, "multiply": 40}),
    # GoogLeNet's inception (3a): 64 + 128 + 32 + 32 = 256
    Row("concat", {}, [(c, 28, 28) for c in (64, 128, 32, 32)], (256, 28, 28), [], 0, {}),
    Row("concat", {}, [SEQUENCE, Tokens((5, 3))], Tokens((5, 11)), [], 0, {}),
    Row("concat", {}, [(4,), (3,)], (7,), [], 0, {}),
    # DeiT's class and distillation tokens before 196 patches
    Row("concat", {"axis": 0}, [Tokens((2, 384)), Tokens((196, 384))], Tokens((198, 384)), [], 0, {}),
    Row("concat", {"axis": 1}, [(6, 2, 4), (6, 1, 4), (6, 3, 4)], (6, 6, 4), [], 0, {}),
    Row("concat", {"axis": 2}, [MAP, (6, 5, 1)], (6, 5, 5), [], 0, {}),
    Row("pad_channels", {"out": 32}, [(16, 8, 8)], (32, 8, 8), [], 0, {}),
    Row("pad_channels", {"out": 6}, [(6, 9)], (6, 9), [], 0, {}),
    # ShuffleNetV2 halves its channels
    Row("split", {"parts": 2}, [(116, 28, 28)], (58, 28, 28), [], 0, {}),
    Row("split", {"parts": 4, "_index": 3}, [SEQUENCE], Tokens((5, 2)), [], 0, {}),
    # GoogLeNet's (3a), taken apart again
    Row("split", {"parts": (64, 128, 32, 32), "_index": 1}, [(256, 28, 28)], (128, 28, 28), [], 0, {}),
    Row("split", {"parts": (1, 4), "axis": 0, "_index": 1}, [SEQUENCE], Tokens((4, 8)), [], 0, {}),
    Row("split", {"parts": 2, "axis": 2, "_index": 1}, [MAP], (6, 5, 2), [], 0, {}),
    # without the class token
    Row("slice", {"start": 1, "axis": 0}, [Tokens((197, 768))], Tokens((196, 768)), [], 0, {}),
    # a router's two largest of eight
    Row("topk", {"count": 2}, [Tokens((5, 8))], Tokens((5, 2)), [], 0, {"pool": 40}),
    Row("topk", {"count": 2, "axis": 1}, [(6, 9)], (6, 2), [], 0, {"pool": 54}),
    Row("topk", {"count": 3, "axis": 0, "_index": 1}, [SEQUENCE], Tokens((3, 8)), [], 0, {}),
    # CapsNet's 10 capsules of 16
    Row("squash", {}, [Tokens((10, 16))], Tokens((10, 16)), [], 0, {"norm": 160}),
    Row("squash", {}, [MAP], MAP, [], 0, {"norm": 120}),
    Row("slice", {"start": 2, "stop": 5}, [MAP], (3, 5, 4), [], 0, {}),
    # rows 0, 2 and 4
    Row("slice", {"step": 2, "axis": 1}, [MAP], (6, 3, 4), [], 0, {}),
    Row("slice", {"start": 1, "stop": 6, "step": 3}, [VECTOR], (2,), [], 0, {}),
    Row("bn", {}, [(64, 8, 8)], (64, 8, 8), with_stats(64), 0, {"norm": 4096}),
    Row("bn", {}, [VECTOR], VECTOR, with_stats(7), 0, {"norm": 7}),
    Row("bn", {}, [(3, 9)], (3, 9), with_stats(3), 0, {"norm": 27}),
    Row("bn", {}, [(2, 3, 4, 5)], (2, 3, 4, 5), with_stats(2), 0, {"norm": 120}),
    Row("layernorm", {}, [SEQUENCE], SEQUENCE, norms(8), 0, {"norm": 40}),
    Row("layernorm", {}, [VECTOR], VECTOR, norms(7), 0, {"norm": 7}),
    Row("layernorm", {}, [MAP], MAP, norms(6), 0, {"norm": 120}),
    Row("groupnorm", {}, [(64, 8, 8)], (64, 8, 8), norms(64), 0, {"norm": 4096}),
    Row("groupnorm", {"groups": 2}, [MAP], MAP, norms(6), 0, {"norm": 120}),
    Row("instancenorm", {}, [MAP], MAP, [], 0, {"norm": 120}),
    Row("instancenorm", {"affine": True}, [(3, 9)], (3, 9), norms(3), 0, {"norm": 27}),
    # each norm without its scale, its shift, or both; the statistics of a batch norm stay
    Row("bn", {"scale": False}, [MAP], MAP, with_stats(6)[1:], 0, {"norm": 120}),
    Row("bn", {"shift": False, "eps": 0.001}, [VECTOR], VECTOR, [with_stats(7)[0], *with_stats(7)[2:]], 0, {"norm": 7}),
    Row("layernorm", {"shift": False}, [SEQUENCE], SEQUENCE, norms(8)[:1], 0, {"norm": 40}),
    Row("layernorm", {"scale": False}, [MAP], MAP, norms(6)[1:], 0, {"norm": 120}),
    Row("layernorm", {"scale": False, "shift": False}, [SEQUENCE], SEQUENCE, [], 0, {"norm": 40}),
    Row("groupnorm", {"groups": 3, "scale": False}, [MAP], MAP, norms(6)[1:], 0, {"norm": 120}),
    Row("groupnorm", {"groups": 3, "shift": False}, [MAP], MAP, norms(6)[:1], 0, {"norm": 120}),
    Row("instancenorm", {"affine": True, "shift": False}, [(3, 9)], (3, 9), norms(3)[:1], 0, {"norm": 27}),
    Row("instancenorm", {"affine": True, "scale": False}, [MAP], MAP, norms(6)[1:], 0, {"norm": 120}),
    Row("rmsnorm", {}, [SEQUENCE], SEQUENCE, norms(8)[:1], 0, {"norm": 40}),
    Row("rmsnorm", {"shift": True}, [MAP], MAP, norms(6), 0, {"norm": 120}),
    Row("rmsnorm", {"scale": False}, [VECTOR], VECTOR, [], 0, {"norm": 7}),
    Row("l2norm", {}, [VECTOR], VECTOR, [], 0, {"norm": 7}),
    # SSD's conv4_3: a factor for each of 512 channels
    Row("l2norm", {"scale": True}, [(512, 38, 38)], (512, 38, 38), norms(512)[:1], 0, {"norm": 512 * 1444}),
    Row("l2norm", {"shift": True}, [SEQUENCE], SEQUENCE, norms(8)[1:], 0, {"norm": 40}),
    Row("grn", {}, [MAP], MAP, norms(6), 0, {"norm": 120, "add": 120}),
    Row("grn", {"scale": False}, [(3, 9)], (3, 9), norms(3)[1:], 0, {"norm": 27, "add": 27}),
    Row("lrn", {}, [(96, 55, 55)], (96, 55, 55), [], 0, {"norm": 96 * 55 * 55}),
    Row("lrn", {"size": 3, "alpha": 5e-5, "k": 1.0}, [(4, 9)], (4, 9), [], 0, {"norm": 36}),
    Row("lrn", {"within": True}, [(3, 9, 8)], (3, 9, 8), [], 0, {"norm": 216}),
    Row("lrn", {"size": 3, "within": True}, [(3, 9)], (3, 9), [], 0, {"norm": 27}),
    Row("lrn", {"size": 4}, [(3, 9)], (3, 9), [], 0, {"norm": 27}),
    Row("lrn", {"size": 3}, [(3, 2, 4, 5)], (3, 2, 4, 5), [], 0, {"norm": 120}),
    *same("relu", "activation", MAP, SEQUENCE),
    *same("relu6", "activation", MAP, VECTOR),
    *same("swish", "activation", MAP, SEQUENCE),
    *same("gelu", "activation", MAP, SEQUENCE),
    *same("sigmoid", "activation", VECTOR, (6, 1, 1)),
    *(row for word in MORE_ACTIVATIONS for row in same(word, "activation", MAP, SEQUENCE)),
    *(row for word in POWERS for row in same(word, "activation", MAP, SEQUENCE)),
    Row("gelu", {"tanh": True}, [SEQUENCE], SEQUENCE, [], 0, {"activation": 40}),
    Row("tanh", {"a": 1.7159, "s": 2 / 3}, [SEQUENCE], SEQUENCE, [], 0, {"activation": 40}),
    Row("leaky_relu", {"slope": 0.2}, [VECTOR], VECTOR, [], 0, {"activation": 7}),
    Row("elu", {"alpha": 0.5}, [VECTOR], VECTOR, [], 0, {"activation": 7}),
    Row("prelu", {}, [MAP], MAP, [("weight", (6,))], 0, {"activation": 120}),
    Row("prelu", {}, [SEQUENCE], SEQUENCE, [("weight", (8,))], 0, {"activation": 40}),
    Row("prelu", {"shared": True}, [SEQUENCE], SEQUENCE, [("weight", (1,))], 0, {"activation": 40}),
    Row("scale", {"factor": 0.1}, [MAP], MAP, [], 0, {"multiply": 120}),
    Row("scale", {"factor": 2.0}, [SEQUENCE], SEQUENCE, [], 0, {"multiply": 40}),
    # LeNet-5's S2: two parameters for each of 6 maps
    Row("affine", {}, [(6, 14, 14)], (6, 14, 14), weights((6,)), 0, {"multiply": 1176, "bias": 1176}),
    Row("affine", {"bias": False}, [SEQUENCE], SEQUENCE, weights((8,), False), 0, {"multiply": 40}),
    # the zip-code net's H1: 12 maps of 8×8 units, each with a bias of its own
    Row("unit_bias", {}, [(12, 8, 8)], (12, 8, 8), [("bias", (12, 8, 8))], 0, {"bias": 768}),
    Row("unit_bias", {}, [VECTOR], VECTOR, [("bias", (7,))], 0, {"bias": 7}),
    # LeNet-5's output: 84 differences, squares and additions for each of 10 digits
    Row("rbf", {"out": 10}, [(84,)], (10,), [], 0, {"add": 2 * 840, "multiply": 840}),
    Row("rbf", {"out": 3}, [VECTOR], (3,), [], 0, {"add": 42, "multiply": 21}),
    Row("dropout", {}, [MAP], MAP, [], 0, {}),
    Row("dropout", {"p": 0.0}, [SEQUENCE], SEQUENCE, [], 0, {}),
    Row("droppath", {}, [MAP], MAP, [], 0, {}),
    Row("droppath", {"p": 0.25}, [SEQUENCE], SEQUENCE, [], 0, {}),
    *same("softmax", "softmax", (1000,), SEQUENCE, MAP),
    *same("log_softmax", "softmax", (1000,), SEQUENCE, MAP),
    Row("softmax", {"axis": 0}, [SEQUENCE], SEQUENCE, [], 0, {"softmax": 40}),
    Row("softmax", {"axis": 1}, [(6, 9)], (6, 9), [], 0, {"softmax": 54}),
    # VGG: 224 / 2
    Row("maxpool", {"kernel": 2}, [(64, 224, 224)], (64, 112, 112), [], 0, {"pool": 64 * 112 * 112 * 4}),
    # CBAM's two maps of where: one value for each of 56·56 positions, of 256 channels
    Row("mean", {"axis": 0}, [(256, 56, 56)], (1, 56, 56), [], 0, {"pool": 256 * 3136}),
    Row("mean", {"axis": 1}, [(6, 9)], (6, 1), [], 0, {"pool": 54}),
    Row("mean", {"axis": 0}, [SEQUENCE], (8,), [], 0, {"pool": 40}),
    Row("mean", {"axis": 1}, [SEQUENCE], Tokens((5, 1)), [], 0, {"pool": 40}),
    Row("mean", {"axis": 0}, [VECTOR], (1,), [], 0, {"pool": 7}),
    Row("sum", {"axis": 2}, [MAP], (6, 5, 1), [], 0, {"pool": 120}),
    Row("sum", {"axis": 0}, [SEQUENCE], (8,), [], 0, {"pool": 40}),
    Row("max", {"axis": 0}, [(256, 56, 56)], (1, 56, 56), [], 0, {"pool": 256 * 3136}),
    Row("max", {"axis": 0}, [(2, 3, 4, 5)], (1, 3, 4, 5), [], 0, {"pool": 120}),
    Row("max", {"axis": 0}, [SEQUENCE], (8,), [], 0, {"pool": 40}),
    # RNNsearch: the larger of each two of 1,000 elements
    Row("maxout", {"of": 2}, [(1000,)], (500,), [], 0, {"pool": 1000}),
    Row("maxout", {"of": 4}, [SEQUENCE], Tokens((5, 2)), [], 0, {"pool": 40}),
    Row("maxout", {"of": 3}, [MAP], (2, 5, 4), [], 0, {"pool": 120}),
    # ResNet: pad 1, ⌊(112 + 2 − 3) / 2⌋ + 1 = 56
    Row(
        "maxpool", {"kernel": 3, "stride": 2}, [(64, 112, 112)],
        (64, 56, 56), [], 0, {"pool": 64 * 56 * 56 * 9},
    ),
    # GoogLeNet's pool1 rounds up: ⌈(112 − 3) / 2⌉ + 1 = 55 + 1 = 56
    Row(
        "maxpool", {"kernel": 3, "stride": 2, "pad": 0, "ceil": True}, [(64, 112, 112)],
        (64, 56, 56), [], 0, {"pool": 64 * 56 * 56 * 9},
    ),
    # pad 1, ⌈(4 + 2 − 2) / 3⌉ + 1 = 3, but the third window would begin at 6 − 1, outside of 4 + 1: 2
    Row(
        "maxpool", {"kernel": 2, "stride": 3, "pad": 1, "ceil": True}, [(1, 4)],
        (1, 2), [], 0, {"pool": 4},
    ),
    # a window over the end: ⌈(2 − 3) / 2⌉ + 1 = 1
    Row(
        "maxpool", {"kernel": 3, "stride": 2, "pad": 0, "ceil": True}, [(5, 2, 2)],
        (5, 1, 1), [], 0, {"pool": 5 * 9},
    ),
    Row("avgpool", {"kernel": 7}, [(2048, 7, 7)], (2048, 1, 1), [], 0, {"pool": 2048 * 49}),
    # ⌊(6 + 2 − 3) / 1⌋ + 1 = 6; 1×3 pads 0 and 1, ⌊(9 + 2 − 3) / 2⌋ + 1 = 5
    Row(
        "avgpool", {"kernel": (1, 3), "stride": (1, 2)}, [(4, 6, 9)],
        (4, 6, 5), [], 0, {"pool": 120 * 3},
    ),
    # pad (2 − 1) // 2 = 0: ⌈(5 − 2) / 2⌉ + 1 = 3, on each of three axes
    Row("avgpool", {"kernel": 2, "ceil": True}, [(2, 5, 5, 5)], (2, 3, 3, 3), [], 0, {"pool": 54 * 8}),
    # an even kernel pads 0, as in torch and Caffe: ⌊(90 − 4) / 4⌋ + 1 = 22, where (4 − 1) // 2 = 1 gave 23
    Row("avgpool", {"kernel": 4}, [(2, 90)], (2, 22), [], 0, {"pool": 44 * 4}),
    # axis by axis: 3 pads 1, ⌊(9 + 2 − 3) / 1⌋ + 1 = 9; 4 pads 0, ⌊(9 − 4) / 1⌋ + 1 = 6, where 1 gave 8
    Row("avgpool", {"kernel": (3, 4), "stride": 1}, [(2, 9, 9)], (2, 9, 6), [], 0, {"pool": 108 * 12}),
    # without the zeros; ⌈4 / 2⌉ = 2, no zero before and 2 + 3 − 4 = 1 behind
    Row(
        "avgpool", {"kernel": 3, "stride": 2, "same": True, "count_pad": False}, [(4, 4, 4)],
        (4, 2, 2), [], 0, {"pool": 16 * 9},
    ),
    Row(
        "avgpool", {"kernel": 3, "stride": 1, "count_pad": False}, [(4, 4, 4)],
        (4, 4, 4), [], 0, {"pool": 64 * 9},
    ),
    # ⌈6 / 2⌉ = 3; and 6 + 1 − 2, by steps of 2: ⌊5 / 2⌋ + 1 = 3
    Row("maxpool", {"kernel": 3, "stride": 2, "same": True}, [(5, 6, 6)], (5, 3, 3), [], 0, {"pool": 45 * 9}),
    Row("maxpool", {"kernel": 2, "pad": 0, "pad_end": 1}, [(5, 6)], (5, 3), [], 0, {"pool": 30}),
    Row("gmp", {}, [(512, 7, 7)], (512, 1, 1), [], 0, {"pool": 512 * 49}),
    Row("gmp", {}, [(6, 9)], (6, 1), [], 0, {"pool": 54}),
    # windows of 2, 2, 3, 2, 3, 2, 2 on the side of 10, of 2 each on the side of 8
    Row("adaptive_avgpool", {"size": 7}, [(512, 10, 8)], (512, 7, 7), [], 0, {"pool": 512 * 16 * 14}),
    Row("adaptive_avgpool", {"size": 1}, [(6, 9)], (6, 1), [], 0, {"pool": 54}),
    Row("adaptive_maxpool", {"size": (2, 3)}, [(4, 4, 9)], (4, 2, 3), [], 0, {"pool": 4 * 4 * 9}),
    # windows of 2, 3 and 2
    Row("adaptive_maxpool", {"size": 3}, [(2, 5)], (2, 3), [], 0, {"pool": 14}),
    # Fast R-CNN: 7×7 values of a region; windows of 6, 6, 6, 7, 6, 6, 6 rows and of 9, 10, 10, 10, 10, 10, 9 columns
    Row("shift", {}, [(64, 56, 56)], (64, 56, 56), [], 0, {}),
    Row("shift", {}, [(3, 9)], (3, 9), [], 0, {}),
    Row("flatten", {}, [MAP], (120,), [], 0, {}),
    Row("flatten", {}, [VECTOR], VECTOR, [], 0, {}),
    # DCGAN's first map
    Row("reshape", {"size": (1024, 4, 4)}, [(16384,)], (1024, 4, 4), [], 0, {}),
    Row("reshape", {"size": 120}, [MAP], (120,), [], 0, {}),
    Row("pad", {"size": 3}, [(3, 224, 224)], (3, 230, 230), [], 0, {}),
    # 0 + 5 + 1 = 6, 1 + 4 + 2 = 7
    Row("pad", {"size": (0, 1), "end": (1, 2)}, [MAP], (6, 6, 7), [], 0, {}),
    Row("pad", {"size": 2, "value": -1.0}, [(6, 9)], (6, 13), [], 0, {}),
    *[
        Row("pad", {"size": 2, "end": (1, 3), "mode": mode}, [MAP], (6, 8, 9), [], 0, {})
        for mode in ("reflect", "replicate", "circular")
    ],
    Row("pad", {"size": 1, "mode": "reflect"}, [(2, 3, 4, 5)], (2, 5, 6, 7), [], 0, {}),
    # U-Net's lowest connection
    Row("crop", {"like": True}, [(512, 64, 64), (1024, 56, 56)], (512, 56, 56), [], 0, {}),
    Row("crop", {"like": (3, 2)}, [MAP], (6, 3, 2), [], 0, {}),
    # ViT's 14 · 14 patches as a map again
    Row("map", {"like": (14, 14)}, [Tokens((196, 768))], (768, 14, 14), [], 0, {}),
    Row("map", {"like": True}, [SEQUENCE, (3, 1, 5)], (8, 1, 5), [], 0, {}),
    Row("map", {"like": 5}, [SEQUENCE], (8, 5), [], 0, {}),
    # patches of 2×4 as tokens: 4·2 of them, of 4·2·4 elements
    Row(
        "rearrange", {"pattern": "c (h p) (w q) -> (h w) (p q c)", "sizes": "p=2, q=4"}, [(4, 8, 8)],
        Tokens((8, 32)), [], 0, {},
    ),
    Row("rearrange", {"pattern": "t c -> c t"}, [SEQUENCE], (8, 5), [], 0, {}),
    Row("rearrange", {"pattern": "c h w -> c w h"}, [(3, 4, 4)], (3, 4, 4), [], 0, {}),
    Row("rearrange", {"pattern": "c (h p) w -> (p c) h w", "sizes": "p=2"}, [(3, 6, 4)], (6, 3, 4), [], 0, {}),
    Row("rearrange", {"pattern": "(p c) h w -> c (h p) w", "sizes": "p=2"}, [(6, 3, 4)], (3, 6, 4), [], 0, {}),
    Row("rearrange", {"pattern": "(d c h) -> c d 1 h", "sizes": "c=2, d=3"}, [(24,)], (2, 3, 1, 4), [], 0, {}),
    # ESPCN: 3 channels of 3×3 times the size
    Row("pixel_shuffle", {"factor": 3}, [(27, 8, 8)], (3, 24, 24), [], 0, {}),
    Row("pixel_shuffle", {"factor": (1, 2)}, [MAP], (3, 5, 8), [], 0, {}),
    Row("pixel_unshuffle", {"factor": 2}, [(3, 8, 8)], (12, 4, 4), [], 0, {}),
    Row("pixel_unshuffle", {"factor": 5}, [(2, 10)], (10, 2), [], 0, {}),
    Row("upsample", {"factor": 2}, [(256, 13, 13)], (256, 26, 26), [], 0, {"interpolation": 256 * 676}),
    Row("upsample", {"factor": (2, 3), "smooth": True}, [MAP], (6, 10, 12), [], 0, {"interpolation": 720}),
    # DeepLabv3's pooled branch, 1×1 to 28×28
    Row("upsample", {"like": (28, 28), "smooth": True}, [(9, 1, 1)], (9, 28, 28), [], 0, {"interpolation": 7056}),
    Row("upsample", {"like": True}, [(6, 4, 3), (2, 7, 9)], (6, 7, 9), [], 0, {"interpolation": 378}),
    Row("upsample", {"like": (3, 10), "smooth": True}, [MAP], (6, 3, 10), [], 0, {"interpolation": 180}),
    Row(
        "upsample", {"factor": 2, "smooth": True, "align_corners": True}, [MAP],
        (6, 10, 8), [], 0, {"interpolation": 480},
    ),
    Row("grid_sample", {"at": True}, [(3, 8, 8), (2, 6, 5)], (3, 6, 5), [], 0, {"interpolation": 90}),
    Row(
        "grid_sample", {"at": True, "align_corners": True}, [(3, 2, 5, 6), (3, 2, 3, 2)],
        (3, 2, 3, 2), [], 0, {"interpolation": 36},
    ),
    Row("shuffle", {"groups": 3}, [MAP], MAP, [], 0, {}),
    Row("shuffle", {"groups": 1}, [(4, 9)], (4, 9), [], 0, {}),
    Row("gap", {}, [(2048, 7, 7)], (2048, 1, 1), [], 0, {"pool": 2048 * 49}),
    Row("gap", {}, [(6, 9)], (6, 1), [], 0, {"pool": 54}),
    # ViT-B/16: 14 · 14 patches
    Row("tokens", {}, [(768, 14, 14)], Tokens((196, 768)), [], 0, {}),
    Row("tokens", {}, [(6, 9)], Tokens((9, 6)), [], 0, {}),
    Row("class_token", {}, [Tokens((196, 768))], Tokens((197, 768)), [("token", (1, 768))], 0, {}),
    Row("class_token", {}, [SEQUENCE], Tokens((6, 8)), [("token", (1, 8))], 0, {}),
    Row(
        "position", {}, [Tokens((197, 768))],
        Tokens((197, 768)), [("positions", (197, 768))], 0, {"add": 197 * 768},
    ),
    Row("position", {}, [SEQUENCE], SEQUENCE, [("positions", (5, 8))], 0, {"add": 40}),
    # GPT-2's table at 5 tokens
    Row("position", {"length": 1024}, [SEQUENCE], SEQUENCE, [("positions", (1024, 8))], 0, {"add": 40}),
    Row("learned", {"size": (100, 256)}, [MAP], Tokens((100, 256)), [("weight", (100, 256))], 0, {}),
    Row("learned", {"size": (64, 3, 7, 7)}, [SEQUENCE], (64, 3, 7, 7), [("weight", (64, 3, 7, 7))], 0, {}),
    Row("learned", {"size": 5}, [MAP], (5,), [("weight", (5,))], 0, {}),
    Row("coordinates", {"size": (3, 4)}, [MAP], Tokens((12, 2)), [], 0, {}),
    Row("coordinates", {"size": 5, "log": 8.0}, [SEQUENCE], Tokens((5, 1)), [], 0, {}),
    Row("sines", {"out": 8, "like": (3, 4)}, [SEQUENCE], (8, 3, 4), [], 0, {}),
    Row("sines", {"out": 12, "like": True, "span": 6.28}, [VECTOR, MAP], (12, *MAP[1:]), [], 0, {}),
    Row("constant", {"value": 0.5, "size": (3, 4)}, [MAP], Tokens((3, 4)), [], 0, {}),
    Row("constant", {"value": -1.0, "size": 3}, [SEQUENCE], (3,), [], 0, {}),
    Row("triangle", {"tokens": 5}, [SEQUENCE], Tokens((5, 5)), [], 0, {}),
    Row("triangle", {"tokens": 3, "below": 0.0, "above": -1e9}, [MAP], Tokens((3, 3)), [], 0, {}),
    *same("sinusoid", "add", Tokens((25, 512)), SEQUENCE),
    Row("sinusoid", {"relative": True}, [Tokens((499, 144))], Tokens((499, 144)), [], 0, {"add": 499 * 144}),
    Row("reverse", {}, [Tokens((50, 1000))], Tokens((50, 1000)), [], 0, {}),
    Row("reverse", {}, [SEQUENCE], SEQUENCE, [], 0, {}),
    # RNNsearch's context: 50 tokens of 2,000, each times its weight
    Row("weighted", {"by": True}, [Tokens((50, 2000)), Tokens((50, 1))], (2000,), [], 100_000, {}),
    Row("weighted", {"by": True}, [SEQUENCE, Tokens((5, 1))], (8,), [], 40, {}),
    # Mamba's: 4 channels, 6 steps, states of 3; each element multiplied and added once a step
    Row("scan", {"by": True, "axis": 1}, [(4, 6, 3), (4, 6, 3)], (4, 6, 3), [], 0, {"multiply": 72, "add": 72}),
    Row("scan", {"by": True}, [SEQUENCE, SEQUENCE], SEQUENCE, [], 0, {"multiply": 40, "add": 40}),
    # one factor for all steps of a channel; along the last axis
    Row("scan", {"by": True}, [(4, 9), (4, 1)], (4, 9), [], 0, {"multiply": 36, "add": 36}),
    Row("scan", {"by": True}, [VECTOR, VECTOR], VECTOR, [], 0, {"multiply": 7, "add": 7}),
    Row("scan", {"by": True, "axis": 0}, [MAP, (1, 5, 4)], MAP, [], 0, {"multiply": 120, "add": 120}),
    # CLIP: a product of 512 elements, both vectors divided by their lengths, and the temperature
    Row(
        "similarity", {"other": True}, [(512,), (512,)],
        (1,), [("temperature", (1,))], 512, {"norm": 1024, "multiply": 1},
    ),
    Row(
        "similarity", {"other": True}, [VECTOR, VECTOR],
        (1,), [("temperature", (1,))], 7, {"norm": 14, "multiply": 1},
    ),
    Row("zeros", {"width": 650}, [Tokens((35, 650))], (650,), [], 0, {}),
    Row("zeros", {"width": 3}, [MAP], (3,), [], 0, {}),
    Row("stack", {}, [VECTOR, VECTOR, VECTOR], Tokens((3, 7)), [], 0, {}),
    Row("stack", {}, [(8,)], Tokens((1, 8)), [], 0, {}),
    *same("complement", "add", (1000,), SEQUENCE),
    Row("take", {}, [Tokens((197, 768))], (768,), [], 0, {}),
    Row("take", {"index": 4}, [SEQUENCE], (8,), [], 0, {}),
    Row(
        "embed", {"words": 1000, "width": 16}, [(50,)],
        Tokens((50, 16)), [("weight", (1000, 16))], 0, {},
    ),
    Row("embed", {"words": 10, "width": 4}, [VECTOR], Tokens((7, 4)), [("weight", (10, 4))], 0, {}),
    # 5·8·3
    Row("matmul", {"other": True}, [SEQUENCE, Tokens((8, 3))], Tokens((5, 3)), [], 120, {}),
    Row("matmul", {"other": True, "transpose": True}, [SEQUENCE, Tokens((6, 8))], Tokens((5, 6)), [], 240, {}),
    # 5 tokens · 4 units · (8 + 4)
    Row(
        "rnn", {"width": 4}, [SEQUENCE], Tokens((5, 4)), recurrent(1, 8, 4, 1),
        240, {"activation": 20, "add": 20, "bias": 20},
    ),
    Row("rnn", {"width": 4, "bias": False}, [SEQUENCE], Tokens((5, 4)), recurrent(1, 8, 4, 0),
        240, {"activation": 20, "add": 20}),
    # 5 tokens · 4·3 rows · (8 + 3)
    Row(
        "lstm", {"width": 3}, [SEQUENCE], Tokens((5, 3)), recurrent(4, 8, 3, 1),
        660, {"activation": 75, "add": 75, "multiply": 45, "bias": 60},
    ),
    Row(
        "lstm", {"width": 3, "biases": 2}, [SEQUENCE], Tokens((5, 3)), recurrent(4, 8, 3, 2),
        660, {"activation": 75, "add": 75, "multiply": 45, "bias": 120},
    ),
    # 5 tokens · 3·3 rows · (8 + 3)
    # from a state, and one step of a vector: as many operations for each token; the state behind the tokens
    Row(
        "gru", {"width": 3, "hidden": True}, [SEQUENCE, (3,)], Tokens((5, 3)), recurrent(3, 8, 3, 1),
        5 * 3 * 3 * (8 + 3), {"activation": 45, "add": 75, "multiply": 45, "bias": 45},
    ),
    Row(
        "rnn", {"width": 4, "hidden": True}, [(8,), (4,)], (4,), recurrent(1, 8, 4, 1),
        4 * (8 + 4), {"activation": 4, "add": 4, "bias": 4},
    ),
    Row(
        "lstm", {"width": 3, "hidden": True, "cell": True, "states": True}, [(8,), (3,), (3,)], (6,),
        recurrent(4, 8, 3, 1), 4 * 3 * (8 + 3), {"activation": 15, "add": 15, "multiply": 9, "bias": 12},
    ),
    Row(
        "lstm", {"width": 3, "states": True}, [SEQUENCE], Tokens((6, 3)), recurrent(4, 8, 3, 1),
        5 * 4 * 3 * (8 + 3), {"activation": 75, "add": 75, "multiply": 45, "bias": 60},
    ),
    Row(
        "gru", {"width": 3}, [SEQUENCE], Tokens((5, 3)), recurrent(3, 8, 3, 1),
        495, {"activation": 45, "add": 75, "multiply": 45, "bias": 45},
    ),
    Row(
        "gru", {"width": 3, "biases": 2}, [SEQUENCE], Tokens((5, 3)), recurrent(3, 8, 3, 2),
        495, {"activation": 45, "add": 75, "multiply": 45, "bias": 90},
    ),
    # twice the layer above
    *(
        Row(
            word, {"width": 3, "bidirectional": True, "biases": biases}, [SEQUENCE], Tokens((5, 6)),
            [(name + way, shape) for way in ("", "_reverse") for name, shape in recurrent(gates, 8, 3, biases)],
            2 * 5 * 3 * gates * (8 + 3),
            {kind: 30 * n for kind, n in kinds.items()} | {"bias": 30 * gates * biases},
        )
        for word, gates, kinds in (
            ("rnn", 1, {"activation": 1, "add": 1}),
            ("lstm", 4, {"activation": 5, "add": 5, "multiply": 3}),
            ("gru", 3, {"activation": 3, "add": 5, "multiply": 3}),
        )
        for biases in (1, 2)
    ),
    # ViT-B: 4 projections of 768², and 197² scores of width 768 twice; 12 heads
    Row(
        "attention", {"heads": 12}, [Tokens((197, 768))], Tokens((197, 768)),
        [
            ("q.weight", (768, 768)), ("q.bias", (768,)), ("k.weight", (768, 768)), ("k.bias", (768,)),
            ("v.weight", (768, 768)), ("v.bias", (768,)), ("out.weight", (768, 768)), ("out.bias", (768,)),
        ],
        4 * 197 * 768**2 + 2 * 197**2 * 768,
        {"softmax": 12 * 197**2, "multiply": 12 * 197**2, "bias": 4 * 197 * 768},
    ),
    # 4·5·8² + 2·5²·8 = 1280 + 400
    Row(
        "attention", {"heads": 2, "bias": False, "causal": True}, [SEQUENCE], SEQUENCE,
        [(f"{name}.weight", (8, 8)) for name in ("q", "k", "v", "out")], 1680, {"softmax": 50, "multiply": 50},
    ),
    # 5 tokens of 8 read 7 of 3: 5·8·4 + 7·3·(4 + 6) + 5·6·8 + 5·7·(4 + 6) = 160 + 210 + 240 + 350
    Row(
        "attention", {"heads": 2, "memory": True, "key": 4, "value": 6}, [SEQUENCE, Tokens((7, 3))], SEQUENCE,
        [
            ("q.weight", (4, 8)), ("q.bias", (4,)), ("k.weight", (4, 3)), ("k.bias", (4,)),
            ("v.weight", (6, 3)), ("v.bias", (6,)), ("out.weight", (8, 6)), ("out.bias", (8,)),
        ],
        960, {"softmax": 70, "multiply": 70, "bias": 5 * 4 + 7 * (4 + 6) + 5 * 8},
    ),
    Row(
        "windows", {"kernel": (4, 6), "shift": (1, 2)}, [(3, 8, 12)], Many((3, 4, 6), (WINDOWS,)), [], 0, {},
    ),
    # a window as large as the map along one axis: there nothing is shifted
    Row(
        "windows", {"kernel": 4, "shift": 2}, [(3, 4, 8)],
        Many((3, 4, 4), (Cut("windows", 2, (4, 8), (4, 4), (0, 2)),)), [], 0, {},
    ),
    Row("grid", {"kernel": (4, 6)}, [(3, 8, 12)], Many((3, 4, 6), (GRID,)), [], 0, {}),
    Row("grid", {"kernel": 2}, [(3, 8)], Many((3, 2), (Cut("grid", 4, (8,), (2,), (0,)),)), [], 0, {}),
    # (9 − 4) // 2 + 1 = 3 and (7 − 4) // 2 + 1 = 2 patches that overlap
    Row(
        "patches", {"kernel": 4, "stride": 2}, [(3, 9, 7)],
        Many((3, 4, 4), (Cut("patches", 6, (3, 2), (1, 1)),)), [], 0, {},
    ),
    Row(
        "patches", {"kernel": 3}, [(3, 9, 7)], Many((3, 3, 3), (Cut("patches", 6, (3, 2), (1, 1)),)), [], 0, {},
    ),
    Row("frames", {}, [(3, 5, 8, 12)], Many((3, 8, 12), (FRAMES,)), [], 0, {}),
    Row("frames", {}, [(3, 5, 8)], Many((3, 8), (FRAMES,)), [], 0, {}),
    Row("crops", {"count": 10, "size": 224}, [(3, 256, 256)], Many((3, 224, 224), (Cut("crops", 10),)), [], 0, {}),
    Row("crops", {"count": 3, "size": 4}, [(3, 4, 9)], Many((3, 4, 4), (Cut("crops", 3),)), [], 0, {}),
    Row(
        "regions", {"count": 3, "size": 7}, [(512, 37, 62)], Many((512, 7, 7), (Cut("regions", 3),)), [], 0,
        {"pool": 3 * 512 * 43 * 68},
    ),
    Row(
        "regions", {"count": 2, "size": (2, 3)}, [Many((4, 4, 9), (FRAMES,))],
        Many((4, 2, 3), (FRAMES, Cut("regions", 2))), [], 0, {"pool": 10 * 4 * 4 * 9},
    ),
    # of each element of 100 regions of 14 × 14 bins the mean of 2 × 2 points
    Row(
        "roialign", {"boxes": True, "size": 14, "stride": 4}, [(256, 20, 34), (256, 10, 17), Tokens((100, 4))],
        Many((256, 14, 14), (Cut("regions", 100),)), [], 0,
        {"interpolation": 100 * 256 * 196 * 4, "pool": 100 * 256 * 196 * 4},
    ),
    Row(
        "roialign", {"boxes": True, "size": (2, 3), "stride": 16, "samples": 1},
        [Many((4, 5, 9), (FRAMES,)), ManyTokens((2, 4), (FRAMES,))],
        Many((4, 2, 3), (FRAMES, Cut("regions", 2))), [], 0, {"interpolation": 10 * 24, "pool": 10 * 24},
    ),
    Row("copies", {"count": 3}, [SEQUENCE], ManyTokens((5, 8), (BEAMS,)), [], 0, {}),
    # beams of each frame
    Row("copies", {"count": 3}, [Many((7,), (FRAMES,))], Many((7,), (FRAMES, BEAMS)), [], 0, {}),
    Row("many", {}, [MAP, MAP], Many(MAP, (PAIR,)), [], 0, {}),
    Row("many", {}, [VECTOR] * 3, Many(VECTOR, (Cut("many", 3),)), [], 0, {}),
    # windows of another size and number of channels: 2 · 2 by 2 · 3, turned back
    Row("together", {}, [Many((5, 2, 3), (WINDOWS,))], (5, 4, 6), [], 0, {}),
    Row("together", {}, [ManyTokens((24, 5), (WINDOWS,))], (5, 8, 12), [], 0, {}),
    Row("together", {}, [ManyTokens((24, 5), (GRID,))], (5, 8, 12), [], 0, {}),
    Row("together", {}, [Many((5,), (Cut("patches", 6, (3, 2), (1, 1)),))], (5, 3, 2), [], 0, {}),
    Row("together", {}, [Many((7,), (FRAMES,))], Tokens((5, 7)), [], 0, {}),
    Row("together", {}, [ManyTokens((4, 7), (BEAMS, FRAMES))], ManyTokens((20, 7), (BEAMS,)), [], 0, {}),
    Row("together", {}, [Many((3, 8, 12), (FRAMES,))], (3, 5, 8, 12), [], 0, {}),
    # Llama-3-8B's layer at 2 tokens: 32 heads of 128 read 8 of keys and values, 4096·(4096 + 1024 + 1024 + 4096) a
    # token; 2 · 40 heads are turned in 128 elements, by 2 products and a sum each
    Row(
        "attention", {"heads": 32, "kv_heads": 8, "bias": False, "causal": True, "rotary": 500000.0},
        [Tokens((2, 4096))], Tokens((2, 4096)), projections((4096, 4096), (1024, 4096), (1024, 4096), (4096, 4096)),
        2 * 4096 * 10240 + 2 * 2 * 2 * 4096, {"softmax": 128, "multiply": 128 + 2 * 10240, "add": 10240},
    ),
    # one head of keys and values for all; 5·8·8 + 5·8·(4 + 4) + 5·8·8 + 5²·16; out 3 wide: 5·8·3
    Row(
        "attention", {"heads": 2, "kv_heads": 1, "bias": False, "out_bias": True, "out": 3}, [SEQUENCE], Tokens((5, 3)),
        [*projections((8, 8), (4, 8), (4, 8), (3, 8)), ("out.bias", (3,))],
        320 + 320 + 120 + 400, {"softmax": 50, "multiply": 50, "bias": 15},
    ),
    # Whisper's: no bias of keys. Keys of 3 and values of 6, 7 tokens of each: 5·8·8 + 7·3·8 + 7·6·8 + 5·8·8 + 5·7·16
    Row(
        "attention", {"heads": 2, "memory": True, "values": True, "key_bias": False},
        [SEQUENCE, Tokens((7, 3)), Tokens((7, 6))], SEQUENCE,
        [
            ("q.weight", (8, 8)), ("q.bias", (8,)), ("k.weight", (8, 3)), ("v.weight", (8, 6)), ("v.bias", (8,)),
            ("out.weight", (8, 8)), ("out.bias", (8,)),
        ],
        320 + 168 + 336 + 320 + 560, {"softmax": 70, "multiply": 70, "bias": 40 + 56 + 40},
    ),
    # DETR's: queries and keys of one sequence, values of another
    Row(
        "attention", {"heads": 2, "values": True, "bias": False}, [SEQUENCE, Tokens((5, 4))], SEQUENCE,
        projections((8, 8), (8, 8), (8, 4), (8, 8)), 320 + 320 + 160 + 320 + 400, {"softmax": 50, "multiply": 50},
    ),
    # 2 of 4 elements turned, of 2 heads each of queries and keys: 5·4·2 = 40
    Row(
        "attention", {"heads": 2, "bias": False, "rotary": 10000.0, "rotary_width": 2, "interleaved": True},
        [SEQUENCE], SEQUENCE, SQUARE, 1680, {"softmax": 50, "multiply": 50 + 80, "add": 40},
    ),
    # Swin's window of 7×7: 13·13 biases a head
    Row(
        "attention", {"heads": 3, "bias": False, "relative": (7, 7)}, [Tokens((49, 6))], Tokens((49, 6)),
        [*projections((6, 6), (6, 6), (6, 6), (6, 6)), ("table", (169, 3))],
        4 * 49 * 36 + 2 * 49**2 * 6, {"softmax": 3 * 2401, "multiply": 3 * 2401, "add": 3 * 2401},
    ),
    Row(
        "attention", {"heads": 2, "bias": False, "relative": 5}, [SEQUENCE], SEQUENCE, [*SQUARE, ("table", (9, 2))],
        1680, {"softmax": 50, "multiply": 50, "add": 50},
    ),
    # 1 and 9 vectors of a head's width of 4; each query meets 1 and 5 of them: 5·8·6 more
    Row(
        "attention", {"heads": 2, "bias": False, "relative": (1, 5), "decomposed": True}, [SEQUENCE], SEQUENCE,
        [*SQUARE, ("axis_0", (1, 4)), ("axis_1", (9, 4))],
        1680 + 240, {"softmax": 50, "multiply": 50, "add": 100},
    ),
    # Transformer-XL's: each query meets 5 + 5 − 1 vectors, 5·8·9; of 7 tokens 11
    Row(
        "attention", {"heads": 2, "bias": False, "positions": True}, [SEQUENCE, Tokens((9, 8))], SEQUENCE,
        [*SQUARE, ("bias_u", (2, 4)), ("bias_v", (2, 4))],
        1680 + 360, {"softmax": 50, "multiply": 50, "add": 50, "bias": 80},
    ),
    Row(
        "attention", {"heads": 2, "bias": False, "memory": True, "positions": True, "mask": True},
        [SEQUENCE, Tokens((7, 8)), Tokens((11, 8)), (1, 5, 7)], SEQUENCE,
        [*SQUARE, ("bias_u", (2, 4)), ("bias_v", (2, 4))],
        2096 + 440, {"softmax": 70, "multiply": 70, "add": 140, "bias": 80},
    ),
    # a table that is given, for a cross attention too; T5's 32 classes
    Row(
        "attention", {"heads": 2, "bias": False, "buckets": 32, "scale": 1.0}, [SEQUENCE], SEQUENCE,
        [*SQUARE, ("table", (32, 2))], 1680, {"softmax": 50, "multiply": 50, "add": 50},
    ),
    Row(
        "attention", {"heads": 2, "bias": False, "buckets": 6, "distance": 9, "table": True, "causal": True},
        [SEQUENCE, Tokens((6, 2))], SEQUENCE, SQUARE, 1680, {"softmax": 50, "multiply": 50, "add": 50},
    ),
    Row(
        "attention", {"heads": 2, "bias": False, "relative": 5, "kv_heads": 1, "table": True, "mask": True},
        [SEQUENCE, Tokens((9, 2)), (2, 5, 5)], SEQUENCE, projections((8, 8), (4, 8), (4, 8), (8, 8)),
        320 + 320 + 320 + 400, {"softmax": 50, "multiply": 50, "add": 100},
    ),
    Row(
        "attention", {"heads": 2, "bias": False, "mask": True}, [SEQUENCE, Tokens((5, 5))], SEQUENCE, SQUARE,
        1680, {"softmax": 50, "multiply": 50, "add": 50},
    ),
    Row(
        "attention", {"heads": 2, "bias": False, "mask": True, "memory": True, "window": 3, "causal": True},
        [SEQUENCE, Tokens((7, 8)), (1, 5, 7)], SEQUENCE, SQUARE,
        2 * 320 + 2 * 448 + 560, {"softmax": 70, "multiply": 70, "add": 70},
    ),
    Row(
        "attention", {"heads": 2, "bias": False, "alibi": True, "causal": True}, [SEQUENCE], SEQUENCE, SQUARE,
        1680, {"softmax": 50, "multiply": 50, "add": 50},
    ),
    *(
        Row("attention", {"heads": 2, "bias": False, "window": window, "causal": causal}, [SEQUENCE], SEQUENCE, SQUARE,
            1680, {"softmax": 50, "multiply": 50})
        for window in (2, 9) for causal in (True, False)
    ),
    # scales of a head's 4 elements; of layer norms shifts too; a temperature a head. 5·(8 + 8) elements
    *(
        Row("attention", {"heads": 2, "bias": False, "qk_norm": norm, **more}, [SEQUENCE], SEQUENCE,
            [*SQUARE, *tensors], 1680,
            {"softmax": 50, "multiply": 50, "norm": 80} | ({"multiply": 210, "add": 80} if more else {}))
        for norm, tensors in (
            ("rmsnorm", [("q_norm.weight", (4,)), ("k_norm.weight", (4,))]),
            ("layernorm", [(f"{name}_norm.{tensor}", (4,)) for name in "qk" for tensor in ("weight", "bias")]),
            ("l2norm", [("temperature", (2,))]),
        )
        for more in ({}, {"rotary": 10000.0})
    ),
    Row(
        "attention", {"heads": 4, "bias": False, "qk_norm": "l2norm", "kv_heads": 2}, [SEQUENCE], SEQUENCE,
        [*projections((8, 8), (4, 8), (4, 8), (8, 8)), ("temperature", (4,))],
        320 + 320 + 320 + 400, {"softmax": 100, "multiply": 100, "norm": 60},
    ),
    *(
        Row("attention", {"heads": 2, "bias": False, "dropout": 0.1, **more}, [SEQUENCE], SEQUENCE, SQUARE,
            1680, {"softmax": 50, "multiply": 50})
        for more in ({}, {"causal": True})
    ),
    Row("gates", {"chosen": 2}, [SEQUENCE], SEQUENCE, [], 0, {"softmax": 40, "multiply": 10}),
    Row("gates", {"chosen": 8, "normalize": False}, [SEQUENCE], SEQUENCE, [], 0, {"softmax": 40}),
    # three copies of 5 tokens of 8, each token's worked on by one of 4 experts: 3·5·8·6
    Row(
        "expert_linear", {"out": 6, "gates": True}, [ManyTokens((5, 8), (BEAMS,)), Tokens((5, 4))],
        ManyTokens((5, 6), (BEAMS,)), [("weight", (4, 6, 8)), ("bias", (4, 6))], 720, {"bias": 90},
    ),
    # in each of five frames
    Row(
        "expert_linear", {"out": 6, "gates": True, "bias": False},
        [ManyTokens((5, 8), (FRAMES, BEAMS)), ManyTokens((5, 4), (FRAMES,))],
        ManyTokens((5, 6), (FRAMES, BEAMS)), [("weight", (4, 6, 8))], 3600, {},
    ),
    Row(
        "combine", {"gates": True}, [ManyTokens((5, 8), (BEAMS,)), Tokens((5, 4))], SEQUENCE, [], 0,
        {"multiply": 120, "add": 80},
    ),
    Row(
        "combine", {"gates": True}, [ManyTokens((5, 8), (FRAMES, Cut("copies", 1))), ManyTokens((5, 4), (FRAMES,))],
        ManyTokens((5, 8), (FRAMES,)), [], 0, {"multiply": 200},
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.word}-{row.arguments}-{row.inputs}")
def test_row(row: Row) -> None:
    op = call(row.word, **row.arguments)
    shape = op.shape(*row.inputs)
    assert shape == row.shape
    assert [(p.name, p.shape) for p in op.params(*row.inputs)] == row.params
    assert op.macs(*row.inputs, shape) == row.macs
    assert op.elementwise(*row.inputs, shape) == row.elementwise
    assert verify(single(op, *row.inputs)) == []


@pytest.mark.parametrize("word", OPS)
def test_every_op_has_rows(word: str) -> None:
    assert sum(row.word == word for row in ROWS) >= 2, f"give `{word}` two rows in ROWS"


# What must be refused, and the argument that is named as the one at fault.
REFUSED: list[tuple[str, Arguments, list[Shape], str]] = [
    ("conv", {"out": 4, "kernel": 5, "pad": 0}, [(3, 4, 9)], "kernel"),
    ("conv", {"out": 4, "kernel": 3, "groups": 2}, [(3, 9, 9)], "groups"),
    ("conv", {"out": 3, "kernel": 3, "groups": 2}, [(4, 9, 9)], "groups"),
    ("conv", {"out": 4, "kernel": (3, 3, 3)}, [(3, 9, 9)], "kernel"),
    ("conv", {"out": 4, "kernel": 3}, [VECTOR], ""),
    ("conv", {"out": 4, "kernel": 3}, [SEQUENCE], ""),
    ("conv", {"out": 4, "kernel": 1}, [(1, 2, 3, 4, 5)], ""),
    ("conv", {"out": 4, "kernel": 3, "same": True, "pad": 1}, [MAP], "same"),
    ("conv", {"out": 4, "kernel": 7, "pad": 0, "pad_end": 1}, [MAP], "kernel"),
    ("dwconv", {"kernel": 3}, [VECTOR], ""),
    ("deconv", {"out": 4, "kernel": 3, "groups": 4}, [MAP], "groups"),
    ("deconv", {"out": 4, "kernel": 3, "stride": 2, "out_pad": 2}, [MAP], "out_pad"),
    ("deconv", {"out": 4, "kernel": 1, "pad": 2}, [MAP], "pad"),
    ("bilinear", {"other": True, "out": 4}, [SEQUENCE, Tokens((4, 8))], ""),
    ("bilinear", {"other": True, "out": 4}, [MAP, MAP], ""),
    ("groupnorm", {"groups": 4}, [MAP], "groups"),
    ("instancenorm", {}, [(6, 1, 1)], ""),
    ("rbf", {"out": 4}, [MAP], ""),
    ("rnn", {"width": 4}, [MAP], ""),
    ("lstm", {"width": 4, "biases": 3}, [SEQUENCE], "biases"),
    ("max", {"axis": 2}, [SEQUENCE], "axis"),
    ("sum", {"axis": 1}, [VECTOR], "axis"),
    ("mean", {"axis": 3}, [MAP], "axis"),
    ("topk", {"count": 9}, [SEQUENCE], "count"),
    ("grid_sample", {"at": True}, [MAP, (3, 5, 4)], "at"),
    ("grid_sample", {"at": True}, [(6, 9), (1, 9)], "at"),
    ("localconv", {"out": 4, "kernel": 7, "pad": 0}, [MAP], "kernel"),
    ("dynconv", {"by": True, "out": 4, "kernel": 3}, [MAP, VECTOR], "by"),
    ("deformconv", {"offsets": True, "out": 4, "kernel": 3}, [MAP, MAP], "offsets"),
    ("deformconv", {"offsets": True, "mask": True, "out": 4, "kernel": 1}, [MAP, (2, 5, 4), MAP], "mask"),
    ("deformconv", {"offsets": True, "out": 4, "kernel": 3}, [(6, 9), (3, 9)], ""),
    ("mean", {"axis": 0}, [MAP, MAP], "axis"),
    ("mean", {}, [MAP], ""),
    ("softmax", {"axis": 3}, [MAP], "axis"),
    ("sub", {}, [MAP, SEQUENCE], ""),
    ("split", {"parts": (2, 3)}, [MAP], "parts"),
    ("split", {"parts": 2, "axis": 1}, [MAP], "parts"),
    ("split", {"parts": 2, "axis": 3}, [MAP], "axis"),
    ("slice", {"start": 6}, [MAP], "start"),
    ("slice", {"stop": 7}, [MAP], "start"),
    ("concat", {"axis": 0}, [SEQUENCE, Tokens((5, 3))], ""),
    ("concat", {"axis": 3}, [MAP, MAP], "axis"),
    ("upsample", {}, [MAP], ""),
    ("upsample", {"factor": 2, "like": 3}, [MAP], ""),
    ("upsample", {"like": True}, [MAP, (6, 5)], "like"),
    ("upsample", {"factor": 2, "align_corners": True}, [MAP], "align_corners"),
    ("maxout", {"of": 3}, [SEQUENCE], "of"),
    ("shift", {}, [SEQUENCE], ""),
    ("sinusoid", {}, [MAP], ""),
    ("sinusoid", {"relative": True}, [Tokens((6, 8))], "relative"),
    ("reverse", {}, [(5, 8)], ""),
    ("weighted", {"by": True}, [SEQUENCE, SEQUENCE], "by"),
    ("weighted", {"by": True}, [SEQUENCE, (5,)], "by"),
    ("scan", {"by": True}, [SEQUENCE, (5, 8)], "by"),
    ("scan", {"by": True}, [SEQUENCE, (8,)], "by"),
    ("scan", {"by": True}, [MAP, (6, 5, 2)], "by"),
    ("scan", {"by": True, "axis": 2}, [SEQUENCE, SEQUENCE], "axis"),
    ("similarity", {"other": True}, [VECTOR, (8,)], ""),
    ("similarity", {"other": True}, [SEQUENCE, SEQUENCE], ""),
    ("stack", {}, [VECTOR, (8,)], ""),
    ("stack", {}, [SEQUENCE, SEQUENCE], ""),
    ("reshape", {"size": (6, 21)}, [MAP], "size"),
    ("pad", {"size": (1, 2, 3)}, [MAP], "size"),
    ("pad", {"size": 1, "mode": "mirror"}, [MAP], "mode"),
    ("pad", {"size": 1, "mode": "reflect", "value": 1.0}, [MAP], "value"),
    ("pad", {"size": 4, "mode": "reflect"}, [MAP], "size"),
    ("pad", {"size": 1, "end": 5, "mode": "circular"}, [MAP], "size"),
    ("crop", {"like": True}, [MAP], "like"),
    ("crop", {"like": 5}, [MAP], "like"),
    ("crop", {"like": True}, [MAP, (6, 5)], "like"),
    ("map", {"like": True}, [SEQUENCE], "like"),
    ("map", {"like": (2, 3)}, [SEQUENCE], "like"),
    ("map", {"like": True}, [SEQUENCE, MAP], "like"),
    ("map", {"like": True}, [SEQUENCE, VECTOR], ""),
    ("map", {"like": 5}, [MAP], ""),
    ("reshape", {"size": (8, 5, 1)}, [SEQUENCE], ""),  # it would scramble: `map` is the way out
    ("rearrange", {"pattern": "c h w (h w) c"}, [MAP], "pattern"),
    ("rearrange", {"pattern": "c h w -> (h w c"}, [MAP], "pattern"),
    ("rearrange", {"pattern": "c h w -> (h w) c c"}, [MAP], "pattern"),
    ("rearrange", {"pattern": "c h w -> (h w)"}, [MAP], "pattern"),
    ("rearrange", {"pattern": "c h w -> (h w) c"}, [SEQUENCE], "pattern"),
    ("rearrange", {"pattern": "h w c -> (h w) c"}, [MAP], "pattern"),
    ("rearrange", {"pattern": "c t -> t c"}, [SEQUENCE], "pattern"),
    ("rearrange", {"pattern": "c h w -> h w c"}, [MAP], "pattern"),
    ("rearrange", {"pattern": "d h w -> d (h w)"}, [MAP], "pattern"),
    ("rearrange", {"pattern": "c (h p) w -> (c p) h w"}, [MAP], "pattern"),
    ("rearrange", {"pattern": "c (h p) w -> (c p) h w", "sizes": "p=2"}, [MAP], "sizes"),
    ("rearrange", {"pattern": "c h w -> c w h", "sizes": "p=2"}, [MAP], "sizes"),
    ("rearrange", {"pattern": "c h w -> c w h 1 1"}, [MAP], "pattern"),
    ("pixel_shuffle", {"factor": 2}, [MAP], "factor"),
    ("pixel_shuffle", {"factor": 1}, [SEQUENCE], ""),
    ("pixel_unshuffle", {"factor": 2}, [MAP], "factor"),
    ("upsample", {"factor": 2}, [SEQUENCE], ""),
    ("shuffle", {"groups": 4}, [MAP], "groups"),
    ("adaptive_avgpool", {"size": (1, 2, 3)}, [MAP], "size"),
    ("adaptive_maxpool", {"size": 1}, [VECTOR], ""),
    ("embed", {"words": 9, "width": 4}, [SEQUENCE], ""),
    ("matmul", {"other": True}, [SEQUENCE, SEQUENCE], "other"),
    ("matmul", {"other": True}, [VECTOR, SEQUENCE], ""),
    ("maxpool", {"kernel": 3, "pad": 0, "pad_end": 1, "ceil": True}, [MAP], "ceil"),
    ("maxpool", {"kernel": 3, "pad": 0, "pad_end": 2}, [MAP], "pad"),
    ("gmp", {}, [VECTOR], ""),
    ("attention", {"heads": 2, "value": 5}, [SEQUENCE], "heads"),
    ("attention", {"heads": 2, "memory": True}, [SEQUENCE, MAP], ""),
    ("linear", {"out": 4}, [()], ""),
    ("add", {}, [MAP, (6, 5, 2)], ""),
    ("add", {}, [MAP, (6,)], ""),
    ("add", {}, [SEQUENCE, (5, 8)], ""),  # a signal of 5 channels is no sequence of 5 tokens
    ("add", {}, [MAP, Tokens((5, 4))], ""),
    ("mul", {}, [MAP, (6, 5, 3)], ""),
    ("mul", {}, [(2, 1), (1, 3), (3, 1)], ""),
    ("concat", {}, [MAP, (6, 5, 5)], ""),
    ("concat", {}, [SEQUENCE, (5, 8)], ""),
    ("concat", {}, [MAP, (6, 5)], ""),
    ("pad_channels", {"out": 5}, [MAP], "out"),
    ("mean", {}, [MAP, (6, 5, 2)], ""),
    ("mean", {}, [SEQUENCE, (5, 8)], ""),
    ("split", {"parts": 4}, [MAP], "parts"),
    ("bn", {}, [SEQUENCE], ""),
    ("bn", {}, [(1, 2, 3, 4, 5)], ""),
    ("lrn", {}, [VECTOR], ""),
    ("lrn", {"size": 4, "within": True}, [MAP], "size"),
    ("lrn", {"size": 3, "within": True}, [(3, 2, 9, 9)], "size"),
    ("dropout", {"p": 1.5}, [MAP], "p"),
    ("droppath", {"p": 1.5}, [MAP], "p"),
    ("maxpool", {"kernel": 3, "pad": 2}, [(3, 9, 9)], "pad"),
    ("maxpool", {"kernel": 3, "pad": 0, "stride": 1, "ceil": True}, [(3, 2, 9)], "kernel"),
    ("avgpool", {"kernel": 8, "pad": 0}, [(3, 2, 2)], "kernel"),
    ("avgpool", {"kernel": 3}, [(3, 2, 9, 9)], "kernel"),  # as torch; it takes the two axes
    ("gap", {}, [SEQUENCE], ""),
    ("tokens", {}, [SEQUENCE], ""),
    ("class_token", {}, [MAP], ""),
    ("position", {}, [VECTOR], ""),
    ("position", {"length": 4}, [SEQUENCE], "length"),
    ("grn", {}, [SEQUENCE], ""),
    ("take", {"index": 5}, [SEQUENCE], "index"),
    ("windows", {"kernel": 4}, [(3, 8, 9)], "kernel"),
    ("windows", {"kernel": 4, "shift": 4}, [(3, 8, 8)], "shift"),
    ("windows", {"kernel": 4}, [SEQUENCE], ""),
    ("grid", {"kernel": 3}, [(3, 8, 9)], "kernel"),
    ("patches", {"kernel": 9}, [(3, 8, 9)], "kernel"),
    ("frames", {}, [(3, 8)], ""),
    ("crops", {"count": 10, "size": 9}, [(3, 8, 9)], "size"),
    ("many", {}, [MAP, VECTOR], ""),
    ("regions", {"count": 3, "size": 7}, [VECTOR], ""),
    ("roialign", {"boxes": True, "size": 7, "stride": 4}, [MAP, Tokens((3, 5))], "boxes"),
    ("roialign", {"boxes": True, "size": 7, "stride": 4}, [MAP, (7, 5, 4), Tokens((3, 4))], ""),
    ("roialign", {"boxes": True, "size": 7, "stride": 4}, [(6, 9), Tokens((3, 4))], ""),
    ("roialign", {"boxes": True, "size": 7, "stride": 4}, [MAP, ManyTokens((3, 4), (FRAMES,))], "boxes"),
    ("split", {"parts": 10**6}, [(10**6, 2, 2)], "parts"),
    ("sines", {"out": 6, "like": (3, 4)}, [MAP], "out"),
    ("gates", {"chosen": 9}, [SEQUENCE], "chosen"),
    ("gates", {"chosen": 2}, [MAP], ""),
    ("expert_linear", {"out": 6, "gates": True}, [SEQUENCE, SEQUENCE], ""),
    ("expert_linear", {"out": 6, "gates": True}, [ManyTokens((5, 8), (FRAMES,)), SEQUENCE], ""),
    ("combine", {"gates": True}, [ManyTokens((5, 8), (BEAMS,)), Tokens((4, 4))], ""),
    ("together", {}, [MAP], ""),
    ("together", {}, [ManyTokens((5, 8), (WINDOWS,))], ""),
    ("together", {}, [Many((5, 2, 2), (Cut("patches", 6, (3, 2), (1, 1)),))], ""),
    ("together", {}, [Many((3, 2, 2, 2), (FRAMES,))], ""),
    ("coordinates", {"size": 5, "log": 1.0}, [MAP], "log"),
    ("attention", {"heads": 3}, [SEQUENCE], "heads"),
    ("attention", {"heads": 2}, [MAP], ""),
    ("attention", {"heads": 4, "kv_heads": 3}, [SEQUENCE], "kv_heads"),
    ("attention", {"heads": 2, "values": True}, [SEQUENCE, Tokens((6, 8))], "values"),
    ("attention", {"heads": 8, "rotary": 10000.0}, [SEQUENCE], "rotary"),  # nothing to pair in a head of one
    ("attention", {"heads": 2, "rotary": 10000.0, "rotary_width": 6}, [SEQUENCE], "rotary_width"),
    ("attention", {"heads": 2, "rotary": -1.0}, [SEQUENCE], "rotary"),
    ("attention", {"heads": 2, "rotary_width": 2}, [SEQUENCE], "rotary_width"),
    ("attention", {"heads": 2, "interleaved": True}, [SEQUENCE], "interleaved"),
    ("attention", {"heads": 2, "relative": (7, 7)}, [SEQUENCE], "relative"),
    ("attention", {"heads": 2, "relative": 5, "memory": True}, [SEQUENCE, Tokens((7, 8))], "relative"),
    ("attention", {"heads": 2, "relative": 5, "buckets": 32}, [SEQUENCE], "buckets"),
    ("attention", {"heads": 2, "decomposed": True}, [SEQUENCE], "decomposed"),
    ("attention", {"heads": 2, "positions": True}, [SEQUENCE, Tokens((5, 8))], "positions"),
    ("attention", {"heads": 2, "buckets": 2}, [SEQUENCE], "buckets"),
    ("attention", {"heads": 2, "buckets": 32, "distance": 8}, [SEQUENCE], "distance"),
    ("attention", {"heads": 2, "table": True}, [SEQUENCE, Tokens((9, 2))], "table"),
    ("attention", {"heads": 2, "relative": 5, "table": True}, [SEQUENCE, Tokens((9, 3))], "table"),
    ("attention", {"heads": 2, "mask": True}, [SEQUENCE, Tokens((5, 4))], "mask"),
    ("attention", {"heads": 2, "mask": True}, [SEQUENCE, (3, 5, 5)], "mask"),
    ("attention", {"heads": 2, "qk_norm": "batchnorm"}, [SEQUENCE], "qk_norm"),
    ("attention", {"heads": 2, "dropout": 1.0}, [SEQUENCE], "dropout"),
]


@pytest.mark.parametrize(("word", "arguments", "inputs", "field"), REFUSED)
def test_refused(word: str, arguments: Arguments, inputs: list[Shape], field: str) -> None:
    with pytest.raises(OpError) as caught:
        call(word, **arguments).shape(*inputs)
    assert caught.value.field == field


# Arguments and input shapes of every op, drawn.

Drawn = tuple[Op, list[Shape]]
Draw = Callable[[st.SearchStrategy[Any]], Any]

small = st.integers(1, 6)
maps = st.integers(1, 3).flatmap(lambda axes: st.tuples(*[small] * (axes + 1)))
vectors = st.tuples(st.integers(1, 12))
sequences = st.tuples(small, small).map(Tokens)
values: st.SearchStrategy[Shape] = st.one_of(maps, vectors, sequences)


def sizes(axes: int, low: int, high: int) -> st.SearchStrategy[int | tuple[int, ...]]:
    """A number for every axis, or one for each."""
    one = st.integers(low, high)
    return st.one_of(one, st.tuples(*[one] * axes))


def paddings(axes: int, most: int) -> st.SearchStrategy[Arguments]:
    """Arguments of a window: padding as usual, given, given for each side, or settled by `same`."""
    pads = sizes(axes, 0, most)
    both = {"pad": pads, "pad_end": pads}
    return st.one_of(
        st.just({}), *(st.fixed_dictionaries({name: pads}) for name in both), st.fixed_dictionaries(both), same_padding
    )


same_padding: st.SearchStrategy[Arguments] = st.just({"same": True})


@st.composite
def conv(draw: Draw, word: str = "conv") -> Drawn:
    x = draw(maps)
    axes, groups = len(x) - 1, draw(st.sampled_from([n for n in range(1, x[0] + 1) if x[0] % n == 0]))
    op = call(
        word,
        out=groups * draw(small),
        kernel=draw(sizes(axes, 1, 4)),
        stride=draw(sizes(axes, 1, 3)),
        groups=groups,
        dilation=draw(sizes(axes, 1, 3)),
        bias=draw(st.booleans()),
        **draw(paddings(axes, 4)),
    )
    return op, [x]


@st.composite
def dwconv(draw: Draw) -> Drawn:
    x = draw(maps)
    axes = len(x) - 1
    op = call(
        "dwconv",
        kernel=draw(sizes(axes, 1, 4)),
        stride=draw(sizes(axes, 1, 3)),
        dilation=draw(sizes(axes, 1, 2)),
        multiplier=draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        **draw(paddings(axes, 4)),
    )
    return op, [x]


@st.composite
def deconv(draw: Draw) -> Drawn:
    x = draw(maps)
    axes, groups = len(x) - 1, draw(st.sampled_from([n for n in range(1, x[0] + 1) if x[0] % n == 0]))
    op = call(
        "deconv",
        out=groups * draw(st.integers(1, 4)),
        kernel=draw(sizes(axes, 1, 3)),
        stride=draw(sizes(axes, 1, 3)),
        pad=draw(sizes(axes, 0, 3)),
        out_pad=draw(sizes(axes, 0, 2)),
        groups=groups,
        dilation=draw(sizes(axes, 1, 2)),
        bias=draw(st.booleans()),
    )
    return op, [x]


@st.composite
def pool(draw: Draw, /, word: str, **more: st.SearchStrategy[Any]) -> Drawn:
    x = draw(maps)
    axes = len(x) - 1
    ceil = draw(st.booleans())
    pad = st.fixed_dictionaries({}, optional={"pad": sizes(axes, 0, 3)}) if ceil else paddings(axes, 3)
    op = call(
        word,
        kernel=draw(sizes(axes, 1, 5)),
        stride=draw(st.none() | sizes(axes, 1, 4)),
        ceil=ceil,
        **draw(pad),
        **{name: draw(value) for name, value in more.items()},
    )
    return op, [x]


@st.composite
def bilinear(draw: Draw) -> Drawn:
    op = call("bilinear", other=True, out=draw(small), bias=draw(st.booleans()))
    one, two, tokens = draw(small), draw(small), draw(st.none() | small)
    return op, [(one,), (two,)] if tokens is None else [Tokens((tokens, one)), Tokens((tokens, two))]


@st.composite
def in_groups(draw: Draw, word: str) -> Drawn:
    """An op that cuts the channels into groups."""
    x, groups = draw(maps), draw(st.integers(1, 4))
    return call(word, groups=groups), [(x[0] * groups, *x[1:])]


@st.composite
def reshape(draw: Draw) -> Drawn:
    size = draw(st.lists(small, min_size=1, max_size=4))
    return call("reshape", size=tuple(size)), [tuple(draw(st.permutations(size)))]


@st.composite
def pad(draw: Draw) -> Drawn:
    x = draw(maps)
    how = draw(st.sampled_from([{}, {"value": -1.5}, *[{"mode": mode} for mode in BEYOND]]))
    sides = sizes(len(x) - 1, 0, min(3, *x[1:]) - (how.get("mode") == "reflect"))
    return call("pad", size=draw(sides), end=draw(st.none() | sides), **how), [x]


@st.composite
def crop(draw: Draw) -> Drawn:
    x = draw(maps)
    size = tuple(draw(st.integers(1, n)) for n in x[1:])
    if draw(st.booleans()):
        return call("crop", like=True), [x, (draw(small), *size)]
    return call("crop", like=size), [x]


@st.composite
def to_map(draw: Draw) -> Drawn:
    size, width = draw(st.lists(small, min_size=1, max_size=3)), draw(small)
    x = Tokens((math.prod(size), width))
    return (call("map", like=True), [x, (1, *size)]) if draw(st.booleans()) else (call("map", like=tuple(size)), [x])


@st.composite
def rearrange(draw: Draw) -> Drawn:
    """Axes of up to two parts each, dealt out in any order; the channels stand where they belong."""
    names = draw(st.permutations("cdefg"))[: draw(st.integers(2, 5))]
    names = ["c", *(name for name in names if name != "c")]
    size = {name: draw(st.integers(1, 4)) for name in names}

    def groups(order: list[str], most: int) -> list[list[str]]:
        cuts = draw(st.lists(st.integers(1, len(order) - 1), max_size=most - 1, unique=True).map(sorted))
        return [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]

    def side(most: int) -> tuple[list[list[str]], bool]:
        rest = draw(st.permutations(names[1:]))
        found = groups(["c", *rest], most)
        tokens = len(found) == 2 and draw(st.booleans())
        return (found[::-1] if tokens else found), tokens

    (left, tokens), (right, _) = side(4), side(4)
    text = [" ".join("(" + " ".join(group) + ")" for group in groups) for groups in (left, right)]
    x = tuple(math.prod(size[name] for name in group) for group in left)
    known = [n for group in left for n in draw(st.permutations(group))[draw(st.integers(0, 1)) :]]
    sizes = ", ".join(f"{name}={size[name]}" for name in known)
    return call("rearrange", pattern=" -> ".join(text), sizes=sizes), [Tokens(x) if tokens else x]


@st.composite
def pixels(draw: Draw, word: str) -> Drawn:
    x = draw(maps)
    factor = draw(sizes(len(x) - 1, 1, 3))
    each = tuples(factor, len(x) - 1)
    if word == "pixel_shuffle":
        return call(word, factor=factor), [(x[0] * math.prod(each), *x[1:])]
    return call(word, factor=factor), [(x[0], *(n * f for n, f in zip(x[1:], each, strict=True)))]


@st.composite
def per_axis(draw: Draw, /, word: str, name: str, **more: st.SearchStrategy[Any]) -> Drawn:
    """An op with one argument for every axis."""
    x = draw(maps)
    arguments = {name: draw(sizes(len(x) - 1, 1, 4)), **{key: draw(value) for key, value in more.items()}}
    return call(word, **arguments), [x]


@st.composite
def matmul(draw: Draw) -> Drawn:
    n, k, m, transpose = draw(small), draw(small), draw(small), draw(st.booleans())
    return call("matmul", other=True, transpose=transpose), [Tokens((n, k)), Tokens((m, k) if transpose else (k, m))]


@st.composite
def spread(draw: Draw, word: str, most: int = 4) -> Drawn:
    """Branches that lack some axes, or have others of size 1."""
    x = draw(maps)
    branches = []
    for _ in range(draw(st.integers(2, most))):
        ones = draw(st.tuples(*[st.booleans()] * len(x)))
        shape = tuple(1 if one else size for size, one in zip(x, ones, strict=True))
        branches.append(shape[draw(st.integers(0, len(x) - 1)) :])
    return call(word), branches


@st.composite
def over_axis(draw: Draw, word: str) -> Drawn:
    x = draw(values)
    return call(word, axis=draw(st.integers(0, len(x) - 1))), [x]


@st.composite
def concat(draw: Draw) -> Drawn:
    x = draw(values)
    counts = draw(st.lists(small, min_size=2, max_size=4))
    axis = draw(st.none() | st.integers(0, len(x) - 1))
    at = (len(x) - 1 if isinstance(x, Tokens) else 0) if axis is None else axis
    shapes = [(*x[:at], n, *x[at + 1 :]) for n in counts]
    return call("concat", axis=axis), [Tokens(shape) if isinstance(x, Tokens) else shape for shape in shapes]


@st.composite
def pad_channels(draw: Draw) -> Drawn:
    x = draw(maps)
    return call("pad_channels", out=x[0] + draw(st.integers(0, 5))), [x]


@st.composite
def split(draw: Draw) -> Drawn:
    x, parts = draw(values), draw(st.lists(small, min_size=1, max_size=4))
    axis = draw(st.none() | st.integers(0, len(x) - 1))
    at = (len(x) - 1 if isinstance(x, Tokens) else 0) if axis is None else axis
    index = draw(st.integers(0, len(parts) - 1))
    equal = draw(st.booleans())
    cut = (*x[:at], len(parts) * parts[0] if equal else sum(parts), *x[at + 1 :])
    op = call("split", parts=len(parts) if equal else tuple(parts), axis=axis, _index=index)
    return op, [Tokens(cut) if isinstance(x, Tokens) else cut]


@st.composite
def sliced(draw: Draw) -> Drawn:
    x = draw(values)
    axis = draw(st.none() | st.integers(0, len(x) - 1))
    n = x[(len(x) - 1 if isinstance(x, Tokens) else 0) if axis is None else axis]
    start = draw(st.integers(0, n - 1))
    stop = draw(st.none() | st.integers(start + 1, n))
    return call("slice", start=start, stop=stop, step=draw(st.integers(1, 3)), axis=axis), [x]


@st.composite
def localconv(draw: Draw) -> Drawn:
    x = draw(maps)
    axes = len(x) - 1
    kernel = draw(sizes(axes, 1, 3))
    pad = tuple((k - 1) // 2 + 1 for k in tuples(kernel, axes))
    stride, bias = draw(sizes(axes, 1, 3)), draw(st.booleans())
    return call("localconv", out=draw(small), kernel=kernel, stride=stride, pad=pad, bias=bias), [x]


@st.composite
def dynconv(draw: Draw) -> Drawn:
    x = draw(maps)
    groups = draw(st.sampled_from([n for n in range(1, x[0] + 1) if x[0] % n == 0]))
    kernel, out = 2 * draw(st.integers(0, 1)) + 1, groups * draw(st.integers(1, 3))
    op = call("dynconv", by=True, out=out, kernel=kernel, stride=draw(sizes(len(x) - 1, 1, 2)), groups=groups)
    return op, [x, (out * (x[0] // groups) * kernel ** (len(x) - 1),)]


@st.composite
def deformconv(draw: Draw) -> Drawn:
    x = (draw(small), draw(small), draw(small))
    kernel, stride, mask = draw(st.sampled_from([1, 3, (3, 1)])), draw(st.integers(1, 2)), draw(st.booleans())
    op = call(
        "deformconv", offsets=True, mask=mask, out=draw(small), kernel=kernel, stride=stride, bias=draw(st.booleans())
    )
    places = tuple(-(-n // stride) for n in x[1:])
    each = math.prod(tuples(kernel, 2))
    return op, [x, (2 * each, *places), *([(each, *places)] if mask else [])]


@st.composite
def grid_sample(draw: Draw) -> Drawn:
    x = draw(maps.filter(lambda x: len(x) > 2))
    at = (len(x) - 1, *(draw(small) for _ in x[1:]))
    return call("grid_sample", at=True, align_corners=draw(st.booleans())), [x, at]


@st.composite
def topk(draw: Draw) -> Drawn:
    op, (x,) = draw(over_axis("sum"))
    axis: int = getattr(op, "axis")  # noqa: B009 - an Op has no such field
    return call("topk", count=draw(st.integers(1, x[axis])), axis=axis, _index=draw(st.integers(0, 1))), [x]


@st.composite
def upsample(draw: Draw) -> Drawn:
    x = draw(maps)
    smooth = draw(st.booleans())
    how = {"smooth": smooth, "align_corners": smooth and draw(st.booleans())}
    if draw(st.booleans()):
        return call("upsample", factor=draw(sizes(len(x) - 1, 1, 4)), **how), [x]
    like = tuple(draw(st.integers(1, 9)) for _ in x[1:])
    if draw(st.booleans()):
        return call("upsample", like=True, **how), [x, (draw(small), *like)]
    return call("upsample", like=like, **how), [x]


@st.composite
def take(draw: Draw) -> Drawn:
    x = draw(sequences)
    return call("take", index=draw(st.integers(0, x[0] - 1))), [x]


@st.composite
def maxout(draw: Draw) -> Drawn:
    of, x = draw(small), draw(values)
    return call("maxout", of=of), [Tokens((x[0], x[1] * of)) if isinstance(x, Tokens) else (x[0] * of, *x[1:])]


@st.composite
def scan(draw: Draw) -> Drawn:
    x = draw(values)
    by = tuple(draw(st.sampled_from([1, n])) for n in x)
    axis = draw(st.none() | st.integers(0, len(x) - 1))
    return call("scan", by=True, axis=axis), [x, Tokens(by) if isinstance(x, Tokens) else by]


@st.composite
def weighted(draw: Draw) -> Drawn:
    x = draw(sequences)
    return call("weighted", by=True), [x, Tokens((x[0], 1))]


@st.composite
def attention(draw: Draw) -> Drawn:
    shared = draw(small)
    heads, maybe = shared * draw(st.integers(1, 3)), st.booleans()
    widths = {name: 2 * heads * draw(st.integers(1, 3)) for name in ("key", "value")} if draw(maybe) else {}
    x = Tokens((draw(small), draw(small) * (1 if widths else 2 * heads)))
    own = {
        name: draw(maybe) for name in ("bias", "key_bias", "out_bias", "causal", "alibi", "memory", "values", "mask")
    }
    memory = draw(sequences) if own["memory"] else None
    t, m = x[0], memory[0] if memory else x[0]
    more: Arguments = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "kv_heads": st.just(shared),
                "out": small,
                "window": small,
                "qk_norm": st.sampled_from(["rmsnorm", "layernorm", "l2norm"]),
                "scale": st.floats(0.1, 2),
                "dropout": st.floats(0, 0.9),
            },
        )
    )
    more |= draw(st.fixed_dictionaries({}, optional={"rotary": st.floats(2, 1e6)}))
    if "rotary" in more:
        more |= draw(st.fixed_dictionaries({}, optional={"rotary_width": st.just(2), "interleaved": maybe}))
    tables: list[tuple[Arguments, int]] = [({}, 0), ({"buckets": 8, "distance": 20}, 8)]
    tables += [({"relative": t}, 2 * t - 1), ({"relative": (1, t)}, 2 * t - 1)] if memory is None else []
    table, classes = draw(st.sampled_from(tables))
    inputs = [x, *([memory] if memory else []), *([Tokens((m, draw(small)))] if own["values"] else [])]
    if draw(maybe):
        own, inputs = own | {"positions": True}, [*inputs, Tokens((t + m - 1, widths.get("key", x[1])))]
    if "relative" in table and draw(maybe):
        table, classes = table | {"decomposed": True}, 0
    if classes and draw(maybe):
        table, inputs = table | {"table": True}, [*inputs, Tokens((classes, heads))]
    if own["mask"]:
        inputs.append(draw(st.sampled_from([Tokens((t, m)), (1, t, m), (heads, t, m)])))
    return call("attention", heads=heads, **own, **widths, **more, **table), inputs


@st.composite
def windows(draw: Draw, /, word: str) -> Drawn:
    axes = draw(st.integers(1, 3))
    each, counts = draw(st.tuples(*[small] * axes)), draw(st.tuples(*[st.integers(1, 3)] * axes))
    turned = {"shift": tuple(draw(st.integers(0, n - 1)) for n in each)} if word == "windows" else {}
    return call(word, kernel=each, **turned), [(draw(small), *(n * k for n, k in zip(counts, each, strict=True)))]


@st.composite
def inside(draw: Draw, /, word: str, name: str, **more: st.SearchStrategy[Any]) -> Drawn:
    """An op whose argument `name` is at most the map's size."""
    x = draw(maps)
    given = {name: tuple(draw(st.integers(1, n)) for n in x[1:])}
    return call(word, **given, **{key: draw(value) for key, value in more.items()}), [x]


@st.composite
def together(draw: Draw) -> Drawn:
    op, (x,) = draw(windows("windows") | windows("grid"))
    (cut,) = cuts_of(op.shape(x))
    item = draw(st.sampled_from([(3,), (3, *cut.each), Tokens((count(cut.each), 3))]))
    follow = Cut("frames", draw(small))
    if draw(st.booleans()):
        cut, item = follow, draw(vectors | sequences | st.tuples(small, small, small))
    return call("together"), [many(item, (BEAMS, cut) if draw(st.booleans()) else (cut,))]


@st.composite
def experts(draw: Draw, /, word: str, **more: st.SearchStrategy[Any]) -> Drawn:
    tokens, number = draw(small), draw(small)
    outer = (FRAMES,) if draw(st.booleans()) else ()
    copies = (*outer, Cut("copies", draw(st.integers(1, number))))
    given = {key: draw(value) for key, value in more.items()}
    x = many(Tokens((tokens, draw(small))), copies)
    return call(word, gates=True, **given), [x, many(Tokens((tokens, number)), outer)]


def plain(word: str, x: st.SearchStrategy[Any], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Drawn]:
    """An op of one value whose arguments do not depend on its shape."""
    return st.tuples(st.fixed_dictionaries(arguments).map(lambda drawn: call(word, **drawn)), x.map(lambda x: [x]))


learned: Any = {"scale": st.booleans(), "shift": st.booleans()}  # of a norm

STRATEGIES: dict[str, st.SearchStrategy[Drawn]] = {
    "conv": conv(),
    "stdconv": conv("stdconv"),
    "dwconv": dwconv(),
    "deconv": deconv(),
    "bilinear": bilinear(),
    "linear": plain("linear", values, out=small, bias=st.booleans()),
    **{word: spread(word) for word in ("add", "mul")},
    "sub": spread("sub", 2),
    "mean": spread("mean") | over_axis("mean"),
    "sum": over_axis("sum"),
    "max": over_axis("max"),
    "slice": sliced(),
    "topk": topk(),
    "squash": plain("squash", values),
    "grid_sample": grid_sample(),
    "localconv": localconv(),
    "dynconv": dynconv(),
    "deformconv": deformconv(),
    "split": split(),
    "concat": concat(),
    "pad_channels": pad_channels(),
    "bn": plain("bn", maps | vectors, **learned),
    "layernorm": plain("layernorm", values, **learned),
    "rmsnorm": plain("rmsnorm", values, **learned),
    "l2norm": plain("l2norm", values, **learned),
    "grn": plain("grn", maps, **learned),
    "groupnorm": in_groups("groupnorm"),
    "instancenorm": plain("instancenorm", maps.filter(lambda x: count(x) > x[0]), affine=st.booleans(), **learned),
    "lrn": plain("lrn", maps, size=small, alpha=st.floats(0, 1), beta=st.floats(0, 2), k=st.floats(1, 3))
    | plain("lrn", maps.filter(lambda x: len(x) < 4), size=st.sampled_from([1, 3, 5]), within=st.just(True)),
    **{word: plain(word, values) for word in ("relu", "relu6", "swish", "sigmoid", *POWERS)},
    "gelu": plain("gelu", values, tanh=st.booleans()),
    **{word: plain(word, values) | over_axis(word) for word in ("softmax", "log_softmax")},
    **{word: plain(word, values) for word in MORE_ACTIVATIONS},
    "tanh": plain("tanh", values, a=st.just(1.0) | st.floats(-2, 2), s=st.just(1.0) | st.floats(-2, 2)),
    "leaky_relu": plain("leaky_relu", values, slope=st.floats(0, 1)),
    "elu": plain("elu", values, alpha=st.floats(0, 2)),
    "prelu": plain("prelu", values, shared=st.booleans()),
    "scale": plain("scale", values, factor=st.floats(-2, 2)),
    "affine": plain("affine", values, bias=st.booleans()),
    "unit_bias": plain("unit_bias", values),
    "rbf": plain("rbf", vectors, out=small),
    "dropout": plain("dropout", values, p=st.floats(0, 1)),
    "droppath": plain("droppath", values, p=st.floats(0, 1)),
    "maxpool": pool("maxpool"),
    "avgpool": pool("avgpool", count_pad=st.booleans()),
    "gap": plain("gap", maps),
    "gmp": plain("gmp", maps),
    "adaptive_avgpool": per_axis("adaptive_avgpool", "size"),
    "adaptive_maxpool": per_axis("adaptive_maxpool", "size"),
    "flatten": plain("flatten", values),
    "reshape": reshape(),
    "pad": pad(),
    "crop": crop(),
    "map": to_map(),
    "rearrange": rearrange(),
    "pixel_shuffle": pixels("pixel_shuffle"),
    "pixel_unshuffle": pixels("pixel_unshuffle"),
    "upsample": upsample(),
    "shuffle": in_groups("shuffle"),
    "embed": plain("embed", vectors, words=small, width=small),
    "matmul": matmul(),
    **{
        word: plain(
            word, sequences, width=small, bias=st.booleans(), biases=st.integers(1, 2), bidirectional=st.booleans()
        )
        for word in ("rnn", "lstm", "gru")
    },
    "tokens": plain("tokens", maps),
    "class_token": plain("class_token", sequences),
    "position": plain("position", sequences, length=st.none() | st.integers(6, 9)),
    "coordinates": plain(
        "coordinates", values, size=small | st.lists(small, min_size=2, max_size=3).map(tuple), log=st.floats(1.1, 20)
    ),
    "learned": plain("learned", values, size=small | st.lists(small, min_size=2, max_size=4).map(tuple)),
    "constant": plain("constant", values, value=st.floats(-2, 2), size=small | st.tuples(small, small, small)),
    "triangle": plain("triangle", values, tokens=small, below=st.floats(-2, 2), above=st.floats(-2, 2)),
    "take": take(),
    "attention": attention(),
    "maxout": maxout(),
    "shift": plain("shift", maps),
    "sinusoid": st.tuples(sequences, st.booleans()).map(
        lambda drawn: (call("sinusoid", relative=drawn[1] and drawn[0][0] % 2 == 1), [drawn[0]])
    ),
    "reverse": plain("reverse", sequences),
    "weighted": weighted(),
    "scan": scan(),
    "similarity": vectors.map(lambda x: (call("similarity", other=True), [x, x])),
    "zeros": plain("zeros", values, width=small),
    "stack": st.tuples(vectors, st.integers(1, 5)).map(lambda drawn: (call("stack"), [drawn[0]] * drawn[1])),
    "complement": plain("complement", values),
    "windows": windows("windows"),
    "grid": windows("grid"),
    "patches": inside("patches", "kernel", stride=small),
    "frames": plain("frames", maps.filter(lambda x: len(x) > 2)),
    "crops": inside("crops", "size", count=st.integers(1, 10)),
    "regions": per_axis("regions", "size", count=small),
    "roialign": st.tuples(small, st.lists(st.tuples(small, small), min_size=1, max_size=3), small, small, small).map(
        lambda drawn: (
            call("roialign", boxes=True, size=drawn[2], stride=drawn[3]),
            [*((drawn[0], *sides) for sides in drawn[1]), Tokens((drawn[4], 4))],
        )
    ),
    "sines": plain("sines", values, out=small.map(lambda n: 4 * n), like=st.tuples(small, small), span=st.floats(1, 9)),
    "copies": plain("copies", values, count=small),
    "many": st.tuples(values, st.integers(2, 4)).map(lambda drawn: (call("many"), [drawn[0]] * drawn[1])),
    "together": together(),
    "gates": st.tuples(small, small, st.integers(0, 5), st.booleans()).map(
        lambda drawn: (
            call("gates", chosen=1 + drawn[2] % drawn[1], normalize=drawn[3]),
            [Tokens((drawn[0], drawn[1]))],
        )
    ),
    "expert_linear": experts("expert_linear", out=small, bias=st.booleans()),
    "combine": experts("combine"),
}


@pytest.mark.parametrize("word", OPS)
def test_every_op_has_a_strategy(word: str) -> None:
    assert word in STRATEGIES, f"give `{word}` a strategy in STRATEGIES"


@pytest.mark.parametrize("word", sorted(STRATEGIES))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_torch_agrees(word: str, data: st.DataObject) -> None:
    """Parameters, shape and MACs are torch's."""
    op, inputs = data.draw(STRATEGIES[word])
    try:
        shape = op.shape(*inputs)
    except OpError:
        assert word in RAW, f"{op} was to be drawn so that it fits {inputs}"
        return  # that torch refuses it too is tested below
    facts = cost_of(op, tuple(inputs), shape)
    assert facts.macs >= 0
    assert all(n > 0 for n in op.elementwise(*inputs, shape).values())
    assert verify(single(op, *inputs)) == []


# The ops whose window may not fit, as torch's own modules, asked without our rules in between.


def tuples(size: Any, axes: int) -> tuple[int, ...]:
    return (size,) * axes if isinstance(size, int) else tuple(size)


def sides(op: Any, x: Shape, dilation: tuple[int, ...], stride: tuple[int, ...]) -> list[tuple[int, int]]:
    """The padding before and behind each axis."""
    axes = len(x) - 1
    reach = [d * (k - 1) + 1 for k, d in zip(tuples(op.kernel, axes), dilation, strict=True)]
    if op.same:
        total = [max((math.ceil(n / s) - 1) * s + r - n, 0) for n, s, r in zip(x[1:], stride, reach, strict=True)]
        return [(t // 2, t - t // 2) for t in total]
    pool = isinstance(op, OPS["maxpool"] | OPS["avgpool"])
    none = [
        k % 2 == 0 if pool else k == s and d == 1
        for k, s, d in zip(tuples(op.kernel, axes), stride, dilation, strict=True)
    ]
    usual = [0 if no else (r - 1) // 2 for r, no in zip(reach, none, strict=True)]
    before = usual if op.pad is None else tuples(op.pad, axes)
    behind = before if op.pad_end is None else tuples(op.pad_end, axes)
    return list(zip(before, behind, strict=True))


class Padding(nn.Module):
    def __init__(self, around: list[int], value: float) -> None:
        super().__init__()
        self.around, self.value = around, value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x, self.around, value=self.value)


def with_padding(make: Callable[[Any], nn.Module], pads: list[tuple[int, int]], value: float = 0.0) -> nn.Module:
    """torch's module where it can pad so; else zeros (or `value`) around its input, and a module without padding."""
    if all(before == behind for before, behind in pads):
        return make(tuple(before for before, _ in pads))
    around = [n for pair in reversed(pads) for n in pair]
    return nn.Sequential(Padding(around, value), make(0))


def raw_conv(op: Any, x: Shape, out: int | None = None, groups: int | None = None) -> nn.Module:
    axes = len(x) - 1
    kernel, stride, dilation = (tuples(size, axes) for size in (op.kernel, op.stride, op.dilation))
    kind: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    return with_padding(
        lambda pad: kind(x[0], out or op.out, kernel, stride, pad, dilation, groups or op.groups),
        sides(op, x, dilation, stride),
    )


def raw_dwconv(op: Any, x: Shape) -> nn.Module:
    return raw_conv(op, x, x[0] * op.multiplier, x[0])


def raw_deconv(op: Any, x: Shape) -> nn.Module:
    kind: Any = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[len(x) - 2]
    made: nn.Module = kind(x[0], op.out, op.kernel, op.stride, op.pad, op.out_pad, op.groups, op.bias, op.dilation)
    return made


def raw_pool(value: float, *kinds: Any) -> Callable[[Any, Shape], nn.Module]:
    def make(op: Any, x: Shape) -> nn.Module:
        axes = len(x) - 1
        kernel = tuples(op.kernel, axes)
        stride = kernel if op.stride is None else tuples(op.stride, axes)
        pads = sides(op, x, (1,) * axes, stride)
        if any(2 * max(pair) > k for pair, k in zip(pads, kernel, strict=True)):
            raise ValueError("pad should be at most half of kernel size")  # torch's rule, also for uneven sides
        return with_padding(lambda pad: kinds[axes - 1](kernel, stride, pad, ceil_mode=op.ceil), pads, value)

    return make


RAW: dict[str, Callable[[Any, Shape], nn.Module]] = {
    "conv": raw_conv,
    "stdconv": raw_conv,
    "dwconv": raw_dwconv,
    "deconv": raw_deconv,
    "maxpool": raw_pool(float("-inf"), nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
    "avgpool": raw_pool(0.0, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
}


@pytest.mark.parametrize("word", sorted(RAW))
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_windows_fit_where_torch_says_so(word: str, data: st.DataObject) -> None:
    """Refused by both, or of the same size in both."""
    op, (x,) = data.draw(STRATEGIES[word])
    try:
        said: Shape | None = op.shape(x)
    except OpError:
        said = None
    with torch.inference_mode():
        data_in = torch.randn(1, *x, generator=torch.Generator().manual_seed(5))
        try:
            there = RAW[word](op, x)(data_in)
        except (RuntimeError, ValueError):
            assert said is None
            return
        if there.numel() == 0:  # torch lets a transposed convolution leave nothing
            assert said is None
            return
        assert said == tuple(there.shape[1:])
        if word.endswith("pool") and getattr(op, "count_pad", True):  # nothing in it is random: the values agree too
            ours = op.torch(modules, x)(data_in)
            torch.testing.assert_close(ours, there)


@settings(max_examples=100, deadline=None)
@given(channels=small, out=small, groups=small)
def test_groups_fit_where_torch_says_so(channels: int, out: int, groups: int) -> None:
    op, x = call("conv", out=out, kernel=1, groups=groups), (channels, 2)
    if channels % groups == 0 and out % groups == 0:
        op.shape(x)
        raw_conv(op, x)
        return
    with pytest.raises(OpError) as caught:
        op.shape(x)
    assert caught.value.field == "groups"
    with pytest.raises(ValueError, match="divisible"):
        raw_conv(op, x)


def test_bilinear_is_counted_as_two_products() -> None:
    """torch's counter does not know `bilinear`, so here it is: W b as a matrix product, then the product with a."""
    op, a, b = call("bilinear", other=True, out=5), torch.randn(2, 3), torch.randn(2, 4)
    module = op.torch(modules, (3,), (4,))
    with FlopCounterMode(display=False) as counter:
        rows = b @ module.weight.view(15, 4).T
        product = torch.bmm(rows.view(2, 5, 3), a.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(product + module.bias, module(a, b))
    assert counter.get_total_flops() == 2 * 2 * op.macs((3,), (4,), (5,))


# Where outputs stand, and what a backward pass keeps: what `memory.storages` builds on.


def made(op: Op, shapes: list[Shape]) -> tuple[nn.Module, list[torch.Tensor]]:
    inputs = example_inputs(single(op, *shapes), 2)
    module: nn.Module = op.torch(modules, *shapes)
    return module, inputs


@pytest.mark.parametrize("word", sorted(STRATEGIES))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_only_views_share_memory(word: str, data: st.DataObject) -> None:
    op, shapes = data.draw(STRATEGIES[word])
    try:
        op.shape(*shapes)
    except OpError:
        return
    module, inputs = made(op, shapes)
    with torch.inference_mode():
        y = module.eval()(*inputs)
    shared = [x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr() for x in inputs]
    assert shared == [op.storage == "view"] + [False] * (len(inputs) - 1)


def smallest(word: str) -> Row:
    return min((row for row in ROWS if row.word == word), key=lambda row: sum(map(count, row.inputs)))
