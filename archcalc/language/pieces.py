"""A family at many settings: what stands alike in several of its networks is built once, and is one piece in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from ..graph import Input, Piece, PieceBuilder, Unfolded
from ..ops import OPS, Op, Shape
from .expand import Env, Opening, Settings, Value, _Expander
from .expr import Argument, Opaque, Ref, Waiting
from .lines import Body, Call, Item, Line, Merge, calls_of, cells_of, words_of
from .zoo import Selection

MAX_PIECES = 20_000  # kept for a network: where sizes are drawn at random there are new ones for ever

PLAIN = {int, float, Fraction, bool, tuple, str, type(None)}


class Pieces:
    """The networks of a model at all settings and inputs, in pieces."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.known: dict[tuple[Any, ...], Piece] = {}
        self.spoken: dict[int, tuple[Any, _Words]] = {}  # by the identity of a line or block, which is kept with it
        self.shapes: dict[tuple[Op, tuple[Shape, ...]], Shape] = {}

    def network(
        self, settings: Settings, input: Input | None = None, seen: Callable[[Piece], None] | None = None
    ) -> tuple[Piece, Piece | None]:
        """The main path, and where there are heads everything. `seen` hears of the main path row by row, and may raise
        what it likes. Raises as `expand` does, and Unfolded where pieces do not say it all."""
        if len(self.known) > MAX_PIECES or len(self.shapes) > MAX_PIECES:
            self.known.clear()
            self.shapes.clear()
        return _Folding(self, settings, input).network(seen)


class _Words(NamedTuple):
    """The names that a line or a block uses: those `said` in it, and the `constants` that blocks use which it calls.
    `alone`: a line is built wherever it stands, as it shares weights with others, or is a cell that is read first."""

    said: tuple[str, ...]
    constants: tuple[str, ...]
    alone: bool


class _Folding(_Expander):
    builder: PieceBuilder

    def __init__(self, pieces: Pieces, settings: Settings, input: Input | None) -> None:
        chosen = pieces.selection
        super().__init__(chosen.family, chosen.variant, chosen.laid, settings, input)
        self.pieces = pieces
        self.builder = PieceBuilder(self.builder.inputs, pieces.shapes)
        self.inline = [0]  # how many calls are around that name their weights, here and in files that are built into it

    def network(self, seen: Callable[[Piece], None] | None) -> tuple[Piece, Piece | None]:
        family, builder = self.family, self.builder
        if family.layers is None or not builder.inputs:
            raise Unfolded
        start = tuple(-1 - n for n in range(len(builder.inputs)))
        names = {}
        if family.named_inputs:
            names = {name: Ref((value,)) for (name, _), value in zip(builder.inputs, start, strict=True)}
        ends, main = start, 0
        for ends in self._rows(start, names):  # noqa: B007
            if seen is not None:
                for piece in builder.pieces(main):
                    seen(piece)
            main = len(builder)
        heads = tuple([end for name in family.heads for end in self._head(name)])
        return builder.whole(main, ends, heads)

    # --- what is built once ------------------------------------------------------------------------------------------

    def _memo(self, key: tuple[Any, ...], handed: Value, where: Any, make: Callable[[], Value]) -> Value:
        known = self.pieces.known
        piece = known.get(key)
        if piece is None:
            start, steps = len(self.builder), self.steps
            value = make()
            piece = known[key] = self.builder.fold(start, handed, value, self.steps - steps)
        else:
            self._step(where, piece.steps)
        return self.builder.place(piece, handed, where)

    @property
    def _plain(self) -> bool:
        """Whether nothing is folded here: weights have users elsewhere, or steps and experts look inside."""
        return bool(self.inline[0] or self.gates or self.unrolling)

    def _opened(self, opening: Opening) -> Value:
        if self._plain:
            return self._built(opening)
        block, entering = opening.block, opening.entering
        words = self._words(block, block.body, [default for _, default in block.parameters])
        constants = self._values(self.constants, (*words.said, *words.constants))
        key = (id(block), constants, *self._alike(opening.known, opening.own, entering))
        return self._memo(key, entering, opening.call.word, lambda: self._built(opening))

    def line(self, line: Line, env: Env, value: Value) -> Value:
        if self.opening or self.depth or self._plain:
            return super().line(line, env, value)
        return self._of_row(line, env, value, super().line)

    def merge(self, merge: Merge, env: Env, value: Value) -> Value:
        if self.opening or self.depth or self._plain:
            return super().merge(merge, env, value)
        return self._of_row(merge, env, value, super().merge)

    def _of_row(self, item: Any, env: Env, value: Value, build: Callable[[Any, Env, Value], Value]) -> Value:
        """The value of a line or merge that stands in no block."""
        where = item.text if isinstance(item, Line) else item.word
        words = self._words(item, Body(where, (item,)))
        if words.alone:
            return build(item, env, value)
        given = {name: env.get(name) for name in words.said}
        handed = (*value, *(v for ref in given.values() if isinstance(ref, Ref) for v in ref.value))
        constants = self._values(self.constants, words.constants)
        said = self._values(env, words.said)
        key = (id(item), constants, said, *self._alike("", {"": Ref(value)}, handed))
        return self._memo(key, handed, where, lambda: build(item, env, value))

    def call(self, call: Call, env: Env, value: Value) -> Value:
        if call.weights is None:
            return super().call(call, env, value)
        self.inline[0] += 1
        value = super().call(call, env, value)
        self.inline[0] -= 1
        return value

    def _said(self, item: Item, env: Env) -> str:
        return ""  # nobody sees it

    # --- what it hangs on --------------------------------------------------------------------------------------------

    def _words(self, of: Any, body: Body, defaults: Iterable[Argument | None] = ()) -> _Words:
        """The names that `body` uses, which is that of `of`."""
        found = self.pieces.spoken.get(id(of))
        if found is None:
            family = self.family
            said = self._used(body, defaults)
            said |= {n for own in family.defaults.values() for _, default in own.values() for n in default.names}
            behind, blocks = set[str](), {name for name in said if name in family.blocks}
            left = [*blocks]
            while left:
                block = family.blocks[left.pop()]
                used = self._used(block.body, [default for _, default in block.parameters])
                behind |= used
                new = {name for name in used if name in family.blocks} - blocks
                blocks |= new
                left += new
            alone = any(call.weights is not None or call.cell for call in calls_of(body))
            values = family.value_names
            said = {name for name in said if name in values or not (name in OPS or name in family.blocks)}
            found = of, _Words(tuple(said), tuple(behind & self.constants.keys()), alone)
            self.pieces.spoken[id(of)] = found
        return found[1]

    def _used(self, body: Body, defaults: Iterable[Argument | None]) -> set[str]:
        found = {name for name, _ in words_of(body)}
        found |= {name for default in defaults if default is not None for name in default.names}
        if any(cells_of(body)):
            found |= {name for _, meant in self.family.notation for name, _ in words_of(meant)}
        return found

    def _values(self, env: Mapping[str, Any], names: Iterable[str]) -> tuple[Any, ...]:
        """What names mean, as far as a piece may hang on it."""
        values = [env.get(name) for name in names]
        kinds = [*map(type, values)]
        if not PLAIN.issuperset(kinds):
            values = [self._value(env, value) for value in values]
        return (*values, *kinds)  # 1 is not True

    def _value(self, env: Mapping[str, Any], value: Any) -> Any:
        if isinstance(value, Opaque):  # an expression of numbers, or a text
            used = [env.get(name) for name in sorted(value.names)]
            return (value.text.value, *[other for other in used if type(other) in PLAIN], *map(type, used))
        return len(value.value) if isinstance(value, Ref) else type(value) if isinstance(value, Waiting) else value
