"""A spec as text: an outline in layer lines, with what its calls have in common as `defaults:`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from ..ops import ARGUMENTS, OPS, Shape
from ..ops.base import OpFamily
from ..ops.shapes import show
from .blocks import Block, Part, Sum, with_blocks
from .outline import Body, Fork, From, Item, Named, Owner, Said, Value, bodies_in, outline, uses_of, within

WIDTH = 100  # characters of a line that is filled
PLACED = ("Count", "Size", "int")  # kinds of arguments that are written without their names
HEAVY: tuple[OpFamily, ...] = ("convolution", "linear", "attention", "recurrent")
PLAIN = re.compile(r"[\w\s(),.=×*/+<>-]*")  # what may stand in a list on one line
Node = str | dict[str, Any]  # a line, or a merge or name with what stands in it

Defaults = dict[str, dict[str, Any]]


def spec(
    name: str, said: str, values: Sequence[Value], inputs: Sequence[tuple[str, Shape]], outputs: Sequence[int],
    parts: Sequence[Part],
) -> str:  # fmt: skip
    """The spec of a network called `name`, as a plain list; `said` is a comment in front. Raises SpecError at the call
    of an op that the language has no word for."""
    whole = outline(values, [shape for _, shape in inputs], outputs)
    whole, blocks = with_blocks(whole, parts, (own for own, _ in inputs))
    bodies = [whole, *(block.body for block in blocks)]
    taken = {*(block.name for block in blocks), *(p for block in blocks for p in block.parameters), *OPS}
    return _Writer(taken, [_name(own, n) for n, (own, _) in enumerate(inputs)], bodies).text(
        name, said, [shape for _, shape in inputs], whole, blocks
    )


def _name(own: str, number: int) -> str:
    plain = re.sub(r"\W+", "_", own, flags=re.ASCII).strip("_").lower()
    return plain if re.match("[a-z]", plain) and plain not in OPS else f"input_{number + 1}"


class _Writer:
    def __init__(self, taken: set[str], inputs: Sequence[str], bodies: Sequence[Body]) -> None:
        self.taken, self.inputs = taken, inputs
        self.names: dict[int, str] = {-1 - n: name for n, name in enumerate(inputs)}
        self.defaults = _defaults([said for body in bodies for said in _calls(body)])

    def text(self, name: str, said: str, shapes: Sequence[Shape], whole: Body, blocks: Sequence[Block]) -> str:
        layers = self._nodes(whole, True)
        made = [(block, self._nodes(block.body, False)) for block in blocks]
        sizes = [" × ".join(map(str, shape)) for shape in shapes]
        named = len(sizes) > 1 or _begins(whole)
        lines = [f"# {said}", f"name: {name}"]
        lines += (
            ["input:", *(f"  {own}: {size}" for own, size in zip(self.inputs, sizes, strict=True))] if named else []
        )
        lines += [] if named else [f"input: {sizes[0]}"]
        lines += (
            ["defaults:", *(f"  {word}: {{{_pairs(given)}}}" for word, given in self.defaults.items())]
            if (self.defaults)
            else []
        )
        lines += ["layers:", *_list(layers, 2)]
        lines += ["blocks:"] if made else []
        for block, nodes in made:
            key = f"{block.name}({', '.join(block.parameters)})" if block.parameters else block.name
            short = f"  {key}: {nodes[0]}"
            lines += [short] if isinstance(nodes[0], str) and [nodes[0]] == nodes and len(short) <= WIDTH else [
                f"  {key}:", *_list(nodes, 4)
            ]  # fmt: skip
        return "\n".join(lines) + "\n"

    # --- lines

    def _nodes(self, body: Body, rows: bool) -> list[Node]:
        """A body as lines and merges; `rows`: a line has one layer with weights, as a row of a table does."""
        found: list[Node] = []
        line: list[tuple[str, bool]] = []  # calls, and whether a line may begin with each

        def end(keep: int = 0) -> None:
            found.extend([" ".join(call for call, _ in line[: len(line) - keep])] if len(line) > keep else [])
            del line[: len(line) - keep]

        for _, same in groupby(body.items, _again):
            item, *more = same
            if isinstance(item, Fork):
                end()
                found.append({self._call(item.said): [self._nodes(branch, False) for branch in item.branches]})
            elif isinstance(item, Named):
                end()
                inner = self._nodes(item.body, False)
                found.append({self._named(item.value): inner[0] if len(inner) == 1 else inner})
            elif isinstance(item, From):
                line.append((self._named(item.value), False))
            else:
                heavy = bool(item.made) or OPS[item.word].family in HEAVY
                call = self._call(item) + (f" x{1 + len(more)}" if more else "")
                if rows and heavy and any(begins for _, begins in line):
                    end()
                if line and len(" ".join([*(call for call, _ in line), call])) > WIDTH:
                    end(0 if heavy else next((n for n, (_, begins) in enumerate(line[:0:-1], 1) if begins), 0))
                line.append((call, heavy))
                if rows and item.made:
                    end()
        end()
        return found or ["identity"]

    def _named(self, value: int) -> str:
        if value not in self.names:
            number = len(self.names) - len(self.inputs) + 1
            self.names[value] = next(v for n in range(number, 10**6) if (v := f"v{n}") not in self.taken)
            self.taken.add(self.names[value])
        return self.names[value]

    def _call(self, said: Said) -> str:
        """`conv(64, 3, 2) `: arguments by their places as long as none before them is left out."""
        fields = {field.name: field for field in ARGUMENTS.get(said.word, ())}
        shared = _shared(said.word, self.defaults)
        shown: list[str] = []
        by_place = True
        for arg in said.args:
            field = fields.get(arg.name)
            placed = field.required or field.kind.partition(" ")[0] in PLACED if field else bool(said.made)
            by_place = by_place and placed
            usual = shared.get(arg.name, field.default if field and not field.required else ...)
            if arg.value == usual and type(arg.value) is type(usual):
                by_place = False
                continue
            text = self._value(arg.value)
            if field is not None and field.kind == "Counts":
                text = text.replace("×", ", ")
            plain = arg.kind in ("Axes", "Pattern", "Counts") or by_place
            shown.append(text if plain else f"{arg.name}={text}")
        return f"{said.word}({', '.join(shown)})" if shown else said.word

    def _value(self, value: Any) -> str:
        if isinstance(value, From):
            return self._named(value.value)
        if isinstance(value, Owner):
            return f"W{value.value}"
        return value.text if isinstance(value, Sum) else show(value)


def _again(item: Item) -> Any:
    """What is the same for calls of a block that may be written as one that is repeated; else nothing is."""
    return (item.word, item.args) if isinstance(item, Said) and item.made else id(item)


def _calls(body: Body) -> Iterator[Said]:
    """All calls of ops in a body."""
    for item in body.items:
        if isinstance(item, Said) and not item.made:
            yield item
        for inner in within(item):
            yield from _calls(inner)


def _begins(body: Body) -> bool:
    """Whether an input is called by its name."""
    uses = (use for one in bodies_in(body) for item in one.items for use in uses_of(item))
    return any(isinstance(use, From) and use.value < 0 for use in uses)


def _shared(word: str, defaults: Defaults) -> dict[str, Any]:
    op = OPS.get(word)
    return {**defaults.get(op.takes_defaults_of, {}), **defaults.get(word, {})} if op else {}


def _defaults(calls: Iterable[Said]) -> Defaults:
    """What calls of an op have in common that is not as usual: `{conv: {bias: False}}`."""
    found: dict[tuple[str, str], Counter[Any]] = defaultdict(Counter)
    for said in calls:
        for arg in said.args:
            found[OPS[said.word].takes_defaults_of or said.word, arg.name][type(arg.value), arg.value] += 1
    defaults: Defaults = {}
    for (word, name), counts in found.items():
        field = next((field for field in ARGUMENTS[word] if field.name == name), None)
        if field is None or field.kind not in ("bool", "float") or field.required:
            continue
        (kind, value), count = counts.most_common(1)[0]
        others = sum(counts.values()) - count
        if kind in (bool, float) and value != field.default and count > others + 1:
            defaults.setdefault(word, {})[name] = value
    return defaults


def _pairs(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {show(value)}" for name, value in given.items())


# --- YAML -----------------------------------------------------------------------------------------------------------


def _list(nodes: Sequence[Node], indent: int) -> list[str]:
    return [line for node in nodes for line in _item(node, indent)]


def _item(node: Node | Sequence[Node], indent: int) -> list[str]:
    """An item of a list: a line, a merge, or a list of its own."""
    pad = " " * indent
    if isinstance(node, str):
        return [f"{pad}- {node}"]
    if not isinstance(node, dict):
        lines = _list(node, indent + 2)
        return [f"{pad}- {lines[0].lstrip()}", *lines[1:]]
    [(key, inner)] = node.items()
    if isinstance(inner, str):
        return [f"{pad}- {key}: {inner}"]
    if isinstance(inner, dict):  # a merge under a name
        first, *rest = _item(inner, indent + 2)
        return [f"{pad}- {key}:", f"{pad}    {first.lstrip()[2:]}", *rest]
    branches = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in inner]
    flow = f"{pad}- {key}: [{', '.join(map(str, branches))}]"
    short = all(isinstance(one, str) and PLAIN.fullmatch(one) for one in branches)
    if short and len(flow) <= WIDTH:
        return [flow]
    return [f"{pad}- {key}:", *(line for one in branches for line in _item(one, indent + 4))]
