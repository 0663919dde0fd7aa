from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
from analysis_tables import observe, spread_shares
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scalegrid.analysis import model as module
from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Floats, Observations
from scalegrid.analysis.selection import chances

SEED = 1


def sampled(posterior: Posterior, count: int = 20_000) -> Floats:
    return posterior.sample(count, np.random.default_rng(SEED)).values


def crossed() -> Observations:
    """Seven candidates, one to three seeds each, in which seed 2 is easier for all."""
    generator = np.random.default_rng(3)
    return observe(
        [(generator.standard_normal(k) + [0, 0, 1][:k]).tolist() for k in [1, 3, 2] * 2 + [3]]
    )


def test_every_grid_point_agrees_with_conditioning_the_dense_normal() -> None:
    """The trials' full covariance matrix, a level of very large variance, textbook formulas."""
    observations, shares = crossed(), spread_shares(7)
    model = Model(7, shares)
    posterior = model.posterior(observations)
    trials = np.eye(7)[observations.candidate]
    seeds = np.eye(3)[observations.seed]
    vague = 1e6
    log_weight = []
    assert set(posterior.seeds) == set(module.SEEDS)
    assert set(posterior.smooth) == {0.0, *module.SMOOTH}
    for h in range(len(posterior.weight)):
        root = model.roots[list(model.smooth).index(posterior.smooth[h])]
        prior = posterior.spread[h] * root @ root.T + vague
        total = trials @ prior @ trials.T + np.eye(len(trials))
        total += posterior.seeds[h] * seeds @ seeds.T
        gain = np.linalg.solve(total, trials @ prior).T
        np.testing.assert_allclose(posterior.mean[h], gain @ observations.value, atol=1e-4)
        factor = posterior.factor[h]
        np.testing.assert_allclose(factor @ factor.T, prior - gain @ trials @ prior, atol=1e-3)
        squares = observations.value @ np.linalg.solve(total, observations.value)
        assert posterior.squares[h] == pytest.approx(squares, rel=1e-4)
        log_weight.append(
            math.log(0.5 if posterior.smooth[h] == 0 else 0.5 / len(module.SMOOTH))
            - (math.log10(posterior.spread[h]) / 2) ** 2 / 0.5
            - np.linalg.slogdet(total)[1] / 2
            - posterior.degrees / 2 * math.log(squares)
        )
    weight = np.exp(np.array(log_weight) - max(log_weight))
    np.testing.assert_allclose(posterior.weight, weight / weight.sum(), atol=1e-6)


def test_two_candidates_have_the_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """One grid point: the difference is Student-t with as many degrees as trials beyond the first.

    With n trials each, variance λσ² of each true value and observed difference d, the posterior of
    the true difference has mean s·d and variance 2sσ²/n, where s = nλ / (1 + nλ).
    """
    ratio, n = 2.0, 4
    monkeypatch.setattr(module, "SPREAD", np.array([ratio]))
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal(n) + 0.6, generator.standard_normal(n)
    observations = observe([first.tolist(), second.tolist()])
    posterior = Model(2).posterior(observations, seed_effects=False)

    s = n * ratio**2 / (1 + n * ratio**2)
    apart = first.mean() - second.mean()
    within = ((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum()
    variance = (within + n * apart**2 / 2 * (1 - s)) / (2 * n - 1)
    wins = stats.t.cdf(s * apart / math.sqrt(2 * s * variance / n), 2 * n - 1)

    assert posterior.expected[0] - posterior.expected[1] == pytest.approx(s * apart)
    best = chances(sampled(posterior, 200_000), 0.0).best
    assert best[0] == pytest.approx(wins, abs=0.004)


def test_samples_have_the_moments_of_the_posterior() -> None:
    posterior = Model(7, spread_shares(7)).posterior(crossed())
    draws = sampled(posterior, 200_000)
    np.testing.assert_allclose(draws.mean(0), posterior.expected, atol=0.02)
    np.testing.assert_allclose(np.cov(draws.T), posterior.covariance, rtol=0.05, atol=0.02)


def test_without_noise_the_means_are_the_truth() -> None:
    truth = [0.1, 0.4, 0.35, 0.2]
    posterior = Model(4).posterior(observe([[t] * 3 for t in truth]))
    draws = sampled(posterior)
    np.testing.assert_allclose(posterior.expected, truth, atol=1e-6)
    assert chances(draws, 0.01).within[1] == pytest.approx(1.0)


def test_equal_candidates_share_the_probability() -> None:
    same = [0.4, 0.5, 0.6, 0.5]
    posterior = Model(5).posterior(observe([same] * 5), seed_effects=False)
    chance = chances(sampled(posterior, 50_000), 0.3)
    np.testing.assert_allclose(chance.best, 0.2, atol=0.01)
    assert chance.within.min() > 0.9


def test_values_that_are_all_the_same_are_all_the_best() -> None:
    posterior = Model(3).posterior(observe([[0.5, 0.5]] * 3))
    chance = chances(sampled(posterior), 1e-6)
    np.testing.assert_allclose(chance.within, 1.0)
    assert chance.best.sum() == pytest.approx(1.0)


def test_seeds_that_all_share_are_told_from_noise() -> None:
    """Seeds differ by more than candidates, but alike for all: pairing sees through it."""
    generator = np.random.default_rng(0)
    seeds, own = generator.normal(0, 0.3, 6), generator.normal(0, 0.1, (8, 6))
    truth = np.array([0.3, 0.1, 0.0, 0.0, -0.1, -0.1, -0.2, -0.2])
    values = (truth[:, None] + seeds + own).tolist()
    paired = Model(8).posterior(observe(values))
    unpaired = Model(8).posterior(observe(values), seed_effects=False)
    assert chances(sampled(paired), 0.0).best[0] > 0.95
    assert paired.noise < 0.4 * unpaired.noise


def test_a_candidate_lacking_a_lucky_seed_is_not_blamed() -> None:
    seeds = np.array([0.0, 2.0, 0.0, 2.0, 0.0, 2.0])
    own = 0.3 * np.random.default_rng(1).standard_normal((6, 6))
    values = [row.tolist() for row in seeds + own]
    values[0] = values[0][:1]
    posterior = Model(6).posterior(observe(values))
    assert abs(posterior.expected[0] - posterior.expected[1:].mean()) < 0.4


def test_the_surface_borrows_strength_from_neighbours() -> None:
    shares = spread_shares(20)
    truth = -3 * ((shares - [0.3, 0.3, 0.4]) ** 2).sum(1)
    errors = []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.4, (20, 2))
        observations = observe((truth[:, None] + noise).tolist())
        model = Model(20, shares)
        errors.append(
            [
                ((model.posterior(observations, surface=surface).expected - truth) ** 2).mean()
                for surface in (False, True)
            ]
        )
    plain, smooth = np.mean(errors, axis=0)
    assert smooth < 0.6 * plain


@pytest.mark.parametrize(
    "shares",
    [
        np.full((5, 3), np.nan),
        np.full((5, 3), 1 / 3),
        np.array([[1.0, 0.0, 0.0], *[[np.nan] * 3] * 4]),
    ],
)
def test_shares_that_say_nothing_give_the_plain_model(shares: Floats) -> None:
    model = Model(5, shares)
    assert not model.has_surface
    observations = observe([[0.1, 0.3], [0.4], [0.2, 0.2], [0.5], [0.1]])
    np.testing.assert_array_equal(
        model.posterior(observations).mean, Model(5).posterior(observations).mean
    )


VALUES = st.lists(
    st.lists(st.floats(-2, 2).map(lambda x: round(x, 3)), min_size=1, max_size=3),
    min_size=3,
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@given(VALUES, st.booleans())
def test_probabilities_sum_to_one(values: list[list[float]], surface: bool) -> None:
    shares = spread_shares(len(values)) if surface else None
    chance = chances(sampled(Model(len(values), shares).posterior(observe(values)), 2000), 0.1)
    assert chance.best.sum() == pytest.approx(1.0)
    assert (chance.within >= chance.best - 1e-9).all()
    assert chance.within.max() <= 1


@settings(deadline=None, max_examples=40)
@given(VALUES, st.floats(-100, 100), st.floats(0.01, 100))
def test_shift_and_scale_change_nothing_but_themselves(
    values: list[list[float]], shift: float, scale: float
) -> None:
    model = Model(len(values), spread_shares(len(values)))
    moved = [[shift + scale * value for value in row] for row in values]
    # A grid point as likely as the threshold may count before and not after: all count here.
    with mock.patch.object(module, "_NEGLIGIBLE", 1e-300):
        before, after = (model.posterior(observe(given)) for given in (values, moved))
    if np.ptp(np.concatenate(values)) < 0.01:
        return  # next to rounding errors
    np.testing.assert_allclose(after.expected, shift + scale * before.expected, atol=1e-5 * scale)
    np.testing.assert_allclose(after.covariance, scale**2 * before.covariance, atol=1e-5 * scale**2)


@settings(deadline=None, max_examples=40)
@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(values: list[list[float]], random: object) -> None:
    count = len(values)
    shares = spread_shares(count)
    order = np.random.default_rng(hash(random) % 1000).permutation(count)
    straight = Model(count, shares).posterior(observe(values))
    shuffled = Model(count, shares[order]).posterior(observe([values[i] for i in order]))
    np.testing.assert_allclose(shuffled.expected, straight.expected[order], atol=1e-6)
    np.testing.assert_allclose(
        shuffled.covariance, straight.covariance[np.ix_(order, order)], atol=1e-6
    )


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=6),
    st.integers(0, 100),
    st.floats(0.3, 2),
)
def test_a_better_candidate_is_likelier_to_be_best(
    means: list[float], seed: int, more: float
) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.5, (len(means), 3))
    noise -= noise.mean(1, keepdims=True)
    values = np.array(means)[:, None] + noise
    model = Model(len(means))
    before = chances(sampled(model.posterior(observe(values.tolist()))), 0.0).best[0]
    values[0] += more
    after = chances(sampled(model.posterior(observe(values.tolist()))), 0.0).best[0]
    assert after > before - 0.01
