"""A lock: what matters of networks as text that a person reviews, one line a node.

    archcalc lock 1
    model resnet50
      input 3×224×224
      params 25,557,032
      nodes 175
        conv1/conv | conv(out=64, kernel=7, stride=2, bias=False) | 64×112×112 | 9,408 | 118,013,952 | …
    end

Places in the spec are not in it: a comment in a spec changes no lock. `docs/gate.md` describes the format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import dropwhile, takewhile
from pathlib import Path

from .. import files
from ..alignment.weights import State
from ..analysis.arithmetic import usage
from ..analysis.counts import Layer, Report
from ..errors import Source, SpecError, Text, UsageError, did_you_mean, printable
from ..graph import Graph, Input, Typed
from ..ops import Op, Shape, dims
from ..ops.shapes import numel
from ..records import NamedTuple
from ..units import ITEMSIZE

VERSION = 1
NAME = "archcalc.lock"
FIRST = "archcalc lock "
HEAD = (
    f"{FIRST}{VERSION}",
    "# `archcalc check` compares, `archcalc check --update` accepts what has changed. A node a line:",
    "# path | op | output | params | MACs | activation bytes | parameters and statistics | reads (else the line above)",
)
LAST = "end"
BAR = " | "
CELLS = 7  # of a line, in front of what it reads
MAX_BYTES = 64 * 2**20
MAX_LINES = 500_000
MAX_DEPTH = 100  # parts of a path
RESTORE = "Take it from version control again."
CONFLICT = re.compile(r"(<{7}|={7}|>{7}|\|{7})( |$)")
SHARED = "as "  # in place of the parameters: those of another node
NOTHING = "-"
BELOW, ELSEWHERE = ".", "="  # of code: in front of what a `state_dict` has below the path, and of a whole name
UNUSED = "unused"  # of code: a parameter that nothing reads, a line of its own
WITH_HEADS = " with heads"
# Of a model; FLOPs and the bytes of parameters are not, as they follow from these.
TOTALS = (
    *("params", "macs", "weights", "biases", "norm_params", "norm_stats"),
    *("activation_bytes", "peak_memory_bytes", "weight_layers"),
)
ACTIVE = "active_params"  # said where it is another number
SAID = (*TOTALS, ACTIVE, *(f"{name} with heads" for name in TOTALS[:2]), "nodes", "rows")  # in front of a number


class LockLine(NamedTuple):
    """A node, or, in a lock by rows, a row of the paper's table.

    `op` is its call with every argument that is set; of a row how many nodes it has, and a digest of their lines.
    `state` are the names and shapes under which its parameters and running statistics stand in the torch network's
    `state_dict`, behind the path, of code as `BELOW` and `ELSEWHERE` say; `shares` is the path of the node whose
    parameters it works with instead. `reads` are paths, or `@name` for an input of the network; empty where it reads
    what the line above gives.
    """

    path: str
    op: str
    output: str
    params: int
    macs: int
    activation_bytes: int
    state: tuple[tuple[str, str], ...] = ()
    shares: str = ""
    reads: tuple[str, ...] = ()

    def held(self) -> State:
        """Its parameters and statistics by their names in a `state_dict`."""
        if not self.state or self.state[0][0][0] not in (BELOW, ELSEWHERE):
            return State(self.path, self.state)
        own = [self.path + name if name[0] == BELOW else name[1:] for name, _ in self.state]
        return State(self.path, self.state, own)

    def text(self) -> str:
        path, *common, reads = self
        return "    " + BAR.join((path, _cells(*common), *reads))


@lru_cache(maxsize=4096)
def _cells(
    op: str, output: str, params: int, macs: int, activation_bytes: int, state: tuple[tuple[str, str], ...], shares: str
) -> str:
    """What lines of equal layers have in common."""
    held = SHARED + shares if shares else ", ".join([f"{name} {shape}" for name, shape in state])
    return BAR.join((op, output, f"{params:,}", f"{macs:,}", f"{activation_bytes:,}", held or NOTHING))


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in a lock. `totals` are sums by name, `inputs` and `outputs` shapes as text. `by_rows`: the lines are
    rows, not nodes."""

    model: str
    inputs: str
    outputs: str
    totals: dict[str, int]
    lines: tuple[LockLine, ...] = field(repr=False)
    by_rows: bool = False

    def text(self) -> list[str]:
        found = [f"model {self.model}", f"  input {self.inputs}", f"  output {self.outputs}"]
        found += [f"  {name} {value:,}" for name, value in self.totals.items()]
        if self.by_rows:
            found.append(f"  rows {len(self.lines):,}")
        return found + [line.text() for line in self.lines]


@dataclass(frozen=True, slots=True)
class Section:
    """A model in a lock as it stands there, from line `start` to `stop`: read in full only where it is not what it
    should be. `kept` are its lines that no network says: budgets and comments."""

    model: Text
    start: int
    stop: int
    kept: tuple[Text, ...]

    def lines(self) -> list[str]:
        """What a network says: without what is kept, and blank lines."""
        every = self.model.source.lines[self.start : self.stop]
        kept = {text.line - 1 - self.start for text in self.kept}
        return [line for index, line in enumerate(every) if line.strip() and index not in kept]

    def texts(self) -> list[Text]:
        """The same with their places."""
        source, kept = self.model.source, {text.line for text in self.kept}
        every = enumerate(source.lines[self.start : self.stop], self.start + 1)
        return [Text(line, source, number, 1) for number, line in every if line.strip() and number not in kept]

    @property
    def by_rows(self) -> bool:
        return any(line.startswith("  rows ") for line in self.lines()[:60])

    @property
    def budgets(self) -> tuple[Text, ...]:
        return tuple(text for text in self.kept if text.value.strip().startswith("budget "))

    def facts(self) -> tuple[dict[str, str], dict[str, int]]:
        """Its input and output, and its totals by name. Raises SpecError at the line that cannot be read."""
        facts: dict[str, str] = {}
        totals: dict[str, int] = {}
        for text in takewhile(lambda text: not text.value.startswith("    "), self.texts()[1:]):
            _check_digits(text)
            words = text.strip()
            name, _, value = words.value.partition(" ")
            if name in ("input", "output"):
                facts[name] = value
                continue
            name, _, value = words.value.rpartition(" ")
            if name and name not in SAID:
                raise words.error(f"`{name}` is no total of a lock", did_you_mean(name, ("input", "output", *SAID)))
            totals[name] = _count(words.part(len(name) + 1 if name else 0))
        return facts, totals

    def totals(self) -> dict[str, int]:
        """The sums that it holds, and those that follow from these: FLOPs, the bytes of parameters, and of a network
        without heads all sums with heads. None where it cannot be read."""
        try:
            _, found = self.facts()
        except SpecError:
            return {}
        found |= {ACTIVE: found.get(ACTIVE, found["params"])} if "params" in found else {}
        if f"params{WITH_HEADS}" not in found:
            found |= {f"{name}{WITH_HEADS}": found[name] for name in (*TOTALS, ACTIVE) if name in found}
        for of in ("", WITH_HEADS):
            found |= {f"flops{of}": 2 * found[f"macs{of}"]} if f"macs{of}" in found else {}
            size = ITEMSIZE["float32"]
            found |= {f"param_bytes{of}": size * found[f"params{of}"]} if f"params{of}" in found else {}
        return found

    def entry(self) -> Entry:
        """Read it in full. Raises SpecError at the line that cannot be read."""
        facts, totals = self.facts()
        lines: list[LockLine] = []
        places: dict[str, Text] = {}
        for text in dropwhile(lambda text: not text.value.startswith("    "), self.texts()[1:]):
            if not text.value.startswith("    "):
                raise text.error("this stands behind the first node: totals are on top", RESTORE)
            _check_digits(text)
            line = _line(text)
            if line.path in places:
                raise text.error(f"`{line.path}` stands here twice")
            places[line.path] = text
            lines.append(line)
        for name in ("input", "output"):
            if name not in facts:
                raise self.model.error(f"`{self.model}` has no line `{name}`", "The lock is damaged here.")
        rows = totals.pop("rows", None)
        wanted = totals.get("nodes") if rows is None else rows
        if wanted is None:
            raise self.model.error(f"`{self.model}` has no line `nodes`", "The lock is damaged here.")
        if wanted != len(lines):
            raise self.model.error(f"`{self.model}` has {len(lines)} lines of {wanted}: the lock is damaged", RESTORE)
        for line, text in zip(lines, places.values(), strict=True):
            for other in (*line.reads, *((line.shares,) if line.shares else ())):
                if other not in places and not other.startswith("@"):
                    raise text.error(f"`{other}` is no node of `{self.model}`", did_you_mean(other, places))
            below = next((other for other in line.reads if other in places and places[other].line >= text.line), None)
            if below is not None:
                raise text.error(f"`{below}` does not stand above what reads it", RESTORE)
        return Entry(self.model.value, facts["input"], facts["output"], totals, tuple(lines), rows is not None)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file: its models by name, and the budgets that hold for all of them."""

    path: Path
    name: str
    sections: dict[str, Section] = field(repr=False)
    budgets: tuple[Text, ...] = ()
    head: tuple[str, ...] = HEAD

    def text(self, entries: Iterable[Entry], without: Iterable[str] = ()) -> str:
        """The file with `entries` in the place of those of the same names, or added; budgets stay."""
        kept = {name: [text.value for text in section.kept] for name, section in self.sections.items()}
        found = {name: section.lines() for name, section in self.sections.items()}
        found |= {entry.model: entry.text() for entry in entries}
        for name in without:
            found.pop(name, None)
        lines = [*self.head]
        for name in sorted(found):
            first, *rest = found[name]
            lines += ["", first, *kept.get(name, ()), *rest]
        return "\n".join([*lines, "", LAST, ""])


# --- from a network -----------------------------------------------------------------------------------------------


def entry_of(model: str, report: Report, by_rows: bool = False) -> Entry:
    """What a lock holds of a network. Raises UsageError for a name that would break a line or is not seen in it."""
    if BAR in model or printable(model) != model or model != model.strip():
        raise UsageError(f"a lock cannot hold the name `{model}`")
    graph = report.graph
    lines = tuple(_lines(report))
    counts = report.totals.counts()
    totals = {name: counts[name] for name in TOTALS}
    if counts[ACTIVE] != counts["params"]:
        totals[ACTIVE] = counts[ACTIVE]
    if report.totals_with_heads is not None:
        counts = report.totals_with_heads.counts()
        totals |= {f"{name}{WITH_HEADS}": counts[name] for name in TOTALS[:2]}
    totals["nodes"] = len(lines)
    inputs = _inputs(graph)
    outputs = _outputs(graph)
    if list(graph.outputs) != [graph.main - 1]:
        outputs += " of " + ", ".join(_value(report, value) for value in graph.outputs)
    if graph.head_outputs:
        outputs += "; " + ", ".join(f"{name} {dims(graph.shape(value))}" for name, value in graph.head_outputs)
    return Entry(model, inputs, outputs, totals, tuple(_rows(report, lines)) if by_rows else lines, by_rows)


def _inputs(graph: Graph) -> str:
    """`3×224×224`, `ids 32:int64, mask 32:int64`; of a run at another batch or dtype than specs are counted at, these,
    too."""
    named = len(graph.inputs) > 1 or "." in graph.inputs[0][0]

    def said(name: str, shape: Shape) -> str:
        size = dims(shape) if shape else ""
        if isinstance(shape, Typed) and shape.dtype:
            size += f":{shape.dtype}" + (f"={shape.value}" if shape.value != 1 else "")
        return f"{name} {size or dims(shape)}" if named else size or dims(shape)

    found = [said(name, shape) for name, shape in graph.inputs]
    code = graph.code
    if code is not None and (code.batch, code.dtype) != (1, "float32"):
        found.append(f"batch {code.batch} in {code.dtype}")
    return ", ".join(found)


def _outputs(graph: Graph) -> str:
    """`1000`, `1000, 1000`; of code each by its name, where that is not its number."""
    sizes = (dims(graph.shape(value)) for value in graph.outputs)
    every = [(name, made or next(sizes)) for name, made in graph.code.outputs] if graph.code is not None else []
    usual = len(every) > 1 and [name for name, _ in every] == [str(at) for at in range(len(every))]
    return ", ".join(f"{name} {said}" if name and not usual else said for name, said in every) or ", ".join(sizes)


def read_inputs(text: str) -> Input | None:
    """The inputs of code as a lock says them; None where it says them otherwise."""
    found: dict[str, Shape] = {}
    for part in text.split(", "):
        match = re.fullmatch(r"(?:([\w.]{1,100}) )?(\d{1,9}(?:×\d{1,9}){0,7})?(?::(\w{1,20})(?:=(\d{1,18}))?)?", part)
        if match is None or not (match[2] or match[3]):
            return None
        shape = tuple(map(int, match[2].split("×"))) if match[2] else ()
        found[match[1] or ""] = Typed(shape, match[3], int(match[4] or 1)) if match[3] else shape
    return found.get("", found)


def _lines(report: Report) -> Iterator[LockLine]:
    graph = report.graph
    code = graph.code
    known: dict[int, tuple[str, str, tuple[tuple[str, str], ...]]] = {}  # equal layers have the same costs
    new = tuple.__new__  # as LockLine does, in half the time
    for index, (node, cost, params, macs, activation_bytes) in enumerate(report.layers):
        op, inputs, shape, path, _, _, owner = node
        reads = () if inputs == (index - 1,) else tuple([_value(report, value) for value in inputs])
        shares = "" if owner is None else graph.nodes[owner].path
        if id(cost) not in known:
            known[id(cost)] = _call(op), dims(shape), tuple([(name, dims(of)) for name, of, _ in cost.params])
        call, output, state = known[id(cost)]
        if code is not None:
            if BAR in path or printable(path) != path:
                raise UsageError(f"a lock cannot hold a node called `{printable(path)}`")
            state = tuple([(_under(path, key), of) for key, (_, of) in zip(code.keys[index], state, strict=False)])
        state = () if shares else state  # another's
        yield new(LockLine, (path, call, output, params, macs, activation_bytes, state, shares, reads))
    for param in () if code is None else code.unused:
        size, reads = dims(param.shape), (f"@{graph.inputs[0][0]}",)
        state = ((_under("", param.name), size),)
        yield LockLine(param.name, UNUSED, size, numel(param.shape), 0, 0, state, "", reads)


def _under(path: str, key: str) -> str:
    """A name in a `state_dict` of code beside the path of its node."""
    if re.search(r"[ ,|]", key):
        raise UsageError(f"a lock cannot hold a parameter called `{printable(key)}`")
    return key[len(path) :] if path and key.startswith(path + BELOW) else ELSEWHERE + key


def _rows(report: Report, lines: Sequence[LockLine]) -> Iterator[LockLine]:
    """A line for each row: its nodes are counted and their lines digested."""
    from hashlib import sha256

    graph = report.graph
    seen: dict[str, int] = {}
    for row in graph.rows:
        name = printable(f"{row.head}/{row.name or row.path}" if row.head else row.name or row.path)
        seen[name] = seen.get(name, 0) + 1  # rows of a plain list may be alike
        span = slice(row.start, row.stop)
        layers: tuple[Layer, ...] = report.layers[span]
        digest = sha256("\n".join([line.text() for line in lines[span]]).encode()).hexdigest()[:12]
        yield LockLine(
            name if seen[name] == 1 else f"{name} #{seen[name]}",
            f"{len(layers)} node{'s' * (len(layers) != 1)} {digest}",
            ", ".join(dims(graph.shape(value)) for value in row.outputs),
            sum(layer.params for layer in layers),
            sum(layer.macs for layer in layers),
            sum(layer.activation_bytes for layer in layers),
        )


def _value(report: Report, value: int) -> str:
    """How a lock calls a value: the path of its node, or `@name` for an input."""
    graph = report.graph
    return graph.nodes[value].path if value >= 0 else f"@{graph.inputs[-1 - value][0]}"


@lru_cache(maxsize=4096)
def _call(op: Op) -> str:
    """The op as a spec calls it, with what archcalc 0.1.0 took otherwise said; of an op with several outputs also
    which of them."""
    op = op.restated[0] if op.restated else op.equals or op
    hidden = [getattr(op, f.name) for f in op.fields if f.name.startswith("_") and getattr(op, f.name) != f.default]
    return usage(op, "True") + "".join(f" #{value}" for value in hidden)


# --- from a file --------------------------------------------------------------------------------------------------


def is_lock(path: Path) -> bool:
    """Whether a `.lock` file is archcalc's; other tools have such files too. One by our name is, whatever is in it."""
    if path.name == NAME:
        return True
    try:
        return FIRST.encode() in files.read(path, 1024, "a lock", cut=True)
    except SpecError:
        return False


def read_lock(path: Path, name: str | None = None) -> Lock:
    """Read a lock, `name` in messages. Raises SpecError at the line that breaks a rule, or where there is no file."""
    name = name or str(path)
    data = files.read(path, MAX_BYTES, "a lock", name, "`archcalc lock MODEL` writes one.")
    if data.count(b"\n") > MAX_LINES:
        raise SpecError(f"`{name}` has more than {MAX_LINES:,} lines: not read")
    lines = [line.removesuffix("\r") for line in files.decoded(data, name).split("\n")]
    return _lock(path, Source(name, tuple(lines)))


def _lock(path: Path, source: Source) -> Lock:
    def text(index: int) -> Text:
        return Text(source.lines[index], source, index + 1, 1)

    lines = source.lines
    marked = next((index for index, line in enumerate(lines) if CONFLICT.match(line)), None)
    if marked is not None:
        hint = "Keep either side as a whole, then `archcalc check --update` writes what is true."
        raise text(marked).error("a merge conflict stands in this lock", hint)
    _version(text(0))
    starts: list[int] = []
    budgets: list[Text] = []
    kept: list[Text] = []
    end = None
    for index, line in enumerate(lines[1:], 1):
        if (line.startswith("    ") and starts) or not line.strip():
            continue
        if end is not None:
            raise text(index).error("nothing stands behind the `end` of a lock")
        if line.startswith("model "):
            starts.append(index)
        elif line.rstrip() == LAST:
            end = index
        elif line.startswith(("budget ", "#")) and not starts:
            budgets += [text(index)] if line.startswith("budget ") else []
        elif line.startswith(("  budget ", "  #")) and starts:
            kept.append(text(index))
        elif not line.startswith("  ") or not starts:
            where = "of a lock" if starts else "in front of the first model"
            hint = did_you_mean(line.partition(" ")[0], ("budget", "model", LAST))
            raise text(index).error(f"a line {where} begins with one of budget, model, {LAST}", hint)
    if end is None:
        last = max((index for index, line in enumerate(lines) if line), default=0)
        raise text(last).error("this lock is cut off: its last line is not `end`", RESTORE)
    sections: dict[str, Section] = {}
    for start, stop in zip(starts, [*starts, end][1:], strict=True):
        model = text(start).part(len("model ")).strip()
        if printable(model.value) != model.value:
            raise model.error(f"a lock cannot hold the name `{model}`")
        if model.value in sections:
            raise model.error(f"`{model}` is locked twice", "Keep one of the two.")
        own = tuple(found for found in kept if start < found.line - 1 < stop)
        sections[model.value] = Section(model, start, stop, own)
    head = tuple(line for line in lines[: starts[0] if starts else end] if line.strip())
    return Lock(path, source.name, sections, tuple(budgets), head)


def _version(first: Text) -> None:
    match = re.fullmatch(rf"{FIRST}([0-9]{{1,9}})\s*", first.value)
    if not match:
        hint = "Take it from version control again, or write it anew with `archcalc lock`."
        raise first.error(f"a lock begins with `{FIRST}{VERSION}`", hint)
    if int(match[1]) > VERSION:
        raise first.error(f"this lock is of version {match[1]}: a newer archcalc wrote it", "Update archcalc.")


def _check_digits(text: Text) -> None:
    long = re.search("[0-9]{41}", text.value)
    if long:
        raise text.part(long.start(), long.end()).error("a number of more than 40 digits is refused")


def _line(text: Text) -> LockLine:
    cells = text.value[4:].split(BAR)
    if len(cells) < CELLS:
        raise text.strip().error(f"a line of a node has {CELLS} cells or more, this one has {len(cells)}")
    path, op, output, *counts, state = cells[:CELLS]
    if not op:
        raise text.strip().error(f"`{path}` has no op")
    if path.count("/") > MAX_DEPTH:
        raise text.strip().error(f"a node stands in at most {MAX_DEPTH} blocks")
    at = 4 + len(BAR.join(cells[:3])) + len(BAR)
    numbers = []
    for count in counts:
        numbers.append(_count(text.part(at, at + len(count))))
        at += len(count) + len(BAR)
    params, macs, activation_bytes = numbers
    if state.startswith(SHARED):
        shares, state = state.removeprefix(SHARED), NOTHING
    else:
        shares = ""
    own = []
    for piece in [] if state == NOTHING else state.split(", "):
        name, blank, shape = piece.partition(" ")
        if not blank:
            raise text.part(at, at + len(state)).error(f"`{piece}` is no name with a shape")
        own.append((name, shape))
    return LockLine(path, op, output, params, macs, activation_bytes, tuple(own), shares, tuple(cells[CELLS:]))


def _count(text: Text) -> int:
    if len(text.value) > 40 or not re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})*|[0-9]+", text.value):
        raise text.error(f"`{text}` is no number")
    return int(text.value.replace(",", ""))
