"""What `archcalc doctor` found, in every form: the machine, and other tools beside archcalc."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from .. import __version__
from ..analysis.peers import PEERS, Peer, difference
from ..measurement.machine import Examined, Finding, findings
from ..tasks.doctor import DoctorResult, PeerCounts
from ..units import with_separators
from . import as_csv, as_json, records
from .columns import Column, exact, words
from .layout import width_of
from .pieces import ACCENT, DIM, LOUD, PLAIN, PROSE, Pieces, hanging, page, prose
from .writers.markdown import escape


def render(found: DoctorResult, output_format: str, width: int | None = None, color: bool = False) -> str:
    """In one of `TABLES`; `width` and `color` are for text. With a network only what others make of it."""
    there, beside = found.machine, found.counts
    if output_format == "json":
        return as_json.write(_document(there, beside))
    if output_format == "csv":
        return as_csv.table(_columns(beside), _lines(beside)) if beside else as_csv.table(FACTS, findings(there))
    if output_format == "markdown":
        return _markdown(there, beside)
    return page(_beside(beside, width) if beside else _machine(there, width), color)


FACTS = (
    Column("name", lambda finding: finding.name, "", "", words),
    Column("found", lambda finding: finding.found, "here", "", words),
    Column("means", lambda finding: finding.means, "what it means", "", words),
)


def _machine(there: Examined, width: int | None) -> Iterator[Pieces]:
    room = PROSE if width is None else width
    found = findings(there)
    label = max(width_of(finding.name) for finding in found) + 2
    for finding in found:
        yield from hanging(finding.name, finding.found, label, room)
        if finding.means:
            yield from hanging("", finding.means, label, room, ACCENT)
    yield []
    yield from prose(_sum(found), room, DIM)


def _sum(found: Sequence[Finding]) -> str:
    doubtful = [finding.name for finding in found if finding.means and finding.name not in ("GPU", "clock", "TF32")]
    if not doubtful:
        return "Nothing here speaks against what is measured."
    return f"What is measured here may move: see {', '.join(doubtful)}. `archcalc measure` says how much it did."


# --- other tools --------------------------------------------------------------------------------------------------


SAYS = "batch 1; each tool on archcalc's torch network, then on every layer alone to tell why it differs"


def _lines(beside: PeerCounts) -> list[Peer]:
    """archcalc first, then the tools that gave figures or failed."""
    own = Peer("archcalc", __version__, beside.params, beside.macs)
    return [own, *(peer for peer in beside.peers if not peer.missing)]


def _columns(beside: PeerCounts | None) -> tuple[Column, ...]:
    macs = beside.macs if beside else 0
    return (
        Column("tool", lambda peer: peer.tool, "", "", words),
        Column("version", lambda peer: peer.version, "version", "", words),
        Column("params", lambda peer: peer.params, "params", "", exact),
        Column("macs", lambda peer: peer.macs, "MACs", "", exact),
        Column("difference", lambda peer: "" if peer.tool == "archcalc" else difference(peer, macs), "more", "", words),
        Column("called", lambda peer: PEERS.get(peer.tool, "MACs"), "which it calls", "", words),
        Column("failed", lambda peer: peer.failed),
        Column("reasons", lambda peer: "; ".join(f"{reason.difference}: {reason.why}" for reason in peer.reasons)),
    )


def _beside(beside: PeerCounts, width: int | None) -> Iterator[Pieces]:
    room = PROSE if width is None else width
    yield [(beside.model, LOUD), (f"  {SAYS}", PLAIN)]
    yield []
    shown = [column for column in _columns(beside) if column.show is not None]
    yield from records.text(shown, _lines(beside), width, below=lambda peer: _why(peer, beside, room))
    for sentence in _missing(beside):
        yield []
        yield from prose(sentence, room, DIM)


def _why(peer: Peer, beside: PeerCounts, room: int) -> Iterator[Pieces]:
    """Below a tool's line, what its difference is made of."""
    if peer.failed:
        yield from hanging("  ", f"failed: {peer.failed}", 2, room, ACCENT)
    label = 4 + max((len(_signed(reason.difference)) for reason in peer.reasons), default=0)
    for reason in peer.reasons:
        yield from hanging(f"  {_signed(reason.difference):>{label - 4}}  ", reason.why, label, room, DIM)
    if peer.params is not None and peer.params != beside.params:
        lost = f"{_signed(peer.params - beside.params)} parameters: it counts those of the layers that it knows"
        yield from hanging("  ", lost, 2, room, DIM)


def _signed(number: int) -> str:
    return ("+" if number > 0 else "−") + with_separators(abs(number))


def _missing(beside: PeerCounts) -> list[str]:
    names = [peer.tool for peer in beside.peers if peer.missing]
    if not names:
        return []
    are = "is" if len(names) == 1 else "are"
    return [f"{' and '.join(names)} {are} not installed: `pip install {' '.join(names)}`."]


# --- the other forms ----------------------------------------------------------------------------------------------


def _document(there: Examined, beside: PeerCounts | None) -> Iterator[tuple[str, Any]]:
    yield "schema", 1
    yield "archcalc", __version__
    yield "examined", asdict(there)
    yield "findings", [finding._asdict() for finding in findings(there)]
    if beside is not None:
        yield "model", beside.model
        yield "params", beside.params
        yield "macs", beside.macs
        yield (
            "peers",
            [{**asdict(peer), "reasons": [reason._asdict() for reason in peer.reasons]} for peer in beside.peers],
        )


def _markdown(there: Examined, beside: PeerCounts | None) -> str:
    if beside is None:
        found = findings(there)
        return f"{records.markdown(FACTS, found)}\n{escape(_sum(found))}\n"
    shown = [column for column in _columns(beside) if column.show is not None]
    parts = [f"### {escape(beside.model)}", "", SAYS, "", records.markdown(shown, _lines(beside))]
    for peer in beside.peers:
        parts += [f"- {peer.tool}: {_signed(reason.difference)} {escape(reason.why)}" for reason in peer.reasons]
        parts += [f"- {peer.tool} failed: {escape(peer.failed)}"] if peer.failed else []
    return "\n".join([*parts, *_missing(beside)]) + "\n"
