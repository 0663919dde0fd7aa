"""What is known of a running sweep, from which its status is made."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from scalegrid.progress.estimate import Pace, makespan
from scalegrid.progress.status import Best, Running, State, Status
from scalegrid.training.trial import Epoch, Outcome, Trial

_MANY = 1000  # trials, from which on how they are packed onto workers no longer matters


@dataclass
class _Underway:
    shown: Running
    since: float  # monotonic time at which its last epoch ended


class Tracker:
    """Counts trials, times epochs, remembers the best.

    Args:
        name: of the sweep.
        labels: what to call each variant.
        works: `estimate.trial_work` of each variant.
        pace: the rate so far.
        workers: how many trials run at once.
    """

    def __init__(
        self,
        name: str,
        labels: Mapping[str, str],
        works: Mapping[str, float],
        pace: Pace,
        workers: int,
    ) -> None:
        self._name = name
        self._labels = labels
        self._works = works
        self.pace = pace
        self._workers = workers
        self._running: dict[str, _Underway] = {}
        self._top1: dict[str, list[float]] = {}
        self._failed = 0
        self._best: Best | None = None
        self._started_at = time.time()

    def count(self, variant: str, top1: float | None) -> None:
        """Take in a trial that has a row; ``top1`` is None if it failed."""
        if top1 is None:
            self._failed += 1
            return
        values = self._top1.setdefault(variant, [])
        values.append(top1)
        best = max(self._top1, key=lambda v: statistics.fmean(self._top1[v]))
        values = self._top1[best]
        self._best = Best(best, self._labels[best], statistics.fmean(values), len(values))

    def start(self, trial: Trial) -> None:
        """A trial has been handed to the executor."""
        epochs = trial.recipe.epochs
        shown = Running(
            trial.trial, trial.variant, self._labels[trial.variant], trial.seed, 0, epochs, None
        )
        self._running[trial.trial] = _Underway(shown, time.monotonic())

    def epoch(self, trial: str, epoch: Epoch) -> None:
        """A running trial has finished an epoch."""
        underway = self._running[trial]
        work = self._works[underway.shown.variant] / underway.shown.epochs
        self.pace.add(epoch.seconds, work)
        speed = epoch.images_per_second
        underway.shown = replace(
            underway.shown, epoch=underway.shown.epoch + 1, images_per_second=speed
        )
        underway.since = time.monotonic()

    def end(self, outcome: Outcome) -> None:
        """A running trial has ended."""
        underway = self._running.pop(outcome.trial)
        finished = outcome.status == "finished"
        self.count(underway.shown.variant, outcome.history[-1].top1 if finished else None)

    def stop(self) -> dict[str, int]:
        """Running trials have been given up; how many of each variant."""
        given_up = Counter(underway.shown.variant for underway in self._running.values())
        self._running.clear()
        return given_up

    def status(
        self, state: State, remaining: Mapping[str, float], certainty: float | None = None
    ) -> Status:
        """The sweep now; ``remaining`` trials of each variant have not been started.

        ``certainty`` is the probability that the best candidate so far is good enough.
        """
        finished = sum(len(values) for values in self._top1.values())
        waiting = round(sum(remaining.values()))
        return Status(
            name=self._name,
            state=state,
            finished=finished,
            failed=self._failed,
            total=finished + self._failed + len(self._running) + waiting,
            seconds_left=self._seconds_left(remaining) if state == "running" else None,
            best=self._best,
            certainty=certainty,
            running=tuple(underway.shown for underway in self._running.values()),
            started_at=self._started_at,
            updated_at=time.time(),
        )

    def _seconds_left(self, remaining: Mapping[str, float]) -> float | None:
        rate = self.pace.rate
        if rate is None:
            return None
        now = time.monotonic()
        jobs = []
        for underway in self._running.values():
            shown = underway.shown
            left = rate * self._works[shown.variant] * (1 - shown.epoch / shown.epochs)
            jobs.append(max(0.0, left - (now - underway.since)))
        if sum(remaining.values()) > _MANY:
            waiting = sum(rate * self._works[v] * count for v, count in remaining.items())
            return (sum(jobs) + waiting) / self._workers
        for variant, count in remaining.items():
            whole, part = divmod(count, 1)  # what a race expects is no whole number
            one = rate * self._works[variant]
            jobs += [one] * int(whole) + [one * part] * (part > 0)
        return makespan(jobs, self._workers)
