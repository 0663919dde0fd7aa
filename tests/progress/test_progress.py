from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from light_sweep import light_plan, light_spec
from store_rows import failure
from store_rows import trial as finished

from scalegrid.allocation import Uniform
from scalegrid.data import CachedData
from scalegrid.plan import make_trial, trial_works
from scalegrid.progress import Progress, Silence, read_status
from scalegrid.progress.display import Ended, label
from scalegrid.progress.status import Status
from scalegrid.training.trial import Epoch, Trial

DATA = CachedData(Path("nowhere"), "f", 10, (32,))
A, B = "v000", "v003"


class Expecting(Uniform):
    """An allocator that expects so many trials."""

    def __init__(self, remaining: dict[str, float]) -> None:
        super().__init__([], 1)
        self.expected = {(variant, 1): count for variant, count in remaining.items()}

    def remaining(self) -> dict[tuple[str, int], float]:
        return self.expected


class Recorder(Silence):
    """Remembers the trials that it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Ended, Status]] = []
        self.notes: list[str] = []

    def ended(self, trial: Ended, status: Status) -> None:
        self.seen.append((trial, status))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def plan(tmp_path: Path) -> Any:
    return light_plan(light_spec(tmp_path, epochs=4))


def progress(
    plan: Any,
    remaining: dict[str, float] | None = None,
    trials: Any = (),
    rate: float | None = None,
    workers: int = 1,
    display: Any = None,
) -> Progress:
    return Progress(plan, Expecting(remaining or {}), trials, display or Silence(), workers, rate)


def trial(plan: Any, name: str, seed: int = 0) -> Trial:
    variant = next(v for v in plan.variants if v.variant == name)
    return make_trial(plan, variant, seed, DATA, plan.recipe)


def row(trial: Trial, top1: float = 0.7) -> dict[str, Any]:
    return finished(trial.variant, trial.seed, trial=trial.trial, top1=top1)


def epoch(number: int, seconds: float = 0.0) -> Epoch:
    return Epoch(number, 1.0, 1.0, 0.5, 0.5, 0.1, 250.0, seconds)


def test_a_trial_is_counted_from_start_to_end(plan: Any) -> None:
    display = Recorder()
    one = progress(plan, {A: 2.0}, display=display)
    started = trial(plan, B, 3)
    one.started(started)
    status = one.status("running")
    assert (status.finished, status.failed, status.total) == (0, 0, 3)
    one.epoch(started.trial, epoch(1))
    (running,) = one.status("running").running
    name = label(plan.variants[3])
    assert (running.label, running.seed, running.epoch, running.epochs) == (name, 3, 1, 4)
    assert running.images_per_second == 250.0
    one.unstored(started.trial)
    one.ended([row(started)])
    ((ended, status),) = display.seen
    assert (ended.label, ended.seed, ended.value, ended.error) == (name, 3, 0.7, None)
    assert (status.finished, status.total, status.running) == (1, 3, ())
    assert status.best is not None
    assert (status.best.label, status.best.top1) == (name, 0.7)


def test_the_best_is_the_variant_with_the_highest_mean(plan: Any) -> None:
    accuracies = ((A, 0, 0.9), (A, 1, 0.1), (B, 0, 0.6))
    rows = [finished(variant, seed, top1=top1) for variant, seed, top1 in accuracies]
    status = progress(plan, trials=[*rows, failure(B, 1)]).status("finished")
    assert status.best is not None
    assert (status.best.variant, status.best.top1, status.best.seeds) == (B, 0.6, 1)
    assert (status.finished, status.failed, status.total) == (3, 1, 4)


@pytest.mark.parametrize(
    ("metric", "best", "said"),
    [
        ("top1", B, "top-1 60.0 % (1 seed)"),
        ("top5", "v001", "top-5 90.0 % (1 seed)"),
        ("val_loss", "v001", "validation loss 1.500 nats (1 seed)"),
        ("nas", B, "ACC·(FLOPs/T)^w "),
    ],
)
def test_the_best_is_that_by_the_sweeps_metric(
    plan: Any, metric: str, best: str, said: str
) -> None:
    rows = [
        finished("v001", 0, top1=0.5, top5=0.9, val_loss=1.5),
        finished(B, 0, top1=0.6, top5=0.8, val_loss=1.6),
    ]
    spec = plan.spec.model_copy(update={"metric": metric})
    found = progress(replace(plan, spec=spec), trials=rows).status("finished").best
    assert found is not None
    assert found.variant == best
    assert str(found).startswith(said)


def test_what_costs_more_is_never_the_best(plan: Any) -> None:
    b = next(i for i, variant in enumerate(plan.variants) if variant.variant == B)
    variants = list(plan.variants)
    variants[b] = replace(variants[b], matched=False, flops_ratio=3.0)
    rows = [finished("v001", 0, top1=0.5), finished(B, 0, top1=0.9), finished("v000", 0, top1=1.0)]
    best = progress(replace(plan, variants=tuple(variants)), trials=rows).status("finished").best
    assert best is not None
    assert (best.variant, best.top1) == ("v001", 0.5)


def test_a_failed_trial_is_never_the_best(plan: Any) -> None:
    display = Recorder()
    one = progress(plan, display=display)
    started = trial(plan, A)
    one.started(started)
    one.unstored(started.trial)
    one.ended([{**failure(A, 0, "reason"), "trial": started.trial}])
    assert one.status("finished").best is None
    assert [(ended.value, ended.error) for ended, _ in display.seen] == [(None, "reason")]


def test_trials_given_up_are_expected_again_and_written(plan: Any) -> None:
    display = Recorder()
    one = progress(plan, {A: 1.0}, display=display)
    one.started(trial(plan, B))
    folder = plan.spec.folder
    folder.mkdir()
    status = one.close("interrupted")
    assert (status.running, status.total, status.seconds_left) == ((), 2, None)
    assert read_status(folder) == status
    assert "run the same command again to go on" in display.notes[0]


def test_jobs_of_an_interrupted_sweep_are_said_to_be_cancelled(tmp_path: Path) -> None:
    display = Recorder()
    one = progress(light_plan(light_spec(tmp_path, executor="slurm")), display=display)
    (tmp_path / "light-leaves-32").mkdir()
    one.close("interrupted")
    assert display.notes[0].endswith("to go on. Its Slurm jobs are cancelled.")


def test_the_plan_and_the_data_are_noted_before_the_trials(plan: Any) -> None:
    from dataclasses import replace

    display = Recorder()
    one = progress(replace(plan, notes=("first",)), {A: 2.0}, display=display)
    one.open("second?")
    assert display.notes[:2] == ["Note: first.", "Note: second?"]
    assert "2 trials to train" in display.notes[2]


def test_the_time_left_is_unknown_without_a_rate(plan: Any) -> None:
    assert progress(plan, {A: 1.0}).status("running").seconds_left is None


@pytest.mark.parametrize(
    ("workers", "remaining", "works"),
    [
        (1, {A: 2.0, B: 1.0}, {A: 2.0, B: 1.0}),
        (1, {A: 0.25, B: 0.0}, {A: 0.25}),
        (2, {A: 2.0}, {A: 1.0}),
        (2, {A: 1.0, B: 1.0}, {B: 1.0}),
        (2, {A: 2000.0}, {A: 1000.0}),
    ],
)
def test_the_time_left_is_the_work_left_over_the_workers(
    plan: Any, workers: int, remaining: dict[str, float], works: dict[str, float]
) -> None:
    one = progress(plan, remaining, rate=1e-6, workers=workers)
    each = trial_works(plan)
    seconds = sum(1e-6 * each[variant] * count for variant, count in works.items())
    assert one.status("running").seconds_left == pytest.approx(seconds)


def test_finished_epochs_are_no_longer_left_and_set_the_pace(plan: Any) -> None:
    rate = 20 / trial_works(plan)[B]  # a trial of B takes 20 s
    one = progress(plan, rate=rate)
    started = trial(plan, B)
    one.started(started)
    assert one.status("running").seconds_left == pytest.approx(20, abs=0.5)
    one.epoch(started.trial, epoch(1, seconds=10))  # twice as slow as expected
    assert one.status("running").seconds_left == pytest.approx(30, abs=0.5)


def test_trials_that_have_ended_and_are_not_stored_do_not_run_any_more(plan: Any) -> None:
    display = Recorder()
    one = progress(plan, {A: 1.0}, rate=1e-6, display=display)
    failed = [trial(plan, B, seed) for seed in range(2)]
    for each in failed:
        one.started(each)
    for each in failed:
        one.unstored(each.trial)
    status = one.status("running")
    assert (status.running, status.ended, status.total) == ((), 0, 3)
    given_up = one.status("interrupted")
    assert (given_up.ended, given_up.total) == (0, 3)
    one.ended([{**failure(B, each.seed, "reason"), "trial": each.trial} for each in failed])
    left = 1e-6 * trial_works(plan)[A]
    assert [status.seconds_left for _, status in display.seen] == [pytest.approx(left)] * 2
    assert [(status.failed, status.total) for _, status in display.seen] == [(1, 3), (2, 3)]


def at_rung(plan: Any, rung: int) -> tuple[Any, Trial]:
    """A plan over rungs, and a trial of B at one."""
    spec = plan.spec.model_copy(update={"rungs": (1, 3), "schedule": "wsd"})
    plan = replace(plan, spec=spec)
    variant = next(v for v in plan.variants if v.variant == B)
    return plan, make_trial(plan, variant, 0, DATA, plan.recipe, rung)


def test_recalled_epochs_are_done_at_once_and_do_not_set_the_pace(plan: Any) -> None:
    plan, started = at_rung(plan, 3)  # 12 epochs, of which 2.8 are recalled
    rate = 20 / trial_works(plan)[B]  # a brief trial of B takes 20 s
    display = Recorder()
    one = progress(plan, rate=rate, display=display)
    one.started(started)
    assert one.status("running").seconds_left == pytest.approx(20 * (3 - 0.7), abs=0.5)
    for number in (1, 2):
        one.epoch(started.trial, replace(epoch(number, seconds=100.0), own=0.0))
    (running,) = one.status("running").running
    assert (running.rung, running.epoch, running.epochs) == (3, 2, 12)
    assert running.images_per_second is None
    one.epoch(started.trial, replace(epoch(3, seconds=1.0), own=0.2))
    assert one.pace.measured is None
    assert one.status("running").seconds_left == pytest.approx(5 * 9, abs=0.5)
    one.epoch(started.trial, epoch(4, seconds=10.0))  # twice as slow as expected
    assert one.pace.measured == pytest.approx(2 * rate)
    assert one.status("running").seconds_left == pytest.approx(10 * 8, abs=0.5)
    assert not display.notes
    one.unstored(started.trial)
    one.ended([{**row(started), "rung": 3}])
    ((ended, status),) = display.seen
    assert ended.rung == 3
    assert (status.finished, status.best) == (1, None), "longer trials are not compared with brief"


def test_a_trial_that_finds_no_checkpoint_is_told_of_once(plan: Any) -> None:
    plan, started = at_rung(plan, 3)
    display = Recorder()
    one = progress(plan, display=display)
    one.started(started)
    for number in (1, 2):
        one.epoch(started.trial, epoch(number))
    one.started(started)
    one.epoch(started.trial, epoch(1))
    (note,) = display.notes
    assert "is trained from its start at rung 3×" in note
