"""Many of a thing: ops that make many items alike of a value, each of which what follows works on, and back."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import OPS, Buffer, Free, Needs, Op, OpFamily, on, op
from .shapes import (
    INDEX_BYTES,
    Count,
    Cut,
    Many,
    OpError,
    Pad,
    Shape,
    Size,
    Tokens,
    Value,
    cuts_of,
    dims,
    elements,
    items,
    many,
    numel,
    single,
    spatial,
    spread,
)


class _Regroup(Free):
    regroups = True
    free = "a copy"


def shifted(x: Shape) -> Cut | None:
    """The cut whose windows the tokens of `x` are, where the map was turned round: tokens of a window that did not lie
    together there do not read each other in `attention`."""
    cut = cuts_of(x)[-1] if isinstance(x, Tokens) and isinstance(x, Many) else None
    return cut if cut is not None and any(cut.shift) and numel(cut.each) == x[0] else None


class _Windows(_Regroup):
    kernel: Size

    cuts = True

    example = on((4, 8, 8), kernel=4)

    @property
    def turned(self) -> Pad:
        """By how much the map is turned round first."""
        return 0

    def cut(self, x: Shape) -> Cut:
        """The cut of a map. Raises OpError where it does not come out even."""
        of = spatial(x, f"`{self.word}`")
        each, shift = spread(self.kernel, len(of), "kernel"), spread(self.turned, len(of), "shift")
        if any(size % window for size, window in zip(of, each, strict=True)):
            hint = "`pad` or `upsample` the map to a multiple"
            raise OpError(f"{dims(x)} cannot be cut into pieces of {dims(each)}: {hint}", "kernel")
        if any(moved >= window for moved, window in zip(shift, each, strict=True)):
            raise OpError(f"`shift` is smaller than the window of {dims(each)}, here it is {dims(shift)}", "shift")
        # A window that is as large as the map holds all of it, wherever it begins.
        moved = tuple(n if size > window else 0 for n, size, window in zip(shift, of, each, strict=True))
        cut = Cut(self.word, 0, of, each, moved)
        return cut._replace(number=numel(cut.counts))

    def normal(self, x: Shape) -> Op | None:
        """One window is the map."""
        cut = self.cut(x)
        return None if cut.number == 1 else self._said(single(cut.each), single(cut.shift))

    def _said(self, kernel: Size, shift: Pad) -> Op:
        return self.but(kernel=kernel)

    def shape(self, x: Shape) -> Shape:
        cut = self.cut(x)
        return many((x[0], *cut.each), (*cuts_of(x), cut))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Windows(*_layout(self.cut(x)))


def _layout(cut: Cut) -> tuple[Any, ...]:
    return cut.each, cut.counts, cut.shift, cut.word == "grid"


@op("windows", shift="by how many positions the map is turned round before it is cut, on every axis")
class Windows(_Windows):
    """A map as windows that lie side by side: C×H×W to H/k · W/k items of C×k×k. `shift` turns the map round first, and
    `together` turns it back; in `attention` tokens of a window that did not lie together do not read each other.

    Source: Liu et al., arXiv:2103.14030, section 3.2. Where a window is as large as the map nothing is shifted.
    """

    kernel: Size
    shift: Pad = 0

    @property
    def turned(self) -> Pad:
        return self.shift

    def _said(self, kernel: Size, shift: Pad) -> Op:
        return self.but(kernel=kernel, shift=shift)


@op("grid")
class Grid(_Windows):
    """A map as grids of k × k positions that lie evenly far apart: C×H×W to H/k · W/k items of C×k×k.

    Source: Tu et al., arXiv:2204.01697, section 3.1.
    """

    kernel: Size


@op("patches")
class Patches(_Regroup):
    """A map as the windows of a convolution, which may overlap: C×H×W to one item of C×k×k for each position that the
    convolution gives without padding. `together` makes a map of what became one vector, or C×1×1, of each."""

    kernel: Size
    stride: Size | None = None

    example = on((4, 8, 8), kernel=4, stride=2)

    def _sizes(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        of = spatial(x, "`patches`")
        kernel = spread(self.kernel, len(of), "kernel")
        stride = kernel if self.stride is None else spread(self.stride, len(of), "stride")
        if any(size < window for size, window in zip(of, kernel, strict=True)):
            raise OpError(f"patches of {dims(kernel)} are larger than {dims(x)}", "kernel")
        counts = tuple((n - k) // s + 1 for n, k, s in zip(of, kernel, stride, strict=True))
        return kernel, stride, counts

    def shape(self, x: Shape) -> Shape:
        kernel, _, counts = self._sizes(x)
        return many((x[0], *kernel), (*cuts_of(x), Cut("patches", numel(counts), counts, (1,) * len(counts))))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Patches(*self._sizes(x)[:2])


@op("frames")
class Frames(_Regroup):
    """The places along the first axis behind the channels: a video C×T×H×W to T items of C×H×W."""

    example = on((4, 6, 8, 8))

    def shape(self, x: Shape) -> Shape:
        if len(spatial(x, "`frames`")) < 2:
            raise OpError(f"`frames` works on channels × time × height × width; this value is {dims(x)}")
        return many((x[0], *x[2:]), (*cuts_of(x), Cut("frames", x[1])))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Frames()


@op("crops", count="how many crops there are; every second one is mirrored where that is even")
class Crops(_Regroup):
    """Parts of a map, each of the size `size`: one in the middle, five in the corners and the middle, another number at
    even distances from the first corner to the last; an even number are half as many, each followed by its mirror image
    (ten of them: Krizhevsky et al., NeurIPS 2012, section 4.1)."""

    count: Count
    size: Size

    example = on((4, 8, 8), count=10, size=6)

    def _places(self, x: Shape) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...], tuple[bool, ...]]:
        of = spatial(x, "`crops`")
        size = spread(self.size, len(of), "size")
        if any(crop > n for crop, n in zip(size, of, strict=True)):
            raise OpError(f"crops of {dims(size)} are larger than {dims(x)}", "size")
        mirrored = (False, True) if self.count % 2 == 0 else (False,)
        number = self.count // len(mirrored)
        room = [n - crop for n, crop in zip(of, size, strict=True)]
        middle = tuple(n // 2 for n in room)
        if number == 1:
            places = [middle]
        elif number == 5 and len(of) == 2:
            places = [(0, 0), (0, room[1]), (room[0], 0), (room[0], room[1]), middle]
        else:
            places = [tuple(n * at // (number - 1) for n in room) for at in range(number)]
        each = [(place, flip) for place in places for flip in mirrored]
        return size, tuple(place for place, _ in each), tuple(flip for _, flip in each)

    def shape(self, x: Shape) -> Shape:
        size, _, _ = self._places(x)
        return many((x[0], *size), (*cuts_of(x), Cut("crops", self.count)))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Crops(*self._places(x))


@op("regions", count="how many regions of interest there are")
class Regions(_Regroup):
    """Regions of interest of a map, each pooled to the size `size` by its largest values: C×H×W to n items of C×k×k.
    Counted, and run, as if each region were the whole map; `roialign` reads them where they are.

    Source: Girshick, arXiv:1504.08083, section 2.1.
    """

    count: Count
    size: Size

    family: ClassVar[OpFamily] = "pool"
    example = on((4, 8, 8), count=3, size=2)
    saves = "inputs"
    free = ""

    @property
    def _pool(self) -> Op:
        return OPS["adaptive_maxpool"](size=self.size)

    def shape(self, x: Shape) -> Shape:
        return many(self._pool.shape(many(x, ())), (*cuts_of(x), Cut("regions", self.count)))

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {kind: items(y) * n for kind, n in self._pool.elementwise(many(x, ()), many(y, ())).items()}

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        return (Buffer("the indices", elements(y) // self.count, INDEX_BYTES),)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.nn.Sequential(self._pool.torch(rt, many(x, ())), rt.Copies(self.count))


@op(
    "roialign",
    boxes="the corners of each region, a token x₁ y₁ x₂ y₂ in places of the input",
    stride="how many places of the input lie between two of the first map; of each further map twice as many",
    samples="how many points of each bin are read along an axis",
)
class RoiAlign(_Regroup):
    """Regions of interest of a map, C×H×W to n items of C×k×k: bins, each the mean of points that are read by linear
    interpolation (He et al., arXiv:1703.06870, section 3). Of several maps, `roialign(boxes, 7, 4): [p2, p3]`, a region
    of a side of s is read in that of the stride 2^⌊4 + log₂(s / 224)⌋, or else the nearest (Lin et al.,
    arXiv:1612.03144, eq. 1). The boxes get no gradient.
    """

    boxes: Value
    size: Size
    stride: Count
    samples: Count = 2

    family: ClassVar[OpFamily] = "pool"
    example = on((4, 8, 8), Tokens((3, 4)), boxes=True, size=2, stride=4)
    inputs = (2, 1000)
    branches = True
    free = ""

    def shape(self, *x: Shape) -> Shape:
        *maps, boxes = x
        for one in maps:
            if len(spatial(one, "`roialign`")) != 2 or one[0] != maps[0][0]:
                raise OpError(
                    f"`roialign` works on maps of as many channels, here are {' and '.join(map(dims, maps[:4]))}"
                )
        if not isinstance(boxes, Tokens) or boxes[1] != 4:
            raise OpError(f"`boxes` are tokens of 4 numbers, the corners; this value is {dims(boxes)}", "boxes")
        if any(cuts_of(one) != cuts_of(boxes) for one in maps):
            raise OpError("the maps and the boxes of `roialign` are not as many alike", "boxes")
        return many((maps[0][0], *spread(self.size, 2, "size")), (*cuts_of(boxes), Cut("regions", boxes[0])))

    def elementwise(self, *xy: Shape) -> dict[str, int]:
        return dict.fromkeys(("interpolation", "pool"), self.samples**2 * elements(xy[-1]))

    def saved_buffers(self, needs: Needs, *xy: Shape) -> tuple[Buffer, ...]:
        reads = 4 * self.samples**2 * elements(xy[-1]) // xy[-1][0] if any(needs[:-1]) else 0
        return Buffer("the places that are read", reads, INDEX_BYTES), Buffer("how much each counts", reads)

    def backward_scratch(self, batch: int, itemsize: int, *xy: Shape) -> int:
        """The gradient of all maps together, and one part of it before it is added."""
        return 2 * batch * sum(map(elements, xy[:-2])) * itemsize

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.RoiAlign(spread(self.size, 2, "size"), self.stride, self.samples)


@op("copies", count="how many copies there are")
class Copies(_Regroup):
    """A value several times, such as the beams of a search."""

    count: Count

    example = on((4, 8, 8), count=3)

    def shape(self, x: Shape) -> Shape:
        return many(x, (*cuts_of(x), Cut("copies", self.count)))

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Copies(self.count)


@op("many")
class Alongside(_Regroup):
    """The branches, of one shape, as the items of one value: a pair of images, several scales."""

    family: ClassVar[OpFamily] = "merge"
    example = on((4, 8, 8), (4, 8, 8))
    inputs = (2, 1000)
    branches = True

    def shape(self, *x: Shape) -> Shape:
        if any(shape != x[0] for shape in x):
            raise OpError(f"the branches of `many` are not alike: {' and '.join(map(dims, x[:4]))}")
        return many(x[0], (*cuts_of(x[0]), Cut("many", len(x))))

    def torch(self, rt: Any, *x: Shape) -> Any:
        return rt.Alongside()


@op("together")
class Together(_Regroup):
    """The items that the last cut made, together again. Those of `windows`, `grid` and `patches` go to their places:
    items C×a×b, tokens of a window, or vectors become one map. Others follow each other: vectors are the tokens of a
    sequence, sequences become one, and maps get an axis in front, C×n×H×W."""

    example = on(Many((4, 5, 5), (Cut("windows", 6, (6, 9), (3, 3), (0, 0)),)))
    gathers = True

    def shape(self, x: Shape) -> Shape:
        if not isinstance(x, Many):
            raise OpError(f"`together` wants many of a thing, as `windows` or `frames` make; this is one, {dims(x)}")
        *outer, cut = x.cuts
        return many(self._one(many(x, ()), cut), tuple(outer))

    def normal(self, x: Shape) -> Op | None:
        cut = cuts_of(x)[-1]
        return None if cut.of and cut.number == 1 else self

    def _one(self, x: Shape, cut: Cut) -> Shape:
        if not cut.of:
            if len(x) == 1:
                return Tokens((cut.number, x[0]))
            if isinstance(x, Tokens):
                return Tokens((cut.number * x[0], x[1]))
            if len(x) > 3:
                raise OpError(f"items of {dims(x)} have no room for one more axis")
            return (x[0], cut.number, *x[1:])
        if isinstance(x, Tokens):
            if x[0] != numel(cut.each) or cut.word == "patches":
                raise OpError(f"{dims(x)} are not the places of a window of {dims(cut.each)}")
            x = (x[1], *cut.each)
        elif len(x) == 1:
            x = (*x, *[1] * len(cut.of))
        if cut.word == "patches" and numel(x[1:]) > 1:
            raise OpError(f"patches may overlap: `together` wants one vector of each, not {dims(x)}")
        return (x[0], *(size * count for size, count in zip(x[1:], cut.counts, strict=True)))

    def torch(self, rt: Any, x: Shape) -> Any:
        cut, tokens = cuts_of(x)[-1], isinstance(x, Tokens)
        return rt.Unwindowed(*_layout(cut), tokens) if cut.of else rt.Together(cut.number, tokens)
