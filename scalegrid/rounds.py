"""Training, round after round: collect, tell, fill, store and show, until nothing is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from scalegrid.allocation import Allocator, Ask, Result
from scalegrid.analysis import not_measured, others, value
from scalegrid.analysis.observations import Flags
from scalegrid.data import CachedData
from scalegrid.executors import Executor, OneFormat, remove_spool, stopped
from scalegrid.plan import Plan, make_trial
from scalegrid.progress import Progress
from scalegrid.progress.first_trials import FirstTrials
from scalegrid.progress.progress import HEARTBEAT
from scalegrid.progress.status import State
from scalegrid.results import Store
from scalegrid.results.checkpoints import KeptCheckpoints, remove_checkpoints
from scalegrid.results.rows import answer_rows, history_rows, trial_row
from scalegrid.results.schema import Row
from scalegrid.spec import SweepSpec
from scalegrid.track import Tracking
from scalegrid.training.devices import differing
from scalegrid.training.trial import Outcome, Trial
from scalegrid.util.errors import UserError
from scalegrid.util.processes import ignore_interruptions

_SOON = 0.1
"""Seconds between looks at what other heads do, while a worker here has nothing to do."""


@dataclass(frozen=True)
class SweepOutcome:
    """How a run of a sweep ended.

    ``trained`` trials ended in this run. Of all trials of the planned variants, ``finished`` have
    finished and ``failed`` have failed. ``problem`` says why nothing but the baseline was trained.
    """

    name: str
    folder: Path
    trained: int = 0
    finished: int = 0
    failed: int = 0
    interrupted: bool = False
    problem: str | None = None

    @property
    def exit_status(self) -> int:
        """130: interrupted; 4: the baseline does not learn; 3: some trials failed; else 0."""
        if self.interrupted:
            return 130
        if self.problem:
            return 4
        return 3 if self.failed else 0


class Rounds:
    """Trains what an allocator asks for.

    Args:
        plan: the variants, and how they are trained.
        data: their images.
        store: where rows go; it has been started.
        made: rows of the trials before, which the allocator knows.
        allocator: says which trial is next.
        executor: runs trials.
        progress: shows them.
        tracking: sends them to trackers.
    """

    def __init__(
        self,
        plan: Plan,
        data: CachedData,
        store: Store,
        made: Sequence[Row],
        allocator: Allocator,
        executor: Executor,
        progress: Progress,
        tracking: Tracking,
    ) -> None:
        self._plan, self._data, self._store = plan, data, store
        self._allocator, self._executor = allocator, executor
        self._progress, self._tracking = progress, tracking
        self._checkpoints = KeptCheckpoints(plan, data.fingerprint, shared=store.shared)
        self._variants = {variant.variant: variant for variant in plan.variants}
        self._first = FirstTrials(plan, made)
        self._running: dict[str, Trial] = {}
        self._elsewhere: dict[str, Trial] = {}  # that other heads run
        self._unstored: list[tuple[Row, Outcome]] = []  # trials that have ended
        self._trained = 0
        self._format = OneFormat(made)

    def to_the_end(self) -> SweepOutcome:
        """Train until nothing is left, an interruption, or a baseline that does not learn.

        Raises:
            UserError: rows cannot be written, a trial met an image that cannot be read, or is in
                another number format than those before.
        """
        interrupted = False
        try:
            self._train()
        except KeyboardInterrupt:
            interrupted = True
        except UserError as error:
            self._progress.fail(str(error))
            raise
        return self._close(interrupted)

    def _train(self) -> None:
        """Train until nothing is left; what has ended is stored whatever stops that."""
        try:
            self._checkpoints.tidy(self._allocator.wanted)
            self._fill()
            while self._running or (self._elsewhere and not self._first.problem):
                self._progress.show()
                self._round()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                ignore_interruptions()  # a second one waits for the first; seconds are left
            if self._unstored:
                self._store_ended()
            raise

    def _round(self) -> None:
        ended, unusable = self._collect()
        for row, outcome in ended:
            self._tell(row, outcome.answers.flags if outcome.answers else None)
        if not unusable and (ended or len(self._running) < self._executor.capacity):
            self._fill()  # before writing, so that no worker waits for this process
        if not (self._unstored and self._running) or self._store.due_in <= 0:
            self._store_ended()
        if unusable:
            raise stopped(unusable[0], self._plan.source)

    def _collect(self) -> tuple[list[tuple[Row, Outcome]], list[Outcome]]:
        """Wait for events: the trials that have ended, and those that stop the run."""
        ended: list[tuple[Row, Outcome]] = []
        unusable = []
        idle = self._elsewhere and len(self._running) < self._executor.capacity
        if not self._running:
            time.sleep(_SOON)
        patience = _SOON if idle else HEARTBEAT
        if self._unstored:
            patience = min(patience, self._store.due_in)
        for event in self._executor.collect(patience):
            if not isinstance(event, Outcome):
                self._progress.epoch(*event)
                continue
            trial = self._running.pop(event.trial)
            event = self._format.checked(event)
            if event.stops:
                unusable.append(event)
                continue
            variant = self._variants[trial.variant]
            ended.append((trial_row(trial, variant, event, self._plan.source.num_train), event))
            self._unstored.append(ended[-1])
            self._progress.unstored(event.trial)
        return ended, unusable

    def _fill(self) -> None:
        """Hear of other heads; give idle workers trials, unless the baseline shows no use in it."""
        running, elsewhere = self._running, self._elsewhere
        in_hand = running.keys() | {row["trial"] for row, _ in self._unstored}
        with self._store.turn() as news:
            for row, flags in news:
                if row["variant"] not in self._variants:
                    continue
                self._hear_format(row)
                if row["trial"] not in in_hand:
                    elsewhere.pop(row["trial"], None)
                    self._tell(row, flags)
                    self._progress.heard(row)
            waiting = [*elsewhere.values()]  # for one of these the other head may have died
            while not self._first.problem and len(running) < self._executor.capacity:
                trial = waiting.pop(0) if waiting else self._ask()
                if trial is None:
                    break
                if not self._store.claim(trial.trial):
                    elsewhere[trial.trial] = trial
                    continue
                elsewhere.pop(trial.trial, None)
                trial = self._checkpoints.lend(trial, self._allocator.wanted)
                trial = self._format.wanted(trial)
                running[trial.trial] = trial
                self._progress.started(trial)
                self._executor.submit(trial)
        self._progress.elsewhere(elsewhere.values(), self._store.elsewhere)

    def _ask(self) -> Trial | None:
        if (wanted := self._allocator.ask()) is None:
            return None
        variant = self._variants[wanted.variant]
        recipe = self._plan.recipe_of(variant)
        return make_trial(self._plan, variant, wanted.seed, self._data, recipe, wanted.rung)

    def _hear_format(self, row: Row) -> None:
        """Take the number format of another head's trial, which is stored.

        Raises:
            UserError: trials here are in another, and are not stored.
        """
        now = row["number_format"]
        if self._format.agrees(now):
            return
        self._unstored = [one for one in self._unstored if one[0]["number_format"] in (None, now)]
        raise UserError(differing(now, self._format.known, "this machine"))

    def _tell(self, row: Row, flags: Flags | None) -> None:
        self._first.take(row)
        self._checkpoints.heard(row)
        ratio = self._variants[row["variant"]].flops_ratio
        tell(self._allocator, row, self._plan.spec, ratio, flags)

    def _store_ended(self) -> None:
        """Store the trials that have ended, and show them."""
        self._store.add(
            [row for row, _ in self._unstored],
            [row for _, outcome in self._unstored for row in history_rows(outcome)],
            [row for _, outcome in self._unstored for row in answer_rows(outcome)],
        )
        stored = [row for row, _ in self._unstored]
        self._unstored.clear()
        self._trained += len(stored)
        self._progress.ended(stored)
        self._checkpoints.tidy(self._allocator.wanted)
        if self._store.leads:
            self._tracking.update()

    def _close(self, interrupted: bool) -> SweepOutcome:
        folder = self._plan.spec.folder
        problem = None if interrupted else self._first.problem
        state: State = "interrupted" if interrupted else "stopped" if problem else "finished"
        with self._store.leaving() as last:
            if state == "finished" and last:
                if not self._checkpoints.killed:
                    remove_checkpoints(folder)
                remove_spool(folder)  # where it went on without the jobs of a run before
            status = self._progress.close(state, problem)
        counts = self._trained, status.finished, status.failed
        return SweepOutcome(status.name, folder, *counts, interrupted, problem)


def tell(
    allocator: Allocator, row: Row, spec: SweepSpec, flops_ratio: float, flags: Flags | None
) -> None:
    """Tell an allocator a trial: its value, other metrics and answers; or that it failed.

    One that lacks a trainer's figure counts as failed.

    Raises:
        UserError: a trial of before lacks the metric.
    """
    ask = Ask(row["variant"], row["seed"], row["rung"])
    if row["status"] == "finished":
        worth = float(value(row, spec.metric, flops_ratio / spec.flops_factor))
        if not isfinite(worth) and spec.trainer is None:
            raise UserError(not_measured(spec.metric))
        if not isfinite(worth):
            allocator.tell(ask, None)
            return
        flags = flags if spec.metric == "top1" else None  # answers are top-1's, as in `recommend`
        allocator.tell(ask, Result(worth, others(row, spec.metric), flags, row["device"]))
    else:
        allocator.tell(ask, None)
