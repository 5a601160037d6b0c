"""The function of a spec against other people's modules with the same weights, where their libraries are installed."""

from __future__ import annotations

import pytest

from tests.twins import TWINS, Twin, difference


@pytest.mark.slow
@pytest.mark.parametrize("twin", TWINS, ids=[f"{twin.model}-{twin.made}" for twin in TWINS])
def test_outputs_agree(twin: Twin) -> None:
    library = twin.made.partition(":")[0]
    pytest.importorskip(library, reason=f"{library} is not installed: a development check, see tests/twins.py")
    assert difference(twin) < 1e-4
