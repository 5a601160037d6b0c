"""`archcalc verify`: it finds what is wrong in a network, names the node, and says so in every form."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from archcalc import cli
from archcalc import models as api
from archcalc.analysis.counts import cost_of
from archcalc.errors import Unavailable, UsageError
from archcalc.graph import Graph
from archcalc.networks import network
from archcalc.ops import OPS
from archcalc.runtime import room
from archcalc.runtime import verify as subject
from archcalc.runtime.verify import (
    UNKNOWN_TO_FVCORE,
    Verified,
    count_with_fvcore,
    run,
    smallest,
    verify_all,
    verify_model,
)
from archcalc.show.verify import page
from archcalc.show.writers import write
from archcalc.tasks.verify import VerifyResult
from tests.graphs import call, chain, single
from tests.test_ops import ROWS, Row

COUNTED = [row for row in ROWS if row.macs]


@pytest.mark.parametrize("row", COUNTED, ids=lambda row: f"{row.word}-{row.arguments}-{row.inputs}")
def test_fvcore_counts_the_same(row: Row) -> None:
    """Every op that has MACs, but for what fvcore is known to pass over."""
    assert count_with_fvcore(single(call(row.word, **row.arguments), *row.inputs)) == []


@pytest.mark.parametrize("gap", UNKNOWN_TO_FVCORE)
def test_gaps_are_real(gap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its entry the op would be a difference: the list holds nothing that fvcore has learnt to count."""
    monkeypatch.delitem(UNKNOWN_TO_FVCORE, gap)
    row = next(row for row in COUNTED if gap in (OPS[row.word].family, OPS[row.word].torch_module))
    (difference,) = count_with_fvcore(single(call(row.word, **row.arguments), *row.inputs))
    assert difference.startswith(f"{row.word}: ")


def small() -> Graph:
    return chain((3, 8, 8), call("conv", out=4, kernel=3), call("bn"), call("relu"), call("gap"), call("linear", out=5))


def broken(forward: Any) -> Any:
    """What builds a ReLU that does something else."""

    class Broken(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            changed: torch.Tensor = forward(x)
            return changed

    return lambda op, rt, x: Broken()


@pytest.mark.parametrize(
    ("forward", "found"),
    [
        (lambda x: x / 0, ["relu: the output is not finite at the input 3×8×8"]),
        (lambda x: x * float("nan"), ["relu: the output is not finite at the input 3×8×8"]),
        (lambda x: x - x.mean(0), ["relu: sample 1 differs by "]),
        (lambda x: x * x.shape[0], ["relu: sample 1 differs by "]),
        (lambda x: x + 1e-7, []),
    ],
)
def test_running_finds(monkeypatch: pytest.MonkeyPatch, forward: Any, found: list[str]) -> None:
    assert run(small()) == []
    monkeypatch.setattr(OPS["relu"], "torch", broken(forward))
    differences = run(small())
    assert len(differences) == len(found)
    assert all(difference.startswith(start) for difference, start in zip(differences, found, strict=True))


def test_fvcore_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_with_fvcore(small()) == []
    monkeypatch.setattr(OPS["conv"], "macs", lambda op, x, y: 1)
    cost_of.cache_clear()
    found = count_with_fvcore(small())
    cost_of.cache_clear()  # of what is wrong here nothing stays
    assert found == ["conv: 1 MACs, fvcore counts 6,912"]


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("vgg16", (3, 32, 32)),  # five pools that halve: 2⁵
        ("lenet5", (1, 32, 32)),  # ((n − 4) / 2 − 4) / 2 − 4 = 1
        ("googlenet", (3, 193, 193)),  # a pool of 7 behind five halvings that round up: 2⁵ · 6 + 1
        ("vit-b-16", (3, 16, 16)),  # one patch
        ("resnet18", (3, 1, 1)),
        ("mamba-130m", (2,)),  # ids: 2048 ran, for minutes
        ("seq2seq-lstm", (25,)),  # several inputs: as printed
    ],
)
def test_smallest_input(model: str, shape: tuple[int, ...]) -> None:
    assert smallest(network(model)).inputs[0][1] == shape


def test_a_model() -> None:
    found = verify_model("lenet5")
    assert found.ok
    assert (found.model, found.params, found.inputs, found.gaps) == ("lenet5", 60_000, (("input", (1, 32, 32)),), {})
    assert verify_model("vit-b-32").gaps.keys() == {"attention"}


@pytest.mark.slow
def test_processes_give_the_same_in_the_order_asked() -> None:
    names = ["zip-net-1989", "lenet5", "resnet20-cifar"]
    ticks: list[tuple[int, int]] = []
    found = list(verify_all(names, lambda done, planned: ticks.append((done, planned)), workers=2))
    assert [verified.model for verified in found] == names
    assert all(verified.ok for verified in found)
    assert ticks == [(1, 3), (2, 3), (3, 3)]


def test_an_unknown_name_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "verify_model", lambda name: pytest.fail("nothing should run"))
    with pytest.raises(UsageError, match="vgg61"):
        list(verify_all(["lenet5", "vgg61"]))


# --- memory -------------------------------------------------------------------------------------------------------

# As wide and as deep as LLaMA-7B (arXiv:2302.13971, table 2): 32 layers of 4096, whose MLP is 11,008 wide.
LLAMA = """
name: wide
input: 16
given: {L: 32, D: 4096, H: 11008, V: 32000}
layers:
  - embed(V, D)
  - layer x(L)
  - layernorm linear(V, bias=False)
blocks:
  layer:
    - add:
        - identity
        - layernorm attention(32, bias=False, causal=True)
    - add:
        - identity
        - layernorm mlp
  mlp:
    - mul:
        - linear(H, bias=False) swish
        - linear(H, bias=False)
    - linear(D, bias=False)
"""


@pytest.fixture
def llama(tmp_path: Path) -> str:
    path = tmp_path / "wide.yaml"
    path.write_text(LLAMA, encoding="utf-8")
    return str(path)


def test_what_does_not_fit_is_compared_but_does_not_run(
    llama: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On 1 GiB: parameters, shapes and MACs are held against torch on `meta`, and that it did not run is no ✓. One of
    its layers with the words, 0.46 G parameters, takes 1.9."""
    monkeypatch.setattr(room, "available_memory", lambda where: 2**30)
    with pytest.raises(SystemExit) as left:
        cli.main(["verify", llama])
    assert left.value.code == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "✓" not in out
    assert "this needs 26.7 GiB of memory (25.1 GiB of parameters, 1.13 MiB of activations at batch 4" in out
    assert "free are 1.00 GiB. Not even one sample fits." in out
    assert "Not even one sample fits." in out
    found = verify_model(llama)
    assert (found.differences, bool(found.not_run)) == ((), True)
    assert found.params == 6_738_415_616 + 65 * 4096, "LLaMA-7B's, and the biases of norms that it has none of"
    with pytest.raises(SystemExit) as left:
        cli.main(["verify", llama, "--format", "json"])
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert left.value.code == 3
    assert (model["ok"], model["not_run"]) == (True, found.not_run)


def test_what_does_not_fit_runs_with_fewer_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """32 layers of 12·256² are 96 MiB, of which 48 have no room; of the constants only L leaves every kind of node."""
    path = tmp_path / "deep.yaml"
    path.write_text(re.sub("D: .*", "D: 256, H: 512, V: 100}", LLAMA), encoding="utf-8")
    monkeypatch.setattr(room, "available_memory", lambda where: 48 * 2**20)
    ran: list[Graph] = []

    def differs(graph: Graph) -> list[str]:
        ran.append(graph)
        return ["layer: something"]

    monkeypatch.setattr(subject, "_differences", differs)
    found = verify_model(str(path))
    assert (found.fewer, found.ran, found.differences) == ("L = 1", True, ("layer: something",))
    assert "free are 48.0 MiB" in found.not_run
    whole, (thin,) = network(path).graph, ran
    assert len(thin.nodes) == len(whole.nodes) - 31 * 10
    assert {node.op for node in thin.nodes} == {node.op for node in whole.nodes}
    monkeypatch.setattr(subject, "_differences", lambda graph: [])
    assert cli._run(["verify", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "ran with L = 1, every kind of node: this needs" in out
    assert "✓ the model agrees with torch in parameters, shapes and MACs, and runs with fewer layers" in out


def test_a_network_that_another_input_makes_and_what_stands_in_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("input: 3 × 8 × 8\nstands_in: a dance\nlayers: [flatten, linear(2)]\n", encoding="utf-8")
    said = "another network than at the printed 3×8×8 (386 parameters): 98 at 3×4×4"
    assert cli._run(["verify", f"{path}@4", "perceptron", "--format", "json"]) == 0
    there, plain = json.loads(capsys.readouterr().out)["models"]
    assert there["notes"] == ["something stands in for a dance: counted as in the paper, but not its function", said]
    assert "notes" not in plain
    assert cli._run(["verify", f"{path}@4"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "{}"],
        ["measure", "{}", "--runs", "1"],
        ["compare", "{}", "lenet5-dense", "--cpu"],
        ["doctor", "{}", "--vs", "torchinfo"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_that_builds_asks_first(
    arguments: list[str], llama: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room, "available_memory", lambda where: 8 * 2**30)
    monkeypatch.setattr(torch.nn, "Linear", lambda *_, **__: pytest.fail("it is not to be built"))
    with pytest.raises(SystemExit) as left:
        cli.main([argument.format(llama) for argument in arguments])
    said = capsys.readouterr().err
    assert left.value.code == 3, said
    assert "this needs 2" in said
    assert "free are 8" in said
    assert "Not even one sample fits." in said


def test_a_network_is_not_built_where_its_parameters_do_not_fit(llama: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "available_memory", lambda where: 8 * 2**30)
    with pytest.raises(
        Unavailable, match=r"the parameters of this network need 2.* GiB of memory, free are 8"
    ) as caught:
        api.load(llama).torch()
    assert "meta" in caught.value.hint
    assert api.load(llama).torch("meta").get_parameter("embed.weight").is_meta


def test_as_many_side_by_side_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "cores", lambda: 4)
    for free, expected in ((None, 4), (100 * 2**30, 4), (9 * 2**30, 2), (5 * 2**30, 1), (1, 1)):
        monkeypatch.setattr(subject, "available_memory", lambda where, free=free: free)
        assert subject.together([4 * 2**30] * 2 + [2**30] * 8) == expected


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="`ulimit -v` is not held elsewhere")
@pytest.mark.parametrize("command", [["verify", "alexnet"], ["measure", "alexnet", "--runs", "1"]], ids=lambda c: c[0])
@pytest.mark.parametrize("more", [0.2, 0.6])
def test_a_limit_of_memory_is_no_internal_error(command: list[str], more: float) -> None:
    """Of GiB beyond what a process with torch maps: the 61 million parameters of AlexNet and what they need to run do
    not fit, or just so."""
    code = f"""
import resource, sys
import archcalc.runtime.measure, archcalc.runtime.verify
import fvcore.nn
from archcalc.cli import main
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + int({more} * 2**30),) * 2)
main({command!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3), done.stderr
    if more < 0.5:
        assert done.returncode == 3
        assert "this needs" in done.stdout + done.stderr


def test_all_are_all() -> None:
    assert {"vgg16", "zip-net-1989", "resnet1202-cifar"} <= set(api.models())
    assert len(set(api.models())) == len(api.models())


# --- what is shown ------------------------------------------------------------------------------------------------

GOOD = Verified("good", 5, 1234, 56_789, (("input", (3, 32, 32)),), 0.5, {"attention": "a reason"}, ())
BAD = Verified(
    "bad", 7, 10, 20, (("input", (3, 1, 1)),), 0.25, {}, ("row/conv.1: 1 MACs, torch counts 2", "the network has …")
)


def test_forms() -> None:
    document = json.loads(write(page(VerifyResult((GOOD, BAD))), "json"))
    assert document["ok"] is False
    assert [model["ok"] for model in document["models"]] == [True, False]
    assert document["models"][1]["differences"] == list(BAD.differences)
    rows = list(csv.DictReader(io.StringIO(write(page(VerifyResult((GOOD, BAD))), "csv"))))
    assert [(row["model"], row["ok"]) for row in rows] == [("good", "yes"), ("bad", "no")]
    assert rows[1]["differences"] == "; ".join(BAD.differences)
    for name in ("text", "markdown"):
        shown = write(page(VerifyResult((GOOD, BAD))), name)
        assert "1 of 2 models differs" in shown
        assert "row/conv.1: 1 MACs, torch counts 2" in shown
        assert "a reason" in shown
    assert "the model agrees with torch" in write(page(VerifyResult((GOOD,))), "text")
    assert all(len(line) <= 60 for line in write(page(VerifyResult((GOOD, BAD))), "text", 60).splitlines())


def left_with(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(list(arguments))
    return int(left.value.code or 0)


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert left_with("verify", "lenet5", "lenet5", "--format", "json") == 0
    assert [model["model"] for model in json.loads(capsys.readouterr().out)["models"]] == ["lenet5"]
    assert left_with("verify") == left_with("verify", "lenet6") == 2
    assert "verify what?" in capsys.readouterr().err


def test_exit_code_of_a_difference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(OPS["tanh"], "torch", lambda op, rt, x: torch.nn.Flatten())
    assert left_with("verify", "lenet5") == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "C1/tanh: the output is 6×28×28, in torch 4704" in shown


def test_a_file_stands_for_each_of_its_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("input: 8\nvariants: [a, b]\nlayers:\n  - linear(4)\n", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        cli.main(["verify", str(path), "--format", "csv"])
    assert left.value.code == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()[1:]] == [f"{path}:a", f"{path}:b"]
