"""Layout in a terminal: widths of texts, line breaks, and the signs of bars and trees."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Where characters of no width or of two columns are; none of those that archcalc itself prints.
UNUSUAL = re.compile("[^\x00-\u02ff\u2000-\u2e7f]")
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def width_of(text: str) -> int:
    """The number of a terminal's columns that `text` takes."""
    if not UNUSUAL.search(text):
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


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
        while width_of(line) > width:
            end = next(n for n in range(len(line), 0, -1) if width_of(line[:n]) <= width or n == 1)
            found.append(line[:end])
            line = line[end:]
    return [*found, line] if line or not found else found


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
