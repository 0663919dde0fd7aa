"""From coefficients to distinct, costed variants: what a sweep would train, before any training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from scalegrid.analysis.candidates import APART
from scalegrid.analysis.matched_cost import COUNTED
from scalegrid.baselines import Baseline
from scalegrid.coefficients import Scaling
from scalegrid.cost.closedform import check_closed_form
from scalegrid.cost.counting import Cost
from scalegrid.cost.table import Costs
from scalegrid.data import Source
from scalegrid.plan.classic import classic_picks
from scalegrid.plan.kept import kept, named
from scalegrid.plan.matched import matched_picks
from scalegrid.plan.memory import BYTES, kept_per_activation, memory_notes
from scalegrid.plan.resolve import check_training, open_data, resolve, with_epochs
from scalegrid.plan.rungs import checkpoint_notes
from scalegrid.plan.soundness import check
from scalegrid.plan.stages import stage_picks
from scalegrid.plan.variants import Variant, place, plan_order, variants_of
from scalegrid.spec import CANDIDATE_KEYS, Match, Recipe, SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.files import cache_notes, recalled

_FORMAT = 2
"""Raised when the same settings lead to another plan."""

FEW_UPDATES = 200
"""Of the optimiser, below which a trial is too short to tell much (docs/sensor.md)."""

_SETTINGS = CANDIDATE_KEYS | {"resolution", "resolution_step", "batch_size", "flops_factor"}
"""The keys of a specification that decide the variants of a plan."""

_LATER = ("width_curves", "scale", "compound")


@dataclass(frozen=True)
class Plan:
    """The distinct variants of a sweep, the baseline first.

    ``spec`` is the resolved specification and ``source`` its data. ``considered`` counts what the
    variants were chosen from: coefficient triples of a classic grid, and networks of equal cost of
    the others. ``of_grid`` are the ids of the candidates at φ = 1: of a classic grid the networks
    that its triples realise, whatever role they go by; of the others all scaled networks. ``notes``
    are sentences a user should read. ``axes`` are those along which the network scales. ``costs``
    are shared with the `classic_plan` of comparison.
    """

    spec: SweepSpec
    source: Source
    variants: tuple[Variant, ...]
    considered: int
    of_grid: frozenset[str]
    axes: tuple[str, ...]
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
        source = self.source
        check_closed_form(self.costs.baseline, source.num_classes, self.resolution, source.channels)

    @property
    def recipe(self) -> Recipe:
        """How the baseline is trained: images are mirrored where the data allow it, by default."""
        flip = self.source.mirror if self.spec.flip is None else self.spec.flip
        return self.spec.recipe.model_copy(update={"flip": flip})

    def scaling(self, variant: Variant) -> Scaling:
        """The multipliers nearest 1 that make a variant: the same for equal networks.

        An axis along which the network cannot be scaled has 1.
        """
        ends = (
            (variant.alpha_low, variant.alpha_high),
            (variant.beta_low, variant.beta_high),
        )
        depth, width = (
            1.0 if math.isnan(low) else min(max(1.0, low**variant.phi), high**variant.phi)
            for low, high in ends
        )
        return Scaling(depth, width, variant.resolution / self.resolution)

    def cost_ratio(self, variant: Variant, match: Match) -> float:
        """What a variant has of a cost over the baseline; of a latency it is that of FLOPs."""
        if COUNTED[match] == "FLOPs":
            return variant.flops_ratio
        return float(getattr(variant, match) / getattr(self.variants[0], match))

    @property
    def searched(self) -> tuple[Variant, ...]:
        """The variants of which learning rates are tried: the baseline; to check them the corners.

        Corners are scaled along one axis alone, by φ = 1.
        """
        corners = [one for one in self.variants if one.role in Scaling._fields and one.phi == 1]
        return self.variants[0], *(corners if self.spec.rates == "check" else ())

    def recipe_of(self, variant: Variant) -> Recipe:
        """How a variant is trained: at a rate of its own where the specification has exponents.

        That is the baseline's rate times each multiplier to its exponent, to three digits.
        """
        exponents = self.spec.rate_exponents
        if not any(exponents):
            return self.recipe
        powers = [m**e for m, e in zip(self.scaling(variant), exponents, strict=True)]
        rate = float(f"{self.recipe.learning_rate * math.prod(powers):.3g}")
        return self.recipe.model_copy(update={"learning_rate": rate})


def make_plan(spec: SweepSpec, *, by_files: bool = False) -> Plan:
    """Choose, realise and cost the variants of a sweep; each distinct network once.

    Args:
        spec: the sweep's specification, as the user gave it or resolved.
        by_files: show a plan of a user's own code that was kept, without building a network, while
            the files of the code are the same. A sweep builds and counts every variant again.

    Raises:
        UserError: the specification cannot be resolved, the data cannot be opened, the grid is
            empty, the resolution is too small for the network, or the network is not sound (see
            `soundness`) or costs more or less than planned.
    """
    spec = resolve(spec, by_files=by_files)
    check_training(spec)
    source = open_data(spec)
    costs = Costs(named(spec.baseline), source.num_classes, source.channels)
    plan = _plan(spec, source, costs, by_files, checked=True)
    plan = replace(plan, spec=with_epochs(spec, source, plan.variants[0].flops))
    limits = _limit_notes(plan.spec, source, len(plan.variants))
    limits += memory_notes(plan.variants, spec) + checkpoint_notes(plan.variants, spec)
    return replace(plan, notes=(*source.notes, *plan.notes, *limits, *cache_notes()))


def classic_plan(plan: Plan, *, by_files: bool = False) -> Plan:
    """What the classic grid would be, the specification being the same otherwise.

    It is for comparison with ``plan``, whose costs it shares, so the network is not checked again;
    layers are rounded as the authors do. ``by_files`` is that of `make_plan`.

    Raises:
        UserError: the grid is empty.
    """
    spec = plan.spec.model_copy(
        update={
            "grid": "classic",
            "curves": (),
            "compound": None,
            "width_curves": (),
            "scale": "axes",
            "depth_rounding": "authors",
        }
    )
    return _plan(spec, plan.source, plan.costs, by_files, checked=False)


def _plan(spec: SweepSpec, source: Source, costs: Costs, by_files: bool, checked: bool) -> Plan:
    """As `make_plan`, without notes on data and limits.

    To try and count a network that has to be built takes seconds, so what was found is kept.
    """
    settings = {key: getattr(spec, key) for key in _SETTINGS}
    for key in _LATER:  # plans of before there were these keys are the same
        if settings[key] == SweepSpec.model_fields[key].default:
            del settings[key]
    content = [_FORMAT, settings, costs.num_classes, costs.in_chans, checked]
    if spec.trainer is not None:  # networks need not be classifiers
        content.append("trainer")

    def find() -> dict[str, Any]:
        return _found(spec, costs, checked)

    def find_or_recall() -> Any:
        if costs.known or costs.baseline.origin == "timm":
            return find()
        network = [costs.baseline.name, costs.baseline.definition]
        counted = costs.unscaled(spec.resolution or 0)
        holds = partial(_holds, costs, checked)
        return recalled("plans", [network, counted, content], find, valid=holds)

    if spec.match == "latency":  # latencies have a cache of their own
        found = find()
    else:
        found = kept("plans", spec.baseline, content, find_or_recall, by_files=by_files)
    return Plan(
        spec=spec,
        source=source,
        variants=tuple(Variant.read(row) for row in found["variants"]),
        considered=found["considered"],
        of_grid=frozenset(found["of_grid"]),
        axes=tuple(found["axes"]),
        costs=costs,
        notes=tuple(found["notes"]),
    )


def _found(spec: SweepSpec, costs: Costs, checked: bool) -> dict[str, Any]:
    """What is computed of a plan, as JSON; a network that is ``checked`` is sound."""
    rounded = costs.rounded(spec.depth_rounding or "authors")
    resolution = _resolution(spec, costs.baseline)
    classifies = spec.trainer is None
    notes = check(costs, resolution, spec.resolution_step or 1, classifies) if checked else []
    placed = stage_picks(spec, rounded, resolution)
    if spec.grid == "classic":
        picks = classic_picks(spec, rounded, resolution)
        chosen = [pick for pick in picks if pick.role == "grid"]
        considered = len(chosen)
        picks += placed.picks
    else:
        picks, considered, more = matched_picks(spec, rounded, resolution)
        picks += placed.picks
        chosen = [pick for pick in picks if pick.role not in (*APART, "paper") and pick.phi == 1]
        notes += more
    notes += placed.notes
    kept = math.nan  # of a step of a trainer nothing is known
    if spec.trainer is None:
        kept = kept_per_activation(rounded, resolution) * BYTES * spec.batch_size
    named = variants_of(picks, spec, costs.in_chans, kept)
    distinct = {variant.variant: variant for variant in reversed(named.values())}
    variants = sorted(distinct.values(), key=plan_order)
    if checked:
        _check_costs(variants, costs)
    return {
        "variants": [asdict(variant) for variant in variants],
        "considered": considered,
        "of_grid": sorted({named[place(pick)].variant for pick in chosen if any(pick.cell)}),
        "axes": picks[0].networks.axes,
        "notes": notes,
    }


def _holds(costs: Costs, checked: bool, found: dict[str, Any]) -> bool:
    """Whether a plan that was kept is still that of a user's own code, all of which may change."""
    if costs.baseline.origin != "code" or not checked:
        return True
    try:
        _check_costs([Variant.read(row) for row in found["variants"]], costs)
    except UserError:
        return False
    return True


def _check_costs(variants: Sequence[Variant], costs: Costs) -> None:
    """Count every variant whole, as it will be trained.

    Raises:
        UserError: one costs more or less than planned.
    """
    for one in variants:
        planned = Cost(one.flops, one.params, one.activations)
        rounded = costs.rounded(one.depth_rounding).placed(one.placement)
        rounded.check(one.depth, one.width, one.resolution, planned)


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


def _limit_notes(spec: SweepSpec, source: Source, variants: int) -> list[str]:
    """Sentences on a race too short for every variant, and on trials too short."""
    notes = []
    if spec.max_trials is not None and spec.max_trials < variants:
        notes.append(
            f"--max-trials {spec.max_trials} leaves some of the {variants} variants untrained"
        )
    updates = spec.epochs * (source.num_train // spec.batch_size)
    if updates < FEW_UPDATES and spec.trainer is None:
        notes.append(
            f"a trial makes {updates} updates only; after fewer than {FEW_UPDATES} accuracy often "
            "jumps, and seeds differ by when it does: take more --epochs or a smaller --batch-size"
        )
    return notes
