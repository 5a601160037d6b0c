"""Traces of code, bent: as text, and value by value."""

from __future__ import annotations

from pathlib import Path
from random import Random

from ._tried import tried, write
from .runs import bent

TRACES = sorted(Path(__file__).resolve().parent.parent.joinpath("data", "traces").glob("*.json"))
COMMANDS = (
    ["summary", "a.json", "--static"],
    ["summary", "a.json", "--static", "--full", "--format", "json"],
    ["compare", "a.json", "lenet5"],
    ["explain", "a.json"],
)


def round(random: Random, folder: Path) -> None:
    write(folder / "a.json", bent(random, TRACES, 0.8))
    tried(*random.choice(COMMANDS), codes=(0, 2))
