"""The network nearest the coefficients' direction that really costs what φ asks for.

Rounding makes the formula's FLOPs drift from F^φ. So networks around the formula's are costed, as
`plan.matched` does at φ = 1, those within a tolerance of the budget are kept, and of these the one
whose measured budget shares are nearest the coefficients' is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

from scalegrid.coefficients import LIMIT, Scaling
from scalegrid.cost.counting import Cost
from scalegrid.family.phis import counted, solve
from scalegrid.family.sizes import Terms
from scalegrid.plan.realisable import cost_ratios, nearest_in_direction
from scalegrid.plan.steps import PRECISION, step_at

_T = TypeVar("_T")

_AROUND = (1.3, 1.6, 2.6)
"""How far depth may be from the formula's, by turns; width and resolution by the root of it."""

_MOST = {True: 64, False: 12}
"""Depths, widths and resolutions that are costed, where layers are known and where not."""


class Found(NamedTuple):
    """Multipliers of a network, and whether its cost is within the tolerance of the budget."""

    scaling: Scaling
    matched: bool


def exact(terms: Terms, budget: float, kind: str = "flops") -> Found:
    """The network of cost ``budget`` nearest the coefficients' direction on the triangle.

    Where none is within the tolerance it is the nearest in cost, which is not ``matched``.

    Args:
        terms: of the family.
        budget: of the cost that is to be met.
        kind: a field of `cost.Cost`.
    """
    start = terms.start
    own = start.own_cost[Cost._fields.index(kind)]
    if own == budget:
        return Found(Scaling(1.0, 1.0, 1.0), True)
    phi = solve(start, terms.coefficients, budget, counted(start, kind))
    centre = start.scaling(terms.coefficients, phi)
    best: tuple[float, Found] | None = None
    for around in _AROUND:
        window = _window(terms, centre, around, budget > own)
        best = _best(terms, window, budget, kind)
        # What lies outside the window is about as far from the direction as its rim.
        if best[1].matched and best[0] <= math.log2(around) / abs(math.log2(budget / own)):
            break
    assert best is not None
    return best[1]


class _Window(NamedTuple):
    """Multipliers of depth and width, and px, that are tried; the baseline's are the first."""

    depths: list[float]
    widths: list[float]
    sides: list[int]


def _window(terms: Terms, centre: Scaling, around: float, larger: bool) -> _Window:
    """What lies within a factor of the formula's network, on one side of the baseline."""
    start = terms.start
    most = _MOST[start.costs.known]
    # An axis that the formula leaves alone may help, on the side of the others.
    ups = [c > 1 or (c == 1 and larger) for c in centre]
    factors = (around, math.sqrt(around), math.sqrt(around))
    spans = [
        (max(1.0, c / f), min(LIMIT, c * f)) if up else (max(1 / LIMIT, c / f), min(1.0, c * f))
        for c, f, up in zip(centre, factors, ups, strict=True)
    ]
    depths = _multipliers(start.baseline.depths, centre.depth, spans[0], ups[0])
    widths = _multipliers(start.baseline.channels, centre.width, spans[1], ups[1])
    low, high = (start.resolution * end for end in spans[2])
    low = max(low, start.baseline.total_stride)
    first = start.rest + start.step * math.ceil((low - start.rest) / start.step)
    sides = [side for side in range(first, int(high) + 1, start.step) if side != start.resolution]
    return _Window(
        [1.0, *_few(depths, most)],
        [1.0, *_few(widths, most)],
        [start.resolution, *_few(sides, most)],
    )


def _multipliers(
    realise: Callable[[float], Hashable], centre: float, span: tuple[float, float], up: bool
) -> list[float]:
    """Of each step within the span the multiplier nearest the centre; none of the baseline's."""
    found, at = [], span[0]
    while at <= span[1]:
        step = step_at(realise, at, LIMIT if up else 1 / LIMIT)
        if not step.low <= 1 <= step.high:
            found.append(min(max(step.low, centre), step.high))
        at = step.high + PRECISION
    return found


def _few(values: list[_T], most: int) -> list[_T]:
    """At most so many, evenly over all."""
    if len(values) <= most:
        return values
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _best(terms: Terms, window: _Window, budget: float, kind: str) -> tuple[float, Found]:
    """The distance from the coefficients' shares, and the network."""
    table = terms.start.costs.table(*window)
    ratios = cost_ratios(table, kind)
    factor = budget / table[0, 0, 0, Cost._fields.index(kind)]
    shares = terms.coefficients.shares()
    (d, w, p), away, matched = nearest_in_direction(table, ratios, factor, terms.tolerance, shares)
    scale = window.sides[p] / terms.start.resolution
    return away, Found(Scaling(window.depths[d], window.widths[w], scale), matched)
