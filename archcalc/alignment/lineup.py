"""What two sequences have in common, in order, in bounded time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

MOST = 2_000_000  # steps of the search, about a second


def common(a: Sequence[Hashable], b: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """The pairs of places (i, j) with a[i] = b[j], both growing: the most that there are, early ones first.

    Source: Myers, Algorithmica 1986, an O(ND) difference algorithm. Where the sequences differ in so much that it would
    take more than MOST steps, what reaches furthest is taken for good on the way."""
    least, x, y = max(8, MOST // (len(a) + len(b) + 1)), 0, 0
    while x < len(a) and y < len(b):
        chain, x, y = _reach(a, b, x, y, least)
        stretches = []
        while chain is not None:
            *stretch, chain = chain
            stretches.append(stretch)
        for i, j, size in reversed(stretches):
            yield from zip(range(i, i + size), range(j, j + size), strict=True)


def _reach(a: Sequence[Hashable], b: Sequence[Hashable], x: int, y: int, most: int) -> tuple[Any, int, int]:
    """The stretches in common from (x, y) on, linked from the last to the first, as far as `most` differences reach,
    and where that is."""
    ends: dict[int, tuple[int, Any]] = {1: (x, None)}  # how far each diagonal is reached, and by which stretches
    off = x - y
    for d in range(most + 1):
        for k in range(-d, d + 1, 2):
            if k == -d or (k != d and ends[k - 1][0] < ends[k + 1][0]):
                i, chain = ends[k + 1]
            else:
                i, chain = ends[k - 1]
                i += 1
            j, start = i - k - off, i
            while i < len(a) and j < len(b) and a[i] == b[j]:
                i, j = i + 1, j + 1
            if i > start:
                chain = (start, start - k - off, i - start, chain)
            ends[k] = i, chain
            if i >= len(a) and j >= len(b):
                return chain, i, j
    k, (i, chain) = max(ends.items(), key=lambda end: 2 * min(end[1][0], len(a)) - end[0])
    return chain, i, i - k - off
