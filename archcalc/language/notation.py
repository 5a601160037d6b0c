"""Patterns with `{holes}` that cells are read by: the keys of `notation:` and the roles of columns."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from ..errors import Text
from ..units import squeeze
from .expr import Opaque, check_name

HOLE = re.compile(r"\{([^{}]*)\}")
NUMBER = re.compile(r"-?\d{1,19}(\.\d{1,19})?")


class Pattern:
    """`conv{k}-{c}`: literal text and holes. Spaces do not matter, nor whether × or x is written. A hole takes the
    shortest text up to the literal behind it, at least one character; a hole that stands twice takes the same text
    twice."""

    __slots__ = ("holes", "literals", "places", "text")

    def __init__(self, text: Text) -> None:
        self.text = text
        self.holes: list[str] = []
        self.places: list[Text] = []  # of the holes
        self.literals: list[str] = []
        at = 0
        for match in HOLE.finditer(text.value):
            name = text.part(match.start(1), match.end(1))
            if not name.value.strip():
                hole = text.part(match.start(), match.end())
                raise hole.error("this hole has no name", "A hole is written `{name}`.")
            check_name(name, "a hole")
            literal = squeeze(text.value[at : match.start()])
            if self.holes and not literal:
                what = (
                    f"nothing but spaces between `{{{self.holes[-1]}}}` and `{{{name}}}`: it is open which takes what"
                )
                raise name.error(what, "Spaces do not matter in a notation; put a character between the holes.")
            self.literals.append(literal)
            self.holes.append(name.value)
            self.places.append(name)
            at = match.end()
        alone = re.search(r"[{}]", HOLE.sub(lambda hole: " " * len(hole.group()), text.value))
        if alone:
            brace = text.part(alone.start(), alone.end())
            raise brace.error("a brace without its partner", "A hole is written `{name}`.")
        self.literals.append(squeeze(text.value[at:]))

    def match(self, cell: Text) -> dict[str, Text] | None:
        """The texts in the holes if `cell` fits, else None."""
        spans = self.spans(squeeze(cell.value))
        if not spans:
            return spans if spans is None else {}
        places = [n for n, char in enumerate(cell.value) if not char.isspace()]
        return {
            name: cell.part(places[start], places[end - 1] + 1)
            for name, (start, end) in zip(self.holes, spans, strict=True)
        }

    def spans(self, bare: str) -> list[tuple[int, int]] | None:
        """Where the holes stand in a cell without spaces if it fits, else None."""
        first, *literals = self.literals
        if not bare.startswith(first) or not bare.endswith(self.literals[-1]):
            return None
        at, found = len(first), list[tuple[int, int]]()
        for literal in literals[:-1]:
            end = bare.find(literal, at + 1)
            if end <= at:
                return None
            found.append((at, end))
            at = end + len(literal)
        if not literals:
            return [] if bare == first else None
        end = len(bare) - len(literals[-1])
        if end <= at:
            return None
        found.append((at, end))
        texts: dict[str, str] = {}
        for name, (start, stop) in zip(self.holes, found, strict=True):
            if texts.setdefault(name, bare[start:stop]) != bare[start:stop]:
                return None
        return found

    def guess(self, cell: str) -> str | None:
        """The text that fits this pattern and differs from `cell` only in literal characters, or None."""
        form = r"([\w.]{1,9}?)".join(f"(.{{{len(literal)}}})" for literal in self.literals)
        bare = squeeze(cell)
        match = re.fullmatch(form, bare) if len(bare) <= 60 and len(self.holes) <= 4 else None
        if not match:
            return None
        groups = list(match.groups())
        groups[::2] = self.literals
        guess = "".join(groups)
        odd = sum(a != b for a, b in zip(guess, bare, strict=True))
        return guess if 0 < odd <= max(1, len("".join(self.literals)) // 3) else None


def cell_value(text: Text) -> Any:
    """The value of a cell or a hole in expressions: a number, a size, 0 if it is empty, else `Opaque`."""
    value = text.value.strip()
    if not value:
        return 0
    if NUMBER.fullmatch(value):
        if "." not in value:
            return int(value)
        number = Fraction(value)
        return number.numerator if number.denominator == 1 else number
    pieces = [piece.strip() for piece in re.split("[×x]", value)]
    if len(pieces) > 1 and all(NUMBER.fullmatch(piece) for piece in pieces):
        return tuple(int(Fraction(piece)) if "." not in piece else Fraction(piece) for piece in pieces)
    return Opaque(text)
