"""What all tests begin with."""

from __future__ import annotations

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: threads of torch would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says how wide a terminal is: pytest-xdist tells its workers one, which pipes would heed."""
    monkeypatch.delenv("COLUMNS", raising=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all`: also what is marked `exhaustive`."""
    parser.addoption("--all", action="store_true", help="also the tests marked `exhaustive`, as each night")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is exhaustive, unless all is asked for or tests are chosen by name."""
    asked = config.option.all or config.option.keyword or "exhaustive" in config.option.markexpr
    if asked or any("::" in argument for argument in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
