"""The side that shows: what a result says, and six writers of it. Nothing here counts or exits."""

from .writers import FORMATS, SUFFIXES, known_format

TABLES = ("text", "json", "csv", "markdown")  # what everything is written in
__all__ = ["FORMATS", "SUFFIXES", "TABLES", "known_format"]
