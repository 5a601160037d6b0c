"""Locks as text: what is written is read again, little changes in it for a little change, and old ones are readable."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc.errors import SpecError
from archcalc.gate.drift import LockPlace, compare
from archcalc.gate.lock import HEAD, VERSION, Entry, Lock, LockLine, entry_of, read_lock
from archcalc.language.zoo import model_names
from archcalc.models import load

SHARED = """\
archcalc lock 1

model shared
  input image 3×4×4, text 12
  output 4
  params 1,000
  nodes 3
    mlp.1/linear | linear(out=4) | 4 | 1,000 | 48 | 16 | weight 4×12, bias 4 | @text
    mlp.2/linear | linear(out=4) | 4 | 0 | 48 | 16 | as mlp.1/linear | @text
    add | add | 4 | 0 | 0 | 16 | - | mlp.1/linear | mlp.2/linear

end
"""


def written(tmp_path: Path, *entries: Entry) -> Lock:
    path = tmp_path / "archcalc.lock"
    path.write_text(Lock(path, path.name, {}).text(entries), encoding="utf-8")
    return read_lock(path)


@pytest.mark.parametrize("by_rows", [False, True])
def test_every_model_of_the_zoo_is_read_as_it_was_written(by_rows: bool, tmp_path: Path) -> None:
    entries = [entry_of(name, load(name).report(), by_rows) for name in sorted(model_names())[::5]]
    lock = written(tmp_path, *entries)
    for entry in entries:
        section = lock.sections[entry.model]
        assert section.entry() == entry
        assert section.lines() == entry.text()
        assert section.by_rows == by_rows


def test_the_numbers_are_those_of_the_network(tmp_path: Path) -> None:
    """VGG-16 by hand: its first convolution, and its totals."""
    entry = written(tmp_path, entry_of("vgg16", load("vgg16").report())).sections["vgg16"].entry()
    first = entry.lines[0]
    assert (first.op, first.output) == ("conv(out=64, kernel=3)", "64×224×224")
    assert (first.params, first.macs, first.activation_bytes) == (64 * 27 + 64, 64 * 27 * 224**2, 4 * 64 * 224**2)
    assert first.state == (("weight", "64×3×3×3"), ("bias", "64"))
    assert entry.totals["params"] == 138_357_544 == sum(line.params for line in entry.lines)
    assert entry.totals["macs"] == 15_470_264_320 == sum(line.macs for line in entry.lines)
    assert entry.totals["peak_memory_bytes"] == 26_292_224


def test_a_little_change_is_a_little_diff(tmp_path: Path) -> None:
    """Two lines of totals and two of nodes for another width of the classifier."""
    before, after = (
        Lock(Path("l"), "l", {}).text([entry_of("m", load("resnet50", settings={"classes": n}).report())]).splitlines()
        for n in (1000, 10)
    )
    lines = [line for line in difflib.ndiff(before, after) if line.startswith(("-", "+"))]
    nodes = [line for line in lines if " | " in line]
    assert len(nodes) == 2 * 2  # linear, softmax
    assert len(lines) <= 2 * 9


def test_a_node_may_have_the_weights_of_another(tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    path.write_text(SHARED, encoding="utf-8")
    lock = read_lock(path)
    one, two, add = lock.sections["shared"].entry().lines
    assert (one.shares, two.shares, two.state, two.reads) == ("", "mlp.1/linear", (), ("@text",))
    assert add.reads == ("mlp.1/linear", "mlp.2/linear")
    assert lock.sections["shared"].entry().text() == lock.sections["shared"].lines()
    path.write_text(SHARED.replace("as mlp.1/linear", "as mlp/linear"), encoding="utf-8")
    with pytest.raises(SpecError, match="is no node of `shared`") as error:
        read_lock(path).sections["shared"].entry()
    assert error.value.where.startswith(f"{path}:9:")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("| 48 |", "| 4 8 |", 8),
        ("| 48 |", "| 4,8 |", 8),
        ("weight 4×12", "weight", 8),
        ("  params 1,000", "  params", 6),
        ("  params 1,000", "  params 1,000 M", 6),
        (" | add | 4 | 0", " | add | 4", 10),
        ("    add |", "    mlp.2/linear |", 10),
        ("  nodes 3", "  nodes 4", 3),
        ("  nodes 3\n", "", 3),
        ("  output 4\n", "", 3),
        ("| @text\n    mlp.2", "| @text | nobody\n    mlp.2", 8),
    ],
)
def test_a_damaged_line_is_named(old: str, new: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    assert old in SHARED
    path.write_text(SHARED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        read_lock(path).sections["shared"].entry()
    assert error.value.where.startswith(f"{path}:{line}:"), error.value.render()


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", ">>>>>>> theirs", "||||||| base"])
def test_a_conflict_is_named_with_its_line(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    lines = SHARED.splitlines()
    for index in range(len(lines) + 1):
        path.write_text("\n".join([*lines[:index], mark, *lines[index:]]), encoding="utf-8")
        with pytest.raises(SpecError, match="merge conflict") as error:
            read_lock(path)
        assert error.value.where == f"{path}:{index + 1}:1"


def test_a_lock_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    data = SHARED.encode()
    for size in range(len(data) - len("end\n") + 2):
        path.write_bytes(data[:size])
        with pytest.raises(SpecError):
            read_lock(path)


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"\xff\xfe", "not UTF-8"), (b"archcalc lock 2\n", "version 2"), (b"# no lock\n", "a lock begins")],
)
def test_what_is_no_lock_says_so(data: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    path.write_bytes(data)
    with pytest.raises(SpecError, match=told):
        read_lock(path)
    for other in (tmp_path, tmp_path / "none.lock"):
        with pytest.raises(SpecError):
            read_lock(other)


def test_line_ends_and_marks_of_other_systems(tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    path.write_text("\ufeff" + SHARED, encoding="utf-8", newline="\r\n")
    assert read_lock(path).sections["shared"].entry().lines[1].shares == "mlp.1/linear"


def test_comments_and_budgets_stay(tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    text = SHARED.replace("\nmodel", "# ours\nbudget params < 2K\n\nmodel").replace(
        "  input", "  # why\n  budget macs < 1K\n  input"
    )
    path.write_text(text, encoding="utf-8")
    lock = read_lock(path)
    entry = lock.sections["shared"].entry()
    assert lock.text([entry]) == text
    assert [budget.value for budget in lock.budgets] == ["budget params < 2K"]
    assert lock.text([], without=["shared"]).endswith("budget params < 2K\n\nend\n")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8).filter(
    lambda word: "|" not in word and word != "-"
)
PATHS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)


@given(st.lists(PATHS, min_size=1, max_size=6, unique=True), st.data())
def test_whatever_paths_are_called(paths: list[str], data: st.DataObject) -> None:
    lines = tuple(
        LockLine(
            path,
            "relu",
            "4×4",
            data.draw(st.integers(0, 10**18)),
            0,
            0,
            (),
            "",
            tuple(paths[: index if index > 1 else 0]),
        )
        for index, path in enumerate(paths)
    )
    entry = Entry("a model", "4", "4", {"params": 7, "nodes": len(lines)}, lines)
    path = Path("unread")
    from archcalc.errors import Source
    from archcalc.gate.lock import _lock

    text = Lock(path, "unread", {}).text([entry])
    assert _lock(path, Source("unread", tuple(text.split("\n")))).sections["a model"].entry() == entry


def test_the_heading_says_what_the_cells_are() -> None:
    assert HEAD[0] == f"archcalc lock {VERSION}"
    assert HEAD[2].count(" | ") == 7


def network(widths: list[int]) -> Entry:
    """A chain of convolutions, numbered as paths are."""
    number = [f"conv.{n}" for n in range(1, len(widths) + 1)] if len(widths) > 1 else ["conv"]
    lines = tuple(
        LockLine(
            path, f"conv(out={width}, kernel=1)", f"{width}×4×4", width, width, 64 * width, (("bias", str(width)),)
        )
        for path, width in zip(number, widths, strict=True)
    )
    return Entry("m", "1×4×4", "1", {"nodes": len(lines)}, lines)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=20, unique=True), st.data())
def test_a_run_that_goes_is_one_run_of_nodes(widths: list[int], data: st.DataObject) -> None:
    """Whatever it does to the numbers of the others; and what comes back is new at the same place."""
    start = data.draw(st.integers(0, len(widths) - 1))
    stop = data.draw(st.integers(start + 1, len(widths) - (start == 0)))
    old, new = network(widths), network(widths[:start] + widths[stop:])
    for before, after, gone in ((old, new, True), (new, old, False)):
        places = [LockPlace(f"s:{n}:1") for n in range(1, len(after.lines) + 1)]
        found = compare(before, after, places, "s:1:1")
        assert [change.field for change in found.causes] == ["node"] * (stop - start)
        assert len({change.run for change in found.causes}) == 1
        lines = [change.locked if gone else change.now for change in found.causes]
        assert [line.params for line in lines] == widths[start:stop]
    assert not compare(old, old, [LockPlace("s:1:1")] * len(widths), "s:1:1").changes


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20, unique=True), st.data())
def test_an_old_checkpoint_is_accounted_for_in_full(widths: list[int], data: st.DataObject) -> None:
    """Every old name is kept, reshaped, renamed or gone; every new one is kept, reshaped, renamed or missing."""
    other = data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=20, unique=True))
    old, new = network(widths), network(other)
    found = compare(old, new, [LockPlace("s:1:1")] * len(other), "s:1:1").checkpoint
    assert found is not None
    both = found.kept + len(found.reshaped) + len(found.renamed)
    assert both + len(found.gone) == len(widths)
    assert both + len(found.missing) == len(other)
