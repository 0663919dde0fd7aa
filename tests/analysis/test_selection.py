from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.analysis.selection import chances, interval, is_clear, tie_set


def test_samples_are_counted_and_ties_shared() -> None:
    values = np.array([[1.0, 0.0, 0.9], [1.0, 1.0, 0.0], [0.0, 0.5, 0.8], [1.0, 0.0, 0.0]])
    chance = chances(values, 0.1)
    np.testing.assert_allclose(chance.best, [2.5 / 4, 0.5 / 4, 1 / 4])
    np.testing.assert_allclose(chance.within, [3 / 4, 1 / 4, 2 / 4])


def test_a_difference_of_just_the_zone_is_within_it() -> None:
    assert chances(np.array([[0.7, 0.7 - 0.003]]), 0.003).within[1] == 1


def test_the_tie_set_is_the_smallest() -> None:
    best = np.array([0.02, 0.50, 0.02, 0.40, 0.06])
    assert tie_set(best).tolist() == [1, 3, 4]
    assert tie_set(best, 0.5).tolist() == [1]
    assert tie_set(np.array([1.0])).tolist() == [0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20).filter(lambda x: sum(x) > 0.1))
def test_the_tie_set_holds_its_level_and_needs_its_last(weights: list[float]) -> None:
    best = np.array(weights) / sum(weights)
    ties = tie_set(best)
    assert best[ties].sum() >= 0.95 - 1e-9
    assert best[ties[:-1]].sum() < 0.95
    outside = np.setdiff1d(np.arange(len(best)), ties)
    assert not len(outside) or best[outside].max() <= best[ties].min()


def test_the_interval_is_central() -> None:
    assert interval(np.linspace(0, 1, 1001), 0.9) == pytest.approx((0.05, 0.95))


def test_nothing_is_clear_before_the_noise_is_seen() -> None:
    assert not is_clear(3, 1.0, 0.95)
    assert is_clear(4, 0.95, 0.95)
    assert not is_clear(40, 0.94, 0.95)
