"""Files that are written whole, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from .errors import Unavailable, UsageError, printable

fcntl: Any = import_module("fcntl") if os.name != "nt" else None  # Windows has none

Version = tuple[int, int, int]  # of a file: when it was written, its size, and which it is


def version(path: Path) -> Version:
    """What changes when a file does. Raises OSError."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def at_home(path: str | Path) -> Path:
    """`~/net.yaml` as a path; `~nobody/net.yaml` stays as it is, and is not there."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # that of `Path` raises where nobody is called so


def writable(path: str, option: str) -> Path:
    """The absolute path of a file to write, as `option` names it. Raises UsageError where there can be none,
    Unavailable where it may not be written."""
    found = Path(os.path.realpath(path))
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
    """Write beside the file and move it there, so that nobody ever reads half of it; a link stays one, and what is
    moved is on the disk. What killed runs have left in the folder is removed. Raises OSError."""
    data = text.encode() if isinstance(text, str) else text
    asked, path = path, Path(os.path.realpath(path))
    if path.exists() and not path.is_file():  # /dev/null, a pipe
        path.write_bytes(data)
        return
    tidy(path.parent)
    beside = None
    try:
        handle, beside = _new(path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if path.exists():
                beside.chmod(path.stat().st_mode & 0o777)
            os.fsync(handle)
            if fcntl is not None:  # the lock goes with the file, which then is the user's
                beside.replace(path)
        if fcntl is None:
            beside.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(asked), None  # the file beside it nobody knows
        raise
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


BESIDE = ".archcalc-", ".tmp"  # before and behind 16 random digits
_FLAGS = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC if fcntl is not None else getattr(os, "O_BINARY", 0)


def _new(folder: Path) -> tuple[int, Path]:
    """A new file in a folder, of a name that nobody can foresee, held until it is closed."""
    while True:
        path = folder / f"{BESIDE[0]}{os.urandom(8).hex()}{BESIDE[1]}"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)
        if fcntl is None:
            return handle, path
        with suppress(OSError):  # of a file system that knows no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # else another run took it for left over before it was held
            return handle, path
        os.close(handle)


def tidy(folder: Path) -> None:
    """Remove the files that killed runs left here: such that nobody holds. None where that is forbidden."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(BESIDE[0]) and entry.name.endswith(BESIDE[1]):
                with suppress(OSError):
                    handle = os.open(entry.path, os.O_RDONLY | _FLAGS)
                    try:
                        if stat.S_ISREG(os.fstat(handle).st_mode):
                            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                            Path(entry.path).unlink()
                    finally:
                        os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other run holds this folder, and hold it. The system ends it with the process, however that
    ends."""
    if fcntl is None:  # Windows: the last one wins, and the file is whole
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
