from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.progress.estimate import Pace, RateFile, makespan, trial_work
from scalegrid.spec import Recipe

JOBS = st.lists(st.floats(0.1, 10), max_size=6)


def test_a_training_image_costs_three_forward_passes_and_a_validation_image_one() -> None:
    recipe = Recipe(epochs=4)
    assert trial_work(10, recipe, num_train=100, num_val=7) == 4 * (3 * 100 + 7) * 10


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


def test_a_rate_is_kept_for_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path))
    assert RateFile(["b0", 2]).read() is None
    RateFile(["b0", 2]).write(1e-9)
    assert RateFile(["b0", 2]).read() == 1e-9
    assert RateFile(["b0", 4]).read() is None


@pytest.mark.parametrize("content", ["", "[", "-1.0", "NaN", "Infinity", '"fast"', "0.0"])
def test_a_damaged_rate_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path))
    RateFile("kind").write(1.0)
    (path,) = tmp_path.rglob("*.json")
    path.write_text(content)
    assert RateFile("kind").read() is None


def test_a_rate_that_cannot_be_kept_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "file"))
    RateFile("kind").write(1.0)
