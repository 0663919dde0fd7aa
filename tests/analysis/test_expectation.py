import math

import numpy as np
import pytest

from scalegrid.analysis.expectation import Imagined, prospect

ERROR = 0.07  # three standard errors of 500 races


def race(**settings: object) -> Imagined:
    given = {
        "candidates": 2,
        "population": 2,
        "costs": (1.0,),
        "between": np.array([[1.0]]),
        "noise": 1.0,
        "indifference": 0.0,
    }
    return Imagined(**{**given, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("noise", [0.25, 1.0, 4.0])
def test_two_candidates_with_a_trial_each_are_ordered_as_often_as_a_normal_pair(
    noise: float,
) -> None:
    # Sheppard (1899): two normals correlated by r have the same sign with 1/2 + asin(r) / π.
    right = 0.5 + math.asin(1 / math.sqrt(1 + noise)) / math.pi
    assert prospect(race(noise=noise), 2).top == pytest.approx(right, abs=ERROR)


@pytest.mark.parametrize("agreement", [0.0, 0.6, 1.0, -1.0])
def test_without_noise_the_long_answer_is_as_good_as_lengths_agree(agreement: float) -> None:
    between = np.array([[1.0, agreement], [agreement, 1.0]])
    found = prospect(race(between=between, noise=1e-9), 2)
    assert found.top == 1
    right = 0.5 + math.asin(agreement) / math.pi
    assert found.long == pytest.approx(right, abs=ERROR)


def test_the_best_may_be_among_those_left_out() -> None:
    found = prospect(race(candidates=3, population=12, noise=1e-9), 3)
    assert found.top == pytest.approx(3 / 12, abs=ERROR)


def test_a_zone_as_wide_as_the_spread_needs_no_trials() -> None:
    assert prospect(race(indifference=20.0), 2).top == 1


@pytest.mark.parametrize("costs", [(1.0,), (1.0, 2.3), (1.0, 2.3, 6.9)])
def test_more_work_never_promises_less(costs: tuple[float, ...]) -> None:
    length = np.arange(len(costs) + 1)
    between = 0.7 ** np.abs(np.subtract.outer(length, length))
    one = race(candidates=6, population=8, costs=costs, between=between, indifference=0.3)
    found = [prospect(one, work) for work in np.geomspace(1, 150, 12)]
    for key in ("top", "long"):
        values = [getattr(each, key) for each in found]
        assert values == sorted(values)
    assert found[-1].top > found[0].top + 0.2


def test_trials_are_those_that_the_work_pays_for() -> None:
    assert prospect(race(candidates=4, population=4), 13.5).trials == (13,)
    assert prospect(race(candidates=4, population=4), 13.5, most_trials=9).trials == (9,)
    assert prospect(race(candidates=4, population=4), 3).trials == (3,)
    between = np.array([[1.0, 0.5], [0.5, 1.0]])
    first, second = prospect(race(costs=(1.0, 2.3), between=between), 40).trials
    assert first >= second > 0
    assert 40 - 3.3 <= first + 2.3 * second <= 40


def test_where_lengths_agree_entirely_and_cost_nothing_more_brief_trials_do() -> None:
    between = np.ones((2, 2))
    found = prospect(race(candidates=6, population=6, costs=(1.0, 9.0), between=between), 40)
    assert found.trials[1] < 1
    assert found.top == found.long
