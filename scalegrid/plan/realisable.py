"""Every network that a baseline can be scaled to, after rounding, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalegrid.baselines import Baseline
from scalegrid.coefficients import Shares, normalise_shares
from scalegrid.cost.counting import Cost
from scalegrid.cost.table import Costs, Table
from scalegrid.plan.across import Axes, Ranges, crosses, extended
from scalegrid.plan.steps import Step, all_steps
from scalegrid.plan.triangle import nearest
from scalegrid.util.errors import UserError

Cell = tuple[int, int, int]
"""A network of `Realisable`: indices of its depth, width and resolution."""

_STRIDE = 1.02
_FARTHEST = 4
_MOST_NETWORKS = 2_000_000


@dataclass(frozen=True)
class Realisable:
    """Every network that ``baseline`` can be scaled to within a budget, and what it costs.

    Along each axis they are larger than the baseline, or smaller; then may follow some of the other
    side. ``costs`` is (D, W, P, 3), the last axis as in `cost.Cost`; [0, 0, 0] is the baseline.
    ``ratios`` is (D, W, P): the cost that is to be equal over the baseline's, NaN where unknown.
    """

    baseline: Baseline
    depths: tuple[Step, ...]
    widths: tuple[Step, ...]
    resolutions: tuple[int, ...]
    costs: Table
    ratios: NDArray[np.float64]

    def within(self, factor: float, tolerance: float) -> list[Cell]:
        """The scaled networks whose cost ratio is ``factor`` to a relative ``tolerance``."""
        near = np.abs(self.ratios / factor - 1) <= tolerance
        near[0, 0, 0] = False  # the baseline, which has no budget shares
        return [(int(d), int(w), int(p)) for d, w, p in np.argwhere(near)]

    def cost(self, at: Cell) -> Cost:
        """What one network costs."""
        return Cost(*(int(c) for c in self.costs[at]))

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes along which the network can be scaled at all, whatever the budget."""
        scaled = {
            "depth": not self.depths[0].endless,
            "width": not self.widths[0].endless,
            "resolution": len(self.resolutions) > 1,
        }
        return tuple(axis for axis, scales in scaled.items() if scales)

    def axis(self, role: str, larger: bool) -> list[Cell]:
        """The networks that are larger, or smaller, along one axis alone."""
        multipliers = {
            "depth": [step.high for step in self.depths],
            "width": [step.high for step in self.widths],
            "resolution": [side / self.resolutions[0] for side in self.resolutions],
        }
        at = list(multipliers).index(role)
        along = [i for i, m in enumerate(multipliers[role]) if i and (m > 1) == larger]
        return [(*(0,) * at, i, *(0,) * (2 - at)) for i in along]  # type: ignore[misc]


def cost_ratios(costs: Table, kind: str) -> NDArray[np.float64]:
    """(D, W, P): the cost of this kind (a field of `cost.Cost`) over the baseline's."""
    column = costs[..., Cost._fields.index(kind)]
    ratios: NDArray[np.float64] = column / column[0, 0, 0]
    return ratios


def doublings(costs: Table, at: Cell) -> tuple[float, float, float]:
    """log₂ of the FLOPs ratio of each axis alone; arguments as of `measured_shares`."""
    flops = costs[..., Cost._fields.index("flops")]
    d, w, p = at
    alone = (flops[d, 0, 0], flops[0, w, 0], flops[0, 0, p])
    depth, width, resolution = (math.log2(one / flops[0, 0, 0]) for one in alone)
    return depth, width, resolution


def measured_shares(costs: Table, at: Cell) -> Shares:
    """Budget shares by measurement: log₂ of the FLOPs ratio of each axis alone, normalised.

    Args:
        costs: (D, W, P, 3) as in `Realisable`.
        at: the network.

    Returns:
        Shares that sum to one; all NaN for the baseline.
    """
    return normalise_shares(*doublings(costs, at))


class Nearest(NamedTuple):
    """A network, the distance of its shares from those asked for, and whether its cost is met."""

    cell: Cell
    away: float
    matched: bool


def nearest_in_direction(
    costs: Table, ratios: NDArray[np.float64], factor: float, tolerance: float, shares: Shares
) -> Nearest:
    """Of the networks that cost ``factor`` times the baseline, the one nearest the budget shares.

    Where none does to a relative ``tolerance``, it is the nearest in cost, which is not matched.

    Args:
        costs: (D, W, P, 3) as in `Realisable`.
        ratios: (D, W, P) as in `Realisable`.
        factor: of the cost.
        tolerance: relative deviation from the factor.
        shares: of the direction.
    """
    misses = np.where(np.isnan(ratios), np.inf, np.abs(ratios / factor - 1))
    misses[0, 0, 0] = np.inf  # the baseline, which has no budget shares
    near = np.argwhere(misses <= tolerance)
    matched = len(near) > 0
    if not matched:
        gaps = np.where(np.isinf(misses), np.inf, np.abs(np.log(ratios / factor)))
        near = np.argwhere(gaps <= gaps.min() + 1e-12)
    cells: list[Cell] = [(int(d), int(w), int(p)) for d, w, p in near]
    points = np.array([measured_shares(costs, at) for at in cells])
    best = nearest(points, shares)
    return Nearest(cells[best], float(np.linalg.norm(points[best] - np.array(shares))), matched)


def realisable(
    costs: Costs,
    resolution: int,
    resolution_step: int,
    budget: float,
    matched_on: str = "flops",
    ranges: Ranges = (None, None, None),
) -> Realisable:
    """Find and cost every network that does not pass ``budget`` on one axis alone.

    Where a range reaches across 1, there are networks on its other side too (`plan.across`).

    Args:
        costs: of the baseline's networks.
        resolution: the baseline's input side in px.
        resolution_step: allowed sides are ``resolution`` plus multiples of this, in px.
        budget: largest ratio of the matched cost to the baseline's; below 1 the smallest.
        matched_on: a field of `cost.Cost`. Parameters do not depend on the pixels, so that a match
            on them keeps the baseline's resolution and leaves depth and width to be scaled.
        ranges: of the multipliers.

    Raises:
        UserError: the ranges hold too many networks.
    """
    kind = Cost._fields.index(matched_on)

    def cost_of(depth: float, width: float, px: int) -> int:
        return costs.of(depth, width, px)[kind]

    allowed = cost_of(1.0, 1.0, resolution) * budget
    deepest = reach(lambda m: cost_of(m, 1.0, resolution), allowed, budget)
    widest = reach(lambda m: cost_of(1.0, m, resolution), allowed, math.sqrt(budget))
    depths = all_steps(costs.baseline.depths, deepest)
    widths = all_steps(costs.baseline.channels, widest)
    sides = [resolution]
    if matched_on != "params":
        find = _sides if budget > 1 else partial(_smaller_sides, costs.baseline.total_stride)
        sides = find(lambda px: cost_of(1.0, 1.0, px), allowed, budget, resolution, resolution_step)
    if crosses(ranges, budget):
        own = allowed / budget
        depths, widths, sides = extended(
            Axes(depths, widths, sides),
            costs.baseline,
            lambda *at: cost_of(*at) / own,
            budget,
            resolution_step,
            ranges,
        )
        _check_number(len(depths) * len(widths) * len(sides))
    table = costs.table([s.high for s in depths], [s.high for s in widths], sides)
    ratios = cost_ratios(table, matched_on)
    return Realisable(costs.baseline, tuple(depths), tuple(widths), tuple(sides), table, ratios)


def _check_number(networks: int) -> None:
    if networks > _MOST_NETWORKS:
        raise UserError(
            f"the ranges of α, β and γ hold {networks:,} networks, more than {_MOST_NETWORKS:,}; "
            "narrow --alpha-range, --beta-range or --gamma-range."
        )


def reach(cost_of: Callable[[float], int], allowed: float, nominal: float) -> float:
    """The multiplier from ``nominal`` on, away from 1, at which the cost passes ``allowed``.

    Where not even several times ``nominal`` is enough, it is that: the axis is hardly scaled.
    """
    sign = 1 if nominal > 1 else -1
    multiplier, stride = nominal, _STRIDE**sign
    while sign * (cost_of(multiplier) - allowed) <= 0 and sign * math.log(
        multiplier / nominal
    ) < math.log(_FARTHEST):
        multiplier *= stride
        stride *= stride
    return multiplier


def _sides(
    cost_of: Callable[[int], int], allowed: float, budget: float, resolution: int, step: int
) -> list[int]:
    """The resolutions up to the first that costs more than ``allowed``, if any up to 4 × does."""
    most = int((_FARTHEST * math.sqrt(budget) - 1) * resolution / step)
    # Cost grows about with the area, so the end is near here.
    count = max(1, int((math.sqrt(budget) - 1) * resolution / step))
    while count < most and cost_of(resolution + count * step) <= allowed:
        count += 1
    while count > 1 and cost_of(resolution + (count - 1) * step) > allowed:
        count -= 1
    return [resolution + i * step for i in range(count + 1)]


def _smaller_sides(
    least: int,
    cost_of: Callable[[int], int],
    allowed: float,
    _budget: float,
    resolution: int,
    step: int,
) -> list[int]:
    """The resolutions down to the first that costs less than ``allowed``, none under ``least``."""
    sides = [resolution]
    while sides[-1] - step >= least and cost_of(sides[-1]) >= allowed:
        sides.append(sides[-1] - step)
    return sides


def corner(networks: Realisable, role: str, factor: float) -> Cell | None:
    """The network scaled along one axis alone whose cost ratio is nearest ``factor``.

    None where the axis cannot be scaled.
    """
    ratios = networks.ratios
    along = networks.axis(role, factor > 1)
    known = [at for at in along if not math.isnan(ratios[at])]
    return min(known, key=lambda at: abs(math.log(ratios[at] / factor)), default=None)
