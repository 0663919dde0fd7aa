"""The coefficients that authors in effect used."""

from __future__ import annotations

from itertools import permutations
from math import log2
from pathlib import Path

import numpy as np
import pytest
from family_page import QUICK, direction_row, release_rows, returns_rows, size_row

from scalegrid.coefficients import PAPER, Coefficients
from scalegrid.family.directions import DIRECTIONS
from scalegrid.family.fit import FAMILIES, fit, nearest_phi
from scalegrid.family.networks import flops_between
from scalegrid.family.published import PUBLISHED
from scalegrid.util.errors import UserError

PAGE = Path(__file__).parents[2] / "docs" / "families.md"


def test_the_release_grew_by_the_papers_coefficients() -> None:
    found = fit("efficientnet")
    assert found.family == "EfficientNet"
    assert found.coefficients == pytest.approx(PAPER, abs=0.02)
    assert found.coefficients.flops_factor == pytest.approx(2)
    assert found.residual < 0.05


def test_release_models_correspond_to_the_phi_that_a_reader_found() -> None:
    """bermanmaxim in issue 390 of github.com/tensorflow/tpu."""
    reader = [0, 0.5, 1, 2, 3.5, 5, 6, 7]
    assert [m.phi_paper for m in fit("EfficientNet").members] == pytest.approx(reader, abs=0.13)


@pytest.mark.parametrize("phi", [-2, 0, 0.5, 7])
def test_what_coefficients_make_is_at_its_own_phi(phi: float) -> None:
    for triple in (PAPER, Coefficients(1.0, 1.3, 1.1)):
        assert nearest_phi(triple.scaling(phi), triple) == pytest.approx(phi)


def test_contributions_are_means_over_the_orders_of_moving_one_axis_after_another() -> None:
    sizes = PUBLISHED["EfficientNetV2"].sizes
    means = np.zeros(3)
    for order in permutations(range(3)):
        at = [0, 0, 0]
        for axis in order:
            before = flops(sizes, at)
            at[axis] = 2
            means[axis] += log2(flops(sizes, at) / before) / 6
    large = fit("EfficientNetV2").members[2]
    assert [large.phi * share for share in large.shares] == pytest.approx(means.tolist())
    depth, width, resolution = large.scaling
    assert [log2(depth), 2 * log2(width), 2 * log2(resolution)] == pytest.approx(means.tolist())


def flops(sizes: tuple, at: list[int]) -> int:  # type: ignore[type-arg]
    depth, width, px = (sizes[i] for i in at)
    return flops_between("EfficientNetV2", depth, width, px.resolution)


@pytest.mark.parametrize("family", QUICK)
def test_phi_is_the_number_of_doublings(family: str) -> None:
    members = fit(family).members
    ratios = [log2(member.flops / members[0].flops) for member in members]
    assert [member.phi for member in members] == pytest.approx(ratios)
    assert ratios == sorted(ratios)


def test_one_axis_is_a_corner() -> None:
    found = fit("MobileNetV2")
    assert found.shares == pytest.approx((0, 1, 0))
    assert found.coefficients == pytest.approx((1, 2**0.5, 1))
    assert found.residual == pytest.approx(0)


def test_a_family_of_several_directions_says_so() -> None:
    """TinyNets grow by resolution first, and then by width."""
    found = fit("TinyNet")
    small, large = found.members[1], found.members[-1]
    assert small.shares.resolution > 0.7
    assert large.shares.width > large.shares.resolution
    assert found.residual > 0.15


def test_an_unknown_family_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="'EfficentNet'; did you mean 'EfficientNet'"):
        fit("EfficentNet")
    with pytest.raises(UserError, match=r"'x'; there are EfficientNet, .* ConvNeXt\.$"):
        fit("x")


def test_every_family_has_a_stored_direction() -> None:
    assert tuple(DIRECTIONS) == FAMILIES
    assert [sum(shares) for shares in DIRECTIONS.values()] == pytest.approx([1] * len(FAMILIES))


@pytest.mark.parametrize("family", QUICK)
def test_stored_directions_are_the_fitted_ones(family: str) -> None:
    assert DIRECTIONS[family] == pytest.approx(fit(family).shares, abs=5e-4)


def test_the_page_shows_the_fits() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for found in map(fit, QUICK):
        assert direction_row(found) in lines
        assert size_row(found) in lines
    assert {*release_rows(), *returns_rows()} <= set(lines)


@pytest.mark.slow
@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in QUICK])
def test_stored_directions_of_networks_that_are_built(family: str) -> None:
    assert DIRECTIONS[family] == pytest.approx(fit(family).shares, abs=5e-4)
