"""A network as a spec: written, read back and held against it, or an error that says what a spec has no word for."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..alignment.align import align
from ..alignment.normal import Normal, normal
from ..errors import SpecError, UsageError, printable
from ..files import replace, typed, writable
from ..graph import Graph, Input
from ..language.blocks import Part
from ..language.outline import Value
from ..language.starter import plain_name
from ..language.writer import spec
from ..language.zoo import SUFFIXES, select_text, split
from ..models import Model, load
from ..networks import Reference, name_of, network


@dataclass(frozen=True, slots=True)
class Exported:
    """A spec, as text and where it was written, if it was; and the graph that it is read as."""

    text: str = field(repr=False)
    path: Path | None
    graph: Graph = field(repr=False)

    def __str__(self) -> str:
        return self.text


def export(model: Reference | Model, path: str | Path = "", *, input: Input | None = None) -> Exported:
    """Write a network as a spec: code, a trace, what `capture` gives, or any model, to a file if one is named. It is
    read back, and equal node by node, as `diff` says it.

    Raises SpecError at the line of what a spec has no word for, UsageError, Unavailable."""
    if path and Path(path).suffix not in SUFFIXES:
        raise UsageError(f"`{path}` is no name for a spec file", "A spec ends in `.yaml`.")
    file = writable(str(path), "--output") if path else None
    own = None if isinstance(model, Model) else split(name_of(model))[0]
    if file is not None and own is not None and typed(own).resolve() == file:
        raise UsageError(f"`--output {printable(str(path))}` is what is read: nothing takes its place")
    found = model if isinstance(model, Model) else load(model, input=input)
    name = called(found.name)
    form = normal(found.graph)
    said = f"{printable(found.name)}, by archcalc export"
    text = spec(name, said, _values(form), form.graph.inputs, form.outputs, _parts(form))
    graph, held = _read_back(found, text, name)
    if not held:
        text = text.replace(said, f"{said}; not run: how values are laid out was not compared", 1)
    if file is not None:
        replace(file, text)
    return Exported(text, Path(path) if path else None, graph)


def called(name: str) -> str:
    """What a spec of code is called: `torchvision:resnet50` is `resnet50`, `my_net.py:Net` is `net`."""
    head, _, tail = name.partition("@")[0].rpartition(":")
    stem = tail if head else PurePath(tail).stem
    return plain_name(stem) or "network"


def _read_back(model: Model, text: str, name: str) -> tuple[Graph, bool]:
    """The graph of the text, which is the model's, and whether nothing is left to compare: code that is at hand is run,
    as nodes do not say how values are laid out. Raises UsageError where it is another network."""
    shown = printable(model.name)
    try:
        graph = network(select_text(f"{name}.yaml", text)).graph
    except SpecError as error:
        raise UsageError(f"`{shown}` has no spec: what would be written does not read, {error.message}") from None
    found = align(model.graph, graph)
    if found.differences:
        first = found.differences[0]
        count = len(found.differences)
        raise UsageError(
            f"`{shown}` has no spec: what would be written differs at {count:,} place{'s' * (count != 1)}, "
            f"first {printable(first.what)}"
        )
    if model.graph.code is None:
        return graph, True
    if not model.runs:
        return graph, False
    from ..runtime.same import same_numbers

    same = same_numbers(found, model.name, model.totals)
    if same is False:
        hint = "A transpose or a view in it gives values another order, or an axis another meaning."
        raise UsageError(f"`{shown}` has no spec: what would be written has its calls and gives other numbers", hint)
    return graph, bool(same)


def _values(form: Normal) -> list[Value]:
    graph = form.graph
    nodes = [graph.nodes[step.node] for step in form.steps]
    return [
        Value(
            step.op, step.weights, step.reads, step.owner, form.shape(at),
            tuple(graph.shape(value) for value in node.inputs), node.where,
            tuple(dict.fromkeys(one.note for one in step.held if one.note.startswith("has "))),
        )
        for at, (step, node) in enumerate(zip(form.steps, nodes, strict=True))
    ]  # fmt: skip


def _parts(form: Normal) -> list[Part]:
    """The modules of code, or the blocks of a spec, that are more than one call; of those that are the same calls the
    innermost first, which is called alike wherever it stands."""
    nodes = [step.node for step in form.steps]
    found = dict.fromkeys(
        Part(span.text, bisect_left(nodes, span.start), bisect_left(nodes, span.stop))
        for span in reversed(form.graph.spans)
        if span.text.isidentifier()
    )
    return sorted((part for part in found if part.stop - part.start > 1), key=lambda part: (part.start, -part.stop))
