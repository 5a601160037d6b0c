"""Printed results of networks: accuracies, errors, BLEU, speed. All is reported, nothing computed.

`specs/documents/accuracies/*.yaml` hold the results of each document in tables; `systems.yaml` beside them names every
system of the documents, the models of the zoo that it is, and which printed variant is which model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path

from ..errors import Text, did_you_mean
from ..files import Version, version
from ..language import zoo
from ..language.family import read_sources
from ..language.reader import Map, read_file, where_of
from ..networks import Number
from ..ops import OPS
from ..records import NamedTuple
from ..units import read_figure
from .metrics import ACCURACIES
from .tables import figures, items, maps, parts, rows

NOT_PRINTED = " (not printed)"  # behind a data set or a unit that the slide leaves out and its context tells
UNITS = (
    "%", "BLEU", "bits per character", "epochs", "days", "weeks", "s", "ms", "times", "TPUv3-core-days", "TPUv3-days",
    "none",
)  # fmt: skip
COLUMNS = (
    "id", "system", "variant", "dataset", "metric", "setting", "printed", "value", "unit", "also printed", "with",
    "differs", "note",
)  # fmt: skip
REQUIRED = ("system", "variant", "dataset", "metric", "setting", "printed", "unit")
LIST = "systems.yaml"

NUMBER = r"\d[\d,]*(?:\.\d+)?"
# A number with the marks that documents put behind it, and the spread of several runs.
PLAIN = re.compile(
    rf"(?P<about>\\sim|~)?\s*(?P<number>{NUMBER}k?)\s*(?:\\?%)?\s*(?:[*†‡]|\$\\d?dagger\$)?"
    rf"(?:\s*(?:\\pm|±)\s*(?P<spread>{NUMBER}))?"
)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A result that documents print for a network, as it is printed.

    `system` is its name in the list of systems, `variant` what stands beside the figure, `setting` how it was trained
    and tested. `value` is in `unit`, `spread` what is printed behind ±; `about`: printed as about that. `models` are
    the models of the zoo that the network is. `benchmark` is the data set's common name. `also_printed` is the same
    figure in another form, `differs` other figures for the same quantity, each `printed in id`; `together` are other
    systems that take part.
    """

    id: Text
    system: str
    variant: str
    dataset: str
    metric: str
    setting: str
    printed: Text
    value: Number
    unit: str
    sources: tuple[str, ...]
    spread: Number | None = None
    about: bool = False
    also_printed: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    note: str = ""
    models: tuple[str, ...] = ()
    benchmark: str = ""

    @property
    def called(self) -> set[str]:
        """The words by which it is found: its id, system, models and documents."""
        titles = (source.partition(" — ")[0] for source in self.sources)
        return {self.id.value, self.system, *self.models, *titles, Path(self.id.source.name).stem}

    @property
    def in_words(self) -> str:
        """The metric in words: `top-1 error`."""
        return ACCURACIES[self.metric]

    @property
    def unit_behind(self) -> str:
        """The unit, where a bare number is printed and what is printed does not say it: ` %`."""
        unit = self.unit.removesuffix(NOT_PRINTED)
        said = unit in self.printed.value or unit in ("none", self.in_words)
        return "" if said or PLAIN.fullmatch(self.printed.value) is None else f" {unit}"


@dataclass(frozen=True, slots=True)
class System:
    """A system that documents name: what they show of it, the op of the language or the models of the zoo that it is,
    or why no spec builds it; its printed results."""

    name: Text
    year: str
    described: str
    op: str = ""
    models: tuple[str, ...] = ()
    unbuilt: str = ""
    results: tuple[Accuracy, ...] = field(default=(), repr=False)

    @property
    def key(self) -> str:
        """The name in results: that of the list up to the first bracket."""
        return self.name.value.partition("(")[0].strip()


@dataclass(frozen=True, slots=True)
class Unassigned:
    """A figure that documents print and that can be given to no network, with the reason."""

    printed: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Known:
    """All that the documents print about systems."""

    systems: tuple[System, ...]
    results: tuple[Accuracy, ...]
    unassigned: tuple[Unassigned, ...]


def known() -> Known:
    """Read the files, again if one has changed. Raises SpecError."""
    folder = zoo.specs_dir() / "documents" / "accuracies"
    versions = tuple((path, version(path)) for path in sorted(folder.glob("*.yaml")))
    return _read_version(folder, versions)


@lru_cache(maxsize=4)
def _read_version(folder: Path, _versions: tuple[tuple[Path, Version], ...]) -> Known:
    return read(folder)


def read(folder: Path) -> Known:
    """Read and check the files of a folder. Raises SpecError."""
    listed = Listed(_file(folder / LIST))
    results: dict[str, Accuracy] = {}
    unassigned: list[Unassigned] = []
    for path in sorted(folder.glob("*.yaml")):
        if path.name == LIST:
            continue
        tree = _file(path)
        tree.only(("document", "tables", "unassigned"), "a document of results")
        if not isinstance(tree.get("document"), Text):
            raise tree.where.error("`document:` with the title of the document is missing")
        for result in _results(tree, listed):
            first = results.get(result.id.value)
            if first is not None:
                raise result.id.error(f"the result `{result.id}` is given already, {first.id.where}")
            results[result.id.value] = result
        nowhere = maps(tree, "unassigned", "a figure of no network is `from:`, `printed:` and `why:`")
        unassigned += [_unassigned(item) for item in nowhere]
    listed.check(results)
    return Known(listed.systems(results.values()), tuple(results.values()), tuple(unassigned))


def _file(path: Path) -> Map:
    return read_file(path, f"specs/documents/accuracies/{path.name}")


# --- results ------------------------------------------------------------------------------------------------------


def _results(tree: Map, listed: Listed) -> Iterator[Accuracy]:
    for item in maps(tree, "tables", "a table of results is `from:` and `table:`"):
        sources = tuple(text.value for text in read_sources(item))
        yield from (_result(cells, sources, listed) for cells in figures(item, COLUMNS))


def _result(cells: Mapping[str, Text], sources: tuple[str, ...], listed: Listed) -> Accuracy:
    figure = cells["id"]
    for column in REQUIRED:
        if column not in cells:
            raise figure.error(f"`{figure}` has no `{column}`")
    words = {column: text.value for column, text in cells.items()}
    for column, there in (
        ("metric", tuple(ACCURACIES)),
        ("unit", (*UNITS, *(unit + NOT_PRINTED for unit in UNITS))),
    ):
        if words[column] not in there:
            raise cells[column].error(f"`{words[column]}` is not a {column}", did_you_mean(words[column], there))
    together = parts(cells.get("with"), ";")
    for name in (cells["system"], *together):
        listed.known(name)
    value, spread, about = read_result(cells["printed"], cells.get("value"))
    return Accuracy(
        id=figure,
        system=words["system"],
        variant=words["variant"],
        dataset=words["dataset"],
        metric=words["metric"],
        setting=words["setting"],
        printed=cells["printed"],
        value=value,
        unit=words["unit"],
        sources=sources,
        spread=spread,
        about=about,
        also_printed=tuple(text.value for text in parts(cells.get("also printed"), ";")),
        together=tuple(text.value for text in together),
        differs=tuple(text.value for text in _differing(cells.get("differs"), cells)),
        note=words.get("note", ""),
        models=listed.models_of(words),
        benchmark=listed.benchmark(words["dataset"]),
    )


def read_result(printed: Text, value: Text | None = None) -> tuple[Number, Number | None, bool]:
    """The number of a result, what stands behind its ±, and whether it is printed as about that. `value` says the
    number where more or less than one is printed: `5 to 6 days`, `doubles`. Raises SpecError."""
    found = PLAIN.fullmatch(printed.value)
    if value is None:
        if found is None:
            raise printed.error(f"which number is `{printed}`?", "A column `value` says it.")
        spread = _number(found["spread"], printed) if found["spread"] else None
        return _number(found["number"], printed), spread, bool(found["about"])
    if found is not None:
        raise value.error(f"`{printed}` says its number by itself")
    said = re.fullmatch(rf"~?({NUMBER})", value.value)
    if said is None:
        raise value.error(f"`{value}` is not a number")
    number = _number(said[1], value)
    there = [_number(text, printed) for text in re.findall(NUMBER, printed.value)]
    if there and number not in there:
        raise value.error(f"`{value}` is none of the numbers in `{printed}`")
    return number, None, value.value.startswith("~")


def _number(text: str, where: Text) -> Number:
    figure = read_figure(text)
    if figure is None:
        raise where.error(f"`{text}` is not a number")
    return figure.number


DIFFERS = re.compile(r"(?P<printed>.+?) in (?P<id>[a-z0-9-]+)(?: \(.+\))?")


def _differing(text: Text | None, cells: Mapping[str, Text]) -> tuple[Text, ...]:
    """`35.67 in nin-cifar-100-error-wrn-table; …`."""
    found = parts(text, ";")
    for part in found:
        if DIFFERS.fullmatch(part.value) is None:
            raise part.error(f"`{part}` of `{cells['id']}` is not `what is printed in id`")
    return found


def _unassigned(item: Map) -> Unassigned:
    item.only(("from", "printed", "why"), "a figure of no network")
    printed, why = item.get("printed"), item.get("why")
    if not isinstance(printed, Text) or not isinstance(why, Text):
        raise item.where.error("a figure of no network has `printed:` and `why:`")
    return Unassigned(printed.value, why.value, read_sources(item)[0].value)


# --- systems ------------------------------------------------------------------------------------------------------


class PrintedNetwork(NamedTuple):
    """A printed variant and the models that it is; an empty dataset or setting fits all."""

    system: Text
    variant: Text
    dataset: str
    setting: str
    models: tuple[str, ...]


class Listed:
    """`systems.yaml`: the systems, their printed variants, and the names of data sets."""

    def __init__(self, tree: Map) -> None:
        tree.only(("systems", "networks", "datasets"), "the list of systems")
        self.benchmarks: dict[str, Text] = {}  # by what is printed
        datasets = tree.get("datasets") or Map(tree.where)
        if not isinstance(datasets, Map):
            raise tree.key("datasets").error("`datasets:` has a name for each data set, and what else it is called")
        for name, _ in datasets.items():
            for printed in items(datasets, name.value):
                if not isinstance(printed, Text) or printed.value in self.benchmarks:
                    raise where_of(printed).error(f"a name of `{name}` is one text, and of one data set")
                self.benchmarks[printed.value] = name
        self.by_key: dict[str, System] = {}
        columns = ("system", "year", "described", "op", "models", "unbuilt")
        for name, year, described, op, models, why in rows(tree, "systems", columns):
            if op.value and op.value not in OPS:
                raise op.error(f"`{op}` is not an op", did_you_mean(op.value, OPS))
            own = tuple(text.value for text in parts(models, ","))
            system = System(name, year.value, described.value, op.value, own, why.value)
            if bool(why.value) == bool(op.value or own):
                raise name.error(f"`{name}`: `unbuilt` says why no spec builds what is no op and has no model")
            if system.key in self.by_key:
                raise name.error(f"the system `{system.key}` stands here twice")
            if not described.value:
                raise name.error(f"`{name}`: `described` says what documents show of it")
            self.by_key[system.key] = system
        self.networks: list[PrintedNetwork] = []
        self.used: set[int] = set()
        above: Text | None = None
        for name, variant, dataset, setting, models in rows(tree, "networks", PrintedNetwork._fields):
            above = name if name.value or above is None else above
            self.known(above)
            theirs, named = self.by_key[above.value].models, parts(models, ",")
            for model in named:
                if model.value not in theirs:
                    raise model.error(f"`{model}` is not a model of `{above}`", did_you_mean(model.value, theirs))
            names = tuple(model.value for model in named)
            self.networks.append(PrintedNetwork(above, variant, dataset.value, setting.value, names))

    def known(self, name: Text) -> None:
        """Raise SpecError where no system is called so."""
        if name.value not in self.by_key:
            raise name.error(f"`{name}` is not a system of the list", did_you_mean(name.value, self.by_key))

    def benchmark(self, dataset: str) -> str:
        name = self.benchmarks.get(dataset)
        return name.value if name is not None else dataset.removesuffix(NOT_PRINTED).removesuffix("not printed")

    def models_of(self, words: Mapping[str, str]) -> tuple[str, ...]:
        """The models that a result is of: those of the first network that fits it."""
        datasets = ("", words["dataset"], self.benchmark(words["dataset"]))
        for at, network in enumerate(self.networks):
            asked = (network.system.value, network.variant.value) == (words["system"], words["variant"])
            if asked and network.dataset in datasets and words["setting"].startswith(network.setting):
                self.used.add(at)
                return network.models
        return ()

    def check(self, results: Mapping[str, Accuracy]) -> None:
        """Raise SpecError at a network that no result is of, and at a difference from a result that is not there."""
        for at, network in enumerate(self.networks):
            if at not in self.used:
                variants = [r.variant for r in results.values() if r.system == network.system.value]
                hint = did_you_mean(network.variant.value, variants)
                raise network.variant.error(f"no result of `{network.system}` is of `{network.variant}`", hint)
        for result in results.values():
            for match in filter(None, map(DIFFERS.fullmatch, result.differs)):
                if match["id"] not in results:
                    hint = did_you_mean(match["id"], results)
                    raise result.id.error(f"`{result.id}` differs from `{match['id']}`, and there is no such id", hint)

    def systems(self, results: Iterable[Accuracy]) -> tuple[System, ...]:
        """The systems, each with its results."""
        by_system: dict[str, list[Accuracy]] = {}
        for result in results:
            by_system.setdefault(result.system, []).append(result)
        return tuple(replace(s, results=tuple(by_system.get(key, ()))) for key, s in self.by_key.items())


# --- side by side -------------------------------------------------------------------------------------------------

CLASSIFICATION = ("top1_accuracy", "top1_error", "top5_accuracy", "top5_error")  # metrics that are compared
SIZE = re.compile(r"^(params|depth|FLOPs)\b|FLOPs$")  # what a setting says of the network, not of the test
# What says how a network was tested, as documents print it, and in plain words.
CONDITIONS = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r"10-crop testing", "ten crops"),
        (r"multi-crop & dense eval", "many crops and dense evaluation"),
        (r"multi-crop evaluation", "many crops"),
        (r"single test scale", "one scale"),
        (r"multiple test scales", "several scales"),
        (r"train S (?:from )?\[(\d+), (\d+)\]", r"trained at sides of \1 to \2"),
        (r"train S (\d+)", r"trained at a side of \1"),
        (r"test Q \{?(\d+(?:, \d+)+)", r"tested at sides of \1"),
        (r"test Q (\d+)$", r"tested at a side of \1"),
        (r"column (.+)", r"tested at \1"),
        (r"resolution (\d+)", r"tested at a side of \1"),
        (r"\bcrops 1\b", "one crop"),
        (r"\bcrops (\d{2,})", r"\1 crops"),
        (r"\b1 net\b|single model|\bmodels 1\b", "a single network"),
        (r"re-implementation|^SENet\b", "trained alike for the SENet paper"),
    )
)
SPLITS = ((r"val\. or test", "validation or test"), (r"val\b|validation", "validation"), (r"\btest\b", "test"))


class Result(NamedTuple):
    """A printed accuracy or error in percent: of which model, where it is printed, on what data, how it was tested."""

    model: str
    figure: str
    printed: str
    value: float
    source: str
    dataset: str
    setting: str

    @property
    def conditions(self) -> str:
        """How it was tested, in plain words; empty where the document does not say."""
        found = ((pattern.search(self.setting), said) for pattern, said in CONDITIONS)
        return ", ".join(match.expand(said) for match, said in found if match)

    @property
    def tested(self) -> str:
        """On what data, and how, in plain words where these are known: `ImageNet validation, ten crops`."""
        split = next((said for pattern, said in SPLITS if re.search(pattern, self.dataset)), "")
        data = "ImageNet" if self.dataset.startswith("ImageNet") and "2010" not in self.dataset else ""
        shown = f"{data} {split}".strip() if data else self.dataset.removesuffix(NOT_PRINTED)
        return ", ".join(filter(None, (shown, self.conditions or self.setting)))

    @property
    def table(self) -> tuple[str, ...]:
        """What results are compared by: how they were tested, or, where nobody says that, the table of them."""
        return (self.tested,) if self.conditions else (self.source, self.dataset, self.setting)

    @property
    def accuracy(self) -> float:
        """In percent right, whichever way it is printed."""
        return self.value if self.figure.endswith("accuracy") else 100 - self.value


@cache
def results() -> tuple[Result, ...]:
    """All printed results of models of the zoo, in the order of the documents. Raises SpecError."""
    return tuple(
        Result(model, a.in_words, a.printed.value, float(a.value), a.sources[0], a.dataset, _tested(a.setting))
        for a in known().results
        if a.metric in CLASSIFICATION
        for model in a.models
    )


def _tested(setting: str) -> str:
    """The conditions of a test: a setting without the parts about the network's size."""
    said = [part.strip() for part in setting.replace(";", ",").split(",")]
    return ", ".join(part for part in said if not SIZE.search(part))


def common(models: Sequence[str], figure: str = "top-1") -> tuple[Result, ...]:
    """The results of these models that were tested alike, or stand in one table, where most of them are, rather where
    it is known how they were tested; by model."""
    alike: dict[tuple[str, ...], dict[str, Result]] = {}
    for result in results():
        if result.model in models and result.figure.startswith(figure):
            alike.setdefault(result.table, {}).setdefault(result.model, result)
    best = max(alike.values(), key=lambda found: (len(found), bool(next(iter(found.values())).conditions)), default={})
    return tuple(best[model] for model in models if model in best)
