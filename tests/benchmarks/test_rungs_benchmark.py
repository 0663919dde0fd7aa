"""The simulated rules over rungs, in worlds where what they choose is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import kendalltau

from benchmarks import rungs


def test_asha_promotes_a_third_of_those_that_have_come() -> None:
    falling = np.tile(np.arange(9.0, 0.0, -1.0)[:, None], 3)
    visits = rungs._promoted(falling)
    assert Counter(rung for _, rung in visits) == {0: 9, 1: 3, 2: 1}
    assert {one for one, rung in visits if rung == 1} == {0, 1, 2}
    assert (0, 2) in visits
    # Where each that comes is better than those before, each is of the best third so far.
    rising = rungs._promoted(falling[::-1])
    assert {one for one, rung in rising if rung == 1} == {2, 3, 4, 5, 6, 7, 8}


@pytest.mark.parametrize("way", rungs.WAYS)
def test_without_noise_every_rule_finds_a_good_one(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rungs, "NOISE", (0.02, 0.02, 0.02))
    race = rungs.run(way, 6, 0.9, 130.0, number=1)
    assert race.good[-1]
    assert race.trials.tolist() == list(range(20, 140, 10))


def test_the_worlds_agree_as_much_as_is_said() -> None:
    truths = [rungs.draw_world(number, 40, 0.6).truth for number in range(20)]
    taus = [kendalltau(truth[:, 0], truth[:, -1]).statistic for truth in truths]
    assert np.mean(taus) == pytest.approx(0.6, abs=0.05)
