"""YAML to a tree in which every scalar is a `Text` with its place.

Scalars stay text. Read from parser events, as libyaml's own tree builder crashes on deep nesting; tags, anchors,
aliases, several documents and a key given twice are refused, and size, depth and count are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .. import files
from ..errors import TURNING, Source, SpecError, Text, did_you_mean

LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
MAX_DEPTH = 40
MAX_EVENTS = 100_000
MAX_KEY = 1_024  # what the YAML parser looks ahead for a `:`


@dataclass(frozen=True, slots=True, eq=False)
class List:
    """A YAML sequence."""

    where: Text
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """A YAML mapping in its order: key text to (key, value)."""

    where: Text
    entries: dict[str, tuple[Text, Tree]] = field(default_factory=dict)

    def get(self, key: str) -> Tree | None:
        entry = self.entries.get(key)
        return entry[1] if entry else None

    def key(self, key: str) -> Text:
        return self.entries[key][0]

    def items(self) -> Iterator[tuple[Text, Tree]]:
        return iter(self.entries.values())

    def line(self, key: str, default: str = "") -> str:
        """The text of a key, on one line. Raises SpecError."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, Text) or not value.value.strip():
            raise self.key(key).error(f"`{key}:` wants a line of text")
        return " ".join(value.value.split())

    def only(self, known: tuple[str, ...], what: str) -> None:
        """Raise SpecError at the first key that is not among `known`."""
        for key, _ in self.items():
            if key.value not in known:
                raise key.error(f"`{key}` is not a key of {what}", did_you_mean(key.value, known))


Tree = Text | List | Map


def where_of(tree: Tree) -> Text:
    """The place of a tree: a text itself, of others where they begin."""
    return tree if isinstance(tree, Text) else tree.where


def read_file(path: Path, name: str) -> Map:
    """Read the spec at `path`, called `name` in messages. Raises SpecError, also where there is no such file."""
    return read_text(files.read(path, files.MOST, "a spec file", name), name)


def read_text(data: bytes | str, name: str) -> Map:
    """Read a spec from its bytes (UTF-8, with or without BOM; LF or CRLF) or its text. Raises SpecError."""
    if isinstance(data, bytes):
        text = files.decoded(data, name)
    else:
        text = data.removeprefix("\ufeff")
    source = Source(name, tuple(_BREAK.split(text)))
    odd = _ODD.search(text)
    if odd:
        *above, before = _BREAK.split(text[: odd.start()])
        kind = _ODDITIES.get(odd.group(), "not a character of a text")
        message = f"the character U+{ord(odd.group()):04X} is refused: it is {kind}"
        raise Text(odd.group(), source, len(above) + 1, len(before) + 1).error(message)
    tree = _Builder(text, source).document()
    if not isinstance(tree, Map):
        raise where_of(tree).error("a spec is a mapping of keys such as `name:`, `input:` and `layers:`")
    return tree


_BREAK = re.compile(r"\r\n|\r|\n")
# What YAML does not print or takes for a line break or a byte order mark, and what makes a line read otherwise.
_ODD = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029{TURNING}\ud800-\udfff\ufeff\ufffe\uffff]")
_ODDITIES = {
    **dict.fromkeys("\x85\u2028\u2029", "a line break to YAML only"),
    **dict.fromkeys(TURNING, "a mark that turns the order in which a line is read"),
    "\ufeff": "a byte order mark inside the text",
}
# What the parser calls a problem, what it is to who writes a spec, and whether it is where the parser began to read.
_PROBLEMS: tuple[tuple[str, str, str, bool], ...] = (
    ("mapping values are not allowed", "a second `: ` in one value", "Text that holds `: ` stands in quotes.", False),
    (
        "expected key|expected <block end>|block sequence entries|expected <document start>|expected '-' indicator",
        "this does not go on with the lines above",
        "Lines that belong together begin in the same column. Text that begins with a quote, `[` or `{` stands in "
        "quotes as a whole.",
        False,
    ),
    ("expected ',' or '([]}])'", "`,` or `{}` is wanted in line {}: this bracket is not closed yet", "", True),
    ("could not find expected ':'", "a `:` is wanted behind this word", "", True),
    ("unexpected end of stream", "this quote is never closed", "", True),
    ("found unknown escape", "a backslash means something in double quotes", "In single quotes it is itself.", False),
    ("scanning a directive", "a line cannot begin with `%`", "", True),
    ("undefined tag handle", "tags are refused in specs", "", True),
    ("expected comment or line break|expected a comment", "only a comment may stand behind `|` or `>`", "", False),
    ("expected node content|expected the node content", "a value is wanted here", "", False),
)


class _Builder:
    def __init__(self, text: str, source: Source) -> None:
        self.source = source
        self.events = self._events(text)

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            for count, event in enumerate(yaml.parse(text, LOADER), 1):
                if count > MAX_EVENTS:
                    raise self._place(event.start_mark).error(
                        f"a spec of more than {MAX_EVENTS:,} YAML nodes is refused"
                    )
                yield event
        except yaml.MarkedYAMLError as error:
            raise self._not_yaml(error) from None

    def _not_yaml(self, error: yaml.MarkedYAMLError) -> SpecError:
        """Say what the parser stumbled over, in other words than its own."""
        problem = (error.problem or "").strip()
        mark = error.problem_mark or error.context_mark
        for pattern, message, hint, begun in _PROBLEMS:
            found = re.search(pattern, f"{error.context}: {problem}")
            if found:
                message = message.format(*found.groups(), mark.line + 1 if mark else 1)
                first = mark and ":" not in self.source.lines[min(mark.line, len(self.source.lines) - 1)][: mark.column]
                if first and pattern == "mapping values are not allowed":
                    message, hint = "this line is indented further than the lines above allow", ""
                where = self._place(error.context_mark if begun and error.context_mark else mark)
                if ("':'" in pattern or "mapping" in pattern) and len(self.source.lines[where.line - 1]) > MAX_KEY:
                    message, hint = f"a key of more than {MAX_KEY:,} characters is refused", ""
                return where.error(message, hint)
        where = self._place(mark)
        line = self.source.lines[where.line - 1]
        if "\t" in line[: where.col]:
            return where.error("a tab cannot indent YAML: use spaces")
        if re.search("cannot start any token|expected alphabetic|mapping keys are not allowed|unexpected ':'", problem):
            return where.error("this character cannot begin a value: write the value in quotes")
        return where.error(f"this is not YAML: {problem or error}")

    def _place(self, mark: Any) -> Text:
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return Text("", self.source, min(line, len(self.source.lines)), column)

    def document(self) -> Tree:
        tree: Tree | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent) and tree is not None:
                raise self._place(event.start_mark).error("one spec a file: a second document begins here")
            if isinstance(event, (yaml.ScalarEvent, yaml.SequenceStartEvent, yaml.MappingStartEvent, yaml.AliasEvent)):
                tree = self.node(event, 0)
        if tree is None:
            raise SpecError(f"`{self.source.name}` is empty")
        return tree

    def node(self, event: yaml.Event, depth: int) -> Tree:
        where = self._place(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            raise where.error("aliases (`*name`) are refused in specs")
        if getattr(event, "anchor", None):
            raise where.error("anchors (`&name`) are refused in specs")
        if getattr(event, "tag", None):
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")  # type: ignore[attr-defined]
            raise where.error(f"tags are refused in specs: `{tag}`")
        if depth > MAX_DEPTH:
            raise where.error(f"this spec is nested deeper than {MAX_DEPTH}")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Tree] = []
            flow = event.flow_style
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                items.append(self.node(event, depth + 1))
            return List(where, tuple(_whole_items(items) if flow else items))
        tree, flow, pairs = Map(where), event.flow_style, list[tuple[Text, Tree]]()  # type: ignore[attr-defined]
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            if not isinstance(key, Text):
                hint = "Text that begins with `[` or `{` stands in quotes."
                raise key.where.error("a key is a word, not a list or a mapping", hint)
            if "\n" in key.value:
                raise key.error("a key is one line")
            if flow:
                pairs.append((key, self.node(next(self.events), depth + 1)))
            else:
                _once(key, tree)
                tree.entries[key.value] = (key, self.node(next(self.events), depth + 1))
        for key, value in _whole_pairs(pairs):
            _once(key, tree)
            tree.entries[key.value] = (key, value)
        return tree

    def scalar(self, event: yaml.ScalarEvent) -> Text:
        mark: Any = event.start_mark
        line, column, value = mark.line, mark.column, event.value
        if event.style == "|":
            return Text(value, self.source, line + 1, column + 1, exact=False, block=True)
        if event.style in ("'", '"'):
            column += 1
        row = self.source.lines[line] if line < len(self.source.lines) else ""
        exact = row.startswith(value, column) if value else False
        return Text(value, self.source, line + 1, column + 1, exact)


def _once(key: Text, tree: Map) -> None:
    """Raise SpecError where `tree` has this key already."""
    if key.value in tree.entries:
        raise key.error(f"the key `{key}` is given twice", f"It is given first in line {tree.key(key.value).line}.")


# --- what YAML cuts in brackets ---------------------------------------------------------------------------------------

# Inside `[…]` and `{…}` YAML cuts at every comma, also in a call: `[c4 conv(256, 1), i5]` comes in three pieces.


def _open(tree: Tree | None) -> int:
    """How many `(` of a plain scalar are not closed in it; 0 of anything else."""
    if not isinstance(tree, Text) or ("(" not in tree.value and ")" not in tree.value):
        return 0
    row = tree.source.lines[tree.line - 1]
    quoted = tree.col > 1 and row[tree.col - 2] in "'\""
    return 0 if quoted else tree.value.count("(") - tree.value.count(")")


def _joined(pieces: list[Text]) -> Text:
    """The text that was cut into these pieces."""
    first, last = pieces[0], pieces[-1]
    value = ", ".join(piece.value for piece in pieces)
    exact = all(piece.exact and piece.line == first.line for piece in pieces)
    if exact:  # with the spaces that stand there
        value = first.source.lines[first.line - 1][first.col - 1 : last.col - 1 + len(last.value)]
    return Text(value, first.source, first.line, first.col, exact)


def _whole_items(items: list[Tree]) -> Iterator[Tree]:
    """The items of a flow list, those put together that were cut inside brackets; as they are from one on that is never
    closed."""
    left = iter(items)
    for item in left:
        pair = item if isinstance(item, Map) and len(item.entries) == 1 else None  # `[name: conv(4, 3)]`
        begun = next(iter(pair.entries.values()))[1] if pair is not None and _unbraced(pair) else item
        depth = _open(begun)
        if not isinstance(begun, Text) or depth <= 0:
            yield item
            continue
        pieces = [begun]
        while depth > 0:
            piece = next(left, None)
            if not isinstance(piece, Text):
                yield from (item, *pieces[1:], *(() if piece is None else (piece,)), *left)
                return
            pieces.append(piece)
            depth += _open(piece)
        if begun is item or pair is None:
            yield _joined(pieces)
        else:
            [(key, _)] = pair.items()
            yield Map(pair.where, {key.value: (key, _joined(pieces))})


def _unbraced(pair: Map) -> bool:
    """Whether a pair stands in a list without braces of its own."""
    key = next(iter(pair.entries.values()))[0]
    return (pair.where.line, pair.where.col) == (key.line, key.col)


def _whole_pairs(pairs: list[tuple[Text, Tree]]) -> Iterator[tuple[Text, Tree]]:
    """The pairs of a flow mapping, keys and values put together that were cut inside brackets: the pieces are keys
    without values."""
    at = 0
    while at < len(pairs):
        start, keys = at, [pairs[at][0]]
        depth = _open(keys[0])
        while depth > 0 and at + 1 < len(pairs) and _empty(pairs[at][1]):
            at += 1
            keys.append(pairs[at][0])
            depth += _open(keys[-1])
        values = [pairs[at][1]]
        if depth <= 0:
            depth = _open(values[0])
        while depth > 0 and at + 1 < len(pairs) and _empty(pairs[at + 1][1]):
            at += 1
            values.append(pairs[at][0])
            depth += _open(values[-1])
        at += 1
        if depth > 0:
            yield from pairs[start:]
            return
        yield _joined(keys), values[0] if len(values) == 1 else _joined([v for v in values if isinstance(v, Text)])


def _empty(tree: Tree) -> bool:
    return isinstance(tree, Text) and not tree.value
