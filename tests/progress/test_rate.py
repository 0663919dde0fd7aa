from __future__ import annotations

from pathlib import Path

import pytest
from light_sweep import in_workers, light_plan, light_spec

from scalegrid.executors.placement import Placement, placement_for
from scalegrid.plan.resolve import open_data
from scalegrid.progress import rate as timing
from scalegrid.progress.estimate import trial_work
from scalegrid.progress.rate import (
    TYPICAL_RATE,
    estimate_seconds,
    machine_rate,
    plan_works,
    rate_file,
)

PLACE = Placement(2, ("cpu",), 1)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(timing, "_PATIENCE", 600.0)  # for the busiest of machines


def test_the_rate_is_measured_once_and_then_remembered() -> None:
    spec = light_spec("results")
    baseline = light_plan(spec).variants[0]
    workers = in_workers(PLACE)
    rate = machine_rate(spec, baseline, 10, PLACE, workers)
    # The stand-in claims a thousand training images per second.
    assert rate == pytest.approx(1 / (1000 * 3 * baseline.activations))
    workers.cancel()
    assert machine_rate(spec, baseline, 10, PLACE, workers) == rate
    other = spec.model_copy(update={"batch_size": 7})
    assert rate_file(other, baseline, PLACE).read() is None


def test_without_a_working_training_the_rate_is_unknown() -> None:
    spec = light_spec("results", baseline="raise")
    baseline = light_plan(spec).variants[0]
    workers = in_workers(PLACE, "light_training:misbehave")
    assert machine_rate(spec, baseline, 10, PLACE, workers) is None
    workers.cancel()
    assert rate_file(spec, baseline, PLACE).read() is None


def test_trials_that_take_too_long_are_left_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_PATIENCE", 5.0)
    spec = light_spec("results", baseline="sleep")
    baseline = light_plan(spec).variants[0]
    workers = in_workers(PLACE, "light_training:misbehave")
    try:
        assert machine_rate(spec, baseline, 10, PLACE, workers) is None
        assert workers.capacity == 2
        assert workers.collect(timeout=60.0) == [], "nothing runs any more"
    finally:
        workers.cancel()


def test_a_sweep_takes_the_sum_of_its_trials_over_the_workers() -> None:
    spec = light_spec("results", seeds=10, workers=2)
    plan = light_plan(spec)
    rate_file(spec, plan.variants[0], placement_for(spec)).write(1e-6)
    works = plan_works(spec, plan, open_data(spec))
    for variant in plan.variants:
        wanted = trial_work(variant.activations, spec.recipe, 64, 32)
        assert works[variant.variant] == wanted
    estimate = estimate_seconds(spec, plan, open_data(spec))
    assert estimate.measured
    assert estimate.seconds == pytest.approx(1e-6 * sum(works.values()) * 10 / 2, rel=0.05)


def test_an_estimate_measures_nothing_and_says_so() -> None:
    spec = light_spec("results", seeds=10, workers=1, batch_size=5)
    plan = light_plan(spec)
    estimate = estimate_seconds(spec, plan, open_data(spec))
    works = plan_works(spec, plan, open_data(spec))
    assert not estimate.measured
    assert estimate.seconds == pytest.approx(TYPICAL_RATE * sum(works.values()) * 10)
