"""Whether the order of brief trainings is that of long ones, as far as the trials show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.rungs import Lines, RungModel, RungPosterior
from scalegrid.analysis.selection import chances, interval

_DRAWS = 4_000

HELD, LOST = 0.5, 0.5
"""An order holds if the interval of τ lies above: three of four pairs are then in the same order.

It does not if the interval lies below.
"""


class Tau(NamedTuple):
    """Kendall's τ of the candidates' true values at a rung and at the highest, 95 % interval.

    The part of pairs of candidates in the same order, less the part in the reverse order. Noise of
    seeds is no part of it: it is that of joint draws of the true values.
    """

    rung: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What the trials at several rungs say of the brief answer.

    ``taus`` are of every rung but the highest. ``brief`` is the candidate (its number) that the
    trials of the first rung alone would choose, ``late`` the one that all trials choose for the
    highest; ``good`` is the probability that ``brief`` is within the zone of the best at the
    highest rung. ``expected``, ``low`` and ``high`` are the true values at each rung, (n, K).
    """

    rungs: tuple[int, ...]
    taus: tuple[Tau, ...]
    brief: int
    late: int
    good: float
    expected: Floats
    low: Floats
    high: Floats
    lines: Lines

    @property
    def held(self) -> bool | None:
        """Whether the order of the first rung is that of the highest; None if it is not known."""
        first = self.taus[0]
        if first.low > HELD:
            return True
        return False if first.high < LOST else None


class OverRungs:
    """The candidates at several rungs, from their lines; ``brief`` are means of rung 1 alone.

    Args:
        rungs: multiples of the brief budget, rising.
        lines: the trials, of two candidates or more.
        shares: the candidates' budget shares, (n, 3).
        brief: what the trials of the first rung alone say of each candidate, (n,).
    """

    def __init__(self, rungs: Sequence[int], lines: Lines, shares: Floats, brief: Floats) -> None:
        self._rungs, self._lines, self._brief = tuple(rungs), lines, brief
        self._model = RungModel(Model(lines.size, shares), len(rungs))

    @cached_property
    def posterior(self) -> RungPosterior:
        """Of all candidates at all rungs."""
        return self._model.posterior(self._lines)

    def verdict(self, indifference: float) -> Verdict:
        """Whether the brief answer holds at the highest rung, within a zone of the values' unit."""
        draws = self.posterior.sample(_DRAWS, np.random.default_rng(0))
        late = int(self.posterior.expected[:, -1].argmax())
        brief = int(self._brief.argmax())
        within = chances(draws[:, :, -1], indifference).within
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        return Verdict(
            rungs=self._rungs,
            taus=tuple(
                _tau(rung, draws[:, :, k], draws[:, :, -1])
                for k, rung in enumerate(self._rungs[:-1])
            ),
            brief=brief,
            late=late,
            good=float(within[brief]),
            expected=self.posterior.expected,
            low=low,
            high=high,
            lines=self._lines,
        )


def _tau(rung: int, here: Floats, top: Floats) -> Tau:
    drawn = kendall(here, top)
    return Tau(rung, float(drawn.mean()), *interval(drawn))


def kendall(first: Floats, second: Floats) -> Floats:
    """Kendall's τ (1938) of each row of ``first`` with that of ``second``, (rows, n) → (rows,)."""
    one, two = np.triu_indices(first.shape[1], 1)
    same = np.sign(first[:, one] - first[:, two]) * np.sign(second[:, one] - second[:, two])
    found: Floats = same.mean(1)
    return found
