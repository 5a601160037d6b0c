"""Networks in pieces: to the last digit what is built afresh, with its errors; and limits, passed on the way."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archcalc import load
from archcalc.analysis.counts import Totals
from archcalc.candidates import Candidates, Exceeded
from archcalc.errors import ArchcalcError, UsageError
from archcalc.language import pieces
from archcalc.language.expand import settable
from archcalc.language.zoo import selections, spec_files
from archcalc.networks import inputs_of

# Rows of a table and of a list, names between rows, heads, tokens, blocks of other files, weights with several users,
# steps, experts, several inputs, and networks that pieces do not say all of.
MODELS = (
    *(
        "efficientnet-b0",
        "regnety-800mf",
        "unetpp",
        "googlenet",
        "vit-b-16",
        "detr-resnet50",
        "capsnet",
        "mixtral-8x7b",
    ),
    *("shufflenetv2-1.0", "lstm-ptb-small", "yolov5s", "nasnet-a-cifar", "rnnsearch-50", "dit-s-2", "wrn-28-10"),
)
NUMBERS = (
    st.integers(0, 12)
    | st.integers(1, 40).map(lambda n: 8 * n)
    | st.integers(1, 40).map(lambda n: Fraction(n, 10))
    | st.just(10**18)
)


@cache
def candidates(name: str) -> Candidates:
    """One for all that is tried, so that most pieces of a network were those of another."""
    return Candidates(name)


def asked(of: Candidates | str, changed: dict[str, int | Fraction], input: dict[str, tuple[int, ...]] | None) -> object:
    """Totals, or what is wrong with it."""
    try:
        if isinstance(of, Candidates):
            return of.totals(changed, input)
        return load(of, settings=changed, input=input).totals
    except ArchcalcError as error:
        return type(error), error.render()


WIDTHS = st.integers(4, 16).map(lambda n: Fraction(n, 8))
DEPTHS = st.integers(1, 9)
DRAWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {  # what builds, mostly
    "efficientnet-b0": {"width": WIDTHS, "depth": st.integers(1, 32).map(lambda n: Fraction(n, 10))},
    "regnety-800mf": {f"w{n}": st.integers(1, 40).map(lambda n: 16 * n) for n in (1, 2, 3)} | {"d2": DEPTHS},
    "mobilenetv3-large": {"alpha": WIDTHS, "classes": st.integers(1, 1000)},
    "wrn-28-10": {"k": st.integers(1, 16), "depth": DEPTHS.map(lambda n: 6 * n + 4)},
    "resnet50": {"width": WIDTHS, "v15": st.integers(0, 1)},
    "vit-b-16": {"L": DEPTHS, "D": st.integers(1, 8).map(lambda n: 96 * n), "P": st.sampled_from((8, 16, 32))},
}


def hold_drawn(data: st.DataObject) -> None:
    """Settings that build, at sizes that most blocks were not at before."""
    name = data.draw(st.sampled_from([*DRAWN]))
    of = candidates(name)
    changed = data.draw(st.fixed_dictionaries(DRAWN[name]))
    side = data.draw(st.integers(1, 16)) * 32
    fresh = load(name, settings=changed, input=(3, side, side)).totals
    assert of.totals(changed, (3, side, side)) == fresh
    assert of._pieces is not None


def hold(name: str, data: st.DataObject) -> None:
    of = candidates(name)
    names = settable(of.selection)
    changed = data.draw(st.dictionaries(st.sampled_from(names), NUMBERS, max_size=3) if names else st.just({}))
    input = None
    if data.draw(st.booleans()):
        sides = st.integers(1, 600) | st.sampled_from((32, 64, 128, 224))
        first, shape = next(iter(inputs_of(of.selection).items()))
        input = {first: (*shape[:1], *[data.draw(sides) for _ in shape[1:]])}
    fresh = asked(name, changed, input)
    assert asked(of, changed, input) == fresh
    assert asked(of, changed, input) == fresh  # now that all pieces are known


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_candidate_is_the_network_that_is_built_afresh(data: st.DataObject) -> None:
    hold(data.draw(st.sampled_from(MODELS)), data)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_candidate_of_a_sweep_is(data: st.DataObject) -> None:
    hold_drawn(data)


@pytest.mark.exhaustive
@given(st.data())
@settings(max_examples=1000, deadline=None)
def test_a_thousand_candidates_of_sweeps_are(data: st.DataObject) -> None:
    hold_drawn(data)


@pytest.mark.exhaustive
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_candidates_of_all_families_are(data: st.DataObject) -> None:
    every = [found[0].name for path in spec_files() if (found := selections(path)[1])]
    hold(data.draw(st.sampled_from(MODELS) | st.sampled_from(every)), data)


@pytest.mark.exhaustive
def test_every_model_of_the_zoo_is() -> None:
    for path in spec_files():
        for selection in selections(path)[1]:
            assert Candidates(selection).totals() == load(selection).totals, selection.name


@pytest.mark.parametrize("name", ["efficientnet-b0", "resnet50", "regnetx-400mf", "vit-b-16", "densenet121", "unetpp"])
def test_networks_of_these_families_are_never_built_afresh(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = Candidates(name)
    monkeypatch.setattr("archcalc.candidates.network", None)
    assert of.totals() == load(name).totals


TWICE = """\
input: 16 × 32 × 32
given: {n: 4}
layers:
  - stage(n, 3)
  - stage(n, 5)
blocks:
  unit(k): conv(16, k) bn relu
  stage(n, k): unit(k) x(n)
"""


def test_a_repeat_is_not_that_of_another_call_of_its_block(tmp_path: Path) -> None:
    spec = tmp_path / "twice.yaml"
    spec.write_text(TWICE, encoding="utf-8")
    of = Candidates(str(spec))
    for count in (3, 5, 2):
        assert of.totals({"n": count}) == load(str(spec), settings={"n": count}).totals
    assert of._pieces is not None


def test_batch_and_dtype_and_an_input_in_the_name() -> None:
    fresh = load("gpt2").report(3, "float16").totals
    assert Candidates("gpt2").totals(batch=3, dtype="float16") == fresh
    assert Candidates("resnet50@96").totals() == load("resnet50@96").totals


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MAX_PIECES", 50)
    of = Candidates("regnetx-400mf")
    for width in range(400, 720, 16):
        assert of.totals({"w4": width}) == load("regnetx-400mf", settings={"w4": width}).totals
        assert of._pieces.shelf.pieces < 100  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "limit", ["params", "active_params", "macs", "flops", "param_bytes", "weights", "peak_memory_bytes"]
)
def test_a_limit_that_is_passed_is_said(limit: str) -> None:
    of = Candidates("efficientnet-b0")
    for scale in (1, 2):
        changed = {"width": scale}
        real = load("efficientnet-b0", settings=changed).totals.counts()[limit]
        assert isinstance(of.totals(changed, limits={"weight_layers": 10**6, limit: real}), Totals)
        passed = of.totals(changed, limits={limit: real - 1})
        assert isinstance(passed, Exceeded)
        assert (passed.name, passed.limit) == (limit, real - 1)
        assert real - 1 < passed.found <= real


def test_a_limit_stops_before_the_end() -> None:
    of = Candidates("efficientnet-b0")
    passed = of.totals(limits={"params": 10_000})
    assert isinstance(passed, Exceeded)
    assert 10_000 < passed.found < 100_000  # of 5.3 million


def test_code_has_no_candidates() -> None:
    with pytest.raises(UsageError, match="is no spec"):
        Candidates("tests/data/traces/net.json")
