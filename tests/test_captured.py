"""A sample of timm's models is captured, where it is installed; `python -m tests.captured timm` does all of them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests import captured

SAMPLE = 60


@pytest.mark.slow
def test_a_sample_of_timm_is_captured() -> None:
    """Models evenly over timm's list have as many parameters as torch says."""
    if find_spec("timm") is None or find_spec("torchvision") is None:
        pytest.skip("timm and torchvision are not installed: a development check, see tests/captured.py")
    captured.torchvision()  # also without its operators
    names = [name for name, _ in captured.of_timm()]
    found = [captured.one("timm", name, {}, counted=False) for name in names[:: len(names) // SAMPLE][:SAMPLE]]
    assert [row for row in found if "error" in row or "problems" in row] == []
