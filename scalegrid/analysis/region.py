"""Where candidates may lie: the triangle of budget shares, and beyond it.

Shares sum to one. Where one axis shrinks while others grow, its share is below 0 and another's may
be above 1, so the point lies outside the triangle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.observations import Floats
from scalegrid.coefficients import Shares

_MARGIN = 1e-9

_WIDE = 1.5
"""The side of a region, in sides of the triangle, from which on a mesh has no more points."""


class Region(NamedTuple):
    """The points whose shares lie between two limits of each axis."""

    low: Shares
    high: Shares

    @property
    def beyond(self) -> bool:
        """Whether it reaches beyond the triangle."""
        return min(self.low) < -_MARGIN or max(self.high) > 1 + _MARGIN


TRIANGLE = Region(Shares(0, 0, 0), Shares(1, 1, 1))


def widened(points: Floats) -> Region:
    """The triangle, and beyond it as far as shares (n, 3) go; rows of NaN have no place."""
    known = points[np.isfinite(points).all(1)]
    low, high = known.min(0, initial=0.0), known.max(0, initial=1.0)
    return Region(Shares(*low.tolist()), Shares(*high.tolist()))


def spacing(divisions: int, region: Region = TRIANGLE) -> float:
    """The step of `mesh` along each axis: 1 / ``divisions``, or wider in a wide region."""
    first, second, _ = sorted(high - low for low, high in zip(*region, strict=True))
    return max(1.0, math.sqrt(first * second) / _WIDE) / divisions


def mesh(divisions: int, region: Region = TRIANGLE, idle: Sequence[int] = ()) -> Floats:
    """Points all over a region, shares (k, 3), or over its edge where an axis is ``idle``.

    Args:
        divisions: steps along a side of the triangle; fewer where the region is wide.
        region: the limits of the shares.
        idle: axes that cannot be scaled and have no share (0 depth, 1 width, 2 resolution).
    """
    if not region.beyond:
        points = np.array(simplex(divisions))
        edge: Floats = points[(points[:, list(idle)] == 0).all(1)]
        return edge
    step = spacing(divisions, region)
    axes = [
        np.zeros(1) if axis in idle else step * np.arange(*_whole(low / step, high / step))
        for axis, (low, high) in enumerate(zip(*region, strict=True))
    ]
    last = max(set(range(3)) - set(idle))
    axes[last] = np.zeros(1)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    points[:, last] = 1 - points.sum(1)
    low, high = np.array(region)
    inside: Floats = points[((points >= low - _MARGIN) & (points <= high + _MARGIN)).all(1)]
    return inside


def simplex(divisions: int, region: Region = TRIANGLE) -> list[Shares]:
    """The points of a region whose shares are multiples of 1 / ``divisions``."""
    n = divisions
    depths, widths, rest = (
        range(*_whole(low * n, high * n)) for low, high in zip(*region, strict=True)
    )
    pairs = ((i, j) for i, j in product(depths, widths) if n - i - j in rest)
    return [Shares(i / n, j / n, (n - i - j) / n) for i, j in pairs]


def _whole(low: float, high: float) -> tuple[int, int]:
    """The first whole number from ``low`` on, and the first beyond ``high``."""
    return math.ceil(low - _MARGIN), math.floor(high + _MARGIN) + 1
