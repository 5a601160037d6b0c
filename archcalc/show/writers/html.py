"""The writer of HTML: one file that needs no network; tables that a click sorts, light and dark, for phones too."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from json import dumps
from math import inf
from pathlib import Path
from urllib.parse import quote

from ...errors import printable
from ...records import NamedTuple
from ..columns import Column, Value, words
from ..page import Beside, Block, Explored, Facts, Fold, Heading, Page, Picture, Prose, Table, Verbatim
from ..styles import PROSE
from ..styles import page as painted
from . import svg

MANY = 2  # sections from which on a page has a table of contents


@cache
def asset(name: str) -> str:
    """The style or the script of a page."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def quoted(text: str) -> str:
    """`text` as HTML shows it."""
    return escape(printable(text))


def write(page: Page) -> str:
    """A page of its own. Its reader is told to fetch nothing and to run no script but this one."""
    own, *blocks = page.titled("html")
    assert isinstance(own, Heading)
    script = b64encode(sha256(asset("page.js").encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{quoted(own.text)}</title>\n<style>{asset('page.css')}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, _body([own, *blocks])))
        + f"\n<script>{asset('page.js')}</script>\n</body>\n</html>\n"
    )


def _body(blocks: list[Block]) -> Iterator[str]:
    """The blocks; where there are several sections these with names, and a table of contents before them."""
    heads = {at: block.text for at, block in enumerate(blocks) if isinstance(block, Heading) and block.level == 2}
    if len(heads) < MANY:
        yield from parts(blocks)
        return
    starts, names = [*heads], list(_names(heads.values()))
    yield '<nav aria-label="Contents"><ol>'
    for name, text in zip(names, heads.values(), strict=True):
        yield f'<li><a href="#{name}">{quoted(text)}</a></li>'
    yield "</ol></nav>\n<main>"
    yield from parts(blocks[: starts[0]])
    for name, start, stop in zip(names, starts, [*starts[1:], len(blocks)], strict=True):
        yield f'<section id="{name}">'
        yield from parts(blocks[start:stop])
        yield "</section>"
    yield "</main>"


def _names(texts: Iterable[str]) -> Iterator[str]:
    """A name for each section, as links call it: no two alike, and none that a script could take for its own."""
    seen = Counter[str]()
    for text in texts:
        name = "s-" + re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
        seen[name] += 1
        yield f"{name}-{seen[name]}" if seen[name] > 1 else name


def parts(blocks: Iterable[Block]) -> Iterator[str]:
    """Blocks as pieces of a page."""
    for block in blocks:
        if isinstance(block, Heading):
            yield f"<h{block.level}>{quoted(block.text)}</h{block.level}>"
            yield paragraphs(block.said, dim=True)
        elif isinstance(block, Prose):
            yield paragraphs([block.text])
        elif isinstance(block, Facts):
            style = " class=in" if block.indent else " class=dim" if block.dim else ""
            body = "".join(f"<dt>{quoted(label)}</dt><dd>{quoted(text)}</dd>\n" for label, text in block.pairs)
            yield f"<dl{style}>\n{body}</dl>" if body else ""
        elif isinstance(block, Table):
            yield table(block)
            yield paragraphs(block.said)
        elif isinstance(block, Picture):
            yield figure(block)
        elif isinstance(block, Verbatim):
            yield f"<pre>{escape(painted(block.lines(PROSE), False))}</pre>"
        elif isinstance(block, Fold):
            yield f"<details><summary>{quoted(block.title)}</summary>"
            yield from parts(block.blocks)
            yield "</details>"
        elif isinstance(block, Beside):
            yield '<div class="beside">'
            for column in block.columns:
                yield "<div>"
                yield from parts(column)
                yield "</div>"
            yield "</div>"


def table(block: Table) -> str:
    """A table that a click sorts; records below a rule stay at its end. Cells hold their exact values too, headings of
    what is explored the names of their columns."""
    heads, columns, explored = [], list[list[_Cell]](), block.explored
    for column in block.shown:
        heading, texts = column.written(block.records)
        kind = "" if column.show is not words else "l" if max(map(len, texts), default=0) > SHORT else "t"
        key = f' data-k="{escape(column.name)}"' if explored else ""
        heads.append(f"<th scope=col{f' class={kind}' * bool(kind)}{key}>{quoted(heading)}</th>")
        columns.append(
            [_cell(text, record, column, kind, explored) for text, record in zip(texts, block.records, strict=True)]
        )
    rows = list(zip(*columns, strict=True))
    depths = [_depth(block, record) for record in block.records]
    lines = (
        f"<tr{_row(block, number)}>{''.join(cell.written for cell in row)}</tr>"
        for number, row in enumerate(rows)
        if not depths[number]
    )
    head, body = f"<thead><tr>{''.join(heads)}</tr></thead>", "\n".join(lines)
    about = _explored(explored) + _parts(block, rows, depths) if explored else ""
    for said in UNSAID if explored else ():  # these tables are long
        body = body.replace(said, "")
    return f'<div class="wide"><table{about}>\n{head}\n<tbody>\n{body}\n</tbody>\n</table></div>'


UNSAID = ("</td>", "</tr>")  # what HTML knows without being told; no text has it, as it is escaped


class _Cell(NamedTuple):
    """A cell: its text, the exact number where that is another, the class of its column, and where a click goes."""

    text: str
    value: Value
    kind: str
    target: str = ""

    @property
    def written(self) -> str:
        shown = quoted(self.text)
        shown = f'<a href="#{quote(self.target, safe="?=")}">{shown}</a>' if self.target else shown
        exact = "" if self.value is None else f" data-v={self.value}"
        return f"<td{f' class={self.kind}' * bool(self.kind)}{exact}>{shown}</td>"


def _depth(block: Table, record: object) -> int:
    """How many lines a line of an explored tree stands in."""
    return len(block.tree.branch(record).lasts) if block.explored and block.tree else 0


def _parts(block: Table, rows: Sequence[Sequence[_Cell]], depths: Sequence[int]) -> str:
    """The lines of a tree that stand in others, each that is there several times once, for the script to put them where
    they stand: `rows` are depths and cells, `of` which of them follow the lines that are seen, `ids` the names of
    some by how many of them stand before."""
    found: dict[tuple[object, ...], int] = {}
    of: list[list[int]] = []
    ids: dict[int, str] = {}
    assert block.explored is not None
    for record, row, depth in zip(block.records, rows, depths, strict=True):
        if not depth:
            of.append([])
            continue
        cells = (printable(c.text) if c.value is None else (printable(c.text), c.value) for c in row)
        if name := block.explored.anchor(record):
            ids[sum(map(len, of))] = name
        of[-1].append(found.setdefault((depth, *cells), len(found)))
    text = dumps({"rows": [*found], "of": of, "ids": ids}, ensure_ascii=False, separators=(",", ":"))
    return f""" data-parts='{escape(text, quote=False).replace("'", "&#x27;")}'""" if found else ""


def _explored(found: Explored) -> str:
    name = f' id="{escape(found.key)}"' if found.key else ""
    return f"{name} data-explored" + (
        f'="{escape(" ".join(word or "-" for word in found.plot))}"' if found.plot else ""
    )


def _row(block: Table, number: int) -> str:
    """What a line says of itself: that it is a sum, and its name."""
    about = " class=total" if number in block.rules else ""
    if block.explored:
        name = block.explored.anchor(block.records[number])
        about += f' id="{escape(name)}"' if name else ""
    return about


SHORT = 32  # characters that are not broken


def _cell(text: str, record: object, column: Column, kind: str, explored: Explored | None) -> _Cell:
    """A cell with its exact value, unless that is what an explored table shows; shares as exact as anybody sorts."""
    if kind:
        return _Cell(text, None, kind, column.link(record) if column.link else "")
    value: Value = column.value(record)
    if explored and column.name == "share" and isinstance(value, float):
        value = float(f"{value:.6g}")
    known = isinstance(value, (int, float)) and value != inf
    said = explored is not None and text.strip().replace(",", "") in (str(value), str(value).removesuffix(".0"))
    return _Cell(text.strip(), value if known and not said else None, kind)


def paragraphs(texts: Iterable[str], dim: bool = False) -> str:
    start = '<p class="dim">' if dim else "<p>"
    return "\n".join(f"{start}{quoted(text)}</p>" for text in texts)


SMALL = 300  # points: a picture that a phone shows whole


def figure(picture: Picture) -> str:
    """A picture that stands in the page itself."""
    inside = picture.svg[picture.svg.index("<svg") + len("<svg") :]
    points = re.search(r'width="([\d.]+)pt"', inside)
    width = float(points[1]) if points else 500.0
    small = ' class="small"' if width < SMALL else ""
    inside = inside.replace(points[0], "", 1) if points else inside
    own = svg.small("<svg" + inside, lambda name: name.partition("-t")[0] in picture.links)[4:]
    inside = f'<svg style="width: {width * 1.5:.0f}px"{small}{own}'
    large = ' class="large"' if picture.large else ""
    links = {name: list(records) for name, records in picture.links.items()}
    large += f' data-links="{escape(dumps(links, separators=(",", ":")))}"' if links else ""
    return f"<figure{large}><div>{inside}</div><figcaption>{quoted(picture.caption)}</figcaption></figure>"
