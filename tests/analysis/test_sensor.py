from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import (
    estimates_as_planned,
    recommend,
    sensor_as_planned,
    sensor_sentences,
    to_text,
)
from scalegrid.analysis.sensor import JOINT, Sensor, readings
from scalegrid.util.text import duration

HOUR = pd.Timestamp("2026-01-01", tz="UTC")


def timed(trials: pd.DataFrame, seconds: float, at_once: int) -> pd.DataFrame:
    """Trials that took ``seconds`` each, ``at_once`` of them at a time."""
    ends = [HOUR + pd.Timedelta(seconds=seconds * (i // at_once + 1)) for i in range(len(trials))]
    timed: pd.DataFrame = trials.assign(seconds=seconds, finished_at=ends)
    return timed


SIZE = 12
VARIANTS = variants_table(spread_shares(SIZE))
TRUTH = 0.5 + 0.02 * np.random.default_rng(2).permutation(np.linspace(-1.6, 1.6, SIZE))
SPREAD = float(TRUTH.std(ddof=1))


def sensed(noise: float, seeds: int = 4, seed: int = 0, seconds: float | None = None) -> Sensor:
    trials = trials_table(noisy_trials(TRUTH, seeds, noise, seed))
    if seconds is not None:
        trials = timed(trials, seconds, at_once=2)
    sensor = sensor_as_planned(VARIANTS, trials, {})
    assert sensor is not None
    return sensor


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.06])
def test_noise_spread_and_reliability_are_those_of_the_world(noise: float) -> None:
    held = []
    for seed in range(10):
        sensor = sensed(noise, seed=seed)
        assert sensor.noise == pytest.approx(noise, rel=0.35)
        assert sensor.low < sensor.reliability < sensor.high
        held.append(sensor.low < SPREAD**2 / (SPREAD**2 + noise**2) < sensor.high)
    assert np.mean(held) >= 0.8
    assert sensed(0.02, seeds=12).spread == pytest.approx(SPREAD, rel=0.3)


def test_a_poor_sensor_is_called_so_with_what_it_takes_and_costs() -> None:
    sensor = sensed(0.06, seconds=90.0)
    said, remedy = sensor_sentences(sensor)
    assert f"{sensor.reliability:.2f}" in said
    assert "Train longer" in remedy
    assert "more images" in remedy
    assert "4 times the epochs: 2 h 24 min" in remedy  # 48 trials of 90 s, two at once
    assert sensor.noise_wanted == pytest.approx(sensor.spread)
    assert "times the epochs" not in " ".join(sensor_sentences(sensed(0.06)))  # times unknown


def test_a_good_sensor_needs_no_remedy() -> None:
    (said,) = sensor_sentences(sensed(0.005))
    assert "poor" not in said
    assert "1.93 points" in said


def test_a_metric_that_tells_more_is_named() -> None:
    trials = trials_table(noisy_trials(TRUTH, 4, 0.06))
    losses = np.concatenate(list(noisy_trials(TRUTH, 4, 0.004, seed=1).values()))
    sensor = sensor_as_planned(VARIANTS, trials.assign(val_loss=2 - losses), {})
    assert sensor is not None
    assert sensor.better is not None
    assert sensor.better[0] == "val_loss"
    assert sensor.better[1] > 0.9
    assert "validation loss" in sensor_sentences(sensor)[1]
    assert sensor.helped > sensor.reliability


def test_balanced_accuracy_that_is_top1_is_no_other_metric() -> None:
    trials = trials_table(noisy_trials(TRUTH, 4, 0.06))
    same = trials.assign(balanced=trials["top1"])
    plain, sensor = (sensor_as_planned(VARIANTS, one, {}) for one in (trials, same))
    assert sensor == plain
    better = np.concatenate(list(noisy_trials(TRUTH, 4, 0.004, seed=1).values()))
    other = sensor_as_planned(VARIANTS, trials.assign(balanced=better), {})
    assert other is not None
    assert other.better is not None
    assert other.better[0] == "balanced"
    assert "balanced accuracy" in sensor_sentences(other)[1]
    for metric in ("top1", "balanced", "val_loss"):
        read = readings(estimates_as_planned(VARIANTS, same, {"metric": metric}))
        assert len({"top1", "balanced"} & set(read)) == 1, metric


def test_one_seed_each_shows_no_noise() -> None:
    trials = trials_table(noisy_trials(TRUTH, 1, 0.02))
    assert sensor_as_planned(VARIANTS, trials, {}) is None
    assert sensor_sentences(None) == []
    assert recommend(VARIANTS, trials).to_dict()["reliability"] is None


def test_recommend_says_it_and_what_more_trials_cost() -> None:
    found = recommend(VARIANTS, timed(trials_table(noisy_trials(TRUTH, 3, 0.03)), 600.0, at_once=3))
    text = to_text(found)
    assert "One trial has a noise of" in text
    assert found.trials_needed
    assert found.trials_most is None or found.trials_most >= found.trials_needed
    assert f"{duration(200.0 * found.trials_needed)} " in text
    assert "at this sweep's pace" in text
    as_data = found.to_dict()
    low, high = as_data["reliability_interval"]
    assert 0 <= low < as_data["reliability"] < high <= 1
    assert as_data["spread"] == pytest.approx(SPREAD, rel=0.5)


def test_readings_are_those_of_the_sensor_with_intervals_that_hold() -> None:
    trials = trials_table(noisy_trials(TRUTH, 4, 0.02, seed=1)).assign(train_loss=np.nan)
    read = readings(estimates_as_planned(VARIANTS, trials, {}))
    assert list(read) == ["top1", "top5", "val_loss"]
    sensor = sensor_as_planned(VARIANTS, trials, {})
    assert sensor is not None
    top1 = read["top1"]
    assert (top1.noise.middle, top1.spread.middle) == (sensor.noise, sensor.spread)
    assert top1.reliability == (sensor.reliability, sensor.low, sensor.high)
    for span, truth in ((top1.noise, 0.02), (top1.spread, SPREAD)):
        assert span.low < truth < span.high
    # By a metric that is half as large, everything is, and the reliability is equal.
    assert read["top5"].noise == pytest.approx([end / 2 for end in read["val_loss"].noise])
    assert read["top5"].reliability == pytest.approx(tuple(read["val_loss"].reliability))


def test_readings_tell_what_other_metrics_help() -> None:
    losses = np.concatenate(list(noisy_trials(TRUTH, 4, 0.004, seed=1).values()))
    trials = trials_table(noisy_trials(TRUTH, 4, 0.06)).assign(val_loss=2 - losses)
    read = readings(estimates_as_planned(VARIANTS, trials, {}))
    assert read[JOINT].reliability.middle > read["top1"].reliability.middle
    assert (
        readings(estimates_as_planned(VARIANTS, trials_table(noisy_trials(TRUTH, 1, 0.02)), {}))
        == {}
    )


def test_what_seeds_share_is_no_part_of_the_noise() -> None:
    trials = trials_table(noisy_trials(TRUTH, 4, 0.02))
    bonus = 0.06 * np.array([1, -1, 0, 0])[trials["seed"]]
    lifted = trials.assign(top1=trials["top1"] + bonus)[["variant", "seed", "status", "top1"]]
    plain, shared = (
        readings(estimates_as_planned(VARIANTS, one, {}))["top1"] for one in (trials, lifted)
    )
    assert shared.shared > 2 * plain.shared
    assert shared.noise.middle == pytest.approx(0.02, rel=0.35)
