"""Networks that are no specs: code as it is spelled, and traces of code. Nothing is imported until code is spelled."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from fractions import Fraction
from json import loads
from typing import TYPE_CHECKING, Any

from .errors import UsageError, installed
from .files import FAULTS, MOST, read, typed
from .graph import Graph, Input
from .language.zoo import at_input
from .networks import LIBRARIES, Reference, Settings, Spelled, input_at, inputs_of, is_code, says_input
from .tracing import SUFFIX

if TYPE_CHECKING:  # specs do without
    from .tracing.traced import Traced


def front(reference: str, input: Input | None, settings: Settings) -> Graph | None:
    """The graph of code or of a trace; None for another spelling. Raises UsageError, SpecError, Unavailable."""
    if is_code(reference):
        _no_settings(reference, settings)
        return of_code(reference, input)
    head = reference.partition(":")[0]
    if _is_trace(head):
        from .tracing import code, traced

        _no_settings(reference, settings)
        if input is not None:
            raise UsageError(f"`{reference}` is a trace at the input it has", "Trace the code at another one.")
        allow_unknown = isinstance(reference, Spelled) and reference.allow_unknown
        return code.graph(traced.read(typed(head), head), None, allow_unknown)
    if reference.endswith(".py"):
        raise UsageError(f"`{reference}` is a file of Python: name what is in it", _in_it(reference))
    return None


def _in_it(name: str) -> str:
    """What the classes and functions of a file are called, which is read and not run. Raises SpecError."""
    try:
        parts = ast.parse(read(typed(name), MOST, "code", name)).body
    except (SyntaxError, MemoryError, *FAULTS):
        parts = []
    words = [part.name for part in parts if isinstance(part, ast.ClassDef | ast.FunctionDef) and part.name[0] != "_"]
    return f"Such as `{name}:{words[-1] if words else 'Net'}`." + (f" It has {', '.join(words)}." if words[1:] else "")


def of_code(reference: str, input: Input | None) -> Graph:
    """Import what a reference spells, build it and run it once. Raises UsageError, SpecError, Unavailable."""
    with installed():
        from .runtime.capture import capture
    asked = reference if isinstance(reference, Spelled) else Spelled(reference)
    module, inputs, made = _built(asked, reference, input)
    return capture(module, inputs, name=reference, example=asked.example, unknown=asked.allow_unknown, made=made)


def traced_code(reference: str, input: Input | None, batch: int, dtype: str) -> tuple[Traced, Graph]:
    """The trace of what a reference spells, and its graph. Raises UsageError, SpecError, Unavailable."""
    from .tracing.code import graph

    with installed():
        from .runtime.capture import Captured
    asked = reference if isinstance(reference, Spelled) else Spelled(reference)
    name, size = at_input(reference)
    module, inputs, made = _built(asked.called(name), reference, size if input is None else input)
    found, files = Captured(module, inputs, name, asked.example, made=made).trace(batch, dtype)
    return found, graph(found, files, asked.allow_unknown)


def made_with(reference: Reference, settings: Settings) -> Reference:
    """Code as it is made with more than is said beside it: numbers, and words as JSON has them, or as they are."""
    asked = reference if isinstance(reference, Spelled) else Spelled(str(reference))
    return asked.made_with({name: _value(value) for name, value in settings.items()})


def _value(value: int | float | str | Fraction) -> Any:
    if not isinstance(value, str):
        return float(value) if isinstance(value, Fraction) else value
    try:
        return loads(value)
    except ValueError:
        return value


def arguments(reference: Reference) -> list[str] | None:
    """What code is made with, by name; None where that may be anything. Raises as `of_code` does."""
    with installed():
        from .runtime import reference as spelled
    return spelled.arguments(at_input(str(reference))[0], isinstance(reference, Spelled))


def _built(asked: Spelled, reference: str, input: Input | None) -> Any:
    with installed():
        from .runtime import reference as spelled
    return spelled.built(asked, input, asked.kwargs, isinstance(reference, Spelled))


def is_other(reference: str) -> bool:
    """Whether a reference is no spec: code, or a trace."""
    head = reference.partition(":")[0].partition("@")[0]
    return is_code(reference.partition("@")[0]) or _is_trace(head)


def _is_trace(path: str) -> bool:
    if not path.endswith(SUFFIX):
        return False
    from .tracing.traced import is_trace

    return is_trace(typed(path))


def with_input(reference: str, others: Sequence[str], settings: Settings | None = None) -> str:
    """Somebody's own code of which nobody says what it takes, at the input of the first of the others that is a spec
    and has one: what they are compared at. Any other reference as it is."""
    if not is_code(reference) or says_input(reference) or reference.partition(":")[0] in LIBRARIES:
        return reference
    for other in others:
        if is_other(other) or other.endswith(SUFFIX):
            continue
        name, size = at_input(other)
        inputs = inputs_of(name, settings) if size is None else input_at(name, size, settings)
        shapes = [*inputs.values()] if isinstance(inputs, Mapping) else [inputs]
        if len(shapes) == 1:
            text = f"{reference}@{'x'.join(map(str, shapes[0]))}"
            return reference.called(text) if isinstance(reference, Spelled) else text
    return reference


def _no_settings(reference: str, settings: Settings) -> None:
    if settings:
        raise UsageError(
            f"`{reference}` is no spec, and has no constants to set", "`--kwargs` has what it is made with."
        )
