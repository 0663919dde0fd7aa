"""The budget triangle: points are shares of depth, width and resolution, corners single axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scalegrid.coefficients import Shares

CORNERS = {"depth": Shares(1, 0, 0), "width": Shares(0, 1, 0), "resolution": Shares(0, 0, 1)}


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


def simplex(divisions: int) -> list[Shares]:
    """The points of the budget triangle whose shares are multiples of 1/``divisions``."""
    n = divisions
    pairs = ((i, j) for i, j in product(range(n + 1), repeat=2) if i + j <= n)
    return [Shares(i / n, j / n, (n - i - j) / n) for i, j in pairs]


def largest_gap(points: NDArray[np.float64], divisions: int = 60) -> float:
    """The largest distance from a point of the triangle to the nearest of (N, 3) shares."""
    lattice = np.array(simplex(divisions))
    distances = np.linalg.norm(lattice[:, None, :] - points[None, :, :], axis=2)
    return float(distances.min(axis=1).max())
