"""Plans of smaller networks: a FLOPs factor below 1."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from planning import planned

from scalegrid import baselines
from scalegrid.coefficients import PAPER, classic_grid
from scalegrid.plan import Plan, resolve
from scalegrid.plan.summary import scaled_variants
from scalegrid.spec import SweepSpec
from scalegrid.util import yaml
from scalegrid.util.errors import UserError


@cache
def shrunk(grid: str = "matched", factor: float = 0.5, curves: tuple[float, ...] = ()) -> Plan:
    settings = {"grid": grid, "flops_factor": factor, "resolution": 64, "curves": curves}
    return planned(SweepSpec(candidates=8, **settings), baselines.get("nano"), 10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("grid", "factor"), [("matched", 0.5), ("simplex", 0.5), ("matched", 1 / 16)]
)
def test_candidates_are_smaller_at_equal_cost(grid: str, factor: float) -> None:
    plan = shrunk(grid, factor)
    baseline, *others = plan.variants
    for variant in others:
        assert max(variant.alpha, variant.beta, variant.gamma) <= 1
        assert sum(variant.shares) == pytest.approx(1)
        assert min(variant.shares) >= 0
        assert variant.flops < baseline.flops
    for variant in others:
        if variant.role == "grid":
            assert variant.matched
            assert abs(variant.flops_ratio / factor - 1) <= 0.03
    assert {"depth", "width", "resolution"} <= {v.role for v in others}


def test_any_coefficient_in_an_interval_builds_the_network() -> None:
    plan = shrunk()
    baseline = baselines.get("nano").rounded("round")
    for one in plan.variants[1:]:
        for alpha in (one.alpha, one.alpha_low, one.alpha_high):
            for beta in (one.beta, one.beta_low, one.beta_high):
                if one.depth_rounding == "round":
                    assert baseline.layout(alpha, beta) == one.layout
        multipliers = plan.scaling(one)
        assert max(multipliers) <= 1
        assert multipliers[:2] == (min(1, one.alpha_high), min(1, one.beta_high))


def test_a_corner_is_scaled_along_one_axis_alone() -> None:
    corners = {v.role: v for v in shrunk().variants}
    assert (corners["depth"].beta, corners["depth"].gamma) == (1, 1)
    assert (corners["width"].alpha, corners["width"].gamma) == (1, 1)
    assert (corners["resolution"].alpha, corners["resolution"].beta) == (1, 1)


@pytest.mark.parametrize("grid", ["matched", "classic"])
def test_the_paper_is_its_coefficients_at_a_negative_phi(grid: str) -> None:
    (paper,) = (v for v in shrunk(grid).variants if v.role == "paper")
    assert (paper.alpha, paper.beta, paper.gamma) == pytest.approx([1 / c for c in PAPER])
    assert paper.layout == baselines.get("nano").layout(1 / 1.2, 1 / 1.1)
    assert paper.resolution == 56  # 55.7 in steps of 2


def test_curves_lie_on_the_same_side() -> None:
    plan = shrunk("matched", 0.5, (0.25, 1.0))
    widths = sorted(v.flops_ratio for v in plan.variants if v.role == "width")
    assert widths == pytest.approx([0.25, 0.5], rel=0.1)
    assert {v.phi for v in plan.variants if v.role == "width"} == {1, 2}
    with pytest.raises(ValueError, match="must be 1, or from"):
        SweepSpec(flops_factor=0.5, curves=(2.0,))


def test_the_classic_grid_goes_down_too() -> None:
    grid = classic_grid(0.05, 0.1, 0.5)
    every = np.round(np.arange(0.5, 1.001, 0.05), 12)
    fits = {
        (a, b, c)
        for a in every
        for b in np.round(np.arange(0.65, 1.001, 0.05), 12)
        for c in np.round(np.arange(0.65, 1.001, 0.05), 12)
        if abs(a * b * b * c * c - 0.5) <= 0.1 + 1e-9
    }
    assert {tuple(triple) for triple in grid} == fits
    assert len(scaled_variants(shrunk("classic"))) > 10
    any_way = classic_grid(0.1, 0.1, 0.5, alpha=(0.8, 1.2))
    assert {triple.alpha for triple in any_way} == {0.8, 0.9, 1.0, 1.1, 1.2}


def test_a_brief_sweep_starts_where_resolution_alone_can_shrink() -> None:
    spec = resolve(SweepSpec(baseline="b0", flops_factor=0.5))
    assert spec.resolution == 52  # √0.5 of it is at least 36 px
    assert resolve(SweepSpec(baseline="b0")).resolution == 36


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flops_factor": 1.0}, "at 1 nothing is scaled"),
        ({"flops_factor": 0.05}, "flops-factor should be"),
        ({"alpha_range": (0.0, 1.2)}, "the lower bound 0 must be above 0"),
    ],
)
def test_a_factor_or_bounds_that_scale_nothing_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        yaml.build(SweepSpec, settings)


def test_a_resolution_too_small_to_shrink_leaves_the_other_axes() -> None:
    spec = SweepSpec(candidates=8, flops_factor=0.5, resolution=8)
    plan = planned(spec, baselines.get("nano"), 10)
    assert {v.resolution for v in plan.variants} == {8}
    assert not any(math.isnan(v.alpha) for v in plan.variants)
