"""Where a family starts: a baseline at its px, and what it becomes at other multipliers."""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import cached_property
from typing import NamedTuple

from scalegrid import baselines
from scalegrid.baselines import Baseline
from scalegrid.coefficients import LIMIT, Coefficients, DepthRule, Scaling
from scalegrid.cost.counting import Cost
from scalegrid.cost.table import Costs
from scalegrid.plan.classic import pixels
from scalegrid.plan.memory import kept_per_activation
from scalegrid.plan.soundness import check
from scalegrid.util.errors import UserError

_MARGIN = 1e-9


class Place(NamedTuple):
    """What multipliers build: equal for two scalings if and only if they build the same network."""

    depths: Hashable
    channels: Hashable
    resolution: int


class Start:
    """The network at φ = 0, and the networks that it is scaled to.

    Args:
        costs: of the baseline's networks, by the rule of rounding layers that holds for all.
        resolution: input side of the network at φ = 0, in px.
        step: px between allowed sides.
        rest: allowed sides are multiples of the step and this many px.
    """

    def __init__(self, costs: Costs, resolution: int, step: int, rest: int = 0) -> None:
        self.costs, self.resolution, self.step, self.rest = costs, resolution, step, rest
        self._found: dict[Place, Cost] = {}

    @property
    def baseline(self) -> Baseline:
        """The network that is scaled."""
        return self.costs.baseline

    def scaling(self, coefficients: Coefficients, phi: float) -> Scaling:
        """The multipliers of coefficients at φ.

        Raises:
            UserError: one is too large or too small to be a network.
        """
        try:
            found = coefficients.scaling(phi)
        except OverflowError:
            found = Scaling(math.inf, math.inf, math.inf)
        for axis, multiplier in found._asdict().items():
            if not 1 / LIMIT <= multiplier <= LIMIT:
                raise UserError(
                    f"φ = {phi:g} multiplies the {axis} of {self.baseline.name} by "
                    f"{multiplier:.3g}, and multipliers from 1/{LIMIT:g} to {LIMIT:g} are allowed; "
                    "choose φ nearer 0."
                )
        return found

    def limits(self, coefficients: Coefficients) -> tuple[float, float]:
        """The lowest and the highest φ of which `scaling` and `side` take the multipliers."""
        stride = self.baseline.total_stride
        smallest = self.rest + self.step * (math.ceil((stride - self.rest) / self.step) - 0.5)
        least = Scaling(1 / LIMIT, 1 / LIMIT, max(1 / LIMIT, min(1.0, smallest / self.resolution)))
        ends = [
            sorted((math.log(low) / math.log(c), math.log(LIMIT) / math.log(c)))
            for c, low in zip(coefficients, least, strict=True)
            if c != 1
        ]
        # A little inside, since powers are not exact.
        return max(e[0] for e in ends) + _MARGIN, min(e[1] for e in ends) - _MARGIN

    def side(self, multiplier: float) -> int:
        """The input side in px of a multiplied resolution.

        Raises:
            UserError: it is smaller than the network's total stride.
        """
        side = pixels(self.resolution, multiplier, self.step, self.rest)
        if side < self.baseline.total_stride:
            raise UserError(
                f"images of {side} px are too small for {self.baseline.name}, whose strides need "
                f"at least {self.baseline.total_stride} px; choose a larger --resolution, or φ "
                "nearer 0."
            )
        return side

    def place(self, scaling: Scaling) -> Place:
        """What the multipliers build."""
        baseline = self.baseline
        side = self.side(scaling.resolution)
        return Place(baseline.depths(scaling.depth), baseline.channels(scaling.width), side)

    def cost(self, scaling: Scaling) -> Cost:
        """What the network of these multipliers costs."""
        at = self.place(scaling)
        if at not in self._found:
            self._found[at] = self.costs.of(scaling.depth, scaling.width, at.resolution)
        return self._found[at]

    def other(
        self,
        *,
        resolution: int | None = None,
        resolution_step: int | None = None,
        num_classes: int | None = None,
        in_chans: int | None = None,
        depth_rounding: DepthRule | None = None,
    ) -> Start:
        """The same baseline, with what is given instead of its own."""
        costs = Costs(
            self.baseline, num_classes or self.costs.num_classes, in_chans or self.costs.in_chans
        )
        side, step = resolution or self.resolution, resolution_step or self.step
        return Start(
            costs.rounded(depth_rounding) if depth_rounding else costs, side, step, side % step
        )

    @cached_property
    def kept(self) -> float:
        """Elements that a training step keeps for each activation; NaN if that is not known."""
        return kept_per_activation(self.costs, self.resolution)

    @property
    def own_cost(self) -> Cost:
        """What the network at φ = 0 costs."""
        return self.cost(Scaling(1.0, 1.0, 1.0))


def start(
    baseline: str,
    *,
    resolution: int | None = None,
    resolution_step: int | None = None,
    num_classes: int = 1000,
    in_chans: int = 3,
    depth_rounding: DepthRule = "authors",
) -> Start:
    """The start of a baseline by name, at its authors' px, in its own steps, if not said otherwise.

    Raises:
        UserError: there is no such baseline, or it is not sound (see `plan.soundness`).
    """
    found = baselines.get(baseline)
    costs = Costs(found, num_classes, in_chans).rounded(depth_rounding)
    side, step = resolution or found.resolution, resolution_step or found.resolution_step
    first = Start(costs, side, step, side % step)
    first.side(1.0)
    check(costs, side, step)
    return first
