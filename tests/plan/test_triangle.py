import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scalegrid.analysis.region import simplex
from scalegrid.plan.triangle import cover, farthest_first, largest_gap, nearest

Points = NDArray[np.float64]


@st.composite
def clouds(draw: st.DrawFn) -> Points:
    seed = draw(st.integers(0, 2**32 - 1))
    size = draw(st.integers(2, 60))
    return np.random.default_rng(seed).dirichlet((1, 1, 1), size)


@given(st.integers(1, 12))
def test_a_simplex_has_the_triangular_number_of_points(n: int) -> None:
    points = simplex(n)
    assert len(set(points)) == (n + 1) * (n + 2) // 2
    assert all(sum(p) == pytest.approx(1) for p in points)
    assert all(round(share * n, 9) == round(share * n) for p in points for share in p)


@given(clouds(), st.integers(2, 30), st.integers(0, 30))
def test_asking_for_more_never_drops_one(points: Points, few: int, extra: int) -> None:
    first = farthest_first(points, [0], few)
    assert farthest_first(points, [0], few + extra)[: len(first)] == first
    assert len(set(first)) == len(first) == min(few, len(points))


@given(clouds())
def test_each_point_is_the_farthest_from_those_before(points: Points) -> None:
    order = farthest_first(points, [0], 5)
    for k in range(1, len(order)):
        gaps = [min(math.dist(p, points[i]) for i in order[:k]) for p in points]
        assert gaps[order[k]] == pytest.approx(max(gaps), abs=1e-9)


@given(clouds(), clouds())
def test_nearest_is_nearest(points: Points, others: Points) -> None:
    from scalegrid.coefficients import Shares

    target = Shares(*(float(x) for x in others[0]))
    distances = [math.dist(p, target) for p in points]
    assert distances[nearest(points, target)] == pytest.approx(min(distances), abs=1e-9)


def test_the_gap_of_the_corners_alone_is_to_the_centre() -> None:
    # The centre (1/3, 1/3, 1/3) is √(2/3) from every corner.
    assert largest_gap(np.eye(3)) == pytest.approx(math.sqrt(2 / 3))
    assert largest_gap(np.eye(3)[:1]) == pytest.approx(math.sqrt(2))


def test_the_gap_of_an_edge_is_to_its_middle() -> None:
    assert largest_gap(np.eye(3)[1:], ("width", "resolution")) == pytest.approx(math.sqrt(2) / 2)


@given(clouds(), st.integers(3, 12), st.integers(0, 12))
def test_a_cover_grows_without_twins(points: Points, few: int, extra: int) -> None:
    order = cover(points, 1, few)
    assert order[0] == 0
    assert cover(points, 1, few + extra)[: len(order)] == order
    assert len(set(order)) == len(order) <= min(few, len(points))
    if len(order) > 2:
        chosen = points[order]
        apart = [min(math.dist(p, q) for q in chosen if q is not p) for p in chosen]
        assert min(apart) >= 0.5 * np.median(apart) - 1e-9


def test_of_a_triangle_full_of_points_the_first_covers_best() -> None:
    points = np.array(simplex(12))
    order = cover(points, 1, 2)
    lattice = np.array(simplex(40))
    left = [
        (np.linalg.norm(lattice[:, None] - points[[0, i]], axis=2).min(1) ** 2).mean()
        for i in range(len(points))
    ]
    assert left[order[1]] == pytest.approx(min(left))
