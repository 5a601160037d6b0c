"""Weights that several nodes work with: counted once in every sum, and said wherever one of them is shown."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from archcalc import cli
from archcalc.analysis.counts import analyse
from archcalc.analysis.explain import Explained
from archcalc.analysis.roofline import memory_traffic
from archcalc.graph import Graph
from archcalc.language.checks import read_family
from archcalc.language.expand import expand
from archcalc.language.reader import read_text
from archcalc.models import Model, load
from archcalc.ops import Tokens
from archcalc.runtime.network import build, parameter_count
from archcalc.runtime.verify import verify, verify_model
from archcalc.show.explain import page
from archcalc.show.writers import write
from archcalc.tasks.explain import Explanation
from archcalc.tasks.summary import FULL
from tests.test_render import written

TIED = """
input: {source: 5, target: 5}
layers:
  - memory: source embed(50, 8, weights=E) encoder x2
  - target embed(50, 8, weights=E) attention(2, memory)
  - linear(50, bias=False, weights=E)
blocks:
  encoder: linear(8, weights=W) relu linear(8, weights=W)
"""


def graph_of(text: str) -> Graph:
    family = read_family(read_text(text, "a.yaml"), "a")
    return expand(family, family.variants[0])


@pytest.fixture
def tied(tmp_path: Path) -> Model:
    path = tmp_path / "tied.yaml"
    path.write_text(TIED, encoding="utf-8")
    return load(str(path))


# --- what is counted ----------------------------------------------------------------------------------------------

# A layer that keeps the shape of its value, and its parameters and MACs for 4 channels, or a width of 4, by hand.
ONE = {
    "conv(4, 3)": (4 * 4 * 9 + 4, 36 * 4 * 4 * 9),
    "dwconv(3, bias=False)": (4 * 9, 36 * 4 * 9),
    "bn": (8, 0),
    "pair": (2 * (4 * 4 + 4), 2 * 36 * 16),
}


@settings(max_examples=40, deadline=None)
@given(layer=st.sampled_from(sorted(ONE)), calls=st.integers(1, 4), rounds=st.integers(1, 4))
def test_many_uses_have_the_parameters_of_one_and_the_macs_of_all(layer: str, calls: int, rounds: int) -> None:
    call = f"{layer[:-1]}, weights=W)" if layer.endswith(")") else f"{layer}(weights=W)"
    lines = f"  - {call} x({rounds})\n" * calls
    graph = graph_of(f"input: 4 × 6 × 6\nlayers:\n{lines}blocks:\n  pair: conv(4, 1) relu conv(4, 1)\n")
    params, macs = ONE[layer]
    totals = analyse(graph).totals
    assert (totals.params, totals.macs) == (params, calls * rounds * macs)
    assert parameter_count(build(graph, "meta")) == params
    assert verify(graph) == []
    rows = [analyse(graph).subtotal(row).params for row in graph.rows]
    assert rows == [params] + [0] * (calls - 1)  # at the first user


@settings(max_examples=25, deadline=None)
@given(tokens=st.integers(1, 8), width=st.integers(1, 5), state=st.integers(1, 5))
def test_steps_have_the_parameters_of_one_and_the_macs_of_all(tokens: int, width: int, state: int) -> None:
    graph = graph_of(
        f"input: {tokens}\nlayers:\n  - x: embed(7, {width})\n  - h: zeros({state})\n  - x\n"
        f"  - steps: [xt: identity, both: {{concat: [xt, h]}}, h: both linear({state}) tanh]\n"
    )
    totals = analyse(graph).totals
    assert totals.params == 7 * width + state * (width + state) + state
    assert totals.macs == tokens * state * (width + state)
    assert totals.weight_layers == 1
    assert graph.shape(graph.outputs[0]) == Tokens((tokens, state))
    assert verify(graph) == []


def test_a_recurrent_layer_is_one_layer_at_any_length() -> None:
    """Zaremba et al.'s two LSTMs and their softmax; the unrolled cell above is one layer too."""
    assert load("lstm-ptb-large").totals.weight_layers == 3
    two = "h, state, cell: lstm(4, states=True)\n  - h lstm(4, hidden=state, cell=cell) bidirectional"
    text = f"input: 9\nlayers:\n  - embed(5, 6)\n  - {two}\nblocks:\n  bidirectional: gru(3, bidirectional=True)\n"
    assert analyse(graph_of(text)).totals.weight_layers == 3


def test_each_sum_counts_them_once(tied: Model) -> None:
    # 50·8, two encoders of 8·8 + 8, and four projections of 8·8 + 8
    assert tied.totals.params == 400 + 2 * 72 + 4 * 72
    assert tied.totals.weights == 400 + 2 * 64 + 4 * 64
    assert tied.totals.param_bytes == 4 * tied.totals.params
    rows = [analyse(tied.graph).subtotal(row) for row in tied.graph.rows]
    assert [row.params for row in rows] == [400 + 2 * 72, 4 * 72, 0]
    assert rows[2].macs == 5 * 8 * 50
    assert parameter_count(build(tied.graph, "meta")) == tied.totals.params


# --- one sum ------------------------------------------------------------------------------------------------------

# Calls that keep 4 channels, by the tensors that they want: alike ones may have the same weights.
CALLS = {
    "conv": ("conv(4, 3", "conv(4, 3, 2", "conv(4, 3, dilation=2"),
    "dwconv": ("dwconv(3, bias=False",),
    "deconv": ("deconv(4, 2, 2",),
    "norm": ("bn(", "groupnorm(2", "prelu("),
}


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A spec in which some calls share their weights."""
    picks: list[tuple[str, str]] = draw(
        st.lists(
            st.sampled_from(sorted(CALLS)).flatmap(
                lambda kind: st.tuples(
                    st.sampled_from(CALLS[kind]), st.just("") if kind == "norm" else st.sampled_from(("", kind, kind))
                )
            ),
            min_size=1,
            max_size=6,
        )
    )
    names = [name or (call if call == "bn(" else "") for call, name in picks]
    lines = []
    for (call, _), name in zip(picks, names, strict=True):
        weights = f"weights={name.strip('(').upper()}" if names.count(name) > 1 and name else ""
        lines.append(f"  - {call}{', ' * bool(weights and not call.endswith('('))}{weights})\n".replace("()", ""))
    return f"input: 4 × 8 × 8\nlayers:\n{''.join(lines)}  - gap linear(3)\n"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=specs())
def test_every_command_has_the_sums_of_torch(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = build(graph_of(text), "meta").eval()
    params = parameter_count(network)
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 4, 8, 8, device="meta"))
    macs = counter.get_total_flops() // 2
    path, lock = tmp_path / "net.yaml", tmp_path / "net.lock"
    claims = f"      params | {params}\n      macs | {macs}\n"
    claimed = f"reported:\n  - from: torch\n    table: |\n      figure | net\n{claims}"
    path.write_text(text + claimed, encoding="utf-8")
    lock.unlink(missing_ok=True)

    def run(*words: str) -> Any:
        assert cli._run([*words, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    name = str(path)
    summary, explained = run("summary", name, "--static"), run("explain", name)["sums"]
    sums = [summary["totals"], *(point["totals"] for point in run("scale", name, "--input", "8")["points"])]
    sums += [model["totals"] for model in run("compare", name, f"{name}@16")["models"][:1]]
    sums += [{what: explained[what]["value"] for what in ("params", "macs")}]
    sums += [{what: sum(part[what] for part in summary[kind]) for what in ("params", "macs")} for kind in PARTS]
    (verified,) = run("verify", name)["models"]
    sums += [verified]
    assert [(found["params"], found["macs"]) for found in sums] == [(params, macs)] * len(sums)
    assert verified["ok"]
    assert run("fit", name, "--memory", "1GiB")["parts"]["parameters"] == 4 * params
    assert run("check", name)["specs"][0]["verdicts"]["exact"] == 2
    assert cli._run(["lock", name, "--output", str(lock)]) == 0
    assert {f"  params {params:,}", f"  macs {macs:,}"} <= set(lock.read_text("utf-8").splitlines())
    capsys.readouterr()
    assert run("check", str(lock))["ok"]


PARTS = ("layers", "rows")


def test_the_list_has_the_sums_of_torch(capsys: pytest.CaptureFixture[str]) -> None:
    """Vaswani et al.'s base model, whose embeddings and last layer are one table of 37,000·512."""
    assert cli._run(["list", "transformer", "--format", "json"]) == 0
    (found,) = (model for model in json.loads(capsys.readouterr().out) if model["name"] == "transformer-base")
    assert found["params"] == parameter_count(build(load("transformer-base").graph, "meta")) == 63_045_632


@pytest.mark.parametrize(
    ("model", "params"),
    [("transformer-base", 63_045_632), pytest.param("rnnsearch-50", 80_401_000, marks=pytest.mark.slow)],
)
def test_verify_prints_what_is_shared_once(model: str, params: int) -> None:
    found = verify_model(model)
    assert (found.params, found.differences) == (params, ())
    assert found.macs == load(model).totals.macs


def test_what_is_read_again_is_moved_again() -> None:
    """Three layers of 8·8 + 8 numbers on 4 tokens of 8: each reads its weights, its input, and writes its output."""
    graph = graph_of("input: 8 × 2 × 2\nlayers:\n  - tokens\n  - linear(8, weights=W) x3\n")
    assert memory_traffic(analyse(graph)) == (0, *[4 * (72 + 32 + 32)] * 3)


# --- what is said -------------------------------------------------------------------------------------------------


def test_a_summary_says_whose_weights_they_are(tied: Model) -> None:
    summary = tied.summary()
    shares = {"embed.2": "embed.1", "linear": "embed.1"}
    shares |= {f"encoder.{n}/linear.2": f"encoder.{n}/linear.1" for n in (1, 2)}
    layers = json.loads(written(summary, form="json"))["layers"]
    assert {layer["path"]: layer["shares"] for layer in layers if "shares" in layer} == shares
    assert all(layer["params"] == layer["weights"] == layer["biases"] == 0 for layer in layers if "shares" in layer)
    lines = csv.DictReader(io.StringIO(written(summary, FULL, form="csv")))
    assert {line["path"]: line["shares"] for line in lines if line["shares"]} == shares
    text = written(summary, FULL)
    assert "embed(50, 8, weights=embed.1)" in text
    assert "linear(50, bias=False, weights=embed.1)" in text


def test_an_explanation_says_where_they_are_counted(tied: Model) -> None:
    network, summary = Explained(tied.summary().report), tied.summary()
    last, first = network.node(len(tied.graph.nodes) - 1), network.node(0)
    assert (last.shares, last.counts.total.value, last.counts.params) == ("embed.1", 0, ())
    assert first.users == ("embed.2", "linear")
    said = write(page(Explanation(last, network, summary)), "text")
    assert "none of its own: those of embed.1, counted there" in said
    assert "MACs        T·out·D = 5·50·8 = 2,000" in said
    assert "also the parameters of embed.2, linear" in write(page(Explanation(first, network, summary)), "text")
    found = json.loads(write(page(Explanation(last, network, summary)), "json"))
    assert (found["shares"], found["params"]["value"], found["macs"]["value"]) == ("embed.1", 0, 2000)
