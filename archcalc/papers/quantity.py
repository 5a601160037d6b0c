"""Quantities of networks by name: `params of vgg16`, `output_shape of googlenet at inception (3a)`.

A figure of the ledger is computed from quantities, other figures and numbers; this module reads such a formula and
asks the networks. Everything is exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..analysis.counts import Layer, Report, longest_path
from ..analysis.readings import BASE, Reading
from ..errors import ArchcalcError, Text, did_you_mean
from ..language.expr import Expr
from ..networks import Networks, Number
from ..ops import ARGUMENTS, OPS, Shape, Tokens
from ..ops.base import OpFamily
from ..ops.shapes import elements
from ..records import NamedTuple
from ..units import same

Value = Number | tuple[Number, ...]
COUNTS = ("params", "active_params", "weights", "biases", "norm_params", "norm_stats", "macs", "flops", "weight_layers")
ASKED = re.compile(r"([a-z_]+) of ([^\s@\[\]]+)(?:@([\dx×]+))?(?: at ([^\[\]]+))?")
LIMIT = 10**24  # the cost of a training has more digits than a count of a network
OPERAND = re.compile(r"\[([^\[\]]+)\]")
ID = re.compile(r"[a-z0-9][a-z0-9-]*")


class Place(NamedTuple):
    """The place of a quantity: a network, or some of its nodes in a row."""

    report: Report
    start: int
    stop: int
    value: int  # what enters
    output: int

    @property
    def layers(self) -> Sequence[Layer]:
        return self.report.layers[self.start : self.stop]

    def shape(self, value: int) -> Shape:
        return self.report.graph.shape(value)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A metric of a model, at an input and a row, block or node where these are given."""

    text: Text
    metric: str
    model: str
    size: tuple[int, ...] | None
    at: str


def read_quantity(text: Text) -> Quantity | None:
    """`METRIC of MODEL[@SIZE] [at ROW]`; None where the text is none. Raises SpecError for an unknown metric."""
    match = ASKED.fullmatch(text.value.strip())
    if match is None:
        return None
    metric, model, size, at = match.groups()
    if metric not in COUNTS and metric not in QUANTITIES and metric not in FIELDS:
        raise text.error(f"`{metric}` is not a quantity", did_you_mean(metric, [*COUNTS, *QUANTITIES, *FIELDS]))
    axes = tuple(int(axis) for axis in re.split("[x×]", size)) if size else None
    return Quantity(text, metric, model, axes, (at or "").strip())


def ask(
    networks: Networks,
    quantity: Quantity,
    reading: Reading = BASE,
    layout: str = "",
    settings: Mapping[str, Number] | None = None,
) -> Value:
    """The quantity in base units, under a reading; shapes in the order of `layout`. Raises SpecError at it."""
    try:
        asked = {**(settings or {}), **reading.settings}
        report = networks.report(quantity.model, reading.size or quantity.size, asked)
        place = place_of(report, quantity.at)
        if place is None:
            hint = did_you_mean(quantity.at, [span.name for span in report.graph.rows])
            raise quantity.text.error(f"`{quantity.model}` has no row, block or node `{quantity.at}`", hint)
        if quantity.metric in COUNTS:
            return count(place, quantity.metric, reading, bool(quantity.at))
        if quantity.metric in QUANTITIES:
            found = QUANTITIES[quantity.metric](place)
            return order(found, layout) if isinstance(found, tuple) else found
        return _field(quantity, place)
    except ArchcalcError as error:
        if getattr(error, "where", ""):
            raise
        raise quantity.text.error(f"{quantity.text}: {error}") from None


def count(place: Place, metric: str, reading: Reading, part: bool) -> int:
    """A count of base counting, with what the terms of a reading add to it."""
    if not part:
        base = place.report.totals.counts()[metric]
    elif metric == "weight_layers":
        base = _depth(place, None)
    else:
        base = sum(getattr(layer, metric) for layer in place.layers)
    return reading.count(base, metric, place.layers)


def place_of(report: Report, at: str) -> Place | None:
    """A row by its name, rows by their label, a block or node by its path; the main path where nothing is named."""
    graph = report.graph
    if not at:
        return Place(report, 0, graph.main, -1, graph.outputs[0])
    rows = [span for span in graph.rows if same(span.name, at)] or [span for span in graph.rows if same(span.label, at)]
    rows = rows or [span for span in graph.spans if span.path == at]
    if rows:
        return Place(report, rows[0].start, rows[-1].stop, rows[0].input, rows[-1].output)
    for index, node in enumerate(graph.nodes):
        if node.path == at:
            return Place(report, index, index + 1, node.inputs[0], index)
    return None


# --- metrics ------------------------------------------------------------------------------------------------------


def _depth(place: Place, family: OpFamily | None) -> int:
    """The most weight layers (of one family) on any path through the place."""
    return longest_path(
        place.layers, place.start, lambda layer: layer.cost.depth if family in (None, layer.node.op.family) else 0
    )


def _weight_shape(place: Place) -> tuple[int, ...]:
    """Of the first layer with weights."""
    for layer in place.layers:
        for param in layer.cost.params:
            if param.kind == "weight":
                return param.shape
    raise ArchcalcError("no layer with weights is here")


def _filters(place: Place) -> list[int]:
    """The sizes of the filters of all convolutions, along each axis."""
    found = [
        param.shape[2:]
        for layer in place.layers
        if layer.node.op.family == "convolution"
        for param in layer.cost.params
    ]
    return [size for shape in found for size in shape]


def _activation_elements(place: Place) -> int:
    """Elements that rows hand on, the network's input with them where the whole network is asked."""
    graph = place.report.graph
    rows = [span for span in graph.rows if place.start <= span.start and span.stop <= place.stop and not span.head]
    whole = place.start == 0 and place.stop == graph.main
    return sum(elements(graph.shape(span.output)) for span in rows) + (elements(graph.inputs[0][1]) if whole else 0)


def _blocks(place: Place) -> int:
    """The blocks that rows open, each as often as it is repeated."""
    spans = place.report.graph.spans
    return sum(s.depth == 1 and not s.head and place.start <= s.start and s.stop <= place.stop for s in spans)


def _padding(place: Place) -> int:
    """The number of positions before the data at which the first window of the first convolution begins."""
    node = next(layer.node for layer in place.layers if layer.node.op.family == "convolution")
    (window,) = node.op.receptive_window(place.shape(node.inputs[0]))
    return int(-window[-1].first) if window else 0


def _receptive_field(place: Place, union: bool = False) -> tuple[int, ...]:
    found = place.report.receptive_fields.at(place.output, place.value, union)
    if not found:
        raise ArchcalcError(f"the receptive field is {'unbounded' if found is None else 'not defined'} here")
    return found


def _axis(name: str) -> Callable[[Place], int]:
    return lambda place: axes(place.shape(place.output))[name]


QUANTITIES: dict[str, Callable[[Place], Value]] = {
    "output_shape": lambda place: place.shape(place.output),
    "input_shape": lambda place: place.shape(place.value),
    "channels": _axis("C"),
    "height": _axis("H"),
    "width": _axis("W"),
    "input_channels": lambda place: axes(place.shape(place.value))["C"],
    "input_height": lambda place: axes(place.shape(place.value))["H"],
    "tokens": _axis("T"),
    "output_elements": lambda place: elements(place.shape(place.output)),
    "input_elements": lambda place: elements(place.shape(place.value)),
    "activation_elements": _activation_elements,
    "neurons": lambda place: sum(elements(layer.output_shape) for layer in place.layers if layer.node.op.weight_layers),
    "conv_layers": lambda place: _depth(place, "convolution"),
    "fc_layers": lambda place: _depth(place, "linear"),
    "convolutions": lambda place: sum(layer.node.op.family == "convolution" for layer in place.layers),
    "blocks": _blocks,
    "attentions": lambda place: sum(layer.node.op.family == "attention" for layer in place.layers),
    "outputs": lambda place: len(place.report.graph.outputs),
    "rows": lambda place: sum(not span.head for span in place.report.graph.rows),
    "weight_shape": _weight_shape,
    "filter_size": lambda place: _weight_shape(place)[1:],  # channels × height × width
    "filters": lambda place: _weight_shape(place)[0],
    "filter_height": lambda place: _weight_shape(place)[-2],
    "filter_width": lambda place: _weight_shape(place)[-1],
    "smallest_filter": lambda place: min(_filters(place)),
    "largest_filter": lambda place: max(_filters(place)),
    "padding": _padding,
    "receptive_field": _receptive_field,
    "receptive_field_union": lambda place: _receptive_field(place, union=True),
}
# An argument of the first op that has it.
FIELDS = sorted(
    {field.name for fields in ARGUMENTS.values() for field in fields if field.kind not in ("Pattern", "Axes")}
    - set(QUANTITIES)
)


def _field(quantity: Quantity, place: Place) -> Value:
    for layer in place.layers:
        if any(argument.name == quantity.metric for argument in ARGUMENTS[layer.op]):
            value = getattr(layer.node.op, quantity.metric)
            if value is None:
                raise quantity.text.error(f"`{layer.path}` leaves its `{quantity.metric}` to the default")
            return value if isinstance(value, tuple) else Fraction(value).limit_denominator(10**9)
    words = [word for word in OPS if any(argument.name == quantity.metric for argument in ARGUMENTS[word])]
    raise quantity.text.error(f"`{quantity.model}` has no {' or '.join(words)} here")


def axes(shape: Shape) -> dict[str, int]:
    """The axes of a shape by letter; of a vector, height and width are 1."""
    if isinstance(shape, Tokens):
        return {"T": shape[0], "C": shape[1], "N": 1}
    names = {4: "CDHW", 2: "CW"}.get(len(shape), "CHW")
    return {"N": 1, "H": 1, "W": 1, **dict(zip(names, shape, strict=False))}


def order(shape: tuple[Number, ...], layout: str) -> tuple[Number, ...]:
    """`shape`, channels first, in the printed order: `HWC`, `HW`, `NCHW`; as it is where nothing fits."""
    if isinstance(shape, Tokens) or not layout or not set(layout) <= set("NCDHW"):
        return tuple(shape)
    if len(shape) == len(layout) and len(shape) != 3:
        return tuple(shape)
    found = axes(shape)  # type: ignore[arg-type]
    return tuple(found[letter] for letter in layout)


# --- formulas -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Formula:
    """The formula of a figure: expressions over operands, each a quantity or the id of another figure; a plain
    quantity is one operand and no more. Several expressions give a list."""

    text: Text
    parts: tuple[Expr, ...]
    operands: dict[str, Quantity | Text]

    @property
    def plain(self) -> Quantity | None:
        """The quantity, where the formula is nothing else."""
        first = next(iter(self.operands.values()), None)
        return first if not self.parts and isinstance(first, Quantity) else None

    @property
    def quantities(self) -> dict[str, Quantity]:
        return {name: operand for name, operand in self.operands.items() if isinstance(operand, Quantity)}

    @property
    def ids(self) -> dict[str, str]:
        """The figures that it is computed from, by operand."""
        return {name: operand.value for name, operand in self.operands.items() if isinstance(operand, Text)}

    @property
    def model(self) -> str:
        """The model of its quantities; empty where there is none, or several."""
        models = {quantity.model for quantity in self.quantities.values()}
        return models.pop() if len(models) == 1 else ""

    def __call__(self, operands: Mapping[str, Value], names: Mapping[str, Number] | None = None) -> Value:
        """The value, given that of each operand. Raises SpecError."""
        if not self.parts:
            return next(iter(operands.values()))
        values = tuple(part.number({**(names or {}), **operands}) for part in self.parts)
        exact = tuple(value if isinstance(value, int) else Fraction(value) for value in values)
        return exact[0] if len(exact) == 1 else exact

    def number(self, operands: Mapping[str, Value]) -> Number:
        """The value of a formula that is to give one number. Raises SpecError."""
        value = self(operands)
        if isinstance(value, tuple):
            raise self.text.error(f"`{self.text}` is a list; one number is wanted here")
        return value


def read_formula(text: Text) -> Formula:
    """`params of vgg16`, or `[params of alexnet] / [params of squeezenet1.0]`, `[id of a figure] * 4`. Raises
    SpecError."""
    plain = read_quantity(text)
    if plain is not None:
        return Formula(text, (), {"a": plain})
    operands: dict[str, Quantity | Text] = {}

    def named(match: re.Match[str]) -> str:
        inside = text.part(match.start(1), match.end(1))
        quantity = read_quantity(inside)
        if quantity is None and not ID.fullmatch(inside.value):
            raise inside.error(f"`{inside}` is neither a quantity such as `params of vgg16` nor the id of a figure")
        name = f"operand_{len(operands) + 1}"
        operands[name] = inside if quantity is None else quantity
        return name

    pieces = _split(OPERAND.sub(named, text.value))
    parts = (Expr(Text(piece.strip(), text.source, text.line, text.col, exact=False), LIMIT) for piece in pieces)
    return Formula(text, tuple(parts), operands)


def _split(text: str) -> list[str]:
    """At commas outside brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
