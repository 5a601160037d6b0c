"""Models held against their torch networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import models as library
from ..errors import UsageError
from ..language.zoo import all_of
from ..parallel import Tick
from ..views import Tabular

if TYPE_CHECKING:
    from ..runtime.verify import Verified


@dataclass(frozen=True, slots=True)
class VerifyResult(Tabular):
    """What was found about each model."""

    models: tuple[Verified, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return all(verified.ok for verified in self.models)

    @property
    def ran(self) -> bool:
        """Whether all of them ran: there was memory for each."""
        return not any(verified.not_run for verified in self.models)


def verify(*models: str, every: bool = False, tick: Tick | None = None) -> VerifyResult:
    """Hold models against their torch networks, or with `every` all that ship: parameters, shapes, MACs by two
    counters, and whether they run.

    A family, a pattern and a file stand for their models. Raises UsageError for an unknown name, SpecError for a bad
    spec, Unavailable where torch or fvcore is missing."""
    names = list(dict.fromkeys([*all_of(models), *(library.models() if every else ())]))
    if not names:
        raise UsageError("verify what?", "Name models, `archcalc verify resnet50`, or all that ship: `--all`.")
    return VerifyResult(library.verify(names, tick))
