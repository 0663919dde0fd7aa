"""ConvNeXt (Liu et al. 2022, arXiv 2201.03545, section 3), and timm's smaller atto … nano.

Rule: the authors scale by hand; as in the EfficientNet paper, layers of each stage are multiplied
and rounded up, channels of patch stem and stages are multiplied and rounded to multiples of 8.
The 2×2 downsampling layers between stages are not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalegrid.baselines.base import Layout, Row
from scalegrid.baselines.stages import StageBaseline

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ConvNeXtBaseline(StageBaseline):
    """``conv_mlp`` writes the pointwise layers as 1×1 convolutions, as timm's small ones do."""

    conv_mlp: bool = False

    @property
    def definition(self) -> Any:
        """How pointwise layers are written; the layer table says the rest."""
        return {"class": type(self).__name__, "conv_mlp": self.conv_mlp}

    def layout(self, depth: float, width: float) -> Layout:
        """Patch stem, four stages with a downsampling layer before the last three, classifier."""
        layers, widths = self.depths(depth), self.channels(width)
        rows = [Row("Conv", 4, 4, widths[0], 1)]
        for i, (n, channels) in enumerate(zip(layers, widths, strict=True)):
            if i:
                rows.append(Row("Conv", 2, 2, channels, 1))
            rows.append(Row("ConvNeXtBlock", 7, 1, channels, n))
        return (*rows, Row("Pooling & FC", 1, 1, widths[-1], 1))

    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """A `timm.models.convnext.ConvNeXt`."""
        from timm.models.convnext import ConvNeXt

        model: nn.Module = ConvNeXt(
            num_classes=num_classes,
            depths=self.depths(depth),
            dims=self.channels(width),
            conv_mlp=self.conv_mlp,
        )
        return model


FAMILY = (
    ConvNeXtBaseline("convnext_atto", (2, 2, 6, 2), (40, 80, 160, 320), conv_mlp=True),
    ConvNeXtBaseline("convnext_femto", (2, 2, 6, 2), (48, 96, 192, 384), conv_mlp=True),
    ConvNeXtBaseline("convnext_pico", (2, 2, 6, 2), (64, 128, 256, 512), conv_mlp=True),
    ConvNeXtBaseline("convnext_nano", (2, 2, 8, 2), (80, 160, 320, 640), conv_mlp=True),
    ConvNeXtBaseline("convnext_tiny", (3, 3, 9, 3), (96, 192, 384, 768)),
    ConvNeXtBaseline("convnext_small", (3, 3, 27, 3), (96, 192, 384, 768)),
    ConvNeXtBaseline("convnext_base", (3, 3, 27, 3), (128, 256, 512, 1024)),
)
