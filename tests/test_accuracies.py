"""What documents print about how well networks do: the data, which model it is of, and `archcalc list --all`."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from archcalc.errors import ArchcalcError, Source, Text
from archcalc.language.zoo import spec_files
from archcalc.papers.accuracies import (
    NOT_PRINTED,
    UNITS,
    Accuracy,
    known,
    read,
    read_result,
)
from archcalc.papers.documents import documents_dir
from archcalc.papers.metrics import ACCURACIES
from archcalc.schemas import generate as schema
from archcalc.show.list import ALL, COLUMNS, ONLY_PRINTED, said
from archcalc.show.writers import FORMATS
from archcalc.tasks.list import ListedModel, list_models
from tests.test_cli import on_a_terminal
from tests.test_commands import Run, command

__all__ = ["command"]  # the fixture

RESULTS = {result.id.value: result for result in known().results}


@cache
def zoo() -> dict[str, ListedModel]:
    return {entry.name: entry for entry in list_models().models}


# --- the data -------------------------------------------------------------------------------------------------------


def test_every_result_is_there_once() -> None:
    """How many there are was counted when they were typed from the documents, all with a source, each id once."""
    assert len(known().results) == len(RESULTS) == 811
    assert Counter(result.sources[0].partition(" — ")[0] for result in known().results) == {
        "CNN, GAN, RNN and Transformer slides": 447,
        "Raissi, Large Networks": 319,
        "MINERVA, CNNs and Vision Transformers": 30,
        "CSE 473/573 L25 Deep Learning": 12,
        "Introduction to Deep Learning": 3,
    }
    assert len(known().unassigned) == 19


def test_the_documents_are_called_as_in_the_ledger() -> None:
    for path in (documents_dir() / "accuracies").glob("*.yaml"):
        if path.stem == "systems":
            continue
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first == (documents_dir() / path.name).read_text(encoding="utf-8").partition("\n")[0]
        title = first.removeprefix("document: ")
        assert {r.sources[0].partition(" — ")[0] for r in known().results if r.id.source.name.endswith(path.name)} == {
            title
        }


# Figures that are printed in words.
IN_WORDS = {"six times faster": 6, "a factor of two": 2, "doubles training time": 2, "roughly twice": 2}


@pytest.mark.parametrize("result", known().results, ids=lambda result: result.id.value)
def test_the_value_is_what_is_printed(result: Accuracy) -> None:
    printed = result.printed.value
    numbers = [Fraction(n) * (1000 if k else 1) for n, k in re.findall(r"(\d+(?:\.\d+)?)(k?)", printed)]
    assert result.value in (numbers or [Fraction(IN_WORDS[printed])])
    if "±" in printed or "\\pm" in printed:
        assert (result.value, result.spread) == tuple(numbers)
    else:
        assert result.spread is None
    assert result.unit.removesuffix(NOT_PRINTED) in UNITS
    assert result.metric in ACCURACIES
    if result.unit.removesuffix(NOT_PRINTED) == "%":
        assert 0 < result.value <= 100
    if "%" in printed:
        assert result.unit.removesuffix(NOT_PRINTED) == "%"


def test_what_differs_is_printed_there() -> None:
    """`35.67 in id` quotes what stands under that id, and that one quotes this one."""
    for result in known().results:
        for text in result.differs:
            quoted, _, other = text.partition(" in ")
            there = RESULTS[other.split(" ")[0]]
            assert quoted in (there.printed.value, f"{there.printed.value} {there.unit}"), result.id
            assert any(f" in {result.id}" in back for back in there.differs), (result.id.value, other)


def test_the_top_5_error_is_the_smaller() -> None:
    """A swapped pair of cells would show."""
    pairs = 0
    for result in known().results:
        other = RESULTS.get(result.id.value.replace("top1", "top5"))
        if other is not None and result.metric.startswith("top1_"):
            pairs += 1
            assert other.metric == result.metric.replace("top1", "top5")
            assert (other.value < result.value) == result.metric.endswith("error"), result.id
    assert pairs > 100


@pytest.mark.parametrize(
    ("result", "dataset", "metric", "value", "paper"),
    [
        ("alexnet-1-net-ilsvrc-val-top5-error", "ImageNet", "top5_error", "18.2", "Krizhevsky et al. 2012, Table 2"),
        (
            "resnet-152-imagenet-val-top1-error-single-model",
            "ImageNet",
            "top1_error",
            "19.38",
            "He et al. 2016, Table 4",
        ),
        ("wrn-28-10-cifar-100-error", "CIFAR-100", "error", "20.50", "Zagoruyko and Komodakis, arXiv v1, Table 4"),
        ("densenet-bc-190-40-cifar-10-augmented-error", "CIFAR-10", "error", "3.46", "Huang et al. 2017, Table 2"),
        ("efficientnet-b7-imagenet-top1-accuracy", "ImageNet", "top1_accuracy", "84.3", "Tan and Le 2019, Table 2"),
        ("capsnet-routing-3-reconstruction-mnist-error", "MNIST", "error", "0.25", "Sabour et al. 2017, Table 1"),
    ],
)
def test_well_known_results_are_those_of_the_papers(
    result: str, dataset: str, metric: str, value: str, paper: str
) -> None:
    found = RESULTS[result]
    assert (found.benchmark, found.metric, found.value) == (dataset, metric, Fraction(value)), paper


# --- which model it is ----------------------------------------------------------------------------------------------


def test_the_models_of_systems_are_in_the_zoo() -> None:
    for system in known().systems:
        unknown = set(system.models) - set(zoo())
        assert not unknown, f"{system.name.where}: {unknown}"


def test_every_system_has_a_place() -> None:
    """Models, or printed results, or words about it, and never a spec beside an empty list of models."""
    assert len(known().systems) >= 181
    stems = {_squeezed(name) for name in (*zoo(), *(path.stem for path in spec_files()))}
    for system in known().systems:
        assert system.models or system.results or system.described
        if not system.models:
            names = re.split(r" / |, |; ", system.key)
            there = [name for name in names if _squeezed(name) in stems]
            assert not there, f"{system.name.where}: `{there}` has a spec: add it to `models`"
    assert {r.system for r in known().results} == {s.key for s in known().systems if s.results}


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def test_an_ensemble_is_no_model() -> None:
    for result in known().results:
        text = f"{result.variant} {result.setting}"
        if re.search(r"\b(\d\d|[2-9]) (nets|models|networks)\b|ensemble", text, re.I) and "before" not in text:
            assert not result.models, result.id


# Printed beside a result, and known to be wrong: the ledger has an erratum or a reading for each.
WRONG_PARAMS = {"fractalnet-20", "resnet1202-cifar", "resnet1202-cifar-stochastic", "inception-v4", "senet154-320"}
WRONG_MACS = {"inception-resnet-v2", "se-inception-resnet-v2", "pnasnet-5-large"}


def test_a_model_is_as_large_as_is_printed_beside_its_result() -> None:
    """`params 36.5M` and `3.86 GFLOPs` stand in the setting: the model that a result is given to has as many."""
    checked, wrong = Counter[str](), []
    for result in known().results:
        params = re.search(r"params ([\d.]+)M", result.setting)
        macs = re.search(r"([\d.]+) GFLOPs|FLOPs ([\d.]+)B", result.setting)
        for model in result.models:
            entry = zoo()[model]
            for what, match, count, unit, known_wrong in (
                ("params", params, entry.params, 1e6, WRONG_PARAMS),
                ("macs", macs, entry.macs, 1e9, WRONG_MACS),
            ):
                if match is None or model in known_wrong:
                    continue
                figure = next(group for group in match.groups() if group)
                place = 10.0 ** -len(figure.partition(".")[2])
                checked[what] += 1
                if abs(count / unit - float(figure)) > max(place, 0.07 * float(figure)):
                    wrong.append((result.id.value, model, figure, count))
    assert not wrong
    assert checked["params"] > 120
    assert checked["macs"] > 80


@pytest.mark.parametrize(
    ("model", "dataset", "metric", "values"),
    [
        # He et al. 2016, Tables 3 and 4; Hu et al. 2018, Table 2 (original, re-implementation); Woo et al. 2018
        ("resnet50", "ImageNet", "top1_error", ["22.85", "20.74", "24.7", "24.80", "24.56"]),
        ("resnet50-v1.5", "ImageNet", "top1_accuracy", ["76.0"]),
        ("alexnet", "ImageNet", "top1_error", ["40.7"]),
        ("alexnet", "ImageNet ILSVRC-2010 test", "top1_error", ["37.5"]),
        ("wrn-28-12", "CIFAR-100", "error", ["20.43"]),
        ("densenet-40-12", "SVHN", "error", ["1.79"]),
        ("senet154", "ImageNet", "top1_error", ["18.68"]),
        ("efficientnet-b0", "ImageNet", "top1_accuracy", ["77.1"]),
        ("transformer-big", "newstest2014 EN-DE", "bleu", ["28.4"]),
        ("transformer-big", "newstest2014 EN-FR", "training_days", ["3.5"]),
        ("resnet20-preact-erasing", "CIFAR-100", "error", ["30.58", "30.18"]),
        ("resnet18-preact-erasing", "CIFAR-100", "error", ["24.50", "24.03"]),
        ("wrn-52-1", "SVHN", "error", ["2.08", "1.70"]),
        ("fast-rcnn-vgg16", "PASCAL VOC 2012 test", "map", ["65.7", "68.4"]),
        ("faster-rcnn-vgg16", "PASCAL VOC 2007 test", "latency", ["342", "198", "198"]),
        ("faster-rcnn-zf", "PASCAL VOC 2007 test", "map", ["59.9"]),
        ("capsnet-baseline", "MultiMNIST", "error", ["8.1"]),
        ("prelu-net-c", "ImageNet", "top5_error", ["7.38", "5.71"]),
        ("st-cnn-baseline", "SVHN", "error", ["4.0"]),
        ("multi-digit-svhn", "SVHN", "error", ["2.16", "4.0"]),
        ("attention-92-320", "ImageNet", "top1_error", ["19.5"]),
        ("dsn-cifar10", "SVHN", "error", ["1.92"]),
        ("fitnet-4", "CIFAR-100", "error", ["35.04"]),
        ("seq2seq-lstm", "newstest2014 EN-FR", "bleu", ["26.17", "30.59"]),
        ("googlenet-torchvision", "ImageNet", "top1_error", []),
        ("no-such-model", "ImageNet", "top1_error", []),
    ],
)
def test_results_of_a_model(model: str, dataset: str, metric: str, values: list[str]) -> None:
    asked = (result for result in known().results if model in result.models and result.metric == metric)
    found = [result for result in asked if dataset in (result.benchmark, result.dataset)]
    assert sorted(result.value for result in found) == sorted(map(Fraction, values))
    assert all(result.setting and result.sources for result in found)


# Variants of systems that ship which are no model: why.
OTHERS = {
    "another width than the shipped one": {
        "(ZFNet)", "Zeiler & Fergus (Zeiler & Fergus, 2013) (1 net)", "l = 1", "l = 2", "l = 3", "l = 4",
        "NIN + Dropout", "mlpconv + Fully Connected", "mlpconv + Fully Connected + Dropout", "Highway [28]",
        "ReLU", "LReLU ( a = 0.25 )", "PReLU, channel-shared", "PReLU, channel-wise", "RN50x64",
        "CNN (ours)",
    },
    "several networks": {"MCDNN", "ResNet", "VGG Net-D & Net-E", "VGG Net-D & Net-E, image-only",
                         "VGG Net-D & Net-E, image and bounding box", "a variant of this model",
                         "DropConnect + 12 networks + Data Augmentation [15]"},
    "features or a detector for another task": {
        "Zeiler & Fergus (Zeiler & Fergus, 2013)", "VGG Net-E (19 layers)", "VGG Net-D (16 layers)",
        "deep residual nets",
        "ResNet (MSRA @ ILSVRC & COCO 2015)", "OverFeat (Sermanet et al., 2014)", "GoogLeNet (Szegedy et al., 2014)",
        "Krizhevsky et al. (Krizhevsky et al., 2012)", "train SS 2k, test SS 2k", "train EB 2k, test EB 2k",
    },
    "NIST's tasks, each with a committee of its own": {
        "all (62)", "digits (10)", "letters (52)", "letters* (26)", "merged (37)", "uppercase (26)", "lowercase (26)",
    },
    "which configuration is not said": {
        "VGG", "VGG Net", "VGG [41] (ILSVRC'14)", "Chatfield et al. (Chatfield et al., 2014)",
        "He et al. (He et al., 2014)", "MSRA (He et al., 2014) (1 net)",
    },
    "of another data set, for which it is another network": {
        "Conv. maxout + Dropout [8]", "ConvS2S [9]", "Stochastic Pooling [11]", "DropConnect [15]",
    },
    "a network that no spec builds, in the row of others": {"DRAM* [1]"},
    "with one round of routing, without a decoder, or of two digits": {"CapsNet"},
    "a method, of any network": {"Dropout", "color augmentation", "AlexNet, overlapped pooling", "AlexNet, ResNorm"},
}  # fmt: skip


def test_every_result_of_a_system_that_ships_is_of_a_model_or_of_another_network() -> None:
    of_others = {variant for variants in OTHERS.values() for variant in variants}
    built = {system.key for system in known().systems if system.models}
    several = re.compile(r"\b([2-9]|\d\d) (nets|models)\b|[Ee]nsemble")
    unlinked = set()
    for result in known().results:
        if result.system in built and not result.models and not several.search(f"{result.variant} {result.setting}"):
            unlinked.add(result.variant)
    assert unlinked == of_others


def test_what_documents_print_of_a_model_is_shown(command: Run) -> None:
    """Beside its figures, in the tables that it is printed in; none of it has a verdict."""
    found = json.loads(command("paper", "faster-rcnn-vgg16", "--format", "json").out)
    assert {result["metric"] for result in found["results"]} == {"map", "latency"}
    assert [result["printed"] for result in found["results"]][:2] == ["68.5", "342"]
    text = command("paper", "resnet50").out
    assert text.index("computed figures") < text.index("Results, as they are printed")
    assert re.search(r"ResNet-50 +ImageNet .* top-1 error .* 22.85 % +resnet50", text)
    assert "reported: nothing of them is computed" in text
    assert json.loads(command("paper", "resnet50", "--verdict", "rounds", "--format", "json").out)["results"] == []
    assert not json.loads(command("paper", "--all", "--format", "json").out)["results"]
    one = json.loads(command("paper", "transformer-big", "--format", "json").out)
    assert {"bleu", "training_days"} <= {result["metric"] for result in one["results"]}
    rows = list(csv.DictReader(io.StringIO(command("paper", "faster-rcnn-zf", "--format", "csv").out)))
    assert [(row["kind"], row["printed"], row["model"]) for row in rows] == [("reported", "59.9", "faster-rcnn-zf")]
    for name in ("Multi-column", "graves deep lstm", "faster-rcnn", "capsnet-baseline-multimnist-error"):
        done = command("paper", name, "--format", "json")
        assert done.code == 0 or name == "Multi-column"
        assert name == "Multi-column" or json.loads(done.out)["results"], name


@pytest.mark.parametrize("form", FORMATS)
def test_a_model_of_which_nothing_is_printed_says_so(command: Run, form: str) -> None:
    done = command("paper", "unet", "--format", form)
    assert (done.code, done.err) == (0, "no document prints a figure or a result of `unet`\n")
    assert done.out == "" or form != "text"
    wrong = command("paper", "unett")
    assert wrong.code == 2
    assert "Did you mean `unet`?" in wrong.err


# --- the reader -----------------------------------------------------------------------------------------------------

DOCUMENT = """\
document: Some slides
tables:
  - from: Some slides — Table 1
    unit: "%"
    dataset: MNIST
    metric: error
    setting: not printed
    table: |
      id   | system | variant | printed     | value | with  | differs
      first | net    | Net 5   | 0.40 \\pm 0.1 |       |       | 2 days in last
      last | other  | Other   | 2 to 3 days | 2     | net   |
unassigned:
  - from: Some slides — Table 1
    printed: best other 0.3
    why: not named
"""
SYSTEMS = """\
systems: |
  system        | year | described | op   | models | unbuilt
  net (Network) | 1998 | table     |      | lenet5 |
  other         | 1999 | mention   | lstm |        |
networks: |
  system | variant | dataset | setting | models
  net    | Net 5   |         |         | lenet5
datasets:
  MNIST: [MNIST test]
"""


def written(folder: Path, document: str = DOCUMENT, listed: str = SYSTEMS) -> Path:
    (folder / "some.yaml").write_text(document, encoding="utf-8")
    (folder / "systems.yaml").write_text(listed, encoding="utf-8")
    return folder


def test_a_folder_is_read(tmp_path: Path) -> None:
    found = read(written(tmp_path))
    first, last = found.results
    assert (first.value, first.spread, first.models, first.unit) == (Fraction("0.4"), Fraction("0.1"), ("lenet5",), "%")
    assert (last.value, last.spread, last.models, last.together) == (2, None, (), ("net",))
    assert [(system.key, system.results) for system in found.systems] == [("net", (first,)), ("other", (last,))]
    assert found.unassigned[0].printed == "best other 0.3"


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("tables:", "tabels:", "some.yaml:2:1", "`tabels` is not a key of a document of results"),
        ("document: Some slides\n", "", "some.yaml:1:1", "`document:` with the title of the document is missing"),
        ("Some slides — Table 1\n    unit", "Table 1\n    unit", "some.yaml:3:11", "a source is written"),
        ('unit: "%"', "unit: percent", "some.yaml:4:11", "`percent` is not a unit"),
        ("metric: error", "metric: eror", "some.yaml:6:13", "Did you mean `error`?"),
        ("    dataset: MNIST\n", "", "some.yaml:9:7", "`first` has no `dataset`"),
        ("| with ", "| wiht ", "some.yaml:9:55", "`wiht` is not a column here"),
        ("id   | system", "system | id", "some.yaml:9:7", "the first heading of a table of figures is `id`"),
        ("      last |", "      first |", "some.yaml:11:7", "the result `first` is given already"),
        ("      last |", "           |", "some.yaml:11:12", "a figure needs an `id`"),
        ("| other ", "| othr ", "some.yaml:11:14", "`othr` is not a system of the list"),
        ("| net   |", "| met   |", "some.yaml:11:55", "`met` is not a system of the list"),
        ("2 to 3 days | 2 ", "2 to 3 days | ", "some.yaml:11:33", "which number is `2 to 3 days`?"),
        ("2 to 3 days | 2 ", "2 to 3 days | 4 ", "some.yaml:11:47", "`4` is none of the numbers in `2 to 3 days`"),
        ("2 to 3 days | 2 ", "2 to 3 days | x ", "some.yaml:11:47", "`x` is not a number"),
        ("2 to 3 days | 2 ", "2 | 2 ", "some.yaml:11:37", "`2` says its number by itself"),
        ("2 days in last", "2 days in lst", "some.yaml:10:7", "there is no such id"),
        ("2 days in last", "2 days", "some.yaml:10:65", "is not `what is printed in id`"),
        ("    why: not named\n", "", "some.yaml:13:5", "a figure of no network has `printed:` and `why:`"),
        ("0.40 \\pm 0.1", "4,0", "some.yaml:10:34", "`4,0` is not a number"),
        ("  MNIST: [MNIST test]", "- MNIST", "systems.yaml:8:1", "`datasets:` has a name for each data set"),
        ("| year |", "| when |", "systems.yaml:2:19", "`when` is not a column here"),
        ("  other         |", "  net           |", "systems.yaml:4:3", "the system `net` stands here twice"),
        ("| mention ", "|         ", "systems.yaml:4:3", "`described` says what documents show of it"),
        ("| lstm |", "|      |", "systems.yaml:4:3", "`unbuilt` says why no spec builds what is no op"),
        ("| lenet5 |\n", "| lenet5 | lost\n", "systems.yaml:3:3", "`unbuilt` says why no spec builds what is no op"),
        ("  net    | Net 5 ", "  ned    | Net 5 ", "systems.yaml:7:3", "Did you mean `net`?"),
        ("|         | lenet5\nd", "|         | lenet\nd", "systems.yaml:7:42", "`lenet` is not a model of `net`"),
        ("  net    | Net 5 ", "  net    | Net 6 ", "systems.yaml:7:12", "no result of `net` is of `Net 6`"),
        ("|         | lenet5\nd", "| of 1998 | lenet5\nd", "systems.yaml:7:12", "no result of `net` is of `Net 5`"),
        ("[MNIST test]", "[MNIST test, MNIST test]", "systems.yaml:9:23", "is one text, and of one data set"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, place: str, says: str) -> None:
    assert (old in DOCUMENT) != (old in SYSTEMS), "the mistake is in one of the two"
    folder = written(tmp_path, DOCUMENT.replace(old, new, 1), SYSTEMS.replace(old, new, 1))
    with pytest.raises(ArchcalcError) as caught:
        read(folder)
    message = caught.value.render()
    assert f"specs/documents/accuracies/{place}\n" in message
    assert says in message


@pytest.mark.parametrize(
    ("printed", "value", "spread", "about"),
    [
        ("0.40", "0.4", None, False),
        ("7.89%", "7.89", None, False),
        ("88.5*", "88.5", None, False),
        ("4.9%*", "4.9", None, False),
        ("16.88‡", "16.88", None, False),
        ("66.9 $\\dagger$", "66.9", None, False),
        ("30.84 \\pm 0.19", "30.84", "0.19", False),
        ("99.74 ± 0.00", "99.74", "0", False),
        ("12.3k", "12300", None, False),
        ("\\sim 93.3\\%", "93.3", None, True),
    ],
)
def test_what_is_printed_is_read_by_itself(printed: str, value: str, spread: str | None, about: bool) -> None:
    text = Text(printed, Source("x", (printed,)), 1, 1)
    assert read_result(text) == (Fraction(value), None if spread is None else Fraction(spread), about)


# --- archcalc list --all --------------------------------------------------------------------------------------------


def test_the_list_says_what_no_spec_builds(command: Run) -> None:
    every = json.loads(command("list", "--all", "--format", "json").out)
    models = [entry for entry in every if entry["known_by"] == "spec"]
    others = [entry for entry in every if entry["known_by"] != "spec"]
    assert [(entry["name"], entry["params"]) for entry in models] == [(e.name, e.params) for e in zoo().values()]
    for entry in others:
        assert list(entry)[:5] == ["name", "family", "params", "macs", "input"]
        assert [entry[key] for key in ("family", "params", "macs", "input", "spec")] == [None] * 5
        assert (entry["known_by"] == "op") == ("op" in entry)
        assert (entry["known_by"] == "printed result") == (bool(entry["results"]) and "op" not in entry)
        assert entry["described"]
        assert ("unbuilt" in entry) == (entry["known_by"] != "op")
    by_name = {entry["name"]: entry for entry in others}
    assert len(by_name) == len(others)
    # A system with a spec is not listed twice.
    assert not set(by_name) & set(zoo())
    assert set(by_name) == {system.name.value for system in known().systems if not system.models}
    coding = by_name["sparse-coding / SIFT+FVs"]
    assert [(result["metric"], result["value"]) for result in coding["results"]] == [
        ("top1_error", 47.1),  # Krizhevsky et al. 2012, Table 1
        ("top5_error", 28.2),
        ("top1_error", 45.7),
        ("top5_error", 25.7),
    ]
    assert (coding["year"], coding["results"][0]["printed"], coding["known_by"]) == (2010, "47.1%", "printed result")
    assert by_name["classic pipeline (SIFT, bag of words, Harris corners)"]["known_by"] == "description"
    validator = Draft202012Validator(schema.SCHEMAS["list"]())
    assert not list(validator.iter_errors(every))
    assert list(validator.iter_errors([{**coding, "params": 1}]))
    assert list(validator.iter_errors([{**coding, "known_by": "hearsay"}]))


def test_a_plain_list_is_as_before(command: Run) -> None:
    plain, every = (json.loads(command("list", "vgg", *more, "--format", "json").out) for more in ((), ("--all",)))
    assert plain == [
        {key: value for key, value in entry.items() if key != "known_by"}
        for entry in every
        if entry["known_by"] == "spec"
    ]
    assert all("known_by" not in entry for entry in plain)


@pytest.mark.parametrize(("word", "models", "others"), [("sift", 0, 2), ("lenet5", 2, 0), ("BiDAF", 0, 1)])
def test_a_word_is_looked_for_there_too(command: Run, word: str, models: int, others: int) -> None:
    """Also in what stands beside a result: BiDAF is one of twelve readers that share a line."""
    done = command("list", word, "--all", "--format", "json")
    found = [entry["known_by"] == "spec" for entry in json.loads(done.out)]
    assert (found.count(True), found.count(False)) == (models, others)
    assert done.err == ""
    text = command("list", word, "--all").out
    assert (ONLY_PRINTED in text) == bool(others)
    assert ("MACs" in text) == bool(models)


@pytest.mark.parametrize("output_format", FORMATS)
def test_nothing_is_an_answer_in_every_form(command: Run, output_format: str) -> None:
    done = command("list", "vgk", "--all", "--format", output_format)
    assert (done.code, done.err) == (0, "no model holds `vgk`. Did you mean `vgg`?\n")
    assert done.out == {"text": "", "json": "[]\n", "csv": f"{','.join(c.name for c in ALL)}\n"}.get(
        output_format, command("list", "vgk", "--format", output_format).out
    )


def test_csv_has_two_columns_more(command: Run) -> None:
    plain, lines = (
        list(csv.DictReader(io.StringIO(command("list", "vgg", *more, "--format", "csv").out)))
        for more in ((), ("--all",))
    )
    assert list(lines[0]) == [*(column.name for column in COLUMNS), "known_by", "printed"]
    assert [{key: line[key] for key in plain[0]} for line in lines[: len(plain)]] == plain
    ensembles = next(line for line in lines if line["name"].startswith("simonyan/zisserman"))
    assert (ensembles["params"], ensembles["macs"], ensembles["known_by"]) == ("", "", "printed result")
    assert ensembles["printed"].startswith(
        "VGG (2 nets, multi-crop & dense eval.): 23.7 % (top-1 error, ImageNet), and"
    )


def test_text_and_markdown_have_a_part_of_their_own(command: Run) -> None:
    text, markdown = (command("list", "vgg", "--all", "--format", form).out for form in ("text", "markdown"))
    for whole in (text, markdown):
        assert whole.count(ONLY_PRINTED) == 1
    assert text.startswith(command("list", "vgg").out)
    assert markdown.startswith(command("list", "vgg", "--format", "markdown").out)
    assert re.search(r"^  simonyan/zisserman .* 2014 +VGG \(2 nets", text, re.M)
    assert "| simonyan/zisserman ILSVRC ensembles (2 nets, 7 nets) | 2014 | VGG (2 nets" in markdown
    assert re.search(r"\d+ systems? without a spec: \d+ with printed results, \d+ only described\n$", text)


@pytest.mark.parametrize("columns", [60, 80])
def test_the_part_fits_a_terminal(columns: int) -> None:
    text = re.sub(r"\033\[[0-9;]*m", "", on_a_terminal("list", "--all", "reader", columns=columns))
    assert max(map(len, text.split("\n"))) <= columns
    assert "Single-pass" in text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("mlp-5-mnist-error", "MLP [5]: 0.35 % (error, MNIST)"),
        ("nin-svhn-error", "NIN + Dropout: 2.35% (error, SVHN)"),
        ("capsnet-routing-3-reconstruction-mnist-error", "CapsNet: 0.25 ± 0.005 % (error, MNIST)"),
        ("lenet5-handwritten-digits-accuracy", "LeNet: ~92% (accuracy, handwritten digit recognition)"),
        (
            "bit-l-pretraining-tpuv3-core-days",
            "BiT-L (ResNet152x4): 9.9k TPUv3-core-days (training cost, pre-training)",
        ),
        ("dropout-training-time-factor", "Dropout: doubles training time (factor of training time)"),
    ],
)
def test_a_result_is_said_as_it_is_printed(result: str, text: str) -> None:
    assert said(RESULTS[result]) == text


@pytest.mark.parametrize(("arguments", "reads"), [(["list", "vgg"], False), (["list", "vgg", "--all"], True)])
def test_a_plain_list_reads_none_of_it(arguments: list[str], reads: bool) -> None:
    code = (
        "import sys\n"
        "from archcalc import cli\n"
        "try:\n"
        f"    cli.main({arguments!r})\n"
        "finally:\n"
        "    heavy = {'torch', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "    print(sorted(heavy), 'archcalc.papers.accuracies' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == f"[] {reads}\n"


OWN = (
    "model,metric,value,source\nvgg16,top-1,71.6,ours\nvgg16,error,28.4,ours\n"
    "vgg16,latency on A100,3.2,ours\nlenet5,accuracy,99,x\n"
)


def test_own_results_stand_beside_printed_ones(command: Run, tmp_path: Path) -> None:
    """An accuracy is held beside what an error leaves of 100: 71.6 − (100 − 28.07) = −0.33."""
    path = tmp_path / "mine.csv"
    path.write_text(OWN)
    text = command("paper", "vgg16", "--results", str(path)).out
    assert re.search(
        r"vgg16 +top-1 +71\.6 % +top-1 error 28\.07 % +−0\.33 +vgg16-imagenet-val-top1-error-10-crop", text
    )
    assert re.search(r"vgg16 +latency on A100 +3\.2 ms +nothing", text)
    assert "lenet5" not in text[text.index("Own results") :]
    found = json.loads(command("paper", "vgg16", "--results", str(path), "--format", "json").out)["own"]
    assert [(own["metric"], own["value"], bool(own["printed_as"])) for own in found] == [
        ("top-1", 71.6, True),
        ("error", 28.4, False),
        ("latency on A100", 3.2, False),
    ]
    rows = list(csv.DictReader(io.StringIO(command("paper", "vgg16", "--results", str(path), "--format", "csv").out)))
    assert [(row["kind"], row["model"], row["printed"]) for row in rows[-3:]] == [
        ("own", "vgg16", "71.6"),
        ("own", "vgg16", "28.4"),
        ("own", "vgg16", "3.2"),
    ]
    every = json.loads(command("paper", "--all", "--results", str(path), "--format", "json").out)["own"]
    assert [own["model"] for own in every] == ["vgg16", "vgg16", "vgg16", "lenet5"]
    refused = command("paper", "resnet50", "--results", str(path))
    assert refused.code == 2
    assert "has no result of these networks" in refused.err
    assert command("paper", "vgg16", "--results", str(tmp_path / "none.csv")).code == 2
