"""How equal the cost of a plan is, beside what the classic grid gives on the same baseline."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np

from scalegrid.analysis.matched_cost import COUNTED
from scalegrid.plan.plan import Plan
from scalegrid.plan.triangle import largest_gap
from scalegrid.plan.variants import Variant
from scalegrid.spec import Match

NEAR = 0.05
"""A ratio this near F, relatively, counts as equal cost in `CostSummary.near`."""


@dataclass(frozen=True)
class CostSummary:
    """Ratios of a cost of the candidates of a plan at φ = 1, see `Plan.of_grid`.

    ``counted`` is what they are of, ``considered`` what the candidates were chosen from (see
    `Plan`), ``networks`` how many there are, ``near`` the share of them within 5 % of F, ``gap``
    the largest distance from a point of the budget triangle to the nearest of them (shares as
    coordinates; an empty triangle has 1.41).
    """

    grid: str
    counted: str
    considered: int
    networks: int
    minimum: float
    median: float
    maximum: float
    near: float
    gap: float


def summarise(plan: Plan, match: Match = "flops") -> CostSummary:
    """Summarise the candidates of a plan by a cost (see `Plan.cost_ratio`)."""
    scaled = scaled_variants(plan)
    ratios = [plan.cost_ratio(v, match) for v in scaled]
    return CostSummary(
        grid=plan.spec.grid,
        counted=COUNTED[match],
        considered=plan.considered,
        networks=len(scaled),
        minimum=min(ratios),
        median=median(ratios),
        maximum=max(ratios),
        near=float(np.mean([abs(r / plan.spec.flops_factor - 1) <= NEAR for r in ratios])),
        gap=largest_gap(np.array([v.shares for v in scaled]), plan.axes),
    )


def scaled_variants(plan: Plan) -> list[Variant]:
    """The candidates at φ = 1, see `Plan.of_grid`."""
    return [v for v in plan.variants if v.variant in plan.of_grid]


def notes_before(plan: Plan) -> list[str]:
    """The notes of a plan, and that a learning rate is searched, which a sweep says as it does."""
    if plan.spec.rates not in ("tune", "check"):
        return list(plan.notes)
    more = "" if plan.spec.rates == "tune" else ", and as many of each axis alone"
    searched = (
        "a learning rate that is not known yet is found first, by three to seven trainings of the "
        f"baseline{more}, which the estimate leaves out"
    )
    return [*plan.notes, searched]
