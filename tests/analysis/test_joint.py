from __future__ import annotations

import numpy as np
import pytest

from scalegrid.analysis import joint
from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Floats, Observations
from scalegrid.analysis.selection import chances

SIZE, SEEDS = 12, 3
NOISE = np.array([[1.0, 0.9 * 0.8], [0.9 * 0.8, 0.8**2]])
"""Top-1 and a loss: what is lucky is lucky in both."""


def spreads(correlation: float) -> Floats:
    return np.array([[1.0, correlation], [correlation, 1.0]])


def world(spread: Floats, noise: Floats, number: int, seeds: int = SEEDS) -> tuple[Floats, Floats]:
    """True values (n, 2), and trials (n, seeds, 2)."""
    generator = np.random.default_rng([number, 5])
    truth = generator.multivariate_normal(np.zeros(2), spread, SIZE)
    return truth, truth[:, None] + generator.multivariate_normal(np.zeros(2), noise, (SIZE, seeds))


def observed(trials: Floats, metrics: int = 2) -> Observations:
    rows = [
        (i, s, *value[:metrics])
        for i, row in enumerate(trials.tolist())
        for s, value in enumerate(row)
    ]
    return Observations.collect(len(trials), rows)


def together(trials: Floats) -> Posterior:
    return joint.posterior(Model(SIZE), observed(trials), seed_effects=False)


def alone(trials: Floats) -> Posterior:
    return Model(SIZE).posterior(observed(trials), seed_effects=False)


def error(posterior: Posterior, truth: Floats) -> float:
    apart = posterior.expected - truth
    return float(((apart - apart.mean()) ** 2).mean())


def errors(spread: Floats, noise: Floats) -> tuple[float, float]:
    """Mean square errors by the value alone and by both, over forty worlds."""
    pairs = []
    for number in range(40):
        truth, trials = world(spread, noise, number)
        pairs.append([error(said(trials), truth[:, 0]) for said in (alone, together)])
    one, both = np.mean(pairs, axis=0)
    return float(one), float(both)


def test_a_loss_that_tells_more_saves_a_sixth_of_the_error() -> None:
    one, both = errors(spreads(0.998), NOISE)
    assert both < 0.84 * one


def test_a_loss_that_disagrees_helps_all_the_more() -> None:
    """The noise is common to both and the differences are not: the loss shows the noise."""
    for correlation in (0.0, -0.6):
        one, both = errors(spreads(correlation), NOISE)
        assert both < 0.95 * one


def test_a_metric_of_nothing_but_noise_does_no_harm() -> None:
    one, both = errors(np.diag([1.0, 1e-12]), np.diag([1.0, 4.0]))
    assert both < 1.04 * one


@pytest.mark.parametrize("correlation", [0.99, 0.0, -0.9])
def test_what_is_said_is_true(correlation: float) -> None:
    said, good = [], []
    for number in range(40):
        truth, trials = world(spreads(correlation), NOISE, number)
        draws = together(trials).sample(1000, np.random.default_rng(0)).values
        said.append(chances(draws, 0.3).within)
        good.append(truth[:, 0] >= truth[:, 0].max() - 0.3)
    reported, held = np.concatenate(said), np.concatenate(good)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 1)):
        here = (reported >= low) & (reported < high)
        assert abs(reported[here].mean() - held[here].mean()) < 0.08


def test_with_many_trials_it_is_the_posterior_of_known_covariances() -> None:
    spread = 0.05 * spreads(0.95)
    _, trials = world(spread, NOISE, 1, seeds=20)
    means = (trials.mean(1) - trials.mean((0, 1))) @ np.linalg.inv(spread + NOISE / 20) @ spread
    apart = [said(trials).expected for said in (alone, together)]
    one, both = (((a - a.mean() - means[:, 0]) ** 2).mean() for a in apart)
    assert both < 0.7 * one


def test_any_mixture_of_the_metrics_tells_the_same() -> None:
    _, trials = world(spreads(0.9), NOISE, 3)
    before = together(trials)
    mixed = np.stack([trials[..., 0], 7 * trials[..., 1] - 3 * trials[..., 0] + 2], axis=2)
    after = together(mixed)
    scale = np.sqrt(np.diag(before.covariance)).mean()
    np.testing.assert_allclose(after.expected, before.expected, atol=0.02 * scale)
    assert after.noise == pytest.approx(before.noise, rel=0.03)


def test_a_trial_tells_more_than_its_value_does() -> None:
    _, trials = world(spreads(0.998), NOISE, 2, seeds=4)
    said = together(trials)
    assert 0.4 * said.noise < said.noise_told < 0.95 * said.noise
    assert alone(trials).noise_told == alone(trials).noise


@pytest.mark.parametrize("kind", ["few replicates", "proportional", "constant", "missing"])
def test_metrics_that_can_say_nothing_leave_the_answer_as_it_is(kind: str) -> None:
    _, trials = world(spreads(0.9), NOISE, 4, seeds=1 if kind == "few replicates" else 3)
    if kind == "proportional":
        trials[..., 1] = 2 - 3 * trials[..., 0]
    elif kind == "constant":
        trials[..., 1] = 0.7
    elif kind == "missing":
        trials[0, 0, 1] = np.nan
    one, both = alone(trials), together(trials)
    np.testing.assert_array_equal(both.mean, one.mean)
    np.testing.assert_array_equal(both.weight, one.weight)
