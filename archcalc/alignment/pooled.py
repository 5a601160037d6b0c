"""Attention that pools a map, as code has it: the mean of the places in front of these, layers whose biases are parts
of one tensor, and of what attention gives one token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..graph import Graph, Node
from ..ops import OPS, Op, Shape, Tokens
from ..ops.laid import Atom, Laid, merged, whole
from ..ops.shapes import elements
from ..records import NamedTuple
from .moves import Moves, variable
from .scores import CONSTANT
from .steps import Held, Step

PLAIN = ("heads", "kv_heads", "key", "value", "out", "bias", "key_bias", "out_bias", "scale")  # whichever tokens ask


def mean_of_places(node: Node, laid: Laid) -> bool:
    """Whether a call is the mean of the places of a map, which stand in front of its channels, one after the other."""
    over = node.op.said.get("dim")
    places_first = over in ((0,), 0) and _places_first(laid)
    return (
        node.op.role == "averaging" and places_first and node.op.said.get("dtype") is None and len(node.op.gives) == 3
    )


def _places_first(laid: Laid) -> bool:
    """Whether it is a map of one sample as places × 1 × channels."""
    own = whole(laid.source).groups
    if len(own) != 4 or own[0] or any(laid.start):
        return False
    return laid.groups == (merged(own[2:]), (), own[1])


def with_mean(node: Node, parts: Sequence[tuple[int, Laid]], means: dict[int, int]) -> int | None:
    """The value whose places stand behind their mean in what a call gives; `means` has by each the value it is of."""
    if len(parts) != 2 or node.op.role != "joined" or node.op.said.get("dim", 0) not in (0, -3):
        return None
    (mean, alone), (source, laid) = parts
    if means.get(mean) != source or alone != whole(alone.source) or not _places_first(laid):
        return None
    return source if len(node.op.gives) == 3 else None


def taken(laid: Laid) -> Op | None:
    """The op that takes one of the tokens that a layer gives."""
    axes = [axis for axis, n in enumerate(laid.source) if n > 1]
    if len(axes) != 2 or axes[1] != len(laid.source) - 1:
        return None
    tokens, width = axes
    if merged(laid.groups) != (Atom(width, laid.source[width]),) or laid.start[width]:
        return None
    return OPS["take"](laid.start[tokens]).normal(Tokens((laid.source[tokens], laid.source[width])))


class Made(NamedTuple):
    """A bias that calls make for one layer: the `nodes` that do, and the parameter that each of its parts is, None of
    zeros; of what is overwritten with them, which is the part `zeroed`."""

    nodes: tuple[int, ...]
    parts: tuple[Held | None, ...]
    zeroed: int = -1


class Biases:
    """Biases that calls make: a layer's of parameters and zeros, and layers' that are the parts of a tensor that a call
    puts together, each of one layer alone."""

    def __init__(self, graph: Graph, moves: Moves) -> None:
        self.graph, self.moves = graph, moves
        self._known: dict[int, dict[int, int]] = {}

    def of(self, index: int) -> Held | None:
        """The bias of a layer, where it is such a part."""
        node = self.graph.nodes[index]
        if node.op.family != "linear" or node.shares is not None or len(read := variable(node)) != 2:
            return None
        source, _ = self.moves.of(read[1])
        if source not in self._known:
            self._known[source] = self._parts(source)
        part = self._known[source].get(index)
        return None if part is None else Held(source, part)

    def made(self, index: int) -> Made | None:
        """The bias of a layer, where it is made of parameters and of zeros for a part of what the layer gives."""
        node = self.graph.nodes[index]
        read = variable(node) if node.op.family == "linear" else []
        source, laid = self.moves.of(read[1]) if len(read) > 1 else (-1, whole(()))
        maker = self.graph.nodes[source] if source >= 0 else None
        if (
            maker is None
            or maker.shares is not None
            or variable(maker)
            or not laid.source
            or laid != whole(laid.source)
        ):
            return None
        shapes, (size, *more) = [param.shape for param in maker.op.params()], maker.op.gives
        if maker.op.role == "joined" and len(read) == 2:
            said = maker.op.said.get("tensors", ())
            zeros = [one == f"{CONSTANT}full 0" for one in said]
            each = size // len(said) if said else 0
            if zeros.count(True) != 1 or shapes != [(each,)] * (len(said) - 1) or each * len(said) != size:
                return None
            return Made(
                (source,), tuple(None if zero else Held(source, at - sum(zeros[:at])) for at, zero in enumerate(zeros))
            )
        zero = self.graph.nodes[read[2]] if maker.op.role == "copied" and len(read) == 3 and read[2] >= 0 else None
        if (
            zero is None
            or len(variable(zero)) != 1
            or zero.op.role != "filled"
            or zero.op.said.get("value", 0) != 0
            or shapes != [(size,)]
            or more
        ):
            return None
        of, part = self.moves.of(variable(zero)[0])
        each = part.size[0] if len(part.size) == 1 else 0
        if of != source or not each or size % each or part.groups != ((Atom(0, each),),) or part.start[0] % each:
            return None
        count = size // each
        return Made((source, read[2]), tuple(Held(source, 0, at, count) for at in range(count)), part.start[0] // each)

    def _keys(self, node: int) -> Sequence[str]:
        return self.graph.code.keys[node] if self.graph.code else ()

    def _parts(self, source: int) -> dict[int, int]:
        """By layer which part it reads of what a call puts together of its own parameters; nothing where anything else
        is made of that."""
        node = self.graph.nodes[source] if source >= 0 else None
        params = node.op.params() if node is not None else ()
        if node is None or node.op.role != "joined" or node.inputs or len({*(param.shape for param in params)}) != 1:
            return {}
        (width, *more), count = params[0].shape, len(params)
        if more or node.op.said.get("dim", 0) not in (0, -1) or node.op.gives != (width * count,):
            return {}
        found: dict[int, int] = {}
        for index in range(source + 1, len(self.graph.nodes)):
            one = self.graph.nodes[index]
            read = [at for at, value in enumerate(one.inputs) if self.moves.of(value)[0] == source]
            if not read or self.moves.of(index)[0] == source:
                continue
            laid = self.moves.of(one.inputs[-1])[1]
            alone = one.op.family == "linear" and read == [1] and len(one.inputs) == 2 and len(one.op.params()) == 1
            if not alone or one.op.params()[0].shape[:1] != (width,) or laid.groups != ((Atom(0, width),),):
                return {}
            found[index], rest = divmod(laid.start[0], width)
            names = [self._keys(source)[found[index]], *self._keys(index)]
            if rest or len({name.rpartition(".")[0] for name in names}) > 1:  # of another layer
                return {}
        read_once = sorted(found.values()) == [*range(count)]
        return found if read_once and not any(self.moves.of(one)[0] == source for one in self.graph.outputs) else {}


def asked(graph: Graph, steps: list[Step], outputs: Sequence[int]) -> None:
    """Make attention of all tokens to each other, of which some are taken, the attention of these alone."""
    if any(step.op.cuts for step in steps):
        return
    readers = Counter([*outputs, *(value for step in steps for value in step.reads)])
    owners = {step.owner for step in steps}
    for number, step in enumerate(steps):
        at = step.reads[0] if step.op.picks else -1
        made = steps[at] if at >= 0 else None
        if made is None or made.op.family != "attention" or at in owners:
            continue
        if len(made.reads) != 1 or made.owner is not None or readers[at] != 1 or not made.weights:
            continue
        said = made.op.said
        if made.op != OPS["attention"](**{name: said[name] for name in PLAIN}):
            continue  # it goes by where tokens stand
        given: Shape = step.shape or graph.shape(step.node)
        count = elements(given) // said["out"]
        width = made.weights[0][-1]
        steps[at] = Step(step.node, step.op, (), made.reads, None, (), Tokens((count, width)))
        steps[number] = made._replace(
            op=made.op.but(memory=True), reads=(at, *made.reads), shape=Tokens((count, said["out"]))
        )
