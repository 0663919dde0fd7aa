"""One size of a family: the network that some multipliers build, and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scalegrid.baselines import network_id
from scalegrid.coefficients import LIMIT, Coefficients, Scaling
from scalegrid.family.regularisation import RELEASE, Regularisation
from scalegrid.family.start import Start
from scalegrid.plan.memory import BYTES, training_bytes
from scalegrid.plan.variants import channels, layers
from scalegrid.training.devices import device_memory
from scalegrid.util.errors import UserError

Budget = Literal["formula", "exact"]
"""What decides a network: the formula alone, or the FLOPs that it aims at."""


@dataclass(frozen=True)
class Size:
    """One size. ``depth``, ``width`` and ``resolution_scale`` are d, w and r; ``resolution`` is px.

    ``flops_ratio`` is measured over the baseline's, ``nominal_ratio`` is F^φ. ``matched`` says
    whether the cost that is aimed at is met within the tolerance. ``memory`` are the bytes that a
    training step needs in float32: activations, estimated, and weights with their gradients and two
    moments; None if it is not known. ``latency`` are seconds of one image, None if not measured.
    """

    budget: Budget
    phi: float
    depth: float
    width: float
    resolution_scale: float
    resolution: int
    layers: str
    channels: str
    flops: int
    flops_ratio: float
    nominal_ratio: float
    matched: bool
    params: int
    activations: int
    memory: int | None
    dropout: float
    drop_path: float
    weight_decay: float
    latency: float | None
    variant: str

    @property
    def scaling(self) -> Scaling:
        """The multipliers that build it."""
        return Scaling(self.depth, self.width, self.resolution_scale)


@dataclass(frozen=True)
class Terms:
    """What all sizes of a family share.

    ``flops_factor`` is F; ``tolerance`` is the relative deviation from the cost aimed at that
    counts as met; ``batch_size`` is that of a training step.
    """

    start: Start
    coefficients: Coefficients
    flops_factor: float = 2.0
    tolerance: float = 0.03
    batch_size: int = 16
    regularisation: Regularisation = RELEASE

    def __post_init__(self) -> None:
        _check(self.coefficients, self.flops_factor)
        if not 0 < self.tolerance < 1:
            raise UserError(f"--cost-tolerance {self.tolerance:g} must be between 0 and 1.")
        self.regularisation.checked()

    def ratio(self, phi: float) -> float:
        """F^φ.

        Raises:
            UserError: it is too large or too small for a number.
        """
        try:
            found = float(self.flops_factor**phi)
        except OverflowError:
            found = math.inf
        if not 0 < found < math.inf:
            raise UserError(
                f"φ = {phi:g} asks for {self.flops_factor:g}^{phi:g} times the FLOPs, which no "
                "network has; choose φ nearer 0."
            )
        return found


def size_of(
    terms: Terms,
    phi: float,
    scaling: Scaling,
    budget: Budget = "formula",
    matched: bool | None = None,
) -> Size:
    """Realise and cost one network.

    Args:
        terms: of the family.
        phi: of the size.
        scaling: the multipliers that build it.
        budget: by which it was found.
        matched: whether it meets the cost aimed at; None: judged by F^φ.

    Raises:
        UserError: it cannot be built, or its weights are larger than the machine's memory.
    """
    start = terms.start
    cost, px = start.cost(scaling), start.side(scaling.resolution)
    _check_weights(start, phi, cost.params)
    layout = start.baseline.layout(scaling.depth, scaling.width)
    ratio, nominal = cost.flops / start.own_cost.flops, terms.ratio(phi)
    kept = start.kept * BYTES * terms.batch_size
    doublings = phi * math.log2(terms.flops_factor)
    return Size(
        budget=budget,
        phi=phi,
        depth=scaling.depth,
        width=scaling.width,
        resolution_scale=scaling.resolution,
        resolution=px,
        layers=layers(layout),
        channels=channels(layout),
        flops=cost.flops,
        flops_ratio=ratio,
        nominal_ratio=nominal,
        matched=abs(ratio / nominal - 1) <= terms.tolerance if matched is None else matched,
        params=cost.params,
        activations=cost.activations,
        memory=None
        if math.isnan(kept)
        else training_bytes(round(kept * cost.activations), cost.params),
        latency=None,
        variant=network_id(start.baseline, layout, px, start.costs.in_chans),
        **{key: ramp.at(doublings) for key, ramp in terms.regularisation._asdict().items()},
    )


def _check(coefficients: Coefficients, factor: float) -> None:
    """Raise UserError unless cost grows with φ as F^φ does."""
    for name, value in coefficients._asdict().items():
        if not 1 / LIMIT <= value <= LIMIT:
            raise UserError(f"--{name} {value:g} must be a number from 1/{LIMIT:g} to {LIMIT:g}.")
    if not (math.isfinite(factor) and factor > 0) or abs(math.log(factor)) < _FLAT:
        raise UserError(f"--flops-factor {factor:g} must be a number above 0 other than 1.")
    product = coefficients.flops_factor
    if abs(math.log(product)) < _FLAT or (product > 1) != (factor > 1):
        way = "grow" if factor > 1 else "shrink"
        now = "stay" if abs(math.log(product)) < _FLAT else "shrink" if product < 1 else "grow"
        raise UserError(
            f"α·β²·γ² = {product:.3g}, so costs {now} as φ grows, and at --flops-factor {factor:g} "
            f"they must {way}; choose coefficients {'above' if factor > 1 else 'below'} 1."
        )


_FLAT = 1e-3
"""A logarithm of α·β²·γ², or of F, below which φ says nothing."""


def _check_weights(start: Start, phi: float, params: int) -> None:
    there = device_memory("cpu")
    if params * BYTES > there:
        raise UserError(
            f"at φ = {phi:g} the weights of {start.baseline.name} need "
            f"{params * BYTES / 2**30:.2g} GiB, and this machine has {there / 2**30:.3g} GiB; "
            "choose φ nearer 0, or fewer --num-classes."
        )
