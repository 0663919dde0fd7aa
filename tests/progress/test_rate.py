from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from light_sweep import in_workers, light_plan, light_spec
from store_rows import failure
from store_rows import trial as finished

from scalegrid.data import load_split
from scalegrid.executors import Placement
from scalegrid.plan import make_trial, trial_works
from scalegrid.progress import rate
from scalegrid.progress.rate import machine_rate, rate_of, remember_rate, stored_rate
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util.processor import processor

PLACEMENT = Placement(2, ("cpu",), 1)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(rate, "_PATIENCE", 600.0)  # for the busiest of machines


def test_the_rate_is_measured_once_and_then_remembered() -> None:
    plan = light_plan(light_spec("results"))
    workers = in_workers(PLACEMENT)
    found = machine_rate(plan, PLACEMENT, workers)
    # The stand-in claims a thousand training images per second.
    assert found == pytest.approx(1 / (1000 * 3 * plan.variants[0].activations))
    workers.cancel()
    assert machine_rate(plan, PLACEMENT, workers) == found


def test_without_a_working_training_the_rate_is_unknown() -> None:
    plan = light_plan(light_spec("results", baseline="raise"))
    workers = in_workers(PLACEMENT, "light_training:misbehave")
    assert machine_rate(plan, PLACEMENT, workers) is None
    workers.cancel()
    assert stored_rate(plan, PLACEMENT) is None


def test_trials_that_take_too_long_are_left_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "_PATIENCE", 2.0)
    plan = light_plan(light_spec("results", baseline="sleep"))
    workers = in_workers(PLACEMENT, "light_training:misbehave")
    try:
        assert machine_rate(plan, PLACEMENT, workers) is None
        assert workers.capacity == 2
        assert workers.collect(timeout=60.0) == [], "nothing runs any more"
    finally:
        workers.cancel()


def test_what_takes_longer_to_compile_than_to_time_is_not_timed() -> None:
    plan = light_plan(light_spec("results", compile=True))
    recorder = Recorder()
    assert machine_rate(plan, PLACEMENT, recorder) is None
    assert not recorder.trials
    remember_rate(plan, PLACEMENT, 1e-9)  # as a sweep does at its end
    assert machine_rate(plan, PLACEMENT, recorder) == 1e-9


class Recorder:
    """An executor of capacity one that remembers its trials, and finishes each at once."""

    capacity = 1

    def __init__(self) -> None:
        self.trials: deque[Trial] = deque()

    def submit(self, trial: Trial) -> None:
        self.trials.append(trial)

    def collect(self, timeout: float | None = None) -> list[Any]:
        epoch = Epoch(2, 1.0, 1.0, 0.5, 0.5, 0.1, 1000.0, 0.1)
        return [Outcome(trial.trial, "finished", (epoch,)) for trial in self.trials]

    def abandon(self) -> None:
        pass

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("settings", [{"fast_depthwise": False}, {"threads": 3}])
def test_what_is_timed_is_trained_as_the_trials_of_the_run_are(settings: dict[str, Any]) -> None:
    plan = light_plan(light_spec("results", epochs=5, flip=True, **settings))
    recorder = Recorder()
    assert machine_rate(plan, PLACEMENT, recorder) is not None
    (timed,) = recorder.trials
    real = make_trial(plan, plan.variants[0], 0, timed.data, plan.recipe)
    differing = {key for key in vars(real) if getattr(real, key) != getattr(timed, key)}
    assert differing == {"trial", "recipe"}
    assert timed.recipe == plan.recipe.model_copy(update={"epochs": 2, "flip": False})


@pytest.mark.parametrize("channels", [1, 13])
def test_noise_has_the_channels_of_the_data(channels: int) -> None:
    plan = light_plan(light_spec("results"))
    plan = replace(plan, source=replace(plan.source, channels=channels))

    class Reader(Recorder):
        def submit(self, trial: Trial) -> None:
            super().submit(trial)
            assert trial.data.channels == channels
            (pixels,) = load_split(trial.data, "val", 32).fetch(torch.arange(2), 2)
            assert pixels.shape == (2, 32, 32, channels)

    reader = Reader()
    assert machine_rate(plan, PLACEMENT, reader) is not None
    assert len(reader.trials) == 1


@pytest.mark.parametrize(
    "settings", [{"compile": True}, {"fast_depthwise": False}, {"batch_size": 7}]
)
def test_a_rate_is_kept_for_its_kind(settings: dict[str, Any]) -> None:
    plan, other = (light_plan(light_spec("results", **s)) for s in ({}, settings))
    assert stored_rate(plan, PLACEMENT) is None
    remember_rate(plan, PLACEMENT, 1e-9)
    assert stored_rate(plan, PLACEMENT) == 1e-9
    assert stored_rate(other, PLACEMENT) is None
    assert stored_rate(plan, Placement(3, ("cpu",), 1)) is None


@pytest.mark.parametrize("content", ["", "[", "-1.0", "NaN", "Infinity", '"fast"', "0.0"])
def test_a_damaged_rate_counts_as_none(tmp_path: Path, content: str) -> None:
    plan = light_plan(light_spec("results"))
    remember_rate(plan, PLACEMENT, 1.0)
    (path,) = (tmp_path / "cache" / "rates").glob("*.json")
    path.write_text(content)
    assert stored_rate(plan, PLACEMENT) is None


def test_a_rate_that_cannot_be_kept_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = light_plan(light_spec("results"))
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "file"))
    remember_rate(plan, PLACEMENT, 1.0)
    assert stored_rate(plan, PLACEMENT) is None


def test_the_trials_of_a_sweep_tell_its_rate_where_they_ran_alike() -> None:
    plan = light_plan(light_spec("results"))
    works = trial_works(plan)
    one = finished("v000", 0, seconds=2.0)
    two = finished("v001", 0, seconds=4.0, device=f"cpu, {processor()}, avx2")
    others = [
        failure("v002", 0),
        finished("v002", 1, seconds=999.0, threads=7),
        finished("v002", 2, seconds=999.0, device="cuda, a GPU"),
        finished("v002", 3, seconds=999.0, device="cpu, another, avx2"),
    ]
    found = rate_of([one, two, *others], plan, PLACEMENT)
    assert found == pytest.approx(6.0 / (works["v000"] + works["v001"]))
    assert rate_of(others, plan, PLACEMENT) is None
