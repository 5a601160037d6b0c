"""The largest batch that fits: sizes as people write them, the search, and the command in every form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
from archcalc.analysis.counts import Report, analyse
from archcalc.analysis.fit import LARGEST, fit, need
from archcalc.errors import SpecError, UsageError
from archcalc.graph import Graph
from archcalc.show.writers import FORMATS
from archcalc.units import read_size
from tests.graphs import call, chain
from tests.test_cli import run
from tests.test_runtime import graphs

SIZES: list[tuple[str, int | None]] = [
    ("4GiB", 4 * 1024**3),
    ("4GB", 4 * 1000**3),
    ("512MiB", 512 * 1024**2),
    ("512 MB", 512 * 1000**2),
    ("1.5GiB", 3 * 512 * 1024**2),
    ("80gib", 80 * 1024**3),
    ("64KiB", 65536),
    ("64kB", 64000),
    ("1TiB", 1024**4),
    ("1PB", 10**15),
    ("0.3GiB", 322122547),  # 322,122,547.2 bytes: a part of a byte is cut
    ("4096", 4096),
    ("4096B", 4096),
    ("4G", None),  # 1000³ or 1024³?
    ("4Gi", None),
    ("GiB", None),
    ("-1GiB", None),
    ("1e9", None),
    ("four GiB", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "expected"), SIZES)
def test_sizes(text: str, expected: int | None) -> None:
    assert read_size(text) == expected


def small() -> Report:
    layers = call("conv", out=4, kernel=3), call("bn"), call("relu"), call("linear", out=5)
    return analyse(chain((3, 8, 8), *layers))


def test_by_hand() -> None:
    """3·64 and 4·64 floats a sample, twice (bn is not in place); 112 + 8 + 1,285 parameters, 8 statistics."""
    fixed, sample = 4 * (112 + 8 + 8 + 4 * 64 * 5 + 5), 4 * (3 * 64 + 2 * 4 * 64)
    assert need(small().at_batch(7)).bytes == fixed + 7 * sample
    assert fit(small(), fixed + 7 * sample).batch == 7
    assert fit(small(), fixed + 7 * sample - 1).batch == 6
    found = fit(small(), fixed + sample - 1)
    assert (found.batch, found.fits) == (0, None)
    assert found.beyond is not None
    assert found.beyond.bytes == fixed + sample


@settings(max_examples=40, deadline=None)
@given(
    graph=graphs(), batch=st.integers(1, 300), optimizer=st.sampled_from(["", "sgd", "adam"]), less=st.integers(0, 1)
)
def test_it_is_the_largest(graph: Graph, batch: int, optimizer: str, less: int) -> None:
    memory = need(analyse(graph, batch), optimizer).bytes - less
    found = fit(analyse(graph), memory, optimizer)
    if found.fits is None:
        assert need(analyse(graph), optimizer).bytes > memory
        return
    assert found.fits.bytes <= memory
    assert need(analyse(graph, found.batch), optimizer).bytes == found.fits.bytes
    if found.beyond is None:
        assert found.batch == LARGEST
    else:
        assert found.beyond.batch == found.batch + 1
        assert found.beyond.bytes > memory


def halved(graph: Graph, memory: int, optimizer: str, dtype: str) -> int:
    """The largest batch, by halving alone, each batch counted anew."""

    def fits(batch: int) -> bool:
        try:
            return need(analyse(graph, batch, dtype), optimizer).bytes <= memory
        except SpecError:
            return False

    low, high = 0, 1
    while high <= LARGEST and fits(high):
        low, high = high, 2 * high
    high = min(high, LARGEST + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


# At some of these what a batch takes bends: one moment needs the most at small batches, another at large ones.
SAMPLE = ["lenet5", "alexnet", "squeezenet1.0", "self-attention", "mobilenetv1"]
MEMORIES = [10**5, 3 * 10**8, 2 * 1024**3, 80 * 1024**3, 10**16]


@pytest.mark.parametrize("optimizer", ["", "sgd", "momentum", "adam"])
@pytest.mark.parametrize("model", SAMPLE)
def test_it_is_what_halving_finds(model: str, optimizer: str) -> None:
    """In every dtype, at memories from too little to more than can be counted."""
    loaded = archcalc.load(model)
    for dtype, memory in zip(["float32", "float64", "float16", "bfloat16", "float32"], MEMORIES, strict=True):
        found = loaded.fit(memory, optimizer, dtype)
        assert found.batch == halved(loaded.graph, memory, optimizer, dtype)


def test_the_search_ends() -> None:
    assert fit(analyse(chain((1,), call("linear", out=1))), 10**18).batch == LARGEST


def test_no_memory_is_no_question() -> None:
    with pytest.raises(UsageError, match="at least one byte"):
        fit(small(), 0)


@pytest.mark.parametrize(("optimizer", "copies"), [("sgd", 2), ("momentum", 3), ("adam", 4)])
def test_training_takes_copies_of_the_parameters(optimizer: str, copies: int) -> None:
    """VGG-16's parameters, gradients, state: at batch 1 most of what there is."""
    found = archcalc.load("vgg16").fit(4 * 1024**3, optimizer)
    assert found.fits is not None
    assert found.fits.training is not None
    parts = found.fits.parts
    held = parts["parameters"] + parts["gradients"] + parts.get("optimiser state", 0)
    assert held == pytest.approx(copies * 4 * 138_357_544, abs=200)
    assert found.fits.bytes >= held


Run = Callable[..., tuple[int, str, str]]


def test_command_in_every_form() -> None:
    answers = {name: run("fit", "resnet18", "--memory", "1GiB", "--train", "--format", name) for name in FORMATS}
    assert [answer.returncode for answer in answers.values()] == [0] * len(FORMATS)
    document = json.loads(answers["json"].stdout)
    assert document["memory_bytes"] == 1024**3
    assert document["bytes"] <= 1024**3 < document["beyond"]["bytes"]
    assert document["beyond"]["batch"] == document["batch"] + 1
    rows = list(csv.DictReader(io.StringIO(answers["csv"].stdout)))
    assert {row["part"]: int(row["bytes"]) for row in rows[:-1]} == document["parts"]
    assert int(rows[-1]["bytes"]) == document["bytes"]
    for name in ("text", "markdown"):
        assert f"the largest batch is {document['batch']}" in answers[name].stdout
        assert f"{document['bytes']:,}" in answers[name].stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--memory", "100MiB"], 1, "not even one sample fits into 100 MiB"),
        (["--memory", "4G"], 2, "`--memory 4G` is not a size"),
        (["--memory", "0"], 2, "`--memory 0` is not a size"),
        (["--memory", "4GiB", "--optimizer", "adam"], 2, "`--optimizer adam` is for a training step"),
        (["--memory", "4GiB", "--train", "--optimizer", "adan"], 2, "Did you mean `adam`?"),
        (["--memory", "4GiB", "--dtype", "float31"], 2, "Did you mean `float32`?"),
        # 276,715,088 of parameters; a sample while the second convolution runs: 2·(3·224² + 2·64·224²)
        (["--memory", "700MiB", "--dtype", "float16"], 0, "the largest batch is 34"),
    ],
)
def test_command_line(arguments: list[str], code: int, said: str) -> None:
    done = run("fit", "vgg16", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
