"""A family's variant to a Graph: rows are read, blocks are opened, conditions decided, shapes inferred."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from copy import copy
from fractions import Fraction
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import SpecError, Text, UsageError, did_you_mean, printable
from ..graph import MAX_NODES, Graph, GraphBuilder, Input, Opened, lost
from ..ops import ARGUMENTS, OPS, Op, OpError, Param, Shape, Tokens, channels, convert, dims
from ..ops.base import Argument as Field
from ..ops.base import ReceptiveWindow
from ..ops.shapes import many, numel, show
from ..ops.synonyms import suggest_argument
from ..records import NamedTuple
from ..units import same
from .columns import Headings
from .expr import TURN, Argument, Expr, Opaque, Pattern, Ref, Several, Waiting
from .family import Borrowed, Family, Variant
from .lines import EXPERTS, Block, Body, Call, Item, Line, Merge, Named, Step, Unrolled, inner
from .notation import cell_value
from .rows import no_row, place_of, row_called, rows_of, unknown_value, unread
from .zoo import Selection, resized, source_of

Value = tuple[int, ...]  # indices of nodes (negative: inputs): one, or several parts side by side (rule 11)

MAX_DEPTH = 40  # of blocks in blocks
MAX_STEPS = 250_000  # calls, lines and merges, nodes or not; a block that is opened, and a step, counts as four
MAX_BODIES = 60  # merges in merges and blocks, all together

Env = dict[str, Any]
_EXPERTS = {"n": "Count", "k": "Count", "normalize": "bool", "bias": "bool"}
_NONE: Any = object()  # the value of a name that means nothing
Given = Argument | Pattern | Several
Pairs = tuple[tuple[str, str, Given], ...]  # name, kind and argument of what a call gives an op
Bound = tuple[Call, type[Op], Pairs, bool]  # whether its arguments may be others elsewhere
Settings = Mapping[str, int | Fraction]


class Simple(NamedTuple):
    """A call of an op that makes one node of one value wherever it stands; the op where that is always the same."""

    call: Call
    op: Op | None


class Done(NamedTuple):
    """A block that was opened: where it stands, what entered it, the value that it gives, how many steps it took, and
    the results of one call that stand in it."""

    span: Opened
    entering: Value
    value: Value
    steps: int
    together: tuple[Value, ...]


class Opening(NamedTuple):
    """A block that is called: how it is known, its parameters, the names that it has with these, and what enters it:
    the value that it starts from, and those among its arguments."""

    block: Block
    call: Call
    known: str
    own: dict[str, Any]
    inner: Env
    entering: Value
    value: Value


def expand(
    family: Family,
    variant: Variant,
    *,
    laid: frozenset[str] = frozenset(),
    settings: Settings | None = None,
    input: Input | None = None,
) -> Graph:
    """Build the Graph of a variant. `laid` are names of `given:` that the model lays over its variant's row; `settings`
    replace values by name, `input` the printed input. Raises SpecError at the place in the spec, UsageError for an
    input that there is not, or that is not named where there are several."""
    return _Expander(family, variant, laid, settings or {}, input).graph()


def expand_model(selection: Selection, *, settings: Settings | None = None, input: Input | None = None) -> Graph:
    """Build the Graph of a model that was selected. Raises as `expand` does."""
    return expand(selection.family, selection.variant, laid=selection.laid, settings=settings, input=input)


def input_shapes(selection: Selection, settings: Settings | None = None) -> tuple[tuple[str, Shape], ...]:
    """The inputs of a model, by name, as they are without being replaced: nothing is built. Raises SpecError."""
    family, variant = selection.family, selection.variant
    return _Expander(family, variant, selection.laid, settings or {}, None).builder.inputs


def settable(selection: Selection) -> list[str]:
    """The names that `settings` may replace: those of `given:` and of the variant's columns."""
    return [*selection.family.given, *_columns(selection.family, selection.variant)]


_COLUMNS: WeakKeyDictionary[Family, dict[str, dict[str, Any]]] = WeakKeyDictionary()


def _columns(family: Family, variant: Variant) -> dict[str, Any]:
    """The values that a variant's row gives, by name."""
    known, name = _COLUMNS.setdefault(family, {}), variant.name.value
    if name not in known:
        roles = [(family.role(heading), cell) for heading, cell in variant.cells.items()]
        named = [(role, cell) for role, cell in roles if role is not None and role.kind == "name"]
        known[name] = {role.name: cell_value(cell) for role, cell in named}
    return known[name]


def _given(family: Family, settings: Settings) -> dict[str, Any]:
    """The values of `given:`; each may use those above it."""
    values: dict[str, Any] = dict.fromkeys(family.given, Waiting("stands further down: values use those above them"))
    for name, (_, expr) in family.given.items():
        values[name] = settings[name] if name in settings else expr(values)
    return values


def _derive(env: Env, lets: Iterable[tuple[str, Expr]]) -> list[tuple[str, Expr]]:
    """Add to `env` those of `lets`, in order, that follow from it, and return the others that it does not have."""
    left = []
    for name, expr in lets:
        if not any(_missing(needed, env) for needed in expr.names):
            env[name] = expr(env)
        elif _missing(name, env):
            left.append((name, expr))
    return left


def _missing(name: str, env: Mapping[str, Any]) -> bool:
    return name not in env or isinstance(env[name], Waiting)


# What the calls of a file are: bound to their arguments, and as ops by the values of these. A file and what is laid
# over it have headings and defaults in common, and most calls, which are kept with it: they are known by identity.
_OPS: WeakKeyDictionary[Headings, tuple[dict[int, Bound], dict[tuple[Any, ...], Op]]] = WeakKeyDictionary()
_SIMPLE: WeakKeyDictionary[Family, dict[int, Simple]] = WeakKeyDictionary()  # of a file alone: a block hides an op
MAX_OPS = 10_000  # of one file: a sweep over widths makes new ones for ever


class _Expander:
    def __init__(
        self, family: Family, variant: Variant, laid: frozenset[str], settings: Settings, input: Input | None
    ) -> None:
        self._enter(family, variant, laid, settings)
        self.builder = GraphBuilder(self._inputs(input))
        self.steps = 0
        self.depth = 0
        self.opening: list[str] = []
        self.weights: dict[str, list[int]] = {}  # the nodes that own the weights of this name, in the body under way
        self._given: dict[int, tuple[str, ...]] = {}
        self.unrolling = 0  # how many `steps:` are around
        self.before_step, self.states = 0, frozenset[int]()  # the nodes before this step, and what it has of the last
        self.named: list[tuple[int, int, Text, str]] = []  # nodes behind names: from, to, a name, all
        self.together: list[Value] = []  # results of one call, of which one may be read and others not

    def _enter(
        self, family: Family, variant: Variant, laid: frozenset[str], settings: Settings, home: str = ""
    ) -> None:
        """Read the words of this family from now on; `home` is how it is called where it is another file's."""
        self.family, self.variant, self.home = family, variant, home
        self.placed: dict[str, dict[str, int | Fraction]] = {}  # by row, what is set in it alone
        for name in [name for name in settings if "[" in name]:
            row, column = place_of(family, variant, name) or ("", name)
            self.placed.setdefault(row, {})[column] = settings[name]
        settings = {name: value for name, value in settings.items() if "[" not in name} if self.placed else settings
        self.constants = self._constants(laid, settings)
        self.later = self._lets()
        self._bound, self._ops = _OPS.setdefault(family.headings, ({}, {}))
        self._simple = _SIMPLE.setdefault(family, {})
        if len(self._ops) > MAX_OPS or len(self._bound) > MAX_OPS:
            self._bound.clear()
            self._ops.clear()
        self.gates: Value = ()  # in the body of `experts`: how much each expert counts for each token
        self._done: dict[tuple[Any, ...], Done] = {}
        self._sizes_of: dict[Shape, dict[str, Any]] = {}
        self._abroad: dict[str, _Expander] = {}

    def _of(self, borrowed: Borrowed) -> _Expander:
        """What builds the blocks and parts of another family into this network."""
        key = f"{borrowed.source}{'' if borrowed.rows else ' '}"  # its blocks alone may know less
        if key not in self._abroad:
            found = source_of(borrowed.source, bool(borrowed.rows))
            self._abroad[key] = copy(self)
            self._abroad[key]._enter(found.family, found.variant, found.laid, {}, f"{borrowed.source}: ")
        there = self._abroad[key]
        there.steps, there.depth, there.weights = self.steps, self.depth, {}
        return there

    # --- names ---------------------------------------------------------------------------------------------------

    def _constants(self, laid: frozenset[str], settings: Settings) -> dict[str, Any]:
        columns = _columns(self.family, self.variant)
        kept = {name: value for name, value in columns.items() if name not in laid}
        env = {**_given(self.family, settings), **kept, **settings}
        cells = [
            (name, cell) for name, cell in env.items() if isinstance(cell, Opaque) and env.keys() >= set(cell.names)
        ]
        return {**env, **{name: cell.value(name, env) for name, cell in cells}}

    def _lets(self) -> list[tuple[str, Expr]]:
        """Derive from the constants what follows from them; what needs a row's columns waits for the row."""
        left = _derive(self.constants, self.family.lets)
        waiting = dict(left)
        if not waiting:
            return left
        quoted = self.family.layers.quoted if self.family.layers else None
        roles = [self.family.role(heading.value) for heading in quoted.table.headings] if quoted else []
        columns = [role.name for role in roles if role is not None and role.kind == "name"]
        for name, expr in ((name, waiting[name]) for name in self.family.let if name in waiting):
            needed = next(needed for needed in expr.names if _missing(needed, self.constants))
            hint = "A block knows a row's columns only as its arguments."
            if needed not in columns:
                hint = did_you_mean(needed, [*self.constants, *columns])
            self.constants[name] = Waiting(f"needs `{needed}`, which is not known here", hint)
        return left

    def _row_env(self, columns: Mapping[str, Any], value: Value) -> dict[str, Any]:
        env = {**self.constants, **columns, **self._entering(value)}
        self._follow(env)
        return env

    def _follow(self, env: Env) -> None:
        """Add what follows of `let:` from the names of a row."""
        _derive(env, self.later)

    def _entering(self, value: Value) -> dict[str, Any]:
        """`cin`, `hin`, `win`, `tokens` and `width`: the sizes of what enters a body (of its first part)."""
        shape = self.builder.shape(value[0])
        found = self._sizes_of.get(shape)
        if found is None:
            hint = "A map has `hin` and `win`, a sequence `tokens` and `width`; each has `cin`."
            other = Waiting(f"is not known here: what enters is {dims(shape)}", hint)
            sizes: dict[str, Any] = dict.fromkeys(("hin", "win", "tokens", "width"), other)
            if isinstance(shape, Tokens):
                sizes |= {"tokens": shape[0], "width": shape[-1]}
            elif len(shape) > 1:
                sizes |= {"hin": shape[-2] if len(shape) > 2 else shape[-1]}
                sizes |= {"win": shape[-1]} if len(shape) > 2 else {}
            own = self.family.own_names
            found = {"cin": channels(shape), **{name: size for name, size in sizes.items() if name not in own}}
            self._sizes_of[shape] = found
        return found

    def _inputs(self, replaced: Input | None) -> tuple[tuple[str, Shape], ...]:
        inputs = self.family.inputs
        if not inputs:
            where = self.family.tree.where
            raise where.error("`input:` is missing: the size of the data, channels first, such as `3 × 224 × 224`")
        names = [name.value for name, _ in inputs] if replaced is not None else []
        if not isinstance(replaced, Mapping):
            if replaced is not None and len(inputs) > 1:
                message = f"`{self.family.name}` has {len(inputs)} inputs ({', '.join(names)}): which of them is it?"
                raise UsageError(message, f"Name it: `{names[0]}={'x'.join(map(str, replaced))}`.")
            replaced = {} if replaced is None else {names[0]: replaced}
        for given in replaced:
            if given not in names:
                hint = did_you_mean(given, names) or f"It has {', '.join(names)}."
                raise UsageError(f"`{self.family.name}` has no input `{given}`", hint)
        sizes = []
        for name, argument in inputs:
            try:
                size = convert(argument(self.constants), "Size", "input")
            except OpError as error:
                raise argument.text.error(error.message) from None
            size = size if isinstance(size, tuple) else (size,)
            other = replaced.get(name.value)
            sizes.append((name.value, size if other is None else resized(size, other)))
        return tuple(sizes)

    # --- rows ----------------------------------------------------------------------------------------------------

    def graph(self) -> Graph:
        family, builder = self.family, self.builder
        if family.layers is None:
            raise family.tree.where.error("`layers:` is missing: a quoted table, or a list of layer lines")
        *_, value = self._rows(*self._start())
        if not len(builder):
            raise family.tree.key("layers").error("this network has no layer")
        main = len(builder)
        heads = []
        for name in family.heads:
            outputs = self._head(name)
            several = len(outputs) > 1
            heads += [(f"{name}.{n}" if several else name, output) for n, output in enumerate(outputs, 1)]
        graph = builder.finish(main, value, tuple(heads))
        self._check_read(graph)
        return graph

    def _start(self) -> tuple[Value, dict[str, Ref]]:
        """The network's inputs, and those that have names."""
        inputs = self.builder.inputs
        start = tuple(-1 - n for n in range(len(inputs)))
        if not self.family.named_inputs:
            return start, {}
        return start, {name: Ref((value,)) for (name, _), value in zip(inputs, start, strict=True)}

    def _check_read(self, graph: Graph) -> None:
        """Raise SpecError at the first line of which nothing reaches an output or a head, and at an input likewise."""
        read = {value for node in graph.nodes for value in node.read}
        read.update(graph.outputs, (value for _, value in graph.head_outputs))
        if read.issuperset(range(-len(graph.inputs), len(graph.nodes))):
            return
        for number, (of_input, _) in enumerate(self.family.inputs):
            if -1 - number not in read:
                raise of_input.error(f"nothing reads the input `{of_input}`")
        found = lost(graph, self.together)
        if not found:
            return
        first, every = found[0], set(found)
        rows = ((span.start, span.stop, span.where, span.name or span.text) for span in graph.spans)
        whole = [
            (stop - start, -number, where, name)
            for number, (start, stop, where, name) in enumerate((*self.named, *rows))
            if start <= first < stop and every.issuperset(range(start, stop))
        ]
        *_, where, name = max(
            whole, default=(graph.nodes[first].where, graph.nodes[first].op.word), key=lambda w: w[:2]
        )
        params = sum(
            numel(param.shape)
            for index in found
            if graph.nodes[index].shares is None
            for param in self.builder.params(index)
            if param.kind != "stat"
        )
        many = f", and its {params:,} parameters do nothing" if params else ""
        hint = "Begin a line with its name, or name it in a merge or as an argument; else leave it out."
        lent = next((node for node in graph.nodes if not every.isdisjoint(node.inputs[node.op.read :])), None)
        if lent is not None:
            hint = f"`{lent.op.word}` in line {lent.where.line} takes no more than its size. {hint}"
        raise where.error(f"nothing reads what `{name}` gives: it reaches neither an output nor a head{many}", hint)

    def _rows(self, value: Value, names: dict[str, Ref]) -> Iterator[Value]:
        """Build the rows one by one, and say where each ends."""
        assert self.family.layers is not None
        return self._table(value, names) if self.family.layers.quoted else self._list(value, names)

    def part(self, rows: tuple[Text, ...], value: Value) -> Value:
        """The outputs of these rows, with `value` as the network's input; nothing is built behind the last of them."""
        layers = self.family.layers
        if layers is None or len(self.family.inputs) != 1:
            raise rows[0].error(f"`{self.family.name}` has no rows that begin with one input")
        if layers.quoted:
            known = rows_of(self.family, self.variant)
            at = [(known.index(row_called(known, row)[-1]), slice(None)) for row in rows]
        else:
            assert layers.body is not None
            at = _lines_called(layers.body, rows)
        names = {self.family.inputs[0][0].value: Ref(value)} if self.family.named_inputs else {}
        ends = list(islice(self._rows(value, names), max(n for n, _ in at) + 1))
        return tuple([value for n, part in at for value in ends[n][part]])

    def _table(self, value: Value, names: dict[str, Ref]) -> Iterator[Value]:
        rows = rows_of(self.family, self.variant)
        replaced: dict[str, Body] = {}
        for _, (name, body) in self.family.rows.items():
            named = row_called(rows, name)
            if len(named) > 1:
                raise name.error(f"`{name}` names {len(named)} rows", f"Name one: {', '.join(r.name for r in named)}.")
            replaced[named[0].name] = body
        root = self.builder.scope
        group, scope, top = "", root, root is self.builder.root
        own = self.family.layers is None or self.family.layers.body is None
        for row in rows:
            if row.group != group:
                group, scope = row.group, root.inner(_part_of_path(row.group))
            columns = {**row.columns, **self.placed.get(row.name, {})} if self.placed else row.columns
            env = self._row_env(columns, value)
            env.update(names)
            env.update(_held(columns, env))
            if row.name in replaced or own:
                self.weights = {}  # a body of its own; what `row:` says is the table's
            try:
                body, text = row.body, row.cell.value
                if row.name in replaced:  # the cell says no more what stands here
                    body = replaced[row.name]
                    text = _cut(", ".join(self._said(item, env) for item in body.items))
                called = {"label": row.label or ", ".join(map(str, row.names)), "name": row.name} if top else {}
                self.builder.open(value[-1], row.cell, text, scope=scope, **called)
                value = self.body(body, env, value)
                self._name(row.names, names, value)
                self.builder.close(*value)
            except SpecError as error:
                raise error.within(f"the row `{row.name}`, {row.cell.where}") from None
            yield value

    def _list(self, value: Value, names: dict[str, Ref]) -> Iterator[Value]:
        assert self.family.layers is not None and self.family.layers.body is not None
        if self.family.rows:
            key = next(iter(self.family.rows.values()))[0]
            raise key.error("`rows:` replaces rows of a table; these layers are a list")
        env: Env = {**self.constants, **self._entering(value), **names}  # one for all lines: thousands may have names
        root = self.builder.scope
        top = root is self.builder.root
        for item in self.family.layers.body.items:
            text = _text_of(item)
            label, name = _names_of(item), _name_of(item)
            env.update((let, self.constants[let]) for let, _ in self.later)
            env.update(self._entering(value))
            self._follow(env)
            called: dict[str, Any] = {"scope": root, "label": label, "name": name} if top else {}
            self.builder.open(value[0], text, self._said(item, env), **called)
            value = self.item(item, env, value)
            self.builder.close(*value)
            yield value

    def _said(self, item: Item, env: Env) -> str:
        """What a row is called in tables and pictures."""
        return _short(item, env)

    def _head(self, name: str) -> Value:
        head = self.family.heads[name]
        rows = self.builder.row_spans()
        at = head.at.value
        found = [output for row, group, output in rows if same(row, at) or same(group, _part_of_path(at))]
        if not found:
            raise no_row(head.at, [row for row, _, _ in rows])
        value: Value = (found[-1],)
        self.builder.head = name
        self.weights = {}
        env = self._row_env({}, value)
        scope = self.builder.root.inner(_part_of_path(name))
        self.builder.open(value[0], head.name, name, scope=scope, label=name, name=name)
        try:
            value = self.body(head.body, env, value)
        except SpecError as error:
            raise error.within(f"the head `{name}`, {head.name.where}") from None
        self.builder.close(*value)
        self.builder.head = ""
        return value

    # --- bodies --------------------------------------------------------------------------------------------------

    def body(self, body: Body, env: Env, value: Value) -> Value:
        """Append what `body` says, from `value` on, and return where it ends."""
        if len(body.items) == 1 and isinstance(body.items[0], (Line, Merge)):
            return self.item(body.items[0], env, value)
        before = _kept(env, self._names(body))  # names that a body gives are known in it alone
        for item in body.items:
            value = self.item(item, env, value)
        _restore(env, before)
        return value

    def _names(self, body: Body) -> tuple[str, ...]:
        """The names that a body gives, or gives anew after steps."""
        found = self._given.get(id(body))
        if found is None:
            every = {name.value for name in body.names}
            for item in body.items:
                steps = inner(item)
                every |= {name.value for name in steps.body.names} if isinstance(steps, Unrolled) else set()
            found = self._given[id(body)] = tuple(every)
        return found

    def item(self, item: Item | Body, env: Env, value: Value) -> Value:
        if isinstance(item, Line):
            return self.line(item, env, value)
        if isinstance(item, Merge):
            return self.merge(item, env, value)
        if isinstance(item, Step):
            return self.step(item, env, value)
        if isinstance(item, Body):
            return self.body(item, env, value)
        if isinstance(item, Unrolled) and item.call is not None:
            return self.routed(item.word, item.call, item.body, env, value)
        if isinstance(item, Unrolled):
            return self.unrolled(item, env, value)
        start = len(self.builder)
        value = self.item(item.item, env, value)
        self._name(item.names, env, value, start)
        return value

    def step(self, step: Step, env: Env, value: Value) -> Value:
        """A row of a table in a list."""
        if step.variant and step.variant != self.variant.name.value:
            return value
        own, item = {**step.columns, **_held(step.columns, env)}, inner(step)
        again = [name.value for name in item.body.names] if isinstance(item, Unrolled) else ()
        before = _kept(env, (*own, *again))
        env.update(own)
        start = len(self.builder)
        value = self.item(item, env, value)
        _restore(env, before)
        if isinstance(step.item, Named):
            self._name(step.item.names, env, value, start)
        return value

    def _name(self, names: tuple[Text, ...], env: Env, value: Value, start: int | None = None) -> None:
        """Give `value`, or its parts, names in `env`; its nodes are those from `start` on, where that is known."""
        if start is not None:
            self.named.append((start, len(self.builder), names[0], ", ".join(map(str, names))))
        if len(names) > 1 and len(names) != len(value):
            raise names[0].error(f"{len(names)} names for {_parts(value)}")
        for n, name in enumerate(names):
            env[name.value] = Ref(value if len(names) == 1 else (value[n],))

    def line(self, line: Line, env: Env, value: Value) -> Value:
        self._step(line.text)
        if line.condition is not None and not line.condition.holds(env):
            return value
        for n, call in enumerate(line.calls):
            named = env.get(call.word.value)
            if isinstance(named, Ref) and not (call.args or call.named or call.weights):
                if n:
                    over = " A value wins over the op of its name." if call.word.value in OPS else ""
                    raise call.word.error(
                        f"the value `{call.word}` stands first in a line", f"A line starts from it.{over}"
                    )
                if call.times is not None:
                    raise call.times.text.error(f"the value `{call.word}` is there once: what is repeated is a call")
                value = named.value
            elif call.times is None:
                value = self.call(call, env, value)
            else:
                with closing(self._rounds(call.times, env)) as rounds:
                    for turn, left in enumerate(rounds):
                        start = len(self.builder) if turn == 1 else 0
                        value = self.call(call, env, value)
                        if turn != 1:
                            continue
                        if self.builder.settles(start) or call.word.value == "identity":
                            raise _repeats_nothing(line, call)
                        behind = self.rest(call, value, left)
                        if behind is not None:
                            value = behind
                            break
        return value

    def rest(self, call: Call, value: Value, left: int) -> Value | None:
        """The value behind all rounds of a repeat that are left, where they may be told from those before."""
        return None

    def _rounds(self, times: Expr, env: Env) -> Generator[int, None, None]:
        """Go through the rounds of a repeat, each with how many are left; `env` knows in which one it is (rule 4)."""
        count, own = self._times(times, env), self.family.own_names
        before = _kept(env, [name for name in TURN if name not in own])
        try:
            for turn in range(count):
                now = {"first": turn == 0, "index": turn, "last": turn == count - 1}
                for name in before:
                    env[name] = now[name]
                yield count - turn - 1
        finally:
            _restore(env, before)

    def merge(self, merge: Merge, env: Env, value: Value) -> Value:
        self._step(merge.word)
        self.depth += 1
        if self.depth > MAX_BODIES:
            raise merge.word.error(f"merges and blocks are nested deeper than {MAX_BODIES}")
        ends = list(self._branches(merge, env, value))
        self.depth -= 1
        if not ends:
            raise merge.word.error(f"no branch of `{merge.word}` is present here")
        if merge.word.value == "parts":
            if merge.call.args or merge.call.named:
                raise merge.word.error("`parts:` takes no arguments")
            return tuple([part for end in ends for part in end])
        op, values = self._op(merge.call, env)
        if len(ends) == 1 and not values:
            return ends[0]
        for end in ends:
            if len(end) > 1:
                raise merge.word.error(f"a branch of `{merge.word}` has {_parts(end)}; it needs one value")
        return self._append(op, (*[end[0] for end in ends], *values), merge.word, merge.call)

    def _branches(self, merge: Merge, env: Env, value: Value) -> Iterator[Value]:
        """Where the branches of a merge end that are present."""
        for branch in merge.branches:
            condition = branch.condition
            if condition is not None and not condition.holds(env):
                continue
            if not merge.repeated:
                yield self.body(branch, env, value)
                continue
            [line] = branch.items
            assert isinstance(line, Line)
            [call] = line.calls
            assert call.times is not None
            for _ in self._rounds(call.times, env):
                self._step(call.word)
                yield self.call(call, env, value)

    def cell(self, call: Call, env: Env, value: Value) -> Value:
        """A cell that is no value's name: what the notation says, with the names where the table stands."""
        read = self.family.read_cell(call.word)
        if read is None:
            raise unread(self.family, call.word, [name for name, known in env.items() if isinstance(known, Ref)])
        _, holes, body = read
        columns = {name: cell_value(text) for name, text in holes.items()}
        own = {**columns, **_held(columns, env), **self._entering(value)}
        before = _kept(env, own)
        env.update(own)
        outer, self.weights = self.weights, {}
        try:
            value = self.body(body, env, value)
        except SpecError as error:
            raise error.within(f"the cell `{call.word}`, {call.word.where}") from None
        self.weights = outer
        _restore(env, before)
        return value

    def unrolled(self, steps: Unrolled, env: Env, value: Value) -> Value:
        """The body of `steps:` for each token of the value, with the weights of the first; the ends as tokens. Names of
        `env` that the body gives again come from the step before, and are the last step's from here on."""
        tokens = self.builder.shape(value[0])
        if len(value) > 1 or not isinstance(tokens, Tokens):
            here = _parts(value) if len(value) > 1 else dims(tokens)
            raise steps.word.error(f"`{steps.word}:` works on the tokens of a sequence; this value is {here}")
        if self.gates:
            raise steps.word.error(
                f"`{steps.word}:` goes from token to token, and an expert sees only those that chose it"
            )
        carried = {name.value: name for name in steps.body.names if isinstance(env.get(name.value), Ref)}
        given_anew = (*self._entering(value), *self._names(steps.body))
        owners: list[int] = []
        ends: list[int] = []
        sharing: list[tuple[int, int]] = []
        first = 0
        alike: Done | None = None  # the second step, as further ones are but for the states
        self.unrolling += 1
        outer = self.before_step, self.states
        for index in range(tokens[0]):
            if alike is not None:
                ends.append(self._step_again(alike, OPS["take"](index=index), value[0], carried, env, steps.word))
                start = len(self.builder) - (alike.span.stop - alike.span.start)
                for number, owner in sharing:
                    self.builder.share(start + number, owner)
                continue
            self._step(steps.word, 4)
            before_step, results = self.steps, len(self.together)
            states = tuple([state for name in carried for state in env[name].value])
            self.before_step, self.states = len(self.builder), frozenset(states)
            span = self.builder.open(value[0], steps.word, "step")
            end = self._append(OPS["take"](index=index), value, steps.word)
            start, before = len(self.builder), {name: env.get(name, _NONE) for name in given_anew}
            env.update(self._entering(end))
            for item in steps.body.items:
                end = self.item(item, env, end)
            self.builder.close(*end)
            shape = self.builder.shape(end[0])
            if len(end) > 1 or len(shape) != 1:
                here = _parts(end) if len(end) > 1 else dims(shape)
                raise steps.word.error(f"a step ends with a vector; here it ends with {here}")
            for name, given in carried.items():
                came, goes = self._sizes(before.pop(name)), self._sizes(env[name])
                if came != goes:
                    raise given.error(f"`{name}` comes to a step as {came}, and goes to the next one as {goes}")
            owners = self._share(owners, start, steps.word)
            _restore(env, before)
            ends.append(end[0])
            nodes = len(self.builder) - span.start
            if index == 0:
                first = span.start
            elif tokens[0] * nodes > MAX_NODES:
                message = f"{tokens[0]:,} steps of {nodes} nodes are more than {MAX_NODES:,}: refused"
                raise steps.word.error(message, "A linear recurrence is one op, at any length: `scan(gates)`.")
            elif index == 1 and len({*states}) == len(states) and min(states, default=first) >= first:
                outside = [entry for entry in self.builder.entering(span) if entry not in states]
                goes_on = tuple([state for name in carried for state in env[name].value])
                taken, results_ = self.steps - before_step, tuple(self.together[results:])
                alike = Done(span, (*states, *outside), (*end, *goes_on), taken, results_)
                sharing = self.builder.shared(span)
        self.unrolling -= 1
        self.before_step, self.states = outer
        value = self._append(OPS["stack"](), tuple(ends), steps.word)
        self.together.append((*value, *(state for name in carried for state in env[name].value)))
        return value

    def _step_again(self, alike: Done, take: Op, value: int, carried: Iterable[str], env: Env, where: Text) -> int:
        """Another step like `alike`, of another token and with other states; where it ends. `env` has the states."""
        self._step(where, 4 + alike.steps)
        states = [state for name in carried for state in env[name].value]
        entering = (*states, *alike.entering[len(states) :])
        self.builder.open(value, where, "step")
        end, *goes_on = self._repeat(alike, entering, take)
        left = iter(goes_on)
        for name in carried:
            env[name] = Ref(tuple(islice(left, len(env[name].value))))
        self.builder.close(end)
        return end

    def routed(self, word: Text, call: Call, body: Body, env: Env, value: Value) -> Value:
        """A router, and the body of `experts(n, k):` for each token with the weights of the experts that it chooses:
        each `linear` in it has those of all."""
        if len(value) > 1 or not isinstance(self.builder.shape(value[0]), Tokens):
            here = _parts(value) if len(value) > 1 else dims(self.builder.shape(value[0]))
            raise word.error(f"`{EXPERTS}` works on the tokens of a sequence; this value is {here}")
        given = _bind(call, list(_EXPERTS), EXPERTS)
        if len(given) < 2 or not {"n", "k"} <= given.keys():
            raise word.error(f"`{EXPERTS}` wants how many experts there are, and how many of them a token runs through")
        own: dict[str, Any] = {}
        for name, argument in given.items():
            try:
                own[name] = convert(argument(env), _EXPERTS[name], name)
            except OpError as error:
                raise argument.text.error(error.message) from None
        if own["k"] > own["n"]:
            raise given["k"].text.error(f"a token runs through at most all {own['n']} experts, not {own['k']}")
        self._step(word, 4)
        self.builder.open(value[0], word, EXPERTS)
        scores = self._append(OPS["linear"](out=own["n"], bias=own.get("bias", False)), value, word)
        gates = self._append(OPS["gates"](chosen=own["k"], normalize=own.get("normalize", True)), scores, word)
        copies = self._append(OPS["copies"](count=own["k"]), value, word)
        outer, self.gates = self.gates, gates
        end = self.body(body, env, copies)
        self.gates = outer
        if len(end) > 1:
            raise word.error(f"an expert ends with one value, not with {_parts(end)}")
        value = self._append(OPS["combine"](gates=True), (*end, *gates), word)
        self.builder.close(value[0])
        return value

    def _of_each_expert(self, op: Op, inputs: Value, where: Text) -> tuple[Op, Value]:
        """An op in the body of `experts`: a fully connected layer has weights of each expert, no other op has any."""
        own = op.of_each_expert()
        if own is not None:
            return own, inputs + self.gates
        try:
            params = op.params(*map(self.builder.shape, inputs))
        except (OpError, TypeError, IndexError, ValueError):  # appending it says what is wrong
            params = ()
        if params:
            raise where.error(f"`{where}` has weights: in `{EXPERTS}` only `linear` has some of each expert")
        return op, inputs

    def _sizes(self, ref: Ref) -> str:
        return " and ".join(dims(self.builder.shape(value)) for value in ref.value)

    def _share(self, owners: list[int], start: int, where: Text) -> list[int]:
        """Give the nodes from `start` on the parameters of `owners`, one by one, and return these; where there are no
        owners yet, they are the owners. Raises SpecError at `where` for parameters of another shape."""
        here = [index for index in range(start, len(self.builder)) if self.builder.params(index)]
        if not owners:
            return here
        if len(here) != len(owners):
            line = self.builder.where(owners[0]).line
            theirs, ours = _parts(owners, "layer"), _parts(here, "layer")
            raise where.error(f"`{where}` are the weights of {theirs} in line {line}; here {ours} would have them")
        for index, owner in zip(here, owners, strict=True):
            new, old = self.builder.params(index), self.builder.params(owner)
            if new != old:
                call, word = self.builder.where(owner), self.builder.where(index)
                raise where.error(
                    f"`{where}` is {_tensors(old)} of `{call}` in line {call.line}; `{word}` wants {_tensors(new)} here"
                )
            self.builder.share(index, owner)
        return owners

    def call(self, call: Call, env: Env, value: Value) -> Value:
        simple = self._simple.get(id(call))
        if simple is not None and len(value) == 1 and not self.gates:  # as most are
            self._step(call.word)
            if simple.op is not None:
                return self._append(simple.op, value, call.word, call)
            op, values = self._op(call, env)
            return self._append(op, (*value, *values), call.word, call)
        if call.cell:
            return self.cell(call, env, value)
        if call.weights is None:
            return self._call(call, env, value)
        start = len(self.builder)
        value = self._call(call, env, value)
        owners = self._share(self.weights.get(call.weights.value, []), start, call.weights)
        if not owners:
            raise call.weights.error(f"`{call.word}` has no weights that could be shared")
        self.weights[call.weights.value] = owners
        return value

    def _call(self, call: Call, env: Env, value: Value) -> Value:
        word = call.word.value
        block = self.family.blocks.get(word)
        if block is not None:
            return self._open(block, call, env, value)
        borrowed = self.family.borrowed.get(word)
        if borrowed is not None:
            return self._borrow(borrowed, call, env, value)
        self._step(call.word)
        if word == "identity":
            if call.args or call.named:
                raise call.word.error("`identity` takes no arguments")
            return value
        if len(value) > 1:
            raise call.word.error(
                f"`{word}` takes one value, here are {_parts(value)}", "Give the parts names: `left, right: split(2)`."
            )
        op, values = self._op(call, env)
        inputs = (*value, *values)
        if self.gates:
            op, inputs = self._of_each_expert(op, inputs, call.word)
        if self.unrolling and op.family == "recurrent":
            self._check_state(call, op, inputs)
        if op.single:
            value = self._append(op, inputs, call.word, call)
            if not op.lays_out and op.family != "recurrent" and call.weights is None:
                self._simple[id(call)] = Simple(call, self._ops.get((id(call),)))
        else:
            value = tuple([self._append(piece, inputs, call.word, call)[0] for piece in op.pieces])
        if op.lays_out and len(self.builder.shape(value[0])) > 1:
            self._check_order(op, inputs[0], call)
        if self.gates:
            self._check_alone(op, inputs, call.word)
        cuts = () if op.single else op.results(self.builder.shape(inputs[0]))
        if cuts:
            value = tuple([value[0] if cut is None else self._append(cut, value, call.word)[0] for cut in cuts])
            self.together.append(value)
        return value

    def _check_order(self, op: Op, value: int, call: Call) -> None:
        """Raise SpecError where elements are laid out anew that stood in a shape from which `op` takes none."""
        try:
            op.shape(self.builder.laid_out(value))
        except OpError as error:
            raise self._at_fault(error, call.word, call).error(error.message) from None

    def _check_alone(self, op: Op, inputs: Value, where: Text) -> None:
        """Raise SpecError at an op in the body of `experts` that reads other tokens beside each: an expert has only
        those that chose it."""
        windows = op.receptive_window(*[many(self.builder.shape(value), ()) for value in inputs])
        if not op.regroups and any(window is None or {*window} - {ReceptiveWindow()} for window in windows):
            hint = f"Call it in front of `{EXPERTS}:` or behind it."
            raise where.error(f"`{where}` reads several tokens, and an expert sees only those that chose it", hint)

    def _check_state(self, call: Call, op: Op, inputs: Value) -> None:
        """Raise SpecError at a recurrent op in `steps:` that begins anew at every step: from zero or, where it makes
        one step itself, from a value that is the same in all of them."""
        word = call.word.value
        named = [a.name for a in ARGUMENTS[word] if a.name in ("hidden", "cell")]
        states = ", ".join(f"{name}={name[0]}" for name in named)
        if len(inputs) == 1:
            hint = f"Give it the state of the step before, by its name: `{word}(…, {states})`; or call it outside."
            raise call.word.error(f"`{word}` begins from zero at every step here", hint)
        if len(self.builder.shape(inputs[0])) > 1:
            return
        for name, value in zip(named, inputs[1:], strict=False):
            if value not in self.states and (value < self.before_step or self.builder.fixed(value)):
                said = ", ".join(name[0] for name in named)
                several = ", states=True" if len(named) > 1 else ""
                again = f"`{said}: {word}(…, {states}{several})`"
                hint = f"A state has its name before `steps:`, and is given again inside: {again}."
                raise call.word.error(f"`{word}` begins from the same `{name}` at every step here", hint)

    def _step(self, where: Text, count: int = 1) -> None:
        self.steps += count
        if self.steps > MAX_STEPS:
            raise where.error(f"this spec opens more than {MAX_STEPS:,} blocks, lines and calls: refused")

    def _times(self, times: Expr, env: Env) -> int:
        try:
            count: int = convert(times(env), "int", "the number of repeats")
        except OpError as error:
            raise times.text.error(error.message.replace("`", "")) from None
        if count > MAX_NODES:
            raise times.text.error(f"a call is repeated at most {MAX_NODES:,} times")
        return count

    def _append(self, op: Op, inputs: Value, where: Text, call: Call | None = None) -> Value:
        try:
            return (self.builder.append(op, inputs, where),)
        except OpError as error:
            raise self._at_fault(error, where, call).error(error.message) from None

    def _at_fault(self, error: OpError, where: Text, call: Call | None) -> Text:
        """The argument that an OpError names, where the call gives it, else the call's word."""
        if call is not None and error.field:
            names = [argument.name for argument in ARGUMENTS[call.word.value]]
            given = dict(zip(names, call.args, strict=False)) | {name.value: value for name, value in call.named}
            if error.field in given:
                return given[error.field].text
        return where

    # --- ops and blocks ------------------------------------------------------------------------------------------

    def _op(self, call: Call, env: Env) -> tuple[Op, Value]:
        """The op that a call means, and the values among its arguments (a second input, as in `crop(wide)`)."""
        always = self._ops.get((id(call),))  # its arguments are the same everywhere
        if always is not None:
            return always, ()
        bound = self._bound.get(id(call))
        if bound is None:
            bound = self._bound[id(call)] = self._bind_op(call)
        _, cls, pairs, varies = bound
        get = env.get  # a number behind a name, as most are, needs no evaluation
        values = tuple([v if type(v := get(a.name or "")) is int else a(env) for _, _, a in pairs])
        refs: Value = ()
        if Ref in map(type, values):
            refs, values = self._refs(call, pairs, values)
        key = (id(call), *values, *map(type, values)) if varies else (id(call),)
        op = self._ops.get(key)
        if op is None:
            arguments = {}
            for (name, kind, argument), value in zip(pairs, values, strict=True):
                try:
                    arguments[name] = convert(value, kind, name)
                except OpError as error:
                    raise argument.text.error(error.message) from None
            op = self._ops[key] = cls(**arguments)
        return op, refs

    def _refs(self, call: Call, pairs: Pairs, values: tuple[Any, ...]) -> tuple[Value, tuple[Any, ...]]:
        """Take the values out of the arguments; an op's field of the kind `Value` takes True for one."""
        refs: list[int] = []
        for (name, kind, argument), value in zip(pairs, values, strict=True):
            if isinstance(value, Ref):
                if not kind.startswith(("Value", "Like")):
                    raise argument.text.error(f"`{name}` of `{call.word}` cannot be a value of the network")
                if len(value.value) > 1:
                    raise argument.text.error(f"`{argument.text}` is {_parts(value.value)}; one value is wanted")
                refs += value.value
        return tuple(refs), tuple([True if isinstance(value, Ref) else value for value in values])

    def _bind_op(self, call: Call) -> Bound:
        word = call.word.value
        cls = OPS.get(word)
        if cls is None:  # every other word was refused when the file was read
            raise unknown_value(call.word)
        fields = ARGUMENTS[word]
        kinds = {argument.name: argument.kind for argument in fields}
        given = _bind_all(call, fields)
        for source in (word, cls.takes_defaults_of):
            for name, (_, argument) in self.family.defaults.get(source, {}).items():
                if name in kinds:
                    given.setdefault(name, argument)
        missing = [argument.name for argument in fields if argument.required and argument.name not in given]
        if missing:
            raise call.word.error(f"`{word}` wants {_listed(missing)}", _usage(word))
        said = [name for name in kinds if name in given]  # in the op's order, which is that of its inputs
        spelled = {name for name in said if kinds[name].startswith("Word")}
        pairs = tuple([(n, kinds[n], Pattern(given[n].text) if n in spelled else given[n]) for n in said])
        return call, cls, pairs, not all(argument.constant for _, _, argument in pairs)

    def _open(self, block: Block, call: Call, env: Env, value: Value) -> Value:
        self._step(call.word, 4)
        name, known = block.name.value, f"{self.home}{block.name}"
        if known in self.opening:
            chain = " → ".join([*self.opening[self.opening.index(known) :], known])
            raise call.word.error(f"the block `{name}` contains itself: {chain}")
        if len(self.opening) >= MAX_DEPTH:
            raise call.word.error(f"blocks are nested deeper than {MAX_DEPTH}")
        inner = {**self.constants, **self._entering(value)}
        own = self._arguments(block, call, env, inner)
        inner.update(own)
        entering = (*value, *(entry for ref in own.values() if isinstance(ref, Ref) for entry in ref.value))
        return self._opened(Opening(block, call, known, own, inner, entering, value))

    def _opened(self, opening: Opening) -> Value:
        """The value of a block that is called: the nodes of one alike are copied."""
        call, name, entering = opening.call, opening.block.name.value, opening.entering
        key = self._alike(name, opening.own, entering)
        done = None if self.gates else self._done.get(key)
        span, steps, results = self.builder.open(opening.value[0], call.word, name), self.steps, len(self.together)
        if done is not None:
            self._step(call.word, done.steps)
            value = self._repeat(done, entering)
            self.builder.close(*value)
            return value
        value = self._built(opening)
        self.builder.close(*value)
        if not self.gates:  # what is not handed in cannot be another's
            self._done[key] = Done(span, entering, value, self.steps - steps, tuple(self.together[results:]))
        return value

    def _built(self, opening: Opening) -> Value:
        """The value of a block that is called, built."""
        block, call, known, own, inner, _, value = opening
        outer, self.weights = self.weights, {}
        self.opening.append(known)
        self.depth += 1
        try:
            value = self.body(block.body, inner, value)
        except SpecError as error:
            values = ", ".join(f"{key}={show(v)}" for key, v in own.items() if isinstance(v, (int, Fraction, tuple)))
            called = f"{block.name}({values})" if values else block.name.value
            raise error.within(f"`{called}`, {call.word.where}") from None
        self.depth -= 1
        self.opening.pop()
        self.weights = outer
        return value

    def _borrow(self, borrowed: Borrowed, call: Call, env: Env, value: Value) -> Value:
        """A block or a part of another file, which is read there as it is here."""
        there = self._of(borrowed)
        there.gates, there.unrolling = self.gates, self.unrolling
        there.before_step, there.states = self.before_step, self.states
        if borrowed.rows:
            value = self._part(there, borrowed, call, value)
        else:
            block = there.family.blocks.get(borrowed.name.value)
            if block is None:
                hint = did_you_mean(borrowed.name.value, there.family.blocks)
                raise borrowed.name.error(f"`{borrowed.source}` has no block `{borrowed.name}`", hint)
            value = there._open(block, call, env, value)
        self.steps = there.steps
        return value

    def _part(self, there: _Expander, borrowed: Borrowed, call: Call, value: Value) -> Value:
        name, source = borrowed.name.value, borrowed.source.value
        if call.args or call.named:
            raise call.word.error(f"`{name}` is a part of `{source}` and takes no arguments")
        if len(value) > 1:
            raise call.word.error(f"`{name}` takes one value, here are {_parts(value)}")
        there._step(call.word, 4)
        if len(self.opening) >= MAX_DEPTH:
            raise call.word.error(f"blocks are nested deeper than {MAX_DEPTH}")
        self.builder.open(value[0], call.word, name)
        self.opening.append(f"{self.home}{name}")
        try:
            value = there.part(borrowed.rows, value)
        except SpecError as error:
            raise error.within(f"`{name}`, a part of `{source}`, {call.word.where}") from None
        self.opening.pop()
        self.builder.close(*value)
        return value

    def _arguments(self, block: Block, call: Call, env: Env, inner: Env) -> dict[str, Any]:
        """The values of a block's parameters: what the call gives, as it stands in `env`, and defaults from `inner`."""
        given = _bind(call, [parameter.value for parameter, _ in block.parameters], block.name.value)
        own: dict[str, Any] = {}
        for parameter, default in block.parameters:
            argument = given.get(parameter.value)
            if argument is not None:
                value = env.get(argument.name or "")
                own[parameter.value] = value if type(value) is int else argument(env)
            elif default is not None:
                own[parameter.value] = default(inner)
            else:
                wanted = [p.value for p, d in block.parameters if d is None and p.value not in given]
                signature = ", ".join(p.value if d is None else f"{p}={d.text}" for p, d in block.parameters)
                raise call.word.error(f"`{block.name}` wants {_listed(wanted)}", f"It is `{block.name}({signature})`.")
        return own

    def _repeat(self, done: Done, entering: Value, first_op: Op | None = None) -> Value:
        """The value of a block that was opened before, on other values of the same shapes."""
        moved = dict(zip(done.entering, entering, strict=True))
        offset = self.builder.repeat(done.span, moved, first_op)

        def here(values: Value) -> Value:
            return tuple([moved[end] if end < done.span.start else end + offset for end in values])

        self.together += map(here, done.together)
        return here(done.value)

    def _alike(self, name: str, given: dict[str, Any], entering: Value) -> tuple[Any, ...]:
        """The key of blocks that give the same nodes; with their place, as some depths are refused."""
        values = [len(v.value) if isinstance(v, Ref) else v for v in given.values()]
        shapes = [self.builder.shape(value) for value in entering]
        shapes += [self.builder.laid_out(value) for value in entering]
        same = [entering.index(value) for value in entering]
        return (
            name,
            *self.opening,
            self.depth,
            bool(self.unrolling),
            *map(type, given.values()),
            *values,
            *same,
            *shapes,
        )  # 1 is not True


def _repeats_nothing(line: Line, call: Call) -> SpecError:
    """The error at a repeat whose second round does nothing, with the block that was meant."""
    assert call.times is not None
    times = call.times.text
    hint = f"Write one `{call.word}`."
    before = line.text.value[: max(times.col - line.text.col, 0)].rstrip("x( ") if times.line == line.text.line else ""
    if line.calls.index(call):
        hint = f"A block repeats all of them: `{before}` under `blocks:` as `unit`, and here `unit x{times}`."
        hint = hint if times.value.isdigit() else hint.replace(f"x{times}", f"x({times})")
    return times.error(f"this repeats `{call.word}` alone, of which a second one is of no use", hint)


def _kept(env: Env, names: Iterable[str]) -> Env:
    """What names mean, before they are given anew for a while: `_NONE` where they mean nothing."""
    return {name: env.get(name, _NONE) for name in names}


def _restore(env: Env, before: Env) -> None:
    for name, value in before.items():
        if value is _NONE:
            env.pop(name, None)
        else:
            env[name] = value


def _part_of_path(name: str) -> str:
    """`name` as a line can hold it, without the character that stands between the parts of a path."""
    return printable(name).replace("/", "∕")


def _parts(value: Value | list[int], word: str = "part") -> str:
    """`2 parts`."""
    return f"{len(value)} {word}{'s' * (len(value) != 1)}"


def _held(columns: Mapping[str, Any], env: Env) -> dict[str, Ref]:
    """Of the cells of a row those that hold the name of a value."""
    held = {name: env.get(cell.text.value) for name, cell in columns.items() if isinstance(cell, Opaque)}
    return {name: value for name, value in held.items() if isinstance(value, Ref)}


def _tensors(params: tuple[Param, ...]) -> str:
    kinds = {"norm": "norm ", "stat": "statistic "}
    return " and ".join(kinds.get(param.kind, "") + f"{param.name} {dims(param.shape)}" for param in params)


def _text_of(item: Item | Body) -> Text:
    if isinstance(item, Step):
        return item.cell
    if isinstance(item, Named):
        return item.names[0] if isinstance(item.item, Body) else _text_of(item.item)
    return item.where if isinstance(item, Body) else item.text if isinstance(item, Line) else item.word


LONG, LONGEST = 32, 40  # letters of what a row is called in tables and pictures


def _short(item: Item, env: Env) -> str:
    """What a row is called: its line as written, or, where that is not in numbers or long, with numbers, or its words
    alone."""
    line, text = inner(item), _text_of(item).value
    if isinstance(item, Step) or not isinstance(line, Line):
        return _cut(text)
    if len(text) <= LONG and not line.condition and all(map(_in_numbers, line.calls)):
        return text
    try:
        if line.condition is not None and not line.condition.holds(env):
            return _cut(text)
        times = ["" if call.times is None else f" x{show(call.times(env))}" for call in line.calls]
    except SpecError:
        return _cut(text)
    worded = any(_is_word(call, name) for call in line.calls for name, _ in call.named)
    for brief in (False, True)[: 1 + worded]:
        full = " ".join(_numbered(call, env, brief) + count for call, count in zip(line.calls, times, strict=True))
        if len(full) <= LONG:
            return full
    return _cut(" ".join(f"{call.word}{count}" for call, count in zip(line.calls, times, strict=True)))


def _in_numbers(call: Call) -> bool:
    named = (argument for name, argument in call.named if not _is_word(call, name))
    return all(argument.constant for argument in (*call.args, *named)) and (call.times is None or call.times.constant)


def _is_word(call: Call, name: Text) -> bool:
    """Whether an argument is one of a few words, as `mode=reflect`."""
    fields = ARGUMENTS.get(call.word.value, ())
    return any(field.name == name.value and field.kind.startswith("Word") for field in fields)


def _numbered(call: Call, env: Env, brief: bool = False) -> str:
    """A call with the values of its arguments, where it is to be `brief` of the named ones words alone; what is no
    number stands as written."""
    found = []
    named = [(name, argument) for name, argument in call.named if not brief or _is_word(call, name)]
    for name, argument in (*((None, argument) for argument in call.args), *named):
        try:
            value = argument(env)
        except SpecError:
            value = None
        if name is not None and _is_word(call, name):
            found.append(f"{name}={argument.text}")
        elif value is not None:  # not, as `first`, something else in every round
            number = isinstance(value, (int, Fraction, tuple)) and not isinstance(value, bool)
            found.append(f"{name}=" * (name is not None) + (show(value) if number else argument.text.value))
    return f"{call.word}({', '.join(found)})" if found else call.word.value


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip(' ,(')}…"


def _names_of(item: Item) -> str:
    """The names that a line of a plain list gives."""
    named = item.item if isinstance(item, Step) else item
    return ", ".join(map(str, named.names)) if isinstance(named, Named) else ""


def _lines_called(body: Body, names: Iterable[Text]) -> list[tuple[int, slice]]:
    """The lines of a plain list that are called so, or give a value so, and which part of theirs it is. Raises
    SpecError where there is none, or where there are several."""
    known = [(_name_of(item), n, slice(None)) for n, item in enumerate(body.items)]
    for n, item in enumerate(body.items):
        several = _names_of(item).split(", ")
        known += [(name, n, slice(at, at + 1)) for at, name in enumerate(several) if len(several) > 1]
    found = []
    for name in names:
        lines = [(n, part) for line, n, part in known if same(name.value, line)]
        if len(lines) > 1:
            raise name.error(f"`{name}` names {len(lines)} lines")
        if not lines:
            raise no_row(name, [line for line, _, _ in known])
        found += lines
    return found


def _name_of(item: Item) -> str:
    """How a line of a plain list is called: by its names, or by its text."""
    return _names_of(item) or _text_of(item).value


def _bind_all(call: Call, fields: tuple[Field, ...]) -> dict[str, Given]:
    """The arguments of a call of an op by name; where one field takes several counts or sizes by names of their own,
    these as one. Raises SpecError as `_bind` does."""
    by_kind = {field.kind: field.name for field in fields}
    several, keyed = by_kind.get("Counts"), by_kind.get("Axes")
    names = [field.name for field in fields if field.name != keyed]
    found: dict[str, Given] = {}
    if several is not None and len(call.args) > 1:
        found[several], call = Several(call.args), call._replace(args=())
        names.remove(several)
    if keyed is not None:
        own = {name.value: value for name, value in call.named if name.value not in names}
        found |= {keyed: Several(tuple(own.values()), tuple(own))} if own else {}
        call = call._replace(named=tuple(pair for pair in call.named if pair[0].value not in own))
    return _bind(call, names) | found


def _bind(call: Call, names: list[str], block: str = "") -> dict[str, Given]:
    """The arguments of a call by name. Raises SpecError where there are too many, or one is unknown or given twice."""
    if len(call.args) > len(names):
        extra = call.args[len(names)].text
        takes = f"takes {len(names)} argument{'s' * (len(names) != 1)}" if names else "takes no arguments"
        here = "here is one" if len(call.args) == 1 else f"here are {len(call.args)}"
        raise extra.error(f"`{call.word}` {takes}, {here}", "" if block else _usage(call.word.value))
    given: dict[str, Given] = dict(zip(names, call.args, strict=False))
    for name, argument in call.named:
        if name.value not in names:
            what = "parameter" if block else "argument"
            raise name.error(f"`{call.word}` has no {what} `{name}`", suggest_argument(name.value, names))
        if name.value in given:
            raise name.error(f"the argument `{name}` is given twice")
        given[name.value] = argument
    return given


def _usage(word: str) -> str:
    fields = ARGUMENTS[word]
    if not fields:
        return f"It is written `{word}`."
    shown = (a.name if a.required else f"{a.name}={'…' if a.default is None else a.default}" for a in fields)
    return f"It is `{word}({', '.join(shown)})`."


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
