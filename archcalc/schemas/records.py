"""JSON Schemas of documents that are declared as TypedDicts: a sentence at each field, bounds beside its type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def document(title: str, declared: Any) -> Schema:
    """The schema of a document: an object, a list of records, or one of several. Raises TypeError for a type that JSON
    does not have."""
    parts: dict[str, Schema] = {}
    found = _schema(declared, parts)
    if "$ref" in found:
        found = parts.pop(found["$ref"].rpartition("/")[2])
    return {"$schema": DRAFT, "title": title, **found, **({"$defs": parts} if parts else {})}


def _schema(kind: Any, parts: dict[str, Schema]) -> Schema:
    """The schema of a type; TypedDicts stand in `parts` by name, once."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        found = _schema(arguments[0], parts)
        for note in arguments[1:]:
            found |= {key: _json(bound) for key, bound in note} if isinstance(note, tuple) else {"description": note}
        return found
    if origin is NotRequired:
        return _schema(arguments[0], parts)
    if is_typeddict(kind):
        if kind.__name__ not in parts:
            parts[kind.__name__] = {}  # it may stand inside itself
            parts[kind.__name__] = _record(kind, parts)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return _union([_schema(one, parts) for one in arguments])
    if origin is tuple and arguments[-1] is not Ellipsis:
        (item,) = {repr(one): one for one in arguments}.values()
        return {"type": "array", "items": _schema(item, parts), "minItems": len(arguments), "maxItems": len(arguments)}
    if origin in (list, tuple, Sequence, Iterable):
        return {"type": "array", "items": _schema(arguments[0], parts)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], parts)}
    if kind is Any:
        return {}
    if kind not in SIMPLE:
        raise TypeError(f"JSON has no {kind!r}")
    return {"type": SIMPLE[kind]}


def _json(bound: Any) -> Any:
    """A bound as JSON has it: of Python's that are constants, tuples are its lists; others are made when asked for."""
    return list(bound) if isinstance(bound, tuple) else bound() if callable(bound) else bound


def _union(found: list[Schema]) -> Schema:
    """One of several; a simple type that may be null keeps its bounds."""
    if len(found) == 2 and found[1] == {"type": "null"} and isinstance(found[0].get("type"), str):
        enum = {"enum": [*found[0]["enum"], None]} if "enum" in found[0] else {}
        return {**found[0], "type": [found[0]["type"], "null"], **enum}
    return {"anyOf": found}


def _record(kind: Any, parts: dict[str, Schema]) -> Schema:
    """A mapping that has these keys, and may have others. Raises TypeError for a key without a sentence."""
    hints = get_type_hints(kind, include_extras=True)
    properties = {name: _schema(hint, parts) for name, hint in hints.items()}
    silent = [name for name, schema in properties.items() if "description" not in schema]
    if silent:
        raise TypeError(f"{kind.__name__}: no sentence says what {', '.join(silent)} is")
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": properties,
        # A key that may be missing is known by its resolved hint; `__required_keys__` sees texts.
        "required": [n for n, hint in hints.items() if n in kind.__required_keys__ and get_origin(hint) != NotRequired],
    }
