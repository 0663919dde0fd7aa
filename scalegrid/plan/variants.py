"""From coefficients to distinct, costed variants: what a sweep would train, before any training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from scalegrid import baselines
from scalegrid.baselines import Baseline, Layout, network_id
from scalegrid.coefficients import Coefficients, Scaling, Shares
from scalegrid.cost.closedform import check_closed_form
from scalegrid.cost.counting import Cost
from scalegrid.cost.table import Costs
from scalegrid.data import Source
from scalegrid.plan.classic import classic_picks
from scalegrid.plan.matched import matched_picks
from scalegrid.plan.picks import ROLES, Pick
from scalegrid.plan.realisable import Cell, Realisable, measured_shares
from scalegrid.plan.resolve import check_training, open_data, resolve
from scalegrid.plan.soundness import check
from scalegrid.spec import Recipe, SweepSpec
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

    ``spec`` is the resolved specification and ``source`` its data. ``considered`` counts what the
    variants were chosen from: coefficient triples of a classic grid, and networks of equal cost of
    the others. ``of_grid`` are the ids of the candidates at φ = 1: of a classic grid the networks
    that its triples realise, whatever role they go by; of the others all scaled networks. ``notes``
    are sentences a user should read. ``costs`` are shared with the `classic_plan` of comparison.
    """

    spec: SweepSpec
    source: Source
    variants: tuple[Variant, ...]
    considered: int
    of_grid: frozenset[str]
    costs: Costs = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def resolution(self) -> int:
        """The baseline's input side in px."""
        return self.variants[0].resolution

    def check_costs(self) -> None:
        """Build and count two networks, where the plan trusts the closed form.

        Raises:
            UserError: other networks are built than planned, as a timm of other rules might.
        """
        check_closed_form(self.costs.baseline, self.source.num_classes, self.resolution)

    @property
    def recipe(self) -> Recipe:
        """How every trial is trained: images are mirrored where the data allow it, by default."""
        flip = self.source.mirror if self.spec.flip is None else self.spec.flip
        return self.spec.recipe.model_copy(update={"flip": flip})


def make_plan(spec: SweepSpec) -> Plan:
    """Choose, realise and cost the variants of a sweep; each distinct network once.

    Args:
        spec: the sweep's specification, as the user gave it or resolved.

    Raises:
        UserError: the specification cannot be resolved, the data cannot be opened, the grid is
            empty, the resolution is too small for the network, or the network is not sound (see
            `soundness`) or costs more or less than planned.
    """
    spec = resolve(spec)
    check_training(spec)
    source = open_data(spec)
    baseline = baselines.get(spec.baseline)
    costs = Costs(baseline, source.num_classes)
    sound = check(baseline, source.num_classes, _resolution(spec, baseline), source.channels)
    plan = _plan(spec, source, costs)
    for one in plan.variants:
        planned = Cost(one.flops, one.params, one.activations)
        costs.check(one.depth, one.width, one.resolution, planned)
    return replace(
        plan, notes=(*source.notes, *sound, *plan.notes, *_limit_notes(spec, len(plan.variants)))
    )


def classic_plan(plan: Plan) -> Plan:
    """What the classic grid would be, the specification being the same otherwise.

    It is for comparison with ``plan``, whose costs it shares, so the network is not checked again.

    Raises:
        UserError: the grid is empty.
    """
    spec = plan.spec.model_copy(update={"grid": "classic", "curves": ()})
    return _plan(spec, plan.source, plan.costs)


def _plan(spec: SweepSpec, source: Source, costs: Costs) -> Plan:
    """As `make_plan`, for a network that has been found sound; without notes on that."""
    baseline = costs.baseline
    resolution = _resolution(spec, baseline)
    notes: list[str] = []
    if spec.grid == "classic":
        networks, picks = classic_picks(spec, costs, resolution)
        chosen = [pick for pick in picks if pick.role == "grid"]
        considered = len(chosen)
    else:
        networks, picks, considered, notes = matched_picks(spec, costs, resolution)
        chosen = [pick for pick in picks if pick.role != "baseline" and pick.phi == 1]
    cells = {pick.cell for pick in chosen}
    distinct = _distinct(picks, spec)
    variants = tuple(_variant(pick, spec, baseline, networks, source.channels) for pick in distinct)
    of_grid = frozenset(
        variant.variant
        for pick, variant in zip(distinct, variants, strict=True)
        if pick.cell in cells
    )
    return Plan(spec, source, variants, considered, of_grid, costs, tuple(notes))


def _resolution(spec: SweepSpec, baseline: Baseline) -> int:
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


def _limit_notes(spec: SweepSpec, variants: int) -> list[str]:
    """A sentence if a race is too short for every variant's first trial."""
    if spec.max_trials is None or spec.max_trials >= variants:
        return []
    return [f"--max-trials {spec.max_trials} leaves some of the {variants} variants untrained"]


def _distinct(picks: list[Pick], spec: SweepSpec) -> list[Pick]:
    """One pick a network: the most telling role, then the nearest to α·β²·γ² = F; in plan order."""

    def rank(pick: Pick) -> tuple[int, float]:
        return ROLES.index(pick.role), abs(_nominal_ratio(pick.scaling) - spec.flops_factor)

    first: dict[Cell, Pick] = {}
    for pick in sorted(picks, key=rank):
        first.setdefault(pick.cell, pick)
    return sorted(first.values(), key=lambda p: (ROLES.index(p.role), p.phi, p.scaling))


def _nominal_ratio(scaling: Scaling) -> float:
    return Coefficients(*scaling).flops_factor


def _variant(
    pick: Pick, spec: SweepSpec, baseline: Baseline, networks: Realisable, in_chans: int
) -> Variant:
    depth, width, _ = pick.scaling
    d, w, p = pick.cell
    layout = baseline.layout(depth, width)
    resolution = networks.resolutions[p]
    cost = networks.cost(pick.cell)
    # The baseline's coefficients are those of φ = 0: any; by convention the identity.
    root = 1 / pick.phi if pick.phi else 1.0
    triple = Coefficients(*(m**root for m in pick.scaling))
    target = spec.flops_factor**pick.phi
    return Variant(
        variant=network_id(baseline, layout, resolution, in_chans),
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
        matched=abs(float(networks.ratios[pick.cell]) / target - 1) <= spec.cost_tolerance,
        shares=measured_shares(networks.costs, pick.cell),
        nominal=triple.shares(),
        layout=layout,
    )
