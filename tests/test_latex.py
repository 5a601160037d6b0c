"""Tables for a paper: what TeX makes of them in one column of a page with two, and what stands in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from archcalc import cli

PAPER = """\\documentclass[twocolumn]{article}
\\usepackage{booktabs,amssymb}
\\begin{document}
Table~\\ref{%s} is a table.
\\input{table}
\\end{document}
"""
FIVE = ["compare", "vgg16", "resnet50", "googlenet", "efficientnet-b0", "inception-resnet-v2"]
SIX = ["--columns", "params,macs,activation,peak,weight,accuracy"]


def latex(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert cli._run([*line, "--format", "latex"]) == 0
    return capsys.readouterr().out


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX")
@pytest.mark.parametrize(
    "line",
    [
        [*FIVE, *SIX],
        FIVE,
        [*FIVE, "--ratios"],
        [*FIVE, "--units", "raw"],
        ["compare", "resnet18", "mobilenetv1", "--by", "stage"],
        ["summary", "googlenet", "--static"],
        ["summary", "resnet50", "--static", "--columns", "output_shape,params,macs,receptive_field"],
        ["scale", "efficientnet-b0", "--input", "64,96", "--batch", "1,8", "--set", "classes=10"],
        ["list", "mobilenetv1"],
        ["fit", "resnet18", "--memory", "4GiB"],
        ["explain", "alexnet"],
        ["paper", "vgg16"],
    ],
    ids=" ".join,
)
def test_tables_fit_into_a_column(line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = latex(capsys, *line)
    label = re.search(r"\\label\{(.*?)\}", table)
    (tmp_path / "table.tex").write_text(table, encoding="utf-8")
    (tmp_path / "paper.tex").write_text(PAPER % (label[1] if label else "none"), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    said = (tmp_path / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert not re.findall(r"^Overfull \\hbox.*$", said, re.MULTILINE)
    if label:
        assert "undefined" not in said


def test_networks_are_rows_and_notes_stand_below(capsys: pytest.CaptureFixture[str]) -> None:
    table = latex(capsys, *FIVE[:4], "--columns", "params,macs")
    assert [line for line in table.splitlines() if "&" in line] == [
        r"     & params & MACs \\",
        r"    network & (M) & (G) \\",
        r"    vgg16 & 138.4 & 15.47 \\",
        r"    resnet50 & 25.6 & 3.86 \\",
        r"    googlenet & 7.0 & 1.58 \\",
    ]
    caption = re.search(r"\\caption\{(.*)\}", table)
    assert caption is not None
    assert caption[1] == "Comparison of vgg16, resnet50, googlenet"
    assert r"\label{tab:comparison-of-vgg16-resnet50-googlenet}" in table
    assert table.index("best: googlenet in params, MACs") > table.index(r"\bottomrule")
    assert "ratios" not in table
    assert r"3.86 & 0.249$\times$" in latex(capsys, *FIVE[:4], "--columns", "params,macs", "--ratios")


def test_points_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """With zeros that are there for their room alone."""
    table = latex(capsys, "summary", "lenet5", "--static", "--columns", "macs")
    assert r"& 0\phantom{.0} &" in table


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_the_same_table_in_other_forms(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run([*FIVE[:4], "--columns", "params,macs", "--format", form]) == 0
    text = capsys.readouterr().out
    if form == "markdown":
        assert "| network | params (M) | MACs (G) |\n| :--- | ---: | ---: |\n| vgg16 | 138.4 | 15.47 |" in text
    else:
        assert "<td class=t>vgg16</td><td data-v=138357544>138.4</td>" in text
