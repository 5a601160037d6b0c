"""Write a commented spec to start from."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError, printable
from ..language.starter import check_name, starter
from ..language.zoo import SUFFIXES, known_names


def new(name: str, path: str | Path = "") -> Path:
    """Write a spec of a family called `name` that runs, with a comment for every key, to `path`, or `name`.yaml.

    Returns where. A file that is there stays as it is. Raises UsageError."""
    check_name(name, known_names())
    path = Path(path or f"{name}.yaml")
    shown = printable(str(path))
    if path.suffix not in SUFFIXES:
        raise UsageError(f"`{shown}` is no name for a spec file", "A spec ends in `.yaml`.")
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(starter(name))
    except FileExistsError:
        raise UsageError(f"`{shown}` is there already: it stays as it is") from None
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"`{shown}` is in a folder that does not exist") from None
    return path
