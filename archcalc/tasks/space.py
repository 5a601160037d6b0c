"""What a sweep varies: axes of values and what follows from them by expressions. Every point has a number, which says
all about it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from json import dumps, loads
from math import prod
from random import Random

from ..analysis.training import OPTIMIZERS
from ..errors import Source, Text, UsageError, did_you_mean
from ..graph import Input, Typed
from ..language.expr import NAME, Expr, simplify
from ..ops import Shape
from ..records import NamedTuple
from ..units import ITEMSIZE, as_typed, cut, read_number

Number = int | Fraction
Value = Number | str | Shape  # of an axis: a number, a word, or a whole input
MOST = 2_000  # points that are shown at once, and numbers of a range
LARGEST = 10**8  # points that are counted in one sweep
INPUT = "input"
WORDS = {"dtype": tuple(ITEMSIZE), "optimizer": tuple(OPTIMIZERS)}
OWN = (INPUT, "batch", *WORDS)  # what varies beside the constants of a spec


class Candidate(NamedTuple):
    """A point that may be counted. `settings` are the constants of the spec, `values` all that varies but its input and
    batch, with what follows from it."""

    number: int
    input: Input | None
    batch: int
    dtype: str
    optimizer: str
    settings: dict[str, Number | str]
    values: dict[str, Number | str]

    @property
    def shown(self) -> dict[str, str]:
        """What varies, as it would be typed."""
        return {name: shown(value) for name, value in self.values.items()}


@dataclass(frozen=True, slots=True)
class Axis:
    """A name and the values that it takes one after the other. An input of several has its name behind `input `."""

    name: str
    values: Sequence[Value]

    @property
    def input(self) -> str | None:
        """Which input it is, `` the only one; None for anything else."""
        return self.name[len(INPUT) + 1 :] if self.name.partition(" ")[0] == INPUT else None


class Space:
    """All points of some axes, the last of which is the quickest; `derived` are expressions of them and of one another.

    `settable` says which names are constants of the spec, or what code is made with, which may be `words` too; others
    only name a number for expressions and for what is `used` of them elsewhere. Raises UsageError, and SpecError with
    the place in the option."""

    def __init__(
        self,
        axes: Iterable[tuple[str, str]],
        derived: Iterable[tuple[str, str]],
        settable: Callable[[str], bool],
        used: Iterable[str] = (),
        words: bool = False,
    ) -> None:
        self.axes = tuple(Axis(name, values_of(name, text, words=words)) for name, text in axes)
        typed = {name: Text(text, Source(f"--set {name}", (text,)), 1, 1) for name, text in derived}
        self._derived = _in_order({name: Expr(text.strip()) for name, text in typed.items()}, self.names)
        needed = {name for _, expr in self._derived for name in expr.names} | {*used}
        every = [*(axis.name for axis in self.axes if axis.input is None), *typed]
        for name in every:
            if name in typed and every.count(name) > 1:
                raise UsageError(f"`{name}` is given twice")
        # A name that nothing uses is a constant of the spec, or an error of whoever looks for it.
        self._settings = [n for n in every if n not in OWN and (settable(n) or n not in needed)]
        self.size = prod(len(axis.values) for axis in self.axes)
        self._fixed = [axis.name for axis in self.axes if axis.name in WORDS and len(axis.values) == 1]

    @property
    def names(self) -> list[str]:
        """The names of axes that are numbers."""
        return [a.name for a in self.axes if a.input is None and not any(isinstance(value, str) for value in a.values)]

    @property
    def numbers(self) -> list[str]:
        """All that varies and is a number, with what follows from it."""
        return [*self.names, *(name for name, _ in self._derived)]

    @property
    def columns(self) -> list[str]:
        """All that varies, with what follows from it."""
        alone = {axis.name for axis in self.axes if axis.name in OWN and len(axis.values) == 1}
        return [
            name for name in (*(axis.name for axis in self.axes), *(n for n, _ in self._derived)) if name not in alone
        ]

    @property
    def settings(self) -> list[str]:
        """The names of the spec's constants among them."""
        return list(self._settings)

    def at(self, number: int) -> Candidate:
        """The point of a number. Raises ArchcalcError where its expressions have no value."""
        rest, chosen = number, dict[str, Value]()
        for axis in reversed(self.axes):
            rest, place = divmod(rest, len(axis.values))
            chosen[axis.name] = axis.values[place]
        values: dict[str, Value] = {axis.name: chosen[axis.name] for axis in self.axes}
        for name, expr in self._derived:
            found = expr.number(values)
            values[name] = simplify(Fraction(repr(found)) if isinstance(found, float) else found)
        inputs: dict[str, Shape] = {}
        for name in [name for name in values if name.partition(" ")[0] == INPUT]:
            side = values.pop(name)
            inputs[name[len(INPUT) + 1 :]] = side if isinstance(side, tuple) else (_whole(side, "input"),)
        batch = _whole(values.pop("batch", 1), "batch")
        dtype, optimizer = (
            str(values.get(name, usual)) for name, usual in (("dtype", "float32"), ("optimizer", "sgd"))
        )
        for name in self._fixed:
            del values[name]
        settings: dict[str, Number | str] = {name: values[name] for name in self._settings}  # type: ignore[misc]
        return Candidate(
            number,
            inputs.get("", inputs or None),
            batch,
            dtype,
            optimizer,
            settings,
            values,  # type: ignore[arg-type]
        )

    def sample(self, count: int, seed: int, latin: bool = False) -> Sequence[int]:
        """The numbers of so many points, none twice, in order: drawn uniformly, or as a Latin hypercube, which has as
        many points in each of equal parts of every axis. Of the latter what is drawn twice is left out."""
        if count >= self.size:
            return range(self.size)
        draw = Random(f"archcalc {seed}")
        if not latin:
            return array("Q", sorted(draw.sample(range(self.size), count)))
        drawn = array("Q", bytes(8 * count))
        for axis in self.axes:
            parts = array("L", range(count))
            draw.shuffle(parts)
            for at, part in enumerate(parts):
                drawn[at] = drawn[at] * len(axis.values) + int((part + draw.random()) / count * len(axis.values))
        return array("Q", sorted(set(drawn)))


def _in_order(given: Mapping[str, Expr], names: Iterable[str]) -> list[tuple[str, Expr]]:
    """Expressions behind those that they need. Raises SpecError for a name that there is not, or a circle."""
    left, known, found = dict(given), {*names}, list[tuple[str, Expr]]()
    for expr in given.values():
        for name, start in expr.names.items():
            if name not in known and name not in given:
                place = expr.text.part(start, start + len(name))
                raise place.error(f"`{name}` is nothing that varies", did_you_mean(name, [*known, *given]))
    while left:
        ready = [name for name, expr in left.items() if left.keys().isdisjoint(expr.names)]
        if not ready:
            first = next(iter(left.values())).text
            raise first.error(f"these expressions need one another: {', '.join(left)}")
        found += [(name, left.pop(name)) for name in ready]
    return found


def values_of(name: str, text: str, option: str = "", words: bool = False) -> Sequence[Value]:
    """The values of an axis, which `--set` or `--vary` gives, or an option of its own; `words` where they may be such.
    Raises UsageError."""
    what = f"{option} {name}=" if option else f"--{name} "
    if name.partition(" ")[0] == INPUT:
        return sides(text, what)
    if name == "batch":
        return counts(text, what)
    if name in WORDS:
        listed = [word.strip() for word in text.split(",")]
        for word in listed:
            if word not in WORDS[name]:
                raise UsageError(f"`{cut(word)}` is no {name}", did_you_mean(word, WORDS[name]))
        return list(dict.fromkeys(listed))
    place = NAME.match(name)
    if not place or not (place.end() == len(name) or name[place.end()] == "["):
        raise UsageError(f"`{cut(name)}` is no name of what varies", "Such as `width`, or `layers[stage 3]` in a row.")
    if words and "[" in text:
        try:
            return list(dict.fromkeys(map(dumps, loads(f"[{text}]"))))
        except ValueError as error:
            raise UsageError(f"`{option} {name}={cut(text)}` is no JSON: {error}") from None
    if words and re.search(r"(^|,)\s*[A-Za-z_]", text):
        return list(dict.fromkeys(word.strip() for word in text.split(",")))
    return [simplify(value) for value in values(text, what)]


def is_expression(text: str) -> bool:
    """Whether a setting is an expression of what varies, and no number, range or list."""
    if ".." in text or ("," in text and "(" not in text):
        return False
    try:
        read_number(text)
    except ValueError:
        return True
    return False


def sides(text: str, what: str = "--input ") -> list[int | Shape]:
    """`128..512/32,3x64x96`: sides, and whole inputs; of code with their dtype, `16..64*2:int64`. Raises UsageError."""
    found: list[int | Shape] = []
    last = text.rpartition(",")[2].partition(":")[2]
    for part in text.split(",") if text else ():
        size, _, typed = part.partition(":")
        whole = size.lower().replace("×", "x")
        if re.fullmatch("[0-9]{1,19}(x[0-9]{1,19})+", whole):
            some: Sequence[int | Shape] = [tuple(int(n) for n in whole.split("x"))]
        else:
            some = counts(size, what)
        found += [_typed(each, typed or last) for each in some] if typed or last else some
    return found


def _typed(size: int | Shape, text: str) -> Typed:
    """A size with a dtype, `int64`, and what all elements are, `int64=1`. Raises UsageError."""
    from ..tracing.traced import BYTES

    dtype, _, value = text.partition("=")
    if dtype not in BYTES or not re.fullmatch("[0-9]{0,18}", value):
        raise UsageError(f"`{cut(text)}` is no dtype of an input", did_you_mean(dtype, BYTES))
    return Typed((size,) if isinstance(size, int) else size, dtype, int(value or 1))


def values(text: str, what: str) -> tuple[Fraction, ...]:
    """`128..512/32` (both ends, in steps), `8..256*2` (each so many times the one before), `1,8`, `0.5..2/0.5`, and
    lists of these; `what` is what stands in front of them. Raises UsageError."""
    found: list[Fraction] = []
    for part in text.split(","):
        try:
            span, sign, step = part.partition("*" if "*" in part else "/")
            low, dots, high = span.partition("..")
            if not dots:
                if sign:
                    raise ValueError
                found.append(read_number(low))
                continue
            first, last, by = read_number(low), read_number(high), read_number(step if sign else "1")
            if by <= (sign == "*") or last < first or (sign == "*" and first <= 0):
                raise ValueError
            found += (
                _times(first, last, by, f"{what}{part}") if sign == "*" else _steps(first, last, by, f"{what}{part}")
            )
        except (ValueError, ZeroDivisionError):
            hint = "A range is `128..512/32`, or `8..256*2` by factors; a list `1,8,32`."
            raise UsageError(f"`{what}{cut(text)}` is neither numbers nor a range of them", hint) from None
        if len(found) > MOST:
            raise UsageError(f"`{what}{cut(text)}` is more than {MOST:,} numbers, the most of one name")
    return tuple(dict.fromkeys(found))


def _steps(first: Fraction, last: Fraction, by: Fraction, what: str) -> list[Fraction]:
    if (last - first) / by >= MOST:
        raise UsageError(f"`{what}` is more than {MOST:,} numbers, the most that are counted at once")
    return [first + by * n for n in range(int((last - first) / by) + 1)]


def _times(first: Fraction, last: Fraction, by: Fraction, what: str) -> list[Fraction]:
    """A number, that times a factor, and so on; to twelve digits where they would be long ones."""
    found: list[Fraction] = []
    while first <= last:
        found.append(first)
        first *= by
        if first.denominator > 10**9 or first.numerator > 10**18:
            first = Fraction(f"{float(first):.12g}")
        if len(found) > MOST or first == found[-1]:
            raise UsageError(f"`{what}` is more than {MOST:,} numbers, the most of one name")
    return found


def counts(text: str, what: str) -> tuple[int, ...]:
    """Whole numbers of at least 1. Raises UsageError."""
    found = values(text, what)
    if any(value.denominator != 1 or value < 1 for value in found):
        raise UsageError(f"`{what}{cut(text)}`: whole numbers of at least 1 are wanted")
    return tuple(int(value) for value in found)


def _whole(value: Value, what: str) -> int:
    if not isinstance(value, int) or value < 1:
        raise UsageError(f"`{what}` is a whole number of at least 1, here it is {shown(value)}")
    return value


def shown(value: Value | float) -> str:
    """A value as it is typed: `1.1`, an input as `3x64x96`."""
    if isinstance(value, Typed) and value.dtype:
        return f"{'x'.join(map(str, value))}:{value.dtype}" + (f"={value.value}" if value.value != 1 else "")
    if isinstance(value, tuple | list):
        return "x".join(map(str, value))
    return as_typed(value) if isinstance(value, Fraction) else str(value)
