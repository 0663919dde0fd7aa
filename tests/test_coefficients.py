import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scalegrid.coefficients import (
    IDENTITY,
    PAPER,
    Coefficients,
    classic_grid,
    corners,
    from_shares,
    stage_depths,
)
from scalegrid.util.errors import UserError

multipliers = st.floats(1.0, 4.0)


def test_paper_coefficients_nearly_double_the_flops() -> None:
    # Tan & Le 2019, section 4: α·β²·γ² ≈ 2 with α = 1.2, β = 1.1, γ = 1.15.
    assert tuple(PAPER) == (1.2, 1.1, 1.15)
    assert PAPER.flops_factor == pytest.approx(1.92027)


def test_scaling_raises_each_coefficient_to_phi() -> None:
    assert PAPER.scaling(2) == pytest.approx((1.44, 1.21, 1.3225))
    assert PAPER.scaling(0) == (1, 1, 1)


@given(multipliers, multipliers, multipliers)
def test_shares_sum_to_one_and_invert_from_shares(a: float, b: float, c: float) -> None:
    triple = Coefficients(a, b, c)
    assume(triple.flops_factor > 1.01)
    shares = triple.shares()
    assert sum(shares) == pytest.approx(1)
    assert from_shares(shares, triple.flops_factor) == pytest.approx(triple)


def test_shares_of_the_corners_are_the_corners_of_the_triangle() -> None:
    shares = {role: triple.shares() for role, triple in corners(3.0).items()}
    assert shares["depth"] == pytest.approx((1, 0, 0))
    assert shares["width"] == pytest.approx((0, 1, 0))
    assert shares["resolution"] == pytest.approx((0, 0, 1))
    assert all(t.flops_factor == pytest.approx(3) for t in corners(3.0).values())


def test_the_identity_has_no_shares() -> None:
    assert all(math.isnan(share) for share in IDENTITY.shares())


def test_grid_of_the_public_implementation_has_109_triples() -> None:
    # Step 0.05, |αβ²γ² − 2| < 0.1, α ≤ 2, β and γ ≤ 1.5.
    bounds = {"alpha": (1, 2), "beta": (1, 1.5), "gamma": (1, 1.5)}
    assert len(classic_grid(0.05, 0.1, 2.0, **bounds)) == 109
    assert classic_grid(0.05, 0.1) == classic_grid(0.05, 0.1, 2.0, **bounds)


@given(
    st.sampled_from([0.05, 0.1, 0.125, 0.2, 0.25]),
    st.floats(0.05, 0.5),
    st.sampled_from([1.5, 2.0, 3.0]),
)
def test_grid_equals_a_slow_enumeration(step: float, tolerance: float, factor: float) -> None:
    # In integers of thousandths, which are exact: i = 1000·α and so on.
    unit = round(step * 1000)
    axis = range(1000, 4001, unit)
    expected = [
        (a / 1000, b / 1000, c / 1000)
        for a in axis
        for b in axis
        for c in axis
        if abs(a * b * b * c * c / 1e15 - factor) <= tolerance + 1e-9 and a <= 1000 * factor
    ]
    if expected:
        found = classic_grid(step, tolerance, factor)
        assert [tuple(round(m, 9) for m in t) for t in found] == expected
    else:
        with pytest.raises(UserError, match="empty"):
            classic_grid(step, tolerance, factor)


def test_the_error_of_an_empty_grid_names_a_tolerance_that_works() -> None:
    with pytest.raises(UserError, match="raise --tolerance to") as caught:
        classic_grid(0.3, 0.001)
    suggested = float(str(caught.value).split("raise --tolerance to ")[1].split(",")[0])
    assert classic_grid(0.3, suggested)


def test_the_error_of_bounds_between_lattice_points_names_them() -> None:
    with pytest.raises(UserError, match=r"1\.01 to 1\.04 of β"):
        classic_grid(0.05, 0.1, beta=(1.01, 1.04))


@pytest.mark.parametrize(
    "arguments",
    [{"step": 1e-9}, {"step": 5e-324}, {"tolerance": 1e300}, {"alpha": (1, 1e300)}],
    ids=str,
)
def test_a_grid_too_large_to_enumerate_is_an_error(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"too large.*larger --step"):
        classic_grid(**{"step": 0.05, "tolerance": 0.1, **arguments})


@given(st.floats(0.25, 4.0), st.integers(1, 9))
def test_multipliers_of_stages_have_the_depth_as_their_geometric_mean(d: float, n: int) -> None:
    early, even, late = (stage_depths(d, where, n) for where in (-1, 0, 1))
    assert even == (d,) * n
    assert early == pytest.approx(late[::-1])
    for each in (early, late):
        assert math.prod(each) == pytest.approx(d**n)
    assert list(late) == sorted(late, reverse=d < 1)


def test_the_last_of_stages_has_the_square_of_the_depth_and_the_first_none() -> None:
    assert stage_depths(2.0, 1, 3) == (1, 2, 4)
    assert stage_depths(0.5, -1, 3) == (0.25, 0.5, 1)
    assert stage_depths(1.0, 1, 3) == (1, 1, 1)
    assert stage_depths(4.0, 0.5, 3) == (2, 4, 8)
