"""A trace as a Graph: a node a call, a span a module, memory by what the run held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from re import sub
from typing import Any

from ..errors import Source, SpecError, Text, printable
from ..graph import Code, Graph, Held, Node, Output, Runs, Span, Typed
from ..ops import OPS, Op, Param, Shape, Tokens
from ..ops.base import BUFFER, PARAMETER
from ..ops.base import Kind as ParamKind
from ..ops.base import Storage as Stands
from ..records import NamedTuple
from .call import CONSTANT, ODD, PARTS, Call, Facts, Own, argument
from .calls.kinds import SHAPED, Kind, elementwise, kind_of
from .calls.lift import lift
from .calls.macs import MACS
from .calls.reach import reach
from .calls.seen import Seen
from .traced import BYTES, TRAINING, Called, Learned, Ref, Traced, refs, wider

FREE = "moves or names values"
UNKNOWN = "no rule counts it"
HINT = "`--allow-unknown` counts the rest: every total is a lower bound then."
LEVELS = {"example": "the CPU, by an example,"}
KINDS = (BUFFER, PARAMETER)
ALONE = ({"tensor"}, {"parameter"})
PLACES = ("device", "pin_memory", "layout")
TRACKED = "num_batches_tracked"  # which no network reads
BIASED = ("addmm", "addmv")  # whose bias stands in front of the weights
CASTS = ("to", "_to_copy", "type_as")
TURNABLE = ("add", "mul")  # whichever of two values stands first
NUMBERS = (*TURNABLE, "sub", "div", "max", "maximum", "minimum")  # of which the second value may be a number
FEW = 3  # calls of a row that are named in it


def graph(
    traced: Traced, files: Mapping[str, Source] | None = None, allow_unknown: bool = False, again: Runs | None = None
) -> Graph:
    """The graph of a trace; `files` are the lines of the code, where they are at hand. Raises SpecError at the line of
    a call that no rule counts, or that is not what torch calls so."""
    return built(traced, files, allow_unknown, again).graph


class Origin(NamedTuple):
    """Where a node is from: the number of its call, and, of what is but a part of what that gives, which. `several`:
    its value is all that the call gives, of which nodes behind take the parts."""

    call: int
    part: int | None = None
    several: bool = False


class Built(NamedTuple):
    """A graph, the value that each tensor of the trace is there, and of each node where it is from."""

    graph: Graph
    values: Mapping[int, int]
    origins: list[Origin]


def built(
    traced: Traced, files: Mapping[str, Source] | None = None, allow_unknown: bool = False, again: Runs | None = None
) -> Built:
    """The graph of a trace as `graph` gives it, and what is what in it."""
    builder = _Builder(traced, files or {}, allow_unknown)
    return Built(builder.graph(again), builder.values, builder.origins)


class _Place(NamedTuple):
    """A call of a module in the tree: its path here, which is unique, what stands directly in it."""

    path: str
    kind: str
    start: int
    stop: int
    outputs: tuple[int, ...]
    inner: list[_Place]
    module: str


class _Builder:
    def __init__(self, traced: Traced, files: Mapping[str, Source], allow_unknown: bool) -> None:
        self.traced, self.files, self.allow_unknown = traced, files, allow_unknown
        self.nodes: list[Node] = []
        self.values: dict[int, int] = {tensor: -1 - n for n, (_, tensor) in enumerate(traced.inputs)}
        self.depends = {tensor for _, tensor in traced.inputs}  # on an input or a parameter
        self.led = {t for _, t in traced.inputs if traced.tensors[t].shape[:1] == (traced.batch,)}
        self.learned: dict[int, Learned] = {learned.tensor: learned for learned in traced.learned}
        self.depends |= {tensor for tensor, learned in self.learned.items() if learned.trained}
        self.owner: dict[int, int] = {}  # of a parameter: the node that reads it first
        self.kept = {traced.tensors[tensor].storage for tensor in self.learned}
        self.by_storage = {traced.tensors[tensor].storage: -1 - n for n, (_, tensor) in enumerate(traced.inputs)}
        self.written: dict[int, int] = {}  # by storage: the node that wrote it last
        self.reads = [call.read for call in traced.calls]
        self.used = {at for read in self.reads for at in read} | {at for _, at in traced.outputs}
        self.used |= {at for module in traced.modules for at in module.outputs}
        self.origins: list[Origin] = []
        self.keys: list[tuple[str, ...]] = []
        self.elements: list[int] = []
        self.bytes: list[int] = []
        self.allocated: list[int] = []
        self.roots: list[int] = []
        self.in_place: list[bool] = []
        self.last: dict[int, int] = {}  # by storage: the node that reads or writes it last
        self.first_node: list[int] = []  # by call
        self.unknown: list[str] = []
        self.notes: list[str] = [*traced.notes]
        self.taken: dict[str, int] = {}
        self.wheres: dict[tuple[str, int, str], Text] = {}

    def graph(self, again: Runs | None) -> Graph:
        traced = self.traced
        root = _tree(traced)
        paths = self._paths(root)
        for number, call in enumerate(traced.calls):
            self.first_node.append(len(self.nodes))
            self._call(number, call, paths[number])
        self.first_node.append(len(self.nodes))
        inputs = tuple((printable(name), self._input(tensor)) for name, tensor in traced.inputs)
        outputs = tuple(self.values[t] for _, t in traced.outputs if t in self.values)
        if not outputs:
            raise SpecError("its outputs depend on nothing that runs")
        spans = tuple(self._rows(root))
        return Graph(inputs, tuple(self.nodes), len(self.nodes), outputs, (), spans, self._code(again))

    def _code(self, again: Runs | None) -> Code:
        traced, first = self.traced, self.first_node
        end = len(self.nodes)
        outputs = {traced.tensors[t].storage for _, t in traced.outputs}
        memory = tuple(
            Held(
                size, first[born], end if at in outputs else self.last.get(at, first[born + 1] - 1),
                end if dies >= len(traced.calls) else max(first[dies] - 1, first[born]),
            )
            for at, (size, born, dies) in enumerate(traced.storages)
            if born >= 0 and born < len(traced.calls)
        )  # fmt: skip
        read = {at for each in self.reads for at in each}
        unused = [x for x in traced.learned if x.trained and x.tensor not in read]
        trained = [x.tensor for x in traced.learned if x.trained]
        known = {key for keys in self.keys for key in keys}
        others = [x for x in traced.learned if x.kept and not known & {*x.names} and not x.names[0].endswith(TRACKED)]
        return Code(
            batch=traced.batch,
            dtype=traced.dtype,
            elements=tuple(self.elements),
            bytes=tuple(self.bytes),
            allocated=tuple(self.allocated),
            roots=tuple(self.roots),
            in_place=tuple(self.in_place),
            inputs=tuple(traced.storages[traced.tensors[t].storage].bytes for _, t in traced.inputs),
            memory=memory,
            param_bytes=sum(self._size(tensor) * BYTES[traced.tensors[tensor].dtype] for tensor in trained),
            keys=tuple(self.keys),
            unused=tuple(Param(x.names[0], traced.tensors[x.tensor].shape, _kind(x.names[0])) for x in unused),
            others=tuple((x.names[0], traced.tensors[x.tensor].shape) for x in others),
            outputs=tuple(self._output(*output) for output in traced.outputs),
            unknown=tuple(dict.fromkeys(self.unknown)),
            notes=tuple(self.notes),
            said=f"traced on {LEVELS.get(traced.level, traced.level)} with torch {traced.torch}",
            again=again,
        )

    def _output(self, name: str, tensor: int) -> Output:
        learned = self.learned.get(tensor)
        made = "" if tensor in self.values else "a constant" if learned is None else f"`{printable(learned.names[0])}`"
        return Output(printable(name), made)

    # --- calls

    def _call(self, number: int, call: Called, path: str) -> None:
        traced = self.traced
        index = len(self.nodes)
        read = self.reads[number]
        inputs = variable = self._inputs(read)
        fixed: tuple[int, ...] = ()
        if call.constants:
            variable = self._inputs([tensor for tensor in read if tensor not in call.constants])
            fixed = tuple(at for at, value in enumerate(inputs) if value not in variable)
        seen = Seen(call := _with_numbers(call), traced.tensors)
        depends = call.name not in SHAPED and not self.depends.isdisjoint(read)
        storages = {traced.tensors[tensor].storage for tensor in read}
        made = call.outputs
        fresh = {s for t in made if (s := traced.tensors[t].storage) not in storages and self._born(s) == number}
        view = not call.writes and not fresh
        kind = kind_of(seen)
        known = kind is not None or view or not depends
        where = self._where(call)
        if not known:
            self.unknown.append(call.op)
            if not self.allow_unknown:
                raise where.error(f"no rule counts `{call.op}`, in {_module(call)}", HINT)
        kind = kind or Kind("layout")
        if depends:
            self.depends.update(made)
            batch = traced.batch
            self.led.update([t for t in made if traced.tensors[t].shape[:1] == (batch,)])
        first = made[0] if made else -1
        shape = self._shape(first)
        try:
            macs = MACS[call.name](seen) if call.name in MACS else 0  # of constants, too: each run works them out
            counts = elementwise(seen, kind) if depends and not view else {}
            if min(macs, *counts.values(), 0) < 0:
                raise ValueError
            params, keys, shares, mixed = self._params(index, call, kind, read)
            x = [self.nodes[v].shape if v >= 0 else self._shape(traced.inputs[-1 - v][1]) for v in inputs]
            narrow = self._narrows(call)
            plain = depends and not mixed and not narrow
            liked = lift(seen, [x[inputs.index(v)] for v in variable], shape, traced.batch, macs) if plain else None
            same = liked[0] if liked and liked[1] and len(x) == len(variable) else None
            reached = reach(seen, kind.family, x, shape, same) if x else ()
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
            raise where.error(f"`{call.op}` has arguments that torch gives it nowhere") from None
        free = CONSTANT if not depends else UNKNOWN if not known else "" if macs or counts else FREE
        stands: Stands = "inplace" if call.writes else "new" if fresh else "view"
        root = self._root(first, index) if made else index
        if stands == "view" and root < -len(traced.inputs):
            stands = "own"
        evaluated = not traced.level.endswith(TRAINING)
        if evaluated and call.op == "aten::dropout" and call.args.get("train") is True and call.args.get("p"):
            self.notes.append(f"dropout is active in an evaluation at {where.source.name}:{where.line}")
            liked = None
        facts = Facts(
            call.name, kind.family, kind.torch_module, shape, self._arguments(call, mixed), params, macs,
            tuple(counts.items()), stands, _depth(seen, kind, bool(params or shares is not None)), reached,
            liked and liked[0], bool(liked and liked[1]), free, fixed, narrow,
            seen.first() if read else (), seen.out if made else (),
        )  # fmt: skip
        self._append(Call(facts), inputs, shape, path, where, shares, keys)
        self._memory(first, sum(traced.storages[s].bytes for s in fresh), root, bool(call.writes))
        for storage in (*storages, *fresh, *call.writes):
            self.last[storage] = index
        for storage in fresh:
            self.by_storage[storage] = index
        for storage in call.writes:
            self.written[storage] = index
        parts = [tensor for tensor in made if tensor in self.used]
        several = call.several and parts not in ([first], [])
        self.origins.append(Origin(number, several=several))
        if not several:
            self.values.update(dict.fromkeys(made, index))
            return
        for place, tensor in enumerate(made):
            if tensor not in self.used:
                continue
            item = len(self.nodes)
            self.origins.append(Origin(number, place))
            shape = self._shape(tensor)
            alike = shape[1:] == self.nodes[index].shape[1:] and len(shape) > 1
            try:
                like, part = self._slice(call, place, liked and liked[0]), self._part(call, place)
            except ODD:
                raise where.error(f"`{call.op}` has arguments that torch gives it nowhere") from None
            of = seen.first() if read else ()
            one = Facts(
                "item", "layout", "", shape, (("index", place),), (), 0, (), "view", 0, ((),) if alike else None,
                like, False, "names a part", (), False, of, traced.tensors[tensor].shape, part,
            )  # fmt: skip
            self._append(Call(one), (index,), shape, f"{path}.{place}", where, None, ())
            self._memory(tensor, 0, self._root(tensor, item), False)
            self.values[tensor] = item
            self.last[traced.tensors[tensor].storage] = item

    def _slice(self, call: Called, place: int, whole: Any) -> Op | None:
        """What takes a part of a value, where the parts lie side by side along an axis, or it is the last state of a
        recurrent layer; `whole` is the op that the call equals."""
        sizes = [self.traced.tensors[tensor].shape for tensor in call.outputs]
        if place == 1 and whole is not None and whole.family == "recurrent" and not whole.bidirectional:
            return OPS["take"](sizes[0][1] - 1).normal(Tokens(sizes[0][1:]))  # the last state is the last output
        if call.name not in PARTS or not sizes[0]:
            return None
        if call.name == "unbind":
            return OPS["slice"](place, place + 1, axis=call.args.get("dim", 0))
        axis = call.args.get("dim", 0) % len(sizes[0])
        start = sum(size[axis] for size in sizes[:place])
        last = place == len(sizes) - 1
        return OPS["slice"](
            start,
            None if last else start + sizes[place][axis],
            axis=None if axis == 1 and len(sizes[0]) != 3 else axis - 1,
        )

    def _part(self, call: Called, place: int) -> tuple[int, int, int] | None:
        """The axis that parts lie along, where one begins and how long it is."""
        sizes = [self.traced.tensors[tensor].shape for tensor in call.outputs]
        if call.name not in PARTS:
            return None
        axis = call.args.get("dim", 0)
        if call.name == "unbind":
            return axis, place, 1
        return axis, sum(size[axis] for size in sizes[:place]), sizes[place][axis]

    def _append(
        self, op: Op, inputs: tuple[int, ...], shape: Shape, path: str, where: Text, shares: int | None,
        keys: tuple[str, ...],
    ) -> None:  # fmt: skip
        again = self.taken[path] = self.taken.get(path, 0) + 1
        self.nodes.append(Node(op, inputs, shape, path if again == 1 else f"{path}#{again}", where, "", shares))
        self.keys.append(keys)

    def _memory(self, tensor: int, allocated: int, root: int, in_place: bool) -> None:
        size = self._size(tensor)
        self.elements.append(size)
        self.bytes.append(size * BYTES[self.traced.tensors[tensor].dtype] if tensor >= 0 else 0)
        self.allocated.append(allocated)
        self.roots.append(root)
        self.in_place.append(in_place)

    def _inputs(self, read: list[int]) -> tuple[int, ...]:
        """The nodes that are read: those that made the tensors, and what has written their memory since."""
        found: list[int] = []
        for tensor in read:
            value = self.values.get(tensor)
            writer = self.written.get(self.traced.tensors[tensor].storage)
            if value is not None:
                found.append(value)
            if writer is not None and writer not in found and (value is None or writer > value):
                found.append(writer)
        return tuple(found)

    def _arguments(self, call: Called, mixed: bool) -> tuple[tuple[str, Any], ...]:
        """The arguments but those that say where and how one lies in memory. Of tensors that calls make the order of
        what is read says which they are, but in a list with others; of parameters the line itself does, but in a list
        with others and where they are of several."""
        found: list[tuple[str, Any]] = []
        for name, value in call.args.items():
            if name in PLACES:
                continue
            if isinstance(value, list):
                parts = [self._said(part, call, mixed) for part in value]
                if {*map(str, parts)} not in ALONE:
                    found.append((name, argument(parts)))
            elif not isinstance(value, Ref):
                found.append((name, value))
            elif (said := self._said(value, call, mixed)) != "tensor":
                found.append((name, said))
        return tuple(found)

    def _said(self, value: Any, call: Called, mixed: bool) -> Any:
        if not isinstance(value, Ref):
            return [self._said(part, call, mixed) for part in value] if isinstance(value, list) else value
        learned = self.learned.get(value)
        constant = sub(r"[^\w. ×+-]", "?", call.constants[value]) if value in call.constants else ""
        if learned is None:
            return Own(f"constant: {constant}" if constant else "tensor" if value in self.values else "constant")
        kind = "parameter"
        if mixed or not learned.trained:
            kind = f"{KINDS[learned.trained]} " + sub(r"[^\w.]", "?", learned.names[0])
        return Own(f"{kind}: {constant}" if constant else kind)

    def _narrows(self, call: Called) -> bool:
        """Whether a call gives numbers of a narrower type than it reads, and than the network has."""
        tensors = self.traced.tensors
        if not (call.name in CASTS or "dtype" in call.args) or not call.read or not call.outputs:
            return False
        if call.name == "view":  # of the same bits
            return True
        old, new = tensors[call.read[0]].dtype, tensors[call.outputs[0]].dtype
        return not wider(new, old) and not wider(new, self.traced.dtype)

    def _params(
        self, index: int, call: Called, kind: Kind, read: list[int]
    ) -> tuple[tuple[Param, ...], tuple[str, ...], int | None, bool]:
        """The parameters that the call is the first to read, their names in a `state_dict`, the node that all of its
        parameters belong to, where that is another one, and whether they belong to several."""
        if self.learned.keys().isdisjoint(read):
            return (), (), None, False
        own: list[Param] = []
        keys: list[str] = []
        owners: set[int] = set()
        given: Iterable[tuple[str, Any]] = call.args.items()
        if call.name in BIASED:
            given = sorted(given, key=lambda pair: pair[0] == "self")
        for name, value in given:
            for tensor in (value,) if isinstance(value, Ref) else refs(value):
                learned = self.learned.get(tensor)
                statistic = name in ("running_mean", "running_var")
                if learned is None or not (learned.trained or statistic):
                    continue
                owner = self.owner.setdefault(tensor, index)
                owners.add(owner)
                if owner != index or not {*keys}.isdisjoint(learned.names):
                    continue
                key = learned.names[0]
                if len(learned.names) > 1:
                    key = next((name for name in learned.names if name.rpartition(".")[0] == call.module), key)
                of: ParamKind = "stat" if statistic else "norm" if kind.family == "norm" else _kind(key, name)
                own.append(Param(key.rpartition(".")[2], self.traced.tensors[tensor].shape, of))
                keys.append(key)
        shares = owners.pop() if not own and len(owners) == 1 else None
        return tuple(own), tuple(keys), shares, len(owners) + (shares is not None) > 1

    # --- small things

    def _born(self, storage: int) -> int:
        return self.traced.storages[storage].born

    def _size(self, tensor: int) -> int:
        return prod(self.traced.tensors[tensor].shape) if tensor >= 0 else 0

    def _shape(self, tensor: int) -> Shape:
        """The shape without the batch, where that is the first axis."""
        shape = self.traced.tensors[tensor].shape if tensor >= 0 else ()
        return shape[1:] if tensor in self.led else shape

    def _input(self, tensor: int) -> Shape:
        """The shape of an input, with its dtype where that is not the network's."""
        shape, dtype = self._shape(tensor), self.traced.tensors[tensor].dtype
        return shape if dtype == self.traced.dtype else Typed(shape, dtype)

    def _root(self, tensor: int, index: int) -> int:
        """What the memory of a tensor belongs to: a node, an input, or below these what the node itself has."""
        storage = self.traced.tensors[tensor].storage
        own = -1 - len(self.traced.inputs) - index
        return self.by_storage.get(storage, index if self._born(storage) >= 0 else own)

    def _where(self, call: Called) -> Text:
        key = call.file, call.line, call.name
        if key not in self.wheres:
            source = self.files.get(call.file) or Source(call.file, ())
            line = source.lines[call.line - 1] if 0 < call.line <= len(source.lines) else ""
            at = line.find(call.name)
            word = call.name if at >= 0 else line.strip()
            self.wheres[key] = Text(word, source, call.line, max(at, len(line) - len(line.lstrip())) + 1)
        return self.wheres[key]

    # --- paths and rows

    def _paths(self, root: _Place) -> list[str]:
        """The path of each call: of a module's only call the module's, else that and the call's name. What a call
        reads tells where it belongs, where `forward` of a module was called by hand."""
        found: list[str] = [""] * len(self.traced.calls)
        self._walk(root, found)
        return found

    def _walk(self, place: _Place, found: list[str]) -> None:
        calls = self.traced.calls
        at, loose = place.start, list[int]()
        for inner in place.inner:
            loose += range(at, inner.start)
            at = inner.stop
            self._walk(inner, found)
        loose += range(at, place.stop)
        alone = len(loose) == 1 and not place.inner and place.path
        counts: dict[str, int] = {}
        for number in loose:
            name = calls[number].name
            counts[name] = counts.get(name, 0) + 1
        seen: dict[str, int] = {}
        for number in loose:
            name = calls[number].name
            seen[name] = seen.get(name, 0) + 1
            own = f"{name}.{seen[name]}" if counts[name] > 1 else name
            by_weight = self._belongs(self.reads[number], place.module)
            if by_weight:
                found[number] = by_weight
            else:
                found[number] = place.path if alone else f"{place.path}/{own}" if place.path else own

    def _belongs(self, read: list[int], module: str) -> str:
        """The module whose parameters a call reads, where it is not the one that runs."""
        names = [self.learned[tensor].names for tensor in read if tensor in self.learned]
        if not names or any(name.rpartition(".")[0] == module for each in names for name in each):
            return ""
        return names[0][0].rpartition(".")[0]

    def _rows(self, root: _Place) -> Iterator[Span]:
        """The calls of modules as spans: those of the whole network's own parts are its rows, and what stands between
        them is a row, too."""
        for place in _filled(root):
            yield from self._span(place, 0)

    def _span(self, place: _Place, depth: int) -> Iterator[Span]:
        start, stop = self.first_node[place.start], self.first_node[place.stop]
        outside = [v for node in self.nodes[start:stop] for v in node.inputs if not start <= v < stop]
        outputs = tuple(dict.fromkeys(self.values[t] for t in place.outputs if self.values.get(t, -1) >= start))
        path = place.path or self.nodes[start].path
        where = self.nodes[start].where
        kind = _listed(place) if place.kind == "…" else place.kind or self._named(start, stop)
        label = printable(path) if depth == 0 and place.kind else ""
        name = printable(path) if depth == 0 else ""
        yield Span(
            path, depth, start, stop, outside[0] if outside else -1, outputs or (stop - 1,), where, kind, label, name
        )
        for inner in _grouped(place.inner, place.module):
            if inner.inner or self.first_node[inner.stop] - self.first_node[inner.start] > 1:
                yield from self._span(inner, depth + 1)

    def _named(self, start: int, stop: int) -> str:
        words = [node.op.word for node in self.nodes[start:stop] if node.op.word != "item"]
        return ", ".join(words[:FEW]) + (f", … ({len(words)} calls)" if len(words) > FEW else "")


def _with_numbers(call: Called) -> Called:
    """The call with a number in the place of a constant that is one everywhere, where torch takes either."""
    if call.name not in NUMBERS:
        return call
    first, value = (call.args.get(name) for name in ("self", "other"))
    if call.name in TURNABLE and call.args.get("alpha", 1) == 1 and isinstance(first, Ref) and first in call.constants:
        first, value = value, first
    words = call.constants.get(value, "").split() if isinstance(value, Ref) else []
    if words[:1] != ["full"]:
        return call
    number = float(words[1])
    return call._replace(args={**call.args, "self": first, "other": int(number) if number.is_integer() else number})


def _tree(traced: Traced) -> _Place:
    """The calls of modules as they stand in each other; what runs nothing is left out. A module that is called again
    is `path#2`."""
    root = _Place("", "", 0, len(traced.calls), (), [], "")
    open_: list[_Place] = [root]
    times: dict[str, int] = {}
    for module in traced.modules:
        if module.start == module.stop or not module.path:
            continue
        while module.start >= open_[-1].stop:
            open_.pop()
        if module.stop > open_[-1].stop:
            raise SpecError(f"the calls of `{printable(module.path)}` do not stand in each other")
        above = open_[-1]
        path = module.path
        if above.module and path.startswith(f"{above.module}."):
            path = above.path + path[len(above.module) :]
        times[path] = times.get(path, 0) + 1
        path = path if times[path] == 1 else f"{path}#{times[path]}"
        place = _Place(path, module.kind, module.start, module.stop, module.outputs, [], module.path)
        above.inner.append(place)
        open_.append(place)
    return root


def _filled(root: _Place) -> list[_Place]:
    """What stands directly in the network, with a place for each stretch of calls between modules."""
    found: list[_Place] = []
    at = root.start
    for inner in [*_grouped(root.inner, ""), None]:
        stop = inner.start if inner else root.stop
        if at < stop:
            found.append(_Place("", "", at, stop, (), [], ""))
        if inner:
            found.append(inner)
            at = inner.stop
    return found


def _grouped(places: list[_Place], module: str) -> list[_Place]:
    """Parts of a list that is itself never called, as a `ModuleList`, under its name."""
    found: list[_Place] = []
    for place in places:
        if module and not place.module.startswith(f"{module}."):  # a module that belongs elsewhere
            found.append(place)
            continue
        rest = place.module[len(module) + 1 :] if module else place.module
        name, dot, _ = rest.partition(".")
        above = f"{module}.{name}" if module else name
        last = found[-1] if found else None
        path = place.path[: len(place.path) - len(place.module) + len(above)] if dot else ""
        if not dot:
            found.append(place)
        elif last is not None and last.path == path and not last.kind.strip("…"):
            last.inner.append(place)
            found[-1] = last._replace(stop=place.stop, outputs=place.outputs)
        else:
            times = sum(other.path.partition("#")[0] == path for other in found)
            unique = path if not times else f"{path}#{times + 1}"
            found.append(_Place(unique, "…", place.start, place.stop, place.outputs, [place], above))
    return found


def _listed(place: _Place) -> str:
    """What stands in a list of modules: `2 × Bottleneck`."""
    kinds = {inner.kind for inner in place.inner}
    return f"{len(place.inner)} × {kinds.pop() if len(kinds) == 1 else 'modules'}"


def _module(call: Called) -> str:
    return f"`{printable(call.module)}`" if call.module else "the network itself"


def _kind(key: str, name: str = "") -> ParamKind:
    return "bias" if name == "bias" or key.rpartition(".")[2].startswith(("bias", "in_proj_bias")) else "weight"


def _depth(seen: Seen, kind: Kind, weighted: bool) -> int:
    """How many weight layers a call is; a recurrent one at any length."""
    if kind.family == "recurrent":
        return int(seen.args.get("num_layers", 1))
    return int(kind.family in ("convolution", "linear") and weighted)
