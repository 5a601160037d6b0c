"""What all tests begin with."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says how wide a terminal is: pytest-xdist tells its workers one, which pipes would heed."""
    monkeypatch.delenv("COLUMNS", raising=False)
