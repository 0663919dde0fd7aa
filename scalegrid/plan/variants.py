"""From coefficients to distinct, costed variants: what a sweep would train, before any training."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scalegrid.baselines import Baseline, Layout, network_id
from scalegrid.coefficients import Coefficients, Scaling, Shares
from scalegrid.cost.counting import Cost
from scalegrid.cost.table import Costs
from scalegrid.plan.classic import classic_picks
from scalegrid.plan.matched import matched_picks
from scalegrid.plan.picks import ROLES, Pick
from scalegrid.plan.realisable import Place, Realisable, measured_shares
from scalegrid.plan.soundness import check
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError


@dataclass(frozen=True)
class Variant:
    """One realised network.

    ``alpha``, ``beta``, ``gamma`` are per unit of ``phi``; ``depth`` and ``width`` are multipliers
    (α^φ, β^φ) and ``resolution`` is in px. Any α from ``alpha_low`` to ``alpha_high``, and any β
    likewise, realises the same network. ``flops_ratio`` is the measured FLOPs over the baseline's,
    ``shares`` are measured budget shares, and ``nominal`` those of the coefficients. ``matched``
    says whether the cost that the plan makes equal is within its tolerance.
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
    matched: bool
    shares: Shares
    nominal: Shares
    layout: Layout

    @property
    def layers(self) -> str:
        """Layers of each row of the layer table, joined by dashes."""
        return "-".join(str(row.layers) for row in self.layout)

    @property
    def channels(self) -> str:
        """Channels of each row of the layer table, joined by dashes."""
        return "-".join(str(row.channels) for row in self.layout)


@dataclass(frozen=True)
class Plan:
    """The distinct variants of a sweep, the baseline first.

    ``considered`` counts what they were chosen from: coefficient triples of a classic grid, and
    networks of equal cost of the others. ``of_grid`` are the ids of the candidates at φ = 1: of a
    classic grid the networks that its triples realise, whatever role they go by; of the others all
    scaled networks. ``notes`` are sentences a user should read.
    """

    baseline: str
    resolution: int
    variants: tuple[Variant, ...]
    considered: int
    of_grid: frozenset[str]
    notes: tuple[str, ...] = ()


def make_plan(
    spec: SweepSpec, baseline: Baseline, num_classes: int, costs: Costs | None = None
) -> Plan:
    """Choose, realise and cost the variants of a sweep; each distinct network once.

    Args:
        spec: the sweep's specification.
        baseline: the network at φ = 0.
        num_classes: of the data set; it decides the classifier's size.
        costs: of the same baseline and classes, to share with another plan what was built.

    Raises:
        UserError: the grid is empty, the resolution is too small for the network, or the network
            is not sound (see `scalegrid.plan.soundness`), or costs more or less than planned.
    """
    costs = costs or Costs(baseline, num_classes)
    notes = check(baseline, num_classes, resolve_resolution(spec, baseline))
    plan = unchecked_plan(spec, costs)
    for one in plan.variants:
        planned = Cost(one.flops, one.params, one.activations)
        costs.check(one.depth, one.width, one.resolution, planned)
    return replace(plan, notes=(*notes, *plan.notes))


def unchecked_plan(spec: SweepSpec, costs: Costs) -> Plan:
    """As `make_plan`, for a network that was found sound already; without notes on that.

    Raises:
        UserError: the grid is empty, or the resolution is too small for the network.
    """
    baseline = costs.baseline
    resolution = resolve_resolution(spec, baseline)
    spec = spec.model_copy(update={"resolution_step": resolve_step(spec, baseline)})
    notes: list[str] = []
    if spec.grid == "classic":
        networks, picks = classic_picks(spec, costs, resolution)
        chosen = [pick for pick in picks if pick.role == "grid"]
        considered = len(chosen)
    else:
        networks, picks, considered, notes = matched_picks(spec, costs, resolution)
        chosen = [pick for pick in picks if pick.role != "baseline" and pick.phi == 1]
    places = {pick.place for pick in chosen}
    distinct = _distinct(picks, spec)
    variants = tuple(_variant(pick, spec, baseline, networks) for pick in distinct)
    of_grid = frozenset(
        variant.variant
        for pick, variant in zip(distinct, variants, strict=True)
        if pick.place in places
    )
    return Plan(baseline.name, resolution, variants, considered, of_grid, tuple(notes))


def resolve_resolution(spec: SweepSpec, baseline: Baseline) -> int:
    """The baseline's input side in px.

    Raises:
        UserError: it is smaller than the network's total stride.
    """
    resolution = spec.resolution or baseline.brief_resolution
    if resolution < baseline.total_stride:
        raise UserError(
            f"--resolution {resolution} px is too small for {baseline.name}: its strides need at "
            f"least {baseline.total_stride} px."
        )
    return resolution


def resolve_step(spec: SweepSpec, baseline: Baseline) -> int:
    """The px between allowed resolutions, by default a quarter of the total stride.

    Between two multiples of the total stride every stage but the last has steps of its own, and a
    quarter reaches those of the last three; for a stride of 32 that is the usual 8 px.
    """
    return spec.resolution_step or max(1, baseline.total_stride // 4)


def _distinct(picks: list[Pick], spec: SweepSpec) -> list[Pick]:
    """One pick a network: the most telling role, then the nearest to α·β²·γ² = F; in plan order."""

    def rank(pick: Pick) -> tuple[int, float]:
        return ROLES.index(pick.role), abs(_nominal_ratio(pick.scaling) - spec.flops_factor)

    first: dict[Place, Pick] = {}
    for pick in sorted(picks, key=rank):
        first.setdefault(pick.place, pick)
    return sorted(first.values(), key=lambda p: (ROLES.index(p.role), p.phi, p.scaling))


def _nominal_ratio(scaling: Scaling) -> float:
    return Coefficients(*scaling).flops_factor


def _variant(pick: Pick, spec: SweepSpec, baseline: Baseline, networks: Realisable) -> Variant:
    depth, width, _ = pick.scaling
    d, w, p = pick.place
    layout = baseline.layout(depth, width)
    resolution = networks.resolutions[p]
    cost = networks.cost(pick.place)
    # The baseline's coefficients are those of φ = 0: any; by convention the identity.
    root = 1 / pick.phi if pick.phi else 1.0
    triple = Coefficients(*(m**root for m in pick.scaling))
    target = spec.flops_factor**pick.phi
    return Variant(
        variant=network_id(baseline, layout, resolution),
        role=pick.role,
        phi=pick.phi,
        alpha=triple.alpha,
        beta=triple.beta,
        gamma=triple.gamma,
        # The ends are located to a precision that the coefficient itself may exceed.
        alpha_low=min(networks.depths[d].low ** root, triple.alpha),
        alpha_high=max(networks.depths[d].high ** root, triple.alpha),
        beta_low=min(networks.widths[w].low ** root, triple.beta),
        beta_high=max(networks.widths[w].high ** root, triple.beta),
        depth=depth,
        width=width,
        resolution=resolution,
        flops=cost.flops,
        flops_ratio=cost.flops / networks.cost((0, 0, 0)).flops,
        params=cost.params,
        activations=cost.activations,
        matched=abs(float(networks.ratios[pick.place]) / target - 1) <= spec.cost_tolerance,
        shares=measured_shares(networks.costs, pick.place),
        nominal=triple.shares(),
        layout=layout,
    )
