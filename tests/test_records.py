"""Named tuples whose annotations stay text are those of `typing` in all that anybody sees."""

from __future__ import annotations

import pickle
from typing import NamedTuple as Typed

from archcalc.records import NamedTuple


class Theirs(Typed):
    """A point."""

    x: int
    y: int = 2

    @property
    def sum(self) -> int:
        return self.x + self.y

    def __str__(self) -> str:
        return f"{self.x}, {self.y}"


class Ours(NamedTuple):
    """A point."""

    x: int
    y: int = 2

    @property
    def sum(self) -> int:
        return self.x + self.y

    def __str__(self) -> str:
        return f"{self.x}, {self.y}"


def test_a_named_tuple_is_one_of_typing() -> None:
    ours, theirs = Ours(1), Theirs(1)
    assert tuple(ours) == tuple(theirs) == (1, 2)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert (str(ours), ours.sum, Ours.__doc__) == (str(theirs), theirs.sum, Theirs.__doc__)
    for name in ("_fields", "_field_defaults", "__module__", "__bases__", "__match_args__", "__slots__"):
        assert getattr(Ours, name) == getattr(Theirs, name), name
    assert (Ours.__qualname__, [*Ours.__annotations__]) == ("Ours", [*Theirs.__annotations__])
    again = pickle.loads(pickle.dumps(ours))
    assert type(again) is Ours
    assert again == ours
    assert ours._replace(y=3) == Ours(1, 3)
    assert ours._asdict() == {"x": 1, "y": 2}
