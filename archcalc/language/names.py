"""The names in a spec file, without reading the spec: for lists, for the shell's completion, and to find a model."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from pathlib import Path

from ..errors import SpecError
from ..files import MOST, Version, read, version

KEY = re.compile(rb"^(?:\xef\xbb\xbf)?(from +\S+|[a-z_]+):", re.MULTILINE)  # of the top level, which nobody indents
BUILT_OF = {"layers", "models"}
BESIDE = {"input", "notation", "columns", "variants", "blocks", "given"}  # what no other YAML file has beside them


class SpecNames:
    """The names in a spec file: its `family`, by the file's name, its title and the models that it names. Only the
    first lines are parsed, and only once they are asked for. A file that is no YAML has no names."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.family, self.content = path, path.stem, content

    @cached_property
    def keys(self) -> set[str]:
        """The keys of the top level, as `layers` or `documents`."""
        return {key.decode() for key in KEY.findall(self.content)}

    @property
    def is_spec(self) -> bool:
        """Whether the file looks like a spec, beside other YAML files of a project."""
        return bool(self.keys & BUILT_OF and self.keys & BESIDE)

    @property
    def models(self) -> list[str]:
        """The names of `models:`, in order."""
        return self._parsed[0]

    @property
    def title(self) -> str:
        """The paper's title, or an empty text."""
        return self._parsed[1]

    def has(self, model: str) -> bool:
        """Whether `model` is one of the models."""
        return model.encode(errors="replace") in self.content and model in self.models  # most files need no parsing

    @cached_property
    def _parsed(self) -> tuple[list[str], str]:
        """The models and the title, by the YAML parser alone."""
        import yaml

        from .reader import LOADER

        names: list[str] = []
        title, key, depth, is_key = "", "", 0, True
        try:
            for event in yaml.parse(self.content.decode("utf-8-sig"), LOADER):
                if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                    depth += 1
                    is_key = True
                elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                    depth -= 1
                    is_key = True
                    if depth == 1 and key == "models" and title:
                        break
                elif isinstance(event, yaml.ScalarEvent):
                    if depth == 1 and is_key:
                        key = event.value
                    elif depth == 1 and key == "title":
                        title = " ".join(event.value.split())
                    elif depth == 2 and key == "models" and is_key:
                        names.append(event.value)
                    is_key = not is_key
        except (yaml.YAMLError, UnicodeError):
            return [], ""
        return names, title


def read_names(path: Path) -> SpecNames:
    """The names in a spec file; none where there is no such file."""
    try:
        return _read_version(path, version(path))
    except (OSError, SpecError):
        return SpecNames(path, b"")


@lru_cache(maxsize=256)
def _read_version(path: Path, _version: Version) -> SpecNames:
    return SpecNames(path, read(path, MOST, "a spec file"))
