"""A staircase seen through few evaluations is the staircase."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from scalegrid.baselines.staircase import Staircase


@given(st.integers(1, 40), st.lists(st.floats(0.26, 7.9), min_size=1, max_size=40))
def test_it_gives_the_value_of_the_function(steps: int, multipliers: list[float]) -> None:
    def function(multiplier: float) -> int:
        return math.ceil(steps * multiplier)

    seen = Staircase(function)
    assert [seen(m) for m in multipliers] == [function(m) for m in multipliers]


def test_a_fine_scan_evaluates_some_ten_times_a_step() -> None:
    calls = []

    def function(multiplier: float) -> int:
        calls.append(multiplier)
        return math.floor(12 * multiplier)

    seen = Staircase(function)
    for i in range(10_000):
        seen(1 + i / 10_000)
    assert len(set(calls)) == len(calls) < 12 * 30
