"""What a verification is: plain data, so that what shows it does not need torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verified:
    """A model held against its torch network: what was compared, and what differs.

    `input` is the smallest legal one, at which the network ran. `gaps` are the ops that one of the counters is known
    not to count, and why. A difference names the node.
    """

    model: str
    nodes: int
    params: int
    macs: int
    input: tuple[int, ...]
    seconds: float
    gaps: dict[str, str]
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.differences
