"""Tables for LaTeX: booktabs, numbers to the right. What TeX would read as its own is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..models import Summary
from ..tasks import summary as rows
from . import sentences
from .columns import INDENT, Column, titled, words

SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "×": r"$\times$",
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


def render(summary: Summary, depth: int = 0, pick: rows.Pick | None = None, notes: Sequence[str] = ()) -> str:
    """A summary as a `table` float, its conventions in the caption, and then the notes."""
    columns, found = titled(summary, depth, pick)
    heading = sentences.heading(summary)
    caption = f"{sentences.clean(summary.model)}: {'. '.join(heading)}."
    meant = " ".join(f"{label}: {text}." for label, text in sentences.conventions(summary))
    rules = [n for n, line in enumerate(found) if line.kind == "total"]
    return table(columns, found, " ".join([caption, meant, *(f"{note}." for note in notes)]), rules=rules)


def table(
    columns: Sequence[Column],
    records: Sequence[Any],
    caption: str = "",
    notes: Iterable[str] = (),
    rules: Iterable[int] = (),
) -> str:
    """A `table` float with a booktabs table; `rules` are the records above which a line is drawn."""
    return "\n".join(_lines(columns, records, ". ".join(filter(None, [caption, *notes])), set(rules))) + "\n"


def _lines(columns: Sequence[Column], records: Sequence[Any], caption: str, rules: set[int]) -> Iterator[str]:
    heads, texts = [], []
    for column in columns:
        assert column.show is not None
        unit, shown = column.show([column.value(record) for record in records])
        heads.append(escape(f"{column.heading} ({unit})" if unit else column.heading))
        texts.append([escape(text.strip() if column.show is not words else text) for text in shown])
    sides = "".join("l" if column.show is words else "r" for column in columns)
    yield PACKAGES
    yield r"\begin{table}"
    yield r"  \centering"
    if caption:
        yield rf"  \caption{{{escape(caption)}}}"
    yield rf"  \begin{{tabular}}{{@{{}}{sides}@{{}}}}"
    yield r"    \toprule"
    yield f"    {' & '.join(heads)} \\\\"
    yield r"    \midrule"
    for number, cells in enumerate(zip(*texts, strict=True)):
        if number in rules and number:
            yield r"    \midrule"
        yield f"    {' & '.join(cells)} \\\\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def escape(text: str) -> str:
    """`text` with what TeX would read as its own, and signs that it has other names for."""
    return "".join(SPECIAL.get(sign, sign if sign.isascii() or sign.isalpha() else "?") for sign in text)
