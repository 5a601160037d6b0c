"""With typer, rich and PyYAML alone: what needs more says which package, and how to get it; never an internal error."""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.commands import COMMANDS as NAMES
from tests.light import CALLS, COMMANDS, HIDE, wrong


def test_every_command_is_there() -> None:
    assert {case.words.split()[0] for case in COMMANDS} == {*NAMES, "--version", "--help"}


@pytest.mark.slow
def test_what_commands_do_there(tmp_path: Path) -> None:
    """In order: a lock is written before it is checked."""
    assert [said for case in (*COMMANDS, *CALLS) if (said := wrong(case, tmp_path, HIDE))] == []
