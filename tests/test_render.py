"""What is shown: by its properties, on every model of the zoo, so that the look may change and the figures may not."""

import csv
import io
import json
import re
from array import array
from dataclasses import replace
from functools import cache

import pytest

import archcalc
from archcalc.analysis.training import train
from archcalc.errors import UsageError
from archcalc.language.zoo import model_names, shipped_names
from archcalc.measurement.latency import Measurement, Memory
from archcalc.models import Summary
from archcalc.show import columns, layout
from archcalc.show.progress import time_left
from archcalc.show.summary import columns as columns_of
from archcalc.show.summary import page
from archcalc.show.writers import FORMATS, known_format, markdown, write
from archcalc.tasks import summary as rows
from archcalc.tasks.summary import FULL
from tests.tiers import EXHAUSTIVE, tiered

MODELS = sorted(model_names())
DEPTHS = (0, 1, FULL)
# The rows of every model, and one model of each family and the largest ones opened.
BIG = ("densenet264", "efficientnet-b7", "resnet152")
OPENED = [*(min(names.models) for names in shipped_names() if names.models), *BIG]
LOOKS = [(model, depth) for model in OPENED for depth in DEPTHS]
EVERY = tiered(MODELS, OPENED.__contains__)
EVERY_LOOK = [*LOOKS, *(pytest.param(model, 0, marks=EXHAUSTIVE) for model in MODELS if model not in OPENED)]
COUNTS = ("params", "weights", "biases", "norm_params", "norm_stats", "macs", "flops", "activation_bytes")
TRAINING = ["training_memory_bytes", "training_macs"]
LAYER_KEYS = [
    "path",
    "op",
    "label",
    "where",
    "inputs",
    "output_shape",
    *COUNTS,
    "receptive_field",
    "latency_ms",
    "backward_macs",
    "saved_bytes",
]
SOMETIMES = {"items", "active_params", "receptive_field_union"}  # said where they are another number
TOTAL_KEYS = [*COUNTS[:7], "param_bytes", "activation_bytes", "peak_memory_bytes", "weight_layers", "elementwise"]


def run_of(summary: Summary, runs: int = 5, complete: bool = True) -> Measurement:
    """A measurement as it could be, without torch: times that follow the counts."""
    layers = summary.report.layers[: summary.report.graph.main]
    samples = tuple(
        array("d", [(1 + run / 100) * (layer.macs / 1e8 + layer.activation_bytes / 3e7 + 0.002) for run in range(runs)])
        for layer in layers
    )
    return Measurement(
        device="cpu",
        device_name="A processor",
        torch="2.13.0",
        threads=2,
        dtype="float32",
        batch=1,
        whole_samples=array("d", [sum(run) for run in zip(*samples, strict=True)]),
        samples=samples,
        malloc_pinned=True,
        stopped="runs" if complete else "time limit",
    )


def written(
    summary: Summary,
    depth: int = 0,
    width: int | None = None,
    color: bool = False,
    form: str = "text",
    pick: rows.Pick | None = None,
) -> str:
    """The summary in a form."""
    return write(page(summary, depth, pick), form, width, color)


@cache
def summary_of(model: str, measured: bool = False) -> Summary:
    found = archcalc.load(model).summary()
    return replace(found, measured=run_of(found)) if measured else found


def test_there_are_models() -> None:
    assert {"vgg16", "googlenet", "resnet50", "densenet121", "efficientnet-b0", "vit-b-16"} <= set(MODELS)


# --- text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "depth"), EVERY_LOOK)
def test_nothing_is_wider_than_80_columns_and_nothing_is_cut(model: str, depth: int) -> None:
    _fits(summary_of(model), depth)


@pytest.mark.parametrize("model", OPENED)
def test_what_was_measured_fits_too(model: str) -> None:
    _fits(summary_of(model, True))


def _fits(summary: Summary, depth: int = 0) -> None:
    text = written(summary, depth, width=80)
    assert max(map(layout.width_of, text.split("\n"))) <= 80
    bare = text
    for line in rows.table(summary, depth):  # a long line of a plain list has a short name
        bare = bare.replace(line.name, "") if "…" in line.name else bare
    assert "…" not in bare
    assert text == "\n".join(line.rstrip() for line in text.split("\n"))
    for line in rows.table(summary, depth):
        for column in columns_of(summary)[:2]:
            assert f" {_exactly(column.value(line))}" in text or column.value(line) is None
        if layout.width_of(line.name) < 60:
            assert line.name in text


def _exactly(value: columns.Value) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


@pytest.mark.parametrize("model", EVERY)
def test_every_number_stands_in_its_column(model: str) -> None:
    """The points, or last digits, of all lines stand below each other, and so do their units."""
    summary = summary_of(model, True)
    table = rows.table(summary)
    text = written(summary, width=80).split("\n")
    lines = [line for line in text if re.search(r"\d (  )?\s*[\d,.<]+ ", line)]
    for column in columns_of(summary)[1:-1]:
        assert column.show is not None
        _, shown = column.show([column.value(line) for line in table])
        ends = {len(texts.rstrip()) - texts.find(".") for texts in shown if "." in texts and "<" not in texts}
        assert len(ends) <= 1, column.name
    assert lines


def test_a_wide_terminal_is_used_and_a_very_wide_one_is_not_stretched() -> None:
    summary = summary_of("resnet50", True)
    widths = {width: max(map(len, written(summary, 0, width).split("\n"))) for width in (80, 120, 140, 300)}
    assert widths[80] <= 80 < widths[120] <= 120 < widths[140] <= 140 < widths[300] < 200
    assert written(summary, 0, 140).count("█") > written(summary, 0, 120).count("█")


def test_a_long_cell_stands_beside_its_label_where_there_is_room_and_below_it_where_not() -> None:
    wide, narrow = (written(summary_of("resnet50", True), 0, width) for width in (120, 80))
    assert re.search(r"^conv4_x  \[1×1,256; 3×3,256; 1×1,1024\]×6 +1024×14×14 +7,098,368 ", wide, re.M)
    assert re.search(r"^conv4_x\n  \[1×1,256; 3×3,256; 1×1,1024\]×6 +1024×14×14 +7,098,368 ", narrow, re.M)


def test_a_cell_that_fits_nowhere_stands_above_its_numbers() -> None:
    text = written(summary_of("vit-b-16", True), 0, 70)
    assert re.search(r"^conv tokens class_token position\n +197 × 768 +742,656 ", text, re.M)


def test_the_tree_shows_what_stands_in_what() -> None:
    text = written(summary_of("resnet50"), FULL, 80)
    names = [re.split(r"  +\d", line)[0] for line in text.split("\n")]
    start = next(i for i, name in enumerate(names) if name.endswith("[1×1,64; 3×3,64; 1×1,256]×3"))
    assert names[start + 1] == "  ├─ bottleneck.1"
    assert names[start + 2] == "  │  ├─ conv(64, 1, bias=False)"
    assert "  │  │  └─ bn" in names  # of the shortcut
    assert "     └─ relu" in names  # of the last block: nothing goes on at its left


@pytest.mark.parametrize("model", OPENED)
def test_each_depth_opens_one_level_more(model: str) -> None:
    summary = summary_of(model)
    full = rows.lines(summary, FULL)
    for depth in range(4):
        assert [line[:8] for line in rows.lines(summary, depth)] == [line[:8] for line in full if line.depth <= depth]
    ops = [line.path for line in full if line.kind == "op"]
    assert sorted(ops) == sorted(layer.path for layer in summary.report.layers)


@pytest.mark.parametrize("model", OPENED)
def test_an_opened_line_is_the_sum_of_its_parts(model: str) -> None:
    sums: list[dict[str, int]] = []
    for line in reversed(rows.lines(summary_of(model), FULL)):
        while len(sums) <= line.depth + 1:
            sums.append(dict.fromkeys(COUNTS, 0))
        if line.opened:
            assert sums[line.depth + 1] == {name: getattr(line.counts, name) for name in COUNTS}, line.path
            sums[line.depth + 1] = dict.fromkeys(COUNTS, 0)
        for name in COUNTS:
            sums[line.depth][name] += getattr(line.counts, name)


@pytest.mark.parametrize("model", EVERY)
def test_rows_add_up_to_the_totals(model: str) -> None:
    summary = summary_of(model)
    report, found = summary.report, rows.lines(summary)
    for name in COUNTS:
        main = sum(getattr(line.counts, name) for line in found if not line.head)
        every = sum(getattr(line.counts, name) for line in found)
        assert main == getattr(report.totals, name)
        whole = getattr(report.totals_with_heads or report.totals, name)
        # With heads a value that a head reads later is not overwritten: its reader takes new memory.
        assert every == whole or (name == "activation_bytes" and report.totals_with_heads and every < whole)


def test_a_failing_claim_is_said_below_its_row_and_its_erratum_below_the_table() -> None:
    text = written(summary_of("googlenet"), 0, 80)
    assert re.search(r"^convolution  .* 9,472 .*\n  ✗ params: computed 9,472, printed 2\.7K .* ¹$", text, re.M)
    assert re.search(r"^¹ +known erratum: Printed 2\.7K", text, re.M)
    judged = summary_of("googlenet").judgements
    wrong = sum(not judgement.holds for judgement in judged)
    assert text.count("✗") == wrong > 0
    assert f"✓ {len(judged) - wrong} of {len(judged)} printed figures hold, {wrong} do not: known errata" in text


def test_a_failing_claim_without_an_erratum_is_loud() -> None:
    summary = summary_of("googlenet")
    summary = replace(summary, judgements=tuple(replace(j, erratum=None) for j in summary.judgements))
    text = written(summary, 0, 80, color=True)
    assert "✗ 52 of 62 printed figures hold, 10 do not" in text
    assert "\033[1;36m✗ params: \033[0mcomputed 9,472" in text
    assert text.count("undeclared") == 10


def test_a_failing_claim_on_the_whole_network_is_said_below_the_totals() -> None:
    text = written(summary_of("efficientnet-b1"), 0, 80)
    assert re.search(r"^claims .*\n +✗ #FLOPs: computed 686,802,832, printed 0\.70B: .* ¹$", text, re.M)


def test_where_another_network_has_the_name_one_line_says_so() -> None:
    text = written(summary_of("resnet50"), 0, None)
    assert "\nThis is the paper's network, with the stride on the 1×1; torchvision's has it on the 3×3" in text


def test_heads_stand_behind_the_total_and_are_counted_apart() -> None:
    lines = written(summary_of("googlenet", True), 0, 80).split("\n")
    names = [line.split("  ")[0] for line in lines]
    assert names.index("total") < names.index("aux (4a)") < names.index("total with heads")
    assert "13,378,280" in lines[names.index("total with heads")]


def test_every_number_says_what_it_is() -> None:
    text = written(replace(summary_of("vgg16", True), report=summary_of("vgg16").report), 0, 80)
    assert "FLOPs = 2 × MACs" in text
    assert not re.search(r"^.*\bFLOPs +(params|MACs|activ)", text, re.M)  # never a column
    for word in ("params", "MACs", "activation", "peak", "latency"):
        assert re.search(rf"^{word} +[a-z]", text, re.M), word
    assert "running statistics apart" in text
    assert "malloc pinned" in text


def test_batch_and_dtype_and_settings_are_named() -> None:
    model = archcalc.load("vgg16", settings={"classes": 10}, input=(3, 64, 64))
    text = written(model.summary(8, "float16"))
    assert "input 3×64×64 · batch 8 · float16 · classes = 10" in text
    assert "are for all 8 samples" in text
    assert "no printed figure to judge here" in text


@pytest.mark.parametrize(
    ("runs", "complete", "says"),
    [(5, True, "median of 5 runs"), (5, False, "stopped early, by --time-limit"), (1, False, ", one run")],
)
def test_a_measurement_says_how_many_runs_and_whether_all(runs: int, complete: bool, says: str) -> None:
    summary = summary_of("vgg16")
    text = written(replace(summary, measured=run_of(summary, runs, complete)), 0, 80)
    assert says in text
    assert complete is ("stopped early" not in text)


def test_text_is_plain_unless_color_is_asked_for() -> None:
    summary = summary_of("googlenet", True)
    plain, color = (written(summary, 1, 80, color=on) for on in (False, True))
    assert "\033" not in plain
    assert re.sub(r"\033\[[0-9;]*m", "", color) == plain
    assert {code for code in re.findall(r"\033\[([0-9;]*)m", color) if "3" in code} == {"36", "1;36"}  # one accent


# --- all forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", EVERY)
def test_json_keeps_its_contract(model: str) -> None:
    summary = summary_of(model, True)
    report, graph = summary.report, summary.report.graph
    found = json.loads(written(summary, form="json"))
    keys = list(found)
    heads = ["totals_with_heads"] if report.totals_with_heads else []
    heads += ["expected"] if any(node.op.word == "droppath" for node in graph.nodes) else []
    assert keys[: 14 + len(heads)] == [
        *["schema", "archcalc", "model", "family", "variant", "title", "cite", "spec", "input", "batch", "dtype"],
        *["totals", *heads, "layers", "measured"],
    ]
    assert (found["schema"], found["archcalc"], found["model"]) == (1, archcalc.__version__, model)
    active = ["active_params"] if report.totals.active_params != report.totals.params else []
    assert list(found["totals"]) == [*TOTAL_KEYS[:1], *active, *TOTAL_KEYS[1:], *TRAINING]
    training = train(report)
    assert [found["totals"][key] for key in TRAINING] == [training.peak_bytes, training.macs]
    assert found["training"]["saved_bytes"] == sum(layer["saved_bytes"] or 0 for layer in found["layers"])
    assert sum(found["training"]["saved_bytes_by_op"].values()) == training.saved_bytes
    assert found["training"]["macs"] == sum(x["macs"] + x["backward_macs"] for x in found["layers"] if "head" not in x)
    counts = report.totals.counts()
    assert {key: found["totals"][key] for key in (*TOTAL_KEYS[:-1], *active)} == {
        key: count for key, count in counts.items() if active or key != "active_params"
    }
    assert [layer["path"] for layer in found["layers"]] == [node.path for node in graph.nodes]
    for layer, counted in zip(found["layers"], report.layers, strict=True):
        head = ["head"] if counted.node.head else []
        assert [key for key in layer if key not in SOMETIMES] == [
            *LAYER_KEYS,
            *head,
            *(["shares"] if counted.node.shares is not None else []),
        ]
        assert {name: layer[name] for name in COUNTS} == {name: getattr(counted, name) for name in COUNTS}
        assert tuple(layer["inputs"]) == counted.node.inputs
        assert (layer["latency_ms"] is None) is bool(head)
        assert re.fullmatch(r"specs/[a-z0-9.-]+\.yaml:\d+:\d+", layer["where"])
        assert layer["label"]
    assert set(found["measured"]) >= {"device", "torch", "threads", "dtype", "runs", "complete", "latency_ms"}
    assert list(found["measured"]["latency_ms"]) == ["median", "iqr", "min", "max", "p90", "p99"]
    assert list(found["layers"][0]["latency_ms"]) == ["median", "iqr", "min", "max", "p90", "p99", "runs"]
    assert len(found["claims"]) == len(summary.judgements)


@pytest.mark.parametrize("name", ["text", "markdown"])
def test_a_training_step_is_shown_where_it_is_asked_for(name: str) -> None:
    plain = archcalc.load("resnet18").summary()
    assert "saved by op" not in written(plain, form=name)
    shown = " ".join(written(archcalc.load("resnet18").summary(optimizer="adam"), form=name).split())
    assert "with adam, at the peak in the optimiser's step" in shown
    assert "optimiser state 89.2 MiB" in shown  # 2 · 11,689,512 · 4 bytes and a step for each of 62 tensors
    assert "5.32 G MACs = 1.81 G forward + 3.51 G backward" in shown


def test_measured_memory_is_shown() -> None:
    memory = Memory(10 * 2**20, "conv", 12 * 2**20, 3 * 2**20, None)
    summary = summary_of("vgg16")
    summary = replace(summary, measured=replace(run_of(summary), memory=memory))
    shown = " ".join(written(summary, form="text").split())
    assert (
        "held 10.0 MiB of values at the peak; 12.0 MiB where callers hold inputs; "
        "3.00 MiB beside them inside ops and kernels" in shown
    )
    found = json.loads(written(summary, form="json"))["measured"]
    assert (found["peak_memory_bytes"], found["peak_memory_at"]) == (10 * 2**20, "conv")
    assert (found["workspace_bytes"], found["requested_bytes"]) == (3 * 2**20, None)


def test_json_without_a_measurement_says_null() -> None:
    found = json.loads(written(summary_of("vgg16"), form="json"))
    assert found["measured"] is None
    assert {layer["latency_ms"] for layer in found["layers"]} == {None}
    assert found["namesake"] is None


def test_a_claim_in_json_says_what_is_printed_computed_and_why() -> None:
    claims = json.loads(written(summary_of("googlenet"), form="json"))["claims"]
    wrong = next(claim for claim in claims if claim["verdict"] == "contradicts")
    assert (wrong["row"], wrong["figure"], wrong["metric"]) == ("convolution.1", "params", "params")
    assert (wrong["printed"], wrong["computed"], wrong["reading"]) == ("2.7K", 9472, "K = 1024")
    assert "2.7K" in wrong["erratum"]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("model", ["vgg16", "googlenet", "resnet50", "vit-b-16"])
def test_csv_and_json_hold_the_same_figures(model: str, depth: int) -> None:
    summary = summary_of(model, True)
    table = list(csv.DictReader(io.StringIO(written(summary, depth, form="csv"))))
    found = json.loads(written(summary, form="json"))
    by_path = {layer["path"]: layer for layer in found["layers"]}
    rows_of_table = [line for line in table if line["kind"] == "row"]
    assert [line["row"] for line in rows_of_table] == [row["name"] for row in found["rows"]]
    pairs = list(zip(rows_of_table, found["rows"], strict=True))
    pairs += [(line, by_path[line["path"]]) for line in table if line["kind"] == "op"]
    for line, other in pairs:
        assert {name: int(line[name]) for name in COUNTS} == {name: other[name] for name in COUNTS}
        assert line["output_shape"] == re.sub(r"\s", "", line["output_shape"]) or "×" in line["output_shape"]
        if other["latency_ms"]:
            assert float(line["latency_ms_median"]) == other["latency_ms"]["median"]


@pytest.mark.parametrize(("model", "depth"), EVERY_LOOK)
def test_markdown_is_one_table_with_the_figures_of_the_text(model: str, depth: int) -> None:
    summary = summary_of(model, True)
    text = written(summary, depth, form="markdown")
    table = [line for line in text.split("\n") if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table]
    assert len({len(line) for line in cells}) == 1
    assert len(table) == 2 + len(rows.table(summary, depth))
    for column in columns_of(summary):
        assert column.show is not None
        unit, shown = column.show([column.value(line) for line in rows.table(summary, depth)])
        at = [cell.strip() for cell in cells[0]].index(f"{column.heading} ({unit})" if unit else column.heading)
        assert [line[at].strip() for line in cells[2:]] == [markdown.escape(number.strip()) for number in shown]


def test_markdown_escapes_what_would_break_the_table() -> None:
    assert markdown.escape(r"a|b *c* <d> \e conv2_x _f_") == r"a\|b \*c\* \<d\> \\e conv2_x \_f\_"
    assert markdown.escape("[3×3,64; 3×3,64]×2") == r"\[3×3,64; 3×3,64]×2"  # `[c[]](x)` would be a link


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_with_one_line_end(name: str) -> None:
    text = written(summary_of("googlenet"), form=name)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_an_unknown_format_offers_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        known_format("markdwon")
    assert "`markdown`" in raised.value.render()


# --- the parts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("show", "values", "unit", "texts"),
    [
        (columns.exact, [1792, 0, 138357544], "", ["1,792", "0", "138,357,544"]),
        (columns.exact, [10**13, 0], "T", ["10", "0"]),
        (columns.decimal, [118013952, 1024000, 0], "M", ["118.0", "1.0", "0  "]),
        (columns.decimal, [1849688064, 4096000, 0], "G", ["1.850", "0.004", "0    "]),
        (columns.decimal, [1849688064, 40], "G", ["1.850", "<0.001"]),
        (columns.decimal, [0, 0], "", ["0", "0"]),
        (columns.decimal, [2_000_000, None], "M", ["2", ""]),
        (columns.binary, [12845056, 4000], "MiB", ["12.250", "0.004"]),
        (columns.binary, [512, 0], "B", ["512", "0"]),
        (columns.time, [0.05, 0.0123], "µs", ["50.0", "12.3"]),
        (columns.time, [21.214, 0.051], "ms", ["21.21", "0.05"]),
        (columns.time, [21.214, 0.004], "ms", ["21.21", "<0.01"]),
        (columns.time, [25_000.0], "s", ["25"]),
        (columns.percent, [12.04, 0.004, 0.0, None], "%", ["12.0", "<0.1", "0  ", ""]),
    ],
)
def test_a_column_has_one_unit(show: object, values: list[columns.Value], unit: str, texts: list[str]) -> None:
    assert show(values) == (unit, texts)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("one two", 7, ["one two"]),
        ("abcdefghij kl", 4, ["abcd", "efgh", "ij", "kl"]),
        ("入力層の名前", 5, ["入力", "層の", "名前"]),
        ("", 5, [""]),
    ],
)
def test_prose_is_broken_between_words(text: str, width: int, lines: list[str]) -> None:
    assert layout.wrap(text, width) == lines


def test_a_bar_is_as_long_as_the_share() -> None:
    assert layout.bar(100, 100, 10) == "█" * 10
    assert layout.bar(50, 100, 5) == "██▌"
    assert layout.bar(0.001, 100, 10) == "▏"
    assert layout.bar(0, 100, 10) == layout.bar(0, 0, 10) == ""


@pytest.mark.parametrize(("seconds", "text"), [(1.2, "0:01"), (35, "0:35"), (119.7, "2:00"), (3720, "1:02:00")])
def test_time_that_is_left(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_control_characters_of_a_spec_do_not_reach_the_terminal() -> None:
    summary = replace(summary_of("vgg16"), title="a\x1b[31m\nb", cite="c\x07", namesake="d\x1b")
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", written(summary, 0, 80))
