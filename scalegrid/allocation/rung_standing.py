"""What lines of training say that have ended at several rungs, and which one should go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from scalegrid.allocation.base import Ask, Result
from scalegrid.allocation.standing import Standing, TrialStanding, levels, luck_with_images
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Flags, Floats
from scalegrid.analysis.over_rungs import OverRungs
from scalegrid.analysis.repeat import rivals
from scalegrid.analysis.rungs import Lines, RungPosterior
from scalegrid.analysis.selection import MIN_REPEATS, Chances, chances, is_clear
from scalegrid.analysis.surface import Fit
from scalegrid.training.held import rung_work

_PER_LOG_ODDS = 2.5  # √(candidates · work so far), in simulated races: docs/statistics.md
_KNOWN = 0.05, 0.999  # a probability beyond is hardly known


class _Step(NamedTuple):
    """A line that may be trained on: from which rungs it has (numbers) to which it would have."""

    candidate: int
    seed: int | None  # None: a new line
    has: tuple[int, ...]
    gets: tuple[int, ...]


class RungStanding:
    """What the lines say of the highest rung, by the model over rungs (`analysis.rungs`).

    What is worth most is what takes most of the variance off the challenger's lead at the highest
    rung, per unit of work: a new line of a candidate, or one of its lines a rung higher. Both are
    judged by all the rungs that they open up. Once the answer is sure, the leader goes to the
    highest rung, and another with it: an answer is checked where it is given.
    """

    @classmethod
    def of(
        cls,
        rungs: Sequence[int],
        goes_on: bool,
        confidence: float | None,
        finished: Mapping[Ask, Result],
        shares: Mapping[str, Sequence[float]],
        indifference: float,
    ) -> RungStanding | None:
        """None if there are not two candidates with trials yet."""
        tried = sorted({ask.variant for ask in finished} & shares.keys())
        if len(tried) < 2:
            return None
        return cls(tried, rungs, goes_on, confidence, finished, shares, indifference)

    def __init__(
        self,
        tried: Sequence[str],
        rungs: Sequence[int],
        goes_on: bool,
        confidence: float | None,
        finished: Mapping[Ask, Result],
        shares: Mapping[str, Sequence[float]],
        indifference: float,
    ) -> None:
        self._tried, self._rungs, self._indifference = tried, tuple(rungs), indifference
        self._confidence = confidence
        self._work = [rung_work(rungs, rung, goes_on=goes_on) for rung in rungs]
        self._number = {variant: i for i, variant in enumerate(tried)}
        self._rung = {rung: k for k, rung in enumerate(rungs)}
        values = levels(finished)
        self._ended = [
            (self._number[ask.variant], ask.seed, self._rung[ask.rung])
            for ask in finished
            if ask.variant in self._number and ask.rung in self._rung
        ]
        self._lines = Lines.collect(
            len(tried),
            len(rungs),
            (
                (*at, values[Ask(tried[at[0]], at[1], self._rungs[at[2]])])
                for at in sorted(self._ended)
            ),
        )
        model = Model(len(tried), np.array([shares[v] for v in tried], dtype=np.float64))
        self._over = OverRungs(tried, rungs, self._lines, model)
        at_top = {
            (self._number[ask.variant], ask.seed): result
            for ask, result in finished.items()
            if ask.variant in self._number and ask.rung == rungs[-1]
        }
        self._luck = luck_with_images(at_top)

    @property
    def repeats(self) -> int:
        """Degrees of freedom of the noise."""
        return self._lines.repeats

    @property
    def posterior(self) -> RungPosterior:
        """Of all candidates at all rungs."""
        return self._over.posterior

    @cached_property
    def _at_top(self) -> Fit:
        return self._over.fit(self._luck)

    @cached_property
    def _chances(self) -> Chances:
        return chances(self._at_top.samples.values, self._indifference)

    @property
    def _leader(self) -> int:
        return int(self._at_top.posterior.expected.argmax())

    @property
    def leader(self) -> str:
        """The candidate that is expected to be best at the highest rung."""
        return self._tried[self._leader]

    @property
    def certainty(self) -> float:
        """Probability that the leader is within the indifference zone at the highest rung."""
        return float(self._chances.within[self._leader])

    @property
    def best(self) -> dict[str, float]:
        """Probability of each candidate to have the highest value at the highest rung."""
        return dict(zip(self._tried, self._chances.best.tolist(), strict=True))

    def clear(self, confidence: float) -> bool:
        """Whether that is enough, and the leader and another have been at the highest rung.

        Of a rung that one alone has been at `recommend` says nothing.
        """
        been = bool(self._been[self._leader])
        return been and self._compared and is_clear(self.repeats, self.certainty, confidence)

    @cached_property
    def _been(self) -> Flags:
        """Which candidates have been at the highest rung, (n,)."""
        been: Flags = self._lines.counts[:, -1] > 0
        return been

    @property
    def _compared(self) -> bool:
        """Whether two candidates have been at the highest rung."""
        return int(self._been.sum()) > 1

    def worth_most(
        self,
        hopeful: Sequence[str],
        running: Set[Ask],
        failed: Set[Ask],
        next_seed: Callable[[str], int],
    ) -> Ask | None:
        """The new line, or the line a rung higher, that says most per unit of work.

        None where nothing can be trained.
        """
        covariance = self._covariance(running)
        mean, top = self.posterior.expected[:, -1], len(self._rungs) - 1
        leader, challenger = rivals(mean, covariance[:, top, :, top], self._indifference)
        covariance = _levels_known(covariance, self._unvisited(running))
        lead = covariance[:, :, leader[0], top] - covariance[:, :, challenger[0], top]
        steps = self._steps(hopeful, running, failed)
        step = self._check(steps, int(challenger[0]), running)
        step = step or self._most_telling(steps, covariance, lead)
        if step is None:
            return None
        variant = self._tried[step.candidate]
        seed = next_seed(variant) if step.seed is None else step.seed
        return Ask(variant, seed, self._rungs[step.gets[0]])

    def _check(self, steps: Sequence[_Step], challenger: int, running: Set[Ask]) -> _Step | None:
        """The shortest way to the highest rung of the leader of a sure answer, or of another.

        None where the answer is not sure yet, or they have been there or are on their way.
        """
        if self._confidence is None or not is_clear(self.repeats, self.certainty, self._confidence):
            return None
        busy = {ask.variant for ask in running}
        there = {ask.variant for ask in running if ask.rung == self._rungs[-1]}
        compared = self._compared or bool(there - {self.leader})
        ways = [
            step
            for step in steps
            if not self._been[step.candidate]
            and self._tried[step.candidate] not in busy
            and (step.candidate == self._leader or not compared)
        ]

        def length(step: _Step) -> tuple[bool, float, bool]:
            work = self._work_of(step.gets)
            return step.candidate != self._leader, work, step.candidate != challenger

        return min(ways, key=length, default=None)

    def _most_telling(
        self, steps: Sequence[_Step], covariance: Floats, lead: Floats
    ) -> _Step | None:
        """The step that takes most of the variance off the lead, per unit of work."""
        best, worth = None, -1.0
        for step in steps:
            own = covariance[step.candidate, :, step.candidate]
            for gets in (step.gets[:end] for end in range(1, len(step.gets) + 1)):
                gain = self._gain(step.has, gets, own, lead[step.candidate])
                work = self._work_of(gets)
                if gain / work > worth:
                    best, worth = step, gain / work
        return best

    def _work_of(self, gets: Sequence[int]) -> float:
        return sum(self._work[rung] for rung in gets)

    def foreseen(self, confidence: float) -> dict[str, float]:
        """Work that it expects yet, in trials of rung 1, in proportion to the chance of being best.

        As much as simulated races took for the odds of a good leader to rise by that much, and at
        least what `clear` asks for beside the odds. A guess, and no simulation.
        """
        lacking = max(0.0, _log_odds(confidence) - _log_odds(self.certainty))
        done = sum(self._work[k] for _, _, k in self._ended)
        another = np.delete(self._been, self._leader).any()
        lines = (not self._been[self._leader]) + (not another)
        least = max(0, MIN_REPEATS - self.repeats) + lines * self._work[-1]
        left = max(least, _PER_LOG_ODDS * lacking * math.sqrt(len(self._tried) * done))
        return dict(zip(self._tried, (left * self._chances.best).tolist(), strict=True))

    def _steps(self, hopeful: Sequence[str], running: Set[Ask], failed: Set[Ask]) -> list[_Step]:
        """What may be trained: a new line of each candidate, and one of its lines at each rung."""
        count = len(self._rungs)
        busy = {(ask.variant, ask.seed) for ask in (*running, *failed)}
        steps = [
            _Step(i, None, (), tuple(range(count)))
            for i, variant in enumerate(self._tried)
            if variant in hopeful
        ]
        seen = set()
        for candidate, seed, known in zip(
            self._lines.candidate.tolist(),
            self._lines.seed.tolist(),
            self._lines.known,
            strict=True,
        ):
            has = tuple(np.flatnonzero(known).tolist())
            gets = tuple(range(has[-1] + 1, count))
            variant = self._tried[candidate]
            if not gets or variant not in hopeful or (variant, seed) in busy:
                continue
            if (candidate, has) in seen:
                continue
            seen.add((candidate, has))  # lines of one candidate that have the same rungs are alike
            steps.append(_Step(candidate, seed, has, gets))
        last = [step for step in steps if step.gets == (count - 1,)]
        failing = any(ask.rung == self._rungs[-1] for ask in failed)
        if not (last and failing) or self._compared:
            return steps
        # Whether any can be trained so long is found out first: lower rungs alone give no answer.
        return [*last, *(s for s in steps if s.candidate == self._leader and s not in last)]

    def _unvisited(self, running: Set[Ask]) -> list[int]:
        """The rungs (numbers) where no candidate has been, nor is on its way."""
        there = {ask.rung for ask in running if ask.variant in self._number}
        seen = self._lines.counts.sum(0)
        return [k for k, rung in enumerate(self._rungs) if not seen[k] and rung not in there]

    def _covariance(self, running: Set[Ask]) -> Floats:
        """That of the posterior, as if the running trials had ended, (n, K, n, K)."""
        covariance = self.posterior.covariance
        shape = covariance.shape
        known = {
            (candidate, seed): tuple(np.flatnonzero(row).tolist())
            for candidate, seed, row in zip(
                self._lines.candidate.tolist(),
                self._lines.seed.tolist(),
                self._lines.known,
                strict=True,
            )
        }
        for ask in sorted(running):
            if ask.variant not in self._number:
                continue
            i, k = self._number[ask.variant], self._rung[ask.rung]
            weights, noise = self._told(known.get((i, ask.seed), ()), (k,))
            column = np.einsum("nkl,l->nk", covariance[:, :, i], weights[0])
            told = float(weights[0] @ column[i]) + noise[0, 0]
            covariance = covariance - np.multiply.outer(column, column).reshape(shape) / told
        return covariance

    def _gain(
        self, has: tuple[int, ...], gets: tuple[int, ...], own: Floats, lead: Floats
    ) -> float:
        """By how much the variance of the lead falls if a line gets further rungs."""
        weights, noise = self._told(has, gets)
        pulled = weights @ lead
        return float(pulled @ np.linalg.solve(weights @ own @ weights.T + noise, pulled))

    def _told(self, has: tuple[int, ...], gets: tuple[int, ...]) -> tuple[Floats, Floats]:
        """What further rungs of a line tell: weights (G, K) of its candidate, and noise (G, G).

        A line that goes on keeps a part of its noise, which what it has shows.
        """
        noise = self.posterior.noise
        weights = np.eye(len(self._rungs))[list(gets)]
        left = noise[np.ix_(gets, gets)]
        if has:
            kept = np.linalg.solve(noise[np.ix_(has, has)], noise[np.ix_(has, gets)]).T
            weights = weights - kept @ np.eye(len(self._rungs))[list(has)]
            left = left - kept @ noise[np.ix_(has, gets)]
        return weights, left


def _levels_known(covariance: Floats, rungs: Sequence[int]) -> Floats:
    """That of the values, at these rungs of their differences from the mean over candidates.

    Where nothing has been the level is not known either, so that one trial tells nothing of
    differences there, and two of different candidates tell twice as much as this says of one.
    """
    centred: Floats = covariance.copy()
    centred[:, rungs] -= centred[:, rungs].mean(0)
    centred[:, :, :, rungs] -= centred[:, :, :, rungs].mean(2, keepdims=True)
    return centred


def _log_odds(probability: float) -> float:
    from scipy.special import logit

    return float(logit(np.clip(probability, *_KNOWN)))


def standing_of(
    rungs: Sequence[int], goes_on: bool, confidence: float | None = None
) -> Callable[..., Standing | None]:
    """What makes a standing of results, shares and indifference, at one rung or several.

    See `Racing` for the arguments; None if there are not two candidates with trials yet.
    """
    if len(rungs) == 1:
        return TrialStanding.of
    return partial(RungStanding.of, rungs, goes_on, confidence)
