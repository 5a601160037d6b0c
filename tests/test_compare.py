"""Networks side by side, at many sizes, and the same figures in every form."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from array import array
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from archcalc import cli, networks
from archcalc import models as api
from archcalc.analysis.counts import analyse
from archcalc.analysis.receptive import ReceptiveFields
from archcalc.analysis.roofline import DEVICES, memory_traffic, network_intensity
from archcalc.errors import UsageError
from archcalc.graph import Input
from archcalc.language.expand import expand_model
from archcalc.language.zoo import at_input, resized
from archcalc.measurement.conditions import Conditions
from archcalc.measurement.latency import Interrupted, Measurement, Memory
from archcalc.measurement.runs import Run
from archcalc.measurement.runs import document as run_document
from archcalc.models import load
from archcalc.ops import Tokens
from archcalc.papers.accuracies import common, results
from archcalc.schemas import generate as schema
from archcalc.show import list as listing
from archcalc.show.compare import page
from archcalc.show.scale import page as scaled
from archcalc.show.writers import FORMATS, latex, write
from archcalc.tasks.compare import (
    BY,
    COMPARED,
    Compared,
    Comparison,
    ComparisonPlan,
    compare,
    gather,
    load_at,
    ratio_between,
    shares,
    side_by_side,
    stage_of,
    within_noise,
)  # fmt: skip
from archcalc.tasks.list import ModelList, list_models, systems_without_spec
from archcalc.tasks.scale import scale
from archcalc.tasks.space import counts, values
from archcalc.tasks.summary import Pick
from archcalc.units import as_typed
from tests.graphs import call, chain
from tests.test_render import written

ROOT = Path(__file__).resolve().parent.parent


def compared(*names: str) -> Comparison:
    return compare(*names)


# --- what is compared -------------------------------------------------------------------------------------------------

# Of each model what torchvision's documentation or its paper says; memory and bytes by hand in other tests.
KNOWN = {"vgg16": (138357544, 15470264320, 16, 212), "resnet50": (25557032, 3857973248, 50, 483)}


def test_figures_and_ratios() -> None:
    found = compared("vgg16", "resnet50")
    by_key = {metric.key: metric for metric in found.metrics}
    for model in found.models:
        params, macs, layers, field = KNOWN[model.name]
        assert by_key["params"].of(model) == params
        assert by_key["macs"].of(model) == macs
        assert by_key["flops"].of(model) == 2 * macs
        assert by_key["weight_layers"].of(model) == layers
        assert by_key["receptive_field"].of(model) == field
    assert found.ratio(found.models[0], by_key["params"]) == 1
    assert found.ratio(found.models[1], by_key["params"]) == pytest.approx(25557032 / 138357544)
    assert [model.name for model in found.best(by_key["macs"])] == ["resnet50"]
    assert found.best(by_key["weight_layers"]) == ()  # deeper is neither better nor worse
    assert found.ratio(found.models[1], by_key["accuracy"]) is None  # two percentages have no ratio


def test_what_is_beaten_in_everything_is_not_pareto_optimal() -> None:
    found = compared("vgg16", "resnet50", "efficientnet-b0", "mobilenetv1")
    figures = {m.name: [metric.of(m) or 0 for metric in found.pareto_metrics] for m in found.models}
    names = {model.name for model in found.pareto}
    for name, own in figures.items():
        beaten = any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in figures.values()
        )
        assert (name in names) is not beaten
    assert "vgg16" not in names


def test_one_model_is_no_comparison() -> None:
    with pytest.raises(UsageError, match="at least two models"):
        compared("vgg16")


@pytest.mark.parametrize(
    ("typed", "name", "size"),
    [
        ("resnet50@256", "resnet50", (256,)),
        ("resnet50@256x320", "resnet50", (256, 320)),
        ("./a@b.yaml:wide@3×64×96", "./a@b.yaml:wide", (3, 64, 96)),
        ("./me@home.yaml", "./me@home.yaml", None),
        ("dit-s-4@latent=64,time=128", "dit-s-4", {"latent": (64,), "time": (128,)}),
        ("dit-s-4@64,time=128", "dit-s-4@64,time=128", None),
        ("vgg:D", "vgg:D", None),
    ],
)
def test_a_model_at_an_input(typed: str, name: str, size: Input | None) -> None:
    assert at_input(typed) == (name, size)


def test_an_input_keeps_its_channels() -> None:
    assert resized((3, 224, 224), (256,)) == (3, 256, 256)
    with pytest.raises(UsageError, match="channels first") as caught:
        resized((3, 16, 112, 112), (8, 64, 64))
    assert caught.value.hint == "Write `3x8x64x64`."
    assert resized((3, 224, 224), (1, 32, 32)) == (1, 32, 32)
    assert resized((50,), (60,)) == (60,)
    with pytest.raises(UsageError):
        resized((3, 224, 224), (1, 2, 3, 4))
    assert load_at("resnet50@256").input == (3, 256, 256)


def test_stages_are_aligned_by_resolution() -> None:
    assert stage_of((64, 112, 112), (3, 224, 224)) == (1, "1/2")
    assert stage_of((64, 128, 128), (3, 256, 256)) == (1, "1/2")
    assert stage_of((192, 35, 35), (3, 299, 299))[1] == "1/8"  # without padding: 299 / 35 = 8.5
    assert stage_of(Tokens((197, 768)), (3, 224, 224))[1] == "tokens"
    assert stage_of((1000,), (3, 224, 224))[1] == "vector"


@pytest.mark.parametrize("by", ["stage", "row", "op"])
def test_shares_add_up(by: str) -> None:
    found = compared("resnet50", "vit-b-16@256")
    shared = shares(found, by)
    for n, model in enumerate(found.models):
        assert sum(share.params[n] or 0 for share in shared) == model.totals.params
        assert sum(share.macs[n] or 0 for share in shared) == model.totals.macs
        assert sum(share.activation_bytes[n] or 0 for share in shared) == model.totals.activation_bytes


def test_the_last_map() -> None:
    graph = load("vgg16").graph
    assert graph.nodes[ReceptiveFields(graph).last_map].shape == (512, 7, 7)


# --- bytes moved, devices, live memory --------------------------------------------------------------------------------


def test_bytes_moved_by_hand() -> None:
    """3·8·8 read, 4·3·9 + 4 parameters, 4·8·8 written; relu in place reads and writes; a flatten moves nothing."""
    graph = chain((3, 8, 8), call("conv", out=4, kernel=3), call("relu"), call("flatten"), call("linear", out=10))
    assert memory_traffic(analyse(graph)) == (4 * (192 + 112 + 256), 4 * 512, 0, 4 * (256 + 2570 + 10))
    doubled = memory_traffic(analyse(graph, 2))
    assert doubled[0] == 4 * (2 * 192 + 112 + 2 * 256)
    report = analyse(graph)
    assert network_intensity(report) == pytest.approx(report.totals.flops / sum(memory_traffic(report)))


def test_data_sheets() -> None:
    """A100 80 GB: 19.5 TFLOP/s in 32 bits, 312 in 16 on tensor cores, 2,039 GB/s."""
    sheet = DEVICES["a100"]
    assert (sheet.peak("float32"), sheet.peak("bfloat16"), sheet.bandwidth) == (19.5e12, 312e12, 2.039e12)
    assert sheet.peak("float32") / sheet.bandwidth == pytest.approx(9.563, abs=1e-3)


@pytest.mark.parametrize("model", ["vgg16", "googlenet", "densenet121"])
def test_live_memory_peaks_where_the_totals_say(model: str) -> None:
    report = load(model).report()
    start, *live = report.live_bytes()
    assert max(start, *live) == report.totals.peak_memory_bytes
    assert start == 3 * 224 * 224 * 4


# --- printed results --------------------------------------------------------------------------------------------------


def test_results_are_of_models_and_of_one_setting() -> None:
    from archcalc.language.zoo import model_names

    known = set(model_names())
    assert {result.model for result in results()} <= known
    found = common(["resnet50-v1.5", "resnet152", "densenet169", "efficientnet-b0", "vgg16"])
    assert [result.model for result in found] == ["resnet50-v1.5", "resnet152", "densenet169", "efficientnet-b0"]
    assert len({result.source for result in found}) == 1
    assert [result.printed for result in found] == ["76.0%", "77.8%", "76.2%", "77.1%"]
    errors = [r for r in results() if r.model == "resnet152" and r.figure == "top-5 error" and r.printed == "5.71"]
    assert errors[0].accuracy == pytest.approx(94.29)


# --- scale ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("128..224/32", (128, 160, 192, 224)),
        ("1,8", (1, 8)),
        ("1..3", (1, 2, 3)),
        ("0.5..2/0.5", (Fraction(1, 2), 1, Fraction(3, 2), 2)),
        ("8..9/2,32", (8, 32)),
        ("8..100*2,3", (8, 16, 32, 64, 3)),
    ],
)
def test_ranges(text: str, found: tuple[Fraction, ...]) -> None:
    assert values(text, "--input") == found


@pytest.mark.parametrize(
    "text", ["", "a", "9..1", "1..2/0", "1..2/-1", "8/2", "1..1000000000", "1..2*1", "0..8*2", "8*2"]
)
def test_bad_ranges(text: str) -> None:
    with pytest.raises(UsageError):
        values(text, "--input")


def test_counts_are_whole() -> None:
    with pytest.raises(UsageError):
        counts("1.5", "--batch")
    with pytest.raises(UsageError):
        scale("vgg16", batches=range(1, 100), settings={"classes": range(1, 101)})


def test_every_point_is_the_network_itself() -> None:
    points = scale("efficientnet-b0", inputs=[64, 96, 128], batches=[1, 3], settings={"width": ["1", "1.1"]}).points
    assert len(points) == 3 * 2 * 2
    for point in points:
        alone = load("efficientnet-b0", input=point.input, settings=point.settings).report(point.batch)
        assert point.report.totals == alone.totals
    one, three = (p.report.totals for p in points[:4:2])
    assert three.macs == 3 * one.macs


SKIP = "input: 1 × 7 × 7\nlayers:\n  - x: relu\n  - y: maxpool(2) upsample(2)\n  - add: [x, y]\n"
SMALL = "input: c × 8 × 8\ngiven: {c: 3, width: 2}\nlayers:\n  - conv(10*width, 3)\n"


@pytest.fixture
def skip(tmp_path: Path) -> str:
    """A spec that builds at even sides alone, and not at the side that it prints."""
    (tmp_path / "m.yaml").write_text(SKIP, encoding="utf-8")
    return f"{tmp_path}/m.yaml"


def test_the_points_that_build_are_shown_and_the_others_named(skip: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = scale(skip, inputs=[8, 9, 16], batches=[1, 2])
    assert [point.input for point in found.points] == [(1, 8, 8), (1, 8, 8), (1, 16, 16), (1, 16, 16)]
    assert [(failed.input, failed.error.message) for failed in found.unbuilt] == [
        ((1, 9, 9), "the branches of `add` do not fit: 1×9×9 and 1×8×8")
    ]
    assert cli._run(["scale", skip, "--input", "8,9,16", "--format", "json"]) == 0
    written = capsys.readouterr()
    assert written.err == "1×9×9 does not build and is left out\n"
    document = json.loads(written.out)
    Draft202012Validator(schema.SCHEMAS["scale"]()).validate(document)
    assert [point["input"] for point in document["points"]] == [[1, 8, 8], [1, 16, 16]]
    assert document["unbuilt"][0]["input"] == [1, 9, 9]
    assert document["unbuilt"][0]["where"].endswith("m.yaml:5:5")
    text = write(scaled(found), "text")
    assert "1×9×9 does not build: the branches of add do not fit" in text.replace("`", "")


def test_where_no_point_builds_the_first_says_why(skip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["scale", skip, "--input", "9,11"]) == 2
    error = capsys.readouterr().err
    assert "1×9×9 and 1×8×8" in error
    assert "in `m` at input 1×9×9" in error
    assert cli._run(["scale", skip, "--input", "3x9x9x9"]) == 2
    assert "an input of 3 axes cannot have the size 3×9×9×9" in capsys.readouterr().err


def test_a_comparison_builds_only_what_is_asked_for(skip: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(f"{skip}@8", f"{skip}@10")
    assert [model.summary.report.graph.inputs[0][1] for model in found.models] == [(1, 8, 8), (1, 10, 10)]
    assert cli._run(["compare", f"{skip}@8", f"{skip}@9"]) == 2
    assert "at input 1×9×9" in capsys.readouterr().err


def test_an_input_follows_its_settings_and_nothing_is_built_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.yaml").write_text(SMALL, encoding="utf-8")
    built: list[tuple[int, ...] | None] = []

    def counted(selection: Any, **given: Any) -> Any:
        built.append(given["input"])
        return expand_model(selection, **given)

    monkeypatch.setattr(networks, "expand_model", counted)
    assert networks.input_of(tmp_path / "m.yaml", (5,), {"c": 4}) == (4, 5, 5)
    assert not built
    found = scale(f"{tmp_path}/m.yaml", inputs=[5, 6], batches=[1, 2, 3], settings={"c": [1, 4], "width": ["4.3"]})
    # each once, and for each setting the printed one, beside which others may be another network
    assert built == [(1, 5, 5), (4, 5, 5), (1, 6, 6), (4, 6, 6), None, None]
    assert len(found.points) == 12
    assert networks.Networks().report("vgg16", (64,)).graph.inputs[0][1] == (3, 64, 64)
    assert built[6:] == [(3, 64, 64)]


def test_a_setting_is_echoed_as_it_was_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.yaml").write_text(SMALL, encoding="utf-8")
    assert cli._run(["summary", f"{tmp_path}/m.yaml", "--static", "--set", "width=4.3"]) == 0
    assert "width = 4.3" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["3", "4.3", "1/3", "-0.125", "0.001", "5/6", "123456789.123456789", "-2"])
def test_numbers_as_they_are_typed(typed: str) -> None:
    assert as_typed(Fraction(typed)) == typed


def test_too_many_numbers_are_refused_as_such() -> None:
    with pytest.raises(UsageError, match="more than 2,000 numbers"):
        values("1..5000", "--batch")


# --- the same figures in every form -----------------------------------------------------------------------------------


class Cells(HTMLParser):
    """The cells of a page's tables: their texts, and their exact values where they have some."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, str | None]]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("td", "th")
        if self.inside:
            self.rows[-1].append(("", dict(attrs).get("data-v")))

    def handle_endtag(self, tag: str) -> None:
        self.inside = False if tag in ("td", "th") else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside:
            text, value = self.rows[-1][-1]
            self.rows[-1][-1] = (text + data, value)


MODELS = ("vgg16", "googlenet", "efficientnet-b0")


@pytest.mark.parametrize("model", MODELS)
def test_a_summary_in_every_form(model: str) -> None:
    summary = load(model).summary()
    rows = [span for span in summary.report.graph.rows if not span.head]
    expected = [(summary.report.subtotal(span).params, summary.report.subtotal(span).macs) for span in rows]
    raw = Pick(columns=("params", "macs"), raw=True)
    made = {form: written(summary, form=form, pick=raw) for form in FORMATS}
    entries = json.loads(made["json"])["rows"]
    assert [(row["params"], row["macs"]) for row in entries if "head" not in row] == expected
    lines = list(csv.DictReader(io.StringIO(made["csv"])))
    assert [(int(line["params"]), int(line["macs"])) for line in lines][: len(rows)] == expected
    for form, cell in (("markdown", r"\| (\d+) \| (\d+) \|"), ("latex", r"& (\d+) & (\d+) &")):
        found = [(int(a), int(b)) for a, b in re.findall(cell, made[form])]
        assert found[: len(rows)] == expected
    page = Cells()
    page.feed(made["html"])
    cells = [[value for _, value in row if value is not None] for row in page.rows]
    assert [(int(row[0]), int(row[1])) for row in cells if len(row) > 1][: len(rows)] == expected
    for params, macs in expected:
        assert re.search(rf"\b{params}\b.*\b{macs}\b", made["text"])


def test_a_comparison_in_every_form() -> None:
    found = compared(*MODELS)
    exact = {m.name: {metric.key: metric.of(m) for metric in COMPARED if metric.unit == "count"} for m in found.models}
    document = json.loads(write(page(found), "json"))
    assert set(document) >= {"schema", "models", "pareto"}
    assert document["pareto"] == [model.name for model in found.pareto]
    for entry in document["models"]:
        assert set(entry) >= {"name", "totals", "measured", "ratios"}
        totals = {"active_params": entry["totals"]["params"]} | entry["totals"]  # said where it is another number
        assert {key: totals[key] for key in exact[entry["name"]]} == exact[entry["name"]]
    for line in csv.DictReader(io.StringIO(write(page(found), "csv"))):
        line = {"active_params": line["params"]} | line
        assert {key: int(line[key]) for key in exact[line["name"]]} == exact[line["name"]]
    for form in ("text", "markdown", "latex", "html"):
        text = write(page(found, raw=True), form)
        for figures in exact.values():
            assert all(str(value) in text for value in figures.values())


def test_sizes_in_every_form() -> None:
    found = scale("vgg16", inputs=[64, 96])
    for form in FORMATS:
        text = write(scaled(found, raw=True), form)
        assert all(str(point.report.totals.macs) in text for point in found.points)


def test_what_is_not_shown_is_not_explained(capsys: pytest.CaptureFixture[str]) -> None:
    def said(columns: str) -> list[str]:
        assert cli._run(["compare", "resnet50", "vgg16", "--columns", columns]) == 0
        out = capsys.readouterr().out
        return [word for word in ("Pareto-optimal in", "as printed for") if word in out]

    assert said("params") == []
    assert said("accuracy") == ["as printed for"]
    assert said("params,macs,peak_memory,accuracy") == ["Pareto-optimal in", "as printed for"]


def test_columns_are_chosen_everywhere() -> None:
    summary = load("vgg16").summary()
    line = written(summary, form="csv", pick=Pick(columns=("params", "receptive_field_max"))).splitlines()[18]
    assert line == "maxpool.5,maxpool,0,212"
    assert "∞" in written(summary, form="text", pick=Pick(columns=("receptive_field",)))
    with pytest.raises(UsageError, match="there is no column"):
        written(summary, form="text", pick=Pick(columns=("parms",)))


def test_html_needs_no_network_and_escapes() -> None:
    text = written(load("resnet50").summary(), form="html")
    assert not re.search("https?:", re.sub(r"http://www.w3.org\S*", "", text))
    assert "<script>" in text
    assert "prefers-color-scheme: dark" in text


def test_latex_escapes() -> None:
    assert latex.escape("a_b & 50% #1 {x} 3×3") == r"a\_b \& 50\% \#1 \{x\} 3$\times$3"
    text = written(load("googlenet").summary(), form="latex")
    assert text.count(r"\begin{") == text.count(r"\end{")
    assert all(sign.isascii() or sign.isalpha() for sign in text)


@pytest.mark.parametrize("command", [["compare", "vgg16", "resnet50"], ["scale", "vgg16", "--input", "64"]])
def test_static_commands_load_nothing_heavy(command: list[str]) -> None:
    program = (
        "import sys\nfrom archcalc import cli\n"
        f"try: cli.main({command!r})\n"
        "except SystemExit as done: assert not done.code\n"
        "assert not {'torch', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_frame_and_a_notebook() -> None:
    model = load("vgg16")
    frame = model.frame()
    assert int(frame["params"].sum()) == model.totals.params
    assert int(frame["macs"].sum()) == model.totals.macs
    assert len(model.frame(depth=3)) > len(frame)
    assert "<table>" in model._repr_html_()
    assert "<script" not in model._repr_html_()


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
def test_a_list_has_the_systems_without_a_spec(form: str) -> None:
    systems, word = tuple(systems_without_spec("clarifai")), "Known only by what documents print"
    assert systems
    both = write(listing.page(replace(list_models("vgg16"), systems=systems)), form)
    assert "vgg16" in both
    assert word in both
    for text in (both, write(listing.page(ModelList((), systems)), form)):
        assert all(system.name.value in text for system in systems)
    assert word not in write(listing.page(list_models("vgg16")), form)


# --- what was measured ------------------------------------------------------------------------------------------------


def timed(model: str, level: float, runs: int = 20, wide: float = 0.01) -> Compared:
    """A model with whole runs around `level` ms, evenly from −`wide` to `wide`."""
    samples = [level * (1 + wide * (2 * n / (runs - 1) - 1)) for n in range(runs)]
    (found,) = gather([model], ComparisonPlan(optimizer="sgd")).models
    main = found.summary.report.graph.main
    rows = tuple(array("d", [one / main for one in samples]) for _ in range(main))
    memory = Memory(1000, "there", 1200, 500, None)
    run = Measurement("cpu", "A processor", "2.13.0", 2, "float32", 1, array("d", samples), rows, memory=memory)
    return replace(found, summary=replace(found.summary, measured=run))


def test_a_ratio_of_what_was_measured_says_how_sure_it_is() -> None:
    """20 samples: the interval is from the 6th to the 15th (Dixon & Massey), 2·5/19 − 1 and 2·14/19 − 1 of `wide`."""
    found = side_by_side([timed("lenet5", 10), timed("alexnet", 20)])
    latency, throughput = (next(m for m in found.metrics if m.key == key) for key in ("latency_ms", "throughput"))
    low, high = 1 - 0.01 * 9 / 19, 1 + 0.01 * 9 / 19
    assert found.ratio(found.models[1], latency) == pytest.approx(2)
    assert ratio_between(found.models[1], found.models[0], latency) == pytest.approx((2 * low / high, 2 * high / low))
    assert ratio_between(found.models[1], found.models[0], throughput) == pytest.approx(
        (low / high / 2, high / low / 2)
    )
    assert [model.name for model in found.best(latency)] == ["lenet5"]
    assert found.models[0].summary.measured is not None
    memory = next(m for m in found.metrics if m.key == "measured_memory_bytes")
    assert memory.of(found.models[0]) == 1500


@pytest.mark.parametrize(("other", "runs"), [(timed("alexnet", 10.04), 20), (timed("alexnet", 20, runs=5), 5)])
def test_what_is_within_the_noise_is_no_better(other: Compared, runs: int) -> None:
    found = side_by_side([timed("lenet5", 10), other])
    latency = next(m for m in found.metrics if m.key == "latency_ms")
    assert within_noise(found.models[1], found.models[0], latency)
    assert found.better(latency, found.models[0], found.models[1]) == 0
    assert found.best(latency) == ()
    text = write(page(found), "text")
    assert ("within the noise" if runs == 20 else "too few runs to tell") in text
    intervals = json.loads(write(page(found), "json"))["models"][1]["ratio_intervals"]["latency_ms"]
    assert intervals is None if runs == 5 else intervals["within_noise"]


def test_noise_decides_nothing_about_pareto() -> None:
    """The same network twice, the second a little slower within the noise: neither beats the other."""
    twice = side_by_side([timed("lenet5", 10), timed("lenet5", 10.04)])
    assert len(twice.pareto) == 2
    apart = side_by_side([timed("lenet5", 10), timed("lenet5", 11)])
    assert apart.pareto == (apart.models[0],)


def test_runs_under_other_conditions_are_not_compared() -> None:
    one, other = timed("lenet5", 10), timed("alexnet", 20)
    assert other.summary.measured is not None
    threads = replace(other, summary=replace(other.summary, measured=replace(other.summary.measured, threads=4)))
    with pytest.raises(UsageError, match="threads was 2, now it is 4"):
        side_by_side([one, threads])


COMPARE = Draft202012Validator(schema.SCHEMAS["compare"]())


def test_the_json_of_a_comparison_is_valid() -> None:
    measured, counted = (
        side_by_side([timed("lenet5", 10), timed("alexnet", 20)], in_turn=True),
        compared("vgg16", "vit-b-16"),
    )
    documents = {
        "measured": json.loads(write(page(measured), "json")),
        "counted": json.loads(write(page(counted), "json")),
        **{by: json.loads(write(page(counted, shared=shares(counted, by), by=by), "json")) for by in BY},
    }
    for name, document in documents.items():
        assert not [error.message[:200] for error in COMPARE.iter_errors(document)], name
    second = documents["measured"]["models"][1]
    assert second["measured"]["latency_ms"]["median"] == pytest.approx(20)
    assert second["ratios"]["latency_ms"] == pytest.approx(2)
    assert set(second["ratio_intervals"]["latency_ms"]) == {"low", "high", "within_noise"}
    assert "latency_ms" not in second["totals"]
    assert second["totals"]["training_memory_bytes"] == load("alexnet").training().peak_bytes
    assert documents["counted"]["models"][0]["measured"] is None
    bends: list[dict[str, list[Any]]] = [{"models": []}, {"pareto_by": [3]}]
    for bent in bends:
        assert not COMPARE.is_valid({**documents["measured"], **bent})


def test_measured_figures_in_every_form() -> None:
    found = side_by_side([timed("lenet5", 10), timed("alexnet", 20)], in_turn=True)
    for form in ("text", "markdown", "latex", "html"):
        text = " ".join(write(page(found), form).split())
        assert "in turn (lenet5 alexnet" in text
        assert "A processor, 2 threads" in text
    line = list(csv.DictReader(io.StringIO(write(page(found), "csv"))))[1]
    assert float(line["latency_ms"]) == pytest.approx(20)
    assert float(line["latency_ms_ratio"]) == pytest.approx(2)


# --- the command ------------------------------------------------------------------------------------------------------


def command(*arguments: str) -> int:
    return cli._run(["compare", *arguments])


def save(path: Path, model: str, level: float, **changes: Any) -> str:
    """A saved run of a model, every layer alike but for a little noise."""
    built, run = load(model), timed(model, level).summary.measured
    assert run is not None
    found = Run.of(built.graph, [replace(run, **changes)], built.name, built.spec, {})
    path.write_text(json.dumps(run_document(found)), encoding="utf-8")
    return str(path)


def test_networks_are_measured_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    """Live, on two tiny networks."""
    tiny = ["lenet5", "mobilenetv1@32", "--threads", "1", "--time-limit", "0.5"]
    assert command(*tiny, "--cpu", "--batch", "2", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert not [error.message[:200] for error in COMPARE.iter_errors(document)]
    first, second = (model["measured"] for model in document["models"])
    assert first["runs"] == second["runs"]
    assert first["batch"] == second["batch"] == 2
    assert document["models"][1]["ratios"]["latency_ms"] == pytest.approx(
        second["latency_ms"]["median"] / first["latency_ms"]["median"], rel=1e-3
    )
    assert "latency_ms" in document["pareto_by"]
    assert command(*tiny, "--device", "cpu", "--train", "--batch", "2") == 0
    assert "training: forward and backward pass" in " ".join(capsys.readouterr().out.split())


def test_options_get_through(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], Conditions]] = []

    def measure(models: list[api.Model], conditions: Conditions, tick: object) -> tuple[Measurement, ...]:
        assert tick is None
        seen.append(([model.name for model in models], conditions))
        runs = [timed(model.name, 10).summary.measured for model in models]
        return tuple(run for run in runs if run is not None)

    monkeypatch.setattr(api, "measure_in_turn", measure)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    options = ["--device", "cuda:1", "--dtype", "bfloat16", "--batch", "8", "--threads", "3", "--time-limit", "7"]
    assert command("lenet5", "alexnet", *options, "--train", "--optimizer", "adam", "-o", "/dev/null") == 0
    ((names, found),) = seen
    assert names == ["lenet5", "alexnet"]
    assert found == Conditions(batch=8, dtype="bfloat16", device="cuda:1", training=True, threads=3, time_limit=7.0)


def test_ctrl_c_shows_what_was_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measure(models: list[api.Model], conditions: Conditions, tick: object) -> tuple[Measurement, ...]:
        runs = [timed(model.name, 10).summary.measured for model in models]
        raise Interrupted(*(replace(run, stopped="interrupted") for run in runs if run is not None))

    monkeypatch.setattr(api, "measure_in_turn", measure)
    assert command("lenet5", "alexnet", "--cpu") == 130
    assert "lenet5: interrupted: this is what was measured so far" in " ".join(capsys.readouterr().out.split())


def run_json(path: str, target: Path, runs: int) -> str:
    """A saved run with its first runs only."""
    found = json.loads(Path(path).read_text())
    for one in found["measurements"]:
        samples = one["samples_ms"]
        samples["whole"] = samples["whole"][:runs]
        samples["layers"] = [row[:runs] for row in samples["layers"]]
    target.write_text(json.dumps(found))
    return str(target)


def test_two_saved_runs_of_one_network_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = save(tmp_path / "old.json", "lenet5", 10), save(tmp_path / "new.json", "lenet5", 15)
    assert command(old, new) == 0
    layers = load("lenet5").graph.main
    assert f"{layers} of {layers} layers slower beyond the noise" in " ".join(capsys.readouterr().out.split())
    assert command(old, new, "--fail-on-regression") == 1
    assert command(old, new, "--fail-on-regression", "--tolerance", "60") == 0
    assert command(new, old, "--fail-on-regression") == 0, "faster is no regression"
    few = [run_json(path, tmp_path / f"few{at}.json", 3) for at, path in enumerate((old, old))]
    assert command(*few, "--fail-on-regression") == 3
    assert "too few runs to tell: 3 before and 3 now" in " ".join(capsys.readouterr().out.split())
    capsys.readouterr()
    for form in FORMATS:
        assert command(old, new, "--format", form) == 0
        text = capsys.readouterr().out
        assert "slower" in text
        if form == "json":
            document = json.loads(text)
            assert not [error.message[:200] for error in COMPARE.iter_errors(document)]
            assert document["comparison"][0]["whole"]["ratio"] == pytest.approx(1.5)


def test_a_saved_run_beside_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "run.json", "lenet5", 10)
    other = save(tmp_path / "other.json", "alexnet", 20)
    assert command(path, "alexnet", "--format", "json") == 0
    first, second = json.loads(capsys.readouterr().out)["models"]
    assert first["totals"]["params"] == load("lenet5").totals.params
    assert first["measured"]["latency_ms"]["median"] == pytest.approx(10)
    assert second["measured"] is None
    assert command(path, other, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["models"][1]["ratios"]["latency_ms"] == pytest.approx(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "alexnet", "--cpu"], "run.json` is measured already"),
        (["{run}", "alexnet", "--batch", "4"], "measured no batch of 4"),
        (["{run}", "alexnet", "--set", "classes=10"], "a saved run is of one as it was"),
        (["{run}", "{threads}"], "threads was 2, now it is 4"),
        (["{run}", "none.json"], "there is no file `none.json`"),
        (["{bent}", "alexnet"], "a run of another network than `lenet5` is now"),
        (["lenet5", "alexnet", "--fail-on-regression"], "needs two saved runs of one network"),
        (["lenet5", "alexnet", "--cpu", "--gpu"], "one of the two"),
        (["lenet5", "alexnet", "--optimizer", "adam"], "`--train`"),
        (["lenet5", "--cpu"], "at least two models"),
    ],
)
def test_what_cannot_be_compared(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"run": save(tmp_path / "run.json", "lenet5", 10)}
    paths["threads"] = save(tmp_path / "threads.json", "alexnet", 20, threads=4)
    bent = json.loads(Path(paths["run"]).read_text())
    bent["layers"][0]["path"] = "another"
    (tmp_path / "bent.json").write_text(json.dumps(bent))
    paths["bent"] = str(tmp_path / "bent.json")
    assert command(*(argument.format(**paths) for argument in arguments)) == 2
    assert message in capsys.readouterr().err


def test_no_gpu_is_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command("lenet5", "alexnet", "--gpu") == 3
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_networks_of_files_go_by_their_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where people see them; not where two are called so, or one of the zoo is, nor in JSON and csv."""
    monkeypatch.chdir(tmp_path)
    for file in ("mine.yaml", "one/yours.yaml", "two/yours.yaml", "vgg16.yaml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("input: 3 × 8 × 8\nlayers: [conv(4, 3) relu, gap linear(2)]\n", encoding="utf-8")
    asked = ["compare", "mine.yaml@16", "one/yours.yaml", "lenet5", "--columns", "params"]
    assert cli._run([*asked, "--format", "latex"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^    (\S+) &", text, re.MULTILINE)[-3:] == ["mine@16", "yours", "lenet5"]
    assert ".yaml" not in text
    for form in ("json", "csv"):
        assert cli._run([*asked, "--format", form]) == 0
        assert "mine.yaml@16" in capsys.readouterr().out
    files = ["mine.yaml", "one/yours.yaml", "two/yours.yaml", "vgg16.yaml"]
    assert cli._run(["compare", *files, "--columns", "params", "--format", "markdown"]) == 0
    assert re.findall(r"^\| (\S+) \|", capsys.readouterr().out, re.MULTILINE)[2:] == ["mine", *files[1:]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("compare vgg16 lenet5 --columns params,latency", "`latency_ms` needs a measurement, and none was made"),
        ("compare unet lenet5 --columns acc", "`accuracy` is known of none of these networks"),
        ("summary lenet5 --static --columns latency", "`latency_ms_median` needs a measurement"),
        ("scale lenet5 --batch 1,2 --columns latency", "`latency_ms` needs a measurement"),
    ],
)
@pytest.mark.parametrize("form", ["text", "csv", "json", "latex"])
def test_a_column_that_holds_nothing_is_an_error(
    line: str, said: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run([*line.split(), "--format", form]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert said in err


def test_shares_stand_beside_what_they_are_of(capsys: pytest.CaptureFixture[str]) -> None:
    for columns, there in (("params", False), ("params,macs", True)):
        assert cli._run(["summary", "lenet5", "--static", "--columns", columns]) == 0
        assert ("% of MACs" in capsys.readouterr().out) is there
