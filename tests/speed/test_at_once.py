from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from light_sweep import light_plan, light_spec

from scalegrid.executors import Placement
from scalegrid.plan import Plan
from scalegrid.progress.estimate import known_placement
from scalegrid.speed import count_is_open, trials_at_once
from scalegrid.training.trial import Epoch, Outcome, Probe, Trial
from scalegrid.util.errors import UserError

GPU = Placement(1, ("cuda:0",), 1)


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("scalegrid.speed.at_once.available_cores", lambda: 16)
    monkeypatch.setattr("scalegrid.speed.at_once.device_memory", lambda _: 2**40)
    monkeypatch.setattr("scalegrid.training.devices.cuda_devices", lambda: 1)
    monkeypatch.setattr("scalegrid.training.devices.computes_in_bf16", lambda _: True)


def unset(plan: Plan) -> Plan:
    """The plan as it is on a GPU, without a number of trials at once."""
    given = {"workers": None, "device": "cuda"}
    return replace(plan, spec=plan.spec.model_copy(update=given))


class Shared:
    """Workers of GPUs whose trials together make ``speeds[trials a device]`` images per second.

    In as many trials at once as ``speeds`` does not have, one fails.
    """

    def __init__(self, speeds: Mapping[int, float]) -> None:
        self._speeds = speeds
        self.probes: list[Probe | None] = []
        self._waiting: deque[Trial] = deque()
        self.started: list[Placement] = []
        self.cancelled = 0

    def __call__(self, placement: Placement) -> Shared:
        self.started.append(placement)
        self.capacity = placement.workers
        return self

    def submit(self, trial: Trial) -> None:
        self._waiting.append(trial)
        self.probes.append(trial.probe)

    def collect(self, timeout: float | None = None) -> list[Any]:
        return list(self._outcomes())

    def _outcomes(self) -> Iterator[Outcome]:
        count = len(self._waiting) // len(self.started[-1].devices)
        while self._waiting:
            one = self._waiting.popleft()
            if count in self._speeds or self._waiting:
                each = self._speeds.get(count, 9999.0) / count
                epoch = Epoch(1, 1.0, 1.0, 0.5, 0.5, 0.1, each, 0.1)
                yield Outcome(one.trial, "finished", (epoch,))
            else:
                yield Outcome(one.trial, "failed", error="out of memory")

    def abandon(self) -> None:
        self._waiting.clear()

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.fixture
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalegrid.speed.probing._PATIENCE", 0.01)


@pytest.mark.parametrize(
    ("speeds", "count"),
    [
        ({1: 100, 2: 190, 4: 300, 8: 350}, 8),
        ({1: 100, 2: 190, 4: 300, 8: 320}, 4),
        ({1: 100, 2: 105, 4: 108, 8: 90}, 1),
        ({1: 100, 2: 80, 4: 60, 8: 120}, 8),
    ],
)
def test_the_fewest_that_are_about_as_fast_as_any(speeds: dict[int, float], count: int) -> None:
    plan, workers = light_plan(light_spec("results")), Shared(speeds)
    assert trials_at_once(plan, GPU, workers) == count
    assert workers.started == [Placement(8, ("cuda:0",), 1)]
    assert workers.cancelled == 1, "they are ended"
    again = Shared({1: 1})
    assert trials_at_once(plan, GPU, again) == count, "it is kept"
    assert not again.started
    assert known_placement(unset(plan)).workers == count


def test_no_more_are_taken_from_before_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = light_plan(light_spec("results"))
    assert trials_at_once(plan, GPU, Shared({1: 100, 2: 190, 4: 300, 8: 400})) == 8
    monkeypatch.setattr("scalegrid.speed.at_once.available_cores", lambda: 2)
    assert trials_at_once(plan, GPU, Shared({1: 100, 2: 100})) == 1
    assert known_placement(unset(plan)).workers == 1


def test_steps_are_timed_in_the_precision_that_is_given() -> None:
    workers = Shared({1: 100, 2: 100, 4: 100, 8: 100})
    trials_at_once(light_plan(light_spec("results", precision="fp32")), GPU, workers)
    assert {probe and probe.precisions for probe in workers.probes} == {("fp32",)}


@pytest.mark.usefixtures("_patience")
def test_more_trials_than_the_device_can_train_are_not_chosen() -> None:
    plan = light_plan(light_spec("results"))
    assert trials_at_once(plan, GPU, Shared({1: 100, 2: 150})) == 2


@pytest.mark.usefixtures("_patience")
@pytest.mark.parametrize("speeds", [{}, dict.fromkeys((1, 2, 4, 8), math.nan), {1: 0, 8: math.inf}])
def test_where_nothing_can_be_timed_it_is_not_known(speeds: dict[int, float]) -> None:
    plan = light_plan(light_spec("results"))
    assert trials_at_once(plan, GPU, Shared(speeds)) is None
    assert trials_at_once(plan, GPU, Shared({1: 100, 2: 190, 4: 200, 8: 200})) == 2, "nor kept"


@pytest.mark.parametrize(
    ("cores", "memory", "count"), [(16, 2**40, 8), (5, 2**40, 2), (16, 1, 1), (1, 2**40, 1)]
)
def test_no_more_are_tried_than_cores_and_memory_allow(
    cores: int, memory: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalegrid.speed.at_once.available_cores", lambda: cores)
    monkeypatch.setattr("scalegrid.speed.at_once.device_memory", lambda _: memory)
    plan, workers = light_plan(light_spec("results")), Shared({1: 100, 2: 200, 4: 400, 8: 800})
    two = Placement(2, ("cuda:0", "cuda:1"), 1)
    assert trials_at_once(plan, two, workers) == count
    assert workers.started == ([replace(two, workers=2 * count)] if count > 1 else [])


@pytest.mark.parametrize("error", [UserError("worker processes cannot start."), OSError()])
def test_fewer_are_tried_where_so_many_cannot_start(error: Exception) -> None:
    workers = Shared({1: 100, 2: 190})

    def start(placement: Placement) -> Shared:
        if placement.workers > 2:
            raise error
        return workers(placement)

    assert trials_at_once(light_plan(light_spec("results")), GPU, start) == 2


def test_trials_that_workers_train_one_after_the_other_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scalegrid.speed.at_once._DISPATCH", 0.1)

    class Late(Shared):
        """Of its eight workers some do not start."""

        def _outcomes(self) -> Iterator[Outcome]:
            count = len(self._waiting)
            time.sleep(0.3 if count == 8 else 0.0)
            return super()._outcomes()

    workers = Late({1: 100, 2: 190, 4: 300, 8: 900})
    assert trials_at_once(light_plan(light_spec("results")), GPU, workers) == 4


def test_a_number_that_is_given_and_other_places_stay() -> None:
    assert count_is_open(light_spec("results", workers=None), GPU)
    assert not count_is_open(light_spec("results", workers=None), Placement(2, ("cpu",), 1))
    for given in (
        {"trials_per_device": 1},
        {"workers": 3},
        {"compile": True},
        {"executor": "ray"},
        {"trainer": "mine:train"},
    ):
        assert not count_is_open(light_spec("results", **{"workers": None} | given), GPU)
