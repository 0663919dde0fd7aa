"""Rounding turns a multiplier into a step function; this finds its steps and their exact ends."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from scalegrid.coefficients import LIMIT

PRECISION = 1e-7
"""How closely the ends of a step are located; finding one that needs networks built is not free."""


class Step(NamedTuple):
    """A range of multipliers that realise the same thing: both ends do, just outside does not.

    One end is 1 where the step reaches across 1, since an axis is scaled either up or down.
    """

    low: float
    high: float

    @property
    def endless(self) -> bool:
        """Whether it goes on to the largest or the smallest multiplier."""
        return self.high == LIMIT or self.low == 1 / LIMIT


def step_at(realise: Callable[[float], Hashable], at: float, end: float = LIMIT) -> Step:
    """The step that the multiplier ``at`` lies on, its ends located to `PRECISION`.

    Args:
        realise: a step function of the multiplier; no value returns once it has been left.
        at: between 1 and ``end``.
        end: `LIMIT` to scale up, 1 / `LIMIT` to scale down.
    """
    near = at if at == 1 else _last_alike(realise, at, 1.0)
    far = _last_alike(realise, at, end)
    return Step(min(near, far), max(near, far))


def all_steps(realise: Callable[[float], Hashable], until: float) -> list[Step]:
    """Every step from 1 up or down to the one that ``until`` lies on; arguments as in `step_at`."""
    sign = 1 if until >= 1 else -1
    end = LIMIT**sign
    steps: list[Step] = []
    at = 1.0
    while sign * (min(until, LIMIT) - at) >= 0 and sign * (end - at) >= 0:
        far = _last_alike(realise, at, end)
        steps.append(Step(min(at, far), max(at, far)))
        at = far + sign * PRECISION
    return steps


def _last_alike(realise: Callable[[float], Hashable], start: float, end: float) -> float:
    """The multiplier nearest ``end`` that realises what ``start`` does."""
    here = realise(start)
    inside, stride = start, (1 / 64 if end > start else -1 / 64)
    while True:
        beyond = inside + stride
        if (beyond - end) * stride >= 0:
            if realise(end) == here:
                return end
            outside = end
            break
        if realise(beyond) != here:
            outside = beyond
            break
        inside, stride = beyond, 2 * stride
    while abs(outside - inside) > PRECISION:
        middle = (inside + outside) / 2
        if realise(middle) == here:
            inside = middle
        else:
            outside = middle
    return inside
