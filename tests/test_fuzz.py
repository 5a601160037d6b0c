"""A few rounds of every generator, with seeds that stay; `make fuzz` takes many, with seeds of its own."""

from __future__ import annotations

import pytest

from tests.fuzz import GENERATORS, once


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("generator", GENERATORS)
def test_strangers_do_nothing(generator: str, seed: int) -> None:
    once(generator, seed)
