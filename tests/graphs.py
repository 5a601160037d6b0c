"""Small graphs for tests, built without a spec."""

from __future__ import annotations

from typing import Any

from archcalc.errors import Source, Text
from archcalc.graph import Graph, GraphBuilder
from archcalc.ops import OPS, Op, Shape

TEXT = Text("x", Source("t", ("x",)), 1, 1)


def call(word: str, *args: Any, **kwargs: Any) -> Op:
    """The op that `word(…)` means."""
    return OPS[word](*args, **kwargs)


class Build:
    """Appends ops by their words: `b = Build((3, 8, 8)); y = b("conv", -1, out=4, kernel=3)`."""

    def __init__(self, *inputs: Shape) -> None:
        self.builder = GraphBuilder(tuple(("", shape) for shape in inputs))

    def __call__(self, word: str, *values: int, **kwargs: Any) -> int:
        return self.builder.append(call(word, **kwargs), values, TEXT)

    def finish(self, *outputs: int, main: int | None = None, heads: tuple[tuple[str, int], ...] = ()) -> Graph:
        return self.builder.finish(len(self.builder) if main is None else main, outputs, heads)


def chain(shape: Shape, *ops: Op) -> Graph:
    """One op after the other."""
    builder = GraphBuilder((("", shape),))
    value = -1
    for op in ops:
        value = builder.append(op, (value,), TEXT)
    return builder.finish(len(builder), (value,), ())


def single(op: Op, *shapes: Shape) -> Graph:
    """One op, each of its values an input of the network."""
    builder = GraphBuilder(tuple(("", shape) for shape in shapes))
    value = builder.append(op, tuple(-1 - n for n in range(len(shapes))), TEXT)
    return builder.finish(1, (value,), ())
