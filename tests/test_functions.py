"""What ops compute: the torch twin of each against its formula in plain torch, on the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from archcalc.errors import SpecError
from archcalc.models import load
from archcalc.ops import Shape, Tokens
from archcalc.runtime import modules
from tests.graphs import call


class Function(NamedTuple):
    """A call, the shapes of its values, and what it computes of them and of its parameters, by name."""

    word: str
    arguments: dict[str, Any]
    inputs: list[Shape]
    formula: Callable[..., Tensor]


MAP, SEQUENCE = (6, 5, 4), Tokens((6, 8))


def patches(x: Tensor) -> Tensor:
    """2×4 patches, row by row, each with its elements row by row and their channels last."""
    rows = [x[:, :, 2 * i : 2 * i + 2, 4 * j : 4 * j + 4] for i in range(4) for j in range(2)]
    return torch.stack([row.permute(0, 2, 3, 1).flatten(1) for row in rows], 1)


FUNCTIONS = [
    Function("map", {"like": (2, 3)}, [SEQUENCE], lambda x: x.view(-1, 2, 3, 8).permute(0, 3, 1, 2)),
    Function("map", {"like": True}, [SEQUENCE, (1, 3, 2)], lambda x, _: x.view(-1, 3, 2, 8).permute(0, 3, 1, 2)),
    Function("rearrange", {"pattern": "t c -> c t"}, [SEQUENCE], lambda x: x.transpose(1, 2)),
    Function("rearrange", {"pattern": "c h w -> (h w) c"}, [MAP], lambda x: x.flatten(2).transpose(1, 2)),
    Function(
        "rearrange", {"pattern": "c (h p) (w q) -> (h w) (p q c)", "sizes": "p=2, q=4"}, [(3, 8, 8)], patches
    ),
    Function("pixel_shuffle", {"factor": 2}, [(8, 5, 4)], lambda x: F.pixel_shuffle(x, 2)),
    Function("pixel_unshuffle", {"factor": 2}, [(3, 6, 4)], lambda x: F.pixel_unshuffle(x, 2)),
    Function("pixel_shuffle", {"factor": 2}, [(6, 5)], lambda x: torch.stack((x[:, ::2], x[:, 1::2]), 3).flatten(2)),
]  # fmt: skip


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: f"{row.word}-{row.arguments}-{row.inputs}")
def test_function(row: Function) -> None:
    torch.manual_seed(0)
    module = call(row.word, **row.arguments).torch(modules, *row.inputs).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    x = [torch.randn(3, *shape, dtype=torch.float64) for shape in row.inputs]
    wanted = row.formula(*[value.clone() for value in x], **dict(module.named_parameters()))
    torch.testing.assert_close(module(*x), wanted)


# --- in specs -----------------------------------------------------------------------------------------------------


def opened(tmp_path: Path, lines: str) -> Any:
    path = tmp_path / "spec.yaml"
    path.write_text(lines, encoding="utf-8")
    return load(path)


def test_tokens_become_the_map_that_they_were(tmp_path: Path) -> None:
    """`reshape` once read [tokens, width] as if it were [width, tokens]: another network of the same counts."""
    text = "input: 6 × 5 × 4\nlayers:\n  - wide: conv(6, 1)\n  - tokens {}\n"
    for back in ("map(5×4)", "map(wide)", "rearrange((h w) c -> c h w, h=5)"):
        network = opened(tmp_path, text.format(back)).torch().eval()
        x = torch.randn(2, 6, 5, 4)
        convolved = next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d))(x)
        torch.testing.assert_close(network(x), convolved)
        assert not torch.allclose(convolved.flatten(2).transpose(1, 2).reshape(2, 6, 5, 4), convolved)
    refusal = r"`reshape` does not say .* of 20 tokens × 6: `map\(14×14\)` .*`rearrange"
    with pytest.raises(SpecError, match=refusal) as caught:
        opened(tmp_path, text.format("reshape(6×5×4)")).graph  # noqa: B018
    assert caught.value.where.endswith("spec.yaml:4:12")
