"""The writer of JSON: a key a line, the entries of a list on lines of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import JSONEncoder

from ..page import Document, Page

_ENCODE = JSONEncoder(ensure_ascii=False, check_circular=False).encode


def write(page: Page) -> str:
    """The page's document."""
    return text(page.data())


def text(data: Document) -> str:
    """A document as a file has it."""
    if not isinstance(data, Mapping):
        items = ",\n  ".join(map(_ENCODE, data))
        return f"[\n  {items}\n]\n" if data else "[]\n"
    parts = []
    for key, value in data.items():
        if isinstance(value, (list, Iterator)):
            items = ",\n  ".join(map(_ENCODE, value))
            shown = f"[\n  {items}\n]" if items else "[]"
        else:
            shown = _ENCODE(value)
        parts.append(f"{_ENCODE(key)}: {shown}")
    return "{" + ",\n".join(parts) + "}\n"
