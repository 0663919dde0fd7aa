"""The law of the best learning rate, against parabolas whose lowest points are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.analysis.rates import USUAL, Exponent, rate_exponents
from scalegrid.coefficients import Scaling

CORNERS = (Scaling(2.0, 1.0, 1.0), Scaling(1.0, 1.42, 1.0), Scaling(1.0, 1.0, 1.44))
RATES = (0.1, 0.3, 0.9)


def losses(
    scaling: Scaling,
    exponents: tuple[float, float, float],
    curvature: float = 0.1,
    noise: float = 0.0,
    seed: int = 0,
) -> dict[float, float]:
    """A parabola over the log rate, lowest at 0.3 · depth^a · width^b · resolution^c."""
    best = math.log(0.3) + float(np.dot(exponents, np.log(scaling)))
    drawn = noise * np.random.default_rng([seed, int(1000 * sum(scaling))]).standard_normal(3)
    least = 1.0 + scaling.depth / 7
    return {
        rate: least + curvature * (math.log(rate) - best) ** 2 + float(more)
        for rate, more in zip(RATES, drawn, strict=True)
    }


def found(
    exponents: tuple[float, float, float], noise: float = 0.0, seed: int = 0
) -> list[Exponent]:
    one = losses(Scaling(1.0, 1.0, 1.0), exponents, noise=noise, seed=seed)
    corners = {s: losses(s, exponents, noise=noise, seed=seed) for s in CORNERS}
    result = [exponent for exponent in rate_exponents(one, corners) if exponent is not None]
    assert len(result) == 3
    return result


SMALL = st.floats(-0.6, 0.6)


@given(exponents=st.tuples(SMALL, SMALL, SMALL))
def test_the_exponents_of_parabolas_are_found(exponents: tuple[float, float, float]) -> None:
    result = found(exponents)
    assert [one.value for one in result] == pytest.approx(exponents, abs=1e-6)
    assert [one.error for one in result] == pytest.approx([0.0] * 3, abs=1e-6)
    moved = [e * math.log(max(s)) for e, s in zip(exponents, CORNERS, strict=True)]
    assert [one.gain for one in result] == pytest.approx([0.1 * m**2 for m in moved], abs=1e-6)


def by_parabolas(exponents: tuple[float, float, float], noise: float, seed: int) -> list[float]:
    """The obvious way: a parabola through the losses of each network, and nothing shrunk."""
    places = []
    for scaling in (Scaling(1.0, 1.0, 1.0), *CORNERS):
        each = losses(scaling, exponents, noise=noise, seed=seed)
        square, slope, _ = np.polyfit(np.log(list(each)), list(each.values()), 2)
        places.append(-slope / (2 * square))
    pairs = zip(places[1:], CORNERS, strict=True)
    return [(place - places[0]) / math.log(max(scaling)) for place, scaling in pairs]


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.1])
def test_noise_misleads_less_than_parabolas_of_their_own(noise: float) -> None:
    true = (-0.4, 0.0, 0.2)
    ours = [found(true, noise=noise, seed=seed) for seed in range(200)]
    values = np.array([[one.value for one in result] for result in ours])
    errors = np.array([[one.error for one in result] for result in ours])
    obvious = np.array([by_parabolas(true, noise, seed) for seed in range(200)])
    off = np.abs(values - true)
    assert np.quantile(off, 0.9) < 0.9 * np.quantile(np.abs(obvious - true), 0.9)
    assert errors.max() <= USUAL
    assert 0.1 * USUAL < np.median(errors) < USUAL


def test_losses_without_curvature_change_nothing() -> None:
    flat = dict.fromkeys(RATES, 1.0)
    falling = {rate: 1.0 - 0.1 * math.log(rate) for rate in RATES}
    for baseline, corner in ((flat, flat), (falling, falling), (falling, flat)):
        result = rate_exponents(baseline, dict.fromkeys(CORNERS, corner))
        assert result == [Exponent(0.0, USUAL, 0.0)] * 3


def test_an_axis_without_a_corner_has_no_exponent() -> None:
    exponents = (-0.5, 0.1, 0.0)
    one = losses(Scaling(1.0, 1.0, 1.0), exponents)
    result = rate_exponents(one, {CORNERS[0]: losses(CORNERS[0], exponents)})
    assert result[0] is not None
    assert result[0].value == pytest.approx(-0.5)
    assert result[1:] == [None, None]


def test_rates_that_failed_or_are_far_away_do_not_count() -> None:
    exponents = (-0.3, 0.2, 0.1)
    one = losses(Scaling(1.0, 1.0, 1.0), exponents)
    far = {0.01: 4.0, 2.7: math.inf, 8.1: math.nan}  # no parabola reaches as far
    corners = {s: losses(s, exponents) | far for s in CORNERS}
    result = rate_exponents(one | far, corners)
    assert [e.value for e in result if e] == pytest.approx(exponents, abs=1e-6)


def test_where_everything_failed_nothing_changes() -> None:
    failed = dict.fromkeys(RATES, math.inf)
    one = losses(Scaling(1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    result = rate_exponents(one, {CORNERS[0]: failed})
    assert result[0] is not None
    assert result[0].value == 0.0
