"""Windows in code: which moves of elements cut a map into windows or a grid, put it together again, or deal its places
out to channels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..graph import Graph
from ..ops import OPS, Op, Shape
from ..ops.laid import SPREAD, Atom, Laid, merged, whole
from ..ops.shapes import Cut, many, single
from ..records import NamedTuple
from .moves import variable

PARTED: dict[tuple[int, ...], str] = {
    (0, 2, 1, 3): "windows",
    (1, 3, 0, 2): "grid",
}  # the order of outer and inner parts of height and width
JOINED: dict[tuple[int, ...], str] = {(0, 2, 1, 3): "windows", (2, 0, 3, 1): "grid"}  # that of items and places in them


class Regrouped(NamedTuple):
    """The op that a layout is, the shape of what it gives, and the axes of the source that it cuts, by which cut."""

    op: Op
    shape: Shape
    axes: tuple[int, ...] = ()
    cut: Cut | None = None


def regrouped(laid: Laid, cut: Cut | None) -> Regrouped | None:
    """What a layout is, where it cuts a map or puts one together; `cut` is the one whose items the source is."""
    atoms = [atom for group in laid.groups for atom in group]
    sizes = {axis: prod(atom.size for atom in atoms if atom.axis == axis) for axis in {atom.axis for atom in atoms}}
    own = {axis: n for axis, n in enumerate(laid.source) if n > 1}
    if any(laid.start) or SPREAD in sizes or sizes != own:
        return None
    axes = [atom.axis for atom in atoms]
    twice = sorted(axis for axis in sizes if axes.count(axis) == 2)
    if cut is not None:
        return _together(laid, atoms, cut)
    if len(laid.source) != 4 or twice not in ([1, 2], [2, 3]):
        return None
    channels = 3 if twice == [1, 2] else 1
    places = [atom for atom in atoms if atom.axis in twice]
    order = _order(places)
    of = tuple(laid.source[axis] for axis in twice)
    inner = {atom for atom in places if atom.stride == 1}
    beside = next((group for group in laid.groups if any(atom.axis == channels for atom in group)), ())
    if len(places) != 4 or len(inner) != 2:
        return None
    if len(beside) > 1:
        return _to_channels(laid, beside, inner, channels, of)
    mixed = any(0 < len(inner.intersection(group)) < len(group) for group in laid.groups)
    if order not in PARTED or mixed:
        return None
    word = PARTED[order]
    kernel = tuple(atom.size for atom in places[2:])
    made = Cut(word, prod(of) // prod(kernel), of, kernel, (0, 0))
    shape = many((laid.source[channels], *kernel), (made,))
    return Regrouped(OPS[word](kernel=single(kernel)), shape, tuple(twice), made)


def shuffled(laid: Laid) -> Regrouped | None:
    """What a layout of a map is that deals channels out among each other, or to the places of squares."""
    own, groups = whole(laid.source).groups, laid.groups
    if any(laid.start) or len(groups) != len(own) or len(own) != 4 or groups[0] != own[0]:
        return None
    count, rest = laid.source[1], groups[1]
    if groups[2:] == own[2:] and len(rest) == 2:
        each = rest[0].size
        if rest == (Atom(1, each, 1), Atom(1, count // each, each)):
            return Regrouped(OPS["shuffle"](count // each), laid.source[1:])
    inner = [group[1:] for group in groups[2:]]
    factor = inner[0][0].size if len(inner[0]) == 1 else 0
    if not factor or count % (factor * factor):
        return None
    wanted = [(Atom(1, factor, factor),), (Atom(1, factor, 1),)]
    left = count // factor**2
    kept = rest == ((Atom(1, left, factor**2),) if left > 1 else ())
    if inner != wanted or [group[:1] for group in groups[2:]] != [*own[2:]] or not kept:
        return None
    op = OPS["pixel_shuffle"](factor)
    return Regrouped(op.normal(laid.source[1:]) or op, op.shape(laid.source[1:]))


def _together(laid: Laid, atoms: Sequence[Atom], cut: Cut) -> Regrouped | None:
    for channels in {atom.axis for atom in atoms}:
        places = [atom for atom in atoms if atom.axis != channels]
        alone = next((group for group in laid.groups if any(atom.axis == channels for atom in group)), ())
        if len(places) == 4 and len(alone) == 1 and JOINED.get(_order(places)) == cut.word:
            ordered = sorted(places, key=lambda atom: (atom.axis, -atom.stride))
            if tuple(atom.size for atom in ordered) == (*cut.counts, *cut.each):
                return Regrouped(OPS["together"](), (laid.source[channels], *cut.of))
    return None


def _order(places: Sequence[Atom]) -> tuple[int, ...]:
    """Which place of the source each atom has."""
    ordered = sorted(places, key=lambda atom: (atom.axis, -atom.stride))
    return tuple(ordered.index(atom) for atom in places)


def _to_channels(
    laid: Laid, beside: Sequence[Atom], inner: set[Atom], channels: int, of: tuple[int, ...]
) -> Regrouped | None:
    """Places of squares that stand among the channels."""
    first, second = sorted(inner, key=lambda atom: atom.axis)
    names = {first: "p", second: "q"}
    if len(beside) != 3 or {atom for atom in beside if atom.axis != channels} != inner:
        return None
    rest = merged([group for group in laid.groups if group is not beside])
    if [atom.axis for atom in rest if atom.axis] != [first.axis, second.axis]:
        return None
    order = " ".join(names.get(atom, "c") for atom in beside)
    return _gathered(order, (first.size, second.size), (laid.source[channels], *of))


def _gathered(order: str, each: tuple[int, ...], x: Shape) -> Regrouped:
    op = OPS["rearrange"](pattern=f"c (h p) (w q) -> ({order}) h w", sizes=f"p={each[0]}, q={each[1]}")
    return Regrouped(op.normal(x) or op, op.shape(x))


def beside(parts: Sequence[Laid], axis: int) -> Regrouped | None:
    """What parts of a map are side by side, along its channels: every so manieth place of rows and columns each."""
    size = parts[0].source
    axis %= len(size)
    sides = [at for at in range(1, len(size)) if at != axis]
    if len(size) != 4 or axis not in (1, 3) or any(len(group) > 1 for part in parts for group in part.groups):
        return None
    steps = {tuple(part.groups[at][0].stride if part.groups[at] else 0 for at in sides) for part in parts}
    each = next(iter(steps))
    whole = {size[at] // n for at, n in zip(sides, each, strict=True) if n} if len(steps) == 1 else set()
    wanted = tuple(size[at] // n if n else 0 for at, n in zip(sides, each, strict=True))
    if not whole or len(parts) != prod(each) or any(tuple(part.size[at] for at in sides) != wanted for part in parts):
        return None
    if any(part.size[axis] != size[axis] or part.start[axis] or n % m for part in parts for n, m in
           zip((size[at] for at in sides), each, strict=True)):  # fmt: skip
        return None
    places = [tuple(part.start[at] for at in sides) for part in parts]
    orders = {"p q c": [divmod(n, each[1]) for n in range(len(parts))],
              "q p c": [divmod(n, each[0])[::-1] for n in range(len(parts))]}  # fmt: skip
    order = next((order for order, wanted in orders.items() if wanted == places), None)
    return order and _gathered(order, each, (size[axis], *(size[at] for at in sides)))  # type: ignore[return-value]


def rolled(graph: Graph, node: int, axes: Sequence[int]) -> tuple[int, ...] | None:
    """By how much a call turns a value round along two axes, towards their ends; None where it does something else."""
    given = graph.nodes[node].op.said
    shifts, dims = given.get("shifts"), given.get("dims")
    if not isinstance(shifts, tuple) or not isinstance(dims, tuple) or len(variable(graph.nodes[node])) != 1:
        return None
    count = len(graph.nodes[node].op.gives)
    by = dict(zip((at % count for at in dims), shifts, strict=False))
    return tuple(by.get(axis, 0) for axis in axes) if by.keys() <= set(axes) else None


def sides(laid: Laid) -> tuple[int, ...]:
    """The axes of a map that windows were put together to."""
    return tuple(at for at, group in enumerate(laid.groups) if len(group) == 2)
