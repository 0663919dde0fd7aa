"""Student's t, for intervals by a noise that is pooled over variants."""

from __future__ import annotations

import math

FEWEST_DEGREES = 2
"""Degrees of freedom that an interval needs: with one, t is 12.7, and the noise itself a guess."""


def t_point(degrees: int) -> float:
    """The 97.5 % point of Student's distribution; NaN with too few degrees of freedom."""
    if degrees < FEWEST_DEGREES:
        return math.nan
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))
