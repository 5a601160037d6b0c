"""Receptive fields of the zoo, of V-Net's table and of random chains, held to the gradients that torch computes.

Weights are positive and pools average, so that no gradient vanishes by chance; networks are made thin, as channels do
not bear on positions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archcalc.analysis import receptive
from archcalc.analysis.receptive import Field, ReceptiveFields
from archcalc.errors import ArchcalcError
from archcalc.graph import Graph, GraphBuilder
from archcalc.language.zoo import resized, select, shipped_names
from archcalc.models import load
from archcalc.networks import network
from archcalc.ops import ARGUMENTS, OPS, Op, OpError
from archcalc.ops.shapes import positions
from archcalc.runtime.network import Network, build
from tests.graphs import Build

SIZES = ((48, 144), (188, 300))  # the second is one that U-Net takes
CHANNELS = 4
AVERAGED = {"maxpool": "avgpool", "adaptive_maxpool": "adaptive_avgpool", "roipool": "adaptive_avgpool"}
INSTEAD = {**AVERAGED, "channel_max": "channel_mean", "gmp": "gap"}


def thin(op: Op) -> Op:
    """The same op on few channels; a mean where it takes the largest."""
    few = {"out": CHANNELS, "width": CHANNELS, "groups": 1, "multiplier": 1}
    if op.word in INSTEAD:
        return OPS[INSTEAD[op.word]](**{name: getattr(op, name) for name in argument_names(op)})
    return op.but(**{name: few[name] for name in argument_names(op) if name in few})


def argument_names(op: Op) -> list[str]:
    return [argument.name for argument in ARGUMENTS[op.word]]


def thinned(graph: Graph, stop: int) -> Graph:
    """The nodes before `stop` on few channels. Raises OpError where they do not fit each other then."""
    builder = GraphBuilder(graph.inputs)
    for node in graph.nodes[:stop]:
        builder.append(thin(node.op), node.inputs, node.where)
    return builder.finish(stop, (stop - 1,), ())


def positive(graph: Graph) -> Network:
    """The torch network with weights between ½ and 1½ over the number of inputs, and no biases."""
    torch.manual_seed(0)
    made = build(graph, "cpu", "float64").eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            few = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
            norm = parameter.dim() == 1 and not name.endswith("bias")
            parameter.copy_(torch.ones_like(parameter) if norm else (torch.rand_like(parameter) + 0.5) / few)
            if name.endswith("bias"):
                parameter.zero_()
    return made


def values(graph: Graph) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The values of all nodes, and the first input that they have gradients on."""
    made = positive(graph)
    inputs = [torch.rand(1, *shape, dtype=torch.float64) + 0.5 for _, shape in graph.inputs]
    inputs[0].requires_grad_()
    slots = made.values(inputs)
    for call, read, output, _ in made.program:
        slots[output] = call(*[slots[slot] for slot in read])
    return slots[len(inputs) :], inputs[0]


def seen(value: torch.Tensor, x: torch.Tensor, place: int, tokens: bool = False) -> tuple[int, int] | None:
    """The first and the last input along the last axis with a gradient from a place of the value."""
    taken = value[0, place] if tokens else value[0, ..., place] if value.dim() > 2 else value[0]
    (gradient,) = torch.autograd.grad(taken.sum(), x, retain_graph=True, allow_unused=True)
    if gradient is None:
        return None
    along = gradient[0].abs().amax(dim=tuple(range(gradient.dim() - 2)))
    found = (along > 1e-200).nonzero().flatten().tolist()
    return (found[0], found[-1]) if found else None


def ends(field: Field, place: int) -> tuple[int, int] | None:
    """The first and the last input that an element is said to see."""
    at = receptive._at(field, place)
    if at is None:
        return None
    assert at.first is not None and at.last is not None  # noqa: PT018
    return int(at.first), int(at.last)


# --- the zoo ------------------------------------------------------------------------------------------------------


def zoo() -> Iterator[str]:
    """The first model of each family that works on maps."""
    for names in shipped_names():
        model = next(iter(names.models), names.path.stem)
        if len(positions(load(model).input)) > 1:
            yield model


def small(model: str) -> Graph:
    """A network at the first of the sizes that it can be built at, or as it is printed."""
    selection = select(model)
    printed = load(model).input
    for size in SIZES:
        try:
            return network(selection, resized(printed, (*printed[1:-2], *size))).graph.without_heads()
        except ArchcalcError:
            continue
    return load(model).graph.without_heads()


def rows(graph: Graph) -> list[int]:
    """The outputs of at most five rows, the last ones among them, that see less than the whole input but are maps."""
    fields = ReceptiveFields(graph)
    found = [span.output for span in graph.rows if span.output >= 0 and fields.pair(span.output)]
    wide = [value for value in dict.fromkeys(found) if graph.shape(value)[-1] > 1]
    fitting = [value for value in wide if (fields.most(value) or 0) <= 0.9 * graph.inputs[0][1][-1]]
    return sorted({*fitting[-2:], *fitting[:: max(1, len(fitting) // 2)]})


@pytest.mark.parametrize("model", zoo())
def test_what_an_element_sees_in_a_network_of_the_zoo(model: str) -> None:
    """The gradients of neighbouring elements in the middle reach what their fields say, no less and no more."""
    graph = small(model)
    chosen = rows(graph)
    if not chosen:
        pytest.skip("every row sees all of the input")
    try:
        few = thinned(graph, chosen[-1] + 1)
    except OpError as error:
        pytest.skip(f"not on few channels: {error.message}")
    full, fields = ReceptiveFields(graph), ReceptiveFields(few)
    results, x = values(few)
    tried = 0
    for value in chosen:
        assert fields[value] == full[value]
        field, side = fields[value][-1], graph.shape(value)[-1]
        period = field.phases.period if field.phases else 1
        places = [p for p in range(side // 2 - period // 2, side // 2 - period // 2 + max(period, 2)) if 0 <= p < side]
        for place in places:
            said, got = ends(field, place), seen(results[value], x, place)
            assert said is not None and got is not None  # noqa: PT018
            clipped = max(said[0], 0), min(said[1], x.shape[-1] - 1)
            assert clipped[0] <= got[0] <= got[1] <= clipped[1]
            if said == clipped:
                assert got == said
                tried += 1
    assert tried
