"""The writer of HTML: one file that needs no network; tables that a click sorts, light and dark, for phones too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from math import inf

from ...errors import printable
from ..columns import Column, Value, words
from ..page import Block, Facts, Heading, Page, Picture, Prose, Table, Verbatim
from ..styles import PROSE
from ..styles import page as painted

STYLE = """
:root { color-scheme: light dark; --ink: #1a1c1e; --dim: #5c6166; --paper: #fff; --line: #d6d9dc; --soft: #f2f4f5;
  --accent: #0b6e99; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaec; --dim: #9ba1a6; --paper: #15181b; --line: #363b40;
  --soft: #1e2226; --accent: #6cc0e5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; }
p, dl { margin: .5rem 0; max-width: 46rem; } .dim, figcaption { color: var(--dim); }
a { color: var(--accent); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
dl.in { margin: .25rem 0 .25rem 1.5rem; } .in dt { font-weight: 400; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; vertical-align: top; }
th { position: sticky; top: 0; background: var(--paper); border-bottom: 2px solid var(--line); cursor: pointer;
  font-weight: 600; } th:focus-visible { outline: 2px solid var(--accent); }
th[aria-sort=ascending]::after { content: " ▲"; } th[aria-sort=descending]::after { content: " ▼"; }
td { border-bottom: 1px solid var(--line); } tr:hover td { background: var(--soft); }
td.text, th.text { text-align: left; } td.long { white-space: normal; overflow-wrap: anywhere; min-width: 6rem; }
tr.total td { font-weight: 600; border-top: 2px solid var(--line); }
figure { margin: 1rem 0; } figure > div { background: #fff; border-radius: 4px; overflow-x: auto; }
figure svg { display: block; height: auto; max-width: 100%; }
@media (max-width: 600px) { figure svg { max-width: none; width: 38rem !important; }
  figure svg.small { width: 100% !important; } }
@media (max-width: 600px) { body { padding: 1rem .6rem 2rem; } dl { display: block; } dd { margin: 0 0 .5rem; }
  th, td { padding: .25rem .4rem; } td.long { min-width: 5rem; } table { font-size: .8rem; } }
@media print { th { position: static; } .wide { overflow: visible; } }
"""
# A click on a heading sorts by its column: numbers by value, texts as texts; a second click turns it round.
SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const fixed = [...body.rows].filter(row => row.className);
  heads.forEach((head, at) => {
    const sort = () => {
      const down = head.ariaSort === "descending" || (head.ariaSort !== "ascending" && head.className === "text");
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.ariaSort = down ? "ascending" : "descending";
      const value = ({ cells: { [at]: cell } }) => cell.dataset.v === undefined ? cell.textContent : +cell.dataset.v;
      const numbers = (a, b) => typeof a === "number" && typeof b === "number";
      const order = (a, b) => numbers(a, b) ? a - b : String(a).localeCompare(String(b));
      const rows = [...body.rows].filter(row => !row.className);
      rows.sort((a, b) => order(value(a), value(b)) * (down ? 1 : -1));
      body.append(...rows, ...fixed);
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
  });
}
"""


def quoted(text: str) -> str:
    """`text` as HTML shows it."""
    return escape(printable(text))


def write(page: Page) -> str:
    """A page of its own."""
    own, *blocks = page.titled("html")
    assert isinstance(own, Heading)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{quoted(own.text)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts([own, *blocks])))
        + f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


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
            yield figure(block.svg, block.caption)
        elif isinstance(block, Verbatim):
            yield f"<pre>{escape(painted(block.lines(PROSE), False))}</pre>"


def table(block: Table) -> str:
    """A table that a click sorts; records below a rule stay at its end. Cells hold their exact values too."""
    heads, columns = [], []
    for column in block.shown:
        heading, texts = column.written(block.records)
        side = ' class="text"' if column.show is words else ""
        heads.append(f'<th scope="col"{side}>{quoted(heading)}</th>')
        long = max(map(len, texts), default=0) > SHORT
        values = map(column.value, block.records)
        columns.append([_cell(*both, column, long) for both in zip(texts, values, strict=True)])
    lines = (
        f"<tr{' class=total' if number in block.rules else ''}>{''.join(cells)}</tr>"
        for number, cells in enumerate(zip(*columns, strict=True))
    )
    head, body = f"<thead><tr>{''.join(heads)}</tr></thead>", "\n".join(lines)
    return f'<div class="wide"><table>\n{head}\n<tbody>\n{body}\n</tbody>\n</table></div>'


SHORT = 18  # characters that are not broken


def _cell(text: str, value: Value, column: Column, wide: bool) -> str:
    if column.show is words:
        return f'<td class="text{" long" if wide else ""}">{quoted(text)}</td>'
    known = isinstance(value, (int, float)) and value != inf
    return f"<td{f' data-v={chr(34)}{value}{chr(34)}' if known else ''}>{quoted(text.strip())}</td>"


def paragraphs(texts: Iterable[str], dim: bool = False) -> str:
    start = '<p class="dim">' if dim else "<p>"
    return "\n".join(f"{start}{quoted(text)}</p>" for text in texts)


SMALL = 300  # points: a picture that a phone shows whole


def figure(svg: str, caption: str) -> str:
    """A picture that stands in the page itself."""
    inside = svg[svg.index("<svg") + len("<svg") :]
    points = re.search(r'width="([\d.]+)pt"', inside)
    width = float(points[1]) if points else 500.0
    small = ' class="small"' if width < SMALL else ""
    inside = inside.replace(points[0], "", 1) if points else inside
    inside = f'<svg style="width: {width * 1.5:.0f}px"{small}{inside}'
    return f"<figure><div>{inside}</div><figcaption>{quoted(caption)}</figcaption></figure>"
