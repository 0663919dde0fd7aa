"""How multiplied layers and channels become whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from scalegrid.coefficients import DepthRounding, DepthRule


class _Rounding(Protocol):
    """A dataclass with a rule, and the authors' where that is another."""

    @property
    def depth_rounding(self) -> DepthRounding: ...

    @property
    def authors_rounding(self) -> DepthRounding | None: ...


Baseline = TypeVar("Baseline", bound=_Rounding)


def with_rule(baseline: Baseline, rule: DepthRule) -> Baseline:
    """A copy of a dataclass whose layers are rounded by ``rule``."""
    authors = baseline.authors_rounding or baseline.depth_rounding
    chosen = authors if rule == "authors" else rule
    other = {"depth_rounding": chosen, "authors_rounding": None if chosen == authors else authors}
    return replace(baseline, **other)  # type: ignore[type-var]


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
) -> tuple[int, ...]:
    """Scale the layers of a stage, and share them out among its kinds of block as timm does.

    From the last kind to the first, each gets its part of the layers left, and at least one. The
    first, which often changes stride and channels, is the last to be repeated.

    Args:
        repeats: layers of each kind of block, in order.
        depth: multiplier.
        rounding: of the stage's layers.
    """
    before, left = sum(repeats), scale_layers(sum(repeats), depth, rounding)
    scaled: list[int] = []
    for layers in reversed(repeats):
        scaled.append(max(1, round(layers / before * left)))
        before, left = before - layers, left - scaled[-1]
    return tuple(reversed(scaled))


def scale_channels(channels: int, width: float, divisor: int = 8) -> int:
    """``channels`` · ``width``, rounded by `round_channels`."""
    return round_channels(channels * tidy(width), divisor)


def round_channels(exact: float, divisor: int = 8) -> int:
    """The rounding of MobileNet and EfficientNet, timm's ``make_divisible``.

    The nearest positive multiple of ``divisor`` (halves go up), or the next multiple where the
    nearest is more than 10 % below.
    """
    nearest = max(divisor, divisor * math.floor(exact / divisor + 0.5))
    return nearest + divisor if nearest < 0.9 * exact else nearest
