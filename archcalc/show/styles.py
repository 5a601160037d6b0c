"""Lines of styled text: what everything that is printed for people is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import printable
from .layout import left, wrap

# The styles, as ANSI codes. One accent colour; `LOUD` is what must not be overlooked.
PLAIN, DIM, BOLD, ACCENT, LOUD = "", "2", "1", "36", "1;36"
PROSE = 100  # the width of prose, where nothing else gives one

Piece = tuple[str, str]  # a text and its style
Pieces = list[Piece]


def paint(pieces: Iterable[Piece], color: bool) -> str:
    """A line as text, with ANSI styles where `color` is on, without blanks at its end, and without what a terminal
    would obey: nothing is printed for people but through here."""
    if not color:
        return printable("".join([text for text, _ in pieces]).rstrip())
    kept = [(printable(text), style) for text, style in pieces]
    while kept and not kept[-1][0].strip():
        kept.pop()
    if kept:
        kept[-1] = (kept[-1][0].rstrip(), kept[-1][1])
    return "".join(f"\033[{style}m{text}\033[0m" if style and text.strip() else text for text, style in kept)


def page(lines: Iterable[Pieces], color: bool) -> str:
    """All lines as one text."""
    return "".join(f"{paint(pieces, color)}\n" for pieces in lines)


def prose(text: str, width: int, style: str = PLAIN) -> Iterator[Pieces]:
    """Text in lines of at most `width`."""
    for line in wrap(text, width):
        yield [(line, style)]


def hanging(
    label: str, text: str, room: int, width: int, style: str = PLAIN, label_style: str = ""
) -> Iterator[Pieces]:
    """A label of `room` columns and the text beside it."""
    for number, line in enumerate(wrap(text, max(8, width - room))):
        front = left(label, room) if not number else " " * room
        yield [(front, label_style or style or BOLD), (line, style)]


def rule(width: int) -> Pieces:
    """A line across."""
    return [("─" * width, DIM)]
