"""What this machine means for what is measured on it, and what other tools count of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..analysis.peers import PEERS, Peer
from ..errors import UsageError, did_you_mean
from ..graph import Graph, Input
from ..measurement.machine import Examined
from ..models import examine, load
from ..networks import Reference, Settings
from ..parallel import Tick
from ..views import Tabular


@dataclass(frozen=True, slots=True)
class PeerCounts:
    """A network, what archcalc counts of it, and what its peers, other counters, do."""

    model: str
    params: int
    macs: int
    peers: Sequence[Peer]
    graph: Graph = field(repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DoctorResult(Tabular):
    """What this machine has, and what was counted of a network, if one was named."""

    machine: Examined
    counts: PeerCounts | None = None


def doctor(
    model: Reference = "",
    *,
    tools: Sequence[str] = (),
    device: str = "cpu",
    input: Input | None = None,
    settings: Settings | None = None,
    tick: Tick | None = None,
) -> DoctorResult:
    """Look at this machine; with a model also ask other tools, or those that are named, what they count of it.

    `tick` hears how many nodes a tool has counted. Raises UsageError, SpecError, Unavailable."""
    if tools and not model:
        raise UsageError("`--vs` needs a network", "For example `archcalc doctor resnet50 --vs fvcore`.")
    names = known_tools(tools)
    loaded = load(model, input=input, settings=settings) if model else None
    machine = examine(device)
    if loaded is None:
        return DoctorResult(machine)
    peers = [loaded.peer(tool, tick) for tool in names]
    totals = loaded.totals
    counts = PeerCounts(loaded.name, totals.params, totals.macs, peers, loaded.graph, loaded.notes)
    return DoctorResult(machine, counts)


def known_tools(names: Sequence[str]) -> list[str]:
    """The tools that are named, all where none is. Raises UsageError."""
    found = list(dict.fromkeys(name.strip().lower() for name in names)) or list(PEERS)
    for name in found:
        if name not in PEERS:
            said = f"`--vs {','.join(names)}`: `{name}` is no tool that archcalc knows"
            raise UsageError(said, did_you_mean(name, PEERS))
    return found
