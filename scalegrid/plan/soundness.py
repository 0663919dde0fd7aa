"""Everything that can be wrong with a user's network, found before any training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scalegrid.baselines import Baseline, skeleton
from scalegrid.cost.table import Costs
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.text import percent

if TYPE_CHECKING:
    from torch import nn

_PROBES = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.3, 1.3))
"""Depth and width of the networks that are tried; the last finds channels that do not divide."""


def check(costs: Costs, resolution: int, step: int, classifies: bool = True) -> list[str]:
    """Build and run a baseline unscaled, deeper, wider, and on larger images.

    Args:
        costs: of its networks; built-in ones are known to be sound and are not tried.
        resolution: of the sweep's baseline, in px; a larger one is tried too.
        step: px between resolutions.
        classifies: whether the output must be (N, num_classes).

    Returns:
        Notes for the user, a sentence each: an axis on which the network does not scale;
        arithmetic that is not counted.

    Raises:
        UserError: one sentence, naming the network: it cannot be built, does not run at the
            resolution or at a larger one, leaves px unused, differs between calls, returns
            something else than (N, num_classes), or has nothing that can be counted.
    """
    baseline = costs.baseline
    if baseline.origin == "built-in":
        return []
    if resolution < baseline.total_stride:
        raise UserError(
            f"{baseline.name} shrinks its maps {baseline.total_stride} times, too much for images "
            f"of {resolution} px."
        )
    networks = _Networks(baseline, costs.num_classes, costs.in_chans)
    for depth, width in _PROBES:
        networks.check_repeatable(depth, width, resolution)
        networks.check_output(depth, width, resolution, classifies)
    own = baseline.resolution_step
    larger = resolution + own * math.ceil(0.5 * resolution / own)
    networks.check_output(1.0, 1.0, larger, classifies)
    _check_step(baseline, resolution, step)
    return networks.uncounted(resolution) + _idle_axes(baseline)


def _check_step(baseline: Baseline, resolution: int, step: int) -> None:
    """Run ``baseline`` on images of ``step`` px more than ``resolution``, unless its steps say so.

    Raises:
        UserError: it does not run on them, or leaves some of their px unused.
    """
    if baseline.origin == "built-in" or step % baseline.resolution_step == 0:
        return
    from scalegrid.baselines.introspection import run

    side = resolution + step
    try:
        run(skeleton(baseline, 1.0, 1.0, 10, side), side, whole=True)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise UserError(
            f"--resolution-step {step} leads to images of {side} px, on which {baseline.name} does "
            f"not run ({one_line(error)}); give a multiple of {baseline.resolution_step} px."
        ) from error


@dataclass(frozen=True)
class _Networks:
    """Networks of a baseline for images and classes of these numbers."""

    baseline: Baseline
    num_classes: int
    in_chans: int

    def build(self, depth: float, width: float, resolution: int) -> nn.Module:
        """One of them, for its shapes alone."""
        return skeleton(self.baseline, depth, width, self.num_classes, resolution, self.in_chans)

    def check_repeatable(self, depth: float, width: float, resolution: int) -> None:
        """Raise UserError if another network is built when asked for the same once more."""
        from scalegrid.baselines.introspection import structure

        first, second = (structure(self.build(depth, width, resolution)) for _ in range(2))
        if first != second:
            raise UserError(
                f"{self.baseline.name} builds different networks each time it is asked for depth "
                f"{depth:g}, width {width:g}; what it builds must depend on its arguments alone."
            )

    def check_output(self, depth: float, width: float, resolution: int, classifies: bool) -> None:
        """Raise UserError if it does not run, or ``classifies`` and returns another shape."""
        import torch

        from scalegrid.baselines.introspection import run

        which = f"{self.baseline.name} at depth {depth:g}, width {width:g}"
        model = self.build(depth, width, resolution)
        try:
            output = run(model, resolution, images=2, in_chans=self.in_chans, whole=True)
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            rule = self._rule() if (depth, width) == (1.0, 1.0) else ""
            channels = "" if self.in_chans == 3 else f" and channels: {self.in_chans}"
            raise UserError(
                f"{which} does not run on images of {resolution} px{channels} "
                f"({one_line(error)}){rule}."
            ) from error
        if not classifies:
            return
        if output is None:
            raise UserError(f"{which} returns nothing; its forward must end in return.")
        if not isinstance(output, torch.Tensor):
            raise UserError(f"{which} returns a {type(output).__name__}; it must return a tensor.")
        wanted = (2, self.num_classes)
        if tuple(output.shape) != wanted:
            raise UserError(
                f"{which} turns 2 images into an output of shape {tuple(output.shape)}; for "
                f"{self.num_classes} classes it must be {wanted}."
            )

    def _rule(self) -> str:
        """What resolutions the network must take, or takes."""
        if self.baseline.origin != "timm":
            return "; a baseline must take square images of any size above its total stride"
        step = self.baseline.resolution_step
        return f"; take {self.baseline.brief_resolution} px, or steps of {step} px from there"

    def uncounted(self, resolution: int) -> list[str]:
        """A note if the network does arithmetic that `scalegrid.cost` does not count.

        Raises:
            UserError: nothing of it is counted.
        """
        from scalegrid.cost.counting import trace

        name, model = self.baseline.name, self.build(1.0, 1.0, resolution)
        found = trace(model, resolution, self.in_chans)
        if not found.total.flops:
            raise UserError(
                f"{name} has no convolution and no matrix product, so its cost cannot be counted."
            )
        everything = found.total.activations + found.uncounted.total()
        return [
            f"the cost of {operator} in {name} is not counted; its outputs are "
            f"{percent(elements / everything)} of its outputs and those of what is counted."
            for operator, elements in found.uncounted.items()
        ]


def _idle_axes(baseline: Baseline) -> list[str]:
    axes = {"depth": baseline.depths, "width": baseline.channels}
    return [
        f"{baseline.name} is the same network at {axis} 1 and {axis} 2: its {axis} is not scaled."
        for axis, realised in axes.items()
        if realised(1.0) == realised(2.0)
    ]
