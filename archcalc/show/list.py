"""The list of models, and of what is known only by what documents print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, TypedDict, cast

from ..documents import Count, Sizes
from ..errors import printable
from ..papers.metrics import ACCURACIES
from ..tasks.list import ListedModel, ModelList, first_year
from .columns import Column, Value, binary, by_names, counts, exact, for_people, plain, size, words
from .page import Block, Fact, Facts, Gap, Heading, Page, Prose, Table
from .reported import REPORTED, ReportedDocument, reported_column, reported_document, sources
from .styles import DIM, PLAIN
from .wording import clean

if TYPE_CHECKING:
    from ..papers.accuracies import Accuracy, System  # reads all that is printed: plain lists need none of it

COLUMNS = (
    Column("name", lambda entry: printable(entry.name), "model", "model", words),
    Column("family", lambda entry: printable(entry.family), "family", "family", words),
    Column("variant", lambda entry: entry.variant),
    Column("title", lambda entry: clean(entry.title), "paper", "paper", words),
    Column("cite", lambda entry: clean(entry.cite), "cite", "cite", words),
    Column("year", lambda entry: entry.year, "year", "year", plain),
    Column("params", lambda entry: entry.params, "params", "params", exact),
    Column("macs", lambda entry: entry.macs, "MACs", "MACs", counts),
    Column("input", lambda entry: ", ".join(map(size, entry.input)), "input", "input", words),
    Column("spec", lambda entry: entry.spec),
)
ACTIVE = Column("active_params", lambda entry: entry.active_params, "active", "active", exact, spare=True)
# Only where somebody asks for them.
ASKED = tuple(
    Column(name, attrgetter(f"totals.{name}"), heading, heading, show)
    for name, heading, show in (
        ("flops", "FLOPs", counts),
        ("param_bytes", "parameters", binary),
        ("activation_bytes", "activations", binary),
        ("peak_memory_bytes", "peak memory", binary),
        ("weight_layers", "weight layers", plain),
    )
)
KNOWN = (*COLUMNS, ACTIVE, *ASKED)
SHOWN = [column for column in COLUMNS if column.show is not None]
TERMINAL = by_names(COLUMNS, ("name", "params", "macs", "input"))
ONLY_PRINTED = "Known only by what documents print"
NO_SPEC = "Always null: no spec builds it."


class ModelDocument(TypedDict):
    """A model that a spec builds."""

    name: Annotated[str, "The name that people type."]
    family: Annotated[str, "The name of the spec's family."]
    params: Annotated[Count, "Weights, biases and parameters of normalisations; shared ones count once."]
    active_params: NotRequired[Annotated[Count, "The parameters that a token works with, where these are not all."]]
    macs: Annotated[Count, "Multiply–accumulates of convolutions, fully connected layers and matrix products."]
    input: Annotated[Sizes, "The shape of the input, channels first, without the batch; the first of several."]
    inputs: NotRequired[Annotated[tuple[Sizes, ...], "The shapes of all inputs, where there are several."]]
    variant: Annotated[str, "The variant as the paper prints it."]
    title: Annotated[str, "The title of the spec."]
    cite: Annotated[str, "The citation of the spec."]
    year: Annotated[int | None, "The year of publication in the citation; null where it has none."]
    spec: Annotated[str, "The spec file."]
    stands_in: NotRequired[Annotated[str, "What of the paper something else stands in for, if the spec says so."]]
    known_by: NotRequired[Annotated[Literal["spec"], "What the system is known by; with `--all` only."]]
    reported: NotRequired[Annotated[list[ReportedDocument], REPORTED]]


class AccuracyDocument(TypedDict):
    """A result that a document prints for a system."""

    id: Annotated[str, "The id of the result."]
    variant: Annotated[str, "What stands beside the figure."]
    dataset: Annotated[str, "The data set, or what else the figure is about."]
    metric: Annotated[str, (("enum", tuple(ACCURACIES)),), "What is printed."]
    setting: Annotated[str, "How the network was trained and tested, as printed."]
    printed: Annotated[str, "The figure as it is printed."]
    value: Annotated[float, "The figure as a number."]
    unit: Annotated[str, "The unit of that number."]
    source: Annotated[list[str], (("minItems", 1),), "Where it is printed: `document — place`."]


class SystemDocument(TypedDict):
    """A system that no spec builds, with `--all`: the keys of a model, empty, and then what is printed."""

    name: Annotated[str, "What documents call the system."]
    family: Annotated[None, NO_SPEC]
    params: Annotated[None, NO_SPEC]
    macs: Annotated[None, NO_SPEC]
    input: Annotated[None, NO_SPEC]
    variant: Annotated[None, NO_SPEC]
    title: Annotated[None, NO_SPEC]
    cite: Annotated[None, NO_SPEC]
    year: Annotated[int | None, "The first year that they name; null where they name none."]
    spec: Annotated[None, NO_SPEC]
    known_by: Annotated[
        Literal["op", "printed result", "description"],
        "Whether an op of the language is it, or else whether a result is printed, or a description and no more.",
    ]
    op: NotRequired[Annotated[str, "The op that is the system, where one is."]]
    described: Annotated[str, "What documents show of the system."]
    unbuilt: NotRequired[Annotated[str, "Why no spec builds it; absent of an op."]]
    results: Annotated[list[AccuracyDocument], "All results that they print for it."]


ListDocument = Annotated[
    list[ModelDocument | SystemDocument], "What `archcalc list --format json` writes; keys may be added."
]


def page(found: ModelList, wanted: Sequence[str] = (), raw: bool = False) -> Page:
    """The models, and the systems that no spec builds; with the columns that are wanted, or the usual ones, and
    numbers as they are if `raw`. Raises UsageError for a column that there is not."""
    own = [reported_column(metric) for metric in found.metrics]
    picked = by_names((*KNOWN, *own), wanted) if wanted else [*_with_active(SHOWN, found.models), *own]
    shown = for_people(picked, raw)
    terminal = [] if wanted else for_people([*_with_active(TERMINAL, found.models), *own], raw)
    return Page(
        "Models",
        lambda: _blocks(found, shown, terminal),
        lambda: data(found),
        lambda: _table(found, wanted, own),
    )


def _with_active(columns: Sequence[Column], entries: Sequence[ListedModel]) -> Sequence[Column]:
    """The columns with that of active parameters behind `params`, where a model has others."""
    if all(entry.active_params == entry.params for entry in entries):
        return columns
    after = 1 + [column.name for column in columns].index("params")
    return [*columns[:after], ACTIVE, *columns[after:]]


def data(found: ModelList) -> ListDocument:
    """The JSON document. `known_by` of models stands in it where there may be systems."""
    models = [model_document(entry, found.systems is not None) for entry in found.models]
    return [*models, *map(_system, found.systems or ())]


def model_document(entry: ListedModel, marked: bool = False) -> ModelDocument:
    """A model as JSON has it; `marked`: what it is known by stands in it."""
    found = {key: getattr(entry, key) for key in ModelDocument.__annotations__ if hasattr(entry, key)}
    found["input"] = entry.input[0]
    if entry.active_params == entry.params:
        del found["active_params"]
    if len(entry.input) > 1:
        found["inputs"] = entry.input
    if not entry.stands_in:
        del found["stands_in"]
    if marked:
        found["known_by"] = "spec"
    if entry.reported:
        found["reported"] = list(map(reported_document, entry.reported))
    else:
        del found["reported"]
    return cast(ModelDocument, {key: found[key] for key in ModelDocument.__annotations__ if key in found})


def _system(system: System) -> SystemDocument:
    found = {
        "name": system.name.value,
        "year": first_year(system.year),
        "known_by": "op" if system.op else "printed result" if system.results else "description",
        "described": system.described,
        "results": [accuracy_document(accuracy) for accuracy in system.results],
    }
    either = {"op": system.op, "unbuilt": system.unbuilt}
    found |= {key: value for key, value in either.items() if value}
    keys = [key for key in SystemDocument.__annotations__ if key in found or key not in either]
    return cast(SystemDocument, {key: found.get(key) for key in keys})


def accuracy_document(accuracy: Accuracy) -> AccuracyDocument:
    """A printed result as JSON has it."""
    value = accuracy.value
    return {
        "id": accuracy.id.value,
        "variant": accuracy.variant,
        "dataset": accuracy.dataset,
        "metric": accuracy.metric,
        "setting": accuracy.setting,
        "printed": accuracy.printed.value,
        "value": value if isinstance(value, int) else float(value),
        "unit": accuracy.unit,
        "source": list(accuracy.sources),
    }


def _blocks(found: ModelList, shown: Sequence[Column], terminal: Sequence[Column]) -> Iterator[Block]:
    entries, others = found.models, found.systems or ()
    said = sources({printable(entry.name): entry.reported for entry in entries})
    if entries and terminal and found.ranked:
        yield Table(shown, entries, below=_stands_in, terminal=terminal)
    elif entries and terminal:
        yield from _families(entries, shown, terminal)
    elif entries:
        yield Table(shown, entries, below=_stands_in)
    if said:
        yield Gap()
        yield Facts([Fact("reported", text) for text in said])
    if entries and others:
        yield Gap()
    if others:
        yield from _only_printed(others)


def _families(entries: Sequence[ListedModel], shown: Sequence[Column], terminal: Sequence[Column]) -> Iterator[Block]:
    """The models; in a terminal in a group for each family, below what its paper is called."""
    firsts = [entries[0].name, *(after.name for entry, after in pairwise(entries) if after.spec != entry.spec)]

    def above(entry: ListedModel) -> Iterator[Block]:
        if entry.name in firsts:
            if entry.name != firsts[0]:
                yield Gap()
            yield Heading(printable(entry.family), (clean(entry.title),), fill=True)
            yield Prose(clean(entry.cite), DIM)

    yield Table(shown, entries, above=above, terminal=terminal, indent=2, below=_stands_in)
    yield Gap()
    many = f"{len(entries)} models of {len(firsts)} families" if len(firsts) > 1 else f"{len(entries)} models"
    yield Prose(many if len(entries) > 1 else "1 model", DIM)


def _stands_in(entry: ListedModel) -> Iterator[Block]:
    if entry.stands_in:
        yield Prose(f"{clean(entry.name)}: something stands in for {clean(entry.stands_in)}", DIM)


# --- what is known only by what documents print -------------------------------------------------------------------


def about(system: System) -> str:
    """The first printed result of a system and how many more there are, or what documents show of it."""
    if not system.results:
        return clean(system.described)
    more = len(system.results) - 1
    return said(system.results[0]) + (f", and {more} more" if more else "")


def said(accuracy: Accuracy) -> str:
    """`Maxout CNN [10]: 4.0 % (error, SVHN)`, with the figure as it is printed."""
    what = ", ".join(filter(None, (accuracy.in_words, accuracy.benchmark)))
    return clean(f"{accuracy.variant}: {as_printed(accuracy)} ({what})")


def as_printed(accuracy: Accuracy) -> str:
    """`4.0 %`: the figure as it is printed, with its unit where it does not say it."""
    printed = accuracy.printed.value
    for word, sign in (("\\pm", "±"), ("\\sim ", "~"), ("$\\dagger$", "†"), ("$\\ddagger$", "‡"), ("\\%", "%")):
        printed = printed.replace(word, sign)
    return clean(f"{printed}{accuracy.unit_behind}")


NAMED = (  # of a system that no spec builds
    Column("name", lambda system: clean(system.name.value), "system", "system", words),
    Column("year", lambda system: system.year, "year", "year", words),
    Column("printed", about, "printed", "printed", words),
    Column("unbuilt", lambda system: clean(system.unbuilt), "why no spec", "no spec", words),
)


def _only_printed(systems: Sequence[System]) -> Iterator[Block]:
    def style(system: System, column: Column) -> str:
        return PLAIN if system.results or column.name == "name" else DIM

    ops, named = ([system for system in systems if bool(system.op) == is_op] for is_op in (True, False))
    if named:
        yield Heading(ONLY_PRINTED, level=2)
        yield Table(NAMED, named, style=style, indent=2, fill=True)
        yield Gap()
        printed = sum(bool(system.results) for system in named)
        many = f"{len(named)} systems without a spec" if len(named) > 1 else "1 system without a spec"
        yield Prose(f"{many}: {printed} with printed results, {len(named) - printed} only described", DIM)
    for system in ops:
        yield Prose(f"{clean(system.name.value)}: the op `{system.op}`; `archcalc explain {system.op}` shows it", DIM)


# --- both in one table ----------------------------------------------------------------------------------------------


ALL = tuple(Column(n, itemgetter(n)) for n in (*(column.name for column in COLUMNS), "known_by", "printed"))


def _table(found: ModelList, wanted: Sequence[str], own: Sequence[Column]) -> Table:
    entries, others = found.models, found.systems
    if others is None:
        every = [*_with_active(COLUMNS, entries), *own]
        return Table(by_names((*KNOWN, *own), wanted) if wanted else every, entries)
    return Table(by_names(ALL, wanted), [*map(_flat, entries), *map(_flat_system, others)])


def _flat(entry: ListedModel) -> dict[str, Value]:
    return {column.name: column.value(entry) for column in COLUMNS} | {"known_by": "spec", "printed": None}


def _flat_system(system: System) -> dict[str, Value]:
    known = _system(system)
    cells = {column.name: column.value(system) for column in NAMED}
    empty = dict.fromkeys(column.name for column in ALL)
    return empty | cells | {"year": known["year"], "known_by": known["known_by"]}
