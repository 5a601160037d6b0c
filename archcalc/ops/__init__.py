"""The ops of the spec language, one class each."""

from . import arrange, conv, layout, merge, norm, pointwise, pool, recurrent, tokens  # noqa: F401 - they register their ops
from .base import ARGUMENTS, KINDS, OPS, Op, Param, convert
from .shapes import OpError, Shape, Tokens, channels, dims

__all__ = ["ARGUMENTS", "KINDS", "OPS", "Op", "OpError", "Param", "Shape", "Tokens", "channels", "convert", "dims"]
