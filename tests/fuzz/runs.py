"""Saved runs, bent: as text, and value by value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

from ._tried import NOISE, mutated, tried, write

RUNS = sorted(Path(__file__).resolve().parent.parent.joinpath("data", "runs").glob("*.json"))
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    10**18,
    10**400,
    1e308,
    5e-324,
    "",
    [],
    {},
    [[]],
    [1, "a"],
    *NOISE[:12],
)


def round(random: Random, folder: Path) -> None:
    write(folder / "a.json", bent(random, RUNS, 0.7))
    command = random.choice((["compare", "a.json", "lenet5"], ["compare", "a.json", str(random.choice(RUNS))]))
    tried(*command, codes=(0, 1, 2, 3))


def bent(random: Random, paths: Sequence[Path], share: float) -> str:
    """The text of one of some JSON files, of that share value by value."""
    text = random.choice(paths).read_text(encoding="utf-8")
    if random.random() >= share:
        return mutated(random, text)
    document = json.loads(text)
    for _ in range(random.choice((1, 1, 2, 5))):
        bend(random, document)
    return json.dumps(document)


def bend(random: Random, found: Any) -> None:
    """Give a value somewhere in a document another one, or take it out."""
    while isinstance(found, dict | list) and found:
        key: Any = random.choice(list(found)) if isinstance(found, dict) else random.randrange(len(found))
        if not isinstance(found[key], dict | list) or random.random() < 0.2:
            if random.random() < 0.2:
                del found[key]
            else:
                found[key] = deepcopy(random.choice(VALUES))  # what is bent next must not be all that come
            return
        found = found[key]
