"""Small graphs for tests, built without a spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archcalc.errors import Source, Text
from archcalc.graph import Graph, GraphBuilder
from archcalc.ops import OPS, Op, Shape, Tokens

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


def shared() -> Graph:
    """A convolution that works twice."""
    b = Build((4, 6, 6))
    y = b("conv", b("relu", b("conv", -1, out=4, kernel=3)), out=4, kernel=3)
    b.builder.share(y, 0)
    return b.finish(y)


# A network for each kind of op that a way of counting may forget; the sums in the tests that use them are by hand.
KINDS: dict[str, Callable[[], Graph]] = {
    # weights 36 + 4 + 12, biases 4 + 4 + 3, MACs 36·4·9 = 1,296, 4 and 12; the second convolution is of one pixel
    "dwconv": lambda: chain(
        (4, 6, 6), call("dwconv", kernel=3), call("gap"), call("dwconv", kernel=1), call("linear", out=3)
    ),
    # weights 32 + 4 + 6, biases 2 + 0 + 3, MACs 4·36·2·4 = 1,152, 4 and 6; from 6×6 to 12×12
    "deconv": lambda: chain(
        (4, 6, 6),
        call("deconv", out=2, kernel=2, stride=2),
        call("gap"),
        call("deconv", out=2, kernel=1, bias=False),
        call("linear", out=3),
    ),
    # weights 4·4·9 = 144, biases 4, MACs 2 · 36·144 = 10,368
    "shared": shared,
    # weights 4·64 = 256, biases 32, MACs 5·256 = 1,280 in projections and 2·5·5·8 = 400 in products
    "attention": lambda: chain(Tokens((5, 8)), call("attention", heads=2)),
    # weights 4·3·(8 + 3) = 132, biases 2·12 = 24, MACs 5·132 = 660
    "recurrent": lambda: chain(Tokens((5, 8)), call("lstm", width=3, biases=2)),
    # weights 11·8 = 88 and 32, biases 4, MACs 5·32 = 160
    "embedding": lambda: chain((5,), call("embed", words=11, width=8), call("linear", out=4)),
}
