"""What `archcalc check` found of locks: first the causes, each once, then what follows from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..documents import SCHEMA
from ..errors import printable, sentence
from ..gate.budgets import Verdict
from ..gate.build import CheckedLock, CheckedModel
from ..gate.drift import Change, Checkpoint, Drift, Place
from ..gate.lock import LockLine
from ..ops import ARGUMENTS
from ..ops.base import show
from ..tasks.check import CheckResult
from ..units import scaled, with_separators
from . import check as checked
from .pieces import BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, hanging, page, prose
from .writers.markdown import escape, pipes

SHOWN = 5  # names that a person is told; the JSON has all


# --- sentences ----------------------------------------------------------------------------------------------------


class Cause(NamedTuple):
    """A change that follows from no other: what, at which nodes or blocks, and where; alike ones are one."""

    what: str
    paths: tuple[str, ...]
    places: tuple[Place, ...]

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
    """What nodes that are new or gone cost together."""
    lines: list[LockLine] = [change.locked or change.now for change in changes if change.field == "node"]
    params, macs = sum(line.params for line in lines), sum(line.macs for line in lines)
    return f", {params:,} params" * bool(params) + f", {macs:,} MACs" * bool(macs)


def _common(paths: Sequence[str]) -> str:
    """What the paths of a run begin with; the path itself where there is only one."""
    if len(paths) == 1:
        return paths[0]
    split = [path.split("/") for path in paths]
    same = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        same.append(parts[0])
    return "/".join(same) or f"{paths[0]} … {paths[-1]}"


def _what(change: Change) -> str:
    if change.field == "op":
        return _call(change.locked, change.now)
    if change.field == "reads":
        return f"reads {' and '.join(change.now)}, not {' and '.join(change.locked)}"
    if change.field == "shares":
        return (
            f"has the weights of {change.now}"
            if change.now
            else f"has weights of its own, not those of {change.locked}"
        )
    name = {"inputs": "input", "outputs": "output"}.get(change.field, change.field)
    return f"{name} {_text(change.locked)} → {_text(change.now)}"


def _call(old: str, new: str) -> str:
    """How two calls differ: only the arguments that do, where the op is the same."""
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


def _text(value: Any) -> str:
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
            found.append(f"{name} {_text(locked if now is None else now)} is {'gone' if now is None else 'new'}")
            continue
        share = f", {(now - locked) / locked:+.1%}".replace("%", " %") if locked else ""
        found.append(f"{name} {locked:,} → {now:,} ({now - locked:+,}{share})")
    return found


def following(drift: Drift) -> str:
    """How many nodes change only because others do."""
    of_causes = {change.path for change in drift.causes}
    found = [change for change in drift.changes if not change.cause and change.path and change.path not in of_causes]
    paths = dict.fromkeys(change.path for change in found if change.field != "path")
    if not paths:
        return ""
    fields = [
        name
        for name in ("output", "params", "macs", "activation_bytes", "state")
        if any(c.field == name for c in found)
    ]
    named = ["parameters’ shapes" if name == "state" else name for name in fields]
    return f"{len(paths)} more {'node changes' if len(paths) == 1 else 'nodes change'} with it: {', '.join(named)}"


def checkpoint(found: Checkpoint | None, causes: Sequence[Cause]) -> str:
    """What becomes of an old checkpoint."""
    if found is None:
        return "what becomes of old checkpoints a lock by rows does not say"
    if found.loads:
        return f"all {found.kept:,} parameters and statistics still load" + (
            ", into a network that computes otherwise" if causes else ""
        )
    parts = []
    if found.reshaped:
        shown = [f"{name} is {now}, was {before}" for name, before, now in found.reshaped]
        parts.append(f"{len(found.reshaped):,} of another shape ({_some(shown)})")
    if found.gone:
        parts.append(f"{len(found.gone):,} with no place any more ({_some(found.gone)})")
    if found.renamed:
        shown = [f"{name} is now {other}" for name, other in found.renamed]
        parts.append(f"{len(found.renamed):,} only under another name ({_some(shown)})")
    if found.missing:
        parts.append(f"{len(found.missing):,} that are not in them ({_some(found.missing)})")
    return f"no longer load: {'; '.join(parts)}; {found.kept:,} as before"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, and {len(names) - SHOWN:,} more"


def budget(verdict: Verdict) -> str:
    """`params <= 25M: 25,557,032`."""
    text = verdict.budget.text.value
    if verdict.value is None:
        return f"{text}: not measured; `--measure` does"
    if verdict.budget.measured:
        return f"{text}: {float(verdict.value):.3g} ms, at most {float(verdict.limit):.3g} ms"
    return f"{text}: {with_separators(verdict.value)}"


def verdict(run: CheckResult) -> str:
    """One sentence about the locks."""
    models = [model for _, model in run.models]
    drifted = sum(model.drift is not None and not model.updated for model in models)
    broken = sum(not found.ok for model in models for found in model.budgets)
    failed = sum(len(lock.errors) for lock in run.locks)
    one = "model" if len(models) == 1 else f"of {len(models)} models"
    parts = [
        (failed, "lock or model cannot be read", "locks or models cannot be read"),
        (drifted, f"{one} is not as locked", f"of {len(models)} models are not as locked"),
        (broken, "budget is broken", "budgets are broken"),
    ]
    bad = [f"{count} {one if count == 1 else many}" for count, one, many in parts if count]
    updated = [lock.name for lock in run.locks if lock.updated]
    said = [f"{', '.join(updated)} {'holds' if len(updated) == 1 else 'hold'} what is true now"] if updated else []
    if bad:
        hint = ["`archcalc check --update` accepts what has changed"] if drifted else []
        return f"✗ {'; '.join([*bad, *said, *hint])}"
    if said:
        return f"✓ {said[0]}"
    if not run.locks:
        return "✓ all budgets hold"
    locked = len(models) - len(run.bounded)
    return f"✓ {'the model is' if locked == 1 else f'all {locked} models are'} as locked"


# --- text ---------------------------------------------------------------------------------------------------------


def text(run: CheckResult, width: int | None, color: bool) -> str:
    """For people."""
    room = PROSE if width is None else width
    parts = [checked.render(run.specs, "text", width, color)] if run.specs else []
    if run.models or run.locks:
        parts.append(page(_models(run, room), color))
    return "\n".join(parts)


def _models(run: CheckResult, room: int) -> Iterator[Pieces]:
    several = len(run.locks) > 1
    for lock in run.locks:
        if several or lock.error is not None:
            yield [(printable(lock.name), BOLD)]
        if lock.error is not None:
            yield from _error(lock.error.render(), room)
        fine = [model for model in lock.models if model.ok and not model.budgets]
        quiet = fine if len(fine) > 12 else []  # a long list of what is fine hides what is not
        for model in lock.models:
            if model not in quiet:
                yield from _model(model, room)
        if quiet:
            yield [("✓ ", PLAIN), (f"{len(quiet)} models as locked", DIM)]
    for model in run.bounded:
        yield from _model(model, room)
    yield []
    held = all(lock.ok for lock in run.locks) and all(model.ok for model in run.bounded)
    yield from prose(verdict(run), room, BOLD if held else LOUD)


def _model(model: CheckedModel, room: int) -> Iterator[Pieces]:
    counts = ""
    if model.totals:
        number, unit = scaled(model.totals["macs"])
        counts = f"  {model.totals['params']:,} params, {number}{f' {unit}' if unit else ''} MACs"
    yield [
        ("✓ " if model.ok else "✗ ", PLAIN if model.ok else LOUD),
        (printable(model.name), PLAIN if model.ok else LOUD),
        (counts, DIM),
    ]
    if model.error is not None:
        yield from _error(model.error.render(), room)
    if model.drift is not None:
        yield from _drift(model.drift, room)
    for found in model.budgets:
        mark = "✓" if found.holds else "!" if found.budget.advisory else "✗"
        yield from hanging(
            f"    {mark} ",
            f"budget {budget(found)}",
            6,
            room,
            DIM if found.holds else PLAIN,
            "" if found.holds else LOUD,
        )


def _drift(drift: Drift, room: int) -> Iterator[Pieces]:
    found = causes(drift)
    for cause in found:
        yield from hanging("    ✗ ", printable(cause.what), 6, room, BOLD, LOUD)
        if cause.paths:
            yield from hanging("", f"at {printable(_some(cause.paths))}", 6, room)
        if cause.where:
            yield from hanging("", printable(cause.where), 6, room)
    rest = [*totals(drift), *filter(None, [following(drift)])]
    for number, line in enumerate(rest):
        yield from hanging("    so " if not number else "", line, 7, room, DIM)
    yield from hanging("    old checkpoints ", printable(checkpoint(drift.checkpoint, found)), 20, room, PLAIN, DIM)


def _error(rendered: str, room: int) -> Iterator[Pieces]:
    first, *rest = rendered.split("\n")
    yield from hanging("    ✗ ", first.removeprefix("error: "), 6, room, label_style=LOUD)
    for line in rest:
        yield [("    " + line, PLAIN)]


# --- Markdown -----------------------------------------------------------------------------------------------------


def markdown(run: CheckResult) -> str:
    """For a comment on a pull request, or a job's summary."""
    lines = [f"**{verdict(run)}**", ""] if run.locks or run.bounded else []
    for lock in run.locks:
        if lock.error is not None:
            lines += [f"### {escape(lock.name)}", "", f"- {escape(sentence(lock.error.message))}", ""]
    for _, model in run.models:
        if not model.ok or any(not found.holds for found in model.budgets):
            lines += _markdown(model)
    if run.specs:
        lines.append(checked.render(run.specs, "markdown"))
    return "\n".join(printable(part) for line in lines for part in line.split("\n")).rstrip() + "\n"


def _markdown(model: CheckedModel) -> Iterator[str]:
    yield f"### {'✓' if model.ok else '✗'} {escape(model.name)}"
    yield ""
    if model.error is not None:
        where = getattr(model.error, "where", "")
        yield f"- {escape(sentence(model.error.message))}{f' (`{where}`)' if where else ''}"
    if model.drift is not None:
        found = causes(model.drift)
        for cause in found:
            at = f" at {escape(_some(cause.paths))}" if cause.paths else ""
            yield f"- **{escape(cause.what)}**{at}{f' (`{cause.where}`)' if cause.where else ''}"
        if model.drift.totals:
            yield ""
            rows = [
                [name, *(["" if value is None else f"{value:,}" for value in pair])]
                for name, pair in model.drift.totals.items()
            ]
            yield from pipes(["total", "locked", "now"], [False, True, True], rows)
            yield ""
        for line in filter(None, [following(model.drift)]):
            yield f"- {escape(line)}"
        yield f"- old checkpoints: {escape(checkpoint(model.drift.checkpoint, found))}"
    for verdict in model.budgets:
        if not verdict.holds:
            yield f"- {'advisory ' if verdict.budget.advisory else ''}budget {escape(budget(verdict))}"
    yield ""


# --- JSON ---------------------------------------------------------------------------------------------------------


def document(run: CheckResult) -> Iterator[tuple[str, Any]]:
    """The keys and values, in order."""
    found = dict(checked.document(run.specs))
    yield "schema", SCHEMA
    yield "archcalc", found["archcalc"]
    yield "ok", run.ok
    yield "specs", found["specs"]
    yield (
        "locks",
        [
            {"lock": lock.name, "ok": lock.ok, "error": _json_error(lock.error), "updated": lock.updated}
            for lock in run.locks
        ],
    )
    yield "models", [_json_model(lock, model) for lock, model in run.models]


def _json_model(lock: str | None, model: CheckedModel) -> dict[str, Any]:
    drift = model.drift
    names = dict.fromkeys((*(model.totals or {}), *(drift.totals if drift else ())))
    both = {name: (value := model.totals.get(name), value) for name in names} | (drift.totals if drift else {})
    found = drift.checkpoint if drift else None
    return {
        "name": model.name,
        "lock": lock,
        "spec": model.spec or None,
        "ok": model.ok,
        "error": _json_error(model.error),
        "changes": [_json_change(change) for change in drift.changes] if drift else [],
        "totals": {name: {"locked": locked, "now": now} for name, (locked, now) in both.items()},
        "checkpoint": None
        if found is None
        else {
            "kept": found.kept,
            "gone": found.gone,
            "reshaped": [{"name": name, "locked": _shape(a), "now": _shape(b)} for name, a, b in found.reshaped],
            "renamed": [{"name": name, "now": other} for name, other in found.renamed],
            "missing": found.missing,
        },
        "budgets": [
            {
                "budget": verdict.budget.text.value,
                "where": verdict.budget.text.where,
                "advisory": verdict.budget.advisory,
                "holds": None if verdict.value is None else verdict.holds,
                "value": None if verdict.value is None else _number(verdict.value),
                "limit": _number(verdict.limit),
            }
            for verdict in model.budgets
        ],
    }


def _json_change(change: Change) -> dict[str, Any]:
    return {
        "path": change.path or None,
        "where": change.place.where or None,
        "within": change.place.within,
        "field": change.field,
        "locked": _json_value(change.field, change.locked),
        "now": _json_value(change.field, change.now),
        "cause": change.cause,
    }


def _json_value(field: str, value: Any) -> Any:
    if isinstance(value, LockLine):
        return {name: _json_value(name, part) for name, part in value._asdict().items()}
    if field == "state":
        return {name: _shape(shape) for name, shape in value}
    if field == "output":
        return _shape(value)
    return list(value) if isinstance(value, tuple) else value


def _shape(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _number(value: Any) -> int | float:
    return int(value) if value == int(value) else round(float(value), 6)


def _json_error(error: Any) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"message": error.message, "where": getattr(error, "where", "") or None, "hint": error.hint or None}


# --- csv ----------------------------------------------------------------------------------------------------------


def table(locks: Iterable[CheckedLock]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The changes, one a record."""
    head = ("lock", "model", "path", "where", "field", "locked", "now", "cause")
    rows = []
    for lock in locks:
        for model in lock.models:
            for change in model.drift.changes if model.drift else ():
                values = [
                    value.text().strip()
                    if isinstance(value, LockLine)
                    else ""
                    if value is None
                    else value
                    if isinstance(value, int)
                    else _text(value)
                    for value in (change.locked, change.now)
                ]
                cause = "yes" if change.cause else "no"
                rows.append((lock.name, model.name, change.path, change.place.where, change.field, *values, cause))
    return head, rows
