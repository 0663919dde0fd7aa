"""How multiplied layers and channels become whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

DepthRounding = Literal["ceil", "round"]


def tidy(multiplier: float) -> float:
    """``multiplier`` to nine digits, so that √2 · √2 is 2 and five layers do not become eleven."""
    return round(multiplier, 9)


def scale_layers(layers: int, depth: float, rounding: DepthRounding = "ceil") -> int:
    """``layers`` · ``depth``, rounded up or to the nearest, and at least one (none stay none)."""
    if layers == 0:
        return 0
    scaled = layers * tidy(depth)
    return max(1, math.ceil(scaled) if rounding == "ceil" else round(scaled))


def scale_stage(
    repeats: Sequence[int], depth: float, rounding: DepthRounding = "ceil"
) -> list[int]:
    """Scale the layers of a stage, and share them out among its kinds of block as timm does.

    From the last kind to the first, each gets its part of the layers left, and at least one, so
    that the first, which often changes stride and channels, is the last to be repeated.

    Args:
        repeats: layers of each kind of block, in order.
        depth: multiplier.
        rounding: of the stage's layers.
    """
    before, left = sum(repeats), scale_layers(sum(repeats), depth, rounding)
    scaled = []
    for layers in reversed(repeats):
        share = max(1, round(layers / before * left))
        scaled.append(share)
        before, left = before - layers, left - share
    return scaled[::-1]


def scale_channels(channels: int, width: float, divisor: int = 8) -> int:
    """``channels`` · ``width``, rounded as MobileNet and EfficientNet do and timm's make_divisible.

    The nearest positive multiple of ``divisor`` (halves go up), or the next one where that is more
    than 10 % below.
    """
    return round_channels(channels * tidy(width), divisor)


def round_channels(exact: float, divisor: int = 8) -> int:
    """timm's make_divisible, see `scale_channels`."""
    nearest = max(divisor, divisor * math.floor(exact / divisor + 0.5))
    return nearest + divisor if nearest < 0.9 * exact else nearest
