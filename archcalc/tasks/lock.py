"""Write down what models are, for `check` to hold them against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import files
from ..errors import ArchcalcError, UsageError, printable
from ..gate.build import BuildRequest, build_many, is_other, name_in, names_in, reference
from ..gate.lock import NAME, Entry, entry_of
from ..gate.store import store
from ..language.zoo import at_input
from ..models import load
from ..networks import Reference, as_traced, is_code, name_of
from ..parallel import Tick


@dataclass(frozen=True, slots=True)
class LockedModel:
    """A model in a lock: its entry, and what the lock had of it before."""

    entry: Entry
    state: Literal["locked", "as it was", "locked anew"]


@dataclass(frozen=True, slots=True)
class LockResult:
    """A lock that was written, and the models that were put into it, in the order they were named."""

    path: Path
    models: tuple[LockedModel, ...]


def lock(
    *models: Reference,
    path: str | Path = NAME,
    by_rows: bool = False,
    tick: Tick | None = None,
) -> LockResult:
    """Write what matters of models to a lock; those that it has are locked anew, its others and its budgets stay.

    `models` are names, spec files with all of their models, traces, or code; `by_rows`: a line for each row of the
    paper's table, not for each node. `tick` hears how many models are done. Raises UsageError, SpecError."""
    shown, path = printable(str(path)), files.typed(path)
    if path.suffix != ".lock":
        raise UsageError(f"`{shown}` is no name for a lock", "A lock ends in `.lock`.")
    if not path.parent.is_dir():
        raise UsageError(f"`{shown}` is in a folder that does not exist")
    code = {name_of(model): model for model in models if is_code(at_input(name_of(model))[0])}
    others = [name for model in models if (name := name_of(model)) not in code]
    for name, (plain, size) in ((name, at_input(name)) for name in others):
        if size is not None:
            hint = (
                f"Lock `{plain}`; another input is a model of a file, as `models: {{mine: {{variant: …, input: …}}}}`."
            )
            raise UsageError(f"`{printable(name)}`: a lock holds a spec at the input that it prints", hint)
    names = dict.fromkeys(
        name for model in others for name in ([name_in(model, path)] if is_other(model) else names_in(model, path))
    )
    entries = [
        entry_of(name_in(at_input(name)[0], path), as_traced(load(model).graph), by_rows)
        for name, model in code.items()
    ]
    for built in build_many([BuildRequest(reference(name, path), name, path, by_rows, "") for name in names], tick):
        if isinstance(built, ArchcalcError):
            raise built
        assert built.entry is not None  # nothing was locked that it could be like
        entries.append(built.entry)
    before = store(path, entries).sections
    found = []
    for entry in entries:
        old = before.get(entry.model)
        unchanged = old is not None and old.lines() == entry.text()
        found.append(LockedModel(entry, "locked" if old is None else "as it was" if unchanged else "locked anew"))
    return LockResult(path, tuple(found))
