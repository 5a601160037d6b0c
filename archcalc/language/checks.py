"""Whole-file checks of a spec: names, headings and calls, and unused definitions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ..errors import Text, did_you_mean
from ..ops import OPS
from ..ops.synonyms import suggest_op
from ..units import same, squeeze
from .expr import Argument, Expr, check_name
from .family import Family, family_of
from .lines import MERGES, Body, as_body, bodies_of, calls_of, cells_of, words_of
from .metrics import USUAL
from .reader import List, Map, Tree

FORMER = {"channel_mean": "mean(axis=0)", "channel_max": "max(axis=0)"}  # words of 0.1.0's first specs


def read_family(tree: Map, name: str, laid_over: Family | None = None) -> Family:
    """Read a spec and check it as a whole. `name` is the file's stem, which names the one variant where there is no
    `variants:`. The tree may be that of `laid_over` with other keys laid over it, so that columns may have lost their
    table. Raises SpecError at the first place that breaks a rule."""
    family = family_of(tree, name, laid_over)
    constants = {name: text for name, (text, _) in (*family.given.items(), *family.let.items())}
    for value, (text, _) in family.let.items():
        if value in family.given:
            raise text.error(f"`{value}` stands under `given:` already")
    for pattern, _ in family.notation:
        for hole, where in zip(pattern.holes, pattern.places, strict=True):
            if hole in constants:
                raise where.error(f"the hole `{{{hole}}}` has the name of a value of `given:` or `let:`")
    for table, what in family.tables:
        for heading in table.headings[1:] if what != "layers" else table.headings:
            _check_heading(family, heading, what)
    _check_steps(family)
    _check_weights(family)
    _check_values(family)
    if family.layers is not None:
        _check_calls(family)
    headings = [heading.value for table, _ in family.tables for heading in table.headings]
    roles: set[str] = set()
    for key, (text, role) in family.columns.items():
        if squeeze(key) in roles:
            raise text.error(f"the column `{key}` is given twice: spaces do not matter, nor × or x")
        roles.add(squeeze(key))
        if key == "variants":
            if role.kind != "name":
                raise text.error("`variants:` in `columns:` wants a name: a variant's own cell is that number")
        elif laid_over is None and not any(same(key, heading) for heading in headings):
            raise text.error(f"no table has the heading `{key}`", did_you_mean(key, headings))
    baseline = family.baseline
    if baseline is not None and family.variant(baseline.value) is None:
        hint = did_you_mean(baseline.value, [variant.name.value for variant in family.variants])
        raise baseline.error(f"`{baseline}` is not a variant of this file", hint)
    return family


def _check_steps(family: Family) -> None:
    """Headings of tables of steps are unlike blocks and merges where `row:` calls them."""
    for steps in family.steps:
        for heading in steps.table.headings if steps.means is not None else ():
            role = family.role(heading.value)
            if role is None:
                raise heading.error("beside `row:` no column is a variant's")
            if role.kind == "name" and role.name in {*family.blocks, *family.borrowed, *MERGES}:
                raise heading.error(f"`{role.name}` is a block or a merge already and cannot name a column of steps")


def _check_weights(family: Family) -> None:
    """Weights with a name have several users in their body: calls, or the rounds of one that is repeated."""
    for body in family.bodies:
        named = [(call.weights, call.times) for call in calls_of(body) if call.weights is not None]
        users = Counter(weights.value for weights, _ in named)
        for weights, times in named:
            if users[weights.value] == 1 and times is None:
                hint = did_you_mean_used(weights.value, set(users) - {weights.value})
                raise weights.error(f"nothing shares the weights `{weights}`: this call alone names them", hint)


def _check_calls(family: Family) -> None:
    """Raise SpecError at a call of nothing, also in a line that no model of the file has."""
    known = {*family.blocks, *family.borrowed, *OPS, "identity", *family.value_names}
    for word in (call.word for body in family.bodies for call in calls_of(body) if not call.cell):
        merges = word.value in MERGES and not (word.value in OPS and OPS[word.value].takes_one())
        if merges and word.value not in {*family.blocks, *family.borrowed, *family.value_names}:
            raise word.error(f"`{word}` merges branches: write `{word}:` with a list of them")
        if word.value not in known:
            hint = suggest_op(word.value, [*family.blocks, *family.borrowed, "identity"])
            if word.value in FORMER:
                hint = f"It is `{FORMER[word.value]}` now."
            raise word.error(f"`{word}` is neither an op nor a block of this file", hint)


def _in_cells(family: Family, body: Body) -> set[str]:
    """The names that the cells in `body` use: those in their holes, and those in what the notation says they mean."""
    read = [cell for call in cells_of(body) if (cell := family.read_cell(call.word))]
    meant = {id(cell[2]): cell[2] for cell in read}.values()
    return {hole.value for cell in read for hole in cell[1].values()} | {
        name for body in meant for name, _ in words_of(body)
    }


def _check_values(family: Family) -> None:
    """Names of values are given once in a body, unlike any block, input or number."""
    listed = family.layers.body if family.layers else None
    inputs = [name for name, _ in family.inputs] if family.named_inputs else []
    numbers = {*family.given, *family.let}
    blocks = {*family.blocks, *family.borrowed}
    for body in family.bodies:
        for part in bodies_of(body):
            seen = {name.value for name in inputs} if body is listed else set()
            for name in part.names:
                if name.value in blocks or name.value in numbers:
                    raise name.error(f"`{name}` is a block or a number already and cannot name a value")
                if name.value in seen:
                    raise name.error(f"the value `{name}` is given twice in one body")
                seen.add(name.value)


def _check_heading(family: Family, heading: Text, what: str) -> None:
    role = family.role(heading.value)
    if what == "reported" and family.metric(heading.value):
        return
    if what in ("layers", "steps") and family.variant(heading.value) is not None:
        return
    if what == "steps" and role is not None and role.kind in ("claim", "label"):
        raise heading.error(f"a {role.kind} stands in the table of `layers:`: this one stands in a list")
    if role is None or (what == "reported" and role.kind != "claim"):
        words = [variant.name.value for variant in family.variants] if what == "layers" else []
        words += [*family.metrics, *USUAL] if what == "reported" else []
        hint = did_you_mean(heading.value, [*words, *family.columns])
        known = "Say under `columns:` what it is: layer, label, -, a name, or a claim such as =params."
        if what == "reported":
            known = "Say under `columns:` which figure it is, such as =params, or declare it under `metrics:`."
        raise heading.error(f"the column `{heading}` has no role", hint if hint.startswith("Did") else known)
    if role.kind == "name" and role.name == heading.value:
        check_name(heading, "a column", f"Give it another name under `columns:`, `{heading}: n_{heading}`.")


def references(family: Family) -> set[str]:
    """Every name that the file's expressions, calls and models use."""
    own = {id(block.body): {name.value for name, _ in block.parameters} for block in family.blocks.values()}
    found: set[str] = set()
    for body in family.bodies:
        parameters = own.get(id(body), set())
        found.update(name for name, called in words_of(body) if called or name not in parameters)
    for means in (steps.means for steps in family.steps if steps.means is not None):
        body = as_body(means, family.tree.where)
        found.update(name for name, _ in words_of(body))
        found.update(name.value for name in body.names)
    said: list[Expr | Argument] = [expr for _, expr in (*family.given.values(), *family.let.values())]
    said += [default for block in family.blocks.values() for _, default in block.parameters if default]
    said += [size for _, size in family.inputs]
    said += [argument for values in family.defaults.values() for _, argument in values.values()]
    found.update(name for text in said for name in text.names)
    found.update(name for cell in _cells(family) for name in _identifiers(cell))
    laid = (entry for model in family.models.values() if model.overlay for entry in model.overlay.items())
    found.update(name for key, value in laid if key.value != "given" for name in _identifiers(value))
    return found


def _cells(family: Family) -> Iterator[Text]:
    """The cells that may be expressions: those of columns with a name or parts, and what is read in the others."""
    for table, what in family.tables:
        for n, heading in enumerate(table.headings):
            role = family.role(heading.value)
            if role is not None and role.kind in ("name", "parts"):
                yield from (row.cells[n] for row in table.rows)
            elif what in ("layers", "steps") and (role is None or role.kind == "layer"):
                read = (family.read_cell(cell) for row in table.rows if (cell := row.cells[n]).value)
                yield from (hole for found in read if found is not None for hole in found[1].values())


def _identifiers(tree: Tree) -> Iterator[str]:
    if isinstance(tree, Text):
        yield from re.findall(r"[A-Za-z_]\w*", tree.value)
        return
    for part in tree.items if isinstance(tree, List) else (part for entry in tree.items() for part in entry):
        yield from _identifiers(part)


def check_used(family: Family, elsewhere: set[str]) -> None:
    """Raise SpecError at a name of the file that nothing uses; `elsewhere` are names used by what it is laid over."""
    used = references(family) | elsewhere
    named: list[tuple[Text, str, str]] = [(text, name, "given") for name, (text, _) in family.given.items()]
    named += [(text, name, "let") for name, (text, _) in family.let.items()]
    named += [(block.name, name, "blocks") for name, block in family.blocks.items()]
    named += [(borrowed.name, name, f"from {borrowed.source}") for name, borrowed in family.borrowed.items()]
    for table, what in ((table, what) for table, what in family.tables if what != "reported"):
        for heading in table.headings[1:] if what == "variants" else table.headings:
            role = family.role(heading.value)
            if role is not None and role.kind == "name":
                key = next((text for k, (text, _) in family.columns.items() if same(k, heading.value)), heading)
                named.append((key, role.name, "columns"))
    for text, name, what in named:
        if name not in used:
            hint = did_you_mean_used(name, used)
            if what == "columns" and not hint:
                hint = "A column for readers only has the role `-`."
            raise text.error(f"nothing uses `{name}`, a name of `{what}:`", hint)
    for block in family.blocks.values():
        inside = {name for name, _ in words_of(block.body)} | _in_cells(family, block.body)
        inside |= {name for _, default in block.parameters if default for name in default.names}
        for parameter, _ in block.parameters:
            if parameter.value not in inside:
                raise parameter.error(f"the block `{block.name}` does not use its parameter `{parameter}`")


def did_you_mean_used(name: str, used: set[str]) -> str:
    hint = did_you_mean(name, sorted(used - set(OPS)))
    return hint if hint.startswith("Did") else ""
