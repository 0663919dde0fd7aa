from __future__ import annotations

import pytest

from scalegrid.baselines import brief_rate
from scalegrid.baselines.families import BRIEF_RATES, FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_all_members_of_a_family_have_its_rate(family: str) -> None:
    rates = {brief_rate(member.baseline.name) for member in FAMILIES[family]}
    assert rates == {BRIEF_RATES.get(family)}


def test_rates_are_those_of_families() -> None:
    assert BRIEF_RATES.keys() <= FAMILIES.keys()
    assert brief_rate("timm/resnet18") is None
