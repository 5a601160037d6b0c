"""`archcalc show MODEL`."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from . import completion as complete
from .options import in_color

if TYPE_CHECKING:
    from ..language.zoo import Selection


def show(
    model: Annotated[
        str,
        Argument(
            metavar="MODEL",
            help="A model (vgg16), a family (vgg), or a spec file (./my.yaml).",
            autocompletion=complete.models_and_families,
        ),
    ],
) -> None:
    """Print the spec of a model or family: the paper's table, and how it is read; in a pipe, the file as it is."""
    from ..errors import sentence

    path, selection = find(model)
    data = read(path, model)
    note = laid_over(selection) if selection is not None else ""
    if note:
        print(sentence(note), file=sys.stderr)
    if sys.stdout.isatty():
        from ..show.source import render

        sys.stdout.write(render(data.decode("utf-8-sig", "replace"), "spec", in_color()))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    sys.stdout.flush()


def find(reference: str) -> "tuple[Path, Selection | None]":
    """The file that holds a model, a family, or what stands at a path; and the model, where one is named.

    A file is shown also where it cannot be read as a spec. Raises UsageError, SpecError.
    """
    from ..language.zoo import SUFFIXES, select, specs_dir

    suffixes = "|".join(map(re.escape, SUFFIXES))
    path = re.fullmatch(rf"(.*?(?:{suffixes}))(?::.*)?", reference, re.DOTALL)
    if path or reference.startswith((".", "~", "/")):
        return Path(path.group(1) if path else reference).expanduser(), None
    if re.fullmatch(r"[A-Za-z0-9._-]+", reference):
        family = specs_dir() / f"{reference}.yaml"
        if family.is_file():
            return family, None
    selection = select(reference)
    return specs_dir() / selection.spec, selection


def read(path: Path, reference: str) -> bytes:
    """What stands in the file. Raises UsageError."""
    from ..errors import UsageError
    from ..language.reader import MAX_BYTES

    if path.is_dir():
        raise UsageError(f"`{reference}` is a directory, not a spec file")
    if not path.is_file():
        raise UsageError(f"`{reference}` is no regular file" if path.exists() else f"there is no file `{reference}`")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"`{reference}` is larger than 1 MiB: not a spec file")
    return path.read_bytes()


def laid_over(selection: "Selection") -> str:
    """Over what a model is laid, and with which keys; nothing for a plain variant."""
    entry = selection.entry
    if entry is None or selection.plain:
        return ""
    from ..language.zoo import LAID_BY_FILE

    own = [key.value for key, _ in entry.overlay.items()] if entry.overlay is not None else []
    if not entry.family:
        what = f"the variant `{entry.variant}`, in line {entry.name.line}"
        return f"`{selection.name}` lays {_listed(own)} over {what}"
    shared = [key for key in LAID_BY_FILE if selection.file.tree.get(key) is not None and key not in own]
    more = f"; `archcalc show {entry.family}` prints that"
    return f"`{selection.name}` lays {_listed([*shared, *own])} over `{entry.variant}` of `{entry.family}`{more}"


def _listed(keys: list[str]) -> str:
    shown = [f"`{key}`" for key in keys]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown) if shown else "nothing"
