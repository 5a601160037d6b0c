"""The pytest plug-in: `pytest --archcalc` collects locks and specs, an item a model; the fixture `archcalc` asserts.

It is loaded in every run of pytest, so it imports nothing until something is collected.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing import Assertions


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("archcalc")
    group.addoption("--archcalc", action="store_true", help="check archcalc's locks and specs as tests")


def pytest_configure(config: pytest.Config) -> None:
    """With `--archcalc`, locks count wherever they are, also where `testpaths` leads elsewhere."""
    if config.getoption("--archcalc") and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        from .gate.build import find_locks

        inside = [Path(config.invocation_params.dir, path) for path in config.args]
        for lock in find_locks(config.rootpath):
            if not any(lock.is_relative_to(path) for path in inside):
                config.args.append(str(lock))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A lock or a spec, where `--archcalc` asks for all, or where it is named."""
    if file_path.suffix not in (".lock", ".yaml", ".yml"):
        return None
    named = parent.session.isinitpath(file_path)
    if not named and not parent.config.getoption("--archcalc"):
        return None
    if file_path.suffix == ".lock":
        from .gate.lock import is_lock

        return LockFile.from_parent(parent, path=file_path) if is_lock(file_path) else None
    from .language.names import read_names

    return SpecFile.from_parent(parent, path=file_path) if read_names(file_path).is_spec else None


class LockFile(pytest.File):
    """A lock: an item for each of its models."""

    def collect(self) -> Iterable[pytest.Item]:
        from .errors import ArchcalcError, logged
        from .gate.lock import read_lock

        try:
            lock = read_lock(self.path, _shown(self.path))
        except ArchcalcError as error:
            raise self.CollectError(logged(error.render())) from None
        for name, section in lock.sections.items():
            yield Item.from_parent(self, name=name, line=section.model.line - 1)

    def check(self, name: str) -> None:
        """Raises AssertionError where the model is not as locked; skips it where only a measurement is missing."""
        from .testing import NotMeasured, assert_locked

        try:
            assert_locked(_shown(self.path), name)
        except NotMeasured as error:
            pytest.skip(str(error).rstrip("\n").rpartition("\n")[2])


class SpecFile(pytest.File):
    """A spec: an item for the figures that it quotes."""

    def collect(self) -> Iterable[pytest.Item]:
        yield Item.from_parent(self, name="claims", line=0)

    def check(self, name: str) -> None:
        """Raises AssertionError where a figure does not hold."""
        from .testing import assert_claims

        assert_claims(_shown(self.path))


class Item(pytest.Item):
    """What its file checks under a name."""

    parent: LockFile | SpecFile

    def __init__(self, line: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.line = line

    def runtest(self) -> None:
        self.parent.check(self.name)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong, without the way there."""
        from .errors import ArchcalcError, logged

        if isinstance(excinfo.value, ArchcalcError):
            return logged(excinfo.value.render())
        if isinstance(excinfo.value, AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.line, f"archcalc {self.name}"


def _shown(path: Path) -> str:
    """The path from here, as messages call it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@pytest.fixture(scope="session")
def archcalc(pytestconfig: pytest.Config) -> Assertions:
    """`archcalc.testing`, with paths that begin where pytest's root is."""
    from .testing import Assertions

    return Assertions(pytestconfig.rootpath)
