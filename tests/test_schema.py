"""The JSON Schemas: they hold what is valid, refuse what the reader refuses, and describe every key that is written."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from array import array
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, reduce
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonschema import Draft202012Validator

import archcalc
from archcalc.analysis.regimes import pgd
from archcalc.commands import COMMANDS, command
from archcalc.documents import SCHEMA
from archcalc.errors import ArchcalcError, SpecError
from archcalc.language.columns import CLAIM_METRICS
from archcalc.language.family import KEYS, OVERLAY
from archcalc.language.lines import MERGES
from archcalc.language.zoo import spec_files
from archcalc.measurement.latency import Measurement
from archcalc.models import Summary
from archcalc.ops import ARGUMENTS, KINDS, OPS
from archcalc.ops import base as ops_base
from archcalc.schemas import generate as schema
from archcalc.show import list as listing
from archcalc.show.writers import write
from archcalc.tasks.check import check_spec
from archcalc.tasks.list import list_models
from archcalc.tasks.summary import Pick
from tests.goldens import GOLDENS, Golden, path_of
from tests.test_docs import EXAMPLES
from tests.test_render import written

ROOT = Path(__file__).resolve().parent.parent
VALID = sorted((ROOT / "tests" / "data" / "valid").rglob("*.yaml"))
MODELS = (
    "vgg16",
    "googlenet",
    "resnet50",
    "unet",
    "resnet50-v1.5",
    "efficientnet-b0",
    "vit-b-16",
    "inception-module:naive",
    "resnet18-cbam",
)


def as_an_editor_reads(text: str) -> Any:
    """A spec with the types that YAML gives; keys are text to an editor whatever they look like."""

    def keyed(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {str(key): keyed(value) for key, value in tree.items()}
        return [keyed(item) for item in tree] if isinstance(tree, list) else tree

    return keyed(yaml.safe_load(text))


def strict(tree: Any) -> Any:
    """The schema without room for keys that it does not name."""
    if isinstance(tree, list):
        return [strict(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    found = {key: strict(value) for key, value in tree.items()}
    return {"additionalProperties": False, **found} if isinstance(found.get("properties"), dict) else found


SPEC = Draft202012Validator(schema.spec_schema())
REPORT = Draft202012Validator(strict(schema.SCHEMAS["report"]()))
LIST = Draft202012Validator(schema.SCHEMAS["list"]())


def wrong(validator: Draft202012Validator, instance: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(instance)]


# --- the schemas themselves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", schema.SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    made = schema.SCHEMAS[name]()
    Draft202012Validator.check_schema(made)
    assert made == schema.SCHEMAS[name]()


def test_the_shipped_schemas_are_those_of_the_code() -> None:
    for path, text in schema.shipped().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run `make docs`"
    assert {path.name for path in schema.FOLDER.glob("*.json")} == {path.name for path in schema.shipped()}


def _properties(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for name, value in tree.get("properties", {}).items() if "type" in tree else ():
            yield f"{path}/{name}", value
        for key, value in tree.items():
            if key != "if":  # a condition, which editors do not show
                yield from _properties(value, f"{path}/{key}")
    elif isinstance(tree, list):
        for item in tree:
            yield from _properties(item, path)


@pytest.mark.parametrize("name", schema.SCHEMAS)
def test_every_key_is_said_in_a_sentence(name: str) -> None:
    """A new key, argument or count has one to be written where it is declared."""
    made = schema.SCHEMAS[name]()
    silent = []
    for path, value in _properties(made):
        target = reduce(lambda tree, step: tree[step], value["$ref"].split("/")[1:], made) if "$ref" in value else {}
        said = value.get("description") or target.get("description")
        if not said or not said.endswith((".", "!", "?", ")", "…")):
            silent.append(f"{path}: {said}")
    assert not silent


def test_the_sentences_are_about_what_there_is() -> None:
    assert set(schema.KEY_SENTENCES) == set(KEYS)
    for arguments in ARGUMENTS.values():
        assert all(argument.sentence in schema.argument_sentence(argument) for argument in arguments)


def test_new_words_appear_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    argument = ops_base.Argument("turns", "Count", 1)
    monkeypatch.setitem(OPS, "twist", OPS["relu"])
    monkeypatch.setitem(ARGUMENTS, "twist", (argument,))
    monkeypatch.setitem(KINDS, "twists", "elements twisted")
    monkeypatch.setattr(schema, "KEYS", (*KEYS, "footnotes"))
    monkeypatch.setattr(schema, "OVERLAY", (*OVERLAY, "footnotes"))
    monkeypatch.setattr(schema, "CLAIM_METRICS", (*CLAIM_METRICS, "twists"))
    monkeypatch.setattr(schema, "MERGES", (*MERGES, "braid"))
    made, report = schema.spec_schema(), schema.SCHEMAS["report"]()
    Draft202012Validator.check_schema(made)
    validator = Draft202012Validator(made)
    assert validator.is_valid(
        {
            "input": "3×8×8",
            "layers": [{"braid": ["identity", "relu"]}],
            "defaults": {"twist": {"turns": 2}},
            "columns": {"a": "=twists"},
            "footnotes": 1,
            "models": {"a": {"variant": "b", "footnotes": ["any"]}},
        }
    )
    assert not validator.is_valid({"input": "3×8×8", "layers": "relu", "defaults": {"twist": {"turns": 0}}})
    assert "twist" in report["$defs"]["LayerDocument"]["properties"]["op"]["enum"]
    assert "twists" in report["$defs"]["SummaryTotals"]["properties"]["elementwise"]["properties"]


def test_only_what_editors_know_is_used() -> None:
    """Editors know draft-07 best: no keyword that came later, but the two that every tool takes."""
    later = {
        "prefixItems",
        "unevaluatedProperties",
        "unevaluatedItems",
        "dependentSchemas",
        "dependentRequired",
        "$anchor",
    }
    for make in schema.SCHEMAS.values():
        assert not {word for word in later if f'"{word}"' in json.dumps(make())}


def test_a_command_says_how_an_editor_finds_the_schema() -> None:
    command = [sys.executable, "-m", "archcalc.schemas.generate"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.startswith("# yaml-language-server: $schema=file:///")
    assert said.endswith("/archcalc/schemas/spec.schema.json\n")


# --- specs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", spec_files(), ids=lambda path: path.stem)
def test_a_spec_of_the_zoo_is_valid(path: Path) -> None:
    assert wrong(SPEC, as_an_editor_reads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(("spec", "name", "facts"), EXAMPLES, ids=[name for _, name, _ in EXAMPLES])
def test_an_example_of_the_documentation_is_valid(spec: str, name: str, facts: str) -> None:
    assert wrong(SPEC, as_an_editor_reads(spec)) == []


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_spec_of_the_tests_is_valid(path: Path) -> None:
    assert wrong(SPEC, as_an_editor_reads(path.read_text(encoding="utf-8-sig"))) == []


def test_the_starter_is_valid() -> None:
    from archcalc.language.starter import starter

    assert wrong(SPEC, as_an_editor_reads(starter("mine"))) == []


TYPED = """
name: 50
title: 2015
cite: on
input: 50
variants: [1.0, 18, no]
models: {a: 1.0, b: {variant: 18, given: {k: 16}}}
given: {k: 32, f: 1.5, flag: True, e: k * 2}
defaults: {conv: {bias: False, stride: 2, kernel: 1×7, groups: k}, dropout: {p: 0.2}, lrn: {size: 5.0}}
baseline: 18
layers:
  from: 1
  table: |
    1.0 | 18 | no
    ----|----|---
    a   | 1
notation: {1: identity, 4096: relu}
rows: {1: relu}
errata:
  - {row: 1, figures: 2, note: 3}
  - {variant: [18, 1.0], figures: [1, 2], note: Printed 1.}
"""


def test_what_yaml_types_is_text_to_archcalc() -> None:
    assert wrong(SPEC, as_an_editor_reads(TYPED)) == []


TABLE = '{from: Table 1, table: "figure | A\\nparams | 1"}'
PLAIN = "input: 3×8×8\nlayers: relu\n"
QUOTED = "input: 3×8×8\nlayers:\n  table: |\n    layer | n\n    a     | 1\n"

# What a spec says, and the key at which the schema refuses it.
BROKEN = {
    "an unknown key": (PLAIN + "notations: {a: relu}", "$"),
    "a key in capitals": (PLAIN + "Title: a", "$"),
    "neither layers nor models": ("input: 3×8×8\n", "$"),
    "neither layers nor a family": ("models: {a: b}", "$.models.a"),
    "an overlay without a family": ("models: {a: {variant: b}}", "$.models.a"),
    "no input": ("layers: relu", "$"),
    "an empty value": (PLAIN + "title:", "$.title"),
    "an input of nothing": ("input: {}\nlayers: relu", "$.input"),
    "an input that is a list": ("input: [3, 8, 8]\nlayers: relu", "$.input"),
    "an input named by a word of the language": ("input: {cin: 3×8×8}\nlayers: relu", "$.input"),
    "no variants": (PLAIN + "variants: []", "$.variants"),
    "one variant without brackets": (PLAIN + "variants: A", "$.variants"),
    "variants without a table": (PLAIN + "variants: {from: Table 1}", "$.variants"),
    "a model in capitals": (PLAIN + "variants: [A]\nmodels: {VGG: A}", "$.models"),
    "a model without a variant": (PLAIN + "variants: [A]\nmodels: {a: {given: {k: 1}}}", "$.models.a"),
    "a model with a key that is not laid over": (PLAIN + "models: {a: {variant: b, errata: []}}", "$.models.a"),
    "a name with a hyphen": (PLAIN + "given: {a-b: 1}", "$.given"),
    "a name of the language": (PLAIN + "let: {first: 1}", "$.let"),
    "a list for a number": (PLAIN + "given: {a: [1]}", "$.given.a"),
    "a list of constants": (PLAIN + "given: [a]", "$.given"),
    "defaults of an unknown op": (PLAIN + "defaults: {cnov: {bias: False}}", "$.defaults"),
    "defaults of an unknown argument": (PLAIN + "defaults: {conv: {biases: False}}", "$.defaults.conv"),
    "defaults that are no mapping": (PLAIN + "defaults: {conv: bias}", "$.defaults.conv"),
    "a role of an unknown figure": (QUOTED + "columns: {layer: layer, n: =parms}\nnotation: {a: relu}", "$.columns.n"),
    "a role with an unknown unit": (QUOTED + "columns: {layer: layer, n: =macs Q}", "$.columns.n"),
    "a role with unknown axes": (QUOTED + 'columns: {layer: layer, n: "=shape {y}×{x}"}', "$.columns.n"),
    "a role with a lone brace": (QUOTED + 'columns: {layer: layer, n: "{k×k"}', "$.columns.n"),
    "a role that is no name": (QUOTED + "columns: {layer: layer, n: a b}", "$.columns.n"),
    "variants that are no name": (QUOTED + "columns: {layer: layer, variants: layer}", "$.columns.variants"),
    "an unknown reading": (
        QUOTED + "columns: {layer: layer, n: =params}\nreading: {params: K = 1000}",
        "$.reading.params",
    ),
    "no layer at all": ("input: 3×8×8\nlayers: []", "$.layers"),
    "a number for a layer": ("input: 3×8×8\nlayers: [7]", "$.layers[0]"),
    "a list in a list": ("input: 3×8×8\nlayers: [[relu]]", "$.layers[0]"),
    "a merge of one line": ("input: 3×8×8\nlayers: [{add: relu}]", "$.layers[0].add"),
    "a merge of nothing": ("input: 3×8×8\nlayers: [{add: []}]", "$.layers[0].add"),
    "a name of nothing": ("input: 3×8×8\nlayers: [{sum: []}]", "$.layers[0].sum"),
    "two merges in one": ("input: 3×8×8\nlayers: [{add: [relu, tanh], mul: [relu, tanh]}]", "$.layers[0]"),
    "a value named like a word": ("input: 3×8×8\nlayers: [{identity: tanh}]", "$.layers[0]"),
    "layers with another key": ("input: 3×8×8\nlayers: {from: Table 1, tabel: a}", "$.layers"),
    "a table of one line": ('input: 3×8×8\nlayers: {table: "layer | n"}', "$.layers.table"),
    "a table for a layer line": (QUOTED + "notation:\n  a: |\n    x | y\n    a | b", "$.notation.a"),
    "a notation with a lone brace": (QUOTED + 'notation: {"a{": relu}', "$.notation"),
    "a notation with a hole without a name": (QUOTED + 'notation: {"a{}": relu}', "$.notation"),
    "a head that is a line": (PLAIN + "heads: {aux: relu}", "$.heads.aux"),
    "a head without a row": (PLAIN + "heads: {aux: {layers: relu}}", "$.heads.aux"),
    "a head without layers": (PLAIN + "heads: {aux: {at: relu}}", "$.heads.aux"),
    "a head with another key": (PLAIN + "heads: {aux: {at: relu, layers: relu, weight: 1}}", "$.heads.aux"),
    "a block named like a word": (PLAIN + "blocks: {steps(c): relu}", "$.blocks"),
    "a block named like a repeat": (PLAIN + "blocks: {x3: relu}", "$.blocks"),
    "a block with text behind it": (PLAIN + "blocks: {unit(c) 3: relu}", "$.blocks"),
    "a reported table without its source": (PLAIN + 'reported: [{table: "figure | A\\nparams | 1"}]', "$.reported[0]"),
    "a reported table of something else": (
        PLAIN + f"reported: [{TABLE.replace('figure', 'what')}]",
        "$.reported[0].table",
    ),
    "reported that is no list": (PLAIN + f"reported: {TABLE}", "$.reported"),
    "an erratum without figures": (PLAIN + "errata: [{row: relu, note: Printed 1.}]", "$.errata[0]"),
    "an erratum without a note": (PLAIN + "errata: [{row: relu, figures: params}]", "$.errata[0]"),
    "an erratum with another key": (PLAIN + "errata: [{rows: relu, figures: params, note: Printed 1.}]", "$.errata[0]"),
    "an erratum that is a line": (PLAIN + "errata: [Printed 1.]", "$.errata[0]"),
}


@pytest.mark.parametrize(("spec", "place"), BROKEN.values(), ids=BROKEN)
def test_a_broken_spec_is_refused_where_it_is_broken(spec: str, place: str, tmp_path: Path) -> None:
    places = {error.json_path for error in SPEC.iter_errors(as_an_editor_reads(spec))}
    assert places == {place}
    path = tmp_path / "broken.yaml"
    path.write_text(spec, encoding="utf-8")
    with pytest.raises(SpecError):
        check_spec(path)


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a `|` block, as tables stand in specs."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text.rstrip("\n") else None)


_Dumper.add_representer(str, _represent)
PROBES: tuple[Any, ...] = (
    "x",
    "gap linear(10)",
    "7",
    "-",
    "layer",
    "=params",
    [],
    ["x"],
    ["gap"],
    {},
    {"x": "gap"},
    {"add": ["gap", "gap"]},
)


def _edits(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every part of a tree, with what may stand there instead; None: nothing."""
    if path:
        yield from ((path, probe) for probe in (*PROBES, None))
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield from _edits(tree[key], (*path, key))


def _edited(tree: Any, path: tuple[Any, ...], probe: Any) -> Any:
    found = copy.deepcopy(tree)
    holder = found
    for step in path[:-1]:
        holder = holder[step]
    if probe is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = probe
    return found


@pytest.mark.parametrize(("spec", "name", "facts"), EXAMPLES, ids=[name for _, name, _ in EXAMPLES])
def test_what_the_reader_takes_is_valid(spec: str, name: str, facts: str, tmp_path: Path) -> None:
    """Every part of every example is replaced by something else: the schema refuses nothing that archcalc can build."""
    tree = yaml.load(spec, yaml.BaseLoader)
    path = tmp_path / "edited.yaml"
    refused = 0
    for place, probe in _edits(tree):
        edited = _edited(tree, place, probe)
        if SPEC.is_valid(edited):
            continue
        refused += 1
        path.write_text(yaml.dump(edited, Dumper=_Dumper, allow_unicode=True, sort_keys=False), encoding="utf-8")
        try:
            taken = check_spec(path).ok
        except ArchcalcError:
            continue
        if not taken:
            continue
        pytest.fail(f"archcalc takes {probe!r} at {place}, the schema does not: {wrong(SPEC, edited)}")
    assert refused > 20


# --- what is written ------------------------------------------------------------------------------------------------


@cache
def summary_of(model: str) -> Summary:
    return archcalc.load(model).summary()


def measured(summary: Summary) -> Summary:
    """The summary with a measurement as it could be."""
    main = summary.report.graph.main
    samples = tuple(array("d", [0.5 + layer, 0.75 + layer]) for layer in range(main))
    whole = array("d", [sum(run) for run in zip(*samples, strict=True)])
    run = Measurement("cpu", "A processor", "2.13.0", 2, "float32", 1, whole, samples, compiled_samples=whole)
    return replace(summary, measured=run)


JSON = [
    golden for golden in GOLDENS if "json" in golden.forms and path_of(golden, "json").read_text("utf-8")[0] in "{["
]
# The schema of what a command writes has the command's name, or else this.
NAMED = {"summary": "report", "measure": "run"}


@pytest.mark.parametrize("golden", JSON, ids=[golden.name for golden in JSON])
def test_every_json_output_is_valid_and_described(golden: Golden) -> None:
    """Against the shipped schema, and against one without room for keys that it does not name."""
    name = NAMED.get(golden.command, golden.command)
    shipped = json.loads((schema.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    written, _ = json.JSONDecoder().raw_decode(path_of(golden, "json").read_text(encoding="utf-8"))
    assert wrong(Draft202012Validator(shipped), written) == []
    assert wrong(Draft202012Validator(strict(shipped)), written) == []


def test_every_command_that_writes_json_is_among_them() -> None:
    writing = {name for name in COMMANDS if "output_format" in signature(command(name)).parameters}
    assert {golden.command for golden in JSON} == writing
    assert {NAMED.get(name, name) for name in writing} == set(schema.SCHEMAS) - {"spec"}


@pytest.mark.parametrize("timed", [False, True], ids=["static", "measured"])
@pytest.mark.parametrize("model", MODELS)
def test_a_report_is_valid_and_every_key_of_it_is_described(model: str, timed: bool) -> None:
    summary = measured(summary_of(model)) if timed else summary_of(model)
    document = json.loads(written(summary, form="json"))
    assert wrong(REPORT, document) == []
    assert ("totals_with_heads" in document) == any("head" in layer for layer in document["layers"])


def test_a_report_of_changed_constants_is_valid() -> None:
    document = json.loads(
        written(archcalc.load("resnet50", settings={"classes": 10}).summary(8, "bfloat16"), form="json")
    )
    assert wrong(REPORT, document) == []
    assert document["settings"] == {"classes": "10"}


def test_the_models_show_every_key(tmp_path: Path) -> None:
    """What the schema describes is written: in one of these reports, or in a claim or measurement of them, or of a spec
    whose figure holds under another reading alone."""
    made = schema.SCHEMAS["report"]()
    seen: dict[str, set[str]] = {}

    def note(part: str, found: Any) -> None:
        seen.setdefault(part, set()).update(found)

    for model in MODELS:
        document = json.loads(written(measured(summary_of(model)), form="json"))
        note("", document)
        note("SummaryTotals", document["totals"])
        note("MeasurementDocument", document["measured"])
        for part in ("layer", "row", "claim", "input"):
            for found in document[f"{part}s"]:
                note(f"{part.capitalize()}Document", found)
    note("", json.loads(written(summary_of("vgg16"), form="json", pick=Pick(top=3))))
    note("", json.loads(written(archcalc.load("lenet5@64").summary(), form="json")))
    trained = archcalc.load("resnet110-cifar-stochastic")
    attacked = trained.summary(optimizer="sgd", regime=pgd(trained.report(), 2))
    note("", json.loads(written(attacked, form="json")))
    keras = "reported:\n  - from: Keras\n    table: |\n      figure | net\n      params | 2,099,712\n      error | 7\n"
    (tmp_path / "net.yaml").write_text(f"input: 4096\nlayers:\n  - linear(512) bn\n{keras}", encoding="utf-8")
    claimed = archcalc.load(str(tmp_path / "net.yaml")).summary()
    shown = json.loads(written(claimed, form="json"))
    note("ClaimDocument", shown["claims"][0])
    note("ReportedDocument", shown["reported"][0])
    note("", shown)
    lines = "  - embed(9, 4)\n  - experts(2, 1): linear(4)\n  - copies(2)\n"
    (tmp_path / "many.yaml").write_text(f"input: 4\nlayers:\n{lines}", encoding="utf-8")
    many = json.loads(written(archcalc.load(str(tmp_path / "many.yaml")).summary(), form="json"))
    note("SummaryTotals", many["totals"])
    for part in ("layer", "row"):
        for found in many[f"{part}s"]:
            note(f"{part.capitalize()}Document", found)
    code = json.loads(written(archcalc.capture(torch.nn.ReLU(), torch.ones(1, 4)).summary(), form="json"))
    assert wrong(REPORT, code) == []
    note("", code)
    note("CodeDocument", code["code"])
    note("LayerDocument", code["layers"][0])
    for part, keys in seen.items():
        assert keys == set((made["$defs"][part] if part else made)["properties"]), part
    assert made["properties"]["schema"]["const"] == SCHEMA


BENT: dict[str, tuple[str, Any]] = {
    "a count that is a text": ("totals.params", "138357544"),
    "a negative count": ("totals.macs", -1),
    "an op that is none": ("layers.0.op", "cnov"),
    "a dtype that is none": ("dtype", "int7"),
    "a verdict that is none": ("claims.0.verdict", "fine"),
    "a metric that is none": ("claims.0.metric", "parms"),
    "another version": ("schema", 2),
    "a place without a line": ("rows.0.where", "specs/vgg.yaml"),
    "an empty shape of an axis": ("layers.0.output_shape", [0]),
    "a latency without its spread": ("layers.0.latency_ms", {"median": 1.0}),
}


@pytest.mark.parametrize(("place", "value"), BENT.values(), ids=BENT)
def test_a_bent_report_is_not_valid(place: str, value: Any) -> None:
    document = json.loads(written(summary_of("vgg16"), form="json"))
    steps = [int(step) if step.isdigit() else step for step in place.split(".")]
    assert not REPORT.is_valid(_edited(document, tuple(steps), value))


@pytest.mark.parametrize("key", schema.SCHEMAS["report"]()["required"])
def test_a_report_without_a_key_is_not_valid(key: str) -> None:
    document = json.loads(written(summary_of("vgg16"), form="json"))
    del document[key]
    assert not REPORT.is_valid(document)


def test_a_report_with_more_keys_is_valid() -> None:
    document = json.loads(written(summary_of("vgg16"), form="json"))
    document["more"] = document["layers"][0]["more"] = document["totals"]["more"] = 1
    assert Draft202012Validator(schema.SCHEMAS["report"]()).is_valid(document)


def test_a_list_of_models_is_valid() -> None:
    listed = json.loads(write(listing.page(list_models("vgg")), "json"))
    assert len(listed) >= 6
    assert wrong(LIST, listed) == []
    assert wrong(LIST, [{**listed[0], "more": 1}]) == []
    for name in listed[0]:
        assert wrong(LIST, [{key: value for key, value in listed[0].items() if key != name}])
