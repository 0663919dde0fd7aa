from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from light_sweep import light_spec, run_light_sweep

from benchmarks.luck import SIZE, SPREAD, answered, answers_of, halved, probabilities, simulated
from scalegrid.results import load_sweep
from scalegrid.util.errors import UserError


def test_a_simulated_leader_is_overstated_unless_the_luck_counts() -> None:
    without, with_term = simulated(0.15, 12, 20)
    assert float(str(without["overstated"])) > float(str(with_term["overstated"])) + 0.2
    assert float(str(without["covers"])) < 0.86 < float(str(with_term["covers"]))
    assert with_term["luck, points"] == pytest.approx(0.75)


@pytest.mark.parametrize("other_seeds", [False, True])
def test_intervals_hold_on_the_other_half_only_if_the_luck_counts(other_seeds: bool) -> None:
    covers = []
    for number in range(20):
        generator = np.random.default_rng([number, 3])
        chance = probabilities(generator.normal(0, SPREAD, SIZE), 600, 0.2, generator)
        rows = list(halved(answered(chance, 20, generator), None, 2, 300, other_seeds))
        covers.append([float(str(row["covers"])) for row in rows])
    without, with_term = np.mean(covers, axis=0)
    assert without < 0.8
    assert with_term == pytest.approx(0.9, abs=0.04)


def test_answers_of_a_sweep_are_those_of_its_trials(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, candidates=5, seeds=4, name="light"))
    tables = load_sweep("light", tmp_path)
    right, shares = answers_of(tables)
    assert right.shape == (4, 4, 80)  # without the baseline
    assert shares.shape == (4, 3)
    top1 = tables.trials.pivot_table(index="variant", columns="seed", values="top1").to_numpy()
    np.testing.assert_allclose(right.mean(2), top1[1:])


def test_too_few_seeds_or_images_are_the_users_error(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, candidates=4, seeds=3, name="light"))
    with pytest.raises(UserError, match="has 3 seeds with the answers of all candidates"):
        answers_of(load_sweep("light", tmp_path))
    with pytest.raises(UserError, match="--images is 41; choose 2 to 40"):
        list(halved(np.ones((3, 4, 80), np.bool_), None, 1, 41, other_seeds=False))
