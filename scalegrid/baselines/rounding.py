"""How multiplied layers and channels become whole numbers."""

from __future__ import annotations

import math
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


def scale_channels(channels: int, width: float, divisor: int = 8) -> int:
    """``channels`` · ``width``, rounded as MobileNet and EfficientNet do and timm's make_divisible.

    The nearest positive multiple of ``divisor`` (halves go up), or the next one where that is more
    than 10 % below.
    """
    exact = channels * tidy(width)
    nearest = max(divisor, divisor * math.floor(exact / divisor + 0.5))
    return nearest + divisor if nearest < 0.9 * exact else nearest
