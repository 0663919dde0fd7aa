from __future__ import annotations

import pytest

from scalegrid.analysis import Learning


@pytest.mark.parametrize(
    ("top1", "guessing", "problem"),
    [
        ((0.30, 0.32), 0.05, None),
        ((0.05, 0.06), 0.05, "has not learnt: its top-1 is 5 % and 6 %, and guessing gives 5 %"),
        ((0.14, 0.145), 0.05, "has not learnt"),  # the limit is 0.05 + 0.095
        ((0.15, 0.145), 0.05, None),
        ((0.52, 0.54), 0.5, "has not learnt"),  # two classes
        ((0.60, 0.61), 0.5, None),
        ((0.30, 0.46), 0.05, "depends on the seed: its top-1 is 30 % and 46 %"),
        ((0.30, 0.44), 0.05, None),
        ((1.0, 1.0), 1.0, None),  # one class: nothing to gain
    ],
)
def test_what_is_a_problem(top1: tuple[float, float], guessing: float, problem: str | None) -> None:
    found = Learning(top1, guessing).problem
    assert found is None if problem is None else problem in str(found)
