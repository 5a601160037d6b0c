"""Locks, bent: never taken for what they were, and never more than an error."""

from __future__ import annotations

from pathlib import Path
from random import Random

from ._tried import mutated, run, tried, write

WORDS = (
    "model ",
    "model /etc/passwd.yaml",
    "  budget params < 1K",
    "budget latency <= 2 × ../x.yaml",
    "end",
    " | ",
    "as x",
)


def round(random: Random, folder: Path) -> None:
    names = random.sample(("lenet5", "alexnet", "vgg11", "vgg13"), 2)
    code, said = run("lock", *names, "-o", "a.lock", *(["--rows"] if random.random() < 0.3 else []))
    assert code == 0, said
    text = (folder / "a.lock").read_text(encoding="utf-8")
    bent = mutated(random, text, WORDS)
    write(folder / "a.lock", bent)
    form = random.choice(("text", "json", "junit", "github", "sarif", "markdown", "csv"))
    said = tried("check", "a.lock", "--format", form)
    if form == "text" and "✓ all" in said:
        kept = {line for line in text.split("\n") if line.strip() and line.lstrip()[0] != "#"}
        gone = kept - {line.rstrip("\r") for line in bent.split("\n")}
        sections = [model for model in names if f"model {model}\n" in bent.replace("\r", "")]
        assert not gone or len(sections) < 2, f"not seen: {sorted(gone)[:3]}"
