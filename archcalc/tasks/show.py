"""The spec of a model as it stands in its file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from .. import files
from ..errors import UsageError
from ..language import zoo
from ..language.zoo import LAID_BY_FILE, SUFFIXES, Selection, select
from ..networks import is_code


@dataclass(frozen=True, slots=True)
class SpecSource:
    """A spec file, byte by byte; `note` says over what the model is laid, and with which keys, if it is no plain
    variant of the file."""

    path: Path
    content: bytes = field(repr=False)
    note: str = ""


def show(model: str) -> SpecSource:
    """The file that holds a model or a family, or what stands at a path, also if it cannot be read as a spec.

    Raises UsageError for an unknown name, SpecError for what is no file and for a bad spec."""
    if is_code(model):
        raise UsageError(f"`{model}` is code, and has no spec to print", f"`archcalc export {model}` writes one.")
    path, selection = _find(model)
    content = files.read(path, files.MOST, "a spec file", model)
    return SpecSource(path, content, _laid_over(selection) if selection is not None else "")


def _find(reference: str) -> tuple[Path, Selection | None]:
    """The file, and the model where one is named."""
    suffixes = "|".join(map(re.escape, SUFFIXES))
    path = re.fullmatch(rf"(.*?(?:{suffixes}))(?::.*)?", reference, re.DOTALL)
    if path or reference.startswith((".", "~", "/")):
        return files.typed(path.group(1) if path else reference), None
    if re.fullmatch(r"[A-Za-z0-9._-]+", reference):
        family = zoo.specs_dir() / f"{reference}.yaml"
        if family.is_file():
            return family, None
    selection = select(reference)
    return zoo.specs_dir() / selection.spec, selection


def _laid_over(selection: Selection) -> str:
    entry = selection.entry
    if entry is None or selection.plain:
        return ""
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
