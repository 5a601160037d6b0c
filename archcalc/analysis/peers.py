"""Other tools that count networks, and why they do not count what archcalc does. No torch is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..graph import Graph
from ..ops import Op, Shape, Tokens
from ..ops.shapes import numel
from ..records import NamedTuple
from ..units import with_separators
from .conventions import convention, recount
from .counts import NodeCost, analyse

# What each tool calls its figure, and the package that installs it.
PEERS: Mapping[str, str] = {
    "torchinfo": "mult-adds",
    "fvcore": "flops, one for a multiply-accumulate",
    "ptflops": "MACs",
    "thop": "MACs",
}
APART = ": element-wise, and apart from MACs here"


class Reason(NamedTuple):
    """A part of the difference: how much, in the tool's operations, and why."""

    difference: int
    why: str


class Like(NamedTuple):
    """What `--like` says of a tool, which goes by modules: its figures for a network of torch's own, and what it counts
    more of MACs there than in archcalc's network."""

    params: int
    macs: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """Another tool's view of a network: its figures, and why they are not archcalc's; `like` where `--like` has others
    for it. `failed` says why there are none; `missing` that the tool is not installed."""

    tool: str
    version: str = ""
    params: int | None = None
    macs: int | None = None
    reasons: tuple[Reason, ...] = ()
    like: Like | None = None
    failed: str = ""
    missing: bool = False


class Counted(NamedTuple):
    """A node as a tool counts it: its op, what archcalc says of it, its shapes, and the tool's figure."""

    op: Op
    cost: NodeCost
    x: tuple[Shape, ...]
    y: Shape
    macs: int


def reasons(total: int, counted: Sequence[Counted]) -> tuple[Reason, ...]:
    """The parts of a tool's total beside archcalc's MACs; the reasons add up to the difference."""
    found: dict[str, int] = {}
    for node in counted:
        if node.macs != node.cost.macs:
            why = why_not(node)
            found[why] = found.get(why, 0) + node.macs - node.cost.macs
    return _sorted(found, total - sum(node.macs for node in counted))


def _sorted(found: dict[str, int], rest: int) -> tuple[Reason, ...]:
    if rest:
        found["counted in the network otherwise than in its layers one by one"] = rest
    return tuple(Reason(much, why) for why, much in sorted(found.items(), key=lambda item: -abs(item[1])))


def like(peer: Peer, graph: Graph, counted: Sequence[Counted]) -> Like | None:
    """What `--like` says of the tool whose figures these are; None where it says the same."""
    found: dict[str, int] = {}
    report = recount(analyse(graph), convention(peer.tool))
    params, macs = report.totals.params, report.totals.macs
    for node, layer in zip(counted, report.layers, strict=True):
        if layer.macs != node.macs:
            name = f"`nn.{node.op.torch_module}`" if node.op.torch_module else "what others write"
            why = f"{name} for {node.op.word}, where archcalc has its own module"
            found[why] = found.get(why, 0) + layer.macs - node.macs
    if peer.macs is None or (params, macs) == (peer.params, peer.macs):
        return None
    return Like(params, macs, _sorted(found, macs - peer.macs - sum(found.values())))


def of_code(total: int, counted: Sequence[Counted], loose: int, words: Sequence[str]) -> tuple[Reason, ...]:
    """The parts of a tool's total for code, beside archcalc's MACs: those of modules that it counts one by one, and of
    calls without a module, `loose` MACs of these `words`."""
    found = {reason.why: reason.difference for reason in reasons(sum(node.macs for node in counted), counted)}
    rest = total - sum(node.macs for node in counted)
    if rest != loose:
        known = ", ".join(dict.fromkeys(words)) or "what has no MACs"
        what = "does not see" if not rest else "counts otherwise"
        found[f"{what} what is called without a module: {known}"] = rest - loose
    return _sorted(found, 0)


def why_not(node: Counted) -> str:
    """Why a tool's figure for a node is not its MACs, as far as the two say."""
    cost, word, macs = node.cost, node.op.word, node.macs
    if not cost.macs:
        return _no_macs(node)
    positions = cost.macs // cost.weights if cost.weights and cost.macs % cost.weights == 0 else 0
    learned = cost.weights + cost.biases
    if not macs:
        return f"does not know {word}"
    if macs - cost.macs in (cost.numel, positions * cost.biases) and cost.biases:
        return f"adds one for each output of {word}: its bias"
    tokens = node.y[0] if isinstance(node.y, Tokens) else 1
    if tokens > 1 and macs in (cost.weights, learned):
        return f"counts {word} for one token, not for each"
    if node.op.family == "attention" and macs in (tokens * cost.weights, tokens * learned):
        biases = ", and adds its biases" if macs == tokens * learned and cost.biases else ""
        return f"does not see the products of queries, keys and values (scaled_dot_product_attention){biases}"
    if node.op.family == "convolution" and positions not in (0, numel(node.y[1:])) and macs > cost.macs:
        return f"applies the kernel of {word} at each output, not at each input"
    more = "more" if macs > cost.macs else "less"
    return f"counts {word} otherwise: {more} than its multiply-accumulates"


def _no_macs(node: Counted) -> str:
    cost, word = node.cost, node.op.word
    learned = cost.weights + cost.biases + cost.norm_params
    if learned and node.macs == learned:
        return f"counts the parameters of {word}, once each"
    made, read = cost.numel, numel(node.x[0])
    if read and read != made:
        if node.macs % read == 0:
            return f"counts {node.macs // read} for each input of {word}{APART}"
        if node.macs == read + made:
            return f"counts 1 for each input and output of {word}{APART}"
    if made and node.macs % made == 0:
        return f"counts {node.macs // made} for each output of {word}{APART}"
    return f"counts operations of {word}{APART}"


def difference(peer: Peer, macs: int) -> str:
    """`+12,345 (+0.3 %)`, the tool's figure beside archcalc's."""
    if peer.macs is None:
        return ""
    much = peer.macs - macs
    if not much:
        return "none"
    sign = "+" if much > 0 else "−"
    percent = 100 * abs(much) / macs if macs else 0.0
    share = f" ({sign}{percent:{'.2g' if percent < 10 else ',.0f'}} %)" if macs else ""
    return f"{sign}{with_separators(abs(much))}{share}"
