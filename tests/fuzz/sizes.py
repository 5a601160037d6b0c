"""Inputs of 64 KiB, of one thing very often: in time, and within memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from ._tried import tried, write

HEAD = "input: 4 × 8 × 8\n"
LOCK = "archcalc lock 1\n"


def _rows(cell: str, n: int) -> str:
    return "layers:\n  from: T\n  table: |\n    op\n" + "".join(f"    {cell.format(n=k)}\n" for k in range(n))


def _list(line: str, n: int) -> str:
    return "layers:\n" + "".join(f"  - {line.format(n=k)}\n" for k in range(n))


SHAPES: dict[str, Callable[[int], tuple[str, str]]] = {
    "names": lambda n: ("a.yaml", HEAD + _list("a{n}: relu", n)),
    "branches": lambda n: ("a.yaml", HEAD + _list("add: [relu, [b: relu, tanh, b]]", n)),
    "rows": lambda n: ("a.yaml", HEAD + "columns: {op: layer}\nnotation: {r: relu}\n" + _rows("r", n)),
    "cells": lambda n: (
        "a.yaml",
        HEAD + "columns: {op: layer}\nnotation: {'r{k}': 'conv(k + 1)'}\n" + _rows("r{n}", n),
    ),
    "a word": lambda n: ("a.yaml", f"title: {'x' * n * 9}\n{HEAD}layers: [relu]\n"),
    "wide letters": lambda n: ("a.yaml", f"title: {'語' * n * 3}\n{HEAD}layers: [relu]\n"),
    "blanks": lambda n: ("a.yaml", f"title: {'x ' * n * 4}\n{HEAD}layers: [relu]\n"),
    "brackets": lambda n: ("a.yaml", HEAD + "layers: " + "[" * n + "]" * n),
    "parts": lambda n: ("a.yaml", HEAD + f"layers: [split({10**9 + n})]\n"),
    "repeats": lambda n: ("a.yaml", HEAD + f"layers: [relu x{10**9 + n}]\n"),
    "variants": lambda n: ("a.yaml", HEAD + f"variants: [{', '.join(f'v{k}' for k in range(n))}]\nlayers: [relu]\n"),
    "lets": lambda n: (
        "a.yaml",
        HEAD + "let:\n" + "".join(f"  l{k}: l{k + 1} + 1\n" for k in range(199)) + "  l199: 1\nlayers: [conv(l0)]\n",
    ),
    "lines of a lock": lambda n: ("a.lock", LOCK + "\n" * n * 9 + "end\n"),
    "a path of a lock": lambda n: ("a.lock", f"{LOCK}model {'9' * n * 9}\n  nodes 0\nend\n"),
    "a path in a lock": lambda n: (
        "a.lock",
        f"{LOCK}model lenet5\n  nodes 1\n    {'a/' * n} | x | 1 | 1 | 1 | 1 | -\nend\n",
    ),
    "budgets of a lock": lambda n: ("a.lock", LOCK + f"budget params{'<' * n}{' ' * n}x\n" + "end\n"),
    "a budget": lambda n: ("pyproject.toml", f'tool.archcalc.budgets = ["params{"<" * n}{" " * n}x"]\n'),
    "digits": lambda n: ("pyproject.toml", f"a = {'9' * n * 9}\n"),
    "arrays": lambda n: ("pyproject.toml", f"a = {'[' * n}{']' * n}\n"),
    "keys": lambda n: ("pyproject.toml", f"{'a.' * n}a = 1\n"),
}
COMMANDS = {
    "a.yaml": (["summary", "--static", "./a.yaml"], ["check", "a.yaml"], ["lock", "a.yaml"], ["show", "./a.yaml"]),
    "a.lock": (["check"], ["check", "--format", "json"]),
    "pyproject.toml": (["check"],),
}


def round(random: Random, folder: Path) -> None:
    name, text = SHAPES[random.choice(tuple(SHAPES))](random.randrange(10, 3_000))
    write(folder / "b.lock", LOCK + "end\n")
    write(folder / name, text[: 2**16])
    tried(*random.choice(COMMANDS[name]))
