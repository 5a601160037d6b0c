"""A page: all that a result says, in reading order, whatever the form.

A result's module makes a page of headings, prose, facts and tables, and the document that JSON has; the six writers in
`writers/` know nothing of results. Texts are clean (printable) and not escaped: each writer escapes for its form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import Any

from ..records import NamedTuple
from .columns import INDENT, Column, Shown, percent, words
from .styles import BOLD, DIM, LOUD, PLAIN, Pieces

Document = Mapping[str, Any] | Sequence[Any]


class Heading(NamedTuple):
    """A heading, and what it is about: the first beside it where a terminal has room, with `aside` behind, else below.
    Level 1 is the page's own; `fill` as of a Table. `below_style` is that of the first where it stands below."""

    text: str
    about: Sequence[str] = ()
    level: int = 1
    style: str = LOUD
    about_style: str = BOLD
    fill: bool = False
    aside: str = ""
    below_style: str | None = None

    @property
    def said(self) -> list[str]:
        """The texts about it, in reading order."""
        return [text for text in (*self.about[:1], self.aside, *self.about[1:]) if text]


class Prose(NamedTuple):
    """A paragraph, in a terminal `indent` columns from its edge."""

    text: str
    style: str = PLAIN
    indent: int = 0


class Fact(NamedTuple):
    """A label and the text beside it; without a label it goes on with the fact above. `formula` is what the text is
    equal to."""

    label: str
    text: str
    style: str = PLAIN
    label_style: str = BOLD
    formula: str = ""

    @property
    def whole(self) -> str:
        """The text with what it is equal to."""
        return f"{self.formula} = {self.text}" if self.formula else self.text


def told(label: str, text: str) -> Fact:
    """A fact of a measurement: what makes it unstable must not be overlooked."""
    return Fact(label, text, label_style=LOUD if label == "unstable" else BOLD)


class Note(NamedTuple):
    """A line about one record of a table, or about the fact above: in a terminal below it, behind `mark`; elsewhere
    below the table, behind `about`, which names the record. `lead` are the text's first words, in the mark's style."""

    text: str
    mark: str = ""
    about: str = ""
    style: str = PLAIN
    mark_style: str = ""
    lead: str = ""

    @property
    def said(self) -> str:
        """The line as it stands apart from what it is about."""
        return " ".join(filter(None, (self.about, self.mark.strip(), self.lead + self.text)))


class Facts(NamedTuple):
    """Facts below each other. `room` is the labels' width in a terminal: two more than the widest unless given. Facts
    that are put in by `indent` columns are about the fact above them."""

    facts: Sequence[Fact | Note]
    room: int = 0
    indent: int = 0

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The labels and the texts."""
        return [("", fact.said) if isinstance(fact, Note) else (fact.label, fact.whole) for fact in self.facts]

    @property
    def dim(self) -> bool:
        """True if all of them are of little weight."""
        return all(fact.style == DIM for fact in self.facts)


class Branch(NamedTuple):
    """The place of a record in a tree.

    `label` stands beside the name, or above it in a narrow terminal, and once where it is the name; `group` says for
    records without a label which one they belong to. `lasts` says for the record and each above it but the outermost
    whether it is the last of its siblings; `opened` that its parts follow; `total` that it sums up what stands above.
    """

    name: str
    label: str = ""
    group: str = ""
    lasts: tuple[bool, ...] = ()
    opened: bool = False
    total: bool = False

    @property
    def own(self) -> str:
        """The label where it is not the name."""
        return self.label if self.label != self.name else ""


class Tree(NamedTuple):
    """The tree of a table: names in front of its columns, and behind them the record's share of the whole, in
    percent and in a terminal as a bar. `of` is what the shares are of; nothing where none are shown."""

    branch: Callable[[Any], Branch]
    share: Callable[[Any], float | None] = lambda record: None
    of: str = ""


class Explored(NamedTuple):
    """How a page of HTML lets one explore a table beside sorting it: search it by words and bounds, open the parts of a
    tree, and see its records as bubbles. `plot` are the columns of these that are shown first: of the place, the area
    and the colour, any of them empty; `key` is what links call the table, `anchor` what they call a record."""

    key: str = ""
    plot: tuple[str, str, str, str] | None = None
    anchor: Callable[[Any], str] = lambda record: ""


class Table(NamedTuple):
    """Records as a table; columns without `show` stand in csv alone.

    `notes` are said about a record, and `below` are blocks about it: below it in a terminal, else behind the table.
    In a terminal `above` stands above it, `terminal` are the columns if what stands above and the notes say the rest,
    which is in columns elsewhere and in no note, and `style` is that of a cell. `rules` are the records above which a
    line is drawn and which a page of HTML keeps at the end. A `tree` has styles of its own: sums stand out, zeros and
    what is opened do not.
    """

    columns: Sequence[Column]
    records: Sequence[Any]
    notes: Callable[[Any], Iterable[Note]] = lambda record: ()
    above: Callable[[Any], Iterable[Block]] = lambda record: ()
    below: Callable[[Any], Iterable[Block]] = lambda record: ()
    terminal: Sequence[Column] = ()
    style: Callable[[Any, Column], str] = lambda record, column: PLAIN
    headings: bool = True
    indent: int = 0
    rules: Sequence[int] = ()
    fill: bool = False  # whether a table without a terminal is as wide as prose, not as wide as it needs
    tree: Tree | None = None
    explored: Explored | None = None

    @property
    def shown(self) -> list[Column]:
        """The columns that people see: of a tree, in forms that draw none, labels, indented names, and shares too."""
        columns = [column for column in self.columns if column.show is not None]
        if self.tree is None:
            return columns
        branch, share, of = self.tree
        label = Column("label", lambda record: branch(record).own, "", "", words)
        name = Column("name", lambda record: INDENT * len(branch(record).lasts) + branch(record).name, "", "", words)
        shares = Column("share", share, f"% of {of}", "share", lambda values: Shown("", percent(values).texts))
        labelled = any(branch(record).own for record in self.records)
        return [*([label] if labelled else []), name, *columns, *([shares] if of else [])]

    @property
    def said(self) -> list[str]:
        """The notes about all records, as they stand below the table in forms that draw none between its lines."""
        return [] if self.terminal else [note.said for record in self.records for note in self.notes(record)]


class Verbatim(NamedTuple):
    """Lines that are laid out already, for a width: arithmetic, bars, a diff in the language `diff`.

    `instead` are blocks that say the same where such lines are not at home: they stand in a terminal alone, or, if
    Markdown knows their language, there too.
    """

    lines: Callable[[int], Iterable[Pieces]]
    language: str = ""
    instead: Sequence[Block] = ()


class Picture(NamedTuple):
    """A picture as SVG; of the writers only that of HTML draws it, and lets one look closer if it is `large`. `links`
    are the records of an explored table, as it calls them, that a click on what has an id shows."""

    svg: str
    caption: str
    large: bool = False
    links: Mapping[str, Sequence[str]] = MappingProxyType({})


class Gap(NamedTuple):
    """A blank line of a terminal."""


class Fold(NamedTuple):
    """Blocks that a page of HTML shows below their title once somebody opens it, and other forms at once."""

    title: str
    blocks: Sequence[Block]


class Beside(NamedTuple):
    """Blocks that stand in columns where a page of HTML is wide enough, and below each other elsewhere."""

    columns: Sequence[Sequence[Block]]


class Only(NamedTuple):
    """Blocks that stand in some forms alone."""

    forms: Sequence[str]
    blocks: Sequence[Block]


Block = Heading | Prose | Facts | Table | Verbatim | Picture | Gap | Fold | Beside | Only


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """All that a result says. Its parts are made only for the form that needs them.

    `title` is the heading, except in a terminal, unless the first block is one of level 1. `data` is the JSON document,
    `table` what csv has; None where the result is no table. `more` are forms that this result alone has, `notes`
    what csv has no room for.
    """

    title: str
    blocks: Callable[[], Iterable[Block]]
    data: Callable[[], Document]
    table: Callable[[], Table] | None = None
    more: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def of(self, form: str) -> list[Block]:
        """The blocks as they stand in a form."""
        return list(_kept(self.blocks(), form))

    def titled(self, form: str) -> list[Block]:
        """The same, the page's own heading first."""
        blocks = self.of(form)
        first = blocks[0] if blocks else None
        return blocks if isinstance(first, Heading) and first.level == 1 else [Heading(self.title), *blocks]


def _kept(blocks: Iterable[Block], form: str) -> Iterable[Block]:
    for block in blocks:
        if isinstance(block, Verbatim) and block.instead and form not in ("text", "markdown" if block.language else ""):
            yield from _kept(block.instead, form)
        elif isinstance(block, Fold):
            inside = list(_kept(block.blocks, form))
            yield from [Fold(block.title, inside)] if form == "html" else inside
        elif isinstance(block, Beside):
            columns = [list(_kept(column, form)) for column in block.columns]
            yield from [Beside(columns)] if form == "html" else chain.from_iterable(columns)
        elif not isinstance(block, Only):
            yield block
            if isinstance(block, Table) and form != "text":
                yield from (part for record in block.records for part in _kept(block.below(record), form))
        elif form in block.forms:
            yield from _kept(block.blocks, form)
