"""The op of the spec language that a call equals, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...ops import OPS, Op, OpError, Tokens
from ..traced import refs
from .kinds import axes_of
from .seen import Seen, Shape

Lift = Callable[[Seen], Op | None]
CHANNELS = ("linear", "layer_norm", "rms_norm")  # what works on channels that lie last
NOT_SO = (OpError, TypeError, ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError)


def _one(sizes: Shape) -> int | Shape:
    return sizes[0] if len(set(sizes)) == 1 else sizes


def _conv(seen: Seen) -> Op | None:
    weight = seen.shape("weight")
    axes = len(weight) - 2
    same = seen.args.get("padding") == "same"
    pad = 0 if isinstance(seen.args.get("padding"), str) else _one(seen.sizes("padding", axes, 0))
    return OPS["conv"](
        out=weight[0], kernel=_one(weight[2:]), stride=_one(seen.sizes("stride", axes, 1)), pad=None if same else pad,
        groups=seen.args.get("groups", 1), dilation=_one(seen.sizes("dilation", axes, 1)), bias=seen.has("bias"),
        same=same,
    )  # fmt: skip


def _deconv(seen: Seen) -> Op | None:
    weight = seen.shape("weight")
    axes, groups = len(weight) - 2, seen.args.get("groups", 1)
    return OPS["deconv"](
        out=weight[1] * groups, kernel=_one(weight[2:]), stride=_one(seen.sizes("stride", axes, 1)),
        pad=_one(seen.sizes("padding", axes, 0)), out_pad=_one(seen.sizes("output_padding", axes, 0)), groups=groups,
        dilation=_one(seen.sizes("dilation", axes, 1)), bias=seen.has("bias"),
    )  # fmt: skip


def _linear(seen: Seen) -> Op | None:
    return OPS["linear"](out=seen.shape("weight")[0], bias=seen.has("bias"))


EPS, SMALLEST = 1e-5, 2.0**-23  # torch's own, and where a norm goes by the dtype
RMS = "rmsnorm"


def _norm(word: str) -> Lift:
    def lifted(seen: Seen) -> Op | None:
        if seen.args.get("training") or not seen.args.get("use_input_stats", True):
            return None  # by the statistics of the batch, or of an instance by those that are kept
        more = {"groups": seen.args["num_groups"]} if "num_groups" in seen.args else {}
        eps = seen.args.get("eps")
        more |= {"eps": (SMALLEST if word == RMS else EPS) if eps is None else eps}
        if seen.call.name == "instance_norm":
            return OPS[word](affine=seen.has("weight"), **more)
        if len(seen.args.get("normalized_shape", ())) > 1:
            return None
        return OPS[word](scale=seen.has("weight"), shift=seen.has("bias"), **more)

    return lifted


def _pool(word: str) -> Lift:
    def lifted(seen: Seen) -> Op | None:
        axes = axes_of(seen.call.name)
        kernel = seen.sizes("kernel_size", axes, 1)
        stride = seen.sizes("stride", axes, 1) if seen.args.get("stride") else kernel
        if set(seen.sizes("dilation", axes, 1)) != {1} or seen.args.get("divisor_override") is not None:
            return None
        more = {"count_pad": seen.args["count_include_pad"]} if "count_include_pad" in seen.args else {}
        pad, ceil = _one(seen.sizes("padding", axes, 0)), seen.args.get("ceil_mode", False)
        return OPS[word](kernel=_one(kernel), stride=_one(stride), pad=pad, ceil=ceil, **more)

    return lifted


def _adaptive(word: str) -> Lift:
    return lambda seen: OPS[word](size=_one(seen.out[2:]))


def _mean(seen: Seen) -> Op | None:
    if not _over_places(seen):
        return None
    return OPS["adaptive_avgpool"](size=1) if seen.args.get("keepdim") else OPS["gap"]()


def _over_places(seen: Seen) -> bool:
    """Whether it is over all places of a map, and leaves none."""
    axes, over = len(seen.first()), seen.args.get("dim")
    over = over if isinstance(over, list) else [over]
    return axes > 2 and None not in over and {at % axes for at in over} == {*range(2, axes)}


def _most(seen: Seen) -> Op | None:
    if not _over_places(seen):
        return None
    return OPS["adaptive_maxpool"](size=1) if seen.args.get("keepdim") else OPS["gmp"]()


def _softplus(seen: Seen) -> Op | None:
    usual = {"beta": 1, "threshold": 20}
    return OPS["softplus"]() if all(seen.args.get(name, n) == n for name, n in usual.items()) else None


def _merge(word: str) -> Lift:
    """Of two values: a number is none, and a factor before the second makes it another op."""

    def lifted(seen: Seen) -> Op | None:
        if not (seen.has("self") and seen.has("other")) or seen.args.get("alpha", 1) != 1:
            return None
        if seen.shape("self") != seen.out and seen.shape("other") != seen.out:
            return None
        return OPS[word]()

    return lifted


def _mul(seen: Seen) -> Op | None:
    factor = seen.args.get("other")
    if seen.has("other") or not isinstance(factor, int | float):  # a reference to a tensor is an int too
        return _merge("mul")(seen)
    return OPS["scale"](factor=float(factor))


def _concat(seen: Seen) -> Op | None:
    axes, axis = len(seen.out), seen.args.get("dim", 0)
    axis = axis % axes
    return OPS["concat"]() if axis == 1 and axes != 3 else OPS["concat"](axis=axis - 1) if axis else None


def _slice(seen: Seen) -> Op | None:
    """Some elements of an axis, every so manieth."""
    size, given = seen.first(), seen.args
    axis = given.get("dim", 0) % len(size)
    ends = [given.get("start") or 0, size[axis] if given.get("end") is None else given["end"]]
    if "length" in given:
        ends[1] = ends[0] + given["length"]
    start, stop = (min(at + size[axis] if at < 0 else at, size[axis]) for at in ends)
    step, place = given.get("step", 1), None if axis == 1 and len(size) != 3 else axis - 1
    return OPS["slice"](start, None if stop == size[axis] else stop, step, axis=place) if axis else None


def _flatten(seen: Seen) -> Op | None:
    return OPS["flatten"]() if len(seen.out) == 2 and seen.out[0] == seen.first()[0] else None


def _hardtanh(seen: Seen) -> Op | None:
    return OPS["relu6"]() if (seen.args.get("min_val", -1), seen.args.get("max_val", 1)) == (0, 6) else None


def _clamp(seen: Seen) -> Op | None:
    """Between numbers, by whichever operator."""
    given = seen.args
    if seen.call.name == "threshold":
        return OPS["relu"]() if given["threshold"] == given["value"] == 0 else None
    name = "min" if seen.call.name.startswith("clamp") else "other"
    if seen.has(name) or seen.has("max") or given.get(name) != 0:
        return None
    most = given.get("max")
    return OPS["relu"]() if most is None else OPS["relu6"]() if most == 6 else None


def _div(seen: Seen) -> Op | None:
    by = seen.args.get("other")
    if seen.has("other") or not isinstance(by, int | float) or seen.args.get("rounding_mode"):
        return None
    return OPS["scale"](factor=1 / by)


def _rsub(seen: Seen) -> Op | None:
    given = seen.args.get("other"), seen.args.get("alpha", 1)
    return OPS["complement"]() if given == (1, 1) and not seen.has("other") else None


def _pow(seen: Seen) -> Op | None:
    exponent = seen.args.get("exponent")
    words = {2: "square", 0.5: "sqrt", -1: "reciprocal"}
    return None if seen.has("exponent") or exponent not in words else OPS[words[exponent]]()


def _softmax(word: str) -> Lift:
    def lifted(seen: Seen) -> Op | None:
        axes = len(seen.out)
        axis = seen.args["dim"] % axes
        usual = 1 if axes in (2, 4, 5) else axes - 1
        return OPS[word]() if axis == usual else OPS[word](axis=axis - 1) if axis else None

    return lifted


def _recurrent(word: str) -> Lift:
    """One layer that begins from zeros, of sequences batch first: the sequence that it gives."""

    def lifted(seen: Seen) -> Op | None:
        given, params = seen.args, seen.shapes("params")
        known = given.get("num_layers") == 1 and given.get("batch_first") and not given.get("batch_sizes")
        states = [seen.call.constants.get(at, "") for at in refs(given.get("hx"))]
        each = (2 + 2 * bool(given.get("has_biases"))) * (1 + bool(given.get("bidirectional")))
        if not known or set(states) != {"full 0"} or len(params) != each:  # more are projections
            return None
        more = {"biases": 2} if given.get("has_biases") else {"bias": False}
        return OPS[word](width=params[1][1], bidirectional=bool(given.get("bidirectional")), **more)

    return lifted


EXACT = tuple(f"_upsample_nearest_exact{axes}d" for axes in (1, 2, 3))


def _upsample(seen: Seen) -> Op | None:
    size, name = seen.out[2:], seen.call.name
    old = seen.first()[2:]
    whole = all(new % was == 0 for new, was in zip(size, old, strict=True))
    smooth, align = name.endswith(("linear1d", "linear2d", "linear3d")), bool(seen.args.get("align_corners"))
    factors = seen.args.get("scale_factors")
    if factors and not align and any(by * was != new for by, was, new in zip(factors, old, size, strict=True)):
        return None  # torch goes by the factor, not by the sizes
    if name in EXACT and not whole:
        return None  # it begins elsewhere
    if whole:
        factor = _one(tuple(new // was for new, was in zip(size, old, strict=True)))
        return OPS["upsample"](factor=factor, smooth=smooth, align_corners=align)
    return OPS["upsample"](like=size, smooth=smooth, align_corners=align)


def _word(word: str, **arguments: str) -> Lift:
    """An op whose arguments stand under other names; what is not given has torch's default, which is the op's."""

    def lifted(seen: Seen) -> Op | None:
        given = {own: seen.args[name] for own, name in arguments.items() if seen.args.get(name) is not None}
        return OPS[word](**given)

    return lifted


SAME = "relu relu6 sigmoid selu hardswish hardsigmoid mish tanh exp log abs sqrt reciprocal"  # here and in torch
LIFTS: dict[str, Lift] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _deconv),
    "linear": _linear,
    "batch_norm": _norm("bn"),
    "layer_norm": _norm("layernorm"),
    "group_norm": _norm("groupnorm"),
    "instance_norm": _norm("instancenorm"),
    "rms_norm": _norm(RMS),
    "lstm": _recurrent("lstm"),
    "gru": _recurrent("gru"),
    "rnn_tanh": _recurrent("rnn"),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), _pool("maxpool")),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool("avgpool")),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
                    _adaptive("adaptive_avgpool")),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
                    _adaptive("adaptive_maxpool")),
    "mean": _mean,
    "add": _merge("add"),
    "sub": _merge("sub"),
    "mul": _mul,
    "cat": _concat,
    "concat": _concat,
    "slice": _slice,
    "narrow": _slice,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    "hardtanh": _hardtanh,
    **dict.fromkeys(("clamp", "clamp_min", "maximum", "threshold"), _clamp),
    "div": _div,
    "rsub": _rsub,
    "pow": _pow,
    **{word: _softmax(word) for word in ("softmax", "log_softmax")},
    "softplus": _softplus,
    "neg": lambda seen: OPS["scale"](factor=-1.0),
    "amax": _most,
    "max": lambda seen: _clamp(seen) if "other" in seen.args else _most(seen),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_bilinear2d",
                     "upsample_linear1d", "upsample_trilinear3d", *EXACT), _upsample),
    "gelu": lambda seen: OPS["gelu"](tanh=seen.args.get("approximate", "none") != "none"),
    "silu": _word("swish"),
    "leaky_relu": _word("leaky_relu", slope="negative_slope"),
    "elu": _word("elu", alpha="alpha"),
    "embedding": lambda seen: OPS["embed"](words=seen.shape("weight")[0], width=seen.shape("weight")[1]),
    "pixel_shuffle": _word("pixel_shuffle", factor="upscale_factor"),
    "pixel_unshuffle": _word("pixel_unshuffle", factor="downscale_factor"),
    "dropout": _word("dropout", p="p"),
    **{word: _word(word) for word in SAME.split()},
}  # fmt: skip


def lift(seen: Seen, x: Sequence[Shape], y: Shape, batch: int, macs: int) -> tuple[Op, bool] | None:
    """The op that the call is, on inputs of shapes `x` that gives `y`, without the batch; and whether these are sizes
    as specs have them, which a sequence's are not. It is one only if it says the same of shape and MACs."""
    make = LIFTS.get(seen.call.name)
    if make is None or not x:
        return None
    try:
        found = make(seen)
        if found is None or not found.inputs[0] <= len(x) <= found.inputs[1]:
            return None
        for sequence in (False, True):
            shapes = [Tokens(shape) if sequence and len(shape) == 2 else shape for shape in x]
            try:
                same = tuple(found.shape(*shapes)) == tuple(y) and found.macs(*shapes, y) * batch == macs
            except NOT_SO:
                same = False
            if same:
                return found, not sequence
        if seen.call.name in CHANNELS:  # of channels that lie last
            return found, False
    except NOT_SO:
        pass
    return None


PADS = ("pad", "constant_pad_nd")


def sides(given: Mapping[str, Any], axes: int) -> list[tuple[int, int]]:
    """How much a call pads before and behind each of so many axes; the batch is the first."""
    pads = (0,) * (2 * axes - len(given["pad"])) + tuple(given["pad"])[::-1]
    return [*zip(pads[1::2], pads[::2], strict=True)]


def padded(given: Mapping[str, Any], before: Sequence[int], behind: Sequence[int]) -> Op:
    """What a call pads, on axes in their order."""
    mode = given.get("mode", "constant")
    how = {"value": float(given.get("value") or 0)} if mode == "constant" else {"mode": mode}
    return OPS["pad"](tuple(before), tuple(behind), **how)
