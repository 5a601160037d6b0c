"""A spec file as data: `family_of` turns the YAML tree into a `Family` and refuses what is written wrong in a part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

from ..errors import SpecError, Text, printable
from ..ops import ARGUMENTS, OPS
from ..ops.synonyms import suggest_argument, suggest_op
from ..records import NamedTuple
from ..units import same, squeeze
from .columns import Headings, Role, read_role
from .expr import YIELDING, Argument, Expr, argument, check_name
from .lines import STEPS, Block, Body, Steps, bodies_of, read_block, read_body, read_steps, steps_of
from .metrics import ReportedMetric, known_metric, read_metrics
from .notation import Pattern
from .reader import List, Map, Tree, where_of
from .table import Quoted, Table, read_quoted, read_table

ABOUT = (
    *("name", "title", "cite", "stands_in", "input", "variants", "models", "namesakes"),
    *("given", "let", "defaults", "columns"),
)
BODIES = ("layers", "notation", "heads", "rows", "blocks")  # where layer lines stand
CLAIMS = ("metrics", "reported", "errata", "documents")
KEYS = (*ABOUT, "baseline", "reading", "layers", "notation", "heads", "rows", "blocks", *CLAIMS)
# What a model may lay over its variant, and a file over the families of its models.
OVERLAY = ("stands_in", "input", "given", "let", "defaults", "layers", "notation", "heads", "rows", "blocks")
MAX_VARIANTS = 200
MAX_MODELS = 1_000
MAX_ITEMS = 200  # of any other list or mapping
Made = TypeVar("Made")
Readings = dict[str, tuple[Text, Text]]  # by the column or figure: its name where it stands, and the terms
FROM = re.compile(r"from +(\S+)")  # a key of the top level
ALL = ""  # the name where the terms are meant for all of them


class Layers(NamedTuple):
    """The layers of a network: a quoted table, with its steps if `row:` says what they are, or a plain list."""

    quoted: Quoted | None
    body: Body | None


class Head(NamedTuple):
    name: Text
    at: Text
    body: Body


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A variant by its printed name, with the cells of its row where `variants:` is a table."""

    name: Text
    cells: dict[str, Text] = field(default_factory=dict)


class ModelEntry(NamedTuple):
    """A name that people type: a variant of `family` (empty: of its own file), with keys laid over it."""

    name: Text
    family: str
    variant: Text
    overlay: Map | None
    where: Text  # of the family's name, or else of the variant's

    @property
    def plain(self) -> bool:
        """Whether it names a variant of its own file and lays nothing over it: claims on either are the other's."""
        return self.overlay is None and not self.family


class Borrowed(NamedTuple):
    """A name that `from SOURCE:` gives: a block of a family, or a part of a model, the outputs of its `rows`."""

    name: Text
    source: Text
    rows: tuple[Text, ...] = ()


class Erratum(NamedTuple):
    """Printed figures that are known to be wrong: of these rows or variants, in these columns."""

    where: Text
    rows: tuple[Text, ...]
    variants: tuple[Text, ...]
    figures: tuple[Text, ...]
    note: Text


class ReportedTable(NamedTuple):
    quoted: Quoted
    reading: Readings


class Cited(NamedTuple):
    """Ids under which other documents print claims of the file: a table of ids whose first heading is `row`, `model` or
    `figure`. `sources` are where, `system` what the documents call the network (a column of that name wins); `of` is
    the `from:` of the claims, where several tables of the file print the same figure."""

    where: Text
    sources: tuple[Text, ...]
    system: str
    of: str
    table: Table


@dataclass(frozen=True, eq=False)  # by identity, so that what is worked out from a family can be kept beside it
class Family:
    """Everything that a spec file says."""

    tree: Map = field(repr=False)
    name: str
    title: str
    cite: str
    stands_in: str  # what something else stands in for: the counts are the paper's, the function is not
    inputs: tuple[tuple[Text, Argument], ...]  # name and size; the only one of most networks is called `input`
    variants: tuple[Variant, ...]
    variants_from: str
    models: dict[str, ModelEntry]
    namesakes: dict[str, Text]
    given: dict[str, tuple[Text, Expr]]
    let: dict[str, tuple[Text, Expr]]
    defaults: dict[str, dict[str, tuple[Text, Argument]]]
    columns: dict[str, tuple[Text, Role]]
    headings: Headings = field(repr=False)
    baseline: Text | None
    reading: Readings
    layers: Layers | None
    notation: tuple[tuple[Pattern, Body], ...]
    heads: dict[str, Head]
    rows: dict[str, tuple[Text, Body]]
    blocks: dict[str, Block]
    borrowed: dict[str, Borrowed]
    metrics: dict[str, ReportedMetric]
    reported: tuple[ReportedTable, ...]
    errata: tuple[Erratum, ...]
    documents: tuple[Cited, ...]
    _lines: dict[str, int | None] = field(init=False, repr=False, default_factory=dict)  # of the notation, by cell

    def role(self, heading: str) -> Role | None:
        """The role of a heading: given in `columns:`, or a name usable in expressions; None for a variant."""
        return self.headings.role(heading)

    def metric(self, figure: str) -> ReportedMetric | None:
        """The metric that a heading or a figure of a `reported:` table is; None for a claim."""
        role = self.headings.columns.get(squeeze(figure))
        name = role.metric if role is not None and role.kind == "result" else figure if role is None else ""
        return known_metric(name, self.metrics)

    def variant(self, name: str) -> Variant | None:
        """The variant that is called `name`, however that is spaced."""
        return next((variant for variant in self.variants if same(variant.name.value, name)), None)

    @property
    def named_inputs(self) -> bool:
        """Whether `input:` gives its inputs names."""
        return isinstance(self.tree.get("input"), Map)

    @property
    def tables(self) -> Iterator[tuple[Table, str]]:
        """The tables with named columns: of layers, steps, variants and models, each with what it is of."""
        quoted = self.layers.quoted.table if self.layers and self.layers.quoted else None
        if quoted is not None:
            yield quoted, "layers"
        yield from ((steps.table, "steps") for steps in self.steps if steps.table is not quoted)
        value = self.tree.get("variants")
        if isinstance(value, Map):
            table = value.get("table")
            assert isinstance(table, Text)
            yield read_table(table), "variants"
        tables = (reported.quoted.table for reported in self.reported)
        yield from ((table, "reported") for table in tables if table.headings[0].value == "model")

    def plainly(self, variant: str) -> ModelEntry | None:
        """The model that names a variant plainly."""
        return next((m for m in self.models.values() if m.plain and same(m.variant.value, variant)), None)

    @property
    def unnamed(self) -> list[Variant]:
        """The variants that no model names plainly; none of a file without `layers:`."""
        return [variant for variant in self.variants if self.layers and self.plainly(variant.name.value) is None]

    @property
    def bodies(self) -> list[Body]:
        """All layer lines of the file: of the notation, blocks, heads, replaced rows and a plain list."""
        bodies = [body for _, body in self.notation] + [block.body for block in self.blocks.values()]
        bodies += [head.body for head in self.heads.values()] + [body for _, body in self.rows.values()]
        return [*bodies, self.layers.body] if self.layers and self.layers.body else bodies

    @cached_property
    def lets(self) -> list[tuple[str, Expr]]:
        """Every let behind those that it needs, where they need not each other."""
        left, found = {name: expr for name, (_, expr) in self.let.items()}, list[tuple[str, Expr]]()

        def put(name: str) -> None:
            expr = left.pop(name, None)
            if expr is not None:
                for needed in expr.names:
                    put(needed)
                found.append((name, expr))

        for name in self.let:
            put(name)
        return found

    @cached_property
    def value_names(self) -> frozenset[str]:
        """Every name that a value has somewhere in the file: given in a body, an input, a parameter or a hole."""
        names = [name for body in self.bodies for part in bodies_of(body) for name in part.names]
        names += [name for name, _ in self.inputs]
        names += [parameter for block in self.blocks.values() for parameter, _ in block.parameters]
        return frozenset(name.value for name in names) | {hole for line, _ in self.notation for hole in line.holes}

    @cached_property
    def own_names(self) -> frozenset[str]:
        """Which of the names that the language gives where a file does not this file gives itself."""
        roles = [self.role(heading.value) for table, _ in self.tables for heading in table.headings]
        roles += [role for _, role in self.columns.values()]
        columns = {
            name for role in roles if role for name in (role.name, *(role.pattern.holes if role.pattern else ()))
        }
        return YIELDING & {*self.given, *self.let, *self.value_names, *columns}

    @property
    def steps(self) -> Iterable[Steps]:
        """The tables of steps."""
        return {id(step.steps): step.steps for body in self.bodies for step in steps_of(body)}.values()

    def read_cell(self, cell: Text) -> tuple[Pattern, dict[str, Text], Body] | None:
        """The first line of the notation that fits `cell`, what its holes hold, and what it means."""
        bare = squeeze(cell.value)
        if bare not in self._lines:  # cells alike are read by the same line, however often that is asked
            fits = (at for at, (pattern, _) in enumerate(self.notation) if pattern.spans(bare) is not None)
            self._lines[bare] = next(fits, None)
        at = self._lines[bare]
        if at is None:
            return None
        pattern, body = self.notation[at]
        return pattern, pattern.match(cell) or {}, body


# --- reading ----------------------------------------------------------------------------------------------------


def family_of(tree: Map, name: str, laid_over: Family | None = None) -> Family:
    """Read a spec part by part. `name` is the file's stem, which names the one variant where there is no `variants:`.
    What stands in the tree of `laid_over` as it does here, under the same headings and defaults, is not read again.
    Raises SpecError at the first part that is written wrong."""
    Map(tree.where, {key: entry for key, entry in tree.entries.items() if not FROM.fullmatch(key)}).only(KEYS, "a spec")
    below = laid_over
    if below is not None and not all(_same(below, tree, key) for key in ("variants", "columns", "defaults")):
        below = None
    variants, variants_from = _variants(tree, name)
    roles = ((key, _scalar(value, "the role of a column")) for key, value in _map(tree, "columns").items())
    columns = {key.value: (key, read_role(role)) for key, role in roles}
    headings = below.headings if below is not None else None
    headings = headings or Headings(columns, [variant.name.value for variant in variants], partial(_lines, tree))

    def each(key: str, read: Callable[[Text, Tree], Made]) -> Iterator[Made]:
        made = _made(below, key)
        return (made.get(id(value)) or read(name, value) for name, value in _map(tree, key).items())

    def items(key: str, read: Callable[[Tree], Made]) -> tuple[Made, ...]:
        return getattr(below, key) if _same(below, tree, key) else tuple(read(item) for item in _items(tree, key))

    blocks: dict[str, Block] = {}
    for block in each("blocks", lambda key, value: read_block(key, value, headings)):
        if block.name.value in ("parts", STEPS, "identity"):  # the name of an op is free: the block wins
            raise block.name.error(f"`{block.name}` is a word of the language and cannot name a block")
        if block.name.value in blocks:
            raise block.name.error(f"the block `{block.name}` is given twice")
        blocks[block.name.value] = block
    borrowed = _borrowed(tree)
    for name_, block in blocks.items():
        if name_ in borrowed:
            hint = f"It is taken from `{borrowed[name_].source}` in line {borrowed[name_].name.line}."
            raise block.name.error(f"the block `{block.name}` is given twice", hint)
    return Family(
        tree=tree,
        name=tree.line("name", name),
        title=tree.line("title"),
        cite=tree.line("cite"),
        stands_in=tree.line("stands_in"),
        inputs=_inputs(tree),
        variants=variants,
        variants_from=variants_from,
        models={key.value: _model(key, value) for key, value in _map(tree, "models").items()},
        namesakes={key.value: _scalar(value, "a sentence") for key, value in _map(tree, "namesakes").items()},
        given=read_expressions(tree, "given"),
        let=read_expressions(tree, "let"),
        defaults=_defaults(tree),
        columns=columns,
        headings=headings,
        baseline=_scalar(tree.get("baseline"), "a value for `baseline:`") if "baseline" in tree.entries else None,
        reading=_reading(tree),
        layers=below.layers if below is not None and _same(below, tree, "layers") else _layers(tree, headings),
        notation=tuple(each("notation", lambda k, v: (Pattern(k), read_body(v, f"the notation `{k}`", headings)))),
        heads={head.name.value: head for head in each("heads", lambda key, value: _head(key, value, headings))},
        rows={
            k.value: (k, body) for k, body in each("rows", lambda k, v: (k, read_body(v, f"the row `{k}`", headings)))
        },
        blocks=blocks,
        borrowed=borrowed,
        metrics=read_metrics(_map(tree, "metrics")),
        reported=items("reported", _reported),
        errata=items("errata", _erratum),
        documents=items("documents", _cited),
    )


def _lines(tree: Map) -> Iterator[str]:
    """All that may be a layer line, without blocks' names, which are no values."""
    left: list[Tree] = [value for key in BODIES if (value := tree.get(key)) is not None]
    while left:
        part = left.pop()
        if isinstance(part, Text):
            yield "" if part.block else part.value
        else:
            left += (
                part.items if isinstance(part, List) else [value for key, value in part.items() if key.value != "from"]
            )


def _same(below: Family | None, tree: Map, key: str) -> bool:
    """Whether a tree has this key from the one of the family below."""
    return below is not None and tree.entries.get(key) is below.tree.entries.get(key)


def _made(below: Family | None, key: str) -> dict[int, Any]:
    """What was made of each value under a key of the family below, by the value."""
    if below is None:
        return {}
    made = getattr(below, key)
    values = (value for _, value in _map(below.tree, key).items())
    return dict(zip(map(id, values), made.values() if isinstance(made, dict) else made, strict=True))


def overlay(base: Map, top: Iterable[tuple[Text, Tree]]) -> Map:
    """`base` with the keys of `top` laid over it: mappings merge by name, all else replaces."""
    entries = dict(base.entries)
    for key, value in top:
        below = entries.get(key.value)
        if below and isinstance(below[1], Map) and isinstance(value, Map) and "table" not in value.entries:
            name = _block_name if key.value == "blocks" else str
            merged = {name(text.value): (text, sub) for text, sub in (*below[1].items(), *value.items())}
            value = Map(value.where, {text.value: (text, sub) for text, sub in merged.values()})
        entries[key.value] = (key, value)
    return Map(base.where, entries)


def _block_name(key: str) -> str:
    """The name under which a block merges: without its parameters."""
    match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*\(.*\)\s*", key)
    return match.group(1) if match else key


def _map(tree: Map, key: str) -> Map:
    value = tree.get(key)
    if value is None:
        return Map(tree.where)
    if not isinstance(value, Map):
        raise tree.key(key).error(f"`{key}:` wants a mapping: `name: value`")
    most = MAX_MODELS if key in ("models", "namesakes") else MAX_ITEMS
    if len(value.entries) > most:
        raise tree.key(key).error(f"more than {most:,} entries of `{key}:` are refused")
    return value


def _items(tree: Map, key: str) -> tuple[Tree, ...]:
    value = tree.get(key)
    if value is None:
        return ()
    if not isinstance(value, List):
        raise tree.key(key).error(f"`{key}:` wants a list")
    if len(value.items) > MAX_ITEMS:
        raise tree.key(key).error(f"more than {MAX_ITEMS} entries of `{key}:` are refused")
    return value.items


def _scalar(value: Tree | None, what: str, missing: Text | None = None) -> Text:
    """A word or a line; `missing` is where one is wanted that is not there at all."""
    if not isinstance(value, Text) or value.block or not value.value.strip():
        raise SpecError(f"{what} is wanted here", missing if value is None else where_of(value))
    return value


def _inputs(tree: Map) -> tuple[tuple[Text, Argument], ...]:
    value = tree.get("input")
    if value is None:
        return ()
    key = tree.key("input")
    if isinstance(value, Text) and value.value.strip() and not value.block:
        return ((key, argument(value)),)
    if not isinstance(value, Map) or not value.entries:
        raise key.error("`input:` wants the size of the data, channels first, such as `3 × 224 × 224`")
    for name, _ in value.items():
        check_name(name, "an input")
    return tuple((name, argument(_scalar(size, "the size of this input"))) for name, size in value.items())


def read_expressions(tree: Map, key: str) -> dict[str, tuple[Text, Expr]]:
    """The `given:` or `let:` of a spec or of an overlay. Raises SpecError."""
    found = {}
    for name, value in _map(tree, key).items():
        check_name(name, f"a value of `{key}:`")
        found[name.value] = (name, Expr(_scalar(value, "a number or an expression").strip()))
    return found


def _defaults(tree: Map) -> dict[str, dict[str, tuple[Text, Argument]]]:
    found: dict[str, dict[str, tuple[Text, Argument]]] = {}
    for word, values in _map(tree, "defaults").items():
        if word.value not in OPS:
            raise word.error(f"`{word}` is not an op", suggest_op(word.value))
        if not isinstance(values, Map):
            raise word.error(f"the defaults of `{word}` are a mapping: `{word}: {{bias: False}}`")
        known = [argument.name for argument in ARGUMENTS[word.value]]
        for name, value in values.items():
            if name.value not in known:
                raise name.error(f"`{word}` has no argument `{name}`", suggest_argument(name.value, known))
            found.setdefault(word.value, {})[name.value] = (name, argument(_scalar(value, "a value")))
    return found


def _variants(tree: Map, name: str) -> tuple[tuple[Variant, ...], str]:
    value = tree.get("variants")
    if value is None:
        return (Variant(Text(name, tree.where.source, tree.where.line, tree.where.col, exact=False)),), ""
    if isinstance(value, List):
        if not value.items:
            raise value.where.error("`variants:` is empty")
        variants = tuple(Variant(_scalar(item, "the name of a variant").strip()) for item in value.items)
        source = ""
    elif isinstance(value, Map):
        quoted = read_quoted(value, "`variants:`")
        headings = [heading.value for heading in quoted.table.headings]
        rows = quoted.table.rows
        variants = tuple(Variant(row.cells[0], dict(zip(headings, row.cells, strict=True))) for row in rows)
        source = quoted.source
    else:
        raise tree.key("variants").error("`variants:` wants a list of names, or a table with a variant a row")
    if len(variants) > MAX_VARIANTS:
        raise tree.key("variants").error(f"more than {MAX_VARIANTS} variants are refused")
    seen: set[str] = set()
    for variant in variants:
        if not variant.name.value:
            raise variant.name.error("a variant without a name")
        if squeeze(variant.name.value) in seen:
            raise variant.name.error(f"the variant `{variant.name}` is given twice")
        seen.add(squeeze(variant.name.value))
    return variants, source


def _model(key: Text, value: Tree) -> ModelEntry:
    overlay_map: Map | None = None
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", key.value):
        raise key.error(f"`{key}` is not a name for a model", "A model is named in lower case: `resnet50-v1.5`.")
    if isinstance(value, Map):
        value.only(("variant", *OVERLAY), "a model")
        variant = _scalar(value.get("variant"), "`variant:` with the variant that the model is laid over", key)
        overlay_map = Map(value.where, {k: entry for k, entry in value.entries.items() if k != "variant"})
    else:
        variant = _scalar(value, "a variant")
    family, colon, _ = variant.value.partition(":")
    if colon and re.fullmatch(r"[A-Za-z0-9._-]+", family):
        base = variant.part(0, len(family))
        return ModelEntry(key, family, variant.part(len(family) + 1).strip(), overlay_map, base)
    return ModelEntry(key, "", variant, overlay_map, variant)


def _reading(tree: Map) -> Readings:
    value = tree.get("reading")
    if isinstance(value, Text):
        return {ALL: (value, _scalar(value, "a reading"))}
    return {key.value: (key, _scalar(value, "a reading")) for key, value in _map(tree, "reading").items()}


def _layers(tree: Map, headings: Headings) -> Layers | None:
    value = tree.get("layers")
    if value is None:
        return None
    if isinstance(value, Map) and not value.entries.keys().isdisjoint(("table", "from")):
        quoted = read_quoted(value, "`layers:`", "row")
        steps = read_steps(quoted.table, value.get("row"), headings) if "row" in value.entries else ()
        return Layers(quoted, Body(value.where, steps) if steps else None)
    return Layers(None, read_body(value, "`layers:`", headings))


def _head(key: Text, value: Tree, headings: Headings) -> Head:
    name = key.value
    if printable(name) != name or " | " in name or name != name.strip() or not name:
        hint = "A head's name is a few words on one line, without ` | ` and control characters."
        raise key.error(f"`{key}` is not a name for a head", hint)
    if not isinstance(value, Map):
        raise key.error("a head is `{at: row, layers: line}`")
    value.only(("at", "layers"), "a head")
    layers = value.get("layers")
    if layers is None:
        raise key.error("a head wants `layers:`")
    at = _scalar(value.get("at"), "`at:` with the row that the head hangs on", key)
    return Head(key, at, read_body(layers, "a head", headings))


def _reported(tree: Tree) -> ReportedTable:
    if not isinstance(tree, Map):
        raise where_of(tree).error("a reported table is `from:` and `table:`")
    quoted = read_quoted(tree, "a reported table", "reading")
    first = quoted.table.headings[0]
    if first.value not in ("figure", "model"):
        raise first.error("the first heading of a reported table is `figure` or `model`")
    if not quoted.source:
        raise tree.where.error("a reported table says where it is printed: `from: Table 2`")
    return ReportedTable(quoted, _reading(tree))


def _cited(tree: Tree) -> Cited:
    if not isinstance(tree, Map):
        raise where_of(tree).error("an entry is `from:`, `system:` and `table:`")
    tree.only(("from", "system", "of", "table"), "an entry of `documents:`")
    table = tree.get("table")
    if not isinstance(table, Text):
        raise tree.where.error("an entry of `documents:` wants `table: |` with the ids of figures")
    found = read_table(table)
    first = found.headings[0]
    if first.value not in ("row", "model", "figure"):
        raise first.error("the first heading of a table of ids is `row`, `model` or `figure`")
    return Cited(tree.where, read_sources(tree), tree.line("system"), tree.line("of"), found)


def read_sources(tree: Map) -> tuple[Text, ...]:
    """The sources of a printed figure: `from:`, a text or a list, each `document — place`. Raises SpecError."""
    value = tree.get("from")
    texts = [_scalar(item, "a source").strip() for item in (value.items if isinstance(value, List) else (value,))]
    for text in texts:
        if " — " not in text.value:
            raise text.error("a source is written `document — place`")
    return tuple(texts)


def _names(tree: Map, key: str) -> tuple[Text, ...]:
    value = tree.get(key)
    if value is None:
        return ()
    if not isinstance(value, List):
        return (_scalar(value, "a name").strip(),)
    names: dict[str, Text] = {}
    for item in _items(tree, key):
        name = _scalar(item, "a name").strip()
        if squeeze(name.value) in names:
            raise name.error(f"`{name}` stands here twice")
        names[squeeze(name.value)] = name
    return tuple(names.values())


def _borrowed(tree: Map) -> dict[str, Borrowed]:
    """What `from NAME:` takes of other files: a list of blocks, or `{name: [rows]}` of parts. Raises SpecError."""
    found: dict[str, Borrowed] = {}
    for key, value in tree.items():
        match = FROM.fullmatch(key.value)
        if match is None:
            continue
        source, taken = key.part(match.start(1), match.end(1)), list[Borrowed]()
        if isinstance(value, Map):
            for name, _ in value.items():
                rows = _names(value, name.value)
                if not rows:
                    raise name.error(f"`{name}` wants the rows whose outputs it is: `{name}: [conv4_x, conv5_x]`")
                taken.append(Borrowed(name, source, rows))
        else:
            taken = [Borrowed(name, source) for name in _names(tree, key.value)]
        if not taken:
            raise key.error("`from NAME:` wants a list of blocks, or a mapping `{name: [rows]}` of parts of a model")
        for one in taken:
            check_name(one.name, "what is taken from another file")
            if one.name.value in found:
                raise one.name.error(f"`{one.name}` is taken twice")
            found[one.name.value] = one
    return found


def _erratum(tree: Tree) -> Erratum:
    if not isinstance(tree, Map):
        raise where_of(tree).error("an erratum is `row:` or `variant:`, `figures:` and `note:`")
    tree.only(("row", "variant", "figures", "note"), "an erratum")
    rows, variants, figures = _names(tree, "row"), _names(tree, "variant"), _names(tree, "figures")
    if not figures:
        raise tree.where.error("an erratum names the printed `figures:` that are wrong")
    note = _scalar(tree.get("note"), "`note:` with the printed figure and the likely cause", tree.where)
    return Erratum(tree.where, rows, variants, figures, note)
