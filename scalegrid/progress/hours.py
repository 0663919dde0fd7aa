"""What so many hours are best spent on: how many candidates, which rungs, how long a trial.

Every way of spending them is simulated as a race (`analysis.expectation`), with the noise, the
spread and the agreement of rungs that were measured of the nearest kind (`analysis.measured`).
What counts is the probability that the leader is good enough after long trainings: of `LONG` times
the brief budget, or of the highest rung that is given. docs/statistics.md has the rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalegrid.allocation import RateSearch
from scalegrid.analysis import zone
from scalegrid.analysis.expectation import HORIZON, Imagined, Prospect, prospect
from scalegrid.analysis.measured import AGREEMENT, nearest_kind
from scalegrid.analysis.selection import MIN_REPEATS
from scalegrid.data import EMBEDDED
from scalegrid.executors import Placement
from scalegrid.metric import measure
from scalegrid.plan import Plan, trial_work
from scalegrid.plan.plan import FEW_UPDATES
from scalegrid.plan.resolve import brief_images
from scalegrid.plan.rungs import raced_variants
from scalegrid.progress.estimate import TYPICAL_RATE, makespan
from scalegrid.spec import HELD_SCHEDULE, SweepSpec
from scalegrid.training.held import rung_work
from scalegrid.util.errors import UserError
from scalegrid.util.text import duration, enumerated, plural

LONG = 9
"""Times the brief budget: the long training that brief ones stand for, where no rung is given."""

STEP = 0.05
"""Probabilities are compared, and said, in such steps: the simulation's error is about a third."""

LEARNING = 6.0
"""Times the work that a race over rungs needs which does not know how far they agree, but learns it
as it goes (docs/statistics.md).
"""

_RUNGS = ((1,), (1, 3), (1, 3, 9))
_FEWER = (8, 6, 4)  # candidates, where the default is too many
_SHORTER = (1, 2, 4)  # times
_AMPLE = 6  # trials of each candidate, with which neither fewer nor shorter ones are looked at


@dataclass(frozen=True)
class _Way:
    """A way of spending the hours; ``left_out`` candidates less than the plan has.

    A trial at rung 1 makes ``epochs`` of ``train`` images, that is ``part`` of the brief budget.
    """

    rungs: tuple[int, ...]
    left_out: int
    epochs: int
    train: int
    part: float


def within_hours(
    spec: SweepSpec,
    make: Callable[[SweepSpec], Plan],
    rate_of: Callable[[Plan], float | None],
    placement: Placement,
) -> Plan:
    """The plan of a sweep with ``hours``: what is given stays, the rest is chosen, and said.

    Args:
        spec: as the user gave it, or resolved; not that of a plan.
        make: `make_plan`.
        rate_of: seconds that a worker takes per activation, None if unknown; see `rate`.
        placement: the workers.

    Raises:
        UserError: the hours do not suffice to train two candidates once, or all as often as
            ``seeds`` asks, or are fewer than the ``max_hours``; the ``max_trials`` do not suffice
            for two; or a trainer is given, whose speed is not known.
    """
    if spec.trainer is not None:
        raise UserError(
            "--hours plans by the speed of scalegrid's own training; with --trainer give "
            f"--max-hours {spec.hours:g} instead."
        )
    check_hours(spec)
    plan = make(spec)
    planning = _Planning(spec, plan, rate_of(plan), placement.workers)
    way, expected = planning.best()
    settled = make(spec.model_copy(update=planning.settings(way)))
    return replace(settled, notes=(*planning.said(way, expected), *settled.notes))


def check_hours(spec: SweepSpec) -> None:
    """Raise UserError where ``max_hours`` are more than ``hours``, in which the last trial ends."""
    if spec.hours is not None and (spec.max_hours or 0.0) > spec.hours:
        raise UserError(
            f"--max-hours {spec.max_hours:g} is more than --hours {spec.hours:g}, in which all is "
            "to be done; leave out one of them."
        )


class _Planning:
    """The ways of spending the hours of ``spec``, whose ``plan`` is that of the defaults."""

    def __init__(self, spec: SweepSpec, plan: Plan, rate: float | None, workers: int) -> None:
        self._spec, self._plan, self._workers = spec, plan, workers
        self._rate, self._measured = rate or TYPICAL_RATE, rate is not None
        raced = raced_variants(plan.variants, plan.spec)
        self._raced = [v.activations for v in plan.variants if v.variant in raced]
        self._apart = [v.activations for v in plan.variants if v.variant not in raced]
        flops = plan.variants[0].flops
        self._kind = nearest_kind(flops, drawn=spec.data in EMBEDDED)
        held = "schedule" not in spec.model_fields_set or spec.schedule == HELD_SCHEDULE
        going_on = held or spec.rungs_from == "scratch"
        self._free_rungs = self._free("rungs") and going_on

    def _chosen(self, way: _Way) -> bool:
        """Whether its rungs are no one's but the plan's."""
        return way.rungs != self._spec.rungs

    def _free(self, *keys: str) -> bool:
        return not self._spec.model_fields_set.intersection(keys)

    # What there is to choose from

    def best(self) -> tuple[_Way, Prospect]:
        """The way with the best chance of a good answer.

        Of those with equal steps the one of the longest trials, then of the most candidates, then
        of the fewest rungs.

        Raises:
            UserError: the hours are too few for any, or the trials too few to compare two
                candidates.
        """
        self._check_trials()
        ways = [way for way in self._ways() if self._work(way) >= self._wanted(way)]
        if not ways:  # not even all of the fewest candidates can be compared
            ways = [way for way in [*self._ways()][-1:] if self._work(way) >= self._fewest(way)]
        if not ways:
            raise UserError(self._too_few())
        found = {way: self._prospect(way) for way in ways}

        def rank(way: _Way) -> tuple[float, ...]:
            return _steps(found[way].long), way.part, -way.left_out, -len(way.rungs)

        # A rung that no two candidates are expected at decides nothing.
        useful = [way for way in ways if found[way].trials[-1] >= 2 or not self._chosen(way)]
        best = max(useful or ways, key=rank)
        return best, found[best]

    def _ways(self) -> Iterator[_Way]:
        """All that is left open; the last takes the least time."""
        default = self._budget(1)
        each = max(_AMPLE, self._spec.seeds)
        ample = self._work(_Way((1,), 0, *default)) >= each * len(self._raced)
        fewer: list[int] = []
        if self._spec.grid == "matched" and self._free("candidates") and not ample:
            fewer = [int(self._spec.candidates) - count for count in _FEWER]
        left_out = [0, *(less for less in fewer if 0 < less < len(self._raced) - 1)]
        images = self._free("epochs", "train_images") and not ample
        for shorter in _SHORTER if images else _SHORTER[:1]:
            budget = self._budget(shorter)
            if shorter > 1 and budget[0] * (budget[1] // self._spec.batch_size) < FEW_UPDATES:
                break
            for less in left_out:
                for rungs in reversed(_RUNGS) if self._free_rungs else [self._spec.rungs]:
                    yield _Way(rungs, less, *budget)

    def _budget(self, shorter: int) -> tuple[int, int, float]:
        """Epochs, training images, and part of the images of a trial by default."""
        epochs, train = self._plan.spec.epochs, self._plan.source.num_train
        images = epochs * train // shorter
        chosen = (images // train, train) if images >= train else (1, images)
        return *chosen, chosen[0] * chosen[1] / (epochs * train)

    # How long it takes: seconds of one worker, while all work

    def _seconds(self, activations: int, way: _Way) -> float:
        recipe = self._plan.spec.recipe.model_copy(update={"epochs": way.epochs})
        return self._rate * trial_work(activations, recipe, way.train, self._plan.source.num_val)

    def _costs(self, way: _Way) -> tuple[float, ...]:
        """Of each rung, in trials at rung 1."""
        goes_on = self._spec.rungs_from == "continue"
        return tuple(rung_work(way.rungs, rung, goes_on=goes_on) for rung in way.rungs)

    def _each(self, way: _Way) -> float:
        """A candidate's trial at rung 1, in the mean."""
        return float(np.mean([self._seconds(one, way) for one in self._raced]))

    def _longest(self, way: _Way) -> float:
        """A trial at any rung."""
        first = max(self._seconds(one, way) for one in (*self._raced, *self._apart))
        return max(first, max(self._costs(way)) * self._seconds(max(self._raced), way))

    @property
    def _checked(self) -> int:
        """Trials of the baseline that all others wait for."""
        return 2 if self._plan.spec.check_learning else 0

    def _apart_trials(self) -> int:
        """Trials of variants that are not compared, the baseline's among them."""
        return self._spec.seeds * len(self._apart) + max(0, self._checked - self._spec.seeds)

    def _not_racing(self, way: _Way) -> float:
        """Seconds of the whole machine for a learning rate, at most, and what is not compared."""
        plan, workers = self._plan, self._workers
        searches = RateSearch.LENGTHS[1] if plan.spec.rates != "same" else 0
        searched = [self._seconds(one.activations, way) for one in plan.searched] * searches
        own = self._seconds(plan.variants[0].activations, way)
        first = self._spec.seeds * sum(self._seconds(one, way) for one in self._apart)
        first -= min(self._checked, self._spec.seeds) * own
        waiting = makespan(searched, workers) + makespan([own] * self._checked, workers)
        return waiting + first / workers

    def _limit(self, way: _Way) -> float:
        """Seconds after which no trial begins, so that the longest ends in time."""
        if self._spec.max_hours is not None:
            return 3600 * self._spec.max_hours
        return 3600 * float(self._spec.hours or 0.0) - self._longest(way)

    def _work(self, way: _Way) -> float:
        """What candidates get up to the limit, in their trials at rung 1."""
        left = self._workers * (self._limit(way) - self._not_racing(way))
        return left / self._each(way)

    def _wanted(self, way: _Way) -> float:
        """First trials, so many more that the noise is seen, and two lines to the highest rung."""
        first = self._spec.seeds * (len(self._raced) - way.left_out)
        return first + MIN_REPEATS + 2 * sum(self._costs(way)[1:])

    def _fewest(self, way: _Way) -> int:
        """First trials that the hours must suffice for: of two candidates, or as many as asked."""
        seeds = self._spec.seeds
        return 2 if seeds == 1 else seeds * (len(self._raced) - way.left_out)

    # What is to be expected

    @property
    def _most(self) -> float:
        """Trials of candidates."""
        most = self._spec.max_trials
        return math.inf if most is None else max(1, most - self._apart_trials())

    def _check_trials(self) -> None:
        """Raise UserError where ``max_trials`` are too few for the baseline and two candidates."""
        most, first = self._spec.max_trials, max(1, self._checked)
        if most is not None and most < first + 2:
            raise UserError(
                f"--max-trials {most} is too few to compare two candidates, since the baseline "
                f"takes {first} first; give --max-trials {first + 2} or more."
            )

    def _prospect(self, way: _Way) -> Prospect:
        race, work = self._race(way), self._work(way)
        expected = prospect(race, work, self._most)
        if len(way.rungs) == 1:
            return expected
        return prospect(race, work / LEARNING, self._most)._replace(trials=expected.trials)

    def _race(self, way: _Way) -> Imagined:
        """The race as it is imagined.

        Its noise is the same at all rungs.
        """
        noise, spread = self._kind.of(self._spec.metric)
        lengths = [way.part * rung for rung in way.rungs]
        triplings = np.log([*lengths, self._long(way)]) / math.log(3)
        deviations = spread * AGREEMENT.spread**triplings
        apart = np.abs(np.subtract.outer(triplings, triplings))
        return Imagined(
            candidates=len(self._raced) - way.left_out,
            population=len(self._raced),
            costs=self._costs(way),
            between=np.outer(deviations, deviations) * AGREEMENT.correlation**apart,
            noise=(self._noisier(way) * noise) ** 2,
            indifference=zone(self._spec.metric, self._spec.indifference),
            seeds=self._spec.seeds,
        )

    def _noisier(self, way: _Way) -> float:
        """How many times the measured noise: as a trial has fewer images than a brief one.

        In proportion, as it was seen of `nano` on leaves (docs/sensor.md).
        """
        brief = brief_images(self._plan.variants[0].flops)
        return max(1.0, brief / (way.epochs * way.train))

    def _long(self, way: _Way) -> float:
        """The training that counts, in brief budgets."""
        return float(LONG if self._free("rungs") else way.rungs[-1])

    def settings(self, way: _Way) -> dict[str, Any]:
        """What the way sets of the specification."""
        chosen: dict[str, Any] = {}
        if self._spec.max_hours is None:
            chosen["max_hours"] = float(f"{self._limit(way) / 3600:.4g}")
        if way.left_out:
            chosen["candidates"] = int(self._spec.candidates) - way.left_out
        if self._chosen(way):
            chosen["rungs"] = way.rungs
        if way.part < 1:
            chosen["epochs"] = way.epochs
            if way.train < self._plan.source.num_train:
                chosen["train_images"] = way.train
        return chosen

    # What is said

    def said(self, way: _Way, expected: Prospect) -> tuple[str, str]:
        """The way, and what to expect of it."""
        spec, kind = self._spec, self._kind
        racers = len(self._raced) - way.left_out
        count = f"{racers}"
        if way.left_out:
            count += f" of {len(self._raced)}"
        rungs = enumerated([f"{rung}×" for rung in way.rungs])
        over = f", rungs {rungs}" if len(way.rungs) > 1 else ""
        seeds = "one seed" if spec.seeds == 1 else f"{spec.seeds} seeds"
        candidates = round(sum(expected.trials))
        trials = min(self._apart_trials() + candidates, spec.max_trials or 10**9)
        about = "about" if candidates < HORIZON * racers else "more than"
        speed = "this machine" if self._measured else "a typical CPU"
        metric = spec.metric if spec.metric in kind.measured else "top1"
        unit, by = measure(metric).points, kind.measured[metric]
        width = measure(spec.metric).scale * zone(spec.metric, spec.indifference)
        top, long = way.part * way.rungs[-1], self._long(way)
        good = [_chance(expected.long, long)]
        good += [_chance(expected.top, top)] if top != long else []
        noisier = self._noisier(way)
        times = f"{noisier:.2g}" if noisier < 10 else f"{noisier:,.0f}"
        risen = f", times {times} for few images" if noisier > 1.05 else ""
        agreement = f", and lengths agree as for {AGREEMENT.name}"
        return (
            f"within {duration(3600 * float(spec.hours or 0.0))}: {count} candidates, "
            f"{way.epochs * way.train:,} images a trial{over}, {seeds} each at first; {about} "
            f"{plural(trials, 'trial')} at the speed of {speed}, fewer if it is clear before",
            f"to be expected: the leader within {width:g} {measure(spec.metric).points} of the "
            f"best with a probability of {enumerated(good)}, if noise ({by.noise:g} {unit}{risen}) "
            f"and spread ({by.spread:g}) are as for {kind.name}, the nearest that was measured"
            f"{agreement if len({*way.rungs, top, long}) > 1 else ''}",
        )

    def _too_few(self) -> str:
        way = [*self._ways()][-1]
        seconds = self._not_racing(way) + self._fewest(way) * self._each(way) / self._workers
        flag, given = "--max-hours", self._spec.max_hours
        if given is None:  # by which the longest trial ends too
            flag, given, seconds = "--hours", self._spec.hours, seconds + self._longest(way)
        hours = math.ceil(1.05 * seconds / 36) / 100
        speed = "this machine" if self._measured else "a typical CPU"
        over = f" up to {way.rungs[-1]}×" if len(way.rungs) > 1 else ""
        seeds, fewer = self._spec.seeds, ""
        compared = f"compare two candidates by one trial each{over}"
        if seeds > 1:
            candidates = len(self._raced) - way.left_out
            compared = f"give {candidates} candidates {seeds} trials each"
            fewer = "fewer --seeds, or "
        return (
            f"{flag} {given:g} is too few to {compared}, "
            f"which takes about {duration(seconds)} on {speed}; give {fewer}{flag} {hours:g} or "
            "more."
        )


def _steps(probability: float) -> int:
    return math.floor(probability / STEP + 1e-9)


def _chance(probability: float, budgets: float) -> str:
    after = "" if budgets == 1 else f"{budgets:g}× "
    return f"{min(_steps(probability) * STEP, 1 - STEP):.2f} at {after}the brief budget"
