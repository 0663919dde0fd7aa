"""The arithmetic of compound scaling: α, β, γ, φ, grids and budget shares.

Tan & Le, "EfficientNet" (ICML 2019, arXiv 1905.11946), section 3.3, equation 3: at compound
coefficient φ a baseline's depth is multiplied by α^φ, its width by β^φ and its resolution by γ^φ,
subject to α·β²·γ² ≈ F with α, β, γ ≥ 1, so that FLOPs grow by about F^φ (F = 2 in the paper).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from scalegrid.util.errors import UserError

Bounds = tuple[float, float]

DepthRounding = Literal["ceil", "round"]
"""How multiplied layers become whole: up, or to the nearest."""

DepthRule = Literal["ceil", "round", "authors"]
"""Likewise; ``authors`` is the rule that a family's authors use."""

LIMIT = 64.0
"""The largest multiplier considered, and one over it the smallest: what builds the same network up
to there is taken to build it for ever."""

MOST_LATTICE_POINTS = 2_000_000
"""The most triples that `classic_grid` enumerates; step 0.05 has about a million at F = 16."""


class Scaling(NamedTuple):
    """Multipliers of a baseline's depth, width and resolution."""

    depth: float
    width: float
    resolution: float


class Shares(NamedTuple):
    """Budget shares: the fraction of log₂ FLOPs due to each axis; they sum to one."""

    depth: float
    width: float
    resolution: float


class Coefficients(NamedTuple):
    """A triple (α, β, γ): growth of depth, width and resolution per unit of φ."""

    alpha: float
    beta: float
    gamma: float

    @property
    def flops_factor(self) -> float:
        """α·β²·γ², the nominal FLOPs ratio at φ = 1 (paper, equation 3)."""
        return self.alpha * self.beta**2 * self.gamma**2

    def scaling(self, phi: float) -> Scaling:
        """The multipliers (α^φ, β^φ, γ^φ) of the paper's equation 3."""
        return Scaling(self.alpha**phi, self.beta**phi, self.gamma**phi)

    def shares(self) -> Shares:
        """Nominal budget shares (log₂α, 2·log₂β, 2·log₂γ), normalised to sum to one.

        All are NaN for the identity (1, 1, 1).
        """
        return normalise_shares(
            math.log2(self.alpha), 2 * math.log2(self.beta), 2 * math.log2(self.gamma)
        )


IDENTITY = Coefficients(1.0, 1.0, 1.0)
PAPER = Coefficients(1.2, 1.1, 1.15)
"""The coefficients found for EfficientNet-B0 (paper, section 4)."""


def paper(flops_factor: float = 2.0) -> Coefficients:
    """The paper's coefficients at the φ that makes their FLOPs factor near ``flops_factor``.

    They were found for F = 2, so that φ = log₂F: exactly `PAPER` for 2.
    """
    return Coefficients(*PAPER.scaling(math.log2(flops_factor)))


def normalise_shares(depth: float, width: float, resolution: float) -> Shares:
    """Scale three log₂ FLOPs ratios so that they sum to one (all NaN when they sum to zero)."""
    total = depth + width + resolution
    if total == 0:
        return Shares(math.nan, math.nan, math.nan)
    return Shares(*(part / total + 0.0 for part in (depth, width, resolution)))  # -0 becomes 0


def from_shares(shares: Shares, flops_factor: float = 2.0) -> Coefficients:
    """The coefficients with these nominal shares and α·β²·γ² = ``flops_factor``."""
    return Coefficients(
        flops_factor**shares.depth,
        flops_factor ** (shares.width / 2),
        flops_factor ** (shares.resolution / 2),
    )


def corners(flops_factor: float = 2.0) -> dict[str, Coefficients]:
    """Single-axis scaling at a nominal FLOPs ratio: α = F, β = √F, γ = √F (paper, figure 3)."""
    root = math.sqrt(flops_factor)
    return {
        "depth": Coefficients(flops_factor, 1.0, 1.0),
        "width": Coefficients(1.0, root, 1.0),
        "resolution": Coefficients(1.0, 1.0, root),
    }


def stage_depths(depth: float, placement: float, stages: int) -> tuple[float, ...]:
    """The depth multipliers of the stages of a network whose depth is multiplied by ``depth``.

    Stage i of n has depth^w_i. At a ``placement`` of 0 every w is 1, as in the paper. At 1 they
    rise in equal steps from 0 in the first stage to 2 in the last, so that layers are added late;
    at -1 they fall likewise, and between in proportion. Their mean is 1, so the geometric mean of
    the multipliers is ``depth``. Below 1 it is the same: at 1 the last stages lose layers. A single
    stage has w = 1.

    The rule is scalegrid's own; that stages should not grow alike is the observation of Tan & Le
    (2021, arXiv 2104.00298, section 3.3) and Liu et al. (2021, arXiv 2108.00177).
    """
    if placement == 0 or stages == 1:
        return (depth,) * stages
    powers = (1 + placement * (2 * i / (stages - 1) - 1) for i in range(stages))
    return tuple(depth**w for w in powers)


def classic_grid(
    step: float,
    tolerance: float,
    flops_factor: float = 2.0,
    alpha: Bounds | None = None,
    beta: Bounds | None = None,
    gamma: Bounds | None = None,
) -> list[Coefficients]:
    """Every (α, β, γ) on the lattice {1, 1 + step, …}³ within bounds and near the constraint.

    The triples satisfy |α·β²·γ² − flops_factor| ≤ tolerance and are in ascending order. Bounds of
    None are 1 to F for α and as the constraint allows for β and γ, also where F is below 1. Lattice
    points are rounded to twelve digits, and the inequality has a margin of 1e-9, so rounding does
    not exclude triples on the border.

    Raises:
        UserError: no triple qualifies, and which tolerance or bound would change that; or the
            lattice has more than `MOST_LATTICE_POINTS`.
    """
    far = flops_factor + tolerance if flops_factor > 1 else flops_factor - tolerance
    root = math.sqrt(max(far, flops_factor / 4))
    one, other = (sorted((1.0, end)) for end in (flops_factor, root))
    ranges = (
        alpha or (one[0], one[1]),
        *(given or (other[0], other[1]) for given in (beta, gamma)),
    )
    points = math.prod((high - low) / step + 1 for low, high in ranges)
    if points > MOST_LATTICE_POINTS:
        raise UserError(
            f"the grid is too large: about {points:.2g} triples at step {step:g} lie within the "
            f"bounds, more than {MOST_LATTICE_POINTS:,}; use a larger --step, a smaller "
            "--tolerance, or narrower bounds."
        )
    axes = [list(_lattice(step, bounds)) for bounds in ranges]
    for name, axis, bounds in zip("αβγ", axes, ranges, strict=True):
        if not axis:
            raise UserError(
                f"the grid is empty: no multiple of step {step:g} from 1 lies in the bounds "
                f"{bounds[0]:g} to {bounds[1]:g} of {name}; widen them or use a smaller --step."
            )
    triples = [Coefficients(a, b, c) for a in axes[0] for b in axes[1] for c in axes[2]]
    gaps = [abs(triple.flops_factor - flops_factor) for triple in triples]
    grid = [t for t, gap in zip(triples, gaps, strict=True) if gap <= tolerance + 1e-9]
    if not grid:
        raise UserError(
            f"the grid is empty: no (α, β, γ) at step {step:g} has |α·β²·γ² − {flops_factor:g}| ≤ "
            f"{tolerance:g}; the smallest is {min(gaps):.3g}, so raise --tolerance to "
            f"{math.ceil(min(gaps) * 1000) / 1000:g}, use a smaller --step, or widen the bounds."
        )
    return grid


def _lattice(step: float, bounds: Bounds) -> Iterator[float]:
    low, high = bounds
    first = math.ceil((low - 1) / step - 1e-9)
    last = math.floor((high - 1) / step + 1e-9)
    return (round(1 + step * i, 12) for i in range(first, last + 1))
