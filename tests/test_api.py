"""From Python: `archcalc.load` and what it gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import archcalc
from archcalc.errors import SpecError, UsageError

TINY = """\
input: 3 × 8 × 8
given: {classes: 4}
heads:
  aux: {at: body, layers: gap linear(2)}
columns: {layer: layer}
layers:
  table: |
    layer
    body
    head
notation:
  body: conv(8, 3) bn relu
  head: gap dropout linear(classes)
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return str(path)


def test_a_model_is_frozen_and_carries_its_numbers() -> None:
    model = archcalc.load("vgg16")
    assert (model.name, model.family, model.variant, model.input) == ("vgg16", "vgg", "D", (3, 224, 224))
    assert model.totals.params == 138_357_544
    assert sum(layer.params for layer in model.layers) == model.totals.params
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.name = "vgg19"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["vgg:D", "vgg:vgg16", "vgg16"])
def test_a_model_answers_to_the_typed_and_the_printed_name(name: str) -> None:
    assert archcalc.load(name).name == "vgg16"


def test_several_variants_and_none_named_is_wrong_use_that_lists_them() -> None:
    with pytest.raises(UsageError) as caught:
        archcalc.load("vgg")
    assert "vgg:vgg16" in caught.value.render()


@pytest.mark.parametrize(("typed", "meant"), [("vgg61", "vgg16"), ("resnet5", "resnet50"), ("googlnet", "googlenet")])
def test_an_unknown_name_offers_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=typed) as caught:
        archcalc.load(typed)
    assert f"`{meant}`" in caught.value.hint


def test_input_and_constants_replace_the_printed_ones(tiny: str) -> None:
    model = archcalc.load(tiny, input=(3, 16, 16), settings={"classes": 10})
    assert model.graph.nodes[0].shape == (8, 16, 16)
    assert model.totals.params == (3 * 8 * 9 + 8) + 2 * 8 + (8 * 10 + 10)
    assert not model.claims  # the paper's figures are for the printed input


@pytest.mark.parametrize("settings", [{"klasses": 3}, {"classes": "many"}])
def test_a_setting_that_makes_no_sense_is_wrong_use(tiny: str, settings: dict[str, str | int]) -> None:
    with pytest.raises(UsageError):
        archcalc.load(tiny, settings=settings)


def test_a_setting_that_breaks_the_network_is_an_error_at_its_place(tiny: str) -> None:
    with pytest.raises(SpecError, match="at least 1"):
        archcalc.load(tiny, settings={"classes": 0})


def test_the_torch_twin_is_a_module_whose_names_are_the_paths(tiny: str) -> None:
    model = archcalc.load(tiny)
    network = model.torch()
    names = dict(network.named_parameters())
    expected = {f"{layer.path}.{p.name}" for layer in model.layers if not layer.node.head for p in layer.cost.params}
    assert expected == set(network.state_dict()) - {"body/bn.num_batches_tracked"}
    assert sum(p.numel() for p in names.values()) == model.totals.params
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 4)


def test_the_torch_twin_trains_with_its_heads(tiny: str) -> None:
    torch.manual_seed(0)
    network = archcalc.load(tiny).torch(heads=True)
    x, y = torch.randn(8, 3, 8, 8), torch.randint(4, (8,))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.3)
    losses = []
    for _ in range(100):
        main, heads = network(x)
        loss = torch.nn.functional.cross_entropy(main, y) + heads["aux"].square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_every_model_can_be_built_where_it_takes_no_memory() -> None:
    model = archcalc.load("vit-h-14")
    network = model.torch(device="meta")
    assert network(torch.zeros(1, 3, 224, 224, device="meta")).shape == (1, 1000)
    assert sum(p.numel() for p in network.parameters()) == model.totals.params
