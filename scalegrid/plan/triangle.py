"""The budget triangle: points are shares of depth, width and resolution, corners single axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scalegrid.coefficients import Shares

CORNERS = {"depth": Shares(1, 0, 0), "width": Shares(0, 1, 0), "resolution": Shares(0, 0, 1)}

_COVERED = 0.01
_TWIN = 0.5


def nearest(points: NDArray[np.float64], target: Shares) -> int:
    """Index of the (N, 3) shares nearest ``target``; the first of equals."""
    distances = np.linalg.norm(points - np.array(target), axis=1)
    return int(np.argmin(np.round(distances, 12)))


def farthest_first(points: NDArray[np.float64], chosen: Sequence[int], count: int) -> list[int]:
    """Farthest-first traversal: ``chosen``, then always the point farthest from all before it.

    Each prefix covers the triangle about as evenly as that many points can, and asking for more
    never drops one (Gonzalez 1985: within a factor of two of the best cover).

    Args:
        points: (N, 3) shares.
        chosen: indices to begin with; at least one.
        count: how many to return, `chosen` included.
    """
    order = list(chosen)
    gaps = np.full(len(points), np.inf)
    for index in order:
        gaps = np.minimum(gaps, np.linalg.norm(points - points[index], axis=1))
    while len(order) < min(count, len(points)):
        gaps[order] = -1.0
        index = int(np.argmax(np.round(gaps, 12)))
        order.append(index)
        gaps = np.minimum(gaps, np.linalg.norm(points - points[index], axis=1))
    return order


def cover(
    points: NDArray[np.float64], fixed: int, most: int, axes: Sequence[str] = tuple(CORNERS)
) -> list[int]:
    """Indices of few points that cover the triangle: the ``fixed`` first ones, then the best each.

    The best is the point that most reduces the mean square distance from anywhere in the triangle
    to the nearest chosen point (greedy k-means of the triangle), so points inside come before
    points on an edge, and near twins are not taken. It ends where the chosen leave 1 % of what all
    points can reduce, and before two would be closer than half the median distance of neighbours.
    Asking for more never drops one.

    Args:
        points: (N, 3) shares.
        fixed: how many to begin with; at least one.
        most: how many to return at most, the fixed included.
        axes: those that scale; of two the triangle is an edge.
    """
    distances = np.linalg.norm(_lattice(40, axes)[:, None] - points[None], axis=2)
    between = np.linalg.norm(points[:, None] - points[None], axis=2)
    order, nearest = list(range(fixed)), distances[:, :fixed].min(1)
    start, least = (nearest**2).mean(), (distances.min(1) ** 2).mean()
    apart = fixed
    while len(order) < min(most, len(points)):
        if (nearest**2).mean() - least <= _COVERED * (start - least):
            break
        left = (np.minimum(nearest[:, None], distances) ** 2).mean(0)
        left[order] = np.inf
        twin = _twins(between, order, fixed)
        if not (twin | np.isinf(left)).all():
            left[twin] = np.inf
        order.append(int(np.argmin(np.round(left, 12))))
        nearest = np.minimum(nearest, distances[:, order[-1]])
        apart = apart if twin[order[-1]] else len(order)
    return order[:apart]


def _twins(between: NDArray[np.float64], order: list[int], fixed: int) -> NDArray[np.bool_]:
    """Whether each of N points would make two that are too close; the fixed ones may be."""
    to_chosen = between[:, order]  # (N, n)
    among = between[np.ix_(order, order)] + np.diag([np.inf] * len(order))
    neighbours = np.minimum(among.min(1, initial=np.inf), to_chosen)
    own = to_chosen.min(1, keepdims=True)
    median = np.median(np.concatenate([neighbours, own], axis=1), axis=1)
    added = np.concatenate([neighbours[:, fixed:], own], axis=1).min(1)
    close: NDArray[np.bool_] = added < _TWIN * median
    return close


def simplex(divisions: int) -> list[Shares]:
    """The points of the budget triangle whose shares are multiples of 1/``divisions``."""
    n = divisions
    pairs = ((i, j) for i, j in product(range(n + 1), repeat=2) if i + j <= n)
    return [Shares(i / n, j / n, (n - i - j) / n) for i, j in pairs]


def largest_gap(
    points: NDArray[np.float64], axes: Sequence[str] = tuple(CORNERS), divisions: int = 60
) -> float:
    """The largest distance from a point of the triangle to the nearest of (N, 3) shares.

    Where only two ``axes`` scale, the triangle is an edge. NaN (a network as large as the baseline)
    is at no point.
    """
    points = points[~np.isnan(points).any(axis=1)]
    if not len(points):
        return math.sqrt(2)
    lattice = _lattice(divisions, axes)
    distances = np.linalg.norm(lattice[:, None, :] - points[None, :, :], axis=2)
    return float(distances.min(axis=1).max())


def _lattice(divisions: int, axes: Sequence[str]) -> NDArray[np.float64]:
    """Points all over the triangle, or over the edge of two axes."""
    idle = [axis for axis in CORNERS if axis not in axes]
    points = (s for s in simplex(divisions) if not any(getattr(s, axis) for axis in idle))
    return np.array(list(points))
