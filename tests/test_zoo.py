"""Every model of the zoo against its torch twin on `meta`: parameters, shapes and MACs, node by node."""

from __future__ import annotations

import pytest

from archcalc.language.expand import expand_model
from archcalc.language.zoo import Selection, selections, spec_files
from archcalc.runtime.verify import Ran, verify
from tests.tiers import first_models, tiered

MODELS = [selection for path in spec_files() for selection in selections(path)[1]]
RAN: Ran = {}  # layers that several models have are run once


def test_there_are_models() -> None:
    assert len(MODELS) > 30


@pytest.mark.parametrize(
    "selection", tiered(MODELS, lambda one: one.name in first_models().values(), lambda one: one.name)
)
def test_a_model_equals_its_torch_twin(selection: Selection) -> None:
    assert verify(expand_model(selection), RAN) == []
