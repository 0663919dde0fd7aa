"""The arithmetic of the benchmarks' tables, on figures made up; nothing is timed."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import to_the_answer
from benchmarks.overhead import sweep_row
from benchmarks.plan_speed import Timed, row_of, triples
from benchmarks.selection_tables import trials_needed
from benchmarks.timing import MedianRange
from benchmarks.to_the_answer import Case, Grid, Rates, Step, draw, each_once, rates_of, work_of
from benchmarks.train_throughput import Cell, compare

TWO = Grid(shares=np.eye(3)[:2], network=np.array([0, 1, 1]), work=np.array([1.0, 2.0, 2.0]))
LOSSES, TOGETHER = np.array([0.5, 0.6]), np.array([[1, 0.9, 0.6], [0.9, 1, 0.7], [0.6, 0.7, 1]])
EXAMPLE = Case("an example", "b0", 0.7, 0.8, 0.9, LOSSES, TOGETHER)
ONE = Grid(shares=np.eye(3)[2:], network=np.array([0]), work=np.array([3.0]), besides=5.0)


def test_throughput_is_compared_with_the_rival_of_the_higher_median() -> None:
    figures = {"scalegrid": [300.0, 300.0], "plain": [100.0, 100.0], "timm": [60.0, 120.0]}
    row = compare(Cell(figures, dict.fromkeys(figures, "contiguous")), target=3.0)
    assert row["over the better"] == MedianRange(3.0, 3.0, 3.0)
    assert row["over timm"] == MedianRange(3.75, 2.5, 5.0)
    assert row["met"]


def test_overhead_is_what_the_busiest_worker_does_not_train() -> None:
    # Three trials on two workers: one of them trains twice.
    row = sweep_row(3, 4.0, [10.0, 9.0, 11.0], workers=2)
    assert row["overhead s"] == MedianRange(2.0, 1.0, 3.0)
    assert row["share"] == pytest.approx(0.2)
    assert row["met"] is False


def test_overhead_of_trials_that_do_nothing_is_set_against_ten_seconds_each() -> None:
    row = sweep_row(100, 0.0, [5.0], workers=2)
    assert row["ms per trial"] == pytest.approx(50)
    assert row["share"] == pytest.approx(5 / 505)
    assert row["met"] is True


def test_fvcore_is_extrapolated_without_its_imports() -> None:
    row = row_of("classic", "cold", [Timed(5.0, 2.0)], [Timed(7.0, 3.0)], sample=3, networks=100)
    assert row["fvcore s (extrapolated)"] == MedianRange(104.0, 104.0, 104.0)
    assert row["times faster"] == MedianRange(20.8, 20.8, 20.8)
    assert row["without imports"] == MedianRange(50.0, 50.0, 50.0)
    assert row["met"]


def test_the_classic_grid_is_that_of_the_public_implementation() -> None:
    assert len(triples()) == 109


def test_triples_of_one_network_share_its_truth_and_not_its_noise() -> None:
    drawn = next(draw(TWO, 0, [TWO, ONE], EXAMPLE, 1, 4))
    truth, values = drawn.world.truth, drawn.world.values
    assert truth[1] == truth[2] != truth[0]
    assert (values[1] != values[2]).all()
    assert values.shape == (3, 4)
    assert drawn.best >= truth.max()


def test_losses_are_as_noisy_as_they_should_be_and_nearly_agree() -> None:
    worlds = [one.world for one in draw(TWO, 0, [TWO, ONE], EXAMPLE, 300, 200, losses=True)]
    metrics = np.array([[world.values, *world.others] for world in worlds])
    apart = metrics - metrics.mean(3, keepdims=True)
    assert apart.std((0, 2, 3)) == pytest.approx([0.7, *LOSSES], rel=0.02)
    rows = apart.transpose(1, 0, 2, 3).reshape(3, -1)
    assert np.corrcoef(rows) == pytest.approx(TOGETHER, abs=0.01)
    means = metrics.mean(3).transpose(1, 0, 2).reshape(3, -1)
    assert np.corrcoef(means)[0, 1:] == pytest.approx([0.95, 0.95], abs=0.03)


def test_a_case_is_as_its_table_says() -> None:
    case = Case.named("nano on CIFAR-10")
    assert (case.noise, case.spread) == (0.85, 1.14)
    assert np.diag(case.together) == pytest.approx(1)
    assert 0.8 < case.together[0, 1] < 0.9
    assert ((case.losses > 0.5) & (case.losses < case.noise)).all(), "losses tell candidates apart"


def test_both_grids_lie_in_one_landscape() -> None:
    one = next(draw(TWO, 0, [TWO, ONE], EXAMPLE, 1, 4))
    other = next(draw(ONE, 1, [TWO, ONE], EXAMPLE, 1, 4))
    assert one.best == other.best == max(*one.world.truth, *other.world.truth)


def test_each_network_once_leaves_the_repeats_out() -> None:
    once = each_once(TWO)
    assert once.network.tolist() == [0, 1]
    assert once.work.tolist() == [1.0, 2.0]


def test_work_counts_what_is_trained_besides() -> None:
    assert work_of(Step("", ONE, trials=4.0, good=1.0, short=0.0, rate=1.0)) == 4 * 3 + 5
    assert work_of(Step("", TWO, trials=6.0, good=1.0, short=0.0, rate=1.0)) == pytest.approx(10)


def test_compute_is_work_over_rate() -> None:
    slow = Step("slow", TWO, trials=60.0, good=1.0, short=0.0, rate=100.0)
    fast = Step("fast", TWO, trials=30.0, good=1.0, short=0.0, rate=200.0)
    first, last = to_the_answer.table([slow, fast], "b0", Rates(90.0, 100.0, 200.0, 2))
    assert first["times less compute"] == 1
    assert last["times less compute"] == pytest.approx(4)
    assert not last["met"]


def test_rates_come_from_the_better_rival_in_batches_of_each_recipe(tmp_path: Path) -> None:
    for batch, plain in (("", 90.0), ("-16", 70.0)):
        rates = {"scalegrid": 300.0, "plain": plain, "timm": 80.0}
        named = {f"{name} images/s": [rate] for name, rate in rates.items()}
        table = pd.DataFrame({"network": ["b0"], "px": [32], **named})
        table.to_parquet(tmp_path / f"train_throughput{batch}.parquet")
    assert rates_of(tmp_path, "b0")[:3] == (90.0, 80.0, 300.0)


def test_never_good_enough_is_no_number() -> None:
    looks = pd.DataFrame(
        {"setting": "s", "rule": "r", "world": [0, 0], "trials": [2, 4], "good": [False, False]}
    )
    assert math.isnan(trials_needed(looks)["trials_95"].iloc[0])
