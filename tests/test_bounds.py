"""What strangers' files can make archcalc do: open nothing but specs, and take time and memory as they are large."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from archcalc import networks
from archcalc.alignment.align import align
from archcalc.errors import ArchcalcError, Source, SpecError, Text, UsageError
from archcalc.files import FAULTS, fault, inside, read, typed
from archcalc.gate.budgets import read_budgets, read_project
from archcalc.gate.drift import LockPlace
from archcalc.gate.drift import compare as drift_of
from archcalc.gate.lock import Entry, LockLine, read_lock
from archcalc.graph import Graph
from archcalc.measurement import runs
from archcalc.models import load
from archcalc.show.layout import width_of, wrap
from archcalc.tasks.compare import ComparisonPlan as Plan
from archcalc.tasks.compare import gather
from archcalc.tasks.diff import held
from archcalc.units import read_number
from tests.graphs import Build
from tests.test_commands import Run, command
from tests.test_compare import save
from tests.test_gate import here

__all__ = ["command", "here"]  # fixtures
SECRET = "token-that-nobody-shall-see"
LOCK = "archcalc lock 1\n"
SPEC = "input: 4 × 8 × 8\nlayers:\n"

# --- which files are opened ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "named",
    [
        "/proc/self/environ",
        "/proc/self/environ.yaml",
        "~/secret.yml",
        "~nobody-here/secret.yaml",
        "../secret.yaml",
        "../secret.yml:D",
        "link.yaml",
        "folder/../../secret.yaml",
        "./net.txt",
        "a\0b.yaml",
        "circle.yaml",
    ],
)
@pytest.mark.parametrize("kind", ["lock", "budget", "run"])
def test_a_file_names_specs_beside_it_alone(
    named: str, kind: str, here: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = here / "work"
    (work / "folder").mkdir(parents=True)
    (work / "link.yaml").symlink_to(here / "secret.yaml")
    (work / "circle.yaml").symlink_to("circle.yaml")
    for name in ("secret.yaml", "secret.yml"):
        (here / name).write_text(f"password: {SECRET}\n", encoding="utf-8")
    (work / "net.txt").write_text(SECRET, encoding="utf-8")
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.chdir(work)
    if kind == "lock":
        Path("archcalc.lock").write_text(f"{LOCK}\nmodel {named}\n  nodes 0\n\nend\n", encoding="utf-8")
        done = command("check")
    elif kind == "budget":
        assert command("lock", "lenet5").code == 0
        text = Path("archcalc.lock").read_text(encoding="utf-8")
        bound = f"model lenet5\n  budget latency <= 2 × {named}, required\n"
        Path("archcalc.lock").write_text(text.replace("model lenet5\n", bound), encoding="utf-8")
        done = command("check", "--measure")
    else:
        path = save(work / "run.json", "lenet5", 10)
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        Path(path).write_text(json.dumps(document | {"spec": named.removesuffix(":D")}), encoding="utf-8")
        done = command("compare", "run.json", "lenet5")
    assert done.code == 2
    assert "internal error" not in done.err
    assert SECRET not in done.out + done.err
    refused = ("may not be named here", "cannot hold the name", "No file can be called so")
    assert any(words in done.out + done.err for words in refused)


def test_a_file_that_is_no_spec_is_not_shown(here: Path, command: Run) -> None:
    """Not even where it may be named: `hosts.yml` of a repository holds what nobody wants in a log."""
    for content in (
        f"github.com:\n  oauth_token: {SECRET}\n",
        f"a: [{SECRET}\n",
        f"{SECRET}\n",
        f"a: 1\na: {SECRET}\n",
    ):
        (here / "hosts.yml").write_text(content, encoding="utf-8")
        (here / "archcalc.lock").write_text(f"{LOCK}\nmodel hosts.yml\n  nodes 0\n\nend\n", encoding="utf-8")
        for arguments in (["check"], ["check", "--format", "json"], ["check", "--format", "github"]):
            done = command(*arguments)
            assert done.code == 2
            assert "`hosts.yml` is no spec" in done.out + done.err
            assert SECRET not in done.out + done.err
    (here / "hosts.yml").write_text(f"input: 3 × 8 × 8\nlayers: [{SECRET}]\n", encoding="utf-8")  # a spec with an error
    assert SECRET in command("check").out


def test_below_the_repository_is_enough(here: Path, command: Run) -> None:
    """A lock in a folder names specs of the repository around it; its own folder is enough where there is none."""
    (here / "locks").mkdir()
    assert command("lock", "net.yaml", "-o", "locks/a.lock").code == 2
    assert not (here / "locks" / "a.lock").exists()
    (here / ".git").mkdir()
    assert command("lock", "net.yaml", "-o", "locks/a.lock").code == 0
    assert command("check", "locks/a.lock").code == 0
    assert inside("net.yaml", here / "x.lock", here / "net.yaml")
    assert not inside(str(here / "net.yaml"), here / "x.lock", here / "net.yaml")  # absolute, though it is the same
    assert inside("../net.yaml", here / "locks" / "x.lock", here / "net.yaml")
    (here / "locks" / ".git").mkdir()  # a repository in another, as a submodule is: the nearest one counts
    assert not inside("../net.yaml", here / "locks" / "x.lock", here / "net.yaml")


def test_a_saved_run_names_its_spec_from_where_it_stands(here: Path, command: Run) -> None:
    """`measure --save` writes the path as a lock does, so that the two can be moved together."""
    (here / "out").mkdir()
    (here / ".git").mkdir()
    arguments = ("--runs", "1", "--time-limit", "0", "--save", "out/run.json")
    assert command("measure", "./net.yaml:small", *arguments).code == 0
    assert json.loads((here / "out" / "run.json").read_text(encoding="utf-8"))["spec"] == "../net.yaml"
    assert command("compare", "out/run.json", "lenet5").code == 0
    (here / "out").rename(here / "moved")
    assert command("compare", "moved/run.json", "lenet5").code == 0


def test_code_is_never_asked_for_by_a_file(here: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a room hands in as a front hears of what the command line spells, not of what files name."""
    assert command("lock", "net.yaml:small").code == 0
    lock = here / "archcalc.lock"
    lock.write_text(lock.read_text(encoding="utf-8").replace("net.yaml:small", "os:system"), encoding="utf-8")
    run = json.loads(Path(save(here / "run.json", "lenet5", 10)).read_text(encoding="utf-8"))
    (here / "run.json").write_text(json.dumps(run | {"model": "os:system"}), encoding="utf-8")
    asked: list[str] = []
    monkeypatch.setattr(networks, "FRONTS", [lambda name, input, settings: asked.append(name)])
    assert command("check").code == 2
    assert command("compare", "run.json", "lenet5").code == 2
    assert "os:system" not in asked


# --- what is read ------------------------------------------------------------------------------------------------


def test_regular_files_alone_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "environ").symlink_to("/proc/self/environ")
    (tmp_path / "large").write_bytes(b"x" * 4097)
    (tmp_path / "fits").write_bytes(b"x" * 4096)
    said = {"pipe": "is not a regular file", "zero": "is not a regular file", "environ": "is not a regular file"}
    said |= {"large": "is larger than", "": "is a directory, not a text", "none": "there is no file", "\0": "no file"}
    for name, message in (said | {"n" * 256: "there is no file", "\ud800": "there is no file"}).items():
        with pytest.raises(SpecError, match=message):
            read(tmp_path / name, 4096, "a text")
    assert read(tmp_path / "fits", 4096, "a text") == b"x" * 4096
    assert read(tmp_path / "large", 4, "a text", cut=True) == b"xxxx"
    assert typed("~no-such-user/x") == Path("~no-such-user/x")
    for name in ("a\0b.yaml", "\ud800.yaml"):
        with pytest.raises(UsageError, match="there is no file"):
            typed(name)


@pytest.mark.parametrize("name", ["archcalc.lock", "other.lock", "pyproject.toml", "net.yaml", "run.json"])
@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_no_command_waits_or_fills_memory(name: str, target: str, here: Path, command: Run) -> None:
    assert command("lock", "lenet5", "-o", "good.lock").code == 0
    (here / name).unlink(missing_ok=True)
    if target == "pipe":
        os.mkfifo(here / name)
    else:
        (here / name).symlink_to(target)
    asked = {"net.yaml": ["summary", "./net.yaml"], "run.json": ["compare", "run.json", "lenet5"]}
    done = command(*asked.get(name, ["check"]))
    if name in ("other.lock", "pyproject.toml"):
        assert done.code == 0  # no lock of archcalc's, and not a file that a project could have its budgets in
    else:
        assert done.code == 2
        assert "is not a regular file" in done.out + done.err


def test_a_lock_of_newlines_is_refused(here: Path, command: Run) -> None:
    (here / "archcalc.lock").write_bytes(b"archcalc lock 1\n" + b"\n" * 2**20 + b"end\n")
    done = command("check")
    assert done.code == 2
    assert "has more than 500,000 lines: not read" in done.out
    (here / "archcalc.lock").write_bytes(b"archcalc lock 1\n" + b"#" * 2**26)
    assert "is larger than 64 MiB: not read" in command("check").out


DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tool = 5\n", "`tool` is a table"),
        ("tool = []\n", "`tool` is a table"),
        ("[tool]\narchcalc = 5\n", r"`\[tool.archcalc\]` is a table"),
        (f"b = 1\na = {DIGITS}\n", r"a number of more than 4,000 digits is refused \(line 2\)"),
        ("\na = " + "[" * 5000, r"nested too deeply \(line 2\)"),
        ("a = 1\nb = \n", "at line 2"),
    ],
)
def test_a_project_that_is_none(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        read_project(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'{{"title":\n{DIGITS}}}', r"a number of more than 4,000 digits is refused \(line 2\)"),
        ("\n\n" + '{"a":' * 10**5, r"nested too deeply \(line 3\)"),
        ('{"title": 1e999}', "`title` is not text"),
    ],
)
def test_a_run_that_is_none(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(ArchcalcError, match=message):
        runs.read(tmp_path / "run.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"overhead_ms": 10**400}, "`overhead_ms` is too large"),
        ({"machine": {"processors": "many"}}, "`processors` is not a whole number"),
        ({"machine": {"load": [1]}}, "`load` is not a number"),
        ({"machine": {"system": 5}}, "`system` is not text"),
    ],
)
def test_a_run_with_a_figure_that_is_none(change: dict[str, object], message: str, tmp_path: Path) -> None:
    path = Path(save(tmp_path / "run.json", "lenet5", 10))
    document = json.loads(path.read_text(encoding="utf-8"))
    document["measurements"][0] |= change
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ArchcalcError, match=message):
        runs.read(path)


def test_readers_say_the_place_of_what_stopped_them() -> None:
    for error in (
        ValueError("x"),
        OverflowError("x"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
        RecursionError("x"),
    ):
        assert isinstance(error, FAULTS)
    assert fault(ValueError("Exceeds the limit (4300 digits)"), f"a\n{DIGITS}").endswith("(line 2)")


LINE = "    conv | conv(4, 3) | 4×8×8 | 1 | 1 | 1 | -"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("    x |  | 3 | 1 | 1 | 1 | -", "`x` has no op"),
        (f"    x | relu | {DIGITS} | 1 | 1 | 1 | -", "more than 40 digits"),
        (f"    x | relu | 4 | {DIGITS} | 1 | 1 | -", "more than 40 digits"),
        ("    x | relu | 4 | ٣ | 1 | 1 | -", "is no number"),
        ("    x | relu | 4 | 1 | 1 | 1 | - | x", "does not stand above what reads it"),
        (f"    {'a/' * 200} | relu | 4 | 1 | 1 | 1 | -", "at most 100 blocks"),
        (f"  input {DIGITS}", "more than 40 digits"),
    ],
)
def test_a_line_of_a_lock_that_is_none(line: str, message: str, here: Path, command: Run) -> None:
    text = f"{LOCK}\nmodel net.yaml:small\n  input 4×8×8\n  output 4\n  nodes 1\n{line}\n\nend\n"
    (here / "archcalc.lock").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        read_lock(here / "archcalc.lock").sections["net.yaml:small"].entry()
    for form in ("text", "json", "junit"):
        assert command("check", "--format", form).code == 2


def test_a_version_of_many_digits(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text(f"archcalc lock {DIGITS}\nend\n", encoding="utf-8")
    with pytest.raises(SpecError, match="a lock begins with"):
        read_lock(tmp_path / "a.lock")


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "resnet" * 50],
        ["summary", "./" + "n" * 300 + ".yaml"],
        ["summary", "n" * 300 + ":D"],
        ["summary", "vgg16", "-o", "n" * 300 + ".json"],
        ["show", "n" * 300],
        ["lock", "n" * 300],
        ["lock", "vgg16", "-o", "n" * 300 + ".lock"],
        ["check", "n" * 300 + ".lock"],
        ["check", "n" * 300],
        ["compare", "n" * 300 + ".json", "vgg16"],
        ["explain", "n" * 300],
        ["paper", "n" * 300],
        ["new", "n" * 300],
        ["summary", "~nosuch/x.yaml"],
        ["summary", "\udcff"],
        ["summary", "./\udcff.yaml"],
        ["check", "~nosuch/x.lock"],
        ["explain", "vgg16", "conv." + "9" * 5000],
        ["summary", "vgg16", "--input", "9" * 5000],
        ["scale", "vgg16", "--input", "1e99999999"],
        ["scale", "vgg16", "--set", "classes=1..1e99999999"],
        ["scale", "vgg16", "--input", "9" * 5000 + "x1x1"],
        ["scale", "vgg16", "--set", "classes=1e99999999"],
        ["scale", "vgg16", "--set", "classes=1e-99999999"],
        ["summary", "vgg16", "--static", "--set", "classes=1e99999999"],
        ["summary", "vgg16", "--static", "--set", "classes=1e-99999999"],
        ["summary", "vgg16", "--static", "--set", "classes=" + "9" * 5000],
        ["summary", "vgg16", "--static", "--set", "classes=1/0"],
        ["fit", "vgg16", "--memory", "٣GiB"],
        ["fit", "vgg16", "--memory", "9" * 5000],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_what_makes_no_sense_is_wrong_use(arguments: list[str], here: Path, command: Run) -> None:
    done = command(*arguments)
    assert done.code == 2, done.err
    assert "internal error" not in done.err
    assert done.err.startswith("error: ") or "✗ there is no file" in done.out


@pytest.mark.parametrize("device", ["cuda:" + "9" * 30, "cuda:٣", "cuda:", "cpu:x"])
def test_devices_that_are_none(device: str, command: Run) -> None:
    done = command("measure", "lenet5", "--device", device)
    assert done.code == 2
    assert "is not a device archcalc measures on" in done.err


def test_a_name_that_is_not_utf_8(here: Path, command: Run) -> None:
    """It is read, shown with a sign in its place, and never written where it could not be read again."""
    (here / "net.yaml").rename(here / "\udcff.yaml")
    assert command("summary", "./\udcff.yaml:small", "--static", "-o", "x.json").code == 0
    assert json.loads((here / "x.json").read_text(encoding="utf-8"))
    assert command("lock", "./\udcff.yaml").code == 2


def test_numbers_that_people_type() -> None:
    for text in ("10", "0.5", ".5", "5.", "1e-3", "-2", "+2", "3/4", " 7 ", "1E9"):
        read_number(text)
    for text in ("", "1e999", "1e-100", "9" * 20, "1/0", "ten", "٣", "1_000", "nan", "inf", "0x1"):
        with pytest.raises(ValueError, match="Numbers have at most"):
            read_number(text)


@pytest.mark.parametrize(
    ("text", "quantity", "bound"),
    [
        ("params <= 25,557,032", "params", 25557032),
        ("params <= 25,557,032, advisory", "params", 25557032),
        ("params<25.6M,required", "params", 25600000),
        ("peak_memory_bytes <= 67,108,864 B", "peak_memory_bytes", 2**26),
        ("params with heads ≤ 14M", "params with heads", 14 * 10**6),
    ],
)
def test_budgets(text: str, quantity: str, bound: int) -> None:
    (found,) = read_budgets(Text(text, Source("p", (text,)), 1, 1))
    assert found.quantity == quantity
    assert found.limit == Fraction(bound)
    assert found.advisory == ("advisory" in text)


# --- time ----------------------------------------------------------------------------------------------------------


def linear(work: Callable[[int], object], size: int) -> bool:
    """Whether twice the size takes twice as long, not four times, in one of a few tries, as other processes run too."""

    def taken(of: int) -> float:
        start = time.process_time()
        work(of)
        return time.process_time() - start

    work(size // 8)
    return any(taken(2 * size) < 3 * max(taken(size), 1e-9) for _ in range(5))


def built(lines: Callable[[int], str]) -> Callable[[int], object]:
    def work(size: int) -> object:
        Path("grown.yaml").write_text(lines(size), encoding="utf-8")
        try:
            return load("./grown.yaml").totals
        except ArchcalcError as error:
            return error.render()

    return work


def named(size: int) -> str:
    return SPEC + "".join(f"  - a{n}: relu\n" for n in range(size))


def named_in_branches(size: int) -> str:
    return named(size) + "".join("  - add: [relu, [b: relu, tanh, b]]\n" for _ in range(size // 4))


def repeated(size: int) -> str:
    return named(size) + f"  - bn x{size}\n"


def lets(size: int) -> str:
    names = "".join(f"  l{n}: {f'l{n - 1}' if n else 'c'} + 1\n" for n in range(60))
    rows = "".join(f"    conv | {n % 7 + 1}\n" for n in range(size))
    table = f"layers:\n  from: Table 1\n  table: |\n    op | c\n{rows}"
    return f"input: 4 × 8 × 8\ncolumns: {{op: layer, c: c}}\nlet:\n{names}notation: {{conv: 'conv(l59, 1)'}}\n{table}"


def cells(size: int) -> str:
    lines = "".join(f"  'c-{{a}}-{{b}}-{{d}}-z{n}-{{e}}-z': conv(4 + 0 * (a + b + d + e), 1)\n" for n in range(40))
    rows = "".join(f"    c-{n}-{n % 9}-3-z{n % 40}-1-z\n" for n in range(size))
    return f"input: 4 × 8 × 8\ncolumns: {{op: layer}}\nnotation:\n{lines}layers:\n  from: T\n  table: |\n    op\n{rows}"


def entry(size: int, keep: Callable[[int], bool]) -> Entry:
    kept = [n for n in range(size) if keep(n)]
    lines = [LockLine(f"row/block.{n // 10}/conv.{n % 10}", f"conv({n % 7}, 3)", "4×8×8", 3, 4, 5) for n in kept]
    return Entry("m", "4×8×8", "4×8×8", {"nodes": len(lines)}, tuple(lines))


def gone(keep: Callable[[int], bool]) -> Callable[[int], object]:
    def work(size: int) -> object:
        now = entry(size, keep)
        places = [LockPlace(f"x:{n}", ("x:1",)) for n in range(len(now.lines))]
        return drift_of(entry(size, lambda n: True), now, places, "x:1")

    return work


def compared(size: int) -> object:
    """Two chains of unlike nodes, which have short stretches in common."""
    for name, odd in (("one", 2), ("other", 3)):
        lines = "".join(f"  - {'relu' if n % odd else 'tanh'}\n" for n in range(size))
        Path(f"{name}.yaml").write_text(SPEC + lines, encoding="utf-8")
    return held(*gather(["./one.yaml", "./other.yaml"], Plan())[0])


def residual(blocks: int, bias: bool) -> Graph:
    """Blocks of seven nodes; without biases every fifth has lost an activation."""
    b = Build((16, 8, 8))
    y = -1
    for n in range(blocks):
        x = y
        y = b("bn", b("conv", x, out=16, kernel=3, bias=bias))
        y = b("relu", y) if bias or n % 5 else y
        y = b("add", x, b("relu", b("bn", b("conv", y, out=16, kernel=3, bias=bias))))
    return b.finish(y)


def aligned(size: int) -> object:
    return align(residual(size, True), residual(size, False)).differences


def budget(text: str) -> object:
    try:
        return read_budgets(Text(text, Source("p", (text,)), 1, 1))
    except SpecError as error:
        return error.render()


GROWN: dict[str, tuple[Callable[[int], object], int]] = {
    "names of a list": (built(named), 1_500),
    "names of a list, and branches": (built(named_in_branches), 1_000),
    "names of a list, and repeats": (built(repeated), 1_000),
    "lets that follow from a column": (built(lets), 500),
    "cells read by notation": (built(cells), 500),
    "a title of one word": (lambda size: wrap("a" * size, 80), 400_000),
    "a title of one word in two columns a letter": (lambda size: wrap("語" * size, 80), 100_000),
    "a title of many words": (lambda size: wrap("a " * size, 80), 40_000),
    "a budget without an operator": (lambda size: budget("params" + "<" * size + " " * size), 200_000),
    "a budget of blanks": (lambda size: budget("params" + " " * size + "x\nx"), 200_000),
    "half of all blocks gone": (gone(lambda n: bool(n // 10 % 2)), 4_000),
    "half of all nodes gone": (gone(lambda n: bool(n % 2)), 4_000),
    "one long stretch gone": (gone(lambda n: n % 4_000 < 100), 4_000),
    "two chains of a few ops": (compared, 1_000),
    "a change in every block": (aligned, 150),
}


@pytest.mark.parametrize("case", GROWN)
def test_twice_the_input_takes_twice_the_time(case: str, here: Path) -> None:
    work, size = GROWN[case]
    assert linear(work, size)


def test_a_split_into_more_than_there_is(here: Path, command: Run) -> None:
    for parts, message in ((5, "4 channels cannot be cut into 5 parts"), (10**9, "more than 1,000 parts are refused")):
        Path("net.yaml").write_text(f"input: 4 × 8 × 8\nlayers:\n  - split({parts})\n", encoding="utf-8")
        done = command("summary", "./net.yaml", "--static")
        assert done.code == 2
        assert message in done.err


@pytest.mark.parametrize(
    "text", ["", "a", "ab cd", "a" * 33, "a" * 9 + " " + "b" * 21, "語" * 12 + " e\u0301" * 9, "a  b"]
)
@pytest.mark.parametrize("width", [1, 2, 7, 10, 80])
def test_wrapped_lines_are_as_wide_as_they_can_be(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width_of(line) <= max(width, 2) for line in lines)


def test_watching_tidies_memory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc

    from archcalc.tasks import check

    monkeypatch.setattr(gc, "isenabled", gc.isenabled)
    gc.disable()
    try:
        next(check.watch(["net.yaml"]))
        assert gc.isenabled()
    finally:
        gc.enable()
