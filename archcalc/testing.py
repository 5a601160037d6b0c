"""Assertions about networks, for tests in Python: what `archcalc check` judges, one at a time.

from archcalc.testing import assert_locked, assert_within

def test_network():
    assert_locked("archcalc.lock")
    assert_within("net.yaml:small", "params <= 1.2M", "peak_memory_bytes <= 4MiB")
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import Source, Text, UsageError, logged, printable
from .gate.build import reference
from .models import Model, load
from .networks import is_code


class NotMeasured(AssertionError):
    """All that can be counted is as locked, but a required budget was not measured, or code did not run: nobody
    knows."""


@dataclass(frozen=True, slots=True)
class Assertions:
    """The assertions, with paths that begin at `folder`. Bad specs, locks and budgets raise ArchcalcError."""

    folder: Path

    def load(self, model: str) -> Model:
        """`archcalc.load`."""
        return load(reference(model, self.folder / "archcalc.lock"))

    def assert_locked(self, lock: str | Path = "archcalc.lock", *models: str) -> None:
        """The models of a lock, all of them unless some are named, are what is locked. Raises AssertionError with the
        difference by layer; NotMeasured, which is one, where only a required budget for latency is open."""
        __tracebackhide__ = True
        from .gate.build import CheckedLock, check_model
        from .gate.lock import read_lock
        from .show.check import page
        from .show.writers import write
        from .tasks.check import CheckResult

        path = self.folder / lock
        found = read_lock(path, str(path))
        for name in models:
            if name not in found.sections:
                raise UsageError(f"`{name}` is not in `{path}`", f"There are {', '.join(found.sections)}.")
        for name in filter(is_code, models or found.sections):
            raise NotMeasured(f"`{name}` is code, which no lock runs: `archcalc check` does where it spells it")
        checked = tuple(check_model(found, name) for name in models or found.sections)
        for model in checked:
            if model.error is not None:
                raise model.error
        run = CheckResult((CheckedLock(found.name, path, checked),))
        if not run.ok:  # no `assert`: pytest would add to what it says
            kind = NotMeasured if run.exit_code == 3 else AssertionError
            raise kind(logged(write(page(run), "text")))

    def assert_within(self, model: str, *budgets: str) -> None:
        """A model keeps within `params <= 25.6M`, … Raises AssertionError with what it costs."""
        __tracebackhide__ = True
        from .gate.budgets import judge, quantities, read_budgets, with_receptive_field
        from .show.drift import budget

        source = Source("assert_within", budgets)
        lines = [Text(line, source, number, 1) for number, line in enumerate(budgets, 1)]
        read = [each for line in lines for each in read_budgets(line)]
        for found in read:
            if found.measured:
                raise found.text.error(f"`{found.quantity}` is measured: `Model.measure()` does, or a budget in a lock")
        counts = quantities(self.load(model).report(), with_receptive_field(read))
        broken = [found for found in judge(read, model, counts) if not found.holds]
        if broken:
            said = map(printable, [f"{model} is over its budget", *map(budget, broken)])
            raise AssertionError(logged("\n".join(said)))

    def assert_same(self, model: str, other: str) -> None:
        """A model is another one, node by node, however both are written. Raises AssertionError with what differs."""
        __tracebackhide__ = True
        from .show.diff import page
        from .show.writers import write
        from .tasks.diff import diff

        lock = self.folder / "archcalc.lock"
        found = diff(reference(model, lock), reference(other, lock))
        if not found.equal:
            raise AssertionError(logged(write(page(found), "text")))

    def assert_claims(self, spec: str | Path) -> None:
        """The figures that a spec file quotes hold or stand under an erratum, and its errata apply. Raises
        AssertionError with those that do not."""
        __tracebackhide__ = True
        from .tasks.check import check_spec

        path = self.folder / spec
        found = [problem.render() for problem in check_spec(path, str(path)).problems]
        if found:
            raise AssertionError(logged("\n".join(found)))


here = Assertions(Path())
assert_locked, assert_within, assert_claims = here.assert_locked, here.assert_within, here.assert_claims
assert_same = here.assert_same
__all__ = ["Assertions", "NotMeasured", "assert_claims", "assert_locked", "assert_same", "assert_within", "load"]
