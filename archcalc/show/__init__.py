"""The side that shows: what a result says, and six writers of it. Nothing here counts or exits."""

from .writers import FORMATS, SUFFIXES, known_format

__all__ = ["FORMATS", "SUFFIXES", "known_format"]
