"""Command lines: commands, options and words of all kinds, in any order."""

from __future__ import annotations

from pathlib import Path
from random import Random

from ._tried import NOISE, tried

COMMANDS = {
    "summary": (
        "--static",
        "--input",
        "--set",
        "--batch",
        "--dtype",
        "--depth",
        "--only",
        "--sort",
        "--columns",
        "--like",
    ),
    "scale": ("--input", "--set", "--batch", "--dtype"),
    "fit": ("--memory", "--set", "--input", "--train"),
    "explain": ("--set", "--input"),
    "compare": ("--by", "--set", "--batch", "--diff"),
    "check": ("--format", "--zoo"),
    "show": (),
    "list": ("--sort", "--only"),
    "paper": ("--verdict",),
    "lock": ("-o", "--rows"),
}
WORDS = (
    "vgg16",
    "lenet5",
    "resnet18@64",
    "vgg:D",
    "./a.yaml",
    "a.lock",
    "classes=10",
    "3x64x64",
    "params",
    "json",
    "4GiB",
)
NAMES = tuple(word for word in NOISE if "\0" not in word)  # no command line holds one


def round(random: Random, folder: Path) -> None:
    command = random.choice(tuple(COMMANDS))
    line = [command, *(["--static"] if command == "summary" else [])]
    for _ in range(random.randrange(1, 5)):
        option = random.choice((*COMMANDS[command], "", ""))
        word = random.choice(WORDS) if random.random() < 0.6 else random.choice(NAMES)
        line += [option, word] if option else [word]
    tried(*[word for word in line if word not in ("--zoo",)], codes=(0, 1, 2, 3))
