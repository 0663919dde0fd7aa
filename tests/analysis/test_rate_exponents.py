"""The law of the best learning rate, against parabolas whose lowest points are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.analysis.rates import LARGEST, NOISE, USUAL, Exponent, rate_exponents
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
    exponents: tuple[float, float, float],
    noise: float = 0.0,
    seed: int = 0,
    curvature: float = 0.1,
) -> list[Exponent]:
    one = losses(Scaling(1.0, 1.0, 1.0), exponents, curvature, noise=noise, seed=seed)
    corners = {s: losses(s, exponents, curvature, noise=noise, seed=seed) for s in CORNERS}
    result = [exponent for exponent in rate_exponents(one, corners) if exponent is not None]
    assert len(result) == 3
    return result


SMALL = st.floats(-0.6, 0.6)


@given(exponents=st.tuples(SMALL, SMALL, SMALL))
def test_the_exponents_of_parabolas_are_found(exponents: tuple[float, float, float]) -> None:
    result = found(exponents, curvature=50.0)  # so steep that the prior hardly counts
    for one, exponent, scaling, usual in zip(result, exponents, CORNERS, USUAL, strict=True):
        kept = 1 - (one.error / usual) ** 2  # the rest is prior
        assert one.value == pytest.approx(kept * exponent, abs=1e-6)
        assert one.gain == pytest.approx(50 * (one.value * math.log(max(scaling))) ** 2, abs=1e-6)


def by_parabolas(exponents: tuple[float, float, float], noise: float, seed: int) -> list[float]:
    """The obvious way: a parabola through the losses of each network, and nothing shrunk."""
    places = []
    for scaling in (Scaling(1.0, 1.0, 1.0), *CORNERS):
        each = losses(scaling, exponents, noise=noise, seed=seed)
        square, slope, _ = np.polyfit(np.log(list(each)), list(each.values()), 2)
        places.append(-slope / (2 * square))
    pairs = zip(places[1:], CORNERS, strict=True)
    return [(place - places[0]) / math.log(max(scaling)) for place, scaling in pairs]


@pytest.mark.parametrize("noise", [0.02, 0.04, 0.08])
def test_noise_misleads_less_than_parabolas_of_their_own(noise: float) -> None:
    true = (-0.4, 0.0, 0.2)
    values = np.array([[one.value for one in found(true, noise, seed)] for seed in range(200)])
    obvious = np.array([by_parabolas(true, noise, seed) for seed in range(200)])
    assert np.quantile(np.abs(values - true), 0.9) < 0.7 * np.quantile(np.abs(obvious - true), 0.9)


@pytest.mark.parametrize("curvature", [0.05, 0.1])
def test_the_stated_error_holds_the_truth_as_often_as_it_says(curvature: float) -> None:
    """With exponents drawn by the prior, and the noise that is expected."""
    generator = np.random.default_rng(0)
    held = []
    for seed in range(200):
        first, second, third = (generator.normal(0.0, USUAL)).tolist()
        true = (first, second, third)
        result = found(true, NOISE, seed, curvature)
        held += [abs(r.value - e) < 1.96 * r.error for r, e in zip(result, true, strict=True)]
    assert 0.88 < np.mean(held) <= 1.0


def test_losses_without_curvature_change_nothing() -> None:
    flat = dict.fromkeys(RATES, 1.0)
    falling = {rate: 1.0 - 0.1 * math.log(rate) for rate in RATES}
    for baseline, corner in ((flat, flat), (falling, falling), (falling, flat)):
        result = rate_exponents(baseline, dict.fromkeys(CORNERS, corner))
        assert result == [Exponent(0.0, usual, 0.0) for usual in USUAL]


def test_an_axis_without_a_corner_has_no_exponent() -> None:
    exponents = (-0.5, 0.1, 0.0)
    one = losses(Scaling(1.0, 1.0, 1.0), exponents, 50.0)
    result = rate_exponents(one, {CORNERS[0]: losses(CORNERS[0], exponents, 50.0)})
    assert result[0] is not None
    assert result[0].value == pytest.approx(-0.5, abs=0.01)
    assert result[1:] == [None, None]


def test_rates_that_are_far_away_do_not_count() -> None:
    exponents = (-0.3, 0.2, 0.1)
    one = losses(Scaling(1.0, 1.0, 1.0), exponents)
    far = {0.01: 4.0, 2.7: math.inf, 8.1: math.nan}  # no parabola reaches as far
    corners = {s: losses(s, exponents) for s in CORNERS}
    beyond = {s: each | far for s, each in corners.items()}
    assert rate_exponents(one | far, beyond) == rate_exponents(one, corners)


def test_no_rate_lies_towards_one_at_which_training_failed() -> None:
    baseline = {0.083: 1.5, 0.25: 1.4, 0.75: 1.45}
    deep = {0.083: 1.60, 0.25: 1.42, 0.75: math.inf}
    result, *_ = rate_exponents(baseline, {CORNERS[0]: deep})
    assert result is not None
    assert result.value <= 0


def test_no_exponent_is_beyond_the_largest() -> None:
    steep = {0.083: 4.0, 0.25: 1.0, 0.75: 4.0}
    moved = {0.25: 4.0, 0.75: 1.0, 2.25: 4.0}
    *_, result = rate_exponents(steep, {CORNERS[2]: moved})
    assert result is not None
    assert result.value == LARGEST


def test_where_everything_failed_nothing_changes() -> None:
    failed = dict.fromkeys(RATES, math.inf)
    one = losses(Scaling(1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    result = rate_exponents(one, {CORNERS[0]: failed})
    assert result[0] is not None
    assert result[0].value == 0.0
