"""The largest batch of a network that fits into a memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..analysis.fit import Fit
from ..errors import UsageError
from ..graph import Input
from ..models import Model, load
from ..networks import Reference, Settings
from ..ops import Shape
from ..units import read_size
from ..views import Tabular


@dataclass(frozen=True, slots=True)
class FitResult(Tabular):
    """A network at an input and in a dtype, and which batch of it fits."""

    model: str
    inputs: tuple[tuple[str, Shape], ...]
    dtype: str
    fit: Fit = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def batch(self) -> int:
        """The largest batch that fits, 0 where none does."""
        return self.fit.batch


def fit(
    model: Reference | Model,
    memory: int | str,
    *,
    optimizer: str = "",
    dtype: str = "float32",
    input: Input | None = None,
    settings: Settings | None = None,
) -> FitResult:
    """Find the largest batch whose computed peak, parameters and all, fits into `memory`: bytes, or `4GiB`.

    Of an inference, or with an `optimizer` of a training step. Raises UsageError, SpecError."""
    there = read_size(memory) if isinstance(memory, str) else memory
    if not there:
        raise UsageError(f"`--memory {memory}` is not a size", "Sizes are written 4GiB (1024³) or 4GB (1000³).")
    loaded = load(model, input=input, settings=settings)
    return FitResult(loaded.name, loaded.graph.inputs, dtype, loaded.fit(there, optimizer, dtype), loaded.notes)
