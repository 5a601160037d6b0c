"""Tables of pipe-separated cells."""

from __future__ import annotations

import pytest

from archcalc.errors import SpecError, Text
from archcalc.language.reader import read_text
from archcalc.language.table import Table, read_table
from archcalc.units import same


def table(block: str, before: str = "table: |\n", indent: str = "  ") -> Table:
    tree = read_text(before + "".join(f"{indent}{line}\n" if line else "\n" for line in block.split("\n")), "t.yaml")
    value = tree.get("table")
    assert isinstance(value, Text)
    return read_table(value)


@pytest.mark.parametrize(
    ("block", "rows"),
    [
        ("a | b\n1 | 2", [["1", "2"]]),
        ("a|b\n1|2", [["1", "2"]]),
        ("a | b\n--|--\n1 | 2", [["1", "2"]]),
        ("a | b\n:--|--:\n1 | 2\n---+---\n3 | 4", [["1", "2"], ["3", "4"]]),
        ("a | b | c\n1", [["1", "1", "1"]]),
        ("a | b | c\n1 | 2", [["1", "2", "2"]]),
        ("a | b | c\n1 |", [["1", "", ""]]),
        ("a | b | c\n1 | | 3", [["1", "", "3"]]),
        ("a | b\n  | 2\n1 |", [["", "2"], ["1", ""]]),
        ("\na | b\n\n1 | 2\n", [["1", "2"]]),
        ("a\n- b", [["- b"]]),  # a dash is no row of dashes
        ("a\n1×1 conv, stride 2", [["1×1 conv, stride 2"]]),
    ],
)
def test_rows_of_cells(block: str, rows: list[list[str]]) -> None:
    found = table(block)
    assert [[cell.value for cell in row.cells] for row in found.rows] == rows


def test_the_row_behind_dashes_is_ruled_and_the_first_is_not() -> None:
    found = table("a | b\n--|--\n1 | 2\n3 | 4\n--|--\n5 | 6")
    assert [row.ruled for row in found.rows] == [False, False, True]


def test_a_row_knows_from_where_its_last_cell_spans() -> None:
    found = table("a | b | c\n1\n1 | 2\n1 | 2 | 3\n1 |")
    assert [row.spans for row in found.rows] == [0, 1, 2, 1]


@pytest.mark.parametrize("indent", [" ", "    ", "          "])
@pytest.mark.parametrize(
    "before", ["table: |\n", "table: |-\n", "table: |+\n", "# c\nx: y\ntable:  |  # c\n", "table: |\n\n\n"]
)
def test_a_cell_stands_where_its_characters_stand(before: str, indent: str) -> None:
    found = table("aa | b  c |  ×\n   | é | 3×3\n\n1 |  2", before, indent)
    for cell in (*found.headings, *(cell for row in found.rows for cell in row.cells)):
        if cell.value:
            line = cell.source.lines[cell.line - 1]
            assert line[cell.col - 1 :].startswith(cell.value)
            assert line[cell.col - 2] in " |"
    assert [cell.col - len(indent) for cell in found.rows[0].cells] == [4, 6, 10]


def test_an_indentation_that_is_said_is_kept() -> None:
    tree = read_text("table: |2\n     a | b\n  1 | 2\n", "t.yaml")
    block = tree.get("table")
    assert isinstance(block, Text)
    assert [(cell.value, cell.line, cell.col) for cell in read_table(block).headings] == [("a", 2, 6), ("b", 2, 10)]


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ("3×3", "3x3", True),
        ("3 × 3", "3x3", True),
        ("max pool", "maxpool", True),
        ("A", "a", False),
        ("3*3", "3×3", False),
    ],
)
def test_spaces_and_times_signs_do_not_matter(a: str, b: str, alike: bool) -> None:
    assert same(a, b) == alike


def test_ten_thousand_cells_are_the_most() -> None:
    assert len(table("a | b\n" + "1 | 2\n" * 5_000).rows) == 5_000
    with pytest.raises(SpecError, match="10,000 cells"):
        table("a | b\n" + "1 | 2\n" * 5_001)
