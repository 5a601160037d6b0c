"""Layer lines and bodies: `conv(64, 3) bn relu x3 if c`, lists of lines, merges, and what blocks are called with.

Only the shape of the text is read here; what the words mean is for the expander.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from ..errors import Text
from ..ops import OPS
from ..ops.synonyms import LISTS, suggest_op
from ..records import NamedTuple
from .columns import Headings, columns_of
from .expr import NAME, RESERVED, Argument, Expr, Opaque, Pattern, argument, check_name
from .notation import cell_value
from .reader import List, Map, Tree, where_of
from .table import Table, TableRow, read_quoted

# Those that name no value; others, which came later, do where the file uses them so.
FIRST = (*(word for word, op in OPS.items() if op.reserved), "parts")
MERGES = (*FIRST, *sorted(word for word, op in OPS.items() if op.branches and not op.reserved))
STEPS = "steps"
EXPERTS = "experts"
MAX_CALLS = 200
MAX_ARGUMENTS = 50
REPEAT = re.compile(r"x(\d+)(?=\s|$)|x(?=\()")
WORD = re.compile(r"[^\s(),]+")
NAMED = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(?!=)")
WEIGHTS = "weights"  # an argument of every call: what its weights are called
Cells = Mapping[str, Text]  # of a row of a table of steps, by the names of their columns
_NOTHING = "Nothing at all is written `identity`."


class Call(NamedTuple):
    """`word(args, name=value) x(times)`. `weights` is what its weights are called (rule 14); `cell`: the word is a
    table's cell, the name of a value or read by the notation."""

    word: Text
    args: tuple[Argument | Pattern, ...] = ()
    named: tuple[tuple[Text, Argument], ...] = ()
    times: Expr | None = None
    weights: Text | None = None
    cell: bool = False


class Line(NamedTuple):
    """Calls, one after the other; present where `condition` holds or is None."""

    text: Text
    calls: tuple[Call, ...]
    condition: Expr | None = None


class Merge(NamedTuple):
    """Branches that start from one value and are brought together by the op `word`, or stay side by side (`parts`);
    `call` holds its arguments, `concat(axis=0):`. `repeated`: each round of the call that is the only branch is a
    branch."""

    word: Text
    branches: tuple[Body, ...]
    call: Call
    repeated: bool = False


class Unrolled(NamedTuple):
    """`steps:` (rule 15): a body that is built once for each token of the value, with the same weights. With a `call`,
    `experts(n, k):` (rule 17): a body that each token runs through with the weights of some experts."""

    word: Text
    body: Body
    call: Call | None = None


Plain = Line | Merge | Unrolled


class Named(NamedTuple):
    """`name: line` or `a, b: line`: the value of `item`, or its parts, under names (rule 11)."""

    names: tuple[Text, ...]
    item: Plain | Body


class Steps(NamedTuple):
    """A table of steps (rule 13), and the line or merge that each of its rows means, where `row:` says it."""

    table: Table
    means: Plain | Body | Named | None


class Step(NamedTuple):
    """A row of a table of steps: the cell by which it is called, what it means, and what its headings are in
    expressions. `variant`: it is a step of that variant alone."""

    steps: Steps
    row: TableRow
    cell: Text
    item: Plain | Body | Named
    columns: Mapping[str, Any]
    variant: str = ""


Item = Plain | Named | Step


class Body(NamedTuple):
    """Items in order: of a block, a branch or a name. A branch that is one line with a condition is absent where that
    does not hold."""

    where: Text
    items: tuple[Item, ...]

    @property
    def names(self) -> Iterator[Text]:
        """The names that this body gives, not those inside its branches."""
        for item in self.items:
            named = item.item if isinstance(item, Step) else item
            if isinstance(named, Named):
                yield from named.names

    @property
    def condition(self) -> Expr | None:
        """The condition of a body that is one line."""
        line = self.items[0] if len(self.items) == 1 else None
        return line.condition if isinstance(line, Line) else None


class Block(NamedTuple):
    """`name(parameter, parameter=default): body`."""

    name: Text
    parameters: tuple[tuple[Text, Argument | None], ...]
    body: Body


def read_body(tree: Tree, what: str, headings: Headings | None) -> Body:
    """A line, a list of lines, merges and tables, a merge or a table (refused without `headings`). Raises SpecError."""
    where = where_of(tree)
    if isinstance(tree, List) and not tree.items:
        raise where.error(f"{what} is an empty list", "" if what == "`layers:`" else _NOTHING)
    items: list[Item] = []
    for item in tree.items if isinstance(tree, List) else (tree,):
        if is_table(item):
            if headings is None:
                raise item.where.error("`row:` says what a row means, and holds no table of its own")
            quoted = read_quoted(item, f"a table in {what}", "row")
            items += read_steps(quoted.table, item.get("row"), headings)
        else:
            items.append(read_item(item, what, headings))
    return Body(where, tuple(items))


def is_table(tree: Tree) -> TypeGuard[Map]:
    """Whether a mapping quotes a table, and is no value called `table`."""
    if not isinstance(tree, Map):
        return False
    table = tree.get("table")
    several = len(tree.entries) > 1 and not tree.entries.keys().isdisjoint(("table", "row", "from"))
    return several or (isinstance(table, Text) and table.block)


def read_item(tree: Tree, what: str, headings: Headings | None) -> Plain | Named:
    """A line, a merge or `steps:`, or one of these under names. Raises SpecError."""
    if isinstance(tree, Text):
        if tree.block:
            raise tree.error(f"{what} holds a table here; layer lines are wanted")
        return read_line(tree)
    if isinstance(tree, List):
        raise tree.where.error("a list directly in a list: only a branch of a merge is a list of its own")
    if len(tree.entries) != 1:
        words = ", ".join(f"`{word}:`" for word in (*MERGES, STEPS))
        raise tree.where.error(f"one merge word ({words}) or one name is wanted here")
    [(word, value)] = tree.items()
    if word.value == STEPS:
        if not isinstance(value, List):
            raise word.error(f"`{STEPS}:` wants a list: what is done for each token of the value")
        return Unrolled(word, read_body(value, f"`{STEPS}:`", headings))
    if re.match(rf"\s*{EXPERTS}\s*(\(|$)", word.value):
        calls = read_line(word).calls
        if len(calls) > 1 or calls[0].times is not None or calls[0].weights is not None:
            raise word.error(f"`{EXPERTS}(n, k):` stands alone in front of what each expert does")
        return Unrolled(calls[0].word, read_body(value, f"`{EXPERTS}:`", headings), calls[0])
    call = _merge_call(word)
    if call is None or (word.value not in FIRST and headings is not None and headings.name_values(word.value)):
        return _read_named(word, value, what, headings)
    word = call.word
    if isinstance(value, Text) and value.value and not value.block:
        return _read_repeated(call, value, headings)
    if not isinstance(value, List) or not value.items:
        where = word if isinstance(value, Text) and not value.value else where_of(value)
        raise where.error(f"`{word}:` wants a list of branches")
    branches = tuple([read_body(branch, f"a branch of `{word}`", headings) for branch in value.items])
    if len(branches) == 1 and branches[0].condition is None and word.value != "parts":
        hint = "A residual says `identity` beside its other branch: `add: [identity, unit(64)]`."
        raise word.error(f"`{word}:` merges branches, and here is one", hint)
    return Merge(word, branches, call)


def _merge_call(key: Text) -> Call | None:
    """What a key calls: `add`, `concat(axis=0)`; None where it is no merge. Raises SpecError."""
    opening = key.value.find("(")
    word = key if opening < 0 else key.part(0, opening).strip()
    if word.value not in MERGES:
        return None
    if opening < 0:
        return Call(word)
    end = closing(key, opening)
    if key.value[end + 1 :].strip():
        raise key.part(end + 1).error(f"nothing may stand behind the arguments of `{word}`")
    return _with_arguments(word, key.part(opening + 1, end))


def _read_repeated(call: Call, text: Text, headings: Headings | None) -> Merge:
    """A merge of the rounds of one call: `concat: head(index) x5`. Raises SpecError for another line."""
    word, body = call.word, read_body(text, f"`{call.word}:`", headings)
    [line] = body.items
    if not isinstance(line, Line) or len(line.calls) != 1 or line.calls[0].times is None:
        hint = f"`{word}: [a, b]`, or `{word}: head(index) x5`; several calls in a row are a block."
        raise text.error(f"`{word}:` wants a list of branches, or one call that is repeated", hint)
    return Merge(word, (body,), call, repeated=True)


def _read_named(key: Text, value: Tree, what: str, headings: Headings | None) -> Named:
    names = tuple(split_commas(key))
    if isinstance(value, List):
        meant = LISTS.get(key.value.lower())
        hint = suggest_op(key.value, ops=MERGES) if meant is None else f"Did you mean `{meant}:`?" if meant else ""
        if meant is not None or hint.startswith("Did"):
            raise key.error(f"`{key}` is not a merge, and a name like one's holds no list", hint)
    check_names(names)
    if isinstance(value, List):
        return Named(names, read_body(value, f"`{key}:`", headings))
    item = read_item(value, what, headings)
    if isinstance(item, Named):
        raise key.error("a name directly in a name: give both to one line, `a, b: line`, or use two lines")
    return Named(names, item)


def check_names(names: Iterable[Text]) -> None:
    """Raise SpecError where one of `names` cannot name a value."""
    for name in names:
        check_name(name, "a value")
        if name.value in (*FIRST, STEPS, "identity") or REPEAT.fullmatch(name.value):
            raise name.error(f"`{name}` is a word of the language and cannot name a value")


def read_line(text: Text) -> Line:
    """`call call x3 call if condition`. Raises SpecError at the word that breaks a rule."""
    source, at, calls = text.value, 0, list[Call]()
    if not source.strip():
        raise text.error("a layer line is wanted here", _NOTHING)
    condition: Expr | None = None
    while at < len(source):
        if source[at].isspace():
            at += 1
            continue
        repeat = REPEAT.match(source, at)
        if repeat:
            word = text.part(at, repeat.end())
            if not calls:
                raise word.error("a repeat stands behind a call: `conv(64, 3) x3`")
            if calls[-1].times is not None:
                raise word.error("a call is repeated once: `x3` or `x(n)`")
            if repeat.group(1):
                times, at = text.part(repeat.start(1), repeat.end(1)), repeat.end()
            else:
                end = closing(text, repeat.end())
                times, at = text.part(repeat.end() + 1, end), end + 1
                _space(text, at)
            calls[-1] = calls[-1]._replace(times=Expr(times.strip()))
            continue
        match = WORD.match(source, at)
        word = text.part(at, match.end()) if match else text.part(at, at + 1)
        if not match or not NAME.fullmatch(word.value):
            _space(text, at)
            raise word.error(f"`{word}` is not the name of an op or a block")
        at = match.end()
        if word.value == "if":
            if not calls:
                raise word.error("a condition stands behind the calls: `conv(64, 3) if s == 1`")
            condition = Expr(text.part(at).strip())
            break
        if word.value in RESERVED:
            raise word.error(f"`{word}` is a word of the language and cannot be called")
        call = Call(word)
        if source.startswith("(", at):
            end = closing(text, at)
            call = _with_arguments(word, text.part(at + 1, end))
            at = end + 1
            _space(text, at)
        if len(calls) == MAX_CALLS:
            raise word.error(f"a line of more than {MAX_CALLS} calls is refused")
        calls.append(call)
    return Line(text, tuple(calls), condition)


def _space(text: Text, at: int) -> None:
    """Raise SpecError where a call goes on at `at` with something that ends none."""
    char = text.part(at, at + 1)
    if char.value == ",":
        raise char.error("calls are separated by spaces, not by commas")
    if char.value == ")":
        raise char.error("this bracket closes nothing")
    if char.value in ("(", "") or char.value.isspace():
        return
    if at and not text.value[at - 1].isspace():
        raise char.error("a space is wanted between two calls")


def closing(text: Text, opening: int) -> int:
    """Find where the bracket at `opening` is closed. Raises SpecError if it is not."""
    depth = 0
    for at in range(opening, len(text.value)):
        depth += (text.value[at] == "(") - (text.value[at] == ")")
        if depth == 0:
            return at
    raise text.part(opening, opening + 1).error("this bracket is never closed")


def split_commas(text: Text) -> Iterator[Text]:
    """The pieces between the commas that stand in no bracket."""
    depth = start = 0
    for at, char in enumerate(text.value):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            yield text.part(start, at).strip()
            start = at + 1
    yield text.part(start).strip()


def _with_arguments(word: Text, text: Text) -> Call:
    """The call of `word` with the arguments in its brackets, by position and by name."""
    args: list[Argument | Pattern] = []
    named: dict[str, tuple[Text, Argument]] = {}
    weights: Text | None = None
    for n, piece in enumerate(split_commas(text) if text.value.strip() else ()):
        if n == MAX_ARGUMENTS:
            raise piece.error(f"more than {MAX_ARGUMENTS} arguments are refused")
        match = NAMED.match(piece.value)
        if match:
            name = piece.part(match.start(1), match.end(1))
            if name.value in named or (name.value == WEIGHTS and weights is not None):
                raise name.error(f"the argument `{name}` is given twice")
            if name.value == WEIGHTS:
                weights = piece.part(match.end()).strip()
                check_name(weights, "weights")
            else:
                named[name.value] = (name, argument(piece.part(match.end())))
        elif named or weights is not None:
            raise piece.error("an argument without a name stands before those with one")
        else:
            args.append(Pattern(piece) if "->" in piece.value else argument(piece))
    return Call(word, tuple(args), tuple(named.values()), weights=weights)


def read_block(key: Text, tree: Tree, headings: Headings | None) -> Block:
    """A block from its key, `name` or `name(a, b=1)`, and its body. Raises SpecError."""
    match = re.match(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*", key.value)
    if not match:
        raise key.error(f"`{key}` is not a name for a block", "A block is called `name` or `name(a, b=1)`.")
    name = key.part(match.start(1), match.end(1))
    check_name(name, "a block")
    if name.value == "x" or REPEAT.fullmatch(name.value):
        raise name.error(f"`{name}` repeats a call and cannot name a block")
    parameters: dict[str, tuple[Text, Argument | None]] = {}
    if match.end() < len(key.value):
        if key.value[match.end()] != "(":
            raise key.part(match.end()).error("`(` is wanted here: a block is called `name` or `name(a, b=1)`")
        end = closing(key, match.end())
        if key.value[end + 1 :].strip():
            raise key.part(end + 1).error("nothing may stand behind the parameters of a block")
        inside = key.part(match.end() + 1, end)
        for piece in split_commas(inside) if inside.value.strip() else ():
            word, equals, _ = piece.value.partition("=")
            parameter = piece.part(0, len(word)).strip()
            check_name(parameter, "a parameter")
            if parameter.value == WEIGHTS:
                raise parameter.error(f"`{WEIGHTS}` is an argument of every call and cannot name a parameter")
            if parameter.value in parameters:
                raise parameter.error(f"the parameter `{parameter}` stands here twice")
            if len(parameters) == MAX_ARGUMENTS:
                raise parameter.error(f"more than {MAX_ARGUMENTS} parameters are refused")
            default = argument(piece.part(len(word) + 1)) if equals else None
            if default is None and any(d is not None for _, d in parameters.values()):
                raise parameter.error("a parameter without a default stands before those with one")
            parameters[parameter.value] = (parameter, default)
    return Block(name, tuple(parameters.values()), read_body(tree, f"the block `{name}`", headings))


def read_steps(table: Table, row: Tree | None, headings: Headings) -> tuple[Step, ...]:
    """The rows of a table as steps (rule 13); those with nothing but empty cells are none. Raises SpecError."""
    if isinstance(row, List):
        means: Plain | Body | Named | None = read_body(row, "`row:`", None)
    else:
        means = None if row is None else read_item(row, "`row:`", None)
    steps = Steps(table, means)
    return tuple(_read(steps, headings) if means is None else _meant(steps, means, headings))


def _meant(steps: Steps, means: Plain | Body | Named, headings: Headings) -> Iterator[Step]:
    """The steps by `row:`."""
    roles = [headings.role(heading.value) for heading in steps.table.headings]
    words = words_in_row(steps)
    named = [(role.name, n) for n, role in enumerate(roles) if role is not None and role.kind == "name"]
    called = [n for name, n in named if name in words]
    layer = next((n for n, role in enumerate(roles) if role is not None and role.kind == "layer"), None)
    if layer is None and len(called) == 1:
        layer = called[0]
    for row in steps.table.rows:
        item = _filled(means, {name: row.cells[n] for name, n in named})
        if item is not None:
            columns, _ = columns_of(steps.table.headings, roles, row)
            cell = next(cell for cell in row.cells if cell.value) if layer is None else row.cells[layer]
            yield Step(steps, row, cell, item, columns)


def _filled(item: Item | Body, cells: Cells) -> Plain | Body | Named | None:
    """`item` with the cells in the place of their headings; None where nothing is left of it."""
    if isinstance(item, Body):
        return filled if (filled := _branch(item, cells)).items else None
    if isinstance(item, Unrolled):
        raise item.word.error(f"`row:` is the line or the merge that a row means, not `{item.word}:`")
    if isinstance(item, Line):
        calls = tuple(call for part in item.calls for call in _called(part, cells))
        return Line(item.text, calls, item.condition) if calls else None
    if isinstance(item, Merge):
        branches = [_branch(branch, cells) for branch in item.branches]
        kept = tuple(branch for branch in branches if branch.items)
        return item._replace(branches=kept) if kept else None
    assert isinstance(item, Named)
    names = tuple(name for given in item.names for name in _names(given, cells))
    within = _filled(item.item, cells)
    return within if within is None or not names else Named(names, within)  # type: ignore[arg-type]


def _branch(branch: Body, cells: Cells) -> Body:
    items = [_filled(item, cells) for item in branch.items]
    return Body(branch.where, tuple(item for item in items if item is not None and not isinstance(item, Body)))


def _called(call: Call, cells: Cells) -> Iterator[Call]:
    cell = cells.get(call.word.value)
    if cell is None:
        yield call
    elif call.args or call.named:
        raise call.word.error(f"the heading `{call.word}` stands for its cell and takes no arguments")
    elif cell.value:
        yield Call(cell, times=call.times, cell=True)


def _names(name: Text, cells: Cells) -> Iterator[Text]:
    """The names that `name` stands for: itself, or those in its cell."""
    cell = cells.get(name.value)
    if cell is None:
        yield name
    elif cell.value:
        names = tuple(split_commas(cell))
        check_names(names)
        yield from names


def _read(steps: Steps, headings: Headings) -> Iterator[Step]:
    """The steps of a table without `row:`: what a variant's own cell, or the `layer` column, says."""
    table = steps.table
    roles = [headings.role(heading.value) for heading in table.headings]
    builds = {variant: headings.builds(table, variant) for variant in headings.variants.values()}
    if len(set(builds.values())) == 1:
        builds = {"": next(iter(builds.values()))}  # the same for every variant
    for row in table.rows:
        columns, _ = columns_of(table.headings, roles, row)
        for variant, (at, own) in builds.items():
            cell = row.cells[at]
            if cell.value:
                count = {} if own is None else {headings.count: cell_value(row.cells[own])}
                yield Step(steps, row, cell, Line(cell, (Call(cell, cell=True),)), columns | count, variant)


def inner(item: Item | Body) -> Plain | Body:
    """An item without its names."""
    item = item.item if isinstance(item, Step) else item
    return item.item if isinstance(item, Named) else item


def lines_of(body: Body) -> Iterator[Line]:
    """Every line of `body` and of its branches."""
    items = (inner(item) for part in bodies_of(body) for item in part.items)
    return (item for item in items if isinstance(item, Line))


def words_of(body: Body) -> Iterator[tuple[str, bool]]:
    """Every name that `body` uses: (name, whether it is called)."""
    said: list[Expr | Argument | Pattern | None] = []
    for item in (inner(item) for part in bodies_of(body) for item in part.items):
        if isinstance(item, Merge | Unrolled) and item.call is not None:
            said += [*item.call.args, *(value for _, value in item.call.named)]
        if not isinstance(item, Line):
            continue
        said.append(item.condition)
        for call in item.calls:
            yield call.word.value, True
            said += [call.times, *call.args, *(value for _, value in call.named)]
    yield from ((name, False) for text in said if text is not None for name in text.names)
    for step in steps_of(body):  # an argument may be a cell that holds the name of a value
        spoken = words_in_row(step.steps)
        for name, value in step.columns.items():
            if isinstance(value, Opaque) and name not in spoken:
                yield from ((used, False) for used in value.names)


def words_in_row(steps: Steps) -> set[str]:
    """The words that `row:` calls and the names that it gives: headings among these stand for their cells."""
    if steps.means is None:
        return set()
    body = as_body(steps.means, steps.table.headings[0])
    return {call.word.value for call in calls_of(body)} | {name.value for name in body.names}


def as_body(item: Plain | Body | Named, where: Text) -> Body:
    """A body that is this item, which stands at `where`."""
    return item if isinstance(item, Body) else Body(where, (item,))


def bodies_of(body: Body) -> Iterator[Body]:
    """`body`, and the branches and steps inside it."""
    yield body
    for item in body.items:
        plain = inner(item)
        inside = plain.branches if isinstance(plain, Merge) else (plain.body,) if isinstance(plain, Unrolled) else ()
        for branch in (plain,) if isinstance(plain, Body) else inside:
            yield from bodies_of(branch)


def calls_of(body: Body) -> Iterator[Call]:
    """Every call in `body` and in its branches."""
    return (call for line in lines_of(body) for call in line.calls)


def cells_of(body: Body) -> Iterator[Call]:
    """The cells that stand for calls in `body` and in its branches."""
    return (call for call in calls_of(body) if call.cell)


def steps_of(body: Body) -> Iterator[Step]:
    """The rows of the tables in `body` and in its branches."""
    return (item for part in bodies_of(body) for item in part.items if isinstance(item, Step))
