"""Rounding turns a multiplier into a step function; this finds its steps and their exact ends."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

LIMIT = 64.0
"""The largest multiplier considered: a step that goes on to here is taken to go on for ever."""


PRECISION = 1e-7
"""How closely the ends of a step are located; finding one that needs networks built is not free."""


class Step(NamedTuple):
    """A range of multipliers that realise the same thing: both ends do, just outside does not.

    ``low`` is 1 where the step reaches below 1, since no axis is ever scaled down.
    """

    low: float
    high: float


def step_at(realise: Callable[[float], Hashable], at: float) -> Step:
    """The step that the multiplier ``at`` lies on, its ends located to `PRECISION`.

    Args:
        realise: a step function of the multiplier; no value returns once it has been left.
        at: at least 1.
    """
    low = at if at == 1 else _last_alike(realise, at, 1.0)
    return Step(low, _last_alike(realise, at, LIMIT))


def all_steps(realise: Callable[[float], Hashable], until: float) -> list[Step]:
    """Every step from 1 up to the one that ``until`` lies on; arguments as in `step_at`."""
    steps: list[Step] = []
    low = 1.0
    while low <= min(until, LIMIT):
        high = _last_alike(realise, low, LIMIT)
        steps.append(Step(low, high))
        low = high + PRECISION
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
