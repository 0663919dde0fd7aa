from __future__ import annotations

import numpy as np
from analysis_tables import observe

from scalegrid.analysis.foresight import HORIZON, trials_needed
from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.repeat import most_worth_repeating
from scalegrid.analysis.selection import MIN_REPEATS, chances


def posterior_of(noise: float, seeds: int = 3, spread: float = 1.0) -> Posterior:
    generator = np.random.default_rng(0)
    truth = spread * np.linspace(0, 1, 6)
    values = truth[:, None] + noise * generator.standard_normal((6, seeds))
    return Model(6).posterior(observe(values.tolist()), seed_effects=False)


def test_more_noise_needs_more_trials() -> None:
    needed = [trials_needed(posterior_of(noise), 0.05, 0.95) for noise in (0.1, 0.4, 0.8)]
    assert needed[0] is not None
    assert needed[1] is not None
    assert needed[0] < needed[1]
    assert needed[2] is None or needed[2] > needed[1]


def test_a_wider_zone_and_less_confidence_need_fewer() -> None:
    posterior = posterior_of(0.6)
    strict, wide, timid = (
        trials_needed(posterior, zone, confidence) or HORIZON * 6
        for zone, confidence in ((0.1, 0.95), (0.4, 0.95), (0.1, 0.7))
    )
    assert wide < strict
    assert timid < strict


def test_what_is_out_of_reach_is_called_so() -> None:
    assert trials_needed(posterior_of(5.0), 0.001, 0.99) is None


def test_it_is_the_same_every_time() -> None:
    posterior = posterior_of(0.3)
    assert trials_needed(posterior, 0.1, 0.95) == trials_needed(posterior, 0.1, 0.95)


def test_it_agrees_with_races_run_to_their_end() -> None:
    """Truths drawn from the posterior, trials given out one by one, the exact normal posterior."""
    ratios = []
    for noise, zone in ((0.6, 0.2), (0.8, 0.3), (1.0, 0.3)):
        posterior = posterior_of(noise)
        predicted = trials_needed(posterior, zone, 0.95)
        assert predicted is not None
        generator = np.random.default_rng(5)
        mean, covariance = posterior.expected, posterior.covariance
        truths = generator.multivariate_normal(mean, covariance, 30)
        lengths = [_race(mean, covariance, truth, posterior.noise, zone) for truth in truths]
        ratios.append(predicted / np.median(lengths))
    assert min(ratios) > 0.5
    assert max(ratios) < 2
    assert 0.75 < np.exp(np.log(ratios).mean()) < 1.25


def test_it_is_never_before_the_noise_can_have_been_seen() -> None:
    posterior = posterior_of(0.001)
    assert trials_needed(posterior, 0.05, 0.95, repeats=0) == 6
    assert trials_needed(posterior, 0.05, 0.95, repeats=1) == MIN_REPEATS - 1


def _race(mean: Floats, covariance: Floats, truth: Floats, noise: float, zone: float) -> int:
    generator = np.random.default_rng(int(1e6 * abs(truth[0])))
    for made in range(1, 200):
        i = int(most_worth_repeating(mean, covariance, noise, zone, np.ones(6, dtype=np.bool_)))
        value = truth[i] + np.sqrt(noise) * generator.standard_normal()
        precision = np.linalg.inv(covariance)
        precision[i, i] += 1 / noise
        updated = np.linalg.inv(precision)
        pulled = np.linalg.solve(covariance, mean)
        pulled[i] += value / noise
        mean, covariance = updated @ pulled, updated
        draws = generator.multivariate_normal(mean, covariance, 2000)
        if chances(draws, zone).within[mean.argmax()] >= 0.95:
            return made
    return 200
