"""The rules of the spec language, one small spec each: `data/valid/*.yaml`, and beside it what it means, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archcalc.analysis.counts import Report
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
