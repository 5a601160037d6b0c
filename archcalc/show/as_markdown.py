"""A summary as Markdown: a table as GitHub shows it, with what it means below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..models import Summary
from ..tasks import summary as rows
from ..tasks.summary import Line
from . import sentences
from .columns import SHARE, Column
from .columns import columns as columns_of
from .layout import names


def render(summary: Summary, depth: int = 0, pick: rows.Pick | None = None) -> str:
    """The heading, the table opened `depth` levels, the totals, the claims that fail, and the conventions."""
    table = rows.table(summary, depth, pick)
    shown = sentences.shown(summary, depth, pick)
    notes = sentences.Notes()
    title, *rest = map(escape, sentences.heading(summary))
    return "\n".join(
        [
            f"### {escape(sentences.clean(summary.model))}: {title}",
            "",
            "  \n".join([*rest, *([f"*{escape(sentences.clean(summary.namesake))}*"] if summary.namesake else [])]),
            "",
            *table_of(summary, table, columns_of(summary, pick)),
            "",
            *([f"- **shown**: {escape(shown)}"] if shown else []),
            *(f"- **{label}**: {escape(text)}" if label else f"  {text}" for label, text in sentences.facts(summary)),
            f"- **claims**: {escape(sentences.verdict(summary))}",
            *_failures(summary, table, notes),
            *(f"- {mark} {escape(note)}" for mark, note in notes.numbered()),
            "",
            *(f"- *{label}*: {escape(text)}" for label, text in sentences.conventions(summary)),
            "",
        ]
    )


def table_of(summary: Summary, table: Sequence[Line], shown: Sequence[Column]) -> Iterator[str]:
    """The table with these columns and the share."""
    shares = rows.share_of(summary)
    columns = [*shown, *([SHARE] if shares else [])]
    labelled = any(line.label and line.label != line.name for line in table)
    heads, texts = [""] * (1 + labelled), [_names(table, labelled)]
    for column in columns:
        assert column.show is not None
        unit, texts_of = column.show([column.value(line) for line in table])
        heading = f"% of {shares}" if column is SHARE else f"{column.heading} ({unit})" if unit else column.heading
        heads.append(heading)
        texts.append([text.strip() for text in texts_of])
    yield from pipes(heads, [False] * (1 + labelled) + [True] * len(columns), zip(*texts, strict=True))


def pipes(heads: Sequence[str], to_the_right: Sequence[bool], cells: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table: its headings, on which side each column stands, and its rows. The cells are escaped already."""
    yield _row(heads)
    yield _row(["---:" if right else ":---" for right in to_the_right])
    yield from map(_row, cells)


def _names(table: Sequence[Line], labelled: bool) -> list[str]:
    """The first cell, or with labels the first two."""
    found = []
    fronts = names(table, stacked=False).fronts
    for line, front in zip(table, fronts, strict=True):
        name = escape(line.name)
        if line.kind == "total":
            name = f"**{name}**"
        elif line.depth:
            name = front.strip().replace(" ", "\u00a0") + " " + name
        found.append(f"{escape(line.label) if line.label != line.name else ''} | {name}" if labelled else name)
    return found


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _failures(summary: Summary, table: Sequence[Line], notes: sentences.Notes) -> Iterator[str]:
    for line in table:
        for failure in notes.failures(line.judgements):
            yield f"- ✗ {escape(f'{line.label or line.name}, {failure}')}"
    for failure in notes.failures(j for j in summary.judgements if not j.claim.row):
        yield f"- ✗ {escape(str(failure))}"


def escape(text: str) -> str:
    """`text` with what Markdown would read as its own."""
    return re.sub(r"([\\|*<>~]|(?<!\w)_|_(?!\w)|\[(?=[^\]]*\]\())", r"\\\1", text)
