"""Shipped specs, bent: they are read or refused, and what is read is counted."""

from __future__ import annotations

from pathlib import Path
from random import Random

from archcalc.ops import OPS

from ._tried import SPECS, mutated, tried, write

WORDS = (
    *OPS,
    "parts",
    "steps",
    "identity",
    "let:",
    "given:",
    "layers:",
    "notation:",
    "models:",
    "x200000",
    "from resnet18: {stem: [conv1, conv2_x]}",
    "from cbam: [se]",
    "from lenet5:",
    "pad(1, mode=reflect)",
    "cin",
    "first",
    "index",
    "last",
    "width",
    "tokens",
)
COMMANDS = (
    ("summary", "--static", "./a.yaml"),
    ("summary", "--static", "--full", "./a.yaml"),
    ("summary", "--static", "--train", "./a.yaml"),
    ("check", "a.yaml"),
    ("show", "./a.yaml"),
    ("lock", "a.yaml"),
)


def round(random: Random, folder: Path) -> None:
    small = [path for path in SPECS if path.stat().st_size < 2**13]
    write(folder / "a.yaml", mutated(random, random.choice(small).read_text(encoding="utf-8"), WORDS))
    tried(*random.choice(COMMANDS))
