"""Merges of branches, and channels added to one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from .base import POINT, WHOLE, Buffer, Free, Needs, OpFamily, ReceptiveWindows, Weightless, on, op
from .shapes import Count, OpError, Shape, Tokens, channels, dims, numel, positions, spatial, with_channels

MANY = (2, 1000)


def _listed(x: tuple[Shape, ...]) -> str:
    return " and ".join(dims(shape) for shape in x[:4]) + (" and …" if len(x) > 4 else "")


def _broadcast(word: str, x: tuple[Shape, ...], spread_ones: bool) -> Shape:
    """The shape that branches have together: missing leading axes are spread, axes of size 1 only for `mul`."""
    wide = max(x, key=lambda shape: (len(shape), numel(shape)))
    if any(isinstance(shape, Tokens) != isinstance(wide, Tokens) for shape in x if len(shape) > 1):
        raise OpError(f"the branches of `{word}` do not fit, tokens and maps: {_listed(x)}")
    out = list(wide)
    for shape in x:
        offset = len(wide) - len(shape)
        for axis, size in enumerate(shape, offset):
            if size == out[axis] or (spread_ones and size == 1):
                continue
            if spread_ones and out[axis] == 1:
                out[axis] = size
                continue
            raise OpError(f"the branches of `{word}` do not fit: {_listed(x)}")
    return Tokens(out) if isinstance(wide, Tokens) else tuple(out)


class _Merge(Weightless):
    family: ClassVar[OpFamily] = "merge"
    example = on((4, 8, 8), (4, 8, 8))
    inputs = MANY
    branches = True

    def receptive_window(self, *x: Shape) -> tuple[ReceptiveWindows, ...]:
        """A branch that is spread over positions is read by outputs however far from where it was made."""
        places = positions(self.shape(*x))
        return tuple([POINT if positions(shape) == places else WHOLE for shape in x])


@op("add")
class Add(_Merge):
    """The sum of the branches; missing axes are spread."""

    saves = "nothing"
    gradient = "passed"

    def shape(self, *x: Shape) -> Shape:
        return _broadcast("add", x, spread_ones=False)

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {"add": (len(xy) - 2) * numel(xy[-1])}

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Add()


@op("concat")
class Concat(_Merge, Free):
    """The branches side by side, along the channels."""

    gradient = "view"
    free = "a copy"

    def shape(self, *x: Shape) -> Shape:
        first = x[0]
        for shape in x[1:]:
            alike = isinstance(shape, Tokens) == isinstance(first, Tokens) and len(shape) == len(first)
            if not alike or with_channels(shape, 1) != with_channels(first, 1):
                raise OpError(f"the branches of `concat` differ in more than channels: {_listed(x)}")
        return with_channels(first, sum(channels(shape) for shape in x))

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Concat(-1 if isinstance(x[0], Tokens) else 1)


@op("mul")
class Multiply(_Merge):
    """The product of the branches, element by element; axes of size 1 are spread."""

    gated = True
    saves = "factors"

    def shape(self, *x: Shape) -> Shape:
        return _broadcast("mul", x, spread_ones=True)

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {"multiply": (len(xy) - 2) * numel(xy[-1])}

    def saved_buffers(self, needs: Needs, *xy: Shape) -> tuple[Buffer, ...]:
        x = xy[:-1]  # joined one after the other: what the earlier ones made is a factor of the next
        return tuple(
            Buffer(f"the product of {count}", numel(_broadcast("mul", x[:count], spread_ones=True)))
            for count in range(2, len(x))
        )

    def backward_scratch(self, batch: int, itemsize: int, *xy: Shape) -> int:
        spread = sum(numel(x) < numel(xy[-1]) for x in xy[:-1])  # made in the output's size, then summed
        return batch * spread * numel(xy[-1]) * itemsize

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Multiply()


@op("mean")
class Mean(_Merge):
    """The mean of the branches, element by element (Larsson et al., arXiv:1605.07648, section 2)."""

    saves = "nothing"
    gradient = "shared"

    def shape(self, *x: Shape) -> Shape:
        if any(shape != x[0] for shape in x):
            raise OpError(f"the branches of `mean` do not fit: {_listed(x)}")
        return x[0]

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return {"add": (len(xy) - 2) * numel(xy[-1]), "multiply": numel(xy[-1])}

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Mean()


@op("stack")
class Stack(Free):
    """Vectors as the tokens of a sequence, one after the other: what `steps:` gives. One vector is one token."""

    family = "merge"
    example = on((16,))
    inputs = (1, 200_000)
    gradient = "view"
    free = "a copy"

    def shape(self, *x: Shape) -> Shape:
        for shape in x:
            if len(shape) != 1 or shape != x[0]:
                raise OpError(f"`stack` works on vectors of one width: {_listed(x)}")
        return Tokens((len(x), x[0][0]))

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Stack()


@op("pad_channels")
class PadChannels(Free):
    """Channels of zeros behind the others, up to `out` (He et al., arXiv:1512.03385, section 3.3, option A)."""

    out: Count

    example = on((4, 8, 8), out=8)
    free = "a copy"

    def shape(self, x: Shape) -> Shape:
        spatial(x, "`pad_channels`")
        if self.out < x[0]:
            raise OpError(f"{x[0]} channels cannot be padded to {self.out}", "out")
        return (self.out, *x[1:])

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.PadChannels(self.out - x[0])


@op("split", parts="how many parts there are")
class Split(Free):
    """The channels cut into equal parts, side by side, each a node of its own (Ma et al., arXiv:1807.11164)."""

    parts: Count
    _index: int = 0

    example = on((4, 8, 8), parts=2)
    storage = "view"
    free = "a view"

    @property
    def pieces(self) -> Iterator[Split]:
        return (Split(self.parts, index) for index in range(self.parts))

    def shape(self, x: Shape) -> Shape:
        if channels(x) % self.parts:
            raise OpError(f"{channels(x)} channels cannot be cut into {self.parts} parts", "parts")
        return with_channels(x, channels(x) // self.parts)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Part(self.parts, self._index, -1 if isinstance(x, Tokens) else 1)
