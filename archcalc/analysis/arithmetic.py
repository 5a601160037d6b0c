"""The arithmetic behind a number, written out by the rule that computes it.

A rule of an op is run with `Term`s: integers that remember how they came about. What is shown is therefore what is
counted; there is no second formula. Run once more with letters for the numbers, the same rule gives its formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from ..ops import Op, Param, Shape, Tokens
from ..ops.shapes import cuts_of, many, numel, show
from ..records import NamedTuple

SUM, PRODUCT, ATOM = 1, 2, 3
Behind: TypeAlias = "tuple[str, Term, Term] | None"
LONG, LONG_FORMULA = 160, 90  # characters of arithmetic, and of a formula, that nobody reads any more
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _reflected(method: Callable[[Term, Any], Any]) -> Callable[[Term, Any], Any]:
    """The method of a Term for `other ∘ self`."""
    return lambda self, other: method(term(other), self) if isinstance(other, int) else NotImplemented


class Term(int):
    """An integer with the text of its computation; `rank` says how tightly the text binds. `symbolic`: the text holds
    letters, so that a quotient may not be whole for other numbers. `behind`, of a sum: its last sign, what stands
    behind that, and what before."""

    text: str
    rank: int
    symbolic: bool
    behind: Behind

    def __new__(
        cls, value: int, text: str | None = None, rank: int = ATOM, symbolic: bool = False, behind: Behind = None
    ) -> Term:
        term = super().__new__(cls, value)
        term.text = f"{int(value)}".replace("-", "−") if text is None else text
        term.rank, term.symbolic, term.behind = rank, symbolic, behind
        return term

    def within(self, rank: int) -> str:
        return self.text if self.rank >= rank else f"({self.text})"

    @property
    def computed(self) -> bool:
        """Whether the text says more than the number."""
        return self.rank != ATOM or self.text != f"{int(self)}"

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        right = term(other)
        if "0" in (self.text, right.text):
            return Term(0)
        if self.text == "1":
            return right
        if right.text == "1":
            return self
        # A quotient behind another factor stands in brackets: 256·(96/2).
        behind = f"({right.text})" if right.rank == PRODUCT and "/" in right.text else right.within(PRODUCT)
        text = f"{self.within(PRODUCT)}·{behind}"
        return Term(int(self) * int(right), text, PRODUCT, self.symbolic or right.symbolic)

    def __add__(self, other: Any) -> Any:
        return self._sum(other, "+")

    def __sub__(self, other: Any) -> Any:
        return self._sum(other, "−")

    def _sum(self, other: Any, sign: str) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        right = term(other)
        if right.text == "0":
            return self
        if self.text == "0" and sign == "+":
            return right
        if self.behind is not None and self.behind[0] != sign and self.behind[1].text == right.text:
            return self.behind[2]  # k − 1 + 1
        if right.behind is not None and sign == "+":
            last, behind, before = right.behind
            return (self + before)._sum(behind, last)  # n + (k − 1)
        value = int(self) + int(right) if sign == "+" else int(self) - int(right)
        text = f"{self.text} {sign} {right.within(PRODUCT)}"
        return Term(value, text, SUM, self.symbolic or right.symbolic, (sign, right, self))

    def __floordiv__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        right = term(other)
        if self.text == right.text and self:
            return Term(1)
        if right.text == "1" and (isinstance(other, Term) or self.symbolic):
            return self  # no groups; a stride of 1 is a plain number, and shown
        text, symbolic = f"{self.within(PRODUCT)}/{right.within(ATOM)}", self.symbolic or right.symbolic
        whole = int(self) % int(right) == 0 and not symbolic
        return Term(int(self) // int(right), text if whole else f"⌊{text}⌋", PRODUCT if whole else ATOM, symbolic)

    __rmul__, __radd__ = _reflected(__mul__), _reflected(__add__)
    __rsub__, __rfloordiv__ = _reflected(__sub__), _reflected(__floordiv__)

    def __neg__(self) -> Term:
        if self.text.startswith("⌊−") and self.text.index("⌋") == len(self.text) - 1:  # −⌊−n/s⌋
            return Term(-int(self), f"⌈{self.text[2:-1]}⌉", ATOM, self.symbolic)
        if self.text.startswith("−") and self.rank == PRODUCT:
            return Term(-int(self), self.text[1:], PRODUCT, self.symbolic)
        return Term(-int(self), f"−{self.within(ATOM)}", PRODUCT, self.symbolic)


def term(value: int) -> Term:
    return value if isinstance(value, Term) else Term(value)


def terms(shape: Shape) -> Shape:
    found = tuple(Term(n) for n in shape)
    return many(Tokens(found) if isinstance(shape, Tokens) else found, cuts_of(shape))


class Count(NamedTuple):
    """A number, how it comes about (`64·3·7·7`; nothing where it is just given), and by which formula."""

    name: str
    value: int
    text: str = ""
    rule: str = ""
    kind: str = ""

    @property
    def equation(self) -> str:
        """`64·3·7·7 = 9,408`, or the number alone."""
        return f"{self.text} = {self.value:,}" if self.text else f"{self.value:,}"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The costs of an op on certain values: the axes of its output, its parameters tensor by tensor (`kind` as
    in `Param`) and together, its MACs and its other operations by kind. Counts are for one sample. `letters` are what
    the letters of the formulas stand for."""

    shape: tuple[Count, ...]
    params: tuple[Count, ...]
    total: Count
    macs: Count
    elementwise: tuple[Count, ...]
    letters: dict[str, int]


class _Run(NamedTuple):
    """The results of an op's rules."""

    shape: tuple[Term, ...]
    params: tuple[tuple[Param, Term], ...]
    total: Term
    macs: Term
    elementwise: dict[str, Term]


@lru_cache(maxsize=1024)  # blocks are repeated
def arithmetic(op: Op, x: tuple[Shape, ...], y: Shape) -> Arithmetic:
    """Write out what `op` costs from input shapes `x` to output shape `y`. Raises OpError where they do not fit."""
    # Shapes by an op of plain numbers, so that paddings and kernels show as what they are.
    counting = _changed(op, lambda name, value, at: Term(value))  # so that a kernel shows as 7·7
    found = _run(op, counting, tuple(map(terms, x)), terms(y))
    letters: dict[str, int] = {}
    formulas = _run_with_letters(op, x, letters)

    def count(name: str, value: Term, formula: Term, kind: str = "") -> Count:
        text = value.text if value.computed and len(value.text) <= LONG else ""
        rule = formula.text if formula.symbolic and len(formula.text) <= LONG_FORMULA else ""
        return Count(name, int(value), text, rule, kind)

    return Arithmetic(
        tuple(map(count, axes_of(y), found.shape, formulas.shape)),
        tuple(
            count(param.name, value, formula, param.kind)
            for (param, value), (_, formula) in zip(found.params, formulas.params, strict=True)
        ),
        count("params", found.total, formulas.total),
        count("MACs", found.macs, formulas.macs),
        tuple(count(kind, value, formulas.elementwise[kind]) for kind, value in found.elementwise.items()),
        letters,
    )


def fan_in(op: Op, x: tuple[Shape, ...]) -> Count:
    """How many products each output of `op` sums, for the input shapes `x`."""
    value = term(_changed(op, lambda name, value, at: Term(value)).fan_in(*map(terms, x)))
    return Count("fan-in", int(value), value.text if value.computed and len(value.text) <= LONG else "")


def _run(shaping: Op, counting: Op, x: tuple[Shape, ...], y: Shape | None = None) -> _Run:
    shape = tuple(term(size) for size in shaping.shape(*x))
    params = tuple((param, term(numel(tuple(map(term, param.shape))))) for param in counting.params(*x))
    total: Any = Term(0)
    for param, count in params:
        total = total + count if param.kind != "stat" else total
    costs = counting.elementwise(*x, y)
    turns = term(counting.turns(*x))
    macs = turns * term(counting.macs(*x, y))
    return _Run(shape, params, total, macs, {kind: turns * term(count) for kind, count in costs.items()})


def _changed(op: Op, make: Callable[[str, int, str], Term], given: bool = False) -> Op:
    """`op` with its whole numbers made into Terms; `given`: only steps, and what is not as it is by default."""
    changed: dict[str, Any] = {}
    for argument, value in op.arguments:
        if given and value == argument.default and not argument.required and argument.name != "stride":
            continue
        if isinstance(value, tuple) and all(isinstance(n, int) for n in value):  # of code it may hold tensors
            changed[argument.name] = tuple(make(argument.name, n, _mark(at)) for at, n in enumerate(value, 1))
        elif isinstance(value, int) and not isinstance(value, bool):
            changed[argument.name] = make(argument.name, value, "")
    return op.but(**changed) if changed else op


# --- formulas -----------------------------------------------------------------------------------------------------

# What arguments are called in formulas; others by their names.
LETTERS = {"kernel": "k", "stride": "s", "pad": "p", "pad_end": "q", "dilation": "d", "groups": "g"}
AXES = {2: ("C", "L"), 3: ("C", "H", "W"), 4: ("C", "D", "H", "W")}


def axes_of(shape: Shape) -> tuple[str, ...]:
    """The names of the axes: `C`, `H` and `W` of a map, `T` and `D` of tokens, `N` of a vector."""
    if isinstance(shape, Tokens):
        return ("T", "D")
    return AXES.get(len(shape), ("N",) * len(shape))


def _run_with_letters(op: Op, x: Sequence[Shape], letters: dict[str, int]) -> _Run:
    """The rules run with letters for axes and given arguments; `letters` is filled with what these are."""

    def letter(text: str, value: int) -> Term:
        letters[text] = int(value)
        return Term(value, text, symbolic=True)

    inputs = []
    for number, shape in enumerate(x, 1):
        mark = _mark(number) if len(x) > 1 else ""
        made = tuple(letter(axis + mark, size) for axis, size in zip(axes_of(shape), shape, strict=True))
        inputs.append(many(Tokens(made) if isinstance(shape, Tokens) else made, cuts_of(shape)))
    lettered = _changed(op, lambda name, value, at: letter(LETTERS.get(name, name) + at, value), given=True)
    shape = lettered.shape(*inputs)
    # What an axis of the output is computed from is named as a whole: H′.
    made = tuple(
        size if size.rank == ATOM and "⌊" not in size.text else letter(f"{axis}′", size)
        for axis, size in zip(axes_of(shape), map(term, shape), strict=True)
    )
    y = many(Tokens(made) if isinstance(shape, Tokens) else made, cuts_of(shape))
    return _run(lettered, lettered, tuple(inputs), y)


def _mark(number: int) -> str:
    return f"{number}".translate(SUBSCRIPTS)


def usage(op: Op, other: str = "b") -> str:
    """The op as a spec calls it, with every argument that is set: `conv(out=64, kernel=7, stride=2)`. An argument that
    is a value of the network is called `other`: `matmul(other=b)`."""
    given = []
    for argument, value in op.arguments:
        if argument.required or value != argument.default:
            shown = other if argument.kind.startswith(("Value", "Like")) and value is True else show(value)
            given.append(shown if argument.kind == "Axes" else f"{argument.name}={shown}")
    return f"{op.word}({', '.join(given)})" if given else op.word


def restated(op: Op) -> str:
    """What the op does otherwise than in archcalc 0.1.0, and the argument that keeps the old meaning; or nothing."""
    if op.restated is None:
        return ""
    said, kept = op.restated
    name = kept.partition("=")[0]
    now = f"`{usage(op)}` has {name}={show(getattr(said, name))} now"
    return f"{now}, and had {kept} in archcalc 0.1.0: `{kept}` keeps that"
