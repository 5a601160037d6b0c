"""Wording of a drift: first the causes, each once, then what follows from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import commonpath
from typing import Any

from ..alignment.weights import Checkpoint
from ..gate.budgets import BudgetVerdict
from ..gate.drift import COUNTS, Change, Drift, LockPlace
from ..gate.lock import LockLine
from ..ops import ARGUMENTS
from ..ops.shapes import show
from ..records import NamedTuple
from ..units import with_separators

SHOWN = 5  # names that a person is told; the JSON has all


# --- sentences ----------------------------------------------------------------------------------------------------


class Cause(NamedTuple):
    """A change that follows from no other: what, at which nodes or blocks, and where; alike ones are one."""

    what: str
    paths: tuple[str, ...]
    places: tuple[LockPlace, ...]

    @property
    def where(self) -> str:
        """`net.yaml:12:5, called at 8:3, 4:5; also at 14:5`."""
        if not self.places:
            return ""
        first = self.places[0]
        calls = ", ".join(_short(call, first.where) for call in first.within)
        others = [where for where in dict.fromkeys(place.where for place in self.places) if where != first.where]
        more = ", ".join(_short(other, first.where) for other in others[:SHOWN])
        found = first.where + (f", called at {calls}" if calls else "")
        return found + (f"; also at {more}" if more else "") + (", …" if len(others) > SHOWN else "")


def _short(where: str, beside: str) -> str:
    """A place without its file, where that is the same."""
    file, line, col = where.rsplit(":", 2)
    return f"{line}:{col}" if beside.rsplit(":", 2)[0] == file else where


def causes(drift: Drift) -> list[Cause]:
    """The causes, alike ones together, and nodes that are new or gone side by side as one."""
    runs: dict[tuple[Any, ...], list[Change]] = {}
    for change in drift.causes:
        whole = ("node", change.now is None, change.run) if change.field == "node" else (change.field, change.path)
        runs.setdefault(whole, []).append(change)
    found: dict[str, list[list[Change]]] = {}
    for run in runs.values():
        found.setdefault(_nodes(run) if run[0].field == "node" else _what(run[0]), []).append(run)
    return [
        Cause(
            what + _cost([change for run in runs for change in run]),
            tuple(filter(None, (_common([change.path for change in run]) for run in runs))),
            tuple(run[0].place for run in runs if run[0].place.where),
        )
        for what, runs in found.items()
    ]


def _nodes(run: Sequence[Change]) -> str:
    """`bn is gone`, `10 nodes are gone (conv bn relu …)`."""
    gone = run[0].now is None
    lines: list[LockLine] = [change.locked if gone else change.now for change in run]
    words = [line.op.partition("(")[0] for line in lines]
    state = "gone" if gone else "new"
    if len(lines) == 1:
        return f"{words[0] if gone else lines[0].op} is {state}"
    listed = f" ({' '.join(words)})" if len(words) <= 12 else ""
    return f"{len(lines)} nodes are {state}{listed}"


def _cost(changes: Sequence[Change]) -> str:
    """Parameters and MACs of nodes that are new or gone, together."""
    lines: list[LockLine] = [change.locked or change.now for change in changes if change.field == "node"]
    params, macs = sum(line.params for line in lines), sum(line.macs for line in lines)
    return f", {params:,} params" * bool(params) + f", {macs:,} MACs" * bool(macs)


def _common(paths: Sequence[str]) -> str:
    """The common beginning of the paths of a run; of a single path all of it."""
    return paths[0] if len(paths) == 1 else commonpath(paths) or f"{paths[0]} … {paths[-1]}"


def _what(change: Change) -> str:
    if change.field == "op":
        asked = "pad=" not in change.locked  # or a row, of which a lock says no arguments
        return _call(change.locked, change.now) + f" ({change.place.note})" * bool(asked and change.place.note)
    if change.field == "reads":
        return f"reads {' and '.join(change.now)}, not {' and '.join(change.locked)}"
    if change.field == "shares":
        own = f"has weights of its own, not those of {change.locked}"
        return f"has the weights of {change.now}" if change.now else own
    name = {"inputs": "input", "outputs": "output"}.get(change.field, change.field)
    return f"{name} {said(change.locked)} → {said(change.now)}"


def _call(old: str, new: str) -> str:
    """The difference between two calls: the arguments that differ, if the op is the same."""
    word, before = _arguments(old)
    other, now = _arguments(new)
    if word != other or not (before or now):
        return f"{old} → {new}"
    parts = [
        f"{_argument(word, name, before)} → {_argument(word, name, now)}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]
    return f"{word}: {', '.join(parts)}"


def _argument(word: str, name: str, given: dict[str, str]) -> str:
    """An argument as it is given, or its default."""
    default = next((a.default for a in ARGUMENTS.get(word.split(maxsplit=1)[0], ()) if a.name == name), None)
    if name not in given and default is None:
        return f"{name} not set"
    return f"{name}={given.get(name, show(default))}"


def _arguments(call: str) -> tuple[str, dict[str, str]]:
    match = re.fullmatch(r"(\w+)\((.*)\)( #\d+)?", call)
    if not match:
        return call, {}
    return match[1] + (match[3] or ""), dict(part.split("=", 1) for part in match[2].split(", ") if "=" in part)


def said(value: Any) -> str:
    if isinstance(value, int):
        return with_separators(value)
    if isinstance(value, tuple):
        return ", ".join(" ".join(part) if isinstance(part, tuple) else part for part in value) or "nothing"
    return str(value) or "nothing"


def totals(drift: Drift) -> list[str]:
    """`macs 3,857,973,248 → 4,089,184,256 (+231,211,008, +6.0 %)`."""
    found = []
    for name, (locked, now) in drift.totals.items():
        if locked is None or now is None:
            found.append(f"{name} {said(locked if now is None else now)} is {'gone' if now is None else 'new'}")
            continue
        found.append(f"{name} {total(locked, now)}")
    return found


def total(before: int, now: int) -> str:
    """`3,857,973,248 → 4,089,184,256 (+231,211,008, +6.0 %)`, or the one number that both are."""
    if before == now:
        return f"{now:,}"
    percent = 100 * (now - before) / before if before else 0.0
    share = f", {percent:{'+.1f' if abs(percent) >= 0.1 else '+.1g'}} %" if before else ""
    return f"{before:,} → {now:,} ({now - before:+,}{share})"


def following(drift: Drift) -> str:
    """The number of nodes that change only because others do, as a text."""
    of_causes = {change.path for change in drift.causes}
    found = [change for change in drift.changes if not change.cause and change.path and change.path not in of_causes]
    paths = dict.fromkeys(change.path for change in found if change.field != "path")
    if not paths:
        return ""
    fields, named = {change.field for change in found}, {"state": "parameters’ shapes"}
    said = ", ".join(named.get(name, name) for name in ("output", *COUNTS, "state") if name in fields)
    return f"{len(paths)} more {'node changes' if len(paths) == 1 else 'nodes change'} with it: {said}"


def checkpoint(found: Checkpoint | None, otherwise: bool) -> str:
    """A sentence on whether an old checkpoint still loads, and which of its tensors do not."""
    if found is None:
        return "what becomes of old checkpoints a lock by rows does not say"
    if found.loads:
        return f"all {found.kept:,} parameters and statistics still load" + (
            ", into a network that computes otherwise" if otherwise else ""
        )
    parts = {
        "of another shape": [f"{name} is {now}, was {before}" for name, before, now in found.reshaped],
        "with no place any more": found.gone,
        "only under another name": [f"{name} is now {other}" for name, other in found.renamed],
        "that are not in them": found.missing,
    }
    shown = "; ".join(f"{len(names):,} {what} ({some(names)})" for what, names in parts.items() if names)
    return f"no longer load: {shown}; {found.kept:,} as before"


def some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, and {len(names) - SHOWN:,} more"


def budget(verdict: BudgetVerdict) -> str:
    """`params <= 25M: 25,557,032`."""
    text = verdict.budget.text.value
    if verdict.value is None:
        return f"{text}: not measured{f', as {verdict.reason}' if verdict.reason else '; `--measure` does'}"
    if verdict.budget.measured:
        return f"{text}: {float(verdict.value):.3g} ms, at most {float(verdict.limit):.3g} ms"
    return f"{text}: {with_separators(verdict.value)}"
