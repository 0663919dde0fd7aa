"""Plans with ranges across 1: one axis goes against the others."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np
import pytest
from planning import planned

from scalegrid import baselines
from scalegrid.coefficients import Bounds
from scalegrid.cost.table import Costs
from scalegrid.plan import Plan, Variant
from scalegrid.plan.summary import scaled_variants
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError

RANGES: dict[str, Bounds] = {
    "alpha_range": (0.55, 1.45),
    "beta_range": (0.72, 1.32),
    "gamma_range": (0.72, 1.28),
}
"""Narrow enough that all networks within them can be tried."""


@cache
def wide(factor: float = 0.5, grid: str = "matched", **ranges: Bounds) -> Plan:
    settings = {"grid": grid, "flops_factor": factor, "resolution": 32, **ranges}
    return planned(SweepSpec(candidates=10, **settings), baselines.get("nano"), 10)  # type: ignore[arg-type]


def multipliers(variant: Variant) -> tuple[float, float, float]:
    return variant.alpha, variant.beta, variant.gamma


@pytest.mark.parametrize("factor", [0.5, 1.3])
def test_they_are_chosen_from_all_networks_of_equal_cost_within_the_ranges(factor: float) -> None:
    nano = baselines.get("nano").rounded("round")
    depths, widths = (
        {realise(m): m for m in np.geomspace(*RANGES[name], 3000)}
        for name, realise in (("alpha_range", nano.depths), ("beta_range", nano.channels))
    )
    sides = [32, *(side for side in range(24, 41, 2) if side != 32)]  # in steps of 2 px
    layers = [1.0, *(m for key, m in depths.items() if key != nano.depths(1.0))]
    channels = [1.0, *(m for key, m in widths.items() if key != nano.channels(1.0))]
    table = Costs(nano, 10).table(layers, channels, sides)[..., 0]
    flops = table / table[0, 0, 0]
    alone = flops[:, 0, 0], flops[0, :, 0], flops[0, 0, :]
    count = 0
    for d, w, p in product(*map(range, flops.shape)):
        spent = math.log(alone[0][d] * alone[1][w] * alone[2][p]) / math.log(factor)
        count += abs(flops[d, w, p] / factor - 1) <= 0.03 and spent >= 0.5
    assert wide(factor, **RANGES).considered == count > 20


@pytest.mark.parametrize("grid", ["matched", "simplex"])
def test_candidates_go_against_the_direction_of_cost_within_the_ranges(grid: str) -> None:
    plan = wide(0.5, grid, **RANGES)
    nano, found = baselines.get("nano").rounded("round"), []
    for one in plan.variants:
        if one.role != "grid":
            continue
        assert abs(one.flops_ratio / 0.5 - 1) <= 0.03
        assert sum(one.shares) == pytest.approx(1)
        for value, (low, high) in zip(multipliers(one), RANGES.values(), strict=True):
            assert low - 1e-6 <= value <= high + 1e-6
        for alpha, beta in ((one.alpha_low, one.beta_high), (one.alpha_high, one.beta_low)):
            assert nano.layout(alpha, beta) == one.layout
        assert nano.layout(*plan.scaling(one)[:2]) == one.layout
        found.append(one)
    assert any(one.gamma > 1 and one.shares.resolution < 0 for one in found)
    assert any(max(one.alpha, one.beta) > 1 for one in found)
    assert all(min(multipliers(one)) < 1 for one in found)


def test_a_larger_network_may_shrink_along_one_axis_so_that_others_grow_more() -> None:
    usual, plan = wide(2.0), wide(2.0, beta_range=(0.6, 1.5), gamma_range=(0.8, 2.0))
    narrow = [one for one in plan.variants if one.beta < 1]
    assert narrow
    assert min(one.flops_ratio for one in narrow) > 1.9
    assert max(v.gamma for v in narrow) > max(v.gamma for v in usual.variants)
    corners = {v.role: v.variant for v in usual.variants if v.role in usual.axes}
    assert corners == {v.role: v.variant for v in plan.variants if v.role in plan.axes}


def test_a_range_on_one_side_changes_nothing_beyond_its_bounds() -> None:
    usual = [one.variant for one in wide(2.0).variants]
    assert [one.variant for one in wide(2.0, alpha_range=(1.0, 9.0)).variants] == usual
    assert all(min(one.shares) >= 0 for one in scaled_variants(wide(2.0)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**dict.fromkeys(RANGES, (1 / 64, 64.0))}, "networks, more than 2,000"),
        ({"grid": "simplex", "divisions": 100, **RANGES}, "--divisions 100 makes a grid of more"),
        ({"alpha_range": (0.5, 0.6), "beta_range": (0.5, 0.6)}, "lies within the bounds; widen"),
    ],
)
def test_ranges_of_too_much_or_nothing_are_refused(
    settings: dict[str, object], message: str
) -> None:
    spec = SweepSpec(**{"baseline": "nano", "resolution": 32, "flops_factor": 1.5, **settings})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=message):
        planned(spec, baselines.get(spec.baseline), 10)
