"""Layout in a terminal: widths of texts, line breaks, and the signs of bars and trees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import repeat

# Where characters of no width or of two columns are; none of those that archcalc itself prints.
UNUSUAL = re.compile("[^\x00-\u02ff\u2000-\u2e7f]")
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def width_of(text: str) -> int:
    """The number of a terminal's columns that `text` takes."""
    if not UNUSUAL.search(text):
        return len(text)
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    from unicodedata import combining, east_asian_width

    return 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1


def left(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def right(text: str, width: int) -> str:
    return " " * (width - width_of(text)) + text


def wrap(text: str, width: int) -> list[str]:
    """Text in lines of at most `width`, broken between words, and inside words that are longer."""
    found: list[str] = []
    line = ""
    for word in text.split(" "):
        if line and width_of(line) + 1 + width_of(word) > width:
            found.append(line)
            line = ""
        line += f" {word}" if line else word
        if width_of(line) > width:
            *whole, line = _broken(line, width)
            found += whole
    return [*found, line] if line or not found else found


def _broken(text: str, width: int) -> list[str]:
    """A text in pieces of at most `width` columns, and of a character at least."""
    found, start, used = [], 0, 0
    for at, columns in enumerate(map(_columns, text) if UNUSUAL.search(text) else repeat(1, len(text))):
        if used + columns > width and at > start:
            found.append(text[start:at])
            start, used = at, 0
        used += columns
    return [*found, text[start:]]


def bar(share: float, most: float, width: int) -> str:
    """A bar as long as `share` is of `most`, in eighths of a column; anything above nothing is seen."""
    eighths = min(8 * width, round(8 * width * share / most)) if most else 0
    eighths = max(eighths, 1) if share > 0 else 0
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8]


def branch(lasts: Sequence[bool]) -> str:
    """`│  ├─ `, in front of a part; `lasts` says for it and each above it whether it is the last of its siblings."""
    return rails(lasts[:-1]) + ("└─ " if lasts[-1] else "├─ ") if lasts else ""


def rails(lasts: Sequence[bool]) -> str:
    """`│     `, beside a further line of the part."""
    return "".join("   " if last else "│  " for last in lasts)
