"""Networks of equal measured cost, spread over the budget triangle: networks first.

The constraint α·β²·γ² = F is a triangle of budget shares; rounding bends it. So nothing is solved
for: every network that rounding leaves (distinct depths × distinct widths × allowed resolutions) is
costed, those within a tolerance of F times the baseline are kept, candidates are chosen among them
so that they cover the triangle, and coefficients are read off the networks.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalegrid.analysis.matched_cost import COSTS
from scalegrid.analysis.region import TRIANGLE, Region, simplex, spacing, widened
from scalegrid.coefficients import PAPER, Bounds, Coefficients, Scaling, paper
from scalegrid.cost.table import Costs
from scalegrid.plan import triangle
from scalegrid.plan.across import Ranges, crosses
from scalegrid.plan.classic import Exact, exact_picks, on_curves
from scalegrid.plan.compound import compound_picks
from scalegrid.plan.picks import Pick
from scalegrid.plan.realisable import (
    Cell,
    Realisable,
    corner,
    doublings,
    measured_shares,
    realisable,
)
from scalegrid.plan.steps import Step
from scalegrid.plan.variants import place
from scalegrid.plan.widths import width_curves
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.text import exact_percent

_MANY = 3000
"""Networks of equal cost beyond which near twins are passed over first, where ranges cross 1."""

_CELLS = 40
"""Along a side of the triangle, to tell near twins."""

_MOST_POINTS = 10_000
"""Points of a simplex."""


class Matched(NamedTuple):
    """The picks of a matched plan, from how many equal networks, and what a user should know."""

    picks: list[Pick]
    equal: int
    notes: list[str]


def matched_picks(spec: SweepSpec, costs: Costs, resolution: int) -> Matched:
    """Candidates at F times the baseline's cost, the curves at other FLOPs factors, and of widths.

    The paper's coefficients are there twice: what exactly they build by the authors' rule of
    rounding layers, at its own cost; and the candidate of equal cost that is nearest to them, by
    that rule or by the sweep's.

    Raises:
        UserError: no network costs F times the baseline within the tolerance.
    """
    factors = sorted({spec.flops_factor, *spec.curves} - {1.0})
    found, notes = _networks(spec, costs, resolution, factors)
    networks = published = found[spec.flops_factor]
    authors = costs.rounded("authors")
    if spec.match != "latency" and authors.baseline.depth_rounding != costs.baseline.depth_rounding:
        published = _networks(spec, authors, resolution, factors)[0][spec.flops_factor]
    picks = [Pick("baseline", 0.0, Scaling(1.0, 1.0, 1.0), networks, (0, 0, 0))]
    picks += _paper(spec, authors, resolution)
    picks += _exact(spec, width_curves(spec), costs, resolution)
    for factor in factors:
        phi = math.log(factor) / math.log(spec.flops_factor)
        corners = _corners(found[factor], factor)
        picks += [_pick(spec, role, phi, factor, *at) for role, at in corners.items()]
        if factor == spec.flops_factor:
            notes += _corner_notes(corners, spec)
            equal = _equal(spec, networks)
            if not equal:
                raise UserError(_nothing_equal(spec, networks))
            near = _near_paper(spec, networks, published)
            picks += [_pick(spec, "grid", phi, factor, *at) for at in near]
            grid, more = _grid(spec, networks, equal, [*corners.values(), *near])
            picks += [_pick(spec, "grid", phi, factor, networks, at) for at in grid]
            notes += more
    at_one = [pick for pick in picks if pick.phi == 1]
    taken = {place(pick) for pick in at_one}
    picks += [one for one in compound_picks(spec, found, at_one) if place(one) not in taken]
    return Matched(picks, len(equal), notes)


def _networks(
    spec: SweepSpec, costs: Costs, resolution: int, factors: Sequence[float]
) -> tuple[dict[float, Realisable], list[str]]:
    """For each factor all networks with the ratios that are to be equal, and notes on the ratios.

    Of latencies they are measured for each factor on its own, so that further factors change no
    candidate; other costs are those of one table.
    """
    if spec.match != "latency":
        farthest = max(factors, key=lambda factor: abs(math.log(factor)))
        one = _within(spec, costs, resolution, farthest, spec.match)
        return dict.fromkeys(factors, one), []
    from scalegrid.plan.equal_latency import with_latencies

    found, notes = {}, []
    for factor in factors:
        # Latency does not follow FLOPs, so look well beyond the budget.
        wide = _within(spec, costs, resolution, factor, "flops", 1.5)
        found[factor], more = with_latencies(wide, spec, costs, factor)
        notes += more if factor == spec.flops_factor else []
    return found, notes


def _within(
    spec: SweepSpec, costs: Costs, resolution: int, factor: float, kind: str, more: float = 1.0
) -> Realisable:
    """The networks up to a factor of the cost, and its tolerance, and so many times more."""
    larger = factor > 1
    budget = factor * (1 + spec.cost_tolerance if larger else 1 - spec.cost_tolerance)
    step, ranges = spec.resolution_step or 1, _ranges(spec)
    return realisable(
        costs, resolution, step, budget * (more if larger else 1 / more), kind, ranges
    )


def _ranges(spec: SweepSpec) -> Ranges:
    """The bounds of α, β and γ; parameters do not depend on the pixels, so that these stay."""
    gamma = None if spec.match == "params" else spec.gamma_range
    return spec.alpha_range, spec.beta_range, gamma


Place = tuple[Realisable, Cell]


def _paper(spec: SweepSpec, costs: Costs, resolution: int) -> list[Pick]:
    """What the paper's coefficients build at each factor, at the cost that is to be equal."""
    wanted = on_curves("paper", paper(spec.flops_factor), spec)
    if spec.match != "latency":
        return _exact(spec, wanted, costs, resolution)
    from scalegrid.plan.equal_latency import with_latencies

    picks = [pick for one in wanted for pick in _exact(spec, [one], costs, resolution)]
    factor = spec.flops_factor
    measured = [with_latencies(pick.networks, spec, costs, factor)[0] for pick in picks]
    return [
        pick._replace(networks=networks) for pick, networks in zip(picks, measured, strict=True)
    ]


def _exact(spec: SweepSpec, wanted: Sequence[Exact], costs: Costs, resolution: int) -> list[Pick]:
    """What exactly these multipliers build, by the rounding of ``costs``; latency not measured.

    None where they build no more than the baseline.
    """
    kind = "flops" if spec.match == "latency" else spec.match
    picks = exact_picks(wanted, costs, resolution, spec.resolution_step or 1, kind)
    return [pick for pick in picks if any(pick.cell)]


def _corners(networks: Realisable, factor: float) -> dict[str, Place]:
    """The single axes nearest a FLOPs factor, as far as they can be scaled alone."""
    found = {role: corner(networks, role, factor) for role in triangle.CORNERS}
    return {role: (networks, at) for role, at in found.items() if at is not None}


def _near_paper(spec: SweepSpec, networks: Realisable, published: Realisable) -> list[Place]:
    """The network of equal cost nearest the paper's shares by either rule; none without any."""
    target, found = PAPER.shares(), []
    for some in (published, networks):
        if equal := some.within(spec.flops_factor, spec.cost_tolerance):
            points = _shares(some, equal)
            nearest = triangle.nearest(points, target)
            distance = float(np.linalg.norm(points[nearest] - np.array(target)))
            found.append((round(distance, 9), some, equal[nearest]))
    return [min(found, key=itemgetter(0))[1:]] if found else []


def _equal(spec: SweepSpec, networks: Realisable) -> list[Cell]:
    """The networks of equal cost that some coefficients within the bounds realise."""

    def overlaps(step: Step, bounds: Bounds | None) -> bool:
        return bounds is None or (step.low <= bounds[1] and step.high >= bounds[0])

    def allowed(at: Cell) -> bool:
        gamma = networks.resolutions[at[2]] / networks.resolutions[0]
        return (
            overlaps(networks.depths[at[0]], spec.alpha_range)
            and overlaps(networks.widths[at[1]], spec.beta_range)
            and overlaps(Step(gamma, gamma), spec.gamma_range)
            and (not wide or _balanced(networks, at, spec.flops_factor))
        )

    wide = crosses(_ranges(spec), spec.flops_factor)
    return [at for at in networks.within(spec.flops_factor, spec.cost_tolerance) if allowed(at)]


def _grid(
    spec: SweepSpec, networks: Realisable, equal: list[Cell], fixed: list[Place]
) -> tuple[list[Cell], list[str]]:
    """The candidates beside those with a role of their own, by the grid that was asked for."""
    points = _shares(networks, equal)
    wide = crosses(_ranges(spec), spec.flops_factor)
    region = widened(points) if wide else TRIANGLE
    if spec.grid == "simplex":
        _check_simplex(spec.divisions, region)
        inside = [s for s in simplex(spec.divisions, region) if s not in triangle.CORNERS.values()]
        return [equal[triangle.nearest(points, shares)] for shares in inside], []
    taken = {_network(some, at): measured_shares(some.costs, at) for some, at in fixed}
    others = [at for at in equal if _network(networks, at) not in taken]
    if spec.candidates == "all":
        return others, []
    shares, count = np.array(list(taken.values())), len(taken) + len(others)
    if wide and len(others) > _MANY:
        misses = [abs(networks.ratios[at] / spec.flops_factor - 1) for at in others]
        kept = triangle.thinned(_shares(networks, others), misses, spacing(_CELLS, region))
        others = [others[i] for i in kept]
    everything = np.concatenate([shares, _shares(networks, others).reshape(-1, 3)])
    axes = networks.axes
    order = triangle.cover(everything, len(taken), spec.candidates, axes, region)
    gap = triangle.largest_gap(everything[order], axes, region=region)
    least = triangle.largest_gap(everything, axes, region=region)
    notes = []
    if len(order) < min(spec.candidates, len(everything)):
        notes.append(
            f"{len(order)} of the {count} scaled networks of equal cost are taken "
            f"(largest gap {gap:.2f}, of all {least:.2f}): the others are near twins of these, or "
            "cover no more"
        )
    return [others[i - len(taken)] for i in order[len(taken) :]], notes


def _balanced(networks: Realisable, at: Cell, factor: float) -> bool:
    """Whether the axes alone make up for at least half of log₂F.

    Else what shrinks and what grows nearly cancel by FLOPs, and parts of their sum say nothing.
    """
    return sum(doublings(networks.costs, at)) / math.log2(factor) >= _LEAST_SUM


_LEAST_SUM = 0.5


def _check_simplex(divisions: int, region: Region) -> None:
    """Raise UserError where ranges make it too large."""
    spans = [divisions * (high - low) for low, high in zip(*region, strict=True)]
    if region.beyond and spans[0] * spans[1] > _MOST_POINTS:
        raise UserError(
            f"--divisions {divisions} makes a grid of more than {_MOST_POINTS:,} points within the "
            "ranges of α, β and γ; lower it, narrow the ranges, or use --grid matched."
        )


def _network(networks: Realisable, at: Cell) -> tuple[Hashable, int, int]:
    """What tells networks apart, whichever rule of rounding built them."""
    return networks.baseline.depths(networks.depths[at[0]].high), at[1], at[2]


def _pick(
    spec: SweepSpec, role: str, phi: float, factor: float, networks: Realisable, at: Cell
) -> Pick:
    return Pick(role, phi, _multipliers(spec, networks, at, factor), networks, at)


def _shares(networks: Realisable, cells: list[Cell]) -> NDArray[np.float64]:
    """(N, 3) measured budget shares."""
    return np.array([measured_shares(networks.costs, at) for at in cells])


def _multipliers(spec: SweepSpec, networks: Realisable, at: Cell, factor: float) -> Scaling:
    """The multipliers nearest the constraint among those that realise the network.

    What is scaled along one axis alone has 1 for the others: nobody scales those on purpose.
    """
    single = sum(index > 0 for index in at) == 1

    def clipped(step: Step, bounds: Bounds | None) -> Step:
        if bounds is None or factor != spec.flops_factor:
            return step
        low, high = max(step.low, bounds[0]), min(step.high, bounds[1])
        return Step(low, high) if low <= high else step

    none = Step(1.0, 1.0)
    free_depth = "depth" in networks.axes and (at[0] or not single)
    free_width = "width" in networks.axes and (at[1] or not single)
    alpha = clipped(networks.depths[at[0]], spec.alpha_range) if free_depth else none
    beta = clipped(networks.widths[at[1]], spec.beta_range) if free_width else none
    gamma = networks.resolutions[at[2]] / networks.resolutions[0]
    return Scaling(*nearest_triple(alpha, beta, gamma, factor))


def _corner_notes(corners: dict[str, Place], spec: SweepSpec) -> list[str]:
    factor, tolerance = spec.flops_factor, spec.cost_tolerance
    of = "" if spec.match == "flops" else f" the {COSTS[spec.match]}"
    notes = []
    for role in triangle.CORNERS:
        if role not in corners:
            notes.append(f"{role} cannot be scaled alone here, so there is no {role} corner")
            continue
        networks, at = corners[role]
        ratio = networks.ratios[at]
        if abs(ratio / factor - 1) > tolerance:
            notes.append(
                f"{role} alone does not reach {factor:g}×{of} within {exact_percent(tolerance)}; "
                f"the nearest, {ratio:.2f}×, is taken and marked"
            )
    return notes


def _nothing_equal(spec: SweepSpec, networks: Realisable) -> str:
    gaps = np.abs(networks.ratios / spec.flops_factor - 1)
    name = networks.baseline.name
    if networks.within(spec.flops_factor, spec.cost_tolerance):
        return (
            f"the grid is empty: no network of {name} of {spec.flops_factor:g} times the "
            "baseline's cost lies within the bounds; widen --alpha-range, --beta-range or "
            "--gamma-range."
        )
    return (
        f"the grid is empty: no network of {name} at {networks.resolutions[0]} px costs "
        f"{spec.flops_factor:g} times the baseline within {exact_percent(spec.cost_tolerance)}; "
        f"the nearest misses by {np.nanmin(gaps):.1%}, so raise --cost-tolerance, allow more "
        "resolutions by a smaller --resolution-step, or widen the bounds."
    )


def nearest_triple(alpha: Step, beta: Step, gamma: float, factor: float) -> Coefficients:
    """The (α, β, γ) within the steps for which α·β²·γ² is nearest ``factor``.

    Axes that may stay at 1 do, unless only moving them brings the product nearer; where both α and
    β are free, they move by the same part of their steps' logarithms.
    """
    best = None
    for fixed_alpha, fixed_beta in ((True, True), (False, True), (True, False), (False, False)):
        a = Step(1.0, 1.0) if fixed_alpha and 1 in alpha else alpha
        b = Step(1.0, 1.0) if fixed_beta and 1 in beta else beta
        triple = _along_diagonal(a, b, gamma, factor)
        gap = round(abs(triple.flops_factor - factor), 6)
        if best is None or gap < best[0]:
            best = (gap, triple)
    assert best is not None
    return best[1]


def _along_diagonal(alpha: Step, beta: Step, gamma: float, factor: float) -> Coefficients:
    """The triple nearest the constraint on the line from the low ends to the high ends."""
    low = math.log(alpha.low) + 2 * math.log(beta.low)
    high = math.log(alpha.high) + 2 * math.log(beta.high)
    wanted = math.log(factor) - 2 * math.log(gamma)
    part = 0.0 if high <= low else min(1.0, max(0.0, (wanted - low) / (high - low)))

    def between(step: Step) -> float:
        value = step.low ** (1 - part) * step.high**part
        return float(min(step.high, max(step.low, value)))

    return Coefficients(between(alpha), between(beta), gamma)
