"""Texts that somebody might obey, in every place that takes a text: of specs, locks, runs, TOML and names of files.

Every command must leave with 0 to 3 in every form, and no form may hold a control character, a command of a CI log, or
what its own reader would take for more than text.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import NamedTuple
from unittest import mock
from xml.etree import ElementTree

import yaml
from markdown_it import MarkdownIt

from archcalc import cli

RUNS = Path(__file__).resolve().parent.parent / "data" / "runs"
OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
PIECES = (
    "\x1b[2J", "\x1b]0;owned\x07", "\x00", "\r", "\n", "\t", "\x85", "\u202e", "\u2066", "\u200f", "\ufffe",
    "\x9b31m",
    "::error::x", "\n::stop-commands::zz\n", " ##[stop-commands]zz", "##vso[task.setvariable]x", "##teamcity[x]",
    "[c[]](javascript:x)", "![x](http://x.y)", "<b onclick=x>", "</script><script>x()</script>", "http://x.y",
    "www.a.b", "[3×3, 64]", "[a]", "*", "\\input{x}", "$x^$", r"$\frac1$", "a$b$c", "%", "&amp;", "{}", "\\", "^",
    "~", "`", "```", "%%{init: {}}%%", '"', "'", "- x", "# x", "a: b", "{a", "@x", "=1+1", "@SUM(1+1)", "-->",
    "]]>", "a | b", "x", "é", "\udcff",
)  # fmt: skip


class Done(NamedTuple):
    code: object
    out: str
    err: str


def run(*arguments: str) -> Done:
    """A command in this process, as a job of GitHub runs it."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2)]
    code: object = 0
    with (
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
        mock.patch.dict(os.environ, {"GITHUB_ACTIONS": "true"}),
    ):
        try:
            cli.main(list(arguments))
        except SystemExit as left:
            code = left.code or 0
    said = []
    for stream in streams:
        stream.flush()
        said.append(stream.buffer.getvalue().decode())
    return Done(code, *said)


# --- what each form must be ----------------------------------------------------------------------------------------


def text(found: str) -> None:
    bad = OBEYED.search(found)
    assert bad is None, f"{bad!r} in {found[max(0, bad.start() - 80) : bad.end()]!r}"


def log(found: str) -> None:
    """No line that GitHub's runner, Azure's or TeamCity's would obey."""
    text(found)
    for line in re.split("[\r\n\x85\u2028\u2029]", found):
        assert not line.strip().startswith("::"), line
        assert not re.search(r"##\w*\[", line), line


def read_json(found: str) -> None:
    json.loads(found)


def read_csv(found: str) -> None:
    rows = list(csv.reader(io.StringIO(found), strict=True))
    assert len({len(row) for row in rows}) == 1
    assert found.count("\n") == len(rows)


def markdown(found: str) -> None:
    for token in MarkdownIt("commonmark").enable("table").parse(found):
        for part in (token, *(token.children or ())):
            assert part.type not in ("link_open", "image", "html_block", "html_inline"), found
    outside = re.sub(r"(?ms)^```.*?^```", "", found)
    assert not re.search(r"(?<!\\)https?:(?=//)|(?<![\w\\])www\.(?=\w)", outside), found


def latex(found: str) -> None:
    lines = re.sub(r"(?s)\\begin\{verbatim\}.*?\\end\{verbatim\}", "", found).split("\n")
    for above, line in itertools.pairwise(lines):
        if above.rstrip().endswith((r"\\", "rule")):
            assert not line.lstrip().startswith(("[", "*")), line
    plain = re.sub(r"\\[{}\\]", "", "\n".join(lines))
    assert plain.count("{") == plain.count("}")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        assert tag not in ("img", "iframe", "a", "base", "b", "form"), tag
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("href", "src")], attrs


def html(found: str) -> None:
    page = _Page()
    page.feed(re.sub("(?s)<svg.*?</svg>", "", found))
    assert page.scripts == 1


def github(found: str) -> None:
    place = r"file=[^,:]*,line=\d+,col=\d+,title=[^,:]*"
    for line in found.split("\n")[:-1]:
        assert re.fullmatch(rf"::(error|warning) {place}::.*", line), line


def junit(found: str) -> None:
    assert ElementTree.fromstring(found).tag == "testsuites"


def mermaid(found: str) -> None:
    _, front, chart = found.split("---\n", 2)
    (title,) = yaml.safe_load(front).values()
    assert isinstance(title, str)
    for line in chart.split("\n")[1:-1]:
        kind = r"  classDef [a-z-]+ fill:#\w{8},stroke:#\w{6}|  class n\d+(,n\d+)* [a-z-]+"
        box = r'  n\d+(\(\[|\{\{|\[)"[^"]*"(\]\)|\}\}|\])'
        assert re.fullmatch(rf"{box}|  n\d+ (-->|-\.->) n\d+|{kind}", line), line
    assert "%%{" not in found


FORMS: dict[str, Callable[[str], None]] = {
    "text": log,
    "json": read_json,
    "csv": read_csv,
    "markdown": markdown,
    "latex": latex,
    "html": html,
    "github": github,
    "junit": junit,
    "sarif": read_json,
    "gitlab": read_json,
}
SIX = tuple(FORMS)[:6]


def holds(form: str, *arguments: str) -> Done:
    """What a command gives in a form, looked at."""
    done = run(*arguments, *(("--format", form) if form else ()))
    said = f"{arguments} {form}: {done.code}\n{done.out[-2000:]}\n{done.err[-2000:]}"
    assert done.code in (0, 1, 2, 3), said
    try:
        log(done.err)
        if form != "github" and arguments[-2:] != ("--format", "github"):
            log(done.out)
        text(done.out)
        if done.out and form:
            FORMS[form](done.out)
    except Exception as error:
        raise AssertionError(f"{error}\nin {said}") from error
    return done


# --- what is written -----------------------------------------------------------------------------------------------


def hostile(random: Random, without: str = "") -> str:
    """A text of some pieces, and none of the characters in `without`."""
    found = "".join(random.choices(PIECES, k=random.randint(1, 3)))
    return "".join(sign for sign in found if sign not in without) or "x"


def quoted(random: Random, without: str = "") -> str:
    """A value in double quotes, in which YAML takes every character."""
    return json.dumps(hostile(random, without) if random.random() < 0.6 else "fine").replace("\x7f", "\\x7f")


def file_name(random: Random) -> str:
    return hostile(random, "/\0:")[:60].lstrip("-~") or "x"


RAW = "".join(map(chr, (*range(32), *range(127, 160)))) + "\u2028\u202e\u2066\u200f\ufffe\udcff|{}"


def spec(random: Random, path: Path) -> list[str]:
    """Write a spec that can be built, unless a rule refuses what stands in it; gives the names of its rows."""
    names = list(dict.fromkeys(" ".join(hostile(random, RAW).split()) or f"row {n}" for n in range(3)))
    bodies = ("conv(4, 3) relu", "conv(4, 3)", "gap linear(5)")
    rows = "".join(f"    {' '.join(hostile(random, RAW).split())} | {name} | 1\n" for name in names)
    parts = [
        f"title: {quoted(random)}\ncite: {quoted(random)}\ninput: 3 × 8 × 8",
        f"variants: [{random.choice(('tiny', quoted(random)))}]",
        "columns: {stage: label, layer: layer, params: =params}",
        f"layers:\n  from: {quoted(random)}\n  table: |\n    stage | layer | params\n{rows}notation:",
        *(f"  {json.dumps(name)}: {body}" for name, body in zip(names, bodies, strict=False)),
    ]
    if random.random() < 0.5:
        parts.append(f"heads: {{{quoted(random)}: {{at: {json.dumps(names[0])}, layers: gap linear(3)}}}}")
    if random.random() < 0.2:
        parts.append(f"given: {{{quoted(random)}: 3}}")
    path.write_text("\n".join([*parts, ""]), encoding="utf-8")
    return names


# --- what is asked -------------------------------------------------------------------------------------------------


def changed(random: Random, tree: object) -> object:
    """A document in which some texts are hostile."""
    if isinstance(tree, dict):
        return {key: changed(random, value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [changed(random, value) for value in tree[:3]] + tree[3:]
    return hostile(random) if isinstance(tree, str) and random.random() < 0.1 else tree


def round(random: Random, folder: Path) -> None:
    """A spec with a lock, a run and a pyproject.toml, asked about in a few ways."""
    path = folder / f"{file_name(random)}.yaml"
    names = spec(random, path)
    model = f"./{path.name}"
    budget = f"params <= 1 × {hostile(random)}, required" if random.random() < 0.3 else "params <= 3"
    if random.random() < 0.3:
        (folder / "pyproject.toml").write_text(f"[tool.archcalc]\nbudgets = [{json.dumps(budget)}]\n", encoding="utf-8")
    row = random.choice(names)
    asked: list[tuple[str, ...]] = [
        ("summary", model, "--static", *random.choice(((), ("--full",), ("--depth", "1"), ("--only", row)))),
        ("explain", model, *random.choice(((), (row,), (hostile(random),)))),
        ("compare", model, "lenet5", *random.choice(((), ("--diff",), ("--by", "row"), ("--by", "stage")))),
        ("scale", model, "--batch", "1,2"),
        ("fit", model, "--memory", "1GiB"),
        ("paper", model),
        ("check", model),
        ("summary", hostile(random), "--static"),
    ]
    for arguments in random.sample(asked, 4):
        for form in random.sample(SIX, 3):
            holds(form, *arguments)
    holds("", "show", model)
    locked(random, folder, path)
    saved(random, folder)
    holds("", "plot", "graph", model, "-o", "x.mmd")
    if (folder / "x.mmd").exists():
        mermaid((folder / "x.mmd").read_text(encoding="utf-8"))
    if random.random() < 0.1:
        kind = random.choice(("layers", "memory", "roofline", "graph", "shapes"))
        assert holds("", "plot", kind, model, "-o", "x.svg").code in (0, 2)
        holds("", "report", model, "-o", "x.html")
        if (folder / "x.html").exists():
            html((folder / "x.html").read_text(encoding="utf-8"))


def locked(random: Random, folder: Path, path: Path) -> None:
    """Lock the spec, change it or the lock, and check in every form."""
    lock = folder / f"{file_name(random)}.lock"
    if holds("", "lock", f"./{path.name}", "-o", f"./{lock.name}").code:
        assert not lock.exists()
        return
    text(lock.read_text(encoding="utf-8"))
    assert holds("text", "check", f"./{lock.name}").code in (
        (0, 1, 2) if (folder / "pyproject.toml").exists() else (0,)
    )
    if random.random() < 0.5:
        path.write_text(path.read_text(encoding="utf-8").replace("conv(4, 3)", "conv(5, 3)"), encoding="utf-8")
    else:
        lines = lock.read_text(encoding="utf-8").split("\n")
        at = random.randrange(len(lines))
        lines[at] = (
            lines[at][: random.randrange(1 + len(lines[at]))] + hostile(random, "\n") + random.choice(("", " 7"))
        )
        lock.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    for form in random.sample(tuple(FORMS), 4):
        holds(form, "check", f"./{lock.name}")
    holds("", "check", "--format", "text", "--format", "github")


def saved(random: Random, folder: Path) -> None:
    """A saved run of which some texts are others."""
    run = json.loads((RUNS / "lenet5.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps(changed(random, run)), encoding="utf-8")
    for form in random.sample(SIX, 2):
        holds(form, "compare", "run.json", "alexnet")
