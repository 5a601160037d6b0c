"""Two sequences lined up as a diff of code does it, in bounded time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate, takewhile
from typing import TypeVar

MOST = 8_000_000  # steps of the search, a second or two

Item = TypeVar("Item", bound=Hashable)


class Lineup(SequenceMatcher[Item]):
    """difflib's search for what two sequences have in common, longest stretch first, which takes the cube of their
    length where they repeat few items. After MOST steps a stretch is only looked for at both ends of what is left."""

    def __init__(self, a: Sequence[Item], b: Sequence[Item]) -> None:
        super().__init__(None, a, b, autojunk=False)
        self.one, self.other = a, b
        every: dict[Item, list[int]] = self.b2j  # type: ignore[attr-defined]  # places in `b` by item
        self._steps = [0, *accumulate(1 + len(every.get(item, ())) for item in a)]
        self._left = MOST

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        ahi, bhi = len(self.one) if ahi is None else ahi, len(self.other) if bhi is None else bhi
        self._left -= self._steps[ahi] - self._steps[alo]
        if self._left >= 0:
            return super().find_longest_match(alo, ahi, blo, bhi)
        least = range(min(ahi - alo, bhi - blo))
        size = sum(1 for _ in takewhile(lambda n: self.one[alo + n] == self.other[blo + n], least))
        if size:
            return Match(alo, blo, size)
        size = sum(1 for _ in takewhile(lambda n: self.one[ahi - 1 - n] == self.other[bhi - 1 - n], least))
        return Match(ahi - size, bhi - size, size)
