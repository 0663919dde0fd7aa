"""What to run next: a command that goes on, and how long that takes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import Recommendation, next_step, recommend
from scalegrid.analysis.pace import Pace

SHARES = spread_shares(8)
VARIANTS = variants_table(SHARES)
TRUTH = 0.7 + 0.01 * np.linspace(-1, 1, 8)
START = pd.Timestamp("2026-01-01", tz="UTC")


def found(noise: float, seeds: int = 3, **settings: Any) -> Recommendation:
    trials = trials_table(noisy_trials(TRUTH, seeds, noise))
    ends = [START + pd.Timedelta(minutes=i // 2 + 1) for i in range(len(trials))]  # two at once
    return recommend(VARIANTS, trials.assign(seconds=60.0, finished_at=ends), **settings)


def command(said: list[str]) -> list[str]:
    assert said[1].startswith("  scalegrid sweep ")
    return shlex.split(said[1])


def flag(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_a_decided_sweep_needs_nothing() -> None:
    assert next_step(found(0.0005), {}, Path("results/x")) == []


def test_an_undecided_one_goes_on_as_a_race() -> None:
    said = found(0.008)
    assert said.trials_needed
    words = command(next_step(said, {"results": "results"}, Path("results/x y")))
    assert words[2] == "results/x y/sweep.yaml"
    assert "--results" not in words
    more = said.trials_most or said.trials_needed
    assert flag(words, "--max-trials") == str(24 + more)
    assert "--allocation" not in words


def test_limits_and_other_folders_are_kept_in_mind() -> None:
    spec = {"results": "results", "allocation": "uniform", "max_hours": 0.2}
    words = command(next_step(found(0.008, confidence=0.9), spec, Path("elsewhere/x")))
    assert flag(words, "--results") == "elsewhere"
    assert flag(words, "--allocation") == "racing"
    assert float(flag(words, "--max-hours")) > 12 / 60  # that of the trials so far
    assert flag(words, "--confidence") == "0.9"


def test_what_was_compared_by_is_passed_on() -> None:
    said = found(0.008, metric="val_loss", indifference=0.002)
    words = command(next_step(said, {"metric": "top1"}, Path("results/x")))
    assert flag(words, "--metric") == "val_loss"
    assert flag(words, "--indifference") == "0.002"
    words = command(next_step(found(0.008, indifference=0.001), {}, Path("results/x")))
    assert "--metric" not in words
    assert flag(words, "--indifference") == "0.1"  # points
    own = {"metric": "top1", "indifference": 0.1}
    words = command(next_step(found(0.008, indifference=0.001), own, Path("results/x")))
    assert "--indifference" not in words


def test_where_no_number_of_trials_will_do_longer_ones_are_proposed() -> None:
    said = found(0.2, seeds=2, indifference=1e-5, confidence=0.99)
    assert said.trials_needed is None
    lines = next_step(said, {"epochs": 2, "max_hours": 0.5}, Path("results/x"))
    assert flag(command(lines), "--max-hours") == "2"
    assert "32 min" in lines[0]  # 16 trials of a minute, two at once, four times as long
    assert flag(command(lines), "--epochs") == "8"
    assert flag(command(lines), "--name") == "x-8-epochs"


def test_the_pace_is_that_of_the_trials_that_ran_at_once() -> None:
    ends = pd.Series(START + pd.to_timedelta([60, 60, 120, 130, 7300], unit="s"))
    trials = pd.DataFrame(
        {"variant": list("abaca"), "status": ["finished"] * 4 + ["failed"], "seconds": 60.0}
    ).assign(finished_at=ends)
    pace = Pace.of(trials, {"a", "b"})
    assert pace.trials == 5
    assert pace.busy == 130  # two at once, and then one that ends ten seconds later
    assert pace.each == 60 * 130 / 240
    assert pace.seconds(4) == 4 * pace.each


def test_of_a_machine_that_slept_the_night_does_not_count() -> None:
    ends = pd.Series(START + pd.to_timedelta([60, 36_060], unit="s"))
    trials = pd.DataFrame({"variant": ["a", "a"], "status": "finished", "seconds": 60.0})
    assert Pace.of(trials.assign(finished_at=ends), {"a"}).busy == 120


def test_without_times_there_is_no_pace() -> None:
    pace = Pace.of(pd.DataFrame({"variant": ["a"], "status": ["finished"]}), {"a"})
    assert (pace.busy, pace.each, pace.seconds(3)) == (None, None, None)
