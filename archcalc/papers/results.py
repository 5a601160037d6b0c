"""Results that somebody reports for a network, in its spec or in a file of theirs: nothing of them is computed.

The file is csv with the headings model, metric, value and source, or JSON, a list of records with these keys. `unit`
and `better` beside them declare a metric that is not known beforehand.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from weakref import WeakKeyDictionary

from .. import files
from ..errors import Source, SpecError, Text, did_you_mean
from ..language.family import Family
from ..language.metrics import USUAL, ReportedMetric, declared, known_metric
from ..records import NamedTuple
from .claims import is_of, subject_of

HEADINGS = ("model", "metric", "value", "source")
DECLARING = ("unit", "better")
KNOWN = (*HEADINGS, *DECLARING)
BLANK = re.compile(r"[ \t\n]*")
MOST = 100_000  # results of a file
LARGEST = 1e15  # what is above this, or but for 0 below its reciprocal, is no result of a network


class Written(float):
    """A figure that keeps how it is written."""

    printed: str

    def __new__(cls, value: float, printed: str) -> Written:
        found = super().__new__(cls, value)
        found.printed = printed
        return found

    def __reduce__(self) -> tuple[type[Written], tuple[float, str]]:
        return Written, (float(self), self.printed)


class Reported(NamedTuple):
    """A result: of which model, as it is named there, and where it is from."""

    model: Text
    metric: ReportedMetric
    value: Written
    source: str

    @property
    def printed(self) -> str:
        """The value as it is written."""
        return self.value.printed


def of_spec(family: Family, subject: str) -> tuple[Reported, ...]:
    """The results that a spec reports for a model of its. Raises SpecError."""
    if family not in _RESULTS:
        _RESULTS[family] = tuple(_of_spec(family))
    return tuple(result for result in _RESULTS[family] if is_of(result.model.value, family, subject))


_RESULTS: WeakKeyDictionary[Family, tuple[Reported, ...]] = WeakKeyDictionary()  # read once


def _of_spec(family: Family) -> Iterator[Reported]:
    for reported in family.reported:
        table, source = reported.quoted.table, reported.quoted.source
        by_model = table.headings[0].value == "model"
        for row in table.rows:
            for heading, cell in zip(table.headings[1:], row.cells[1:], strict=True):
                subject, figure = (row.cells[0], heading) if by_model else (heading, row.cells[0])
                metric = family.metric(figure.value)
                if metric is not None and cell.value:
                    yield _reported(replace(subject, value=subject_of(family, subject)), metric, cell, source)
    for variant in family.variants:
        for column, cell in variant.cells.items():
            role = family.role(column)
            metric = family.metric(column) if role is not None and role.kind == "result" else None
            if metric is not None and cell.value:
                yield _reported(variant.name, metric, cell, family.variants_from)


def _reported(model: Text, metric: ReportedMetric, value: Text, source: str) -> Reported:
    unit = metric.unit if metric.unit and value.value.endswith(metric.unit) else ""
    bare = value.part(0, len(value.value) - len(unit)).strip()
    number = _number(bare)
    if metric.unit == "%" and metric == USUAL.get(metric.name) and not 0 <= number <= 100:
        raise value.error(f"`{value}`: {metric.name} is between 0 and 100 %")
    return Reported(model, metric, Written(number, bare.value), source)


def _number(text: Text) -> float:
    """A finite number, as it is written or as documents print it: `76.1%`, `~76`, `28.4 ± 0.2`. Raises SpecError."""
    try:
        number = float(text.value)
    except ValueError:
        from .accuracies import PLAIN, read_result  # takes its time, and hardly anybody needs it

        found = PLAIN.fullmatch(text.value)
        if found is None:
            raise text.error(f"`{text}` is no number") from None
        number = float(read_result(text)[0])
    if not isfinite(number) or not (number == 0 or 1 / LARGEST <= abs(number) <= LARGEST):
        raise text.error(f"`{text}` is no result")
    return number


def read_results(path: Path, name: str) -> tuple[Reported, ...]:
    """The results of a file; `name` is what messages call it. Raises SpecError with the place."""
    text = files.decoded(files.read(path, files.MOST, "a file of results", name), name)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    source = Source(name, tuple(text.split("\n")))
    records = _of_json(text, source) if path.suffix.lower() == ".json" else _of_csv(source)
    found: dict[tuple[str, str], Reported] = {}
    metrics: dict[str, ReportedMetric] = {}
    for number, record in enumerate(records):
        if number == MOST:
            raise SpecError(f"`{name}` has more than {MOST:,} results: not read")
        result = _result(record, metrics)
        key = result.model.value, result.metric.name
        if key in found:
            first = found[key].model
            raise record["metric"].error(
                f"`{result.metric.name}` of `{result.model}` stands in line {first.line} already"
            )
        found[key] = result
    return tuple(found.values())


def _result(record: Mapping[str, Text], metrics: dict[str, ReportedMetric]) -> Reported:
    for heading in HEADINGS:
        if not record[heading].value:
            raise record[heading].error(f"this result has no {heading}")
    name = record["metric"]
    if record.get("better") is not None and record["better"].value:
        own = declared(name, record.get("unit"), record["better"])
        if metrics.setdefault(name.value, own) != own:
            raise name.error(f"`{name}` is declared in two ways")
    metric = known_metric(name.value, metrics)
    if metric is None:
        hint = did_you_mean(name.value, [*metrics, *USUAL])
        raise name.error(
            f"`{name}` is no metric that is known or declared", hint or "Columns unit and better declare it."
        )
    return _reported(record["model"], metric, record["value"], record["source"].value)


def _of_csv(source: Source) -> Iterator[dict[str, Text]]:
    import csv

    reader = csv.reader((f"{line}\n" for line in source.lines), strict=True)
    start, headings = 1, list[str]()
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            whole = Text(source.lines[line - 1], source, line, 1)
            if headings and len(cells) != len(headings):
                raise whole.error(f"this line has {len(cells)} cells, the heading has {len(headings)}")
            places = _places(cells[: len(KNOWN) + 1], source, line)
            if headings:
                yield dict(zip(headings, places, strict=True))
            headings = headings or _headings(places, whole)
    except csv.Error as error:
        raise Text("", source, min(start, len(source.lines)), 1).error(f"this is no csv: {error}") from None
    if not headings:
        raise SpecError(f"`{source.name}` is empty", hint=f"Its first line is {','.join(HEADINGS)}.")


def _places(cells: list[str], source: Source, line: int) -> list[Text]:
    """The cells of a line where they stand, as well as that can be said of those in quotes."""
    found, at = [], 0
    for cell in map(str.strip, cells):
        here = source.lines[line - 1].find(cell, at)
        found.append(Text(cell, source, line, max(here, at) + 1, exact=here >= 0))
        at = max(here, at) + len(cell) + 1
    return found


def _headings(found: list[Text], whole: Text) -> list[str]:
    for text in found:
        if text.value not in KNOWN:
            raise text.error(f"`{text}` is no heading of results", did_you_mean(text.value, KNOWN))
        if sum(other.value == text.value for other in found) > 1:
            raise text.error(f"the heading `{text}` stands here twice")
    for heading in HEADINGS:
        if heading not in {text.value for text in found}:
            raise whole.error(f"the column `{heading}` is missing", f"There have to be {', '.join(HEADINGS)}.")
    return [text.value for text in found]


def _of_json(text: str, source: Source) -> Iterator[dict[str, Text]]:
    """The records of a list, each value where it stands."""

    import json

    def refuse(word: str) -> float:
        raise ValueError(f"`{word}` is no number of JSON")

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    decoder = json.JSONDecoder(parse_constant=refuse, parse_int=str, parse_float=str, object_pairs_hook=once)
    starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def place(at: int, value: str = "", exact: bool = True) -> Text:
        line = bisect_right(starts, at)
        return Text(value, source, line, at - starts[line - 1] + 1, exact)

    def skip(at: int) -> int:
        return BLANK.match(text, at).end()  # type: ignore[union-attr]  # which may be empty

    at = skip(0)
    if text[at : at + 1] != "[":
        raise place(at).error('a list of results is wanted: `[{"model": …}, …]`')
    at = skip(at + 1)
    while text[at : at + 1] != "]":
        try:
            record, end = decoder.raw_decode(text, at)
        except files.FAULTS as error:
            raise place(at).error(f"this is no JSON: {files.fault(error, text)}") from None
        if not isinstance(record, dict) or not all(isinstance(value, str) for value in record.values()):
            raise place(at).error("a result is a record of texts and numbers")
        found = {}
        for key, value in record.items():
            behind = text.find(f'"{key}"', at, end)
            if key not in KNOWN:
                raise place(max(at, behind + 1), key).error(f"`{key}` is no key of a result", did_you_mean(key, KNOWN))
            here = text.find(value, behind + len(key) + 2, end) if value else -1
            found[key] = place(here if here >= 0 else at, value, here >= 0).strip()
        for heading in HEADINGS:
            if heading not in found:
                raise place(at, "{").error(f"the key `{heading}` is missing")
        yield found
        at = skip(end)
        if text[at : at + 1] == ",":
            at = skip(at + 1)
            if text[at : at + 1] == "]":
                raise place(at).error("a result is wanted behind the comma")
        elif text[at : at + 1] != "]":
            raise place(at).error("`,` or `]` is wanted here")
    if skip(at + 1) < len(text):
        raise place(skip(at + 1)).error("nothing is wanted behind the list")
