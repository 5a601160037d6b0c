"""The rules of the spec language, one small spec each: `data/valid/*.yaml`, and beside it what it means, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.analysis.counts import Report
from archcalc.errors import SpecError
from archcalc.language import expand
from archcalc.ops import dims
from archcalc.tasks.check import CheckedSpec, build_spec, judge_spec

VALID = sorted((Path(__file__).parent / "data" / "valid").glob("*.yaml"))


def test_there_are_specs_and_each_says_what_it_means() -> None:
    assert len(VALID) >= 50
    assert sorted(path.with_suffix(".json") for path in VALID) == sorted(VALID[0].parent.glob("*.json"))


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_spec_means(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    built = build_spec(path, path.name)
    checked, reports = judge_spec(built), built.reports
    found = {name: {fact: shown(checked, reports, name, fact) for fact in facts} for name, facts in expected.items()}
    assert found == expected
    assert set(reports) == set(expected)
    assert not checked.stale
    assert not checked.undeclared


def shown(checked: CheckedSpec, reports: dict[str, Report], name: str, fact: str) -> Any:
    report = reports[name]
    graph = report.graph
    match fact:
        case "output":
            return list(graph.shape(graph.outputs[0]))
        case "rows":
            return [row.name for row in graph.rows if not row.head]
        case "paths" | "nodes":
            return [node.path for node in graph.nodes]
        case "shared":
            sharing = [(node.path, node.shares) for node in graph.nodes if node.shares is not None]
            return [f"{path} is {graph.nodes[owner].path}" for path, owner in sharing]
        case "heads":
            return [name for name, _ in graph.head_outputs]
        case "verdicts":
            return [f"{j.claim.row} {j.claim.metric} {j.claim.printed} {j.verdict}" for j in checked.judged[name]]
        case "params with heads":
            assert report.totals_with_heads is not None
            return report.totals_with_heads.params
    return report.totals.counts()[fact]


def test_a_detector_over_a_backbone_is_the_one_that_is_written_whole() -> None:
    built = build_spec(VALID[0].parent / "a-detector-over-a-backbone.yaml", "detector.yaml")
    [(_, ours)] = built.reports.items()
    whole = archcalc.load("retinanet-resnet50-fpn").report()
    assert ours.totals.counts() == whole.totals.counts()
    assert len(ours.graph.nodes) == len(whole.graph.nodes)
    assert sorted(map(ours.graph.shape, ours.graph.outputs)) == sorted(map(whole.graph.shape, whole.graph.outputs))


def test_nothing_is_built_behind_the_last_row_of_a_part(tmp_path: Path) -> None:
    path = tmp_path / "stem.yaml"
    path.write_text(
        "input: 3 × 64 × 64\nfrom resnet50: {two: [conv3_x, conv2_x]}\nlayers:\n  - three, two_: two\n"
        "  - add: [three conv(8, 1), two_ conv(8, 1, 2)]\n",
        encoding="utf-8",
    )
    graph = archcalc.load(str(path)).graph
    assert graph.nodes[-1].op.word == "add"
    assert not [node.path for node in graph.nodes if "conv4_x" in node.path]
    assert [graph.shape(value) for value in graph.nodes[-1].inputs] == [(8, 8, 8), (8, 8, 8)]
    assert [row.name for row in graph.rows] == ["three, two_", "add"]


def test_an_error_in_another_file_says_who_asked(tmp_path: Path) -> None:
    path = tmp_path / "vector.yaml"
    path.write_text("input: 3\nfrom resnet18: {stem: conv1}\nlayers:\n  - stem\n", encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        archcalc.load(str(path)).report()
    said = raised.value.render()
    assert "specs/resnet.yaml:" in said
    assert f"in `stem`, a part of `resnet18`, {path}:4:5" in said


SCAN = """input: {T}
layers:
  - x: embed(10, 4)
  - h: zeros(3)
  - x
  - steps:
      - xt: identity
      - u: cell(3)
      - keep: {{mul: [h, xt linear(3) sigmoid]}}
      - h: {{add: [keep, u]}}
      - h linear(2)
  - parts: [identity, h]
blocks:
  cell(n): linear(n) tanh
"""


def test_further_steps_are_the_second_one_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    whole = expand._Expander.item

    def counted(self: Any, *given: Any) -> Any:
        read.append(given)
        return whole(self, *given)

    monkeypatch.setattr(expand._Expander, "item", counted)
    found = {}
    for tokens in (2, 3, 40):
        path = tmp_path / f"scan{tokens}.yaml"
        path.write_text(SCAN.format(T=tokens), encoding="utf-8")
        read.clear()
        model = archcalc.load(str(path))
        found[tokens] = len(read), len(model.graph.nodes), model.totals.macs, model.totals.params
    lines, nodes, macs, params = found[3]
    assert found[2][0] == lines
    step, each = nodes - found[2][1], macs - found[2][2]
    assert found[40] == (lines, nodes + 37 * step, macs + 37 * each, params)
    assert (step, each) == (8, 4 * 3 + 4 * 3 + 3 * 2)


def test_steps_built_again_compute_what_a_loop_computes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "scan.yaml"
    path.write_text(SCAN.format(T=6), encoding="utf-8")
    model = archcalc.load(str(path))
    torch.manual_seed(1)
    twin = model.torch().eval()
    ids = torch.randint(0, 10, (2, 6))
    embed, *weights = [value for _, value in twin.named_parameters()]
    (wu, bu), (wg, bg), (wo, bo) = zip(weights[::2], weights[1::2], strict=True)
    h, ends = torch.zeros(2, 3), []
    for xt in embed[ids].unbind(1):
        h = h * torch.sigmoid(xt @ wg.T + bg) + torch.tanh(xt @ wu.T + bu)
        ends.append(h @ wo.T + bo)
    tokens, last = twin(ids)
    torch.testing.assert_close(tokens, torch.stack(ends, 1))
    torch.testing.assert_close(last, h)


@pytest.mark.parametrize(
    ("input", "line", "shown"),
    [
        ("64", "reshape(4×4×4)", "4×4×4"),
        ("64 × 100", "tokens", "100 tokens × 64"),
        ("64 × 14 × 14", "tokens", "196 tokens × 64"),
        ("64 × 14 × 14", "gap flatten", "64"),
        ("64 × 14 × 14", "tokens map(14×14)", "64×14×14"),
        ("64 × 14 × 14", "tokens take(0)", "64"),
        ("64 × 14 × 14", "tokens mean(axis=0)", "64"),
        ("16 × 56 × 56", "windows(7)", "64 × 16×7×7"),
        ("16 × 56 × 56", "windows(7) together", "16×56×56"),
    ],
)
def test_one_kind_of_value_becomes_another(input: str, line: str, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "value.yaml"
    path.write_text(f"input: {input}\nlayers:\n  - {line}\n", encoding="utf-8")
    graph = archcalc.load(str(path)).graph
    assert dims(graph.shape(graph.outputs[0])) == shown
