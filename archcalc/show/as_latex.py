"""Tables for LaTeX: booktabs, numbers to the right. What TeX would read as its own is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .columns import Column, words
from .writers.latex import PACKAGES, escape


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
