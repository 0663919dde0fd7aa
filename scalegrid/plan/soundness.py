"""Everything that can be wrong with a user's network, found before any training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scalegrid.baselines import Baseline, skeleton
from scalegrid.util.errors import UserError, one_line

if TYPE_CHECKING:
    from torch import nn

_PROBES = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.3, 1.3))
"""Depth and width of the networks that are tried; the last finds channels that do not divide."""

_MOST_UNCOUNTED = 0.05
"""Share of the weights that may lie outside counted layers without a note."""


def check(baseline: Baseline, num_classes: int, resolution: int) -> list[str]:
    """Build and run ``baseline`` unscaled, deeper, wider, and on larger images.

    Args:
        baseline: built-in ones are known to be sound and are not tried.
        num_classes: of the data set.
        resolution: of the sweep's baseline, in px; a larger one is tried too.

    Returns:
        Notes for the user, a sentence each: an axis on which the network does not scale;
        weights whose use is not counted.

    Raises:
        UserError: one sentence, naming the network: it cannot be built, does not run at the
            resolution or at a larger one, leaves px unused, differs between calls, returns
            something else than (N, num_classes), or has nothing that can be counted.
    """
    if baseline.origin == "built-in":
        return []
    notes = _uncounted(baseline.name, skeleton(baseline, 1.0, 1.0, num_classes))
    if resolution < baseline.total_stride:
        raise UserError(
            f"{baseline.name} shrinks its maps {baseline.total_stride} times, too much for images "
            f"of {resolution} px."
        )
    for depth, width in _PROBES:
        model = skeleton(baseline, depth, width, num_classes, resolution)
        _check_repeatable(baseline, model, depth, width, num_classes, resolution)
        _check_output(baseline, model, depth, width, num_classes, resolution)
    step = baseline.resolution_step
    larger = resolution + step * math.ceil(0.5 * resolution / step)
    model = skeleton(baseline, 1.0, 1.0, num_classes, larger)
    _check_output(baseline, model, 1.0, 1.0, num_classes, larger)
    return notes + _idle_axes(baseline)


def check_step(baseline: Baseline, resolution: int, step: int) -> None:
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


def _check_repeatable(
    baseline: Baseline,
    model: nn.Module,
    depth: float,
    width: float,
    num_classes: int,
    resolution: int,
) -> None:
    """Raise UserError if another network is built when asked for the same once more."""
    from scalegrid.baselines.introspection import structure

    again = skeleton(baseline, depth, width, num_classes, resolution)
    if structure(model) != structure(again):
        raise UserError(
            f"{baseline.name} builds different networks each time it is asked for depth {depth:g}, "
            f"width {width:g}; what it builds must depend on its arguments alone."
        )


def _check_output(
    baseline: Baseline,
    model: nn.Module,
    depth: float,
    width: float,
    num_classes: int,
    resolution: int,
) -> None:
    import torch

    from scalegrid.baselines.introspection import run

    which = f"{baseline.name} at depth {depth:g}, width {width:g}"
    try:
        output = run(model, resolution, images=2, whole=True)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        unscaled = (depth, width) == (1.0, 1.0)
        rule = "; a baseline must take square images of any size above its total stride"
        if baseline.origin == "timm":
            step = baseline.resolution_step
            rule = f"; take {baseline.brief_resolution} px, or steps of {step} px from there"
        raise UserError(
            f"{which} does not run on images of {resolution} px ({one_line(error)})"
            f"{rule if unscaled else ''}."
        ) from error
    if not isinstance(output, torch.Tensor):
        raise UserError(f"{which} returns a {type(output).__name__}; it must return a tensor.")
    if tuple(output.shape) != (2, num_classes):
        raise UserError(
            f"{which} turns 2 images into an output of shape {tuple(output.shape)}; for "
            f"{num_classes} classes it must be {(2, num_classes)}."
        )


def _idle_axes(baseline: Baseline) -> list[str]:
    axes = {"depth": baseline.depths, "width": baseline.channels}
    return [
        f"{baseline.name} is the same network at {axis} 1 and {axis} 2: its {axis} is not scaled."
        for axis, realised in axes.items()
        if realised(1.0) == realised(2.0)
    ]


def _uncounted(name: str, model: nn.Module) -> list[str]:
    """A note if a good part of the weights is outside the layers that `scalegrid.cost` counts.

    Raises:
        UserError: there are no such layers at all.
    """
    from scalegrid.cost.counting import counted_layers

    counted = {id(layer.weight) for _, layer in counted_layers(model)}
    if not counted:
        raise UserError(
            f"{name} builds no convolution or linear layer (torch.nn.Conv2d, torch.nn.Linear), so "
            "its cost cannot be counted."
        )
    matrices = [p for p in model.parameters() if p.dim() > 1]
    share = sum(p.numel() for p in matrices if id(p) not in counted) / sum(
        p.numel() for p in matrices
    )
    if share <= _MOST_UNCOUNTED:
        return []
    return [
        f"{name} has {share:.0%} of its weights outside of torch.nn.Conv2d and torch.nn.Linear; "
        "what these cost is not counted."
    ]
