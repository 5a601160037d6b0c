"""The copy of a module on `meta` is a deep copy, however its classes say that they are copied."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archcalc.runtime.shadow import Shadow
from archcalc.runtime.skeleton import Hooked, skeleton


class Plain(nn.Module):
    """What modules have beside parts and parameters, some of it shared, some of it the module itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.again = nn.ModuleList([self.fc, nn.Conv2d(1, 1, 3, padding_mode="reflect"), nn.MultiheadAttention(4, 2)])
        self.by_name = {"fc": self.fc, "sizes": [1, 2, [3]], 3: (self.norm,)}
        self.sizes = self.by_name["sizes"]
        self.me, self.call, self.words = (self,), self.forward, {"a", "b"}
        self.cache: list[Tensor] = [torch.ones(2)]
        self.kind, self.loop = nn.Linear, []  # type: ignore[var-annotated]
        self.loop.append(self.loop)
        self.register_buffer("table", torch.arange(4.0), persistent=False)
        self.tied = self.fc.weight

    def forward(self, x: Tensor) -> Tensor:
        self.cache.append(x)
        found: Tensor = self.norm(self.fc(x))
        return found


class Copied(nn.Linear):
    """A part that says how it is copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Copied:
        found = Copied(self.in_features, self.out_features, device="meta")
        found.said = True  # type: ignore[assignment]
        memo[id(self)] = found
        return found


class Stated(nn.Linear):
    """A part that says what of it is kept."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "again": 1})  # type: ignore[no-untyped-call]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.of = nn.LSTM(4, 4, 2)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "plain": Plain,
    "said": lambda: nn.Sequential(nn.Linear(4, 4), Copied(4, 4)),
    "stated": lambda: nn.Sequential(nn.Linear(4, 4), Stated(4, 4)),
    "recurrent": Recurrent,
    "hooked": lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))),
    "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, batch_first=True), 2),
}


def alike(one: Any, other: Any, pairs: dict[int, Any]) -> None:
    """Assert that two values are alike in all that they hold, each thing of one in the place of one of the other."""
    if id(one) in pairs:
        assert pairs[id(one)] is other
        return
    assert type(one) is type(other)
    if isinstance(one, Tensor):
        pairs[id(one)] = other
        assert (one.shape, one.dtype, one.requires_grad, one.stride()) == (
            other.shape, other.dtype, other.requires_grad, other.stride()
        )  # fmt: skip
    elif isinstance(one, nn.Module | dict | list | tuple):
        pairs[id(one)] = other
        for (name, part), (key, copied) in zip(parts(one), parts(other), strict=True):
            assert name == key
            alike(part, copied, pairs)
    elif isinstance(one, set | int | str | type(None) | type):
        assert one == other


def parts(value: Any) -> Iterator[tuple[Any, Any]]:
    held = vars(value) if isinstance(value, nn.Module) else value
    every = held.items() if isinstance(held, dict) else enumerate(held)
    return iter([(name, part) for name, part in every if "hooks" not in str(name)])


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("hooks", [False, True])
def test_a_skeleton_is_a_deep_copy_on_meta(name: str, hooks: bool) -> None:
    module = MODULES[name]()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    found, wanted = skeleton(module, Shadow(), hooks), copy.deepcopy(module)
    if isinstance(wanted, nn.TransformerEncoder):
        wanted.use_nested_tensor = False
    alike(wanted, found, {})
    assert all(one.is_meta for one in (*found.parameters(), *found.buffers()))
    ours, theirs = ({id(part) for part in one.modules()} for one in (module, found))
    assert not ours & theirs
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


def test_what_a_copy_keeps_is_its_own() -> None:
    module = Plain()
    found: Any = skeleton(module, Shadow(), hooks=False)
    found(torch.ones(2, 4, device="meta"))
    found.sizes.append(4)
    assert (len(module.cache), len(found.cache)) == (1, 2)
    assert module.by_name["sizes"] == [1, 2, [3]]
    assert found.by_name["sizes"] == [1, 2, [3], 4]
    assert found.me[0] is found and found.call.__self__ is found  # noqa: PT018
    with pytest.raises(Hooked):
        found.fc.register_forward_hook(lambda *_: None)


def test_numbers_are_of_another_type() -> None:
    module = Plain()
    found = skeleton(module, Shadow(), dtype=torch.bfloat16)
    assert {one.dtype for one in found.parameters()} == {torch.bfloat16}
    assert next(module.parameters()).dtype == torch.float32
    assert found.norm.num_batches_tracked.dtype == torch.int64  # type: ignore[union-attr]


def test_a_value_that_is_lent_is_copied_when_it_is_asked_for() -> None:
    module, shadow = Plain(), Shadow()
    found: Any = skeleton(module, shadow)
    value = shadow.twin(found.table)
    assert value is not None
    assert value is not module.table
    assert value.tolist() == [0, 1, 2, 3]
    assert shadow.twin(found.table) is value
    shadow.forget(found.table)
    assert shadow.twin(found.table) is None
