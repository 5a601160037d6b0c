"""What `archcalc summary` shows, before anything renders it: the counts, the claims' verdicts and the measurement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .analyse import Report
from .reported import Judgement

if TYPE_CHECKING:
    from .measured import Measurement
    from .training import Training


@dataclass(frozen=True, slots=True)
class Summary:
    """One model at one input, batch and dtype.

    `source` says what the layers quote (`Table 1`), `namesake` which network this is where another goes by its name,
    `settings` what was set by hand, `counted` how it is counted where that is not as usual. `judgements` are empty
    where the printed input or constants were changed. `training` is there where a training step was asked for.
    """

    model: str
    family: str
    variant: str
    title: str
    cite: str
    spec: str
    source: str
    namesake: str
    settings: dict[str, str]
    report: Report = field(repr=False)
    judgements: tuple[Judgement, ...] = field(default=(), repr=False)
    measured: Measurement | None = field(default=None, repr=False)
    counted: str = ""
    training: Training | None = field(default=None, repr=False)
