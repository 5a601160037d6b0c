"""What documents teach of architectures, computed: depth in time, paths, connections, layers as matrices, trainings."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.analysis.counts import Report, analyse
from archcalc.analysis.explain import Explained
from archcalc.analysis.paths import connections, expected, path_length, sequential
from archcalc.analysis.regimes import gan, into_inputs, pgd
from archcalc.runtime.network import build
from tests.test_commands import Run, command
from tests.test_sharing import graph_of

__all__ = ["command"]  # a fixture
PAGE = Path(__file__).parent.parent / "docs" / "teachings.md"


def report_of(layers: str, input: str = "3") -> Report:
    return analyse(graph_of(f"input: {input}\nlayers:\n{layers}"))


def whole(report: Report) -> tuple[int, int, int | None]:
    graph = report.graph
    paths = sequential(report, 0, graph.main), path_length(report, 0, graph.main, graph.outputs)
    return report.totals.weight_layers, *paths


# --- depth and paths ----------------------------------------------------------------------------------------------

STEPS = {
    "rnn": "  - steps: [x: identity, xh: {concat: [x, h]}, h: xh linear(5) tanh]\n",
    "lstm": (
        "  - steps:\n      - x: identity\n      - xh: {concat: [x, h]}\n      - i, f, o, g: xh linear(20) split(4)\n"
        "      - c: {add: [{mul: [f sigmoid, c]}, {mul: [i sigmoid, g tanh]}]}\n      - h: {mul: [o sigmoid, c tanh]}\n"
    ),
    "gru": (
        "  - steps:\n      - x: identity\n      - a, b, d: x linear(15) split(3)\n"
        "      - e, j, k: h linear(15) split(3)\n"
        "      - r: {add: [a, e]}\n      - z: {add: [b, j]}\n      - rk: {mul: [r sigmoid, k]}\n"
        "      - n: {add: [d, rk]}\n      - u: z sigmoid\n"
        "      - h: {add: [{mul: [u complement, n tanh]}, {mul: [u, h]}]}\n"
    ),
}


@pytest.mark.parametrize("tokens", [1, 2, 7])
@pytest.mark.parametrize("word", STEPS)
def test_a_recurrent_layer_is_its_steps(word: str, tokens: int) -> None:
    """One layer at any length; in time a matrix a step, two gates behind it of those that have some. What is carried on
    passes a gate a step, two or three to enter and to leave: the same of one op and of its steps."""
    states = "  - h: zeros(5)\n  - c: words zeros(5)\n" if word == "lstm" else "  - h: zeros(5)\n"
    one = report_of(f"  - embed(9, 8) {word}(5)\n", str(tokens))
    unrolled = report_of(f"  - words: embed(9, 8)\n{states}  - words\n{STEPS[word]}", str(tokens))
    products = {"rnn": (tokens, tokens), "lstm": (3 * tokens, tokens + 2), "gru": (3 * tokens, tokens + 1)}
    near = 2 if tokens == 1 and word == "lstm" else products[word][1]
    assert whole(one) == whole(unrolled) == (1, products[word][0], near)
    assert one.totals.macs == unrolled.totals.macs


@pytest.mark.parametrize("layers", [1, 3])
def test_code_is_as_deep_as_specs(layers: int) -> None:
    code = archcalc.capture(nn.LSTM(8, 5, layers, batch_first=True), torch.zeros(1, 7, 8))
    assert code.totals.weight_layers == layers
    assert archcalc.capture(nn.GRU(8, 5), torch.zeros(7, 1, 8)).totals.weight_layers == 1


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        # Vaswani et al., Table 1: O(1) and O(1), O(n) and O(n), O(1) and O(log n)
        ("attention(2)", (2, 4, 3)),
        ("attention(2, causal=True)", (2, 4, 3)),
        ("rnn(8)", (1, 16, 16)),
        ("lstm(4, bidirectional=True)", (1, 48, 18)),
        ("rearrange(t c -> c t) conv(8, 3) conv(8, 3, dilation=2) conv(8, 3, dilation=4) tokens", (3, 3, 3)),
        ("linear(8) relu linear(8)", (2, 2, 2)),
        ("reverse gru(8) reverse", (1, 48, 17)),
    ],
)
def test_paths_of_layers_side_by_side(layers: str, wanted: tuple[int, int, int]) -> None:
    assert whole(report_of(f"  - embed(9, 8) {layers}\n", "16")) == wanted


def test_attention_is_its_four_products() -> None:
    """Written out, the path from a word to another runs through its value: three products, and four in sequence."""
    parts = "  - x: embed(9, 8)\n  - q: x linear(8)\n  - k: x linear(8)\n  - v: x linear(8)\n"
    parts += "  - q matmul(k, transpose=True) softmax matmul(v) linear(8)\n"
    assert whole(report_of(parts, "16")) == (2, 4, 3) == whole(report_of("  - embed(9, 8) attention(1)\n", "16"))
    crossed = "  - x: a embed(9, 8)\n  - b embed(9, 8) attention(2, memory=x)\n"
    assert whole(report_of(crossed, "{a: 5, b: 3}"))[2] == 4  # a query's own way runs through the scores


def test_residuals_make_paths_short() -> None:
    six = "  - embed(9, 8)\n" + "  - add: [identity, attention(2)]\n  - add: [identity, linear(8)]\n" * 6
    assert whole(report_of(six, "9")) == (18, 30, 3)


OPS = st.sampled_from(("conv", "dilated", "strided", "attention", "rnn", "residual", "relu"))


@settings(max_examples=40, deadline=None)
@given(words=st.lists(OPS, min_size=1, max_size=5), tokens=st.integers(1, 9))
def test_paths_are_those_of_places_one_by_one(words: list[str], tokens: int) -> None:
    """A table of distances for each op, and the nearest way over all places in between."""
    lines, size = [], tokens
    far = [[0.0 if i == j else math.inf for i in range(tokens)] for j in range(tokens)]
    for word in words:
        convolution = {"conv": (3, 1, 1), "dilated": (3, 2, 1), "strided": (3, 1, 2)}.get(word)
        if convolution:
            k, d, s = convolution
            made = (size - 1) // s + 1
            step = [
                [1.0 if (i - s * j) % d == 0 and abs(i - s * j) <= d else math.inf for i in range(size)]
                for j in range(made)
            ]
            lines.append(f"  - rearrange(t c -> c t) conv(4, {k}, {s}, dilation={d}) tokens\n")
        else:
            made = size
            step = [[_far(word, i, j) for i in range(size)] for j in range(size)]
            lines.append(f"  - {LAYER.get(word, word)}\n")
        far = [[min(row[m] + far[m][i] for m in range(size)) for i in range(tokens)] for row in step]
        size = made
    wanted = max(distance for row in far for distance in row if distance < math.inf)
    assert whole(report_of("  - embed(9, 4)\n" + "".join(lines), str(tokens)))[2] == wanted


LAYER = {"attention": "attention(2)", "rnn": "rnn(4)", "residual": "add: [identity, attention(2)]"}


def _far(word: str, i: int, j: int) -> float:
    if word == "rnn":
        return j - i + 1 if i <= j else math.inf
    if word == "relu":
        return 0 if i == j else math.inf
    return 0 if word == "residual" and i == j else 3


@pytest.mark.parametrize("layers", range(1, 7))
def test_a_dense_block_has_a_connection_for_each_pair(layers: int) -> None:
    """L(L + 1)/2 (Huang et al., section 1), where as many layers in a row have L."""
    block = "blocks: {layer: {concat: [identity, bn relu conv(4, 3)]}}"
    dense = report_of(f"  - layer x{layers}\n{block}\n", "5 × 8 × 8")
    assert connections(dense, 0, dense.graph.main) == layers * (layers + 1) // 2
    plain = report_of("  - conv(4, 3) relu bn\n" * layers, "5 × 8 × 8")
    assert connections(plain, 0, plain.graph.main) == layers
    assert connections(dense, 2, dense.graph.main) == layers * (layers + 1) // 2  # a norm and its input are one value


def test_what_is_added_is_one_value() -> None:
    report = report_of("  - add: [conv(5, 3), identity]\n  - conv(4, 3)\n", "5 × 8 × 8")
    assert connections(report, 0, report.graph.main) == 2


def test_columns_of_paths(command: Run, tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_text("input: 16\nlayers:\n  - embed(9, 8)\n  - attention(2)\n  - lstm(8)\n  - take(15) linear(2)\n")
    asked = "name,weight_layers,sequential_operations,path_length,connections"
    run = command("summary", str(path), "--static", "--columns", asked, "--format", "csv")
    assert [line.split(",", 1)[1].rsplit(",", 4)[1:] for line in run.out.splitlines()[1:]] == [
        ["0", "0", "0", "0"],
        ["2", "4", "3", "1"],
        ["1", "48", "18", "1"],
        ["1", "1", "1", "1"],
    ]
    sums = command("scale", str(path), "--input", "16", "--columns", "sequential,path_length", "--format", "csv").out
    assert sums.splitlines()[1] == "53,6"  # the last word's state is near to all
    assert "?" in command("summary", "swin-t", "--static", "--columns", "path_length").out  # of many items


# --- weights ------------------------------------------------------------------------------------------------------

LAYERS = [
    ("conv(6, 3)", "4 × 7 × 8"),
    ("conv(6, 3, 2, pad=0)", "4 × 7 × 8"),
    ("conv(6, 3, pad=2, dilation=2, groups=2)", "4 × 7 × 8"),
    ("conv(6, 5, 3)", "4 × 11"),
    ("dwconv(3)", "4 × 5 × 5"),
    ("linear(6)", "4 × 3 × 3"),
]


@pytest.mark.parametrize(("layer", "input"), LAYERS)
def test_a_layer_is_a_matrix(layer: str, input: str) -> None:
    """torch's own fan-in and gain, and the layer with weights of one on each element alone."""
    graph = graph_of(f"input: {input}\nlayers: {layer}\n")
    found = Explained(analyse(graph)).node(0).weighing
    assert found is not None
    net = build(graph)
    weight = next(p for name, p in net.named_parameters() if name.endswith("weight"))
    fan_in, _ = nn.init._calculate_fan_in_and_fan_out(weight)
    assert found.fan_in.value == fan_in
    nn.init.kaiming_normal_(weight, generator=torch.Generator().manual_seed(1))
    assert found.deviation == pytest.approx(nn.init.calculate_gain("relu") / math.sqrt(fan_in))
    for name, parameter in net.named_parameters():
        nn.init.constant_(parameter, float(name.endswith("weight")))
    shape = graph.inputs[0][1]
    columns = net(torch.eye(math.prod(shape)).reshape(-1, *shape)).flatten(1)
    assert found.matrix == (columns.shape[1], columns.shape[0])
    assert found.nonzero == int((columns != 0).sum())


def test_explain_says_so(command: Run) -> None:
    out = command("explain", "conv-7x7-k3-p1", "conv").out
    assert "3·3 = 9; He's deviation √(2/9) = 0.4714" in out
    assert "49 × 49 = 2,401 elements, 2,040 of them zero" in out  # 19² pairs are within the map


# --- trainings ----------------------------------------------------------------------------------------------------


def test_time_is_unrolled_in_a_training_step(command: Run) -> None:
    """The memory of a step grows with the words by what each keeps; the figures are those of single summaries."""
    asked = "training_memory_bytes,training_macs"
    sizes = ("--input", "31x6,31x12,31x48", "--train", "--columns", asked, "--format", "csv")
    rows = [line.split(",") for line in command("scale", "elman-network", *sizes).out.splitlines()]
    assert rows[0] == ["training_memory_bytes", "training_macs"]
    for row, steps in zip(rows[1:], (6, 12, 48), strict=True):
        step = archcalc.load("elman-network", input=(31, steps)).training()
        assert row == [str(step.peak_bytes), str(step.macs)]
    (a, b, c), each = (int(row[0]) for row in rows[1:]), 6
    assert (c - b) == each * (b - a) > 0
    assert command("scale", "lenet5", "--optimizer", "adam").code == 2


SMALL = "  - conv(4, 3) relu\n  - tokens attention(2)\n  - mean(axis=0) linear(3)\n"


def counted(run: Any) -> int:
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    flops: int = counter.get_total_flops()
    return flops // 2


def test_an_attack_wants_the_gradient_of_the_input_alone() -> None:
    """torch's counter, with parameters that are not trained."""
    report = report_of(SMALL, "2 × 6 × 6")
    net = build(report.graph)
    net.requires_grad_(False)
    x = torch.randn(1, 2, 6, 6, requires_grad=True)
    assert counted(lambda: net(x).sum().backward()) == report.totals.macs + into_inputs(report)
    found = pgd(report, 40)
    net.requires_grad_(True)
    step = counted(lambda: net(x.detach()).sum().backward())
    assert found.macs == 40 * (report.totals.macs + into_inputs(report)) + step
    assert pgd(report.at_batch(8), 40).macs == 8 * found.macs


@pytest.mark.parametrize("steps", [1, 5])
def test_a_round_of_two_networks(steps: int) -> None:
    """Algorithm 1 of Goodfellow et al. as it is run, by torch's counter."""
    generator, discriminator = (
        report_of("  - linear(8) relu linear(32) reshape(2×4×4)\n"),
        report_of(SMALL, "2 × 4 × 4"),
    )
    made, judge = build(generator.graph), build(discriminator.graph)

    def round_() -> None:
        for _ in range(steps):
            with torch.no_grad():
                fake = made(torch.randn(1, 3))
            judge(torch.randn(1, 2, 4, 4)).sum().backward()
            judge(fake).sum().backward()
        judge.requires_grad_(False)
        judge(made(torch.randn(1, 3))).sum().backward()

    assert gan(generator, discriminator, steps).macs == counted(round_)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dcgan-generator", "--attack", "3"], "Give `--train` too"),
        (["dcgan-generator", "--train", "--attack", "0"], "at least one step"),
        (["lstm-ptb-small", "--train", "--attack", "1"], "no gradient comes to the input"),
        (["dcgan-generator", "--train", "--against", "dcgan-discriminator", "--steps", "0"], "at least one step"),
        (["dcgan-generator", "--train", "--against", "lenet5"], "the discriminator reads 1×32×32"),
        (["dcgan-generator", "--train", "--steps", "2"], "`--against MODEL`"),
        (["dcgan-generator", "--train", "--against", "dcgan-discriminator", "--attack", "3"], "one of them"),
        (["dcgan-generator", "--train", "--against", "dcgan-discriminatr"], "no model is called"),
    ],
)
def test_what_cannot_be_trained_says_why(command: Run, arguments: list[str], says: str) -> None:
    run = command("summary", *arguments, "--static")
    assert run.code == 2
    assert says in " ".join(run.err.split())


BLOCKS = "  - conv(4, 3)\n  - one(0.1)\n  - one(0.5)\n  - one(0.25)\n  - gap linear(2)\nblocks:\n  one(p):\n    add:\n"


@pytest.mark.parametrize("shortcut", ["identity", "conv(4, 1)"])
def test_the_mean_over_all_ways_to_leave_out_branches(shortcut: str) -> None:
    report = report_of(f"{BLOCKS}      - conv(4, 3) relu conv(4, 3) droppath(p)\n      - {shortcut}\n", "2 × 6 × 6")
    found = expected(report)
    assert found is not None
    short = int(shortcut != "identity")
    outside = 36 * 4 * 2 * 9 + 4 * 2 + 3 * short * 36 * 16
    depth = macs = branches = 0.0
    for alive in itertools.product((0, 1), repeat=3):
        share = math.prod(1 - p if here else p for p, here in zip((0.1, 0.5, 0.25), alive, strict=True))
        depth += share * (2 + sum(2 if here else short for here in alive))
        macs += share * (outside + sum(alive) * 2 * 36 * 16 * 9)
        branches += share * sum(alive)
    assert found == pytest.approx((branches, 3, depth, macs))
    assert expected(report_of(SMALL, "2 × 6 × 6")) is None


@pytest.mark.parametrize(("depth", "blocks"), [(110, 54), (1202, 600)])
def test_stochastic_depth(depth: int, blocks: int) -> None:
    """(3L − 1)/4 of L blocks (Huang et al., arXiv:1603.09382, section 3.2: "approximately 40" of 54)."""
    report = archcalc.load(f"resnet{depth}-cifar-stochastic").report()
    found = expected(report)
    assert found is not None
    assert found.of == blocks
    assert found.branches == pytest.approx((3 * blocks - 1) / 4)
    assert found.weight_layers == pytest.approx(2 + (3 * blocks - 1) / 2)
    assert report.totals == archcalc.load(f"resnet{depth}-cifar").report().totals


def test_a_dropped_path_is_that_of_a_sample() -> None:
    net = build(graph_of("input: 4 × 3 × 3\nlayers: droppath(0.5)\n")).train()
    torch.manual_seed(0)
    y = net(torch.ones(200, 4, 3, 3)).flatten(1)
    assert {tuple(row.unique().tolist()) for row in y} == {(0.0,), (2.0,)}
    assert torch.equal(net.eval()(torch.ones(1, 4, 3, 3)), torch.ones(1, 4, 3, 3))


# --- the page -----------------------------------------------------------------------------------------------------


def examples() -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """The commands of the page, what is shown of their output, and the specs that stand above them."""
    specs: dict[str, str] = {}
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        if language == "yaml":
            specs = {re.match(r"# (\S+)", text).group(1): text}  # type: ignore[union-attr]
            continue
        shown: list[str] = []
        for line in [*text.splitlines(), "$ "]:
            if line.startswith("$ ") and shown:
                yield shown[0][2:], shown[1:], specs
                shown = []
            shown.append(line)


EXAMPLES = list(examples())


@pytest.mark.parametrize(("line", "shown", "specs"), EXAMPLES, ids=[line for line, _, _ in EXAMPLES])
def test_the_page_shows_what_commands_print(
    command: Run, line: str, shown: list[str], specs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in specs.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    out = [" ".join(each.split()) for each in command(*line.removeprefix("archcalc ").split()).out.splitlines()]
    at = 0
    for each in shown:  # in this order, each within a line
        at = next((n + 1 for n in range(at, len(out)) if " ".join(each.split()) in out[n]), 0)
        assert at, f"{each}\n" + "\n".join(out)
    assert shown
