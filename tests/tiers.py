"""What runs each time, and what runs when all is asked for.

A test that runs for every model of the zoo costs minutes and finds, after the first model of a family, little: those
models are marked `exhaustive`. They run with `make test-all` (each night in CI), and whenever tests are chosen by name
(`-k resnet50`, `tests/test_zoo.py::…`): whoever changes a model holds all of it with `-k`. Counts are not tiered: the
lock of the zoo has every model, and every printed figure is judged each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest

from archcalc.language.zoo import selections, spec_files

EXHAUSTIVE = pytest.mark.exhaustive


@cache
def first_models() -> dict[str, str]:
    """The first model of each family that has any."""
    found = {path.stem: selections(path)[1] for path in spec_files()}
    return {family: models[0].name for family, models in found.items() if models}


# Families whose first models use every op that first models use, as few and as small as a greedy choice gives.
COVERING = (
    *("bit", "capsnet", "cbam", "clip", "convnextv2", "cvt", "dit", "elu-net", "faster-rcnn", "gcn", "lenet5"),
    *("lstm-lm", "mamba", "maskrcnn", "mixtral", "mobilenetv2", "mobilenetv3", "mobilevit", "multi-digit", "pnasnet"),
    *("prelu-net", "recurrent", "rnnsearch", "shufflenetv2", "stochastic-depth", "stochastic-pooling", "stylegan"),
    *("swinv2", "unet", "whisper", "zip-net-1989"),
)


def covering_models() -> set[str]:
    """The first models of the covering families."""
    return {first_models()[family] for family in COVERING}


def tiered(values: Iterable[Any], each_time: Callable[[Any], bool], name: Callable[[Any], str] = str) -> list[Any]:
    """Parameters of a test, with ids: those that do not run each time are marked."""
    return [pytest.param(v, id=name(v), marks=() if each_time(v) else EXHAUSTIVE) for v in values]
