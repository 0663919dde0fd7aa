"""Networks that were trained elsewhere, by their multipliers: as variants of a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

import numpy as np

from scalegrid import baselines
from scalegrid.coefficients import LIMIT, Coefficients, Scaling
from scalegrid.cost.counting import Cost
from scalegrid.cost.table import Costs
from scalegrid.plan.picks import Pick
from scalegrid.plan.realisable import Cell, Realisable, cost_ratios
from scalegrid.plan.steps import Step, step_at
from scalegrid.plan.trainer import OUTPUTS
from scalegrid.plan.variants import Variant, place, variants_of
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest

FORMULA_FLOPS = 1_000_000
"""What a baseline is taken to cost where no FLOPs are known; scaled networks cost d·w²·r² of it."""

_DIGITS = 6  # of multipliers that tell networks of unknown layers apart


class Given(NamedTuple):
    """A network as its multipliers say; ``resolution`` is in px, and what is None is not known."""

    role: str
    phi: float
    scaling: Scaling
    resolution: int
    flops: int | None = None
    params: int | None = None

    @property
    def by_formula(self) -> int:
        """FLOPs by d·w²·r² (Tan & Le, 2019, equation 3), for a baseline of `FORMULA_FLOPS`."""
        return round(FORMULA_FLOPS * Coefficients(*self.scaling).flops_factor)


def given_variants(networks: Sequence[Given], spec: SweepSpec) -> list[Variant]:
    """The variant of each network; those that are one network have one and the same.

    Of a known baseline, layers are rounded and costs counted. Else layers are unknown, costs are as
    given, or by formula where none are, and budget shares are those of the coefficients.

    Args:
        networks: the baseline first.
        spec: the baseline, its px and classes, and how layers are rounded.

    Raises:
        UserError: the baseline is unknown, or does not run at these resolutions; or some FLOPs are
            given and others not.
    """
    if spec.network_known:
        return _realised(networks, spec)
    return _as_given(networks)


def _realised(networks: Sequence[Given], spec: SweepSpec) -> list[Variant]:
    baseline = baselines.get(spec.baseline).rounded(spec.depth_rounding or "authors")
    smallest = min(one.resolution for one in networks)
    if smallest < baseline.total_stride:
        raise UserError(
            f"{smallest} px is too small for {baseline.name}: its strides need at least "
            f"{baseline.total_stride} px; give the px of each network, or another --resolution."
        )
    costs = Costs(baseline, spec.num_classes or OUTPUTS, spec.channels or 3)
    depths, at_depth = _steps(baseline.depths, [one.scaling.depth for one in networks])
    widths, at_width = _steps(baseline.channels, [one.scaling.width for one in networks])
    sides = list(dict.fromkeys(one.resolution for one in networks))
    at_side = [sides.index(one.resolution) for one in networks]
    cells: list[Cell] = list(zip(at_depth, at_width, at_side, strict=True))
    table = np.zeros((len(depths), len(widths), len(sides), len(Cost._fields)), dtype=np.int64)
    for d, w, p in {one for cell in cells for one in _with_axes(cell)}:
        table[d, w, p] = costs.of(depths[d].high, widths[w].high, sides[p])
    ratios = cost_ratios(table, "flops")
    found = Realisable(baseline, tuple(depths), tuple(widths), tuple(sides), table, ratios)
    picks = [
        Pick(one.role, one.phi, one.scaling, found, cell)
        for one, cell in zip(networks, cells, strict=True)
    ]
    named = variants_of(picks, spec, costs.in_chans, math.nan)
    return [replace(named[place(pick)], matched=True) for pick in picks]


def _with_axes(cell: Cell) -> tuple[Cell, ...]:
    """A network, and those of each of its axes alone, whose costs are its budget shares."""
    d, w, p = cell
    return cell, (0, 0, 0), (d, 0, 0), (0, w, 0), (0, 0, p)


def _steps(
    realise: Callable[[float], Hashable], multipliers: Sequence[float]
) -> tuple[list[Step], list[int]]:
    """The steps of rounding that multipliers lie on, that of 1 first, and which is whose."""
    found: dict[Hashable, Step] = {}
    for one in (1.0, *multipliers):
        if (key := realise(one)) not in found:
            found[key] = step_at(realise, one, LIMIT if one >= 1 else 1 / LIMIT)
    keys = list(found)
    return list(found.values()), [keys.index(realise(one)) for one in multipliers]


def _as_given(networks: Sequence[Given]) -> list[Variant]:
    first: dict[Hashable, Given] = {}
    for one in networks:
        had = first.setdefault(_key(one), one)
        costs = (
            own if own is not None else new for own, new in zip(had[-2:], one[-2:], strict=True)
        )
        first[_key(one)] = Given(*had[:-2], *costs)
    distinct = list(first.values())
    flops = _flops(distinct)
    base = flops[0]
    found = {
        key: _unseen(one, own, own / base)
        for (key, one), own in zip(first.items(), flops, strict=True)
    }
    return [found[_key(one)] for one in networks]


def _key(one: Given) -> Hashable:
    depth, width, _ = one.scaling
    return round(depth, _DIGITS), round(width, _DIGITS), one.resolution


def _flops(networks: Sequence[Given]) -> list[int]:
    """The FLOPs of each; of a baseline that has none, as the others have over their formula."""
    base, *scaled = networks
    known = [one for one in networks if one.flops is not None]
    if not known:
        return [one.by_formula for one in networks]
    if lacking := [one for one in scaled if one.flops is None]:
        names = zip(("depth", "width", "resolution"), lacking[0].scaling, strict=True)
        said = ", ".join(f"{axis} {value:.4g}" for axis, value in names)
        raise UserError(
            f"the network of {said} times the baseline's has no FLOPs, and others have; give a "
            "column flops for all of them, or for none."
        )
    unit = median(int(one.flops or 0) / one.by_formula for one in known)
    own = round(unit * base.by_formula) if base.flops is None else base.flops
    return [own, *(int(one.flops or 0) for one in scaled)]


def _unseen(one: Given, flops: int, ratio: float) -> Variant:
    """A network whose layers are not known; 0 stands for what cannot be counted."""
    root = 1 / one.phi if one.phi else 1.0
    triple = Coefficients(*(m**root for m in one.scaling))
    return Variant(
        variant=digest(["imported", *map(str, (_key(one),))]),
        role=one.role,
        phi=one.phi,
        alpha=triple.alpha,
        beta=triple.beta,
        gamma=triple.gamma,
        alpha_low=triple.alpha,
        alpha_high=triple.alpha,
        beta_low=triple.beta,
        beta_high=triple.beta,
        depth=one.scaling.depth,
        width=one.scaling.width,
        resolution=one.resolution,
        flops=flops,
        flops_ratio=ratio,
        params=one.params or 0,
        activations=0,
        memory=None,
        matched=True,
        shares=triple.shares(),
        nominal=triple.shares(),
        depth_rounding="authors",
        layout=(),
    )
