"""The multiply-accumulates of torch's operators, by name, for all that a call works on."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from .seen import Seen


def _conv(seen: Seen) -> int:
    """Each output sums over a window: the weight is [out, in / groups, *kernel]."""
    weight = seen.shape("weight")
    if seen.args.get("transposed"):
        return _deconv(seen)
    return seen.made * prod(weight[1:])


def _deconv(seen: Seen) -> int:
    """Each input is spread over a window: the weight is [in, out / groups, *kernel]."""
    return prod(seen.shape("input")) * prod(seen.shape("weight")[1:])


def _product(left: str) -> Callable[[Seen], int]:
    """Each output sums over the last axis of a factor."""
    return lambda seen: seen.made * seen.shape(left)[-1]


def _attention(seen: Seen) -> int:
    """QKᵀ and AV: of each query and key of a head one product as long as the key, one as long as the value. A mask
    saves nothing, and heads that share keys none either."""
    query, key, value = seen.shape("query"), seen.shape("key"), seen.shape("value")
    return prod(seen.out[:-1]) * key[-2] * (query[-1] + value[-1])


def _recurrent(seen: Seen) -> int:
    """Each step and direction works with all of its matrices once."""
    x = seen.shape("data" if seen.has("data") else "input")
    return prod(x[:-1]) * sum(prod(shape) for shape in seen.shapes("params") if len(shape) == 2)


def _cell(seen: Seen) -> int:
    return seen.shape("input")[0] * (prod(seen.shape("w_ih")) + prod(seen.shape("w_hh")))


def _einsum(seen: Seen) -> int:
    """Factors are multiplied from left to right: every index that either has is run through once. torch multiplies,
    where the index that is summed over has one place only, and that is counted, too."""
    equation = "".join(str(seen.args["equation"]).split())
    shapes = seen.shapes("tensors")
    left, _, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(equation)
    sizes: dict[str, int] = {}
    named: list[list[str]] = []
    for term, shape in zip(terms, shapes, strict=True):
        before, dots, behind = term.partition("...")
        free = len(shape) - len(before) - len(behind)
        names = [*before, *(f"…{free - at}" for at in range(free if dots else 0)), *behind]
        for name, size in zip(names, shape, strict=True):
            sizes[name] = max(size, sizes.get(name, 1))
        named.append(names)
    every = [name for names in named for name in names]
    kept = set(right) if "->" in equation else {name for name in every if every.count(name) == 1}
    kept |= {name for name in every if name.startswith("…")}
    total, have = 0, set(named[0])
    for at, names in enumerate(named[1:], 1):
        joined = have | set(names)
        total += prod(sizes[name] for name in joined)
        later = kept.union(*named[at + 1 :])
        have = joined & later
    return total


def _bilinear(seen: Seen) -> int:
    out, left, right = seen.shape("weight")
    return prod(seen.shape("input1")[:-1]) * out * left * right


def _tensordot(seen: Seen) -> int:
    found: int = seen.made * prod(seen.shape("self")[axis] for axis in seen.args["dims_self"])
    return found


def _grouped(seen: Seen) -> int:
    """Rows go to their own matrix each, or columns are summed group by group."""
    a, b = seen.shape("self"), seen.shape("mat2")
    return a[0] * a[1] * b[1] if len(a) == len(b) == 2 else seen.made * a[-1]


def _whole_attention(seen: Seen) -> int:
    """Projections and products of an attention that is one operator; the widths are those of its input."""
    batch, tokens, width = seen.shape("query")
    return batch * tokens * (4 * width * width + 2 * tokens * width)


def _whole_layer(seen: Seen) -> int:
    """An encoder layer that is one operator: attention and two linear layers."""
    batch, tokens, width = seen.shape("src")
    hidden = seen.shape("ffn_weight_1")[0]
    return batch * tokens * (4 * width * width + 2 * tokens * width + 2 * width * hidden)


MACS: dict[str, Callable[[Seen], int]] = {
    "linear": _product("input"),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution", "_convolution", "deform_conv2d"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _deconv),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "inner", "vdot"), _product("self")),
    "addmm": _product("mat1"),
    "addbmm": lambda seen: prod(seen.shape("batch1")) * seen.shape("batch2")[-1],
    "baddbmm": _product("batch1"),
    "addmv": _product("mat"),
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), _cell),
    "einsum": _einsum,
    "bilinear": _bilinear,
    "tensordot": _tensordot,
    "_grouped_mm": _grouped,
    "_native_multi_head_attention": _whole_attention,
    "_transformer_encoder_layer_fwd": _whole_layer,
}
