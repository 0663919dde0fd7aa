"""The budget triangle: points are shares of depth, width and resolution, corners single axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scalegrid.analysis.region import TRIANGLE, Region, mesh
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
    points: NDArray[np.float64],
    fixed: int,
    most: int,
    axes: Sequence[str] = tuple(CORNERS),
    region: Region = TRIANGLE,
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
        region: what is to be covered, where it is more than the triangle.
    """
    distances = np.linalg.norm(mesh(40, region, _idle(axes))[:, None] - points[None], axis=2)
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


def thinned(points: NDArray[np.float64], misses: Sequence[float], side: float) -> list[int]:
    """Of the (N, 3) shares in each square of ``side`` the index of the one that misses least."""
    squares = np.floor(points[:, :2] / side + 0.5).astype(int).tolist()
    best: dict[tuple[int, ...], int] = {}
    for index in np.argsort(misses, kind="stable"):
        best.setdefault(tuple(squares[index]), int(index))
    return sorted(best.values())


def largest_gap(
    points: NDArray[np.float64],
    axes: Sequence[str] = tuple(CORNERS),
    divisions: int = 60,
    region: Region = TRIANGLE,
) -> float:
    """The largest distance from a point of the triangle to the nearest of (N, 3) shares.

    A wider ``region`` takes the triangle's place. Where only two ``axes`` scale, it is an edge. NaN
    (a network as large as the baseline) is at no point.
    """
    points = points[~np.isnan(points).any(axis=1)]
    if not len(points):
        return math.sqrt(2)
    lattice = mesh(divisions, region, _idle(axes))
    distances = np.linalg.norm(lattice[:, None, :] - points[None, :, :], axis=2)
    return float(distances.min(axis=1).max())


def _idle(axes: Sequence[str]) -> list[int]:
    """The axes that do not scale, by their numbers."""
    return [number for number, axis in enumerate(CORNERS) if axis not in axes]
