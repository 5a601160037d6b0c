"""Receptive fields of the zoo, of V-Net's table and of random chains, held to the gradients that torch computes.

Weights are positive and pools average, so that no gradient vanishes by chance; networks are made thin, as channels do
not bear on positions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from math import floor
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archcalc.analysis import receptive
from archcalc.analysis.memory import embedding_inputs
from archcalc.analysis.receptive import Field, ReceptiveFields
from archcalc.errors import ArchcalcError
from archcalc.graph import Graph, GraphBuilder
from archcalc.language.zoo import select, shipped_names
from archcalc.models import load
from archcalc.networks import input_of, network
from archcalc.ops import ARGUMENTS, OPS, Op, OpError, Tokens
from archcalc.ops.base import ReceptiveWindow
from archcalc.ops.shapes import positions
from archcalc.runtime.network import Network, build
from tests.graphs import Build
from tests.tiers import covering_models, tiered

SIZES = ((32, 112), (188, 300))  # the second is one that U-Net takes
VOLUMES = ((32, 112), (92, 132))  # and one that 3D U-Net takes
CHANNELS = 4
AVERAGED = {"maxpool": "avgpool", "adaptive_maxpool": "adaptive_avgpool"}
INSTEAD = {**AVERAGED, "max": "mean", "gmp": "gap"}


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
    for ids in embedding_inputs(graph):
        inputs[-1 - ids] = torch.zeros(1, *graph.inputs[-1 - ids][1], dtype=torch.long)
    inputs[0].requires_grad_()
    slots = made.values(inputs)
    for call, read, output, _ in made.program:
        slots[output] = call(*[slots[slot] for slot in read])
    return slots[len(inputs) :], inputs[0]


def seen(value: torch.Tensor, x: torch.Tensor, place: int) -> tuple[int, int] | None:
    """The first and the last input along the last axis with a gradient from a place of the value."""
    taken = value[0, ..., place]
    some = torch.linspace(1, 2, taken.numel(), dtype=taken.dtype).reshape(taken.shape)  # a softmax sums to 1
    found = torch.autograd.grad((taken * some).sum(), x, retain_graph=True, allow_unused=True)
    gradient: torch.Tensor | None = found[0]
    if gradient is None:
        return None
    along = gradient[0].abs().amax(dim=tuple(range(gradient.dim() - 2)))
    reached = (along > 1e-200).nonzero().flatten().tolist()
    return (reached[0], reached[-1]) if reached else None


def sizes(field: Field) -> tuple[int, int, int]:
    """The least field, the field and the union, where it is bounded."""
    assert field.least is not None and field.most is not None and field.union is not None  # noqa: PT018
    return field.least, field.most, field.union


def ends(field: Field, place: int) -> tuple[int, int] | None:
    """The first and the last input that an element is said to see."""
    at = receptive._at(field, place)
    if at is None:
        return None
    assert at.first is not None and at.last is not None  # noqa: PT018
    return int(at.first), int(at.last)


# --- the zoo ------------------------------------------------------------------------------------------------------


EACH_TIME = covering_models() - {"maskrcnn-resnet50-fpn"}  # whose pyramid takes as long as all others


def zoo() -> Iterator[str]:
    """The first model of each family that works on maps."""
    for names in shipped_names():
        model = next(iter(names.models), names.path.stem)
        if positions(input_of(model))[-1:] >= (16,):
            yield model


def small(model: str) -> Graph:
    """A network at the first of the sizes that it can be built at, or as it is printed."""
    front = input_of(model)[:-2]  # channels; a volume has an axis more, made as small
    for size in VOLUMES if front[1:] else SIZES:
        with suppress(ArchcalcError):
            axes = (min(axis, size[0]) for axis in front[1:])
            return network(select(model), (*front[:1], *axes, *size)).graph.without_heads()
    return load(model).graph.without_heads()


def rows(graph: Graph) -> list[int]:
    """The outputs of at most five rows, the last ones among them, that see less than the whole input but are maps."""
    fields = ReceptiveFields(graph)
    found = [span.output for span in graph.rows if span.output >= 0 and fields.pair(span.output)]
    maps = [value for value in dict.fromkeys(found) if not isinstance(graph.shape(value), Tokens)]
    wide = [value for value in maps if graph.shape(value)[-1] > 1]
    fitting = [value for value in wide if (fields.most(value) or 0) <= 0.9 * graph.inputs[0][1][-1]]
    return sorted({*fitting[-2:], *fitting[:: max(1, len(fitting) // 2)]})


@pytest.mark.parametrize("model", tiered(zoo(), EACH_TIME.__contains__))
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


# --- chains -------------------------------------------------------------------------------------------------------

SIDE = 48  # of the input along its axis
Step = tuple[str, dict[str, Any]]


def step(word: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(word), st.fixed_dictionaries(arguments))


def some(*numbers: int) -> st.SearchStrategy[int]:
    return st.sampled_from(numbers)


STEPS = st.one_of(
    step("conv", out=some(1), kernel=some(1, 2, 3, 5), stride=some(1, 2, 3), pad=some(0, 1, 2), dilation=some(1, 2, 3)),
    step("avgpool", kernel=some(2, 3), stride=some(1, 2, 3), pad=some(0)),
    step("upsample", factor=some(2, 3, 4), smooth=st.booleans()),
    step("deconv", out=some(1), kernel=some(1, 2, 3, 4), stride=some(1, 2, 3), pad=some(0, 1), dilation=some(1, 2, 3)),
    step("adaptive_avgpool", size=some(9, 16, 24, 36)),
    step("crop", like=some(5, 12, 30)),
    step("shift"),
    step("add", back=st.integers(0, 9)),
)


def made_of(steps: list[Step]) -> Graph:
    """The steps that fit, one after the other; an `add` adds an earlier value."""
    b = Build((1, SIDE))
    made = [-1]
    for word, arguments in steps:
        x = made[-1]
        with suppress(OpError):
            if word != "add":
                y = b(word, x, **arguments)
            else:
                other = made[-1 - arguments["back"] % len(made)]
                size = min(b.builder.shape(value)[1] for value in (x, other))
                y = b("add", b("crop", x, like=size), b("crop", other, like=size))
            if 1 < b.builder.shape(y)[1] <= 150:
                made.append(y)
    assume(len(made) > 1)
    return b.finish(made[-1])


def within_maps(graph: Graph) -> list[bool]:
    """For each element of the output whether no window on the way to it reads beyond what there is of a map."""
    whole = {-1: [True] * SIDE}
    for index, node in enumerate(graph.nodes):
        found = [True] * node.shape[1]
        shapes = [graph.shape(value) for value in node.inputs]
        for value, reach in zip(node.inputs, node.op.receptive_window(*shapes), strict=True):
            window = (reach or (ReceptiveWindow(),))[0]
            first, last = int(window.first), int(window.last)
            for place in range(len(found)):
                turn, phase = divmod(place, window.phases)
                taps = window.reads(phase) if window.reads else range(first, last + 1, window.every)
                read = [tap + int(turn * window.phases * window.step) for tap in taps]
                found[place] &= all(0 <= tap < len(whole[value]) and whole[value][tap] for tap in read)
        whole[index] = found
    return whole[graph.outputs[0]]


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=6))
def test_what_an_element_sees_behind_random_steps(steps: list[Step]) -> None:
    """Every element sees what is said, nothing else, and far from the ends all of it."""
    graph = made_of(steps)
    value = graph.outputs[0]
    results, x = values(graph)
    fields = ReceptiveFields(graph)[value]
    if not fields:
        assert not any(seen(results[value], x, place) for place in range(graph.shape(value)[1]))
        return
    assume(fields[0].most is not None)  # where strides differ, nothing bounds it
    _, most, together = sizes(fields[0])
    stride = Fraction(fields[0].stride or 0)
    union: list[tuple[Fraction, Fraction]] = []
    inside = within_maps(graph)
    for place in range(graph.shape(value)[1]):
        said, got = ends(fields[0], place), seen(results[value], x, place)
        if said is None:
            assert got is None
            continue
        assert said[1] - said[0] + 1 <= most
        assert got is None or said[0] <= got[0] <= got[1] <= said[1]
        if inside[place]:
            assert got == said
        union.append((said[0] - place * stride, said[1] - place * stride))
    if len(union) >= (fields[0].phases.period if fields[0].phases else 1):
        assert max(end[1] - end[0] for end in union) + 1 == most
        assert floor(max(last for _, last in union) - min(first for first, _ in union)) + 1 == together


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=6))
def test_the_shortest_path_and_the_bounds_for_all_places(steps: list[Step]) -> None:
    """The shortest of all paths, each tried by itself, has the least field; without arithmetic by places the bounds
    hold."""
    graph = made_of(steps)
    value = graph.outputs[0]
    fields = ReceptiveFields(graph)[value]
    assume(fields and fields[0].most is not None)
    alone = [ReceptiveFields(path)[len(path.nodes) - 1] for path in paths(graph, value)]
    least, most, together = sizes(fields[0])
    assert least == min(sizes(found[0])[1] for found in alone if found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receptive, "MOST_PHASES", 0)
        (bound,) = ReceptiveFields(graph)[value]
    assert sizes(bound)[1] >= together >= most
    assert bound.stride == fields[0].stride
    for place in range(graph.shape(value)[1]):
        said, at = ends(fields[0], place), receptive._at(bound, place)
        assert at is not None and at.first is not None and at.last is not None  # noqa: PT018
        assert said is None or at.first <= said[0] <= said[1] <= at.last


def paths(graph: Graph, value: int) -> Iterator[Graph]:
    """Every path from the input to a value, as a graph of its own; what it reads besides has no part in it."""
    for way in ways(graph, value):
        builder = GraphBuilder((*graph.inputs, ("", (1, 1))))
        for index in way:
            node = graph.nodes[index]
            if node.op.word != "add":
                builder.append(node.op, (len(builder) - 1,), node.where)
        yield builder.finish(len(builder), (len(builder) - 1,), ())


def ways(graph: Graph, value: int) -> Iterator[tuple[int, ...]]:
    if value < 0:
        yield ()
        return
    for before in graph.nodes[value].inputs:
        yield from ((*way, value) for way in ways(graph, before))


RINGS = st.one_of(
    step("around", kernel=some(1, 2, 3, 5), stride=some(1, 1, 2, 3), dilation=some(1, 2)),
    step("upsample", factor=some(2, 3)),
    step("crop", like=some(12, 30)),
    step("add", back=st.integers(0, 9)),
)


def ring(steps: list[Step]) -> tuple[Graph, bool]:
    """The steps that fit; and whether each map that goes on at its other side is as long as the input."""
    b, closed, whole = Build((1, SIDE)), True, {-1: True}
    made = [-1]
    for word, arguments in steps:
        x = made[-1]
        with suppress(OpError):
            if word == "around":
                more = (arguments["kernel"] - 1) * arguments["dilation"] + 1 - arguments["stride"]
                padded = b("pad", x, size=max(0, more // 2), end=max(0, more - more // 2), mode="circular")
                y = b("conv", padded, out=1, pad=0, **arguments)
                closed = closed and (whole[x] or more < 1)
                whole[y] = whole[x] and not b.builder.shape(x)[1] % arguments["stride"]
            elif word == "add":
                alike = [value for value in made if b.builder.shape(value) == b.builder.shape(x)]
                y = b("add", x, other := alike[arguments["back"] % len(alike)])
                whole[y] = whole[x] and whole[other]
            else:
                y = b(word, x, **arguments)
                whole[y] = whole[x] and (word == "upsample" or b.builder.shape(y) == b.builder.shape(x))
            made.append(y)
    assume(len(made) > 1 and 1 < b.builder.shape(made[-1])[1] <= 150)
    return b.finish(made[-1]), closed


@settings(max_examples=25, deadline=None)
@given(st.lists(RINGS, min_size=1, max_size=5))
def test_what_an_element_sees_round_a_ring(steps: list[Step]) -> None:
    """Where maps go on at their other side as the input would, each element sees what is said, both ends of it and
    nothing else, round a ring; otherwise nothing is said."""
    graph, closed = ring(steps)
    value = graph.outputs[0]
    fields = ReceptiveFields(graph)
    assert (fields[value] == ()) == fields.unknown(value) == (not closed)
    if not closed or fields[value][0].most is None:
        return
    results, x = values(graph)
    for place in range(graph.shape(value)[1]):
        said = ends(fields[value][0], place)
        (gradient,) = torch.autograd.grad(results[value][0, 0, place], x, retain_graph=True)
        reached = {*gradient[0, 0].nonzero().flatten().tolist()}
        assert said is not None
        assert reached <= {at % SIDE for at in range(said[0], said[1] + 1)}
        assert {at % SIDE for at in said} <= reached


# --- tokens -------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.lists(st.sampled_from(["reverse", "class_token", "relu"]), max_size=4), st.data())
def test_what_a_token_sees(factor: int, words: list[str], data: st.DataObject) -> None:
    """Tokens of a map that are turned round, put behind another, and taken: each sees the patch that it was."""
    b = Build((2, 4, 6))
    x = b("upsample", b("conv", -1, out=4, kernel=3), factor=factor)
    x = b("tokens", x)
    for word in words:
        x = b(word, x)
    tokens = b.builder.shape(x)[0]
    index = data.draw(st.integers(0, tokens - 1))
    graph = b.finish(b("take", x, index=index))
    results, given_x = values(graph)
    (gradient,) = torch.autograd.grad(results[-1].sum(), given_x, allow_unused=True)
    fields = ReceptiveFields(graph)[graph.outputs[0]]
    if gradient is None or not gradient.any():
        assert not fields
        return
    for axis, field in enumerate(fields):
        found = gradient[0].abs().amax(dim=[n for n in range(3) if n != axis + 1]).nonzero().flatten().tolist()
        low, high = ends(field, 0) or (0, 0)
        assert (max(low, 0), min(high, given_x.shape[axis + 2] - 1)) == (found[0], found[-1])
        assert field.most == 3
