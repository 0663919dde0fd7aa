"""The classic grid: coefficients first, whatever their networks cost (paper, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable

from scalegrid import coefficients as coef
from scalegrid.baselines import Baseline
from scalegrid.coefficients import IDENTITY, PAPER, Coefficients
from scalegrid.plan.costtable import cost_table
from scalegrid.plan.picks import Pick
from scalegrid.plan.realisable import Realisable, cost_ratios
from scalegrid.plan.steps import Step, step_at
from scalegrid.spec import SweepSpec


def pixels(resolution: int, multiplier: float, step: int) -> int:
    """``resolution`` · ``multiplier`` in px, rounded to the nearest multiple of ``step``.

    The baseline keeps its own resolution, whatever the step; no multiplier above one shrinks it.
    """
    if multiplier == 1:
        return resolution
    return max(resolution, step * math.floor(resolution * multiplier / step + 0.5))


def classic_picks(
    spec: SweepSpec, baseline: Baseline, resolution: int, num_classes: int
) -> tuple[Realisable, list[Pick]]:
    """Every triple of the grid, the corners, the paper's coefficients and the curves.

    Raises:
        UserError: the grid is empty.
    """
    wanted = _candidates(spec)
    scalings = [triple.scaling(phi) for _, triple, phi in wanted]

    def steps_of(realise: Callable[[float], Hashable], multipliers: Iterable[float]) -> list[Step]:
        return sorted({step_at(realise, m) for m in {1.0, *multipliers}})

    depths = steps_of(baseline.depths, (s.depth for s in scalings))
    widths = steps_of(baseline.channels, (s.width for s in scalings))
    sides = [pixels(resolution, s.resolution, spec.resolution_step) for s in scalings]
    resolutions = sorted({resolution, *sides})
    costs = cost_table(
        baseline, [s.high for s in depths], [s.high for s in widths], resolutions, num_classes
    )
    ratios = cost_ratios(costs, "flops")
    networks = Realisable(tuple(depths), tuple(widths), tuple(resolutions), costs, ratios)
    picks = []
    for (role, _, phi), scaling, px in zip(wanted, scalings, sides, strict=True):
        place = (_on(depths, scaling.depth), _on(widths, scaling.width), resolutions.index(px))
        picks.append(Pick(role, phi, scaling, place))
    return networks, picks


def _candidates(spec: SweepSpec) -> list[tuple[str, Coefficients, float]]:
    """Role, coefficients and φ of everything a classic sweep has.

    The curves' FLOPs factors f become the φ at which each triple's nominal FLOPs ratio is f.
    """
    factor = spec.flops_factor
    found = [("baseline", IDENTITY, 0.0)]
    fixed = {**coef.corners(factor), "paper": PAPER}
    for role, triple in fixed.items():
        found.append((role, triple, 1.0))
        found += [(role, triple, math.log(f) / math.log(triple.flops_factor)) for f in spec.curves]
    grid = coef.classic_grid(
        spec.step, spec.tolerance, factor, spec.alpha_range, spec.beta_range, spec.gamma_range
    )
    return [c for c in found if c[0] == "baseline" or c[2] > 0] + [("grid", t, 1.0) for t in grid]


def _on(steps: list[Step], multiplier: float) -> int:
    """The index of the step that realises what ``multiplier`` does."""
    return next(i for i, step in enumerate(steps) if step.low <= multiplier <= step.high)
