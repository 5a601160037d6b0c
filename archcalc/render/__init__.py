"""The side that shows: a module for each format, made of one description of the table. Nothing here counts or exits."""

from __future__ import annotations

from ..errors import UsageError, did_you_mean
from ..summary import Summary

FORMATS = ("text", "json", "csv", "markdown")
FULL = 10_000  # a depth that opens every block


def known_format(name: str) -> str:
    """The name of a format. Raises UsageError."""
    if name not in FORMATS:
        raise UsageError(f"`{name}` is not a format archcalc writes", did_you_mean(name, FORMATS))
    return name


def render(summary: Summary, output_format: str, depth: int = 0, width: int | None = None, color: bool = False) -> str:
    """A summary in one of `FORMATS`, its rows opened `depth` levels; `width` and `color` are for text."""
    if output_format == "json":
        from . import as_json

        return as_json.render(summary)
    if output_format == "csv":
        from . import as_csv

        return as_csv.render(summary, depth)
    if output_format == "markdown":
        from . import as_markdown

        return as_markdown.render(summary, depth)
    from . import as_text

    return as_text.render(summary, depth, width, color)
