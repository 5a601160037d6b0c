"""Lists of records, one a line: for people as text and Markdown, for programs as csv and JSON.

A number is never cut: where a terminal is too narrow, texts go on below themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

from .columns import Column, as_is, words
from .layout import left, right, width_of, wrap
from .pieces import BOLD, DIM, PLAIN, Pieces, rule
from .writers.markdown import escape, pipes

GAP = 2
LEAST = 10  # columns for a text that is broken

Lines = Callable[[Any], Iterable[Pieces]]
Style = Callable[[Any, Column], str]


def text(
    columns: Sequence[Column],
    records: Sequence[Any],
    width: int | None,
    *,
    headings: bool = True,
    indent: int = 0,
    above: Lines = lambda record: (),
    below: Lines = lambda record: (),
    style: Style = lambda record, column: PLAIN,
) -> Iterator[Pieces]:
    """A table, each record between the lines that stand above and below it."""
    shown = [column.show([column.value(record) for record in records]) for column in columns if column.show]
    heads = [column.heading for column in columns] if headings else ["" for _ in columns]
    widths = [
        max(map(width_of, (head, found.unit if headings else "", *found.texts)))
        for head, found in zip(heads, shown, strict=True)
    ]
    if width is not None:
        _shrink(widths, [column.show is words for column in columns], width - indent - GAP * (len(columns) - 1))
    start: Pieces = [(" " * indent, PLAIN)] if indent else []
    if headings:
        yield start + _cells(columns, heads, widths, lambda _: BOLD)
        if any(found.unit for found in shown):
            yield start + _cells(columns, [found.unit for found in shown], widths, lambda _: DIM)
        yield rule(indent + sum(widths) + GAP * (len(columns) - 1))
    for index, record in enumerate(records):
        yield from above(record)
        cells = [
            wrap(found.texts[index], room) if column.show is words else [found.texts[index]]
            for column, found, room in zip(columns, shown, widths, strict=True)
        ]
        for line in zip_longest(*cells, fillvalue=""):
            yield start + _cells(columns, line, widths, partial(style, record))
        yield from below(record)


def _shrink(widths: list[int], soft: Sequence[bool], room: int) -> None:
    """Take from the widest texts what is too much."""
    while sum(widths) > room:
        widest = max((at for at, text in enumerate(soft) if text), key=lambda at: widths[at], default=None)
        if widest is None or widths[widest] <= LEAST:
            return
        widths[widest] -= 1


def _cells(
    columns: Sequence[Column], texts: Sequence[str], widths: Sequence[int], style: Callable[[Column], str]
) -> Pieces:
    found: Pieces = []
    for column, cell, width in zip(columns, texts, widths, strict=True):
        side = left if column.show is words else right
        found += [(" " * GAP, PLAIN)] if found else []
        found.append((side(cell, width), style(column)))
    return found


def markdown(columns: Sequence[Column], records: Sequence[Any]) -> str:
    """A table as GitHub shows it."""
    heads, texts = [], []
    for column in columns:
        assert column.show is not None
        unit, shown = column.show([column.value(record) for record in records])
        heads.append(escape(f"{column.heading} ({unit})" if unit else column.heading))
        texts.append([escape(cell.strip()) for cell in shown])
    aside = [column.show is not words for column in columns]
    return "\n".join(pipes(heads, aside, zip(*texts, strict=True))) + "\n"


def render(
    columns: Sequence[Column],
    records: Sequence[Any],
    output_format: str,
    *,
    title: str = "",
    notes: Sequence[str] = (),
    document: Callable[[Any], Any] | None = None,
    raw: bool = False,
) -> str:
    """A table in any form but text; `document` makes the entry of a record in JSON. Columns that are not shown stand in
    csv and JSON alone."""
    if output_format == "json":
        return json([document(r) if document else {c.name: c.value(r) for c in columns} for r in records])
    if output_format == "csv":
        from . import as_csv

        return as_csv.table(columns, records)
    shown = [as_is(column) if raw else column for column in columns if column.show is not None]
    if output_format == "latex":
        from . import as_latex

        return as_latex.table(shown, records, title, notes)
    if output_format == "html":
        from .writers import html

        return html.whole(title, [html.table(shown, records), html.paragraphs(notes)])
    about = "".join(f"\n{escape(note)}\n" for note in notes)
    return (f"### {escape(title)}\n\n" if title else "") + markdown(shown, records) + about


def json(records: Sequence[Any]) -> str:
    """A JSON list, a record a line."""
    from json import JSONEncoder

    encode = JSONEncoder(ensure_ascii=False).encode
    items = ",\n  ".join(map(encode, records))
    return f"[\n  {items}\n]\n" if records else "[]\n"
