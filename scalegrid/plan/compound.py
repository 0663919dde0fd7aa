"""Compound scaling at other φ: what `SweepSpec.compound` asks for beside the single axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scalegrid.coefficients import Coefficients, Scaling
from scalegrid.plan.picks import Pick
from scalegrid.plan.realisable import Realisable, nearest_in_direction
from scalegrid.plan.steps import Step
from scalegrid.spec import SweepSpec


def compound_scalings(spec: SweepSpec) -> list[tuple[str, float, Scaling]]:
    """Role, φ and multipliers at each FLOPs factor of the curves, whatever their cost."""
    if spec.compound is None:
        return []
    triple, factor = Coefficients(*spec.compound), spec.flops_factor
    nominal = math.log(triple.flops_factor)
    return [
        ("compound", math.log(f) / math.log(factor), triple.scaling(math.log(f) / nominal))
        for f in _others(spec)
    ]


def _others(spec: SweepSpec) -> list[float]:
    """The FLOPs factors of the curves at which there is more than candidates."""
    return [f for f in spec.curves if f not in (1.0, spec.flops_factor)]


def compound_picks(
    spec: SweepSpec, found: Mapping[float, Realisable], candidates: Sequence[Pick]
) -> list[Pick]:
    """The networks of equal cost nearest the direction, at each FLOPs factor of the curves.

    At φ = 1 it is a candidate: the one with these coefficients, or else one more. ``found`` are the
    networks of each factor.
    """
    if spec.compound is None:
        return []
    wanted = dict(zip(_others(spec), compound_scalings(spec), strict=True))
    if not any(math.dist(pick.scaling, spec.compound) < 1e-9 for pick in candidates):
        wanted[spec.flops_factor] = "grid", 1.0, Scaling(*spec.compound)
    shares = Coefficients(*spec.compound).shares()
    picks = []
    for factor, (role, phi, scaling) in wanted.items():
        networks = found[factor]
        d, w, p = nearest_in_direction(
            networks.costs, networks.ratios, factor, spec.cost_tolerance, shares
        ).cell
        multipliers = Scaling(
            _inside(networks.depths[d], scaling.depth),
            _inside(networks.widths[w], scaling.width),
            networks.resolutions[p] / networks.resolutions[0],
        )
        picks.append(Pick(role, phi, multipliers, networks, (d, w, p)))
    return picks


def _inside(step: Step, multiplier: float) -> float:
    return min(max(step.low, multiplier), step.high)
