"""Blocks that are opened more than once with the same values: all but the first are copied."""

from __future__ import annotations

import pytest

from archcalc.errors import SpecError
from archcalc.graph import Graph
from archcalc.language import expand
from archcalc.language.checks import read_family
from archcalc.language.expand import expand_model
from archcalc.language.reader import read_text
from archcalc.language.zoo import selections, spec_files

# Each network below would come out wrong if a copy kept something of where the first one stood.
COPIED = {
    "two values enter, of which one is the same": """\
layers:
  - a: conv(4, 3)
  - b: conv(4, 3)
  - c: both(b)
  - d: both(b)
  - e: a both(a)
  - add: [c, d, e, b both(a)]
blocks:
  both(other):
    add:
      - conv(4, 3)
      - other conv(4, 1)
""",
    "a value goes through": """\
layers:
  - conv(4, 3)
  - nothing
  - add:
      - nothing
      - nothing conv(4, 3)
blocks:
  nothing: identity
""",
    "several values leave": """\
layers:
  - {"a, b": halves}
  - {"c, d": a halves}
  - {"e, f": b halves}
  - concat:
      - c
      - d
      - e
      - f
blocks:
  halves: split(2)
""",
    "weights shared inside, outside, and no more": """\
layers:
  - conv(4, 3)
  - twice(weights=w)
  - other(n=2)
  - twice(weights=w)
  - twice
  - twice
  - other(n=2)
blocks:
  twice: conv(4, 3, weights=v) relu conv(4, 3, weights=v)
  other(n): unit(n) unit(n)
  unit(n): conv(4, 3) x(n)
""",
    "weights of a block that lent them first": """\
layers:
  - unit(1, weights=w)
  - unit(2, weights=w)
  - unit(2)
blocks:
  unit(n): conv(4, 3) maxpool(3, 1) x(n)
""",
    "weights shared inside a block that borrows them": """\
layers:
  - conv(4, 3)
  - plain(weights=w)
  - twice(weights=w)
  - twice
  - twice
blocks:
  plain: conv(4, 3) relu conv(4, 3)
  twice: conv(4, 3, weights=v) relu conv(4, 3, weights=v)
""",
    "weights shared inside a block in steps": """\
layers:
  - conv(4, 3) tokens
  - steps:
      - twice
  - pair(weights=w)
  - pair(weights=w)
  - pair
blocks:
  twice: linear(4, weights=v) relu linear(4, weights=v)
  pair: deep relu deep
  deep:
    - steps:
        - linear(4, weights=v) tanh linear(4, weights=v)
""",
    "steps in a block": """\
layers:
  - conv(4, 3) tokens unroll unroll unroll
blocks:
  unroll:
    - steps: [cell]
  cell: linear(4) tanh
""",
}


def told(graph: Graph) -> list[object]:
    return [graph, [node.where.where for node in graph.nodes], [span.where.where for span in graph.spans]]


@pytest.fixture
def opened_anew(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Blocks are not copied: none is like another."""
    monkeypatch.setattr(expand._Expander, "_alike", lambda *_: (object(),))
    return monkeypatch


@pytest.mark.parametrize("text", COPIED.values(), ids=COPIED)
def test_a_copied_block_is_as_if_it_were_opened(text: str, opened_anew: pytest.MonkeyPatch) -> None:
    family = read_family(read_text("input: 4 × 8 × 8\n" + text, "copied.yaml"), "copied")
    plain = expand.expand(family, family.variants[0])
    opened_anew.undo()
    assert told(expand.expand(family, family.variants[0])) == told(plain)


def test_copied_blocks_of_the_zoo_are_as_if_they_were_opened(opened_anew: pytest.MonkeyPatch) -> None:
    models = [selection for path in spec_files() for selection in selections(path)[1]]
    plain = [told(expand_model(selection)) for selection in models]
    opened_anew.undo()
    assert [told(expand_model(selection)) for selection in models] == plain


def test_copies_count_for_the_limits() -> None:
    text = "layers: [deep]\nblocks:\n  deep: " + "a x200 " * 6
    text += "\n  a: b x200\n  b: c x40\n  c: conv(4, 3)\n"
    family = read_family(read_text("input: 4 × 8 × 8\n" + text, "copied.yaml"), "copied")
    with pytest.raises(SpecError, match="more than 250,000 blocks"):
        expand.expand(family, family.variants[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "layers: ['conv(4, 3)', unit(1), unit(True)]\nblocks: {unit(n): 'conv(4, n)'}\n",
            "is a count, here it is True",
        ),
        (
            "layers: [b(2), a(2)]\nblocks:\n  a(n): [b(n) if n > 1]\n  b(n): ['conv(4, 3)', a(n - 1)]\n",
            "contains itself: a → b → a",
        ),
    ],
)
def test_a_copy_hides_no_error(text: str, message: str) -> None:
    family = read_family(read_text("input: 4 × 8 × 8\n" + text, "copied.yaml"), "copied")
    with pytest.raises(SpecError, match=message):
        expand.expand(family, family.variants[0])
