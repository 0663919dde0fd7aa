"""The same coefficients with layers added early, evenly and late, at equal measured cost.

Width and resolution are those of the coefficients. A layer costs more in one stage than in another,
so each placement has a depth multiplier of its own, by which the cost is F times the baseline's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.naming import placed_word
from scalegrid.coefficients import Coefficients, Scaling
from scalegrid.cost.counting import Cost
from scalegrid.cost.table import Costs
from scalegrid.plan.classic import exact_picks
from scalegrid.plan.picks import Pick
from scalegrid.plan.realisable import reach
from scalegrid.plan.steps import all_steps
from scalegrid.plan.variants import place
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.text import exact_percent

PLACEMENTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Late placements, of which the first is taken that has a network of equal cost; early likewise."""


class Placed(NamedTuple):
    """A pick for each placement, none where there is nothing to compare, and what to say."""

    picks: list[Pick]
    notes: list[str]


def stage_picks(spec: SweepSpec, costs: Costs, resolution: int) -> Placed:
    """A network for each placement of layers, if the specification asks for them.

    Evenly placed it is a candidate as others: what the coefficients build, if that has the cost.

    Args:
        spec: its ``compound`` are the coefficients at φ = 1.
        costs: of the baseline's networks, by their rule of rounding.
        resolution: the baseline's input side in px.

    Raises:
        UserError: there are no coefficients, or latency is to be equal, or stages are not known.
    """
    if spec.scale == "axes":
        return Placed([], [])
    triple, factor, name = _coefficients(spec), spec.flops_factor, costs.baseline.name
    if (triple.alpha - 1) * (factor - 1) <= 0:
        change = "adds" if factor > 1 else "removes"
        return Placed([], [f"α = {triple.alpha:g} {change} no layers, so there are none to place"])
    if costs.baseline.depths(1.0) == costs.baseline.depths(64.0 if factor > 1 else 1 / 64):
        return Placed([], [f"{name} has no layers that scale, so there are none to place"])
    sides = (tuple(-one for one in PLACEMENTS), (0.0,), PLACEMENTS)
    found = [_pick(spec, costs, resolution, triple, side) for side in sides]
    if len({place(pick) for pick in found}) == 1:
        same = f"no other placement of {name}'s layers comes as near to {factor:g}× as the even one"
        return Placed([], [f"{same} at these coefficients, so there is nothing to compare"])
    notes = [note for pick in found for note in _notes(spec, pick, evenly=found[1])]
    return Placed(found, notes)


def _coefficients(spec: SweepSpec) -> Coefficients:
    if spec.compound is None:
        raise UserError(
            "--scale stages places the layers of coefficients that are chosen already; give them "
            "by --compound ALPHA BETA GAMMA, or a sweep that recommends them by --extend NAME."
        )
    if spec.matched_cost == "latency":
        raise UserError(
            "--scale stages compares networks of equal FLOPs, parameters or activations, not of "
            "equal latency; leave out --match latency or --scale stages."
        )
    return Coefficients(*spec.compound)


def _pick(
    spec: SweepSpec,
    costs: Costs,
    resolution: int,
    triple: Coefficients,
    placements: Sequence[float],
) -> Pick:
    """The network whose cost is near enough to F, of the first placement that has one.

    If none has, the network of the nearest cost.
    """
    found = []
    for placement in placements:
        pick = _placed(spec, costs.placed(placement), resolution, triple, placement)
        if _miss(spec, pick) <= spec.cost_tolerance:
            return pick
        found.append(pick)
    return min(found, key=partial(_miss, spec))


def _placed(
    spec: SweepSpec, costs: Costs, resolution: int, triple: Coefficients, placement: float
) -> Pick:
    """The network of one placement; evenly the coefficients' own, if its cost is F."""

    def built(depth: float) -> Pick:
        role = "stages" if placement else "grid"
        wanted = role, 1.0, Scaling(depth, triple.beta, triple.gamma)
        step = spec.resolution_step or 1
        (pick,) = exact_picks([wanted], costs, resolution, step, spec.matched_cost)
        return pick._replace(placement=placement)

    own = built(triple.alpha)
    if not placement and own.cell[0] and _miss(spec, own) <= spec.cost_tolerance:
        return own
    return built(_depth(spec, costs, triple, resolution, own.networks.resolutions[own.cell[2]]))


def _depth(spec: SweepSpec, costs: Costs, triple: Coefficients, resolution: int, px: int) -> float:
    """The depth multiplier nearest α that builds the network of a cost nearest F."""
    kind = Cost._fields.index(spec.matched_cost)
    goal = spec.flops_factor * costs.of(1.0, 1.0, resolution)[kind]
    end = goal * (1 + math.copysign(spec.cost_tolerance, spec.flops_factor - 1))
    far = reach(lambda depth: costs.of(depth, triple.beta, px)[kind], end, triple.alpha)
    steps = all_steps(costs.baseline.depths, far)[1:]  # the first adds nothing
    table = costs.table([step.high for step in steps], [triple.beta], [px])
    best = steps[int(np.argmin(np.abs(np.log(table[:, 0, 0, kind] / goal))))]
    return min(max(triple.alpha, best.low), best.high)


def _miss(spec: SweepSpec, pick: Pick) -> float:
    """How far from F the cost is, relatively."""
    return abs(float(pick.networks.ratios[pick.cell]) / spec.flops_factor - 1)


def _notes(spec: SweepSpec, pick: Pick, evenly: Pick) -> list[str]:
    where = placed_word(pick.placement) if pick.placement else "evenly"
    change, factor = "added" if spec.flops_factor > 1 else "removed", spec.flops_factor
    if pick.placement and place(pick) == place(evenly):
        return [f"layers {change} {where} are those {change} evenly, where the cost is {factor:g}×"]
    if _miss(spec, pick) <= spec.cost_tolerance:
        return []
    return [
        f"layers {change} {where} do not reach {factor:g}× within "
        f"{exact_percent(spec.cost_tolerance)} at these β and γ; the nearest, "
        f"{pick.networks.ratios[pick.cell]:.2f}×, is taken and marked"
    ]
