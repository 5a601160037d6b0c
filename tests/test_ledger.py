"""The ledger: its data, how figures are computed, the verdicts and the reasons."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from archcalc import errors
from archcalc.analysis.counts import analyse
from archcalc.analysis.readings import READINGS, TERMS, Reading, read_reading
from archcalc.cli import main
from archcalc.errors import Source, SpecError, Text
from archcalc.language.reader import read_file
from archcalc.language.zoo import known_names
from archcalc.networks import Networks
from archcalc.papers import documents
from archcalc.papers.accuracies import known
from archcalc.papers.claims import decide
from archcalc.papers.documents import read_document, read_ledger, read_printed
from archcalc.papers.judge import Ledger, stale
from archcalc.papers.quantity import ask, read_formula, read_quantity
from archcalc.papers.tables import figures, maps
from archcalc.show import paper
from archcalc.show.page import Table
from archcalc.tasks.paper import PaperResult
from archcalc.units import squeeze
from tests.graphs import KINDS


@cache
def ledger() -> Ledger:
    return Ledger(read_ledger())


@cache
def networks() -> Networks:
    return Networks()


def text(value: str) -> Text:
    return Text(value, Source("here", (value,)), 1, 1)


# --- the data -----------------------------------------------------------------------------------------------------


def test_every_documented_figure_is_there_once() -> None:
    kinds = Counter(entry.kind for entry in ledger().entries.values())
    assert kinds == {"computed": 492, "arithmetic": 66, "specification": 90, "symbolic": 50}
    # Typed table by table there were 607; reading line by line found 89 more; one of the 607 was three prints.
    assert sum(kinds.values()) == 607 + 89 + 2
    assert sum("line" in source for entry in ledger().entries.values() for source in entry.sources[:1]) == 89


def test_every_figure_has_a_verdict_and_nearly_all_can_be_computed() -> None:
    findings = [ledger().finding(name) for name in ledger().entries]
    assert all(finding.reason for finding in findings if finding.verdict in ("contradicts", "not computable"))
    missing = [f.entry.id.value for f in findings if f.evidence and f.verdict == "not computable"]
    assert len(missing) <= 20, missing
    assert not [f.entry.id.value for f in findings if f.undeclared]
    assert not stale(findings)


def test_every_erratum_quotes_what_is_printed() -> None:
    for entry in ledger().entries.values():
        for erratum in entry.errata:
            values = entry.value.value if isinstance(entry.value.value, tuple) else (entry.value.value,)
            note = erratum.note.value.replace(",", "").replace(".", "")
            for value in values:
                digits = "".join(c for c in str(value) if c.isdigit()).rstrip("0")
                assert digits in note or entry.kind == "symbolic", entry.id.where


def test_every_figure_says_where_it_is_printed() -> None:
    for entry in ledger().entries.values():
        assert entry.sources
        assert all(" — " in source for source in entry.sources)
        assert entry.system
        assert entry.metric


def numbers(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:\.\d+)?", text.replace(",", "")))


EQUATION = re.compile(r"\d[^=]*(?:=>?|->) ?[^=]*\d")
OF_FORMULAS = "1 1 2 1.0 1.0"  # the 1 of `+ 1`, the 2 of two sides; a network is 1.0 times itself


@pytest.mark.parametrize("name", [n for n, e in ledger().entries.items() if EQUATION.search(e.printed.value)])
def test_every_printed_operand_of_an_equation_is_an_input_of_the_check(name: str) -> None:
    entry = ledger().entries[name]
    if entry.kind == "symbolic":
        return  # held against every instance of its letters
    checked = numbers(" ".join(operand.text.value for operand in entry.operands))
    value = entry.value.value
    checked += numbers(" ".join(map(str, value)) if isinstance(value, tuple) else str(value))
    if entry.formula is not None and entry.kind == "arithmetic":
        checked += numbers(entry.formula.text.value)
    left = numbers(entry.printed.value) - checked
    assert left <= numbers(OF_FORMULAS), left


def test_a_figure_is_one_print() -> None:
    """What several documents print in other words is the same number in all of them."""
    for entry in ledger().entries.values():
        parts = entry.printed.value.replace("five", "5").split(" / ")
        if len(entry.sources) >= len(parts) > 1 and entry.kind == "computed":
            assert len({tuple(numbers(part)) for part in parts}) == 1, entry.id.where


def test_no_value_has_a_unit_that_is_not_printed() -> None:
    """How precisely a figure is printed says the column `precision`."""
    for path in documents.documents_dir().glob("*.yaml"):
        for item in maps(read_file(path, path.name), "tables", ""):
            for cells in figures(item, documents.COLUMNS):
                unit = re.fullmatch(r"[\d.,]+([KMGB])", cells.get("value", cells["printed"]).value)
                assert unit is None or unit[1] in cells["printed"].value, cells["id"].where


WAITING = re.compile(r"^(.+?) (?:is|are) not among the specs", re.M)


def test_no_reason_waits_for_a_spec_that_ships() -> None:
    names = {squeeze(word).lower().replace("-", "") for word in known_names()}
    for entry in ledger().entries.values():
        for name in WAITING.findall(entry.missing):
            assert squeeze(name).lower().replace("-", "") not in names, entry.id.where


def test_a_model_that_is_named_after_a_system_has_its_figures_computed() -> None:
    """What is missing is missing of networks that no spec builds, or is no property of a network."""
    built = {system.key for system in known().systems if system.models} | set(known_names())
    for entry in ledger().entries.values():
        assert not (entry.system in built and "spec" in entry.missing), entry.id.where


# --- figures worked out by hand -----------------------------------------------------------------------------------

HAND: dict[str, tuple[Any, str]] = {
    "conv-7x7-k3-s2": ((3, 3), "exact"),  # (7 − 3) / 2 + 1
    "conv-32x32x3-10f5p2-params": ((5 * 5 * 3 + 1) * 10, "exact"),
    "conv-5x5x3-filter-params": (5 * 5 * 3 + 1, "exact"),
    "conv-samepad-f5": ((5 - 1) // 2, "exact"),
    "attn-illustrated-q": ((2, 2), "contradicts"),  # 2×4 by 4×4 is 2×4
    "vgg-16-conv-layers": (19 - 3, "exact"),
    "densenet-growth-rate": (12, "exact"),
    "googlenet-12x-alexnet": (Fraction(60_965_224, 6_998_552), "contradicts"),
    "densenet-connections": (1 + 3, "contradicts"),  # maps of three layers; 3 · 4 / 2 connections
    "efficientnet-claim-16x": (Fraction(34_699_493_472, 1_827_141_392), "contradicts"),  # PolyNet
    "attention-92-depth": (1 + 3 * 3 + 6 * 4 * 3 + 3 * 3 + 1, "exact"),
    "resnet44-preact-depth": (9 * 7 + 2, "contradicts"),
    "wrn-52-1-conv-layers": (1 + 3 * 8 * 2 + 2, "contradicts"),  # no projection in the first group
    "conv-1x1-64-dot": (64, "exact"),
    "chain-5x5-from-3x3": ((25, 18), "exact"),
    "chain-3x3-separable": ((9, 6), "exact"),
    "stack-ratio-27-49": (Fraction(27, 49), "exact"),
    "rf-three-3x3": ((7, 7), "exact"),
    "dropout-input-dim-imagenet": (256 * 256 * 3, "contradicts"),
    "vgg16-conv3-2-params": (3 * 3 * 256 * 256, "reads as"),
    "vgg16-fc6-params": (7 * 7 * 512 * 4096, "reads as"),
    "vgg16-conv1-1-memory": (224 * 224 * 64, "rounds"),
    "alexnet-neurons-conv1": (55 * 55 * 96, "contradicts"),
    "alexnet-split-55x55x48": ((2, 55, 55, 48), "exact"),
    "googlenet-3a-ops": (
        28 * 28 * (192 * 64 + 192 * 96 + 96 * 9 * 128 + 192 * 16 + 16 * 25 * 32 + 192 * 32), "rounds",
    ),
    "googlenet-linear-params": (1024 * 1000 + 1000, "truncates"),
    "inception-naive-3x3-192-ops": (28 * 28 * 192 * 9 * 256, "exact"),
    "inception-bottleneck-358m": (
        28 * 28 * (64 * 256 * 3 + 128 * 256 + 192 * 9 * 64 + 96 * 25 * 64), "contradicts",
    ),
    "efftable-resnet50-param-ratio": (Fraction(26, 1) / Fraction(53, 10), "rounds"),
    "efficientnet-compound-constraint": (Fraction(12, 10) * Fraction(11, 10) ** 2 * Fraction(115, 100) ** 2, "rounds"),
    "transformer-big-training-flops": (Fraction(35, 10) * 86400 * 8 * Fraction(95, 10) * 10**12, "rounds"),
    "wrn-28-10-depth": (1 + 3 * 4 * 2 + 3, "exact"),  # the first, four blocks a group, and the projections
    "resnet-152-8x-vgg": (Fraction(152, 19), "rounds"),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND)
def test_a_figure_is_computed_as_by_hand(name: str) -> None:
    computed, verdict = HAND[name]
    finding = ledger().finding(name)
    assert finding.computed == computed
    assert finding.verdict == verdict


# --- quantities ---------------------------------------------------------------------------------------------------

QUANTITIES: dict[str, Any] = {
    "params of three-3x3": 3 * 9 * 64 * 64,
    "output_shape of conv-7x7-k3-s2": (1, 3, 3),
    "channels of alexnet at CONV5": 256,
    "height of googlenet at inception (4a)": 14,
    "input_elements of resnet18": 3 * 224 * 224,
    "input_elements of resnet18@256": 3 * 256 * 256,
    "weight_shape of conv-32x32x3-10f5p2": (10, 3, 5, 5),
    "filter_size of conv-1x1-64": (64, 1, 1),
    "conv_layers of vgg16": 13,
    "fc_layers of vgg16": 3,
    "weight_layers of vgg16": 16,
    "convolutions of resnet18": 20,  # 17 on the path, and three projections
    "blocks of vit-b-16": 12,
    "tokens of patch-embedding": 196,
    "neurons of lenet5 at F6": 84,
    "stride of alexnet at CONV1": 4,
    "padding of vgg16 at conv3-64.1": 1,
    "receptive_field of two-3x3": (5, 5),
    "rows of lenet5": 7,
    "macs of resnet-bottleneck at expand": 28 * 28 * 64 * 256,
}


@pytest.mark.parametrize("asked", QUANTITIES)
def test_a_quantity(asked: str) -> None:
    quantity = read_quantity(text(asked))
    assert quantity is not None
    assert ask(networks(), quantity) == QUANTITIES[asked]


FORMULAS: dict[str, Any] = {
    "[params of one-3x3] * 2": 2 * 9 * 64 * 64,
    "[weights of one-7x7] / [weights of three-3x3]": Fraction(49, 27),
    "2, [height of conv-7x7-k3], 1 + 2": (2, 5, 3),
    "3.5 * 86400": 302400,
    "9.5 * 10**12 * 10**10": Fraction(95, 10) * 10**22,
    "1 if [macs of resnet18] < [macs of resnet34] else 0": 1,
}


@pytest.mark.parametrize("written", FORMULAS)
def test_a_formula(written: str) -> None:
    formula = read_formula(text(written))
    operands = {name: ask(networks(), operand) for name, operand in formula.operands.items()}  # type: ignore[arg-type]
    assert formula(operands) == FORMULAS[written]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("parms of vgg16", "`parms` is not a quantity"),
        ("params of vgg61", "no model is called `vgg61`"),
        ("params of vgg16 at conv9", "has no row, block or node `conv9`"),
        ("heads of vgg16", "`vgg16` has no attention here"),
    ],
)
def test_a_wrong_quantity_says_where_and_what(asked: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        ask(networks(), read_quantity(text(asked)))  # type: ignore[arg-type]
    assert caught.value.where == "here:1:1"


def test_an_operand_that_is_neither_quantity_nor_id_is_refused() -> None:
    with pytest.raises(SpecError, match="neither a quantity"):
        read_formula(text("[some words] / 2"))


# --- readings -----------------------------------------------------------------------------------------------------

# A squeeze-and-excitation block: every count by hand at C = 64, r = 16, 56 × 56.
GATED = """\
input: 8 × 4 × 4
layers:
  - conv(8, 3) bn relu
  - mul:
      - identity
      - gap conv(2, 1) relu conv(8, 1) sigmoid
  - add:
      - identity
      - conv(8, 1, bias=False)
  - gap linear(10) softmax
"""
CONVOLUTIONS = 16 * (8 * 9 * 8) + 16 * 8 * 8
DELTAS = {
    "no biases": ("params", -(8 + 2 + 8 + 10)),
    "no norm parameters": ("params", -16),
    "with norm statistics": ("params", 16),
    "no embeddings": ("params", 0),
    "no classifier": ("params", -(8 * 10 + 10)),
    "no classifier's MACs": ("macs", -80),
    "convolutions only": ("macs", -80),
    "additions": ("macs", 8 * 16),
    "scalings": ("macs", 8 * 16),
    "gates twice": ("macs", 8 * 2 + 2 * 8),
    "representation layer": ("params", 8 * 8 + 8 - (8 * 10 + 10)),
    "deconvolutions at every output": ("macs", 0),
    "bias additions": ("macs", 8 * 16 + 2 + 8 + 10),
    "norms": ("macs", 8 * 16),
    "activations": ("macs", 8 * 16 + 2 + 8),
    "pooling": ("macs", 8 * 16 + 8 * 16),
    "multiply and add": ("macs", CONVOLUTIONS + 32 + 80),
    "no gates": ("weight_layers", -2),
}


@pytest.mark.parametrize("name", DELTAS)
def test_a_term_adds_what_it_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / "gated.yaml"
    path.write_text(GATED, encoding="utf-8")
    report = networks().report(str(path))
    metric, delta = DELTAS[name]
    base = report.totals.counts()[metric]
    assert Reading((READINGS[name],)).count(base, metric, report.layers) - base == delta
    for other in ("params", "macs", "weight_layers"):
        if other != metric:
            assert Reading((READINGS[name],)).count(7, other, report.layers) == 7


def test_every_term_is_tested_by_hand() -> None:
    assert {term.name for term in TERMS if term.delta is not None} == set(DELTAS)


# What each term adds to networks of one kind of op, by hand; 0 where nothing is said.
# A recurrent layer has 5 activations, 5 additions and 3 products for each of 5·3 states.
BY_KIND: dict[str, dict[str, int]] = {
    "dwconv": {
        "no biases": -11,
        "no classifier": -15,
        "representation layer": 4 * 4 + 4 - 15,
        "no classifier's MACs": -12,
        "convolutions only": -12,
        "gates twice": 4,
        "bias additions": 144 + 4 + 3,
        "pooling": 144,
        "multiply and add": 1312,
    },
    "deconv": {
        "no biases": -5,
        "no classifier": -9,
        "representation layer": 2 * 2 + 2 - 9,
        "no classifier's MACs": -6,
        "convolutions only": -6,
        "gates twice": 4,
        "deconvolutions at every output": 3 * 1152,
        "bias additions": 288 + 3,
        "pooling": 288,
        "multiply and add": 1162,
    },
    # Without the second convolution the weights are still there, for the first.
    "shared": {
        "no biases": -4,
        "no classifier's MACs": -5184,
        "bias additions": 2 * 144,
        "activations": 144,
        "multiply and add": 10368,
    },
    "attention": {
        "no biases": -32,
        "no classifier": -288,
        "no classifier's MACs": -1680,
        "convolutions only": -1680,
        "scalings": 2 * 5 * 5,
        "bias additions": 4 * 5 * 8,
        "multiply and add": 1680,
    },
    "recurrent": {
        "no biases": -24,
        "convolutions only": -660,
        "additions": 75,
        "scalings": 45,
        "bias additions": 5 * 24,
        "activations": 75,
        "multiply and add": 660,
    },
    "embedding": {
        "no biases": -4,
        "no embeddings": -88,
        "no classifier": -36,
        "representation layer": 8 * 8 + 8 - 36,
        "no classifier's MACs": -160,
        "convolutions only": -160,
        "bias additions": 20,
        "multiply and add": 160,
    },
}


@pytest.mark.parametrize("name", DELTAS)
@pytest.mark.parametrize("kind", BY_KIND)
def test_a_term_forgets_no_kind_of_op(kind: str, name: str) -> None:
    report = analyse(KINDS[kind]())
    metric, _ = DELTAS[name]
    base = report.totals.counts()[metric]
    assert Reading((READINGS[name],)).count(base, metric, report.layers) - base == BY_KIND[kind].get(name, 0)


def test_every_kind_is_counted_by_hand() -> None:
    assert set(BY_KIND) == set(KINDS)


@pytest.mark.parametrize(("model", "macs"), [("mobilenetv1", 567_716_352), ("dcgan-generator", 638_976_000)])
def test_convolutions_only_counts_all_convolutions(model: str, macs: int) -> None:
    """Howard et al., arXiv:1704.04861: all but the last layer's 1,024,000; Radford et al., arXiv:1511.06434: all."""
    report = networks().report(model)
    reading = Reading((READINGS["convolutions only"],))
    assert reading.count(report.totals.macs, "macs", report.layers) == macs


def test_terms_add_up() -> None:
    reading = read_reading(text("no biases,  with norm statistics"))
    report = networks().report("resnet18")
    totals = report.totals
    counted = reading.count(totals.params, "params", report.layers)
    assert counted == totals.params - totals.biases + totals.norm_stats
    assert str(reading) == "no biases, with norm statistics"


@pytest.mark.parametrize("name", ["no bias", "v15 = 1", "input 320", "stride on the 3×3", ""])
def test_a_spec_knows_only_counting_terms(name: str) -> None:
    with pytest.raises(SpecError, match="is not a reading"):
        read_reading(text(name))


def test_a_reading_may_mean_another_network_in_the_ledger() -> None:
    reading = read_reading(text("stride on the 3×3, input 256×256"), other_network=True)
    assert reading.settings == {"v15": 1}
    assert reading.size == (256, 256)


# --- verdicts -----------------------------------------------------------------------------------------------------

half = Fraction(1, 2)
VERDICTS = [
    (7, 7, 0, None, "exact"),
    (8, 7, 0, None, "contradicts"),
    (7.4, 7, half, None, "rounds"),
    (7.5, 7, half, None, "rounds"),
    (6.5, 7, half, None, "rounds"),
    (7.9, 7, half, None, "truncates"),
    (8, 7, half, None, "contradicts"),
    (6.4, 7, half, None, "contradicts"),
    (7.9, 7, half, 7.2, "reads as"),
    (9, 7, half, 7.2, "reads as"),
    (9, 7, half, 7.9, "truncates"),
    (9, 7, 0, 7, "reads as"),
    (9, 7, 0, 8, "contradicts"),
    (7, 7, half, 9, "rounds"),
]


@pytest.mark.parametrize(("base", "printed", "margin", "read", "verdict"), VERDICTS)
def test_the_first_verdict_that_fits(base: Any, printed: int, margin: Any, read: Any, verdict: str) -> None:
    exact = Fraction(str(read)) if read is not None else None
    found = decide(Fraction(str(base)), Fraction(printed), Fraction(margin), exact, Fraction(printed), Fraction(margin))
    assert found == verdict


@pytest.mark.parametrize(
    ("printed", "value", "margin"),
    [
        ("138M", 138_000_000, 500_000),
        ("1.8 x 10^9", 1_800_000_000, 50_000_000),
        ("55×55×96", (55, 55, 96), 0),
        ("[4096]", (4096,), 0),
        ("9, 27, 96", (9, 27, 96), 0),
        ("27/49", Fraction(27, 49), 0),
        ("1,728", 1728, 0),
    ],
)
def test_a_printed_figure_is_read(printed: str, value: Any, margin: int) -> None:
    found = read_printed(text(printed))
    assert found.value == value
    assert found.half == margin


# --- a document of one's own: reasons, errata and errors ------------------------------------------------------------


def of(tmp_path: Path, table: str, more: str = "") -> Ledger:
    rows = "\n".join(f"      {line}" for line in table.strip().split("\n"))
    path = tmp_path / "own.yaml"
    start = "document: A lecture\ntables:\n  - from: A lecture — Table 1\n    system: nets\n    table: |\n"
    path.write_text(f"{start}{rows}\n{more}", encoding="utf-8")
    return Ledger(read_document(path))


REASONS = [
    ("110 | params of vgg11 | params", "unexplained"),
    ("113G | macs of inception-bottleneck", "unexplained"),
    ("358M | macs of inception-bottleneck", "unexplained"),  # one part of seven explains one figure: luck
    ("185M | macs of inception-bottleneck", "unexplained"),
    ("65536 | input_elements of resnet18@256", "one channel, not three"),
    ("16 | conv_layers of vgg16", "16 are its weight layers"),
    ("7.72×10^9 | macs of resnet50", "under the reading `multiply and add`"),
    ("253,440 | neurons of alexnet at CONV1", "96·55·48 = 253,440"),
    ("147,456 | weights of vgg16 at conv3-64.2", "unexplained"),  # one row of 21, conv3-128.2
    ("2 | weight_layers of one-3x3", "unexplained"),  # twice 1, but so small
    ("11,698,512 | params of resnet18", "two digits are swapped"),
    ("1,168,512 | params of resnet18", "a digit is lost|unexplained"),
    ("35.3M | macs of one-3x3", "unexplained"),
    ("25.61M | params of resnet50", "with norm statistics"),
]


@pytest.mark.parametrize(("row", "reason"), REASONS)
def test_a_slip_is_found(row: str, reason: str, tmp_path: Path) -> None:
    printed, computed, *metric = row.split(" | ")
    heads = "id | printed | computed" + (" | metric" if metric or "[" in computed or "*" in computed else "")
    last = f" | {metric[0] if metric else 'input_elements'}" if heads.endswith("metric") else ""
    found = of(tmp_path, f"{heads}\na-figure | {printed} | {computed}{last}").finding("a-figure")
    assert found.verdict == "contradicts"
    assert re.search(reason, found.reason), found.reason
    assert found.undeclared


# Two figures of one network, and the slip that explains both: the parts of inception-bottleneck are 1×1, 3×3 and 5×5
# convolutions; conv3-64.2 has 64·9·64 weights at 224 × 224.
TWICE = [
    ("358M | macs of inception-bottleneck", "457,504 | params of inception-bottleneck", "`3x3-192` .* counted twice"),
    ("185M | macs of inception-bottleneck", "235,936 | params of inception-bottleneck", "`3x3-192` .* left out"),
    ("36,864 | weights of vgg16 at conv3-128.1", "1.85G | macs of vgg16 at conv3-128.1", "is the row `conv3-64.2`"),
    ("21.8M | params of resnet18", "3.66G | macs of resnet18", "21,797,672 is that of `resnet34`"),
    ("358M | macs of inception-bottleneck", "457,505 | params of inception-bottleneck", "unexplained"),
]


@pytest.mark.parametrize(("one", "another", "reason"), TWICE, ids=["twice", "left-out", "row", "network", "by-one"])
def test_a_slip_that_is_one_of_many_is_said_where_it_explains_two_figures(
    one: str, another: str, reason: str, tmp_path: Path
) -> None:
    found = of(tmp_path, f"id | printed | computed\na-figure | {one}\nb-figure | {another}").finding("a-figure")
    assert re.search(reason, found.reason), found.reason
    assert ("b-figure" in found.reason) == (reason != "unexplained")


def test_a_fit_by_luck_is_visible(tmp_path: Path) -> None:
    """How many readings fit, of how many that were tried, stands beside the one that is named."""
    found = of(tmp_path, "id | printed | computed\na-figure | 0.70G | macs of efficientnet-b1").finding("a-figure")
    assert "2 of 11 such readings fit" in found.reason
    assert found.tried > 10


def test_a_ratio_of_a_table_comes_from_the_printed_operands_and_beside_it_from_the_counts(tmp_path: Path) -> None:
    table = """\
id    | printed | computed            | metric | kind       | reading
big   | 26M     | params of resnet50  |        |            |
small | 12M     | params of resnet18  |        |            |
ratio | 2.2x    | [big] / [small]     | ratio  | arithmetic |
wide  | 2.25x   | [big] / [small]     | ratio  | arithmetic | operands before rounding
far   | 2.5x    | [big] / [small]     | ratio  | arithmetic | operands before rounding
claim | 2.2x    | [big] / [small]     | ratio  |            |"""
    rows = table.replace("2.2x ", "2.2  ").replace("2.25x", "2.25 ").replace("2.5x ", "2.5  ")
    found = of(tmp_path, rows)
    ratio = found.finding("ratio")
    assert ratio.verdict == "rounds"
    assert ratio.computed == Fraction(26, 12)
    assert ratio.base == Fraction(25_557_032, 11_689_512)
    wide = found.finding("wide")  # 26.5 / 11.5 = 2.30 and 25.5 / 12.5 = 2.04 are the bounds
    assert (wide.verdict, wide.reading) == ("reads as", "operands before rounding")
    assert found.finding("far").verdict == "contradicts"
    assert not ratio.evidence
    claim = found.finding("claim")  # about the networks: the same numbers, but counted
    assert (claim.verdict, claim.computed) == ("rounds", ratio.base)


def test_a_ratio_says_that_it_rests_on_a_contradicted_figure(tmp_path: Path) -> None:
    table = """\
id    | printed | computed           | metric | kind
big   | 60M     | params of resnet50 |        |
small | 12M     | params of resnet18 |        |
ratio | 5.0     | [big] / [small]    | ratio  | arithmetic
claim | 5.0     | [big] / [small]    | ratio  |
twice | 10.0    | 2 * [ratio]        | ratio  | arithmetic"""
    found = of(tmp_path, table)
    ratio = found.finding("ratio")
    assert (ratio.verdict, ratio.rests_on) == ("rounds", ("big",))
    assert ratio.base == Fraction(25_557_032, 11_689_512)
    assert found.finding("claim").verdict == "contradicts"  # a circle would pass
    assert found.finding("twice").rests_on == ("ratio",)


def test_arithmetic_without_a_printed_result_is_held_against_the_counts(tmp_path: Path) -> None:
    table = """\
id    | printed  | value | precision | computed              | metric   | kind          | counts
width | 768      |       |           | [channels of vit-b-16 at encoder.1] | width | specification |
heads | 12       |       |           | [heads of vit-b-16]   | heads    | specification |
dim   | D/k      | none  |           | [width] / [heads]     | head_dim | arithmetic    |
again | 27C, 49C | none  |           | 27 / 49               | ratio    | arithmetic    | STACKS
about | 12x      | 12    | 0.5       | [width] / 62          | ratio    | arithmetic    |"""
    table = table.replace("STACKS", "[weights of three-3x3] / [weights of one-7x7]")
    found = of(tmp_path, table)
    assert (found.finding("dim").verdict, found.finding("dim").computed) == ("exact", 64)
    assert found.finding("again").verdict == "exact"
    assert found.finding("again").base == Fraction(27, 49)
    assert (found.finding("about").verdict, found.entries["about"].value.half) == ("rounds", half)


def test_an_operand_that_is_printed_wrong_contradicts_though_the_result_holds(tmp_path: Path) -> None:
    table = """\
id    | printed            | value | computed                 | metric      | operands
right | (7 - 3)/1 + 1 = 5  | 5     | [height of conv-7x7-k3]  | output_size | 7 = INPUT; 3 = FILTER
wrong | (8 - 4)/1 + 1 = 5  | 5     | [height of conv-7x7-k3]  | output_size | 8 = INPUT; 4 = FILTER"""
    table = table.replace("INPUT", "[input_height of conv-7x7-k3]").replace("FILTER", "[filter_height of conv-7x7-k3]")
    found = of(tmp_path, table)
    assert found.finding("right").verdict == "exact"
    assert ("[input_height of conv-7x7-k3]", 7) in found.finding("right").operands
    assert found.finding("wrong").verdict == "contradicts"
    assert found.finding("wrong").reason == "the printed operand 8 is 7 here; the printed operand 4 is 3 here"


def test_a_formula_is_held_against_every_instance(tmp_path: Path) -> None:
    table = """\
id    | printed | kind     | metric | computed          | formula   | instances
right | 9C^2    | symbolic | params | params of one-3x3 | 9 * C**2  | C = 1, 2, 3, 8
wrong | 9C      | symbolic | params | params of one-3x3 | 9 * C     | C = 1, 2, 3"""
    found = of(tmp_path, table)
    assert found.finding("right").verdict == "exact"
    wrong = found.finding("wrong")
    assert wrong.verdict == "contradicts"
    assert wrong.reason == "at C = 2 the formula gives 18, computed 36"
    assert not found.finding("right").evidence


@pytest.mark.parametrize("name", [n for n, e in ledger().entries.items() if e.kind == "symbolic" and e.instances])
def test_the_instances_settle_a_formula(name: str) -> None:
    """What is counted is a polynomial in each letter, or one plus the floor of a quotient by the stride.

    Two polynomials of degree d that agree on d + 1 values of every letter, in all combinations, are the same; a floor
    of a quotient by s is settled by s values in a row and one more.
    """
    sympy = pytest.importorskip("sympy")
    entry = ledger().entries[name]
    assert entry.symbols is not None
    instances = dict(entry.instances)
    for part in entry.symbols.parts:
        expression = sympy.sympify(part.text.value)
        for letter in expression.free_symbols:
            values = instances[letter.name]
            if expression.has(sympy.floor):
                strides = instances.get("s", (1,))
                assert letter.name not in "hH" or len(set(values)) >= max(strides) + 1
                continue
            top, bottom = sympy.fraction(sympy.together(expression))
            degree = sum(int(sympy.degree(side, letter)) for side in (top, bottom) if side.has(letter))
            assert len(set(values)) >= min(degree + 1, 3) or letter.name in ("k", "r", "C", "H", "W"), letter
            assert len(set(values)) >= 2 or math.isclose(degree, 0), letter


ERRATA = "errata:\n  - figures: a-figure\n    note: Printed 12M, and so on.\n"


def test_an_erratum_declares_a_figure_and_goes_stale(tmp_path: Path) -> None:
    wrong = of(tmp_path, "id | printed | computed\na-figure | 12M | params of resnet50", ERRATA).finding("a-figure")
    assert wrong.erratum is not None
    assert not wrong.undeclared
    right = of(tmp_path, "id | printed | computed\na-figure | 12M | params of resnet18", ERRATA).finding("a-figure")
    assert not right.undeclared
    assert "no longer applies" in stale([right])[0].message
    assert not stale([wrong])


@pytest.mark.parametrize(
    ("table", "said", "where"),
    [
        ("id | printed | computed\na | 12 | parms of vgg16", "`parms` is not a quantity", "own.yaml:7"),
        ("id | printed | computed\na | many | params of vgg16", "`many` is not a printed figure", "own.yaml:7"),
        ("id | printed\na | 12", "neither `computed` nor says what is `missing`", "own.yaml:7"),
        ("id | print | computed\na | 12 | params of vgg16", "`print` is not a column here", "own.yaml:6"),
        ("printed | id | computed\n12 | a | params of vgg16", "the first heading of a table of figures", "own.yaml:6"),
        ("id | printed | computed | kind\na | 1 | params of vgg16 | guess", "`guess` is not a kind", "own.yaml:7"),
        ("id | printed | computed\na | 12 | [params of vgg16] / 2", "`a` needs a `metric`", "own.yaml:7"),
        ("id | printed | computed | metric\na | 12 | 3 * 4 | n", "`3 . 4` is the print once more", "own.yaml:7"),
        (
            "id | printed | computed | kind\na | 1 | params of vgg16 | arithmetic",
            "is a count, and no print",
            "own.yaml:7",
        ),
        (
            "id | printed | kind | missing | metric\na | 1 | arithmetic | x | n",
            "it is `computed` from what is",
            "own.yaml:7",
        ),
        (
            "id | printed | computed | operands\na | 1 | params of vgg16 | 7",
            "`7` is not `printed operand",
            "own.yaml:7",
        ),
        (
            "id | printed | value | precision | computed\na | 1x | 1 | half | params of vgg16",
            "not half of a",
            "own.yaml:7",
        ),
        ("id | printed | computed | reading\na | 1 | params of vgg16 | no luck", "`no luck` is not", "own.yaml:7"),
    ],
)
def test_a_bad_document_says_where(table: str, said: str, where: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        of(tmp_path, table)
    assert where in caught.value.where


def test_figures_that_are_computed_from_themselves_are_refused(tmp_path: Path) -> None:
    table = "id | printed | computed | metric\na | 1 | [b] | ratio\nb | 1 | [a] * 2 | ratio"
    with pytest.raises(SpecError, match="computed from itself"):
        of(tmp_path, table).finding("a")


# --- the command --------------------------------------------------------------------------------------------------


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


KEYS = [
    "id", "system", "model", "metric", "printed", "value", "precision", "computed", "computed_base", "unit",
    "difference", "verdict", "reading", "readings_tried", "reason", "kind", "formula", "operands", "convention",
    "rests_on", "note", "source", "line",
]  # fmt: skip


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("paper", "googlenet-conv2-params", "inception-naive-out", "--format", "json") == 0
    params, shape = json.loads(capsys.readouterr().out)["figures"]
    assert list(params) == KEYS
    assert (params["value"], params["precision"], params["unit"]) == (112, 0.5, "K")
    assert params["computed"] == 64 * 64 + 64 + 64 * 9 * 192 + 192
    assert (params["verdict"], params["reading"]) == ("reads as", "K = 1024")
    assert len(params["source"]) == 2
    assert shape["computed"] == shape["computed_base"] == [28, 28, 672]
    assert shape["reason"] is None


def test_every_row_shows_its_source_its_operands_and_its_convention() -> None:
    """Where nothing is computed the reason stands where the operands would be."""
    findings = tuple(ledger().finding(name) for name in ledger().entries)
    result = PaperResult(findings, (), by_id=False, ok=True)
    page = paper.page(result)
    assert page.table is not None
    csv_table = page.table()
    operands = next(column for column in csv_table.columns if column.name == "operands")
    for figure, row in zip(paper.data(result)["figures"], csv_table.records, strict=True):
        assert all((figure["source"], figure["line"], figure["convention"], figure["operands"])), figure["id"]
        missing = [operand["of"] for operand in figure["operands"] if operand["value"] is None]
        assert missing == ([figure["reason"]] if figure["verdict"] == "not computable" else []), figure["id"]
        assert all(operand["of"] in str(operands.value(row)) for operand in figure["operands"])
    for table in (block for block in page.of("text") if isinstance(block, Table)):
        for finding in table.records:
            below = " ".join(note.text for note in table.notes(finding))
            said = (finding.formula or finding.reason, paper.convention(finding), finding.entry.id.where)
            assert all(errors.printable(text) in below for text in said), finding.entry.id


@pytest.mark.parametrize("form", ["text", "json", "csv", "markdown"])
def test_every_form_has_every_figure(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("paper", "googlenet", "--format", form) == 0
    out = capsys.readouterr().out
    names = [n for n, e in ledger().entries.items() if e.system == "googlenet"]
    assert len(names) > 60
    assert all(name in out for name in names)


@pytest.mark.parametrize("form", ["text", "csv", "markdown", "latex", "html"])
def test_columns_are_chosen(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("paper", "inception-naive", "--columns", "id,computed", "--format", form) == 0
    out = capsys.readouterr().out
    assert "854196224" in out
    assert "MINERVA" not in out
    assert run("paper", "inception-naive", "--columns", "idd") == 2
    assert "Did you mean `id`?" in capsys.readouterr().err


def test_a_document_is_named_by_its_file_or_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = [n for n, e in ledger().entries.items() if any(s.startswith("Raissi, ") for s in e.sources)]
    for name in ("raissi", "Raissi, Large Networks"):
        assert run("paper", name, "--format", "json") == 0
        assert {figure["id"] for figure in json.loads(capsys.readouterr().out)["figures"]} == set(wanted)


def test_one_figure_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("paper", "efftable-resnet50-flops") == 0
    out = capsys.readouterr().out
    for said in ("4.1B", "EfficientNet performance table", "4,089,184,256", "3,857,973,248", "stride on the 3×3"):
        assert said in out


def test_all_exits_with_0_and_ends_with_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("paper", "--all", "--verdict", "contradicts") == 0
    out = capsys.readouterr().out
    assert "reads as" not in out.rsplit("\n", 2)[-2]
    assert "contradict" in out.rsplit("\n", 2)[-2]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["paper"], 2, "which figures?"),
        (["paper", "googlenett"], 2, "Did you mean `googlenet`?"),
        (["paper", "--all", "--verdict", "wrong"], 2, "`wrong` is not a verdict"),
        (["paper", "vgg16", "--format", "yaml"], 2, "`yaml` is not a format"),
    ],
)
def test_wrong_use(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == code
    assert said in capsys.readouterr().err


def test_an_undeclared_contradiction_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of(tmp_path, "id | printed | computed\na-figure | 12M | params of resnet50")
    monkeypatch.setattr(documents, "documents_dir", lambda: tmp_path)
    monkeypatch.setattr(documents, "shipped_names", list)
    assert run("paper", "--all") == 1
    assert "under no erratum" in capsys.readouterr().out
    of(tmp_path, "id | printed | computed\na-figure | 12M | params of resnet18", ERRATA)
    assert run("paper", "--all") == 1
    assert "no longer applies" in capsys.readouterr().err
