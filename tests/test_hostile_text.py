"""Texts of others come out as texts: one exit for each form, and files that nobody can plant or lose.

`tests/fuzz/hostile.py` draws such texts at random; here are the smallest ones by name.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from archcalc import files
from archcalc.errors import UsageError, logged, printable
from archcalc.show.writers import latex, markdown
from archcalc.show.writers.json import text as as_json
from archcalc.testing import assert_within
from tests.fuzz import hostile
from tests.test_commands import Run, command

__all__ = ["command"]  # a fixture

SPEC = """\
name: net
title: {title}
input: 3 × 8 × 8
variants: [net]
columns: {{layer: layer}}
layers:
  table: |
    layer
    {row}
    end
notation:
  {key}: conv(4, 3) relu
  end: gap linear(5)
{more}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a spec into an empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)

    def written(row: str = "body", title: str = "A network", more: str = "", name: str = "net.yaml") -> str:
        text = SPEC.format(title=json.dumps(title), row=row, key=json.dumps(row), more=more)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return f"./{name}"

    return written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb\x07", "a·[2Jb·"),
        ("a\nb\r\nc\td", "a·b··c d"),
        ("\x00\x7f\x85\x9b\u2028\u2029", "······"),
        ("\u061c\u200e\u200f\u202a\u202e\u2066\u2069", "·······"),
        ("\ud800\udfff\ufdd0\ufffe\uffff", "·····"),
        ("é × ∕ 😀 \u200d", "é × ∕ 😀 \u200d"),
    ],
)
def test_what_is_obeyed_is_a_dot(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert UsageError(text, text).render() == f"error: {shown}\n{shown}"
    for sign in text.encode("utf-8", "replace").decode() if text == printable(text) else text:
        assert printable(sign) == sign or len(printable(sign)) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", ": :error::x"),
        ("a\n \u2003::stop-commands::zz", "a\n \u2003: :stop-commands::zz"),
        ("body ##[stop-commands]zz", "body # #[stop-commands]zz"),
        ("###[a]##vso[b]##teamcity[c]", "## #[a]# #vso[b]# #teamcity[c]"),
        ("a :: b", "a :: b"),
        ("## heading [1]", "## heading [1]"),
    ],
)
def test_no_line_is_a_command_of_a_log(text: str, shown: str) -> None:
    assert logged(text) == shown


def test_json_keeps_every_value() -> None:
    value = "a\x1b\x7f\u202e\ufffe\ud800\n##[x]##vso[y] é"
    found = as_json({"key": value, "list": [value]})
    hostile.log(found)
    assert json.loads(found) == {"key": value, "list": [value]}
    assert "é" in found


# --- locks and budgets ----------------------------------------------------------------------------------------------


def test_an_unknown_total_is_an_error(command: Run, write: Callable[..., str]) -> None:
    command("lock", write())
    lock = Path("archcalc.lock")
    text = lock.read_text(encoding="utf-8")
    for line, said in {
        "  \x1b[2J\x1b]0;owned\x07x 5": "`·[2J·]0;owned·x` is no total of a lock",
        "  ::stop-commands::zz 7": "`::stop-commands::zz` is no total of a lock",
        "  parms 5": "Did you mean `params`?",
    }.items():
        lock.write_text(text.replace("  params", f"{line}\n  params"), encoding="utf-8")
        done = command("check")
        assert done.code == 2
        assert said in done.out + done.err
        hostile.text(done.out + done.err)


def test_a_budget_is_printed_clean(command: Run, write: Callable[..., str]) -> None:
    command("lock", write())
    lock = Path("archcalc.lock")
    text = lock.read_text(encoding="utf-8")
    lock.write_text(
        text.replace("\nmodel", "\nbudget latency <= 1 × vgg16\x1b[31m\u202e, required\n\nmodel"), encoding="utf-8"
    )
    done = command("check")
    assert "vgg16·[31m·" in done.out + done.err
    hostile.text(done.out + done.err)


@pytest.mark.parametrize("name", ["", " aux", "a | b", "\x1b[2J\u202e", "\u200f", "a\x00b"])
def test_a_head_has_a_name_that_a_line_can_hold(command: Run, write: Callable[..., str], name: str) -> None:
    spec = write(more=f"heads: {{{json.dumps(name)}: {{at: body, layers: gap linear(3)}}}}")
    for arguments in (("lock", spec), ("summary", spec, "--static", "--format", "csv")):
        done = command(*arguments)
        assert done.code == 2
        assert "is not a name for a head" in done.err
        assert "net.yaml:14:" in done.err
        hostile.text(done.err)
    assert not Path("archcalc.lock").exists()


def test_paths_and_names_of_locks_are_clean(command: Run, write: Callable[..., str]) -> None:
    spec = write(more='rows: {"body": [{"a\\e[2J\\u202e": conv(4, 3)}]}')
    for more in ((), ("--rows",)):
        done = command("lock", spec, "-o", "net.lock", *more)
        if done.code == 0:
            hostile.text(Path("net.lock").read_text(encoding="utf-8"))
            assert command("check", "net.lock").code == 0
    for name in ("a\x1b.yaml", "a\tb.yaml", "a | b.yaml"):
        done = command("lock", write(name=name), "-o", "odd.lock")
        assert done.code == 2
        assert "a lock cannot hold the name" in done.err
        assert not Path("odd.lock").exists()


def test_a_spec_shows_in_the_order_in_which_it_is_read(command: Run, write: Callable[..., str]) -> None:
    for sign in "\u061c\u200e\u200f\u202a\u202e\u2066\u2069":
        spec = write(row=f"bo{sign}dy")
        done = command("check", spec)
        assert done.code == 2
        assert f"U+{ord(sign):04X} is refused: it is a mark that turns the order" in done.err
        hostile.text(done.err)


# --- the log of CI --------------------------------------------------------------------------------------------------


def test_a_log_obeys_nothing_but_the_annotations(
    command: Run, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `action.yml` asks: a row that stops commands, and the annotation that a model has drifted."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    spec = write(row="body ##[stop-commands]zz", title="::error::pwned")
    command("lock", spec)
    Path("net.yaml").write_text(
        Path("net.yaml").read_text(encoding="utf-8").replace("conv(4", "conv(5"), encoding="utf-8"
    )
    done = command("check", "--format", "text", "--format", "github")
    lines = done.out.split("\n")
    assert done.code == 1
    assert [line for line in lines if line.startswith("::error file=net.yaml")]
    for line in lines:
        assert line.startswith("::error file=") or not line.strip().startswith("::")
        assert line.startswith("::error file=") or "##[" not in line
    for arguments in (("summary", spec, "--static"), ("explain", spec), ("compare", spec, "lenet5"), ("show", spec)):
        for form in ("text", "json", "csv", "markdown", "latex", "html") if arguments[0] != "show" else ("",):
            done = command(*arguments, *(("--format", form) if form else ()))
            assert done.code == 0
            hostile.log(done.out)
            hostile.log(done.err)


def test_a_name_with_a_line_end_begins_no_line(
    command: Run, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    write()
    folder = Path("a\n::stop-commands::zz\nb")
    folder.mkdir()
    command("lock", "./net.yaml", "-o", str(folder / "archcalc.lock"))
    Path("net.yaml").unlink()
    for arguments in (
        ("check",),
        ("check", "--format", "junit"),
        ("summary", "no\n::error::x", "--static"),
        ("summary", str(folder / "no.yaml"), "--static"),
        ("summary", "vgg16", "--\n::error::x"),
        ("summary", "vgg16", "--batch", "x\n::error::x"),
        ("paper", "no\n::error::x"),
        ("list", "no\n::error::x"),
    ):
        done = command(*arguments)
        assert done.code in (0, 1, 2), arguments
        hostile.log(done.out)
        hostile.log(done.err)


@pytest.mark.parametrize(
    "words", ["summary vgg16 --\x1b[2J\u202e", "summary vgg16 --batch \x9b[2J\u202e", "\x1b[2J\u202e"]
)
def test_what_typer_quotes_is_clean(command: Run, words: str) -> None:
    done = command(*words.split(" "))
    assert (done.code, "[2J" in done.err) == (2, True)
    hostile.text(done.err)


def test_outside_of_ci_nothing_is_broken_up(
    command: Run, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"):
        monkeypatch.delenv(name, raising=False)
    done = command("summary", write(title="::error::x ##[y]"), "--static")
    assert "::error::x ##[y]" in done.out


def test_assertions_say_it_clean(write: Callable[..., str]) -> None:
    with pytest.raises(AssertionError) as found:
        assert_within(write(), f"params <= 1{' ' * 3}")
    assert "\n" in str(found.value)
    hostile.log(str(found.value))


# --- the forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ["[3×3, 64]", "[a]", "*", "* b"])
def test_latex_rows_begin_with_no_argument(command: Run, write: Callable[..., str], row: str) -> None:
    out = command("summary", write(row=row), "--static", "--format", "latex").out
    hostile.latex(out)
    assert f"    {{}}{latex.escape(row)} &" in out


@pytest.mark.parametrize(
    "text",
    [
        "[c[]](javascript:x)",
        "![x](http://x.y)",
        "[a][b]",
        "<http://x.y>",
        "http://x.y and www.a.b",
        "<script>",
        "```",
        "- a",
        "# a",
        "===",
        "&lt;b&gt;",
    ],
)
def test_markdown_is_text(text: str) -> None:
    from markdown_it import MarkdownIt

    hostile.markdown(f"{markdown.escape(text)}\n")
    tokens = MarkdownIt("commonmark").enable("table").parse(f"{markdown.escape(text)}\n")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(part.content for part in tokens[1].children or ()) == text


def test_junit_is_well_formed(command: Run, write: Callable[..., str]) -> None:
    spec = write(more='rows: {"no\\ufffe such": relu}')
    done = command("check", spec, "--format", "junit")
    assert done.code == 2
    assert "no· such" in ElementTree.tostring(ElementTree.fromstring(done.out), encoding="unicode")


@pytest.mark.parametrize(
    "stem", ["a: b", "[x", "{x", "'x", "@x", "%x", "|x", "- x", "* x", 'q"x', "\\x", "# x", "x #y"]
)
def test_mermaid_has_a_title_that_is_a_text(command: Run, write: Callable[..., str], stem: str) -> None:
    spec = write(name=f"{stem}.yaml")
    assert command("plot", "graph", spec, "-o", "x.mmd").code == 0
    text = Path("x.mmd").read_text(encoding="utf-8")
    hostile.mermaid(text)
    assert set(yaml.safe_load(text.split("---\n")[1])) == {"title"}


@pytest.mark.parametrize("name", ["$x^$", r"$\frac1$", r"$\nope$", "a$b$c"])
def test_pictures_take_no_text_for_a_formula(command: Run, write: Callable[..., str], name: str) -> None:
    spec = write(row=name, title=name, name=f"{name}.yaml")
    for kind in ("memory", "layers", "graph"):
        assert command("plot", kind, spec, "-o", "x.svg").code == 0
    assert command("report", spec, "-o", "x.html").code == 0


def test_csv_leaves_a_formula_as_it_is(command: Run, write: Callable[..., str]) -> None:
    """A table is data; the docs say what a spreadsheet makes of such names."""
    done = command("summary", write(row="=1+1"), "--static", "--format", "csv")
    assert "=1+1" in {cell for line in csv.reader(io.StringIO(done.out)) for cell in line}


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the random name is known: another is taken, or nothing is written."""
    target, path = tmp_path / "target", tmp_path / "out.txt"
    target.write_text("kept", encoding="utf-8")
    monkeypatch.setattr(os, "urandom", lambda size: b"\0" * size)
    (tmp_path / f".archcalc-{'00' * 8}.tmp").symlink_to(target)
    with pytest.raises(FileExistsError):
        files.replace(path, "new")
    assert (target.read_text(encoding="utf-8"), path.exists()) == ("kept", False)


def test_what_is_moved_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, steps = tmp_path / "out.txt", []
    sync, move = os.fsync, Path.replace

    def synced(handle: int) -> None:
        assert os.fstat(handle).st_size == 3
        steps.append("fsync")
        sync(handle)

    def moved(self: Path, target: Path) -> Path:
        steps.append("rename")
        return move(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", moved)
    files.replace(path, "new")
    assert (steps, path.read_text(encoding="utf-8"), [found.name for found in tmp_path.iterdir()]) == (
        ["fsync", "rename"],
        "new",
        ["out.txt"],
    )


def test_modes_follow_the_umask_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    before = os.umask(0o027)
    try:
        files.replace(path, "new")
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o604)
        files.replace(path, "newer")
        assert path.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


@pytest.mark.parametrize("form", ["lock", "check", "output"])
def test_what_killed_runs_left_is_removed(command: Run, write: Callable[..., str], form: str) -> None:
    """By a lock that changes nothing, by a check, by whatever writes: but nothing that a run still holds."""
    command("lock", write())
    held, beside = files._new(Path())
    dead, link = Path(".archcalc-0123456789abcdef.tmp"), Path(".archcalc-fedcba9876543210.tmp")
    dead.touch()
    link.symlink_to("net.yaml")
    os.mkfifo(".archcalc-00000000000000aa.tmp")
    try:
        asked = {"lock": ("lock", "./net.yaml"), "check": ("check",), "output": ("list", "vgg", "-o", "x.json")}[form]
        assert command(*asked).code == 0
        assert (dead.exists(), beside.exists(), link.is_symlink()) == (False, True, True)
    finally:
        os.close(held)
    assert command(*asked).code == 0
    assert not beside.exists()


def test_a_lock_that_is_a_link_stays_one(command: Run, write: Callable[..., str]) -> None:
    Path("real").mkdir()
    target, link = Path("real/some.lock"), Path("archcalc.lock")
    spec = write()
    command("lock", spec, "-o", "real.lock")
    Path("real.lock").rename(target)
    link.symlink_to(target)
    Path("net.yaml").write_text(
        Path("net.yaml").read_text(encoding="utf-8").replace("conv(4", "conv(5"), encoding="utf-8"
    )
    assert command("check", "archcalc.lock", "--update").code == 0
    assert link.is_symlink()
    assert "conv(out=5" in target.read_text(encoding="utf-8")
    assert command("lock", "lenet5").code == 0
    assert link.is_symlink()
    assert "model lenet5" in target.read_text(encoding="utf-8")


def test_a_name_need_not_be_text(command: Run, write: Callable[..., str]) -> None:
    """Bytes that are no UTF-8, as Python holds them, and a home that nobody has."""
    write()
    spec, folder = "./\udcff.yaml", Path("\udcfe")
    Path("net.yaml").rename(spec)
    folder.mkdir()
    for name in ("\udcff", "\0http://x", "./\0.yaml", "~nosuch/x.yaml", "vgg16:\udcff", "./no\udcff.yaml"):
        done = command("summary", name, "--static")
        assert done.code == 2
        hostile.text(done.err)
    for form in hostile.SIX:
        assert command("summary", spec, "--static", "--format", form, "-o", "out").code == 0
        hostile.FORMS[form](Path("out").read_text(encoding="utf-8"))
    assert command("lock", spec).code == 2
    assert command("lock", "lenet5", "-o", str(folder / "archcalc.lock")).code == 0
    lock = folder / "archcalc.lock"
    lock.write_text(lock.read_text(encoding="utf-8").replace("params 6", "params 7"), encoding="utf-8")
    for form, read in hostile.FORMS.items():
        done = command("check", "--format", form)
        assert done.code == 1
        read(done.out)


def test_a_long_name_can_be_written(command: Run, write: Callable[..., str]) -> None:
    write()
    name = f"{'x' * 245}.json"
    assert command("list", "vgg", "-o", name).code == 0
    assert json.loads(Path(name).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_many_runs_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    write = "import sys; from archcalc.files import replace; from pathlib import Path\n"
    write += "for n in range(60): replace(Path('out'), sys.argv[1] * 100_000)"
    running = [subprocess.Popen([sys.executable, "-c", write, str(n)], cwd=tmp_path) for n in range(6)]
    assert [process.wait(timeout=120) for process in running] == [0] * 6
    assert [found.name for found in tmp_path.iterdir()] == ["out"]
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert text == text[0] * 100_000
    shutil.rmtree(tmp_path)
