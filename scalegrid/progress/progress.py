"""The progress of a running sweep: counted, timed, shown, and written for other processes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from scalegrid.allocation import Allocator, At, RateSearch
from scalegrid.analysis import has_metric, value
from scalegrid.analysis.candidates import sign
from scalegrid.plan import Plan, trial_works
from scalegrid.plan.rungs import raced_variants
from scalegrid.progress.display import (
    Display,
    Ended,
    Extent,
    closing_note,
    label,
    opening_note,
    stopping_note,
)
from scalegrid.progress.estimate import Pace, makespan
from scalegrid.progress.status import Best, Running, State, Status, write_status
from scalegrid.training.held import rung_work
from scalegrid.training.trial import Epoch, Trial
from scalegrid.util.text import sentence

HEARTBEAT = 1.0  # seconds between updates of the display and the status file
_MANY = 1000  # trials, from which on how they are packed onto workers no longer matters


@dataclass
class _Underway:
    """A running trial: what is shown of it, and when (monotonic time) its last epoch ended."""

    shown: Running
    since: float


@dataclass
class _Mean:
    """Of the trials of a candidate at a rung: the sweep's metric, and top-1."""

    count: int = 0
    value: float = 0.0
    top1: float = 0.0

    def add(self, value: float, top1: float) -> None:
        self.count += 1
        self.value += (value - self.value) / self.count
        self.top1 += (top1 - self.top1) / self.count


class Progress:
    """Counts trials, times epochs, remembers the best; shows it all once a second.

    Args:
        plan: the sweep's plan.
        allocator: says how many trials are left, and how sure a race is of its leader.
        trials: rows of the trials made before this run.
        display: what a person sees.
        workers: how many trials run at once.
        rate: seconds a worker takes per activation (see `estimate`), None if unknown.
        file: the name of the status file while it runs, if this is one of several heads.
    """

    def __init__(
        self,
        plan: Plan,
        allocator: Allocator,
        trials: Sequence[Mapping[str, Any]],
        display: Display,
        workers: int,
        rate: float | None,
        file: str | None = None,
    ) -> None:
        self._file = file
        self._elsewhere: tuple[Collection[Trial], int] = (), 0
        self._plan, self._allocator, self._display = plan, allocator, display
        self._labels = {variant.variant: label(variant) for variant in plan.variants}
        self._raced = raced_variants(plan.variants, plan.spec)
        self._ratios = {variant.variant: variant.flops_ratio for variant in plan.variants}
        self._works = trial_works(plan)
        self._workers = workers
        self.pace = Pace(rate)
        self._running: dict[str, _Underway] = {}
        self._unstored: dict[str, At] = {}  # trials that have ended, and are not stored yet
        self._finished = self._failed = 0
        self._compared: dict[int, dict[str, _Mean]] = {}  # by rung and candidate
        self._lost = False  # whether a trial lacked its checkpoint
        self._best: Best | None = None
        self._started_at = time.time()
        self._last_shown = 0.0
        for row in trials:
            self._count(row)

    def open(self, *notes: str | None) -> None:
        """Show the notes of the plan and these, how much there is to train, and how long."""
        for note in filter(None, (*self._plan.notes, *notes)):
            self._display.note(f"Note: {sentence(note)}")
        spec = self._plan.spec
        extent: Extent = "at first" if spec.racing else "at most" if len(spec.rungs) > 1 else ""
        self._display.note(opening_note(self.status("running"), extent))

    def started(self, trial: Trial) -> None:
        """A trial has been handed to the executor."""
        shown = Running(
            trial=trial.trial,
            variant=trial.variant,
            label=self._labels[trial.variant],
            seed=trial.seed,
            epoch=0,
            epochs=trial.epochs,
            images_per_second=None,
            rung=trial.rung,
        )
        self._running[trial.trial] = _Underway(shown, time.monotonic())

    def epoch(self, trial: str, epoch: Epoch) -> None:
        """A running trial has finished an epoch."""
        underway = self._running[trial]
        shown = underway.shown
        if epoch.own == 1:  # what was recalled took no time now
            self.pace.add(epoch.seconds, self._works[shown.variant] * shown.rung / shown.epochs)
            self._note_lost(shown)
        speed = epoch.images_per_second if epoch.own else None
        underway.shown = replace(shown, epoch=shown.epoch + 1, images_per_second=speed)
        underway.since = time.monotonic()

    def _note_lost(self, shown: Running) -> None:
        """Say once that a trial which should continue has begun with an epoch of its own."""
        if shown.rung == 1 or shown.epoch or not self._plan.spec.continues or self._lost:
            return
        self._lost = True
        self._display.note(
            f"Note: {shown.label}, seed {shown.seed}, is trained from its start at rung "
            f"{shown.rung}×, since it has no checkpoint of a rung below; others may be, too."
        )

    def unstored(self, trial: str) -> None:
        """A running trial has ended, and will be stored."""
        shown = self._running.pop(trial).shown
        self._unstored[trial] = shown.variant, shown.rung

    def ended(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Trials that had ended are stored as ``rows``."""
        metric = self._plan.spec.metric
        left = None
        for row in rows:
            self._running.pop(row["trial"], None)  # where an interruption came in between
            self._unstored.pop(row["trial"], None)
            self._count(row)
            worth = self._value(row) if has_metric(row, metric) else None
            name, seed, rung = self._labels[row["variant"]], row["seed"], row["rung"]
            ended = Ended(name, seed, worth, row["error"], row["seconds"], metric, rung)
            status = self.status("running", left)
            left = status.seconds_left  # takes long to compute, and is the same for all rows
            self._display.ended(ended, status)

    def heard(self, row: Mapping[str, Any]) -> None:
        """Another head has stored a trial."""
        self._count(row)

    def elsewhere(self, trials: Collection[Trial], workers: int) -> None:
        """Trials that other heads run now, and the workers that they have."""
        self._elsewhere = trials, workers

    def show(self) -> None:
        """Update the display and the status file, at most once a second."""
        now = time.monotonic()
        if now - self._last_shown >= HEARTBEAT:
            self._last_shown = now
            status = self.status("running")
            write_status(self._plan.spec.folder, status, self._file)
            self._display.update(status)

    def close(self, state: State, problem: str | None = None) -> Status:
        """Write and show how the run ended; trials that still run have been given up.

        ``problem`` is what stands against training more than the baseline.
        """
        spec = self._plan.spec
        status = replace(self.status(state), problem=problem)
        write_status(spec.folder, status)
        if problem:
            left = self._seconds_left(self._allocator.remaining())
            note = stopping_note(status, problem, spec, left, self._search_seconds())
        else:
            note = self._closing_note(status)
        self._display.note(note)
        return status

    def fail(self, reason: str) -> None:
        """Write why the run cannot go on, and show how far it is; who raises shows the reason."""
        status = replace(self.status("stopped"), problem=reason)
        write_status(self._plan.spec.folder, status)
        self._display.note(self._closing_note(status))

    def _closing_note(self, status: Status) -> str:
        spec = self._plan.spec
        cancelled = spec.executor == "slurm" and status.state != "finished"
        note = closing_note(status, spec.folder, spec.confidence)
        return note + " Its Slurm jobs are cancelled." * cancelled

    def status(self, state: State, seconds_left: float | None = None) -> Status:
        """The sweep now; trials that run in a state other than ``running`` have been given up.

        ``seconds_left`` is given where it has just been computed.
        """
        remaining = Counter(self._allocator.remaining())
        remaining.update((one.variant, one.rung) for one in self._elsewhere[0])
        running = state == "running"
        if not running:
            given_up = (underway.shown for underway in self._running.values())
            remaining.update((one.variant, one.rung) for one in given_up)
            remaining.update(self._unstored.values())
        shown = tuple(underway.shown for underway in self._running.values()) if running else ()
        ended = self._finished + self._failed + (len(self._unstored) if running else 0)
        if running and seconds_left is None:
            seconds_left = self._seconds_left(remaining)
        return Status(
            name=str(self._plan.spec.name),
            state=state,
            finished=self._finished,
            failed=self._failed,
            total=ended + len(shown) + round(sum(remaining.values())),
            seconds_left=seconds_left,
            best=self._best,
            certainty=self._allocator.certainty,
            running=shown,
            started_at=self._started_at,
            updated_at=time.time(),
        )

    def _count(self, row: Mapping[str, Any]) -> None:
        """Take in a trial that has a row."""
        if not has_metric(row, self._plan.spec.metric):
            self._failed += 1
            return
        self._finished += 1
        if row["variant"] in self._raced:
            at = self._compared.setdefault(row["rung"], {})
            at.setdefault(row["variant"], _Mean()).add(self._value(row), row["top1"])
        several = [rung for rung, found in self._compared.items() if len(found) > 1]
        rung = max(several, default=1)  # trials of one length are compared
        compared = self._compared.get(rung, {})
        metric = self._plan.spec.metric
        if compared:
            best = max(sorted(compared), key=lambda one: sign(metric) * compared[one].value)
            mean = compared[best]
            top1 = mean.top1 if isfinite(mean.top1) else None
            named = best, self._labels[best]
            self._best = Best(*named, top1, mean.count, metric, mean.value, rung)

    def _value(self, row: Mapping[str, Any]) -> float:
        """What a finished trial has of the sweep's metric, in its own unit."""
        spec = self._plan.spec
        cost = self._ratios[row["variant"]] / spec.flops_factor
        return float(sign(spec.metric) * value(row, spec.metric, cost))

    def _search_seconds(self) -> tuple[float, float] | None:
        """The least and the most time that it takes to find a learning rate."""
        if self.pace.rate is None:
            return None
        works = [self._works[one.variant] for one in self._plan.searched]
        jobs = [self.pace.rate * work for work in works]
        least, most = (makespan(jobs * count, self._workers) for count in RateSearch.LENGTHS)
        return least, most

    def _seconds_left(self, remaining: Mapping[At, float]) -> float | None:
        rate = self.pace.rate
        if rate is None:
            return None
        now, workers = time.monotonic(), self._workers + self._elsewhere[1]
        jobs = []
        for underway in self._running.values():
            shown = underway.shown
            whole = self._work(shown.variant, shown.rung)
            left = self._works[shown.variant] * shown.rung * (1 - shown.epoch / shown.epochs)
            jobs.append(max(0.0, rate * min(whole, left) - (now - underway.since)))
        works = {at: rate * self._work(*at) for at in remaining}
        if sum(remaining.values()) > _MANY:
            waiting = sum(works[at] * count for at, count in remaining.items())
            return (sum(jobs) + waiting) / workers
        for at, count in remaining.items():
            trials, part = divmod(count, 1)  # what a race expects is no whole number
            jobs += [works[at]] * int(trials) + [works[at] * part] * (part > 0)
        return makespan(jobs, workers)

    def _work(self, variant: str, rung: int) -> float:
        """What a trial has to do, if it finds its checkpoint."""
        return self._works[variant] * rung_work(
            self._plan.spec.rungs, rung, goes_on=self._plan.spec.continues
        )
