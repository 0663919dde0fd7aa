"""From joint samples of the candidates' true values to probabilities about which is best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalegrid.analysis.observations import Floats, Ints

SAMPLES = 10_000
"""Joint samples behind every printed probability: a standard error of at most half a point."""


@dataclass(frozen=True)
class Chances:
    """Per candidate: the probability of being best, and of being within the zone of the best."""

    best: Floats
    within: Floats


def chances(values: Floats, indifference: float) -> Chances:
    """Count over samples (count, n); samples with several best candidates are shared out equally.

    ``best`` sums to one. A candidate is within if it is less than or exactly ``indifference`` below
    the best of its sample.
    """
    top = values.max(1, keepdims=True)
    best = values == top
    slack = 1e-12 * float(np.abs(values).max(initial=0.0))
    return Chances(
        (best / best.sum(1, keepdims=True)).mean(0),
        (values >= top - indifference - slack).mean(0),
    )


def tie_set(best: Floats, level: float = 0.95) -> Ints:
    """The fewest candidates that together hold ``level`` of the probability, likeliest first."""
    order = np.argsort(-best, kind="stable")
    enough = int(np.searchsorted(np.cumsum(best[order]), level - 1e-12)) + 1
    return order[:enough].astype(np.int64)


def interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """The central interval that holds ``level`` of the draws."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


MIN_REPEATS = 4
"""Trials beyond the first of each candidate before the noise counts as seen."""


def is_clear(repeats: int, within: float, confidence: float) -> bool:
    """Whether an answer is clear: probably good enough, by a noise that has been seen."""
    return repeats >= MIN_REPEATS and within >= confidence
