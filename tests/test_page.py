"""The pages of `report`, in a browser as a reader has it: nothing breaks, nothing is fetched, and what is clicked does
what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from archcalc import cli
from archcalc.models import load
from archcalc.show.pictures import graph_svg
from archcalc.show.pictures.blocks import blocks
from archcalc.show.writers import svg
from archcalc.tasks.choose import read_choice
from archcalc.tasks.list import TOTALS, ListedModel
from archcalc.tasks.report import zoo
from archcalc.tasks.summary import FULL, lines
from tests.browser import Tab, browser, tab
from tests.test_hostile_text import SPEC

WIDTHS = (400, 1000, 1600)
NEEDS = pytest.mark.skipif(browser() is None, reason="no Chromium is installed here, and no Chrome")
ROW = '"><svg onload=alert(1)>'
TITLE = "</script><script>document.title = 'taken'</script><img src=http://127.0.0.1:9/x onerror='document.title = 1'>"


SOME = ("resnet", "vgg", "googlenet")
shown = cache(lambda: zoo(*SOME))


def written(folder: Path, *arguments: str) -> Path:
    path = folder / "page.html"
    assert cli._run(["report", *arguments, "-o", str(path), "--quiet"]) == 0
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three networks, some of the zoo, and one by somebody who means harm."""
    hostile = tmp_path_factory.mktemp("spec") / "x.yaml"
    text = SPEC.format(title=json.dumps(TITLE), row=ROW, key=json.dumps(ROW), more='cite: "<b>nobody</b>, 2026"')
    hostile.write_text(text, encoding="utf-8")
    asked = {
        "three": ["resnet50", "googlenet", "vgg16"],
        "zoo": ["--zoo", *SOME],
        "hostile": [str(hostile)],
    }
    return {name: written(tmp_path_factory.mktemp(name), *line) for name, line in asked.items()}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Tab]:
    with tab() as opened:
        yield opened


# Words that stand on two lines, but for those that may be parted: at a hyphen or a slash.
BROKEN = r"""(() => {
  const found = [], range = document.createRange();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const { currentNode: node } = walk, { parentElement: above } = node;
    if (!above.checkVisibility() || above.closest("script, style, svg, select")) continue;
    for (const { index, 0: word } of node.textContent.matchAll(/\S+/g)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const lines = new Set([...range.getClientRects()].map(box => Math.round(box.y)));
      if (!/[-\/—?&]/.test(word) && lines.size > 1) found.push(word);
    }
  }
  return found;
})()"""


def fine(chromium: Tab, path: Path) -> None:
    """Nothing was said on the console, and nothing asked for but the file."""
    assert chromium.errors == []
    assert {url for url in chromium.requests if not url.startswith("data:")} <= {path.resolve().as_uri()}


def test_three_networks_are_less_than_a_megabyte(pages: dict[str, Path]) -> None:
    assert pages["three"].stat().st_size < 300_000


@pytest.mark.exhaustive
def test_so_are_three_of_the_largest(tmp_path: Path) -> None:
    path = written(tmp_path, "resnet1202-cifar", "resnet1202-cifar-stochastic", "densenet264")
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ("M 10.0 20.004 \nL 10.0 30.5 \nL 12.0 31.0 \nL 2.5 31.0 \nz\n", "m10 20v10.5l2 .5h-9.5z"),
        ("M 0 0 \nL 0.333 0 \nL 0.666 0 \nL 0.999 0 \nL 0.999 5", "m0 0h1v5"),
        ("M 1 1 \nL 3 1 \nL 2 1", "m1 1h2h-1"),
        ("M 5 5 \nQ 6 5 6 6 \nC 6 7 5.5 8 5 8 \nz \nM 7 7 \nL 7 8", "m5 5q1 0 1 1c0 1-.5 2-1 2zm2 2v1"),
        ("M 1e-07 -0.001 \nL -1.5e-01 0", "m0 0h-.15"),
    ],
)
def test_a_path_goes_on_from_where_it_is(steps: str, wanted: str) -> None:
    assert svg.path(steps) == wanted


def test_a_picture_in_a_page_says_all_that_it_said() -> None:
    """Its texts, in their order; what it refers to; the blocks' names and no other; and it is a third as long."""
    drawn = graph_svg(load("nasnet-a-mobile").summary(), "n0-")
    made = svg.small(drawn, re.compile(r"n0-b\d+(-t\d+)?").fullmatch)  # type: ignore[arg-type]
    said = re.compile(r"<text[^>]*>([^<]*)")
    assert said.findall(made) == said.findall(drawn)
    used = {name for pair in re.findall(r"url\(#([^)]*)\)|href=\"?#(\w+)", made) for name in pair if name}
    names = re.findall(r'id="?([^" >]+)', made)
    assert used <= set(names)
    assert len(names) == len(set(names))
    own = re.findall(r'id="(n0-b\d+(?:-t\d+)?)"', drawn)
    assert sorted(name for name in names if name not in used) == sorted(own)
    assert len(made) < len(drawn) / 2


def test_lines_that_stand_there_often_are_written_once(pages: dict[str, Path]) -> None:
    """What the page holds of the parts of rows is what a summary lists, in its order."""
    text = pages["three"].read_text(encoding="utf-8")
    tables = re.findall(r"data-parts='(.*?)'>\n<thead>(.*?)</thead>", text)
    for (parts, heads), name in zip(tables, ("resnet50", "googlenet", "vgg16"), strict=True):
        found, at = json.loads(unescape(parts)), re.findall('data-k="(.*?)"', heads).index("macs") + 1
        deeper = [line for line in lines(load(name).summary(), FULL) if line.depth]
        shown = [found["rows"][number] for own in found["of"] for number in own]
        assert [row[0] for row in shown] == [line.depth for line in deeper]
        macs = [row[at][1] if isinstance(row[at], list) else int(row[at].replace(",", "")) for row in shown]
        assert macs == [line.counts.macs for line in deeper]
        assert len(found["rows"]) < len(shown)


def test_a_page_may_fetch_nothing_and_run_its_own_script_alone(pages: dict[str, Path]) -> None:
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        assert re.search(
            r"""content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\S{44}'">""", text
        )
        assert text.count("<script>") == 1


@NEEDS
@pytest.mark.parametrize("wide", WIDTHS)
@pytest.mark.parametrize("name", ["three", "zoo", "hostile"])
def test_nothing_is_wider_than_the_page(chromium: Tab, pages: dict[str, Path], name: str, wide: int) -> None:
    chromium.open(pages[name], wide, dark=wide == 1000)
    assert chromium.run("document.documentElement.scrollWidth <= innerWidth")
    if wide == 400:
        wider = "all('.wide').filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth + 20)"
        assert chromium.run(f"{wider}.every(box => box.classList.contains('more'))"), "a sign says that it scrolls"
        stuck = f"{wider}.every(box => {{"
        stuck += "box.scrollLeft = 20; const cell = box.querySelector('td').getBoundingClientRect();"
        stuck += "return Math.abs(cell.left - box.getBoundingClientRect().left) < 1 })"
        assert chromium.run(stuck), "the first column is fixed"
        assert chromium.run(BROKEN) == [], "no word is on two lines"
    if wide == 1600 and name == "three":
        assert chromium.run("new Set(all('.beside > div').map(column => column.offsetLeft)).size") == 2
    fine(chromium, pages[name])


@NEEDS
def test_strangers_texts_are_texts(chromium: Tab, pages: dict[str, Path]) -> None:
    chromium.open(pages["hostile"])
    assert "taken" not in chromium.run("document.title")
    assert "<script>" in chromium.run("document.body.textContent")
    assert chromium.run("all('main img, section img, [onload], [onerror]').length") == 0
    fine(chromium, pages["hostile"])


def cells(chromium: Tab, table: str, at: int) -> list[Any]:
    """What a column of a table shows, of lines that are seen."""
    rows = f"all({json.dumps(table + ' tbody tr')}).filter(row => !row.hidden)"
    return chromium.run(f"{rows}.map(row => row.cells[{at}].textContent.replace(/^[▸▾]/, ''))")  # type: ignore[no-any-return]


@NEEDS
def test_a_click_sorts_by_value(chromium: Tab, pages: dict[str, Path]) -> None:
    chromium.open(pages["zoo"])
    listed = {model.listed.name: model.listed.params for model in shown().models}
    params = "#models th[data-k=params]"
    for turn in (-1, 1):
        chromium.click(params)
        names = cells(chromium, "#models", 0)
        assert [listed[name] for name in names] == sorted((listed[name] for name in names), key=lambda n: turn * n)
    assert chromium.run(f"document.querySelector('{params}').ariaSort") == "ascending"


@NEEDS
@pytest.mark.parametrize(
    ("asked", "where", "word"),
    [
        ("params < 30M and macs>3.9G", "params < 30M and macs > 3.9G", ""),
        ("activation_bytes >= 100MiB wide", "activation_bytes >= 100MiB", "wide"),
        ("weight <= 18 year > 2014", "weight_layers <= 18 and year > 2014", ""),
        ("=resnet18", "macs > 0", "=resnet18"),
        ("no such thing", "macs > 1T", ""),
    ],
)
def test_a_search_keeps_what_where_keeps(
    chromium: Tab, pages: dict[str, Path], asked: str, where: str, word: str
) -> None:
    chromium.open(pages["zoo"])
    every = set(cells(chromium, "#models", 0))
    chromium.type(".find input", asked)
    units = {name: "bytes" if name.endswith("_bytes") else "" for name in (*TOTALS, "year")}
    kept = read_choice(where, "", None, units).of([model.listed for model in shown().models], ListedModel.figure)
    about = {model.name: f"{model.name} {model.family} {model.title}".lower() for model in kept}
    left = {name for name, text in about.items() if word in text or word == f"={name}"}
    assert set(cells(chromium, "#models", 0)) == left
    assert chromium.run("document.querySelector('.find output').value") == f"{len(left)} of {len(every)}"


@NEEDS
def test_a_search_for_no_column_says_so(chromium: Tab, pages: dict[str, Path]) -> None:
    chromium.open(pages["zoo"])
    chromium.type(".find input", "wings > 3")
    assert chromium.run("document.querySelector('.find output').value") == "no column is called wings"
    assert chromium.run("document.querySelector('.find input').ariaInvalid") == "true"
    chromium.run("location.hash = '%'")
    chromium.settle()
    fine(chromium, pages["zoo"])


@NEEDS
def test_bubbles_stand_where_their_figures_say(chromium: Tab, pages: dict[str, Path]) -> None:
    chromium.open(pages["zoo"])
    for at, key in enumerate(("params", "weight_layers")):
        select = f"all('.plot select')[{at}]"
        chromium.run(f"{select}.value = '{key}', {select}.dispatchEvent(new Event('change'))")
    where = "+it.getAttribute('cx'), +it.getAttribute('cy')"
    spots = chromium.run(f"all('.plot circle').map(it => [it.textContent, {where}])")
    place = {text.split(" · ")[0]: (x, y) for text, x, y in spots}
    figures = {model.listed.name: model.listed.totals for model in shown().models}
    assert place.keys() == figures.keys()
    for axis, key, sign in ((0, "params", 1), (1, "weight_layers", -1)):
        ranked = sorted(place, key=lambda name: sign * getattr(figures[name], key))
        along = [place[name][axis] for name in ranked]
        assert along == sorted(along)


@NEEDS
def test_a_click_on_a_bubble_shows_its_line_and_on_a_name_its_figures(chromium: Tab, pages: dict[str, Path]) -> None:
    chromium.open(pages["zoo"])
    name = chromium.run("all('.plot circle').at(-1).textContent").split(" · ")[0]
    chromium.run("all('.plot circle').at(-1).dispatchEvent(new MouseEvent('click'))")
    assert chromium.run("document.querySelector('tr.hit').cells[0].textContent") == name
    chromium.click("#m-googlenet a")
    quoted = [judgement for models, judgement in shown().quoted if "googlenet" in models]
    printed = [finding for finding in shown().findings if "googlenet" in (finding.model, finding.entry.system)]
    assert len(cells(chromium, "#figures", 0)) == len(quoted) + len(printed) > 0
    found = cells(chromium, "#figures", 3)
    assert sorted(found[: len(quoted)]) == sorted(judgement.claim.printed.value for judgement in quoted)


@NEEDS
def test_layers_open_and_are_found(chromium: Tab, pages: dict[str, Path]) -> None:
    chromium.open(pages["three"])
    table = "#s-resnet50 [data-explored]"
    first = len(cells(chromium, table, 1))
    chromium.click(f"{table} td button")
    assert len(cells(chromium, table, 1)) == first + 3
    chromium.click(f"{table} td button")
    assert len(cells(chromium, table, 1)) == first
    chromium.click(f"{table} td button")
    chromium.click(f"{table} th[data-k=params]")
    sizes = [int(text.replace(",", "")) for text in cells(chromium, table, 3)[:-1]]
    assert sizes[-6:] == [215_808, 9_536, 9_408, 128, 0, 0], "parts stay below their row, and are sorted there"
    chromium.type("#s-resnet50 .find input", "shortcut")
    assert sum("shortcut" in name for name in cells(chromium, table, 1)) == 4
    assert chromium.run("all('#s-resnet50 details').every(fold => !fold.open)")
    chromium.click("#s-resnet50 summary")
    assert chromium.run("document.querySelector('#s-resnet50 details').open")
    chromium.click("nav li:last-child a")
    assert chromium.run("location.hash") == "#s-vgg16"
    fine(chromium, pages["three"])


@NEEDS
def test_a_click_on_a_block_shows_its_rows(chromium: Tab, pages: dict[str, Path]) -> None:
    """Those whose nodes it is, by the picture's own blocks; deeper ones are opened."""
    chromium.open(pages["three"])
    for number, name in enumerate(("resnet50", "googlenet", "vgg16")):
        found = blocks(load(name).summary()).blocks
        rows = load(name).graph.rows
        for at, block in enumerate(found):
            inside = [row for row in rows if block.start <= row.start < row.stop <= block.stop]
            if block.kind == "input" or not inside:
                continue
            chromium.run(f"document.getElementById('n{number}-b{at}').dispatchEvent(new MouseEvent('click'))")
            hit = chromium.run("all('tr.hit').map(row => [row.hidden, row.textContent])")
            assert not any(hidden for hidden, _ in hit)
            assert [row.text in text for row, (_, text) in zip(inside, hit, strict=True)] == [True] * len(inside)
    chromium.open(pages["three"], 1600)
    chromium.click("#n2-b1")
    assert chromium.run("all('tr.hit').length") == 2, "the first two convolutions of VGG-16"
    fine(chromium, pages["three"])


@NEEDS
def test_a_graph_is_seen_closer(chromium: Tab, pages: dict[str, Path]) -> None:
    chromium.open(pages["three"])
    wide = "document.querySelector('.large svg').getBoundingClientRect().width"
    before = chromium.run(wide)
    chromium.click(".large .tools button")
    assert chromium.run(wide) == pytest.approx(1.4 * before, rel=0.01)
    chromium.click(".large .tools button:last-child")
    assert chromium.run(wide) == pytest.approx(before, rel=0.01)
