"""What the JSON documents have in common: types whose bounds the schemas say, and sentences about shared keys.

A document is declared once, as a TypedDict beside the function that fills it: a type checker holds the function to
it, and `schemas/` makes the JSON Schema of it, with the sentence at each field. Keys may be added to a document; a
change of meaning is another version.
"""

from __future__ import annotations

from typing import Annotated, Literal

from .ops import OPS
from .ops.base import LIMIT
from .units import ITEMSIZE

SCHEMA: Version = 1
VERSION = "The version of this form; keys may be added without changing it."
WRITER = "The version of archcalc that wrote it."

# Pairs in a tuple are what a JSON Schema says beside the type.
Version = Literal[1]
Count = Annotated[int, (("minimum", 0), ("maximum", LIMIT))]
Positive = Annotated[int, (("minimum", 1),)]
Natural = Annotated[int, (("minimum", 0),)]
Milliseconds = Annotated[float, (("minimum", 0),)]
Sizes = tuple[Positive, ...]
FilePlace = Annotated[str, (("pattern", r":\d+:\d+$"),)]  # file:line:column
Dtype = Annotated[str, (("enum", tuple(ITEMSIZE)),)]
Word = Annotated[str, (("enum", lambda: sorted(OPS)),)]  # of an op
