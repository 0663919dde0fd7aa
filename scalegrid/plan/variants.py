"""One realised network of a plan, from the pick that it was chosen as."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalegrid.baselines import LayerRow, Layout, network_id
from scalegrid.coefficients import Coefficients, DepthRule, Scaling, Shares
from scalegrid.plan.picks import ROLES, Pick
from scalegrid.plan.realisable import measured_shares
from scalegrid.spec import SweepSpec


@dataclass(frozen=True)
class Variant:
    """One realised network.

    ``alpha``, ``beta``, ``gamma`` are per unit of ``phi``; ``depth`` and ``width`` are multipliers
    (α^φ, β^φ) and ``resolution`` is in px. Any α from ``alpha_low`` to ``alpha_high``, and any β
    likewise, realises the same network. ``flops_ratio`` is the measured FLOPs over the baseline's,
    ``shares`` are measured budget shares, and ``nominal`` those of the coefficients. ``matched``
    says whether the cost that the plan makes equal is within its tolerance, which holds for those
    whose cost is to be what it is (role ``curve``). Where ``alpha`` or
    ``beta`` is NaN, the network cannot be scaled along that axis. Layers are rounded by
    ``depth_rounding`` and added to stages by ``placement``. ``memory`` is what the activations of a
    training step need in bytes, estimated (see `plan.memory`); None if it is not known.
    """

    variant: str
    role: str
    phi: float
    alpha: float
    beta: float
    gamma: float
    alpha_low: float
    alpha_high: float
    beta_low: float
    beta_high: float
    depth: float
    width: float
    resolution: int
    flops: int
    flops_ratio: float
    params: int
    activations: int
    memory: int | None
    matched: bool
    shares: Shares
    nominal: Shares
    depth_rounding: DepthRule
    layout: Layout
    placement: float = 0.0

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Variant:
        """From `dataclasses.asdict`, also if it has been through JSON."""
        shares = {key: Shares(*row[key]) for key in ("shares", "nominal")}
        layout = tuple(LayerRow(**layer) for layer in row["layout"])
        return cls(**{**row, **shares, "layout": layout})

    @property
    def layers(self) -> str:
        """Layers of each row of the layer table, joined by dashes."""
        return layers(self.layout)

    @property
    def channels(self) -> str:
        """Channels of each row of the layer table, joined by dashes."""
        return channels(self.layout)


def layers(layout: Layout) -> str:
    """Layers of each row of a layer table, joined by dashes."""
    return "-".join(str(row.layers) for row in layout)


def channels(layout: Layout) -> str:
    """Channels of each row of a layer table, joined by dashes."""
    return "-".join(str(row.channels) for row in layout)


def variants_of(
    picks: Sequence[Pick], spec: SweepSpec, in_chans: int, kept: float
) -> dict[Hashable, Variant]:
    """The variant at each place, by the best of its picks; the best place comes first.

    That is the most telling role, then the nearest to α·β²·γ² = F. Two places are one network where
    two rules of rounding meet. ``kept`` are bytes of memory for each activation.
    """

    def rank(pick: Pick) -> tuple[int, float]:
        return ROLES.index(pick.role), abs(_nominal_ratio(pick.scaling) - spec.flops_factor)

    best: dict[Hashable, Pick] = {}
    for pick in sorted(picks, key=rank):
        best.setdefault(place(pick), pick)
    return {at: _variant(pick, spec, in_chans, kept) for at, pick in best.items()}


def place(pick: Pick) -> Hashable:
    """Which network of which rule of rounding it is, whatever networks it was picked among."""
    networks, (d, w, p) = pick.networks, pick.cell
    baseline = networks.baseline
    depths, channels = networks.depths[d].high, networks.widths[w].high
    made = baseline.depths(depths), baseline.channels(channels), networks.resolutions[p]
    return baseline.depth_rounding, made


def plan_order(variant: Variant) -> tuple[int, float, float, float, float]:
    """Of the rows of a plan."""
    role = ROLES.index(variant.role)
    return role, variant.phi, variant.depth, variant.width, variant.gamma


def _nominal_ratio(scaling: Scaling) -> float:
    return Coefficients(*scaling).flops_factor


def _variant(pick: Pick, spec: SweepSpec, in_chans: int, kept: float) -> Variant:
    depth, width, _ = pick.scaling
    d, w, p = pick.cell
    networks, baseline = pick.networks, pick.networks.baseline
    layout = baseline.layout(depth, width)
    resolution = networks.resolutions[p]
    cost = networks.cost(pick.cell)
    # The baseline's coefficients are those of φ = 0: any; by convention the identity.
    root = 1 / pick.phi if pick.phi else 1.0
    triple = Coefficients(*(m**root for m in pick.scaling))
    target = spec.flops_factor**pick.phi
    depth_scales, width_scales = "depth" in networks.axes, "width" in networks.axes
    return Variant(
        variant=network_id(baseline, layout, resolution, in_chans),
        role=pick.role,
        phi=pick.phi,
        alpha=triple.alpha if depth_scales else math.nan,
        beta=triple.beta if width_scales else math.nan,
        gamma=triple.gamma,
        # The ends are located to a precision that the coefficient itself may exceed.
        alpha_low=min(networks.depths[d].low ** root, triple.alpha) if depth_scales else math.nan,
        alpha_high=max(networks.depths[d].high ** root, triple.alpha) if depth_scales else math.nan,
        beta_low=min(networks.widths[w].low ** root, triple.beta) if width_scales else math.nan,
        beta_high=max(networks.widths[w].high ** root, triple.beta) if width_scales else math.nan,
        depth=depth,
        width=width,
        resolution=resolution,
        flops=cost.flops,
        flops_ratio=cost.flops / networks.cost((0, 0, 0)).flops,
        params=cost.params,
        activations=cost.activations,
        memory=None if math.isnan(kept) else round(kept * cost.activations),
        matched=pick.role == "curve"
        or abs(float(networks.ratios[pick.cell]) / target - 1) <= spec.cost_tolerance,
        shares=measured_shares(networks.costs, pick.cell),
        nominal=triple.shares(),
        depth_rounding=baseline.depth_rounding or "authors",
        layout=layout,
        placement=pick.placement,
    )
