"""The model over rungs: against a slow and obvious one, and against known truths."""

from __future__ import annotations

import numpy as np
import pytest

from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.rungs import Lines, RungModel

RUNGS = 3
Trials = list[tuple[int, int, int, float]]


def covariance(deviations: list[float], correlation: float) -> Floats:
    rung = np.arange(len(deviations))
    found: Floats = np.outer(deviations, deviations) * correlation ** np.abs(
        np.subtract.outer(rung, rung)
    )
    return found


def world(
    number: int, reached: list[list[int]], rho: float, eta: float = 0.5
) -> tuple[Floats, Trials]:
    """True values (n, K), and the trials of candidates whose lines have reached these rungs."""
    generator = np.random.default_rng([number, round(100 * rho) + 100])
    size = len(reached)
    between = covariance([1.0, 0.9, 0.8], rho)
    truth = generator.multivariate_normal(np.array([60.0, 66.0, 70.0]), between, size)
    trials = []
    for i, lines in enumerate(reached):
        for seed, highest in enumerate(lines):
            noise = generator.multivariate_normal(np.zeros(RUNGS), covariance([0.8, 0.7, 0.6], eta))
            trials += [(i, seed, k, float(truth[i, k] + noise[k])) for k in range(highest)]
    return truth, trials


def contrasts(values: Floats) -> Floats:
    """Values less their mean over the candidates, the level being of no interest."""
    apart: Floats = values - values.mean(-2, keepdims=True)
    return apart


def test_lines_gather_trials_in_any_order() -> None:
    trials: Trials = [(1, 0, 2, 0.3), (0, 1, 0, 0.5), (1, 0, 0, 0.1), (0, 0, 0, 0.4)]
    lines = Lines.collect(2, RUNGS, trials)
    again = Lines.collect(2, RUNGS, trials[::-1])
    assert lines.candidate.tolist() == [0, 0, 1]
    assert lines.seed.tolist() == [0, 1, 0]
    assert np.array_equal(lines.values, again.values, equal_nan=True)
    assert lines.counts.tolist() == [[2, 0, 0], [1, 0, 1]]
    assert lines.repeats == 1, "the rungs of a line are no repeats"


def test_it_is_the_average_of_dense_normal_models_over_the_prior() -> None:
    """Draw σ, τ, ρ, η from the prior, and condition one big normal vector for each."""
    _, trials = world(1, [[2, 1], [2, 2], [1, 1]], rho=0.9)
    trials = [trial for trial in trials if trial[2] < 2]
    lines = Lines.collect(3, 2, trials)
    found = RungModel(Model(3), 2).posterior(lines)

    values = np.array([trial[3] for trial in trials])
    rung = np.array([trial[2] for trial in trials])
    level = np.array([values[rung == k].mean() for k in range(2)])
    scale = np.sqrt(((values - level[rung]) ** 2).mean())
    values = (values - level[rung]) / scale
    candidate, seed = (np.array([trial[axis] for trial in trials]) for axis in (0, 1))
    same = candidate[:, None] == candidate
    line = same & (seed[:, None] == seed)
    every = np.array([(i, k) for i in range(3) for k in range(2)])
    at = np.ix_(rung, rung)
    generator = np.random.default_rng(0)
    weights, means = [], []
    for _ in range(8_000):
        sigma1, rise, ratio, ratio_rise = generator.standard_normal(4) * [2.0, 0.5, 1.15, 0.5]
        rho, eta = generator.uniform(-1, 1), generator.uniform(0, 1)
        sigma = np.exp(sigma1 + rise * np.arange(2))
        tau = sigma * np.exp(ratio + ratio_rise * np.arange(2))
        between, within = covariance(tau.tolist(), rho), covariance(sigma.tolist(), eta)
        flat = 30.0**2 * np.eye(2)
        total = np.where(same, between[at], 0.0) + flat[at] + np.where(line, within[at], 0.0)
        cross = flat[np.ix_(every[:, 1], rung)] + np.where(
            every[:, :1] == candidate, between[np.ix_(every[:, 1], rung)], 0.0
        )
        log_weight = np.linalg.slogdet(total)[1] + values @ np.linalg.solve(total, values)
        weights.append(-0.5 * log_weight)
        means.append(cross @ np.linalg.solve(total, values))
    weight = np.exp(np.array(weights) - max(weights))
    expected = (weight / weight.sum()) @ np.array(means)
    expected = level + scale * expected.reshape(3, 2)
    assert contrasts(found.expected) == pytest.approx(contrasts(expected), abs=0.06)


@pytest.mark.parametrize("rho", [0.95, 0.0])
def test_intervals_hold_the_truth_as_often_as_they_say(rho: float) -> None:
    reached = [[1] * 3 for _ in range(10)]
    reached[:5] = [[2, 2, 1]] * 5
    reached[:3] = [[3, 2, 1]] * 3
    inside = []
    for number in range(16):
        truth, trials = world(number, reached, rho)
        lines = Lines.collect(10, RUNGS, trials)
        posterior = RungModel(Model(10), RUNGS).posterior(lines)
        draws = contrasts(posterior.sample(2000, np.random.default_rng(1)))[..., -1]
        below = (draws < contrasts(truth)[:, -1]).mean(0)
        inside.append(((below > 0.1) & (below < 0.9)).mean())
    assert np.mean(inside) == pytest.approx(0.8, abs=0.1)


def test_brief_trainings_count_as_far_as_the_rungs_have_agreed() -> None:
    """A candidate that has only been tried briefly is expected where its brief values point."""
    reached = [[3] * 4] * 12 + [[1] * 8] * 2

    def expected(rho: float) -> tuple[float, float]:
        truth, trials = world(3, reached, rho)
        untried = [i for i in range(14) if i >= 12]
        shift = {12: 2.5, 13: -2.5}
        moved = [
            (i, s, k, value - truth[i, k] + 60 + shift[i]) if i in untried else (i, s, k, value)
            for i, s, k, value in trials
        ]
        posterior = RungModel(Model(14), RUNGS).posterior(Lines.collect(14, RUNGS, moved))
        top = posterior.expected[:, -1]
        return float(top[12] - top[13]), float(posterior.weight @ posterior.unknown.rho)

    apart, rho = expected(0.95)
    assert apart > 2
    assert rho > 0.7
    apart, rho = expected(0.0)
    assert apart < 1.2
    assert rho < 0.4


def test_the_covariance_is_that_of_the_draws() -> None:
    _, trials = world(2, [[3, 1], [2, 1], [1, 1], [2]], 0.8)
    posterior = RungModel(Model(4), RUNGS).posterior(Lines.collect(4, RUNGS, trials))
    draws = contrasts(posterior.sample(40_000, np.random.default_rng(0))).reshape(-1, 12)
    centre = np.eye(4) - 1 / 4
    exact = np.einsum("ij,jkml,mn->iknl", centre, posterior.covariance, centre).reshape(12, 12)
    assert np.cov(draws.T) == pytest.approx(exact, rel=0.1, abs=0.05 * float(exact.max()))


def test_equal_lines_give_equal_numbers() -> None:
    _, trials = world(2, [[3, 1], [2, 1], [1, 1]], 0.8)
    one, two = (
        RungModel(Model(3), RUNGS).posterior(Lines.collect(3, RUNGS, order))
        for order in (trials, trials[::-1])
    )
    assert np.array_equal(one.expected, two.expected)
    assert np.array_equal(one.covariance, two.covariance)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_the_unit_of_values_does_not_matter(scale: float) -> None:
    _, trials = world(4, [[2, 1], [3, 1], [1, 1]], 0.5)
    moved = [(i, s, k, scale * value) for i, s, k, value in trials]
    plain, scaled = (
        RungModel(Model(3), RUNGS).posterior(Lines.collect(3, RUNGS, rows))
        for rows in (trials, moved)
    )
    assert contrasts(scaled.expected) / scale == pytest.approx(
        contrasts(plain.expected), rel=1e-3, abs=1e-3
    )


STEEP = {
    (0, 0): (0.50840135, 0.60800771),
    (0, 1): (0.49529513,),
    (1, 0): (0.48507851,),
    (1, 1): (0.4893663,),
    (2, 0): (0.49087983,),
    (2, 1): (0.49407815,),
    (3, 0): (0.42478304, 0.52538203, 0.65367046),
    (3, 1): (0.42801941, 0.5428264),
    (3, 2): (0.42337626, 0.53714472),
    (3, 3): (0.42534595, 0.5375387),
    (4, 0): (0.55904001, 0.66217016, 0.77325415),
    (4, 1): (0.55297266, 0.66774084),
    (4, 2): (0.56824054, 0.66277997),
    (5, 0): (0.52826043, 0.64808542, 0.74873703),
    (5, 1): (0.53578261, 0.63500695),
    (6, 0): (0.50257753,),
    (6, 1): (0.48565053,),
    (7, 0): (0.52519762, 0.64213614),
    (7, 1): (0.5164359, 0.62862249),
}
"""Lines of a race by candidate and seed, with little noise: 0.006 where they were drawn."""


@pytest.mark.parametrize("digits", [3, 4, 5, 6, 8])
def test_a_noise_of_nothing_is_not_believed(digits: int) -> None:
    trials = [
        (i, seed, k, round(value, digits))
        for (i, seed), values in STEEP.items()
        for k, value in enumerate(values)
    ]
    found = RungModel(Model(8), RUNGS).posterior(Lines.collect(8, RUNGS, trials))
    assert found.expected[:, -1].argmax() == 4
    assert found.expected[3:6, -1] == pytest.approx([0.654, 0.773, 0.749], abs=0.005)
    assert np.sqrt(np.diagonal(found.noise)) == pytest.approx([0.006] * 3, abs=0.004)


@pytest.mark.parametrize("value", [0.5, 0.0])
def test_values_that_are_all_equal_do_no_harm(value: float) -> None:
    trials = [(i, s, 0, value) for i in range(3) for s in range(2)]
    posterior = RungModel(Model(3), RUNGS).posterior(Lines.collect(3, RUNGS, trials))
    assert np.isfinite(posterior.expected).all()
    assert posterior.expected[:, 0] == pytest.approx(value)
