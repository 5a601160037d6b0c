"""Readings: by which counting convention a printed figure is meant, as named terms that add up.

The base counting is the one of `docs/counting.md`. A reading is a list of terms, `no biases, with norm statistics`;
each says what is counted more or less, or what its letters mean, or as which network the figure is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations
from typing import Any

from ..errors import Text, did_you_mean
from ..ops import Tokens
from ..ops.shapes import numel
from ..records import NamedTuple
from ..units import Figure, squeeze
from .counts import Layer, weight_layers

Delta = Callable[[Sequence[Layer]], int]  # over layers in a row, in the order of the graph


class CountingTerm(NamedTuple):
    """A counting term. `of` are the metrics that it changes, by `delta` over the layers that are counted; `formula` is
    that for readers. `units`: what the letters of a printed figure stand for. `setting`, `size`: the figure is meant
    for the network with this constant of its spec, or at this input."""

    name: str
    meaning: str
    of: tuple[str, ...] = ()
    formula: str = ""
    delta: Delta | None = None
    units: tuple[tuple[str, int], ...] = ()
    setting: tuple[str, int | Fraction] | None = None
    size: tuple[int, ...] | None = None

    def __reduce__(self) -> tuple[Callable[..., CountingTerm], tuple[Any, ...]]:
        """Another process finds the term by its name: `delta` cannot be sent there."""
        return (_counting, (self.name,)) if self.delta is not None else (CountingTerm, tuple(self))


def _counting(name: str) -> CountingTerm:
    return READINGS[name]


def _elementwise(kind: str) -> Delta:
    return lambda layers: sum(layer.cost.elementwise.get(kind, 0) for layer in layers)


def _all(count: str, times: int = 1) -> Delta:
    return lambda layers: times * sum(getattr(layer, count) for layer in layers)


def _classifier(layers: Sequence[Layer]) -> Layer | None:
    """The last layer with weights, if it is none that remembers: what it reads it does not classify."""
    ends = (layer for layer in reversed(layers) if layer.node.op.weight_layers)
    return next((layer for layer in ends if layer.node.op.family != "recurrent"), None)


def _no_classifier(count: str) -> Delta:
    return lambda layers: -getattr(last, count) if (last := _classifier(layers)) else 0


def _representation(layers: Sequence[Layer]) -> int:
    """What a hidden layer as wide as what enters the classifier has more than that; of fully connected ones."""
    last = _classifier(layers)
    if last is None or last.node.op.family != "linear":
        return 0
    shape = last.node.shape
    width = last.weights // (shape[1] if isinstance(shape, Tokens) else shape[0])
    return width * width + width - last.params


def _pixel_convolutions(layers: Sequence[Layer]) -> int:
    """The MACs of convolutions of a single pixel: the fully connected layers of squeeze-and-excitation gates."""
    last = _classifier(layers)
    maps = (x for x in layers if x.node.op.family == "convolution" and not isinstance(x.node.shape, Tokens))
    return sum(layer.macs for layer in maps if layer is not last and numel(layer.node.shape[1:]) == 1)


def _at_every_output(layers: Sequence[Layer]) -> int:
    """What transposed convolutions have more if their kernels are applied at every output, as if it were a window."""
    found = 0
    for layer in layers:
        if layer.node.op.torch_module == "ConvTranspose" and layer.cost.weights:
            inputs = layer.cost.macs // layer.cost.weights
            found += layer.cost.macs * numel(layer.node.shape[1:]) * layer.node.items // inputs - layer.cost.macs
    return found


def _no_gates(layers: Sequence[Layer]) -> int:
    """Weight layers that the longest path loses if it may not run through the gate of a scaling."""
    nodes = [layer.node for layer in layers]
    # Which node of the graph the first one is: some node reads the one before it.
    start = max((max(node.inputs) - at + 1 for at, node in enumerate(nodes)), default=0)
    longest: list[int] = []
    for node in nodes:
        read = node.inputs[:1] if node.op.gated else node.inputs
        before = max([longest[value - start] for value in read if value >= start], default=0)
        longest.append(before + layers[len(longest)].cost.depth)
    return longest[-1] - weight_layers(layers, start) if nodes else 0


PARAMS, MACS = ("params",), ("macs",)
TERMS: tuple[CountingTerm, ...] = (
    CountingTerm("K = 1024", "K stands for 1,024.", units=(("K", 1024), ("k", 1024))),
    CountingTerm("M = 1024²", "M stands for 1,048,576.", units=(("M", 1024**2),)),
    CountingTerm("G = 1024³", "G stands for 1,073,741,824.", units=(("G", 1024**3),)),
    CountingTerm("no biases", "Biases are left out.", PARAMS, "params − biases", _all("biases", -1)),
    CountingTerm("no norm parameters", "Scales and shifts of norms are left out.", PARAMS, "params − norm_params",
                 _all("norm_params", -1)),
    CountingTerm("with norm statistics", "Running means and variances count as parameters.", PARAMS,
                 "params + norm_stats", _all("norm_stats")),
    CountingTerm("no embeddings", "Look-up tables are left out.", PARAMS, "params − weights of embeddings",
                 lambda layers: -sum(layer.weights for layer in layers if layer.node.op.ids)),
    CountingTerm("no classifier", "The last layer with weights is left out.", PARAMS,
                 "params − params of the last weight layer", _no_classifier("params")),
    CountingTerm("representation layer", "A hidden layer as wide as what enters the classifier stands in its place.",
                 PARAMS, "params − params of the last weight layer + D² + D", _representation),
    CountingTerm("no classifier's MACs", "The last layer with weights is left out.", MACS,
                 "MACs − those of the last weight layer", _no_classifier("macs")),
    CountingTerm("convolutions only", "Only MACs of convolutions are counted.", MACS, "MACs of convolutions",
                 lambda layers: -sum(layer.macs for layer in layers if layer.node.op.family != "convolution")),
    CountingTerm("additions", "An operation for each pair of elements that is added (residual additions).", MACS,
                 "MACs + add", _elementwise("add")),
    CountingTerm("scalings", "An operation for each element that is scaled (gates, attention maps).", MACS,
                 "MACs + multiply", _elementwise("multiply")),
    CountingTerm("gates twice",
                 "The fully connected layers of a gate count twice: a multiplication and an addition a weight.", MACS,
                 "MACs + MACs of convolutions of a single pixel", _pixel_convolutions),
    CountingTerm("deconvolutions at every output",
                 "The kernel of a transposed convolution is applied at every output, not at every input.", MACS,
                 "MACs · outputs / inputs, of transposed convolutions", _at_every_output),
    CountingTerm("bias additions", "An operation for each element that a bias is added to.", MACS, "MACs + bias",
                 _elementwise("bias")),
    CountingTerm("norms", "An operation for each element that a norm passes.", MACS, "MACs + norm",
                 _elementwise("norm")),
    CountingTerm("activations", "An operation for each element that an activation passes.", MACS, "MACs + activation",
                 _elementwise("activation")),
    CountingTerm("pooling", "An operation for each element that a pooling window reads.", MACS, "MACs + pool",
                 _elementwise("pool")),
    CountingTerm("no gates", "Paths do not run through the gate of a scaling, as that of squeeze-and-excitation.",
                 ("weight_layers",), "weight layers on paths past gates", _no_gates),
    CountingTerm("multiply and add", "A MAC is two operations.", MACS, "2 · MACs", _all("macs")),
)  # fmt: skip
READINGS: dict[str, CountingTerm] = {term.name: term for term in TERMS}
# Where one letter of a spec says which of two networks it is, the words that people know.
KNOWN_SETTINGS = {"stride on the 3×3": ("v15", 1), "stride on the 1×1": ("v15", 0)}
BEFORE_ROUNDING = "operands before rounding"  # of a ratio: some numbers that round to the printed operands give it


@dataclass(frozen=True, slots=True)
class Reading:
    """Terms that are applied together; none is the base counting."""

    terms: tuple[CountingTerm, ...] = ()

    def __str__(self) -> str:
        return ", ".join(term.name for term in self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def other_network(self) -> bool:
        """Whether the figure is meant for another network, or another input, than its name says."""
        return any(term.setting or term.size for term in self.terms)

    @property
    def settings(self) -> dict[str, int | Fraction]:
        return dict(term.setting for term in self.terms if term.setting)

    @property
    def size(self) -> tuple[int, ...] | None:
        return next((term.size for term in self.terms if term.size), None)

    @property
    def units(self) -> dict[str, int]:
        return {letter: value for term in self.terms for letter, value in term.units}

    def count(self, base: int, metric: str, layers: Sequence[Layer]) -> int:
        """Count: `base`, the base counting of `layers`, with what each term adds to it."""
        return base + sum(term.delta(layers) for term in self.terms if term.delta is not None and metric in term.of)


BASE = Reading()


@cache
def _known(name: str) -> CountingTerm | None:
    name = squeeze(name)
    for term in TERMS:
        if squeeze(term.name) == name:
            return term
    for words, setting in KNOWN_SETTINGS.items():
        if squeeze(words) == name:
            return CountingTerm(words, f"The network with {setting[0]} = {setting[1]}.", setting=setting)
    size = re.fullmatch(r"input(\d{1,6}(?:x\d{1,6}){0,3})", name)
    if size:
        axes = tuple(int(axis) for axis in size[1].split("x"))
        return CountingTerm(f"input {'×'.join(map(str, axes))}", "The network at this input.", size=axes)
    setting_text = re.fullmatch(r"([A-Za-z_]\w*)=(\d{1,18}(?:\.\d{1,18})?)", name)
    if setting_text:
        value = Fraction(setting_text[2])
        number = int(value) if value.denominator == 1 else value
        shown = f"{setting_text[1]} = {setting_text[2]}"
        return CountingTerm(shown, f"The network with {shown}.", setting=(setting_text[1], number))
    return None


def read_reading(text: Text, other_network: bool = False) -> Reading:
    """A reading as a spec names it, its terms separated by commas. Raises SpecError. `other_network`: also terms that
    mean another network or another input than the named one."""
    terms = []
    for name in text.value.split(","):
        term = _known(name.strip())
        if term is None or ((term.setting or term.size) and not other_network):
            hint = did_you_mean(name.strip(), READINGS)
            if not hint.startswith("Did") and term is not None:
                hint = "It means another network: give that a name under `models:`."
            raise text.error(f"`{name.strip()}` is not a reading", hint)
        if term not in terms:
            terms.append(term)
    return Reading(tuple(terms))


@cache
def candidates(metric: str, most: int = 3) -> tuple[Reading, ...]:
    """All readings of up to `most` counting terms that change `metric`, the shortest first."""
    terms = [term for term in TERMS if metric in term.of]
    return tuple(Reading(found) for count in range(1, most + 1) for found in combinations(terms, count))


class Proposal(NamedTuple):
    """A reading under which a printed figure holds, the number under it, and how likely that is luck."""

    reading: Reading
    number: int
    luck: str


def changes(metric: str, layers: Sequence[Layer]) -> dict[CountingTerm, int]:
    """What each counting term that changes `metric` adds over these layers, where that is not nothing."""
    found = {term: term.delta(layers) for term in TERMS if term.delta is not None and metric in term.of}
    return {term: change for term, change in found.items() if change}


def proposed(
    metric: str, base: int, changed: Mapping[CountingTerm, int], fits: Callable[[int], bool], terms: int
) -> Iterator[Proposal]:
    """The readings of at most so many counting terms under which the count `fits`, the shortest first; `changed` is
    what `changes` says. A term that changes nothing here is in none of them."""
    fitting = [
        (reading, number)
        for reading in candidates(metric, terms)
        if all(term in changed for term in reading.terms)
        and fits(number := base + sum(changed[term] for term in reading.terms))
    ]
    for reading, number in fitting:
        tried = sum(len(r.terms) == len(reading.terms) for r in candidates(metric, terms))
        others = sum(len(r.terms) == len(reading.terms) for r, _ in fitting)
        luck = f"{others} of {tried} such readings fit" if others > 1 else f"the only one of {tried} such readings"
        yield Proposal(reading, number, luck)


def other_units(figure: Figure, base: int | Fraction) -> Iterator[tuple[CountingTerm, int]]:
    """The terms under which a printed figure is `base`, as its letter stands for another number; and that number."""
    for term in TERMS:
        for letter, number in term.units:
            value, half = figure.under({letter: number})
            if figure.unit == letter and abs(base - value) <= half:
                yield term, number
