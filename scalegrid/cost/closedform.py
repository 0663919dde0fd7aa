"""Costs of networks whose layers are known without building them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalegrid.baselines import Baseline, Run, skeleton
from scalegrid.cost.counting import Cost, measure
from scalegrid.util.errors import UserError

_LEVELS = 6
"""Maps may be halved five times, to a stride of 32; the level after these is of pooled maps."""

_MOST = 2.0**60
"""FLOPs that can be added up without overflow."""


def closed_table(
    baseline: Baseline,
    depths: Sequence[float],
    widths: Sequence[float],
    resolutions: Sequence[int],
    num_classes: int,
    in_chans: int = 3,
) -> NDArray[np.int64] | None:
    """(D, W, P, 3) costs as in `Cost`; None where the layers are not known.

    Raises:
        UserError: the network is absurdly large.
    """
    positions = np.array([_map_sizes(resolution) for resolution in resolutions]).T
    table = np.empty((len(depths), len(widths), len(resolutions), 3), dtype=np.int64)
    repeats: list[Any] = []
    for w, width in enumerate(widths):
        runs = baseline.known_layers(width, num_classes, in_chans)
        if runs is None:
            return None
        repeats = repeats or [baseline.depths(depth) for depth in depths]
        # Blocks of stem and head stay one; of each run between them all but the first are repeats.
        more = np.array([[0, *(n - 1 for stage in own for n in stage), 0] for own in repeats])
        first, rest = _by_level(runs)
        counted = first.sum(0) + np.tensordot(more, rest, 1)  # (D, L, 3)
        if float(counted.max()) * float(positions.max()) > _MOST:
            raise UserError(f"{baseline.name} is too large to be counted; use fewer channels.")
        table[:, w, :, 0] = counted[..., 0] @ positions
        table[:, w, :, 1] = counted[..., 1].sum(1, keepdims=True)
        table[:, w, :, 2] = counted[..., 2] @ positions
    return table


def check_closed_form(
    baseline: Baseline, num_classes: int, resolution: int, in_chans: int = 3
) -> None:
    """Build and count the unscaled network and a scaled one, where plans trust the closed form.

    Raises:
        UserError: another network is built, as a timm of other rules might.
    """
    for scale in (1.0, 1.3):
        table = closed_table(baseline, [scale], [scale], [resolution], num_classes, in_chans)
        if table is None:
            return
        model = skeleton(baseline, scale, scale, num_classes, resolution, in_chans)
        built = measure(model, resolution, in_chans)
        if tuple(table[0, 0, 0]) != built:
            raise UserError(
                f"{baseline.name} is planned with {Cost(*table[0, 0, 0])}, but timm "
                f"{version('timm')} builds it with {built}; install another version of timm, and "
                "please report this."
            )


def _map_sizes(resolution: int) -> list[int]:
    """Output positions of a map halved 0, 1, … times, rounding up; those of a pooled map last."""
    sides = [resolution]
    while len(sides) < _LEVELS:
        sides.append((sides[-1] + 1) // 2)
    return [side * side for side in sides] + [1]


def _by_level(runs: Sequence[Run]) -> NDArray[np.int64]:
    """(2, N, L, 3): of the first block and of a repeat of each run, at each level of output maps.

    The numbers are weights, parameters and output channels.
    """
    counted = np.zeros((2, len(runs), _LEVELS + 1, 3), dtype=np.int64)
    level = 0
    for number, run in enumerate(runs):
        for which, layers in enumerate(run):
            for layer in layers:
                level += layer.stride == 2  # of the others it is 1
                at = _LEVELS if layer.pooled else level
                counted[which, number, at] += layer.weights, layer.params, layer.outputs
    return counted
