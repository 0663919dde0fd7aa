"""Whether the order of brief trainings is that of long ones, as far as the trials show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from scalegrid.analysis.observations import Floats
from scalegrid.analysis.over_rungs import OverRungs
from scalegrid.analysis.rungs import Lines
from scalegrid.analysis.selection import chances, interval
from scalegrid.analysis.surface import Fit

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

    ``taus`` are of every rung but the highest. ``brief`` is the number of the candidate that the
    trials of the first rung alone would choose, ``late`` of the one that all trials choose for the
    highest; ``good`` is the probability that ``brief`` is within the zone of the best at the
    highest rung; the luck with the images counts. ``variants`` are the ids by number. ``expected``,
    ``low`` and ``high`` are the true values at each rung, (n, K), on the images there are, of which
    ``taus`` are as well.
    """

    variants: tuple[str, ...]
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

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "rungs": list(self.rungs),
            "held": self.held,
            "taus": [tau._asdict() for tau in self.taus],
            "brief_leader": self.variants[self.brief],
            "leader": self.variants[self.late],
            "brief_leader_within_indifference": self.good,
        }


def verdict(over: OverRungs, fitted: Fit, brief: int, indifference: float) -> Verdict:
    """Whether the brief answer holds at the highest rung.

    Args:
        over: the candidates at all rungs.
        fitted: of these at the highest, which the recommendation goes by.
        brief: the number of the candidate that the trials of the first rung alone would choose.
        indifference: the zone, in the values' unit.
    """
    draws = over.posterior.sample(_DRAWS, np.random.default_rng(0))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return Verdict(
        variants=over.variants,
        rungs=over.rungs,
        taus=tuple(
            _tau(rung, draws[:, :, k], draws[:, :, -1]) for k, rung in enumerate(over.rungs[:-1])
        ),
        brief=brief,
        late=int(fitted.posterior.expected.argmax()),
        good=float(chances(fitted.samples.values, indifference).within[brief]),
        expected=over.posterior.expected,
        low=low,
        high=high,
        lines=over.lines,
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
