"""The picture of blocks and branches, as `blocks.py` says what it shows.

Boxes stand in layers by their longest path from the input, edges that pass layers run between the boxes; neighbours
are ordered by the mean of what they are joined to (Sugiyama et al., IEEE Trans. SMC 1981). What goes down in resolution
and up again is a U, a level for each resolution.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from json import dumps
from textwrap import wrap
from typing import TYPE_CHECKING

from ...errors import UsageError, printable
from ...models import Summary
from ...records import NamedTuple
from ..wording import clean
from .blocks import KINDS, Block, Blocks, blocks
from .style import BLUE, GREEN, LETTER, ORANGE, PURPLE, RED, SKY, asked, canvas, theme, tint, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

CHAR, LINE, PAD = 0.056, 0.125, 0.09  # inches
GAP, BETWEEN = 0.24, 0.14  # between layers, and beside each other
CROWDED = 8_000  # layers that ways pass, all together
WIDE = 30  # letters of a line in a box
BEHIND = 0.045  # inches by which the boxes of a block that is repeated stand out
BROWN, GREY, VIOLET, OLIVE = "#8c6d31", "#8a8a8a", "#6a3d9a", "#b8a500"
COLORS = {  # by what the legend calls a kind
    "attention": PURPLE,
    "recurrent": RED,
    "convolution": BLUE,
    "fully connected": ORANGE,
    "matrix product": VIOLET,
    "embedding": BROWN,
    "resampling": SKY,
    "pooling": GREEN,
    "merge": OLIVE,
    "norm, activation, other": GREY,
    "input": "",
}


@dataclass(slots=True)
class Box:
    """A block in its place: `name` is what it is called in an svg, where it stands again nothing."""

    block: Block
    name: str
    inputs: list[int]
    x: float = 0.0
    y: float = 0.0  # the upper edge
    texts: list[str] = field(init=False)

    def __post_init__(self) -> None:
        lines = [line for text in self.block.texts for line in wrap(text, WIDE, max_lines=4, placeholder=" …")]
        self.texts = [*(lines or [""]), *wrap(self.block.size, WIDE + 10, max_lines=3, placeholder=" …")]

    @property
    def width(self) -> float:
        return max(map(len, self.texts)) * CHAR + 2 * PAD

    @property
    def height(self) -> float:
        return len(self.texts) * LINE + 2 * PAD * 0.7


class Drawing(NamedTuple):
    """Boxes in their places and the ways between them, from a corner to the left above at 0, 0."""

    boxes: list[Box]
    routes: list[Route]
    title: str = ""

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top."""
        xs = [x for route in self.routes for x, _ in route]
        ys = [y for route in self.routes for _, y in route]
        for box in self.boxes:
            xs += [box.x - box.width / 2, box.x + box.width / 2 + 2 * BEHIND * (box.block.count > 1)]
            ys += [box.y, box.y - box.height]
        return min(xs), max(xs), min(ys), max(ys)

    @property
    def size(self) -> tuple[float, float]:
        left, right, bottom, top = self.extent
        wide = max(right - left, len(self.title) * CHAR)
        return wide, top - bottom + (0.2 if self.title else 0)


# --- places -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Spot:
    """A place in a layer: a box, or where an edge passes by."""

    width: float
    box: int = -1
    heavy: bool = False  # it stands where it is wanted, and others make way
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    x: float = 0.0


Route = list[tuple[float, float]]
TALL = 5.0  # inches, from which on a picture is cut into columns


def _arranged(made: list[Box]) -> tuple[list[Box], list[Route]]:
    """The boxes in their places, and the ways of the edges. A tall picture is cut where all runs through one box: that
    box stands at the foot of a column, and again at the head of the next."""
    if len(made) > 7 and all(box.inputs == ([n - 1] if n else []) for n, box in enumerate(made)):  # a chain
        return made, _columns(made)
    routes = _layered(made)
    high = -min(box.y - box.height for box in made)
    wide = max(box.x + box.width / 2 for box in made) - min(box.x - box.width / 2 for box in made)
    cuts = _cuts(made)
    if high <= TALL or not cuts:
        return made, routes
    columns = max(2, round((1.4 * high / (wide + 0.6)) ** 0.5))
    ends: list[int] = []
    for cut in cuts:
        if -made[cut].y > (len(ends) + 1) * high / columns - 0.3 and len(ends) < columns - 1:
            ends.append(cut)
    parts, start = [], 0
    for end in [*ends, len(made) - 1]:
        part = [
            Box(box.block, box.name, [i - start for i in box.inputs if i >= start]) for box in made[start : end + 1]
        ]
        if start:
            again = replace(part[0].block, kind="input", texts=part[0].block.texts[:1], count=1)
            part[0] = Box(again, "", [])
        parts.append(part)
        start = end
    found: list[Box] = []
    every: list[Route] = []
    edge = 0.0
    for part in parts:
        ways = _layered(part)
        left = min([box.x - box.width / 2 for box in part] + [x for way in ways for x, _ in way])
        shift = edge - left
        for box in part:
            box.x += shift
        every += [[(x + shift, y) for x, y in way] for way in ways]
        edge = max([box.x + box.width / 2 for box in part] + [x for way in every for x, _ in way]) + 0.5
        found += part
    return found, every


def _cuts(made: Sequence[Box]) -> list[int]:
    """The boxes that every way from before them to behind them runs through."""
    far, found = 0, []
    reach = list(range(len(made)))
    for n, box in enumerate(made):
        for source in box.inputs:
            reach[source] = max(reach[source], n)
    for n, box in enumerate(made):
        if n and far <= n < reach[n] and box.inputs and all(b.inputs for b in made[1 : n + 1]):
            found.append(n)
        far = max(far, reach[n])
    return found


def _columns(made: Sequence[Box]) -> list[Route]:
    """A chain in columns from top to bottom, so that the picture is no higher than wide."""
    most = max(4, round((len(made) * 2.2) ** 0.5 * 1.15))
    per = -(-len(made) // -(-len(made) // most))  # columns of about one height
    routes: list[Route] = []
    x, y = 0.0, 0.0
    columns = [list(range(n, min(n + per, len(made)))) for n in range(0, len(made), per)]
    for n, column in enumerate(columns):
        width = max(made[at].width for at in column)
        x += width / 2 + (0.45 if n else 0)
        y = 0.0
        for at in column:
            box = made[at]
            box.x, box.y = x, y
            y -= box.height + GAP
        x += width / 2
    for at in range(1, len(made)):
        a, b = made[at - 1], made[at]
        if a.x == b.x:
            routes.append([(a.x, a.y - a.height), (b.x, b.y)])
        else:
            between = max(made[k].x + made[k].width / 2 for k in range(len(made)) if made[k].x == a.x) + 0.225
            routes.append([(a.x + a.width / 2, a.y - a.height / 2), (between, a.y - a.height / 2),
                           (between, b.y - b.height / 2), (b.x - b.width / 2, b.y - b.height / 2)])  # fmt: skip
    return routes


def _layered(made: Sequence[Box]) -> list[Route]:
    """Give the boxes places; return the way of each edge."""
    rank: list[int] = []
    for box in made:
        rank.append(1 + max((rank[source] for source in box.inputs), default=-1))
    for n, box in enumerate(made):  # an input stands right above its first reader
        if not box.inputs:
            rank[n] = min((rank[m] for m, other in enumerate(made) if n in other.inputs), default=1) - 1
    passed = sum(rank[n] - rank[source] for n, box in enumerate(made) for source in box.inputs)
    if passed > CROWDED:
        raise UsageError("so many branches are no picture", "`--only ROW` draws one row or block.")
    layers: list[list[_Spot]] = [[] for _ in range(max(rank) + 1)]
    where: list[tuple[int, int]] = []
    for n, box in enumerate(made):
        where.append((rank[n], len(layers[rank[n]])))
        read = n == len(made) - 1 or any(n in other.inputs for other in made)
        layers[rank[n]].append(_Spot(box.width, n, read and not box.block.head))
    chains: list[tuple[int, int, list[tuple[int, int]]]] = []
    for n, box in enumerate(made):
        for source in box.inputs:
            chain = [where[source]]
            for level in range(rank[source] + 1, rank[n]):
                chain.append((level, len(layers[level])))
                layers[level].append(_Spot(0.06))
            chain.append(where[n])
            chains.append((source, n, chain))
            for (r, a), (_, b) in pairwise(chain):
                layers[r][a].down.append(b)
                layers[r + 1][b].up.append(a)
    orders = [list(range(len(layer))) for layer in layers]
    for sweep in range(12):
        downwards = sweep % 2 == 0
        for r in range(1, len(layers)) if downwards else range(len(layers) - 2, -1, -1):
            beside = orders[r - 1] if downwards else orders[r + 1]
            place = {spot: at for at, spot in enumerate(beside)}
            key = {}
            for at, spot in enumerate(orders[r]):
                joined = layers[r][spot].up if downwards else layers[r][spot].down
                key[spot] = sum(place[j] for j in joined) / len(joined) if joined else at
            orders[r].sort(key=lambda spot: key[spot])
    for layer, order in zip(layers, orders, strict=True):
        _spread(layer, order, [0.0] * len(order))
    for turn in range(60 if passed < 500 else 20):
        downwards = turn % 2 == 0
        for r in range(len(layers)) if downwards else range(len(layers) - 1, -1, -1):
            layer = layers[r]
            wanted = []
            for own in orders[r]:
                ups = [layers[r - 1][j] for j in layer[own].up]
                downs = [layers[r + 1][j] for j in layer[own].down]
                beside_it = ups + downs if turn > 3 else (ups if downwards else downs)
                weights = [6 if spot.heavy == layer[own].heavy else 1 for spot in beside_it]
                total = sum(spot.x * weight for spot, weight in zip(beside_it, weights, strict=True))
                wanted.append(total / sum(weights) if beside_it else layer[own].x)
            _spread(layer, orders[r], wanted)
    y = 0.0
    tops: list[float] = []
    bottoms: list[float] = []
    for layer in layers:
        standing = [stand for stand in layer if stand.box >= 0]
        high = max((made[stand.box].height for stand in standing), default=0.2)
        for stand in standing:
            box = made[stand.box]
            box.x, box.y = stand.x, y - (high - box.height) / 2
        tops.append(y)
        bottoms.append(y - high)
        y -= high + GAP + 0.05 * min(4, max(0, len(layer) - 2))
    routes = []
    for source, target, chain in chains:
        above, below = made[source], made[target]
        route = [(above.x, above.y - above.height), (above.x, bottoms[rank[source]])]
        for r, at in chain[1:-1]:
            x = layers[r][at].x
            route += [(x, tops[r]), (x, bottoms[r])]
        route += [(below.x, tops[rank[target]]), (below.x, below.y)]
        routes.append([route[0], *(b for a, b in pairwise(route) if abs(a[0] - b[0]) + abs(a[1] - b[1]) > 1e-6)])
    return routes


def _spread(layer: Sequence[_Spot], order: Sequence[int], wanted: Sequence[float]) -> None:
    """Set places as near to the wanted ones as there is room: least squares with least distances (isotonic)."""
    offsets, at = [], 0.0
    for n, spot in enumerate(order):
        if n:
            at += (layer[order[n - 1]].width + layer[spot].width) / 2 + BETWEEN
        offsets.append(at)
    pools: list[list[float]] = []  # sum, weight, spots: a box stays where it is wanted, and edges make way
    for spot, value, offset in zip(order, wanted, offsets, strict=True):
        weight = 12.0 if layer[spot].heavy else 1.0
        pools.append([weight * (value - offset), weight, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
            last = pools.pop()
            pools[-1] = [own + more for own, more in zip(pools[-1], last, strict=True)]
    flat = [total / weight for total, weight, count in pools for _ in range(int(count))]
    for spot, place, offset in zip(order, flat, offsets, strict=True):
        layer[spot].x = place + offset


def _curve(route: Route) -> Path:
    """Straight through boxes' layers, bent between them."""
    from matplotlib.path import Path

    points, codes = [route[0]], [Path.MOVETO]
    for n, ((x0, y0), (x1, y1)) in enumerate(pairwise(route)):
        if n == len(route) - 2 and abs(x0 - x1) > 1e-6 and abs(y0 - y1) > 0.12:  # the arrow comes straight
            up = y1 + (0.06 if y0 > y1 else -0.06)
            points += [(x0, (y0 + up) / 2), (x1, (y0 + up) / 2), (x1, up), (x1, y1)]
            codes += [Path.CURVE4] * 3 + [Path.LINETO]
            continue
        if abs(x0 - x1) < 1e-6 or abs(y0 - y1) < 1e-6:
            points.append((x1, y1))
            codes.append(Path.LINETO)
            continue
        middle = (y0 + y1) / 2
        points += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
    return Path(points, codes)


# --- a U --------------------------------------------------------------------------------------------------------------

INDENT, APART = 0.34, 0.7  # inches between levels, and between the arms


def _u(made: Sequence[Box], levels: int, start: int) -> list[Route]:
    """Two arms, down on the left and up on the right, each resolution at its height; the ways from arm to arm. What
    stands before them is on the left, and what reads it there says so."""
    before = [at for at in range(start) if at not in made[start].inputs]
    routes = _beside(made, before)
    for box in made[start:]:
        said = [made[at].block.texts[0] for at in box.inputs if at in before]
        box.texts[-1:-1] = [f"+ {', '.join(said)}"] if said else []
        box.inputs = [at for at in box.inputs if at not in before]
    deepest = [at for at, box in enumerate(made) if box.block.level == levels - 1]
    left: list[list[int]] = [[] for _ in range(levels)]
    right: list[list[int]] = [[] for _ in range(levels)]
    for at, box in enumerate(made):
        if at not in before:
            (left if at <= deepest[-1] else right)[box.block.level].append(at)

    def wide(stack: Sequence[int]) -> float:
        return max((made[at].width for at in stack), default=0.0)

    def high(stack: Sequence[int]) -> float:
        return sum(made[at].height for at in stack) + GAP * max(0, len(stack) - 1)

    across = max(2 * n * INDENT + wide(left[n]) + wide(right[n]) + APART for n in range(levels))
    across = max(across, wide(left[-1]) + wide(right[-2]) + 2 * (levels - 1) * INDENT + APART)
    y = 0.0
    for n in range(levels):
        foot = y - max(high(left[n]), high(right[n]))
        x = across / 2 if n == levels - 1 else n * INDENT + wide(left[n]) / 2
        for stack, place in ((reversed(left[n]), x), (right[n], across - n * INDENT - wide(right[n]) / 2)):
            edge = foot
            for at in stack:
                made[at].x, made[at].y = place, edge + made[at].height
                edge += made[at].height + GAP
        y = foot - 1.5 * GAP
    arm = {at: stack is right for stack in (left, right) for level in stack for at in level}
    ways, lanes = [(at, source) for at in arm for source in made[at].inputs], 0
    for at, source in ways:
        box, other = made[at], made[source]
        middle = other.y - other.height / 2
        if (source == at - 1 or at == start) and not arm[at]:
            routes.append([(other.x, other.y - other.height), (box.x, box.y)])
        elif source == at - 1 and arm[source]:
            routes.append([(other.x, other.y), (box.x, box.y - box.height)])
        elif source == at - 1:
            routes.append([(other.x + other.width / 2, middle), (box.x, middle), (box.x, box.y - box.height)])
        elif arm[at] and not arm[source]:
            own = box.y - box.height / 2
            stack = right[box.block.level]
            turn = min(made[n].x - made[n].width / 2 for n in stack) - 0.12 - 0.05 * stack.index(at)
            if abs(own - middle) < (box.height + other.height) / 2 - 0.1:  # they stand beside each other
                own = middle = (max(box.y - box.height, other.y - other.height) + min(box.y, other.y)) / 2
            bent = [(turn, middle), (turn, own)] if own != middle else []
            routes.append([(other.x + other.width / 2, middle), *bent, (box.x - box.width / 2, own)])
        else:  # beside the arm
            side = 1 if arm[at] else -1
            lanes += 1
            edge = side * (max(side * b.x + b.width / 2 for b in (box, other)) + 0.1 + 0.07 * lanes)
            ends = [(b.x + side * b.width / 2, b.y - b.height / 2) for b in (other, box)]
            routes.append([ends[0], (edge, ends[0][1]), (edge, ends[1][1]), ends[1]])
    return routes


def _beside(made: Sequence[Box], before: Sequence[int]) -> list[Route]:
    """Place boxes on the left of 0, and give the ways between them."""
    if not before:
        return []
    part = [made[at] for at in before]
    for box in part:
        box.inputs = [before.index(at) for at in box.inputs]
    routes = _layered(part)
    shift = Drawing(part, routes).extent[1] + 0.6
    for box in part:
        box.x -= shift
    return [[(x - shift, y) for x, y in route] for route in routes]


# --- drawing ----------------------------------------------------------------------------------------------------------


def drawn(summary: Summary, only: str = "", prefix: str = "") -> Figure:
    """The picture: the whole, and beside it what is in blocks that are repeated. In an svg a box is called `b0`, `b1`,
    … as the blocks are in their order, one of the part beside `i0-b0`, …, all with the `prefix` in front."""
    found = blocks(summary, only)
    parts = _parts(found, prefix)
    places, wide, high = _composed([part.size for part in parts])
    title = titled(found.title)
    kinds = list(dict.fromkeys(KINDS[box.block.kind] for part in parts for box in part.boxes))
    entries = [name for name in COLORS if name in kinds and COLORS[name]]
    wide = max(wide, max(map(len, title.split("\n"))) * LETTER)
    lines = _legend(entries, wide)
    above = (0.12 + 0.14 * (1 + title.count("\n"))) if title else 0.0
    below = 0.17 * len(lines) + 0.06
    made, ax, scale = canvas(wide + 0.2, high + above + below + 0.2)
    for part, (x, y) in zip(parts, places, strict=True):
        left, _, _, top = part.extent
        _draw(ax, part, 0.1 + x - left, below + 0.1 + high - y - top - (0.2 if part.title else 0), scale)
    for number, line in enumerate(lines):
        for name, x in line:
            _frame(ax, (0.1 + x, below - 0.02 - 0.17 * (number + 1) + 0.03), 0.16, 0.1, COLORS[name], 3)
            ax.text(0.1 + x + 0.21, below - 0.17 * (number + 1) + 0.06, name, va="center", fontsize=6 * scale)
    if title:
        ax.text(0.1, high + above + below + 0.14, title, ha="left", va="top", fontsize=8.5 * scale)
    return made


def _parts(found: Blocks, prefix: str) -> list[Drawing]:
    """The whole, and what is beside it."""
    order = sorted(range(len(found.blocks)), key=lambda n: (_behind(found.blocks, n), bool(found.blocks[n].head), n))
    new = {n: place for place, n in enumerate(order)}
    main = [Box(found.blocks[n], f"{prefix}b{n}", [new[at] for at in found.blocks[n].inputs]) for n in order]
    if found.levels:
        parts = [Drawing(main, _u(main, found.levels, found.start))]
    else:
        parts = [Drawing(*_arranged(main))]
    for k, (title, inner) in enumerate(found.inside):
        made = [Box(block, f"{prefix}i{k}-b{n}", list(block.inputs)) for n, block in enumerate(inner)]
        parts.append(Drawing(made, _layered(made), title))
    return parts


def _behind(made: Sequence[Block], n: int) -> int:
    """Where a block stands: what hangs on the main path beside what follows there."""
    hangs = bool(made[n].head)
    while made[n].head and made[n].inputs:
        n = max(made[n].inputs)
    return n + hangs


def _composed(sizes: Sequence[tuple[float, float]]) -> tuple[list[tuple[float, float]], float, float]:
    """The places of the whole and of what is beside it, from the left above, on the right or below, whatever makes the
    picture the less long; how wide and high it is."""
    (wide, high), *rest = sizes
    if not rest:
        return [(0.0, 0.0)], wide, high
    found = []
    for upright, times in product((True, False), (1, 2, 3)):  # the parts one below the other, or beside one another
        limit = times * max(high if upright else wide, *(h if upright else w for w, h in rest))
        places, along, across, most = [(0.0, 0.0)], 0.0, (wide if upright else high) + 0.45, 0.0
        for w, h in rest:
            long, broad = (h, w) if upright else (w, h)
            if along and along + long > limit:
                along, across, most = 0.0, across + most + 0.35, 0.0
            places.append((across, along) if upright else (along, across))
            along, most = along + long + 0.35, max(most, broad)
        ends = [(x + w, y + h) for (x, y), (w, h) in zip(places, sizes, strict=True)]
        found.append((places, max(x for x, _ in ends), max(y for _, y in ends)))
    across, up = asked() or (1.5, 1.0)
    return min(found, key=lambda one: max(one[1] / across, one[2] / up))


def _legend(entries: Sequence[str], wide: float) -> list[list[tuple[str, float]]]:
    """The kinds in lines that are so wide, each at its place."""
    found: list[list[tuple[str, float]]] = [[]]
    x = 0.0
    for name in entries:
        room = 0.21 + len(name) * 0.052 + 0.14
        if found[-1] and x + room > wide:
            found.append([])
            x = 0.0
        found[-1].append((name, x))
        x += room
    return [line for line in found if line]


def _draw(ax: Axes, part: Drawing, dx: float, dy: float, scale: float) -> None:
    """Draw boxes and ways, moved so far."""
    from matplotlib.patches import FancyArrowPatch

    ink, dim = theme().ink, theme().dim
    if part.title:
        left, _, _, top = part.extent
        ax.text(left + dx, top + dy + 0.14, part.title, ha="left", va="center", fontsize=7.5 * scale)
    for route in part.routes:
        path = _curve([(x + dx, y + dy) for x, y in route])
        arrow = FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=6 * scale, color=dim, linewidth=0.7 * scale,
                                shrinkA=0, shrinkB=0, zorder=1)  # fmt: skip
        ax.add_patch(arrow)
    for box in part.boxes:
        color, low = COLORS[KINDS[box.block.kind]], box.y - box.height
        corner = (box.x - box.width / 2 + dx, low + dy)
        for behind in (2, 1) if box.block.count > 1 else ():
            moved = (corner[0] + behind * BEHIND, corner[1] + behind * BEHIND / 2)
            _frame(ax, moved, box.width, box.height - behind * BEHIND, color, 2 - behind * 0.1)
        _frame(ax, corner, box.width, box.height, color, 2, box.name, bool(box.block.head))
        for n, text in enumerate(box.texts):
            last = n == len(box.texts) - 1
            at = box.y - PAD * 0.7 - (n + 0.5) * LINE + dy
            label = ax.text(box.x + dx, at, text, ha="center", va="center", fontsize=6.6 * scale, zorder=3,
                            color=dim if last else ink)  # fmt: skip
            label.set_gid(f"{box.name}-t{n}" if box.name else None)


def _frame(
    ax: Axes, corner: tuple[float, float], width: float, height: float, color: str, zorder: float, name: str = "",
    dashed: bool = False,
) -> None:  # fmt: skip
    """A box, its colour pale within; grey where it has none."""
    from matplotlib.patches import FancyBboxPatch

    patch = FancyBboxPatch(
        corner, width, height, boxstyle="round,pad=0,rounding_size=0.05", zorder=zorder, linewidth=0.7,
        facecolor=tint(color or theme().dim, 0.26 if color else 0.12), edgecolor=color or theme().dim,
        linestyle="--" if dashed else "-",
    )  # fmt: skip
    patch.set_gid(name or None)
    ax.add_patch(patch)


# --- mermaid ----------------------------------------------------------------------------------------------------------


def mermaid(summary: Summary, only: str = "") -> str:
    """The same boxes as a mermaid flow chart."""
    return "\n".join(_mermaid(blocks(summary, only))) + "\n"


def _mermaid(found: Blocks) -> Iterator[str]:
    made, title = found.blocks, found.title
    yield "---"
    yield f"title: {dumps(_quoted(clean(title)), ensure_ascii=False)}"  # a text of JSON is one of YAML
    yield "---"
    yield "flowchart TD"
    for n, box in enumerate(made):
        left, right = ("([", "])") if box.kind == "input" else ("{{", "}}") if box.kind == "merge" else ("[", "]")
        yield f'  n{n}{left}"{"<br/>".join(map(_quoted, (*box.texts, box.size)))}"{right}'
    for n, box in enumerate(made):
        for source in box.inputs:
            yield f"  n{source} {'-.->' if box.head else '-->'} n{n}"
    for name in dict.fromkeys(KINDS[box.kind] for box in made):
        color, word = COLORS[name] or GREY, "-".join(re.findall("[a-z]+", name))
        yield f"  classDef {word} fill:{color}33,stroke:{color}"
        yield f"  class {','.join(f'n{n}' for n, box in enumerate(made) if KINDS[box.kind] == name)} {word}"


def _quoted(text: str) -> str:
    entities = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "#": "&num;", "`": "&grave;"}
    quoted = "".join(entities.get(letter, letter) for letter in printable(text))
    return quoted.replace("%%{", "%&percnt;{")  # a directive, wherever it stands
