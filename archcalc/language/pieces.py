"""A family at many settings: what stands alike in several of its networks is built once, and is one piece in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from operator import itemgetter
from typing import Any

from ..errors import Text
from ..graph import Input
from ..ops import OPS, Shape
from ..pieces import Piece, PieceBuilder, Shelf, Unfolded
from ..records import NamedTuple
from .expand import Env, Opening, Settings, Value, _Expander
from .expr import TURN, Argument, Opaque, Ref, Waiting
from .lines import Block, Body, Call, Item, Line, Merge, Unrolled, bodies_of, calls_of, cells_of, inner, words_of
from .zoo import Selection

MAX_PIECES = 50_000  # kept for a network: where sizes are drawn at random there are new ones for ever

FEW = 16  # calls that are quicker built again inside what calls them than told from others
SIZES = {"hin", "win", "tokens", "width"}
CHANNELS = itemgetter(0)  # of the shape of a map or signal
PLAIN = {int, float, bool, tuple, str, type(None)}


class Pieces:
    """The networks of a model at all settings and inputs, in pieces."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.shelf = Shelf()
        self.known: dict[tuple[Any, ...], Piece] = {}
        self.derived: dict[tuple[Any, ...], dict[str, Any]] = {}  # of `let:`, by what it is derived from
        self.sizes: dict[Shape, dict[str, Any]] = {}  # of what enters, by its shape
        self.spoken: dict[int, tuple[Any, _Words]] = {}  # by the identity of a line or block, which is kept with it

    def network(
        self, settings: Settings, input: Input | None = None, seen: Callable[[Piece], None] | None = None
    ) -> tuple[Piece, Piece | None]:
        """The main path, and where there are heads everything. `seen` hears of the main path row by row, and may raise
        what it likes. Raises as `expand` does, and Unfolded where pieces do not say it all."""
        kept = self.shelf.leaves, self.shelf.ways, self.derived, self.sizes
        if max(self.shelf.pieces, *[len(each) for each in kept]) > MAX_PIECES:
            self.shelf, self.known, self.derived, self.sizes = Shelf(), {}, {}, {}
        return _Folding(self, settings, input).network(seen)


class _Words(NamedTuple):
    """The names that a line or a block uses: those `said` in it, the `constants` that blocks use which it calls, and
    `every` one of them. `alone`: a line is built wherever it stands, as it shares weights, or is a cell that
    is read first. `sized`: what is built may hang on more of the sizes than the channels. `few`: it is a few calls."""

    said: tuple[str, ...]
    constants: tuple[str, ...]
    every: tuple[str, ...]
    alone: bool
    sized: bool
    few: bool


class _Folding(_Expander):
    builder: PieceBuilder

    def __init__(self, pieces: Pieces, settings: Settings, input: Input | None) -> None:
        chosen = pieces.selection
        super().__init__(chosen.family, chosen.variant, chosen.laid, settings, input)
        self.pieces = pieces
        self.builder = PieceBuilder(self.builder.inputs, pieces.shelf)
        self.round: tuple[Call | None, Piece | None, Shape] = None, None, ()  # of a repeat: what it placed, and on what
        self._sizes_of = pieces.sizes
        self.inline = [0]  # how many calls are around that name their weights, here and in files that are built into it

    def network(self, seen: Callable[[Piece], None] | None) -> tuple[Piece, Piece | None]:
        family, builder = self.family, self.builder
        if family.layers is None or not builder.inputs:
            raise Unfolded
        start, names = self._start()
        ends, main = start, 0
        for ends in self._rows(start, names):  # noqa: B007
            if seen is not None:
                for piece in builder.pieces(main):
                    seen(piece)
            main = len(builder)
        heads = tuple([end for name in family.heads for end in self._head(name)])
        return builder.whole(main, ends, heads)

    # --- what is built once ------------------------------------------------------------------------------------------

    def _memo(self, key: tuple[Any, ...], sized: bool, handed: Value, where: Text, make: Callable[[], Value]) -> Value:
        """What `make` makes of what it is handed, if that is new; of a known form at new sizes without it. `key` says
        all that it hangs on but for the shapes of what is handed, and is not `sized` where of these it may only be the
        channels."""
        builder, pieces = self.builder, self.pieces
        shapes = [*map(builder.shape, handed)]
        piece = None
        if sized or False in [type(shape) is tuple and len(shape) > 1 for shape in shapes]:  # no map and no signal
            sized = True
            key = (*key, *shapes, *map(type, shapes), *map(builder.laid_out, handed))
            piece = pieces.known.get(key)
        else:
            key = (*key, *map(len, shapes), *map(CHANNELS, shapes))
            piece = pieces.known.get(key)
            if piece is not None and piece.form.fixed:
                key = (*key, *shapes)
                piece = pieces.known.get(key)
            elif piece is not None:
                piece = builder.again(piece, tuple(map(shapes.__getitem__, piece.form.takes)))
        if piece is not None:
            self._step(where, piece.form.steps)
        else:
            start, steps = len(builder), self.steps
            value = make()
            piece = builder.fold(start, handed, value, self.steps - steps, sized)
            if piece.form.fixed and not sized:
                pieces.known.setdefault(key, piece)
                key = (*key, *shapes)
            pieces.known[key] = piece
        return builder.place(piece, handed, where)

    @property
    def _plain(self) -> bool:
        """Whether nothing is folded here: weights have users elsewhere, or steps and experts look inside."""
        return bool(self.inline[0] or self.gates or self.unrolling)

    def _opened(self, opening: Opening) -> Value:
        if self._plain:
            return self._built(opening)
        block, entering, word = opening.block, opening.entering, opening.call.word
        words = self._words(block)
        if self.opening and words.few and opening.call.times is None:
            return self._built(opening)  # what stands around it is quickly built
        constants = self._values(self.constants, words.every)
        key = (id(block), constants, *self._alike(opening.known, opening.own, entering))
        return self._memo(key, words.sized, entering, word, lambda: self._built(opening))

    def _alike(self, name: str, given: dict[str, Any], entering: Value) -> tuple[Any, ...]:
        """As of every network, but for the shapes."""
        own = tuple([len(v.value) if isinstance(v, Ref) else v for v in given.values()])
        same = tuple(map(entering.index, entering))
        return (name, *self.opening, self.depth, own, tuple(map(type, given.values())), same)

    def _entering(self, value: Value) -> dict[str, Any]:
        found = super()._entering(value)
        self.builder.widths.append((value[0], found["cin"]))
        return found

    def line(self, line: Line, env: Env, value: Value) -> Value:
        if self.opening or self.depth or self._plain:
            return super().line(line, env, value)
        return self._of_row(line, env, value, super().line)

    def merge(self, merge: Merge, env: Env, value: Value) -> Value:
        if self.opening or self.depth or self._plain:
            return super().merge(merge, env, value)
        return self._of_row(merge, env, value, super().merge)

    def _of_row(self, item: Line | Merge, env: Env, value: Value, build: Callable[[Any, Env, Value], Value]) -> Value:
        """The value of a line or merge that stands in no block."""
        where, words = _where(item), self._words(item)
        if words.alone:
            return build(item, env, value)
        constants = self._values(self.constants, words.constants)
        said = self._values(env, words.said)
        handed = value
        if Ref in said:  # one of the kinds
            refs = [ref for ref in map(env.get, words.said) if isinstance(ref, Ref)]
            handed = (*value, *[v for ref in refs for v in ref.value])
        key = (id(item), constants, said, len(value), *map(handed.index, handed))
        return self._memo(key, words.sized, handed, where, lambda: build(item, env, value))

    def unrolled(self, steps: Unrolled, env: Env, value: Value) -> Value:
        raise Unfolded  # steps behind the first are no further layers, and a piece has no number

    def call(self, call: Call, env: Env, value: Value) -> Value:
        if call.weights is None:
            if call.times is not None and env.get("first") is False and not self._plain:
                return self._again(call, env, value)
            if call is self.round[0]:
                self.round = None, None, ()  # another repeat
            return super().call(call, env, value)
        self.inline[0] += 1
        value = super().call(call, env, value)
        self.inline[0] -= 1
        return value

    def _again(self, call: Call, env: Env, value: Value) -> Value:
        """The value of a call in a round behind the first: of one that is the same in all of these what the round
        before placed, as long as sizes stay."""
        again = self.rest(call, value, 1)
        if again is not None:
            return again
        builder, shape = self.builder, self.builder.shape(value[0])
        start = len(builder)
        found = super().call(call, env, value)
        alone = found == (start,) == (len(builder) - 1,) and len(shape) > 1 and builder.inputs_of(start) == value
        names = {name for argument in (*call.args, *[own for _, own in call.named]) for name in argument.names}
        part = builder.parts[start] if alone and names.isdisjoint(TURN[1:]) else None
        self.round = call, part if isinstance(part, Piece) else None, shape
        return found

    def rest(self, call: Call, value: Value, left: int) -> Value | None:
        of, piece, entered = self.round
        if of is not call or piece is None or len(value) != 1 or entered != self.builder.shape(value[0]):
            return None
        self._step(call.word, left * (4 + piece.form.steps))
        return self.builder.place(piece, value, call.word, left)

    def _follow(self, env: Env) -> None:
        if not self.later:
            return
        key = (id(self.family), *self._values(env, sorted({name for _, expr in self.later for name in expr.names})))
        derived = self.pieces.derived
        found = derived.get(key)
        if found is None:
            super()._follow(env)
            derived[key] = {name: env[name] for name, _ in self.later if name in env}
        else:
            env.update(found)

    def _said(self, item: Item, env: Env) -> str:
        return ""  # nobody sees it

    # --- what it hangs on --------------------------------------------------------------------------------------------

    def _words(self, of: Block | Line | Merge) -> _Words:
        """The names that a block uses, or a line or merge that stands in none."""
        found = self.pieces.spoken.get(id(of))
        if found is not None:
            return found[1]
        body = of.body if isinstance(of, Block) else Body(_where(of), (of,))
        family = self.family
        said = self._used(body, [default for _, default in of.parameters] if isinstance(of, Block) else ())
        said |= {n for own in family.defaults.values() for _, default in own.values() for n in default.names}
        behind, blocks, bodies = set[str](), {name for name in said if name in family.blocks}, [body]
        left = [*blocks]
        while left:
            block = family.blocks[left.pop()]
            used = self._used(block.body, [default for _, default in block.parameters])
            behind |= used
            bodies.append(block.body)
            new = {name for name in used if name in family.blocks} - blocks
            blocks |= new
            left += new
        alone = any(call.weights is not None or call.cell for call in calls_of(body))
        calls = [call for each in bodies for call in calls_of(each)]
        sized = not SIZES.isdisjoint((said | behind) - family.own_names - family.given.keys() - family.let.keys())
        sized |= any(call.cell or call.weights is not None for call in calls)
        sized |= any(call.word.value in family.borrowed for call in calls)
        sized |= any(
            isinstance(inner(item), Unrolled) for each in bodies for own in bodies_of(each) for item in own.items
        )
        few = len(calls) <= FEW and not any(call.times for call in calls)
        values = family.value_names
        said = {name for name in said if name in values or not (name in OPS or name in family.blocks)}
        constants = tuple(behind & self.constants.keys())
        found = of, _Words(tuple(said), constants, (*said, *constants), alone, sized, few)
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
        if not names:
            return ()
        values = [*map(env.get, names)]
        kinds = [*map(type, values)]
        if not PLAIN.issuperset(kinds):
            values = [self._value(env, value) for value in values]
        return (*values, *kinds)  # 1 is not True

    def _value(self, env: Mapping[str, Any], value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        if isinstance(value, Fraction):
            return value.as_integer_ratio()  # which takes no time to hash
        if isinstance(value, Opaque):  # an expression of numbers, or a text
            used = [env.get(name) for name in sorted(value.names)]
            numbers = [self._value(env, other) for other in used if type(other) in PLAIN or type(other) is Fraction]
            return (value.text.value, *numbers, *map(type, used))
        return len(value.value) if isinstance(value, Ref) else type(value) if isinstance(value, Waiting) else value


def _where(item: Line | Merge) -> Text:
    return item.text if isinstance(item, Line) else item.word
