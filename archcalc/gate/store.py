"""Locks on disk: entries put into a file, and what has changed accepted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from .. import files
from .build import CheckedLock
from .lock import Entry, Lock, read_lock


def store(path: Path, entries: Iterable[Entry]) -> Lock:
    """Put entries into a lock, which is read again for it, as another run may have written meanwhile; it is replaced
    whole. Returns the lock as it was. Raises SpecError."""
    path, name = Path(os.path.realpath(path)), str(path)  # a lock that is a link stays one
    with files.alone(path.parent):
        files.tidy(path.parent)
        before = read_lock(path, name) if path.exists() else Lock(path, name, {})
        text = before.text(entries)
        if not path.exists() or path.read_bytes() != text.encode():
            files.replace(path, text)
    return before


def accept(locks: Sequence[CheckedLock]) -> tuple[CheckedLock, ...]:
    """Write what has changed to the locks. Returns them with these models marked as updated. Raises SpecError."""
    found = []
    for lock in locks:
        entries = [model.now for model in lock.models if model.now is not None]
        if entries:
            store(lock.path, entries)
        models = tuple(replace(model, updated=model.now is not None) for model in lock.models)
        found.append(replace(lock, models=models))
    return tuple(found)
