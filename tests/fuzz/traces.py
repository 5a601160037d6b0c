"""Traces of code, bent: as text, and value by value."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from ._tried import mutated, tried, write
from .runs import bend

TRACES = sorted(Path(__file__).resolve().parent.parent.joinpath("data", "traces").glob("*.json"))
COMMANDS = (
    ["summary", "a.json", "--static"],
    ["summary", "a.json", "--static", "--full", "--format", "json"],
    ["compare", "a.json", "lenet5"],
    ["explain", "a.json"],
)


def round(random: Random, folder: Path) -> None:
    text = random.choice(TRACES).read_text(encoding="utf-8")
    if random.random() < 0.8:
        document = json.loads(text)
        for _ in range(random.choice((1, 1, 2, 5))):
            bend(random, document)
        text = json.dumps(document)
    else:
        text = mutated(random, text)
    write(folder / "a.json", text)
    tried(*random.choice(COMMANDS), codes=(0, 2))
