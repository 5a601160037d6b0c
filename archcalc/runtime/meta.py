"""Operators on `meta` by hand: what torch makes of many others in Python there, which takes most of a run, and what it
lays out otherwise than devices do.

Each rule gives a tensor of the shape, type and strides that a device gives, or None where torch is to say so itself: of
what does not fit, of numbers that are not floats, and of layouts that these rules do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from operator import gt
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

META = torch.device("meta")
aten = torch.ops.aten
NUMBERS = (int, float)
Size = tuple[int, ...]
Rule = Callable[..., Any]


def _made(like: Tensor, size: Sequence[int]) -> Tensor:
    """A tensor of this size, each row behind the other."""
    return torch.empty(size, dtype=like.dtype, device=META)


def _as(like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor that lies as another one does."""
    dtype, rows = dtype or like.dtype, like.is_contiguous()
    last = None if rows else _channels_last(like)
    if last is not None:  # whatever the stride of an axis of 1
        return torch.empty(like.shape, dtype=dtype, device=META, memory_format=last)
    if rows or dense(like.shape, like.stride()):
        return torch.empty_strided(like.shape, like.stride(), dtype=dtype, device=META)
    far = [stride for n, stride in zip(like.shape, like.stride(), strict=True) if n > 1]
    if all(map(gt, far, far[1:])) and 0 not in far:  # a part of rows
        return torch.empty(like.shape, dtype=dtype, device=META)
    return torch.empty_like(like, dtype=dtype, device=META)


def _channels_last(x: Tensor) -> torch.memory_format | None:
    """The format of a map whose channels lie last."""
    found = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.ndim)
    return found if found is not None and x.is_contiguous(memory_format=found) else None


@cache
def dense(size: Size, strides: Size) -> bool:
    """Whether elements lie one behind the other, in whatever order of axes."""
    next_ = 1
    for stride, n in sorted(zip(strides, size, strict=True)):
        if n != 1:
            if stride != next_:
                return False
            next_ *= n
    return True


# --- of each element ----------------------------------------------------------------------------------------------


def _of_each(x: Any, *more: Any, **named: Any) -> Tensor | None:
    return _as(x) if _alone(x, *more, *named.values()) else None


def _of_each_in_place(x: Any, *more: Any, **named: Any) -> Tensor | None:
    return x if _alone(x, *more, *named.values()) and _apart(x) else None


def _apart(x: Tensor) -> bool:
    """Whether each element stands in a place of its own, where it can be written."""
    return not any(stride == 0 and n > 1 for n, stride in zip(x.shape, x.stride(), strict=True))


def _alone(x: Any, *more: Any) -> bool:
    """Whether the first value alone is a tensor, of floats."""
    return isinstance(x, Tensor) and x.is_floating_point() and not any(isinstance(one, Tensor) for one in more)


def _of_two(x: Any, y: Any, **named: Any) -> Tensor | None:
    """Of two values, of which one may be a number, or be spread over the other."""
    if not isinstance(x, Tensor) or not x.is_floating_point() or "out" in named:
        return None
    if type(y) in NUMBERS:
        return _as(x)
    if not isinstance(y, Tensor) or y.dtype != x.dtype:
        return None
    if x.shape == y.shape:
        alike = x.stride() == y.stride() or (x.is_contiguous() and y.is_contiguous())
        return _as(x) if alike else None
    large, small = (x, y) if _spreads(y.shape, x.shape) else (y, x)
    if not _spreads(small.shape, large.shape):
        return None
    rows = large.is_contiguous() and small.is_contiguous()
    # Along one axis it says nothing of the order of axes.
    alone = sum(n > 1 for n in small.shape) < 2 and dense(large.shape, large.stride())
    return _as(large) if rows or alone else None


def _of_two_in_place(x: Any, y: Any, **_: Any) -> Tensor | None:
    if not isinstance(x, Tensor) or not x.is_floating_point() or not _apart(x):
        return None
    if type(y) in NUMBERS:
        return x
    return x if isinstance(y, Tensor) and y.dtype == x.dtype and _spreads(y.shape, x.shape) else None


def _spreads(small: Sequence[int], large: Sequence[int]) -> bool:
    """Whether a value of one size is spread over another one, and nothing the other way round."""
    if len(small) > len(large):
        return False
    return all(n in (1, most) for n, most in zip(small, large[len(large) - len(small) :], strict=True))


def _compared(x: Any, y: Any) -> Tensor | None:
    fits = isinstance(x, Tensor) and type(y) in NUMBERS
    return _as(x, torch.bool) if fits else None


# --- layers -------------------------------------------------------------------------------------------------------


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    fits = weight.ndim == 2 and x.ndim > 1 and x.shape[-1] == weight.shape[1] and x.dtype == weight.dtype
    fits = fits and x.is_floating_point() and _learned(x, weight.shape[:1], bias)
    return _made(x, (*x.shape[:-1], weight.shape[0])) if fits else None


def _learned(x: Tensor, size: Sequence[int], *parameters: Tensor | None) -> bool:
    """Whether parameters, where they are there, have this size, and the type of what they are for."""
    return all(one is None or (one.shape == size and one.dtype == x.dtype) for one in parameters)


def _formatted(size: Sequence[int], x: Tensor, *others: Tensor) -> Tensor:
    """A tensor of this size, with its channels last where those of one of these tensors lie so."""
    if all(one.is_contiguous() for one in (x, *others)):
        return _made(x, size)
    formats = {suggest_memory_format(one) for one in (x, *others)} - {torch.contiguous_format}
    return torch.empty(size, dtype=x.dtype, device=META, memory_format=(*formats, torch.contiguous_format)[0])


def _convolution(axes: int) -> Rule:
    """A convolution over so many axes."""

    def rule(
        x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor | None:  # fmt: skip
        named = isinstance(padding, str)
        if not _fits(x, weight, axes) or (named and padding not in ("same", "valid")):
            return None
        batch, width, *places = x.shape
        out, each, *kernel = weight.shape
        same = padding == "same"
        strides, pads, holes = (_each(value, axes) for value in (stride, 0 if named else padding, dilation))
        if groups < 1 or each * groups != width or out % groups or min(strides) < 1 or min(pads) < 0 or min(holes) < 1:
            return None
        if not batch or not _learned(x, (out,), bias):
            return None
        each_axis = zip(places, kernel, strides, pads, holes, strict=True)
        size = [(n + 2 * pad - hole * (k - 1) - 1) // step + 1 for n, k, step, pad, hole in each_axis]
        if same:
            size = places if max(strides) == 1 else [0]
        return _formatted((batch, out, *size), x, weight) if min(size) > 0 else None

    return rule


def _transposed(axes: int) -> Rule:
    """A transposed convolution over so many axes."""

    def rule(
        x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Tensor | None:  # fmt: skip
        if not _fits(x, weight, axes):
            return None
        batch, width, *places = x.shape
        strides, pads, more, holes = (_each(value, axes) for value in (stride, padding, output_padding, dilation))
        if groups < 1 or weight.shape[0] != width or width % groups or min(strides) < 1 or min(*pads, *more) < 0:
            return None
        out = weight.shape[1] * groups
        if min(holes) < 1 or any(n >= max(s, d) for n, s, d in zip(more, strides, holes, strict=True)):
            return None
        if not batch or not _learned(x, (out,), bias):
            return None
        each_axis = zip(places, weight.shape[2:], strides, pads, more, holes, strict=True)
        size = [(n - 1) * step - 2 * pad + hole * (k - 1) + end + 1 for n, k, step, pad, end, hole in each_axis]
        return _formatted((batch, out, *size), x, weight) if min(size) > 0 else None

    return rule


def _fits(x: Tensor, weight: Tensor, axes: int) -> bool:
    return x.ndim == weight.ndim == axes + 2 and x.dtype == weight.dtype and x.is_floating_point()


def _shuffled(x: Tensor, factor: int) -> Tensor | None:
    fits = x.ndim == 4 and factor > 0 and not x.shape[1] % factor**2
    if not fits:
        return None
    batch, channels, *places = x.shape
    return _formatted((batch, channels // factor**2, *(n * factor for n in places)), x)


def _each(value: Any, axes: int) -> Sequence[int]:
    """A number for each axis, where one that is given alone is that of all of them; none where they are too few."""
    values = value if isinstance(value, list | tuple) else (value,)
    return values if len(values) == axes else (*values,) * axes if len(values) == 1 else (-1,) * axes


def _padded(x: Tensor, pads: Sequence[int], mode: str = "constant", _: Any = None) -> Tensor | None:
    """A map that goes on beyond its edges."""
    fits = mode in ("reflect", "replicate") and x.ndim == len(pads) == 4 and x.is_floating_point()
    if (
        not fits
        or min(pads) < 0
        or (mode == "reflect" and (max(pads[:2]) >= x.shape[3] or max(pads[2:]) >= x.shape[2]))
    ):
        return None
    return _formatted((*x.shape[:2], x.shape[2] + sum(pads[2:]), x.shape[3] + sum(pads[:2])), x)


def _rolled(x: Tensor, shifts: Sequence[int], axes: Sequence[int] = ()) -> Tensor | None:
    fits = len(shifts) == len(axes) and all(-x.ndim <= axis < x.ndim for axis in axes) and x.numel()
    moves = fits and axes and all(by % x.shape[axis] for by, axis in zip(shifts, axes, strict=True))
    return _formatted(x.shape, x) if moves else None


def _dealt(x: Tensor, groups: int) -> Tensor | None:
    """Channels that are dealt out anew."""
    return _formatted(x.shape, x) if x.ndim == 4 and groups > 0 and not x.shape[1] % groups and x.numel() else None


def _batch_norm(x: Tensor, weight: Any, bias: Any, mean: Any, var: Any, training: bool, *_: Any) -> Tensor | None:
    if training or mean is None or var is None or x.ndim < 2 or not x.is_floating_point():
        return None
    channels = (x.shape[1],)
    if not all(one is None or one.shape == channels for one in (weight, bias, mean, var)):
        return None
    return _formatted(x.shape, x) if _channels_last(x) is None else _as(x)


def _layer_norm(x: Tensor, size: Sequence[int], weight: Any = None, bias: Any = None, *_: Any) -> Tensor | None:
    """On devices it lies row by row, however what it reads lies."""
    size = tuple(size)
    fits = size and x.shape[-len(size) :] == size and x.is_floating_point()
    return _made(x, x.shape) if fits and _learned(x, size, weight, bias) else None


def _group_norm(x: Tensor, groups: int, weight: Any = None, bias: Any = None, *_: Any) -> Tensor | None:
    fits = x.ndim > 1 and x.is_floating_point() and groups > 0 and not x.shape[1] % groups
    return _formatted(x.shape, x) if fits and _learned(x, x.shape[1:2], weight, bias) else None


def _matmul(x: Tensor, y: Tensor) -> Tensor | None:
    fits = x.ndim > 2 and x.ndim == y.ndim and x.shape[:-2] == y.shape[:-2] and x.shape[-1] == y.shape[-2]
    return _made(x, (*x.shape[:-1], y.shape[-1])) if fits and x.dtype == y.dtype and x.is_floating_point() else None


def _softmax(x: Tensor, axis: int, dtype: Any = None) -> Tensor | None:
    fits = x.is_floating_point() and x.is_contiguous() and -x.ndim <= axis < x.ndim
    return _as(x) if fits and dtype in (None, x.dtype) else None


def _cat(values: Sequence[Tensor], axis: int = 0, **named: Any) -> Tensor | None:
    if not values:
        return None
    first = values[0]
    axes, size = first.ndim, [*first.shape]
    if (
        named
        or not -axes <= axis < axes
        or not all(one.ndim == axes and one.dtype == first.dtype and one.is_contiguous() for one in values)
    ):
        return None
    axis %= axes
    total = 0
    for one in values:
        other = [*one.shape]
        total += other[axis]
        other[axis] = size[axis]
        if other != size:
            return None
    size[axis] = total
    return _made(first, size)


def _mean(x: Tensor, axes: Any = None, keep: bool = False, dtype: Any = None) -> Tensor | None:
    if dtype is not None or not axes or not x.is_floating_point() or not x.is_contiguous():
        return None
    over = {axis % x.ndim for axis in axes if -x.ndim <= axis < x.ndim}
    if len(over) != len(axes):
        return None
    every = enumerate(x.shape)
    return _made(x, [1 if at in over else n for at, n in every if keep or at not in over])


def _adaptive(x: Tensor, size: Sequence[int]) -> Tensor | None:
    fits = x.ndim == len(size) + 2 and x.is_contiguous() and x.is_floating_point() and 0 not in x.shape
    return _made(x, (*x.shape[:2], *size)) if fits else None


def _max_pool(
    x: Tensor, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Tensor | None:
    axes = x.ndim - 2
    if axes < 1 or not x.is_contiguous() or not x.is_floating_point() or 0 in x.shape:
        return None
    stride = kernel_size if stride in ([], ()) else stride
    given = [_each(value, axes) for value in (kernel_size, stride, padding, dilation)]
    size = []
    for n, kernel, step, pad, hole in zip(x.shape[2:], *given, strict=True):
        if min(kernel, step, hole) < 1 or not 0 <= pad <= kernel // 2:
            return None
        room = n + 2 * pad - hole * (kernel - 1) - 1
        places = room // step + 1
        size.append(places + (ceil_mode and room % step > 0 and places * step < n + pad))  # it begins within the map
    return _made(x, (*x.shape[:2], *size)) if min(size) > 0 else None


def _avg_pool(
    x: Tensor, kernel_size: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False, *_: Any, **__: Any
) -> Tensor | None:
    return _max_pool(x, kernel_size, stride, padding, 1, ceil_mode)


def _upsample(axes: int) -> Rule:
    """A map of so many axes made larger, to a size or by factors, which are the last argument."""

    def rule(x: Tensor, size: Sequence[int] | None, *more: Any) -> Tensor | None:
        if x.ndim != axes + 2 or not x.is_contiguous() or not x.is_floating_point() or 0 in x.shape:
            return None
        factors = more[-1] if more and isinstance(more[-1], list | tuple) else ()
        if size is None and len(factors) == axes:
            size = [int(n * by) for n, by in zip(x.shape[2:], factors, strict=True)]
        fits = size is not None and len(size) == axes and min(size) > 0
        return _made(x, (*x.shape[:2], *size)) if fits and size is not None else None

    return rule


def _embedding(weight: Tensor, ids: Tensor, *_: Any, **__: Any) -> Tensor | None:
    fits = weight.ndim == 2 and ids.dtype in (torch.int64, torch.int32)
    return _made(weight, (*ids.shape, weight.shape[1])) if fits else None


def _masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor | None:
    fits = x.is_floating_point() and x.is_contiguous() and mask.dtype == torch.bool and _spreads(mask.shape, x.shape)
    return _as(x) if fits and type(value) in NUMBERS else None


def _half(x: Tensor, *_: Any) -> Tensor | None:
    return _as(x) if x.ndim > 1 and x.is_contiguous() else None


def _arange(*ends: Any, dtype: Any = None, device: Any = None, **more: Any) -> Tensor | None:
    plain = all(type(end) is int for end in ends) and not any(value for value in more.values())
    size = len(range(*ends)) if plain and device == META else 0
    return torch.empty(size, dtype=dtype or torch.int64, device=META) if size else None


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout: float = 0.0) -> Tensor:
    """Attention, whose output lies as the queries do where a fused kernel takes it, and else row by row."""
    ends = {one.stride(-1) for one in (query, key, value)}
    fused = query.ndim == 4 and query.shape[-1] == value.shape[-1] and ends == {1} and not dropout
    if fused and (mask is None or mask.ndim != 3):
        return _as(query)
    return _made(query, (*query.shape[:-1], value.shape[-1]))


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, *_: Any,
    enable_gqa: bool = False, **__: Any,
) -> Tensor | None:  # fmt: skip
    of, to = query.shape, key.shape
    if not 2 < len(of) == len(to) == value.ndim or to[:-1] != value.shape[:-1] or of[-1] != to[-1]:
        return None
    shared = enable_gqa and len(of) == 4 and of[0] == to[0] and to[1] > 0 and not of[1] % to[1]
    if (of[:-2] != to[:-2] and not shared) or len({one.dtype for one in (query, key, value)}) > 1:
        return None
    if attn_mask is not None and not _spreads(attn_mask.shape, (*of[:-1], to[-2])):
        return None
    return attention(query, key, value, attn_mask, dropout_p)


def _fold(x: Tensor, size: Sequence[int], kernel: Sequence[int], *_: Any) -> Tensor | None:
    """Windows laid over each other, in the memory of which devices make a copy of the windows first."""
    channels, rest = divmod(x.shape[1] if x.ndim == 3 else 0, prod(kernel))
    if rest or not channels or prod(x.shape) < x.shape[0] * channels * prod(size):
        return None
    found = (x.shape[0], channels, *size)
    return _made(x, (x.numel(),)).as_strided(found, _made(x, found).stride())


def _grouped_mm(a: Tensor, b: Tensor, offs: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
    if a.ndim == 2 and b.ndim == 2 and offs is not None:
        return a.new_empty((offs.shape[0], a.shape[0], b.shape[1]))
    return a.new_empty((*a.shape[:-1], b.shape[-1]))


def _recurrent(x: Tensor, second: Any, *rest: Any, **_: Any) -> Any:
    """The outputs of a recurrent network: its values, and its last states. Packed sequences have the sizes of their
    batches before the states."""
    packed = isinstance(second, Tensor) and second.dtype == torch.int64 and second.ndim == 1
    states = rest[0] if packed else second
    states = [*states] if isinstance(states, list | tuple) else [states]
    both = rest[-1 if packed else -2]
    out = x.new_empty((*x.shape[:-1], states[0].shape[-1] * (2 if both else 1)))
    return (out, *[state.new_empty(state.shape) for state in states])


EACH = """relu relu6 gelu silu sigmoid tanh hardtanh hardswish hardsigmoid leaky_relu elu exp log sqrt rsqrt neg abs sin
cos erf pow clamp clamp_min clamp_max"""
TWO = "add sub mul div"
COMPARED = "eq ne lt le gt ge"
UPSAMPLED = (*(("nearest", n) for n in (1, 2, 3)), ("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3))


def _named(words: str, new: Rule, in_place: Rule) -> dict[Any, Rule]:
    found = {getattr(aten, word): new for word in words.split()}
    return found | {getattr(aten, f"{word}_"): in_place for word in words.split() if hasattr(aten, f"{word}_")}


RULES: dict[Any, Rule] = {
    **_named(EACH, _of_each, _of_each_in_place),
    **_named(TWO, _of_two, _of_two_in_place),
    **{getattr(aten, word): _compared for word in COMPARED.split()},
    aten.linear: _linear,
    aten.conv1d: _convolution(1),
    aten.conv2d: _convolution(2),
    aten.conv3d: _convolution(3),
    aten.conv_transpose1d: _transposed(1),
    aten.conv_transpose2d: _transposed(2),
    aten.conv_transpose3d: _transposed(3),
    aten.pixel_shuffle: _shuffled,
    aten.channel_shuffle: _dealt,
    aten.pad: _padded,
    aten.roll: _rolled,
    aten.log_sigmoid: lambda x: _made(x, x.shape),
    aten.batch_norm: _batch_norm,
    aten.layer_norm: _layer_norm,
    aten.group_norm: _group_norm,
    aten.matmul: _matmul,
    **dict.fromkeys((aten.softmax, aten.log_softmax), _softmax),
    **dict.fromkeys((aten.max_pool1d, aten.max_pool2d, aten.max_pool3d), _max_pool),
    **dict.fromkeys((aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d), _avg_pool),
    aten.cat: _cat,
    aten.mean: _mean,
    **dict.fromkeys((aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d), _adaptive),
    **{getattr(aten, f"upsample_{how}{n}d"): _upsample(n) for how, n in UPSAMPLED},
    aten.embedding: _embedding,
    aten.masked_fill: _masked_fill,
    aten.arange: _arange,
    **dict.fromkeys((aten.tril, aten.triu), _half),
    **dict.fromkeys((aten.normal_, aten.uniform_), _of_each_in_place),
    aten.scaled_dot_product_attention: _attention,
    aten.col2im: _fold,
    **dict.fromkeys((aten.lstm, aten.gru, aten.rnn_tanh, aten.rnn_relu), _recurrent),
}
if hasattr(aten, "_grouped_mm"):
    RULES[aten._grouped_mm] = _grouped_mm


@cache
def rule_of(func: Any) -> Rule | None:
    """The rule of an operator; of one that writes into a tensor that it is given, or names axes, there is none."""
    other = any(word in func._overloadname.lower() for word in ("out", "name"))
    return None if other else RULES.get(func.overloadpacket)
