"""The one data structure: a flat tuple of nodes in execution order, and the rows and blocks they stand in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any, Protocol

from .errors import SpecError, Text, UsageError, did_you_mean
from .ops import Op, OpError, Param, Shape, dims
from .ops.base import LIMIT
from .ops.shapes import Cuts, cuts_of, elements, items, many, numel
from .records import NamedTuple

MAX_NODES = 200_000
Input = Shape | Mapping[str, Shape]  # of the only input, or of some by name


class Typed(tuple[int, ...]):
    """The shape of an input of code with its dtype (empty: the network's), and the value of all of its elements where
    they are whole numbers."""

    dtype: str
    value: int

    def __new__(cls, shape: Iterable[int], dtype: str = "", value: int = 1) -> Typed:
        found = super().__new__(cls, shape)
        found.dtype, found.value = dtype, value
        return found


class Node(NamedTuple):
    """One op. `inputs` are indices of earlier nodes; −1, −2, … are the network's inputs.

    `path` is unique: `conv2_x/bottleneck.2/conv.1`. `where` is the call in the spec. `head` names the head that the
    node belongs to, and is empty on the main path. `shares` is the node whose parameters this one works with, where
    they are not its own; that node has its own."""

    op: Op
    inputs: tuple[int, ...]
    shape: Shape
    path: str
    where: Text
    head: str = ""
    shares: int | None = None

    @property
    def read(self) -> tuple[int, ...]:
        """The inputs of which more than the shape is read."""
        return self.inputs[: self.op.read]

    @property
    def items(self) -> int:
        """How many values of its shape the node gives: 1 where it gives a single one."""
        return items(self.shape)


class Span(NamedTuple):
    """A row (depth 0) or a block (its depth below the row): the nodes from `start` to `stop`.

    `label` is the row's label as printed (empty where the paper leaves it empty), `text` its cell or the block's word.
    `name` names a row as `rows:`, `heads:` and `errata:` do. `input` and `outputs` are values, as in `Node.inputs`; of
    several parts, `output` is the first."""

    path: str
    depth: int
    start: int
    stop: int
    input: int
    outputs: tuple[int, ...]
    where: Text
    text: str
    label: str = ""
    name: str = ""
    head: str = ""

    @property
    def output(self) -> int:
        return self.outputs[0]


class Held(NamedTuple):
    """Memory that a run of code took: the node that allocated it, the last one that reads or writes it, and the last
    one that runs while the code holds it."""

    bytes: int
    born: int
    last: int
    held: int


class Stepped(NamedTuple):
    """A training step of code as it was seen, in bytes: its inputs, the gradient of each parameter, what each node
    saves for the backward pass, the MACs of that by node, and the most that is held but for parameters and statistics,
    in a phase at a node (−1: at none that is known)."""

    inputs: int
    gradients: tuple[int, ...]
    saved: tuple[int, ...]
    backward: tuple[int, ...]
    peak: int
    phase: str
    at: int


class Runs(Protocol):
    """Code that is at hand: the graph of another batch and dtype, a training step at those of a graph, and the graph
    with batch norms folded."""

    def __call__(self, batch: int, dtype: str) -> Graph: ...

    def step(self, graph: Graph) -> Stepped: ...

    def folded(self, graph: Graph) -> Graph: ...


class Output(NamedTuple):
    """What code gives: where it stands in that (`logits`, `0.boxes`; empty where it is all), and what it is where no
    node gives it."""

    name: str
    made: str = ""


class Code(NamedTuple):
    """What a graph of code has beside its nodes, whose facts are for a whole `batch`, not for one sample: how many
    elements and bytes each node's value has and how many bytes it newly allocates, where that stands (as `alias_root`
    says), and whether it overwrites its input; the bytes of the inputs; all memory that the run took.

    `keys` are the names of each node's parameters in a `state_dict`, `unused` the parameters that nothing reads,
    `others` what a `state_dict` has beside these keys, with its shape.
    `again` runs it at another batch and dtype, where the code is at hand. `unknown` are operators that no rule
    counts, so that totals are lower bounds."""

    batch: int
    dtype: str
    elements: tuple[int, ...]
    bytes: tuple[int, ...]
    allocated: tuple[int, ...]
    roots: tuple[int, ...]
    in_place: tuple[bool, ...]
    inputs: tuple[int, ...]
    memory: tuple[Held, ...]
    param_bytes: int
    keys: tuple[tuple[str, ...], ...]
    unused: tuple[Param, ...] = ()
    others: tuple[tuple[str, Shape], ...] = ()
    outputs: tuple[Output, ...] = ()  # in order; those that nodes give are the graph's
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    said: str = ""  # how it was traced
    again: Runs | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Code, (*self[:-1], None)  # what runs code goes nowhere else


@dataclass(frozen=True, slots=True)
class Graph:
    """A network: `nodes` in execution order, those of heads (rule 9) behind the `main` nodes of the main path."""

    inputs: tuple[tuple[str, Shape], ...]
    nodes: tuple[Node, ...] = field(repr=False)
    main: int
    outputs: tuple[int, ...]
    head_outputs: tuple[tuple[str, int], ...]
    spans: tuple[Span, ...] = field(repr=False)  # in order of `start`, outer before inner
    code: Code | None = field(default=None, repr=False)  # of a graph that is none of a spec

    def shape(self, value: int) -> Shape:
        """The shape of a value: of a node, or of an input where `value` is negative."""
        return self.nodes[value].shape if value >= 0 else self.inputs[-1 - value][1]

    @property
    def rows(self) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.depth == 0)

    def at(self, batch: int, dtype: str) -> Graph:
        """The graph for a batch and dtype: of a spec always the same, of code what runs then. Raises UsageError where
        the code is not at hand, as a trace is of one batch."""
        code = self.code
        if code is None or (code.batch, code.dtype) == (batch, dtype):
            return self
        if code.again is None:
            raise UsageError(
                f"this was traced at batch {code.batch} in {code.dtype}, not at batch {batch} in {dtype}",
                "Another batch may run otherwise: trace the code again.",
            )
        return code.again(batch, dtype)

    def without_heads(self) -> Graph:
        """The main path alone."""
        if self.main == len(self.nodes):
            return self
        spans = tuple(span for span in self.spans if not span.head)
        return Graph(self.inputs, self.nodes[: self.main], self.main, self.outputs, (), spans)

    def leave_out(self, gone: Collection[int]) -> Graph:
        """The graph without these nodes, whose parameters no others use: what reads one reads its first input."""
        new = {value: value for value in range(-len(self.inputs), 0)}
        kept: list[Node] = []
        before: list[int] = []  # by old index: how many nodes stand before it now
        for index, node in enumerate(self.nodes):
            before.append(len(kept))
            if index in gone:
                new[index] = new[node.inputs[0]]
                continue
            new[index] = len(kept)
            shares = None if node.shares is None else new[node.shares]
            kept.append(node._replace(inputs=tuple(new[value] for value in node.inputs), shares=shares))
        before.append(len(kept))
        spans = tuple(
            span._replace(
                start=before[span.start],
                stop=before[span.stop],
                input=new[span.input],
                outputs=tuple(new[value] for value in span.outputs),
            )
            for span in self.spans
        )
        return replace(
            self,
            nodes=tuple(kept),
            main=before[self.main],
            outputs=tuple(new[value] for value in self.outputs),
            head_outputs=tuple((name, new[value]) for name, value in self.head_outputs),
            spans=spans,
        )


def lost(graph: Graph, together: Iterable[tuple[int, ...]] = ()) -> list[int]:
    """The nodes that reach neither an output nor a head, in order; what lends its shape alone is not read. `together`
    are the results of one call: where one is read all are, as the parts of a `split` are."""
    nodes = graph.nodes
    read = bytearray(len(nodes))
    for value in (*graph.outputs, *(value for _, value in graph.head_outputs)):
        if value >= 0:
            read[value] = True
    groups = {max(results): results for results in together}
    for index in range(len(nodes) - 1, -1, -1):  # what reads results of one call stands behind the last of them
        results = groups.get(index) or _parts(nodes, index)
        if any(read[value] for value in results if value >= 0):
            for value in results:
                if value >= 0:
                    read[value] = True
        if read[index]:
            for value in nodes[index].read:
                if value >= 0:
                    read[value] = True
    return [index for index in range(len(nodes)) if not read[index]]


def _parts(nodes: Sequence[Node], index: int) -> Sequence[int]:
    """The nodes of one call with several results, at the last of them; else none."""
    part = getattr(nodes[index].op, "_index", None)
    if part is None:
        return ()
    op, inputs = type(nodes[index].op), nodes[index].inputs
    behind = nodes[index + 1] if index + 1 < len(nodes) else None
    if behind is not None and type(behind.op) is op and behind.inputs == inputs and behind.op._index == part + 1:  # type: ignore[attr-defined]
        return ()
    return range(index - part, index + 1)


# --- names in torch -----------------------------------------------------------------------------------------------

# What Python, torch's modules or the torch network call something themselves. Written down, as the keys of checkpoints
# must not depend on a version.
TAKEN = frozenset(
    """
    False None True and as assert async await break class continue def del elif else except finally for from global if
    import in is lambda nonlocal not or pass raise return try while with yield
    T_destination add_module add_submodule apply bfloat16 buffers call_super_init children code compile counted cpu cuda
    delete_all_unused_submodules delete_submodule double dump_patches eval extra_repr float forward freed get_buffer
    get_extra_state get_parameter get_submodule graph half heads ipu load_state_dict meta modules mtia named_buffers
    named_children named_modules named_parameters parameters print_readable program recompile register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook
    register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ self
    set_extra_state set_submodule shape_env share_memory slot state_dict to to_empty to_folder train training type
    values xpu zero_grad
    """.split()  # noqa: SIM905 - a hundred words
)


def state_key(path: str) -> str:
    """How a node is called in torch, where the names of its parameters stand behind it: `conv2_x/bottleneck.2/conv.1`
    is `conv2_x.bottleneck_2.conv_1`.

    A level of the path is a level there. What is no letter, digit or underscore becomes one underscore, none stands in
    front or behind; then one is put in front of a digit, and behind a name that is taken."""
    return ".".join(map(_level, path.split("/")))


@cache
def _level(name: str) -> str:
    if not name.isascii():
        from unicodedata import normalize  # as Python itself reads names

        name = normalize("NFKC", name)
    name = re.sub(r"\W+", "_", name).strip("_")
    if not f"_{name}".isidentifier():  # a numeral of no alphabet
        name = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    if not name.isidentifier():
        return f"_{name}"
    return f"{name}_" if name in TAKEN else name


def state_keys(graph: Graph) -> dict[str, str]:
    """By path, how each node is called in torch. Raises SpecError where two would have one name, or one would be a
    level of the other."""
    found: dict[str, Node] = {}
    for node in graph.nodes:
        twin = found.setdefault(state_key(node.path), node)
        if twin is not node:
            raise _collision(twin, node)
    for key, node in found.items():
        above = key
        while above := above.rpartition(".")[0]:
            if above in found:
                raise _collision(found[above], node)
    return {node.path: key for key, node in found.items()}


def renamed(graph: Graph, old: Mapping[str, Any]) -> dict[str, Any]:
    """What stands under `PATH.NAME`, as `state_dict` once called it, under the names of today. Raises UsageError for a
    name that belongs to no node."""
    keys = state_keys(graph)
    today = set(keys.values())
    found = {}
    for name, value in old.items():
        node, rest = name, ""
        while node and node not in keys and node not in today:  # names of parameters have dots, and paths have
            node, _, last = node.rpartition(".")
            rest = f".{last}{rest}"
        if not node:
            raise UsageError(f"`{name}` is no parameter of this network", did_you_mean(name.rpartition(".")[0], keys))
        found[keys.get(node, node) + rest] = value
    return found


def _collision(one: Node, other: Node) -> SpecError:
    return other.where.error(
        f"`{one.path}` and `{other.path}` cannot be told apart in torch, where they are called "
        f"`{state_key(one.path)}` and `{state_key(other.path)}`",
        "Give one of them another label or name.",
    )


def node_shape(op: Op, x: tuple[Shape, ...]) -> Shape:
    """The shape of what an op gives on values of these shapes, many where they are. Raises OpError where they do not
    fit, and above 10¹⁸ elements."""
    low, high = op.inputs
    if not low <= len(x) <= high:
        raise OpError(f"`{op.word}` takes {low} value{'s' * (low != 1)}, here are {len(x)}")
    shape = op.shape(*x)
    if not op.regroups and any(map(cuts_of, x)):
        shape = many(shape, _alike(op, x))
    if elements(shape) > LIMIT:
        raise OpError(f"the output {dims(shape)} has more than 10¹⁸ elements")
    return shape


shape_of = lru_cache(maxsize=8192)(node_shape)  # the networks of a family have most of their layers in common


def _alike(op: Op, x: tuple[Shape, ...]) -> Cuts:
    """The cuts that the values have which meet in an op. Raises OpError where one has others."""
    own = [cuts_of(shape) for at, shape in enumerate(x[: op.read]) if cuts_of(shape) or at not in op.common]
    if any(cuts != own[0] for cuts in own):  # further ones only lend their shape
        shown = " and ".join(map(dims, x[:4]))
        raise OpError(f"`{op.word}` works on each item by itself, and these values are not as many alike: {shown}")
    return cuts_of(x[0])


@dataclass(slots=True, eq=False)
class Scope:
    """A part of the paths under construction; siblings of one name are numbered once several are known."""

    name: str
    parent: Scope | None
    index: int = 1
    counts: dict[str, int] = field(default_factory=dict)

    def inner(self, name: str) -> Scope:
        return Scope(name, self, self.count(name))

    def count(self, name: str) -> int:
        index = self.counts[name] = self.counts.get(name, 0) + 1
        return index

    def child(self, name: str, index: int) -> str:
        return f"{name}.{index}" if self.counts[name] > 1 else name


@dataclass(slots=True, eq=False)
class Opened:
    """A row or block under construction: a Span whose path is not settled.

    Once it is closed, it and the spans in it stand from `number` to `last` among all of them, and `shares` are the
    nodes in it that work with another's parameters: those that were told so inside it."""

    scope: Scope
    depth: int
    start: int
    input: int
    where: Text
    text: str
    label: str
    name: str
    head: str
    number: int
    stop: int = 0
    outputs: tuple[int, ...] = ()
    last: int = 0
    shares: Mapping[int, int] = field(default_factory=dict)


class GraphBuilder:
    """Appends nodes, inferring shapes as it goes, so that a bad layer fails at its place in the spec."""

    def __init__(self, inputs: tuple[tuple[str, Shape], ...]) -> None:
        self.inputs = inputs
        self.root = Scope("", None)
        self.head = ""
        self._nodes: list[tuple[Any, tuple[int, ...], Shape, Scope, int, Text, str]] = []  # first the op
        self._scope = self.root
        self._spans: list[Opened] = []
        self._open: list[Opened] = []
        self._params: dict[tuple[Op, tuple[Shape, ...]], tuple[Param, ...]] = {}
        self._shares: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def scope(self) -> Scope:
        """The part of the paths in which what is opened now stands."""
        return self._scope

    def shape(self, value: int) -> Shape:
        return self._nodes[value][2] if value >= 0 else self.inputs[-1 - value][1]

    def append(self, op: Op, inputs: tuple[int, ...], where: Text) -> int:
        """Append a node and return its index. Raises SpecError at `where`, OpError where an argument is at fault."""
        nodes = self._nodes
        shapes = tuple([nodes[value][2] if value >= 0 else self.shape(value) for value in inputs])
        shape = shape_of(op, shapes)
        if len(nodes) >= MAX_NODES:
            raise SpecError(f"a network of more than {MAX_NODES:,} nodes is refused", where)
        scope = self._scope
        nodes.append((op, inputs, shape, scope, scope.count(op.word), where, self.head))
        return len(nodes) - 1

    def params(self, index: int) -> tuple[Param, ...]:
        """The parameters of a node, its own or shared."""
        op, inputs = self._nodes[index][:2]
        key = (op, tuple([self.shape(value) for value in inputs]))
        if key not in self._params:
            self._params[key] = op.params(*key[1])
        return self._params[key]

    def settles(self, start: int) -> bool:
        """Whether all nodes from `start` on, if there are any, do nothing behind their like, and leave the shape."""
        return start < len(self) and all(
            op.settled() and self.shape(inputs[0]) == shape for op, inputs, shape, *_ in self._nodes[start:]
        )

    def fixed(self, value: int) -> bool:
        """Whether a value depends on nothing before it, as `zeros` do."""
        return value >= 0 and self._nodes[value][0].read == 0

    def laid_out(self, value: int) -> Shape:
        """The shape in which the elements of a value stood before they were laid out, in their order, as a vector."""
        while value >= 0:
            op, inputs, shape, *_ = self._nodes[value]
            if len(shape) > 1 or not op.in_place or numel(self.shape(inputs[0])) != numel(shape):
                break
            value = inputs[0]
        return self.shape(value)

    def where(self, index: int) -> Text:
        return self._nodes[index][5]

    def share(self, index: int, owner: int) -> None:
        """Make a node work with the parameters of `owner`, or with those that this one works with."""
        owner = self._shares.get(owner, owner)
        if owner != index:
            self._shares[index] = owner

    def open(
        self, value: int, where: Text, text: str, *, scope: Scope | None = None, label: str = "", name: str = ""
    ) -> Opened:
        """Begin a row or block that starts from `value`."""
        scope = self._scope.inner(text) if scope is None else scope
        depth, start, number = len(self._open), len(self._nodes), len(self._spans)
        span = Opened(scope, depth, start, value, where, text, label, name, self.head, number)
        self._spans.append(span)
        self._open.append(span)
        self._scope = scope
        return span

    def close(self, *outputs: int) -> None:
        """End the row or block that was opened last; `outputs` is the value that it gives, or its parts."""
        span = self._open.pop()
        if self._shares:
            nodes = range(span.start, len(self._nodes))
            span.shares = {index: self._shares[index] for index in nodes if index in self._shares}
        span.stop, span.outputs, span.last = len(self._nodes), outputs, len(self._spans)
        self._scope = self._open[-1].scope if self._open else self.root

    def entering(self, block: Opened) -> list[int]:
        """The values that the nodes in a closed block read and that stand outside it."""
        read = {value for _, inputs, *_ in self._nodes[block.start : block.stop] for value in inputs}
        ends = {value for span in self._spans[block.number : block.last] for value in (span.input, *span.outputs)}
        return sorted(value for value in read | ends if value < block.start)

    def shared(self, block: Opened) -> list[tuple[int, int]]:
        """The nodes of a closed block, counted from its first, that have parameters of nodes before it, and these."""
        found = ((index, self._shares.get(index, index)) for index in range(block.start, block.stop))
        return [(index - block.start, owner) for index, owner in found if owner < block.start]

    def repeat(self, block: Opened, inputs: Mapping[int, int], first_op: Op | None = None) -> int:
        """Append to the block just opened what stands in `block`, and return by how much its values moved.

        `block` is a closed one of this network; `inputs` says which value stands here for each that entered there,
        one of the same shape; `first_op` stands in the place of its first op. Raises SpecError where there are too
        many nodes."""
        here = self._open[-1]
        offset = len(self._nodes) - block.start
        if block.stop + offset > MAX_NODES:
            raise SpecError(f"a network of more than {MAX_NODES:,} nodes is refused", here.where)
        here.scope.counts = block.scope.counts  # nothing is counted in a closed scope
        scopes = {block.scope: here.scope}
        first = block.start
        for span in self._spans[block.number + 1 : block.last]:
            scope = span.scope
            assert scope.parent is not None
            scopes[scope] = twin = Scope(scope.name, scopes[scope.parent], scope.index, scope.counts)
            entered, *outputs = (v + offset if v >= first else inputs[v] for v in (span.input, *span.outputs))
            moved = len(self._spans) - span.number
            depth = span.depth + here.depth - block.depth
            shares = {index + offset: owner + offset for index, owner in span.shares.items()}
            self._spans.append(
                Opened(
                    twin, depth, span.start + offset, entered, span.where, span.text, span.label, span.name, self.head,
                    len(self._spans), span.stop + offset, tuple(outputs), span.last + moved, shares,
                )
            )  # fmt: skip
        for number in range(first, block.stop):
            op, values, shape, scope, index, where, _ = self._nodes[number]
            values = tuple([v + offset if v >= first else inputs[v] for v in values])
            self._nodes.append((op, values, shape, scopes[scope], index, where, self.head))
        if first_op is not None:
            self._nodes[first + offset] = (first_op, *self._nodes[first + offset][1:])
        self._shares.update((index + offset, owner + offset) for index, owner in block.shares.items())
        return offset

    def row_spans(self) -> list[tuple[str, str, int]]:
        """The rows so far: name, group and output value."""
        return [
            (span.name, span.scope.name, span.outputs[0]) for span in self._spans if span.depth == 0 and not span.head
        ]

    def finish(self, main: int, outputs: tuple[int, ...], heads: tuple[tuple[str, int], ...]) -> Graph:
        """The graph, with the paths settled."""
        paths = {id(self.root): ""}

        def path(scope: Scope) -> str:
            if id(scope) not in paths:
                assert scope.parent is not None
                above, own = path(scope.parent), scope.parent.child(scope.name, scope.index)
                paths[id(scope)] = f"{above}/{own}" if above else own
            return paths[id(scope)]

        nodes: list[Node] = []
        new = tuple.__new__  # as Node does, in half the time
        shares = self._shares
        last, above = self.root, ""
        for number, (op, inputs, shape, scope, index, where, head) in enumerate(self._nodes):
            if scope is not last:
                last, above = scope, path(scope)
                above += "/" * bool(above)
            own = above + scope.child(op.word, index)
            nodes.append(new(Node, (op, inputs, shape, own, where, head, shares.get(number) if shares else None)))
        spans = tuple(
            Span(
                path(span.scope), span.depth, span.start, span.stop, span.input, span.outputs, span.where, span.text,
                span.label, span.name, span.head,
            )
            for span in self._spans
        )  # fmt: skip
        return Graph(self.inputs, tuple(nodes), main, outputs, heads, spans)
