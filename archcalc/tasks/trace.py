"""A trace of code, for commands that load no torch, for CI and for bug reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..files import replace, writable
from ..fronts import traced_code
from ..graph import Graph, Input
from ..networks import Reference, is_code, name_of
from ..tracing import SUFFIX
from ..tracing.traced import Traced, text


@dataclass(frozen=True, slots=True)
class TraceResult:
    """A trace, the graph that it is read as, and the file that it was written to."""

    path: Path
    traced: Traced
    graph: Graph


def trace(
    code: Reference, path: str | Path, *, batch: int = 1, dtype: str = "float32", input: Input | None = None
) -> TraceResult:
    """Run code once on `meta` and write what it did to a file. Raises UsageError, SpecError, Unavailable."""
    spelled = name_of(code)
    if not is_code(spelled.partition("@")[0]):
        raise UsageError(f"`{spelled}` is not code", "Code is spelled `file.py:name` or `package.module:name`.")
    if Path(path).suffix != SUFFIX:
        raise UsageError(f"`{path}` is no name for a trace", f"A trace ends in `{SUFFIX}`.")
    file = writable(str(path), "--output")
    traced, graph = traced_code(spelled, input, batch, dtype)
    replace(file, text(traced))
    return TraceResult(Path(path), traced, graph)
