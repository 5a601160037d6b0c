"""The writer of LaTeX: booktabs, points below each other, notes below, nothing wider than a column of a paper.

What TeX would read as its own is escaped. No table needs more packages than its first line names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...errors import printable
from ...records import NamedTuple
from ..columns import INDENT, words
from ..page import Block, Facts, Heading, Page, Prose, Table, Verbatim
from ..styles import PROSE
from ..styles import page as painted

SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "·": r"$\cdot$",
    "−": r"$-$",
    "≈": r"$\approx$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≠": r"$\ne$",
    "∞": r"$\infty$",
    "→": r"$\to$",
    "µ": r"$\mu$",
    "α": r"$\alpha$",
    "φ": r"$\phi$",
    "Δ": r"$\Delta$",
    "√": r"$\surd$",
    "≡": r"$\equiv$",
    "∘": r"$\circ$",
    "½": r"$\frac12$",
    "⌊": r"$\lfloor$",
    "⌋": r"$\rfloor$",
    "′": "$'$",
    "γ": r"$\gamma$",
    "β": r"$\beta$",
    "±": r"$\pm$",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
    "★": r"$\star$",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "\u00a0": "~",
    INDENT: r"\quad ",
    **{digit: f"$^{n}$" for n, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{digit: f"$_{n}$" for n, digit in enumerate("₀₁₂₃₄₅₆₇₈₉")},
}
PACKAGES = "% needs \\usepackage{booktabs} and, for a star or a check mark, \\usepackage{amssymb}"
COLUMN = 225.0  # points: a column of a page with two, and a little less
GAP = 8.0  # between two columns of a table
SIZES = (("small", 0.93), ("footnotesize", 0.86))  # of letters, and how wide they are as a part of those of 10 points
MOST_KEYS = 0.55  # of the column: how wide names in front of each piece of a table are at most
HIGH = 45  # lines, above which pieces of a table are tables of their own
CAP = 0.3  # of the column: how wide a column of texts is at most, but for a longer word
# How wide letters of Computer Modern are at 10 points, rather more than less.
LETTERS = {
    letter: width
    for width, letters in (
        (2.9, "ijl.,:;[]|'!"),
        (4.0, 'frst()-I` "*'),
        (5.1, "aceogz0123456789/?+J"),
        (5.7, "bdhknpquvxyS"),
        (7.4, "wBCEFLPTZR×"),
        (8.4, "mADGHKNOQUVXY%"),
    )
    for letter in letters
}
NUMBER = re.compile(r"(.*?\d)(\.\d+)?(\D*)")


class _Float(NamedTuple):
    """A table as it stands: its place among the parts, what it is called, and what is said below it."""

    place: int
    table: Table
    caption: str
    notes: list[str]


def write(page: Page) -> str:
    """A `table` float for each table, under the heading above it; what else is said round it, and about its records,
    stands below."""
    title = page.title
    said: list[str] = []
    under: list[Heading] = []  # those below the page's own that the next table is under
    parts: list[str] = []
    below: list[str] | None = None  # the notes of the table above, which go on until the next heading
    floats: list[_Float] = []
    for block in page.titled("latex"):
        if isinstance(block, Table):
            caption, *notes = said or [title]
            below = [*notes, *block.said]
            floats.append(_Float(len(parts), block, caption, below))
            parts.append("")
            said = []
        elif isinstance(block, Verbatim):
            text = painted(block.lines(PROSE), False).replace(r"\end{verbatim}", r"\end {verbatim}")
            parts += [*_paragraphs(said), f"\\begin{{verbatim}}\n{text}\\end{{verbatim}}\n"]
            said = []
        elif isinstance(block, Facts) and block.indent:
            items = (rf"\item[{{{escape(label.strip())}}}] {escape(text)}" for label, text in block.pairs)
            parts += [*_paragraphs(said), r"\begin{description}", *items, "\\end{description}\n"]
            said, below = [], None
        else:
            if isinstance(block, Heading):
                below = None
                title = block.text if block.level == 1 else title
                under = [heading for heading in under if 1 < heading.level < block.level]
                said += [heading.text for heading in under if heading.text not in said]
                under.append(block)
            (said if below is None else below).extend(_said(block))
    labels: list[str] = []
    for found in floats:
        labels.append(_label(found.caption, labels))
        parts[found.place] = "\n".join(_float(found, labels[-1]))
    return "\n".join([*parts, *_paragraphs(said)]) + "\n"


def _label(caption: str, others: Sequence[str]) -> str:
    """`tab:comparison-of-vgg16-resnet50`, unlike those of the other tables of the page."""
    name = "tab:" + (re.sub("[^a-z0-9]+", "-", caption.lower())[:40].strip("-") or "table")
    number = sum(other == name or other.startswith(f"{name}-n") for other in others)
    return f"{name}-n{number + 1}" if number else name


def _paragraphs(said: Sequence[str]) -> list[str]:
    return [f"{escape(text)}\n" for text in said]


def _said(block: Block) -> Iterator[str]:
    """A block as sentences without their full stops."""
    if isinstance(block, Heading):
        first, *about = block.said or ("",)
        yield f"{block.text}: {first}" if first else block.text
        yield from about
    elif isinstance(block, Prose):
        yield block.text
    elif isinstance(block, Facts):
        yield from (f"{label}: {text}" if label else text for label, text in block.pairs)


class _Cells(NamedTuple):
    """A column: the lines of its heading, its cells escaped, how wide they and the longest of their words are at 10
    points, and whether texts."""

    heading: list[str]
    cells: list[str]
    width: float
    longest: float
    text: bool
    breaks: bool = False  # whether texts go on below themselves

    @property
    def side(self) -> str:
        return f"p{{{self.width * SIZES[-1][1]:.0f}pt}}" if self.breaks else "l" if self.text else "r"


def _float(found: _Float, label: str) -> Iterator[str]:
    table = found.table
    columns = [_cells(*column.written(table.records), column.show is words) for column in table.shown]
    size, factor = next(
        (each for each in SIZES if _width(columns) * each[1] + GAP * (len(columns) - 1) <= COLUMN), SIZES[-1]
    )
    pieces = list(_split(columns, factor))
    apart = len(pieces) * (len(table.records) + 4) > HIGH
    yield PACKAGES
    for number, piece in enumerate(pieces):
        first, last = not number or apart, apart or number == len(pieces) - 1
        if first:
            yield r"\begin{table}"
            yield r"  \centering"
            yield rf"  \caption{{{escape(found.caption.rstrip('.'))}{' (continued)' if number else ''}}}"
            yield from [] if number else [rf"  \label{{{label}}}"]
            yield rf"  \{size}"
            yield rf"  \setlength{{\tabcolsep}}{{{GAP / 2:.0f}pt}}"
        yield from [] if first else [r"  \par\medskip"]
        yield from _tabular(piece, table.rules)
        if found.notes and number == len(pieces) - 1:
            yield r"  \par\smallskip"
            yield r"  \begin{minipage}{\linewidth}\footnotesize\raggedright"
            yield f"    {escape('. '.join(text.rstrip('.') for text in found.notes))}."
            yield r"  \end{minipage}"
        if last:
            yield r"\end{table}"


def _cells(heading: str, texts: Sequence[str], text: bool) -> _Cells:
    """A column with its points below each other, its heading in lines that are no wider than it need be."""
    cells = [escape(each if text else each.strip()) for each in texts]
    if not text:
        cells = _aligned([each.strip() for each in texts])
    wide = max(map(_points, texts), default=0.0)
    room = max([wide, *map(_points, heading.split(" "))])
    lines: list[str] = []
    for word in heading.split(" "):
        if lines and _points(f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    longest = max(_points(word) for each in (*texts, heading) for word in re.split("(?<=[-/:]) ?| ", each))
    return _Cells(lines, cells, max(wide, *map(_points, lines)), longest, text)


def _aligned(texts: Sequence[str]) -> list[str]:
    """Numbers with room for the decimals that others have; what stands behind them stays there."""
    found = [NUMBER.fullmatch(text) for text in texts]
    most = max((len(match[2] or "") for match in found if match), default=0)
    shown = []
    for text, match in zip(texts, found, strict=True):
        lacking = most - len(match[2] or "") if match else 0
        if match is None or not lacking:
            shown.append(escape(text))
            continue
        room = "." * (not match[2]) + "0" * (lacking - (not match[2]))
        shown.append(rf"{escape(match[1] + (match[2] or ''))}\phantom{{{room}}}{escape(match[3])}")
    return shown


def _points(text: str) -> float:
    """How wide a text is, about, at 10 points."""
    return sum(LETTERS.get(letter, 10.4) for letter in text)


def _width(columns: Sequence[_Cells]) -> float:
    return sum(column.width for column in columns)


def _split(columns: Sequence[_Cells], factor: float) -> Iterator[list[_Cells]]:
    """The columns in pieces that are no wider than a column of a paper, each with the first texts again."""
    room = COLUMN / factor
    gap = GAP / factor
    if _width(columns) + gap * (len(columns) - 1) <= room:
        yield list(columns)
        return
    columns = [_broken(column, room) for column in columns]
    first = next((n for n, column in enumerate(columns) if not column.text), len(columns))
    keys = list(columns[: 2 if first > 1 and _width(columns[:2]) < MOST_KEYS * room else 1])
    piece = list(keys)
    for column in columns[len(keys) :]:
        if len(piece) > len(keys) and _width([*piece, column]) + gap * len(piece) > room:
            yield piece
            piece = list(keys)
        piece.append(column)
    yield piece


def _broken(column: _Cells, room: float) -> _Cells:
    """A column of texts that is too wide goes on below itself."""
    if not column.text or column.width <= CAP * room:
        return column
    cells = [re.sub("([/:])(?=[^ ])", r"\1\\allowbreak{}", cell) for cell in column.cells]  # and behind hyphens
    return column._replace(cells=cells, width=max(CAP * room, column.longest), breaks=True)


def _tabular(columns: Sequence[_Cells], rules: Sequence[int]) -> Iterator[str]:
    yield rf"  \begin{{tabular}}{{@{{}}{''.join(column.side for column in columns)}@{{}}}}"
    yield r"    \toprule"
    high = max(len(column.heading) for column in columns)
    for line in range(high):
        heads = ((*[""] * (high - len(column.heading)), *column.heading)[line] for column in columns)
        yield _row([escape(head) for head in heads])
    yield r"    \midrule"
    for number, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        if number in rules and number:
            yield r"    \midrule"
        yield _row(cells)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"


def _row(cells: Sequence[str]) -> str:
    """A line of a table; a `[` or `*` at its start would be an argument of the line break or the rule above it."""
    return f"    {'{}' * cells[0].startswith(('[', '*'))}{' & '.join(cells)} \\\\"


def escape(text: str) -> str:
    """`text` with what TeX would read as its own, and signs that it has other names for."""
    shown = printable(text)
    return "".join([SPECIAL.get(sign, sign if sign.isascii() or sign.isalpha() else "?") for sign in shown])
