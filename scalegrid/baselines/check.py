"""Everything that can be wrong with someone's network, found before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalegrid.baselines.base import Baseline
from scalegrid.baselines.skeleton import skeleton
from scalegrid.errors import UserError

if TYPE_CHECKING:
    from torch import nn

_PROBES = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.3, 1.3))
"""Depth and width of the networks that are tried; the last finds channels that do not divide."""


def check(baseline: Baseline, num_classes: int, resolution: int) -> list[str]:
    """Build and run ``baseline`` unscaled, deeper, wider, and on larger images.

    Args:
        baseline: built-in ones are known to be sound and are not tried.
        num_classes: of the data set.
        resolution: of the sweep's baseline, in px; a larger one is tried too.

    Returns:
        Notes worth telling, one sentence each: an axis on which the network does not scale.

    Raises:
        UserError: one sentence, naming the network: it cannot be built, does not run at the
            resolution or at no other, returns something else than (N, num_classes), or has
            nothing that can be counted.
    """
    from scalegrid.baselines.registry import BUILT_IN

    if baseline.name in BUILT_IN:
        return []
    if resolution < baseline.total_stride:
        raise UserError(
            f"{baseline.name} shrinks its maps {baseline.total_stride} times, too much for images "
            f"of {resolution} px."
        )
    for depth, width in _PROBES:
        model = skeleton(baseline, depth, width, num_classes)
        if not list(_layers(model)):
            raise UserError(
                f"{baseline.name} builds no convolution or linear layer (torch.nn.Conv2d, "
                "torch.nn.Linear), so its cost cannot be counted."
            )
        _check_output(baseline.name, model, depth, width, num_classes, resolution)
    larger = resolution + baseline.total_stride
    _check_output(baseline.name, model, *_PROBES[-1], num_classes, larger)
    return _idle_axes(baseline)


def _check_output(
    name: str, model: nn.Module, depth: float, width: float, num_classes: int, resolution: int
) -> None:
    import torch

    from scalegrid.baselines.introspection import run
    from scalegrid.baselines.modules import told

    which = f"{name} at depth {depth:g}, width {width:g}"
    try:
        output = run(model, resolution, images=2)
    except Exception as error:  # the user's code may raise anything
        raise UserError(
            f"{which} does not run on images of {resolution} px ({told(error)}); a baseline must "
            "take square images of any size above its total stride."
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


def _layers(model: nn.Module) -> list[nn.Module]:
    from torch import nn

    return [m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
