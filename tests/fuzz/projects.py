"""`pyproject.toml`, bent."""

from __future__ import annotations

from pathlib import Path
from random import Random

from ._tried import mutated, run, tried, write

TOML = """\
[project]
name = "a"
version = "1"

[tool.archcalc]
budgets = ["params <= 25.6M", "peak_memory_bytes <= 64MiB", "params with heads <= 30M, advisory"]

[tool.other]
numbers = [1, 2.5, 1979-05-27T07:32:00Z, { a = "b" }]
"""
WORDS = (
    "tool = 5",
    "[tool]",
    "budgets = 1",
    "[tool.archcalc.budgets]",
    "latency <= 2 × vgg16, required",
    "<" * 300,
    "≤",
)


def round(random: Random, folder: Path) -> None:
    run("lock", "lenet5")
    write(folder / "pyproject.toml", mutated(random, TOML, WORDS))
    tried("check", "--format", random.choice(("text", "json", "junit")))
