"""The page of `archcalc doctor`: the machine, or other tools beside archcalc."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from operator import attrgetter
from typing import Annotated, NotRequired, TypedDict, cast

from .. import __version__
from ..analysis.peers import PEERS, Peer, Reason, difference
from ..documents import SCHEMA, VERSION, WRITER, Count, Positive, Version
from ..measurement.machine import Examined, MachineFact, findings
from ..measurement.runs import LatencyDocument, MachineDocument
from ..tasks.doctor import DoctorResult, PeerCounts
from ..units import with_separators
from .columns import Column, exact, words
from .documents import INPUTS, OUTPUTS, InputDocument, Noted, OutputDocument, inputs_document, outputs_document
from .page import Block, Fact, Facts, Gap, Heading, Note, Page, Prose, Table
from .styles import ACCENT, DIM, PLAIN
from .wording import ends, notes


class ExaminedDocument(TypedDict):
    """The machine as it was found."""

    machine: Annotated[MachineDocument, "What decides how fast it runs; what is not known is empty or null."]
    device: Annotated[str, "The device by its name in torch."]
    device_name: Annotated[str, "The device by its maker's name."]
    torch: Annotated[str, "The version of torch."]
    threads: Annotated[Positive, "The number of threads that torch uses."]
    quota: Annotated[float | None, "The processors' worth of time that a container gets; null without a limit."]
    memory: Annotated[Count | None, "The free memory in bytes; null where the system does not say."]
    pinnable: Annotated[bool, "Whether freed memory can be kept for the next run."]
    clock_ms: Annotated[float, (("minimum", 0),), "What a reading of the clock costs, in milliseconds."]
    probe: Annotated[LatencyDocument, "What the same small piece of work took, over and over for a second."]
    gpu: Annotated[str, "The GPU that torch can use, or why there is none."]


class FindingDocument(TypedDict):
    """A fact about the machine."""

    name: Annotated[str, "What it is about."]
    found: Annotated[str, "What is here."]
    means: Annotated[str, "What that means for what is measured; empty where it means no harm."]


class ReasonDocument(TypedDict):
    """A part of the difference between a tool's figure and archcalc's."""

    difference: Annotated[int, "How many operations the tool counts more; less than 0 where fewer."]
    why: Annotated[str, "Why."]


class LikeDocument(TypedDict):
    """What `--like` says of a tool."""

    params: Annotated[Count, "The parameters that it counts in a network of torch's own modules."]
    macs: Annotated[Count, "The multiply-accumulates that it counts there."]
    reasons: Annotated[list[ReasonDocument], "What it counts more there than in archcalc's network."]


class PeerDocument(TypedDict):
    """The figures of another tool for the network, and why they differ."""

    tool: Annotated[str, (("enum", tuple(PEERS)),), "Its name."]
    version: Annotated[str, "Its version; empty where it is missing."]
    params: Annotated[Count | None, "The parameters that it counts; null where it gives none."]
    macs: Annotated[Count | None, "The multiply-accumulates that it counts, whatever it calls them; null without."]
    reasons: Annotated[list[ReasonDocument], "What its difference is made of."]
    like: Annotated[LikeDocument | None, "What `--like` says of it; null where that is the same, or it gives none."]
    failed: Annotated[str, "Why it gives no figure; else empty."]
    missing: Annotated[bool, "Whether it is not installed."]


class DoctorDocument(Noted):
    """What `archcalc doctor --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    examined: Annotated[ExaminedDocument, "The machine."]
    findings: Annotated[list[FindingDocument], "The same in words, and what it means."]
    model: NotRequired[Annotated[str, "The network that other tools were given; absent without one, as what follows."]]
    params: NotRequired[Annotated[Count, "Its parameters."]]
    macs: NotRequired[Annotated[Count, "Its multiply-accumulates at batch 1."]]
    peers: NotRequired[Annotated[list[PeerDocument], "What other tools make of it."]]
    inputs: NotRequired[Annotated[list[InputDocument], INPUTS]]
    outputs: NotRequired[Annotated[list[OutputDocument], OUTPUTS]]


def page(result: DoctorResult) -> Page:
    """The machine; with a network only what others make of it."""
    there, beside = result.machine, result.counts
    if beside is None:
        return Page("The machine", lambda: _machine(there), lambda: data(result), lambda: Table(FACTS, findings(there)))
    table = Table(_columns(beside), _lines(beside), notes=lambda peer: _why(peer, beside))
    return Page(beside.model, lambda: _beside(beside, table), lambda: data(result), lambda: table, notes=beside.notes)


def data(result: DoctorResult) -> DoctorDocument:
    """The JSON document."""
    there, beside = result.machine, result.counts
    found: DoctorDocument = {
        "schema": SCHEMA,
        "archcalc": __version__,
        "examined": cast(ExaminedDocument, asdict(there)),
        "findings": [{"name": name, "found": here, "means": means} for name, here, means in findings(there)],
    }
    if beside is not None:
        found["model"], found["params"], found["macs"] = beside.model, beside.params, beside.macs
        found["peers"] = [_peer(peer) for peer in beside.peers]
        found["inputs"], found["outputs"] = inputs_document(beside.graph), outputs_document(beside.graph)
        if beside.notes:
            found["notes"] = [*beside.notes]
    return found


def _reasons(reasons: Sequence[Reason]) -> list[ReasonDocument]:
    return [{"difference": reason.difference, "why": reason.why} for reason in reasons]


def _peer(peer: Peer) -> PeerDocument:
    like = peer.like
    return {
        "tool": peer.tool,
        "version": peer.version,
        "params": peer.params,
        "macs": peer.macs,
        "reasons": _reasons(peer.reasons),
        "like": like and {"params": like.params, "macs": like.macs, "reasons": _reasons(like.reasons)},
        "failed": peer.failed,
        "missing": peer.missing,
    }


# --- the machine --------------------------------------------------------------------------------------------------

FACTS = [Column(name, attrgetter(name)) for name in MachineFact._fields]


def _machine(there: Examined) -> Iterator[Block]:
    found = findings(there)
    facts: list[Fact] = []
    for finding in found:
        facts.append(Fact(finding.name, finding.found))
        facts += [Fact("", finding.means, ACCENT)] if finding.means else []
    yield Facts(facts)
    yield Gap()
    yield Prose(_sum(found), DIM)


def _sum(found: Sequence[MachineFact]) -> str:
    doubtful = [finding.name for finding in found if finding.means and finding.name not in ("GPU", "clock", "TF32")]
    if not doubtful:
        return "Nothing here speaks against what is measured."
    return f"What is measured here may move: see {', '.join(doubtful)}. `archcalc measure` says how much it did."


# --- other tools --------------------------------------------------------------------------------------------------

SAYS = "batch 1; each tool on archcalc's torch network, then on every layer alone to tell why it differs"
OF_CODE = "each tool on the module itself, then on every part alone that calls no other, to tell why it differs"


def _lines(beside: PeerCounts) -> list[Peer]:
    """archcalc first, then the tools that gave figures or failed."""
    own = Peer("archcalc", __version__, beside.params, beside.macs)
    return [own, *(peer for peer in beside.peers if not peer.missing)]


def _columns(beside: PeerCounts) -> tuple[Column, ...]:
    macs = beside.macs
    return (
        Column("tool", lambda peer: peer.tool, "", "", words),
        Column("version", lambda peer: peer.version, "version", "", words),
        Column("params", lambda peer: peer.params, "params", "", exact),
        Column("macs", lambda peer: peer.macs, "MACs", "", exact),
        Column("difference", lambda peer: "" if peer.tool == "archcalc" else difference(peer, macs), "more", "", words),
        Column("called", lambda peer: PEERS.get(peer.tool, "MACs"), "which it calls", "", words),
        Column("failed", lambda peer: peer.failed),
        Column("reasons", lambda peer: "; ".join(f"{reason.difference}: {reason.why}" for reason in peer.reasons)),
        Column("like", lambda peer: peer.like and peer.like.macs),
    )


def _beside(beside: PeerCounts, table: Table) -> Iterator[Block]:
    said = SAYS if beside.graph.code is None else OF_CODE
    yield Heading(beside.model, (said, " · ".join(ends(beside.graph))), about_style=PLAIN)
    yield Gap()
    yield table
    if names := [peer.tool for peer in beside.peers if peer.missing]:
        are = "is" if len(names) == 1 else "are"
        yield Gap()
        yield Prose(f"{' and '.join(names)} {are} not installed: `pip install {' '.join(names)}`.", DIM)
    yield from [Facts([Fact(*fact) for fact in notes(beside.notes)])] if beside.notes else []


def _why(peer: Peer, beside: PeerCounts) -> Iterator[Note]:
    """The parts of a tool's difference, or why it failed."""
    about = f"{peer.tool}:"
    if peer.failed:
        yield Note(f"failed: {peer.failed}", "  ", about, ACCENT)
    yield from _parts(peer.reasons, about)
    if peer.params is not None and peer.params != beside.params:
        lost = f"{_signed(peer.params - beside.params)} parameters: it counts those of the layers that it knows"
        yield Note(lost, "  ", about, DIM)
    if peer.like is not None:
        params, macs, reasons = peer.like
        said = f"{with_separators(params)} parameters and {with_separators(macs)} MACs"
        yield Note(f"`--like {peer.tool}` says {said}, of a network of torch's own modules", "  ", about, DIM)
        yield from _parts(reasons, about)


def _parts(reasons: Sequence[Reason], about: str) -> Iterator[Note]:
    room = max((len(_signed(reason.difference)) for reason in reasons), default=0)
    for reason in reasons:
        yield Note(reason.why, f"  {_signed(reason.difference):>{room}}  ", about, DIM)


def _signed(number: int) -> str:
    return ("+" if number > 0 else "−") + with_separators(abs(number))
