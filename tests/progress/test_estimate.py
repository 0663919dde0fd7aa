from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from light_sweep import light_plan, light_spec

from scalegrid.executors import placement_for
from scalegrid.plan import trial_works
from scalegrid.progress.estimate import TYPICAL_RATE, Pace, estimate_seconds, makespan
from scalegrid.speed import remember_rate

JOBS = st.lists(st.floats(0.1, 10), max_size=6)


@given(JOBS, st.integers(1, 3))
def test_the_makespan_is_near_the_best_possible(jobs: list[float], workers: int) -> None:
    best = min(
        max(sum(j for j, w in zip(jobs, places, strict=True) if w == one) for one in range(workers))
        for places in product(range(workers), repeat=len(jobs))
    )
    # Graham (1969): longest first is within 4/3 − 1/(3 workers) of the optimum.
    assert best - 1e-9 <= makespan(jobs, workers) <= best * (4 / 3 - 1 / (3 * workers)) + 1e-9


def test_equal_jobs_take_whole_rounds() -> None:
    assert makespan([2.0] * 5, workers=2) == 6.0
    assert makespan([], workers=2) == 0.0


def test_the_pace_is_that_of_before_until_something_is_measured() -> None:
    assert Pace(None).rate is None
    pace = Pace(2.0)
    assert (pace.rate, pace.measured) == (2.0, None)
    pace.add(seconds=30, work=10)
    pace.add(seconds=10, work=10)
    assert pace.rate == pace.measured == 2.0


def test_a_sweep_takes_the_sum_of_its_trials_over_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path))
    plan = light_plan(light_spec("results", seeds=10, workers=2))
    remember_rate(plan, placement_for(plan.spec), 1e-6)
    works = trial_works(plan)
    estimate = estimate_seconds(plan)
    assert estimate.measured
    assert estimate.seconds == pytest.approx(1e-6 * sum(works.values()) * 10 / 2, rel=0.05)


def test_an_estimate_measures_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path))
    plan = light_plan(light_spec("results", seeds=10, workers=1, batch_size=5))
    estimate = estimate_seconds(plan)
    assert not estimate.measured
    assert estimate.seconds == pytest.approx(TYPICAL_RATE * sum(trial_works(plan).values()) * 10)
