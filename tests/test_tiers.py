"""What runs each time stands for the rest."""

from __future__ import annotations

import pytest

from archcalc.models import load
from tests.tiers import COVERING, first_models


@pytest.mark.exhaustive
def test_the_covering_families_use_every_op_that_first_models_use() -> None:
    words = {family: {node.op.word for node in load(model).graph.nodes} for family, model in first_models().items()}
    assert set().union(*(words[family] for family in COVERING)) == set().union(*words.values())
