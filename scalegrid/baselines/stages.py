"""Baselines whose timm constructor takes the layers and channels of each stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from scalegrid.baselines.rounding import DepthRounding, scale_channels, scale_layers


@dataclass(frozen=True)
class StageBaseline:
    """Layers and channels of each stage; a family adds how they are built and tabulated."""

    name: str
    layers: tuple[int, ...]
    widths: tuple[int, ...]
    resolution: int = 224
    origin: ClassVar[str] = "built-in"
    brief_resolution: int = 64

    total_stride: ClassVar[int] = 32
    depth_rounding: ClassVar[DepthRounding] = "ceil"

    def known_layers(self, *_: Any) -> None:
        """x"""
        return

    def depths(self, depth: float) -> tuple[int, ...]:
        """Layers of each stage."""
        return tuple(scale_layers(n, depth, self.depth_rounding) for n in self.layers)

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of each stage, as the constructor takes them."""
        return tuple(scale_channels(c, width) for c in self.widths)
