"""The same seeds for all at the first rung, and for those that can still be best at the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from itertools import takewhile

import numpy as np

from scalegrid.allocation.base import Ask, At, Line, Result
from scalegrid.allocation.standing import levels
from scalegrid.analysis.model import Model
from scalegrid.analysis.rungs import Lines, RungModel
from scalegrid.analysis.selection import SAMPLES, chances, tie_set

_LEVEL = 0.95
"""Probability of having the best among them that those which go on hold together."""

_LEAST = 2
"""Candidates that go on, since one alone is compared with nothing."""


class UniformRungs:
    """Seeds 0 … ``seeds`` − 1 of every variant at the first rung, and of fewer at each later one.

    When all trials of a rung have ended, the fewest candidates that hold 95 % of the probability of
    being best at the top rung go on, by what the trials of this rung and of lower ones say; two at
    least. The baseline goes on with them, other variants do not; nor does a line that has failed.
    What it decides depends on the trials told, not on their order, and not on chance.

    Args:
        variants: ids of all variants, in the order in which to start them.
        candidates: ids of those that can be recommended (see `analysis.raced`), with their budget
            shares (depth, width, resolution).
        baseline: the id of the baseline.
        seeds: how many of each variant.
        rungs: multiples of the brief budget, increasing from 1.
        all_go_on: whether every candidate goes on to every rung, whatever the trials say.
    """

    def __init__(
        self,
        variants: Sequence[str],
        candidates: Mapping[str, Sequence[float]],
        baseline: str,
        *,
        seeds: int,
        rungs: Sequence[int],
        all_go_on: bool = False,
    ) -> None:
        self._all_go_on = all_go_on
        self._shares = {v: candidates[v] for v in sorted(candidates)}
        self._rising = {baseline, *self._shares}
        self._baseline, self._rungs = baseline, list(rungs)
        lines = [(variant, seed) for seed in range(seeds) for variant in dict.fromkeys(variants)]
        self._lines: dict[Line, None] = dict.fromkeys(lines)  # of the present rung
        self._rung = 0
        self._asked: set[Ask] = set()
        self._told: dict[Ask, Result | None] = {}
        self._planned = {(*line, rung) for line in lines for rung in rungs}

    def ask(self) -> Ask | None:
        """The next trial of the present rung; None while the others of it run."""
        ask = next(iter(self._waiting()), None)
        if ask is not None:
            self._asked.add(ask)
        return ask

    def start(self) -> None:
        """It has no limit of time."""

    def tell(self, ask: Ask, result: Result | None) -> None:
        """Take in what a trial came to, larger being better; None if it failed."""
        if ask in self._planned:
            self._told.setdefault(ask, result)

    @property
    def done(self) -> bool:
        """Whether every trial of the last rung has been asked for or told."""
        return not self._waiting() and self._rung == len(self._rungs) - 1

    @property
    def certainty(self) -> None:
        """It looks at what trials come to between rungs alone."""

    def remaining(self) -> Mapping[At, float]:
        """Trials of each variant and rung yet to be asked for, if all go on that may."""
        asks = [*self._waiting(), *self._later()]
        counts = Counter((ask.variant, ask.rung) for ask in asks)
        return {at: float(count) for at, count in counts.items()}

    @property
    def wanted(self) -> Set[Line]:
        """Those that may go on, and those that have gone on and whose trial has not ended."""
        self._rise()
        unfinished = {
            line for line in self._lines if self._rung and self._at(line) not in self._told
        }
        return unfinished.union((ask.variant, ask.seed) for ask in self._later())

    def _at(self, line: Line) -> Ask:
        """The trial of a line at the present rung."""
        return Ask(*line, self._rungs[self._rung])

    def _waiting(self) -> list[Ask]:
        """The trials of the present rung that have been neither asked for nor told."""
        self._rise()
        asks = map(self._at, self._lines)
        return [ask for ask in asks if ask not in self._asked and ask not in self._told]

    def _later(self) -> list[Ask]:
        """The trials above the present rung that may be: not told, and no lower one has failed."""
        rungs = self._rungs[self._rung + 1 :]
        asks = []
        for line in self._may_go_on():
            own = [Ask(*line, rung) for rung in rungs]
            ahead = takewhile(lambda ask: self._told.get(ask, True) is not None, own)
            asks += [ask for ask in ahead if ask not in self._told]
        return asks

    def _may_go_on(self) -> list[Line]:
        """The lines of the present rung of which there may be a trial at the next."""
        if self._rung == len(self._rungs) - 1:
            return []
        return [
            line
            for line in self._lines
            if line[0] in self._rising and self._told.get(self._at(line), True) is not None
        ]

    def _rise(self) -> None:
        """Go to the next rung, as long as all trials of the present one have ended."""
        while self._rung < len(self._rungs) - 1 and all(
            self._at(line) in self._told for line in self._lines
        ):
            lines = self._may_go_on()
            hopeful = self._hopeful({variant for variant, _ in lines})
            chosen = {self._baseline, *hopeful} if hopeful else set()
            self._lines = dict.fromkeys(line for line in lines if line[0] in chosen)
            self._rung += 1

    def _hopeful(self, able: Set[str]) -> list[str]:
        """The candidates that can still be best at the top rung, of those that are ``able``."""
        tried = [variant for variant in self._shares if variant in able]
        if self._all_go_on or len(tried) <= _LEAST:
            return tried
        number = {variant: i for i, variant in enumerate(tried)}
        rungs = {rung: k for k, rung in enumerate(self._rungs[: self._rung + 1])}
        finished = {
            ask: result
            for ask, result in self._told.items()
            if result is not None and ask.variant in number and ask.rung in rungs
        }
        rows = [
            (number[ask.variant], ask.seed, rungs[ask.rung], value)
            for ask, value in levels(finished).items()
        ]
        model = Model(len(tried), np.array([self._shares[v] for v in tried], dtype=np.float64))
        lines = Lines.collect(len(tried), len(self._rungs), rows)
        posterior = RungModel(model, len(self._rungs)).posterior(lines)
        draws = posterior.sample(SAMPLES, np.random.default_rng(7))[:, :, -1]
        best = chances(draws, indifference=0.0).best
        enough = max(len(tie_set(best, _LEVEL)), _LEAST)
        return [tried[i] for i in np.argsort(-best, kind="stable")[:enough]]
