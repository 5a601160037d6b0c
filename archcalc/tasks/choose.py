"""Which of several networks are kept, and in which order: what `--where`, `--sort` and `--top` ask for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from ..bounds import Bound, one_of, read_where
from ..errors import ArchcalcError, Source, Text, printable
from ..records import NamedTuple

Record = TypeVar("Record")
Value = Callable[[Record, str], float | Fraction | None]  # of a record and a quantity; None where nobody knows


class NoneLeft(ArchcalcError):
    """No network keeps all bounds: an answer, and for `--where` a failed check."""

    exit_code = 1


class LeftOut(NamedTuple):
    """A network that is not kept: its name, and the bound that it breaks or of which nothing is known of it."""

    name: str
    bound: str
    known: bool


def said(left_out: Sequence[LeftOut]) -> list[str]:
    """Which networks each bound leaves out: `params < 3M: vgg16, resnet50`."""
    by_bound: dict[str, list[str]] = {}
    for name, bound, known in left_out:
        by_bound.setdefault(bound if known else f"{bound}, not known", []).append(name)
    return [printable(f"{bound}: {', '.join(names)}") for bound, names in by_bound.items()]


@dataclass(frozen=True, slots=True)
class Choice:
    """Bounds, the quantity to sort by, the largest first unless `rising`, and how many are kept."""

    bounds: tuple[Bound, ...] = ()
    sort: str = ""
    rising: bool = False
    top: int | None = None

    def of(self, records: Sequence[Record], value: Value[Record]) -> list[Record]:
        """The records that keep all bounds, in order."""
        kept = [record for record in records if self.broken(record, value) is None]
        if self.sort:
            ranked = [(value(record, self.sort), record) for record in kept]
            known = [(number, record) for number, record in ranked if number is not None]
            known.sort(key=lambda pair: pair[0] if self.rising else -pair[0])
            kept = [*(r for _, r in known), *(r for number, r in ranked if number is None)]
        return kept[: self.top]

    def broken(self, record: Record, value: Value[Record]) -> Bound | None:
        """The first bound that a record does not keep, or of which nobody knows."""
        for bound in self.bounds:
            number = value(record, bound.quantity)
            if number is None or not bound.holds(number):
                return bound
        return None

    def left_out(self, name: str, record: Record, value: Value[Record]) -> list[LeftOut]:
        """Why a record is not kept, if it is not."""
        bound = self.broken(record, value)
        return [] if bound is None else [LeftOut(name, bound.text.value, value(record, bound.quantity) is not None)]

    @property
    def asked(self) -> set[str]:
        """The quantities that decide."""
        return {bound.quantity for bound in self.bounds} | {self.sort} - {""}

    def split(self, measured: Collection[str]) -> tuple[Choice, Choice]:
        """What can be decided before anything is measured, and what cannot: its order waits for all bounds."""
        first = tuple(bound for bound in self.bounds if bound.quantity not in measured)
        rest = tuple(bound for bound in self.bounds if bound.quantity in measured)
        if rest or self.sort in measured:
            return Choice(first), replace(self, bounds=rest)
        return self, Choice()


def read_choice(where: str, sort: str, top: int | None, units: Mapping[str, str]) -> Choice:
    """What the options ask for: bounds of quantities with these units, an order (`-macs` is the smallest first), and
    how many. Raises SpecError with the place in the option."""
    rising = sort.startswith("-")
    typed = Text(sort, Source("--sort", (sort,)), 1, 1).part(int(rising)).strip()
    return Choice(read_where(where, units) if where.strip() else (), one_of(typed, units) if sort else "", rising, top)
