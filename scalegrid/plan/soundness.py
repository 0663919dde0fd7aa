"""Everything that can be wrong with a user's network, found before any training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scalegrid.baselines import Baseline, skeleton
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.text import percent

if TYPE_CHECKING:
    from torch import nn

_PROBES = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.3, 1.3))
"""Depth and width of the networks that are tried; the last finds channels that do not divide."""


def check(baseline: Baseline, num_classes: int, resolution: int, in_chans: int = 3) -> list[str]:
    """Build and run ``baseline`` unscaled, deeper, wider, and on larger images.

    Args:
        baseline: built-in ones are known to be sound and are not tried.
        num_classes: of the data set.
        resolution: of the sweep's baseline, in px; a larger one is tried too.
        in_chans: channels of the images.

    Returns:
        Notes for the user, a sentence each: an axis on which the network does not scale;
        arithmetic that is not counted.

    Raises:
        UserError: one sentence, naming the network: it cannot be built, does not run at the
            resolution or at no other, differs between calls, returns something else than
            (N, num_classes), or has nothing that can be counted.
    """
    if baseline.origin == "built-in":
        return []
    plain = skeleton(baseline, 1.0, 1.0, num_classes, in_chans=in_chans)
    if resolution < baseline.total_stride:
        raise UserError(
            f"{baseline.name} shrinks its maps {baseline.total_stride} times, too much for images "
            f"of {resolution} px."
        )
    for depth, width in _PROBES:
        model = skeleton(baseline, depth, width, num_classes, in_chans=in_chans)
        _check_repeatable(baseline, model, depth, width, num_classes, in_chans)
        _check_output(baseline.name, model, depth, width, num_classes, resolution, in_chans)
    larger = baseline.total_stride * math.ceil(1.5 * resolution / baseline.total_stride)
    _check_output(baseline.name, plain, 1.0, 1.0, num_classes, larger, in_chans)
    return _uncounted(baseline.name, plain, resolution, in_chans) + _idle_axes(baseline)


def _check_repeatable(
    baseline: Baseline,
    model: nn.Module,
    depth: float,
    width: float,
    num_classes: int,
    in_chans: int,
) -> None:
    """Raise UserError if another network is built when asked for the same once more."""
    from scalegrid.baselines.introspection import structure

    again = skeleton(baseline, depth, width, num_classes, in_chans=in_chans)
    if structure(model) != structure(again):
        raise UserError(
            f"{baseline.name} builds different networks each time it is asked for depth {depth:g}, "
            f"width {width:g}; what it builds must depend on its arguments alone."
        )


def _check_output(
    name: str,
    model: nn.Module,
    depth: float,
    width: float,
    num_classes: int,
    resolution: int,
    in_chans: int,
) -> None:
    import torch

    from scalegrid.baselines.introspection import run

    which = f"{name} at depth {depth:g}, width {width:g}"
    try:
        output = run(model, resolution, images=2, in_chans=in_chans)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        unscaled = (depth, width) == (1.0, 1.0)
        channels = "" if in_chans == 3 else f" and channels: {in_chans}"
        rule = "; a baseline must take square images of any size above its total stride"
        raise UserError(
            f"{which} does not run on images of {resolution} px{channels} ({one_line(error)})"
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


def _uncounted(name: str, model: nn.Module, resolution: int, in_chans: int) -> list[str]:
    """A note if the network does arithmetic that `scalegrid.cost` does not count.

    Raises:
        UserError: nothing of it is counted.
    """
    from scalegrid.cost.counting import trace

    found = trace(model, resolution, in_chans)
    if not found.total.flops:
        raise UserError(
            f"{name} has no convolution and no matrix product, so its cost cannot be counted."
        )
    everything = found.total.activations + found.uncounted.total()
    return [
        f"the cost of {operator} in {name} is not counted; its outputs are "
        f"{percent(elements / everything)} of those of all operators that do arithmetic."
        for operator, elements in found.uncounted.items()
    ]
