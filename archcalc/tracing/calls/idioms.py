"""Functions that people write out: what operators they are made of, and the op of the spec language that they are."""

from __future__ import annotations

from math import pi, sqrt

from ...ops.base import ANY, BUFFER, PARAMETER, TIMES, Form, Idiom

X = Form("", {})  # the value that it is a function of
OWN = Form(PARAMETER, {})
LAST = (-1,)  # over the last axis


def _times(factor: float, form: Form) -> Form:
    return Form(TIMES, {"factor": factor}, (form,))


def _plus(number: float | str, form: Form) -> Form:
    return Form("add", {"other": number}, (form,))


SQUARE = Form("pow square", {"exponent": 2}, (X,))
CUBE = Form("pow", {"exponent": 3}, (X,))
MEAN_SQUARE = _plus(ANY, Form("mean", {"dim": LAST, "keepdim": True}, (SQUARE,)))
UNIT = Form("mul", {}, (X, Form("rsqrt", {}, (MEAN_SQUARE,))))
ROOT = Form("div", {}, (X, Form("sqrt", {}, (MEAN_SQUARE,))), turns=False)
MEAN, VARIANCE, SCALE, SHIFT = (Form(BUFFER, {"number": n}) for n in (2, 3, 0, 1))  # in the order of `bn`
BY = Form("mul", {}, (SCALE, Form("rsqrt", {}, (_plus(ANY, VARIANCE),))))
FROZEN = Form("add", {}, (Form("mul", {}, (X, BY)), Form("sub", {}, (SHIFT, Form("mul", {}, (MEAN, BY))), turns=False)))
TANH = _times(sqrt(2 / pi), Form("add", {}, (X, _times(0.044715, CUBE))))


def _response(places: tuple[int, ...], channels: tuple[int, ...]) -> Form:
    """A map times the length of each channel over the mean of these."""
    lengths = Form("linalg_vector_norm", {"ord": 2, "dim": places, "keepdim": True}, (X,))
    over = _plus(ANY, Form("mean", {"dim": channels, "keepdim": True}, (lengths,)))
    return Form("mul", {}, (X, Form("div", {}, (lengths, over), turns=False)))


def _grn(response: Form, axis: int) -> tuple[Idiom, ...]:
    scaled = Form("addcmul", {"value": 1}, (OWN, OWN, response), turns=False)
    by_hand = Form("add", {}, (Form("mul", {}, (OWN, response)), OWN))
    return tuple(Idiom("grn", {}, Form("add", {}, (X, form)), (1, 0), axis) for form in (scaled, by_hand))


# By the operator that comes last.
IDIOMS: dict[str, tuple[Idiom, ...]] = {
    "mul": (
        Idiom("rmsnorm", {"scale": True}, Form("mul", {}, (OWN, UNIT))),
        Idiom("rmsnorm", {"scale": True}, Form("mul", {}, (OWN, ROOT))),
        Idiom("rmsnorm", {"scale": False}, UNIT),
        Idiom("gelu", {"tanh": True},
              Form("mul", {}, (_times(0.5, X), _plus(1, Form("tanh", {}, (TANH,)))))),
        Idiom("gelu", {"tanh": False},
              Form("mul", {}, (_times(0.5, X), _plus(1, Form("erf", {}, (_times(sqrt(0.5), X),)))))),
        Idiom("gelu", {"tanh": False},
              Form("mul", {}, (X, _times(0.5, _plus(1, Form("erf", {}, (_times(sqrt(0.5), X),))))))),
    ),
    "div": (Idiom("rmsnorm", {"scale": False}, ROOT),),
    "add": (
        Idiom("bn", {}, FROZEN, axis=-3),
        *_grn(_response((1, 2), (-1,)), -1), *_grn(_response((2, 3), (1,)), -3),  # channels last, or first
    ),
}  # fmt: skip
