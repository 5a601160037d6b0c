"""A call of a torch operator as an op of a Graph: one class for all of them, with the facts of what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from ..ops import Op, Param, Shape
from ..ops.base import Argument, Needs, OpFamily, ReceptiveWindows, Storage


class Facts(NamedTuple):
    """What is known of a call, for all that it worked on: `reach` is None where nothing is known of it, `like` the op
    of the spec language that it equals, `shaped` whether on sizes as specs have them."""

    word: str
    family: OpFamily
    torch_module: str
    shape: Shape
    arguments: tuple[tuple[str, Any], ...]
    params: tuple[Param, ...]
    macs: int
    elementwise: tuple[tuple[str, int], ...]
    storage: Storage
    weight_layers: int
    reach: tuple[ReceptiveWindows, ...] | None
    like: Op | None
    shaped: bool
    free: str


class Call(Op):
    """A call of torch. Its rules give what was seen, whatever shapes they are asked for."""

    inputs = (0, 10**6)
    saves = "inputs"
    like: Op | None

    def __init__(self, facts: Facts) -> None:
        own = self.__dict__
        own["facts"] = facts
        for name in ("word", "family", "torch_module", "storage", "weight_layers", "free", "like"):
            own[name] = getattr(facts, name)
        own["regroups"] = facts.reach is None
        own["_key"] = ("", facts)
        own["_hash"] = hash((facts.word, facts.shape, facts.macs, facts.arguments))

    def __reduce__(self) -> tuple[Any, ...]:
        return Call, (self.__dict__["facts"],)

    def __repr__(self) -> str:
        return f"{self.word}({', '.join(f'{argument.name}={value!r}' for argument, value in self.arguments)})"

    @property
    def equals(self) -> Op | None:
        return self._facts.like

    @property
    def arguments(self) -> tuple[tuple[Argument, Any], ...]:
        return tuple((Argument(name, "", None), value) for name, value in self._facts.arguments)

    @property
    def _facts(self) -> Facts:
        facts: Facts = self.__dict__["facts"]
        return facts

    def but(self, **changes: Any) -> Self:
        return self

    def turns(self, *x: Any) -> int:
        return 1

    def settled(self) -> bool:
        return False

    def shape(self, *x: Any) -> Shape:
        return self._facts.shape

    def params(self, *x: Any) -> tuple[Param, ...]:
        return self._facts.params

    def macs(self, *xy: Any) -> int:
        return self._facts.macs

    def elementwise(self, *xy: Any) -> dict[str, int]:
        return dict(self._facts.elementwise)

    def backward_macs(self, needs: Needs, *xy: Any) -> int:
        return self._facts.macs * (bool(self._facts.params) + sum(needs))

    def receptive_window(self, *x: Any) -> tuple[ReceptiveWindows, ...]:
        facts = self._facts
        if facts.like is not None and facts.shaped:
            return facts.like.receptive_window(*x)
        return facts.reach or ()


def argument(value: Any) -> Any:
    """An argument as it is shown and hashed: lists as sizes."""
    return tuple(map(argument, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
