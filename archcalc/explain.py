"""The arithmetic behind a number, written out by the rule that computes it.

A rule of an op is run with `Term`s for the input shape: integers that remember how they came about. What is shown is
therefore what is counted; there is no second formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .graph import Graph, Node
from .ops import ARGUMENTS, Op, Shape, Tokens, dims
from .ops.base import numel, show

SUM, PRODUCT, ATOM = 1, 2, 3


class Term(int):
    """An integer with the text of its computation; `rank` says how tightly the text binds."""

    text: str
    rank: int

    def __new__(cls, value: int, text: str | None = None, rank: int = ATOM) -> Term:
        term = super().__new__(cls, value)
        term.text = f"{value}" if text is None else text
        term.rank = rank
        return term

    def within(self, rank: int) -> str:
        return self.text if self.rank >= rank else f"({self.text})"

    def __mul__(self, other: Any) -> Any:
        return _product(self, other)

    def __rmul__(self, other: Any) -> Any:
        return _product(other, self)

    def __add__(self, other: Any) -> Any:
        return _sum(self, other, "+")

    def __radd__(self, other: Any) -> Any:
        return _sum(other, self, "+")

    def __sub__(self, other: Any) -> Any:
        return _sum(self, other, "−")

    def __rsub__(self, other: Any) -> Any:
        return _sum(other, self, "−")

    def __floordiv__(self, other: Any) -> Any:
        return _quotient(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _quotient(other, self)

    def __neg__(self) -> Term:
        return Term(-int(self), f"−{self.within(ATOM)}", PRODUCT)


def term(value: Any) -> Term:
    return value if isinstance(value, Term) else Term(int(value))


def _product(a: Any, b: Any) -> Any:
    if not (isinstance(a, int) and isinstance(b, int)):
        return NotImplemented
    left, right = term(a), term(b)
    value = int(a) * int(b)
    if left == 1 and left.rank == ATOM and left.text == "1":
        return right
    if right == 1 and right.rank == ATOM and right.text == "1":
        return left
    return Term(value, f"{left.within(PRODUCT)}·{right.within(PRODUCT)}", PRODUCT)


def _sum(a: Any, b: Any, sign: str) -> Any:
    if not (isinstance(a, int) and isinstance(b, int)):
        return NotImplemented
    left, right = term(a), term(b)
    value = int(a) + int(b) if sign == "+" else int(a) - int(b)
    if right == 0 and right.text == "0":
        return left
    if left == 0 and left.text == "0" and sign == "+":
        return right
    return Term(value, f"{left.text} {sign} {right.within(PRODUCT)}", SUM)


def _quotient(a: Any, b: Any) -> Any:
    if not (isinstance(a, int) and isinstance(b, int)):
        return NotImplemented
    left, right = term(a), term(b)
    if right == 1:
        return left
    value = int(a) // int(b)
    shown = f"{left.within(PRODUCT)}/{right.within(ATOM)}"
    return Term(value, shown if int(a) % int(b) == 0 else f"⌊{shown}⌋", PRODUCT if int(a) % int(b) == 0 else ATOM)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A node's numbers with their arithmetic: each a pair of what it is and how it comes about."""

    node: Node
    op: str
    inputs: tuple[str, ...]
    shape: tuple[tuple[str, str], ...]
    params: tuple[tuple[str, str], ...]
    macs: str
    elementwise: tuple[tuple[str, str], ...]
    free: str


def explain_node(graph: Graph, node: Node) -> Explanation:
    """Write out the arithmetic of one node. Raises OpError only where the graph could not have been built."""
    shapes = tuple(_terms(graph.shape(value)) for value in node.inputs)
    inferred = node.op.shape(*shapes)
    op = _with_terms(node.op)
    axes = tuple((f"{int(size):,}", term(size).text) for size in inferred)
    plain = _terms(node.shape)
    params = []
    for param in op.params(*shapes):
        count = term(numel(tuple(term(n) for n in param.shape)))
        params.append((f"{param.name} ({param.kind})", equation(count)))
    macs = term(op.macs(*shapes, plain))
    costs = tuple((kind, equation(term(count))) for kind, count in op.elementwise(*shapes, plain).items())
    return Explanation(
        node,
        usage(node.op),
        tuple(dims(graph.shape(value)) for value in node.inputs),
        axes,
        tuple(params),
        equation(macs) if macs else "",
        costs,
        op.free,
    )


def _with_terms(op: Op) -> Op:
    """`op` with its counts and sizes as Terms, so that a kernel shows as 7·7."""
    changed: dict[str, Any] = {}
    for argument in ARGUMENTS[op.word]:
        value = getattr(op, argument.name)
        if isinstance(value, tuple):
            changed[argument.name] = tuple(Term(n) for n in value)
        elif isinstance(value, int) and not isinstance(value, bool):
            changed[argument.name] = Term(value)
    return op.but(**changed) if changed else op


def equation(count: Term) -> str:
    """`64·3·7·7 = 9,408`, or the number alone where nothing was computed."""
    number = f"{int(count):,}"
    return number if count.rank == ATOM and count.text == f"{int(count)}" else f"{count.text} = {number}"


def usage(op: Op) -> str:
    """The op as a spec calls it, with every argument that is set: `conv(out=64, kernel=7, stride=2)`."""
    given = []
    for argument in ARGUMENTS[op.word]:
        value = getattr(op, argument.name)
        if argument.required or value != argument.default:
            given.append(f"{argument.name}={show(value)}")
    return f"{op.word}({', '.join(given)})" if given else op.word


def _terms(shape: Shape) -> Shape:
    terms = tuple(Term(n) for n in shape)
    return Tokens(terms) if isinstance(shape, Tokens) else terms
