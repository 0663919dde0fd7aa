"""Accuracy over doublings: the curve, its slope, and where that becomes too small."""

from __future__ import annotations

from math import log, log2

import numpy as np
import pytest

from scalegrid.analysis.saturating import KNOWN, Saturating, saturating
from scalegrid.util.errors import UserError

TOP, LACK, BEND = 85.0, 8.0, 0.53
X = np.array([0, 0.83, 1.36, 2.24, 3.51, 4.73, 5.63, 6.61])
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
    steps = np.diff(found.accuracy(np.array([2.0, 2.0 + 1e-6])), axis=1)[:, 0] / 1e-6
    np.testing.assert_allclose(found.marginal(np.array([2.0]))[:, 0], steps, rtol=1e-4)
    at = found.falls_below(0.7)
    slope = [found.marginal(np.array([x]))[i, 0] for i, x in enumerate(at[:5])]
    assert slope == pytest.approx([0.7] * 5)


def _simulated(random: np.random.Generator, seeds: int, off: float) -> Saturating:
    """Sizes off the curve by ``off``; with seeds their noise is estimated, else it is known."""
    values = CLEAN + off * random.standard_normal(8)
    trials = values + 0.3 * random.standard_normal((max(seeds, 2), 8))
    if not seeds:
        return saturating(X, trials[0], np.full(8, 0.3), KNOWN)
    error = np.sqrt(trials.var(0, ddof=1).mean() / seeds)
    return saturating(X, trials.mean(0), np.full(8, error), 8 * (seeds - 1))


@pytest.mark.parametrize(("seeds", "off"), [(0, 0.0), (3, 0.3)])
def test_intervals_hold_the_truth_as_often_as_they_say(seeds: int, off: float) -> None:
    """Of 40, 38 are expected; fewer than 35 have a probability of 1 %."""
    random, crossings, slopes = np.random.default_rng(0), 0, 0
    for _ in range(40):
        found = _simulated(random, seeds, off)
        low, high = interval(found.falls_below(1.0))
        crossings += low <= CROSSING <= high
        low, high = interval(found.marginal(X[-1:]))
        slopes += low <= SLOPES[-1] <= high
    assert crossings >= 35
    assert slopes >= 35


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
