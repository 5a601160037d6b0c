"""Expressions: exact arithmetic, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archcalc.errors import Source, SpecError, Text
from archcalc.language.expr import FUNCTIONS, LIMIT, Expr, argument


def text(value: str) -> Text:
    return Text(value, Source("t", (value,)), 1, 1)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1", 1),
        ("0.1 * 30", 3),
        ("1e3", 1000),
        ("1.5e-1", Fraction(3, 20)),
        (".5", Fraction(1, 2)),
        ("0.100000000000000001", Fraction(100000000000000001, 10**18)),  # as it is written, not as a float reads it
        ("7 / 2", Fraction(7, 2)),
        ("6 / 2", 3),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-7 % 4", 1),
        ("7.5 % 2", Fraction(3, 2)),
        ("2**10", 1024),
        ("2**-2", Fraction(1, 4)),
        ("-2**2", -4),
        ("2**3**2", 512),
        ("4**0.5", 2.0),
        ("1 + 2 * 3 - 4", 3),
        ("8 - 4 - 2", 2),
        ("(8 - 4) / 2 / 2", 1),
        ("--3", 3),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("1 == 1.0", True),
        ("1 != 2 and not 2 <= 1", True),
        ("0 or 3", True),
        ("1 and 0", False),
        ("False or 1 / 1 == 1", True),
        ("0 and 1 / 0", False),  # what is not needed is not worked out
        ("5 if 1 > 2 else 6 if 0 else 7", 7),
        ("True", True),
        ("ceil(2.1) + floor(2.9)", 5),
        ("ceil(-2.1)", -2),
        ("round(2.5) + round(3.5)", 6),  # half to even
        ("min(3, 1, 2) + max(1, 2.5)", Fraction(7, 2)),
        ("make_divisible(11.2, 8)", 16),
        ("make_divisible(26.4, 8)", 24),
        ("make_divisible(1, 8)", 8),
        ("make_divisible(12, 8)", 16),
        ("a * 2 + b", Fraction(13, 2)),
        ("  a  ", 3),
    ],
)
def test_an_expression_is_worth(source: str, value: Any) -> None:
    result = Expr(text(source))({"a": 3, "b": Fraction(1, 2)})
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ("3", 3),
        ("1×7", (1, 7)),
        ("1x7", (1, 7)),
        ("1 x 7", (1, 7)),
        ("k×k", (3, 3)),
        ("3 × 16 × 112 × 112", (3, 16, 112, 112)),
        ("(k + 2)x(k - 2)", (5, 1)),
        ("k x 2", None),
        ("x1", None),
    ],
)
def test_an_argument_is_an_expression_or_a_size(source: str, shape: Any) -> None:
    if shape is None:  # between names only × makes a size: `x` is a letter there
        with pytest.raises(SpecError):
            argument(text(source))({"k": 3})
    else:
        assert argument(text(source))({"k": 3}) == shape


def test_names_are_known_before_anything_is_worked_out() -> None:
    expr = Expr(text("a if first else b * a"))
    assert set(expr.names) == {"a", "first", "b"}
    assert expr.name is None
    assert Expr(text(" cin ")).name == "cin"
    assert argument(text("a×b")).names == {"a", "b"}


# --- against arithmetic by hand: random expressions, printed with as few brackets as it takes ---

Env = Mapping[str, Fraction]
Node = tuple[int, str, Callable[[Env], Any]]  # how tight it binds, as printed, what it is worth
ENV: dict[str, Fraction] = {"k": Fraction(3), "cin": Fraction(64), "width": Fraction(7, 5), "n_1": Fraction(-2)}
TERNARY, OR, AND, NOT, COMPARE, SUM, PRODUCT, MINUS, POWER, ATOM = range(10)


class Refused(Exception):
    """The arithmetic does not exist, or is above what the language takes."""


def bounded(value: Fraction) -> Fraction:
    if abs(value) > LIMIT or value.denominator > LIMIT:
        raise Refused
    return value


def quotient(a: Fraction, b: Fraction) -> Fraction:
    if b == 0:
        raise Refused
    return a / b


def power(a: Fraction, b: Fraction) -> Fraction:
    if a == 0 and b < 0:
        raise Refused
    result = Fraction(1)
    for _ in range(abs(int(b))):
        result *= a
    return result if b >= 0 else 1 / result


def half_even(a: Fraction) -> int:
    low = math.floor(a)
    rest = a - low
    return low if rest < Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2 == 0) else low + 1


def divisible(a: Fraction, b: Fraction) -> Fraction:
    nearest = math.floor((a + b / 2) / b) * b
    nearest = max(nearest, b)
    return nearest + b if nearest * 10 < a * 9 else nearest


def put(node: Node, tight: int) -> str:
    return node[1] if node[0] >= tight else f"({node[1]})"


def binary(op: str, a: Node, b: Node) -> Node:
    tight = SUM if op in "+-" else PRODUCT

    def worth(env: Env) -> Fraction:
        x, y = a[2](env), b[2](env)
        match op:
            case "+":
                return bounded(x + y)
            case "-":
                return bounded(x - y)
            case "*":
                return bounded(x * y)
            case "/":
                return bounded(quotient(x, y))
            case "//":
                return bounded(Fraction(math.floor(quotient(x, y))))
        return bounded(x - y * math.floor(quotient(x, y)))

    return tight, f"{put(a, tight)} {op} {put(b, tight + 1)}", worth


def raised(a: Node, exponent: int) -> Node:
    return POWER, f"{put(a, POWER + 1)}**{exponent}", lambda env: bounded(power(a[2](env), Fraction(exponent)))


def negative(a: Node) -> Node:
    return MINUS, f"-{put(a, MINUS)}", lambda env: -a[2](env)


def called(name: str, args: list[Node]) -> Node:
    def worth(env: Env) -> Fraction:
        x: list[Fraction] = [arg[2](env) for arg in args]
        match name:
            case "ceil":
                return Fraction(-math.floor(-x[0]))
            case "floor":
                return Fraction(math.floor(x[0]))
            case "round":
                return Fraction(half_even(x[0]))
            case "make_divisible":
                return bounded(divisible(x[0], x[1]))
        return sorted(x)[0 if name == "min" else -1]

    return ATOM, f"{name}({', '.join(arg[1] for arg in args)})", worth


def compared(ops: list[str], terms: list[Node]) -> Node:
    tests: dict[str, Callable[[Fraction, Fraction], bool]] = {
        "==": lambda a, b: a - b == 0,
        "!=": lambda a, b: a - b != 0,
        "<": lambda a, b: b - a > 0,
        ">": lambda a, b: a - b > 0,
        "<=": lambda a, b: b - a >= 0,
        ">=": lambda a, b: a - b >= 0,
    }

    def worth(env: Env) -> bool:
        x = [term[2](env) for term in terms]
        return all(tests[op](a, b) for op, a, b in zip(ops, x, x[1:], strict=False))

    shown = put(terms[0], SUM) + "".join(f" {op} {put(t, SUM)}" for op, t in zip(ops, terms[1:], strict=True))
    return COMPARE, shown, worth


def joined(word: str, parts: list[Node]) -> Node:
    tight = AND if word == "and" else OR

    def worth(env: Env) -> bool:
        return all(p[2](env) for p in parts) if word == "and" else any(p[2](env) for p in parts)

    return tight, f" {word} ".join(put(part, tight + 1) for part in parts), worth


def denied(a: Node) -> Node:
    return NOT, f"not {put(a, NOT)}", lambda env: not a[2](env)


def chosen(a: Node, test: Node, b: Node) -> Node:
    return (
        TERNARY,
        f"{put(a, TERNARY + 1)} if {put(test, TERNARY + 1)} else {put(b, TERNARY)}",
        lambda env: a[2](env) if test[2](env) else b[2](env),
    )


def literal(shown: str) -> Node:
    return ATOM, shown, lambda env: Fraction(shown)


leaves = st.one_of(
    st.integers(0, 10**6).map(lambda n: literal(str(n))),
    st.decimals(0, 100, places=3).map(lambda d: literal(f"{d:f}")),
    st.sampled_from(sorted(ENV)).map(lambda name: (ATOM, name, lambda env: env[name])),
)


def truths(numbers: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    comparison = st.integers(1, 2).flatmap(
        lambda n: st.builds(
            compared,
            st.lists(st.sampled_from(["==", "!=", "<", ">", "<=", ">="]), min_size=n, max_size=n),
            st.lists(numbers, min_size=n + 1, max_size=n + 1),
        )
    )
    return st.one_of(
        comparison,
        comparison.map(denied),
        st.builds(joined, st.sampled_from(["and", "or"]), st.lists(comparison, min_size=2, max_size=3)),
    )


def larger(numbers: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(binary, st.sampled_from(["+", "-", "*", "/", "//", "%"]), numbers, numbers),
        st.builds(raised, numbers, st.integers(-3, 5)),
        numbers.map(negative),
        st.builds(called, st.sampled_from(["ceil", "floor", "round"]), st.lists(numbers, min_size=1, max_size=1)),
        st.builds(called, st.sampled_from(["min", "max"]), st.lists(numbers, min_size=2, max_size=3)),
        st.tuples(numbers, st.integers(1, 64).map(lambda n: literal(str(n)))).map(
            lambda pair: called("make_divisible", list(pair))
        ),
        st.builds(chosen, numbers, truths(numbers), numbers),
    )


numbers = st.recursive(leaves, larger, max_leaves=10)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.one_of(numbers, truths(numbers)))
def test_an_expression_is_worth_what_exact_arithmetic_says(node: Node) -> None:
    if len(node[1]) > 400:
        return
    env = {name: value.numerator if value.denominator == 1 else value for name, value in ENV.items()}
    try:
        expected = node[2](ENV)
    except Refused:
        with pytest.raises(SpecError):
            Expr(text(node[1]))(env)
        return
    result = Expr(text(node[1]))(env)
    assert result == expected
    if not isinstance(expected, bool):
        assert isinstance(result, int) == (expected.denominator == 1)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="0123456789.eEjx_+-*/%<>=!&|^~@()[]{},:;'\"\\ abkcinfor×\t\n", max_size=40))
@example("1 if 2")
@example("9" * 40)
@example("(" * 30)
@example("1e" + "9" * 15)
@example("0.5" + "0" * 30)
@example("make_divisible(8, 2**0.5)")
@example("(10**18)**(63 + 0.5)")
@example("not " * 100 + "1")
@example("-" * 400 + "1")
def test_whatever_is_written_is_worth_something_or_is_a_spec_error(source: str) -> None:
    try:
        value = Expr(text(source))({"a": 1, "k": Fraction(1, 3), "first": True, "size": (1, 7)})
    except SpecError as error:
        error.render()
    else:
        assert isinstance(value, (bool, int, Fraction, float, tuple))


def test_the_functions_are_the_documented_ones() -> None:
    assert list(FUNCTIONS) == ["ceil", "floor", "round", "min", "max", "make_divisible"]


def test_an_error_points_at_its_part() -> None:
    line = "  - conv(c, kernel + strid, 3)"
    source = Text(line, Source("s.yaml", (line,)), 1, 1)
    expr = Expr(source.part(12, 26))
    with pytest.raises(SpecError) as caught:
        expr({"kernel": 3, "stride": 2})
    assert caught.value.where == "s.yaml:1:22"
    assert caught.value.text is not None
    assert caught.value.text.value == "strid"
    assert caught.value.hint == "Did you mean `stride`?"
