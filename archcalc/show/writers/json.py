"""The writer of JSON: a key a line, the entries of a list on lines of their own.

Values are never changed: what a terminal or a CI log would obey is written as an escape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from json import JSONEncoder, dumps
from typing import Any

from ...errors import OBEYED
from ..page import Document, Page

_FREELY = JSONEncoder(ensure_ascii=False, check_circular=False).encode


def _encode(value: Any) -> str:
    return escaped(_FREELY(value))


def escaped(text: str) -> str:
    """A piece of JSON without line ends, in which only the characters of strings need be looked at."""
    if not text.isprintable():
        text = OBEYED.sub(lambda found: dumps(found.group())[1:-1], text)
    return re.sub(r"(?<=#)#(?=\w*\[)", r"\\u0023", text) if "##" in text else text


def write(page: Page) -> str:
    """The page's document."""
    return text(page.data())


def text(data: Document) -> str:
    """A document as a file has it."""
    if not isinstance(data, Mapping):
        items = ",\n  ".join(map(_encode, data))
        return f"[\n  {items}\n]\n" if data else "[]\n"
    parts = []
    for key, value in data.items():
        if isinstance(value, (list, Iterator)):
            items = ",\n  ".join(map(_encode, value))
            shown = f"[\n  {items}\n]" if items else "[]"
        else:
            shown = _encode(value)
        parts.append(f"{_encode(key)}: {shown}")
    return "{" + ",\n".join(parts) + "}\n"
