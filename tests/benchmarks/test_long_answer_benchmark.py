"""Worlds in which what counts is the accuracy after long trainings, and races in them."""

import numpy as np
import pytest

from benchmarks.long_answer import LongDrawn, Luck, draw, measured_luck, raced_over
from benchmarks.rungs import RUNGS, World
from benchmarks.selection_worlds import spread_out
from benchmarks.to_the_answer import Case, Grid
from scalegrid.analysis.measured import AGREEMENT

LUCK = Luck(falls=0.5, kept=0.6)
CASE = Case("an example", "nano", 0.7, 1.2, 0.9, np.ones(2), np.eye(3))
MANY = Grid(spread_out(40), np.arange(40), np.ones(40))
TWICE = Grid(spread_out(3), np.array([0, 1, 1]), np.ones(3))


def test_landscapes_agree_and_flatten_from_rung_to_rung_as_measured() -> None:
    truth = np.stack([one.world.truth for one in draw(MANY, 0, [MANY], CASE, LUCK, 200)])
    spread = truth.std((0, 1))
    assert spread == pytest.approx(1.2 * AGREEMENT.spread ** np.arange(3), rel=0.05)
    together = np.corrcoef(truth.reshape(-1, 3).T)
    assert together[0, 1] == pytest.approx(AGREEMENT.correlation, abs=0.03)
    assert together[0, 2] == pytest.approx(AGREEMENT.correlation**2, abs=0.05)


def test_lines_lose_their_noise_and_keep_part_of_their_luck() -> None:
    world = next(draw(MANY, 0, [MANY], CASE, LUCK, 1)).world
    noise = (world.values - world.truth[:, None]).reshape(-1, 3)
    assert noise.std(0) == pytest.approx([0.7, 0.35, 0.175], rel=0.03)
    assert np.corrcoef(noise.T)[0] == pytest.approx([1, 0.6, 0.36], abs=0.03)


def test_triples_of_one_network_share_its_truth_and_grids_their_best() -> None:
    (first,) = draw(TWICE, 0, [TWICE, MANY], CASE, LUCK, 1)
    (other,) = draw(MANY, 1, [TWICE, MANY], CASE, LUCK, 1)
    assert (first.world.truth[1] == first.world.truth[2]).all()
    assert (first.world.values[1] != first.world.values[2]).all()
    tops = [one.world.truth[:, -1].max() for one in (first, other)]
    assert first.best == other.best == max(tops)


def test_luck_is_that_of_the_committed_table() -> None:
    # docs/fidelity.md: a noise of 0.88 points at 1×, 0.47 at 7×, which is 3 to the power of 1.77.
    luck = measured_luck()
    assert luck.falls == pytest.approx((0.47 / 0.88) ** (1 / 1.77), abs=0.07)
    assert 0.2 < luck.kept < 0.6


@pytest.mark.parametrize("rungs", [RUNGS, RUNGS[-1:]])
def test_a_race_chooses_what_is_best_after_long_trainings(rungs: tuple[int, ...]) -> None:
    truth = np.array([[4.0, 2.0, 0.0], [2.0, 2.0, 2.0], [0.0, 2.0, 8.0]])
    noise = 0.3 * np.random.default_rng(0).standard_normal((3, 50, 3))
    world = World(spread_out(3), truth, truth[:, None] + noise)
    ended = raced_over(rungs, LongDrawn(world, best=8.5))
    assert ended.good
    assert ended.short == pytest.approx(0.5)
    assert ended.work >= 3 * rungs[0] + 9
