"""JSON Schemas of specs and of what the commands write as JSON, made from the tables that the code itself reads.

A new key, op, argument, metric, reading or count appears by itself; what is written here is the sentence that an
editor shows beside it. Only keywords that draft-07 has too are used, as editors know those best, and their own
`patternErrorMessage`. Where an editor finds several descriptions of one value it shows the innermost. The shipped
copies beside this file are written by `make docs`; `python -m archcalc.schemas.generate` says how an editor finds
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from inspect import cleandoc
from pathlib import Path

from ..analysis.readings import READINGS
from ..language.columns import CLAIM_METRICS, COUNTS, SCALES, SIZES, WITH_HEADS
from ..language.expr import IMPLICIT, NAME, RESERVED
from ..language.family import FROM, KEYS, MAX_ITEMS, MAX_MODELS, MAX_VARIANTS, OVERLAY
from ..language.lines import EXPERTS, FIRST, MERGES, STEPS
from ..language.metrics import BETTER, ON_DEVICE, USUAL
from ..measurement.runs import TITLE
from ..ops import ARGUMENTS, OPS
from ..ops.base import Argument
from ..ops.shapes import show
from ..show.check import CheckDocument
from ..show.compare import CompareDocument
from ..show.diff import DiffDocument
from ..show.doctor import DoctorDocument
from ..show.explain import ExplainDocument
from ..show.fit import FitDocument
from ..show.list import ListDocument
from ..show.measure import JudgedDocument, MeasureDocument
from ..show.paper import PaperDocument
from ..show.scale import ScaleDocument
from ..show.summary_document import SummaryDocument
from ..show.verify import VerifyDocument
from .records import DRAFT, Schema, document

FOLDER = Path(__file__).resolve().parent

# --- sentences ----------------------------------------------------------------------------------------------------

# What a key of a spec is for.
KEY_SENTENCES = {
    "name": "The name of the family; the file's name unless given.",
    "title": "The title of the paper.",
    "cite": "Where the paper stands: authors, venue and year, arXiv number with its version.",
    "input": "The size of the data, channels first, or a size for each of several inputs by name.",
    "variants": "The networks of the family as printed: a list of names, or a table with a variant a row.",
    "models": "The names that people type, each for a variant, or for a variant with keys of the file laid over it.",
    "stands_in": "What of the paper something else stands in for: its counts are right here, its function is not.",
    "namesakes": "For a model by whose name another network goes too: a sentence that says which of them this is.",
    "given": "The paper's constants by name; `--set name=value` changes them.",
    "let": "Values that follow from constants and columns, by name.",
    "defaults": "Arguments that an op takes wherever it is called without them.",
    "columns": "What the columns of the tables are, by heading.",
    "baseline": "The variant whose sizes the `=shape` and `=input` columns print, where a table prints one of several.",
    "reading": "The counting terms that figures need: of all of them, or by heading or figure.",
    "layers": "What the network is built of: a quoted table, or a list of layer lines.",
    "notation": "How to read a cell: its text, with {holes} for what varies, and the layer line that it means.",
    "heads": "Auxiliary outputs that hang on a row, by name; they are counted apart.",
    "rows": "Rows of the table that are built otherwise than their cells say, by name.",
    "blocks": "Lines under a name, `name(parameter, parameter=default)`, that layer lines call like an op.",
    "metrics": "Metrics that nobody computes, by name: their unit, and which way is better.",
    "reported": "Tables of figures about whole networks, as they are printed anywhere: claims, and reported results.",
    "errata": "Printed figures that are known to be wrong, with the likely cause.",
    "documents": "Under which ids the ledger knows claims of this file, and which documents print them.",
}

# What the kinds of arguments are in words.
KIND_SENTENCES = {
    "Count": "a whole number of at least 1",
    "Size": "a size of at least 1, such as 3 or 1×7",
    "Pad": "a size of at least 0, such as 1 or 0×3",
    "Sides": "a size, of which one axis may be -1: what is left",
    "Value": "a value of the network by its name",
    "Like": "a size of at least 1, such as 14×14, or a value of the network by its name, whose height and width it is",
    "Counts": "a whole number of at least 1, or several, an argument each",
    "Pattern": "two lists of axes, such as c h w -> (h w) c",
    "Axes": "an argument each, under the axis' name: p=4, q=4",
    "Word": "a word",
    "bool": "True or False",
    "float": "a number",
    "int": "a whole number of at least 0",
}

# What the roles of columns are; claims and parts have a form of their own.
ROLE_SENTENCES = {
    "layer": "The cell says what the row builds.",
    "label": "The cell is the row's name; where it is empty, the row goes on with the label above.",
    "-": "The cell is for readers only.",
}

# What a merge that is no op does.
MERGE_SENTENCES = {"parts": "The branches stay side by side as the parts of one value."}


def argument_sentence(argument: Argument) -> str:
    """What an argument of an op is: `the step of the window on every axis; a size …, 1 unless given`."""
    kind = argument.kind.removesuffix("| None").strip()
    words = KIND_SENTENCES.get(kind, kind)
    if not argument.required and argument.default not in (None, "") and kind != "Value":
        words += f", {show(argument.default)} unless given"
    elif not argument.required:
        words += ", or nothing"
    return f"{argument.sentence}; {words}" if argument.sentence else words


def about(word: str) -> str:
    """The first paragraph of an op's docstring on one line; of a merge that is no op, what it does."""
    if word not in OPS:
        return MERGE_SENTENCES.get(word, "")
    return " ".join(cleandoc(OPS[word].__doc__ or "").split("\n\n")[0].split())


def _capital(words: str) -> str:
    """Words as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def _said(schema: Schema, sentence: str | None) -> Schema:
    return {"description": sentence, **schema} if sentence else schema


# --- specs --------------------------------------------------------------------------------------------------------

# Scalars are read as text; an editor's parser types some of them. An empty one is null to it, and refused.
_SCALAR: Schema = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
_NAME = NAME.pattern
_WORDS = sorted(RESERVED | IMPLICIT)


def spec_schema() -> Schema:
    """The schema of a spec file. What it refuses the reader refuses too; the reader knows more rules."""
    values = _values()
    properties = {key: _said(values.get(key, {}), KEY_SENTENCES.get(key)) for key in KEYS}
    elsewhere = _said({"type": "string", "pattern": "^[A-Za-z0-9._-]+:"}, "`family:variant` of another file.")
    laid = {"anyOf": [elsewhere, {"type": "object", "properties": {"variant": elsewhere}}]}
    return {
        "$schema": DRAFT,
        "title": "archcalc spec",
        "description": "A network family: the paper's table as it is printed, and how to read it.",
        "type": "object",
        "properties": {**_each(properties), "defaults": properties["defaults"]},  # arguments are hardly cut
        "patternProperties": {rf"^{FROM.pattern}$": _borrowed()},
        "additionalProperties": False,
        # Without layers a file is laid over the families that its models name.
        "if": {"not": {"required": ["layers"]}},
        "then": {"required": ["models"], "properties": {"models": {"minProperties": 1, "additionalProperties": laid}}},
        "else": {"anyOf": [{"required": ["input"]}, {"required": ["models"]}]},
        "$defs": _each(_definitions()),
    }


# Text with a bracket that is closed or opened outside it: a piece of a call that YAML cut at its commas. The reader
# puts such pieces together again, so that a list or a mapping with one says nothing to an editor.
_BALANCED = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"
_CUT: Schema = {"type": "string", "pattern": rf"^{_BALANCED}\)|\({_BALANCED}$"}
_IN_MAPPINGS = ("type", "properties", "patternProperties", "additionalProperties", "propertyNames", "required")


def _uncut(tree: object) -> object:
    """A schema that judges no list and no mapping in which YAML cut a call."""
    if isinstance(tree, list):
        return [_uncut(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    named = ("properties", "patternProperties")
    found = {key: _each(value) if key in named else _uncut(value) for key, value in tree.items()}
    if isinstance(found.get("items"), dict):
        items = found.pop("items")
        return {**found, "if": {"contains": _CUT}, "else": {"items": items}}
    if "additionalProperties" in found:
        inside = {key: found[key] for key in (*_IN_MAPPINGS, "minProperties", "maxProperties") if key in found}
        outside = {key: value for key, value in found.items() if key not in inside or key == "type"}
        return {**outside, "allOf": [{"if": {"propertyNames": {"not": _CUT}}, "then": inside}]}
    return found


def _borrowed() -> Schema:
    """What `from NAME:` takes."""
    part = _said(_ref("scalars"), "The rows whose outputs the part is; nothing is built behind the last of them.")
    return _said(
        _either("object", {**_named(part), "minProperties": 1}, _ref("scalars")),
        "Blocks of another family of the zoo, or parts of a model: `{name: [rows]}`.",
    )


def _each(schemas: Schema) -> Schema:
    return {name: _uncut(schema) for name, schema in schemas.items()}


def _definitions() -> dict[str, Schema]:
    """What several keys of a spec hold."""
    name = rf"(?!(?:{_taken(FIRST)})\s*(?:,|$)){_NAME}"
    value = _said(_ref("body"), "A value, or the parts of one, under names of their own.")
    several = {"type": "object", "required": ["table"], "properties": {"table": {"pattern": "\n"}}}
    return {
        "scalar": {"description": "A word, a number or a line of text.", **_SCALAR},
        "scalars": {
            "description": "One name, or a list of names.",
            **_either("array", {"items": _ref("scalar"), "minItems": 1, "maxItems": MAX_ITEMS}, _SCALAR),
        },
        "expression": {
            "description": "A number, a size such as 1×7, or an expression.",
            "examples": ["32", "make_divisible(width * channels, 8)"],
            **_SCALAR,
        },
        "size": {
            "type": ["string", "integer"],
            "minimum": 1,
            "pattern": r"\S",
            "examples": ["3 × 224 × 224", "3 × resolution × resolution"],
        },
        "from": {"description": "Where the document prints the table, such as Table 1.", **_SCALAR},
        "table": _text(
            "A `|` block of cells between pipes, its first row the heading; rows of dashes are skipped.",
            r"^\s*\S[^\n]*\n[\s\S]*\S",
            ["layer | output\n------|-------\nconv1 | 112×112\n"],
            "A table is a `|` block of rows with pipes between the cells, the heading first.",
        ),
        "line": _text(
            "Calls of ops and blocks in order; `x3` repeats a call, `if …` leaves the line out or not.",
            r"^\s*[A-Za-z_][^|]*$",
            ["conv(64, 3) bn relu", "block(c, 2 if first else 1) x(n)", "identity if s == 1"],
            "A layer line is wanted here: calls of ops and blocks, as in `conv(64, 3) relu`.",
        ),
        "merge": _merge({}),
        "item": _either("object", {"if": several, "then": _ref("rows"), "else": _ref("named")}, _ref("line")),
        "named": _merge({rf"^\s*{name}\s*(?:,\s*{name}\s*)*$": value}),
        "rows": {
            "description": "A quoted table, and what a row of it means.",
            **_closed(
                {
                    "from": _ref("from"),
                    "table": _ref("table"),
                    "row": _said(_ref("body"), "What each row means; a heading in it stands for its cell."),
                },
                ["table"],
            ),
        },
        "body": _either("array", {"items": _ref("item"), "minItems": 1}, _ref("item")),
        "quoted": _closed({"from": _ref("from"), "table": _ref("table")}, ["table"]),
        "reading": {
            "description": "The counting terms under which the figures are meant, separated by commas.",
            "anyOf": [
                {"enum": list(READINGS)},
                {"type": "string", "pattern": rf"^\s*(?:{_any(READINGS)})\s*(?:,\s*(?:{_any(READINGS)})\s*)*$"},
            ],
        },
        "readings": _either("object", _map(_ref("reading")), _ref("reading")),
    }


def _values() -> dict[str, Schema]:
    """The value of each key of a spec; a key that stands only in KEYS may hold anything."""
    taken = _taken(("parts", "x"))
    scalar, scalars, size, body = map(_ref, ("scalar", "scalars", "size", "body"))
    values: dict[str, Schema] = {
        "name": {**scalar, "examples": ["vgg"]},
        "title": {**scalar, "examples": ["Going Deeper with Convolutions"]},
        "cite": {**scalar, "examples": ["He et al., CVPR 2016, arXiv:1512.03385v1"]},
        "input": {
            **_either(
                "object", {**_named(_said(size, "The size of this input, channels first.")), "minProperties": 1}, size
            ),
            "examples": ["3 × 224 × 224"],
        },
        "variants": {
            **_either(
                "object", _ref("quoted"), {"type": "array", "items": scalar, "minItems": 1, "maxItems": MAX_VARIANTS}
            ),
            "examples": [["A", "B"]],
        },
        "stands_in": {**scalar, "examples": ["rotary embedding"]},
        "namesakes": _map(scalar, MAX_MODELS),
        "given": {**_named(_ref("expression")), "examples": [{"classes": 1000}]},
        "let": {**_named(_ref("expression")), "examples": [{"C": "make_divisible(width * channels, 8)"}]},
        "defaults": {**_defaults(), "examples": [{"conv": {"bias": False}}]},
        "columns": {
            **_map(_role()),
            "properties": {"variants": _name_role()},
            "examples": [{"layer name": "label", "output size": "=shape"}],
        },
        "baseline": scalar,
        "reading": {"$ref": "#/$defs/readings", "examples": [{"params": "K = 1024"}]},
        "layers": {
            "if": {"type": "object", "anyOf": [{"required": ["table"]}, {"required": ["from"]}]},
            "then": _ref("rows"),
            "else": body,
        },
        "notation": {
            **_map(_said(body, "What a cell of this text builds.")),
            "propertyNames": {"pattern": _pattern("*")},
            "examples": [{"conv{k}-{c}": "conv(c, k) relu"}],
        },
        "heads": _map(
            _closed(
                {
                    "at": _said(scalar, "The row that the head hangs on, by its label or cell."),
                    "layers": _said(body, "What the head is built of."),
                },
                ["at", "layers"],
                "A head: the row that it hangs on, and its layers.",
            )
        ),
        "rows": _map(_said(body, "What is built in the place of this row.")),
        "blocks": {
            **_map(_said(body, "What a call of this block stands for.")),
            "propertyNames": {"pattern": rf"^(?!\s*(?:{taken})\s*(?:\(|$))\s*{_NAME}\s*(?:\(.*\)\s*)?$"},
            "examples": [{"unit(c, s=1)": "conv(c, 3, s) bn relu"}],
        },
        "metrics": {
            **_map(
                _closed(
                    {
                        "unit": {**_SCALAR, "description": "The unit of its values; none unless given."},
                        "better": {"enum": [*BETTER], "description": "Which way is better."},
                    },
                    ["better"],
                    "A metric that is reported and not computed.",
                )
            ),
            "examples": [{"top-1": {"unit": "%", "better": "higher"}}],
        },
        "reported": _list(
            {
                "from": _ref("from"),
                "table": _table(
                    "figure|model", "A figure a row under the heading `figure`, or a model a row under `model`."
                ),
                "reading": _said(_ref("readings"), KEY_SENTENCES["reading"]),
            },
            ["from", "table"],
            "A table of figures about whole networks.",
        ),
        "errata": _list(
            {
                "row": _said(scalars, "The rows that the figures are printed for."),
                "variant": _said(scalars, "The variants or models that the figures are about."),
                "figures": _said(scalars, "The columns, or figures, that are wrong."),
                "note": _said(scalar, "What is printed, quoted figure by figure, and the likely cause."),
            },
            ["figures", "note"],
            "Printed figures that are known to be wrong.",
        ),
        "documents": _list(
            {
                "from": _said(scalars, "Where: `document — place`, once or as a list."),
                "system": _said(scalar, "What the documents call the network."),
                "of": _said(scalar, "The `from:` of the claims, where several tables print the same figure."),
                "table": _table("row|model|figure", "Ids of figures; the first heading is `row`, `model` or `figure`."),
            },
            ["from", "table"],
            "A table of the ids of figures.",
        ),
    }
    laid = {key: {"$ref": f"#/properties/{key}"} for key in OVERLAY}
    variant = _said(
        {**scalar, "examples": ["D", "resnet:50-layer"]}, "The variant, or `family:variant` of another file."
    )
    values["models"] = {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z0-9][a-z0-9._-]*$"},
        "additionalProperties": _either(
            "object", _closed({"variant": variant, **laid}, ["variant"], "A variant with keys laid over it."), variant
        ),
        "maxProperties": MAX_MODELS,
        "examples": [{"vgg16": "D", "resnet50-v1.5": {"variant": "50-layer", "given": {"v15": 1}}}],
    }
    return values


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _either(kind: str, then: Schema, other: Schema) -> Schema:
    """One schema for values of this type of JSON's, the other for all else: errors are about the one that is meant."""
    return {"if": {"type": kind}, "then": then, "else": other}


def _closed(properties: Schema, required: list[str], sentence: str = "") -> Schema:
    """A mapping with these keys and no others."""
    found = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return _said(found, sentence)


def _map(value: Schema, most: int = MAX_ITEMS) -> Schema:
    """A mapping by names of the document's own."""
    return {"type": "object", "additionalProperties": value, "maxProperties": most}


def _named(value: Schema) -> Schema:
    """A mapping by names that expressions use."""
    return {**_map(value), "propertyNames": {"pattern": f"^{_NAME}$", "not": {"enum": _WORDS}}}


def _list(properties: Schema, required: list[str], sentence: str) -> Schema:
    """A list of mappings with these keys and no others."""
    return {"type": "array", "items": _closed(properties, required, sentence), "maxItems": MAX_ITEMS}


def _text(sentence: str, pattern: str, examples: list[str], message: str = "") -> Schema:
    """A text of this pattern; `message` is what an editor says of another."""
    wrong = {"patternErrorMessage": message} if message else {}
    return {"description": sentence, "type": "string", "pattern": pattern, **wrong, "examples": examples}


def _table(first: str, sentence: str) -> Schema:
    """A table whose first heading is one of these words."""
    return {"description": sentence, "allOf": [_ref("table")], "pattern": rf"^[\s|+:-]*(?:{first})\s*(?:\||\n)"}


def _any(words: Iterable[str]) -> str:
    """A pattern of one of `words`, spaces or none where they have some."""
    return "|".join(r"\s*".join(map(re.escape, word.split())) for word in words)


def _taken(more: Iterable[str]) -> str:
    """A pattern of what names neither a block nor a value, and of `more`."""
    return rf"{_any(dict.fromkeys([*more, STEPS, 'identity', *_WORDS]))}|x[0-9]+"


def _pattern(holes: str) -> str:
    """A pattern of a notation's text with `{holes}`: `*` any number of them, `+` at least one."""
    return rf"^[^{{}}]*(?:\{{(?!(?:{_any(_WORDS)})\}}){_NAME}\}}[^{{}}]*){holes}$"


def _merge(others: Schema) -> Schema:
    """One merge word with its branches, or one key of `others`."""
    round_ = _text("", r"^\s*[A-Za-z_]\w*\s*(?:\(.*\))?\s+x(?:\d+|\()", ["head(index) x5"])
    branches = _either("array", {"items": _ref("body"), "minItems": 1}, round_)
    return {
        "description": "A merge word, or a name, with what stands under it.",
        "type": "object",
        "properties": {
            **{word: _said(branches if word in FIRST else _ref("body"), about(word)) for word in MERGES},
            STEPS: {
                "description": "What is done for each token of the value, with the same weights.",
                "type": "array",
                "items": _ref("item"),
                "minItems": 1,
            },
        },
        "patternProperties": {
            rf"^(?:{_any(MERGES)})\s*\(.*\)$": branches,
            rf"^\s*{EXPERTS}\s*\(.*\)\s*$": _said(
                _ref("body"), "What each token runs through with the weights of the experts that it chooses."
            ),
            **others,
        },
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _defaults() -> Schema:
    ops = {}
    for word, arguments in ARGUMENTS.items():
        properties = {a.name: _said(_argument(a), _capital(argument_sentence(a))) for a in arguments}
        ops[word] = _said({"type": "object", "properties": properties, "additionalProperties": False}, about(word))
    return {"type": "object", "properties": ops, "additionalProperties": False}


def _argument(argument: Argument) -> Schema:
    """What an argument may be: by its kind, or an expression."""
    kind = argument.kind.removesuffix("| None").strip()
    if kind in ("Count", "Counts", "Size", "Like", "Pad", "int"):
        least = 0 if kind in ("Pad", "int") else 1
        return {"type": ["integer", "string"], "minimum": least, "pattern": r"\S"}
    if kind == "float":
        return {"type": ["number", "string"], "pattern": r"\S"}
    if kind == "bool":
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"\S"}]}
    return _SCALAR


def _role() -> Schema:
    """The role of a column."""
    counts, heads = _any(COUNTS), f"(?:{WITH_HEADS})?"
    return {
        "description": "What a column is: a role, a name that expressions use, the parts of a cell, or a claim.",
        "anyOf": [
            *({"const": role, "description": sentence} for role, sentence in ROLE_SENTENCES.items()),
            {
                "enum": [f"={metric}" for metric in CLAIM_METRICS],
                "description": "The cell is a printed figure that is held against the computed one.",
            },
            {
                "enum": [f"={metric}" for metric in USUAL],
                "description": "The cell is a result that is reported and not computed.",
            },
            _text("The latency that is reported on a device.", rf"^\s*=\s*{ON_DEVICE}\S", [f"={ON_DEVICE}Pixel 1"]),
            _text(
                "A claim: a figure, with its unit where the heading has one.",
                rf"^\s*=\s*(?:(?:{counts}){heads}(?:\s+(?:{_any(SCALES)}))?|{_any(SIZES)})\s*$",
                ["=macs G", f"=params{WITH_HEADS}"],
            ),
            _text(
                "A claim: a size, with the printed order of its axes.",
                rf"^\s*=\s*(?:{_any(SIZES)})\s*[^{{}}]*(?:\{{[cdhw]\}}[^{{}}]*)+$",
                ["=shape {h}×{w}×{c}"],
            ),
            _text("The parts of the cell, by name.", rf"^(?!\s*=){_pattern('+')[1:]}", ["{k}×{k}/{s}"]),
            _name_role(),
        ],
    }


def _name_role() -> Schema:
    words = _any([*_WORDS, *(role for role in ROLE_SENTENCES if role != "-")])
    pattern = rf"^\s*(?!(?:{words})\s*$){_NAME}\s*$"
    return _text("A name by which expressions use the cell.", pattern, ["channels"])


# --- the shipped copies -------------------------------------------------------------------------------------------

SCHEMAS: dict[str, Callable[[], Schema]] = {
    "spec": spec_schema,
    "report": lambda: document("archcalc summary", SummaryDocument),
    "list": lambda: document("archcalc list", ListDocument),
    "run": lambda: document(TITLE, MeasureDocument),
    "check": lambda: document("archcalc check", CheckDocument),
    "compare": lambda: document("archcalc compare", CompareDocument | DiffDocument | JudgedDocument),
    "doctor": lambda: document("archcalc doctor", DoctorDocument),
    "explain": lambda: document("archcalc explain", ExplainDocument),
    "fit": lambda: document("archcalc fit", FitDocument),
    "paper": lambda: document("archcalc paper", PaperDocument),
    "scale": lambda: document("archcalc scale", ScaleDocument),
    "verify": lambda: document("archcalc verify", VerifyDocument),
}


def shipped() -> dict[Path, str]:
    """The files of `schemas/` and what should stand in them."""
    from json import dumps

    return {
        FOLDER / f"{name}.schema.json": dumps(make(), ensure_ascii=False, indent=2) + "\n"
        for name, make in SCHEMAS.items()
    }


if __name__ == "__main__":
    print(f"# yaml-language-server: $schema={(FOLDER / 'spec.schema.json').as_uri()}")
