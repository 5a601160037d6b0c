"""The picture of blocks and branches: a box for each op with its norm and activation, or for each row of a network.

Boxes stand in layers by their longest path from the input, edges that pass layers run between the boxes; neighbours
are ordered by the mean of what they are joined to (Sugiyama et al., IEEE Trans. SMC 1981).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from json import dumps
from textwrap import wrap
from typing import TYPE_CHECKING

from ...analysis.find import find
from ...errors import UsageError, printable
from ...graph import Graph, Node, Span
from ...models import Summary
from ...ops import dims
from ...tasks.summary import call
from ..columns import size, sizes
from ..wording import clean
from .charts import bars_of, heading
from .style import DIM, INK, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.path import Path

MOST = 160  # boxes
CHAR, LINE, PAD = 0.056, 0.125, 0.09  # inches
GAP, BETWEEN = 0.24, 0.14  # between layers, and beside each other
LIGHT = {"op": "#eaf2f8", "merge": "#fdf1dc", "input": "#f0f0f0", "pool": "#e6f4ee", "row": "#eaf2f8"}


@dataclass(slots=True)
class Box:
    """A box: its lines of text, what kind it is, and from which boxes arrows come."""

    texts: list[str]
    kind: str
    inputs: list[int] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        return max(map(len, self.texts)) * CHAR + 2 * PAD

    @property
    def height(self) -> float:
        return len(self.texts) * LINE + 2 * PAD * 0.7


def boxes(summary: Summary, only: str = "") -> tuple[list[Box], str]:
    """The boxes of a part, or of the whole network's rows, and what they show. Raises UsageError."""
    graph = summary.report.graph.without_heads()
    if not only:
        return _rows(summary, graph), heading(summary)
    found = find(graph, only)
    if found.node is not None:
        raise UsageError(f"`{only}` is a single op", "Name a row or a block.")
    first, last = found.spans[0], found.spans[-1]
    whole = first._replace(stop=last.stop)
    name = first.name if len(found.spans) == 1 and not first.depth else first.path
    return _inside(graph, whole), f"{clean(summary.model)}  ·  {clean(name)}"


def _rows(summary: Summary, graph: Graph) -> list[Box]:
    """A box for each line of the table, as deep as it is worth a picture."""
    owner: dict[int, int] = {}
    made = [Box([printable(name), size(shape)], "input") for name, shape in graph.inputs]
    for line in bars_of(summary):
        start, stop = (line.value, line.value + 1) if line.kind == "op" else (line.start, line.stop)
        if start == stop:
            continue
        inputs: dict[int, None] = {}
        for index in range(start, stop):
            for value in graph.nodes[index].inputs:
                if not start <= value < stop:
                    inputs[-1 - value if value < 0 else owner[value]] = None
            owner[index] = len(made)
        name = f"{line.label}: {line.name}" if line.label and line.label != line.name and not line.depth else line.name
        made.append(Box([*(wrap(printable(name), 30) or [""]), *wrap(sizes(line.shapes), 40)], "row", list(inputs)))
    return _few(made)


def _few(made: list[Box]) -> list[Box]:
    if len(made) > MOST:
        raise UsageError(f"{len(made)} boxes are no picture", "`--only ROW` draws one row or block.")
    return made


HEAVY = ("convolution", "linear", "product", "attention", "recurrent", "embedding")  # families


def _inside(graph: Graph, span: Span) -> list[Box]:
    """A box for each op, its norm and activation with it."""
    nodes = graph.nodes
    readers: dict[int, int] = {}
    for index in range(span.start, span.stop):
        for value in nodes[index].inputs:
            readers[value] = readers.get(value, 0) + 1
    made: list[Box] = []
    owner: dict[int, int] = {}
    groups: list[list[Node]] = []
    for index in range(span.start, span.stop):
        node = nodes[index]
        before = node.inputs[0]
        group = owner.get(before) if len(node.inputs) == 1 and readers.get(before) == 1 else None
        if group is not None and groups[group] and _joins(groups[group], node):
            groups[group].append(node)
            owner[index] = group
            continue
        inputs: dict[int, None] = {}
        for value in node.inputs:
            if value not in owner:  # what comes from outside the part
                owner[value] = len(made)
                name = printable(graph.inputs[-1 - value][0] if value < 0 else nodes[value].path.split("/")[0])
                made.append(Box(["from " + name if value >= 0 else name, dims(graph.shape(value))], "input"))
                groups.append([])
            inputs[owner[value]] = None
        owner[index] = len(made)
        groups.append([node])
        made.append(Box([], "op", list(inputs)))
    for box, group_nodes in zip(made, groups, strict=True):
        if group_nodes:
            box.texts, box.kind = [*_words(group_nodes), dims(group_nodes[-1].shape)], _kind(group_nodes)
    return _few(made)


def _joins(group: Sequence[Node], node: Node) -> bool:
    """True if `node` joins the box: one heavy op per box, with light ops around it."""
    heavy = [other.op.family in HEAVY for other in group]
    if node.op.family in HEAVY:
        return not any(heavy) and all(_light(other) for other in group)
    if not _light(node):
        return False
    return heavy[0] or not any(heavy)


def _light(node: Node) -> bool:
    return len(node.inputs) == 1 and (node.op.storage == "inplace" or node.op.family == "norm")


def _words(group: Sequence[Node]) -> list[str]:
    return wrap(" ".join(call(node.op).replace(", bias=False", "") for node in group), 26)


def _kind(group: Sequence[Node]) -> str:
    if len(group[0].inputs) > 1:
        return "merge"
    return "pool" if group[0].op.family == "pool" else "op"


# --- layout -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Spot:
    """A place in a layer: a box, or where an edge passes by."""

    width: float
    box: int = -1
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    x: float = 0.0


def drawn(summary: Summary, only: str = "") -> Figure:
    """The picture."""
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    made, title = boxes(summary, only)
    made, routes = _arranged(made)
    left, right = min(b.x - b.width / 2 for b in made) - 0.1, max(b.x + b.width / 2 for b in made) + 0.1
    for route in routes:
        left, right = min(left, *(x for x, _ in route)), max(right, *(x for x, _ in route))
    above = title.split("\n")
    bottom, top = min(b.y - b.height for b in made) - 0.1, max(b.y for b in made) + 0.18 + 0.14 * len(above)
    right = max(right, left + max(map(len, above)) * 0.068)
    picture = figure(right - left, top - bottom)
    picture.set_layout_engine("none")
    ax = picture.add_axes((0, 0, 1, 1))
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.axis("off")
    for route in routes:
        ax.add_patch(
            FancyArrowPatch(
                path=_curve(route),
                arrowstyle="-|>",
                mutation_scale=6,
                color=DIM,
                linewidth=0.7,
                shrinkA=0,
                shrinkB=0,
                zorder=1,
            )
        )
    for box in made:
        low = box.y - box.height
        ax.add_patch(
            FancyBboxPatch(
                (box.x - box.width / 2, low),
                box.width,
                box.height,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor=LIGHT[box.kind],
                edgecolor=INK,
                linewidth=0.6,
                zorder=2,
            )
        )
        for n, text in enumerate(box.texts):
            last = n == len(box.texts) - 1
            ax.text(box.x, box.y - PAD * 0.7 - (n + 0.5) * LINE, text, ha="center", va="center", fontsize=6.6, zorder=3,
                    color=DIM if last else INK)  # fmt: skip
    ax.text(left + 0.05, top - 0.06, title, ha="left", va="top", fontsize=8.5)
    return picture


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
            Box(list(box.texts), box.kind, [i - start for i in box.inputs if i >= start])
            for box in made[start : end + 1]
        ]
        if start:
            part[0].kind, part[0].inputs = "input", []
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
        if n and far <= n and box.inputs and n < len(made) - 1 and all(b.inputs for b in made[1 : n + 1]):
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
    layers: list[list[_Spot]] = [[] for _ in range(max(rank) + 1)]
    where: list[tuple[int, int]] = []
    for n, box in enumerate(made):
        where.append((rank[n], len(layers[rank[n]])))
        layers[rank[n]].append(_Spot(box.width, n))
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
    for turn in range(24):
        downwards = turn % 2 == 0
        for r in range(len(layers)) if downwards else range(len(layers) - 1, -1, -1):
            layer = layers[r]
            wanted = []
            for own in orders[r]:
                ups = [layers[r - 1][j].x for j in layer[own].up]
                downs = [layers[r + 1][j].x for j in layer[own].down]
                beside_it = ups + downs if turn > 3 else (ups if downwards else downs)
                wanted.append(sum(beside_it) / len(beside_it) if beside_it else layer[own].x)
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
    pools: list[list[float]] = []  # sum, count
    for value, offset in zip(wanted, offsets, strict=True):
        pools.append([value - offset, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += count
    flat = [total / count for total, count in pools for _ in range(int(count))]
    for spot, place, offset in zip(order, flat, offsets, strict=True):
        layer[spot].x = place + offset


def _curve(route: Route) -> Path:
    """Straight through boxes' layers, bent between them."""
    from matplotlib.path import Path

    points, codes = [route[0]], [Path.MOVETO]
    for n, ((x0, y0), (x1, y1)) in enumerate(pairwise(route)):
        if n == len(route) - 2 and abs(x0 - x1) > 1e-6 and abs(y0 - y1) > 0.12:  # the arrow comes from above
            up = y1 + 0.06
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


# --- mermaid ----------------------------------------------------------------------------------------------------------


def mermaid(summary: Summary, only: str = "") -> str:
    """The same boxes as a mermaid flow chart."""
    made, title = boxes(summary, only)
    return "\n".join(_mermaid(made, title)) + "\n"


def _mermaid(made: Sequence[Box], title: str) -> Iterator[str]:
    yield "---"
    yield f"title: {dumps(_quoted(clean(title)), ensure_ascii=False)}"  # a text of JSON is one of YAML
    yield "---"
    yield "flowchart TD"
    for n, box in enumerate(made):
        left, right = ("([", "])") if box.kind == "input" else ("{{", "}}") if box.kind == "merge" else ("[", "]")
        yield f'  n{n}{left}"{"<br/>".join(map(_quoted, box.texts))}"{right}'
    for n, box in enumerate(made):
        for source in box.inputs:
            yield f"  n{source} --> n{n}"


def _quoted(text: str) -> str:
    entities = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "#": "&num;", "`": "&grave;"}
    quoted = "".join(entities.get(letter, letter) for letter in printable(text))
    return quoted.replace("%%{", "%&percnt;{")  # a directive, wherever it stands
