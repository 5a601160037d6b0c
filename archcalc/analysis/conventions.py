"""Counting conventions of other tools, each as named terms that add up to the number that the tool prints.

They are for finding a number seen elsewhere; the base counting is the one of `docs/counting.md`. Which rule of a tool
applies depends on what a network is written with: these are for torch's own modules (`nn.ReLU`, not `F.relu`), with
sums and products by operators, and one module wherever the same call works with the same weights.
Sources: the code of fvcore 0.1.5, ptflops 0.7.5 (its pytorch backend), thop 0.1.1 and torchinfo 1.8, and the GFLOPs
that torchvision's documentation prints beside its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import starmap
from operator import attrgetter

from ..errors import UsageError, did_you_mean
from ..ops import Op, channels
from ..ops.shapes import numel
from .counts import Layer, NodeCost, Report, Totals
from .readings import MACS, PARAMS, READINGS, CountingTerm, Delta, Reading

Count = Callable[[Layer], int]  # for one sample


_out: Count = attrgetter("cost.numel")
_read: Count = attrgetter("cost.read")
_macs: Count = attrgetter("cost.macs")


def _of(names: str, count: Count, times: int = 1) -> Delta:
    """Count layers of these families and classes of `torch.nn`, so many times."""
    known = frozenset(names.split())
    return lambda layers: (
        times * sum(count(x) for x in layers if x.node.op.family in known or x.node.op.torch_module in known)
    )


def _learned(layer: Layer) -> int:
    """What the layer works with, its own or another's."""
    return layer.cost.weights + layer.cost.biases + layer.cost.norm_params


def _elementwise(kind: str) -> Count:
    return lambda layer: layer.cost.elementwise.get(kind, 0)


def attention_products(op: Op, cost: NodeCost) -> int:
    """The MACs of QKᵀ and AV: of each pair of tokens a key and a value."""
    sizes = {param.name: param.shape for param in cost.params}
    if "q.weight" not in sizes:  # a call of torch's own, which is nothing else
        return cost.macs
    pairs: int = cost.elementwise["softmax"] // getattr(op, "heads", 1)
    return pairs * (sizes["q.weight"][0] + sizes["out.weight"][1])


def _gates(**joins: int) -> Count:
    """So many operations for each unit of a state, and two biases a gate, as torch's layers have them."""

    def count(layer: Layer) -> int:
        op = layer.node.op
        return _out(layer) * (joins[op.torch_module] + 2 * getattr(op, "gates", 0) * getattr(op, "bias", False))

    return count


def _interpolated(linear: int) -> Count:
    """An operation for each element made from the nearest; `linear` of them where it is interpolated."""
    return lambda layer: _out(layer) * (linear if getattr(layer.node.op, "smooth", False) else 1)


def _local_norm(layer: Layer) -> int:
    """A square, a mean over channels padded on both sides, a product and a sum."""
    channels, *sides = layer.node.shape
    size: int = getattr(layer.node.op, "size", 1)
    return (3 * channels + channels + size - 1) * numel(tuple(sides)) * layer.node.items


def _normed(learned: int, plain: int) -> Count:
    """So many operations an element of a norm, by whether it has parameters."""
    return lambda layer: _out(layer) * (learned if layer.cost.norm_params else plain)


def _applied_once(layer: Layer) -> int:
    """The count of torchinfo for a layer: its parameters, of a convolution for every output position."""
    if layer.node.op.family == "convolution":
        return _learned(layer) * numel(layer.node.shape[1:]) * layer.node.items - _macs(layer)
    times = layer.node.shape[0] if layer.node.op.family == "recurrent" else 1
    return _learned(layer) * times * layer.node.items - _macs(layer)


# What a tool that goes by modules makes of weights that several of them share; `recount` does it.
TIED = CountingTerm("tied weights again", "Weights that two modules share count in each.", PARAMS)


def _term(name: str, meaning: str, delta: Delta, of: tuple[str, ...] = MACS) -> CountingTerm:
    return CountingTerm(name, meaning, of, "", delta)


@dataclass(frozen=True, slots=True)
class Convention:
    """A tool's way to count, the version that counts so, and what the tool calls the number."""

    tool: str
    source: str
    calls: str
    reading: Reading

    def __str__(self) -> str:
        said = f"counted as {self.tool} counts: {self.reading if self.reading else 'as here'}"
        if self.tool == "torchvision":
            return said
        return f"{said}; so for torch's own modules, and `doctor --vs {self.tool}` says how for archcalc's"


def _convention(tool: str, source: str, calls: str, *terms: CountingTerm) -> Convention:
    return Convention(tool, source, calls, Reading(terms))


CONVENTIONS: dict[str, Convention] = {like.tool: like for like in (
    _convention("torchvision", "GFLOPS and parameters of its documentation", "FLOPS"),
    _convention("fvcore", "fvcore 0.1.5, FlopCountAnalysis", "flops",
        _term("no attention products", "QKᵀ and AV are passed over.",
              _of("attention", lambda layer: attention_products(layer.node.op, layer.cost), -1)),
        _term("no recurrent layers", "They are passed over.", _of("recurrent Bilinear", _macs, -1)),
        _term("batch norms twice", "Two operations an element.", _of("BatchNorm", _out, 2)),
        _term("norms five times", "Five operations an element, four without parameters.",
              _of("LayerNorm GroupNorm InstanceNorm", _normed(5, 4))),
        _term("adaptive means", "An operation for each element that is averaged.",
              _of("AdaptiveAvgPool", _elementwise("pool"))),
        _term("interpolation", "An operation an element made by upsampling, four where it is bilinear.",
              _of("Upsample", _interpolated(4)))),
    _convention("ptflops", "ptflops 0.7.5, pytorch backend", "MACs",
        _term("bias additions", "An operation for each element that a bias is added to.",
              _of("convolution Linear attention", _elementwise("bias"))),
        _term("gates", "Two biases a gate, and 1, 7 or 10 operations for each unit of the state of RNN, GRU or LSTM.",
              _of("recurrent", _gates(RNN=1, GRU=7, LSTM=10))),
        _term("norms twice", "Two operations an element, one for layer norms and without parameters.",
              _of("BatchNorm LayerNorm GroupNorm InstanceNorm", lambda layer: _out(layer) * (
                  1 if layer.node.op.torch_module == "LayerNorm" or not layer.cost.norm_params else 2))),
        _term("activations", "An operation an element of these activations.",
              _of("LeakyReLU ReLU6 SiLU Softmax", _out)),
        _term("activations twice", "Two an element of these: the module is counted, and the function it calls.",
              _of("ReLU PReLU ELU GELU", _out, 2)),
        _term("pools by input twice", "Two operations for each element of a pooling's input, for the same reason.",
              _of("MaxPool AvgPool AdaptiveAvgPool AdaptiveMaxPool", _read, 2)),
        _term("local norms", "Three operations an element, and one for each that the window over channels reads.",
              _of("LocalResponseNorm", _local_norm)),
        _term("interpolation twice", "Two for each element made by upsampling, for the same reason.",
              _of("Upsample", _out, 2)),
        _term("attention's softmax and scaling", "An operation a score, and one a query.",
              _of("attention", lambda layer: layer.cost.elementwise.get("softmax", 0) + _out(layer))),
        _term("no bilinear", "Bilinear layers are passed over.", _of("Bilinear", _macs, -1))),
    _convention("thop", "thop 0.1.1", "MACs",
        _term("norms four times", "Four operations an element, two without parameters.",
              _of("BatchNorm LayerNorm InstanceNorm", _normed(4, 2))),
        _term("average pools by output", "An operation for each mean.", _of("AvgPool", _out)),
        _term("adaptive means", "An operation for each element that is averaged, and each mean.",
              _of("AdaptiveAvgPool", lambda layer: layer.cost.elementwise["pool"] + _out(layer))),
        _term("softmax thrice", "3n − 1 operations for n elements.",
              _of("Softmax", lambda layer: 3 * _out(layer) - _out(layer) // channels(layer.node.shape))),
        _term("slopes", "An operation for each element through a learned slope.", _of("PReLU", _out)),
        _term("interpolation", "An operation an element made by upsampling, eleven where it is bilinear.",
              _of("Upsample", _interpolated(11))),
        _term("gates", "Two biases a gate, and 1, 7 or 8 operations for each unit of the state of RNN, GRU or LSTM.",
              _of("recurrent", _gates(RNN=1, GRU=7, LSTM=8))),
        _term("no attention", "Attention and products of two values are passed over.",
              _of("attention product Bilinear", _macs, -1)),
        READINGS["deconvolutions at every output"],
        TIED,
        _term("no parameters of attention and tokens", "Nor of embeddings, positions, group norms and bilinear layers.",
              _of("attention embedding GroupNorm Bilinear", attrgetter("params"), -1), PARAMS)),
    _convention("torchinfo", "torchinfo 1.8, total mult-adds", "mult-adds",
        _term("parameters once", "Every parameter counts once, of a convolution once for every output position.",
              _of("convolution linear norm recurrent PReLU Embedding", _applied_once)),
        _term("no attention", "Attention and products of two values are passed over.",
              _of("attention product", _macs, -1)),
        TIED),
)}  # fmt: skip


def convention(tool: str) -> Convention:
    """A tool's convention. Raises UsageError."""
    if tool not in CONVENTIONS:
        raise UsageError(f"`--like {tool}` is no tool whose counting is known", did_you_mean(tool, CONVENTIONS))
    return CONVENTIONS[tool]


def recount(report: Report, like: Convention) -> Report:
    """The report with parameters, MACs and FLOPs as the tool counts them; shapes and bytes stay."""

    modules: set[tuple[int, Op]] = set()

    def counted(index: int, layer: Layer) -> Layer:
        node, cost = layer.node, layer.cost
        if TIED in like.reading.terms and cost.params:
            module = index if node.shares is None else node.shares, node.op
            layer = layer._replace(params=0 if module in modules else _learned(layer))
            modules.add(module)
        macs = report.times * like.reading.count(cost.macs, "macs", (layer,))
        return layer._replace(macs=macs, params=like.reading.count(layer.params, "params", (layer,)))

    layers = tuple(starmap(counted, enumerate(report.layers)))
    totals = _with(report.totals, layers[: report.graph.main])
    heads = _with(report.totals_with_heads, layers) if report.totals_with_heads is not None else None
    return replace(report, layers=layers, totals=totals, totals_with_heads=heads)


def _with(totals: Totals, layers: tuple[Layer, ...]) -> Totals:
    macs = sum(layer.macs for layer in layers)
    params = sum(layer.params for layer in layers)
    active = params - (totals.params - totals.active_params)
    return replace(totals, params=params, active_params=active, macs=macs, flops=2 * macs)
