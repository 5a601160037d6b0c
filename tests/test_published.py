"""Counts of the zoo against counts of other hands: what a library or a paper prints, or torch counts of its module."""

from __future__ import annotations

import pytest

import archcalc

# A row is a model, its parameters, its MACs (empty where nobody counted them), the input, what was counted, by whom.
# torchvision 0.29.1 prints the parameters as `num_params` of its weights; timm 1.0.31 has them in its modules. MACs are
# half of what torch.utils.flop_counter counts on that module, whose products of convolutions, linears and attention it
# sees. "trained" counts scales and shifts of batch norms, not their statistics, also where the authors freeze them;
# "by hand" is a module written apart from the spec, in torch alone.
PUBLISHED = """
    fcn-resnet50           |  32,957,013 | 142,725,772,800 | 3×520×520     | trained | torchvision
    deeplabv3-resnet50     |  39,638,869 | 168,731,205,888 | 3×520×520     | trained | torchvision
    retinanet-resnet50-fpn |  34,068,119 | 254,469,734,400 | 3×800×1344    | trained | torchvision
    yolov5n                |   1,872,157 |                 | 3×640×640     | trained | its training script prints
    yolov5s                |   7,235,389 |                 | 3×640×640     | trained | its training script prints
    yolov5m                |  21,190,557 |                 | 3×640×640     | trained | its training script prints
    yolov5l                |  46,563,709 |                 | 3×640×640     | trained | its training script prints
    yolov5x                |  86,749,405 |                 | 3×640×640     | trained | its training script prints
    yolov8n                |   3,157,184 |                 | 3×640×640     | trained | its training script prints
    unetpp                 |   9,042,276 |                 | 3×96×96       | trained | by hand
    unet3d                 |  19,074,627 |                 | 3×116×132×132 | trained | by hand
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in PUBLISHED.strip().splitlines()]


@pytest.mark.parametrize(("name", "params", "macs", "input_", "_counted", "_by"), ROWS, ids=[row[0] for row in ROWS])
def test_a_count_is_the_published_one(name: str, params: str, macs: str, input_: str, _counted: str, _by: str) -> None:
    model = archcalc.load(name)
    assert "×".join(map(str, model.input)) == input_
    assert model.totals.params == int(params.replace(",", ""))
    if macs:
        assert model.totals.macs == int(macs.replace(",", ""))
