"""Expressions of the spec language: arithmetic, comparisons, `and or not`, `a if c else b` and a few functions.

A text is parsed by Python's own parser, checked against a whitelist and turned into closures; nothing is evaluated by
Python itself. Numbers are exact: `1.1` is 11/10, a whole quotient is an integer.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from keyword import iskeyword
from typing import Any

from ..errors import SpecError, Text, did_you_mean

Number = int | Fraction | float
Env = Mapping[str, Any]

LIMIT = 10**18
MAX_LENGTH = 500
MAX_NESTING = 20  # of brackets
MAX_TERMS = 60  # of operators in operators; `a + b + c` are two
MAX_AXES = 4
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WHOLE = re.compile(r"0|[1-9][0-9]{0,17}")
TIMES = re.compile(r"(×|(?<=[0-9)])\s*x\s*(?=[0-9(]))|[A-Za-z_]\w*")  # names are passed over whole: `s1x1`
RESERVED = frozenset({"and", "or", "not", "if", "else", "in", "is", "True", "False", "None", "lambda", "for"})
IMPLICIT = frozenset({"cin", "hin", "first"})  # given by the language
TURN = ("first", "index", "last")  # of what is repeated: in the first round, its number from 0, in the last round
YIELDING = frozenset({"index", "last", "win", "tokens", "width"})  # given, too, in files that do not name so themselves
_LANGUAGE = "An expression is arithmetic, comparisons, `and or not`, `a if c else b`, and functions such as `floor`."
_ASCII = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "≤": "<=", "≥": ">=", "≠": "!="}


class ExprError(Exception):
    """Something wrong between `start` and `stop` of the expression."""

    def __init__(self, message: str, start: int = 0, stop: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.start, self.stop, self.hint = start, stop, hint


class Opaque:
    """A cell that is no number: an expression of numbers that are known where it is used (`2*w`), the name of a value,
    or text for people, which no expression can use."""

    __slots__ = ("_means", "text")

    def __init__(self, text: Text) -> None:
        self.text = text
        self._means: Argument | bool | None = None

    @property
    def means(self) -> Argument | None:
        """The cell as an expression or a size, where it is one."""
        if self._means is None:
            try:
                self._means = argument(self.text)
            except SpecError:
                self._means = False
        return self._means if isinstance(self._means, Argument) else None

    @property
    def names(self) -> Collection[str]:
        """The names that the cell may use."""
        return {self.text.value} if self.means is None else self.means.names

    def value(self, name: str, env: Env) -> Any:
        """What the column `name` is in `env`. Raises ExprError for text, SpecError at what is wrong in the cell."""
        means = self.means
        if means is None or (means.name is not None and means.name not in env):
            raise ExprError(f"`{name}` is `{self.text}` here, which is not a number")
        for further in means.names:  # so that a table costs no more than it has cells
            if isinstance(env.get(further), Opaque):
                raise self.text.error(f"`{further}` is a cell with an expression, too: a cell uses numbers")
        return means(env)


class Ref:
    """A value of the network under a name (rule 11): it can be an argument, and not be calculated with."""

    __slots__ = ("value",)

    def __init__(self, value: tuple[int, ...]) -> None:
        self.value = value


class Waiting:
    """A name whose value is not known yet; `why` says what it waits for."""

    __slots__ = ("hint", "why")

    def __init__(self, why: str, hint: str = "") -> None:
        self.why, self.hint = why, hint


def simplify(value: Any, limit: int = LIMIT) -> Any:
    """A whole fraction becomes an integer; what is not finite or above `limit`, 10¹⁸ unless given, is refused."""
    kind, whole, parts = type(value), value, 1
    if kind is Fraction:
        whole, parts = value.as_integer_ratio()
    elif kind is float and not math.isfinite(value):
        raise ExprError("this is not a finite number")
    if kind is not bool and not -limit * parts <= whole <= limit * parts:
        raise ExprError("numbers above 10¹⁸ are refused")
    if parts > LIMIT:
        raise ExprError("a fraction with a denominator above 10¹⁸ is refused")
    return value if parts > 1 else whole


def make_divisible(value: Number, divisor: int) -> int:
    """`value` rounded to the nearest multiple of `divisor`, at least `divisor`, never below 90 % of `value`. Source:
    tensorflow/models, research/slim/nets/mobilenet; used by MobileNet v2/v3 and EfficientNet."""
    if not isinstance(divisor, int) or divisor <= 0:
        raise ExprError("`make_divisible` needs a whole divisor above 0")
    exact = Fraction(value) if isinstance(value, float) else value
    rounded = max(divisor, (2 * exact + divisor) // (2 * divisor) * divisor)
    return rounded + divisor if 10 * rounded < 9 * exact else rounded


FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "ceil": (math.ceil, 1, 1),
    "floor": (math.floor, 1, 1),
    "round": (round, 1, 1),
    "min": (min, 2, 8),
    "max": (max, 2, 8),
    "make_divisible": (make_divisible, 2, 2),
}


def _divide(a: Any, b: Any) -> Any:
    if isinstance(a, float) or isinstance(b, float):
        return a / b
    return Fraction(a, b)


def _power(a: Any, b: Any) -> Any:
    if abs(b) > 64:
        raise ExprError("an exponent above 64 is refused")
    if isinstance(b, int):
        return Fraction(a) ** b if b < 0 and not isinstance(a, float) else a**b
    if a < 0:
        raise ExprError("a negative number has no power that is not whole")
    return float(a) ** float(b)


BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: _divide,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: _power,
}
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}

Evaluate = Callable[[Env], Any]


class Expr:
    """A parsed expression. `names` are what it needs; `name` is set where it is a bare name and nothing else."""

    __slots__ = ("_evaluate", "constant", "limit", "name", "names", "text")

    def __init__(self, text: Text, limit: int = LIMIT) -> None:
        self.text = text
        self.limit = limit
        self.names: dict[str, int] = {}
        self.name: str | None = None
        self._evaluate = self._read(text.value)
        self.constant = not self.names
        if self.constant:
            value = self({})
            self._evaluate = lambda env: value

    def __reduce__(self) -> tuple[Any, ...]:
        return Expr, (self.text, self.limit)  # what evaluates it is made anew

    def _read(self, value: str) -> Evaluate:
        if WHOLE.fullmatch(value):  # most arguments are a number or a name, and need no parser
            number = int(value)
            return lambda env: number
        if len(value) <= MAX_LENGTH and NAME.fullmatch(value) and not iskeyword(value):
            self.name, self.names[value] = value, 0
            return self._lookup(value, 0, len(value))
        try:
            tree = _parse(value)
            self.name = tree.id if isinstance(tree, ast.Name) else None
            return self._compile(tree, 0)
        except ExprError as error:
            raise self._at(error) from None

    def __call__(self, env: Env) -> Any:
        """The value under `env`. Raises SpecError at the place of the expression."""
        try:
            return self._evaluate(env)
        except ExprError as error:
            raise self._at(error) from None
        except ZeroDivisionError:
            raise self.text.error(f"`{self.text}` divides by zero") from None
        except OverflowError:
            raise self.text.error(f"`{self.text}` is too large") from None

    def holds(self, env: Env) -> bool:
        """The value as a condition: a number other than 0 holds."""
        value = self(env)
        if not isinstance(value, (bool, int, Fraction, float)):
            raise self.text.error(f"`{self.text}` is neither a number nor a comparison")
        return bool(value)

    def number(self, env: Env) -> Number:
        value = self(env)
        if isinstance(value, bool) or not isinstance(value, (int, Fraction, float)):
            raise self.text.error(f"`{self.text}` is not a number")
        return value

    def _at(self, error: ExprError) -> SpecError:
        whole = self.text
        text = whole if not whole.exact or error.stop is None else whole.part(error.start, error.stop)
        return text.error(str(error), error.hint)

    def _compile(self, node: ast.expr, depth: int) -> Evaluate:
        start, stop = node.col_offset, node.end_col_offset
        if depth > MAX_TERMS:
            message = "this expression is too long: give a part of it a name under `let:`"
            raise ExprError(message, 0, len(self.text.value))

        def sub(child: ast.expr) -> Evaluate:
            return self._compile(child, depth + 1)

        match node:
            case ast.Constant(value=bool() as constant):
                return lambda env: constant
            case ast.Constant(value=int() | float() as literal):
                number = _literal(literal, self.text.value[start:stop], start, stop)
                return lambda env: number
            case ast.Name(id=name):
                self.names.setdefault(name, start)
                return self._lookup(name, start, stop)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                apply, a, b = BINARY[type(op)], sub(left), sub(right)
                limit = self.limit
                return lambda env: simplify(apply(_number(a(env), left), _number(b(env), right)), limit)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                a = sub(operand)
                return lambda env: -_number(a(env), operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                a = sub(operand)
                return lambda env: not _truth(a(env), operand)
            case ast.BoolOp(op=op_, values=values):
                parts = [(sub(value), value) for value in values]
                join = all if isinstance(op_, ast.And) else any
                return lambda env: join(_truth(part(env), value) for part, value in parts)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition, a, b = sub(test), sub(body), sub(orelse)
                return lambda env: a(env) if _truth(condition(env), test) else b(env)
            case ast.Compare(left=left, ops=ops, comparators=comparators) if all(type(o) in COMPARE for o in ops):
                operands = [left, *comparators]
                values_ = [sub(operand) for operand in operands]
                tests = [COMPARE[type(o)] for o in ops]
                if len(tests) == 1:  # as most have
                    (one, other), (compared,), (right,) = values_, tests, comparators
                    return lambda env: compared(_number(one(env), left), _number(other(env), right))

                def compare(env: Env) -> bool:
                    got = [_number(value(env), operand) for value, operand in zip(values_, operands, strict=True)]
                    return all(test(a, b) for test, a, b in zip(tests, got, got[1:], strict=False))

                return compare
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                if name not in FUNCTIONS:
                    hint = did_you_mean(name, FUNCTIONS)
                    raise ExprError(f"`{name}` is not a function", start, start + len(name), hint)
                function, low, high = FUNCTIONS[name]
                if not low <= len(args) <= high:
                    wanted = "one value" if high == 1 else f"{low} values" if low == high else f"{low} to {high} values"
                    here = "here is one" if len(args) == 1 else f"here are {len(args)}"
                    raise ExprError(f"`{name}` takes {wanted}, {here}", start, stop)
                given = [(sub(arg), arg) for arg in args]
                limit = self.limit
                return lambda env: simplify(function(*(_number(value(env), arg) for value, arg in given)), limit)
        hint = "A power is written `**`." if isinstance(getattr(node, "op", None), ast.BitXor) else _LANGUAGE
        raise ExprError("this is not part of the expression language", start, stop, hint)

    def _lookup(self, name: str, start: int, stop: int | None) -> Evaluate:
        def lookup(env: Env) -> Any:
            try:
                value = env[name]
            except KeyError:
                what = "is known only where a call is repeated" if name in TURN else "is not known here"
                known = [n for n, v in env.items() if not isinstance(v, (Opaque, Waiting))]
                hint = "" if name in TURN else did_you_mean(name, known)
                raise ExprError(f"`{name}` {what}", start, stop, hint) from None
            if type(value) is int:  # as most are
                return value
            if isinstance(value, Opaque):
                try:
                    return value.value(name, env)
                except ExprError as error:
                    raise ExprError(str(error), start, stop) from None
            if isinstance(value, Waiting):
                raise ExprError(f"`{name}` {value.why}", start, stop, value.hint)
            return value

        return lookup


def check_name(name: Text, what: str, hint: str = "") -> None:
    """Raise SpecError where `name` cannot be used in expressions."""
    if not NAME.fullmatch(name.value):
        raise name.error(f"`{name}` is not a name for {what}", "A name is letters, digits and `_`.")
    if name.value in RESERVED or name.value in IMPLICIT:
        raise name.error(f"`{name}` is a word of the language and cannot name {what}", hint)


def _number(value: Any, node: ast.expr) -> Any:
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, Fraction, float)):
        kinds = {bool: "True or False", tuple: "a size", Ref: "a value of the network"}
        message = f"a number is wanted here; this is {kinds.get(type(value), 'none')}"
        raise ExprError(message, node.col_offset, node.end_col_offset)
    return value


def _truth(value: Any, node: ast.expr) -> bool:
    return bool(value) if isinstance(value, bool) else bool(_number(value, node))


def _literal(value: int | float, text: str, start: int, stop: int | None) -> int | Fraction:
    """A number as it is written: `0.1` is 1/10. Raises ExprError at it."""
    exponent = re.search(r"e([+-]?\d+)$", text, re.IGNORECASE) if isinstance(value, float) else None
    if exponent and abs(int(exponent.group(1))) > 64:
        raise ExprError("an exponent above 64 is refused", start, stop)
    try:
        return simplify(Fraction(text) if isinstance(value, float) else value)  # type: ignore[no-any-return]
    except ExprError as error:
        raise ExprError(str(error), start, stop) from None


def _parse(text: str) -> ast.expr:
    long = re.search(r"\d{20,}", text)
    if long:
        raise ExprError("a number of more than 19 digits is refused", long.start(), long.end())
    if len(text) > MAX_LENGTH:
        raise ExprError(f"an expression of more than {MAX_LENGTH} characters is refused")
    if not text.strip():
        raise ExprError("an expression is missing here")
    for position, char in enumerate(text):
        if not " " <= char <= "~":
            hint = f"Did you mean `{_ASCII[char]}`?" if char in _ASCII else _LANGUAGE
            raise ExprError(f"`{char}` is not part of the expression language", position, position + 1, hint)
    depth = 0
    for position, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if depth > MAX_NESTING:
            raise ExprError(f"brackets are nested deeper than {MAX_NESTING} here", position, position + 1)
    import warnings

    lead = len(text) - len(text.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `1if x`: Python warns and reads on
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        equals = re.search(r"(?<![=<>!])=(?!=)", text)
        if equals:
            hint = "Two values are compared by `==`."
            raise ExprError(f"`{text.strip()}` is not an expression", equals.start(), equals.end(), hint) from None
        offset = getattr(error, "offset", None) or 1
        start = min(lead + offset - 1, max(0, len(text) - 1))
        raise ExprError(f"`{text.strip()}` is not an expression", start, start + 1) from None
    if lead:
        for node in ast.walk(tree):
            if isinstance(node, ast.expr):
                node.col_offset += lead
                node.end_col_offset = (node.end_col_offset or 0) + lead
    return tree


class Size:
    """A size such as `1×7` (rule 12), of an expression for every axis."""

    __slots__ = ("_value", "constant", "name", "names", "parts", "text")

    def __init__(self, text: Text, parts: list[Expr]) -> None:
        self.text, self.parts = text, tuple(parts)
        self.names = {name for part in parts for name in part.names}
        self.constant, self.name = not self.names, None
        self._value: tuple[Number, ...] | None = None

    def __call__(self, env: Env) -> Any:
        if self._value is not None:
            return self._value
        found = tuple([part.number(env) for part in self.parts])
        if self.constant:
            self._value = found
        return found


Argument = Expr | Size  # of a call


def argument(text: Text) -> Argument:
    """Read an argument of a call: an expression, or a size. Raises SpecError."""
    text = text.strip()
    pieces, start = [], 0
    for match in (match for match in TIMES.finditer(text.value) if match.group(1) is not None):
        pieces.append(Expr(text.part(start, match.start())))
        if len(pieces) == MAX_AXES:
            raise text.error(f"a size of more than {MAX_AXES} axes is refused")
        start = match.end()
    last = Expr(text.part(start) if pieces else text)
    return Size(text, [*pieces, last]) if pieces else last


class Pattern:
    """An argument that is text, without any value in it: how axes go over into others, `c h w -> (h w) c`, or one of
    the words that an op knows, `qk_norm=rmsnorm`."""

    __slots__ = ("constant", "name", "names", "text")

    def __init__(self, text: Text) -> None:
        self.text = text.strip()
        self.names: set[str] = set()
        self.constant, self.name = True, None

    def __call__(self, env: Env) -> str:
        return self.text.value


class Several:
    """Arguments of a call that are one argument of an op: the counts of `split(64, 128)`, and with `keys` the sizes
    under the names of `rearrange(…, p=4, q=4)`."""

    __slots__ = ("arguments", "constant", "keys", "name", "names", "text")

    def __init__(self, arguments: tuple[Argument | Pattern, ...], keys: tuple[str, ...] = ()) -> None:
        self.arguments, self.keys, self.text = arguments, keys, arguments[0].text
        self.names = {name for argument in arguments for name in argument.names}
        self.constant, self.name = not self.names, None

    def __call__(self, env: Env) -> tuple[Any, ...]:
        values = []
        for argument in self.arguments:
            values.append(argument(env))
            if isinstance(values[-1], (Ref, str)):
                raise argument.text.error(f"a count is wanted here; `{argument.text}` is none")
        return tuple(zip(self.keys, values, strict=True)) if self.keys else tuple(values)
