"""Where the elements of a value are after a call that only moves them, or multiplies all by one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...ops import Shape
from ...ops.laid import Laid

# What gives the elements in their order, as another size.
KEEPS = {
    "view", "reshape", "_unsafe_view", "_reshape_alias", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as",
    "reshape_as", "ravel", "contiguous", "clone", "alias", "detach", "_to_copy", "to", "type_as", "positive", "dropout",
}  # fmt: skip
LAST = {"t", "mT", "numpy_T", "adjoint", "matrix_H", "mH"}
SWAPS = {"transpose", "swapaxes", "swapdims"}


def moved(name: str, given: Mapping[str, Any], part: tuple[int, int, int] | None, x: Laid, y: Shape) -> Laid | None:
    """`x` after a call that gives the size `y`; None where it does something else."""
    found = _moved(name, given, part, x, y)
    return found if found is not None and found.size == y else None


def _moved(name: str, given: Mapping[str, Any], part: tuple[int, int, int] | None, x: Laid, y: Shape) -> Laid | None:
    numbers = [value for key, value in given.items() if key not in ("self", "size", "dtype")]
    if name in KEEPS:
        return None if given.get("train") and given.get("p") else x.viewed(y)
    if part is not None:
        found = x.taken(*part)
        return found if found is None or len(y) == len(x.groups) else found.without(part[0])
    if name == "permute":
        return x.permuted(given["dims"])
    if name in SWAPS:
        return x.swapped(*numbers[:2])
    if name in LAST:
        return x.swapped(-1, -2) if len(y) == 2 or name in ("mT", "mH", "adjoint") else None
    if name in ("expand", "expand_as", "broadcast_to"):
        return x.spread(y)
    axis = given.get("dim", 0)
    if not isinstance(axis, int) or axis >= len(x.groups):
        return None
    if name == "select":
        place = given["index"] % x.size[axis]
        found = x.taken(axis, place, 1)
        return None if found is None else found.without(axis)
    if name in ("slice", "narrow"):
        size = x.size[axis]
        start = min(max((given.get("start") or 0) + (size if (given.get("start") or 0) < 0 else 0), 0), size)
        return x.taken(axis, start, y[axis], given.get("step", 1))
    if name == "repeat_interleave" and isinstance(given.get("repeats"), int):
        return x.repeated(axis, given["repeats"]) if given.get("dim") is not None else None
    if name in ("mul", "div") and isinstance(given.get("other"), int | float) and x.size == y:
        other = float(given["other"])
        return x._replace(factor=x.factor * other if name == "mul" else x.factor / other)
    return None
