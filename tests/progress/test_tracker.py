from __future__ import annotations

from pathlib import Path

import pytest

from scalegrid.data.cache import CachedData
from scalegrid.progress.estimate import Pace
from scalegrid.progress.tracker import Tracker
from scalegrid.spec import Recipe
from scalegrid.training.trial import Epoch, Outcome, Trial

LABELS = {"a": "baseline", "b": "grid"}
WORKS = {"a": 100.0, "b": 200.0}
DATA = CachedData(Path("nowhere"), "f", 10, (32,))


def trial(variant: str, seed: int = 0) -> Trial:
    recipe = Recipe(epochs=4)
    return Trial(f"{variant}{seed}", variant, seed, "light", 1.0, 1.0, 32, DATA, recipe)


def epoch(number: int, seconds: float = 0.0, top1: float = 0.5) -> Epoch:
    return Epoch(number, 1.0, 1.0, top1, top1, 0.1, 250.0, seconds)


def tracker(rate: float | None = None, workers: int = 1) -> Tracker:
    return Tracker("s", LABELS, WORKS, Pace(rate), workers)


def test_a_trial_is_counted_from_start_to_end() -> None:
    one = tracker()
    one.start(trial("b", 3))
    status = one.status("running", {"a": 2.0})
    assert (status.finished, status.failed, status.total) == (0, 0, 3)
    one.epoch("b3", epoch(1))
    (running,) = one.status("running", {"a": 2.0}).running
    assert (running.label, running.seed, running.epoch, running.epochs) == ("grid", 3, 1, 4)
    assert running.images_per_second == 250.0
    one.end(Outcome("b3", "finished", (epoch(1), epoch(2, top1=0.7))))
    status = one.status("running", {"a": 2.0})
    assert (status.finished, status.total, status.running) == (1, 3, ())
    assert status.best is not None
    assert (status.best.label, status.best.top1) == ("grid", 0.7)


def test_the_best_is_the_variant_with_the_highest_mean() -> None:
    one = tracker()
    for variant, top1 in (("a", 0.9), ("a", 0.1), ("b", 0.6), ("b", None)):
        one.count(variant, top1)
    status = one.status("finished", {})
    assert status.best is not None
    assert (status.best.variant, status.best.top1, status.best.seeds) == ("b", 0.6, 1)
    assert (status.finished, status.failed, status.total) == (3, 1, 4)


def test_a_failed_trial_is_never_the_best() -> None:
    one = tracker()
    one.start(trial("a"))
    one.end(Outcome("a0", "failed", (epoch(1),), "reason"))
    assert one.status("finished", {}).best is None


def test_the_time_left_is_unknown_without_a_rate() -> None:
    assert tracker(None).status("running", {"a": 1.0}).seconds_left is None


@pytest.mark.parametrize(
    ("workers", "remaining", "seconds"),
    [
        (1, {"a": 2.0, "b": 1.0}, 40.0),
        (1, {"a": 0.25, "b": 0.0}, 2.5),
        (2, {"a": 2.0, "b": 1.0}, 20.0),
        (2, {"a": 1.0, "b": 1.0}, 20.0),
        (2, {"a": 2000.0}, 10_000.0),
    ],
)
def test_the_time_left_is_the_work_left_over_the_workers(
    workers: int, remaining: dict[str, float], seconds: float
) -> None:
    assert tracker(0.1, workers).status("running", remaining).seconds_left == seconds


def test_finished_epochs_are_no_longer_left_and_set_the_pace() -> None:
    one = tracker(rate=0.1)
    one.start(trial("b"))
    assert one.status("running", {}).seconds_left == pytest.approx(20, abs=0.5)
    one.epoch("b0", epoch(1, seconds=10))  # twice as slow as thought
    assert one.status("running", {}).seconds_left == pytest.approx(30, abs=0.5)
    assert one.status("running", {"a": 1.0}).seconds_left == pytest.approx(50, abs=0.5)
