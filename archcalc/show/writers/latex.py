"""The writer of LaTeX: booktabs, numbers to the right. What TeX would read as its own is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import printable
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
WIDE = 60  # characters of a text that is broken
PACKAGES = "% needs \\usepackage{booktabs} and, for a star or a check mark, \\usepackage{amssymb}"


def write(page: Page) -> str:
    """A `table` float for each table; what is said round it, and about its records, stands in its caption."""
    said: list[str] = []
    under: list[Heading] = []  # those below the page's own that the next table is under
    parts: list[str] = []
    above: list[str] | None = None  # the caption of the table above, which goes on until the next heading
    floats: list[tuple[int, Table, list[str]]] = []
    for block in page.titled("latex"):
        if isinstance(block, Table):
            above = [*said, *block.said]
            floats.append((len(parts), block, above))
            parts.append("")
            said = []
        elif isinstance(block, Verbatim):
            text = painted(block.lines(PROSE), False).replace(r"\end{verbatim}", r"\end {verbatim}")
            parts += [*_paragraphs(said), f"\\begin{{verbatim}}\n{text}\\end{{verbatim}}\n"]
            said = []
        elif isinstance(block, Facts) and block.indent:
            items = (rf"\item[{{{escape(label.strip())}}}] {escape(text)}" for label, text in block.pairs)
            parts += [*_paragraphs(said), r"\begin{description}", *items, "\\end{description}\n"]
            said, above = [], None
        else:
            if isinstance(block, Heading):
                above = None
                under = [heading for heading in under if 1 < heading.level < block.level]
                said += [heading.text for heading in under if heading.text not in said]
                under.append(block)
            (said if above is None else above).extend(_said(block))
    for at, table, caption in floats:
        parts[at] = "\n".join(_float(table, caption))
    return "\n".join([*parts, *_paragraphs(said)]) + "\n"


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


def _float(table: Table, said: Sequence[str]) -> Iterator[str]:
    heads, texts, sides = [], [], []
    for column in table.shown:
        heading, found = column.written(table.records)
        sides.append("r" if column.show is not words else "p" if max(map(len, found), default=0) > WIDE else "l")
        heads.append(escape(heading))
        texts.append([escape(text.strip() if column.show is not words else text) for text in found])
    wide = f"p{{{0.6 / max(1, sides.count('p')):.2g}\\linewidth}}"
    yield PACKAGES
    yield r"\begin{table}"
    yield r"  \centering"
    if said:
        yield rf"  \caption{{{escape('. '.join(text.rstrip('.') for text in said))}}}"
    yield rf"  \begin{{tabular}}{{@{{}}{''.join(sides).replace('p', wide)}@{{}}}}"
    yield r"    \toprule"
    yield _row(heads)
    yield r"    \midrule"
    for number, cells in enumerate(zip(*texts, strict=True)):
        if number in table.rules and number:
            yield r"    \midrule"
        yield _row(cells)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _row(cells: Sequence[str]) -> str:
    """A line of a table; a `[` or `*` at its start would be an argument of the line break or the rule above it."""
    return f"    {'{}' * cells[0].startswith(('[', '*'))}{' & '.join(cells)} \\\\"


def escape(text: str) -> str:
    """`text` with what TeX would read as its own, and signs that it has other names for."""
    shown = printable(text)
    return "".join([SPECIAL.get(sign, sign if sign.isascii() or sign.isalpha() else "?") for sign in shown])
