"""The classic grid: coefficients first, whatever their networks cost (paper, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence

from scalegrid import coefficients as coef
from scalegrid.coefficients import IDENTITY, LIMIT, Coefficients, Scaling
from scalegrid.cost.table import Costs
from scalegrid.plan.compound import compound_scalings
from scalegrid.plan.picks import Pick
from scalegrid.plan.realisable import Realisable, cost_ratios
from scalegrid.plan.steps import step_at
from scalegrid.plan.widths import width_curves
from scalegrid.spec import SweepSpec

Exact = tuple[str, float, Scaling]
"""A role, φ, and the multipliers at it."""


def pixels(resolution: int, multiplier: float, step: int, rest: int = 0) -> int:
    """``resolution`` · ``multiplier`` in px, rounded to the nearest multiple of ``step``.

    The baseline keeps its own resolution, whatever the step; no multiplier above one shrinks it,
    and none below one enlarges it. With a ``rest`` sides are multiples of the step and the rest.
    """
    if multiplier == 1:
        return resolution
    side = rest + step * math.floor((resolution * multiplier - rest) / step + 0.5)
    return max(resolution, side) if multiplier > 1 else min(resolution, side)


def classic_picks(spec: SweepSpec, costs: Costs, resolution: int) -> list[Pick]:
    """Every triple of the grid, the corners, the paper's coefficients and the curves.

    Raises:
        UserError: the grid is empty.
    """
    return exact_picks(_candidates(spec), costs, resolution, spec.resolution_step or 1)


def exact_picks(
    wanted: Sequence[Exact], costs: Costs, resolution: int, step: int, kind: str = "flops"
) -> list[Pick]:
    """The networks that multipliers build, whatever these cost.

    Args:
        wanted: role, φ and multipliers of each.
        costs: of the baseline's networks, by their rule of rounding.
        resolution: the baseline's input side in px.
        step: other sides are multiples of this, in px.
        kind: a field of `cost.Cost`, by which costs are to be equal.
    """
    scalings = [scaling for _, _, scaling in wanted]
    depths = _Stairs(costs.baseline.depths, (s.depth for s in scalings))
    widths = _Stairs(costs.baseline.channels, (s.width for s in scalings))
    least = step * math.ceil(costs.baseline.total_stride / step)  # no network takes less
    sides = [max(min(least, resolution), pixels(resolution, s.resolution, step)) for s in scalings]
    resolutions = sorted({resolution, *sides}, key=lambda px: abs(px - resolution))
    table = costs.table(
        [step.high for step in depths.steps], [step.high for step in widths.steps], resolutions
    )
    ratios = cost_ratios(table, kind)
    networks = Realisable(
        costs.baseline, depths.steps, widths.steps, tuple(resolutions), table, ratios
    )
    picks = []
    for (role, phi, scaling), px in zip(wanted, sides, strict=True):
        cell = (depths.index(scaling.depth), widths.index(scaling.width), resolutions.index(px))
        picks.append(Pick(role, phi, scaling, networks, cell))
    return picks


def on_curves(role: str, triple: Coefficients, spec: SweepSpec) -> list[Exact]:
    """A triple at φ = 1, and at the φ at which its nominal FLOPs ratio is that of each curve."""
    others = [f for f in spec.curves if f not in (1.0, spec.flops_factor)]
    phis = [1.0, *(math.log(f) / math.log(triple.flops_factor) for f in others)]
    return [(role, phi, triple.scaling(phi)) for phi in phis]


def _candidates(spec: SweepSpec) -> list[Exact]:
    """Everything that a classic sweep has."""
    factor = spec.flops_factor
    found = [("baseline", 0.0, IDENTITY.scaling(0.0))]
    fixed = {**coef.corners(factor), "paper": coef.paper(factor)}
    for role, triple in fixed.items():
        found += on_curves(role, triple, spec)
    grid = coef.classic_grid(
        spec.step, spec.tolerance, factor, spec.alpha_range, spec.beta_range, spec.gamma_range
    )
    found += [("grid", 1.0, triple.scaling(1.0)) for triple in grid]
    return found + compound_scalings(spec) + width_curves(spec)


class _Stairs:
    """The distinct steps that some multipliers, and 1, lie on."""

    def __init__(self, realise: Callable[[float], Hashable], multipliers: Iterable[float]) -> None:
        self._realise = realise
        every = sorted({1.0, *multipliers}, key=lambda m: -abs(math.log(m)))
        first = {realise(m): m for m in every}  # the last of equals: the nearest to 1
        self._order = list(reversed(first))
        down = min(every) < 1 and max(every) == 1
        ends = (
            1 / LIMIT if m < 1 or (m == 1 and down) else LIMIT for m in reversed(first.values())
        )
        self.steps = tuple(
            step_at(realise, first[key], end) for key, end in zip(self._order, ends, strict=True)
        )

    def index(self, multiplier: float) -> int:
        """Which step realises what ``multiplier`` does."""
        return self._order.index(self._realise(multiplier))
