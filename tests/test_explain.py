"""Explanations: what is written out is evaluated again, for every node of every model, and must be what is counted."""

from __future__ import annotations

import ast
import csv
import io
import json
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from archcalc.analysis.arithmetic import Arithmetic, Count, Term, arithmetic, terms
from archcalc.analysis.counts import analyse
from archcalc.analysis.explain import Explained, NodeFacts
from archcalc.analysis.find import Target, find
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.language.zoo import spec_files
from archcalc.models import Model, load
from archcalc.ops import ARGUMENTS, OPS, Op, Shape, Tokens
from archcalc.ops.shapes import numel
from archcalc.schemas import generate as schema
from archcalc.show.explain import page
from archcalc.show.layout import width_of
from archcalc.show.writers import write
from archcalc.tasks.check import build_spec, check_spec
from archcalc.tasks.explain import (
    explain,
    explain_judgement,
    explain_network,
    explain_op,
    explain_spans,
    source,
)
from tests.graphs import Build, call, single

SPECS = {path.stem: path for path in spec_files()}
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


# --- the evaluator ------------------------------------------------------------------------------------------------


SIGNS = str.maketrans({"⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "·": "*", "−": "-", "′": "_prime"})


def value_of(text: str, letters: Mapping[str, int] | None = None) -> Fraction:
    """What arithmetic as archcalc writes it comes to: sums, products, quotients, ⌊…⌋, ⌈…⌉, |…|, letters by name."""
    names = {name.replace("′", "_prime").translate(SUBSCRIPTS): value for name, value in (letters or {}).items()}
    return evaluate(parsed(text), names)


@cache
def parsed(text: str) -> ast.expr:
    """Arithmetic as Python reads it."""
    text = re.sub(r"10([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda match: f"(10**{match[1].translate(SUPERSCRIPTS)})", text)
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\|([^|]*)\|", r"absolute(\1)", text)
    return ast.parse(text.translate(SIGNS).translate(SUBSCRIPTS).strip(), mode="eval").body


def evaluate(node: ast.expr, names: Mapping[str, int]) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.Name(id=name):
            return Fraction(names[name])
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -evaluate(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = evaluate(left, names), evaluate(right, names)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
                case ast.Pow():
                    return Fraction(a**b)
        case ast.Call(func=ast.Name(id="floor"), args=[inner]):
            return Fraction(math.floor(evaluate(inner, names)))
        case ast.Call(func=ast.Name(id="ceil"), args=[inner]):
            return Fraction(math.ceil(evaluate(inner, names)))
        case ast.Call(func=ast.Name(id="absolute"), args=[inner]):
            return abs(evaluate(inner, names))
    raise ValueError(ast.dump(node))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64·3·7·7 + 64", 9472),
        ("⌈(32 − 3)/2⌉ + 1", 16),
        ("⌊(224 + 3 + 3 − 7)/2⌋ + 1", 112),
        ("256·(96/2)·5·5", 307_200),
        ("|9,472 − 2.7·1,024|", Fraction("6707.2")),
        ("3.8·10⁹", 3_800_000_000),
    ],
)
def test_the_evaluator_reads_what_is_written(text: str, value: Fraction) -> None:
    assert value_of(text) == value


def test_the_evaluator_reads_letters() -> None:
    assert value_of("out·H′·C₁ − ⌊k/2⌋", {"out": 8, "H′": 4, "C₁": 3, "k": 5}) == 94


# --- terms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (Term(3) * Term(4) + Term(5), "3·4 + 5"),
        ((Term(3) + Term(4)) * Term(5), "(3 + 4)·5"),
        (Term(3) * Term(1), "3"),
        (0 + Term(3), "3"),
        (Term(7) - 1 + 1, "7"),
        (Term(9) + (Term(7) - 1), "9 + 7 − 1"),
        (Term(9) - (Term(7) - 1), "9 − (7 − 1)"),
        (Term(9) // 2, "⌊9/2⌋"),
        (Term(8) // 2, "8/2"),
        (Term(5) * (Term(8) // 2), "5·(8/2)"),
        (Term(8) // Term(1), "8"),
        (Term(8) // 1 + 1, "8/1 + 1"),
        (-(Term(3) + 1), "−(3 + 1)"),
        (-(-Term(9) // 2), "⌈9/2⌉"),
        (-(-Term(8) // 2), "8/2"),
        (-(-(Term(9) + 2) // 2), "⌈(9 + 2)/2⌉"),
        (Term(0) * Term(3), "0"),
        (Term(8, "n", symbolic=True) // Term(2, "s", symbolic=True), "⌊n/s⌋"),
        (Term(8, "n", symbolic=True) // 1, "n"),
        (Term(8, "C", symbolic=True) // Term(8, "C", symbolic=True), "1"),
    ],
    ids=str,
)
def test_a_term_is_its_value_and_remembers_how_it_came_about(term: Term, text: str) -> None:
    assert term.text == text
    letters = {"n": 8, "s": 2, "C": 8}
    assert value_of(term.text, letters) == term


# --- every node of every model ------------------------------------------------------------------------------------


@cache
def written(op: Op, x: tuple[Shape, ...], y: Shape) -> Arithmetic:
    """The arithmetic of a node; each of its texts is evaluated here."""
    found = arithmetic(op, x, y)
    for count in counts_of(found):
        agree(count, found.letters, f"{op!r} of {x}")
    return found


def counts_of(found: Arithmetic) -> list[Count]:
    return [*found.shape, *found.params, found.total, found.macs, *found.elementwise]


def agree(count: Count, letters: Mapping[str, int], about: str) -> None:
    if count.text:
        assert value_of(count.text) == count.value, f"{about}: {count}"
    if count.rule:
        assert value_of(count.rule, letters) == count.value, f"{about}: {count} {letters}"


@cache
def networks(family: str) -> dict[str, Explained]:
    return {name: Explained(report) for name, report in build_spec(SPECS[family]).reports.items()}


@pytest.mark.parametrize("family", SPECS)
def test_the_arithmetic_of_every_node_comes_to_what_is_counted(family: str) -> None:
    for name, network in networks(family).items():
        graph = network.graph
        for index, layer in enumerate(network.report.layers):
            node, facts = layer.node, layer.cost
            found = written(node.op, tuple(graph.shape(value) for value in node.inputs), node.shape)
            about = f"{name} {node.path}"
            assert tuple(count.value for count in found.shape) == tuple(node.shape), about
            own = found.params if node.shares is None else ()  # shared ones are counted where they belong
            assert sum(count.value for count in own if count.kind != "stat") == layer.params, about
            assert not own or found.total.value == layer.params, about
            kinds = dict.fromkeys(("weight", "bias", "norm", "stat"), 0)
            for count in own:
                kinds[count.kind] += count.value
            assert tuple(kinds.values()) == (layer.weights, layer.biases, layer.norm_params, layer.norm_stats), about
            assert found.macs.value == layer.macs, about
            assert {count.name: count.value for count in found.elementwise} == facts.elementwise, about
            activation = network.activation(index)
            assert activation.value == layer.activation_bytes, about
            agree(activation, {}, about)


@pytest.mark.parametrize("family", SPECS)
def test_where_an_output_stands_follows_what_was_counted(family: str) -> None:
    network = next(iter(networks(family).values()))
    says = {"new": "new memory", "view": "a view of ", "inplace": "in place: overwrites ", "own": "what the op "}
    for index, layer in enumerate(network.report.layers):
        facts = network.node(index)
        assert facts.because.startswith(says[facts.storage])
        assert (facts.storage == "new") is bool(layer.activation_bytes)
        assert (facts.storage == "inplace") is network.storage.in_place[index]
        assert facts.node is layer.node
        assert facts.row is not None
        assert facts.row.start <= index < facts.row.stop


@pytest.mark.parametrize("family", SPECS)
def test_rows_and_blocks_are_the_sums_of_their_parts(family: str) -> None:
    network = max(networks(family).values(), key=lambda network: len(network.graph.nodes))
    report = network.report
    for span in network.graph.spans:
        if span.start == span.stop:
            continue
        facts = explain_spans(network, (span,), ())
        counted = report.subtotal(span)
        parts = [index for part in facts.parts for index in range(part.start, part.stop)]
        assert parts == list(range(span.start, span.stop)), span.path
        wanted = (counted.params, counted.macs, counted.activation_bytes)
        for found, whole in zip(facts.sums, wanted, strict=True):
            assert found.value == whole, span.path
            assert value_of(found.text or "0") == whole, span.path
            for addend in found.added:
                spelled = network.spelled(found, addend)
                assert not spelled or value_of(spelled) == addend.value, f"{span.path} {addend}"


@pytest.mark.parametrize("family", SPECS)
def test_a_network_is_the_sum_of_its_rows_and_its_peak_is_what_is_held_then(family: str) -> None:
    for name, network in networks(family).items():
        facts, totals = explain_network(network, ()), network.report.totals
        for found, whole in zip(facts.sums, (totals.params, totals.macs, totals.activation_bytes), strict=True):
            assert found.value == value_of(found.text or "0") == whole, name
        assert sum(addend.value for addend in facts.depth) == totals.weight_layers, name
        assert sum(value.bytes for value in facts.alive) == totals.peak_memory_bytes, name


@pytest.mark.parametrize("family", SPECS)
def test_the_arithmetic_of_every_verdict_holds(family: str) -> None:
    judged = [judgement for found in check_spec(SPECS[family]).judged.values() for judgement in found]
    for judgement in judged:
        text = explain_judgement(judgement).arithmetic
        sides = re.split(r" ([=≠≤<>]) ", text)
        if isinstance(judgement.computed, tuple):
            assert sides[0] == "×".join(map(str, judgement.computed))
            continue
        values = [value_of(side) for side in sides[::2]]
        for left, sign, right in zip(values, sides[1::2], values[1:], strict=False):
            holds = {"=": left == right, "≠": left != right, "≤": left <= right, "<": left < right, ">": left > right}
            assert holds[sign], f"{judgement.claim.printed.where}: {text}"
        # A verdict that holds is no statement that something does not.
        assert judgement.holds is not bool({"≠", ">"} & set(sides)), text
        assert f"{judgement.computed:,}" in text


# --- one by one ---------------------------------------------------------------------------------------------------


@cache
def googlenet() -> tuple[Model, Explained]:
    model = load("googlenet")
    return model, Explained(model.report())


def node(path: str) -> NodeFacts:
    network = googlenet()[1]
    found = find(network.graph, path).node
    assert found is not None
    return network.node(found)


def test_a_convolution_is_written_out() -> None:
    facts = node("convolution.1/cv/conv")
    counts = facts.counts
    assert [(count.name, count.text or str(count.value)) for count in counts.shape] == [
        ("C", "64"),
        ("H", "⌊(224 + 3 + 3 − 7)/2⌋ + 1"),
        ("W", "⌊(224 + 3 + 3 − 7)/2⌋ + 1"),
    ]
    assert counts.total.equation == "64·3·7·7 + 64 = 9,472"
    assert [count.equation for count in counts.params] == ["64·3·7·7 = 9,408", "64"]
    assert counts.macs.equation == "64·112·112·3·7·7 = 118,013,952"
    assert counts.macs.rule == "out·H′·W′·C·k·k"
    assert [(count.name, count.equation) for count in counts.elementwise] == [("bias", "64·112·112 = 802,816")]
    assert facts.activation.equation == "64·112·112·4 = 3,211,264"
    assert (facts.inputs[0].name, facts.inputs[0].shape) == ("the input", (3, 224, 224))
    assert facts.until == "held until max pool.1/maxpool has run"


def test_where_and_why_an_output_stands_is_said() -> None:
    assert node("convolution.1/cv/relu").because == (
        "in place: overwrites convolution.1/cv/conv, which nothing reads later"
    )
    b = Build((4, 8, 8))
    wide = b("conv", -1, out=4, kernel=3)
    relu = b("relu", wide)
    added = b("add", wide, relu)
    flat = b("flatten", added)
    last = b("relu", b("linear", flat, out=3))
    b("relu", -1)
    network = Explained(analyse(b.finish(last)))
    reasons = [network.node(index).because for index in range(len(network.graph.nodes))]
    assert reasons[1] == "new memory: add reads conv later"
    assert reasons[3] == "a view of add: nothing is copied"
    assert reasons[5].startswith("in place: overwrites linear")
    assert reasons[6] == "new memory: the network's input is never overwritten"
    assert network.node(5).until == "held to the end: an output of the network"
    assert network.node(6).until == "read by nothing"


def test_an_output_of_the_network_is_not_overwritten() -> None:
    b = Build((4, 8, 8))
    conv = b("conv", -1, out=4, kernel=3)
    relu = b("relu", conv)
    network = Explained(analyse(b.finish(conv, relu)))
    assert network.node(1).because == "new memory: conv is an output of the network"


def test_grouped_and_depthwise_convolutions_divide() -> None:
    grouped = arithmetic(call("conv", out=256, kernel=5, groups=2), ((96, 27, 27),), (256, 27, 27))
    assert (grouped.total.text, grouped.total.rule) == ("256·(96/2)·5·5 + 256", "out·⌊C/g⌋·k·k + out")
    deep = arithmetic(call("dwconv", kernel=3, bias=False), ((96, 56, 56),), (96, 56, 56))
    assert (deep.macs.text, deep.macs.rule) == ("96·56·56·3·3", "C·H′·W′·k·k")


def test_what_nobody_would_read_is_left_out() -> None:
    found = arithmetic(call("adaptive_avgpool", size=40), ((64, 50, 50),), (64, 40, 40))
    assert all(len(count.text) <= 160 and len(count.rule) <= 90 for count in counts_of(found))
    assert found.elementwise[0].value == 64 * (50 + 30) ** 2


def test_terms_keep_what_a_shape_is() -> None:
    assert isinstance(terms(Tokens((3, 4))), Tokens)
    assert numel(terms((3, 4))) == 12


def test_several_rows_of_one_label_are_explained_together() -> None:
    model = load("resnet50")
    network = Explained(model.report())
    found = find(network.graph, "conv2_x").spans
    facts = explain_spans(network, found, model.claims)
    assert (facts.kind, facts.name, [part.name for part in facts.parts]) == (
        "rows",
        "conv2_x",
        ["conv2_x.1", "conv2_x.2"],
    )
    assert facts.outputs == ((256, 56, 56),)
    assert {found.judgement.claim.row for found in facts.judged} == {"conv2_x.1", "conv2_x.2"}


def test_parts_alike_are_counted_together() -> None:
    network = Explained(load("resnet50").report())
    found = find(network.graph, "conv4_x").spans
    facts = explain_spans(network, found, ())
    assert [(addend.called, addend.text) for addend in facts.sums[0].added] == [
        ("bottleneck.1", "1,512,448"),
        ("bottleneck.2–6", "5·1,117,184"),
    ]


def test_a_row_brings_its_printed_figures() -> None:
    model, network = googlenet()
    found = find(network.graph, "convolution.1").spans
    facts = explain_spans(network, found, model.claims)
    assert [judged.arithmetic for judged in facts.judged] == [
        "112×112×64 = 112×112×64",
        "1 = 1",
        "|9,472 − 2.7·1,024| = 6,707.2 > 51.2",
        "|118,013,952 − 34·10⁶| = 84,013,952 > 500,000",
    ]


# --- finding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name", "found"),
    [
        ("googlenet", "convolution.1/cv/conv", "convolution.1/cv/conv"),
        ("googlenet", "convolution.1", "convolution.1"),
        ("googlenet", "inception (3a)", "inception (3a)"),
        ("googlenet", "inception(3a)", "inception (3a)"),
        ("googlenet", "3a", "inception (3a)"),
        ("googlenet", "INCEPTION (3A)", "inception (3a)"),
        ("googlenet", "inception (3a)/inception/cv.1", "inception (3a)/inception/cv.1"),
        ("googlenet", "(3a)/inception/concat", "inception (3a)/inception/concat"),
        ("googlenet", "aux (4a)", "aux (4a)"),
        ("resnet50", "conv2_x.2", "conv2_x.2"),
        ("resnet50", "conv5_x/bottleneck.1/shortcut/bn", "conv5_x/bottleneck.1/shortcut/bn"),
        ("vgg16", "FC-1000", "FC-1000"),
        ("vgg16", "FC-1000/linear", "FC-1000/linear"),
    ],
)
def test_a_layer_is_found_by_its_name_or_by_a_part_of_it(model: str, name: str, found: str) -> None:
    graph = load(model).graph
    target = find(graph, name)
    assert named(graph, target) == found


def named(graph: Graph, target: Target) -> str:
    if target.node is not None:
        return graph.nodes[target.node].path
    span = target.spans[0]
    return span.path if span.depth else span.name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bottleneck", "could be 20 parts of this network: name one\n  conv2_x/bottleneck.1\n"),
        ("conv", "could be 6 parts"),
        ("conv6_x", "Did you mean `conv"),
        ("conv4_x/bottleneck.7", "Did you mean `conv4_x/bottleneck."),
        ("???", "archcalc summary"),
        ("", "no row, block or op of this network is called ``"),
    ],
)
def test_a_name_that_is_none_or_several_offers_what_there_is(name: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        find(load("resnet50").graph, name)
    assert says in raised.value.render()


def test_lines_of_a_list_that_are_alike_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "alike.yaml"
    path.write_text("input: 4 × 8 × 8\nlayers:\n  - conv(4, 3)\n  - bn\n  - conv(4, 3)\n", encoding="utf-8")
    graph = load(str(path)).graph
    with pytest.raises(UsageError) as raised:
        find(graph, "conv(4, 3)")
    assert raised.value.render() == ("error: 2 rows are called `conv(4, 3)`: name one\n  conv(4, 3).1\n  conv(4, 3).2")
    second = find(graph, "conv(4, 3).2").spans
    assert [(span.start, span.stop) for span in second] == [(2, 3)]
    with pytest.raises(UsageError):
        find(graph, "conv(4, 3).3")


def test_a_numbered_row_of_several_nodes_goes_before_an_op_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    merges = "  - concat:\n      - conv(4, 3)\n      - conv(4, 1)\n" * 2
    path.write_text(f"input: 2 × 8 × 8\nlayers:\n{merges}", encoding="utf-8")
    graph = load(path).graph
    assert [span.stop - span.start for span in find(graph, "concat.1").spans] == [3]
    assert [span.stop - span.start for span in find(graph, "concat.2").spans] == [3]


# --- ops ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", OPS)
def test_every_op_has_an_example_whose_arithmetic_is_right(word: str) -> None:
    facts = explain_op(word)
    for count in counts_of(facts.counts):
        agree(count, facts.counts.letters, word)
    assert facts.doc
    assert re.fullmatch(r"archcalc/ops/\w+\.py:\d+", facts.where)
    assert facts.signature.startswith(word)
    assert all(argument.name in facts.signature for argument in ARGUMENTS[word])
    graph = single(facts.example, *facts.inputs)
    assert graph.nodes[0].shape == facts.output
    assert Explained(analyse(graph)).node(0).counts == facts.counts


def test_the_formulas_of_an_op_are_what_its_rules_say() -> None:
    counts = explain_op("conv").counts
    assert counts.total.rule == "out·C·k·k + out"
    assert counts.shape[1].rule == "⌊(H + ⌊(k − 1)/2⌋ + ⌊(k − 1)/2⌋ − k)/s⌋ + 1"
    assert explain_op("attention").counts.macs.rule == "T·D·D + T·D·(D + D) + T·D·D + T·T·(D + D)"
    assert explain_op("lstm").counts.total.rule == "4·width·D + 4·width·width + 4·width"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("conv", ["class Conv(_Convolution):", "def window("]),
        ("gmp", ["class GlobalMaxPool(", "class GlobalAvgPool("]),
        ("add", ["class Add(", "def _broadcast("]),
        ("relu", ["class Relu(", "class _Activation("]),
    ],
)
def test_the_source_is_the_class_with_all_that_its_rules_call(word: str, says: list[str]) -> None:
    code = source(word)
    assert all(piece in code for piece in says)
    assert "class Op:" not in code
    compile(code, word, "exec")


def test_a_word_that_is_no_op_offers_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        explain_op("covn")
    assert "Did you mean `conv`?" in raised.value.render()


# --- as shown -----------------------------------------------------------------------------------------------------

SHOWN = [
    ("googlenet", "convolution.1"),
    ("googlenet", "convolution.1/cv/conv"),
    ("googlenet", "inception (5a)"),
    ("googlenet", "aux (4a)"),
    ("googlenet", ""),
    ("resnet50", "conv2_x"),
    ("resnet50", "conv5_x"),
    ("resnet50", "conv5_x/bottleneck.1"),
    ("resnet50", "conv5_x/bottleneck.1/add"),
    ("resnet50", ""),
    ("densenet121", ""),
    ("efficientnet-b0", ""),
    ("vit-b-16", "encoder.3"),
    ("vit-b-16", "encoder.3/attention"),
    ("vit-b-16", ""),
]


def shown(model: str, layer: str, output_format: str = "text", width: int | None = None, color: bool = False) -> str:
    return write(page(explain(model, layer)), output_format, width, color)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(("model", "layer"), SHOWN)
def test_an_explanation_fits_its_terminal_and_loses_no_number(model: str, layer: str, width: int) -> None:
    text = shown(model, layer, width=width)
    assert max(map(width_of, text.split("\n"))) <= width
    assert text == "\n".join(line.rstrip() for line in text.split("\n"))
    numbers = re.findall(r"\d[\d,]{4,}", shown(model, layer, width=400))
    assert set(numbers) <= set(re.findall(r"\d[\d,]{4,}", text)) | {"256,3", "512,3"}


@pytest.mark.parametrize(("model", "layer"), SHOWN)
def test_an_explanation_says_the_same_in_json(model: str, layer: str) -> None:
    found = json.loads(shown(model, layer, "json"))
    assert found["schema"] == 1
    assert found["model"] == model
    text = shown(model, layer)
    assert found["kind"] in ("op", "row", "rows", "block", "model")
    if found["kind"] == "op":
        assert f"{found['macs']['value']:,}" in text
        assert found["activation_bytes"]["because"] in " ".join(text.split())
    else:
        for key in ("params", "macs", "activation_bytes"):
            assert f"{found['sums'][key]['value']:,}" in text
        assert len(found["claims"]) == sum(line.startswith(("✓ ", "✗ ")) for line in text.split("\n"))


def test_the_text_of_a_row_is_what_a_reader_wants_to_know() -> None:
    text = shown("googlenet", "convolution.1")
    assert "\n  conv      64·3·7·7 + 64 = 9,472\n" in text
    assert "\n  conv      64·112·112·3·7·7 = 118,013,952\n" in text
    assert re.search(
        r"^✗ params +2\.7K +contradicts \(K = 1024\): \|9,472 − 2\.7·1,024\| = 6,707\.2 > 51\.2 ¹$", text, re.M
    )
    assert re.search(r"^✓ depth +1 +exact$", text, re.M)
    assert "¹ known erratum: Printed 2.7K and 34M" in text
    assert "——▶ specs/googlenet.yaml:" in text


def test_the_text_of_an_op_of_a_network_says_formula_arithmetic_and_number() -> None:
    text = shown("googlenet", "convolution.1/cv/conv", width=100)
    assert "MACs        out·H′·W′·C·k·k = 64·112·112·3·7·7 = 118,013,952\n" in text
    assert "            out = 64, k = 7, s = 2\n" in text
    relu = shown("googlenet", "convolution.1/cv/relu", width=100)
    assert "MACs        0: there is no matrix product in `relu`\n" in relu
    concat = shown("googlenet", "inception (3a)/inception/concat", width=100)
    assert "C′        C₁ + C₂ + C₃ + C₄ = 64 + 128 + 32 + 32 = 256\n" in concat
    assert "other ops   none: a copy\n" in concat


def test_running_statistics_are_said_to_be_apart() -> None:
    text = shown("resnet50", "conv1/bn")
    assert "params      64 + 64 = 128\n" in text
    assert "running_mean  C = 64, a running statistic: counted apart\n" in text


def test_the_peak_is_told_tensor_by_tensor() -> None:
    text = shown("vgg16", "")
    assert "peak        25.1 MiB while conv3-64.2/conv runs\n" in text
    assert re.search(r"together +26,292,224 bytes$", text, re.M)
    assert "= conv3-64.1–2 2·1 + " in text


def test_color_changes_no_word() -> None:
    plain = shown("googlenet", "convolution.1", width=100)
    color = shown("googlenet", "convolution.1", width=100, color=True)
    assert "\033[" not in plain
    assert re.sub(r"\033\[[0-9;]*m", "", color) == plain


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
@pytest.mark.parametrize(("model", "layer"), SHOWN)
def test_every_form_has_the_numbers_and_the_errata(model: str, layer: str, form: str) -> None:
    text = shown(model, layer, width=400)
    numbers = set(re.findall(r"\d[\d,]{4,}", text.partition("│")[0] + text.rpartition("│")[2]))
    found = shown(model, layer, form)
    assert not {number for number in numbers if number not in found}
    assert ("known erratum" in found) == ("known erratum" in text)


@pytest.mark.parametrize(("model", "layer"), SHOWN)
def test_the_csv_has_a_sum_for_each_part(model: str, layer: str) -> None:
    found = json.loads(shown(model, layer, "json"))
    lines = list(csv.DictReader(io.StringIO(shown(model, layer, "csv"))))
    values = {(line["quantity"], line["part"]): int(line["value"]) for line in lines}
    assert len(values) == len(lines)
    for key, part in found.get("sums", {}).items():
        assert values[key, ""] == part["value"] == sum(values[key, addend["name"]] for addend in part["parts"])
    letters = {"macs": values.get(("macs", ""), 0)}
    for line in lines:
        assert not line["arithmetic"] or value_of(line["arithmetic"], letters) == int(line["value"]), line


@pytest.mark.parametrize(("model", "layer"), SHOWN)
def test_the_json_is_as_its_schema_says(model: str, layer: str) -> None:
    validator = Draft202012Validator(schema.SCHEMAS["explain"]())
    found = json.loads(shown(model, layer, "json"))
    assert not list(validator.iter_errors(found))
    assert not any(validator.is_valid({k: v for k, v in found.items() if k != key}) for key in found)


@pytest.mark.parametrize("word", OPS)
def test_the_json_of_an_op_is_as_its_schema_says(word: str) -> None:
    assert Draft202012Validator(schema.SCHEMAS["explain"]()).is_valid(json.loads(write(page(explain(word)), "json")))
