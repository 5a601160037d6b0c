"""Functions that people write out: what operators they are made of, and the op of the spec language that they are."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sqrt

from ...ops.base import ANY, BUFFER, EITHER, PARAMETER, TIMES, Form, Idiom

X = Form("", {})  # the value that it is a function of
WEIGHT, SHIFT = (Form(PARAMETER, {"number": n}) for n in (0, 1))
LAST, CHANNELS, PLACES = (-1,), (-3,), (-2, -1)  # axes, channels in front of a map's places
SCALED = ("mul", "div")  # the operators that multiply with a number


def _calls(names: str, *of: Form, **given: object) -> Form:
    """A call, of these forms in this order."""
    return Form(names, given, of, turns=False)


def _add(*of: Form) -> Form:
    return Form("add", {}, of)


def _mul(*of: Form) -> Form:
    return Form("mul", {}, of)


def _either(*of: Form) -> Form:
    return Form(EITHER, {}, of)


def _times(factor: float | str, form: Form) -> Form:
    return Form(TIMES, {"factor": factor}, (form,))


def _plus(number: float | str, form: Form) -> Form:
    return Form("add", {"other": number}, (form,))


def _product(factor: float, one: Form, other: Form) -> Form:
    """A number times two values, wherever it stands."""
    alike = (_mul(_times(factor, one), other), _mul(one, _times(factor, other)), _times(factor, _mul(one, other)))
    return _either(*alike[: 3 if one != other else None])


def _over(number: float, form: Form) -> Form:
    """A number by a value."""
    return _either(_calls("reciprocal", form), _times(number, _calls("reciprocal", form)))


# --- norms

SQUARE = _either(Form("square", {}, (X,)), _mul(X, X))


def _mean(over: tuple[int, ...], form: Form) -> Form:
    return Form("mean", {"dim": over, "keepdim": True}, (form,))


def _by_root(form: Form, square: Form) -> Form:
    """A value over the root of another and eps."""
    square = _plus(ANY, square)
    by = (_calls("rsqrt", square), _over(1, _calls("sqrt", square)), _calls("pow", square, exponent=-0.5))
    return _either(_calls("div", form, _calls("sqrt", square)), *(_mul(form, one) for one in by))


def _standardised(over: tuple[int, ...]) -> Form:
    """A value without its mean, over its deviation."""
    several = [{"dim": over, name: no, "keepdim": True} for name, no in (("unbiased", False), ("correction", 0))]
    both = _either(*(Form("var_mean", said, (X,)) for said in several))
    mean = _either(_mean(over, X), Form("item", {"index": 1}, (both,)))
    rest = _calls("sub", X, mean)
    squares = _either(Form("square", {}, (rest,)), _mul(rest, rest))
    spread = *(Form("var", said, (X,)) for said in several), Form("item", {"index": 0}, (both,))
    return _by_root(rest, _either(_mean(over, squares), *spread))


def _scaled(form: Form) -> tuple[Form, Form]:
    """A value times a weight, and with a shift."""
    scaled = _mul(WEIGHT, form)
    at_once = (_calls("addcmul", SHIFT, *both, value=1) for both in ((form, WEIGHT), (WEIGHT, form)))
    return scaled, _either(_add(scaled, SHIFT), *at_once)


def _norms() -> Iterator[Idiom]:
    for over, axis in ((LAST, -3), (LAST, -2), ((-3, -2, -1), -3), (PLACES, -2)):
        grouped, parts = _standardised(over), ("groups", 2 + len(over))
        scaled, shifted = _scaled(grouped)
        yield Idiom("groupnorm", {}, shifted, axis, parts=parts)
        yield Idiom("groupnorm", {"shift": False}, scaled, axis, parts=parts)
        yield Idiom("groupnorm", {"scale": False, "shift": False}, grouped, axis, parts=parts)
    for over, axis in ((LAST, -1), (CHANNELS, -3)):
        scaled, shifted = _scaled(_standardised(over))
        yield Idiom("layernorm", {}, shifted, axis)
        yield Idiom("layernorm", {"shift": False}, scaled, axis)
        yield Idiom("layernorm", {"scale": False, "shift": False}, _standardised(over), axis)
        length = Form("linalg_vector_norm", {"ord": 2, "dim": over, "keepdim": True}, (X,))
        sums = _calls("sqrt", Form("sum", {"dim": over, "keepdim": True}, (SQUARE,)))
        length = _either(length, sums)
        yield Idiom("l2norm", {"eps": 0.0}, _calls("div", X, length), axis)
        yield Idiom("l2norm", {}, _calls("div", X, _calls("clamp_min clamp", length, min=ANY)), axis)
    yield Idiom("instancenorm", {}, _standardised(PLACES), -3)
    unit = _by_root(X, _mean(LAST, SQUARE))
    yield Idiom("rmsnorm", {"scale": True}, _scaled(unit)[0], -1)
    yield Idiom("rmsnorm", {"scale": False}, unit, -1)
    scale, shift, mean, variance = (Form(BUFFER, {"number": n}) for n in range(4))  # in the order of `bn`
    scale, shift = _either(WEIGHT, scale), _either(SHIFT, shift)
    by = _by_root(scale, variance)
    yield Idiom("bn", {}, _add(_mul(X, by), _calls("sub", shift, _mul(mean, by))), -3)
    yield Idiom("bn", {}, _add(_mul(scale, _by_root(_calls("sub", X, mean), variance)), shift), -3)
    for places, channels, axis in (((1, 2), (-1,), -1), ((2, 3), (1,), -3)):  # channels last, or first
        lengths = Form("linalg_vector_norm", {"ord": 2, "dim": places, "keepdim": True}, (X,))
        response = _mul(X, _calls("div", lengths, _plus(ANY, _mean(channels, lengths))))
        yield Idiom("grn", {}, _add(X, _scaled(response)[1]), axis)


# --- activations

LOG = _either(
    _calls("softplus", X, beta=1, threshold=20),
    _calls("log1p", _calls("exp", X)),
    _calls("log", _plus(1, _calls("exp", X))),
)
ABOVE, BELOW = _calls("gt ge", X, other=0), _calls("lt le", X, other=0)
SIXTH = 1 / 6
GATE = _calls("relu6", _plus(3, X))
PART = _plus(0.5, _times(SIXTH, X))
HARD = _either(_calls("hardsigmoid", X), _times(SIXTH, GATE), _calls("clamp", PART, min=0, max=1),
               _calls("hardtanh", PART, min_val=0, max_val=1))  # fmt: skip
SOFT = _over(1, _plus(1, _calls("exp", _calls("neg", X))))
SLOPED = _times(ANY, X)
CUBED = 0.044715
CUBES = _either(
    _times(CUBED, Form("pow", {"exponent": 3}, (X,))), _times(CUBED, _mul(SQUARE, X)), _mul(_times(CUBED, SQUARE), X),
    _mul(_mul(_times(CUBED, X), X), X), _mul(SQUARE, _times(CUBED, X)),
)  # fmt: skip
SQUARES = _either(_times(CUBED, SQUARE), _mul(_times(CUBED, X), X))
ANGLE = _either(_times(sqrt(2 / pi), _add(X, CUBES)), _product(sqrt(2 / pi), X, _plus(1, SQUARES)))


RELU, OVER = _calls("relu", X), _calls("exp", X)
NEGATIVE = _either(_calls("neg", X), _times(-1, X))
BELOW_ALONE = _either(_calls("clamp clamp_max", X, max=0), _calls("minimum min", X, other=0))
LESS_ONE = _either(_calls("expm1", X), _calls("sub", OVER, other=1), _plus(-1, OVER))
BENT = _either(_calls("where", ABOVE, X, LESS_ONE), _calls("where", BELOW, LESS_ONE, X))
ALPHA, LAMBDA = 1.6732632423543772, 1.0507009873554805  # of SELU (arXiv:1706.02515, eq. 2)


def _bent(alpha: float | str) -> Form:
    below = _times(alpha, LESS_ONE)
    return _either(_calls("where", ABOVE, X, below), _calls("where", BELOW, below, X))


def _activations() -> Iterator[Idiom]:
    yield Idiom("gelu", {"tanh": True}, _product(0.5, X, _plus(1, _calls("tanh", ANGLE))))
    yield Idiom("gelu", {"tanh": True}, _mul(X, _calls("sigmoid", _times(2 * sqrt(2 / pi), _add(X, CUBES)))))
    yield Idiom("gelu", {"tanh": False}, _product(0.5, X, _plus(1, _calls("erf", _times(sqrt(0.5), X)))))
    yield Idiom("mish", {}, _mul(X, _calls("tanh", LOG)))
    yield Idiom("softplus", {}, _either(*LOG.of[1:], _calls("logaddexp", X, other=0)))
    yield Idiom("hardswish", {}, _either(_mul(X, HARD), _product(SIXTH, X, GATE)))
    yield Idiom("hardsigmoid", {}, _either(*HARD.of[1:]))
    yield Idiom("swish", {}, _either(_mul(X, SOFT), _calls("div", X, _plus(1, _calls("exp", _calls("neg", X))))))
    half = _calls("tanh", _times(0.5, X))
    halves = _times(0.5, _plus(1, half)), _plus(0.5, _times(0.5, half)), _calls("div", OVER, _plus(1, OVER))
    yield Idiom("sigmoid", {}, _either(SOFT, *halves))
    twice = _times(2, _calls("sigmoid", _times(2, X)))
    yield Idiom("tanh", {}, _either(_calls("sub", twice, other=1), _plus(-1, twice)))
    yield Idiom(
        "relu",
        {},
        _either(
            _calls("where", ABOVE, X, other=0), _calls("where", BELOW, X, self=0), _mul(X, ABOVE),
            _calls("masked_fill", X, BELOW, value=0), _times(0.5, _add(X, _calls("abs", X))),
        ),
    )  # fmt: skip
    yield Idiom("relu6", {}, _either(_calls("clamp clamp_max", RELU, max=6), _calls("minimum min", RELU, other=6)))
    yield Idiom("abs", {}, _either(
        _calls("where", ABOVE, X, NEGATIVE), _calls("where", BELOW, NEGATIVE, X), _calls("sqrt", SQUARE),
        Form("max maximum", {}, (X, NEGATIVE)), _mul(X, _calls("sign sgn", X)),
    ))  # fmt: skip
    yield Idiom(
        "leaky_relu",
        {},
        _either(
            _calls("where", ABOVE, X, SLOPED), _calls("where", BELOW, SLOPED, X),
            _mul(X, _calls("where", ABOVE, self=1, other=ANY)), _mul(X, _calls("where", BELOW, self=ANY, other=1)),
            _calls("sub", RELU, _times(ANY, _calls("relu", _calls("neg", X)))), _add(RELU, _times(ANY, BELOW_ALONE)),
        ),
        number="slope",
    )  # fmt: skip
    yield Idiom("leaky_relu", {}, Form("max maximum", {}, (X, SLOPED)), number="slope", most=1)
    yield Idiom("elu", {}, BENT)
    yield Idiom("elu", {}, _bent(ANY), number="alpha")
    yield Idiom("selu", {}, _times(LAMBDA, _either(_bent(ALPHA), _calls("elu", X, alpha=ALPHA))))
    for axis in (-1, -2, -3):
        most = {"dim": (axis,), "keepdim": True}
        above = _either(Form("amax max", most, (X,)), Form("item", {"index": 0}, (Form("max", most, (X,)),)))
        for one in (_calls("exp", _calls("sub", X, above)), OVER):
            yield Idiom("softmax", {}, _calls("div", one, Form("sum", most, (one,))), over=axis)
    yield Idiom("complement", {}, _plus(1, NEGATIVE))
    yield Idiom("square", {}, _mul(X, X))
    yield Idiom("gap", {}, _twice("mean"), -3)
    yield Idiom("gmp", {}, _twice("amax max"), -3)


def _twice(names: str) -> Form:
    """Over one axis of a map's places, and then over the other."""
    return _either(
        Form(names, {"dim": (-1,)}, (Form(names, {"dim": (-1,)}, (X,)),)),
        Form(names, {"dim": (-1,), "keepdim": True}, (Form(names, {"dim": (-2,), "keepdim": True}, (X,)),)),
        Form(names, {"dim": (-2,), "keepdim": True}, (Form(names, {"dim": (-1,), "keepdim": True}, (X,)),)),
    )


def _ends(form: Form) -> Iterator[tuple[str, Form]]:
    """The operators that may come last, each with what it then is."""
    if form.names == EITHER:
        for one in form.of:
            yield from _ends(one)
    else:
        yield from ((word, form) for word in (SCALED if form.names == TIMES else form.names.split()))


IDIOMS: dict[str, list[Idiom]] = {}  # by the operator that comes last
for _idiom in (*_norms(), *_activations()):
    for _word, _form in _ends(_idiom.form):
        IDIOMS.setdefault(_word, []).append(_idiom._replace(form=_form))
