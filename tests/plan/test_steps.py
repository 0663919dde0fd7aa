import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.coefficients import LIMIT
from scalegrid.plan.steps import PRECISION, all_steps, step_at


def test_ceilings_step_at_the_multiples() -> None:
    steps = all_steps(lambda m: math.ceil(4 * m), 1.9)
    highs = [step.high for step in steps]
    assert highs == pytest.approx([1, 1.25, 1.5, 1.75, 2], abs=1e-6)
    assert steps[0].low == 1
    assert all(a.high < b.low < a.high + 1e-6 for a, b in pairwise(steps))


def test_steps_go_down_to_smaller_multipliers_too() -> None:
    steps = all_steps(lambda m: math.ceil(4 * m), 0.3)
    lows = [step.low for step in steps]
    assert lows == pytest.approx([0.75, 0.5, 0.25], abs=1e-6)
    assert steps[0].high == 1
    assert steps[1] == pytest.approx(step_at(lambda m: math.ceil(4 * m), 0.6, 1 / LIMIT), abs=1e-6)
    assert all_steps(lambda _: "same", 0.5) == [(1 / LIMIT, 1.0)]


def test_a_constant_is_one_step_without_end() -> None:
    assert all_steps(lambda _: "same", 2.0) == [(1.0, LIMIT)]


@given(st.integers(1, 40), st.floats(1.0, 3.0), st.floats(0.0, 0.99))
def test_both_ends_realise_what_the_step_does_and_outside_does_not(
    blocks: int, at: float, offset: float
) -> None:
    def realise(multiplier: float) -> int:
        return math.floor(blocks * multiplier + offset)

    step = step_at(realise, at)
    assert step.low <= at <= step.high
    assert realise(step.low) == realise(at) == realise(step.high)
    assert realise(step.high + 2 * PRECISION) != realise(at)
    assert step.low == 1 or realise(step.low - 2 * PRECISION) != realise(at)


def test_no_step_goes_beyond_the_limit() -> None:
    assert all_steps(lambda _: "same", 2 * LIMIT) == [(1.0, LIMIT)]
