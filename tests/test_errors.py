"""Bad specs, each with the whole of what is said about it: `data/invalid/*.yaml` and the message beside it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archcalc.errors import ArchcalcError, Source, SpecError, Text, UsageError, did_you_mean, excerpt
from archcalc.tasks.check import check_spec
from tests.pace import unit

DATA = Path(__file__).parent / "data" / "invalid"
INVALID = sorted(DATA.glob("*.yaml"))


def complaint(path: Path) -> str:
    """What is said first about the spec at `path`, which is called by its file name."""
    try:
        checked = check_spec(path, path.name)
    except ArchcalcError as error:
        return error.render()
    assert checked.stale, f"nothing is said about {path.name}"
    return checked.stale[0].render()


def test_there_are_many_cases_and_each_has_its_message() -> None:
    assert len(INVALID) >= 100
    assert sorted(path.with_suffix(".txt") for path in INVALID) == sorted(DATA.glob("*.txt"))


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_bad_spec_gets_one_message(path: Path) -> None:
    start = time.process_time()
    message = complaint(path)
    assert time.process_time() - start < 8 * unit()
    assert message + "\n" == path.with_suffix(".txt").read_text(encoding="utf-8")


PLACE = re.compile(
    r"^  ——▶ (?P<file>\S+):(?P<line>\d+):(?P<col>\d+)\n *│\n(?P<number>\d+) │ (?P<text>.*)\n *│ (?P<caret> *\^+)$", re.M
)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_message_shows_its_place_and_speaks_no_python(path: Path) -> None:
    message = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert message.count("error: ") == 1
    assert not re.search(
        r"None\b|Traceback|Error\b|Exception|<class|\bobject at|\b(str|int|dict|tuple|Fraction)\b", message
    )
    place = PLACE.search(message)
    if place is None:  # about the whole file
        assert message.count("\n") == 1
        assert f"`{path.name}`" in message
        return
    assert place["file"] == path.name
    assert place["line"] == place["number"]
    line = re.split("\r\n|\r|\n", path.read_bytes().decode("utf-8"))[int(place["line"]) - 1]
    if len(line) <= 100:  # not cut
        assert len(place["caret"]) - place["caret"].count("^") == int(place["col"]) - 1
        assert len(place["caret"]) <= max(len(line), int(place["col"]))


SPEC = "input: 3 × 8 × 8\nlayers:\n  - relu\n"
TABLE = "input: 3 × 8 × 8\ncolumns: {L: layer}\nlayers:\n  table: |\n    L\n"
LARGE = {
    "a file of more than 1 MiB": (SPEC + "#" * (1 << 20), "`{name}` is larger than 1 MiB: not read"),
    "comments and nothing else": ("#\n" * 500_000, "`{name}` is empty"),
    "100,000 items": (SPEC + "  - relu\n" * 110_000, "a spec of more than 100,000 YAML nodes is refused"),
    "30,000 brackets": ("layers: " + "[" * 30_000, "this spec is nested deeper than 40"),
    "30,000 brackets, closed": ("layers: " + "[" * 30_000 + "]" * 30_000, "this spec is nested deeper than 40"),
    "100,000 brackets in a list": (SPEC + "k: [" + "a(, " * 99_000 + "]", "`k` is not a key of a spec"),
    "100,000 brackets in a mapping": (SPEC + "k: {" + "a(, " * 49_000 + "}", "the key `a(` is given twice"),
    "30,000 dashes": ("layers:\n" + "- " * 30_000, "this spec is nested deeper than 40"),
    "30,000 braces": ("layers: " + "{a: " * 30_000, "this spec is nested deeper than 40"),
    "a key of 1,000,000 characters": (SPEC + f"{'a' * 1_000_000}: 3\n", "a key of more than 1,024 characters"),
    "a word of 1,000,000 characters": (
        SPEC + f"  - {'a' * 1_000_000}\n",
        f"`{'a' * 80}…` is neither an op nor a block",
    ),
    "a number of 1,000,000 digits": (SPEC + f"  - conv({'1' * 1_000_000}, 3)\n", "a number of more than 19 digits"),
    "300,000 brackets in a line": (SPEC + f"  - conv{'(' * 300_000}\n", "this bracket is never closed"),
    "300,000 arguments": (SPEC + f"  - conv({'1, ' * 300_000}1)\n", "more than 50 arguments are refused"),
    "a size of 300,000 axes": (SPEC + f"  - conv({'1×' * 300_000}1, 3)\n", "a size of more than 4 axes is refused"),
    "60 parameters": (
        SPEC + f"blocks:\n  b({', '.join(f'a{n}' for n in range(60))}): relu\n",
        "more than 50 parameters are refused",
    ),
    "900,000 pipes": (TABLE + "    a" + "|" * 900_000, "a table of more than 100 columns is refused"),
    "10,001 rows": (TABLE + "    a\n" * 10_001, "a table of more than 10,000 cells is refused"),
    "200 lines of notation and 10,000 rows": (
        TABLE
        + "".join(f"    a{n}\n" for n in range(9_999))
        + "    z\nnotation:\n"
        + "".join(f"  b{n}: relu\n" for n in range(199))
        + "  a{n}: relu\n",
        "no notation reads `z`",
    ),
    "201 lines of notation": (
        TABLE + "    a\nnotation:\n" + "".join(f"  a{n}: relu\n" for n in range(201)),
        "more than 200 entries of `notation:`",
    ),
    "a cell of 200,000 characters and 100 holes": (
        TABLE + f'    {"ab" * 100_000}c\nnotation:\n  "{"".join(f"{{a{n}}}b" for n in range(100))}d": relu\n',
        "no notation reads `abab",
    ),
    "201 variants": (SPEC + f"variants: [{', '.join(map(str, range(201)))}]\n", "more than 200 variants are refused"),
    "1,001 models": (
        SPEC + "variants: [a]\nmodels:\n" + "".join(f"  m{n}: a\n" for n in range(1_001)),
        "more than 1,000 entries of `models:`",
    ),
    "5,000 values that wait for one another": (
        SPEC + "let:\n" + "".join(f"  a{n}: a{n + 1}\n" for n in range(5_000)),
        "more than 200 entries of `let:`",
    ),
    "201 tables of claims": (
        SPEC + "reported:\n" + "  - {from: a, table: b}\n" * 201,
        "more than 200 entries of `reported:` are refused",
    ),
    "10,001 claims": (
        SPEC
        + "variants: [a]\nreported:\n"
        + ("  - from: Table 1\n    table: |\n      figure | a\n" + "      params | 0\n" * 4_999) * 3,
        "more than 10,000 claims are refused",
    ),
    "200,001 nodes": (SPEC + "  - bn x200000\n", "a network of more than 200,000 nodes is refused"),
    "200,000 calls of nothing": (SPEC + "  - identity x200000\n" * 2, "this repeats `identity` alone"),
    "blocks of nothing": (
        SPEC + "  - nothing x200000\nblocks: {nothing: relu if cin > 3}\n",
        "this spec opens more than 250,000 blocks",
    ),
    "1,000 branches, 400 times": (
        SPEC + f"  - wide x400\nblocks:\n  wide: {{add: [{'identity, ' * 999}relu]}}\n",
        "this spec opens more than 250,000 blocks",
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_spec_is_refused_at_once(name: str, tmp_path: Path) -> None:
    text, says = LARGE[name]
    path = tmp_path / "large.yaml"
    path.write_text(text, encoding="utf-8")
    start = time.process_time()
    message = complaint(path)
    assert time.process_time() - start < 8 * unit()
    assert message.startswith("error: " + says.format(name=path.name))
    assert len(message) < 1_500


PROGRAM = """
import resource, sys
from pathlib import Path
from archcalc.tasks.check import check_spec
from archcalc.errors import ArchcalcError
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
for path in sys.argv[1:]:
    try:
        check_spec(Path(path))
    except ArchcalcError as error:
        error.render()
try:  # what the system accounts to a new process may be its parent's: read this process's own peak where it is told
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_no_bad_spec_needs_200_mib(tmp_path: Path) -> None:
    paths = [path for path in INVALID if "explode" in path.stem]
    for n, (text, _) in enumerate(LARGE.values()):
        paths.append(tmp_path / f"{n}.yaml")
        paths[-1].write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, *map(str, paths)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 200 * 1024


def test_what_is_no_file_is_said_without_a_place(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    assert complaint(tmp_path / "folder.yaml") == "error: `folder.yaml` is a directory, not a spec file"
    assert complaint(tmp_path / "gone.yaml") == "error: there is no file `gone.yaml`"


def test_an_error_exits_with_2() -> None:
    assert SpecError("no").exit_code == UsageError("no").exit_code == 2


def test_the_nearest_word_or_else_a_short_list() -> None:
    assert did_you_mean("cnov", ["conv", "relu"]) == "Did you mean `conv`?"
    assert did_you_mean("CONV", ["conv"]) == "Did you mean `conv`?"
    assert did_you_mean("zzz", ["conv", "relu"]) == "Known here: conv, relu"
    assert did_you_mean("zzz", [f"word{n}" for n in range(13)]) == ""
    assert did_you_mean("conv", ["conv"]) == "Known here: conv"  # the word itself is no help


@pytest.mark.parametrize(
    ("col", "length", "shown"),
    [
        (1, 3, ("abcdefghij" * 10 + "…", "^^^")),
        (300, 1, ("…" + "abcdefghij" * 10, " " * 100 + "^")),
        (150, 5, ("…" + ("abcdefghij" * 11)[6:106] + "…", " " * 34 + "^^^^^")),
    ],
)
def test_a_long_line_is_cut_round_its_caret(col: int, length: int, shown: tuple[str, str]) -> None:
    source = Source("a.yaml", ("abcdefghij" * 30,))
    text = Text(("abcdefghij" * 30)[col - 1 : col - 1 + length], source, 1, col)
    _, _, line, caret = excerpt(text).split("\n")
    assert (line.removeprefix("1 │ "), caret.removeprefix("  │ ")) == shown


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    error = Text("\x1b[31m\u202e", Source("a\x07.yaml", ("\x1b[31m\u202ered\tblue",)), 1, 1).error(
        "no `\x1b[0m`", "\x9b"
    )
    assert not set(error.render()) & set("\x1b\x07\x9b\u202e\t")
