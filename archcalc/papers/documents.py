"""The ledger: every printed figure under its id, with its source and how it is computed.

`specs/documents/*.yaml` hold the figures of each document in tables; a figure that is a claim of a spec stands there,
and its id under `documents:` of that spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from ..analysis.readings import BASE, BEFORE_ROUNDING, Reading, read_reading
from ..errors import SpecError, Text, did_you_mean
from ..language.columns import SIZES
from ..language.family import Cited, Erratum, Family, read_sources
from ..language.reader import List, Map, read_file
from ..language.zoo import shipped_family, shipped_names, specs_dir
from ..networks import Number
from ..records import NamedTuple
from ..units import read_figure, same
from .claims import Claim, claims_of
from .quantity import Formula, read_formula
from .tables import figures, maps, parts

Kind = Literal["computed", "specification", "symbolic", "arithmetic"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COLUMNS = (
    "id", "system", "metric", "printed", "value", "precision", "computed", "operands", "counts", "kind", "layout",
    "reading", "formula", "instances", "missing", "note",
)  # fmt: skip
NO_RESULT = "none"  # in the column `value`: the operands are printed, and no result


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed value as numbers in base units: `half` is half a unit of the last printed place (0: exact). A formula
    is a text; None where the operands of some arithmetic are printed and its result is not. `unit` is the letter where
    the value is kept in thousands as printed."""

    value: Number | tuple[Number, ...] | str | None
    half: Fraction = Fraction(0)
    unit: str = ""


class Operand(NamedTuple):
    """A printed operand of a printed equation, and how it is computed: an input of the check as the result is."""

    text: Text
    printed: Printed
    formula: Formula


@dataclass(frozen=True, slots=True)
class Entry:
    """A figure that documents print. `formula` says how it is computed, or `claim`, where a spec claims it, with the
    `family` of that. `missing`: what would be needed to compute it. A symbolic figure is the formula `symbols`, checked
    for all values of its letters that `instances` name; of another figure these are constants of the network, each with
    one value. `operands` are those that an equation prints. Arithmetic of the print is computed from what is printed;
    `counts` is the same of networks, where its operands do not say it. `note` is what else is to be said."""

    id: Text
    system: str
    metric: str
    printed: Text
    value: Printed
    kind: Kind
    sources: tuple[str, ...]
    layout: str = ""
    reading: Reading = BASE
    before_rounding: bool = False
    formula: Formula | None = None
    symbols: Formula | None = None
    operands: tuple[Operand, ...] = ()
    counts: Formula | None = None
    claim: Claim | None = None
    family: Family | None = field(default=None, repr=False)
    spec: Path | None = None
    instances: tuple[tuple[str, tuple[int, ...]], ...] = ()
    missing: str = ""
    note: str = ""
    errata: tuple[Erratum, ...] = field(default=(), repr=False)

    @property
    def document(self) -> str:
        return self.sources[0].partition(" — ")[0]

    @property
    def place(self) -> str:
        return self.sources[0].partition(" — ")[2]


def documents_dir() -> Path:
    """The folder of the shipped documents."""
    return specs_dir() / "documents"


def read_ledger() -> tuple[Entry, ...]:
    """All figures, those of documents in their order, then those of specs. Raises SpecError."""
    entries: dict[str, Entry] = {}
    for entry in _all():
        known = entries.get(entry.id.value)
        if known is not None:
            again = known.claim is not None and known.claim is entry.claim
            hint = "All documents that print it: `from: [a, b]`." if again else ""
            raise entry.id.error(f"the figure `{entry.id}` is given already, {known.id.where}", hint)
        entries[entry.id.value] = entry
    return tuple(entries.values())


def _all() -> Iterator[Entry]:
    for path in sorted(documents_dir().glob("*.yaml")):
        yield from read_document(path)
    for names in shipped_names():
        if "documents" in names.keys:
            family = shipped_family(names.path)
            for table in family.documents:
                yield from _cited(family, table, names.path)


# --- documents ----------------------------------------------------------------------------------------------------


def read_document(path: Path) -> Iterator[Entry]:
    """The figures of one document. Raises SpecError."""
    tree = read_file(path, f"specs/documents/{path.name}")
    tree.only(("document", "tables", "errata"), "a document")
    if tree.get("tables") is None:
        raise tree.where.error("`tables:` with the figures of the document is missing")
    errata = tuple(_erratum(item) for item in maps(tree, "errata", "an erratum is `figures:` and `note:`"))
    named = {figure.value for erratum in errata for figure in erratum.figures}
    for item in maps(tree, "tables", "a table of figures is `from:` and `table:`"):
        sources = tuple(text.value for text in read_sources(item))
        for cells in figures(item, COLUMNS):
            named.discard(cells["id"].value)
            yield _entry(cells, sources, errata)
    for erratum in errata:
        for figure in erratum.figures:
            if figure.value in named:
                raise figure.error(f"this document has no figure `{figure}`")


def _entry(cells: Mapping[str, Text], sources: tuple[str, ...], errata: tuple[Erratum, ...]) -> Entry:
    figure = cells["id"]
    if "printed" not in cells:
        raise figure.error(f"`{figure}` has no `printed`")

    def word(column: str) -> str:
        return cells[column].value if column in cells else ""

    kind = word("kind") or "computed"
    if kind not in KINDS:
        raise cells["kind"].error(f"`{kind}` is not a kind of figure", did_you_mean(kind, KINDS))
    formula = read_formula(cells["computed"]) if "computed" in cells else None
    if formula is None and "missing" not in cells:
        raise figure.error(f"`{figure}` is neither `computed` nor says what is `missing`")
    plain = formula.plain if formula is not None else None
    metric = word("metric") or (plain.metric if plain is not None else "")
    if not metric:
        raise figure.error(f"`{figure}` needs a `metric`")
    if kind == "arithmetic":
        _check_arithmetic(figure, formula)
    elif formula is not None and not formula.operands:
        hint = "A network's count has operands, `[params of vgg16]`; what the print itself adds up is `arithmetic`."
        raise cells["computed"].error(f"`{formula.text}` is the print once more, and no count", hint)
    before = any(same(name.strip(), BEFORE_ROUNDING) for name in word("reading").split(","))
    reading = read_reading(cells["reading"], other_network=True) if "reading" in cells and not before else BASE
    return Entry(
        id=figure,
        system=word("system"),
        metric=metric,
        printed=cells["printed"],
        value=read_printed(cells.get("value", cells["printed"]), kind, cells.get("precision")),
        kind=kind,
        sources=sources,
        layout=word("layout"),
        reading=reading,
        before_rounding=before,
        formula=formula,
        symbols=read_formula(cells["formula"]) if "formula" in cells else None,
        operands=tuple(_operands(cells["operands"])) if "operands" in cells else (),
        counts=read_formula(cells["counts"]) if "counts" in cells else None,
        instances=_instances(cells["instances"]) if "instances" in cells else (),
        missing=word("missing"),
        note=word("note"),
        errata=tuple(e for e in errata if any(f.value == figure.value for f in e.figures)),
    )


def _check_arithmetic(figure: Text, formula: Formula | None) -> None:
    """Raise SpecError where the arithmetic of the print is computed from a count."""
    if formula is None:
        raise figure.error(f"`{figure}` is arithmetic of the print: it is `computed` from what is printed")
    for quantity in formula.quantities.values():
        hint = "The ids of printed figures are its operands; `counts` is what networks give."
        raise quantity.text.error(f"`{quantity.text}` is a count, and no print", hint)


def read_printed(text: Text, kind: Kind = "computed", precision: Text | None = None) -> Printed:
    """`138M`, `55×55×96`, `9, 27, 96`, or, of a symbolic figure, a formula. `precision` is half a unit of the last
    printed place where the figure does not say it. Raises SpecError."""
    if kind == "symbolic":
        return Printed(text.value)
    value = text.value.strip()
    if kind == "arithmetic" and value == NO_RESULT:
        return Printed(None)
    if re.fullmatch(r"\d+(?:\s*[×x]\s*\d+)+|\d+(?:, \d+)+|\[\d+\]", value):
        return Printed(tuple(map(int, re.findall(r"\d+", value))))
    quotient = re.fullmatch(r"(\d+)/(\d+)", value)
    if quotient and int(quotient[2]):
        return Printed(Fraction(int(quotient[1]), int(quotient[2])))
    figure, half = read_figure(value), read_figure(precision.value) if precision is not None else None
    if figure is None:
        hint = "Figures are written 138M, 1.8×10^9 or 55×55×96."
        raise text.error(f"`{value}` is not a printed figure", hint)
    if precision is not None and half is None:
        raise precision.error(f"`{precision}` is not half of a last place")
    return Printed(figure.number, half.value if half is not None else figure.half)


def _operands(text: Text) -> Iterator[Operand]:
    """`7 = [input_height of conv-7x7-k3]; 2×4 = [tokens of …], [channels of …]`."""
    for part in parts(text, ";"):
        at = part.value.find("=")
        printed, formula = part.part(0, max(at, 0)).strip(), part.part(at + 1).strip()
        if at <= 0:
            raise part.error(f"`{part}` is not `printed operand = formula`")
        yield Operand(printed, read_printed(printed), read_formula(formula))


def _instances(text: Text) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """`C = 1, 3, 64; k = 3`."""
    found = []
    for part in text.value.split(";"):
        name, equals, values = part.partition("=")
        numbers = [value.strip() for value in values.split(",")]
        if not equals or not all(number.isdigit() for number in numbers):
            raise text.error(f"`{part.strip()}` is not `letter = values`")
        found.append((name.strip(), tuple(map(int, numbers))))
    return tuple(found)


def _erratum(tree: Map) -> Erratum:
    tree.only(("figures", "note"), "an erratum of a document")
    value, note = tree.get("figures"), tree.get("note")
    named = value.items if isinstance(value, List) else (value,)
    figures = tuple(item for item in named if isinstance(item, Text))
    if not figures or not isinstance(note, Text):
        raise tree.where.error("an erratum names the `figures:` that are wrong by their ids, and has a `note:`")
    return Erratum(tree.where, (), (), figures, note)


# --- specs --------------------------------------------------------------------------------------------------------


BESIDE = ("system", "model")  # columns beside the ids: what documents call the network, and which model a row is of


def _cited(family: Family, cited: Cited, path: Path) -> Iterator[Entry]:
    """The figures of the ledger that a table of a spec claims. Raises SpecError."""
    table = cited.table
    first = table.headings[0].value
    for row in table.rows:
        cells = list(zip(table.headings[1:], row.cells[1:], strict=True))
        beside = {heading.value: cell.value for heading, cell in cells if heading.value in BESIDE}
        for heading, cell in cells:
            if not cell.value or heading.value in BESIDE:
                continue
            subject, figure = (heading, row.cells[0]) if first == "figure" else (row.cells[0], heading)
            claim = _claim(claims_of(family), subject, figure, cell, first == "row", beside.get("model", ""), cited.of)
            yield _of_claim(family, cell, claim, cited, beside.get("system") or cited.system, path)


def _claim(
    claims: tuple[Claim, ...], subject: Text, figure: Text, cell: Text, by_row: bool, model: str, of: str
) -> Claim:
    """The claim of a row (of `model`), or about a model, that is called `figure`, in the table whose `from:` is `of`.
    Raises SpecError where there is none, or several that print different figures."""

    def answers(claim: Claim) -> bool:
        if not same(claim.heading.value, figure.value) or (of and claim.source != of):
            return False
        if by_row:
            return same(claim.row, subject.value) and (not model or same(claim.subject, model))
        return not claim.row and same(claim.subject, subject.value)

    found = [claim for claim in claims if answers(claim)]
    if not found:
        raise cell.error(f"no claim of this file is `{figure}` of `{subject}`")
    if len({(claim.subject if by_row else "", claim.printed.value) for claim in found}) > 1:
        hint = "A column `model` says of which." if by_row else "`of:` says in which table, by its `from:`."
        raise cell.error(f"{len(found)} claims are `{figure}` of `{subject}`", hint)
    return found[0]


METRIC_ALIASES = {"shape": "output_shape", "input": "input_shape"}


def _of_claim(family: Family, cell: Text, claim: Claim, cited: Cited, system: str, path: Path) -> Entry:
    layout = ""
    if claim.role.metric in SIZES:
        size = tuple(map(int, re.findall(r"\d+", claim.printed.value)))
        printed = Printed(size if len(size) > 1 or claim.role.metric in METRIC_ALIASES else size[0])
        pattern = claim.role.pattern
        layout = "".join(pattern.holes).upper() if pattern is not None else "HW"
    else:
        figure = read_figure(claim.printed.value, claim.role.scale)
        assert figure is not None
        if figure.unit in claim.reading.units:  # kept as printed: what the letter stands for is the reading's
            printed = Printed(figure.digits, figure.ulp / 2, figure.unit)
        else:
            printed = Printed(figure.number, figure.half)
    return Entry(
        id=cell,
        system=system or claim.subject,
        metric=METRIC_ALIASES.get(claim.role.metric, claim.role.metric),
        printed=claim.printed,
        value=printed,
        kind="computed",
        sources=tuple(text.value for text in cited.sources),
        layout=layout,
        reading=claim.reading,
        claim=claim,
        family=family,
        spec=path,
    )


def problem(entry: Entry, message: str) -> SpecError:
    """An error at a figure."""
    return entry.id.error(f"`{entry.id}`: {message}")
