"""What a machine means for the numbers, and why other tools count otherwise."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings

import archcalc
from archcalc import cli
from archcalc.analysis.conventions import convention, recount
from archcalc.analysis.counts import analyse, cost_of
from archcalc.analysis.peers import PEERS, Counted, Like, Peer, Reason, difference, like, reasons, why_not
from archcalc.graph import Graph
from archcalc.measurement.latency import Latency, Machine
from archcalc.measurement.machine import Examined, findings, room
from archcalc.ops import Op, Shape
from archcalc.runtime import machine
from archcalc.runtime import peers as subject
from archcalc.runtime.peers import examine, peer
from archcalc.show import doctor as examined
from archcalc.show.writers import FORMATS, write
from archcalc.tasks.doctor import DoctorResult, PeerCounts
from tests.graphs import Build, call, chain
from tests.test_conventions import sharing

QUIET = Examined(
    machine=Machine("Linux", "3.12", "glibc 2.40", processors=8, governor="performance", load=0.1),
    device="cpu",
    device_name="A processor",
    torch="2.13.0",
    threads=8,
    quota=None,
    memory=2**34,
    pinnable=True,
    clock_ms=5e-5,
    probe=Latency(median=0.05, iqr=0.001, min=0.049, max=0.09, p90=0.052, p99=0.08, runs=9000),
    gpu="none: no GPU that torch can use",
)


def at(**changes: Any) -> Examined:
    """The quiet machine with something else."""
    return replace(QUIET, machine=replace(QUIET.machine, **changes))


MEANT = {
    "nothing": (QUIET, {}),
    "others run": (at(load=3.0), {"load": "`--threads 5`"}),
    "a little load": (at(load=2.0), {}),
    "no word of the load": (at(load=None), {}),
    "a slow governor": (at(governor="powersave"), {"governor": "the clock follows the load"}),
    "a virtual machine": (at(governor=""), {}),
    "a container": (
        replace(QUIET, quota=2.5),
        {"processors": "more than 2.5 threads", "threads": "`--threads 2`"},
    ),
    "half a processor": (replace(QUIET, quota=0.5, threads=1), {"processors": "0.5", "threads": "`--threads 1`"}),
    "a wide container": (replace(QUIET, quota=16.0), {}),
    "many threads": (replace(QUIET, threads=16), {"threads": "`--threads 8`"}),
    "musl": (replace(QUIET, pinnable=False), {"malloc": "pay for new pages"}),
    "neighbours": (
        replace(QUIET, probe=replace(QUIET.probe, median=0.06, p90=0.0735)),
        {"probe": "up to 50 % slower"},
    ),
    "a GPU": (
        replace(
            QUIET,
            device="cuda:0",
            gpu="A GPU",
            machine=replace(QUIET.machine, driver="580", cuda="13.0", tf32="matrix products on", clocks="1 GHz"),
        ),
        {"TF32": "10 bits"},
    ),
}
HARMLESS = {"GPU", "clock"}


@pytest.mark.parametrize(("there", "means"), MEANT.values(), ids=MEANT)
def test_what_a_machine_means(there: Examined, means: dict[str, str]) -> None:
    found = {finding.name: finding for finding in findings(there)}
    assert {name for name in found if found[name].means} - HARMLESS == set(means)
    for name, words in means.items():
        assert words in found[name].means
    assert all(finding.found for finding in found.values())


def test_the_clock_says_how_short_a_layer_may_be() -> None:
    """A reading of 50 ns is 2 % of 2.5 µs."""
    (clock,) = (finding for finding in findings(QUIET) if finding.name == "clock")
    assert clock.found == "50 ns a reading"
    assert "below 2.5 µs" in clock.means


def test_this_machine_is_examined() -> None:
    found = examine()
    assert (found.device, found.torch) == ("cpu", torch.__version__)
    assert found.threads == torch.get_num_threads() > 0
    assert 0 < found.clock_ms < 0.1
    assert 0 < found.probe.min <= found.probe.median
    assert found.machine.processors is None or 0 < room(found) <= found.machine.processors
    assert found.gpu


@pytest.mark.parametrize(
    ("text", "processors"),
    [("200000 100000", 2.0), ("50000 100000", 0.5), ("max 100000", None), ("", None), ("1 2 3", None)],
)
def test_the_time_that_a_container_gets(text: str, processors: float | None, tmp_path: Path) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(text)
    assert machine.quota(str(path)) == processors
    assert machine.quota(str(tmp_path / "none")) is None


def test_driver_and_clocks_are_what_nvidia_smi_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = tmp_path / "nvidia-smi"
    said.write_text('#!/bin/sh\necho "$@" > "$0.asked"\necho "580.82, 1980 MHz, 1980 MHz, 3201 MHz"\n')
    said.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    class Properties:
        uuid = "1-2"
        L2_cache_size = 50 * 2**20

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda where: Properties)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    where = torch.device("cuda", 1)
    found = machine.machine(where)
    assert (found.driver, found.cuda, found.clocks) == ("580.82", "13.0", "1980 MHz of 1980 MHz, memory 3201 MHz")
    assert found.tf32.startswith("matrix products o")
    assert "--id=GPU-1-2" in (tmp_path / "nvidia-smi.asked").read_text()
    assert machine.cache_size(where) == 100 * 2**20
    said.write_text("#!/bin/sh\nexit 9\n")
    assert machine.machine(where).driver == ""
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert machine.machine(where).clocks == ""


# --- other tools --------------------------------------------------------------------------------------------------


def counted(op: Op, x: Shape, macs: int) -> Counted:
    y = op.shape(x)
    return Counted(op, cost_of(op, (x,), y), (x,), y, macs)


def tokens(count: int, width: int) -> Shape:
    """A sequence, as an op makes one."""
    return call("tokens").shape((width, count, 1))


CONV = call("conv", out=4, kernel=3)  # 3×8×8 to 4×8×8: 27 · 4 · 64 = 6,912 MACs, 256 outputs
WHYS = {
    "a bias an output": (CONV, (3, 8, 8), 6912 + 256, "adds one for each output of conv: its bias"),
    "nothing": (CONV, (3, 8, 8), 0, "does not know conv"),
    "something else": (CONV, (3, 8, 8), 7000, "counts conv otherwise: more than its multiply-accumulates"),
    "less": (CONV, (3, 8, 8), 100, "counts conv otherwise: less than its multiply-accumulates"),
    "one token": (call("linear", out=5), tokens(7, 3), 20, "counts linear for one token, not for each"),
    "a token's bias": (call("linear", out=5), tokens(7, 3), 7 * 20, "adds one for each output of linear: its bias"),
    "products": (
        call("attention", heads=2),
        tokens(7, 4),
        7 * 4 * 16,
        "does not see the products of queries, keys and values (scaled_dot_product_attention)",
    ),
    "products and biases": (
        call("attention", heads=2),
        tokens(7, 4),
        7 * 4 * 20,
        "does not see the products of queries, keys and values (scaled_dot_product_attention), and adds its biases",
    ),
    "an output of a transposed convolution": (
        call("deconv", out=2, kernel=3, stride=2),
        (3, 8, 8),
        3 * 2 * 9 * 17 * 17,
        "applies the kernel of deconv at each output, not at each input",
    ),
    "norm by value": (call("bn"), (4, 8, 8), 512, "counts 2 for each output of bn: element-wise"),
    "norm by parameter": (call("bn"), (4, 8, 8), 8, "counts the parameters of bn, once each"),
    "a pool's inputs": (call("gap"), (4, 8, 8), 256, "counts 1 for each input of gap: element-wise"),
    "and outputs": (call("gap"), (4, 8, 8), 260, "counts 1 for each input and output of gap: element-wise"),
    "neither": (call("gap"), (4, 8, 8), 3, "counts operations of gap: element-wise"),
}


@pytest.mark.parametrize(("op", "x", "macs", "why"), WHYS.values(), ids=WHYS)
def test_why_a_tool_counts_otherwise(op: Op, x: Shape, macs: int, why: str) -> None:
    assert why_not(counted(op, x, macs)).startswith(why)


def test_reasons_add_up_to_the_difference() -> None:
    nodes = [counted(CONV, (3, 8, 8), 6912 + 256), counted(call("bn"), (4, 8, 8), 512)]
    nodes += [counted(CONV, (3, 8, 8), 6912), counted(call("gap"), (4, 8, 8), 0)]
    found = reasons(15_000, nodes)
    assert sum(reason.difference for reason in found) == 15_000 - 2 * 6912
    assert [reason.difference for reason in found] == [512, 408, 256], "the largest first"
    assert found[1].why == "counted in the network otherwise than in its layers one by one"


@pytest.mark.parametrize(
    ("macs", "says"),
    [(None, ""), (1000, "none"), (1010, "+10 (+1 %)"), (0, "−1,000 (−100 %)"), (900, "−100 (−10 %)")],
)
def test_differences(macs: int | None, says: str) -> None:
    assert difference(Peer("thop", macs=macs), 1000) == says


def small() -> Any:
    """A residual block and a classifier: 3·4·9·64 + 4·4·9·64 + 4·5 MACs."""
    b = Build((3, 8, 8))
    x = b("relu", b("bn", b("conv", -1, out=4, kernel=3)))
    y = b("add", b("conv", x, out=4, kernel=3), x)
    return b.finish(b("linear", b("gap", y), out=5))


MACS = 3 * 4 * 9 * 64 + 4 * 4 * 9 * 64 + 4 * 5


def test_torchinfo_counts_biases_and_parameters() -> None:
    """By its own rule, (weights and biases) × positions, and every other parameter once."""
    pytest.importorskip("torchinfo")
    found = peer("torchinfo", small())
    assert found.failed == ""
    assert found.macs == (3 * 4 * 9 + 4) * 64 + (4 * 4 * 9 + 4) * 64 + (4 * 5 + 5) + 8
    assert {reason.why.split(":")[0]: reason.difference for reason in found.reasons} == {
        "adds one for each output of conv": 512,
        "counts the parameters of bn, once each": 8,
        "adds one for each output of linear": 5,
    }


def test_fvcore_counts_norms_and_pools() -> None:
    pytest.importorskip("fvcore")
    found = peer("fvcore", small())
    assert found.failed == ""
    assert found.version
    assert found.macs == MACS + 2 * 256 + 256
    assert [reason.difference for reason in found.reasons] == [512, 256]
    assert found.params == 3 * 4 * 9 + 4 + 8 + 4 * 4 * 9 + 4 + 25


@pytest.mark.parametrize("tool", PEERS)
def test_tools_on_networks_of_all_kinds(tool: str) -> None:
    """Several inputs, ids, and attention: a tool gives a figure with reasons that add up, fails, or is missing."""
    b = Build((50,), (8,))
    graph = b.finish(b("add", b("attention", b("embed", -1, words=3, width=8), heads=2), -2))
    found = peer(tool, graph)
    assert found.missing or found.failed or found.macs is not None
    if found.macs is not None:
        macs = archcalc.analysis.counts.analyse(graph).totals.macs
        assert sum(reason.difference for reason in found.reasons) == found.macs - macs


def shared_on_a_map() -> Graph:
    """4·3 + 3 parameters, applied twice to a map, and 24 MACs."""
    b = Build((4, 1, 1))
    first, second = b("linear", -1, out=3), b("linear", -1, out=3)
    b.builder.share(second, first)
    return b.finish(first, second)


def of_a_map_and_of_a_vector() -> Graph:
    """3·3 + 3 parameters, of a map first and then of the vector behind."""
    b = Build((3, 1, 1))
    first = b("linear", -1, out=3)
    b.builder.share(second := b("linear", first, out=3), first)
    return b.finish(second)


def at_two_sizes() -> Graph:
    """A convolution of 4·4·9 + 4 parameters, at 8×8 and at 4×4."""
    b = Build((4, 8, 8), (4, 4, 4))
    first, second = b("conv", -1, out=4, kernel=3), b("conv", -2, out=4, kernel=3)
    b.builder.share(second, first)
    return b.finish(first, second)


def two_outputs() -> Graph:
    """4·2 + 2 and 4·3 + 3 parameters; 20 MACs."""
    b = Build((4,))
    return b.finish(b("linear", -1, out=2), b("linear", -1, out=3))


def two_inputs() -> Graph:
    """4·3 + 3 and 5·3 + 3 parameters; 27 MACs."""
    b = Build((4,), (5,))
    return b.finish(b("add", b("linear", -1, out=3), b("linear", -2, out=3)))


# Parameters and MACs by hand.
WHOLE: dict[str, tuple[Callable[[], Graph], int, int]] = {
    "shared on a map": (shared_on_a_map, 15, 24),
    "of a map and of a vector": (of_a_map_and_of_a_vector, 12, 18),
    "at two sizes": (at_two_sizes, 148, 144 * 64 + 144 * 16),
    "two outputs": (two_outputs, 25, 20),
    "two inputs": (two_inputs, 33, 27),
}


@pytest.mark.parametrize("tool", PEERS)
@pytest.mark.parametrize("name", WHOLE)
def test_a_tool_is_given_the_whole_network(name: str, tool: str) -> None:
    """What is shared once, all inputs and all outputs: torchinfo and ptflops add biases, as one token or place has."""
    pytest.importorskip(tool)
    make, params, macs = WHOLE[name]
    graph = make()
    found = peer(tool, graph)
    assert (found.failed, found.params) == ("", params)
    biases = analyse(graph).totals.elementwise["bias"] if tool in ("torchinfo", "ptflops") else 0
    assert found.macs == macs + biases
    assert found.like is None


@pytest.mark.parametrize("tool", PEERS)
@settings(max_examples=10, deadline=None)
@given(graph=sharing())
def test_a_tool_is_given_what_is_shared_once(tool: str, graph: Graph) -> None:
    pytest.importorskip(tool)
    found, totals = peer(tool, graph), analyse(graph).totals
    assert found.failed == ""
    assert sum(reason.difference for reason in found.reasons) == (found.macs or 0) - totals.macs
    if tool in ("fvcore", "ptflops"):  # the others count each module that holds what is tied
        assert found.params == totals.params
    if found.like is not None:
        own = recount(analyse(graph), convention(tool)).totals
        assert (found.like.params, found.like.macs) == (own.params, own.macs)
        assert sum(reason.difference for reason in found.like.reasons) == own.macs - (found.macs or 0)


def test_a_tool_gets_every_input_and_gives_every_output(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def count(model: Any, *x: Any) -> tuple[int, int]:
        if len(x) > 1:
            seen.append(([tuple(value.shape) for value in x], len(model(*x)), len(model(first=x[0], second=x[1]))))
        return 0, 0

    b = Build((4,), (5,))
    graph = b.finish(b("linear", -1, out=3), b("linear", -2, out=3))
    monkeypatch.setitem(subject.TOOLS, "torchinfo", count)
    monkeypatch.setattr(subject, "import_module", lambda name: None)
    peer("torchinfo", graph)
    assert seen == [([(1, 4), (1, 5)], 2, 2)]


def test_why_the_tool_and_its_convention_differ() -> None:
    """ptflops counts nn.PReLU twice an element, 512, and passes over archcalc's."""
    graph = chain((3, 8, 8), CONV, call("prelu"))
    nodes = [counted(CONV, (3, 8, 8), 6912 + 256), counted(call("prelu"), (4, 8, 8), 0)]
    found = like(Peer("ptflops", "", 116, 6912 + 256), graph, nodes)
    assert found == Like(
        116, 6912 + 256 + 512, (Reason(512, "`nn.PReLU` for prelu, where archcalc has its own module"),)
    )
    nodes[1] = counted(call("prelu"), (4, 8, 8), 512)
    assert like(Peer("ptflops", "", 116, 6912 + 256 + 512), graph, nodes) is None
    assert like(Peer("ptflops", "", 116), graph, nodes) is None


RAISED = {
    "raise RuntimeError('no such\\nbackend')": "RuntimeError: no such",
    "raise SystemExit(4)": "SystemExit: 4",
    "import nothing_of_that_name": "ModuleNotFoundError: No module named 'nothing_of_that_name'",
    "raise ImportError('old torch')": "ImportError: old torch",
    "class Odd(BaseException): pass\nraise Odd('x')": "Odd: x",
    "print('loud')": "ImportError: cannot import name 'profile'",  # it is no thop
    "x = ": "SyntaxError: invalid syntax",
}


def broken_thop(body: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the tool's name, in its place."""
    (folder / "thop.py").write_text(body, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "thop"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("body", RAISED)
def test_a_tool_that_breaks_on_import_is_one_line(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_thop(body, tmp_path, monkeypatch)
    monkeypatch.setattr(subject, "version", lambda name: "9")
    monkeypatch.setitem(subject.TOOLS, "torchinfo", lambda model, *x: (7, 8))
    monkeypatch.setattr(
        subject, "import_module", lambda name: importlib.import_module(name) if name == "thop" else None
    )
    assert cli._run(["doctor", "lenet5", "--vs", "thop,torchinfo"]) == 0
    said = capsys.readouterr().out
    assert f"failed: {RAISED[body]}" in " ".join(said.split())
    assert "torchinfo" in said, "the next tool is asked all the same"
    assert "loud" not in said
    sys.modules.pop("thop", None)


def test_ctrl_c_is_no_answer_of_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_thop("raise KeyboardInterrupt", tmp_path, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        peer("thop", small())


def test_a_tool_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "thop", None)
    assert peer("thop", small()) == Peer("thop", missing=True)


def test_a_tool_that_fails_talks_and_warns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def count(model: Any, x: Any) -> tuple[int, int]:
        print("loud")
        raise KeyError("no rule\nat line 3")

    monkeypatch.setitem(subject.TOOLS, "torchinfo", count)
    monkeypatch.setattr(subject, "import_module", lambda name: None)
    found = peer("torchinfo", small())
    assert found.failed.startswith("KeyError: ")
    assert found.macs is None
    assert capsys.readouterr().out == ""


def test_nodes_that_are_alike_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def count(model: Any, x: Any) -> tuple[int, int]:
        model(x)
        seen.append(len(model.nodes))
        return 0, 0

    monkeypatch.setitem(subject.TOOLS, "torchinfo", count)
    monkeypatch.setattr(subject, "import_module", lambda name: None)
    ticks: list[tuple[int, int]] = []
    peer("torchinfo", chain((4, 8, 8), *[call("conv", out=4, kernel=3)] * 3), lambda *done: ticks.append(done))
    assert seen == [3, 1]
    assert ticks == [(1, 3), (2, 3), (3, 3)]


# --- shown --------------------------------------------------------------------------------------------------------

BESIDE = PeerCounts(
    "vgg16",
    100,
    1000,
    [
        Peer("fvcore", "0.1", 100, 1010, (Reason(10, "counts 2 for each output of bn"),)),
        Peer("torchinfo", "1.8", 90, 1000, like=Like(100, 1020, (Reason(20, "nn.PReLU for prelu"),))),
        Peer("ptflops", "0.7", failed="KeyError: x"),
        Peer("thop", missing=True),
    ],
    chain((3, 8, 8), call("conv", out=4, kernel=3)),
)


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("beside", [None, BESIDE], ids=["machine", "beside"])
def test_every_form(beside: PeerCounts | None, output_format: str) -> None:
    page = examined.page(DoctorResult(QUIET, beside))
    text = write(page, output_format)
    assert text.endswith("\n")
    assert "\033" not in text
    if beside is None:
        assert all(word in text for word in ("governor", "threads", "malloc", "A processor"))
    else:
        assert all(word in text for word in ("fvcore", "torchinfo", "counts 2 for each output of bn", "KeyError: x"))
        assert all(word in text for word in ("1020",) if output_format in ("csv", "json"))
        assert output_format == "csv" or "nn.PReLU for prelu" in text
    if output_format == "json":
        found = json.loads(text)
        assert found["schema"] == 1
        assert [peer["tool"] for peer in found.get("peers", [])] == ([p.tool for p in BESIDE.peers] if beside else [])
    elif beside is not None and output_format != "csv":
        assert "thop is not installed: `pip install thop`." in text
    assert ("\033" in write(page, output_format, 80, True)) is (output_format == "text")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "torch" in said
    assert "processors" in said
    assert cli._run(["doctor", "lenet5", "--vs", "torchinfo", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (torchinfo,) = found["peers"]
    assert (
        torchinfo["missing"] or sum(r["difference"] for r in torchinfo["reasons"]) == torchinfo["macs"] - found["macs"]
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--vs", "fvcore"], 2, "`--vs` needs a network"),
        (["lenet5", "--vs", "fvcor"], 2, "Did you mean `fvcore`?"),
        (["lenet55"], 2, "lenet"),
        (["--device", "tpu"], 2, "`tpu` is not a device"),
    ],
)
def test_wrong_use(arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["doctor", *arguments]) == code
    assert message in capsys.readouterr().err


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cli._run(["doctor", "--gpu"]) == 3
    assert "no GPU that torch can use" in capsys.readouterr().err
