"""Files: those of others read within bounds, ours written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

from .errors import SpecError, Unavailable, UsageError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

fcntl: Any = import_module("fcntl") if os.name != "nt" else None  # Windows has none

Version = tuple[int, int, int]  # of a file: when it was written, its size, and which it is


def version(path: Path) -> Version:
    """What changes when a file does. Raises OSError."""
    try:
        found = path.stat()
    except ValueError as error:  # a name that no file can have: of surrogates, or with a NUL
        raise FileNotFoundError(errno.ENOENT, str(error), str(path)) from None
    return found.st_mtime_ns, found.st_size, found.st_ino


WAS_READ: set[tuple[int, int]] = set()  # the files of others that this command read, as the system numbers them


# --- of others ----------------------------------------------------------------------------------------------------

ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}  # there can be no such file
MOST = 1 << 20  # bytes of a text that people write by hand: a spec, a `pyproject.toml`
DIGITS = 4_000  # of a number; Python refuses to read more than 4,300
DEEP = 50  # brackets in brackets, where a reader gave up
# What reading a text raises where it is not as its reader thinks: also UnicodeError, JSON's and TOML's own errors.
FAULTS = (ValueError, OverflowError, RecursionError)


def typed(name: str | Path) -> Path:
    """The path that somebody typed; `~nobody`, where there is no such user, is a name as any other, as in a shell.
    Raises UsageError for what no file can be called: with a NUL, or of halves of characters."""
    try:
        possible = b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise UsageError(f"there is no file `{name}`", "No file can be called so.")
    return Path(os.path.expanduser(name))  # noqa: PTH111  # `Path.expanduser` raises RuntimeError for it


def inside(named: str, by: Path, path: Path) -> bool:
    """Whether the file `by` may name another one, from here `path`, as `named`: relative to its own folder and, links
    followed, below that or below the repository that it stands in."""
    if Path(named).is_absolute() or named.startswith("~"):
        return False
    try:
        own, target = by.parent.resolve(), path.resolve()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return False
    return any(target.is_relative_to(root) for root in (own, repository(own)) if root is not None)


def repository(folder: Path) -> Path | None:
    """The repository that a folder stands in: the nearest one with a `.git`, itself or above; None where there is
    none."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)


def read(path: Path, most: int, what: str, name: str = "", hint: str = "", *, cut: bool = False) -> bytes:
    """The bytes of a file that anybody may have made: a regular one (no pipe, no device, nothing of /proc, which has
    no size of its own) of at most `most` bytes, which are counted as they come; with `cut` its first ones. `what` it
    should be, `name` is what messages call it, `hint` is for where it is missing. Raises SpecError, and shows nothing
    of what is in it."""
    name = name or str(path)
    try:
        if path.is_dir():
            raise SpecError(f"`{name}` is a directory, not {what}")
        # Whoever opens a pipe waits for its other end, unless it is told not to.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb", buffering=0) as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise SpecError(f"`{name}` is not a regular file")
            data = _bounded(file, min(found.st_size, most) + 1, most + 1)
            WAS_READ.add((found.st_dev, found.st_ino))
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno in ABSENT:
            raise SpecError(f"there is no file `{name}`", hint=hint) from None
        raise SpecError(f"cannot read `{name}`: {error.strerror or error}") from None
    if data and not found.st_size:
        raise SpecError(f"`{name}` is not a regular file")
    if len(data) > most and not cut:
        raise SpecError(f"`{name}` is larger than {most >> 20} MiB: not read")
    return data[:most]


def _bounded(file: FileIO, first: int, most: int) -> bytes:
    """At most `most` bytes; `first` are read at once."""
    pieces, left = [], most
    while left and (piece := file.read(min(first, left))):
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def decoded(data: bytes, name: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark. Raises SpecError that says where it is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SpecError(f"`{name}` is not UTF-8 text (byte {error.start + 1}, line {line})") from None


def fault(error: Exception, text: str) -> str:
    """What a reader of JSON or TOML stumbled over (one of FAULTS), with its place, which some errors do not say."""
    if isinstance(error, RecursionError):
        depths = accumulate((char in "[{") - (char in "]}") for char in text)
        at = next((at for at, depth in enumerate(depths) if depth > DEEP), 0)
        return f"it is nested too deeply (line {_line(text, at)})"
    long = re.search(rf"[0-9_]{{{DIGITS},}}", text) if "digits" in str(error) else None
    if long is not None:
        return f"a number of more than {DIGITS:,} digits is refused (line {_line(text, long.start())})"
    return str(error)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


# --- ours ---------------------------------------------------------------------------------------------------------


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


def spare_read(path: Path, said: str) -> None:
    """Raise UsageError if this file was read, by any of its names: nothing that is written takes its place. `said` is
    what messages call it."""
    with suppress(OSError):
        found = path.stat()
        if (found.st_dev, found.st_ino) in WAS_READ:
            raise UsageError(f"`{printable(said)}` was read: nothing takes its place", "Name another file.")


def replace(path: Path, text: str | bytes) -> None:
    """Write beside the file and move it there, so that nobody ever reads half of it; a link stays one, and what is
    moved is on the disk. What killed runs have left in the folder is removed. Raises OSError."""
    data = text.encode(errors="replace") if isinstance(text, str) else text  # a name of a file may be no text
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
