"""Every byte that commands print, in every form, against what was saved: `python -m tests.goldens` saves it anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.goldens import FOLDER, GOLDENS, Golden, lay_out, outcome, path_of

CASES = [(golden, form) for golden in GOLDENS for form in golden.forms]


@pytest.mark.parametrize(("golden", "form"), CASES, ids=[f"{golden.name}-{form}" for golden, form in CASES])
def test_output_is_as_it_was_saved(golden: Golden, form: str, tmp_path: Path) -> None:
    lay_out(tmp_path)
    assert outcome(golden, form, tmp_path) == path_of(golden, form).read_text(encoding="utf-8")


def test_every_golden_is_held() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {path_of(golden, form).name for golden, form in CASES}
