"""The six writers: each makes one form of any page. `write` is the only place that knows them all. A seventh makes
bytes, by a package that it needs, and is a sweep's alone."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ...errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from ..page import Page

FORMATS = ("text", "json", "csv", "markdown", "latex", "html")
PARQUET = "parquet"
SUFFIXES = {  # of files to write to
    ".txt": "text",
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".htm": "html",
    ".parquet": PARQUET,
}


def known_format(name: str, formats: Sequence[str] = FORMATS) -> str:
    """The name of a format. Raises UsageError."""
    if name not in formats:
        what = "archcalc writes" if name not in (*FORMATS, PARQUET) else "this is written in"
        raise UsageError(f"`{name}` is not a format {what}", did_you_mean(name, formats))
    return name


def write(page: Page, form: str, width: int | None = None, color: bool = False) -> str:
    """A page in one of `FORMATS`; a terminal's `width` (None: as wide as it needs be) and `color` are for text.

    Raises UsageError for csv of what is no table.
    """
    if form in page.more:
        return page.more[form]()
    if form == "text":
        from . import text

        return text.write(page, width, color)
    found: str = import_module(f".{form}", __name__).write(page)
    return found
