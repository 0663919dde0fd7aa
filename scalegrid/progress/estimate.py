"""How long a sweep takes.

The model: a trial's time is proportional to the activations that it computes,

    seconds = rate · activations · epochs · (3 · training images + validation images),

since a training step is a forward and a backward pass, the latter about twice the former
(`scalegrid.plan.trial_work`). Dollár et al. (2021, arXiv 2103.06877) find that time follows
activations more than FLOPs; of seven variants of b0 at 64 px on a CPU, seconds per activation
differed by 3 %, seconds per FLOP by 26 %. Networks of dense convolutions lie between the two.

``rate`` (seconds per activation of one worker while all work) is measured, see `rate`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle, islice
from typing import NamedTuple

from scalegrid.executors import Placement, placement_for
from scalegrid.plan import Plan, later_trials, planned_trials, trial_works
from scalegrid.speed import chosen, count_is_open, known_count, stored_rate
from scalegrid.training.held import rung_work

TYPICAL_RATE = 5.6e-9
"""Seconds per activation where nothing was measured: b0 on one thread of a server's CPU."""


class Estimate(NamedTuple):
    """How long a sweep takes; ``measured`` on this machine, or by a processor's typical speed.

    ``seconds`` are those of the first rung, ``most`` those of all if all candidates go on, None for
    a race over rungs. Both are None where a trainer's own training has not been seen yet.
    """

    seconds: float | None
    measured: bool
    most: float | None


def estimate_seconds(plan: Plan) -> Estimate:
    """Wall time of a whole sweep. Measures nothing, so it is quick.

    Of a race it is the time of ``max_trials``, or else of the first trials of each variant.

    Raises:
        UserError: the device is unknown or not there.
    """
    placement = known_placement(plan)
    if plan.spec.trainer is not None:
        return Estimate(None, measured=False, most=None)
    rate = stored_rate(chosen(plan, placement), placement)
    works = {v: (rate or TYPICAL_RATE) * work for v, work in trial_works(plan).items()}
    first = makespan(islice(cycle(works.values()), planned_trials(plan)), placement.workers)
    later = [
        makespan(
            (
                works[v] * rung_work(plan.spec.rungs, rung, goes_on=plan.spec.continues)
                for v in trials
            ),
            placement.workers,
        )
        for rung in plan.spec.rungs
        if (trials := later_trials(plan, rung))
    ]
    open_end = plan.spec.racing and len(plan.spec.rungs) > 1
    return Estimate(first, rate is not None, most=None if open_end else first + sum(later))


def known_placement(plan: Plan) -> Placement:
    """The workers of a plan, as many a GPU as were found before where that is left open.

    Raises:
        UserError: the device is unknown or not there.
    """
    placement = placement_for(plan.spec)
    count = known_count(plan, placement) if count_is_open(plan.spec, placement) else None
    return replace(placement, workers=len(placement.devices) * count) if count else placement


def makespan(jobs: Iterable[float], workers: int) -> float:
    """When the last of ``jobs`` (seconds) ends if each worker in turn takes the longest left."""
    busy = [0.0] * workers
    for job in sorted(jobs, reverse=True):
        heapq.heapreplace(busy, busy[0] + job)
    return max(busy)


class Pace:
    """The rate of a running sweep: its own epochs as they come, a rate from before until then."""

    def __init__(self, before: float | None) -> None:
        self._before = before
        self._seconds = self._work = 0.0

    def add(self, seconds: float, work: float) -> None:
        """Take in that ``work`` took one worker ``seconds``."""
        self._seconds += seconds
        self._work += work

    @property
    def measured(self) -> float | None:
        """Seconds per activation of what was taken in; None before anything was."""
        return self._seconds / self._work if self._work else None

    @property
    def rate(self) -> float | None:
        """Seconds per activation, None if unknown."""
        return self._before if self.measured is None else self.measured
