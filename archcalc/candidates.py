"""A model at many settings, as a sweep asks for it: only totals, and quickly."""

from __future__ import annotations

from collections.abc import Mapping

from .analysis.counts import Totals, analyse
from .analysis.pieces import Known, totals
from .errors import ArchcalcError
from .graph import Input
from .language.pieces import Pieces
from .language.zoo import Selection
from .networks import Number, Reference, Settings, checked, network, numbers, selected
from .ops import OpError
from .pieces import Piece, Unfolded
from .records import NamedTuple


class Exceeded(NamedTuple):
    """A limit that a network passes: the total, how much it is at least, and how much it may be."""

    name: str
    found: int
    limit: Number


class Candidates:
    """A model at many inputs and settings, for its totals alone: what is alike in several is built and counted once.

    `selection` is the model of a spec. Of code there are no candidates."""

    def __init__(self, reference: Reference | Selection) -> None:
        self.selection, self._input = selected(reference)
        self._pieces: Pieces | None = Pieces(self.selection)

    def totals(
        self,
        settings: Settings | None = None,
        input: Input | None = None,
        batch: int = 1,
        dtype: str = "float32",
        limits: Mapping[str, Number] | None = None,
    ) -> Totals | Exceeded:
        """The totals of the main path, or the first of `limits`, by names of totals, that it passes: of parameters,
        MACs and FLOPs that is known before all is built, also of a network that does not build. Raises as `network`
        does."""
        limits = limits or {}
        found = self._of_pieces(settings or {}, input or self._input, batch, dtype, limits) if self._pieces else None
        if found is None:
            graph = network(self.selection, input or self._input, settings).graph
            found = analyse(graph, 1, dtype).at_batch(batch).totals
        return found if not limits or isinstance(found, Exceeded) else _exceeded(found.counts(), limits) or found

    def _of_pieces(
        self, settings: Settings, input: Input | None, batch: int, dtype: str, limits: Mapping[str, Number]
    ) -> Totals | Exceeded | None:
        """The same; None where all is to be built, for its totals or for what is wrong."""
        assert self._pieces is not None
        known = Known(batch, dtype)

        def seen(piece: Piece) -> None:
            known.add(piece)
            passed = _exceeded(known.counts(), limits)
            if passed is not None:
                raise _Passed(passed)

        try:
            values, shape = numbers(self.selection, settings), None if input is None else checked(input)
            return totals(*self._pieces.network(values, shape, seen if limits else None), batch, dtype)
        except _Passed as passed:
            return passed.limit
        except Unfolded:
            self._pieces = None  # the next ones are no other
        except (ArchcalcError, OpError):
            pass
        return None


class _Passed(Exception):
    def __init__(self, limit: Exceeded) -> None:
        super().__init__(limit.name)
        self.limit = limit


def _exceeded(counts: Mapping[str, int], limits: Mapping[str, Number]) -> Exceeded | None:
    return next((Exceeded(n, counts[n], limit) for n, limit in limits.items() if counts.get(n, 0) > limit), None)
