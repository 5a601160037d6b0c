"""The spec that `archcalc new` writes: a small network that runs, with a comment for every key."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import UsageError, nearest

STARTER = """\
# A spec quotes a table and says how to read it. Try:  archcalc summary ./NAME.yaml:NAME-small
name:   NAME
title:  The title of the paper
cite:   Authors, venue and year, arXiv number
input:  3 × 32 × 32                        # channels first
variants: [small, large]                   # the columns that are networks, as printed
models: {NAME-small: small, NAME-large: large}    # the names that people type
given:  {classes: 10}                      # constants; change one with --set classes=100
defaults: {conv: {bias: False}}            # arguments that every call of an op takes
columns: {stage: label, output: =shape}    # what the other columns are; `=` is a figure that archcalc checks
layers:
  from: Table 1                            # where the table stands in the paper
  table: |
    stage | output | small            | large
    ------|--------|------------------|------------------
    stem  | 32×32  | 3×3, 16
    body  | 16×16  | [3×3, 32] × 2    | [3×3, 32] × 4
    head  | 1×1    | pool, classifier
notation:                                  # how to read a cell; {holes} take what is printed there
  "{k}×{k}, {c}":       conv(c, k) bn relu
  "[3×3, {c}] × {n}":   block(c, 2 if first else 1) x(n)
  pool, classifier:     gap linear(classes)
blocks:                                    # lines under a name; `cin` is what enters
  block(c, s):
    - add:
        - conv(c, 3, s) bn relu conv(c, 3) bn
        - shortcut(c, s)
    - relu
  shortcut(c, s): conv(c, 1, s) bn if s != 1 or cin != c
reported:                                  # other figures that the paper prints
  - from: Table 2
    table: |
      figure | small | large
      params | 0.03M | 0.07M
"""


def starter(name: str) -> str:
    """The starter spec for a family called `name`."""
    return STARTER.replace("NAME", name)


def check_name(name: str, taken: Sequence[str]) -> None:
    """Raise UsageError where `name` is no name for a family, or one of `taken` is called so."""
    stem, _, suffix = name.rpartition(".")
    if suffix in ("yaml", "yml"):
        raise UsageError(f"`{name}` is a file; a family is called without `.{suffix}`", f"Did you mean `{stem}`?")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", name) or len(name) > 60:
        plain = plain_name(name)
        hint = f"Did you mean `{plain}`?" if plain else ""
        rule = "a name is lower case letters and digits, with `.`, `_` or `-` between them"
        raise UsageError(f"`{name}` cannot name a spec: {rule}", hint)
    made = (name, f"{name}-small", f"{name}-large")
    for word in made:
        if word in taken:
            near = nearest(name, [other for other in taken if other != word])
            hint = f"`archcalc show {word}` prints its spec" + (f"; `{near}` is there too." if near else ".")
            raise UsageError(f"`{word}` is a model or a family of the zoo: choose another name", hint)


def plain_name(text: str) -> str:
    """What a spec may be called that is nearest to a text; empty where it has no letter or digit."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:60].rstrip("._-")
