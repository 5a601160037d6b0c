"""The list of models, in every form, and of what is known only by what documents print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import printable
from ..tasks.list import KNOWN_BY, ListedModel, first_year
from . import as_csv, as_latex, records
from .columns import Column, Value, as_is, by_names, counts, exact, plain, size, with_headings, words
from .pieces import BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, page, prose
from .sentences import clean
from .writers import html

if TYPE_CHECKING:
    from ..papers.accuracies import Accuracy, System

NAME = Column("name", lambda entry: printable(entry.name), "model", "model", words)
PAPER = Column("title", lambda entry: clean(entry.title), "paper", "paper", words)
CITE = Column("cite", lambda entry: clean(entry.cite), "cite", "cite", words)
YEAR = Column("year", lambda entry: entry.year, "year", "year", plain)
PARAMS = Column("params", lambda entry: entry.params, "params", "params", exact)
MACS = Column("macs", lambda entry: entry.macs, "MACs", "MACs", counts)
INPUT = Column("input", lambda entry: ", ".join(map(size, entry.input)), "input", "input", words)

COLUMNS = (
    NAME,
    Column("family", lambda entry: entry.family),
    Column("variant", lambda entry: entry.variant),
    PAPER,
    CITE,
    YEAR,
    PARAMS,
    MACS,
    INPUT,
    Column("spec", lambda entry: entry.spec),
)


SHOWN = (NAME, PAPER, YEAR, PARAMS, MACS, INPUT)
ONLY_PRINTED = "Known only by what documents print"
# What the list with `--all` says of each: whether a spec builds it, and else how it is known.
SPEC, RESULT, DESCRIPTION = KNOWN_BY


def render(
    entries: Sequence[ListedModel],
    output_format: str,
    width: int | None = None,
    color: bool = False,
    wanted: Sequence[str] = (),
    raw: bool = False,
    others: Sequence[System] | None = None,
) -> str:
    """The models in one of `FORMATS`, of the columns that are wanted or the usual ones, with `others` that no spec
    builds; `width` and `color` are for text."""
    if output_format == "json":
        marked = {} if others is None else {"known_by": SPEC}
        return records.json([document(entry) | marked for entry in entries] + [named(s) for s in others or ()])
    if output_format == "csv" and others is not None and not wanted:
        return as_csv.table(ALL, [*map(_flat, entries), *map(_flat_named, others)])
    if output_format == "text" and not wanted:
        parts = [page(_text(entries, width), color)] if entries else []
        parts += [page(_named_text(others, width), color)] if others else []
        return "\n".join(parts)
    people = output_format in ("text", "markdown", "latex", "html")
    columns = by_names(COLUMNS, wanted or ([column.name for column in SHOWN] if people else ()))
    if output_format == "text":
        return page(records.text([as_is(c) if raw else c for c in with_headings(columns)], entries, width), color)
    if output_format == "html" and others:
        shown = [as_is(c) if raw else c for c in with_headings(columns)]
        parts = [html.table(shown, entries)] if entries else []
        return html.whole("Models", [*parts, html.heading(ONLY_PRINTED), html.table(NAMED, others)])
    title = "Models" if output_format in ("latex", "html") else ""
    table = records.render(columns, entries, output_format, title=title, document=document, raw=raw)
    if output_format not in ("markdown", "latex"):
        return table
    tables = [table] if entries or not others else []
    if others and output_format == "latex":
        tables.append(as_latex.table(NAMED, others, ONLY_PRINTED))
    elif others:
        tables.append(f"{ONLY_PRINTED}:\n\n{records.markdown(NAMED, others)}")
    return "\n".join(tables)


def document(entry: ListedModel) -> dict[str, Any]:
    """A model as JSON has it."""
    found = {"name": entry.name, "family": entry.family, "params": entry.params, "macs": entry.macs}
    found |= {"input": entry.input[0]}
    if len(entry.input) > 1:
        found["inputs"] = entry.input
    about = ("variant", "title", "cite", "year", "spec")
    return found | {key: getattr(entry, key) for key in about}


def _text(entries: Sequence[ListedModel], width: int | None) -> Iterator[Pieces]:
    """A group for each family, below what its paper is called."""
    room = PROSE if width is None else width
    seen: list[str] = []

    def above(entry: ListedModel) -> Iterator[Pieces]:
        if seen and seen[-1] == entry.spec:
            return
        if seen:
            yield []
        seen.append(entry.spec)
        family, title = printable(entry.family), clean(entry.title)
        if len(family) + 2 + len(title) <= room:
            yield [(family, LOUD), ("  ", PLAIN), (title, BOLD)]
        else:
            yield [(family, LOUD)]
            yield from prose(title, room, BOLD)
        yield from prose(clean(entry.cite), room, DIM)

    yield from records.text((NAME, PARAMS, MACS, INPUT), entries, width, indent=2, above=above)
    yield []
    many = f"{len(entries)} models of {len(seen)} families" if len(seen) > 1 else f"{len(entries)} models"
    yield [(many if len(entries) > 1 else "1 model", DIM)]


# --- what is known only by what documents print -------------------------------------------------------------------


def known_by(system: System) -> str:
    return RESULT if system.results else DESCRIPTION


def named(system: System) -> dict[str, Any]:
    """A system that no spec builds as JSON has it: the keys of a model, empty, and then what is printed."""
    empty = ("family", "params", "macs", "input", "variant", "title", "cite")
    found = {"name": system.name.value, **dict.fromkeys(empty)}
    found |= {"year": first_year(system.year), "spec": None, "known_by": known_by(system)}
    return found | {"described": system.described, "results": [result(a) for a in system.results]}


def result(accuracy: Accuracy) -> dict[str, Any]:
    """A printed result as JSON has it."""
    value = accuracy.value
    about = ("variant", "dataset", "metric", "setting")
    return {
        "id": accuracy.id.value,
        **{key: getattr(accuracy, key) for key in about},
        "printed": accuracy.printed.value,
        "value": value if isinstance(value, int) else float(value),
        "unit": accuracy.unit,
        "source": list(accuracy.sources),
    }


def about(system: System) -> str:
    """The first printed result of a system and how many more there are, or what documents show of it."""
    if not system.results:
        return clean(system.described)
    more = len(system.results) - 1
    return said(system.results[0]) + (f", and {more} more" if more else "")


def said(accuracy: Accuracy) -> str:
    """`Maxout CNN [10]: 4.0 % (error, SVHN)`, with the figure as it is printed."""
    printed = accuracy.printed.value
    for word, sign in (("\\pm", "±"), ("\\sim ", "~"), ("$\\dagger$", "†"), ("$\\ddagger$", "‡"), ("\\%", "%")):
        printed = printed.replace(word, sign)
    what = ", ".join(filter(None, (accuracy.in_words, accuracy.benchmark)))
    return clean(f"{accuracy.variant}: {printed}{accuracy.unit_behind} ({what})")


# Of a system that no spec builds.
SYSTEM = Column("name", lambda system: clean(system.name.value), "system", "system", words)
NAMED = (
    SYSTEM,
    Column("year", lambda system: system.year, "year", "year", words),
    Column("printed", about, "what is printed", "printed", words),
)


def _named_text(systems: Sequence[System], width: int | None) -> Iterator[Pieces]:
    def style(system: System, column: Column) -> str:
        return PLAIN if system.results or column is SYSTEM else DIM

    room = PROSE if width is None else width
    yield [(ONLY_PRINTED, LOUD)]
    yield from records.text(NAMED, systems, room, indent=2, style=style)
    yield []
    printed = sum(bool(system.results) for system in systems)
    many = f"{len(systems)} systems without a spec" if len(systems) > 1 else "1 system without a spec"
    yield from prose(f"{many}: {printed} with printed results, {len(systems) - printed} only described", room, DIM)


def _flat(entry: ListedModel) -> dict[str, Value]:
    return {column.name: column.value(entry) for column in COLUMNS} | {"known_by": SPEC}


def _flat_named(system: System) -> dict[str, Value]:
    year = first_year(system.year)
    return {"name": clean(system.name.value), "year": year, "known_by": known_by(system), "printed": about(system)}


def _key(name: str) -> Column:
    return Column(name, lambda record: record.get(name))


ALL = tuple(_key(name) for name in (*(column.name for column in COLUMNS), "known_by", "printed"))
