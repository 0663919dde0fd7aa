"""What every executor does, as tests. Those of an executor inherit a class and say how to make one.

`ExecutorContract` is for all executors, `WorkersContract` for those whose trials run in processes
of their own, on this machine as far as the tests go. Most tests share one executor.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from pickle import PicklingError
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import light_training
import pytest

from scalegrid.data import CachedData
from scalegrid.executors import KILLED, Event, Executor, was_killed
from scalegrid.spec import Recipe
from scalegrid.training.attempt import attempt
from scalegrid.training.trial import Epoch, Outcome, Trial

FUNCTION = "light_training:misbehave"
PATIENCE = 60.0  # seconds; a busy machine starts processes slowly


def trial(word: str, seed: int = 0) -> Trial:
    """A trial that `light_training.misbehave` trains as ``word`` says."""
    data = CachedData(Path("nowhere"), "f", 10, (32,))
    recipe = Recipe(epochs=2)
    return Trial(f"{word}-{seed}", "v", seed, word, 1.0, 1.0, 32, data, recipe)


def alone(of: Trial) -> tuple[Epoch, ...]:
    """The epochs of a trial that is trained without an executor."""
    return attempt(light_training.misbehave, of).history


def events(executor: Executor, enough: Callable[[list[Event]], bool] = bool) -> list[Event]:
    """What is collected until it is enough: by default, anything."""
    found: list[Event] = []
    deadline = time.monotonic() + PATIENCE
    while not enough(found):
        assert time.monotonic() < deadline
        found += executor.collect(timeout=1.0)
    return found


def outcomes(executor: Executor, count: int) -> dict[str, Outcome]:
    """The next ``count`` outcomes by trial id, in the order in which they come."""
    found = events(executor, lambda found: sum(isinstance(e, Outcome) for e in found) >= count)
    ended = [event for event in found if isinstance(event, Outcome)]
    assert len({outcome.trial for outcome in ended}) == len(ended) == count
    return {outcome.trial: outcome for outcome in ended}


def ran_in(event: Event) -> int:
    """The process of a ``sleep`` trial that runs, or of an ``environment`` trial that has ended."""
    epoch = event.history[-1] if isinstance(event, Outcome) else event[1]
    return int(epoch.seconds)


def alive(process: int) -> bool:
    """Whether a process, or a thread of it, exists and is no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        # Its files stay open until its last thread has ended, which may be after the first.
        return state != "Z" or len(list(Path(f"/proc/{process}/task").iterdir())) > 1
    except OSError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class ExecutorContract:
    """Capacity, order, results, exceptions, abandoning, cancelling, and running trials again."""

    failures: ClassVar[Mapping[str, str]] = {
        "raise": "ValueError: no such layer",
        "diverge": "the loss became nan in epoch 2",
    }
    """How the errors of trials begin, by what they do."""

    @classmethod
    def make(cls, workers: int) -> Executor:
        """An executor of at most so many workers, which trains by `FUNCTION`."""
        raise NotImplementedError

    @classmethod
    @contextmanager
    def another(cls, workers: int = 1) -> Iterator[Executor]:
        """One for a test alone."""
        executor = cls.make(workers)
        try:
            yield executor
        finally:
            executor.cancel()

    @pytest.fixture(scope="class")
    @classmethod
    def shared(cls) -> Iterator[Executor]:
        with cls.another(2) as executor:
            yield executor

    @pytest.fixture
    def executor(self, shared: Executor) -> Iterator[Executor]:
        """An idle executor."""
        yield shared
        shared.abandon()

    def test_every_trial_ends_once_as_it_would_alone_after_its_epochs(
        self, executor: Executor
    ) -> None:
        trials = {t.trial: t for t in (trial("none", s) for s in range(3 * executor.capacity))}
        for one in trials.values():
            executor.submit(one)
        histories: dict[str, list[Epoch]] = {name: [] for name in trials}
        while histories:
            for event in events(executor):
                if isinstance(event, Outcome):
                    history = histories.pop(event.trial)
                    assert tuple(history) == event.history == alone(trials[event.trial])
                    assert event.status == "finished"
                    assert event.answers is not None
                else:
                    histories[event[0]].append(event[1])
        assert executor.collect(timeout=0.1) == []

    def test_trials_start_in_the_order_of_submission(self, executor: Executor) -> None:
        busy = executor.capacity - 1  # one worker is left
        for seed in range(busy):
            executor.submit(trial("sleep", seed))
        events(executor, lambda found: len(found) >= busy)
        names = [f"none-{seed}" for seed in (2, 0, 3, 1)]
        for name in names:
            executor.submit(trial("none", int(name[-1])))
        assert list(outcomes(executor, len(names))) == names

    def test_a_trial_that_has_ended_can_run_again(self, executor: Executor) -> None:
        for word in ("none", "raise", "none", "raise"):
            executor.submit(trial(word))
            (outcome,) = outcomes(executor, 1).values()
            assert outcome.history == alone(trial(word))
            assert outcome.status == ("finished" if word == "none" else "failed")

    def test_a_failed_trial_gives_its_reason_and_the_others_continue(
        self, executor: Executor
    ) -> None:
        capacity = executor.capacity
        for word in self.failures:
            executor.submit(trial(word))
        for seed in range(3):
            executor.submit(trial("none", seed))
        ended = outcomes(executor, len(self.failures) + 3)
        for word, reason in self.failures.items():
            outcome = ended[f"{word}-0"]
            assert outcome.status == "failed"
            assert str(outcome.error).startswith(reason)
            assert was_killed(outcome.error) == reason.startswith(KILLED)
            assert len(outcome.history) == 1
            assert outcome.answers is None
            assert outcome.device
            assert outcome.seconds >= 0
        assert all(ended[f"none-{seed}"].status == "finished" for seed in range(3))
        assert executor.capacity == capacity

    def test_what_cannot_be_sent_to_a_worker_or_back_stops_nothing(
        self, executor: Executor
    ) -> None:
        no_data: Any = threading.Lock()
        with suppress(TypeError, PicklingError):
            executor.submit(replace(trial("none"), checkpoints=no_data))
            outcomes(executor, 1)
        executor.submit(trial("unpicklable"))
        executor.submit(trial("none", 1))
        assert outcomes(executor, 2)["none-1"].status == "finished"

    def test_without_trials_there_is_nothing_to_wait_for(self, executor: Executor) -> None:
        began = time.monotonic()
        assert executor.collect() == executor.collect(timeout=PATIENCE) == []
        assert time.monotonic() - began < PATIENCE / 2

    def test_nothing_is_heard_of_abandoned_trials(self, executor: Executor) -> None:
        for seed in range(2 * executor.capacity):
            executor.submit(trial("none", seed))
        time.sleep(0.1)  # some may have ended
        executor.abandon()
        assert executor.collect(timeout=PATIENCE) == []
        executor.submit(trial("none", 1))
        found = events(executor, lambda found: len(found) >= 3)
        assert [e.trial if isinstance(e, Outcome) else e[0] for e in found] == ["none-1"] * 3

    def test_a_cancelled_executor_is_closed_and_another_runs_its_trials(
        self, executor: Executor
    ) -> None:
        with self.another() as cancelled:
            cancelled.submit(trial("none", 7))
            cancelled.cancel()
            cancelled.cancel()
            assert cancelled.collect(timeout=PATIENCE) == []
            with pytest.raises(RuntimeError, match="closed"):
                cancelled.submit(trial("none"))
        executor.submit(trial("none", 7))
        assert outcomes(executor, 1)["none-7"].history == alone(trial("none", 7))


class WorkersContract(ExecutorContract):
    """That, and what holds where trials run beside this process: killed workers, time."""

    failures: ClassVar[Mapping[str, str]] = {
        **ExecutorContract.failures,
        "kill": KILLED,
        "segfault": KILLED,
        "exit": "worker exited",
    }

    def test_the_capacity_is_used_and_collect_returns_in_time(self, executor: Executor) -> None:
        assert executor.capacity == 2
        for seed in range(2):
            executor.submit(trial("sleep", seed))
        executor.submit(trial("none"))
        first = events(executor, lambda found: len(found) >= 2)
        assert sorted(event[0] for event in first if isinstance(event, tuple)) == [
            "sleep-0",
            "sleep-1",
        ]
        assert len({os.getpid(), *map(ran_in, first)}) == 3
        began = time.monotonic()
        assert executor.collect(timeout=0.1) == []
        assert time.monotonic() - began < 5

    def test_a_worker_that_dies_idle_is_replaced_and_fails_no_trial(
        self, executor: Executor
    ) -> None:
        for seed in range(2):
            executor.submit(trial("environment", seed))
        for process in {ran_in(outcome) for outcome in outcomes(executor, 2).values()}:
            os.kill(process, signal.SIGKILL)
            wait_until(lambda process=process: not alive(process))  # type: ignore[misc]
        for seed in range(2):
            executor.submit(trial("none", seed))
        assert [one.error for one in outcomes(executor, 2).values()] == [None, None]

    def test_cancel_stops_running_trials_at_once(self) -> None:
        with self.another() as cancelled:
            cancelled.submit(trial("sleep"))
            (event,) = events(cancelled)
            began = time.monotonic()
            cancelled.cancel()
            assert time.monotonic() - began < 5
            wait_until(lambda: not alive(ran_in(event)))


class SharedDiskContract(WorkersContract):
    """Workers that are talked to by files: each executor has a folder of its own."""

    root: ClassVar[Path]
    made: ClassVar[int]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _folders(cls) -> Iterator[None]:
        with TemporaryDirectory() as name:
            cls.root, cls.made = Path(name), 0
            yield

    @classmethod
    def folder(cls) -> Path:
        """One that no other executor has."""
        cls.made += 1
        return cls.root / str(cls.made)
