"""The ops of the spec language, one class each."""

from . import (  # noqa: F401 - they register their ops
    arrange,
    attention,
    axes,
    conv,
    convs,
    experts,
    layout,
    many,
    merge,
    norm,
    pointwise,
    pool,
    recurrent,
    resample,
    tokens,
)
from .base import ARGUMENTS, KINDS, OPS, Op, Param, convert
from .shapes import OpError, Shape, Tokens, channels, dims

__all__ = ["ARGUMENTS", "KINDS", "OPS", "Op", "OpError", "Param", "Shape", "Tokens", "channels", "convert", "dims"]
