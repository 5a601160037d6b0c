"""Generators of what strangers may write, a module each: `round(random, folder)` makes a case in an empty folder, which
is the working directory, tries it and raises AssertionError where archcalc does what it must not.

`python -m tests.fuzz --seconds 3600 --seed 1 [GENERATOR ...]` goes on for as long as that; `tests/test_fuzz.py` takes a
few rounds of each.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from random import Random

GENERATORS = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


@contextlib.contextmanager
def _empty_folder() -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "own")  # whose parent has nothing else
        folder.mkdir()
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def once(generator: str, seed: int) -> None:
    """One round. Raises whatever goes wrong."""
    with _empty_folder() as folder:
        import_module(f"{__name__}.{generator}").round(Random(seed), folder)
