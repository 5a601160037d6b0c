"""With typer, rich and PyYAML alone: what needs more says which package, and how to get it; never an internal error."""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.commands import COMMANDS as NAMES
from tests.light import CALLS, COMMANDS, HIDE, wrong


def test_every_command_is_there() -> None:
    assert {case.words.split()[0] for case in COMMANDS} == {*NAMES, "--version", "--help"}


@pytest.mark.slow
def test_what_they_do_there_without_each_package(tmp_path: Path) -> None:
    """The first command and the first call that lack each; `.ci/run` asks all of them of a real light install."""
    first = {(case.needs, case in COMMANDS): case for case in reversed((*COMMANDS, *CALLS))}
    assert len(first) >= 6
    assert [said for case in first.values() if (said := wrong(case, tmp_path, HIDE))] == []
