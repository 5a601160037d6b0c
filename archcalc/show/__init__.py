"""The side that shows: a module for each format, made of one description of the table. Nothing here counts or exits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError, did_you_mean
from .writers import FORMATS, SUFFIXES, known_format

if TYPE_CHECKING:
    from ..models import Summary
    from ..tasks.summary import Pick

TABLES = ("text", "json", "csv", "markdown")  # what everything is written in
__all__ = ["FORMATS", "SUFFIXES", "TABLES", "known_format", "known_units", "render"]
UNITS = ("auto", "raw")  # numbers with a unit that suits them, or exactly as they are


def known_units(name: str) -> str:
    """What `--units` names. Raises UsageError."""
    if name not in UNITS:
        raise UsageError(f"`--units {name}` is neither auto nor raw", did_you_mean(name, UNITS))
    return name


def render(
    summary: Summary,
    output_format: str,
    depth: int = 0,
    width: int | None = None,
    color: bool = False,
    pick: Pick | None = None,
) -> str:
    """A summary in one of `FORMATS`, its rows opened `depth` levels; `width` and `color` are for text, `pick` says
    which lines are shown and in which order."""
    if output_format == "json":
        from . import as_json

        return as_json.render(summary, depth, pick)
    if output_format == "csv":
        from . import as_csv

        return as_csv.render(summary, depth, pick)
    if output_format == "markdown":
        from . import as_markdown

        return as_markdown.render(summary, depth, pick)
    if output_format == "latex":
        from . import as_latex

        return as_latex.render(summary, depth, pick)
    if output_format == "html":
        from . import as_html

        return as_html.render(summary, depth, pick)
    from . import as_text

    return as_text.render(summary, depth, width, color, pick)
