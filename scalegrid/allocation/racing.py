"""More trials where they decide something, until the answer is clear."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from scalegrid.allocation.base import Ask, At, Line, Result
from scalegrid.allocation.rung_standing import standing_of
from scalegrid.allocation.standing import Standing
from scalegrid.analysis.failing import keeps_failing
from scalegrid.spec import CONFIDENCE, INDIFFERENCE
from scalegrid.training.held import rung_work

_ENOUGH_FAIL = 2  # candidates that keep failing at the highest rung, so that none is tried there


class Racing:
    """A few trials of every variant, then those that say most about which candidate is best.

    What it asks for depends on the trials told and on those still running, not on their order, and
    not on chance: told the same trials after a restart, it asks for the same ones. Running trials
    count as made, with the expected outcome, so that workers do not all repeat the same
    candidate. Values are levelled between kinds of device, as `recommend` does it. A failed trial
    says nothing about accuracy; the variant is tried with its next seed, but not for ever.

    It stops as soon as ``confidence``, ``max_trials`` or ``max_hours`` is reached.

    Args:
        variants: ids of all variants, in the order in which to start them.
        candidates: ids of those that can be recommended (see `analysis.raced`), with their budget
            shares (depth, width, resolution); the others get the first trials only.
        replicates: the number of trials that everyone starts with.
        indifference: a loss of this much does not matter, in the unit of the values told.
        confidence: stop when the leader is within the indifference zone of the best with this
            probability; None never does.
        max_trials: stop when this many trials have been asked for, failed ones included.
        max_hours: start no trial after this time, counted from `start`.
        hours_before: of training before, which count as well.
        clock: tells the time in seconds.
        rungs: multiples of the brief budget, the first 1. With several, lines of training go on to
            higher rungs, and the answer is that of the highest; see `RungStanding`.
        goes_on: whether a line goes on from where its rate is held, or trains from nothing.
    """

    def __init__(
        self,
        variants: Sequence[str],
        candidates: Mapping[str, Sequence[float]],
        *,
        replicates: int = 1,
        indifference: float = INDIFFERENCE / 100,
        confidence: float | None = CONFIDENCE,
        max_trials: int | None = None,
        max_hours: float | None = None,
        hours_before: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        rungs: Sequence[int] = (1,),
        goes_on: bool = True,
    ) -> None:
        self._variants = list(dict.fromkeys(variants))
        self._shares = {v: candidates[v] for v in sorted(self._variants) if v in candidates}
        self._replicates, self._indifference = replicates, indifference
        self._confidence, self._max_trials, self._max_hours = confidence, max_trials, max_hours
        self._hours_before, self._clock = hours_before, clock
        self._stand = standing_of(rungs, goes_on, confidence)
        self._work = {rung: rung_work(rungs, rung, goes_on=goes_on) for rung in rungs}
        self._top = rungs[-1]
        self._started: float | None = None
        self._finished: dict[Ask, Result] = {}
        self._failed: set[Ask] = set()
        self._running: set[Ask] = set()
        self._standing: Standing | None = None

    def start(self) -> None:
        """Start the clock, unless it runs."""
        if self._started is None:
            self._started = self._clock()

    def ask(self) -> Ask | None:
        """The next trial; None when it is done, or may be once the running trials are told."""
        self.start()
        if self._spent or self._clear:
            return None
        missing = self._missing()
        ask = Ask(missing, self._next_seed(missing)) if missing else self._worth_most()
        if ask is not None:
            self._running.add(ask)
        return ask

    def tell(self, ask: Ask, result: Result | None) -> None:
        """Take in what a trial came to, larger being better; None if it failed."""
        known = ask.variant in self._variants and ask.rung in self._work
        if not known or ask in self._finished or ask in self._failed:
            return
        self._running.discard(ask)
        if result is None:
            self._failed.add(ask)
        else:
            self._finished[ask] = result
        self._standing = None

    @property
    def done(self) -> bool:
        """Whether a limit is reached; or nothing runs, and it is clear or nothing can be tried."""
        if self._spent:
            return True
        if self._running or self._missing():
            return False
        return self._clear or self._worth_most() is None

    @property
    def certainty(self) -> float | None:
        """Probability that the leader is within the zone; None before the noise has been seen."""
        standing = self._current()
        return None if standing is None or not standing.repeats else standing.certainty

    def leading(self) -> tuple[str, float] | None:
        """The leader and the probability that it is within the zone; None with too few trials."""
        standing = self._current()
        return None if standing is None else (standing.leader, standing.certainty)

    @property
    def wanted(self) -> Set[Line]:
        """The lines of candidates that have not failed, nor ended at the highest rung."""
        if self._top == 1:
            return frozenset()
        over = {ask[:2] for ask in self._finished if ask.rung == self._top}
        over |= {ask[:2] for ask in self._failed}
        begun = {ask[:2] for ask in (*self._finished, *self._running)}
        return {line for line in begun - over if line[0] in self._shares}

    def remaining(self) -> Mapping[At, float]:
        """The trials that it expects to ask for: foresight, no promise.

        Over rungs they are split between the first and the highest, so that a trial is as much work
        in the mean as those so far.
        """
        if self._spent:
            return {}
        expected = Counter({v: float(lack) for v, lack in self._lacking(self._running).items()})
        if not self._clear and self._rivals():
            expected.update(self._foreseen())
        made = [self._work[ask.rung] for ask in self._made]
        mean = sum(made) / len(made) if made else 1.0
        most = max(self._work.values())
        total = sum(expected.values())
        fewer = min(1.0, self._left * mean / total, self._in_time / total) if total else 0.0
        high = (mean - 1) / (most - 1) if most > 1 else 0.0
        parts = {1: 1.0} if high == 0 else {1: 1 - high, self._top: high}
        return {
            (variant, rung): part * work / mean * fewer
            for variant, work in expected.items()
            for rung, part in parts.items()
        }

    @property
    def _left(self) -> float:
        return math.inf if self._max_trials is None else self._max_trials - len(self._made)

    @property
    def _made(self) -> list[Ask]:
        """All that has been asked for or told."""
        return [*self._finished, *self._failed, *self._running]

    @property
    def _spent(self) -> bool:
        return self._left <= 0 or self._late

    @property
    def _late(self) -> bool:
        return self._max_hours is not None and self._hours >= self._max_hours

    @property
    def _hours(self) -> float:
        """How long it has trained, in earlier runs too."""
        run = 0.0 if self._started is None else self._clock() - self._started
        return self._hours_before + run / 3600

    @property
    def _in_time(self) -> float:
        """The work that there is time for, at the pace so far; unbounded before a trial ended."""
        ended = sum(self._work[ask.rung] for ask in (*self._finished, *self._failed))
        if self._max_hours is None or not ended or not self._hours:
            return math.inf
        return ended * max(0.0, self._max_hours / self._hours - 1)

    @property
    def _clear(self) -> bool:
        """Whether every variant has its first trials and the leader is good enough."""
        if self._confidence is None or self._lacking():
            return False
        standing = self._current()
        return standing is not None and standing.clear(self._confidence)

    def _lacking(self, running: Iterable[Ask] = ()) -> dict[str, int]:
        """How many of its first trials each variant lacks; those that keep failing do not."""
        made = Counter(ask.variant for ask in [*self._finished, *running] if ask.rung == 1)
        hopeful = self._hopeful(self._variants)
        lacking = {variant: self._replicates - made[variant] for variant in hopeful}
        return {variant: lack for variant, lack in lacking.items() if lack > 0}

    def _missing(self) -> str | None:
        """The variant furthest from its first trials, in the order given."""
        lacking = self._lacking(self._running)
        return max(lacking, key=lacking.__getitem__, default=None)

    def _worth_most(self) -> Ask | None:
        """The trial that says most: of a candidate again, or of one of its lines a rung higher."""
        if self._out_of_reach:
            return None
        rivals = self._rivals()
        standing = self._current()
        if standing is not None:
            return standing.worth_most(rivals, self._running, self._failed, self._next_seed)
        # Too little is known yet; idle workers might as well try all again.
        running = Counter(ask.variant for ask in self._running)
        variant = min(rivals, key=running.__getitem__, default=None)
        return None if variant is None else Ask(variant, self._next_seed(variant))

    def _rivals(self) -> list[str]:
        """The candidates that may be tried again; none where there is nothing to compare."""
        hopeful = self._hopeful(self._shares)
        compared = self._at_top & self._shares.keys()
        return hopeful if len(compared.union(hopeful)) > 1 else []

    @property
    def _at_top(self) -> set[str]:
        """The variants that have been at the highest rung."""
        return {ask.variant for ask in self._finished if ask.rung == self._top}

    @property
    def _out_of_reach(self) -> bool:
        """Whether it seems that no candidate can be trained at the highest rung of several."""
        failed = Counter(ask.variant for ask in self._failed if ask.rung == self._top)
        fail = [v for v, count in failed.items() if v in self._shares and keeps_failing(count, 0)]
        been = self._at_top & self._shares.keys()
        return self._top > 1 and not been and len(fail) >= _ENOUGH_FAIL

    def _foreseen(self) -> dict[str, float]:
        standing = self._current()
        if standing is None:
            return dict.fromkeys(self._shares, 1.0)
        return standing.foreseen(self._confidence or CONFIDENCE)

    def _hopeful(self, variants: Iterable[str]) -> list[str]:
        """Those that do not keep failing, at any rung."""
        failures = Counter((ask.variant, ask.rung) for ask in self._failed)
        successes = Counter((ask.variant, ask.rung) for ask in self._finished)
        failing = {at[0] for at in failures if keeps_failing(failures[at], successes[at])}
        return [variant for variant in variants if variant not in failing]

    def _next_seed(self, variant: str) -> int:
        used = set(self._made)
        return next(seed for seed in itertools.count() if Ask(variant, seed) not in used)

    def _current(self) -> Standing | None:
        if self._standing is None:
            able = {*self._hopeful(self._shares), *self._at_top}
            shares = {v: own for v, own in self._shares.items() if v in able}
            self._standing = self._stand(self._finished, shares, self._indifference)
        return self._standing
