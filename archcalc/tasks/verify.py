"""Models held against their torch networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import models as library
from ..errors import UsageError
from ..language.zoo import all_of, at_input
from ..parallel import Tick
from ..views import Tabular

if TYPE_CHECKING:
    from ..runtime.verify import Verified


@dataclass(frozen=True, slots=True)
class VerifyResult(Tabular):
    """What was found about each model. `notes` say of some, by name, what makes them other networks than they seem."""

    models: tuple[Verified, ...]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return all(verified.ok for verified in self.models)

    @property
    def ran(self) -> bool:
        """Whether all of them ran: there was memory for each, if only with fewer layers."""
        return all(verified.ran for verified in self.models)


def verify(*models: str, every: bool = False, tick: Tick | None = None) -> VerifyResult:
    """Hold models against their torch networks, or with `every` all that ship: parameters, shapes, MACs by two
    counters, and whether they run.

    A family, a pattern and a file stand for their models. Raises UsageError for an unknown name, SpecError for a bad
    spec, Unavailable where torch or fvcore is missing."""
    names = list(dict.fromkeys([*all_of(models), *(library.models() if every else ())]))
    if not names:
        raise UsageError("verify what?", "Name models, `archcalc verify resnet50`, or all that ship: `--all`.")
    found = library.verify(names, tick)
    specs = {verified.model: library.load(verified.model) for verified in found if not verified.code}
    notes = {name: model.notes if at_input(name)[1] else model.stands_in for name, model in specs.items()}
    return VerifyResult(found, {name: said for name, said in notes.items() if said})
