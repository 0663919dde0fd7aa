"""Accuracy over doublings: the curve, its slope, and where that becomes too small."""

from __future__ import annotations

from math import log, log2

import numpy as np
import pytest

from benchmarks.returns import TABLE2 as X
from benchmarks.returns import WORLDS, World, held, hyperbola
from scalegrid.analysis.saturating import KNOWN, saturating
from scalegrid.util.errors import UserError

TOP, LACK, BEND = 85.0, 8.0, 0.53
CLEAN = TOP - LACK * 2 ** (-BEND * X)
SLOPES = LACK * BEND * log(2) * 2 ** (-BEND * X)
CROSSING = log2(LACK * BEND * log(2)) / BEND
"""Where a doubling gives one point, in closed form."""


def interval(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize(("errors", "degrees"), [(1e-4, KNOWN), (1e-4, 16), (0.0, 0)])
def test_exact_data_give_the_slopes_and_the_crossing_in_closed_form(
    errors: float, degrees: int
) -> None:
    found = saturating(X, CLEAN, np.full(8, errors), degrees)
    for draws, truth in zip(found.marginal(X).T, SLOPES, strict=True):
        assert np.median(draws) == pytest.approx(truth, rel=1e-3)
    assert interval(found.falls_below(1.0)) == pytest.approx((CROSSING, CROSSING), abs=2e-3)
    assert np.median(found.top) == pytest.approx(TOP, abs=1e-2)
    assert np.median(found.accuracy(X), axis=0) == pytest.approx(CLEAN, abs=1e-3)


def test_slopes_are_what_accuracies_differ_by() -> None:
    found = saturating(X, CLEAN + 0.1 * np.cos(7 * X), np.full(8, 0.2), KNOWN)
    assert 0 < found.slow.mean() < 1
    steps = np.diff(found.accuracy(np.array([2.0, 2.0 + 1e-6])), axis=1)[:, 0] / 1e-6
    np.testing.assert_allclose(found.marginal(np.array([2.0]))[:, 0], steps, rtol=1e-4)
    at = found.falls_below(0.7)
    slope = [found.marginal(np.array([x]))[i, 0] for i, x in enumerate(at[:50])]
    assert slope == pytest.approx([0.7] * 50)


@pytest.mark.parametrize("world", [WORLDS[0], WORLDS[2], WORLDS[3]], ids=lambda world: world.name)
def test_intervals_hold_the_truth_as_often_as_they_say(world: World) -> None:
    """Of 30, 28.5 are expected; fewer than 26 have a probability of 2 %, fewer than 24 of 0.1 %.

    Which of the two curves it is matters most for the slope at the end: what holds in the mean over
    both is not so of each (docs/statistics.md).
    """
    found = held(world, 30)
    assert 30 * found.crossing >= 26
    assert 30 * found.slope >= 24


def test_the_curve_may_be_no_power_law() -> None:
    found = saturating(X, hyperbola(X), np.full(8, 1e-3), KNOWN)
    assert found.slow.all()
    assert np.median(found.falls_below(1.0)) == pytest.approx(WORLDS[2].crossing, abs=0.01)
    assert np.median(found.top) == pytest.approx(87, abs=0.05)


def test_where_accuracy_does_not_grow_the_slope_is_too_small_from_the_start() -> None:
    found = saturating(X, 80 - 0.1 * X, np.full(8, 0.05), KNOWN)
    assert np.median(found.falls_below(1.0)) == -np.inf
    assert interval(found.marginal(X[:1]))[1] < 0


def test_sizes_that_are_off_the_curve_are_told_from_errors() -> None:
    random = np.random.default_rng(1)
    off = saturating(X, CLEAN + random.standard_normal(8), np.full(8, 0.1), KNOWN)
    assert 0.5 < np.median(off.off) < 2
    assert np.median(saturating(X, CLEAN, np.full(8, 0.1), KNOWN).off) < 0.1
    assert np.isnan(saturating(X, CLEAN, np.zeros(8), 0).off).all()


def test_no_curve_goes_beyond_100_percent() -> None:
    few = saturating(np.arange(3.0), np.array([97.0, 98.5, 99.2]), np.full(3, 0.3), 9)
    assert few.top.max() <= 100
    with pytest.raises(UserError, match="no curve that levels off below 100 % is near"):
        saturating(np.arange(4.0), np.array([70.0, 80, 90, 100]), np.full(4, 0.1), KNOWN)


def test_the_same_sizes_give_the_same_curve() -> None:
    first, second = (saturating(X, CLEAN, np.full(8, 0.2), KNOWN) for _ in range(2))
    np.testing.assert_array_equal(first.bend, second.bend)
