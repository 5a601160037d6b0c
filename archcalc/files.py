"""Files that are written whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Unavailable, UsageError, printable

Version = tuple[int, int, int]  # of a file: when it was written, its size, and which it is


def version(path: Path) -> Version:
    """What changes when a file does. Raises OSError."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def writable(path: str, option: str) -> Path:
    """The absolute path of a file to write, as `option` names it. Raises UsageError where there can be none,
    Unavailable where it may not be written."""
    found = Path(path).resolve()
    if found.is_dir() or not found.parent.is_dir():
        what = "a folder" if found.is_dir() else "in a folder that does not exist"
        raise UsageError(f"`{option} {printable(path)}` is {what}")
    device = found.exists() and not found.is_file()
    for place in [found] if device else [found.parent, *([found] if found.exists() else [])]:
        if not os.access(place, os.W_OK):
            what = "is read-only" if place == found else "is in a folder that is read-only"
            raise Unavailable(f"`{option} {printable(path)}` {what}")
    return found


def replace(path: Path, text: str | bytes) -> None:
    """Write beside the file and move it there, so that nobody ever reads half of it."""
    data = text.encode() if isinstance(text, str) else text
    if path.exists() and not path.is_file():  # /dev/null, a pipe
        path.write_bytes(data)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(data)
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o777)
        beside.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # the file beside it nobody knows
        raise
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other run holds this folder, and hold it. The system ends it with the process, however that
    ends."""
    try:
        import fcntl
    except ImportError:  # Windows: the last one wins, and the file is whole
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
