"""What a race may come to before it has any trial: simulated races of known noise and spread.

Candidates are exchangeable, and noise, spread and the agreement of rungs are known, so that what is
known of a candidate is one normal distribution over the lengths of training, whatever is known of
the others. A response surface would help, and unknown variances hinder; neither takes part.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.observations import Flags, Floats, Ints
from scalegrid.analysis.repeat import challenger_of

_RACES = 500
"""Simulated at once: the standard error of a probability is 0.02 at most."""

HORIZON = 20
"""Trials a candidate beyond which the future is not imagined."""

_FINER = 1.05
"""The work between looks grows by this."""


@dataclass(frozen=True)
class Imagined:
    """A race over K rungs.

    ``candidates`` take part, of a ``population`` of which the best is to be found. ``costs`` (K,)
    are the work of a line at each rung, coming from the one before. ``between`` is the covariance
    of a candidate's true values at the rungs and, in one more row, after the long training that
    they stand for; none where that is the highest rung. ``noise`` is the variance of a trial, and
    ``seeds`` are the first trials of each candidate.
    """

    candidates: int
    population: int
    costs: tuple[float, ...]
    between: Floats
    noise: float
    indifference: float
    seeds: int = 1


class Prospect(NamedTuple):
    """What to expect of a race.

    ``top`` and ``long`` are the probabilities that its leader is within the zone of the best of the
    population, at the highest rung and after the long training. ``trials`` (K,) are those of
    candidates at each rung, in the mean.
    """

    top: float
    long: float
    trials: tuple[float, ...]


def prospect(race: Imagined, work: float, most_trials: float = inf) -> Prospect:
    """What to expect after so much work, or so many trials of candidates; more promise no less.

    With less work than first trials take, as many candidates take part as it allows.
    """
    first = race.seeds * race.costs[0]
    racers = int(max(1, min(race.candidates, work / first, most_trials / race.seeds)))
    races = _Races(race, racers)
    spent, made, good = [races.spent.copy()], [races.made.copy()], [races.good()]
    while (spent[-1] <= work).any() and (made[-1].sum(1) <= most_trials).any():
        if racers < 2 or made[-1].sum(1).mean() > HORIZON * racers:
            break
        races.advance()
        spent.append(races.spent.copy())
        made.append(races.made.copy())
        good.append(races.good())
    ended = np.maximum(np.array(spent) / (1 + 1e-9), 0.0)
    within = np.array(made).sum(2) <= most_trials
    best = np.zeros(2)
    limit, everyone = racers * first, np.arange(_RACES)
    while limit <= work * (1 + 1e-9):
        last = np.maximum(((ended <= limit) & within).sum(0) - 1, 0)
        best = np.maximum(best, np.array(good)[last, everyone].mean(0))
        if (last == len(spent) - 1).all():
            break
        limit *= _FINER
    last = np.maximum(((ended <= work) & within).sum(0) - 1, 0)
    trials = np.array(made)[last, everyone].mean(0)
    return Prospect(float(best[0]), float(best[1]), tuple(trials.tolist()))


class _Races:
    """Many races at once, each after the first trials of its candidates.

    ``spent`` (races,) is the work so far, ``made`` (races, K) the trials at each rung.
    """

    def __init__(self, race: Imagined, racers: int) -> None:
        self._race, self._costs = race, np.array(race.costs)
        self._top = len(race.costs) - 1
        lengths = len(race.between)
        generator = self._generator = np.random.default_rng(0)
        root = np.linalg.cholesky(race.between + 1e-9 * np.trace(race.between) * np.eye(lengths))
        normal = generator.standard_normal((_RACES, race.population, lengths))
        noise = generator.standard_normal((race.seeds, _RACES, race.population))
        self._truth = normal @ root.T
        self._mean = np.zeros((_RACES, racers, lengths))
        self._covariance = np.tile(race.between, (_RACES, racers, 1, 1))
        self._lines = np.zeros((_RACES, racers, len(race.costs)), dtype=np.int64)
        self._rows = np.arange(_RACES)
        self.spent = np.zeros(_RACES)
        self.made = np.zeros((_RACES, len(race.costs)), dtype=np.int64)
        for seed in range(race.seeds):
            for one in range(racers):
                chosen = np.full(_RACES, one)
                self._told(chosen, 0, noise[seed, :, one], np.ones(_RACES, dtype=np.bool_))

    def advance(self) -> None:
        """One more line to some rung in each: what tells most of the lead, per unit of work."""
        top, rows = self._top, self._rows
        mean, variance = self._mean[:, :, top], self._covariance[:, :, top, top]
        leader: Ints = mean.argmax(1)[:, None]
        rival = challenger_of(leader, mean, variance, 0.0, self._race.indifference)
        pair = np.concatenate([leader, rival], axis=1)  # (races, 2)
        own = self._covariance[rows[:, None], pair]
        count = top + 1
        told = np.diagonal(own, axis1=2, axis2=3)[:, :, :count] + self._race.noise
        work, start = self._reach(self._lines[rows[:, None], pair])
        worth = (own[:, :, top, :count] ** 2 / told / work).reshape(len(rows), -1)
        which, rung = np.divmod(worth.argmax(1), count)
        chosen, begins = pair[rows, which], start[rows, which, rung]
        for k in range(count):
            noise = self._generator.standard_normal(len(rows))
            self._told(chosen, k, noise, (begins <= k) & (k <= rung))

    def good(self) -> Flags:
        """Whether the leaders are within the zone, at the top and after the long training."""
        leader = self._mean[:, :, self._top].argmax(1)
        ends = self._truth[:, :, [self._top, -1]]
        good: Flags = ends[self._rows, leader] >= ends.max(1) - self._race.indifference
        return good

    def _reach(self, lines: Ints) -> tuple[Floats, Ints]:
        """To have one more line at each rung: the work, and the rung where it begins."""
        work, start = np.empty(lines.shape), np.zeros(lines.shape, dtype=np.int64)
        for k, cost in enumerate(self._costs):
            if k == 0:
                work[..., k] = cost
                continue
            free = lines[..., k - 1] > lines[..., k]
            work[..., k] = cost + np.where(free, 0.0, work[..., k - 1])
            start[..., k] = np.where(free, k, start[..., k - 1])
        return work, start

    def _told(self, chosen: Ints, rung: int, noise: Floats, there: Flags) -> None:
        """Take in a trial at a rung of one candidate in each race where there is one."""
        rows = self._rows
        own = self._covariance[rows, chosen]
        column = own[:, :, rung]
        gain = column / (own[:, rung, rung] + self._race.noise)[:, None] * there[:, None]
        value = self._truth[rows, chosen, rung] + np.sqrt(self._race.noise) * noise
        self._mean[rows, chosen] += gain * (value - self._mean[rows, chosen, rung])[:, None]
        self._covariance[rows, chosen] = own - gain[:, :, None] * column[:, None, :]
        self._lines[rows, chosen, rung] += there
        self.spent += self._costs[rung] * there
        self.made[:, rung] += there
