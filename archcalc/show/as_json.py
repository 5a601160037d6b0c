"""Documents as JSON: a key a line, the entries of a list on lines of their own."""

from __future__ import annotations

from collections.abc import Iterable
from json import JSONEncoder
from typing import Any


def write(found: Iterable[tuple[str, Any]]) -> str:
    """The keys and values of a document, each on a line; the entries of a list on lines of their own."""
    encode = JSONEncoder(ensure_ascii=False, check_circular=False).encode
    parts = []
    for key, value in found:
        if isinstance(value, list):
            items = ",\n  ".join(map(encode, value))
            shown = f"[\n  {items}\n]" if value else "[]"
        else:
            shown = encode(value)
        parts.append(f"{encode(key)}: {shown}")
    return "{" + ",\n".join(parts) + "}\n"
