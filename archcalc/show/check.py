"""What `archcalc check` found, in every form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args

from .. import __version__
from ..documents import SCHEMA
from ..errors import SpecError, printable
from ..papers.claims import Verdict
from ..tasks.check import CheckedSpec, SpecResult, UnreadSpec
from . import as_csv, records
from .as_json import write
from .columns import Column, Shown, Value, plain, words
from .documents import claim_document
from .pieces import BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, hanging, page, prose

VERDICTS: tuple[str, ...] = get_args(Verdict)
SAID = {
    "exact": "exact",
    "rounds": "round",
    "reads as": "hold under a reading",
    "truncates": "are cut",
    "contradicts": "contradict",
}


def render(results: Sequence[SpecResult], output_format: str, width: int | None = None, color: bool = False) -> str:
    """The results in one of `FORMATS`; `width` and `color` are for text."""
    if output_format == "json":
        return write(document(results))
    if output_format == "csv":
        return as_csv.table(COLUMNS, results)
    if output_format == "markdown":
        shown = [column for column in COLUMNS if column.show is not None]
        return f"{records.markdown(shown, results)}\n{verdict(results)}\n"
    if output_format in ("latex", "html"):
        return records.render(COLUMNS, results, output_format, title="Checked specs", notes=[verdict(results)])
    return page(_text(results, width), color)


def said(result: SpecResult) -> str:
    """What is to be known about a file beside its counts."""
    if isinstance(result, UnreadSpec):
        return "cannot be read"
    wrong, known, stale = len(result.undeclared), result.known, len(result.stale)
    parts = [
        (known, "known erratum", "known errata"),
        (wrong, "contradicts, undeclared", "contradict, undeclared"),
        (stale, "stale erratum", "stale errata"),
    ]
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in parts if count)


def verdict(results: Sequence[SpecResult]) -> str:
    """One sentence about all of it."""
    unread = sum(isinstance(result, UnreadSpec) for result in results)
    read = _read(results)
    wrong, stale = sum(len(result.undeclared) for result in read), sum(len(result.stale) for result in read)
    parts = [
        (unread, "spec cannot be read", "specs cannot be read"),
        (wrong, "figure contradicts and stands under no erratum", "figures contradict and stand under no erratum"),
        (stale, "erratum no longer applies", "errata no longer apply"),
    ]
    bad = [f"{count} {one if count == 1 else many}" for count, one, many in parts if count]
    if bad:
        return f"✗ {'; '.join(bad)}"
    known = sum(result.known for result in read)
    return "✓ every printed figure holds" + (" or stands under an erratum" if known else "")


def _read(results: Sequence[SpecResult]) -> list[CheckedSpec]:
    """Those that can be read."""
    return [result for result in results if isinstance(result, CheckedSpec)]


# --- columns ------------------------------------------------------------------------------------------------------


def _models(result: SpecResult) -> int | None:
    return len(result.judged) if isinstance(result, CheckedSpec) else None


def _figures(result: SpecResult) -> int | None:
    return len(result.figures) if isinstance(result, CheckedSpec) else None


def _verdicts(name: str) -> Callable[[Any], Value]:
    return lambda result: result.verdicts[name] if isinstance(result, CheckedSpec) else None


def _counted(what: str) -> Callable[[Sequence[Value]], Shown]:
    """`6 models`, `1 model `: the numbers below each other."""

    def show(values: Sequence[Value]) -> Shown:
        return Shown("", ["" if v is None else f"{v} {what}{' ' if v == 1 else 's'}" for v in values])

    return show


SPEC = Column("spec", lambda result: printable(result.spec), "spec", "spec", words)
COLUMNS = (
    SPEC,
    Column("ok", lambda result: "yes" if result.ok else "no", "ok", "ok", words),
    Column("models", _models, "models", "models", plain),
    Column("figures", _figures, "figures", "figures", plain),
    *(Column(name.replace(" ", "_"), _verdicts(name), name, name, plain) for name in VERDICTS),
    Column("undeclared", lambda result: len(result.undeclared) if isinstance(result, CheckedSpec) else 0),
    Column("stale", lambda result: len(result.stale) if isinstance(result, CheckedSpec) else None),
    Column("error", lambda result: result.error.message if isinstance(result, UnreadSpec) else ""),
    Column("notes", said, "notes", "notes", words),
)
TEXT = (
    Column("mark", lambda result: "✓" if result.ok else "✗", "", "", words),
    SPEC,
    Column("models", _models, "", "", _counted("model")),
    Column("figures", _figures, "", "", _counted("figure")),
    Column("notes", said, "", "", words),
)

# --- text ---------------------------------------------------------------------------------------------------------


def _text(results: Sequence[SpecResult], width: int | None) -> Iterator[Pieces]:
    def style(result: SpecResult, column: Column) -> str:
        if result.ok:
            return DIM if column.name == "notes" else PLAIN
        return LOUD if column.name in ("mark", "spec", "notes") else PLAIN

    room = PROSE if width is None else width

    def below(result: SpecResult) -> Iterator[Pieces]:
        for problem in result.problems if isinstance(result, CheckedSpec) else ():
            yield from _problem(problem, room)
        if isinstance(result, CheckedSpec) and not result.ok and result is not results[-1]:
            yield []

    yield from records.text(TEXT, results, width, headings=False, below=below, style=style)
    yield []
    if len(results) > 1:
        yield from prose(_totals(results), room)
    fine = all(result.ok for result in results)
    yield from prose(verdict(results), room, BOLD if fine else LOUD)


def _problem(problem: SpecError, width: int) -> Iterator[Pieces]:
    """An error below its file: what is wrong, where, and what to do."""
    first, *rest = problem.render().split("\n")
    yield from hanging("  ✗ ", first.removeprefix("error: "), 4, width, label_style=LOUD)
    for line in rest:
        yield [("  " + line, PLAIN)]


def _totals(results: Sequence[SpecResult]) -> str:
    models = sum(_models(result) or 0 for result in results)
    figures = sum(_figures(result) or 0 for result in results)
    counts: Counter[str] = Counter()
    for result in _read(results):
        counts += result.verdicts
    known = sum(result.known for result in _read(results))
    each = " · ".join(f"{counts[name]:,} {SAID[name]}" for name in VERDICTS if counts[name])
    if counts["contradicts"]:
        each += ", as errata say" if known == counts["contradicts"] else f", {known} of them as errata say"
    return f"{len(results)} specs, {models:,} models, {figures:,} printed figures" + (f": {each}" if each else "")


# --- JSON ---------------------------------------------------------------------------------------------------------


def document(results: Sequence[SpecResult]) -> Iterable[tuple[str, Any]]:
    """The keys and values, in order."""
    yield "schema", SCHEMA
    yield "archcalc", __version__
    yield "ok", all(result.ok for result in results)
    yield "specs", [_spec(result) for result in results]


def _spec(result: SpecResult) -> dict[str, Any]:
    if isinstance(result, UnreadSpec):
        return {"spec": result.spec, "ok": False, "error": _error(result.error)}
    return {
        "spec": result.spec,
        "ok": result.ok,
        "error": None,
        "family": result.family_name,
        "models": list(result.judged),
        "figures": len(result.figures),
        "verdicts": {name: result.verdicts[name] for name in VERDICTS},
        "undeclared": [{"subject": j.claim.subject, **claim_document(j)} for j in result.undeclared],
        "stale": [_error(error) for error in result.stale],
    }


def _error(error: SpecError) -> dict[str, Any]:
    return {"message": error.message, "where": error.where or None, "hint": error.hint or None}
