"""The page of `archcalc check`: specs held against what they quote, models against their locks and budgets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, TypedDict

from .. import __version__
from ..alignment.weights import Checkpoint
from ..documents import SCHEMA, VERSION, WRITER, Natural, Sizes, Version
from ..errors import ArchcalcError, SpecError, UsageError, printable, sentence
from ..gate.budgets import BudgetVerdict
from ..gate.build import CheckedModel
from ..gate.drift import FIELDS, Change, Drift
from ..gate.lock import LockLine
from ..papers.claims import Verdict
from ..tasks.check import CheckedSpec, CheckResult, SpecResult, UnreadSpec
from ..units import scaled
from . import ci
from . import diff as against
from .columns import Column, Shown, Value, exact, plain, words
from .documents import ClaimDocument, claim_document
from .drift import budget, causes, checkpoint, following, some, totals
from .drift import said as told
from .page import Block, Fact, Facts, Gap, Heading, Only, Page, Prose, Table, Verbatim
from .styles import BOLD, DIM, LOUD, PLAIN, Piece, Pieces, hanging
from .writers import FORMATS

FORMS = (*FORMATS, *ci.FORMATS)
SEEN, READ = ("text",), ("markdown", "latex", "html")  # a terminal, and forms that have titles and tables
SAID: dict[Verdict, str] = {
    "exact": "exact",
    "rounds": "round",
    "reads as": "hold under a reading",
    "truncates": "are cut",
    "contradicts": "contradict",
}
VERDICTS = tuple(SAID)
FEW = 12  # models that are fine and are named in a terminal


def page(found: CheckResult) -> Page:
    """The specs, then the models of locks: what does not hold, why, and what follows from it."""
    locks = _of_locks(found)
    title = "; ".join([*([verdict(found.specs)] if found.specs else []), *([locked(found)] if locks else [])])
    title = title or "; ".join(map(against.verdict, found.held))
    more = {name: partial(form, found) for name, form in ci.FORMATS.items()}
    return Page(title, lambda: _blocks(found), lambda: data(found), lambda: _table(found), more)


def _blocks(found: CheckResult) -> Iterator[Block]:
    if found.specs:
        yield from _specs(found.specs)
    if _of_locks(found):
        yield from [Gap()] if found.specs else []
        yield from _locks(found)
    for number, diff in enumerate(found.held):
        yield from [Gap()] if number else []
        yield Only(READ, [Heading(against.verdict(diff), level=2)] if len(found.held) > 1 else [])
        yield from against.blocks(diff)
    yield from (Prose(printable(sentence), DIM) for sentence in _beside(found))


def _of_locks(found: CheckResult) -> bool:
    """Whether there is something to say of locks and budgets."""
    return bool(found.models or found.locks or (found.strict and found.not_locked))


def _beside(found: CheckResult) -> Iterator[str]:
    """What no lock has, what was not held, and what means something else than it did."""
    if found.not_locked:
        names = ", ".join(f"`{model.name}`" for model in found.not_locked)
        is_are = "is" if len(found.not_locked) == 1 else "are"
        yield f"{names} {is_are} not locked; `archcalc lock` does"
    yield from (lacking.why for lacking in found.not_held)
    told = [sentence for result in _read(found.specs) for sentence in result.restated]
    yield from told[:FEW]
    if len(told) > FEW:
        yield f"and {len(told) - FEW:,} more calls"


def _table(found: CheckResult) -> Table:
    """The specs, or what changed in the models of locks. Raises UsageError for both."""
    if found.specs and found.models:
        raise UsageError("csv is one table: check locks and specs apart")
    if found.held:
        return against.table(found.held)
    if found.specs:
        return Table(COLUMNS, found.specs)
    drifts = [(lock, model.name, model.drift) for lock, model in found.models if model.drift]
    return Table(CHANGES, [(lock, name, change) for lock, name, drift in drifts for change in drift.changes])


def _error(error: ArchcalcError, indent: int, subject: str = "") -> Verbatim:
    """An error below what it is about: what is wrong, where, and what to do."""
    where = error.where if isinstance(error, SpecError) else ""
    instead = [Fact(printable(f"✗ {where or subject}"), printable(sentence(error.message)))]
    instead += [Fact("", line) for line in error.hint.splitlines()]
    first, *rest = error.render().removeprefix("error: ").split("\n")
    start = " " * indent

    def lines(width: int) -> Iterator[Pieces]:
        yield from hanging(f"{start}✗ ", first, indent + 2, width, label_style=LOUD)
        yield from ([(start + line, PLAIN)] for line in rest)

    return Verbatim(lines, instead=(Facts(instead),))


def _numbered(*parts: tuple[int, str, str]) -> list[str]:
    """Counts that are not 0, each with what one of them and what several do."""
    return [f"{count} {one if count == 1 else many}" for count, one, many in parts if count]


# --- specs --------------------------------------------------------------------------------------------------------


def said(result: SpecResult) -> str:
    """Remarks on a file beside its counts: errata, claims that no erratum declares."""
    if isinstance(result, UnreadSpec):
        return "cannot be read"
    parts = _numbered(
        (result.known, "known erratum", "known errata"),
        (len(result.undeclared), "contradicts, undeclared", "contradict, undeclared"),
        (len(result.stale), "stale erratum", "stale errata"),
    )
    return ", ".join(parts)


def reasoned(result: SpecResult) -> str:
    """The same with why a file cannot be read, as its error may go to another place."""
    error = result.error if isinstance(result, UnreadSpec) else None
    return f"{said(result)}: {printable(sentence(error.message))}" if error else said(result)


def verdict(results: Sequence[SpecResult]) -> str:
    """One sentence about all of it."""
    read = _read(results)
    wrong, stale = sum(len(result.undeclared) for result in read), sum(len(result.stale) for result in read)
    bad = _numbered(
        (len(results) - len(read), "spec cannot be read", "specs cannot be read"),
        (wrong, "figure contradicts and stands under no erratum", "figures contradict and stand under no erratum"),
        (stale, "erratum no longer applies", "errata no longer apply"),
    )
    known = any(result.known for result in read)
    fine = "✓ every printed figure holds" + (" or stands under an erratum" if known else "")
    return f"✗ {'; '.join(bad)}" if bad else fine


def _read(results: Sequence[SpecResult]) -> list[CheckedSpec]:
    """Those that can be read."""
    return [result for result in results if isinstance(result, CheckedSpec)]


def _if_read(value: Callable[[CheckedSpec], Value]) -> Callable[[SpecResult], Value]:
    """The value of those that can be read."""
    return lambda result: value(result) if isinstance(result, CheckedSpec) else None


def _verdicts(name: str) -> Callable[[SpecResult], Value]:
    return _if_read(lambda result: result.verdicts[name])


def _counted(what: str) -> Callable[[Sequence[Value]], Shown]:
    """`6 models`, `1 model `: the numbers below each other."""
    return lambda values: Shown("", ["" if v is None else f"{v} {what}{' ' if v == 1 else 's'}" for v in values])


MODEL_COUNT = _if_read(lambda result: len(result.judged))
FIGURE_COUNT = _if_read(lambda result: len(result.figures))
SPEC = Column("spec", lambda result: printable(result.spec), "spec", "spec", words)
COLUMNS = (
    SPEC,
    Column("ok", lambda result: "yes" if result.ok else "no", "ok", "ok", words),
    Column("models", MODEL_COUNT, "models", "models", plain),
    Column("figures", FIGURE_COUNT, "figures", "figures", plain),
    *(Column(name.replace(" ", "_"), _verdicts(name), name, name, plain) for name in VERDICTS),
    Column("undeclared", lambda result: len(result.undeclared) if isinstance(result, CheckedSpec) else 0),
    Column("stale", _if_read(lambda result: len(result.stale))),
    Column("error", lambda result: result.error.message if isinstance(result, UnreadSpec) else ""),
    Column("notes", said, "notes", "notes", words),
)
TERMINAL = (
    Column("mark", lambda result: "✓" if result.ok else "✗", "", "", words),
    SPEC,
    Column("models", MODEL_COUNT, "", "", _counted("model")),
    Column("figures", FIGURE_COUNT, "", "", _counted("figure")),
    Column("notes", reasoned, "", "", words),
)


def _specs(results: Sequence[SpecResult]) -> Iterator[Block]:
    yield Table(COLUMNS, results, terminal=TERMINAL, headings=False, style=_style, below=partial(_below, results[-1]))
    yield Gap()
    if len(results) > 1:
        yield Prose(_totals(results))
    yield Only(SEEN, [Prose(verdict(results), BOLD if all(result.ok for result in results) else LOUD)])


def _style(result: SpecResult, column: Column) -> str:
    if result.ok:
        return DIM if column.name == "notes" else PLAIN
    return LOUD if column.name in ("mark", "spec", "notes") else PLAIN


def _below(last: SpecResult, result: SpecResult) -> Iterator[Block]:
    """The errors of a spec; that of an unreadable one goes to a terminal's other stream."""
    if isinstance(result, UnreadSpec):
        yield Only(READ, [_error(result.error, 2, result.spec)])
        return
    yield from (_error(problem, 2, result.spec) for problem in result.problems)
    if not result.ok and result is not last:
        yield Gap()


def _totals(results: Sequence[SpecResult]) -> str:
    read = _read(results)
    models, known = sum(len(result.judged) for result in read), sum(result.known for result in read)
    figures = sum(len(result.figures) for result in read)
    counts = sum((result.verdicts for result in read), Counter[str]())
    each = " · ".join(f"{counts[name]:,} {SAID[name]}" for name in VERDICTS if counts[name])
    if counts["contradicts"]:
        each += ", as errata say" if known == counts["contradicts"] else f", {known} of them as errata say"
    said = ((len(results), "spec"), (models, "model"), (figures, "printed figure"))
    return ", ".join(f"{count:,} {word}{'s' * (count != 1)}" for count, word in said) + (f": {each}" if each else "")


# --- locks --------------------------------------------------------------------------------------------------------


def locked(found: CheckResult) -> str:
    """One sentence about the locks."""
    models = [model for _, model in found.models]
    drifted = sum(model.drift is not None and not model.updated for model in models)
    broken = sum(verdict.broken for model in models for verdict in model.budgets)
    failed = sum(len(lock.errors) for lock in found.locks)
    one = "model" if len(models) == 1 else f"of {len(models)} models"
    bad = _numbered(
        (failed, "lock or model cannot be read", "locks or models cannot be read"),
        (drifted, f"{one} is not as locked", f"of {len(models)} models are not as locked"),
        (broken, "budget is broken", "budgets are broken"),
        (len(found.not_locked) * found.strict, "model is not locked", "models are not locked"),
    )
    unknown = _numbered(
        (found.unmeasured, "required budget was not measured", "required budgets were not measured"),
    )
    updated = [lock.name for lock in found.locks if lock.updated]
    said = [f"{', '.join(updated)} {'holds' if len(updated) == 1 else 'hold'} what is true now"] if updated else []
    if bad or said:
        hint = ["`archcalc check --update` accepts what has changed"] if drifted else []
        return f"{'✗' if bad else '–' if unknown else '✓'} {'; '.join([*bad, *unknown, *said, *hint])}"
    if not found.locks:
        every = all(verdict.holds for model in models for verdict in model.budgets)
        fine = "all budgets hold" if every else "no budget is known to be broken"
    elif found.nothing:
        return "– nothing was held"
    else:
        count = len(models) - len(found.bounded)
        fine = f"{'the model is' if count == 1 else f'all {count} models are'} as locked"
    return f"{'–' if unknown else '✓'} {'; '.join([fine, *unknown])}"


MODELS = (  # of a model with its lock, or with the spec that it is built from
    Column("lock", lambda entry: printable(entry[0]), "lock", "lock", words),
    Column("model", lambda entry: printable(entry[1].name), "model", "model", words),
    Column("ok", lambda entry: "yes" if entry[1].ok else "no", "ok", "ok", words),
    Column("params", lambda entry: entry[1].totals.get("params"), "params", "params", exact),
    Column("macs", lambda entry: entry[1].totals.get("macs"), "MACs", "MACs", exact),
)
TOTALS = (
    Column("total", lambda pair: pair[0], "total", "total", words),
    Column("locked", lambda pair: pair[1][0], "locked", "locked", exact),
    Column("now", lambda pair: pair[1][1], "now", "now", exact),
)
CHANGES = (
    Column("lock", lambda found: found[0]),
    Column("model", lambda found: found[1]),
    Column("path", lambda found: found[2].path),
    Column("where", lambda found: found[2].place.where),
    Column("field", lambda found: found[2].field),
    Column("locked", lambda found: _value(found[2].locked)),
    Column("now", lambda found: _value(found[2].now)),
    Column("cause", lambda found: "yes" if found[2].cause else "no"),
)


def _value(value: Any) -> Value:
    """One side of a change."""
    if isinstance(value, LockLine):
        return value.text().strip()
    return "" if value is None else value if isinstance(value, int) else told(value)


def _locks(found: CheckResult) -> Iterator[Block]:
    entries = [(lock or model.spec, model) for lock, model in found.models]
    yield from [Only(READ, [Table(MODELS, entries)])] if entries else []
    several = len(found.locks) > 1
    for lock in found.locks:
        if several or lock.error is not None:
            yield _seen((printable(lock.name), BOLD))
        if lock.error is not None:
            yield _error(lock.error, 4, lock.name)
        fine = [model for model in lock.models if model.ok and not model.budgets]
        quiet = fine if len(fine) > FEW else []  # a long list of what is fine hides what is not
        for model in lock.models:
            if model not in quiet:
                yield from _model(model)
        if quiet:
            yield _seen(("✓ ", PLAIN), (f"{len(quiet)} models as locked", DIM))
    for model in found.bounded:
        yield from _model(model)
    yield Gap()
    said = locked(found)
    yield Only(SEEN, [Prose(said, BOLD if said.startswith("✓") else LOUD)])


def _seen(*pieces: Piece) -> Only:
    """A line of a terminal."""
    return Only(SEEN, [Verbatim(lambda width: [list(pieces)])])


def _model(model: CheckedModel) -> Iterator[Block]:
    counts = ""
    if model.totals:
        number, unit = scaled(model.totals["macs"])
        counts = f"  {model.totals['params']:,} params, {number}{f' {unit}' if unit else ''} MACs"
    mark, style = ("✓ ", PLAIN) if model.ok else ("✗ ", LOUD) if model.failed else ("– ", LOUD)
    name = printable(model.name)
    yield _seen((mark, style), (name, style), (counts, DIM))
    if model.error is not None or model.drift is not None or model.budgets:
        yield Only(READ, [Heading(mark + name, level=2)])
    if model.error is not None:
        yield _error(model.error, 4, model.name)
    if model.drift is not None:
        yield from _drift(model.drift)
    for verdict in model.budgets:
        mark = "✓" if verdict.holds else "✗" if verdict.broken else "!" if verdict.holds is False else "–"
        styles = (DIM, DIM) if verdict.holds else (PLAIN, LOUD)
        text = budget(verdict)
        yield Only(SEEN, [Facts([Fact(mark, f"budget {text}", *styles)], 6, 4)])
        yield Only(READ, [Facts([Fact(f"{mark} budget", text)])])


def _drift(drift: Drift) -> Iterator[Block]:
    found = causes(drift)
    parts = [[f"at {printable(some(cause.paths))}" if cause.paths else "", printable(cause.where)] for cause in found]
    told = [(printable(cause.what), list(filter(None, rest))) for cause, rest in zip(found, parts, strict=True)]
    if drift.totals and not drift.changes:
        told = [
            ("no node is another one: archcalc counts otherwise than when this was locked, or the lock was edited", [])
        ]
    ends = list(filter(None, [following(drift)]))
    kept = Fact("old checkpoints", printable(checkpoint(drift.checkpoint, bool(found))), PLAIN, DIM)
    lines = [fact for what, rest in told for fact in (Fact("✗", what, BOLD, LOUD), *(Fact("", text) for text in rest))]
    so = [Fact("" if number else "so", text, DIM, DIM) for number, text in enumerate([*totals(drift), *ends])]
    yield Only(SEEN, [Facts(lines, 6, 4), Facts(so, 7, 4), Facts([kept._replace(label=f"    {kept.label}")], 20)])
    yield Only(READ, [Facts([Fact(what, ", ".join(rest)) for what, rest in told])])
    yield Only(READ, [Table(TOTALS, list(drift.totals.items()))] if drift.totals else [])
    yield Only(READ, [Facts([*(Fact("so", text) for text in ends), kept])])


# --- JSON ---------------------------------------------------------------------------------------------------------

PLACE = "The place: file:line:column; null where it has none."
OK = "Whether all is as it should be."
UNREAD = "Why it cannot be read or built; else null."
NONE = "As it is locked; null where there was nothing."
NOW = "As it is now; null where there is nothing."
TENSOR = "The parameter or statistic."


class ErrorDocument(TypedDict):
    """An error and its place."""

    message: Annotated[str, "What is wrong."]
    where: Annotated[str | None, PLACE]
    hint: Annotated[str | None, "What may help; else null."]


class UndeclaredClaim(ClaimDocument):
    """A printed figure that contradicts and stands under no erratum."""

    subject: Annotated[str, "The variant or model that it is about."]


class ReadSpec(TypedDict, total=False):
    """The keys that only a spec that can be read has."""

    family: Annotated[str, "The name of the spec's family."]
    models: Annotated[list[str], "The names of its models."]
    figures: Annotated[Natural, "The number of printed figures."]
    verdicts: Annotated[
        dict[str, Natural], (("propertyNames", {"enum": list(VERDICTS)}),), "How many figures have which verdict."
    ]
    undeclared: Annotated[list[UndeclaredClaim], "Figures that contradict and stand under no erratum."]
    stale: Annotated[list[ErrorDocument], "Errata that no longer apply."]


class SpecDocument(ReadSpec):
    """A spec file; one that cannot be read has its error alone."""

    spec: Annotated[str, "The spec file."]
    ok: Annotated[bool, OK]
    error: Annotated[ErrorDocument | None, UNREAD]


class LockDocument(TypedDict):
    """A lock file."""

    lock: Annotated[str, "The lock file."]
    ok: Annotated[bool, OK]
    error: Annotated[ErrorDocument | None, UNREAD]
    updated: Annotated[bool, "Whether the lock was written anew."]


class NotLockedDocument(TypedDict):
    """A model that no lock has."""

    name: Annotated[str, "The model, as it is asked for."]
    where: Annotated[str, "Where its spec names it: file:line:column."]


class NotHeldDocument(TypedDict):
    """Something that was not held."""

    what: Annotated[str, "A lock, or a folder."]
    why: Annotated[str, "Why it was not held, and what would."]


class ChangeDocument(TypedDict):
    """Something that is not as locked."""

    path: Annotated[str | None, "The node; null for the input and output of the network."]
    where: Annotated[str | None, "The call in the spec, or where it would stand: file:line:column."]
    within: Annotated[
        Sequence[str], "The calls of the blocks that hold the node, from the innermost to the row of the table."
    ]
    field: Annotated[str, (("enum", tuple(FIELDS)),), "What changed: `node` where the whole node is new or gone."]
    locked: Annotated[Any, NONE]
    now: Annotated[Any, NOW]
    cause: Annotated[bool, "Whether it follows from no other change."]


class LockedTotal(TypedDict):
    """A sum, as locked and now."""

    locked: Annotated[int | None, NONE]
    now: Annotated[int | None, NOW]


class ReshapedDocument(TypedDict):
    """A parameter or statistic of another shape."""

    name: Annotated[str, TENSOR]
    locked: Annotated[Sizes, NONE]
    now: Annotated[Sizes, NOW]


class RenamedDocument(TypedDict):
    """A parameter or statistic that is only called otherwise."""

    name: Annotated[str, TENSOR]
    now: Annotated[str, NOW]


class CheckpointDocument(TypedDict):
    """The parameters and statistics of an old checkpoint, by whether they load into the network as it is now."""

    kept: Annotated[Natural, "How many parameters and statistics load as before."]
    gone: Annotated[Sequence[str], "Those that have no place any more."]
    reshaped: Annotated[list[ReshapedDocument], "Those of another shape."]
    renamed: Annotated[list[RenamedDocument], "Those that are only called otherwise."]
    missing: Annotated[Sequence[str], "Those that old checkpoints do not have."]


class BudgetDocument(TypedDict):
    """A bound."""

    budget: Annotated[str, "The bound as it is written."]
    where: Annotated[str, "Where the budget stands: file:line:column."]
    advisory: Annotated[bool, "Whether a breach fails nothing."]
    holds: Annotated[bool | None, "Whether it is kept; null where it was not measured."]
    reason: Annotated[str | None, "Why it could not be measured; else null."]
    value: Annotated[float | None, "What there is, in base units; null where it was not measured."]
    limit: Annotated[float, "What may be, in base units."]


class CheckedDocument(TypedDict):
    """A model that is locked or has budgets."""

    name: Annotated[str, "The model as the lock calls it."]
    lock: Annotated[str | None, "The lock file; null where the model is not locked."]
    spec: Annotated[str | None, "The spec file that the model is built from; null where it cannot be built."]
    ok: Annotated[bool, OK]
    error: Annotated[ErrorDocument | None, UNREAD]
    changes: Annotated[list[ChangeDocument], "All that is not as locked, node by node."]
    totals: Annotated[Mapping[str, LockedTotal], "Sums by name, as locked and now; null where the lock holds none."]
    checkpoint: Annotated[
        CheckpointDocument | None,
        "What an old checkpoint holds for the network as it is now; null where nothing changed.",
    ]
    budgets: Annotated[list[BudgetDocument], "The bounds that hold for the model."]


class AgainstModels(TypedDict, total=False):
    """What a check against another model has."""

    against: Annotated[list[against.AgainstDocument], "The models held against another; absent where none is."]


class CheckDocument(AgainstModels):
    """What `archcalc check --format json` writes; keys may be added."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]
    ok: Annotated[bool, OK]
    specs: Annotated[list[SpecDocument], "The spec files that were checked."]
    locks: Annotated[list[LockDocument], "The locks that were checked."]
    models: Annotated[
        list[CheckedDocument], "The models of the locks, and those of specs for which the project has budgets."
    ]
    strict: Annotated[bool, "Whether a model that no lock has fails."]
    not_locked: Annotated[
        list[NotLockedDocument], "The models of the specs that are locked, or named, that no lock has."
    ]
    not_held: Annotated[list[NotHeldDocument], "What was not held: locks beside named specs, folders without entry."]


def data(found: CheckResult) -> CheckDocument:
    """The JSON document."""
    held: AgainstModels = {"against": [against.against_document(diff) for diff in found.held]} if found.held else {}
    return {
        "schema": SCHEMA,
        "archcalc": __version__,
        "ok": found.ok,
        "specs": [_spec_document(result) for result in found.specs],
        "locks": [
            {
                "lock": lock.name,
                "ok": lock.ok,
                "error": _error_document(lock.error) if lock.error else None,
                "updated": lock.updated,
            }
            for lock in found.locks
        ],
        "models": [_model_document(lock, model) for lock, model in found.models],
        "strict": found.strict,
        "not_locked": [{"name": model.name, "where": model.where} for model in found.not_locked],
        "not_held": [{"what": lacking.what, "why": lacking.why} for lacking in found.not_held],
        **held,
    }


def _spec_document(result: SpecResult) -> SpecDocument:
    if isinstance(result, UnreadSpec):
        return {"spec": result.spec, "ok": False, "error": _error_document(result.error)}
    return {
        "spec": result.spec,
        "ok": result.ok,
        "error": None,
        "family": result.family_name,
        "models": list(result.judged),
        "figures": len(result.figures),
        "verdicts": {name: result.verdicts[name] for name in VERDICTS},
        "undeclared": [{"subject": j.claim.subject, **claim_document(j)} for j in result.undeclared],
        "stale": [_error_document(error) for error in result.stale],
    }


def _model_document(lock: str | None, model: CheckedModel) -> CheckedDocument:
    drift = model.drift
    before = model.section.totals() if model.section else {}
    now = model.totals | {name: value for name, (_, value) in (drift.totals if drift else {}).items()}
    return {
        "name": model.name,
        "lock": lock,
        "spec": model.spec or None,
        "ok": model.ok,
        "error": _error_document(model.error) if model.error else None,
        "changes": [_change_document(change) for change in drift.changes] if drift else [],
        "totals": {name: {"locked": before.get(name), "now": value} for name, value in now.items()},
        "checkpoint": _checkpoint_document(drift.checkpoint) if drift and drift.checkpoint else None,
        "budgets": [_budget_document(verdict) for verdict in model.budgets],
    }


def _checkpoint_document(found: Checkpoint) -> CheckpointDocument:
    return {
        "kept": found.kept,
        "gone": found.gone,
        "reshaped": [{"name": name, "locked": _shape(a), "now": _shape(b)} for name, a, b in found.reshaped],
        "renamed": [{"name": name, "now": other} for name, other in found.renamed],
        "missing": found.missing,
    }


def _budget_document(verdict: BudgetVerdict) -> BudgetDocument:
    return {
        "budget": verdict.budget.text.value,
        "where": verdict.budget.text.where,
        "advisory": verdict.budget.advisory,
        "holds": verdict.holds,
        "reason": verdict.reason or None,
        "value": None if verdict.value is None else _number(verdict.value),
        "limit": _number(verdict.limit),
    }


def _change_document(change: Change) -> ChangeDocument:
    return {
        "path": change.path or None,
        "where": change.place.where or None,
        "within": change.place.within,
        "field": change.field,
        "locked": _field(change.field, change.locked),
        "now": _field(change.field, change.now),
        "cause": change.cause,
    }


def _field(field: str, value: Any) -> Any:
    if isinstance(value, LockLine):
        return {name: _field(name, part) for name, part in value._asdict().items()}
    if field == "state":
        return {name: _shape(shape) for name, shape in value}
    if field == "output":
        return _shape(value)
    return list(value) if isinstance(value, tuple) else value


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _number(value: Any) -> int | float:
    return int(value) if value == int(value) else round(float(value), 6)


def _error_document(error: ArchcalcError) -> ErrorDocument:
    return {"message": error.message, "where": getattr(error, "where", "") or None, "hint": error.hint or None}
