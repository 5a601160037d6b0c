"""One axis of a value brought to a single element."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import POINT, WHOLE, Buffer, Needs, ReceptiveWindow, ReceptiveWindows, Saves, Weightless, on, op
from .shapes import INDEX_BYTES, Count, OpError, Shape, Tokens, axis_of, dims, numel, with_size


def keeps(x: Shape, axis: int) -> bool:
    """Whether an axis that is reduced stays, with the size 1: all do but the tokens of a sequence."""
    return not (isinstance(x, Tokens) and axis_of(x, axis) == 0)


def reduced(x: Shape, axis: int) -> Shape:
    """The shape of a value that is reduced over an axis. Raises OpError where it has none such."""
    axis = axis_of(x, axis)
    return with_size(x, axis, 1) if keeps(x, axis) else (x[1],)


def over(x: Shape, axis: int) -> ReceptiveWindows:
    """What is read of a value all along an axis."""
    if axis == axis_of(x, None):
        return POINT
    if isinstance(x, Tokens) or numel(x) == x[0] * x[axis]:
        return WHOLE
    return tuple([ReceptiveWindow(0, 0, n - 1) if at == axis else ReceptiveWindow() for at, n in enumerate(x) if at])


class _Over(Weightless):
    axis: int

    family = "pool"
    example = on((4, 8, 8), axis=1)
    reduction: ClassVar[str]

    def shape(self, x: Shape) -> Shape:
        return reduced(x, self.axis)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"pool": numel(x)}

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (over(x, self.axis),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Over(self.reduction, 1 + self.axis, keeps(x, self.axis))


@op("sum")
class Sum(_Over):
    """The sum over an axis, which stays with the size 1; over the tokens of a sequence it is a vector."""

    axis: int

    saves = "nothing"
    gradient = "view"
    reduction = "sum"


@op("max")
class Max(_Over):
    """The largest value over an axis, as `sum` takes it: `max(axis=0)` over the channels (arXiv:1807.06521, 3.2)."""

    axis: int

    saves: ClassVar[Saves] = "both"
    reduction = "amax"

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        """Which elements are the largest, how many there are, and the gradient of each."""
        return batch * (numel(x) + numel(y) * (INDEX_BYTES + itemsize))


@op("topk", count="how many there are, the largest first")
class TopK(Weightless):
    """The `count` largest elements along the channels or another axis, the largest first, and where they stood, counted
    from 0: two parts, `largest, where: topk(5)`.
    """

    count: Count
    axis: int | None = None
    _index: int = 0

    family = "pool"
    example = on((16,), count=5)
    saves = "nothing"

    @property
    def pieces(self) -> tuple[TopK, ...]:
        return self, TopK(self.count, self.axis, 1)

    def shape(self, x: Shape) -> Shape:
        axis = axis_of(x, self.axis)
        if self.count > x[axis]:
            raise OpError(f"there are no {self.count} elements along axis {axis}: {dims(x)}", "count")
        return with_size(x, axis, self.count)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"pool": numel(x)} if not self._index else {}

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("the indices", numel(y), INDEX_BYTES),) if any(needs) and not self._index else ()

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, y: Shape) -> int:
        return 0 if self._index else batch * numel(x) * itemsize

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        axis = axis_of(x, self.axis)
        if axis == axis_of(x, None):
            return (POINT,)
        read = over(x, axis)
        return (WHOLE if isinstance(x, Tokens) else read,)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.TopK(self.count, 1 + axis_of(x, self.axis), self._index)
