from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalegrid.analysis.observations import Floats
from scalegrid.analysis.repeat import most_worth_repeating


def everyone(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.ones(size, dtype=np.bool_)


def covariances(seed: int, count: int, size: int) -> Floats:
    roots = np.random.default_rng(seed).standard_normal((count, size, size))
    return np.asarray(roots @ roots.swapaxes(1, 2) + 0.1 * np.eye(size))


def test_of_two_the_less_known_is_repeated() -> None:
    for variances in ([1.0, 2.0], [2.0, 1.0]):
        chosen = most_worth_repeating(
            np.array([0.0, 0.5]), np.diag(variances), 1.0, 0.3, everyone(2)
        )
        assert chosen == np.argmax(variances)


def test_a_hopeless_candidate_is_not_repeated_however_little_is_known_of_it() -> None:
    mean = np.array([1.0, 0.9, -50.0])
    chosen = most_worth_repeating(mean, np.diag([0.1, 0.1, 1.0]), 1.0, 0.3, everyone(3))
    assert chosen in (0, 1)


def test_hopeless_candidates_are_still_told_apart() -> None:
    mean = np.array([0.0, -90.0, -60.0, -80.0])
    covariance = np.diag([1e-4, 1.0, 1.0, 1.0])
    assert most_worth_repeating(mean, covariance, 1.0, 0.3, everyone(4)) == 2


def test_only_the_allowed_are_repeated() -> None:
    mean, covariance = np.array([0.0, 0.1, 0.2]), np.diag([1.0, 1.0, 1.0])
    allowed = np.array([True, False, False])
    assert most_worth_repeating(mean, covariance, 1.0, 0.3, allowed) == 0


def test_certainty_does_no_harm() -> None:
    chosen = most_worth_repeating(np.zeros(3), np.zeros((3, 3)), 0.0 + 1e-12, 0.0, everyone(3))
    assert chosen in (0, 1, 2)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0, 0.5))
def test_many_at_once_are_the_same_as_one_by_one(seed: int, zone: float) -> None:
    mean = np.random.default_rng(seed + 1).standard_normal((5, 4))
    covariance = covariances(seed, 5, 4)
    together = most_worth_repeating(mean, covariance, 1.0, zone, everyone(4))
    alone = [
        most_worth_repeating(m, c, 1.0, zone, everyone(4))
        for m, c in zip(mean, covariance, strict=True)
    ]
    assert together.tolist() == alone


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_a_slow_simulation_says(seed: int) -> None:
    """The challenger exceeds the leader beyond the zone by most; the trial tells most of it."""
    zone, noise, size = 0.2, 0.5, 4
    generator = np.random.default_rng(seed)
    mean, covariance = generator.standard_normal(size), covariances(seed, 1, size)[0]
    draws = generator.multivariate_normal(mean, covariance, 400_000)
    leader = int(mean.argmax())
    excess = np.maximum(draws - draws[:, [leader]] - zone, 0).mean(0)
    challenger = int(excess.argmax())
    left = []
    for repeated in range(size):
        column = covariance[:, repeated]
        after = covariance - np.outer(column, column) / (column[repeated] + noise)
        pair = np.zeros(size)
        pair[leader], pair[challenger] = 1, -1
        left.append(pair @ after @ pair)
    chosen = most_worth_repeating(mean, covariance, noise, zone, everyone(size))
    assert chosen == int(np.argmin(left))
