"""Source text in color, for a terminal: specs and the rules of ops.

One accent colour, as everywhere: for what names something. What only separates is dim, all else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import printable
from .styles import ACCENT, DIM, PLAIN, Pieces, paint

KEY = re.compile(r"""(\s*(?:- +)*)("[^"]*"|'[^']*'|[^\s"'#{\[|>-][^#]*?)(?=:(?:\s|$))""")
COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
BLOCK = re.compile(r"[|>][+-]?$")
PYTHON = ("Token.Keyword", "Token.Name.Class", "Token.Name.Function", "Token.Name.Decorator")


def render(text: str, color: bool) -> str:
    """A spec without what a terminal would obey, and in color where that is wanted."""
    lines = [printable(line) for line in text.splitlines()]
    return _spec(lines) if color else "\n".join(lines) + "\n"


def _spec(lines: list[str]) -> str:
    """Keys in color, comments and the lines of tables dim. YAML's own lexers stop at a key such as `conv{k}-{c}:`."""
    painted = []
    block, table = -1, False  # how far the key of a block scalar is indented, and whether the block is a table
    for line in lines:
        indent = len(line) - len(line.lstrip(" "))
        if block >= 0 and (not line.strip() or indent > block):
            painted.append(paint(_row(line) if table else [(line, PLAIN)], True))
            continue
        block = -1
        comment = next((found for found in COMMENT.finditer(line) if line[: found.start()].count('"') % 2 == 0), None)
        code, rest = (line[: comment.start()], comment.group()) if comment else (line, "")
        key = KEY.match(code)
        pieces: Pieces = [(code, PLAIN)]
        if key:
            pieces = [(key.group(1), PLAIN), (key.group(2), ACCENT), (code[key.end() :], PLAIN)]
            opened = BLOCK.search(code.rstrip())
            block, table = (indent, opened.group()[0] == "|") if opened else (-1, False)
        painted.append(paint([*pieces, (rest, DIM)], True))
    return "\n".join(painted) + "\n"


def _row(line: str) -> Iterator[tuple[str, str]]:
    dashes = set(line) <= set("-|+: ")
    for piece in re.split(r"(\|)", line):
        yield piece, DIM if dashes or piece == "|" else PLAIN


def python(text: str, color: bool) -> Iterator[Pieces]:
    """The lines of a piece of Python."""
    if not color:  # rich takes its time
        yield from ([(line, PLAIN)] for line in text.splitlines())
        return
    from rich.console import Console
    from rich.style import Style
    from rich.syntax import Syntax, SyntaxTheme

    class Palette(SyntaxTheme):
        def get_style_for_token(self, token_type: object) -> Style:
            name = str(token_type)
            return Style(color="cyan" if name.startswith(PYTHON) else None, dim=name.startswith("Token.Comment"))

        def get_background_style(self) -> Style:
            return Style()

    for line in Syntax("", "python", theme=Palette()).highlight(text).split("\n"):
        yield [
            (piece, ACCENT if style and style.color else DIM if style and style.dim else PLAIN)
            for piece, style, _ in line.render(Console())
        ]
