"""Only `archcalc/ops` knows which op is which: elsewhere an op is asked for its family or another property."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import archcalc
from archcalc.ops import OPS, Op

PACKAGE = Path(archcalc.__file__).parent
# In `tracing` names are those of torch's operators, some of which are called as ops are.
INSIDE = {PACKAGE / "ops", PACKAGE / "tracing"}
OUTSIDE = sorted(path for path in PACKAGE.rglob("*.py") if INSIDE.isdisjoint(path.parents))
CLASSES = {cls.__name__ for word in OPS.values() for cls in word.__mro__ if issubclass(cls, Op)} - {"Op"}
# Collections that are no question which op this is, by file and name, and why.
ALLOWED = {
    ("runtime/modules.py", "ACTIVATIONS"): "what computes an activation in torch, by the name that the op hands in",
    ("schemas/generate.py", "conv"): "an example of the key `defaults:` for editors",
}


def relapses(text: str, file: str = "") -> Iterator[str]:
    """Where code asks which op an op is: by its word in a comparison or a `match`, by a list of words, or by its class.

    A list of words is one whose members are all strings and mostly words of ops: torch's and matplotlib's names that
    happen to be some are not. Names of families are no words where `family` is what is compared.
    """
    tree = ast.parse(text)
    passed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Attribute) and side.attr == "family" for side in sides):
                passed.update(inner for side in sides for inner in ast.walk(side))
            elif any(_is_word(side) for side in sides):
                yield f"{file}:{node.lineno}: a comparison with the word of an op"
        elif isinstance(node, ast.MatchValue) and _is_word(node.value):
            yield f"{file}:{node.lineno}: a match of the word of an op"
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and (file, target.id) in ALLOWED for target in targets):
                passed.update(ast.walk(node))
        elif isinstance(node, (ast.Tuple, ast.List, ast.Set, ast.Dict)) and node not in passed:
            members = node.keys if isinstance(node, ast.Dict) else node.elts
            plain = [item for item in members if not isinstance(item, ast.Starred)]
            words = [item.value for item in plain if isinstance(item, ast.Constant) and item.value in OPS]
            strings = all(isinstance(item, ast.Constant) and isinstance(item.value, str) for item in plain)
            if strings and 2 * len(words) > len(plain) and not any((file, word) in ALLOWED for word in words):
                yield f"{file}:{node.lineno}: a list of the words of ops: {', '.join(words)}"
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if "ops" in (node.module or "").split(".") and alias.name in CLASSES:
                    yield f"{file}:{node.lineno}: the class of an op: {alias.name}"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            for inner in ast.walk(node.args[1]):
                registered = isinstance(inner, ast.Name) and inner.id == "OPS"
                if registered or (isinstance(inner, ast.Attribute) and inner.attr in CLASSES and _of_ops(inner)):
                    yield f"{file}:{node.lineno}: a question for the class of an op"


def _is_word(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in OPS


def _of_ops(node: ast.Attribute) -> bool:
    """Whether a class is reached through a module of ops: `ops.conv.Conv`, `conv.Conv`."""
    names = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    names += [inner.attr for inner in ast.walk(node.value) if isinstance(inner, ast.Attribute)]
    return bool({"ops", *(cls.__module__.rpartition(".")[2] for cls in OPS.values())} & set(names))


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_nobody_else_knows_which_op_is_which(path: Path) -> None:
    file = path.relative_to(PACKAGE).as_posix()
    assert list(relapses(path.read_text(encoding="utf-8"), file)) == []


def test_what_is_allowed_is_there() -> None:
    for file, name in ALLOWED:
        assert name in (PACKAGE / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        'INTO = ("conv", "dwconv", "deconv", "linear")',
        'node.op.word == "bn"',
        'word in ("gap", "gmp")',
        'if layer.op != "layernorm": pass',
        'INHERITS = {"dwconv": "conv"}',
        'GAPS: dict[str, str] = {"bilinear": "why"}',
        '_of(("attention",), count)',
        '_of((*RECURRENT, "bilinear"), count)',
        'MERGES = ("add", "concat", "mul", "mean", "parts")',
        'match word:\n    case "conv": pass',
        "from ..ops.conv import Conv",
        "from archcalc.ops.layout import Embedding as Table",
        "def f():\n    from ..ops.merge import Multiply",
        "isinstance(node.op, ops.conv.Conv)",
        "isinstance(node.op, (conv.Conv, conv.DepthwiseConv))",
        'issubclass(cls, OPS["conv"])',
        'x = [word for word in words if word == "relu"]',
    ],
)
def test_a_relapse_is_caught(text: str) -> None:
    assert list(relapses(text))


@pytest.mark.parametrize(
    "text",
    [
        'layer.node.op.family == "linear"',
        'node.op.family in ("attention", "linear")',
        'HEAVY = ("convolution", "linear", "product", "attention", "recurrent", "embedding")',
        'PRODUCTS = ("conv", "linear", "addmm", "matmul", "mm", "bmm", "baddbmm", "einsum")',
        'OPS["take"](index=3)',
        'elementwise.get("softmax", 0)',
        'return 1e6, "tokens"',
        '{"facecolor": "white", "pad": 0.8}',
        "from ..ops import OPS, Op",
        "isinstance(module, nn.Linear)",
        "isinstance(call, modules.Dropout)",
    ],
)
def test_an_innocent_is_left_alone(text: str) -> None:
    assert list(relapses(text)) == []
