"""Costs of networks whose layers are known without building them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scalegrid.baselines import Baseline, skeleton
from scalegrid.baselines.blocklayers import Layer
from scalegrid.cost import Cost, measure
from scalegrid.errors import UserError

_LEVELS = 6
"""How often a map may be halved; the last level is that of pooled maps."""

LayersOf = Callable[[float, float, int], "list[Layer] | None"]
"""Takes depth, width and the number of classes."""


def closed_table(
    baseline: Baseline,
    depths: Sequence[float],
    widths: Sequence[float],
    resolutions: Sequence[int],
    num_classes: int,
) -> NDArray[np.int64] | None:
    """(D, W, P, 3) costs as in `Cost`; None for a baseline that does not know its layers."""
    layers_of: LayersOf | None = getattr(baseline, "known_layers", None)
    if layers_of is None:
        return None
    places = np.array([_places(resolution) for resolution in resolutions]).T
    table = np.empty((len(depths), len(widths), len(resolutions), 3), dtype=np.int64)
    for d, depth in enumerate(depths):
        for w, width in enumerate(widths):
            layers = layers_of(depth, width, num_classes)
            if layers is None:
                return None
            weights, outputs = _by_level(layers)
            table[d, w, :, 0] = weights @ places
            table[d, w, :, 1] = sum(layer.params for layer in layers)
            table[d, w, :, 2] = outputs @ places
    return table


def check_closed_form(baseline: Baseline, num_classes: int, resolution: int) -> None:
    """Build and count the unscaled network and a scaled one, where plans trust the closed form.

    Raises:
        UserError: another network is built; this timm follows other rules.
    """
    for scale in (1.0, 1.3):
        table = closed_table(baseline, [scale], [scale], [resolution], num_classes)
        if table is None:
            return
        built = measure(skeleton(baseline, scale, scale, num_classes), resolution)
        if tuple(table[0, 0, 0]) != built:
            raise UserError(
                f"{baseline.name} as this timm builds it costs {built.flops:,} FLOPs where "
                f"{Cost(*table[0, 0, 0]).flops:,} are planned: scalegrid does not know this "
                "version of timm; install another."
            )


def _places(resolution: int) -> list[int]:
    """Places of a map that has been halved 0, 1, … times, rounding up; of a pooled one last."""
    sides = [resolution]
    while len(sides) < _LEVELS:
        sides.append((sides[-1] + 1) // 2)
    return [side * side for side in sides] + [1]


def _by_level(layers: Sequence[Layer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weights and output channels of the layers, summed by the level of their output maps."""
    weights, outputs = [0] * (_LEVELS + 1), [0] * (_LEVELS + 1)
    level = 0
    for layer in layers:
        level += layer.stride == 2
        at = _LEVELS if layer.pooled else level
        weights[at] += layer.weights
        outputs[at] += layer.outputs
    return np.array(weights, dtype=np.int64), np.array(outputs, dtype=np.int64)
