"""What a sweep at φ = 1 knows of larger φ: the coefficients that it cannot tell apart.

Rounding builds one network of a whole interval of α, and of β, and of γ. At φ these are raised to
the power φ, so what is one network at φ = 1 becomes many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import NamedTuple

from scalegrid.coefficients import LIMIT, Coefficients, Scaling
from scalegrid.family.sizes import Terms
from scalegrid.family.start import Start
from scalegrid.plan.steps import PRECISION, step_at
from scalegrid.plan.variants import channels, layers
from scalegrid.spec import LARGEST_FACTOR

WIDE = 2.0
"""A ratio of the ends of a range of FLOPs above which it is wide: a whole φ of the paper."""


class Interval(NamedTuple):
    """The least and the largest coefficients that build the same network at the φ of a sweep."""

    low: Coefficients
    high: Coefficients


class Range(NamedTuple):
    """What the ends of an interval build at φ: FLOPs, px, and the rows of their layer tables."""

    phi: float
    flops_low: int
    flops_high: int
    resolution_low: int
    resolution_high: int
    layers_low: str
    layers_high: str
    channels_low: str
    channels_high: str

    @property
    def spread(self) -> float:
        """FLOPs of the largest over those of the smallest."""
        return self.flops_high / self.flops_low


def interval(start: Start, coefficients: Coefficients, phi: float = 1.0) -> Interval:
    """All coefficients that build, at the φ of a sweep, what these do.

    An axis that a sweep at φ = 1 leaves unscaled may be anything that rounds to nothing.
    """
    scaling = start.scaling(coefficients, phi)
    up = coefficients.flops_factor > 1
    ends = [
        _step(start.baseline.depths, scaling.depth, up),
        _step(start.baseline.channels, scaling.width, up),
        _side(start, scaling.resolution, up),
    ]
    low, high = zip(*(sorted(end ** (1 / phi) for end in pair) for pair in ends), strict=True)
    return Interval(Coefficients(*low), Coefficients(*high))


def _step(realise: Callable[[float], Hashable], multiplier: float, up: bool) -> tuple[float, float]:
    up = multiplier > 1 or (multiplier == 1 and up)
    step = step_at(realise, multiplier, LIMIT if up else 1 / LIMIT)
    if step.endless and 1 in step:
        return 1.0, 1.0  # the network does not scale along this axis
    return min(step.low, multiplier), max(step.high, multiplier)


def _side(start: Start, multiplier: float, up: bool) -> tuple[float, float]:
    """The multipliers of the resolution that round to the same px."""
    side, half = start.side(multiplier), start.step / 2
    low, high = (side - half) / start.resolution, (side + half) / start.resolution
    high -= PRECISION  # a half is rounded up
    if multiplier > 1 or (multiplier == 1 and up):
        low = max(1.0, low)
    else:
        high = min(1.0, high)
    return min(low, multiplier), max(high, multiplier)


def range_at(start: Start, known: Interval, phi: float) -> Range:
    """What the ends of an interval build at φ.

    Raises:
        UserError: one of them is no network.
    """
    ends = sorted((_within_limits(end.scaling(phi)) for end in known), key=start.cost)
    costs = [start.cost(scaling).flops for scaling in ends]
    sides = [start.side(scaling.resolution) for scaling in ends]
    low, high = (start.baseline.layout(scaling.depth, scaling.width) for scaling in ends)
    return Range(
        phi,
        *(costs[0], costs[1]),
        *(sides[0], sides[1]),
        *(layers(low), layers(high)),
        *(channels(low), channels(high)),
    )


def _within_limits(scaling: Scaling) -> Scaling:
    """Of an end that no network passes, the largest or smallest multipliers that are considered."""
    return Scaling(*(min(max(multiplier, 1 / LIMIT), LIMIT) for multiplier in scaling))


class Narrower(NamedTuple):
    """A sweep at a larger F that leaves less open: its F, and the spread at φ that it leaves."""

    flops_factor: float
    spread: float


def narrower(terms: Terms, swept: Start, phi: float) -> Narrower | None:
    """The smallest F of a sweep that would leave less than `WIDE` at φ, or the largest there is.

    It is what a sweep with the same answer would know: α^k, β^k and γ^k to a step, k = log F' over
    log F. None where no F leaves less.

    Args:
        terms: of the family.
        swept: the network at φ = 0 at the px of the sweep.
        phi: at which the range is wide.
    """
    most = math.log(LARGEST_FACTOR) / abs(math.log(terms.flops_factor))
    best: Narrower | None = None
    for k in (1.5, 2.0, 3.0, 4.0):
        if k > most + 1e-9:
            break
        spread = range_at(terms.start, interval(swept, terms.coefficients, k), phi).spread
        if best is None or spread < best.spread:
            best = Narrower(terms.flops_factor**k, spread)
        if spread <= WIDE:
            break
    return best
