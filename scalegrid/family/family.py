"""A family: the sizes of some φ or budgets, and what a user should know of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from scalegrid.coefficients import Coefficients, DepthRule
from scalegrid.family.exact import exact
from scalegrid.family.intervals import WIDE, Interval, Range, narrower, range_at
from scalegrid.family.phis import counted, solve
from scalegrid.family.regularisation import RELEASE, Regularisation
from scalegrid.family.sizes import Size, Terms, size_of
from scalegrid.family.start import Start, start
from scalegrid.training.devices import device_memory
from scalegrid.util.errors import UserError
from scalegrid.util.text import few

if TYPE_CHECKING:
    import pandas as pd

    from scalegrid.family.swept import Swept

By = Literal["flops", "params", "latency"]
Way = Literal["formula", "exact", "both"]


@dataclass(frozen=True)
class Family:
    """Sizes in order of φ, those of the formula first; ranges of a sweep's; sentences to read.

    ``origin`` says which sweep the coefficients are of; empty if they were given.
    """

    terms: Terms
    sizes: tuple[Size, ...]
    ranges: tuple[Range, ...] = ()
    notes: tuple[str, ...] = ()
    origin: str = ""

    def by(self, budget: str) -> list[Size]:
        """The sizes found by ``formula`` or ``exact``."""
        return [size for size in self.sizes if size.budget == budget]


def make_family(
    baseline: str,
    coefficients: tuple[float, float, float],
    phis: Sequence[float] = (0, 1, 2, 3, 4, 5, 6, 7),
    *,
    flops: Sequence[float] = (),
    budget: Way = "formula",
    flops_factor: float = 2.0,
    tolerance: float = 0.03,
    resolution: int | None = None,
    resolution_step: int | None = None,
    num_classes: int = 1000,
    in_chans: int = 3,
    depth_rounding: DepthRule = "authors",
    batch_size: int = 16,
    regularisation: Regularisation = RELEASE,
) -> pd.DataFrame:
    """The networks that coefficients make of a baseline, realised and costed: a row each.

    Args:
        baseline: its name, see `scalegrid baselines`.
        coefficients: (α, β, γ).
        phis: compound coefficients, fractional and negative ones too.
        flops: budgets of multiply-adds for one image, in place of φ: of each the nearest network.
        budget: ``formula``: d, w, r = α^φ, β^φ, γ^φ, rounded; ``exact``: the network nearest the
            coefficients' direction that costs F^φ times the baseline's FLOPs, or the budget;
            ``both``.
        flops_factor: F.
        tolerance: relative deviation from F^φ that counts as met.
        resolution: input side at φ = 0 in px; None: the authors'.
        resolution_step: px between input sides; None: the baseline's own.
        num_classes: outputs of the classifier.
        in_chans: channels of the images.
        depth_rounding: how multiplied layers become whole.
        batch_size: of a training step, for its memory.
        regularisation: dropout, stochastic depth and weight decay.

    Returns:
        The columns are the fields of `scalegrid.family.Size`.

    Raises:
        UserError: the baseline is unknown or not sound, cost does not grow as F^φ does, a φ makes
            no network, or none reaches a budget.
    """
    import pandas as pd

    first = start(
        baseline,
        resolution=resolution,
        resolution_step=resolution_step,
        num_classes=num_classes,
        in_chans=in_chans,
        depth_rounding=depth_rounding,
    )
    terms = Terms(
        first, Coefficients(*coefficients), flops_factor, tolerance, batch_size, regularisation
    )
    found = at_budgets(terms, flops, "flops", budget) if flops else at_phis(terms, phis, budget)
    rows = [asdict(size) for size in found.sizes]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def at_phis(terms: Terms, phis: Sequence[float], way: Way = "formula") -> Family:
    """The sizes of some φ."""
    sizes: list[Size] = []
    if way != "exact":
        scalings = [(phi, terms.start.scaling(terms.coefficients, phi)) for phi in phis]
        sizes += [size_of(terms, phi, scaling) for phi, scaling in scalings]
        _check_growth(terms, sizes)
    if way != "formula":
        own = terms.start.own_cost.flops
        sizes += [_exact(terms, phi, own * terms.ratio(phi)) for phi in phis]
    return noted(Family(terms, tuple(sizes)))


def at_budgets(
    terms: Terms, budgets: Sequence[float], kind: Literal["flops", "params"], way: Way = "formula"
) -> Family:
    """The sizes nearest some budgets, of FLOPs or of parameters."""
    cost_of = counted(terms.start, kind)
    phis = [solve(terms.start, terms.coefficients, budget, cost_of) for budget in budgets]
    sizes: list[Size] = []
    if way != "exact":
        for phi, budget in zip(phis, budgets, strict=True):
            scaling = terms.start.scaling(terms.coefficients, phi)
            met = abs(cost_of(scaling) / budget - 1) <= terms.tolerance
            sizes.append(size_of(terms, phi, scaling, matched=met))
    if way != "formula":
        pairs = zip(phis, budgets, strict=True)
        sizes += [_exact(terms, phi, budget, kind) for phi, budget in pairs]
    return noted(Family(terms, tuple(sizes)))


def _check_growth(terms: Terms, sizes: Sequence[Size]) -> None:
    """Raise UserError where rounding leaves nothing of a doubling, or turns it round."""
    for size in sizes:
        wanted = math.log2(size.nominal_ratio)
        if abs(wanted) >= 1 and math.log2(size.flops_ratio) / wanted <= 0:
            raise UserError(
                f"at φ = {size.phi:g} {terms.start.baseline.name} has {size.flops_ratio:.3g} times "
                f"the FLOPs of φ = 0, and {size.nominal_ratio:.3g} times are aimed at: these "
                "coefficients do not scale it; choose others."
            )


def _exact(terms: Terms, phi: float, budget: float, kind: str = "flops") -> Size:
    found = exact(terms, budget, kind)
    return size_of(terms, phi, found.scaling, "exact", found.matched)


def with_sweep(family: Family, known: Swept) -> Family:
    """The family with the ranges that a sweep leaves open, and a note where they are wide."""
    first = family.terms.start
    phis = sorted({size.phi for size in family.sizes} - {0.0})
    found = {phi: _range_or_none(first, known.interval, phi) for phi in phis}
    ranges, notes = [one for one in found.values() if one], list(known.notes)
    beyond = [phi for phi, one in found.items() if one is None]
    if beyond:
        notes.append(
            f"at φ = {few([f'{phi:g}' for phi in beyond])} the ends of what the sweep knows are no "
            "networks that can be costed"
        )
    notes += _wide(family.terms, known, ranges)
    notes = [*family.notes, *notes]
    return replace(family, ranges=tuple(ranges), notes=tuple(notes), origin=known.origin)


def _range_or_none(first: Start, known: Interval, phi: float) -> Range | None:
    """None where an end makes no network."""
    try:
        return range_at(first, known, phi)
    except UserError:
        return None


def _wide(terms: Terms, known: Swept, ranges: Sequence[Range]) -> list[str]:
    wide = [one for one in ranges if one.spread > WIDE]
    if not wide:
        return []
    first, last = wide[0], max(wide, key=lambda one: one.spread)
    said = (
        f"rounding at φ = 1 leaves the coefficients open, so that FLOPs at φ = {last.phi:g} may be "
        f"{last.spread:.1f} times as many at one end as at the other"
    )
    narrow = [one.phi for one in ranges if abs(one.phi) < abs(first.phi)]
    if narrow:
        said += f"; beyond φ = {max(narrow, key=abs):g} they differ by more than {WIDE:g}"
    better = narrower(terms, known.start, last.phi)
    if better is None or better.spread >= last.spread:
        return [f"{said}, and no sweep up to a FLOPs factor of 16 would narrow that"]
    return [
        f"{said}. A sweep with --flops-factor {better.flops_factor:.3g} would leave "
        f"{better.spread:.1f} times at φ = {last.phi:g}"
    ]


def noted(family: Family) -> Family:
    """With sentences on exact sizes that miss their budget, and on what does not fit in memory."""
    terms, notes = family.terms, _growth(family)
    missed = [size for size in family.by("exact") if not size.matched]
    if missed:
        named = few([f"φ = {size.phi:g} ({size.flops_ratio:.3g}×)" for size in missed])
        notes.append(
            f"no network costs what is asked within {100 * terms.tolerance:g} % at {named}; the "
            "nearest is taken and marked"
        )
    there = device_memory("cpu")
    large = [size for size in family.sizes if (size.memory or 0) > there]
    if large:
        first = min(large, key=lambda size: size.memory or 0)
        notes.append(
            f"a training step of {terms.batch_size} images needs {(first.memory or 0) / 2**30:.1f} "
            f"GiB at φ = {first.phi:g}, and this machine has {there / 2**30:.1f} GiB; give a "
            "smaller --batch-size, or train larger sizes elsewhere"
        )
    return replace(family, notes=(*family.notes, *notes))


_DRIFTS = 0.05
"""A relative error of log(α·β²·γ²) above which the formula does not even mean F^φ."""


def _growth(family: Family) -> list[str]:
    """A sentence where the formula itself does not ask for F^φ, as of a sweep's coefficients."""
    product, factor = family.terms.coefficients.flops_factor, family.terms.flops_factor
    grows = math.log(product) / math.log(factor)
    if not family.by("formula") or abs(grows - 1) <= _DRIFTS:
        return []
    return [
        f"α·β²·γ² = {product:.3g}, so by the formula FLOPs grow as {product:.3g}^φ and not as "
        f"{factor:g}^φ; --budget exact keeps to {factor:g}^φ"
    ]
