"""Which networks are meant, which are kept, and in which order: families, patterns, files, bounds; and what somebody
reports for them."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from archcalc import cli
from archcalc import models as api
from archcalc.bounds import read_where
from archcalc.errors import ArchcalcError, Source, SpecError, Text
from archcalc.language.columns import CLAIM_METRICS
from archcalc.language.metrics import TAKEN, declared
from archcalc.language.zoo import all_of, models_of
from archcalc.models import load
from archcalc.papers.results import read_results
from archcalc.tasks.choose import read_choice
from archcalc.tasks.compare import COMPARED, compare
from archcalc.tasks.list import list_models

UNITS = {"params": "", "macs": "", "peak_memory_bytes": "bytes", "latency_ms": "ms", "top-1": "%", "mAP": "%"}
NET = """
input: 3 × 8 × 8
variants: [narrow, wide]
models: {net-narrow: narrow, net-wide: wide}
metrics: {wit: {better: higher}, latency on a toaster: {unit: s, better: lower}}
columns: {Acc.: =top-1, params: =params}
reported:
  - from: Table 1
    table: |
      model      | Acc. | wit  | params
      net-narrow | 61.0 | 3    | 112
      wide       | 70.5 |      | 224
  - from: Table 2
    table: |
      figure               | wide
      perplexity           | 8.25
      latency on a toaster | 3 s
layers:
  table: |
    narrow    | wide
    conv 4    | conv 8
notation: {'conv {c}': 'conv(c, 3)'}
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli._run([*arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A spec of two networks that reports results, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(NET, encoding="utf-8")
    return "net.yaml"


# --- the grammar --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("params < 30M", [("params", "<", 30_000_000)]),
        ("params <= 25,557,032", [("params", "<=", 25_557_032)]),
        ("macs in 360M..440M", [("macs", ">=", 360_000_000), ("macs", "<=", 440_000_000)]),
        ("par≤8M and  peak >= 64MiB", [("params", "≤", 8_000_000), ("peak_memory_bytes", ">=", 64 << 20)]),
        ("peak_memory_bytes > 1kB", [("peak_memory_bytes", ">", 1000)]),
        ("latency < 1.5s", [("latency_ms", "<", 1500)]),
        ("latency_ms <= 20", [("latency_ms", "<=", 20)]),
        ("latency <= 250µs", [("latency_ms", "<=", Fraction(1, 4))]),
        ("top-1 >= 76.1 %", [("top-1", ">=", Fraction("76.1"))]),
        ("map > 40", [("mAP", ">", 40)]),
    ],
)
def test_bounds(text: str, bounds: list[tuple[str, str, Fraction]]) -> None:
    assert [(b.quantity, b.comparison, b.limit) for b in read_where(text, UNITS)] == bounds


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("prams < 1", 1, "Did you mean `params`?"),
        ("beauty < 1", 1, "Known here: params, macs, peak_memory_bytes"),
        ("macs < 1 and p < 1", 14, "`p` may be `params` or `peak_memory_bytes`"),
        ("params", 1, "is not a bound"),
        ("params = 3", 1, "is not a bound"),
        ("params < much", 10, "`much` is no number"),
        ("params < -3", 10, "no number"),
        ("peak < 3 acres", 8, "is no number of bytes"),
        ("latency < 3 MiB", 11, "is no time"),
        ("macs in 3", 9, "is no range"),
        ("macs in 3..", 12, "is no number"),
        ("macs in 3..2", 9, "ends below its start"),
        ("macs < 1 and", 8, "no number"),
        ("macs < 1 or params < 1", 10, "joins no bounds"),
        (" and ".join(["macs < 1"] * 40), 1, "at most 300 characters"),
        ("__import__('os') < 1", 1, "nothing that is known"),
    ],
)
def test_a_bad_bound_is_shown_where_it_stands(text: str, place: int, says: str) -> None:
    with pytest.raises(ArchcalcError) as caught:
        read_where(text, UNITS)
    assert f"--where:1:{place}\n" in caught.value.render()
    assert says in caught.value.render()


def test_what_is_not_known_keeps_no_bound_and_stands_last() -> None:
    records: list[dict[str, int | None]] = [{"macs": 1}, {"macs": None}, {"macs": 3}, {"macs": 2}]

    def of(where: str, sort: str, top: int | None) -> list[int | None]:
        choice = read_choice(where, sort, top, UNITS)
        return [record["macs"] for record in choice.of(records, dict[str, int | None].__getitem__)]

    assert of("", "macs", None) == [3, 2, 1, None]
    assert of("", "-macs", None) == [1, 2, 3, None]
    assert of("macs >= 2", "mac", 1) == [3]
    assert of("macs < 9", "", None) == [1, 3, 2]


# --- what is named ------------------------------------------------------------------------------------------------


def test_families_patterns_and_files_stand_for_their_models(net: str) -> None:
    assert models_of("vgg") == ["vgg11", "vgg11-lrn", "vgg13", "vgg16-c", "vgg16", "vgg19"]
    assert models_of("vgg@64")[:2] == ["vgg11@64", "vgg11-lrn@64"]
    assert models_of("vgg1?") == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert models_of("lenet5") == ["lenet5"]  # which is a family, too
    assert models_of("run.json") == ["run.json"]
    assert models_of(net) == ["net.yaml:net-narrow", "net.yaml:net-wide"]
    assert all_of(["vgg16", "vgg16", "vgg1?"]) == ["vgg16", "vgg16", "vgg11", "vgg13", "vgg19"]
    assert all_of(["vgg1?", "vgg16"]) == ["vgg11", "vgg13", "vgg16", "vgg19"]
    with pytest.raises(ArchcalcError, match="no model is called like `zzz"):
        models_of("zzz*")


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "vgg", "--columns", "params"],
        ["list", "vgg1?", "net.yaml"],
        ["lock", "vgg1?", "net.yaml", "-o", "x.lock"],
        ["plot", "scaling", "vgg", "-o", "x.svg"],
    ],
    ids=lambda command: command[0],
)
def test_commands_of_several_take_them(command: list[str], net: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *command)
    assert code == 0
    assert "vgg13" in out or command[0] == "plot"
    assert "net-wide" in out or "net.yaml" not in command


def test_a_command_of_one_lists_the_models_of_a_family(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "summary", "vgg", "--static")
    assert code == 2
    assert "vgg:vgg16\n" in err


def test_the_exact_name_stands_first_in_the_list() -> None:
    assert list_models("lenet").models[0].name == "lenet5"
    assert list_models("vgg16").models[0].name == "vgg16"
    assert {model.family for model in list_models("lenet").models} > {"lenet5", "mobilenetv2"}


def test_a_list_within_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    found = list_models("resnet*", where="params < 30M and macs < 5G", sort="macs", top=10).models
    macs = [model.macs for model in found]
    assert len(found) == 10
    assert macs == sorted(macs, reverse=True)
    assert all(model.params < 30_000_000 and model.macs < 5e9 and model.name.startswith("resnet") for model in found)
    assert list_models("lenet5", where="year > 1998").models == ()
    line = ["list", "resnet*", "--where", "macs < 2G", "--sort", "-params", "--top", "1"]
    code, out, _ = run(capsys, *line, "--columns", "name,param_b", "--format", "csv")
    smallest = min((m for m in list_models("resnet*").models if m.macs < 2e9), key=lambda model: model.params)
    assert (code, out) == (0, f"name,param_bytes\n{smallest.name},{4 * smallest.params}\n")


def test_which_fits_is_one_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what keeps the other bounds is measured."""
    from tests.test_compare import timed

    times = {"efficientnet-b0": 10.0, "efficientnet-b1": 19.0, "efficientnet-b2": 25.0}
    seen: list[str] = []

    def measure(models: list[api.Model], conditions: Any, tick: object) -> tuple[Any, ...]:
        seen.extend(model.name for model in models)
        return tuple(timed(model.name, times[model.name]).summary.measured for model in models)

    monkeypatch.setattr(api, "measure_in_turn", measure)
    asked = ["compare", "efficientnet-b?", "--where", "latency <= 20ms and param_bytes <= 35MiB"]
    code, out, err = run(capsys, *asked, "--measure", "--sort", "latency", "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [model["name"] for model in found["models"]] == ["efficientnet-b1", "efficientnet-b0"]
    assert seen == [*times]
    assert [left["bound"] for left in found["left_out"]] == ["param_bytes <= 35MiB"] * 5 + ["latency <= 20ms"]
    code, _, err = run(capsys, *asked)
    assert code == 2
    assert "`--measure` does it" in err


def test_one_of_many_is_a_comparison_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "vgg", "--sort", "macs", "--top", "1", "--format", "json")
    assert (code, [model["name"] for model in json.loads(out)["models"]]) == (0, ["vgg19"])


def test_where_none_is_left_the_exit_code_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "compare", "vgg16", "vgg19", "--where", "params < 1M and macs < 1")
    assert (code, out) == (1, "")
    assert "params < 1M: vgg16, vgg19" in err
    code, out, err = run(capsys, "list", "vgg16", "--where", "params < 1M")
    assert (code, out) == (0, "")
    assert "no model holds `vgg16`, within these bounds" in err


# --- what is reported ---------------------------------------------------------------------------------------------

HEAD = "model,metric,value,source\n"


def test_a_spec_reports_what_nobody_computes(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    narrow, wide = compare(net).models
    assert [(r.metric.name, float(r.value), r.source) for r in narrow.reported] == [
        ("top-1", 61, "Table 1"),
        ("wit", 3, "Table 1"),
    ]
    assert {r.metric.name: r.printed for r in wide.reported} == {
        "top-1": "70.5",
        "perplexity": "8.25",
        "latency on a toaster": "3",
    }
    assert [judged.verdict for judged in load("net.yaml:net-wide").claims] == ["exact"]  # params are a claim
    assert compare(f"{net}:net-wide@16", "vgg16").models[0].reported == ()  # it is of another input
    code, out, _ = run(capsys, "list", net, "--columns", "name,top", "--format", "csv")
    assert (code, out) == (0, "name,top-1\nnet-narrow,61.0\nnet-wide,70.5\n")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("| wit  |", "| witt |", "Did you mean `wit`?"),
        ("perplexity ", "perplexety ", "Did you mean `perplexity`?"),
        ("Acc.: =top-1", "Acc.: =top-2", "Did you mean `top-"),
        ("better: higher", "better: high", "Did you mean `higher`?"),
        ("{better: higher}", "{unit: wits}", "which way is better of `wit`?"),
        ("wit: {better: higher}", "wit: higher", "is declared as"),
        ("61.0", "good", "`good` is no number"),
        ("61.0", "inf", "`inf` is no result"),
    ],
)
def test_a_metric_that_is_not_declared_is_an_error(old: str, new: str, says: str, net: str) -> None:
    path = Path(net)
    assert old in NET
    path.write_text(NET.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ArchcalcError) as caught:
        compare(net)
    assert says in caught.value.render()
    assert "net.yaml:" in caught.value.render()


def test_better_decides_who_is_pareto_optimal(tmp_path: Path) -> None:
    """The larger network is better in one thing alone, and where less of that is better it is beaten."""
    file = tmp_path / "r.csv"
    rows = "vgg16@64,{0},{1},us{2}\nvgg19@64,{0},{3},us{2}\n"
    for metric, few, many, optimal in (
        ("top-1", 69.8, 73.3, {"vgg16@64", "vgg19@64"}),
        ("error", 30.2, 33.7, {"vgg16@64"}),
        ("wit", 1, 2, {"vgg16@64", "vgg19@64"}),
    ):
        declared = ",,higher" if metric == "wit" else ",,"
        text = "model,metric,value,source,unit,better\n" + rows.format(metric, few, declared, many)
        file.write_text(text, encoding="utf-8")
        found = compare("vgg16@64", "vgg19@64", results=file)
        assert {model.name for model in found.pareto} == optimal, metric
        assert metric in [each.key for each in found.pareto_metrics]


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_results_of_a_file(suffix: str, tmp_path: Path, net: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"r.{suffix}"
    rows = [
        ("resnet18", "top-1", "69.76 %", "a, b"),
        ("resnet34@256", "top-1", "73.3", "ours"),
        ("net.yaml:net-wide", "top-1", 71, "ours"),
    ]
    records = [dict(zip(("model", "metric", "value", "source"), row, strict=True)) for row in rows]
    lines = [f'{model},{metric},{value},"{source}"' for model, metric, value, source in rows]
    file.write_text(json.dumps(records, indent=1) if suffix == "json" else HEAD + "\n".join(lines), encoding="utf-8")
    asked = ["resnet18", "resnet34", "resnet34@256", "net.yaml:net-wide"]
    found = compare(*asked, results=file).models
    values = [{r.metric.name: r.value for r in model.reported}.get("top-1") for model in found]
    assert values == [69.76, None, 73.3, 71]  # of the spec's own top-1 the file's is taken
    code, out, _ = run(
        capsys, "compare", *asked, "--results", str(file), "--sort", "top", "--format", "csv", "--columns", "top"
    )
    assert code == 0
    assert [line.split(",")[:2] for line in out.splitlines()[1:]] == [
        ["resnet34@256", "73.3"],
        ["net.yaml:net-wide", "71.0"],
        ["resnet18", "69.76"],
        ["resnet34", ""],
    ]
    code, out, _ = run(capsys, "compare", *asked, "--results", str(file))
    assert "top-1 of resnet18: a, b" in out


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("model,metric,value\n", "1:1", "the column `source` is missing"),
        ("model,metric,valeu,source\n", "1:14", "Did you mean `value`?"),
        ("model,model,metric,value,source\n", "1:1", "stands here twice"),
        (HEAD + "vgg16,top-1,71\n", "2:1", "has 3 cells, the heading has 4"),
        (HEAD + "vgg61,top-1,71,us\n", "2:1", "Did you mean `vgg16`?"),
        (HEAD + "./no.yaml,top-1,71,us\n", "", "there is no file `./no.yaml`"),
        (HEAD + "vgg16,top1,71,us\n", "2:7", "Did you mean `top-1`?"),
        (HEAD + "vgg16,latency on \x1b[31m,3,us\n", "2:7", "is no metric that is known"),
        (HEAD + "vgg16,top-1,NaN,us\n", "2:13", "`NaN` is no result"),
        (HEAD + "vgg16,top-1,1e999,us\n", "2:13", "`1e999` is no result"),
        (HEAD + "vgg16,top-1,good,us\n", "2:13", "`good` is no number"),
        (HEAD + "vgg16,top-1,,us\n", "2:13", "this result has no value"),
        (HEAD + "vgg16,top-1,71,us\n\nvgg16,top-1,72,us\n", "4:7", "stands in line 2 already"),
        (HEAD + 'vgg16,top-1,71,"us\n', "2:1", "this is no csv"),
        (HEAD + "vgg16,top-1,500,us\n", "2:13", "top-1 is between 0 and 100 %"),
        (HEAD + "vgg16,error,-1,us\n", "2:13", "error is between 0 and 100 %"),
        (HEAD + "vgg16,top-1,71,us\nvgg:D,top-1,72,us\n", "3:1", "stands in line 2 already, as of `vgg16`"),
        (HEAD + "resnet18,top-1,71,us\n", "", "has no result of these networks"),
        ("", "", "is empty"),
    ],
)
def test_a_bad_file_of_results_is_shown_where_it_is_wrong(
    text: str, place: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.csv"
    file.write_text(text, encoding="utf-8")
    code, _, err = run(capsys, "compare", "vgg16", "vgg19", "--results", str(file))
    assert code == 2
    assert says in err
    assert f"r.csv:{place}\n" in err or not place


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("{}", "1:1", "a list of results is wanted"),
        ("[\n 3]", "2:2", "a record of texts and numbers"),
        (
            '[\n {"model": "vgg16", "metric": "top-1", "value": NaN, "source": "us"}]',
            "2:2",
            "`NaN` is no number of JSON",
        ),
        ('[\n {"model": "vgg16", "metric": "top-1", "value": 3}]', "2:2", "the key `source` is missing"),
        ('[\n {"model": "vgg16", "metrik": "top-1"}]', "2:22", "Did you mean `metric`?"),
        ('[{"model": "vgg16", "metric": "top-1", "value": 3,\n"source": "us"} 5]', "2:17", "`,` or `]` is wanted"),
        ("[" * 100_000, "1:2", "nested too deeply"),
        ("[" + "{" * 3, "1:2", "this is no JSON"),
    ],
)
def test_a_bad_json_of_results(text: str, place: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ArchcalcError) as caught:
        read_results(file, "r.json")
    assert says in caught.value.render()
    assert f"r.json:{place}\n" in caught.value.render()


def test_results_at_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r.csv"
    file.write_text(
        HEAD + "resnet18,top-1,69.8,us\nresnet18@64,top-1,50.1,us\nresnet18@3x64x96,BLEU,3,us\n", encoding="utf-8"
    )
    line = ["scale", "resnet18", "--input", "64,224,3x64x96", "--batch", "1,2", "--results", str(file)]
    code, out, _ = run(capsys, *line, "--columns", "input,batch,top,bleu", "--format", "csv")
    assert code == 0
    assert out.splitlines()[1:] == [
        *("3×64×64,1,50.1,", "3×64×64,2,50.1,", "3×224×224,1,69.8,", "3×224×224,2,69.8,"),
        *("3×64×96,1,,3.0", "3×64×96,2,,3.0"),
    ]
    code, out, _ = run(
        capsys, "list", "resnet18", "--results", str(file), "--columns", "name,top", "--where", "top > 60"
    )
    assert "resnet18   69.8" in out
    code, out, _ = run(capsys, *line, "--set", "classes=10")
    assert "top-1" not in out  # it was another network


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        (["compare", "vgg16", "resnet18"], "vgg:D"),
        (["compare", "vgg:D", "resnet18"], "vgg16"),
        (["compare", "vgg16@3x224x224", "resnet18"], "vgg16"),
        (["compare", "vgg16@64", "resnet18"], "vgg:D@3x64x64"),
        (["compare", "net.yaml:net-wide", "resnet18"], "./net.yaml:net-wide"),
        (["compare", "./net.yaml:wide", "resnet18"], "net.yaml:net-wide"),
        (["list", "net.yaml"], "./net.yaml:wide"),
        (["list", "vgg16"], "vgg:D"),
        (["scale", "./net.yaml:net-wide", "--input", "8,16"], "net.yaml:wide@16"),
        (["scale", "vgg16", "--input", "3x224x224"], "vgg:D"),
    ],
)
def test_a_result_is_its_networks_however_that_is_spelled(
    line: list[str], typed: str, net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("r.csv").write_text(f"{HEAD}{typed},BLEU,12.3456789,us\n", encoding="utf-8")
    code, out, _ = run(capsys, *line, "--results", "r.csv", "--format", "csv")
    assert code == 0
    assert sum("12.3456789" in row for row in out.splitlines()) == 1, "as it is written, once"


def test_a_result_at_another_input_is_another_networks(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.csv").write_text(f"{HEAD}vgg:D@64,BLEU,12.5,us\n", encoding="utf-8")
    code, _, err = run(capsys, "compare", "vgg16", "resnet18", "--results", "r.csv")
    assert code == 2
    assert "has no result of these networks" in err


def test_the_printed_input_may_be_said(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    for asked in ("net.yaml:net-wide", "net.yaml:net-wide@8", "net.yaml:net-wide@3x8x8"):
        assert {r.metric.name for r in load(asked).reported} >= {"top-1", "perplexity"}
        assert load(asked).claims
    assert not load("net.yaml:net-wide@9").reported


def test_a_list_says_where_results_are_from_and_has_one_column_for_a_metric(
    net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "list", net)
    assert "top-1 of net-narrow, net-wide: Table 1" in out
    Path("other.yaml").write_text(NET.replace("wit: {better: higher}", "wit: {better: lower}"), encoding="utf-8")
    code, _, err = run(capsys, "list", net, "other.yaml")
    assert code == 2
    assert "`wit` is declared in two ways" in err


def test_the_declaration_that_is_advised_is_one(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(NET.replace("wit: {better: higher}", "wit: 3"), encoding="utf-8")
    code, _, err = run(capsys, "summary", f"{net}:net-wide", "--static")
    assert code == 2
    advised = err.split("is declared as `")[1].split("`")[0]
    Path(net).write_text(NET.replace("wit: {better: higher}", advised), encoding="utf-8")
    assert run(capsys, "summary", f"{net}:net-wide", "--static")[0] == 0


def test_check_reads_what_is_reported(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(NET.replace("61.0", "good"), encoding="utf-8")
    for line in (["check", net], ["summary", f"{net}:net-wide", "--static"]):
        code, out, err = run(capsys, *line)
        assert code == 2
        assert "`good` is no number" in out + err


@pytest.mark.parametrize(
    "line",
    [
        ["summary", "net.yaml:net-wide", "--static", "-o", "net.yaml"],
        ["summary", "net.yaml:net-wide", "--static", "-o", "link.yaml"],
        ["compare", "vgg16", "vgg19", "--results", "r.csv", "-o", "r.csv"],
        ["scale", "./net.yaml:net-wide", "--batch", "1,2", "-o", "net.yaml"],
        ["export", "net.yaml:net-wide", "-o", "net.yaml"],
    ],
)
def test_what_was_read_is_not_written_over(line: list[str], net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.csv").write_text(f"{HEAD}vgg16,BLEU,12.5,us\n", encoding="utf-8")
    Path("link.yaml").symlink_to(net)
    before = [Path(name).read_bytes() for name in (net, "r.csv")]
    code, _, err = run(capsys, *line)
    assert code == 2
    assert f"`--output {line[-1]}` " in err
    assert "nothing takes its place" in err
    assert [Path(name).read_bytes() for name in (net, "r.csv")] == before


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("params < 3M or macs > 3G", "`or` joins no bounds"),
        ("params < 3M && macs > 3G", "`&&` joins no bounds"),
        ("params < 3M, macs > 3G", "`,` joins no bounds"),
        ("params = 3M", "`params in 3M..3M`"),
        ("params == 3M", "`params in 3M..3M`"),
    ],
)
def test_bounds_of_other_languages_are_told_in_this_one(
    where: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "list", "vgg", "--where", where)
    assert code == 2
    assert says in err


def test_a_list_keeps_to_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for word in ("3d-cnn", "mixtral", "vgg"):
        code, out, _ = run(capsys, "list", word)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 60


def test_a_file_of_several_networks_is_listed(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, net)
    assert code == 2
    command = err.split("`archcalc ")[1].split("`")[0].split()
    assert run(capsys, *command)[0] == 0, "what is advised works"


def test_a_report_and_a_summary_show_what_is_reported(
    tmp_path: Path, net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.csv"
    file.write_text(HEAD + "vgg16,mAP,41.5,us\nnet.yaml:net-wide,mAP,12,them\n", encoding="utf-8")
    code, _, _ = run(capsys, "report", net, "vgg16", "--results", str(file), "-o", "r.html")
    page = Path("r.html").read_text(encoding="utf-8")
    assert code == 0
    assert "mAP, as reported, over operations." in page
    assert "mAP 12 % (them)" in page
    code, out, _ = run(capsys, "summary", f"{net}:net-wide", "--static")
    assert "top-1 70.5 % (Table 1)" in out


@pytest.mark.parametrize("tool", ["torchvision", "fvcore", "ptflops", "thop", "torchinfo"])
def test_another_tools_number_is_headed_as_that_tool_calls_it(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    called = {"fvcore": "flops", "torchinfo": "mult-adds", "torchvision": "FLOPS"}.get(tool, "MACs")
    code, out, _ = run(capsys, "summary", "resnet18", "--static", "--like", tool)
    assert code == 0
    assert f"{tool} {called}" in out
    assert f"% of {called}" in out
    code, out, _ = run(capsys, "compare", "resnet18", "vgg16", "--like", tool)
    assert f"\n{tool} {called} (G)\n" in out
    assert "\nFLOPs" not in out


def test_a_metric_is_called_as_nothing_that_is_computed() -> None:
    assert {*CLAIM_METRICS, *(metric.key for metric in COMPARED)} - {"accuracy"} <= TAKEN
    for name in ("params", "year"):
        with pytest.raises(SpecError, match="a metric has another name"):
            declared(Text(name, Source("a", (name,)), 1, 1), None, Text("lower", Source("a", ("lower",)), 1, 1))


@pytest.mark.parametrize("value", ["1e16", "-1e300", "1e-16"])
def test_a_result_is_of_a_size_that_results_have(value: str, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"model,metric,value,source\nvgg16,perplexity,{value},s\n", encoding="utf-8")
    with pytest.raises(SpecError, match="is no result"):
        read_results(path, "r.csv")


@pytest.mark.parametrize("text", ["[{}] x", "[{},]", '[{"model": "a", "model": "b"}]'])
def test_json_of_results_is_json(text: str, tmp_path: Path) -> None:
    record = '{"model": "vgg16", "metric": "top-1", "value": 70, "source": "s"}'
    path = tmp_path / "r.json"
    path.write_text(text.replace("{}", record), encoding="utf-8")
    with pytest.raises(SpecError):
        read_results(path, "r.json")


def test_each_result_is_shown_as_it_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.csv"
    rows = "vgg11,top-1,70,s\nvgg13,top-1,70.00,s\nvgg16,top-1,7e1,s\n"
    path.write_text(f"model,metric,value,source\n{rows}", encoding="utf-8")
    found = read_results(path, "r.csv")
    assert [pickle.loads(pickle.dumps(result)).value.printed for result in found] == ["70", "70.00", "7e1"]
    assert run(capsys, "compare", "vgg11", "vgg13", "vgg16", "--results", str(path), "--columns", "top-1")[0] == 0
    text = run(capsys, "compare", "vgg11", "vgg13", "vgg16", "--results", str(path), "--columns", "top-1")[1]
    assert all(f" {shown} " in text for shown in ("70", "70.00", "7e1"))
