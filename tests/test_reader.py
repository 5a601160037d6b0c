"""YAML to a tree with a place for every word, and nothing but spec errors whatever is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archcalc.errors import ArchcalcError, SpecError, Text
from archcalc.language.checks import read_family
from archcalc.language.lines import lines_of
from archcalc.language.reader import List, Map, Tree, read_text
from archcalc.language.table import split
from archcalc.language.zoo import spec_files
from archcalc.tasks.check import build_spec, judge_spec

DATA = Path(__file__).parent / "data"
SHIPPED = spec_files()
SPECS = [*SHIPPED, *sorted((DATA / "valid").glob("*.yaml"))]


def texts(tree: Tree) -> Iterator[Text]:
    """Every key and scalar of a tree, and every row and cell of its tables."""
    if isinstance(tree, List):
        for item in tree.items:
            yield from texts(item)
    elif isinstance(tree, Map):
        for key, value in tree.items():
            yield key
            yield from texts(value)
    else:
        yield tree
        if tree.block:
            for row in tree.rows():
                yield row
                yield from split(row, "|")


def stands(text: Text, lines: list[str]) -> bool:
    return lines[text.line - 1][text.col - 1 :].startswith(text.value)


SHAPES: dict[str, Callable[[str], str]] = {
    "as it is": lambda source: source,
    "with a byte order mark": lambda source: "\ufeff" + source,
    "with CR LF": lambda source: source.replace("\n", "\r\n"),
    "with CR": lambda source: source.replace("\n", "\r"),
    "indented further": lambda source: re.sub("(?m)^(?=.)", "   ", source),
    "below a comment": lambda source: "# one\n\n  # two\n" + source,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_word_and_cell_stands_where_it_says(path: Path, shape: str) -> None:
    source = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    shaped = SHAPES[shape](source)
    lines = re.split("\r\n|\n|\r", shaped.removeprefix("\ufeff"))
    found = list(texts(read_text(shaped.encode(), path.name)))
    assert [text.value for text in found] == [text.value for text in texts(read_text(source, path.name))]
    for text in found:
        if text.exact:
            assert stands(text, lines), (text, text.where)
        elif text.value:  # a block, folded, or with an escape: the place of its beginning
            assert lines[text.line - 1][text.col - 1] in f"|>\\'{text.value[0]}", (text, text.where)
    inexact = [text for text in found if text.value and not text.exact and not text.block]
    assert len(inexact) <= source.count(">-") + source.count("''") + source.count("\\")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_call_and_argument_stands_where_it_says(path: Path) -> None:
    family = read_family(read_text(path.read_bytes(), path.name), path.stem)
    lines = path.read_text(encoding="utf-8").split("\n")
    calls = [call for body in family.bodies for line in lines_of(body) for call in line.calls]
    assert calls or (family.layers is None and not family.blocks)  # all lines are another family's
    for call in calls:
        assert stands(call.word, lines), call.word.where
        for argument in (*call.args, *(value for _, value in call.named)):
            assert stands(argument.text, lines), argument.text.where
    for pattern, _ in family.notation:
        for hole, place in zip(pattern.holes, pattern.places, strict=True):
            assert place.value == hole
            assert stands(place, lines), place.where


@pytest.mark.parametrize(
    ("source", "value", "place", "exact"),
    [
        ("k: word", "word", (1, 4), True),
        ("k:   two words  # not this", "two words", (1, 6), True),
        ("k: 'quoted'", "quoted", (1, 5), True),
        ('k: "quoted"', "quoted", (1, 5), True),
        ("k: 'it''s'", "it's", (1, 5), False),
        ('k: "\\u00d7"', "×", (1, 5), False),
        ("k: >-\n  one\n  two", "one two", (1, 4), False),
        ("k: one\n  two", "one two", (1, 4), False),
        ("k:\n  below", "below", (2, 3), True),
        ("k: no", "no", (1, 4), True),
        ("k: 12:30", "12:30", (1, 4), True),
        ("k: 1e3", "1e3", (1, 4), True),
        ("k: 0x1F", "0x1F", (1, 4), True),
        ("k: ~", "~", (1, 4), True),
        ("k: 2024-01-01", "2024-01-01", (1, 4), True),
        ("k: é×é", "é×é", (1, 4), True),
        ("---\nk: word\n...\n", "word", (2, 4), True),
        ("%YAML 1.1\n---\nk: word", "word", (3, 4), True),
    ],
)
def test_a_scalar_is_text_with_its_place(source: str, value: str, place: tuple[int, int], exact: bool) -> None:
    found = read_text(source, "k.yaml").get("k")
    assert isinstance(found, Text)
    assert (found.value, (found.line, found.col), found.exact) == (value, place, exact)


def test_an_empty_value_is_an_empty_text() -> None:
    assert read_text("a:\nb: ''\n", "k.yaml").get("a") == Text("", read_text("a: b", "x").where.source, 1, 3)


def test_a_part_of_a_text_has_its_own_place() -> None:
    text = read_text("key:  conv(64, 3) relu", "k.yaml").get("key")
    assert isinstance(text, Text)
    assert text.part(5, 7).where == "k.yaml:1:12"
    assert text.part(11).strip().where == "k.yaml:1:19"
    folded = read_text("key: >\n  conv(64, 3)\n  relu", "k.yaml").get("key")
    assert isinstance(folded, Text)
    assert folded.part(12).where == "k.yaml:1:6"  # not known better


# A word, or a call in which commas and further calls stand: what a branch, a name's value or a block may be.
PIECES = st.recursive(
    st.sampled_from(["a", "1×7", "k == 3", "b=False"]),
    lambda inner: st.builds(
        lambda word, inside, behind: f"{word}({', '.join(inside)}){behind}",
        st.sampled_from(["conv", "f", "g x"]),
        st.lists(inner, max_size=3),
        st.sampled_from(["", " relu", " x3", " h(1, 2)"]),
    ),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True)
@given(pieces=st.lists(PIECES, min_size=1, max_size=5), cut=st.sampled_from(["{}", "{}, {{c: 1}}", "{}, [d]"]))
def test_commas_in_brackets_cut_no_flow_list_and_no_mapping(pieces: list[str], cut: str) -> None:
    more = cut.count(",")
    row = f"k: [{cut.format(', '.join(pieces))}]"
    listed = read_text(row, "k.yaml").get("k")
    assert isinstance(listed, List)
    words = [item for item in listed.items if isinstance(item, Text)]
    assert [word.value for word in words] == pieces
    assert len(listed.items) == len(pieces) + more
    mapped = read_text(f"k: {{{', '.join(f'n{n}({piece}): {piece}' for n, piece in enumerate(pieces))}}}", "k.yaml")
    flow = mapped.get("k")
    assert isinstance(flow, Map)
    assert [(key.value, str(value)) for key, value in flow.items()] == [(f"n{n}({p})", p) for n, p in enumerate(pieces)]
    for text in (*texts(listed), *texts(flow)):
        assert text.exact
        assert stands(text, list(text.source.lines))
    unclosed = read_text(f"k: [{', '.join(pieces)}, conv(4, 3]", "k.yaml").get("k")
    assert isinstance(unclosed, List)
    assert [str(item) for item in unclosed.items] == [*pieces, "conv(4", "3"]


def test_pieces_of_a_call_on_several_lines_are_one_text() -> None:
    found = read_text("k: [a, conv(4,\n    3) relu, 'conv(4', 3)]", "k.yaml").get("k")
    assert isinstance(found, List)
    assert [str(item) for item in found.items] == ["a", "conv(4, 3) relu", "conv(4", "3)"]
    call = found.items[1]
    assert isinstance(call, Text)
    assert (call.line, call.col, call.exact) == (1, 8, False)


# --- whatever is written ----------------------------------------------------------------------------------------

FUZZ = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def only_spec_errors(data: bytes, folder: Path) -> None:
    """Read, build and judge `data` as a spec: it works, or an ArchcalcError says why not. Any other exception fails."""
    path = folder / "fuzz.yaml"
    path.write_bytes(data)
    try:
        built = build_spec(path, "fuzz.yaml")
        checked = judge_spec(built)
    except ArchcalcError as error:
        error.render()
        return
    for stale in checked.stale:
        stale.render()
    for report in built.reports.values():
        paths = [node.path for node in report.graph.nodes]
        assert len(set(paths)) == len(paths)


@settings(FUZZ, max_examples=200)
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@example(data=b"\xff\xfe")
@example(data=b"a: \xed\xa0\x80")  # half of a surrogate pair
@example(data="a: \ufffe".encode())
@example(data=b"? |\n a\n: b")
def test_bytes_are_a_spec_or_a_spec_error(data: bytes, tmp_path: Path) -> None:
    only_spec_errors(data, tmp_path)


@settings(FUZZ, max_examples=200)
@given(source=st.text(max_size=100))
@example(source="a: \ud800")
def test_text_is_a_tree_or_a_spec_error(source: str) -> None:
    try:
        tree = read_text(source, "t.yaml")
    except SpecError as error:
        error.render().encode()
    else:
        assert isinstance(tree, Map)


BAD = [path for path in sorted((DATA / "invalid").glob("*.yaml")) if "explode" not in path.stem]
SOURCES = [path.read_bytes().decode("utf-8-sig", "replace") for path in (*SPECS, *BAD)]
WORDS = sorted({word for source in SOURCES for word in re.findall(r"\S+", source) if len(word) < 30})
ODD = [
    "|",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ": ",
    ",",
    "#",
    "- ",
    "&",
    "*",
    "!",
    "%",
    "@",
    "`",
    "'",
    '"',
    "\\",
    "\t",
    "\n",
    "×",
    "x3",
]
ODD += [
    "\x00",
    "\u2028",
    "0",
    "-1",
    "0.5",
    "99999",
    "9" * 20,
    "1e3",
    "x(n)",
    " if 0",
    "first",
    "[a(1, 2), b(",
    "{a(b, c): d(e, f), g",
    "None",
    "1/0",
    "9**99",
    "{k}",
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A spec in which some characters, words and lines were lost, doubled, swapped or replaced."""
    source = draw(st.sampled_from(SOURCES))
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 5))
        if kind <= 1:  # lines
            lines = source.split("\n")
            at, to = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            line = lines.pop(at) if draw(st.booleans()) else lines[at]
            if kind:
                lines.insert(to, line)
            source = "\n".join(lines)
        elif kind == 2:  # a word
            words = list(re.finditer(r"\S+", source)) or list(re.finditer("", source))
            word = draw(st.sampled_from(words))
            source = source[: word.start()] + draw(st.sampled_from(WORDS)) + source[word.end() :]
        else:  # characters
            at = draw(st.integers(0, len(source)))
            gone = draw(st.integers(0, 20 if kind == 3 else 1))
            put = draw(st.sampled_from(["", *ODD])) if kind < 5 else source[at : at + 3]
            source = source[:at] + put + source[at + gone :]
    return source


@settings(FUZZ, max_examples=1000)
@given(source=mutated())
def test_a_broken_spec_is_a_spec_or_a_spec_error(source: str, tmp_path: Path) -> None:
    only_spec_errors(source.encode("utf-8", "surrogatepass"), tmp_path)
